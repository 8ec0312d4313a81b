//! What customers ordered: from placing to the last thing that is left of it.
//!
//! An order is a row with everything that is decided about it, and [events](OrderEvent) that tell
//! how it came there. What may happen to it when stands in [one table](next). Whoever changes an
//! order locks its row first, then what counts in the quota, then the wallet: in this order,
//! everywhere, nobody waits for somebody who waits for him.

mod batch;
mod change;
mod desk;
mod event;
mod phase;
mod place;
mod promo;
mod quota;
mod quote;
mod read;
mod recount;
mod room;
mod settle;
mod welcome;
mod wishes;

use std::collections::BTreeSet;

use jiff::Timestamp;
use lessor_billing::dunning::Dates;
use lessor_billing::{Choices, Discount, Mode, Progress};
use lessor_specs::kinds::Instance;
use lessor_specs::{Currency, OrderPhase};
use serde::{Deserialize, Serialize};

pub use change::OrderChange;
pub(crate) use desk::Desk;
pub use event::{OrderEvent, OrderNews};
pub use phase::{Happening, Reason, next};
pub(crate) use place::unfit;
pub use place::{OrderRequest, Placed, RequestKey};
pub use promo::{Promo, PromoTerms};
pub use quota::Need;
pub use quote::Quoted;
pub use read::OrderFilter;
pub use recount::Miscount;
pub(crate) use room::Promise;
pub use welcome::Welcome;
pub use wishes::OrderSight;

/// An order, as it stands.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id, `ord_…`. Later ones are greater.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// What it is called, within its tenant.
    pub name: String,
    /// The customer's own name for it, which no other order of the tenant ever had.
    pub client_ref: Option<String>,
    /// The entry it stands for. Offer and image are named in the versions that were bought.
    pub instance: Instance,
    /// What it counts in the quota.
    pub need: Need,
    /// What a promo code takes off.
    pub discount: Option<Discount>,
    /// The time zone of its calendar months, as it was at placement.
    pub zone: String,
    /// What it is paid in; `None` when it is free.
    pub currency: Option<Currency>,
    /// Whether its customer wants it to run.
    pub running: bool,
    /// How far it came.
    pub phase: OrderPhase,
    /// Why it is suspended, or will be.
    pub reasons: BTreeSet<Reason>,
    /// What went wrong last.
    pub why: Option<String>,
    /// Where it lives: `docker.par1`, or `proxmox.ams/n1`; `None` when nothing of it is left.
    pub host: Option<String>,
    pub(crate) promised: Promise,
    /// Who placed it.
    pub placed_by: String,
    /// When.
    pub placed_at: Timestamp,
    /// When it was first there. Its periods begin here.
    pub anchored_at: Option<Timestamp>,
    /// Whether something of it is unpaid.
    pub owes: bool,
    /// What becomes of it when, unless it is paid for.
    pub dunning: Option<Dates>,
    /// The event that ended it.
    pub ended_by: Option<String>,
    /// When its data goes; `None` while that is open, or when nothing is kept.
    pub retain_until: Option<Timestamp>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Since when nothing of it is left.
    pub cleared_at: Option<Timestamp>,
    /// Grows with every change its customer can see.
    pub version: u64,
    pub(crate) turns: Vec<Turned>,
    pub(crate) progress: Progress,
}

/// From when on an order was billed as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turned {
    pub(crate) at: Timestamp,
    pub(crate) mode: Mode,
    pub(crate) offer: String,
    pub(crate) choices: Choices,
}

impl Order {
    /// Its name everywhere: `tenant/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.tenant, self.name)
    }

    /// How it counts on its bill.
    pub fn mode(&self) -> Mode {
        let is_over = self.phase.is_end() || self.phase == OrderPhase::Terminating;
        match (is_over, self.reasons.is_empty(), self.running) {
            (true, ..) => Mode::Ended,
            (_, false, _) => Mode::Suspended,
            (_, _, false) => Mode::Stopped,
            _ => Mode::Running,
        }
    }

    /// Notes that something else is billed from `now` on, if that is so and it is billed at all.
    pub(crate) fn turn(&mut self, now: Timestamp) {
        if self.anchored_at.is_none() {
            return;
        }
        let (mode, choices) = (self.mode(), Choices::from(&self.instance));
        let offer = self.instance.offer.clone();
        let last = self.turns.last();
        if last.is_some_and(|l| l.mode == mode && l.offer == offer && l.choices == choices) {
            return;
        }
        // What is billed already stays as it is, wherever the clock went meanwhile.
        let behind = |at: Timestamp| at.checked_add(jiff::SignedDuration::from_micros(1)).ok();
        let after = self.progress.until().and_then(behind);
        let after = after.into_iter().chain(last.map(|last| last.at));
        let at = after.fold(now, Timestamp::max);
        self.turns.push(Turned { at, mode, offer, choices });
    }
}
