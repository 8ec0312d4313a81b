//! Where the passwords of machines are kept: a file each, which nobody else can read.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::NamedTempFile;

use crate::output::within;

/// From the spec directory.
const HOME: &str = ".lessor/secrets";

/// Below that.
const MACHINES: &str = "machines";

/// The passwords of a spec directory's machines.
pub(super) struct Secrets {
    home: PathBuf,
}

/// What is kept of a password beside what shall be.
pub(super) enum Kept {
    Same,
    Changed,
    Missing,
}

impl Secrets {
    pub(super) fn of(dir: &Path) -> Secrets {
        Secrets { home: within(dir, HOME) }
    }

    /// How an entry refers to a machine's password.
    pub(super) fn reference(machine: &str) -> String {
        format!("secret://file/{HOME}/{MACHINES}/{machine}")
    }

    fn path(&self, machine: &str) -> PathBuf {
        self.home.join(MACHINES).join(machine)
    }

    pub(super) fn compare(&self, machine: &str, password: &SecretString) -> Kept {
        match fs::read(self.path(machine)) {
            Ok(there) if there == content(password).expose_secret().as_bytes() => Kept::Same,
            Ok(_) => Kept::Changed,
            Err(_) => Kept::Missing,
        }
    }

    /// Keeps a password, whole or not at all. One that is kept already is not written again.
    ///
    /// # Errors
    /// Names the file.
    pub(super) fn write(&self, machine: &str, password: &SecretString) -> anyhow::Result<()> {
        if matches!(self.compare(machine, password), Kept::Same) {
            return Ok(());
        }
        let path = self.path(machine);
        let write = || -> io::Result<()> {
            let directory = self.home.join(MACHINES);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            let ignore = self.home.join(".gitignore");
            if !ignore.exists() {
                fs::write(ignore, "*\n")?;
            }
            // A temporary file is its owner's alone, and stays so.
            let mut file = NamedTempFile::new_in(&directory)?;
            file.write_all(content(password).expose_secret().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("could not write `{}`", path.display()))
    }
}

/// As its file holds it: one line break at its end is not part of the value.
fn content(password: &SecretString) -> SecretString {
    format!("{}\n", password.expose_secret()).into()
}
