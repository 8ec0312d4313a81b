//! What Proxmox VE holds.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use lessor_specs::kinds::{RuleAction, RuleProtocol};
use lessor_specs::{ByteSize, PortRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// A virtual machine or an LXC container of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestBody {
    /// Its id in the cluster, in digits.
    pub name: String,
    /// The node it is on.
    pub node: String,
    /// Whether it is an LXC container rather than a virtual machine.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lxc: bool,
    /// What it is called there: `web-1.acme`.
    pub hostname: String,
    /// What it was made from.
    pub made_from: MadeFrom,
    /// The resource pool it is in.
    pub pool: String,
    /// Labels of the cluster, in lower case.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Cores.
    pub cpu: u32,
    /// Memory.
    pub memory: ByteSize,
    /// Its first disk. It can grow and never shrink.
    pub disk: ByteSize,
    /// Its first network card.
    pub network: GuestNetwork,
    /// What cloud-init sets up; for a container, only its address counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<CloudInit>,
    /// Rules the hypervisor keeps before it, in order; `None` when they are not ours to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Vec<GuestRule>>,
    /// Whether it is started with its node.
    pub on_boot: bool,
    /// Whether it runs.
    pub running: bool,
    /// What of it others changed, or a run that was cut off, and what waits for its next start. Of a
    /// wish, nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waiting: BTreeSet<String>,
    /// Until when it is kept for its data, since nobody declares it any more. The date stands with
    /// the guest for people to read, and for whoever lost what was remembered of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kept_until: Option<jiff::Timestamp>,
}

impl GuestBody {
    /// Whether it has to start anew to become like `after`: it runs, and what differs is read when it
    /// starts.
    pub fn reboots_for(&self, after: &GuestBody) -> bool {
        let read_at_start = |guest: &GuestBody| {
            (guest.cpu, guest.memory, guest.hostname.clone(), guest.cloud_init.clone())
        };
        self.running && after.running && read_at_start(self) != read_at_start(after)
    }

    /// Where it comes to, and what it is given.
    pub(crate) fn facts(&self) -> Vec<String> {
        let address = self.cloud_init.as_ref().map(|cloud_init| cloud_init.address.to_string());
        let own = [format!("id {}", self.name), format!("on {}", self.node)];
        own.into_iter().chain(address).collect()
    }

    /// Takes over from a wish what cannot be seen of a guest that is there: what it was made from,
    /// rules that are not ours to say, and who may log in to a container.
    pub fn overlook(&mut self, wish: &GuestBody) {
        if self.made_from.image.is_empty() {
            self.made_from.image.clone_from(&wish.made_from.image);
        }
        self.made_from.template = wish.made_from.template;
        self.made_from.storage.clone_from(&wish.made_from.storage);
        if wish.firewall.is_none() {
            self.firewall = None;
        }
        if self.lxc
            && let (Some(seen), Some(wish)) = (&mut self.cloud_init, &wish.cloud_init)
        {
            seen.user.clone_from(&wish.user);
            seen.keys.clone_from(&wish.keys);
        }
    }
}

/// What a guest was made from. It is read when the guest is made and means nothing afterwards, but
/// for the image: another one makes another guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeFrom {
    /// The `image` entry; empty of a guest that does not say so, since others made it.
    pub image: String,
    /// The id of the template; `None` of a guest that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<u32>,
    /// Where its disk is put; `None` of a guest that is there, and of one that shares the
    /// template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
}

/// The network card of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestNetwork {
    /// Its hardware address, in capitals: `02:1B:…`.
    pub mac: String,
    /// The bridge or virtual network it is on.
    pub bridge: String,
    /// The tag of its VLAN on a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u16>,
    /// Whether a container is set up to ask for its address. A machine that nothing sets up asks by
    /// itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dhcp: bool,
}

/// What cloud-init sets up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudInit {
    /// Its address.
    pub address: Ipv4Addr,
    /// How many bits of the address name its network.
    pub prefix: u8,
    /// Where it sends what is not for its network.
    pub gateway: Ipv4Addr,
    /// The user that is made; `None` is the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Public keys that may log in as that user.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
}

/// A rule before one guest, about packets that come to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestRule {
    /// The template it is of.
    pub name: String,
    /// What it is about.
    pub protocol: RuleProtocol,
    /// Where packets come from: `any`, an address or a range.
    pub source: String,
    /// The ports they go to; every port when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
    /// What happens to them.
    pub action: RuleAction,
    /// Whether they are logged.
    #[serde(default, skip_serializing_if = "is_false")]
    pub log: bool,
}

/// A resource pool: what one tenant has on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    /// Its id.
    pub name: String,
}

/// A virtual network of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VnetBody {
    /// Its id, of at most eight characters.
    pub name: String,
    /// The zone.
    pub zone: String,
    /// The tag of its VLAN.
    pub tag: u16,
}
