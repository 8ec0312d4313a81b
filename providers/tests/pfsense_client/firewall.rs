//! A pretend firewall, with somebody at the door who counts, and who can be told what to do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lessor_providers::https::{Https, Trust};
use lessor_providers::pfsense::{Client, Credentials, Writer};
use lessor_sandbox::http::{Answer, Identity, Outcome, Request, Server, Site};
use lessor_sandbox::pfsense::{PfSense, State, Version};
use lessor_sandbox::{Fault, Weather};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const VERSIONS: [Version; 2] = [Version::V2_7_1, Version::V2_10_0];

pub(crate) const KEY: &str = "0123456789abcdef";

/// What happens to the next request that fits.
pub(crate) enum Trick {
    /// This is answered.
    Answered(Answer),
    /// Somebody else asks for this first.
    After(Request),
    /// It is done and answered, with this header besides.
    Headed(&'static str, &'static str),
}

struct Door {
    behind: Arc<Weather>,
    heard: Mutex<Vec<String>>,
    tricks: Mutex<Vec<(String, Trick)>>,
}

#[async_trait]
impl Site for Door {
    async fn answer(&self, request: Request) -> Outcome {
        let asked = format!("{} {}", request.method, request.path.trim_start_matches("/api/v2"));
        let trick = {
            self.heard.lock().unwrap().push(asked.clone());
            let mut tricks = self.tricks.lock().unwrap();
            let found = tricks.iter().position(|(about, _)| *about == asked);
            found.map(|at| tricks.remove(at).1)
        };
        match trick {
            Some(Trick::Answered(answer)) => return Outcome::Answered(answer),
            Some(Trick::After(other)) => {
                let outcome = self.behind.answer(other).await;
                assert!(matches!(outcome, Outcome::Answered(Answer { status: 200, .. })));
            }
            Some(Trick::Headed(name, value)) => {
                return match self.behind.answer(request).await {
                    Outcome::Answered(answer) => Outcome::Answered(answer.header(name, value)),
                    other => other,
                };
            }
            None => {}
        }
        self.behind.answer(request).await
    }
}

pub(crate) struct Firewall {
    pub(crate) system: Arc<PfSense>,
    pub(crate) identity: Identity,
    pub(crate) server: Server,
    door: Arc<Door>,
}

impl Firewall {
    /// One that applies at once and lets us in by `KEY`.
    pub(crate) async fn new(version: Version) -> Firewall {
        Firewall::with(version, |_| {}).await
    }

    pub(crate) async fn with(version: Version, change: impl FnOnce(&mut State)) -> Firewall {
        let mut state = State::new(version, 7);
        state.add_key("admin", KEY);
        (state.apply_ms, state.write_ms) = (0, 0);
        change(&mut state);
        let system = Arc::new(PfSense::new(state));
        let behind = Arc::new(Weather::new(system.clone(), 7));
        let (heard, tricks) = (Mutex::default(), Mutex::default());
        let door = Arc::new(Door { behind, heard, tricks });
        let identity = Identity::new(&["localhost"]).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), door.clone()).await.unwrap();
        Firewall { system, identity, server, door }
    }

    pub(crate) fn https(&self) -> Https {
        let trust = Trust::Pinned(self.identity.fingerprint().parse().unwrap());
        Https::new(&format!("https://{}", self.server.address()), &trust).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(KEY)
    }

    pub(crate) fn client_with(&self, key: &str) -> Client {
        Client::new(self.https(), Credentials::Key(SecretString::from(key.to_owned())))
    }

    /// A client of a user who holds these privileges.
    pub(crate) async fn client_of(&self, privileges: &[&str]) -> Client {
        self.change(|state| state.add_user("user", "hunter2", privileges)).await;
        let password = SecretString::from("hunter2".to_owned());
        Client::new(self.https(), Credentials::Basic { user: "user".into(), password })
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::new(Arc::new(self.client()))
    }

    pub(crate) async fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.system.state().await;
        change(&mut state);
        self.system.replace(state).await;
    }

    pub(crate) fn fault(&self, fault: &str) {
        self.door.behind.add_fault(fault.parse::<Fault>().unwrap());
    }

    /// What happens to the next request `METHOD /path`.
    pub(crate) fn trick(&self, about: &str, trick: Trick) {
        self.door.tricks.lock().unwrap().push((about.to_owned(), trick));
    }

    /// How often `METHOD /path` was asked.
    pub(crate) fn count(&self, asked: &str) -> usize {
        self.door.heard.lock().unwrap().iter().filter(|heard| *heard == asked).count()
    }

    /// Everything that was asked for but looks.
    pub(crate) fn written(&self) -> Vec<String> {
        let heard = self.door.heard.lock().unwrap();
        heard.iter().filter(|heard| !heard.starts_with("GET")).cloned().collect()
    }

    /// What somebody else asks for.
    pub(crate) fn other(method: &str, path: &str, body: &Value) -> Request {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let headers = vec![("X-API-Key".to_owned(), KEY.to_owned())];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let path = format!("/api/v2{path}");
        Request { method: method.into(), path, query, headers, body, client: None }
    }
}

/// An answer of the API that refuses.
pub(crate) fn refusal(status: u16, id: &str, message: &str) -> Answer {
    let body = json!({"code": status, "status": "", "response_id": id, "message": message,
        "data": []});
    Answer::new(status, "", body.to_string()).header("Content-Type", "application/json")
}

/// Shorter than anybody waits for anything here, and longer than an answer takes.
pub(crate) const SOON: Duration = Duration::from_secs(2);
