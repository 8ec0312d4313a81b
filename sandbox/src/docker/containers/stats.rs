//! What containers use. The numbers follow from how long a container runs, and go up as they do.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Container, not_running};
use crate::docker::Docker;
use crate::docker::call::{Call, empty, json};
use crate::docker::refusal::Done;
use crate::docker::state::{State, moment};
use crate::http::{Answer, Outcome, Stream};

/// How often numbers are collected.
const EVERY: Duration = Duration::from_secs(1);

/// What a container that has no limit may use of a second, in nanoseconds: a fiftieth of a core.
const LOAD_NS: i64 = 20_000_000;

/// What the whole machine had used when a container was started, in nanoseconds.
const SYSTEM_NS: i64 = 48_013_920_000_000;

const CGROUP: [(&str, i64); 14] = [
    ("active_anon", 40),
    ("active_file", 7),
    ("cache", 7),
    ("dirty", 0),
    ("inactive_anon", 11),
    ("inactive_file", 0),
    ("mapped_file", 3),
    ("pgmajfault", 0),
    ("rss", 52),
    ("rss_huge", 0),
    ("unevictable", 0),
    ("writeback", 0),
    ("pgpgin", 80),
    ("pgpgout", 20),
];

/// `GET /containers/ID/stats`: every second, or once; once with a second before it to compare to,
/// unless nobody wants that.
pub(in crate::docker) async fn stats(docker: &Docker, name: &str, call: &Call) -> Done<Outcome> {
    let id = docker.with(|state| state.container(name).map(|container| container.id.clone()))?;
    let streams = !call.has("stream") || call.flag("stream");
    if !streams {
        let body = if call.flag("one-shot") {
            docker.with(|state| reading(state, &id, None))
        } else {
            let before = docker.with(|state| counters(state, &id));
            tokio::time::sleep(EVERY).await;
            docker.with(|state| reading(state, &id, before))
        };
        return Ok(Outcome::Answered(json(200, &body)));
    }
    let (sender, stream) = Stream::new();
    let docker = docker.clone();
    tokio::spawn(async move {
        let mut before = None;
        loop {
            let (body, counters) = docker.with(|state| {
                let runs =
                    state.containers.get(&id).map(|container| container.life.status.is_alive());
                (runs.map(|_| reading(state, &id, before.clone())), counters(state, &id))
            });
            let Some(body) = body else { return };
            before = counters;
            if sender.send((body.to_string() + "\n").into_bytes()).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = sender.closed() => return,
            }
        }
    });
    Ok(Outcome::Streamed(empty(200).header("Content-Type", "application/json"), stream))
}

/// When a reading was taken, and what it says of processors.
type Counters = (i64, Value);

fn counters(state: &mut State, id: &str) -> Option<Counters> {
    let now_ns = state.now_ns();
    let cpus = state.cpus;
    let container = state.containers.get(id).filter(|c| c.life.status.is_alive())?;
    Some((now_ns, cpu(container, now_ns, cpus)))
}

fn nothing() -> Value {
    json!({
        "cpu_usage": { "total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0 },
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    })
}

fn cpu(container: &Container, now_ns: i64, cpus: u32) -> Value {
    let ran_ns = now_ns.saturating_sub(container.life.started_ns).max(0);
    let limit = match container.host.limits.nano_cpus {
        0 => i64::from(cpus) * 1_000_000_000,
        limit => limit,
    };
    let seed = i64::from(container.life.pid % 17);
    let load_ns = (LOAD_NS + seed * 500_000).min(limit);
    let total = 24_000_000 + ran_ns / 1_000 * load_ns / 1_000_000;
    let each: Vec<i64> = (0..cpus).map(|n| total / i64::from(cpus) + i64::from(n)).collect();
    json!({
        "cpu_usage": {
            "total_usage": total,
            "percpu_usage": each,
            "usage_in_kernelmode": total / 4,
            "usage_in_usermode": total / 2,
        },
        "system_cpu_usage": SYSTEM_NS + ran_ns * i64::from(cpus),
        "online_cpus": cpus,
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    })
}

fn blkio(value: &Value) -> Value {
    let names = [
        "io_service_bytes",
        "io_serviced",
        "io_queue",
        "io_service_time",
        "io_wait_time",
        "io_merged",
        "io_time",
        "sectors",
    ];
    names.iter().map(|name| (format!("{name}_recursive"), value.clone())).collect()
}

fn reading(state: &mut State, id: &str, before: Option<Counters>) -> Value {
    let now_ns = state.now_ns();
    let (cpus, most) = (state.cpus, state.memory);
    let Some(container) = state.containers.get(id) else { return Value::Null };
    let name = format!("/{}", container.name);
    if !container.life.status.is_alive() {
        return json!({
            "read": moment(0), "preread": moment(0), "pids_stats": {},
            "blkio_stats": blkio(&Value::Null), "num_procs": 0, "storage_stats": {},
            "cpu_stats": nothing(), "precpu_stats": nothing(), "memory_stats": {},
            "name": name, "id": container.id,
        });
    }
    let (preread, precpu) = before.unwrap_or_else(|| (0, nothing()));
    let seconds = now_ns.saturating_sub(container.life.started_ns).max(0) / 1_000_000_000;
    let networks: Value = container
        .networks
        .values()
        .filter(|endpoint| !endpoint.ip_address.is_empty())
        .enumerate()
        .map(|(n, _)| (format!("eth{n}"), traffic(seconds)))
        .collect();
    let mut body = json!({
        "read": moment(now_ns),
        "preread": moment(preread),
        "pids_stats": { "current": 1 },
        "blkio_stats": blkio(&json!([])),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(container, now_ns, cpus),
        "precpu_stats": precpu,
        "memory_stats": memory(container, seconds, most),
        "name": name,
        "id": container.id,
        "networks": networks,
    });
    if let Some(limit) = container.host.limits.pids_limit.filter(|limit| *limit > 0) {
        body["pids_stats"]["limit"] = limit.into();
    }
    if container.networks.values().all(|endpoint| endpoint.ip_address.is_empty())
        && let Value::Object(fields) = &mut body
    {
        fields.remove("networks");
    }
    body
}

fn memory(container: &Container, seconds: i64, most: i64) -> Value {
    let limit = match container.host.limits.memory {
        0 => most,
        limit => limit,
    };
    let usage = (540_000 + (seconds % 60) * 4_096).min(limit);
    let mut stats: serde_json::Map<String, Value> = CGROUP
        .iter()
        .flat_map(|(name, share)| {
            let value = Value::from(usage * share / 100);
            [((*name).to_owned(), value.clone()), (format!("total_{name}"), value)]
        })
        .collect();
    for name in ["pgfault", "total_pgfault"] {
        stats.insert(name.into(), (1_100 + seconds).into());
    }
    for name in ["hierarchical_memory_limit", "hierarchical_memsw_limit"] {
        let unlimited = 9_223_372_036_854_771_712_i64;
        let limited = container.host.limits.memory > 0;
        stats.insert(name.into(), if limited { limit } else { unlimited }.into());
    }
    json!({ "usage": usage, "max_usage": 4_100_096.max(usage), "stats": stats, "limit": limit })
}

fn traffic(seconds: i64) -> Value {
    json!({
        "rx_bytes": 396 + seconds * 42, "rx_packets": 4 + seconds, "rx_errors": 0, "rx_dropped": 0,
        "tx_bytes": seconds * 21, "tx_packets": seconds, "tx_errors": 0, "tx_dropped": 0,
    })
}

/// What runs in a container, as `ps -ef` shows it.
pub(super) fn top(state: &State, name: &str) -> Done<Answer> {
    let container = state.container(name)?;
    if !container.life.status.is_alive() {
        return Err(not_running(container));
    }
    let started = moment(container.life.started_ns);
    let (pid, clock) = (container.life.pid, started.get(11..16).unwrap_or_default().to_owned());
    let mut rows = vec![json!([
        "root",
        pid.to_string(),
        (pid - 1).to_string(),
        "0",
        clock,
        "?",
        "00:00:00",
        container.argv().join(" "),
    ])];
    for exec in container.execs.iter().filter_map(|id| state.execs.get(id)) {
        if exec.run.is_some() {
            let pid_of = exec.pid.to_string();
            rows.push(json!([
                "root",
                pid_of,
                pid.to_string(),
                "0",
                clock,
                "?",
                "00:00:00",
                exec.argv.join(" ")
            ]));
        }
    }
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    Ok(json(200, &json!({ "Processes": rows, "Titles": titles })))
}
