//! What serving customers costs: orders a second, reads a second, a bill for everybody, and how soon
//! what was ordered runs.
//!
//! ```text
//! cargo bench -p lessor-tests --bench orders                  everything
//! cargo bench -p lessor-tests --bench orders -- placing       one part: placing, billing, running
//! ```
//!
//! `lessor serve` runs as a child, with clients that call it over HTTP from this process: on two cores
//! they take from each other. Every answered order is durable: SQLite is synchronous, and PostgreSQL
//! is started here, with all that it needs to survive a loss of power.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use lessor_store::Store;
use lessor_tests::binary::release_binary;
use lessor_tests::cluster::Cluster;
use lessor_tests::engine::Site;
use lessor_tests::serving::{Client, ON_ENGINE, Serving, Shop, until};

/// Customers.
const TENANTS: u64 = 1_000;

/// How many call at once.
const CLIENTS: [u64; 3] = [1, 16, 64];

/// For how long they do.
const WHILE: Duration = Duration::from_secs(5);

/// What the customer who has much to order can pay for.
const HOT: u64 = 500;

/// How many orders are billed.
const BILLED: u64 = 100_000;

/// How many orders are waited for until they run.
const RUN: u64 = 30;

const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[bridge.tenants]
docker = "par1"
supernet = "10.0.0.0/8"
per_tenant_prefix = 20
[offer.small]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.010000" }
container = { cpu = "0.1", memory = "64MiB" }
[policy.orders]
apply = "held"
"#;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wants = |part: &str| args.is_empty() || args.iter().any(|arg| arg == part);
    release_binary();
    let tenants = (0..TENANTS).map(|number| format!("[tenant.t{number}]"));
    let tenants = tenants.collect::<Vec<_>>().join("\n");
    let specs = format!("{SHOP}[tenant.hot]\n{tenants}");
    for database in ["SQLite", "PostgreSQL"] {
        let server = (database == "PostgreSQL").then(Cluster::durable);
        let open = || Shop::open(&specs, server.as_ref().map(Cluster::url));
        if wants("placing") {
            println!("{database}");
            placing(&open());
        }
        if wants("billing") {
            server.as_ref().inspect(|server| server.clear());
            billing(database, &open());
        }
    }
    if wants("running") {
        running();
    }
}

fn placing(shop: &Shop) {
    fund(shop);
    let serving = shop.serve();
    let next = AtomicU64::new(0);
    for clients in CLIENTS {
        let order = |client: &mut Client| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            // One after the other, so that nobody's orders meet by chance.
            let tenant = format!("t{}", number % TENANTS);
            let placed = client.order(&tenant, &format!("o{number}"), "small").unwrap();
            assert_eq!(placed.status, 201, "{placed:?}");
        };
        show("orders", clients, &load(shop, &serving, clients, &order));
    }
    let read = |client: &mut Client| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        client.get(&format!("/v1/orders?tenant=t{}&limit=1", number % TENANTS));
    };
    for clients in CLIENTS {
        show("reads", clients, &load(shop, &serving, clients, &read));
    }
    hot(shop, &serving);
    shop.lessor(&["ledger", "verify"]).expect(0);
}

/// One customer orders more than there is money for, all at once.
fn hot(shop: &Shop, serving: &Serving) {
    let (next, placed, most) = (AtomicU64::new(0), AtomicU64::new(0), CLIENTS[2]);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..most {
            let (next, placed) = (&next, &placed);
            scope.spawn(move || {
                let mut client = shop.client(serving);
                loop {
                    let name = format!("o{}", next.fetch_add(1, Ordering::Relaxed));
                    let status = client.order("hot", &name, "small").unwrap().status;
                    if status != 201 {
                        assert_eq!(status, 402);
                        return;
                    }
                    placed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let rate = HOT as f64 / began.elapsed().as_secs_f64();
    assert_eq!(placed.into_inner(), HOT);
    println!("{:8} {most:>3} clients {rate:>7.0}/s, of one customer, who pays for {HOT}", "orders");
}

/// Each customer pays for more than is ordered; one for just so much.
fn fund(shop: &Shop) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(shop.database()).await.unwrap();
        let euro = "EUR".parse().unwrap();
        for tenant in (0..TENANTS).map(|number| format!("t{number}")) {
            store.credit(&tenant, euro, "1000".parse().unwrap(), "a payment").await.unwrap();
        }
        let just = format!("{}.{:02}", HOT / 100, HOT % 100).parse().unwrap();
        store.credit("hot", euro, just, "a payment").await.unwrap();
        store.close().await;
    });
}

/// How long each call took, sorted.
fn load(
    shop: &Shop,
    serving: &Serving,
    clients: u64,
    call: &(impl Fn(&mut Client) + Sync),
) -> Vec<Duration> {
    let took = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(move || {
                    let (mut client, began, mut took) =
                        (shop.client(serving), Instant::now(), Vec::new());
                    while began.elapsed() < WHILE {
                        let called = Instant::now();
                        call(&mut client);
                        took.push(called.elapsed());
                    }
                    took
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    sorted(took)
}

fn sorted(mut took: Vec<Duration>) -> Vec<Duration> {
    took.sort();
    took
}

fn show(what: &str, clients: u64, took: &[Duration]) {
    let rate = took.len() as f64 / WHILE.as_secs_f64();
    let (half, most) = (millis(took, 50), millis(took, 99));
    println!("{what:8} {clients:>3} clients {rate:>7.0}/s, p50 {half:.1} ms, p99 {most:.1} ms");
}

/// So many in a hundred took no longer.
fn millis(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1_000.0
}

/// An hour of everybody's orders, billed at once.
fn billing(database: &str, shop: &Shop) {
    fund(shop);
    let serving = shop.serve();
    let first = shop.client(&serving).order("t0", "o", "small").unwrap();
    let id = first.body["id"].as_str().unwrap().to_owned();
    drop(serving);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(shop.database()).await.unwrap();
        store.order_begin(&id).await.unwrap();
        let order = store.order_activate(&id, None).await.unwrap();
        multiply(shop);
        let due = order.anchored_at.unwrap() + SignedDuration::from_mins(61);
        let began = Instant::now();
        let metered = store.usage_meter(due).await.unwrap();
        let took = began.elapsed().as_secs_f64();
        assert_eq!((metered.orders as u64, metered.owing), (BILLED, 0));
        let rate = BILLED as f64 / took;
        println!("billing  {BILLED} orders on {database}: {took:.1} s, {rate:.0} lines/s");
        store.close().await;
    });
}

/// Makes many orders out of one, of all customers.
fn multiply(shop: &Shop) {
    let columns = "client_ref, offer, instance, need, discount, zone, currency, running, phase,
        reasons, why, host, promised, placed_by, placed_at, anchored_at, turns, progress, meter_at,
        owes, dunning, dunning_at, ended_by, retain_until, ended_at, cleared_at, version, touched";
    let many = BILLED - 1;
    let statement = format!(
        "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {many})
         INSERT INTO orders (id, tenant, name, {columns})
         SELECT orders.id || '_' || n, 't' || (n % {TENANTS}), 'o' || n, {columns}
         FROM orders, copy"
    );
    thread::scope(|scope| scope.spawn(|| shop.sql_all(&[statement])).join().unwrap());
}

/// How long it takes until what is ordered runs on a real engine, where its image is.
fn running() {
    let site = Site::new();
    let shop = Shop::of(&site.installation, &site.filled(ON_ENGINE), None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    let tenant = format!("{}-acme", site.prefix);
    client.pay(&tenant, "1000");
    let took = (0..RUN).map(|number| {
        let began = Instant::now();
        let placed = client.order(&tenant, &format!("o{number}"), "small").unwrap();
        let order = format!("/v1/orders/{}", placed.body["id"].as_str().unwrap());
        until("it runs", Duration::from_mins(1), || client.get(&order)["phase"] == "active");
        let took = began.elapsed();
        // A shell that is told to end before it listens is killed after ten seconds, and its host is
        // in use until then.
        thread::sleep(Duration::from_secs(1));
        // A tenant's network has room for thirteen.
        client.call(("DELETE", &order), &[], None).unwrap();
        until("it is gone", Duration::from_mins(1), || {
            client.get(&order)["phase"] != "active" && site.things().len() < 8
        });
        took
    });
    let took = sorted(took.collect());
    let (half, most) = (millis(&took, 50), millis(&took, 95));
    println!("running  {RUN} orders on Docker: p50 {half:.0} ms, p95 {most:.0} ms");
}
