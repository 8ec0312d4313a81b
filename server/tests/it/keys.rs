//! Keys of programs.

use axum::http::StatusCode;
use insta::{allow_duplicates, assert_snapshot};
use lessor_store::{KeyOwner, PlatformRole};
use serde_json::json;

use crate::fixture::{BACKENDS, Server, bearer};

#[tokio::test]
async fn a_key_is_shown_once_works_within_its_scopes_and_ends_at_once() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        let new = json!({ "name": "ci", "tenant": "acme", "scopes": ["tenants:read"] });
        let made = server.call(&alice, "POST", "/v1/api-keys", Some(new)).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let secret = made.body["secret"].as_str().unwrap();
        let key = bearer(secret);

        let listed = server.call(&alice, "GET", "/v1/api-keys?tenant=acme", None).await;
        assert!(!listed.text.contains(secret));
        let prefix = listed.body["items"][0]["prefix"].as_str().unwrap();
        assert!(secret.starts_with(prefix));

        let mut shown = String::new();
        for path in ["/v1/tenants/acme", "/v1/tenants/acme/members", "/v1/offers"] {
            let answer = server.call(&key, "GET", path, None).await;
            let detail = answer.body["detail"].as_str().unwrap_or("");
            shown += &format!("{path}: {} {detail}\n", answer.status.as_u16());
        }
        allow_duplicates! {
            assert_snapshot!(shown, @"
            /v1/tenants/acme: 200 
            /v1/tenants/acme/members: 403 this key is not for `members:read`
            /v1/offers: 403 this key is not for `catalogue:read`
            ");
        }
        let path = format!("/v1/api-keys/{}", made.body["key"]["id"].as_str().unwrap());
        let ended = server.call(&alice, "DELETE", &path, None).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        let after = server.call(&key, "GET", "/v1/tenants/acme", None).await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED);
        let again = server.call(&alice, "DELETE", &path, None).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_key_makes_no_key_that_may_more_than_itself() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        server.person("alice").await;
        server.tenant("acme", "alice").await;
        let owner = KeyOwner::Tenant("acme".into());
        let (_, key) = server.key(owner, "keys:write orders:read").await;
        let make = async |scopes: serde_json::Value| {
            let new = json!({ "name": "more", "scopes": scopes });
            server.call(&key, "POST", "/v1/api-keys", Some(new)).await.status.as_u16()
        };
        assert_eq!(make(json!(["orders:read"])).await, 201);
        assert_eq!(make(json!(["orders:read", "orders:write"])).await, 403);
        assert_eq!(make(json!(["*"])).await, 403);
    }
}

#[tokio::test]
async fn a_key_of_a_person_is_no_person_who_is_logged_in() {
    let server = Server::renting(BACKENDS[0]).await;
    server.person("alice").await;
    let (_, key) = server.key(KeyOwner::Account(server.account("alice").await), "*").await;
    let change = json!({ "current_password": "x", "email": "mallory@example.net" });
    let headers = [("if-match", "\"1\"")];
    let refused = server.call_with(&key, "PATCH", "/v1/me", &headers, Some(change)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_wrong_with_scopes_is_said_of_each() {
    let server = Server::renting(BACKENDS[0]).await;
    let admin = server.person("alice").await;
    let new = json!({ "name": "x", "scopes": ["orders:read", "orders:eat", "money:print"] });
    let refused = server.call(&admin, "POST", "/v1/api-keys", Some(new)).await;
    assert_snapshot!(refused.body["errors"], @r#"[{"detail":"`orders:eat` is no scope","pointer":"/scopes/1"},{"detail":"`money:print` is no scope","pointer":"/scopes/2"}]"#);
    let platform = server.platform(PlatformRole::Admin).await;
    let new = json!({ "name": "x", "scopes": ["*"], "expires_at": "2020-01-01T00:00:00Z" });
    let refused = server.call(&platform, "POST", "/v1/api-keys", Some(new)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "the platform's keys come from commands");
}
