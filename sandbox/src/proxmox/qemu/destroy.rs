//! Removing machines.

use serde_json::Value;

use super::{begin, machine, only_root_skips_locks};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::World;

pub(super) fn destroy(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    if guest.flag("protection") {
        return Err(Refusal::failed(format!("can't remove VM {vmid} - protection mode enabled")));
    }
    if guest.is_running() {
        return Err(Refusal::failed(format!("VM {vmid} is running - destroy failed")));
    }
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuDestroy, "qmdestroy", takes_ms, given))
}

/// Removes a machine and its volumes.
pub(in crate::proxmox) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let guest = machine(world, &job.node, vmid)?;
    if !job.given.flag("skiplock") {
        guest.unlocked()?;
    }
    if guest.is_running() {
        return Err(Refusal::failed(format!("VM {vmid} is running - destroy failed")));
    }
    let named: Vec<String> = guest
        .config
        .values()
        .chain(guest.pending.values())
        .chain(guest.snapshots.values().flat_map(|options| options.values()))
        .filter_map(|text| text.split(',').next())
        .filter(|id| id.contains(':'))
        .map(str::to_owned)
        .collect();
    let unreferenced = job.given.flag("destroy-unreferenced-disks");
    let mut own: Vec<String> = Vec::new();
    for volume in world.volumes.iter().filter(|volume| volume.vmid == Some(vmid)) {
        let id = volume.id();
        if unreferenced || named.contains(&id) {
            let name = &volume.name;
            let is_base = world.volumes.iter().any(|other| {
                other.storage == volume.storage && other.parent.as_ref() == Some(name)
            });
            if is_base {
                let why = format!("base volume '{id}' is still in use by linked cloned");
                return Err(Refusal::failed(why));
            }
            own.push(id);
        }
    }
    for id in own {
        world.remove_volume(&job.node, &id)?;
    }
    world.forget_guest(vmid);
    if job.given.flag("purge") {
        log.say(format!("purging VM {vmid} from related configurations.."));
    }
    Ok(())
}
