//! Calendar months in a customer's time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The time zone with this IANA name, by a database of our own; UTC when none is named, or one that
/// is not known. Specs hold only names that are.
pub fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}

/// When the calendar month that holds `at` ends: the first moment of the next one.
///
/// Whatever the clocks do, a moment belongs to exactly one month. At the end of time, a month has
/// no end.
pub(crate) fn month_end(at: Timestamp, zone: &TimeZone) -> Timestamp {
    let last = at.to_zoned_datetime(zone.clone()).date().last_of_month();
    let first = last.tomorrow().and_then(|first| first.to_zoned_datetime(zone.clone()));
    first.map_or(Timestamp::MAX, |first| first.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_when_the_next_one_begins_there() {
        for (at, place, end) in [
            ("2026-01-31T23:59:59Z", "UTC", "2026-02-01T00:00:00Z"),
            ("2026-02-01T00:00:00Z", "UTC", "2026-03-01T00:00:00Z"),
            ("2028-02-15T00:00:00Z", "UTC", "2028-03-01T00:00:00Z"),
            ("2026-12-31T12:00:00Z", "UTC", "2027-01-01T00:00:00Z"),
            // Two hours ahead in summer, one in winter.
            ("2026-03-10T00:00:00Z", "Europe/Paris", "2026-03-31T22:00:00Z"),
            ("2026-10-10T00:00:00Z", "Europe/Paris", "2026-10-31T23:00:00Z"),
            ("2026-06-30T22:00:00Z", "Europe/Paris", "2026-07-31T22:00:00Z"),
            ("2026-06-30T21:59:59Z", "Europe/Paris", "2026-06-30T22:00:00Z"),
            // A quarter of an hour, and behind.
            ("2026-05-01T00:00:00Z", "Asia/Kathmandu", "2026-05-31T18:15:00Z"),
            ("2026-05-01T00:00:00Z", "America/New_York", "2026-05-01T04:00:00Z"),
            // Clocks went from 23:59:59 on the 31st to 01:00 on the 1st: that day began late.
            ("1979-03-31T12:00:00Z", "Asia/Amman", "1979-03-31T22:00:00Z"),
            // A day that a place skipped.
            ("2011-12-30T09:00:00Z", "Pacific/Apia", "2011-12-31T10:00:00Z"),
        ] {
            let at: Timestamp = at.parse().unwrap_or_default();
            assert_eq!(month_end(at, &zone(Some(place))).to_string(), end, "{at} {place}");
        }
    }

    #[test]
    fn a_place_nobody_knows_has_the_time_of_the_world() {
        assert_eq!(zone(None), TimeZone::UTC);
        assert_eq!(zone(Some("Mars/Olympus")), TimeZone::UTC);
        assert_eq!(month_end(Timestamp::MAX, &TimeZone::UTC), Timestamp::MAX);
    }
}
