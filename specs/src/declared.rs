//! Where each entry stands.

use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use foldhash::HashMap;

use crate::{Address, Kind};

/// Every entry of a tree by kind and name, right or wrong, with the place of its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    by_kind: [HashMap<Box<str>, Place>; Kind::ALL.len()],
}

/// The name of an entry in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) span: Range<usize>,
}

impl Declared {
    /// Notes an entry, unless it was noted before: then it says where that was.
    pub(crate) fn note(&mut self, kind: Kind, name: &str, place: Place) -> Option<&Place> {
        match self.by_kind[kind as usize].entry(name.into()) {
            Entry::Occupied(first) => Some(first.into_mut()),
            Entry::Vacant(free) => {
                free.insert(place);
                None
            }
        }
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<&Place> {
        self.by_kind[kind as usize].get(name)
    }

    pub(crate) fn place(&self, address: &Address) -> Option<&Place> {
        self.get(address.kind(), address.name())
    }

    /// How many entries of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.by_kind[kind as usize].len()
    }

    /// The names of a kind, in order.
    pub(crate) fn names(&self, kind: Kind) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_kind[kind as usize].keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}
