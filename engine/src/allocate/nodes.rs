//! Choosing the node of a guest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lessor_plans::Node;
use lessor_specs::ByteSize;
use lessor_specs::kinds::{Proxmox, Strategy};

/// How many cores are promised for each that is there, unless an entry says otherwise: guests of a
/// hosting provider rest most of the time.
const CORES_PROMISED: u64 = 4;

/// What a guest needs of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    pub(super) cores: u64,
    pub(super) memory: u64,
}

/// What may still be promised on the nodes of one cluster.
#[derive(Debug)]
pub(super) struct Nodes<'s> {
    proxmox: &'s Proxmox,
    rooms: BTreeMap<String, Room>,
}

#[derive(Debug, Default)]
struct Room {
    /// Whether new guests may come.
    open: bool,
    cores: u64,
    memory: u64,
    /// Its guests, by tenant.
    tenants: BTreeMap<String, usize>,
}

impl<'s> Nodes<'s> {
    /// The nodes that an entry names and that were seen.
    pub(super) fn new(proxmox: &'s Proxmox, seen: &[Node]) -> Self {
        let named = seen.iter().filter(|node| proxmox.nodes.contains(&node.name));
        let rooms = named.map(|node| (node.name.clone(), Room::of(proxmox, node))).collect();
        Nodes { proxmox, rooms }
    }

    /// Takes note that a guest of a tenant is on a node whose room was counted otherwise.
    pub(super) fn beside(&mut self, node: &str, tenant: &str) {
        if let Some(room) = self.rooms.get_mut(node) {
            room.beside(tenant);
        }
    }

    /// What may still be promised on each node.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (&str, Need)> {
        let need = |room: &Room| Need { cores: room.cores, memory: room.memory };
        self.rooms.iter().map(move |(node, room)| (node.as_str(), need(room)))
    }

    /// Takes what guests need that nobody names.
    pub(super) fn promise(&mut self, node: &str, need: Need) {
        if let Some(room) = self.rooms.get_mut(node) {
            room.promise(need);
        }
    }

    /// Promises what a guest needs where it is, whether or not there is room.
    pub(super) fn take(&mut self, node: &str, tenant: &str, need: Need) {
        if let Some(room) = self.rooms.get_mut(node) {
            room.take(tenant, need);
        }
    }

    /// The node for a new guest, and why in words: the best one that is open, has room, and is one of `only`, if that
    /// is said. Same input, same node: what is equal is decided by name.
    pub(super) fn choose(
        &mut self,
        tenant: &str,
        need: Need,
        only: Option<&str>,
    ) -> Option<(String, String)> {
        let fits = |(name, room): &(&String, &Room)| {
            room.open && room.fits(need) && only.is_none_or(|only| only == name.as_str())
        };
        let placement = &self.proxmox.placement;
        let order = |room: &Room| {
            let beside = room.tenants.get(tenant).copied().unwrap_or(0);
            let beside = if placement.apart { beside } else { 0 };
            let left = i128::from(room.memory);
            match placement.strategy {
                Strategy::Spread => (beside, -left, Reverse(room.cores)),
                // Cores only tell nodes apart that have equal memory left.
                Strategy::Pack => (beside, left, Reverse(0)),
            }
        };
        let best = self.rooms.iter().filter(fits).min_by_key(|(name, room)| (order(room), *name));
        let (node, room) = best?;
        let why = match only {
            Some(_) => "its template is on that node alone".to_owned(),
            None => self.why(room, self.rooms.iter().filter(fits).count()),
        };
        let node = node.clone();
        self.take(&node, tenant, need);
        Some((node, why))
    }

    /// Why a room was chosen among so many that have enough.
    fn why(&self, room: &Room, candidates: usize) -> String {
        let left = ByteSize::from_bytes(room.memory);
        let nodes = match candidates {
            1 => return format!("the only node with room, {left} of memory"),
            nodes => format!("of {nodes} nodes with room"),
        };
        let apart = if self.proxmox.placement.apart { ", fewest of its tenant first" } else { "" };
        match self.proxmox.placement.strategy {
            Strategy::Spread => format!("it has the most memory left {nodes}, {left}{apart}"),
            Strategy::Pack => format!("it has the least memory left {nodes}, {left}{apart}"),
        }
    }
}

impl Room {
    fn of(proxmox: &Proxmox, node: &Node) -> Self {
        let over = proxmox.overcommit.clone().unwrap_or_default();
        let cores = u64::from(node.cores);
        let cores = over.cpu.map_or(cores * CORES_PROMISED, |ratio| ratio.times(cores));
        let memory = node.memory.bytes();
        let memory = over.memory.map_or(memory, |ratio| ratio.times(memory));
        Room {
            open: node.online && !proxmox.cordoned.contains(&node.name),
            cores: cores.saturating_sub(node.strange_cores.into()),
            memory: memory.saturating_sub(node.strange_memory.bytes()),
            tenants: BTreeMap::new(),
        }
    }

    fn fits(&self, need: Need) -> bool {
        self.cores >= need.cores && self.memory >= need.memory
    }

    fn take(&mut self, tenant: &str, need: Need) {
        self.promise(need);
        self.beside(tenant);
    }

    fn promise(&mut self, need: Need) {
        self.cores = self.cores.saturating_sub(need.cores);
        self.memory = self.memory.saturating_sub(need.memory);
    }

    fn beside(&mut self, tenant: &str) {
        match self.tenants.get_mut(tenant) {
            Some(guests) => *guests += 1,
            None => drop(self.tenants.insert(tenant.to_owned(), 1)),
        }
    }
}
