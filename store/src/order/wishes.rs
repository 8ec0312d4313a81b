//! Orders as entries beside spec files.

use std::collections::BTreeMap;

use lessor_plans::{Claim, ClaimKey};
use lessor_specs::kinds::Tenant;
use lessor_specs::orders::{EndedOrder, OrderEntry};
use lessor_specs::{OrderPhase, Orders};
use sqlx::any::AnyRow;
use sqlx::{Any, Executor};

use super::Order;
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Store, StoreError};

/// What customers ordered and what is given out, at one moment.
#[derive(Clone, Debug)]
pub struct OrderSight {
    /// Everything that is not gone yet, as entries.
    pub orders: Orders,
    /// Orders that are not at rest, the oldest first.
    pub open: Vec<Order>,
    /// What is given out, to whomever.
    pub claims: BTreeMap<ClaimKey, Claim>,
}

impl Store {
    /// What customers ordered and what is given out, at one moment: whoever is given something
    /// has ordered, and whoever has ordered is given something.
    pub async fn order_sight(&self) -> Result<OrderSight, StoreError> {
        let mut work = self.begin_snapshot().await?;
        let orders = self.order_wishes_by(&mut work).await?;
        let claims = self.claim_list_by(&mut *work).await?;
        let open = self.order_list_open_by(&mut *work).await?;
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(OrderSight { orders, open, claims })
    }

    /// The version of each order that is not at rest: under way, or over with something left.
    pub async fn order_versions_open(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, version FROM orders
             WHERE cleared_at IS NULL AND phase NOT IN ('active', 'suspended')",
        )
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let versions =
            rows.iter().map(|row| Ok((row::text(row, "id")?, row::count(row, "version")?)));
        versions.collect::<Result<_, Misread>>().map_err(|error| self.error(&error.into()))
    }

    /// Orders that are not at rest, the oldest first.
    async fn order_list_open_by<'c>(
        &self,
        by: impl Executor<'c, Database = Any>,
    ) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM orders
             WHERE cleared_at IS NULL AND phase NOT IN ('active', 'suspended') ORDER BY id",
        )
        .fetch_all(by)
        .await
        .map_err(|error| self.error(&error))?;
        let orders = rows.iter().map(Order::read).collect::<Result<_, _>>();
        orders.map_err(|error| self.error(&error.into()))
    }

    /// Everything customers ordered that is not gone yet, at one moment.
    pub async fn order_wishes(&self) -> Result<Orders, StoreError> {
        let mut work = self.begin_snapshot().await?;
        let orders = self.order_wishes_by(&mut work).await?;
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(orders)
    }

    pub(super) async fn order_wishes_by(&self, work: &mut Work) -> Result<Orders, StoreError> {
        let rows = sqlx::query("SELECT * FROM orders WHERE cleared_at IS NULL")
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let mut orders = Orders { tenants: self.tenants(work).await?, ..Orders::default() };
        for row in &rows {
            let order = Order::read(row).map_err(|error| self.error(&error.into()))?;
            if order.phase.is_end() {
                let name = order.full_name();
                let event = order.ended_by.unwrap_or_else(|| order.id.clone());
                orders.ended.insert(order.id, EndedOrder { name, event });
                continue;
            }
            let offer = &order.instance.offer;
            if !orders.offers.contains_key(offer) {
                let version = self.offer_version(work, offer).await?;
                orders.add_version((*version).clone());
            }
            orders.orders.insert(order.full_name(), entry_of(&order));
        }
        Ok(orders)
    }

    /// One order as a file of its own, with what it bought.
    pub async fn order_render(&self, order: &Order) -> Result<Orders, StoreError> {
        let mut rendered = Orders::default();
        if order.phase.is_end() {
            let event = order.ended_by.clone().unwrap_or_else(|| order.id.clone());
            let ended = EndedOrder { name: order.full_name(), event };
            rendered.ended.insert(order.id.clone(), ended);
            return Ok(rendered);
        }
        let version = self.version_bought(order).await?;
        rendered.add_version((*version).clone());
        rendered.orders.insert(order.full_name(), entry_of(order));
        Ok(rendered)
    }

    /// Tenants that no file declares.
    async fn tenants(&self, work: &mut Work) -> Result<BTreeMap<String, Tenant>, StoreError> {
        let rows = sqlx::query("SELECT id, quota FROM tenant WHERE origin = 'api'")
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let tenant = |row: &AnyRow| {
            let quota = row::Columns::text(row, "quota")?;
            Ok((row::text(row, "id")?, Tenant { quota, ..Tenant::default() }))
        };
        let tenants = rows.iter().map(tenant).collect::<Result<_, Misread>>();
        tenants.map_err(|error| self.error(&error.into()))
    }
}

/// The entry that an order stands for.
pub(super) fn entry_of(order: &Order) -> OrderEntry {
    // On its way to rest, it is stopped already.
    let stopped = !order.running || !order.reasons.is_empty();
    let is_over = order.phase == OrderPhase::Terminating;
    OrderEntry {
        id: order.id.clone(),
        phase: order.phase,
        stopped,
        ended_by: order.ended_by.clone().filter(|_| is_over),
        keep_until: order.retain_until.filter(|_| is_over),
        instance: order.instance.clone(),
    }
}
