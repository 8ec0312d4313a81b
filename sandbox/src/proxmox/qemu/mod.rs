//! Virtual machines.

pub(super) mod agent;
pub(super) mod clone;
mod cloudinit;
pub(super) mod config;
pub(super) mod create;
pub(super) mod destroy;
pub(super) mod disks;
mod drives;
pub(super) mod power;
mod rights;
pub(super) mod snapshot;

use serde_json::{Value, json};

use super::call::{Call, Handler, Params};
use super::guest::{Guest, Kind, Power};
use super::refusal::{Refusal, Result};
use super::tasks::{Act, Job};
use super::world::World;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /nodes/{node}/qemu", list),
    ("POST /nodes/{node}/qemu", create::create),
    ("DELETE /nodes/{node}/qemu/{vmid}", destroy::destroy),
    ("GET /nodes/{node}/qemu/{vmid}/config", config::read),
    ("PUT /nodes/{node}/qemu/{vmid}/config", config::update),
    ("POST /nodes/{node}/qemu/{vmid}/config", config::update_later),
    ("GET /nodes/{node}/qemu/{vmid}/pending", config::pending),
    ("PUT /nodes/{node}/qemu/{vmid}/unlink", config::unlink),
    ("GET /nodes/{node}/qemu/{vmid}/status/current", current),
    ("POST /nodes/{node}/qemu/{vmid}/status/start", power::start),
    ("POST /nodes/{node}/qemu/{vmid}/status/stop", power::stop),
    ("POST /nodes/{node}/qemu/{vmid}/status/shutdown", power::shutdown),
    ("POST /nodes/{node}/qemu/{vmid}/status/reboot", power::reboot),
    ("POST /nodes/{node}/qemu/{vmid}/status/reset", power::reset),
    ("POST /nodes/{node}/qemu/{vmid}/status/suspend", power::pause),
    ("POST /nodes/{node}/qemu/{vmid}/status/resume", power::resume),
    ("PUT /nodes/{node}/qemu/{vmid}/resize", disks::resize),
    ("POST /nodes/{node}/qemu/{vmid}/move_disk", disks::move_disk),
    ("POST /nodes/{node}/qemu/{vmid}/template", clone::template),
    ("POST /nodes/{node}/qemu/{vmid}/clone", clone::clone),
    ("GET /nodes/{node}/qemu/{vmid}/snapshot", snapshot::list),
    ("POST /nodes/{node}/qemu/{vmid}/snapshot", snapshot::create),
    ("DELETE /nodes/{node}/qemu/{vmid}/snapshot/{snapname}", snapshot::delete),
    ("GET /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config", snapshot::read),
    ("PUT /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config", snapshot::update),
    ("POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback", snapshot::rollback),
    ("GET /nodes/{node}/qemu/{vmid}/cloudinit", cloudinit::list),
    ("PUT /nodes/{node}/qemu/{vmid}/cloudinit", cloudinit::update),
    ("GET /nodes/{node}/qemu/{vmid}/cloudinit/dump", cloudinit::dump),
    ("POST /nodes/{node}/qemu/{vmid}/agent", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/exec", agent::exec),
    ("GET /nodes/{node}/qemu/{vmid}/agent/exec-status", agent::exec_status),
    ("POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-freeze", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-status", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-thaw", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/fstrim", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-fsinfo", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-host-name", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-memory-block-info", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-memory-blocks", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-osinfo", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-time", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-timezone", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-users", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/get-vcpus", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/info", agent::command),
    ("GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/ping", agent::ping),
    ("POST /nodes/{node}/qemu/{vmid}/agent/set-user-password", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/shutdown", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/suspend-disk", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/suspend-hybrid", agent::command),
    ("POST /nodes/{node}/qemu/{vmid}/agent/suspend-ram", agent::command),
];

/// A virtual machine on that node.
fn machine<'w>(world: &'w World, node: &str, vmid: u32) -> Result<&'w Guest> {
    world.guest(Kind::Qemu, node, vmid)
}

/// The same where another part of the real system looks for it, and says so in other words.
fn found<'w>(world: &'w World, node: &str, vmid: u32) -> Result<&'w Guest> {
    machine(world, node, vmid).map_err(|_| {
        let why = format!("unable to find configuration file for VM {vmid} on node '{node}'");
        Refusal::failed(why)
    })
}

/// Begins a task about the machine of a call.
fn begin(call: &mut Call<'_>, act: Act, kind: &str, takes_ms: u64, given: Params) -> Value {
    let vmid = call.given.vmid();
    let (node, caller) = (call.node.clone(), call.caller.clone());
    let job = Job { act, vmid: Some(vmid), given, caller, node };
    call.world.begin(kind, &vmid.to_string(), takes_ms, job)
}

/// Only root may go past a lock.
fn only_root_skips_locks(call: &Call<'_>) -> Result<()> {
    if call.given.flag("skiplock") && !call.caller.is_root() {
        return Err(Refusal::parameter("skiplock", "Only root may use this option."));
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn list(call: &mut Call<'_>) -> Result<Value> {
    let full = call.given.flag("full");
    let here = call.world.guests.iter().filter(|(id, guest)| {
        guest.kind == Kind::Qemu
            && guest.node == call.node
            && call.may(&format!("/vms/{id}"), &["VM.Audit"])
    });
    Ok(here.map(|(&id, guest)| row(call.world, id, guest, full)).collect())
}

/// A machine and what it does.
fn row(world: &World, vmid: u32, guest: &Guest, full: bool) -> Value {
    let node_has = world.nodes.get(&guest.node).map_or(1, |node| u64::from(node.cpus));
    let mut row = json!({
        "vmid": vmid,
        "name": guest.title(vmid),
        "status": if guest.is_running() { "running" } else { "stopped" },
        "cpus": guest.processors(node_has),
        "maxmem": guest.memory(),
        "maxdisk": guest.disk(),
        "uptime": 0, "cpu": 0, "mem": 0, "memhost": 0, "disk": 0, "netin": 0, "netout": 0,
    });
    for key in ["tags", "lock"] {
        if let Some(text) = guest.config.get(key) {
            row[key] = text.as_str().into();
        }
    }
    if guest.is_template() {
        row["template"] = 1.into();
    }
    if guest.config.contains_key("serial0") {
        row["serial"] = 1.into();
    }
    let balloon = guest.number("balloon", 0);
    if balloon > 0 {
        row["balloon_min"] = (balloon << 20).into();
        row["shares"] = guest.number("shares", 1000).into();
    }
    if let Power::Running { since_ms, pid, paused } = guest.power {
        row["pid"] = pid.into();
        row["uptime"] = (world.now_ms().saturating_sub(since_ms) / 1000).into();
        for kind in ["cpu", "io", "memory"] {
            row[format!("pressure{kind}full")] = 0.into();
            row[format!("pressure{kind}some")] = 0.into();
        }
        if full {
            row["balloon"] = guest.memory().into();
            row["ballooninfo"] = json!({ "actual": guest.memory(), "max_mem": guest.memory() });
            row["diskread"] = 0.into();
            row["diskwrite"] = 0.into();
            row["proxmox-support"] = json!({ "pbs-dirty-bitmap": true });
            row["running-machine"] = "pc-i440fx-10.1+pve0".into();
            row["running-qemu"] = "10.1.2".into();
        }
        row["qmpstatus"] = if paused { "paused" } else { "running" }.into();
    } else {
        row["qmpstatus"] = "stopped".into();
    }
    if let Some(row) = row.as_object_mut().filter(|_| !full) {
        row.remove("qmpstatus");
    }
    row
}

fn current(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    let mut row = row(call.world, vmid, guest, true);
    row["ha"] = json!({ "managed": 0 });
    if agent::is_configured(guest) {
        row["agent"] = 1.into();
    }
    Ok(row)
}
