//! The pretend Docker Engine over real connections: what it does by itself, beside a real engine, and
//! with the unmodified `docker` command.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its engine does")]

mod beside;
mod client;
mod command;
mod life;
mod streams;
mod things;
