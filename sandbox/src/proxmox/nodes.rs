//! Calls about nodes.

use serde_json::{Value, json};

use super::call::{Call, Handler};
use super::refusal::Result;
use super::world::{Node, Options};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /nodes", list),
    ("GET /nodes/{node}/status", status),
    ("GET /nodes/{node}/dns", resolver),
    ("PUT /nodes/{node}/dns", update_resolver),
    ("GET /nodes/{node}/time", time),
    ("PUT /nodes/{node}/time", update_time),
    ("GET /nodes/{node}/config", options),
    ("PUT /nodes/{node}/config", update_options),
];

/// A node in lists; its load is shown to who may see it.
pub(super) fn row(call: &Call<'_>, name: &str) -> Value {
    let Some(node) = call.world.nodes.get(name) else { return Value::Null };
    let mut row = json!({
        "id": format!("node/{name}"), "node": name, "type": "node", "level": "",
        "status": if node.online { "online" } else { "offline" },
        "ssl_fingerprint": node.fingerprint,
    });
    if node.online && call.may(&format!("/nodes/{name}"), &["Sys.Audit"]) {
        row["cpu"] = 0.into();
        row["maxcpu"] = node.cpus.into();
        row["mem"] = 2_164_043_776_u64.into();
        row["maxmem"] = node.memory.into();
        row["disk"] = 23_927_627_776_u64.into();
        row["maxdisk"] = node.disk.into();
        row["uptime"] = (call.world.now_ms().saturating_sub(node.booted_ms) / 1000).into();
    }
    row
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn list(call: &mut Call<'_>) -> Result<Value> {
    Ok(call.world.nodes.keys().map(|name| row(call, name)).collect())
}

fn node<'c>(call: &'c mut Call<'_>) -> &'c mut Node {
    // The router lets no call through that names another node than one of these.
    let name =
        if call.world.nodes.contains_key(&call.node) { &call.node } else { &call.world.here };
    let name = name.clone();
    call.world.nodes.entry(name).or_insert_with(|| Node {
        id: 0,
        address: String::new(),
        fingerprint: String::new(),
        booted_ms: 0,
        cpus: 0,
        memory: 0,
        disk: 0,
        online: false,
        network: super::network::Network::default(),
        resolver: Options::new(),
        timezone: String::new(),
        options: Options::new(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn status(call: &mut Call<'_>) -> Result<Value> {
    let now_ms = call.world.now_ms();
    let node = node(call);
    let (memory, disk) = (node.memory, node.disk);
    let (used_memory, used_disk) = (2_164_043_776_u64, 23_927_627_776_u64);
    Ok(json!({
        "uptime": now_ms.saturating_sub(node.booted_ms) / 1000,
        "cpu": 0, "wait": 0, "idle": 0,
        "loadavg": ["0.00", "0.00", "0.00"],
        "cpuinfo": { "cpus": node.cpus, "cores": node.cpus, "sockets": 1, "model": "QEMU Virtual CPU" },
        "memory": { "total": memory, "used": used_memory, "free": memory.saturating_sub(used_memory) },
        "swap": { "total": 0, "used": 0, "free": 0 },
        "rootfs": { "total": disk, "used": used_disk, "avail": disk.saturating_sub(used_disk), "free": disk.saturating_sub(used_disk) },
        "pveversion": "pve-manager/9.2.11/14a22df35955d97d",
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn resolver(call: &mut Call<'_>) -> Result<Value> {
    Ok(json!(node(call).resolver))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn update_resolver(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.without(&["node"]);
    node(call).resolver = given;
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn time(call: &mut Call<'_>) -> Result<Value> {
    let now = call.world.now();
    Ok(json!({ "time": now, "localtime": now, "timezone": node(call).timezone }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn update_time(call: &mut Call<'_>) -> Result<Value> {
    let timezone = call.given.text("timezone").to_owned();
    node(call).timezone = timezone;
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn options(call: &mut Call<'_>) -> Result<Value> {
    let node = node(call);
    let digest = super::call::digest(&super::call::lines(&node.options));
    let mut row = json!(node.options);
    row["digest"] = digest.into();
    Ok(row)
}

fn update_options(call: &mut Call<'_>) -> Result<Value> {
    let options = node(call).options.clone();
    call.same_digest(&super::call::digest(&super::call::lines(&options)))?;
    let (given, gone) =
        (call.given.without(&["node", "delete", "digest"]), call.given.list("delete"));
    let node = node(call);
    node.options.retain(|key, _| !gone.contains(key));
    node.options.extend(given);
    Ok(Value::Null)
}
