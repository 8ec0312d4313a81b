//! Guests that go to another node.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::call::{Call, Handler, Params};
use super::formats::items;
use super::guest::{Guest, Kind, Power};
use super::refusal::{Refusal, Result};
use super::storage::{Volume, Wanted};
use super::tasks::{Act, Job, Log};
use super::world::World;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /nodes/{node}/qemu/{vmid}/migrate", outlook),
    ("POST /nodes/{node}/qemu/{vmid}/migrate", machine),
    ("GET /nodes/{node}/lxc/{vmid}/migrate", container_outlook),
    ("POST /nodes/{node}/lxc/{vmid}/migrate", container),
];

/// Where volumes go: `1` is where they are, `a` is there, `a:b` from there to there.
struct Ways(String);

impl Ways {
    fn of(given: &Params) -> Ways {
        let text = given.get("targetstorage").or(given.get("target-storage"));
        Ways(text.unwrap_or("1").to_owned())
    }

    /// The storage that volumes of this one go to.
    fn lead<'a>(&'a self, from: &'a str) -> &'a str {
        let pair = |item: &'a str| item.split_once(':');
        let own = items(&self.0).filter_map(pair).find(|(known, _)| *known == from);
        let rest = items(&self.0).find(|item| !item.contains(':') && *item != "1");
        own.map(|(_, to)| to).or(rest).unwrap_or(from)
    }
}

/// Volumes of a guest, wherever they are.
fn volumes(world: &World, vmid: u32) -> impl Iterator<Item = &Volume> {
    world.volumes.iter().filter(move |volume| volume.vmid == Some(vmid))
}

/// Volumes of a guest that no other node sees.
fn local(world: &World, node: &str, vmid: u32) -> Vec<Volume> {
    let here = |volume: &&Volume| volume.node.as_deref() == Some(node);
    volumes(world, vmid).filter(here).cloned().collect()
}

fn is_cloud_init(volume: &Volume) -> bool {
    volume.name.contains("-cloudinit")
}

/// Images of discs in readers of a machine that no other node sees.
fn discs(world: &World, guest: &Guest) -> Vec<String> {
    let drives = guest.config.values().filter_map(|text| text.split(',').next());
    let is_local = |id: &&str| {
        let volume = world.volume_index(&guest.node, id).map(|n| &world.volumes[n]);
        volume.is_some_and(|volume| volume.vmid.is_none() && volume.node.is_some())
    };
    drives.filter(is_local).map(str::to_owned).collect()
}

/// Storages that a guest needs and a node lacks.
fn lacking(world: &World, vmid: u32, ways: &Ways, target: &str) -> Result<BTreeSet<String>> {
    let mut lacking = BTreeSet::new();
    for volume in volumes(world, vmid) {
        let id = ways.lead(&volume.storage);
        let storage = world.storage(id)?;
        if !storage.is_on(target) || !storage.is_enabled() {
            lacking.insert(id.to_owned());
        }
    }
    Ok(lacking)
}

/// The node that a guest shall go to.
fn target(call: &Call<'_>) -> Result<String> {
    let target = call.given.text("target");
    if target == call.node {
        return Err(Refusal::parameter("target", "target is local node."));
    }
    if !call.world.nodes.contains_key(target) {
        return Err(Refusal::failed(format!("no such cluster node '{target}'")));
    }
    Ok(target.to_owned())
}

fn check_storages(call: &Call<'_>, target: &str) -> Result<()> {
    let ways = Ways::of(&call.given);
    let lacking = lacking(call.world, call.given.vmid(), &ways, target)?;
    lacking.first().map_or(Ok(()), |id| {
        Err(Refusal::failed(format!("storage '{id}' is not available on node '{target}'")))
    })
}

fn machine(call: &mut Call<'_>) -> Result<Value> {
    let target = target(call)?;
    for option in ["force", "migration_type", "migration_network"] {
        if call.given.get(option).is_some_and(|text| text != "0") && !call.caller.is_root() {
            return Err(Refusal::parameter(option, "Only root may use this option."));
        }
    }
    let guest = call.world.guest(Kind::Qemu, &call.node, call.given.vmid())?;
    guest.unlocked()?;
    if guest.is_running() && !call.given.flag("online") {
        return Err(Refusal::failed("can't migrate running VM without --online"));
    }
    check_storages(call, &target)?;
    begin(call, Kind::Qemu)
}

fn container(call: &mut Call<'_>) -> Result<Value> {
    let target = target(call)?;
    let guest = call.world.guest(Kind::Lxc, &call.node, call.given.vmid())?;
    guest.unlocked()?;
    if guest.is_running() && !call.given.flag("online") && !call.given.flag("restart") {
        let why = "can't migrate running container without --online or --restart";
        return Err(Refusal::failed(why));
    }
    check_storages(call, &target)?;
    begin(call, Kind::Lxc)
}

fn begin(call: &mut Call<'_>, kind: Kind) -> Result<Value> {
    let vmid = call.given.vmid();
    let (act, name) = match kind {
        Kind::Qemu => (Act::QemuMigrate, "qmigrate"),
        Kind::Lxc => (Act::LxcMigrate, "vzmigrate"),
    };
    let guest = call.world.guest_mut(kind, &call.node, vmid)?;
    guest.config.insert("lock".into(), "migrate".into());
    let given = Params(call.given.without(&["node", "vmid"]));
    let (node, caller) = (call.node.clone(), call.caller.clone());
    let takes_ms = call.world.pace.task_ms;
    let job = Job { act, vmid: Some(vmid), given, caller, node };
    Ok(call.world.begin(name, &vmid.to_string(), takes_ms, job))
}

/// Takes a guest to its new node.
pub(super) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let kind = if job.act == Act::LxcMigrate { Kind::Lxc } else { Kind::Qemu };
    let (vmid, target) = (job.vmid.unwrap_or_default(), job.given.text("target"));
    world.guest_mut(kind, &job.node, vmid)?.config.remove("lock");
    let address = world.nodes.get(target).map_or("", |node| node.address.as_str());
    let title = kind.title();
    log.say(format!("starting migration of {title} {vmid} to node '{target}' ({address})"));
    if let Err(refusal) = take(world, job, kind, log) {
        log.say(format!("ERROR: {}", refusal.text()));
        log.say("aborting phase 1 - cleanup resources");
        log.say(format!("ERROR: migration aborted: {}", refusal.text()));
        return Err(Refusal::failed("migration aborted"));
    }
    log.say("migration finished successfully");
    Ok(())
}

fn take(world: &mut World, job: &Job, kind: Kind, log: &mut Log) -> Result<()> {
    let (vmid, target) = (job.vmid.unwrap_or_default(), job.given.text("target"));
    let guest = world.guest(kind, &job.node, vmid)?;
    let is_running = guest.is_running();
    if !world.nodes.get(target).is_some_and(|node| node.online) {
        return Err(Refusal::failed("Can't connect to destination address using public key"));
    }
    if is_running && kind == Kind::Lxc && !job.given.flag("restart") {
        return Err(Refusal::failed("lxc live migration is currently not implemented"));
    }
    let own = local(world, &job.node, vmid);
    check_volumes(world, guest, &own, job, log).map_err(|refusal| {
        let text = refusal.text();
        Refusal::failed(format!("Problem found while scanning volumes - {text}"))
    })?;
    let ways = Ways::of(&job.given);
    for volume in &own {
        log.say(format!("found local disk '{}' (attached)", volume.id()));
        carry(world, job, kind, volume, ways.lead(&volume.storage))?;
    }
    let since_ms = world.now_ms();
    let pid = u32::try_from(world.chance.number() % 30_000).unwrap_or_default() + 1_000;
    let guest = world.guest_mut(kind, &job.node, vmid)?;
    target.clone_into(&mut guest.node);
    if let Power::Running { since_ms: since, pid: process, .. } = &mut guest.power {
        // Another process goes on with it there.
        (*since, *process) = (since_ms, pid);
    }
    Ok(())
}

/// Goes on only when every volume can go as well.
fn check_volumes(
    world: &World,
    guest: &Guest,
    own: &[Volume],
    job: &Job,
    log: &mut Log,
) -> Result<()> {
    let is_live = guest.is_running() && guest.kind == Kind::Qemu;
    let has_disks = own.iter().any(|volume| !is_cloud_init(volume));
    if is_live && has_disks && !job.given.flag("with-local-disks") {
        let why = "can't live migrate attached local disks without with-local-disks option";
        return Err(Refusal::failed(why));
    }
    let mut stays: Vec<(String, String)> = Vec::new();
    for volume in own {
        let is_base = |other: &&Volume| {
            other.storage == volume.storage && other.parent.as_ref() == Some(&volume.name)
        };
        if let Some(parent) = &volume.parent {
            stays.push((volume.id(), format!("it is a clone of '{}:{parent}'", volume.storage)));
        } else if let Some(clone) = world.volumes.iter().find(is_base) {
            stays.push((volume.id(), format!("it is the base of '{}'", clone.id())));
        }
    }
    let discs = discs(world, guest).into_iter();
    stays.extend(discs.map(|id| (id, "local cdrom image".to_owned())));
    for (id, why) in &stays {
        log.say(format!("can't migrate local disk '{id}': {why}"));
    }
    if stays.is_empty() { Ok(()) } else { Err(Refusal::failed("can't migrate VM - check log")) }
}

/// Takes a volume to another node, and perhaps to another storage there.
fn carry(world: &mut World, job: &Job, kind: Kind, volume: &Volume, storage: &str) -> Result<()> {
    let (vmid, target) = (job.vmid.unwrap_or_default(), job.given.text("target"));
    let old = volume.id();
    if storage == volume.storage {
        if world.volume_index(target, &old).is_some() {
            return Err(Refusal::failed(format!("volume '{old}' already exists")));
        }
        if let Some(n) = world.volume_index(&job.node, &old) {
            world.volumes[n].node = Some(target.to_owned());
        }
        return Ok(());
    }
    let format = Some(volume.format.as_str());
    let wanted = Wanted { storage, node: target, vmid, format, size: volume.size, prefix: "vm" };
    let new = world.allocate(&wanted)?;
    world.remove_volume(&job.node, &old)?;
    let guest = world.guest_mut(kind, &job.node, vmid)?;
    let snapshots = guest.snapshots.values_mut().flat_map(|options| options.values_mut());
    for text in guest.config.values_mut().chain(snapshots) {
        if text.split(',').any(|part| part == old) {
            *text = text.replacen(&old, &new, 1);
        }
    }
    Ok(())
}

/// Whether and where to a machine could go.
fn outlook(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let (world, ways) = (&call.world, Ways::of(&call.given));
    let guest = world.guest(Kind::Qemu, &call.node, vmid)?;
    let disk = |volume: Volume| {
        let id = volume.id();
        let unused =
            guest.config.iter().any(|(key, text)| key.starts_with("unused") && *text == id);
        json!({ "volid": id, "size": volume.size, "cdrom": u8::from(is_cloud_init(&volume)),
            "is_unused": u8::from(unused) })
    };
    let mut row = json!({
        "running": u8::from(guest.is_running()),
        "local_disks": local(world, &call.node, vmid).into_iter().map(disk).collect::<Value>(),
        "local_resources": [],
        "mapped-resources": [],
        "mapped-resource-info": {},
        "has-dbus-vmstate": 1,
    });
    if !guest.is_running() {
        let (mut allowed, mut refused) = (Vec::new(), serde_json::Map::new());
        for node in world.nodes.keys().filter(|node| **node != call.node) {
            let lacking = lacking(world, vmid, &ways, node)?;
            if lacking.is_empty() {
                allowed.push(node.as_str());
            } else {
                refused.insert(node.clone(), json!({ "unavailable_storages": lacking }));
            }
        }
        row["allowed_nodes"] = json!(allowed);
        row["not_allowed_nodes"] = refused.into();
    }
    Ok(row)
}

/// Whether and where to a container could go.
fn container_outlook(call: &mut Call<'_>) -> Result<Value> {
    let guest = call.world.guest(Kind::Lxc, &call.node, call.given.vmid())?;
    let others = call.world.nodes.keys().filter(|node| **node != call.node);
    Ok(json!({
        "running": u8::from(guest.is_running()),
        "allowed-nodes": others.collect::<Vec<_>>(),
        "not-allowed-nodes": {},
    }))
}
