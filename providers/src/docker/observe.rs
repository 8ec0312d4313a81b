//! Looking at everything of ours, by listing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bollard::models::{ContainerInspectResponse, ImageConfig};
use futures_util::future::{join, join4};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use lessor_engine::Wanting;
use lessor_plans::{Gap, Mark, MarkError, Naming, Observation, Oddity, Wanted, name_for};
use lessor_specs::Kind;

use super::client::CallError;
use super::look::{
    AT_ONCE, essentials, gap, inspect_images, look_at_network, look_at_volume, present, references,
    source,
};
use super::read::{self, Look, Made, sorted};
use super::strangers::strangers;
use super::whose::container_labels;
use super::{Docker, adopt};
use crate::reference::normalise;
use crate::seen::{insert, insert_unknown, present_image, why_not};

/// Everything of ours, and what of others could stand in the way of what is wanted.
pub(super) async fn observe(docker: &Docker, wanted: Wanting<'_>) -> Observation {
    let images = async {
        let wanted = wanted.await;
        (images(docker, &wanted).await, wanted)
    };
    let parts = join4(containers(docker), networks(docker), volumes(docker), images);
    let (containers, networks, volumes, (images, wanted)) = parts.await;
    let mut seen = Observation::default();
    for part in [containers, networks, volumes, images] {
        absorb(&mut seen, part);
    }
    if let Some(gap) = nothing_seen(&seen.gaps) {
        return Observation { gaps: vec![gap], ..Observation::default() };
    }
    adopt::observe(docker, &wanted, &mut seen).await;
    strangers(docker, &wanted, &mut seen).await;
    seen
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
    let images = inspect_images(docker, image_ids).map(Arc::new).shared();
    let look = |(mark, id, image): (Mark, String, String)| {
        let images = images.clone();
        // Each is looked at as soon as it is there, while the engine is busy with the next.
        async move {
            let (inspect, images) = join(docker.client.container(&id), images).await;
            let image = images.get(&image);
            let look = inspect.transpose();
            (look.map(|inspect| look_at_container(docker, &mark, inspect, image)), mark)
        }
    };
    let looks: Vec<_> = stream::iter(ours).map(look).buffer_unordered(AT_ONCE).collect().await;
    for (look, mark) in looks {
        match look {
            Some(Ok(look)) => insert(&mut seen, present(mark.into(), look)),
            Some(Err(why)) => insert_unknown(&mut seen, mark.address, why),
            // Gone since it was listed, perhaps by a call of a run that was killed.
            None => {}
        }
    }
    seen
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

fn incomplete(docker: &Docker, what: &str) -> Gap {
    let error = CallError::Garbled("one in the listing has no name, id or labels".into());
    gap(docker, what, &error)
}
