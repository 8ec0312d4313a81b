//! Tenants, their members, and what can be rented.

use axum::http::StatusCode;
use insta::{allow_duplicates, assert_snapshot};
use lessor_store::{Actor, NewLink, PlatformRole, Purpose, Role, SecretDigest};
use serde_json::json;

use crate::fixture::{BACKENDS, PASSWORD, Server, nobody};

#[tokio::test]
async fn a_tenant_is_made_changed_by_version_and_listed_for_its_members() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let (alice, bob) = (server.person("alice").await, server.person("bob").await);
        let new = json!({ "id": "acme", "timezone": "Europe/Paris" });
        let made = server.call(&alice, "POST", "/v1/tenants", Some(new.clone())).await;
        let created_at = made.body["created_at"].as_str().unwrap();
        allow_duplicates! {
            assert_snapshot!(made.shown().replace(created_at, "…"), @r#"201 {"created_at":"…","display_name":"acme","id":"acme","origin":"api","quota":"default","timezone":"Europe/Paris"}"#);
        }
        let again = server.call(&bob, "POST", "/v1/tenants", Some(new)).await;
        assert_eq!(again.status, StatusCode::CONFLICT);

        let change = json!({ "display_name": "Acme Inc." });
        let path = "/v1/tenants/acme";
        let change_it = async |headers: &[(&str, &str)]| {
            server.call_with(&alice, "PATCH", path, headers, Some(change.clone())).await
        };
        assert_eq!(change_it(&[]).await.status, StatusCode::PRECONDITION_REQUIRED);
        let changed = change_it(&[("if-match", made.header("etag"))]).await;
        assert_eq!(changed.body["display_name"], "Acme Inc.");
        let late = change_it(&[("if-match", made.header("etag"))]).await;
        assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);

        let listed = server.call(&alice, "GET", "/v1/tenants", None).await;
        assert_eq!(listed.body["items"][0]["id"], "acme");
        let foreign = server.call(&bob, "GET", "/v1/tenants", None).await;
        assert_eq!(foreign.body["items"], json!([]));
    }
}

#[tokio::test]
async fn somebody_is_invited_joins_is_promoted_and_leaves() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let (alice, bob) = (server.person("alice").await, server.person("bob").await);
        server.tenant("acme", "alice").await;
        let path = "/v1/tenants/acme/members";
        let invite = json!({ "role": "operator" });
        let invited = server.call(&alice, "POST", path, Some(invite)).await;
        let body = json!({ "invitation": invited.body["invitation"] });
        let joined = server.call(&bob, "POST", "/v1/me/invitations", Some(body.clone())).await;
        assert_eq!(joined.shown(), r#"200 {"role":"operator","tenant":"acme"}"#);
        let used = server.call(&bob, "POST", "/v1/me/invitations", Some(body)).await;
        assert_eq!(used.status, StatusCode::UNPROCESSABLE_ENTITY);

        let member = format!("{path}/{}", server.account("bob").await);
        let promoted = json!({ "role": "admin" });
        let promoted = server.call(&alice, "PUT", &member, Some(promoted)).await;
        assert_eq!(promoted.status, StatusCode::NO_CONTENT);
        // An admin makes no owner, not even of themselves.
        let rise = server.call(&bob, "PUT", &member, Some(json!({ "role": "owner" }))).await;
        assert_eq!(rise.status, StatusCode::FORBIDDEN);
        let own = format!("{path}/{}", server.account("alice").await);
        let ousted = server.call(&bob, "DELETE", &own, None).await;
        assert_eq!(ousted.status, StatusCode::FORBIDDEN);
        let last = server.call(&alice, "DELETE", &own, None).await;
        assert_eq!(last.body["detail"], "`acme` would have no owner");
        assert_eq!(server.call(&bob, "DELETE", &member, None).await.status, StatusCode::NO_CONTENT);
        assert_eq!(server.call(&bob, "GET", path, None).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn lists_come_in_pages_that_neither_miss_nor_repeat() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        for of in 0..5 {
            server.tenant(&format!("t-{of}"), "alice").await;
        }
        let (mut seen, mut path) = (Vec::new(), "/v1/tenants?limit=2".to_owned());
        loop {
            let page = server.call(&alice, "GET", &path, None).await;
            let items = page.body["items"].as_array().unwrap();
            seen.push(
                items
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
                    .join(" "),
            );
            let Some(next) = page.body["next"].as_str() else { break };
            path = format!("/v1/tenants?limit=2&cursor={next}");
        }
        allow_duplicates! {
            assert_snapshot!(seen.join(" | "), @"t-0 t-1 | t-2 t-3 | t-4");
        }
        let wrong = server.call(&alice, "GET", "/v1/tenants?cursor=x!", None).await;
        assert_eq!(wrong.body["errors"][0]["parameter"], "cursor");
    }
}

#[tokio::test]
async fn what_can_be_rented_is_what_was_applied() {
    for backend in BACKENDS {
        let server = Server::new(backend).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let before = server.call(&admin, "GET", "/v1/offers", None).await;
        assert_eq!(before.shown(), r#"200 {"items":[],"next":null}"#);

        let server = Server::renting(backend).await;
        let admin = server.platform(PlatformRole::Admin).await;
        let mut shown = String::new();
        for path in ["/v1/locations", "/v1/images", "/v1/offers/small"] {
            shown += &server.call(&admin, "GET", path, None).await.shown();
            shown += "\n";
        }
        allow_duplicates! {
            assert_snapshot!(shown, @r#"
            200 {"items":[{"city":null,"country":"FR","name":"par1","timezone":"Europe/Paris"}],"next":null}
            200 {"items":[{"kinds":["container"],"name":"paper"}],"next":null}
            200 {"cpu":{"hourly":null,"max":"1","min":"1","step":null},"disk":{"hourly":null,"max":"10GiB","min":"10GiB","step":null},"grace":"1d","images":["paper"],"kind":"container","locations":["par1"],"memory":{"hourly":null,"max":"2GiB","min":"2GiB","step":null},"name":"small","price":{"cap_hours":null,"currency":"EUR","hourly":"0.014900","monthly_cap":"9.990000"},"retention":"7d"}
            "#);
        }
        let none = server.call(&admin, "GET", "/v1/offers/large", None).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_was_done_is_seen_by_who_may_and_names_nobody() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server.tenant("acme", "alice").await;
        server.person("bob").await;
        server.member("acme", "bob", Role::Viewer).await;
        server.store().audit_seal().await.unwrap();

        let seen = server.call(&alice, "GET", "/v1/audit?tenant=acme", None).await;
        let actions = seen.body["items"].as_array().unwrap().iter();
        let actions: Vec<_> = actions.map(|event| event["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["member.join", "link.create", "tenant.create"]);
        assert!(seen.body["items"][0]["hash"].is_string());
        assert!(!seen.text.contains('@'), "a mail address: {}", seen.text);
        let all = server.call(&alice, "GET", "/v1/audit", None).await;
        assert_eq!(all.status, StatusCode::FORBIDDEN);
        let auditor = server.platform(PlatformRole::Auditor).await;
        let all = server.call(&auditor, "GET", "/v1/audit?limit=200", None).await;
        assert!(all.body["items"].as_array().unwrap().len() > 3);
    }
}

#[tokio::test]
async fn a_tenant_of_files_has_its_owner_once_they_showed_who_they_are() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        server
            .apply(
                "[tenant.acme]\nowners = [\"alice@example.net\"]\n[policy.signup]\nopen = true\n",
            )
            .await;
        let background = lessor_server::Background::start(&server.services).await;
        assert!(
            server.store().tenant_show("acme").await.unwrap().is_some(),
            "from the first call on"
        );
        drop(background);
        let before = server.call(&alice, "GET", "/v1/tenants/acme", None).await;
        assert_eq!(before.status, StatusCode::NOT_FOUND, "anybody can sign up with an address");

        let account = server.account("alice").await;
        let digest = SecretDigest::of("mailed");
        let (purpose, expires_at) = (Purpose::Password(&account), jiff::Timestamp::MAX);
        let link = NewLink { digest: &digest, purpose, expires_at };
        server.store().link_create(link, &Actor::command()).await.unwrap();
        let body = json!({ "link": "mailed", "password": PASSWORD });
        server.call(&nobody(), "POST", "/v1/passwords", Some(body)).await;
        let alice = server.token("alice").await;
        let after = server.call(&alice, "GET", "/v1/tenants/acme", None).await;
        assert_eq!(after.body["origin"], "file");
    }
}
