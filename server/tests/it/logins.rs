//! Getting in, staying in, and being put out.

use axum::http::StatusCode;
use insta::{allow_duplicates, assert_snapshot};
use lessor_server::Settings;
use lessor_store::{Actor, KeyOwner, NewLink, PlatformRole, Purpose, SecretDigest};
use serde_json::json;

use crate::fixture::{
    Answer, BACKENDS, Credential, PASSWORD, Server, account_without_password, bearer, cheap, nobody,
};

/// A browser that has logged in: its cookie, and what its pages show.
async fn browser(server: &Server, name: &str) -> (Credential, String) {
    let email = format!("{name}@example.net");
    let body = json!({ "email": email, "password": PASSWORD });
    let made = server.call(&nobody(), "POST", "/v1/sessions", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let cookie = made.header("set-cookie").split(';').next().unwrap().to_owned();
    let csrf = made.body["csrf_token"].as_str().unwrap().to_owned();
    (Credential(vec![("cookie", cookie)]), csrf)
}

async fn refresh(server: &Server, token: &str) -> Answer {
    let body = json!({ "grant_type": "refresh_token", "refresh_token": token });
    server.call(&nobody(), "POST", "/v1/auth/token", Some(body)).await
}

#[tokio::test]
async fn somebody_signs_up_logs_in_and_sees_who_they_are() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let alice = server.person("alice").await;
        let me = server.call(&alice, "GET", "/v1/me", None).await;

        let id = me.body["user"]["id"].as_str().unwrap().to_owned();
        let created_at = me.body["user"]["created_at"].as_str().unwrap().to_owned();
        let shown = me.shown().replace(&id, "usr_…").replace(&created_at, "…");
        allow_duplicates! {
            assert_snapshot!(shown, @r#"200 {"scopes":"*","tenant":null,"user":{"created_at":"…","email":"alice@example.net","email_confirmed":false,"id":"usr_…","platform_role":null,"status":"active"}}"#);
        }
        assert_eq!(me.header("etag"), "\"1\"");
        let again = json!({ "email": "ALICE@example.net", "password": PASSWORD });
        let again = server.call(&nobody(), "POST", "/v1/users", Some(again)).await;
        allow_duplicates! {
            assert_snapshot!(again.shown(), @r#"409 {"detail":"there is an account with this mail address already","status":409,"title":"this does not fit what is there","type":"/problems/conflict"}"#);
        }
    }
}

#[tokio::test]
async fn where_sign_up_is_closed_it_takes_an_invitation() {
    for backend in BACKENDS {
        let server = Server::new(backend).await;
        let body = json!({ "email": "alice@example.net", "password": PASSWORD });
        let refused = server.call(&nobody(), "POST", "/v1/users", Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);

        let owner = account_without_password(server.store(), "owner@example.net").await;
        server.tenant("acme", "owner").await;
        let (_, key) = server.key(KeyOwner::Tenant("acme".into()), "*").await;
        let invite = json!({ "role": "viewer" });
        let invited = server.call(&key, "POST", "/v1/tenants/acme/members", Some(invite)).await;
        let mut body = body;
        body["invitation"] = invited.body["invitation"].clone();
        let made = server.call(&nobody(), "POST", "/v1/users", Some(body.clone())).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let members = server.call(&key, "GET", "/v1/tenants/acme/members", None).await;
        assert_eq!(members.body["items"].as_array().unwrap().len(), 2);

        body["email"] = json!("bob@example.net");
        let used = server.call(&nobody(), "POST", "/v1/users", Some(body)).await;
        assert_eq!(used.body["errors"][0]["pointer"], "/invitation");
        assert!(server.store().account_find("bob@example.net").await.unwrap().is_none());
        assert_eq!(server.account("owner").await, owner);
    }
}

#[tokio::test]
async fn a_browser_changes_nothing_without_the_token_of_its_page() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        server.person("alice").await;
        let (cookie, csrf) = browser(&server, "alice").await;
        let new = json!({ "id": "acme" });
        let calls = async |headers: &[(&str, &str)]| {
            let made =
                server.call_with(&cookie, "POST", "/v1/tenants", headers, Some(new.clone())).await;
            made.body["type"].as_str().unwrap_or("made").to_owned()
        };

        assert_eq!(server.call(&cookie, "GET", "/v1/me", None).await.status, StatusCode::OK);
        assert_eq!(calls(&[]).await, "/problems/csrf");
        assert_eq!(calls(&[("x-csrf-token", "guessed")]).await, "/problems/csrf");
        let foreign = [("x-csrf-token", csrf.as_str()), ("sec-fetch-site", "cross-site")];
        assert_eq!(calls(&foreign).await, "/problems/csrf");
        assert_eq!(calls(&[("x-csrf-token", &csrf)]).await, "made");
    }
}

#[tokio::test]
async fn the_cookie_is_for_us_alone_and_for_no_script() {
    let server = Server::renting(BACKENDS[0]).await;
    server.person("alice").await;
    let body = json!({ "email": "alice@example.net", "password": PASSWORD });
    let made = server.call(&nobody(), "POST", "/v1/sessions", Some(body)).await;
    let cookie = made.header("set-cookie");
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert_snapshot!(cookie.replace(secret, "…"), @"__Host-lessor=…; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict");
}

#[tokio::test]
async fn logging_out_ends_the_session_at_once() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        server.person("alice").await;
        let (cookie, csrf) = browser(&server, "alice").await;
        let headers = [("x-csrf-token", csrf.as_str())];
        let path = "/v1/sessions/current";
        let ended = server.call_with(&cookie, "DELETE", path, &headers, None).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT);
        assert!(ended.header("set-cookie").contains("Max-Age=0"));
        let after = server.call(&cookie, "GET", "/v1/me", None).await;
        assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_login_of_thief_and_owner() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        server.person("alice").await;
        let body =
            json!({ "grant_type": "password", "email": "alice@example.net", "password": PASSWORD });
        let first = server.call(&nobody(), "POST", "/v1/auth/token", Some(body)).await;
        assert_eq!(first.body["expires_in"], 1800);
        assert_eq!(first.body["refresh_expires_in"], 604_800);
        let token = first.body["refresh_token"].as_str().unwrap();

        let second = refresh(&server, token).await;
        let access = bearer(second.body["access_token"].as_str().unwrap());
        assert_eq!(server.call(&access, "GET", "/v1/me", None).await.status, StatusCode::OK);
        assert_eq!(refresh(&server, token).await.status, StatusCode::UNAUTHORIZED);
        let after = server.call(&access, "GET", "/v1/me", None).await.status;
        assert_eq!(after, StatusCode::UNAUTHORIZED);
        let next = second.body["refresh_token"].as_str().unwrap();
        assert_eq!(refresh(&server, next).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_sixth_try_in_five_minutes_is_not_made_even_with_the_right_password() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        server.person("alice").await;
        let attempt = async |password: &str| {
            let body = json!({ "email": "Alice@example.net", "password": password });
            server.call(&nobody(), "POST", "/v1/sessions", Some(body)).await
        };
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(attempt("wrong password").await.shown());
        }
        answers.dedup();
        allow_duplicates! {
            assert_snapshot!(answers.join("\n"), @r#"401 {"detail":"the mail address or the password is wrong","status":401,"title":"who is calling is not known","type":"/problems/unauthenticated"}"#);
        }
        let refused = attempt(PASSWORD).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=301).contains(&wait), "{wait}");
        // Somebody who does not exist is answered alike.
        let body = json!({ "email": "nobody@example.net", "password": "wrong password" });
        let unknown = server.call(&nobody(), "POST", "/v1/sessions", Some(body)).await;
        assert_eq!(unknown.shown(), answers[0]);
    }
}

#[tokio::test]
async fn suspending_somebody_cuts_their_session_their_token_and_their_key_at_once() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let token = server.person("alice").await;
        let (cookie, _) = browser(&server, "alice").await;
        let alice = server.account("alice").await;
        let (_, key) = server.key(KeyOwner::Account(alice.clone()), "*").await;
        let admin = server.platform(PlatformRole::Admin).await;
        let statuses = async || {
            let mut statuses = Vec::new();
            for who in [&token, &cookie, &key] {
                statuses.push(server.call(who, "GET", "/v1/me", None).await.status.as_u16());
            }
            statuses
        };
        assert_eq!(statuses().await, [200, 200, 200]);
        let body = json!({ "status": "suspended", "reason": "spam" });
        let path = format!("/v1/users/{alice}/status");
        let changed = server.call(&admin, "PUT", &path, Some(body)).await;
        assert_eq!(changed.body["status"], "suspended");
        assert_eq!(statuses().await, [401, 401, 401]);

        let log_in = json!({ "email": "alice@example.net", "password": PASSWORD });
        let refused = server.call(&nobody(), "POST", "/v1/sessions", Some(log_in)).await;
        assert_eq!(refused.body["detail"], "the account is suspended");
        let body = json!({ "status": "active", "reason": "it was another" });
        server.call(&admin, "PUT", &path, Some(body)).await;
        assert_eq!(statuses().await, [401, 401, 401], "what was cut stays cut");
    }
}

#[tokio::test]
async fn the_first_admin_chooses_a_password_with_a_link_once() {
    for backend in BACKENDS {
        let server = Server::new(backend).await;
        let root = account_without_password(server.store(), "root@example.net").await;
        let digest = SecretDigest::of("lsl_secret");
        let (purpose, expires_at) = (Purpose::Password(&root), jiff::Timestamp::MAX);
        let link = NewLink { digest: &digest, purpose, expires_at };
        server.store().link_create(link, &Actor::command()).await.unwrap();
        let choose = async |password: &str| {
            let body = json!({ "link": "lsl_secret", "password": password });
            server.call(&nobody(), "POST", "/v1/passwords", Some(body)).await
        };
        assert_eq!(choose("short").await.body["errors"][0]["pointer"], "/password");
        assert_eq!(choose(PASSWORD).await.body["email_confirmed"], true);
        server.token("root").await;
        assert_eq!(choose("another long password").await.body["errors"][0]["pointer"], "/link");
    }
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_other_logins() {
    for backend in BACKENDS {
        let server = Server::renting(backend).await;
        let (here, there) = (server.person("alice").await, server.token("alice").await);
        let change = async |current: &str, if_match: &str| {
            let body = json!({ "current_password": current, "password": "a whole new password" });
            let headers = [("if-match", if_match)];
            server.call_with(&here, "PATCH", "/v1/me", &headers, Some(body)).await.status.as_u16()
        };
        assert_eq!(change("a wrong password", "\"1\"").await, 422);
        assert_eq!(change(PASSWORD, "\"7\"").await, 412);
        assert_eq!(change(PASSWORD, "\"1\"").await, 200);
        assert_eq!(server.call(&here, "GET", "/v1/me", None).await.status, StatusCode::OK);
        let ended = server.call(&there, "GET", "/v1/me", None).await.status;
        assert_eq!(ended, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let calls_per_second = std::num::NonZeroU32::new(2);
    let server = Server::with(BACKENDS[0], Settings { calls_per_second, ..cheap() }).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let answer = server.call(&nobody(), "GET", "/healthz", None).await;
        let wait = answer.header("retry-after").to_owned();
        statuses.push(format!("{} {wait}", answer.status.as_u16()).trim().to_owned());
    }
    statuses.dedup();
    assert_snapshot!(statuses.join(", "), @"200, 429 1");
}
