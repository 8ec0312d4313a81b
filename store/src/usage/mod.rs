//! What orders cost, line by line: written once, paid when there is money.
//!
//! [`lessor_billing`] says which lines are due. Here they are written down, exactly once however
//! late, often or simultaneously somebody asks, and paid from the wallet: the lines of an order that
//! fall due at one moment together, in one transaction of the ledger. Where the wallet does not
//! reach, they stay unpaid, and the order owes.

mod bill;
mod dun;
mod meter;
mod pay;

use jiff::Timestamp;
use lessor_billing::Part;
use lessor_specs::{Currency, Money};

use crate::row::{self, Columns, Misread};
use crate::{Store, StoreError};

pub(crate) use bill::Bill;
pub use meter::Metered;
pub(crate) use pay::charge;

/// A line of a bill, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    /// The order.
    pub order: String,
    /// What is billed.
    pub part: Part,
    /// From when.
    pub start: Timestamp,
    /// Until when, exclusive.
    pub end: Timestamp,
    /// Whether it puts right what another line says.
    pub correction: bool,
    /// Cores, bytes, or 1 of the whole.
    pub quantity: u64,
    /// For each core, GiB or the whole, and hour.
    pub hourly: Money,
    /// What it would be without cap and promo code.
    pub list: Money,
    /// What is to be paid, or given back when below zero.
    pub amount: Money,
    /// Its currency.
    pub currency: Currency,
    /// The transaction that paid it; `None` while it is unpaid, and where there was nothing to pay.
    pub txn: Option<String>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
}

impl UsageLine {
    /// Reads a row of `usage_line`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let money = |column| Ok::<_, Misread>(Money::from_micros(row::number(row, column)?));
        Ok(UsageLine {
            order: row::text(row, "order_id")?,
            part: row::parsed(row, "component")?,
            start: row::time(row, "period_start")?,
            end: row::time(row, "period_end")?,
            correction: row::number(row, "correction")? == 1,
            quantity: row::count(row, "quantity")?,
            hourly: money("hourly")?,
            list: money("list")?,
            amount: money("amount")?,
            currency: row::parsed(row, "currency")?,
            txn: row.text("txn")?,
            paid_at: row::time_optional(row, "paid_at")?,
        })
    }
}

impl Store {
    /// The lines of a tenant that begin in `[from, until)`, in order.
    pub async fn usage_list(
        &self,
        tenant: &str,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<UsageLine>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM usage_line
             WHERE tenant = $1 AND period_start >= $2 AND period_start < $3
             ORDER BY period_start, order_id, component LIMIT $4",
        )
        .bind(tenant)
        .bind(from.as_microsecond())
        .bind(until.as_microsecond())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let lines = rows.iter().map(UsageLine::read).collect::<Result<_, _>>();
        lines.map_err(|error| self.error(&error.into()))
    }

    /// The lines of an order, in order.
    pub async fn usage_of_order(&self, order: &str) -> Result<Vec<UsageLine>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM usage_line WHERE order_id = $1 ORDER BY period_start, component",
        )
        .bind(order)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let lines = rows.iter().map(UsageLine::read).collect::<Result<_, _>>();
        lines.map_err(|error| self.error(&error.into()))
    }
}
