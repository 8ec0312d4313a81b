//! Ports, VLANs on them, and interfaces assigned to either.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::apply::Subsystem;
use super::client::{Client, Said};
use super::envelope::Call;
use super::error::CallError;
use super::lenient::{flag, some_number, some_text, text};
use super::object::{Located, Object};
use crate::https::Method;

/// A VLAN on a port. It works as soon as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// The port it is on: `vtnet1`. It never changes.
    #[serde(rename = "if")]
    pub port: String,
    /// Its tag.
    pub tag: u16,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// The port it is itself, `vtnet1.100`; the firewall names it.
    #[serde(rename = "vlanif", default, deserialize_with = "text", skip_serializing)]
    pub device: String,
}

/// What tells VLANs apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VlanKey {
    /// The port.
    pub port: String,
    /// The tag.
    pub tag: u16,
}

impl fmt::Display for VlanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.port, self.tag)
    }
}

impl Object for Vlan {
    type Key = VlanKey;

    const NAME: &'static str = "VLAN";
    const ONE: &'static str = "/interface/vlan";
    const ALL: &'static str = "/interface/vlans";
    const SUBSYSTEM: Option<Subsystem> = None;

    fn key(&self) -> VlanKey {
        VlanKey { port: self.port.clone(), tag: self.tag }
    }
}

/// An interface: a port with a name and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `wan`, `opt2`. The firewall gives the lowest that is free, so that it comes again after a
    /// deletion.
    #[serde(default, deserialize_with = "text", skip_serializing)]
    pub id: String,
    /// The port it is assigned to; only one interface has a port.
    #[serde(rename = "if")]
    pub port: String,
    /// Whether it works.
    #[serde(default, deserialize_with = "flag")]
    pub enable: bool,
    /// Its name, which no other has.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// How it gets an IPv4 address: `static`, `dhcp`, `none`.
    #[serde(default = "none", deserialize_with = "some_way")]
    pub typev4: String,
    /// The address, of a static one.
    #[serde(default, deserialize_with = "some_text", skip_serializing_if = "Option::is_none")]
    pub ipaddr: Option<String>,
    /// The length of its prefix.
    #[serde(default, deserialize_with = "some_number", skip_serializing_if = "Option::is_none")]
    pub subnet: Option<u8>,
    /// The largest packet, if it is not the usual one.
    #[serde(default, deserialize_with = "some_number")]
    pub mtu: Option<u16>,
    /// Whether private addresses are kept out.
    #[serde(default, deserialize_with = "flag")]
    pub blockpriv: bool,
    /// Whether addresses that nobody was given are kept out.
    #[serde(default, deserialize_with = "flag")]
    pub blockbogons: bool,
}

fn none() -> String {
    "none".into()
}

fn some_way<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(some_text(from)?.unwrap_or_else(none))
}

impl Object for Interface {
    /// The id.
    type Key = String;

    const NAME: &'static str = "interface";
    const ONE: &'static str = "/interface";
    const ALL: &'static str = "/interfaces";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Interfaces);

    fn key(&self) -> String {
        self.id.clone()
    }

    fn became(&self, found: &Self) -> bool {
        self.port == found.port && (self.id.is_empty() || self.id == found.id)
    }
}

/// A port that an interface can be assigned to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Port {
    /// `vtnet1.100`.
    #[serde(rename = "if")]
    pub name: String,
    /// Its address on the wire; a VLAN has none of its own.
    #[serde(default, deserialize_with = "some_text")]
    pub mac: Option<String>,
    /// The interface that has it.
    #[serde(default, deserialize_with = "some_text")]
    pub in_use_by: Option<String>,
}

impl Client {
    /// All VLANs.
    pub async fn vlan_list(&self) -> Result<Vec<Vlan>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The VLAN with that tag on that port.
    pub async fn vlan_find(&self, key: &VlanKey) -> Result<Option<Located<Vlan>>, CallError> {
        self.find(key).await
    }

    /// Creates a VLAN.
    pub async fn vlan_create(&self, vlan: &Vlan) -> Result<Vlan, CallError> {
        self.create(vlan, None).await
    }

    /// Updates a VLAN. Another tag makes it a new device.
    pub async fn vlan_update(&self, at: Located<Vlan>, vlan: &Vlan) -> Result<Vlan, CallError> {
        self.update(at, vlan, None).await
    }

    /// Deletes a VLAN. An interface that is assigned to it stays, on a port that is missing.
    pub async fn vlan_delete(&self, at: Located<Vlan>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All interfaces.
    pub async fn interface_list(&self) -> Result<Vec<Interface>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The interface with that id.
    pub async fn interface_find(
        &self,
        id: &String,
    ) -> Result<Option<Located<Interface>>, CallError> {
        self.find(id).await
    }

    /// Assigns an interface to a port. The answer tells its id.
    pub async fn interface_create(&self, interface: &Interface) -> Result<Interface, CallError> {
        self.create(interface, None).await
    }

    /// Updates an interface.
    pub async fn interface_update(
        &self,
        at: Located<Interface>,
        interface: &Interface,
    ) -> Result<Interface, CallError> {
        self.update(at, interface, None).await
    }

    /// Deletes an interface, at once and with its DHCP server, its rules and its NAT. Floating
    /// rules keep its id, and are about the next interface that gets it.
    pub async fn interface_delete(&self, at: Located<Interface>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All ports that interfaces can be assigned to, taken or not.
    pub async fn port_list(&self) -> Result<Vec<Port>, CallError> {
        let path = "/interface/available_interfaces";
        let shown = self.ask(Method::GET, path, Said::Query(Vec::new())).await?;
        serde_json::from_value(shown.data)
            .map_err(|error| Call::new(Method::GET, path).garbled(error.to_string()))
    }
}

/// Objects without their places.
pub(super) fn objects<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|located| located.object).collect()
}
