//! What happened, for whoever listens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Docker;
use super::call::{Call, Filters, empty};
use super::refusal::{Done, Refusal};
use super::state::State;
use crate::http::{Outcome, Stream};

/// How many events are remembered.
const KEPT: usize = 256;

const FILTERS: [&str; 14] = [
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
    "config",
];

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    /// What it happened to: `container`, …
    sort: String,
    action: String,
    id: String,
    attributes: BTreeMap<String, String>,
    at_ns: i64,
}

impl Event {
    fn json(&self) -> Value {
        let mut event = json!({
            "Type": self.sort,
            "Action": self.action,
            "Actor": { "ID": self.id, "Attributes": self.attributes },
            "scope": "local",
            "time": self.at_ns / 1_000_000_000,
            "timeNano": self.at_ns,
        });
        if ["container", "image"].contains(&&*self.sort) {
            event["status"] = self.action.as_str().into();
            event["id"] = self.id.as_str().into();
        }
        if let ("container", Some(image)) = (&*self.sort, self.attributes.get("image")) {
            event["from"] = image.as_str().into();
        }
        event
    }

    fn suits(&self, filters: &Filters) -> bool {
        let named = |sort: &str| {
            let name = self.attributes.get("name").or_else(|| self.attributes.get(sort));
            filters.any(sort, |wanted| {
                let is_it = self.id.starts_with(wanted) || name.is_some_and(|name| name == wanted);
                self.sort == sort && is_it || self.attributes.get(sort).is_some_and(|a| a == wanted)
            })
        };
        let action = self.action.split(':').next().unwrap_or_default();
        filters.any("event", |wanted| wanted == action || wanted == self.action)
            && filters.any("type", |wanted| wanted == self.sort)
            && filters.any("scope", |wanted| wanted == "local")
            && filters.labels(&self.attributes)
            && ["container", "image", "network", "volume"].into_iter().all(named)
    }
}

impl State {
    /// Tells that something happened.
    pub(super) fn tell(
        &mut self,
        sort: &str,
        action: &str,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        let at_ns = self.now_ns();
        let (sort, action, id) = (sort.into(), action.into(), id.into());
        self.events.push(Event { sort, action, id, attributes, at_ns });
        let forgotten = self.events.len().saturating_sub(KEPT);
        self.events.drain(..forgotten);
        self.changed();
    }

    /// Tells what happened to a container.
    pub(super) fn tell_container(&mut self, id: &str, action: &str, more: &[(&str, String)]) {
        let Some(container) = self.containers.get(id) else { return };
        let mut attributes = container.config.labels.clone().unwrap_or_default();
        attributes.insert("image".into(), container.config.image.clone());
        attributes.insert("name".into(), container.name.clone());
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.tell("container", action, id, attributes);
    }
}

/// `GET /events`: those of the past that are asked for, and then those to come.
pub(super) fn listen(docker: &Docker, call: &Call) -> Done<Outcome> {
    let (since, until) = (moment_of(call, "since")?, moment_of(call, "until")?);
    let filters = call.filters(&FILTERS)?;
    let (sender, stream) = Stream::new();
    let docker = docker.clone();
    let mut after_ns = since.unwrap_or_else(|| docker.with(|state| state.told_ns));
    tokio::spawn(async move {
        loop {
            let come = docker.until(|state| {
                let now_ns = i64::try_from(state.now_ms()).unwrap_or_default() * 1_000_000;
                let over = until.is_some_and(|until| now_ns >= until);
                let events = state.events.iter().filter(|event| event.at_ns > after_ns);
                let events = events.filter(|event| until.is_none_or(|until| event.at_ns <= until));
                let events: Vec<Event> = events.cloned().collect();
                (over || !events.is_empty()).then_some((events, over))
            });
            let (events, over) = tokio::select! {
                come = come => come,
                () = sender.closed() => return,
                () = sleep_until(&docker, until) => continue,
            };
            for event in events {
                after_ns = event.at_ns;
                let line = event.json().to_string() + "\n";
                if event.suits(&filters) && sender.send(line.into_bytes()).await.is_err() {
                    return;
                }
            }
            if over {
                return;
            }
        }
    });
    let answer = empty(200).header("Content-Type", "application/json");
    Ok(Outcome::Streamed(answer, stream))
}

async fn sleep_until(docker: &Docker, until_ns: Option<i64>) {
    let Some(until_ns) = until_ns else { return std::future::pending().await };
    let now_ms = docker.with(|state| state.now_ms());
    let end = u64::try_from(until_ns / 1_000_000).unwrap_or_default() + 1;
    let span = std::time::Duration::from_millis(end.saturating_sub(now_ms).max(1));
    tokio::time::sleep(span).await;
}

/// A moment in seconds since 1970, with a fraction or not: nanoseconds.
pub(super) fn moment_of(call: &Call, name: &str) -> Done<Option<i64>> {
    let text = call.parameter(name);
    if text.is_empty() {
        return Ok(None);
    }
    let invalid =
        |part: &str| Refusal::failed(format!("strconv.ParseInt: parsing {part:?}: invalid syntax"));
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| invalid(whole))?;
    let nanos: i64 = format!("{part:0<9}").parse().map_err(|_| invalid(part))?;
    Ok(Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}
