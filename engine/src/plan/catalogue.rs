//! What customers can have: compared with what it was when somebody applied last.

use std::collections::BTreeMap;

use lessor_plans::{Attributes, CATALOGUE, CatalogueChange, NoteKind};
use lessor_specs::{Address, Kind, Specs, Tree};

use super::Planner;
use crate::{Before, Scope};

impl Planner<'_> {
    /// Finds what changes of what customers can have. A run that only carries out orders changes
    /// nothing of it.
    pub(super) fn catalogue(&mut self) {
        let wishes = self.wishes;
        if wishes.selection.scope == Scope::Orders {
            return;
        }
        self.catalogue = match &wishes.before {
            Before::Same => Vec::new(),
            Before::Nothing => changes(&Specs::default(), &wishes.specs),
            Before::Other(past) => changes(past, &wishes.specs),
            Before::Unknown => return self.catalogue_unknown(),
        };
        if !self.catalogue.is_empty() && !wishes.selection.selects_everything() {
            let text = "changes as a whole, whatever is selected";
            self.note(NoteKind::Info, &CATALOGUE, text);
        }
    }

    fn catalogue_unknown(&mut self) {
        let entries = changes(&Specs::default(), &self.wishes.specs).len();
        let text = match entries {
            0 => return,
            1 => "1 entry is for customers, and nobody here knows what was applied; not compared"
                .to_owned(),
            _ => format!(
                "{entries} entries are for customers, and nobody here knows what was applied; not \
                 compared"
            ),
        };
        self.note(NoteKind::Info, &CATALOGUE, text).hint =
            Some("name the database they are served from: `--database URL`".into());
    }
}

/// The kinds of entries that say what customers can have.
const KINDS: [Kind; 6] =
    [Kind::Offer, Kind::PromoCode, Kind::Quota, Kind::Tenant, Kind::Pool, Kind::Machine];

/// Whether files may say what customers can have, or what they have. To find that out is much faster
/// than to read them, which takes half of the time of a large plan.
pub fn may_concern_customers(files: &Tree) -> bool {
    // An instance names its offer. What is written by escapes may be any word.
    let may = |text: &String| {
        text.contains('\\') || KINDS.iter().any(|kind| text.contains(kind.as_str()))
    };
    files.files().values().any(may)
}

/// What differs between what customers could have and what they can, in order of address.
fn changes(past: &Specs, now: &Specs) -> Vec<CatalogueChange> {
    let mut comparison = Comparison { past, now, changes: Vec::new() };
    comparison.kind(Kind::Offer, |specs| &specs.offer, Attributes::of);
    comparison.kind(Kind::Pool, |specs| &specs.pool, Attributes::of);
    comparison.kind(Kind::Machine, |specs| &specs.machine, Attributes::of);
    comparison.kind(Kind::PromoCode, |specs| &specs.promo_code, Attributes::of);
    comparison.kind(Kind::Quota, |specs| &specs.quota, Attributes::of);
    comparison.kind(Kind::Tenant, |specs| &specs.tenant, Attributes::of);
    comparison.changes.sort_by(|a, b| a.address.cmp(&b.address));
    comparison.changes
}

struct Comparison<'s> {
    past: &'s Specs,
    now: &'s Specs,
    changes: Vec<CatalogueChange>,
}

impl<'s> Comparison<'s> {
    /// Compares the entries of one kind that files declare. What is equal costs no more than that
    /// takes.
    fn kind<E: PartialEq>(
        &mut self,
        kind: Kind,
        of: fn(&'s Specs) -> &'s BTreeMap<String, E>,
        attributes: fn(&E) -> Attributes,
    ) {
        debug_assert!(KINDS.contains(&kind), "{kind} is not among the kinds that are looked for");
        let declared = |specs: &'s Specs, name: &str| {
            of(specs).get(name).filter(|_| !specs.ordered.brings(kind, name))
        };
        let mut found = |name: &str, before: Option<&E>, after: Option<&E>| {
            self.changes.push(CatalogueChange {
                address: Address::new(kind, name),
                before: before.map(attributes),
                after: after.map(attributes),
            });
        };
        for name in of(self.now).keys() {
            let Some(after) = declared(self.now, name) else { continue };
            let before = declared(self.past, name);
            if before != Some(after) {
                found(name, before, Some(after));
            }
        }
        for name in of(self.past).keys() {
            let before = declared(self.past, name);
            if before.is_some() && declared(self.now, name).is_none() {
                found(name, before, None);
            }
        }
    }
}
