//! The client of pfSense against the pretend one, over real HTTPS.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what helps a test may do what a test may")]

mod errors;
mod firewall;
mod objects;
mod writer;
