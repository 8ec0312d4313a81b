//! From drafts and choices to wishes: every name decided, every wish beside what is there.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use lessor_plans::{Body, Naming, Origin, Present, name_for};
use lessor_specs::kinds::Ready;
use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, Kind, Specs};

use crate::allocate::{Allocation, Guests, network_draft};
use crate::desire::{
    Desired, Draft, GuestRental, TenantVlan, forward_draft, image_address, image_draft, pool_draft,
    rule_draft,
};
use crate::observe::World;
use crate::order::order_rules;
use crate::tenant::sharing;

/// One thing as it shall be, and as it is.
#[derive(Debug)]
pub(crate) struct Wish<'w> {
    pub(crate) address: Address,
    pub(crate) place: Address,
    pub(crate) origin: Origin,
    pub(crate) body: Body,
    /// What has to be there first.
    pub(crate) needs: Vec<Address>,
    pub(crate) ready: Option<Ready>,
    /// The thing of ours that this wish means.
    pub(crate) present: Option<&'w Present>,
    /// The addresses its mark may have.
    pub(crate) births: Vec<Address>,
    /// The thing it stands for, if that was there before.
    pub(crate) adopted: Option<Adopted>,
}

/// All wishes, in order of address.
pub(crate) fn settle<'w>(
    specs: &Specs,
    desired: Desired<'_>,
    allocation: &Allocation<'_>,
    world: &'w World,
) -> Vec<Wish<'w>> {
    let mut drafts = all_drafts(specs, desired, allocation);
    drafts.sort_by(|a, b| a.address.cmp(&b.address));
    let matches: Vec<Option<&Present>> = drafts.iter().map(|draft| find(draft, world)).collect();
    let names = Names::of(&drafts, &matches);
    order_rules(&mut drafts, &matches, world);
    let settled = drafts.into_iter().zip(matches);
    let mut wishes: Vec<_> = settled.map(|(draft, present)| wish(draft, present, &names)).collect();
    trace_to_orders(specs, &mut wishes);
    wishes
}

/// Says which order asks for what. What several share is of the order with the lowest id; of files
/// is only what no order uses, but for images, which are nobody's.
fn trace_to_orders(specs: &Specs, wishes: &mut [Wish<'_>]) {
    if specs.ordered.is_empty() {
        return;
    }
    for wish in wishes.iter_mut() {
        if let Some(order) = specs.ordered.of(&wish.address) {
            wish.origin = Origin::Order(order.id.clone());
        }
    }
    let mut users: BTreeMap<Address, Origin> = BTreeMap::new();
    for wish in wishes.iter() {
        for need in wish.needs.iter().filter(|need| is_shared(need)) {
            let origin = users.entry(need.clone()).or_insert_with(|| wish.origin.clone());
            let files_go_first = need.kind() == Kind::Image;
            *origin = match (&*origin, &wish.origin) {
                (Origin::Order(one), Origin::Order(other)) => Origin::Order(one.min(other).clone()),
                (Origin::File, other) | (other, Origin::File) if !files_go_first => other.clone(),
                _ => Origin::File,
            };
        }
    }
    for wish in wishes.iter_mut() {
        let user = users.remove(&wish.address);
        // What waits for a home will use it.
        let tenant = sharing(&wish.address);
        let waiting = || lowest_order(specs, tenant?).map(Origin::Order);
        if let Some(origin) = user.or_else(waiting) {
            wish.origin = origin;
        }
    }
}

fn lowest_order(specs: &Specs, tenant: &str) -> Option<String> {
    let of_tenant = |name: &str| name.split_once('/').is_some_and(|(own, _)| own == tenant);
    let orders = specs.ordered.standing().filter(|(name, _)| of_tenant(name));
    orders.map(|(_, order)| order.id.clone()).min()
}

fn is_shared(address: &Address) -> bool {
    address.kind() == Kind::Image || sharing(address).is_some()
}

fn all_drafts(specs: &Specs, desired: Desired<'_>, allocation: &Allocation<'_>) -> Vec<Draft> {
    let Desired { mut drafts, rentals, guests, pools } = desired;
    drafts.extend(guest_drafts(specs, &guests, &allocation.guests));
    let is_image = |draft: &&Draft| matches!(draft.body, Body::Image(_));
    let mut images: BTreeSet<_> =
        drafts.iter().filter(is_image).map(|draft| draft.address.clone()).collect();
    drafts.extend(allocation.subnets.iter().map(|(a, network)| network_draft(a, network)));
    for (rental, home) in rentals.iter().zip(&allocation.homes) {
        let Some(home) = home else { continue };
        let reference = &rental.image.reference;
        if images.insert(image_address(home.docker, reference)) {
            drafts.push(image_draft(home.docker, reference));
        }
        drafts.extend(rental.drafts(home.docker, home.network.clone(), home.ports.clone()));
    }
    for (pool, machines) in pools.iter().zip(&allocation.machines) {
        let reference = &pool.image.reference;
        if !machines.ports.is_empty() && images.insert(image_address(pool.docker, reference)) {
            drafts.push(image_draft(pool.docker, reference));
        }
        let ports = machines.ports.iter();
        drafts.extend(ports.map(|(number, port)| pool.draft(*number, *port)));
    }
    drafts
}

/// Guests and what comes with them, and what of operators had to wait for what was chosen.
fn guest_drafts(specs: &Specs, rentals: &[GuestRental<'_>], chosen: &Guests<'_>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = chosen.vlans.values().flat_map(TenantVlan::drafts).collect();
    let mut pools = BTreeSet::new();
    let mut addresses = BTreeMap::new();
    for (rental, home) in rentals.iter().zip(&chosen.homes) {
        let Some(home) = home else { continue };
        if pools.insert((home.cluster, rental.tenant)) {
            drafts.push(pool_draft(home.cluster, rental.tenant));
        }
        addresses.insert(&rental.address, home.address);
        drafts.extend(rental.drafts(home));
    }
    let rules = specs.firewall_rule.iter().filter_map(|(name, rule)| {
        rule_draft(specs, name, rule, *chosen.trackers.get(name.as_str())?)
    });
    drafts.extend(rules);
    let at = |instance: &Address| addresses.get(instance).copied();
    let forwards = specs.port_forward.iter();
    drafts.extend(forwards.filter_map(|(name, entry)| forward_draft(specs, name, entry, at)));
    drafts
}

/// The thing of ours whose mark names the draft, by its own address or an older one; without one,
/// the thing the draft adopts.
fn find<'w>(draft: &Draft, world: &'w World) -> Option<&'w Present> {
    let seen = world.at(&draft.place)?;
    let births = std::iter::once(&draft.address).chain(&draft.moved);
    let mut marked = births.filter_map(|birth| seen.present.get(birth));
    let adopted = || seen.present.get(&draft.address);
    marked.find(|present| present.adopted.is_none()).or_else(adopted)
}

/// What each draft is called at its provider.
struct Names {
    by_address: HashMap<Address, String>,
}

impl Names {
    /// A thing that is there keeps its name, whatever its entry is called by now, and what is made
    /// in place of an adopted thing has that one's. Anything else is named after its address; if an
    /// older thing still has that name, a number tells them apart.
    fn of(drafts: &[Draft], matches: &[Option<&Present>]) -> Names {
        let mut by_address = HashMap::with_capacity(drafts.len());
        let mut taken: HashSet<(Address, &'static str, String)> = HashSet::new();
        for (draft, present) in drafts.iter().zip(matches) {
            let present = present.map(|present| present.body.name());
            let named = draft.named.as_deref().or(present);
            let Some(name) = named.or_else(|| draft.adopted_name()) else { continue };
            if draft.named.is_none() && name != name_for(draft.naming, &draft.address) {
                taken.insert((draft.place.clone(), draft.body.sort(), name.to_owned()));
            }
            by_address.insert(draft.address.clone(), name.to_owned());
        }
        for draft in drafts {
            let free = |name: &String| {
                taken.is_empty()
                    || !taken.contains(&(draft.place.clone(), draft.body.sort(), name.clone()))
            };
            by_address.entry(draft.address.clone()).or_insert_with(|| {
                let plain = name_for(draft.naming, &draft.address);
                let numbered = (2..).map(|n| format!("{plain}_{n}"));
                std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain)
            });
        }
        Names { by_address }
    }

    fn get(&self, address: &Address) -> String {
        self.by_address.get(address).cloned().unwrap_or_else(|| name_for(Naming::Docker, address))
    }
}

fn wish<'w>(draft: Draft, present: Option<&'w Present>, names: &Names) -> Wish<'w> {
    let Draft { address, place, moved, adopted, mut body, networks, mounts, .. } = draft;
    let Draft { mut needs, ready, .. } = draft;
    body.set_name(names.get(&address));
    for end in body.ends_mut() {
        if let Some(alias) = needs.iter().find(|need| is_end(need, end)) {
            *end = names.get(alias);
        }
    }
    if let Some(container) = body.container_mut() {
        container.networks = networks.iter().map(|network| names.get(network)).collect();
        container.mounts = mounts.iter().map(|m| m.body(names.get(&m.volume))).collect();
        needs.push(image_address(place.name(), &container.image));
    }
    needs.extend(networks);
    needs.extend(mounts.into_iter().map(|mount| mount.volume));
    if let Some(present) = present {
        body.share(&present.body);
    }
    let births = std::iter::once(address.clone()).chain(moved).collect();
    let origin = Origin::File;
    Wish { address, place, origin, body, needs, ready, present, births, adopted }
}

/// Whether an end of a rule is an alias that stands there by its address.
fn is_end(need: &Address, end: &str) -> bool {
    need.kind() == Kind::Alias && need.to_string() == *end
}

/// The things of ours that no wish means, by connection and the address in their mark. What carries
/// none is forgotten rather than removed.
pub(crate) fn orphans<'w>(
    wishes: &[Wish<'_>],
    world: &'w World,
) -> BTreeMap<(&'w Address, &'w Address), &'w Present> {
    // The things themselves: to compare a hundred thousand addresses takes much longer.
    let meant: HashSet<*const Present> =
        wishes.iter().filter_map(|wish| wish.present.map(std::ptr::from_ref)).collect();
    let all = world.observations().iter().flat_map(|(place, seen)| {
        seen.present.iter().map(move |(birth, present)| ((place, birth), present))
    });
    all.filter(|(_, present)| {
        !matches!(present.body, Body::Image(_))
            && present.adopted.is_none()
            && !meant.contains(&std::ptr::from_ref(*present))
    })
    .collect()
}
