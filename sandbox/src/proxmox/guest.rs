//! Guests: virtual machines and containers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{digest, lines, typed};
use super::firewall::guest_file;
use super::property;
use super::qemu::agent::Agent;
use super::refusal::{Refusal, Result};
use super::tables::{Kind as ValueKind, tables};
use super::world::{Options, World};

/// What kind of guest it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A virtual machine.
    Qemu,
    /// A container.
    Lxc,
}

impl Kind {
    /// What messages call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Kind::Qemu => "VM",
            Kind::Lxc => "CT",
        }
    }

    /// What paths call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Qemu => "qemu",
            Kind::Lxc => "lxc",
        }
    }

    /// Where its configuration lies.
    fn folder(self) -> &'static str {
        match self {
            Kind::Qemu => "qemu-server",
            Kind::Lxc => "lxc",
        }
    }

    fn group(self) -> &'static str {
        match self {
            Kind::Qemu => "qemu.config",
            Kind::Lxc => "lxc.config",
        }
    }
}

/// A guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Guest {
    pub(super) kind: Kind,
    pub(super) node: String,
    pub(super) config: Options,
    /// Changes that wait for the next start.
    pub(super) pending: Options,
    /// Options that go at the next start.
    pub(super) pending_delete: BTreeSet<String>,
    pub(super) snapshots: BTreeMap<String, Options>,
    pub(super) power: Power,
    /// Options that the cloud-init drive was last made of.
    pub(super) cloud_init: Option<Options>,
    /// The agent in it, if one answers.
    #[serde(default)]
    pub(super) agent: Option<Agent>,
}

/// Whether a guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Power {
    Stopped,
    Running { since_ms: u64, pid: u32, paused: bool },
}

impl Guest {
    /// A guest that does not run.
    pub(super) fn new(kind: Kind, node: &str, config: Options) -> Self {
        Guest {
            kind,
            node: node.into(),
            config,
            pending: Options::new(),
            pending_delete: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            power: Power::Stopped,
            cloud_init: None,
            agent: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.power, Power::Running { .. })
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.power, Power::Running { paused: true, .. })
    }

    pub(super) fn is_template(&self) -> bool {
        self.flag("template")
    }

    /// Whether an option is set to yes.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.config.get(name).is_some_and(|text| text == "1")
    }

    /// A number of the configuration, or what it is without.
    pub(super) fn number(&self, name: &str, default: u64) -> u64 {
        self.config.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// Goes on only when nothing holds the guest.
    pub(super) fn unlocked(&self) -> Result<()> {
        match self.config.get("lock") {
            Some(lock) => Err(Refusal::failed(format!("{} is locked ({lock})", self.kind.title()))),
            None => Ok(()),
        }
    }

    /// SHA-1 of the configuration file.
    pub(super) fn digest(&self) -> String {
        let mut file = lines(&self.config);
        if !self.pending.is_empty() || !self.pending_delete.is_empty() {
            file.push_str("[PENDING]\n");
            file.push_str(&lines(&self.pending));
            for key in &self.pending_delete {
                file.push_str(&format!("delete: {key}\n"));
            }
        }
        for (name, options) in &self.snapshots {
            file.push_str(&format!("[{name}]\n{}", lines(options)));
        }
        digest(&file)
    }

    /// Options as they are told: numbers are numbers.
    pub(super) fn typed(&self, options: &Options) -> Map<String, Value> {
        let told = options.iter().map(|(key, text)| (key.clone(), self.typed_one(key, text)));
        told.collect()
    }

    /// One option as it is told.
    pub(super) fn typed_one(&self, key: &str, text: &str) -> Value {
        let group = tables().groups.get(self.kind.group());
        let kind = match key {
            "snaptime" | "template" | "unprivileged" => ValueKind::Integer,
            key => group.and_then(|group| group.get(key)).map_or(ValueKind::Text, |row| row.kind),
        };
        typed(kind, text)
    }

    /// Whether there is such an option.
    pub(super) fn has_option(kind: Kind, key: &str) -> bool {
        let unused = key.strip_prefix("unused").is_some_and(|n| n.parse::<u8>().is_ok());
        unused || tables().groups.get(kind.group()).is_some_and(|group| group.contains_key(key))
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> u64 {
        let text = self.config.get("memory").map(String::as_str).unwrap_or_default();
        let current = match property::parse("qemu.memory", text) {
            Ok(parts) => parts.get("current").and_then(|text| text.parse().ok()),
            Err(_) => None,
        };
        current.unwrap_or(512) << 20
    }

    /// How many processors it has on a node with so many.
    pub(super) fn processors(&self, node_has: u64) -> u64 {
        let processors = match self.kind {
            Kind::Qemu => self.number("sockets", 1).saturating_mul(self.number("cores", 1)),
            Kind::Lxc => self.number("cores", node_has),
        };
        processors.min(node_has)
    }

    /// What it is called.
    pub(super) fn title(&self, vmid: u32) -> String {
        let name = match self.kind {
            Kind::Qemu => self.config.get("name"),
            Kind::Lxc => self.config.get("hostname"),
        };
        name.cloned().unwrap_or_else(|| format!("{} {vmid}", self.kind.title()))
    }

    /// The size of the disk it starts from, in bytes.
    pub(super) fn disk(&self) -> u64 {
        let size = |key: &str| {
            let drive = self.config.get(key)?;
            let parts = drive.split(',').map(|part| part.split_once('=').unwrap_or((part, "")));
            let parts: BTreeMap<&str, &str> = parts.collect();
            (parts.get("media") != Some(&"cdrom"))
                .then(|| parts.get("size").copied().map(super::storage::bytes).unwrap_or_default())
        };
        match self.kind {
            Kind::Lxc => match size("rootfs") {
                // What the real system assumes of a root without a limit.
                Some(0) | None => 4 << 30,
                Some(bytes) => bytes,
            },
            Kind::Qemu => {
                let order = self.config.get("boot").and_then(|boot| boot.strip_prefix("order="));
                let devices = order.unwrap_or_default().split(';');
                devices.filter(|key| !key.starts_with("net")).find_map(size).unwrap_or_default()
            }
        }
    }
}

impl World {
    /// A guest of that kind on that node.
    pub(super) fn guest(&self, kind: Kind, node: &str, vmid: u32) -> Result<&Guest> {
        let found = self.guests.get(&vmid);
        let found = found.filter(|guest| guest.kind == kind && guest.node == node);
        found.ok_or_else(|| absent(kind, node, vmid))
    }

    /// The same, to be changed.
    pub(super) fn guest_mut(&mut self, kind: Kind, node: &str, vmid: u32) -> Result<&mut Guest> {
        let found = self.guests.get_mut(&vmid);
        let found = found.filter(|guest| guest.kind == kind && guest.node == node);
        found.ok_or_else(|| absent(kind, node, vmid))
    }

    /// What is said where an id is taken.
    pub(super) fn taken(&self, vmid: u32) -> Option<String> {
        let guest = self.guests.get(&vmid)?;
        let (title, node) = (guest.kind.title(), &guest.node);
        Some(format!("{title} {vmid} already exists on node '{node}'"))
    }

    /// Ends the making of a copy: it has its configuration and the firewall of its original, or
    /// nothing of it stays.
    pub(super) fn settle_copy(
        &mut self,
        original: u32,
        new: u32,
        copied: Result<Options>,
    ) -> Result<()> {
        let config = copied.map_err(|refusal| {
            self.forget_guest(new);
            self.volumes.retain(|volume| volume.vmid != Some(new));
            Refusal::failed(format!("clone failed: {}", refusal.text()))
        })?;
        if let Some(guest) = self.guests.get_mut(&new) {
            guest.config = config;
        }
        if let Some(firewall) = self.firewalls.get(&guest_file(original)).cloned() {
            self.firewalls.insert(guest_file(new), firewall);
        }
        Ok(())
    }

    /// Takes what is left of an id out of everything that names it.
    pub(super) fn forget_guest(&mut self, vmid: u32) {
        self.guests.remove(&vmid);
        for pool in self.pools.values_mut() {
            pool.guests.remove(&vmid);
        }
        let path = format!("/vms/{vmid}");
        self.access.entries.retain(|entry| entry.path != path);
        self.firewalls.remove(&guest_file(vmid));
    }
}

/// What is said of a guest that is not there.
pub(super) fn absent(kind: Kind, node: &str, vmid: u32) -> Refusal {
    let folder = kind.folder();
    Refusal::failed(format!(
        "Configuration file 'nodes/{node}/{folder}/{vmid}.conf' does not exist"
    ))
}

/// Options and pending changes, one row each.
pub(super) fn pending_rows(guest: &Guest) -> Value {
    let shown = |key: &str, text: &str| match key {
        "cipassword" => "**********".into(),
        key => guest.typed_one(key, text),
    };
    let mut rows: BTreeMap<&str, Value> = BTreeMap::new();
    for (key, text) in &guest.config {
        rows.insert(key, json!({ "key": key, "value": shown(key, text) }));
    }
    for (key, text) in &guest.pending {
        let row = rows.entry(key).or_insert_with(|| json!({ "key": key }));
        row["pending"] = shown(key, text);
    }
    for key in &guest.pending_delete {
        if let Some(row) = rows.get_mut(key.as_str()) {
            row["delete"] = 1.into();
        }
    }
    let digest = json!({ "key": "digest", "value": guest.digest() });
    rows.into_values().chain([digest]).collect()
}
