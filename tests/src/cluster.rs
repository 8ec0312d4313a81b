//! A PostgreSQL that nobody else uses, for tests that crash it and benches that load it.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A server of its own, gone with everything in it when this is.
#[derive(Debug)]
pub struct Cluster {
    directory: TempDir,
    url: String,
}

impl Cluster {
    /// One that answers soon and would lose what it said before a loss of power.
    pub fn fast() -> Self {
        Cluster::start("")
    }

    /// One that has all it said on disk.
    pub fn durable() -> Self {
        Cluster::start("1")
    }

    fn start(durable: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("lessor-postgres-").tempdir().unwrap();
        let url = script("start", directory.path(), durable);
        Cluster { directory, url }
    }

    /// Where it is, with the password.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Lets it crash and come back where it was.
    pub fn crash(&self) {
        script("restart", self.directory.path(), "");
    }

    /// How many statements were carried out until now. Only one that is durable counts them.
    ///
    /// # Panics
    /// When it does not.
    pub fn statements(&self) -> u64 {
        let mut psql = Command::new("psql");
        let counted = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
            SELECT sum(calls) FROM pg_stat_statements";
        let output = psql.args([&self.url, "-qAtc", counted]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Leaves nothing in it.
    pub fn clear(&self) {
        let mut psql = Command::new("psql");
        psql.args([&self.url, "-qc", "DROP SCHEMA public CASCADE; CREATE SCHEMA public"]);
        assert!(psql.status().unwrap().success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script("stop", self.directory.path(), "");
    }
}

fn script(what: &str, directory: &Path, durable: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres.sh");
    let mut command = Command::new(script);
    let output = command.arg(what).arg(directory).env("DURABLE", durable).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
