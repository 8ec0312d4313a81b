//! The description of the API, and what every answer carries.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use lessor_server::{Access, Job, ProblemKind, Settings, openapi, routes_listed};
use lessor_store::PlatformRole;
use serde_json::Value;

use crate::fixture::{BACKENDS, Server, cheap, nobody};

#[tokio::test]
async fn the_description_is_served_and_lists_every_route() {
    let server = Server::new(BACKENDS[0]).await;
    let answer = server.call(&nobody(), "GET", "/v1/openapi.json", None).await;
    assert_eq!(answer.body, openapi(true));
    assert_eq!(answer.body["openapi"], "3.1.0");

    let paths = answer.body["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let listed = routes_listed();
    let listed: BTreeSet<_> =
        listed.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(described, listed);
}

#[tokio::test]
async fn without_the_old_paths_nothing_is_there_and_nothing_is_said_of_them() {
    let settings = Settings { compat: false, ..cheap() };
    let server = Server::with(BACKENDS[0], settings).await;
    let admin = server.platform(PlatformRole::Admin).await;
    let api = server.call(&nobody(), "GET", "/v1/openapi.json", None).await.body;
    assert_eq!(api, openapi(false));
    let with = openapi(true);
    let with = with["paths"].as_object().unwrap();
    let paths = api["paths"].as_object().unwrap();
    let old: Vec<_> = with.keys().filter(|path| !paths.contains_key(*path)).collect();
    assert_eq!(old.len(), 15, "{old:?}");
    for path in old {
        let found = server.call(&admin, "GET", path, None).await;
        assert_eq!(found.status, 404, "{path} {found:?}");
    }
}

#[test]
fn every_job_there_is_is_named_where_one_is_run() {
    let named = &openapi(true)["paths"]["/v1/jobs/{job}/runs"]["post"]["parameters"][0]["schema"];
    let jobs: Vec<_> = Job::ALL.into_iter().map(Job::name).collect();
    assert_eq!(named["enum"], serde_json::json!(jobs), "{named}");
}

#[test]
fn whoever_reads_the_description_knows_where_to_say_who_they_are() {
    let api = openapi(true);
    for route in routes_listed() {
        let operation = &api["paths"][&route.path][route.method.to_lowercase()];
        let needs = operation["security"].as_array().unwrap().len();
        assert_eq!(needs == 0, route.access == Access::Open, "{route:?}");
        assert!(operation["responses"]["default"].is_object(), "{route:?}");
        assert!(operation["summary"].is_string(), "{route:?}");
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let api = openapi(true);
    let mut references = Vec::new();
    collect(&api, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(api.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let server = Server::new(BACKENDS[0]).await;
    let answer = server.call(&nobody(), "GET", "/healthz", None).await;
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id" && *name != "content-length")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    assert!(answer.header("x-request-id").starts_with("req_"));
    assert_snapshot!(headers.join("\n"), @"
    cache-control: no-store
    content-security-policy: default-src 'none'; frame-ancestors 'none'
    content-type: application/json
    cross-origin-opener-policy: same-origin
    cross-origin-resource-policy: same-origin
    referrer-policy: no-referrer
    strict-transport-security: max-age=63072000
    x-content-type-options: nosniff
    x-frame-options: DENY
    ");
}

#[tokio::test]
async fn pages_load_nothing_from_others() {
    let server = Server::new(BACKENDS[0]).await;
    for path in ["/docs", "/welcome", "/assets/docs.js", "/assets/welcome.js", "/assets/style.css"]
    {
        let page = server.call(&nobody(), "GET", path, None).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("//cdn") && !page.text.contains("http"), "{path}");
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
    }
}

#[tokio::test]
async fn every_sort_of_problem_has_a_page() {
    let server = Server::new(BACKENDS[0]).await;
    for kind in ProblemKind::ALL {
        let path = format!("/problems/{}", kind.slug());
        assert_eq!(server.call(&nobody(), "GET", &path, None).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn another_origin_is_let_in_only_where_the_operator_says_so() {
    let settings = Settings { cors_origins: vec!["https://panel.example.net".into()], ..cheap() };
    let server = Server::with(BACKENDS[0], settings).await;
    let closed = Server::new(BACKENDS[0]).await;
    let ask = async |server: &Server, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = server.call_with(&nobody(), "OPTIONS", "/v1/sessions", &headers, None).await;
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(ask(&server, "https://panel.example.net").await, "https://panel.example.net");
    assert_eq!(ask(&server, "https://evil.example.net").await, "");
    assert_eq!(ask(&closed, "https://panel.example.net").await, "");
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let api = openapi(true);
    let paths = api["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
    let names: Vec<_> =
        operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let different: BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len());
    assert!(names.contains(&"get_v1_orders_order"));
}
