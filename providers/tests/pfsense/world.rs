//! A pretend firewall, a provider that drives it, and somebody at the door who counts and can stop
//! the clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lessor_engine::{ApplyError, Provider as _, wanting};
use lessor_plans::{
    Act, Action, Body, Change, InstallationId, Observation, Origin, Present, Reason, Sighting,
};
use lessor_providers::https::{Https, Trust};
use lessor_providers::pfsense::{Client, Credentials, Writer};
use lessor_providers::{PfSense, Secrets};
use lessor_sandbox::http::{Answer, Identity, Outcome, Request, Server, Site};
use lessor_sandbox::pfsense::{self, State, Version};
use lessor_sandbox::{Fault, Weather};
use lessor_specs::{Address, SecretRef};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::things::Thing;

pub(crate) const VERSIONS: [Version; 2] = [Version::V2_7_1, Version::V2_10_0];
pub(crate) const KEY: &str = "0123456789abcdef";
pub(crate) const PLACE: &str = "pfsense.edge";
pub(crate) const INSTALLATION: &str = "inst-1";

/// Where a request is held for good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Freeze {
    /// Before the write of this number is done, counted from 1.
    Before(usize),
    /// Behind it, and before anybody hears of it.
    Behind(usize),
}

struct Door {
    behind: Arc<Weather>,
    heard: Mutex<Vec<String>>,
    /// Somebody else asks for this before the next request that is called so.
    first: Mutex<Option<(String, Request)>>,
    /// This is answered to every request that is called so, without asking anybody.
    canned: Mutex<Option<(String, Answer)>>,
    freeze: Mutex<Option<Freeze>>,
    writes: Mutex<usize>,
    frozen: Notify,
}

#[async_trait]
impl Site for Door {
    async fn answer(&self, request: Request) -> Outcome {
        let asked = format!("{} {}", request.method, request.path.trim_start_matches("/api/v2"));
        self.heard.lock().unwrap().push(asked.clone());
        let first = self.first.lock().unwrap().take_if(|(about, _)| *about == asked);
        if let Some((_, other)) = first {
            let outcome = self.behind.answer(other).await;
            assert!(
                matches!(outcome, Outcome::Answered(Answer { status: 200, .. })),
                "{outcome:?}"
            );
        }
        let canned = self.canned.lock().unwrap().clone().filter(|(about, _)| *about == asked);
        if let Some((_, answer)) = canned {
            return Outcome::Answered(answer);
        }
        let number = {
            let mut writes = self.writes.lock().unwrap();
            *writes += usize::from(request.method != "GET");
            *writes
        };
        let freeze = *self.freeze.lock().unwrap();
        let freeze = freeze.filter(|_| request.method != "GET");
        if matches!(freeze, Some(Freeze::Before(at)) if at == number) {
            self.hold().await;
        }
        let outcome = self.behind.answer(request).await;
        if matches!(freeze, Some(Freeze::Behind(at)) if at == number) {
            self.hold().await;
        }
        outcome
    }
}

impl Door {
    async fn hold(&self) {
        self.frozen.notify_one();
        std::future::pending::<()>().await;
    }
}

pub(crate) struct World {
    pub(crate) system: Arc<pfsense::PfSense>,
    identity: Identity,
    server: Server,
    door: Arc<Door>,
    secrets: Arc<Secrets>,
    provider: PfSense,
}

impl World {
    /// One that writes and applies at once, has `WireGuard` switched on, and counts outbound mappings of others.
    pub(crate) async fn new(version: Version) -> World {
        World::with(version, |_| {}).await
    }

    pub(crate) async fn with(version: Version, change: impl FnOnce(&mut State)) -> World {
        let mut state = State::new(version, 7);
        state.add_key("admin", KEY);
        (state.apply_ms, state.write_ms) = (0, 0);
        state.config.set("installedpackages/wireguard/config/0/enable", "on".into());
        state.config.set("nat/outbound/mode", "hybrid".into());
        change(&mut state);
        let system = Arc::new(pfsense::PfSense::new(state));
        let behind = Arc::new(Weather::new(system.clone(), 7));
        let door = Arc::new(Door {
            behind,
            heard: Mutex::default(),
            first: Mutex::default(),
            canned: Mutex::default(),
            freeze: Mutex::default(),
            writes: Mutex::default(),
            frozen: Notify::new(),
        });
        let identity = Identity::new(&["localhost"]).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), door.clone()).await.unwrap();
        let secrets = Arc::new(secrets());
        let https = https(&server, &identity);
        let provider = provider(client(https, KEY), &secrets);
        World { system, identity, server, door, secrets, provider }
    }

    pub(crate) fn provider(&self) -> &PfSense {
        &self.provider
    }

    /// A provider that knows nothing of what others did.
    pub(crate) fn fresh(&self) -> PfSense {
        self.with_key(KEY)
    }

    pub(crate) fn with_key(&self, key: &str) -> PfSense {
        provider(client(https(&self.server, &self.identity), key), &self.secrets)
    }

    /// A provider that waits less than a second for anything to be applied.
    pub(crate) fn impatient(&self) -> PfSense {
        let client = client(https(&self.server, &self.identity), KEY);
        let writer = Writer::with_patience(Arc::new(client), Duration::from_secs(1));
        let place = PLACE.parse().unwrap();
        let installation = INSTALLATION.parse().unwrap();
        PfSense::with_writer(place, installation, self.secrets.clone(), writer, GRACE)
    }

    /// A client of somebody who holds these privileges.
    pub(crate) async fn client_of(&self, privileges: &[&str]) -> Client {
        self.change(|state| state.add_user("user", "hunter2", privileges)).await;
        let password = SecretString::from("hunter2".to_owned());
        let credentials = Credentials::Basic { user: "user".into(), password };
        Client::new(https(&self.server, &self.identity), credentials)
    }

    /// A provider for the user of this name.
    pub(crate) fn as_user(&self, user: &str) -> PfSense {
        let password = SecretString::from("hunter2".to_owned());
        let credentials = Credentials::Basic { user: user.into(), password };
        provider(Client::new(https(&self.server, &self.identity), credentials), &self.secrets)
    }

    pub(crate) fn fingerprint(&self) -> &str {
        self.identity.fingerprint()
    }

    /// How much was asked at all.
    pub(crate) fn calls(&self) -> usize {
        self.door.heard.lock().unwrap().len()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.server.address())
    }

    pub(crate) async fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.system.state().await;
        change(&mut state);
        self.system.replace(state).await;
    }

    pub(crate) fn fault(&self, fault: &str) {
        self.door.behind.add_fault(fault.parse::<Fault>().unwrap());
    }

    pub(crate) fn fair_weather(&self) {
        self.door.behind.set_faults(Vec::new());
    }

    pub(crate) fn freeze(&self, freeze: Option<Freeze>) {
        *self.door.writes.lock().unwrap() = 0;
        *self.door.freeze.lock().unwrap() = freeze;
    }

    /// Comes back when a request is held.
    pub(crate) async fn frozen(&self) {
        self.door.frozen.notified().await;
    }

    /// Lets somebody else ask for something right before the next request `METHOD /path`.
    pub(crate) fn before(&self, about: &str, method: &str, path: &str, body: &Value) {
        *self.door.first.lock().unwrap() = Some((about.to_owned(), request(method, path, body)));
    }

    /// Lets every request `METHOD /path` be refused in these words.
    pub(crate) fn refuse(&self, about: &str, status: u16, id: &str) {
        let body = json!({"code": status, "status": "", "response_id": id, "data": [],
            "message": "No."});
        let answer = Answer::new(status, "", body.to_string());
        *self.door.canned.lock().unwrap() = Some((about.to_owned(), answer));
    }

    /// How often `METHOD /path` was asked.
    pub(crate) fn count(&self, asked: &str) -> usize {
        self.door.heard.lock().unwrap().iter().filter(|heard| *heard == asked).count()
    }

    pub(crate) fn forget_calls(&self) {
        self.door.heard.lock().unwrap().clear();
    }

    /// Everything that was asked for but looks.
    pub(crate) fn written(&self) -> Vec<String> {
        let heard = self.door.heard.lock().unwrap();
        heard.iter().filter(|heard| !heard.starts_with("GET")).cloned().collect()
    }

    /// What somebody else does.
    pub(crate) async fn other(&self, method: &str, path: &str, body: Value) -> Value {
        match self.system.answer(request(method, path, &body)).await {
            Outcome::Answered(answer) if answer.status == 200 => {
                serde_json::from_slice::<Value>(&answer.body).unwrap()["data"].take()
            }
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    /// Everything that is stored, without the times at which it was.
    pub(crate) async fn stored(&self) -> String {
        let mut config = serde_json::to_value(self.system.state().await.config).unwrap();
        forget_times(&mut config);
        serde_json::to_string_pretty(&config).unwrap()
    }

    /// Whether nothing that is stored waits to be applied.
    pub(crate) async fn is_applied(&self) -> bool {
        let state = self.system.state().await;
        state.dirty.is_empty() && state.pending_interfaces.is_empty()
    }

    /// One field of each object of a listing.
    pub(crate) async fn listed(&self, path: &str, field: &str) -> Vec<String> {
        let listed = self.other("GET", path, Value::Null).await;
        let text = |object: &Value| match &object[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        listed.as_array().unwrap().iter().map(text).collect()
    }

    pub(crate) async fn observe(&self) -> Observation {
        self.provider.observe(wanting([])).await
    }

    pub(crate) async fn create(&self, thing: &Thing) {
        self.provider.apply(Act::Create, &change(thing)).await.unwrap();
    }

    pub(crate) async fn update(&self, thing: &Thing) {
        self.provider.apply(Act::Update, &change(thing)).await.unwrap();
    }

    pub(crate) async fn delete(&self, thing: &Thing) {
        self.provider.apply(Act::Delete, &change(thing)).await.unwrap();
    }

    /// What a thing looks like, in the eyes of somebody who knows nothing.
    pub(crate) async fn present(&self, thing: &Thing) -> Present {
        match self.fresh().sight(&change(thing)).await {
            Sighting::Present(present) => *present,
            other => panic!("`{}`: {other:?}", thing.address),
        }
    }

    pub(crate) async fn assert_as_wished(&self, thing: &Thing) {
        let sighted = self.present(thing).await;
        assert_eq!(sighted.birth, thing.address);
        assert_eq!(sighted.beside(Some(&thing.body)), thing.body);
        let seen = self.fresh().observe(wanting([])).await;
        let present = seen.present.get(&thing.address);
        let present = present.unwrap_or_else(|| panic!("`{}`: {seen:?}", thing.address));
        assert_eq!(present.body, sighted.body);
        assert!(seen.gaps.is_empty() && seen.oddities.is_empty(), "{seen:?}");
    }

    pub(crate) async fn assert_absent(&self, thing: &Thing) {
        let sighting = self.fresh().sight(&change(thing)).await;
        assert!(matches!(sighting, Sighting::Absent), "`{}`: {sighting:?}", thing.address);
    }

    /// Why an act is not done.
    pub(crate) async fn refusal(&self, act: Act, thing: &Thing) -> ApplyError {
        self.provider.apply(act, &change(thing)).await.unwrap_err()
    }
}

/// A change from and to this body: acts look at what concerns them.
pub(crate) fn change(thing: &Thing) -> Change {
    Change {
        address: thing.address.clone(),
        place: PLACE.parse().unwrap(),
        origin: Origin::File,
        adopted: None,
        action: Action::Create,
        reason: Reason::Wanted,
        before: Some(thing.body.clone()),
        after: Some(thing.body.clone()),
        ready: None,
    }
}

/// The description of somebody else's copy of a thing, as `name`.
pub(crate) fn mark(installation: &str, address: &Address, name: &str) -> String {
    format!("lessor/1 {installation} {address} file {name}")
}

pub(crate) fn request(method: &str, path: &str, body: &Value) -> Request {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (path, None),
    };
    let headers = vec![("X-API-Key".to_owned(), KEY.to_owned())];
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Request {
        method: method.into(),
        path: format!("/api/v2{path}"),
        query,
        headers,
        body,
        client: None,
    }
}

fn https(server: &Server, identity: &Identity) -> Https {
    let trust = Trust::Pinned(identity.fingerprint().parse().unwrap());
    Https::new(&format!("https://{}", server.address()), &trust).unwrap()
}

fn client(https: Https, key: &str) -> Client {
    Client::new(https, Credentials::Key(SecretString::from(key.to_owned())))
        .with_deadlines(SOON, SOON)
}

/// Longer than what is late here takes.
const GRACE: Duration = Duration::from_millis(80);

/// Shorter than anybody waits for anything here, and longer than an answer takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn provider(client: Client, secrets: &Arc<Secrets>) -> PfSense {
    let writer = Writer::with_patience(Arc::new(client), Duration::from_secs(5));
    let installation: InstallationId = INSTALLATION.parse().unwrap();
    let (place, secrets) = (PLACE.parse().unwrap(), Arc::clone(secrets));
    PfSense::with_writer(place, installation, secrets, writer, GRACE)
}

/// Two private keys, a shared one, and one that cannot be had.
fn secrets() -> Secrets {
    let directory = tempfile::tempdir().unwrap();
    let keys = [("one.key", 1), ("two.key", 2), ("shared.key", 3)];
    for (name, byte) in keys {
        std::fs::write(directory.path().join(name), key(byte)).unwrap();
    }
    let names = ["one.key", "two.key", "shared.key", "missing.key"];
    let references = names.map(|name| SecretRef::File(name.into()));
    Secrets::resolve(&references, directory.path())
}

/// A key of `WireGuard`.
pub(crate) fn key(byte: u8) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode([byte; 32])
}

/// Takes out when and by whom things were written, and lists that became empty again.
fn forget_times(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(forget_times);
            fields.retain(|name, value| {
                !["created", "updated", "uniqid"].contains(&name.as_str()) && !is_empty(value)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

/// A rule of somebody else.
pub(crate) fn strange_rule(interface: &str, descr: &str, tracker: u64) -> Value {
    json!({"type": "pass", "interface": [interface], "ipprotocol": "inet", "source": "any",
        "destination": "any", "descr": descr, "tracker": tracker})
}

/// The body of a rule, to be changed.
pub(crate) fn rule_of(thing: &mut Thing) -> &mut lessor_plans::RuleBody {
    match &mut thing.body {
        Body::Rule(rule) => rule,
        other => panic!("{other:?}"),
    }
}
