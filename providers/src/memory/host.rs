//! What there is on a pretend host, and what it lets happen.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashSet, HashSetExt};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use lessor_engine::ApplyError;
use lessor_plans::{Body, Digest, Hold};
use lessor_specs::Cidr;
use serde::{Deserialize, Serialize};

use super::labels::FewLabels;
use crate::reference::normalise;

/// What the file says it is.
const FORMAT: &str = "lessor-host/1";

/// Where a network gets its addresses when nobody asks for any: one part in 16384 of
/// 100.64.0.0/10, which is set aside for carriers and clashes with nobody's network at home.
const CHOSEN_FROM: [u8; 4] = [100, 64, 0, 0];
const CHOSEN_PARTS: u32 = 1 << 14;
const CHOSEN_PREFIX: u8 = 24;

/// A pretend Docker host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    #[serde(deserialize_with = "format")]
    format: String,
    next_id: u64,
    /// Makes digests of secrets useless for any other host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    salt: String,
    /// References of the images that are there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub images: BTreeSet<String>,
    /// Networks, volumes and containers, of us and of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<Thing>,
}

/// A network, volume or container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// Differs for any two things there ever were on the host.
    pub id: u64,
    /// The labels of a mark; empty when it is nobody's that we know.
    #[serde(default, skip_serializing_if = "FewLabels::is_empty")]
    pub mark: FewLabels,
    /// How it looks. A secret stands in it by reference.
    pub body: Body,
    /// Whether its subnet is the host's choice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subnet_chosen: bool,
    /// Salted digests of its secrets, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Of a container: what else there is to say, by whoever edits the host. Apart, since a host may
    /// have a hundred thousand things and hardly one of them says anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Box<Life>>,
}

/// What a container does, as far as somebody lets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Life {
    /// What it wrote. It writes nothing itself.
    pub said: Vec<Said>,
    /// What ails it, as whoever probes it finds.
    pub ill: Option<String>,
    /// How often it was started anew.
    pub restarts: u64,
    /// Who has an account on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<Guest>,
}

/// An account on a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// What it is called.
    pub name: String,
    /// Its comment: whose it is.
    pub mark: String,
    /// Its number.
    pub uid: u32,
    /// From which day on nobody is let in, in days since 1970.
    pub last_day: i64,
    /// The key that is let in.
    pub key: String,
}

/// Something that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
    /// Whether to where errors go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
}

impl Default for Host {
    fn default() -> Self {
        Host {
            format: FORMAT.into(),
            next_id: 1,
            salt: String::new(),
            images: BTreeSet::new(),
            things: Vec::new(),
        }
    }
}

impl Thing {
    fn new(id: u64, mark: BTreeMap<String, String>, body: Body) -> Self {
        Thing {
            id,
            mark: mark.into_iter().collect(),
            body,
            subnet_chosen: false,
            secrets: BTreeMap::new(),
            life: None,
        }
    }

    /// What it wrote.
    pub fn said(&self) -> &[Said] {
        self.life.as_ref().map_or(&[], |life| &life.said)
    }

    /// What ails it.
    pub fn ill(&self) -> Option<&str> {
        self.life.as_ref().and_then(|life| life.ill.as_deref())
    }

    /// Who has an account on it.
    pub fn guests(&self) -> &[Guest] {
        self.life.as_ref().map_or(&[], |life| &life.guests)
    }

    /// How often it was started anew.
    pub fn restarts(&self) -> u64 {
        self.life.as_ref().map_or(0, |life| life.restarts)
    }

    /// What it is, in words: “container `web`”.
    pub fn in_words(&self) -> String {
        format!("{} `{}`", self.body.sort(), self.body.name())
    }

    /// What tells it from any other, as an engine would write it.
    pub(super) fn written_id(&self) -> String {
        format!("{:012x}", self.id)
    }

    /// What nothing else can have while it is as it is. A container that is stopped has no ports.
    pub(super) fn holds(&self) -> Vec<Hold> {
        holds(&self.body)
    }
}

impl Host {
    /// The thing of this sort and name.
    pub fn find(&self, sort: &str, name: &str) -> Option<&Thing> {
        self.things.iter().find(|thing| is(thing, sort, name))
    }

    /// Lets a container write something.
    pub fn say(&mut self, name: &str, said: Said) {
        if let Some(thing) = self.container(name) {
            thing.life.get_or_insert_default().said.push(said);
        }
    }

    /// Makes a container ill, or well.
    pub fn ail(&mut self, name: &str, ill: Option<&str>) {
        if let Some(thing) = self.container(name) {
            thing.life.get_or_insert_default().ill = ill.map(str::to_owned);
        }
    }

    /// The accounts on a container, if there is one.
    pub(super) fn guests(&mut self, name: &str) -> Option<&mut Vec<Guest>> {
        Some(&mut self.container(name)?.life.get_or_insert_default().guests)
    }

    fn container(&mut self, name: &str) -> Option<&mut Thing> {
        self.things.iter_mut().find(|thing| is(thing, "container", name))
    }

    /// Starts a container anew; whether there is one.
    pub(super) fn restart(&mut self, name: &str) -> bool {
        let Some(thing) = self.container(name) else { return false };
        thing.life.get_or_insert_default().restarts += 1;
        if let Some(body) = thing.body.container_mut() {
            body.running = true;
        }
        true
    }

    /// Puts a thing on the host, as somebody else would. It is not ours without `mark`.
    pub fn put(&mut self, body: Body, mark: BTreeMap<String, String>) {
        let id = self.next_id();
        self.things.push(Thing::new(id, mark, body));
    }

    /// Whether an image is there, under any of its names.
    pub(super) fn has_image(&self, reference: &str) -> bool {
        let same = |wanted: String| self.images.iter().any(|image| normalise(image) == wanted);
        self.images.contains(reference) || same(normalise(reference))
    }

    /// Fetches an image; whether that was needed.
    pub(super) fn pull(&mut self, reference: &str) -> bool {
        !self.has_image(reference) && self.images.insert(reference.to_owned())
    }

    /// Why this cannot be a host: no engine has two things of one sort and name.
    pub(super) fn doubt(&self) -> Option<String> {
        let mut names = HashSet::with_capacity(self.things.len());
        let mut twice =
            self.things.iter().filter(|t| !names.insert((t.body.sort(), t.body.name())));
        twice.next().map(|thing| format!("its file has {} more than once", thing.in_words()))
    }

    /// Adds a new thing.
    ///
    /// # Errors
    /// As an engine would refuse it.
    pub(super) fn add(
        &mut self,
        mut body: Body,
        mark: BTreeMap<String, String>,
        secrets: BTreeMap<String, String>,
    ) -> Result<(), ApplyError> {
        self.check_uses(&body)?;
        self.check_holds(&body)?;
        let subnet_chosen = self.choose_subnet(&mut body)?;
        let id = self.next_id();
        self.things.push(Thing { subnet_chosen, secrets, ..Thing::new(id, mark, body) });
        Ok(())
    }

    /// Changes a thing in place.
    ///
    /// # Errors
    /// As an engine would refuse it.
    pub(super) fn change(&mut self, body: &Body) -> Result<(), ApplyError> {
        self.check_holds(body)?;
        let (sort, name) = (body.sort(), body.name());
        let thing = self.things.iter_mut().find(|thing| is(thing, sort, name));
        // Whatever else is said of it stays as it was given.
        if let (Some(seen), Body::Container(wished)) =
            (thing.and_then(|thing| thing.body.container_mut()), body)
        {
            (seen.cpu, seen.memory, seen.pids) = (wished.cpu, wished.memory, wished.pids);
            (seen.restart, seen.running) = (wished.restart, wished.running);
        }
        Ok(())
    }

    /// Removes a thing.
    ///
    /// # Errors
    /// When something else uses it.
    pub(super) fn remove(&mut self, sort: &str, name: &str) -> Result<(), ApplyError> {
        let mut users =
            self.things.iter().filter(|thing| thing.body.uses().contains(&(sort, name)));
        if let Some(user) = users.next() {
            let why = format!("{sort} `{name}` is in use by {}", user.in_words());
            return Err(ApplyError::Refused { why, hint: None });
        }
        self.things.retain(|thing| !is(thing, sort, name));
        Ok(())
    }

    /// Stands for a secret value on this host.
    pub(super) fn digest(&mut self, value: &str) -> String {
        if self.salt.is_empty() {
            self.salt = format!("{:032x}", rand::random::<u128>());
        }
        salted(&self.salt, value)
    }

    /// Stands for a secret value on this host, if any ever came to it.
    pub(super) fn known_digest(&self, value: &str) -> Option<String> {
        (!self.salt.is_empty()).then(|| salted(&self.salt, value))
    }

    fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn check_uses(&self, body: &Body) -> Result<(), ApplyError> {
        for (sort, name) in body.uses() {
            let there = match sort {
                "image" => self.has_image(name),
                sort => self.find(sort, name).is_some(),
            };
            if !there {
                let (user, user_name) = (body.sort(), body.name());
                let why = format!("{user} `{user_name}` uses {sort} `{name}`, which is gone");
                return Err(ApplyError::Stale { why });
            }
        }
        Ok(())
    }

    fn check_holds(&self, body: &Body) -> Result<(), ApplyError> {
        let wanted = holds(body);
        if wanted.is_empty() {
            return Ok(());
        }
        let others = self.things.iter().filter(|thing| !is(thing, body.sort(), body.name()));
        for other in others {
            for held in other.holds() {
                if let Some(clash) = wanted.iter().find(|hold| hold.clashes(&held)) {
                    let why = format!("{clash} is taken by {}", other.in_words());
                    return Err(ApplyError::Refused { why, hint: None });
                }
            }
        }
        Ok(())
    }

    /// Gives a network addresses when nobody asked for any; whether that was needed.
    fn choose_subnet(&self, body: &mut Body) -> Result<bool, ApplyError> {
        let Body::Network(network) = body else { return Ok(false) };
        if network.subnet.is_some() {
            return Ok(false);
        }
        let taken: BTreeSet<Cidr> = self.things.iter().filter_map(|t| subnet(&t.body)).collect();
        let free =
            |cidr: &Cidr| !taken.contains(cidr) && !taken.iter().any(|other| other.overlaps(*cidr));
        network.subnet = (0..CHOSEN_PARTS).filter_map(part).find(free);
        match network.subnet {
            Some(_) => Ok(true),
            None => Err(ApplyError::Refused {
                why: format!("there are no addresses left for network `{}`", network.name),
                hint: Some("give it a `subnet`".into()),
            }),
        }
    }
}

fn is(thing: &Thing, sort: &str, name: &str) -> bool {
    thing.body.name() == name && thing.body.sort() == sort
}

fn holds(body: &Body) -> Vec<Hold> {
    match body {
        Body::Container(container) if !container.running => Vec::new(),
        body => body.holds(),
    }
}

fn subnet(body: &Body) -> Option<Cidr> {
    match body {
        Body::Network(network) => network.subnet,
        _ => None,
    }
}

fn part(index: u32) -> Option<Cidr> {
    let first = u32::from_be_bytes(CHOSEN_FROM) + (index << (32 - CHOSEN_PREFIX));
    Ipv4Net::new(first.into(), CHOSEN_PREFIX).ok().map(Cidr::new)
}

fn salted(salt: &str, value: &str) -> String {
    Digest::of(format!("{salt}\0{value}").as_bytes()).to_string()
}

/// A file of another format is not read as if it were one of ours.
fn format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let found = String::deserialize(deserializer)?;
    if found == FORMAT {
        return Ok(found);
    }
    Err(serde::de::Error::custom(format_args!("expected format `{FORMAT}`, found `{found}`")))
}
