//! `WireGuard`: tunnels, and who may come through them.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::apply::Subsystem;
use super::client::{Client, Said};
use super::envelope::Call;
use super::error::CallError;
use super::interfaces::objects;
use super::lenient::{flag, list, number, port, some_number, some_port, some_text, text};
use super::object::{Located, Object};
use crate::https::Method;

/// A secret that is written and never read: nothing is written where there is none, and what is
/// there stays. Two of them are equal, since nobody can tell what is there.
#[derive(Clone, Debug, Default)]
pub struct WriteOnly(Option<SecretString>);

impl WriteOnly {
    /// Writes this.
    pub fn of(secret: SecretString) -> Self {
        WriteOnly(Some(secret))
    }

    fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl PartialEq for WriteOnly {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for WriteOnly {}

impl Serialize for WriteOnly {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(secret) => to.serialize_str(secret.expose_secret()),
            None => to.serialize_none(),
        }
    }
}

/// An address with a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subnet {
    /// The address.
    pub address: String,
    /// The length of the prefix.
    #[serde(deserialize_with = "number")]
    pub mask: u8,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.mask)
    }
}

/// A tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// `tun_wg0`; the firewall names it.
    #[serde(default, deserialize_with = "text", skip_serializing)]
    pub name: String,
    /// Whether it works.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: bool,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// Where it listens; no other tunnel does.
    #[serde(deserialize_with = "number", serialize_with = "port")]
    pub listenport: u16,
    /// Its public key, which follows from the private one.
    #[serde(default, deserialize_with = "text", skip_serializing)]
    pub publickey: String,
    /// Its private key.
    #[serde(default, skip_deserializing, skip_serializing_if = "WriteOnly::is_none")]
    pub privatekey: WriteOnly,
    /// The largest packet.
    #[serde(default = "mtu", deserialize_with = "some_mtu")]
    pub mtu: u16,
    /// Its own addresses.
    #[serde(default, deserialize_with = "list")]
    pub addresses: Vec<Subnet>,
}

fn mtu() -> u16 {
    1420
}

fn some_mtu<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    Ok(some_number(from)?.unwrap_or_else(mtu))
}

impl Object for Tunnel {
    /// The name.
    type Key = String;

    const NAME: &'static str = "WireGuard tunnel";
    const ONE: &'static str = "/vpn/wireguard/tunnel";
    const ALL: &'static str = "/vpn/wireguard/tunnels";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::WireGuard);

    fn key(&self) -> String {
        self.name.clone()
    }

    fn became(&self, found: &Self) -> bool {
        self.listenport == found.listenport && (self.name.is_empty() || self.name == found.name)
    }
}

/// Who may come through a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Whether he may.
    #[serde(default, deserialize_with = "flag")]
    pub enabled: bool,
    /// The name of the tunnel.
    #[serde(default, deserialize_with = "text")]
    pub tun: String,
    /// Where he is, unless he comes from anywhere.
    #[serde(default, deserialize_with = "some_text")]
    pub endpoint: Option<String>,
    /// At which port there.
    #[serde(
        default,
        deserialize_with = "some_number",
        serialize_with = "some_port",
        skip_serializing_if = "Option::is_none"
    )]
    pub port: Option<u16>,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// After how many silent seconds something is sent.
    #[serde(default, deserialize_with = "some_number")]
    pub persistentkeepalive: Option<u16>,
    /// Who he is; no other peer is.
    pub publickey: String,
    /// What he and the tunnel know besides.
    #[serde(default, skip_deserializing, skip_serializing_if = "WriteOnly::is_none")]
    pub presharedkey: WriteOnly,
    /// His addresses.
    #[serde(default, deserialize_with = "list")]
    pub allowedips: Vec<Subnet>,
}

impl Object for Peer {
    /// The public key.
    type Key = String;

    const NAME: &'static str = "WireGuard peer";
    const ONE: &'static str = "/vpn/wireguard/peer";
    const ALL: &'static str = "/vpn/wireguard/peers";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::WireGuard);

    fn key(&self) -> String {
        self.publickey.clone()
    }
}

/// `WireGuard` as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGuard {
    /// Whether it works. Nothing does on a fresh firewall.
    #[serde(default, deserialize_with = "flag")]
    pub enable: bool,
}

const SETTINGS: &str = "/vpn/wireguard/settings";

impl Client {
    /// All tunnels.
    pub async fn tunnel_list(&self) -> Result<Vec<Tunnel>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The tunnel with that name.
    pub async fn tunnel_find(&self, name: &String) -> Result<Option<Located<Tunnel>>, CallError> {
        self.find(name).await
    }

    /// Creates a tunnel, which needs a private key. The answer tells its name.
    pub async fn tunnel_create(&self, tunnel: &Tunnel) -> Result<Tunnel, CallError> {
        self.create(tunnel, None).await
    }

    /// Updates a tunnel.
    pub async fn tunnel_update(
        &self,
        at: Located<Tunnel>,
        tunnel: &Tunnel,
    ) -> Result<Tunnel, CallError> {
        self.update(at, tunnel, None).await
    }

    /// Deletes a tunnel. Its peers stay, at a tunnel that is missing.
    pub async fn tunnel_delete(&self, at: Located<Tunnel>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All peers of all tunnels.
    pub async fn peer_list(&self) -> Result<Vec<Peer>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The peer with that public key.
    pub async fn peer_find(&self, publickey: &String) -> Result<Option<Located<Peer>>, CallError> {
        self.find(publickey).await
    }

    /// Creates a peer.
    pub async fn peer_create(&self, peer: &Peer) -> Result<Peer, CallError> {
        self.create(peer, None).await
    }

    /// Updates a peer, with all his addresses.
    pub async fn peer_update(&self, at: Located<Peer>, peer: &Peer) -> Result<Peer, CallError> {
        self.update(at, peer, None).await
    }

    /// Deletes a peer.
    pub async fn peer_delete(&self, at: Located<Peer>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// `WireGuard` as a whole.
    pub async fn wireguard(&self) -> Result<WireGuard, CallError> {
        let shown = self.ask(Method::GET, SETTINGS, Said::Query(Vec::new())).await?;
        settings(&Call::new(Method::GET, SETTINGS), shown.data)
    }

    /// Changes `WireGuard` as a whole.
    pub async fn wireguard_set(&self, wireguard: WireGuard) -> Result<WireGuard, CallError> {
        let body = Map::from_iter([("enable".to_owned(), Value::Bool(wireguard.enable))]);
        let shown = self.ask(Method::PATCH, SETTINGS, Said::Body(body)).await?;
        settings(&Call::new(Method::PATCH, SETTINGS), shown.data)
    }
}

fn settings(call: &Call<'_>, data: Value) -> Result<WireGuard, CallError> {
    serde_json::from_value(data).map_err(|error| call.garbled(error.to_string()))
}
