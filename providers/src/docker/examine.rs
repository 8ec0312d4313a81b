//! An engine itself: what it can do, and what time it thinks it is.

use bollard::ClientVersion;
use bollard::models::SystemInfo;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{DiskLimits, Examination, Lack};
use lessor_plans::Gap;

use super::Docker;

/// What an engine puts before each of its warnings.
const WARNING: &str = "WARNING: ";

/// What to do where the kernel keeps no limits.
const LIMITS: &str =
    "start its kernel with `cgroup_enable=memory swapaccount=1`, or use a newer one";

/// What the engine says of itself.
pub(super) async fn examine(docker: &Docker) -> Result<Examination, Gap> {
    let before = Timestamp::now();
    let (info, version) = docker.client.info().await.map_err(|error| Gap {
        place: docker.place.clone(),
        what: "the engine".into(),
        why: error.to_string(),
        hint: error.hint(),
    })?;
    Ok(examination(&info, &version, (before, Timestamp::now())))
}

fn examination(
    info: &SystemInfo,
    version: &ClientVersion,
    asked: (Timestamp, Timestamp),
) -> Examination {
    let release = info.server_version.as_deref().unwrap_or_default();
    let cgroup = info.cgroup_version.map(|cgroup| format!(", cgroup v{cgroup}"));
    Examination {
        system: format!("Docker Engine {release}, API {version}{}", cgroup.unwrap_or_default()),
        clock_ahead: clock_ahead(info, asked),
        disk: Some(disk(info)),
        facts: Vec::new(),
        lacks: lacks(info),
    }
}

/// The engine told the time somewhere between question and answer. A time that lies between them
/// is right; of any other, the distance to the nearer end is sure.
fn clock_ahead(
    info: &SystemInfo,
    (before, after): (Timestamp, Timestamp),
) -> Option<SignedDuration> {
    let theirs: Timestamp = info.system_time.as_deref()?.parse().ok()?;
    Some(theirs.duration_since(theirs.clamp(before, after.max(before))))
}

fn disk(info: &SystemInfo) -> DiskLimits {
    let driver = info.driver.as_deref().unwrap_or("an unknown storage driver");
    let below = status(info, "Backing Filesystem");
    match (driver, below) {
        ("btrfs" | "zfs" | "devicemapper", _) => {
            DiskLimits::Possible { by: format!("the storage driver `{driver}`") }
        }
        ("overlay2", Some("xfs")) => DiskLimits::Unclear {
            on: "`overlay2` on `xfs`, which limits where it is mounted with `pquota`".into(),
        },
        (driver, Some(below)) => {
            DiskLimits::Impossible { storage: format!("`{driver}` on `{below}`") }
        }
        (driver, None) => DiskLimits::Impossible { storage: format!("`{driver}`") },
    }
}

fn status<'i>(info: &'i SystemInfo, name: &str) -> Option<&'i str> {
    let pairs = info.driver_status.iter().flatten();
    let found = pairs.filter_map(|pair| match pair.as_slice() {
        [key, value] if key == name => Some(value.as_str()),
        _ => None,
    });
    { found }.next()
}

fn lacks(info: &SystemInfo) -> Vec<Lack> {
    let said = info.warnings.iter().flatten().map(|warning| {
        let what = words(warning.trim_start_matches(WARNING));
        let hint = what.contains("limit support").then(|| LIMITS.into());
        Lack { what, hint }
    });
    let restarts = (info.live_restore_enabled == Some(false)).then(|| Lack {
        what: "containers stop when the engine restarts".into(),
        hint: Some("set `\"live-restore\": true` in `/etc/docker/daemon.json` there".into()),
    });
    said.chain(restarts).collect()
}

/// On one line, however many it came on.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(driver: &str, below: &str) -> SystemInfo {
        let pair = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        SystemInfo {
            server_version: Some("27.1.0".into()),
            driver: Some(driver.into()),
            driver_status: Some(vec![
                pair("Supports d_type", "true"),
                pair("Backing Filesystem", below),
            ]),
            ..SystemInfo::default()
        }
    }

    #[test]
    fn disk_is_limited_where_the_storage_can() {
        let limits = |driver, below| disk(&engine(driver, below));
        assert!(matches!(limits("btrfs", "btrfs"), DiskLimits::Possible { .. }));
        assert!(matches!(limits("zfs", "zfs"), DiskLimits::Possible { .. }));
        assert!(matches!(limits("overlay2", "xfs"), DiskLimits::Unclear { .. }));
        let storage = "`overlay2` on `extfs`".to_owned();
        assert_eq!(limits("overlay2", "extfs"), DiskLimits::Impossible { storage });
        let silent = SystemInfo { driver_status: None, ..engine("overlayfs", "") };
        assert_eq!(disk(&silent), DiskLimits::Impossible { storage: "`overlayfs`".into() });
    }

    #[test]
    fn a_clock_is_off_by_what_no_delay_explains() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let ahead = |theirs: i64| {
            let system_time = Some(at(theirs).to_string());
            clock_ahead(&SystemInfo { system_time, ..SystemInfo::default() }, (at(10), at(14)))
        };
        assert_eq!(ahead(12), Some(SignedDuration::ZERO));
        assert_eq!(ahead(44), Some(SignedDuration::from_secs(30)));
        assert_eq!(ahead(5), Some(SignedDuration::from_secs(-5)));
        let silent = SystemInfo::default();
        assert_eq!(clock_ahead(&silent, (at(0), at(0))), None);
    }

    #[test]
    fn what_an_engine_warns_of_is_said_in_one_line_each() {
        let info = SystemInfo {
            warnings: Some(vec![
                "WARNING: No swap limit support".into(),
                "[DEPRECATION NOTICE]: API is accessible\n   without TLS".into(),
            ]),
            live_restore_enabled: Some(false),
            ..SystemInfo::default()
        };
        let said: Vec<_> = lacks(&info).into_iter().map(|lack| lack.what).collect();
        assert_eq!(
            said,
            [
                "No swap limit support",
                "[DEPRECATION NOTICE]: API is accessible without TLS",
                "containers stop when the engine restarts",
            ]
        );
    }
}
