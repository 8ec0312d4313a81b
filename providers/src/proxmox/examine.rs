//! A cluster itself: whether everything that making guests takes is there.

use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Examination, Lack};
use lessor_plans::Gap;
use lessor_specs::ByteSize;

use super::client::{CallError, Client, GuestKind, Node, Version};
use super::privileges::needed;
use super::{Closed, Proxmox};

/// The oldest version that this is tried with.
const OLDEST: (u32, u32) = (8, 4);

/// What to do about a privilege that is missing.
const BOOTSTRAP: &str = "`lessor doctor --bootstrap proxmox` prints the commands that give it";

/// From how full on a storage is worth a word, in percent.
const FULL: u64 = 90;

/// What the cluster says of itself.
pub(super) async fn examine(proxmox: &Proxmox) -> Result<Examination, Gap> {
    let gap = |why: String, hint: Option<String>| Gap {
        place: proxmox.place.clone(),
        what: "the cluster".into(),
        why,
        hint,
    };
    let client =
        proxmox.client.as_ref().map_err(|Closed { why, hint }| gap(why.clone(), hint.clone()))?;
    let told = |error: CallError| gap(error.to_string(), error.hint());
    let version = client.version().await.map_err(told)?;
    let nodes = client.nodes().await.map_err(told)?;
    let mut exam = Exam { proxmox, client, facts: Vec::new(), lacks: Vec::new() };
    exam.version(&version);
    exam.privileges().await.map_err(told)?;
    exam.nodes(&nodes);
    let clock_ahead = exam.clock(&nodes).await;
    for node in nodes.iter().filter(|node| proxmox.entry.nodes.contains(&node.name)) {
        if node.is_online() {
            exam.storage(node).await;
            exam.bridges(node).await;
        }
    }
    exam.zones().await;
    exam.guests().await;
    Ok(Examination {
        system: format!("Proxmox VE {}", version.version),
        clock_ahead,
        disk: None,
        facts: exam.facts,
        lacks: exam.lacks,
    })
}

struct Exam<'e> {
    proxmox: &'e Proxmox,
    client: &'e Client,
    facts: Vec<String>,
    lacks: Vec<Lack>,
}

impl Exam<'_> {
    fn version(&mut self, version: &Version) {
        let mut numbers = version.version.split(['.', '-']).map(|part| part.parse::<u32>().ok());
        let found = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0));
        if found < OLDEST {
            let (major, minor) = OLDEST;
            self.lack(
                format!("its version is {}, and older than {major}.{minor}", version.version),
                "bring the cluster up to date",
            );
        }
    }

    async fn privileges(&mut self) -> Result<(), CallError> {
        let held = self.client.permissions().await?;
        for needed in needed(&self.proxmox.entry, &self.proxmox.networks) {
            let missing = needed.privileges.iter().filter(|one| !held.has(&needed.path, one));
            for privilege in missing {
                let what = format!("our token lacks `{privilege}` on `{}`", needed.path);
                self.lack(what, BOOTSTRAP);
            }
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node]) {
        let entry = &self.proxmox.entry;
        for name in &entry.nodes {
            match nodes.iter().find(|node| node.name == *name) {
                None => {
                    let known: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                    let hint = format!("correct `nodes`; there are {}", known.join(", "));
                    self.lack(format!("it has no node `{name}`"), hint);
                }
                Some(node) if !node.is_online() => {
                    let hint = "bring it back, or take it out of `nodes`";
                    self.lack(format!("node `{name}` is offline"), hint);
                }
                Some(_) => {}
            }
        }
        let online = nodes.iter().filter(|node| node.is_online()).count();
        self.facts.push(format!("{online} of {} nodes are online", nodes.len()));
    }

    /// How far its clock is ahead of ours, where a node tells the time.
    async fn clock(&mut self, nodes: &[Node]) -> Option<SignedDuration> {
        let node = nodes.iter().find(|node| node.is_online())?;
        let before = Timestamp::now();
        let theirs = self.client.node_time(&node.name).await.ok()?.seconds;
        let (first, last) = (before.as_second(), Timestamp::now().as_second());
        let theirs = i64::try_from(theirs).ok()?;
        // It told whole seconds, somewhere between question and answer.
        let off = theirs - theirs.clamp(first, last.max(first));
        Some(SignedDuration::from_secs(off))
    }

    async fn storage(&mut self, node: &Node) {
        let (name, node) = (self.proxmox.entry.storage.clone(), &node.name);
        let storages = match self.client.storages(node).await {
            Ok(storages) => storages,
            Err(error) => return self.unseen(&format!("storages of node `{node}`"), &error),
        };
        let Some(storage) = storages.into_iter().find(|storage| storage.name == name) else {
            let hint = "correct `storage`, or allow it on that node";
            return self.lack(format!("node `{node}` has no storage `{name}`"), hint);
        };
        if !(storage.enabled && storage.active) {
            let hint = "look at it under Datacenter, Storage";
            self.lack(format!("storage `{name}` cannot be used on node `{node}`"), hint);
        }
        if !storage.content().contains("images") {
            let what = format!("storage `{name}` keeps no disks of machines on node `{node}`");
            self.lack(what, "allow the content `images` on it");
        }
        let (Some(total), Some(free)) = (storage.total, storage.free) else { return };
        let used = total.saturating_sub(free).saturating_mul(100).checked_div(total).unwrap_or(100);
        let unit = if free >> 30 > 0 { 30 } else { 20 };
        let free = ByteSize::from_bytes(free >> unit << unit);
        self.facts.push(format!("storage `{name}` on node `{node}` is {used} % full, {free} left"));
        if used >= FULL {
            let what = format!("storage `{name}` on node `{node}` is {used} % full");
            self.lack(what, "make room on it, or add to it");
        }
    }

    async fn bridges(&mut self, node: &Node) {
        let (bridges, node) = (self.proxmox.networks.bridges.clone(), &node.name);
        if bridges.is_empty() {
            return;
        }
        let there = match self.client.bridges(node).await {
            Ok(there) => there,
            Err(error) => return self.unseen(&format!("bridges of node `{node}`"), &error),
        };
        for bridge in bridges.iter().filter(|bridge| !there.contains(*bridge)) {
            let others = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let hint = format!("make it there, or correct `bridge`; there are {others}");
            self.lack(format!("node `{node}` has no bridge `{bridge}`"), hint);
        }
    }

    async fn zones(&mut self) {
        let wanted = self.proxmox.networks.zones.clone();
        if wanted.is_empty() {
            return;
        }
        let there = match self.client.zones().await {
            Ok(there) => there,
            Err(error) => return self.unseen("zones", &error),
        };
        for zone in wanted.iter().filter(|zone| !there.iter().any(|one| one.name == **zone)) {
            self.lack(format!("it has no zone `{zone}`"), "make it under Datacenter, SDN, Zones");
        }
    }

    /// Templates, and ids that are free.
    async fn guests(&mut self) {
        let guests = match self.client.cluster_resources(Some("vm")).await {
            Ok(guests) => guests,
            Err(error) => return self.unseen("guests", &error),
        };
        let templates: Vec<String> = { guests.iter() }
            .filter(|one| one.template)
            .filter_map(|one| {
                let sort = if one.guest() == Some(GuestKind::Lxc) { " (lxc)" } else { "" };
                Some(format!("{}{sort}", one.vmid?))
            })
            .collect();
        let range = self.proxmox.entry.vmid_range;
        let ids = guests.iter().filter_map(|one| one.vmid?.try_into().ok());
        let taken = ids.filter(|id: &u32| range.contains(*id)).count();
        let free = u64::from(range.count()).saturating_sub(taken.try_into().unwrap_or(u64::MAX));
        self.facts.push(format!("{free} ids of `vmid_range` {range} are free"));
        if templates.is_empty() {
            let hint = "make one: `qm template ID` on the node of a machine that is set up";
            self.lack("we see no template to make guests from".to_owned(), hint);
        } else {
            self.facts.push(format!("templates: {}", templates.join(", ")));
        }
        if free == 0 {
            self.lack(format!("no id of `vmid_range` {range} is free"), "widen `vmid_range`");
        }
    }

    fn unseen(&mut self, what: &str, error: &CallError) {
        self.lacks
            .push(Lack { what: format!("{what} cannot be seen: {error}"), hint: error.hint() });
    }

    fn lack(&mut self, what: String, hint: impl Into<String>) {
        self.lacks.push(Lack { what, hint: Some(hint.into()) });
    }
}
