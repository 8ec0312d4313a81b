//! What every provider promises, held against a pretend pfSense over real HTTPS, in both versions
//! of its package.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what helps a test may do what a test may")]

mod acting;
mod adopting;
mod bad_worlds;
mod crashes;
mod faults;
mod order;
mod others;
mod things;
mod world;
