//! When schedules hold.

use crate::pfsense::checks::that;
use crate::pfsense::object::Object;
use crate::pfsense::refusal::Granted;
use crate::pfsense::value::Value;

/// The minutes at which a range may begin or end.
const MINUTES: [&str; 5] = ["00", "15", "30", "45", "59"];

/// The days of the months, of the longest year.
const DAYS: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Checks the hours of a range, `8:00-17:30`.
pub(super) fn time_range(name: &str, value: Value) -> Granted<Value> {
    if name != "hour" {
        return Ok(value);
    }
    let text = value.shown();
    let (start, end) = text.split_once('-').unwrap_or((&text, ""));
    let (Some(start), Some(end)) = (clock(start), clock(end)) else {
        let id = "FIREWALL_SCHEDULE_TIME_RANGE_HOUR_MUST_BE_24_HOUR_TIME_RANGE";
        let message = "Field `hour` must be 24-hour time range (i.e. 0:00-23:59).";
        return that(false, id, message).map(|()| value);
    };
    that(
        MINUTES.contains(&start.1) && MINUTES.contains(&end.1),
        "FIREWALL_SCHEDULE_TIME_RANGE_HOUR_WITH_INVALID_MINUTES",
        format!(
            "Field `hour` can only specify one of minute value choices: [{}].",
            MINUTES.join(",")
        ),
    )?;
    that(
        start <= end,
        "FIREWALL_SCHEDULE_TIME_RANGE_HOUR_START_TIME_GREATER_THAN_END_TIME",
        "Field `hour` value start time portion greater than end time.",
    )?;
    Ok(value)
}

/// The hour and the minutes of a time of day.
fn clock(text: &str) -> Option<(u8, &str)> {
    let (hour, minutes) = text.split_once(':')?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = (1..=2).contains(&hour.len())
        && are_digits(hour)
        && minutes.len() == 2
        && are_digits(minutes)
        && minutes < "60";
    let hour: u8 = hour.parse().ok()?;
    (is_one && hour < 24).then_some((hour, minutes))
}

/// Checks that every day of a range is one of its month.
pub(super) fn whole(object: &Object) -> Granted<()> {
    let months = object.get("month").as_list().unwrap_or_default();
    let days = object.get("day").as_list().unwrap_or_default();
    if months.is_empty() || days.is_empty() {
        return Ok(());
    }
    that(
        months.len() == days.len(),
        "FIREWALL_SCHEDULE_TIME_RANGE_MISMATCHED_MONTH_AND_DAY_VALUES",
        "Field `day` and field `month` must have the same number of array items.",
    )?;
    for (month, day) in months.iter().zip(days) {
        let index = month.as_integer().and_then(|month| usize::try_from(month - 1).ok());
        let length = index.and_then(|index| DAYS.get(index)).copied().unwrap_or_default();
        that(
            day.as_integer().is_some_and(|day| (1..=length).contains(&day)),
            "FIREWALL_SCHEDULE_TIME_RANGE_DAY_VALUE_IS_NOT_IN_MONTH",
            format!("Field `day` value is not a valid day in the `month` of `{}`.", month.shown()),
        )?;
    }
    Ok(())
}
