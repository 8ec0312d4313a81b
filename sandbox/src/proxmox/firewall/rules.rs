//! Rules. They have no id but their place.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{CLUSTER, Firewall, file, file_mut};
use crate::proxmox::call::{Call, digest, lines};
use crate::proxmox::formats::is_alias;
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::Options;

fn macro_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("../tables/macros.txt").lines().filter_map(|line| line.split_once(' '))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn macros(_: &mut Call<'_>) -> Result<Value> {
    Ok(macro_names().map(|(name, about)| json!({ "macro": name, "descr": about })).collect())
}

/// The rules that a path is about: those of a file, or of a group in it.
fn rules(call: &Call<'_>) -> Result<Vec<Options>> {
    let file = file(call);
    match call.given.get("group") {
        Some(name) => match file.groups.get(name) {
            Some(group) => Ok(group.rules.clone()),
            None => Err(Refusal::failed(format!("no such security group '{name}'"))),
        },
        None => Ok(file.rules),
    }
}

fn put(call: &mut Call<'_>, rules: Vec<Options>) {
    let group = call.given.get("group").map(str::to_owned);
    let file = file_mut(call);
    match group.and_then(|name| file.groups.get_mut(&name)) {
        Some(group) => group.rules = rules,
        None => file.rules = rules,
    }
}

fn digest_of(rules: &[Options]) -> String {
    digest(&rules.iter().map(lines).collect::<Vec<_>>().join("\n"))
}

/// The kind of address that a text begins with.
fn version(text: &str) -> Option<u8> {
    let first = text.split([',', '-']).next().unwrap_or_default();
    let address = first.split('/').next().unwrap_or_default();
    match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(_) => Some(4),
        IpAddr::V6(_) => Some(6),
    }
}

fn row(rule: &Options, digest: &str) -> Map<String, Value> {
    let mut row: Map<String, Value> = rule
        .iter()
        .map(|(key, text)| match key.as_str() {
            "enable" => (key.clone(), text.parse::<i64>().unwrap_or_default().into()),
            _ => (key.clone(), Value::from(text.as_str())),
        })
        .collect();
    let version = ["source", "dest"].iter().find_map(|key| version(rule.get(*key)?));
    if let Some(version) = version {
        row.insert("ipversion".into(), version.into());
    }
    row.insert("digest".into(), digest.into());
    row
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let rules = rules(call)?;
    let digest = digest_of(&rules);
    let rows = rules.iter().enumerate().map(|(n, rule)| {
        let mut row = row(rule, &digest);
        row.insert("pos".into(), n.into());
        Value::Object(row)
    });
    Ok(rows.collect())
}

/// The place of the path, when there is a rule.
fn place(call: &Call<'_>, rules: &[Options]) -> Result<usize> {
    let text = call.given.text("pos");
    let place = text.parse().ok().filter(|place: &usize| *place < rules.len());
    place.ok_or_else(|| Refusal::failed(format!("no rule at position {text}")))
}

pub(super) fn read(call: &mut Call<'_>) -> Result<Value> {
    let rules = rules(call)?;
    let place = place(call, &rules)?;
    let mut row = row(&rules[place], &digest_of(&rules));
    // Here it is what stood in the path.
    row.insert("pos".into(), place.to_string().into());
    Ok(row.into())
}

/// Parameters of a call that are none of the rule.
const NOT_RULE: [&str; 7] = ["node", "vmid", "pos", "moveto", "digest", "delete", "group"];

/// Puts a rule before all others.
pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    let mut rules = rules(call)?;
    let mut rule = call.given.without(&NOT_RULE);
    rule.entry("enable".into()).or_insert_with(|| "0".into());
    check(call, &rule)?;
    rules.insert(0, rule);
    put(call, rules);
    Ok(Value::Null)
}

/// Changes a rule, or moves it before another one; then nothing else of it changes.
pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let mut rules = rules(call)?;
    call.same_digest(&digest_of(&rules))?;
    let place = place(call, &rules)?;
    if let Some(to) = call.given.number("moveto").and_then(|to| usize::try_from(to).ok()) {
        let rule = rules.remove(place);
        let to = if to > place { to - 1 } else { to };
        rules.insert(to.min(rules.len()), rule);
    } else {
        let mut rule = rules[place].clone();
        for key in call.given.list("delete") {
            rule.remove(&key);
        }
        rule.extend(call.given.without(&NOT_RULE));
        check(call, &rule)?;
        rules[place] = rule;
    }
    put(call, rules);
    Ok(Value::Null)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Value> {
    let mut rules = rules(call)?;
    call.same_digest(&digest_of(&rules))?;
    let place = place(call, &rules)?;
    rules.remove(place);
    put(call, rules);
    Ok(Value::Null)
}

/// What the parameters alone do not say.
fn check(call: &Call<'_>, rule: &Options) -> Result<()> {
    let text = |key: &str| rule.get(key).map(String::as_str);
    let kind = text("type").unwrap_or_default();
    let action = text("action").unwrap_or_default();
    if kind == "group" {
        return Ok(());
    }
    if !matches!(action, "ACCEPT" | "DROP" | "REJECT") {
        return Err(Refusal::parameter("action", format!("unknown action '{action}'")));
    }
    if let Some(name) = text("macro") {
        if !macro_names().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(Refusal::parameter("macro", format!("unknown macro '{name}'")));
        }
    } else if text("proto").is_none()
        && let Some(port) = ["dport", "sport"].into_iter().find(|port| text(port).is_some())
    {
        let why = format!("missing property - '{port}' requires this property");
        return Err(Refusal::parameter("proto", why));
    }
    for key in ["source", "dest"] {
        if let Some(why) = text(key).and_then(|text| unknown(call, text)) {
            return Err(Refusal::parameter(key, why));
        }
    }
    let versions = ["source", "dest"].map(|key| text(key).and_then(version));
    if let [Some(one), Some(other)] = versions
        && one != other
    {
        let why = "detected mixed ipv4/ipv6 addresses in rule";
        return Err(Refusal::parameter("dest", why));
    }
    Ok(())
}

/// What a name stands for that nobody knows.
fn unknown(call: &Call<'_>, text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix('+') {
        let name = name.trim_start_matches("dc/").trim_start_matches("guest/").to_lowercase();
        let known = files(call).iter().any(|file| file.sets.contains_key(&name));
        return (!known).then(|| format!("no such ipset '{name}'"));
    }
    unknown_alias(call, text)
}

/// The same of an alias.
pub(super) fn unknown_alias(call: &Call<'_>, text: &str) -> Option<String> {
    let name = text.trim_start_matches("dc/").trim_start_matches("guest/").to_lowercase();
    let known = files(call).iter().any(|file| file.aliases.contains_key(&name));
    (is_alias(&name) && !known).then(|| format!("no such alias '{name}'"))
}

/// Where names are looked up: in the own file and in that of the cluster.
fn files(call: &Call<'_>) -> Vec<Firewall> {
    let cluster = call.world.firewalls.get(CLUSTER).cloned();
    [Some(file(call)), cluster].into_iter().flatten().collect()
}
