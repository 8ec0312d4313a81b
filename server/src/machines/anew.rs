//! Making a machine anew that is a container of ours.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow, bail};
use lessor_engine::{Consent, Selection, Stop, gate};
use lessor_specs::{Address, Kind};
use lessor_store::{Begin, ClaimedBooking, Holder, LeaseTerms};
use tokio::sync::{mpsc, watch};

use super::Machines;
use crate::Carrier;
use crate::reconcile::{Asked, look};

impl Machines {
    /// Replaces the container of a machine by one like it, as it was applied last. Nothing else is
    /// touched. Cut off anywhere, the next try begins again.
    pub(super) async fn make_anew(&self, claimed: &ClaimedBooking) -> anyhow::Result<()> {
        let ground = self.ground().await?;
        let booking = &claimed.booking;
        let address = Address::new(Kind::Machine, &*booking.machine);
        let declared = ground.specs.pool.get(&booking.pool).and_then(|pool| pool.docker.as_deref());
        let place = ground.specs.docker_of(declared).context("no engine is declared for it")?;
        let place = Address::new(Kind::Docker, place);
        let holder = Holder::here("lessor serve, cleaning a machine");
        let terms = LeaseTerms::default();
        let leases = self.store.lease_acquire(&[place], &holder, terms, &mut |_| {}).await?;
        let asked = Asked {
            selection: Selection {
                targets: vec![address.to_string().parse().map_err(|why| anyhow!("{why}"))?],
                ..Selection::default()
            },
            again: BTreeSet::from([address.clone()]),
            ..Asked::default()
        };
        let made = async {
            // Others may have waited for the host as well, and been faster.
            self.still_ours(claimed).await?;
            let look = look(&self.store, &self.estate, &ground, asked).await?;
            if look.plan.changes.is_empty() {
                let notes = look.plan.notes.iter().map(|note| note.text.as_str());
                let why = notes.collect::<Vec<_>>().join("; ");
                bail!("it cannot be made anew right now: {why}");
            }
            let consent = Consent::none(look.plan.id());
            let approved = gate(look.plan, &consent)
                .map_err(|held| anyhow!("it is held at the gate: {}", held.whys()))?;
            // Nobody applied anything: the revision stays as it is.
            let begin = Begin::of(approved.plan(), approved.id(), &ground.tree);
            let apply = self.store.apply_begin_orders(begin).await?;
            let carrier = Carrier {
                store: &self.store,
                leases: &leases,
                registry: &ground.registry,
                is_settled: leases.unsettled().await?.is_empty(),
                parallelism: self.estate.parallelism,
                stop: watch::channel(Stop::No).1,
            };
            let events = mpsc::unbounded_channel().0;
            let outcome = carrier.carry_out(&approved, &apply, events).await?;
            match outcome.failures.first() {
                None => Ok(()),
                Some(failure) => bail!("`{}`: {}", failure.address, failure.why),
            }
        };
        let made = made.await;
        leases.release().await.context("could not give leases back")?;
        made
    }
}
