//! Who did what: rows that are only ever added, and chained so that none can be changed unseen.
//!
//! A row is inserted unchained, in the very transaction of what it tells about, so that placing an
//! order waits for nobody. [`Store::audit_seal`] chains rows that were committed; the order of the
//! chain is the order they were found in, which on a database with many writers need not be the
//! order of their numbers.

use std::fmt;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::row::{self, Columns, Misread};
use crate::secret::hex;
use crate::work::{insert, with_rows};
use crate::{AccountId, KeyId, Store, StoreError};

/// How many rows are sealed, or verified, at a time.
const BATCH: i64 = 1_000;

/// How many values a row is written in.
const COLUMNS: usize = 6;

/// How many values a seal is written in, with the number of its row.
const SEAL_COLUMNS: usize = 4;

/// How many seals are written at a time. SQLite looks for each value of a statement among all of them,
/// so that a long one takes longer than several short ones.
const SEALS_AT_ONCE: usize = 64;

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// A person.
    pub fn account(id: &AccountId) -> Self {
        Actor(id.to_string())
    }

    /// A program, by its key.
    pub fn key(id: &KeyId) -> Self {
        Actor(id.to_string())
    }

    /// Whoever ran a command on a machine that can write the database.
    pub fn command() -> Self {
        Actor("command".into())
    }

    /// Nobody but lessor itself.
    pub fn lessor() -> Self {
        Actor("lessor".into())
    }

    /// Whoever was remembered.
    pub(crate) fn remembered(text: String) -> Self {
        Actor(text)
    }

    /// As it is remembered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that was done. It names people by their ids, never by what they are called.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    /// Who did it.
    pub actor: Actor,
    /// What was done: a thing and a deed, such as `order.place`.
    pub action: &'static str,
    /// The tenant whose members may see it.
    pub tenant: Option<String>,
    /// What it was done to.
    pub target: String,
    /// More about it; no secret, no personal data.
    pub data: Value,
}

/// Something that was done, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Its number. Later ones are greater, but those of two transactions may be seen late.
    pub seq: i64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// The tenant whose members may see it.
    pub tenant: Option<String>,
    /// What it was done to.
    pub target: String,
    /// More about it, as JSON.
    pub data: String,
    /// Its seal.
    pub seal: Option<Seal>,
}

/// The place of a row in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The first is 1, and none is left out.
    pub link: i64,
    /// Over the hash of the link before, and the row.
    pub hash: String,
    /// When it was sealed.
    pub at: Timestamp,
}

/// What verifying the chain came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerdict {
    /// How many rows are sealed as they were.
    pub sealed: i64,
    /// How many rows are not sealed yet.
    pub unsealed: i64,
    /// The hash of the last link that is good; kept elsewhere, it proves that none was cut off.
    pub head: String,
    /// The first thing that is wrong.
    pub broken: Option<Broken>,
}

/// Where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The place in the chain.
    pub link: i64,
    /// What is wrong there.
    pub why: String,
}

impl Audited {
    /// Reads a row of `audit_event`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let seal = |hash| {
            let at = row::time(row, "sealed_at")?;
            Ok::<_, Misread>(Seal { link: row::number(row, "link")?, hash, at })
        };
        Ok(Audited {
            seq: row::number(row, "seq")?,
            at: row::time(row, "at")?,
            actor: row::text(row, "actor")?,
            action: row::text(row, "action")?,
            tenant: row.text("tenant")?,
            target: row::text(row, "target")?,
            data: row::text(row, "data")?,
            seal: row.text("hash")?.map(seal).transpose()?,
        })
    }

    /// The hash that seals it behind `before`.
    ///
    /// Each part stands with its length, so that no two rows are written alike.
    fn hash(&self, link: i64, sealed_at: Timestamp, before: &str) -> String {
        let (link, seq) = (link.to_string(), self.seq.to_string());
        let at = self.at.as_microsecond().to_string();
        let sealed_at = sealed_at.as_microsecond().to_string();
        let tenant = self.tenant.as_ref().map_or_else(String::new, |tenant| format!("={tenant}"));
        let parts = [
            "lessor-audit/1",
            before,
            &link,
            &sealed_at,
            &seq,
            &at,
            &self.actor,
            &self.action,
            &tenant,
            &self.target,
            &self.data,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex(&hash.finalize())
    }
}

impl Store {
    /// Remembers, within `work`, that something was done.
    pub(crate) async fn audit_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        self.audit_insert_all(work, vec![event]).await
    }

    /// As [`Store::audit_insert`], of many things.
    pub(crate) async fn audit_insert_all(
        &self,
        work: &mut Transaction<'static, Any>,
        events: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        let at = self.now().as_microsecond();
        let text = "INSERT INTO audit_event (at, actor, action, tenant, target, data) VALUES";
        let inserted = insert(work, text, COLUMNS, &events, |query, event| {
            let query = query.bind(at).bind(event.actor.as_str()).bind(event.action);
            query.bind(&event.tenant).bind(&event.target).bind(event.data.to_string())
        });
        inserted.await.map_err(|error| self.error(&error))
    }

    /// Remembers something that was done outside the database, or that changed nothing there.
    pub async fn audit_record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.audit_insert(&mut work, event).await?;
        self.commit(work).await
    }

    /// What was done, the newest first, from before `before`; of one tenant or of all.
    pub async fn audit_list(
        &self,
        tenant: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Audited>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let query = match tenant {
            Some(tenant) => sqlx::query(
                "SELECT * FROM audit_event WHERE tenant = $1 AND seq < $2
                 ORDER BY seq DESC LIMIT $3",
            )
            .bind(tenant.to_owned()),
            None => {
                sqlx::query("SELECT * FROM audit_event WHERE seq < $1 ORDER BY seq DESC LIMIT $2")
            }
        };
        let rows = query.bind(before).bind(i64::from(limit)).fetch_all(self.pool()).await;
        self.read_all(rows, Audited::read)
    }

    /// Chains what is not chained yet, and answers how many rows that were. Any number of servers
    /// may do so at once; they take turns.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing more is chained, and the next try goes on.
    pub async fn audit_seal(&self) -> Result<usize, StoreError> {
        let mut sealed = 0;
        loop {
            let batch = self.audit_seal_batch().await?;
            sealed += batch;
            if row::column(batch) < BATCH {
                return Ok(sealed);
            }
        }
    }

    async fn audit_seal_batch(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let sealed = async {
            // Whoever writes here is the one sealer until the end of the transaction.
            sqlx::query("UPDATE audit_head SET link = link WHERE id = 1")
                .execute(&mut *work)
                .await?;
            let head =
                sqlx::query("SELECT link, hash FROM audit_head").fetch_one(&mut *work).await?;
            let (mut link, mut hash) = (row::number(&head, "link")?, row::text(&head, "hash")?);
            let rows =
                sqlx::query("SELECT * FROM audit_event WHERE link IS NULL ORDER BY seq LIMIT $1")
                    .bind(BATCH)
                    .fetch_all(&mut *work)
                    .await?;
            let mut seals = Vec::new();
            for row in &rows {
                let event = Audited::read(row)?;
                link += 1;
                hash = event.hash(link, now, &hash);
                seals.push((event.seq, Seal { link, hash: hash.clone(), at: now }));
            }
            audit_seal_rows(&mut work, &seals).await?;
            sqlx::query("UPDATE audit_head SET link = $1, hash = $2 WHERE id = 1")
                .bind(link)
                .bind(hash)
                .execute(&mut *work)
                .await?;
            Ok::<_, sqlx::Error>(rows.len())
        };
        let sealed = sealed.await.map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(sealed)
    }

    /// Goes through the whole chain and compares every row with its seal.
    ///
    /// # Errors
    /// See [`StoreError`]. A chain that is broken is no error but the answer.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        // Read first: what is sealed meanwhile is behind it.
        let head = self.audit_head().await?;
        let mut good = Link::default();
        let mut broken = None;
        while broken.is_none() && good.number < head.number {
            let rows = self.audit_links(good.number, head.number).await?;
            if rows.is_empty() {
                broken = Some(missing(good.number + 1));
            }
            for row in &rows {
                // A row that cannot be read was changed as well.
                let event = Audited::read(row).map_err(|error| changed(&good, &error.to_string()));
                match event.and_then(|event| check(&event, &good)) {
                    Ok(next) => good = next,
                    Err(found) => {
                        broken = Some(found);
                        break;
                    }
                }
            }
        }
        if broken.is_none() && good != head {
            broken = Some(changed(&head, "the end of the chain is not what was last sealed"));
        }
        let unsealed = self.audit_unsealed().await?;
        Ok(AuditVerdict { sealed: good.number, unsealed, head: good.hash, broken })
    }

    /// The hash at a place in the chain, to be compared with what somebody wrote down; `None` when
    /// the chain is shorter.
    pub async fn audit_link(&self, link: i64) -> Result<Option<String>, StoreError> {
        let found = sqlx::query("SELECT hash FROM audit_event WHERE link = $1")
            .bind(link)
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, |row| row::text(row, "hash"))
    }

    async fn audit_head(&self) -> Result<Link, StoreError> {
        let head =
            sqlx::query("SELECT link, hash FROM audit_head").fetch_optional(self.pool()).await;
        let head = self.read_optional(head, |row| {
            Ok(Link { number: row::number(row, "link")?, hash: row::text(row, "hash")? })
        })?;
        Ok(head.unwrap_or_default())
    }

    async fn audit_links(&self, after: i64, last: i64) -> Result<Vec<AnyRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM audit_event WHERE link > $1 AND link <= $2 ORDER BY link LIMIT $3",
        )
        .bind(after)
        .bind(last)
        .bind(BATCH)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))
    }

    async fn audit_unsealed(&self) -> Result<i64, StoreError> {
        let found = sqlx::query("SELECT count(*) AS found FROM audit_event WHERE link IS NULL")
            .fetch_optional(self.pool())
            .await;
        let found = self.read_optional(found, |row| row::number(row, "found"))?;
        Ok(found.unwrap_or(0))
    }
}

/// A place in the chain, and what stands there.
#[derive(Default, PartialEq, Eq)]
struct Link {
    number: i64,
    hash: String,
}

/// The link of a row that stands behind `before`, if it is as it was when it was sealed.
fn check(event: &Audited, before: &Link) -> Result<Link, Broken> {
    let number = before.number + 1;
    match &event.seal {
        Some(seal) if seal.link != number => Err(missing(number)),
        Some(seal) if seal.hash == event.hash(number, seal.at, &before.hash) => {
            Ok(Link { number, hash: seal.hash.clone() })
        }
        _ => Err(changed(before, &format!("row {} or its seal was changed", event.seq))),
    }
}

fn missing(link: i64) -> Broken {
    Broken { link, why: "the row was removed".into() }
}

fn changed(before: &Link, why: &str) -> Broken {
    Broken { link: before.number + 1, why: why.to_owned() }
}

/// Writes down seals, each with the number of its row.
async fn audit_seal_rows(
    work: &mut Transaction<'static, Any>,
    seals: &[(i64, Seal)],
) -> Result<(), sqlx::Error> {
    for seals in seals.chunks(SEALS_AT_ONCE) {
        let text = "WITH sealed (seq, link, hash, at) AS (VALUES";
        let sealed = with_rows(text, seals.len(), SEAL_COLUMNS);
        let query = sqlx::query(AssertSqlSafe(format!(
            "{sealed}) UPDATE audit_event
             SET link = sealed.link, hash = sealed.hash, sealed_at = sealed.at
             FROM sealed WHERE audit_event.seq = sealed.seq"
        )));
        let query = seals.iter().fold(query, |query, (seq, seal)| {
            let query = query.bind(*seq).bind(seal.link);
            query.bind(seal.hash.clone()).bind(seal.at.as_microsecond())
        });
        query.execute(&mut **work).await?;
    }
    Ok(())
}
