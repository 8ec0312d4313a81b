//! Orders from rows, and back.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lessor_specs::OrderPhase;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::AssertSqlSafe;

use super::Order;
use crate::row::{self, Columns, Misread};
use crate::work::{Work, insert, with_said};
use crate::{Decline, Store, StoreError};

/// How many values a new order is written in.
const COLUMNS: usize = 22;

/// Which orders are listed.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Those of one tenant; of all unless said.
    pub tenant: Option<String>,
    /// Those called so, of whichever tenant.
    pub name: Option<String>,
    /// Those in one phase.
    pub phase: Option<OrderPhase>,
    /// Those placed before this one: where the list before ended.
    pub before: Option<String>,
}

impl Order {
    /// Reads a row of `orders`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Order {
            id: row::text(row, "id")?,
            tenant: row::text(row, "tenant")?,
            name: row::text(row, "name")?,
            client_ref: row.text("client_ref")?,
            instance: json(row, "instance")?,
            need: json(row, "need")?,
            discount: json_optional(row, "discount")?,
            zone: row::text(row, "zone")?,
            currency: row::parsed_optional(row, "currency")?,
            running: row::number(row, "running")? == 1,
            phase: row::parsed(row, "phase")?,
            reasons: reasons(row)?,
            why: row.text("why")?,
            host: row.text("host")?,
            promised: json(row, "promised")?,
            placed_by: row::text(row, "placed_by")?,
            placed_at: row::time(row, "placed_at")?,
            anchored_at: row::time_optional(row, "anchored_at")?,
            owes: row::number(row, "owes")? == 1,
            dunning: json_optional(row, "dunning")?,
            ended_by: row.text("ended_by")?,
            retain_until: row::time_optional(row, "retain_until")?,
            ended_at: row::time_optional(row, "ended_at")?,
            cleared_at: row::time_optional(row, "cleared_at")?,
            version: row::count(row, "version")?,
            turns: json(row, "turns")?,
            progress: json(row, "progress")?,
        })
    }

    /// When the next line of its bill falls due.
    pub(crate) fn meter_at(&self) -> Option<Timestamp> {
        let is_over = self.mode() == lessor_billing::Mode::Ended;
        let anchored = self.anchored_at.filter(|_| !is_over && self.currency.is_some())?;
        let Some(until) = self.progress.until() else { return Some(anchored) };
        let hour = i64::try_from(lessor_billing::PERIOD_SECONDS).unwrap_or_default() * 1_000_000;
        let begun = (until.as_microsecond() - anchored.as_microsecond()).div_euclid(hour);
        let next = begun.checked_add(1)?.checked_mul(hour)?;
        Timestamp::from_microsecond(anchored.as_microsecond().checked_add(next)?).ok()
    }

    /// When the next thing happens to it that happens to one that owes.
    pub(crate) fn dunning_at(&self) -> Option<Timestamp> {
        if self.phase.is_end() || self.phase == OrderPhase::Terminating {
            return None;
        }
        match &self.dunning {
            None => self.owes.then_some(self.placed_at),
            Some(_) if !self.owes => Some(self.placed_at),
            Some(dates) if dates.suspended_at.is_none() => Some(dates.suspend_at),
            Some(dates) => Some(dates.delete_at),
        }
    }
}

impl Store {
    /// An order; `None` when there is no such order.
    pub async fn order_show(&self, id: &str) -> Result<Option<Order>, StoreError> {
        let found = sqlx::query("SELECT * FROM orders WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let order = found.as_ref().map(Order::read).transpose();
        order.map_err(|error| self.error(&error.into()))
    }

    /// Orders, the newest first.
    pub async fn order_list(
        &self,
        filter: &OrderFilter,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let said = [
            ("tenant", filter.tenant.as_deref()),
            ("name", filter.name.as_deref()),
            ("phase", filter.phase.map(OrderPhase::as_str)),
        ];
        let text = with_said("SELECT * FROM orders WHERE id < $1", 3, &said);
        let query = sqlx::query(AssertSqlSafe(format!("{text} ORDER BY id DESC LIMIT $2")));
        let before = filter.before.as_deref().unwrap_or(row::LAST);
        let query = query.bind(before.to_owned()).bind(i64::from(limit));
        let values = said.into_iter().filter_map(|(_, value)| value);
        let query = values.fold(query, |query, value| query.bind(value.to_owned()));
        let rows = query.fetch_all(self.pool()).await.map_err(|error| self.error(&error))?;
        let orders = rows.iter().map(Order::read).collect::<Result<_, _>>();
        orders.map_err(|error| self.error(&error.into()))
    }

    /// An order, which nobody else changes until the transaction ends.
    pub(crate) async fn order_lock(&self, work: &mut Work, id: &str) -> Result<Order, StoreError> {
        let found =
            sqlx::query("UPDATE orders SET touched = touched + 1 WHERE id = $1 RETURNING *")
                .bind(id)
                .fetch_optional(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        let found = found.ok_or_else(|| Decline::NoOrder { order: id.to_owned() })?;
        Order::read(&found).map_err(|error| self.error(&error.into()))
    }

    /// Writes down what may change of an order that is locked.
    pub(crate) async fn order_write(
        &self,
        work: &mut Work,
        order: &Order,
    ) -> Result<(), StoreError> {
        let written = order_update(work, order).await;
        written.map_err(|error| self.error(&error))
    }
}

async fn order_update(work: &mut Work, order: &Order) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE orders SET instance = $1, need = $2, offer = $3, running = $4, phase = $5,
             reasons = $6, why = $7, anchored_at = $8, turns = $9, progress = $10,
             meter_at = $11, owes = $12, dunning = $13, dunning_at = $14, ended_by = $15,
             retain_until = $16, ended_at = $17, cleared_at = $18, version = $19, currency = $20,
             host = $21, promised = $22
         WHERE id = $23",
    )
    .bind(text_of(&order.instance))
    .bind(text_of(&order.need))
    .bind(&order.instance.offer)
    .bind(i64::from(order.running))
    .bind(order.phase.as_str())
    .bind(reasons_text(&order.reasons))
    .bind(&order.why)
    .bind(micros(order.anchored_at))
    .bind(text_of(&order.turns))
    .bind(text_of(&order.progress))
    .bind(micros(order.meter_at()))
    .bind(i64::from(order.owes))
    .bind(order.dunning.as_ref().map(text_of))
    .bind(micros(order.dunning_at()))
    .bind(&order.ended_by)
    .bind(micros(order.retain_until))
    .bind(micros(order.ended_at))
    .bind(micros(order.cleared_at))
    .bind(row::column(order.version))
    .bind(order.currency.map(|currency| currency.to_string()))
    .bind(&order.host)
    .bind(text_of(&order.promised))
    .bind(&order.id)
    .execute(&mut **work)
    .await?;
    Ok(())
}

/// Writes down orders that are new.
pub(super) async fn orders_insert(work: &mut Work, orders: &[Order]) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO orders (id, tenant, name, client_ref, offer, instance, need, discount,
             zone, currency, running, phase, reasons, placed_by, placed_at, turns, progress, owes,
             version, touched, host, promised) VALUES";
    insert(work, text, COLUMNS, orders, |query, order| {
        query
            .bind(&order.id)
            .bind(&order.tenant)
            .bind(&order.name)
            .bind(&order.client_ref)
            .bind(&order.instance.offer)
            .bind(text_of(&order.instance))
            .bind(text_of(&order.need))
            .bind(order.discount.as_ref().map(text_of))
            .bind(&order.zone)
            .bind(order.currency.map(|currency| currency.to_string()))
            .bind(i64::from(order.running))
            .bind(order.phase.as_str())
            .bind(reasons_text(&order.reasons))
            .bind(&order.placed_by)
            .bind(order.placed_at.as_microsecond())
            .bind(text_of(&order.turns))
            .bind(text_of(&order.progress))
            .bind(i64::from(order.owes))
            .bind(row::column(order.version))
            .bind(0_i64)
            .bind(&order.host)
            .bind(text_of(&order.promised))
    })
    .await
}

/// Plain data as text: this cannot fail.
pub(super) fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_microsecond)
}

fn json<T: DeserializeOwned>(row: &impl Columns, column: &str) -> Result<T, Misread> {
    serde_json::from_str(&row::text(row, column)?).map_err(|why| Misread::new(column, &why))
}

fn json_optional<T: DeserializeOwned>(
    row: &impl Columns,
    column: &str,
) -> Result<Option<T>, Misread> {
    let text = row.text(column)?;
    let value = text.map(|text| serde_json::from_str(&text)).transpose();
    value.map_err(|why| Misread::new(column, &why))
}

fn reasons(row: &impl Columns) -> Result<BTreeSet<super::Reason>, Misread> {
    let text = row::text(row, "reasons")?;
    let reasons = text.split_whitespace().map(str::parse).collect::<Result<_, String>>();
    reasons.map_err(|why| Misread::new("reasons", &why))
}

fn reasons_text(reasons: &BTreeSet<super::Reason>) -> String {
    reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(" ")
}
