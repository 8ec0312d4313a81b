//! What people read when prices, promo codes and calendars are not what they should be.

use insta::assert_snapshot;
use lessor_specs::Tree;
use lessor_specs::load::parse;

const AROUND: &str = r#"
[image.web.container]
ref = "web:1"
[image.other.container]
ref = "web:2"
[image.ubuntu.vm]
template = {}
cloud_init = true
[offer.small]
images = ["web"]
price = { currency = "EUR", hourly = "0.01" }
container = { cpu = "1", memory = "1GiB" }
[offer.dollars]
images = ["web", "other"]
price = { currency = "USD", hourly = "0.01" }
container = { cpu = "1", memory = "1GiB" }
"#;

/// What is said of `text` beside [`AROUND`]: each problem in two lines.
fn told(text: &str) -> String {
    let files = [("around.toml", AROUND), ("web.toml", text)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let Err(report) = parse(Tree::new(files.into())) else { return "valid".into() };
    let problems = report.entries().into_iter().map(|problem| {
        let hint = problem.hint.map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{} {}: {}{hint}", problem.code, problem.line.unwrap_or(0), problem.message)
    });
    problems.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_promo_code_gives_one_thing_to_orders_that_can_have_it() {
    assert_snapshot!(told(r#"[promo_code.GOOD]
percent = "12.5"
lasts = "30d"
offers = ["small", "dollars"]
first_order = true
max_uses = 500
max_per_tenant = 1
valid_from = 2026-01-01T00:00:00+01:00
valid_until = 2026-12-31 23:59:59Z
[promo_code.EMPTY]
[promo_code.BOTH]
percent = "25"
amount = "5"
free_hours = 100
currency = "EUR"
[promo_code.NOTHING]
amount = "0"
[promo_code.LESS]
amount = "-5"
currency = "EUR"
[promo_code.USELESS]
free_hours = 10
currency = "EUR"
lasts = "7d"
[promo_code.PAST]
percent = "25"
valid_from = 2026-12-01T00:00:00Z
valid_until = 2026-12-01T00:00:00Z
[promo_code.OTHER]
amount = "5"
currency = "EUR"
offers = ["small", "dollars", "smal"]
"#), @r#"
    E0743 10: `promo_code.EMPTY` gives nothing
      hint: add one of `percent`, `amount` and `free_hours`
    E0743 13: `promo_code.BOTH` gives percent and amount and free_hours
      hint: a promo code gives exactly one of percent, amount and free hours
    E0705 17: `promo_code.NOTHING` has an amount without a currency
      hint: add `currency = "EUR"`
    E0743 17: `promo_code.NOTHING` takes off nothing
    E0744 19: `promo_code.LESS` takes off an amount below zero
    E0720 23: `promo_code.USELESS` has no use for `currency`: it has no `amount`
      hint: remove it
    E0720 24: `promo_code.USELESS` has no use for `lasts`: it has no `percent`
      hint: remove it
    E0745 28: `promo_code.PAST` ends before it begins
      hint: `valid_until` is the first moment at which it is over
    E0746 32: `promo_code.OTHER` takes off EUR, and `offer.dollars` is sold for USD
      hint: declare one promo code for each currency
    E0502 32: `promo_code.OTHER` is for offer `smal`, which no spec defines
      hint: did you mean `small`?
    "#);
}

#[test]
fn shares_and_moments_are_read_strictly() {
    assert_snapshot!(told(r#"[promo_code.A]
percent = "25%"
valid_from = 2026-12-31
valid_until = 2026-12-31T23:59:59
[promo_code.B]
percent = "0"
valid_from = "2026-02-30T00:00:00Z"
valid_until = "2026-02-28T00:00:00Z"
[promo_code.C]
percent = 25
valid_from = 1767225600
free_hours = 0
max_uses = 0
[promo_code.D]
free_hours = 99999999999
"#), @"
    E0419 2: `percent` of `promo_code.A` should be a number of percent such as `25`, above 0 and up to 100, with at most two decimal places, found `25%`
      hint: without a percent sign
    E0418 3: `valid_from` of `promo_code.A` should be a date and time with its offset, such as `2026-12-31T23:59:59Z`, found the date `2026-12-31`
      hint: `Z` is the time of the world; `+01:00` is an hour ahead of it
    E0418 4: `valid_until` of `promo_code.A` should be a date and time with its offset, such as `2026-12-31T23:59:59Z`, found the date `2026-12-31T23:59:59`
      hint: `Z` is the time of the world; `+01:00` is an hour ahead of it
    E0419 6: `percent` of `promo_code.B` should be a number of percent such as `25`, above 0 and up to 100, with at most two decimal places, found `0`
      hint: without a percent sign
    E0418 7: `valid_from` of `promo_code.B` should be a date and time with its offset, such as `2026-12-31T23:59:59Z`, found `2026-02-30T00:00:00Z`
      hint: `Z` is the time of the world; `+01:00` is an hour ahead of it
    E0419 10: `percent` of `promo_code.C` should be a number of percent such as `25`, above 0 and up to 100, with at most two decimal places, found the number `25`
    E0418 11: `valid_from` of `promo_code.C` should be a date and time with its offset, such as `2026-12-31T23:59:59Z`, found the number `1767225600`
    E0305 12: `free_hours` of `promo_code.C` should be from 1 to 87600, found the number `0`
    E0305 13: `max_uses` of `promo_code.C` should be from 1 to 4294967295, found the number `0`
    E0305 15: `free_hours` of `promo_code.D` should be from 1 to 87600, found the number `99999999999`
    ");
}

#[test]
fn a_price_can_be_billed_and_a_cap_has_a_price() {
    assert_snapshot!(told(r#"[offer.good]
images = ["ubuntu"]
price = { currency = "EUR", hourly_stopped = "0.001", cap_hours = 672, monthly_cap = "20" }
[offer.good.vm]
cpu = { min = 1, max = 16, step = 1, hourly = "0.004500" }
memory = { min = "1GiB", max = "64GiB", step = "1GiB" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB", hourly = "0" }
[offer.dear]
images = ["ubuntu"]
price = { currency = "EUR", hourly = "10000000.000001" }
[offer.dear.vm]
cpu = { min = 1, max = 16, step = 1, hourly = "625000.000001" }
memory = { min = "1GiB", max = "64GiB", step = "1GiB", hourly = "156250" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB", hourly = "9223372036854.775807" }
[offer.capped]
images = ["ubuntu"]
price = { currency = "EUR", cap_hours = 672 }
[offer.capped.vm]
cpu = { min = 1, max = 16, step = 1 }
memory = { min = "1GiB", max = "64GiB", step = "1GiB" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB" }
[offer.free]
images = ["web"]
price = { monthly_cap = "-1" }
container = { cpu = "1", memory = "1GiB" }
"#), @r#"
    E0740 10: `offer.dear` has a part that costs more than 10 million an hour
      hint: count in a currency whose unit is larger
    E0740 12: `offer.dear` has a part that costs more than 10 million an hour
      hint: count in a currency whose unit is larger
    E0740 14: `offer.dear` has a part that costs more than 10 million an hour
      hint: count in a currency whose unit is larger
    E0741 17: `offer.capped` has a cap and no price
      hint: add `hourly = "…"` to its `cpu`
    E0741 24: `offer.free` has a cap and no price
      hint: add `hourly = "…"` to its `price`
    E0704 24: `offer.free` has a price below zero
    E0705 24: `offer.free` has a price without a currency
      hint: add `currency = "EUR"` to its `price`
    "#);
}

#[test]
fn a_tenant_lives_somewhere_and_owes_amounts_of_currencies() {
    assert_snapshot!(told(r#"[tenant.good]
timezone = "America/Argentina/Buenos_Aires"
credit = { EUR = "50", USD = "0" }
[tenant.acme]
timezone = "Europe/Pariss"
credit = { euro = "50", USD = "-1" }
[tenant.initech]
credit = { GBP = "1.2345678" }
[tenant.globex]
timezone = "CEST"
[location.mars]
timezone = "Mars/Olympus_Mons"
"#), @r#"
    E0742 5: `tenant.acme` is in time zone `Europe/Pariss`, which nobody knows
      hint: did you mean `Europe/Paris`?
    E0406 6: `credit` of `tenant.acme` is by currency: expected a currency code of three capitals, such as `EUR`
    E0744 6: `tenant.acme` has a credit below zero
      hint: write how far below zero its balance may go, without a sign
    E0405 8: `credit.GBP` of `tenant.initech` should be an amount such as `9.99`, with at most six decimal places, found `1.2345678`
      hint: the currency stands beside it: `currency = "EUR"`
    E0742 10: `tenant.globex` is in time zone `CEST`, which nobody knows
      hint: did you mean `CET`?
    E0742 12: `location.mars` is in time zone `Mars/Olympus_Mons`, which nobody knows
      hint: write an IANA name such as `Europe/Paris`
    "#);
}

#[test]
fn what_new_tenants_get_leaves_nothing_to_choose() {
    assert_snapshot!(told("[policy.signup]\nopen = true\norder = \"small\"\n"), @"valid");
    assert_snapshot!(told("[policy.signup]\nopen = true\norder = \"dollars\"\n"), @"
    E0747 3: `policy.signup` orders `offer.dollars` for new tenants, and it has more than one image
      hint: name an offer with one image; sizes that are left open are the least
    ");
    assert_snapshot!(told("[policy.signup]\nopen = true\norder = \"smalll\"\n"), @"
    E0502 3: `policy.signup` orders offer `smalll`, which no spec defines
      hint: did you mean `small`?
    ");
    assert_snapshot!(told("[policy.signup]\nopen = true\norder = 3\n"), @"E0304 3: `order` of `policy.signup` should be a string, found the number `3`");
}
