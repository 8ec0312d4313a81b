//! A door in front of a system that counts who comes, and can be shut in anybody's face.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lessor_sandbox::Weather;
use lessor_sandbox::http::{Habits, Outcome, Request, Site};
use tokio::sync::Notify;

/// When a caller is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Before the request has done anything.
    Before,
    /// After it was done, and before anybody heard of it.
    After,
}

/// The door.
pub(crate) struct Gate {
    inner: Arc<Weather>,
    came: AtomicUsize,
    shut: Mutex<Option<(usize, Side)>>,
    pub(crate) reached: Notify,
}

impl Gate {
    pub(crate) fn new(inner: Arc<Weather>) -> Self {
        Gate { inner, came: AtomicUsize::new(0), shut: Mutex::new(None), reached: Notify::new() }
    }

    /// Counts anew, and answers nobody from the one with that number on.
    pub(crate) fn shut_at(&self, at: Option<(usize, Side)>) {
        self.came.store(0, Ordering::SeqCst);
        *self.shut.lock().unwrap() = at;
    }
}

#[async_trait]
impl Site for Gate {
    async fn answer(&self, request: Request) -> Outcome {
        let number = self.came.fetch_add(1, Ordering::SeqCst);
        let shut = *self.shut.lock().unwrap();
        match shut {
            Some((at, side)) if number == at => {
                if side == Side::After {
                    self.inner.answer(request).await;
                }
                self.reached.notify_one();
                Outcome::HungUp
            }
            // The caller is gone by then.
            Some((at, _)) if number > at => Outcome::HungUp,
            _ => self.inner.answer(request).await,
        }
    }

    fn in_clear(&self, request: &Request) -> Outcome {
        self.inner.in_clear(request)
    }

    fn habits(&self) -> Habits {
        self.inner.habits()
    }
}
