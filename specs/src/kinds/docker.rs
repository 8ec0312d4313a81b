//! Plain Docker resources, for operators who declare infrastructure directly.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::any_address;
use crate::quantity::{Adopted, MountPath};
use crate::{Address, ByteSize, Cidr, Cpu, Duration, EnvValue};

/// A Docker network.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The `docker` connection; may be left out when there is just one.
    pub docker: Option<String>,
    /// Its addresses. Without it, the engine chooses.
    pub subnet: Option<Cidr>,
    /// Whether it has no way out.
    #[serde(default)]
    pub internal: bool,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
    /// The name or id of a network that was there before; stands for the mark it cannot get.
    pub adopted: Option<Adopted>,
}

/// A Docker volume. What is in it outlives its entry: see `policy.retention`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The `docker` connection; may be left out when there is just one.
    pub docker: Option<String>,
    /// The volume driver; `local` unless said.
    pub driver: Option<String>,
    /// Options for the driver.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
    /// The name of a volume that was there before; stands for the mark it cannot get.
    pub adopted: Option<Adopted>,
}

/// A Docker container.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The `docker` connection; may be left out when there is just one.
    pub docker: Option<String>,
    /// The image reference, such as `nginx:1.27`.
    #[schemars(length(min = 1), example = "nginx:1.27")]
    pub image: String,
    /// The entry point, instead of the image's own.
    pub entrypoint: Option<Vec<String>>,
    /// The command, instead of the image's own.
    pub command: Option<Vec<String>>,
    /// The user it runs as, instead of the image's own.
    pub user: Option<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The `network` entries it joins; Docker's default bridge when there is none.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The `volume` entries it mounts.
    #[serde(default)]
    pub volumes: Vec<Mount>,
    /// The ports it publishes.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// How many cores it may use.
    pub cpu: Option<Cpu>,
    /// How much memory it may use; there is no swap beyond it. Docker takes no less than 6MiB.
    pub memory: Option<ByteSize>,
    /// How many processes it may have.
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
    /// What the engine does when it stops.
    #[serde(default)]
    pub restart: Restart,
    /// A check the engine runs inside.
    pub healthcheck: Option<Healthcheck>,
    /// Where its output goes.
    pub logging: Option<Logging>,
    /// When it counts as ready; what depends on it waits for that.
    pub ready: Option<Ready>,
    /// Addresses that must be there first.
    #[serde(default)]
    pub depends_on: Vec<Address>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
    /// The name or id of a container that was there before; stands for the mark it cannot get.
    pub adopted: Option<Adopted>,
}

/// A volume at its place in a container.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The `volume` entry.
    pub volume: String,
    /// Where it is mounted.
    pub path: MountPath,
    /// Whether the container can only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// A published port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The port on the host.
    #[schemars(range(min = 1))]
    pub host: u16,
    /// The port in the container.
    #[schemars(range(min = 1))]
    pub container: u16,
    /// Its protocol.
    #[serde(default)]
    pub protocol: Protocol,
    /// The host address to bind; all of them unless said.
    #[serde(default = "any_address")]
    pub bind: IpAddr,
}

/// A transport protocol.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// What the engine does when a container stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Restart {
    /// Nothing.
    No,
    /// Start it again when it failed.
    OnFailure,
    /// Start it again.
    Always,
    /// Start it again unless somebody stopped it.
    #[default]
    UnlessStopped,
}

/// A check the engine runs inside a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// The command; healthy when it answers 0.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// How often it runs; 30 s unless said.
    pub interval: Option<Duration>,
    /// How long it may take; 30 s unless said.
    pub timeout: Option<Duration>,
    /// How many failures in a row make it unhealthy; 3 unless said.
    #[schemars(range(min = 1))]
    pub retries: Option<u32>,
    /// For how long failures do not count after the start.
    pub start_period: Option<Duration>,
}

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// The logging driver, such as `json-file` or `journald`.
    #[schemars(length(min = 1))]
    pub driver: String,
    /// Options for the driver.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// When a container counts as ready.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Something in the container listens on this TCP port, which it publishes.
    #[schemars(range(min = 1))]
    pub tcp: Option<u16>,
    /// The engine calls it healthy; needs a health check.
    #[serde(default)]
    pub healthy: bool,
    /// How long that may take; 60 s unless said.
    #[serde(default = "default_ready_timeout")]
    pub timeout: Duration,
}

fn default_ready_timeout() -> Duration {
    Duration::from_secs(60)
}
