//! Offers and images in versions, named by what they say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Orders;
use crate::Specs;
use crate::kinds::{Image, Offer};

/// How many hexadecimal digits tell versions of one name apart.
const DIGITS: usize = 12;

/// An offer as it is sold at one moment, with everything it may run. Its name says what it says:
/// two are the same exactly when their names are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// `survival-2g@3f2a91c07b55`.
    pub name: String,
    /// The offer. Its images are named in their versions.
    pub offer: Offer,
    /// Those images, by `name@version`.
    pub images: BTreeMap<String, Image>,
}

impl Version {
    /// Of the offer called `name`, as `specs` have it.
    pub fn of(specs: &Specs, name: &str) -> Option<Version> {
        let mut offer = specs.offer.get(name)?.clone();
        let mut images = BTreeMap::new();
        for image in &mut offer.images {
            let entry = specs.image.get(image)?;
            *image = version_of(image, entry);
            images.insert(image.clone(), entry.clone());
        }
        Some(Version { name: version_of(name, &offer), offer, images })
    }

    /// The version of the image called `name`, if the offer has it; of the only one it has when
    /// none is named.
    pub fn image(&self, name: Option<&str>) -> Option<&str> {
        let found = match (name, self.offer.images.as_slice()) {
            (Some(name), images) => images.iter().find(|image| plain(image) == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(String::as_str)
    }
}

impl Orders {
    /// Adds an offer in a version, with its images.
    pub fn add_version(&mut self, version: Version) {
        self.images.extend(version.images);
        self.offers.insert(version.name, version.offer);
    }
}

/// What an entry called `name` is called in the version that says `body`: `name@3f2a91c07b55`.
///
/// What a field says that may be left out, and is, has no part in it: a version keeps its name when
/// a later lessor knows more fields.
pub fn version_of(name: &str, body: &impl Serialize) -> String {
    // Plain data with text keys: this cannot fail.
    let body = serde_json::to_value(body).unwrap_or_default();
    let mut text = String::new();
    write_canonical(&mut text, &body);
    let digest = Sha256::digest(text);
    let mut version = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(version, "{byte:02x}");
    }
    version.truncate(DIGITS);
    format!("{name}@{version}")
}

/// Whether a name is one of a version, which no entry of a file can have.
pub(super) fn is_version(name: &str) -> bool {
    name.contains('@')
}

/// The name without its version.
pub(crate) fn plain(name: &str) -> &str {
    name.split_once('@').map_or(name, |(plain, _)| plain)
}

/// Compact JSON with keys in order, without what is null or empty.
fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().filter(|(_, v)| says(v)).collect();
            out.push('{');
            for (key, value) in sorted {
                let _ = write!(out, "{key:?}:");
                write_canonical(out, value);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(out, item);
                out.push(',');
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(says),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
