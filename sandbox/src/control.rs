//! Playing fate from outside: a small HTTP API beside those of the systems.
//!
//! | call | does |
//! | --- | --- |
//! | `GET /` | names the systems |
//! | `GET /state`, `PUT` | everything that all of them know, by system |
//! | `GET /SYSTEM/state`, `PUT` | everything it knows |
//! | `GET /SYSTEM/faults`, `PUT`, `POST`, `DELETE` | what can go wrong: all of it, one more, nothing |
//! | `GET /SYSTEM/calls`, `DELETE` | how often each call was made; counts anew |
//! | `POST /SYSTEM/restart?ms=N` | nobody answers for so long |
//! | `POST /SYSTEM/clock?ms=N` | so much time passes at once |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::{Answer, Habits, Outcome, Request, Site};
use crate::weather::Weather;

/// Plays fate for systems, by name.
pub struct Control {
    systems: BTreeMap<String, Arc<Weather>>,
}

impl Control {
    /// For these systems.
    pub fn new(systems: impl IntoIterator<Item = (String, Arc<Weather>)>) -> Self {
        Control { systems: systems.into_iter().collect() }
    }

    async fn dump(&self) -> BTreeMap<&str, Value> {
        let mut states = BTreeMap::new();
        for (name, system) in &self.systems {
            states.insert(name.as_str(), system.system().dump().await);
        }
        states
    }

    async fn load(&self, states: BTreeMap<String, Value>) -> Result<Answer, Answer> {
        if let Some(name) = states.keys().find(|name| !self.systems.contains_key(*name)) {
            return Err(refused(400, &format!("there is no system `{name}`")));
        }
        for (name, state) in states {
            let Some(system) = self.systems.get(&name) else { continue };
            let loaded = system.system().load(state).await;
            loaded.map_err(|why| refused(400, &format!("the state of `{name}`: {why}")))?;
        }
        Ok(ok(&json!(null)))
    }

    async fn decide(&self, request: &Request) -> Result<Answer, Answer> {
        let path = request.path.trim_matches('/');
        if path.is_empty() {
            return Ok(ok(&self.systems.keys().collect::<Vec<_>>()));
        }
        match (&*request.method, path) {
            ("GET", "state") => return Ok(ok(&self.dump().await)),
            ("PUT", "state") => return self.load(body(request)?).await,
            _ => {}
        }
        let (name, part) = path.split_once('/').unwrap_or((path, ""));
        let system = self.systems.get(name).ok_or_else(|| {
            let names: Vec<_> = self.systems.keys().map(String::as_str).collect();
            refused(404, &format!("there is no system `{name}`; there are {}", names.join(", ")))
        })?;
        match (&*request.method, part) {
            ("GET", "state") => Ok(ok(&system.system().dump().await)),
            ("PUT", "state") => {
                let loaded = system.system().load(body(request)?).await;
                loaded.map_err(|why| refused(400, &why))?;
                Ok(ok(&json!(null)))
            }
            ("GET", "faults") => {
                Ok(ok(&json!({ "faults": system.faults(), "hits": system.hits() })))
            }
            ("PUT", "faults") => {
                system.set_faults(body(request)?);
                Ok(ok(&system.faults()))
            }
            ("POST", "faults") => {
                system.add_fault(body(request)?);
                Ok(ok(&system.faults()))
            }
            ("DELETE", "faults") => {
                system.set_faults(Vec::new());
                Ok(ok(&system.faults()))
            }
            ("GET", "calls") => Ok(ok(&system.calls())),
            ("DELETE", "calls") => {
                system.forget_calls();
                Ok(ok(&json!(null)))
            }
            ("POST", "restart") => {
                system.restart(span(request)?);
                Ok(ok(&json!(null)))
            }
            ("POST", "clock") => {
                system.system().advance(span(request)?).await;
                Ok(ok(&json!(null)))
            }
            (method, _) => Err(refused(404, &format!("there is no call `{method} /{path}`"))),
        }
    }
}

#[async_trait]
impl Site for Control {
    async fn answer(&self, request: Request) -> Outcome {
        Outcome::Answered(self.decide(&request).await.unwrap_or_else(|refused| refused))
    }

    /// The state of a large system is a large body.
    fn habits(&self) -> Habits {
        Habits { request_max: 1 << 30, ..Habits::default() }
    }
}

fn ok(answer: &impl Serialize) -> Answer {
    // Plain data with text keys: this cannot fail.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    Answer::new(200, "OK", body).header("Content-Type", "application/json")
}

fn refused(status: u16, why: &str) -> Answer {
    let reason = if status == 404 { "Not Found" } else { "Bad Request" };
    let body = json!({ "error": why }).to_string();
    Answer::new(status, reason, body).header("Content-Type", "application/json")
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| refused(400, &error.to_string()))
}

/// `ms=N` of the query.
fn span(request: &Request) -> Result<Duration, Answer> {
    let query = request.query.as_deref().unwrap_or_default();
    let ms = query.split('&').find_map(|part| part.strip_prefix("ms="));
    let ms = ms.and_then(|ms| ms.parse().ok());
    ms.map(Duration::from_millis).ok_or_else(|| refused(400, "`?ms=N` says for how long"))
}
