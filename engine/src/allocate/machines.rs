//! Choosing which machines of a pool there shall be, and the host port of each.

use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{Body, Claim, ClaimKey, Code, PortBody};
use lessor_specs::kinds::Protocol;
use lessor_specs::{Address, ByteSize, Kind, PortRange, made_number};

use super::{Amount, Chooser};
use crate::desire::{Desired, MadePool, docker_address};
use crate::observe::World;
use crate::replicas::replicas;

/// The machines that one pool shall have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    /// By number.
    pub(crate) chosen: BTreeSet<u32>,
    /// The port of each that has one.
    pub(crate) ports: BTreeMap<u32, PortBody>,
    /// Those that would go if they were not reserved.
    pub(crate) stay: BTreeSet<u32>,
    /// How many are reserved beyond what is declared.
    pub(crate) surplus: usize,
}

/// The machines of every pool, in the order of pools. Ports are not chosen yet.
pub(super) fn machines(
    desired: &Desired<'_>,
    claims: &BTreeMap<ClaimKey, Claim>,
    world: &World,
    reserved: &BTreeSet<Address>,
) -> Vec<Machines> {
    let of_pool = |pool: &MadePool<'_>| {
        let place = docker_address(pool.docker);
        let mut there = seen_at(pool, world, &place);
        if world.has_blind_spot() {
            // What nobody can see is there, for all we know.
            let key = pool.address().to_string();
            let holders = claims.keys().filter(|claim| claim.pool == key);
            let machines = holders.filter_map(|claim| claim.holder.split(':').next()?.parse().ok());
            there.extend(machines.filter_map(|machine| number_of(pool, &machine)));
        }
        let reserved: BTreeSet<_> = reserved.iter().filter_map(|m| number_of(pool, m)).collect();
        let mut chosen = replicas(pool.replicas, &reserved, &there);
        let unreserved = replicas(pool.replicas, &BTreeSet::new(), &there);
        let stay = reserved.intersection(&there).filter(|number| !unreserved.contains(number));
        let stay = stay.copied().collect();
        let surplus = chosen.len() - unreserved.len();
        // A pool moves to another host as its machines come free.
        let others = world.observations().keys().filter(|other| **other != place);
        for other in others {
            let seen = seen_at(pool, world, other);
            chosen.retain(|n| there.contains(n) || !reserved.contains(n) || !seen.contains(n));
        }
        Machines { chosen, ports: BTreeMap::new(), stay, surplus }
    };
    desired.pools.iter().map(of_pool).collect()
}

/// The machines of a pool that are on a host, or may be.
fn seen_at(pool: &MadePool<'_>, world: &World, place: &Address) -> BTreeSet<u32> {
    let seen = world.at(place).into_iter();
    let births = seen.flat_map(|seen| seen.present.keys().chain(seen.unknown.keys()));
    births.filter_map(|birth| number_of(pool, birth)).collect()
}

/// The number of a machine in a pool, by any name the pool had.
fn number_of(pool: &MadePool<'_>, machine: &Address) -> Option<u32> {
    let mut names = pool.names().filter(|_| machine.kind() == Kind::Machine);
    names.find_map(|name| made_number(name, machine.name()))
}

/// What all machines of a pool are promised on its host.
fn amount(pool: &MadePool<'_>) -> Amount {
    let count = u64::from(pool.replicas);
    Amount {
        cpu: pool.pool.cpu.map_or(0, |cpu| count.saturating_mul(cpu.millis().into())),
        memory: count.saturating_mul(pool.pool.memory.map_or(0, ByteSize::bytes)),
        disk: 0,
    }
}

impl Chooser<'_, '_> {
    /// Makes room for the machines there shall be. Whoever is reserved holds what it has.
    pub(super) fn expect(
        &mut self,
        pools: &[MadePool<'_>],
        machines: &[Machines],
        reserved: &BTreeSet<Address>,
    ) {
        for (pool, machines) in pools.iter().zip(machines) {
            self.wanted.extend(machines.chosen.iter().flat_map(|number| pool.births(*number)));
            self.promise(pool);
        }
        self.wanted.extend(reserved.iter().cloned());
    }

    /// Takes from the room of a host what the machines of a pool may use.
    pub(super) fn promise(&mut self, pool: &MadePool<'_>) {
        if let Some(room) = self.rooms.get_mut(pool.docker) {
            room.take_amount(&amount(pool));
        }
    }

    /// Whether a claim is for the port of a machine that there shall be.
    pub(super) fn is_wanted_machine(&self, key: &ClaimKey) -> bool {
        let machine = key.holder.split(':').next().and_then(|holder| holder.parse().ok());
        machine.is_some_and(|machine: Address| {
            machine.kind() == Kind::Machine && self.wanted.contains(&machine)
        })
    }

    /// A port for each machine: what it has, else the one of its number, else the lowest that is
    /// free. Who has one already is asked first, so that nobody takes it.
    pub(super) fn machine_ports(&mut self, pools: &[MadePool<'_>], machines: Vec<Machines>) {
        for (pool, mut machines) in pools.iter().zip(machines) {
            if let Some(range) = pool.pool.ports {
                self.ports_of(pool, range, &mut machines);
            }
            self.chosen.machines.push(machines);
        }
    }

    fn ports_of(&mut self, pool: &MadePool<'_>, range: PortRange, machines: &mut Machines) {
        let mut chosen: BTreeMap<u32, u16> = BTreeMap::new();
        for number in &machines.chosen {
            if let Some(port) = self.settled_port(pool, range, *number) {
                chosen.insert(*number, port);
            }
        }
        self.take_ports(pool, chosen.values());
        let own: BTreeMap<_, _> = machines
            .chosen
            .iter()
            .filter_map(|number| {
                let port = range.iter().nth(usize::try_from(number.checked_sub(1)?).ok()?)?;
                let is_free = !chosen.contains_key(number) && self.is_free(pool, port);
                is_free.then_some((*number, port))
            })
            .collect();
        self.take_ports(pool, own.values());
        chosen.extend(own);
        for number in &machines.chosen {
            let port = chosen.get(number).copied().or_else(|| {
                let free = range.iter().find(|port| self.is_free(pool, *port))?;
                self.take_ports(pool, [&free]);
                Some(free)
            });
            self.give_port(pool, *number, port, &mut machines.ports);
        }
    }

    fn give_port(
        &mut self,
        pool: &MadePool<'_>,
        number: u32,
        port: Option<u16>,
        ports: &mut BTreeMap<u32, PortBody>,
    ) {
        let machine = pool.machine(number);
        let Some(host) = port else {
            let why = format!("`{}` has no port left", pool.address());
            self.chosen.problems.push((machine, Code::NoPortLeft, why));
            return;
        };
        let key = ClaimKey { pool: pool.address().to_string(), holder: pool.port_holder(&machine) };
        self.chosen.claims.insert(key, host.to_string());
        let (container, protocol, bind) = (pool.port(), Protocol::Tcp, pool.pool.bind);
        ports.insert(number, PortBody { container, protocol, bind, host });
    }

    /// The port a machine was given or has.
    fn settled_port(&self, pool: &MadePool<'_>, range: PortRange, number: u32) -> Option<u16> {
        let seen = self.world.at(&docker_address(pool.docker));
        let present = pool.births(number).find_map(|birth| seen?.present.get(&birth));
        let own = present.and_then(|present| match &present.body {
            Body::Container(container) => {
                let inside = |port: &&PortBody| port.container == pool.port();
                container.ports.iter().find(inside).map(|port| port.host)
            }
            _ => None,
        });
        let own = own.filter(|port| range.contains(*port));
        let claims = pool.names().zip(pool.births(number)).filter_map(|(name, machine)| {
            let pool_key = Address::new(Kind::Pool, name).to_string();
            let key = ClaimKey { pool: pool_key, holder: pool.port_holder(&machine) };
            self.claims.get(&key)?.parse::<u16>().ok()
        });
        let mut claims = claims.filter(|claimed| range.contains(*claimed));
        // Somebody else sits on it by now, unless it is us.
        let is_ours = |claimed: &u16| {
            let bind = pool.pool.bind;
            own.is_some() || !self.ports.is_strange(pool.docker, bind, *claimed, Protocol::Tcp)
        };
        claims.find(is_ours).or(own)
    }

    fn is_free(&self, pool: &MadePool<'_>, port: u16) -> bool {
        !self.ports.is_taken(pool.docker, pool.pool.bind, port, Protocol::Tcp)
    }

    fn take_ports<'p>(&mut self, pool: &MadePool<'_>, ports: impl IntoIterator<Item = &'p u16>) {
        for port in ports {
            self.ports.take(pool.docker, pool.pool.bind, *port, Protocol::Tcp);
        }
    }
}
