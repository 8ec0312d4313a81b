//! Making machines.

use serde_json::Value;

use super::{begin, config, drives, rights};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

/// Parameters that are none of the configuration.
const NOT_CONFIG: [&str; 13] = [
    "node",
    "vmid",
    "archive",
    "bwlimit",
    "force",
    "ha-managed",
    "import-working-storage",
    "live-restore",
    "pool",
    "start",
    "storage",
    "unique",
    "skiplock",
];

/// Goes on only when there is such a pool.
pub(super) fn check_pool(call: &Call<'_>) -> Result<()> {
    match call.given.get("pool") {
        Some(pool) if !call.world.pools.contains_key(pool) => {
            Err(Refusal::forbidden(&format!("pool '{pool}' does not exist")))
        }
        _ => Ok(()),
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    check_pool(call)?;
    let pool = call.given.get("pool").map(str::to_owned);
    if let Some(storage) = call.given.get("storage") {
        call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    }
    let in_pool = |pool: &String| call.may(&format!("/pool/{pool}"), &["VM.Allocate"]);
    if !call.may(&format!("/vms/{vmid}"), &["VM.Allocate"]) && !pool.as_ref().is_some_and(in_pool) {
        return Err(Refusal::forbidden(""));
    }
    if let Some(archive) = call.given.get("archive") {
        call.world.volume(&call.node, archive)?;
    }
    let mut given = Params(call.given.without(&NOT_CONFIG));
    config::name_cdrom(&mut given);
    config::check_keys(&given)?;
    rights::check(call.world, &call.caller, vmid, pool.as_deref(), given.0.keys())?;
    for (option, text) in &given.0 {
        let whose = (vmid, pool.as_deref());
        rights::check_device(call.world, &call.caller, whose, option, Some(text))?;
        if drives::is_drive(option) {
            drives::check(call.world, &call.caller, &drives::parse(option, text))?;
        }
    }
    config::prepare(call.world, &call.caller, &mut given)?;
    if let Some(taken) = call.world.taken(vmid) {
        return Err(Refusal::failed(format!("unable to create VM {vmid} - {taken}")));
    }
    for key in ["start", "pool"] {
        if let Some(text) = call.given.get(key) {
            given.0.insert(format!("+{key}"), text.to_owned());
        }
    }
    let locked: Options = [("lock".to_owned(), "create".to_owned())].into();
    call.world.guests.insert(vmid, Guest::new(Kind::Qemu, &call.node, locked));
    if let Some(pool) = pool.and_then(|pool| call.world.pools.get_mut(&pool)) {
        pool.guests.insert(vmid);
    }
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::QemuCreate, "qmcreate", takes_ms, given))
}

/// Makes a machine in a task; of one that fails nothing stays.
pub(in crate::proxmox) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    let mut given = job.given.clone();
    let start = given.take("+start");
    given.take("+pool");
    match config_of(world, &job.node, vmid, &given, log) {
        Ok(config) => {
            let guest = world.guest_mut(Kind::Qemu, &job.node, vmid)?;
            guest.config = config;
        }
        Err(refusal) => {
            world.forget_guest(vmid);
            let why = refusal.text();
            return Err(Refusal::failed(format!("unable to create VM {vmid} - {why}")));
        }
    }
    if start.as_deref() == Some("1") {
        let given = Params::default();
        let (caller, node) = (job.caller.clone(), job.node.clone());
        let start = Job { act: Act::QemuStart, vmid: Some(vmid), given, caller, node };
        let takes_ms = world.pace.task_ms;
        world.begin("qmstart", &vmid.to_string(), takes_ms, start);
    }
    Ok(())
}

/// The configuration of a new machine, its disks made.
fn config_of(
    world: &mut World,
    node: &str,
    vmid: u32,
    given: &Params,
    log: &mut Log,
) -> Result<Options> {
    let mut config = given.0.clone();
    let mut made: Vec<String> = Vec::new();
    for (option, text) in given.0.iter().filter(|(option, _)| drives::is_drive(option)) {
        let before = world.volumes.len();
        match drives::realize(world, node, vmid, option, text) {
            Ok(drive) => {
                if world.volumes.len() > before {
                    made.extend(world.volumes.last().map(super::super::storage::Volume::id));
                    log.say(format!("{option}: successfully created disk '{drive}'"));
                }
                config.insert(option.clone(), drive);
            }
            Err(refusal) => {
                for id in made {
                    world.remove_volume(node, &id)?;
                }
                return Err(refusal);
            }
        }
    }
    let now = world.now();
    let boot = boot_order(&config);
    config.entry("boot".into()).or_insert(boot);
    config.entry("smbios1".into()).or_insert_with(|| format!("uuid={}", world.chance.uuid()));
    config.entry("vmgenid".into()).or_insert_with(|| world.chance.uuid());
    config.insert("meta".into(), format!("creation-qemu=10.1.2,ctime={now}"));
    Ok(config)
}

/// What a machine starts from by itself: the first disk, the first disc, the first network card.
fn boot_order(config: &Options) -> String {
    let drives = || {
        let rank = |option: &str| {
            let stem = option.trim_end_matches(|c: char| c.is_ascii_digit());
            let number: u32 = option[stem.len()..].parse().unwrap_or_default();
            let kind = ["ide", "scsi", "virtio", "sata"].iter().position(|one| *one == stem);
            kind.map(|kind| (kind, number))
        };
        let mut found: Vec<_> = config
            .iter()
            .filter_map(|(option, text)| Some((rank(option)?, option, drives::parse(option, text))))
            .collect();
        found.sort_by_key(|(rank, _, _)| *rank);
        found.into_iter()
    };
    let disk = drives().find(|(_, _, drive)| !drives::is_cdrom(drive));
    let reader = drives().find(|(_, _, drive)| drives::is_cdrom(drive));
    let card = (0..32).map(|n| format!("net{n}")).find(|card| config.contains_key(card));
    let found = [disk.map(|found| found.1.clone()), reader.map(|found| found.1.clone()), card];
    let order: Vec<String> = found.into_iter().flatten().collect();
    if order.is_empty() { " ".into() } else { format!("order={}", order.join(";")) }
}
