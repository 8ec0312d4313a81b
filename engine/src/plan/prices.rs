//! What a plan does to what everything that is rented comes to.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use lessor_billing::{Choices, Mode, RunRate, Tariff};
use lessor_plans::{Action, Body, Change, Price, Prices, Reason};
use lessor_specs::kinds::Instance;
use lessor_specs::{Address, Currency, Kind, Money, Specs};

use super::Planner;
use crate::settle::Wish;

impl Planner<'_> {
    /// What instances cost before and after. A bill goes by what was asked for: what somebody else
    /// did to them changes none.
    pub(super) fn prices(&self, settled: &[Wish<'_>]) -> Prices {
        let specs = &self.wishes.specs;
        let before = self.wishes.before.other();
        let past = before.into_iter().flat_map(|past| past.offer.values());
        if specs.offer.values().chain(past).all(|offer| offer.price.currency.is_none()) {
            return Prices::default();
        }
        let is_instance = |address: &Address| address.kind() == Kind::Instance;
        let of_instances = || self.changes.iter().filter(|change| is_instance(&change.address));
        let changes: HashMap<&Address, &Change> =
            of_instances().map(|change| (&change.address, change)).collect();
        let mut sums = Sums::new(specs, before);
        for wish in settled.iter().filter(|wish| is_instance(&wish.address)) {
            let Some(instance) = specs.instance.get(wish.address.name()) else { continue };
            let change = changes.get(&wish.address).copied();
            let now = Sort::wished(instance, &wish.body);
            let before = match change {
                Some(Change { action: Action::Create, reason: Reason::Wanted, .. }) => None,
                Some(change) if change.reason.is_drift() => sums.rate(now),
                Some(change) => sums.rate_before(now, change),
                // What is not there and is not made either waits for something, or was not seen.
                None if wish.present.is_some() || self.is_unseen(wish) => sums.rate(now),
                None => continue,
            };
            let after = sums.rate(now);
            sums.add(&wish.address, before, after);
        }
        for change in of_instances() {
            if matches!(change.reason, Reason::Unwanted | Reason::Renamed(_)) {
                sums.add_going(&change.address);
            }
        }
        sums.prices()
    }

    /// Whether nobody can tell that a wish is not there.
    fn is_unseen(&self, wish: &Wish<'_>) -> bool {
        self.world.at(&wish.place).is_none_or(|seen| {
            let is_unknown = |birth| seen.unknown.contains_key(birth);
            !seen.gaps.is_empty() || wish.births.iter().any(is_unknown)
        })
    }
}

/// What the price of an instance depends on: its offer, its size, and whether it runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Sort<'s> {
    offer: &'s str,
    choices: Choices,
    mode: Mode,
}

impl<'s> Sort<'s> {
    fn wished(instance: &'s Instance, body: &Body) -> Sort<'s> {
        Sort { offer: &instance.offer, choices: instance.into(), mode: mode(body) }
    }

    /// How it was, as far as its body tells.
    fn found(self, body: &Body) -> Sort<'s> {
        let choices = match body {
            Body::Guest(guest) => {
                Choices { cpu: Some(guest.cpu), memory: Some(guest.memory), disk: Some(guest.disk) }
            }
            _ => self.choices,
        };
        Sort { choices, mode: mode(body), ..self }
    }
}

fn mode(body: &Body) -> Mode {
    let runs = match body {
        Body::Guest(guest) => guest.running,
        Body::Container(container) => container.running,
        _ => true,
    };
    if runs { Mode::Running } else { Mode::Stopped }
}

/// A currency, and what something comes to in it; `None` when it is free.
type Rate = Option<(Currency, RunRate)>;

/// Adds up what instances cost. Many are alike, so that each sort is computed once.
struct Sums<'s> {
    specs: &'s Specs,
    /// What was asked for when somebody applied last.
    past: Option<&'s Specs>,
    rates: HashMap<Sort<'s>, Rate>,
    /// Before and after, by currency.
    months: BTreeMap<Currency, (i64, i64)>,
    prices: Prices,
}

impl<'s> Sums<'s> {
    fn new(specs: &'s Specs, past: Option<&'s Specs>) -> Self {
        let (rates, months) = (HashMap::new(), BTreeMap::new());
        Sums { specs, past, rates, months, prices: Prices::default() }
    }

    fn rate(&mut self, sort: Sort<'s>) -> Rate {
        let specs = self.specs;
        *self.rates.entry(sort).or_insert_with(|| rate(specs, sort))
    }

    /// What something cost that is changed: as it was asked for then, else by what is there.
    fn rate_before(&mut self, now: Sort<'s>, change: &Change) -> Rate {
        let found = change.before.as_ref().map_or(now, |body| now.found(body));
        let Some((past, instance)) = self.past(&change.address) else { return self.rate(found) };
        let (offer, choices) = (&*instance.offer, instance.into());
        rate(past, Sort { offer, choices, mode: found.mode })
    }

    /// What nobody declares any more cost what was asked for then; otherwise nobody knows.
    fn add_going(&mut self, address: &Address) {
        let Some((past, instance)) = self.past(address) else {
            self.prices.unknown += 1;
            return;
        };
        let (offer, choices) = (&*instance.offer, instance.into());
        self.add(address, rate(past, Sort { offer, choices, mode: Mode::Running }), None);
    }

    fn past(&self, address: &Address) -> Option<(&'s Specs, &'s Instance)> {
        let past = self.past?;
        Some((past, past.instance.get(address.name())?))
    }

    fn add(&mut self, address: &Address, before: Rate, after: Rate) {
        // Currencies are not added up: what changes its own goes in one and comes in the other.
        if let (Some((old, _)), Some((new, _))) = (before, after)
            && old != new
        {
            self.add(address, before, None);
            self.add(address, None, after);
            return;
        }
        let Some((currency, _)) = after.or(before) else { return };
        let micros = |rate: Rate, of: fn(RunRate) -> Money| rate.map_or(0, |(_, r)| of(r).micros());
        let hourly = micros(after, |rate| rate.hourly) - micros(before, |rate| rate.hourly);
        if hourly != 0 {
            let hourly = Money::from_micros(hourly);
            self.prices.changes.insert(address.clone(), Price { currency, hourly });
        }
        let sum = self.months.entry(currency).or_default();
        sum.0 = sum.0.saturating_add(micros(before, |rate| rate.monthly));
        sum.1 = sum.1.saturating_add(micros(after, |rate| rate.monthly));
    }

    fn prices(mut self) -> Prices {
        let run_rate = self.months.into_iter().map(|(currency, (before, after))| {
            let (before, after) = (Money::from_micros(before), Money::from_micros(after));
            lessor_plans::RunRate { currency, before, after }
        });
        self.prices.run_rate = run_rate.collect();
        self.prices
    }
}

fn rate(specs: &Specs, sort: Sort<'_>) -> Rate {
    let tariff = Tariff::of(specs.offer.get(sort.offer)?, &sort.choices).ok()??;
    Some((tariff.currency(), RunRate::of(&tariff, sort.mode)))
}
