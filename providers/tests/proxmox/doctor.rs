//! What a cluster says of itself.

use insta::assert_snapshot;
use lessor_engine::{Examination, Examiner as _, Provider as _, wanting};
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

/// What the connection of a world needs.
pub(crate) fn needs(world: &World) -> Vec<Needed> {
    let networks =
        Networks { bridges: ["vmbr0".to_owned()].into(), zones: ["zvlan".to_owned()].into() };
    needed(&world.entry(), &networks)
}

/// A token of somebody who may do that and no more.
pub(crate) async fn token(world: &World, held: Vec<Needed>) -> String {
    let client = world.root();
    let post = async |path: &[&str], form: Form| {
        let done: serde_json::Value = client.post(path, &form).await.unwrap();
        done
    };
    post(&["access", "users"], Form::new().with("userid", "lessor@pve")).await;
    for (n, Needed { path, privileges }) in held.iter().enumerate() {
        let role = Form::new().with("roleid", format!("r{n}")).with("privs", privileges.join(","));
        post(&["access", "roles"], role).await;
        let acl = Form::new().with("path", path).with("users", "lessor@pve");
        let acl = acl.with("roles", format!("r{n}"));
        let given: serde_json::Value = client.put(&["access", "acl"], &acl).await.unwrap();
        assert!(given.is_null());
    }
    let token = Form::new().with("privsep", 0);
    let token = post(&["access", "users", "lessor@pve", "token", "lessor"], token).await;
    format!("lessor@pve!lessor={}", token["value"].as_str().unwrap())
}

#[tokio::test]
async fn a_cluster_that_is_well_says_what_it_has() {
    let world = World::new().await;

    let exam = world.provider().examine().await.unwrap();

    assert_snapshot!(told(&world, &exam), @"
    Proxmox VE 9.2.11
    2 of 2 nodes are online
    storage `local` on node `pve1` is 8 % full, 229GiB left
    storage `local` on node `pve2` is 8 % full, 229GiB left
    1000 ids of `vmid_range` 20000-20999 are free
    templates: 9000, 9001, 9002 (lxc)
    ");
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

    assert_snapshot!(told(&world, &exam), @"
    Proxmox VE 9.2.11
    1 of 2 nodes are online
    1000 ids of `vmid_range` 20000-20999 are free
    lacks: our token lacks `Sys.Audit` on `/nodes`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `Pool.Allocate` on `/pool`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `Pool.Audit` on `/pool`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `SDN.Allocate` on `/sdn`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `SDN.Use` on `/sdn/zones/localnetwork/vmbr0`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `SDN.Allocate` on `/sdn/zones/zvlan`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `SDN.Audit` on `/sdn/zones/zvlan`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `SDN.Use` on `/sdn/zones/zvlan`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `Datastore.AllocateSpace` on `/storage/ceph`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `Datastore.Audit` on `/storage/ceph`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Allocate` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Audit` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Clone` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.CDROM` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.CPU` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.Cloudinit` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.Disk` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.Memory` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.Network` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.Config.Options` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: our token lacks `VM.PowerMgmt` on `/vms`
      hint: `lessor doctor --bootstrap proxmox` prints the commands that give it
    lacks: node `pve2` is offline
      hint: bring it back, or take it out of `nodes`
    lacks: it has no node `pve9`
      hint: correct `nodes`; there are pve1, pve2
    lacks: node `pve1` has no storage `ceph`
      hint: correct `storage`, or allow it on that node
    lacks: node `pve1` has no bridge `vmbr0`
      hint: make it there, or correct `bridge`; there are none
    lacks: it has no zone `zvlan`
      hint: make it under Datacenter, SDN, Zones
    lacks: we see no template to make guests from
      hint: make one: `qm template ID` on the node of a machine that is set up
    ");
}

#[tokio::test]
async fn a_token_that_may_do_what_is_needed_and_no_more_can_do_everything() {
    let world = World::new().await;
    let token = token(&world, needs(&world)).await;
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
    let seen = provider.observe(wanting([])).await;
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
    assert_snapshot!(bootstrap(&needs(&world)), @r#"
    pveum user add lessor@pve --comment "speaks for lessor"
    pveum role add lessor-nodes --privs "Sys.Audit" || pveum role modify lessor-nodes --privs "Sys.Audit"
    pveum role add lessor-pool --privs "Pool.Allocate,Pool.Audit" || pveum role modify lessor-pool --privs "Pool.Allocate,Pool.Audit"
    pveum role add lessor-sdn --privs "SDN.Allocate" || pveum role modify lessor-sdn --privs "SDN.Allocate"
    pveum role add lessor-sdn-zones-localnetwork-vmbr0 --privs "SDN.Use" || pveum role modify lessor-sdn-zones-localnetwork-vmbr0 --privs "SDN.Use"
    pveum role add lessor-sdn-zones-zvlan --privs "SDN.Allocate,SDN.Audit,SDN.Use" || pveum role modify lessor-sdn-zones-zvlan --privs "SDN.Allocate,SDN.Audit,SDN.Use"
    pveum role add lessor-storage-local --privs "Datastore.AllocateSpace,Datastore.Audit" || pveum role modify lessor-storage-local --privs "Datastore.AllocateSpace,Datastore.Audit"
    pveum role add lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt" || pveum role modify lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt"
    pveum acl modify /nodes --users lessor@pve --roles lessor-nodes
    pveum acl modify /pool --users lessor@pve --roles lessor-pool
    pveum acl modify /sdn --users lessor@pve --roles lessor-sdn
    pveum acl modify /sdn/zones/localnetwork/vmbr0 --users lessor@pve --roles lessor-sdn-zones-localnetwork-vmbr0
    pveum acl modify /sdn/zones/zvlan --users lessor@pve --roles lessor-sdn-zones-zvlan
    pveum acl modify /storage/local --users lessor@pve --roles lessor-storage-local
    pveum acl modify /vms --users lessor@pve --roles lessor-vms
    pveum user token add lessor@pve lessor --privsep 0
    "#);
    assert!(world.directory().exists());
}
