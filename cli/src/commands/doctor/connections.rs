//! What is behind each connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::SignedDuration;
use lessor_engine::{DiskLimits, Examination, Lack};
use lessor_plans::{Gap, InstallationId};
use lessor_providers::{ConnectError, Connection, Secrets, examiner};
use lessor_specs::{Address, Kind, Specs};

use super::{Check, Verdict};
use crate::config::Config;
use crate::progress::Progress;
use crate::session::base;

/// How far two clocks may be apart. Dates that are kept, such as until when data is, are days.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// What to do when an engine does not say more.
const UNSEEN: &str = "start the engine there, or correct the entry's `endpoint`";

/// What to do about a connection that cannot even be tried.
const MISDECLARED: &str = "correct the entry, or where `DOCKER_HOST` points";

/// Looks at all of them at the same time.
pub(super) async fn examine(dir: &Path, specs: &Specs, config: Option<&Config>) -> Vec<Check> {
    // No mark is read, so it does not matter whose things are ours when nobody says so.
    let installation = config.map(|config| config.installation.clone());
    let Some(installation) = installation.or_else(|| "nobody".parse().ok()) else {
        return Vec::new();
    };
    let progress = Progress::new("looking at each connection");
    let each = specs.docker.keys().map(|name| one(dir, specs, &installation, name));
    let seen = join_all(each).await;
    drop(progress);
    seen.into_iter().flatten().collect()
}

async fn one(dir: &Path, specs: &Specs, installation: &InstallationId, name: &str) -> Vec<Check> {
    let about = Address::new(Kind::Docker, name).to_string();
    match look(dir, specs, installation, name).await {
        Ok(Ok(examination)) => {
            let containers = specs.offer.values().filter_map(|offer| offer.container.as_ref());
            let promises_disk = { containers }.any(|container| container.disk.is_some());
            findings(&about, &examination, promises_disk)
        }
        Ok(Err(Gap { why, hint, .. })) => {
            let hint = hint.unwrap_or_else(|| UNSEEN.into());
            vec![Check::new(about, Verdict::Unseen, why).hint(hint)]
        }
        Err(error) => vec![Check::fail(about, error.to_string()).hint(MISDECLARED.to_owned())],
    }
}

async fn look(
    dir: &Path,
    specs: &Specs,
    installation: &InstallationId,
    name: &str,
) -> Result<Result<Examination, Gap>, ConnectError> {
    let docker_host = std::env::var("DOCKER_HOST").ok();
    let ssh_agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let examiner = examiner(Connection {
        name,
        docker: &specs.docker[name],
        installation,
        spec_dir: base(dir),
        docker_host: docker_host.as_deref(),
        ssh_agent: ssh_agent.as_deref(),
        secrets: &Arc::new(Secrets::default()),
    })?;
    Ok(examiner.examine().await)
}

/// One line for each thing that was seen.
fn findings(about: &str, examination: &Examination, promises_disk: bool) -> Vec<Check> {
    let Examination { system, clock_ahead, disk, lacks } = examination;
    let mut checks = vec![Check::ok(about, format!("{system} answers"))];
    checks.extend(clock_ahead.map(|ahead| clock(about, ahead)));
    checks.extend(promises_disk.then(|| limits(about, disk)));
    checks.extend(
        lacks.iter().map(|Lack { what, hint }| Check::warn(about, what).hint(hint.clone())),
    );
    checks
}

fn clock(about: &str, ahead: SignedDuration) -> Check {
    if ahead.abs() <= CLOCK_TOLERANCE {
        return Check::ok(about, "its clock agrees with ours");
    }
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let found = format!("its clock is {} seconds {side} ours", ahead.abs().as_secs());
    Check::warn(about, found).hint("let both keep time over the network, by NTP".to_owned())
}

/// `disk` counts against the capacity of a host when instances are placed, and that is all that is
/// done about it: lessor sets no limit, also where the storage could keep one.
fn limits(about: &str, disk: &DiskLimits) -> Check {
    const ACCOUNTED: &str = "`disk` of offers is accounted and not enforced";
    let hint = "watch the disk of this host: a tenant can fill it".to_owned();
    Check::warn(
        about,
        match disk {
            DiskLimits::Possible { by } => format!("{ACCOUNTED}, though {by} could limit it"),
            DiskLimits::Unclear { on } => format!("{ACCOUNTED}; its storage is {on}"),
            DiskLimits::Impossible { storage } => format!("{ACCOUNTED}: {storage} cannot limit it"),
        },
    )
    .hint(hint)
}
