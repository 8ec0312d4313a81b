//! Planning scenarios of pools: which machines are made, by which ports, and which of them stay.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeSet;

use insta::assert_snapshot;
use lessor_engine::Wishes;
use lessor_plans::{Action, Body, Plan};
use lessor_specs::Address;
use lessor_tests::estate::estate;
use lessor_tests::{Sim, rendered};
use proptest::prelude::*;

const LAB: &str = r#"
[docker.lab]
endpoint = "memory:"
[docker.other]
endpoint = "memory:"
[image.sshd.container]
ref = "sshd:1"
command = ["sshd", "-D"]
env = { MOTD = "lab" }
[pool.alpine]
docker = "lab"
image = "sshd"
replicas = 3
ports = "2221-2225"
bind = "127.0.0.1"
cpu = "0.5"
memory = "128MiB"
pids = 64
access = "docker-exec"
"#;

fn of(replicas: u32) -> String {
    LAB.replace("replicas = 3", &format!("replicas = {replicas}"))
}

/// Plans while somebody has these machines.
async fn planned(sim: &Sim, text: &str, reserved: &[&str]) -> Plan {
    sim.plan_for(&wishes(sim, text, reserved)).await
}

fn wishes(sim: &Sim, text: &str, reserved: &[&str]) -> Wishes {
    let reserved = reserved.iter().map(|machine| machine.parse().unwrap()).collect();
    Wishes { reserved, ..sim.wishes(text) }
}

/// Comes to what is planned while somebody has these machines, and shows that nothing is left.
async fn settle(sim: &Sim, text: &str, reserved: &[&str]) {
    let wishes = wishes(sim, text, reserved);
    let plan = sim.plan_for(&wishes).await;
    let outcome = sim.carry_out(&wishes.specs, plan, &sim.memory).await;
    assert!(outcome.is_complete(), "{outcome:#?}");
    let plan = planned(sim, text, reserved).await;
    assert!(plan.is_empty(), "{}", rendered(&plan));
}

/// The containers of a host, each with its address and its port.
async fn containers(sim: &Sim, docker: &str) -> String {
    let things = sim.things(docker).await;
    let containers = things.iter().filter_map(|(name, body)| match body {
        Body::Container(container) => {
            let ports = container.ports.iter();
            let ports: Vec<_> = ports.map(|p| format!("{} → {}", p.host, p.container)).collect();
            Some(format!("{name} {}", ports.join(" ")))
        }
        _ => None,
    });
    containers.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_pool_makes_its_machines_by_name_and_port() {
    let sim = Sim::new();
    assert_snapshot!(rendered(&sim.plan(LAB).await), @"
    + image.lab/sshd:1   lab       new
    + machine.alpine-01  lab       new  port 127.0.0.1:2221/tcp
    + machine.alpine-02  lab       new  port 127.0.0.1:2222/tcp
    + machine.alpine-03  lab       new  port 127.0.0.1:2223/tcp
    4 to add. No data is destroyed.
    ");
    sim.settle(LAB).await;
    assert_snapshot!(containers(&sim, "lab").await, @"
    container alpine-01 machine.alpine-01 2221 → 22
    container alpine-02 machine.alpine-02 2222 → 22
    container alpine-03 machine.alpine-03 2223 → 22
    ");
    let things = sim.things("lab").await;
    let (_, first) = things.iter().find(|(name, _)| name.contains("alpine-01")).unwrap();
    assert_snapshot!(serde_json::to_string_pretty(&first.attributes()).unwrap(), @r#"
    {
      "command": [
        "sshd",
        "-D"
      ],
      "cpu": "0.5",
      "env.MOTD": "lab",
      "image": "sshd:1",
      "memory": "128MiB",
      "name": "alpine-01",
      "no_new_privileges": true,
      "pids": 64,
      "ports": [
        {
          "bind": "127.0.0.1",
          "container": 22,
          "host": 2221,
          "protocol": "tcp"
        }
      ],
      "restart": "unless-stopped",
      "running": true
    }
    "#);
}

#[tokio::test]
async fn a_pool_grows_by_the_lowest_names_and_shrinks_by_the_highest() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    assert_snapshot!(rendered(&sim.plan(&of(5)).await), @"
    + machine.alpine-04  lab       new  port 127.0.0.1:2224/tcp
    + machine.alpine-05  lab       new  port 127.0.0.1:2225/tcp
    2 to add. No data is destroyed.
    ");
    assert_snapshot!(rendered(&sim.plan(&of(1)).await), @"
    - machine.alpine-02  lab       no longer declared
    - machine.alpine-03  lab       no longer declared
    2 to remove. No data is destroyed.
    ");
    let held = sim.held(&of(1)).await.unwrap_err();
    assert_snapshot!(held.rules[0].why, @"the plan removes 2 of 3 things, and more than 1 at once needs consent");
}

#[tokio::test]
async fn a_machine_that_is_reserved_stays_and_another_one_goes() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    assert_snapshot!(rendered(&planned(&sim, &of(2), &["machine.alpine-03"]).await), @"
    - machine.alpine-02  lab       no longer declared
    ? machine.alpine-03            reserved, so it stays and another one goes
    1 to remove, 1 note. No data is destroyed.
    ");
    settle(&sim, &of(2), &["machine.alpine-03"]).await;
    // It is one of them by now, and goes on having its name and its port.
    assert_snapshot!(rendered(&sim.plan(&of(2)).await), @"In sync: 2 things are as declared.");
    assert_snapshot!(containers(&sim, "lab").await, @"
    container alpine-01 machine.alpine-01 2221 → 22
    container alpine-03 machine.alpine-03 2223 → 22
    ");
    sim.settle(&of(3)).await;
    assert_snapshot!(containers(&sim, "lab").await, @"
    container alpine-01 machine.alpine-01 2221 → 22
    container alpine-02 machine.alpine-02 2222 → 22
    container alpine-03 machine.alpine-03 2223 → 22
    ");
}

#[tokio::test]
async fn while_more_are_reserved_than_declared_the_others_wait() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    let reserved = ["machine.alpine-02", "machine.alpine-03"];
    assert_snapshot!(rendered(&planned(&sim, &of(1), &reserved).await), @"
    - machine.alpine-01  lab       no longer declared
    ? pool.alpine                  1 of its machines are declared and 2 reserved; 1 goes when that ends
    1 to remove, 1 note. No data is destroyed.
    ");
    settle(&sim, &of(1), &reserved).await;
    assert_snapshot!(rendered(&planned(&sim, &of(1), &[]).await), @"
    - machine.alpine-03  lab       no longer declared
    1 to remove. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_pool_that_is_gone_leaves_nobody_without_a_machine() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    let without = LAB.split("[pool.alpine]").next().unwrap();
    let reserved = ["machine.alpine-02"];
    assert_snapshot!(rendered(&planned(&sim, without, &reserved).await), @"
    - machine.alpine-01  lab       no longer declared
    - machine.alpine-03  lab       no longer declared
    ? machine.alpine-02            no longer declared; reserved, so it goes when that ends
    2 to remove, 1 note. No data is destroyed.
    ");
    settle(&sim, without, &reserved).await;
    assert_snapshot!(rendered(&planned(&sim, without, &[]).await), @"
    - machine.alpine-02  lab       no longer declared
    1 to remove. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_new_image_waits_for_who_has_a_machine() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    let newer = of(2).replace("sshd:1", "sshd:2").replace("128MiB", "256MiB");
    let reserved = ["machine.alpine-01"];
    assert_snapshot!(rendered(&planned(&sim, &newer, &reserved).await), @"
    + image.lab/sshd:2   lab       new
    ± machine.alpine-02  lab       image and memory changed, replaced
          image: sshd:1 → sshd:2
          memory: 128MiB → 256MiB
    - machine.alpine-03  lab       no longer declared
    ? machine.alpine-01            image, memory changed; reserved, so it is replaced when that ends
    1 to add, 1 to replace, 1 to remove, 1 note. No data is destroyed.
    ");
    settle(&sim, &newer, &reserved).await;
    assert_snapshot!(rendered(&planned(&sim, &newer, &[]).await), @"
    ± machine.alpine-01  lab       image and memory changed, replaced
          image: sshd:1 → sshd:2
          memory: 128MiB → 256MiB
    1 to replace. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_left_to_them() {
    let theirs = format!(
        "{LAB}[container.theirs]\ndocker = \"lab\"\nimage = \"sshd:1\"\nports = [{{ host = 2222, container = 22 }}]\n"
    );
    let stage = Sim::new();
    stage.settle(&theirs.replace("replicas = 3", "replicas = 0")).await;
    let theirs = stage.things("lab").await;
    let sim = Sim::new();
    sim.by_hand("lab", move |host| {
        for (_, body) in theirs {
            host.put(body, [].into());
        }
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(LAB).await), @"
    + image.lab/sshd:1   lab       new
    + machine.alpine-01  lab       new  port 127.0.0.1:2221/tcp
    + machine.alpine-02  lab       new  port 127.0.0.1:2224/tcp
    + machine.alpine-03  lab       new  port 127.0.0.1:2223/tcp
    4 to add. No data is destroyed.
    ");
    let scarce = LAB.replace("2221-2225", "2221-2223");
    assert_snapshot!(rendered(&sim.plan(&scarce).await), @"
    + image.lab/sshd:1   lab       new
    + machine.alpine-01  lab       new  port 127.0.0.1:2221/tcp
    + machine.alpine-03  lab       new  port 127.0.0.1:2223/tcp
    ? machine.alpine-02            cannot be done[E1004]: `pool.alpine` has no port left
          hint: make the `ports` of its pool longer, or stop what has one of them
    3 to add, 1 problem. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_machine_that_somebody_removed_comes_back_as_it_was() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    sim.by_hand("lab", |host| host.things.retain(|thing| thing.body.name() != "alpine-02")).await;
    assert_snapshot!(rendered(&sim.plan(LAB).await), @"
    ! machine.alpine-02  lab       removed outside, will be made again  port 127.0.0.1:2222/tcp
    1 drifted. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_pool_that_is_called_otherwise_keeps_its_machines() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    let renamed = LAB.replace("[pool.alpine]", "[pool.linux]");
    let plan = sim.plan(&renamed).await;
    assert_snapshot!(rendered(&plan), @r#"
    - machine.alpine-01  lab       no longer declared, and `machine.linux-01` is the same
          hint: if it is called `pool.linux` now, write `moved = ["pool.alpine"]` there, and it stays
    - machine.alpine-02  lab       no longer declared, and `machine.linux-01` is the same
          hint: if it is called `pool.linux` now, write `moved = ["pool.alpine"]` there, and it stays
    - machine.alpine-03  lab       no longer declared, and `machine.linux-01` is the same
          hint: if it is called `pool.linux` now, write `moved = ["pool.alpine"]` there, and it stays
    + machine.linux-01   lab       new  port 127.0.0.1:2221/tcp
    + machine.linux-02   lab       new  port 127.0.0.1:2222/tcp
    + machine.linux-03   lab       new  port 127.0.0.1:2223/tcp
    3 to add, 3 to remove. No data is destroyed.
    "#);
    let moved = format!("{renamed}moved = [\"pool.alpine\"]\n");
    assert_snapshot!(rendered(&sim.plan(&moved).await), @"In sync: 3 things are as declared.");
    sim.settle(&moved).await;
    // What is made later is called by the new name, and counted on from the old ones.
    sim.settle(&moved.replace("replicas = 3", "replicas = 4")).await;
    assert_snapshot!(containers(&sim, "lab").await, @"
    container alpine-01 machine.alpine-01 2221 → 22
    container alpine-02 machine.alpine-02 2222 → 22
    container alpine-03 machine.alpine-03 2223 → 22
    container linux-04 machine.linux-04 2224 → 22
    ");
}

#[tokio::test]
async fn a_pool_moves_to_another_host_but_for_what_is_reserved() {
    let sim = Sim::new();
    sim.settle(LAB).await;
    let moved = LAB.replace("docker = \"lab\"", "docker = \"other\"");
    let reserved = ["machine.alpine-02"];
    assert_snapshot!(rendered(&planned(&sim, &moved, &reserved).await), @"
    + image.other/sshd:1  other     new
    - machine.alpine-01   lab       no longer declared
    ! machine.alpine-01   other     removed outside, will be made again  port 127.0.0.1:2221/tcp
    - machine.alpine-03   lab       no longer declared
    ! machine.alpine-03   other     removed outside, will be made again  port 127.0.0.1:2223/tcp
    ? machine.alpine-02             no longer declared; reserved, so it goes when that ends
    1 to add, 2 to remove, 2 drifted, 1 note. No data is destroyed.
    ");
    settle(&sim, &moved, &reserved).await;
    assert_snapshot!(rendered(&planned(&sim, &moved, &[]).await), @"
    - machine.alpine-02  lab       no longer declared
    ! machine.alpine-02  other     removed outside, will be made again  port 127.0.0.1:2222/tcp
    1 to remove, 1 drifted. No data is destroyed.
    ");
    sim.settle(&moved).await;
    assert_snapshot!(containers(&sim, "other").await, @"
    container alpine-01 machine.alpine-01 2221 → 22
    container alpine-02 machine.alpine-02 2222 → 22
    container alpine-03 machine.alpine-03 2223 → 22
    ");
}

#[tokio::test]
async fn machines_are_counted_in_what_a_host_may_promise() {
    let sim = Sim::new();
    let rent = r#"
[bridge.tenants]
docker = "lab"
supernet = "10.64.0.0/24"
per_tenant_prefix = 28
[offer.small]
images = ["sshd"]
price = {}
container = { cpu = "1", memory = "64MiB" }
[tenant.acme]
[instance."acme/lobby"]
offer = "small"
location = "here"
[location.here]
"#;
    let host = "[docker.lab]\nlocation = \"here\"\ncapacity = { memory = \"400MiB\" }";
    let text = format!("{}{rent}", LAB.replace("[docker.lab]", host));
    assert_snapshot!(rendered(&sim.plan(&text).await), @"
    + image.lab/sshd:1     lab       new
    + machine.alpine-01    lab       new  port 127.0.0.1:2221/tcp
    + machine.alpine-02    lab       new  port 127.0.0.1:2222/tcp
    + machine.alpine-03    lab       new  port 127.0.0.1:2223/tcp
    ? instance.acme/lobby            cannot be done[E1002]: there is no room for it on `docker.lab`
          hint: make room, or remove the entry
    4 to add, 1 problem. No data is destroyed.
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(128)
    ))]

    #[test]
    fn nobody_loses_a_machine_that_is_reserved(
        a in estate(true), b in estate(true), picks in proptest::collection::vec(any::<bool>(), 10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let sim = Sim::new();
            sim.settle(&a.to_toml()).await;
            let things = sim.things("local").await;
            let machines = things.iter().filter_map(|(name, _)| name.rsplit(' ').next());
            let machines = machines.filter(|address| address.starts_with("machine."));
            let reserved = machines.zip(picks).filter(|(_, pick)| *pick).map(|(machine, _)| machine);
            let reserved: Vec<_> = reserved.collect();
            let addresses: BTreeSet<Address> =
                reserved.iter().map(|machine| machine.parse().unwrap()).collect();

            let plan = planned(&sim, &b.to_toml(), &reserved).await;
            let taken = |action| matches!(action, Action::Delete | Action::Replace);
            let lost = plan.changes.iter().find(|change| {
                taken(change.action) && addresses.contains(&change.address)
            });
            assert!(lost.is_none(), "{lost:#?}");
            settle(&sim, &b.to_toml(), &reserved).await;
            // And when it is over, everything is as declared.
            sim.settle(&b.to_toml()).await;
            let pools: usize = b.pools.values().map(|(count, ..)| usize::from(*count)).sum();
            let left = sim.things("local").await;
            let left = left.iter().filter(|(name, _)| name.contains(" machine."));
            assert_eq!(left.count(), pools);
        });
    }
}
