//! What everything that is rented comes to in a month.

use std::collections::BTreeMap;

use lessor_specs::{Currency, Money};
use serde::Serialize;

use crate::{Mode, Tariff};

/// The hours of a month when none is meant in particular: a twelfth of 365 days.
pub const MONTH_HOURS: u16 = 730;

/// What orders come to if they go on as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RunRate {
    /// In an hour.
    pub hourly: Money,
    /// In a month of [`MONTH_HOURS`], each order with its cap.
    pub monthly: Money,
}

impl RunRate {
    const ZERO: RunRate = RunRate { hourly: Money::from_micros(0), monthly: Money::from_micros(0) };

    /// Of one order.
    pub fn of(tariff: &Tariff, mode: Mode) -> RunRate {
        let (hourly, monthly) = (tariff.hourly(mode), tariff.hours(mode, MONTH_HOURS));
        RunRate { hourly, monthly }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: RunRate) -> RunRate {
        let sum = |a: Money, b: Money| Money::from_micros(a.micros().saturating_add(b.micros()));
        RunRate {
            hourly: sum(self.hourly, other.hourly),
            monthly: sum(self.monthly, other.monthly),
        }
    }
}

/// What these orders come to, by currency. Their order does not matter.
pub fn run_rate<'t>(
    orders: impl IntoIterator<Item = (&'t Tariff, Mode)>,
) -> BTreeMap<Currency, RunRate> {
    let mut sums = BTreeMap::new();
    for (tariff, mode) in orders {
        let sum = sums.entry(tariff.currency()).or_insert(RunRate::ZERO);
        *sum = sum.plus(RunRate::of(tariff, mode));
    }
    sums
}
