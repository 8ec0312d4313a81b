//! Snapshots of a guest.

use serde::Deserialize;

use super::guest::Guest;
use super::{CallError, Client, Form, Upid, scalar};

/// A guest as it was.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// Its name.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub name: String,
    /// When it was made, in seconds since 1970.
    #[serde(default, rename = "snaptime", deserialize_with = "scalar::number")]
    pub made: Option<u64>,
    /// The one before it.
    #[serde(default, deserialize_with = "scalar::text")]
    pub parent: Option<String>,
    /// What somebody wrote about it.
    #[serde(default, deserialize_with = "scalar::text")]
    pub description: Option<String>,
    /// Whether it holds memory too.
    #[serde(default, rename = "vmstate", deserialize_with = "scalar::is_on")]
    pub with_memory: bool,
}

impl Client {
    /// The snapshots of a guest, without the entry for the guest itself.
    pub async fn snapshots(&self, guest: &Guest) -> Result<Vec<Snapshot>, CallError> {
        let mut all: Vec<Snapshot> = self.guest_get(guest, &["snapshot"], &Form::new()).await?;
        all.retain(|snapshot| snapshot.name != "current");
        Ok(all)
    }

    /// Makes a snapshot of the disks.
    pub async fn snapshot_create(
        &self,
        guest: &Guest,
        name: &str,
        description: Option<&str>,
    ) -> Result<Upid, CallError> {
        let form = Form::new().with("snapname", name).with_some("description", description);
        self.guest_post(guest, &["snapshot"], &form).await
    }

    /// Removes a snapshot.
    pub async fn snapshot_delete(&self, guest: &Guest, name: &str) -> Result<Upid, CallError> {
        self.guest_remove(guest, &["snapshot", name], &Form::new()).await
    }

    /// Makes a guest what it was. What has been written since is lost.
    pub async fn snapshot_rollback(&self, guest: &Guest, name: &str) -> Result<Upid, CallError> {
        self.guest_post(guest, &["snapshot", name, "rollback"], &Form::new()).await
    }
}
