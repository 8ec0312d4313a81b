//! What every call needs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lessor_store::Store;
use tokio::sync::Notify;

use crate::auth::{Passwords, Seen};
use crate::catalogue::CatalogueCache;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::operations::plans::Looks;
use crate::orders::QuoteKey;
use crate::watch::{Streams, Watching};
use crate::{Estate, Settings};

/// What every call needs. Cheap to clone.
///
/// What is added to the server gets its field here.
#[derive(Clone)]
pub struct Services(Arc<Parts>);

/// The parts of [`Services`].
pub struct Parts {
    /// Everything remembered.
    pub store: Store,
    /// What the operator chose.
    pub settings: Settings,
    pub(crate) passwords: Passwords,
    pub(crate) seen: Seen,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) catalogue: CatalogueCache,
    pub(crate) quote_key: QuoteKey,
    pub(crate) watching: Arc<Watching>,
    pub(crate) streams: Streams,
    /// Told when somebody did something that may have changed an order.
    pub(crate) orders_moved: Arc<Notify>,
    /// Told when somebody did something that may have changed a reservation.
    pub(crate) machines_moved: Arc<Notify>,
    /// Told when somebody had a plan applied.
    pub(crate) plans_moved: Arc<Notify>,
    /// What is looked at; nothing where there is no configuration.
    pub(crate) estate: Option<Estate>,
    pub(crate) looks: Looks,
    /// Told when others may have to be told of something.
    pub(crate) outbox_moved: Arc<Notify>,
    /// Whether we are told of what other servers write.
    pub(crate) hears: AtomicBool,
}

impl Services {
    /// On a database that is ready to be written, without hosts to look at.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn new(store: Store, settings: Settings) -> Result<Self, StartError> {
        Services::looking_at(None, store, settings)
    }

    /// As [`Services::new`], with what is looked at when somebody asks what differs.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn looking_at(
        estate: Option<Estate>,
        store: Store,
        settings: Settings,
    ) -> Result<Self, StartError> {
        Ok(Services(Arc::new(Parts {
            passwords: Passwords::new(settings.hashing)?,
            seen: Seen::default(),
            limits: Limits::new(settings.calls_per_second),
            metrics: Metrics::default(),
            catalogue: CatalogueCache::default(),
            quote_key: QuoteKey::default(),
            watching: Arc::new(Watching::new(estate.clone())),
            streams: Streams::default(),
            orders_moved: Arc::default(),
            machines_moved: Arc::default(),
            plans_moved: Arc::default(),
            estate,
            looks: Looks::default(),
            outbox_moved: Arc::default(),
            hears: AtomicBool::new(false),
            store,
            settings,
        })))
    }
}

/// A server that was to start, and why it cannot.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct StartError {
    why: String,
}

impl StartError {
    pub(crate) fn new(why: &str) -> Self {
        StartError { why: why.to_owned() }
    }
}

impl std::ops::Deref for Services {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("settings", &self.settings).finish_non_exhaustive()
    }
}
