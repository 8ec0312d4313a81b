//! What a cluster says of itself.

use insta::assert_snapshot;
use lessor_engine::{Examination, Examiner as _, Provider as _};
use lessor_plans::Act;
use lessor_providers::Networks;
use lessor_providers::proxmox::client::Form;
use lessor_providers::proxmox::{Needed, bootstrap, needed};
use lessor_specs::ByteSize;
use serde_json::json;

use crate::wishes::{GIB, container, pool, vm, vnet, with};
use crate::world::{World, act_with};

fn told(world: &World, exam: &Examination) -> String {
    let lacks = exam.lacks.iter().map(|lack| {
        format!("lacks: {}\n  hint: {}", lack.what, lack.hint.as_deref().unwrap_or("-"))
    });
    let facts = exam.facts.iter().cloned();
    let lines = [exam.system.clone()].into_iter().chain(facts).chain(lacks);
    world.said(lines.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_cluster_that_is_well_says_what_it_has() {
    let world = World::new().await;

    let exam = world.provider().examine().await.unwrap();

    assert_snapshot!(told(&world, &exam), @"");
    assert!(exam.clock_ahead.unwrap().as_secs().abs() < 5 && exam.disk.is_none());
}

#[tokio::test]
async fn what_is_missing_is_named_with_what_to_do() {
    let world = World::new().await;
    world.edit(|state| state["nodes"]["pve2"]["online"] = json!(false)).await;
    let client = world.root();
    let made: serde_json::Value =
        client.post(&["access", "users"], &Form::new().with("userid", "op@pve")).await.unwrap();
    assert!(made.is_null());
    let token: serde_json::Value = client
        .post(&["access", "users", "op@pve", "token", "ci"], &Form::new().with("privsep", 0))
        .await
        .unwrap();
    let mut entry = world.entry();
    entry.nodes.push("pve9".into());
    entry.storage = "ceph".into();
    let token = format!("op@pve!ci={}", token["value"].as_str().unwrap());

    let exam = world.provider_of(&entry, &token).examine().await.unwrap();

    assert_snapshot!(told(&world, &exam), @"");
}

#[tokio::test]
async fn a_token_that_may_do_what_is_needed_and_no_more_can_do_everything() {
    let world = World::new().await;
    let client = world.root();
    let post = async |path: &[&str], form: Form| {
        let done: serde_json::Value = client.post(path, &form).await.unwrap();
        done
    };
    post(&["access", "users"], Form::new().with("userid", "lessor@pve")).await;
    let networks =
        Networks { bridges: ["vmbr0".to_owned()].into(), zones: ["zvlan".to_owned()].into() };
    for (n, Needed { path, privileges }) in needed(&world.entry(), &networks).iter().enumerate() {
        let role = Form::new().with("roleid", format!("r{n}")).with("privs", privileges.join(","));
        post(&["access", "roles"], role).await;
        let acl = Form::new().with("path", path).with("users", "lessor@pve");
        let acl = acl.with("roles", format!("r{n}"));
        let given: serde_json::Value = client.put(&["access", "acl"], &acl).await.unwrap();
        assert!(given.is_null());
    }
    let token = Form::new().with("privsep", 0);
    let token = post(&["access", "users", "lessor@pve", "token", "lessor"], token).await;
    let token = format!("lessor@pve!lessor={}", token["value"].as_str().unwrap());
    let provider = world.provider_of(&world.entry(), &token);

    let exam = provider.examine().await.unwrap();
    assert_eq!(exam.lacks, []);
    // What shares the disk of its template needs no room on any other storage.
    let all = [pool(), vnet(), vm(20_001), container(20_003)];
    for body in &all {
        act_with(&provider, Act::Create, body).await.unwrap();
    }
    let edited = with(&vm(20_001), |body| {
        body.cpu = 4;
        body.disk = ByteSize::from_bytes(5 * GIB);
        body.hostname = "web-9.acme".into();
        body.firewall.as_mut().unwrap().clear();
    });
    act_with(&provider, Act::Update, &edited).await.unwrap();
    let seen = provider.observe(&[]).await;
    assert!(seen.gaps.is_empty() && seen.present.len() == all.len(), "{seen:#?}");
    for body in all.iter().rev() {
        act_with(&provider, Act::Delete, body).await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_a_gap() {
    let world = World::new().await;
    world.fault("refused");
    let gap = world.provider().examine().await.unwrap_err();
    assert_eq!(gap.what, "the cluster");
}

#[tokio::test]
async fn the_commands_for_a_node_give_what_the_provider_needs() {
    let world = World::new().await;
    let networks =
        Networks { bridges: ["vmbr0".to_owned()].into(), zones: ["zvlan".to_owned()].into() };
    assert_snapshot!(bootstrap(&needed(&world.entry(), &networks)), @"");
    assert!(world.directory().exists());
}
