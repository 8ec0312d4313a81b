//! Values between looking and acting.
//!
//! What a thing is ([`Body`]), what one look told us ([`Observation`]), what would be done about it
//! ([`Change`]), what that changes for customers ([`CatalogueChange`]), all of that together ([`Plan`]), how a plan is kept ([`saved`]), how it is shown
//! ([`render`]), what needs what ([`graph`]) and what can stand in its way ([`Code`]). Everything here
//! is a plain value: no clock, no network, no decision.

mod body;
mod catalogue;
mod change;
mod code;
pub mod graph;
mod mark;
mod name;
mod observation;
mod plan;
mod prices;
pub mod render;
pub mod saved;
mod taken;

pub use body::{
    AliasBody, Body, CloudInit, ContainerBody, DhcpBody, ForwardBody, GuestBody, GuestNetwork,
    GuestRule, HealthcheckBody, Hold, ImageBody, InterfaceBody, MadeFrom, MappingBody, MountBody,
    NetworkBody, OutboundBody, PeerBody, PoolBody, PortBody, PublicAddressBody, RuleBody,
    TunnelBody, VlanBody, VnetBody, VolumeBody,
};
pub use catalogue::{Attributes, CATALOGUE, CatalogueChange};
pub use change::{Act, Action, Change, Difference, Origin, Reason, Transition};
pub use code::Code;
pub use mark::{InstallationId, Labels, Mark, MarkError};
pub use name::{Naming, adopted_name, name_for};
pub use observation::{
    Adoption, Fingerprint, Gap, Node, Observation, Oddity, Present, Sighting, Stranger, Template,
    Wanted,
};
pub use plan::{
    Claim, ClaimKey, Digest, FORMAT_VERSION, Forget, GateRules, Keep, Note, NoteKind, Plan, Step,
};
pub use prices::{Price, Prices, RunRate};
pub use taken::Taken;
