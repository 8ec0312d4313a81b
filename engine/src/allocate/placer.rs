//! Choosing homes for orders as they are placed, without looking.

use std::collections::BTreeMap;

use lessor_plans::{Claim, ClaimKey, Code, Taken};
use lessor_specs::{Address, Kind, Specs};

use super::guests;
use super::{Chooser, Room};
use crate::desire::{Desired, desire, docker_address};
use crate::observe::World;
use crate::ports::Registry;

/// What is known when orders are placed.
///
/// Every claim counts, whoever holds it: what is given back is not among them.
#[derive(Clone, Default)]
pub struct Given {
    claims: BTreeMap<ClaimKey, Claim>,
    world: World,
    promised: Promised,
}

impl Given {
    /// Of all claims, of what others held when each connection was last seen, and of what was
    /// promised to the instances of orders.
    pub fn new(
        claims: BTreeMap<ClaimKey, Claim>,
        taken: BTreeMap<Address, Taken>,
        promised: Promised,
    ) -> Self {
        let seen = taken.into_iter().map(|(place, taken)| (place, taken.into_observation()));
        let world = World::new(seen.collect(), Registry::default());
        Given { claims, world, promised }
    }
}

/// What was promised to the instances of orders, by host: `docker.par1`, or `proxmox.ams/n1` for
/// one node of a cluster. What instances of spec files have is counted from those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    by_host: BTreeMap<Address, Amount>,
}

/// So much of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Thousandths of a core.
    pub cpu: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
}

/// The most that may be promised on a host to orders. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// Thousandths of a core.
    pub cpu: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes.
    pub disk: Option<u64>,
}

impl Promised {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Address, &Amount)> {
        self.by_host.iter()
    }

    /// Adds what one more instance was promised.
    pub fn add(&mut self, host: Address, amount: Amount) {
        let sum = self.by_host.entry(host).or_default();
        sum.cpu = sum.cpu.saturating_add(amount.cpu);
        sum.memory = sum.memory.saturating_add(amount.memory);
        sum.disk = sum.disk.saturating_add(amount.disk);
    }
}

/// Where an order comes to live, and what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The host, as [`Promised`] names it.
    pub host: Address,
    /// What it is promised there.
    pub amount: Amount,
    /// The most that may be promised there to orders, this one counted too: the guard of an update
    /// that adds `amount` to what is promised.
    pub limit: Limit,
    /// Every claim it rests on that is not among those given, be it that an order placed before in
    /// the same go rests on it too.
    pub claims: BTreeMap<ClaimKey, Claim>,
}

/// Why an order has no home.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// No host it may come to has so much left.
    #[error("{why}")]
    NoRoom {
        /// In words.
        why: String,
    },
    /// A port range has no port left.
    #[error("{why}")]
    NoPortLeft {
        /// In words.
        why: String,
    },
    /// A bridge has no network left for its tenant.
    #[error("{why}")]
    NoNetworkLeft {
        /// In words.
        why: String,
    },
    /// A range has no id, tag, address or tracker left.
    #[error("{why}")]
    NoIdLeft {
        /// In words.
        why: String,
    },
    /// The network of its tenant has no address left.
    #[error("{why}")]
    NoAddressLeft {
        /// In words.
        why: String,
    },
    /// No cluster it may come to can make it as it is asked for: a template is missing, or larger
    /// than its disk.
    #[error("{why}")]
    NotMakeable {
        /// In words.
        why: String,
    },
    /// No host it may come to was ever seen in full.
    #[error("nobody has seen yet what is free for `{instance}`")]
    NotSeen {
        /// The instance.
        instance: Address,
    },
    /// Specs ask for no such instance.
    #[error("`{instance}` is not asked for")]
    NotWanted {
        /// The instance.
        instance: Address,
    },
}

/// Chooses homes for orders, one after the other, as [`plan`](crate::plan()) would: the same rules,
/// the same precedence, the lowest that is free. It looks at nothing, and what it chose for one
/// order is taken for the next.
///
/// It is made for a transaction that places orders:
///
/// 1. Read all claims, what others held at the last look, and what is promised, into a [`Given`].
/// 2. Lay the new orders beside the specs of the last applied revision:
///    [`Specs::with_orders`], whose problems are the customer's to mend. Orders that were placed
///    before need not be among them: their claims and promises stand for them.
/// 3. [`Placer::place`] each; insert its claims, and add its amount to what is promised there while
///    that stays within the limit. Constraints have the last word: whoever meets a claim that is
///    taken by now begins again from 1.
///
/// An order that is turned away later, for want of money say, may leave what was chosen for it
/// unused until the next [`Given`] is read. Nothing else comes of it.
pub struct Placer<'g> {
    desired: Desired<'g>,
    chooser: Chooser<'g, 'g>,
    guests: guests::Chooser<'g, 'g>,
    /// What may be promised to orders, by host.
    limits: BTreeMap<Address, Limit>,
}

impl<'g> Placer<'g> {
    /// For the instances of `specs` that were ordered and have no home yet.
    pub fn new(specs: &'g Specs, given: &'g Given) -> Self {
        let desired = desire(specs);
        let mut chooser = Chooser::new(specs, &desired, &given.claims, &given.world);
        chooser.all_live = true;
        chooser.open_rooms(&desired.rentals);
        desired.pools.iter().for_each(|pool| chooser.promise(pool));
        let rooms = chooser.rooms.iter();
        let mut limits: BTreeMap<_, _> =
            rooms.map(|(name, room)| (docker_address(name), room.limit())).collect();
        for (host, amount) in &given.promised.by_host {
            if let (Kind::Docker, Some(room)) = (host.kind(), chooser.rooms.get_mut(host.name())) {
                room.take_amount(amount);
            }
        }
        chooser.count_seats(&desired.rentals);
        chooser.count_ports(&desired, &[]);
        chooser.count_subnets(&desired);
        let mut guests = guests::Chooser::new(specs, &desired, &given.claims, &given.world);
        guests.all_live = true;
        guests.count();
        guests.settle_nodes(&desired.guests);
        let nodes = guests.limits();
        limits.extend(nodes);
        guests.promise(&given.promised);
        Placer { desired, chooser, guests, limits }
    }

    /// A home for the instance called `tenant/name`, and everything it is given there.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn place(&mut self, instance: &str) -> Result<Placement, AllocateError> {
        let address = Address::new(Kind::Instance, instance);
        let rentals = &self.desired.rentals;
        if let Some(rental) = rentals.iter().position(|rental| rental.address == address) {
            return self.place_container(rental, address);
        }
        let guests = &self.desired.guests;
        match guests.iter().position(|guest| guest.address == address) {
            Some(guest) => self.place_guest(guest, address),
            None => Err(AllocateError::NotWanted { instance: address }),
        }
    }

    fn place_container(
        &mut self,
        rental: usize,
        instance: Address,
    ) -> Result<Placement, AllocateError> {
        let rental = &self.desired.rentals[rental];
        let host = self.chooser.settled_host(rental).or_else(|| self.chooser.free_host(rental));
        let home = host.and_then(|host| self.chooser.home(rental, host));
        let claims = std::mem::take(&mut self.chooser.chosen.claims);
        let problem = std::mem::take(&mut self.chooser.chosen.problems).pop();
        let home = home.ok_or_else(|| AllocateError::of(problem, instance))?;
        let host = docker_address(home.docker);
        Ok(Placement {
            amount: Room::amount(rental),
            limit: self.limits.get(&host).copied().unwrap_or_default(),
            host,
            claims: new_among(claims, self.chooser.claims),
        })
    }

    fn place_guest(&mut self, guest: usize, instance: Address) -> Result<Placement, AllocateError> {
        let rental = &self.desired.guests[guest];
        let home = self.guests.home(rental);
        let claims = std::mem::take(&mut self.guests.chosen.claims);
        let problem = std::mem::take(&mut self.guests.chosen.problems).pop();
        let home = home.ok_or_else(|| AllocateError::of(problem, instance))?;
        let host = guests::host_address(home.cluster, &home.node);
        Ok(Placement {
            amount: Amount {
                cpu: u64::from(rental.cpu) * 1000,
                memory: rental.memory.bytes(),
                disk: rental.disk.bytes(),
            },
            limit: self.limits.get(&host).copied().unwrap_or_default(),
            host,
            claims: new_among(claims, self.chooser.claims),
        })
    }
}

/// The claims that are not among `known` already.
fn new_among(
    claims: BTreeMap<ClaimKey, Claim>,
    known: &BTreeMap<ClaimKey, Claim>,
) -> BTreeMap<ClaimKey, Claim> {
    claims.into_iter().filter(|(key, claim)| known.get(key) != Some(claim)).collect()
}

impl AllocateError {
    fn of(problem: Option<(Address, Code, String)>, instance: Address) -> Self {
        match problem {
            Some((_, Code::NoRoom, why)) => AllocateError::NoRoom { why },
            Some((_, Code::NoPortLeft, why)) => AllocateError::NoPortLeft { why },
            Some((_, Code::NoNetworkLeft, why)) => AllocateError::NoNetworkLeft { why },
            Some((_, Code::NoAddressLeft, why)) => AllocateError::NoAddressLeft { why },
            Some((_, Code::NoIdLeft, why)) => AllocateError::NoIdLeft { why },
            Some((_, _, why)) => AllocateError::NotMakeable { why },
            None => AllocateError::NotSeen { instance },
        }
    }
}
