//! What an order would cost: one sum, for who asks and for who orders.

use std::sync::Arc;

use jiff::Timestamp;
use lessor_billing::{Choices, Quote, Tariff, quote};
use lessor_engine::Clock as _;
use lessor_specs::Currency;
use lessor_specs::kinds::{Instance, Ready};
use lessor_specs::orders::Version;

use super::desk::Ground;
use super::place::{order_of, unfit};
use super::room::merged;
use super::{Need, Order, OrderRequest, PromoTerms};
use crate::work::Work;
use crate::{Store, StoreError};

/// What an order would cost, and on what terms.
#[derive(Clone, Debug)]
pub struct Quoted {
    /// What was asked about, its offer and its image in the versions they are sold in.
    pub instance: Instance,
    /// What it costs; `None` when it is free.
    pub quote: Option<Quote>,
    /// What its promo code takes off.
    pub promo: Option<PromoTerms>,
    /// When this was so.
    pub at: Timestamp,
}

/// What was asked for, with its price.
pub(super) struct Priced {
    /// Its offer and its image in their versions.
    pub(super) instance: Instance,
    pub(super) version: Arc<Version>,
    pub(super) currency: Option<Currency>,
    pub(super) redeemed: Option<PromoTerms>,
    pub(super) quote: Option<Quote>,
}

impl Store {
    /// Says what an order would cost, and remembers the offer in its version so that it can be
    /// ordered so for a while. Nothing else is changed, and nothing is promised: neither room nor
    /// quota nor money is looked at.
    ///
    /// # Errors
    /// A [`Decline`](crate::Decline) when it is not sold so.
    pub async fn order_quote(&self, request: &OrderRequest) -> Result<Quoted, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let ground = self.ground(&mut work).await?;
        let priced = self.priced(&mut work, &ground, request, now).await?;
        let gathered = self.gathered_renters(&mut work).await?;
        let Priced { instance, version, currency, redeemed, quote } = priced;
        let discount = redeemed.as_ref().map(|redeemed| redeemed.discount.clone());
        let need = Need::of(&version.offer, &instance);
        let zone = gathered.zone(&ground, &request.tenant);
        let order = order_of(request, instance, need, (currency, discount, zone), now);
        merged(&ground, &gathered, &[(&order, &*version)], now)?;
        self.commit(work).await?;
        Ok(Quoted { instance: order.instance, quote, promo: redeemed, at: now })
    }

    /// What an order costs by what it bought; `None` when it is free.
    pub async fn order_price(&self, order: &Order) -> Result<Option<Quote>, StoreError> {
        let version = self.version_bought(order).await?;
        let tariff = Tariff::of(&version.offer, &Choices::from(&order.instance));
        let tariff = tariff.map_err(|why| unfit("offer", &why.to_string()))?;
        Ok(tariff.map(|tariff| quote(&tariff, order.discount.as_ref())))
    }

    /// What makes the instance of each order count as ready, by the image it bought; `None` where
    /// nothing does.
    pub async fn order_list_ready(
        &self,
        orders: &[Order],
    ) -> Result<Vec<Option<Ready>>, StoreError> {
        let mut work = self.begin_snapshot().await?;
        let mut all = Vec::with_capacity(orders.len());
        for order in orders {
            let version = self.offer_version(&mut work, &order.instance.offer).await?;
            let image = order.instance.image.as_ref().and_then(|image| version.images.get(image));
            all.push(image.and_then(|image| image.container.as_ref()?.ready.clone()));
        }
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(all)
    }

    /// The offer of an order, in the version it bought.
    pub(super) async fn version_bought(&self, order: &Order) -> Result<Arc<Version>, StoreError> {
        if let Some(version) = self.desk().version(&order.instance.offer) {
            return Ok(version);
        }
        let mut work = self.begin_snapshot().await?;
        let version = self.offer_version(&mut work, &order.instance.offer).await?;
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(version)
    }

    /// What is asked for, in the version it is sold in, and what that costs.
    pub(super) async fn priced(
        &self,
        work: &mut Work,
        ground: &Ground,
        request: &OrderRequest,
        now: Timestamp,
    ) -> Result<Priced, StoreError> {
        let version = self.version_sold(work, ground, &request.instance.offer).await?;
        if version.offer.machine.is_some() {
            return Err(unfit("offer", "its machines are reserved, not ordered").into());
        }
        let mut instance = request.instance.clone();
        let image = version.image(instance.image.as_deref()).map(ToOwned::to_owned);
        let missing = || unfit("image", "name one that the offer has");
        instance.image = Some(image.ok_or_else(missing)?);
        instance.offer.clone_from(&version.name);
        let choices = Choices::from(&instance);
        let tariff =
            Tariff::of(&version.offer, &choices).map_err(|why| unfit("offer", &why.to_string()))?;
        let redeemed = self.redeem(work, ground, request, tariff.as_ref(), now).await?;
        let discount = redeemed.as_ref().map(|redeemed| &redeemed.discount);
        let quote = tariff.as_ref().map(|tariff| quote(tariff, discount));
        let currency = tariff.as_ref().map(Tariff::currency);
        Ok(Priced { instance, version, currency, redeemed, quote })
    }
}
