//! Calls about the cluster as a whole.

use serde_json::{Map, Value, json};

use super::call::{Call, Handler};
use super::formats::items;
use super::guest::{Guest, Kind, Power};
use super::property;
use super::refusal::{Refusal, Result};
use super::world::World;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /version", version),
    ("GET /nodes/{node}/version", version),
    ("GET /cluster/nextid", next_id),
    ("GET /cluster/options", options),
    ("PUT /cluster/options", update_options),
    ("GET /cluster/resources", resources),
    ("GET /cluster/status", status),
];

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn version(_: &mut Call<'_>) -> Result<Value> {
    Ok(json!({ "release": "9.2", "repoid": "14a22df35955d97d", "version": "9.2.11" }))
}

fn next_id(call: &mut Call<'_>) -> Result<Value> {
    let world = &call.world;
    if let Some(vmid) = call.given.get("vmid") {
        if world.guests.contains_key(&call.given.vmid()) {
            return Err(Refusal::parameter("vmid", format!("VM {vmid} already exists")));
        }
        return Ok(vmid.into());
    }
    let range = world.options.get("next-id").map(String::as_str).unwrap_or_default();
    let range = property::parse("cluster.next-id", range).unwrap_or_default();
    let bound = |key: &str, default: u32| {
        range.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (lower, upper) = (bound("lower", 100), bound("upper", 1_000_000));
    let free = (lower..=upper).find(|id| !world.guests.contains_key(id));
    let Some(id) = free else {
        let why = format!("unable to get any free VMID in range [{lower}, {upper}]");
        return Err(Refusal::failed(why));
    };
    Ok(id.to_string().into())
}

/// Options that come back as objects.
const OBJECTS: [&str; 11] = [
    "next-id",
    "tag-style",
    "migration",
    "ha",
    "bwlimit",
    "crs",
    "notify",
    "u2f",
    "webauthn",
    "user-tag-access",
    "replication",
];

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn options(call: &mut Call<'_>) -> Result<Value> {
    let mut row = Map::new();
    if call.may("/", &["Sys.Audit"]) {
        row.insert("description".into(), "".into());
        row.insert("mac_prefix".into(), "BC:24:11".into());
        for (key, text) in &call.world.options {
            let parts = OBJECTS
                .contains(&key.as_str())
                .then(|| property::parse(&format!("cluster.{key}"), text).ok());
            let value = parts.flatten().map_or_else(|| json!(text), |parts| json!(parts));
            row.insert(key.clone(), value);
        }
    }
    let mut tags: Vec<String> = Vec::new();
    for (id, guest) in &call.world.guests {
        if call.may(&format!("/vms/{id}"), &["VM.Audit"]) {
            tags.extend(items(guest.config.get("tags").map_or("", String::as_str)).map(Into::into));
        }
    }
    tags.sort();
    tags.dedup();
    row.insert("allowed-tags".into(), tags.into());
    Ok(row.into())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn update_options(call: &mut Call<'_>) -> Result<Value> {
    for key in call.given.list("delete") {
        call.world.options.remove(&key);
    }
    let given = call.given.without(&["delete"]);
    call.world.options.extend(given);
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn status(call: &mut Call<'_>) -> Result<Value> {
    let world = &call.world;
    let mut rows = Vec::new();
    if world.nodes.len() > 1 {
        rows.push(json!({
            "id": "cluster", "name": "cluster", "type": "cluster", "version": world.nodes.len(),
            "nodes": world.nodes.len(),
            "quorate": u8::from(world.nodes.values().filter(|node| node.online).count() * 2 > world.nodes.len()),
        }));
    }
    for (name, node) in &world.nodes {
        rows.push(json!({
            "id": format!("node/{name}"), "name": name, "type": "node", "level": "",
            "ip": node.address, "local": u8::from(*name == world.here),
            "nodeid": if world.nodes.len() > 1 { node.id + 1 } else { 0 },
            "online": u8::from(node.online),
        }));
    }
    Ok(rows.into())
}

/// A guest in `/cluster/resources` and in pools, as statistics know it.
pub(super) fn guest_row(world: &World, vmid: u32) -> Value {
    let Some(guest) = world.guests.get(&vmid) else { return Value::Null };
    let node_has = world.nodes.get(&guest.node).map_or(1, |node| u64::from(node.cpus));
    let running = guest.is_running();
    let uptime = match guest.power {
        Power::Running { since_ms, .. } => world.now_ms().saturating_sub(since_ms) / 1000,
        Power::Stopped => 0,
    };
    let mut row = json!({
        "id": format!("{}/{vmid}", guest.kind.name()),
        "type": guest.kind.name(),
        "vmid": vmid,
        "node": guest.node,
        "name": guest.title(vmid),
        "status": if running { "running" } else { "stopped" },
        "template": u8::from(guest.is_template()),
        "maxcpu": guest.processors(node_has),
        "maxmem": guest.memory(),
        "maxdisk": guest.disk(),
        "uptime": uptime,
        "cpu": 0, "mem": 0, "disk": 0, "netin": 0, "netout": 0, "diskread": 0, "diskwrite": 0,
    });
    for key in ["tags", "lock"] {
        if let Some(text) = guest.config.get(key) {
            row[key] = text.as_str().into();
        }
    }
    row
}

/// A guest as the last round of statistics saw it; one that came later is hardly known.
pub(super) fn seen_guest(world: &World, vmid: u32, guest: &Guest) -> Value {
    let seen = world.statistics.guests.get(&vmid);
    let same =
        |row: &&Value| row["node"] == guest.node.as_str() && row["type"] == guest.kind.name();
    let is_away = world.nodes.get(&guest.node).is_some_and(|node| !node.online);
    let seen = seen.filter(same).cloned().map(|mut row| {
        if is_away {
            row["status"] = "unknown".into();
        }
        row
    });
    seen.unwrap_or_else(|| {
        let kind = guest.kind.name();
        json!({
            "id": format!("{kind}/{vmid}"), "type": kind, "vmid": vmid,
            "node": guest.node, "status": "unknown",
        })
    })
}

/// A storage in `/cluster/resources` and in pools.
pub(super) fn storage_row(world: &World, node: &str, id: &str) -> Option<Value> {
    let storage = world.storage(id).ok()?;
    (storage.is_enabled() && storage.is_on(node)).then(|| {
        json!({
            "id": format!("storage/{node}/{id}"), "type": "storage", "storage": id, "node": node,
            "plugintype": storage.kind, "content": storage.content().join(","),
            "shared": u8::from(storage.is_shared()), "status": "available",
            "disk": 23_927_627_776_u64,
            "maxdisk": world.nodes.get(node).map_or(0, |node| node.disk),
        })
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn resources(call: &mut Call<'_>) -> Result<Value> {
    let kind = call.given.get("type");
    let wants = |name: &str| kind.is_none_or(|kind| kind == name);
    let world = &call.world;
    let mut rows = Vec::new();
    if wants("vm") {
        for (&vmid, guest) in &world.guests {
            if call.may(&format!("/vms/{vmid}"), &["VM.Audit"]) {
                let mut row = seen_guest(world, vmid, guest);
                let pool = world.pools.iter().find(|(_, pool)| pool.guests.contains(&vmid));
                if let Some((name, _)) = pool
                    && call.may(&format!("/pool/{name}"), &["Pool.Audit"])
                {
                    row["pool"] = name.as_str().into();
                }
                rows.push(row);
            }
        }
    }
    if wants("node") {
        rows.extend(world.nodes.keys().map(|name| {
            let mut row = super::nodes::row(call, name);
            row["cgroup-mode"] = 2.into();
            if let Some(row) = row.as_object_mut() {
                row.remove("ssl_fingerprint");
            }
            row
        }));
    }
    if wants("storage") {
        for (id, _) in world.all_storages() {
            let rights = ["Datastore.Audit", "Datastore.AllocateSpace"];
            if call.may_any(&format!("/storage/{id}"), &rights) {
                rows.extend(world.nodes.keys().filter_map(|node| storage_row(world, node, &id)));
            }
        }
    }
    if wants("sdn") {
        rows.extend(zone_rows(call));
    }
    Ok(rows.into())
}

/// Zones of networks, as each node sees them.
fn zone_rows(call: &Call<'_>) -> Vec<Value> {
    let zones = ["localnetwork".to_owned()].into_iter().chain(call.world.sdn.running_zones());
    let mut rows = Vec::new();
    for zone in zones {
        let rights = ["SDN.Audit", "SDN.Use", "SDN.Allocate"];
        if !call.may_any(&format!("/sdn/zones/{zone}"), &rights) {
            continue;
        }
        for node in call.world.nodes.keys() {
            rows.push(json!({
                "id": format!("network/{node}/zone/{zone}"), "type": "network", "network": zone,
                "network-type": "zone", "node": node, "status": "ok",
            }));
        }
    }
    rows
}

/// Whether a guest is one of that kind.
pub(super) fn is_kind(guest: &Guest, kind: &str) -> bool {
    matches!((guest.kind, kind), (Kind::Qemu, "qemu") | (Kind::Lxc, "lxc"))
}
