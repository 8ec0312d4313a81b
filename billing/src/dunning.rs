//! What becomes of orders nobody pays for: warned, left running for a while, suspended with their
//! data, and at last removed.
//!
//! Every date is counted from when the step before it was really taken. A job that comes late
//! shortens nobody's time: who was not warned is not suspended.

use jiff::{SignedDuration, Timestamp};
use lessor_specs::{Duration, Money, kinds::Lifecycle};
use serde::{Deserialize, Serialize};

/// How long an order runs on after the warning, unless its offer says otherwise.
const GRACE: Duration = Duration::from_secs(24 * 3_600);

/// How long its data is kept after that, unless its offer or a policy says otherwise.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);

/// How long before a balance runs out its owner hears of it.
pub const WARN_AHEAD: Duration = Duration::from_secs(24 * 3_600);

/// How much time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// From the warning to suspension.
    pub grace: Duration,
    /// From suspension to removal.
    pub retention: Duration,
}

impl Rules {
    /// Those of an offer; `keep` is for how long data is kept by policy.
    pub fn of(lifecycle: Option<&Lifecycle>, keep: Option<Duration>) -> Rules {
        let grace = lifecycle.and_then(|lifecycle| lifecycle.grace);
        let retention = lifecycle.and_then(|lifecycle| lifecycle.retention);
        Rules { grace: grace.unwrap_or(GRACE), retention: retention.or(keep).unwrap_or(RETENTION) }
    }
}

/// The dates of an order that is not paid for. They are kept with the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// Its owner was warned.
    pub warned_at: Timestamp,
    /// It is suspended, unless it is paid for before.
    pub suspend_at: Timestamp,
    /// It was suspended.
    pub suspended_at: Option<Timestamp>,
    /// It is removed with its data, unless it is paid for before.
    pub delete_at: Timestamp,
}

/// What is to be done about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, for now.
    None,
    /// Its owner is warned, and these are its dates.
    Warn(Dates),
    /// It is suspended for being overdue, and these are its dates.
    Suspend(Dates),
    /// It is ended. Its data goes; the time it was kept for is over.
    End,
    /// It is paid for: it has no dates, and is not suspended for being overdue.
    Clear,
}

/// What is to be done about an order whose tenant owes something or not. Once the step was taken,
/// there is nothing more to do at the same moment.
pub fn step(owes: bool, dates: Option<Dates>, rules: Rules, now: Timestamp) -> Step {
    match (owes, dates) {
        (false, None) => Step::None,
        (false, Some(_)) => Step::Clear,
        (true, None) => Step::Warn(warned(rules, now)),
        (true, Some(Dates { suspended_at: None, suspend_at, .. })) if now < suspend_at => {
            Step::None
        }
        (true, Some(dates @ Dates { suspended_at: None, .. })) => {
            let delete_at = later(now, rules.retention);
            Step::Suspend(Dates { suspended_at: Some(now), delete_at, ..dates })
        }
        (true, Some(dates)) if now < dates.delete_at => Step::None,
        (true, Some(_)) => Step::End,
    }
}

fn warned(rules: Rules, now: Timestamp) -> Dates {
    let suspend_at = later(now, rules.grace);
    let delete_at = later(suspend_at, rules.retention);
    Dates { warned_at: now, suspend_at, suspended_at: None, delete_at }
}

/// When `available` money is used up at a price of `hourly`; `None` when it never is. A debt is used
/// up now.
pub fn runs_out(available: Money, hourly: Money, now: Timestamp) -> Option<Timestamp> {
    if hourly.micros() <= 0 {
        return None;
    }
    let money = i128::from(available.micros().max(0));
    let seconds = money * 3_600 / i128::from(hourly.micros());
    let seconds = i64::try_from(seconds).ok()?;
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn later(at: Timestamp, length: Duration) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(length.seconds())).unwrap_or(Timestamp::MAX)
}
