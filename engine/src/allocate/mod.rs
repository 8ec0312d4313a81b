//! Choosing what specs leave open: the host of an instance, its ports, its tenant's subnet.
//!
//! Precedence is a claim, then what our own thing already has, then the lowest that is free. What
//! is chosen becomes a claim when it is applied, so that it never moves by itself.

mod guests;
mod machines;
mod nodes;
mod numbers;
mod placer;
mod seats;
mod subnets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use lessor_plans::{Body, Claim, ClaimKey, Code, Hold, Observation, Origin, PortBody, Present};
use lessor_specs::kinds::{OfferPort, PortRangeSpec, Protocol};
use lessor_specs::{Address, ByteSize, Cidr, Kind, Specs};

use crate::desire::{Desired, Draft, Rental, bare, docker_address, tenant_network};
use crate::observe::World;
use crate::tenant::sharing;

pub(crate) use guests::Guests;
pub(crate) use machines::Machines;
pub use placer::{AllocateError, Amount, Given, Limit, Placement, Placer, Promised};
use seats::Seats;
use subnets::Subnets;

/// What was chosen, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Allocation<'s> {
    /// The host and the ports of each rental, in the order of rentals; `None` when there was none.
    pub(crate) homes: Vec<Option<Home<'s>>>,
    /// The subnet of each tenant network that is needed.
    pub(crate) subnets: BTreeMap<Address, TenantNetwork>,
    /// The machines of each pool that we make, in the order of pools.
    pub(crate) machines: Vec<Machines>,
    /// What was chosen for virtual machines and for rules.
    pub(crate) guests: Guests<'s>,
    /// Every claim that has to be held, new and old.
    pub(crate) claims: BTreeMap<ClaimKey, Claim>,
    /// What could not be chosen: the address, and why.
    pub(crate) problems: Vec<(Address, Code, String)>,
}

/// Where an instance comes to live.
#[derive(Clone, Debug)]
pub(crate) struct Home<'s> {
    pub(crate) docker: &'s str,
    pub(crate) network: Address,
    pub(crate) ports: Vec<PortBody>,
}

/// A tenant's network on one host.
#[derive(Clone, Debug)]
pub(crate) struct TenantNetwork {
    pub(crate) docker: Address,
    pub(crate) subnet: Cidr,
}

/// Chooses for every rental. Same input, same choice.
pub(crate) fn allocate<'s>(
    specs: &'s Specs,
    desired: &Desired<'s>,
    claims: &BTreeMap<ClaimKey, Claim>,
    world: &World,
    reserved: &BTreeSet<Address>,
) -> Allocation<'s> {
    let mut guests = guests::choose(specs, desired, claims, world);
    let chosen = Allocation {
        claims: std::mem::take(&mut guests.claims),
        problems: std::mem::take(&mut guests.problems),
        guests,
        ..Allocation::default()
    };
    if desired.rentals.is_empty() && desired.pools.is_empty() {
        return chosen;
    }
    let machines = machines::machines(desired, claims, world, reserved);
    let mut chooser = Chooser::new(specs, desired, claims, world);
    chooser.chosen = chosen;
    chooser.expect(&desired.pools, &machines, reserved);
    chooser.count_seats(&desired.rentals);
    let hosts = chooser.hosts(&desired.rentals);
    chooser.count_ports(desired, &hosts);
    chooser.count_subnets(desired);
    for (rental, host) in desired.rentals.iter().zip(hosts) {
        let home = host.and_then(|host| chooser.home(rental, host));
        chooser.chosen.homes.push(home);
    }
    chooser.machine_ports(&desired.pools, machines);
    chooser.chosen
}

struct Chooser<'s, 'w> {
    specs: &'s Specs,
    claims: &'w BTreeMap<ClaimKey, Claim>,
    world: &'w World,
    /// Every address that is asked for, by every name it had.
    wanted: HashSet<Address>,
    /// Whether every claim counts, whoever is wanted.
    all_live: bool,
    rooms: BTreeMap<&'s str, Room>,
    seats: Seats<'s>,
    ports: Ports,
    subnets: BTreeMap<&'s str, Subnets>,
    chosen: Allocation<'s>,
}

/// What may still be promised on a host. `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    cpu: Option<u64>,
    memory: Option<u64>,
    disk: Option<u64>,
}

impl<'s, 'w> Chooser<'s, 'w> {
    fn new(
        specs: &'s Specs,
        desired: &Desired<'s>,
        claims: &'w BTreeMap<ClaimKey, Claim>,
        world: &'w World,
    ) -> Self {
        Chooser {
            specs,
            claims,
            world,
            wanted: wanted(specs, desired),
            all_live: false,
            rooms: specs.docker.iter().map(|(name, docker)| (&**name, Room::of(docker))).collect(),
            seats: Seats::default(),
            ports: Ports::default(),
            subnets: BTreeMap::new(),
            chosen: Allocation::default(),
        }
    }

    /// Takes the room of what files declare; a single host is where it is or will be.
    fn open_rooms(&mut self, rentals: &[Rental<'s>]) {
        for rental in rentals {
            if self.is_ordered(&rental.address) {
                continue;
            }
            let only = || (rental.hosts.len() == 1).then(|| rental.hosts[0]);
            let host = self.settled_host(rental).or_else(only);
            if let Some(room) = host.and_then(|host| self.rooms.get_mut(host)) {
                room.take(rental);
            }
        }
    }

    fn is_ordered(&self, instance: &Address) -> bool {
        self.specs.ordered.get(instance.name()).is_some()
    }

    /// Whether a claim still counts, which it does for those it was made for.
    fn counts(&self, is_live: impl FnOnce() -> bool) -> bool {
        self.all_live
            || is_live()
            || self.world.has_blind_spot()
            || self.specs.ordered.holds_any_back()
    }

    /// A host for each rental. Those that have one already keep it; only then is the rest placed.
    fn hosts(&mut self, rentals: &[Rental<'s>]) -> Vec<Option<&'s str>> {
        let settled: Vec<_> = rentals.iter().map(|rental| self.settled_host(rental)).collect();
        for (rental, host) in rentals.iter().zip(&settled) {
            if let Some(room) = host.and_then(|host| self.rooms.get_mut(host)) {
                room.take(rental);
            }
        }
        rentals
            .iter()
            .zip(settled)
            .map(|(rental, settled)| settled.or_else(|| self.free_host(rental)))
            .collect()
    }

    /// Where a rental was put before: by a claim, or because it is there.
    fn settled_host(&self, rental: &Rental<'s>) -> Option<&'s str> {
        let known =
            |name: &str| self.specs.docker.get_key_value(name).map(|(name, _)| name.as_str());
        let there = |docker: &&str| {
            let seen = self.world.at(&docker_address(docker));
            seen.is_some_and(|seen| names(rental).any(|address| seen.present.contains_key(address)))
        };
        let dockers = || self.specs.docker.keys().map(String::as_str);
        names(rental)
            .find_map(|address| self.claims.get(&host_key(address)))
            .and_then(|claim| known(claim))
            .or_else(|| dockers().find(there))
    }

    fn free_host(&mut self, rental: &Rental<'s>) -> Option<&'s str> {
        let fits = |host: &&'s str| self.rooms.get(*host).is_some_and(|room| room.fits(rental));
        let hosts: Vec<_> = rental.hosts.iter().copied().filter(fits).collect();
        let has_seat = |host: &&'s str| self.seats_left(host, rental.tenant) > 0;
        let Some(host) = hosts.iter().copied().find(has_seat) else {
            let (code, why) = match hosts.first() {
                Some(host) => (Code::NoAddressLeft, self.no_seat(host, rental.tenant)),
                None => (Code::NoRoom, no_room(rental)),
            };
            self.chosen.problems.push((rental.address.clone(), code, why));
            return None;
        };
        if let Some(room) = self.rooms.get_mut(host) {
            room.take(rental);
        }
        self.seats.take(host, rental.tenant);
        Some(host)
    }

    /// Takes note of every port that is spoken for: by specs, by claims, by what is there.
    fn count_ports(&mut self, desired: &Desired<'s>, hosts: &[Option<&'s str>]) {
        for draft in &desired.drafts {
            self.ports.take_all(draft.place.name(), &draft.body);
        }
        for (place, seen) in self.world.observations() {
            for stranger in &seen.strangers {
                self.ports.strange(place.name(), &stranger.hold);
            }
            for (birth, present) in &seen.present {
                if self.stays(birth, present) {
                    self.ports.take_all(place.name(), &present.body);
                }
            }
        }
        // Claims of things that may still exist somewhere, even where nobody could look.
        let live: HashSet<String> = desired
            .rentals
            .iter()
            .zip(hosts)
            .filter(|(_, host)| host.is_some())
            .flat_map(|(rental, _)| holders(rental))
            .collect();
        for (key, claim) in self.claims {
            if let (Some((docker, bind)), Ok(port)) = (self.ports_at(&key.pool), claim.parse())
                && self.counts(|| live.contains(&key.holder) || self.is_wanted_machine(key))
            {
                let protocol =
                    if key.holder.ends_with("/udp") { Protocol::Udp } else { Protocol::Tcp };
                self.ports.take(docker, bind, port, protocol);
            }
        }
    }

    /// The host and the address on it whose ports are claimed under this key.
    fn ports_at(&self, key: &str) -> Option<(&'s str, IpAddr)> {
        let specs = self.specs;
        if let Some(name) = key.strip_prefix("port_range.") {
            return specs.port_range.get(name).map(|range| (range.docker.as_str(), range.bind));
        }
        let pool = specs.pool.get(key.strip_prefix("pool.")?)?;
        Some((specs.docker_of(pool.docker.as_deref())?, pool.bind))
    }

    /// Whether a thing of ours is there tomorrow as well. What goes makes room before anything
    /// comes, so what it holds can be given out again.
    fn stays(&self, birth: &Address, present: &Present) -> bool {
        self.wanted.contains(birth) || present.origin != Origin::File || self.world.has_blind_spot()
    }

    fn count_subnets(&mut self, desired: &Desired<'s>) {
        for (name, bridge) in &self.specs.bridge {
            let mut subnets = Subnets::new(bridge.supernet, bridge.per_tenant_prefix);
            let place = docker_address(&bridge.docker);
            let drafts = desired.drafts.iter().filter(|draft| draft.place == place);
            drafts.for_each(|draft| subnets.take_all(&draft.body.holds()));
            if let Some(seen) = self.world.at(&place) {
                seen.strangers.iter().for_each(|s| subnets.take_all(std::slice::from_ref(&s.hold)));
                let staying = seen.present.iter().filter(|(birth, p)| self.stays(birth, p));
                staying.for_each(|(_, present)| subnets.take_all(&present.body.holds()));
            }
            let pool = format!("bridge.{name}");
            let tenants: HashSet<String> = desired
                .rentals
                .iter()
                .map(|rental| Address::new(Kind::Tenant, rental.tenant).to_string())
                .collect();
            let is_live = |key: &ClaimKey| self.counts(|| tenants.contains(&key.holder));
            let claimed = self.claims.iter().filter(|(key, _)| key.pool == pool && is_live(key));
            for subnet in claimed.filter_map(|(_, claim)| claim.parse().ok()) {
                subnets.take(subnet);
            }
            self.subnets.insert(name, subnets);
        }
    }

    fn home(&mut self, rental: &Rental<'s>, host: &'s str) -> Option<Home<'s>> {
        // An order stays where it was placed, also when there are more hosts one day.
        if rental.hosts.len() > 1 || self.is_ordered(&rental.address) {
            self.chosen.claims.insert(host_key(&rental.address), host.to_owned());
        }
        let network = self.network(rental, host)?;
        let seen = self.world.at(&docker_address(host));
        let ports: Option<Vec<_>> =
            rental.offer.ports.iter().map(|port| self.port(rental, port, host, seen)).collect();
        Some(Home { docker: host, network, ports: ports? })
    }

    fn network(&mut self, rental: &Rental<'s>, host: &'s str) -> Option<Address> {
        let (name, bridge) = self.specs.bridge_on(host)?;
        let address = tenant_network(name, rental.tenant);
        let key = ClaimKey {
            pool: format!("bridge.{name}"),
            holder: Address::new(Kind::Tenant, rental.tenant).to_string(),
        };
        if let Some(network) = self.chosen.subnets.get(&address) {
            self.chosen.claims.insert(key, network.subnet.to_string());
            return Some(address);
        }
        let fits = |subnet: &Cidr| bridge.supernet.net().contains(&subnet.net());
        let claimed = self.claims.get(&key).and_then(|claim| claim.parse().ok()).filter(fits);
        let own = || {
            let seen = self.world.at(&docker_address(host))?;
            match &seen.present.get(&address)?.body {
                Body::Network(network) => network.subnet.filter(fits),
                _ => None,
            }
        };
        let stranger_has = |subnet: &Cidr| {
            let seen = self.world.at(&docker_address(host));
            seen.is_some_and(|seen| {
                !seen.present.contains_key(&address)
                    && seen.strangers.iter().any(|s| s.hold.clashes(&Hold::Subnet(*subnet)))
            })
        };
        let chosen = claimed.filter(|subnet| !stranger_has(subnet)).or_else(own);
        let Some(subnet) = chosen.or_else(|| self.subnets.get_mut(name)?.lowest_free()) else {
            let why = format!("`bridge.{name}` has no network left for `tenant.{}`", rental.tenant);
            self.chosen.problems.push((rental.address.clone(), Code::NoNetworkLeft, why));
            return None;
        };
        self.chosen.claims.insert(key, subnet.to_string());
        let network = TenantNetwork { docker: docker_address(host), subnet };
        self.chosen.subnets.insert(address.clone(), network);
        Some(address)
    }

    fn port(
        &mut self,
        rental: &Rental<'s>,
        port: &OfferPort,
        host: &str,
        seen: Option<&Observation>,
    ) -> Option<PortBody> {
        let range = self.specs.port_range.get(&port.range)?;
        let pool = format!("port_range.{}", port.range);
        let key = |address: &Address| ClaimKey {
            pool: pool.clone(),
            holder: Rental::port_holder(address, port),
        };
        let own = seen.and_then(|seen| own_port(rental, port, range, seen));
        let claimed = names(rental)
            .find_map(|address| self.claims.get(&key(address))?.parse::<u16>().ok())
            .filter(|claimed| range.range.contains(*claimed))
            // Somebody else sits on it by now, unless it is us.
            .filter(|c| {
                own.is_some() || !self.ports.is_strange(host, range.bind, *c, port.protocol)
            });
        let free = || self.ports.lowest_free(range, port.protocol);
        let Some(chosen) = claimed.or(own).or_else(free) else {
            let why = format!("`port_range.{}` has no port left", port.range);
            self.chosen.problems.push((rental.address.clone(), Code::NoPortLeft, why));
            return None;
        };
        self.ports.take(host, range.bind, chosen, port.protocol);
        self.chosen.claims.insert(key(&rental.address), chosen.to_string());
        Some(PortBody {
            container: port.container,
            protocol: port.protocol,
            bind: range.bind,
            host: chosen,
        })
    }
}

fn no_room(rental: &Rental<'_>) -> String {
    let hosts: Vec<_> = rental.hosts.iter().map(|host| format!("`docker.{host}`")).collect();
    format!("there is no room for it on {}", hosts.join(" or "))
}

fn wanted(specs: &Specs, desired: &Desired<'_>) -> HashSet<Address> {
    let drafts = desired.drafts.iter().flat_map(|d| std::iter::once(&d.address).chain(&d.moved));
    let rentals = desired.rentals.iter().flat_map(names);
    let networks = desired
        .rentals
        .iter()
        .flat_map(|rental| specs.bridge.keys().map(|bridge| tenant_network(bridge, rental.tenant)));
    let guests = desired.guests.iter().flat_map(guests::names);
    drafts.chain(rentals).chain(guests).cloned().chain(networks).collect()
}

/// The addresses a rental is or was known by.
fn names<'r>(rental: &'r Rental<'_>) -> impl Iterator<Item = &'r Address> {
    std::iter::once(&rental.address).chain(rental.moved)
}

/// What its port claims are for, under every name it had.
fn holders(rental: &Rental<'_>) -> Vec<String> {
    names(rental)
        .flat_map(|address| rental.offer.ports.iter().map(|p| Rental::port_holder(address, p)))
        .collect()
}

fn host_key(address: &Address) -> ClaimKey {
    ClaimKey { pool: "docker".into(), holder: address.to_string() }
}

/// The port our own container already has.
fn own_port(
    rental: &Rental<'_>,
    port: &OfferPort,
    range: &PortRangeSpec,
    seen: &Observation,
) -> Option<u16> {
    let present = names(rental).find_map(|address| seen.present.get(address))?;
    let Body::Container(container) = &present.body else { return None };
    let same = |p: &&PortBody| {
        p.container == port.container && p.protocol == port.protocol && range.range.contains(p.host)
    };
    container.ports.iter().find(same).map(|port| port.host)
}

impl Room {
    fn of(docker: &lessor_specs::kinds::Docker) -> Room {
        let Some(capacity) = &docker.capacity else { return Room::default() };
        let over = docker.overcommit.clone().unwrap_or_default();
        let times = |amount: Option<u64>, ratio: Option<lessor_specs::kinds::Ratio>| {
            amount.map(|amount| ratio.map_or(amount, |ratio| ratio.times(amount)))
        };
        Room {
            cpu: times(capacity.cpu.map(|cpu| cpu.millis().into()), over.cpu),
            memory: times(capacity.memory.map(ByteSize::bytes), over.memory),
            disk: times(capacity.disk.map(ByteSize::bytes), over.disk),
        }
    }

    fn amount(rental: &Rental<'_>) -> Amount {
        Amount {
            cpu: rental.offer.cpu.millis().into(),
            memory: rental.offer.memory.bytes(),
            disk: rental.offer.disk.map_or(0, ByteSize::bytes),
        }
    }

    fn parts(&mut self, amount: &Amount) -> [(&mut Option<u64>, u64); 3] {
        [
            (&mut self.cpu, amount.cpu),
            (&mut self.memory, amount.memory),
            (&mut self.disk, amount.disk),
        ]
    }

    fn fits(mut self, rental: &Rental<'_>) -> bool {
        let amount = Room::amount(rental);
        self.parts(&amount).iter().all(|(left, need)| left.is_none_or(|left| left >= *need))
    }

    fn take(&mut self, rental: &Rental<'_>) {
        self.take_amount(&Room::amount(rental));
    }

    fn take_amount(&mut self, amount: &Amount) {
        for (left, need) in self.parts(amount) {
            *left = left.map(|left| left.saturating_sub(need));
        }
    }

    fn limit(&self) -> Limit {
        Limit { cpu: self.cpu, memory: self.memory, disk: self.disk }
    }
}

/// Which host ports are spoken for, and on which addresses.
#[derive(Debug, Default)]
struct Ports {
    taken: HashMap<String, HashMap<(u16, Protocol), Vec<IpAddr>>>,
    strange: HashMap<String, HashMap<(u16, Protocol), Vec<IpAddr>>>,
}

impl Ports {
    fn take_all(&mut self, docker: &str, body: &Body) {
        if let Body::Container(container) = body {
            for port in &container.ports {
                self.take(docker, port.bind, port.host, port.protocol);
            }
        }
    }

    fn take(&mut self, docker: &str, bind: IpAddr, port: u16, protocol: Protocol) {
        add(&mut self.taken, docker, bind, port, protocol);
    }

    fn strange(&mut self, docker: &str, hold: &Hold) {
        if let Hold::Port { bind, port, protocol } = hold {
            add(&mut self.taken, docker, *bind, *port, *protocol);
            add(&mut self.strange, docker, *bind, *port, *protocol);
        }
    }

    fn is_strange(&self, docker: &str, bind: IpAddr, port: u16, protocol: Protocol) -> bool {
        is_in(&self.strange, docker, bind, port, protocol)
    }

    fn is_taken(&self, docker: &str, bind: IpAddr, port: u16, protocol: Protocol) -> bool {
        is_in(&self.taken, docker, bind, port, protocol)
    }

    fn lowest_free(&self, range: &PortRangeSpec, protocol: Protocol) -> Option<u16> {
        range.range.iter().find(|p| !self.is_taken(&range.docker, range.bind, *p, protocol))
    }
}

type Binds = HashMap<String, HashMap<(u16, Protocol), Vec<IpAddr>>>;

fn add(binds: &mut Binds, docker: &str, bind: IpAddr, port: u16, protocol: Protocol) {
    binds.entry(docker.to_owned()).or_default().entry((port, protocol)).or_default().push(bind);
}

fn is_in(binds: &Binds, docker: &str, bind: IpAddr, port: u16, protocol: Protocol) -> bool {
    let held = binds.get(docker).and_then(|ports| ports.get(&(port, protocol)));
    let clashes =
        |other: &IpAddr| *other == bind || other.is_unspecified() || bind.is_unspecified();
    held.is_some_and(|held| held.iter().any(clashes))
}

/// The claims nobody needs any more: their holder is not desired, and nothing of it is left.
pub(crate) fn released(
    claims: &BTreeMap<ClaimKey, Claim>,
    kept: &BTreeMap<ClaimKey, Claim>,
    world: &World,
) -> Vec<ClaimKey> {
    if world.has_blind_spot() {
        return Vec::new();
    }
    let still_there = |key: &ClaimKey| {
        let holder = key.holder.split(':').next().unwrap_or_default();
        let is_seen = |holder: &Address| {
            world.observations().values().any(|s| s.present.contains_key(holder))
        };
        holder.parse().is_ok_and(|holder: Address| is_seen(&holder))
    };
    // A renamed entry takes over what its old name had.
    let passed_on: HashSet<_> = kept.iter().map(|(key, claim)| (&key.pool, claim)).collect();
    let is_free = |(key, claim): &(&ClaimKey, &Claim)| {
        !kept.contains_key(key) && (!still_there(key) || passed_on.contains(&(&key.pool, claim)))
    };
    claims.iter().filter(is_free).map(|(key, _)| key.clone()).collect()
}

/// What came with tenants that have no instance any more, and of which nothing is left anywhere.
pub(crate) fn left_behind(
    claims: &BTreeMap<ClaimKey, Claim>,
    specs: &Specs,
    world: &World,
) -> Vec<ClaimKey> {
    let of = |name: &str| name.split_once('/').map(|(tenant, _)| tenant.to_owned());
    let held_back = specs.ordered.held_back().map(|(name, _)| name);
    let wanted = specs.instance.keys().map(String::as_str).chain(held_back).filter_map(of);
    let seen = world.observations().values().flat_map(|seen| seen.present.keys());
    let seen = seen.filter_map(|birth| {
        let bringer = birth.bringer();
        let instance = [Some(birth), bringer.as_ref()].into_iter().flatten();
        let mut instance = instance.filter(|address| address.kind() == Kind::Instance);
        sharing(birth).map(str::to_owned).or_else(|| of(instance.next()?.name()))
    });
    let there: HashSet<String> = wanted.chain(seen).collect();
    let is_over = |key: &&ClaimKey| {
        let Ok(holder) = key.holder.parse::<Address>() else { return false };
        let tenant = match holder.kind() {
            Kind::Tenant => Some(holder.name()),
            _ => sharing(&holder),
        };
        tenant.is_some_and(|tenant| !there.contains(tenant))
    };
    claims.keys().filter(is_over).cloned().collect()
}

/// A tenant network as a draft.
pub(crate) fn network_draft(address: &Address, network: &TenantNetwork) -> Draft {
    let body = Body::Network(lessor_plans::NetworkBody {
        name: String::new(),
        subnet: Some(network.subnet),
        internal: false,
        labels: BTreeMap::new(),
    });
    bare(address.clone(), network.docker.clone(), &[], body)
}
