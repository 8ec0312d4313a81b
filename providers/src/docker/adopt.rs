//! Looking at what was there before its entry, and is adopted by it.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerInspectResponse, Network, Volume};
use futures_util::{StreamExt, stream};
use lessor_plans::{Adoption, Observation, Origin, Wanted};
use lessor_specs::Address;
use lessor_specs::quantity::Adopted;

use super::client::CallError;
use super::look::{AT_ONCE, inspect_images, look_at_network, look_at_volume, present, source};
use super::read::{self, Look, Made, Source, sorted};
use super::whose::{Own, container_labels, sorted_or_empty, volume_id};
use super::{Docker, beyond};
use crate::seen::{Adoptions, adopting, insert_unknown, is_meant, stand_in};

/// Adds what wanted entries adopt and nothing of ours stands for: with one inspect a container, and
/// one listing of networks and of volumes, if any of them is adopted.
pub(super) async fn observe(docker: &Docker, wanted: &[Wanted], seen: &mut Observation) {
    let open = adopting(wanted, seen);
    let of = |sort: &str| -> Vec<Open<'_>> {
        open.iter().filter(|(own, ..)| *own == sort).map(|(_, a, b)| (*a, *b)).collect()
    };
    let mut adopter = Adopter { docker, seen, adoptions: Adoptions::default() };
    adopter.containers(of("container")).await;
    adopter.networks(&of("network")).await;
    adopter.volumes(&of("volume")).await;
}

/// An entry, and what it adopts.
type Open<'w> = (&'w Address, &'w Adopted);

struct Adopter<'a> {
    docker: &'a Docker,
    seen: &'a mut Observation,
    adoptions: Adoptions,
}

/// A thing that an entry adopts, before it is known whose it is.
#[derive(Clone)]
struct Candidate {
    name: String,
    id: String,
    labels: BTreeMap<String, String>,
    look: Result<Look, String>,
    beyond: Vec<String>,
}

impl Adopter<'_> {
    async fn containers(&mut self, open: Vec<Open<'_>>) {
        let client = &self.docker.client;
        let inspect = |adopted: Adopted| async move { client.container(adopted.as_str()).await };
        let adopted: Vec<Adopted> = open.iter().map(|(_, adopted)| (*adopted).clone()).collect();
        let inspects = stream::iter(adopted).map(inspect).buffered(AT_ONCE);
        let inspects: Vec<_> = inspects.collect().await;
        let found = inspects.iter().filter_map(|inspect| inspect.as_ref().ok()?.as_ref());
        let ids: BTreeSet<String> = found.map(image_of).collect();
        let images = inspect_images(self.docker, ids).await;
        for ((address, adopted), inspect) in open.into_iter().zip(inspects) {
            match inspect {
                Ok(Some(inspect)) => {
                    let source = source(images.get(&image_of(&inspect)));
                    let candidate = container(&inspect, source);
                    if is_meant(address, adopted, &candidate.name, &candidate.id) {
                        self.adopt(address, candidate);
                    }
                }
                Ok(None) => {}
                Err(error) => insert_unknown(self.seen, address.clone(), error.to_string()),
            }
        }
    }

    async fn networks(&mut self, open: &[Open<'_>]) {
        if open.is_empty() {
            return;
        }
        let listed = self.docker.client.networks(None).await;
        self.listed(open, listed, network);
    }

    async fn volumes(&mut self, open: &[Open<'_>]) {
        if open.is_empty() {
            return;
        }
        let listed = self.docker.client.volumes(None).await;
        self.listed(open, listed, volume);
    }

    fn listed<T>(
        &mut self,
        open: &[Open<'_>],
        listed: Result<Vec<T>, CallError>,
        candidate: impl Fn(&T) -> Candidate,
    ) {
        let candidates: Vec<Candidate> = match listed {
            Ok(things) => things.iter().map(candidate).collect(),
            Err(error) => {
                for (address, _) in open {
                    insert_unknown(self.seen, (*address).clone(), error.to_string());
                }
                return;
            }
        };
        for (address, adopted) in open {
            let is_it = |one: &Candidate| is_meant(address, adopted, &one.name, &one.id);
            let mut meant = candidates.iter().filter(|one| is_it(one));
            match (meant.next(), meant.next()) {
                (Some(candidate), None) => self.adopt(address, candidate.clone()),
                (Some(_), Some(_)) => {
                    let why = format!("more than one has the name `{adopted}`");
                    insert_unknown(self.seen, (*address).clone(), why);
                }
                (None, _) => {}
            }
        }
    }

    fn adopt(&mut self, address: &Address, candidate: Candidate) {
        let Candidate { name, id, labels, look, beyond } = candidate;
        let installation = &self.docker.installation;
        match (stand_in(address, &Origin::File, &name, &labels, installation), look) {
            (Ok(mark), Ok(look)) => {
                let own = Own { mark, adopted: Some(Adoption { id, beyond, takes_mark: false }) };
                self.adoptions.insert(self.seen, present(own, look));
            }
            (Ok(_), Err(why)) => insert_unknown(self.seen, address.clone(), why),
            (Err(why), _) => drop(self.seen.refused.insert(address.clone(), why)),
        }
    }
}

fn container(inspect: &ContainerInspectResponse, source: Result<Source<'_>, String>) -> Candidate {
    let beyond = match &source {
        Ok(source) => beyond::of_container(inspect, source),
        Err(_) => Vec::new(),
    };
    Candidate {
        name: read::container_name(inspect).unwrap_or_default().to_owned(),
        id: inspect.id.clone().unwrap_or_default(),
        labels: container_labels(inspect),
        look: source.and_then(|source| read::container(inspect, &source, Made::Before)),
        beyond,
    }
}

fn network(network: &Network) -> Candidate {
    let name = network.name.clone().unwrap_or_default();
    Candidate {
        id: network.id.clone().unwrap_or_default(),
        labels: sorted_or_empty(network.labels.as_ref()),
        look: Ok(look_at_network(&name, network)),
        beyond: beyond::of_network(network),
        name,
    }
}

fn volume(volume: &Volume) -> Candidate {
    Candidate {
        id: volume_id(&volume.name).to_owned(),
        labels: sorted(&volume.labels),
        look: Ok(look_at_volume(volume)),
        beyond: Vec::new(),
        name: volume.name.clone(),
    }
}

fn image_of(inspect: &ContainerInspectResponse) -> String {
    inspect.image.clone().unwrap_or_default()
}
