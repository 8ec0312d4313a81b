//! Pretend hosting hardware: the APIs of Docker, Proxmox VE and pfSense on this machine, over real HTTP.
//!
//! It is separate code that imports nothing of ours, so that an error in what we believe of an API
//! cannot hide in both ends. What it answers follows rules seen on the wire of the real systems.
//!
//! Each system is a [`Site`](http::Site): a model that answers one request after another.
//! [`http`] carries the requests, byte for byte as those systems do. [`Weather`] stands in front of
//! a [`System`] and lets go wrong what goes wrong on networks; [`Control`] is how it is told to.

mod chance;
mod clock;
mod control;
pub mod docker;
mod fault;
pub mod http;
pub mod pfsense;
pub mod proxmox;
mod sandbox;
mod system;
mod weather;

pub use chance::Chance;
pub use clock::Clock;
pub use control::Control;
pub use fault::{Fault, FaultError, Mishap};
pub use sandbox::{Access, Announcement, Options, Sandbox, SandboxError};
pub use system::System;
pub use weather::Weather;
