//! Ids: a prefix that says of what, and a part that sorts by time.

use jiff::Timestamp;
use ulid::Ulid;

/// A new id, which sorts by `now` among its kind.
pub(crate) fn ident(prefix: &str, now: Timestamp) -> String {
    let since = std::time::Duration::from_millis(millis(now));
    format!("{prefix}_{}", Ulid::from_datetime(std::time::SystemTime::UNIX_EPOCH + since))
}

fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time() {
        let early: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let late: Timestamp = "2026-11-29T10:00:00.001Z".parse().unwrap();
        assert!(ident("ord", early) < ident("ord", late));
        assert_ne!(ident("ord", early), ident("ord", early));
    }
}
