//! What reserves machines, for tests of lending them.

use jiff::Timestamp;
use serde_json::Value;

use crate::serving::{Answer, Client};

/// Somebody's public key.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd";

/// Reserves machines of a pool, by a request like no other.
///
/// # Panics
/// When the server does not answer.
pub fn reserve(client: &mut Client, pool: &str, body: &Value) -> Answer {
    let path = format!("/v1/pools/{pool}/reservations");
    let key = format!("reserve-{}", Timestamp::now());
    client.call(("POST", &path), &[("idempotency-key", &key)], Some(body)).unwrap()
}
