//! How often somebody tried to log in of late.

use std::time::Duration;

use lessor_engine::Clock as _;
use sqlx::{Any, Transaction};

use crate::row;
use crate::{SecretDigest, Store, StoreError};

/// How often one may try.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// Who tries, or whom they try to be.
    pub subject: &'a SecretDigest,
    /// How often they may.
    pub most: i64,
    /// In how long.
    pub within: Duration,
}

/// They tried too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How long to wait.
    pub wait: Duration,
}

impl Store {
    /// Counts a try before it is made, so that many at once are no way around. `Some` when it was
    /// one too many for any of `limits`.
    pub async fn attempt_begin(
        &self,
        limits: &[Attempts<'_>],
    ) -> Result<Option<Refusal>, StoreError> {
        let mut work = self.begin().await?;
        let mut refusal = None;
        for limit in limits {
            refusal = refusal.or(self.attempt_count(&mut work, limit).await?);
        }
        self.commit(work).await?;
        Ok(refusal)
    }

    /// Forgets the tries of somebody who got in.
    pub async fn attempt_forget(&self, subject: &SecretDigest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM login_attempt WHERE subject = $1")
            .bind(subject.as_str())
            .execute(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn attempt_count(
        &self,
        work: &mut Transaction<'static, Any>,
        limit: &Attempts<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let now = self.now().as_microsecond();
        let within: i64 = row::column(limit.within.as_micros());
        let found = sqlx::query(
            "INSERT INTO login_attempt (subject, tries, since_at) VALUES ($1, 1, $2)
             ON CONFLICT (subject) DO UPDATE
             SET tries = CASE WHEN login_attempt.since_at <= $3 THEN 1 ELSE login_attempt.tries + 1 END,
                 since_at = CASE WHEN login_attempt.since_at <= $3 THEN $2 ELSE login_attempt.since_at END
             RETURNING tries, since_at",
        )
        .bind(limit.subject.as_str())
        .bind(now)
        .bind(now.saturating_sub(within))
        .fetch_optional(&mut **work)
        .await;
        let found = self.read_optional(found, |row| {
            Ok((row::number(row, "tries")?, row::number(row, "since_at")?))
        })?;
        Ok(found.filter(|(tries, _)| *tries > limit.most).map(|(_, since_at)| {
            let left = since_at.saturating_add(within).saturating_sub(now).max(0);
            Refusal { wait: Duration::from_micros(left.unsigned_abs()) }
        }))
    }
}
