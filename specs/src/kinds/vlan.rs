//! Networks that are told apart by a tag.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Adopted, VlanIds};
use crate::{Address, Cidr};

/// One VLAN, by hand.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// Its tag.
    #[schemars(range(min = 1, max = 4094))]
    pub id: u16,
    /// The `pfsense` connection that is its gateway.
    pub pfsense: Option<String>,
    /// The card of the firewall that carries it, such as `igb1`.
    pub parent: Option<String>,
    /// Its addresses; the firewall has the first one.
    pub subnet: Option<Cidr>,
    /// The VLAN that was there before this entry and gets our mark: its card and its tag, such as `igb1.20`.
    pub adopted: Option<Adopted>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

/// VLANs to hand out: one, and one subnet, for each tenant of a cluster.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanRange {
    /// The tags.
    pub ids: VlanIds,
    /// The `proxmox` connection whose guests are in them.
    pub proxmox: String,
    /// The bridge of its nodes that carries them as tags; or `sdn_zone`.
    pub bridge: Option<String>,
    /// The zone of its software-defined network in which each is a virtual network.
    #[schemars(length(min = 1, max = 8))]
    pub sdn_zone: Option<String>,
    /// The `pfsense` connection that is the gateway of each.
    pub pfsense: String,
    /// The card of the firewall that carries them, such as `igb1`.
    pub parent: String,
    /// The addresses to carve.
    pub supernet: Cidr,
    /// The prefix length of each tenant's part; at most 29, so that there is a gateway and somebody
    /// to talk to.
    #[schemars(range(min = 8, max = 29))]
    pub per_tenant_prefix: u8,
}
