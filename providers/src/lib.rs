//! The systems behind the engine's [`Provider`](lessor_engine::Provider) port.
//!
//! In reading order: how a connection becomes a provider ([`connect()`]), where secret values come
//! from ([`Secrets`]), what both providers share (`reference`, `compare`, `seen`), how other
//! machines are reached (`ssh`, [`https`]), the API of a firewall ([`pfsense`]), the real thing
//! ([`Docker`]) and a pretend one ([`Memory`]), and what either host holds of anybody ([`survey()`]).
//! Both answer to the same contract, which stands in
//! `tests/contract.rs`.
//! machines are reached (`ssh`, [`https`]), the real thing ([`Docker`]) and a pretend one
//! ([`Memory`]), and what either host holds of anybody ([`survey()`]). Both answer to the same
//! contract, which stands in `tests/contract`. Clusters of virtual machines ([`Proxmox`]) answer to
//! one of their own, in `tests/proxmox`.
//! ([`Memory`]), what either host holds of anybody ([`survey()`]), and firewalls ([`PfSense`]). All
//! answer to the same contract, which stands in `tests/contract` and `tests/pfsense`.
//!
//! Not here: what to do about a difference, in which order, and whether it may be done. That is
//! decided in `engine`, before anything in this crate is asked to act.

mod compare;
mod connect;
mod docker;
pub mod https;
mod memory;
pub mod pfsense;
pub mod proxmox;
mod reference;
mod secrets;
mod seen;
mod ssh;
mod survey;
mod transition;

pub use connect::{ConnectError, Connection, Entry, connect, examiner, survey};
pub use docker::Docker;
pub use memory::{Host, Memory, Thing};
pub use proxmox::{Networks, Proxmox};
pub use pfsense::PfSense;
pub use secrets::Secrets;
pub use survey::{Found, Owner, SurveyError};
pub use transition::transition;
