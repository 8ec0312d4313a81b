//! Who rents, how much, and what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Adopted;
use crate::{Address, ByteSize, Cpu, Currency, EnvValue, Money};

/// Limits of a tenant. What is not said is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many instances.
    pub instances: Option<u32>,
    /// Cores of all instances together.
    pub cpu: Option<Cpu>,
    /// Memory of all instances together.
    pub memory: Option<ByteSize>,
    /// Disk of all instances together.
    pub disk: Option<ByteSize>,
    /// How many reservations at a time, those that begin later counted too.
    pub reservations: Option<u32>,
    /// How many machines at a time, in all its reservations together.
    pub machines: Option<u32>,
    /// How many hours of machines in a week from Monday on, UTC; two machines for an hour are two.
    pub machine_hours_per_week: Option<u32>,
}

/// Somebody who rents. What one tenant has is isolated from what another has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Mail addresses of the people it belongs to.
    #[serde(default)]
    pub owners: Vec<String>,
    /// The `quota` entry that limits it.
    pub quota: Option<String>,
    /// Time zone of its calendar months, by IANA name; UTC unless said.
    pub timezone: Option<String>,
    /// How far its balance may go below zero, by currency; not at all unless said.
    #[serde(default)]
    pub credit: BTreeMap<String, Money>,
}

impl Tenant {
    /// How far its balance may go below zero, where a currency is one.
    pub fn credit(&self) -> BTreeMap<Currency, Money> {
        let credit = self.credit.iter();
        credit.filter_map(|(currency, credit)| Some((currency.parse().ok()?, *credit))).collect()
    }
}

/// A rented thing, named `tenant/name`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// The `offer` it is one of.
    pub offer: String,
    /// The `image` it runs; may be left out when the offer has just one.
    pub image: Option<String>,
    /// The `location` it runs in; may be left out when the offer has just one.
    pub location: Option<String>,
    /// Cores, of a virtual machine whose offer leaves them open; the fewest unless said.
    pub cpu: Option<u32>,
    /// Memory, of a virtual machine whose offer leaves it open; the least unless said.
    pub memory: Option<ByteSize>,
    /// Disk, of a virtual machine whose offer leaves it open; the least unless said.
    pub disk: Option<ByteSize>,
    /// The user that cloud-init makes; the image's own unless said.
    pub user: Option<String>,
    /// Public keys that may log in as that user, each as in `authorized_keys`.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Environment variables, over those of the image.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    /// The guest that was there before this entry and gets our mark: its id in the cluster.
    pub adopted: Option<Adopted>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}
