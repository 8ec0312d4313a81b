//! When a turn is taken.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use lessor_engine::{Clock as _, Stop};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, info, warn};

use super::{Estate, Reconciler, Turn};
use crate::Services;

/// How often the database is asked whether an order changed. One that changes through this server
/// is carried out at once; this is for what others wrote, where it does not tell us.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// The same, where it tells us.
const ASKED_ANYWAY: Duration = Duration::from_secs(30);

/// How often everything is looked at although no order changed: something may have changed outside,
/// or fallen due.
const LOOKED_EVERY: Duration = Duration::from_mins(1);

/// How long to wait before orders that could not be carried out are tried again, at first. It
/// doubles each time, up to [`LOOKED_EVERY`].
const TRIED_AGAIN: Duration = Duration::from_secs(1);

/// After a look that came to nothing there is a rest of so many times what it took, since those who order
/// need the same cores.
const RESTS: u32 = 3;

/// The longest such rest.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How long to wait at least.
const AT_LEAST: Duration = Duration::from_millis(20);

/// How long a step that was begun may take once the server is to end.
const LAST_STEP: Duration = Duration::from_secs(20);

/// Orders being carried out in the background.
#[derive(Debug)]
pub struct Reconciling {
    stop: watch::Sender<Stop>,
    /// As long as this is there.
    wanted: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Orders that are not at rest, each with its version, to tell whether it changed.
type Open = BTreeMap<String, u64>;

struct Rounds {
    services: Services,
    reconciler: Reconciler,
    stop: watch::Receiver<Stop>,
    /// What was left after the last turn.
    left: Open,
    /// When the next turn is taken, whatever happens.
    next: Instant,
    /// When the next turn is taken at the earliest.
    rests_until: Instant,
    pause: Duration,
    is_waiting_for_apply: bool,
}

impl Reconciling {
    /// Begins to carry out orders.
    pub fn start(services: &Services, estate: Estate) -> Self {
        let (stop, told) = watch::channel(Stop::No);
        let rounds = Rounds {
            services: services.clone(),
            reconciler: Reconciler::new(services.store.clone(), estate),
            stop: told,
            left: Open::new(),
            next: Instant::now(),
            rests_until: Instant::now(),
            pause: TRIED_AGAIN,
            is_waiting_for_apply: false,
        };
        let (wanted, unwanted) = oneshot::channel::<()>();
        let runtime = Handle::current();
        // To plan for thousands of orders takes a while, in which a thread that serves calls would not.
        let task = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = rounds.go_on() => {}
                    _ = unwanted => {}
                }
            });
        });
        Reconciling { stop, wanted, task }
    }

    /// Ends it, once what was begun is finished. What takes too long is cut off: the next turn of
    /// any server goes on from there.
    pub async fn finish(self) {
        self.stop.send_replace(Stop::Finish);
        let mut task = self.task;
        if timeout(LAST_STEP, &mut task).await.is_err() {
            warn!("a step took too long and was cut off");
            drop(self.wanted);
        }
    }
}

impl Rounds {
    async fn go_on(mut self) {
        while *self.stop.borrow() == Stop::No {
            if Instant::now() >= self.rests_until {
                match self.is_due().await {
                    Ok(true) => self.turn().await,
                    Ok(false) => {}
                    Err(error) => warn!(%error, "could not read orders"),
                }
            }
            tokio::select! {
                () = self.services.orders_moved.notified() => {}
                () = sleep(self.pause_now()) => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    /// How long to wait if nobody says anything.
    fn pause_now(&self) -> Duration {
        let rest = self.rests_until.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            return rest;
        }
        let hears = self.services.hears.load(Ordering::Relaxed);
        let asked = if hears { ASKED_ANYWAY } else { ASKED_EVERY };
        // Whatever the database is to say, there is a time for the next turn.
        let next = self.next.saturating_duration_since(Instant::now()).max(AT_LEAST);
        asked.min(next)
    }

    async fn is_due(&self) -> Result<bool, lessor_store::StoreError> {
        if Instant::now() >= self.next {
            return Ok(true);
        }
        let open = self.services.store.order_versions_open().await?;
        Ok(open.iter().any(|(id, version)| self.left.get(id) != Some(version)))
    }

    async fn turn(&mut self) {
        let began = Instant::now();
        let turn = self.reconciler.turn(&self.stop).await;
        // Orders that come while nothing can be done for them are looked at together, and not each
        // for itself: looking takes what serving those who order needs.
        let is_idle = matches!(&turn, Ok(Turn::Done(done)) if done.steps == 0);
        if is_idle {
            self.rests_until = Instant::now() + (began.elapsed() * RESTS).min(LONGEST_REST);
        }
        let is_soon = match turn {
            Ok(Turn::Done(done)) => {
                debug!(steps = done.steps, settled = done.settled.len(), "took a turn");
                self.is_waiting_for_apply = false;
                self.left = done.seen;
                if done.waiting.is_empty() && done.held.is_none() {
                    self.pause = TRIED_AGAIN;
                    self.next = Instant::now() + self.until(done.due);
                    return;
                }
                false
            }
            Ok(Turn::Busy(why)) => {
                debug!(%why, "somebody else is at it");
                true
            }
            Ok(Turn::NothingApplied) => {
                if !std::mem::replace(&mut self.is_waiting_for_apply, true) {
                    info!("nothing was applied yet: orders wait for the first `lessor apply`");
                }
                true
            }
            Err(why) => {
                error!(why = format!("{why:#}"), "orders are not carried out");
                false
            }
        };
        if is_soon {
            self.pause = TRIED_AGAIN;
        }
        self.next = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LOOKED_EVERY);
    }

    /// How long nothing has to be looked at, if nothing changes.
    fn until(&self, due: Option<Timestamp>) -> Duration {
        let now = self.services.store.now();
        let left = due.and_then(|due| due.duration_since(now).try_into().ok());
        left.unwrap_or(LOOKED_EVERY).clamp(TRIED_AGAIN, LOOKED_EVERY)
    }
}
