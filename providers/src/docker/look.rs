//! Looking at one thing: by its name, and as what it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ImageConfig, ImageInspect, ImageSummary, Network,
    Volume,
};
use futures_util::{StreamExt, stream};
use lessor_plans::{Body, Change, Gap, Present, Sighting};
use lessor_specs::{Address, Kind};

use super::Docker;
use super::client::CallError;
use super::read::{self, Look, Made, Source, sorted};
use super::whose::{Adopting, Own, Whose, sorted_or_empty};
use crate::reference::normalise;
use crate::seen::present_image;

/// How many things are looked at at the same time. An engine answers inspects one after the other
/// per container; sixteen keep it busy without a queue.
pub(super) const AT_ONCE: usize = 16;

/// The one thing a change is about.
pub(super) async fn sight(docker: &Docker, change: &Change) -> Sighting {
    let sighted = match change.body() {
        Some(Body::Image(image)) => sight_image(docker, &image.name).await,
        Some(body) => docker.whose(body, Adopting::of(change)).await.map(sighted),
        None => Ok(Sighting::Absent),
    };
    sighted.unwrap_or_else(|error| Sighting::Unknown { why: error.to_string() })
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

impl Docker {
    /// How the network, volume or container of this name looks, if it is ours.
    pub(super) async fn whose(
        &self,
        body: &Body,
        adopting: Option<Adopting<'_>>,
    ) -> Result<Whose<Present>, CallError> {
        let name = body.name();
        Ok(match body {
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
            // Images belong to nobody, and nothing else is held here.
            _ => Whose::Nobodys,
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

pub(super) fn references(image: &ImageSummary) -> impl Iterator<Item = String> {
    let names = image.repo_tags.iter().chain(&image.repo_digests);
    names.map(|name| normalise(name)).chain([image.id.clone()])
}

/// Id, name and labels of a container; `None` when the listing lacks one of them.
pub(super) fn essentials(
    summary: &ContainerSummary,
) -> Option<(String, String, BTreeMap<String, String>)> {
    // A container linked to another has a second name with a slash in it.
    let names = summary.names.as_ref()?;
    let mut own = names.iter().filter_map(|name| name.strip_prefix('/'));
    let name = own.find(|name| !name.contains('/'))?;
    Some((summary.id.clone()?, name.to_owned(), sorted(summary.labels.as_ref()?)))
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

/// What was not to be had.
pub(super) fn gap(docker: &Docker, what: &str, error: &CallError) -> Gap {
    Gap {
        place: docker.place.clone(),
        what: what.into(),
        why: error.to_string(),
        hint: error.hint(),
    }
}
