//! When sessions and keys were last used: kept here, and written once in a while, so that looking
//! changes nothing and a thousand calls are one write.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lessor_store::{KeyId, SessionId, Store, StoreError};

#[derive(Default)]
pub(crate) struct Seen(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    sessions: BTreeMap<SessionId, Timestamp>,
    keys: BTreeMap<KeyId, Timestamp>,
}

impl Seen {
    pub(crate) fn note(&self, session: Option<&SessionId>, key: Option<&KeyId>) {
        let now = Timestamp::now();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = session {
            noted.sessions.insert(session.clone(), now);
        }
        if let Some(key) = key {
            noted.keys.insert(key.clone(), now);
        }
    }

    /// Writes what was noted. What cannot be written is lost, and nobody misses it.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        store.session_seen(&noted.sessions.into_iter().collect::<Vec<_>>()).await?;
        store.key_seen(&noted.keys.into_iter().collect::<Vec<_>>()).await
    }
}
