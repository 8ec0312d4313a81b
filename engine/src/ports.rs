//! What the engine asks of the world.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jiff::{SignedDuration, Timestamp};
use lessor_plans::{
    Act, Body, Change, Digest, Gap, Observation, Present, Sighting, Transition, Wanted,
};
use lessor_specs::Address;

/// What is wanted at one connection, as soon as that is known.
pub type Wanting<'w> = BoxFuture<'w, Vec<Wanted>>;

/// What is wanted, where it is known already.
pub fn wanting<'w>(wanted: impl Into<Vec<Wanted>>) -> Wanting<'w> {
    ready(wanted.into()).boxed()
}

/// Drives one system behind one connection: looks, compares and acts. Decides nothing.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The connection, such as `docker.par1`.
    fn place(&self) -> &Address;

    /// Looks at everything that is ours, by listing, and at what is wanted and adopted. Changes
    /// nothing.
    ///
    /// What a wanted entry adopts is present as if it had been made for that entry, unless
    /// something of ours has been: then that is it. What is another installation's, or another
    /// entry's, is refused.
    ///
    /// What is held by others is looked for only as far as it could stand in the way of what is
    /// wanted here. What could not be seen is a gap or unknown, never left out.
    ///
    /// What is wanted may still be found out meanwhile: whatever can be looked at without it is not
    /// to wait for it.
    async fn observe(&self, wanted: Wanting<'_>) -> Observation;

    /// Looks at the one thing a change is about, by sort and name. Changes nothing.
    ///
    /// A thing that is there and not ours is [`Sighting::Unknown`].
    async fn sight(&self, change: &Change) -> Sighting;

    /// How to come from `present` to `desired`. Looks at nothing.
    fn compare(&self, desired: &Body, present: &Present) -> Transition;

    /// Does one act of a change. Safe to repeat: what is done already is left as it is.
    ///
    /// Creating carries the mark in the very call that creates. Deleting what is gone is done.
    /// Nothing without our mark is ever touched, but for exactly the thing that the change says is
    /// adopted: that may be updated and deleted. Each call has its own deadline.
    ///
    /// # Errors
    /// See [`ApplyError`]. After an error, the thing may be as before, as wished, or half done; the
    /// next look tells.
    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError>;

    /// Makes work what a run wrote here that was cut off, where writing is one thing and making it
    /// work another: what is gone is seen by no look, and no later change brings it up. Safe to
    /// repeat. Where what is written works, there is nothing to do.
    ///
    /// # Errors
    /// See [`ApplyError`].
    async fn settle(&self) -> Result<(), ApplyError> {
        Ok(())
    }

    /// How many acts it takes at the same time, where a run was asked for `asked` on each system.
    ///
    /// One that makes all it is given at once into a single call says so by a larger number.
    fn at_once(&self, asked: usize) -> usize {
        asked
    }
}

/// Says in which condition one system is, rather than what is on it. Changes nothing.
#[async_trait]
pub trait Examiner: Send + Sync {
    /// Looks at the system. Each call has its own deadline.
    ///
    /// # Errors
    /// When it could not be seen, with what to do about it.
    async fn examine(&self) -> Result<Examination, Gap>;
}

/// What a system says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// What it is, in words: its version, and that of its API.
    pub system: String,
    /// How far its clock is ahead of ours; `None` when it has no clock of its own.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether what is promised of its disk can be kept by force; `None` where each thing has a
    /// disk of its own.
    pub disk: Option<DiskLimits>,
    /// What else is good to know, each in words.
    pub facts: Vec<String>,
    /// What does not work there that should, each with what one can do.
    pub lacks: Vec<Lack>,
}

/// Whether a system can keep a thing from taking more disk than it was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskLimits {
    /// It can.
    Possible {
        /// By what.
        by: String,
    },
    /// It does not say.
    Unclear {
        /// What it depends on.
        on: String,
    },
    /// It cannot.
    Impossible {
        /// What stores its things.
        storage: String,
    },
}

/// Something that does not work on a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub what: String,
    /// Something one can do now.
    pub hint: Option<String>,
}

/// Why an act was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It may work when tried again: no answer, a dropped connection, an overloaded engine.
    #[error("{why}")]
    Transient {
        /// What happened.
        why: String,
    },
    /// The thing is not as the plan saw it.
    #[error("{why}")]
    Stale {
        /// What is different.
        why: String,
    },
    /// The provider said no, and will say it again.
    #[error("{why}")]
    Refused {
        /// What it said.
        why: String,
        /// Something one can do now.
        hint: Option<String>,
    },
}

/// Remembers what was begun and how it ended.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Remembers `entry` for good before it returns.
    ///
    /// # Errors
    /// When it could not; then nothing may be done that the entry would have announced.
    async fn record(&self, entry: &Entry) -> Result<(), JournalError>;
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The run it belongs to.
    pub apply: ApplyId,
    /// The step, counted from 1.
    pub step: usize,
    /// The thing.
    pub address: Address,
    /// The connection it lives on.
    pub place: Address,
    /// What is done to it.
    pub act: Act,
    /// How far it came.
    pub phase: Phase,
    /// Digest of the body it has afterwards; `None` for a deletion.
    pub body: Option<Digest>,
}

/// How far a step came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is about to be done.
    Started,
    /// It is done.
    Finished,
    /// It was given up.
    Failed {
        /// Why.
        why: String,
    },
}

/// Names one run of `apply`; later ones are greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplyId(pub String);

impl fmt::Display for ApplyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something could not be remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another run has taken over the connection.
    #[error("the lease on `{place}` was lost to another run")]
    Fenced {
        /// The connection.
        place: Address,
    },
    /// The store did not take it.
    #[error("the journal could not be written: {why}")]
    Unavailable {
        /// What happened.
        why: String,
    },
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Which provider answers for which connection.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<Address, Arc<dyn Provider>>,
}

impl Registry {
    /// Of these providers, each under its own connection.
    pub fn new(providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        let by_place = |provider: Arc<dyn Provider>| (provider.place().clone(), provider);
        Registry { providers: providers.into_iter().map(by_place).collect() }
    }

    /// The provider behind a connection.
    pub fn get(&self, place: &Address) -> Option<&Arc<dyn Provider>> {
        self.providers.get(place)
    }

    /// Every connection, in order.
    pub fn places(&self) -> impl Iterator<Item = &Address> {
        self.providers.keys()
    }

    /// All of them, in order of connection.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.providers.values()
    }
}
