//! Addresses that a firewall has beside those of its interfaces.

use serde::{Deserialize, Serialize};

use super::apply::Subsystem;
use super::client::{Client, Fields};
use super::error::CallError;
use super::interfaces::objects;
use super::lenient::{number, some_text, text};
use super::object::{Located, Object};

/// A virtual IP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualIp {
    /// What the firewall calls it.
    #[serde(default, deserialize_with = "some_text", skip_serializing)]
    pub uniqid: Option<String>,
    /// `ipalias`, `proxyarp`, `carp` or `other`.
    pub mode: String,
    /// The interface that has it.
    #[serde(default, deserialize_with = "text")]
    pub interface: String,
    /// The address, which nothing else has.
    pub subnet: String,
    /// The length of its prefix.
    #[serde(default, deserialize_with = "number")]
    pub subnet_bits: u8,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
}

impl Object for VirtualIp {
    /// The address.
    type Key = String;

    const NAME: &'static str = "virtual IP";
    const ONE: &'static str = "/firewall/virtual_ip";
    const ALL: &'static str = "/firewall/virtual_ips";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::VirtualIps);
    const FIELDS: Fields = Fields { interfaces: &["interface"], places: &[] };

    fn key(&self) -> String {
        self.subnet.clone()
    }
}

impl Client {
    /// All virtual IPs.
    pub async fn virtual_ip_list(&self) -> Result<Vec<VirtualIp>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The virtual IP with that address.
    pub async fn virtual_ip_find(
        &self,
        address: &String,
    ) -> Result<Option<Located<VirtualIp>>, CallError> {
        self.find(address).await
    }

    /// Creates a virtual IP.
    pub async fn virtual_ip_create(&self, virtual_ip: &VirtualIp) -> Result<VirtualIp, CallError> {
        self.create(virtual_ip, None).await
    }

    /// Updates a virtual IP.
    pub async fn virtual_ip_update(
        &self,
        at: Located<VirtualIp>,
        virtual_ip: &VirtualIp,
    ) -> Result<VirtualIp, CallError> {
        self.update(at, virtual_ip, None).await
    }

    /// Deletes a virtual IP.
    pub async fn virtual_ip_delete(&self, at: Located<VirtualIp>) -> Result<(), CallError> {
        self.delete(at).await
    }
}
