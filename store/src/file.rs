//! The files of a database that SQLite keeps, and how they come to be.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::{Location, StoreError};

/// What a database lets us do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything.
    Write,
    /// Nothing but looking, beside a write-ahead log that is there already.
    ReadBesideLog,
    /// Nothing but looking, where nobody has the database open.
    ReadAlone,
}

/// The file that `url` names: `sqlite:path`, `sqlite://path`, or the path itself.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let path = match url.split_once(':') {
        Some(("sqlite", path)) => path.strip_prefix("//").unwrap_or(path),
        // Whatever stands before `//` may speak, and may hold a password: name only how.
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(StoreError::Unsupported { url: format!("{scheme}://…") });
        }
        _ => url,
    };
    if path.is_empty() || path == ":memory:" {
        return Err(StoreError::Unsupported { url: url.to_owned() });
    }
    std::path::absolute(path).map_err(|error| unavailable(Path::new(path), &error))
}

/// The address under which SQLite opens `path`.
pub(crate) fn url_of(path: &Path, access: Access) -> String {
    let mode = match access {
        Access::Write | Access::ReadAlone => "rw",
        Access::ReadBesideLog => "ro",
    };
    let path = path.as_os_str().as_encoded_bytes();
    format!("sqlite://{}?mode={mode}", path.iter().copied().map(escaped).collect::<String>())
}

fn escaped(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    }
}

/// Makes the directory and an empty file, for this user only, where they are missing.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let directory = directory(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| unavailable(directory, &error))?;
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map(drop).map_err(|error| unavailable(path, &error))
}

/// A file beside the database that can be locked. It stays: removing it would race with others.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|error| unavailable(path, &error))
}

/// Waits until nobody has a file locked, which makes nothing where there is none.
pub(crate) async fn wait_for_lock(path: &Path) -> Result<(), StoreError> {
    let lock = match File::open(path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable(path, &error)),
    };
    let waited = tokio::task::spawn_blocking(move || lock.lock_shared()).await;
    waited.map_err(io::Error::other).flatten().map_err(|error| unavailable(path, &error))
}

/// The directory the database lies in.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The database file's name with something behind it, as SQLite names its own companions.
pub(crate) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// How to read a database without leaving anything behind; `None` when there is none.
///
/// SQLite reads a database with a write-ahead log only beside `-wal` and `-shm` files, and makes
/// them where they are missing. Opened without the right to write, it cannot take them away again.
/// So: where a log lies already, of a writer that runs or was killed, the file is opened without
/// that right and everything stays as it is. Where none lies, it is opened with it, writing is
/// forbidden to the connection instead, and closing takes away what opening made. Where that cannot
/// be, a [`Snapshot`] is read. (`immutable`, which needs no such files, would read nonsense as soon
/// as a writer came along.)
pub(crate) fn read_access(path: &Path) -> Result<Option<Access>, StoreError> {
    let exists = |path: &Path| path.try_exists().map_err(|error| unavailable(path, &error));
    if !exists(path)? {
        return Ok(None);
    }
    let log = exists(&companion(path, "-wal"))?;
    Ok(Some(if log { Access::ReadBesideLog } else { Access::ReadAlone }))
}

/// A database as it was at one moment, for this user only. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Snapshot(TempDir);

impl Snapshot {
    /// Copies the database at `path`, beside which nothing can be written.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when somebody was writing it meanwhile.
    pub(crate) fn of(path: &Path) -> Result<Snapshot, StoreError> {
        let before = stamp(path)?;
        let copied = tempfile::Builder::new().prefix("lessor-").tempdir().and_then(|directory| {
            let snapshot = Snapshot(directory);
            std::fs::copy(path, snapshot.path()).map(|_| snapshot)
        });
        let snapshot = copied.map_err(|error| StoreError::Unavailable {
            location: Location::of_file(path),
            why: format!(
                "its directory cannot be written, and a copy in `{}` cannot be made: {error}",
                std::env::temp_dir().display()
            ),
        })?;
        // What a writer did is in the file only after it was in a log.
        let is_whole = stamp(path)? == before && !before.log;
        is_whole
            .then_some(snapshot)
            .ok_or_else(|| StoreError::Busy { location: Location::of_file(path) })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("snapshot.db")
    }
}

/// Differs as soon as somebody wrote.
#[derive(PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: SystemTime,
    log: bool,
}

fn stamp(path: &Path) -> Result<Stamp, StoreError> {
    let stamp = || {
        let metadata = std::fs::metadata(path)?;
        let log = companion(path, "-wal").try_exists()?;
        Ok(Stamp { length: metadata.len(), modified: metadata.modified()?, log })
    };
    stamp().map_err(|error| unavailable(path, &error))
}

/// Finds out that a file was cut short, which SQLite would notice only at the first missing page.
pub(crate) fn check_length(path: &Path) -> Result<(), StoreError> {
    let log = std::fs::metadata(companion(path, "-wal")).map_or(0, |log| log.len());
    if log > 0 {
        // The missing pages may well be in the log.
        return Ok(());
    }
    let (header, length) = header(path).map_err(|error| unavailable(path, &error))?;
    let expected = header.and_then(|header| stated_length(&header));
    match expected {
        Some(expected) if length < expected => Err(StoreError::Corrupt {
            location: Location::of_file(path),
            why: format!("it has {length} of {expected} bytes"),
        }),
        _ => Ok(()),
    }
}

const HEADER_LENGTH: usize = 100;

fn header(path: &Path) -> io::Result<(Option<[u8; HEADER_LENGTH]>, u64)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = [0; HEADER_LENGTH];
    if length < header.len() as u64 {
        return Ok((None, length));
    }
    file.read_exact(&mut header)?;
    Ok((Some(header), length))
}

/// The length a database file says it has, if it is one and says so; see “The Database Header” in
/// SQLite's file format.
fn stated_length(header: &[u8; HEADER_LENGTH]) -> Option<u64> {
    let number = |at: usize| header[at..at + 4].iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
    let page_size = match number(16) >> 16 {
        1 => 65_536,
        size => size,
    };
    // The page count is to be trusted only when written by the same change as the rest.
    let trusted = header.starts_with(b"SQLite format 3\0") && number(24) == number(92);
    trusted.then(|| page_size * number(28))
}

/// The machine did not let us.
pub(crate) fn unavailable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable { location: Location::of_file(path), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_its_path_with_or_without_scheme() {
        for url in ["/a/lessor.db", "sqlite:/a/lessor.db", "sqlite:///a/lessor.db"] {
            assert_eq!(path_of(url).unwrap(), Path::new("/a/lessor.db"), "{url}");
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(path_of("sqlite:.lessor/lessor.db").unwrap(), here.join(".lessor/lessor.db"));
    }

    #[test]
    fn a_database_of_another_sort_is_refused_without_showing_its_password() {
        let error = path_of("mysql://me:secret@db/lessor").unwrap_err();
        assert_eq!(error.to_string(), "`mysql://…` is no database this lessor can open");
        assert_eq!(
            error.hint().unwrap(),
            "name a file, `sqlite:` and a file, or `postgres://USER@HOST:PORT/DATABASE`"
        );
    }

    #[test]
    fn a_snapshot_is_not_taken_while_somebody_writes_and_goes_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lessor.db");
        std::fs::write(&path, "rows").unwrap();

        let snapshot = Snapshot::of(&path).unwrap();
        let copied = snapshot.path();
        assert_eq!(std::fs::read_to_string(&copied).unwrap(), "rows");
        drop(snapshot);
        assert!(!copied.exists());

        std::fs::write(companion(&path, "-wal"), "").unwrap();
        let location = Location::of_file(&path);
        assert_eq!(Snapshot::of(&path).unwrap_err(), StoreError::Busy { location });
    }

    #[test]
    fn odd_characters_in_a_path_mean_nothing() {
        let url = url_of(Path::new("/a b/50%?/#ü.db"), Access::Write);
        assert_eq!(url, "sqlite:///a%20b/50%25%3F/%23%C3%BC.db?mode=rw");
    }
}
