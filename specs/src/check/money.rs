//! Prices can be billed, promo codes give something, and calendars are those of places that exist.

use super::{Checker, Step, at};
use crate::diagnostic::did_you_mean;
use crate::kinds::{Offer, PromoCode};
use crate::{Address, Code, Currency, Kind, Money};

/// What one part of an offer may cost for an hour, in millionths: 10 million currency units. Sums of
/// more might not fit, and nobody asks for it on purpose.
const HOURLY_MAX: i128 = 10_000_000_000_000;

pub(super) fn check(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, offer) in &specs.offer {
        let from = Address::new(Kind::Offer, &**name);
        price(checker, &from, offer);
        cap(checker, &from, offer);
    }
    for (name, promo) in &specs.promo_code {
        promo_code(checker, &Address::new(Kind::PromoCode, &**name), promo);
    }
    for (name, location) in &specs.location {
        let from = Address::new(Kind::Location, &**name);
        timezone(checker, &from, location.timezone.as_deref());
    }
    for (name, tenant) in &specs.tenant {
        let from = Address::new(Kind::Tenant, &**name);
        timezone(checker, &from, tenant.timezone.as_deref());
        for (currency, credit) in &tenant.credit {
            self::credit(checker, &from, currency, *credit);
        }
    }
    signup(checker);
}

/// One price of an offer.
struct Priced {
    path: Vec<Step>,
    hourly: Option<Money>,
    /// The most somebody can have of it, in 2^-30 of what the price is for.
    most: i128,
}

fn priced(offer: &Offer) -> Vec<Priced> {
    const ONE: i128 = 1 << 30;
    let price = &offer.price;
    let whole = |field, hourly| Priced { path: at!["price", field].to_vec(), hourly, most: ONE };
    let mut all =
        vec![whole("hourly", price.hourly), whole("hourly_stopped", price.hourly_stopped)];
    if let Some(vm) = &offer.vm {
        let part = |field, hourly, most| {
            let path = at!["vm", field, "hourly"].to_vec();
            Priced { path, hourly, most }
        };
        all.push(part("cpu", vm.cpu.hourly, i128::from(vm.cpu.max) * ONE));
        all.push(part("memory", vm.memory.hourly, vm.memory.max.bytes().into()));
        all.push(part("disk", vm.disk.hourly, vm.disk.max.bytes().into()));
    }
    all
}

fn price(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    let mut amounts = priced(offer);
    let path = at!["price", "monthly_cap"].to_vec();
    amounts.push(Priced { path, hourly: offer.price.monthly_cap, most: 0 });
    for Priced { path, hourly, most } in amounts {
        let Some(amount) = hourly else { continue };
        if amount.micros() < 0 {
            let message = format!("`{from}` has a price below zero");
            checker.find(Code::PriceBelowZero, from.clone(), path.clone(), message);
        }
        if i128::from(amount.micros()) * most > HOURLY_MAX << 30 {
            let message = format!("`{from}` has a part that costs more than 10 million an hour");
            checker.find(Code::PriceTooHigh, from.clone(), path.clone(), message).hint =
                Some("count in a currency whose unit is larger".into());
        }
        if offer.price.currency.is_none() {
            let message = format!("`{from}` has a price without a currency");
            checker.find(Code::PriceWithoutCurrency, from.clone(), path, message).hint =
                Some("add `currency = \"EUR\"` to its `price`".into());
        }
    }
}

/// What has no price needs no cap; very likely the price was forgotten.
fn cap(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    let field = match (offer.price.monthly_cap, offer.price.cap_hours) {
        (Some(_), _) => "monthly_cap",
        (None, Some(_)) => "cap_hours",
        (None, None) => return,
    };
    if priced(offer).iter().all(|priced| priced.hourly.is_none()) {
        let message = format!("`{from}` has a cap and no price");
        let price = if offer.vm.is_some() { "cpu" } else { "price" };
        checker.find(Code::CapWithoutPrice, from.clone(), at!["price", field], message).hint =
            Some(format!("add `hourly = \"…\"` to its `{price}`"));
    }
}

fn promo_code(checker: &mut Checker<'_>, from: &Address, promo: &PromoCode) {
    benefit(checker, from, promo);
    let useless = [
        ("currency", promo.currency.is_some() && promo.amount.is_none(), "amount"),
        ("lasts", promo.lasts.is_some() && promo.percent.is_none(), "percent"),
    ];
    for (field, _, lacked) in useless.iter().filter(|(_, is_useless, _)| *is_useless) {
        let message = format!("`{from}` has no use for `{field}`: it has no `{lacked}`");
        checker.find(Code::NotApplicable, from.clone(), at![*field], message).hint =
            Some("remove it".into());
    }
    if let (Some(from_when), Some(until)) = (promo.valid_from, promo.valid_until)
        && until <= from_when
    {
        let message = format!("`{from}` ends before it begins");
        let finding =
            checker.find(Code::PromoNeverValid, from.clone(), at!["valid_until"], message);
        finding.also(from.clone(), at!["valid_from"], "it begins here");
        finding.hint = Some("`valid_until` is the first moment at which it is over".into());
    }
    for (index, name) in promo.offers.iter().enumerate() {
        checker.refer(from, at!["offers", index], "is for", Kind::Offer, name);
        let sold = checker.specs.offer.get(name).and_then(|offer| offer.price.currency);
        if let (Some(own), Some(sold)) = (promo.currency, sold)
            && own != sold
        {
            other_currency(checker, from, index, own, sold);
        }
    }
}

fn other_currency(
    checker: &mut Checker<'_>,
    from: &Address,
    index: usize,
    own: Currency,
    sold: Currency,
) {
    let name = &checker.specs.promo_code[from.name()].offers[index];
    let message = format!("`{from}` takes off {own}, and `offer.{name}` is sold for {sold}");
    let finding =
        checker.find(Code::PromoOtherCurrency, from.clone(), at!["offers", index], message);
    let offer = Address::new(Kind::Offer, &**name);
    finding.also(offer, at!["price", "currency"], "sold for this");
    finding.hint = Some("declare one promo code for each currency".into());
}

/// It gives exactly one thing, and that is something.
fn benefit(checker: &mut Checker<'_>, from: &Address, promo: &PromoCode) {
    let given = [
        ("percent", promo.percent.is_some()),
        ("amount", promo.amount.is_some()),
        ("free_hours", promo.free_hours.is_some()),
    ];
    let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match given.as_slice() {
        [] => {
            let message = format!("`{from}` gives nothing");
            checker.find(Code::PromoAmbiguous, from.clone(), Vec::new(), message).hint =
                Some("add one of `percent`, `amount` and `free_hours`".into());
        }
        [_] => {}
        [_, second, ..] => {
            let message = format!("`{from}` gives {}", given.join(" and "));
            checker.find(Code::PromoAmbiguous, from.clone(), at![*second], message).hint =
                Some("a promo code gives exactly one of percent, amount and free hours".into());
        }
    }
    let Some(amount) = promo.amount else { return };
    if amount.micros() < 0 {
        let message = format!("`{from}` takes off an amount below zero");
        checker.find(Code::AmountBelowZero, from.clone(), at!["amount"], message);
    } else if amount.micros() == 0 {
        let message = format!("`{from}` takes off nothing");
        checker.find(Code::PromoAmbiguous, from.clone(), at!["amount"], message);
    }
    if promo.currency.is_none() {
        let message = format!("`{from}` has an amount without a currency");
        checker.find(Code::PriceWithoutCurrency, from.clone(), at!["amount"], message).hint =
            Some("add `currency = \"EUR\"`".into());
    }
}

fn timezone(checker: &mut Checker<'_>, from: &Address, named: Option<&str>) {
    let Some(name) = named.filter(|name| jiff::tz::TimeZone::get(name).is_err()) else { return };
    let message = format!("`{from}` is in time zone `{name}`, which nobody knows");
    let known: Vec<String> = jiff::tz::db().available().map(|known| known.to_string()).collect();
    let hint = did_you_mean(name, known.iter().map(String::as_str))
        .unwrap_or_else(|| "write an IANA name such as `Europe/Paris`".into());
    checker.find(Code::UnknownTimezone, from.clone(), at!["timezone"], message).hint = Some(hint);
}

fn credit(checker: &mut Checker<'_>, from: &Address, currency: &String, credit: Money) {
    let path = at!["credit", currency];
    if let Err(malformed) = currency.parse::<Currency>() {
        let message = format!("`credit` of `{from}` is by currency: {malformed}");
        checker.find(malformed.code, from.clone(), path.clone(), message);
    }
    if credit.micros() < 0 {
        let message = format!("`{from}` has a credit below zero");
        checker.find(Code::AmountBelowZero, from.clone(), path, message).hint =
            Some("write how far below zero its balance may go, without a sign".into());
    }
}

/// What each new tenant gets is settled without asking it.
fn signup(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let Some(name) = specs.policy.signup.as_ref().and_then(|signup| signup.order.as_ref()) else {
        return;
    };
    let from = Address::new(Kind::Policy, "signup");
    let path = at!["signup", "order"];
    checker.refer(&from, path.clone(), "orders", Kind::Offer, name);
    let Some(offer) = specs.offer.get(name) else { return };
    let open = if offer.machine.is_some() {
        "machines of pools are reserved for a while"
    } else if offer.images.len() > 1 {
        "it has more than one image"
    } else {
        return;
    };
    let message = format!("`{from}` orders `offer.{name}` for new tenants, and {open}");
    checker.find(Code::SignupUndecided, from, path, message).hint =
        Some("name an offer with one image; sizes that are left open are the least".into());
}
