use std::fmt;

use lessor_specs::{Currency, Money};
use serde::{Deserialize, Serialize};

/// Money with its currency: `EUR 0.014900`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// Which currency.
    pub currency: Currency,
    /// How much of it.
    pub money: Money,
}

impl Amount {
    /// So much of a currency.
    pub const fn new(currency: Currency, money: Money) -> Self {
        Amount { currency, money }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.money)
    }
}
