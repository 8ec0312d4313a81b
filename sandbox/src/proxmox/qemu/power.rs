//! Starting machines, and stopping them.

use serde_json::Value;

use super::{begin, config, drives, found, machine, only_root_skips_locks};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind, Power};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::World;

/// How long a machine may take to shut down, in seconds, unless the call says so.
const TIMEOUT_S: u64 = 180;

/// Begins a task with what the call gave.
fn go(call: &mut Call<'_>, act: Act, kind: &str, takes_ms: u64) -> Value {
    let given = Params(call.given.without(&["node", "vmid"]));
    begin(call, act, kind, takes_ms, given)
}

/// Goes on only with a machine that runs.
fn running<'c>(call: &'c Call<'_>) -> Result<&'c Guest> {
    let vmid = call.given.vmid();
    let guest = call.world.guest(Kind::Qemu, &call.node, vmid);
    match guest {
        Ok(guest) if guest.is_running() => Ok(guest),
        _ => Err(Refusal::failed(format!("VM {vmid} not running"))),
    }
}

pub(super) fn start(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    let takes_ms = call.world.pace.task_ms;
    Ok(go(call, Act::QemuStart, "qmstart", takes_ms))
}

pub(super) fn stop(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    let vmid = call.given.vmid();
    if call.given.flag("overrule-shutdown") && call.world.has_active("qmshutdown", vmid) {
        let ended = call.world.interrupt(|kind, id| kind == "qmshutdown" && id == Some(vmid));
        let line = format!("overruled qmshutdown tasks: {}", ended.join(", "));
        call.given.0.insert("+log".into(), line);
    }
    let takes_ms = call.world.pace.task_ms;
    Ok(go(call, Act::QemuStop, "qmstop", takes_ms))
}

pub(super) fn shutdown(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    let guest = call.world.guest(Kind::Qemu, &call.node, call.given.vmid());
    let forced = call.given.flag("forceStop");
    if guest.as_ref().is_ok_and(|guest| guest.is_paused()) && !forced {
        return Err(Refusal::failed("VM is paused - cannot shutdown"));
    }
    let pace = call.world.pace;
    let takes_ms = match guest {
        Ok(guest) if is_deaf(guest) => {
            call.given.number("timeout").unwrap_or(TIMEOUT_S).saturating_mul(1000)
        }
        Ok(guest) if guest.is_running() => pace.shutdown_ms,
        _ => pace.task_ms,
    };
    Ok(go(call, Act::QemuShutdown, "qmshutdown", takes_ms))
}

/// Whether a machine that runs does not hear that it shall shut down: it is paused, or its name says
/// so.
fn is_deaf(guest: &Guest) -> bool {
    let named = guest.config.get("name").is_some_and(|name| name.starts_with("deaf"));
    guest.is_running() && (named || guest.is_paused())
}

pub(super) fn reboot(call: &mut Call<'_>) -> Result<Value> {
    running(call)?;
    let takes_ms = call.world.pace.shutdown_ms + call.world.pace.task_ms;
    Ok(go(call, Act::QemuReboot, "qmreboot", takes_ms))
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    running(call)?;
    let takes_ms = call.world.pace.task_ms;
    Ok(go(call, Act::QemuReset, "qmreset", takes_ms))
}

pub(super) fn pause(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    running(call)?;
    let takes_ms = call.world.pace.task_ms;
    let kind = if call.given.flag("todisk") { "qmsuspend" } else { "qmpause" };
    Ok(go(call, Act::QemuPause, kind, takes_ms))
}

pub(super) fn resume(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    running(call)?;
    let takes_ms = call.world.pace.task_ms;
    Ok(go(call, Act::QemuResume, "qmresume", takes_ms))
}

/// What a task about power does.
pub(in crate::proxmox) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let node = job.node.as_str();
    if let Some(line) = job.given.get("+log") {
        log.say(line);
    }
    if job.act == Act::QemuStart {
        let guest = machine(world, node, vmid)?;
        if guest.is_template() {
            return Err(Refusal::failed("you can't start a vm if it's a template"));
        }
        let suspended = guest.config.get("lock").is_some_and(|lock| lock == "suspended");
        if !suspended && !job.given.flag("skiplock") {
            guest.unlocked()?;
        }
        if guest.is_running() {
            return Err(Refusal::failed(format!("VM {vmid} already running")));
        }
        let is_efi = guest.config.get("bios").is_some_and(|bios| bios == "ovmf");
        if is_efi && !guest.config.contains_key("efidisk0") {
            log.warn("no efidisk configured! Using temporary efivars disk.");
        }
        return power_on(world, node, vmid);
    }
    let guest = found(world, node, vmid)?;
    if !guest.is_running() {
        return Ok(());
    }
    if !job.given.flag("skiplock") {
        guest.unlocked()?;
    }
    let deaf = is_deaf(guest);
    match job.act {
        Act::QemuStop => power_off(world, node, vmid),
        Act::QemuShutdown if deaf && !job.given.flag("forceStop") => {
            Err(Refusal::failed("VM quit/powerdown failed - got timeout"))
        }
        Act::QemuShutdown => {
            if deaf {
                log.say("VM still running - terminating now with SIGTERM");
            }
            power_off(world, node, vmid)
        }
        Act::QemuReboot => {
            power_off(world, node, vmid)?;
            if world.whole_host { power_on(world, node, vmid) } else { Ok(()) }
        }
        Act::QemuPause if job.given.flag("todisk") => {
            power_off(world, node, vmid)?;
            let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
            guest.config.insert("lock".into(), "suspended".into());
            Ok(())
        }
        Act::QemuPause => set_paused(world, node, vmid, true),
        Act::QemuResume => set_paused(world, node, vmid, false),
        _ => Ok(()),
    }
}

fn set_paused(world: &mut World, node: &str, vmid: u32, now: bool) -> Result<()> {
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    if let Power::Running { paused, .. } = &mut guest.power {
        *paused = now;
    }
    Ok(())
}

/// Starts a machine with everything that waited for it.
pub(super) fn power_on(world: &mut World, node: &str, vmid: u32) -> Result<()> {
    config::apply_pending(world, node, vmid, true)?;
    let guest = machine(world, node, vmid)?;
    for (option, text) in guest.config.iter().filter(|(option, _)| drives::is_drive(option)) {
        if let drives::Source::Volume(id) = drives::source(&drives::parse(option, text)) {
            world.volume(node, &id)?;
        }
    }
    super::cloudinit::generate(world, node, vmid)?;
    let since_ms = world.now_ms();
    let pid = u32::try_from(world.chance.number() % 30_000).unwrap_or_default() + 1_000;
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    if guest.config.get("lock").is_some_and(|lock| lock == "suspended") {
        guest.config.remove("lock");
    }
    guest.power = Power::Running { since_ms, pid, paused: false };
    Ok(())
}

/// Stops a machine; what waited for that is done.
fn power_off(world: &mut World, node: &str, vmid: u32) -> Result<()> {
    world.guest_mut(Kind::Qemu, node, vmid)?.power = Power::Stopped;
    config::apply_pending(world, node, vmid, true)
}
