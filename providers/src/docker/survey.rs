//! Everything on an engine, whosever it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{ContainerInspectResponse, ImageConfig, ImageSummary, Network, Volume};
use futures_util::future::try_join5;
use futures_util::{StreamExt, TryStreamExt, stream};
use lessor_plans::{Adoption, Body, Present};

use super::client::CallError;
use super::look::{
    AT_ONCE, inspect_images, look_at_network, look_at_volume, present, references, source,
};
use super::read::{self, Look, Made, sorted};
use super::whose::{Own, container_labels, sorted_or_empty, volume_id};
use super::{Docker, beyond};
use crate::reference::normalise;
use crate::survey::{STOPPED, exposed, image_missing};
use crate::{Found, Owner, SurveyError};

/// The networks every engine has.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

impl From<CallError> for SurveyError {
    fn from(error: CallError) -> Self {
        SurveyError { why: error.to_string(), hint: error.hint() }
    }
}

impl Docker {
    /// Everything on the engine but the networks that every engine has.
    pub(crate) async fn survey(&self) -> Result<Vec<Found>, SurveyError> {
        let client = &self.client;
        let (containers, networks, volumes, images, logging_driver) = try_join5(
            inspect_all(self),
            client.networks(None),
            client.volumes(None),
            client.images(),
            client.logging_driver(),
        )
        .await?;
        let ids: BTreeSet<String> = containers.iter().filter_map(|c| c.image.clone()).collect();
        let configs = inspect_images(self, ids).await;
        let images = Images { by_reference: by_reference(&images), configs, logging_driver };
        let mut found = Vec::new();
        for container in &containers {
            found.push(self.found_container(container, &images)?);
        }
        let networks = networks.iter().filter(|network| {
            network.name.as_deref().is_some_and(|name| !PREDEFINED.contains(&name))
        });
        found.extend(networks.map(|network| self.found_network(network)));
        found.extend(volumes.iter().map(|volume| self.found_volume(volume)));
        Ok(found)
    }

    fn found_container(
        &self,
        inspect: &ContainerInspectResponse,
        images: &Images,
    ) -> Result<Found, SurveyError> {
        let name = read::container_name(inspect).unwrap_or_default();
        let id = inspect.id.clone().unwrap_or_default();
        let garbled = |why| SurveyError::from(CallError::Garbled(format!("of `{name}`, {why}")));
        let image = inspect.image.as_deref().unwrap_or_default();
        let source = source(images.configs.get(image)).map_err(garbled)?;
        let look = read::container(inspect, &source, Made::Before).map_err(garbled)?;
        let mut beyond = beyond::of_container(inspect, &source);
        let mut obstacles = Vec::new();
        if let Body::Container(body) = &look.body {
            obstacles.extend((!body.running).then(|| STOPPED.to_owned()));
            match images.by_reference.get(&normalise(&body.image)) {
                None => obstacles.push(image_missing(&body.image)),
                Some(id) if id != image => {
                    beyond.push(format!("its image: `{}` is another by now", body.image));
                }
                Some(_) => {}
            }
        }
        let labels = container_labels(inspect);
        let mut found = self
            .found(name, id, &labels, look, |present| exposed(present, &read::variables(inspect)));
        (found.beyond, found.obstacles) = (beyond, obstacles);
        images.tell_logging(inspect, &mut found.body);
        Ok(found)
    }

    fn found_network(&self, network: &Network) -> Found {
        let name = network.name.as_deref().unwrap_or_default();
        let labels = sorted_or_empty(network.labels.as_ref());
        let id = network.id.clone().unwrap_or_default();
        let look = look_at_network(name, network);
        let mut found = self.found(name, id, &labels, look, |_| BTreeMap::new());
        found.beyond = beyond::of_network(network);
        if network.scope.as_deref() == Some("swarm") || network.ingress == Some(true) {
            found.obstacles.push("it belongs to a swarm".into());
        }
        found
    }

    fn found_volume(&self, volume: &Volume) -> Found {
        let id = volume_id(&volume.name).to_owned();
        let labels = sorted(&volume.labels);
        self.found(&volume.name, id, &labels, look_at_volume(volume), |_| BTreeMap::new())
    }

    fn found(
        &self,
        name: &str,
        id: String,
        labels: &BTreeMap<String, String>,
        look: Look,
        secrets: impl FnOnce(&Present) -> BTreeMap<String, secrecy::SecretString>,
    ) -> Found {
        let (owner, mark) = Owner::of(labels, &self.installation, name);
        let adopted = Some(Adoption { id: id.clone(), beyond: Vec::new(), takes_mark: false });
        let present = present(Own { mark, adopted }, look);
        Found {
            id,
            owner,
            body: present.beside(None),
            secrets: secrets(&present),
            beyond: Vec::new(),
            obstacles: Vec::new(),
        }
    }
}

/// What there is to know about the images, and what containers have without asking.
struct Images {
    /// Ids.
    by_reference: HashMap<String, String>,
    configs: HashMap<String, Result<Option<ImageConfig>, CallError>>,
    logging_driver: String,
}

impl Images {
    /// Somebody asked for what is not the engine's default.
    fn tell_logging(&self, inspect: &ContainerInspectResponse, body: &mut Body) {
        let Some(body) = body.container_mut() else { return };
        let labels = container_labels(inspect);
        let host = inspect.host_config.as_ref();
        let logging = host.and_then(|host| read::logging(host, &labels));
        body.logging = logging
            .filter(|logging| logging.driver != self.logging_driver || !logging.options.is_empty());
    }
}

async fn inspect_all(docker: &Docker) -> Result<Vec<ContainerInspectResponse>, CallError> {
    let listed = docker.client.containers(None).await?;
    let ids: Vec<String> = listed.into_iter().filter_map(|summary| summary.id).collect();
    let inspect = |id: String| async move { docker.client.container(&id).await };
    let inspects = stream::iter(ids).map(inspect).buffered(AT_ONCE);
    // One that is gone since it was listed is not there, and neither is one that is about to be.
    let stays = async |inspect: Option<_>| Ok(inspect.filter(|inspect| !read::is_going(inspect)));
    inspects.try_filter_map(stays).try_collect().await
}

fn by_reference(images: &[ImageSummary]) -> HashMap<String, String> {
    let pairs = |image| references(image).map(move |name| (name, image.id.clone()));
    images.iter().flat_map(pairs).collect()
}
