//! Volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, empty, json};
use super::refusal::{Done, Refusal};
use super::router::unknown;
use super::state::{State, second};
use crate::http::Answer;

/// A place where data outlives containers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) options: Option<BTreeMap<String, String>>,
    pub(super) created_ns: i64,
    /// Whether it came with a container, without a name.
    pub(super) is_anonymous: bool,
}

/// What somebody asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    name: String,
    driver: String,
    driver_opts: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

impl Volume {
    /// Where its data is.
    pub(super) fn mountpoint(&self) -> String {
        format!("/var/lib/docker/volumes/{}/_data", self.name)
    }

    fn json(&self) -> Value {
        json!({
            "CreatedAt": second(self.created_ns),
            "Driver": "local",
            "Labels": self.labels,
            "Mountpoint": self.mountpoint(),
            "Name": self.name,
            "Options": self.options,
            "Scope": "local",
        })
    }
}

pub(super) fn route(state: &mut State, call: &Call, path: &[&str]) -> Done<Answer> {
    match (call.method.as_str(), path) {
        ("GET", [_]) => list(state, call),
        ("POST", [_, "create"]) => create(state, call),
        ("GET", [_, name]) => Ok(json(200, &find(state, name)?.json())),
        ("DELETE", [_, name]) => remove(state, name, call),
        _ => Err(unknown()),
    }
}

fn find<'a>(state: &'a State, name: &str) -> Done<&'a Volume> {
    let missing = || Refusal::missing(format!("get {name}: no such volume"));
    state.volumes.get(name).ok_or_else(missing)
}

fn list(state: &State, call: &Call) -> Done<Answer> {
    let filters = call.filters(&["dangling", "driver", "label", "name"])?;
    let dangling = filters.flag("dangling")?;
    let mut volumes = Vec::new();
    for volume in state.volumes.values() {
        let labels = volume.labels.clone().unwrap_or_default();
        let free = users(state, &volume.name).is_empty();
        if filters.labels(&labels)
            && filters.any("name", |part| volume.name.contains(part))
            && filters.any("driver", |driver| driver == "local")
            && dangling.is_none_or(|dangling| dangling == free)
        {
            volumes.push(volume.json());
        }
    }
    Ok(json(200, &json!({ "Volumes": volumes, "Warnings": null })))
}

fn create(state: &mut State, call: &Call) -> Done<Answer> {
    if !call.has_body() {
        return Err(Refusal::invalid("got EOF while reading request body"));
    }
    let wish: Wish = call.body("volume.VolumeCreateBody")?;
    if !["", "local"].contains(&&*wish.driver) {
        return Err(no_driver(&wish.name, &wish.driver));
    }
    let is_anonymous = wish.name.is_empty();
    let name = if is_anonymous { state.fresh_id() } else { wish.name };
    let volume = state.provide_volume(&name, wish.labels, wish.driver_opts)?;
    if is_anonymous && let Some(volume) = state.volumes.get_mut(&name) {
        volume.is_anonymous = true;
    }
    Ok(json(201, &volume.json()))
}

fn no_driver(name: &str, driver: &str) -> Refusal {
    Refusal::missing(format!(
        "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
    ))
}

impl State {
    /// The volume of that name; it is made when there is none.
    pub(super) fn provide_volume(
        &mut self,
        name: &str,
        labels: Option<BTreeMap<String, String>>,
        options: Option<BTreeMap<String, String>>,
    ) -> Done<Volume> {
        if let Some(volume) = self.volumes.get(name) {
            return Ok(volume.clone());
        }
        check_name(name)?;
        if let Some(options) = &options {
            check_options(name, options)?;
        }
        let created_ns = self.now_ns();
        // An answer says `{}` of labels that were given and empty.
        let name = name.to_owned();
        let volume =
            Volume { name: name.clone(), labels, options, created_ns, is_anonymous: false };
        self.volumes.insert(name.clone(), volume.clone());
        self.tell("volume", "create", &name, [("driver".into(), "local".into())].into());
        Ok(volume)
    }

    pub(super) fn forget_volume(&mut self, name: &str) {
        self.volumes.remove(name);
        self.tell("volume", "destroy", name, [("driver".into(), "local".into())].into());
    }
}

fn check_name(name: &str) -> Done<()> {
    if name.len() < 2 {
        return Err(Refusal::invalid(format!(
            "create {name}: volume name is too short, names should be at least two alphanumeric \
             characters"
        )));
    }
    if !super::containers::is_name(name) {
        return Err(Refusal::invalid(format!(
            "create {name}: {name:?} includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, \
             use absolute path"
        )));
    }
    Ok(())
}

fn check_options(name: &str, options: &BTreeMap<String, String>) -> Done<()> {
    if let Some(option) = options.keys().find(|key| !["type", "o", "device"].contains(&&***key)) {
        return Err(Refusal::invalid(format!("create {name}: invalid option: {option:?}")));
    }
    let required = |key: &&&str| !options.is_empty() && !options.contains_key(**key);
    match ["device", "type"].iter().find(required) {
        Some(key) => {
            Err(Refusal::invalid(format!("create {name}: missing required option: {key:?}")))
        }
        None => Ok(()),
    }
}

/// Ids of the containers that have it mounted.
pub(super) fn users(state: &State, name: &str) -> Vec<String> {
    let mounts = |container: &&super::containers::Container| {
        container.mounts.iter().any(|mount| mount.name == name)
    };
    state.containers.values().filter(mounts).map(|container| container.id.clone()).collect()
}

fn remove(state: &mut State, name: &str, call: &Call) -> Done<Answer> {
    match find(state, name) {
        Ok(_) => {}
        Err(_) if call.flag("force") => return Ok(empty(204)),
        Err(refusal) => return Err(refusal),
    }
    let users = users(state, name);
    if !users.is_empty() {
        let users = users.join(", ");
        return Err(Refusal::conflict(format!("remove {name}: volume is in use - [{users}]")));
    }
    state.forget_volume(name);
    Ok(empty(204))
}
