//! What a promo code takes off an order.

use lessor_specs::kinds::PromoCode;
use lessor_specs::{Duration, Money};
use serde::{Deserialize, Serialize};

/// What a promo code takes off an order. An order has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// The code.
    pub code: String,
    /// What it gives.
    pub benefit: Benefit,
}

/// What a promo code gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Benefit {
    /// A share of every price, caps included.
    Percent {
        /// In hundredths of a percent, up to 10 000.
        hundredths: u16,
        /// For how long from activation; for as long as the order lives unless said.
        lasts: Option<Duration>,
    },
    /// An amount, in the currency of the order: until it is used up, nothing is to be paid.
    Amount(Money),
    /// The first hours from activation.
    FreeHours(u32),
}

/// A whole, in hundredths of a percent.
pub(crate) const WHOLE: i128 = 10_000;

impl Discount {
    /// What a declared code takes off. Specs that were loaded hold only codes that give one thing.
    pub fn of(code: &str, promo: &PromoCode) -> Option<Discount> {
        let benefit = match (promo.percent, promo.amount, promo.free_hours) {
            (Some(percent), None, None) => {
                Benefit::Percent { hundredths: percent.hundredths(), lasts: promo.lasts }
            }
            (None, Some(amount), None) => Benefit::Amount(amount),
            (None, None, Some(hours)) => Benefit::FreeHours(hours),
            _ => return None,
        };
        Some(Discount { code: code.into(), benefit })
    }
}

impl Benefit {
    /// How much is to be paid of what begins so many microseconds after activation, of [`WHOLE`].
    pub(crate) fn share(&self, since: i64) -> i128 {
        let is_within = |secs: u64| u64::try_from(since).unwrap_or(0) / 1_000_000 < secs;
        match self {
            Benefit::Percent { hundredths, lasts } if lasts.is_none_or(|l| is_within(l.secs())) => {
                (WHOLE - i128::from(*hundredths)).max(0)
            }
            Benefit::FreeHours(hours) if is_within(u64::from(*hours) * 3_600) => 0,
            Benefit::Percent { .. } | Benefit::FreeHours(_) | Benefit::Amount(_) => WHOLE,
        }
    }

    /// What is paid beforehand.
    pub(crate) fn budget(&self) -> Money {
        match self {
            Benefit::Amount(money) => *money,
            Benefit::Percent { .. } | Benefit::FreeHours(_) => Money::from_micros(0),
        }
    }
}
