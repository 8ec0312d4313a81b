//! Machines that are reserved for a while.
//!
//! In reading order: what a reservation is (here) and from rows ([`read`]); the machines there are
//! ([`machine`], [`register`]) and which of them are given ([`room`]); on what ([`sold`]), reserving ([`place`]), waiting
//! ([`queue`]), and what is done with a reservation ([`change`]); what falls due by the clock ([`turn`])
//! and carrying it out at each machine ([`booking`], [`step`]), or at another one ([`swap`]); what it takes of quotas ([`quota`]) and
//! costs ([`money`]), how much there is ([`availability`]), and what runs take away ([`withdraw`]).
//!
//! A window is half-open, `[start, end)`, and each machine is kept free behind it for as long as its
//! cleaning takes. The database has the last word on that, and its clock on what is over. Whoever
//! changes which machine is whose moves on the count of reservations first
//! (`Store::reservation_advance`), so that there is one at a time.

mod availability;
mod booking;
mod change;
mod event;
mod machine;
mod money;
mod place;
mod queue;
mod quota;
mod read;
mod register;
mod room;
mod sold;
mod step;
mod swap;
mod turn;
mod withdraw;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use lessor_specs::kinds::{Offer, Quota};
use lessor_specs::{Currency, Duration, Money};
use serde::{Deserialize, Serialize};

pub use availability::{Availability, MachineState};
pub use booking::{Booking, BookingAct, BookingPhase, ClaimedBooking};
pub use change::PoolRelease;
pub use event::{ReservationEvent, ReservationHappening};
pub use machine::{ClaimedMachine, Machine, MachineEnd, MachineOrigin, MachinePhase};
pub use place::{ReservationRequest, Reserved};
pub use quota::ReservationNeed;
pub use read::ReservationFilter;
pub use register::{MachineLogin, MachinePlace, NewMachine};
pub use step::BookingEnd;

/// Machines that somebody has for a while, or is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id, `rsv_…`.
    pub id: String,
    /// The order in which reservations were asked for.
    pub number: i64,
    /// Whose.
    pub tenant: String,
    /// The offer, in the version it was bought in.
    pub offer: String,
    /// The pools that its machines come from.
    pub pools: Vec<String>,
    /// What its machines have to have.
    pub labels: BTreeMap<String, String>,
    /// What it was bought on.
    pub terms: ReservationTerms,
    /// Whose key is let in.
    pub ssh_key: Option<String>,
    /// Whether a password is let in as well.
    pub password: bool,
    /// How many machines: wanted while it waits, and had from then on.
    pub count: u32,
    /// With how many it is content.
    pub min_count: u32,
    /// How long it is.
    pub seconds: i64,
    /// From when to when; `None` while it waits.
    pub window: Option<Window>,
    /// Until when it waits for machines.
    pub wait_until: Option<Timestamp>,
    /// How far it is.
    pub phase: ReservationPhase,
    /// Why it is over, when nobody wished so.
    pub why: Option<String>,
    /// The money that is promised for it.
    pub hold: Option<String>,
    /// Who reserved.
    pub placed_by: String,
    /// When.
    pub placed_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// When its tenant was told that it is over soon.
    pub warned_at: Option<Timestamp>,
    /// Grows with everything that happens to it.
    pub version: u64,
}

/// From a moment on until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment behind it.
    pub end: Timestamp,
}

/// How far a reservation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationPhase {
    /// It waits for machines.
    Queued,
    /// It has machines, from its start on.
    Booked,
    /// Its window has begun.
    Active,
    /// Its window is over.
    Ended,
    /// It was given back in the middle of its window.
    Released,
    /// It was given back before that.
    Canceled,
    /// It waited for too long.
    Expired,
}

/// What a reservation is bought on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationTerms {
    /// How long, unless said, in seconds.
    pub default_s: i64,
    /// The shortest.
    pub min_s: i64,
    /// The longest at a time; `None` when it does not matter.
    pub max_s: Option<i64>,
    /// The longest with every extension.
    pub max_total_s: Option<i64>,
    /// How long each machine is kept free behind it.
    pub cleaning_s: i64,
    /// Whether one may wait.
    pub queue: bool,
    /// Whether one may have a password.
    #[serde(default)]
    pub password: bool,
    /// What each machine costs for an hour; `None` when it is free.
    pub hourly: Option<(Currency, Money)>,
    /// What a tenant may have.
    pub limits: ReservationLimits,
}

/// How much a tenant may reserve. `None` is as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationLimits {
    /// Reservations that are not over.
    pub reservations: Option<u32>,
    /// Machines in them.
    pub machines: Option<u32>,
    /// Hours of all its machines together in a week.
    pub machine_hours_per_week: Option<u32>,
}

impl ReservationLimits {
    /// Those of a quota; none without one.
    pub fn of(quota: Option<&Quota>) -> Self {
        quota.map_or_else(Self::default, |quota| ReservationLimits {
            reservations: quota.reservations,
            machines: quota.machines,
            machine_hours_per_week: quota.machine_hours_per_week,
        })
    }
}

impl ReservationTerms {
    /// Those of an offer of machines; `None` when it is none.
    pub fn of(offer: &Offer, limits: ReservationLimits) -> Option<Self> {
        let rules = offer.machine.as_ref()?.reservation.clone().unwrap_or_default();
        let price = &offer.price;
        let hourly = price.currency.zip(price.hourly).filter(|(_, hourly)| hourly.micros() > 0);
        Some(ReservationTerms {
            default_s: rules.length().seconds(),
            min_s: rules.shortest().seconds(),
            max_s: rules.longest().map(Duration::seconds),
            max_total_s: rules.longest_in_all().map(Duration::seconds),
            cleaning_s: rules.cleaning.map_or(0, Duration::seconds),
            queue: rules.queue,
            password: rules.password,
            hourly,
            limits,
        })
    }

    /// The moment until which a machine is kept free behind a window.
    pub(crate) fn free_at(&self, end: Timestamp) -> Timestamp {
        after(end, self.cleaning_s)
    }
}

impl Reservation {
    /// How many seconds of it are left; all of them before it begins, and none once it is over.
    pub fn remaining_s(&self, now: Timestamp) -> i64 {
        match (self.phase, self.window) {
            (ReservationPhase::Queued, _) | (_, None) => self.seconds,
            (ReservationPhase::Booked | ReservationPhase::Active, Some(window)) => {
                let left = window.end.duration_since(now.max(window.start));
                left.as_secs().max(0)
            }
            _ => 0,
        }
    }

    /// Whether its machines are its tenant's right now.
    pub fn is_within(&self, now: Timestamp) -> bool {
        let is_open = matches!(self.phase, ReservationPhase::Booked | ReservationPhase::Active);
        is_open && self.window.is_some_and(|window| window.start <= now && now < window.end)
    }
}

impl ReservationPhase {
    /// Every phase.
    pub const ALL: [ReservationPhase; 7] = [
        ReservationPhase::Queued,
        ReservationPhase::Booked,
        ReservationPhase::Active,
        ReservationPhase::Ended,
        ReservationPhase::Released,
        ReservationPhase::Canceled,
        ReservationPhase::Expired,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReservationPhase::Queued => "queued",
            ReservationPhase::Booked => "booked",
            ReservationPhase::Active => "active",
            ReservationPhase::Ended => "ended",
            ReservationPhase::Released => "released",
            ReservationPhase::Canceled => "canceled",
            ReservationPhase::Expired => "expired",
        }
    }

    /// Whether nothing more comes of it.
    pub const fn is_over(self) -> bool {
        !matches!(
            self,
            ReservationPhase::Queued | ReservationPhase::Booked | ReservationPhase::Active
        )
    }
}

impl fmt::Display for ReservationPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReservationPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of a reservation"))
    }
}

/// So many seconds behind a moment.
fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// So long behind a moment.
fn later(at: Timestamp, pause: std::time::Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use crate::Store;
    use crate::row;

    use super::{booking, machine, swap};

    /// What `SQLite` reads from one end to the other for a statement of so many values.
    async fn scanned(store: &Store, statement: &str, values: usize) -> Vec<String> {
        let text = format!("EXPLAIN QUERY PLAN {statement}");
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for _ in 0..values {
            query = query.bind(0_i64);
        }
        let rows = query.fetch_all(store.pool()).await.unwrap();
        let steps = rows.iter().map(|row| row::text(row, "detail").unwrap());
        steps.filter(|step| step.starts_with("SCAN ")).collect()
    }

    #[tokio::test]
    async fn what_is_due_reads_all_that_is_under_way_and_not_all_for_each_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lessor.db");
        let store = Store::open(path.to_str().unwrap()).await.unwrap();

        assert_eq!(scanned(&store, booking::DUE, 4).await, ["SCAN b USING INDEX booking_due"]);
        assert_eq!(scanned(&store, swap::STUCK, 1).await, ["SCAN b USING INDEX booking_due"]);
        assert_eq!(scanned(&store, machine::CLAIM, 3).await, [""; 0]);
    }
}
