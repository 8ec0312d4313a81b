//! Telling others what happens: who is told of what, how they know it is us, and what becomes of
//! events that do not come through.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::{allow_duplicates, assert_snapshot};
use lessor_server::{Listening, Settings, WebhookSettings, Webhooks};
use lessor_store::{Actor, DeliveryEnd, DeliveryPhase, KeyOwner, PlatformRole, Standing};
use serde_json::{Value, json};

use crate::fixture::{Answer, BACKENDS, Backend, Credential, Server, cheap};
use crate::reconcile::{SHOP, Shop};

/// Something that came to a receiver.
#[derive(Clone, Debug)]
struct Received {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn topic(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// Somebody who is told, and answers what it was given to answer; 200 when that is nothing.
#[derive(Clone, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
    /// Takes its time.
    is_slow: Arc<AtomicBool>,
}

impl Receiver {
    async fn listen(self) -> SocketAddr {
        let listening = Listening::at("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listening.address().unwrap();
        let app = Router::new().route("/hooks", post(receive)).with_state(self);
        tokio::spawn(listening.serve(app, std::future::pending()));
        address
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn answers(&self, answers: &[u16]) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn topics(&self) -> Vec<String> {
        self.received().iter().map(Received::topic).collect()
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let told = Received {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    receiver.received.lock().unwrap().push(told);
    if receiver.is_slow.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    let answer = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
    // Where it points to is not followed.
    let location = [(header::LOCATION, "http://127.0.0.1:1/elsewhere")];
    (StatusCode::from_u16(answer).unwrap(), location, "thanks")
}

fn settings() -> Settings {
    let webhooks = WebhookSettings::allowing(vec!["127.0.0.0/8".parse().unwrap()]);
    Settings { calls_per_second: None, webhooks, ..cheap() }
}

async fn shop(backend: Backend) -> (Shop, Credential) {
    let shop = Shop::with(backend, SHOP, settings()).await;
    let who = shop.customer().await;
    (shop, who)
}

async fn begin(server: &Server, who: &Credential, url: &str, topics: Value) -> Answer {
    let body = json!({ "tenant": "acme", "url": url, "topics": topics });
    server.call(who, "POST", "/v1/webhooks", Some(body)).await
}

/// An endpoint of the tenant, with its secret.
async fn endpoint(
    shop: &Shop,
    who: &Credential,
    at: SocketAddr,
    topics: Value,
) -> (String, String) {
    let made = begin(&shop.server, who, &format!("http://{at}/hooks"), topics).await;
    assert_eq!(made.status, 201, "{made:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made.body["webhook"]["id"]), text(&made.body["secret"]))
}

async fn deliver(shop: &Shop) -> usize {
    Webhooks::deliver_due(&shop.server.services).await.unwrap()
}

/// Lets what waits be due now.
async fn hurry(shop: &Shop, webhook: &str) {
    let found = shop.store().webhook_show(webhook).await.unwrap().unwrap();
    for delivery in shop.store().delivery_list(webhook, None, 100).await.unwrap() {
        if delivery.phase == DeliveryPhase::Waiting {
            let by = Actor::command();
            shop.store().delivery_replay(&found, &delivery.id, &by).await.unwrap().unwrap();
        }
    }
}

/// As another program computes it.
fn signed_by_openssl(secret: &str, received: &Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = key.iter().fold(String::new(), |key, byte| key + &format!("{byte:02x}"));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{key}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let Received { id, timestamp, body, .. } = received;
    let text = format!("{id}.{timestamp}.{body}");
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    format!("v1,{}", STANDARD.encode(output.stdout))
}

#[tokio::test]
async fn who_asked_is_told_of_exactly_what_happens_signed_and_in_order() {
    for backend in BACKENDS {
        let (shop, who) = shop(backend).await;
        // What was before is nobody's to be told.
        shop.place("before", "brief").await;
        let (own, all, some) = (Receiver::default(), Receiver::default(), Receiver::default());
        let (_, secret) = endpoint(&shop, &who, own.clone().listen().await, json!(["*"])).await;
        let some_at = some.clone().listen().await;
        endpoint(&shop, &who, some_at, json!(["order.settled", "instance.*"])).await;
        let admin = shop.server.platform(PlatformRole::Admin).await;
        let url = format!("http://{}/hooks", all.clone().listen().await);
        let body = json!({ "url": url, "topics": ["order.placed"] });
        let made = shop.server.call(&admin, "POST", "/v1/webhooks", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");

        let order = shop.place("lobby", "survival").await;
        let other = crate::reconcile::request("globex", "other", "brief");
        shop.store().order_place(&other).await.unwrap();
        shop.turn().await;
        deliver(&shop).await;

        let lobby = own.received().into_iter().filter(|told| told.body.contains(&order.id));
        let lobby: Vec<_> = lobby.collect();
        let told: Vec<_> = lobby.iter().map(Received::topic).collect();
        assert_eq!(told, ["order.placed", "order.begun", "order.settled", "money.charge"]);
        assert!(own.received().iter().all(|told| told.json()["tenant"] == "acme"));
        assert_eq!(some.topics(), ["order.settled", "order.settled"]);
        let tenants: Vec<_> =
            all.received().iter().map(|told| told.json()["tenant"].clone()).collect();
        assert_eq!(tenants, ["acme", "globex"]);
        for received in own.received() {
            assert_eq!(received.signature, signed_by_openssl(&secret, &received));
            let age =
                jiff::Timestamp::now().as_second() - received.timestamp.parse::<i64>().unwrap();
            assert!((0..60).contains(&age), "{age}");
        }
        let events = shop.store().order_events(&order.id, 0, 50).await.unwrap();
        let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
        let told: Vec<_> = lobby[..3].iter().map(|told| told.id.clone()).collect();
        assert_eq!(told, ids);
        // And once.
        assert_eq!(deliver(&shop).await, 0);
    }
}

#[tokio::test]
async fn what_does_not_come_through_comes_again_under_the_same_id() {
    for backend in BACKENDS {
        let (shop, who) = shop(backend).await;
        let receiver = Receiver::default();
        receiver.answers(&[500, 302]);
        let at = receiver.clone().listen().await;
        let (webhook, _) = endpoint(&shop, &who, at, json!(["money.*"])).await;
        shop.server.pay("acme", "1").await;

        assert_eq!(deliver(&shop).await, 1);
        let path = format!("/v1/webhooks/{webhook}/deliveries");
        let listed = shop.server.call(&who, "GET", &path, None).await.body["items"][0].clone();
        assert_eq!((&listed["phase"], &listed["tries"]), (&json!("waiting"), &json!(1)));
        assert_eq!(
            (&listed["status"], &listed["problem"]),
            (&json!(500), &json!("it answered 500"))
        );
        assert_eq!(deliver(&shop).await, 0, "not before its time");
        let failing = shop.server.call(&who, "GET", &format!("/v1/webhooks/{webhook}"), None).await;
        assert!(failing.body["failing_since"].is_string(), "{failing:?}");
        hurry(&shop, &webhook).await;
        assert_eq!(deliver(&shop).await, 1);
        // A redirect is no success, and is not followed.
        hurry(&shop, &webhook).await;
        assert_eq!(deliver(&shop).await, 1);

        let came = receiver.received();
        assert_eq!(came.len(), 3);
        assert!(came.iter().all(|one| one.id == came[0].id && one.body == came[0].body));
        let well = shop.server.call(&who, "GET", &format!("/v1/webhooks/{webhook}"), None).await;
        assert!(well.body["failing_since"].is_null(), "{well:?}");
        let delivery = listed["id"].as_str().unwrap();
        let again =
            shop.server.call(&who, "POST", &format!("{path}/{delivery}/replay"), None).await;
        assert_eq!((again.status.as_u16(), deliver(&shop).await), (200, 1));
        assert_eq!(receiver.received()[3].id, came[0].id);
    }
}

#[tokio::test]
async fn what_a_server_was_killed_in_the_middle_of_the_next_one_tells_under_the_same_id() {
    for backend in BACKENDS {
        let mut settings = settings();
        settings.webhooks.turn = Duration::from_secs(1);
        let shop = Shop::with(backend, SHOP, settings).await;
        let (who, receiver) = (shop.customer().await, Receiver::default());
        receiver.is_slow.store(true, Ordering::SeqCst);
        let at = receiver.clone().listen().await;
        let (webhook, _) = endpoint(&shop, &who, at, json!(["money.credit"])).await;
        shop.server.pay("acme", "1").await;
        let services = shop.server.services.clone();
        let killed = tokio::spawn(async move { Webhooks::deliver_due(&services).await.map(drop) });
        while receiver.received().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());
        receiver.is_slow.store(false, Ordering::SeqCst);

        let mut tries = 0;
        while tries == 0 {
            tries = deliver(&shop).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }

        let came = receiver.received();
        assert_eq!((tries, came.len()), (1, 2));
        assert_eq!((&came[0].id, &came[0].body), (&came[1].id, &came[1].body));
        let all = shop.store().delivery_list(&webhook, None, 9).await.unwrap();
        assert_eq!((all.len(), all[0].phase, all[0].tries), (1, DeliveryPhase::Delivered, 2));
    }
}

#[tokio::test]
async fn one_at_a_time_has_the_turn_and_who_lost_it_writes_nothing() {
    for backend in BACKENDS {
        let (shop, who) = shop(backend).await;
        let (webhook, _) =
            endpoint(&shop, &who, "127.0.0.1:9".parse().unwrap(), json!(["money.credit"])).await;
        shop.server.pay("acme", "1").await;
        let store = shop.store();
        store.outbox_spread().await.unwrap();

        let frozen = store.delivery_claim(Standing::Well, 9, Duration::ZERO).await.unwrap();
        let other = store.delivery_claim(Standing::Well, 9, Duration::from_mins(1)).await.unwrap();
        let third = store.delivery_claim(Standing::Well, 9, Duration::from_mins(1)).await.unwrap();

        assert_eq!((frozen.len(), other.len(), third.len()), (1, 1, 0));
        let came = DeliveryEnd::Delivered { status: 200 };
        assert!(!store.delivery_end(&frozen[0], &came).await.unwrap());
        let waits = store.delivery_list(&webhook, None, 9).await.unwrap();
        assert_eq!(waits[0].phase, DeliveryPhase::Waiting);
        assert!(store.delivery_end(&other[0], &came).await.unwrap());
        let done = store.delivery_list(&webhook, None, 9).await.unwrap();
        assert_eq!((done[0].phase, done[0].tries), (DeliveryPhase::Delivered, 2));
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_switched_off_and_others_are_told() {
    for backend in BACKENDS {
        let (shop, who) = shop(backend).await;
        let (gone, other) = (Receiver::default(), Receiver::default());
        gone.answers(&[410]);
        let at = gone.clone().listen().await;
        let (webhook, _) = endpoint(&shop, &who, at, json!(["money.*"])).await;
        let other_at = other.clone().listen().await;
        endpoint(&shop, &who, other_at, json!(["webhook.*"])).await;
        shop.server.pay("acme", "1").await;
        shop.server.pay("acme", "2").await;

        deliver(&shop).await;
        deliver(&shop).await;

        assert_eq!(gone.received().len(), 1);
        assert_eq!(other.topics(), ["webhook.disabled"]);
        let path = format!("/v1/webhooks/{webhook}");
        let off = shop.server.call(&who, "GET", &path, None).await;
        assert_eq!(off.body["enabled"], false);
        assert_eq!(off.body["disabled_why"], "it answered that it is gone");
        let all = shop.store().delivery_list(&webhook, None, 9).await.unwrap();
        assert!(all.iter().all(|one| one.phase == DeliveryPhase::Failed), "{all:?}");
        let replay = format!("{path}/deliveries/{}/replay", all[0].id);
        assert_eq!(shop.server.call(&who, "POST", &replay, None).await.status, 409);
        // Switched on again, it gets what happens from then on, and what is asked for.
        let (change, headers) = (Some(json!({ "enabled": true })), [("if-match", "\"2\"")]);
        let on = shop.server.call_with(&who, "PATCH", &path, &headers, change).await;
        assert_eq!((on.status.as_u16(), &on.body["enabled"]), (200, &json!(true)));
        assert_eq!(shop.server.call(&who, "POST", &replay, None).await.status, 200);
        shop.server.pay("acme", "3").await;
        deliver(&shop).await;
        assert_eq!(gone.received().len(), 3);
    }
}

#[tokio::test]
async fn nothing_is_sent_inside_unless_the_operator_says_so() {
    let open = Settings { calls_per_second: None, ..cheap() };
    let shop = Shop::with(Backend::Sqlite, SHOP, open).await;
    let who = shop.customer().await;
    let receiver = Receiver::default();
    let at = receiver.clone().listen().await;
    let mut told = Vec::new();
    for url in [
        format!("http://{at}/hooks"),
        format!("https://{at}/hooks"),
        "https://[::ffff:169.254.169.254]/".into(),
        "https://user:pass@example.net/".into(),
        "gopher://example.net/".into(),
    ] {
        let answer = begin(&shop.server, &who, &url, json!(["*"])).await;
        told.push(format!("{} {}", answer.status.as_u16(), answer.body["errors"][0]["detail"]));
    }
    let answer = begin(&shop.server, &who, "https://example.net/", json!(["orders"])).await;
    told.push(format!("{} {}", answer.status.as_u16(), answer.body["errors"][0]["pointer"]));
    assert_snapshot!(told.join("\n"), @r#"
    422 "expected `https` and a public address"
    422 "expected `https` and a public address"
    422 "expected `https` and a public address"
    422 "expected an address without a password"
    422 "expected an address such as `https://example.net/hooks`"
    422 "/topics/0"
    "#);

    // A name is taken, and looked at when something is sent there.
    let url = format!("https://localhost:{}/hooks", at.port());
    let made = begin(&shop.server, &who, &url, json!(["money.*"])).await;
    assert_eq!(made.status, 201);
    shop.server.pay("acme", "1").await;
    assert_eq!(deliver(&shop).await, 1);
    let webhook = made.body["webhook"]["id"].as_str().unwrap();
    let missed = shop.store().delivery_list(webhook, None, 9).await.unwrap();
    assert_eq!(missed[0].why.as_deref(), Some("its name leads to no public address"));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_secret_is_shown_once_and_endpoints_of_others_are_not_there() {
    for backend in BACKENDS {
        let (shop, who) = shop(backend).await;
        let at = "127.0.0.1:9".parse().unwrap();
        let (webhook, secret) = endpoint(&shop, &who, at, json!(["*"])).await;
        let support = shop.server.platform(PlatformRole::Support).await;
        let (_, narrow) = shop.server.key(KeyOwner::Tenant("acme".into()), "orders:read").await;
        let path = format!("/v1/webhooks/{webhook}");
        let mut told = Vec::new();
        for (name, who) in [("own", &who), ("support", &support), ("narrow", &narrow)] {
            for (method, path) in
                [("GET", path.as_str()), ("GET", "/v1/webhooks"), ("DELETE", &path)]
            {
                let answer = shop.server.call(who, method, path, None).await;
                assert!(!answer.text.contains(&secret), "{name} {method} {path}");
                let path = path.replace(&webhook, "ID");
                told.push(format!("{name} {method} {path} {}", answer.status.as_u16()));
            }
        }
        allow_duplicates!(assert_snapshot!(told.join("\n"), @"
        own GET /v1/webhooks/ID 200
        own GET /v1/webhooks 200
        own DELETE /v1/webhooks/ID 204
        support GET /v1/webhooks/ID 404
        support GET /v1/webhooks 200
        support DELETE /v1/webhooks/ID 404
        narrow GET /v1/webhooks/ID 404
        narrow GET /v1/webhooks 403
        narrow DELETE /v1/webhooks/ID 404
        "));
    }
}
