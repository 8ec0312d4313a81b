//! Which specs were applied.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_plans::Digest;
use lessor_specs::Tree;
use sqlx::{Any, Executor, Transaction};

use crate::row::{self, Columns, Misread};
use crate::{Begin, Store, StoreError};

/// A state of the specs that a run began to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number. The first is 1, later ones are greater.
    pub number: u64,
    /// Digest of the spec tree, as in [`Tree::digest`].
    pub digest: String,
    /// The plan that was applied.
    pub plan: Digest,
    /// How many entries the specs have.
    pub entries: usize,
    /// When the run began.
    pub applied_at: Timestamp,
}

impl Revision {
    /// Reads a row of `revision`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Revision {
            number: row::count(row, "number")?,
            digest: row::text(row, "digest")?,
            plan: row::parsed(row, "plan")?,
            entries: row::count(row, "entries")?,
            applied_at: row::time(row, "applied_at")?,
        })
    }
}

impl Store {
    /// The last applied revision; `None` before the first.
    pub async fn revision_latest(&self) -> Result<Option<Revision>, StoreError> {
        self.revision_latest_by(self.pool()).await
    }

    /// The spec files of a revision; `None` when there is no such revision.
    pub async fn revision_tree(&self, number: u64) -> Result<Option<Tree>, StoreError> {
        self.revision_tree_by(self.pool(), number).await
    }

    pub(crate) async fn revision_tree_by<'c>(
        &self,
        by: impl Executor<'c, Database = Any>,
        number: u64,
    ) -> Result<Option<Tree>, StoreError> {
        let found = async {
            let found = sqlx::query(
                "SELECT tree.files FROM revision
                 JOIN tree ON tree.digest = revision.digest
                 WHERE revision.number = $1",
            )
            .bind(row::column(number))
            .fetch_optional(by)
            .await?;
            Ok(found.map(|row| read_tree(&row)).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Goes on from the revision a plan was made for, and answers with the number of the next.
    ///
    /// A plan that began before and was not carried out to its end begins again: its revision
    /// stands already.
    pub(crate) async fn revision_advance(
        &self,
        work: &mut Transaction<'static, Any>,
        begin: &Begin<'_>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let latest = self.revision_latest_by(&mut **work).await?;
        let found = latest.as_ref().map_or(0, |latest| latest.number);
        let next = begin.revision.saturating_add(1);
        if latest.is_some_and(|latest| latest.plan == begin.plan && latest.number == next) {
            return Ok(next);
        }
        if found != begin.revision {
            return Err(StoreError::RevisionMoved { expected: begin.revision, found });
        }
        self.revision_insert(work, begin, next, now).await.map_err(|error| self.error(&error))?;
        Ok(next)
    }

    /// The revision a plan was made for, if it still is the last.
    pub(crate) async fn revision_expect(
        &self,
        work: &mut Transaction<'static, Any>,
        expected: u64,
    ) -> Result<u64, StoreError> {
        let latest = self.revision_latest_by(&mut **work).await?;
        let found = latest.map_or(0, |latest| latest.number);
        if found != expected {
            return Err(StoreError::RevisionMoved { expected, found });
        }
        Ok(found)
    }

    pub(crate) async fn revision_latest_by<'c>(
        &self,
        by: impl Executor<'c, Database = Any>,
    ) -> Result<Option<Revision>, StoreError> {
        let found = async {
            let found = sqlx::query(
                "SELECT number, digest, plan, entries, applied_at FROM revision
                 ORDER BY number DESC LIMIT 1",
            )
            .fetch_optional(by)
            .await?;
            Ok(found.map(|row| Revision::read(&row)).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    async fn revision_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        begin: &Begin<'_>,
        number: u64,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let digest = tree_insert(work, begin.tree).await?;
        sqlx::query(
            "INSERT INTO revision (number, digest, plan, entries, applied_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(row::column(number))
        .bind(digest)
        .bind(begin.plan.to_string())
        .bind(row::column(begin.entries))
        .bind(now.as_microsecond())
        .execute(&mut **work)
        .await?;
        Ok(())
    }
}

/// Remembers spec files, once for each content; answers with their digest.
pub(crate) async fn tree_insert(
    work: &mut Transaction<'static, Any>,
    tree: &Tree,
) -> Result<String, sqlx::Error> {
    let digest = tree.digest();
    // Text by path: plain JSON, which cannot fail.
    let files = serde_json::to_string(tree.files()).unwrap_or_default();
    sqlx::query("INSERT INTO tree (digest, files) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
        .bind(&digest)
        .bind(files)
        .execute(&mut **work)
        .await?;
    Ok(digest)
}

/// Reads the spec files of a row of `tree`.
///
/// # Errors
/// When the column holds what is never written.
pub fn read_tree(row: &impl Columns) -> Result<Tree, Misread> {
    let files: BTreeMap<String, String> = serde_json::from_str(&row::text(row, "files")?)
        .map_err(|error| Misread::new("files", &error))?;
    Ok(Tree::new(files))
}
