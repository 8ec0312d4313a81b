//! Work that falls due by the clock, and who does it.
//!
//! Any number of servers may ask for the same job at the same time; the database decides, by its own
//! clock. A run stands for one time at which its job was due: it is there once, whoever asks. There
//! is one run of a job at a time. A holder that dies, or is frozen, loses its run when its time has
//! run out; another takes it over with a greater token, and what the first writes after that is
//! refused.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::{Any, Transaction};

use crate::row::{self, Columns, Misread};
use crate::{Holder, Store, StoreError};

/// How many missed times are gone through one by one, before the rest is given up.
const MISSED: u64 = 10_000;

/// What becomes of times at which a job was due and nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Each is made up for, the oldest first: billing.
    Each,
    /// The last one stands for all: probes.
    Last,
}

/// How a job is claimed.
#[derive(Clone, Copy, Debug)]
pub struct JobTerms<'a> {
    /// Its name.
    pub job: &'a str,
    /// What fell due up to then was never to be run. Counts when the job is claimed for the first
    /// time ever.
    pub since: Timestamp,
    /// What becomes of missed times.
    pub catch_up: CatchUp,
    /// Who claims it.
    pub holder: &'a Holder,
    /// For how long it is held when it is not renewed.
    pub ttl: Duration,
}

/// What asking for a job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobClaim {
    /// It is ours to do.
    Ours(JobHold),
    /// It is not due, and will be then; `None` when it never will.
    NotDue(Option<Timestamp>),
    /// Somebody is at it.
    Taken {
        /// Who.
        holder: String,
        /// Until when it is theirs, if they do not renew it.
        until: Timestamp,
    },
}

/// A run that is ours to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobHold {
    /// The run.
    pub id: i64,
    /// The job.
    pub job: String,
    /// The time at which it was due.
    pub due_at: Timestamp,
    /// How many times before it were missed and are not made up for.
    pub skipped: u64,
    /// How often it was begun, with this time.
    pub tries: u64,
    /// Later holders of the same job have greater ones.
    pub token: i64,
}

/// How a run of a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// It is done.
    Done,
    /// It was given up. The job is run again when it is next due.
    Failed,
}

/// A run of a job, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// Its number; later runs have greater ones.
    pub id: i64,
    /// The job.
    pub job: String,
    /// The time at which it was due.
    pub due_at: Timestamp,
    /// How many times before it were missed and are not made up for.
    pub skipped: u64,
    /// Who did it, or is at it.
    pub holder: String,
    /// How often it was begun.
    pub tries: u64,
    /// When it was last begun.
    pub started_at: Timestamp,
    /// When and how it ended; `None` while somebody is at it, or was killed.
    pub ended: Option<(Timestamp, JobOutcome)>,
    /// What it said at its end.
    pub said: Option<String>,
}

impl JobRun {
    /// Reads a row of `job_run`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let outcome: Option<JobOutcome> = row::parsed_optional(row, "outcome")?;
        let ended = |outcome| Ok::<_, Misread>((row::time(row, "ended_at")?, outcome));
        Ok(JobRun {
            id: row::number(row, "id")?,
            job: row::text(row, "job")?,
            due_at: row::time(row, "due_at")?,
            skipped: row::count(row, "skipped")?,
            holder: row::text(row, "holder")?,
            tries: row::count(row, "tries")?,
            started_at: row::time(row, "started_at")?,
            ended: outcome.map(ended).transpose()?,
            said: row.text("said")?,
        })
    }
}

/// Runs of jobs, to be chosen from.
macro_rules! job_runs {
    () => {
        "SELECT id, job, due_at, skipped, holder, tries, started_at, ended_at, outcome, said
         FROM job_run"
    };
}

impl Store {
    /// Claims a run of a job: one that somebody left behind, or else the next that is due by the
    /// clock of the database. `next` tells the first time at which it is due after another.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_claim(
        &self,
        terms: JobTerms<'_>,
        next: impl Fn(Timestamp) -> Option<Timestamp>,
    ) -> Result<JobClaim, StoreError> {
        let mut work = self.begin_alone(&format!("job {}", terms.job)).await?;
        let now = self.time(&mut work).await?;
        let failed = |error: sqlx::Error| self.error(&error);
        if let Some(open) = job_open(&mut work, terms.job).await.map_err(failed)? {
            return self.job_take_over(work, &terms, open, now).await;
        }
        let last = job_last(&mut work, &terms).await.map_err(failed)?;
        let Due { at, skipped } = match due(last, now, terms.catch_up, &next) {
            Ok(due) => due,
            Err(later) => {
                // It is remembered from when on the job is counted.
                self.commit(work).await?;
                return Ok(JobClaim::NotDue(later));
            }
        };
        let hold = job_insert(&mut work, &terms, at, skipped, now).await.map_err(failed)?;
        self.commit(work).await?;
        Ok(JobClaim::Ours(hold))
    }

    /// Claims a run of a job now, whether it is due or not: somebody asked for it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_claim_now(&self, terms: JobTerms<'_>) -> Result<JobClaim, StoreError> {
        let mut work = self.begin_alone(&format!("job {}", terms.job)).await?;
        let now = self.time(&mut work).await?;
        let failed = |error: sqlx::Error| self.error(&error);
        if let Some(open) = job_open(&mut work, terms.job).await.map_err(failed)? {
            return self.job_take_over(work, &terms, open, now).await;
        }
        // No time is claimed twice, even by two who ask within a microsecond.
        let last = job_last(&mut work, &terms).await.map_err(failed)?;
        let at = now.max(last.saturating_add(SignedDuration::from_micros(1)).unwrap_or(now));
        let hold = job_insert(&mut work, &terms, at, 0, now).await.map_err(failed)?;
        self.commit(work).await?;
        Ok(JobClaim::Ours(hold))
    }

    async fn job_take_over(
        &self,
        mut work: Transaction<'static, Any>,
        terms: &JobTerms<'_>,
        open: Open,
        now: Timestamp,
    ) -> Result<JobClaim, StoreError> {
        let theirs = JobClaim::Taken { holder: open.holder, until: open.until };
        if open.until > now {
            return Ok(theirs);
        }
        let failed = |error: sqlx::Error| self.error(&error);
        let token = job_token(&mut work, terms.job).await.map_err(failed)?;
        // Its holder may have come back meanwhile, and renewed or ended it.
        let taken_over = sqlx::query(
            "UPDATE job_run SET holder = $1, token = $2, tries = tries + 1, started_at = $3,
                 expires_at = $4
             WHERE id = $5 AND token = $6 AND ended_at IS NULL AND expires_at <= $3",
        )
        .bind(terms.holder.to_string())
        .bind(token)
        .bind(now.as_microsecond())
        .bind(expiry(now, terms.ttl))
        .bind(open.hold.id)
        .bind(open.hold.token)
        .execute(&mut *work)
        .await
        .map_err(failed)?;
        if taken_over.rows_affected() == 0 {
            return Ok(theirs);
        }
        self.commit(work).await?;
        Ok(JobClaim::Ours(JobHold { token, tries: open.hold.tries + 1, ..open.hold }))
    }

    /// Gives a run more time. Whether it was still ours.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_renew(&self, hold: &JobHold, ttl: Duration) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let renewed = sqlx::query(
            "UPDATE job_run SET expires_at = $1
             WHERE id = $2 AND token = $3 AND ended_at IS NULL",
        )
        .bind(expiry(now, ttl))
        .bind(hold.id)
        .bind(hold.token)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Ends a run, with what there is to say about it.
    ///
    /// # Errors
    /// [`StoreError::JobLost`] when it is not ours any more; then it is somebody else's to end.
    pub async fn job_finish(
        &self,
        hold: &JobHold,
        outcome: JobOutcome,
        said: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let ended = sqlx::query(
            "UPDATE job_run SET ended_at = $1, outcome = $2, said = $3
             WHERE id = $4 AND token = $5 AND ended_at IS NULL",
        )
        .bind(now.as_microsecond())
        .bind(outcome.to_string())
        .bind(said.map(row::storable))
        .bind(hold.id)
        .bind(hold.token)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        if ended.rows_affected() == 0 {
            return Err(lost(hold));
        }
        self.commit(work).await
    }

    /// The last runs, of one job or of all, the newest first: those behind run number `before`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_list(
        &self,
        job: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobRun>, StoreError> {
        // An empty word stands for any: no job is called so.
        let rows = sqlx::query(concat!(
            job_runs!(),
            " WHERE (job = $1 OR $1 = '') AND id < $2 ORDER BY id DESC LIMIT $3"
        ))
        .bind(job.unwrap_or_default().to_owned())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let runs = rows.iter().map(JobRun::read).collect::<Result<_, _>>();
        runs.map_err(|error| self.error(&error.into()))
    }

    /// Forgets runs that ended before `before`, but for the last of each job, which the next is
    /// counted from. Answers how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM job_run
             WHERE ended_at < $1 AND EXISTS (
                 SELECT 1 FROM job_run AS later
                 WHERE later.job = job_run.job AND later.due_at > job_run.due_at
             )",
        )
        .bind(before.as_microsecond())
        .execute(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        Ok(forgotten.rows_affected())
    }
}

/// A run that nobody ended.
struct Open {
    hold: JobHold,
    holder: String,
    until: Timestamp,
}

/// A time at which a job is due, and how many before it are left out.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    at: Timestamp,
    skipped: u64,
}

/// What is due by `now` after `last`, or else when something is.
fn due(
    last: Timestamp,
    now: Timestamp,
    catch_up: CatchUp,
    next: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Result<Due, Option<Timestamp>> {
    // One that does not go on would go round for ever.
    let next = |after| next(after).filter(|next| *next > after);
    let mut at = match next(last) {
        Some(first) if first <= now => first,
        later => return Err(later),
    };
    let mut skipped = 0;
    while catch_up == CatchUp::Last
        && let Some(later) = next(at).filter(|later| *later <= now)
    {
        skipped += 1;
        at = later;
        if skipped == MISSED {
            // Whatever else was missed, this run stands for it.
            return Ok(Due { at: now, skipped });
        }
    }
    Ok(Due { at, skipped })
}

async fn job_open(
    work: &mut Transaction<'static, Any>,
    job: &str,
) -> Result<Option<Open>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT id, due_at, skipped, holder, token, tries, expires_at FROM job_run
         WHERE job = $1 AND ended_at IS NULL",
    )
    .bind(job.to_owned())
    .fetch_optional(&mut **work)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let hold = JobHold {
        id: row::number(&row, "id")?,
        job: job.to_owned(),
        due_at: row::time(&row, "due_at")?,
        skipped: row::count(&row, "skipped")?,
        tries: row::count(&row, "tries")?,
        token: row::number(&row, "token")?,
    };
    let (holder, until) = (row::text(&row, "holder")?, row::time(&row, "expires_at")?);
    Ok(Some(Open { hold, holder, until }))
}

/// The last time for which the job was claimed, or from when on it is.
async fn job_last(
    work: &mut Transaction<'static, Any>,
    terms: &JobTerms<'_>,
) -> Result<Timestamp, sqlx::Error> {
    sqlx::query(
        "INSERT INTO job (name, since_at, token) VALUES ($1, $2, 0)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(terms.job.to_owned())
    .bind(terms.since.as_microsecond())
    .execute(&mut **work)
    .await?;
    let last = sqlx::query(
        "SELECT coalesce((SELECT max(due_at) FROM job_run WHERE job = name), since_at) AS last
         FROM job WHERE name = $1",
    )
    .bind(terms.job.to_owned())
    .fetch_one(&mut **work)
    .await?;
    Ok(row::time(&last, "last")?)
}

/// A token that no holder of the job had before.
async fn job_token(work: &mut Transaction<'static, Any>, job: &str) -> Result<i64, sqlx::Error> {
    let token = sqlx::query("UPDATE job SET token = token + 1 WHERE name = $1 RETURNING token")
        .bind(job.to_owned())
        .fetch_one(&mut **work)
        .await?;
    Ok(row::number(&token, "token")?)
}

async fn job_insert(
    work: &mut Transaction<'static, Any>,
    terms: &JobTerms<'_>,
    due_at: Timestamp,
    skipped: u64,
    now: Timestamp,
) -> Result<JobHold, sqlx::Error> {
    let token = job_token(work, terms.job).await?;
    let inserted = sqlx::query(
        "INSERT INTO job_run (job, due_at, skipped, holder, token, tries, started_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7) RETURNING id",
    )
    .bind(terms.job.to_owned())
    .bind(due_at.as_microsecond())
    .bind(row::column(skipped))
    .bind(terms.holder.to_string())
    .bind(token)
    .bind(now.as_microsecond())
    .bind(expiry(now, terms.ttl))
    .fetch_one(&mut **work)
    .await?;
    let id = row::number(&inserted, "id")?;
    Ok(JobHold { id, job: terms.job.to_owned(), due_at, skipped, tries: 1, token })
}

fn expiry(now: Timestamp, ttl: Duration) -> i64 {
    now.as_microsecond().saturating_add(row::column(ttl.as_micros()))
}

fn lost(hold: &JobHold) -> StoreError {
    StoreError::JobLost { job: hold.job.clone() }
}

impl fmt::Display for JobOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobOutcome::Done => "done",
            JobOutcome::Failed => "failed",
        })
    }
}

impl FromStr for JobOutcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [JobOutcome::Done, JobOutcome::Failed]
            .into_iter()
            .find(|outcome| outcome.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no outcome"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Every ten seconds.
    fn tens(after: Timestamp) -> Option<Timestamp> {
        Timestamp::from_second((after.as_second() / 10 + 1) * 10).ok()
    }

    #[test]
    fn what_was_missed_is_made_up_for_one_by_one_or_by_the_last() {
        for (last, now, catch_up, expected) in [
            (0, 9, CatchUp::Each, Err(Some(at(10)))),
            (0, 10, CatchUp::Each, Ok(Due { at: at(10), skipped: 0 })),
            (0, 35, CatchUp::Each, Ok(Due { at: at(10), skipped: 0 })),
            (0, 35, CatchUp::Last, Ok(Due { at: at(30), skipped: 2 })),
            (30, 35, CatchUp::Last, Err(Some(at(40)))),
            (0, 1_000_005, CatchUp::Last, Ok(Due { at: at(1_000_005), skipped: MISSED })),
        ] {
            assert_eq!(due(at(last), at(now), catch_up, tens), expected, "{last} {now}");
        }
    }

    #[test]
    fn a_schedule_that_ends_or_stands_still_is_never_due() {
        assert_eq!(due(at(0), at(9), CatchUp::Last, |_| None), Err(None));
        assert_eq!(due(at(0), at(9), CatchUp::Last, Some), Err(None));
    }
}
