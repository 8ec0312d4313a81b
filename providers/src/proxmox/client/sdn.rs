//! Zones and vnets, which are written first and put into effect all together.

use serde::Deserialize;

use super::{CallError, Client, Form, Upid, scalar};

/// Whether what was written is in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Staged {
    /// Made, and not in effect.
    New,
    /// Changed, and the change is not in effect.
    Changed,
    /// Removed, and still in effect.
    Deleted,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Zone {
    /// Its name, of up to eight characters.
    #[serde(rename = "zone", deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// `simple`, `vlan`, …
    #[serde(default, rename = "type", deserialize_with = "scalar::text")]
    pub sort: Option<String>,
    /// The bridge that VLANs run over.
    #[serde(default, deserialize_with = "scalar::text")]
    pub bridge: Option<String>,
    /// Whether that is in effect.
    #[serde(default, rename = "state")]
    pub staged: Option<Staged>,
    /// What of it is going to be different.
    #[serde(default)]
    pub pending: Option<ZonePending>,
    /// Changes with any zone. None where nothing is in effect.
    #[serde(default, deserialize_with = "scalar::text")]
    pub digest: Option<String>,
}

/// What of a zone is going to be different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ZonePending {
    /// The bridge that VLANs run over.
    #[serde(deserialize_with = "scalar::text")]
    pub bridge: Option<String>,
}

/// A vnet, which guests join as they join a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Vnet {
    /// Its name, of up to eight characters.
    #[serde(rename = "vnet", deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// The zone it is in.
    #[serde(default, deserialize_with = "scalar::text")]
    pub zone: Option<String>,
    /// Its VLAN.
    #[serde(default, deserialize_with = "scalar::number")]
    pub tag: Option<u64>,
    /// What people call it.
    #[serde(default, deserialize_with = "scalar::text")]
    pub alias: Option<String>,
    /// Whether that is in effect.
    #[serde(default, rename = "state")]
    pub staged: Option<Staged>,
    /// What of it is going to be different.
    #[serde(default)]
    pub pending: Option<VnetPending>,
    /// Changes with any vnet. None where nothing is in effect.
    #[serde(default, deserialize_with = "scalar::text")]
    pub digest: Option<String>,
}

/// What of a vnet is going to be different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct VnetPending {
    /// The zone it is in.
    #[serde(deserialize_with = "scalar::text")]
    pub zone: Option<String>,
    /// Its VLAN.
    #[serde(deserialize_with = "scalar::number")]
    pub tag: Option<u64>,
    /// What people call it.
    #[serde(deserialize_with = "scalar::text")]
    pub alias: Option<String>,
}

impl Vnet {
    /// As it will be once everything is in effect; `None` if it will be gone.
    pub fn to_be(&self) -> Option<Vnet> {
        let pending = self.pending.clone().unwrap_or_default();
        let VnetPending { zone, tag, alias } = pending;
        (self.staged != Some(Staged::Deleted)).then(|| Vnet {
            zone: zone.or_else(|| self.zone.clone()),
            tag: tag.or(self.tag),
            alias: alias.or_else(|| self.alias.clone()),
            staged: None,
            pending: None,
            ..self.clone()
        })
    }
}

/// How a zone is on one node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ZoneStatus {
    /// Its name.
    #[serde(rename = "zone", deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// `available`, `pending` or `error`.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub status: String,
}

impl Client {
    /// Zones, with what is not in effect yet.
    pub async fn zones(&self) -> Result<Vec<Zone>, CallError> {
        self.get(&["cluster", "sdn", "zones"], &Form::new().with("pending", 1)).await
    }

    /// How zones are on a node.
    pub async fn zone_statuses(&self, node: &str) -> Result<Vec<ZoneStatus>, CallError> {
        self.get(&["nodes", node, "sdn", "zones"], &Form::new()).await
    }

    /// Writes a new zone. The form holds what its sort needs.
    pub async fn zone_create(&self, name: &str, sort: &str, form: Form) -> Result<(), CallError> {
        let form = form.with("zone", name).with("type", sort);
        self.post(&["cluster", "sdn", "zones"], &form).await
    }

    /// Changes a zone; with the digest it was read with, only if nobody else did.
    pub async fn zone_update(
        &self,
        name: &str,
        digest: Option<&str>,
        form: Form,
    ) -> Result<(), CallError> {
        let form = form.with_some("digest", digest);
        self.put(&["cluster", "sdn", "zones", name], &form).await
    }

    /// Takes a zone out that no vnet is in.
    pub async fn zone_delete(&self, name: &str) -> Result<(), CallError> {
        self.delete(&["cluster", "sdn", "zones", name], &Form::new()).await
    }

    /// Vnets, with what is not in effect yet.
    pub async fn vnets(&self) -> Result<Vec<Vnet>, CallError> {
        self.get(&["cluster", "sdn", "vnets"], &Form::new().with("pending", 1)).await
    }

    /// Writes a new vnet.
    pub async fn vnet_create(
        &self,
        name: &str,
        zone: &str,
        tag: Option<u16>,
        alias: Option<&str>,
    ) -> Result<(), CallError> {
        let form = Form::new()
            .with("vnet", name)
            .with("zone", zone)
            .with_some("tag", tag)
            .with_some("alias", alias);
        self.post(&["cluster", "sdn", "vnets"], &form).await
    }

    /// Changes a vnet; with the digest it was read with, only if nobody else did.
    pub async fn vnet_update(
        &self,
        name: &str,
        digest: Option<&str>,
        form: Form,
    ) -> Result<(), CallError> {
        let form = form.with_some("digest", digest);
        self.put(&["cluster", "sdn", "vnets", name], &form).await
    }

    /// Takes a vnet out that has no subnets.
    pub async fn vnet_delete(&self, name: &str) -> Result<(), CallError> {
        self.delete(&["cluster", "sdn", "vnets", name], &Form::new()).await
    }

    /// Puts everything that was written into effect, on every node. Whether it is, each node says
    /// afterwards: see [`Client::zone_statuses`].
    pub async fn sdn_apply(&self) -> Result<Upid, CallError> {
        self.put(&["cluster", "sdn"], &Form::new()).await
    }
}
