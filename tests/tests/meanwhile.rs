//! Looking at hosts while it is still found out what is wanted there.

use std::cell::OnceCell;
use std::sync::Arc;

use async_trait::async_trait;
use lessor_engine::{ApplyError, Provider, Registry, Wanting, look, wanting};
use lessor_plans::{Act, Body, Change, Observation, Oddity, Present, Sighting, Transition};
use lessor_specs::{Address, Kind};
use lessor_tests::{Sim, rendered};
use tokio::sync::Notify;
use tokio::task::yield_now;

/// A host that tells when somebody begins to look, and what is wanted when that is known.
struct Telling {
    place: Address,
    begun: Arc<Notify>,
}

#[async_trait]
impl Provider for Telling {
    fn place(&self) -> &Address {
        &self.place
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        self.begun.notify_one();
        let oddity = |thing: String| Oddity { thing, why: "it is wanted".into() };
        let wanted = wanted.await.into_iter().map(|wanted| oddity(wanted.address.to_string()));
        Observation { oddities: wanted.collect(), ..Observation::default() }
    }

    async fn sight(&self, _: &Change) -> Sighting {
        Sighting::Absent
    }

    fn compare(&self, _: &Body, _: &Present) -> Transition {
        Transition::None
    }

    async fn apply(&self, _: Act, _: &Change) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// A host that is listed before it is known what is wanted.
struct Early {
    inner: Arc<dyn Provider>,
}

#[async_trait]
impl Provider for Early {
    fn place(&self) -> &Address {
        self.inner.place()
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let seen = self.inner.observe(wanting([])).await;
        wanted.await;
        seen
    }

    async fn sight(&self, change: &Change) -> Sighting {
        self.inner.sight(change).await
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        self.inner.compare(desired, present)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.inner.apply(act, change).await
    }
}

const SPECS: &str = "[docker.local]\nendpoint = \"memory:\"\n[volume.data]\n[network.front]\n";

fn local() -> Address {
    Address::new(Kind::Docker, "local")
}

fn host() -> (Registry, Arc<Notify>) {
    let begun = Arc::new(Notify::new());
    let host = Telling { place: local(), begun: Arc::clone(&begun) };
    (Registry::new([Arc::new(host) as Arc<dyn Provider>]), begun)
}

#[tokio::test]
async fn a_host_is_looked_at_before_it_is_known_what_is_wanted_there() {
    let (registry, begun) = host();
    let wishes = Sim::new().wishes(SPECS);

    let known = async {
        begun.notified().await;
        Ok::<_, &str>(&wishes)
    };
    let (_, plan, world) = look(&registry, known).await.unwrap();

    let seen = world.observations().values().flat_map(|seen| &seen.oddities);
    let told: Vec<_> = seen.map(|oddity| oddity.thing.as_str()).collect();
    assert_eq!(told, ["network.front", "volume.data"]);
    assert_eq!(plan.changes.len(), 2);
}

#[tokio::test]
async fn where_that_cannot_be_known_nobody_looks_any_further() {
    let (registry, begun) = host();
    let refused = look(&registry, async {
        begun.notified().await;
        Err("the database is locked")
    });
    assert_eq!(refused.await.err(), Some("the database is locked"));
}

#[tokio::test]
async fn what_somebody_applied_between_listing_and_reading_is_no_drift() {
    let sim = Sim::new();
    let inner = sim.registry(&sim.wishes(SPECS).specs).get(&local()).cloned().unwrap();
    let registry = Registry::new([Arc::new(Early { inner }) as Arc<dyn Provider>]);
    let wishes = OnceCell::new();

    let (_, plan, _) = look(&registry, async {
        // The hosts are listed by now.
        yield_now().await;
        sim.settle(SPECS).await;
        Ok::<_, &str>(wishes.get_or_init(|| sim.wishes(SPECS)))
    })
    .await
    .unwrap();

    assert!(plan.is_empty(), "{}", rendered(&plan));
}
