//! What customers ordered, as entries beside the spec files.
//!
//! An order is read-only here: whoever wants it changed changes the order. [`Orders`] is all of
//! them at one moment, with the offers and images in the versions that were bought, so that nothing
//! an operator writes later changes what somebody has already. It comes from the database or out of
//! a file ([`Orders::from_toml`]), and [`Specs::with_orders`](crate::Specs::with_orders) lays it
//! beside what files declare.

mod merge;
mod phase;
mod text;
mod version;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::{Image, Instance, Offer, Tenant};
use crate::{Address, Code, Kind};

pub use phase::OrderPhase;
use version::is_version;
pub use version::{Version, version_of};

/// What customers ordered, at one moment. Holds no secret.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// Orders that are not over, by `tenant/name`.
    pub orders: BTreeMap<String, OrderEntry>,
    /// Orders that are over and of which something may be left, by id.
    pub ended: BTreeMap<String, EndedOrder>,
    /// Offers in the versions that were bought, by `name@version`. Their images have versions too.
    pub offers: BTreeMap<String, Offer>,
    /// Images in the versions that were bought, by `name@version`.
    pub images: BTreeMap<String, Image>,
    /// Tenants that no file declares. Where one does, the file counts.
    pub tenants: BTreeMap<String, Tenant>,
}

/// One order that is not over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderEntry {
    /// Its id: `ord_…`.
    pub id: String,
    /// How far it came.
    pub phase: OrderPhase,
    /// Whether its customer switched it off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// The event that ended it, once it is [terminating](OrderPhase::Terminating): the consent to
    /// the removal of what it made, and of nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Until when its data is kept, once it is terminating. Without a date nothing is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<Timestamp>,
    /// What was ordered. Its offer and its image are named in the versions that were bought.
    pub instance: Instance,
}

/// An order that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedOrder {
    /// What it was called: `tenant/name`. By now another order may be.
    pub name: String,
    /// The event that ended it: the consent to the removal of what it made, and of nothing else.
    pub event: String,
}

/// What specs know of the orders that were laid beside them.
#[derive(Clone, Debug, Default)]
pub struct Ordered {
    pub(crate) standing: BTreeMap<String, StandingOrder>,
    pub(crate) ended: BTreeMap<String, EndedOrder>,
    pub(crate) held_back: BTreeMap<String, HeldBack>,
    /// How many entries came with them.
    pub(crate) entries: usize,
    /// Tenants that no file declares and that came with them.
    pub(crate) tenants: BTreeSet<String>,
}

/// An order whose instance is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingOrder {
    /// Its id.
    pub id: String,
    /// How far it came.
    pub phase: OrderPhase,
    /// Whether its instance shall run.
    pub runs: bool,
    /// Until when its data is kept, of one that ends.
    pub keep_until: Option<Timestamp>,
}

/// An order that does not fit what files declare by now. What is there of it is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its id.
    pub id: String,
    /// What does not fit, first of all.
    pub code: Code,
    /// In words: everything that does not fit.
    pub why: String,
    /// Something one can do about it.
    pub hint: Option<String>,
}

impl OrderEntry {
    /// Whether its instance shall run: its customer wants it to, and nothing speaks against it.
    pub fn runs(&self) -> bool {
        !self.stopped && self.phase.may_run()
    }

    /// Whether nothing of it is wanted any more: it ends, and its data need not be kept (longer).
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self.phase {
            OrderPhase::Terminating => self.keep_until.is_none_or(|until| until <= now),
            phase => phase.is_end(),
        }
    }
}

impl Ordered {
    /// The order of an instance, by `tenant/name`.
    pub fn get(&self, instance: &str) -> Option<&StandingOrder> {
        self.standing.get(instance)
    }

    /// The order that asks for a thing: for an instance, or for what comes with it alone.
    pub fn of(&self, address: &Address) -> Option<&StandingOrder> {
        if self.standing.is_empty() {
            return None;
        }
        if address.kind() == Kind::Instance {
            return self.get(address.name());
        }
        let bringer = address.bringer().filter(|bringer| bringer.kind() == Kind::Instance)?;
        self.get(bringer.name())
    }

    /// Whether an entry came with them rather than out of a file: a tenant that no file declares any
    /// more, or an offer or an image in the version that was bought.
    pub fn brings(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Tenant => self.tenants.contains(name),
            Kind::Offer | Kind::Image => is_version(name),
            _ => false,
        }
    }

    /// Every order whose instance is wanted, by `tenant/name`.
    pub fn standing(&self) -> impl Iterator<Item = (&str, &StandingOrder)> {
        self.standing.iter().map(|(name, order)| (name.as_str(), order))
    }

    /// The order called `id`, if it is over.
    pub fn ended(&self, id: &str) -> Option<&EndedOrder> {
        self.ended.get(id)
    }

    /// Every order that is over, by id.
    pub fn all_ended(&self) -> impl Iterator<Item = (&str, &EndedOrder)> {
        self.ended.iter().map(|(id, order)| (id.as_str(), order))
    }

    /// Every order that does not fit, by `tenant/name`.
    pub fn held_back(&self) -> impl Iterator<Item = (&str, &HeldBack)> {
        self.held_back.iter().map(|(name, order)| (name.as_str(), order))
    }

    /// How many orders are not over.
    pub fn count(&self) -> usize {
        self.standing.len() + self.held_back.len()
    }

    /// Whether any order does not fit.
    pub fn holds_any_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    /// Whether there is no order at all.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.ended.is_empty() && self.held_back.is_empty()
    }
}
