//! Pools: guests and storages that belong together.

use serde::Deserialize;

use super::{CallError, Client, Form, Kind, scalar};

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pool {
    /// Its name; `a/b` is within `a`.
    #[serde(rename = "poolid", deserialize_with = "scalar::text_needed")]
    pub id: String,
    /// What somebody wrote about it.
    #[serde(default, deserialize_with = "scalar::text")]
    pub comment: Option<String>,
    /// What is in it. Lists of pools leave it out.
    #[serde(default)]
    pub members: Vec<PoolMember>,
}

/// What is in a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PoolMember {
    /// `qemu/100`, `storage/n1/local`.
    #[serde(deserialize_with = "scalar::text_needed")]
    pub id: String,
    /// Of a guest: its number.
    #[serde(default, deserialize_with = "scalar::number")]
    pub vmid: Option<u64>,
    /// Of a storage: its name.
    #[serde(default, deserialize_with = "scalar::text")]
    pub storage: Option<String>,
}

impl Client {
    /// Every pool that we may see, without members.
    pub async fn pools(&self) -> Result<Vec<Pool>, CallError> {
        self.get(&["pools"], &Form::new()).await
    }

    /// A pool with its members; `None` when there is none.
    pub async fn pool(&self, id: &str) -> Result<Option<Pool>, CallError> {
        let found: Result<Vec<Pool>, _> =
            self.get(&["pools"], &Form::new().with("poolid", id)).await;
        match found {
            Ok(pools) => Ok(pools.into_iter().find(|pool| pool.id == id)),
            Err(error) if error.kind() == Kind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a pool.
    pub async fn pool_create(&self, id: &str, comment: Option<&str>) -> Result<(), CallError> {
        self.post(&["pools"], &Form::new().with("poolid", id).with_some("comment", comment)).await
    }

    /// Removes a pool that nothing is in.
    pub async fn pool_delete(&self, id: &str) -> Result<(), CallError> {
        self.delete(&["pools"], &Form::new().with("poolid", id)).await
    }

    /// Puts guests into a pool. One that is in another pool is left there, and the call fails.
    pub async fn pool_add(&self, id: &str, vmids: &[u32]) -> Result<(), CallError> {
        self.put(&["pools"], &members(id, vmids)).await
    }

    /// Takes guests out of a pool.
    pub async fn pool_remove(&self, id: &str, vmids: &[u32]) -> Result<(), CallError> {
        self.put(&["pools"], &members(id, vmids).with("delete", 1)).await
    }
}

fn members(pool: &str, vmids: &[u32]) -> Form {
    let vmids: Vec<_> = vmids.iter().map(u32::to_string).collect();
    Form::new().with("poolid", pool).with("vms", vmids.join(","))
}
