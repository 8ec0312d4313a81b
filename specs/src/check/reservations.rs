//! Rules of offers of machines: there are pools, and the times of a reservation fit together.

use super::{Checker, at};
use crate::kinds::{MachineOffer, Offer, ReservationRules};
use crate::{Address, Code, Duration, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, offer) in &checker.specs.offer {
        // One that is something else as well is told so.
        let Some(machine) = &offer.machine else { continue };
        if offer.container.is_some() || offer.vm.is_some() {
            continue;
        }
        let from = Address::new(Kind::Offer, &**name);
        pools(checker, &from, machine);
        if let Some(rules) = &machine.reservation {
            times(checker, &from, rules);
        }
        useless(checker, &from, offer);
    }
}

fn pools(checker: &mut Checker<'_>, from: &Address, machine: &MachineOffer) {
    if machine.pools.is_empty() {
        let message = format!("`{from}` has no pool to take machines from");
        let path = at!["machine", "pools"];
        checker.find(Code::OfferWithoutPool, from.clone(), path, message).hint =
            Some("name a pool: `pools = [\"…\"]`".into());
    }
}

/// Nothing is shorter than a minute, and the least, what is meant unless said, the most and the most
/// with every extension come in this order.
fn times(checker: &mut Checker<'_>, from: &Address, rules: &ReservationRules) {
    let said = [
        ("min", rules.min),
        ("default", rules.default),
        ("max", rules.max),
        ("max_total", rules.max_total),
    ];
    for (field, time) in said {
        let Some(time) = time.filter(|time| *time < ReservationRules::SHORTEST) else { continue };
        let message = format!("`{from}` has reservations of {time}, which is less than a minute");
        let path = at!["machine", "reservation", field];
        checker.find(Code::ReservationTimes, from.clone(), path, message).hint =
            Some("nobody can use a machine for so short".into());
    }
    // What is not said is an hour, which has to fit as well.
    let said = said.map(|(field, time)| match field {
        "default" => (field, Some(rules.length())),
        _ => (field, time),
    });
    let given: Vec<_> = said.into_iter().filter_map(|(f, time)| Some((f, time?))).collect();
    for pair in given.windows(2) {
        let [(lower, less), (upper, more)] = *pair else { continue };
        if less <= more {
            continue;
        }
        // The default may not be there to point at.
        let field = if upper == "default" && rules.default.is_none() { lower } else { upper };
        let message = format!(
            "`{from}` has {}, which is less than {}",
            said_so(upper, more),
            said_so(lower, less)
        );
        let path = at!["machine", "reservation", field];
        checker.find(Code::ReservationTimes, from.clone(), path, message).hint =
            Some("the order is `min`, `default` (an hour unless said), `max`, `max_total`".into());
    }
}

fn said_so(field: &str, time: Duration) -> String {
    format!("a `{field}` of {time}")
}

/// A reservation runs no image, is behind no firewall, ends by the clock and is priced by the hour.
fn useless(checker: &mut Checker<'_>, from: &Address, offer: &Offer) {
    if !offer.images.is_empty() {
        checker.no_use(from, "images", "its machines are those of pools", "remove it");
    }
    if offer.lifecycle.is_some() {
        checker.no_use(from, "lifecycle", "a reservation ends at its time", "remove it");
    }
    let price = &offer.price;
    let fields = [
        ("hourly_stopped", price.hourly_stopped.is_some()),
        ("monthly_cap", price.monthly_cap.is_some()),
        ("cap_hours", price.cap_hours.is_some()),
    ];
    for (field, _) in fields.into_iter().filter(|(_, said)| *said) {
        let message = format!("`{from}` has no use for `{field}`: a reservation costs its hours");
        checker.find(Code::NotApplicable, from.clone(), at!["price", field], message).hint =
            Some("remove it".into());
    }
}
