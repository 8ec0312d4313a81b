//! What customers get off when they know a word.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Moment, Percent};
use crate::{Currency, Duration, Money};

/// A promo code: exactly one of a share, an amount and free hours off one order. An order takes one
/// at most. Its name is what customers write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoCode {
    /// A share off every price of the order, caps included.
    pub percent: Option<Percent>,
    /// How long the share is off, from when the order is activated; for as long as the order lives
    /// unless said.
    pub lasts: Option<Duration>,
    /// An amount off: until it is used up, the order costs nothing.
    pub amount: Option<Money>,
    /// The currency of the amount; the order has to have the same.
    pub currency: Option<Currency>,
    /// The order costs nothing in so many hours from when it is activated.
    #[schemars(range(min = 1, max = 87_600))]
    pub free_hours: Option<u32>,
    /// The `offer` entries it is for; any when empty.
    #[serde(default)]
    pub offers: Vec<String>,
    /// Whether it is for the first order of a tenant alone.
    #[serde(default)]
    pub first_order: bool,
    /// How many orders may take it.
    #[schemars(range(min = 1))]
    pub max_uses: Option<u32>,
    /// How many orders of one tenant may take it.
    #[schemars(range(min = 1))]
    pub max_per_tenant: Option<u32>,
    /// From when it may be taken.
    pub valid_from: Option<Moment>,
    /// Until when it may be taken, exclusive. What an order took stays with it.
    pub valid_until: Option<Moment>,
}
