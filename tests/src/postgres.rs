//! A database of its own for each test, on the PostgreSQL that the test command started.
//!
//! Tests of other crates include this file, so it needs nothing but the standard library.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Says where the PostgreSQL for tests is.
pub const SERVER: &str = "LESSOR_TEST_POSTGRES";

/// How many this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// An empty database that is gone after the test.
#[derive(Debug)]
pub struct Postgres {
    server: String,
    name: String,
}

impl Postgres {
    /// Makes one.
    ///
    /// # Panics
    /// When there is no PostgreSQL for tests.
    pub fn new() -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!(
                "{SERVER} is not set: `tests/run.sh` starts a PostgreSQL for its tests, and \
                 `export {SERVER}=$(tests/postgres.sh start)` just that"
            )
        });
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros());
        let name = format!("lessor_{}_{now}_{number}", std::process::id());
        let made = Postgres { server, name };
        psql(&made.server, &format!("CREATE DATABASE {}", made.name));
        made
    }

    /// Where it is, with the password.
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{server}/{}", self.name)
    }

    /// What a statement answers: a line a row, columns separated by `|`.
    pub fn sql(&self, statement: &str) -> String {
        psql(&self.url(), statement)
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Postgres::new()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Whoever is still connected has no business there any more.
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = command(&self.server, &drop).output();
    }
}

fn psql(url: &str, statement: &str) -> String {
    let output = match command(url, statement).output() {
        Ok(output) => output,
        Err(error) => panic!("`psql` does not run: {error}"),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {told}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn command(url: &str, statement: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    psql.args(["--command", statement, url]);
    psql
}
