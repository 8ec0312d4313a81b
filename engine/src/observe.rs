//! Looking at every host at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lessor_plans::{Observation, Present, Transition};
use lessor_specs::{Address, Specs};

use crate::ports::{Wanting, wanting};
use crate::{Desired, Registry};

/// What one look at every host told us, and who can compare what was seen with a wish. By default,
/// nobody looked anywhere.
#[derive(Clone, Default)]
pub struct World {
    observations: BTreeMap<Address, Observation>,
    registry: Registry,
}

/// Looks at every connection the specs declare, all at the same time.
pub async fn observe(specs: &Specs, desired: &Desired<'_>, registry: &Registry) -> World {
    let wanted = |place: &Address| wanting(desired.wanted_at(specs, place));
    look_at_all(registry, registry.places().map(wanted).collect()).await
}

/// Looks at every connection; what is wanted there comes in the same order.
pub(crate) async fn look_at_all(registry: &Registry, wanted: Vec<Wanting<'_>>) -> World {
    let looks = registry.iter().zip(wanted).map(|(provider, wanted)| async move {
        (provider.place().clone(), provider.observe(wanted).await)
    });
    World { observations: join_all(looks).await.into_iter().collect(), registry: registry.clone() }
}

impl World {
    /// A world that was put together otherwise.
    pub fn new(observations: BTreeMap<Address, Observation>, registry: Registry) -> Self {
        World { observations, registry }
    }

    /// What was seen at each connection.
    pub fn observations(&self) -> &BTreeMap<Address, Observation> {
        &self.observations
    }

    pub(crate) fn at(&self, place: &Address) -> Option<&Observation> {
        self.observations.get(place)
    }

    /// Whether some corner could not be seen, so that nobody knows what it still needs.
    pub(crate) fn has_blind_spot(&self) -> bool {
        self.observations.values().any(|seen| !seen.gaps.is_empty() || !seen.unknown.is_empty())
    }

    /// How many things of ours were seen, images not counted: they are nobody's.
    pub(crate) fn owned(&self) -> usize {
        let ours = |seen: &Observation| {
            seen.present.keys().filter(|birth| birth.kind() != lessor_specs::Kind::Image).count()
        };
        self.observations.values().map(ours).sum()
    }

    pub(crate) fn compare(
        &self,
        place: &Address,
        desired: &lessor_plans::Body,
        present: &Present,
    ) -> Transition {
        match self.registry.get(place) {
            Some(provider) => provider.compare(desired, present),
            None => Transition::None,
        }
    }
}
