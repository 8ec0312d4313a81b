//! Worlds in which it cannot work: what is said, and that nothing half-owned is left.

use insta::assert_snapshot;
use lessor_engine::{ApplyError, Provider as _, wanting};
use lessor_plans::{Act, Body, GuestBody};
use lessor_providers::proxmox::client::{Form, Guest, GuestKind};
use lessor_specs::ByteSize;
use serde_json::json;

use crate::wishes::{GIB, change, guest, linked, pool, vm, with};
use crate::world::{World, assert_as_wished, create, machine, observe};

/// What an act says in a world of its own, and what it does there: nothing.
async fn said(world: &World, act: Act, body: &Body) -> String {
    let before = world.state().await;
    let error = world.provider().apply(act, &change(body)).await.unwrap_err();
    assert_eq!(world.state().await, before, "{error}");
    told(world, &error)
}

fn told(world: &World, error: &ApplyError) -> String {
    let text = match error {
        ApplyError::Transient { why } => format!("may pass: {why}"),
        ApplyError::Stale { why } => format!("stale: {why}"),
        ApplyError::Refused { why, hint } => {
            format!("refused: {why}\nhint: {}", hint.as_deref().unwrap_or("-"))
        }
    };
    // Numbers of tasks change.
    let words = world.said(text);
    let words =
        words.split(' ').map(|word| if word.starts_with("`UPID:") { "`UPID`" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

async fn gaps(world: &World) -> String {
    let gaps = observe(world).await.gaps;
    let lines = gaps.iter().map(|gap| {
        let hint = gap.hint.as_deref().unwrap_or("-");
        format!("{}: {}\nhint: {hint}", gap.what, gap.why)
    });
    world.said(lines.collect::<Vec<_>>().join("\n"))
}

async fn with_pool() -> World {
    let world = World::new().await;
    create(&world, &pool()).await;
    world
}

#[tokio::test]
async fn a_certificate_that_is_not_the_one_we_know() {
    let world = World::new().await;
    let mut entry = world.entry();
    entry.fingerprint = Some(format!("sha256:{}", "00".repeat(32)).parse().unwrap());
    let provider = world.provider_of(&entry, "root@pam!t1=x");

    let seen = provider.observe(wanting([])).await;

    let gap = &seen.gaps[0];
    let said = world.said(&gap.why).replace(world.identity.fingerprint(), "SHOWN");
    assert_snapshot!(said, @"`HOST` shows the certificate SHOWN, and 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00 is pinned");
    assert!(gap.hint.is_some() && gap.what == "anything");
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more() {
    let world = World::new().await;
    let provider = world.provider_of(&world.entry(), "root@pam!t1=00000000-0000");
    let seen = provider.observe(wanting([])).await;
    let gap = &seen.gaps[0];
    assert_snapshot!(format!("{}\nhint: {}", world.said(&gap.why), gap.hint.as_ref().unwrap()), @"
    `HOST` refused `GET /nodes`: Authentication failed!
    hint: check the token and when it expires: `pveum user token list USER` on a node
    ");
    let refused = provider.apply(Act::Create, &change(&vm(20_001))).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Refused { hint: Some(_), .. }), "{refused:?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_had() {
    let world = World::new().await;
    let provider = world.provider_of(&world.entry(), "not a token");
    let seen = provider.observe(wanting([])).await;
    let gap = &seen.gaps[0];
    assert_snapshot!(format!("{}\nhint: {}", gap.why, gap.hint.as_ref().unwrap()), @"
    the secret `secret://file/token` is of no use: that is no API token of Proxmox VE: it looks like `user@realm!name=secret`
    hint: `lessor doctor --bootstrap proxmox` says how to make one
    ");
}

#[tokio::test]
async fn privileges_that_are_missing() {
    let world = with_pool().await;
    let client = world.root();
    let nothing = serde_json::Value::Null;
    let post = async |path: &[&str], form: Form| {
        let done: serde_json::Value = client.post(path, &form).await.unwrap();
        done
    };
    post(&["access", "users"], Form::new().with("userid", "op@pve")).await;
    let privileges = "VM.Audit,VM.Clone,VM.Config.CPU,Sys.Audit,Pool.Audit,Datastore.Audit";
    let role = Form::new().with("roleid", "Op").with("privs", privileges);
    post(&["access", "roles"], role).await;
    let token = Form::new().with("privsep", 0);
    let token = post(&["access", "users", "op@pve", "token", "ci"], token).await;
    let acl = Form::new().with("path", "/").with("users", "op@pve").with("roles", "Op");
    let done: serde_json::Value = client.put(&["access", "acl"], &acl).await.unwrap();
    assert_eq!(done, nothing);
    let token = format!("op@pve!ci={}", token["value"].as_str().unwrap());
    let provider = world.provider_of(&world.entry(), &token);
    let before = world.state().await;

    let gaps = provider.observe(wanting([])).await.gaps;
    let error = provider.apply(Act::Create, &change(&vm(20_001))).await.unwrap_err();

    assert_eq!(world.state().await, before);
    let lines: Vec<String> = gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect();
    assert_snapshot!(format!("{}\n{}", lines.join("\n"), told(&world, &error)), @"
    what is below `/sdn/zones/zvlan`: our token lacks `SDN.Audit` there, so lists may leave it out
    refused: `HOST` refused `POST /nodes/pve1/qemu/9000/clone`: Permission check failed
    hint: `lessor doctor` says which privileges our token lacks
    ");
}

#[tokio::test]
async fn a_privilege_that_is_missing_on_one_path() {
    let world = with_pool().await;
    let held = crate::doctor::needs(&world);
    let held = held.into_iter().filter(|needed| needed.path != "/storage/local");
    let token = crate::doctor::token(&world, held.collect()).await;
    let provider = world.provider_of(&world.entry(), &token);
    let before = world.state().await;

    let error = provider.apply(Act::Create, &change(&vm(20_001))).await.unwrap_err();

    assert_eq!(world.state().await, before);
    assert_snapshot!(told(&world, &error), @"
    refused: `HOST` refused `POST /nodes/pve1/qemu/9000/clone`: Permission check failed (/storage/local, Datastore.AllocateSpace)
    hint: give our user or token a role with `Datastore.AllocateSpace` on `/storage/local` (Datacenter, Permissions, or `pveum acl modify /storage/local`)
    ");
}

#[tokio::test]
async fn a_template_that_is_missing() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.made_from.template = Some(9_999));
    assert_snapshot!(said(&world, Act::Create, &body).await, @"
    refused: `proxmox.ams` has no template 9999, which image `debian` is made of
    hint: make the template, or correct `template` of `image.debian`
    ");
}

#[tokio::test]
async fn a_pool_that_is_missing() {
    let world = World::new().await;
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"stale: `HOST` refused `POST /nodes/pve1/qemu/9000/clone`: Permission check failed (pool 'acme' does not exist)");
}

#[tokio::test]
async fn a_template_that_other_nodes_cannot_read() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.node = "pve2".into());
    assert_snapshot!(said(&world, Act::Create, &body).await, @"
    refused: `HOST` refused `POST /nodes/pve1/qemu/9000/clone`: can't clone VM to node 'pve2' (VM uses local storage)
    hint: keep the template's disks on a storage that all nodes share
    ");
}

#[tokio::test]
async fn a_storage_that_is_full() {
    let world = with_pool().await;
    world
        .edit(|state| {
            for (_, node) in state["nodes"].as_object_mut().unwrap() {
                node["disk"] = json!(GIB);
            }
        })
        .await;
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"
    refused: task `UPID` failed: clone failed: copy failed: command '/usr/bin/qemu-img convert -p -n -f qcow2 -O qcow2 ...' failed: exit code 1; its log ends: creating a clone of VM 9000 with ID 20001 / create full clone of drive ide2 (local:9000/vm-9000-cloudinit.qcow2) / create full clone of drive scsi0 (local:9000/base-9000-disk-0.qcow2) / qemu-img: error while writing at byte 0: No space left on device
    hint: make room on that storage, or name another `storage` in the entry
    ");
}

#[tokio::test]
async fn an_id_that_somebody_took_after_it_was_planned() {
    let world = with_pool().await;
    world.make(GuestKind::Qemu, &machine(20_001, "local")).await;
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"
    refused: the name `20001` is taken by a guest that is not ours: it has no mark of this installation
    hint: run `lessor plan` again: it chooses another id
    ");
}

#[tokio::test]
async fn a_disk_that_shall_shrink() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body| body.disk = ByteSize::from_bytes(GIB));
    assert_snapshot!(said(&world, Act::Update, &body).await, @"
    refused: the disk of guest `20001` has 3GiB and cannot shrink to 1GiB
    hint: ask for at least 3GiB
    ");
}

#[tokio::test]
async fn memory_that_cannot_be_given() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body| body.memory = ByteSize::from_bytes(1_000_000));
    assert_snapshot!(said(&world, Act::Update, &body).await, @"
    refused: guest `20001` cannot have 1000000B of memory
    hint: Proxmox VE gives memory in MiB: ask for a whole number of them
    ");
}

#[tokio::test]
async fn a_guest_that_is_locked_for_a_backup() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let lock = Form::new().with("lock", "backup");
    world.password().guest_update_now(&Guest::qemu("pve1", 20_001), None, lock).await.unwrap();
    let body = with(&vm(20_001), |body| body.cpu = 4);
    assert_snapshot!(said(&world, Act::Update, &body).await, @"may pass: `HOST` refused `POST /nodes/pve1/qemu/20001/config`: VM is locked (backup)");

    let unlock = Form::new().with("delete", "lock").with("skiplock", 1);
    world.password().guest_update_now(&Guest::qemu("pve1", 20_001), None, unlock).await.unwrap();
    crate::world::update(&world, &body).await;
    assert_as_wished(&world, &body).await;
}

#[tokio::test]
async fn a_guest_that_is_protected() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.running = false);
    create(&world, &body).await;
    let form = Form::new().with("protection", 1);
    world.root().guest_update_now(&Guest::qemu("pve1", 20_001), None, form).await.unwrap();
    assert_snapshot!(said(&world, Act::Delete, &body).await, @"
    refused: `HOST` refused `DELETE /nodes/pve1/qemu/20001`: can't remove VM 20001 - protection mode enabled
    hint: take the protection off first: `qm set ID --protection 0` on its node
    ");
}

#[tokio::test]
async fn a_pool_with_somebodys_guest_in_it() {
    let world = with_pool().await;
    world.make(GuestKind::Qemu, &machine(100, "local").with("pool", "acme")).await;
    assert_snapshot!(said(&world, Act::Delete, &pool()).await, @"
    refused: `HOST` refused `DELETE /pools`: delete pool failed: pool 'acme' is not empty (contains VM 100)
    hint: move what is in it to another pool, or remove that first
    ");
}

#[tokio::test]
async fn a_task_that_ends_in_a_warning_is_done() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.running = false);
    create(&world, &body).await;
    let form = Form::new().with("bios", "ovmf");
    world.root().guest_update_now(&Guest::qemu("pve1", 20_001), None, form).await.unwrap();

    crate::world::update(&world, &vm(20_001)).await;

    assert_as_wished(&world, &vm(20_001)).await;
    let tasks = lessor_sandbox::System::dump(&*world.cluster).await["tasks"].to_string();
    assert!(tasks.contains("WARNINGS: 1"), "{tasks}");
}

#[tokio::test]
async fn a_task_that_was_lost() {
    let world = with_pool().await;
    // Whoever asks about it hears that there is no such task.
    world.fault("status:400,path=/tasks/,times=1");

    create(&world, &vm(20_001)).await;

    assert_as_wished(&world, &vm(20_001)).await;
    assert_eq!(world.weather.hits(), 1);
}

#[tokio::test]
async fn a_node_that_is_offline() {
    let world = with_pool().await;
    create(&world, &linked(20_002)).await;
    world.edit(|state| state["nodes"]["pve2"]["online"] = json!(false)).await;
    let change = with(&linked(20_002), |body| body.cpu = 4);

    let told = [
        gaps(&world).await,
        said(&world, Act::Create, &linked(20_003)).await,
        said(&world, Act::Update, &change).await,
        said(&world, Act::Delete, &change).await,
    ];

    assert_snapshot!(told.join("\n"), @"
    guests of node `pve2` (20002): the node is offline
    hint: bring it back, or take its guests over to another node
    refused: node `pve2` of `proxmox.ams` is offline
    hint: bring it back, or take what runs there over to another node
    refused: node `pve2` of `proxmox.ams` is offline
    hint: bring it back, or take what runs there over to another node
    refused: node `pve2` of `proxmox.ams` is offline
    hint: bring it back, or take what runs there over to another node
    ");
    let seen = observe(&world).await;
    assert!(seen.nodes.iter().any(|node| node.name == "pve2" && !node.online));
}

#[tokio::test]
async fn a_guest_whose_image_nobody_knows_any_more_is_unknown() {
    let world = with_pool().await;
    let body = vm(20_001);
    create(&world, &body).await;
    let mark = crate::wishes::mark(&body).to_line();
    let form = Form::new().with("description", &mark);
    world.root().guest_update_now(&Guest::qemu("pve1", 20_001), None, form).await.unwrap();

    let seen = observe(&world).await;

    assert_snapshot!(seen.unknown[&crate::wishes::address(&body)], @"its description does not say its image any more; add a line `image NAME`");
    assert_snapshot!(said(&world, Act::Update, &body).await, @"stale: nobody can tell how guest `20001` looks: its description does not say its image any more; add a line `image NAME`");
}

#[tokio::test]
async fn a_guest_that_is_only_just_being_made_is_nobodys_yet() {
    let world = with_pool().await;
    world
        .edit(|state| {
            state["guests"]["20001"] = state["guests"]["9000"].clone();
            state["guests"]["20001"]["config"] = json!({ "lock": "clone" });
        })
        .await;
    assert_snapshot!(gaps(&world).await, @"
    guest `20001`: guest `20001` is locked (`clone`) for as long as it is being made; if no task works on it any more, unlock and remove qemu/20001 on node `pve1`
    hint: wait until it is made, and look again
    ");
}

#[tokio::test]
async fn rules_with_ports_and_no_protocol() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body: &mut GuestBody| {
        body.firewall.as_mut().unwrap()[0].protocol = lessor_specs::kinds::RuleProtocol::Any;
    });
    assert_snapshot!(said(&world, Act::Update, &body).await, @"
    refused: rule `web-in` before guest `20001` names ports and no protocol
    hint: give the template a `protocol`, such as `tcp`
    ");
    assert_eq!(guest(20_001).name, "20001");
}
