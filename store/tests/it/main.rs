//! The store on a real database, one for each test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test sets up and does not find is the test's failure"
)]

/// What is shown is the same on every sort of database.
macro_rules! same_snapshot {
    ($value:expr, @$shown:literal) => {
        let value = $value;
        insta::allow_duplicates! { insta::assert_snapshot!(value, @$shown) }
    };
}

mod account;
mod apply;
mod audit;
mod contention;
mod damage;
mod fixture;
mod floor;
mod job;
mod journal;
mod lease;
mod ledger;
mod news;
mod open;
mod orders;
#[path = "../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, reason = "tests of other crates use it too")]
mod postgres;
mod races;
mod reserving;
mod reserving_clock;
mod reserving_machines;
mod reserving_queue;
mod reserving_races;
mod reserving_swap;
mod reserving_time;
mod server;
mod shop;
mod usage;
mod verify;
mod webhooks;
mod welcome;
