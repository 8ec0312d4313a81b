//! Calls about volumes.

use serde_json::{Value, json};

use super::calls::on_node;
use super::{Volume, Wanted, bytes, own_name};
use crate::proxmox::call::{Call, Params};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::tasks::{Act, Job, Log};
use crate::proxmox::world::World;

fn row(volume: &Volume) -> Value {
    let mut row = json!({
        "volid": volume.id(),
        "content": volume.content,
        "format": volume.format,
        "size": volume.size,
        "ctime": volume.made,
    });
    if let Some(vmid) = volume.vmid {
        row["vmid"] = vmid.into();
        row["used"] = volume.used().into();
        row["parent"] = volume
            .parent
            .as_ref()
            .map_or(Value::Null, |parent| Value::from(format!("../{parent}")));
    }
    if volume.content == "backup" {
        row["vmid"] = volume.of_guest().into();
        row["subtype"] = if volume.format.starts_with("vma") { "qemu" } else { "lxc" }.into();
        if let Some(notes) = &volume.notes {
            row["notes"] = notes.as_str().into();
        }
    }
    row
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let (id, _) = on_node(call)?;
    let given = &call.given;
    let here = call.world.volumes.iter().filter(|volume| {
        volume.storage == id
            && volume.node.as_ref().is_none_or(|node| *node == call.node)
            && given.get("content").is_none_or(|content| content == volume.content)
            && given
                .number("vmid")
                .is_none_or(|vmid| volume.of_guest().map(u64::from) == Some(vmid))
    });
    Ok(here.map(row).collect())
}

pub(super) fn allocate(call: &mut Call<'_>) -> Result<Value> {
    let (id, storage) = on_node(call)?;
    let given = &call.given;
    let file = given.text("filename");
    let ending = file.rsplit_once('.').map(|(_, ending)| ending);
    let format = given.get("format").or(ending).unwrap_or("raw").to_owned();
    let size = given.text("size");
    // Kibibytes, unless it says otherwise.
    let size = if size.ends_with(['M', 'G']) { bytes(size) } else { bytes(&format!("{size}K")) };
    let vmid = given.vmid();
    let name = if storage.has_files() { format!("{vmid}/{file}") } else { file.to_owned() };
    let node = call.node.clone();
    let wanted = Wanted { storage: &id, node: &node, vmid, format: None, size, prefix: "vm" };
    Ok(call.world.add_volume(&wanted, &storage, name, &format)?.into())
}

/// The volume of the path; the storage may stand in it or before it.
fn named(call: &Call<'_>) -> Result<String> {
    let (id, storage) = on_node(call)?;
    let volume = call.given.text("volume");
    let volume = match volume.split_once(':') {
        Some(_) => volume.to_owned(),
        None => format!("{id}:{volume}"),
    };
    let name = volume.split_once(':').map_or("", |(_, name)| name);
    if storage.has_files() && !name.contains('/') {
        return Err(Refusal::failed(format!("unable to parse directory volume name '{name}'")));
    }
    if !call.may_any(&format!("/storage/{id}"), &["Datastore.Audit", "Datastore.AllocateSpace"]) {
        return Err(Refusal::forbidden(&format!("/storage/{id}, Datastore.AllocateSpace")));
    }
    Ok(volume)
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    let id = named(call)?;
    let volume = call.world.volume(&call.node, &id)?;
    let storage = call.world.storage(&volume.storage)?;
    let mut row = json!({
        "path": storage.path(&volume.storage, &volume.name),
        "format": volume.format,
        "size": volume.size,
        "used": volume.used(),
    });
    if let Some(parent) = &volume.parent {
        row["parent"] = format!("../{parent}").into();
    }
    Ok(row)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Value> {
    let id = named(call)?;
    let (storage, name) = id.split_once(':').unwrap_or(("", &id));
    call.demand(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    let owner = own_name(name).split('/').next().and_then(|owner| owner.parse::<u32>().ok());
    let about = match owner {
        Some(owner) => format!("{owner}@{storage}"),
        None => format!("@{storage}"),
    };
    let given = Params([("volume".to_owned(), id.clone())].into());
    let (node, caller) = (call.node.clone(), call.caller.clone());
    let job = Job { act: Act::DeleteVolume, vmid: None, given, caller, node };
    let takes_ms = call.world.pace.task_ms;
    Ok(call.world.begin("imgdel", &about, takes_ms, job))
}

/// Removes a volume in a task.
pub(in crate::proxmox) fn run_delete(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let id = job.given.text("volume");
    world.remove_volume(&job.node, id)?;
    log.say(format!("Removed volume '{id}'"));
    Ok(())
}

pub(super) fn download(call: &mut Call<'_>) -> Result<Value> {
    let (id, storage) = on_node(call)?;
    let content = call.given.text("content");
    if !storage.content().contains(&content) {
        let why = format!("storage '{id}' is not configured for content-type '{content}'");
        return Err(Refusal::failed(why));
    }
    // Nothing is reachable from a pretend machine.
    let url = call.given.text("url");
    Err(Refusal::failed(format!("download of '{url}' failed: 500 Can't connect")))
}
