//! A cluster or a firewall that holds whatever it is told to: enough to try the planning of virtual
//! machines without a network. How the real ones behave is for `sandbox` to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lessor_engine::{ApplyError, Provider, Wanting};
use lessor_plans::{
    Act, Adoption, Body, Change, Gap, Hold, Naming, Node, Observation, Present, Sighting, Stranger,
    Template, Transition, Wanted, name_for,
};
use lessor_providers::transition;
use lessor_specs::{Address, ByteSize, Kind};

/// A pretend cluster or firewall.
#[derive(Clone)]
pub struct Hardware {
    place: Address,
    inner: Arc<Mutex<Inside>>,
}

/// What is in it.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    /// Ours, by the address in the mark, in the order in which rules stand.
    pub things: Vec<(Address, Body)>,
    /// What others made and an entry may adopt.
    pub by_hand: Vec<Body>,
    /// What others hold.
    pub strangers: Vec<Stranger>,
    /// The nodes of a cluster.
    pub nodes: Vec<Node>,
    /// What guests are made from.
    pub templates: BTreeMap<u32, Template>,
    /// Why nobody answers, if nobody does.
    pub silent: Option<String>,
}

impl Hardware {
    /// An empty one: three nodes of 16 cores and 64 GiB and the templates 9001 and 9002, or nothing
    /// at all.
    pub fn new(place: Address) -> Self {
        let mut inside = Inside::default();
        if place.kind() == Kind::Proxmox {
            inside.nodes = ["n1", "n2", "n3"].map(|name| node(name, 16, 64)).into();
            let template = |id, lxc| (id, template("n1", true, lxc));
            inside.templates = [template(9001, false), template(9002, true)].into();
        }
        Hardware { place, inner: Arc::new(Mutex::new(inside)) }
    }

    /// Somebody else changes it.
    pub fn edit(&self, edit: impl FnOnce(&mut Inside)) {
        edit(&mut self.inner.lock().unwrap());
    }

    /// Everything in it.
    pub fn inside(&self) -> Inside {
        self.inner.lock().unwrap().clone()
    }
}

/// A node with nothing of others on it.
pub fn node(name: &str, cores: u32, gib: u64) -> Node {
    Node {
        name: name.into(),
        online: true,
        cores,
        memory: ByteSize::from_bytes(gib << 30),
        strange_cores: 0,
        strange_memory: ByteSize::from_bytes(0),
    }
}

/// A template with a disk of 2 GiB.
pub fn template(node: &str, shared: bool, lxc: bool) -> Template {
    Template { node: node.into(), shared, lxc, disk: ByteSize::from_bytes(2 << 30) }
}

fn present(birth: &Address, body: Body) -> Present {
    Present {
        birth: birth.clone(),
        origin: lessor_plans::Origin::File,
        adopted: None,
        body,
        inherited: BTreeSet::new(),
        secrets: BTreeMap::new(),
    }
}

impl Inside {
    /// The body of a thing, to be changed by somebody else.
    pub fn body(&mut self, address: &str) -> &mut Body {
        let found = self.things.iter_mut().find(|(birth, _)| birth.to_string() == address);
        &mut found.unwrap_or_else(|| panic!("there is no `{address}`")).1
    }

    /// Somebody else holds a name.
    pub fn strange(&mut self, sort: &'static str, name: &str) {
        let hold = Hold::Name { sort, name: name.into() };
        self.strangers.push(Stranger { hold, holder: format!("{sort} `{name}`") });
    }

    /// What others made that is called so: a port forward after where it takes packets.
    fn made_by_hand(&self, id: &str) -> Option<usize> {
        self.by_hand.iter().position(|body| match body {
            Body::Forward(forward) => format!("{}.{}", forward.interface, forward.port) == id,
            body => body.name() == id,
        })
    }

    /// What others made, as the thing of an entry that adopts it.
    fn adopted(&self, address: &Address, id: &str) -> Option<Present> {
        let mut body = self.by_hand[self.made_by_hand(id)?].clone();
        match &mut body {
            Body::Rule(rule) => rule.after = Some(String::new()),
            Body::Forward(forward) => forward.name = name_for(Naming::Identifier, address),
            _ => {}
        }
        let adopted = Adoption { id: id.to_owned(), beyond: Vec::new(), takes_mark: true };
        Some(Present { adopted: Some(adopted), ..present(address, body) })
    }

    fn present(&self, birth: &Address) -> Option<Present> {
        let index = self.things.iter().position(|(other, _)| other == birth)?;
        let mut body = self.things[index].1.clone();
        if let Body::Rule(rule) = &mut body {
            let before = self.things[..index].iter().rev().find_map(|(_, other)| match other {
                Body::Rule(other) if other.interface == rule.interface => Some(&other.name),
                _ => None,
            });
            rule.after = Some(before.cloned().unwrap_or_default());
        }
        if let Some(guest) = body.guest_mut() {
            (guest.made_from.template, guest.made_from.storage) = (None, None);
        }
        Some(present(birth, body))
    }

    fn put(&mut self, address: &Address, body: &Body) {
        let old = self.things.iter().position(|(birth, _)| birth == address);
        let place = match (body, old) {
            // A rule goes where it is told to.
            (Body::Rule(rule), old) => match rule.after.as_deref() {
                Some("") => Some(self.first(&rule.interface)),
                Some(before) => self.of_name(before).map(|at| at + 1),
                None => old,
            },
            (_, old) => old,
        };
        if let Some(old) = old {
            self.things.remove(old);
        }
        let shift = usize::from(old.zip(place).is_some_and(|(old, place)| old < place));
        let place = place.map_or(self.things.len(), |place| place - shift);
        self.things.insert(place, (address.clone(), body.clone()));
    }

    fn first(&self, interface: &str) -> usize {
        let is_one = |body: &Body| matches!(body, Body::Rule(rule) if rule.interface == interface);
        let first = self.things.iter().position(|(_, body)| is_one(body));
        first.unwrap_or(self.things.len())
    }

    fn of_name(&self, name: &str) -> Option<usize> {
        let is_one = |body: &Body| matches!(body, Body::Rule(rule) if rule.name == name);
        self.things.iter().position(|(_, body)| is_one(body))
    }
}

#[async_trait]
impl Provider for Hardware {
    fn place(&self) -> &Address {
        &self.place
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let wanted = wanted.await;
        let inside = self.inside();
        if let Some(why) = inside.silent {
            let gap = Gap { place: self.place.clone(), what: "anything".into(), why, hint: None };
            return Observation { gaps: vec![gap], ..Observation::default() };
        }
        let births = inside.things.iter().map(|(birth, _)| birth);
        let mut present: BTreeMap<Address, Present> =
            births.filter_map(|b| Some((b.clone(), inside.present(b)?))).collect();
        for Wanted { address, adopted, .. } in &wanted {
            let found = adopted.as_ref().and_then(|id| inside.adopted(address, id.as_str()));
            if let Some(found) = found {
                present.entry(address.clone()).or_insert(found);
            }
        }
        Observation {
            present,
            strangers: inside.strangers.clone(),
            nodes: inside.nodes.clone(),
            templates: inside.templates.clone(),
            ..Observation::default()
        }
    }

    async fn sight(&self, change: &Change) -> Sighting {
        let inside = self.inside();
        let adopted = || inside.adopted(&change.address, change.adopted.as_deref()?);
        match inside.present(&change.address).or_else(adopted) {
            Some(present) => Sighting::Present(present.into()),
            None => Sighting::Absent,
        }
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        transition(desired, present)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.edit(|inside| {
            let by_hand = change.adopted.as_deref().filter(|_| act != Act::Create);
            if let Some(index) = by_hand.and_then(|id| inside.made_by_hand(id)) {
                inside.by_hand.remove(index);
            }
            match (act, &change.after) {
                (Act::Create | Act::Update, Some(body)) => inside.put(&change.address, body),
                _ => inside.things.retain(|(birth, _)| *birth != change.address),
            }
        });
        Ok(())
    }
}
