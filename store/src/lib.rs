//! Everything remembered, and the only SQL.
//!
//! What the marks on the objects cannot tell: which specs were applied ([revisions](Revision)),
//! what was done and how it ended (the [journal](LeasedJournal)), what was given out (claims),
//! what is kept for a while (keeps), and who may act right now ([leases](Leases)). Losing the
//! database loses history and nothing else. What customers are and did stands only here: who may do
//! what ([accounts](Account)), and who did it ([audit events](Audited)). Plans that a server made are kept
//! with what became of them ([`KeptPlan`]).
//!
//! Machines that are had for a while are [reserved](Reservation), each by a [booking](MachineBooking).
//!
//! Orders are kept from placing on ([`Order`]), with what may happen to them ([`next()`]), what they cost
//! ([`UsageLine`]) and where the money went ([`LedgerEntry`]).
//!
//! [`Store`] is concrete. Its methods are named thing first, so that a search for `claim_` finds
//! all there is about claims. Not here: what any of it means. The store decides nothing.
//!
//! It runs on SQLite and on PostgreSQL, with the same statements. What both take and what rows can
//! be read from either: text, whole numbers of 64 bits (a sum of them is cast back: `CAST(sum(x) AS
//! BIGINT)`), and NULL; `$1` for a value; `ON CONFLICT`; `RETURNING`; columns by name, never `*`,
//! so that a later schema may add one while an earlier lessor runs. Where the two differ, a
//! statement has two texts, side by side.

mod account;
mod apply;
mod audit;
mod claim;
mod clock;
mod code;
mod count;
mod decline;
mod error;
mod file;
mod health;
mod hear;
mod id;
mod ident;
mod job;
mod journal;
mod keep;
mod lease;
mod ledger;
mod location;
mod open;
mod order;
mod plan;
mod reservation;
mod revision;
mod row;
mod sample;
mod secret;
mod server;
mod signing;
mod status;
mod store;
mod usage;
mod verify;
mod webhook;
mod work;

pub use account::{
    Account, ApiKey, Attempts, Declared, Invitation, KeyOwner, Member, NewAccount, NewKey, NewLink,
    NewSession, NewTenant, NewTokens, Origin, PlatformRole, Purpose, Refreshed, Refusal, Role,
    Session, Status, Tenant, Visitor,
};
pub use apply::{Begin, Outcome, Run};
pub use audit::{Actor, AuditEvent, AuditVerdict, Audited, Broken, Seal};
pub use code::Code;
pub use count::Counts;
pub use decline::Decline;
pub use error::StoreError;
pub use health::{HealthRecord, HealthStep};
pub use hear::Ear;
pub use id::{AccountId, KeyId, NotAnId, SessionId};
pub use job::{CatchUp, JobClaim, JobHold, JobOutcome, JobRun, JobTerms};
pub use journal::{Applied, LeasedJournal, Recorded, read_applied};
pub use lease::{Holder, LeaseTerms, Leases, Waiting};
pub use ledger::{
    Account as LedgerAccount, Booking, BookingKind, Gift, GiftKey, Giving, Hold, HoldPhase,
    LedgerEntry, LedgerFault, LedgerReport, Movement, Posting, Wallet,
};
pub use location::Location;
pub use open::known_schema;
pub use order::{
    Happening, Miscount, Need, Order, OrderChange, OrderEvent, OrderFilter, OrderNews,
    OrderRequest, OrderSight, Placed, Promo, PromoTerms, Quoted, Reason, RequestKey, Welcome, next,
};
pub use plan::{Deed, KeptPlan, PlanEvent, PlanPhase, PlanSource};
pub use reservation::{
    Availability, Booking as MachineBooking, BookingAct, BookingEnd, BookingPhase, ClaimedBooking,
    ClaimedMachine, Machine, MachineEnd, MachineLogin, MachineOrigin, MachinePhase, MachinePlace,
    MachineState, NewMachine, PoolRelease, Reservation, ReservationEvent, ReservationFilter,
    ReservationHappening, ReservationLimits, ReservationNeed, ReservationPhase, ReservationRequest,
    ReservationTerms, Reserved, Window,
};
pub use revision::{Revision, read_tree};
pub use row::{Columns, Misread};
pub use sample::Sample;
pub use secret::SecretDigest;
pub use status::{HeldLease, Status as DatabaseStatus};
pub use store::Store;
pub use usage::{Metered, UsageLine};
pub use verify::Verdict;
pub use webhook::{
    Claimed, Delivery, DeliveryEnd, DeliveryPhase, NewWebhook, Standing, WEBHOOKS_MOST, Webhook,
    WebhookChange, topics,
};
