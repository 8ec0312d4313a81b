//! What a machine costs that is had for a while.

use lessor_specs::Money;

use crate::exact::half_even;

/// Seconds of a minute, and minutes of an hour.
const MINUTE: u64 = 60;

/// What so many minutes cost at a price for an hour, rounded once.
pub fn of_minutes(hourly: Money, minutes: u64) -> Money {
    half_even(i128::from(hourly.micros()) * i128::from(minutes), i128::from(MINUTE))
}

/// How many minutes a window of so many seconds has: a part of one counts as a whole.
pub fn minutes_in(seconds: u64) -> u64 {
    seconds.div_ceil(MINUTE)
}

/// How many minutes of a window have begun when so many seconds of it are over. The first begins
/// with it.
pub fn minutes_begun(elapsed: u64, seconds: u64) -> u64 {
    (elapsed / MINUTE + 1).min(minutes_in(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_paid_for_from_when_it_begins() {
        let begun =
            [0, 59, 60, 61, 3_599, 3_600, 9_999].map(|elapsed| minutes_begun(elapsed, 3_600));
        assert_eq!(begun, [1, 1, 2, 2, 60, 60, 60]);
        assert_eq!([0, 1, 60, 61].map(minutes_in), [0, 1, 1, 2]);
    }

    #[test]
    fn an_hour_costs_its_price_and_a_part_is_rounded_once() {
        let hourly: Money = "0.010001".parse().unwrap();
        let costs = [0, 1, 30, 60, 90].map(|minutes| of_minutes(hourly, minutes).to_string());
        assert_eq!(costs, ["0.000000", "0.000167", "0.005000", "0.010001", "0.015002"]);
    }
}
