//! From text to entries: each is held against the schema, then read by serde.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Tree;
use super::shape::{Name, Shape, describe};
use crate::declared::{Declared, Place};
use crate::diagnostic::{Diagnostic, Label, did_you_mean};
use crate::{Address, Code, Kind, Specs, name_problem};

/// How many syntax errors of a file are told. Those behind the first few follow from them, or the
/// file is no TOML at all.
const SYNTAX_ERRORS: usize = 20;

/// Everything that could be made out.
#[derive(Default)]
pub(super) struct Parsed {
    /// The entries without a problem of their own.
    pub(super) specs: Specs,
    /// Every entry, also those with problems.
    pub(super) declared: Declared,
    pub(super) problems: Vec<Diagnostic>,
    /// Whether some text could not even be parsed, so that entries may be missing.
    pub(super) unreadable: bool,
}

/// Parses every file of a tree.
pub(super) fn parse(tree: &Tree) -> Parsed {
    let mut parsed = Parsed::default();
    let mut policy_parts = BTreeMap::new();
    for (file, text) in tree.files() {
        let (table, errors) = DeTable::parse_recoverable(text);
        parsed.unreadable |= !errors.is_empty();
        let problems = errors.iter().take(SYNTAX_ERRORS).map(|error| syntax(file, text, error));
        parsed.problems.extend(problems);
        let mut reader = Reader {
            file: file.as_str().into(),
            broken: !errors.is_empty(),
            parsed: &mut parsed,
            policy_parts: &mut policy_parts,
        };
        reader.file(table.into_inner());
    }
    parsed
}

/// What is wrong with the text of a file.
fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span();
    let (code, message, hint) = match error.message().trim() {
        "duplicate key" => {
            let key = span.clone().and_then(|span| text.get(span)).unwrap_or_default();
            let message = format!("`{key}` stands here for the second time");
            (Code::TomlDuplicateKey, message, Some("remove one of the two"))
        }
        "recursion limit" | "cannot recurse further; max recursion depth met" => {
            let hint = "no field of a spec file lies deeper than a few levels";
            (Code::TomlSyntax, "tables and lists are nested too deep".to_owned(), Some(hint))
        }
        other => (Code::TomlSyntax, other.to_owned(), None),
    };
    let problem = Diagnostic::new(code, message).hint(hint.map(str::to_owned));
    match span {
        Some(span) => problem.at(file, span),
        None => problem.in_file(file),
    }
}

/// Reads one file into what is parsed so far.
struct Reader<'p> {
    file: Arc<str>,
    broken: bool,
    parsed: &'p mut Parsed,
    policy_parts: &'p mut BTreeMap<String, Label>,
}

impl Reader<'_> {
    fn file(&mut self, table: DeTable<'_>) {
        for (key, value) in table {
            if self.broken && key.get_ref().is_empty() {
                // What was recovered of something that is no key at all.
                continue;
            }
            let Ok(kind) = key.get_ref().parse::<Kind>() else {
                let hint = did_you_mean(key.get_ref(), Kind::ALL.map(Kind::as_str))
                    .unwrap_or_else(|| format!("the kinds are {}", listed(&Kind::ALL)));
                let message = format!("there is no kind `{}`", key.get_ref());
                self.problem(Code::UnknownKind, message, key.span(), Some(hint));
                continue;
            };
            let span = value.span();
            match (kind, value.into_inner()) {
                (Kind::Policy, DeValue::Table(parts)) => self.policy(parts),
                (_, DeValue::Table(entries)) => self.kind(kind, entries),
                (_, other) => {
                    let message = format!("`{kind}` should be a table, found {}", describe(&other));
                    self.problem(Code::WrongType, message, span, Some(declare_hint(kind)));
                }
            }
        }
    }

    fn kind(&mut self, kind: Kind, entries: DeTable<'_>) {
        let shape = Shape::of(kind);
        for (key, value) in entries {
            let name = key.get_ref();
            if self.is_duplicate(kind, name, key.span()) {
                continue;
            }
            if let Some(problem) = name_problem(kind, name) {
                self.problem(Code::MalformedName, problem, key.span(), None);
            } else if !value.get_ref().is_table() {
                let found = describe(value.get_ref());
                let message = format!("`{kind}.{name}` should be a table, found {found}");
                self.problem(Code::WrongType, message, value.span(), Some(declare_hint(kind)));
            } else if self.fits(shape, &value, &Name::Entry(kind, name), key.span()) {
                self.read(kind, name, value);
            }
        }
    }

    /// Whether a value fits its shape; notes every way in which it does not.
    fn fits(
        &mut self,
        shape: &Shape,
        value: &Spanned<DeValue<'_>>,
        name: &Name<'_>,
        key: Range<usize>,
    ) -> bool {
        if self.broken {
            // Half a file: what is missing here may stand behind the place that is wrong.
            return false;
        }
        let misfits = shape.hold(value, name, &key);
        let fits = misfits.is_empty();
        for misfit in misfits {
            let label = Label::new(&self.file, misfit.span, "").hidden(misfit.secret);
            let mut problem = Diagnostic::new(misfit.code, misfit.message).hint(misfit.hint);
            problem.label = Some(label);
            self.parsed.problems.push(problem);
        }
        fits
    }

    /// Notes where an entry stands; whether it stands elsewhere, too.
    fn is_duplicate(&mut self, kind: Kind, name: &str, span: Range<usize>) -> bool {
        let place = Place { file: self.file.clone(), span: span.clone() };
        let Some(first) = self.parsed.declared.note(kind, name, place) else { return false };
        let first = Label::new(&first.file, first.span.clone(), "declared here too");
        let mut problem = declared_twice(&Address::new(kind, name)).at(&self.file, span);
        problem.others.push(first);
        problem.hint = Some("all files of a spec directory are one namespace; remove one".into());
        self.parsed.problems.push(problem);
        true
    }

    fn read(&mut self, kind: Kind, name: &str, value: Spanned<DeValue<'_>>) {
        let specs = &mut self.parsed.specs;
        let result = match kind {
            Kind::Docker => insert(&mut specs.docker, name, value),
            Kind::Proxmox => insert(&mut specs.proxmox, name, value),
            Kind::PfSense => insert(&mut specs.pfsense, name, value),
            Kind::Location => insert(&mut specs.location, name, value),
            Kind::Image => insert(&mut specs.image, name, value),
            Kind::Network => insert(&mut specs.network, name, value),
            Kind::Volume => insert(&mut specs.volume, name, value),
            Kind::Container => insert(&mut specs.container, name, value),
            Kind::PortRange => insert(&mut specs.port_range, name, value),
            Kind::Bridge => insert(&mut specs.bridge, name, value),
            Kind::Vlan => insert(&mut specs.vlan, name, value),
            Kind::VlanRange => insert(&mut specs.vlan_range, name, value),
            Kind::AddressPool => insert(&mut specs.address_pool, name, value),
            Kind::Alias => insert(&mut specs.alias, name, value),
            Kind::FirewallRule => insert(&mut specs.firewall_rule, name, value),
            Kind::FirewallTemplate => insert(&mut specs.firewall_template, name, value),
            Kind::PortForward => insert(&mut specs.port_forward, name, value),
            Kind::OutboundNat => insert(&mut specs.outbound_nat, name, value),
            Kind::Vpn => insert(&mut specs.vpn, name, value),
            Kind::Pool => insert(&mut specs.pool, name, value),
            Kind::Machine => insert(&mut specs.machine, name, value),
            Kind::Offer => insert(&mut specs.offer, name, value),
            Kind::PromoCode => insert(&mut specs.promo_code, name, value),
            Kind::Quota => insert(&mut specs.quota, name, value),
            Kind::Tenant => insert(&mut specs.tenant, name, value),
            Kind::Instance => insert(&mut specs.instance, name, value),
            Kind::Policy => Ok(()),
        };
        self.serde_problem(kind, name, result);
    }

    /// The parts of `policy` may stand in different files, each once.
    fn policy(&mut self, parts: DeTable<'_>) {
        let shape = Shape::of(Kind::Policy);
        for (key, value) in parts {
            let name = key.get_ref().to_string();
            let address = Address::new(Kind::Policy, &*name);
            let Some(part) = shape.field(&name) else {
                let hint = did_you_mean(&name, shape.field_names())
                    .unwrap_or_else(|| "the parts are orders, signup, retention and gate".into());
                let message = format!("`policy` has no part `{name}`");
                self.problem(Code::UnknownField, message, key.span(), Some(hint));
                continue;
            };
            if let Some(first) = self.policy_parts.get(&name) {
                let mut problem = declared_twice(&address).at(&self.file, key.span());
                problem.others.push(first.clone());
                self.parsed.problems.push(problem);
                continue;
            }
            let place = Place { file: self.file.clone(), span: key.span() };
            self.parsed.declared.note(Kind::Policy, &name, place);
            let label = Label::new(&self.file, key.span(), "declared here too");
            self.policy_parts.insert(name.clone(), label);
            if self.fits(part, &value, &Name::Entry(Kind::Policy, &name), key.span()) {
                let policy = &mut self.parsed.specs.policy;
                let result = match name.as_str() {
                    "orders" => set(&mut policy.orders, value),
                    "signup" => set(&mut policy.signup, value),
                    "retention" => set(&mut policy.retention, value),
                    _ => set(&mut policy.gate, value),
                };
                self.serde_problem(Kind::Policy, &name, result);
            }
        }
    }

    /// What the schema could not express. The types' own parsers have the last word.
    fn serde_problem(&mut self, kind: Kind, name: &str, result: Result<(), toml::de::Error>) {
        if let Err(error) = result {
            let message = format!("`{kind}.{name}`: {}", error.message().trim());
            self.problem(Code::WrongType, message, error.span().unwrap_or(0..0), None);
        }
    }

    fn problem(&mut self, code: Code, message: String, span: Range<usize>, hint: Option<String>) {
        self.parsed.problems.push(Diagnostic::new(code, message).at(&self.file, span).hint(hint));
    }
}

fn declared_twice(address: &Address) -> Diagnostic {
    Diagnostic::new(Code::DeclaredTwice, format!("`{address}` is declared twice"))
}

fn insert<T: DeserializeOwned>(
    map: &mut BTreeMap<String, T>,
    name: &str,
    value: Spanned<DeValue<'_>>,
) -> Result<(), toml::de::Error> {
    map.insert(name.to_owned(), T::deserialize(ValueDeserializer::from(value))?);
    Ok(())
}

fn set<T: DeserializeOwned>(
    part: &mut Option<T>,
    value: Spanned<DeValue<'_>>,
) -> Result<(), toml::de::Error> {
    *part = Some(T::deserialize(ValueDeserializer::from(value))?);
    Ok(())
}

fn declare_hint(kind: Kind) -> String {
    match kind {
        Kind::Policy => "its parts are tables: `[policy.gate]`".into(),
        Kind::Instance => "`[instance.\"tenant/name\"]` declares one".into(),
        _ => format!("`[{kind}.NAME]` declares one"),
    }
}

fn listed(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    names.join(", ")
}
