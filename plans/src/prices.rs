//! What a plan does to what everything that is rented comes to.

use std::collections::BTreeMap;

use lessor_specs::{Address, Currency, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a plan does to what everything that is rented comes to. Empty where nothing has a price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Instances that cost something else from then on.
    pub changes: BTreeMap<Address, Price>,
    /// What all instances come to, by currency.
    pub run_rate: Vec<RunRate>,
    /// Instances that go without anybody knowing what they cost.
    #[serde(default, skip_serializing_if = "crate::plan::is_zero")]
    pub unknown: usize,
}

/// An amount of some currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Which currency.
    pub currency: Currency,
    /// How much more an hour costs; below zero, how much less.
    pub hourly: Money,
}

/// What all instances of one currency come to in a month of 730 hours, each with its caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRate {
    /// Which currency.
    pub currency: Currency,
    /// As it is.
    pub before: Money,
    /// As it will be.
    pub after: Money,
}

impl Prices {
    /// Whether nothing has a price.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.run_rate.is_empty() && self.unknown == 0
    }
}
