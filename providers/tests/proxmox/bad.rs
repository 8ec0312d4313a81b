//! Worlds in which it cannot work: what is said, and that nothing half-owned is left.

use insta::assert_snapshot;
use lessor_engine::{ApplyError, Provider as _};
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

    let seen = provider.observe(&[]).await;

    let gap = &seen.gaps[0];
    let said = world.said(&gap.why).replace(world.identity.fingerprint(), "SHOWN");
    assert_snapshot!(said, @"");
    assert!(gap.hint.is_some() && gap.what == "anything");
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more() {
    let world = World::new().await;
    let provider = world.provider_of(&world.entry(), "root@pam!t1=00000000-0000");
    let seen = provider.observe(&[]).await;
    let gap = &seen.gaps[0];
    assert_snapshot!(format!("{}\nhint: {}", world.said(&gap.why), gap.hint.as_ref().unwrap()), @"");
    let refused = provider.apply(Act::Create, &change(&vm(20_001))).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Refused { hint: Some(_), .. }), "{refused:?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_had() {
    let world = World::new().await;
    let provider = world.provider_of(&world.entry(), "not a token");
    let seen = provider.observe(&[]).await;
    let gap = &seen.gaps[0];
    assert_snapshot!(format!("{}\nhint: {}", gap.why, gap.hint.as_ref().unwrap()), @"");
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

    let gaps = provider.observe(&[]).await.gaps;
    let error = provider.apply(Act::Create, &change(&vm(20_001))).await.unwrap_err();

    assert_eq!(world.state().await, before);
    let lines: Vec<String> = gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect();
    assert_snapshot!(format!("{}\n{}", lines.join("\n"), told(&world, &error)), @"");
}

#[tokio::test]
async fn a_template_that_is_missing() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.made_from.template = Some(9_999));
    assert_snapshot!(said(&world, Act::Create, &body).await, @"");
}

#[tokio::test]
async fn a_pool_that_is_missing() {
    let world = World::new().await;
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"");
}

#[tokio::test]
async fn a_template_that_other_nodes_cannot_read() {
    let world = with_pool().await;
    let body = with(&vm(20_001), |body| body.node = "pve2".into());
    assert_snapshot!(said(&world, Act::Create, &body).await, @"");
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
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"");
}

#[tokio::test]
async fn an_id_that_somebody_took_after_it_was_planned() {
    let world = with_pool().await;
    world.make(GuestKind::Qemu, &machine(20_001, "local")).await;
    assert_snapshot!(said(&world, Act::Create, &vm(20_001)).await, @"");
}

#[tokio::test]
async fn a_disk_that_shall_shrink() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body| body.disk = ByteSize::from_bytes(GIB));
    assert_snapshot!(said(&world, Act::Update, &body).await, @"");
}

#[tokio::test]
async fn memory_that_cannot_be_given() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body| body.memory = ByteSize::from_bytes(1_000_000));
    assert_snapshot!(said(&world, Act::Update, &body).await, @"");
}

#[tokio::test]
async fn a_guest_that_is_locked_for_a_backup() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let lock = Form::new().with("lock", "backup");
    world.password().guest_update_now(&Guest::qemu("pve1", 20_001), None, lock).await.unwrap();
    let body = with(&vm(20_001), |body| body.cpu = 4);
    assert_snapshot!(said(&world, Act::Update, &body).await, @"");

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
    assert_snapshot!(said(&world, Act::Delete, &body).await, @"");
}

#[tokio::test]
async fn a_pool_with_somebodys_guest_in_it() {
    let world = with_pool().await;
    world.make(GuestKind::Qemu, &machine(100, "local").with("pool", "acme")).await;
    assert_snapshot!(said(&world, Act::Delete, &pool()).await, @"");
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

    assert_snapshot!(told.join("\n"), @"");
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

    assert_snapshot!(seen.unknown[&crate::wishes::address(&body)], @"");
    assert_snapshot!(said(&world, Act::Update, &body).await, @"");
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
    assert_snapshot!(gaps(&world).await, @"");
}

#[tokio::test]
async fn rules_with_ports_and_no_protocol() {
    let world = with_pool().await;
    create(&world, &vm(20_001)).await;
    let body = with(&vm(20_001), |body: &mut GuestBody| {
        body.firewall.as_mut().unwrap()[0].protocol = lessor_specs::kinds::RuleProtocol::Any;
    });
    assert_snapshot!(said(&world, Act::Update, &body).await, @"");
    assert_eq!(guest(20_001).name, "20001");
}
