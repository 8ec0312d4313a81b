//! How instances are that should run: what was found, how often they were started anew, and which
//! are left as they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_billing::Mode;
use lessor_engine::Clock as _;
use lessor_specs::OrderPhase;
use serde_json::json;
use sqlx::any::AnyRow;

use crate::order::{Happening, Order};
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, Decline, Store, StoreError};

/// How the instance of an order was found to be. One that is well has nothing but this value's
/// default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRecord {
    /// When it was first found ill since it was last well.
    pub ill_since: Option<Timestamp>,
    /// How often in a row.
    pub fails: u32,
    /// What was found last.
    pub why: Option<String>,
    /// How often it was started anew since `window_at`.
    pub restarts: u32,
    /// When the first of those restarts was.
    pub window_at: Option<Timestamp>,
    /// Since when nothing is tried any more.
    pub held_at: Option<Timestamp>,
    /// When it was last found ill.
    pub failed_at: Option<Timestamp>,
}

/// What follows from a look at an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStep {
    /// Nothing but that it is remembered.
    Note,
    /// It is started anew.
    Restart,
    /// Starting it anew did not help: it is left as it is.
    Hold,
    /// It is well again, after it was left as it was.
    Recover,
}

impl HealthRecord {
    /// Reads a row of `instance_health`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(HealthRecord {
            ill_since: row::time_optional(row, "ill_since")?,
            fails: row::count(row, "fails")?,
            why: row.text("why")?,
            restarts: row::count(row, "restarts")?,
            window_at: row::time_optional(row, "window_at")?,
            held_at: row::time_optional(row, "held_at")?,
            failed_at: row::time_optional(row, "failed_at")?,
        })
    }
}

impl Store {
    /// Orders whose instances should run, behind `after`, in order of id.
    pub async fn order_list_running(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM orders
             WHERE phase = 'active' AND running = 1 AND reasons = '' AND id > $1
             ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let orders = rows.iter().map(Order::read).collect::<Result<_, _>>();
        orders.map_err(|error| self.error(&error.into()))
    }

    /// The instance of an order is to be started anew, since somebody asks for it: what was held
    /// against it is forgotten.
    ///
    /// # Errors
    /// A [`Decline`] when it does not run.
    pub async fn order_restart(&self, id: &str, by: &Actor) -> Result<Order, StoreError> {
        self.retried(|| self.order_restart_once(id, by)).await
    }

    async fn order_restart_once(&self, id: &str, by: &Actor) -> Result<Order, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let mut order = self.order_lock(&mut work, id).await?;
        if order.mode() == Mode::Stopped {
            let (order, phase) = (order.id, "switched off".to_owned());
            return Err(Decline::NotNow { order, phase, what: Happening::Restarted.wish() }.into());
        }
        let data = json!({ "automatic": false });
        self.order_happen(&mut work, &mut order, Happening::Restarted, data.clone(), now).await?;
        self.order_audit(&mut work, &order, by, "order.restart", data).await?;
        order.why = None;
        self.order_write(&mut work, &order).await?;
        self.health_delete(&mut work, id).await?;
        self.commit(work).await?;
        Ok(order)
    }

    /// How the instances of orders were found to be, but for those that are well.
    pub async fn health_list(&self) -> Result<BTreeMap<String, HealthRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT order_id, ill_since, fails, why, restarts, window_at, held_at, failed_at
             FROM instance_health",
        )
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let record = |row: &AnyRow| Ok((row::text(row, "order_id")?, HealthRecord::read(row)?));
        let records = rows.iter().map(record).collect::<Result<_, Misread>>();
        records.map_err(|error| self.error(&error.into()))
    }

    /// Remembers what was found of an instance and what follows, before that is done. Nothing is
    /// when its order changed since `order` was read; whether it was.
    pub async fn health_write(
        &self,
        order: &Order,
        record: &HealthRecord,
        step: HealthStep,
    ) -> Result<bool, StoreError> {
        self.retried(|| self.health_write_once(order, record, step)).await
    }

    async fn health_write_once(
        &self,
        order: &Order,
        record: &HealthRecord,
        step: HealthStep,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let mut current = self.order_lock(&mut work, &order.id).await?;
        if current.version != order.version || current.phase != OrderPhase::Active {
            return Ok(false);
        }
        let why = record.why.clone();
        let happening = match step {
            HealthStep::Note => None,
            HealthStep::Restart => {
                let data = json!({ "automatic": true, "why": why });
                Some((Happening::Restarted, data, current.why.clone()))
            }
            HealthStep::Hold => {
                let data = json!({ "why": why, "restarts": record.restarts });
                Some((Happening::Held, data, why))
            }
            HealthStep::Recover => Some((Happening::Recovered, json!({}), None)),
        };
        if let Some((what, data, why)) = happening {
            self.order_happen(&mut work, &mut current, what, data, now).await?;
            current.why = why;
            self.order_write(&mut work, &current).await?;
        }
        self.health_delete(&mut work, &order.id).await?;
        if *record != HealthRecord::default() {
            self.health_insert(&mut work, &order.id, record).await?;
        }
        self.commit(work).await?;
        Ok(true)
    }

    async fn health_insert(
        &self,
        work: &mut Work,
        order: &str,
        record: &HealthRecord,
    ) -> Result<(), StoreError> {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
        sqlx::query(
            "INSERT INTO instance_health
                 (order_id, ill_since, fails, why, restarts, window_at, held_at, failed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(order)
        .bind(micros(record.ill_since))
        .bind(i64::from(record.fails))
        .bind(record.why.as_deref().map(row::storable))
        .bind(i64::from(record.restarts))
        .bind(micros(record.window_at))
        .bind(micros(record.held_at))
        .bind(micros(record.failed_at))
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Forgets what was found of the instance of an order.
    pub(crate) async fn health_delete(
        &self,
        work: &mut Work,
        order: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM instance_health WHERE order_id = $1")
            .bind(order)
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }
}
