//! The database: opening it, and what every statement needs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use jiff::{Timestamp, Unit};
use lessor_engine::Clock;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _, Transaction,
};
use tracing::debug;

use crate::location::{self, Access, Snapshot};
use crate::{StoreError, row};

/// How the schema came to be, step by step.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// How many statements run at once where there is writing; who only looks asks one after another.
///
/// SQLite has one writer; a few more connections let readers pass while it waits for the disk.
const CONNECTIONS: u32 = 4;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything remembered. Cheap to clone; clones share one database.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    path: Arc<Path>,
    /// What is open in place of `path`; kept for as long as it is.
    _snapshot: Option<Arc<Snapshot>>,
}

impl Store {
    /// Opens the database at `url`, which is a path or `sqlite:` and a path, and brings its schema
    /// up to date. What is missing is made, for this user only.
    ///
    /// # Errors
    /// See [`StoreError`]; a schema from a later lessor is refused and left as it is.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let path = location::path_of(url)?;
        location::create(&path)?;
        let path = canonical(&path)?;
        // Two processes that open a new database at once would trip over each other's migrations.
        let _alone = alone(&path).await?;
        location::check_length(&path)?;
        let store = Store::connect(path, Access::Write).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the database at `url` for looking only: nothing is created, migrated or written.
    /// `None` when there is no database, or an empty one.
    ///
    /// Reading needs SQLite's `-wal` and `-shm` files beside the database; [`Store::close`] takes
    /// away what opening made. Where they cannot be made, a copy is read that is taken now.
    ///
    /// # Errors
    /// See [`StoreError`]; any schema but the current one is refused.
    pub async fn open_read_only(url: &str) -> Result<Option<Store>, StoreError> {
        let path = location::path_of(url)?;
        let Some(access) = location::read_access(&path)? else { return Ok(None) };
        let path = canonical(&path)?;
        location::check_length(&path)?;
        let store = match Store::connect(path.clone(), access).await {
            Err(StoreError::Unavailable { .. }) if access == Access::ReadAlone => {
                Store::connect_snapshot(path).await?
            }
            opened => opened?,
        };
        let known = known_schema();
        match store.schema().await? {
            None => {
                store.close().await;
                Ok(None)
            }
            Some(found) if found > known => {
                Err(StoreError::Newer { path: store.path.to_path_buf(), found, known })
            }
            Some(found) if found < known => {
                Err(StoreError::Older { path: store.path.to_path_buf(), found, known })
            }
            Some(_) => Ok(Some(store)),
        }
    }

    /// Closes all connections, of clones too, and waits until the files are as they stay.
    ///
    /// Without it nothing is lost, but SQLite's companion files stay behind.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// A transaction that writes.
    ///
    /// It takes SQLite's write lock at once: a transaction that reads first and writes later can
    /// be refused in the middle, and waiting would not help it.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(&error))
    }

    /// Keeps what a transaction did.
    pub(crate) async fn commit(&self, work: Transaction<'_, Any>) -> Result<(), StoreError> {
        work.commit().await.map_err(|error| self.error(&error))
    }

    /// What an error of the database means.
    pub(crate) fn error(&self, error: &sqlx::Error) -> StoreError {
        StoreError::of(error, &self.path)
    }

    async fn connect(path: PathBuf, access: Access) -> Result<Store, StoreError> {
        let pool = pool(&path, access).await.map_err(|error| StoreError::of(&error, &path))?;
        debug!(path = %path.display(), ?access, "opened the database");
        Ok(Store { pool, path: path.into(), _snapshot: None })
    }

    async fn connect_snapshot(path: PathBuf) -> Result<Store, StoreError> {
        let snapshot = Snapshot::of(&path)?;
        let opened = pool(&snapshot.path(), Access::ReadAlone).await;
        let pool = opened.map_err(|error| StoreError::of(&error, &path))?;
        debug!(path = %path.display(), "opened a snapshot of the database");
        Ok(Store { pool, path: path.into(), _snapshot: Some(Arc::new(snapshot)) })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(|error| StoreError::of_migration(error, &self.path, known_schema()))
    }

    /// The number of the last migration that was run; `None` when none ever was.
    async fn schema(&self) -> Result<Option<i64>, StoreError> {
        let found = async {
            let tables = "SELECT count(*) AS found FROM sqlite_master WHERE name = $1";
            let tables = sqlx::query(tables).bind("_sqlx_migrations").fetch_one(&self.pool).await?;
            if row::number(&tables, "found")? == 0 {
                return Ok(None);
            }
            let last = "SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
            let last = sqlx::query(last).fetch_optional(&self.pool).await?;
            Ok(last.map(|last| row::number(&last, "version")).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

impl Clock for Store {
    /// The time of the database, which for SQLite is this machine's, as exact as it is stored.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Rounding fails at the end of time only.
        now.round(Unit::Microsecond).unwrap_or(now)
    }
}

/// Opens the file at `path`.
async fn pool(path: &Path, access: Access) -> Result<AnyPool, sqlx::Error> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    let options: AnyConnectOptions = location::url_of(path, access).parse()?;
    let options = options.disable_statement_logging();
    let probe = probe(&options, access).await?;
    let pool = AnyPoolOptions::new()
        .max_connections(match access {
            Access::Write => CONNECTIONS,
            Access::ReadBesideLog | Access::ReadAlone => 1,
        })
        // Forgetting a connection that served long would only mean opening the file again.
        .max_lifetime(None)
        .idle_timeout(None)
        .after_connect(move |connection, _| Box::pin(prepare(connection, access)))
        .connect_with(options)
        .await?;
    // Not before: the last one that closes takes the log away, and the next makes it again.
    probe.close().await?;
    Ok(pool)
}

/// Connects once. A pool would try again and again, and say only that it took too long.
async fn probe(options: &AnyConnectOptions, access: Access) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    prepare(&mut connection, access).await?;
    Ok(connection)
}

/// Makes a new connection behave as we rely on.
async fn prepare(connection: &mut AnyConnection, access: Access) -> Result<(), sqlx::Error> {
    let busy_timeout = format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis());
    connection.execute(sqlx::AssertSqlSafe(busy_timeout)).await?;
    connection.execute("PRAGMA foreign_keys = ON").await?;
    match access {
        Access::Write => {
            // A writer leaves readers alone, and what was committed survives a loss of power.
            connection.execute("PRAGMA journal_mode = WAL").await?;
            connection.execute("PRAGMA synchronous = FULL").await?;
        }
        Access::ReadBesideLog | Access::ReadAlone => {
            connection.execute("PRAGMA query_only = ON").await?;
        }
    }
    // SQLite opens the file when it is first read.
    connection.execute("PRAGMA schema_version").await?;
    Ok(())
}

/// Where the file really is: symbolic links and `..` mean something else in a URL.
fn canonical(path: &Path) -> Result<PathBuf, StoreError> {
    path.canonicalize().map_err(|error| location::unavailable(path, &error))
}

/// Waits until no other process opens the database. The lock ends with the returned file.
async fn alone(path: &Path) -> Result<std::fs::File, StoreError> {
    let file = location::companion(path, ".lock");
    let lock = location::lock_file(&file)?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    locked
        .map_err(std::io::Error::other)
        .and_then(|locked| locked)
        .map_err(|error| location::unavailable(&file, &error))
}

/// The number of the last migration we have.
fn known_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
