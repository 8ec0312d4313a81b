//! How a thing should look, or does: every attribute decided.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use lessor_specs::kinds::{Healthcheck, Logging, Protocol, Restart};
use lessor_specs::quantity::MountPath;
use lessor_specs::{ByteSize, Cidr, Cpu, EnvValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How one thing looks. Names are those of the provider, not addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An image that is there.
    Image(ImageBody),
    /// A network.
    Network(NetworkBody),
    /// A volume.
    Volume(VolumeBody),
    /// A container. Shared, since a wish, a change and a listing of a large estate all hold it.
    Container(Arc<ContainerBody>),
}

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageBody {
    /// The reference it can be used by.
    pub name: String,
}

/// A Docker network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkBody {
    /// Its name.
    pub name: String,
    /// Its addresses; `None` when the engine may choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Cidr>,
    /// Whether it has no way out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub internal: bool,
    /// Labels, without the mark.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A Docker volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeBody {
    /// Its name.
    pub name: String,
    /// The driver.
    pub driver: String,
    /// Options for the driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Labels, without the mark.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A Docker container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerBody {
    /// Its name.
    pub name: String,
    /// The image reference.
    pub image: String,
    /// The entry point; `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command; `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The user; `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment variables beside the image's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// Labels beside the image's own, without the mark.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Names of networks; the engine's default bridge when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub networks: BTreeSet<String>,
    /// Volumes, by where they are mounted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<String, MountBody>,
    /// Published ports, in order.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<PortBody>,
    /// Cores it may use; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory it may use; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Processes it may have; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// What the engine does when it stops.
    pub restart: Restart,
    /// Whether its processes can never gain privileges.
    pub no_new_privileges: bool,
    /// A check the engine runs inside; `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckBody>,
    /// Where its output goes; `None` is the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Whether it runs, or will be started again by the engine.
    pub running: bool,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MountBody {
    /// The volume's name.
    pub volume: String,
    /// Whether the container can only read it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
}

/// A published port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PortBody {
    /// The port in the container.
    pub container: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The host address.
    pub bind: IpAddr,
    /// The port on the host.
    pub host: u16,
}

/// A health check with every default filled in, in seconds where it is time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthcheckBody {
    /// The command.
    pub command: Vec<String>,
    /// How often.
    pub interval_s: u64,
    /// How long it may take.
    pub timeout_s: u64,
    /// How many failures make it unhealthy.
    pub retries: u32,
    /// For how long failures do not count.
    pub start_period_s: u64,
}

impl From<&Healthcheck> for HealthcheckBody {
    /// Fills in what the engine would: 30 s, 30 s, 3 and 0 s.
    fn from(check: &Healthcheck) -> Self {
        HealthcheckBody {
            command: check.command.clone(),
            interval_s: check.interval.map_or(30, lessor_specs::Duration::secs),
            timeout_s: check.timeout.map_or(30, lessor_specs::Duration::secs),
            retries: check.retries.unwrap_or(3),
            start_period_s: check.start_period.map_or(0, lessor_specs::Duration::secs),
        }
    }
}

/// Something only one thing of a host can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// A port on the host.
    Port {
        /// The host address.
        bind: IpAddr,
        /// The port.
        port: u16,
        /// Its protocol.
        protocol: Protocol,
    },
    /// A range of addresses.
    Subnet(Cidr),
    /// A name among things of its sort.
    Name {
        /// `network`, `volume` or `container`.
        sort: &'static str,
        /// The name.
        name: String,
    },
}

impl Hold {
    /// Whether one host cannot have both.
    pub fn clashes(&self, other: &Hold) -> bool {
        match (self, other) {
            (
                Hold::Port { bind, port, protocol },
                Hold::Port { bind: other, port: other_port, protocol: other_protocol },
            ) => {
                let shared = bind == other || bind.is_unspecified() || other.is_unspecified();
                shared && port == other_port && protocol == other_protocol
            }
            (Hold::Subnet(subnet), Hold::Subnet(other)) => subnet.overlaps(*other),
            (Hold::Name { .. }, Hold::Name { .. }) => self == other,
            _ => false,
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hold::Port { bind, port, protocol } if bind.is_unspecified() => {
                write!(f, "port {port}/{protocol}")
            }
            Hold::Port { bind, port, protocol } => write!(f, "port {bind}:{port}/{protocol}"),
            Hold::Subnet(subnet) => write!(f, "subnet {subnet}"),
            Hold::Name { name, .. } => write!(f, "name `{name}`"),
        }
    }
}

impl Body {
    /// `image`, `network`, `volume` or `container`.
    pub fn sort(&self) -> &'static str {
        match self {
            Body::Image(_) => "image",
            Body::Network(_) => "network",
            Body::Volume(_) => "volume",
            Body::Container(_) => "container",
        }
    }

    /// What the provider knows it by.
    pub fn name(&self) -> &str {
        match self {
            Body::Image(image) => &image.name,
            Body::Network(network) => &network.name,
            Body::Volume(volume) => &volume.name,
            Body::Container(container) => &container.name,
        }
    }

    /// Gives it another name.
    pub fn set_name(&mut self, name: String) {
        *match self {
            Body::Image(image) => &mut image.name,
            Body::Network(network) => &mut network.name,
            Body::Volume(volume) => &mut volume.name,
            Body::Container(container) => &mut Arc::make_mut(container).name,
        } = name;
    }

    /// The container, to be changed; a copy of it, if it is shared.
    pub fn container_mut(&mut self) -> Option<&mut ContainerBody> {
        match self {
            Body::Container(container) => Some(Arc::make_mut(container)),
            Body::Image(_) | Body::Network(_) | Body::Volume(_) => None,
        }
    }

    /// Whether removing it loses what cannot be made again.
    pub fn has_data(&self) -> bool {
        matches!(self, Body::Volume(_))
    }

    /// What nothing else on its host can have at the same time, apart from its name.
    pub fn holds(&self) -> Vec<Hold> {
        match self {
            Body::Network(network) => network.subnet.map(Hold::Subnet).into_iter().collect(),
            Body::Container(container) => container.ports.iter().map(PortBody::hold).collect(),
            Body::Image(_) | Body::Volume(_) => Vec::new(),
        }
    }

    /// The things it uses, each by sort and name: those must be there before it and go after it.
    pub fn uses(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let container = match self {
            Body::Container(container) => Some(container),
            _ => None,
        };
        container.into_iter().flat_map(|container| {
            let networks = container.networks.iter().map(|name| ("network", name.as_str()));
            let volumes = container.mounts.values().map(|m| ("volume", m.volume.as_str()));
            networks.chain(volumes).chain([("image", container.image.as_str())])
        })
    }

    /// Every attribute by its path, for comparing and showing: `memory`, `env.EULA`.
    ///
    /// Lists are one attribute each; maps and tables are taken apart.
    pub fn attributes(&self) -> BTreeMap<String, Value> {
        let mut attributes = BTreeMap::new();
        // Bodies are plain data: serializing them cannot fail.
        let value = match self {
            Body::Image(image) => serde_json::to_value(image),
            Body::Network(network) => serde_json::to_value(network),
            Body::Volume(volume) => serde_json::to_value(volume),
            Body::Container(container) => serde_json::to_value(container),
        };
        flatten(String::new(), value.unwrap_or_default(), &mut attributes);
        attributes
    }
}

impl PortBody {
    /// What it takes on the host.
    pub fn hold(&self) -> Hold {
        Hold::Port { bind: self.bind, port: self.host, protocol: self.protocol }
    }
}

impl MountBody {
    /// A volume mounted for reading and writing, at a path.
    pub fn at(path: &MountPath, volume: String, read_only: bool) -> (String, MountBody) {
        (path.as_str().to_owned(), MountBody { volume, read_only })
    }
}

fn flatten(path: String, value: Value, attributes: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(path, value, attributes);
            }
        }
        value => drop(attributes.insert(path, value)),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
