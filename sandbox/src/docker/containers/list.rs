//! Which containers there are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Container, Status};
use crate::docker::call::{Call, Filters, json};
use crate::docker::networks::wanted;
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::{State, span};
use crate::docker::wire::{Endpoint, Mounted};
use crate::http::Answer;

const FILTERS: [&str; 17] = [
    "ancestor",
    "before",
    "exited",
    "id",
    "isolation",
    "label",
    "name",
    "status",
    "health",
    "since",
    "volume",
    "network",
    "is-task",
    "publish",
    "expose",
    "limit",
    "task",
];

const STATUSES: [&str; 7] =
    ["paused", "restarting", "removing", "running", "dead", "created", "exited"];

pub(super) fn list(state: &State, call: &Call) -> Done<Answer> {
    let filters = call.filters(&FILTERS)?;
    let limit = call.number("limit")?;
    check(&filters)?;
    let since = bound(state, &filters, "since")?;
    let before = bound(state, &filters, "before")?;
    let all = call.flag("all")
        || limit.is_some_and(|limit| limit > 0)
        || ["status", "exited"].iter().any(|name| filters.has(name));
    let mut containers: Vec<&Container> = state.containers.values().collect();
    containers.sort_by_key(|container| std::cmp::Reverse(container.created_ns));
    let most = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let rows = containers
        .into_iter()
        .filter(|container| {
            all || container.life.status.is_alive() || container.life.status == Status::Restarting
        })
        .filter(|container| since.is_none_or(|ns| container.created_ns > ns))
        .filter(|container| before.is_none_or(|ns| container.created_ns < ns))
        .filter(|container| suits(state, container, &filters))
        .take(most.unwrap_or(usize::MAX))
        .map(|container| row(state, container, call.flag("size")));
    Ok(json(200, &rows.collect::<Vec<_>>()))
}

fn check(filters: &Filters) -> Done<()> {
    for status in filters.values("status") {
        if !STATUSES.contains(&status.as_str()) {
            return Err(Refusal::invalid(format!("Invalid filter 'status={status}'")));
        }
    }
    for code in filters.values("exited") {
        if code.parse::<i64>().is_err() {
            let message = format!("strconv.Atoi: parsing {code:?}: invalid syntax");
            return Err(Refusal::failed(message));
        }
    }
    for health in filters.values("health") {
        if !["none", "starting", "healthy", "unhealthy"].contains(&health.as_str()) {
            let message = format!("Unrecognised filter value for health: {health}");
            return Err(Refusal::invalid(message));
        }
    }
    Ok(())
}

/// When the container was made that a filter names.
fn bound(state: &State, filters: &Filters, name: &str) -> Done<Option<i64>> {
    let named = |name: &String| {
        let missing = |_| Refusal::failed(format!("no such container {name}"));
        state.container(name).map(|container| container.created_ns).map_err(missing)
    };
    filters.values(name).first().map(named).transpose()
}

fn suits(state: &State, container: &Container, filters: &Filters) -> bool {
    let labels = container.config.labels.clone().unwrap_or_default();
    let named = |pattern: &str| {
        let bare = pattern.trim_start_matches('/');
        regex::Regex::new(bare)
            .map_or(container.name.contains(bare), |regex| regex.is_match(&container.name))
    };
    let mounts = |wanted: &str| {
        let is = |mount: &Mounted| mount.name == wanted || mount.destination == wanted;
        container.mounts.iter().any(is)
    };
    let in_network = |wanted: &str| {
        container.networks.iter().any(|(name, endpoint)| {
            name == wanted || (!endpoint.network_id.is_empty() && endpoint.network_id == wanted)
        })
    };
    let health = container.health.as_ref().map_or("none", |health| health.status.as_str());
    let code = container.life.code.to_string();
    let ended = container.life.status == Status::Exited;
    filters.labels(&labels)
        && filters.any("id", |part| container.id.starts_with(part))
        && filters.any("name", named)
        && filters.any("status", |status| status == container.life.status.name())
        && filters.any("exited", |wanted| ended && wanted == code)
        && filters.any("health", |wanted| wanted == health)
        && filters.any("volume", mounts)
        && filters.any("network", in_network)
        && filters.any("ancestor", |name| {
            state.image(name).is_some_and(|image| image.id == container.image)
        })
        && filters.any("is-task", |task| task != "true")
        && filters.any("publish", |port| has_port(container, port, true))
        && filters.any("expose", |port| has_port(container, port, false))
}

fn has_port(container: &Container, port: &str, published: bool) -> bool {
    let normal = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
    if published {
        let bindings = container.host.port_bindings.iter().flatten();
        return bindings.clone().any(|(inner, _)| *inner == normal);
    }
    wanted(&container.config, &container.host).contains_key(&normal)
}

fn row(state: &State, container: &Container, size: bool) -> Value {
    let mut image = container.config.image.clone();
    // A name that means another image by now is not shown.
    if state.image(&image).is_none_or(|named| named.id != container.image) {
        image.clone_from(&container.image);
    }
    let mut row = json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": image,
        "ImageID": container.image,
        "Command": command(container),
        "Created": container.created_ns / 1_000_000_000,
        "Ports": ports(container),
        "Labels": container.config.labels.clone().unwrap_or_default(),
        "State": container.life.status.name(),
        "Status": status(state, container),
        "HostConfig": { "NetworkMode": container.host.network_mode },
        "NetworkSettings": { "Networks": endpoints(container) },
        "Mounts": container.mounts,
    });
    if size {
        row["SizeRootFs"] = 1_982_312.into();
    }
    row
}

/// A list leaves out what an endpoint is called.
fn endpoints(container: &Container) -> BTreeMap<&String, Endpoint> {
    let bare = |endpoint: &Endpoint| Endpoint {
        aliases: None,
        links: None,
        driver_opts: None,
        ..endpoint.clone()
    };
    container.networks.iter().map(|(name, endpoint)| (name, bare(endpoint))).collect()
}

fn command(container: &Container) -> String {
    let words = container.argv();
    let shown = words
        .iter()
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { word.clone() });
    shown.collect::<Vec<_>>().join(" ")
}

fn ports(container: &Container) -> Vec<Value> {
    if !container.life.status.is_alive() {
        return Vec::new();
    }
    let mut ports = Vec::new();
    for inner in wanted(&container.config, &container.host).into_keys() {
        let (number, protocol) = inner.split_once('/').unwrap_or((&inner, "tcp"));
        let number: u16 = number.parse().unwrap_or_default();
        let places: Vec<_> =
            container.published.iter().filter(|published| published.inner == inner).collect();
        if places.is_empty() {
            ports.push(json!({ "PrivatePort": number, "Type": protocol }));
        }
        for place in places {
            ports.push(json!({
                "IP": place.host_ip,
                "PrivatePort": number,
                "PublicPort": place.host_port,
                "Type": protocol,
            }));
        }
    }
    ports
}

/// How it goes, as a person would say it.
fn status(state: &State, container: &Container) -> String {
    let life = &container.life;
    let since = |ns: i64| {
        let then = u64::try_from(ns / 1_000_000).unwrap_or_default();
        span(state.now_ms().saturating_sub(then) / 1_000)
    };
    match life.status {
        Status::Created => "Created".into(),
        Status::Exited => format!("Exited ({}) {} ago", life.code, since(life.finished_ns)),
        Status::Restarting => {
            format!("Restarting ({}) {} ago", life.code, since(life.finished_ns))
        }
        Status::Paused => format!("Up {} (Paused)", since(life.started_ns)),
        Status::Running => {
            let health = match container.health.as_ref().map(|health| health.status.as_str()) {
                None => String::new(),
                Some("starting") => " (health: starting)".into(),
                Some(status) => format!(" ({status})"),
            };
            format!("Up {}{health}", since(life.started_ns))
        }
    }
}
