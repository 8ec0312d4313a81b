//! What is said of a model: where its objects live, and which fields they have.

use super::field::Field;
use super::kind::Kind;

/// A model, as the package declares it.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Its name in settings, `FirewallAlias`.
    pub(super) name: &'static str,
    /// Its name in messages, `Firewall Alias`.
    pub(super) title: &'static str,
    /// Where it lives in the configuration; of a child, within its parent.
    pub(super) path: &'static str,
    /// Whether there are several objects.
    pub(super) is_many: bool,
    /// Whether objects have names instead of positions.
    pub(super) is_named: bool,
    pub(super) parent: Option<Kind>,
    /// What a write makes dirty.
    pub(super) subsystem: Option<&'static str>,
    pub(super) applies_at_once: bool,
    pub(super) package: Option<&'static str>,
    pub(super) unique_together: &'static [&'static str],
    /// By which field the stored list is sorted.
    pub(super) sorted_by: Option<&'static str>,
    /// Whether numbers within text count as numbers when sorting.
    pub(super) sorts_naturally: bool,
    /// How many objects must remain.
    pub(super) at_least: usize,
    pub(super) fields: Vec<Field>,
}

/// Several objects that live in a list.
pub(super) fn list(name: &'static str, title: &'static str, path: &'static str) -> Model {
    Model { is_many: true, ..single(name, title, path) }
}

/// One object.
pub(super) fn single(name: &'static str, title: &'static str, path: &'static str) -> Model {
    Model {
        name,
        title,
        path,
        is_many: false,
        is_named: false,
        parent: None,
        subsystem: None,
        applies_at_once: false,
        package: None,
        unique_together: &[],
        sorted_by: None,
        sorts_naturally: false,
        at_least: 0,
        fields: Vec::new(),
    }
}

impl Model {
    /// The position of a field among the fields.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    pub(super) fn named(mut self) -> Self {
        self.is_named = true;
        self
    }

    pub(super) fn child_of(mut self, parent: Kind) -> Self {
        self.parent = Some(parent);
        self
    }

    pub(super) fn subsystem(mut self, subsystem: &'static str) -> Self {
        self.subsystem = Some(subsystem);
        self
    }

    pub(super) fn applied_at_once(mut self) -> Self {
        self.applies_at_once = true;
        self
    }

    pub(super) fn package(mut self, package: &'static str) -> Self {
        self.package = Some(package);
        self
    }

    pub(super) fn unique_together(mut self, fields: &'static [&'static str]) -> Self {
        self.unique_together = fields;
        self
    }

    pub(super) fn sorted_by(mut self, field: &'static str) -> Self {
        self.sorted_by = Some(field);
        self
    }

    pub(super) fn natural(mut self) -> Self {
        self.sorts_naturally = true;
        self
    }

    pub(super) fn at_least(mut self, number: usize) -> Self {
        self.at_least = number;
        self
    }

    pub(super) fn fields(mut self, fields: Vec<Field>) -> Self {
        self.fields.extend(fields);
        self
    }
}
