//! Getting in, and not.

use std::time::Duration;

use lessor_providers::https::{Pin, Trust};
use lessor_providers::proxmox::client::{Client, Form, Kind, Login};
use lessor_sandbox::System as _;

use crate::cluster::{Cluster, machine, token};

#[tokio::test]
async fn a_certificate_other_than_the_pinned_one_ends_it_before_anything_is_said() {
    let cluster = Cluster::begin().await;
    let wrong = Trust::Pinned(Pin::of(b"another"));
    let client =
        Client::new(&cluster.endpoint(), &wrong, token("root@pam!t1", "secret-1")).unwrap();

    let error = client.version().await.unwrap_err();

    assert_eq!(error.kind(), Kind::Refused);
    let (shown, pinned) = (cluster.identity.fingerprint(), Pin::of(b"another"));
    let said = format!("`HOST` shows the certificate {shown}, and {pinned} is pinned");
    assert_eq!(cluster.said(&error), said);
    assert!(!format!("{client:?} {error:?}").contains("secret-1"));
}

#[tokio::test]
async fn a_token_that_is_not_known_is_refused_and_not_shown() {
    let cluster = Cluster::begin().await;
    let client = cluster.with(token("root@pam!t1", "11111111-wrong"));

    let error = client.version().await.unwrap_err();

    assert_eq!((error.kind(), error.status()), (Kind::Denied, Some(401)));
    let said = "`HOST` refused `GET /version`: Authentication failed!";
    assert_eq!(cluster.said(&error), said);
    assert!(error.hint().unwrap().contains("pveum user token list"));
    assert!(!format!("{error:?}").contains("11111111"));
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused() {
    let cluster = Cluster::begin().await;
    let root = cluster.root();
    let path = ["access", "users", "root@pam", "token", "old"];
    let form = Form::new().with("privsep", 0).with("expire", 1_000_000_000);
    let given: serde_json::Value = root.post(&path, &form).await.unwrap();
    let client = cluster.with(token("root@pam!old", given["value"].as_str().unwrap()));

    let error = client.nodes().await.unwrap_err();

    assert_eq!((error.kind(), error.status()), (Kind::Denied, Some(401)));
}

#[tokio::test]
async fn a_password_does_what_no_token_may() {
    let cluster = Cluster::begin().await;
    let (token, password) = (cluster.root(), cluster.password());
    let guest = machine(&token, 100, "a").await;
    let lock = || Form::new().with("lock", "backup");

    let refused = token.guest_update_now(&guest, None, lock()).await.unwrap_err();
    password.guest_update_now(&guest, None, lock()).await.unwrap();

    assert_eq!(refused.kind(), Kind::Denied);
    assert!(refused.hint().unwrap().contains("`root@pam` with a password"), "{refused}");
    let config = password.guest_config(&guest).await.unwrap().unwrap();
    assert_eq!(config.lock(), Some("backup"));
}

#[tokio::test]
async fn a_ticket_that_is_no_longer_taken_is_renewed_once() {
    let cluster = Cluster::begin().await;
    let client = cluster.password();
    cluster.fault("slow:0,path=/access/ticket");
    client.nodes().await.unwrap();
    // The cluster's clock goes on, and ours does not know.
    cluster.proxmox.advance(Duration::from_hours(3)).await;

    client.nodes().await.unwrap();
    client.pool_create("p", None).await.unwrap();

    assert_eq!(client.pools().await.unwrap()[0].id, "p");
    assert_eq!(cluster.weather.hits(), 2);
}

#[tokio::test]
async fn a_ticket_is_renewed_with_itself_before_it_runs_out() {
    let cluster = Cluster::begin().await;
    let client = cluster.password();
    cluster.fault("slow:0,path=/access/ticket");
    client.nodes().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(101)).await;
    tokio::time::resume();

    client.nodes().await.unwrap();
    client.nodes().await.unwrap();

    // A password after a ticket that was not taken would be a third.
    assert_eq!(cluster.weather.hits(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_shown() {
    let cluster = Cluster::begin().await;
    let password = "hunter2-hunter2".into();
    let client = cluster.with(Login::Password { user: "root@pam".into(), password });

    let error = client.version().await.unwrap_err();

    let said = "`HOST` refused `POST /access/ticket`: authentication failure";
    assert_eq!((error.kind(), cluster.said(&error).as_str()), (Kind::Denied, said));
    assert!(!format!("{error:?} {client:?}").contains("hunter2"));
}
