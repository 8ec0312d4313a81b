//! Starting containers, stopping and removing them.

use serde_json::Value;

use super::{begin, container, go, is_volume};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Kind, Power};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::World;

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn start(call: &mut Call<'_>) -> Result<Value> {
    Ok(go(call, Act::LxcStart, "vzstart"))
}

/// Goes on only with a container that runs; the real system is not of one mind what to call it.
fn running(call: &Call<'_>, title: &str) -> Result<()> {
    let vmid = call.given.vmid();
    match call.world.guest(Kind::Lxc, &call.node, vmid) {
        Ok(guest) if guest.is_running() => Ok(()),
        _ => Err(Refusal::failed(format!("{title} {vmid} not running"))),
    }
}

pub(super) fn stop(call: &mut Call<'_>) -> Result<Value> {
    running(call, "CT")?;
    Ok(go(call, Act::LxcStop, "vzstop"))
}

pub(super) fn shutdown(call: &mut Call<'_>) -> Result<Value> {
    running(call, "CT")?;
    let takes_ms = call.world.pace.shutdown_ms;
    let given = Params(call.given.without(&["node", "vmid"]));
    Ok(begin(call, Act::LxcShutdown, "vzshutdown", takes_ms, given))
}

pub(super) fn reboot(call: &mut Call<'_>) -> Result<Value> {
    running(call, "VM")?;
    let takes_ms = call.world.pace.shutdown_ms;
    let given = Params(call.given.without(&["node", "vmid"]));
    Ok(begin(call, Act::LxcReboot, "vzreboot", takes_ms, given))
}

/// What a task about power does.
pub(super) fn run(world: &mut World, job: &Job) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let (now_ms, chance) = (world.now_ms(), world.chance.number());
    let guest = container(world, &job.node, vmid)?;
    guest.unlocked()?;
    if job.act == Act::LxcStart {
        if guest.is_template() {
            return Err(Refusal::failed("you can't start a CT if it's a template"));
        }
        if guest.is_running() {
            return Err(Refusal::failed(format!("CT {vmid} already running")));
        }
        for (_, text) in guest.config.iter().filter(|(option, _)| is_volume(option)) {
            let id = text.split(',').next().unwrap_or_default();
            world.volume(&job.node, id)?;
        }
    }
    let runs = matches!(job.act, Act::LxcStart | Act::LxcReboot);
    let pid = u32::try_from(chance % 30_000).unwrap_or_default() + 1_000;
    let guest = world.guest_mut(Kind::Lxc, &job.node, vmid)?;
    guest.power =
        if runs { Power::Running { since_ms: now_ms, pid, paused: false } } else { Power::Stopped };
    Ok(())
}

pub(super) fn destroy(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let guest = container(call.world, &call.node, vmid)?;
    if guest.flag("protection") {
        return Err(Refusal::failed(format!("can't remove CT {vmid} - protection mode enabled")));
    }
    guest.unlocked()?;
    if guest.is_running() && !call.given.flag("force") {
        return Err(Refusal::failed(format!("CT {vmid} is running - destroy failed")));
    }
    Ok(go(call, Act::LxcDestroy, "vzdestroy"))
}

/// Removes a container and its volumes.
pub(super) fn run_destroy(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    container(world, &job.node, vmid)?.unlocked()?;
    let own = world.volumes.iter().filter(|volume| volume.vmid == Some(vmid));
    let own: Vec<String> = own.map(crate::proxmox::storage::Volume::id).collect();
    for id in own {
        world.remove_volume(&job.node, &id)?;
    }
    world.forget_guest(vmid);
    if job.given.flag("purge") {
        log.say(format!("purging CT {vmid} from related configurations.."));
    }
    Ok(())
}
