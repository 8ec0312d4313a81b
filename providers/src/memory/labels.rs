//! The labels of a mark, kept small: a pretend host may have a hundred thousand things, and all of
//! them are in memory while its file is read.

use std::fmt;

use lessor_plans::Labels;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many labels a mark has.
const USUAL: usize = 5;

/// A few labels, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FewLabels(Vec<(Box<str>, Box<str>)>);

impl FewLabels {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Labels for FewLabels {
    fn label(&self, name: &str) -> Option<&str> {
        // Written twice, the last one counts.
        self.0.iter().rev().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }
}

impl FromIterator<(String, String)> for FewLabels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        FewLabels(labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Serialize for FewLabels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for FewLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = FewLabels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FewLabels, A::Error> {
                let mut labels = Vec::with_capacity(USUAL);
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(FewLabels(labels))
            }
        }

        deserializer.deserialize_map(Map)
    }
}
