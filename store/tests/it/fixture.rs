//! A migrated database for each test, and values to fill it with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::{ApplyId, Clock, Entry, Journal as _, Phase};
use lessor_plans::{Act, Claim, ClaimKey, Digest, Forget, Keep};
use lessor_specs::{Address, Tree};
use lessor_store::{Begin, Holder, LeaseTerms, Leases, Store};
use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;

use crate::postgres::Postgres;

/// The sorts of database every test runs on.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// A sort of database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A database that is gone after the test.
pub(crate) struct Database {
    pub(crate) store: Store,
    /// What it goes by, where time is simulated.
    clock: Option<Arc<SetClock>>,
    kept: Kept,
}

/// A clock that goes on when it is told to, forth or back.
struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Where a database is kept.
enum Kept {
    File(TempDir),
    Server(Postgres),
}

impl Database {
    pub(crate) async fn new(backend: Backend) -> Self {
        let kept = match backend {
            Backend::Sqlite => Kept::File(tempfile::tempdir().unwrap()),
            Backend::Postgres => Kept::Server(Postgres::new()),
        };
        Database { store: Store::open(&kept.url()).await.unwrap(), clock: None, kept }
    }

    /// One whose time stands still but for what a test lets pass. It is noon on 2026-12-01, a Tuesday.
    pub(crate) async fn simulated(backend: Backend) -> Self {
        let Database { store, kept, .. } = Database::new(backend).await;
        let clock = Arc::new(SetClock(Mutex::new("2026-12-01T12:00:00Z".parse().unwrap())));
        Database { store: store.by_clock(clock.clone()), clock: Some(clock), kept }
    }

    /// Lets so many minutes pass.
    pub(crate) fn pass(&self, minutes: i64) {
        self.set(self.store.now() + SignedDuration::from_mins(minutes));
    }

    /// Says what time it is.
    pub(crate) fn set(&self, now: Timestamp) {
        *self.clock.as_ref().unwrap().0.lock().unwrap() = now;
    }

    pub(crate) fn url(&self) -> String {
        self.kept.url()
    }

    /// As another process has it: with connections of its own.
    pub(crate) async fn another(&self) -> Store {
        let store = Store::open(&self.url()).await.unwrap();
        match &self.clock {
            Some(clock) => store.by_clock(clock.clone()),
            None => store,
        }
    }

    /// The server that keeps it.
    pub(crate) fn server(&self) -> &Postgres {
        match &self.kept {
            Kept::File(_) => panic!("a file keeps it"),
            Kept::Server(server) => server,
        }
    }

    /// The file that keeps it.
    pub(crate) fn path(&self) -> PathBuf {
        match &self.kept {
            Kept::File(_) => self.url().into(),
            Kept::Server(_) => panic!("a server keeps it"),
        }
    }

    /// A connection past the store, of somebody who may do everything.
    pub(crate) async fn connect(&self) -> AnyConnection {
        let url = match &self.kept {
            Kept::File(_) => format!("sqlite:{}", self.url()),
            Kept::Server(server) => server.url(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }

    /// Runs a statement past the store.
    pub(crate) async fn run(&self, statement: &'static str) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await;
        let ran = sqlx::query(statement).execute(&mut connection).await.map(drop);
        connection.close().await?;
        ran
    }

    /// The names of all files.
    pub(crate) fn files(&self) -> Vec<String> {
        let directory = self.path().parent().unwrap().to_owned();
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Kept {
    fn url(&self) -> String {
        match self {
            Kept::File(directory) => {
                directory.path().join(".lessor/lessor.db").to_str().unwrap().to_owned()
            }
            Kept::Server(server) => server.url(),
        }
    }
}

/// A scratch directory whose databases are no business of anybody else.
pub(crate) fn scratch() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lessor.db");
    (directory, path)
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn place() -> Address {
    address("docker.par1")
}

pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn key(pool: &str, holder: &str) -> ClaimKey {
    ClaimKey { pool: pool.into(), holder: holder.into() }
}

/// A plan, as far as the store is concerned.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: Digest,
    pub(crate) revision: u64,
    pub(crate) tree: Tree,
    pub(crate) claims: BTreeMap<ClaimKey, Claim>,
    pub(crate) keeps: Vec<Keep>,
    pub(crate) forget: Forget,
}

impl Plan {
    pub(crate) fn new(name: &str, revision: u64) -> Self {
        let files = BTreeMap::from([("web.toml".to_owned(), format!("# {name}"))]);
        Plan {
            id: digest(name),
            revision,
            tree: Tree::new(files),
            claims: BTreeMap::new(),
            keeps: Vec::new(),
            forget: Forget::default(),
        }
    }

    pub(crate) fn forget_claim(mut self, pool: &str, holder: &str) -> Self {
        self.forget.claims.push(key(pool, holder));
        self
    }

    pub(crate) fn forget_keep(mut self, address: &str) -> Self {
        self.forget.keeps.push(self::address(address));
        self
    }

    pub(crate) fn claim(mut self, pool: &str, holder: &str, value: &str) -> Self {
        self.claims.insert(key(pool, holder), value.into());
        self
    }

    pub(crate) fn keep(mut self, address: &str, seconds: u64) -> Self {
        self.keeps.push(Keep {
            address: self::address(address),
            place: place(),
            seconds,
            until: None,
        });
        self
    }

    pub(crate) fn begin(&self) -> Begin<'_> {
        Begin {
            plan: self.id,
            revision: self.revision,
            tree: &self.tree,
            entries: 1,
            claims: &self.claims,
            keeps: &self.keeps,
            forget: &self.forget,
            changes: &[],
        }
    }
}

/// Terms that no slow machine runs out of.
pub(crate) fn patient() -> LeaseTerms {
    LeaseTerms { ttl: Duration::from_hours(1), timeout: Duration::from_mins(5) }
}

pub(crate) async fn lease(store: &Store, terms: LeaseTerms) -> Leases {
    let holder = Holder::here("apply");
    store.lease_acquire(&[place()], &holder, terms, &mut |_| ()).await.unwrap()
}

pub(crate) fn entry(apply: &ApplyId, step: usize, name: &str, phase: Phase) -> Entry {
    Entry {
        apply: apply.clone(),
        step,
        address: address(name),
        place: place(),
        act: Act::Create,
        phase,
        body: Some(digest(name)),
    }
}

/// Begins a run, and journals that each of these containers was made.
pub(crate) async fn create_all(store: &Store, names: &[&str]) -> ApplyId {
    let apply = store.apply_begin(Plan::new("first", 0).begin()).await.unwrap();
    let leases = lease(store, patient()).await;
    for (step, name) in names.iter().enumerate() {
        for phase in [Phase::Started, Phase::Finished] {
            leases.journal().record(&entry(&apply, step + 1, name, phase)).await.unwrap();
        }
    }
    leases.release().await.unwrap();
    apply
}
