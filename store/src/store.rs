//! The database: opening it, and what every statement needs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lessor_engine::Clock;
use sqlx::{Any, AnyPool, Transaction};
use tracing::debug;

use crate::clock::DatabaseClock;
use crate::file::Snapshot;
use crate::location::Location;
use crate::order::Desk;
use crate::{StoreError, server};

/// How often work is done anew that others came in between of, before it is given up.
const TRIES: u32 = 6;

/// How long the first of those waits for others to be through. Each further one waits longer.
const PAUSE: Duration = Duration::from_millis(5);

/// Everything remembered. Cheap to clone; clones share one database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    location: Location,
    clock: Arc<DatabaseClock>,
    desk: Arc<Desk>,
    /// What is open in place of the file; kept for as long as it is.
    _snapshot: Option<Arc<Snapshot>>,
}

impl Store {
    /// Closes all connections, of clones too, and waits until the files are as they stay.
    ///
    /// Without it nothing is lost, but SQLite's companion files stay behind.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The same database, going by a clock that is not its own: for simulations, whose time is said.
    #[must_use]
    pub fn by_clock(self, clock: Arc<dyn Clock>) -> Self {
        Store { clock: Arc::new(DatabaseClock::Said(clock)), ..self }
    }

    /// Where the database is, as messages name it.
    pub fn location(&self) -> &Location {
        &self.location
    }

    pub(crate) fn of_file(pool: AnyPool, path: &Path, snapshot: Option<Snapshot>) -> Self {
        debug!(path = %path.display(), is_snapshot = snapshot.is_some(), "opened the database");
        let location = Location::of_file(path);
        let clock = Arc::new(DatabaseClock::Ours);
        Store { pool, location, clock, desk: Arc::default(), _snapshot: snapshot.map(Arc::new) }
    }

    pub(crate) async fn of_server(pool: AnyPool, location: Location) -> Result<Self, StoreError> {
        let asked = server::time(&pool).await;
        let (_, reading) = asked.map_err(|error| StoreError::of(&error, &location))?;
        debug!(database = %location, "opened the database");
        let clock = Arc::new(DatabaseClock::Theirs(Mutex::new(reading)));
        Ok(Store { pool, location, clock, desk: Arc::default(), _snapshot: None })
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// What is at hand for placing orders.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// A transaction that only reads, all of it at one moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = self.either("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ");
        self.begin_whole(begin).await
    }

    /// Begins a transaction, and begins it to the end where whoever asked for it has gone by then: a
    /// caller who hangs up, a deadline. Cut off in between, a connection would go back with a
    /// transaction that nobody knows of, and ends nobody's.
    async fn begin_whole(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, Any>, StoreError> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
        begun.unwrap_or(Err(sqlx::Error::WorkerCrashed)).map_err(|error| self.error(&error))
    }

    /// A transaction that writes.
    ///
    /// It takes SQLite's write lock at once: a transaction that reads first and writes later can
    /// be refused in the middle, and waiting would not help it. On PostgreSQL others write at the
    /// same time: each statement sees what was committed before it, so whatever is decided by
    /// reading has to be held by a condition of the statement that writes, by a constraint, or by
    /// [`Store::begin_alone`].
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = self.either("BEGIN IMMEDIATE", "BEGIN");
        let mut work = self.begin_whole(begin).await?;
        if self.clock.is_old() {
            self.time(&mut work).await?;
        }
        Ok(work)
    }

    /// A transaction that writes and that has the `matter` to itself: others that ask for the same
    /// one wait until it ends. On SQLite every transaction that writes is alone.
    pub(crate) async fn begin_alone(
        &self,
        matter: &str,
    ) -> Result<Transaction<'static, Any>, StoreError> {
        let mut work = self.begin().await?;
        if let Location::Server { .. } = self.location {
            let lock = "SELECT 1 AS one FROM pg_advisory_xact_lock(hashtextextended($1, 0))";
            let locked = sqlx::query(lock).bind(matter).execute(&mut *work).await;
            locked.map_err(|error| self.error(&error))?;
        }
        Ok(work)
    }

    /// Keeps what a transaction did.
    pub(crate) async fn commit(&self, work: Transaction<'_, Any>) -> Result<(), StoreError> {
        work.commit().await.map_err(|error| self.error(&error))
    }

    /// Does `work`, a whole transaction, and does it again when the database let others go first.
    pub(crate) async fn retried<T, W>(&self, work: impl Fn() -> W) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>>,
    {
        for attempt in 1..TRIES {
            match work().await {
                Err(StoreError::Contended { .. }) => tokio::time::sleep(PAUSE * attempt).await,
                done => return done,
            }
        }
        work().await
    }

    /// The database's time, read now rather than carried on.
    pub(crate) async fn time(
        &self,
        work: &mut Transaction<'static, Any>,
    ) -> Result<Timestamp, StoreError> {
        if !self.clock.is_theirs() {
            return Ok(self.now());
        }
        let asked = server::time(&mut **work).await;
        let (time, reading) = asked.map_err(|error| self.error(&error))?;
        self.clock.set(reading);
        Ok(time)
    }

    /// One of two texts of a statement, where the two databases do not take the same.
    pub(crate) fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.location {
            Location::File(_) => sqlite,
            Location::Server { .. } => postgres,
        }
    }

    /// What an error of the database means.
    pub(crate) fn error(&self, error: &sqlx::Error) -> StoreError {
        StoreError::of(error, &self.location)
    }
}

impl Clock for Store {
    /// The time of the database, which for SQLite is this machine's, as exact as it is stored.
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
