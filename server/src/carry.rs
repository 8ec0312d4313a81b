//! Carrying out a plan under leases: what `lessor apply`, orders and plans over HTTP do alike.

use std::time::Duration;

use lessor_engine::{
    ApplyId, ApprovedPlan, Event, FailureKind, Outcome, Registry, Run, Stop, execute,
};
use lessor_specs::Tree;
use lessor_store::{Begin, Leases, Store, StoreError};
use tokio::sync::{mpsc, watch};

/// The longest one step may take: a large image over a slow line.
const STEP_DEADLINE: Duration = Duration::from_hours(1);

/// Carries out plans whose connections are leased.
pub struct Carrier<'c> {
    /// Where it is remembered.
    pub store: &'c Store,
    /// Of every connection that the plan changes.
    pub leases: &'c Leases,
    /// Who does it.
    pub registry: &'c Registry,
    /// Whether what earlier runs wrote there works. A run that came to its end in full would let
    /// everybody forget what does not.
    pub is_settled: bool,
    /// How many steps of one host run at the same time.
    pub parallelism: usize,
    /// Tells when to stop.
    pub stop: watch::Receiver<Stop>,
}

impl Carrier<'_> {
    /// Remembers that a plan begins, with all that has to be remembered before its first step. What
    /// is kept for a while says until when from then on.
    ///
    /// # Errors
    /// As of [`Store::apply_begin`].
    pub async fn begin(
        &self,
        approved: ApprovedPlan,
        tree: &Tree,
    ) -> Result<(ApplyId, ApprovedPlan), StoreError> {
        let begin = Begin::of(approved.plan(), approved.id(), tree);
        let apply = self.store.apply_begin(begin).await?;
        let approved = approved.dated(&self.store.keep_list().await?);
        Ok((apply, approved))
    }

    /// Carries out a run that began, and remembers how it ended.
    ///
    /// # Errors
    /// When that could not be remembered.
    pub async fn carry_out(
        &self,
        approved: &ApprovedPlan,
        apply: &ApplyId,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Outcome, StoreError> {
        let journal = self.leases.journal();
        let run = Run {
            apply: apply.clone(),
            registry: self.registry,
            journal: &journal,
            parallelism: self.parallelism,
            step_deadline: STEP_DEADLINE,
            stop: self.stop.clone(),
            events,
        };
        let outcome = execute(approved, &run).await;
        // Whoever listens hears no more from here on.
        drop(run);
        let ended = if self.is_settled { ending(&outcome) } else { lessor_store::Outcome::Failed };
        self.store.apply_end(apply, ended).await?;
        Ok(outcome)
    }
}

fn ending(outcome: &Outcome) -> lessor_store::Outcome {
    let failed = |kind| outcome.failures.iter().any(|failure| failure.kind == kind);
    if failed(FailureKind::Failed) || outcome.journal.is_some() {
        lessor_store::Outcome::Failed
    } else if failed(FailureKind::Stale) {
        lessor_store::Outcome::Stale
    } else if outcome.is_complete() {
        lessor_store::Outcome::Done
    } else {
        lessor_store::Outcome::Interrupted
    }
}
