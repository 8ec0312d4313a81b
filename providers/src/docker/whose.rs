//! A thing by its name, and whose it is.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, Network, Volume};
use lessor_engine::ApplyError;
use lessor_plans::{Adoption, Change, Mark, Origin, Present};
use lessor_specs::Address;

use super::Docker;
use super::client::CallError;
use super::read::{container_name, sorted};
use crate::seen::{stand_in, why_not};

/// What has a name.
pub(super) enum Whose<T> {
    /// A thing of ours.
    Ours(Own, T),
    /// A thing of somebody else, or one that cannot be told to be ours.
    Others(String),
    /// Nothing.
    Nobodys,
}

/// By what a thing is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    /// Its mark; of an adopted thing, the one that it would carry.
    pub(super) mark: Mark,
    /// What stands for the mark.
    pub(super) adopted: Option<Adoption>,
}

impl From<Mark> for Own {
    fn from(mark: Mark) -> Self {
        Own { mark, adopted: None }
    }
}

/// The one thing without a mark that may be changed: what an entry adopts, known by its id.
#[derive(Clone, Copy)]
pub(super) struct Adopting<'c> {
    address: &'c Address,
    origin: &'c Origin,
    id: &'c str,
}

impl<'c> Adopting<'c> {
    /// What a change says is adopted.
    pub(super) fn of(change: &'c Change) -> Option<Self> {
        let id = change.adopted.as_deref()?;
        Some(Adopting { address: &change.address, origin: &change.origin, id })
    }
}

impl<T> Whose<T> {
    /// How it looks, if it is ours.
    pub(super) fn seen(self, look: impl FnOnce(Own, T) -> Present) -> Whose<Present> {
        match self {
            Whose::Ours(own, thing) => Whose::Ours(own.clone(), look(own, thing)),
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
        adopting: Option<Adopting<'_>>,
    ) -> Result<Whose<ContainerInspectResponse>, CallError> {
        let inspect = self.client.container(name).await?;
        // What is no name may still be the beginning of an id.
        let named = inspect.filter(|inspect| container_name(inspect) == Some(name));
        Ok(match named {
            Some(inspect) => {
                let id = inspect.id.clone().unwrap_or_default();
                self.sort_out(name, &id, &container_labels(&inspect), adopting, inspect)
            }
            None => Whose::Nobodys,
        })
    }

    /// The network of this name; ours, if there are several.
    pub(super) async fn whose_network(
        &self,
        name: &str,
        adopting: Option<Adopting<'_>>,
    ) -> Result<Whose<Network>, CallError> {
        let mut answer = Whose::Nobodys;
        for network in self.client.networks_named(name).await? {
            let labels = sorted_or_empty(network.labels.as_ref());
            let id = network.id.clone().unwrap_or_default();
            match self.sort_out(name, &id, &labels, adopting, network) {
                ours @ Whose::Ours(..) => return Ok(ours),
                other => answer = other,
            }
        }
        Ok(answer)
    }

    /// The volume of this name.
    pub(super) async fn whose_volume(
        &self,
        name: &str,
        adopting: Option<Adopting<'_>>,
    ) -> Result<Whose<Volume>, CallError> {
        Ok(match self.client.volume(name).await? {
            Some(volume) => {
                self.sort_out(name, volume_id(name), &sorted(&volume.labels), adopting, volume)
            }
            None => Whose::Nobodys,
        })
    }

    /// Whether a container is ours, whatever it is called by now.
    pub(super) fn owns(
        &self,
        inspect: &ContainerInspectResponse,
        adopting: Option<Adopting<'_>>,
    ) -> bool {
        let name = container_name(inspect).unwrap_or_default();
        let id = inspect.id.as_deref().unwrap_or_default();
        let whose = self.sort_out(name, id, &container_labels(inspect), adopting, ());
        matches!(whose, Whose::Ours(..))
    }

    fn sort_out<T>(
        &self,
        name: &str,
        id: &str,
        labels: &BTreeMap<String, String>,
        adopting: Option<Adopting<'_>>,
        thing: T,
    ) -> Whose<T> {
        let error = match Mark::from_labels(labels, &self.installation, name) {
            Ok(mark) => return Whose::Ours(mark.into(), thing),
            Err(error) => error,
        };
        let Some(adopting) = adopting.filter(|adopting| adopting.id == id) else {
            return Whose::Others(why_not(&error));
        };
        match stand_in(adopting.address, adopting.origin, name, labels, &self.installation) {
            Ok(mark) => {
                let adopted =
                    Some(Adoption { id: id.to_owned(), beyond: Vec::new(), takes_mark: false });
                Whose::Ours(Own { mark, adopted }, thing)
            }
            Err(why) => Whose::Others(why),
        }
    }
}

/// What tells a volume from others: volumes have no ids, and keep the name they were given. The
/// date an engine shows is that of the last file in it.
pub(super) fn volume_id(name: &str) -> &str {
    name
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
