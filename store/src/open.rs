//! Opening a database, and its schema.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::oneshot;

use crate::file::{self, Access, Snapshot};
use crate::location::{self, Location, Named};
use crate::{Store, StoreError, row, server};

/// How the schema came to be, step by step, for each sort of database. The steps have the same
/// numbers and mean the same.
static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");

/// How many statements run at once on a file that is written; who only looks asks one after
/// another.
///
/// SQLite has one writer; a few more connections let readers pass while it waits for the disk.
const CONNECTIONS: u32 = 4;

/// How long a statement waits for another process that writes the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What is locked while the schema of a file is made or brought up to date.
const LOCK: &str = ".lock";

/// What is done about a database without the current schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    /// Where there is none, it is made. An earlier one is refused.
    Made,
    /// It is made, or brought up to date.
    Current,
}

impl Store {
    /// Opens the database at `url`, which is a path, `sqlite:` and a path, or `postgres://…`, for a
    /// run. What is missing is made; a file is for this user only.
    ///
    /// The schema of a file is brought up to date. That of a server is not, since others may use it
    /// with an earlier lessor: see [`Store::migrate`].
    ///
    /// # Errors
    /// See [`StoreError`]; a schema from a later lessor is refused and left as it is.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        match location::named(url)? {
            Named::File(path) => Store::open_file(&path, Schema::Current).await,
            Named::Server(location, options) => {
                Store::open_server(location, &options, Schema::Made).await
            }
        }
    }

    /// As [`Store::open`], for a server of our own that goes on running: any schema but the current
    /// one is refused, in a file too. Only where there is none is it made.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_serving(url: &str) -> Result<Store, StoreError> {
        Store::open_with(url, Schema::Made).await
    }

    /// Opens the database at `url` and brings its schema up to date, whatever keeps it. What is
    /// missing is made.
    ///
    /// # Errors
    /// See [`StoreError`]; a schema from a later lessor is refused and left as it is.
    pub async fn migrate(url: &str) -> Result<Store, StoreError> {
        Store::open_with(url, Schema::Current).await
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
        let Some(store) = Store::open_unseen(url).await? else { return Ok(None) };
        let known = known_schema();
        let location = store.location().clone();
        let mut found = store.schema().await?;
        if found.is_some_and(|found| found < known) {
            store.wait_for_migrations().await?;
            found = store.schema().await?;
        }
        match found {
            None => {
                store.close().await;
                Ok(None)
            }
            Some(found) if found > known => Err(StoreError::Newer { location, found, known }),
            Some(found) if found < known => Err(StoreError::Older { location, found, known }),
            Some(_) => Ok(Some(store)),
        }
    }

    /// The number of the last step the schema came through; `None` when it came through none.
    pub async fn schema(&self) -> Result<Option<i64>, StoreError> {
        let tables = self.either(
            "SELECT count(*) AS found FROM sqlite_master WHERE name = $1",
            "SELECT count(*) AS found FROM pg_tables
             WHERE schemaname = current_schema() AND tablename = $1",
        );
        let found = async {
            let tables =
                sqlx::query(tables).bind("_sqlx_migrations").fetch_one(self.pool()).await?;
            if row::number(&tables, "found")? == 0 {
                return Ok(None);
            }
            let last = "SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
            let last = sqlx::query(last).fetch_optional(self.pool()).await?;
            Ok(last.map(|last| row::number(&last, "version")).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    async fn open_with(url: &str, schema: Schema) -> Result<Store, StoreError> {
        match location::named(url)? {
            Named::File(path) => Store::open_file(&path, schema).await,
            Named::Server(location, options) => {
                Store::open_server(location, &options, schema).await
            }
        }
    }

    async fn open_file(path: &Path, schema: Schema) -> Result<Store, StoreError> {
        file::create(path)?;
        let path = canonical(path)?;
        // Two processes that open a new database at once would trip over each other's migrations.
        let _alone = alone(&path).await?;
        file::check_length(&path)?;
        let store = Store::connect_file(&path, Access::Write).await?;
        store.settle(schema).await?;
        Ok(store)
    }

    async fn open_server(
        location: Location,
        options: &AnyConnectOptions,
        schema: Schema,
    ) -> Result<Store, StoreError> {
        let store = Store::connect_server(location, options, false).await?;
        if store.schema().await? == Some(known_schema()) {
            // Nothing is to be made, so nobody needs the right to make something.
            return Ok(store);
        }
        let failed = |error| store.error(&error);
        let mut alone = store.pool().acquire().await.map_err(failed)?;
        server::schema_lock(&mut alone).await.map_err(failed)?;
        let settled = store.settle(schema).await;
        server::schema_unlock(&mut alone).await.map_err(failed)?;
        drop(alone);
        settled.map(|()| store)
    }

    /// Opens the database for looking, whatever its schema; `None` when there is none.
    pub(crate) async fn open_unseen(url: &str) -> Result<Option<Store>, StoreError> {
        let path = match location::named(url)? {
            Named::File(path) => path,
            Named::Server(location, options) => {
                return Store::connect_server(location, &options, true).await.map(Some);
            }
        };
        let Some(access) = file::read_access(&path)? else { return Ok(None) };
        let path = canonical(&path)?;
        file::check_length(&path)?;
        match Store::connect_file(&path, access).await {
            Err(StoreError::Unavailable { .. }) if access == Access::ReadAlone => {
                Store::connect_snapshot(&path).await.map(Some)
            }
            opened => opened.map(Some),
        }
    }

    /// Waits until nobody brings the schema up to date, step by step, any more.
    async fn wait_for_migrations(&self) -> Result<(), StoreError> {
        if let Some(path) = self.location().path() {
            return file::wait_for_lock(&file::companion(path, LOCK)).await;
        }
        let waited = async {
            let mut connection = self.pool().acquire().await?;
            server::schema_lock(&mut connection).await?;
            server::schema_unlock(&mut connection).await
        };
        waited.await.map_err(|error| self.error(&error))
    }

    async fn connect_file(path: &Path, access: Access) -> Result<Store, StoreError> {
        let pool = file_pool(path, access).await;
        let pool = pool.map_err(|error| StoreError::of(&error, &Location::of_file(path)))?;
        Ok(Store::of_file(pool, path, None))
    }

    async fn connect_snapshot(path: &Path) -> Result<Store, StoreError> {
        let snapshot = Snapshot::of(path)?;
        let pool = file_pool(&snapshot.path(), Access::ReadAlone).await;
        let pool = pool.map_err(|error| StoreError::of(&error, &Location::of_file(path)))?;
        Ok(Store::of_file(pool, path, Some(snapshot)))
    }

    async fn connect_server(
        location: Location,
        options: &AnyConnectOptions,
        is_read_only: bool,
    ) -> Result<Store, StoreError> {
        let pool = server_pool(options, is_read_only).await;
        let pool = pool.map_err(|error| StoreError::of(&error, &location))?;
        Store::of_server(pool, location).await
    }

    /// Brings the schema to where it is wanted, or says that it is not there.
    async fn settle(&self, schema: Schema) -> Result<(), StoreError> {
        let known = known_schema();
        let location = self.location().clone();
        match self.schema().await? {
            Some(found) if found > known => Err(StoreError::Newer { location, found, known }),
            Some(found) if found < known && schema == Schema::Made => {
                Err(StoreError::Older { location, found, known })
            }
            _ => self.run_migrations(known).await,
        }
    }

    async fn run_migrations(&self, known: i64) -> Result<(), StoreError> {
        let migrations = match self.location() {
            Location::File(_) => &SQLITE,
            Location::Server { .. } => &POSTGRES,
        };
        let ran = migrations.run(self.pool()).await;
        ran.map_err(|error| StoreError::of_migration(error, self.location(), known))
    }
}

/// The number of the last step that this lessor knows.
pub fn known_schema() -> i64 {
    SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn server_pool(
    options: &AnyConnectOptions,
    is_read_only: bool,
) -> Result<AnyPool, sqlx::Error> {
    install_drivers();
    let options = options.clone().disable_statement_logging();
    let mut probe = server::probe(&options).await?;
    server::prepare(&mut probe, is_read_only).await?;
    probe.close().await?;
    AnyPoolOptions::new()
        .max_connections(if is_read_only { 1 } else { server::CONNECTIONS })
        .acquire_timeout(server::PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, now| Box::pin(server::lives(connection, now.idle_for)))
        .after_connect(move |connection, _| Box::pin(server::prepare(connection, is_read_only)))
        .connect_with(options)
        .await
}

/// Opens the file at `path`, without a connection that only tries it: the schema is long, and to read it
/// takes longer than what a command asks for.
async fn file_pool(path: &Path, access: Access) -> Result<AnyPool, sqlx::Error> {
    install_drivers();
    let options: AnyConnectOptions = file::url_of(path, access).parse()?;
    let options = options.disable_statement_logging();
    let (tell, first) = oneshot::channel();
    let tell = Arc::new(Mutex::new(Some(tell)));
    let pool = AnyPoolOptions::new()
        .max_connections(match access {
            Access::Write => CONNECTIONS,
            Access::ReadBesideLog | Access::ReadAlone => 1,
        })
        // Forgetting a connection that served long would only mean opening the file again, and a file does
        // not hang up.
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
            Box::pin(async move {
                let prepared = prepare(connection, access).await;
                // A pool would try again and again, and say only that it took too long: what is wrong
                // with the first is told to whoever opens.
                let Some(tell) = tell else { return prepared };
                // Who does not wait any more opens nothing.
                let _ = tell.send(prepared);
                Ok(())
            })
        })
        .connect_with(options)
        .await?;
    match first.await {
        Ok(Err(error)) => {
            pool.close().await;
            Err(error)
        }
        Ok(Ok(())) | Err(_) => Ok(pool),
    }
}

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

/// Makes a new connection to a file behave as we rely on.
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
    path.canonicalize().map_err(|error| file::unavailable(path, &error))
}

/// Waits until no other process opens the database. The lock ends with the returned file.
async fn alone(path: &Path) -> Result<std::fs::File, StoreError> {
    let file = file::companion(path, LOCK);
    let lock = file::lock_file(&file)?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    locked
        .map_err(std::io::Error::other)
        .and_then(|locked| locked)
        .map_err(|error| file::unavailable(&file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sorts_of_database_take_the_same_steps() {
        let steps = |migrations: &Migrator| {
            let step = |step: &sqlx::migrate::Migration| (step.version, step.description.clone());
            migrations.iter().map(step).collect::<Vec<_>>()
        };
        assert_eq!(steps(&SQLITE), steps(&POSTGRES));
    }
}
