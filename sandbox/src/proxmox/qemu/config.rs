//! Options of a machine: reading them, and changing them now or at its next start.

use serde_json::Value;

use super::{begin, drives, machine, only_root_skips_locks, rights};
use crate::proxmox::call::{Call, Caller, Params};
use crate::proxmox::formats::items;
use crate::proxmox::guest::{Guest, Kind, pending_rows};
use crate::proxmox::property;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

/// Parameters of an update that are none of the configuration.
const NOT_CONFIG: [&str; 9] = [
    "node",
    "vmid",
    "digest",
    "delete",
    "revert",
    "skiplock",
    "force",
    "background_delay",
    "import-working-storage",
];

/// Options that change at once on a machine that runs.
const AT_ONCE: [&str; 28] = [
    "description",
    "hookscript",
    "lock",
    "migrate_downtime",
    "migrate_speed",
    "name",
    "onboot",
    "protection",
    "shares",
    "startup",
    "tags",
    "vmstatestorage",
    "hotplug",
    "cpulimit",
    "cpuunits",
    "balloon",
    "boot",
    "agent",
    "cicustom",
    "cipassword",
    "citype",
    "ciupgrade",
    "ciuser",
    "nameserver",
    "searchdomain",
    "sshkeys",
    "template",
    "affinity",
];

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    if call.given.get("snapshot").is_some() && call.given.flag("current") {
        let why = "cannot use 'snapshot' parameter with 'current'".to_owned();
        let names = ["snapshot", "current"].map(|name| (name.to_owned(), why.clone()));
        return Err(Refusal::parameters(names.into()));
    }
    let guest = machine(call.world, &call.node, call.given.vmid())?;
    let options = match call.given.get("snapshot") {
        Some(name) => super::snapshot::named(guest, name)?.clone(),
        None if call.given.flag("current") => guest.config.clone(),
        None => {
            let mut merged = guest.config.clone();
            merged.retain(|key, _| !guest.pending_delete.contains(key));
            merged.extend(guest.pending.clone());
            merged
        }
    };
    let mut row = guest.typed(&options);
    if let Some(password) = row.get_mut("cipassword") {
        *password = "**********".into();
    }
    row.insert("digest".into(), guest.digest().into());
    Ok(row.into())
}

pub(super) fn pending(call: &mut Call<'_>) -> Result<Value> {
    let guest = machine(call.world, &call.node, call.given.vmid())?;
    Ok(pending_rows(guest))
}

/// Detaches drives; with `force` their volumes go, too.
pub(super) fn unlink(call: &mut Call<'_>) -> Result<Value> {
    let list = call.given.text("idlist").to_owned();
    call.given.0.insert("delete".into(), list);
    call.given.take("idlist");
    update(call)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let given = checked(call)?;
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    apply(call.world, &node, vmid, &given)?;
    Ok(Value::Null)
}

/// Changes options in a task.
pub(super) fn update_later(call: &mut Call<'_>) -> Result<Value> {
    let given = checked(call)?;
    let takes_ms = call.world.pace.task_ms;
    // Who waits longer than it takes gets no task to look at.
    if call.given.number("background_delay").is_some_and(|delay| delay * 1000 > takes_ms) {
        let (vmid, node) = (call.given.vmid(), call.node.clone());
        apply(call.world, &node, vmid, &given)?;
        return Ok(Value::Null);
    }
    Ok(begin(call, Act::QemuConfig, "qmconfig", takes_ms, given))
}

pub(in crate::proxmox) fn run(world: &mut World, job: &Job, _: &mut Log) -> Result<()> {
    apply(world, &job.node, job.vmid.unwrap_or_default(), &job.given)
}

/// Everything that is checked before anything is changed.
fn checked(call: &mut Call<'_>) -> Result<Params> {
    let vmid = call.given.vmid();
    let mut given = Params(call.given.without(&NOT_CONFIG));
    name_cdrom(&mut given);
    let named = |option: String| if option == "cdrom" { "ide2".to_owned() } else { option };
    let delete: Vec<String> = call.given.list("delete").into_iter().map(named).collect();
    let revert = call.given.list("revert");
    check_keys(&given)?;
    only_root_skips_locks(call)?;
    if given.0.is_empty() && delete.is_empty() && revert.is_empty() {
        return Err(Refusal::failed("no options specified"));
    }
    for option in &delete {
        if given.get(option).is_some() {
            let why = format!("you can't use '-{option}' and -delete {option}' at the same time");
            return Err(Refusal::parameter("delete", why));
        }
        if !Guest::has_option(Kind::Qemu, option) {
            return Err(Refusal::parameter("delete", format!("unknown option '{option}'")));
        }
    }
    for option in &revert {
        if !Guest::has_option(Kind::Qemu, option) {
            return Err(Refusal::parameter("revert", format!("unknown option '{option}'")));
        }
        if given.get(option).is_some() {
            let why = format!("you can't use '-{option}' and -revert {option}' at the same time");
            return Err(Refusal::parameter("delete", why));
        }
    }
    let all = delete.iter().chain(&revert).chain(given.0.keys());
    rights::check(call.world, &call.caller, vmid, None, all)?;
    for option in &delete {
        rights::check_device(call.world, &call.caller, (vmid, None), option, None)?;
    }
    for (option, text) in &given.0 {
        rights::check_device(call.world, &call.caller, (vmid, None), option, Some(text))?;
    }
    for (option, text) in given.0.iter().filter(|(option, _)| drives::is_drive(option)) {
        let drive = drives::parse(option, text);
        drives::check(call.world, &call.caller, &drive)?;
        let right = if drives::is_cdrom(&drive) { "VM.Config.CDROM" } else { "VM.Config.Disk" };
        rights::demand(call.world, &call.caller, vmid, None, &[right])?;
    }
    prepare(call.world, &call.caller, &mut given)?;
    if let Some(password) = given.get("cipassword").filter(|password| !password.starts_with('$')) {
        let (salt, hash) = (call.world.chance.number(), super::cloudinit::hashed(password));
        given.0.insert("cipassword".into(), format!("$5${:08x}${hash}", salt & 0xffff_ffff));
    }
    let guest = machine(call.world, &call.node, vmid)?;
    if call.given.get("digest").is_some_and(|digest| digest != guest.digest()) {
        return Err(Refusal::failed("checksum mismatch (file change by other user?)"));
    }
    if !call.given.flag("skiplock") {
        guest.unlocked()?;
    }
    check_boot(guest, &given, &delete)?;
    check_balloon(guest, &given)?;
    given.0.insert("+delete".into(), delete.join(","));
    given.0.insert("+revert".into(), revert.join(","));
    if let Some(force) = call.given.get("force") {
        given.0.insert("+force".into(), force.to_owned());
    }
    Ok(given)
}

/// `cdrom` is another name of the third drive.
pub(super) fn name_cdrom(given: &mut Params) {
    if let Some(text) = given.take("cdrom") {
        let media = if text.contains("media=") { "" } else { ",media=cdrom" };
        given.0.insert("ide2".into(), format!("{text}{media}"));
    }
}

/// What the names and formats of options do not say.
pub(super) fn check_keys(given: &Params) -> Result<()> {
    if let Some(keys) = given.get("sshkeys") {
        let keys = percent_encoding::percent_decode_str(keys).decode_utf8_lossy();
        let is_key = |line: &str| {
            let mut words = line.split_whitespace();
            words.any(|word| {
                word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-")
            }) && words.next().is_some_and(|text| text.len() > 16)
        };
        if !keys.lines().filter(|line| !line.trim().is_empty()).all(is_key) {
            return Err(Refusal::failed("SSH public key validation error"));
        }
    }
    Ok(())
}

fn check_boot(guest: &Guest, given: &Params, delete: &[String]) -> Result<()> {
    let boot = given.get("boot").unwrap_or_default();
    let parts = property::parse("pve-qm-boot", boot).unwrap_or_default();
    for device in items(parts.get("order").map_or("", String::as_str)) {
        let is_there = guest.config.contains_key(device)
            || guest.pending.contains_key(device)
            || given.get(device).is_some();
        if !is_there || delete.iter().any(|gone| gone == device) {
            let why = format!("invalid bootorder: device '{device}' does not exist'");
            return Err(Refusal::failed(why));
        }
    }
    Ok(())
}

fn check_balloon(guest: &Guest, given: &Params) -> Result<()> {
    let mut changed = guest.clone();
    changed.config.extend(given.0.clone());
    if changed.number("balloon", 0) << 20 > changed.memory() {
        let why = "balloon value too large (must be smaller than assigned memory)";
        return Err(Refusal::failed(why));
    }
    Ok(())
}

/// Writes options as they are kept: network cards get addresses, tags an order, texts no end.
pub(super) fn prepare(world: &mut World, caller: &Caller, given: &mut Params) -> Result<()> {
    let mut kept = Options::new();
    for (option, text) in &given.0 {
        let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
        let text = match (stem, option.as_str()) {
            ("net", _) => {
                let mut card = property::parse("qemu.net", text).unwrap_or_default();
                rights::check_bridge(world, caller, card.get("bridge"), card.get("tag"))?;
                let prefix = mac_prefix(world);
                card.entry("macaddr".into()).or_insert_with(|| world.chance.mac(&prefix));
                property::print("qemu.net", &card)
            }
            (_, "tags") => tags(world, text),
            (_, "description") => text.trim_end_matches('\n').to_owned(),
            (_, "boot") if text.is_empty() => " ".to_owned(),
            _ => text.clone(),
        };
        kept.insert(option.clone(), text);
    }
    given.0 = kept;
    Ok(())
}

/// With what addresses begin that nobody chose.
pub(in crate::proxmox) fn mac_prefix(world: &World) -> String {
    world.options.get("mac_prefix").cloned().unwrap_or_else(|| "BC:24:11".into())
}

/// Tags as the datacenter wants them.
pub(in crate::proxmox) fn tags(world: &World, text: &str) -> String {
    let style = world.options.get("tag-style").map(String::as_str).unwrap_or_default();
    let style = property::parse("cluster.tag-style", style).unwrap_or_default();
    let keeps_case = style.get("case-sensitive").is_some_and(|flag| flag == "1");
    let keeps_order = style.get("ordering").is_some_and(|order| order == "config");
    let mut tags: Vec<String> = Vec::new();
    for tag in items(text) {
        let tag = if keeps_case { tag.to_owned() } else { tag.to_lowercase() };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if !keeps_order {
        tags.sort();
    }
    if tags.is_empty() { " ".into() } else { tags.join(";") }
}

/// Changes options: at once where that is possible, else at the next start. When one of them cannot
/// be changed, none is.
fn apply(world: &mut World, node: &str, vmid: u32, given: &Params) -> Result<()> {
    let before = (world.guests.clone(), world.volumes.clone());
    let applied = apply_all(world, node, vmid, given);
    if applied.is_err() {
        (world.guests, world.volumes) = before;
    }
    applied
}

fn apply_all(world: &mut World, node: &str, vmid: u32, given: &Params) -> Result<()> {
    let force = given.flag("+force");
    for option in given.list("+delete") {
        delete(world, node, vmid, &option, force)?;
    }
    for option in given.list("+revert") {
        let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
        guest.pending.remove(&option);
        guest.pending_delete.remove(&option);
    }
    for (option, text) in given.0.iter().filter(|(option, _)| !option.starts_with('+')) {
        let text = if drives::is_drive(option) {
            let drive = drives::realize(world, node, vmid, option, text)?;
            let base = machine(world, node, vmid)?.is_template();
            let drive =
                if base { super::clone::as_base(world, node, option, &drive)? } else { drive };
            append_to_boot_order(world, node, vmid, option, &drive)?;
            drive
        } else {
            text.clone()
        };
        let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
        guest.pending_delete.remove(option);
        if text.is_empty() && option == "description" {
            guest.pending_delete.insert(option.clone());
        } else {
            guest.pending.insert(option.clone(), text);
        }
    }
    apply_pending(world, node, vmid, false)
}

/// A new reader of discs can be started from.
fn append_to_boot_order(
    world: &mut World,
    node: &str,
    vmid: u32,
    option: &str,
    text: &str,
) -> Result<()> {
    let drive = drives::parse(option, text);
    if !drives::is_cdrom(&drive) || drives::is_cloud_init(&drive) {
        return Ok(());
    }
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    let boot = guest.pending.get("boot").or_else(|| guest.config.get("boot"));
    let Some(order) = boot.and_then(|boot| boot.strip_prefix("order=")) else { return Ok(()) };
    if !order.split(';').any(|device| device == option) {
        let order = format!("order={order};{option}");
        guest.pending.insert("boot".into(), order);
    }
    Ok(())
}

/// Marks an option for removal; a disk that was detached already goes at once, with its volume.
fn delete(world: &mut World, node: &str, vmid: u32, option: &str, force: bool) -> Result<()> {
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    guest.pending.remove(option);
    let Some(text) = guest.config.get(option).cloned() else { return Ok(()) };
    let boot = guest.pending.get("boot").or_else(|| guest.config.get("boot")).cloned();
    if let Some(order) = boot.as_deref().and_then(|boot| boot.strip_prefix("order="))
        && order.split(';').any(|device| device == option)
    {
        let left: Vec<&str> = order.split(';').filter(|device| *device != option).collect();
        let order = if left.is_empty() { " ".into() } else { format!("order={}", left.join(";")) };
        guest.pending.insert("boot".into(), order);
    }
    if option.starts_with("unused") || (force && drives::is_drive(option)) {
        guest.config.remove(option);
        let id = text.split(',').next().unwrap_or_default();
        return world.remove_volume(node, id);
    }
    guest.pending_delete.insert(option.to_owned());
    Ok(())
}

/// Whether a change of an option needs no new start.
fn at_once(option: &str) -> bool {
    let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_family = stem != option
        && matches!(
            stem,
            "net" | "scsi" | "virtio" | "usb" | "ipconfig" | "unused" | "ide" | "sata"
        );
    is_family || AT_ONCE.contains(&option)
}

/// Carries pending changes out: all of them, or those that a machine that runs can take.
pub(super) fn apply_pending(world: &mut World, node: &str, vmid: u32, all: bool) -> Result<()> {
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    let all = all || !guest.is_running();
    let gone: Vec<String> =
        guest.pending_delete.iter().filter(|option| all || at_once(option)).cloned().collect();
    for option in gone {
        let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
        guest.pending_delete.remove(&option);
        if let Some(old) = guest.config.remove(&option) {
            release(world, node, vmid, &option, &old)?;
        }
    }
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    let config = guest.config.clone();
    guest.pending.retain(|option, text| config.get(option) != Some(text));
    let due: Vec<(String, String)> = guest
        .pending
        .iter()
        .filter(|(option, _)| all || at_once(option))
        .map(|(option, text)| (option.clone(), text.clone()))
        .collect();
    for (option, text) in due {
        let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
        guest.pending.remove(&option);
        if drives::is_drive(&option) {
            // What is attached again is unused no longer.
            let id = text.split(',').next().unwrap_or_default().to_owned();
            guest.config.retain(|key, value| !(key.starts_with("unused") && *value == id));
        }
        if let Some(old) = guest.config.insert(option.clone(), text) {
            release(world, node, vmid, &option, &old)?;
        }
    }
    Ok(())
}

/// Keeps the volume of a drive that is gone as an unused one; one for cloud-init goes with it.
fn release(world: &mut World, node: &str, vmid: u32, option: &str, old: &str) -> Result<()> {
    if !drives::is_drive(option) {
        return Ok(());
    }
    let drive = drives::parse(option, old);
    let Some(id) = drive.get("file").cloned() else { return Ok(()) };
    let guest = world.guest(Kind::Qemu, node, vmid)?;
    let still = guest.config.iter().any(|(key, text)| {
        (drives::is_drive(key) || key.starts_with("unused")) && text.split(',').next() == Some(&id)
    });
    if still || !id.contains(':') {
        return Ok(());
    }
    if drives::is_cloud_init(&drive) {
        return world.remove_volume(node, &id);
    }
    if drives::is_cdrom(&drive) {
        return Ok(());
    }
    keep_unused(world.guest_mut(Kind::Qemu, node, vmid)?, &id);
    Ok(())
}

/// Writes a volume down as unused.
pub(in crate::proxmox) fn keep_unused(guest: &mut Guest, id: &str) {
    let free = (0..256).map(|n| format!("unused{n}")).find(|key| !guest.config.contains_key(key));
    if let Some(key) = free {
        guest.config.insert(key, id.to_owned());
    }
}
