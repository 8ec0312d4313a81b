//! What belongs to one tenant is not there for another: every route, every role.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use insta::assert_snapshot;
use jiff::SignedDuration;
use lessor_engine::Clock as _;
use lessor_server::{Access, Route, routes_listed};
use lessor_store::{
    Actor, KeyOwner, MachineEnd, MachineLogin, NewMachine, NewWebhook, PlatformRole,
    ReservationLimits, ReservationRequest, ReservationTerms, Role,
};
use serde_json::{Value, json};
use ulid::Ulid;

use crate::fixture::{BACKENDS, Credential, Server, answer};

/// What a route is about.
enum About {
    /// Of nobody, or of the caller alone.
    Nobody,
    /// Of the platform: only its roles get an answer.
    Platform,
    /// Of a tenant, or of somebody: `TENANT`, `USER`, `KEY` and `SESSION` stand for ids.
    Owned(&'static str, Option<Value>),
}

/// Every route. One that is missing fails the test.
fn about(route: &Route) -> Option<About> {
    let role = || Some(json!({ "role": "viewer" }));
    Some(match (route.method.as_str(), route.path.as_str()) {
        (
            "GET",
            "/healthz" | "/readyz" | "/docs" | "/welcome" | "/assets/{name}" | "/problems/{slug}",
        )
        | ("POST", "/v1/users" | "/v1/sessions" | "/v1/auth/token" | "/v1/passwords") => {
            assert_eq!(route.access, Access::Open, "{route:?}");
            return Some(About::Nobody);
        }
        ("GET" | "PATCH", "/v1/me")
        | ("POST", "/v1/me/invitations" | "/v1/tenants")
        | (
            "GET",
            "/v1/sessions" | "/v1/tenants" | "/v1/locations" | "/v1/images" | "/v1/offers"
            | "/v1/offers/{offer}",
        ) => About::Nobody,
        ("GET", "/metrics" | "/v1/users" | "/v1/users/{user}")
        | ("PUT", "/v1/users/{user}/status") => About::Platform,
        ("DELETE", "/v1/sessions/{session}") => About::Owned("/v1/sessions/SESSION", None),
        ("GET", "/v1/audit") => About::Owned("/v1/audit?tenant=TENANT", None),
        ("GET", "/v1/api-keys") => About::Owned("/v1/api-keys?tenant=TENANT", None),
        ("POST", "/v1/api-keys") => About::Owned(
            "/v1/api-keys",
            Some(json!({ "name": "x", "tenant": "TENANT", "scopes": ["orders:read"] })),
        ),
        ("DELETE", "/v1/api-keys/{key}") => About::Owned("/v1/api-keys/KEY", None),
        ("GET", "/v1/tenants/{tenant}") => About::Owned("/v1/tenants/TENANT", None),
        ("PATCH", "/v1/tenants/{tenant}") => {
            About::Owned("/v1/tenants/TENANT", Some(json!({ "display_name": "x" })))
        }
        ("GET", "/v1/tenants/{tenant}/members") => About::Owned("/v1/tenants/TENANT/members", None),
        ("POST", "/v1/tenants/{tenant}/members") => {
            About::Owned("/v1/tenants/TENANT/members", role())
        }
        ("PUT", "/v1/tenants/{tenant}/members/{user}") => {
            About::Owned("/v1/tenants/TENANT/members/USER", role())
        }
        ("DELETE", "/v1/tenants/{tenant}/members/{user}") => {
            About::Owned("/v1/tenants/TENANT/members/USER", None)
        }
        _ => return about_order(route).or_else(|| about_pool(route)).or_else(|| about_old(route)),
    })
}

/// As [`about`], for what is reserved: `RESERVATION` stands for an id too.
fn about_pool(route: &Route) -> Option<About> {
    let new = || json!({ "tenant": "TENANT", "key": LOGIN_KEY });
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("GET", "/v1/pools" | "/v1/pools/{pool}") => About::Nobody,
        ("GET" | "POST", "/v1/pools/{pool}/machines")
        | ("DELETE", "/v1/pools/{pool}/machines/{machine}")
        | ("POST", "/v1/pools/{pool}/actions") => About::Platform,
        ("POST", "/v1/pools/{pool}/reservations") => {
            About::Owned("/v1/pools/lab/reservations", Some(new()))
        }
        ("GET", "/v1/reservations") => About::Owned("/v1/reservations?tenant=TENANT", None),
        ("GET" | "DELETE", "/v1/reservations/{reservation}") => {
            About::Owned("/v1/reservations/RESERVATION", None)
        }
        ("PATCH", "/v1/reservations/{reservation}") => {
            About::Owned("/v1/reservations/RESERVATION", Some(json!({ "extend": "1m" })))
        }
        ("GET", "/v1/reservations/{reservation}/events") => {
            About::Owned("/v1/reservations/RESERVATION/events", None)
        }
        _ => return None,
    })
}

/// As [`about`], for the paths of earlier systems.
fn about_old(route: &Route) -> Option<About> {
    let machine = || json!({ "tenant": "TENANT", "offer": "small", "name": "NEW" });
    Some(match (route.method.as_str(), route.path.as_str()) {
        (
            "GET",
            "/countries" | "/osystems" | "/parametrs" | "/available" | "/reserve" | "/release_all",
        ) => About::Nobody,
        ("GET", "/reservations") => About::Owned("/reservations?tenant=TENANT", None),
        ("GET", "/get_balance") => About::Owned("/get_balance?tenant=TENANT", None),
        ("POST", "/calc_price") => About::Owned("/calc_price", Some(machine())),
        ("POST", "/create_machine") => About::Owned("/create_machine", Some(machine())),
        ("POST", "/api/provision" | "/machines")
        | ("GET", "/api/admin/stats" | "/machines")
        | ("DELETE", "/machines/{name}") => About::Platform,
        ("GET", "/api/user/{username}/port") => About::Owned("/api/user/TENANT/port", None),
        _ => return None,
    })
}

/// As [`about`], for what is ordered: `ORDER` stands for an id too.
fn about_order(route: &Route) -> Option<About> {
    let new = || json!({ "tenant": "TENANT", "name": "NEW", "offer": "small" });
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/quotes") => {
            About::Owned("/v1/quotes", Some(json!({ "tenant": "TENANT", "offer": "small" })))
        }
        ("GET", "/v1/events") => About::Owned("/v1/events?tenant=TENANT&follow=0", None),
        ("GET", "/v1/orders") => About::Owned("/v1/orders?tenant=TENANT", None),
        ("POST", "/v1/orders") => About::Owned("/v1/orders", Some(new())),
        ("GET" | "DELETE", "/v1/orders/{order}") => About::Owned("/v1/orders/ORDER", None),
        ("GET", "/v1/orders/{order}/events") => About::Owned("/v1/orders/ORDER/events", None),
        ("GET", "/v1/orders/{order}/spec") => About::Owned("/v1/orders/ORDER/spec", None),
        ("PATCH", "/v1/orders/{order}") => {
            About::Owned("/v1/orders/ORDER", Some(json!({ "offer": "small" })))
        }
        ("POST", "/v1/orders/{order}/suspensions") => About::Owned(
            "/v1/orders/ORDER/suspensions",
            Some(json!({ "reason": "admin", "why": "x" })),
        ),
        ("DELETE", "/v1/orders/{order}/suspensions/{reason}") => {
            About::Owned("/v1/orders/ORDER/suspensions/admin", None)
        }
        ("GET", "/v1/instances") => About::Owned("/v1/instances?tenant=TENANT", None),
        ("GET", "/v1/instances/{instance}") => About::Owned("/v1/instances/ORDER", None),
        ("GET", "/v1/instances/{instance}/access") => {
            About::Owned("/v1/instances/ORDER/access", None)
        }
        ("GET", "/v1/instances/{instance}/logs") => About::Owned("/v1/instances/ORDER/logs", None),
        ("GET", "/v1/instances/{instance}/metrics") => {
            About::Owned("/v1/instances/ORDER/metrics", None)
        }
        ("POST", "/v1/instances/{instance}/actions") => {
            About::Owned("/v1/instances/ORDER/actions", Some(json!({ "action": "restart" })))
        }
        ("GET", "/v1/webhooks") => About::Owned("/v1/webhooks?tenant=TENANT", None),
        ("POST", "/v1/webhooks") => About::Owned(
            "/v1/webhooks",
            Some(json!({ "tenant": "TENANT", "url": "https://example.net/", "topics": ["*"] })),
        ),
        ("GET" | "DELETE", "/v1/webhooks/{webhook}") => About::Owned("/v1/webhooks/WEBHOOK", None),
        ("PATCH", "/v1/webhooks/{webhook}") => {
            About::Owned("/v1/webhooks/WEBHOOK", Some(json!({ "enabled": true })))
        }
        ("GET", "/v1/webhooks/{webhook}/deliveries") => {
            About::Owned("/v1/webhooks/WEBHOOK/deliveries", None)
        }
        ("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/replay") => {
            About::Owned("/v1/webhooks/WEBHOOK/deliveries/dlv_x/replay", None)
        }
        ("GET", "/v1/tenants/{tenant}/wallet") => About::Owned("/v1/tenants/TENANT/wallet", None),
        ("GET", "/v1/tenants/{tenant}/ledger") => About::Owned("/v1/tenants/TENANT/ledger", None),
        ("GET", "/v1/tenants/{tenant}/usage") => About::Owned("/v1/tenants/TENANT/usage", None),
        ("GET", "/v1/tenants/{tenant}/quota") => About::Owned("/v1/tenants/TENANT/quota", None),
        (
            "GET",
            "/v1/promo-codes" | "/v1/orders/export" | "/v1/plans" | "/v1/plans/{plan}"
            | "/v1/drift" | "/v1/stats" | "/v1/jobs",
        )
        | (
            "POST",
            "/v1/jobs/{job}/runs"
            | "/v1/plans"
            | "/v1/plans/{plan}/approve"
            | "/v1/plans/{plan}/apply",
        ) => About::Platform,
        ("POST", "/v1/tenants/{tenant}/credits") => About::Owned(
            "/v1/tenants/TENANT/credits",
            Some(json!({ "currency": "EUR", "amount": "1", "memo": "x" })),
        ),
        ("POST", "/v1/tenants/{tenant}/refunds") => About::Owned(
            "/v1/tenants/TENANT/refunds",
            Some(json!({ "transaction": "txn_x", "amount": "1", "memo": "x" })),
        ),
        ("PUT", "/v1/instances/{instance}/power") => {
            About::Owned("/v1/instances/ORDER/power", Some(json!({ "running": false })))
        }
        _ => return None,
    })
}

/// Ids that stand in a path or a body.
#[derive(Clone)]
struct Ids {
    tenant: String,
    user: String,
    key: String,
    session: String,
    order: String,
    webhook: String,
    reservation: String,
}

/// Somebody's public key.
const LOGIN_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd";

/// A reservation of a machine that is there.
async fn reservation(server: &Server, tenant: &str) -> String {
    let (store, name) = (server.store(), Ulid::generate().to_string().to_lowercase());
    let (pool, labels) = ("lab".to_owned(), BTreeMap::new());
    let machine = NewMachine { name, pool: pool.clone(), labels, withheld: false };
    let login = MachineLogin {
        host: "192.0.2.1".into(),
        port: 22,
        user: "root".into(),
        host_key: None,
        credential: "secret".into(),
    };
    store.machine_register(&machine, &login, &Actor::command()).await.unwrap();
    for claimed in store.machine_claim(9, Duration::from_secs(9)).await.unwrap() {
        let next_at = server.store().now() + SignedDuration::from_hours(24);
        let well = MachineEnd::Well { next_at };
        store.machine_step(&claimed, &well).await.unwrap();
    }
    let limits = ReservationLimits::default();
    let request = ReservationRequest {
        tenant: tenant.into(),
        offer: "lab@1".into(),
        pools: vec![pool],
        terms: ReservationTerms {
            default_s: 60,
            min_s: 60,
            max_s: None,
            max_total_s: None,
            cleaning_s: 0,
            queue: false,
            password: false,
            hourly: None,
            limits,
        },
        labels: BTreeMap::new(),
        count: 1,
        min_count: None,
        seconds: None,
        start: None,
        wait_s: None,
        ssh_key: Some(LOGIN_KEY.into()),
        password: false,
        key: None,
        by: Actor::command(),
    };
    store.reservation_place(&request).await.unwrap().reservation.id
}

impl Ids {
    /// Of nothing that ever was.
    fn absent() -> Self {
        let number = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        Ids {
            tenant: "nowhere".into(),
            user: format!("usr_{number}"),
            key: format!("key_{number}"),
            session: format!("ses_{number}"),
            order: format!("ord_{number}"),
            webhook: format!("whk_{number}"),
            reservation: format!("rsv_{number}"),
        }
    }

    /// Of a tenant that is there: a member of it, a key of it, and that member's session.
    async fn of(server: &Server, tenant: &str, member: &str) -> Self {
        let user = server.account(member).await;
        let session = server.store().session_list(&user).await.unwrap()[0].id.to_string();
        let (key, _) = server.key(KeyOwner::Tenant(tenant.into()), "*").await;
        let order = server.order(tenant).await;
        // A tenant has only so many.
        for old in server.store().webhook_list(Some(tenant), None, 9).await.unwrap() {
            server.store().webhook_delete(&old, &Actor::command()).await.unwrap();
        }
        let new = NewWebhook {
            tenant: Some(tenant),
            url: "https://example.net/",
            topics: &["*".into()],
            secret: "whsec_",
        };
        let webhook = server.store().webhook_create(&new, &Actor::command()).await.unwrap().id;
        let reservation = reservation(server, tenant).await;
        let (tenant, user, key) = (tenant.into(), user.to_string(), key.to_string());
        Ids { tenant, user, key, session, order, webhook, reservation }
    }

    /// Fills in the words for ids. Those that the letters of an id could make by chance come before there is
    /// an id: it has no I, L, O and U.
    fn fill(&self, text: &str) -> String {
        text.replace("NEW", &Ulid::generate().to_string().to_lowercase())
            .replace("TENANT", &self.tenant)
            .replace("KEY", &self.key)
            .replace("USER", &self.user)
            .replace("SESSION", &self.session)
            .replace("ORDER", &self.order)
            .replace("WEBHOOK", &self.webhook)
            .replace("RESERVATION", &self.reservation)
    }
}

/// Two tenants, with a member of each role in one of them.
async fn world(server: &Server) -> Vec<(&'static str, Credential)> {
    let mut callers = Vec::new();
    let roles = ["owner", "admin", "operator", "viewer"];
    for name in roles {
        callers.push((name, server.person(name).await));
    }
    server.person("stranger").await;
    server.tenant("acme", "owner").await;
    server.tenant("globex", "stranger").await;
    for (name, role) in
        roles.into_iter().zip([Role::Owner, Role::Admin, Role::Operator, Role::Viewer])
    {
        if role != Role::Owner {
            server.member("acme", name, role).await;
        }
    }
    let (_, all) = server.key(KeyOwner::Tenant("acme".into()), "*").await;
    let (_, none) = server.key(KeyOwner::Tenant("acme".into()), "catalogue:read").await;
    let owner = KeyOwner::Account(server.account("owner").await);
    let (_, own) = server.key(owner, "catalogue:read").await;
    callers.extend([("tenant key", all), ("narrow key", none), ("own narrow key", own)]);
    callers
}

async fn call(server: &Server, who: &Credential, route: &Route, ids: &Ids) -> String {
    let About::Owned(path, body) = about(route).unwrap() else { panic!("{route:?}") };
    let body = body.map(|body| serde_json::from_str(&ids.fill(&body.to_string())).unwrap());
    let key = Ulid::generate().to_string();
    let headers = [("if-match", "\"1\""), ("idempotency-key", key.as_str())];
    server.call_with(who, &route.method, &ids.fill(path), &headers, body).await.shown()
}

fn owned() -> Vec<Route> {
    let routes = routes_listed().into_iter();
    routes.filter(|route| matches!(about(route), Some(About::Owned(..)))).collect()
}

#[test]
fn every_route_is_listed_here() {
    let unlisted: Vec<_> =
        routes_listed().into_iter().filter(|route| about(route).is_none()).collect();
    assert_eq!(unlisted, [], "say in `about` whose they are");
}

#[tokio::test]
async fn what_is_foreign_is_answered_like_what_is_absent() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let callers = world(&server).await;
        let foreign = Ids::of(&server, "globex", "stranger").await;
        for route in owned() {
            for (name, who) in &callers {
                let absent = call(&server, who, &route, &Ids::absent()).await;
                let found = call(&server, who, &route, &foreign).await;
                assert_eq!(found, absent, "{name} {route:?}");
                let is_told_nothing = found.starts_with("404 ") || found.starts_with("403 ");
                assert!(is_told_nothing, "{name} {route:?} {found}");
                // A member of one tenant is never told that there is another.
                let of_tenant = route.path.contains("{tenant}");
                assert!(!of_tenant || found.starts_with("404 "), "{name} {route:?} {found}");
            }
        }
        // Nothing of it happened.
        let stranger = server.token("stranger").await;
        let members = server.call(&stranger, "GET", "/v1/tenants/globex/members", None).await;
        assert_eq!(members.body["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn nobody_gets_anywhere_without_saying_who_they_are() {
    let server = Server::renting(BACKENDS[0]).await;
    let mut open = String::new();
    for route in routes_listed() {
        let path = Ids::absent().fill(&route.path.replace(['{', '}'], ""));
        let request = Request::builder().method(route.method.as_str()).uri(path);
        let answer = server.raw(request.body(Body::empty()).unwrap()).await;
        match route.access {
            Access::Open => {
                let _ = writeln!(open, "{} {}", route.method, route.path);
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{route:?}");
            }
            Access::Closed => assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{route:?}"),
        }
    }
    assert_snapshot!(open, @"
    GET /assets/{name}
    GET /docs
    GET /healthz
    GET /problems/{slug}
    GET /readyz
    POST /v1/auth/token
    POST /v1/passwords
    POST /v1/sessions
    POST /v1/users
    GET /welcome
    ");
}

#[tokio::test]
async fn what_each_role_may_do_in_its_own_tenant_is_this() {
    let server = Server::renting(BACKENDS[0]).await;
    let callers = world(&server).await;
    let mut table = String::new();
    // In columns: owner, admin, operator, viewer, a key of the tenant, one without the scope, and
    // one of the owner without it.
    for route in owned() {
        let _ = write!(table, "{:6} {:45}", route.method, route.path);
        for (_, who) in &callers {
            // Somebody new each time, since they may be removed. 412 is somebody who may, and has
            // an old version; 409 one who may, and nothing is there yet.
            let name = format!("new-{}", table.len());
            server.person(&name).await;
            server.member("acme", &name, Role::Viewer).await;
            let ids = Ids::of(&server, "acme", &name).await;
            let _ = write!(table, " {}", &call(&server, who, &route, &ids).await[..3]);
        }
        table.push('\n');
    }
    assert_snapshot!(table, @"
    GET    /api/user/{username}/port                     200 200 200 200 200 403 403
    POST   /calc_price                                   200 200 200 200 200 403 403
    POST   /create_machine                               201 201 201 403 201 403 403
    GET    /get_balance                                  200 200 200 200 200 403 403
    GET    /reservations                                 200 200 200 200 200 403 403
    GET    /v1/api-keys                                  200 200 403 403 200 403 403
    POST   /v1/api-keys                                  201 201 403 403 201 403 403
    DELETE /v1/api-keys/{key}                            204 204 403 403 204 403 403
    GET    /v1/audit                                     200 200 403 403 200 403 403
    GET    /v1/events                                    200 200 200 200 200 403 403
    GET    /v1/instances                                 200 200 200 200 200 403 403
    GET    /v1/instances/{instance}                      200 200 200 200 200 403 403
    GET    /v1/instances/{instance}/access               200 200 200 200 200 403 403
    POST   /v1/instances/{instance}/actions              409 409 409 403 409 403 403
    GET    /v1/instances/{instance}/logs                 409 409 409 409 409 403 403
    GET    /v1/instances/{instance}/metrics              409 409 409 409 409 403 403
    PUT    /v1/instances/{instance}/power                200 200 200 403 200 403 403
    GET    /v1/orders                                    200 200 200 200 200 403 403
    POST   /v1/orders                                    201 201 201 403 201 403 403
    DELETE /v1/orders/{order}                            200 200 200 403 200 403 403
    GET    /v1/orders/{order}                            200 200 200 200 200 403 403
    PATCH  /v1/orders/{order}                            200 200 200 403 200 403 403
    GET    /v1/orders/{order}/events                     200 200 200 200 200 403 403
    GET    /v1/orders/{order}/spec                       200 200 200 200 200 403 403
    POST   /v1/orders/{order}/suspensions                403 403 403 403 403 403 403
    DELETE /v1/orders/{order}/suspensions/{reason}       403 403 403 403 403 403 403
    POST   /v1/pools/{pool}/reservations                 404 404 404 403 404 403 403
    POST   /v1/quotes                                    200 200 200 200 200 403 403
    GET    /v1/reservations                              200 200 200 200 200 403 403
    DELETE /v1/reservations/{reservation}                200 200 200 403 200 403 403
    GET    /v1/reservations/{reservation}                200 200 200 200 200 403 403
    PATCH  /v1/reservations/{reservation}                200 200 200 403 200 403 403
    GET    /v1/reservations/{reservation}/events         200 200 200 200 200 403 403
    DELETE /v1/sessions/{session}                        404 404 404 404 403 403 403
    GET    /v1/tenants/{tenant}                          200 200 200 200 200 403 403
    PATCH  /v1/tenants/{tenant}                          200 412 403 403 412 403 403
    POST   /v1/tenants/{tenant}/credits                  403 403 403 403 403 403 403
    GET    /v1/tenants/{tenant}/ledger                   200 200 200 200 200 403 403
    GET    /v1/tenants/{tenant}/members                  200 200 200 200 200 403 403
    POST   /v1/tenants/{tenant}/members                  201 201 403 403 201 403 403
    DELETE /v1/tenants/{tenant}/members/{user}           204 204 403 403 204 403 403
    PUT    /v1/tenants/{tenant}/members/{user}           204 204 403 403 204 403 403
    GET    /v1/tenants/{tenant}/quota                    200 200 200 200 200 403 403
    POST   /v1/tenants/{tenant}/refunds                  403 403 403 403 403 403 403
    GET    /v1/tenants/{tenant}/usage                    200 200 200 200 200 403 403
    GET    /v1/tenants/{tenant}/wallet                   200 200 200 200 200 403 403
    GET    /v1/webhooks                                  200 200 403 403 200 403 403
    POST   /v1/webhooks                                  201 201 403 403 201 403 403
    DELETE /v1/webhooks/{webhook}                        204 204 403 403 204 403 403
    GET    /v1/webhooks/{webhook}                        200 200 403 403 200 403 403
    PATCH  /v1/webhooks/{webhook}                        200 200 403 403 200 403 403
    GET    /v1/webhooks/{webhook}/deliveries             200 200 403 403 200 403 403
    POST   /v1/webhooks/{webhook}/deliveries/{delivery}/replay 404 404 403 403 404 403 403
    ");
}

#[tokio::test]
async fn no_get_writes_anything() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let callers = world(&server).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let ids = Ids::of(&server, "acme", "viewer").await;
        let read_only = server.read_only().await;
        let mut statuses = BTreeSet::new();
        for route in routes_listed().iter().filter(|route| route.method == "GET") {
            let path = match about(route) {
                Some(About::Owned(path, _)) => ids.fill(path),
                _ => route.path.replace("{user}", &ids.user).replace("{offer}", "small"),
            };
            for who in [&admin, &callers[0].1] {
                let mut request = Request::get(&path);
                for (name, value) in &who.0 {
                    request = request.header(*name, value);
                }
                let found = answer(&read_only, request.body(Body::empty()).unwrap()).await;
                assert!(!found.status.is_server_error(), "{route:?} {found:?}");
                statuses.insert(found.status.as_u16());
            }
        }
        assert!(statuses.contains(&200), "{statuses:?}");
    }
}
