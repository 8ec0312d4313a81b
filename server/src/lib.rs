//! The HTTP API, the schedule, and work in the background.
//!
//! A call passes, from the outside in: [`around`] (an id, limits, headers, a log line), [`auth`] (who
//! calls; nobody gets further without a good answer unless the route is listed as open), and the
//! function of its route, which asks [`access`] whether this caller may do that there. In reading
//! order: what every call needs ([`Services`]), all routes in one place ([`routes`]), what can be
//! answered when something is wrong ([`Problem`]), then one module a resource.
//!
//! Not here: SQL, prices, plans. A route reads its input, asks who may, calls one function of the
//! store or the engine, and writes the answer.

mod access;
mod applying;
mod around;
mod audit;
mod auth;
mod background;
mod carry;
mod catalogue;
mod decline;
mod docs;
mod extract;
mod health;
mod limits;
mod listen;
mod machines;
mod metrics;
mod money;
mod old_paths;
mod operations;
mod orders;
mod page;
mod people;
mod pools;
mod problem;
mod reconcile;
mod routes;
mod schedule;
mod services;
mod settings;
mod watch;
mod webhooks;

/// Things as the API shows them, for whoever shows the same without it.
pub mod shown {
    pub use crate::audit::Event;
    pub use crate::money::show::{PostingShown, TransactionShown, WalletShown};
    pub use crate::operations::jobs::{RanShown, RunShown};
    pub use crate::orders::place::Trial;
    pub use crate::orders::show::OrderEventShown;
    pub use crate::orders::{Cost, CostLine, OrderShown};
    pub use crate::people::keys::KeyShown;
    pub use crate::people::tenants::Tenant;
    pub use crate::people::users::User;
    pub use crate::pools::machines::MachineShown;
    pub use crate::pools::pool::{PoolShown, ReleaseShown};
    pub use crate::pools::reservations::ReservationEventShown;
    pub use crate::pools::{ReservationShown, ReservedShown};
}

pub use access::{Permission, Scopes};
pub use applying::Applying;
pub use around::Peer;
pub use auth::{Caller, KeySecret, LinkSecret, TokenSecret};
pub use background::Background;
pub use carry::Carrier;
pub use catalogue::Catalogue;
pub use extract::Idempotent;
pub use ipnet::IpNet;
pub use listen::{Listening, Tls};
pub use machines::Lending;
pub use problem::{FieldProblem, Problem, ProblemKind};
pub use reconcile::{Done, Estate, Reconciler, Reconciling, Redirect, Turn};
pub use routes::{Access, Route, app, openapi, routes_listed};
pub use schedule::{Job, Ran, Schedule, Ticking};
pub use services::{Services, StartError};
pub use settings::{Hashing, Settings, WebhookSettings};
pub use webhooks::Webhooks;
