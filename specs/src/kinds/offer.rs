//! What can be rented, and for how much.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::{ByteSize, Cpu, Currency, Duration, Money};

/// Something that can be rented: exactly one of a container, a virtual machine or a machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The `image` entries to choose from.
    #[serde(default)]
    pub images: Vec<String>,
    /// The `location` entries to choose from.
    #[serde(default)]
    pub locations: Vec<String>,
    /// What it costs.
    pub price: Price,
    /// What happens when it is no longer paid for.
    pub lifecycle: Option<Lifecycle>,
    /// Firewall templates each instance gets.
    #[serde(default)]
    pub firewall: Vec<String>,
    /// It is a container.
    pub container: Option<ContainerOffer>,
    /// It is a virtual machine.
    pub vm: Option<VmOffer>,
    /// It is a machine of a pool, for a while.
    pub machine: Option<MachineOffer>,
}

impl Offer {
    /// Whether machines of a pool are lent by it.
    pub fn lends(&self, pool: &str) -> bool {
        self.machine.as_ref().is_some_and(|machine| machine.pools.iter().any(|one| one == pool))
    }

    /// Whether an instance of it may run at a host that stands in `own`, when `wanted` is asked for.
    pub(crate) fn is_sold_at(&self, own: Option<&str>, wanted: Option<&str>) -> bool {
        match (wanted, own) {
            (Some(wanted), own) => own == Some(wanted),
            (None, Some(own)) => {
                self.locations.is_empty() || self.locations.iter().any(|l| l == own)
            }
            (None, None) => self.locations.is_empty(),
        }
    }
}

/// What an offer costs. An empty one is free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The currency of every amount here and in the offer's parts.
    pub currency: Option<Currency>,
    /// For each hour.
    pub hourly: Option<Money>,
    /// For each hour in which it is stopped or suspended; nothing but its disk unless said.
    pub hourly_stopped: Option<Money>,
    /// At most this in a calendar month.
    pub monthly_cap: Option<Money>,
    /// At most this many hours in a calendar month.
    #[schemars(range(min = 1, max = 744))]
    pub cap_hours: Option<u16>,
}

/// What happens when an instance is no longer paid for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// How long it goes on running.
    pub grace: Option<Duration>,
    /// How long its data is kept afterwards.
    pub retention: Option<Duration>,
}

/// A container for rent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerOffer {
    /// Cores.
    pub cpu: Cpu,
    /// Memory.
    pub memory: ByteSize,
    /// Disk, accounted; enforced where the storage driver can.
    pub disk: Option<ByteSize>,
    /// How many processes it may have; 512 unless said.
    #[serde(default = "default_pids")]
    #[schemars(range(min = 1))]
    pub pids: u32,
    /// Ports it gets on the host.
    #[serde(default)]
    pub ports: Vec<OfferPort>,
}

/// Enough for a game server, too few for a fork bomb to hurt its neighbours.
fn default_pids() -> u32 {
    512
}

/// A port that each instance of an offer gets on the host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferPort {
    /// The `port_range` it is taken from.
    pub range: String,
    /// The port in the container.
    #[schemars(range(min = 1))]
    pub container: u16,
    /// Its protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

/// A virtual machine for rent, of a size the customer picks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmOffer {
    /// Cores.
    pub cpu: FlexCpu,
    /// Memory.
    pub memory: FlexSize,
    /// Disk.
    pub disk: FlexSize,
    /// Whether each gets a public address; unless said, it does where its firewall has a pool.
    pub public: Option<bool>,
}

/// A choice of cores.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlexCpu {
    /// The fewest.
    #[schemars(range(min = 1))]
    pub min: u32,
    /// The most.
    #[schemars(range(min = 1))]
    pub max: u32,
    /// In steps of.
    #[schemars(range(min = 1))]
    pub step: u32,
    /// For each core and hour.
    pub hourly: Option<Money>,
}

/// A choice of memory or disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlexSize {
    /// The least.
    pub min: ByteSize,
    /// The most.
    pub max: ByteSize,
    /// In steps of.
    pub step: ByteSize,
    /// For each GiB and hour.
    pub hourly: Option<Money>,
}

/// A machine of a pool, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MachineOffer {
    /// The `pool` entries it comes from.
    pub pools: Vec<String>,
    /// How long it can be had, and what happens in between.
    pub reservation: Option<ReservationRules>,
}

/// Rules of a reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationRules {
    /// How long, unless said; an hour without it.
    pub default: Option<Duration>,
    /// The shortest.
    pub min: Option<Duration>,
    /// The longest at a time.
    pub max: Option<Duration>,
    /// The longest with every extension.
    pub max_total: Option<Duration>,
    /// Kept free behind each one, for cleaning.
    pub cleaning: Option<Duration>,
    /// Whether one may wait for a free machine.
    #[serde(default)]
    pub queue: bool,
    /// Whether one may have a password made beside the key.
    // One without it is sold in the version it always was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub password: bool,
}

impl ReservationRules {
    /// No reservation is shorter: less is of no use to anybody.
    pub const SHORTEST: Duration = Duration::from_secs(60);

    /// How long a reservation is that does not say so.
    pub fn length(&self) -> Duration {
        self.default.unwrap_or(Duration::from_secs(3600))
    }

    /// The shortest there is.
    pub fn shortest(&self) -> Duration {
        self.min.unwrap_or(Self::SHORTEST)
    }

    /// The longest at a time; `None` is no limit.
    pub fn longest(&self) -> Option<Duration> {
        self.max.or(self.max_total)
    }

    /// The longest with every extension; `None` is no limit.
    pub fn longest_in_all(&self) -> Option<Duration> {
        self.max_total
    }
}
