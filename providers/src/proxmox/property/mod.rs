//! How Proxmox VE writes several values into one text, and when two such texts mean the same.
//!
//! In reading order: [`Property`], `virtio=BC:24:…,bridge=vmbr0`; which names such a text knows and
//! what their values are ([`Shape`]); and [`text`]: tags, descriptions, keys, sizes.
//!
//! What is read back is in another order than what was written, and in other words: `on` becomes
//! `1` in one place and stays `on` in another. So texts are never compared, but what they mean.

mod shape;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;

pub use shape::Shape;

/// Values by name, in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    shape: Shape,
    values: BTreeMap<String, String>,
}

/// Why a text, or a value for one, is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// A value without a name, where none is understood.
    #[error("`{0}` has no name: values are written `name=value`")]
    Nameless(String),
    /// A name that none can have.
    #[error("`{0}` is no name of a value")]
    Name(String),
    /// A value that cannot be written.
    #[error("the value of `{0}` is empty, or has a comma or a line break in it")]
    Value(String),
    /// A name that stands twice.
    #[error("`{0}` stands twice")]
    Twice(String),
}

impl Property {
    /// Nothing is set yet.
    pub fn new(shape: Shape) -> Self {
        Property { shape, values: BTreeMap::new() }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is not made of values with names.
    pub fn parse(shape: Shape, text: &str) -> Result<Self, PropertyError> {
        let mut property = Property::new(shape);
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let pair = part.split_once('=').or_else(|| Some((shape.unnamed()?, part)));
            let (name, value) = pair.ok_or_else(|| PropertyError::Nameless(part.to_owned()))?;
            property.put(name, value, Property::once)?;
        }
        Ok(property)
    }

    /// With a value, instead of the one that it may have had.
    ///
    /// # Errors
    /// When the name or the value cannot be written.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Result<Self, PropertyError> {
        self.put(name, &value.to_string(), |property, name, value| {
            property.values.insert(name, value);
            Ok(())
        })?;
        Ok(self)
    }

    /// Without a value.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.values.remove(self.shape.name(name));
        self
    }

    /// A value, as it is written.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(self.shape.name(name)).map(String::as_str)
    }

    /// Every value that is set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names under which the two mean something different, whichever of them sets it.
    pub fn differences<'p>(&'p self, other: &'p Property) -> Vec<&'p str> {
        let mut names: Vec<_> =
            self.values.keys().chain(other.values.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.meaning(name) != other.meaning(name));
        names
    }

    /// The names that are set here and mean something different there. What is not set here is
    /// left to others.
    pub fn wants<'p>(&'p self, present: &Property) -> Vec<&'p str> {
        let differs = |name: &&str| self.meaning(name) != present.meaning(name);
        self.values.keys().map(String::as_str).filter(differs).collect()
    }

    /// These values over those of another: what is kept of it is what is not set here.
    #[must_use]
    pub fn over(&self, present: &Property) -> Property {
        let mut values = present.values.clone();
        values.extend(self.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        Property { shape: self.shape, values }
    }

    fn meaning(&self, name: &str) -> Option<String> {
        let value = self.values.get(name).map(String::as_str);
        value.or_else(|| self.shape.default(name)).map(|value| self.shape.meaning(name, value))
    }

    fn once(&mut self, name: String, value: String) -> Result<(), PropertyError> {
        match self.values.insert(name.clone(), value) {
            Some(_) => Err(PropertyError::Twice(name)),
            None => Ok(()),
        }
    }

    fn put(
        &mut self,
        name: &str,
        value: &str,
        insert: fn(&mut Property, String, String) -> Result<(), PropertyError>,
    ) -> Result<(), PropertyError> {
        let is_sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_sign) {
            return Err(PropertyError::Name(name.to_owned()));
        }
        if value.trim().is_empty() || value.contains([',', '\n', '\r', '\0']) {
            return Err(PropertyError::Value(name.to_owned()));
        }
        // `virtio=MAC` sets two at once.
        if self.shape.is_model(name) {
            insert(self, "model".to_owned(), name.to_owned())?;
            return insert(self, "macaddr".to_owned(), value.to_owned());
        }
        insert(self, self.shape.name(name).to_owned(), value.to_owned())
    }

    /// What comes first, without a name of its own, and the names that it stands for.
    fn head(&self) -> (Option<String>, &'static [&'static str]) {
        if let (Some(model), Some(mac)) = (self.get("model"), self.get("macaddr"))
            && self.shape.is_model(model)
        {
            return (Some(format!("{model}={mac}")), &["model", "macaddr"]);
        }
        let unnamed = self.shape.unnamed_list();
        let value = unnamed.first().and_then(|name| self.values.get(*name));
        // With a sign of equality in it, it would be taken for something with a name.
        match value.filter(|value| !value.contains('=')) {
            Some(value) => (Some(value.clone()), unnamed),
            None => (None, &[]),
        }
    }
}

/// As Proxmox VE prints it: the value without a name first, the others by name.
impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, stands_for) = self.head();
        let named = self.values.iter().filter(|(name, _)| !stands_for.contains(&name.as_str()));
        let named = named.map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<_> = head.into_iter().chain(named).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests;
