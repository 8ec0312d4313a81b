//! What is asked for, settled beside what is known: every thing with its body and what it needs.
//!
//! This is the wanting half of a plan, for those who draw or explain it. Of a world nobody looked
//! at, it says what specs and claims alone come to.

use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::graph::{Graph, Thing};
use lessor_plans::{Body, Claim, ClaimKey, Code, Naming, name_for};
use lessor_specs::{Address, Kind, Specs};

use crate::allocate::allocate;
use crate::settle::settle;
use crate::{Selection, Selector, World, desire};

/// Everything specs ask for, with nothing left to choose.
#[derive(Clone, Debug)]
pub struct Outline {
    /// In order of address.
    pub things: Vec<Outlined>,
    /// What is given out for them, old and new.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Why a new guest comes to its node, in words.
    pub reasons: BTreeMap<Address, String>,
    /// What could not be chosen: the address, which is left out, what explains it, and why.
    pub problems: Vec<(Address, Code, String)>,
}

/// One thing that should exist.
#[derive(Clone, Debug)]
pub struct Outlined {
    /// Its name everywhere.
    pub address: Address,
    /// The connection it lives on.
    pub place: Address,
    /// The addresses its mark may have, its own first.
    pub births: Vec<Address>,
    /// How it shall look.
    pub body: Body,
    /// What has to be there first, in order.
    pub needs: Vec<Address>,
}

/// Everything `specs` ask for. What they leave open is chosen as a plan would: by `claims`, by what
/// stands in `world`, else the lowest that is free.
pub fn outline(specs: &Specs, claims: &BTreeMap<ClaimKey, Claim>, world: &World) -> Outline {
    let desired = desire(specs);
    let reserved = BTreeSet::new();
    let allocation = allocate(specs, &desired, claims, world, &reserved);
    let settled = settle(specs, desired, &allocation, world);
    let things = settled.into_iter().map(|wish| {
        let mut needs = wish.needs;
        needs.sort_unstable();
        needs.dedup();
        let (address, place) = (wish.address, wish.place);
        Outlined { address, place, births: wish.births, body: wish.body, needs }
    });
    let things = things.collect();
    let reasons = allocation.guests.reasons;
    Outline { things, claims: allocation.claims, reasons, problems: allocation.problems }
}

impl Outlined {
    pub(crate) fn is_named_after(&self, address: &Address) -> bool {
        self.body.name() == name_for(Naming::Docker, address)
    }
}

impl Outline {
    /// The thing at `address`.
    pub fn get(&self, address: &Address) -> Option<&Outlined> {
        let found = self.things.binary_search_by(|thing| thing.address.cmp(address)).ok()?;
        self.things.get(found)
    }

    /// As a graph. Instances of one offer are of one class, and so are machines of one pool.
    pub fn graph(&self, specs: &Specs) -> Graph {
        Graph::new(self.things.iter().map(|thing| {
            let instance = specs.instance.get(thing.address.name());
            let of = |kind: Kind| thing.address.kind() == kind;
            let offer = instance.filter(|_| of(Kind::Instance)).map(|instance| &*instance.offer);
            let offer = offer.map(|offer| Address::new(Kind::Offer, offer));
            let pool = specs.made_by(thing.address.name()).filter(|_| of(Kind::Machine));
            let pool = pool.map(|(pool, ..)| Address::new(Kind::Pool, pool));
            Thing {
                address: thing.address.clone(),
                place: thing.place.clone(),
                class: offer.or(pool),
                body: &thing.body,
                needs: &thing.needs,
            }
        }))
    }
}

impl Selection {
    /// Leaves in a graph what is selected and what that needs.
    ///
    /// # Errors
    /// With the first selector that selects nothing.
    pub fn narrow(&self, graph: &mut Graph) -> Result<(), Selector> {
        let selects_nothing =
            |selector: &&Selector| !graph.any(|address, place| selector.matches(address, place));
        let mut all = self.targets.iter().chain(&self.excludes);
        if let Some(selector) = all.find(selects_nothing) {
            return Err(selector.clone());
        }
        graph.keep_with_needs(|address, place| self.targets(address, place));
        graph.keep(|address, place| !self.excludes(address, place));
        Ok(())
    }
}
