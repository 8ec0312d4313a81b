//! Stopping a run at any of its points, as `kill -9` would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use lessor_engine::{ApplyError, Entry, Journal, JournalError, Phase, Provider, Wanting};
use lessor_plans::{Act, Body, Change, Observation, Present, Sighting, Transition};
use lessor_specs::Address;
use tokio::sync::Notify;

use crate::{Remembered, Sim};

/// Counts the points of a run and stops it at one of them.
#[derive(Clone)]
pub struct Crash {
    inner: Arc<Inner>,
}

struct Inner {
    at: usize,
    passed: AtomicUsize,
    happened: AtomicBool,
    notify: Notify,
}

impl Crash {
    /// At the point of this number, counted from 0.
    pub fn at(point: usize) -> Self {
        let inner = Inner {
            at: point,
            passed: AtomicUsize::new(0),
            happened: AtomicBool::new(false),
            notify: Notify::new(),
        };
        Crash { inner: Arc::new(inner) }
    }

    /// Whether it came so far.
    pub fn happened(&self) -> bool {
        self.inner.happened.load(Ordering::SeqCst)
    }

    /// Whether this is the point; from then on nothing goes on any more.
    async fn point(&self) -> bool {
        if self.happened() {
            std::future::pending::<()>().await;
        }
        let this = self.inner.passed.fetch_add(1, Ordering::SeqCst) == self.inner.at;
        if this {
            self.inner.happened.store(true, Ordering::SeqCst);
        }
        this
    }

    async fn stop(&self) -> ! {
        self.inner.notify.notify_one();
        std::future::pending().await
    }

    /// Comes to these specs, unless the crash comes first. Answers whether it was completed.
    pub async fn apply(&self, sim: &Sim, text: &str) -> bool {
        let crash = self.clone();
        let fragile = sim.through(move |inner| Arc::new(Fragile { inner, crash: crash.clone() }));
        let wishes = fragile.wishes(text);
        let plan = fragile.plan_for(&wishes).await;
        let journal = FragileJournal { inner: sim.memory.clone(), crash: self.clone() };
        tokio::select! {
            biased;
            () = self.inner.notify.notified() => false,
            outcome = fragile.carry_out(&wishes.specs, plan, &journal) => {
                assert!(outcome.is_complete(), "{outcome:#?}");
                true
            }
        }
    }
}

/// A provider that may be cut off before a call, in the middle of it, and before its answer.
struct Fragile {
    inner: Arc<dyn Provider>,
    crash: Crash,
}

#[async_trait]
impl Provider for Fragile {
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
        if self.crash.point().await {
            self.crash.stop().await;
        }
        if self.crash.point().await {
            if let Some(half) = half(act, change) {
                let _ = self.inner.apply(act, &half).await;
            }
            self.crash.stop().await;
        }
        let answer = self.inner.apply(act, change).await;
        if self.crash.point().await {
            self.crash.stop().await;
        }
        answer
    }
}

/// A container that is made and not started; a removal that only stopped it.
fn half(act: Act, change: &Change) -> Option<Change> {
    let mut half = change.clone();
    let body = match act {
        Act::Create | Act::Update => half.after.as_mut(),
        Act::Delete => None,
    };
    body?.container_mut()?.running = false;
    Some(half)
}

/// A journal that may be cut off before a line, in the middle of it, and behind it.
struct FragileJournal {
    inner: Remembered,
    crash: Crash,
}

#[async_trait]
impl Journal for FragileJournal {
    async fn record(&self, entry: &Entry) -> Result<(), JournalError> {
        if self.crash.point().await {
            self.crash.stop().await;
        }
        // A line is written whole or not at all: that is what the store's transactions are for.
        let result = self.inner.record(entry).await;
        if entry.phase != Phase::Started && self.crash.point().await {
            self.crash.stop().await;
        }
        result
    }
}
