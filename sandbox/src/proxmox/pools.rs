//! Calls about pools.

use serde_json::{Value, json};

use super::call::{Call, Handler};
use super::cluster::{is_kind, seen_guest, storage_row};
use super::refusal::{Refusal, Result};
use super::world::Pool;

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /pools", list),
    ("POST /pools", create),
    ("PUT /pools", update),
    ("DELETE /pools", delete),
    ("GET /pools/{poolid}", read),
    ("PUT /pools/{poolid}", update),
    ("DELETE /pools/{poolid}", delete),
];

fn row(name: &str, pool: &Pool) -> Value {
    let mut row = json!({ "poolid": name });
    if let Some(comment) = &pool.comment {
        row["comment"] = comment.as_str().into();
    }
    row
}

fn members(call: &Call<'_>, pool: &Pool) -> Value {
    let world = &call.world;
    let kind = call.given.get("type");
    let guests = pool.guests.iter().filter_map(|id| Some((*id, world.guests.get(id)?)));
    let guests = guests.filter(|(_, guest)| kind.is_none_or(|kind| is_kind(guest, kind)));
    let guests = guests.map(|(id, guest)| {
        let mut row = seen_guest(world, id, guest);
        if let Some(row) = row.as_object_mut() {
            row.remove("tags");
        }
        row
    });
    let storages = pool.storages.iter().filter(|_| kind.is_none_or(|kind| kind == "storage"));
    let storages = storages
        .flat_map(|id| world.nodes.keys().filter_map(move |node| storage_row(world, node, id)));
    guests.chain(storages).collect()
}

fn list(call: &mut Call<'_>) -> Result<Value> {
    if call.given.get("poolid").is_some() {
        let name = call.given.text("poolid").to_owned();
        call.demand(&format!("/pool/{name}"), &["Pool.Audit"])?;
        let mut found = read(call)?;
        found["poolid"] = name.into();
        return Ok(json!([found]));
    }
    let seen = call.world.pools.iter().filter(|(name, _)| {
        call.may_any(&format!("/pool/{name}"), &["Pool.Audit", "Pool.Allocate"])
    });
    Ok(seen.map(|(name, pool)| row(name, pool)).collect())
}

fn read(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("poolid");
    let Some(pool) = call.world.pools.get(name) else {
        return Err(Refusal::failed(format!("pool '{name}' does not exist")));
    };
    let mut row = row(name, pool);
    row["members"] = members(call, pool);
    Ok(row)
}

fn create(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("poolid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("create pool");
    if call.world.pools.contains_key(&name) {
        return Err(failed(format!("pool '{name}' already exists")));
    }
    if let Some((parent, _)) = name.rsplit_once('/')
        && !call.world.pools.contains_key(parent)
    {
        return Err(failed(format!("parent '{parent}' of pool '{name}' does not exist")));
    }
    let comment = call.given.get("comment").map(str::to_owned);
    call.world.pools.insert(name, Pool { comment, ..Pool::default() });
    Ok(Value::Null)
}

fn update(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("poolid").to_owned();
    changed(call, &name).map_err(|refusal| match refusal.status {
        500 => refusal.while_doing("update pools"),
        _ => refusal,
    })?;
    Ok(Value::Null)
}

fn changed(call: &mut Call<'_>, name: &str) -> Result<()> {
    let given = call.given.clone();
    let (delete, moves) = (given.flag("delete"), given.flag("allow-move"));
    let mut pools = call.world.pools.clone();
    let Some(mut pool) = pools.get(name).cloned() else {
        return Err(Refusal::failed(format!("pool '{name}' does not exist")));
    };
    if let Some(comment) = given.get("comment") {
        pool.comment = Some(comment.to_owned());
    }
    for id in given.list("vms").iter().filter_map(|id| id.parse::<u32>().ok()) {
        call.demand(&format!("/vms/{id}"), &["Permissions.Modify"])?;
        if delete {
            if !pool.guests.remove(&id) {
                return Err(Refusal::failed(format!("VM {id} is not a pool member")));
            }
            continue;
        }
        if pool.guests.contains(&id) {
            return Err(Refusal::failed(format!("VM {id} is already a pool member")));
        }
        if let Some((other, holder)) = pools.iter_mut().find(|(_, pool)| pool.guests.contains(&id))
        {
            if !moves {
                return Err(Refusal::failed(format!(
                    "VM {id} belongs already to pool '{other}' and 'allow-move' is not set"
                )));
            }
            holder.guests.remove(&id);
        }
        pool.guests.insert(id);
    }
    for id in given.list("storage") {
        call.demand(&format!("/storage/{id}"), &["Permissions.Modify"])?;
        if delete {
            if !pool.storages.remove(&id) {
                return Err(Refusal::failed(format!("Storage '{id}' is not a pool member")));
            }
        } else if !pool.storages.insert(id.clone()) {
            return Err(Refusal::failed(format!("Storage '{id}' is already a pool member")));
        }
    }
    pools.insert(name.to_owned(), pool);
    call.world.pools = pools;
    Ok(())
}

fn delete(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("poolid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("delete pool");
    let Some(pool) = call.world.pools.get(&name) else {
        return Err(failed(format!("pool '{name}' does not exist")));
    };
    let below = format!("{name}/");
    let inside = call.world.pools.keys().find(|other| other.starts_with(&below));
    let what = inside
        .map(|other| format!("pool '{other}'"))
        .or_else(|| {
            let mut there = pool.guests.iter().filter(|id| call.world.guests.contains_key(id));
            there.next().map(|id| format!("VM {id}"))
        })
        .or_else(|| pool.storages.first().map(|id| format!("storage '{id}'")));
    if let Some(what) = what {
        return Err(failed(format!("pool '{name}' is not empty (contains {what})")));
    }
    call.world.pools.remove(&name);
    let path = format!("/pool/{name}");
    call.world.access.entries.retain(|entry| entry.path != path);
    Ok(Value::Null)
}
