//! The command from outside: what an operator, a pipeline and a careless person do, with the exit
//! code, both streams and the files left behind. Everything happens on a pretend host.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read has failed the test")]

mod adopting;
mod applying;
mod catalogue;
mod codes;
mod data;
mod databases;
mod doctor;
mod documents;
mod drifting;
mod explaining;
mod graph;
mod ground;
mod importing;
mod operating;
mod ordering;
mod pipelines;
mod planning;
#[path = "../../../tests/src/postgres.rs"]
#[expect(unreachable_pub, clippy::panic, reason = "tests of other crates use it too")]
mod postgres;
mod recipes;
mod remote;
mod renting;
mod running;
mod sandbox;
mod saved;
mod secrets;
mod serving;
mod starting;
mod support;
mod trying;
mod usage;
mod walking;
mod watching;
