//! A pretend Docker Engine 20.10: API 1.41 over a machine without a kernel.
//!
//! A request goes one way: `router` finds what is asked, `call` takes it apart, and a module for
//! each theme answers out of the [`State`]. Time moves things on by itself: before each answer all
//! that is due has happened. What runs in containers are the few programs of `programs`.
//!
//! Not here: building, loading and committing images, copying files, plugins, and swarms; nothing
//! listens on a published port.

mod attach;
mod call;
mod containers;
mod events;
mod exec;
mod images;
mod networks;
mod programs;
mod refusal;
mod router;
mod state;
mod system;
mod volumes;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::http::{Outcome, Request, Site};
use crate::system::System;

pub use state::State;

/// How long is slept at most when nothing is due: a clock that stands still may be moved.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);

/// An engine that answers. Clones are the same engine.
#[derive(Clone, Debug)]
pub struct Docker {
    state: Arc<Mutex<State>>,
    /// The revision of the state; whoever waits for something looks again when it changes.
    revision: watch::Sender<u64>,
}

impl Docker {
    /// Lets this engine answer.
    pub fn new(state: State) -> Docker {
        let revision = watch::Sender::new(state.revision);
        Docker { state: Arc::new(Mutex::new(state)), revision }
    }

    /// All that it knows at this moment.
    pub fn state(&self) -> State {
        self.with(|state| state.clone())
    }

    /// Makes it know this instead.
    pub fn replace(&self, state: State) {
        self.with(|known| {
            let revision = known.revision + 1;
            *known = state;
            known.revision = revision;
        });
    }

    /// Looks at the state, or changes it, after all that is due has happened.
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.catch_up();
        let seen = look(&mut state);
        let revision = state.revision;
        drop(state);
        self.revision.send_if_modified(|known| {
            let changed = *known != revision;
            *known = revision;
            changed
        });
        seen
    }

    /// Waits until there is something to see.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut revisions = self.revision.subscribe();
        loop {
            revisions.borrow_and_update();
            let (seen, sleep) = self.with(|state| (look(state), until_due(state)));
            if let Some(seen) = seen {
                return seen;
            }
            tokio::select! {
                // The sender lives as long as this engine.
                _ = revisions.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a call that panicked left behind is still plain data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn until_due(state: &State) -> Duration {
    let due_ms = state.next_due().filter(|_| state.clock.stands_at_ms.is_none());
    let left = due_ms.map(|due_ms| due_ms.saturating_sub(state.now_ms()).max(1));
    left.map_or(LONGEST_SLEEP, Duration::from_millis).min(LONGEST_SLEEP)
}

#[async_trait]
impl Site for Docker {
    async fn answer(&self, request: Request) -> Outcome {
        router::answer(self, &request).await
    }
}

#[async_trait]
impl System for Docker {
    async fn dump(&self) -> serde_json::Value {
        // Plain data with text keys: this cannot fail.
        serde_json::to_value(self.state()).unwrap_or_default()
    }

    async fn load(&self, state: serde_json::Value) -> Result<(), String> {
        let state = serde_json::from_value(state).map_err(|error| error.to_string())?;
        self.replace(state);
        Ok(())
    }

    async fn advance(&self, by: Duration) {
        self.with(|state| {
            state.clock.advance(by);
            state.changed();
            state.catch_up();
        });
    }
}
