//! All that a pretend firewall knows, in plain values.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Version;
use super::value::Value;
use crate::{Chance, Clock};

/// All that the firewall knows. Written as JSON and read again it is the same firewall.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which package answers.
    pub version: Version,
    /// What time it is there.
    pub clock: Clock,
    /// Where its chance goes on.
    pub chance: Chance,
    /// `config.xml`.
    pub config: Value,
    /// Whether the lock that writers leave is there.
    pub is_locked: bool,
    /// The revision that is live.
    pub live: Revision,
    /// Those before, oldest first; one second holds one.
    pub history: Vec<Revision>,
    /// Subsystems with changes that are not applied.
    pub dirty: BTreeSet<String>,
    /// Interfaces with changes that are not applied, in the order of their changes.
    pub pending_interfaces: Vec<String>,
    /// What is being applied.
    pub work: Vec<Work>,
    /// How long applying takes, in milliseconds.
    pub apply_ms: i64,
    /// How long a write works at most between loading the configuration and storing the whole of
    /// it, in milliseconds. Chance says how long it does.
    pub write_ms: u64,
    /// The network cards.
    pub ports: Vec<Card>,
    /// Packages that are installed.
    pub packages: BTreeSet<String>,
    /// What tokens are signed with, in hexadecimal.
    pub token_secret: String,
}

/// A written configuration, as the history shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The unix second of the write.
    pub time: i64,
    /// Who wrote what.
    pub description: String,
    /// The size of the file in bytes.
    pub size: i64,
}

/// Something that is being applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// What is applied: `firewall`, `interfaces`, …
    pub what: String,
    /// When it is done, in milliseconds since 1970.
    pub due_ms: i64,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// `vtnet0`.
    pub name: String,
    /// Its address on the wire.
    pub mac: String,
}

/// What a request begins with.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Its own copy of `config.xml`.
    pub(super) config: Value,
    /// The unix second.
    pub(super) now: i64,
}

impl State {
    /// Loads the configuration for a request, and says how long that works on it. Nothing keeps
    /// others from doing the same at that time, as nothing does on a real firewall.
    pub(super) fn load(&mut self, method: &str) -> (Loaded, Duration) {
        let takes_ms =
            if matches!(method, "GET" | "HEAD") { 0 } else { self.chance_of_ms(self.write_ms) };
        let loaded = Loaded { config: self.config.clone(), now: self.now_ms() / 1000 };
        (loaded, Duration::from_millis(takes_ms))
    }

    /// Any span up to this one; no chance is used up for none.
    fn chance_of_ms(&mut self, most_ms: u64) -> u64 {
        if most_ms == 0 { 0 } else { 1 + self.chance.below(most_ms) }
    }

    /// What time it is, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX)
    }

    /// Finishes the work that is due.
    pub(super) fn settle(&mut self) {
        let now = self.now_ms();
        let (done, rest) = self.work.drain(..).partition(|work| work.due_ms <= now);
        self.work = rest;
        let done: Vec<Work> = done;
        for work in done {
            self.finish(&work.what);
        }
    }

    /// Begins a configuration's life: what was live becomes history.
    pub(super) fn write(&mut self, config: Value, revision: Revision) {
        let before = std::mem::replace(&mut self.live, revision);
        self.history.retain(|known| known.time != before.time);
        self.history.push(before);
        self.config = config;
        self.config.prune();
    }

    /// Makes what was written work.
    pub(super) fn finish(&mut self, what: &str) {
        if what == "interfaces" {
            self.pending_interfaces.clear();
        }
        for subsystem in super::apply::subsystems(what) {
            self.dirty.remove(*subsystem);
        }
    }
}
