//! Everything a cluster knows. It is plain data: it can be written down and read back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::access::Access;
use super::firewall::Firewall;
use super::guest::Guest;
use super::network::Network;
use super::sdn::Sdn;
use super::storage::{Storage, Volume};
use super::tasks::Tasks;
use crate::{Chance, Clock};

/// Options by name, as a configuration file holds them.
pub(super) type Options = BTreeMap<String, String>;

/// A cluster of nodes, its guests and all that is configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// What time it is here.
    pub clock: Clock,
    /// How long things take.
    pub pace: Pace,
    /// Whether a whole hypervisor lies below: machines run again after a reboot, networks come up.
    /// The daemons whose answers were recorded had less.
    pub whole_host: bool,
    pub(super) chance: Chance,
    /// The node that answers.
    pub(super) here: String,
    pub(super) nodes: BTreeMap<String, Node>,
    /// Options of the datacenter.
    pub(super) options: Options,
    pub(super) access: Access,
    pub(super) pools: BTreeMap<String, Pool>,
    pub(super) guests: BTreeMap<u32, Guest>,
    pub(super) storages: BTreeMap<String, Storage>,
    pub(super) volumes: Vec<Volume>,
    pub(super) tasks: Tasks,
    /// Files of the firewall: `cluster`, `node/NAME`, `guest/ID`.
    pub(super) firewalls: BTreeMap<String, Firewall>,
    pub(super) sdn: Sdn,
    pub(super) statistics: Statistics,
}

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// Before somebody who did not prove who he is hears so.
    pub refusal_ms: u64,
    /// What a task does.
    pub task_ms: u64,
    /// Until a guest that was asked to shut down has done so.
    pub shutdown_ms: u64,
    /// Between two rounds of collecting statistics.
    pub statistics_ms: u64,
}

impl Default for Pace {
    /// As on real hardware.
    fn default() -> Self {
        Pace { refusal_ms: 3_000, task_ms: 700, shutdown_ms: 4_000, statistics_ms: 10_000 }
    }
}

/// A machine of the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) id: u32,
    pub(super) address: String,
    pub(super) fingerprint: String,
    pub(super) booted_ms: u64,
    pub(super) cpus: u32,
    pub(super) memory: u64,
    pub(super) disk: u64,
    pub(super) online: bool,
    pub(super) network: Network,
    pub(super) resolver: Options,
    pub(super) timezone: String,
    pub(super) options: Options,
}

/// Guests and storages that belong together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pool {
    pub(super) comment: Option<String>,
    pub(super) guests: BTreeSet<u32>,
    pub(super) storages: BTreeSet<String>,
}

/// What the last round of collecting statistics saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Statistics {
    pub(super) seen_ms: Option<u64>,
    /// Rows of `/cluster/resources`, by the id of the guest.
    pub(super) guests: BTreeMap<u32, serde_json::Value>,
}

/// How a fresh installation looks.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Names of the nodes; the first one answers.
    pub nodes: Vec<String>,
    /// The password of `root@pam`.
    pub password: String,
    /// SHA-256 of the certificate, in pairs of digits with colons between.
    pub fingerprint: String,
    /// Where chance begins.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// Whether a whole hypervisor lies below: machines run again after a reboot, networks come up.
    /// The daemons whose answers were recorded had less.
    pub whole_host: bool,
}

impl World {
    /// A fresh installation: no guests, `root@pam`, one storage `local` with an image of an
    /// installer and a template of a container, and one bridge on each node.
    pub fn installed(installation: &Installation) -> World {
        let clock = Clock::default();
        let now_ms = clock.now_ms();
        let mut chance = Chance::new(installation.seed);
        let access = Access::installed(&installation.password, chance.number());
        let nodes = (0_u32..).zip(&installation.nodes);
        let nodes = nodes.map(|(n, name)| (name.clone(), node(n, installation, now_ms)));
        let mut world = World {
            clock,
            pace: installation.pace,
            whole_host: installation.whole_host,
            chance,
            here: installation.nodes.first().cloned().unwrap_or_default(),
            nodes: nodes.collect(),
            options: Options::new(),
            access,
            pools: BTreeMap::new(),
            guests: BTreeMap::new(),
            storages: BTreeMap::new(),
            volumes: Vec::new(),
            tasks: Tasks::default(),
            firewalls: BTreeMap::new(),
            sdn: Sdn::default(),
            statistics: Statistics::default(),
        };
        for name in &installation.nodes {
            world.volumes.extend(Volume::installed(name, now_ms / 1000));
        }
        world.collect_statistics();
        world
    }

    /// What time it is, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// What time it is, in seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.now_ms() / 1000
    }

    /// Does all that is due by now.
    pub(super) fn catch_up(&mut self) {
        super::tasks::run_due(self);
        let now_ms = self.now_ms();
        let due = |seen_ms: u64| now_ms >= seen_ms.saturating_add(self.pace.statistics_ms);
        if self.statistics.seen_ms.is_none_or(due) {
            self.collect_statistics();
        }
    }

    fn collect_statistics(&mut self) {
        let seen = self.guests.keys().map(|&id| (id, super::cluster::guest_row(self, id)));
        self.statistics.guests = seen.collect();
        self.statistics.seen_ms = Some(self.now_ms());
    }
}

fn node(n: u32, installation: &Installation, now_ms: u64) -> Node {
    let address = format!("10.99.0.{}", n + 1);
    let resolver = [("search", "example.com"), ("dns1", "192.0.2.1")];
    Node {
        id: n,
        network: Network::installed(&address),
        address,
        fingerprint: installation.fingerprint.clone(),
        booted_ms: now_ms.saturating_sub(6_200_000),
        cpus: 2,
        memory: 25_276_502_016,
        disk: 270_553_174_016,
        online: true,
        resolver: resolver.map(|(key, value)| (key.into(), value.into())).into(),
        timezone: "UTC".into(),
        options: Options::new(),
    }
}
