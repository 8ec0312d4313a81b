//! Carrying out what a look found to do.

use lessor_engine::{Consent, Outcome, Stop, gate};
use lessor_plans::Origin;
use lessor_specs::OrderPhase;
use lessor_store::{Begin, Leases};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::ground::Ground;
use super::look::Look;
use super::{Reconciler, settle};
use crate::Carrier;

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
                let why = held.whys();
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
        let carrier = Carrier {
            store: &self.store,
            leases,
            registry: &ground.registry,
            is_settled,
            parallelism: self.estate.parallelism,
            stop: stop.clone(),
        };
        let outcome = carrier.carry_out(&approved, &apply, mpsc::unbounded_channel().0).await?;
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
