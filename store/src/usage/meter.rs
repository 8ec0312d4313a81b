//! Writing down what became due, for every order there is.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::order::Order;
use crate::row;
use crate::work::{Work, rows_at_once, with_rows};
use crate::{Store, StoreError};

/// How many orders are metered in one transaction.
///
/// Each has a line or a few; with more at once, others would wait for their wallets for long.
const AT_ONCE: i64 = 500;

/// The columns of an order that metering changes.
const COLUMNS: usize = 5;

/// What metering came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// How many orders had something due.
    pub orders: usize,
    /// How many lines that made.
    pub lines: usize,
    /// How many of the orders owe something.
    pub owing: usize,
}

impl Store {
    /// Writes and pays every line that is due up to `now`. Any number of servers may do so at once;
    /// each line is written by one of them.
    ///
    /// # Errors
    /// See [`StoreError`]. What was metered before stays so, and the next run goes on.
    pub async fn usage_meter(&self, now: Timestamp) -> Result<Metered, StoreError> {
        let mut metered = Metered::default();
        loop {
            let batch = self.retried(|| self.meter_batch(now)).await?;
            metered.orders += batch.orders;
            metered.lines += batch.lines;
            metered.owing += batch.owing;
            if row::column(batch.orders) < AT_ONCE {
                return Ok(metered);
            }
        }
    }

    async fn meter_batch(&self, now: Timestamp) -> Result<Metered, StoreError> {
        let mut work = self.begin().await?;
        let mut orders = self.orders_due(&mut work, now).await?;
        let owing: BTreeSet<_> =
            orders.iter().filter(|order| order.owes).map(|order| order.id.clone()).collect();
        let mut bills = Vec::new();
        for order in &mut orders {
            bills.extend(self.bills(&mut work, order, now).await?);
        }
        let lines = bills.iter().map(|bill| bill.lines.len()).sum();
        let owing = self.bills_write(&mut work, bills, owing, now).await?;
        for order in &mut orders {
            order.owes = owing.contains(&order.id);
        }
        let written = orders_update(&mut work, &orders).await;
        written.map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(Metered { orders: orders.len(), lines, owing: owing.len() })
    }

    /// Orders of which something is due, which nobody else changes until the transaction ends.
    async fn orders_due(&self, work: &mut Work, now: Timestamp) -> Result<Vec<Order>, StoreError> {
        // Who waited for another to meter the same orders finds their dates moved on.
        let rows = sqlx::query(
            "UPDATE orders SET touched = touched + 1
             WHERE meter_at <= $1 AND id IN (
                 SELECT id FROM orders WHERE meter_at <= $1 ORDER BY meter_at, id LIMIT $2
             )
             RETURNING *",
        )
        .bind(now.as_microsecond())
        .bind(AT_ONCE)
        .fetch_all(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let mut orders: Vec<_> = rows
            .iter()
            .map(Order::read)
            .collect::<Result<_, _>>()
            .map_err(|error| self.error(&error.into()))?;
        orders.sort_by(|a: &Order, b| a.id.cmp(&b.id));
        Ok(orders)
    }
}

async fn orders_update(work: &mut Work, orders: &[Order]) -> Result<(), sqlx::Error> {
    for orders in orders.chunks(rows_at_once(COLUMNS)) {
        let text = with_rows("(VALUES", orders.len(), COLUMNS);
        // Both databases call the columns of a list so.
        let text = format!(
            "UPDATE orders SET progress = new.column2, meter_at = new.column3,
                 owes = new.column4, dunning_at = new.column5
             FROM {text}) AS new WHERE orders.id = new.column1"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for order in orders {
            query = query
                .bind(&order.id)
                .bind(serde_json::to_string(&order.progress).unwrap_or_default())
                .bind(order.meter_at().map(Timestamp::as_microsecond))
                .bind(i64::from(order.owes))
                .bind(order.dunning_at().map(Timestamp::as_microsecond));
        }
        query.execute(&mut **work).await?;
    }
    Ok(())
}
