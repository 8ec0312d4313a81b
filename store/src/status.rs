//! What there is to say about a database as such, and copies of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_specs::Address;
use sqlx::any::AnyRow;

use crate::row::{self, Misread};
use crate::{Holder, Location, Run, Store, StoreError, file};

/// What a database holds. What is remembered is only told when it has the current schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub location: Location,
    /// The number of the last step its schema came through; `None` when it came through none.
    pub schema: Option<i64>,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
    /// The last run; `None` before the first.
    pub last: Option<Run>,
    /// Who holds which connection right now.
    pub leases: Vec<HeldLease>,
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// The connection.
    pub place: Address,
    /// Who holds it.
    pub holder: Holder,
    /// Until when, if it is not renewed.
    pub until: Timestamp,
}

impl Store {
    /// Looks at the database at `url`, whatever its schema, and changes nothing. `None` when there
    /// is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn status(url: &str) -> Result<Option<Status>, StoreError> {
        let Some(store) = Store::open_unseen(url).await? else { return Ok(None) };
        let status = store.status_read().await;
        store.close().await;
        status.map(Some)
    }

    async fn status_read(&self) -> Result<Status, StoreError> {
        let schema = self.schema().await?;
        let mut status = Status {
            location: self.location().clone(),
            schema,
            rows: BTreeMap::new(),
            last: None,
            leases: Vec::new(),
        };
        if schema == Some(crate::known_schema()) {
            status.rows = self.row_counts().await?;
            status.last = self.apply_list(1).await?.pop();
            status.leases = self.lease_list().await?;
        }
        Ok(status)
    }

    /// Who holds which connection right now. In a file, one who was killed is among them until their
    /// time has run out, although others need not wait for that.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lease_list(&self) -> Result<Vec<HeldLease>, StoreError> {
        let rows = sqlx::query(
            "SELECT place, host, pid, what, expires_at FROM lease WHERE expires_at > $1
             ORDER BY place",
        )
        .bind(self.now().as_microsecond())
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let held = |row: &AnyRow| {
            let holder = Holder {
                host: row::text(row, "host")?,
                pid: row::count(row, "pid")?,
                what: row::text(row, "what")?,
            };
            let until = row::time(row, "expires_at")?;
            Ok(HeldLease { place: row::parsed(row, "place")?, holder, until })
        };
        let leases = rows.iter().map(held).collect::<Result<_, Misread>>();
        leases.map_err(|error| self.error(&error.into()))
    }

    /// Copies the database to a new file, as it is at one moment, while others go on writing.
    ///
    /// The copy is whole and safe on the disk when this returns, or it is not there.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the file is there already; [`StoreError::Unavailable`] when a
    /// server keeps the database, which has a command of its own for that.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if self.location().path().is_none() {
            let location = self.location().clone();
            return Err(StoreError::Unavailable { location, why: "`pg_dump` copies it".into() });
        }
        if to.symlink_metadata().is_ok() {
            return Err(exists(to));
        }
        let failed = |error: std::io::Error| file::unavailable(to, &plain(error));
        let to = std::path::absolute(to).map_err(failed)?;
        let beside = file::directory(&to);
        let copy = tempfile::Builder::new().prefix(".lessor-").tempfile_in(beside);
        let copy = copy.map_err(failed)?;
        self.vacuum_into(copy.path().to_owned()).await?;
        copy.as_file().sync_all().map_err(failed)?;
        copy.persist_noclobber(&to).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(&to),
            _ => failed(error.error),
        })?;
        std::fs::File::open(beside).and_then(|beside| beside.sync_all()).map_err(failed)
    }

    async fn vacuum_into(&self, path: PathBuf) -> Result<(), StoreError> {
        let failed = |error: sqlx::Error| self.error(&error);
        let path = path.to_string_lossy().into_owned();
        let mut connection = self.pool().acquire().await.map_err(failed)?;
        // Who only looks may write nothing, not even a copy.
        sqlx::query("PRAGMA query_only = OFF").execute(&mut *connection).await.map_err(failed)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(path).execute(&mut *connection).await;
        // Not to be used for anything else.
        connection.close().await.map_err(failed)?;
        copied.map(drop).map_err(failed)
    }

    async fn row_counts(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let tables = self.either(
            "SELECT name AS found FROM sqlite_master
             WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB 'sqlite_*'",
            "SELECT CAST(tablename AS TEXT) AS found FROM pg_tables
             WHERE schemaname = current_schema() AND left(tablename, 1) <> '_'",
        );
        let counted = async {
            let mut counts = BTreeMap::new();
            for table in sqlx::query(tables).fetch_all(self.pool()).await? {
                let table = row::text(&table, "found")?;
                let quoted = table.replace('"', "\"\"");
                let count = format!("SELECT count(*) AS found FROM \"{quoted}\"");
                let count = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(self.pool()).await?;
                counts.insert(table, row::count(&count, "found")?);
            }
            Ok(counts)
        };
        counted.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

/// Without the name of a file that nobody knows of; it stands at the end.
fn plain(error: std::io::Error) -> std::io::Error {
    match error.to_string().split_once(" at path ") {
        Some((text, _)) => std::io::Error::new(error.kind(), text.to_owned()),
        None => error,
    }
}

fn exists(file: &Path) -> StoreError {
    StoreError::Exists { what: format!("`{}`", file.display()) }
}
