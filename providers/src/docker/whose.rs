//! A thing by its name, and whose it is.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, Network, Volume};
use lessor_engine::ApplyError;
use lessor_plans::{Mark, Present};

use super::Docker;
use super::client::CallError;
use super::read::{container_name, sorted};
use crate::seen::why_not;

/// What has a name.
pub(super) enum Whose<T> {
    /// A thing of ours.
    Ours(Mark, T),
    /// A thing of somebody else, or one that cannot be told to be ours.
    Others(String),
    /// Nothing.
    Nobodys,
}

impl<T> Whose<T> {
    /// How it looks, if it is ours.
    pub(super) fn seen(self, look: impl FnOnce(Mark, T) -> Present) -> Whose<Present> {
        match self {
            Whose::Ours(mark, thing) => Whose::Ours(mark.clone(), look(mark, thing)),
            Whose::Others(why) => Whose::Others(why),
            Whose::Nobodys => Whose::Nobodys,
        }
    }

    /// The thing, if it is ours; `None` when there is nothing.
    ///
    /// # Errors
    /// [`ApplyError::Stale`] when it is not ours: what was seen to be is not there any more.
    pub(super) fn ours_or_gone(self, sort: &str, name: &str) -> Result<Option<T>, ApplyError> {
        match self {
            Whose::Ours(_, thing) => Ok(Some(thing)),
            Whose::Nobodys => Ok(None),
            Whose::Others(why) => {
                Err(ApplyError::Stale { why: format!("{sort} `{name}` is not ours: {why}") })
            }
        }
    }
}

impl Docker {
    /// The container of this name.
    pub(super) async fn whose_container(
        &self,
        name: &str,
    ) -> Result<Whose<ContainerInspectResponse>, CallError> {
        let inspect = self.client.container(name).await?;
        // What is no name may still be the beginning of an id.
        let named = inspect.filter(|inspect| container_name(inspect) == Some(name));
        Ok(match named {
            Some(inspect) => self.sort_out(name, &container_labels(&inspect), inspect),
            None => Whose::Nobodys,
        })
    }

    /// The network of this name; ours, if there are several.
    pub(super) async fn whose_network(&self, name: &str) -> Result<Whose<Network>, CallError> {
        let mut answer = Whose::Nobodys;
        for network in self.client.networks_named(name).await? {
            match self.sort_out(name, &sorted_or_empty(network.labels.as_ref()), network) {
                ours @ Whose::Ours(..) => return Ok(ours),
                other => answer = other,
            }
        }
        Ok(answer)
    }

    /// The volume of this name.
    pub(super) async fn whose_volume(&self, name: &str) -> Result<Whose<Volume>, CallError> {
        Ok(match self.client.volume(name).await? {
            Some(volume) => self.sort_out(name, &sorted(&volume.labels), volume),
            None => Whose::Nobodys,
        })
    }

    fn sort_out<T>(&self, name: &str, labels: &BTreeMap<String, String>, thing: T) -> Whose<T> {
        match Mark::from_labels(labels, &self.installation, name) {
            Ok(mark) => Whose::Ours(mark, thing),
            Err(error) => Whose::Others(why_not(&error)),
        }
    }
}

/// The labels of a container.
pub(super) fn container_labels(inspect: &ContainerInspectResponse) -> BTreeMap<String, String> {
    sorted_or_empty(inspect.config.as_ref().and_then(|config| config.labels.as_ref()))
}

/// Labels in order, where the engine may leave them out when there are none.
pub(super) fn sorted_or_empty(
    labels: Option<&HashMap<String, String>>,
) -> BTreeMap<String, String> {
    labels.map(sorted).unwrap_or_default()
}
