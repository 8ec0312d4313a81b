//! When something is done at machines.

use std::sync::Arc;
use std::time::Duration;

use lessor_engine::Clock as _;
use lessor_store::{BookingAct, BookingEnd, ClaimedBooking, ClaimedMachine};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tracing::{debug, error, info, warn};

use super::{Machines, TTL};
use crate::{Estate, Services};

/// How often the database is asked what is due. What comes through this server is done at once.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How long to wait where that failed.
const TRIED_AGAIN: Duration = Duration::from_secs(5);

/// How long to wait at least.
const AT_LEAST: Duration = Duration::from_millis(20);

/// The same of one that is looked at: nobody waits for that.
const LOOKS: Duration = Duration::from_mins(2);

/// At how many machines something is done at the same time.
const AT_ONCE: usize = 64;

/// How long what was begun may take once the server is to end.
const LAST_STEP: Duration = Duration::from_secs(20);

/// Machines that are looked after in the background.
#[derive(Debug)]
pub struct Lending {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Rounds {
    services: Services,
    machines: Arc<Machines>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    /// When it was last looked which machines there are.
    declared_at: Option<Instant>,
    has_pools: bool,
}

impl Lending {
    /// Begins to look after machines.
    pub fn start(services: &Services, estate: Estate) -> Self {
        let (stop, told) = watch::channel(false);
        let machines = Arc::new(Machines::new(services.store.clone(), estate));
        let (services, tasks) = (services.clone(), JoinSet::new());
        let rounds =
            Rounds { services, machines, stop: told, tasks, declared_at: None, has_pools: false };
        Lending { stop, task: tokio::spawn(rounds.go_on()) }
    }

    /// Ends it, once what was begun is finished. What takes too long is cut off: any server goes on
    /// from there.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if timeout(LAST_STEP, &mut task).await.is_err() {
            warn!("something at a machine took too long and was cut off");
            task.abort();
        }
    }
}

impl Rounds {
    async fn go_on(mut self) {
        while !*self.stop.borrow() {
            let pause = match self.begin_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    error!(why = format!("{error:#}"), "machines are not looked after");
                    TRIED_AGAIN
                }
            };
            tokio::select! {
                () = self.services.machines_moved.notified() => {}
                () = sleep(pause) => {}
                _ = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                _ = self.stop.changed() => {}
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Begins what is due, as far as there is room; how long nothing will be.
    async fn begin_due(&mut self) -> anyhow::Result<Duration> {
        while self.tasks.try_join_next().is_some() {}
        let store = &self.services.store;
        // All there are are read for that: too much to be done whenever one of them is through.
        if self.declared_at.is_none_or(|at| at.elapsed() >= ASKED_EVERY) {
            self.has_pools = self.machines.declare().await?;
            self.declared_at = Some(Instant::now());
        }
        if !self.has_pools {
            return Ok(ASKED_EVERY);
        }
        let room = AT_ONCE.saturating_sub(self.tasks.len());
        if room == 0 {
            return Ok(ASKED_EVERY);
        }
        let due = store.booking_claim(room, TTL).await?;
        let room = room - due.len();
        for claimed in due {
            self.tasks.spawn(at_booking(self.services.clone(), self.machines.clone(), claimed));
        }
        for claimed in store.machine_claim(room, LOOKS).await? {
            self.tasks.spawn(at_machine(self.machines.clone(), claimed));
        }
        let next = store.booking_due().await?;
        let next = next.and_then(|at| at.duration_since(store.now()).try_into().ok());
        Ok(next.unwrap_or(ASKED_EVERY).clamp(AT_LEAST, ASKED_EVERY))
    }
}

/// Does what is to be done at a machine of a reservation, for as long as that is ours to do.
async fn at_booking(services: Services, machines: Arc<Machines>, claimed: ClaimedBooking) {
    let store = &services.store;
    let end = tokio::select! {
        end = machines.carry_out(&claimed) => end,
        () = renewed(&machines, &claimed) => {
            let machine = &claimed.booking.machine;
            return warn!(machine, "another server took it over");
        }
    };
    let (machine, act) = (&claimed.booking.machine, claimed.act);
    match &end {
        BookingEnd::Done => info!(machine, ?act, "done at a machine"),
        BookingEnd::Failed { why, .. } => warn!(machine, ?act, %why, "not done at a machine"),
    }
    match store.booking_step(&claimed, &end).await {
        Ok(true) if end == BookingEnd::Done && act == BookingAct::Revoke => {
            let lag = store.now().duration_since(claimed.booking.window.end);
            services.metrics.count_revocation(lag.as_secs_f64().max(0.0));
        }
        Ok(true) => {}
        Ok(false) => debug!(machine, "it was to be something else meanwhile"),
        Err(error) => warn!(machine, %error, "could not write down what was done"),
    }
    services.machines_moved.notify_one();
}

/// Says again and again that we are at it, until others are.
async fn renewed(machines: &Machines, claimed: &ClaimedBooking) {
    let mut ticks = interval_at(Instant::now() + TTL / 3, TTL / 3);
    loop {
        ticks.tick().await;
        match machines.store.booking_renew(claimed, TTL).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => warn!(%error, "could not say that we are at a machine"),
        }
    }
}

async fn at_machine(machines: Arc<Machines>, claimed: ClaimedMachine) {
    let end = machines.look_after(&claimed).await;
    let machine = &claimed.machine.name;
    if let Err(error) = machines.store.machine_step(&claimed, &end).await {
        warn!(machine, %error, "could not write down how a machine is");
    }
}
