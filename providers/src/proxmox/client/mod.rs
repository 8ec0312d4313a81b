//! Every call to a cluster of Proxmox VE, each with a deadline and an error that says what may be
//! done about it.
//!
//! In reading order: the conversation itself ([`Client`]), getting in ([`Login`]), what is sent
//! ([`Form`]), who waits for whom (`lane`), what came back (`answer`, `scalar`) or did not
//! ([`CallError`]), and what a text of an error means (`classify`). Then tasks ([`Upid`]), and
//! the calls by theme: `cluster`, `guest` and what is done to one (`change`, `snapshot`, `agent`),
//! `firewall`, `pool`, `sdn`, `storage`.
//!
//! Not here: what to do with what was seen.

mod agent;
mod answer;
mod change;
mod classify;
mod cluster;
mod error;
mod firewall;
mod form;
mod guest;
mod lane;
mod login;
mod pool;
mod scalar;
mod sdn;
mod snapshot;
mod storage;
mod task;

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::https::{Answer, Https, HttpsError, Method, Request, Trust};
use lane::{Lanes, Pace};
use login::Ticket;

pub use agent::AgentRun;
pub use change::{NewClone, Stop};
pub use cluster::{Member, Node, Permissions, Resource, Time, Version};
pub use error::{CallError, Denial, Kind};
pub use firewall::{FirewallOptions, Rule, RuleList};
pub use form::Form;
pub(crate) use form::encoded;
pub use guest::{Guest, GuestConfig, GuestKind, GuestListed, GuestStatus, Pending};
pub use login::{Login, LoginError};
pub use pool::{Pool, PoolMember};
pub(crate) use scalar::of_word as flag_of_word;
pub use sdn::{Staged, Vnet, Zone, ZoneStatus};
pub use snapshot::Snapshot;
pub use storage::{Storage, Volume};
pub use task::{Done, Upid, UpidError};

/// How long one call may take. A node gives another one 30 s and then answers 596, which says more
/// than our silence.
const DEADLINE: Duration = Duration::from_secs(40);

/// A cluster, through one of its nodes. It is not called before the first question.
///
/// No more than four requests are under way at a node, and fewer while it is slow. What is only
/// read is asked for once more when the connection broke; nothing else is ever repeated.
#[derive(Debug)]
pub struct Client {
    https: Https,
    login: Login,
    ticket: Mutex<Option<Ticket>>,
    lanes: Lanes,
}

impl Client {
    /// The cluster behind `endpoint`, `https://host:port`.
    ///
    /// # Errors
    /// When the endpoint is none, or whom to trust cannot be read.
    pub fn new(endpoint: &str, trust: &Trust, login: Login) -> Result<Self, HttpsError> {
        let https = Https::new(endpoint, trust)?;
        Ok(Client { https, login, ticket: Mutex::new(None), lanes: Lanes::default() })
    }

    /// `host:port` of the node we talk to.
    pub fn place(&self) -> String {
        self.https.place()
    }

    /// Reads.
    ///
    /// # Errors
    /// [`CallError`], here and in all other calls.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Form,
    ) -> Result<T, CallError> {
        let call = Call::new(Method::GET, path, query)?;
        let answer = match self.ask(&call).await {
            Err(error) if error.is_broken() => self.ask(&call).await?,
            answer => answer?,
        };
        answer::data(&call, &self.place(), &answer)
    }

    /// Writes, with a body.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &Form,
    ) -> Result<T, CallError> {
        self.write(Call::new(Method::POST, path, form)?).await
    }

    /// Writes, with a body.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &Form,
    ) -> Result<T, CallError> {
        self.write(Call::new(Method::PUT, path, form)?).await
    }

    /// Removes.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Form,
    ) -> Result<T, CallError> {
        self.write(Call::new(Method::DELETE, path, query)?).await
    }

    async fn write<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, CallError> {
        let answer = self.ask(&call).await?;
        answer::data(&call, &self.place(), &answer)
    }

    /// Asks in the lane of the node, and once more when our ticket is no longer taken: that was
    /// refused before anything was done.
    async fn ask(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let slot = self.lanes.enter(call.node).await;
        let begun = Instant::now();
        let answer = match self.ask_once(call).await {
            Ok(answer) if answer.status == 401 && self.forget_ticket().await => {
                self.ask_once(call).await
            }
            answer => answer,
        };
        slot.done(pace(&answer, begun.elapsed()));
        let answer = answer?;
        if answer.status == 200 { Ok(answer) } else { Err(answer::refused(call, self, &answer)) }
    }

    async fn ask_once(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let secrets = self.credentials(call).await?;
        self.send(call, secrets).await
    }

    async fn send(
        &self,
        call: &Call<'_>,
        secrets: Vec<(&'static str, secrecy::SecretString)>,
    ) -> Result<Answer, CallError> {
        let (target, body) = call.written();
        let request = Request {
            method: call.method.clone(),
            target: &target,
            secrets,
            body: body.map(|body| ("application/x-www-form-urlencoded", body)),
            deadline: DEADLINE,
        };
        let answer = self.https.ask(request).await;
        answer.map_err(|error| CallError::unanswered(call.to_string(), error))
    }
}

/// What a call is about, before it is sent.
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    form: &'a Form,
    /// Whose lane it is in; nobody's for what any node answers itself.
    node: Option<&'a str>,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &[&'a str], form: &'a Form) -> Result<Self, CallError> {
        let node = match path {
            ["nodes", node, ..] if *node != "localhost" => Some(*node),
            _ => None,
        };
        let call = Call { path: form::path(path), method, form, node };
        match path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            Some(part) => Err(CallError::unfit(&call, part)),
            None => Ok(call),
        }
    }

    /// The target and the body. What has no body has a query.
    fn written(&self) -> (String, Option<String>) {
        let path = format!("/api2/json{}", self.path);
        if matches!(self.method, Method::POST | Method::PUT) {
            return (path, Some(self.form.encoded()));
        }
        match self.form.encoded() {
            query if query.is_empty() => (path, None),
            query => (format!("{path}?{query}"), None),
        }
    }
}

/// `POST /nodes/n1/qemu`, without what was given to it.
impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// How a node keeps up.
fn pace(answer: &Result<Answer, CallError>, took: Duration) -> Pace {
    match answer {
        Ok(answer) => Pace::of(answer.status, took),
        Err(error) if error.is_late() => Pace::Overrun,
        Err(_) => Pace::Unknown,
    }
}
