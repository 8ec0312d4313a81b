//! Templates, and copies of machines.

use serde_json::Value;

use super::{begin, config, create, drives, found, machine};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::property;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::storage::{Wanted, own_name, size_text};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

pub(super) fn template(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let guest = machine(call.world, &call.node, vmid)?;
    guest.unlocked()?;
    if !guest.snapshots.is_empty() {
        let why = "unable to create template, because VM contains snapshots";
        return Err(Refusal::failed(why));
    }
    if guest.is_template() && call.given.get("disk").is_none() {
        return Err(Refusal::failed("you can't convert a template to a template"));
    }
    if guest.is_running() {
        return Err(Refusal::failed("you can't convert a VM to template if VM is running"));
    }
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuTemplate, "qmtemplate", takes_ms, given))
}

/// Makes a machine a template: its disks become bases.
pub(in crate::proxmox) fn run_template(world: &mut World, job: &Job) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let node = job.node.as_str();
    let guest = machine(world, node, vmid)?;
    guest.unlocked()?;
    let only = job.given.get("disk");
    let disks: Vec<(String, String)> = guest
        .config
        .iter()
        .filter(|(option, _)| drives::is_drive(option) && only.is_none_or(|only| only == *option))
        .map(|(option, text)| (option.clone(), text.clone()))
        .collect();
    for (option, text) in disks {
        let text = as_base(world, node, &option, &text)?;
        world.guest_mut(Kind::Qemu, node, vmid)?.config.insert(option, text);
    }
    world.guest_mut(Kind::Qemu, node, vmid)?.config.insert("template".into(), "1".into());
    Ok(())
}

/// The same disk as the base of others.
pub(super) fn as_base(world: &mut World, node: &str, option: &str, text: &str) -> Result<String> {
    let mut drive = drives::parse(option, text);
    let drives::Source::Volume(id) = drives::source(&drive) else { return Ok(text.to_owned()) };
    if drives::is_cdrom(&drive) {
        return Ok(text.to_owned());
    }
    world.volume(node, &id)?;
    if let Some(n) = world.volume_index(node, &id) {
        let volume = &mut world.volumes[n];
        volume.name = match volume.name.split_once('/') {
            Some((owner, file)) => format!("{owner}/{}", file.replacen("vm-", "base-", 1)),
            None => volume.name.replacen("vm-", "base-", 1),
        };
        drive.insert("file".into(), volume.id());
    }
    Ok(drives::print(option, &drive))
}

/// What a copy is made of: the machine as it is, or one of its snapshots.
fn original<'g>(guest: &'g Guest, snapshot: Option<&str>) -> Result<&'g Options> {
    match snapshot {
        Some(name) => super::snapshot::named(guest, name),
        None => Ok(&guest.config),
    }
}

pub(super) fn clone(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    let given = Params(call.given.without(&["node", "vmid"]));
    create::check_pool(call)?;
    if let Some(storage) = given.get("storage") {
        call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
        call.world.storage(storage)?;
    }
    if let Some(target) = given.get("target").filter(|name| !call.world.nodes.contains_key(*name)) {
        return Err(Refusal::failed(format!("no such cluster node '{target}'")));
    }
    let guest = found(call.world, &node, vmid)?;
    guest.unlocked()?;
    let options = original(guest, given.get("snapname"))?;
    let full = given.get("full").map_or(!guest.is_template(), |full| full == "1");
    if !full {
        for name in ["storage", "format"] {
            if given.get(name).is_some() {
                let why = format!("parameter '{name}' not allowed for linked clones");
                return Err(Refusal::failed(why));
            }
        }
    }
    check_disks(call, options, full)?;
    let new = given.number("newid").and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    if call.world.guests.contains_key(&new) {
        return Err(Refusal::failed(format!(
            "unable to create VM {new}: config file already exists"
        )));
    }
    let target = given.get("target").unwrap_or(&node);
    let locked: Options = [("lock".to_owned(), "clone".to_owned())].into();
    call.world.guests.insert(new, Guest::new(Kind::Qemu, target, locked));
    if let Some(pool) = given.get("pool").and_then(|pool| call.world.pools.get_mut(pool)) {
        pool.guests.insert(new);
    }
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuClone, "qmclone", takes_ms, given))
}

/// Goes on only when every disk can be copied that way.
fn check_disks(call: &Call<'_>, options: &Options, full: bool) -> Result<()> {
    let elsewhere = call.given.get("target").filter(|target| **target != call.node);
    for (option, text) in options.iter().filter(|(option, _)| drives::is_drive(option)) {
        let drive = drives::parse(option, text);
        let drives::Source::Volume(id) = drives::source(&drive) else { continue };
        let is_disk = !drives::is_cdrom(&drive);
        let volume = call.world.volume(&call.node, &id)?;
        let is_base = own_name(&volume.name).contains("base-");
        if is_disk && !full && !is_base {
            return Err(Refusal::failed(format!(
                "Linked clone feature is not supported for '{id}' ({option})"
            )));
        }
        let storage = call.world.storage(&volume.storage)?;
        if let Some(target) = elsewhere.filter(|_| !storage.is_shared()) {
            return Err(Refusal::failed(format!(
                "can't clone VM to node '{target}' (VM uses local storage)"
            )));
        }
    }
    Ok(())
}

/// Copies a machine in a task; of a copy that fails nothing stays.
pub(in crate::proxmox) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let new = job.given.number("newid").and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    log.say(format!("creating a clone of VM {} with ID {new}", job.vmid.unwrap_or_default()));
    let copied = copy(world, job, new, log);
    world.settle_copy(job.vmid.unwrap_or_default(), new, copied)
}

fn copy(world: &mut World, job: &Job, new: u32, log: &mut Log) -> Result<Options> {
    let vmid = job.vmid.unwrap_or_default();
    let (node, given) = (job.node.as_str(), &job.given);
    let guest = machine(world, node, vmid)?;
    guest.unlocked()?;
    let full = given.get("full").map_or(!guest.is_template(), |full| full == "1");
    let source = original(guest, given.get("snapname"))?.clone();
    let mut config = Options::new();
    for (option, text) in source {
        let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
        let dropped = matches!(
            option.as_str(),
            "template"
                | "parent"
                | "snaptime"
                | "lock"
                | "vmstate"
                | "runningmachine"
                | "runningcpu"
        );
        if dropped || stem == "unused" {
            continue;
        }
        let text = match stem {
            "net" => {
                let mut card = property::parse("qemu.net", &text).unwrap_or_default();
                let prefix = config::mac_prefix(world);
                card.insert("macaddr".into(), world.chance.mac(&prefix));
                property::print("qemu.net", &card)
            }
            _ if drives::is_drive(&option) => {
                copy_drive(world, job, new, (option.as_str(), text.as_str(), full), log)?
            }
            _ => text,
        };
        config.insert(option, text);
    }
    let name = config.get("name").cloned().unwrap_or_else(|| vmid.to_string());
    let name = given.get("name").map_or_else(|| format!("Copy-of-VM-{name}"), str::to_owned);
    config.insert("name".into(), name);
    if let Some(description) = given.get("description") {
        config.insert("description".into(), description.to_owned());
    }
    let smbios = config.get("smbios1").map(String::as_str).unwrap_or_default();
    let mut smbios = property::parse("pve-qm-smbios1", smbios).unwrap_or_default();
    smbios.insert("uuid".into(), world.chance.uuid());
    config.insert("smbios1".into(), property::print("pve-qm-smbios1", &smbios));
    config.insert("vmgenid".into(), world.chance.uuid());
    Ok(config)
}

/// A drive of the copy: discs stay as they are, disks are copied or are a difference to their base.
fn copy_drive(
    world: &mut World,
    job: &Job,
    new: u32,
    (option, text, full): (&str, &str, bool),
    log: &mut Log,
) -> Result<String> {
    let node = job.node.as_str();
    let mut drive = drives::parse(option, text);
    let drives::Source::Volume(id) = drives::source(&drive) else { return Ok(text.to_owned()) };
    if drives::is_cdrom(&drive) && !drives::is_cloud_init(&drive) {
        return Ok(text.to_owned());
    }
    let volume = world.volume(node, &id)?.clone();
    let storage = job.given.get("storage").unwrap_or(&volume.storage).to_owned();
    if drives::is_cloud_init(&drive) {
        log.say(format!("create full clone of drive {option} ({id})"));
        let id = drives::cloud_init(world, node, new, &storage, None)?;
        drive.insert("file".into(), id);
        drive.insert("size".into(), size_text(volume.size));
        return Ok(drives::print(option, &drive));
    }
    let format = job.given.get("format").unwrap_or(&volume.format);
    let format = if full { format } else { "qcow2" };
    let wanted = Wanted {
        storage: &storage,
        node,
        vmid: new,
        format: Some(format),
        size: volume.size,
        prefix: "vm",
    };
    let copy = world.allocate(&wanted)?;
    let kind = if full { "full" } else { "linked" };
    log.say(format!("create {kind} clone of drive {option} ({id})"));
    if full && world.free_space(node, &storage)? <= volume.used() {
        log.say("qemu-img: error while writing at byte 0: No space left on device");
        let (from, to) = (&volume.format, format);
        return Err(Refusal::failed(format!(
            "copy failed: command '/usr/bin/qemu-img convert -p -n -f {from} -O {to} ...' failed: \
             exit code 1"
        )));
    }
    let n = world.volume_index(node, &copy);
    if let Some(copy) = n.and_then(|n| world.volumes.get_mut(n)) {
        copy.parent = (!full).then(|| volume.name.clone());
        drive.insert("file".into(), copy.id());
    }
    drive.insert("size".into(), size_text(volume.size));
    Ok(drives::print(option, &drive))
}
