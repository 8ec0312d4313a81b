//! What was begun and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use lessor_engine::{ApplyId, Clock as _, Entry, Journal, JournalError, Phase};
use lessor_plans::{Act, Digest};
use lessor_specs::{Address, Kind};
use sqlx::{Any, Transaction};

use crate::row::{self, Columns, Misread};
use crate::{Store, StoreError};

/// The journal of a run that holds leases: it takes an entry only while the connection the entry
/// is about is still ours.
#[derive(Clone, Debug)]
pub struct LeasedJournal {
    store: Store,
    tokens: BTreeMap<Address, i64>,
}

/// A line of the journal as it was remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number; later lines have greater ones.
    pub number: u64,
    /// When it was remembered.
    pub at: Timestamp,
    /// What it says.
    pub entry: Entry,
}

/// What a run last did with a thing that it finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Digest of the body the thing had then.
    pub body: Digest,
    /// The run.
    pub apply: ApplyId,
    /// When it was finished.
    pub at: Timestamp,
}

impl Recorded {
    /// Reads a row of `entry`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let entry = Entry {
            apply: ApplyId(row::text(row, "apply")?),
            step: row::count(row, "step")?,
            address: row::parsed(row, "address")?,
            place: row::parsed(row, "place")?,
            act: act(row)?,
            phase: phase(row)?,
            body: row::parsed_optional(row, "body")?,
        };
        Ok(Recorded { number: row::count(row, "number")?, at: row::time(row, "at")?, entry })
    }
}

impl Applied {
    /// Reads a row of `applied`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Applied {
            body: row::parsed(row, "body")?,
            apply: ApplyId(row::text(row, "apply")?),
            at: row::time(row, "at")?,
        })
    }
}

impl LeasedJournal {
    pub(crate) fn new(store: Store, tokens: BTreeMap<Address, i64>) -> Self {
        LeasedJournal { store, tokens }
    }
}

#[async_trait]
impl Journal for LeasedJournal {
    async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        let token = self.tokens.get(&entry.place).copied();
        let recorded = match token {
            Some(token) => self.store.journal_record(entry, token).await,
            None => Err(StoreError::Fenced { place: entry.place.clone() }),
        };
        recorded.map_err(|error| match error {
            StoreError::Fenced { place } => JournalError::Fenced { place },
            other => JournalError::Unavailable { why: other.to_string() },
        })
    }
}

/// Lines of the journal, to be chosen from.
macro_rules! entry_lines {
    () => {
        "SELECT number, apply, step, address, place, act, phase, why, body, at FROM entry"
    };
}

/// Adds a line if a lease still has a certain token.
macro_rules! entry_insert {
    () => {
        "INSERT INTO entry (apply, step, address, place, act, phase, why, body, at)
         SELECT $1, $2, $3, place, $4, $5, $6, $7, $8 FROM lease
         WHERE place = $9 AND token = $10 AND expires_at > 0"
    };
}

impl Store {
    /// The newest lines of the journal, of one run or of all, in the order they were written.
    pub async fn journal_list(
        &self,
        apply: Option<&ApplyId>,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let query = match apply {
            Some(apply) => sqlx::query(concat!(
                entry_lines!(),
                " WHERE apply = $1 ORDER BY number DESC LIMIT $2"
            ))
            .bind(&apply.0),
            None => sqlx::query(concat!(entry_lines!(), " ORDER BY number DESC LIMIT $1")),
        };
        let rows = query
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let lines = rows.iter().rev().map(Recorded::read).collect::<Result<_, _>>();
        lines.map_err(|error| self.error(&error.into()))
    }

    /// Reads every line there is, some at a time, and answers how many.
    pub(crate) async fn journal_read_through(&self) -> Result<usize, StoreError> {
        let (mut read, mut last) = (0, 0);
        loop {
            let some = concat!(entry_lines!(), " WHERE number > $1 ORDER BY number LIMIT 1000");
            let rows = sqlx::query(some).bind(last).fetch_all(self.pool()).await;
            let rows = rows.map_err(|error| self.error(&error))?;
            let lines = rows.iter().map(Recorded::read).collect::<Result<Vec<_>, _>>();
            let lines = lines.map_err(|error| self.error(&error.into()))?;
            let Some(end) = lines.last() else { return Ok(read) };
            read += lines.len();
            last = row::column(end.number);
        }
    }

    /// The newest lines of the journal about one thing, in the order they were written.
    pub async fn journal_list_about(
        &self,
        address: &Address,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(concat!(
            entry_lines!(),
            " WHERE address = $1 ORDER BY number DESC LIMIT $2"
        ))
        .bind(address.to_string())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let lines = rows.iter().rev().map(Recorded::read).collect::<Result<_, _>>();
        lines.map_err(|error| self.error(&error.into()))
    }

    /// Steps that were begun and never ended since a run last came to its end in full.
    pub async fn journal_unfinished(&self) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(concat!(
            entry_lines!(),
            " WHERE phase = 'started'
               AND apply > coalesce((SELECT max(id) FROM apply WHERE outcome = 'done'), '')
               AND NOT EXISTS (
                   SELECT 1 FROM entry AS later
                   WHERE later.address = entry.address AND later.number > entry.number
               )
             ORDER BY number"
        ))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let lines = rows.iter().map(Recorded::read).collect::<Result<_, _>>();
        lines.map_err(|error| self.error(&error.into()))
    }

    /// Connections with steps that were begun, and cut off or given up, since a run last came to its end
    /// in full; each with the number of the last line about one.
    pub async fn journal_unsettled(&self) -> Result<BTreeMap<Address, i64>, StoreError> {
        let found = async {
            let rows = sqlx::query(
                "SELECT place, max(number) AS last FROM entry
                 WHERE phase <> 'finished'
                   AND apply > coalesce((SELECT max(id) FROM apply WHERE outcome = 'done'), '')
                   AND NOT EXISTS (
                       SELECT 1 FROM entry AS later
                       WHERE later.address = entry.address AND later.number > entry.number
                   )
                 GROUP BY place",
            )
            .fetch_all(self.pool())
            .await?;
            let read = |row| Ok((row::parsed(row, "place")?, row::number(row, "last")?));
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>()
        };
        found.await.map_err(|error| self.error(&error))
    }

    /// The body each thing had when a run last finished with it.
    pub async fn applied_list(&self) -> Result<BTreeMap<Address, Digest>, StoreError> {
        // One row of many lines: handing over a row costs several times what reading it does, and
        // there may be a hundred thousand.
        let found = async {
            let found = sqlx::query(
                "SELECT string_agg(body || ' ' || address, '\n') AS listing FROM applied",
            )
            .fetch_one(self.pool())
            .await?;
            Ok(read_applied(&found)?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// The things of one kind that runs finished with and did not remove.
    pub async fn applied_list_of(&self, kind: Kind) -> Result<BTreeSet<Address>, StoreError> {
        let found = async {
            let rows = sqlx::query("SELECT address FROM applied WHERE address LIKE $1 || '.%'")
                .bind(kind.as_str())
                .fetch_all(self.pool())
                .await?;
            let read = |row| Ok(row::parsed(row, "address")?);
            rows.iter().map(read).collect::<Result<_, sqlx::Error>>()
        };
        found.await.map_err(|error| self.error(&error))
    }

    /// What a run last did with one thing; `None` when no run ever finished with it, or the last
    /// that did removed it.
    pub async fn applied_show(&self, address: &Address) -> Result<Option<Applied>, StoreError> {
        let found = async {
            let found = sqlx::query("SELECT body, apply, at FROM applied WHERE address = $1")
                .bind(address.to_string())
                .fetch_optional(self.pool())
                .await?;
            Ok(found.map(|row| Applied::read(&row)).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Remembers an entry, and what it means for the thing, if the lease still has this token.
    async fn journal_record(&self, entry: &Entry, token: i64) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let at = self.now();
        // Whoever takes the lease over at this very moment waits until this is written.
        let insert = self.either(entry_insert!(), concat!(entry_insert!(), " FOR SHARE"));
        let added = entry_insert(&mut work, insert, entry, token, at).await;
        if added.map_err(|error| self.error(&error))? == 0 {
            return Err(StoreError::Fenced { place: entry.place.clone() });
        }
        let summed_up = applied_update(&mut work, entry, at).await;
        summed_up.map_err(|error| self.error(&error))?;
        self.commit(work).await
    }
}

/// Adds an entry by the statement `insert`, unless the lease was lost, and answers with how many lines that made.
async fn entry_insert(
    work: &mut Transaction<'static, Any>,
    insert: &'static str,
    entry: &Entry,
    token: i64,
    at: Timestamp,
) -> Result<u64, sqlx::Error> {
    let why = match &entry.phase {
        Phase::Started | Phase::Finished => None,
        // What others say may hold anything.
        Phase::Failed { why } => Some(row::storable(why)),
    };
    let added = sqlx::query(insert)
        .bind(&entry.apply.0)
        .bind(row::column(entry.step))
        .bind(entry.address.to_string())
        .bind(entry.act.to_string())
        .bind(phase_name(&entry.phase))
        .bind(why)
        .bind(entry.body.map(|body| body.to_string()))
        .bind(at.as_microsecond())
        .bind(entry.place.to_string())
        .bind(token)
        .execute(&mut **work)
        .await?;
    Ok(added.rows_affected())
}

/// Sums up: an end in success says how the thing looks now, or that it is gone.
async fn applied_update(
    work: &mut Transaction<'static, Any>,
    entry: &Entry,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    match (&entry.phase, entry.act, entry.body) {
        (Phase::Started | Phase::Failed { .. }, ..) => Ok(()),
        (Phase::Finished, Act::Create | Act::Update, Some(body)) => {
            applied_upsert(work, entry, body, at).await
        }
        (Phase::Finished, Act::Delete, _) | (Phase::Finished, _, None) => {
            applied_delete(work, &entry.address).await
        }
    }
}

async fn applied_upsert(
    work: &mut Transaction<'static, Any>,
    entry: &Entry,
    body: Digest,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO applied (address, body, apply, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (address) DO UPDATE
         SET body = excluded.body, apply = excluded.apply, at = excluded.at",
    )
    .bind(entry.address.to_string())
    .bind(body.to_string())
    .bind(&entry.apply.0)
    .bind(at.as_microsecond())
    .execute(&mut **work)
    .await?;
    Ok(())
}

async fn applied_delete(
    work: &mut Transaction<'static, Any>,
    address: &Address,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM applied WHERE address = $1")
        .bind(address.to_string())
        .execute(&mut **work)
        .await?;
    Ok(())
}

/// Reads the bodies that things had last, of a listing: one line each, digest and address.
///
/// # Errors
/// When it holds what is never written.
pub fn read_applied(row: &impl Columns) -> Result<BTreeMap<Address, Digest>, Misread> {
    let listing = row.text("listing")?.unwrap_or_default();
    listing.lines().map(applied_line).collect()
}

fn applied_line(line: &str) -> Result<(Address, Digest), Misread> {
    let (body, address) = line.split_once(' ').unwrap_or((line, ""));
    let body = body.parse().map_err(|why: String| Misread::new("body", &why))?;
    let address = address.parse().map_err(|_| Misread::new("address", &format!("`{address}`")))?;
    Ok((address, body))
}

fn act(row: &impl Columns) -> Result<Act, Misread> {
    let found = row::text(row, "act")?;
    [Act::Create, Act::Update, Act::Delete]
        .into_iter()
        .find(|act| act.to_string() == found)
        .ok_or_else(|| Misread::new("act", &format!("`{found}` is no act")))
}

const STARTED: &str = "started";
const FINISHED: &str = "finished";
const FAILED: &str = "failed";

fn phase_name(phase: &Phase) -> &'static str {
    match phase {
        Phase::Started => STARTED,
        Phase::Finished => FINISHED,
        Phase::Failed { .. } => FAILED,
    }
}

fn phase(row: &impl Columns) -> Result<Phase, Misread> {
    match row::text(row, "phase")?.as_str() {
        STARTED => Ok(Phase::Started),
        FINISHED => Ok(Phase::Finished),
        FAILED => Ok(Phase::Failed { why: row::text(row, "why")? }),
        other => Err(Misread::new("phase", &format!("`{other}` is no phase"))),
    }
}
