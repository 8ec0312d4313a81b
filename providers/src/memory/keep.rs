//! Where a pretend host is kept.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Host) -> T + Send + 'static,
    ) -> Result<T, String> {
        match self {
            Keep::Process(host) => Ok(look(&host.lock().unwrap_or_else(PoisonError::into_inner))),
            Keep::File(path) => {
                let path = path.clone();
                blocking(move || load(&path).map(|host| look(&host))).await?
            }
        }
    }

    /// Looks at a copy of the host, to keep.
    ///
    /// # Errors
    /// As [`Keep::read`].
    pub(super) async fn take<T: Send + 'static>(
        &self,
        look: impl FnOnce(Host) -> T + Send + 'static,
    ) -> Result<T, String> {
        match self {
            Keep::Process(_) => self.read(Host::clone).await.map(look),
            Keep::File(path) => {
                let path = path.clone();
                blocking(move || load(&path).map(look)).await?
            }
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
            Keep::Process(host) => {
                let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
                change(&mut host).map(drop)
            }
            Keep::File(path) => {
                let path = path.clone();
                blocking(move || change_file(&path, change)).await.map_err(refused)?
            }
        }
    }
}

fn change_file(
    path: &Path,
    change: impl FnOnce(&mut Host) -> Result<bool, ApplyError>,
) -> Result<(), ApplyError> {
    // Held until the end of the function.
    let _lock = lock(path).map_err(|error| refused(could_not("lock", path, &error)))?;
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
fn lock(path: &Path) -> io::Result<File> {
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
