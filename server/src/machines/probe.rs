//! Looking after machines that are nobody's.

use std::time::Duration;

use lessor_store::{ClaimedMachine, MachineEnd};

use super::Machines;
use super::work::NotDone;

/// How often a machine is looked at that is well.
const LOOKED_AT: Duration = Duration::from_mins(1);

impl Machines {
    /// Looks whether a machine is well, and answers what that came to.
    pub(super) async fn look_after(&self, claimed: &ClaimedMachine) -> MachineEnd {
        match self.is_well(claimed).await {
            Ok(()) => MachineEnd::Well { next_at: self.later(LOOKED_AT) },
            Err(not) => {
                let next_at = self.again(claimed.machine.tries);
                MachineEnd::Ill { why: not.into_why(), next_at }
            }
        }
    }

    async fn is_well(&self, claimed: &ClaimedMachine) -> Result<(), NotDone> {
        let machine = &claimed.machine;
        let reached = self.reach(&machine.name, &machine.pool).await?;
        // Whoever was let in by a run that was cut off, and forgotten with its database, goes.
        self.make_so(&machine.name, &reached, Vec::new()).await?;
        self.nobody_is_left(&machine.name, &reached).await
    }
}
