//! What a guest goes through.

use std::time::Duration;

use lessor_providers::proxmox::client::{
    Client, Form, Guest, GuestKind, Kind, NewClone, Rule, Stop,
};

use crate::cluster::{Cluster, PATIENCE, done, machine};

#[tokio::test]
async fn a_machine_lives_from_a_template_to_its_end() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let template = machine(&client, 900, "debian").await;
    let task = client.guest_make_template(&template).await.unwrap();
    done(&client, task).await;
    client.pool_create("customers", Some("all of them")).await.unwrap();

    // Cloned, with its mark in the very call.
    let clone = NewClone {
        vmid: 101,
        name: Some("web-1".into()),
        description: Some("marked: 1\n; & ä".into()),
        pool: Some("customers".into()),
        full: true,
        ..NewClone::default()
    };
    let task = client.guest_clone(&template, &clone).await.unwrap();
    assert_eq!((task.sort.as_str(), task.about.as_str()), ("qmclone", "900"));
    done(&client, task).await;
    let guest = Guest::qemu("pve1", 101);

    // Configured.
    let config = client.guest_config(&guest).await.unwrap().unwrap();
    assert_eq!(config.get("description"), Some("marked: 1\n; & ä"));
    let form = Form::new().with("cores", 2).with("tags", "b;a");
    let task = client.guest_update(&guest, Some(&config.digest), form).await.unwrap();
    done(&client, task).await;
    let grown = client.guest_resize(&guest, "scsi0", "3G", None).await.unwrap();
    done(&client, grown).await;
    let after = client.guest_config(&guest).await.unwrap().unwrap();
    assert_eq!((after.get("cores"), after.get("tags")), (Some("2"), Some("a;b")));
    assert!(after.get("scsi0").unwrap().contains("size=3G"), "{after:?}");
    assert_ne!(after.digest, config.digest);

    // Running.
    let started = client.guest_start(&guest).await.unwrap();
    done(&client, started).await;
    let status = client.guest_status(&guest).await.unwrap().unwrap();
    assert!(status.is_running() && !status.is_managed());
    let task = client.guest_update(&guest, None, Form::new().with("cores", 4)).await.unwrap();
    done(&client, task).await;
    let waits: Vec<_> = client.guest_pending(&guest).await.unwrap();
    let waits: Vec<_> = waits.iter().filter(|one| one.waits()).collect();
    assert_eq!((waits.len(), waits[0].key.as_str()), (1, "cores"));
    let values = (waits[0].value.as_deref(), waits[0].pending.as_deref());
    assert_eq!(values, (Some("2"), Some("4")));
    let current = client.guest_config_current(&guest).await.unwrap().unwrap();
    assert_eq!(current.get("cores"), Some("2"));

    // As it was.
    let task = client.snapshot_create(&guest, "before", Some("all is well")).await.unwrap();
    done(&client, task).await;
    let snapshots = client.snapshots(&guest).await.unwrap();
    let names: Vec<_> = snapshots.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["before"]);
    let task = client.snapshot_rollback(&guest, "before").await.unwrap();
    done(&client, task).await;
    let task = client.snapshot_delete(&guest, "before").await.unwrap();
    done(&client, task).await;

    // Gone.
    let status = client.guest_status(&guest).await.unwrap().unwrap();
    if !status.is_running() {
        let task = client.guest_start(&guest).await.unwrap();
        done(&client, task).await;
    }
    let refused = client.guest_delete(&guest).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Stale, "{refused}");
    let asked = Stop::Asked(Duration::from_secs(30));
    let task = client.guest_stop(&guest, asked).await.unwrap();
    done(&client, task).await;
    let task = client.guest_delete(&guest).await.unwrap();
    done(&client, task).await;
    assert_eq!(client.guest_config(&guest).await.unwrap(), None);
    assert_eq!(client.guest_status(&guest).await.unwrap(), None);
    assert_eq!(client.pool("customers").await.unwrap().unwrap().members, []);
}

#[tokio::test]
async fn a_container_lives_and_is_changed_at_once() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let form = Form::new()
        .with("vmid", 200)
        .with("hostname", "ct")
        .with("ostemplate", "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.gz")
        .with("rootfs", "local:4")
        .with("net0", "name=eth0,bridge=vmbr0,ip=192.0.2.9/24");
    let task = client.guest_create("pve1", GuestKind::Lxc, &form).await.unwrap();
    done(&client, task).await;
    let guest = Guest::lxc("pve1", 200);
    let config = client.guest_config(&guest).await.unwrap().unwrap();

    let form = Form::new().with("memory", 1024).with("tags", "a");
    let task = client.guest_update(&guest, Some(&config.digest), form).await.unwrap();
    let stale = client
        .guest_update(&guest, Some(&config.digest), Form::new().with("cores", 2))
        .await
        .unwrap_err();

    assert_eq!((task, stale.kind()), (None, Kind::Stale));
    let after = client.guest_config(&guest).await.unwrap().unwrap();
    assert_eq!((after.get("memory"), after.get("hostname")), (Some("1024"), Some("ct")));
    let listed = client.guests("pve1", GuestKind::Lxc).await.unwrap();
    assert_eq!((listed[0].vmid, listed[0].name.as_deref()), (200, Some("ct")));
    let task = client.guest_delete(&guest).await.unwrap();
    done(&client, task).await;
    assert_eq!(client.guests("pve1", GuestKind::Lxc).await.unwrap(), []);
}

#[tokio::test]
async fn a_task_that_fails_says_why_and_one_that_takes_long_is_left_alone() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "deaf").await;
    let started = client.guest_start(&guest).await.unwrap();
    done(&client, started).await;

    let again = client.guest_start(&guest).await.unwrap();
    let again = client.task_wait(Some(&again), PATIENCE).await.unwrap_err();
    assert_eq!((again.kind(), again.said()), (Kind::Stale, Some("VM 100 already running")));

    let asked = Stop::Asked(Duration::from_secs(1));
    let task = client.guest_stop(&guest, asked).await.unwrap();
    let early = client.task_wait(Some(&task), Duration::ZERO).await.unwrap_err();
    assert_eq!(early.kind(), Kind::Running);
    let deaf = client.task_wait(Some(&task), PATIENCE).await.unwrap_err();
    assert_eq!(deaf.kind(), Kind::Refused, "{deaf}");
    let why = format!("task `{task}` failed: VM quit/powerdown failed - got timeout");
    assert!(deaf.to_string().starts_with(&why), "{deaf}");
    assert!(deaf.hint().unwrap().contains("stop it"));

    let force = Stop::AskedThenNow(Duration::from_secs(1));
    let task = client.guest_stop(&guest, force).await.unwrap();
    done(&client, task).await;
    assert!(!client.guest_status(&guest).await.unwrap().unwrap().is_running());
}

#[tokio::test]
async fn a_task_that_nobody_knows_any_more_may_have_done_anything() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let upid = "UPID:pve1:00000363:0003865E:6B00E5C7:qmclone:100:root@pam!t1:".parse().unwrap();

    let lost = client.task_wait(Some(&upid), PATIENCE).await.unwrap_err();

    assert_eq!(lost.kind(), Kind::Unknown);
    assert!(lost.to_string().contains("no such task"), "{lost}");
}

#[tokio::test]
async fn a_locked_guest_is_busy_and_a_number_that_is_taken_exists() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    // Locks are set by `root@pam` itself alone.
    let root = cluster.password();
    root.guest_update_now(&guest, None, Form::new().with("lock", "backup")).await.unwrap();

    let config = client.guest_config(&guest).await.unwrap().unwrap();
    let change = client.guest_update(&guest, None, Form::new().with("cores", 2)).await.unwrap_err();
    let start = client.guest_start(&guest).await.unwrap();
    let start = client.task_wait(Some(&start), PATIENCE).await.unwrap_err();
    let taken = Form::new().with("vmid", 100);
    let taken = client.guest_create("pve2", GuestKind::Qemu, &taken).await.unwrap_err();

    assert_eq!(config.lock(), Some("backup"));
    assert_eq!([change.kind(), start.kind()], [Kind::Busy, Kind::Busy], "{change} {start}");
    assert_eq!(taken.kind(), Kind::Exists, "{taken}");
    let said = "`HOST` refused `POST /nodes/pve1/qemu/100/config`: VM is locked (backup)";
    assert_eq!(cluster.said(change), said);
}

#[tokio::test]
async fn rules_stand_in_the_order_in_which_they_are_given() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    let guest = machine(&client, 100, "a").await;
    let rule = |comment: &str| Rule {
        sort: "in".into(),
        action: "ACCEPT".into(),
        enable: true,
        proto: Some("tcp".into()),
        dport: Some("22".into()),
        comment: Some(comment.into()),
        ..Rule::default()
    };
    let order = async |client: &Client| {
        let list = client.firewall_rules(&guest).await.unwrap();
        let comments: Vec<_> = list.rules.iter().filter_map(|rule| rule.comment.clone()).collect();
        (comments.join(""), list.digest.unwrap_or_default())
    };
    client.firewall_insert_all(&guest, &[rule("a"), rule("b"), rule("c")]).await.unwrap();
    let (said, digest) = order(&client).await;
    assert_eq!(said, "abc");

    client.firewall_move(&guest, 0, 2, Some(&digest)).await.unwrap();
    let stale = client.firewall_delete(&guest, 0, Some(&digest)).await.unwrap_err();
    let (moved, digest) = order(&client).await;
    let group = Rule {
        sort: "out".into(),
        action: "DROP".into(),
        comment: Some("d".into()),
        ..Rule::default()
    };
    client.firewall_replace(&guest, 1, &rule("a"), &group, Some(&digest)).await.unwrap();
    let list = client.firewall_rules(&guest).await.unwrap();
    client.firewall_delete(&guest, 0, list.digest.as_deref()).await.unwrap();

    assert_eq!((moved.as_str(), stale.kind()), ("bac", Kind::Stale));
    assert_eq!(list.rules[1], group);
    assert_eq!(order(&client).await.0, "dc");
    let form = Form::new().with_switch("enable", true).with("policy_in", "DROP");
    client.firewall_set_options(&guest, None, form).await.unwrap();
    let options = client.firewall_options(&guest).await.unwrap();
    assert_eq!((options.enable, options.policy_in.as_deref()), (Some(true), Some("DROP")));
}

#[tokio::test]
async fn vnets_are_written_and_then_put_into_effect() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    client.zone_create("zvlan", "vlan", Form::new().with("bridge", "vmbr0")).await.unwrap();
    client.vnet_create("vn100", "zvlan", Some(100), Some("customer")).await.unwrap();
    let staged = client.vnets().await.unwrap();
    let to_be = staged[0].to_be().unwrap();
    assert!(staged[0].staged.is_some() && staged[0].digest.is_none());
    assert_eq!((to_be.zone.as_deref(), to_be.tag), (Some("zvlan"), Some(100)));

    let task = client.sdn_apply().await.unwrap();
    client.task_wait(Some(&task), PATIENCE).await.unwrap();

    let vnets = client.vnets().await.unwrap();
    assert_eq!((vnets[0].staged, vnets[0].tag), (None, Some(100)));
    client
        .vnet_update("vn100", None, Form::new().with("zone", "zvlan").with("tag", 101))
        .await
        .unwrap();
    let vnets = client.vnets().await.unwrap();
    assert_eq!((vnets[0].tag, vnets[0].to_be().unwrap().tag), (Some(100), Some(101)));
    client.vnet_delete("vn100").await.unwrap();
    assert_eq!(client.vnets().await.unwrap()[0].to_be(), None);
    assert!(!client.zone_statuses("pve2").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_cluster_shows_its_nodes_storages_and_what_is_in_them() {
    let cluster = Cluster::begin().await;
    let client = cluster.root();
    machine(&client, 100, "a").await;

    let nodes = client.nodes().await.unwrap();
    let names: std::collections::BTreeSet<_> = nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["pve1", "pve2"].into());
    assert!(nodes.iter().all(|node| node.is_online() && node.memory > Some(0)));
    let home = nodes[0].ssl_fingerprint.as_deref().unwrap();
    assert!(home.parse::<lessor_providers::https::Pin>().is_ok(), "{home}");
    assert_eq!(client.version().await.unwrap().major(), Some(9));
    let members = client.cluster_status().await.unwrap();
    assert!(members.iter().any(|member| member.local && member.name == "pve1"));
    let vms = client.cluster_resources(Some("vm")).await.unwrap();
    assert_eq!((vms[0].vmid, vms[0].guest()), (Some(100), Some(GuestKind::Qemu)));
    let storages = client.storages("pve1").await.unwrap();
    let local = storages.iter().find(|storage| storage.name == "local").unwrap();
    assert!(local.active && local.content().contains("vztmpl"));
    let templates = client.storage_content("pve1", "local", Some("vztmpl"), None).await.unwrap();
    assert!(templates[0].id.starts_with("local:vztmpl/debian-12"));
    let disks = client.storage_content("pve1", "local", None, Some(100)).await.unwrap();
    assert_eq!((disks.len(), disks[0].size), (1, Some(1 << 30)));
    assert!(client.node_time("pve2").await.unwrap().seconds > 1_700_000_000);
    assert_eq!(client.guest_next_id().await.unwrap(), 101);
}
