//! What lending machines costs: a hundred thousand reservations of which ten thousand end at the same
//! moment, and how many machines there are to have in a pool of ten thousand.
//!
//! ```text
//! cargo bench -p lessor-tests --bench lending                everything
//! cargo bench -p lessor-tests --bench lending -- PostgreSQL  on one of the databases
//! ```
//!
//! The machines are simulated: each does at once what it is told. What is measured is what the
//! database and a server do for them, 64 machines at a time, as `lessor serve` does. Everything that is
//! written is durable.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock;
use lessor_store::{
    Actor, BookingAct, BookingEnd, ClaimedBooking, MachineEnd, NewMachine, ReservationLimits,
    ReservationRequest, ReservationTerms, Store,
};
use lessor_tests::cluster::Cluster;
use lessor_tests::cost::cpu_ms;
use sqlx::{AnyConnection, Connection as _};
use tokio::task::JoinSet;

/// Machines, and as many reservations that end now.
const MACHINES: usize = 10_000;

/// How many more each machine has, for later.
const LATER: usize = 9;

/// At how many machines something is done at the same time.
const AT_ONCE: usize = 64;

/// For how long a server has a machine to itself.
const TTL: Duration = Duration::from_secs(10);

/// How many times availability is asked for.
const ASKED: usize = 21;

/// A clock that stands still but for what it is told.
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for database in ["SQLite", "PostgreSQL"] {
        if args.is_empty() || args.iter().any(|arg| arg == database) {
            let server = (database == "PostgreSQL").then(Cluster::durable);
            runtime.block_on(lending(database, server.as_ref()));
        }
    }
}

async fn lending(database: &str, server: Option<&Cluster>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lessor.db").to_str().unwrap().to_owned();
    let url = server.map_or(file, Cluster::url);
    let clock = Arc::new(SetClock(Mutex::new("2026-12-01T12:00:00Z".parse().unwrap())));
    let store = Store::open(&url).await.unwrap().by_clock(clock.clone());
    let began = Instant::now();
    fill(&store, &url).await;
    println!("{database}: filled in {:.0} s", began.elapsed().as_secs_f64());
    availability(&store).await;

    *clock.0.lock().unwrap() += SignedDuration::from_hours(1);
    let (began, cpu, calls) = (Instant::now(), cpu_ms(), server.map(Cluster::statements));
    let (revoked, cleaned) = end_all(&store, began).await;
    let cpu = (cpu_ms() - cpu) / MACHINES as f64;
    let calls = server.zip(calls).map(|(server, before)| server.statements() - before);
    println!("revoked {MACHINES} in {revoked:.1} s, cleaned in {cleaned:.1} s");
    println!("each took {cpu:.2} ms of user and system time of the server");
    if let Some(calls) = calls {
        println!("and {:.1} statements of the database", calls as f64 / MACHINES as f64);
    }
    availability(&store).await;
    store.close().await;
}

/// A machine for each, which somebody has for an hour; and nine more reservations of each machine,
/// hours later, made out of that one.
async fn fill(store: &Store, url: &str) {
    let machine = |number| NewMachine {
        name: format!("lab-{number:05}"),
        pool: "lab".into(),
        labels: BTreeMap::new(),
        withheld: false,
    };
    let machines: Vec<_> = (0..MACHINES).map(machine).collect();
    store.machine_declare(&machines, 0, &Actor::command()).await.unwrap();
    let next_at = store.now() + SignedDuration::from_hours(1_000);
    for claimed in store.machine_claim(MACHINES, TTL).await.unwrap() {
        store.machine_step(&claimed, &MachineEnd::Well { next_at }).await.unwrap();
    }
    for number in 0..MACHINES {
        store.reservation_place(&wish(number)).await.unwrap();
    }
    while !step(store, AT_ONCE).await.is_empty() {}
    let url = if url.contains("://") { url.to_owned() } else { format!("sqlite:{url}") };
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    for statement in later() {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

fn wish(number: usize) -> ReservationRequest {
    ReservationRequest {
        tenant: format!("t{}", number % 1_000),
        offer: "lab-hour@1".into(),
        pools: vec!["lab".into()],
        terms: ReservationTerms {
            default_s: 3_600,
            min_s: 900,
            max_s: None,
            max_total_s: None,
            cleaning_s: 300,
            queue: true,
            password: false,
            hourly: None,
            limits: ReservationLimits::default(),
        },
        labels: BTreeMap::new(),
        count: 1,
        min_count: None,
        seconds: None,
        start: None,
        wait_s: None,
        ssh_key: Some("ssh-ed25519 AAAA student".into()),
        password: false,
        key: None,
        by: Actor::command(),
    }
}

/// The nth of each is two hours times n later.
fn later() -> [String; 3] {
    let copies = format!(
        "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {LATER})"
    );
    let shift = "n * CAST(7200000000 AS BIGINT)";
    let same = "tenant, offer, pools, labels, terms, ssh_key, count, min_count, seconds";
    [
        format!(
            "{copies} INSERT INTO reservation (id, number, {same}, start_at, end_at, phase, placed_by,
                 placed_at, version)
             SELECT r.id || '_' || n, r.number + 1000000 * n, {same}, start_at + {shift},
                 end_at + {shift}, 'booked', placed_by, placed_at, 1
             FROM reservation AS r, copy"
        ),
        format!(
            "{copies} INSERT INTO booking (id, reservation, machine, pool, start_at, end_at, free_at,
                 phase, tries, next_at, token)
             SELECT b.id || '_' || n, b.reservation || '_' || n, machine, pool, start_at + {shift},
                 end_at + {shift}, free_at + {shift}, 'booked', 0, start_at + {shift}, 0
             FROM booking AS b, copy"
        ),
        "ANALYZE".into(),
    ]
}

/// Ends everything that is due. How many seconds it took until nobody was let in any more, and until
/// all was clean.
async fn end_all(store: &Store, began: Instant) -> (f64, f64) {
    let (mut revoked, mut cleaned, mut last) = (0, 0, 0.0);
    while cleaned < MACHINES {
        for claimed in step(store, AT_ONCE).await {
            match claimed.act {
                BookingAct::Revoke => revoked += 1,
                BookingAct::Clean => cleaned += 1,
                BookingAct::Grant => unreachable!("nobody's window begins now"),
            }
            if revoked == MACHINES && last == 0.0 {
                last = began.elapsed().as_secs_f64();
            }
        }
    }
    (last, began.elapsed().as_secs_f64())
}

/// Does what is to be done at so many machines at once.
async fn step(store: &Store, limit: usize) -> Vec<ClaimedBooking> {
    let claimed = store.booking_claim(limit, TTL).await.unwrap();
    let mut tasks = JoinSet::new();
    for one in claimed {
        let store = store.clone();
        tasks.spawn(async move {
            assert!(store.booking_step(&one, &BookingEnd::Done).await.unwrap());
            one
        });
    }
    tasks.join_all().await
}

async fn availability(store: &Store) {
    let mut took = Vec::with_capacity(ASKED);
    let mut found = None;
    for _ in 0..ASKED {
        let began = Instant::now();
        found = Some(store.pool_availability("lab").await.unwrap());
        took.push(began.elapsed());
    }
    took.sort();
    let (half, most) = (took[ASKED / 2].as_secs_f64() * 1e3, took[ASKED - 1].as_secs_f64() * 1e3);
    let found = found.unwrap();
    println!(
        "availability of {} machines, {} free: p50 {half:.1} ms, most {most:.1} ms",
        found.machines, found.free
    );
}
