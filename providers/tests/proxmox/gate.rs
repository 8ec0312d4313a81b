//! A door in front of a system that counts who comes, and can be shut in anybody's face.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lessor_sandbox::Weather;
use lessor_sandbox::http::{Habits, Outcome, Request, Site};
use tokio::sync::Notify;

/// The door.
pub(crate) struct Gate {
    inner: Arc<Weather>,
    came: AtomicUsize,
    shut: Mutex<Option<usize>>,
    pub(crate) reached: Notify,
}

impl Gate {
    pub(crate) fn new(inner: Arc<Weather>) -> Self {
        Gate { inner, came: AtomicUsize::new(0), shut: Mutex::new(None), reached: Notify::new() }
    }

    /// Counts anew. Whoever comes with that number is let in and hears nothing any more, and who
    /// comes later is not let in.
    pub(crate) fn shut_after(&self, at: Option<usize>) {
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
            Some(at) if number == at => {
                self.inner.answer(request).await;
                self.reached.notify_one();
                Outcome::HungUp
            }
            // The caller is gone by then.
            Some(at) if number > at => Outcome::HungUp,
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
