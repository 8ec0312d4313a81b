//! The other direction: what a real cluster was heard to say, said to our client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lessor_providers::https::{Method, Trust};
use lessor_providers::proxmox::client::{CallError, Client, Form, Guest, GuestKind, Kind, Upid};
use lessor_sandbox::http::{Answer, Identity, Outcome, Request, Server, Site};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::cluster::token;

/// Gives the same answer to everything, or hangs up.
struct Parrot(Mutex<Option<Answer>>);

#[async_trait]
impl Site for Parrot {
    async fn answer(&self, _: Request) -> Outcome {
        self.0.lock().unwrap().clone().map_or(Outcome::HungUp, Outcome::Answered)
    }
}

/// A client of somebody who repeats what was heard.
pub(crate) struct Told {
    pub(crate) client: Client,
    parrot: Arc<Parrot>,
    _server: Server,
}

impl Told {
    async fn begin() -> Told {
        let identity = Identity::new(&["localhost"]).unwrap();
        let parrot = Arc::new(Parrot(Mutex::new(None)));
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), parrot.clone()).await.unwrap();
        let trust = Trust::Pinned(identity.fingerprint().parse().unwrap());
        let endpoint = format!("https://{}", server.address());
        let client = Client::new(&endpoint, &trust, token("root@pam!t1", "s")).unwrap();
        Told { client, parrot, _server: server }
    }

    fn next(&self, answer: Option<Answer>) {
        *self.parrot.0.lock().unwrap() = answer;
    }
}

/// A client that hears the same answer to everything.
pub(crate) async fn answering(status: u16, reason: &str, body: &str) -> Told {
    let told = Told::begin().await;
    told.next(Some(Answer::new(status, reason, body.to_owned())));
    told
}

/// How a recorded exchange was understood.
enum Understood {
    /// Into one of our types, which holds so many entries if it is a list.
    Typed(Option<usize>),
    /// As something we have no type for.
    Plain,
}

#[tokio::test]
async fn every_recorded_answer_is_understood() {
    let told = Told::begin().await;
    let (mut typed, mut plain) = (0, 0);
    let mut refusals: BTreeMap<Kind, usize> = BTreeMap::new();
    for exchange in recorded() {
        told.next(answer(&exchange));
        let head = format!("{} {} {}", exchange["n"], exchange["method"], exchange["path"]);
        if exchange["status"] == 200 {
            match understood(&told.client, &exchange).await {
                Ok(Understood::Plain) => plain += 1,
                Ok(Understood::Typed(count)) => {
                    typed += 1;
                    let listed = exchange["response"]["data"].as_array().map(Vec::len);
                    assert!(count.is_none() || count == listed, "{head}: {count:?}");
                }
                Err(error) => panic!("{head}: {error}"),
            }
        } else {
            let error = raw(&told.client, &exchange).await.expect_err(&head);
            assert_ne!(error.kind(), Kind::Garbled, "{head}: {error}");
            let reason = exchange["reason"].as_str().unwrap();
            let said = error.said().unwrap_or(reason).to_owned();
            assert!(said.starts_with(reason.trim_end_matches(')')), "{head}: {said}");
            *refusals.entry(error.kind()).or_default() += 1;
        }
    }
    println!("{typed} answers typed, {plain} plain; refusals: {refusals:?}");
    assert!(typed >= 630 && plain >= 100, "{typed} typed, {plain} plain");
    let of = |kind| refusals.get(&kind).copied().unwrap_or_default();
    let least = [
        (Kind::Denied, 40),
        (Kind::Missing, 45),
        (Kind::Exists, 20),
        (Kind::Invalid, 70),
        (Kind::Busy, 10),
        (Kind::Stale, 20),
        (Kind::Refused, 40),
        (Kind::Transient, 2),
        (Kind::Unknown, 1),
    ];
    for (kind, least) in least {
        assert!(of(kind) >= least, "{kind:?}: {refusals:?}");
    }
}

#[tokio::test]
async fn every_recorded_verdict_of_a_task_has_a_meaning() {
    let told = Told::begin().await;
    let mut verdicts: BTreeMap<String, String> = BTreeMap::new();
    for exchange in recorded() {
        let Some(verdict) = exchange["response"]["data"]["exitstatus"].as_str() else { continue };
        let data = &exchange["response"]["data"];
        let upid: Upid = data["upid"].as_str().unwrap().parse().unwrap();
        told.next(answer(&exchange));
        let ended = told.client.task_wait(Some(&upid), std::time::Duration::from_secs(5)).await;
        let meaning = match ended {
            Ok(done) if done.warnings.is_empty() => "done".to_owned(),
            Ok(_) => "done, with warnings".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        // Names and numbers are left out: it is the rest that is told apart.
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        verdicts.insert(verdict.chars().map(digits).collect(), meaning);
    }
    let lines: Vec<_> = verdicts.iter().map(|(text, kind)| format!("{kind}: {text}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

fn recorded() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/tests/recordings/proxmox");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut exchanges = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "ndjson")) {
        let text = std::fs::read_to_string(file).unwrap();
        exchanges
            .extend(text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    assert!(exchanges.len() >= 1000, "{}", exchanges.len());
    exchanges
}

fn answer(exchange: &Value) -> Option<Answer> {
    let status = u16::try_from(exchange["status"].as_u64().unwrap()).unwrap();
    if status == 0 {
        return None;
    }
    let body = match (&exchange["response"], &exchange["response_text"]) {
        (Value::Null, Value::String(text)) => text.clone(),
        (Value::Null, _) => String::new(),
        (json, _) => json.to_string(),
    };
    Some(Answer::new(status, exchange["reason"].as_str().unwrap(), body))
}

fn parts(exchange: &Value) -> Vec<String> {
    let path = exchange["path"].as_str().unwrap();
    let path = path.strip_prefix("/api2/json").unwrap_or(path);
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().unwrap().into_owned();
    path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
}

/// As something that has no type.
async fn raw(client: &Client, exchange: &Value) -> Result<Value, CallError> {
    let parts = parts(exchange);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    write(client, exchange, &parts).await
}

async fn write<T: serde::de::DeserializeOwned>(
    client: &Client,
    exchange: &Value,
    parts: &[&str],
) -> Result<T, CallError> {
    let form = Form::new();
    match exchange["method"].as_str().unwrap().parse::<Method>().unwrap() {
        Method::POST => client.post(parts, &form).await,
        Method::PUT => client.put(parts, &form).await,
        Method::DELETE => client.delete(parts, &form).await,
        _ => client.get(parts, &form).await,
    }
}

/// With the type that we have for it.
async fn understood(client: &Client, exchange: &Value) -> Result<Understood, CallError> {
    let parts = parts(exchange);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let data = &exchange["response"]["data"];
    if exchange["method"] != "GET" {
        if data.is_null() {
            write::<()>(client, exchange, &parts).await?;
        } else if data.as_str().is_some_and(|text| text.starts_with("UPID:")) {
            write::<Upid>(client, exchange, &parts).await?;
        } else {
            return write::<Value>(client, exchange, &parts).await.map(|_| Understood::Plain);
        }
        return Ok(Understood::Typed(None));
    }
    let one = Understood::Typed(None);
    Ok(match parts.as_slice() {
        ["version"] => client.version().await.map(|_| one)?,
        ["nodes"] => listed(&client.nodes().await?),
        ["cluster", "status"] => listed(&client.cluster_status().await?),
        ["cluster", "resources"] => listed(&client.cluster_resources(None).await?),
        ["cluster", "nextid"] => client.guest_next_id().await.map(|_| one)?,
        ["cluster", "sdn", "zones"] => listed(&client.zones().await?),
        ["cluster", "sdn", "vnets"] => listed(&client.vnets().await?),
        ["access", "permissions"] => client.permissions().await.map(|_| one)?,
        ["pools"] => listed(&client.pools().await?),
        ["nodes", node, "time"] => client.node_time(node).await.map(|_| one)?,
        ["nodes", node, "storage"] => listed(&client.storages(node).await?),
        ["nodes", node, "sdn", "zones"] => listed(&client.zone_statuses(node).await?),
        ["nodes", node, "storage", storage, "content"] => {
            listed(&client.storage_content(node, storage, None, None).await?)
        }
        ["nodes", _, "tasks", _, "status"] => {
            let upid: Upid = data["upid"].as_str().unwrap().parse().unwrap();
            let verdict = client.task_verdict(&upid).await?;
            assert_eq!(verdict.as_deref(), data["exitstatus"].as_str());
            one
        }
        ["nodes", _, "tasks", _, "log"] => {
            let upid = "UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam!t1:";
            listed(&client.task_log(&upid.parse().unwrap(), 1_000_000).await?)
        }
        ["nodes", node, kind @ ("qemu" | "lxc"), rest @ ..] => {
            return of_guest(client, node, kind, rest, data).await;
        }
        parts => client.get::<Value>(parts, &Form::new()).await.map(|_| Understood::Plain)?,
    })
}

async fn of_guest(
    client: &Client,
    node: &str,
    kind: &str,
    rest: &[&str],
    data: &Value,
) -> Result<Understood, CallError> {
    let kind = if kind == "qemu" { GuestKind::Qemu } else { GuestKind::Lxc };
    let guest = Guest { kind, node: node.to_owned(), vmid: 100 };
    Ok(match rest {
        [] => listed(&client.guests(node, kind).await?),
        [_, "config"] => {
            let config = client.guest_config(&guest).await?.unwrap();
            // All of it, with the digest beside it.
            assert_eq!(config.iter().count() + 1, data.as_object().unwrap().len());
            assert!(!config.digest.is_empty());
            Understood::Typed(None)
        }
        [_, "pending"] => listed(&client.guest_pending(&guest).await?),
        [_, "status", "current"] => {
            let status = client.guest_status(&guest).await?.unwrap();
            assert_eq!(status.is_running(), data["status"] == "running");
            Understood::Typed(None)
        }
        [_, "snapshot"] => {
            let snapshots = client.snapshots(&guest).await?;
            assert_eq!(snapshots.len() + 1, data.as_array().unwrap().len());
            Understood::Typed(None)
        }
        [_, "firewall", "options"] => {
            client.firewall_options(&guest).await.map(|_| Understood::Typed(None))?
        }
        [_, "firewall", "rules"] => listed(&client.firewall_rules(&guest).await?.rules),
        _ => {
            let path = ["nodes", node, kind.as_str(), "100", "else"];
            client.get::<Value>(&path, &Form::new()).await.map(|_| Understood::Plain)?
        }
    })
}

fn listed<T>(list: &[T]) -> Understood {
    Understood::Typed(Some(list.len()))
}
