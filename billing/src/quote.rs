//! What an order would cost, before there is one.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lessor_specs::{Currency, Money};
use serde::Serialize;

use crate::exact::HOUR;
use crate::meter::{History, Line, Turn, usage_lines};
use crate::{Discount, MONTH_HOURS, Mode, Part, Tariff};

/// What an order would cost, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// The currency of every amount.
    pub currency: Currency,
    /// What is billed, in the order of a bill.
    pub lines: Vec<QuoteLine>,
    /// For an hour while it runs.
    pub hourly: Money,
    /// For an hour while it does not.
    pub hourly_stopped: Money,
    /// For a month of [`MONTH_HOURS`] in which it runs throughout, with its caps.
    pub monthly: Money,
    /// As [`monthly`](Self::monthly), of the first month, with what the promo code takes off.
    pub first_month: Money,
    /// Held at placement, and paid with activation: the first period, with what the promo code
    /// takes off.
    pub held: Money,
}

/// One part of what is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuoteLine {
    /// What is billed.
    pub part: Part,
    /// Cores, bytes, or 1 of the whole.
    pub quantity: u64,
    /// For each core, GiB or the whole, and hour.
    pub price: Money,
    /// For all of it and an hour.
    pub hourly: Money,
}

/// What an order of this tariff would cost with this promo code.
///
/// What is held is what [`usage_lines`] charges at activation, whenever that is.
pub fn quote(tariff: &Tariff, discount: Option<&Discount>) -> Quote {
    let components = tariff.components().iter();
    let lines = components.map(|component| QuoteLine {
        part: component.part,
        quantity: component.quantity,
        price: component.hourly,
        hourly: component.an_hour(),
    });
    Quote {
        currency: tariff.currency(),
        lines: lines.collect(),
        hourly: tariff.hourly(Mode::Running),
        hourly_stopped: tariff.hourly(Mode::Stopped),
        monthly: tariff.hours(Mode::Running, MONTH_HOURS),
        first_month: first_periods(tariff, discount, MONTH_HOURS),
        held: first_periods(tariff, discount, 1),
    }
}

/// What so many periods from activation come to, all in one calendar month.
fn first_periods(tariff: &Tariff, discount: Option<&Discount>, periods: u16) -> Money {
    // January of 1970 has 744 hours.
    let anchored_at = Timestamp::UNIX_EPOCH;
    let running = Turn { at: anchored_at, mode: Mode::Running, tariff: Some(tariff.clone()) };
    let history = History {
        anchored_at,
        zone: TimeZone::UTC,
        discount: discount.cloned(),
        turns: vec![running],
    };
    let last = i64::from(periods.saturating_sub(1)) * HOUR;
    let last = Timestamp::from_microsecond(last).unwrap_or(anchored_at);
    let lines: Vec<Line> = usage_lines(&history, last).unwrap_or_default();
    Money::from_micros(lines.iter().map(|line| line.amount.micros()).sum())
}
