//! Answers that go on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Engine, Pipe, frames, reply};

/// What comes until the other end has said all.
async fn rest(mut stream: Box<dyn Pipe>) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Reads until this has come.
async fn until(stream: &mut Box<dyn Pipe>, wanted: &str) -> String {
    let mut heard = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if text.contains(wanted) {
            return text;
        }
        let read = stream.read_buf(&mut heard).await.unwrap();
        assert!(read > 0, "`{wanted}` never came: {text}");
    }
}

const CHATTY: [&str; 3] =
    ["sh", "-c", "echo one; echo two >&2; sleep 1; echo three; sleep 1; exit 5"];

#[tokio::test]
async fn a_log_has_what_was_printed_in_frames_by_pipe_time_and_tail() {
    let engine = Engine::new().await;
    engine.run("web", &CHATTY, Value::Null).await;
    engine.wait(2_000).await;
    let log = async |query: &str| {
        let path = format!("/containers/web/logs?{query}");
        frames(&engine.door.ask("GET", &path, "").await.body)
    };
    let line = |pipe: u8, text: &str| (pipe, format!("{text}\n"));
    assert_eq!(log("stdout=1&stderr=1").await, [line(1, "one"), line(2, "two"), line(1, "three")]);
    assert_eq!(log("stderr=1").await, [line(2, "two")]);
    assert_eq!(log("stdout=1&tail=1").await, [line(1, "three")]);
    assert_eq!(log("stdout=1&since=1767225601").await, [line(1, "three")]);
    let stamped = log("stdout=1&timestamps=1&tail=1").await;
    assert!(stamped[0].1.starts_with("2026-01-01T00:00:01"), "{stamped:?}");
}

#[tokio::test]
async fn whoever_follows_a_log_hears_what_comes_until_the_container_ends() {
    let engine = Engine::new().await;
    engine.run("web", &CHATTY, Value::Null).await;
    let path = "/containers/web/logs?stdout=1&stderr=1&follow=1";
    let mut stream = engine.door.open("GET", path, "").await;
    until(&mut stream, "two").await;
    engine.wait(1_000).await;
    until(&mut stream, "three").await;
    engine.wait(1_000).await;
    assert!(rest(stream).await.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn waiting_ends_when_the_container_does() {
    let engine = Engine::new().await;
    engine.run("web", &CHATTY, Value::Null).await;
    let mut stream = engine.door.open("POST", "/containers/web/wait", "").await;
    until(&mut stream, "\r\n\r\n").await;
    engine.wait(2_000).await;
    let heard = until(&mut stream, "StatusCode").await;
    assert!(heard.contains(r#"{"Error":null,"StatusCode":5}"#), "{heard}");
}

#[tokio::test]
async fn events_tell_what_happens_in_order() {
    let engine = Engine::new().await;
    let filters = "%7B%22type%22%3A%5B%22container%22%5D%7D";
    let mut stream = engine.door.open("GET", &format!("/events?filters={filters}"), "").await;
    until(&mut stream, "\r\n\r\n").await;
    engine.run("web", &["sleep", "1"], Value::Null).await;
    engine.wait(1_000).await;
    engine.delete("/containers/web").await;
    let heard = until(&mut stream, "\"destroy\"").await;
    let actions: Vec<Value> = heard
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["Action"].clone())
        .collect();
    assert_eq!(actions, ["create", "start", "die", "destroy"]);

    engine.wait(1_000).await;
    let past = engine.door.ask("GET", "/events?since=1767225600&until=1767225602", "").await;
    assert_eq!(past.text().lines().count(), 6, "{}", past.text());
}

#[tokio::test]
async fn what_a_container_is_told_it_says_again_until_it_is_told_no_more() {
    let engine = Engine::new().await;
    let mut wish = json!({ "Image": "lessor.example/busybox:1", "Cmd": ["cat"] });
    (wish["OpenStdin"], wish["StdinOnce"]) = (true.into(), true.into());
    engine.post("/containers/create?name=cat", wish).await;
    let path = "/containers/cat/attach?stream=1&stdin=1&stdout=1&stderr=1";
    let mut stream = engine.door.open("POST", path, "").await;
    until(&mut stream, "\r\n\r\n").await;
    engine.post("/containers/cat/start", Value::Null).await;
    stream.write_all(b"hello\n").await.unwrap();
    let heard = until(&mut stream, "hello").await;
    assert!(heard.starts_with('\u{1}'), "{heard:?}");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await, b"");
    assert_eq!(engine.inspect("cat", "/State/ExitCode").await, 0);
}

#[tokio::test]
async fn a_program_beside_the_first_is_heard_and_its_end_known() {
    let engine = Engine::new().await;
    engine.run("web", &["sleep", "99"], Value::Null).await;
    let wish = json!({ "Cmd": ["sh", "-c", "echo in >&2; exit 4"], "AttachStderr": true });
    let id = engine.post("/containers/web/exec", wish).await.json()["Id"].clone();
    let path = format!("/exec/{}", id.as_str().unwrap());
    let stream = engine.door.open("POST", &format!("{path}/start"), r#"{"Detach":false}"#).await;
    let heard = reply(&rest(stream).await);
    assert_eq!(frames(&heard.body), [(2, "in\n".to_owned())]);
    let seen = engine.get(&format!("{path}/json")).await;
    assert_eq!((seen["Running"].clone(), seen["ExitCode"].clone()), (false.into(), 4.into()));
}

#[tokio::test]
async fn the_numbers_of_a_container_that_runs_go_up() {
    let engine = Engine::new().await;
    engine.run("web", &["httpd", "-f"], Value::Null).await;
    let path = "/containers/web/stats?stream=0&one-shot=1";
    let used = |stats: &Value| stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
    let before = engine.get(path).await;
    engine.wait(10_000).await;
    let after = engine.get(path).await;
    assert!(used(&after) > used(&before), "{before} {after}");
    let limit = json!({ "Memory": 67_108_864, "MemorySwap": -1 });
    engine.post("/containers/web/update", limit).await;
    assert_eq!(engine.get(path).await["memory_stats"]["limit"], 67_108_864);

    let mut stream = engine.door.open("GET", "/containers/web/stats", "").await;
    until(&mut stream, "\"id\"").await;
    until(&mut stream, "\"id\"").await;
}

#[tokio::test]
async fn a_stream_breaks_off_where_the_weather_says() {
    let engine = Engine::new().await;
    engine.run("web", &CHATTY, Value::Null).await;
    engine.weather.set_faults(vec!["cut:205".parse().unwrap()]);
    let path = "/containers/web/logs?stdout=1&follow=1";
    let stream = engine.door.open("GET", path, "").await;
    for _ in 0..2 {
        engine.wait(1_000).await;
    }
    let heard = tokio::time::timeout(Duration::from_mins(1), rest(stream)).await.unwrap();
    assert!(heard.len() <= 205 && !heard.ends_with(b"0\r\n\r\n"), "{}", heard.len());
}
