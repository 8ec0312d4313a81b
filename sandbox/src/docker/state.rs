//! Everything an engine knows. It is plain data: it can be written down and read back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::containers::{Container, Line};
use super::events::Event;
use super::exec::Exec;
use super::images::Image;
use super::networks::Network;
use super::volumes::Volume;
use super::wire::Config;
use crate::{Chance, Clock};

/// An engine, and all that it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// What time it is here.
    pub clock: Clock,
    /// How many processors the machine has.
    pub cpus: u32,
    /// How much memory it has, in bytes.
    pub memory: i64,
    pub(super) chance: Chance,
    /// The name of the machine.
    pub(super) name: String,
    pub(super) id: String,
    /// The last moment that was told, in nanoseconds since 1970; none is told twice.
    pub(super) told_ns: i64,
    pub(super) last_pid: u32,
    pub(super) last_port: u16,
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) images: BTreeMap<String, Image>,
    pub(super) execs: BTreeMap<String, Exec>,
    pub(super) events: Vec<Event>,
    /// Containers that are gone, for whoever still listens.
    #[serde(skip)]
    pub(super) gone: VecDeque<Gone>,
    /// The moment that is being caught up with.
    #[serde(skip)]
    past_ms: Option<u64>,
    /// Goes up with everything that somebody may wait for.
    #[serde(skip)]
    pub(super) revision: u64,
}

/// What is still known of a container that is gone.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) id: String,
    pub(super) log: Vec<Line>,
    pub(super) code: i32,
}

impl State {
    /// A fresh engine with three networks and one image, `lessor.example/busybox:1`.
    pub fn installed(clock: Clock, seed: u64) -> State {
        let mut chance = Chance::new(seed);
        let id: Vec<String> = (0..12).map(|_| chance.hex(2).to_uppercase()).collect();
        let mut state = State {
            clock,
            cpus: 4,
            memory: 16 << 30,
            chance,
            name: "sandbox".into(),
            id: id.join(":"),
            told_ns: 0,
            last_pid: 1_000,
            last_port: super::networks::PORTS.0 - 1,
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: BTreeMap::new(),
            execs: BTreeMap::new(),
            events: Vec::new(),
            gone: VecDeque::new(),
            past_ms: None,
            revision: 0,
        };
        state.add_predefined_networks();
        let names = ["sh", "ls", "cat", "sleep", "httpd", "nc", "ps", "kill", "busybox"];
        state.add_image("lessor.example/busybox:1", &["sh"], &names);
        state
    }

    /// Makes an image as `docker import` does: with this command, and these programs in `/bin`.
    pub fn add_image(&mut self, reference: &str, command: &[&str], programs: &[&str]) {
        let config = Config {
            env: Some(vec!["PATH=/bin".into()]),
            cmd: Some(command.iter().map(ToString::to_string).collect()),
            ..Config::default()
        };
        let programs: BTreeSet<String> = programs.iter().map(ToString::to_string).collect();
        let image = Image::imported(self, reference, config, programs);
        self.images.insert(image.id.clone(), image);
    }

    /// Milliseconds since 1970. While the engine catches up, it is the time when things happened.
    pub(super) fn now_ms(&self) -> u64 {
        self.past_ms.unwrap_or_else(|| self.clock.now_ms())
    }

    /// A moment that nobody was told before: nanoseconds since 1970.
    pub(super) fn now_ns(&mut self) -> i64 {
        let at_ms = self.now_ms();
        self.ns_at(at_ms)
    }

    /// That moment, or a little later.
    pub(super) fn ns_at(&mut self, at_ms: u64) -> i64 {
        let moment = i64::try_from(at_ms).unwrap_or_default().saturating_mul(1_000_000);
        self.told_ns = moment.max(self.told_ns + 1);
        self.told_ns
    }

    /// A name nobody has had.
    pub(super) fn fresh_id(&mut self) -> String {
        self.chance.hex(32)
    }

    pub(super) fn fresh_pid(&mut self) -> u32 {
        self.last_pid += 1 + u32::try_from(self.chance.below(30)).unwrap_or_default();
        self.last_pid
    }

    pub(super) fn changed(&mut self) {
        self.revision += 1;
    }

    /// Does all that is due by now, one after the other.
    pub(super) fn catch_up(&mut self) {
        let now_ms = self.now_ms();
        while let Some(due_ms) = self.next_due().filter(|due_ms| *due_ms <= now_ms) {
            self.past_ms = Some(due_ms);
            super::containers::happen(self, due_ms);
            super::exec::happen(self, due_ms);
        }
        self.past_ms = None;
    }

    /// When the next thing happens by itself.
    pub(super) fn next_due(&self) -> Option<u64> {
        let containers = self.containers.values().filter_map(Container::due_ms);
        containers.chain(self.execs.values().filter_map(Exec::due_ms)).min()
    }
}

/// A moment as the engine writes it; 0 is never.
pub(super) fn moment(ns: i64) -> String {
    match Timestamp::from_nanosecond(ns.into()) {
        Ok(time) if ns != 0 => time.to_string(),
        _ => "0001-01-01T00:00:00Z".into(),
    }
}

/// The same to the second.
pub(super) fn second(ns: i64) -> String {
    Timestamp::from_second(ns / 1_000_000_000).map(|time| time.to_string()).unwrap_or_default()
}

/// A span as a person would say it.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1_800) / 3_600);
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".into(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".into(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}
