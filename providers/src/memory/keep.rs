//! Where a pretend host is kept.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lessor_engine::ApplyError;
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use super::Host;

/// How long a file has to be as it is before what was read of it is used again: within one tick of the
/// clock that a file system goes by, another one may look the same.
const SETTLED: Duration = Duration::from_secs(1);

/// A host in this process, or in a file.
#[derive(Clone)]
pub(super) enum Keep {
    Process(Arc<Mutex<Host>>),
    File(PathBuf, Arc<Mutex<Option<Known>>>),
}

/// What was read of a file last.
pub(super) struct Known {
    file: Stamp,
    host: Arc<Host>,
}

/// What tells a file from what it was before.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: SystemTime,
}

impl Keep {
    pub(super) fn in_process() -> Self {
        Keep::Process(Arc::default())
    }

    pub(super) fn in_file(path: PathBuf) -> Self {
        Keep::File(path, Arc::default())
    }

    /// Looks at the host. Makes no file and takes no lock: a file is always whole.
    ///
    /// # Errors
    /// When the file is there and is not a host, with its path and the place in it.
    #[expect(clippy::unused_async, reason = "a host elsewhere would be waited for")]
    pub(super) async fn read<T>(&self, look: impl FnOnce(&Host) -> T) -> Result<T, String> {
        match self {
            Keep::Process(host) => Ok(look(&lock(host))),
            // Whoever watches a thousand things on it reads it once.
            Keep::File(path, known) => known_or_read(path, known).map(|host| look(&host)),
        }
    }

    /// A copy of the host, to keep.
    ///
    /// # Errors
    /// As [`Keep::read`].
    #[expect(clippy::unused_async, reason = "a host elsewhere would be waited for")]
    pub(super) async fn take(&self) -> Result<Host, String> {
        match self {
            Keep::Process(host) => Ok(lock(host).clone()),
            // At once, since no lock is waited for: another thread would have memory of its own,
            // and leave what it gives back to nobody.
            Keep::File(path, _) => load(path),
        }
    }

    /// Changes the host, one change after the other. `change` says whether there was anything to
    /// do; when there was not, or it fails, the file stays as it is.
    ///
    /// # Errors
    /// What `change` answers, or why the file could not be read or written.
    pub(super) async fn change(
        &self,
        change: impl FnOnce(&mut Host) -> Result<bool, ApplyError> + Send + 'static,
    ) -> Result<(), ApplyError> {
        match self {
            Keep::Process(host) => change(&mut lock(host)).map(drop),
            Keep::File(path, _) => {
                let path = path.clone();
                blocking(move || change_file(&path, change)).await.map_err(refused)?
            }
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let file = fs::metadata(path).ok()?;
        Some(Stamp { inode: file.ino(), length: file.len(), changed: file.modified().ok()? })
    }

    fn is_settled(&self) -> bool {
        self.changed.elapsed().is_ok_and(|elapsed| elapsed > SETTLED)
    }
}

fn lock<T>(host: &Mutex<T>) -> MutexGuard<'_, T> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The host in a file, read only if it is not as it was when it was read last.
fn known_or_read(path: &Path, known: &Mutex<Option<Known>>) -> Result<Arc<Host>, String> {
    // Asked for first: who changes it meanwhile leaves a stamp that it has no more.
    let file = Stamp::of(path);
    if let Some(known) = &*lock(known)
        && file.as_ref() == Some(&known.file)
    {
        return Ok(Arc::clone(&known.host));
    }
    let host = Arc::new(load(path)?);
    let settled = file.filter(Stamp::is_settled);
    *lock(known) = settled.map(|file| Known { file, host: Arc::clone(&host) });
    Ok(host)
}

fn change_file(
    path: &Path,
    change: impl FnOnce(&mut Host) -> Result<bool, ApplyError>,
) -> Result<(), ApplyError> {
    // Held until the end of the function.
    let _lock = lock_file(path).map_err(|error| refused(could_not("lock", path, &error)))?;
    let mut host = load(path).map_err(refused)?;
    if change(&mut host)? {
        replace(path, &host).map_err(|error| refused(could_not("write", path, &error)))?;
    }
    Ok(())
}

fn load(path: &Path) -> Result<Host, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Host::default()),
        Err(error) => return Err(could_not("read", path, &error)),
    };
    serde_json::from_slice(&text)
        .map_err(|error| format!("`{}` is not a pretend host: {error}", path.display()))
}

/// Beside the file and not in it: the file itself is replaced under the lock.
fn lock_file(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(name)?;
    file.lock()?;
    Ok(file)
}

/// Whoever reads sees all of the old file or all of the new one, also after a power cut.
fn replace(path: &Path, host: &Host) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    let mut writer = BufWriter::new(&mut file);
    serde_json::to_writer_pretty(&mut writer, host)?;
    writer.write_all(b"\n")?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(directory)?.sync_all()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(work).await.map_err(|error| format!("it was not finished: {error}"))
}

fn could_not(what: &str, path: &Path, error: &io::Error) -> String {
    format!("could not {what} `{}`: {error}", path.display())
}

fn refused(why: String) -> ApplyError {
    ApplyError::Refused { why, hint: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lessor_plans::{Body, NetworkBody};
    use tempfile::TempDir;

    use super::*;

    /// Writes a host with one network into its file as it stands, as if that had been then.
    fn write(path: &Path, name: &str, then: SystemTime) {
        let mut host = Host::default();
        let (subnet, internal, labels) = (None, false, BTreeMap::new());
        let network = NetworkBody { name: name.into(), subnet, internal, labels };
        host.put(Body::Network(network), BTreeMap::new());
        fs::write(path, serde_json::to_string(&host).unwrap()).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }

    async fn sees(keep: &Keep, name: &str) -> bool {
        keep.read(|host| host.find("network", name).is_some()).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_read_again_only_when_it_is_another() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("host.json");
        let keep = Keep::in_file(path.clone());
        assert!(!sees(&keep, "one").await);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(400_000);
        write(&path, "one", long_ago);
        assert!(sees(&keep, "one").await);

        // As far as can be told from outside, nobody touched it.
        write(&path, "two", long_ago);
        assert!(sees(&keep, "one").await);

        write(&path, "two", long_ago + Duration::from_millis(1));
        assert!(sees(&keep, "two").await);
    }

    #[tokio::test]
    async fn a_file_that_was_just_written_is_read_each_time() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("host.json");
        let keep = Keep::in_file(path.clone());
        // The clock cannot get past it while this runs.
        let just_now = SystemTime::now() + Duration::from_hours(1);
        for name in ["one", "two"] {
            write(&path, name, just_now);
            assert!(sees(&keep, name).await);
        }
    }
}
