//! What machines of a pool are reserved on.

use lessor_specs::Specs;
use lessor_specs::orders::version_of;

use super::{ReservationLimits, ReservationTerms};
use crate::order::unfit;
use crate::{Decline, Store, StoreError};

impl Store {
    /// The offer, in the version that is sold, by which a tenant reserves machines of a pool, and what it
    /// reserves them on: the offer that is `named`, or the only one there is.
    ///
    /// # Errors
    /// A [`Decline`].
    pub async fn machines_sold(
        &self,
        pool: &str,
        named: Option<&str>,
        tenant: &str,
    ) -> Result<(String, ReservationTerms), StoreError> {
        let specs = self.specs_applied().await?;
        let name = offer_of(&specs, pool, named)?;
        let tenant = self.tenant_show(tenant).await?;
        let quota = tenant.and_then(|tenant| specs.quota.get(&tenant.quota?));
        let offer = &specs.offer[name];
        let terms = ReservationTerms::of(offer, ReservationLimits::of(quota));
        let terms = terms.ok_or_else(|| unfit("offer", "it is not one of machines"))?;
        Ok((version_of(name, offer), terms))
    }
}

fn offer_of<'s>(specs: &'s Specs, pool: &str, named: Option<&str>) -> Result<&'s str, Decline> {
    let offers = specs.offer.iter().filter(|(_, offer)| offer.lends(pool));
    let mut offers = offers.map(|(name, _)| name.as_str());
    let found = match named {
        Some(named) => offers.find(|name| *name == named),
        None => offers.next().filter(|_| offers.next().is_none()),
    };
    let expected = format!("expected an offer of machines of the pool `{pool}`");
    found.ok_or_else(|| unfit("offer", &expected))
}
