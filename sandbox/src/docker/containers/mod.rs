//! Containers.

mod create;
mod health;
mod inspect;
pub(super) mod life;
mod list;
mod mounts;
mod remove;
mod run;
pub(super) mod stats;
mod update;
pub(super) mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::call::{Call, empty};
use super::networks::Published;
use super::programs::Pipe;
use super::refusal::{Done, Refusal};
use super::router::unknown;
use super::state::State;
use super::wire::{Config, Endpoint, HostConfig, Mounted};
use crate::http::Answer;

use health::Health;
pub(super) use run::{Run, happen};

/// A container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_ns: i64,
    /// The id of its image.
    pub(super) image: String,
    pub(super) config: Config,
    pub(super) host: HostConfig,
    /// By the name of the network.
    pub(super) networks: BTreeMap<String, Endpoint>,
    pub(super) mounts: Vec<Mounted>,
    pub(super) life: Life,
    /// What runs in it, while it does.
    pub(super) run: Option<Run>,
    pub(super) health: Option<Health>,
    pub(super) published: Vec<Published>,
    pub(super) log: Vec<Line>,
    pub(super) execs: Vec<String>,
    /// The namespace of its network, once it had one.
    pub(super) sandbox: String,
    layer: String,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    #[default]
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
}

impl Status {
    /// Whether something runs in it, or stands still.
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }
}

/// How it went so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Life {
    pub(super) status: Status,
    pid: u32,
    pub(super) code: i32,
    error: String,
    started_ns: i64,
    finished_ns: i64,
    /// How often it ended, for those who wait for the next time.
    pub(super) ends: u64,
    restarts: u32,
    /// Whether somebody ended it, so that it is not started again.
    by_hand: bool,
    /// When it is started again.
    again_ms: Option<u64>,
    /// How long until then.
    pause_ms: u64,
}

/// Something that was printed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_ns: i64,
    pub(super) pipe: Pipe,
    pub(super) text: String,
}

impl Container {
    /// When the next thing happens in it by itself.
    pub(super) fn due_ms(&self) -> Option<u64> {
        if self.life.status == Status::Restarting {
            return self.life.again_ms;
        }
        if self.life.status != Status::Running {
            return None;
        }
        let run = self.run.as_ref().and_then(Run::due_ms);
        let health = self.health.as_ref().and_then(Health::due_ms);
        run.into_iter().chain(health).min()
    }

    /// The program it begins with, and its arguments.
    fn argv(&self) -> Vec<String> {
        let entrypoint = self.config.entrypoint.iter().flatten();
        entrypoint.chain(self.config.cmd.iter().flatten()).cloned().collect()
    }
}

/// Whether a text is a name for a container or a volume.
pub(super) fn is_name(text: &str) -> bool {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(known)
}

impl State {
    /// The container of that id, that name, or with an id that begins so.
    pub(super) fn container(&self, name: &str) -> Done<&Container> {
        if let Some(container) = self.containers.get(name) {
            return Ok(container);
        }
        let bare = name.strip_prefix('/').unwrap_or(name);
        if let Some(container) = self.containers.values().find(|container| container.name == bare) {
            return Ok(container);
        }
        let begins = |container: &&Container| !name.is_empty() && container.id.starts_with(name);
        let mut found = self.containers.values().filter(begins);
        match (found.next(), found.next()) {
            (Some(container), None) => Ok(container),
            (Some(_), Some(_)) => {
                Err(Refusal::failed(format!("Multiple IDs found with provided prefix: {name}")))
            }
            (None, _) => Err(Refusal::no_container(name)),
        }
    }

    /// The same to change it.
    pub(super) fn container_mut(&mut self, name: &str) -> Done<&mut Container> {
        let id = self.container(name)?.id.clone();
        self.changed();
        self.containers.get_mut(&id).ok_or_else(|| Refusal::no_container(name))
    }
}

/// Calls that are answered at once.
pub(super) fn route(state: &mut State, call: &Call, path: &[&str]) -> Done<Answer> {
    match (call.method.as_str(), path) {
        ("GET", [_, "json"]) => list::list(state, call),
        ("POST", [_, "create"]) => create::create(state, call),
        ("GET", [_, id, "json"]) => inspect::inspect(state, id, call),
        ("GET", [_, id, "top"]) => stats::top(state, id),
        ("GET", [_, id, "changes"]) => {
            state.container(id)?;
            Ok(super::call::json(200, &serde_json::Value::Null))
        }
        ("POST", [_, id, "start"]) => life::start(state, id),
        ("POST", [_, id, "pause"]) => life::pause(state, id),
        ("POST", [_, id, "unpause"]) => life::unpause(state, id),
        ("POST", [_, id, "rename"]) => update::rename(state, id, call),
        ("POST", [_, id, "update"]) => update::update(state, id, call),
        ("POST", [_, id, "resize"]) => resize(state, id),
        ("POST", [_, id, "exec"]) => super::exec::create(state, id, call),
        ("DELETE", [_, id]) => remove::remove(state, id, call),
        _ => Err(unknown()),
    }
}

/// Nobody here has a screen: any size will do.
fn resize(state: &State, id: &str) -> Done<Answer> {
    let container = state.container(id)?;
    if !container.life.status.is_alive() {
        return Err(not_running(container));
    }
    Ok(empty(200))
}

pub(super) fn not_running(container: &Container) -> Refusal {
    Refusal::conflict(format!("Container {} is not running", container.id))
}
