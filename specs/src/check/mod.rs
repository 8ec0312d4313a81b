//! What one entry says about another, and what no single type can say about itself.
//!
//! Each rule takes the entries and adds what it finds; none stops at the first.

mod adopted;
mod capacity;
mod connections;
mod cycles;
mod docker;
mod firewall;
mod guests;
mod money;
mod network;
mod outbound;
mod pools;
mod references;
mod renames;
mod rent;
mod reservations;
mod vpn;

pub use guests::{is_login_key, is_user};

use std::borrow::Cow;

use crate::declared::Declared;
use crate::diagnostic::did_you_mean;
use crate::{Address, Code, Kind, Specs};

/// One step from an entry to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value of a field.
    Field(Cow<'static, str>),
    /// An item of a list.
    Item(usize),
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Step::Field(Cow::Borrowed(name))
    }
}

impl From<&String> for Step {
    fn from(name: &String) -> Self {
        Step::Field(Cow::Owned(name.clone()))
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Item(index)
    }
}

/// `at!["ports", 0, "range"]`: a path into an entry. It costs nothing until something is found.
macro_rules! at {
    ($($step:expr),* $(,)?) => { [$($crate::check::Step::from($step)),*] };
}
use at;

/// One problem, at a part of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) address: Address,
    pub(crate) path: Vec<Step>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) others: Vec<(Address, Vec<Step>, String)>,
    /// Something is missed that a file nobody could read may hold.
    pub(crate) dangling: bool,
    /// The place holds a secret.
    pub(crate) secret: bool,
}

impl Finding {
    /// A further place that belongs to it, and a note about it.
    fn also(&mut self, address: Address, path: impl Into<Vec<Step>>, note: &str) {
        self.others.push((address, path.into(), note.into()));
    }
}

/// How many names are compared to find similar ones. Whoever has so many references without a target
/// has renamed something, and each search takes as long as there are names.
const COMPARED_MAX: usize = 200_000;

/// What the rules read and where they put what they find.
struct Checker<'s> {
    specs: &'s Specs,
    declared: &'s Declared,
    findings: Vec<Finding>,
    /// How many names were compared so far.
    compared: usize,
}

/// Everything that is wrong with how the entries fit together.
pub(crate) fn check(specs: &Specs, declared: &Declared) -> Vec<Finding> {
    let mut checker = Checker { specs, declared, findings: Vec::new(), compared: 0 };
    references::check(&mut checker);
    renames::check(&mut checker);
    connections::check(&mut checker);
    docker::check(&mut checker);
    adopted::check(&mut checker);
    network::check(&mut checker);
    firewall::check(&mut checker);
    outbound::check(&mut checker);
    vpn::check(&mut checker);
    rent::check(&mut checker);
    money::check(&mut checker);
    guests::check(&mut checker);
    pools::check(&mut checker);
    reservations::check(&mut checker);
    capacity::check(&mut checker);
    cycles::check(&mut checker);
    checker.findings
}

/// Everything that is wrong with an offer in a version that was bought, beside what there is.
pub(crate) fn check_version(specs: &Specs, declared: &Declared, name: &str) -> Vec<Finding> {
    let mut checker = Checker { specs, declared, findings: Vec::new(), compared: 0 };
    if let Some(offer) = specs.offer.get(name) {
        references::offer(&mut checker, &Address::new(Kind::Offer, name), offer);
    }
    checker.findings
}

/// Everything that is wrong with an instance that was ordered, beside what there is. Quotas are
/// none of it: they count when an order is placed.
pub(crate) fn check_order(specs: &Specs, declared: &Declared, name: &str) -> Vec<Finding> {
    let mut checker = Checker { specs, declared, findings: Vec::new(), compared: 0 };
    if let Some(instance) = specs.instance.get(name) {
        let from = Address::new(Kind::Instance, name);
        references::instance(&mut checker, &from, instance);
        rent::any_instance(&mut checker, &from, instance);
        guests::any_instance(&mut checker, &from, instance);
    }
    checker.findings
}

impl Checker<'_> {
    fn find(
        &mut self,
        code: Code,
        address: Address,
        path: impl Into<Vec<Step>>,
        message: String,
    ) -> &mut Finding {
        let finding = Finding {
            code,
            address,
            path: path.into(),
            message,
            hint: None,
            others: Vec::new(),
            dangling: false,
            secret: false,
        };
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Whether an entry is declared, be it right or wrong.
    fn knows(&self, kind: Kind, name: &str) -> bool {
        self.declared.get(kind, name).is_some()
    }

    /// “did you mean”, among the entries of a kind.
    fn suggest(&mut self, kind: Kind, name: &str) -> Option<String> {
        if self.declared.count(kind) == 0 {
            return Some(format!("declare it: `[{}]`", Address::new(kind, name).header()));
        }
        self.compared += self.declared.count(kind);
        if self.compared > COMPARED_MAX {
            return None;
        }
        did_you_mean(name, self.declared.names(kind)).or_else(|| self.listed(kind))
    }

    /// The entries of a kind, while they are few enough to read.
    fn listed(&self, kind: Kind) -> Option<String> {
        const FEW: usize = 6;
        if self.declared.count(kind) > FEW {
            return None;
        }
        let names = self.declared.names(kind).into_iter();
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        Some(format!("declared are {}", names.join(", ")))
    }
}
