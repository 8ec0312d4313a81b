//! What instances write and use, and starting them anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use lessor_plans::InstallationId;
use lessor_providers::{Memory, Said};
use lessor_server::{Job, Listening, Ran, Schedule, Settings, app};
use lessor_specs::OrderPhase;
use lessor_store::{Actor, Declared, KeyOwner, Order, PlatformRole};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::fixture::{BACKENDS, Backend, Credential, cheap};
use crate::reconcile::{SHOP, Shop};

/// What the container of `acme/lobby` is called.
const LOBBY: &str = "acme_lobby";

impl Shop {
    /// The host that everything is on.
    pub(crate) fn memory(&self) -> Memory {
        let installation: InstallationId = "tests".parse().unwrap();
        let place = "docker.par1".parse().unwrap();
        Memory::in_file(place, installation, Arc::default(), self.dir.path().join("host.json"))
    }

    pub(crate) async fn say(&self, at: &str, text: &str, error: bool) {
        let said = Said { at: at.parse().unwrap(), text: text.into(), error };
        self.memory().edit(move |host| host.say(LOBBY, said)).await.unwrap();
    }

    /// Placed, made, and there.
    pub(crate) async fn running(&self, name: &str) -> Order {
        let order = self.place(name, "survival").await;
        self.turn().await;
        self.order(&order.id).await
    }

    /// Takes over the tenant of the files, as a server does in the background.
    pub(crate) async fn declare(&self) {
        let (owners, credit) = (Vec::new(), BTreeMap::new());
        let (id, timezone) = ("acme".into(), "UTC".into());
        let acme = Declared { id, quota: None, timezone, owners, credit };
        self.store().tenant_declare(&[acme]).await.unwrap();
    }

    /// A key of the tenant.
    pub(crate) async fn customer(&self) -> Credential {
        self.declare().await;
        self.server.key(KeyOwner::Tenant("acme".into()), "*").await.1
    }
}

#[tokio::test]
async fn what_an_instance_wrote_is_shown_by_its_last_lines() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let (order, who) = (shop.running("lobby").await, shop.customer().await);
        shop.say("2026-11-29T20:00:00Z", "Starting", false).await;
        shop.say("2026-11-29T20:00:01Z", "Done (1.2s)!", false).await;
        shop.say("2026-11-29T20:00:02.5Z", "cannot keep up", true).await;
        let logs = async |query: &str| {
            let path = format!("/v1/instances/{}/logs{query}", order.id);
            shop.server.call(&who, "GET", &path, None).await.shown()
        };
        let shown = [
            logs("?tail=2").await,
            logs("?since=2026-11-29T20:00:02Z").await,
            logs("?tail=0").await,
            logs("?tail=1001").await,
            logs("?since=yesterday").await,
            logs("?follow=true").await,
        ];
        allow_duplicates!(assert_snapshot!(shown.join("\n"), @r#"
        200 {"cut":false,"lines":[{"at":"2026-11-29T20:00:01Z","stream":"stdout","text":"Done (1.2s)!"},{"at":"2026-11-29T20:00:02.5Z","stream":"stderr","text":"cannot keep up"}]}
        200 {"cut":false,"lines":[{"at":"2026-11-29T20:00:02.5Z","stream":"stderr","text":"cannot keep up"}]}
        200 {"cut":false,"lines":[]}
        422 {"errors":[{"detail":"expected 0 to 1000","parameter":"tail"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        422 {"errors":[{"detail":"expected a time, such as `2026-11-29T12:00:00Z`","parameter":"since"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        422 {"errors":[{"detail":"following needs `Accept: text/event-stream`","parameter":"follow"}],"status":422,"title":"the input is not valid","type":"/problems/invalid"}
        "#));
    }
}

/// Somebody who listens over a real connection.
struct Listener(BufReader<TcpStream>);

impl Listener {
    async fn new(address: std::net::SocketAddr, who: &Credential, path: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (name, value) = &who.0[0];
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n");
        stream.write_all(format!("{head}{more}{name}: {value}\r\n\r\n").as_bytes()).await.unwrap();
        Listener(BufReader::new(stream))
    }

    /// The next line that has this in it; nothing when it ended before.
    async fn until(&mut self, part: &str) -> Option<String> {
        let reading = async {
            let mut line = String::new();
            loop {
                line.clear();
                if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return None;
                }
                if line.contains(part) {
                    return Some(line.trim().to_owned());
                }
            }
        };
        timeout(Duration::from_secs(30), reading).await.unwrap()
    }
}

/// A server that listens, and what ends it.
async fn listening(
    shop: &Shop,
) -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listening = Listening::at("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listening.address().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(listening.serve(app(&shop.server.services), async {
        let _ = ended.await;
    }));
    (address, end, serving)
}

/// How many answers go on, as Prometheus is told.
async fn streams(shop: &Shop, auditor: &Credential) -> String {
    let metrics = shop.server.call(auditor, "GET", "/metrics", None).await.text;
    let line = metrics.lines().find(|line| line.starts_with("lessor_http_streams "));
    line.unwrap().to_owned()
}

async fn until_streams(shop: &Shop, auditor: &Credential, count: usize) {
    for _ in 0..200 {
        if streams(shop, auditor).await == format!("lessor_http_streams {count}") {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{}, not {count}", streams(shop, auditor).await);
}

#[tokio::test]
async fn who_follows_is_told_line_by_line_and_who_leaves_ends_it() {
    let shop = Shop::open(Backend::Sqlite, SHOP).await;
    let (order, who) = (shop.running("lobby").await, shop.customer().await);
    let auditor = shop.server.platform(PlatformRole::Auditor).await;
    let (address, end, serving) = listening(&shop).await;
    shop.say("2026-11-29T20:00:00Z", "before", false).await;
    let path = format!("/v1/instances/{}/logs", order.id);

    let mut listener = Listener::new(address, &who, &path, "").await;
    assert!(listener.until("content-type").await.unwrap().contains("text/event-stream"));
    assert_eq!(listener.until("id: 2026").await.unwrap(), "id: 2026-11-29T20:00:00Z");
    shop.say("2026-11-29T20:00:01Z", "and on", false).await;
    let told = listener.until("and on").await.unwrap();
    assert_eq!(told, r#"data: {"at":"2026-11-29T20:00:01Z","stream":"stdout","text":"and on"}"#);
    // Who comes back says what they heard, and hears the rest.
    let back = "last-event-id: 2026-11-29T20:00:00Z\r\n";
    let mut again = Listener::new(address, &who, &path, back).await;
    assert!(again.until("data:").await.unwrap().contains("and on"));
    until_streams(&shop, &auditor, 2).await;
    drop((listener, again));
    until_streams(&shop, &auditor, 0).await;

    // One who stays does not keep the server from ending.
    let mut stays = Listener::new(address, &who, &path, "").await;
    stays.until("and on").await.unwrap();
    end.send(()).unwrap();
    assert_eq!(stays.until("event: end").await.as_deref(), Some("event: end"));
    timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_cut_off_hears_no_more() {
    let settings = Settings {
        listeners_checked: Duration::from_millis(100),
        calls_per_second: None,
        ..cheap()
    };
    let shop = Shop::with(Backend::Sqlite, SHOP, settings).await;
    let order = shop.running("lobby").await;
    shop.declare().await;
    let (key, who) = shop.server.key(KeyOwner::Tenant("acme".into()), "instances:read").await;
    let (address, _end, _serving) = listening(&shop).await;
    let path = format!("/v1/instances/{}/metrics", order.id);
    let mut listener = Listener::new(address, &who, &path, "").await;
    listener.until("event: usage").await.unwrap();

    let key = shop.store().key_show(&key).await.unwrap().unwrap();
    shop.store().key_revoke(&key, &Actor::command()).await.unwrap();

    assert_eq!(listener.until("event: end").await.as_deref(), Some("event: end"));
}

#[tokio::test]
async fn what_an_instance_uses_is_told_now_and_for_each_minute_before() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let (order, who) = (shop.running("lobby").await, shop.customer().await);
        let off = shop.place("off", "brief").await;
        let schedule =
            Schedule::new(shop.store().clone(), Some(crate::reconcile::estate(shop.dir.path())));
        for _ in 0..2 {
            let ran = schedule.run_now(Job::Sample, "the tests").await.unwrap();
            assert_eq!(ran, Ran::Done("1 instances, 0 not seen, 0 old samples".into()));
        }
        let path = format!("/v1/instances/{}/metrics", order.id);
        let shown = shop.server.call(&who, "GET", &path, None).await;

        let without_time = |mut reading: Value| {
            assert!(reading.as_object_mut().unwrap().remove("at").unwrap().is_string());
            reading
        };
        let reading = json!({
            "running": true, "cpu": 0, "memory": 0, "memory_limit": 2_147_483_648_u64,
            "received": null, "sent": null, "read": null, "written": null,
        });
        assert_eq!(without_time(shown.body["now"].clone()), reading, "{shown:?}");
        let samples = shown.body["samples"].as_array().unwrap().clone();
        assert_eq!(
            samples.into_iter().map(without_time).collect::<Vec<_>>(),
            [reading.clone(), reading]
        );
        let earlier = format!("{path}?until=2026-01-01T00:00:00Z");
        let earlier = shop.server.call(&who, "GET", &earlier, None).await;
        assert_eq!(earlier.body["samples"], json!([]));
        let none = format!("/v1/instances/{}/metrics", off.id);
        assert_eq!(shop.server.call(&who, "GET", &none, None).await.status, 409);
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_said_and_what_was_is_shown_all_the_same() {
    let shop = Shop::open(Backend::Sqlite, SHOP).await;
    let (order, who) = (shop.running("lobby").await, shop.customer().await);
    std::fs::write(shop.dir.path().join("host.json"), "no host").unwrap();

    let metrics = format!("/v1/instances/{}/metrics", order.id);
    let metrics = shop.server.call(&who, "GET", &metrics, None).await;
    let logs = format!("/v1/instances/{}/logs", order.id);
    let logs = shop.server.call(&who, "GET", &logs, None).await;

    assert_eq!(
        metrics.shown(),
        r#"200 {"now":null,"problem":"its host does not answer for it","samples":[]}"#
    );
    // What the host said is for operators.
    assert_eq!(
        logs.shown(),
        r#"503 {"detail":"its host does not answer for it","status":503,"title":"this is not possible right now","type":"/problems/unavailable"}"#
    );
}

#[tokio::test]
async fn an_instance_is_started_anew_once_for_each_time_somebody_asks() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let (order, who) = (shop.running("lobby").await, shop.customer().await);
        let path = format!("/v1/instances/{}/actions", order.id);
        let act = async |action: &str| {
            let body = Some(json!({ "action": action }));
            shop.server.call(&who, "POST", &path, body).await.status.as_u16()
        };
        let restarts = async || {
            let host = shop.memory().host().await.unwrap();
            host.find("container", LOBBY).unwrap().restarts()
        };

        assert_eq!((act("restart").await, restarts().await), (200, 1));
        assert_eq!((act("explode").await, restarts().await), (422, 1));
        let events = shop.store().order_events(&order.id, 0, 50).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds.last(), Some(&"restarted"), "{kinds:?}");
        shop.store().order_power(&order.id, None, false, &Actor::command()).await.unwrap();
        assert_eq!((act("restart").await, restarts().await), (409, 1));
        shop.turn().await;
        assert_eq!(shop.order(&order.id).await.phase, OrderPhase::Active);
        assert_eq!((act("restart").await, restarts().await), (409, 1), "it is switched off");
    }
}
