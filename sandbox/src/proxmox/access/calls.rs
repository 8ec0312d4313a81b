//! Calls below `/access`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::rights::{built_in, is_path, normal, privileges};
use super::{Entry, Group, Token, User, Who};
use crate::proxmox::call::{Call, Caller, Handler};
use crate::proxmox::refusal::{Refusal, Result};

pub(in crate::proxmox) const HANDLERS: &[(&str, Handler)] = &[
    ("POST /access/ticket", ticket),
    ("GET /access/ticket", no_ticket),
    ("GET /access/domains", realms),
    ("GET /access/permissions", permissions),
    ("PUT /access/password", password),
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
    ("GET /access/users", users),
    ("POST /access/users", create_user),
    ("GET /access/users/{userid}", user),
    ("PUT /access/users/{userid}", update_user),
    ("DELETE /access/users/{userid}", delete_user),
    ("GET /access/users/{userid}/token", tokens),
    ("GET /access/users/{userid}/token/{tokenid}", token),
    ("POST /access/users/{userid}/token/{tokenid}", create_token),
    ("PUT /access/users/{userid}/token/{tokenid}", update_token),
    ("DELETE /access/users/{userid}/token/{tokenid}", delete_token),
];

const REALMS: [(&str, &str); 2] =
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

fn password(call: &mut Call<'_>) -> Result<Value> {
    let password = call.given.text("password").to_owned();
    let name = call.given.text("userid").to_owned();
    let user = user_mut(call, &name)?;
    user.password = Some(password);
    Ok(Value::Null)
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

fn user_mut<'c>(call: &'c mut Call<'_>, name: &str) -> Result<&'c mut User> {
    let user = call.world.access.users.get_mut(name);
    user.ok_or_else(|| Refusal::failed(format!("no such user ('{name}')")))
}

/// What is told of a user.
fn described(user: &User) -> Map<String, Value> {
    let texts = [
        ("comment", &user.comment),
        ("email", &user.email),
        ("firstname", &user.firstname),
        ("lastname", &user.lastname),
        ("keys", &user.keys),
    ];
    let told = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
    let mut row: Map<String, Value> =
        told.map(|(key, text)| (key.to_owned(), Value::from(text))).collect();
    row.insert("enable".into(), u8::from(!user.disabled).into());
    row.insert("expire".into(), user.expire.into());
    row
}

/// What is told of a token; never its secret.
fn told(token: &Token) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("privsep".into(), u8::from(token.separate).into());
    row.insert("expire".into(), token.expire.into());
    if let Some(comment) = &token.comment {
        row.insert("comment".into(), comment.as_str().into());
    }
    row
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn users(call: &mut Call<'_>) -> Result<Value> {
    let all = call.may_any("/access/groups", &["User.Modify", "Sys.Audit"]);
    let wanted = call.given.get("enabled").map(|flag| flag == "1");
    let rows = call.world.access.users.iter().filter(|(name, user)| {
        (all || **name == call.caller.user) && wanted.is_none_or(|wanted| wanted != user.disabled)
    });
    let rows = rows.map(|(name, user)| {
        let mut row = described(user);
        let realm = name.rsplit_once('@').map_or("", |(_, realm)| realm);
        row.insert("userid".into(), name.as_str().into());
        row.insert("realm-type".into(), realm.into());
        if call.given.flag("full") {
            let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
            row.insert("groups".into(), groups.join(",").into());
            row.insert("tokens".into(), token_rows(user));
        }
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn token_rows(user: &User) -> Value {
    let rows = user.tokens.iter().map(|(id, token)| {
        let mut row = told(token);
        row.insert("tokenid".into(), id.as_str().into());
        Value::Object(row)
    });
    rows.collect()
}

/// Takes over what is given.
fn change(user: &mut User, given: &crate::proxmox::call::Params) {
    let texts = [
        ("comment", &mut user.comment),
        ("email", &mut user.email),
        ("firstname", &mut user.firstname),
        ("lastname", &mut user.lastname),
        ("keys", &mut user.keys),
    ];
    for (key, field) in texts {
        if let Some(text) = given.get(key) {
            *field = (!text.is_empty()).then(|| text.to_owned());
        }
    }
    if let Some(enable) = given.get("enable") {
        user.disabled = enable == "0";
    }
    user.expire = given.number("expire").unwrap_or(user.expire);
    if given.get("groups").is_some() {
        if !given.flag("append") {
            user.groups.clear();
        }
        user.groups.extend(given.list("groups"));
    }
}

fn create_user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("create user");
    if call.world.access.users.contains_key(&name) {
        return Err(failed(format!("user '{name}' already exists")));
    }
    let realm = name.rsplit_once('@').map_or("", |(_, realm)| realm);
    if !REALMS.iter().any(|(known, _)| *known == realm) {
        return Err(failed(format!("domain '{realm}' does not exist")));
    }
    let mut user =
        User { password: call.given.get("password").map(str::to_owned), ..User::default() };
    change(&mut user, &call.given);
    call.world.access.users.insert(name, user);
    Ok(Value::Null)
}

fn user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let user = user_mut(call, &name)?;
    let mut row = described(user);
    row.insert("groups".into(), user.groups.iter().map(String::as_str).collect());
    let tokens: BTreeMap<&String, _> =
        user.tokens.iter().map(|(id, token)| (id, told(token))).collect();
    row.insert("tokens".into(), json!(tokens));
    Ok(row.into())
}

fn update_user(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let user = user_mut(call, given.text("userid"));
    change(user.map_err(|refusal| refusal.while_doing("update user"))?, &given);
    Ok(Value::Null)
}

fn delete_user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("delete user");
    if call.caller.user == name {
        return Err(failed("not allowed to delete current user".into()));
    }
    let access = &mut call.world.access;
    if access.users.remove(&name).is_none() {
        return Err(failed(format!("user '{name}' does not exist")));
    }
    let tokens = format!("{name}!");
    access.entries.retain(|entry| match &entry.who {
        Who::User(who) => *who != name,
        Who::Token(who) => !who.starts_with(&tokens),
        Who::Group(_) => true,
    });
    Ok(Value::Null)
}

fn tokens(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    Ok(token_rows(user_mut(call, &name)?))
}

fn token_mut<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Token> {
    let (name, id) = (call.given.text("userid").to_owned(), call.given.text("tokenid").to_owned());
    let token = user_mut(call, &name)?.tokens.get_mut(&id);
    token.ok_or_else(|| Refusal::failed(format!("no such token '{id}' for user '{name}'")))
}

fn token(call: &mut Call<'_>) -> Result<Value> {
    Ok(told(token_mut(call)?).into())
}

fn create_token(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let (name, id) = (given.text("userid"), given.text("tokenid"));
    let secret = call.world.chance.uuid();
    let user = user_mut(call, name)?;
    if user.tokens.contains_key(id) {
        return Err(Refusal::parameter("tokenid", "Token already exists."));
    }
    let token = Token {
        secret: secret.clone(),
        comment: given.get("comment").map(str::to_owned),
        expire: given.number("expire").unwrap_or_default(),
        separate: given.get("privsep") != Some("0"),
    };
    user.tokens.insert(id.to_owned(), token);
    // What was given comes back as it was given.
    let mut info = json!({ "privsep": 1 });
    for key in ["privsep", "expire", "comment"] {
        if let Some(text) = given.get(key) {
            info[key] = text.into();
        }
    }
    Ok(json!({ "full-tokenid": format!("{name}!{id}"), "value": secret, "info": info }))
}

fn update_token(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let token = token_mut(call)?;
    for key in given.list("delete") {
        match key.as_str() {
            "comment" => token.comment = None,
            "expire" => token.expire = 0,
            _ => {}
        }
    }
    if let Some(comment) = given.get("comment") {
        token.comment = Some(comment.to_owned());
    }
    token.expire = given.number("expire").unwrap_or(token.expire);
    if let Some(separate) = given.get("privsep") {
        token.separate = separate == "1";
    }
    let mut row = told(token);
    for key in ["privsep", "expire"] {
        if let Some(text) = given.get(key) {
            row.insert(key.into(), text.into());
        }
    }
    Ok(row.into())
}

fn delete_token(call: &mut Call<'_>) -> Result<Value> {
    token_mut(call)?;
    let (name, id) = (call.given.text("userid").to_owned(), call.given.text("tokenid").to_owned());
    user_mut(call, &name)?.tokens.remove(&id);
    let whole = format!("{name}!{id}");
    call.world.access.entries.retain(|entry| entry.who != Who::Token(whole.clone()));
    Ok(Value::Null)
}
