//! What Docker holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lessor_specs::kinds::{Healthcheck, Logging, Protocol, Restart};
use lessor_specs::quantity::MountPath;
use lessor_specs::{ByteSize, Cidr, Cpu, EnvValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hold, is_false};

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
