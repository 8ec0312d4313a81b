//! What goes wrong, and that nothing else does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lessor_sandbox::http::{Answer, Outcome, Request, Server, Site};
use lessor_sandbox::{Control, Fault, System, Weather};
use serde_json::{Value, json};

use crate::wire::said;

/// Counts what it was asked to do.
#[derive(Default)]
struct Counter {
    done: AtomicU64,
    passed: Mutex<Duration>,
}

#[async_trait]
impl Site for Counter {
    async fn answer(&self, _: Request) -> Outcome {
        self.done.fetch_add(1, Ordering::SeqCst);
        Outcome::Answered(Answer::new(200, "OK", r#"{"data":[1,2,3,4]}"#))
    }
}

#[async_trait]
impl System for Counter {
    async fn dump(&self) -> Value {
        json!({ "done": self.done.load(Ordering::SeqCst) })
    }

    async fn load(&self, state: Value) -> Result<(), String> {
        let done = state["done"].as_u64().ok_or("`done` is no number")?;
        self.done.store(done, Ordering::SeqCst);
        Ok(())
    }

    async fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

/// A counter that listens, with weather in front of it.
struct Sandbox {
    counter: Arc<Counter>,
    weather: Arc<Weather>,
    server: Server,
}

impl Sandbox {
    async fn new() -> Self {
        let counter = Arc::new(Counter::default());
        let weather = Arc::new(Weather::new(counter.clone(), 7));
        let server = listen(weather.clone()).await;
        Sandbox { counter, weather, server }
    }

    fn done(&self) -> u64 {
        self.counter.done.load(Ordering::SeqCst)
    }

    async fn ask(&self, method: &str, path: &str) -> String {
        ask(self.server.address(), method, path, "").await
    }

    fn goes_wrong(&self, faults: &[&str]) {
        let faults: Result<Vec<Fault>, _> = faults.iter().map(|fault| fault.parse()).collect();
        self.weather.set_faults(faults.unwrap());
    }
}

async fn listen(site: Arc<dyn Site>) -> Server {
    Server::listen("127.0.0.1:0".parse().unwrap(), None, site).await.unwrap()
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}");
    said(address, &format!("{head}\r\n\r\n{body}")).await
}

/// The body of an answer, as JSON.
fn document(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\n\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn each_mishap_does_and_says_what_it_stands_for() {
    let sandbox = Sandbox::new().await;
    let mut table = String::new();
    for fault in ["refused", "lost", "slow:1", "cut:12", "partial", "status:503"] {
        sandbox.goes_wrong(&[fault]);
        let before = sandbox.done();
        let heard = sandbox.ask("GET", "/").await.replace('\n', "⏎");
        table.push_str(&format!("{fault:11} done {}  {heard}\n", sandbox.done() - before));
    }
    insta::assert_snapshot!(table, @r#"
    refused     done 0  
    lost        done 1  
    slow:1      done 1  HTTP/1.1 200 OK⏎Connection: close⏎Content-Length: 18⏎⏎{"data":[1,2,3,4]}
    cut:12      done 1  HTTP/1.1 200
    partial     done 1  HTTP/1.1 200 OK⏎Connection: close⏎Content-Length: 14⏎⏎{"data":[1,2]}
    status:503  done 0  HTTP/1.1 503 Out of order⏎Connection: close⏎Content-Length: 0⏎⏎
    "#);
}

#[tokio::test]
async fn what_comes_late_is_done_after_its_connection_is_gone() {
    let sandbox = Sandbox::new().await;
    sandbox.goes_wrong(&["late:20"]);
    assert_eq!(sandbox.ask("POST", "/").await, "");
    while sandbox.done() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sandbox.done(), 1);
}

#[tokio::test]
async fn a_fault_hits_only_whom_it_is_about_and_as_often_as_it_says() {
    let sandbox = Sandbox::new().await;
    sandbox.goes_wrong(&["refused,method=POST,path=/clone,times=2"]);
    for (method, path, hit) in [
        ("GET", "/clone", false),
        ("POST", "/config", false),
        ("POST", "/a/clone/b", true),
        ("POST", "/clone", true),
        ("POST", "/clone", false),
    ] {
        assert_eq!(sandbox.ask(method, path).await.is_empty(), hit, "{method} {path}");
    }
    assert_eq!(sandbox.weather.hits(), 2);
}

#[tokio::test]
async fn a_request_can_meet_a_restart_and_those_behind_it_too() {
    let sandbox = Sandbox::new().await;
    sandbox.goes_wrong(&["restart:600000,path=/clone,times=1"]);
    assert!(sandbox.ask("GET", "/").await.starts_with("HTTP/1.1 200"));
    assert_eq!(sandbox.ask("POST", "/clone").await, "");
    assert_eq!(sandbox.ask("GET", "/").await, "");
    sandbox.weather.restart(Duration::ZERO);
    assert!(sandbox.ask("POST", "/clone").await.starts_with("HTTP/1.1 200"));
    assert_eq!(sandbox.done(), 2);
}

#[tokio::test]
async fn chance_hits_a_share_and_the_same_one_again() {
    let run = async || {
        let sandbox = Sandbox::new().await;
        sandbox.goes_wrong(&["refused,chance=30"]);
        let mut hits = Vec::new();
        for _ in 0..40 {
            hits.push(sandbox.ask("GET", "/").await.is_empty());
        }
        hits
    };
    let first = run().await;
    assert_eq!(first, run().await);
    let hits = first.iter().filter(|hit| **hit).count();
    assert!((4..=24).contains(&hits), "{hits} of 40");
}

#[tokio::test]
async fn fate_is_played_from_outside() {
    let sandbox = Sandbox::new().await;
    let control = Control::new([("counter".to_owned(), sandbox.weather.clone())]);
    let control = listen(Arc::new(control)).await;
    let fate = async |method: &str, path: &str, body: &str| {
        ask(control.address(), method, path, body).await
    };

    assert_eq!(document(&fate("GET", "/", "").await), json!(["counter"]));
    fate("PUT", "/counter/state", r#"{"done":5}"#).await;
    assert_eq!(document(&fate("GET", "/counter/state", "").await), json!({ "done": 5 }));
    let refused = fate("PUT", "/counter/state", r#"{"done":"many"}"#).await;
    assert!(refused.starts_with("HTTP/1.1 400 Bad Request\n"), "{refused}");
    assert_eq!(sandbox.done(), 5);

    fate("POST", "/counter/faults", r#"{"mishap":"lost","times":1}"#).await;
    assert_eq!(sandbox.ask("GET", "/").await, "");
    assert_eq!(
        document(&fate("GET", "/counter/faults", "").await),
        json!({ "faults": [{ "mishap": "lost", "chance": 100, "times": 0 }], "hits": 1 })
    );
    assert_eq!(document(&fate("DELETE", "/counter/faults", "").await), json!([]));

    assert_eq!(document(&fate("GET", "/state", "").await), json!({ "counter": { "done": 6 } }));
    fate("PUT", "/state", r#"{"counter":{"done":9}}"#).await;
    assert_eq!(sandbox.done(), 9);
    fate("DELETE", "/counter/calls", "").await;
    for path in ["/nodes/pve1/qemu/100/config", "/nodes/pve1/qemu/7/config", "/"] {
        sandbox.ask("GET", path).await;
    }
    assert_eq!(
        document(&fate("GET", "/counter/calls", "").await),
        json!({ "GET /": 1, "GET /nodes/pve1/qemu/*/config": 2 })
    );

    fate("POST", "/counter/restart?ms=600000", "").await;
    assert_eq!(sandbox.ask("GET", "/").await, "");
    fate("POST", "/counter/restart?ms=0", "").await;
    assert!(sandbox.ask("GET", "/").await.starts_with("HTTP/1.1 200"));
    fate("POST", "/counter/clock?ms=1500", "").await;
    assert_eq!(*sandbox.counter.passed.lock().unwrap(), Duration::from_millis(1500));

    for (method, path, body, status) in [
        ("GET", "/other/state", "", 404),
        ("GET", "/counter", "", 404),
        ("PUT", "/state", r#"{"other":{}}"#, 400),
        ("PUT", "/state", r#"{"counter":{}}"#, 400),
        ("POST", "/counter/faults", r#"{"mishap":"rain"}"#, 400),
        ("POST", "/counter/clock", "", 400),
    ] {
        let heard = fate(method, path, body).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {heard}");
    }
}
