//! Work in the background that every server does for itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lessor_store::{Ear, StoreError};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::{Problem, Services, webhooks};

/// How often audit events are sealed, and the applied revision is looked at.
const SEALED_EVERY: Duration = Duration::from_millis(500);

/// How long to wait before listening again, once that was lost. Meanwhile the database is asked.
const HEARD_AGAIN: Duration = Duration::from_secs(1);

/// How often it is written who was seen.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Work in the background. It ends when this is dropped.
#[derive(Debug)]
pub struct Background(Vec<JoinHandle<()>>);

impl Background {
    /// Begins it. The tenants of the applied specs are there once this returns: who serves after that
    /// knows them from the first call on.
    pub async fn start(services: &Services) -> Self {
        let declared = take_over(services, None).await;
        let sealing = tokio::spawn(seal(services.clone(), declared));
        let sweeping = tokio::spawn(sweep(services.clone()));
        let telling = tokio::spawn(webhooks::go_on(services.clone()));
        let hearing = tokio::spawn(hear(services.clone()));
        Background(vec![sealing, sweeping, telling, hearing])
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn seal(services: Services, mut declared: Option<u64>) {
    let mut ticks = interval(SEALED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = services.store.audit_seal().await {
            warn!(%error, "could not seal audit events");
        }
        declared = take_over(&services, declared).await;
    }
}

/// Takes over the tenants of a revision that is new to us; the one that was taken over last.
async fn take_over(services: &Services, known: Option<u64>) -> Option<u64> {
    match declare(services, known).await {
        Ok(revision) => Some(revision),
        Err(problem) => {
            warn!(kind = problem.kind().slug(), "could not take over tenants");
            known
        }
    }
}

/// Takes over the tenants of a revision that is new to us.
pub(crate) async fn declare(services: &Services, known: Option<u64>) -> Result<u64, Problem> {
    let catalogue = services.catalogue.read(&services.store).await?;
    if known != Some(catalogue.revision) {
        let is_new = services.store.tenant_declare(&catalogue.tenants()).await?;
        info!(revision = catalogue.revision, is_new, "took over the tenants of files");
    }
    Ok(catalogue.revision)
}

/// Hears at once of what other servers write, where the database can say so.
async fn hear(services: Services) {
    loop {
        match services.store.hear().await {
            Ok(None) => return,
            Ok(Some(ear)) => {
                let error = pass_on(&services, ear).await;
                warn!(%error, "hearing of other servers was lost, asking the database instead");
            }
            Err(error) => warn!(%error, "could not listen to other servers"),
        }
        sleep(HEARD_AGAIN).await;
    }
}

/// Passes on what is heard, for as long as anything can be.
async fn pass_on(services: &Services, mut ear: Ear) -> StoreError {
    services.hears.store(true, Ordering::Relaxed);
    let error = loop {
        // Also at first: whatever was written before was heard of by nobody.
        services.orders_moved.notify_one();
        services.machines_moved.notify_one();
        services.outbox_moved.notify_one();
        if let Err(error) = ear.heard().await {
            break error;
        }
    };
    services.hears.store(false, Ordering::Relaxed);
    services.orders_moved.notify_one();
    error
}

async fn sweep(services: Services) {
    let mut ticks = interval(SEEN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        services.limits.sweep();
        if let Err(error) = services.seen.flush(&services.store).await {
            warn!(%error, "could not write who was seen");
        }
    }
}
