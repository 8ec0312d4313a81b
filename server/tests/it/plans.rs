//! Plans over HTTP: made, agreed to, applied, and what becomes of them.

use std::fs;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use insta::{allow_duplicates, assert_snapshot};
use lessor_server::{Applying, Services, app};
use lessor_store::{Actor, KeyOwner, PlanPhase, PlatformRole};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fixture::{Answer, BACKENDS, Backend, Credential, answer, cheap};
use crate::reconcile::{SHOP, Shop};

/// A shop whose server looks at its hosts, and somebody who may do everything.
struct Desk {
    shop: Shop,
    services: Services,
    app: Router,
    admin: Credential,
}

impl Desk {
    async fn open(backend: Backend) -> Desk {
        let shop = Shop::open(backend, SHOP).await;
        let settings = lessor_server::Settings { calls_per_second: None, ..cheap() };
        let services = Services::looking_at(Some(shop.estate()), shop.store().clone(), settings);
        let services = services.unwrap();
        let admin = shop.server.platform(PlatformRole::Admin).await;
        Desk { app: app(&services), services, shop, admin }
    }

    async fn call(&self, who: &Credential, method: &str, path: &str, body: Value) -> Answer {
        self.call_as(who, (method, path), "", body).await
    }

    async fn call_as(
        &self,
        who: &Credential,
        (method, path): (&str, &str),
        key: &str,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &who.0 {
            request = request.header(*name, value);
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let request = request.header("content-type", "application/json").body(Body::from(body));
        answer(&self.app, request.unwrap()).await
    }

    async fn make(&self, body: Value) -> Answer {
        self.call(&self.admin, "POST", "/v1/plans", body).await
    }

    async fn approve(&self, plan: &str, body: Value) -> Answer {
        self.call(&self.admin, "POST", &format!("/v1/plans/{plan}/approve"), body).await
    }

    async fn apply(&self, plan: &str, key: &str) -> Answer {
        let path = format!("/v1/plans/{plan}/apply");
        self.call_as(&self.admin, ("POST", &path), key, json!({})).await
    }

    async fn show(&self, plan: &str) -> Answer {
        self.call(&self.admin, "GET", &format!("/v1/plans/{plan}"), Value::Null).await
    }

    /// Waits until a plan came to its end.
    async fn ended(&self, plan: &str) -> Value {
        for _ in 0..600 {
            let shown = self.show(plan).await.body;
            if !shown["ended_at"].is_null() {
                return shown;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the plan does not end");
    }

    fn write(&self, specs: &str) {
        let dir = self.shop.dir.path();
        fs::write(dir.join("specs.toml"), specs).unwrap();
    }
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// What is the same each time.
fn told(answer: &Answer) -> String {
    let body = &answer.body;
    let errors = body["errors"].as_array().into_iter().flatten();
    let errors = errors.map(|error| format!("\n{} {}", error["pointer"], error["detail"]));
    format!(
        "{} {} {}{}",
        answer.status.as_u16(),
        body["type"],
        body["detail"],
        errors.collect::<String>()
    )
}

#[tokio::test]
async fn a_plan_is_made_agreed_to_applied_and_found_done() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let made = desk.make(json!({})).await;
        let plan = id(&made);
        assert_eq!(made.status.as_u16(), 201, "{made:?}");
        assert_eq!(made.header("location"), format!("/v1/plans/{plan}"));
        assert_eq!(made.body["plan"]["id"], json!(plan));
        assert_eq!(made.body["phase"], "made");
        // In the same world it is the same.
        let again = desk.make(json!({ "files": "applied" })).await;
        assert_eq!((again.status.as_u16(), again.body.clone()), (200, made.body.clone()));

        let early = desk.apply(&plan, "k1").await;
        let approved = desk.approve(&plan, json!({})).await;
        assert_eq!((approved.status.as_u16(), &approved.body["phase"]), (200, &json!("approved")));
        let begun = desk.apply(&plan, "k1").await;
        assert_eq!((begun.status.as_u16(), &begun.body["phase"]), (202, &json!("applying")));
        assert_eq!(begun.header("location"), format!("/v1/plans/{plan}"));

        let applying = Applying::start(&desk.services, desk.shop.estate());
        let ended = desk.ended(&plan).await;
        applying.finish().await;

        assert_eq!((&ended["phase"], &ended["why"]), (&json!("applied"), &Value::Null), "{ended}");
        let repeated = desk.apply(&plan, "k1").await;
        assert_eq!((repeated.status.as_u16(), &repeated.body["phase"]), (202, &json!("applied")));
        assert_eq!(repeated.header("idempotency-replayed"), "true");
        let other = desk.apply(&plan, "k2").await;
        let late = desk.approve(&plan, json!({})).await;
        let host = desk.shop.host(SHOP).await;
        let told = [told(&early), told(&other), told(&late), host].join("\n");
        allow_duplicates! {
            assert_snapshot!(told, @r#"
            409 "/problems/not-now" "nobody agreed to it yet: `POST /v1/plans/{plan}/approve`"
            409 "/problems/not-now" "the plan is applied"
            409 "/problems/not-now" "the plan is applied"
            edge  runs
            "#);
        }
        let audited = desk.shop.store().audit_list(None, None, 100).await.unwrap();
        let audited = audited.iter().filter(|event| event.target == plan);
        let mut actions: Vec<_> = audited.map(|event| event.action.as_str()).collect();
        actions.reverse();
        assert_eq!(actions, ["plan.make", "plan.approve", "plan.apply", "plan.end"]);
        // What is left is nothing, and that is another plan.
        let next = desk.make(json!({})).await;
        assert_eq!((next.status.as_u16(), &next.body["plan"]["lines"]), (201, &json!([])));
    }
}

#[tokio::test]
async fn what_lies_in_the_directory_is_pending_until_it_is_applied() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        desk.write(&SHOP.replace("0.014900", "0.019900"));
        let made = desk.make(json!({ "files": "directory", "excludes": ["docker.par1"] })).await;
        let plan = id(&made);
        let text = desk.show_text(&plan).await;
        desk.approve(&plan, json!({})).await;
        desk.apply(&plan, "k").await;

        let applying = Applying::start(&desk.services, desk.shop.estate());
        let ended = desk.ended(&plan).await;
        applying.finish().await;

        assert_eq!(ended["phase"], "applied", "{ended}");
        let offer = desk.call(&desk.admin, "GET", "/v1/offers/survival", Value::Null).await;
        allow_duplicates! {
            assert_snapshot!(format!("{text}{}", offer.body["price"]["hourly"]), @r#"
            ~ offer.survival  catalogue  price.hourly changed
                  price.hourly: 0.014900 → 0.019900
            ? catalogue                 changes as a whole, whatever is selected
            1 to change, 2 left out by the selection, 1 note. No data is destroyed.
            "0.019900"
            "#);
        }
        desk.write("[offer.x]");
        let invalid = desk.make(json!({ "files": "directory" })).await;
        assert_eq!(invalid.status.as_u16(), 409, "{invalid:?}");
    }
}

impl Desk {
    async fn show_text(&self, plan: &str) -> String {
        let mut request = Request::get(format!("/v1/plans/{plan}")).header("accept", "text/plain");
        for (name, value) in &self.admin.0 {
            request = request.header(*name, value);
        }
        let answer = answer(&self.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        answer.text
    }
}

#[tokio::test]
async fn what_the_gate_holds_is_said_with_how_to_agree() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        apply_now(&desk, json!({}), json!({})).await;
        desk.write(
            "[docker.par1]\nendpoint = \"memory:host.json\"\n[location.par1]\n[container.a]\n\
             image = \"a:1\"\n[container.b]\nimage = \"b:1\"\n[container.c]\nimage = \"c:1\"\n",
        );
        apply_now(&desk, json!({ "files": "directory" }), json!({ "rules": ["removals"] })).await;
        desk.write("[docker.par1]\nendpoint = \"memory:host.json\"\n");

        let made = desk.make(json!({ "files": "directory" })).await;
        let plan = id(&made);
        let applied = desk.apply(&plan, "k").await;
        let held = desk.approve(&plan, json!({ "allow_removals": 1 })).await;
        let agreed = desk.approve(&plan, json!({ "allow_removals": 3, "rules": ["empty"] })).await;

        assert_eq!(agreed.status.as_u16(), 200, "{agreed:?}");
        assert_eq!(
            agreed.body["agreement"],
            json!({ "allow_removals": 3, "destroy_data": [], "rules": ["empty"] })
        );
        allow_duplicates! {
            assert_snapshot!(format!("{}\n\n{}", told(&applied), told(&held)), @r#"
            409 "/problems/held" "somebody has to agree to it: send what `errors` say to `/v1/plans/{plan}/approve`"
            "/allow_removals" "the plan removes 3 of 3 things, and more than 1 at once needs consent (rule `removals`); to agree, send `3`"
            "/rules" "no spec declares anything, and what is there would go: 3 things (rule `empty`); to agree, send `[\"empty\"]`"

            409 "/problems/held" "somebody has to agree to it: send what `errors` say to `/v1/plans/{plan}/approve`"
            "/allow_removals" "the plan removes 3 of 3 things, and more than 1 at once needs consent (rule `removals`); to agree, send `3`"
            "/rules" "no spec declares anything, and what is there would go: 3 things (rule `empty`); to agree, send `[\"empty\"]`"
            "#);
        }
    }
}

async fn apply_now(desk: &Desk, new: Value, agreement: Value) {
    let plan = id(&desk.make(new).await);
    let approved = desk.approve(&plan, agreement).await;
    assert_eq!(approved.status.as_u16(), 200, "{approved:?}");
    assert_eq!(desk.apply(&plan, "now").await.status.as_u16(), 202);
    let applying = Applying::start(&desk.services, desk.shop.estate());
    let ended = desk.ended(&plan).await;
    applying.finish().await;
    assert_eq!(ended["phase"], "applied", "{ended}");
}

#[tokio::test]
async fn a_plan_that_was_overtaken_is_stale_and_can_be_made_anew() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let before = id(&desk.make(json!({})).await);
        let approved = id(&desk.approve(&before, json!({})).await);
        desk.shop.server.apply(&SHOP.replace("edge:1", "edge:2")).await;

        let late = desk.apply(&approved, "k").await;

        assert_eq!(desk.show(&before).await.body["phase"], "stale");
        allow_duplicates! {
            assert_snapshot!(told(&late), @r#"409 "/problems/plan-stale" "the plan is stale: it was made for revision 1, and 2 was applied since""#);
        }
        let after = desk.make(json!({})).await;
        assert_eq!((after.status.as_u16(), &after.body["phase"]), (201, &json!("made")));
        assert_ne!(id(&after), before);
    }
}

#[tokio::test]
async fn of_many_who_apply_at_once_one_begins_and_it_is_done_once() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let plan = id(&desk.make(json!({})).await);
        desk.approve(&plan, json!({})).await;
        // Two servers, and a third that comes later.
        let first = Applying::start(&desk.services, desk.shop.estate());
        let second = Applying::start(&desk.services, desk.shop.estate());
        let keys: Vec<_> = (0..16).map(|number| format!("k{number}")).collect();

        let asked = keys.iter().map(|key| desk.apply(&plan, key));
        let answers = futures_util::future::join_all(asked).await;

        let begun = answers.iter().filter(|answer| answer.status.as_u16() == 202).count();
        let refused = answers.iter().filter(|answer| answer.status.as_u16() == 409).count();
        assert_eq!((begun, refused), (1, 15), "{answers:?}");
        assert_eq!(desk.ended(&plan).await["phase"], "applied");
        first.finish().await;
        second.finish().await;
        let runs = desk.shop.store().apply_list(10).await.unwrap();
        assert_eq!(runs.iter().filter(|run| run.plan.to_string() == plan).count(), 1);
    }
}

#[tokio::test]
async fn a_plan_that_a_dead_server_left_is_finished_by_the_next() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let plan = id(&desk.make(json!({})).await);
        desk.approve(&plan, json!({})).await;
        desk.apply(&plan, "k").await;
        // It wrote down that it begins, and died.
        let (content, tree) = desk.shop.store().plan_content(&plan).await.unwrap().unwrap();
        let begin = lessor_store::Begin::of(&content, content.id(), &tree);
        desk.shop.store().apply_begin(begin).await.unwrap();
        assert_eq!(desk.show(&plan).await.body["phase"], "applying");

        let applying = Applying::start(&desk.services, desk.shop.estate());
        let ended = desk.ended(&plan).await;
        applying.finish().await;

        assert_eq!(ended["phase"], "applied", "{ended}");
        assert!(desk.shop.host(SHOP).await.contains("edge"), "{}", desk.shop.host(SHOP).await);
    }
}

#[tokio::test]
async fn a_plan_that_a_dead_server_left_and_others_overtook_is_done_in_part() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let plan = id(&desk.make(json!({})).await);
        desk.approve(&plan, json!({})).await;
        desk.apply(&plan, "k").await;
        let (content, tree) = desk.shop.store().plan_content(&plan).await.unwrap().unwrap();
        let begin = lessor_store::Begin::of(&content, content.id(), &tree);
        desk.shop.store().apply_begin(begin).await.unwrap();
        desk.shop.server.apply(&SHOP.replace("edge:1", "edge:2")).await;

        let applying = Applying::start(&desk.services, desk.shop.estate());
        let ended = desk.ended(&plan).await;
        applying.finish().await;

        assert_eq!(ended["phase"], "partial", "{ended}");
    }
}

#[tokio::test]
async fn who_may_see_may_not_decide_and_who_applies_need_not_be_who_agrees() {
    let desk = Desk::open(BACKENDS[0]).await;
    let server = &desk.shop.server;
    let platform = KeyOwner::Platform(PlatformRole::Admin);
    let (_, maker) = server.key(platform.clone(), "operations:read operations:write").await;
    let (_, approver) = server.key(platform, "operations:read approvals:write").await;
    let auditor = server.platform(PlatformRole::Auditor).await;
    let billing = server.platform(PlatformRole::Billing).await;
    let plan = id(&desk.call(&maker, "POST", "/v1/plans", json!({})).await);
    let (one, approve) = (format!("/v1/plans/{plan}"), format!("/v1/plans/{plan}/approve"));
    let apply = format!("/v1/plans/{plan}/apply");
    let mut table = String::new();
    for (name, who) in
        [("billing", &billing), ("auditor", &auditor), ("approver", &approver), ("maker", &maker)]
    {
        let calls = [("POST", "/v1/plans"), ("GET", "/v1/plans"), ("GET", &*one)];
        let calls = calls.into_iter().chain([("POST", &*approve), ("POST", &*apply)]);
        table += name;
        for call in calls {
            let answer = desk.call_as(who, call, "k", json!({})).await;
            table += &format!(" {}", answer.status.as_u16());
        }
        table.push('\n');
    }
    assert_snapshot!(table, @"
    billing 403 403 403 403 403
    auditor 403 200 200 403 403
    approver 403 200 200 200 403
    maker 200 200 200 403 202
    ");
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_with_where() {
    let desk = Desk::open(BACKENDS[0]).await;
    let plan = id(&desk.make(json!({})).await);
    let mut table = String::new();
    for body in [
        json!({ "files": "mine" }),
        json!({ "target": [] }),
        json!({ "targets": ["docker"] }),
        json!({ "destroy_data": ["volume"] }),
    ] {
        table += &format!("{}\n", told(&desk.make(body).await));
    }
    for body in [
        json!({ "rules": ["empty", "all"] }),
        json!({ "allow_removals": -1 }),
        json!({ "destroy_data": ["x"] }),
    ] {
        table += &format!("{}\n", told(&desk.approve(&plan, body).await));
    }
    let path = format!("/v1/plans/{plan}/apply");
    table += &format!("{}\n", told(&desk.call(&desk.admin, "POST", &path, json!({})).await));
    for plan in ["x", &"0".repeat(64), "%00"] {
        table += &format!("{}\n", told(&desk.show(plan).await));
    }
    assert_snapshot!(table, @r#"
    422 "/problems/invalid" null
    "/files" "expected `applied` or `directory`"
    422 "/problems/invalid" null
    "/target" "unknown field `target`, expected one of `files`, `targets`, `excludes`, `destroy_data`"
    422 "/problems/invalid" null
    "/targets/0" "expected an address such as `container.web`, `instance.acme/*` or `docker.par1`"
    422 "/problems/invalid" null
    "/destroy_data/0" "expected an address such as `container.web`"
    422 "/problems/invalid" null
    "/rules/1" "the rules are removals, data, empty, tenant, rename and orders"
    422 "/problems/invalid" null
    "/allow_removals" "invalid value: integer `-1`, expected u32"
    422 "/problems/invalid" null
    "/destroy_data/0" "expected an address such as `container.web`"
    422 "/problems/invalid" null
    null "expected 1 to 255 visible ASCII characters"
    404 "/problems/not-found" null
    404 "/problems/not-found" null
    404 "/problems/not-found" null
    "#);
}

#[tokio::test]
async fn what_happens_to_plans_is_followed_by_those_who_may_see_them() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let server = &desk.shop.server;
        let begun = "1970-01-01T00:00:00Z";
        let lobby = desk.shop.place("lobby", "survival").await;
        let plan = id(&desk.make(json!({})).await);
        desk.approve(&plan, json!({})).await;
        let auditor = server.platform(PlatformRole::Auditor).await;
        let (_, orders_only) =
            server.key(KeyOwner::Platform(PlatformRole::Admin), "orders:read").await;
        let path = format!("/v1/events?follow=0&from={begun}");
        let names = |answer: Answer| {
            let lines = answer.text.lines().map(str::to_owned).collect::<Vec<_>>();
            let names = lines.iter().filter_map(|line| line.strip_prefix("event: "));
            names.collect::<Vec<_>>().join(" ")
        };

        let all = desk.call(&auditor, "GET", &path, Value::Null).await;
        let last = all.text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap();
        let last = [("last-event-id", last)];
        let on = server.call_with(&auditor, "GET", "/v1/events?follow=0", &last, None).await;

        assert!(all.text.contains(&lobby.id) && all.text.contains(&plan), "{}", all.text);
        assert_eq!(names(all), "order.placed plan.made plan.approved end");
        assert_eq!(names(on), "order.placed plan.made end");
        let some = desk.call(&orders_only, "GET", &path, Value::Null).await;
        assert_eq!(names(some), "order.placed end");
    }
}

#[tokio::test]
async fn plans_are_forgotten_unless_they_are_being_applied() {
    for backend in BACKENDS {
        let desk = Desk::open(backend).await;
        let store = desk.shop.store();
        let plan = id(&desk.make(json!({})).await);
        desk.approve(&plan, json!({})).await;
        desk.apply(&plan, "k").await;
        assert_eq!(store.plan_forget(jiff::Timestamp::MAX).await.unwrap(), 0);
        store.plan_end(&plan, PlanPhase::Failed, Some("x")).await.unwrap();
        let anew = desk.make(json!({})).await;
        assert_eq!((anew.status.as_u16(), &anew.body["phase"]), (201, &json!("made")));
        assert_eq!(anew.body["approved_by"], Value::Null);
        let outdated = store.plan_outdate(&plan, "y").await.unwrap().unwrap();
        assert_eq!(outdated.phase, PlanPhase::Stale);
        assert_eq!(store.plan_end(&plan, PlanPhase::Applied, None).await.unwrap(), None);
        assert_eq!(store.plan_forget(jiff::Timestamp::MAX).await.unwrap(), 1);
        assert_eq!(store.plan_approve(&plan, "{}", &Actor::command()).await.unwrap(), None);
    }
}
