//! What customers, and we, do with an order that was placed.

use jiff::{SignedDuration, Timestamp};
use lessor_billing::Choices;
use lessor_billing::dunning::Rules;
use lessor_engine::Clock as _;
use lessor_specs::{ByteSize, OrderPhase};
use serde_json::{Value, json};

use super::event::{events_insert, happen};
use super::place::unfit;
use super::{Happening, Order, OrderEvent, Reason};
use crate::ledger::HoldPhase;
use crate::usage::Bill;
use crate::work::Work;
use crate::{Actor, AuditEvent, Decline, Store, StoreError};

/// Another size, or another offer. What is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderChange {
    /// Another offer, as it is sold now.
    pub offer: Option<String>,
    /// Cores.
    pub cpu: Option<u32>,
    /// Memory.
    pub memory: Option<ByteSize>,
    /// Disk.
    pub disk: Option<ByteSize>,
}

impl Store {
    /// Gives an order another size: within the quota, where there is room, and if there is money for
    /// the rest of its period. `expected` is the version that the caller has seen.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_resize(
        &self,
        id: &str,
        expected: Option<u64>,
        change: &OrderChange,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        self.retried(|| self.order_resize_once(id, expected, change, by)).await
    }

    async fn order_resize_once(
        &self,
        id: &str,
        expected: Option<u64>,
        change: &OrderChange,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let number = self.placement_advance(&mut work).await?;
        let mut order = self.order_expect(&mut work, id, expected).await?;
        let sizes = |order: &Order| (order.instance.offer.clone(), Choices::from(&order.instance));
        let before = sizes(&order);
        self.resized(&mut work, &mut order, change, number, now).await?;
        if sizes(&order) == before {
            return Ok(order);
        }
        let data = json!({
            "offer": order.instance.offer, "cpu": order.instance.cpu,
            "memory": order.instance.memory, "disk": order.instance.disk,
        });
        self.order_happen(&mut work, &mut order, Happening::Resized, data.clone(), now).await?;
        order.turn(now);
        self.order_bill_now(&mut work, &mut order, now).await?;
        self.order_audit(&mut work, &order, by, "order.resize", data).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// Switches an order on or off, for as long as its customer wishes.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_power(
        &self,
        id: &str,
        expected: Option<u64>,
        running: bool,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        let data = json!({ "running": running });
        self.order_change(id, expected, by, ("order.power", Happening::Switched, data), |order| {
            let changes = order.running != running;
            order.running = running;
            changes
        })
        .await
    }

    /// Suspends an order for a reason, beside those there are.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_suspend(
        &self,
        id: &str,
        reason: Reason,
        why: &str,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        let data = json!({ "reason": reason.as_str(), "why": why });
        self.order_change(id, None, by, ("order.suspend", Happening::Suspended, data), |order| {
            order.reasons.insert(reason)
        })
        .await
    }

    /// Takes away a reason against an order. It runs again when that was the last one.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_resume(
        &self,
        id: &str,
        reason: Reason,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        let data = json!({ "reason": reason.as_str() });
        self.order_change(id, None, by, ("order.resume", Happening::Resumed, data), |order| {
            order.reasons.remove(&reason)
        })
        .await
    }

    /// Ends an order: it is stopped, its data is kept for as long as its offer says, and then all
    /// of it is removed. What was not made yet is not made.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_terminate(
        &self,
        id: &str,
        expected: Option<u64>,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        self.retried(|| self.order_terminate_once(id, expected, by)).await
    }

    async fn order_terminate_once(
        &self,
        id: &str,
        expected: Option<u64>,
        by: &Actor,
    ) -> Result<Order, StoreError> {
        let now = self.now();
        let keep = self.retention_policy().await?;
        let mut work = self.begin().await?;
        self.placement_advance(&mut work).await?;
        let mut order = self.order_expect(&mut work, id, expected).await?;
        if order.phase == OrderPhase::Terminating || order.phase.is_end() {
            return Ok(order);
        }
        let version = self.offer_version(&mut work, &order.instance.offer).await?;
        let rules = Rules::of(version.offer.lifecycle.as_ref(), keep);
        let seconds = SignedDuration::from_secs(rules.retention.seconds());
        let until = now.checked_add(seconds).unwrap_or(Timestamp::MAX);
        // What was never there has no data.
        let until = order.anchored_at.map(|_| until);
        self.order_end(&mut work, &mut order, until, json!({}), now).await?;
        self.order_audit(&mut work, &order, by, "order.terminate", json!({})).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// One change that takes nothing more of a quota. `change` says whether it changed anything.
    async fn order_change(
        &self,
        id: &str,
        expected: Option<u64>,
        by: &Actor,
        about: (&'static str, Happening, Value),
        change: impl Fn(&mut Order) -> bool + Send + Sync,
    ) -> Result<Order, StoreError> {
        self.retried(|| self.order_change_once(id, expected, by, &about, &change)).await
    }

    async fn order_change_once(
        &self,
        id: &str,
        expected: Option<u64>,
        by: &Actor,
        (action, what, data): &(&'static str, Happening, Value),
        change: &(impl Fn(&mut Order) -> bool + Send + Sync),
    ) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let mut order = self.order_expect(&mut work, id, expected).await?;
        if !change(&mut order) {
            return Ok(order);
        }
        self.order_happen(&mut work, &mut order, *what, data.clone(), now).await?;
        order.turn(now);
        if *what == Happening::Switched {
            self.order_bill_now(&mut work, &mut order, now).await?;
        } else {
            self.order_bill(&mut work, &mut order, now).await?;
        }
        self.order_audit(&mut work, &order, by, action, data.clone()).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// An order that is locked, and at the version that the caller has seen.
    pub(super) async fn order_expect(
        &self,
        work: &mut Work,
        id: &str,
        expected: Option<u64>,
    ) -> Result<Order, StoreError> {
        let order = self.order_lock(work, id).await?;
        match expected {
            Some(expected) if expected != order.version => {
                let (order, found) = (order.id, order.version);
                Err(Decline::OrderMoved { order, expected, found }.into())
            }
            _ => Ok(order),
        }
    }

    /// Gives an order another size, and takes what that needs more.
    async fn resized(
        &self,
        work: &mut Work,
        order: &mut Order,
        change: &OrderChange,
        number: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ground = self.ground(work).await?;
        let mut gathered = self.gathered(work, number).await?;
        if let Some(offer) = &change.offer {
            let version = self.version_sold(work, &ground, offer).await?;
            let currency = version.offer.price.currency;
            if order.currency.is_some_and(|paid_in| currency != Some(paid_in)) {
                return Err(unfit("offer", "it is paid in another currency").into());
            }
            let image = order.instance.image.as_deref().map(plain);
            let image = version.image(image).map(ToOwned::to_owned);
            let missing = || unfit("offer", "it does not have the image of the order");
            order.instance.image = Some(image.ok_or_else(missing)?);
            order.instance.offer.clone_from(&version.name);
            order.currency = currency;
        }
        let instance = &mut order.instance;
        instance.cpu = change.cpu.or(instance.cpu);
        instance.memory = change.memory.or(instance.memory);
        instance.disk = change.disk.or(instance.disk);
        self.resize_take(work, (&ground, &mut gathered), order, now).await
    }

    /// Lets something happen to an order, and writes the event.
    pub(crate) async fn order_happen(
        &self,
        work: &mut Work,
        order: &mut Order,
        what: Happening,
        data: Value,
        now: Timestamp,
    ) -> Result<OrderEvent, StoreError> {
        let event = happen(order, what, data, now)?;
        let inserted = events_insert(work, &[(&order.tenant, &event)]).await;
        inserted.map_err(|error| self.error(&error))?;
        if what.ends_health() {
            self.health_delete(work, &order.id).await?;
        }
        Ok(event)
    }

    /// Ends an order that is locked. What it was given is counted no more; what is there of it goes
    /// when its data is due.
    pub(crate) async fn order_end(
        &self,
        work: &mut Work,
        order: &mut Order,
        retain_until: Option<Timestamp>,
        data: Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let event = self.order_happen(work, order, Happening::Terminated, data, now).await?;
        order.ended_by = Some(event.id);
        order.ended_at = Some(now);
        order.retain_until = retain_until;
        order.turn(now);
        self.order_bill(work, order, now).await?;
        self.order_give_back(work, order, now).await?;
        if order.phase == OrderPhase::Canceled {
            order.cleared_at = Some(now);
            self.room_give_back(work, order).await?;
        }
        Ok(())
    }

    /// Gives back what an order that ended before its time was promised or counted.
    pub(super) async fn order_give_back(
        &self,
        work: &mut Work,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.quota_give_back(work, &order.tenant, order.need).await?;
        if order.anchored_at.is_none() {
            self.promo_give_back(work, order).await?;
        }
        let Some(hold) = self.hold_of(work, &order.id).await? else { return Ok(()) };
        let hold = self.hold_end(work, &hold.id, HoldPhase::Released, now).await?;
        self.hold_free(work, &hold).await
    }

    /// Writes what became due up to now, and pays it or lets the order owe it. Answers with what
    /// there was no money for.
    pub(super) async fn order_bill(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<Option<Bill>, StoreError> {
        // A change just now is billed just now, even where the clock went back since.
        let now = order.turns.last().map_or(now, |last| last.at.max(now));
        let bills = self.bills(work, order, now).await?;
        let dearest = bills.iter().max_by_key(|bill| bill.amount()).cloned();
        let owed = order.owes;
        let owing = owed.then(|| order.id.clone()).into_iter().collect();
        order.owes = !self.bills_write(work, bills, owing, now).await?.is_empty();
        Ok(dearest.filter(|_| order.owes && !owed))
    }

    /// As [`Store::order_bill`], for what a customer wants more of: without money, nothing changes.
    async fn order_bill_now(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.order_bill(work, order, now).await? {
            None => Ok(()),
            Some(bill) => {
                Err(self.wallet_short(work, &bill.tenant, bill.currency, bill.amount()).await)
            }
        }
    }

    pub(crate) async fn order_audit(
        &self,
        work: &mut Work,
        order: &Order,
        by: &Actor,
        action: &'static str,
        data: Value,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            actor: by.clone(),
            action,
            tenant: Some(order.tenant.clone()),
            target: order.id.clone(),
            data,
        };
        self.audit_insert(work, event).await
    }
}

/// The name without its version.
pub(super) fn plain(name: &str) -> &str {
    name.split_once('@').map_or(name, |(plain, _)| plain)
}
