//! Carrying out plans that somebody had made and applied over HTTP.
//!
//! Who applies a plan only says so in the database. Some server then does it, under the leases of all
//! connections that it changes, exactly as `lessor apply PLANFILE` would. One that dies leaves the
//! plan to the next, which goes on from there: steps that are done are found done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use lessor_engine::{
    ApprovedPlan, Clock as _, Consent, FailureKind, Outcome, Registry, Stop, gate, settle,
};
use lessor_plans::Plan;
use lessor_specs::load::parse;
use lessor_specs::{Address, Specs, Tree};
use lessor_store::{Holder, KeptPlan, LeaseTerms, Leases, PlanPhase, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::carry::Carrier;
use crate::operations::plans::consent_of;
use crate::reconcile::connect;
use crate::{Estate, Services};

/// How often the database is asked for plans that are to be carried out: those that other servers
/// were told of, or left behind.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// How long a step that was begun may take once the server is to end.
const LAST_STEP: Duration = Duration::from_secs(20);

/// Plans being carried out in the background.
#[derive(Debug)]
pub struct Applying {
    stop: watch::Sender<Stop>,
    task: JoinHandle<()>,
}

impl Applying {
    /// Begins to carry out plans.
    pub fn start(services: &Services, estate: Estate) -> Self {
        let (stop, told) = watch::channel(Stop::No);
        let rounds = Rounds { services: services.clone(), estate, stop: told };
        Applying { stop, task: tokio::spawn(rounds.go_on()) }
    }

    /// Ends it, once the steps that were begun are finished. The rest is for another server, or for
    /// this one when it is started again.
    pub async fn finish(self) {
        self.stop.send_replace(Stop::Finish);
        let mut task = self.task;
        if timeout(LAST_STEP, &mut task).await.is_err() {
            warn!("a step of a plan took too long and was cut off");
            task.abort();
        }
    }
}

struct Rounds {
    services: Services,
    estate: Estate,
    stop: watch::Receiver<Stop>,
}

/// The files that a plan was made from, and their connections.
type Ground = (Tree, Registry);

/// What became of a plan.
enum Became {
    /// This, for good.
    Ended(PlanPhase, Option<String>),
    /// Nothing yet: it is for the next round, or for another server.
    Waits,
}

impl Rounds {
    async fn go_on(mut self) {
        while *self.stop.borrow() == Stop::No {
            if let Err(error) = self.round().await {
                warn!(%error, "could not read plans");
            }
            tokio::select! {
                () = self.services.plans_moved.notified() => {}
                () = sleep(ASKED_EVERY) => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        for id in self.services.store.plan_list_applying().await? {
            if *self.stop.borrow() != Stop::No {
                break;
            }
            // One that cannot be carried out now holds up no other.
            if let Err(error) = self.take_on(&id).await {
                error!(plan.id = id, why = format!("{error:#}"), "a plan is not carried out");
            }
        }
        Ok(())
    }

    async fn take_on(&self, id: &str) -> anyhow::Result<()> {
        if let Became::Ended(phase, why) = self.carry_out(id).await? {
            info!(plan.id = id, %phase, why, "a plan came to its end");
            self.services.store.plan_end(id, phase, why.as_deref()).await?;
            // What customers can have may be another thing now.
            self.services.orders_moved.notify_one();
        }
        Ok(())
    }

    async fn carry_out(&self, id: &str) -> anyhow::Result<Became> {
        let Some((plan, tree)) = self.services.store.plan_content(id).await? else {
            return Ok(Became::Waits);
        };
        let ground = self.connected(&plan, tree);
        let leases = match self.lease(&plan, ground.as_ref().ok()).await {
            Ok(leases) => leases,
            Err(error @ StoreError::Leased { .. }) => {
                info!(plan.id = id, %error, "a plan waits for others");
                return Ok(Became::Waits);
            }
            Err(error) => return Err(error.into()),
        };
        let became = self.under_lease(id, plan, ground, &leases).await;
        leases.release().await.context("could not give leases back")?;
        became
    }

    /// The connections of the files that it was made from.
    fn connected(&self, plan: &Plan, tree: Tree) -> anyhow::Result<Ground> {
        if plan.installation != self.estate.installation {
            return Err(anyhow!("it was made for installation `{}`", plan.installation));
        }
        let loaded = parse(tree).map_err(|report| anyhow!("{report}"))?;
        let mut specs: Arc<Specs> = loaded.specs;
        let (secrets, registry) = connect(&self.estate, &mut specs)?;
        // Nothing is begun that would stop half-way for want of a secret.
        if let Some((secret, why)) = secrets.unresolved().next() {
            return Err(anyhow!("`{secret}` is not to be had: {why}"));
        }
        Ok((loaded.tree, registry))
    }

    async fn lease(&self, plan: &Plan, ground: Option<&Ground>) -> Result<Leases, StoreError> {
        let store = &self.services.store;
        let mut places: BTreeSet<_> =
            plan.changes.iter().map(|change| change.place.clone()).collect();
        // Whoever comes to an end in full has settled what others left.
        let unsettled = store.journal_unsettled().await?.into_keys();
        let is_ours =
            |place: &Address| ground.is_some_and(|(_, registry)| registry.get(place).is_some());
        places.extend(unsettled.filter(is_ours));
        let places: Vec<_> = places.into_iter().collect();
        let holder = Holder::here("lessor serve, applying a plan");
        store.lease_acquire(&places, &holder, LeaseTerms::default(), &mut |_| {}).await
    }

    async fn under_lease(
        &self,
        id: &str,
        plan: Plan,
        ground: anyhow::Result<Ground>,
        leases: &Leases,
    ) -> anyhow::Result<Became> {
        let store = &self.services.store;
        // Another server may have done it while we waited for it.
        let Some(kept) =
            store.plan_show(id).await?.filter(|kept| kept.phase == PlanPhase::Applying)
        else {
            return Ok(Became::Waits);
        };
        let (tree, registry) = match &ground {
            Ok(ground) => ground,
            Err(why) => return self.not_done(id, PlanPhase::Failed, format!("{why:#}")).await,
        };
        let was_begun = store.plan_was_begun(id).await?;
        if let Some(until) = plan.valid_until.filter(|until| !was_begun && *until <= store.now()) {
            let why = format!("it was valid until {until}, when something fell due");
            return Ok(Became::Ended(PlanPhase::Stale, Some(why)));
        }
        let approved = match approved(&plan, &kept) {
            Ok(approved) => approved,
            Err(why) => return self.not_done(id, PlanPhase::Failed, why).await,
        };
        let stuck = settle(registry, leases.unsettled().await?.keys()).await;
        let stuck = stuck.iter().map(|(place, error)| {
            format!("what an earlier run wrote to `{place}` could not be made to work: {error}")
        });
        let stuck: Vec<_> = stuck.collect();
        let carrier = Carrier {
            store,
            leases,
            registry,
            is_settled: stuck.is_empty(),
            parallelism: self.estate.parallelism,
            stop: self.stop.clone(),
        };
        let (apply, approved) = match carrier.begin(approved, tree).await {
            Ok(begun) => begun,
            Err(error) if error.is_stale() => {
                return self.not_done(id, PlanPhase::Stale, error.to_string()).await;
            }
            Err(error) => return Err(error.into()),
        };
        store.plan_begun(id, &apply).await?;
        info!(plan.id = id, apply = apply.0, steps = plan.steps.len(), "carrying out a plan");
        let outcome = carrier.carry_out(&approved, &apply, mpsc::unbounded_channel().0).await?;
        Ok(match became(&plan, &outcome, was_begun) {
            Became::Ended(PlanPhase::Applied, _) if !stuck.is_empty() => {
                Became::Ended(PlanPhase::Partial, Some(stuck.join("; ")))
            }
            became => became,
        })
    }

    /// It cannot be begun (again): in part done, if an earlier run of it was cut off.
    async fn not_done(&self, id: &str, phase: PlanPhase, why: String) -> anyhow::Result<Became> {
        let was_begun = self.services.store.plan_was_begun(id).await?;
        let phase = if was_begun { PlanPhase::Partial } else { phase };
        Ok(Became::Ended(phase, Some(why)))
    }
}

/// The plan, if what was agreed to lets it through the gate.
fn approved(plan: &Plan, kept: &KeptPlan) -> Result<ApprovedPlan, String> {
    let consent: Consent = consent_of(plan.id(), kept.consent.as_deref())?;
    gate(plan.clone(), &consent).map_err(|held| format!("it is held at the gate: {}", held.whys()))
}

/// What a run came to. One that was stopped, or could not be remembered any more, goes on later.
fn became(plan: &Plan, outcome: &Outcome, was_begun: bool) -> Became {
    if outcome.is_complete() {
        return Became::Ended(PlanPhase::Applied, None);
    }
    if outcome.journal.is_some() || !outcome.stopped.is_empty() {
        return Became::Waits;
    }
    let is_stale = |kind| kind == FailureKind::Stale;
    let all_stale = outcome.failures.iter().all(|failure| is_stale(failure.kind));
    // The catalogue is written before the first step.
    let is_touched = was_begun || !outcome.done.is_empty() || !plan.catalogue.is_empty();
    let phase = match (is_touched, all_stale && !outcome.wrote) {
        (true, _) => PlanPhase::Partial,
        (false, true) => PlanPhase::Stale,
        (false, false) => PlanPhase::Failed,
    };
    let whys =
        outcome.failures.iter().map(|f| format!("step {} (`{}`): {}", f.step, f.address, f.why));
    Became::Ended(phase, Some(whys.collect::<Vec<_>>().join("; ")))
}
