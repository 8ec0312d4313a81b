//! Calls about tickets, rights, roles and groups.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::rights::{built_in, is_path, normal, privileges};
use super::{Entry, Group, Who};
use crate::proxmox::call::{Call, Caller, Handler};
use crate::proxmox::refusal::{Refusal, Result};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("POST /access/ticket", ticket),
    ("GET /access/ticket", no_ticket),
    ("GET /access/domains", realms),
    ("GET /access/permissions", permissions),
    ("GET /access/acl", entries),
    ("PUT /access/acl", update_entries),
    ("GET /access/roles", roles),
    ("POST /access/roles", create_role),
    ("GET /access/roles/{roleid}", role),
    ("PUT /access/roles/{roleid}", update_role),
    ("DELETE /access/roles/{roleid}", delete_role),
    ("GET /access/groups", groups),
    ("POST /access/groups", create_group),
    ("GET /access/groups/{groupid}", group),
    ("PUT /access/groups/{groupid}", update_group),
    ("DELETE /access/groups/{groupid}", delete_group),
];

/// Where users come from.
pub(super) const REALMS: [(&str, &str); 2] =
    [("pam", "Linux PAM standard authentication"), ("pve", "Proxmox VE authentication server")];

fn ticket(call: &mut Call<'_>) -> Result<Value> {
    let mut name = call.given.text("username").to_owned();
    if let Some(realm) = call.given.get("realm") {
        name = format!("{name}@{realm}");
    }
    let password = call.given.text("password");
    let now = call.world.now();
    let access = &call.world.access;
    let known = access.users.get(&name).and_then(|user| user.password.as_deref());
    // An old ticket is as good as a password.
    let renewed = access.ticket_of(password, now).is_some_and(|user| user == name);
    if !(renewed || known == Some(password) && access.is_active(&name, now)) {
        let refusal = Refusal::failed("authentication failure");
        return Err(Refusal { status: 401, ..refusal });
    }
    let caller = Caller { user: name.clone(), token: None };
    Ok(json!({
        "username": name,
        "ticket": access.ticket(&name, now),
        "CSRFPreventionToken": access.csrf(&name, now),
        "cap": capabilities(call, &caller),
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn no_ticket(_: &mut Call<'_>) -> Result<Value> {
    Ok(Value::Null)
}

/// What the web interface shows to somebody: privileges by the part of the interface.
fn capabilities(call: &Call<'_>, caller: &Caller) -> Value {
    let parts: [(&str, &str, &[&str]); 7] = [
        ("vms", "/vms", &["VM.", "Permissions.Modify"]),
        ("storage", "/storage", &["Datastore.", "Permissions.Modify"]),
        ("access", "/access/groups", &["User.", "Group.", "Permissions.Modify"]),
        ("nodes", "/nodes", &["Sys.", "Permissions.Modify"]),
        ("sdn", "/sdn", &["SDN.", "Permissions.Modify"]),
        ("mapping", "/mapping", &["Mapping.", "Permissions.Modify"]),
        ("dc", "/", &["Sys.Audit", "Sys.Modify", "SDN."]),
    ];
    let mut capabilities = Map::new();
    for (part, path, kinds) in parts {
        let below = call.world.access.entries.iter().map(|entry| entry.path.as_str());
        let below = below.filter(|below| part != "dc" && below.starts_with(&format!("/{part}")));
        let mut found = Map::new();
        for path in [path].into_iter().chain(below) {
            for privilege in privileges(call.world, caller, path).into_keys() {
                if kinds.iter().any(|kind| privilege.starts_with(kind)) {
                    found.insert(privilege, 1.into());
                }
            }
        }
        capabilities.insert(part.into(), found.into());
    }
    capabilities.into()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn realms(_: &mut Call<'_>) -> Result<Value> {
    let rows =
        REALMS.map(|(realm, comment)| json!({ "realm": realm, "type": realm, "comment": comment }));
    Ok(json!(rows))
}

fn permissions(call: &mut Call<'_>) -> Result<Value> {
    let caller = match call.given.get("userid") {
        Some(id) if id != call.caller.id() => {
            call.demand("/access", &["Sys.Audit"])?;
            match id.split_once('!') {
                Some((user, token)) => Caller { user: user.into(), token: Some(token.into()) },
                None => Caller { user: id.into(), token: None },
            }
        }
        _ => call.caller.clone(),
    };
    let mut paths: BTreeSet<String> = match call.given.get("path") {
        Some(path) => [normal(path)].into(),
        None => ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"]
            .map(str::to_owned)
            .into(),
    };
    if call.given.get("path").is_none() {
        paths.extend(call.world.access.entries.iter().map(|entry| entry.path.clone()));
        for pool in call.world.pools.values() {
            paths.extend(pool.guests.iter().map(|id| format!("/vms/{id}")));
            paths.extend(pool.storages.iter().map(|id| format!("/storage/{id}")));
        }
    }
    let mut found = Map::new();
    for path in paths {
        let privileges = privileges(call.world, &caller, &path).into_iter();
        let privileges: Map<String, Value> =
            privileges.map(|(privilege, below)| (privilege, u8::from(below).into())).collect();
        if !privileges.is_empty() {
            found.insert(path, privileges.into());
        }
    }
    Ok(found.into())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn entries(call: &mut Call<'_>) -> Result<Value> {
    let all = call.may_any("/access", &["Sys.Audit", "Permissions.Modify"]);
    let entries = call.world.access.entries.iter();
    let rows = entries.filter(|entry| all || call.may(&entry.path, &["Permissions.Modify"]));
    let rows = rows.map(|entry| {
        let (kind, who) = match &entry.who {
            Who::User(who) => ("user", who),
            Who::Group(who) => ("group", who),
            Who::Token(who) => ("token", who),
        };
        json!({
            "path": entry.path,
            "propagate": u8::from(entry.propagate),
            "roleid": entry.role,
            "type": kind,
            "ugid": who,
        })
    });
    Ok(rows.collect())
}

fn update_entries(call: &mut Call<'_>) -> Result<Value> {
    let path = normal(call.given.text("path"));
    if !is_path(&path) {
        let why = format!("invalid ACL path '{}'", call.given.text("path"));
        return Err(Refusal::parameter("path", why));
    }
    let given = &call.given;
    if ["users", "groups", "tokens"].iter().all(|name| given.get(name).is_none()) {
        let why = "property is missing and it is not optional";
        let names = ["users", "groups", "tokens"].map(|name| (name.to_owned(), why.to_owned()));
        return Err(Refusal::parameters(names.into()));
    }
    let failed = |why: String| Refusal::failed(why).while_doing("ACL update");
    let mut wanted = Vec::new();
    for role in given.list("roles") {
        if call.world.access.role(&role).is_none() {
            return Err(failed(format!("role '{role}' does not exist")));
        }
        for group in given.list("groups") {
            if !call.world.access.groups.contains_key(&group) {
                return Err(failed(format!("group '{group}' does not exist")));
            }
            wanted.push((Who::Group(group), role.clone()));
        }
        for user in given.list("users") {
            if !call.world.access.users.contains_key(&user) {
                return Err(failed(format!("user '{user}' does not exist")));
            }
            wanted.push((Who::User(user), role.clone()));
        }
        for token in given.list("tokens") {
            let (user, id) = token.split_once('!').unwrap_or((&token, ""));
            let known = call.world.access.users.get(user);
            if !known.is_some_and(|user| user.tokens.contains_key(id)) {
                return Err(failed(format!("no such token '{id}' for user '{user}'")));
            }
            wanted.push((Who::Token(token.clone()), role.clone()));
        }
    }
    let propagate = given.get("propagate") != Some("0");
    let delete = given.flag("delete");
    let entries = &mut call.world.access.entries;
    for (who, role) in wanted {
        entries.retain(|entry| !(entry.path == path && entry.who == who && entry.role == role));
        if !delete {
            entries.push(Entry { path: path.clone(), who, role, propagate });
        }
    }
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn roles(call: &mut Call<'_>) -> Result<Value> {
    let mut rows = Vec::new();
    for (name, privileges) in built_in() {
        let privileges: Vec<&str> = privileges.iter().copied().collect();
        rows.push(json!({ "roleid": name, "privs": privileges.join(","), "special": 1 }));
    }
    for (name, privileges) in &call.world.access.roles {
        let privileges: Vec<&str> = privileges.iter().map(String::as_str).collect();
        rows.push(json!({ "roleid": name, "privs": privileges.join(","), "special": 0 }));
    }
    Ok(rows.into())
}

fn create_role(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("roleid").to_owned();
    if call.world.access.role(&name).is_some() {
        let why = format!("role '{name}' already exists");
        return Err(Refusal::failed(why).while_doing("create role"));
    }
    let privileges = call.given.list("privs").into_iter().collect();
    call.world.access.roles.insert(name, privileges);
    Ok(Value::Null)
}

fn role(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("roleid");
    let Some(privileges) = call.world.access.role(name) else {
        return Err(Refusal::failed(format!("role '{name}' does not exist")));
    };
    let privileges = privileges.into_iter().map(|privilege| (privilege, Value::from(1)));
    Ok(Value::Object(privileges.collect()))
}

fn update_role(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("roleid").to_owned();
    let append = call.given.flag("append");
    let privileges = call.given.list("privs");
    if built_in().contains_key(name.as_str()) {
        let why = format!("auto-generated role '{name}' cannot be modified");
        return Err(Refusal::parameter("roleid", why));
    }
    let Some(role) = call.world.access.roles.get_mut(&name) else {
        let why = format!("role '{name}' does not exist");
        return Err(Refusal::failed(why).while_doing("update role"));
    };
    if !append {
        role.clear();
    }
    role.extend(privileges);
    Ok(Value::Null)
}

fn delete_role(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("roleid");
    if built_in().contains_key(name) {
        let why = format!("auto-generated role '{name}' cannot be deleted");
        return Err(Refusal::parameter("roleid", why));
    }
    if call.world.access.roles.remove(name).is_none() {
        let why = format!("role '{name}' does not exist");
        return Err(Refusal::failed(why).while_doing("delete role"));
    }
    call.world.access.entries.retain(|entry| entry.role != name);
    Ok(Value::Null)
}

fn members(call: &Call<'_>, group: &str) -> Vec<String> {
    let users = call.world.access.users.iter();
    users.filter(|(_, user)| user.groups.contains(group)).map(|(name, _)| name.clone()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn groups(call: &mut Call<'_>) -> Result<Value> {
    let rows = call.world.access.groups.iter().filter(|(name, _)| {
        call.may_any(&format!("/access/groups/{name}"), &["Sys.Audit", "Group.Allocate"])
    });
    let rows = rows.map(|(name, group)| {
        let mut row = json!({ "groupid": name, "users": members(call, name).join(",") });
        if let Some(comment) = &group.comment {
            row["comment"] = comment.as_str().into();
        }
        row
    });
    Ok(rows.collect())
}

fn create_group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("groupid").to_owned();
    if call.world.access.groups.contains_key(&name) {
        let why = format!("group '{name}' already exists");
        return Err(Refusal::failed(why).while_doing("create group"));
    }
    let comment = call.given.get("comment").map(str::to_owned);
    call.world.access.groups.insert(name, Group { comment });
    Ok(Value::Null)
}

fn group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("groupid");
    let Some(group) = call.world.access.groups.get(name) else {
        return Err(Refusal::failed(format!("group '{name}' does not exist")));
    };
    let mut row = json!({ "members": members(call, name) });
    if let Some(comment) = &group.comment {
        row["comment"] = comment.as_str().into();
    }
    Ok(row)
}

fn update_group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("groupid");
    let comment = call.given.get("comment").map(str::to_owned);
    let Some(group) = call.world.access.groups.get_mut(name) else {
        let why = format!("group '{name}' does not exist");
        return Err(Refusal::failed(why).while_doing("update group"));
    };
    if comment.is_some() {
        group.comment = comment;
    }
    Ok(Value::Null)
}

fn delete_group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("groupid").to_owned();
    let access = &mut call.world.access;
    if access.groups.remove(&name).is_none() {
        let why = format!("group '{name}' does not exist");
        return Err(Refusal::failed(why).while_doing("delete group"));
    }
    for user in access.users.values_mut() {
        user.groups.remove(&name);
    }
    access.entries.retain(|entry| entry.who != Who::Group(name.clone()));
    Ok(Value::Null)
}
