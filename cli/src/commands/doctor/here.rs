//! What has to be right on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lessor_providers::Secrets;
use lessor_specs::{ByteSize, Report, SecretRef, Specs};
use lessor_store::{Location, Store, StoreError};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::Check;
use crate::config::{self, Config};
use crate::output::{counted, within};
use crate::session::{DATABASE, base, located};

/// Below this, a run of a large estate may not find room for its journal.
const LITTLE_SPACE: u64 = 256 << 20;

/// Below this, no run will.
const NO_SPACE: u64 = 8 << 20;

/// Whether the spec files can be used.
pub(super) fn specs(dir: &Path, specs: &Specs, report: Option<&Report>) -> Check {
    let Some(report) = report else {
        return Check::ok("specs", format!("{} valid", entries(specs)));
    };
    let problems = counted(report.diagnostics().len(), "problem", "problems");
    let hint = format!("`lessor validate {}` shows each with its place", dir.display());
    Check::fail("specs", format!("{problems}; what is sound of them is looked at here")).hint(hint)
}

fn entries(specs: &Specs) -> String {
    match specs.count() {
        0 => "no entries,".into(),
        1 => "1 entry is".into(),
        many => format!("{many} entries are"),
    }
}

/// Whether it is known whose things are ours.
pub(super) fn installation(config: &anyhow::Result<Config>) -> Check {
    match config {
        Ok(config) => {
            let installation = config.installation.as_str();
            Check::ok(config::FILE, format!("the installation is `{installation}`"))
        }
        Err(error) => Check::of_error(config::FILE, error),
    }
}

/// Whether what is remembered can be read, and something added.
pub(super) async fn database(dir: &Path, url: Option<&str>) -> Vec<Check> {
    let located = located(url.unwrap_or(DATABASE), base(dir));
    let mut checks = vec![opened(&located).await];
    // A database that speaks over a network has no directory.
    let Some(path) = located.strip_prefix("sqlite:") else { return checks };
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    checks.push(writable(directory));
    checks.extend(space(directory));
    if url.is_none() {
        checks.extend(ignored(dir));
    }
    checks
}

async fn opened(url: &str) -> Check {
    const ABOUT: &str = "database";
    // A server is named as messages name it: without the password.
    let shown = match Location::of(url) {
        Ok(server @ Location::Server { .. }) => server.to_string(),
        _ => url.to_owned(),
    };
    match Store::open_read_only(url).await {
        Ok(Some(store)) => {
            let found = format!("`{shown}` is there, and its schema is current");
            store.close().await;
            Check::ok(ABOUT, found)
        }
        Ok(None) => {
            Check::ok(ABOUT, format!("`{shown}` is not there yet; `lessor apply` makes it"))
        }
        Err(error @ StoreError::Older { .. }) => {
            Check::warn(ABOUT, error.to_string()).hint(error.hint())
        }
        Err(error) => Check::fail(ABOUT, error.to_string()).hint(error.hint()),
    }
}

/// Nothing is made to find out. What is missing is made by the first run, in what is there.
fn writable(directory: &Path) -> Check {
    const ABOUT: &str = "directory";
    let there = existing(directory);
    let shown = there.display();
    match access(&there, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Check::ok(ABOUT, format!("`{shown}` can be written")),
        Err(error) => Check::fail(ABOUT, format!("`{shown}` cannot be written: {}", error.desc()))
            .hint(format!(
                "let this user write in `{shown}`, or keep the database elsewhere with `--database`"
            )),
    }
}

fn space(directory: &Path) -> Option<Check> {
    const ABOUT: &str = "disk space";
    let there = existing(directory);
    // Where there is no such thing as free space, nothing can be said of it.
    let disk = statvfs(&there).ok()?;
    let free = disk.blocks_available() * disk.fragment_size();
    let amount = ByteSize::from_bytes(free >> 20 << 20);
    let found = format!("{amount} are free at `{}`", there.display());
    let hint = "make room, or keep the database elsewhere with `--database`".to_owned();
    Some(match free {
        ..NO_SPACE => Check::fail(ABOUT, found).hint(hint),
        NO_SPACE..LITTLE_SPACE => Check::warn(ABOUT, found).hint(hint),
        LITTLE_SPACE.. => Check::ok(ABOUT, "there is room for the database"),
    })
}

/// The nearest directory that is there.
fn existing(directory: &Path) -> PathBuf {
    let named = |path: &&Path| !path.as_os_str().is_empty();
    let there = directory.ancestors().filter(named).find(|path| path.exists());
    there.unwrap_or(Path::new(".")).to_owned()
}

/// Whether git would keep the database: it holds what is remembered of this machine's runs, and
/// changes with each. `None` outside of git.
fn ignored(dir: &Path) -> Option<Check> {
    const ABOUT: &str = "git";
    let mut git = Command::new("git");
    git.arg("-C").arg(dir).args(["check-ignore", "--quiet", "--", ".lessor/lessor.db"]);
    let status = git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status.ok()?.code()? {
        0 => Some(Check::ok(ABOUT, "`.lessor/` is ignored")),
        1 => {
            let file = within(dir, ".gitignore");
            let hint = format!("add a line `.lessor/` to `{}`", file.display());
            Some(Check::warn(ABOUT, "`.lessor/` is not ignored").hint(hint))
        }
        _ => None,
    }
}

/// Whether every secret can be had. Those that cannot are named, each on its own.
pub(super) fn secrets(dir: &Path, specs: &Specs) -> Vec<Check> {
    const ABOUT: &str = "secrets";
    let keys = specs
        .docker
        .values()
        .flat_map(|docker| docker.key.iter().chain(docker.tls.as_ref().map(|tls| &tls.key)));
    let mut references: Vec<&SecretRef> =
        specs.secrets().into_iter().chain(specs.machine_secrets()).chain(keys).collect();
    references.sort();
    references.dedup();
    let secrets = Secrets::resolve(references.iter().copied(), base(dir));
    let missing: Vec<_> = secrets
        .unresolved()
        .map(|(secret, why)| {
            let hint = "provide it where lessor runs".to_owned();
            Check::fail(ABOUT, format!("`{secret}` cannot be had: {why}")).hint(hint)
        })
        .collect();
    match (missing.is_empty(), references.len()) {
        (false, _) => missing,
        (true, 0) => vec![Check::ok(ABOUT, "none are referred to")],
        (true, 1) => vec![Check::ok(ABOUT, "the one that is referred to can be had")],
        (true, many) => {
            vec![Check::ok(ABOUT, format!("the {many} that are referred to can be had"))]
        }
    }
}
