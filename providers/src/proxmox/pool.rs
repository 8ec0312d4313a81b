//! Pools, whose comment carries the mark.

use lessor_engine::ApplyError;
use lessor_plans::{Body, Change, Mark, PoolBody, Sighting};

use super::Proxmox;
use super::client::{Client, Kind, Pool};
use super::error::explained;
use super::whose::present;
use crate::seen::{check_address, taken, why_not};

/// What has a name.
enum Whose {
    Ours(Mark),
    Others(String),
    Nobodys,
}

pub(super) async fn sight(proxmox: &Proxmox, id: &str) -> Result<Sighting, ApplyError> {
    Ok(match whose(proxmox, proxmox.client()?, id).await? {
        Whose::Ours(mark) => {
            Sighting::Present(present(&mark, Body::Pool(PoolBody { name: id.into() })).into())
        }
        Whose::Others(why) => Sighting::Unknown { why: format!("it is not ours: {why}") },
        Whose::Nobodys => Sighting::Absent,
    })
}

/// The mark of a pool.
pub(super) fn mark_of(proxmox: &Proxmox, pool: &Pool) -> Result<Mark, lessor_plans::MarkError> {
    Mark::from_text(pool.comment.as_deref().unwrap_or_default(), &proxmox.installation, &pool.id)
}

async fn whose(proxmox: &Proxmox, client: &Client, id: &str) -> Result<Whose, ApplyError> {
    // Of one that we may not see, this is refused rather than answered with nothing.
    Ok(match client.pool(id).await? {
        None => Whose::Nobodys,
        Some(pool) => match mark_of(proxmox, &pool) {
            Ok(mark) => Whose::Ours(mark),
            Err(error) => Whose::Others(why_not(&error)),
        },
    })
}

pub(super) async fn create(proxmox: &Proxmox, change: &Change, id: &str) -> Result<(), ApplyError> {
    let client = proxmox.client()?;
    // Somebody may make it between the look and the call; then the look tells whose it is.
    for _ in 0..2 {
        match whose(proxmox, client, id).await? {
            Whose::Ours(mark) => return check_address(&mark, change),
            Whose::Others(why) => return Err(taken("pool", id, &why)),
            Whose::Nobodys => {}
        }
        let mark = proxmox.mark(change, id).to_line();
        match client.pool_create(id, Some(&mark)).await {
            Ok(()) => return Ok(()),
            Err(error) if matches!(error.kind(), Kind::Exists | Kind::Unknown) => {}
            Err(error) => return Err(explained(error)),
        }
    }
    Err(ApplyError::Transient { why: format!("nobody can tell whether pool `{id}` was made") })
}

/// A pool has nothing that could be changed: it is there, or it is not.
pub(super) async fn confirm(proxmox: &Proxmox, id: &str) -> Result<(), ApplyError> {
    match whose(proxmox, proxmox.client()?, id).await? {
        Whose::Ours(_) => Ok(()),
        Whose::Others(why) => {
            Err(ApplyError::Stale { why: format!("pool `{id}` is not ours: {why}") })
        }
        Whose::Nobodys => Err(ApplyError::Stale { why: format!("pool `{id}` is gone") }),
    }
}

/// Removes a pool that nothing is in any more.
pub(super) async fn delete(proxmox: &Proxmox, id: &str) -> Result<(), ApplyError> {
    let client = proxmox.client()?;
    match whose(proxmox, client, id).await? {
        Whose::Nobodys => Ok(()),
        Whose::Others(why) => {
            Err(ApplyError::Stale { why: format!("pool `{id}` is not ours: {why}") })
        }
        Whose::Ours(_) => match client.pool_delete(id).await {
            Err(error) if error.kind() == Kind::Missing => Ok(()),
            done => done.map_err(explained),
        },
    }
}
