//! Planning scenarios: spec text in, rendered plan out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use insta::assert_snapshot;
use lessor_plans::Body;
use lessor_specs::EnvValue;
use lessor_tests::{Sim, rendered};

const HOST: &str = "[docker.par1]\nendpoint = \"memory:\"\n";

const WEB: &str = r#"
[docker.par1]
endpoint = "memory:"
[network.front]
[volume.content]
[container.web]
image = "nginx:1.27"
networks = ["front"]
volumes = [{ volume = "content", path = "/srv" }]
ports = [{ host = 8080, container = 80 }]
memory = "128MiB"
env = { MODE = "fast" }
"#;

const RENT: &str = r#"
[docker.par1]
endpoint = "memory:"
[port_range.games]
docker = "par1"
range = "25565-25570"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/24"
per_tenant_prefix = 28
[image.game.container]
ref = "game:1"
[offer.small]
images = ["game"]
price = {}
container = { cpu = "1", memory = "64MiB", disk = "1GiB", ports = [{ range = "games", container = 25565 }] }
[tenant.acme]
[tenant.globex]
[instance."acme/lobby"]
offer = "small"
[instance."globex/lobby"]
offer = "small"
"#;

fn container(body: &mut Body) -> &mut lessor_plans::ContainerBody {
    body.container_mut().unwrap()
}

#[tokio::test]
async fn everything_is_made_on_an_empty_host() {
    let sim = Sim::new();
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"
    + container.web          par1      new  port 8080/tcp
    + image.par1/nginx:1.27  par1      new
    + network.front          par1      new
    + volume.content         par1      new
    4 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_was_applied_needs_nothing() {
    let sim = Sim::new();
    sim.apply(WEB).await;
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"In sync: 3 things are as declared.");
}

#[tokio::test]
async fn memory_changes_in_place_and_an_image_replaces() {
    let sim = Sim::new();
    sim.apply(WEB).await;
    let memory = sim.plan(&WEB.replace("128MiB", "256MiB")).await;
    assert_snapshot!(rendered(&memory), @"
    ~ container.web  par1      memory changed
          memory: 128MiB → 256MiB
    1 to change. No data is destroyed.
    ");
    let image = sim.plan(&WEB.replace("1.27", "1.28").replace("fast", "safe")).await;
    assert_snapshot!(rendered(&image), @"
    ± container.web          par1      env.MODE and image changed, replaced
          env.MODE: fast → safe
          image: nginx:1.27 → nginx:1.28
    + image.par1/nginx:1.28  par1      new
    1 to add, 1 to replace. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_new_network_takes_its_containers_along() {
    let sim = Sim::new();
    sim.apply(WEB).await;
    let plan = sim.plan(&WEB.replace("[network.front]", "[network.front]\ninternal = true")).await;
    assert_snapshot!(rendered(&plan), @"
    ± container.web  par1      follows `network.front`, replaced
    ± network.front  par1      internal changed, replaced
          internal: (none) → true
    2 to replace. No data is destroyed.
    ");
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            format!("{} {} after {:?}", step.act, plan.changes[step.change].address, step.needs)
        })
        .collect();
    assert_snapshot!(steps.join("\n"), @"
    delete container.web after []
    delete network.front after [0]
    create network.front after [1]
    create container.web after [0, 2]
    ");
}

#[tokio::test]
async fn an_instance_brings_its_network_volume_and_port() {
    let sim = Sim::new();
    assert_snapshot!(rendered(&sim.plan(RENT).await), @"
    + bridge.tenants/acme    par1      new  subnet 10.64.0.0/28
    + bridge.tenants/globex  par1      new  subnet 10.64.0.16/28
    + image.par1/game:1      par1      new
    + instance.acme/lobby    par1      new  port 25565/tcp
    + instance.globex/lobby  par1      new  port 25566/tcp
    + volume.acme/lobby      par1      new
    + volume.globex/lobby    par1      new
    7 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn ports_and_subnets_stay_when_a_neighbour_leaves_and_come_back_with_another() {
    let sim = Sim::new();
    sim.settle(RENT).await;
    let without = RENT.replace("[instance.\"acme/lobby\"]\noffer = \"small\"\n", "");
    assert_snapshot!(rendered(&sim.plan(&without).await), @"
    - bridge.tenants/acme  par1      no longer declared
    - instance.acme/lobby  par1      no longer declared
    ? volume.acme/lobby    par1      no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    ");
    sim.apply(&without).await;
    let another = without + "[instance.\"acme/arena\"]\noffer = \"small\"\n";
    assert_snapshot!(rendered(&sim.plan(&another).await), @"
    + bridge.tenants/acme  par1      new  subnet 10.64.0.0/28
    + instance.acme/arena  par1      new  port 25565/tcp
    + volume.acme/arena    par1      new
    ? volume.acme/lobby              no longer declared; its data is kept until 2026-11-28T12:00:00Z
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.acme/lobby` to end it now
    3 to add, 1 note. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_somebody_changed_is_drift_and_what_a_spec_changed_is_not() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    sim.by_hand("par1", |host| {
        let web = host.things.iter_mut().find(|t| t.body.sort() == "container").unwrap();
        container(&mut web.body).memory = Some("1GiB".parse().unwrap());
        container(&mut web.body).running = false;
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"
    ! container.web  par1      memory and running changed outside, will be set back
          memory: 1GiB → 128MiB
          running: false → true
    1 drifted. No data is destroyed.
    ");
    let edited = sim.plan(&WEB.replace("128MiB", "256MiB")).await;
    assert_snapshot!(rendered(&edited), @"
    ~ container.web  par1      memory and running changed
          memory: 1GiB → 256MiB
          running: false → true
    1 to change. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_somebody_removed_is_drift() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    sim.by_hand("par1", |host| host.things.retain(|t| t.body.sort() != "container")).await;
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"
    ! container.web  par1      removed outside, will be made again  port 8080/tcp
    1 drifted. No data is destroyed.
    ");
}

#[tokio::test]
async fn without_a_journal_a_difference_is_a_change() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    sim.memory.edit(|rows| *rows = lessor_tests::Memories::default());
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"In sync: 3 things are as declared.");
    sim.by_hand("par1", |host| {
        let web = host.things.iter_mut().find(|t| t.body.sort() == "container").unwrap();
        container(&mut web.body).env.insert("MODE".into(), EnvValue::Plain("slow".into()));
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"
    ± container.web  par1      env.MODE changed, replaced
          env.MODE: slow → fast
    1 to replace. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_renamed_entry_costs_nothing_and_an_unexplained_one_starts_anew() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    let renamed = WEB
        .replace("[network.front]", "[network.edge]\nmoved = [\"network.front\"]")
        .replace("\"front\"]", "\"edge\"]")
        .replace("moved = [\"network.edge\"]", "moved = [\"network.front\"]")
        .replace("[container.web]", "[container.www]\nmoved = [\"container.web\"]");
    assert_snapshot!(rendered(&sim.plan(&renamed).await), @"In sync: 3 things are as declared.");
    let unexplained = WEB.replace("[container.web]", "[container.www]");
    let plan = sim.plan(&unexplained).await;
    assert_snapshot!(rendered(&plan), @r#"
    - container.web  par1      no longer declared, and `container.www` is the same
          hint: if it is called `container.www` now, write `moved = ["container.web"]` there, and it stays
    + container.www  par1      new  port 8080/tcp
    1 to add, 1 to remove. No data is destroyed.
    "#);
}

#[tokio::test]
async fn a_renamed_instance_keeps_its_data_and_its_port() {
    let sim = Sim::new();
    sim.settle(RENT).await;
    let renamed = RENT.replace(
        "[instance.\"acme/lobby\"]",
        "[instance.\"acme/arena\"]\nmoved = [\"instance.acme/lobby\"]",
    );
    let plan = sim.plan(&renamed).await;
    assert_snapshot!(rendered(&plan), @"In sync: 6 things are as declared.");
    sim.settle(&renamed).await;
}

#[tokio::test]
async fn data_is_kept_when_nobody_declares_it_and_taken_back_when_somebody_does() {
    let mut sim = Sim::new();
    sim.settle(WEB).await;
    assert_snapshot!(rendered(&sim.plan(HOST).await), @"
    - container.web   par1      no longer declared
    - network.front   par1      no longer declared
    ? volume.content  par1      no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    ");
    sim.apply(HOST).await;
    assert_snapshot!(rendered(&sim.plan(HOST).await), @"
    ? volume.content            no longer declared; its data is kept until 2026-11-28T12:00:00Z
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.content` to end it now
    In sync: nothing is there but what is kept; 1 note.
    ");
    assert_snapshot!(rendered(&sim.plan(WEB).await), @"
    + container.web  par1      new  port 8080/tcp
    + network.front  par1      new
    2 to add. No data is destroyed.
    ");
    sim.now = "2026-12-01T00:00:00Z".parse().unwrap();
    assert_snapshot!(rendered(&sim.plan(HOST).await), @"
    - volume.content  par1      its data was kept until 2026-11-28T12:00:00Z  its data is destroyed
    1 to remove. Data is destroyed.
    ");
    sim.apply(WEB).await;
    assert!(sim.memory.rows().kept.is_empty(), "what is declared again is no longer kept");
}

#[tokio::test]
async fn a_strangers_name_or_port_stops_the_plan_before_anything_runs() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    let theirs = sim.things("par1").await;
    let sim = Sim::new();
    sim.by_hand("par1", move |host| {
        for (_, body) in theirs {
            host.put(body, [].into());
        }
    })
    .await;
    let fatal = sim.plan(&WEB.replace("front", "edge").replace("content", "data")).await;
    assert_snapshot!(rendered(&fatal), @"
    + container.web          par1      new  port 8080/tcp
    + image.par1/nginx:1.27  par1      new
    + network.edge           par1      new
    + volume.data            par1      new
    ? container.web                    cannot be done[E1005]: name `web` on `docker.par1` belongs to container `web`, which is not ours
          hint: rename the entry, or remove that one by hand
    ? container.web                    cannot be done[E1006]: port 8080/tcp on `docker.par1` belongs to container `web`, which is not ours
          hint: choose another port, or stop what has it
    4 to add, 2 problems. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_port_a_stranger_has_taken_is_not_given_out() {
    let sim = Sim::new();
    sim.settle(&WEB.replace("8080", "25565")).await;
    let theirs = sim.things("par1").await;
    let sim = Sim::new();
    sim.by_hand("par1", move |host| {
        for (_, body) in theirs {
            host.put(body, [].into());
        }
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(RENT).await), @"
    + bridge.tenants/acme    par1      new  subnet 10.64.0.0/28
    + bridge.tenants/globex  par1      new  subnet 10.64.0.16/28
    + image.par1/game:1      par1      new
    + instance.acme/lobby    par1      new  port 25566/tcp
    + instance.globex/lobby  par1      new  port 25567/tcp
    + volume.acme/lobby      par1      new
    + volume.globex/lobby    par1      new
    7 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_range_or_a_host_that_is_full_is_said_before_anything_runs() {
    let sim = Sim::new();
    let tight = RENT.replace("25565-25570", "25565").replace(
        "endpoint = \"memory:\"",
        "endpoint = \"memory:\"\ncapacity = { memory = \"100MiB\" }",
    );
    assert_snapshot!(rendered(&sim.plan(&tight).await), @"
    + bridge.tenants/acme    par1      new  subnet 10.64.0.0/28
    + image.par1/game:1      par1      new
    + instance.acme/lobby    par1      new  port 25565/tcp
    + volume.acme/lobby      par1      new
    ? instance.globex/lobby            cannot be done[E1002]: there is no room for it on `docker.par1`
          hint: make room, or remove the entry
    4 to add, 1 problem. No data is destroyed.
    ");
}

#[tokio::test]
async fn instances_go_to_the_first_host_with_room_and_stay_there() {
    let sim = Sim::new();
    let two = r#"
[docker.a]
endpoint = "memory:"
capacity = { memory = "100MiB" }
[docker.b]
endpoint = "memory:"
[bridge.a]
docker = "a"
supernet = "10.1.0.0/24"
per_tenant_prefix = 28
[bridge.b]
docker = "b"
supernet = "10.2.0.0/24"
per_tenant_prefix = 28
[image.game.container]
ref = "game:1"
[offer.small]
images = ["game"]
price = {}
container = { cpu = "1", memory = "64MiB" }
[tenant.acme]
[instance."acme/one"]
offer = "small"
[instance."acme/two"]
offer = "small"
"#;
    assert_snapshot!(rendered(&sim.plan(two).await), @"
    + bridge.a/acme      a         new  subnet 10.1.0.0/28
    + bridge.b/acme      b         new  subnet 10.2.0.0/28
    + image.a/game:1     a         new
    + image.b/game:1     b         new
    + instance.acme/one  a         new
    + instance.acme/two  b         new
    6 to add. No data is destroyed.
    ");
    sim.settle(two).await;
    // Room on the first host now, and nothing moves.
    sim.settle(&two.replace("100MiB", "1GiB")).await;
}

#[tokio::test]
async fn a_selection_brings_along_what_it_needs() {
    let sim = Sim::new();
    let mut wishes = sim.wishes(&format!("{WEB}[container.other]\nimage = \"other:1\"\n"));
    wishes.selection.targets.push("container.web".parse().unwrap());
    assert_snapshot!(rendered(&sim.plan_for(&wishes).await), @"
    + container.web          par1      new  port 8080/tcp
    + image.par1/nginx:1.27  par1      new
    + network.front          par1      new
    + volume.content         par1      new
    4 to add, 2 left out by the selection. No data is destroyed.
    ");
    wishes.selection.excludes.push("volume.*".parse().unwrap());
    assert_snapshot!(rendered(&sim.plan_for(&wishes).await), @"
    + image.par1/nginx:1.27  par1      new
    + network.front          par1      new
    2 to add, 4 left out by the selection. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_secret_that_is_not_to_be_had_is_not_compared() {
    let sim = Sim::new();
    let text = WEB.replace("MODE = \"fast\"", "PASSWORD = \"secret://env/NOWHERE\"");
    let mut wishes = sim.wishes(&text);
    let secret = "secret://env/NOWHERE".parse().unwrap();
    wishes.unresolved.insert(secret, "the variable `NOWHERE` is not set".into());
    assert_snapshot!(rendered(&sim.plan_for(&wishes).await), @"
    + container.web          par1      new  port 8080/tcp
    + image.par1/nginx:1.27  par1      new
    + network.front          par1      new
    + volume.content         par1      new
    ? container.web                    `env.PASSWORD` is not compared: the variable `NOWHERE` is not set
    4 to add, 1 note. No data is destroyed.
    ");
}

#[tokio::test]
async fn removals_beyond_one_are_held_until_somebody_agrees() {
    let sim = Sim::new();
    sim.settle(RENT).await;
    let held = sim.held(HOST).await.unwrap_err();
    let rules: Vec<_> = held
        .rules
        .iter()
        .map(|rule| format!("{}: {} ({})", rule.rule, rule.why, rule.consent))
        .collect();
    assert_snapshot!(rules.join("\n"), @"
    removals: the plan removes 2 of 6 things, and more than 1 at once needs consent (--allow-removals 2)
    empty: no spec declares anything, and what is there would go: 6 things (--allow empty)
    ");
    let one = RENT.replace("[instance.\"acme/lobby\"]\noffer = \"small\"\n", "");
    assert_eq!(sim.held(&one).await, Ok(()), "one instance with its network is one removal");
}

#[tokio::test]
async fn a_tenant_that_loses_two_instances_is_held() {
    let sim = Sim::new();
    let three =
        format!("{RENT}[instance.\"acme/a\"]\noffer = \"small\"\n[policy.gate]\nremovals = 9\n");
    sim.settle(&three).await;
    let fewer = three
        .replace("[instance.\"acme/a\"]\noffer = \"small\"\n", "")
        .replace("[instance.\"acme/lobby\"]\noffer = \"small\"\n", "");
    let held = sim.held(&fewer).await.unwrap_err();
    assert_snapshot!(held.rules[0].why, @"`tenant.acme` loses 2 instances at once");
}

#[tokio::test]
async fn lost_data_is_held_whatever_the_count() {
    let sim = Sim::new();
    sim.settle(WEB).await;
    let replaced =
        WEB.replace("[volume.content]", "[volume.content]\nlabels = { tier = \"fast\" }");
    assert_snapshot!(rendered(&sim.plan(&replaced).await), @"
    ± container.web   par1      follows `volume.content`, replaced
    ± volume.content  par1      labels.tier changed, replaced  its data is destroyed
          labels.tier: (none) → fast
    2 to replace. Data is destroyed.
    ");
    let held = sim.held(&replaced).await.unwrap_err();
    assert_snapshot!(format!("{}: {}", held.rules[0].why, held.rules[0].consent), @"the plan destroys the data of `volume.content`: --destroy-data volume.content");
}

#[tokio::test]
async fn a_strangers_port_stops_a_replacement_before_anything_is_removed() {
    let sim = Sim::new();
    sim.settle(&WEB.replace("8080", "9090")).await;
    let theirs = sim.things("par1").await;
    let sim = Sim::new();
    sim.settle(&WEB.replace("web", "www")).await;
    sim.by_hand("par1", move |host| {
        let web = theirs.into_iter().find(|(name, _)| name.starts_with("container"));
        host.put(web.unwrap().1, [].into());
    })
    .await;
    let plan = sim.plan(&WEB.replace("web", "www").replace("8080", "9090")).await;
    assert_snapshot!(rendered(&plan), @"
    ± container.www  par1      ports changed, replaced
          ports: [0.0.0.0:8080→80/tcp] → [0.0.0.0:9090→80/tcp]
    ? container.www            cannot be done[E1006]: port 9090/tcp on `docker.par1` belongs to container `web`, which is not ours
          hint: choose another port, or stop what has it
    1 to replace, 1 problem. No data is destroyed.
    ");
}

/// What somebody made by hand, and the entries that adopt it.
const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:"
[network.front]
adopted = "shop_front"
[volume.data]
adopted = "shop_data"
[container.web]
adopted = "shop_web_1"
image = "nginx:1.27"
networks = ["front"]
volumes = [{ volume = "data", path = "/srv" }]
memory = "128MiB"
"#;

async fn shop_by_hand() -> Sim {
    Sim::made_by_hand("par1", SHOP).await
}

#[tokio::test]
async fn what_is_adopted_is_compared_and_changed_like_one_of_ours() {
    let sim = shop_by_hand().await;
    assert_snapshot!(rendered(&sim.plan(SHOP).await), @"In sync: 3 things are as declared.");
    let bigger = SHOP.replace("128MiB", "256MiB");
    assert_snapshot!(rendered(&sim.plan(&bigger).await), @"
    ~ container.web  par1      memory changed
          memory: 128MiB → 256MiB
    1 to change. No data is destroyed.
    ");
    sim.settle(&bigger).await;
    assert!(sim.things("par1").await.iter().any(|(thing, _)| thing == "container shop_web_1 "));
}

#[tokio::test]
async fn what_replaces_an_adopted_thing_carries_our_mark_and_its_name() {
    let sim = shop_by_hand().await;
    let newer = SHOP.replace("1.27", "1.28");
    assert_snapshot!(rendered(&sim.plan(&newer).await), @"
    ± container.web          par1      image changed, replaced
          image: nginx:1.27 → nginx:1.28
    + image.par1/nginx:1.28  par1      new
    ? container.web                    was adopted; the new one carries our mark
    1 to add, 1 to replace, 1 note. No data is destroyed.
    ");
    sim.settle(&newer).await;
    assert_snapshot!(rendered(&sim.plan(&newer).await), @r#"
    ? container.web            carries our mark by now, so that `adopted` says nothing any more
          hint: remove the line `adopted = "shop_web_1"` from its entry
    In sync: 3 things are as declared; 1 note.
    "#);
    // The line can go, and then the entry means one of ours, with all that follows.
    let without = newer.replace("adopted = \"shop_web_1\"\n", "");
    assert_snapshot!(rendered(&sim.plan(&without).await), @"In sync: 3 things are as declared.");
}

#[tokio::test]
async fn without_its_entry_an_adopted_thing_is_forgotten_and_stays() {
    let sim = shop_by_hand().await;
    sim.settle(SHOP).await;
    let before = sim.things("par1").await;
    assert_snapshot!(rendered(&sim.plan(HOST).await), @"In sync: nothing is there, as declared.");
    sim.settle(HOST).await;
    assert_eq!(sim.things("par1").await, before);
}

#[tokio::test]
async fn an_adopted_thing_that_is_not_there_is_made_under_its_name() {
    let sim = shop_by_hand().await;
    sim.by_hand("par1", |host| host.things.retain(|thing| thing.body.sort() != "container")).await;
    assert_snapshot!(rendered(&sim.plan(SHOP).await), @"
    + container.web  par1      new
    ? container.web            adopts container `shop_web_1`, which is not there; the new one carries our mark
    1 to add, 1 note. No data is destroyed.
    ");
    sim.settle(SHOP).await;
    let names: Vec<_> = sim.things("par1").await.into_iter().map(|(thing, _)| thing).collect();
    assert_snapshot!(names.join("\n"), @"
    container shop_web_1 container.web
    network shop_front 
    volume shop_data
    ");
}

#[tokio::test]
async fn what_cannot_be_adopted_stops_the_plan() {
    let sim = shop_by_hand().await;
    sim.by_hand("par1", |host| {
        for thing in &mut host.things {
            let name = thing.body.name().to_owned();
            thing.mark = [
                ("lessor.mark".to_owned(), "lessor/1".to_owned()),
                ("lessor.installation".to_owned(), "another-1".to_owned()),
                ("lessor.address".to_owned(), "network.front".to_owned()),
                ("lessor.origin".to_owned(), "file".to_owned()),
                ("lessor.name".to_owned(), name),
            ]
            .into_iter()
            .collect();
        }
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(SHOP).await), @"
    ? container.web            cannot be done[E1009]: it cannot be adopted: `shop_web_1` belongs to installation `another-1`
          hint: drop `adopted`, or name another thing
    ? network.front            cannot be done[E1009]: it cannot be adopted: `shop_front` belongs to installation `another-1`
          hint: drop `adopted`, or name another thing
    ? volume.data              cannot be done[E1009]: it cannot be adopted: `shop_data` belongs to installation `another-1`
          hint: drop `adopted`, or name another thing
    Nothing differs beside what is wrong; 3 problems.
    ");
}

#[tokio::test]
async fn a_new_thing_takes_no_name_that_an_adopted_one_has() {
    let sim = shop_by_hand().await;
    let more = format!("{SHOP}[container.shop-web-1]\nimage = \"nginx:1.27\"\n")
        .replace("shop_web_1", "shop-web-1");
    sim.by_hand("par1", |host| {
        let web = host.things.iter_mut().find(|thing| thing.body.sort() == "container").unwrap();
        web.body.set_name("shop-web-1".into());
    })
    .await;
    assert_snapshot!(rendered(&sim.plan(&more).await), @"
    + container.shop-web-1  par1      new
    1 to add. No data is destroyed.
    ");
    sim.settle(&more).await;
}
