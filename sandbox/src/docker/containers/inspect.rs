//! All about one container.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Container, Status};
use crate::docker::call::{Call, json};
use crate::docker::networks::wanted;
use crate::docker::refusal::Done;
use crate::docker::state::{State, moment};
use crate::docker::wire::{Binding, Config, Endpoint, HostConfig, Mounted};
use crate::http::Answer;

/// In the order of the engine.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inspection<'a> {
    id: &'a str,
    created: String,
    path: String,
    args: Vec<String>,
    state: Value,
    image: &'a str,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    log_path: String,
    name: String,
    restart_count: u32,
    driver: &'a str,
    platform: &'a str,
    mount_label: &'a str,
    process_label: &'a str,
    app_armor_profile: &'a str,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<String>>,
    host_config: &'a HostConfig,
    graph_driver: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: &'a [Mounted],
    config: &'a Config,
    network_settings: Value,
}

pub(super) fn inspect(state: &State, name: &str, call: &Call) -> Done<Answer> {
    let container = state.container(name)?;
    let id = &container.id;
    let argv = container.argv();
    let was_started = container.life.started_ns != 0;
    let file = |name: &str| {
        if was_started { format!("/var/lib/docker/containers/{id}/{name}") } else { String::new() }
    };
    let execs: Vec<String> = container.execs.iter().filter(|id| runs(state, id)).cloned().collect();
    let size = call.flag("size");
    let logs = ["json-file", "local"].contains(&&*container.host.log_config.driver);
    let inspection = Inspection {
        id,
        created: moment(container.created_ns),
        path: argv.first().cloned().unwrap_or_default(),
        args: argv.get(1..).unwrap_or_default().to_vec(),
        state: life(container),
        image: &container.image,
        resolv_conf_path: file("resolv.conf"),
        hostname_path: file("hostname"),
        hosts_path: file("hosts"),
        log_path: if logs { file(&format!("{id}-json.log")) } else { String::new() },
        name: format!("/{}", container.name),
        restart_count: container.life.restarts,
        driver: "overlay2",
        platform: "linux",
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        exec_ids: (!execs.is_empty()).then_some(execs),
        host_config: &container.host,
        graph_driver: graph(container),
        size_rw: size.then_some(0),
        size_root_fs: size.then_some(1_982_312),
        mounts: &container.mounts,
        config: &container.config,
        network_settings: network(container),
    };
    Ok(json(200, &inspection))
}

fn runs(state: &State, exec: &str) -> bool {
    state.execs.get(exec).is_some_and(|exec| exec.run.is_some())
}

fn life(container: &Container) -> Value {
    let life = &container.life;
    let mut state = json!({
        "Status": life.status.name(),
        "Running": life.status.is_alive() || life.status == Status::Restarting,
        "Paused": life.status == Status::Paused,
        "Restarting": life.status == Status::Restarting,
        "OOMKilled": false,
        "Dead": false,
        "Pid": life.pid,
        "ExitCode": life.code,
        "Error": life.error,
        "StartedAt": moment(life.started_ns),
        "FinishedAt": moment(life.finished_ns),
    });
    if let Some(health) = &container.health {
        state["Health"] = health.json();
    }
    state
}

fn graph(container: &Container) -> Value {
    let layer = format!("/var/lib/docker/overlay2/{}", container.layer);
    json!({
        "Data": {
            "LowerDir": format!("{layer}-init/diff"),
            "MergedDir": format!("{layer}/merged"),
            "UpperDir": format!("{layer}/diff"),
            "WorkDir": format!("{layer}/work"),
        },
        "Name": "overlay2",
    })
}

fn network(container: &Container) -> Value {
    // What stands outside is that of the default bridge.
    let bridge = container.networks.get("bridge").cloned().unwrap_or_default();
    let sandbox = &container.sandbox;
    let key = if sandbox.is_empty() {
        String::new()
    } else {
        format!("/var/run/docker/netns/{}", &sandbox[..12])
    };
    let Endpoint { endpoint_id, gateway, ip_address, ip_prefix_len, mac_address, .. } = bridge;
    json!({
        "Bridge": "",
        "SandboxID": sandbox,
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports(container),
        "SandboxKey": key,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": endpoint_id,
        "Gateway": gateway,
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": ip_address,
        "IPPrefixLen": ip_prefix_len,
        "IPv6Gateway": "",
        "MacAddress": mac_address,
        "Networks": container.networks,
    })
}

fn ports(container: &Container) -> Value {
    let plugged = container.networks.values().any(|endpoint| !endpoint.ip_address.is_empty());
    if !container.life.status.is_alive() || !plugged {
        return json!({});
    }
    let mut ports: BTreeMap<String, Option<Vec<Binding>>> = BTreeMap::new();
    for port in wanted(&container.config, &container.host).into_keys() {
        let places = container.published.iter().filter(|published| published.inner == port);
        let places: Vec<Binding> = places
            .map(|published| Binding {
                host_ip: published.host_ip.clone(),
                host_port: published.host_port.to_string(),
            })
            .collect();
        ports.insert(port, (!places.is_empty()).then_some(places));
    }
    Value::Object(ports.into_iter().map(|(port, at)| (port, json!(at))).collect::<Map<_, _>>())
}
