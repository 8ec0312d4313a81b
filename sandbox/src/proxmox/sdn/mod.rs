//! Networks of the cluster: zones, networks in them, and subnets. Everything is staged first and
//! runs once it was applied.

mod calls;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{digest, lines};
use super::refusal::Result;
use super::tasks::{Act, Job, Log};
use super::world::{Options, World};

pub(super) use calls::HANDLERS;

/// Zones, networks and subnets by their ids.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sdn {
    zones: Staged,
    vnets: Staged,
    subnets: Staged,
}

/// Objects as they shall be, and as they run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Staged {
    wanted: BTreeMap<String, Options>,
    running: BTreeMap<String, Options>,
}

impl Sdn {
    /// Zones that run.
    pub(super) fn running_zones(&self) -> Vec<String> {
        self.zones.running.keys().cloned().collect()
    }

    /// The zone of a network.
    pub(super) fn zone_of(&self, vnet: &str) -> Option<String> {
        self.vnets.wanted.get(vnet).and_then(|options| options.get("zone")).cloned()
    }
}

/// How the rows of a kind of object look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zone,
    Vnet,
    Subnet,
}

impl Kind {
    /// The key of the id.
    fn key(self) -> &'static str {
        match self {
            Kind::Zone => "zone",
            Kind::Vnet => "vnet",
            Kind::Subnet => "subnet",
        }
    }

    /// Options that stand on top even of an object that does not run yet.
    fn fixed(self) -> &'static [&'static str] {
        match self {
            Kind::Zone | Kind::Vnet => &["type"],
            Kind::Subnet => &["type", "vnet", "zone"],
        }
    }

    fn of(self, sdn: &Sdn) -> &Staged {
        match self {
            Kind::Zone => &sdn.zones,
            Kind::Vnet => &sdn.vnets,
            Kind::Subnet => &sdn.subnets,
        }
    }

    fn of_mut(self, sdn: &mut Sdn) -> &mut Staged {
        match self {
            Kind::Zone => &mut sdn.zones,
            Kind::Vnet => &mut sdn.vnets,
            Kind::Subnet => &mut sdn.subnets,
        }
    }
}

impl Staged {
    /// SHA-1 of the file.
    fn digest(&self) -> String {
        let one = |(id, options): (&String, &Options)| format!("{id}\n{}\n", lines(options));
        digest(&self.wanted.iter().map(one).collect::<String>())
    }

    /// An object as it shall be.
    fn wanted(&self, kind: Kind, id: &str) -> Option<Map<String, Value>> {
        let mut row = row(kind, id, self.wanted.get(id)?);
        row.insert("digest".into(), self.digest().into());
        Some(row)
    }

    /// An object as it runs.
    fn running(&self, kind: Kind, id: &str) -> Option<Map<String, Value>> {
        let mut row = row(kind, id, self.running.get(id)?);
        row.insert("digest".into(), Value::Null);
        Some(row)
    }

    /// An object as it runs, and what waits for it.
    fn pending(&self, kind: Kind, id: &str) -> Option<Map<String, Value>> {
        let (wanted, running) = (self.wanted.get(id), self.running.get(id));
        if wanted == running {
            return self.running(kind, id);
        }
        let empty = Options::new();
        let fixed = |key: &str| kind.fixed().contains(&key);
        let (state, top) = match (wanted, running) {
            (Some(wanted), None) => {
                let mut top = wanted.clone();
                top.retain(|key, _| fixed(key));
                ("new", top)
            }
            (Some(_), Some(running)) => ("changed", running.clone()),
            (None, running) => ("deleted", running?.clone()),
        };
        let mut row = row(kind, id, &top);
        let mut pending = Map::new();
        for (key, text) in wanted.unwrap_or(&empty) {
            if running.is_none_or(|running| running.get(key) != Some(text)) && !fixed(key) {
                pending.insert(key.clone(), typed(key, text));
            }
        }
        for key in running.filter(|_| wanted.is_some()).unwrap_or(&empty).keys() {
            if wanted.is_some_and(|wanted| !wanted.contains_key(key)) {
                pending.insert(key.clone(), "deleted".into());
            }
        }
        row.insert("state".into(), state.into());
        row.insert("pending".into(), pending.into());
        row.insert("digest".into(), Value::Null);
        Some(row)
    }
}

/// Options that are numbers.
fn typed(key: &str, text: &str) -> Value {
    let is_text = matches!(key, "alias" | "zone" | "vnet" | "bridge");
    let number = (!is_text).then(|| text.parse::<i64>().ok()).flatten();
    number.map_or_else(|| text.into(), Value::from)
}

fn row(kind: Kind, id: &str, options: &Options) -> Map<String, Value> {
    let told = options.iter().map(|(key, text)| (key.clone(), typed(key, text)));
    let mut row: Map<String, Value> = told.collect();
    row.insert(kind.key().into(), id.into());
    if kind == Kind::Subnet {
        let mut parts = id.rsplitn(3, '-');
        let (mask, network) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        row.insert("id".into(), id.into());
        row.insert("mask".into(), mask.into());
        row.insert("network".into(), network.into());
        row.insert("cidr".into(), format!("{network}/{mask}").into());
        let ranges = options.get("dhcp-range").map(|text| json!([text]));
        row.insert("dhcp-range".into(), ranges.unwrap_or_else(|| json!([])));
    }
    row
}

/// Whether an address lies in a network.
fn lies_in(address: &str, cidr: &str) -> bool {
    let Some((network, length)) = cidr.split_once('/') else { return false };
    let Ok(length) = length.parse::<u32>() else { return false };
    match (address.parse(), network.parse()) {
        (Ok(IpAddr::V4(one)), Ok(IpAddr::V4(other))) => {
            let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            one.to_bits() & mask == other.to_bits() & mask
        }
        (Ok(IpAddr::V6(one)), Ok(IpAddr::V6(other))) => {
            let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
            one.to_bits() & mask == other.to_bits() & mask
        }
        _ => false,
    }
}

/// Makes what is staged run, and has each node reload.
#[expect(clippy::unnecessary_wraps, reason = "it is the work of a task like the others")]
pub(super) fn run_apply(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    for kind in [Kind::Zone, Kind::Vnet, Kind::Subnet] {
        let staged = kind.of_mut(&mut world.sdn);
        staged.running = staged.wanted.clone();
    }
    let nodes: Vec<String> = world.nodes.keys().cloned().collect();
    for node in nodes {
        log.say(format!("{node}: reloading network config"));
        let job = Job { act: Act::ReloadSdn, node, ..job.clone() };
        let takes_ms = world.pace.task_ms;
        world.begin("srvreload", "networking", takes_ms, job);
    }
    Ok(())
}
