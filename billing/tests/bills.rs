//! What is on a bill, rule by rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod offers;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use lessor_billing::{Benefit, Discount, History, Line, Mode, Progress, Turn, usage_lines, zone};
use lessor_specs::Duration;

use offers::{FLEX, FLEX_CAPPED, FREE, KEPT, SURVIVAL, at, money, size, tariff};

/// An order of this tariff since `anchored`, in a time zone.
fn order(anchored: &str, place: &str, offer: &str) -> History {
    let anchored_at = at(anchored);
    let turn = Turn { at: anchored_at, mode: Mode::Running, tariff: tariff(offer, size(2, 4, 20)) };
    History { anchored_at, zone: zone(Some(place)), discount: None, turns: vec![turn] }
}

/// From a moment on, it counts like this.
fn turn(history: &mut History, moment: &str, mode: Mode) {
    let tariff = history.turns.last().unwrap().tariff.clone();
    history.turns.push(Turn { at: at(moment), mode, tariff });
}

fn discounted(mut history: History, benefit: Benefit) -> History {
    history.discount = Some(Discount { code: "WELCOME".into(), benefit });
    history
}

fn lines(history: &History, now: &str) -> Vec<Line> {
    usage_lines(history, at(now)).unwrap()
}

fn sum(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.amount.micros()).sum()
}

fn total(history: &History, now: &str) -> String {
    lessor_specs::Money::from_micros(sum(&lines(history, now))).to_string()
}

/// One line a line: what, from when to when, for how much.
fn shown(lines: &[Line]) -> String {
    let shown = lines.iter().map(|line| {
        let sign = if line.correction { " *" } else { "" };
        let list =
            if line.list == line.amount { String::new() } else { format!(" of {}", line.list) };
        let Line { part, start, end, amount, .. } = line;
        format!("{start} to {end} {part} {amount}{list}{sign}")
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn periods_begin_with_activation_and_are_charged_when_they_begin() {
    let order = order("2026-03-01T10:20:30Z", "UTC", SURVIVAL);
    assert_eq!(shown(&lines(&order, "2026-03-01T10:20:29Z")), "", "not yet activated");
    assert_snapshot!(shown(&lines(&order, "2026-03-01T10:20:30Z")), @"2026-03-01T10:20:30Z to 2026-03-01T11:20:30Z base 0.014900");
    assert_eq!(lines(&order, "2026-03-01T11:20:29Z").len(), 1, "half-open");
    assert_eq!(lines(&order, "2026-03-01T11:20:30Z").len(), 2);
}

#[test]
fn each_core_and_each_gib_is_billed_on_lines_of_its_own() {
    let order = order("2026-03-01T10:00:00Z", "UTC", FLEX);
    assert_snapshot!(shown(&lines(&order, "2026-03-01T10:59:59Z")), @"
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z cpu 0.009000
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z memory 0.008400
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z disk 0.002400
    ");
}

#[test]
fn a_bigger_size_pays_for_the_rest_of_the_period_and_a_smaller_one_gets_it_back() {
    let mut order = order("2026-03-01T10:00:00Z", "UTC", FLEX);
    let (bigger, smaller) = (tariff(FLEX, size(4, 4, 20)), tariff(FLEX, size(1, 4, 20)));
    order.turns.push(Turn { at: at("2026-03-01T10:15:00Z"), mode: Mode::Running, tariff: bigger });
    order.turns.push(Turn { at: at("2026-03-01T10:45:00Z"), mode: Mode::Running, tariff: smaller });
    let only_cpu: Vec<_> = lines(&order, "2026-03-01T11:00:00Z")
        .into_iter()
        .filter(|line| line.part.as_str() == "cpu")
        .collect();
    assert_snapshot!(shown(&only_cpu), @"
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z cpu 0.009000
    2026-03-01T10:15:00Z to 2026-03-01T11:00:00Z cpu 0.006750 *
    2026-03-01T10:45:00Z to 2026-03-01T11:00:00Z cpu -0.003375 *
    2026-03-01T11:00:00Z to 2026-03-01T12:00:00Z cpu 0.004500
    ");
}

#[test]
fn what_does_not_run_pays_for_its_disk_alone() {
    for mode in [Mode::Stopped, Mode::Suspended] {
        let mut order = order("2026-03-01T10:00:00Z", "UTC", FLEX);
        turn(&mut order, "2026-03-01T10:30:00Z", mode);
        turn(&mut order, "2026-03-01T12:00:00Z", Mode::Running);
        insta::allow_duplicates! {
            assert_snapshot!(shown(&lines(&order, "2026-03-01T12:00:00Z")), @"
            2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z cpu 0.009000
            2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z memory 0.008400
            2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z disk 0.002400
            2026-03-01T10:30:00Z to 2026-03-01T11:00:00Z cpu -0.004500 *
            2026-03-01T10:30:00Z to 2026-03-01T11:00:00Z memory -0.004200 *
            2026-03-01T11:00:00Z to 2026-03-01T12:00:00Z disk 0.002400
            2026-03-01T12:00:00Z to 2026-03-01T13:00:00Z cpu 0.009000
            2026-03-01T12:00:00Z to 2026-03-01T13:00:00Z memory 0.008400
            2026-03-01T12:00:00Z to 2026-03-01T13:00:00Z disk 0.002400
            ");
        }
    }
}

#[test]
fn an_offer_may_ask_something_for_what_is_stopped() {
    let mut order = order("2026-03-01T10:00:00Z", "UTC", KEPT);
    turn(&mut order, "2026-03-01T10:30:00Z", Mode::Stopped);
    turn(&mut order, "2026-03-01T11:30:00Z", Mode::Ended);
    assert_snapshot!(shown(&lines(&order, "2026-03-02T00:00:00Z")), @"
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z base 0.014900
    2026-03-01T10:30:00Z to 2026-03-01T11:00:00Z base -0.007450 *
    2026-03-01T10:30:00Z to 2026-03-01T11:00:00Z kept 0.001000 *
    2026-03-01T11:00:00Z to 2026-03-01T12:00:00Z kept 0.002000
    2026-03-01T11:30:00Z to 2026-03-01T12:00:00Z kept -0.001000 *
    ");
}

#[test]
fn what_is_ended_within_a_period_gets_the_rest_of_it_back_and_never_pays_again() {
    let mut order = order("2026-03-01T10:00:00Z", "UTC", SURVIVAL);
    turn(&mut order, "2026-03-01T11:30:00Z", Mode::Ended);
    assert_snapshot!(shown(&lines(&order, "2027-03-01T00:00:00Z")), @"
    2026-03-01T10:00:00Z to 2026-03-01T11:00:00Z base 0.014900
    2026-03-01T11:00:00Z to 2026-03-01T12:00:00Z base 0.014900
    2026-03-01T11:30:00Z to 2026-03-01T12:00:00Z base -0.007450 *
    ");
}

#[test]
fn a_line_is_rounded_once_and_half_to_even() {
    // A third of an hour of 0.000001, and halves of odd and even millionths.
    for (hourly, minutes, amount) in [
        ("0.000001", 20, "-0.000001"),
        ("0.000001", 30, "0.000000"),
        ("0.000003", 30, "-0.000002"),
        ("0.000005", 30, "-0.000002"),
        ("0.014900", 59, "-0.000248"),
    ] {
        let offer = SURVIVAL.replace("0.014900", hourly);
        let mut order = order("2026-03-01T10:00:00Z", "UTC", &offer);
        turn(&mut order, &format!("2026-03-01T10:{minutes}:00Z"), Mode::Ended);
        let credit = lines(&order, "2026-03-01T11:00:00Z")[1].amount.to_string();
        assert_eq!(credit, amount, "{hourly} after {minutes} minutes");
    }
}

#[test]
fn a_month_costs_at_most_its_cap_however_long_it_is() {
    let cap = "9.990000";
    for (from, place, until, hours, paid) in [
        // 28, 29, 30 and 31 days; 9.99 is reached with the 671st hour.
        ("2026-02-01T00:00:00Z", "UTC", "2026-02-28T23:59:59Z", 672, cap),
        ("2028-02-01T00:00:00Z", "UTC", "2028-02-29T23:59:59Z", 696, cap),
        ("2026-04-01T00:00:00Z", "UTC", "2026-04-30T23:59:59Z", 720, cap),
        ("2026-01-01T00:00:00Z", "UTC", "2026-01-31T23:59:59Z", 744, cap),
        // 743 and 745 hours, since clocks are put forward and back.
        ("2026-02-28T23:00:00Z", "Europe/Paris", "2026-03-31T21:59:59Z", 743, cap),
        ("2026-09-30T22:00:00Z", "Europe/Paris", "2026-10-31T22:59:59Z", 745, cap),
        // Too short for it.
        ("2026-02-01T00:00:00Z", "UTC", "2026-02-02T23:59:59Z", 48, "0.715200"),
    ] {
        let order = order(from, place, SURVIVAL);
        assert_eq!(lines(&order, until).len(), hours, "{from} {place}");
        assert_eq!(total(&order, until), paid, "{from} {place}");
    }
}

#[test]
fn a_period_counts_in_the_month_in_which_it_begins_there() {
    // The cap of March is reached; its last period begins at 23:30 in Paris and reaches into April.
    let order = order("2026-03-01T00:30:00Z", "Europe/Paris", SURVIVAL);
    let mut last = lines(&order, "2026-04-01T00:00:00Z");
    last.retain(|line| line.start > at("2026-03-31T20:00:00Z"));
    assert_snapshot!(shown(&last), @"
    2026-03-31T20:30:00Z to 2026-03-31T21:30:00Z base 0.000000 of 0.014900
    2026-03-31T21:30:00Z to 2026-03-31T22:30:00Z base 0.000000 of 0.014900
    2026-03-31T22:30:00Z to 2026-03-31T23:30:00Z base 0.014900
    2026-03-31T23:30:00Z to 2026-04-01T00:30:00Z base 0.014900
    ");
}

#[test]
fn an_order_pays_the_cap_of_every_month_it_lives_in() {
    let order = order("2026-01-15T00:00:00Z", "UTC", SURVIVAL);
    assert_eq!(total(&order, "2026-01-31T23:59:59Z"), "6.079200", "17 days");
    assert_eq!(total(&order, "2026-02-28T23:59:59Z"), "16.069200", "and a month");
    assert_eq!(total(&order, "2026-12-31T23:59:59Z"), "115.969200", "and ten more");
}

#[test]
fn hours_are_capped_for_each_core_and_each_gib_by_itself() {
    let mut order = order("2026-03-01T00:00:00Z", "UTC", FLEX_CAPPED);
    assert_eq!(total(&order, "2026-03-28T23:59:59Z"), "13.305600", "672 hours of 0.0198");
    assert_eq!(total(&order, "2026-03-31T23:59:59Z"), "13.305600", "and no more");
    // Two more cores for the last 72 hours were not there before, and are paid for.
    let bigger = tariff(FLEX_CAPPED, size(4, 4, 20));
    order.turns.push(Turn { at: at("2026-03-29T00:00:00Z"), mode: Mode::Running, tariff: bigger });
    assert_eq!(total(&order, "2026-03-31T23:59:59Z"), "13.953600", "72 hours of 0.009");
}

#[test]
fn what_promo_codes_take_off() {
    let short = Benefit::Percent { hundredths: 2_500, lasts: Some(Duration::from_secs(2 * 3_600)) };
    for (benefit, paid) in [
        (Benefit::Percent { hundredths: 2_500, lasts: None }, "0.268200"),
        (Benefit::Percent { hundredths: 10_000, lasts: None }, "0.000000"),
        (Benefit::Percent { hundredths: 3_333, lasts: None }, "0.238416"),
        (short, "0.350150"),
        (Benefit::Amount(money("0.10")), "0.257600"),
        (Benefit::Amount(money("1000")), "0.000000"),
        (Benefit::FreeHours(5), "0.283100"),
        (Benefit::FreeHours(0), "0.357600"),
    ] {
        let order = discounted(order("2026-03-01T00:00:00Z", "UTC", SURVIVAL), benefit);
        assert_eq!(total(&order, "2026-03-01T23:59:59Z"), paid, "{benefit:?}, 24 hours");
    }
}

#[test]
fn a_share_off_is_off_the_cap_too() {
    let order = order("2026-03-01T00:00:00Z", "UTC", SURVIVAL);
    let order = discounted(order, Benefit::Percent { hundredths: 2_500, lasts: None });
    assert_eq!(total(&order, "2026-03-31T23:59:59Z"), "7.492500");
}

#[test]
fn an_amount_comes_back_with_what_is_given_back() {
    let mut order = order("2026-03-01T00:00:00Z", "UTC", SURVIVAL);
    turn(&mut order, "2026-03-01T00:30:00Z", Mode::Ended);
    let order = discounted(order, Benefit::Amount(money("0.01")));
    assert_snapshot!(shown(&lines(&order, "2026-03-02T00:00:00Z")), @"
    2026-03-01T00:00:00Z to 2026-03-01T01:00:00Z base 0.004900 of 0.014900
    2026-03-01T00:30:00Z to 2026-03-01T01:00:00Z base -0.004900 of -0.007450 *
    ");
}

#[test]
fn what_is_free_has_no_lines() {
    let order = order("2026-03-01T00:00:00Z", "UTC", FREE);
    assert_eq!(order.turns[0].tariff, None);
    assert_eq!(lines(&order, "2026-04-01T00:00:00Z"), []);
}

#[test]
fn a_change_that_is_told_of_late_is_refused() {
    let mut order = order("2026-03-01T00:00:00Z", "UTC", SURVIVAL);
    let mut progress = Progress::default();
    progress.advance(&order, at("2026-03-01T05:30:00Z")).unwrap();
    turn(&mut order, "2026-03-01T05:30:00Z", Mode::Stopped);
    let refused = progress.advance(&order, at("2026-03-01T06:00:00Z")).unwrap_err();
    assert_snapshot!(refused, @"what happened up to 2026-03-01T05:30:00Z is billed already, and something was added to it");
    let next = progress.until().unwrap() + SignedDuration::from_micros(1);
    order.turns.last_mut().unwrap().at = next;
    assert_eq!(progress.advance(&order, at("2026-03-01T06:00:00Z")).unwrap().len(), 1);
}

#[test]
fn the_end_of_time_is_no_trouble() {
    let order = order("9999-12-30T20:00:00Z", "Pacific/Kiritimati", SURVIVAL);
    assert!(usage_lines(&order, Timestamp::MAX).unwrap().len() < 48);
}
