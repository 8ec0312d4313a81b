//! Ways in for people.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::PublicKey;
use crate::{Address, Cidr, SecretRef};

/// A WireGuard tunnel of a firewall, and who may use it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vpn {
    /// The `pfsense` connection; may be left out when there is just one.
    pub pfsense: Option<String>,
    /// The UDP port it listens on.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Its addresses; the firewall has the first one.
    pub subnet: Cidr,
    /// The private key of the firewall's end, as `wg genkey` makes it.
    pub private_key: SecretRef,
    /// Who may use it, by name.
    #[serde(default)]
    pub peers: BTreeMap<String, Peer>,
    /// Addresses this entry had before; kept for as long as the thing lives.
    #[serde(default)]
    pub moved: Vec<Address>,
}

/// Somebody who may use a tunnel.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public key, as `wg pubkey` makes it.
    pub public_key: PublicKey,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
    /// A key both ends share beside; the firewall never shows it.
    pub preshared_key: Option<SecretRef>,
    /// Raised to write `preshared_key` again after it was changed.
    #[serde(default)]
    pub version: u32,
}
