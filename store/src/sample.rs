//! What instances used, moment by moment.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lessor_engine::Usage;

use crate::row::{self, Columns, Misread};
use crate::work::{rows_at_once, with_rows};
use crate::{Store, StoreError};

/// How many values a sample is written in.
const COLUMNS: usize = 11;

/// What the instance of an order used at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The order.
    pub order: String,
    /// When.
    pub at: Timestamp,
    /// What. How much it kept busy is counted since the sample before.
    pub usage: Usage,
}

impl Sample {
    /// Reads a row of `metric_sample`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let number = |column| {
            let found = row.number_optional(column)?;
            Ok::<_, Misread>(found.and_then(|found| u64::try_from(found).ok()))
        };
        Ok(Sample {
            order: row::text(row, "order_id")?,
            at: row::time(row, "at")?,
            usage: Usage {
                running: row::number(row, "running")? == 1,
                busy: number("busy")?.map(Duration::from_nanos),
                cpu: number("cpu")?,
                memory: number("memory")?,
                memory_limit: number("memory_limit")?,
                received: number("received")?,
                sent: number("sent")?,
                read: number("read")?,
                written: number("written")?,
            },
        })
    }
}

impl Store {
    /// Remembers samples. One that is there already stays as it is.
    pub async fn sample_write(&self, samples: &[Sample]) -> Result<(), StoreError> {
        for rows in samples.chunks(rows_at_once(COLUMNS)) {
            let text = "INSERT INTO metric_sample (order_id, at, running, busy, cpu, memory,
                 memory_limit, received, sent, read, written) VALUES";
            let text =
                with_rows(text, rows.len(), COLUMNS) + " ON CONFLICT (order_id, at) DO NOTHING";
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for Sample { order, at, usage } in rows {
                query = query
                    .bind(order)
                    .bind(at.as_microsecond())
                    .bind(i64::from(usage.running))
                    .bind(usage.busy.map(|busy| row::column(busy.as_nanos())))
                    .bind(usage.cpu.map(row::column))
                    .bind(usage.memory.map(row::column))
                    .bind(usage.memory_limit.map(row::column))
                    .bind(usage.received.map(row::column))
                    .bind(usage.sent.map(row::column))
                    .bind(usage.read.map(row::column))
                    .bind(usage.written.map(row::column));
            }
            query.execute(self.pool()).await.map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    /// What the instance of an order used from `since` on and before `until`, the oldest first; of
    /// more than `limit`, the last ones.
    pub async fn sample_list(
        &self,
        order: &str,
        (since, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Sample>, StoreError> {
        let rows = sqlx::query(
            "SELECT order_id, at, running, busy, cpu, memory, memory_limit, received, sent, read,
                 written
             FROM metric_sample WHERE order_id = $1 AND at >= $2 AND at < $3
             ORDER BY at DESC LIMIT $4",
        )
        .bind(order)
        .bind(since.as_microsecond())
        .bind(until.as_microsecond())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let samples = rows.iter().rev().map(Sample::read).collect::<Result<_, _>>();
        samples.map_err(|error| self.error(&error.into()))
    }

    /// The last sample of each order that has one from `since` on.
    pub async fn sample_last(
        &self,
        since: Timestamp,
    ) -> Result<BTreeMap<String, Sample>, StoreError> {
        let rows = sqlx::query(
            "SELECT order_id, at, running, busy, cpu, memory, memory_limit, received, sent, read,
                 written
             FROM metric_sample AS last
             WHERE at >= $1 AND NOT EXISTS (
                 SELECT 1 FROM metric_sample AS later
                 WHERE later.order_id = last.order_id AND later.at > last.at
             )",
        )
        .bind(since.as_microsecond())
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let samples: Result<Vec<_>, _> = rows.iter().map(Sample::read).collect();
        let samples = samples.map_err(|error| self.error(&error.into()))?;
        Ok(samples.into_iter().map(|sample| (sample.order.clone(), sample)).collect())
    }

    /// Forgets samples from before `before`. Answers how many.
    pub async fn sample_forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query("DELETE FROM metric_sample WHERE at < $1")
            .bind(before.as_microsecond())
            .execute(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(forgotten.rows_affected())
    }
}
