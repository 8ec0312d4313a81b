//! The HTTP API, called as clients call it, on a real database.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test sets up and does not find is the test's failure"
)]

mod bad_input;
mod description;
mod fixture;
mod isolation;
mod jobs;
mod keys;
mod listening;
mod logins;
mod money;
mod old_paths;
mod operations;
mod orders;
mod plans;
#[path = "../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, dead_code, reason = "tests of other crates use it too")]
mod postgres;
mod reconcile;
mod tenants;
mod watching;
mod webhooks;
