//! What one look tells.

use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{
    Act, Adoption, Body, Change, Gap, Mark, Observation, Present, Sighting, Wanted,
};

use super::adopt::Adopting;
use super::estate::Estate;
use super::whose::{Own, Sort, Whose};
use super::world::World;
use super::{Inner, read, strangers};
use crate::pfsense::CallError;
use crate::seen::{insert, insert_unknown};

/// What is known of all of ours, and what others have.
pub(super) fn observe(inner: &Inner, world: &World, wanted: &[Wanted]) -> Observation {
    let lacks = world.lacks();
    if let (true, Some((_, error))) = (world.is_dark(), lacks.first()) {
        let gap = Gap { what: "anything".into(), ..gap(inner, "", error) };
        return Observation { gaps: vec![gap], ..Observation::default() };
    }
    let installation = &inner.installation;
    let marked = Estate::of(world, installation, &Adopting::default());
    let (adopting, refused) = Adopting::of_wanted(wanted, &marked.addresses(), world, installation);
    let estate =
        if adopting.is_empty() { marked } else { Estate::of(world, installation, &adopting) };
    let mut seen = Observation {
        refused,
        gaps: lacks.iter().map(|(what, error)| gap(inner, what, error)).collect(),
        strangers: strangers::strangers(&estate),
        ..Observation::default()
    };
    for (mark, adopted, body) in bodies(inner, &estate) {
        match body {
            Ok(body) => insert(&mut seen, Present { adopted, ..present(mark, body) }),
            Err(why) => insert_unknown(&mut seen, mark.address, why),
        }
    }
    seen.oddities = estate.oddities;
    seen
}

/// The one thing a change is about.
pub(super) fn sight(inner: &Inner, world: &World, change: &Change) -> Sighting {
    let Some(wanted) = change.body() else { return Sighting::Absent };
    let adopting = Adopting::of_changes([(Act::Update, change)].into_iter());
    let estate = Estate::of(world, &inner.installation, &adopting);
    let name = wanted.name();
    let sighted = match wanted {
        Body::Vlan(_) => {
            sighted(&estate.vlans, name, |own| Ok(read::vlan(&estate, name, &own.parts)))
        }
        Body::Alias(_) => sighted(&estate.aliases, name, |own| Ok(read::alias(own.parts))),
        Body::Rule(_) => sighted(&estate.rules, name, |own| read::rule(&estate, name, &own.parts)),
        Body::Forward(_) => {
            sighted(&estate.forwards, name, |own| read::forward(&estate, name, own.parts))
        }
        Body::PublicAddress(_) => {
            sighted(&estate.addresses, name, |own| Ok(read::address(&estate, name, own.parts)))
        }
        Body::Mapping(_) => {
            sighted(&estate.mappings, name, |own| read::mapping(&estate, name, own.parts))
        }
        Body::Outbound(_) => {
            sighted(&estate.outbound, name, |own| read::outbound(&estate, name, own.parts))
        }
        Body::Tunnel(_) => sighted(&estate.tunnels, name, |own| {
            Ok(read::tunnel(&estate, &inner.secrets, name, &own.parts))
        }),
        // Nothing else is held here.
        _ => Ok(None),
    };
    match sighted {
        Ok(Some(present)) => Sighting::Present(present.into()),
        Ok(None) => Sighting::Absent,
        Err(why) => Sighting::Unknown { why },
    }
}

fn sighted<P>(
    sort: &Sort<P>,
    name: &str,
    body: impl FnOnce(&Own<P>) -> Result<Body, String>,
) -> Result<Option<Present>, String> {
    if let Some(lack) = &sort.lack {
        return Err(lack.to_string());
    }
    match sort.whose(name) {
        Whose::Ours(own) => body(own).map(|body| {
            let adopted = own.adopted.as_deref().map(adoption);
            Some(Present { adopted, ..present(own.mark.clone(), body) })
        }),
        Whose::Several => Err(DOUBLE.into()),
        Whose::Others(why) => Err(format!("it is not ours: {why}")),
        Whose::Nobodys => Ok(None),
    }
}

/// Why two things of one mark are neither.
const DOUBLE: &str = "more than one thing carries its mark";

/// Whose a thing is, and how it looks, or why nobody knows.
type Read = (Mark, Option<Adoption>, Result<Body, String>);

/// How everything of ours looks, or why nobody knows.
fn bodies(inner: &Inner, estate: &Estate<'_>) -> Vec<Read> {
    let mut bodies = Vec::new();
    read_all(&mut bodies, &estate.vlans, |name, parts| Ok(read::vlan(estate, name, parts)));
    read_all(&mut bodies, &estate.aliases, |_, parts| Ok(read::alias(parts)));
    read_all(&mut bodies, &estate.rules, |name, parts| read::rule(estate, name, parts));
    read_all(&mut bodies, &estate.forwards, |name, parts| read::forward(estate, name, parts));
    read_all(&mut bodies, &estate.addresses, |name, parts| Ok(read::address(estate, name, *parts)));
    read_all(&mut bodies, &estate.mappings, |name, parts| read::mapping(estate, name, parts));
    read_all(&mut bodies, &estate.outbound, |name, parts| read::outbound(estate, name, parts));
    read_all(&mut bodies, &estate.tunnels, |name, parts| {
        Ok(read::tunnel(estate, &inner.secrets, name, parts))
    });
    bodies
}

fn read_all<P>(
    bodies: &mut Vec<Read>,
    sort: &Sort<P>,
    read: impl Fn(&str, &P) -> Result<Body, String>,
) {
    for (name, own) in &sort.ours {
        let body = match &sort.lack {
            Some(lack) => Err(lack.to_string()),
            None if own.is_double => Err(DOUBLE.into()),
            None => read(name, &own.parts),
        };
        bodies.push((own.mark.clone(), own.adopted.as_deref().map(adoption), body));
    }
}

/// What stands for the mark of a thing until it has one.
fn adoption(id: &str) -> Adoption {
    Adoption { id: id.to_owned(), beyond: Vec::new(), takes_mark: true }
}

/// A thing of ours that looks like this.
pub(super) fn present(mark: Mark, body: Body) -> Present {
    Present {
        birth: mark.address,
        origin: mark.origin,
        adopted: None,
        body,
        inherited: BTreeSet::new(),
        secrets: BTreeMap::new(),
    }
}

fn gap(inner: &Inner, what: &str, error: &CallError) -> Gap {
    Gap {
        place: inner.place.clone(),
        what: what.into(),
        why: error.to_string(),
        hint: error.hint(),
    }
}
