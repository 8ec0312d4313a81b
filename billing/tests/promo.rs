//! Who may take a promo code, and what a declared one gives.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use insta::assert_snapshot;
use lessor_billing::{Benefit, Discount, Taking, refusal};
use lessor_specs::kinds::PromoCode;
use lessor_specs::load::parse;
use lessor_specs::{Money, Tree};

/// The code whose fields these are, beside an offer `small` for euros.
fn promo(fields: &str) -> PromoCode {
    const AROUND: &str = r#"
[image.paper.container]
ref = "paper:1"
[offer.small]
images = ["paper"]
price = { currency = "EUR", hourly = "0.01" }
container = { cpu = "1", memory = "2GiB" }
[promo_code.WELCOME]
"#;
    let files = [("web.toml".to_owned(), format!("{AROUND}{fields}"))];
    parse(Tree::new(files.into())).unwrap().specs.promo_code["WELCOME"].clone()
}

/// The first order of a tenant, in the middle of 2026.
fn first() -> Taking<'static> {
    Taking {
        offer: "small",
        currency: Some("EUR".parse().unwrap()),
        uses: 0,
        uses_of_tenant: 0,
        earlier_orders: 0,
        now: "2026-07-01T00:00:00Z".parse().unwrap(),
    }
}

fn told(fields: &str, taking: &Taking<'_>) -> String {
    let percent = if fields.starts_with("percent") { "" } else { "percent = \"25\"\n" };
    refusal(&promo(&format!("{percent}{fields}")), taking)
        .map_or_else(|| "taken".into(), |refusal| refusal.to_string())
}

#[test]
fn each_rule_of_a_promo_code_refuses_by_itself() {
    let second = Taking { uses: 1, uses_of_tenant: 1, earlier_orders: 1, ..first() };
    let of_others = Taking { uses: 2, ..first() };
    let after_other_order = Taking { earlier_orders: 1, ..first() };
    let free = Taking { currency: None, ..first() };
    let rules = [
        ("percent = \"25\"", first()),
        ("percent = \"25\"", second),
        ("percent = \"25\"", free),
        ("valid_from = 2026-07-01T00:00:00Z", first()),
        ("valid_from = 2026-07-01T00:00:00.000001Z", first()),
        ("valid_until = 2026-07-01T00:00:00.000001Z", first()),
        ("valid_until = 2026-07-01T00:00:00Z", first()),
        ("offers = [\"small\"]", first()),
        ("offers = [\"small\"]", Taking { offer: "large", ..first() }),
        ("first_order = true", first()),
        ("first_order = true", after_other_order),
        ("max_uses = 3", of_others),
        ("max_uses = 2", of_others),
        ("max_per_tenant = 2", second),
        ("max_per_tenant = 1", second),
        ("max_per_tenant = 1", of_others),
    ];
    let told: Vec<_> =
        rules.iter().map(|(rule, taking)| format!("{rule:42}{}", told(rule, taking))).collect();
    assert_snapshot!(told.join("\n"), @r#"
    percent = "25"                            taken
    percent = "25"                            taken
    percent = "25"                            the promo code is of no use for an offer that is free
    valid_from = 2026-07-01T00:00:00Z         taken
    valid_from = 2026-07-01T00:00:00.000001Z  the promo code cannot be used before 2026-07-01T00:00:00.000001Z
    valid_until = 2026-07-01T00:00:00.000001Z taken
    valid_until = 2026-07-01T00:00:00Z        the promo code could be used until 2026-07-01T00:00:00Z
    offers = ["small"]                        taken
    offers = ["small"]                        the promo code is not for this offer
    first_order = true                        taken
    first_order = true                        the promo code is for a first order
    max_uses = 3                              taken
    max_uses = 2                              the promo code is used up
    max_per_tenant = 2                        taken
    max_per_tenant = 1                        the promo code was used by this tenant as often as it may be
    max_per_tenant = 1                        taken
    "#);
}

#[test]
fn an_amount_is_for_orders_of_its_currency() {
    let promo = promo("amount = \"5\"\ncurrency = \"USD\"");
    assert_snapshot!(refusal(&promo, &first()).unwrap(), @"the promo code takes off USD, and this offer is sold for something else");
    let dollars = Taking { currency: Some("USD".parse().unwrap()), ..first() };
    assert_eq!(refusal(&promo, &dollars), None);
}

#[test]
fn a_declared_code_gives_what_it_says() {
    let given = |fields: &str| Discount::of("WELCOME", &promo(fields)).unwrap().benefit;
    let share = Benefit::Percent { hundredths: 1_250, lasts: Some("30d".parse().unwrap()) };
    assert_eq!(given("percent = \"12.5\"\nlasts = \"30d\""), share);
    let amount = Benefit::Amount(Money::from_micros(5_000_000));
    assert_eq!(given("amount = \"5\"\ncurrency = \"EUR\""), amount);
    assert_eq!(given("free_hours = 100"), Benefit::FreeHours(100));
}
