//! Looking: at everything of ours by listing, and at one thing by its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ImageConfig, ImageInspect, ImageSummary, Network,
    PortSummary, PortSummaryTypeEnum, Volume,
};
use futures_util::future::{join, join4};
use futures_util::{StreamExt, stream};
use lessor_plans::{
    Body, Change, Gap, Hold, Mark, MarkError, Naming, Observation, Oddity, Present, Sighting,
    Stranger, Wanted, name_for,
};
use lessor_specs::kinds::Protocol;
use lessor_specs::{Address, Kind};

use super::client::CallError;
use super::read::{self, Look, Made, Source, sorted};
use super::whose::{Adopting, Own, Whose, container_labels, sorted_or_empty, volume_id};
use super::{Docker, adopt};
use crate::reference::normalise;
use crate::seen::{adopted_ids, held, insert, insert_unknown, missing, present_image, why_not};

/// How many things are looked at at the same time. An engine answers inspects one after the other
/// per container; sixteen keep it busy without a queue.
pub(super) const AT_ONCE: usize = 16;

/// Everything of ours, and what of others could stand in the way of what is wanted.
pub(super) async fn observe(docker: &Docker, wanted: &[Wanted]) -> Observation {
    let parts =
        join4(containers(docker), networks(docker), volumes(docker), images(docker, wanted));
    let (containers, networks, volumes, images) = parts.await;
    let mut seen = Observation::default();
    for part in [containers, networks, volumes, images] {
        absorb(&mut seen, part);
    }
    if let Some(gap) = nothing_seen(&seen.gaps) {
        return Observation { gaps: vec![gap], ..Observation::default() };
    }
    adopt::observe(docker, wanted, &mut seen).await;
    strangers(docker, wanted, &mut seen).await;
    seen
}

/// The one thing a change is about.
pub(super) async fn sight(docker: &Docker, change: &Change) -> Sighting {
    let sighted = match change.body() {
        Some(Body::Image(image)) => sight_image(docker, &image.name).await,
        Some(body) => docker.whose(body, Adopting::of(change)).await.map(sighted),
        None => Ok(Sighting::Absent),
    };
    sighted.unwrap_or_else(|error| Sighting::Unknown { why: error.to_string() })
}

impl Docker {
    /// How the network, volume or container of this name looks, if it is ours.
    pub(super) async fn whose(
        &self,
        body: &Body,
        adopting: Option<Adopting<'_>>,
    ) -> Result<Whose<Present>, CallError> {
        let name = body.name();
        Ok(match body {
            Body::Image(_) => Whose::Nobodys,
            Body::Network(_) => {
                let look = |own, network| present(own, look_at_network(name, &network));
                self.whose_network(name, adopting).await?.seen(look)
            }
            Body::Volume(_) => {
                let look = |own, volume| present(own, look_at_volume(&volume));
                self.whose_volume(name, adopting).await?.seen(look)
            }
            Body::Container(_) => match self.whose_container(name, adopting).await? {
                Whose::Ours(own, inspect) => {
                    let present = self.present_container(own.clone(), &inspect).await?;
                    Whose::Ours(own, present)
                }
                Whose::Others(why) => Whose::Others(why),
                Whose::Nobodys => Whose::Nobodys,
            },
        })
    }

    /// How a container of ours looks beside its image.
    pub(super) async fn present_container(
        &self,
        own: Own,
        inspect: &ContainerInspectResponse,
    ) -> Result<Present, CallError> {
        let id = inspect.image.as_deref().unwrap_or_default();
        let image = self.client.image(id).await?.map(image_config);
        let source = image.as_ref().map_or(Source::Removed, Source::Image);
        let made = if own.adopted.is_some() { Made::Before } else { Made::ByUs };
        let look = read::container(inspect, &source, made).map_err(CallError::Garbled)?;
        Ok(present(own, look))
    }
}

async fn containers(docker: &Docker) -> Observation {
    let mut seen = Observation::default();
    let filter = Mark::filter(&docker.installation);
    let Some(listed) =
        listed(docker, "containers", docker.client.containers(Some(&filter)), &mut seen).await
    else {
        return seen;
    };
    let mut ours = Vec::new();
    for summary in listed {
        let Some((id, name, labels)) = essentials(&summary) else {
            seen.gaps.push(incomplete(docker, "containers"));
            continue;
        };
        if let Some(mark) = mark_of(docker, "container", &name, &labels, &mut seen) {
            ours.push((mark, id, summary.image_id.unwrap_or_default()));
        }
    }
    let image_ids: BTreeSet<String> = ours.iter().map(|(.., image)| image.clone()).collect();
    let (images, inspects) = join(inspect_images(docker, image_ids), inspect(docker, ours)).await;
    for (mark, image, inspect) in inspects {
        // Gone since it was listed, perhaps by a call of a run that was killed.
        let Some(inspect) = inspect.transpose() else { continue };
        match look_at_container(docker, &mark, inspect, images.get(&image)) {
            Ok(look) => insert(&mut seen, present(mark.into(), look)),
            Err(why) => insert_unknown(&mut seen, mark.address, why),
        }
    }
    seen
}

/// What images bring along, by id.
pub(super) async fn inspect_images(
    docker: &Docker,
    ids: BTreeSet<String>,
) -> HashMap<String, Result<Option<ImageConfig>, CallError>> {
    let inspect = |id: String| async move {
        let image = docker.client.image(&id).await;
        (id, image.map(|image| image.map(image_config)))
    };
    // A container without an image in the listing is noted when its turn comes.
    let ids = ids.into_iter().filter(|id| !id.is_empty());
    stream::iter(ids).map(inspect).buffer_unordered(AT_ONCE).collect().await
}

/// All about each of these containers, with what was known of it before.
async fn inspect(
    docker: &Docker,
    containers: Vec<(Mark, String, String)>,
) -> Vec<(Mark, String, Result<Option<ContainerInspectResponse>, CallError>)> {
    let inspect = |(mark, id, image): (Mark, String, String)| async move {
        (mark, image, docker.client.container(&id).await)
    };
    stream::iter(containers).map(inspect).buffer_unordered(AT_ONCE).collect().await
}

async fn networks(docker: &Docker) -> Observation {
    let mut seen = Observation::default();
    let filter = Mark::filter(&docker.installation);
    let listing = docker.client.networks(Some(&filter));
    for network in listed(docker, "networks", listing, &mut seen).await.unwrap_or_default() {
        let (Some(name), Some(_), Some(labels)) = (&network.name, &network.id, &network.labels)
        else {
            seen.gaps.push(incomplete(docker, "networks"));
            continue;
        };
        if let Some(mark) = mark_of(docker, "network", name, &sorted(labels), &mut seen) {
            insert(&mut seen, present(mark.into(), look_at_network(name, &network)));
        }
    }
    seen
}

async fn volumes(docker: &Docker) -> Observation {
    let mut seen = Observation::default();
    let filter = Mark::filter(&docker.installation);
    let listing = docker.client.volumes(Some(&filter));
    for volume in listed(docker, "volumes", listing, &mut seen).await.unwrap_or_default() {
        let labels = sorted(&volume.labels);
        if let Some(mark) = mark_of(docker, "volume", &volume.name, &labels, &mut seen) {
            insert(&mut seen, present(mark.into(), look_at_volume(&volume)));
        }
    }
    seen
}

/// Images carry no mark: those that are desired and there are present.
async fn images(docker: &Docker, wanted: &[Wanted]) -> Observation {
    let mut seen = Observation::default();
    let wanted: Vec<_> =
        wanted.iter().map(|w| &w.address).filter(|a| a.kind() == Kind::Image).collect();
    if wanted.is_empty() {
        return seen;
    }
    let Some(listed) = listed(docker, "images", docker.client.images(), &mut seen).await else {
        return seen;
    };
    let references: BTreeSet<String> = listed.iter().flat_map(references).collect();
    for address in wanted {
        let name = name_for(Naming::Docker, address);
        if references.contains(&normalise(&name)) {
            seen.present.insert(address.clone(), present_image(address.clone(), name));
        }
    }
    seen
}

pub(super) fn references(image: &ImageSummary) -> impl Iterator<Item = String> {
    let names = image.repo_tags.iter().chain(&image.repo_digests);
    names.map(|name| normalise(name)).chain([image.id.clone()])
}

/// What others hold, looked up only when something desired was not found among ours.
async fn strangers(docker: &Docker, wanted: &[Wanted], seen: &mut Observation) {
    let adopted: BTreeSet<String> = adopted_ids(seen).map(str::to_owned).collect();
    for (sort, names) in missing(wanted, seen) {
        let found = match sort {
            "container" => strange_containers(docker, &names, &adopted).await,
            "network" => strange_networks(docker, &names, &adopted).await,
            _ => strange_volumes(docker, &names, &adopted).await,
        };
        match found {
            Ok(strangers) => seen.strangers.extend(strangers),
            Err(error) => seen.gaps.push(gap(docker, &format!("{sort}s of others"), &error)),
        }
    }
}

async fn strange_containers(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let mut strangers = Vec::new();
    for summary in docker.client.containers(None).await? {
        let Some((id, name, labels)) = essentials(&summary) else {
            return Err(CallError::Garbled("a container has no name".into()));
        };
        if adopted.contains(&id) || Mark::from_labels(&labels, &docker.installation, &name).is_ok()
        {
            continue;
        }
        let ports = summary.ports.iter().flatten().filter_map(port_hold);
        strangers.extend(held("container", &name, wanted, ports));
    }
    Ok(strangers)
}

/// What networks of others hold: names that are wanted here, and every subnet.
pub(super) async fn strange_networks(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let mut strangers = Vec::new();
    for network in docker.client.networks(None).await? {
        let Some(name) = &network.name else {
            return Err(CallError::Garbled("a network has no name".into()));
        };
        let labels = sorted_or_empty(network.labels.as_ref());
        let is_adopted = network.id.as_ref().is_some_and(|id| adopted.contains(id));
        if is_adopted || Mark::from_labels(&labels, &docker.installation, name).is_ok() {
            continue;
        }
        let subnets = read::subnets(network.ipam.as_ref()).map(Hold::Subnet);
        strangers.extend(held("network", name, wanted, subnets));
    }
    Ok(strangers)
}

async fn strange_volumes(
    docker: &Docker,
    wanted: &BTreeSet<String>,
    adopted: &BTreeSet<String>,
) -> Result<Vec<Stranger>, CallError> {
    let volumes = docker.client.volumes(None).await?;
    let strange = volumes.iter().filter(|volume| {
        !adopted.contains(volume_id(&volume.name))
            && Mark::from_labels(&sorted(&volume.labels), &docker.installation, &volume.name)
                .is_err()
    });
    Ok(strange.flat_map(|volume| held("volume", &volume.name, wanted, [])).collect())
}

fn port_hold(port: &PortSummary) -> Option<Hold> {
    let protocol = match port.typ? {
        PortSummaryTypeEnum::TCP => Protocol::Tcp,
        PortSummaryTypeEnum::UDP => Protocol::Udp,
        PortSummaryTypeEnum::SCTP | PortSummaryTypeEnum::EMPTY => return None,
    };
    let bind = port.ip.as_deref().unwrap_or("0.0.0.0").parse().ok()?;
    Some(Hold::Port { bind, port: port.public_port?, protocol })
}

async fn sight_image(docker: &Docker, name: &str) -> Result<Sighting, CallError> {
    Ok(match docker.client.image(name).await? {
        Some(_) => {
            let address = Address::new(Kind::Image, format!("{}/{name}", docker.place.name()));
            Sighting::Present(present_image(address, name.into()).into())
        }
        None => Sighting::Absent,
    })
}

fn sighted(whose: Whose<Present>) -> Sighting {
    match whose {
        Whose::Nobodys => Sighting::Absent,
        Whose::Others(why) => Sighting::Unknown { why: format!("it is not ours: {why}") },
        Whose::Ours(_, present) => Sighting::Present(present.into()),
    }
}

fn look_at_container(
    docker: &Docker,
    mark: &Mark,
    inspect: Result<ContainerInspectResponse, CallError>,
    image: Option<&Result<Option<ImageConfig>, CallError>>,
) -> Result<Look, String> {
    let inspect = inspect.map_err(|error| error.to_string())?;
    let name = read::container_name(&inspect).unwrap_or_default();
    let labels = container_labels(&inspect);
    if Mark::from_labels(&labels, &docker.installation, name).as_ref() != Ok(mark) {
        return Err("it was renamed while it was looked at".into());
    }
    read::container(&inspect, &source(image)?, Made::ByUs)
}

/// What a container has from its image, as far as the image could be looked at.
pub(super) fn source(
    image: Option<&Result<Option<ImageConfig>, CallError>>,
) -> Result<Source<'_>, String> {
    match image {
        Some(Ok(Some(config))) => Ok(Source::Image(config)),
        Some(Ok(None)) => Ok(Source::Removed),
        Some(Err(error)) => Err(format!("its image could not be looked at: {error}")),
        None => Err("the engine's answer names no image".into()),
    }
}

pub(super) fn look_at_network(name: &str, network: &Network) -> Look {
    let labels = sorted_or_empty(network.labels.as_ref());
    read::network(name, &labels, network.ipam.as_ref(), network.internal)
}

pub(super) fn look_at_volume(volume: &Volume) -> Look {
    read::volume(&volume.name, &volume.driver, &volume.options, &sorted(&volume.labels))
}

pub(super) fn present(own: Own, look: Look) -> Present {
    Present {
        birth: own.mark.address,
        origin: own.mark.origin,
        adopted: own.adopted,
        body: look.body,
        inherited: look.inherited,
        secrets: look.secrets,
    }
}

fn image_config(image: ImageInspect) -> ImageConfig {
    image.config.unwrap_or_default()
}

/// Id, name and labels of a container; `None` when the listing lacks one of them.
fn essentials(summary: &ContainerSummary) -> Option<(String, String, BTreeMap<String, String>)> {
    // A container linked to another has a second name with a slash in it.
    let names = summary.names.as_ref()?;
    let mut own = names.iter().filter_map(|name| name.strip_prefix('/'));
    let name = own.find(|name| !name.contains('/'))?;
    Some((summary.id.clone()?, name.to_owned(), sorted(summary.labels.as_ref()?)))
}

async fn listed<T>(
    docker: &Docker,
    what: &str,
    listing: impl Future<Output = Result<Vec<T>, CallError>>,
    seen: &mut Observation,
) -> Option<Vec<T>> {
    match listing.await {
        Ok(things) => Some(things),
        Err(error) => {
            seen.gaps.push(gap(docker, what, &error));
            None
        }
    }
}

/// The mark of a thing in a listing; what cannot be ours is passed by or noted as odd.
fn mark_of(
    docker: &Docker,
    sort: &str,
    name: &str,
    labels: &BTreeMap<String, String>,
    seen: &mut Observation,
) -> Option<Mark> {
    match Mark::from_labels(labels, &docker.installation, name) {
        Ok(mark) => Some(mark),
        Err(MarkError::Foreign) => None,
        Err(error) => {
            let thing = format!("{sort} `{name}`");
            seen.oddities.push(Oddity { thing, why: why_not(&error) });
            None
        }
    }
}

fn absorb(seen: &mut Observation, part: Observation) {
    for present in part.present.into_values() {
        insert(seen, present);
    }
    for (address, why) in part.unknown {
        insert_unknown(seen, address, why);
    }
    seen.oddities.extend(part.oddities);
    seen.gaps.extend(part.gaps);
}

/// When no listing at all was answered, one gap says so.
fn nothing_seen(gaps: &[Gap]) -> Option<Gap> {
    let missing = |what: &str| gaps.iter().any(|gap| gap.what == what);
    let all = ["containers", "networks", "volumes"].into_iter().all(missing);
    gaps.first().filter(|_| all).map(|gap| Gap { what: "anything".into(), ..gap.clone() })
}

fn gap(docker: &Docker, what: &str, error: &CallError) -> Gap {
    Gap {
        place: docker.place.clone(),
        what: what.into(),
        why: error.to_string(),
        hint: error.hint(),
    }
}

fn incomplete(docker: &Docker, what: &str) -> Gap {
    let error = CallError::Garbled("one in the listing has no name, id or labels".into());
    gap(docker, what, &error)
}
