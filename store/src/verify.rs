//! Whether what is remembered fits together.

use lessor_plans::ClaimKey;
use lessor_specs::Tree;
use sqlx::any::AnyRow;

use crate::row::{self, Columns as _, Misread};
use crate::{Location, Store, StoreError};

/// What verifying came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What was held against what, each in words.
    pub checked: Vec<String>,
    /// What does not fit, each in words.
    pub wrong: Vec<String>,
}

/// One thing that is held against another, and what is found that does not fit.
type Checked = Result<Vec<String>, StoreError>;

impl Store {
    /// Reads everything and holds it against what it was made from. Changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`]. What does not fit is no error but the answer, and so is a row that cannot
    /// be read.
    pub async fn verify(&self) -> Result<Verdict, StoreError> {
        let mut verdict = Verdict::default();
        verdict.add("the database itself", self.verify_engine().await)?;
        verdict.add("revisions and their specs", self.verify_revisions().await)?;
        verdict.add("what is applied and the journal", self.verify_applied().await)?;
        verdict.add("what is given out", self.verify_claims().await)?;
        verdict.add("the rest of what runs remember", self.verify_rows().await)?;
        verdict.add("the chain of audit events", self.verify_audit().await)?;
        verdict.add("the ledger", self.verify_ledger().await)?;
        Ok(verdict)
    }

    async fn verify_engine(&self) -> Checked {
        match self.location() {
            Location::File(_) => {
                let pages = self.texts("PRAGMA integrity_check", |row| {
                    row::text(row, "integrity_check")
                });
                let mut wrong = pages.await?;
                wrong.retain(|found| found != "ok");
                let references = self.texts("PRAGMA foreign_key_check", |row| {
                    let (table, parent) = (row::text(row, "table")?, row::text(row, "parent")?);
                    Ok(format!("a row of `{table}` refers to one that `{parent}` does not have"))
                });
                wrong.extend(references.await?);
                Ok(wrong)
            }
            // A server holds its constraints itself, unless somebody made one that it did not check.
            Location::Server { .. } => {
                self.texts(
                    "SELECT 'constraint `' || CAST(conname AS TEXT) || '` was never checked' AS found
                     FROM pg_constraint
                     WHERE NOT convalidated
                       AND connamespace = current_schema()::text::regnamespace
                     UNION ALL
                     SELECT 'index `' || CAST(relname AS TEXT) || '` is not valid' AS found
                     FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                     WHERE NOT indisvalid
                       AND relnamespace = current_schema()::text::regnamespace",
                    |row| row::text(row, "found"),
                )
                .await
            }
        }
    }

    async fn verify_revisions(&self) -> Checked {
        let mut wrong = self
            .texts(
                "SELECT number FROM revision AS later
                 WHERE number > 1 AND NOT EXISTS (
                     SELECT 1 FROM revision WHERE revision.number = later.number - 1
                 )
                 ORDER BY number",
                |row| {
                    let number = row::number(row, "number")?;
                    Ok(format!("revision {} is missing", number - 1))
                },
            )
            .await?;
        let trees =
            self.texts("SELECT digest FROM tree ORDER BY digest", |row| row::text(row, "digest"));
        // One at a time: they may be large.
        for digest in trees.await? {
            let found = self.tree(&digest).await?.map(|tree| tree.digest());
            if found.as_ref() != Some(&digest) {
                wrong.push(format!("the specs under `{digest}` are others by now"));
            }
        }
        Ok(wrong)
    }

    async fn tree(&self, digest: &str) -> Result<Option<Tree>, StoreError> {
        let found = async {
            let found = sqlx::query("SELECT files FROM tree WHERE digest = $1")
                .bind(digest.to_owned())
                .fetch_optional(self.pool())
                .await?;
            Ok(found.map(|row| crate::read_tree(&row)).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// `applied` is the journal, summed up.
    async fn verify_applied(&self) -> Checked {
        self.texts(
            "SELECT address FROM (
                 SELECT applied.address AS address, applied.body AS summed_up, (
                     SELECT CASE WHEN last.act = 'delete' THEN NULL ELSE last.body END
                     FROM entry AS last
                     WHERE last.address = applied.address AND last.phase = 'finished'
                     ORDER BY last.number DESC LIMIT 1
                 ) AS written
                 FROM applied
                 UNION ALL
                 SELECT entry.address AS address, NULL AS summed_up, entry.body AS written
                 FROM entry
                 WHERE entry.phase = 'finished' AND entry.act <> 'delete'
                   AND NOT EXISTS (SELECT 1 FROM applied WHERE applied.address = entry.address)
                   AND NOT EXISTS (
                       SELECT 1 FROM entry AS later
                       WHERE later.address = entry.address AND later.phase = 'finished'
                         AND later.number > entry.number
                   )
             ) AS both_ways
             WHERE coalesce(summed_up, '') <> coalesce(written, '')
             ORDER BY address",
            |row| {
                let address = row::text(row, "address")?;
                Ok(format!("what is applied of `{address}` is not what the journal says"))
            },
        )
        .await
    }

    /// A value that can be given once says so, or the database would give it again.
    async fn verify_claims(&self) -> Checked {
        let all = "SELECT pool, holder, value, sole FROM claim ORDER BY pool, holder";
        let found = self.texts(all, |row| {
            let key = ClaimKey { pool: row::text(row, "pool")?, holder: row::text(row, "holder")? };
            let value = row::text(row, "value")?;
            let sole = row.text("sole")?;
            let expected = (!key.is_shared()).then(|| value.clone());
            let wrong = format!(
                "`{value}` of `{}`, given to `{}`, could be given to another as well",
                key.pool, key.holder
            );
            Ok(if sole == expected { String::new() } else { wrong })
        });
        let mut wrong = found.await?;
        wrong.retain(|wrong| !wrong.is_empty());
        Ok(wrong)
    }

    /// Each row can be read.
    async fn verify_rows(&self) -> Checked {
        self.revision_latest().await?;
        self.apply_list(u32::MAX).await?;
        self.keep_list().await?;
        self.lease_list().await?;
        self.job_list(None, None, u32::MAX).await?;
        self.journal_read_through().await?;
        Ok(Vec::new())
    }

    async fn verify_audit(&self) -> Checked {
        let verdict = self.audit_verify().await?;
        let broken = verdict.broken.map(|broken| format!("link {}: {}", broken.link, broken.why));
        Ok(broken.into_iter().collect())
    }

    /// What a statement answers, each row in words.
    /// Every sum of money is that of the rows it sums up, and each row is as it was written.
    async fn verify_ledger(&self) -> Checked {
        let report = self.ledger_verify().await?;
        Ok(report.faults.iter().map(ToString::to_string).collect())
    }

    async fn texts(
        &self,
        statement: &'static str,
        words: impl Fn(&AnyRow) -> Result<String, Misread>,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(statement).fetch_all(self.pool()).await;
        let rows = rows.map_err(|error| self.error(&error))?;
        let texts = rows.iter().map(words).collect::<Result<_, _>>();
        texts.map_err(|error| self.error(&error.into()))
    }
}

impl Verdict {
    /// Whether everything fits.
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }

    fn add(&mut self, what: &str, found: Checked) -> Result<(), StoreError> {
        self.checked.push(what.to_owned());
        match found {
            Ok(wrong) => {
                let wrong = wrong.into_iter().map(|wrong| format!("{what}: {wrong}"));
                self.wrong.extend(wrong);
                Ok(())
            }
            Err(StoreError::Corrupt { why, .. }) => {
                self.wrong.push(format!("{what}: {why}"));
                Ok(())
            }
            Err(other) => Err(other),
        }
    }
}
