//! The systems behind the engine's [`Provider`](lessor_engine::Provider) port.
//!
//! In reading order: how a connection becomes a provider ([`connect()`], and all of them:
//! [`Around::registry`]), where secret values come
//! from ([`Secrets`]), what providers share (`reference`, `compare`, `transition`, `seen`), how other
//! machines are reached (`ssh`, [`https`]), the real thing ([`Docker`]) and a pretend one
//! ([`Memory`]), and what either host holds of anybody ([`survey()`]); then clusters ([`Proxmox`]) and
//! firewalls ([`PfSense`]). All keep the promises of the port, which stand in `tests/contract`,
//! `tests/proxmox` and `tests/pfsense`. Who may be on a machine is seen to by [`access`].
//!
//! Not here: what to do about a difference, in which order, and whether it may be done. That is
//! decided in `engine`, before anything in this crate is asked to act.

pub mod access;
mod around;
mod command;
mod compare;
mod connect;
mod docker;
mod host_keys;
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

pub use around::Around;
pub use connect::{ConnectError, Connection, Entry, Watch, connect, examiner, survey, watch};
pub use docker::Docker;
pub use host_keys::{known_host_key, shown_host_key};
pub use memory::{Guest, Host, Life, Memory, Said, Thing};
pub use pfsense::PfSense;
pub use proxmox::{Networks, Proxmox};
pub use secrets::Secrets;
pub use survey::{Found, Owner, SurveyError};
pub use transition::transition;
