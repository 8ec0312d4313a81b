//! Where each entry stands.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::{Address, Kind};

/// Every entry of a tree by kind and name, right or wrong, with the place of its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    by_kind: BTreeMap<Kind, BTreeMap<Box<str>, Place>>,
}

/// The name of an entry in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) span: Range<usize>,
}

impl Declared {
    /// Notes an entry that was not noted before.
    pub(crate) fn insert(&mut self, kind: Kind, name: &str, place: Place) {
        self.by_kind.entry(kind).or_default().insert(name.into(), place);
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<&Place> {
        self.by_kind.get(&kind)?.get(name)
    }

    pub(crate) fn place(&self, address: &Address) -> Option<&Place> {
        self.get(address.kind(), address.name())
    }

    /// The names of a kind, in order.
    pub(crate) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.by_kind.get(&kind).into_iter().flatten().map(|(name, _)| &**name)
    }
}
