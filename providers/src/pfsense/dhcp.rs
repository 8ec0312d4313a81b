//! DHCP servers, and who always gets the same address from them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::apply::Subsystem;
use super::client::{Client, Fields};
use super::error::CallError;
use super::interfaces::objects;
use super::lenient::{flag, list, some_number, some_text, text};
use super::object::{Located, Object};

/// The DHCP server of an interface. It goes with its interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpServer {
    /// The interface it serves.
    pub interface: String,
    /// Whether it works.
    #[serde(default, deserialize_with = "flag")]
    pub enable: bool,
    /// The first address it gives to anybody.
    #[serde(default, deserialize_with = "text")]
    pub range_from: String,
    /// The last one.
    #[serde(default, deserialize_with = "text")]
    pub range_to: String,
    /// The domain it tells.
    #[serde(default, deserialize_with = "text")]
    pub domain: String,
    /// The gateway it tells, unless it is the interface.
    #[serde(default, deserialize_with = "text")]
    pub gateway: String,
    /// The name servers it tells, unless they are those of the firewall.
    #[serde(default, deserialize_with = "list")]
    pub dnsserver: Vec<String>,
    /// For how many seconds an address is given.
    #[serde(default = "lease_s", deserialize_with = "some_lease_s")]
    pub defaultleasetime: u32,
    /// For how many at most.
    #[serde(default = "lease_max_s", deserialize_with = "some_lease_max_s")]
    pub maxleasetime: u32,
    /// Who gets nothing of the range: nobody if none, `enabled` for those without a mapping
    /// anywhere, `class` for those without one here.
    #[serde(default, deserialize_with = "some_text")]
    pub denyunknown: Option<String>,
}

impl DhcpServer {
    /// The server of an interface, as nobody set it up yet.
    pub fn on(interface: &str) -> Self {
        DhcpServer {
            interface: interface.to_owned(),
            defaultleasetime: lease_s(),
            maxleasetime: lease_max_s(),
            ..DhcpServer::default()
        }
    }
}

fn lease_s() -> u32 {
    7200
}

fn lease_max_s() -> u32 {
    86400
}

fn some_lease_s<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    Ok(some_number(from)?.unwrap_or_else(lease_s))
}

fn some_lease_max_s<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    Ok(some_number(from)?.unwrap_or_else(lease_max_s))
}

impl Object for DhcpServer {
    /// The interface.
    type Key = String;

    const NAME: &'static str = "DHCP server";
    const ONE: &'static str = "/services/dhcp_server";
    const ALL: &'static str = "/services/dhcp_servers";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Dhcp);
    const FIELDS: Fields = Fields { interfaces: &["interface"], places: &[] };
    const OVERWRITES: bool = true;

    fn key(&self) -> String {
        self.interface.clone()
    }
}

/// Who always gets the same address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticMapping {
    /// The interface whose server it is of.
    #[serde(rename = "parent_id")]
    pub interface: String,
    /// Whose it is, with colons.
    #[serde(deserialize_with = "lowercase")]
    pub mac: String,
    /// The address, outside the range of the server; any of the range if there is none. Others
    /// may have it too.
    #[serde(default, deserialize_with = "some_text")]
    pub ipaddr: Option<String>,
    /// The name he is told.
    #[serde(default, deserialize_with = "some_text")]
    pub hostname: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "text")]
    pub descr: String,
    /// Whether nobody else may answer for the address.
    #[serde(default, deserialize_with = "flag")]
    pub arp_table_static_entry: bool,
}

/// What tells static mappings apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappingKey {
    /// The interface.
    pub interface: String,
    /// The address on the wire, in lower case.
    pub mac: String,
}

impl fmt::Display for MappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.mac)
    }
}

fn lowercase<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(String::deserialize(from)?.to_lowercase())
}

impl Object for StaticMapping {
    type Key = MappingKey;

    const NAME: &'static str = "static mapping";
    const ONE: &'static str = "/services/dhcp_server/static_mapping";
    const ALL: &'static str = "/services/dhcp_server/static_mappings";
    const SUBSYSTEM: Option<Subsystem> = Some(Subsystem::Dhcp);

    fn key(&self) -> MappingKey {
        MappingKey { interface: self.interface.clone(), mac: self.mac.to_lowercase() }
    }
}

impl Client {
    /// All DHCP servers.
    pub async fn dhcp_server_list(&self) -> Result<Vec<DhcpServer>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The DHCP server with that interface.
    pub async fn dhcp_server_find(
        &self,
        interface: &String,
    ) -> Result<Option<Located<DhcpServer>>, CallError> {
        self.find(interface).await
    }

    /// Creates a DHCP server where there is none; one that is there keeps what it has.
    pub async fn dhcp_server_create(
        &self,
        dhcp_server: &DhcpServer,
    ) -> Result<DhcpServer, CallError> {
        self.create(dhcp_server, None).await
    }

    /// Updates a DHCP server.
    pub async fn dhcp_server_update(
        &self,
        at: Located<DhcpServer>,
        dhcp_server: &DhcpServer,
    ) -> Result<DhcpServer, CallError> {
        self.update(at, dhcp_server, None).await
    }

    /// Deletes a DHCP server, with its static mappings.
    pub async fn dhcp_server_delete(&self, at: Located<DhcpServer>) -> Result<(), CallError> {
        self.delete(at).await
    }

    /// All static mappings of all servers.
    pub async fn static_mapping_list(&self) -> Result<Vec<StaticMapping>, CallError> {
        Ok(objects(self.list().await?))
    }

    /// The static mapping with that interface and address.
    pub async fn static_mapping_find(
        &self,
        key: &MappingKey,
    ) -> Result<Option<Located<StaticMapping>>, CallError> {
        self.find(key).await
    }

    /// Creates a static mapping.
    pub async fn static_mapping_create(
        &self,
        static_mapping: &StaticMapping,
    ) -> Result<StaticMapping, CallError> {
        self.create(static_mapping, None).await
    }

    /// Updates a static mapping.
    pub async fn static_mapping_update(
        &self,
        at: Located<StaticMapping>,
        static_mapping: &StaticMapping,
    ) -> Result<StaticMapping, CallError> {
        self.update(at, static_mapping, None).await
    }

    /// Deletes a static mapping.
    pub async fn static_mapping_delete(&self, at: Located<StaticMapping>) -> Result<(), CallError> {
        self.delete(at).await
    }
}
