//! Planning with what customers ordered: specs and orders in, a plan out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use insta::assert_snapshot;
use jiff::Timestamp;
use lessor_engine::{Consent, OrdersRead, Scope, Wishes, gate};
use lessor_plans::{Body, Plan};
use lessor_specs::load::parse;
use lessor_specs::orders::{EndedOrder, OrderEntry, Version};
use lessor_specs::{OrderPhase, Orders, Tree};
use lessor_tests::{Sim, rendered};

const SPECS: &str = r#"
[docker.par1]
endpoint = "memory:"
[port_range.games]
docker = "par1"
range = "25565-25567"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image.paper.container]
ref = "paper:1"
[offer.survival]
images = ["paper"]
price = {}
[offer.survival.container]
cpu = "1"
memory = "2GiB"
disk = "10GiB"
ports = [{ range = "games", container = 25565 }]
[tenant.acme]
[policy.orders]
apply = "auto"
"#;

/// A container of the operator's own, beside [`SPECS`].
const EDGE: &str = "[container.edge]\nimage = \"edge:1\"\n";

/// Orders of the offer as [`SPECS`] have it: each by its name, with its phase.
fn orders(of: &[(&str, OrderPhase)]) -> Orders {
    let tree = Tree::new([("specs.toml".to_owned(), SPECS.to_owned())].into());
    let specs = parse(tree).unwrap().specs;
    let version = Version::of(&specs, "survival").unwrap();
    let mut orders = Orders::default();
    for (name, phase) in of {
        let instance = toml::from_str(&format!("offer = {:?}", version.name)).unwrap();
        let entry = OrderEntry {
            id: format!("ord_{}", name.split_once('/').unwrap().1),
            phase: *phase,
            stopped: false,
            ended_by: None,
            keep_until: None,
            instance,
        };
        orders.orders.insert((*name).to_owned(), entry);
    }
    orders.add_version(version);
    orders
}

fn active(names: &[&str]) -> Orders {
    orders(&names.iter().map(|name| (*name, OrderPhase::Active)).collect::<Vec<_>>())
}

/// Orders that are over, by what they were called.
fn ended(mut orders: Orders, names: &[&str]) -> Orders {
    for name in names {
        orders.orders.remove(*name);
        let id = format!("ord_{}", name.split_once('/').unwrap().1);
        orders.ended.insert(id, EndedOrder { name: (*name).into(), event: "evt_1".into() });
    }
    orders
}

/// A world where these specs and orders were applied.
async fn settled(text: &str, orders: &Orders) -> Sim {
    let sim = Sim::new();
    let wishes = sim.wishes_with(text, orders);
    let plan = sim.plan_for(&wishes).await;
    let outcome = sim.carry_out(&wishes.specs, plan, &sim.memory).await;
    assert!(outcome.is_complete(), "{outcome:#?}");
    let plan = sim.plan_for(&sim.wishes_with(text, orders)).await;
    assert!(plan.is_empty(), "{}", rendered(&plan));
    sim
}

async fn plan(sim: &Sim, text: &str, orders: &Orders) -> Plan {
    sim.plan_for(&sim.wishes_with(text, orders)).await
}

/// The plan of those who only look for what differs.
async fn drift(sim: &Sim, text: &str, orders: &Orders) -> Plan {
    let mut wishes = sim.wishes_with(text, orders);
    wishes.selection.scope = Scope::Settled;
    sim.plan_for(&wishes).await
}

/// The plan of a run that nobody watches.
async fn unattended(sim: &Sim, text: &str, orders: &Orders) -> Plan {
    let wishes = sim.wishes_with(text, orders).unattended().unwrap();
    sim.plan_for(&wishes).await
}

/// What the gate says to a plan without anybody's consent.
fn passes(plan: &Plan) -> String {
    let consent = Consent::none(plan.id());
    match gate(plan.clone(), &consent) {
        Ok(_) => "passes".into(),
        Err(held) => {
            let rules = held.rules.iter().map(|held| format!("held: {} ({})", held.why, held.rule));
            rules.collect::<Vec<_>>().join("\n")
        }
    }
}

async fn carry_out(sim: &Sim, wishes: &Wishes) {
    let plan = sim.plan_for(wishes).await;
    assert_eq!(passes(&plan), "passes");
    let outcome = sim.carry_out(&wishes.specs, plan, &sim.memory).await;
    assert!(outcome.is_complete(), "{outcome:#?}");
}

async fn things(sim: &Sim) -> String {
    let things = sim.things("par1").await.into_iter();
    let ours = things.map(|(name, body)| {
        let running = match body {
            Body::Container(container) if container.running => ", runs",
            Body::Container(_) => ", stands still",
            _ => "",
        };
        format!("{name}{running}")
    });
    ours.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_order_is_planned_beside_the_files() {
    let orders = orders(&[("acme/lobby", OrderPhase::Provisioning)]);
    let plan = plan(&Sim::new(), &format!("{SPECS}{EDGE}"), &orders).await;
    assert_snapshot!(rendered(&plan), @"
    + bridge.tenants/acme  par1      new  order ord_lobby  subnet 10.64.0.0/28
    + container.edge       par1      new
    + image.par1/edge:1    par1      new
    + image.par1/paper:1   par1      new  order ord_lobby
    + instance.acme/lobby  par1      new  order ord_lobby  port 25565/tcp
    + volume.acme/lobby    par1      new  order ord_lobby
    ? order ord_lobby                provisioning, `instance.acme/lobby`
    6 to add, 1 note. No data is destroyed.
    ");
    assert_eq!(passes(&plan), "passes");
}

#[tokio::test]
async fn what_was_bought_stays_when_its_offer_is_changed_or_withdrawn() {
    let orders = active(&["acme/lobby"]);
    let sim = settled(SPECS, &orders).await;
    let (without, _) = SPECS.split_once("[image.paper").unwrap();
    for later in [SPECS.replace("2GiB", "4GiB"), format!("{without}[tenant.acme]\n")] {
        let plan = plan(&sim, &later, &orders).await;
        assert!(plan.is_empty(), "{}", rendered(&plan));
    }
}

#[tokio::test]
async fn without_orders_what_they_made_is_neither_compared_nor_removed() {
    let sim = settled(SPECS, &active(&["acme/lobby", "acme/two"])).await;
    let mut wishes = sim.wishes(&format!("{SPECS}{EDGE}"));
    wishes.orders = OrdersRead::NotRead;
    let plan = sim.plan_for(&wishes).await;
    assert_snapshot!(rendered(&plan), @"
    + container.edge     par1      new
    + image.par1/edge:1  par1      new
    ? orders                       5 things were ordered, and no orders were read; not compared
          hint: name a file that `lessor render --orders` wrote: `--orders FILE`
    2 to add, 1 note. No data is destroyed.
    ");
    assert!(plan.forget.is_empty());
}

#[tokio::test]
async fn orders_that_are_lost_take_nothing_with_them() {
    let sim = settled(SPECS, &active(&["acme/lobby", "acme/two"])).await;
    let none = plan(&sim, SPECS, &Orders::default()).await;
    let one = plan(&sim, SPECS, &active(&["acme/two"])).await;
    assert_snapshot!(format!("{}\n{}\n\n{}", rendered(&none), passes(&none), passes(&one)), @"
    - bridge.tenants/acme  par1      no longer declared  order ord_lobby
    - instance.acme/lobby  par1      no longer declared  order ord_lobby
    - instance.acme/two    par1      no longer declared  order ord_two
    ? volume.acme/lobby    par1      no longer declared; its data is kept for 7d
    ? volume.acme/two      par1      no longer declared; its data is kept for 7d
    3 to remove, 2 to keep. No data is destroyed.
    held: the plan removes 2 of 5 things, and more than 1 at once needs consent (removals)
    held: `tenant.acme` loses 2 instances at once (tenant)
    held: the plan removes 2 things that a customer ordered, and there is no order at all (orders)

    held: the plan removes 1 thing that a customer ordered, and the 1 order there is does not ask for it (orders)
    ");
}

#[tokio::test]
async fn an_order_that_ended_agrees_to_lose_what_it_made_and_nothing_else() {
    let sim = settled(SPECS, &active(&["acme/lobby", "acme/two"])).await;
    let first = ended(active(&["acme/two"]), &["acme/lobby"]);
    let plan = plan(&sim, SPECS, &first).await;
    assert_snapshot!(rendered(&plan), @"
    - instance.acme/lobby  par1      order ord_lobby ended (evt_1)
    - volume.acme/lobby    par1      order ord_lobby ended (evt_1)  its data is destroyed
    2 to remove. Data is destroyed.
    ");
    carry_out(&sim, &sim.wishes_with(SPECS, &first)).await;
    let left = things(&sim).await;
    let both = ended(active(&["acme/two"]), &["acme/two"]);
    carry_out(&sim, &sim.wishes_with(SPECS, &both)).await;
    assert_snapshot!(format!("{left}\n\nthen\n{}", things(&sim).await), @"
    container acme_two instance.acme/two, runs
    network tenants_acme bridge.tenants/acme
    volume acme_two volume.acme/two

    then
    ");
}

#[tokio::test]
async fn an_order_that_ends_is_stopped_and_its_data_kept_until_its_date() {
    let mut sim = settled(SPECS, &active(&["acme/lobby"])).await;
    let mut orders = orders(&[("acme/lobby", OrderPhase::Terminating)]);
    let lobby = orders.orders.get_mut("acme/lobby").unwrap();
    lobby.ended_by = Some("evt_7".into());
    lobby.keep_until = Some("2026-11-28T12:00:00Z".parse::<Timestamp>().unwrap());
    let first = plan(&sim, SPECS, &orders).await;
    carry_out(&sim, &sim.wishes_with(SPECS, &orders)).await;
    let kept = plan(&sim, SPECS, &orders).await;
    sim.now = "2026-11-28T12:00:00Z".parse().unwrap();
    let due = plan(&sim, SPECS, &orders).await;
    assert_snapshot!(format!(
        "{}\n\nkept\n{}\nvalid until {}\n\ndue\n{}\n{}",
        rendered(&first), rendered(&kept), kept.valid_until.unwrap(), rendered(&due), passes(&due),
    ), @"
    ~ instance.acme/lobby  par1      running changed  order ord_lobby
          running: true → false
    ? instance.acme/lobby            order ord_lobby ended; its data is kept until 2026-11-28T12:00:00Z
    1 to change, 1 note. No data is destroyed.

    kept
    ? instance.acme/lobby            order ord_lobby ended; its data is kept until 2026-11-28T12:00:00Z
    In sync: 2 things are as declared; 1 note.
    valid until 2026-11-28T12:00:00Z

    due
    - bridge.tenants/acme  par1      order ord_lobby ended (evt_7)
    - instance.acme/lobby  par1      order ord_lobby ended (evt_7)
    - volume.acme/lobby    par1      order ord_lobby ended (evt_7)  its data is destroyed
    3 to remove. Data is destroyed.
    passes
    ");
}

#[tokio::test]
async fn a_suspended_order_stands_still_and_goes_on_where_it_was() {
    let sim = settled(SPECS, &active(&["acme/lobby"])).await;
    let suspended = orders(&[("acme/lobby", OrderPhase::Suspended)]);
    let plan = plan(&sim, SPECS, &suspended).await;
    carry_out(&sim, &sim.wishes_with(SPECS, &suspended)).await;
    let still = things(&sim).await;
    carry_out(&sim, &sim.wishes_with(SPECS, &active(&["acme/lobby"]))).await;
    assert_snapshot!(format!("{}\n{still}\n{}", rendered(&plan), things(&sim).await), @"
    ~ instance.acme/lobby  par1      running changed  order ord_lobby
          running: true → false
    1 to change. No data is destroyed.
    container acme_lobby instance.acme/lobby, stands still
    network tenants_acme bridge.tenants/acme
    volume acme_lobby volume.acme/lobby
    container acme_lobby instance.acme/lobby, runs
    network tenants_acme bridge.tenants/acme
    volume acme_lobby volume.acme/lobby
    ");
}

#[tokio::test]
async fn orders_that_are_carried_out_are_no_drift_and_others_are() {
    let sim = settled(SPECS, &active(&["acme/lobby"])).await;
    let both =
        orders(&[("acme/lobby", OrderPhase::Active), ("acme/two", OrderPhase::Provisioning)]);
    let waiting = drift(&sim, SPECS, &both).await;
    sim.by_hand("par1", |host| {
        host.things.retain(|thing| thing.body.sort() != "container");
    })
    .await;
    let drifted = drift(&sim, SPECS, &both).await;
    assert_snapshot!(format!("{}\n\n{}", rendered(&waiting), rendered(&drifted)), @"
    ? order ord_two            provisioning, `instance.acme/two`
    In sync: 3 things are as declared; 1 note.

    ! instance.acme/lobby  par1      removed outside, will be made again  order ord_lobby  port 25565/tcp
    ? order ord_two                  provisioning, `instance.acme/two`
    1 drifted, 1 note. No data is destroyed.
    ");
    assert!(waiting.is_empty());
}

#[tokio::test]
async fn nobody_watching_orders_go_ahead_and_the_operator_is_waited_for() {
    let sim = settled(&format!("{SPECS}{EDGE}"), &active(&["acme/lobby"])).await;
    let text = format!("{SPECS}{}[volume.more]\n", EDGE.replace("edge:1", "edge:2"));
    let orders = ended(orders(&[("acme/two", OrderPhase::Provisioning)]), &["acme/lobby"]);
    let plan = unattended(&sim, &text, &orders).await;
    assert_snapshot!(format!("{}\n{}", rendered(&plan), passes(&plan)), @"
    - instance.acme/lobby  par1      order ord_lobby ended (evt_1)
    + instance.acme/two    par1      new  order ord_two  port 25566/tcp
    - volume.acme/lobby    par1      order ord_lobby ended (evt_1)  its data is destroyed
    + volume.acme/two      par1      new  order ord_two
    ? order ord_two                  provisioning, `instance.acme/two`
    2 to add, 2 to remove, 3 left out by the selection, 1 note. Data is destroyed.
    passes
    ");
    carry_out(&sim, &sim.wishes_with(&text, &orders).unattended().unwrap()).await;
    assert_snapshot!(things(&sim).await, @"
    container acme_two instance.acme/two, runs
    container edge container.edge, runs
    network tenants_acme bridge.tenants/acme
    volume acme_two volume.acme/two
    ");
}

#[tokio::test]
async fn room_that_an_operator_makes_is_waited_for() {
    // The operator's container has the only port that is left, until its change is applied.
    let text = SPECS.replace("25565-25567", "25565");
    let port = "ports = [{ container = 80, host = 25565, bind = \"0.0.0.0\" }]\n";
    let sim = settled(&format!("{text}{EDGE}{port}"), &Orders::default()).await;
    let orders = orders(&[("acme/lobby", OrderPhase::Provisioning)]);
    let text = format!("{text}{EDGE}");
    let alone = unattended(&sim, &text, &orders).await;
    let together = plan(&sim, &text, &orders).await;
    assert_snapshot!(format!("{}\n\n{}", rendered(&alone), rendered(&together)), @"
    ? instance.acme/lobby            order ord_lobby waits: `port_range.games` has no port left
          hint: make room
    Nothing differs in what was selected; 1 left out by the selection, 1 note.

    ± container.edge       par1      ports changed, replaced
          ports: [0.0.0.0:25565→80/tcp] → (none)
    ? instance.acme/lobby            order ord_lobby waits: `port_range.games` has no port left
          hint: make room
    1 to replace, 1 note. No data is destroyed.
    ");
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_holds_up_nobody_else() {
    let text = SPECS.replace("25565-25567", "25565-25566");
    let names = ["acme/a", "acme/b", "acme/c"];
    let orders = orders(&names.map(|name| (name, OrderPhase::Provisioning)));
    let plan = plan(&Sim::new(), &format!("{text}{EDGE}"), &orders).await;
    assert_snapshot!(rendered(&plan), @"
    + bridge.tenants/acme  par1      new  order ord_a  subnet 10.64.0.0/28
    + container.edge       par1      new
    + image.par1/edge:1    par1      new
    + image.par1/paper:1   par1      new  order ord_a
    + instance.acme/a      par1      new  order ord_a  port 25565/tcp
    + instance.acme/b      par1      new  order ord_b  port 25566/tcp
    + volume.acme/a        par1      new  order ord_a
    + volume.acme/b        par1      new  order ord_b
    ? instance.acme/c                order ord_c waits: `port_range.games` has no port left
          hint: make room
    ? order ord_a                    provisioning, `instance.acme/a`
    ? order ord_b                    provisioning, `instance.acme/b`
    8 to add, 3 notes. No data is destroyed.
    ");
    assert_eq!(plan.fatal().count(), 0);
}

#[tokio::test]
async fn under_a_policy_that_holds_orders_nothing_runs_unattended() {
    let sim = Sim::new();
    let orders = active(&["acme/lobby"]);
    let held = SPECS.replace("\"auto\"", "\"held\"");
    let (unsaid, _) = SPECS.split_once("[policy.orders]").unwrap();
    for text in [&held, unsaid] {
        assert!(sim.wishes_with(text, &orders).unattended().is_none());
    }
}

#[tokio::test]
async fn an_order_that_does_not_fit_any_more_keeps_what_it_has_and_holds_up_nobody() {
    let orders = active(&["acme/lobby"]);
    let sim = settled(SPECS, &orders).await;
    // Operators gave the range another name.
    let text = format!("{}{EDGE}", SPECS.replace("[port_range.games]", "[port_range.play]"));
    let text = text.replace("range = \"games\"", "range = \"play\"");
    let mut wishes = sim.wishes(&text);
    wishes.specs = wishes.specs.with_fitting_orders(&orders, sim.now).into();

    let plan = sim.plan_for(&wishes).await;

    assert_snapshot!(rendered(&plan), @"
    + container.edge     par1      new
    + image.par1/edge:1  par1      new
    ? order ord_lobby              waits: `offer.survival@90ba0cde8fcb` takes ports from port range `games`, which no spec defines
          hint: declared are `play`
    2 to add, 1 note. No data is destroyed.
    ");
    assert_eq!((plan.orders, plan.forget.claims.len()), (1, 0));
    gate(plan.clone(), &Consent::none(plan.id())).unwrap();
}

#[tokio::test]
async fn the_network_of_a_tenant_takes_in_no_more_than_it_has_addresses_for() {
    let sim = Sim::new();
    let text = SPECS.replace("prefix = 28", "prefix = 29").replace("25567", "25599");
    let own =
        (1..=6).map(|number| format!("[instance.\"acme/own-{number}\"]\noffer = \"survival\"\n"));
    let told = rendered(&sim.plan(&(text + &own.collect::<String>())).await);
    let why = "cannot be done[E1013]: `bridge.tenants` has no address left for `tenant.acme` on \
               `docker.par1`: 5 of 5 are taken";
    assert!(told.lines().any(|line| line.contains("acme/own-6 ") && line.contains(why)), "{told}");
    assert_eq!(told.matches("E1013").count(), 1, "{told}");
}
