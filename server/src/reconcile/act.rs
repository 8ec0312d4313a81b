//! Carrying out what a look found to do.

use std::time::Duration;

use lessor_engine::{Consent, FailureKind, Held, Outcome, Run, Stop, execute, gate};
use lessor_plans::Origin;
use lessor_specs::OrderPhase;
use lessor_store::{Begin, Leases};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::ground::Ground;
use super::look::Look;
use super::{Reconciler, settle};

/// The longest one step may take: a large image over a slow line.
const STEP_DEADLINE: Duration = Duration::from_hours(1);

/// What became of a plan.
pub(super) enum Carried {
    /// It was not begun, and somebody should look.
    Held(String),
    /// It came too late: others were given the same, or something was applied.
    Overtaken,
    /// It was carried out, in full or in part.
    Out(Outcome),
}

impl Reconciler {
    /// Where a run was cut off or gave up, what it wrote is made to work, once for each such run; whether
    /// it is.
    pub(super) async fn settle_places(
        &mut self,
        ground: &Ground,
        leases: &Leases,
    ) -> anyhow::Result<bool> {
        let mut unsettled = leases.unsettled().await?;
        unsettled.retain(|place, last| self.settled.get(place).is_none_or(|until| until < last));
        let stuck = lessor_engine::settle(&ground.registry, unsettled.keys()).await;
        for (place, error) in &stuck {
            warn!(%place, %error, "what a run wrote could not be made to work");
            unsettled.remove(place);
        }
        self.settled.extend(unsettled);
        Ok(stuck.is_empty())
    }

    pub(super) async fn carry_out(
        &self,
        look: &Look,
        ground: &Ground,
        leases: &Leases,
        is_settled: bool,
        stop: &watch::Receiver<Stop>,
    ) -> anyhow::Result<Carried> {
        if let Some(why) = &look.missing {
            warn!(%why, "orders wait for a secret");
            return Ok(Carried::Held(why.clone()));
        }
        let consent = Consent::none(look.plan.id());
        let approved = match gate(look.plan.clone(), &consent) {
            Ok(approved) => approved,
            Err(held) => {
                let why = reasons(&held);
                warn!(plan.id = %held.plan, %why, "orders are held at the gate");
                return Ok(Carried::Held(why));
            }
        };
        self.begin_orders(look).await?;
        let begin = Begin::of(&look.plan, approved.id(), &ground.tree);
        let apply = match self.store.apply_begin_orders(begin).await {
            Ok(apply) => apply,
            Err(error) if error.is_stale() => {
                info!(%error, "planned too late, planning again");
                return Ok(Carried::Overtaken);
            }
            Err(error) => return Err(error.into()),
        };
        let steps = look.plan.steps.len();
        info!(plan.id = %approved.id(), apply = apply.0, steps, "carrying out orders");
        let journal = leases.journal();
        let run = Run {
            apply: apply.clone(),
            registry: &ground.registry,
            journal: &journal,
            parallelism: self.estate.parallelism,
            step_deadline: STEP_DEADLINE,
            stop: stop.clone(),
            events: mpsc::unbounded_channel().0,
        };
        let outcome = execute(&approved, &run).await;
        // A run that came to its end in full would let everybody forget what is not settled.
        let ended = if is_settled { ending(&outcome) } else { lessor_store::Outcome::Failed };
        self.store.apply_end(&apply, ended).await?;
        Ok(Carried::Out(outcome))
    }

    /// Says of every order that waits and for which something is done now that it is begun.
    async fn begin_orders(&self, look: &Look) -> anyhow::Result<()> {
        for order in look.open.iter().filter(|order| order.phase == OrderPhase::Pending) {
            let origin = Origin::Order(order.id.clone());
            if look.plan.changes.iter().any(|change| change.origin == origin) {
                settle::unless_moved(self.store.order_begin(&order.id).await)?;
            }
        }
        Ok(())
    }
}

fn reasons(held: &Held) -> String {
    held.rules.iter().map(|rule| rule.why.as_str()).collect::<Vec<_>>().join("; ")
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
