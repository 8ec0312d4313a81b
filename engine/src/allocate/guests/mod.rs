//! Choosing for virtual machines: cluster, node, id, VLAN, addresses, and the trackers of rules.

mod count;
mod give;
mod keys;
mod placing;
mod trackers;

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashSet;
use lessor_plans::{Claim, ClaimKey, Code};
use lessor_specs::{Address, Kind, Specs};

use super::nodes::Nodes;
use super::numbers::Numbers;
use super::subnets::Subnets;
use crate::desire::{Desired, GuestHome, GuestRental, TenantVlan};
use crate::observe::World;
use keys::{cluster_key, node_key};

/// Trackers of ours. The firewall itself makes them from the clock, and its own are below.
const TRACKERS: std::ops::RangeInclusive<u32> = 200_000_000..=999_999_999;

/// What was chosen for guests.
#[derive(Debug, Default)]
pub(crate) struct Guests<'s> {
    /// The home of each, in the order of rentals; `None` when there was none.
    pub(crate) homes: Vec<Option<GuestHome<'s>>>,
    /// The VLAN of each tenant that needs one, by range and tenant.
    pub(crate) vlans: BTreeMap<(&'s str, &'s str), TenantVlan<'s>>,
    /// The tracker of each rule that operators declare.
    pub(crate) trackers: BTreeMap<&'s str, u32>,
    /// Why a guest without a node comes to the one it comes to, in words.
    pub(crate) reasons: BTreeMap<Address, String>,
    /// Every claim that has to be held, new and old.
    pub(crate) claims: BTreeMap<ClaimKey, Claim>,
    /// What could not be chosen: the address, and why.
    pub(crate) problems: Vec<(Address, Code, String)>,
}

/// Chooses for every virtual machine and every rule. Same input, same choice.
pub(super) fn choose<'s>(
    specs: &'s Specs,
    desired: &Desired<'s>,
    claims: &BTreeMap<ClaimKey, Claim>,
    world: &World,
) -> Guests<'s> {
    if specs.pfsense.is_empty() && desired.guests.is_empty() {
        return Guests::default();
    }
    let mut chooser = Chooser::new(specs, desired, claims, world);
    chooser.count();
    chooser.settle_nodes(&desired.guests);
    chooser.rules();
    for rental in &desired.guests {
        let home = chooser.home(rental);
        chooser.chosen.homes.push(home);
    }
    chooser.chosen
}

pub(super) struct Chooser<'s, 'w> {
    specs: &'s Specs,
    claims: &'w BTreeMap<ClaimKey, Claim>,
    world: &'w World,
    /// Every address that is asked for, by every name it had.
    wanted: HashSet<Address>,
    /// Whose claims still count.
    live: HashSet<String>,
    /// Whether every claim counts, whoever is wanted.
    pub(super) all_live: bool,
    /// The tenants that have a guest which asks for its address.
    asking: BTreeSet<&'s str>,
    /// Ids of guests, by cluster.
    ids: BTreeMap<&'s str, Numbers>,
    nodes: BTreeMap<&'s str, Nodes<'s>>,
    /// Tags and subnets, by range.
    tags: BTreeMap<&'s str, Numbers>,
    subnets: BTreeMap<&'s str, Subnets>,
    /// Addresses of guests that are spoken for, by range.
    spoken: BTreeMap<&'s str, BTreeSet<u32>>,
    /// Addresses of guests, by range and tenant.
    addresses: BTreeMap<(&'s str, &'s str), Numbers>,
    /// Public addresses, by pool.
    publics: BTreeMap<&'s str, Numbers>,
    /// Trackers, by firewall.
    trackers: BTreeMap<&'s str, Numbers>,
    pub(super) chosen: Guests<'s>,
}

impl<'s, 'w> Chooser<'s, 'w> {
    pub(super) fn new(
        specs: &'s Specs,
        desired: &Desired<'s>,
        claims: &'w BTreeMap<ClaimKey, Claim>,
        world: &'w World,
    ) -> Self {
        Chooser {
            specs,
            claims,
            world,
            wanted: super::wanted(specs, desired),
            live: live(specs, desired),
            all_live: false,
            asking: asking(desired),
            ids: BTreeMap::new(),
            nodes: BTreeMap::new(),
            tags: BTreeMap::new(),
            subnets: BTreeMap::new(),
            spoken: BTreeMap::new(),
            addresses: BTreeMap::new(),
            publics: BTreeMap::new(),
            trackers: BTreeMap::new(),
            chosen: Guests::default(),
        }
    }

    fn is_live(&self, holder: &str) -> bool {
        self.all_live
            || self.live.contains(holder)
            || self.world.has_blind_spot()
            || self.specs.ordered.holds_any_back()
    }

    fn is_ordered(&self, instance: &Address) -> bool {
        self.specs.ordered.get(instance.name()).is_some()
    }

    pub(super) fn home(&mut self, rental: &GuestRental<'s>) -> Option<GuestHome<'s>> {
        let (cluster, node) = self.place(rental)?;
        let (name, proxmox) = self.specs.proxmox.get_key_value(cluster)?;
        let (range_name, range) = self.specs.vlan_range_on(cluster)?;
        let own = self.own(rental).map(|(_, guest)| guest.clone());
        let network = self.network(rental, range_name, range)?;
        let id = self.id(rental, name, own.as_ref())?;
        let address = self.address(rental, &network, own.as_ref())?;
        let public = self.public(rental, &range.pfsense)?;
        let trackers = self.rule_trackers(rental, &range.pfsense)?;
        // An order stays where it was placed, also when there are more clusters one day.
        if rental.clusters.len() > 1 || self.is_ordered(&rental.address) {
            self.chosen.claims.insert(cluster_key(&rental.address), cluster.to_owned());
        }
        self.chosen.claims.insert(node_key(cluster, &rental.address), node.clone());
        if rental.image.asks_for_address()
            && let Some(vlan) = self.chosen.vlans.get_mut(&(range_name, rental.tenant))
        {
            vlan.is_asked = true;
        }
        let mac = self.mac(rental, cluster, id, own.as_ref());
        Some(GuestHome {
            cluster: name,
            proxmox,
            network,
            node,
            id,
            mac,
            address,
            public,
            trackers,
        })
    }

    fn exhausted<T>(&mut self, rental: &GuestRental<'s>, why: &str) -> Option<T> {
        self.chosen.problems.push((rental.address.clone(), Code::NoIdLeft, why.to_owned()));
        None
    }
}

/// Everybody whose claims count: what is wanted, by every name it had.
fn live(specs: &Specs, desired: &Desired<'_>) -> HashSet<String> {
    let mut live = HashSet::default();
    for rental in &desired.guests {
        live.insert(Address::new(Kind::Tenant, rental.tenant).to_string());
        for address in names(rental) {
            live.insert(address.to_string());
            for (template, _) in &rental.templates {
                live.insert(format!("firewall_rule.{}/{template}", address.name()));
            }
        }
        for range in specs.vlan_range.keys() {
            let rules = TenantVlan::RULES;
            let rules = rules.map(|r| TenantVlan::rule_address_of(range, rental.tenant, r));
            live.extend(rules.map(|rule| rule.to_string()));
        }
    }
    for (name, rule) in &specs.firewall_rule {
        live.insert(Address::new(Kind::FirewallRule, &**name).to_string());
        live.extend(rule.moved.iter().map(ToString::to_string));
    }
    live
}

/// One node of a cluster.
pub(super) fn host_address(cluster: &str, node: &str) -> Address {
    Address::new(Kind::Proxmox, format!("{cluster}/{node}"))
}

fn asking<'s>(desired: &Desired<'s>) -> BTreeSet<&'s str> {
    let asking = desired.guests.iter().filter(|rental| rental.image.asks_for_address());
    asking.map(|rental| rental.tenant).collect()
}

/// The addresses a rental is or was known by.
pub(super) fn names<'r>(rental: &'r GuestRental<'_>) -> impl Iterator<Item = &'r Address> + Clone {
    std::iter::once(&rental.address).chain(rental.moved)
}
