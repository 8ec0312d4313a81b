//! Who may act on a connection right now.
//!
//! A lease is a row that its holder renews. Three things may end it: the holder gives it back; its
//! time runs out, by the clock of the database, since the holder hangs or its machine is gone; or,
//! where the database is a file, the system has taken back the lock on another file that the holder
//! held as well, which proves the holder dead without any waiting. Nobody can take a lease away by
//! hand.
//!
//! Each time a lease changes hands its token grows. What a holder writes is written only while the
//! row has the holder's own token, so that one who was frozen, and does not know yet that others
//! have gone on, writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use lessor_specs::Address;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use crate::row::{self, Misread};
use crate::{LeasedJournal, Store, StoreError, file};

/// How often a waiting run looks again.
const POLL: Duration = Duration::from_millis(200);

/// How many times a lease is renewed in its time: one renewal may fail, and the next is in time.
const RENEWALS: u32 = 3;

/// The leases of one run, renewed in the background for as long as this value lives.
///
/// Dropping it frees them when their time has run out, and before that for others on this machine
/// where the database is a file; [`Leases::release`] frees them at once for all.
#[derive(Debug)]
pub struct Leases {
    store: Store,
    held: BTreeMap<Address, Held>,
    lost: watch::Receiver<Option<Address>>,
    heartbeat: JoinHandle<()>,
}

/// Who holds a lease, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What it is doing: “apply 7f3a…”.
    pub what: String,
}

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// For how long a lease holds when it is not renewed.
    pub ttl: Duration,
    /// For how long to wait for others.
    pub timeout: Duration,
}

/// Why a run is waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The connection somebody else holds.
    pub place: Address,
    /// Who.
    pub holder: Holder,
    /// For how long it has been waiting.
    pub waited: Duration,
}

#[derive(Debug)]
struct Held {
    token: i64,
    /// Held for what the system does with it when we die.
    lock: Option<File>,
}

/// A row as it was found.
struct Found {
    holder: Holder,
    machine: String,
    locked: bool,
    next_token: i64,
    expires_at: i64,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        LeaseTerms { ttl: Duration::from_secs(10), timeout: Duration::from_secs(30) }
    }
}

impl Holder {
    /// This process, doing `what`.
    pub fn here(what: impl Into<String>) -> Self {
        Holder { host: host(), pid: std::process::id(), what: what.into() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {} on `{}`)", self.what, self.pid, self.host)
    }
}

impl Store {
    /// Takes the leases of all `places`, or of none. While others hold one, `on_wait` is called
    /// every now and then.
    ///
    /// # Errors
    /// [`StoreError::Leased`] when others held one for all of the time allowed.
    pub async fn lease_acquire(
        &self,
        places: &[Address],
        holder: &Holder,
        terms: LeaseTerms,
        on_wait: &mut (dyn FnMut(&Waiting) + Send),
    ) -> Result<Leases, StoreError> {
        let began = Instant::now();
        let mut held = BTreeMap::new();
        // In order, so that two runs that want the same never wait for each other.
        for place in places.iter().collect::<BTreeSet<_>>() {
            match self.lease_wait(place, holder, terms, began, on_wait).await {
                Ok(lease) => held.insert(place.clone(), lease),
                Err(error) => {
                    self.lease_release(held).await?;
                    return Err(error);
                }
            };
        }
        Ok(Leases::renewed(self.clone(), held, terms.ttl))
    }

    async fn lease_wait(
        &self,
        place: &Address,
        holder: &Holder,
        terms: LeaseTerms,
        began: Instant,
        on_wait: &mut (dyn FnMut(&Waiting) + Send),
    ) -> Result<Held, StoreError> {
        loop {
            let other = match self.lease_try(place, holder, terms.ttl).await? {
                Ok(held) => return Ok(held),
                Err(other) => other,
            };
            let waited = began.elapsed();
            if waited >= terms.timeout {
                return Err(StoreError::Leased { place: place.clone(), holder: other });
            }
            on_wait(&Waiting { place: place.clone(), holder: other, waited });
            tokio::time::sleep(POLL.min(terms.timeout.saturating_sub(waited))).await;
        }
    }

    /// Takes a lease if it is free, or else says who has it.
    async fn lease_try(
        &self,
        place: &Address,
        holder: &Holder,
        ttl: Duration,
    ) -> Result<Result<Held, Holder>, StoreError> {
        // Inside the transaction, which only one has at a time: a lock that is not to be had is then
        // that of a holder, and never that of another who only looks.
        let mut work = self.begin_alone(&format!("lease {place}")).await?;
        let lock = self.lease_file(place).map(|path| try_lock(&path)).transpose()?.flatten();
        let found = lease_find(&mut work, place).await.map_err(|error| self.error(&error))?;
        let now = self.time(&mut work).await?.as_microsecond();
        let token = match found {
            None => 1,
            Some(found) if found.is_free(now, lock.is_some()) => found.next_token,
            Some(found) => {
                drop(lock);
                work.rollback().await.map_err(|error| self.error(&error))?;
                return Ok(Err(found.holder));
            }
        };
        let held = Held { token, lock };
        lease_upsert(&mut work, place, holder, &held, expiry(now, ttl))
            .await
            .map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(Ok(held))
    }

    /// Gives leases back. The files go first: whoever finds one unlocked may go on at once.
    async fn lease_release(&self, held: BTreeMap<Address, Held>) -> Result<(), StoreError> {
        for (place, held) in held {
            drop(held.lock);
            sqlx::query("UPDATE lease SET expires_at = 0 WHERE place = $1 AND token = $2")
                .bind(place.to_string())
                .bind(held.token)
                .execute(self.pool())
                .await
                .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    /// Gives a lease more time. Whether it was still ours.
    async fn lease_renew(
        &self,
        place: &Address,
        token: i64,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?.as_microsecond();
        let renewed = sqlx::query(
            "UPDATE lease SET expires_at = $1
             WHERE place = $2 AND token = $3 AND expires_at > 0",
        )
        .bind(expiry(now, ttl))
        .bind(place.to_string())
        .bind(token)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// The file whose lock says that a holder on this machine lives; `None` where there is no place
    /// for one that all holders would find.
    fn lease_file(&self, place: &Address) -> Option<PathBuf> {
        let place = place.to_string().replace('/', "_");
        let path = self.location().path()?;
        Some(file::directory(path).join(format!("lease-{place}.lock")))
    }
}

impl Leases {
    /// The journal of the run that holds them.
    pub fn journal(&self) -> LeasedJournal {
        let tokens = self.held.iter().map(|(place, held)| (place.clone(), held.token));
        LeasedJournal::new(self.store.clone(), tokens.collect())
    }

    /// Those of the connections where a run was cut off, or gave something up, as
    /// [`Store::journal_unsettled`] has them: what it wrote there may not work yet.
    pub async fn unsettled(&self) -> Result<BTreeMap<Address, i64>, StoreError> {
        let mut places = self.store.journal_unsettled().await?;
        places.retain(|place, _| self.held.contains_key(place));
        Ok(places)
    }

    /// The token of a lease; `None` for a connection that is not among them. Later holders of the
    /// same connection have greater ones.
    pub fn token(&self, place: &Address) -> Option<i64> {
        self.held.get(place).map(|held| held.token)
    }

    /// Turns to the connection that others have taken over, as soon as that is noticed. What is
    /// written for it is refused even before.
    pub fn lost(&self) -> watch::Receiver<Option<Address>> {
        self.lost.clone()
    }

    /// Gives all of them back.
    pub async fn release(mut self) -> Result<(), StoreError> {
        self.heartbeat.abort();
        self.store.lease_release(std::mem::take(&mut self.held)).await
    }

    fn renewed(store: Store, held: BTreeMap<Address, Held>, ttl: Duration) -> Self {
        let (tell, lost) = watch::channel(None);
        let tokens = held.iter().map(|(place, held)| (place.clone(), held.token)).collect();
        let heartbeat = tokio::spawn(heartbeat(store.clone(), tokens, ttl, tell));
        Leases { store, held, lost, heartbeat }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

impl Found {
    /// Whether somebody else may take it, who has the lock on the file, or has not.
    fn is_free(&self, now: i64, has_lock: bool) -> bool {
        // The lock proves something only if the holder had it, and on this very machine.
        let is_dead = has_lock && self.locked && self.machine == machine();
        is_dead || self.expires_at <= now
    }
}

/// Renews leases until one is lost.
async fn heartbeat(
    store: Store,
    tokens: BTreeMap<Address, i64>,
    ttl: Duration,
    tell: watch::Sender<Option<Address>>,
) {
    let mut ticks = tokio::time::interval(ttl / RENEWALS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewed_at = Instant::now();
    loop {
        ticks.tick().await;
        for (place, token) in &tokens {
            // A database that does not answer must not keep us from noticing.
            let renewing = store.lease_renew(place, *token, ttl);
            let is_lost = match tokio::time::timeout(ttl / RENEWALS, renewing).await {
                Ok(Ok(renewed)) => !renewed,
                Ok(Err(error)) => {
                    warn!(%place, %error, "could not renew a lease");
                    renewed_at.elapsed() >= ttl
                }
                Err(_) => {
                    warn!(%place, "could not renew a lease in time");
                    renewed_at.elapsed() >= ttl
                }
            };
            if is_lost {
                tell.send_replace(Some(place.clone()));
                return;
            }
        }
        renewed_at = Instant::now();
    }
}

async fn lease_find(
    work: &mut Transaction<'static, Any>,
    place: &Address,
) -> Result<Option<Found>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT host, machine, pid, what, locked, token, expires_at FROM lease WHERE place = $1",
    )
    .bind(place.to_string())
    .fetch_optional(&mut **work)
    .await?;
    Ok(found.map(|row| found_of(&row)).transpose()?)
}

fn found_of(row: &AnyRow) -> Result<Found, Misread> {
    Ok(Found {
        holder: Holder {
            host: row::text(row, "host")?,
            pid: row::count(row, "pid")?,
            what: row::text(row, "what")?,
        },
        machine: row::text(row, "machine")?,
        locked: row::number(row, "locked")? == 1,
        next_token: next_token(row)?,
        expires_at: row::number(row, "expires_at")?,
    })
}

/// A token that no holder had before.
fn next_token(row: &AnyRow) -> Result<i64, Misread> {
    let last = row::number(row, "token")?;
    last.checked_add(1)
        .ok_or_else(|| Misread::new("token", &format!("{last} is the last there is")))
}

async fn lease_upsert(
    work: &mut Transaction<'static, Any>,
    place: &Address,
    holder: &Holder,
    held: &Held,
    expires_at: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO lease (place, host, machine, pid, what, locked, token, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (place) DO UPDATE
         SET host = excluded.host, machine = excluded.machine, pid = excluded.pid,
             what = excluded.what, locked = excluded.locked, token = excluded.token,
             expires_at = excluded.expires_at",
    )
    .bind(place.to_string())
    .bind(&holder.host)
    .bind(machine())
    .bind(i64::from(holder.pid))
    .bind(&holder.what)
    .bind(i64::from(held.lock.is_some()))
    .bind(held.token)
    .bind(expires_at)
    .execute(&mut **work)
    .await?;
    Ok(())
}

/// The lock on a file, if nobody else has it.
fn try_lock(path: &std::path::Path) -> Result<Option<File>, StoreError> {
    let file = file::lock_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(file::unavailable(path, &error)),
    }
}

fn expiry(now: i64, ttl: Duration) -> i64 {
    now.saturating_add(row::column(ttl.as_micros()))
}

/// The machine's name.
fn host() -> String {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(line_of);
    name.unwrap_or_else(|| "this machine".into())
}

/// What tells this machine, as it runs now, from all others and from itself before it was started
/// again. Containers on one machine have names of their own and yet share the locks on files.
fn machine() -> String {
    line_of("/proc/sys/kernel/random/boot_id").unwrap_or_else(host)
}

fn line_of(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
