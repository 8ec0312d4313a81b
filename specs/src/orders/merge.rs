//! Orders laid beside what files declare.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::version::{plain, version_of};
use super::{EndedOrder, HeldBack, OrderEntry, Orders, StandingOrder};
use crate::check::{Finding, check_order, check_version};
use crate::declared::{Declared, Place};
use crate::diagnostic::{Diagnostic, Report};
use crate::kinds::{Instance, Offer};
use crate::{Address, Code, EnvValue, Kind, Specs};

impl Specs {
    /// These specs with what customers ordered, as it stands at `now`.
    ///
    /// Each order that is not over becomes an instance; offers and images stand beside those of
    /// files under the names of their versions. So what an order bought stays as it was bought,
    /// whatever became of its offer, its image or its tenant's quota since. What an order needs of
    /// the operator, a location or a port range, has to be there.
    ///
    /// # Errors
    /// A report of everything that does not fit.
    pub fn with_orders(&self, orders: &Orders, now: Timestamp) -> Result<Specs, Report> {
        let merge = Merge::of(self, orders, now);
        if merge.problems.is_empty() {
            return Ok(merge.finish(self));
        }
        let problems = merge.problems.into_iter().map(|problem| problem.says).collect();
        Err(Report::new(problems, BTreeMap::new()))
    }

    /// As [`Specs::with_orders`], of orders that were placed before: one that does not fit any more
    /// is held back by itself ([`Ordered::held_back`](super::Ordered::held_back)), and holds up
    /// nobody else.
    #[must_use]
    pub fn with_fitting_orders(&self, orders: &Orders, now: Timestamp) -> Specs {
        let mut fitting = Cow::Borrowed(orders);
        let mut held_back: BTreeMap<String, HeldBack> = BTreeMap::new();
        loop {
            let merge = Merge::of(self, &fitting, now);
            let before = held_back.len();
            for problem in &merge.problems {
                for name in &problem.orders {
                    hold_back(&mut held_back, fitting.to_mut(), name, &problem.says);
                }
            }
            // What is wrong with an offer that nobody has is wrong for nobody.
            if held_back.len() == before {
                let mut specs = merge.finish(self);
                specs.ordered.held_back = held_back;
                return specs;
            }
        }
    }
}

/// Takes an order from those that fit, or adds one more reason.
fn hold_back(
    held_back: &mut BTreeMap<String, HeldBack>,
    fitting: &mut Orders,
    name: &str,
    problem: &Diagnostic,
) {
    if let Some(order) = fitting.orders.remove(name) {
        let (code, why, hint) = (problem.code, problem.message.clone(), problem.hint.clone());
        held_back.insert(name.to_owned(), HeldBack { id: order.id, code, why, hint });
    } else if let Some(held) = held_back.get_mut(name) {
        held.why = format!("{}; {}", held.why, problem.message);
    }
}

struct Merge {
    specs: Specs,
    problems: Vec<Problem>,
}

/// Something that does not fit, and the orders which that concerns.
struct Problem {
    orders: Vec<String>,
    says: Diagnostic,
}

impl Merge {
    fn of(specs: &Specs, orders: &Orders, now: Timestamp) -> Merge {
        let mut merge = Merge { specs: specs.clone(), problems: Vec::new() };
        merge.catalogue(orders);
        for (name, order) in &orders.orders {
            merge.order(name, order, orders, now);
        }
        merge.specs.ordered.ended.extend(orders.ended.clone());
        merge.check(orders);
        merge
    }

    fn finish(self, before: &Specs) -> Specs {
        let mut specs = self.specs;
        let more = specs.all_entries() - before.all_entries();
        specs.ordered.entries = more + before.ordered.entries;
        specs
    }

    fn problem(&mut self, orders: Vec<String>, code: Code, message: String, hint: &str) {
        let says = Diagnostic::new(code, message).hint(Some(hint.into()));
        self.problems.push(Problem { orders, says });
    }

    /// Tenants, images and offers.
    fn catalogue(&mut self, orders: &Orders) {
        for (name, tenant) in &orders.tenants {
            if !self.specs.tenant.contains_key(name) {
                self.specs.tenant.insert(name.clone(), tenant.clone());
                self.specs.ordered.tenants.insert(name.clone());
            }
        }
        for (name, image) in &orders.images {
            let concerns = || orders_of(orders, |offer| offer.images.contains(name));
            self.is_as_named(Kind::Image, name, &version_of(plain(name), image), concerns);
            self.specs.image.insert(name.clone(), image.clone());
        }
        for (name, offer) in &orders.offers {
            let concerns = || orders_with(orders, name);
            self.is_as_named(Kind::Offer, name, &version_of(plain(name), offer), concerns);
            self.specs.offer.insert(name.clone(), offer.clone());
            for image in offer.images.iter().filter(|image| !orders.images.contains_key(*image)) {
                let message = format!("`offer.{name}` runs image `{image}`, which is not there");
                self.problem(concerns(), Code::VersionMissing, message, HINT_WRITE_AGAIN);
            }
        }
    }

    fn is_as_named(
        &mut self,
        kind: Kind,
        name: &str,
        actual: &str,
        concerns: impl FnOnce() -> Vec<String>,
    ) {
        if name != actual {
            let message = format!("`{kind}.{name}` is not what its name says: it is `{actual}`");
            self.problem(concerns(), Code::VersionChanged, message, HINT_WRITE_AGAIN);
        }
    }

    fn order(&mut self, name: &str, order: &OrderEntry, orders: &Orders, now: Timestamp) {
        let ordered = &mut self.specs.ordered;
        if order.is_over(now) {
            let event = order.ended_by.clone().unwrap_or_else(|| order.id.clone());
            ordered.ended.insert(order.id.clone(), EndedOrder { name: name.into(), event });
            return;
        }
        let address = Address::new(Kind::Instance, name);
        let own = || vec![name.to_owned()];
        if self.specs.instance.contains_key(name) {
            let message =
                format!("`{address}` is declared, and order `{}` has that name", order.id);
            let hint =
                "name the entry otherwise, or remove it; what customers ordered has no entry";
            return self.problem(own(), Code::OrderDeclared, message, hint);
        }
        let offer = &order.instance.offer;
        if !orders.offers.contains_key(offer) {
            let message = format!("`{address}` is one of offer `{offer}`, which is not there");
            return self.problem(own(), Code::VersionMissing, message, HINT_WRITE_AGAIN);
        }
        let secrets = order.instance.env.iter();
        let secrets = secrets.filter(|(_, value)| matches!(value, EnvValue::Secret(_)));
        for (variable, _) in secrets {
            let message = format!("`{address}` refers to a secret of ours in `env.{variable}`");
            let hint = "only entries and images of the operator may";
            self.problem(own(), Code::OrderSecret, message, hint);
        }
        let standing = StandingOrder {
            id: order.id.clone(),
            phase: order.phase,
            runs: order.runs(),
            keep_until: order.keep_until.filter(|_| !order.phase.may_run()),
        };
        self.specs.ordered.standing.insert(name.into(), standing);
        // What was there before is an operator's to give, never a customer's to take.
        let instance = Instance { adopted: None, ..order.instance.clone() };
        self.specs.instance.insert(name.into(), instance);
    }

    /// What versions and orders need of the operator is there.
    fn check(&mut self, orders: &Orders) {
        if !self.problems.is_empty() {
            return;
        }
        let declared = declared(&self.specs);
        let mut findings = Vec::new();
        let used = self.specs.ordered.standing.keys();
        let used: BTreeSet<_> =
            used.filter_map(|name| Some(&self.specs.instance.get(name)?.offer)).collect();
        for offer in used {
            let found = check_version(&self.specs, &declared, offer);
            findings.extend(found.into_iter().map(|finding| (orders_with(orders, offer), finding)));
        }
        for name in self.specs.ordered.standing.keys() {
            let found = check_order(&self.specs, &declared, name);
            let id = &orders.orders[name].id;
            findings.extend(found.into_iter().map(|finding| {
                let message = format!("{} (order `{id}`)", finding.message);
                (vec![name.clone()], Finding { message, ..finding })
            }));
        }
        self.problems.extend(findings.into_iter().map(|(orders, finding)| {
            let hint = match finding.code {
                // An entry would refer to it; a customer has nowhere to keep it.
                Code::LiteralSecret => Some("what an order says is kept and shown".into()),
                _ => finding.hint,
            };
            Problem { orders, says: Diagnostic::new(finding.code, finding.message).hint(hint) }
        }));
    }
}

/// The orders of one offer.
fn orders_with(orders: &Orders, offer: &str) -> Vec<String> {
    let of_offer = orders.orders.iter().filter(|(_, order)| order.instance.offer == offer);
    of_offer.map(|(name, _)| name.clone()).collect()
}

/// The orders of all offers that are such.
fn orders_of(orders: &Orders, is_such: impl Fn(&Offer) -> bool) -> Vec<String> {
    let offers = orders.offers.iter().filter(|(_, offer)| is_such(offer));
    offers.flat_map(|(name, _)| orders_with(orders, name)).collect()
}

const HINT_WRITE_AGAIN: &str = "let `lessor render --orders` write the orders again";

/// The names that orders may refer to.
fn declared(specs: &Specs) -> Declared {
    let nowhere = Place { file: Arc::from(""), span: Range::default() };
    let mut declared = Declared::default();
    let mut insert = |kind: Kind, name: &str| {
        declared.note(kind, name, nowhere.clone());
    };
    specs.location.keys().for_each(|name| insert(Kind::Location, name));
    specs.port_range.keys().for_each(|name| insert(Kind::PortRange, name));
    specs.pool.keys().for_each(|name| insert(Kind::Pool, name));
    specs.firewall_template.keys().for_each(|name| insert(Kind::FirewallTemplate, name));
    specs.tenant.keys().for_each(|name| insert(Kind::Tenant, name));
    specs.offer.keys().for_each(|name| insert(Kind::Offer, name));
    specs.image.keys().for_each(|name| insert(Kind::Image, name));
    declared
}
