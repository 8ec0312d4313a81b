//! Several servers on one PostgreSQL: that crashes under them, and one of them frozen in the middle
//! of its work for as long as the others need to take that over.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lessor_tests::cluster::Cluster;
use lessor_tests::engine::Site;
use lessor_tests::postgres::Postgres;
use lessor_tests::serving::{Client, ON_ENGINE, Serving, Shop, until};
use serde_json::Value;

/// How many order at the same time.
const CLIENTS: usize = 8;

/// How many orders are placed from one crash to the next.
const LOAD: u64 = 50;

/// How often the database crashes.
const CRASHES: usize = 3;

/// For how many seconds a server stands still, unless `LESSOR_FROZEN` says otherwise: longer than
/// its lease lasts.
const FROZEN: u64 = 12;

/// For how long a frozen server's lease may hold others up, and then some.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many orders come at once, so that the engine is busy with them for a while.
const AT_ONCE: usize = 4;

const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
country = "FR"
[image.paper.container]
ref = "paper:1"
[offer.small]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.010000" }
container = { cpu = "0.1", memory = "64MiB" }
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 16
[tenant.acme]
[policy.orders]
apply = "held"
"#;

#[test]
fn when_the_database_crashes_orders_are_placed_once_or_asked_for_again() {
    let cluster = Cluster::fast();
    let shop = Shop::open(SHOP, Some(cluster.url()));
    let servers = [shop.serve(), shop.serve()];
    shop.client(&servers[0]).pay("acme", "100000");
    let (is_over, refused, placed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));

    let orders = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = shop.client(&servers[number % 2]);
                let (is_over, counts) = (&is_over, (&placed, &refused));
                scope.spawn(move || order_persistently(client, number, is_over, counts))
            })
            .collect();
        let load = || {
            let before = placed.load(Ordering::Relaxed);
            until("orders are placed", PATIENCE, || placed.load(Ordering::Relaxed) > before + LOAD);
        };
        for _ in 0..CRASHES {
            load();
            cluster.crash();
        }
        load();
        is_over.store(true, Ordering::Relaxed);
        let orders = clients.into_iter().flat_map(|client| client.join().unwrap());
        orders.collect::<BTreeMap<_, _>>()
    });

    let refused = refused.into_inner();
    println!("{} orders, {refused} refusals", orders.len());
    assert!(refused > 0, "nobody was in the middle of it");
    let mut client = shop.client(&servers[1]);
    let there = client.orders("acme").into_iter().map(|order| {
        let text = |field: &str| order[field].as_str().unwrap().to_owned();
        (text("name"), text("id"))
    });
    assert_eq!(there.collect::<BTreeMap<_, _>>(), orders);
    let held = format!("{}.{:02}0000", orders.len() / 100, orders.len() % 100);
    assert_eq!(client.wallet("acme"), ("100000.000000".into(), held));
    shop.lessor(&["ledger", "verify"]).expect(0);
    shop.lessor(&["db", "verify"]).expect(0);
}

/// Orders one after the other, each until it is placed.
fn order_persistently(
    mut client: Client,
    number: usize,
    is_over: &AtomicBool,
    (placed, refused): (&AtomicU64, &AtomicU64),
) -> BTreeMap<String, String> {
    let mut orders = BTreeMap::new();
    while !is_over.load(Ordering::Relaxed) {
        let name = format!("one-{number}-{}", orders.len());
        let began = Instant::now();
        let id = loop {
            let answer = client.order("acme", &name, "small").unwrap();
            if answer.status == 201 {
                break answer.body["id"].as_str().unwrap().to_owned();
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            let wait = answer.headers.get("retry-after").map(String::as_str);
            assert_eq!(wait, Some("1"), "{answer:?}");
            assert!(began.elapsed() < PATIENCE, "{answer:?}");
            refused.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(100));
        };
        orders.insert(name, id);
        placed.fetch_add(1, Ordering::Relaxed);
    }
    orders
}

#[test]
fn a_server_that_was_frozen_comes_back_to_what_others_took_over() {
    let frozen = std::env::var("LESSOR_FROZEN").map_or(FROZEN, |frozen| frozen.parse().unwrap());
    let (site, database) = (Site::new(), Postgres::new());
    let shop = Shop::of(&site.installation, &site.filled(ON_ENGINE), Some(database.url()));
    let tenant = format!("{}-acme", site.prefix);
    let servers = [shop.serve(), shop.serve(), shop.serve()];
    shop.client(&servers[0]).pay(&tenant, "1000");

    let victim = freeze_at_work(&shop, &servers, &tenant);
    let began = Instant::now();
    let (apply, token) = (last_apply(&shop), token(&shop));
    let mut others = servers.iter().filter(|server| server.pid() != victim.pid());
    let other = others.next().unwrap();
    let mut client = shop.client(other);
    let id = |answer: &Value| answer["id"].as_str().unwrap().to_owned();
    let (first, second) = thread::scope(|scope| {
        // Somebody asks the one that does not answer, and then another.
        let mut patient = shop.client(victim);
        let asked = scope.spawn({
            let tenant = &tenant;
            move || patient.order(tenant, "twice", "small").unwrap()
        });
        let second = client.order(&tenant, "twice", "small").unwrap();
        until("others take over", PATIENCE, || all_run(&mut client, &tenant));
        thread::sleep(Duration::from_secs(frozen).saturating_sub(began.elapsed()));
        assert_ne!(token_of(&shop), Some(token), "others have the connection");
        let last = shop.sql("SELECT CAST(max(number) AS TEXT) FROM entry")[0].clone();
        victim.wake();
        let first = asked.join().unwrap();
        thread::sleep(Duration::from_secs(3));
        let late = format!(
            "SELECT CAST(count(*) AS TEXT) FROM entry WHERE apply = '{apply}' AND number > {last}"
        );
        assert_eq!(shop.sql(&late), ["0"], "written with a token that was lost: {}", victim.log());
        (first, second)
    });

    // A connection that nobody used for so long is closed by now.
    let mut client = shop.client(other);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(id(&first.body), id(&second.body));
    let orders = client.orders(&tenant);
    assert!(orders.iter().all(|order| order["phase"] == "active"), "{orders:?}");
    let things = site.things();
    let containers: BTreeSet<_> =
        things.keys().filter(|thing| thing.starts_with("container ")).cloned().collect();
    let names = orders.iter().map(|order| order["name"].as_str().unwrap());
    let expected = names.map(|name| format!("container {tenant}_{name}"));
    assert_eq!(containers, expected.collect());
    let twice = "SELECT address FROM entry WHERE phase = 'finished'
                 GROUP BY address, act HAVING count(*) > 1";
    assert_eq!(shop.sql(twice), [""; 0], "made twice");
    let charged = "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(count(DISTINCT order_id) AS TEXT)
                   FROM usage_line WHERE paid_at IS NOT NULL";
    assert_eq!(shop.sql(charged), [format!("{0} {0}", orders.len())]);
    assert_eq!(client.wallet(&tenant).1, "0.000000", "nothing is held any more");
    for server in &servers {
        assert_eq!(shop.client(server).get("/readyz")["status"], "ok");
    }
    shop.lessor(&["ledger", "verify"]).expect(0);
    shop.lessor(&["plan", "--detailed-exitcode"]).expect(0);
}

/// Orders until a server is caught in the middle of carrying that out, and stops it there.
fn freeze_at_work<'s>(shop: &Shop, servers: &'s [Serving], tenant: &str) -> &'s Serving {
    let mut client = shop.client(&servers[1]);
    for attempt in 0.. {
        for number in 0..AT_ONCE {
            let name = format!("try-{attempt}-{number}");
            assert_eq!(client.order(tenant, &name, "small").unwrap().status, 201);
        }
        let mut holder = None;
        until("somebody carries it out", PATIENCE, || {
            holder = token_of(shop).map(|_| holder_of(shop));
            let begun = "SELECT id FROM orders WHERE phase = 'provisioning'";
            holder.is_some() && !shop.sql(begun).is_empty()
        });
        let victim = servers.iter().find(|server| Some(server.pid()) == holder).unwrap();
        victim.freeze();
        // Whoever stands still gives nothing back.
        let is_caught = token_of(shop).is_some() && holder_of(shop) == victim.pid();
        println!("attempt {attempt}: caught {is_caught}");
        if is_caught && shop.sql("SELECT id FROM orders WHERE phase = 'provisioning'") != [""; 0] {
            return victim;
        }
        victim.wake();
        until("all run", PATIENCE, || all_run(&mut client, tenant));
        assert!(attempt < 2, "a server was never caught at work");
    }
    unreachable!("there is no last attempt");
}

fn all_run(client: &mut Client, tenant: &str) -> bool {
    client.orders(tenant).iter().all(|order| order["phase"] == "active")
}

/// The token of whoever has the connection, if anybody has it.
fn token_of(shop: &Shop) -> Option<u64> {
    let held = shop.sql("SELECT CAST(token AS TEXT) FROM lease WHERE expires_at > 0");
    held.first().map(|token| token.parse().unwrap())
}

fn token(shop: &Shop) -> u64 {
    shop.sql("SELECT CAST(token AS TEXT) FROM lease")[0].parse().unwrap()
}

fn holder_of(shop: &Shop) -> u32 {
    shop.sql("SELECT CAST(pid AS TEXT) FROM lease")[0].parse().unwrap()
}

fn last_apply(shop: &Shop) -> String {
    shop.sql("SELECT id FROM apply ORDER BY id DESC LIMIT 1")[0].clone()
}
