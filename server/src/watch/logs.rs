//! What an instance writes.

use std::collections::VecDeque;

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use lessor_engine::{Lines, LogLine, LogsAsked, WatchError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stream::{Listener, event, trouble};
use super::{subject, untold};
use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::orders::find;
use crate::{Caller, Problem, ProblemKind, Services};

/// How many lines are shown unless said, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;

/// How many bytes of text one answer holds.
const BYTES: usize = 1024 * 1024;

/// Which lines.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogsQuery {
    /// The last so many; 100 unless said.
    #[param(minimum = 0, maximum = 1000)]
    tail: Option<u32>,
    /// Of those, what was written then or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Whether to go on with what is written from now on, which needs `Accept: text/event-stream`, and
    /// is so there unless said.
    follow: Option<bool>,
}

/// What an instance wrote.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogsShown {
    /// The lines, the oldest first.
    lines: Vec<LineShown>,
    /// Whether earlier ones were left out, since the answer would have been too long.
    cut: bool,
}

/// A line that an instance wrote.
#[derive(Serialize, ToSchema)]
pub(crate) struct LineShown {
    /// When, as its host tells the time.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// `stdout` or `stderr`.
    stream: &'static str,
    /// What.
    text: String,
}

impl From<LogLine> for LineShown {
    fn from(line: LogLine) -> Self {
        let stream = if line.is_error { "stderr" } else { "stdout" };
        LineShown { at: line.at.map(|at| at.to_string()), stream, text: line.text }
    }
}

/// What an instance writes: its last lines, or, with `Accept: text/event-stream`, those and whatever
/// comes, as events `line`, each with the time of the line as its id.
#[utoipa::path(
    get, path = "/v1/instances/{instance}/logs", tag = "instances",
    params(("instance" = String, Path, description = "Its id: that of its order"), LogsQuery),
    responses((status = 200, description = "The lines", content(
        (LogsShown = "application/json"), (String = "text/event-stream"),
    )))
)]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<LogsQuery>,
    listener: Listener,
) -> Result<Response, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesRead).await?;
    let asked = asked(&query, &listener)?;
    let found = services.watching.find(&services.store, &order).await?;
    let Some(reader) = found.watch.logs else {
        let detail = "what it writes stays within it: its sort of host does not see it";
        return Err(Problem::new(ProblemKind::NotOffered).detail(detail));
    };
    let place =
        listener.wants_events.then(|| services.streams.enter(subject(&order))).transpose()?;
    let lines = reader.logs(&found.thing, &asked).await.map_err(untold)?;
    match place {
        Some(place) => {
            let heard = heard(&listener);
            Ok(listener.answer(&services, place, told(lines, heard)))
        }
        None => Ok(Json(gathered(lines).await.map_err(untold)?).into_response()),
    }
}

fn asked(query: &LogsQuery, listener: &Listener) -> Result<LogsAsked, Problem> {
    let tail = query.tail.unwrap_or(USUAL);
    if tail > MOST {
        return Err(Problem::parameter("tail", format!("expected 0 to {MOST}")));
    }
    let expected = "expected a time, such as `2026-11-29T12:00:00Z`";
    let since = query.since.as_ref().map(|text| text.parse::<Timestamp>());
    let since = since.transpose().map_err(|_| Problem::parameter("since", expected))?;
    if query.follow == Some(true) && !listener.wants_events {
        let detail = "following needs `Accept: text/event-stream`";
        return Err(Problem::parameter("follow", detail));
    }
    let follow = query.follow.unwrap_or(listener.wants_events);
    // Who comes back wants what they missed.
    let since = heard(listener).or(since);
    Ok(LogsAsked { tail, since, follow })
}

fn heard(listener: &Listener) -> Option<Timestamp> {
    listener.heard.as_ref().and_then(|heard| heard.parse().ok())
}

/// The last lines, as far as they fit into one answer.
async fn gathered(mut lines: Lines) -> Result<LogsShown, WatchError> {
    let mut kept = VecDeque::new();
    let (mut bytes, mut cut) = (0, false);
    while let Some(line) = lines.next().await.transpose()? {
        bytes += line.text.len();
        kept.push_back(line);
        while bytes > BYTES {
            let dropped = kept.pop_front().map_or(0, |line: LogLine| line.text.len());
            bytes -= dropped;
            cut = true;
        }
    }
    Ok(LogsShown { lines: kept.into_iter().map(LineShown::from).collect(), cut })
}

/// Lines as events, but for those that were heard before.
fn told(lines: Lines, heard: Option<Timestamp>) -> impl Stream<Item = Event> + Send + 'static {
    let is_new =
        move |line: &LogLine| heard.is_none_or(|heard| line.at.is_none_or(|at| at > heard));
    lines.filter_map(move |line| {
        let told = match line {
            Ok(line) if !is_new(&line) => None,
            Ok(line) => {
                let id = line.at.map(|at| at.to_string());
                let event = event("line", &LineShown::from(line));
                Some(id.into_iter().fold(event, Event::id))
            }
            Err(error) => Some(trouble(&untold(error))),
        };
        std::future::ready(told)
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn of_too_much_output_the_last_is_kept_and_the_answer_says_so() {
        let line = |n: usize| Ok(LogLine::new(None, false, &format!("{n} {}", "x".repeat(16_000))));
        let shown = gathered(Box::pin(stream::iter((0..1_000).map(line)))).await.unwrap();

        let bytes: usize = shown.lines.iter().map(|line| line.text.len()).sum();
        assert!(shown.cut && bytes <= BYTES, "{bytes}");
        assert!(shown.lines.last().unwrap().text.starts_with("999 "));
        assert!(shown.lines.len() > 60);
    }
}
