//! What an instance uses, now and before.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Clock as _, Usage, WatchError};
use lessor_store::{Order, Sample, Store};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::stream::{Listener, event, trouble};
use super::{Found, subject, untold};
use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::orders::find;
use crate::{Caller, Problem, Services};

/// How often somebody who listens is told.
const EVERY: Duration = Duration::from_secs(2);

/// How long to look where nothing is remembered that a reading could be held against.
const BRIEFLY: Duration = Duration::from_secs(1);

/// Up to how old a sample may be that a reading is held against.
const FRESH: SignedDuration = SignedDuration::from_mins(3);

/// How much of the past is shown unless said.
const USUAL: SignedDuration = SignedDuration::from_hours(1);

/// How many samples one answer has at most: those of a day.
const MOST: u32 = 1_440;

/// Which time.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// From then on; an hour unless said.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before then; now unless said.
    #[param(format = DateTime)]
    until: Option<String>,
}

/// What an instance uses, and used before.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageShown {
    /// What it uses right now; `null` when its host does not say.
    now: Option<Reading>,
    /// Why its host does not say.
    problem: Option<String>,
    /// What it used, each minute, the oldest first. Of more than a day, the last one.
    samples: Vec<Reading>,
}

/// What an instance uses at one moment. What its host does not say is `null`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reading {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Whether it runs.
    running: bool,
    /// How much it keeps busy, in thousandths of a core.
    cpu: Option<u64>,
    /// Memory in use, in bytes.
    memory: Option<u64>,
    /// Memory it may use, in bytes.
    memory_limit: Option<u64>,
    /// Bytes that came to it since it was started.
    received: Option<u64>,
    /// Bytes that it sent.
    sent: Option<u64>,
    /// Bytes that it read from disk.
    read: Option<u64>,
    /// Bytes that it wrote to disk.
    written: Option<u64>,
}

impl Reading {
    fn new(at: Timestamp, usage: &Usage) -> Self {
        Reading {
            at: at.to_string(),
            running: usage.running,
            cpu: usage.cpu,
            memory: usage.memory,
            memory_limit: usage.memory_limit,
            received: usage.received,
            sent: usage.sent,
            read: usage.read,
            written: usage.written,
        }
    }
}

/// What an instance uses now, and each minute before; with `Accept: text/event-stream`, what it uses
/// from now on, every two seconds, as events `usage`.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/metrics", tag = "instances",
    params(("instance" = String, Path, description = "Its id: that of its order"), UsageQuery),
    responses((status = 200, description = "The readings", content(
        (UsageShown = "application/json"), (String = "text/event-stream"),
    )))
)]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<UsageQuery>,
    listener: Listener,
) -> Result<Response, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesRead).await?;
    let now = services.store.now();
    let until = time("until", query.until.as_deref())?.unwrap_or(now);
    let usual = || until.checked_sub(USUAL).unwrap_or(Timestamp::MIN);
    let since = time("since", query.since.as_deref())?.unwrap_or_else(usual);
    let found = services.watching.find(&services.store, &order).await?;
    if listener.wants_events {
        let place = services.streams.enter(subject(&order))?;
        let told = told(services.store.clone(), found);
        return Ok(listener.answer(&services, place, told));
    }
    let samples = services.store.sample_list(&order.id, (since, until), MOST).await?;
    let (now, problem) = match current(&services.store, &order, &found).await? {
        Ok(reading) => (Some(reading), None),
        Err(error) => (None, said(&untold(error))),
    };
    let samples = samples.iter().map(|sample| Reading::new(sample.at, &sample.usage)).collect();
    Ok(Json(UsageShown { now, problem, samples }).into_response())
}

fn said(problem: &Problem) -> Option<String> {
    problem.body().detail
}

fn time(parameter: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let expected = "expected a time, such as `2026-11-29T12:00:00Z`";
    let time = text.map(str::parse).transpose();
    time.map_err(|_: jiff::Error| Problem::parameter(parameter, expected))
}

/// What it uses now. How much it keeps busy is told by the last sample, or else by looking twice.
async fn current(
    store: &Store,
    order: &Order,
    found: &Found,
) -> Result<Result<Reading, WatchError>, Problem> {
    let mut usage = match found.watch.watcher.usage(&found.thing).await {
        Ok(usage) => usage,
        Err(error) => return Ok(Err(error)),
    };
    let mut now = store.now();
    if usage.running && usage.cpu.is_none() {
        let after = (now.checked_sub(FRESH).unwrap_or(now), now);
        let last = store.sample_list(&order.id, after, 1).await?;
        usage.cpu = last.first().and_then(|last| since(last, &usage, now));
    }
    if usage.running && usage.cpu.is_none() {
        let (before, begun) = (usage.busy, Instant::now());
        sleep(BRIEFLY).await;
        usage = match found.watch.watcher.usage(&found.thing).await {
            Ok(usage) => usage,
            Err(error) => return Ok(Err(error)),
        };
        usage.cpu = usage.cpu_since(before, begun.elapsed());
        now = store.now();
    }
    Ok(Ok(Reading::new(now, &usage)))
}

/// How much an instance kept busy since a sample.
pub(crate) fn since(last: &Sample, usage: &Usage, now: Timestamp) -> Option<u64> {
    let passed = now.duration_since(last.at).try_into().ok()?;
    usage.cpu_since(last.usage.busy, passed)
}

struct Telling {
    store: Store,
    found: Found,
    before: Option<(Option<Duration>, Instant)>,
}

/// What it uses, again and again.
fn told(store: Store, found: Found) -> impl Stream<Item = Event> + Send + 'static {
    stream::unfold(Telling { store, found, before: None }, async |mut telling| {
        if telling.before.is_some() {
            sleep(EVERY).await;
        }
        let usage = telling.found.watch.watcher.usage(&telling.found.thing).await;
        let at = Instant::now();
        let told = match usage {
            Ok(mut usage) => {
                let before = telling.before.replace((usage.busy, at));
                let (busy, since) = before.map_or((None, at), |before| before);
                usage.cpu = usage.cpu_since(busy, at.duration_since(since));
                event("usage", &Reading::new(telling.store.now(), &usage))
            }
            Err(error) => {
                telling.before = Some((None, at));
                trouble(&untold(error))
            }
        };
        Some((told, telling))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_busy_is_counted_from_the_sample_before() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let busy = |seconds| Usage { busy: Some(Duration::from_secs(seconds)), ..Usage::default() };
        let last = Sample { order: "ord_1".into(), at: at(100), usage: busy(30) };
        assert_eq!(since(&last, &busy(45), at(160)), Some(250));
        assert_eq!(since(&last, &busy(1), at(160)), None, "it was started anew");
        assert_eq!(since(&last, &busy(45), at(90)), None, "the clock went back");
    }
}
