//! What customers are told when something cannot be done for them.

use lessor_specs::{Currency, Money};

use crate::WEBHOOKS_MOST;

/// Why an order, or a movement of money, was refused. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Decline {
    /// There is not enough money.
    #[error("`{tenant}` has {currency} {available} left, and {currency} {needed} is needed")]
    WalletShort {
        /// Whose money.
        tenant: String,
        /// The currency.
        currency: Currency,
        /// What is needed.
        needed: Money,
        /// What is left above the floor.
        available: Money,
    },
    /// The same key came with another request.
    #[error("the idempotency key `{key}` was used for another request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The natural key of the request belongs to an order that was placed already.
    #[error("`{client_ref}` was ordered already, as `{order}`")]
    AlreadyPlaced {
        /// The customer's own name for it.
        client_ref: String,
        /// The order it became.
        order: String,
    },
    /// Another order or a spec file has the name.
    #[error("`{name}` exists already")]
    NameTaken {
        /// Tenant and name.
        name: String,
    },
    /// The tenant is not known.
    #[error("there is no tenant `{tenant}`")]
    NoTenant {
        /// The tenant.
        tenant: String,
    },
    /// The offer is not sold.
    #[error("there is no offer `{offer}`")]
    NoOffer {
        /// The offer.
        offer: String,
    },
    /// What was chosen does not fit the offer.
    #[error("{why}")]
    Unfit {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The tenant would have more than it may.
    #[error("`{tenant}` may have {limit} of {what}, and would have {wanted}")]
    QuotaExceeded {
        /// Whose quota.
        tenant: String,
        /// `instances`, `cpu`, `memory` or `disk`.
        what: &'static str,
        /// The most, as people write it.
        limit: String,
        /// What it would be.
        wanted: String,
    },
    /// The code gives nothing here.
    #[error("the code `{code}` cannot be used: {why}")]
    PromoRefused {
        /// The code.
        code: String,
        /// Why not.
        why: String,
    },
    /// There is no room, port, network or address left.
    #[error("nothing is left: {why}")]
    Exhausted {
        /// Of what.
        why: String,
    },
    /// The network of the tenant has no address left for one more instance.
    #[error("{why}")]
    NetworkFull {
        /// Which, and how many there are.
        why: String,
    },
    /// There is no such order.
    #[error("there is no order `{order}`")]
    NoOrder {
        /// Its id.
        order: String,
    },
    /// Somebody changed the order meanwhile.
    #[error("order `{order}` is at version {found}, not {expected}")]
    OrderMoved {
        /// Its id.
        order: String,
        /// The version that was meant.
        expected: u64,
        /// The version it has.
        found: u64,
    },
    /// This cannot happen to an order as it is.
    #[error("order `{order}` is {phase}: it cannot {what}")]
    NotNow {
        /// Its id.
        order: String,
        /// How far it is.
        phase: String,
        /// What was to happen: `be resized`.
        what: &'static str,
    },
    /// No specs were applied yet, so nothing is offered.
    #[error("nothing is offered yet: no specs were applied")]
    NothingApplied,
    /// There is no such transaction.
    #[error("there is no transaction `{id}`")]
    NoTransaction {
        /// Its id.
        id: String,
    },
    /// The transaction was given back already, or more would be given back than it moved.
    #[error("transaction `{id}` cannot be given back: {why}")]
    NotRefundable {
        /// Its id.
        id: String,
        /// Why not.
        why: &'static str,
    },
    /// The hold has ended.
    #[error("the hold `{id}` is {phase}")]
    HoldEnded {
        /// Its id.
        id: String,
        /// How it ended.
        phase: String,
    },
    /// There are as many endpoints as may be.
    #[error("there are {WEBHOOKS_MOST} already")]
    EnoughWebhooks,
    /// There is no such reservation.
    #[error("there is no reservation `{reservation}`")]
    NoReservation {
        /// Its id.
        reservation: String,
    },
    /// This cannot be done with a reservation as it is.
    #[error("reservation `{reservation}` is {phase}: it cannot {what}")]
    NotReserved {
        /// Its id.
        reservation: String,
        /// How far it is.
        phase: String,
        /// What was to be done: `be made longer`.
        what: &'static str,
    },
    /// There are too few machines to have then.
    #[error("fewer than {wanted} such machines are to be had then")]
    NoMachines {
        /// How many were wanted at least.
        wanted: u32,
    },
    /// There are too few machines at all.
    #[error("there are {all} such machines in all, and {wanted} are wanted")]
    TooManyMachines {
        /// How many there are.
        all: u32,
        /// How many were wanted at least.
        wanted: u32,
    },
    /// Somebody else has a machine of a reservation right behind it.
    #[error("somebody else has a machine of reservation `{reservation}` behind it")]
    MachineTaken {
        /// The reservation.
        reservation: String,
    },
    /// Others are reserved in a pool than were seen.
    #[error("what is reserved in `{pool}` is not what was seen")]
    PoolMoved {
        /// The pool.
        pool: String,
    },
    /// An amount that cannot be.
    #[error("{currency} {amount} is no amount for that")]
    BadAmount {
        /// The currency.
        currency: Currency,
        /// The amount.
        amount: Money,
    },
}

impl Decline {
    /// Something one can do now.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Decline::WalletShort { .. } => "add money to the wallet, and try again",
            Decline::KeyReused { .. } => "use a new key for a new request",
            Decline::AlreadyPlaced { .. } => "look at that order, or leave `client_ref` out",
            Decline::NameTaken { .. } => "choose another name",
            Decline::NoOffer { .. } => "look at `/v1/offers`",
            Decline::QuotaExceeded { .. } => "end something, or ask for a larger quota",
            Decline::PromoRefused { .. } => "leave the code out",
            Decline::Exhausted { .. } => "try another location, or later",
            Decline::NetworkFull { .. } => {
                "end an instance, and wait until its data is gone; or choose another location"
            }
            Decline::OrderMoved { .. } => "read the order again, and compare",
            Decline::EnoughWebhooks => "end one that is not needed any more",
            Decline::NothingApplied => "run `lessor apply` once",
            Decline::NoMachines { .. } => "try fewer, later, or wait for them with `queue`",
            Decline::TooManyMachines { .. } => "ask for fewer, or be content with fewer",
            Decline::MachineTaken { .. } => "reserve others for the time behind it",
            Decline::PoolMoved { .. } => "look again at what would be taken back",
            Decline::NoTenant { .. }
            | Decline::NoReservation { .. }
            | Decline::NotReserved { .. }
            | Decline::Unfit { .. }
            | Decline::NoOrder { .. }
            | Decline::NotNow { .. }
            | Decline::NoTransaction { .. }
            | Decline::NotRefundable { .. }
            | Decline::HoldEnded { .. }
            | Decline::BadAmount { .. } => return None,
        })
    }
}
