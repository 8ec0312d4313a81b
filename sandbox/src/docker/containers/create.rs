//! Making containers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Container, Life, is_name, mounts, validate};
use crate::docker::call::{Call, json};
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Config, Endpoint, Healthcheck, HostConfig};
use crate::http::Answer;

/// What somebody asks for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Wish {
    #[serde(flatten)]
    config: Config,
    host_config: Option<HostConfig>,
    networking_config: Option<Networking>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Networking {
    endpoints_config: BTreeMap<String, Option<Endpoint>>,
}

/// What containers are not shown of the machine.
const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Words that make the names of containers nobody named.
const ADJECTIVES: [&str; 8] =
    ["brave", "calm", "eager", "gentle", "keen", "quiet", "swift", "wise"];
const SURNAMES: [&str; 8] =
    ["curie", "euler", "gauss", "hopper", "lovelace", "noether", "turing", "volta"];

pub(super) fn create(state: &mut State, call: &Call) -> Done<Answer> {
    let wish: Wish = call.body("runconfig.ContainerConfigWrapper")?;
    if wish.config == Config::default() {
        return Err(Refusal::invalid("Config cannot be empty in order to create a container"));
    }
    let Wish { mut config, host_config, networking_config } = wish;
    // The engine names the runtime at once, unless nothing at all is said of the host.
    let runtime = host_config.is_some().then(|| "runc".to_owned());
    let mut host_config = host_config.unwrap_or_default();
    let endpoints = networking_config.unwrap_or_default().endpoints_config;
    if host_config.network_mode.is_empty() {
        host_config.network_mode = "default".into();
    }
    let host = host_config;
    validate::config(&config, &host)?;
    let warnings = validate::host(state, &host)?;
    if endpoints.len() > 1 {
        let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        let names = names.join(", ");
        return Err(Refusal::invalid(format!(
            "Container cannot be connected to network endpoints: {names}"
        )));
    }
    let image = state.image_or_not(&config.image)?.clone();
    inherit(&mut config, &image.config);
    if config.entrypoint.iter().chain(&config.cmd).all(Vec::is_empty) {
        return Err(Refusal::invalid("No command specified"));
    }
    let name = name(state, call.parameter("name"))?;
    let id = state.fresh_id();
    if config.hostname.is_empty() {
        id[..12].clone_into(&mut config.hostname);
    }
    if host.network_mode == "host" {
        config.hostname.clone_from(&state.name);
    }
    let mut host = filled(host);
    if host.runtime.is_empty() {
        host.runtime = runtime.unwrap_or_default();
    }
    let networks = networks(state, &host, endpoints);
    translate_mode(state, &mut host);
    let mounted = mounts::mounts(state, &config, &host)?;
    let container = Container {
        created_ns: state.now_ns(),
        layer: state.fresh_id(),
        id: id.clone(),
        name,
        image: image.id,
        config,
        host,
        networks,
        mounts: mounted,
        life: Life::default(),
        run: None,
        health: None,
        published: Vec::new(),
        log: Vec::new(),
        execs: Vec::new(),
        sandbox: String::new(),
    };
    state.containers.insert(id.clone(), container);
    state.tell_container(&id, "create", &[]);
    Ok(json(201, &json!({ "Id": id, "Warnings": warnings })))
}

/// Takes over what the image says and nobody said otherwise.
fn inherit(config: &mut Config, image: &Config) {
    let name_of = |pair: &str| pair.split_once('=').map_or(pair, |(name, _)| name).to_owned();
    let own = config.env.clone().unwrap_or_default();
    let mut env = own.clone();
    let inherited = image.env.iter().flatten();
    env.extend(inherited.filter(|pair| own.iter().all(|o| name_of(o) != name_of(pair))).cloned());
    config.env = Some(env);
    for (own, inherited) in
        [(&mut config.exposed_ports, &image.exposed_ports), (&mut config.volumes, &image.volumes)]
    {
        if let Some(inherited) = inherited {
            own.get_or_insert_default().0.extend(inherited.0.iter().cloned());
        }
    }
    let labels = config.labels.get_or_insert_default();
    for (name, value) in image.labels.iter().flatten() {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
    // Saying nothing with a single empty word means to have none.
    if config.entrypoint.as_ref().is_some_and(|words| *words == [String::new()]) {
        config.entrypoint = None;
    }
    for (own, inherited) in [
        (&mut config.user, &image.user),
        (&mut config.working_dir, &image.working_dir),
        (&mut config.stop_signal, &image.stop_signal),
    ] {
        if own.is_empty() {
            own.clone_from(inherited);
        }
    }
    inherit_health(config, image.healthcheck.as_ref());
}

fn inherit_health(config: &mut Config, image: Option<&Healthcheck>) {
    let Some(image) = image else { return };
    let own = config.healthcheck.get_or_insert_default();
    if own.test.is_empty() {
        own.test.clone_from(&image.test);
    }
    for (own, inherited) in [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.retries, image.retries),
    ] {
        if *own == 0 {
            *own = inherited;
        }
    }
}

/// The same with what the engine fills in.
fn filled(mut host: HostConfig) -> HostConfig {
    let text = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    if host.log_config.driver.is_empty() {
        host.log_config.driver = "json-file".into();
    }
    if host.cgroupns_mode.is_empty() {
        host.cgroupns_mode = "host".into();
    }
    if host.ipc_mode.is_empty() {
        host.ipc_mode = "private".into();
    }
    if host.shm_size == 0 {
        host.shm_size = 64 << 20;
    }
    if host.limits.memory > 0 && host.limits.memory_swap == 0 {
        host.limits.memory_swap = host.limits.memory * 2;
    }
    if host.limits.pids_limit.is_some_and(|limit| limit <= 0) {
        host.limits.pids_limit = None;
    }
    host.limits.oom_kill_disable.get_or_insert(false);
    if !host.privileged {
        host.masked_paths = host.masked_paths.or_else(|| text(&MASKED));
        host.readonly_paths = host.readonly_paths.or_else(|| text(&READ_ONLY));
    }
    host
}

fn networks(
    state: &State,
    host: &HostConfig,
    endpoints: BTreeMap<String, Option<Endpoint>>,
) -> BTreeMap<String, Endpoint> {
    let mode = match &*host.network_mode {
        "default" => "bridge",
        mode => mode,
    };
    if mode.starts_with("container:") {
        return BTreeMap::new();
    }
    // A network can be meant by its id and is kept by its name.
    let named = |name: &str| match state.network_named(name) {
        Ok(network) => network.name.clone(),
        Err(_) if name == "default" => "bridge".into(),
        Err(_) => name.to_owned(),
    };
    if endpoints.is_empty() {
        return [(named(mode), Endpoint::default())].into();
    }
    let wish = |(name, wish): (String, Option<Endpoint>)| {
        (named(&name), wish.unwrap_or_default().unplugged())
    };
    endpoints.into_iter().map(wish).collect()
}

fn translate_mode(state: &State, host: &mut HostConfig) {
    if let Ok(network) = state.network_named(&host.network_mode)
        && network.id.starts_with(&*host.network_mode)
        && host.network_mode.len() == network.id.len()
    {
        host.network_mode.clone_from(&network.name);
    }
}

fn name(state: &mut State, wanted: &str) -> Done<String> {
    if wanted.is_empty() {
        loop {
            let adjective = ADJECTIVES[usize::try_from(state.chance.below(8)).unwrap_or_default()];
            let surname = SURNAMES[usize::try_from(state.chance.below(8)).unwrap_or_default()];
            let number = state.chance.below(10_000);
            let name = format!("{adjective}_{surname}{number}");
            if state.containers.values().all(|container| container.name != name) {
                return Ok(name);
            }
        }
    }
    check_name(state, wanted.strip_prefix('/').unwrap_or(wanted), wanted)
}

/// That a name can be had.
pub(super) fn check_name(state: &State, name: &str, shown: &str) -> Done<String> {
    if !is_name(name) {
        return Err(Refusal::invalid(format!(
            "Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )));
    }
    if let Some(other) = state.containers.values().find(|container| container.name == name) {
        return Err(Refusal::conflict(format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You \
             have to remove (or rename) that container to be able to reuse that name.",
            other.id
        )));
    }
    Ok(name.to_owned())
}
