//! How many steps of one system are done at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lessor_engine::{ApplyError, Provider, Wanting};
use lessor_plans::{Act, Body, Change, Observation, Present, Sighting, Transition};
use lessor_specs::Address;
use lessor_tests::Sim;

/// How many acts are going on, and how many did at most.
#[derive(Default)]
struct Counted {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A provider that counts, and that takes so many acts at once if it says anything.
struct Counting {
    inner: Arc<dyn Provider>,
    counted: Arc<Counted>,
    at_once: Option<usize>,
}

#[async_trait]
impl Provider for Counting {
    fn place(&self) -> &Address {
        self.inner.place()
    }

    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        self.inner.observe(wanted).await
    }

    async fn sight(&self, change: &Change) -> Sighting {
        self.inner.sight(change).await
    }

    fn compare(&self, desired: &Body, present: &Present) -> Transition {
        self.inner.compare(desired, present)
    }

    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        let now = self.counted.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.counted.most.fetch_max(now, Ordering::SeqCst);
        // Whoever else may begin does so before this one goes on.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.counted.now.fetch_sub(1, Ordering::SeqCst);
        self.inner.apply(act, change).await
    }

    fn at_once(&self, asked: usize) -> usize {
        self.at_once.unwrap_or_else(|| self.inner.at_once(asked))
    }
}

/// The most acts at the same time, of twelve that do not need each other and a run that asks for
/// four.
async fn most(at_once: Option<usize>) -> usize {
    let counted = Arc::new(Counted::default());
    let count = Arc::clone(&counted);
    let sim = Sim::new()
        .through(move |inner| Arc::new(Counting { inner, counted: Arc::clone(&count), at_once }));
    let volumes: Vec<_> = (0..12).map(|n| format!("[volume.v{n}]")).collect();
    let volumes = volumes.join("\n");

    sim.settle(&format!("[docker.local]\nendpoint = \"memory:\"\n{volumes}")).await;

    counted.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_system_is_given_as_much_at_once_as_asked_for_unless_it_takes_more() {
    assert_eq!((most(None).await, most(Some(12)).await, most(Some(0)).await), (4, 12, 1));
}
