//! What both providers say about what they see, in the same words.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashSet;
use lessor_engine::ApplyError;
use lessor_plans::{
    Adoption, Body, Change, Hold, ImageBody, InstallationId, Labels, Mark, MarkError, Observation,
    Origin, Present, Stranger, Wanted, adopted_name,
};
use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, Kind};

/// Why nobody can tell which of two things it is.
const TWICE: &str = "more than one thing carries its mark";

/// Adds a thing of ours. Two things of one address cannot both be it, and nobody knows which.
pub(crate) fn insert(seen: &mut Observation, present: Present) {
    let address = present.birth.clone();
    if seen.unknown.contains_key(&address) {
        return;
    }
    if seen.present.insert(address.clone(), present).is_some() {
        insert_unknown(seen, address, TWICE.into());
    }
}

/// As [`insert`], for all that is ours on a host, into an observation that is still empty: many at
/// once take a fraction of the time and half of the memory.
pub(crate) fn insert_all(seen: &mut Observation, mut ours: Vec<Present>) {
    ours.sort_by(|a, b| a.birth.cmp(&b.birth));
    let alike = ours.windows(2).filter(|pair| pair[0].birth == pair[1].birth);
    let twice: Vec<Address> = alike.map(|pair| pair[0].birth.clone()).collect();
    seen.present = ours.into_iter().map(|present| (present.birth.clone(), present)).collect();
    for address in twice {
        insert_unknown(seen, address, TWICE.into());
    }
}

/// Notes that nobody can tell how a thing of ours looks, whatever else was seen of it.
pub(crate) fn insert_unknown(seen: &mut Observation, address: Address, why: String) {
    seen.present.remove(&address);
    seen.unknown.insert(address, why);
}

/// The names of wanted things that were not found among ours, by sort: others may have them. A
/// sort is there without a name when only a port or a subnet of it was not found.
pub(crate) fn missing(
    wanted: &[Wanted],
    seen: &Observation,
) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut missing: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let ours: HashSet<Hold> = seen.present.values().flat_map(|p| p.body.holds()).collect();
    for wanted in wanted {
        let address = &wanted.address;
        for hold in wanted.holds.iter().filter(|hold| !ours.contains(hold)) {
            missing.entry(holder_of(hold)).or_default();
        }
        let known = seen.present.contains_key(address) || seen.unknown.contains_key(address);
        if let (false, Some(sort)) = (known, sort_of(address.kind())) {
            missing.entry(sort).or_default().insert(wanted.name());
        }
    }
    missing
}

/// The sort of thing that can hold it.
fn holder_of(hold: &Hold) -> &'static str {
    match hold {
        Hold::Port { .. } => "container",
        Hold::Subnet(_) => "network",
        Hold::Name { sort, .. } => sort,
    }
}

/// What a thing of this kind is to an engine, if it can have a name there that others can take.
pub(crate) fn sort_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Container | Kind::Instance | Kind::Machine => Some("container"),
        Kind::Network | Kind::Bridge => Some("network"),
        Kind::Volume => Some("volume"),
        Kind::AddressPool
        | Kind::Alias
        | Kind::Docker
        | Kind::FirewallRule
        | Kind::FirewallTemplate
        | Kind::Image
        | Kind::Location
        | Kind::Offer
        | Kind::OutboundNat
        | Kind::PfSense
        | Kind::Policy
        | Kind::Pool
        | Kind::PortForward
        | Kind::PortRange
        | Kind::PromoCode
        | Kind::Proxmox
        | Kind::Quota
        | Kind::Tenant
        | Kind::Vlan
        | Kind::VlanRange
        | Kind::Vpn => None,
    }
}

/// What somebody else holds: a name, if it is wanted here, and the rest.
pub(crate) fn held(
    sort: &'static str,
    name: &str,
    wanted: &BTreeSet<String>,
    holds: impl IntoIterator<Item = Hold>,
) -> Vec<Stranger> {
    let own_name = wanted.contains(name).then(|| Hold::Name { sort, name: name.into() });
    let stranger = |hold| Stranger { hold, holder: format!("{sort} `{name}`") };
    own_name.into_iter().chain(holds).map(stranger).collect()
}

/// An image that is there, whoever fetched it.
pub(crate) fn present_image(address: Address, name: String) -> Present {
    Present {
        birth: address,
        origin: Origin::File,
        adopted: None,
        body: Body::Image(ImageBody { name }),
        inherited: BTreeSet::new(),
        secrets: BTreeMap::new(),
    }
}

/// What is wanted and adopts something, and was not made by us long since.
pub(crate) fn adopting<'w>(
    wanted: &'w [Wanted],
    seen: &Observation,
) -> Vec<(&'static str, &'w Address, &'w Adopted)> {
    let is_known = |address: &Address| {
        seen.present.contains_key(address) || seen.unknown.contains_key(address)
    };
    let open = wanted.iter().filter(|wanted| !is_known(&wanted.address));
    open.filter_map(|Wanted { address, adopted, .. }| {
        Some((sort_of(address.kind())?, address, adopted.as_ref()?))
    })
    .collect()
}

/// Whether an entry's `adopted` means the thing of this name and id.
pub(crate) fn is_meant(address: &Address, adopted: &Adopted, name: &str, id: &str) -> bool {
    match adopted_name(address, adopted) {
        Some(wanted) => wanted == name,
        None => id.starts_with(adopted.as_str()),
    }
}

/// The mark that a thing would carry if it had been made for the entry at `address`.
///
/// # Errors
/// Why the thing cannot be adopted: it carries a mark that counts.
pub(crate) fn stand_in(
    address: &Address,
    origin: &Origin,
    name: &str,
    labels: &impl Labels,
    installation: &InstallationId,
) -> Result<Mark, String> {
    if let Some(owner) = Mark::anothers(labels, installation, name) {
        return Err(format!("`{name}` belongs to installation `{owner}`"));
    }
    match Mark::from_labels(labels, installation, name) {
        Ok(mark) => Err(format!("`{name}` is `{}` already, by its mark", mark.address)),
        Err(error @ MarkError::Unreadable) => Err(format!("of `{name}`, {}", why_not(&error))),
        // A copied mark was never that of this thing.
        Err(MarkError::Foreign | MarkError::Copied { .. }) => Ok(Mark {
            installation: installation.clone(),
            address: address.clone(),
            origin: origin.clone(),
            name: name.into(),
        }),
    }
}

/// The mark that a thing gets which an entry adopts, and which may have a description already.
///
/// # Errors
/// Why the thing cannot be adopted: it carries a mark that counts.
pub(crate) fn adopted_mark(
    address: &Address,
    name: &str,
    text: &str,
    installation: &InstallationId,
) -> Result<Mark, String> {
    if let Some(owner) = Mark::anothers_in(text, installation, name) {
        return Err(format!("`{name}` belongs to installation `{owner}`"));
    }
    match Mark::from_text(text, installation, name) {
        Ok(mark) => Err(format!("`{name}` is `{}` already, by its mark", mark.address)),
        Err(error @ MarkError::Unreadable) => Err(format!("of `{name}`, {}", why_not(&error))),
        // A copied mark was never that of this thing.
        Err(MarkError::Foreign | MarkError::Copied { .. }) => Ok(Mark {
            installation: installation.clone(),
            address: address.clone(),
            origin: Origin::File,
            name: name.into(),
        }),
    }
}

/// What tells adopted things from all others: they are no strangers.
pub(crate) fn adopted_ids(seen: &Observation) -> impl Iterator<Item = &str> {
    let adopted = seen.present.values().filter_map(|present| present.adopted.as_ref());
    adopted.map(|adoption| adoption.id.as_str())
}

/// Adds what entries adopt, and sees to it that no thing has two entries.
#[derive(Default)]
pub(crate) struct Adoptions {
    by_thing: BTreeMap<(&'static str, String), Address>,
}

impl Adoptions {
    pub(crate) fn insert(&mut self, seen: &mut Observation, present: Present) {
        let Some(Adoption { id, .. }) = &present.adopted else { return };
        let (sort, name, address) =
            (present.body.sort(), present.body.name().to_owned(), present.birth.clone());
        match self.by_thing.entry((sort, id.clone())) {
            Entry::Occupied(first) => {
                let why = |other: &Address| format!("`{name}` is adopted by `{other}`, too");
                seen.refused.insert(address.clone(), why(first.get()));
                seen.present.remove(first.get());
                seen.refused.insert(first.get().clone(), why(&address));
            }
            Entry::Vacant(free) => {
                free.insert(address.clone());
                // It may carry a copy of a mark, which is no riddle any more.
                seen.oddities.retain(|oddity| oddity.thing != format!("{sort} `{name}`"));
                seen.present.insert(address, present);
            }
        }
    }
}

/// Why a thing is not ours, in words.
pub(crate) fn why_not(error: &MarkError) -> String {
    match error {
        MarkError::Foreign => "it has no mark of this installation".into(),
        MarkError::Copied { from } => format!("its mark was made for `{from}`"),
        MarkError::Unreadable => "its mark is not one this lessor can read".into(),
    }
}

/// A name that somebody else has.
pub(crate) fn taken(sort: &str, name: &str, why: &str) -> ApplyError {
    ApplyError::Refused {
        why: format!("the name `{name}` is taken by a {sort} that is not ours: {why}"),
        hint: Some(format!("remove or rename that {sort}, or give the entry another name")),
    }
}

/// A thing of ours that has the name, but was made for something else.
pub(crate) fn check_address(mark: &Mark, change: &Change) -> Result<(), ApplyError> {
    if mark.address == change.address {
        return Ok(());
    }
    let why = format!("the name `{}` is that of `{}`", mark.name, mark.address);
    Err(ApplyError::Stale { why })
}

/// A thing of ours that is there already and looks other than it shall.
pub(crate) fn not_as_planned(sort: &str, name: &str, differing: &[String]) -> ApplyError {
    let why = format!("{sort} `{name}` is there with another {}", differing.join(", "));
    ApplyError::Stale { why }
}

/// What is said to anybody who asks one system for what another holds.
pub(crate) fn not_held(place: &Address, body: &Body) -> ApplyError {
    let why = format!("`{place}` holds no {}", body.sort());
    ApplyError::Refused { why, hint: None }
}

/// What is said to anybody who asks to remove an image.
pub(crate) fn image_stays(name: &str) -> ApplyError {
    let why = format!("image `{name}` may be in use by others and is never removed");
    ApplyError::Refused { why, hint: None }
}
