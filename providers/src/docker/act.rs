//! Acting: which act on which sort of thing, and the sorts that take few calls.

use std::collections::BTreeSet;

use lessor_engine::ApplyError;
use lessor_plans::{
    Act, Body, Change, Hold, ImageBody, Mark, NetworkBody, Present, Transition, VolumeBody,
};

use super::client::CallError;
use super::strangers::strange_networks;
use super::whose::{Adopting, Whose};
use super::{Docker, container, labels, read, write};
use crate::compare::compare;
use crate::reference;
use crate::seen::{check_address, image_stays, not_as_planned, not_held, taken};

/// Does one act of a change.
pub(super) async fn apply(docker: &Docker, act: Act, change: &Change) -> Result<(), ApplyError> {
    let body = match act {
        Act::Create | Act::Update => change.after.as_ref(),
        Act::Delete => change.before.as_ref(),
    };
    let body = body.ok_or_else(|| ApplyError::Refused {
        why: format!("the plan does not say how `{}` looks", change.address),
        hint: None,
    })?;
    match (act, body) {
        // An image that is there is as it shall be.
        (Act::Create | Act::Update, Body::Image(body)) => pull(docker, body).await,
        (Act::Create, Body::Network(body)) => create_network(docker, change, body).await,
        (Act::Create, Body::Volume(body)) => create_volume(docker, change, body).await,
        (Act::Create, Body::Container(body)) => container::create(docker, change, body).await,
        (Act::Update, Body::Container(body)) => container::update(docker, change, body).await,
        (Act::Update, body @ (Body::Network(_) | Body::Volume(_))) => {
            confirm(docker, change, body).await
        }
        (Act::Delete, Body::Image(body)) => Err(image_stays(&body.name)),
        (Act::Delete, Body::Network(body)) => delete_network(docker, change, &body.name).await,
        (Act::Delete, Body::Volume(body)) => delete_volume(docker, change, &body.name).await,
        (Act::Delete, Body::Container(body)) => container::delete(docker, change, &body.name).await,
        (_, other) => Err(not_held(&docker.place, other)),
    }
}

impl Docker {
    /// The mark a new thing gets.
    pub(super) fn mark(&self, change: &Change, name: &str) -> Mark {
        Mark {
            installation: self.installation.clone(),
            address: change.address.clone(),
            origin: change.origin.clone(),
            name: name.into(),
        }
    }
}

async fn pull(docker: &Docker, body: &ImageBody) -> Result<(), ApplyError> {
    if docker.client.image(&body.name).await?.is_some() {
        return Ok(());
    }
    let (name, version) = reference::split(&body.name);
    match docker.client.pull(name, version).await {
        Ok(()) => {}
        Err(error @ (CallError::Missing(_) | CallError::Refused(_))) => {
            return Err(ApplyError::Refused {
                why: format!("image `{}` cannot be pulled: {error}", body.name),
                hint: Some("check its name and tag, and that the host may pull it".into()),
            });
        }
        Err(error) => return Err(error.into()),
    }
    // A pull that broke off can end without an error.
    match docker.client.image(&body.name).await? {
        Some(_) => Ok(()),
        None => Err(ApplyError::Transient {
            why: format!("the pull of image `{}` ended before it was there", body.name),
        }),
    }
}

async fn create_network(
    docker: &Docker,
    change: &Change,
    body: &NetworkBody,
) -> Result<(), ApplyError> {
    let (name, wished) = (&body.name, Body::Network(body.clone()));
    if is_there(docker, change, &wished).await? {
        return Ok(());
    }
    let labels = labels::of(&wished, &docker.mark(change, name));
    let id = match docker.client.create_network(write::network(body, labels)).await {
        Err(error @ CallError::SubnetTaken(_)) => {
            return Err(subnet_taken(docker, body, error).await);
        }
        made => made?,
    };
    // An engine before 25 lets two networks have one name, and nobody could join either then.
    if docker.client.networks_named(name).await?.len() > 1 {
        docker.client.remove_network(&id).await?;
        // Perhaps by a call of ours that was given up: the next try tells.
        let why = format!("network `{name}` was made twice at the same time");
        return Err(ApplyError::Transient { why });
    }
    Ok(())
}

/// Whoever has the addresses keeps them, unless nobody can be seen that does: then a call of a run
/// that was killed comes late, and a network of ours is still being made or not quite gone.
async fn subnet_taken(docker: &Docker, body: &NetworkBody, error: CallError) -> ApplyError {
    match strange_networks(docker, &BTreeSet::new(), &BTreeSet::new()).await {
        Ok(strangers) if strangers.iter().any(|stranger| overlaps(&stranger.hold, body)) => {
            error.into()
        }
        Ok(_) => ApplyError::Transient { why: error.to_string() },
        Err(error) => error.into(),
    }
}

fn overlaps(hold: &Hold, body: &NetworkBody) -> bool {
    match (hold, body.subnet) {
        (Hold::Subnet(taken), Some(subnet)) => taken.overlaps(subnet),
        _ => false,
    }
}

async fn create_volume(
    docker: &Docker,
    change: &Change,
    body: &VolumeBody,
) -> Result<(), ApplyError> {
    let (name, wished) = (&body.name, Body::Volume(body.clone()));
    if is_there(docker, change, &wished).await? {
        return Ok(());
    }
    let mark = docker.mark(change, name);
    let labels = labels::of(&wished, &mark);
    let volume = docker.client.create_volume(write::volume(body, labels)).await?;
    // The engine answers with a volume that is there already as if it had just made it.
    let labels = read::sorted(&volume.labels);
    if Mark::from_labels(&labels, &docker.installation, name).as_ref() != Ok(&mark) {
        return Err(taken("volume", name, "it was made at the same time"));
    }
    Ok(())
}

/// Whether an earlier try has made it already.
///
/// # Errors
/// When the name belongs to something else, or to a thing of ours that looks other than wished.
async fn is_there(docker: &Docker, change: &Change, body: &Body) -> Result<bool, ApplyError> {
    // What is adopted is never what was to be made.
    match docker.whose(body, None).await? {
        Whose::Nobodys => Ok(false),
        Whose::Others(why) => Err(taken(body.sort(), body.name(), &why)),
        Whose::Ours(own, present) => {
            check_address(&own.mark, change)?;
            check_wished(docker, body, &present).map(|()| true)
        }
    }
}

/// A thing that cannot be changed: it is done when it is as it shall be.
async fn confirm(docker: &Docker, change: &Change, body: &Body) -> Result<(), ApplyError> {
    let (sort, name) = (body.sort(), body.name());
    match docker.whose(body, Adopting::of(change)).await?.ours_or_gone(sort, name)? {
        Some(present) => check_wished(docker, body, &present),
        None => Err(ApplyError::Stale { why: format!("{sort} `{name}` is gone") }),
    }
}

fn check_wished(docker: &Docker, body: &Body, present: &Present) -> Result<(), ApplyError> {
    match compare(body, present, &docker.secrets) {
        Transition::None => Ok(()),
        Transition::InPlace(differing) | Transition::Replace(differing) => {
            Err(not_as_planned(body.sort(), body.name(), &differing))
        }
    }
}

async fn delete_network(docker: &Docker, change: &Change, name: &str) -> Result<(), ApplyError> {
    let network = docker.whose_network(name, Adopting::of(change)).await?;
    let network = network.ours_or_gone("network", name)?;
    let Some(id) = network.and_then(|network| network.id) else { return Ok(()) };
    let Some(network) = docker.client.network(&id).await? else { return Ok(()) };
    for container in network.containers.unwrap_or_default().into_keys() {
        let inspect = docker.client.container(&container).await?;
        if inspect.is_some_and(|inspect| docker.owns(&inspect, None)) {
            docker.client.disconnect_network(&id, &container).await?;
        }
    }
    Ok(docker.client.remove_network(&id).await?)
}

async fn delete_volume(docker: &Docker, change: &Change, name: &str) -> Result<(), ApplyError> {
    let volume = docker.whose_volume(name, Adopting::of(change)).await?;
    match volume.ours_or_gone("volume", name)? {
        Some(volume) => Ok(docker.client.remove_volume(&volume.name).await?),
        None => Ok(()),
    }
}
