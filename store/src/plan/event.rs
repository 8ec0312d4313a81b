//! What happened to plans.

use jiff::Timestamp;

use super::{KeptPlan, PlanPhase};
use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// Something that happened to a plan: it came to a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEvent {
    /// Its id, `evt_…`.
    pub id: String,
    /// The plan.
    pub plan: String,
    /// The version that the plan had from then on.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// The phase.
    pub phase: PlanPhase,
    /// Who did it.
    pub actor: String,
    /// What there is to say of it.
    pub why: Option<String>,
}

impl PlanEvent {
    /// Reads a row of `plan_event`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(PlanEvent {
            id: row::text(row, "id")?,
            plan: row::text(row, "plan")?,
            number: row::number(row, "number")?,
            at: row::time(row, "at")?,
            phase: row::parsed(row, "phase")?,
            actor: row::text(row, "actor")?,
            why: row.text("why")?,
        })
    }
}

impl Store {
    /// What happened to plans, by the time it happened and then by id: behind `after`, as
    /// [`Store::order_news`] says it of orders.
    pub async fn plan_news(
        &self,
        after: (Timestamp, &str),
        limit: u32,
    ) -> Result<Vec<PlanEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, plan, number, at, phase, actor, why FROM plan_event
             WHERE at > $1 OR (at = $1 AND id > $2)
             ORDER BY at, id LIMIT $3",
        )
        .bind(after.0.as_microsecond())
        .bind(after.1.to_owned())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let news = rows.iter().map(PlanEvent::read).collect::<Result<_, _>>();
        news.map_err(|error| self.error(&error.into()))
    }
}

impl Store {
    /// When an event happened; `None` when there was none of that id.
    pub async fn plan_event_at(&self, id: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at FROM plan_event WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let at = row.map(|row| row::time(&row, "at")).transpose();
        at.map_err(|error| self.error(&error.into()))
    }
}

/// Remembers the phase that a plan came to.
pub(super) async fn insert(
    work: &mut Work,
    plan: &KeptPlan,
    now: Timestamp,
    by: &Actor,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO plan_event (id, plan, number, at, phase, actor, why)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(ident("evt", now))
    .bind(&plan.id)
    .bind(plan.version)
    .bind(now.as_microsecond())
    .bind(plan.phase.as_str())
    .bind(by.as_str())
    .bind(plan.why.clone())
    .execute(&mut **work)
    .await?;
    Ok(())
}
