//! Machines that are lent for a while: letting people in and out, cleaning, and looking whether they are
//! well.
//!
//! The database says what is due and who does it ([`MachineBooking`](lessor_store::MachineBooking)); here it is done, at
//! each machine for itself, since taking access away waits for nobody else. In reading order: when
//! ([`rounds`]), which machines there are ([`declare`]), how one is reached ([`reach`]), what is done at it
//! ([`work`]) and by which password one is let in ([`password`]), making it anew ([`anew`]), and looking after
//! those that are nobody's ([`probe`]).

mod anew;
mod declare;
mod password;
mod probe;
mod reach;
mod rounds;
mod work;

pub(crate) use password::password_of;
pub(crate) use work::account_name;

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{NewMachine, Store};
use tokio::sync::Mutex;

use crate::Estate;
use crate::reconcile::{Ground, LatestGround};

pub use rounds::Lending;

/// For how long a server has a machine to itself unless it says that it is still at it. One that dies
/// keeps others from taking access away for that long.
const TTL: Duration = Duration::from_secs(10);

/// How long to wait before something is tried again, at first. It doubles each time.
const TRIED_AGAIN: Duration = Duration::from_secs(2);

/// How long to wait at most: a machine that comes back is back in its pool by then.
const AT_MOST: Duration = Duration::from_mins(5);

/// Reaches the machines that operators applied last, and those that calls registered.
struct Machines {
    store: Store,
    estate: Estate,
    latest: LatestGround,
    /// The machines of files, as they were taken over before, and of which revision.
    taken_over: Mutex<Option<(u64, Vec<NewMachine>)>>,
}

impl Machines {
    fn new(store: Store, estate: Estate) -> Self {
        Machines { store, estate, latest: LatestGround::default(), taken_over: Mutex::default() }
    }

    /// What was applied last.
    async fn ground(&self) -> anyhow::Result<Arc<Ground>> {
        let ground = self.latest.read(&self.store, &self.estate).await?;
        ground.ok_or_else(|| anyhow!("nothing was applied yet"))
    }

    /// When to try again what failed so often in a row.
    fn again(&self, tries: u32) -> Timestamp {
        self.later(pause(tries))
    }

    fn later(&self, pause: Duration) -> Timestamp {
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        self.store.now().checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

/// How long to wait behind so many failures in a row.
fn pause(tries: u32) -> Duration {
    TRIED_AGAIN.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_for_ever() {
        let pauses = [0, 1, 2, 3, 7, 8, 9, u32::MAX].map(|tries| pause(tries).as_secs());
        assert_eq!(pauses, [2, 2, 4, 8, 128, 256, 300, 300]);
    }
}
