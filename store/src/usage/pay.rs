//! Paying bills, and writing their lines.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lessor_specs::{Currency, Money};
use serde_json::json;

use super::UsageLine;
use super::bill::Bill;
use crate::ledger::{Account, Booking, BookingKind, LedgerEntry};
use crate::order::{Happening, Order, Reason};
use crate::row;
use crate::work::{Work, rows_at_once, with_rows};
use crate::{Decline, Store, StoreError};

/// The columns of `usage_line`.
const COLUMNS: usize = 13;

impl Store {
    /// Writes bills down and pays them, as far as there is money. `owing` are orders that owe
    /// already: theirs have to wait for what came before. Answers with the orders that owe now.
    pub(crate) async fn bills_write(
        &self,
        work: &mut Work,
        bills: Vec<Bill>,
        mut owing: BTreeSet<String>,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut by_wallet: BTreeMap<(String, Currency), Vec<Bill>> = BTreeMap::new();
        for bill in bills {
            by_wallet.entry((bill.tenant.clone(), bill.currency)).or_default().push(bill);
        }
        let (mut paid, mut unpaid) = (Vec::new(), Vec::new());
        // In order of tenant, so that two who pay never wait for each other.
        for ((tenant, currency), bills) in by_wallet {
            let (late, due): (Vec<_>, Vec<_>) =
                bills.into_iter().partition(|bill| owing.contains(&bill.order));
            unpaid.extend(late);
            let sum = due.iter().map(|bill| bill.amount().micros()).fold(0, i64::saturating_add);
            if self.wallet_take(work, &tenant, currency, Money::from_micros(sum)).await? {
                paid.extend(due);
                continue;
            }
            for bill in in_order(due) {
                let pays = !owing.contains(&bill.order)
                    && self.wallet_take(work, &tenant, currency, bill.amount()).await?;
                if pays {
                    paid.push(bill);
                } else {
                    owing.insert(bill.order.clone());
                    unpaid.push(bill);
                }
            }
        }
        self.lines_write(work, &paid, &unpaid, now).await?;
        Ok(owing)
    }

    /// Writes bills whose wallets were seen to, and those that are not paid.
    pub(crate) async fn lines_write(
        &self,
        work: &mut Work,
        paid: &[Bill],
        unpaid: &[Bill],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut entries = Vec::new();
        for bill in paid {
            let entry = entry_of(bill, now)?;
            let txn = entry.as_ref().map(|entry| entry.id.clone());
            rows.extend(bill.lines.iter().map(|line| (bill, line, txn.clone(), Some(now))));
            entries.extend(entry);
        }
        for bill in unpaid {
            rows.extend(bill.lines.iter().map(|line| (bill, line, None, None)));
        }
        self.ledger_write_all(work, &entries).await?;
        for rows in rows.chunks(rows_at_once(COLUMNS)) {
            let text = "INSERT INTO usage_line (order_id, component, period_start, period_end,
                 tenant, currency, correction, quantity, hourly, list, amount, txn, paid_at) VALUES";
            let text = with_rows(text, rows.len(), COLUMNS);
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for (bill, line, txn, paid_at) in rows {
                query = query
                    .bind(&bill.order)
                    .bind(line.part.as_str())
                    .bind(line.start.as_microsecond())
                    .bind(line.end.as_microsecond())
                    .bind(&bill.tenant)
                    .bind(bill.currency.to_string())
                    .bind(i64::from(line.correction))
                    .bind(row::column(line.quantity))
                    .bind(line.hourly.micros())
                    .bind(line.list.micros())
                    .bind(line.amount.micros())
                    .bind(txn)
                    .bind(paid_at.map(Timestamp::as_microsecond));
            }
            query.execute(&mut **work).await.map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    /// Pays what an order that is locked still owes, the oldest first, as far as there is money.
    pub(crate) async fn debt_pay(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if !order.owes {
            return Ok(());
        }
        for (start, lines) in self.unpaid(work, &order.id).await? {
            let micros = lines.iter().map(|line| line.amount.micros());
            let amount = Money::from_micros(micros.fold(0, i64::saturating_add));
            let Some(currency) = lines.first().map(|line| line.currency) else { continue };
            if !self.wallet_take(work, &order.tenant, currency, amount).await? {
                return Ok(());
            }
            let entry = charge(&order.tenant, &order.id, currency, amount)
                .map(|booking| booking.closed(now))
                .transpose()?;
            self.ledger_write_all(work, entry.as_slice()).await?;
            sqlx::query(
                "UPDATE usage_line SET txn = $1, paid_at = $2
                 WHERE order_id = $3 AND period_start = $4 AND paid_at IS NULL",
            )
            .bind(entry.as_ref().map(|entry| entry.id.clone()))
            .bind(now.as_microsecond())
            .bind(&order.id)
            .bind(start.as_microsecond())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        }
        order.owes = false;
        Ok(())
    }

    /// Pays what the orders of a tenant owe, as far as there is money, and takes back what was done
    /// because they owed. Answers with how many owe nothing any more.
    pub async fn usage_settle(&self, tenant: &str) -> Result<usize, StoreError> {
        let now = lessor_engine::Clock::now(self);
        let found = sqlx::query("SELECT id FROM orders WHERE tenant = $1 AND owes = 1 ORDER BY id")
            .bind(tenant)
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let mut settled = 0;
        for row in &found {
            let id = row::text(row, "id").map_err(|error| self.error(&error.into()))?;
            settled += usize::from(self.retried(|| self.settle_one(&id, now)).await?);
        }
        Ok(settled)
    }

    /// Pays what one order owes, as far as there is money. Whether it owes nothing any more.
    async fn settle_one(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let mut order = self.order_lock(&mut work, id).await?;
        self.debt_pay(&mut work, &mut order, now).await?;
        self.order_paid(&mut work, &mut order, now).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(!order.owes)
    }

    /// What follows for an order when it owes nothing any more: it has no dates, and is not
    /// suspended for that reason. Other reasons stay.
    pub(crate) async fn order_paid(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if order.owes || order.dunning.is_none() {
            return Ok(());
        }
        order.dunning = None;
        let was_suspended = order.reasons.remove(&Reason::Overdue);
        order.turn(now);
        let data = json!({ "suspended": was_suspended });
        self.order_happen(work, order, Happening::Paid, data, now).await.map(drop)
    }

    /// Takes an amount out of a wallet, or gives it when it is below zero. Whether there was enough.
    async fn wallet_take(
        &self,
        work: &mut Work,
        tenant: &str,
        currency: Currency,
        amount: Money,
    ) -> Result<bool, StoreError> {
        if amount.micros() == 0 {
            return Ok(true);
        }
        let amount = Money::from_micros(amount.micros().saturating_neg());
        match self.wallet_move(work, tenant, currency, amount).await {
            Ok(()) => Ok(true),
            Err(StoreError::Declined(decline))
                if matches!(*decline, Decline::WalletShort { .. }) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The unpaid lines of an order, by when they fell due.
    async fn unpaid(
        &self,
        work: &mut Work,
        order: &str,
    ) -> Result<BTreeMap<Timestamp, Vec<UsageLine>>, StoreError> {
        let rows = sqlx::query("SELECT * FROM usage_line WHERE order_id = $1 AND paid_at IS NULL")
            .bind(order)
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let mut lines: BTreeMap<Timestamp, Vec<UsageLine>> = BTreeMap::new();
        for row in &rows {
            let line = UsageLine::read(row).map_err(|error| self.error(&error.into()))?;
            lines.entry(line.start).or_default().push(line);
        }
        Ok(lines)
    }
}

/// What a bill comes to, as a transaction; `None` when that is nothing.
pub(crate) fn charge(
    tenant: &str,
    order: &str,
    currency: Currency,
    amount: Money,
) -> Option<Booking> {
    let wallet = Account::Wallet(tenant.to_owned());
    let (kind, memo, from, to) = match amount.micros() {
        0 => return None,
        1.. => (BookingKind::Charge, "usage", wallet, Account::Income),
        _ => (BookingKind::Refund, "usage that was given back", Account::Income, wallet),
    };
    let amount = Money::from_micros(amount.micros().saturating_abs());
    Some(Booking::new(kind, tenant, memo).about(order).moving(from, to, currency, amount))
}

fn entry_of(bill: &Bill, now: Timestamp) -> Result<Option<LedgerEntry>, StoreError> {
    let charge = charge(&bill.tenant, &bill.order, bill.currency, bill.amount());
    charge.map(|booking| Ok(booking.closed(now)?)).transpose()
}

/// What fell due first is paid first.
fn in_order(mut bills: Vec<Bill>) -> Vec<Bill> {
    bills.sort_by(|a, b| (a.start, &a.order).cmp(&(b.start, &b.order)));
    bills
}
