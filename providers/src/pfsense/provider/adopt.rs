//! What entries adopt: things that others made, and that count as ours since an entry says so, until
//! they carry our mark.

use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{Act, Change, InstallationId, Mark, Naming, Wanted, name_for};
use lessor_specs::{Address, Kind};

use super::estate::port_of;
use super::wiring::Wiring;
use super::world::World;
use crate::pfsense::Object as _;
use crate::seen::adopted_mark;

/// Things that count as ours: the entry of each, by its sort and by what its firewall calls it.
#[derive(Debug, Default)]
pub(super) struct Adopting {
    by_thing: BTreeMap<(&'static str, String), Address>,
}

impl Adopting {
    /// What is wanted, adopts something, and was not made by us long since; and which of that cannot
    /// be adopted, and why.
    pub(super) fn of_wanted(
        wanted: &[Wanted],
        known: &BTreeSet<&Address>,
        world: &World,
        installation: &InstallationId,
    ) -> (Self, BTreeMap<Address, String>) {
        let (mut adopting, mut refused) = (Adopting::default(), BTreeMap::new());
        let open = wanted.iter().filter(|wanted| !known.contains(&wanted.address));
        for Wanted { address, adopted, .. } in open {
            let (Some(adopted), Some(sort)) = (adopted, sort_of(address.kind())) else { continue };
            let descriptions = descriptions(world, installation, sort, adopted.as_str());
            let name = name_in_mark(sort, adopted.as_str(), address);
            let why = match descriptions.as_slice() {
                // What is not there is made.
                [] => continue,
                [text] => adopted_mark(address, &name, text, installation).err(),
                several => Some(format!("there are {} things called `{adopted}`", several.len())),
            };
            match why {
                Some(why) => drop(refused.insert(address.clone(), why)),
                None => adopting.insert(sort, adopted.as_str(), address),
            }
        }
        (adopting, refused)
    }

    /// What these acts say is adopted. What is made anew in its place is not.
    pub(super) fn of_changes<'c>(changes: impl Iterator<Item = (Act, &'c Change)>) -> Self {
        let mut adopting = Adopting::default();
        for (_, change) in changes.filter(|(act, _)| *act != Act::Create) {
            if let (Some(id), Some(body)) = (&change.adopted, change.body()) {
                adopting.insert(body.sort(), id, &change.address);
            }
        }
        adopting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_thing.is_empty()
    }

    fn insert(&mut self, sort: &'static str, id: &str, address: &Address) {
        self.by_thing.insert((sort, id.to_owned()), address.clone());
    }

    /// The mark that a thing of this description would carry if it was made by us; `None` when
    /// nobody adopts it, or it has a mark that counts.
    pub(super) fn mark(
        &self,
        sort: &'static str,
        id: &str,
        text: &str,
        installation: &InstallationId,
    ) -> Option<Mark> {
        let address = self.by_thing.get(&(sort, id.to_owned()))?;
        adopted_mark(address, &name_in_mark(sort, id, address), text, installation).ok()
    }
}

/// What a thing of this kind is to a firewall, if it can be adopted.
fn sort_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Vlan => Some("vlan"),
        Kind::Alias => Some("alias"),
        Kind::FirewallRule => Some("rule"),
        Kind::PortForward => Some("port forward"),
        _ => None,
    }
}

/// The name in the mark: a port forward has no other.
fn name_in_mark(sort: &str, id: &str, address: &Address) -> String {
    match sort {
        "port forward" => name_for(Naming::Identifier, address),
        _ => id.to_owned(),
    }
}

/// What people wrote about each thing that is called so.
fn descriptions<'w>(
    world: &'w World,
    installation: &InstallationId,
    sort: &str,
    id: &str,
) -> Vec<&'w str> {
    match sort {
        "vlan" => {
            let all = world.vlans.as_deref().unwrap_or_default().iter();
            all.filter(|vlan| vlan.key().to_string() == id).map(|vlan| &*vlan.descr).collect()
        }
        "alias" => {
            let all = world.aliases.as_deref().unwrap_or_default().iter();
            all.filter(|alias| alias.name == id).map(|alias| &*alias.descr).collect()
        }
        "rule" => {
            let all = world.rules.as_deref().unwrap_or_default().iter();
            all.filter(|rule| rule.tracker.to_string() == id).map(|rule| &*rule.descr).collect()
        }
        _ => {
            let wiring = Wiring::of(world, installation, &Adopting::default());
            let all = world.port_forwards.as_deref().unwrap_or_default().iter();
            all.filter(|forward| forward_id(&wiring, &forward.interface, port_of(forward)) == id)
                .map(|forward| &*forward.descr)
                .collect()
        }
    }
}

/// What tells a port forward from others, before it carries a mark: `wan.2201`.
pub(super) fn forward_id(wiring: &Wiring, interface: &str, port: &str) -> String {
    format!("{}.{port}", wiring.shown(interface))
}
