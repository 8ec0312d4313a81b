//! Making what customers ordered so, without anybody watching.
//!
//! One [turn](Reconciler::turn) takes the steps that `lessor apply` takes: it looks at every host,
//! plans, asks the gate, journals and acts. It knows nothing of what happened before, and is told
//! nothing: whatever was begun and cut off, by us or by another server, shows when it looks. What
//! files declare counts as it was last applied, never as it lies in a directory by now, and only
//! what orders cause is carried out.
//!
//! An order settles when a look finds nothing left to do for it, not when a step says it is done. So
//! there is one way for what went well, what was made twice as fast by somebody else, and what a
//! dead server left behind.

mod act;
mod ground;
mod look;
mod make;
mod rounds;
mod settle;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use lessor_engine::{Scope, Stop};
use lessor_plans::{InstallationId, Plan, Taken};
use lessor_specs::{Address, OrderPhase, Specs};
use lessor_store::{Holder, LeaseTerms, Leases, Store, StoreError};
use tokio::sync::watch;

use act::Carried;

pub(crate) use ground::{Ground, LatestGround, connect};
pub(crate) use look::{Asked, look};
pub(crate) use make::{NotPlanned, make};
pub use rounds::Reconciling;

/// How often one turn looks: to see what there is to do, to see that it is done, and again where
/// somebody ordered meanwhile.
const LOOKS: usize = 4;

/// What an operator's configuration says about connections: where they lead instead.
pub type Redirect = Arc<dyn Fn(&mut Specs) -> anyhow::Result<()> + Send + Sync>;

/// An operator's installation, as far as specs do not say it.
#[derive(Clone)]
pub struct Estate {
    /// Whose things are ours.
    pub installation: InstallationId,
    /// Where relative paths of specs start.
    pub dir: PathBuf,
    /// How many steps of one host run at the same time.
    pub parallelism: usize,
    /// Puts other endpoints behind connections.
    pub redirect: Redirect,
}

/// Carries out what customers order.
pub struct Reconciler {
    store: Store,
    estate: Estate,
    /// What was applied last, as it was read before.
    ground: LatestGround,
    /// What others hold, as it was remembered before.
    taken: BTreeMap<Address, Taken>,
    /// How often providers said no to orders that were never carried out.
    refusals: BTreeMap<String, u32>,
    /// Up to which line of the journal each connection was settled.
    settled: BTreeMap<Address, i64>,
}

/// What one turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// No operator applied anything yet: there is nothing to order, and nowhere to put it.
    NothingApplied,
    /// Somebody else works on a connection.
    Busy(String),
    /// It was done.
    Done(Done),
}

/// What was done in a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many steps were carried out.
    pub steps: usize,
    /// Orders that came to another phase.
    pub settled: BTreeMap<String, OrderPhase>,
    /// Orders that wait, and for what.
    pub waiting: BTreeMap<String, String>,
    /// Why nothing was carried out although there was something to do.
    pub held: Option<String>,
    /// When something falls due.
    pub due: Option<Timestamp>,
    /// The version of each order that is not at rest, as it was seen last, or written since.
    pub seen: BTreeMap<String, u64>,
}

impl Reconciler {
    /// Of what a store remembers.
    pub fn new(store: Store, estate: Estate) -> Self {
        let (taken, refusals) = (BTreeMap::new(), BTreeMap::new());
        let (ground, settled) = (LatestGround::default(), BTreeMap::new());
        Reconciler { store, estate, ground, taken, refusals, settled }
    }

    /// Looks, carries out what orders cause, and says of each order how far it is. What is left is
    /// for the next turn; whatever happens in between, nothing is made twice.
    ///
    /// # Errors
    /// When the database does not answer, or what was applied cannot be used.
    pub async fn turn(&mut self, stop: &watch::Receiver<Stop>) -> anyhow::Result<Turn> {
        let Some(ground) = self.ground.read(&self.store, &self.estate).await? else {
            return Ok(Turn::NothingApplied);
        };
        let leases = match self.lease(&ground).await {
            Ok(leases) => leases,
            Err(error @ StoreError::Leased { .. }) => return Ok(Turn::Busy(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let done = self.under_lease(&ground, &leases, stop).await;
        let released = leases.release().await;
        let done = done?;
        released.context("could not give leases back")?;
        Ok(Turn::Done(done))
    }

    /// Looks for what differs from what was applied and ordered, and changes nothing. Orders that
    /// are being carried out do not count. `None` before anything was applied.
    ///
    /// # Errors
    /// As of [`Reconciler::turn`].
    pub async fn drift(&mut self) -> anyhow::Result<Option<Plan>> {
        self.plan(Scope::Settled).await
    }

    /// Looks at what would be done, as far as `scope` goes, and changes nothing. `None` before
    /// anything was applied.
    ///
    /// # Errors
    /// As of [`Reconciler::turn`].
    pub async fn plan(&mut self, scope: Scope) -> anyhow::Result<Option<Plan>> {
        let Some(ground) = self.ground.read(&self.store, &self.estate).await? else {
            return Ok(None);
        };
        Ok(Some(look(&self.store, &self.estate, &ground, scope.into()).await?.plan))
    }

    async fn under_lease(
        &mut self,
        ground: &Ground,
        leases: &Leases,
        stop: &watch::Receiver<Stop>,
    ) -> anyhow::Result<Done> {
        // First: what was removed and is not gone yet is seen by no look.
        let is_settled = self.settle_places(ground, leases).await?;
        let mut done = Done::default();
        for _ in 0..LOOKS {
            let look = look(&self.store, &self.estate, ground, Scope::Orders.into()).await?;
            done.seen = look.open.iter().map(|order| (order.id.clone(), order.version)).collect();
            done.waiting.clear();
            self.remember_taken(&look).await?;
            self.settle(&look, &mut done).await?;
            done.due = look.plan.valid_until;
            if !look.is_something_to_do() || *stop.borrow() != Stop::No {
                break;
            }
            match self.carry_out(&look, ground, leases, is_settled, stop).await? {
                Carried::Held(why) => {
                    done.held = Some(why);
                    break;
                }
                Carried::Overtaken => {}
                Carried::Out(outcome) => {
                    done.steps += outcome.done.len();
                    self.settle_failures(&look, &outcome, &mut done).await?;
                    if !outcome.failures.is_empty() || outcome.journal.is_some() {
                        break;
                    }
                }
            }
        }
        Ok(done)
    }

    /// Takes all connections, if nobody else has one.
    async fn lease(&self, ground: &Ground) -> Result<Leases, StoreError> {
        let places: Vec<_> =
            ground.registry.iter().map(|provider| provider.place().clone()).collect();
        let terms = LeaseTerms { timeout: Duration::ZERO, ..LeaseTerms::default() };
        let holder = Holder::here("lessor serve");
        self.store.lease_acquire(&places, &holder, terms, &mut |_| {}).await
    }

    /// Remembers what others hold, so that nobody is promised that who orders next.
    async fn remember_taken(&mut self, look: &look::Look) -> anyhow::Result<()> {
        for (place, seen) in look.world.observations() {
            let Some(taken) = Taken::of(seen) else { continue };
            if self.taken.get(place) != Some(&taken) {
                self.store.taken_write(place, &taken).await?;
                self.taken.insert(place.clone(), taken);
            }
        }
        Ok(())
    }
}
