//! From specs to what should exist, as far as it can be said without looking.
//!
//! Plain resources become a [`Draft`] each. An instance becomes a [`Rental`]: which host it comes
//! to, its ports and its tenant's subnet are chosen later, when it is known what is free.

mod guest;
mod machine;
mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lessor_plans::{
    Body, ContainerBody, HealthcheckBody, ImageBody, MountBody, Naming, NetworkBody, PortBody,
    VolumeBody, Wanted, adopted_name,
};
use lessor_specs::kinds::{
    Container, ContainerImage, ContainerOffer, Network, OfferPort, Ready, Restart, Volume,
};
use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, EnvValue, Kind, Specs};

pub(crate) use guest::{GuestHome, GuestRental, TenantVlan, pool_draft, spare};
pub(crate) use machine::MadePool;
pub(crate) use network::{forward_draft, rule_draft};

/// Everything specs ask for.
#[derive(Clone, Debug, Default)]
pub struct Desired<'s> {
    pub(crate) drafts: Vec<Draft>,
    /// Instances that are containers.
    pub(crate) rentals: Vec<Rental<'s>>,
    /// Instances that are virtual machines.
    pub(crate) guests: Vec<GuestRental<'s>>,
    /// Pools whose machines we make.
    pub(crate) pools: Vec<MadePool<'s>>,
}

/// One thing that should exist, on a host that is known. Names are given when it is settled.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) address: Address,
    pub(crate) place: Address,
    pub(crate) moved: Vec<Address>,
    /// The thing it stands for, if that was there before.
    pub(crate) adopted: Option<Adopted>,
    /// Without its name, its networks and its mounts.
    pub(crate) body: Body,
    pub(crate) networks: Vec<Address>,
    pub(crate) mounts: Vec<MountDraft>,
    /// What has to be there first beside networks, mounts and its image.
    pub(crate) needs: Vec<Address>,
    pub(crate) ready: Option<Ready>,
    /// What it is called, where that does not follow from its address. It was chosen with regard to
    /// what is there, and holds whatever that is called.
    pub(crate) named: Option<String>,
    /// By which rules a name follows from its address.
    pub(crate) naming: Naming,
    /// Where a rule stands among those of its interface: lower ones come first, then by address.
    pub(crate) order: u32,
}

/// A volume in a container, by its address.
#[derive(Clone, Debug)]
pub(crate) struct MountDraft {
    pub(crate) volume: Address,
    pub(crate) path: String,
    pub(crate) read_only: bool,
}

/// An instance, before anything was chosen for it.
#[derive(Clone, Debug)]
pub(crate) struct Rental<'s> {
    pub(crate) address: Address,
    pub(crate) tenant: &'s str,
    pub(crate) moved: &'s [Address],
    /// The connections it may run on, in order of name. Never empty.
    pub(crate) hosts: Vec<&'s str>,
    pub(crate) offer: &'s ContainerOffer,
    pub(crate) image: &'s ContainerImage,
    env: BTreeMap<String, EnvValue>,
    runs: bool,
}

/// Everything `specs` ask for. Specs that were loaded are valid, so nothing can fail.
pub fn desire(specs: &Specs) -> Desired<'_> {
    let mut desired = Desired::default();
    for (name, network) in &specs.network {
        desired.drafts.extend(network_draft(specs, name, network));
    }
    for (name, volume) in &specs.volume {
        desired.drafts.extend(volume_draft(specs, name, volume));
    }
    let mut images = BTreeSet::new();
    for (name, container) in &specs.container {
        let Some(docker) = specs.docker_of(container.docker.as_deref()) else { continue };
        if images.insert((docker, container.image.as_str())) {
            desired.drafts.push(image_draft(docker, &container.image));
        }
        desired.drafts.push(container_draft(docker, name, container));
    }
    desired.drafts.extend(network::drafts(specs));
    desired.rentals = specs.instance.keys().filter_map(|name| rental(specs, name)).collect();
    let guests = specs.instance.keys().filter_map(|name| guest::guest_rental(specs, name));
    desired.guests = guests.collect();
    desired.pools = machine::made_pools(specs);
    desired
}

impl Desired<'_> {
    /// Everything that may come to live on a connection, so that a provider can look for what
    /// stands in the way. Instances get their ports and subnets only when it is known what is free.
    ///
    /// Clusters and firewalls tell of everything that others hold there, whatever is wanted.
    pub fn wanted_at(&self, specs: &Specs, place: &Address) -> Vec<Wanted> {
        let mut wanted: BTreeMap<Address, Wanted> = self
            .drafts
            .iter()
            .filter(|draft| draft.place == *place)
            .map(|draft| (draft.address.clone(), draft.wanted()))
            .collect();
        if place.kind() != Kind::Docker {
            let adopting = specs.adopted().filter(|(_, other, _)| other == place);
            wanted.extend(adopting.map(|(address, _, adopted)| {
                let adopted = Some(adopted.clone());
                (address.clone(), Wanted { adopted, ..address.into() })
            }));
            return wanted.into_values().collect();
        }
        let docker = place.name();
        let mut want = |address: Address| {
            wanted.entry(address.clone()).or_insert_with(|| address.into());
        };
        for rental in self.rentals.iter().filter(|rental| rental.hosts.contains(&docker)) {
            want(rental.address.clone());
            rental.volume().map(&mut want);
            want(image_address(docker, &rental.image.reference));
            if let Some((bridge, _)) = specs.bridge_on(docker) {
                want(tenant_network(bridge, rental.tenant));
            }
        }
        // Those that are there already are found by their marks, and new ones have the lowest numbers.
        for pool in self.pools.iter().filter(|pool| pool.docker == docker) {
            (1..=pool.replicas).map(|number| pool.machine(number)).for_each(&mut want);
            want(image_address(docker, &pool.image.reference));
        }
        wanted.into_values().collect()
    }
}

impl Draft {
    fn wanted(&self) -> Wanted {
        let adopted = self.adopted.clone();
        Wanted { address: self.address.clone(), adopted, holds: self.body.holds() }
    }

    /// The name of the thing it stands for, unless that is known by its id.
    pub(crate) fn adopted_name(&self) -> Option<&str> {
        self.adopted.as_ref().and_then(|adopted| adopted_name(&self.address, adopted))
    }
}

/// The connection as an address.
pub(crate) fn docker_address(name: &str) -> Address {
    Address::new(Kind::Docker, name)
}

/// The address of an image on a host. Images are shared by everything that runs them there.
pub(crate) fn image_address(docker: &str, reference: &str) -> Address {
    Address::new(Kind::Image, format!("{docker}/{reference}"))
}

/// The address of a tenant's network.
pub(crate) fn tenant_network(bridge: &str, tenant: &str) -> Address {
    Address::new(Kind::Bridge, format!("{bridge}/{tenant}"))
}

pub(crate) fn image_draft(docker: &str, reference: &str) -> Draft {
    let body = Body::Image(ImageBody { name: reference.into() });
    bare(image_address(docker, reference), docker_address(docker), &[], body)
}

pub(crate) fn bare(address: Address, place: Address, moved: &[Address], body: Body) -> Draft {
    Draft {
        address,
        place,
        moved: moved.to_vec(),
        adopted: None,
        body,
        networks: Vec::new(),
        mounts: Vec::new(),
        needs: Vec::new(),
        ready: None,
        named: None,
        naming: Naming::Docker,
        order: 0,
    }
}

fn network_draft(specs: &Specs, name: &str, network: &Network) -> Option<Draft> {
    let place = docker_address(specs.docker_of(network.docker.as_deref())?);
    let body = Body::Network(NetworkBody {
        name: String::new(),
        subnet: network.subnet,
        internal: network.internal,
        labels: network.labels.clone(),
    });
    let draft = bare(Address::new(Kind::Network, name), place, &network.moved, body);
    Some(Draft { adopted: network.adopted.clone(), ..draft })
}

fn volume_draft(specs: &Specs, name: &str, volume: &Volume) -> Option<Draft> {
    let place = docker_address(specs.docker_of(volume.docker.as_deref())?);
    let body = Body::Volume(VolumeBody {
        name: String::new(),
        driver: volume.driver.clone().unwrap_or_else(|| "local".into()),
        options: volume.options.clone(),
        labels: volume.labels.clone(),
    });
    let draft = bare(Address::new(Kind::Volume, name), place, &volume.moved, body);
    Some(Draft { adopted: volume.adopted.clone(), ..draft })
}

fn container_draft(docker: &str, name: &str, container: &Container) -> Draft {
    let ports = container.ports.iter().map(|port| PortBody {
        container: port.container,
        protocol: port.protocol,
        bind: port.bind,
        host: port.host,
    });
    let body = ContainerBody {
        name: String::new(),
        image: container.image.clone(),
        entrypoint: container.entrypoint.clone(),
        command: container.command.clone(),
        user: container.user.clone(),
        env: container.env.clone(),
        labels: container.labels.clone(),
        networks: BTreeSet::new(),
        mounts: BTreeMap::new(),
        ports: ports.collect(),
        cpu: container.cpu,
        memory: container.memory,
        pids: container.pids,
        restart: container.restart,
        no_new_privileges: true,
        healthcheck: container.healthcheck.as_ref().map(HealthcheckBody::from),
        logging: container.logging.clone(),
        running: true,
    };
    let address = Address::new(Kind::Container, name);
    Draft {
        networks: container.networks.iter().map(|n| Address::new(Kind::Network, &**n)).collect(),
        mounts: container
            .volumes
            .iter()
            .map(|mount| MountDraft {
                volume: Address::new(Kind::Volume, &*mount.volume),
                path: mount.path.as_str().to_owned(),
                read_only: mount.read_only,
            })
            .collect(),
        needs: container.depends_on.clone(),
        ready: container.ready.clone(),
        adopted: container.adopted.clone(),
        ..bare(address, docker_address(docker), &container.moved, Body::Container(Arc::new(body)))
    }
}

fn rental<'s>(specs: &'s Specs, name: &'s str) -> Option<Rental<'s>> {
    let instance = specs.instance.get(name)?;
    let offer = specs.offer.get(&instance.offer)?;
    let image = specs.image.get(specs.image_of(instance, offer)?)?.container.as_ref()?;
    let hosts = specs.dockers_for(offer, instance.location.as_deref());
    let mut env = image.env.clone();
    env.extend(instance.env.clone());
    Some(Rental {
        address: Address::new(Kind::Instance, name),
        tenant: name.split_once('/')?.0,
        moved: &instance.moved,
        hosts,
        offer: offer.container.as_ref()?,
        image,
        env,
        runs: runs(specs, name),
    })
}

/// Whether an instance shall run: those of files do, and those of orders unless they are switched
/// off, suspended or at their end.
fn runs(specs: &Specs, instance: &str) -> bool {
    specs.ordered.get(instance).is_none_or(|order| order.runs)
}

impl Rental<'_> {
    /// The address of its volume, when the offer has disk.
    pub(crate) fn volume(&self) -> Option<Address> {
        self.offer.disk.map(|_| Address::new(Kind::Volume, self.address.name()))
    }

    /// What a claim of one of its ports is for.
    pub(crate) fn port_holder(address: &Address, port: &OfferPort) -> String {
        format!("{address}:{}/{}", port.container, port.protocol)
    }

    /// Its volume and its container, once host and ports are chosen.
    pub(crate) fn drafts(
        &self,
        docker: &str,
        network: Address,
        ports: Vec<PortBody>,
    ) -> Vec<Draft> {
        let place = docker_address(docker);
        let volume = self.volume().map(|address| self.volume_draft(address, place.clone()));
        let body = ContainerBody {
            name: String::new(),
            image: self.image.reference.clone(),
            entrypoint: None,
            command: self.image.command.clone(),
            user: None,
            env: self.env.clone(),
            labels: BTreeMap::new(),
            networks: BTreeSet::new(),
            mounts: BTreeMap::new(),
            ports: ports.into_iter().collect(),
            cpu: Some(self.offer.cpu),
            memory: Some(self.offer.memory),
            pids: Some(self.offer.pids),
            restart: Restart::UnlessStopped,
            no_new_privileges: true,
            healthcheck: None,
            logging: None,
            running: self.runs,
        };
        let mounts = volume.iter().map(|volume| MountDraft {
            volume: volume.address.clone(),
            path: self.image.data.as_str().to_owned(),
            read_only: false,
        });
        let container = Draft {
            networks: vec![network],
            mounts: mounts.collect(),
            ready: self.image.ready.clone().filter(|_| self.runs),
            ..bare(self.address.clone(), place, self.moved, Body::Container(Arc::new(body)))
        };
        volume.into_iter().chain([container]).collect()
    }

    fn volume_draft(&self, address: Address, place: Address) -> Draft {
        let moved: Vec<_> =
            self.moved.iter().map(|old| Address::new(Kind::Volume, old.name())).collect();
        let body = VolumeBody {
            name: String::new(),
            driver: "local".into(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        bare(address, place, &moved, Body::Volume(body))
    }
}

impl MountDraft {
    pub(crate) fn body(&self, volume: String) -> (String, MountBody) {
        (self.path.clone(), MountBody { volume, read_only: self.read_only })
    }
}
