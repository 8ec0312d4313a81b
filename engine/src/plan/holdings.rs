//! Who holds what on which host, to be found by those that want it.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use lessor_plans::{Body, Hold};
use lessor_specs::Address;

/// Names, ports and subnets, each with who holds it.
pub(super) struct Holdings<'b, T> {
    names: HashMap<(&'b Address, &'b str, &'b str), T>,
    ports: HashMap<(&'b Address, u16), Vec<(Hold, T)>>,
    /// By first address. One host never has two subnets that overlap.
    subnets: HashMap<&'b Address, BTreeMap<u32, (Hold, T)>>,
}

impl<'b, T: Copy> Holdings<'b, T> {
    pub(super) fn new() -> Self {
        Holdings { names: HashMap::new(), ports: HashMap::new(), subnets: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.ports.is_empty() && self.subnets.is_empty()
    }

    /// Everything a thing holds. Images belong to nobody, so their names are not held.
    pub(super) fn insert(&mut self, place: &'b Address, body: &'b Body, holder: T) {
        if !matches!(body, Body::Image(_)) {
            self.names.insert((place, body.sort(), body.name()), holder);
        }
        for hold in body.holds() {
            self.insert_part(place, hold, holder);
        }
    }

    /// One thing that is held.
    pub(super) fn insert_hold(&mut self, place: &'b Address, hold: &'b Hold, holder: T) {
        if let Hold::Name { sort, name } = hold {
            self.names.insert((place, sort, name), holder);
        } else {
            self.insert_part(place, hold.clone(), holder);
        }
    }

    fn insert_part(&mut self, place: &'b Address, hold: Hold, holder: T) {
        match &hold {
            Hold::Port { port, .. } => {
                self.ports.entry((place, *port)).or_default().push((hold, holder));
            }
            Hold::Subnet(subnet) => {
                let first = subnet.net().network().into();
                self.subnets.entry(place).or_default().insert(first, (hold, holder));
            }
            Hold::Name { .. } => {}
        }
    }

    /// What `body` cannot have, since somebody holds it.
    pub(super) fn clashes(&self, place: &Address, body: &Body) -> Vec<(Hold, T)> {
        let mut found = Vec::new();
        if let Some(holder) = self.names.get(&(place, body.sort(), body.name())) {
            found.push((Hold::Name { sort: body.sort(), name: body.name().into() }, *holder));
        }
        for hold in body.holds() {
            let clash = |(other, _): &&(Hold, T)| other.clashes(&hold);
            let held: Vec<_> = match &hold {
                Hold::Port { port, .. } => {
                    self.ports.get(&(place, *port)).into_iter().flatten().filter(clash).collect()
                }
                Hold::Subnet(subnet) => {
                    let last: u32 = subnet.net().broadcast().into();
                    let before =
                        self.subnets.get(place).into_iter().flat_map(|s| s.range(..=last).rev());
                    before.map(|(_, held)| held).take_while(clash).collect()
                }
                Hold::Name { .. } => Vec::new(),
            };
            found.extend(held.into_iter().map(|(_, holder)| (hold.clone(), *holder)));
        }
        found
    }
}
