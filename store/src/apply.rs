//! The beginning and the end of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::{ApplyId, Clock as _};
use lessor_plans::{Change, Claim, ClaimKey, Digest, Forget, Keep, Plan};
use lessor_specs::Tree;
use sqlx::{Any, Transaction};

use crate::row::{self, Columns, Misread};
use crate::{Store, StoreError};

/// What has to be remembered before the first step of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Begin<'a> {
    /// The plan's id.
    pub plan: Digest,
    /// The revision the plan was made for; 0 when there was none.
    pub revision: u64,
    /// The specs it was made from.
    pub tree: &'a Tree,
    /// How many entries the specs have.
    pub entries: usize,
    /// What it gives out.
    pub claims: &'a BTreeMap<ClaimKey, Claim>,
    /// What it keeps although nobody asks for it.
    pub keeps: &'a [Keep],
    /// What need not be remembered any more.
    pub forget: &'a Forget,
    /// What it changes.
    pub changes: &'a [Change],
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done.
    Done,
    /// Some step failed.
    Failed,
    /// The world was not as the plan saw it.
    Stale,
    /// Somebody stopped it.
    Interrupted,
}

/// A run, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: ApplyId,
    /// The plan it carried out.
    pub plan: Digest,
    /// The revision it applied.
    pub revision: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When and how it ended; `None` while it runs, or when it was killed.
    pub ended: Option<(Timestamp, Outcome)>,
}

impl Run {
    /// Reads a row of `apply`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let outcome: Option<Outcome> = row::parsed_optional(row, "outcome")?;
        let ended = |outcome| Ok::<_, Misread>((row::time(row, "ended_at")?, outcome));
        Ok(Run {
            id: ApplyId(row::text(row, "id")?),
            plan: row::parsed(row, "plan")?,
            revision: row::count(row, "revision")?,
            started_at: row::time(row, "started_at")?,
            ended: outcome.map(ended).transpose()?,
        })
    }
}

impl<'a> Begin<'a> {
    /// Of a plan, whose id is known, and the specs it was made from.
    pub fn of(plan: &'a Plan, id: Digest, tree: &'a Tree) -> Self {
        Begin {
            plan: id,
            revision: plan.revision,
            tree,
            entries: plan.entries,
            claims: &plan.claims,
            keeps: &plan.keeps,
            forget: &plan.forget,
            changes: &plan.changes,
        }
    }
}

impl Store {
    /// Begins a run, in one transaction: moves on from the revision the plan was made for, stores
    /// the specs, gives out what the plan gives out and remembers what it keeps.
    ///
    /// # Errors
    /// [`StoreError::RevisionMoved`], [`StoreError::ClaimTaken`] or [`StoreError::MachineReserved`] when
    /// the plan came too late; then, as after every error, nothing is changed.
    pub async fn apply_begin(&self, begin: Begin<'_>) -> Result<ApplyId, StoreError> {
        self.retried(|| self.apply_begin_once(begin, true)).await
    }

    /// As [`Store::apply_begin`], for a run that only carries out orders, or makes machines anew that
    /// were lent: the revision stays as it is, so that what operators planned meanwhile still fits.
    ///
    /// # Errors
    /// As of [`Store::apply_begin`].
    pub async fn apply_begin_orders(&self, begin: Begin<'_>) -> Result<ApplyId, StoreError> {
        self.retried(|| self.apply_begin_once(begin, false)).await
    }

    async fn apply_begin_once(
        &self,
        begin: Begin<'_>,
        is_news: bool,
    ) -> Result<ApplyId, StoreError> {
        let mut work = self.begin_alone("apply").await?;
        let now = self.now();
        // Orders are given nothing meanwhile.
        self.placement_advance(&mut work).await?;
        let revision = if is_news {
            self.machines_withdraw(&mut work, begin.changes, now).await?;
            self.revision_advance(&mut work, &begin, now).await?
        } else {
            self.revision_expect(&mut work, begin.revision).await?
        };
        // What is given back may be given out again in the same breath.
        let over = self.claims_over(&mut work, &begin.forget.claims).await?;
        self.claim_delete(&mut work, &over).await?;
        self.claim_insert(&mut work, begin.claims).await?;
        self.keep_delete(&mut work, &begin.forget.keeps).await?;
        self.keep_insert(&mut work, begin.keeps, now).await?;
        let inserted = apply_insert(&mut work, &begin, revision, now).await;
        let id = inserted.map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(id)
    }

    /// Ends a run.
    pub async fn apply_end(&self, apply: &ApplyId, outcome: Outcome) -> Result<(), StoreError> {
        sqlx::query("UPDATE apply SET ended_at = $1, outcome = $2 WHERE id = $3")
            .bind(self.now().as_microsecond())
            .bind(outcome.to_string())
            .bind(&apply.0)
            .execute(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// The last runs, the newest first.
    pub async fn apply_list(&self, limit: u32) -> Result<Vec<Run>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, plan, revision, started_at, ended_at, outcome FROM apply
             ORDER BY id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        rows.iter()
            .map(Run::read)
            .collect::<Result<_, _>>()
            .map_err(|error| self.error(&error.into()))
    }
}

async fn apply_insert(
    work: &mut Transaction<'static, Any>,
    begin: &Begin<'_>,
    revision: u64,
    now: Timestamp,
) -> Result<ApplyId, sqlx::Error> {
    let last = sqlx::query("SELECT started_at FROM apply ORDER BY id DESC LIMIT 1")
        .fetch_optional(&mut **work)
        .await?;
    let last = last.map(|row| row::time(&row, "started_at")).transpose()?;
    let started = following(last, now);
    let id = apply_id(started);
    sqlx::query("INSERT INTO apply (id, plan, revision, started_at) VALUES ($1, $2, $3, $4)")
        .bind(&id.0)
        .bind(begin.plan.to_string())
        .bind(row::column(revision))
        .bind(started.as_microsecond())
        .execute(&mut **work)
        .await?;
    Ok(id)
}

/// Now, or just after the last run where the clock went back since.
fn following(last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let after = last.and_then(|last| last.checked_add(SignedDuration::from_micros(1)).ok());
    after.map_or(now, |after| after.max(now))
}

/// A run is named by when it began, which tells people more than a number and sorts as well.
fn apply_id(started: Timestamp) -> ApplyId {
    ApplyId(started.strftime("%Y%m%dT%H%M%S.%6fZ").to_string())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::Stale => "stale",
            Outcome::Interrupted => "interrupted",
        })
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Outcome::Done, Outcome::Failed, Outcome::Stale, Outcome::Interrupted]
            .into_iter()
            .find(|outcome| outcome.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no outcome"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_runs_have_greater_ids_even_when_the_clock_goes_back() {
        let last: Timestamp = "2026-11-21T06:15:45.999999Z".parse().unwrap();
        let now: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();

        let next = following(Some(last), now);

        assert_eq!(apply_id(last).0, "20261121T061545.999999Z");
        assert_eq!(apply_id(next).0, "20261121T061546.000000Z");
        assert_eq!(following(None, now), now);
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_leaves_nothing_half_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lessor.db");
        let store = Store::open(path.to_str().unwrap()).await.unwrap();
        let (tree, none) = (Tree::default(), BTreeMap::new());
        let plan = |text: &str| Digest::of(text.as_bytes());
        let begin = Begin {
            plan: plan("first"),
            revision: 0,
            tree: &tree,
            entries: 0,
            claims: &none,
            keeps: &[],
            forget: &Forget::default(),
            changes: &[],
        };
        store.apply_begin(begin).await.unwrap();
        let claim = |number: u32| {
            let key = ClaimKey { pool: "port_range.games".into(), holder: format!("{number}") };
            (key, number.to_string())
        };
        let claims: BTreeMap<_, _> = (0..10_000).map(claim).collect();

        fill_up(&store).await;
        let begin = Begin { plan: plan("second"), revision: 1, claims: &claims, ..begin };
        let error = store.apply_begin(begin).await.unwrap_err();

        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(error.to_string().ends_with("database or disk is full"), "{error}");
        assert_eq!(store.revision_latest().await.unwrap().unwrap().number, 1);
        assert_eq!(store.apply_list(10).await.unwrap().len(), 1);
        assert_eq!(store.claim_list().await.unwrap(), none);
    }

    /// Lets the database grow no more, whichever connection tries.
    async fn fill_up(store: &Store) {
        let mut connections = Vec::new();
        for _ in 0..store.pool().options().get_max_connections() {
            let mut connection = store.pool().acquire().await.unwrap();
            sqlx::query("PRAGMA max_page_count = 1").execute(&mut *connection).await.unwrap();
            connections.push(connection);
        }
    }
}
