//! What becomes of orders nobody pays for.

use jiff::Timestamp;
use lessor_billing::dunning::{Rules, Step, step};
use serde_json::json;

use crate::order::{Happening, Order, Reason};
use crate::row;
use crate::work::Work;
use crate::{Store, StoreError};

/// How many orders are looked at before the list is read again.
const AT_ONCE: i64 = 500;

impl Store {
    /// Warns, suspends and ends orders that owe, each when its time has come, and takes that back
    /// where they were paid. Answers with how many that were. Any number of servers may do so.
    ///
    /// # Errors
    /// See [`StoreError`]. What was done before stays done, and the next run goes on.
    pub async fn usage_dun(&self, now: Timestamp) -> Result<usize, StoreError> {
        let keep = self.retention_policy().await?;
        let mut changed = 0;
        let mut last = String::new();
        loop {
            let rows = sqlx::query(
                "SELECT id FROM orders WHERE dunning_at <= $1 AND id > $2 ORDER BY id LIMIT $3",
            )
            .bind(now.as_microsecond())
            .bind(last.clone())
            .bind(AT_ONCE)
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
            for row in &rows {
                last = row::text(row, "id").map_err(|error| self.error(&error.into()))?;
                changed += usize::from(self.retried(|| self.dun(&last, keep, now)).await?);
            }
            if row::column(rows.len()) < AT_ONCE {
                return Ok(changed);
            }
        }
    }

    async fn dun(
        &self,
        id: &str,
        keep: Option<lessor_specs::Duration>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        // Ending an order gives back what it was given.
        self.placement_advance(&mut work).await?;
        let mut order = self.order_lock(&mut work, id).await?;
        if order.dunning_at().is_none_or(|at| at > now) {
            return Ok(false);
        }
        self.debt_pay(&mut work, &mut order, now).await?;
        let version = self.offer_version(&mut work, &order.instance.offer).await?;
        let rules = Rules::of(version.offer.lifecycle.as_ref(), keep);
        let step = step(order.owes, order.dunning, rules, now);
        self.dun_step(&mut work, &mut order, step, now).await?;
        self.order_write(&mut work, &order).await?;
        self.commit(work).await?;
        Ok(step != Step::None)
    }

    async fn dun_step(
        &self,
        work: &mut Work,
        order: &mut Order,
        step: Step,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match step {
            Step::None => Ok(()),
            Step::Clear => self.order_paid(work, order, now).await,
            Step::Warn(dates) => {
                order.dunning = Some(dates);
                let data = json!({ "suspend_at": dates.suspend_at });
                self.order_happen(work, order, Happening::Warned, data, now).await.map(drop)
            }
            Step::Suspend(dates) => {
                order.dunning = Some(dates);
                order.reasons.insert(Reason::Overdue);
                order.turn(now);
                let data =
                    json!({ "reason": Reason::Overdue.as_str(), "delete_at": dates.delete_at });
                self.order_happen(work, order, Happening::Suspended, data, now).await.map(drop)
            }
            Step::End => {
                let data = json!({ "why": "it was not paid for" });
                self.order_end(work, order, Some(now), data, now).await
            }
        }
    }
}
