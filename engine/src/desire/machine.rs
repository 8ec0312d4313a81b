//! Machines that we make: the containers of a pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lessor_plans::{Body, ContainerBody, PortBody};
use lessor_specs::kinds::{ContainerImage, Pool, Protocol, Restart};
use lessor_specs::{Address, Kind, Specs, machine_name};

use super::{Draft, bare, docker_address};

/// Where machines are entered, unless their image says otherwise: by ssh.
const SSH: u16 = 22;

/// The machines of a pool that we make, before it is known which those are.
#[derive(Clone, Debug)]
pub(crate) struct MadePool<'s> {
    pub(crate) name: &'s str,
    pub(crate) docker: &'s str,
    pub(crate) pool: &'s Pool,
    pub(crate) image: &'s ContainerImage,
    pub(crate) replicas: u32,
}

pub(super) fn made_pools(specs: &Specs) -> Vec<MadePool<'_>> {
    let made = specs.pool.iter().filter_map(|(name, pool)| {
        Some(MadePool {
            name,
            docker: specs.docker_of(pool.docker.as_deref())?,
            pool,
            image: specs.image.get(pool.image.as_ref()?)?.container.as_ref()?,
            replicas: pool.replicas?,
        })
    });
    made.collect()
}

impl MadePool<'_> {
    /// Its own address.
    pub(crate) fn address(&self) -> Address {
        Address::new(Kind::Pool, self.name)
    }

    pub(crate) fn machine(&self, number: u32) -> Address {
        Address::new(Kind::Machine, machine_name(self.name, number))
    }

    /// The names it had, its own first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name).chain(self.pool.moved.iter().map(Address::name))
    }

    /// The addresses a machine is or was known by, its own first.
    pub(crate) fn births(&self, number: u32) -> impl Iterator<Item = Address> {
        self.names().map(move |name| Address::new(Kind::Machine, machine_name(name, number)))
    }

    /// The port by which its machines are entered, inside.
    pub(crate) fn port(&self) -> u16 {
        self.image.ready.as_ref().and_then(|ready| ready.tcp).unwrap_or(SSH)
    }

    /// What the claim of a machine's port is for.
    pub(crate) fn port_holder(&self, machine: &Address) -> String {
        format!("{machine}:{}/{}", self.port(), Protocol::Tcp)
    }

    /// A machine, once its port is chosen.
    pub(crate) fn draft(&self, number: u32, port: PortBody) -> Draft {
        let body = ContainerBody {
            name: String::new(),
            image: self.image.reference.clone(),
            entrypoint: None,
            command: self.image.command.clone(),
            user: None,
            env: self.image.env.clone(),
            labels: BTreeMap::new(),
            networks: BTreeSet::new(),
            mounts: BTreeMap::new(),
            ports: BTreeSet::from([port]),
            cpu: self.pool.cpu,
            memory: self.pool.memory,
            pids: self.pool.pids,
            restart: Restart::UnlessStopped,
            // Accounts are made by the engine, as root. Whoever is given one gains nothing.
            no_new_privileges: true,
            healthcheck: None,
            logging: None,
            running: true,
        };
        let moved: Vec<_> = self.births(number).skip(1).collect();
        let place = docker_address(self.docker);
        Draft {
            ready: self.image.ready.clone(),
            ..bare(self.machine(number), place, &moved, Body::Container(Arc::new(body)))
        }
    }
}
