//! The pretend pfSense against recordings of the real package: every scenario, over real HTTP.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what helps a test may do what a test may"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lessor_sandbox::http::Server;
use lessor_sandbox::pfsense::{self, PfSense, State, Version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The key that `<api-key>` stands for.
const KEY: &str = "6f1d0e6b8c1f4f6f9a0f6b2c3d4e5f60718293a4b5c6d7e8";

/// How many exchanges of a scenario are answered like the real one at least. May only rise.
const SCORES: &[(&str, usize)] = &[
    ("alias", 28),
    ("auth", 16),
    ("dhcp_dns", 15),
    ("nat_vip", 15),
    ("routing_system", 11),
    ("rule", 24),
    ("vlan_interface", 19),
    ("wireguard", 12),
];

/// Who logs in by name where the recordings keep it to themselves: scenario, step, name, password.
const LOGINS: &[(&str, u64, &str, &str)] = &[
    ("auth", 3, "admin", "wrong"),
    ("auth", 4, "admin", "pfsense"),
    ("auth", 5, "limited", "secret"),
    ("auth", 6, "limited", "secret"),
    ("auth", 8, "admin", "pfsense"),
    ("auth", 9, "admin", "pfsense"),
];

#[tokio::test]
async fn the_pretend_2_7_1_answers_like_the_real_one() {
    replay(Version::V2_7_1, include_str!("recordings/pfsense/wire-2.7.1.jsonl")).await;
}

#[tokio::test]
async fn the_pretend_2_10_0_answers_like_the_real_one() {
    replay(Version::V2_10_0, include_str!("recordings/pfsense/wire-2.10.0.jsonl")).await;
}

async fn replay(version: Version, recordings: &str) {
    let mut scenarios: BTreeMap<String, Vec<(Value, String)>> = BTreeMap::new();
    for line in recordings.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let ordered: pfsense::Value = serde_json::from_str(line).unwrap();
        let names = names(ordered.at("response/body").unwrap());
        let scenario = exchange["scenario"].as_str().unwrap().to_owned();
        scenarios.entry(scenario).or_default().push((exchange, names));
    }
    let (mut scores, mut report) = (Vec::new(), String::new());
    for (name, exchanges) in &scenarios {
        let server = firewall(version).await;
        let mut score = 0;
        for (exchange, names) in exchanges {
            let heard = ask(&server, exchange).await;
            let mut differences = differences(&exchange["response"], &heard);
            if *names != heard.names {
                differences.push(format!("names come as {}, not as {names}", heard.names));
            }
            score += usize::from(differences.is_empty());
            for difference in differences {
                let (step, note) = (&exchange["step"], &exchange["note"]);
                writeln!(report, "{name} {step} {note}: {difference}").unwrap();
            }
        }
        writeln!(report, "{name}: {score} of {}", exchanges.len()).unwrap();
        scores.push((name.as_str(), score));
    }
    println!("{}\n{report}", version.name());
    for ((name, score), (expected, least)) in scores.iter().zip(SCORES) {
        assert!(name == expected && score >= least, "{name} fell to {score}:\n{report}");
    }
    assert_eq!(scores.len(), SCORES.len());
}

/// The firewall that every scenario begins with.
async fn firewall(version: Version) -> Server {
    let mut state = State::new(version, 1);
    state.write_ms = 0;
    state.add_user("limited", "secret", &["api-v2-firewall-aliases-get"]);
    state.add_key("admin", KEY);
    let site = Arc::new(PfSense::new(state));
    Server::listen("127.0.0.1:0".parse().unwrap(), None, site).await.unwrap()
}

struct Heard {
    status: u64,
    headers: BTreeMap<String, String>,
    body: Value,
    /// The names in the body, in their order.
    names: String,
}

async fn ask(server: &Server, exchange: &Value) -> Heard {
    let request = &exchange["request"];
    let body = match (&request["raw_body"], &request["body"]) {
        (Value::String(raw), _) => raw.clone(),
        (_, Value::Null) => String::new(),
        (_, body) => body.to_string(),
    };
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    let mut sent = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in request["headers"].as_object().unwrap() {
        let value = match value.as_str().unwrap() {
            "<api-key>" => KEY.to_owned(),
            "Basic <base64 user:pass>" => login(exchange),
            value => value.to_owned(),
        };
        write!(sent, "{name}: {value}\r\n").unwrap();
    }
    write!(sent, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    heard(&answer)
}

fn login(exchange: &Value) -> String {
    let is_it = |(scenario, step, ..): &&(&str, u64, &str, &str)| {
        exchange["scenario"] == **scenario && exchange["step"] == *step
    };
    let (.., name, password) = LOGINS.iter().find(is_it).unwrap();
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn heard(answer: &str) -> Heard {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    let ordered: Option<pfsense::Value> = serde_json::from_str(body).ok();
    let names = ordered.as_ref().map_or_else(String::new, names);
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    Heard { status, headers: lines.map(header).collect(), body, names }
}

/// The names of a value and of those in it, as they stand.
fn names(value: &pfsense::Value) -> String {
    match value {
        pfsense::Value::Map(map) => {
            let inner =
                map.iter().map(|(name, value)| [name.as_str(), "(", &names(value), ")"].concat());
            inner.collect()
        }
        pfsense::Value::List(values) => values.iter().map(names).collect(),
        _ => String::new(),
    }
}

fn differences(recorded: &Value, heard: &Heard) -> Vec<String> {
    let mut found = Vec::new();
    if recorded["status"] != heard.status {
        found.push(format!("status {}, not {}", heard.status, recorded["status"]));
    }
    for (name, value) in recorded["headers"].as_object().unwrap() {
        let given = heard.headers.get(name).map_or("", String::as_str);
        if value != given {
            found.push(format!("{name} is `{given}`, not {value}"));
        }
    }
    compare("", &recorded["body"], &heard.body, &mut found);
    found
}

/// Holds two bodies against each other.
fn compare(place: &str, recorded: &Value, heard: &Value, found: &mut Vec<String>) {
    match (recorded, heard) {
        (Value::Object(recorded), Value::Object(heard)) => {
            for (name, recorded) in recorded {
                match heard.get(name) {
                    Some(heard) => compare(&format!("{place}/{name}"), recorded, heard, found),
                    None => found.push(format!("{place}/{name} is missing")),
                }
            }
            for name in heard.keys().filter(|name| !recorded.contains_key(*name)) {
                found.push(format!("{place}/{name} is too much"));
            }
        }
        (Value::Array(recorded), Value::Array(heard)) if recorded.len() == heard.len() => {
            for (n, (recorded, heard)) in recorded.iter().zip(heard).enumerate() {
                compare(&format!("{place}/{n}"), recorded, heard, found);
            }
        }
        _ if is_like(recorded, heard) => {}
        _ => found.push(format!("{place} is {heard}, not {recorded}")),
    }
}

/// Whether a value is the recorded one, or one that the placeholder in it stands for.
fn is_like(recorded: &Value, heard: &Value) -> bool {
    let Value::String(text) = recorded else { return recorded == heard };
    if text == "<now>" {
        return heard.as_i64().is_some_and(|time| time > 1_700_000_000);
    }
    let Some(heard) = heard.as_str() else { return false };
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.as_str() {
        "<jwt>" => heard.split('.').count() == 3,
        "<api-key>" => heard.len() == 48 && is_hex(heard),
        "<uniqid>" => heard.len() == 13 && is_hex(heard),
        _ => {
            let is_linked = |rest: &str| rest.len() == 22 && rest.as_bytes()[13] == b'.';
            let expected = text.replace("<client-ip>", "127.0.0.1");
            match expected.split_once("<uniqid>") {
                Some((before, after)) => heard
                    .strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(after))
                    .is_some_and(is_linked),
                None => heard == expected,
            }
        }
    }
}
