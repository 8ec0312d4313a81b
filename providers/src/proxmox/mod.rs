//! Proxmox VE.
//!
//! In reading order: every call to a cluster, with what it may answer ([`client`]), and how it
//! writes several values into one text ([`property`]).

pub mod client;
pub mod property;
