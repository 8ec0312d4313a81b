//! What would be done about one thing, and why.

use std::fmt;
use std::str::FromStr;

use lessor_specs::Address;
use lessor_specs::kinds::Ready;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Body;

/// One thing before and after, with an action and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name everywhere.
    pub address: Address,
    /// The connection it lives on.
    pub place: Address,
    /// What asks for it.
    pub origin: Origin,
    /// What tells its thing from any other, when that carries no mark and an entry adopts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// How it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Body>,
    /// How it shall look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Body>,
    /// When it counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
}

/// What is done to a thing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed where it stands.
    Update,
    /// It is removed and made again.
    Replace,
    /// It is removed.
    Delete,
}

/// One call to a provider; a replacement takes two.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Make it.
    Create,
    /// Change it where it stands.
    Update,
    /// Remove it.
    Delete,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Create => "create",
            Act::Update => "update",
            Act::Delete => "delete",
        })
    }
}

/// Why a change is in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A spec asks for it, and it is not there.
    Wanted,
    /// It was there by our hand, and somebody removed it.
    Missing,
    /// A spec asks for something else than before. Holds the attributes that differ.
    Changed(Vec<String>),
    /// Somebody else changed it. Holds the attributes that differ.
    Drifted(Vec<String>),
    /// It was there before its entry, and gets our mark. Holds the attributes that differ as well.
    Adopted(Vec<String>),
    /// Something it uses is replaced.
    Follows(#[schemars(with = "String")] Address),
    /// No spec asks for it any more.
    Unwanted,
    /// No spec asks for it any more, and one asks for the same under this address: very likely its
    /// entry was renamed, or lost its `moved`.
    Renamed(#[schemars(with = "String")] Address),
    /// Its data was kept until the date, which has come.
    Due(#[schemars(with = "String")] jiff::Timestamp),
    /// A person agreed to lose its data now.
    DataGivenUp,
    /// Whoever had it is gone, and the next one finds it as it was made.
    Cleaned,
    /// The order that asked for it is over. That event is the consent to its removal.
    Ended {
        /// The order.
        order: String,
        /// The event that ended it.
        event: String,
    },
    /// The order that asked for it goes on, and needs it no longer.
    Released {
        /// The order.
        order: String,
    },
}

impl Reason {
    /// Whether somebody else caused it.
    pub fn is_drift(&self) -> bool {
        matches!(self, Reason::Missing | Reason::Drifted(_))
    }

    /// Whether an order agreed to it, by ending or by what it asks for now.
    pub fn is_agreed_by_order(&self) -> bool {
        matches!(self, Reason::Ended { .. } | Reason::Released { .. })
    }
}

/// What asks for a thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A spec file.
    File,
    /// An order, by its id.
    Order(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File => f.write_str("file"),
            Origin::Order(id) => write!(f, "order:{id}"),
        }
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "file" => Ok(Origin::File),
            Some(("order", id)) if !id.is_empty() => Ok(Origin::Order(id.into())),
            _ => Err(format!("`{text}` is no origin")),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A provider's answer: how to come from what is there to what is desired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing differs.
    None,
    /// It can be changed where it stands.
    InPlace(Vec<String>),
    /// It has to be made again. Holds every attribute that differs.
    Replace(Vec<String>),
}

/// One attribute before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its path: `memory`, `env.EULA`.
    pub path: String,
    /// Before; `None` when it was not there.
    pub before: Option<Value>,
    /// After; `None` when it will not be there.
    pub after: Option<Value>,
}

impl Change {
    /// The thing it is about: as it is, or as it will be when there is none.
    pub fn body(&self) -> Option<&Body> {
        self.before.as_ref().or(self.after.as_ref())
    }

    /// Whether it loses what cannot be made again.
    pub fn destroys_data(&self) -> bool {
        matches!(self.action, Action::Replace | Action::Delete)
            && self.before.as_ref().is_some_and(Body::has_data)
    }

    /// Whether a guest has to start anew for it.
    pub fn reboots(&self) -> bool {
        match (self.action, &self.before, &self.after) {
            (Action::Update, Some(Body::Guest(before)), Some(Body::Guest(after))) => {
                before.reboots_for(after)
            }
            _ => false,
        }
    }

    /// Every attribute in which `before` and `after` differ, in order of path.
    pub fn differences(&self) -> Vec<Difference> {
        let attributes =
            |body: &Option<Body>| body.as_ref().map(Body::attributes).unwrap_or_default();
        differences(attributes(&self.before), attributes(&self.after))
    }

    /// The first attribute in which the thing looks neither as it did when this was planned, nor as
    /// `act` leaves it; `None` when there is none, and the act is still what was agreed to.
    ///
    /// A call of a run that was cut off may come late and do a part of it.
    pub fn strayed(&self, act: Act, now: &Body) -> Option<Difference> {
        let before = self.before.as_ref().filter(|before| *before != now)?;
        let after = self.after.as_ref().map(Body::attributes).unwrap_or_default();
        let is_on_the_way = |met: &Difference| match (act, &met.after) {
            (Act::Delete, _) if goes_first(now, met) => true,
            // What a firewall has stored works once it is applied.
            (_, Some(Value::Bool(false))) if met.path == "interface.enabled" => true,
            // A rule's place among its neighbours moves with them.
            _ if met.path == "after" && matches!(now, Body::Rule(_)) => true,
            (_, Some(value)) => after.get(&met.path) == Some(value),
            (_, None) => self.after.is_some() && !after.contains_key(&met.path),
        };
        let met = differences(before.attributes(), now.attributes());
        met.into_iter().find(|met| !is_on_the_way(met))
    }
}

/// Whether a thing that is being removed lacks this before it is gone: it is stopped first, and of
/// what has parts on a firewall, they go one by one.
fn goes_first(now: &Body, met: &Difference) -> bool {
    let is_off = met.after == Some(Value::Bool(false));
    match now {
        // Of a rule, the alias of its ports is left.
        Body::Rule(rule) => rule.interface.is_empty(),
        Body::PublicAddress(_) | Body::Vlan(_) | Body::Tunnel(_) => met.after.is_none() || is_off,
        _ => is_off && met.path == "running",
    }
}

/// Every attribute in which two differ, in order of path.
pub(crate) fn differences(
    mut before: std::collections::BTreeMap<String, Value>,
    after: std::collections::BTreeMap<String, Value>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for (path, after) in after {
        let before = before.remove(&path);
        if before.as_ref() != Some(&after) {
            found.push(Difference { path, before, after: Some(after) });
        }
    }
    let gone = before.into_iter().map(|(path, before)| Difference {
        path,
        before: Some(before),
        after: None,
    });
    found.extend(gone);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
