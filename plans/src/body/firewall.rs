//! What pfSense holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use lessor_specs::kinds::{Direction, RuleAction, RuleProtocol};
use lessor_specs::{Cidr, PortRange, SecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// A VLAN on a card of a firewall, and the interface that is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VlanBody {
    /// Its card and its tag: `igb1.2100`.
    pub name: String,
    /// The card.
    pub parent: String,
    /// The tag.
    pub tag: u16,
    /// The interface on it; `None` when it has no addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceBody>,
}

impl VlanBody {
    /// Takes over from a wish what is not ours to say: how addresses are given where no guest of
    /// ours asks for one.
    pub fn overlook(&mut self, wish: &VlanBody) {
        let asks = wish.interface.as_ref().is_some_and(|interface| interface.dhcp.is_some());
        if let Some(interface) = self.interface.as_mut().filter(|_| !asks) {
            interface.dhcp = None;
        }
    }
}

/// An interface of a firewall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceBody {
    /// What people see: `acme_customers`.
    pub title: String,
    /// The firewall's own address.
    pub address: Ipv4Addr,
    /// How many bits of the address name its network.
    pub prefix: u8,
    /// Whether it is in use.
    pub enabled: bool,
    /// How addresses are given there; `None` when that is not ours to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<DhcpBody>,
}

/// A DHCP server of an interface, beside the addresses that belong to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DhcpBody {
    /// The first address of those that belong to nobody. A firewall wants some.
    pub first: Ipv4Addr,
    /// The last of them.
    pub last: Ipv4Addr,
    /// Whether these are given to whoever asks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
}

impl InterfaceBody {
    /// The network it is in.
    pub fn subnet(&self) -> Option<Cidr> {
        ipnet::Ipv4Net::new(self.address, self.prefix).ok().map(Cidr::new)
    }
}

/// Addresses under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasBody {
    /// Its name.
    pub name: String,
    /// The addresses; one alone is a range of one.
    pub addresses: BTreeSet<Cidr>,
}

/// A rule of a firewall.
///
/// An end is `any`, `(self)` for the firewall, an address, a range, the name of an alias, an
/// interface such as `lan` for its network, or a VLAN such as `igb1.2100` for the network on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// Its tracker, in digits.
    pub name: String,
    /// The interface, or the VLAN whose interface is meant.
    pub interface: String,
    /// Whether it is about packets that come or go.
    pub direction: Direction,
    /// What it is about.
    pub protocol: RuleProtocol,
    /// Where packets come from.
    pub source: String,
    /// Where packets go to.
    pub destination: String,
    /// The ports they go to; every port when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortRange>,
    /// What happens to them.
    pub action: RuleAction,
    /// Whether they are logged.
    #[serde(default, skip_serializing_if = "is_false")]
    pub log: bool,
    /// Whether it counts.
    pub enabled: bool,
    /// The last rule of ours before it on its interface, empty when it is the first. Of a wish,
    /// `None` when it may stay where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl RuleBody {
    /// What it does, in words.
    pub(crate) fn facts(&self) -> Vec<String> {
        let ports: Vec<_> = self.ports.iter().map(ToString::to_string).collect();
        let to = if ports.is_empty() { String::new() } else { format!(" {}", ports.join(", ")) };
        let action = match self.action {
            RuleAction::Pass => "pass",
            RuleAction::Block => "block",
            RuleAction::Reject => "reject",
        };
        vec![format!("{action} {} → {}{to}", self.source, self.destination)]
    }
}

/// A port of a firewall that leads inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardBody {
    /// What its mark calls it.
    pub name: String,
    /// Where packets arrive.
    pub interface: String,
    /// What it is about.
    pub protocol: RuleProtocol,
    /// Where packets come from.
    pub source: String,
    /// The port they arrive at.
    pub port: u16,
    /// Where they are sent.
    pub target: Ipv4Addr,
    /// The port there.
    pub target_port: u16,
    /// Whether it counts.
    pub enabled: bool,
}

impl ForwardBody {
    /// What it does, in words.
    pub(crate) fn fact(&self) -> String {
        format!("{} port {} → {}:{}", self.interface, self.port, self.target, self.target_port)
    }
}

/// An address that a guest gets when it asks for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingBody {
    /// Where and who: `igb1.2100/02:1b:…`.
    pub name: String,
    /// The VLAN on whose interface it asks.
    pub interface: String,
    /// Its hardware address, in lower case.
    pub mac: String,
    /// The address.
    pub address: Ipv4Addr,
    /// The name it is told.
    pub hostname: String,
}

/// Another source for packets that leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboundBody {
    /// What its mark calls it.
    pub name: String,
    /// Where they leave.
    pub interface: String,
    /// Where they come from: `any`, a range, or the name of an alias.
    pub source: String,
    /// Where they go to, in the same way.
    pub destination: String,
    /// The source they get; that of the interface when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Cidr>,
    /// Whether it counts.
    pub enabled: bool,
}

impl OutboundBody {
    /// What it does, in words.
    pub(crate) fn fact(&self) -> String {
        let target = self.target.map(|target| target.to_string());
        let target = target.unwrap_or_else(|| self.interface.clone());
        format!("{} as {target}", self.source)
    }
}

/// A public address that leads to a guest: a virtual address of a firewall, and 1:1 NAT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicAddressBody {
    /// The address.
    pub name: String,
    /// The interface at which its packets arrive.
    pub interface: String,
    /// The address of the guest; `None` where the translation is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Ipv4Addr>,
    /// Whether the translation counts.
    pub enabled: bool,
}

/// A WireGuard tunnel, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelBody {
    /// What its mark calls it.
    pub name: String,
    /// The UDP port it listens on.
    pub port: u16,
    /// The firewall's own address.
    pub address: Ipv4Addr,
    /// How many bits of the address name its network.
    pub prefix: u8,
    /// The private key of the firewall's end; `None` of a tunnel that is there and has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretRef>,
    /// Who may use it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, PeerBody>,
    /// Whether it is in use.
    pub enabled: bool,
}

/// Somebody who may use a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerBody {
    /// Its public key.
    pub public_key: String,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
    /// A key both ends share; a firewall never shows it, so only `version` tells that it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preshared_key: Option<SecretRef>,
    /// Which `preshared_key` was written last.
    #[serde(default)]
    pub version: u32,
}
