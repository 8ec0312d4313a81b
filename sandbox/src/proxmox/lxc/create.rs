//! Making containers.

use serde_json::Value;

use super::{begin, config, is_volume};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::guest::{Guest, Kind};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::{Options, World};

/// Parameters that are none of the configuration.
const NOT_CONFIG: [&str; 14] = [
    "node",
    "vmid",
    "bwlimit",
    "force",
    "ha-managed",
    "ignore-unpack-errors",
    "ostemplate",
    "password",
    "pool",
    "restore",
    "ssh-public-keys",
    "start",
    "storage",
    "unique",
];

/// Systems that a template can be of.
const SYSTEMS: [&str; 9] =
    ["debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine", "gentoo"];

pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    let vmid = call.given.vmid();
    let pool = call.given.get("pool").map(str::to_owned);
    if let Some(pool) = pool.as_ref().filter(|pool| !call.world.pools.contains_key(*pool)) {
        return Err(Refusal::forbidden(&format!("pool '{pool}' does not exist")));
    }
    let in_pool = |pool: &String| call.may(&format!("/pool/{pool}"), &["VM.Allocate"]);
    if !call.may(&format!("/vms/{vmid}"), &["VM.Allocate"]) && !pool.as_ref().is_some_and(in_pool) {
        return Err(Refusal::forbidden(""));
    }
    let mut given = Params(call.given.without(&NOT_CONFIG));
    let whose = (vmid, pool.as_deref());
    let options = given.0.keys().filter(|option| option.as_str() != "unprivileged");
    config::check_rights(call.world, &call.caller, whose, options)?;
    config::check_features(&call.caller, &given, given.flag("unprivileged"))?;
    let storage = call.given.get("storage").unwrap_or("local").to_owned();
    given.0.entry("rootfs".into()).or_insert_with(|| format!("{storage}:4"));
    for (option, text) in given.0.iter().filter(|(option, _)| is_volume(option)) {
        config::check_volume(call.world, &call.caller, option, text)?;
    }
    if let Some(taken) = call.world.taken(vmid) {
        return Err(Refusal::failed(taken));
    }
    let mut given = Params(config::prepare(call.world, &given.0));
    for key in ["start", "ostemplate"] {
        if let Some(text) = call.given.get(key) {
            given.0.insert(format!("+{key}"), text.to_owned());
        }
    }
    let locked: Options = [("lock".to_owned(), "create".to_owned())].into();
    call.world.guests.insert(vmid, Guest::new(Kind::Lxc, &call.node, locked));
    if let Some(pool) = pool.and_then(|pool| call.world.pools.get_mut(&pool)) {
        pool.guests.insert(vmid);
    }
    let takes_ms = call.world.pace.task_ms;
    Ok(begin(call, Act::LxcCreate, "vzcreate", takes_ms, given))
}

/// Makes a container in a task; of one that fails nothing stays.
pub(super) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let vmid = job.vmid.unwrap_or_default();
    match config_of(world, job, vmid, log) {
        Ok(config) => world.guest_mut(Kind::Lxc, &job.node, vmid)?.config = config,
        Err(refusal) => {
            world.volumes.retain(|volume| volume.vmid != Some(vmid));
            world.forget_guest(vmid);
            let why = refusal.text();
            return Err(Refusal::failed(format!("unable to create CT {vmid} - {why}")));
        }
    }
    if job.given.flag("+start") {
        let job = Job { act: Act::LxcStart, given: Params::default(), ..job.clone() };
        let takes_ms = world.pace.task_ms;
        world.begin("vzstart", &vmid.to_string(), takes_ms, job);
    }
    Ok(())
}

fn config_of(world: &mut World, job: &Job, vmid: u32, log: &mut Log) -> Result<Options> {
    let template = job.given.text("+ostemplate");
    let volume = world.volume(&job.node, template)?;
    let path = world.storage(&volume.storage)?.path(&volume.storage, &volume.name);
    log.say(format!("extracting archive '{path}'"));
    log.say("Detected container architecture: amd64");
    let file = template.rsplit('/').next().unwrap_or_default();
    let system = SYSTEMS.into_iter().find(|system| file.starts_with(system));
    let mut config = Options::new();
    for (option, text) in job.given.0.iter().filter(|(option, _)| !option.starts_with('+')) {
        let text = if is_volume(option) {
            config::realize(world, &job.node, vmid, option, text)?
        } else {
            text.clone()
        };
        config.insert(option.clone(), text);
    }
    // What is not so needs no word.
    if config.get("unprivileged").is_some_and(|flag| flag == "0") {
        config.remove("unprivileged");
    }
    let defaults = [
        ("arch", "amd64"),
        ("ostype", system.unwrap_or("unmanaged")),
        ("memory", "512"),
        ("swap", "512"),
    ];
    for (key, default) in defaults {
        config.entry(key.into()).or_insert_with(|| default.into());
    }
    Ok(config)
}
