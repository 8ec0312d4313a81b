//! What is behind each connection.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::SignedDuration;
use lessor_engine::{DiskLimits, Examination, Lack};
use lessor_plans::{Gap, InstallationId};
use lessor_providers::{Around, Secrets, examiner};
use lessor_specs::{Address, Specs};

use super::{Check, Verdict};
use crate::progress::Progress;
use crate::session::base;

/// How far two clocks may be apart. Dates that are kept, such as until when data is, are days.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// What to do when an engine does not say more.
const UNSEEN: &str = "start the engine there, or correct the entry's `endpoint`";

/// What to do about a connection that cannot even be tried.
const MISDECLARED: &str = "correct the entry, or where `DOCKER_HOST` points";

/// Looks at all of them at the same time.
pub(super) async fn examine(dir: &Path, specs: &Specs, whose: &InstallationId) -> Vec<Check> {
    let progress = Progress::new("looking at each connection");
    let secrets = Arc::new(Secrets::resolve(specs.secrets(), base(dir)));
    let around = Around::new(base(dir), whose, &secrets);
    let places: Vec<_> = specs.connections().collect();
    let seen = join_all(places.iter().map(|place| one(specs, &around, place))).await;
    drop(progress);
    seen.into_iter().flatten().collect()
}

async fn one(specs: &Specs, around: &Around<'_>, place: &Address) -> Vec<Check> {
    let about = place.to_string();
    let Some(connection) = around.connection(specs, place) else { return Vec::new() };
    let examined = match examiner(&connection) {
        Ok(examiner) => examiner.examine().await,
        Err(error) => {
            return vec![Check::fail(about, error.to_string()).hint(MISDECLARED.to_owned())];
        }
    };
    match examined {
        Ok(examination) => {
            let containers = specs.offer.values().filter_map(|offer| offer.container.as_ref());
            let promises_disk = { containers }.any(|container| container.disk.is_some());
            findings(&about, &examination, promises_disk)
        }
        Err(Gap { why, hint, .. }) => {
            let hint = hint.unwrap_or_else(|| UNSEEN.into());
            vec![Check::new(about, Verdict::Unseen, why).hint(hint)]
        }
    }
}

/// One line for each thing that was seen.
fn findings(about: &str, examination: &Examination, promises_disk: bool) -> Vec<Check> {
    let Examination { system, clock_ahead, disk, facts, lacks } = examination;
    let mut checks = vec![Check::ok(about, format!("{system} answers"))];
    checks.extend(clock_ahead.map(|ahead| clock(about, ahead)));
    checks.extend(facts.iter().map(|fact| Check::ok(about, fact)));
    let disk = disk.as_ref().filter(|_| promises_disk);
    checks.extend(disk.map(|disk| limits(about, disk)));
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
