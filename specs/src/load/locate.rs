//! Where the parts of an entry stand, for pointing at them.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use crate::check::Step;
use crate::{Address, Kind};

/// A file with the position of everything in it.
pub(super) struct Parsed<'t> {
    table: Spanned<DeTable<'t>>,
}

impl<'t> Parsed<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Parsed { table: DeTable::parse_recoverable(text).0 }
    }

    /// The bytes of one part of one entry; `None` when it is not there, or is the entry itself.
    pub(super) fn locate(&self, address: &Address, path: &[Step]) -> Option<Range<usize>> {
        let kind = self.table.get_ref().get(address.kind().as_str())?;
        let mut value = match address.kind() {
            Kind::Policy => kind,
            _ => kind.get_ref().get(address.name())?,
        };
        for step in path {
            value = match step {
                Step::Field(name) => value.get_ref().get(&**name)?,
                Step::Item(index) => value.get_ref().get(*index)?,
            };
        }
        (!path.is_empty()).then(|| value.span())
    }
}
