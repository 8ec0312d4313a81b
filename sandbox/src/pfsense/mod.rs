//! A pretend pfSense with the package that gives it a REST API, version 2.
//!
//! The configuration is kept as `config.xml` has it, and every answer is made from it by the rules
//! of the package: fields are declared in `models`, objects are read and written by `object`,
//! validated by `validate` and `rules`, and found by `query`. Two versions of the package
//! differ only in rules.
//!
//! Not here: links between objects, the access list, and what packets would do.

mod actions;
mod apply;
mod auth;
mod checks;
mod field;
mod kind;
mod model;
mod models;
mod net;
mod object;
mod query;
mod refusal;
mod request;
mod rules;
mod session;
mod start;
mod state;
mod status;
mod validate;
mod value;
mod views;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::http::{self, Answer, Request, Site};
use crate::system::System;

use kind::Endpoint;
use refusal::Refusal;
use session::{Session, Wish};
use state::Loaded;
pub use state::{Card, Revision, State, Work};
pub use value::{Map, Value};

/// The package that brings `WireGuard`.
pub(crate) const WIREGUARD: &str = "pfSense-pkg-WireGuard";

/// Where the API begins.
const ROOT: &str = "/api/v2";

/// How long a write waits for the lock of another.
const LOCK_WAIT: Duration = Duration::from_secs(61);

/// Which version of the package answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// 2.7.1
    #[serde(rename = "2.7.1")]
    V2_7_1,
    /// 2.10.0
    #[serde(rename = "2.10.0")]
    V2_10_0,
}

impl Version {
    /// Its name, as the package has it.
    pub fn name(self) -> &'static str {
        match self {
            Version::V2_7_1 => "2.7.1",
            Version::V2_10_0 => "2.10.0",
        }
    }
}

/// A pretend firewall.
#[derive(Debug)]
pub struct PfSense {
    state: Mutex<State>,
}

impl PfSense {
    /// A firewall that knows this.
    pub fn new(state: State) -> PfSense {
        PfSense { state: Mutex::new(state) }
    }

    /// All that it knows at this moment.
    pub async fn state(&self) -> State {
        self.state.lock().await.clone()
    }

    /// Makes it know this instead.
    pub async fn replace(&self, state: State) {
        *self.state.lock().await = state;
    }

    /// What is answered, and after how long. Whatever others wrote since the configuration was
    /// loaded is lost when this writes.
    fn respond(
        state: &mut State,
        endpoint: &Endpoint,
        loaded: Loaded,
        request: &Request,
    ) -> (Answer, Duration) {
        state.settle();
        let address = request.client.map_or("unknown IP".into(), |client| client.ip().to_string());
        let mut session = Session {
            config: loaded.config,
            now: loaded.now,
            state,
            user: String::new(),
            address,
            author: String::new(),
            may_write: true,
            wish: Wish::default(),
        };
        match granted(&mut session, endpoint, request) {
            Ok(data) => (envelope(200, "SUCCESS", "", data, Vec::new()), Duration::ZERO),
            Err(refusal) => {
                let Refusal { code, id, message, data, headers } = *refusal;
                let wait = if id == session::LOCKED { LOCK_WAIT } else { Duration::ZERO };
                (envelope(code, id, &message, data, headers), wait)
            }
        }
    }
}

#[async_trait]
impl Site for PfSense {
    async fn answer(&self, request: Request) -> http::Outcome {
        let Some(endpoint) = request.path.strip_prefix(ROOT).and_then(endpoint_at) else {
            let answer = Answer::new(404, "Not Found", "404 Not Found\n");
            let answer = answer.header("Content-Type", "text/html; charset=UTF-8");
            return http::Outcome::Answered(answer);
        };
        let (loaded, takes) = self.state.lock().await.load(&request.method);
        pass(takes).await;
        let mut state = self.state.lock().await;
        let (answer, wait) = PfSense::respond(&mut state, endpoint, loaded, &request);
        drop(state);
        pass(wait).await;
        http::Outcome::Answered(answer)
    }
}

#[async_trait]
impl System for PfSense {
    async fn dump(&self) -> serde_json::Value {
        // Plain data with text keys: this cannot fail.
        serde_json::to_value(self.state().await).unwrap_or_default()
    }

    async fn load(&self, state: serde_json::Value) -> Result<(), String> {
        let state = serde_json::from_value(state).map_err(|error| error.to_string())?;
        self.replace(state).await;
        Ok(())
    }

    async fn advance(&self, by: Duration) {
        let mut state = self.state.lock().await;
        state.clock.advance(by);
        state.settle();
    }
}

async fn pass(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

fn endpoint_at(path: &str) -> Option<&'static Endpoint> {
    Endpoint::at(path.strip_suffix('/').unwrap_or(path))
}

/// Does what is asked, unless something is against it; the checks come in the package's order.
fn granted(
    session: &mut Session<'_>,
    endpoint: &Endpoint,
    request: &Request,
) -> refusal::Granted<Value> {
    if session.setting("enabled") != "enabled" {
        let message = "The REST API is currently not enabled.";
        return Err(Refusal::unavailable("ENDPOINT_REST_API_IS_NOT_ENABLED", message, 5));
    }
    if request.method == "OPTIONS" {
        let id = "ENDPOINT_RECEIVED_UNEXPECTED_ERROR";
        return Err(Refusal::broken(id, "Call to a member function on null"));
    }
    auth::admit(session, endpoint, request)?;
    request::check_accept(request)?;
    check_method(session, endpoint, request)?;
    let mut data = request::read(request)?;
    request::steer(session, endpoint, request, &mut data)?;
    actions::run(session, endpoint, &request.method, &data)
}

fn check_method(
    session: &Session<'_>,
    endpoint: &Endpoint,
    request: &Request,
) -> refusal::Granted<()> {
    let (path, method) = (endpoint.path, &request.method);
    if !endpoint.knows(method) {
        let message = format!(
            "Resource at {ROOT}{path} does not support the requested HTTP method `{method}`"
        );
        return Err(Refusal::method("ENDPOINT_METHOD_NOT_ALLOWED", message));
    }
    if session.setting("read_only") == "enabled" && method != "GET" {
        let message = format!(
            "Resource at {ROOT}{path} cannot support the requested HTTP method `{method}` because \
             the REST API is currently in read-only mode."
        );
        return Err(Refusal::method("ENDPOINT_METHOD_NOT_ALLOWED_IN_READ_ONLY_MODE", message));
    }
    Ok(())
}

fn envelope(
    code: u16,
    id: &str,
    message: &str,
    data: Value,
    headers: Vec<(&'static str, String)>,
) -> Answer {
    let reason = reason(code);
    let body = value::map([
        ("code", Value::Integer(code.into())),
        ("status", reason.to_lowercase().into()),
        ("response_id", id.into()),
        ("message", message.into()),
        ("data", data),
    ]);
    let answer = Answer::new(code, reason, body.to_json() + "\n")
        .header("Server", "nginx")
        .header("Content-Type", "application/json")
        .header("Referer", "no-referrer");
    headers.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value))
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        424 => "Failed Dependency",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
