//! Making, changing and removing a container.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use lessor_engine::ApplyError;
use lessor_plans::{Body, Change, ContainerBody, Present, Transition};

use super::client::CallError;
use super::whose::{Adopting, Own, Whose};
use super::{Docker, labels, read, ready, write};
use crate::compare::compare;
use crate::seen::{check_address, not_as_planned, taken};

/// How long an engine waits for a container to stop by itself, unless the container says so.
const DEFAULT_GRACE_S: i64 = 10;

/// Makes a container, or goes on with one that was half made.
pub(super) async fn create(
    docker: &Docker,
    change: &Change,
    body: &ContainerBody,
) -> Result<(), ApplyError> {
    // What is adopted is never what was to be made.
    let id = match docker.whose_container(&body.name, None).await? {
        Whose::Others(why) => return Err(taken("container", &body.name, &why)),
        Whose::Ours(own, inspect) => {
            check_address(&own.mark, change)?;
            resume(docker, own, &inspect, body).await?
        }
        Whose::Nobodys => make(docker, change, body).await?,
    };
    if body.running {
        start(docker, &id).await?;
        if let Some(ready) = &change.ready {
            ready::wait(docker, &id, body, ready).await?;
        }
    }
    Ok(())
}

/// Changes what can be changed in place.
pub(super) async fn update(
    docker: &Docker,
    change: &Change,
    body: &ContainerBody,
) -> Result<(), ApplyError> {
    let name = &body.name;
    let (own, inspect) = match docker.whose_container(name, Adopting::of(change)).await? {
        Whose::Ours(own, inspect) => (own, inspect),
        other => {
            other.ours_or_gone("container", name)?;
            return Err(ApplyError::Stale { why: format!("container `{name}` is gone") });
        }
    };
    let id = id(&inspect)?;
    let present = docker.present_container(own, &inspect).await?;
    let differing = changeable(docker, body, &present)?;
    change_limits(docker, id, body, &differing).await?;
    if !differing.iter().any(|path| path == "running") {
        return Ok(());
    }
    if !body.running {
        return stop(docker, &inspect).await;
    }
    start(docker, id).await?;
    match &change.ready {
        Some(ready) => ready::wait(docker, id, body, ready).await,
        None => Ok(()),
    }
}

/// Stops and removes a container with its anonymous volumes. Named ones stay, and so do all of an
/// adopted one: nobody agreed to lose what is in them.
pub(super) async fn delete(docker: &Docker, change: &Change, name: &str) -> Result<(), ApplyError> {
    let adopting = Adopting::of(change);
    let inspect = docker.whose_container(name, adopting).await?;
    let Some(inspect) = inspect.ours_or_gone("container", name)? else { return Ok(()) };
    let id = id(&inspect)?;
    match stop(docker, &inspect).await {
        Ok(()) | Err(ApplyError::Stale { .. }) => {}
        Err(error) => return Err(error),
    }
    // Stopping takes its time. By id, a container that took the name meanwhile is out of reach.
    let Some(again) = docker.client.container(id).await? else { return Ok(()) };
    let now = read::container_name(&again).unwrap_or_default();
    if now != name || !docker.owns(&again, adopting) {
        let why = format!("container `{name}` was renamed to `{now}` meanwhile");
        return Err(ApplyError::Stale { why });
    }
    let with_volumes = docker.owns(&again, None);
    Ok(docker.client.remove_container(id, with_volumes).await?)
}

/// Makes a new container and joins it to all of its networks.
async fn make(
    docker: &Docker,
    change: &Change,
    body: &ContainerBody,
) -> Result<String, ApplyError> {
    check_uses(docker, body).await?;
    let mark = docker.mark(change, &body.name);
    let labels = labels::of(&Body::Container(body.clone().into()), &mark);
    let call = write::container(body, labels, &docker.secrets)?;
    let id = match docker.client.create_container(&body.name, call).await {
        Ok(id) => id,
        // Taken since we looked, perhaps by a call of ours that was given up: the next try tells.
        Err(CallError::Conflict(why)) => return Err(ApplyError::Transient { why }),
        Err(error) => return Err(error.into()),
    };
    for network in body.networks.iter().skip(1) {
        docker.client.connect_network(network, &id).await?;
    }
    Ok(id)
}

/// An engine makes a volume that is missing, without a mark, and a container on a network that is
/// missing, which then cannot start. Neither may happen.
async fn check_uses(docker: &Docker, body: &ContainerBody) -> Result<(), ApplyError> {
    let missing = |sort: &str, name: &str| ApplyError::Stale {
        why: format!("container `{}` uses {sort} `{name}`, which is gone", body.name),
    };
    for mount in body.mounts.values() {
        if docker.client.volume(&mount.volume).await?.is_none() {
            return Err(missing("volume", &mount.volume));
        }
    }
    for name in &body.networks {
        if docker.client.networks_named(name).await?.is_empty() {
            return Err(missing("network", name));
        }
    }
    Ok(())
}

/// Goes on with a container that is there: the networks it lacks, and what can be changed.
async fn resume(
    docker: &Docker,
    own: Own,
    inspect: &ContainerInspectResponse,
    body: &ContainerBody,
) -> Result<String, ApplyError> {
    let id = id(inspect)?;
    let mut present = docker.present_container(own, inspect).await?;
    let lacking = complete_networks(&mut present, body);
    let differing = changeable(docker, body, &present)?;
    for network in &lacking {
        docker.client.connect_network(network, id).await?;
    }
    change_limits(docker, id, body, &differing).await?;
    if !body.running && differing.iter().any(|path| path == "running") {
        stop(docker, inspect).await?;
    }
    Ok(id.to_owned())
}

/// Gives `present` all the wished networks if it has some of them, and answers with the others.
fn complete_networks(present: &mut Present, wanted: &ContainerBody) -> Vec<String> {
    let Some(seen) = present.body.container_mut() else { return Vec::new() };
    if !seen.networks.is_subset(&wanted.networks) {
        return Vec::new();
    }
    let lacking = wanted.networks.difference(&seen.networks).cloned().collect();
    seen.networks.clone_from(&wanted.networks);
    lacking
}

fn changeable(
    docker: &Docker,
    body: &ContainerBody,
    present: &Present,
) -> Result<Vec<String>, ApplyError> {
    let desired = Body::Container(body.clone().into());
    match compare(&desired, present, &docker.secrets) {
        Transition::None => Ok(Vec::new()),
        Transition::InPlace(differing) => Ok(differing),
        Transition::Replace(differing) => Err(not_as_planned("container", &body.name, &differing)),
    }
}

async fn change_limits(
    docker: &Docker,
    id: &str,
    body: &ContainerBody,
    differing: &[String],
) -> Result<(), ApplyError> {
    match write::update(body, differing) {
        Some(update) => Ok(docker.client.update_container(id, update).await?),
        None => Ok(()),
    }
}

async fn start(docker: &Docker, id: &str) -> Result<(), ApplyError> {
    let inspect = docker.client.container(id).await?;
    if inspect.is_some_and(|inspect| is_paused(&inspect)) {
        docker.client.unpause_container(id).await?;
    }
    Ok(docker.client.start_container(id).await?)
}

async fn stop(docker: &Docker, inspect: &ContainerInspectResponse) -> Result<(), ApplyError> {
    let id = id(inspect)?;
    if is_paused(inspect) {
        docker.client.unpause_container(id).await?;
    }
    Ok(docker.client.stop_container(id, grace(inspect)).await?)
}

/// How long a container may take to stop before the engine kills it.
pub(super) fn grace(inspect: &ContainerInspectResponse) -> Duration {
    let own = inspect.config.as_ref().and_then(|config| config.stop_timeout);
    Duration::from_secs(u64::try_from(own.unwrap_or(DEFAULT_GRACE_S)).unwrap_or_default())
}

fn is_paused(inspect: &ContainerInspectResponse) -> bool {
    inspect.state.as_ref().and_then(|state| state.paused).unwrap_or_default()
}

fn id(inspect: &ContainerInspectResponse) -> Result<&str, ApplyError> {
    let missing = || CallError::Garbled("a container has no id".into()).into();
    inspect.id.as_deref().ok_or_else(missing)
}
