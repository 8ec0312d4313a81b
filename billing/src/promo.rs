//! Whether an order may take a promo code.

use jiff::Timestamp;
use lessor_specs::Currency;
use lessor_specs::kinds::PromoCode;
use lessor_specs::quantity::Moment;

/// An order that wants to take a promo code, and what is known of those before it.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'t> {
    /// The offer it is one of.
    pub offer: &'t str,
    /// The currency of its prices; `None` when it is free.
    pub currency: Option<Currency>,
    /// How many orders have taken the code.
    pub uses: u64,
    /// How many of them are this tenant's.
    pub uses_of_tenant: u64,
    /// How many orders this tenant had before, whatever became of them.
    pub earlier_orders: u64,
    /// When it is placed.
    pub now: Timestamp,
}

/// Why an order may not take a promo code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It may be taken later.
    #[error("the promo code cannot be used before {from}")]
    NotYet {
        /// From when.
        from: Timestamp,
    },
    /// It was to be taken earlier.
    #[error("the promo code could be used until {until}")]
    Over {
        /// Until when, exclusive.
        until: Timestamp,
    },
    /// It is for other offers.
    #[error("the promo code is not for this offer")]
    OtherOffer,
    /// It takes off an amount in another currency.
    #[error("the promo code takes off {code}, and this offer is sold for something else")]
    OtherCurrency {
        /// The currency of the code.
        code: Currency,
    },
    /// The order costs nothing in any case.
    #[error("the promo code is of no use for an offer that is free")]
    Free,
    /// It is for a first order.
    #[error("the promo code is for a first order")]
    NotFirst,
    /// Enough orders took it.
    #[error("the promo code is used up")]
    UsedUp,
    /// Enough orders of this tenant took it.
    #[error("the promo code was used by this tenant as often as it may be")]
    UsedUpByTenant,
}

/// Why an order may not take a promo code; `None` when it may. The counts are to be taken in the
/// transaction that adds to them.
pub fn refusal(promo: &PromoCode, taking: &Taking<'_>) -> Option<Refusal> {
    let (from, until) = (promo.valid_from, promo.valid_until);
    let early = from.map(Moment::timestamp).filter(|from| taking.now < *from);
    let late = until.map(Moment::timestamp).filter(|until| taking.now >= *until);
    let is_reached =
        |limit: Option<u32>, count: u64| limit.is_some_and(|limit| count >= u64::from(limit));
    let is_other = !promo.offers.is_empty() && !promo.offers.iter().any(|o| o == taking.offer);
    let other_currency = promo.currency.filter(|own| taking.currency.is_some_and(|c| c != *own));
    let refusals = [
        early.map(|from| Refusal::NotYet { from }),
        late.map(|until| Refusal::Over { until }),
        is_other.then_some(Refusal::OtherOffer),
        other_currency.map(|code| Refusal::OtherCurrency { code }),
        taking.currency.is_none().then_some(Refusal::Free),
        (promo.first_order && taking.earlier_orders > 0).then_some(Refusal::NotFirst),
        is_reached(promo.max_uses, taking.uses).then_some(Refusal::UsedUp),
        is_reached(promo.max_per_tenant, taking.uses_of_tenant).then_some(Refusal::UsedUpByTenant),
    ];
    refusals.into_iter().flatten().next()
}
