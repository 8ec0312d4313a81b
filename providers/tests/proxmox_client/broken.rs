//! What goes wrong between us and a cluster, and what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lessor_engine::ApplyError;
use lessor_providers::https::Trust;
use lessor_providers::proxmox::client::{Client, Form, Guest, GuestKind, Kind, NewClone};
use lessor_sandbox::http::{Answer, Identity, Outcome, Request, Server, Site};

use crate::cluster::{Cluster, machine, token};

fn clone() -> NewClone {
    NewClone { vmid: 101, full: true, ..NewClone::default() }
}

#[tokio::test]
async fn a_lost_answer_to_a_clone_is_an_unknown_outcome_and_never_repeated() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    cluster.fault("lost,method=POST,path=/clone,times=1");

    let lost = client.guest_clone(&guest, &clone()).await.unwrap_err();

    assert_eq!(lost.kind(), Kind::Unknown);
    let said = cluster.said(&lost);
    let fate = "and nobody knows what became of `POST /nodes/pve1/qemu/100/clone`";
    assert!(said.starts_with("the connection to `HOST` broke: ") && said.ends_with(fate), "{said}");
    assert!(matches!(ApplyError::from(lost), ApplyError::Transient { .. }));
    // It was done, once.
    let guests = client.guests("pve1", GuestKind::Qemu).await.unwrap();
    assert_eq!(guests.len(), 2, "{guests:?}");
}

#[tokio::test]
async fn what_a_node_gave_up_waiting_for_is_unknown_and_what_it_did_not_reach_was_not_done() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    let mut told = Vec::new();
    for status in [595, 596, 597, 599, 502, 503] {
        cluster.fault(&format!("status:{status},method=POST,times=1"));
        let form = Form::new().with("cores", 2);
        let error = client.guest_update(&guest, None, form).await.unwrap_err();
        told.push((status, error.kind(), error.status()));
    }
    let (unknown, transient) = (Kind::Unknown, Kind::Transient);
    let kinds = [
        (595, transient),
        (596, unknown),
        (597, unknown),
        (599, unknown),
        (502, unknown),
        (503, transient),
    ];
    assert_eq!(told, kinds.map(|(status, kind)| (status, kind, Some(status))));
}

#[tokio::test]
async fn reading_is_tried_once_more_after_a_connection_broke_and_not_for_ever() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    cluster.fault("refused,method=GET,times=1");
    assert!(client.version().await.is_ok());
    cluster.fault("refused,method=GET,times=2");
    let error = client.version().await.unwrap_err();
    assert_eq!((error.kind(), cluster.weather.hits()), (Kind::Unknown, 3));
    assert!(client.version().await.is_ok());
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    for vmid in 100..104 {
        machine(&client, vmid, "a").await;
    }
    for bytes in [0, 10, 100, 300, 600] {
        // Both tries.
        cluster.fault(&format!("cut:{bytes},method=GET,times=2"));
        let error = client.guests("pve1", GuestKind::Qemu).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unknown, "{bytes}: {error}");
    }
    assert_eq!(client.guests("pve1", GuestKind::Qemu).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_list_of_rules_that_lacks_places_is_not_believed() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    let answer = r#"{"data":[{"pos":0,"type":"in","action":"DROP"},
        {"pos":2,"type":"in","action":"DROP"}]}"#;
    let odd = crate::replay::answering(200, "OK", answer).await;

    assert!(client.firewall_rules(&guest).await.is_ok());
    let error = odd.client.firewall_rules(&guest).await.unwrap_err();

    assert_eq!(error.kind(), Kind::Garbled, "{error}");
}

#[tokio::test]
async fn a_secret_that_the_cluster_repeats_is_not_repeated_by_us() {
    let body =
        r#"{"data":null,"message":"got 'hunter2'\n","errors":{"cipassword":"got 'hunter2'"}}"#;
    let odd = crate::replay::answering(400, "Parameter verification failed.", body).await;
    let form = Form::new().with_secret("cipassword", "hunter2".into());
    let guest = Guest::qemu("pve1", 100);

    let error = odd.client.guest_update_now(&guest, None, form).await.unwrap_err();

    assert_eq!((error.said(), error.about("cipassword")), (Some("got '…'"), Some("got '…'")));
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn who_does_not_speak_the_api_is_not_taken_for_proxmox() {
    for (status, body) in [(404, "<html>"), (302, ""), (200, "<html>"), (200, "{}"), (204, "")] {
        let odd = crate::replay::answering(status, "Hm", body).await;
        let error = odd.client.version().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Garbled, "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn only_its_node_can_say_that_a_guest_is_not_there() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let absent = Guest::qemu("pve1", 999);
    assert_eq!(client.guest_config(&absent).await.unwrap(), None);
    for answer in ["no such cluster node 'pve9'", "storage 'x' does not exist", "no quorum", ""] {
        let odd = crate::replay::answering(500, answer, "").await;
        assert!(odd.client.guest_config(&absent).await.is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_task_is_waited_for_while_its_node_cannot_be_asked() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    let task = client.guest_clone(&guest, &clone()).await.unwrap();
    cluster.fault("status:595,path=/tasks/,times=2");
    cluster.fault("status:596,path=/tasks/,times=1");

    client.task_wait(Some(&task), crate::cluster::PATIENCE).await.unwrap();

    assert_eq!(cluster.weather.hits(), 3);
}

/// Counts how many requests it has at once.
#[derive(Default)]
struct Worker {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Site for Worker {
    async fn answer(&self, _: Request) -> Outcome {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Outcome::Answered(Answer::new(200, "OK", r#"{"data":[]}"#))
    }
}

#[tokio::test]
async fn no_more_than_four_requests_are_under_way_at_a_node() {
    let (worker, identity) = (Arc::new(Worker::default()), Identity::new(&["localhost"]).unwrap());
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::listen(address, Some(&identity), worker.clone()).await.unwrap();
    let trust = Trust::Pinned(identity.fingerprint().parse().unwrap());
    let endpoint = format!("https://{}", server.address());
    let client = Client::new(&endpoint, &trust, token("root@pam!t1", "s")).unwrap();

    let calls = (0..20).map(|_| client.guests("pve1", GuestKind::Qemu));
    futures_util::future::try_join_all(calls).await.unwrap();

    assert_eq!(worker.most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_is_wrong_with_parameters_is_said_of_each() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let form = Form::new().with("vmid", 100).with("cores", 0).with("net0", "foo=bar");

    let error = client.guest_create("pve1", GuestKind::Qemu, &form).await.unwrap_err();

    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.about("cores"), Some("value must have a minimum value of 1"));
    let said = cluster.said(&error);
    assert!(said.contains("; `cores`: value must") && said.contains("; `net0`: invalid"), "{said}");
}

#[tokio::test]
async fn a_part_of_a_path_that_would_lead_elsewhere_is_never_sent() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    for node in ["", ".", ".."] {
        let error = client.node_time(node).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
}
