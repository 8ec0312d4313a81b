//! What customers can have: what a plan changes of it.

use std::collections::BTreeMap;

use lessor_specs::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::flatten;
use crate::change::differences;
use crate::{Action, Difference};

/// What stands for the connection of an entry of the catalogue, which lives on none.
pub const CATALOGUE: &str = "catalogue";

/// An entry that says what customers can have, before and after.
///
/// It takes no step: customers are served by the specs that were applied last, and those are written
/// as a whole, before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueChange {
    /// The entry: `offer.survival-2g`.
    pub address: Address,
    /// What it said when somebody applied last; `None` when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Attributes>,
    /// What it says; `None` when no file has it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Attributes>,
}

/// What an entry says, by path: `price.hourly`. Lists are one attribute each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    /// Of an entry. What it leaves out is not among them.
    pub fn of<E: Serialize>(entry: &E) -> Self {
        let mut attributes = BTreeMap::new();
        // Entries are plain data: serializing them cannot fail.
        flatten(String::new(), serde_json::to_value(entry).unwrap_or_default(), &mut attributes);
        attributes.retain(|_, value| !is_left_out(value));
        Attributes(attributes)
    }
}

fn is_left_out(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

impl CatalogueChange {
    /// What becomes of it.
    pub fn action(&self) -> Action {
        match (&self.before, &self.after) {
            (None, _) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
            (Some(_), None) => Action::Delete,
        }
    }

    /// Every attribute in which it differs, in order of path.
    pub fn differences(&self) -> Vec<Difference> {
        let attributes = |side: &Option<Attributes>| side.clone().unwrap_or_default().0;
        differences(attributes(&self.before), attributes(&self.after))
    }
}
