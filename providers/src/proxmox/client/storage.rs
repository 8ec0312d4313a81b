//! Storages, and what is in them.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{CallError, Client, Form, scalar};

/// A storage, as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Storage {
    /// Its name.
    #[serde(rename = "storage", deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// `dir`, `lvmthin`, `rbd`, …
    #[serde(rename = "type", default, deserialize_with = "scalar::text")]
    pub sort: Option<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    content: Option<String>,
    /// Whether it is the same one on every node.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub shared: bool,
    /// Whether it may be used.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub enabled: bool,
    /// Whether the node reaches it now.
    #[serde(default, deserialize_with = "scalar::is_on")]
    pub active: bool,
    /// Bytes it has, when it is reached.
    #[serde(default, deserialize_with = "scalar::number")]
    pub total: Option<u64>,
    /// Bytes that are left.
    #[serde(default, rename = "avail", deserialize_with = "scalar::number")]
    pub free: Option<u64>,
}

impl Storage {
    /// What may be kept there: `images`, `rootdir`, `vztmpl`, …
    pub fn content(&self) -> BTreeSet<&str> {
        let content = self.content.as_deref().unwrap_or_default();
        content.split(',').filter(|one| !one.is_empty()).collect()
    }
}

/// Something in a storage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// `local:100/vm-100-disk-0.qcow2`.
    #[serde(rename = "volid", deserialize_with = "scalar::text_needed")]
    pub id: String,
    /// `images`, `rootdir`, `vztmpl`, …
    #[serde(default, deserialize_with = "scalar::text")]
    pub content: Option<String>,
    /// `raw`, `qcow2`, `tgz`, …
    #[serde(default, deserialize_with = "scalar::text")]
    pub format: Option<String>,
    /// How many bytes it holds for its guest.
    #[serde(default, deserialize_with = "scalar::number")]
    pub size: Option<u64>,
    /// Whose it is.
    #[serde(default, deserialize_with = "scalar::number")]
    pub vmid: Option<u64>,
}

impl Client {
    /// The storages of a node that we may see.
    pub async fn storages(&self, node: &str) -> Result<Vec<Storage>, CallError> {
        self.get(&["nodes", node, "storage"], &Form::new()).await
    }

    /// What is in a storage; of one sort, such as `vztmpl`, or of one guest.
    pub async fn storage_content(
        &self,
        node: &str,
        storage: &str,
        sort: Option<&str>,
        vmid: Option<u32>,
    ) -> Result<Vec<Volume>, CallError> {
        let query = Form::new().with_some("content", sort).with_some("vmid", vmid);
        self.get(&["nodes", node, "storage", storage, "content"], &query).await
    }
}
