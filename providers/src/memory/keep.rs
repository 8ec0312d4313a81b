//! Where a pretend host is kept.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor_engine::ApplyError;
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use super::Host;

/// A host in this process, or in a file.
#[derive(Clone)]
pub(super) enum Keep {
    Process(Arc<Mutex<Host>>),
    File(PathBuf),
}

impl Keep {
    pub(super) fn in_process() -> Self {
        Keep::Process(Arc::default())
    }

    pub(super) fn in_file(path: PathBuf) -> Self {
        Keep::File(path)
    }

    /// Looks at the host. Makes no file and takes no lock: a file is always whole.
    ///
    /// # Errors
    /// When the file is there and is not a host, with its path and the place in it.
    #[expect(clippy::unused_async, reason = "a host elsewhere would be waited for")]
    pub(super) async fn read<T>(&self, look: impl FnOnce(&Host) -> T) -> Result<T, String> {
        match self {
            Keep::Process(host) => Ok(look(&lock(host))),
            Keep::File(path) => load(path).map(|host| look(&host)),
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
            Keep::File(path) => load(path),
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
            Keep::File(path) => {
                let path = path.clone();
                blocking(move || change_file(&path, change)).await.map_err(refused)?
            }
        }
    }
}

fn lock(host: &Mutex<Host>) -> MutexGuard<'_, Host> {
    host.lock().unwrap_or_else(PoisonError::into_inner)
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
    let text = match std::fs::read(path) {
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
