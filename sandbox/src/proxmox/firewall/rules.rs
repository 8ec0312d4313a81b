//! Rules. They have no id but their place.

use serde_json::{Map, Value, json};

use super::verify::{self, Scope};
use super::{file, file_mut};
use crate::proxmox::call::{Call, digest, lines};
use crate::proxmox::refusal::{Refusal, Result};
use crate::proxmox::world::Options;

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
pub(super) fn macros(_: &mut Call<'_>) -> Result<Value> {
    Ok(verify::macros().map(|(name, about)| json!({ "macro": name, "descr": about })).collect())
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

/// A rule as it is told, without its place.
fn row(rule: &Options, scope: &Scope, digest: &str) -> Map<String, Value> {
    let mut row: Map<String, Value> = rule
        .iter()
        .map(|(key, text)| match key.as_str() {
            "enable" => (key.clone(), text.parse::<i64>().unwrap_or_default().into()),
            _ => (key.clone(), Value::from(text.as_str())),
        })
        .collect();
    let verdict = verify::verdict(rule, scope);
    if let Some(version) = verdict.ip_version {
        row.insert("ipversion".into(), version.into());
    }
    // What a rule names may be gone since it was written.
    if !verdict.errors.is_empty() {
        let errors = verdict.errors.into_iter().map(|(name, why)| (name.to_owned(), why.into()));
        row.insert("errors".into(), Value::Object(errors.collect()));
    }
    row.insert("digest".into(), digest.into());
    row
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value> {
    let rules = rules(call)?;
    let (scope, digest) = (Scope::of(call), digest_of(&rules));
    let rows = rules.iter().enumerate().map(|(n, rule)| {
        let mut row = row(rule, &scope, &digest);
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
    let mut row = row(&rules[place], &Scope::of(call), &digest_of(&rules));
    // Here it is what stood in the path.
    row.insert("pos".into(), place.to_string().into());
    Ok(row.into())
}

/// What a rule consists of.
const PROPERTIES: [&str; 13] = [
    "action",
    "comment",
    "dest",
    "dport",
    "enable",
    "icmp-type",
    "iface",
    "log",
    "macro",
    "proto",
    "source",
    "sport",
    "type",
];

/// Takes over what is given; what is given empty goes.
fn fill(rule: &mut Options, call: &Call<'_>) {
    for key in PROPERTIES {
        match call.given.get(key) {
            Some("" | "-") => {
                rule.remove(key);
            }
            Some(text) => {
                rule.insert(key.into(), text.into());
            }
            None => {}
        }
    }
}

/// Goes on only with a rule that can be written.
fn check(call: &Call<'_>, rule: &mut Options) -> Result<()> {
    if let Some(name) = rule.get("macro").and_then(|name| verify::macro_named(name)) {
        rule.insert("macro".into(), name.into());
    }
    match verify::verdict(rule, &Scope::of(call)).errors.into_iter().next() {
        Some((name, why)) => Err(Refusal::parameter(name, why)),
        None => Ok(()),
    }
}

/// Puts a rule before all others.
pub(super) fn create(call: &mut Call<'_>) -> Result<Value> {
    let mut rules = rules(call)?;
    let mut rule = Options::from([("enable".to_owned(), "0".to_owned())]);
    fill(&mut rule, call);
    check(call, &mut rule)?;
    rules.insert(0, rule);
    put(call, rules);
    Ok(Value::Null)
}

/// Changes a rule, or moves it before another one; then nothing else of it changes.
pub(super) fn update(call: &mut Call<'_>) -> Result<Value> {
    let mut rules = rules(call)?;
    call.same_digest(&digest_of(&rules))?;
    let place = place(call, &rules)?;
    let to = call.given.number("moveto").and_then(|to| usize::try_from(to).ok());
    if let Some(to) = to.filter(|to| *to != place) {
        let rule = rules.remove(place);
        let to = if to > place { to - 1 } else { to };
        rules.insert(to.min(rules.len()), rule);
    } else {
        let rule = &mut rules[place];
        fill(rule, call);
        for key in call.given.list("delete") {
            if !PROPERTIES.contains(&key.as_str()) {
                return Err(Refusal::parameter("delete", format!("no such property ('{key}')")));
            }
            if matches!(key.as_str(), "type" | "action") {
                let why = format!("unable to delete required property '{key}'");
                return Err(Refusal::parameter("delete", why));
            }
            rule.remove(&key);
        }
        check(call, rule)?;
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
