//! Labels beside the mark: what an engine's answer alone would not tell.
//!
//! Docker labels cannot change, and neither can what these speak of.

use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{Body, ContainerBody, Mark};
use lessor_specs::EnvValue;

/// Names of variables whose values came from secrets, with commas between them.
pub(super) const SECRETS: &str = "lessor.secrets";

/// Whether somebody asked for the network's addresses, or the engine chose them.
pub(super) const SUBNET: &str = "lessor.subnet";

/// The value of [`SUBNET`] when somebody did.
pub(super) const ASKED: &str = "asked";

/// The value of [`SUBNET`] when nobody did.
const CHOSEN: &str = "chosen";

/// Which logging options were asked for, with commas between them; missing when logging was left
/// to the engine.
pub(super) const LOGGING: &str = "lessor.logging";

/// All labels of a new thing: its owner's, the mark, and what is worth remembering.
///
/// Ours are always written out, so that none of an image's labels can stand in for them.
pub(super) fn of(body: &Body, mark: &Mark) -> BTreeMap<String, String> {
    let (own, remembered): (_, Vec<(&str, String)>) = match body {
        Body::Volume(volume) => (volume.labels.clone(), Vec::new()),
        Body::Network(network) => {
            let subnet = if network.subnet.is_some() { ASKED } else { CHOSEN };
            (network.labels.clone(), vec![(SUBNET, subnet.to_owned())])
        }
        Body::Container(container) => (container.labels.clone(), of_container(container)),
        // Images belong to nobody, and nothing else is held by Docker.
        _ => (BTreeMap::new(), Vec::new()),
    };
    let remembered = remembered.into_iter().map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(mark.to_labels()).chain(remembered).collect()
}

fn of_container(body: &ContainerBody) -> Vec<(&'static str, String)> {
    let secret = |(name, value): (&String, &EnvValue)| {
        matches!(value, EnvValue::Secret(_)).then(|| name.clone())
    };
    let secrets: Vec<String> = body.env.iter().filter_map(secret).collect();
    let mut labels = vec![(SECRETS, secrets.join(","))];
    if let Some(logging) = &body.logging {
        let options: Vec<&str> = logging.options.keys().map(String::as_str).collect();
        labels.push((LOGGING, options.join(",")));
    }
    labels
}

/// The variables whose values came from secrets.
pub(super) fn secret_names(labels: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let names = labels.get(SECRETS).map(String::as_str).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).collect()
}

/// The labels of the thing's owner.
pub(super) fn without_ours(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = labels.iter().filter(|(name, _)| !Mark::is_label(name));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}
