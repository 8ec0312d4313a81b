//! What the reconciler tells of an order: that it is begun, there, lost, given up, or gone.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_specs::OrderPhase;
use serde_json::json;

use super::{Happening, Order};
use crate::ledger::HoldPhase;
use crate::usage::{Bill, charge};
use crate::work::Work;
use crate::{Store, StoreError};

impl Store {
    /// What an order asks for is about to be made.
    pub async fn order_begin(&self, id: &str) -> Result<Order, StoreError> {
        self.retried(|| self.order_tell(id, None, Happening::Begun, None)).await
    }

    /// Everything an order asks for is there, as it was at version `seen`. The first time, its
    /// periods begin now, and what was held for the first one is charged.
    ///
    /// # Errors
    /// [`Decline::OrderMoved`](crate::Decline::OrderMoved) when the order asks for something else by now.
    pub async fn order_activate(&self, id: &str, seen: Option<u64>) -> Result<Order, StoreError> {
        self.retried(|| self.order_activate_once(id, seen)).await
    }

    async fn order_activate_once(&self, id: &str, seen: Option<u64>) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let mut order = self.order_expect(&mut work, id, seen).await?;
        let rests = matches!(order.phase, OrderPhase::Active | OrderPhase::Suspended);
        if rests && order.reasons.is_empty() == (order.phase == OrderPhase::Active) {
            return Ok(order);
        }
        self.order_happen(&mut work, &mut order, Happening::Settled, json!({}), now).await?;
        order.why = None;
        if order.anchored_at.is_none() {
            order.anchored_at = Some(now);
            order.turn(now);
            self.first_period(&mut work, &mut order, now).await?;
        }
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// A provider's answer was lost: nobody knows what is there of an order.
    pub async fn order_lose(&self, id: &str, why: &str) -> Result<Order, StoreError> {
        self.retried(|| self.order_tell(id, None, Happening::Lost, Some(why))).await
    }

    /// An order cannot be carried out. What it was given is counted no more, what was held is free,
    /// and what is there of it is removed.
    pub async fn order_fail(&self, id: &str, why: &str) -> Result<Order, StoreError> {
        self.retried(|| self.order_fail_once(id, why)).await
    }

    async fn order_fail_once(&self, id: &str, why: &str) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        self.placement_advance(&mut work).await?;
        let mut order = self.order_lock(&mut work, id).await?;
        if order.phase == OrderPhase::Failed {
            return Ok(order);
        }
        let data = json!({ "why": why });
        let event = self.order_happen(&mut work, &mut order, Happening::Failed, data, now).await?;
        order.ended_by = Some(event.id);
        order.ended_at = Some(now);
        order.why = Some(why.to_owned());
        order.turn(now);
        self.order_bill(&mut work, &mut order, now).await?;
        self.order_give_back(&mut work, &order, now).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// Nothing is left of an order that ended: its ports and addresses are free again.
    pub async fn order_clear(&self, id: &str) -> Result<Order, StoreError> {
        self.retried(|| self.order_clear_once(id)).await
    }

    async fn order_clear_once(&self, id: &str) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        self.placement_advance(&mut work).await?;
        let mut order = self.order_lock(&mut work, id).await?;
        if order.cleared_at.is_some() {
            return Ok(order);
        }
        self.order_happen(&mut work, &mut order, Happening::Cleared, json!({}), now).await?;
        order.cleared_at = Some(now);
        self.room_give_back(&mut work, &mut order).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    async fn order_tell(
        &self,
        id: &str,
        seen: Option<u64>,
        what: Happening,
        why: Option<&str>,
    ) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let mut order = self.order_expect(&mut work, id, seen).await?;
        let before = order.phase;
        let data = why.map_or_else(|| json!({}), |why| json!({ "why": why }));
        self.order_happen(&mut work, &mut order, what, data, now).await?;
        if order.phase == before && order.why.as_deref() == why {
            // It was told before.
            return self.order_unchanged(work, id).await;
        }
        order.why = why.map(ToOwned::to_owned);
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    async fn order_unchanged(&self, work: Work, id: &str) -> Result<Order, StoreError> {
        work.rollback().await.map_err(|error| self.error(&error))?;
        let found = self.order_show(id).await?;
        found.ok_or_else(|| crate::Decline::NoOrder { order: id.to_owned() }.into())
    }

    /// Charges the first period out of what was held for it.
    async fn first_period(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(hold) = self.hold_of(work, &order.id).await? else {
            self.order_bill(work, order, now).await?;
            return Ok(());
        };
        let bills = self.bills(work, order, now).await?;
        let sum = bills.iter().map(|bill| bill.amount().micros()).fold(0, i64::saturating_add);
        // Less than was held where it does not run at first.
        let first = <[Bill; 1]>::try_from(bills).ok();
        let Some([bill]) = first.filter(|_| sum > 0 && sum <= hold.amount.micros()) else {
            let hold = self.hold_end(work, &hold.id, HoldPhase::Released, now).await?;
            self.hold_free(work, &hold).await?;
            order.progress = lessor_billing::Progress::default();
            self.order_bill(work, order, now).await?;
            return Ok(());
        };
        let hold = self.hold_end(work, &hold.id, HoldPhase::Captured, now).await?;
        let booking = charge(&bill.tenant, &bill.order, bill.currency, bill.amount());
        if let Some(booking) = booking {
            self.hold_take(work, &hold, &booking).await?;
        }
        self.lines_write(work, &[bill], &[], now).await
    }
}
