//! Orders over HTTP: what they cost, that they are placed once, and what becomes of them.

use insta::{allow_duplicates, assert_snapshot};
use lessor_store::PlatformRole;
use serde_json::{Value, json};

use crate::fixture::{Answer, BACKENDS, Backend, Credential, Server};

/// What is sold here.
const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
capacity = { cpu = "8", memory = "16GiB", disk = "100GiB" }
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[offer.small]
images = ["paper"]
price = { currency = "EUR", hourly = "0.014900", hourly_stopped = "0.001000", monthly_cap = "9.99" }
lifecycle = { grace = "24h", retention = "7d" }
container = { cpu = "1", memory = "2GiB", disk = "10GiB" }
[offer.large]
images = ["paper"]
price = { currency = "EUR", hourly = "0.050000" }
container = { cpu = "2", memory = "4GiB", disk = "10GiB" }
[offer.huge]
images = ["paper"]
price = {}
container = { cpu = "9", memory = "1GiB" }
[promo_code.HALF]
percent = "50"
max_uses = 1
[quota.default]
instances = 3
[policy.signup]
open = true
"#;

/// A shop, and the owner of the tenant `acme`, which has money.
async fn shop(backend: Backend) -> (Server, Credential) {
    let server = Server::new(backend).await;
    server.apply(SHOP).await;
    let alice = server.person("alice").await;
    let tenant = server.call(&alice, "POST", "/v1/tenants", Some(json!({ "id": "acme" }))).await;
    assert_eq!(tenant.status, 201, "{tenant:?}");
    server.pay("acme", "10").await;
    (server, alice)
}

impl Server {
    async fn place(&self, who: &Credential, key: &str, body: Value) -> Answer {
        self.place_at(who, "/v1/orders", key, body).await
    }

    async fn place_at(&self, who: &Credential, path: &str, key: &str, body: Value) -> Answer {
        self.call_with(who, "POST", path, &[("idempotency-key", key)], Some(body)).await
    }

    async fn wallet(&self, tenant: &str) -> String {
        let wallets = self.store().wallet_list(tenant).await.unwrap();
        let shown =
            |w: &lessor_store::Wallet| format!("{} {} held {}", w.currency, w.posted, w.held);
        wallets.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn new(name: &str, offer: &str) -> Value {
    json!({ "tenant": "acme", "name": name, "offer": offer })
}

/// The status, the sort of problem, and what it is about.
fn told(answer: &Answer) -> String {
    let body = &answer.body;
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors.iter().map(|error| {
        let place = error["pointer"].as_str().or(error["parameter"].as_str()).unwrap();
        format!(" {place}: {}", error["detail"].as_str().unwrap())
    });
    let kind = body["type"].as_str().unwrap_or("").trim_start_matches("/problems/");
    let detail = body["detail"].as_str().map_or(String::new(), |detail| format!(" ({detail})"));
    format!("{} {kind}{detail}{}", answer.status.as_u16(), errors.collect::<String>())
}

#[tokio::test]
async fn an_order_costs_what_was_quoted_whatever_became_of_price_and_code() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let asked = json!({ "tenant": "acme", "offer": "small", "promo": "HALF" });
        let quoted = server.call(&alice, "POST", "/v1/quotes", Some(asked)).await;
        allow_duplicates! {
            assert_snapshot!(quoted.body["cost"], @r#"{"currency":"EUR","first_month":"4.995000","held":"0.007450","hourly":"0.014900","hourly_stopped":"0.001000","lines":[{"hourly":"0.014900","part":"base","price":"0.014900","quantity":1},{"hourly":"0.001000","part":"kept","price":"0.001000","quantity":1}],"monthly":"9.990000"}"#);
        }
        let dearer = SHOP.replace("0.014900", "0.999000");
        let dearer = dearer.replace("[promo_code.HALF]\npercent = \"50\"\nmax_uses = 1\n", "");
        server.apply(&dearer).await;

        let order =
            |name: &str| json!({ "tenant": "acme", "name": name, "quote": quoted.body["quote"] });
        let placed = server.place(&alice, "1", order("lobby")).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        assert_eq!(placed.body["cost"], quoted.body["cost"]);
        assert_eq!(placed.body["offer_version"], quoted.body["offer_version"]);
        assert_eq!(server.wallet("acme").await, "EUR 10.000000 held 0.007450");
        // Its first hour is paid by what was held for it.
        let id = placed.body["id"].as_str().unwrap();
        server.store().order_begin(id).await.unwrap();
        server.store().order_activate(id, None).await.unwrap();
        assert_eq!(server.wallet("acme").await, "EUR 9.992550 held 0.000000");

        // The code is used as often as it could be, and without the quote the price is today's.
        let again = told(&server.place(&alice, "2", order("arena")).await);
        let fresh = server.place(&alice, "3", new("fresh", "small")).await;
        assert_eq!(fresh.body["cost"]["hourly"], "0.999000");
        allow_duplicates! {
            assert_snapshot!(again, @"422 promo-refused /promo: the code `HALF` cannot be used: it was used as often as it can be");
        }
    }
}

#[tokio::test]
async fn a_quote_is_for_one_tenant_and_says_all_that_has_a_price() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        server.call(&alice, "POST", "/v1/tenants", Some(json!({ "id": "globex" }))).await;
        let asked = json!({ "tenant": "acme", "offer": "small" });
        let quoted = server.call(&alice, "POST", "/v1/quotes", Some(asked)).await;
        let version = quoted.body["offer_version"].as_str().unwrap().to_owned();
        let quote = quoted.body["quote"].as_str().unwrap();
        // The price of one, and what another is sealed with.
        let asked = json!({ "tenant": "acme", "offer": "large" });
        let large = server.call(&alice, "POST", "/v1/quotes", Some(asked)).await;
        let (terms, _) = large.body["quote"].as_str().unwrap().split_once('.').unwrap();
        let forged = format!("{terms}.{}", quote.split_once('.').unwrap().1);
        let mut said = String::new();
        for body in [
            json!({ "tenant": "globex", "name": "lobby", "quote": quote }),
            json!({ "tenant": "acme", "name": "lobby", "quote": quote, "offer": "small" }),
            json!({ "tenant": "acme", "name": "lobby", "quote": quote, "promo": "HALF" }),
            json!({ "tenant": "acme", "name": "lobby", "quote": forged }),
            json!({ "tenant": "acme", "name": "lobby" }),
            new("lobby", &version),
        ] {
            said += &format!("{}\n", told(&server.place(&alice, "1", body).await));
        }
        allow_duplicates! {
            assert_snapshot!(said, @"
            422 invalid /quote: it was given to another tenant
            422 invalid /offer: the quote says it already
            422 invalid /promo: the quote says it already
            422 invalid /quote: expected what `POST /v1/quotes` answered
            422 invalid /offer: expected an offer, or a `quote`
            422 invalid /offer: expected the name of an offer, without a version
            ");
        }
        assert_eq!(server.wallet("acme").await, "EUR 10.000000 held 0.000000");
    }
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_it_is_sent() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let mut body = new("lobby", "small");
        body["client_ref"] = json!("ticket-7");

        let first = server.place(&alice, "k1", body.clone()).await;
        let again = server.place(&alice, "k1", body.clone()).await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.body, again.body);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(
            again.header("location"),
            format!("/v1/orders/{}", first.body["id"].as_str().unwrap())
        );

        let reused = server.place(&alice, "k1", new("arena", "small")).await;
        let other_key = server.place(&alice, "k2", body.clone()).await;
        let none = server.call(&alice, "POST", "/v1/orders", Some(body)).await;
        assert_eq!(other_key.body["order"], first.body["id"]);
        let said = format!("{}\n{}\n{}", told(&reused), told(&other_key), told(&none));
        let said = said.replace(first.body["id"].as_str().unwrap(), "ord_1");
        allow_duplicates! {
            assert_snapshot!(said, @"
            422 key-reused Idempotency-Key: the idempotency key `k1` was used for another request
            409 order-already-placed /client_ref: `ticket-7` was ordered already, as `ord_1`
            422 invalid Idempotency-Key: expected 1 to 255 visible ASCII characters
            ");
        }
        let listed = server.call(&alice, "GET", "/v1/orders?tenant=acme", None).await;
        assert_eq!(listed.body["items"], json!([first.body]));
    }
}

#[tokio::test]
async fn an_order_that_is_only_tried_says_the_price_and_changes_nothing() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let path = "/v1/orders?dry_run=1";
        let tried = server.place_at(&alice, path, "k", new("lobby", "small")).await;
        let short = server.place_at(&alice, path, "k", new("lobby", "huge")).await;
        assert_eq!(tried.status, 200, "{tried:?}");
        assert_eq!(server.wallet("acme").await, "EUR 10.000000 held 0.000000");
        let listed = server.call(&alice, "GET", "/v1/orders?tenant=acme", None).await;
        assert_eq!(listed.body["items"], json!([]));

        let placed = server.place(&alice, "k", new("lobby", "small")).await;
        assert_eq!(placed.body["cost"], tried.body["cost"]);
        allow_duplicates! {
            assert_snapshot!(told(&short), @"409 sold-out /offer: nothing is left of it");
        }
    }
}

#[tokio::test]
async fn what_is_declined_is_a_problem_of_its_own_that_points_to_the_field() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let poor = json!({ "id": "poor" });
        server.call(&alice, "POST", "/v1/tenants", Some(poor)).await;
        server.place(&alice, "0", new("taken", "small")).await;
        let with = |field: &str, value: Value| {
            let mut body = new("lobby", "small");
            body[field] = value;
            body
        };
        let mut said = String::new();
        for (key, body) in [
            with("tenant", json!("poor")),
            with("tenant", json!("nowhere")),
            with("offer", json!("gold")),
            with("offer", json!("huge")),
            with("image", json!("other")),
            with("location", json!("ams")),
            with("name", json!("Not A Name")),
            with("name", json!("taken")),
            with("promo", json!("NONE")),
            with("memory", json!("many")),
            with("cpu", json!(3)),
            with("env", json!({ "A": "secret://env/ROOT" })),
            with("colour", json!("red")),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = server.place(&alice, &format!("k{key}"), body).await;
            said += &format!("{}\n", told(&answer));
        }
        server.place(&alice, "1", new("one", "small")).await;
        server.place(&alice, "2", new("two", "small")).await;
        said += &told(&server.place(&alice, "3", new("three", "small")).await);
        allow_duplicates! {
            assert_snapshot!(said, @"
            402 wallet-short /offer: `poor` has EUR 0.000000 left, and EUR 0.014900 is needed
            404 not-found
            422 invalid /offer: there is no offer `gold`
            409 sold-out /offer: nothing is left of it
            422 invalid /image: name one that the offer has
            422 invalid : `instance.acme/lobby` has no host to run on; `instance.acme/lobby` runs in location `ams`, which no spec defines
            422 invalid /name: a name holds letters, digits, `-` and `.`; found ' ' in `Not A Name`
            409 name-taken /name: `acme/taken` exists already
            422 promo-refused /promo: the code `NONE` cannot be used: there is no such code
            422 invalid /memory: expected an amount such as `512MiB` or `2GiB`
            422 invalid : `instance.acme/lobby` has no use for `cpu`: its offer says how large its container is
            422 invalid : `instance.acme/lobby` refers to a secret of ours in `env.A`
            422 invalid /colour: unknown field `colour`, expected one of `tenant`, `name`, `client_ref`, `quote`, `offer`, `image`, `location`, `cpu`, `memory`, `disk`, `promo`, `user`, `keys`, `env`, `stopped`
            409 quota-exceeded /offer: `acme` may have 3 of instances, and would have 4
            ");
        }
    }
}

#[tokio::test]
async fn an_order_is_switched_resized_suspended_resumed_and_ended() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let placed = server.place(&alice, "k", new("lobby", "small")).await;
        let id = placed.body["id"].as_str().unwrap();
        let (path, instance) = (format!("/v1/orders/{id}"), format!("/v1/instances/{id}/power"));
        let suspensions = format!("{path}/suspensions");
        let store = server.store();
        store.order_begin(id).await.unwrap();
        let active = store.order_activate(id, None).await.unwrap();

        let off = server.call(&alice, "PUT", &instance, Some(json!({ "running": false }))).await;
        let (stale, larger) = (format!("\"{}\"", active.version), json!({ "offer": "large" }));
        let resize = async |tag: &str| {
            let headers = [("if-match", tag)];
            server.call_with(&alice, "PATCH", &path, &headers, Some(larger.clone())).await
        };
        let (stale, fresh) = (resize(&stale).await, resize(off.header("etag")).await);
        let reason = json!({ "reason": "abuse", "why": "it sends spam" });
        let own = server.call(&alice, "POST", &suspensions, Some(reason.clone())).await;
        let suspended = server.call(&admin, "POST", &suspensions, Some(reason)).await;
        let overdue = json!({ "reason": "overdue", "why": "x" });
        let overdue = server.call(&admin, "POST", &suspensions, Some(overdue)).await;
        let resumed = server.call(&admin, "DELETE", &format!("{suspensions}/abuse"), None).await;
        let spec = server.call(&alice, "GET", &format!("{path}/spec"), None).await;
        let ended = server.call(&alice, "DELETE", &path, None).await;
        let after = server.call(&alice, "PUT", &instance, Some(json!({ "running": true }))).await;

        assert!(lessor_specs::Orders::from_toml("order.toml", &spec.text).is_ok(), "{spec:?}");
        let mut said = String::new();
        for (what, answer) in [
            ("off", &off),
            ("stale", &stale),
            ("fresh", &fresh),
            ("own", &own),
            ("suspended", &suspended),
            ("overdue", &overdue),
            ("resumed", &resumed),
            ("ended", &ended),
            ("after", &after),
        ] {
            let body = &answer.body;
            said += &match answer.status.as_u16() {
                200 => format!(
                    "{what}: {} {} {} {}\n",
                    body["phase"], body["running"], body["offer"], body["suspensions"]
                ),
                _ => format!("{what}: {}\n", told(answer)),
            };
        }
        let events = server.call(&alice, "GET", &format!("{path}/events?limit=200"), None).await;
        for event in events.body["items"].as_array().unwrap() {
            said += &format!("{} {} {}\n", event["number"], event["kind"], event["phase"]);
        }
        allow_duplicates! {
            assert_snapshot!(said.replace(id, "ord_1"), @r#"
            off: "updating" false "small" []
            stale: 412 outdated (order `ord_1` is at version 4, not 3)
            fresh: "updating" false "large" []
            own: 403 forbidden (this needs `orders:write` on the platform)
            suspended: "updating" false "large" ["abuse"]
            overdue: 422 invalid /reason: expected `abuse`, `security` or `admin`
            resumed: "updating" false "large" []
            ended: "terminating" false "large" []
            after: 409 not-now (order `ord_1` is terminating: it cannot be switched on or off)
            1 "placed" "pending"
            2 "begun" "provisioning"
            3 "settled" "active"
            4 "switched" "updating"
            5 "resized" "updating"
            6 "suspended" "updating"
            7 "resumed" "updating"
            8 "terminated" "terminating"
            "#);
        }
        assert!(ended.body["retain_until"].is_string());
    }
}

#[tokio::test]
async fn a_new_tenant_gets_the_order_of_the_policy_if_it_can_be_had() {
    for backend in BACKENDS {
        let (server, alice) = shop(backend).await;
        let mut found = Vec::new();
        for (tenant, offer) in [("globex", "gift"), ("initech", "small")] {
            let gift = "[offer.gift]\nimages = [\"paper\"]\nprice = {}\n\
                        container = { cpu = \"0.1\", memory = \"64MiB\" }\n";
            let order = format!("open = true\norder = \"{offer}\"");
            server.apply(&format!("{gift}{}", SHOP.replace("open = true", &order))).await;
            let made = json!({ "id": tenant });
            let made = server.call(&alice, "POST", "/v1/tenants", Some(made)).await;
            let path = format!("/v1/orders?tenant={tenant}");
            let orders = server.call(&alice, "GET", &path, None).await;
            let orders = orders.body["items"].as_array().unwrap().iter();
            let orders: Vec<_> = orders.map(|order| format!("{}", order["offer"])).collect();
            found.push((tenant, made.status.as_u16(), orders.join(" ")));
        }
        // It has no money for the second one.
        let expected = [("globex", 201, "\"gift\"".into()), ("initech", 201, String::new())];
        assert_eq!(found, expected);
    }
}
