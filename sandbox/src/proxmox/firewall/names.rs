//! Names of addresses, of sets of them, and of groups of rules.

use serde_json::{Value, json};

use super::{Alias, CLUSTER, Firewall, Group, Set, file, file_mut, verify};
use crate::proxmox::call::{Call, digest, lines};
use crate::proxmox::formats::is_ip_or_cidr;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::Options;

/// The name in the path or among the parameters, in small letters.
fn name(call: &Call<'_>) -> String {
    call.given.text("name").to_lowercase()
}

fn with_comment(mut row: Value, comment: Option<&String>) -> Value {
    if let Some(comment) = comment {
        row["comment"] = comment.as_str().into();
    }
    row
}

fn aliases_digest(file: &Firewall) -> String {
    let one = |alias: &Alias| format!("{} {} {:?}\n", alias.name, alias.cidr, alias.comment);
    digest(&file.aliases.values().map(one).collect::<String>())
}

fn alias_row(alias: &Alias) -> Value {
    let version = if alias.cidr.contains(':') { 6 } else { 4 };
    let row = json!({ "name": alias.name, "cidr": alias.cidr, "ipversion": version });
    with_comment(row, alias.comment.as_ref())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn aliases(call: &mut Call<'_>) -> Result<Value> {
    let file = file(call);
    let digest = aliases_digest(&file);
    let rows = file.aliases.values().map(|alias| {
        let mut row = alias_row(alias);
        row["digest"] = digest.as_str().into();
        row
    });
    Ok(rows.collect())
}

pub(super) fn alias(call: &mut Call<'_>) -> Result<Value> {
    match file(call).aliases.get(&name(call)) {
        Some(alias) => Ok(alias_row(alias)),
        None => Err(Refusal::parameter("name", "no such alias")),
    }
}

fn given_alias(call: &Call<'_>) -> Alias {
    Alias {
        name: call.given.text("name").to_owned(),
        cidr: call.given.text("cidr").to_owned(),
        comment: call.given.get("comment").map(str::to_owned),
    }
}

pub(super) fn create_alias(call: &mut Call<'_>) -> Result<Value> {
    let (key, alias) = (name(call), given_alias(call));
    if file(call).aliases.contains_key(&key) {
        return Err(Refusal::parameter("name", format!("alias '{key}' already exists")));
    }
    file_mut(call).aliases.insert(key, alias);
    Ok(Value::Null)
}

/// Replaces an alias, and may give it another name.
pub(super) fn update_alias(call: &mut Call<'_>) -> Result<Value> {
    call.same_digest(&aliases_digest(&file(call)))?;
    let (key, mut alias) = (name(call), given_alias(call));
    if !file(call).aliases.contains_key(&key) {
        return Err(Refusal::parameter("name", "no such alias"));
    }
    let rename = call.given.get("rename").map(str::to_owned);
    if let Some(new) = rename {
        let taken = new.to_lowercase();
        if taken != key && file(call).aliases.contains_key(&taken) {
            return Err(Refusal::parameter("name", format!("alias '{taken}' already exists")));
        }
        alias.name = new;
    }
    let aliases = &mut file_mut(call).aliases;
    aliases.remove(&key);
    aliases.insert(alias.name.to_lowercase(), alias);
    Ok(Value::Null)
}

pub(super) fn delete_alias(call: &mut Call<'_>) -> Result<Value> {
    call.same_digest(&aliases_digest(&file(call)))?;
    let key = name(call);
    file_mut(call).aliases.remove(&key);
    Ok(Value::Null)
}

fn sets_digest(file: &Firewall) -> String {
    let one = |(name, set): (&String, &Set)| format!("{name} {:?}\n", set.comment);
    digest(&file.sets.iter().map(one).collect::<String>())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn sets(call: &mut Call<'_>) -> Result<Value> {
    let file = file(call);
    let digest = sets_digest(&file);
    let rows = file.sets.iter().map(|(name, set)| {
        with_comment(json!({ "name": name, "digest": digest }), set.comment.as_ref())
    });
    Ok(rows.collect())
}

pub(super) fn create_set(call: &mut Call<'_>) -> Result<Value> {
    let key = name(call);
    let comment = call.given.get("comment").map(str::to_owned);
    let rename = call.given.get("rename").map(str::to_lowercase);
    let taken = format!("IPSet '{key}' already exists");
    let Some(old) = rename else {
        if file(call).sets.contains_key(&key) {
            return Err(Refusal::parameter("name", taken));
        }
        file_mut(call).sets.insert(key, Set { comment, members: Vec::new() });
        return Ok(Value::Null);
    };
    call.same_digest(&sets_digest(&file(call)))?;
    if old != key && file(call).sets.contains_key(&key) {
        return Err(Refusal::parameter("name", taken));
    }
    let Some(mut set) = file_mut(call).sets.remove(&old) else {
        return Err(Refusal::parameter("name", format!("IPSet '{old}' does not exist")));
    };
    set.comment = comment.or(set.comment);
    file_mut(call).sets.insert(key, set);
    Ok(Value::Null)
}

/// The set of the path, to be changed.
fn set_mut<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Set> {
    let key = name(call);
    let found = file(call).sets.contains_key(&key);
    let set = if found { file_mut(call).sets.get_mut(&key) } else { None };
    set.ok_or_else(|| Refusal::failed(format!("no such IPSet '{key}'")))
}

pub(super) fn delete_set(call: &mut Call<'_>) -> Result<Value> {
    let key = name(call);
    let force = call.given.flag("force");
    if !set_mut(call)?.members.is_empty() && !force {
        return Err(Refusal::failed(format!("IPSet '{key}' is not empty")));
    }
    file_mut(call).sets.remove(&key);
    Ok(Value::Null)
}

fn members_digest(members: &[Options]) -> String {
    digest(&members.iter().map(lines).collect::<Vec<_>>().join("\n"))
}

fn member_row(member: &Options, digest: &str) -> Value {
    let mut row = json!({ "cidr": member.get("cidr"), "digest": digest });
    if member.get("nomatch").is_some_and(|flag| flag == "1") {
        row["nomatch"] = 1.into();
    }
    with_comment(row, member.get("comment"))
}

pub(super) fn set(call: &mut Call<'_>) -> Result<Value> {
    let members = &set_mut(call)?.members;
    let digest = members_digest(members);
    Ok(members.iter().map(|member| member_row(member, &digest)).collect())
}

/// An address without the length of a prefix that says nothing.
fn plain(cidr: &str) -> &str {
    let longest = if cidr.contains(':') { "/128" } else { "/32" };
    cidr.strip_suffix(longest).unwrap_or(cidr)
}

pub(super) fn create_member(call: &mut Call<'_>) -> Result<Value> {
    let cidr = plain(call.given.text("cidr")).to_owned();
    let mut member = call.given.without(&["node", "vmid", "name"]);
    member.insert("cidr".into(), cidr.clone());
    if !is_ip_or_cidr(&cidr)
        && let Some(why) = verify::unknown_alias(call, &cidr)
    {
        return Err(Refusal::failed(why));
    }
    let set = set_mut(call)?;
    if set.members.iter().any(|member| member.get("cidr") == Some(&cidr)) {
        return Err(Refusal::parameter("cidr", format!("address '{cidr}' already exists")));
    }
    if cidr.ends_with("/0") {
        let why = "a zero prefix is not allowed in ipset entries";
        return Err(Refusal::parameter("cidr", why));
    }
    set.members.insert(0, member);
    Ok(Value::Null)
}

/// Where the member of the path is.
fn place(call: &mut Call<'_>) -> Result<usize> {
    let cidr = call.given.text("cidr").to_owned();
    let members = set_mut(call)?.members.clone();
    call.same_digest(&members_digest(&members))?;
    let place = members.iter().position(|member| member.get("cidr") == Some(&cidr));
    place.ok_or_else(|| Refusal::parameter("cidr", "no such IP/Network"))
}

pub(super) fn member(call: &mut Call<'_>) -> Result<Value> {
    let place = place(call)?;
    let members = &set_mut(call)?.members;
    Ok(member_row(&members[place], &members_digest(members)))
}

/// Replaces what is said of a member.
pub(super) fn update_member(call: &mut Call<'_>) -> Result<Value> {
    let place = place(call)?;
    let given = call.given.without(&["node", "vmid", "name", "digest"]);
    set_mut(call)?.members[place] = given;
    Ok(Value::Null)
}

pub(super) fn delete_member(call: &mut Call<'_>) -> Result<Value> {
    if let Ok(place) = place(call) {
        set_mut(call)?.members.remove(place);
    }
    Ok(Value::Null)
}

/// What rules can name instead of addresses.
#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn references(call: &mut Call<'_>) -> Result<Value> {
    let wanted = call.given.get("type");
    let wants = |kind: &str| wanted.is_none_or(|wanted| wanted == kind);
    let mut rows = Vec::new();
    let own = (!call.path.starts_with("/cluster")).then(|| file(call));
    let cluster = call.world.firewalls.get(CLUSTER).cloned();
    for (file, scope) in [(cluster, "dc"), (own, "guest")] {
        let Some(file) = file else { continue };
        for (name, set) in file.sets.iter().filter(|_| wants("ipset")) {
            let row = json!({
                "type": "ipset", "name": name, "ref": format!("+{name}"), "scope": scope,
            });
            rows.push(with_comment(row, set.comment.as_ref()));
        }
        for (name, alias) in file.aliases.iter().filter(|_| wants("alias")) {
            let row = json!({
                "type": "alias", "name": name, "ref": name, "scope": scope,
            });
            rows.push(with_comment(row, alias.comment.as_ref()));
        }
    }
    Ok(rows.into())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn groups(call: &mut Call<'_>) -> Result<Value> {
    let file = file(call);
    let one = |(name, group): (&String, &Group)| format!("{name} {:?}\n", group.comment);
    let digest = digest(&file.groups.iter().map(one).collect::<String>());
    let rows = file.groups.iter().map(|(name, group)| {
        with_comment(json!({ "group": name, "digest": digest }), group.comment.as_ref())
    });
    Ok(rows.collect())
}

pub(super) fn create_group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("group").to_owned();
    let comment = call.given.get("comment").map(str::to_owned);
    let rename = call.given.get("rename").map(str::to_owned);
    let groups = &mut file_mut(call).groups;
    let old = rename.as_ref().and_then(|old| groups.get(old).cloned());
    if groups.contains_key(&name) && rename.as_ref() != Some(&name) {
        let why = format!("Security group '{name}' already exists");
        return Err(Refusal::parameter("group", why));
    }
    let mut group = match (rename, old) {
        (Some(old), None) => {
            let why = format!("Security group '{old}' does not exist");
            return Err(Refusal::parameter("group", why));
        }
        (Some(old), Some(group)) => {
            groups.remove(&old);
            group
        }
        (None, _) => Group::default(),
    };
    group.comment = comment.or(group.comment);
    groups.insert(name, group);
    Ok(Value::Null)
}

pub(super) fn delete_group(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("group").to_owned();
    let Some(group) = file(call).groups.get(&name).cloned() else {
        return Err(Refusal::failed(format!("no such security group '{name}'")));
    };
    if !group.rules.is_empty() {
        return Err(Refusal::failed(format!("Security group '{name}' is not empty")));
    }
    file_mut(call).groups.remove(&name);
    Ok(Value::Null)
}
