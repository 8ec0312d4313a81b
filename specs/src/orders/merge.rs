//! Orders laid beside what files declare.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::version::{plain, version_of};
use super::{EndedOrder, OrderEntry, Orders, StandingOrder};
use crate::check::{Finding, check_order, check_version};
use crate::declared::{Declared, Place};
use crate::diagnostic::{Diagnostic, Report};
use crate::kinds::Instance;
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
        let mut merge = Merge { specs: self.clone(), problems: Vec::new() };
        merge.catalogue(orders);
        for (name, order) in &orders.orders {
            merge.order(name, order, orders, now);
        }
        merge.specs.ordered.ended.extend(orders.ended.clone());
        merge.check(orders);
        let Merge { mut specs, problems } = merge;
        if !problems.is_empty() {
            return Err(Report::new(problems, BTreeMap::new()));
        }
        let before = self.all_entries();
        specs.ordered.entries = specs.all_entries() - before + self.ordered.entries;
        Ok(specs)
    }
}

struct Merge {
    specs: Specs,
    problems: Vec<Diagnostic>,
}

impl Merge {
    fn problem(&mut self, code: Code, message: String, hint: &str) {
        self.problems.push(Diagnostic::new(code, message).hint(Some(hint.into())));
    }

    /// Tenants, images and offers.
    fn catalogue(&mut self, orders: &Orders) {
        for (name, tenant) in &orders.tenants {
            self.specs.tenant.entry(name.clone()).or_insert_with(|| tenant.clone());
        }
        for (name, image) in &orders.images {
            self.is_as_named(Kind::Image, name, &version_of(plain(name), image));
            self.specs.image.insert(name.clone(), image.clone());
        }
        for (name, offer) in &orders.offers {
            self.is_as_named(Kind::Offer, name, &version_of(plain(name), offer));
            self.specs.offer.insert(name.clone(), offer.clone());
            for image in offer.images.iter().filter(|image| !orders.images.contains_key(*image)) {
                let message = format!("`offer.{name}` runs image `{image}`, which is not there");
                self.problem(Code::VersionMissing, message, HINT_WRITE_AGAIN);
            }
        }
    }

    fn is_as_named(&mut self, kind: Kind, name: &str, actual: &str) {
        if name != actual {
            let message = format!("`{kind}.{name}` is not what its name says: it is `{actual}`");
            self.problem(Code::VersionChanged, message, HINT_WRITE_AGAIN);
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
        if self.specs.instance.contains_key(name) {
            let message =
                format!("`{address}` is declared, and order `{}` has that name", order.id);
            let hint =
                "name the entry otherwise, or remove it; what customers ordered has no entry";
            return self.problem(Code::OrderDeclared, message, hint);
        }
        let offer = &order.instance.offer;
        if !orders.offers.contains_key(offer) {
            let message = format!("`{address}` is one of offer `{offer}`, which is not there");
            return self.problem(Code::VersionMissing, message, HINT_WRITE_AGAIN);
        }
        let secrets = order.instance.env.iter();
        let secrets = secrets.filter(|(_, value)| matches!(value, EnvValue::Secret(_)));
        for (variable, _) in secrets {
            let message = format!("`{address}` refers to a secret of ours in `env.{variable}`");
            let hint = "only entries and images of the operator may";
            self.problems.push(Diagnostic::new(Code::OrderSecret, message).hint(Some(hint.into())));
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
            findings.extend(check_version(&self.specs, &declared, offer));
        }
        for name in self.specs.ordered.standing.keys() {
            let found = check_order(&self.specs, &declared, name);
            let id = &orders.orders[name].id;
            findings.extend(found.into_iter().map(|finding| Finding {
                message: format!("{} (order `{id}`)", finding.message),
                ..finding
            }));
        }
        self.problems.extend(findings.into_iter().map(|finding| {
            let hint = match finding.code {
                // An entry would refer to it; a customer has nowhere to keep it.
                Code::LiteralSecret => Some("what an order says is kept and shown".into()),
                _ => finding.hint,
            };
            Diagnostic::new(finding.code, finding.message).hint(hint)
        }));
    }
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
    specs.firewall_template.keys().for_each(|name| insert(Kind::FirewallTemplate, name));
    specs.tenant.keys().for_each(|name| insert(Kind::Tenant, name));
    specs.offer.keys().for_each(|name| insert(Kind::Offer, name));
    specs.image.keys().for_each(|name| insert(Kind::Image, name));
    declared
}
