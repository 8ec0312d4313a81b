//! Firewalls, and what passes them.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Adopted, Fingerprint, HttpsUrl};
use crate::{Address, Cidr, PortRange, SecretRef};

/// A connection to one pfSense, through its package for a REST API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PfSense {
    /// Where it listens, such as `https://fw.example.net`.
    pub endpoint: HttpsUrl,
    /// SHA-256 of the certificate it shows. Another one is refused.
    pub fingerprint: Option<Fingerprint>,
    /// Who vouches for its certificate instead: a path from the spec directory.
    pub ca: Option<String>,
    /// The key that speaks for us; or `user` and `password`.
    pub api_key: Option<SecretRef>,
    /// The user that speaks for us, with `password`.
    pub user: Option<String>,
    /// The password of `user`.
    pub password: Option<SecretRef>,
    /// The `location` it stands in.
    pub location: Option<String>,
}

/// Public addresses that VMs get, one each, by a virtual address and 1:1 NAT.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressPool {
    /// The `pfsense` connection that owns them.
    pub pfsense: String,
    /// The addresses.
    pub cidr: Cidr,
    /// The interface on which they arrive, such as `wan`.
    pub interface: String,
    /// Addresses among them that are never given.
    #[serde(default)]
    pub reserved: Vec<Ipv4Addr>,
}

/// Addresses under one name, for rules to mention.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The `pfsense` connection; may be left out when there is just one.
    pub pfsense: Option<String>,
    /// The addresses; one of them alone is written with `/32`.
    #[schemars(length(min = 1))]
    pub addresses: Vec<Cidr>,
    /// The alias that was there before this entry and gets our mark: its name at the firewall.
    pub adopted: Option<Adopted>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

/// A rule of the operator's own.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallRule {
    /// The `pfsense` connection; may be left out when there is just one.
    pub pfsense: Option<String>,
    /// Where packets arrive: an interface such as `wan`, or a `vlan` entry such as `vlan.mgmt`.
    pub interface: String,
    /// Whether it is about packets that come or go.
    #[serde(default)]
    pub direction: Direction,
    /// What it is about.
    #[serde(default)]
    pub protocol: RuleProtocol,
    /// Where packets come from: `any`, an address, a range, an interface, or an `alias` or `vlan`
    /// entry.
    #[serde(default = "any")]
    pub source: String,
    /// Where packets go to, in the same way.
    #[serde(default = "any")]
    pub destination: String,
    /// The ports they go to; every port when empty.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// What happens to them.
    pub action: RuleAction,
    /// Whether they are logged.
    #[serde(default)]
    pub log: bool,
    /// Where it stands among the rules of ours on its interface: lower ones come first.
    #[serde(default)]
    pub order: u32,
    /// The rule that was there before this entry and gets our mark: its tracker, which the firewall calls its tracking id.
    pub adopted: Option<Adopted>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

/// A rule that each instance of an offer gets for its own address.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirewallTemplate {
    /// What it is about.
    #[serde(default)]
    pub protocol: RuleProtocol,
    /// The ports of the instance; every port when empty.
    #[serde(default)]
    pub ports: Vec<PortRange>,
    /// Where packets come from: `any`, an address or a range.
    #[serde(default = "any")]
    pub source: String,
    /// What happens to them.
    pub action: RuleAction,
    /// Whether they are logged.
    #[serde(default)]
    pub log: bool,
}

fn any() -> String {
    "any".into()
}

/// A port of a firewall that leads inside.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortForward {
    /// The `pfsense` connection; may be left out when there is just one.
    pub pfsense: Option<String>,
    /// Where packets arrive: an interface such as `wan`.
    #[serde(default = "wan")]
    pub interface: String,
    /// What it is about: `tcp`, `udp` or `tcp_udp`.
    #[serde(default = "tcp")]
    pub protocol: RuleProtocol,
    /// The port they arrive at.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Where they are sent: an address, or an `instance` entry.
    pub target: String,
    /// The port there; the same, unless said.
    #[schemars(range(min = 1))]
    pub target_port: Option<u16>,
    /// Where they may come from, as in a rule.
    #[serde(default = "any")]
    pub source: String,
    /// The port forward that was there before this entry and gets our mark: where it takes packets, such as `wan.2201`.
    pub adopted: Option<Adopted>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

/// Another source for packets that leave a firewall: outbound NAT.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboundNat {
    /// The `pfsense` connection; may be left out when there is just one.
    pub pfsense: Option<String>,
    /// Where they leave: an interface such as `wan`.
    #[serde(default = "wan")]
    pub interface: String,
    /// Where they come from: `any`, an address, a range, or an `alias` or `vlan` entry.
    pub source: String,
    /// Where they go to, in the same way.
    #[serde(default = "any")]
    pub destination: String,
    /// The source they are given: an address of the firewall, or a range of them; that of the
    /// interface, unless said.
    pub target: Option<String>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

fn wan() -> String {
    "wan".into()
}

fn tcp() -> RuleProtocol {
    RuleProtocol::Tcp
}

/// Whether packets come or go, as the interface sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// They arrive.
    #[default]
    In,
    /// They leave.
    Out,
}

/// What a rule is about.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RuleProtocol {
    /// Every protocol.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// TCP and UDP.
    TcpUdp,
    /// ICMP.
    Icmp,
}

impl RuleProtocol {
    /// As it stands in a spec file.
    pub const fn as_str(self) -> &'static str {
        match self {
            RuleProtocol::Any => "any",
            RuleProtocol::Tcp => "tcp",
            RuleProtocol::Udp => "udp",
            RuleProtocol::TcpUdp => "tcp_udp",
            RuleProtocol::Icmp => "icmp",
        }
    }
}

/// What happens to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// They pass.
    Pass,
    /// They vanish.
    Block,
    /// They are refused, and their sender is told.
    Reject,
}
