//! What holds for any specs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use lessor_engine::{ApplyError, Provider, Wanting, wanting};
use lessor_plans::{Act, Action, Body, Change, Gap, Observation, Present, Sighting, Transition};
use lessor_specs::{Address, Tree};
use lessor_tests::estate::{Estate, estate};
use lessor_tests::{Sim, rendered};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// What is on the host and declared: kept data is there as well, and nobody asks for it; neither
/// does anybody care which subnet the host chose.
async fn declared(sim: &Sim, estate: &Estate) -> Vec<(String, Body)> {
    let kept = sim.memory.rows().kept;
    let mut things = sim.things("local").await;
    for (_, body) in &mut things {
        if let Body::Network(network) = body {
            network.subnet = network.subnet.filter(|s| s.to_string().starts_with("10.9."));
        }
    }
    things.retain(|(name, _)| !kept.keys().any(|birth| name.ends_with(&format!(" {birth}"))));
    assert!(things.len() >= estate.networks.len() + estate.volumes.len() + estate.containers.len());
    things
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256)
    ))]

    #[test]
    fn what_was_applied_needs_nothing(a in estate(true)) {
        run(async { Sim::new().settle(&a.to_toml()).await });
    }

    #[test]
    fn going_from_one_to_another_ends_at_the_other(a in estate(true), b in estate(true)) {
        run(async {
            let sim = Sim::new();
            sim.settle(&a.to_toml()).await;
            sim.settle(&b.to_toml()).await;
        });
    }

    #[test]
    fn the_way_does_not_matter(a in estate(false), b in estate(false)) {
        let (there, straight) = run(async {
            let detour = Sim::new();
            detour.settle(&a.to_toml()).await;
            detour.settle(&b.to_toml()).await;
            let straight = Sim::new();
            straight.settle(&b.to_toml()).await;
            (declared(&detour, &b).await, declared(&straight, &b).await)
        });
        prop_assert_eq!(there, straight);
    }

    #[test]
    fn files_and_their_order_do_not_matter(
        a in estate(true),
        cuts in proptest::collection::vec(0..4_usize, 40),
    ) {
        let whole = a.to_toml();
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for (entry, file) in a.to_entries().iter().rev().zip(cuts.iter().cycle()) {
            files.entry(format!("{file}.toml")).or_default().push_str(entry);
        }
        run(async {
            let sim = Sim::new();
            sim.settle(&whole).await;
            let plan = sim.plan_for(&sim.wishes_of(Tree::new(files))).await;
            assert!(plan.is_empty());
        });
    }

    #[test]
    fn names_that_moved_cost_no_call(a in estate(false)) {
        run(async {
            let sim = Sim::new();
            sim.settle(&a.to_toml()).await;
            let calls = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&calls);
            let counted = sim.through(move |inner| {
                Arc::new(Counted { inner, calls: Arc::clone(&counter) })
            });
            counted.settle(&a.renamed().to_toml()).await;
            counted.settle(&a.renamed().renamed().to_toml()).await;
            assert_eq!(calls.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn strangers_are_never_touched(a in estate(true), b in estate(true), theirs in estate(false), mark in 0..4_usize) {
        run(async {
            let sim = Sim::new();
            // Look-alikes: what another lessor made, or nobody, or a copy of a mark of ours.
            let stage = Sim::new();
            stage.settle(&theirs.renamed().to_toml()).await;
            let things = stage.things("local").await;
            let strangers = things.clone();
            sim.by_hand("local", move |host| {
                for (_, body) in things {
                    host.put(body, look_alike(mark));
                }
            })
            .await;
            for text in [a.to_toml(), b.to_toml(), "[docker.local]\nendpoint = \"memory:\"\n".into()] {
                let plan = sim.plan(&text).await;
                if plan.fatal().next().is_none() {
                    let outcome = sim.apply(&text).await;
                    assert!(outcome.is_complete(), "{outcome:#?}");
                }
            }
            let left = sim.host("local").host().await.unwrap();
            for (_, body) in strangers {
                let found = left.find(body.sort(), body.name()).map(|thing| &thing.body);
                assert_eq!(found, Some(&body));
            }
        });
    }

    #[test]
    fn what_is_adopted_needs_nothing_and_is_forgotten_with_its_entry(a in estate(false), b in estate(false)) {
        run(async {
            let sim = Sim::made_by_hand("local", &a.to_toml()).await;
            let found = sim.things("local").await;

            let plan = sim.plan(&a.adopting().to_toml()).await;
            assert!(plan.is_empty() && plan.notes.is_empty(), "{}", rendered(&plan));
            sim.settle(&a.adopting().to_toml()).await;
            sim.settle("[docker.local]\nendpoint = \"memory:\"\n").await;
            assert_eq!(sim.things("local").await, found);

            // With other wishes for the same names, they come to look like those, unless what was
            // forgotten stands in the way: it may use a network that is to be made anew.
            let other = b.adopting().to_toml();
            let is_free = sim.plan(&other).await.fatal().next().is_none();
            if is_free && sim.apply(&other).await.is_complete() {
                let plan = sim.plan(&other).await;
                assert!(plan.is_empty(), "{}", rendered(&plan));
            }
        });
    }

    #[test]
    fn nothing_is_removed_while_something_cannot_be_seen(a in estate(true), b in estate(true)) {
        run(async {
            let sim = Sim::new();
            sim.settle(&a.to_toml()).await;
            let blind = sim.through(|inner| Arc::new(Blind { inner }));
            let plan = blind.plan(&b.to_toml()).await;
            assert!(plan.changes.iter().all(|c| !matches!(c.action, Action::Delete | Action::Create)));
            assert!(plan.keeps.is_empty() && !plan.gaps.is_empty());
        });
    }

    #[test]
    fn steps_come_after_what_they_need(a in estate(true), b in estate(true)) {
        run(async {
            let sim = Sim::new();
            sim.settle(&a.to_toml()).await;
            let plan = sim.plan(&b.to_toml()).await;
            for (number, step) in plan.steps.iter().enumerate() {
                assert!(step.needs.iter().all(|need| *need < number));
            }
        });
    }
}

/// A thousand plans of one mixed situation, in processes' worth of hash seeds, with the host's
/// listings shuffled and the files read in another order each time, on one thread and on many.
#[test]
fn the_same_inputs_give_the_same_bytes_a_thousand_times() {
    let strategy = (estate(true), estate(true));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (a, b) = (0..40)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .max_by_key(|(a, b)| a.to_toml().len() + b.to_toml().len())
        .unwrap();
    let sim = Sim::new();
    run(sim.settle(&a.to_toml()));
    run(sim.by_hand("local", |host| {
        for name in ["x", "y", "z"] {
            host.put(stranger(name), [].into());
            host.put(stranger(&format!("{name}-copy")), look_alike(3));
        }
    }));
    let many = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let entries = b.to_entries();
    let files = |seed: usize| {
        let mut files: Vec<_> =
            entries.iter().enumerate().map(|(n, e)| (format!("{n}.toml"), e.clone())).collect();
        shuffle(&mut files, seed);
        Tree::new(files.into_iter().collect())
    };
    let expected = run(sim.plan_for(&sim.wishes_of(files(0))));
    assert!(expected.steps.len() > 5, "a plan worth shuffling");
    for seed in 1..=1000 {
        let shuffled = sim.through(move |inner| Arc::new(Shuffled { inner, seed }));
        let wishes = shuffled.wishes_of(files(seed));
        let plan = match seed % 2 {
            0 => run(shuffled.plan_for(&wishes)),
            _ => many.block_on(shuffled.plan_for(&wishes)),
        };
        assert_eq!(plan.id(), expected.id(), "seed {seed}");
    }
}

fn stranger(name: &str) -> Body {
    Body::Volume(lessor_plans::VolumeBody {
        name: name.into(),
        driver: "local".into(),
        options: [].into(),
        labels: [].into(),
    })
}

/// The labels of a thing that is not ours: none, another installation's, a later version's, a copy.
fn look_alike(which: usize) -> BTreeMap<String, String> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let whole = |installation: &str, format: &str| {
        [
            label("lessor.mark", format),
            label("lessor.installation", installation),
            label("lessor.address", "container.c0"),
            label("lessor.origin", "file"),
            label("lessor.name", "somebody-else"),
        ]
        .into()
    };
    match which {
        0 => BTreeMap::new(),
        1 => whole("another-1", "lessor/1"),
        2 => whole(lessor_tests::INSTALLATION, "lessor/9"),
        _ => whole(lessor_tests::INSTALLATION, "lessor/1"),
    }
}

fn shuffle<T>(items: &mut [T], seed: usize) {
    let mut random = seed as u64 | 1;
    for end in (1..items.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        items.swap(end, usize::try_from(random % (end as u64 + 1)).unwrap());
    }
}

/// Passes everything on but the one thing a test is about.
macro_rules! passing_on {
    ($type:ty { $($own:item)* }) => {
        #[async_trait]
        impl Provider for $type {
            fn place(&self) -> &Address {
                self.inner.place()
            }
            async fn sight(&self, change: &Change) -> Sighting {
                self.inner.sight(change).await
            }
            fn compare(&self, desired: &Body, present: &Present) -> Transition {
                self.inner.compare(desired, present)
            }
            $($own)*
        }
    };
}

/// Counts what is changed.
struct Counted {
    inner: Arc<dyn Provider>,
    calls: Arc<AtomicUsize>,
}

passing_on!(Counted {
    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        self.inner.observe(wanted).await
    }
    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.apply(act, change).await
    }
});

/// Sees everything but one corner.
struct Blind {
    inner: Arc<dyn Provider>,
}

passing_on!(Blind {
    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let mut seen = self.inner.observe(wanted).await;
        seen.present.retain(|birth, _| birth.kind() != lessor_specs::Kind::Container);
        seen.gaps.push(Gap {
            place: self.place().clone(),
            what: "containers".into(),
            why: "connection reset".into(),
            hint: None,
        });
        seen
    }
    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.inner.apply(act, change).await
    }
});

/// Lists in another order each time.
struct Shuffled {
    inner: Arc<dyn Provider>,
    seed: usize,
}

passing_on!(Shuffled {
    async fn observe(&self, wanted: Wanting<'_>) -> Observation {
        let mut wanted = wanted.await;
        shuffle(&mut wanted, self.seed);
        let mut seen = self.inner.observe(wanting(wanted)).await;
        shuffle(&mut seen.strangers, self.seed);
        shuffle(&mut seen.oddities, self.seed);
        seen
    }
    async fn apply(&self, act: Act, change: &Change) -> Result<(), ApplyError> {
        self.inner.apply(act, change).await
    }
});
