//! From wishes to deeds.
//!
//! ```text
//! desire → observe → plan → gate → execute → journal
//! pure     reads     pure   pure   writes    remembers
//! ```
//!
//! The planning half knows no clock, no network and no chance; what it needs of those is handed in
//! as [`Wishes`] and [`World`]. The acting half meets the world only through three [ports]:
//! [`Provider`], [`Journal`] and [`Clock`]. A fourth, [`Examiner`], is for looking at a system itself,
//! [`watch`] for asking after one thing that runs, and [`access`] for who may be on a machine.

pub mod access;
mod allocate;
mod desire;
mod execute;
mod gate;
mod look;
mod observe;
mod order;
mod outline;
mod plan;
pub mod ports;
mod replicas;
mod select;
mod settle;
mod tenant;
mod trace;
pub mod watch;
mod wishes;

pub use allocate::{AllocateError, Amount, Given, Limit, Placement, Placer, Promised};
pub use desire::{Desired, desire};
pub use execute::{Event, Failure, FailureKind, Outcome, Run, Stop, execute, settle};
pub use gate::{ApprovedPlan, Consent, Held, HeldRule, Rule, gate};
pub use look::look;
pub use observe::{World, observe};
pub use outline::{Outline, Outlined, outline};
pub use plan::{may_concern_customers, plan};
pub use ports::{
    ApplyError, ApplyId, Clock, DiskLimits, Entry, Examination, Examiner, Journal, JournalError,
    Lack, Phase, Provider, Registry, Wanting, wanting,
};
pub use replicas::replicas;
pub use select::{Scope, Selection, Selector};
pub use trace::{Choice, How, Part, Source, choices, parts, sources};
pub use watch::{
    Health, Lines, LogLine, LogReader, LogsAsked, Usage, WatchError, Watched, Watcher,
};
pub use wishes::{Before, OrdersRead, Wishes};
