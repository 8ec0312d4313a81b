//! What operators and their pipelines ask.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt as _;
use lessor_engine::{Clock as _, Scope};
use lessor_plans::render::{self, Purpose, View};
use lessor_server::{Reconciler, Services, app};
use lessor_specs::Orders;
use lessor_store::{Actor, KeyOwner, PlatformRole};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::fixture::{
    Answer, BACKENDS, Credential, Server, account_without_password, answer, cheap,
};
use crate::reconcile::{SHOP, Shop};

fn get(who: &Credential, path: &str) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    request.body(Body::empty()).unwrap()
}

fn post(who: &Credential, path: &str) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in &who.0 {
        request = request.header(*name, value);
    }
    request.body("{}".into()).unwrap()
}

/// The app of a server that looks at the hosts of a shop.
fn looking(shop: &Shop) -> Router {
    let settings = lessor_server::Settings { calls_per_second: None, ..cheap() };
    let services = Services::looking_at(Some(shop.estate()), shop.store().clone(), settings);
    app(&services.unwrap())
}

/// What was said in a stream until its end: the id, the name and the data of each event.
fn events(text: &str) -> Vec<(String, String, Value)> {
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start_matches(": ").to_owned()
    };
    let events = text.split("\n\n").filter(|event| event.contains("data"));
    let events = events.take_while(|event| !event.starts_with("event: end"));
    let events = events.map(|event| {
        let data = serde_json::from_str(&field(event, "data")).unwrap();
        (field(event, "id"), field(event, "event"), data)
    });
    events.collect()
}

fn names(answer: &Answer) -> String {
    let events = events(&answer.text).into_iter();
    let names = events.map(|(_, name, data)| format!("{} {name}", data["name"].as_str().unwrap()));
    names.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_plan_shows_what_is_ordered_and_drift_waits_for_it() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        shop.place("lobby", "survival").await;
        let app = looking(&shop);
        let support = shop.server.platform(PlatformRole::Support).await;
        let billing = shop.server.platform(PlatformRole::Billing).await;

        let admin = shop.server.platform(PlatformRole::Admin).await;

        let plan = answer(&app, post(&admin, "/v1/plans")).await;
        let drift = answer(&app, get(&support, "/v1/drift")).await;

        let mut reconciler = Reconciler::new(shop.store().clone(), shop.estate());
        let expected = reconciler.plan(Scope::All).await.unwrap().unwrap();
        let expected = render::json(&View::of(&expected, Purpose::Plan));
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let plan = &plan.body["plan"];
        assert_eq!(*plan, expected);
        assert_eq!((drift.header("content-type"), drift.header("age")), ("application/json", "0"));
        let lines = |body: &Value| {
            let lines = body["lines"].as_array().unwrap().iter();
            lines.map(|line| line["about"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let lobby = "instance.acme/lobby".to_owned();
        assert!(lines(plan).contains(&lobby), "{plan}");
        assert!(lines(plan).contains(&"container.edge".into()), "{plan}");
        assert!(!lines(&drift.body).contains(&lobby), "{}", drift.text);
        for path in ["/v1/plans", "/v1/drift", "/v1/stats", "/v1/jobs"] {
            assert_eq!(answer(&app, get(&billing, path)).await.status, 403, "{path}");
        }
        // Nothing was made of it.
        assert_eq!(shop.host(SHOP).await, "");
    }
}

#[tokio::test]
async fn where_there_is_nothing_to_look_at_that_is_said() {
    let server = Server::new(BACKENDS[0]).await;
    let admin = server.platform(PlatformRole::Admin).await;
    let said = |answer: Answer| (answer.status.as_u16(), answer.body["detail"].clone());
    let without = server.call(&admin, "POST", "/v1/plans", Some(json!({}))).await;
    let text = "this server has no configuration, so there is nothing to look at";
    assert_eq!(said(without), (409, json!(text)));
    let dir = tempfile::tempdir().unwrap();
    let estate = Some(crate::reconcile::estate(dir.path()));
    let app = app(&Services::looking_at(estate, server.store().clone(), cheap()).unwrap());
    for early in [get(&admin, "/v1/drift"), post(&admin, "/v1/plans")] {
        let early = answer(&app, early).await;
        assert_eq!(said(early), (409, json!("nothing was applied yet: run `lessor apply` first")));
    }
}

#[tokio::test]
async fn there_is_so_much_and_jobs_run_when_somebody_says_so() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        shop.place("lobby", "survival").await;
        let server = &shop.server;
        let admin = server.platform(PlatformRole::Admin).await;
        let auditor = server.platform(PlatformRole::Auditor).await;

        let stats = server.call(&auditor, "GET", "/v1/stats", None).await;
        let version = env!("CARGO_PKG_VERSION");
        let expected = json!({
            "version": version, "revision": 1, "tenants": stats.body["tenants"], "users": 0,
            "orders": { "pending": 1 }, "owing": 0,
        });
        assert_eq!(stats.body, expected);

        let run = async |who: &Credential, job: &str| {
            server.call(who, "POST", &format!("/v1/jobs/{job}/runs"), None).await.shown()
        };
        let ledger = r#"200 {"job":"ledger","outcome":"done","said":"1 transactions, 1 wallets"}"#;
        assert_eq!(run(&admin, "ledger").await, ledger);
        assert!(run(&admin, "forget").await.starts_with("200 "));
        assert!(run(&auditor, "ledger").await.starts_with("403 "));
        assert!(run(&admin, "everything").await.starts_with("404 "));
        let first = server.call(&auditor, "GET", "/v1/jobs?limit=1", None).await;
        let next = first.body["next"].as_str().unwrap();
        let rest = server.call(&auditor, "GET", &format!("/v1/jobs?cursor={next}"), None).await;
        let job = |answer: &Answer| answer.body["items"][0]["job"].clone();
        assert_eq!((job(&first), job(&rest)), (json!("forget"), json!("ledger")));
        let holder = first.body["items"][0]["holder"].as_str().unwrap();
        assert!(holder.starts_with("key_"), "who wanted it is known: {holder}");
        let of_one = server.call(&auditor, "GET", "/v1/jobs?job=bill", None).await;
        assert_eq!(of_one.body["items"], json!([]));
        assert_eq!(server.call(&auditor, "GET", "/v1/jobs?job=x", None).await.status, 422);
    }
}

#[tokio::test]
async fn what_happens_to_orders_is_read_on_from_where_it_was_left() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let server = &shop.server;
        let auditor = server.platform(PlatformRole::Auditor).await;
        let begun = shop.store().now();
        let lobby = shop.place("lobby", "survival").await;
        shop.place("creative", "brief").await;
        let read = async |who: &Credential, query: &str, last: &str| {
            let headers = [("last-event-id", last)];
            let path = format!("/v1/events?follow=0{query}");
            server.call_with(who, "GET", &path, &headers, None).await
        };

        let from = format!("&from={begun}");
        let first = read(&auditor, &from, "").await;
        assert_eq!(first.header("content-type"), "text/event-stream");
        assert_eq!(names(&first), "lobby order.placed, creative order.placed");
        let (id, _, data) = events(&first.text).remove(0);
        assert_eq!((&data["order"], &data["phase"]), (&json!(lobby.id), &json!("pending")));
        shop.store().order_terminate(&lobby.id, None, &Actor::command()).await.unwrap();
        let on = read(&auditor, "", &id).await;
        assert_eq!(names(&on), "creative order.placed, lobby order.terminated");

        // What has not happened yet is not there, and neither is what is others'.
        assert_eq!(names(&read(&auditor, "", "").await), "");
        assert_eq!(names(&read(&auditor, &format!("{from}&tenant=globex"), "").await), "");
        account_without_password(shop.store(), "owner@example.net").await;
        server.tenant("acme", "owner").await;
        let (_, key) = server.key(KeyOwner::Tenant("acme".into()), "orders:read").await;
        assert_eq!(names(&read(&key, &from, "").await).matches("order.placed").count(), 2);
        for (query, last) in [("", "evt_none"), ("&from=soon", ""), ("&follow=maybe", "")] {
            assert_eq!(read(&auditor, query, last).await.status, 422, "{query} {last}");
        }
    }
}

#[tokio::test]
async fn whoever_follows_is_told_until_their_key_ends() {
    let shop = Shop::open(BACKENDS[0], SHOP).await;
    let owner = KeyOwner::Platform(PlatformRole::Auditor);
    let (id, key) = shop.server.key(owner, "orders:read").await;
    let response = app(&shop.server.services).oneshot(get(&key, "/v1/events")).await.unwrap();
    let mut stream = response.into_body().into_data_stream();

    let order = shop.place("lobby", "survival").await;

    let said = timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap().unwrap();
    let (_, name, data) = events(std::str::from_utf8(&said).unwrap()).remove(0);
    assert_eq!((name.as_str(), &data["order"]), ("order.placed", &json!(order.id)));
    let found = shop.store().key_show(&id).await.unwrap().unwrap();
    shop.store().key_revoke(&found, &Actor::command()).await.unwrap();
    shop.place("creative", "brief").await;
    let ended = timeout(Duration::from_secs(20), stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(std::str::from_utf8(&ended).unwrap(), "event: end\ndata: {}\n\n");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_orders_that_are_handed_out_are_those_that_a_plan_reads() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let owner = server.person("owner").await;
        server.tenant("acme", "owner").await;
        let (first, second) = (server.order("acme").await, server.order("acme").await);
        let auditor = server.platform(PlatformRole::Auditor).await;

        let answer = server.call(&auditor, "GET", "/v1/orders/export", None).await;

        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "application/toml")
        );
        let orders = Orders::from_toml("answer", &answer.text).unwrap();
        let mut ids: Vec<_> = orders.orders.values().map(|order| order.id.clone()).collect();
        ids.sort();
        assert_eq!(ids, [first, second]);
        assert_eq!(answer.text, server.store().order_wishes().await.unwrap().to_toml());
        // Whose they are is nobody's business but the platform's.
        let (_, tenant) = server.key(KeyOwner::Tenant("acme".into()), "*").await;
        let narrow = KeyOwner::Platform(PlatformRole::Admin);
        let (_, narrow) = server.key(narrow, "operations:read").await;
        for who in [owner, tenant, narrow] {
            assert_eq!(server.call(&who, "GET", "/v1/orders/export", None).await.status, 403);
        }
    }
}

#[tokio::test]
async fn so_many_follow_and_no_more_until_one_leaves() {
    let shop = Shop::open(BACKENDS[0], SHOP).await;
    let key = shop.server.platform(PlatformRole::Auditor).await;
    let app = app(&shop.server.services);
    let follow = async || app.clone().oneshot(get(&key, "/v1/events")).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(follow().await);
    }
    assert!(streams.iter().all(|stream| stream.status() == 200));
    let refused = answer(&app, get(&key, "/v1/events")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "31"));
    let detail = "at most 64 answers go on at once for the platform";
    assert_eq!(refused.body["detail"], detail);
    // A tenant has places of its own.
    shop.declare().await;
    let (_, tenant) = shop.server.key(KeyOwner::Tenant("acme".into()), "orders:read").await;
    let own = app.clone().oneshot(get(&tenant, "/v1/events")).await.unwrap();
    assert_eq!(own.status(), 200);

    streams.pop();

    assert_eq!(follow().await.status(), 200);
}
