//! Ids: a prefix that says of what, and a part that sorts by time.

use jiff::Timestamp;
use ulid::Ulid;

/// A new id, which sorts by `now` among its kind.
pub(crate) fn ident(prefix: &str, now: Timestamp) -> String {
    format!("{prefix}_{}", ulid(now))
}

/// New ids of one moment, each greater than the one before.
pub(crate) struct Idents {
    prefix: &'static str,
    now: Timestamp,
    last: Option<Ulid>,
}

impl Idents {
    pub(crate) fn new(prefix: &'static str, now: Timestamp) -> Self {
        Idents { prefix, now, last: None }
    }

    pub(crate) fn next(&mut self) -> String {
        let next = self.last.and_then(|last| last.increment().ok());
        let next = next.unwrap_or_else(|| ulid(self.now));
        self.last = Some(next);
        format!("{}_{next}", self.prefix)
    }
}

fn ulid(now: Timestamp) -> Ulid {
    let since = std::time::Duration::from_millis(millis(now));
    Ulid::from_datetime(std::time::SystemTime::UNIX_EPOCH + since)
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

    #[test]
    fn ids_of_one_moment_sort_by_which_came_first() {
        let mut ids = Idents::new("dlv", "2026-11-29T10:00:00Z".parse().unwrap());
        let made: Vec<_> = (0..1_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
