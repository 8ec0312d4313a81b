//! What the engine says of itself.

use serde_json::{Map, Value, json};

use super::Docker;
use super::call::{API, Call, OLDEST_API, empty, json};
use super::containers::Status;
use super::containers::validate::LOG_DRIVERS;
use super::refusal::Done;
use super::router::unknown;
use super::state::{State, moment};
use crate::http::Answer;

/// The version that is pretended.
const VERSION: &str = "20.10.24";
const KERNEL: &str = "6.1.0-sandbox";
/// What carries output in frames, and input.
pub(super) const RAW: &str = "application/vnd.docker.raw-stream";
const SERVER: &str = "Docker/20.10.24 (linux)";

/// The same answer with the headers that every answer has.
pub(super) fn headed(docker: &Docker, answer: Answer) -> Answer {
    let date = docker.with(|state| http_date(state.now_ms()));
    let (major, minor) = API;
    let mut answer = answer
        .header("Api-Version", format!("{major}.{minor}"))
        .header("Docker-Experimental", "false")
        .header("Ostype", "linux")
        .header("Server", SERVER)
        .header("Date", date);
    answer.headers.sort_by_key(|(name, _)| name == "Date");
    answer
}

/// The headers of an answer behind which a connection carries bytes both ways.
pub(super) fn raw(call: &Call) -> Answer {
    let (major, minor) = API;
    let answer = empty(if call.upgrades { 101 } else { 200 }).header("Content-Type", RAW);
    let answer = if call.upgrades {
        answer.header("Connection", "Upgrade").header("Upgrade", "tcp")
    } else {
        answer
    };
    answer
        .header("Api-Version", format!("{major}.{minor}"))
        .header("Docker-Experimental", "false")
        .header("Ostype", "linux")
        .header("Server", SERVER)
}

pub(super) fn route(state: &mut State, call: &Call, path: &[&str]) -> Done<Answer> {
    match (call.method.as_str(), path) {
        ("GET" | "HEAD", ["_ping"]) => Ok(ping(&call.method)),
        ("GET", ["version"]) => Ok(version()),
        ("GET", ["info"]) => Ok(info(state)),
        _ => Err(unknown()),
    }
}

fn ping(method: &str) -> Answer {
    let mut answer = empty(200)
        .header("Cache-Control", "no-cache, no-store, must-revalidate")
        .header("Content-Type", "text/plain; charset=utf-8")
        .header("Pragma", "no-cache");
    if method == "GET" {
        answer.body = b"OK".to_vec();
    }
    answer
}

fn version() -> Answer {
    let text = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    let built = "2023-04-04T18:17:00.000000000+00:00";
    let (api, oldest) = (text(API), text(OLDEST_API));
    json(
        200,
        &json!({
            "Platform": { "Name": "" },
            "Components": [
                {
                    "Name": "Engine",
                    "Version": VERSION,
                    "Details": {
                        "ApiVersion": api, "Arch": "amd64", "BuildTime": built,
                        "Experimental": "false", "GitCommit": "5d6db84", "GoVersion": "go1.19.7",
                        "KernelVersion": KERNEL, "MinAPIVersion": oldest, "Os": "linux",
                    },
                },
                { "Name": "containerd", "Version": "1.6.20", "Details": { "GitCommit": "2806fc1" } },
                { "Name": "runc", "Version": "1.1.5", "Details": { "GitCommit": "f19387a" } },
                { "Name": "docker-init", "Version": "0.19.0", "Details": { "GitCommit": "de40ad0" } },
            ],
            "Version": VERSION, "ApiVersion": api, "MinAPIVersion": oldest, "GitCommit": "5d6db84",
            "GoVersion": "go1.19.7", "Os": "linux", "Arch": "amd64", "KernelVersion": KERNEL,
            "BuildTime": built,
        }),
    )
}

fn info(state: &mut State) -> Answer {
    let count = |status: &[Status]| {
        let all = state.containers.values();
        all.filter(|container| status.contains(&container.life.status)).count()
    };
    let running = count(&[Status::Running, Status::Restarting]);
    let paused = count(&[Status::Paused]);
    let total = state.containers.len();
    let now_ns = state.now_ns();
    let engine = json!({
        "ID": state.id, "Containers": total, "ContainersRunning": running,
        "ContainersPaused": paused, "ContainersStopped": total - running - paused,
        "Images": state.images.len(), "SystemTime": moment(now_ns), "NCPU": state.cpus,
        "MemTotal": state.memory, "Name": state.name,
    });
    let mut info = Map::new();
    for part in [engine, kernel(), software()] {
        if let Value::Object(fields) = part {
            info.extend(fields);
        }
    }
    json(200, &info)
}

/// What the machine can do.
fn kernel() -> Value {
    json!({
        "MemoryLimit": true, "SwapLimit": true, "KernelMemory": true, "KernelMemoryTCP": true,
        "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true, "CPUSet": true,
        "PidsLimit": true, "IPv4Forwarding": true, "BridgeNfIptables": true,
        "BridgeNfIp6tables": true, "OomKillDisable": true, "CgroupDriver": "cgroupfs",
        "CgroupVersion": "1", "KernelVersion": KERNEL, "OSVersion": "12", "OSType": "linux",
        "OperatingSystem": "Debian GNU/Linux 12 (bookworm)", "Architecture": "x86_64",
        "SecurityOptions": ["name=seccomp,profile=default"], "Driver": "overlay2",
        "DriverStatus": [
            ["Backing Filesystem", "extfs"], ["Supports d_type", "true"],
            ["Native Overlay Diff", "true"], ["userxattr", "false"],
        ],
    })
}

/// What the engine is made of, and how it is set up.
fn software() -> Value {
    let commit = |id: &str| json!({ "ID": id, "Expected": id });
    let runtime = json!({ "path": "runc" });
    json!({
        "Plugins": {
            "Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null,
            "Log": LOG_DRIVERS,
        },
        "Debug": false, "NFd": 24, "NGoroutines": 38, "NEventsListener": 0,
        "LoggingDriver": "json-file", "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": registries(), "GenericResources": null,
        "DockerRootDir": "/var/lib/docker", "HttpProxy": "", "HttpsProxy": "", "NoProxy": "",
        "Labels": [], "ExperimentalBuild": false, "ServerVersion": VERSION,
        "Runtimes": {
            "io.containerd.runc.v2": runtime, "io.containerd.runtime.v1.linux": runtime,
            "runc": runtime,
        },
        "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive",
            "ControlAvailable": false, "Error": "", "RemoteManagers": null,
        },
        "LiveRestoreEnabled": false, "Isolation": "", "InitBinary": "docker-init",
        "ContainerdCommit": commit("2806fc1"), "RuncCommit": commit("f19387a"),
        "InitCommit": commit("de40ad0"), "Warnings": null,
    })
}

fn registries() -> Value {
    json!({
        "AllowNondistributableArtifactsCIDRs": [], "AllowNondistributableArtifactsHostnames": [],
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {
            "docker.io": { "Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true },
        },
        "Mirrors": [],
    })
}

fn http_date(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or_default();
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
