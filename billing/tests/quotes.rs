//! What is said before there is an order, what all orders come to, and what becomes of debts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

mod offers;

use insta::assert_snapshot;
use jiff::SignedDuration;
use lessor_billing::dunning::{Rules, Step, runs_out, step};
use lessor_billing::{
    Benefit, Choices, Discount, History, Mode, Turn, quote, run_rate, usage_lines, zone,
};
use lessor_specs::Duration;

use offers::{FLEX, FLEX_CAPPED, FREE, SURVIVAL, at, money, offer, size, tariff};

fn discount(benefit: Benefit) -> Discount {
    Discount { code: "WELCOME".into(), benefit }
}

/// The quote, one figure a line.
fn told(fields: &str, choices: Choices, discount: Option<&Discount>) -> String {
    let quote = quote(&tariff(fields, choices).unwrap(), discount);
    let lines = quote.lines.iter().map(|line| {
        format!("{}: {} at {}, {} an hour\n", line.part, line.quantity, line.price, line.hourly)
    });
    let lines: String = lines.collect();
    format!(
        "{lines}{} {} an hour, {} stopped\n{} a month, {} the first\n{} held",
        quote.currency,
        quote.hourly,
        quote.hourly_stopped,
        quote.monthly,
        quote.first_month,
        quote.held
    )
}

#[test]
fn a_quote_says_what_each_part_costs_and_what_it_comes_to() {
    assert_snapshot!(told(SURVIVAL, Choices::default(), None), @"
    base: 1 at 0.014900, 0.014900 an hour
    EUR 0.014900 an hour, 0.000000 stopped
    9.990000 a month, 9.990000 the first
    0.014900 held
    ");
    assert_snapshot!(told(FLEX_CAPPED, size(2, 4, 20), None), @"
    cpu: 2 at 0.004500, 0.009000 an hour
    memory: 4294967296 at 0.002100, 0.008400 an hour
    disk: 21474836480 at 0.000120, 0.002400 an hour
    EUR 0.019800 an hour, 0.002400 stopped
    13.305600 a month, 13.305600 the first
    0.019800 held
    ");
    let least = told(FLEX, Choices::default(), None);
    assert_eq!(least, told(FLEX, size(1, 1, 10), None), "the least where nothing was chosen");
}

#[test]
fn a_quote_knows_what_a_promo_code_takes_off() {
    let quarter = discount(Benefit::Percent { hundredths: 2_500, lasts: None });
    assert_snapshot!(told(SURVIVAL, Choices::default(), Some(&quarter)), @"
    base: 1 at 0.014900, 0.014900 an hour
    EUR 0.014900 an hour, 0.000000 stopped
    9.990000 a month, 7.492500 the first
    0.011175 held
    ");
    let free = discount(Benefit::FreeHours(24));
    assert_snapshot!(told(FLEX, size(2, 4, 20), Some(&free)), @"
    cpu: 2 at 0.004500, 0.009000 an hour
    memory: 4294967296 at 0.002100, 0.008400 an hour
    disk: 21474836480 at 0.000120, 0.002400 an hour
    EUR 0.019800 an hour, 0.002400 stopped
    14.454000 a month, 13.978800 the first
    0.000000 held
    ");
}

#[test]
fn what_is_held_is_what_activation_charges_whenever_it_comes() {
    let discounts = [
        None,
        Some(discount(Benefit::Percent { hundredths: 3_333, lasts: None })),
        Some(discount(Benefit::Amount(money("0.01")))),
        Some(discount(Benefit::FreeHours(1))),
    ];
    let moments = ["2026-03-01T00:00:00Z", "2026-03-31T23:59:59.999999Z", "2028-02-29T12:34:56Z"];
    for (fields, discount) in
        [SURVIVAL, FLEX, FLEX_CAPPED].iter().flat_map(|f| discounts.iter().map(move |d| (*f, d)))
    {
        let tariff = tariff(fields, size(3, 5, 30)).unwrap();
        let held = quote(&tariff, discount.as_ref()).held.micros();
        for moment in moments {
            let anchored_at = at(moment);
            let turn = Turn { at: anchored_at, mode: Mode::Running, tariff: Some(tariff.clone()) };
            let zone = zone(Some("America/St_Johns"));
            let order =
                History { anchored_at, zone, discount: discount.clone(), turns: vec![turn] };
            let lines = usage_lines(&order, anchored_at).unwrap();
            let charged: i64 = lines.iter().map(|line| line.amount.micros()).sum();
            assert_eq!(charged, held, "{fields} {discount:?} {moment}");
        }
    }
}

#[test]
fn a_run_rate_counts_each_order_with_its_cap_and_each_currency_by_itself() {
    let (survival, flex) = (tariff(SURVIVAL, Choices::default()), tariff(FLEX, size(2, 4, 20)));
    let dollars = tariff(&SURVIVAL.replace("EUR", "USD"), Choices::default());
    let (survival, flex, dollars) = (survival.unwrap(), flex.unwrap(), dollars.unwrap());
    let rates = run_rate([
        (&survival, Mode::Running),
        (&survival, Mode::Stopped),
        (&flex, Mode::Running),
        (&flex, Mode::Suspended),
        (&flex, Mode::Ended),
        (&dollars, Mode::Running),
    ]);
    let told: Vec<_> = rates
        .iter()
        .map(|(currency, rate)| {
            format!("{currency} {} an hour, {} a month", rate.hourly, rate.monthly)
        })
        .collect();
    assert_snapshot!(told.join("\n"), @"
    EUR 0.037100 an hour, 26.196000 a month
    USD 0.014900 an hour, 9.990000 a month
    ");
}

#[test]
fn a_part_nobody_could_pay_for_is_no_tariff() {
    // No spec file says so, but an offer need not come from one.
    let mut dear = offer(SURVIVAL);
    dear.price.hourly = Some("10000000.000001".parse().unwrap());
    let refused = lessor_billing::Tariff::of(&dear, &Choices::default()).unwrap_err();
    assert_snapshot!(refused, @"`base` costs more than 10 million an hour");
    assert_eq!(tariff(FREE, Choices::default()), None);
    assert_eq!(tariff(&SURVIVAL.replace("0.014900", "0"), Choices::default()), None);
}

const RULES: Rules =
    Rules { grace: Duration::from_secs(24 * 3_600), retention: Duration::from_secs(7 * 86_400) };

/// What is done about a debt when somebody looks at these hours after it began.
fn dunned(looks: &[(i64, bool)]) -> String {
    let start = at("2026-03-01T00:00:00Z");
    let mut dates = None;
    let mut told = Vec::new();
    for (hour, owes) in looks {
        let now = start + SignedDuration::from_hours(*hour);
        let step = step(*owes, dates, RULES, now);
        dates = match step {
            Step::Warn(dates) | Step::Suspend(dates) => Some(dates),
            Step::Clear => None,
            Step::None | Step::End => dates,
        };
        told.push(match step {
            Step::Warn(dates) => format!("{hour}h: warn, suspend at {}", dates.suspend_at),
            Step::Suspend(dates) => format!("{hour}h: suspend, delete at {}", dates.delete_at),
            other => format!("{hour}h: {other:?}"),
        });
    }
    told.join("\n")
}

#[test]
fn a_debt_is_warned_of_then_suspended_then_ended() {
    let looks =
        [(0, true), (1, true), (23, true), (24, true), (25, true), (191, true), (192, true)];
    assert_snapshot!(dunned(&looks), @"
    0h: warn, suspend at 2026-03-02T00:00:00Z
    1h: None
    23h: None
    24h: suspend, delete at 2026-03-09T00:00:00Z
    25h: None
    191h: None
    192h: End
    ");
}

#[test]
fn a_job_that_comes_late_shortens_nobodys_time() {
    assert_snapshot!(dunned(&[(500, true), (500, true), (1_000, true), (1_100, true), (1_168, true)]), @"
    500h: warn, suspend at 2026-03-22T20:00:00Z
    500h: None
    1000h: suspend, delete at 2026-04-18T16:00:00Z
    1100h: None
    1168h: End
    ");
}

#[test]
fn paying_clears_everything_at_any_time() {
    assert_snapshot!(dunned(&[(0, false), (1, true), (2, false), (3, true), (40, true), (41, false), (42, false)]), @"
    0h: None
    1h: warn, suspend at 2026-03-02T01:00:00Z
    2h: Clear
    3h: warn, suspend at 2026-03-02T03:00:00Z
    40h: suspend, delete at 2026-03-09T16:00:00Z
    41h: Clear
    42h: None
    ");
}

#[test]
fn rules_are_those_of_the_offer_then_of_the_policy() {
    let fields = format!("{SURVIVAL}lifecycle = {{ grace = \"2h\" }}\n");
    let lifecycle = offer(&fields).lifecycle;
    let rules = Rules::of(lifecycle.as_ref(), Some(Duration::from_secs(60)));
    assert_eq!((rules.grace.secs(), rules.retention.secs()), (7_200, 60));
    assert_eq!(Rules::of(None, None), RULES);
}

#[test]
fn a_balance_runs_out_when_it_is_used_up() {
    let now = at("2026-03-01T00:00:00Z");
    let end =
        |balance, hourly| runs_out(money(balance), money(hourly), now).map(|end| end.to_string());
    assert_eq!(end("10", "0.5").as_deref(), Some("2026-03-01T20:00:00Z"));
    assert_eq!(end("0", "0.5").as_deref(), Some("2026-03-01T00:00:00Z"));
    assert_eq!(end("-3", "0.5").as_deref(), Some("2026-03-01T00:00:00Z"));
    assert_eq!(end("10", "0"), None);
    assert_eq!(end("9000000000000", "0.000001"), None, "beyond the end of time");
}
