//! Disks that grow and move.

use serde_json::Value;

use super::{begin, drives, machine, only_root_skips_locks};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::storage::{Wanted, bytes, size_text};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::World;

pub(super) fn resize(call: &mut Call<'_>) -> Result<Value> {
    only_root_skips_locks(call)?;
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuResize, "resize", takes_ms, given))
}

/// The volume of a disk, when it is one.
fn disk(guest: &Guest, option: &str) -> Result<String> {
    let absent = || Refusal::failed(format!("disk '{option}' does not exist"));
    let text = guest.config.get(option).ok_or_else(absent)?;
    Ok(text.split(',').next().unwrap_or_default().to_owned())
}

/// Grows a disk.
pub(in crate::proxmox) fn run_resize(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let guest = machine(world, &job.node, vmid)?;
    if job.given.get("digest").is_some_and(|digest| digest != guest.digest()) {
        return Err(Refusal::failed("checksum mismatch (file change by other user?)"));
    }
    if !job.given.flag("skiplock") {
        guest.unlocked()?;
    }
    let option = job.given.text("disk");
    let id = disk(guest, option)?;
    let drive = drives::parse(option, &guest.config[option]);
    if drives::is_cdrom(&drive) {
        return Err(Refusal::failed("you can't resize a cdrom"));
    }
    let old = world.volume(&job.node, &id)?.size;
    let text = job.given.text("size");
    let new = match text.strip_prefix('+') {
        Some(more) => old.saturating_add(bytes(more)),
        None => bytes(text),
    };
    if new < old {
        return Err(Refusal::failed("shrinking disks is not supported"));
    }
    if new == old {
        return Ok(());
    }
    if let Some(n) = world.volume_index(&job.node, &id) {
        world.volumes[n].size = new;
    }
    let mut drive = drive;
    drive.insert("size".into(), size_text(new));
    let guest = world.guest_mut(Kind::Qemu, &job.node, vmid)?;
    guest.config.insert(option.to_owned(), drives::print(option, &drive));
    log.say("Image resized.");
    Ok(())
}

pub(super) fn move_disk(call: &mut Call<'_>) -> Result<Value> {
    let storage = call.given.text("storage").to_owned();
    if storage.is_empty() {
        let why = "either 'storage' or 'target-vmid' must be given";
        return Err(Refusal::parameter("storage", why));
    }
    call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let guest = machine(call.world, &call.node, call.given.vmid())?;
    if call.given.get("digest").is_some_and(|digest| digest != guest.digest()) {
        return Err(Refusal::failed("checksum mismatch (file change by other user?)"));
    }
    guest.unlocked()?;
    let option = call.given.text("disk");
    let id = disk(guest, option)?;
    if drives::is_cdrom(&drives::parse(option, &guest.config[option])) {
        return Err(Refusal::failed("you can't move a cdrom disk"));
    }
    let place = call.world.storage(&storage)?;
    let volume = call.world.volume(&call.node, &id)?;
    let same_format = call.given.get("format").is_none_or(|format| format == volume.format);
    if volume.storage == storage && same_format {
        return Err(Refusal::failed("you can't move to the same storage with same format"));
    }
    if !guest.snapshots.is_empty() && call.given.flag("delete") {
        return Err(Refusal::failed("you can't move a disk with snapshots and delete the source"));
    }
    if !place.is_on(&call.node) {
        let why = format!("storage '{storage}' is not available on node '{}'", call.node);
        return Err(Refusal::failed(why));
    }
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuMove, "qmmove", takes_ms, given))
}

/// Copies a disk to another storage.
pub(in crate::proxmox) fn run_move(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let (node, storage) = (job.node.as_str(), job.given.text("storage"));
    let guest = machine(world, node, vmid)?;
    guest.unlocked()?;
    let option = job.given.text("disk");
    let id = disk(guest, option)?;
    let mut drive = drives::parse(option, &guest.config[option]);
    let volume = world.volume(node, &id)?.clone();
    log.say(format!(
        "copying volume '{id}' from current storage '{}' to target storage '{storage}'",
        volume.storage
    ));
    log.say(format!("create full clone of drive {option} ({id})"));
    let format = Some(job.given.get("format").unwrap_or(&volume.format));
    let wanted = Wanted { storage, node, vmid, format, size: volume.size, prefix: "vm" };
    let new = world.allocate(&wanted)?;
    drive.insert("file".into(), new);
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    guest.config.insert(option.to_owned(), drives::print(option, &drive));
    if job.given.flag("delete") {
        log.say(format!("removing source volume '{id}' after successful copy"));
        world.remove_volume(node, &id)
    } else {
        super::config::keep_unused(guest, &id);
        Ok(())
    }
}
