//! Which method a request calls.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::call::{Call, Caller, Handler, Params};
use super::check::{self, Given};
use super::refusal::{Refusal, Result};
use super::tables::{Method, tables};
use super::transport::{self, Asked};
use super::world::World;
use super::{
    access, backup, cluster, firewall, lxc, migrate, network, nodes, pools, qemu, sdn, storage,
    tasks,
};
use crate::http::{Outcome, Request};

/// What answers each method, by verb and path.
static HANDLERS: LazyLock<BTreeMap<&'static str, Handler>> = LazyLock::new(|| {
    let themes: [&[(&'static str, Handler)]; 11] = [
        backup::HANDLERS,
        cluster::HANDLERS,
        lxc::HANDLERS,
        migrate::HANDLERS,
        network::HANDLERS,
        nodes::HANDLERS,
        pools::HANDLERS,
        qemu::HANDLERS,
        sdn::HANDLERS,
        storage::HANDLERS,
        tasks::HANDLERS,
    ];
    themes
        .into_iter()
        .chain(access::HANDLERS)
        .chain(firewall::HANDLERS)
        .flatten()
        .copied()
        .collect()
});

/// A method with what stands in the path.
struct Found {
    method: &'static Method,
    handler: Handler,
    variables: BTreeMap<String, String>,
}

/// Answers a request.
pub(super) fn answer(world: &mut World, request: &Request) -> Outcome {
    let asked = match transport::asked(request) {
        Ok(asked) => asked,
        Err(answer) => return Outcome::Answered(answer),
    };
    let found = find(&asked);
    let open = found.as_ref().is_some_and(|found| found.method.right == "world");
    let caller = match access::authenticate(world, request) {
        Ok(caller) => caller,
        Err(_) if open => Caller::default(),
        Err(reason) => return Outcome::Answered(transport::bare(401, reason)),
    };
    if is_upload_without_parts(&asked, request) {
        return Outcome::HungUp;
    }
    let given = match transport::parameters(request) {
        Ok(given) => given,
        Err(answer) => return Outcome::Answered(answer),
    };
    let Some(found) = found else {
        let unknown = Refusal::unknown(&asked.verb, &asked.path);
        return Outcome::Answered(transport::answer(
            asked.format,
            false,
            Err(unknown),
            &mut world.chance,
        ));
    };
    if is_out_of_reach(world, &found) {
        return Outcome::Answered(transport::bare(595, "No route to host"));
    }
    let relayed = found.method.relayed;
    let mut outcome = call(world, &found, caller, given);
    if let Err(refusal) = &mut outcome {
        // A new line in the text would be lost in the reason phrase, not in the body.
        refusal.message.truncate(1 << 16);
    }
    Outcome::Answered(transport::answer(asked.format, relayed, outcome, &mut world.chance))
}

/// Whether only a node could answer that is offline.
fn is_out_of_reach(world: &World, found: &Found) -> bool {
    let node = found.variables.get("node").and_then(|name| world.nodes.get(name));
    node.is_some_and(|node| !node.online)
}

/// The real web server expects parts there, and dies of their absence.
fn is_upload_without_parts(asked: &Asked, request: &Request) -> bool {
    let parts = request.header("Content-Type").is_some_and(|kind| kind.starts_with("multipart/"));
    asked.verb == "POST"
        && asked.path.starts_with("/nodes/")
        && asked.path.ends_with("/upload")
        && !parts
}

fn call(
    world: &mut World,
    found: &Found,
    caller: Caller,
    mut given: BTreeMap<String, Given>,
) -> Result<(Value, Map<String, Value>)> {
    for (name, value) in &found.variables {
        let value = Given::One(value.clone());
        if given.get(name).is_some_and(|given| *given != value) {
            let why = "duplicate parameter (already defined in URI) with conflicting values!";
            return Err(Refusal::parameter(name, why));
        }
        given.insert(name.clone(), value);
    }
    access::authorize(world, &caller, found.method, &given)?;
    let node = node(world, &given)?;
    if let Some(Given::One(name)) = given.get_mut("node") {
        name.clone_from(&node);
    }
    let given = Params(check::parameters(&found.method.parameters, &given)?);
    let path = found.method.path;
    let mut call = Call { world, caller, node, given, siblings: Map::new(), path };
    let data = (found.handler)(&mut call)?;
    Ok((data, call.siblings))
}

/// The node that is asked. Any text is looked up as the name of one.
fn node(world: &World, given: &BTreeMap<String, Given>) -> Result<String> {
    match given.get("node") {
        Some(Given::One(name)) if name == "localhost" => Ok(world.here.clone()),
        Some(Given::One(name)) if !world.nodes.contains_key(name) => Err(Refusal::failed(format!(
            "hostname lookup '{name}' failed - failed to get address info for: {name}: \
             Name or service not known"
        ))),
        Some(Given::One(name)) => Ok(name.clone()),
        _ => Ok(world.here.clone()),
    }
}

fn find(asked: &Asked) -> Option<Found> {
    let segments: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    let mut best: Option<Found> = None;
    for method in tables().methods.iter().filter(|method| method.verb == asked.verb) {
        let Some(variables) = variables(method.path, &segments) else { continue };
        let key = format!("{} {}", method.verb, method.path);
        let indexed = tables().indexes.contains_key(method.path) && method.verb == "GET";
        let handler = HANDLERS.get(key.as_str()).copied();
        let Some(handler) = handler.or(indexed.then_some(index as Handler)) else { continue };
        // Words win over variables.
        if best.as_ref().is_none_or(|best| variables.len() < best.variables.len()) {
            best = Some(Found { method, handler, variables });
        }
    }
    best
}

/// What the variables of a path stand for, when it is this one. The last one may hold slashes when
/// it names a volume, a subnet or a task.
fn variables(template: &str, segments: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    let mut at = 0;
    for part in template.split('/').filter(|part| !part.is_empty()) {
        let segment = *segments.get(at)?;
        at += 1;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name @ ("volume" | "cidr")) => {
                let rest = segments[at - 1..].join("/");
                at = segments.len();
                variables.insert(name.to_owned(), rest);
            }
            Some(name) => {
                variables.insert(name.to_owned(), segment.to_owned());
            }
            None if part == segment => {}
            None => return None,
        }
    }
    (at == segments.len()).then_some(variables)
}

/// What lies below a path.
#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn index(call: &mut Call<'_>) -> Result<Value> {
    let (key, values) = tables().indexes.get(call.path).cloned().unwrap_or_default();
    let rows: Vec<Value> = values.into_iter().map(|value| json!({ key: value })).collect();
    Ok(rows.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_a_method_has_a_row_for_its_parameters() {
        // Nodes have no names for addresses, though the other files of the firewall do.
        let of_node = |key: &str| {
            key.contains("/nodes/{node}/firewall/")
                && ["alias", "ipset", "refs"].iter().any(|name| key.contains(name))
        };
        let rows: Vec<String> =
            tables().methods.iter().map(|row| format!("{} {}", row.verb, row.path)).collect();
        let lost: Vec<_> = HANDLERS
            .keys()
            .filter(|key| !of_node(key) && !rows.iter().any(|row| row == *key))
            .collect();
        assert_eq!(lost, Vec::<&&str>::new());
    }

    #[test]
    fn every_index_has_a_row() {
        let is_row =
            |path: &&str| tables().methods.iter().any(|row| row.verb == "GET" && row.path == *path);
        let lost: Vec<_> = tables().indexes.keys().filter(|path| !is_row(path)).collect();
        assert_eq!(lost, Vec::<&&str>::new());
    }

    #[test]
    fn every_row_is_answered() {
        let missing: Vec<String> = tables()
            .methods
            .iter()
            .filter(|row| row.verb != "GET" || !tables().indexes.contains_key(row.path))
            .map(|row| format!("{} {}", row.verb, row.path))
            .filter(|key| !HANDLERS.contains_key(key.as_str()))
            .collect();
        assert_eq!(missing, Vec::<String>::new());
    }
}
