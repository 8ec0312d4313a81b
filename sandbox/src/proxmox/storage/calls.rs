//! Calls about storages.

use serde_json::{Map, Value, json};

use super::Storage;
use crate::proxmox::call::Call;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::World;

const RIGHTS: [&str; 2] = ["Datastore.Audit", "Datastore.AllocateSpace"];

/// What every kind needs.
const REQUIRED: [(&str, &[&str]); 11] = [
    ("dir", &["path"]),
    ("btrfs", &["path"]),
    ("nfs", &["server", "export"]),
    ("cifs", &["server", "share"]),
    ("lvm", &["vgname"]),
    ("lvmthin", &["vgname", "thinpool"]),
    ("zfspool", &["pool"]),
    ("iscsi", &["portal", "target"]),
    ("iscsidirect", &["portal", "target"]),
    ("pbs", &["server", "datastore"]),
    ("esxi", &["server", "username"]),
];

/// Flags and numbers among the options.
const NUMBERS: [&str; 6] = ["disable", "shared", "priority", "sparse", "mkdir", "saferemove"];

fn row(world: &World, id: &str, storage: &Storage) -> Value {
    let mut row = Map::new();
    for (key, text) in &storage.options {
        let number = NUMBERS.contains(&key.as_str()).then(|| text.parse::<i64>().ok()).flatten();
        row.insert(key.clone(), number.map_or_else(|| text.as_str().into(), Value::from));
    }
    row.insert("storage".into(), id.into());
    row.insert("type".into(), storage.kind.as_str().into());
    row.insert("digest".into(), world.storages_digest().into());
    row.into()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let rows = call.world.all_storages().into_iter().filter(|(id, storage)| {
        call.may_any(&format!("/storage/{id}"), &RIGHTS)
            && call.given.get("type").is_none_or(|kind| kind == storage.kind)
    });
    Ok(rows.map(|(id, storage)| row(call.world, &id, &storage)).collect())
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    let id = call.given.text("storage");
    Ok(row(call.world, id, &call.world.storage(id)?))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    let (id, kind) = (call.given.text("storage").to_owned(), call.given.text("type").to_owned());
    let needed = REQUIRED.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, all)| all);
    if let Some(missing) = needed.iter().find(|name| call.given.get(name).is_none()) {
        return Err(Refusal::failed(format!("missing value for required option '{missing}'")));
    }
    if call.world.storages.contains_key(&id) {
        let why = format!("storage ID '{id}' already defined");
        return Err(Refusal::failed(why).while_doing("create storage"));
    }
    let options = call.given.without(&["storage", "type"]);
    call.world.storages.insert(id.clone(), Storage { kind: kind.clone(), options });
    Ok(json!({ "storage": id, "type": kind }))
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let failed = |refusal: Refusal| refusal.while_doing("update storage");
    let id = call.given.text("storage").to_owned();
    call.same_digest(&call.world.storages_digest()).map_err(failed)?;
    let mut storage = call.world.storage(&id).map_err(failed)?;
    for key in call.given.list("delete") {
        storage.options.remove(&key);
    }
    storage.options.extend(call.given.without(&["storage", "delete", "digest"]));
    let kind = storage.kind.clone();
    call.world.storages.insert(id.clone(), storage);
    Ok(json!({ "storage": id, "type": kind }))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Value> {
    let id = call.given.text("storage").to_owned();
    call.world.storage(&id).map_err(|refusal| refusal.while_doing("delete storage"))?;
    call.world.storages.remove(&id);
    let path = format!("/storage/{id}");
    call.world.access.entries.retain(|entry| entry.path != path);
    for pool in call.world.pools.values_mut() {
        pool.storages.remove(&id);
    }
    Ok(Value::Null)
}

/// What a storage has and holds.
fn usage(world: &World, node: &str, id: &str, storage: &Storage) -> Map<String, Value> {
    let active = storage.is_enabled();
    let size = world.nodes.get(node).map_or(0, |node| node.disk);
    let total = if active { size } else { 0 };
    let used = if active { world.used_space(id) } else { 0 };
    let row = json!({
        "type": storage.kind,
        "content": storage.content().join(","),
        "enabled": u8::from(active),
        "active": u8::from(active),
        "shared": u8::from(storage.is_shared()),
        "total": total,
        "used": used,
        "avail": total.saturating_sub(used),
    });
    row.as_object().cloned().unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn list_on_node(call: &mut Call<'_>) -> Result<Value> {
    let wanted = call.given.list("content");
    let mut rows = Vec::new();
    for (id, storage) in call.world.all_storages() {
        let has = wanted.is_empty()
            || wanted.iter().any(|kind| storage.content().contains(&kind.as_str()));
        let fits = has
            && storage.is_on(&call.node)
            && (!call.given.flag("enabled") || storage.is_enabled())
            && call.given.get("storage").is_none_or(|only| only == id)
            && call.may_any(&format!("/storage/{id}"), &RIGHTS);
        if !fits {
            continue;
        }
        let mut row = usage(call.world, &call.node, &id, &storage);
        if let (Some(used), Some(total @ 1..)) = (row["used"].as_u64(), row["total"].as_u64()) {
            #[expect(clippy::cast_precision_loss, reason = "it is a fraction to look at")]
            row.insert("used_fraction".into(), (used as f64 / total as f64).into());
        }
        row.insert("storage".into(), id.into());
        rows.push(Value::Object(row));
    }
    Ok(rows.into())
}

/// The storage of a path below a node.
pub(super) fn on_node(call: &Call<'_>) -> Result<(String, Storage)> {
    let id = call.given.text("storage").to_owned();
    let storage = call.world.storage(&id);
    let storage = storage.map_err(|_| Refusal::parameter("storage", "No such storage."))?;
    if !storage.is_on(&call.node) {
        let why = format!("storage '{id}' is not available on node '{}'", call.node);
        return Err(Refusal::failed(why));
    }
    Ok((id, storage))
}

pub(super) fn status(call: &mut Call<'_>) -> Result<Value> {
    let (id, storage) = on_node(call)?;
    Ok(usage(call.world, &call.node, &id, &storage).into())
}
