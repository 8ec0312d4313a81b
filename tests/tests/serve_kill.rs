//! Kills `lessor serve` while it places orders, while it bills them, and while it carries them out.
//! Whoever comes next loses none, charges none twice, and makes none twice.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use lessor_store::Store;
use lessor_tests::engine::{Dice, seed};
use lessor_tests::postgres::Postgres;
use lessor_tests::serving::{Client, Serving, Shop, until};
use serde_json::Value;

/// So many kills of each sort, unless `LESSOR_KILLS` says otherwise.
const KILLS: u64 = 5;

/// How many order at the same time.
const CLIENTS: u64 = 8;

/// How many orders are billed.
const BILLED: u64 = 100;

/// How many hours pass before they are billed again.
const HOURS: i64 = 6;

/// How many orders are carried out in a round.
const CARRIED: u64 = 6;

/// For how long a dead server's leases may hold others up, and then some.
const PATIENCE: Duration = Duration::from_mins(1);

const SPECS: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[port_range.games]
docker = "par1"
range = "10000-59999"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 16
[offer.small]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.010000" }
[offer.small.container]
cpu = "0.1"
memory = "64MiB"
disk = "1GiB"
ports = [{ range = "games", container = 25565 }]
[tenant.acme]
[policy.orders]
apply = "held"
"#;

fn kills() -> u64 {
    let kills = std::env::var("LESSOR_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    println!("LESSOR_KILLS={kills}");
    kills
}

fn dice() -> Dice {
    let seed = seed();
    println!("LESSOR_SEED={seed}");
    Dice::new(seed)
}

fn in_a_file(specs: &str) -> Shop {
    Shop::open(specs, None)
}

fn on_a_server(server: &Postgres, specs: &str) -> Shop {
    Shop::open(specs, Some(server.url()))
}

fn upto(dice: &mut Dice, longest: Duration) -> Duration {
    Duration::from_micros(dice.below(u64::try_from(longest.as_micros()).unwrap().max(1)))
}

#[test]
fn killed_while_it_places_orders_it_loses_none_and_holds_no_money_twice() {
    place_and_kill(&in_a_file(SPECS));
}

#[test]
fn killed_while_it_places_orders_on_a_server_it_loses_none_either() {
    let server = Postgres::new();
    place_and_kill(&on_a_server(&server, SPECS));
}

fn place_and_kill(shop: &Shop) {
    let (mut dice, mut serving) = (dice(), shop.serve());
    shop.client(&serving).pay("acme", "100000");
    // What was answered: each order by its name.
    let mut orders = BTreeMap::new();
    let next = AtomicU64::new(0);
    for round in 1..=kills() {
        let after = upto(&mut dice, Duration::from_millis(200));
        let (answered, unanswered) = order_until_killed(shop, serving, &next, after);
        assert_eq!(unanswered.len(), usize::try_from(CLIENTS).unwrap());
        println!("round {round}: {} answered, killed after {after:?}", answered.len());
        assert!(answered.len() as u64 >= CLIENTS, "they were served before");
        orders.extend(answered);

        serving = shop.serve();
        let mut client = shop.client(&serving);
        for name in unanswered {
            let ids = [0; 2].map(|_| placed(&mut client, &name).unwrap());
            assert_eq!(ids[0], ids[1], "the same request is the same order");
            orders.insert(name, ids[0].clone());
        }
        let there = client.orders("acme").into_iter().map(|order| {
            let text = |field: &str| order[field].as_str().unwrap().to_owned();
            (text("name"), text("id"))
        });
        assert_eq!(there.collect::<BTreeMap<_, _>>(), orders);
        let held = format!("{}.{:02}0000", orders.len() / 100, orders.len() % 100);
        assert_eq!(client.wallet("acme"), ("100000.000000".into(), held));
        let used = client.get("/v1/tenants/acme/quota")["used"]["instances"].clone();
        assert_eq!(used, orders.len());
        let ports = "SELECT CAST(count(*) AS TEXT) FROM claim WHERE pool = 'port_range.games'";
        assert_eq!(shop.sql(ports), [orders.len().to_string()]);
        add_up(shop);
    }
}

/// Lets clients order one after the other, and kills the server in the middle of that. Answers with
/// the orders that were answered, and the names of those that were not.
fn order_until_killed(
    shop: &Shop,
    serving: Serving,
    next: &AtomicU64,
    after: Duration,
) -> (BTreeMap<String, String>, Vec<String>) {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let mut client = shop.client(&serving);
                scope.spawn(move || {
                    let mut answered = BTreeMap::new();
                    loop {
                        let name = format!("one-{}", next.fetch_add(1, Ordering::Relaxed));
                        match placed(&mut client, &name) {
                            Some(id) => answered.insert(name, id),
                            None => return (answered, name),
                        };
                    }
                })
            })
            .collect();
        // Each was served at least once by then.
        let (begun, many) = (next.load(Ordering::Relaxed), 2 * CLIENTS);
        until("they order", PATIENCE, || next.load(Ordering::Relaxed) > begun + many);
        thread::sleep(after);
        serving.kill();
        let (mut answered, mut unanswered) = (BTreeMap::new(), Vec::new());
        for client in clients {
            let (some, last) = client.join().unwrap();
            answered.extend(some);
            unanswered.push(last);
        }
        (answered, unanswered)
    })
}

/// The id of an order that was placed; `None` when nobody answered.
fn placed(client: &mut Client, name: &str) -> Option<String> {
    let answer = client.order_patiently("acme", name, "small").ok()?;
    assert_eq!(answer.status, 201, "{answer:?}\n{}", client.log());
    Some(answer.body["id"].as_str().unwrap().to_owned())
}

#[test]
fn killed_while_it_bills_it_writes_every_line_once() {
    bill_and_kill(&in_a_file(SPECS));
}

#[test]
fn killed_while_it_bills_on_a_server_it_writes_every_line_once_too() {
    let server = Postgres::new();
    bill_and_kill(&on_a_server(&server, SPECS));
}

fn bill_and_kill(shop: &Shop) {
    let mut dice = dice();
    rent(shop);
    let usual = {
        let _serving = begin_billing(shop);
        let ended = "SELECT CAST(ended_at - started_at AS TEXT) FROM job_run
                     WHERE job = 'bill' AND ended_at IS NOT NULL";
        until("the bill is written", PATIENCE, || !shop.sql(ended).is_empty());
        Duration::from_micros(shop.sql(ended)[0].parse().unwrap())
    };
    everything_is_billed(shop);
    let (mut killed, kills) = (0, kills());
    while killed < kills {
        let serving = begin_billing(shop);
        let after = upto(&mut dice, usual);
        thread::sleep(after);
        serving.kill();
        let is_in_time = shop.sql(OPEN_RUNS) == ["1"];
        killed += u64::from(is_in_time);
        println!(
            "killed after {after:?} of {usual:?}: {}",
            if is_in_time { "yes" } else { "late" }
        );
        // As if the time had run out for which it has the job.
        forget_runs(shop);
        shop.lessor(&["jobs", "run", "bill"]).expect(0);
        everything_is_billed(shop);
        add_up(shop);
    }
}

const RUNS: &str = "SELECT CAST(count(*) AS TEXT) FROM job_run WHERE job = 'bill'";
const OPEN_RUNS: &str =
    "SELECT CAST(count(*) AS TEXT) FROM job_run WHERE job = 'bill' AND ended_at IS NULL";

/// Orders that run, without anything being made for them.
fn rent(shop: &Shop) {
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    client.pay("acme", "1000000");
    let ids: Vec<_> =
        (0..BILLED).map(|number| placed(&mut client, &format!("one-{number}")).unwrap()).collect();
    serving.kill();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(shop.database()).await.unwrap();
        for id in &ids {
            store.order_begin(id).await.unwrap();
            store.order_activate(id, None).await.unwrap();
        }
        store.close().await;
    });
}

/// Lets some hours pass for all that was ordered, and starts a server, which bills them.
fn begin_billing(shop: &Shop) -> Serving {
    let rows = shop.sql("SELECT id || ' ' || turns || '\n' || progress FROM orders");
    let mut statements = Vec::new();
    for row in &rows {
        let (id, rest) = row.split_once(' ').unwrap();
        let (turns, progress) = rest.split_once('\n').unwrap();
        let mut turns: Value = serde_json::from_str(turns).unwrap();
        let mut progress: Value = serde_json::from_str(progress).unwrap();
        for turn in turns.as_array_mut().unwrap() {
            turn["at"] = earlier(&turn["at"]);
        }
        progress["until"] = earlier(&progress["until"]);
        statements.push(format!(
            "UPDATE orders SET turns = '{turns}', progress = '{progress}' WHERE id = '{id}'"
        ));
    }
    let micros = HOURS * 3_600_000_000;
    statements.push(format!(
        "UPDATE orders SET anchored_at = anchored_at - {micros}, meter_at = meter_at - {micros}"
    ));
    // From the first on, or one would take the place of another.
    statements.push(format!("UPDATE usage_line SET period_start = -(period_start - {micros})"));
    statements.push(format!(
        "UPDATE usage_line SET period_start = -period_start, period_end = period_end - {micros}"
    ));
    shop.sql_all(&statements);
    forget_runs(shop);
    let serving = shop.serve();
    until("billing begins", PATIENCE, || shop.sql(RUNS) != ["0"]);
    serving
}

fn earlier(moment: &Value) -> Value {
    let moment: Timestamp = moment.as_str().unwrap().parse().unwrap();
    (moment - SignedDuration::from_hours(HOURS)).to_string().into()
}

fn forget_runs(shop: &Shop) {
    shop.sql_all(&["DELETE FROM job_run WHERE job = 'bill'".to_owned()]);
}

/// Every hour that began has its line, once, and is paid by a transaction of its own; the wallet
/// lacks just that.
fn everything_is_billed(shop: &Shop) {
    let wrong = shop.sql(
        "SELECT orders.id FROM orders JOIN usage_line AS line ON line.order_id = orders.id
         GROUP BY orders.id, orders.anchored_at, orders.meter_at
         HAVING min(line.period_start) <> orders.anchored_at
             OR max(line.period_end) <> orders.meter_at
             OR count(*) <> (orders.meter_at - orders.anchored_at) / 3600000000
             OR count(DISTINCT line.txn) <> count(*)",
    );
    assert_eq!(wrong, [""; 0], "orders with a wrong bill");
    let due = Timestamp::now().as_microsecond();
    let late = format!("SELECT CAST(count(*) AS TEXT) FROM orders WHERE meter_at <= {due}");
    assert_eq!(shop.sql(&late), ["0"], "orders with something due");
    let paid = shop.sql(
        "SELECT CAST(1000000000000 - posted - (SELECT sum(amount) FROM usage_line) AS TEXT)
         FROM wallet",
    );
    assert_eq!(paid, ["0"], "what is paid and not billed");
}

#[test]
fn killed_while_it_carries_out_orders_it_makes_and_charges_each_once() {
    carry_out_and_kill(&in_a_file(&unattended()));
}

#[test]
fn killed_while_it_carries_out_orders_of_a_server_it_makes_each_once_too() {
    let server = Postgres::new();
    carry_out_and_kill(&on_a_server(&server, &unattended()));
}

fn unattended() -> String {
    SPECS.replace(r#"apply = "held""#, r#"apply = "auto""#)
}

fn carry_out_and_kill(shop: &Shop) {
    let (mut dice, mut serving) = (dice(), shop.serve());
    let mut client = shop.client(&serving);
    client.pay("acme", "100000");
    let began = Instant::now();
    order_some(&mut client, 0);
    until("all run", PATIENCE, || are_active(&mut client));
    let usual = began.elapsed();
    let (mut killed, mut round, kills) = (0, 0, kills());
    while killed < kills {
        round += 1;
        order_some(&mut shop.client(&serving), round);
        let after = upto(&mut dice, usual);
        thread::sleep(after);
        serving.kill();
        let open = "SELECT CAST(count(*) AS TEXT) FROM orders WHERE phase <> 'active'";
        let is_in_time = shop.sql(open) != ["0"];
        killed += u64::from(is_in_time);
        println!(
            "killed after {after:?} of {usual:?}: {}",
            if is_in_time { "yes" } else { "late" }
        );

        serving = shop.serve();
        let mut client = shop.client(&serving);
        until("all run", PATIENCE, || are_active(&mut client));
        let orders = CARRIED * (round + 1);
        assert_eq!(made(shop), (orders, 0), "containers, and things that were made anew");
        let charged =
            "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(count(DISTINCT order_id) AS TEXT)
                       FROM usage_line WHERE paid_at IS NOT NULL";
        assert_eq!(shop.sql(charged), [format!("{orders} {orders}")]);
        assert_eq!(client.wallet("acme").1, "0.000000", "nothing is held any more");
        shop.lessor(&["plan", "--detailed-exitcode"]).expect(0);
        add_up(shop);
    }
}

fn order_some(client: &mut Client, round: u64) {
    for number in 0..CARRIED {
        placed(client, &format!("round-{round}-{number}")).unwrap();
    }
}

fn are_active(client: &mut Client) -> bool {
    client.orders("acme").iter().all(|order| order["phase"] == "active")
}

/// How many containers there are on the pretend host, and how many things it made that are not
/// there any more: it counts them.
fn made(shop: &Shop) -> (u64, u64) {
    let host = fs::read_to_string(shop.path().join("host.json")).unwrap();
    let host: Value = serde_json::from_str(&host).unwrap();
    let things = host["things"].as_array().unwrap();
    let containers = things.iter().filter(|thing| thing["body"]["container"].is_object()).count();
    let ever = host["next_id"].as_u64().unwrap() - 1;
    (containers.try_into().unwrap(), ever - u64::try_from(things.len()).unwrap())
}

/// The sums of the ledger are right, and so is everything else that the database says of itself.
fn add_up(shop: &Shop) {
    shop.lessor(&["ledger", "verify"]).expect(0);
    shop.lessor(&["db", "verify"]).expect(0);
}
