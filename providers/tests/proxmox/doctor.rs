//! What a cluster says of itself.

use insta::assert_snapshot;
use lessor_engine::{Examination, Examiner as _};
use lessor_providers::Networks;
use lessor_providers::proxmox::client::Form;
use lessor_providers::proxmox::{bootstrap, needed};
use serde_json::json;

use crate::world::World;

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
