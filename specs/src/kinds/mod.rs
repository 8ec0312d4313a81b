//! The things a spec file can declare: one plain struct a table, one module a topic.
//!
//! The structs are read by serde, described to editors by schemars and never hold a default that
//! depends on another entry; [`crate::Specs`] answers such questions.

mod docker;
mod endpoint;
mod firewall;
mod host;
mod image;
mod offer;
mod policy;
mod pool;
mod promo;
mod proxmox;
mod tenant;
mod vlan;
mod vpn;

pub use docker::{
    Container, Healthcheck, Logging, Mount, Network, Port, Protocol, Ready, Restart, Volume,
};
pub use endpoint::{Endpoint, SshEndpoint};
pub use firewall::{
    AddressPool, Alias, Direction, FirewallRule, FirewallTemplate, OutboundNat, PfSense,
    PortForward, RuleAction, RuleProtocol,
};
pub use host::{Bridge, Capacity, Docker, Location, Overcommit, PortRangeSpec, Ratio, Tls};
pub use image::{ContainerImage, Image, VmImage};
pub use offer::{
    ContainerOffer, FlexCpu, FlexSize, Lifecycle, MachineOffer, Offer, OfferPort, Price,
    ReservationRules, VmOffer,
};
pub use policy::{
    GatePolicy, OrdersPolicy, Policy, RetentionPolicy, SignupPolicy, WhenDue, WhenPlaced,
};
pub use pool::{Access, Machine, Pool, Sanitise};
pub use promo::PromoCode;
pub use proxmox::{Placement, Proxmox, Strategy};
pub use tenant::{Instance, Quota, Tenant};
pub use vlan::{Vlan, VlanRange};
pub use vpn::{Peer, Vpn};
