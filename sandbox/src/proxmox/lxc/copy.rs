//! Templates, and copies of containers.

use serde_json::Value;

use super::{config, container, go, is_volume};
use crate::proxmox::call::Call;
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::property;
use crate::proxmox::qemu::config::mac_prefix;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::storage::{Wanted, size_text};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

pub(super) fn template(call: &mut Call<'_>) -> Result<Value> {
    let guest = container(call.world, &call.node, call.given.vmid())?;
    guest.unlocked()?;
    if guest.is_template() {
        return Err(Refusal::failed("you can't convert a template to a template"));
    }
    if guest.is_running() {
        return Err(Refusal::failed("you can't convert a CT to template if the CT is running"));
    }
    if !guest.snapshots.is_empty() {
        let why = "unable to create template, because CT contains snapshots";
        return Err(Refusal::failed(why));
    }
    Ok(go(call, Act::LxcTemplate, "vztemplate"))
}

pub(super) fn run_template(world: &mut World, job: &Job) -> Result<()> {
    let guest = world.guest_mut(Kind::Lxc, &job.node, job.vmid.unwrap_or_default())?;
    guest.unlocked()?;
    guest.config.insert("template".into(), "1".into());
    Ok(())
}

fn new_id(given: &crate::proxmox::call::Params) -> u32 {
    given.number("newid").and_then(|id| u32::try_from(id).ok()).unwrap_or_default()
}

pub(super) fn clone(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, new) = (call.given.vmid(), new_id(&call.given));
    if let Some(pool) = call.given.get("pool").filter(|pool| !call.world.pools.contains_key(*pool))
    {
        return Err(Refusal::forbidden(&format!("pool '{pool}' does not exist")));
    }
    if let Some(storage) = call.given.get("storage") {
        call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
        call.world.storage(storage)?;
    }
    if let Some(taken) = call.world.taken(new) {
        return Err(Refusal::failed(taken));
    }
    let guest = container(call.world, &call.node, vmid)?;
    guest.unlocked()?;
    if guest.is_running() && call.given.get("snapname").is_none() {
        let why = "Full clone of a running container is only possible from a snapshot";
        return Err(Refusal::failed(why));
    }
    if let Some(name) = call.given.get("snapname") {
        crate::proxmox::qemu::snapshot::named(guest, name)?;
    }
    let locked: Options = [("lock".to_owned(), "create".to_owned())].into();
    call.world.guests.insert(new, Guest::new(Kind::Lxc, &call.node, locked));
    let pool = call.given.get("pool").map(str::to_owned);
    if let Some(pool) = pool.and_then(|pool| call.world.pools.get_mut(&pool)) {
        pool.guests.insert(new);
    }
    let node = call.node.clone();
    let guest = call.world.guest_mut(Kind::Lxc, &node, vmid)?;
    guest.config.insert("lock".into(), "disk".into());
    Ok(go(call, Act::LxcClone, "vzclone"))
}

/// Copies a container in a task; of a copy that fails nothing stays.
pub(super) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let (vmid, new) = (job.vmid.unwrap_or_default(), new_id(&job.given));
    world.guest_mut(Kind::Lxc, &job.node, vmid)?.config.remove("lock");
    let copied = copied(world, job, new, log);
    world.settle_copy(vmid, new, copied)
}

fn copied(world: &mut World, job: &Job, new: u32, log: &mut Log) -> Result<Options> {
    let guest = container(world, &job.node, job.vmid.unwrap_or_default())?;
    let source = match job.given.get("snapname") {
        Some(name) => crate::proxmox::qemu::snapshot::named(guest, name)?.clone(),
        None => guest.config.clone(),
    };
    let mut config = Options::new();
    for (option, text) in source {
        let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
        if stem == "unused"
            || matches!(option.as_str(), "template" | "parent" | "snaptime" | "lock")
        {
            continue;
        }
        let text = if stem == "net" {
            let mut card = property::parse("lxc.net", &text).unwrap_or_default();
            let prefix = mac_prefix(world);
            card.insert("hwaddr".into(), world.chance.mac(&prefix));
            property::print("lxc.net", &card)
        } else if is_volume(&option) && text.contains(':') {
            log.say(format!("create full clone of mountpoint {option} ({text})"));
            copy_volume(world, job, new, &option, &text)?
        } else {
            text
        };
        config.insert(option, text);
    }
    for key in ["hostname", "description"] {
        if let Some(text) = job.given.get(key) {
            config.insert(key.into(), text.to_owned());
        }
    }
    Ok(config)
}

fn copy_volume(world: &mut World, job: &Job, new: u32, option: &str, text: &str) -> Result<String> {
    let mut parts = config::parse_volume(option, text);
    let id = parts.get("volume").cloned().unwrap_or_default();
    let volume = world.volume(&job.node, &id)?.clone();
    let storage = job.given.get("storage").unwrap_or(&volume.storage);
    let prefix = if volume.format == "subvol" { "subvol" } else { "vm" };
    let wanted = Wanted {
        storage,
        node: &job.node,
        vmid: new,
        format: Some(&volume.format),
        size: volume.size,
        prefix,
    };
    parts.insert("volume".into(), world.allocate(&wanted)?);
    parts.insert("size".into(), size_text(volume.size));
    Ok(config::print_volume(option, &parts))
}
