//! Plans that somebody had a server make, and what became of them.
//!
//! A plan is kept by the digest of its bytes, beside the spec files it was made from, and never
//! changes. What becomes of it does: each step is one statement that says from which phases it
//! leads, so that of two who ask at once one is told that it came too late.

mod event;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_engine::{ApplyId, Clock as _};
use lessor_plans::Plan;
use lessor_specs::Tree;
use serde_json::{Value, json};

use crate::revision::tree_insert;
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, AuditEvent, Store, StoreError};

pub use event::PlanEvent;

/// Which files a plan was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanSource {
    /// Those that were applied last.
    Applied,
    /// Those that lie in the server's directory.
    Directory,
}

/// How far a plan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanPhase {
    /// It was made.
    Made,
    /// Somebody agreed to it.
    Approved,
    /// It is to be carried out, or being carried out.
    Applying,
    /// Everything of it is done.
    Applied,
    /// Some of it is done, and the rest will not be.
    Partial,
    /// It no longer fits, and nothing of it was done.
    Stale,
    /// It could not be carried out, and nothing of it is done.
    Failed,
}

/// A plan, as it is remembered, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPlan {
    /// Its id: the digest of its bytes.
    pub id: String,
    /// Which files it was made of.
    pub source: PlanSource,
    /// How far it came.
    pub phase: PlanPhase,
    /// When something falls due, so that it has to be made anew.
    pub valid_until: Option<Timestamp>,
    /// Who had it made.
    pub made: Deed,
    /// Who agreed to it.
    pub approved: Option<Deed>,
    /// To what, in JSON.
    pub consent: Option<String>,
    /// What whoever had it applied called that request.
    pub request_key: Option<String>,
    /// Who had it applied.
    pub begun: Option<Deed>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
    /// The run that carries it out, or did so last.
    pub apply: Option<ApplyId>,
    /// What there is to say of its end.
    pub why: Option<String>,
    /// Grows with every step.
    pub version: i64,
}

/// Who did something to a plan, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Who.
    pub by: String,
    /// When. No two plans were made at the same time, so that this says where a page begins.
    pub at: Timestamp,
}

/// What somebody wants to happen to a plan.
#[derive(Clone, Debug)]
enum Step<'s> {
    Approve { consent: &'s str },
    Apply { request_key: &'s str },
    Outdate { why: &'s str },
    End { phase: PlanPhase, why: Option<&'s str> },
}

macro_rules! plans {
    () => {
        "SELECT id, source, phase, valid_until, made_by, made_at, approved_by, approved_at, consent,
             request_key, begun_by, begun_at, ended_at, apply, why, version
         FROM plan"
    };
}

impl KeptPlan {
    /// Reads a row of `plan`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let done = |by: &str, at: &str| {
            let at = row::time_optional(row, at)?;
            Ok::<_, Misread>(row.text(by)?.zip(at).map(|(by, at)| Deed { by, at }))
        };
        Ok(KeptPlan {
            id: row::text(row, "id")?,
            source: row::parsed(row, "source")?,
            phase: row::parsed(row, "phase")?,
            valid_until: row::time_optional(row, "valid_until")?,
            made: Deed { by: row::text(row, "made_by")?, at: row::time(row, "made_at")? },
            approved: done("approved_by", "approved_at")?,
            consent: row.text("consent")?,
            request_key: row.text("request_key")?,
            begun: done("begun_by", "begun_at")?,
            ended_at: row::time_optional(row, "ended_at")?,
            apply: row.text("apply")?.map(ApplyId),
            why: row.text("why")?,
            version: row::number(row, "version")?,
        })
    }
}

impl Store {
    /// Keeps a plan, with the files it was made from. One that is kept already stays as it is, unless
    /// it came to nothing: then it is as new. Answers whether it is new.
    pub async fn plan_make(
        &self,
        plan: &Plan,
        tree: &Tree,
        source: PlanSource,
        by: &Actor,
    ) -> Result<(KeptPlan, bool), StoreError> {
        self.retried(|| self.plan_make_once(plan, tree, source, by)).await
    }

    async fn plan_make_once(
        &self,
        plan: &Plan,
        tree: &Tree,
        source: PlanSource,
        by: &Actor,
    ) -> Result<(KeptPlan, bool), StoreError> {
        let failed = |error: sqlx::Error| self.error(&error);
        let id = plan.id().to_string();
        // So that no two are made at the same time.
        let mut work = self.begin_alone("plan").await?;
        let known = plan_read(&mut work, &id).await.map_err(failed)?;
        let came_to_nothing =
            |plan: &KeptPlan| matches!(plan.phase, PlanPhase::Stale | PlanPhase::Failed);
        if let Some(known) = known.filter(|known| !came_to_nothing(known)) {
            return Ok((known, false));
        }
        let specs = tree_insert(&mut work, tree).await.map_err(failed)?;
        let at = self.plan_time(&mut work).await.map_err(failed)?;
        sqlx::query(
            "INSERT INTO plan
                 (id, specs, source, bytes, phase, valid_until, made_by, made_at, version)
             VALUES ($1, $2, $3, $4, 'made', $5, $6, $7, 1)
             ON CONFLICT (id) DO UPDATE SET
                 source = excluded.source, phase = 'made', made_by = excluded.made_by,
                 made_at = excluded.made_at, approved_by = NULL, approved_at = NULL,
                 consent = NULL, request_key = NULL, begun_by = NULL, begun_at = NULL,
                 ended_at = NULL, apply = NULL, why = NULL, version = plan.version + 1",
        )
        .bind(&id)
        .bind(specs)
        .bind(source.as_str())
        // Canonical: compact, with fields in the order of declaration. Plain data, which cannot fail.
        .bind(serde_json::to_string(plan).unwrap_or_default())
        .bind(plan.valid_until.map(Timestamp::as_microsecond))
        .bind(by.as_str())
        .bind(at.as_microsecond())
        .execute(&mut *work)
        .await
        .map_err(failed)?;
        let data = json!({ "source": source.as_str() });
        self.plan_told(&mut work, (&id, "plan.make"), data, by).await?;
        let made = plan_expect(&mut work, &id).await.map_err(failed)?;
        self.commit(work).await?;
        Ok((made, true))
    }

    /// Now, or just after the last that was made.
    async fn plan_time(&self, work: &mut Work) -> Result<Timestamp, sqlx::Error> {
        let last = sqlx::query("SELECT made_at FROM plan ORDER BY made_at DESC LIMIT 1")
            .fetch_optional(&mut **work)
            .await?;
        let last = last.map(|row| row::time(&row, "made_at")).transpose()?;
        let tick = jiff::SignedDuration::from_micros(1);
        let after = last.and_then(|last| last.checked_add(tick).ok());
        Ok(after.map_or(self.now(), |after| after.max(self.now())))
    }

    /// A plan; `None` when there is none.
    pub async fn plan_show(&self, id: &str) -> Result<Option<KeptPlan>, StoreError> {
        let found = sqlx::query(concat!(plans!(), " WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let found = found.as_ref().map(KeptPlan::read).transpose();
        found.map_err(|error| self.error(&error.into()))
    }

    /// The newest first, from before `before`.
    pub async fn plan_list(
        &self,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<KeptPlan>, StoreError> {
        let rows =
            sqlx::query(concat!(plans!(), " WHERE made_at < $1 ORDER BY made_at DESC LIMIT $2"))
                .bind(before.map_or(i64::MAX, Timestamp::as_microsecond))
                .bind(i64::from(limit))
                .fetch_all(self.pool())
                .await
                .map_err(|error| self.error(&error))?;
        let found = rows.iter().map(KeptPlan::read).collect::<Result<_, _>>();
        found.map_err(|error| self.error(&error.into()))
    }

    /// The ids of those that are to be carried out, in the order in which they were made.
    pub async fn plan_list_applying(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT id FROM plan WHERE phase = 'applying' ORDER BY made_at")
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let ids = rows.iter().map(|row| row::text(row, "id")).collect::<Result<_, _>>();
        ids.map_err(|error| self.error(&error.into()))
    }

    /// What a plan says, and the files it was made from; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Misread`] when it is not what its id says.
    pub async fn plan_content(&self, id: &str) -> Result<Option<(Plan, Tree)>, StoreError> {
        let found = async {
            let row = sqlx::query(
                "SELECT plan.bytes, tree.files FROM plan JOIN tree ON tree.digest = plan.specs
                 WHERE plan.id = $1",
            )
            .bind(id)
            .fetch_optional(self.pool())
            .await?;
            Ok(row.map(|row| read_content(&row, id)).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Remembers that somebody agreed to a plan, and to what, in place of what was agreed to before.
    /// `None` when it is begun, or came to its end.
    pub async fn plan_approve(
        &self,
        id: &str,
        consent: &str,
        by: &Actor,
    ) -> Result<Option<KeptPlan>, StoreError> {
        self.plan_step(id, Step::Approve { consent }, by).await
    }

    /// Lets a plan that was agreed to be carried out. `None` when it was not, or others were faster.
    pub async fn plan_apply(
        &self,
        id: &str,
        request_key: &str,
        by: &Actor,
    ) -> Result<Option<KeptPlan>, StoreError> {
        self.plan_step(id, Step::Apply { request_key }, by).await
    }

    /// Says that a plan which is not begun no longer fits. `None` when it is begun, or ended.
    pub async fn plan_outdate(&self, id: &str, why: &str) -> Result<Option<KeptPlan>, StoreError> {
        self.plan_step(id, Step::Outdate { why }, &Actor::lessor()).await
    }

    /// Says how a plan ended that is being carried out. `None` when it ended before.
    pub async fn plan_end(
        &self,
        id: &str,
        phase: PlanPhase,
        why: Option<&str>,
    ) -> Result<Option<KeptPlan>, StoreError> {
        self.plan_step(id, Step::End { phase, why }, &Actor::lessor()).await
    }

    /// Remembers which run carries a plan out.
    pub async fn plan_begun(&self, id: &str, apply: &ApplyId) -> Result<(), StoreError> {
        sqlx::query("UPDATE plan SET apply = $1 WHERE id = $2 AND phase = 'applying'")
            .bind(&apply.0)
            .bind(id)
            .execute(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Whether any run of a plan began.
    pub async fn plan_was_begun(&self, id: &str) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT id FROM apply WHERE plan = $1 LIMIT 1")
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(found.is_some())
    }

    /// Forgets plans that were made before `before` and are not being carried out. Answers how many.
    pub async fn plan_forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        let gone = sqlx::query("DELETE FROM plan WHERE made_at < $1 AND phase <> 'applying'")
            .bind(before.as_microsecond())
            .execute(self.pool())
            .await;
        Ok(gone.map_err(|error| self.error(&error))?.rows_affected())
    }

    async fn plan_step(
        &self,
        id: &str,
        step: Step<'_>,
        by: &Actor,
    ) -> Result<Option<KeptPlan>, StoreError> {
        self.retried(|| self.plan_step_once(id, &step, by)).await
    }

    async fn plan_step_once(
        &self,
        id: &str,
        step: &Step<'_>,
        by: &Actor,
    ) -> Result<Option<KeptPlan>, StoreError> {
        let failed = |error: sqlx::Error| self.error(&error);
        let now = self.now().as_microsecond();
        let mut work = self.begin().await?;
        let (query, action, data) = match step {
            Step::Approve { consent } => (
                sqlx::query(
                    "UPDATE plan SET phase = 'approved', version = version + 1, consent = $1,
                         approved_by = $2, approved_at = $3
                     WHERE id = $4 AND phase IN ('made', 'approved')",
                )
                .bind((*consent).to_owned())
                .bind(by.as_str().to_owned())
                .bind(now)
                .bind(id.to_owned()),
                "plan.approve",
                serde_json::from_str(consent).unwrap_or(Value::Null),
            ),
            Step::Apply { request_key } => (
                sqlx::query(
                    "UPDATE plan SET phase = 'applying', version = version + 1, request_key = $1,
                         begun_by = $2, begun_at = $3
                     WHERE id = $4 AND phase = 'approved'",
                )
                .bind((*request_key).to_owned())
                .bind(by.as_str().to_owned())
                .bind(now)
                .bind(id.to_owned()),
                "plan.apply",
                json!({}),
            ),
            Step::Outdate { why } => (
                sqlx::query(
                    "UPDATE plan SET phase = 'stale', version = version + 1, why = $1, ended_at = $2
                     WHERE id = $3 AND phase IN ('made', 'approved')",
                )
                .bind((*why).to_owned())
                .bind(now)
                .bind(id.to_owned()),
                "plan.end",
                json!({ "phase": "stale" }),
            ),
            Step::End { phase, why } => (
                sqlx::query(
                    "UPDATE plan SET phase = $1, version = version + 1, why = $2, ended_at = $3
                     WHERE id = $4 AND phase = 'applying'",
                )
                .bind(phase.as_str())
                .bind(why.map(str::to_owned))
                .bind(now)
                .bind(id.to_owned()),
                "plan.end",
                json!({ "phase": phase.as_str() }),
            ),
        };
        if query.execute(&mut *work).await.map_err(failed)?.rows_affected() == 0 {
            return Ok(None);
        }
        self.plan_told(&mut work, (id, action), data, by).await?;
        let plan = plan_expect(&mut work, id).await.map_err(failed)?;
        self.commit(work).await?;
        Ok(Some(plan))
    }

    /// Remembers a step for those who follow plans, and who took it.
    async fn plan_told(
        &self,
        work: &mut Work,
        (id, action): (&str, &'static str),
        data: Value,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let told = async {
            let plan = plan_expect(work, id).await?;
            event::insert(work, &plan, self.now(), by).await
        };
        told.await.map_err(|error| self.error(&error))?;
        let target = id.to_owned();
        let event = AuditEvent { actor: by.clone(), action, tenant: None, target, data };
        self.audit_insert(work, event).await
    }
}

async fn plan_read(work: &mut Work, id: &str) -> Result<Option<KeptPlan>, sqlx::Error> {
    let row = sqlx::query(concat!(plans!(), " WHERE id = $1"))
        .bind(id)
        .fetch_optional(&mut **work)
        .await?;
    Ok(row.as_ref().map(KeptPlan::read).transpose()?)
}

async fn plan_expect(work: &mut Work, id: &str) -> Result<KeptPlan, sqlx::Error> {
    plan_read(work, id).await?.ok_or(sqlx::Error::RowNotFound)
}

fn read_content(row: &impl Columns, id: &str) -> Result<(Plan, Tree), Misread> {
    let plan: Plan = serde_json::from_str(&row::text(row, "bytes")?)
        .map_err(|error| Misread::new("bytes", &error))?;
    let found = plan.id().to_string();
    if found != id {
        return Err(Misread::new("bytes", &format!("it is plan {found}")));
    }
    Ok((plan, crate::read_tree(row)?))
}

impl PlanSource {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            PlanSource::Applied => "applied",
            PlanSource::Directory => "directory",
        }
    }
}

impl FromStr for PlanSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [PlanSource::Applied, PlanSource::Directory];
        let found = all.into_iter().find(|source| source.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no source of a plan"))
    }
}

impl PlanPhase {
    const ALL: [PlanPhase; 7] = [
        PlanPhase::Made,
        PlanPhase::Approved,
        PlanPhase::Applying,
        PlanPhase::Applied,
        PlanPhase::Partial,
        PlanPhase::Stale,
        PlanPhase::Failed,
    ];

    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            PlanPhase::Made => "made",
            PlanPhase::Approved => "approved",
            PlanPhase::Applying => "applying",
            PlanPhase::Applied => "applied",
            PlanPhase::Partial => "partial",
            PlanPhase::Stale => "stale",
            PlanPhase::Failed => "failed",
        }
    }
}

impl fmt::Display for PlanPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PlanPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = PlanPhase::ALL.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of a plan"))
    }
}
