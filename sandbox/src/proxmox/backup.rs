//! Backups of guests, as `vzdump` makes them.

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Call, Caller, Handler, Params};
use super::formats::items;
use super::guest::{Guest, Kind};
use super::refusal::{Refusal, Result};
use super::storage::Volume;
use super::tasks::{Act, Job, Log};
use super::world::World;

pub(super) const HANDLERS: &[(&str, Handler)] = &[("POST /nodes/{node}/vzdump", start)];

/// What guests are locked with while they are backed up.
const LOCK: &str = "backup";

fn start(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let has_ids = given.get("vmid").is_some();
    for other in ["all", "exclude", "pool"] {
        if has_ids && given.get(other).is_some_and(|text| text != "0") {
            return Err(Refusal::parameter(other, "option conflicts with option 'vmid'"));
        }
    }
    if !has_ids && !given.flag("all") && given.get("pool").is_none() {
        let why = "property is missing and it is not optional";
        return Err(Refusal::parameter("vmid", why));
    }
    let storage = given.get("storage").unwrap_or("local").to_owned();
    call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    check_storage(call.world, &call.node, &storage)?;
    let ids = wanted(call.world, &call.node, &given);
    if ids.is_empty() {
        // Whoever backs up a whole cluster asks every node.
        return Ok("OK".into());
    }
    let mut locked = Vec::new();
    for id in &ids {
        if let Some(guest) = call.world.guests.get_mut(id).filter(|guest| guest.unlocked().is_ok())
        {
            guest.config.insert("lock".into(), LOCK.into());
            locked.push(id.to_string());
        }
    }
    let about = if let [only] = ids.as_slice() { only.to_string() } else { String::new() };
    let mut given = given.without(&["node"]);
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    given.extend([
        ("storage".to_owned(), storage),
        ("vmid".to_owned(), ids.join(",")),
        ("locked".to_owned(), locked.join(",")),
    ]);
    let (node, caller) = (call.node.clone(), call.caller.clone());
    let job = Job { act: Act::Backup, vmid: None, given: Params(given), caller, node };
    let takes_ms = call.world.pace.task_ms;
    Ok(call.world.begin("vzdump", &about, takes_ms, job))
}

fn check_storage(world: &World, node: &str, id: &str) -> Result<()> {
    let checked = world.storage(id).and_then(|storage| {
        if !storage.is_on(node) {
            let why = format!("storage '{id}' is not available on node '{node}'");
            return Err(Refusal::failed(why));
        }
        if !storage.content().contains(&"backup") {
            let why = format!("can't use storage '{id}' for backups - wrong content type");
            return Err(Refusal::failed(why));
        }
        Ok(())
    });
    checked.map_err(|refusal| {
        let why = refusal.text();
        Refusal::failed(format!("could not get storage information for '{id}': {why}"))
    })
}

/// Which guests a node backs up: its own, and those that are nowhere.
fn wanted(world: &World, node: &str, given: &Params) -> Vec<u32> {
    let is_elsewhere = |id: &u32| world.guests.get(id).is_some_and(|guest| guest.node != node);
    let ids: Vec<u32> = match (given.get("vmid"), given.get("pool")) {
        (Some(ids), _) => items(ids).filter_map(|id| id.parse().ok()).collect(),
        (None, Some(pool)) => world
            .pools
            .get(pool)
            .map(|pool| pool.guests.iter().copied().collect())
            .unwrap_or_default(),
        (None, None) => world.guests.keys().copied().collect(),
    };
    let left_out = given.list("exclude");
    let is_left_out = |id: &u32| left_out.contains(&id.to_string());
    ids.into_iter().filter(|id| !is_elsewhere(id) && !is_left_out(id)).collect()
}

/// Backs up one guest after the other. What fails of one does not keep the others from it.
pub(super) fn run(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let locked = job.given.list("locked");
    let mut failed = false;
    log.say(format!(
        "INFO: starting new backup job: vzdump {} --storage {}",
        job.given.text("vmid").replace(',', " "),
        job.given.text("storage")
    ));
    for id in job.given.list("vmid") {
        let vmid = id.parse().unwrap_or_default();
        let is_ours = locked.contains(&id);
        let kept = one(world, job, vmid, is_ours, log);
        if let Some(guest) = world.guests.get_mut(&vmid).filter(|_| is_ours) {
            guest.config.remove("lock");
        }
        if let Err(refusal) = kept {
            log.say(format!("ERROR: Backup of VM {vmid} failed - {}", refusal.text()));
            failed = true;
        }
    }
    if failed {
        log.say("INFO: Backup job finished with errors");
        return Err(Refusal::failed("job errors"));
    }
    log.say("INFO: Backup job finished successfully");
    Ok(())
}

fn one(world: &mut World, job: &Job, vmid: u32, is_ours: bool, log: &mut Log) -> Result<()> {
    may(world, &job.caller, vmid)?;
    let Some(guest) = world.guests.get(&vmid) else {
        return Err(Refusal::failed(format!("unable to find VM '{vmid}'")));
    };
    log.say(format!("INFO: Starting Backup of VM {vmid} ({})", guest.kind.name()));
    if !is_ours {
        guest.unlocked()?;
    }
    let status = if guest.is_running() { "running" } else { "stopped" };
    log.say(format!("INFO: status = {status}"));
    log.say(format!("INFO: backup mode: {}", job.given.get("mode").unwrap_or("snapshot")));
    let archive = archive(world, job, vmid, guest)?;
    let storage = world.storage(&archive.storage)?;
    let path = storage.path(&archive.storage, &archive.name);
    log.say(format!("INFO: creating vzdump archive '{path}'"));
    world.volumes.push(archive);
    log.say(format!("INFO: Finished Backup of VM {vmid} (00:00:00)"));
    Ok(())
}

fn may(world: &World, caller: &Caller, vmid: u32) -> Result<()> {
    world.demand(caller, &format!("/vms/{vmid}"), &["VM.Backup"])
}

/// What a backup of a guest leaves on a storage.
fn archive(world: &World, job: &Job, vmid: u32, guest: &Guest) -> Result<Volume> {
    let kind = guest.kind.name();
    let made = world.now();
    let second = i64::try_from(made).ok().and_then(|second| Timestamp::from_second(second).ok());
    let second = second.ok_or_else(|| Refusal::failed("it is no time"))?;
    let base = if guest.kind == Kind::Qemu { "vma" } else { "tar" };
    let format = match job.given.get("compress") {
        Some("1" | "lzo") => format!("{base}.lzo"),
        Some("gzip") => format!("{base}.gz"),
        Some("zstd") => format!("{base}.zst"),
        _ => base.to_owned(),
    };
    let id = job.given.text("storage");
    let is_shared = world.storage(id)?.is_shared();
    let held = world.volumes.iter().filter(|volume| volume.vmid == Some(vmid)).map(Volume::used);
    let notes = job.given.get("notes-template").map(|template| {
        let words = [
            ("{{guestname}}", guest.title(vmid)),
            ("{{vmid}}", vmid.to_string()),
            ("{{node}}", job.node.clone()),
            ("{{cluster}}", String::new()),
        ];
        words.into_iter().fold(template.to_owned(), |text, (word, is)| text.replace(word, &is))
    });
    Ok(Volume {
        storage: id.to_owned(),
        node: (!is_shared).then(|| job.node.clone()),
        name: format!(
            "backup/vzdump-{kind}-{vmid}-{}.{format}",
            second.strftime("%Y_%m_%d-%H_%M_%S")
        ),
        vmid: None,
        content: "backup".into(),
        format,
        size: (1 << 20) + held.sum::<u64>(),
        made,
        parent: None,
        notes,
    })
}
