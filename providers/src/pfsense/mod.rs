//! The REST API of pfSense, version 2, as a client sees it: package 2.7.1 and newer.
//!
//! In reading order: what is asked and answered ([`Client`]), what can go wrong ([`CallError`]),
//! how objects are read, found and written ([`Object`], [`Located`]), the objects themselves by
//! theme, how what was written becomes what works ([`Subsystem`]), and the one writer of a
//! firewall ([`Writer`]).
//!
//! A firewall keeps its objects in lists and calls them by their places there, which move whenever
//! anybody writes. It reads its whole configuration, changes it and writes it back on every
//! request, so that of two writes at once one is lost, and both are said to have succeeded. So
//! nobody but [`Writer`] should write, and even its writes are looked at afterwards.
//!
//! On all of that stands what the engine knows of a firewall ([`PfSense`]): whose a thing is, how
//! it looks, and how it comes to look as it shall.
//!
//! Not here: what there should be, and what a difference means.

mod apply;
mod client;
mod dhcp;
mod envelope;
mod error;
mod firewall;
mod interfaces;
mod lenient;
mod names;
mod nat;
mod object;
mod provider;
mod system;
mod virtual_ips;
mod wireguard;
mod writer;

pub use apply::{Subsystem, Unapplied};
pub use client::{Client, Credentials, Fields};
pub use dhcp::{DhcpServer, MappingKey, StaticMapping};
pub use error::{CallError, Denial};
pub use firewall::{Alias, Rule};
pub use interfaces::{Interface, Port, Vlan, VlanKey};
pub use nat::{LinkedRule, OneToOne, OutboundMapping, OutboundMode, PortForward};
pub use object::{Located, Object};
pub use provider::{Declared, PfSense};
pub use system::{Revision, Settings, Versions};
pub use virtual_ips::VirtualIp;
pub use wireguard::{Peer, Subnet, Tunnel, WireGuard, WriteOnly};
pub use writer::{Change, Committed, Done, Edit, EditError, Kept, Place, Seen, Writer};

#[cfg(test)]
mod recordings;
