//! A run is stopped at each of its points, and again while it recovers. The next one finishes.

use lessor_plans::{Action, Body};
use lessor_tests::Sim;
use lessor_tests::crash::Crash;

/// Something of everything: what stays, what is changed in place, what is replaced with its
/// network, what goes, an instance that goes and one that comes.
const BEFORE: &str = r#"
[docker.local]
endpoint = "memory:"
[network.front]
[network.old]
[volume.data]
[volume.given-up]
[container.stays]
image = "a:1"
[container.grows]
image = "a:1"
memory = "64MiB"
[container.web]
image = "a:1"
networks = ["front"]
volumes = [{ volume = "data", path = "/data" }]
ports = [{ host = 8080, container = 80 }]
[container.goes]
image = "a:1"
networks = ["old"]
ports = [{ host = 8081, container = 80 }]
[port_range.games]
docker = "local"
range = "9000-9001"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/27"
per_tenant_prefix = 28
[image.game.container]
ref = "game:1"
[offer.small]
images = ["game"]
price = {}
container = { cpu = "1", memory = "64MiB", disk = "1GiB", ports = [{ range = "games", container = 25565 }] }
[tenant.acme]
[tenant.globex]
[tenant.initech]
[instance."acme/lobby"]
offer = "small"
[instance."globex/lobby"]
offer = "small"
"#;

fn after() -> String {
    BEFORE
        .replace("[network.front]", "[network.front]\ninternal = true")
        .replace("[network.old]\n", "")
        .replace("[volume.given-up]\n", "")
        .replace("memory = \"64MiB\"\n[container.web]", "memory = \"128MiB\"\n[container.web]")
        .replace("[container.goes]", "[container.comes]")
        .replace("networks = [\"old\"]\n", "depends_on = [\"container.web\"]\n")
        .replace("[instance.\"globex/lobby\"]", "[instance.\"acme/arena\"]")
}

async fn before() -> Sim {
    let sim = Sim::new();
    sim.settle(BEFORE).await;
    sim
}

/// The world as it has to be in the end, whatever happened on the way.
async fn world(sim: &Sim) -> Vec<(String, Body)> {
    sim.things("local").await
}

async fn expected() -> Vec<(String, Body)> {
    let sim = before().await;
    sim.settle(&after()).await;
    world(&sim).await
}

/// Finishes what was begun, and holds the world against what it has to be.
async fn finish(sim: &Sim, expected: &[(String, Body)], story: &str) {
    sim.settle(&after()).await;
    let found = world(sim).await;
    assert_eq!(found.len(), expected.len(), "orphans or duplicates after {story}");
    assert_eq!(found, expected, "{story}");
}

#[tokio::test(start_paused = true)]
async fn the_plan_is_mixed() {
    let sim = before().await;
    let plan = sim.plan(&after()).await;
    for action in [Action::Create, Action::Update, Action::Replace, Action::Delete] {
        assert!(plan.count(action) > 0, "{action:?}");
    }
    assert_eq!(plan.keeps.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_stopped_anywhere_is_finished_by_the_next() {
    let expected = expected().await;
    for point in 0.. {
        let sim = before().await;
        let crash = Crash::at(point);
        let completed = crash.apply(&sim, &after()).await;
        finish(&sim, &expected, &format!("a crash at point {point}")).await;
        if completed {
            assert!(point > 60, "only {point} points were tried");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_stopped_anywhere_is_finished_by_the_next() {
    let expected = expected().await;
    for first in 0.. {
        let mut completed_at_once = false;
        for second in 0.. {
            let sim = before().await;
            completed_at_once = Crash::at(first).apply(&sim, &after()).await;
            let recovered = Crash::at(second).apply(&sim, &after()).await;
            let story =
                format!("a crash at point {first} and one at point {second} of the recovery");
            finish(&sim, &expected, &story).await;
            if recovered {
                break;
            }
        }
        if completed_at_once {
            break;
        }
    }
}

/// What was there before: it is adopted, and then changed in place, replaced, and joined by more.
const ADOPTED: &str = r#"
[docker.local]
endpoint = "memory:"
[network.front]
adopted = "shop_front"
internal = true
[volume.data]
adopted = "shop_data"
[container.web]
adopted = "shop_web_1"
image = "a:2"
networks = ["front"]
volumes = [{ volume = "data", path = "/data" }]
[container.db]
adopted = "shop_db_1"
image = "a:1"
memory = "128MiB"
"#;

async fn by_hand() -> Sim {
    let found = ADOPTED.replace("internal = true\n", "").replace("a:2", "a:1").replace("128", "64");
    let sim = Sim::made_by_hand("local", &found).await;
    assert!(sim.plan(&found).await.is_empty());
    sim
}

#[tokio::test(start_paused = true)]
async fn a_replacement_of_adopted_things_stopped_anywhere_is_finished_by_the_next() {
    let expected = {
        let sim = by_hand().await;
        sim.settle(ADOPTED).await;
        world(&sim).await
    };
    let owners: Vec<_> = expected.iter().map(|(thing, _)| thing.as_str()).collect();
    assert_eq!(
        owners,
        [
            "container shop_db_1 ",
            "container shop_web_1 container.web",
            "network shop_front network.front",
            "volume shop_data "
        ]
    );
    for point in 0.. {
        let sim = by_hand().await;
        let completed = Crash::at(point).apply(&sim, ADOPTED).await;
        sim.settle(ADOPTED).await;
        assert_eq!(world(&sim).await, expected, "a crash at point {point}");
        if completed {
            assert!(point > 20, "only {point} points were tried");
            break;
        }
    }
}

#[tokio::test]
async fn what_was_replaced_before_the_run_was_cut_off_is_not_replaced_again() {
    let web = "[docker.local]\nendpoint = \"memory:\"\n[container.web]\nimage = \"a:1\"\n";
    let sim = Sim::new();
    sim.settle(web).await;
    let wishes = sim.wishes(&web.replace("a:1", "a:2"));
    let plan = sim.plan_for(&wishes).await;
    let ids = async || {
        let host = sim.host("local").host().await.unwrap();
        host.things.iter().map(|thing| thing.id).collect::<Vec<_>>()
    };
    let before = ids().await;
    sim.carry_out(&wishes.specs, plan.clone(), &sim.memory).await;
    let after = ids().await;
    assert_ne!(after, before);

    // Nobody wrote down that it was done, so it is done once more.
    let outcome = sim.carry_out(&wishes.specs, plan, &sim.memory).await;

    assert!(outcome.is_complete(), "{outcome:#?}");
    assert_eq!(ids().await, after);
}
