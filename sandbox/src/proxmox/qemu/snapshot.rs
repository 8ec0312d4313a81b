//! Snapshots: what a machine was like at a time, and the way back.

use serde_json::{Value, json};

use super::{begin, drives, machine};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind, Power};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

/// A snapshot by its name.
pub(in crate::proxmox) fn named<'g>(guest: &'g Guest, name: &str) -> Result<&'g Options> {
    let found = guest.snapshots.get(name);
    found.ok_or_else(|| Refusal::failed(format!("snapshot '{name}' does not exist")))
}

/// All snapshots of a guest, and what it is like now.
pub(in crate::proxmox) fn rows(guest: &Guest) -> Value {
    let mut rows = Vec::new();
    for (name, options) in &guest.snapshots {
        let text = |key: &str| options.get(key).map(String::as_str);
        let mut row = json!({
            "name": name,
            "description": text("description").unwrap_or_default(),
            "snaptime": text("snaptime").and_then(|time| time.parse::<u64>().ok()),
        });
        if guest.kind == Kind::Qemu {
            row["vmstate"] = u8::from(options.contains_key("vmstate")).into();
        }
        if let Some(parent) = text("parent") {
            row["parent"] = parent.into();
        }
        rows.push(row);
    }
    let mut current = json!({
        "name": "current",
        "description": "You are here!",
        "digest": guest.digest(),
        "running": u8::from(guest.is_running()),
    });
    if let Some(parent) = guest.config.get("parent") {
        current["parent"] = parent.as_str().into();
    }
    rows.push(current);
    rows.into()
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    Ok(rows(machine(call.world, &call.node, call.given.vmid())?))
}

/// Goes on only with a name that can be one.
pub(in crate::proxmox) fn check_name(name: &str) -> Result<()> {
    if matches!(name, "current" | "pending") {
        let why = format!("unable to use snapshot name '{name}' (reserved name)");
        return Err(Refusal::failed(why));
    }
    Ok(())
}

fn go(call: &mut Call<'_>, act: Act, kind: &str) -> Value {
    let given = Params(call.given.without(&["node", "vmid"]));
    let takes_ms = call.world.pace.task_ms;
    begin(call, act, kind, takes_ms, given)
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    check_name(call.given.text("snapname"))?;
    Ok(go(call, Act::QemuSnapshot, "qmsnapshot"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn delete(call: &mut Call<'_>) -> Result<Value> {
    Ok(go(call, Act::QemuDeleteSnapshot, "qmdelsnapshot"))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn rollback(call: &mut Call<'_>) -> Result<Value> {
    Ok(go(call, Act::QemuRollback, "qmrollback"))
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    let guest = machine(call.world, &call.node, call.given.vmid())?;
    let options = named(guest, call.given.text("snapname"))?;
    Ok(guest.typed(options).into())
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let (vmid, node) = (call.given.vmid(), call.node.clone());
    let name = call.given.text("snapname").to_owned();
    let description = call.given.get("description").map(str::to_owned);
    describe(call.world.guest_mut(Kind::Qemu, &node, vmid)?, &name, description)?;
    Ok(Value::Null)
}

/// Says something else about a snapshot.
pub(in crate::proxmox) fn describe(
    guest: &mut Guest,
    name: &str,
    description: Option<String>,
) -> Result<()> {
    named(guest, name)?;
    if let (Some(options), Some(text)) = (guest.snapshots.get_mut(name), description) {
        options.insert("description".into(), text);
    }
    Ok(())
}

/// Makes, removes or goes back to a snapshot.
pub(in crate::proxmox) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let (vmid, node) = (job.vmid.unwrap_or_default(), job.node.as_str());
    let name = job.given.text("snapname");
    let (now, genid) = (world.now(), world.chance.uuid());
    let formats = formats(world, node, vmid)?;
    let guest = world.guest_mut(Kind::Qemu, node, vmid)?;
    match job.act {
        Act::QemuSnapshot => {
            guest.unlocked()?;
            if guest.snapshots.contains_key(name) {
                return Err(Refusal::failed(format!("snapshot name '{name}' already used")));
            }
            if formats.iter().any(|(_, _, format)| format == "raw") {
                return Err(Refusal::failed("snapshot feature is not available"));
            }
            for (option, id, _) in &formats {
                log.say(format!("snapshotting 'drive-{option}' ({id})"));
            }
            take(guest, name, job.given.get("description"), now);
            if job.given.flag("vmstate") && guest.is_running() {
                let state = format!("local:{vmid}/vm-{vmid}-state-{name}.raw");
                if let Some(options) = guest.snapshots.get_mut(name) {
                    options.insert("vmstate".into(), state);
                }
            }
            Ok(())
        }
        Act::QemuDeleteSnapshot => {
            guest.unlocked()?;
            named(guest, name)?;
            remove(guest, name);
            Ok(())
        }
        _ => {
            named(guest, name)?;
            guest.unlocked()?;
            go_back(guest, name);
            guest.config.insert("vmgenid".into(), genid);
            let start = job.given.flag("start");
            if start { super::power::power_on(world, node, vmid) } else { Ok(()) }
        }
    }
}

/// Disks of a machine with their volumes and formats.
fn formats(world: &World, node: &str, vmid: u32) -> Result<Vec<(String, String, String)>> {
    let guest = machine(world, node, vmid)?;
    let mut found = Vec::new();
    for (option, text) in guest.config.iter().filter(|(option, _)| drives::is_drive(option)) {
        let drive = drives::parse(option, text);
        if let (drives::Source::Volume(id), false) =
            (drives::source(&drive), drives::is_cdrom(&drive))
        {
            let format = world.volume(node, &id).map(|volume| volume.format.clone());
            found.push((option.clone(), id, format.unwrap_or_default()));
        }
    }
    Ok(found)
}

/// Writes down what a guest is like.
pub(in crate::proxmox) fn take(guest: &mut Guest, name: &str, about: Option<&str>, now: u64) {
    let mut options = guest.config.clone();
    options.retain(|key, _| !key.starts_with("unused") && key != "lock" && key != "description");
    options.insert("snaptime".into(), now.to_string());
    if let Some(about) = about {
        options.insert("description".into(), about.to_owned());
    }
    guest.snapshots.insert(name.to_owned(), options);
    guest.config.insert("parent".into(), name.to_owned());
}

/// Forgets a snapshot; what came behind it follows what was before it.
pub(in crate::proxmox) fn remove(guest: &mut Guest, name: &str) {
    let gone = guest.snapshots.remove(name).unwrap_or_default();
    let mut follow = |options: &mut Options| {
        if options.get("parent").is_some_and(|parent| parent == name) {
            match gone.get("parent") {
                Some(before) => options.insert("parent".into(), before.clone()),
                None => options.remove("parent"),
            };
        }
    };
    follow(&mut guest.config);
    guest.snapshots.values_mut().for_each(&mut follow);
}

/// Makes a guest what it was.
pub(in crate::proxmox) fn go_back(guest: &mut Guest, name: &str) {
    let Some(mut options) = guest.snapshots.get(name).cloned() else { return };
    for key in ["snaptime", "description", "vmstate"] {
        options.remove(key);
    }
    for key in guest.config.keys().filter(|key| key.starts_with("unused") || *key == "description")
    {
        options.insert(key.clone(), guest.config[key].clone());
    }
    options.insert("parent".into(), name.to_owned());
    guest.config = options;
    guest.pending.clear();
    guest.pending_delete.clear();
    guest.power = Power::Stopped;
}
