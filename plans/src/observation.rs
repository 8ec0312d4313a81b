//! What one look at a host told us, and what it could not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lessor_specs::quantity::Adopted;
use lessor_specs::{Address, ByteSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Body, Hold, Naming, Origin, adopted_name, name_for};

/// Something that shall be on a host: what a look has to make sure nobody stands in the way of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its address; its name follows from that, unless it adopts a thing by name.
    pub address: Address,
    /// The thing it stands for, if that was there before.
    pub adopted: Option<Adopted>,
    /// What it takes beside its name, as far as that is known before looking.
    pub holds: Vec<Hold>,
}

impl From<Address> for Wanted {
    fn from(address: Address) -> Self {
        Wanted { address, adopted: None, holds: Vec::new() }
    }
}

impl Wanted {
    /// What it is called where nothing of ours has another name already.
    pub fn name(&self) -> String {
        let adopted = self.adopted.as_ref();
        let adopted = adopted.and_then(|adopted| adopted_name(&self.address, adopted));
        adopted.map_or_else(|| name_for(Naming::Docker, &self.address), str::to_owned)
    }
}

/// All one look told us about one host.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// What is ours, by the address in its mark or, without one, of the entry that adopts it.
    pub present: BTreeMap<Address, Present>,
    /// What is ours and could not be read in full, and why.
    pub unknown: BTreeMap<Address, String>,
    /// Entries that adopt what cannot be adopted, and why.
    pub refused: BTreeMap<Address, String>,
    /// What others hold.
    pub strangers: Vec<Stranger>,
    /// What carries our mark and is not ours.
    pub oddities: Vec<Oddity>,
    /// Corners that could not be searched. While there is one, nothing is known to be absent.
    pub gaps: Vec<Gap>,
    /// The nodes of a cluster, in order of name.
    pub nodes: Vec<Node>,
    /// What guests can be made from, by id.
    pub templates: BTreeMap<u32, Template>,
}

/// A node of a cluster, as far as placing guests needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it takes part in its cluster.
    pub online: bool,
    /// Its cores.
    pub cores: u32,
    /// Its memory.
    pub memory: ByteSize,
    /// Cores promised to guests that are not ours.
    pub strange_cores: u32,
    /// Memory promised to guests that are not ours.
    pub strange_memory: ByteSize,
}

/// What guests can be made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The node it is on.
    pub node: String,
    /// Whether its disks can be read from every node.
    pub shared: bool,
    /// Whether it makes LXC containers.
    pub lxc: bool,
    /// Its first disk; no guest made from it has less.
    pub disk: ByteSize,
}

/// What we know about one thing.
#[derive(Clone, Debug)]
pub enum Sighting {
    /// It is there.
    Present(Box<Present>),
    /// The provider answered: it is not there.
    Absent,
    /// Nobody could tell. Never treated as absent.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// A thing of ours, as it was seen.
#[derive(Clone, Debug)]
pub struct Present {
    /// The address in its mark, or of the entry that adopts it.
    pub birth: Address,
    /// What asked for it, by its mark.
    pub origin: Origin,
    /// What stands for the mark, when an entry adopts it.
    pub adopted: Option<Adoption>,
    /// How it looks. Values that may be secret are hidden.
    pub body: Body,
    /// Paths of attributes that it has from its image, or from before it was ours, rather than
    /// from us.
    pub inherited: BTreeSet<String>,
    /// What stands for the values of hidden variables.
    pub secrets: BTreeMap<String, Fingerprint>,
}

/// What makes a thing without a mark ours: an entry adopts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Tells it from any other thing there ever was on its host, whatever either is called.
    pub id: String,
    /// What it has that no entry can say: left alone, and lost when it is made anew.
    pub beyond: Vec<String>,
    /// Whether it can be given a mark, and is ours like any other from then on.
    pub takes_mark: bool,
}

/// Stands for a secret value: two are equal when the values are, within one run of the program.
///
/// It is salted by the program, never stored and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes what the provider computed.
    pub fn new(bytes: [u8; 32]) -> Self {
        Fingerprint(bytes)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(hidden)")
    }
}

/// Something on a host that is held by a thing which is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stranger {
    /// What is held.
    pub hold: Hold,
    /// Who holds it, in words: “container `db`”.
    pub holder: String,
}

/// A thing that carries our mark without being ours: a clone, or a mark of a later version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// What it is, in words: “container `web-copy`”.
    pub thing: String,
    /// Why it is left alone.
    pub why: String,
}

/// A corner that could not be searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The connection.
    pub place: Address,
    /// What could not be listed there: “containers”, or “anything”.
    pub what: String,
    /// Why not.
    pub why: String,
    /// Something one can do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a hidden value looks like in a body.
pub(crate) const HIDDEN: &str = "(hidden)";

impl Observation {
    /// Nothing was seen, for this reason.
    pub fn unreachable(place: Address, why: impl Into<String>, hint: Option<String>) -> Self {
        let gap = Gap { place, what: "anything".into(), why: why.into(), hint };
        Observation { gaps: vec![gap], ..Observation::default() }
    }

    /// What is known about the thing whose mark names `birth`.
    pub fn sighting(&self, birth: &Address) -> Sighting {
        if let Some(present) = self.present.get(birth) {
            return Sighting::Present(Box::new(present.clone()));
        }
        let why = self.unknown.get(birth).or(self.gaps.first().map(|gap| &gap.why));
        match why {
            Some(why) => Sighting::Unknown { why: why.clone() },
            None => Sighting::Absent,
        }
    }
}

impl Present {
    /// Whether it is adopted, and still lacks the mark that it can be given.
    pub fn lacks_mark(&self) -> bool {
        self.adopted.as_ref().is_some_and(|adoption| adoption.takes_mark)
    }

    /// A value to put into a body in place of one that may be secret.
    pub fn hidden() -> lessor_specs::EnvValue {
        lessor_specs::EnvValue::Plain(HIDDEN.into())
    }

    /// The body as it stands beside `after` in a change: without what the image brought along and
    /// nobody asked for, and with every variable hidden that is a secret by now.
    pub fn beside(&self, after: Option<&Body>) -> Body {
        let mut body = self.body.clone();
        if let Some(body) = body.container_mut() {
            let wanted = match after {
                Some(Body::Container(after)) => Some(after),
                _ => None,
            };
            let inherited = |path: String| self.inherited.contains(&path);
            body.env.retain(|name, _| {
                wanted.is_some_and(|after| after.env.contains_key(name))
                    || !inherited(format!("env.{name}"))
            });
            body.labels.retain(|name, _| {
                wanted.is_some_and(|after| after.labels.contains_key(name))
                    || !inherited(format!("labels.{name}"))
            });
            for (name, value) in &mut body.env {
                let secret = wanted.and_then(|after| after.env.get(name));
                if matches!(secret, Some(lessor_specs::EnvValue::Secret(_))) {
                    *value = Present::hidden();
                }
            }
            if let Some(after) = wanted
                && inherited("no_new_privileges".into())
            {
                // No entry says anything else, and it cannot be given later.
                body.no_new_privileges = after.no_new_privileges;
            }
            let unasked = |asked: bool, path: &str| !asked && inherited(path.into());
            if unasked(wanted.is_some_and(|a| a.entrypoint.is_some()), "entrypoint") {
                body.entrypoint = None;
            }
            if unasked(wanted.is_some_and(|a| a.command.is_some()), "command") {
                body.command = None;
            }
            if unasked(wanted.is_some_and(|a| a.user.is_some()), "user") {
                body.user = None;
            }
            if unasked(wanted.is_some_and(|a| a.healthcheck.is_some()), "healthcheck") {
                body.healthcheck = None;
            }
            if unasked(wanted.is_some_and(|a| a.logging.is_some()), "logging") {
                body.logging = None;
            }
        }
        match (&mut body, after) {
            (Body::Network(body), Some(Body::Network(after)))
                if after.subnet.is_none() && self.inherited.contains("subnet") =>
            {
                // The engine chose it, and may.
                body.subnet = None;
            }
            (Body::Guest(body), Some(Body::Guest(after))) => {
                Arc::make_mut(body).overlook(after);
            }
            (Body::Vlan(body), Some(Body::Vlan(after))) => body.overlook(after),
            (Body::Rule(body), Some(Body::Rule(after))) if after.after.is_none() => {
                // It stands where it may.
                body.after = None;
            }
            _ => {}
        }
        body
    }
}
