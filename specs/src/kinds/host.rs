//! Where things run: connections, locations, and what there is to hand out on them.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::quantity::Malformed;
use crate::{ByteSize, Cidr, Code, Cpu, HostKey, PortRange, SecretRef};

/// A connection to one Docker Engine.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// Where the engine listens: `unix:///var/run/docker.sock`, `tcp://host:2376`,
    /// `ssh://user@host`, or `memory:host.json` for a pretend host kept in a file. Without it,
    /// `DOCKER_HOST`, and without that, the local socket.
    pub endpoint: Option<Endpoint>,
    /// Keys for a `tcp://` endpoint. Without them, the connection is not encrypted.
    pub tls: Option<Tls>,
    /// The fingerprint of the machine behind an `ssh://` endpoint, which needs one:
    /// `SHA256:…`, as `ssh-keygen -l` shows it. Another machine is refused.
    pub host_key: Option<HostKey>,
    /// Our private key for an `ssh://` endpoint: `secret://file/…`. Without it, the keys of the
    /// ssh agent.
    pub key: Option<SecretRef>,
    /// The `location` this host stands in.
    pub location: Option<String>,
    /// What may be promised to instances on this host. Without it, there is no limit.
    pub capacity: Option<Capacity>,
    /// How often each part of the capacity may be promised.
    pub overcommit: Option<Overcommit>,
}

/// Keys of a TLS connection, each a PEM file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authority that signed the engine's certificate; a path from the spec directory.
    pub ca: String,
    /// Our certificate; a path from the spec directory.
    pub cert: String,
    /// Our private key: `secret://file/…`.
    pub key: SecretRef,
}

/// What a host can give.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Cores.
    pub cpu: Option<Cpu>,
    /// Memory.
    pub memory: Option<ByteSize>,
    /// Disk.
    pub disk: Option<ByteSize>,
}

/// How often each part of a capacity may be promised; 1 unless said.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overcommit {
    /// Times the cores.
    pub cpu: Option<Ratio>,
    /// Times the memory.
    pub memory: Option<Ratio>,
    /// Times the disk.
    pub disk: Option<Ratio>,
}

/// A factor such as `3.0` or `1.5`, kept in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(u32);

impl Ratio {
    /// `amount` times this factor, rounded down.
    pub fn times(self, amount: u64) -> u64 {
        u64::try_from(u128::from(amount) * u128::from(self.0) / 1000).unwrap_or(u64::MAX)
    }
}

impl TryFrom<f64> for Ratio {
    type Error = Malformed;

    fn try_from(factor: f64) -> Result<Self, Malformed> {
        if !(0.001..=1000.0).contains(&factor) {
            return Err(Malformed::new(Code::NumberOutOfRange, "a factor between 0.001 and 1000"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Ratio((factor * 1000.0).round() as u32))
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> f64 {
        f64::from(ratio.0) / 1000.0
    }
}

impl JsonSchema for Ratio {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0.001, "maximum": 1000 })
    }
}

/// A place in the world that customers choose from.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Country by its ISO 3166 code.
    pub country: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Time zone by its IANA name.
    pub timezone: Option<String>,
}

/// Host ports that offers hand out, one at a time.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PortRangeTable")]
pub struct PortRangeSpec {
    /// The `docker` connection whose ports these are.
    pub docker: String,
    /// From the first to the last.
    pub range: PortRange,
    /// The host address to bind; all of them unless said.
    #[serde(default = "any_address")]
    pub bind: IpAddr,
}

pub(super) fn any_address() -> IpAddr {
    Ipv4Addr::UNSPECIFIED.into()
}

/// A supernet from which each tenant gets one isolated network on a Docker host.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The `docker` connection the networks live on.
    pub docker: String,
    /// The addresses to carve.
    pub supernet: Cidr,
    /// The prefix length of each tenant's part; at most 29, since Docker needs a gateway and
    /// somebody to talk to.
    #[schemars(range(min = 8, max = 29))]
    pub per_tenant_prefix: u8,
}
