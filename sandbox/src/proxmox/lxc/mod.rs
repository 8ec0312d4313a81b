//! Containers.

mod config;
mod copy;
mod create;
mod power;

use serde_json::{Value, json};

use super::call::{Call, Handler, Params};
use super::guest::{Guest, Kind, Power, pending_rows};
use super::qemu::snapshot;
use super::refusal::{Refusal, Result};
use super::storage::{bytes, size_text};
use super::tasks::{Act, Job, Log};
use super::world::World;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /nodes/{node}/lxc", list),
    ("POST /nodes/{node}/lxc", create::create),
    ("GET /nodes/{node}/lxc/{vmid}", index),
    ("DELETE /nodes/{node}/lxc/{vmid}", power::destroy),
    ("GET /nodes/{node}/lxc/{vmid}/config", config::read),
    ("PUT /nodes/{node}/lxc/{vmid}/config", config::update),
    ("GET /nodes/{node}/lxc/{vmid}/pending", pending),
    ("GET /nodes/{node}/lxc/{vmid}/status", status_index),
    ("GET /nodes/{node}/lxc/{vmid}/status/current", current),
    ("POST /nodes/{node}/lxc/{vmid}/status/start", power::start),
    ("POST /nodes/{node}/lxc/{vmid}/status/stop", power::stop),
    ("POST /nodes/{node}/lxc/{vmid}/status/shutdown", power::shutdown),
    ("POST /nodes/{node}/lxc/{vmid}/status/reboot", power::reboot),
    ("POST /nodes/{node}/lxc/{vmid}/clone", copy::clone),
    ("POST /nodes/{node}/lxc/{vmid}/template", copy::template),
    ("PUT /nodes/{node}/lxc/{vmid}/resize", resize),
    ("GET /nodes/{node}/lxc/{vmid}/snapshot", snapshots),
    ("POST /nodes/{node}/lxc/{vmid}/snapshot", create_snapshot),
    ("DELETE /nodes/{node}/lxc/{vmid}/snapshot/{snapname}", delete_snapshot),
    ("GET /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/config", read_snapshot),
    ("PUT /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/config", update_snapshot),
    ("POST /nodes/{node}/lxc/{vmid}/snapshot/{snapname}/rollback", rollback),
];

/// Does the work of a task about a container.
pub(super) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    match job.act {
        Act::LxcCreate => create::run(world, job, log),
        Act::LxcClone => copy::run(world, job, log),
        Act::LxcTemplate => copy::run_template(world, job),
        Act::LxcDestroy => power::run_destroy(world, job, log),
        Act::LxcResize => run_resize(world, job),
        Act::LxcSnapshot | Act::LxcDeleteSnapshot | Act::LxcRollback => run_snapshot(world, job),
        _ => power::run(world, job),
    }
}

/// A container on that node.
fn container<'w>(world: &'w World, node: &str, vmid: u32) -> Result<&'w Guest> {
    world.guest(Kind::Lxc, node, vmid)
}

/// Begins a task about the container of a call.
fn begin(call: &mut Call<'_>, act: Act, kind: &str, takes_ms: u64, given: Params) -> Value {
    let vmid = call.given.vmid();
    let (node, caller) = (call.node.clone(), call.caller.clone());
    let job = Job { act, vmid: Some(vmid), given, caller, node };
    call.world.begin(kind, &vmid.to_string(), takes_ms, job)
}

/// The same with what the call gave.
fn go(call: &mut Call<'_>, act: Act, kind: &str) -> Value {
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    begin(call, act, kind, takes_ms, given)
}

/// Whether an option is a volume of the container.
fn is_volume(option: &str) -> bool {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    option == "rootfs" || (stem == "mp" && stem != option)
}

fn subdirectories(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "subdir": name })).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn index(_: &mut Call<'_>) -> Result<Value> {
    Ok(subdirectories(&[
        "config",
        "pending",
        "status",
        "vncproxy",
        "termproxy",
        "vncwebsocket",
        "spiceproxy",
        "migrate",
        "clone",
        "initlog",
        "rrd",
        "rrddata",
        "firewall",
        "snapshot",
        "resize",
        "interfaces",
        "mtunnel",
        "remote_migrate",
    ]))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn status_index(_: &mut Call<'_>) -> Result<Value> {
    Ok(subdirectories(&["current", "start", "stop", "shutdown", "reboot", "suspend", "resume"]))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn list(call: &mut Call<'_>) -> Result<Value> {
    let here = call.world.guests.iter().filter(|(id, guest)| {
        guest.kind == Kind::Lxc
            && guest.node == call.node
            && call.may(&format!("/vms/{id}"), &["VM.Audit"])
    });
    Ok(here.map(|(&id, guest)| row(call.world, id, guest)).collect())
}

/// A container and what it does.
fn row(world: &World, vmid: u32, guest: &Guest) -> Value {
    let node_has = world.nodes.get(&guest.node).map_or(1, |node| u64::from(node.cpus));
    let uptime = match guest.power {
        Power::Running { since_ms, .. } => world.now_ms().saturating_sub(since_ms) / 1000,
        Power::Stopped => 0,
    };
    let mut row = json!({
        "vmid": vmid, "type": "lxc", "name": guest.title(vmid),
        "status": if guest.is_running() { "running" } else { "stopped" },
        "cpus": guest.processors(node_has),
        "maxmem": guest.memory(), "maxswap": guest.number("swap", 512) << 20,
        "maxdisk": guest.disk(), "uptime": uptime,
        "cpu": 0, "mem": 0, "swap": 0, "disk": 0, "netin": 0, "netout": 0, "diskread": 0,
        "diskwrite": 0,
    });
    for key in ["tags", "lock"] {
        if let Some(text) = guest.config.get(key) {
            row[key] = text.as_str().into();
        }
    }
    if guest.is_template() {
        row["template"] = 1.into();
    }
    if let Power::Running { pid, .. } = guest.power {
        row["pid"] = pid.into();
    }
    row
}

fn current(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let mut row = row(call.world, vmid, container(call.world, &call.node, vmid)?);
    row["ha"] = json!({ "managed": 0 });
    Ok(row)
}

fn pending(call: &mut Call<'_>) -> Result<Value> {
    Ok(pending_rows(container(call.world, &call.node, call.given.vmid())?))
}

fn resize(call: &mut Call<'_>) -> Result<Value> {
    let guest = container(call.world, &call.node, call.given.vmid())?;
    call.same_digest(&guest.digest())?;
    guest.unlocked()?;
    Ok(go(call, Act::LxcResize, "resize"))
}

/// Grows a volume; one that is a directory has no size.
fn run_resize(world: &mut World, job: &Job) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let option = job.given.text("disk");
    let guest = container(world, &job.node, vmid)?;
    let Some(text) = guest.config.get(option) else {
        return Err(Refusal::failed(format!("disk '{option}' does not exist")));
    };
    let mut parts = config::parse_volume(option, text);
    let id = parts.get("volume").cloned().unwrap_or_default();
    let volume = world.volume(&job.node, &id)?;
    if volume.format == "subvol" {
        return Err(Refusal::failed("can't resize this image format"));
    }
    let size = job.given.text("size");
    let new = match size.strip_prefix('+') {
        Some(more) => volume.size.saturating_add(bytes(more)),
        None => bytes(size),
    };
    if new < volume.size {
        return Err(Refusal::failed("unable to shrink disk size"));
    }
    if let Some(n) = world.volume_index(&job.node, &id) {
        world.volumes[n].size = new;
    }
    parts.insert("size".into(), size_text(new));
    let text = config::print_volume(option, &parts);
    world.guest_mut(Kind::Lxc, &job.node, vmid)?.config.insert(option.to_owned(), text);
    Ok(())
}

fn snapshots(call: &mut Call<'_>) -> Result<Value> {
    Ok(snapshot::rows(container(call.world, &call.node, call.given.vmid())?))
}

fn create_snapshot(call: &mut Call<'_>) -> Result<Value> {
    snapshot::check_name(call.given.text("snapname"))?;
    Ok(go(call, Act::LxcSnapshot, "vzsnapshot"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn delete_snapshot(call: &mut Call<'_>) -> Result<Value> {
    Ok(go(call, Act::LxcDeleteSnapshot, "vzdelsnapshot"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn rollback(call: &mut Call<'_>) -> Result<Value> {
    Ok(go(call, Act::LxcRollback, "vzrollback"))
}

fn read_snapshot(call: &mut Call<'_>) -> Result<Value> {
    let guest = container(call.world, &call.node, call.given.vmid())?;
    Ok(guest.typed(snapshot::named(guest, call.given.text("snapname"))?).into())
}

fn update_snapshot(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    let name = call.given.text("snapname").to_owned();
    let description = call.given.get("description").map(str::to_owned);
    snapshot::describe(call.world.guest_mut(Kind::Lxc, &node, vmid)?, &name, description)?;
    Ok(Value::Null)
}

/// Makes, removes or goes back to a snapshot.
fn run_snapshot(world: &mut World, job: &Job) -> Result<()> {
    let (vmid, name) = (job.vmid.unwrap_or_default(), job.given.text("snapname"));
    let now = world.now();
    let volumes = world.volumes.iter().filter(|volume| volume.vmid == Some(vmid));
    let plain =
        volumes.into_iter().any(|volume| matches!(volume.format.as_str(), "raw" | "subvol"));
    let guest = world.guest_mut(Kind::Lxc, &job.node, vmid)?;
    guest.unlocked()?;
    if job.act != Act::LxcSnapshot {
        snapshot::named(guest, name)?;
    }
    match job.act {
        Act::LxcSnapshot if guest.snapshots.contains_key(name) => {
            Err(Refusal::failed(format!("snapshot name '{name}' already used")))
        }
        Act::LxcSnapshot if plain => Err(Refusal::failed("snapshot feature is not available")),
        Act::LxcSnapshot => {
            snapshot::take(guest, name, job.given.get("description"), now);
            Ok(())
        }
        Act::LxcDeleteSnapshot => {
            snapshot::remove(guest, name);
            Ok(())
        }
        _ => {
            snapshot::go_back(guest, name);
            Ok(())
        }
    }
}
