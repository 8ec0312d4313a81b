//! One container that runs: what it writes, what it uses, and whether it is well.

use std::collections::HashMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{
    ContainerBlkioStats, ContainerInspectResponse, ContainerMemoryStats, ContainerNetworkStats,
    ContainerStateStatusEnum, ContainerStatsResponse, HealthStatusEnum,
};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use lessor_engine::{Health, Lines, LogLine, LogsAsked, Usage, WatchError, Watched};
use lessor_plans::Body;
use lessor_specs::kinds::Ready;

use super::client::CallError;
use super::whose::{Own, Whose};
use super::{Docker, container, ready};

/// How long a container may take to answer after its start, where nothing is said.
const STARTING: Duration = Duration::from_mins(1);

/// What the engine says of a driver that only takes output, and shows none.
const UNREADABLE: &str = "does not support reading";

pub(super) async fn logs(
    docker: &Docker,
    thing: &Watched,
    asked: LogsAsked,
) -> Result<Lines, WatchError> {
    let (_, inspect) = ours(docker, thing).await?;
    let output = docker.client.output(id(&inspect)?, asked).await.map_err(said)?;
    // The engine counts in whole seconds.
    let is_wanted =
        move |line: &LogLine| asked.since.is_none_or(|since| line.at.is_none_or(|at| at >= since));
    let lines = output.map(|piece| piece.map(|piece| line(&piece)).map_err(said));
    let is_too_old =
        move |line: &Result<LogLine, _>| line.as_ref().is_ok_and(|line| !is_wanted(line));
    Ok(Box::pin(lines.filter(move |line| std::future::ready(!is_too_old(line)))))
}

pub(super) async fn usage(docker: &Docker, thing: &Watched) -> Result<Usage, WatchError> {
    let (_, inspect) = ours(docker, thing).await?;
    if !runs(&inspect) {
        return Ok(Usage::default());
    }
    let stats = docker.client.stats(id(&inspect)?).await.map_err(said)?;
    Ok(read(&stats))
}

pub(super) async fn probe(
    docker: &Docker,
    thing: &Watched,
    ready: Option<&Ready>,
) -> Result<Health, WatchError> {
    let (own, inspect) = ours(docker, thing).await?;
    if let Some(why) = stands_still(&inspect) {
        return Ok(Health::Ill(why));
    }
    let Some(why) = unready(docker, own, &inspect, ready).await? else { return Ok(Health::Well) };
    let may_take = ready.map_or(STARTING, |ready| Duration::from_secs(ready.timeout.secs()));
    let since = started(&inspect).map(|at| Timestamp::now().duration_since(at));
    let is_new = since.is_some_and(|since| since.unsigned_abs() < may_take);
    Ok(if is_new { Health::Starting } else { Health::Ill(why) })
}

pub(super) async fn restart(docker: &Docker, thing: &Watched) -> Result<(), WatchError> {
    let (_, inspect) = ours(docker, thing).await?;
    let grace = container::grace(&inspect);
    docker.client.restart_container(id(&inspect)?, grace).await.map_err(said)
}

/// The container that is meant, if it is the one that was made for that address.
pub(super) async fn ours(
    docker: &Docker,
    thing: &Watched,
) -> Result<(Own, ContainerInspectResponse), WatchError> {
    match docker.whose_container(&thing.name, None).await.map_err(said)? {
        Whose::Ours(own, inspect) if own.mark.address == thing.address => Ok((own, inspect)),
        Whose::Ours(own, _) => {
            let (name, address) = (&thing.name, own.mark.address);
            Err(WatchError::NotOurs(format!("container `{name}` was made for `{address}`")))
        }
        Whose::Others(why) => {
            let why = format!("container `{}` is not ours: {why}", thing.name);
            Err(WatchError::NotOurs(why))
        }
        Whose::Nobodys => Err(WatchError::Absent),
    }
}

/// What an error of the engine means to who asked after a container.
fn said(error: CallError) -> WatchError {
    match error {
        CallError::Missing(_) => WatchError::Absent,
        CallError::Unanswered(why) if why.contains(UNREADABLE) => {
            WatchError::Refused("its host keeps no output of containers".into())
        }
        CallError::Conflict(why) | CallError::Refused(why) => WatchError::Refused(why),
        error => WatchError::Unanswered(error.to_string()),
    }
}

fn id(inspect: &ContainerInspectResponse) -> Result<&str, WatchError> {
    let missing = || said(CallError::Garbled("a container has no id".into()));
    inspect.id.as_deref().ok_or_else(missing)
}

/// One piece of output, which is a line, with the time the engine puts before it.
fn line(piece: &LogOutput) -> LogLine {
    let is_error = matches!(piece, LogOutput::StdErr { .. });
    let text = String::from_utf8_lossy(piece.as_ref());
    let timed = text.split_once(' ').and_then(|(at, rest)| Some((at.parse().ok()?, rest)));
    match timed {
        Some((at, rest)) => LogLine::new(Some(at), is_error, rest),
        None => LogLine::new(None, is_error, &text),
    }
}

fn runs(inspect: &ContainerInspectResponse) -> bool {
    inspect.state.as_ref().and_then(|state| state.running).unwrap_or_default()
}

fn started(inspect: &ContainerInspectResponse) -> Option<Timestamp> {
    inspect.state.as_ref()?.started_at.as_deref()?.parse().ok()
}

/// Why a container does nothing, if so.
pub(super) fn stands_still(inspect: &ContainerInspectResponse) -> Option<String> {
    let state = inspect.state.as_ref()?;
    let code = state.exit_code.unwrap_or_default();
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING) => None,
        Some(ContainerStateStatusEnum::RESTARTING) => {
            Some(format!("it ends again and again, last with exit code {code}"))
        }
        Some(ContainerStateStatusEnum::PAUSED) => Some("it is paused".into()),
        _ => Some(format!("it stopped with exit code {code}")),
    }
}

/// Why a container that runs is not ready, if so.
async fn unready(
    docker: &Docker,
    own: Own,
    inspect: &ContainerInspectResponse,
    ready: Option<&Ready>,
) -> Result<Option<String>, WatchError> {
    let health = inspect.state.as_ref().and_then(|state| state.health.as_ref());
    if health.and_then(|health| health.status) == Some(HealthStatusEnum::UNHEALTHY) {
        return Ok(Some("its health check fails".into()));
    }
    let Some(port) = ready.and_then(|ready| ready.tcp) else { return Ok(None) };
    let present = docker.present_container(own, inspect).await.map_err(said)?;
    let Body::Container(body) = &present.body else { return Ok(None) };
    let listens = ready::listens(docker, inspect, body, Some(port)).await;
    Ok((!listens?).then(|| format!("nothing answers on its port {port}")))
}

fn read(stats: &ContainerStatsResponse) -> Usage {
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
    let memory = stats.memory_stats.as_ref();
    let traffic = |of: fn(&ContainerNetworkStats) -> Option<u64>| sum(stats.networks.as_ref(), of);
    let disk = |op: &str| stats.blkio_stats.as_ref().and_then(|disk| moved(disk, op));
    Usage {
        running: true,
        busy: cpu.and_then(|cpu| cpu.total_usage).map(Duration::from_nanos),
        cpu: None,
        memory: memory.and_then(in_use),
        memory_limit: memory.and_then(|memory| memory.limit),
        received: traffic(|network| network.rx_bytes),
        sent: traffic(|network| network.tx_bytes),
        read: disk("read"),
        written: disk("write"),
    }
}

/// What the kernel would give back at once is not in use. It is called otherwise in cgroups of
/// version 1.
fn in_use(memory: &ContainerMemoryStats) -> Option<u64> {
    let stats = memory.stats.as_ref();
    let cache =
        stats.and_then(|stats| stats.get("total_inactive_file").or(stats.get("inactive_file")));
    Some(memory.usage?.saturating_sub(cache.copied().unwrap_or_default()))
}

fn sum(
    networks: Option<&HashMap<String, ContainerNetworkStats>>,
    of: fn(&ContainerNetworkStats) -> Option<u64>,
) -> Option<u64> {
    networks.map(|networks| networks.values().filter_map(of).fold(0, u64::saturating_add))
}

fn moved(disk: &ContainerBlkioStats, op: &str) -> Option<u64> {
    let entries = disk.io_service_bytes_recursive.as_ref()?.iter();
    let of_op = entries
        .filter(|entry| entry.op.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(op)));
    Some(of_op.filter_map(|entry| entry.value).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_the_time_that_the_engine_wrote_before_it() {
        let message = "2026-11-29T20:00:00.123456789Z Done (1.2s)! For help, type \"help\"\n";
        let line = line(&LogOutput::StdErr { message: message.into() });
        assert_eq!(line.at, Some("2026-11-29T20:00:00.123456789Z".parse().unwrap()));
        assert!(line.is_error);
        assert_eq!(line.text, "Done (1.2s)! For help, type \"help\"");
    }

    #[test]
    fn what_an_engine_counts_is_read_as_it_is_shown_on_its_command_line() {
        let stats = serde_json::json!({
            "cpu_stats": { "cpu_usage": { "total_usage": 1_500_000_000_u64 } },
            "memory_stats": { "usage": 1_000, "limit": 4_096, "stats": { "inactive_file": 300 } },
            "networks": {
                "eth0": { "rx_bytes": 7, "tx_bytes": 1 },
                "eth1": { "rx_bytes": 5, "tx_bytes": 2 },
            },
            "blkio_stats": { "io_service_bytes_recursive": [
                { "major": 8, "minor": 0, "op": "read", "value": 64 },
                { "major": 8, "minor": 16, "op": "Read", "value": 1 },
                { "major": 8, "minor": 0, "op": "write", "value": 32 },
            ] },
        });
        let expected = Usage {
            running: true,
            busy: Some(Duration::from_millis(1_500)),
            cpu: None,
            memory: Some(700),
            memory_limit: Some(4_096),
            received: Some(12),
            sent: Some(3),
            read: Some(65),
            written: Some(32),
        };
        assert_eq!(read(&serde_json::from_value(stats).unwrap()), expected);
    }

    #[test]
    fn a_host_that_keeps_no_output_says_so_once_and_for_all() {
        let why = "the engine failed: configured logging driver does not support reading";
        let error = said(CallError::Unanswered(why.into()));
        assert_eq!(error, WatchError::Refused("its host keeps no output of containers".into()));
    }
}
