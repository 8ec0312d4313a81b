//! Replays a recording against a fresh simulator and says where its answers differ.

mod compare;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lessor_sandbox::http::{Identity, Server};
use lessor_sandbox::proxmox::{Installation, Pace, Proxmox, World};
use lessor_sandbox::{Clock, System as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use wire::{Heard, Said};

/// How often an exchange is repeated until it tells what it should.
const PATIENCE: u32 = 500;

/// What passes on the clock of the simulator before each request, and it has no other: how busy
/// this machine is does not count.
const BEAT: Duration = Duration::from_millis(1);

/// What passes before an exchange is repeated.
const PAUSE: Duration = Duration::from_millis(10);

/// How a replay went.
pub(crate) struct Score {
    pub(crate) right: usize,
    pub(crate) all: usize,
    pub(crate) differences: Vec<String>,
}

/// A conversation with a simulator.
pub(crate) struct Replay {
    address: SocketAddr,
    proxmox: Arc<Proxmox>,
    _server: Server,
    /// What was captured, and secrets of tokens by `token:USER!ID`.
    known: BTreeMap<String, String>,
}

impl Replay {
    /// Replays one scenario from its start.
    pub(crate) async fn run(scenario: &'static str) -> Score {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/proxmox");
        let text = std::fs::read_to_string(format!("{folder}/{scenario}.ndjson")).unwrap();
        let exchanges: Vec<Value> =
            text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut replay = Replay::begin().await;
        let mut score = Score { right: 0, all: exchanges.len(), differences: Vec::new() };
        let mut at = 0;
        while at < exchanges.len() {
            let group = exchanges[at].get("group").filter(|group| !group.is_null());
            let together = match group {
                Some(group) => exchanges[at..]
                    .iter()
                    .take_while(|next| next.get("group") == Some(group))
                    .count(),
                None => 1,
            };
            let part = &exchanges[at..at + together];
            let differences = match group {
                Some(_) => replay.group(part).await,
                None => replay.single(&part[0]).await.into_iter().collect(),
            };
            score.right += together - differences.len().min(together);
            score.differences.extend(differences);
            at += together;
        }
        score
    }

    async fn begin() -> Replay {
        let identity = Identity::new(&["localhost"]).unwrap();
        let installation = Installation {
            nodes: vec!["pve1".into()],
            password: "testpass123".into(),
            fingerprint: identity.fingerprint().into(),
            seed: 7,
            pace: Pace { refusal_ms: 0, task_ms: 15, shutdown_ms: 250, statistics_ms: 60 },
            // As it was when the daemons were recorded.
            whole_host: false,
        };
        let mut world = World::installed(&installation);
        world.clock = Clock::stopped(world.clock.now_ms());
        let proxmox = Arc::new(Proxmox::new(world));
        let secret = proxmox.add_token("root@pam", "t1");
        let known = [
            ("admin_token_secret".to_owned(), secret.clone()),
            ("token:root@pam!t1".to_owned(), secret),
        ];
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), proxmox.clone()).await.unwrap();
        Replay { address: server.address(), proxmox, _server: server, known: known.into() }
    }

    /// Makes requests at the same time; only who got which status counts.
    async fn group(&mut self, exchanges: &[Value]) -> Vec<String> {
        let mut calls = Vec::new();
        for exchange in exchanges {
            let said = self.said(exchange).await.unwrap();
            calls.push(tokio::spawn(wire::exchange(self.address, said)));
        }
        let mut heard = Vec::new();
        for (exchange, call) in exchanges.iter().zip(calls) {
            let answer = call.await.unwrap();
            self.learn(exchange, &answer);
            heard.push((u64::from(answer.status), answer.reason));
        }
        let mut wanted: Vec<(u64, String)> = exchanges
            .iter()
            .map(|one| (one["status"].as_u64().unwrap(), one["reason"].as_str().unwrap().into()))
            .collect();
        wanted.sort();
        heard.sort();
        let pairs = wanted.iter().zip(&heard).filter(|(wanted, heard)| wanted != heard);
        pairs.map(|(wanted, heard)| format!("group: {heard:?} instead of {wanted:?}")).collect()
    }

    /// Makes a request, again and again where the recording did; says what differs.
    async fn single(&mut self, exchange: &Value) -> Option<String> {
        let mut tried = 0;
        let head = format!(
            "{} {} {}",
            exchange["n"],
            exchange["method"].as_str().unwrap(),
            exchange["path"].as_str().unwrap()
        );
        let answer = loop {
            let said = match self.said(exchange).await {
                Ok(said) => said,
                Err(missing) => return Some(format!("{head}: `{missing}` was never captured")),
            };
            self.proxmox.advance(BEAT).await;
            let answer = wire::exchange(self.address, said).await;
            if compare::is_until(exchange, &answer) || tried == PATIENCE {
                break answer;
            }
            tried += 1;
            self.proxmox.advance(PAUSE).await;
        };
        self.learn(exchange, &answer);
        compare::difference(exchange, &answer).map(|why| format!("{head}: {why}"))
    }

    fn learn(&mut self, exchange: &Value, answer: &Heard) {
        if let Some(body) = answer.json.as_ref().filter(|_| answer.status == 200) {
            for (name, pointer) in exchange["capture"].as_object().into_iter().flatten() {
                if let Some(value) = body.pointer(pointer.as_str().unwrap()) {
                    let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
                    self.known.insert(name.clone(), text);
                }
            }
            if let (Some(whose), Some(secret)) =
                (exchange["secret_of"].as_str(), body.pointer("/data/value"))
            {
                let secret = secret.as_str().unwrap().to_owned();
                self.known.insert(format!("token:{whose}"), secret);
            }
        }
    }

    /// The request of an exchange, with what was captured put in.
    async fn said(&mut self, exchange: &Value) -> Result<Said, String> {
        let auth = exchange["auth"].as_str().unwrap();
        let mut headers = Vec::new();
        for (name, value) in exchange["headers"].as_object().unwrap() {
            headers.push((name.clone(), self.filled(value.as_str().unwrap(), str::to_owned)?));
        }
        match auth {
            "none" => {}
            "ticket" => headers.extend(self.ticket().await),
            token => {
                let id = if token == "token" { "root@pam!t1" } else { &token[6..] };
                let known = self.known.get(&format!("token:{id}"));
                let secret = known.ok_or_else(|| id.to_owned())?;
                headers.push(("Authorization".into(), format!("PVEAPIToken={id}={secret}")));
            }
        }
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let escaped = |text: &str| {
            let quoted = Value::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let json = exchange["headers"]["Content-Type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("application/json"));
        let path = self.filled(exchange["path"].as_str().unwrap(), str::to_owned)?;
        let query =
            exchange["query"].as_str().map(|text| self.filled(text, encoded)).transpose()?;
        let body = exchange["body"]
            .as_str()
            .map(|text| if json { self.filled(text, escaped) } else { self.filled(text, encoded) });
        Ok(Said {
            method: exchange["method"].as_str().unwrap().to_owned(),
            target: query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")),
            headers,
            body: body.transpose()?,
        })
    }

    /// Logs in as `root@pam`.
    async fn ticket(&self) -> Vec<(String, String)> {
        let form = "application/x-www-form-urlencoded";
        let said = Said {
            method: "POST".into(),
            target: "/api2/json/access/ticket".into(),
            headers: vec![("Content-Type".into(), form.into())],
            body: Some("username=root%40pam&password=testpass123".into()),
        };
        let data = wire::exchange(self.address, said).await.json.unwrap()["data"].clone();
        let text = |key: &str| data[key].as_str().unwrap().to_owned();
        vec![
            ("Cookie".into(), format!("PVEAuthCookie={}", text("ticket"))),
            ("CSRFPreventionToken".into(), text("CSRFPreventionToken")),
        ]
    }

    /// Puts what was captured where `${name}` stands.
    fn filled(&self, text: &str, written: impl Fn(&str) -> String) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, behind) = behind.split_once('}').unwrap();
            let value = self.known.get(name).ok_or_else(|| name.to_owned())?;
            filled.push_str(before);
            filled.push_str(&written(value));
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}
