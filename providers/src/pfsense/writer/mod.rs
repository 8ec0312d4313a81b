//! The one writer of a firewall.
//!
//! Edits are made one after the other, each subsystem is applied once behind them, and then all
//! that was touched is read again. Whoever comes while that goes on is served with the others who
//! do, so that many edits at once are few applies.

mod commit;
mod edit;
mod seen;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::client::Client;
use super::error::CallError;

pub use edit::{Change, Done, Edit, EditError, Place};
pub use seen::{Kept, Seen};

/// How long applying may take. A filter with thousands of rules is loaded within a minute.
const PATIENCE: Duration = Duration::from_mins(3);

/// The one writer of a firewall. There has to be only one, here and elsewhere; what others write
/// meanwhile is noticed as far as it undoes what this one wrote.
#[derive(Clone, Debug)]
pub struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Arc<Client>,
    patience: Duration,
    queue: Mutex<Vec<Pending>>,
    turn: tokio::sync::Mutex<()>,
}

/// Edits that wait for their turn.
#[derive(Debug)]
struct Pending {
    edits: Vec<Edit>,
    answer: oneshot::Sender<Committed>,
}

/// What became of edits.
#[derive(Clone, Debug)]
pub struct Committed {
    /// How each ended, in their order.
    pub outcomes: Vec<Result<Done, EditError>>,
    /// All that was touched, by them and by those made with them, as it is now.
    pub seen: Arc<Seen>,
}

impl Writer {
    /// The writer of that firewall.
    pub fn new(client: Arc<Client>) -> Self {
        Self::with_patience(client, PATIENCE)
    }

    /// The same, waiting only so long for each subsystem to be applied.
    pub fn with_patience(client: Arc<Client>, patience: Duration) -> Self {
        let (queue, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Writer(Arc::new(Inner { client, patience, queue, turn }))
    }

    /// The firewall.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Makes edits in their order, applies them, and looks what became of them. One that fails
    /// fails alone, unless the firewall takes none at all.
    ///
    /// They are made even if nobody waits for the answer any more. Repeating them does no harm
    /// but for a creation, which has to be looked for first.
    pub async fn batch(&self, edits: Vec<Edit>) -> Committed {
        let count = edits.len();
        let (answer, committed) = oneshot::channel();
        self.0.waiting(|queue| queue.push(Pending { edits, answer }));
        // Whoever gives up waiting must not take the edits of others with him.
        tokio::spawn(Arc::clone(&self.0).serve());
        committed.await.unwrap_or_else(|_| abandoned(count))
    }
}

impl Inner {
    /// Makes the edits of all who wait, if nobody did yet.
    async fn serve(self: Arc<Self>) {
        let _turn = self.turn.lock().await;
        let pending = self.waiting(std::mem::take);
        if pending.is_empty() {
            return;
        }
        let (mut edits, mut answers) = (Vec::new(), Vec::new());
        for Pending { edits: more, answer } in pending {
            answers.push((more.len(), answer));
            edits.extend(more);
        }
        let committed = commit::commit(&self.client, self.patience, edits).await;
        let mut outcomes = committed.outcomes.into_iter();
        for (count, answer) in answers {
            let outcomes = outcomes.by_ref().take(count).collect();
            let seen = Arc::clone(&committed.seen);
            // Nobody has to wait for it.
            let _ = answer.send(Committed { outcomes, seen });
        }
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut Vec<Pending>) -> T) -> T {
        with(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The runtime ended before the edits were made, or while.
fn abandoned(count: usize) -> Committed {
    let unknown = || CallError::Unknown {
        call: "a batch of edits".into(),
        why: "the program is ending".into(),
    };
    let outcomes = (0..count).map(|_| Err(EditError::Call(unknown()))).collect();
    Committed { outcomes, seen: Arc::default() }
}
