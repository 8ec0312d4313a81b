//! Kills `lessor serve` while it applies a plan. The next one finishes it, and does nothing twice.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use lessor_tests::engine::{Dice, seed};
use lessor_tests::postgres::Postgres;
use lessor_tests::serving::{Client, Shop, until};
use serde_json::{Value, json};

/// So many kills, unless `LESSOR_KILLS` says otherwise.
const KILLS: u64 = 5;

/// How many containers come with each plan.
const COMING: u64 = 8;

/// For how long a dead server's leases may hold others up, and then some.
const PATIENCE: Duration = Duration::from_mins(1);

/// What files declare in a round: one container that is replaced, more that come, and a price that
/// changes.
fn specs(round: u64) -> String {
    let mut specs = format!(
        "[docker.par1]\nendpoint = \"memory:host.json\"\n[container.edge]\nimage = \"edge:{round}\"\n\
         [image.paper.container]\nref = \"paper:1\"\n[offer.small]\nimages = [\"paper\"]\n\
         price = {{ currency = \"EUR\", hourly = \"0.01{round:04}\" }}\n\
         container = {{ cpu = \"1\", memory = \"1GiB\" }}\n"
    );
    for number in 0..round * COMING {
        let _ = writeln!(specs, "[container.c{number}]\nimage = \"edge:0\"");
    }
    specs
}

#[test]
fn a_plan_is_finished_by_the_next_server_whenever_one_is_killed() {
    apply_and_kill(&Shop::open(&specs(0), None));
}

#[test]
fn a_plan_is_finished_by_the_next_server_on_a_server_too() {
    let server = Postgres::new();
    apply_and_kill(&Shop::open(&specs(0), Some(server.url())));
}

fn apply_and_kill(shop: &Shop) {
    let seed = seed();
    println!("LESSOR_SEED={seed}");
    let kills = std::env::var("LESSOR_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut dice = Dice::new(seed);
    let mut serving = shop.serve();
    let began = Instant::now();
    let first = begin(shop, &mut shop.client(&serving), 1);
    finished(shop, &mut shop.client(&serving), 1, &first);
    let usual = began.elapsed();
    for round in 2..=kills + 1 {
        let plan = begin(shop, &mut shop.client(&serving), round);
        let after = dice.below(u64::try_from(usual.as_micros()).unwrap());
        thread::sleep(Duration::from_micros(after));
        serving.kill();
        let phase = shop.sql(&format!("SELECT phase FROM plan WHERE id = '{plan}'"));
        println!("killed after {after} µs of {usual:?}, when it was {phase:?}");

        serving = shop.serve();
        finished(shop, &mut shop.client(&serving), round, &plan);
    }
}

/// Has a plan of the directory applied, and answers with its id as soon as that is accepted.
fn begin(shop: &Shop, client: &mut Client, round: u64) -> String {
    fs::write(shop.path().join("specs.toml"), specs(round)).unwrap();
    let mut post = |path: &str, status: u16, body: Value| {
        let headers = [("idempotency-key", "once")];
        let answer = client.call(("POST", path), &headers, Some(&body)).unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    };
    let plan = post("/v1/plans", 201, json!({ "files": "directory" }));
    post(&format!("/v1/plans/{plan}/approve"), 200, json!({}));
    post(&format!("/v1/plans/{plan}/apply"), 202, json!({}))
}

/// The plan comes to its end, everything is there, and nothing was ever made twice.
fn finished(shop: &Shop, client: &mut Client, round: u64, plan: &str) {
    let mut shown = Value::Null;
    until("the plan ends", PATIENCE, || {
        shown = client.get(&format!("/v1/plans/{plan}"));
        !shown["ended_at"].is_null()
    });
    assert_eq!(shown["phase"], "applied", "{}\n{}", shown["why"], client.log());
    let price = client.get("/v1/offers/small")["price"]["hourly"].clone();
    assert_eq!(price, json!(format!("0.01{round:04}")));
    shop.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    let host = fs::read_to_string(shop.path().join("host.json")).unwrap();
    let host: Value = serde_json::from_str(&host).unwrap();
    let there = host["things"].as_array().unwrap().len() as u64;
    let ever = host["next_id"].as_u64().unwrap() - 1;
    assert_eq!((there, ever), (1 + round * COMING, 1 + round * COMING + round));
    shop.lessor(&["db", "verify"]).expect(0);
}
