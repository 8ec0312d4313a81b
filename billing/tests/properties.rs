//! What holds of every bill.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod offers;

use jiff::{SignedDuration, Timestamp};
use lessor_billing::{
    Benefit, Discount, History, Line, Mode, Part, Progress, Tariff, Turn, run_rate, usage_lines,
    zone,
};
use lessor_specs::{Duration, Money};
use proptest::prelude::*;

use offers::{FLEX, FLEX_CAPPED, SURVIVAL, at, size, tariff};

const HOUR: i64 = 3_600_000_000;

fn micros(count: i64) -> SignedDuration {
    SignedDuration::from_micros(count)
}

fn any_tariff() -> impl Strategy<Value = Option<Tariff>> {
    let offers = [SURVIVAL, FLEX, FLEX_CAPPED].map(str::to_owned);
    let capped = FLEX.replace("\"EUR\"", "\"EUR\", monthly_cap = \"5\", cap_hours = 300");
    let odd = SURVIVAL.replace("0.014900", "0.000007").replace("9.99", "0.003331");
    let offers: Vec<_> = offers.into_iter().chain([capped, odd]).collect();
    (prop::sample::select(offers), 1..5_u32, 1..9_u64, 1..5_u64)
        .prop_map(|(offer, cores, memory, disk)| tariff(&offer, size(cores, memory, disk * 10)))
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![4 => Just(Mode::Running), 2 => Just(Mode::Stopped), 2 => Just(Mode::Suspended)]
}

fn any_discount() -> impl Strategy<Value = Option<Discount>> {
    let benefit = prop_oneof![
        (0..=10_000_u16, prop::option::of(0..3_000_000_u64)).prop_map(|(hundredths, lasts)| {
            Benefit::Percent { hundredths, lasts: lasts.map(Duration::from_secs) }
        }),
        (0..20_000_000_i64).prop_map(|micros| Benefit::Amount(Money::from_micros(micros))),
        (0..2_000_u32).prop_map(Benefit::FreeHours),
    ];
    prop::option::of(benefit.prop_map(|benefit| Discount { code: "WELCOME".into(), benefit }))
}

/// An order that lives for some months and changes now and then.
fn any_history() -> impl Strategy<Value = History> {
    let zones = ["UTC", "Europe/Paris", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu"];
    let step = prop_oneof![1..2 * HOUR, 1..900 * HOUR, (1..40_i64).prop_map(|hours| hours * HOUR)];
    let turns = prop::collection::vec((step, any_mode(), any_tariff()), 0..8);
    let start = (0..500 * 86_400_i64, any_mode(), any_tariff());
    (start, turns, prop::sample::select(zones.to_vec()), any_discount(), any::<bool>()).prop_map(
        |((second, mode, tariff), steps, place, discount, ends)| {
            let anchored_at = at("2027-09-15T00:00:00Z") + SignedDuration::from_secs(second);
            let mut turns = vec![Turn { at: anchored_at, mode, tariff }];
            for (step, mode, tariff) in steps {
                let at = turns.last().unwrap().at + micros(step);
                turns.push(Turn { at, mode, tariff });
            }
            if let Some(last) = turns.last_mut().filter(|last| ends && last.at > anchored_at) {
                last.mode = Mode::Ended;
            }
            History { anchored_at, zone: zone(Some(place)), discount, turns }
        },
    )
}

fn end(history: &History) -> Timestamp {
    history.turns.last().unwrap().at + micros(50 * HOUR)
}

fn lines(history: &History) -> Vec<Line> {
    usage_lines(history, end(history)).unwrap()
}

fn sum<'l>(lines: impl IntoIterator<Item = &'l Line>) -> i64 {
    lines.into_iter().map(|line| line.amount.micros()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lines_are_the_same_however_often_they_are_asked_for(
        history in any_history(), moments in prop::collection::vec(0..3_000 * HOUR, 0..12),
    ) {
        let mut moments: Vec<_> =
            moments.into_iter().map(|at| history.anchored_at + micros(at)).collect();
        moments.push(end(&history));
        let whole = usage_lines(&history, *moments.iter().max().unwrap()).unwrap();
        // A moment before the last one is that of a machine whose clock was put back.
        let mut progress = Progress::default();
        let mut piecemeal = Vec::new();
        for moment in moments {
            let kept = serde_json::to_string(&progress).unwrap();
            progress = serde_json::from_str(&kept).unwrap();
            // What is not yet past is not yet written down.
            let seen = moment.max(progress.until().unwrap_or(Timestamp::MIN));
            let turns = history.turns.iter().filter(|turn| turn.at <= seen).cloned().collect();
            let known = History { turns, ..history.clone() };
            piecemeal.extend(progress.advance(&known, moment).unwrap());
        }
        prop_assert_eq!(piecemeal, whole);
    }

    #[test]
    fn no_two_lines_have_the_same_part_and_start(history in any_history()) {
        let lines = lines(&history);
        let keys: Vec<_> = lines.iter().map(|line| (line.start, line.part)).collect();
        prop_assert!(keys.is_sorted_by(|a, b| a < b));
        prop_assert!(lines.iter().all(|line| line.start < line.end));
    }

    #[test]
    fn no_calendar_month_costs_more_than_its_cap(history in any_history()) {
        let cap = |turn: &Turn| turn.tariff.as_ref().and_then(Tariff::monthly_cap);
        let caps: Vec<_> = history.turns.iter().map(cap).collect();
        // Of several caps in a month, none is wrong.
        let Some(cap) = caps.iter().copied().collect::<Option<Vec<_>>>() else { return Ok(()) };
        let cap = cap.iter().max().unwrap().micros();
        let mut months = std::collections::BTreeMap::<_, i64>::new();
        for line in lines(&history) {
            let period = line.end - micros(HOUR);
            let month = period.to_zoned_datetime(history.zone.clone()).date().first_of_month();
            *months.entry(month).or_default() += line.amount.micros();
        }
        // An amount off is given back where it was not needed after all.
        let is_amount = |d: &Discount| matches!(d.benefit, Benefit::Amount(_));
        if !history.discount.as_ref().is_some_and(is_amount) {
            prop_assert!(months.values().all(|paid| *paid <= cap), "{months:?} {cap}");
        }
    }

    #[test]
    fn nothing_is_ever_given_that_was_not_paid(history in any_history()) {
        let mut paid = 0;
        for line in lines(&history) {
            paid += line.amount.micros();
            // Each correction may have been rounded the other way.
            let corrections = i64::try_from(history.turns.len() * Part::ALL.len()).unwrap();
            prop_assert!(paid >= -corrections, "{paid}");
        }
    }

    #[test]
    fn splitting_a_period_changes_no_total_beyond_one_rounding_for_each_line(
        history in any_history(), splits in prop::collection::vec(1..2_000 * HOUR, 1..6),
    ) {
        // Turned off and on at the same moment would say nothing; a moment of another size does.
        let whole = lines(&history);
        let mut split = history.clone();
        for moment in splits {
            let moment = history.anchored_at + micros(moment);
            let current = split.turns.partition_point(|turn| turn.at <= moment);
            let Turn { at, mode, tariff } = split.turns[current - 1].clone();
            let is_free = split.turns.get(current).is_none_or(|next| next.at > moment + micros(1));
            if mode == Mode::Ended || at == moment || !is_free {
                continue;
            }
            let off = Turn { at: moment, mode: Mode::Stopped, tariff: None };
            let on = Turn { at: moment + micros(1), mode, tariff };
            split.turns.splice(current..current, [off, on]);
        }
        let halves = usage_lines(&split, end(&history)).unwrap();
        // A microsecond without anything costs less than a rounding.
        let more = i64::try_from(halves.len() - whole.len()).unwrap();
        let apart = (sum(&halves) - sum(&whole)).abs();
        prop_assert!(apart <= more, "{apart} of {more} more lines");
    }

    #[test]
    fn a_run_rate_does_not_depend_on_the_order_of_orders(
        orders in prop::collection::vec((any_tariff(), any_mode()), 0..12),
    ) {
        let some = |reversed: bool| {
            let mut some: Vec<_> =
                orders.iter().filter_map(|(tariff, mode)| Some((tariff.as_ref()?, *mode))).collect();
            if reversed {
                some.reverse();
            }
            run_rate(some)
        };
        prop_assert_eq!(some(false), some(true));
    }
}
