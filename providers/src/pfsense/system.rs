//! The firewall itself: its versions, its settings, who wrote, and what we may do.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Client, Said};
use super::envelope::Call;
use super::error::CallError;
use super::lenient::{choice, flag, list, text};
use super::names::Manner;
use crate::https::Method;

/// Which software it is, and what time it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Of pfSense: `2.8.1-RELEASE`.
    pub system: String,
    /// Of the package with the API: `2.7.1`.
    pub package: String,
    /// What time it is at the firewall, if its answers say so.
    pub now: Option<Timestamp>,
}

/// How its API is set, as far as it matters to us.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Settings {
    /// Whether nobody may write.
    #[serde(default, deserialize_with = "flag")]
    pub read_only: bool,
    /// Whether it locks out who fails to log in.
    #[serde(default, deserialize_with = "flag")]
    pub login_protection: bool,
    /// How one may log in: `KeyAuth`, `BasicAuth`, `JWTAuth`.
    #[serde(default, deserialize_with = "list")]
    pub auth_methods: Vec<String>,
    #[serde(rename = "represent_interfaces_as", default, deserialize_with = "choice")]
    pub(super) manner: Manner,
}

/// A configuration that was written once, and is not any more the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Revision {
    /// The second of the write since 1970. Writes of one second are one revision.
    pub time: i64,
    /// Who wrote what.
    #[serde(default, deserialize_with = "text")]
    pub description: String,
}

#[derive(Deserialize)]
struct SystemVersion {
    #[serde(default, deserialize_with = "text")]
    version: String,
}

#[derive(Deserialize)]
struct PackageVersion {
    #[serde(default, deserialize_with = "text")]
    current_version: String,
}

/// All that this client may ever call, by path below the root.
const CALLS: &[(&str, &str)] = &[
    ("/diagnostics/config_history/revisions", "GET"),
    ("/firewall/alias", "POST PATCH DELETE"),
    ("/firewall/aliases", "GET"),
    ("/firewall/apply", "GET POST"),
    ("/firewall/nat/one_to_one/mapping", "POST PATCH DELETE"),
    ("/firewall/nat/one_to_one/mappings", "GET"),
    ("/firewall/nat/outbound/mapping", "POST PATCH DELETE"),
    ("/firewall/nat/outbound/mappings", "GET"),
    ("/firewall/nat/outbound/mode", "GET PATCH"),
    ("/firewall/nat/port_forward", "POST PATCH DELETE"),
    ("/firewall/nat/port_forwards", "GET"),
    ("/firewall/rule", "POST PATCH DELETE"),
    ("/firewall/rules", "GET"),
    ("/firewall/virtual_ip", "POST PATCH DELETE"),
    ("/firewall/virtual_ip/apply", "GET POST"),
    ("/firewall/virtual_ips", "GET"),
    ("/interface", "POST PATCH DELETE"),
    ("/interface/apply", "GET POST"),
    ("/interface/available_interfaces", "GET"),
    ("/interface/vlan", "POST PATCH DELETE"),
    ("/interface/vlans", "GET"),
    ("/interfaces", "GET"),
    ("/services/dhcp_server", "POST PATCH DELETE"),
    ("/services/dhcp_server/apply", "GET POST"),
    ("/services/dhcp_server/static_mapping", "POST PATCH DELETE"),
    ("/services/dhcp_server/static_mappings", "GET"),
    ("/services/dhcp_servers", "GET"),
    ("/system/restapi/settings", "GET"),
    ("/system/restapi/version", "GET"),
    ("/system/version", "GET"),
    ("/vpn/wireguard/apply", "GET POST"),
    ("/vpn/wireguard/peer", "POST PATCH DELETE"),
    ("/vpn/wireguard/peers", "GET"),
    ("/vpn/wireguard/settings", "GET PATCH"),
    ("/vpn/wireguard/tunnel", "POST PATCH DELETE"),
    ("/vpn/wireguard/tunnels", "GET"),
];

impl Client {
    /// Which software it is, and what time it is there.
    pub async fn versions(&self) -> Result<Versions, CallError> {
        let (system, now): (SystemVersion, _) = self.shown("/system/version", Vec::new()).await?;
        let (package, _): (PackageVersion, _) =
            self.shown("/system/restapi/version", Vec::new()).await?;
        Ok(Versions { system: system.version, package: package.current_version, now })
    }

    /// How its API is set.
    pub async fn settings(&self) -> Result<Settings, CallError> {
        Ok(self.shown("/system/restapi/settings", Vec::new()).await?.0)
    }

    /// The last configuration before the one that counts, if the firewall keeps any: who sees
    /// another than before knows that somebody wrote.
    pub async fn revision_latest(&self) -> Result<Option<Revision>, CallError> {
        let query = vec![("limit", "1".to_owned())];
        let path = "/diagnostics/config_history/revisions";
        let (revisions, _): (Vec<Revision>, _) = self.shown(path, query).await?;
        Ok(revisions.into_iter().next())
    }

    /// The privileges that we lack for what this client can do, found out without doing it. A key
    /// does not tell whose it is, so each is tried.
    pub async fn privileges_missing(&self) -> Result<Vec<String>, CallError> {
        let mut missing = Vec::new();
        for (path, methods) in CALLS {
            for method in methods.split(' ') {
                let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
                if !self.may(method.clone(), path).await? {
                    missing.push(Call::new(method, path).privilege());
                }
            }
        }
        Ok(missing)
    }

    async fn shown<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Vec<(&'static str, String)>,
    ) -> Result<(T, Option<Timestamp>), CallError> {
        let shown = self.ask(Method::GET, path, Said::Query(query)).await?;
        let data = serde_json::from_value(shown.data);
        let call = Call::new(Method::GET, path);
        Ok((data.map_err(|error| call.garbled(error.to_string()))?, shown.date))
    }
}
