//! The sandbox over real connections.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

mod http;
mod weather;
mod wire;
