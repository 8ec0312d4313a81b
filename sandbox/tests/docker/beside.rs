//! The same requests to a real engine and to the pretend one: statuses, messages, and which fields
//! of which types are in the answers.
//!
//! `script.txt` has a request a line. A line that begins with `!` says why the next answer differs;
//! so a difference nobody wrote down fails, and one that is gone too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lessor_sandbox::Clock;
use serde_json::{Map, Value};

use crate::client::{Door, Engine, Reply};

/// Marks what is made on the real engine.
const LABEL: &str = "lessor-sandbox-test";

/// A request of the script.
struct Step {
    method: String,
    path: String,
    body: String,
    /// What the id in the answer is called from then on.
    keeps: Option<String>,
    differs: Option<String>,
}

fn steps(script: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut differs = None;
    for line in script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(why) = line.strip_prefix("! ") {
            differs = Some(why.to_owned());
            continue;
        }
        let (line, keeps) = match line.split_once(" => ") {
            Some((line, name)) => (line, Some(name.to_owned())),
            None => (line, None),
        };
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (method, path, body) = (part(), part(), part());
        steps.push(Step { method, path, body, keeps, differs: differs.take() });
    }
    steps
}

/// A text with the names of this run in it.
fn filled(text: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Filters stand in the script as people read them.
fn encoded(path: &str) -> String {
    [("{", "%7B"), ("}", "%7D"), ("\"", "%22"), ("[", "%5B"), ("]", "%5D")]
        .into_iter()
        .fold(path.to_owned(), |path, (letter, code)| path.replace(letter, code))
}

/// Sends one request, and keeps the id in the answer.
async fn send(door: &Door, step: &Step, names: &mut BTreeMap<String, String>) -> Reply {
    let path = format!("/v1.41{}", encoded(&filled(&step.path, names)));
    let reply = door.ask(&step.method, &path, &filled(&step.body, names)).await;
    if let (Some(name), Some(id)) = (&step.keeps, reply.json()["Id"].as_str()) {
        names.insert(format!("{{{name}}}"), id.to_owned());
    }
    reply
}

/// What is compared of an answer.
fn essence(reply: &Reply) -> String {
    let body = reply.json();
    let sort = reply.head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
    let status = format!("{} {}", reply.status, sort.unwrap_or("-"));
    match body["message"].as_str() {
        Some(message) => format!("{status} {}", without_ids(message)),
        None if body.is_null() => format!("{status} {}", without_ids(&reply.text())),
        None => format!("{status} {}", serde_json::to_string(&shape(&body)).unwrap()),
    }
}

fn without_ids(text: &str) -> String {
    let is_id = |word: &&str| word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .map(|word| {
            let bare = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
            if is_id(&bare) { word.replace(bare, "ID") } else { word.to_owned() }
        })
        .collect()
}

/// The types of a value; of a list, those of its members, each once: their order is chance.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => {
            let shapes: BTreeSet<String> =
                items.iter().map(|item| shape(item).to_string()).collect();
            shapes.into_iter().collect()
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (without_ids(name), shape(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// Things on the real engine, gone with the test.
struct Hands {
    prefix: String,
}

impl Drop for Hands {
    fn drop(&mut self) {
        let filter = format!("label={LABEL}={}", self.prefix);
        for (list, remove) in [
            (["ps", "-aq"], &["rm", "-f", "-v"][..]),
            (["network", "ls"], &["network", "rm"][..]),
            (["volume", "ls"], &["volume", "rm"][..]),
        ] {
            let mut listing = list.to_vec();
            if list[1] == "ls" {
                listing.push("-q");
            }
            listing.extend(["--filter", &filter]);
            let found = docker(&listing);
            let ids: Vec<&str> = found.split_whitespace().collect();
            if !ids.is_empty() {
                docker(&[remove, &ids].concat());
            }
        }
    }
}

/// What the `docker` command prints about the real engine.
fn docker(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The real engine: the one at `DOCKER_HOST`, or the one on this machine.
fn real() -> Door {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    Door::Unix(PathBuf::from(path))
}

#[tokio::test]
async fn the_pretend_engine_answers_as_a_real_one() {
    let script = include_str!("script.txt");
    let made = std::process::Command::new(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/busybox-image.sh"),
    )
    .output()
    .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let real = real();
    let info = real.ask("GET", "/info", "").await.json();
    let cpus = u32::try_from(info["NCPU"].as_u64().unwrap()).unwrap();
    let engine = Engine::with(Clock::default(), |state| state.cpus = cpus).await;
    let prefix = format!("s{}", std::process::id());
    let hands = Hands { prefix: prefix.clone() };
    let part = std::process::id() % 250;
    let image = "\"Image\":\"lessor.example/busybox:1\"";
    let label = format!("\"Labels\":{{\"{LABEL}\":\"{prefix}\"}}");
    let names: BTreeMap<String, String> = [
        ("{i}", format!("{image},{label}")),
        ("{l}", label.clone()),
        ("{mine}", format!("%7B%22label%22%3A%5B%22{LABEL}%3D{prefix}%22%5D%7D")),
        ("{net}", format!("10.191.{part}")),
        ("{p}", prefix),
        ("{port}", (21_000 + std::process::id() % 5_000).to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let (mut of_real, mut of_pretend) = (names.clone(), names);

    let (mut same, mut wrong, mut total) = (0, String::new(), 0);
    for step in steps(script) {
        let expected = essence(&send(&real, &step, &mut of_real).await);
        let answered = essence(&send(&engine.door, &step, &mut of_pretend).await);
        let request = format!("{} {} {}", step.method, step.path, step.body);
        total += 1;
        match (expected == answered, &step.differs) {
            (true, None) => same += 1,
            (false, Some(_)) => {}
            (true, Some(why)) => {
                wrong.push_str(&format!("{request}\n  is the same by now, not: {why}\n"));
            }
            (false, None) => {
                wrong.push_str(&format!("{request}\n  real    {expected}\n  pretend {answered}\n"));
            }
        }
    }
    drop(hands);
    println!("{same} of {total} answers are the same");
    assert!(wrong.is_empty(), "{same} of {total} answers are the same\n{wrong}");
}
