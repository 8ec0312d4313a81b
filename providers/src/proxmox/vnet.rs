//! Networks of zones, whose alias carries the mark. They are written first, and put into effect
//! together with whatever else was written.

use std::time::Duration;

use lessor_engine::ApplyError;
use lessor_plans::{Body, Change, Mark, MarkError, Sighting, VnetBody};
use tokio::time::{Instant, sleep};

use super::Proxmox;
use super::client::{CallError, Client, Form, Kind, Node, Vnet};
use super::error::{explained, refused};
use super::step::{PATIENCE, finish};
use super::whose::present;
use crate::seen::{check_address, not_as_planned, taken, why_not};

/// The pause between two looks at how a zone is on the nodes.
const PAUSE: Duration = Duration::from_millis(250);

/// How often one act goes on after an answer that was lost, or after somebody else was quicker.
const ROUNDS: usize = 6;

/// What has a name.
enum Whose {
    Ours(Mark, Box<Vnet>),
    Others(String),
    Nobodys,
}

pub(super) async fn sight(proxmox: &Proxmox, name: &str) -> Result<Sighting, ApplyError> {
    Ok(match whose(proxmox, proxmox.client()?, name).await? {
        Whose::Ours(mark, vnet) => {
            Sighting::Present(present(&mark, Body::Vnet(body(&vnet))).into())
        }
        Whose::Others(why) => Sighting::Unknown { why: format!("it is not ours: {why}") },
        Whose::Nobodys => Sighting::Absent,
    })
}

/// The zone of a network, as it is or shall be.
pub(super) fn zone(vnet: &Vnet) -> Option<String> {
    vnet.to_be().and_then(|vnet| vnet.zone).or_else(|| vnet.zone.clone())
}

/// The mark of a network.
pub(super) fn mark_of(proxmox: &Proxmox, vnet: &Vnet) -> Result<Mark, MarkError> {
    let alias = vnet.to_be().and_then(|vnet| vnet.alias).or_else(|| vnet.alias.clone());
    Mark::from_text(alias.as_deref().unwrap_or_default(), &proxmox.installation, &vnet.name)
}

/// How a network looks: a tag that is not in effect yet is none, nor is that of one that is about
/// to go.
pub(super) fn body(vnet: &Vnet) -> VnetBody {
    let tag = match vnet.to_be() {
        Some(_) if vnet.staged.is_none() || vnet.tag.is_some() => vnet.tag,
        _ => None,
    };
    VnetBody {
        name: vnet.name.clone(),
        zone: zone(vnet).unwrap_or_default(),
        tag: tag.and_then(|tag| tag.try_into().ok()).unwrap_or_default(),
    }
}

async fn whose(proxmox: &Proxmox, client: &Client, name: &str) -> Result<Whose, ApplyError> {
    let found = client.vnets().await?.into_iter().find(|vnet| vnet.name == name);
    Ok(match found {
        None => Whose::Nobodys,
        Some(vnet) => match mark_of(proxmox, &vnet) {
            Ok(mark) => Whose::Ours(mark, Box::new(vnet)),
            Err(error) => Whose::Others(why_not(&error)),
        },
    })
}

/// Makes a network, or goes on with one of ours that is there already.
pub(super) async fn create(
    proxmox: &Proxmox,
    change: &Change,
    wish: &VnetBody,
) -> Result<(), ApplyError> {
    let client = proxmox.client()?;
    for _ in 0..ROUNDS {
        let done = match whose(proxmox, client, &wish.name).await? {
            Whose::Others(why) => return Err(taken("vnet", &wish.name, &why)),
            Whose::Ours(mark, vnet) => {
                check_address(&mark, change)?;
                match forward(client, wish, &vnet, &proxmox.mark(change, &wish.name)).await? {
                    Some(done) => done,
                    None => return well(client, &wish.zone).await,
                }
            }
            Whose::Nobodys => write(client, wish, &proxmox.mark(change, &wish.name)).await,
        };
        after(done)?;
    }
    Err(unsettled(&wish.name))
}

/// Makes a network that is there like its wish.
pub(super) async fn update(
    proxmox: &Proxmox,
    change: &Change,
    wish: &VnetBody,
) -> Result<(), ApplyError> {
    let client = proxmox.client()?;
    for _ in 0..ROUNDS {
        let name = &wish.name;
        let (mark, vnet) = match whose(proxmox, client, name).await? {
            Whose::Ours(mark, vnet) => (mark, vnet),
            Whose::Others(why) => return Err(not_ours(name, &why)),
            Whose::Nobodys => {
                return Err(ApplyError::Stale { why: format!("vnet `{name}` is gone") });
            }
        };
        let mark = Mark { origin: change.origin.clone(), ..mark };
        match forward(client, wish, &vnet, &mark).await? {
            Some(done) => after(done)?,
            None => return well(client, &wish.zone).await,
        }
    }
    Err(unsettled(&wish.name))
}

/// Takes a network out.
pub(super) async fn delete(proxmox: &Proxmox, name: &str) -> Result<(), ApplyError> {
    let client = proxmox.client()?;
    let mut last_zone: Option<String> = None;
    for _ in 0..ROUNDS {
        let vnet = match whose(proxmox, client, name).await? {
            Whose::Ours(_, vnet) => vnet,
            Whose::Others(why) => return Err(not_ours(name, &why)),
            Whose::Nobodys => {
                return match last_zone {
                    Some(zone) => well(client, &zone).await,
                    None => Ok(()),
                };
            }
        };
        last_zone = zone(&vnet);
        let done = match vnet.to_be() {
            Some(_) => client.vnet_delete(name).await,
            None => put_into_effect(client).await,
        };
        match done {
            Err(error) if error.kind() == Kind::Missing => {}
            done => after(done)?,
        }
    }
    Err(unsettled(name))
}

/// Takes the next step with a network of ours; `None` when there is none left.
async fn forward(
    client: &Client,
    wish: &VnetBody,
    vnet: &Vnet,
    mark: &Mark,
) -> Result<Option<Result<(), CallError>>, ApplyError> {
    let Some(to_be) = vnet.to_be() else {
        // It was about to go.
        return Ok(Some(write(client, wish, mark).await));
    };
    if to_be.zone.as_ref() != Some(&wish.zone) {
        return Err(not_as_planned("vnet", &wish.name, &["zone".to_owned()]));
    }
    if to_be.tag != Some(wish.tag.into()) {
        let form = Form::new().with("zone", &wish.zone).with("tag", wish.tag);
        let form = form.with("alias", mark.to_line());
        return Ok(Some(client.vnet_update(&wish.name, vnet.digest.as_deref(), form).await));
    }
    Ok(match vnet.staged {
        Some(_) => Some(put_into_effect(client).await),
        None => None,
    })
}

async fn write(client: &Client, wish: &VnetBody, mark: &Mark) -> Result<(), CallError> {
    client.vnet_create(&wish.name, &wish.zone, Some(wish.tag), Some(&mark.to_line())).await
}

async fn put_into_effect(client: &Client) -> Result<(), CallError> {
    let task = client.sdn_apply().await?;
    finish(client, Some(&task), PATIENCE).await
}

/// Waits until every node that takes part has the zone as it shall be.
async fn well(client: &Client, zone: &str) -> Result<(), ApplyError> {
    let begun = Instant::now();
    for node in client.nodes().await?.into_iter().filter(Node::is_online) {
        loop {
            let zones = client.zone_statuses(&node.name).await?;
            let status = zones.into_iter().find(|one| one.name == zone).map(|one| one.status);
            match status.as_deref() {
                // Nodes outside of the zone do not know it.
                Some("available") | None => break,
                Some("error") => {
                    let why = format!("zone `{zone}` is in error on node `{}`", node.name);
                    return Err(refused(why, "look at Datacenter, SDN, and apply again"));
                }
                Some(_) if begun.elapsed() < PATIENCE => sleep(PAUSE).await,
                Some(status) => {
                    let why = format!("zone `{zone}` is still {status} on node `{}`", node.name);
                    return Err(ApplyError::Transient { why });
                }
            }
        }
    }
    Ok(())
}

fn after(done: Result<(), CallError>) -> Result<(), ApplyError> {
    match done {
        Err(error) if !matches!(error.kind(), Kind::Exists | Kind::Stale | Kind::Unknown) => {
            Err(explained(error))
        }
        _ => Ok(()),
    }
}

fn not_ours(name: &str, why: &str) -> ApplyError {
    ApplyError::Stale { why: format!("vnet `{name}` is not ours: {why}") }
}

fn unsettled(name: &str) -> ApplyError {
    ApplyError::Transient { why: format!("nobody can tell what became of vnet `{name}`") }
}
