//! Everything that is on a host, whosever it is, as entries would say it: what can be adopted.

use std::collections::BTreeMap;

use lessor_plans::{Body, InstallationId, Labels, Mark, Origin, Present};
use lessor_specs::{Address, EnvValue, Kind};
use secrecy::SecretString;

use crate::seen::stand_in;

/// Why a container that does not run cannot be adopted.
pub(crate) const STOPPED: &str = "it does not run, and an entry means that it does; start it first";

/// What a container has that was made without `no-new-privileges`.
pub(crate) const MAY_GAIN: &str = "the right to gain privileges";

/// A thing on a host.
#[derive(Debug)]
pub struct Found {
    /// Tells it from any other thing there ever was on the host; of a volume, its name.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// How it looks: what it has from its image left out, and values that may be secret hidden.
    pub body: Body,
    /// The values that are hidden, by variable.
    pub secrets: BTreeMap<String, SecretString>,
    /// What it has that no entry can say: left alone, and lost when it is made anew.
    pub beyond: Vec<String>,
    /// Why no entry can stand for it as it is.
    pub obstacles: Vec<String>,
}

/// Whose a thing is, by its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's that we know.
    Nobody,
    /// Ours, made for this address.
    Us(Address),
    /// It cannot be adopted, for this reason.
    Other(String),
}

/// Why a host could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct SurveyError {
    /// What happened.
    pub why: String,
    /// Something one can do now.
    pub hint: Option<String>,
}

impl Owner {
    /// Whose a thing is, with the mark that it carries or would carry.
    pub(crate) fn of(
        labels: &impl Labels,
        installation: &InstallationId,
        name: &str,
    ) -> (Owner, Mark) {
        let address = Address::new(Kind::Container, name);
        let own = Mark::from_labels(labels, installation, name).ok();
        let standing = stand_in(&address, &Origin::File, name, labels, installation);
        let plain = || Mark {
            installation: installation.clone(),
            address: address.clone(),
            origin: Origin::File,
            name: name.into(),
        };
        match (own, standing) {
            (Some(mark), _) => (Owner::Us(mark.address.clone()), mark),
            (None, Ok(mark)) => (Owner::Nobody, mark),
            (None, Err(why)) => (Owner::Other(why), plain()),
        }
    }
}

/// Why a container cannot be adopted whose image is not there by that name.
pub(crate) fn image_missing(reference: &str) -> String {
    format!("its image is not there as `{reference}`; tag it so")
}

/// The values that are hidden in what was seen.
pub(crate) fn exposed(
    seen: &Present,
    variables: &BTreeMap<String, EnvValue>,
) -> BTreeMap<String, SecretString> {
    let Body::Container(body) = &seen.body else { return BTreeMap::new() };
    let hidden = body.env.iter().filter(|(_, value)| **value == Present::hidden());
    let exposed = hidden.filter_map(|(name, _)| match variables.get(name)? {
        EnvValue::Plain(value) => Some((name.clone(), value.clone().into())),
        EnvValue::Secret(_) => None,
    });
    exposed.collect()
}
