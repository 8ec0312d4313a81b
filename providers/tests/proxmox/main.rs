//! What the provider of Proxmox VE promises, held against a pretend cluster over real HTTPS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its world does")]

mod adopt;
mod bad;
mod contract;
mod crash;
mod doctor;
mod gate;
mod watching;
mod weather;
mod wishes;
mod words;
mod world;
