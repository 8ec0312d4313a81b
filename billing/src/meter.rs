//! From what an order went through to the lines of its bill.
//!
//! Periods of one hour follow each other from activation, whatever the wall clock does. Each is
//! charged when it begins, the first with what was held for it at placement. Whatever changes within
//! a period is put right at once, to the microsecond, by a line for the rest of it: above zero for
//! what came, below for what went. A period and all that happens in it count in the calendar month
//! in which it begins.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lessor_specs::Money;
use serde::{Deserialize, Serialize};

use crate::calendar::month_end;
use crate::discount::WHOLE;
use crate::exact::{HOUR, ONE, half_even};
use crate::layers::Layers;
use crate::{Component, Discount, Mode, Part, Tariff};

/// How long a period is: an hour, as prices are.
pub const PERIOD_SECONDS: u64 = HOUR as u64 / 1_000_000;

/// What an order went through since it was activated.
///
/// It only grows, and only behind what was asked for: whoever writes down a change gives it a
/// moment after the last one that lines were made up to.
#[derive(Clone, Debug)]
pub struct History {
    /// When it was activated: its first period begins.
    pub anchored_at: Timestamp,
    /// Where its calendar months are those of. It stays what it was at placement.
    pub zone: TimeZone,
    /// What a promo code takes off it.
    pub discount: Option<Discount>,
    /// In order of time; the first is activation. Of several at one moment, the last counts.
    pub turns: Vec<Turn>,
}

/// From a moment on, something else is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From when.
    pub at: Timestamp,
    /// How it counts.
    pub mode: Mode,
    /// What it costs; `None` when it is free.
    pub tariff: Option<Tariff>,
}

/// One line of a bill. An order has no two with the same part and start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What is billed.
    pub part: Part,
    /// From when. It is due at this moment.
    pub start: Timestamp,
    /// Until when, exclusive: the end of the period.
    pub end: Timestamp,
    /// Whether it puts right what the line of the period says, since something changed.
    pub correction: bool,
    /// How much there is of it from then on: cores, bytes, or 1 of the whole.
    pub quantity: u64,
    /// For each core, GiB or the whole, and hour.
    pub hourly: Money,
    /// What it would be without cap and promo code, for showing.
    pub list: Money,
    /// What is to be paid, or given back when below zero.
    pub amount: Money,
}

/// Every line that is due up to `now`, in order of start and part.
///
/// # Errors
/// Never, for a history on its own; see [`Progress::advance`].
pub fn usage_lines(history: &History, now: Timestamp) -> Result<Vec<Line>, ToldLate> {
    Progress::default().advance(history, now)
}

/// A change was told of that is older than lines that were made already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happened up to {until} is billed already, and something was added to it")]
pub struct ToldLate {
    /// Up to when lines were made.
    pub until: Timestamp,
}

/// How far the lines of an order were made, so that the next ones need not begin at the first.
///
/// Whoever keeps it beside the lines gets the same lines as somebody who begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Every moment up to this one is billed.
    until: Option<Timestamp>,
    /// How many turns were taken into account.
    turns: usize,
    /// How many periods were begun.
    periods: i64,
    /// The end of the calendar month of the last one.
    month_end: Option<Timestamp>,
    /// What was used in that month, without cap and promo code. See [`ONE`].
    #[serde(with = "as_text")]
    used: i128,
    /// What was charged in that month, before an amount was taken off.
    charged: i64,
    /// How long each size was billed in that month, where hours are capped.
    layers: BTreeMap<Part, Layers>,
    /// What was charged since activation, before an amount was taken off.
    total: i64,
}

impl Progress {
    /// Every moment up to this one is billed; a change needs a later one.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The lines that became due since the last call, up to and with `now`, in order of start and
    /// part. A `now` before the last one makes none.
    ///
    /// # Errors
    /// When the history was changed where it is billed already.
    pub fn advance(&mut self, history: &History, now: Timestamp) -> Result<Vec<Line>, ToldLate> {
        let known = self.until.map_or(0, |until| history.before(until));
        if let Some(until) = self.until.filter(|_| known != self.turns) {
            return Err(ToldLate { until });
        }
        let mut lines = Vec::new();
        while let Some(at) = self.next(history).filter(|at| *at <= now) {
            let before = self.turns.checked_sub(1).and_then(|last| history.turns.get(last));
            self.turns = history.before(at);
            let turn = self.turns.checked_sub(1).and_then(|last| history.turns.get(last));
            if history.period_start(self.periods) == Some(at) {
                self.begin_period(history, at);
                self.charge(history, at, &Situation::default(), &Situation::of(turn), &mut lines);
            } else {
                let (old, new) = (Situation::of(before), Situation::of(turn));
                self.charge(history, at, &old, &new, &mut lines);
            }
            self.until = Some(at);
        }
        self.until = self.until.max(Some(now));
        self.turns = self.until.map_or(0, |until| history.before(until));
        Ok(lines)
    }

    /// The next moment at which something is to be charged: a period begins, or something changes.
    fn next(&self, history: &History) -> Option<Timestamp> {
        let is_over = |turn: &Turn| turn.mode == Mode::Ended;
        let last = self.turns.checked_sub(1).and_then(|last| history.turns.get(last));
        if last.is_some_and(is_over) {
            return None;
        }
        let period = history.period_start(self.periods);
        // Before activation nothing is charged.
        let turn = history.turns.get(self.turns).map(|turn| turn.at.max(history.anchored_at));
        period.into_iter().chain(turn).min()
    }

    fn begin_period(&mut self, history: &History, at: Timestamp) {
        self.periods += 1;
        if self.month_end.is_none_or(|end| at >= end) {
            self.month_end = Some(month_end(at, &history.zone));
            (self.used, self.charged) = (0, 0);
            self.layers.clear();
        }
    }

    /// From `at` to the end of the period, `old` was charged, and `new` is right.
    fn charge(
        &mut self,
        history: &History,
        at: Timestamp,
        old: &Situation<'_>,
        new: &Situation<'_>,
        lines: &mut Vec<Line>,
    ) {
        let start = history.period_start(self.periods - 1);
        let end = history.period_start(self.periods);
        let (Some(start), Some(end)) = (start, end) else { return };
        let length = end.as_microsecond() - at.as_microsecond();
        let since = start.as_microsecond() - history.anchored_at.as_microsecond();
        for part in Part::ALL {
            let (before, after) = (old.component(part), new.component(part));
            let Some(shown) = after.or(before).filter(|_| before != after) else { continue };
            let full = |component: Option<&Component>| component.map_or(0, Component::exact_hourly);
            let list = (full(after) - full(before)) * i128::from(length);
            let hours = self.bill(part, before, -length, old.cap_hours())
                + self.bill(part, after, length, new.cap_hours());
            let amount = self.settle(hours, since, new.tariff.or(old.tariff), history);
            lines.push(Line {
                part,
                start: at,
                end,
                correction: at != start,
                quantity: after.map_or(0, |component| component.quantity),
                hourly: shown.hourly,
                list: half_even(list, ONE),
                amount,
            });
        }
    }

    /// What so many microseconds of a part come to, without what is beyond a cap in hours.
    fn bill(
        &mut self,
        part: Part,
        component: Option<&Component>,
        length: i64,
        cap_hours: Option<u16>,
    ) -> i128 {
        let Some(component) = component else { return 0 };
        let price = i128::from(component.hourly.micros());
        let Some(hours) = cap_hours else { return price * component.weight() * i128::from(length) };
        let layers = self.layers.entry(part).or_default();
        price * layers.bill(component.weight(), length, i64::from(hours) * HOUR)
    }

    /// From what was used to what is to be paid for it: within the cap, with what a promo code
    /// takes off, and rounded once.
    fn settle(
        &mut self,
        exact: i128,
        since: i64,
        tariff: Option<&Tariff>,
        history: &History,
    ) -> Money {
        let cap = tariff.and_then(Tariff::monthly_cap);
        let capped = |used: i128| cap.map_or(used, |cap| used.min(i128::from(cap.micros()) * ONE));
        let before = capped(self.used);
        self.used += exact;
        let benefit = history.discount.as_ref().map(|discount| &discount.benefit);
        let share = benefit.map_or(WHOLE, |benefit| benefit.share(since));
        let amount = half_even((capped(self.used) - before) * share, ONE * WHOLE).micros();
        // Many lines that were rounded up must not come to more than the cap.
        let room = cap.map_or(i64::MAX, |cap| (cap.micros() - self.charged).max(0));
        let amount = amount.min(room);
        self.charged += amount;
        let budget = benefit.map_or(0, |benefit| benefit.budget().micros());
        let paid = |total: i64| (total - budget).max(0);
        let before = paid(self.total);
        self.total += amount;
        Money::from_micros(paid(self.total) - before)
    }
}

impl History {
    /// How many turns there are up to and with this moment.
    fn before(&self, at: Timestamp) -> usize {
        self.turns.partition_point(|turn| turn.at <= at)
    }

    /// When a period begins, counted from 0; `None` beyond the end of time.
    fn period_start(&self, period: i64) -> Option<Timestamp> {
        let since = period.checked_mul(HOUR)?;
        let at = self.anchored_at.as_microsecond().checked_add(since)?;
        Timestamp::from_microsecond(at).ok()
    }
}

/// What is billed at a moment.
#[derive(Default)]
struct Situation<'t> {
    tariff: Option<&'t Tariff>,
    mode: Option<Mode>,
}

impl<'t> Situation<'t> {
    fn of(turn: Option<&'t Turn>) -> Self {
        Situation {
            tariff: turn.and_then(|turn| turn.tariff.as_ref()),
            mode: turn.map(|turn| turn.mode),
        }
    }

    fn component(&self, part: Part) -> Option<&'t Component> {
        let mode = self.mode.filter(|mode| part.is_billed(*mode))?;
        self.tariff?.billed(mode).find(|component| component.part == part)
    }

    fn cap_hours(&self) -> Option<u16> {
        self.tariff.and_then(Tariff::cap_hours)
    }
}

/// A number that is too long for JSON.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
