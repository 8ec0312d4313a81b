//! Damaged files: what is read back is a beginning of what was written, or nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lessor_engine::Phase;
use lessor_store::{Holder, LeaseTerms, Recorded, Store, StoreError};
use sqlx::{AnyConnection, Connection as _, Row as _};

use crate::fixture::{Backend, Database, Plan, address, create_all, place, scratch};

const NAMES: [&str; 3] = ["network.front", "volume.orders", "container.web"];

/// Bytes of a frame's header in the write-ahead log, and of the log's own.
const FRAME_HEADER: usize = 24;
const LOG_HEADER: usize = 32;

#[tokio::test]
async fn a_log_that_was_cut_short_holds_a_beginning_of_the_journal() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &NAMES).await;
    let written = database.store.journal_list(None, 100).await.unwrap();
    let file = std::fs::read(database.path()).unwrap();
    let log = std::fs::read(companion(&database.path(), "-wal")).unwrap();

    for length in cuts(&file, &log) {
        let (_directory, path) = scratch();
        std::fs::write(&path, &file).unwrap();
        std::fs::write(companion(&path, "-wal"), &log[..length]).unwrap();
        assert_beginning(&path, &written, &format!("{length} bytes of the log")).await;
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_whole_or_said_to_be_damaged() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &NAMES).await;
    let written = database.store.journal_list(None, 100).await.unwrap();
    database.store.close().await;
    let file = std::fs::read(database.path()).unwrap();

    let edges = (0..=file.len()).step_by(4096).flat_map(|edge| [edge.saturating_sub(1), edge]);
    for length in edges.chain([1, 15, 16, 50, 99, 100, 101]) {
        let (_directory, path) = scratch();
        std::fs::write(&path, &file[..length]).unwrap();
        assert_beginning(&path, &written, &format!("{length} bytes of the file")).await;
    }
}

#[tokio::test]
async fn garbage_is_damage_and_the_way_out_is_named() {
    let (_directory, path) = scratch();
    std::fs::write(&path, "this is a letter, and no database\n".repeat(100)).unwrap();
    let url = path.to_str().unwrap();
    for error in
        [Store::open(url).await.unwrap_err(), Store::open_read_only(url).await.unwrap_err()]
    {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(url), "{error}");
        assert!(error.hint().unwrap().starts_with(&format!("move `{url}` away")));
    }
}

/// What the messages are shown for.
const SHOWN: &str = "'nobody wrote this'";

/// What no column of ours ever holds, each as SQLite would let anybody write it.
const WRONG: [&str; 8] = [
    "NULL",
    "''",
    SHOWN,
    "-1",
    "9223372036854775807",
    "1e300",
    "x'fffe00'",
    "CAST(x'ff41' AS TEXT)",
];

#[tokio::test]
async fn a_row_that_holds_what_is_never_written_is_damage_and_says_which_column() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &NAMES).await;
    let plan = Plan::new("second", 1).claim("port_range.games", "a", "1").keep("volume.old", 60);
    database.store.apply_begin(plan.begin()).await.unwrap();
    let path = database.path();
    let mut vandal = Vandal::new(&path).await;
    let columns = vandal.columns().await;
    assert!(columns.len() > 30, "{columns:?}");

    let mut told = BTreeSet::new();
    for (table, column) in columns {
        for wrong in WRONG {
            if !vandal.damage(&table, &column, wrong).await {
                continue;
            }
            let lease = if table == "lease" { take_lease(&database.store).await } else { Ok(()) };
            for result in read_everything(&database.store).await.into_iter().chain([lease]) {
                let Err(error) = result else { continue };
                let why = match &error {
                    StoreError::Corrupt { location, why } if location.path() == Some(&path) => {
                        why.clone()
                    }
                    other => panic!("{table}.{column} = {wrong}: {other}"),
                };
                assert!(error.hint().unwrap().starts_with("move `"), "{error}");
                if wrong == SHOWN {
                    told.insert(format!("{table}: {why}"));
                }
            }
            vandal.restore(&table).await;
        }
    }
    insta::assert_snapshot!(told.into_iter().collect::<Vec<_>>().join("\n"), @"
    applied: column `address` cannot be read: `nobody wrote this`
    applied: column `at` cannot be read: expected a number, found text
    applied: column `body` cannot be read: `nobody wrote this` is no digest
    applied: column `body` cannot be read: `nobody` is no digest
    apply: column `outcome` cannot be read: `nobody wrote this` is no outcome
    apply: column `plan` cannot be read: `nobody wrote this` is no digest
    apply: column `revision` cannot be read: expected a number, found text
    apply: column `started_at` cannot be read: expected a number, found text
    entry: column `act` cannot be read: `nobody wrote this` is no act
    entry: column `address` cannot be read: expected an address such as `container.web`
    entry: column `at` cannot be read: expected a number, found text
    entry: column `body` cannot be read: `nobody wrote this` is no digest
    entry: column `phase` cannot be read: `nobody wrote this` is no phase
    entry: column `place` cannot be read: expected an address such as `container.web`
    entry: column `step` cannot be read: expected a number, found text
    keep: column `address` cannot be read: expected an address such as `container.web`
    keep: column `due_at` cannot be read: expected a number, found text
    lease: column `expires_at` cannot be read: expected a number, found text
    lease: column `locked` cannot be read: expected a number, found text
    lease: column `pid` cannot be read: expected a number, found text
    lease: column `token` cannot be read: expected a number, found text
    revision: column `applied_at` cannot be read: expected a number, found text
    revision: column `entries` cannot be read: expected a number, found text
    revision: column `number` cannot be read: expected a number, found text
    revision: column `plan` cannot be read: `nobody wrote this` is no digest
    tree: column `files` cannot be read: expected ident at line 1 column 2
    ");
}

/// Writes values where they do not belong, past every guard of the schema.
struct Vandal {
    connection: AnyConnection,
}

impl Vandal {
    async fn new(path: &Path) -> Self {
        let url = format!("sqlite://{}", path.display());
        let mut vandal = Vandal { connection: AnyConnection::connect(&url).await.unwrap() };
        let guards = "PRAGMA writable_schema = ON;
             DELETE FROM sqlite_master WHERE type = 'trigger';
             UPDATE sqlite_master SET sql = replace(sql, 'IS NOT NULL', 'NOTNULL');
             UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table';
             PRAGMA writable_schema = RESET;
             PRAGMA foreign_keys = OFF;
             PRAGMA synchronous = OFF;
             PRAGMA ignore_check_constraints = ON;";
        vandal.run(guards).await.unwrap();
        let tables: BTreeSet<_> = vandal.columns().await.into_iter().map(|(of, _)| of).collect();
        for table in tables {
            let copy = format!("CREATE TEMP TABLE whole_{table} AS SELECT * FROM {table}");
            vandal.run(&copy).await.unwrap();
        }
        vandal
    }

    /// Every column of every table of ours.
    async fn columns(&mut self) -> Vec<(String, String)> {
        let rows = sqlx::query(
            "SELECT tables.name AS of, columns.name AS name
             FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' AND tables.name NOT GLOB '_*'
               AND tables.name NOT GLOB 'sqlite_*'",
        )
        .fetch_all(&mut self.connection)
        .await
        .unwrap();
        rows.iter().map(|row| (row.get("of"), row.get("name"))).collect()
    }

    /// Whether SQLite let it happen: a row's own number is a number.
    async fn damage(&mut self, table: &str, column: &str, value: &str) -> bool {
        self.run(&format!("UPDATE OR IGNORE {table} SET {column} = {value}")).await.is_ok()
    }

    async fn restore(&mut self, table: &str) {
        let anew = "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM whole_{table}";
        self.run(&anew.replace("{table}", table)).await.unwrap();
    }

    async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(drop)
    }
}

/// Asks for all that is remembered, in every way there is.
async fn read_everything(store: &Store) -> Vec<Result<(), StoreError>> {
    let thing = address(NAMES[0]);
    vec![
        store.journal_list(None, 100).await.map(drop),
        store.journal_unfinished().await.map(drop),
        store.applied_list().await.map(drop),
        store.applied_show(&thing).await.map(drop),
        store.apply_list(100).await.map(drop),
        store.claim_list().await.map(drop),
        store.keep_list().await.map(drop),
        store.revision_latest().await.map(drop),
        store.revision_tree(1).await.map(drop),
    ]
}

/// Takes the lease, unless it seems to be somebody else's.
async fn take_lease(store: &Store) -> Result<(), StoreError> {
    let at_once = LeaseTerms { timeout: Duration::ZERO, ..LeaseTerms::default() };
    let holder = Holder::here("test");
    match store.lease_acquire(&[place()], &holder, at_once, &mut |_| ()).await {
        Ok(_) | Err(StoreError::Leased { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Opens a damaged database, and holds that what it gives was once written, from the beginning.
async fn assert_beginning(path: &Path, written: &[Recorded], case: &str) {
    let read = async {
        let store = Store::open(path.to_str().unwrap()).await?;
        let journal = store.journal_list(None, 100).await?;
        let applied = store.applied_list().await?;
        store.close().await;
        Ok((journal, applied))
    };
    match read.await {
        Ok((journal, applied)) => {
            assert!(written.starts_with(&journal), "{case}: {journal:?}");
            let finished = journal.iter().filter(|line| line.entry.phase == Phase::Finished);
            assert_eq!(applied.len(), finished.count(), "{case}: {applied:?}");
        }
        Err(StoreError::Corrupt { location, .. }) => {
            assert_eq!(location.path(), Some(path), "{case}");
        }
        Err(other) => panic!("{case}: {other}"),
    }
}

/// Every edge of the log, one byte before it, and the middle of every part.
fn cuts(file: &[u8], log: &[u8]) -> Vec<usize> {
    let page = usize::from(u16::from_be_bytes([file[16], file[17]]));
    let frames = (LOG_HEADER..=log.len()).step_by(FRAME_HEADER + page);
    let inside = frames.flat_map(|edge| {
        [edge - 1, edge, edge + 1, edge + FRAME_HEADER, edge + FRAME_HEADER + page / 2]
    });
    [0, 1, LOG_HEADER / 2].into_iter().chain(inside).filter(|cut| *cut <= log.len()).collect()
}

fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
