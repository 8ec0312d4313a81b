//! Requests that nobody well-meaning sends.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use insta::assert_snapshot;
use serde_json::json;

use crate::fixture::{Answer, BACKENDS, Credential, Server, nobody};

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", "application/json").body(body.into()).unwrap()
}

/// What an answer says, in a line.
fn line(answer: &Answer) -> String {
    let body = &answer.body;
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    assert!(body["request_id"].as_str().unwrap().starts_with("req_"), "{answer:?}");
    assert_eq!(body["status"], answer.status.as_u16());
    let mut text = format!("{} {}", answer.status.as_u16(), body["type"].as_str().unwrap());
    if let Some(detail) = body["detail"].as_str() {
        let _ = write!(text, " ({detail})");
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let at = error["pointer"].as_str().or(error["parameter"].as_str()).unwrap();
        let _ = write!(text, " {at}: {}", error["detail"].as_str().unwrap());
    }
    text
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_answered_with_where() {
    let server = Server::renting(BACKENDS[0]).await;
    let good = r#"{"email":"a@example.net","password":"correct horse battery"}"#;
    let deep = "[".repeat(500);
    let bodies: [(&str, Vec<u8>); 14] = [
        ("nothing", b"".to_vec()),
        ("half", good.as_bytes()[..20].to_vec()),
        ("no JSON", b"email=a".to_vec()),
        ("not UTF-8", b"{\"email\":\"\xff\"}".to_vec()),
        ("behind it", format!("{good}x").into_bytes()),
        ("deep", deep.into_bytes()),
        ("a list", b"[]".to_vec()),
        ("missing", br#"{"email":"a@example.net"}"#.to_vec()),
        ("unknown", good.replace("\"email\"", "\"admin\":true,\"email\"").into_bytes()),
        ("twice", good.replace('}', ",\"email\":\"b@example.net\"}").into_bytes()),
        ("wrong type", good.replace("\"a@example.net\"", "7").into_bytes()),
        ("NUL", good.replace("a@", "a\\u0000@").into_bytes()),
        ("no address", good.replace("a@example.net", "a@b@c.d").into_bytes()),
        ("no password", good.replace("correct horse battery", "short").into_bytes()),
    ];
    let mut table = String::new();
    for (name, body) in bodies {
        let _ = writeln!(table, "{name}: {}", line(&server.raw(post("/v1/users", body)).await));
    }
    assert_snapshot!(table, @"
    nothing: 400 /problems/malformed (the body is not JSON at line 1 column 0)
    half: 400 /problems/malformed (the body is not JSON at line 1 column 20)
    no JSON: 400 /problems/malformed (the body is not JSON at line 1 column 1)
    not UTF-8: 400 /problems/malformed (the body is not JSON at line 1 column 11)
    behind it: 400 /problems/malformed (the body is not JSON at line 1 column 61)
    deep: 422 /problems/invalid : expected an object
    a list: 422 /problems/invalid : expected an object
    missing: 422 /problems/invalid /password: missing field `password`
    unknown: 422 /problems/invalid /admin: unknown field `admin`, expected one of `email`, `password`, `invitation`, `tenant`
    twice: 422 /problems/invalid /email: duplicate field `email`
    wrong type: 422 /problems/invalid /email: invalid type: integer `7`, expected a string
    NUL: 400 /problems/malformed (text holds a NUL character)
    no address: 422 /problems/invalid /email: expected a mail address, such as `alice@example.net`
    no password: 422 /problems/invalid /password: expected 12 to 256 characters
    ");
    assert!(server.store().account_list(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_huge_body_is_not_read() {
    let server = Server::renting(BACKENDS[0]).await;
    let body = format!("{{\"email\":\"{}\"}}", "a".repeat(1 << 20));
    let answer = server.raw(post("/v1/users", body)).await;
    assert_snapshot!(line(&answer), @"413 /problems/too-large (at most 65536 bytes are read)");
}

#[tokio::test]
async fn headers_and_paths_that_make_no_sense_are_refused() {
    let server = Server::renting(BACKENDS[0]).await;
    let get = |path: &str, headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        request.body(Body::empty()).unwrap()
    };
    let requests = [
        ("basic", get("/v1/me", &[("authorization", "Basic YTpi")])),
        ("forged", get("/v1/me", &[("authorization", "Bearer lst_AAAA")])),
        ("forged key", get("/v1/me", &[("authorization", "Bearer lsk_' OR 1=1 --")])),
        ("twice", get("/v1/me", &[("authorization", "Bearer a"), ("authorization", "Bearer b")])),
        ("forged cookie", get("/v1/me", &[("cookie", "__Host-lessor=lst_AAAA")])),
        ("nowhere", get("/v1/nothing", &[])),
        ("upwards", get("/v1/../v1/me", &[])),
        ("encoded", get("/v1/tenants/%2e%2e%2fglobex", &[])),
        ("NUL", get("/assets/a%00b", &[])),
        ("not UTF-8", get("/assets/%ff", &[])),
        ("no method", Request::delete("/healthz").body(Body::empty()).unwrap()),
        (
            "a form",
            Request::post("/v1/sessions")
                .header("content-type", "application/x-www-form-urlencoded")
                .body("email=a".into())
                .unwrap(),
        ),
    ];
    let mut table = String::new();
    for (name, request) in requests {
        let _ = writeln!(table, "{name}: {}", line(&server.raw(request).await));
    }
    assert_snapshot!(table, @"
    basic: 401 /problems/unauthenticated
    forged: 401 /problems/unauthenticated
    forged key: 401 /problems/unauthenticated
    twice: 400 /problems/malformed (`authorization` stands twice)
    forged cookie: 401 /problems/unauthenticated
    nowhere: 404 /problems/not-found
    upwards: 404 /problems/not-found
    encoded: 401 /problems/unauthenticated
    NUL: 404 /problems/not-found
    not UTF-8: 404 /problems/not-found
    no method: 405 /problems/method-not-allowed
    a form: 415 /problems/media-type (send `content-type: application/json`)
    ");
}

#[tokio::test]
async fn what_databases_and_shells_would_understand_is_only_text() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        for odd in [
            "'; DROP TABLE tenant; --",
            "\" OR \"\"=\"",
            "%",
            "_",
            "../../etc",
            "$(id)",
            "\u{1F600}",
            "\u{202E}x",
        ] {
            let path = odd.bytes().fold(String::new(), |path, byte| path + &format!("%{byte:02X}"));
            for path in [format!("/v1/tenants/{path}"), format!("/v1/audit?tenant={path}")] {
                let answer = server.call(&alice, "GET", &path, None).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{odd} {answer:?}");
            }
            let new = json!({ "id": odd });
            let refused = server.call(&alice, "POST", "/v1/tenants", Some(new)).await;
            assert_eq!(refused.body["errors"][0]["pointer"], "/id", "{odd}");
        }
        let change = json!({ "display_name": "Robert'); DROP TABLE tenant; --" });
        let headers = [("if-match", "\"1\"")];
        let path = "/v1/tenants/acme";
        let kept = server.call_with(&alice, "PATCH", path, &headers, Some(change.clone())).await;
        assert_eq!(kept.body["display_name"], change["display_name"]);
    }
}

#[tokio::test]
async fn a_token_of_an_hour_ago_and_one_of_another_server_are_worth_nothing() {
    let (server, other) = (Server::renting(BACKENDS[0]).await, Server::renting(BACKENDS[0]).await);
    let alice = server.person("alice").await;
    other.person("alice").await;
    let foreign = other.call(&alice, "GET", "/v1/me", None).await;
    assert_snapshot!(line(&foreign), @"401 /problems/unauthenticated");
    assert_eq!(foreign.header("www-authenticate"), "Bearer");
    let cut = Credential(vec![("authorization", alice.0[0].1[..20].to_owned())]);
    let cut = server.call(&cut, "GET", "/v1/me", None).await;
    assert_eq!(cut.shown(), foreign.shown());
}

#[tokio::test]
async fn an_address_is_believed_only_from_a_trusted_proxy() {
    use std::net::SocketAddr;

    use lessor_server::{Peer, Settings};

    let settings = Settings {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        calls_per_second: std::num::NonZeroU32::new(1),
        ..crate::fixture::cheap()
    };
    let server = Server::with(BACKENDS[0], settings).await;
    let ask = async |peer: [u8; 4], forwarded: String| {
        let mut request = Request::get("/healthz").header("x-forwarded-for", forwarded);
        request = request.extension(Peer(SocketAddr::from((peer, 1))));
        server.raw(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    let mut spoofed = Vec::new();
    let mut proxied = Vec::new();
    for of in 0..4 {
        spoofed.push(ask([198, 51, 100, 9], format!("203.0.113.{of}")).await);
        // What a client wrote stands before what our own proxy added.
        proxied.push(ask([10, 0, 0, 1], format!("192.0.2.1, 203.0.113.{of}, 10.0.0.2")).await);
    }
    assert_eq!(spoofed, [200, 200, 429, 429]);
    assert_eq!(proxied, [200, 200, 200, 200]);
    assert_eq!(server.call(&nobody(), "GET", "/healthz", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_must_not_count_twice_needs_a_key_and_the_same_is_recognised() {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::routing::post as route;
    use lessor_server::Idempotent;

    let server = Server::new(BACKENDS[0]).await;
    let echo = |Idempotent { key, digest, body }: Idempotent<BTreeMap<String, u8>>| async move {
        format!("{key} {} {body:?}", &digest[..8])
    };
    let app = Router::new().route("/", route(echo)).with_state(server.services.clone());
    let ask = async |key: Option<&str>, body: &'static str| {
        let mut request = post("/", body);
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        }
        let answer = crate::fixture::answer(&app, request).await;
        match answer.body["errors"][0]["parameter"].as_str() {
            Some(parameter) => format!("{parameter} is wrong"),
            None => answer.text,
        }
    };
    let same = ask(Some("a"), r#"{"a":1}"#).await;
    assert_eq!(ask(Some("a"), r#"{"a":1}"#).await, same);
    assert_ne!(ask(Some("a"), r#"{"a":2}"#).await[..10], same[..10]);
    let long = "k".repeat(256);
    for wrong in [None, Some(""), Some("a b"), Some(&*long)] {
        assert_eq!(ask(wrong, r#"{"a":1}"#).await, "Idempotency-Key is wrong");
    }
}
