//! The store on a real database, one for each test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test sets up and does not find is the test's failure"
)]

mod account;
mod apply;
mod audit;
mod damage;
mod fixture;
mod job;
mod journal;
mod lease;
mod open;
#[path = "../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, reason = "tests of other crates use it too")]
mod postgres;
mod server;
mod verify;
