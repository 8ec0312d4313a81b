//! What is written, and taken back when it was to no avail.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::NamedTempFile;

use crate::exit::Failed;
use crate::output::within;

/// Where secrets are kept, from the spec directory.
pub(super) const SECRETS: &str = ".lessor/secrets";

/// A secret value.
pub(super) struct Value(SecretString);

impl From<&SecretString> for Value {
    fn from(value: &SecretString) -> Self {
        Value(value.clone())
    }
}

impl Value {
    /// As its file holds it: one line break at the end of a file is not part of the value.
    fn in_file(&self) -> SecretString {
        let value = self.0.expose_secret();
        // With a line break behind it, the other half of one would be taken for a part of it.
        if value.ends_with('\r') { value.into() } else { format!("{value}\n").into() }
    }
}

/// Everything that was written; gone again when it is dropped before it is kept.
#[derive(Default)]
pub(super) struct Written {
    paths: Vec<PathBuf>,
}

impl Written {
    /// Notes files that were written by others.
    pub(super) fn note(&mut self, paths: Vec<PathBuf>) {
        self.paths.extend(paths);
    }

    /// Writes a secret where only its owner can read it. One that is there already may stay.
    ///
    /// # Errors
    /// When there is another value in that file: it is never written over.
    pub(super) fn secret(&mut self, dir: &Path, path: &str, value: &Value) -> anyhow::Result<()> {
        let ignore = within(dir, SECRETS).join(".gitignore");
        let path = within(dir, path);
        if let Some(directory) = path.parent() {
            self.directories(directory)?;
        }
        if !ignore.exists() {
            self.create(&ignore, b"*\n")?;
        }
        let value = value.in_file();
        let written = self.create(&path, value.expose_secret().as_bytes());
        let is_there = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        match written {
            Err(error) if is_there(&error) => {
                if fs::read(&path).is_ok_and(|there| there == value.expose_secret().as_bytes()) {
                    return Ok(());
                }
                let message = format!("`{}` is there already, with another value", path.display());
                Err(Failed::new(message).hint("remove or rename it; nothing was written").into())
            }
            written => written.with_context(|| format!("could not write `{}`", path.display())),
        }
    }

    /// Writes a file whole, unless there is one by now.
    pub(super) fn persist(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let directory = if directory == Path::new("") { Path::new(".") } else { directory };
        let write = || -> io::Result<()> {
            fs::create_dir_all(directory)?;
            let mut file = NamedTempFile::new_in(directory)?;
            file.write_all(text.as_bytes())?;
            // A temporary file is its owner's alone, and a spec file is for everybody.
            fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path)?;
            Ok(())
        };
        write().with_context(|| format!("could not write `{}`", path.display()))?;
        self.paths.push(path.to_owned());
        Ok(())
    }

    /// It came to a good end.
    pub(super) fn keep(&mut self) {
        self.paths.clear();
    }

    fn create(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
        self.paths.push(path.to_owned());
        file.write_all(content)?;
        file.sync_all()
    }

    fn directories(&mut self, directory: &Path) -> anyhow::Result<()> {
        let missing: Vec<&Path> = directory
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        for path in missing.into_iter().rev() {
            let made = fs::DirBuilder::new().mode(0o700).create(path);
            made.with_context(|| format!("could not make `{}`", path.display()))?;
            self.paths.push(path.to_owned());
        }
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            // A directory that somebody else put something into stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}
