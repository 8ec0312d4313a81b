//! What falls due by the clock.
//!
//! Every server ticks; the database decides. A [job](Job) is claimed for a time at which it is due,
//! by one server at a time, and what that one did is remembered. Where it dies, another takes over.

mod job;

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{CatchUp, Holder, JobClaim, JobHold, JobOutcome, JobTerms, Store};
use tokio::sync::Notify;
use tokio::time::{interval, sleep};
use tokio_cron_scheduler::{Job as Tick, JobScheduler, JobSchedulerError};
use tracing::{error, info, warn};

use crate::watch::Watching;
use crate::{Estate, Services};

pub use job::Job;

/// For how long a run is held when its holder does not renew it.
const TTL: Duration = Duration::from_secs(30);

/// How often a server asks whether a job is due.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// Jobs, and what they need.
#[derive(Clone)]
pub struct Schedule {
    store: Store,
    /// What is looked at; nothing where there is no configuration.
    estate: Option<Estate>,
    watching: Arc<Watching>,
    orders_moved: Option<Arc<Notify>>,
}

/// What asking for a job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It was run, and this is what there is to say.
    Done(String),
    /// It was run, and something is wrong.
    Failed(String),
    /// Somebody else is at it: who.
    Taken(String),
    /// It is not due.
    NotDue,
}

/// Jobs that are run when they are due, until this ends.
pub struct Ticking(JobScheduler);

impl Schedule {
    /// Of what a store remembers, to run jobs by hand.
    pub fn new(store: Store, estate: Option<Estate>) -> Self {
        let watching = Arc::new(Watching::new(estate.clone()));
        Schedule { store, estate, watching, orders_moved: None }
    }

    /// Of a server, which carries out what jobs say of orders.
    pub(crate) fn of(services: &Services, estate: Option<Estate>) -> Self {
        Schedule {
            store: services.store.clone(),
            estate,
            watching: services.watching.clone(),
            orders_moved: Some(services.orders_moved.clone()),
        }
    }

    /// Begins to run every job when it is due.
    ///
    /// # Errors
    /// When there can be no ticks.
    pub async fn start(services: &Services, estate: Option<Estate>) -> anyhow::Result<Ticking> {
        let schedule = Schedule::of(services, estate);
        let ticks = JobScheduler::new().await?;
        for job in Job::ALL {
            ticks.add(schedule.tick(services, job)?).await?;
        }
        ticks.start().await?;
        Ok(Ticking(ticks))
    }

    fn tick(&self, services: &Services, job: Job) -> Result<Tick, JobSchedulerError> {
        let schedule = self.clone();
        let services = services.clone();
        Tick::new_repeated_async(ASKED_EVERY, move |_, _| {
            let (schedule, services) = (schedule.clone(), services.clone());
            Box::pin(async move {
                let ran = schedule.run_due(job).await;
                if let Some(outcome) = outcome(&ran) {
                    services.metrics.count_job(job.name(), outcome);
                }
                match ran {
                    Ok(Ran::Done(said)) => info!(job = job.name(), %said, "ran a job"),
                    Ok(Ran::Failed(why)) => error!(job = job.name(), %why, "a job failed"),
                    Ok(Ran::Taken(_) | Ran::NotDue) => {}
                    Err(error) => warn!(job = job.name(), %error, "could not run a job"),
                }
            })
        })
    }

    /// Runs a job if it is due and nobody else is at it.
    ///
    /// # Errors
    /// When the database does not answer, or others took it over meanwhile.
    pub async fn run_due(&self, job: Job) -> anyhow::Result<Ran> {
        let holder = Holder::here("lessor serve");
        let claim = self.store.job_claim(self.terms(job, &holder), |last| job.next(last)).await?;
        self.run_claimed(job, claim).await
    }

    /// Runs a job now, whether it is due or not, unless somebody else is at it. `by` says who wants
    /// that.
    ///
    /// # Errors
    /// When the database does not answer, or others took it over meanwhile.
    pub async fn run_now(&self, job: Job, by: &str) -> anyhow::Result<Ran> {
        let holder = Holder::here(by);
        let claim = self.store.job_claim_now(self.terms(job, &holder)).await?;
        self.run_claimed(job, claim).await
    }

    fn terms<'a>(&self, job: Job, holder: &'a Holder) -> JobTerms<'a> {
        // A job that was never run is due at once.
        let since = self.store.now().checked_sub(job.every()).unwrap_or(Timestamp::MIN);
        JobTerms { job: job.name(), since, catch_up: CatchUp::Last, holder, ttl: TTL }
    }

    async fn run_claimed(&self, job: Job, claim: JobClaim) -> anyhow::Result<Ran> {
        let hold = match claim {
            JobClaim::Ours(hold) => hold,
            JobClaim::NotDue(_) => return Ok(Ran::NotDue),
            JobClaim::Taken { holder, .. } => return Ok(Ran::Taken(holder)),
        };
        let said = tokio::select! {
            said = self.run(job) => said,
            () = self.renewed(&hold) => Err(anyhow!("another server took it over")),
        };
        let (outcome, text) = match &said {
            Ok(text) => (JobOutcome::Done, text.clone()),
            Err(error) => (JobOutcome::Failed, format!("{error:#}")),
        };
        self.store.job_finish(&hold, outcome, Some(&text)).await?;
        Ok(if said.is_ok() { Ran::Done(text) } else { Ran::Failed(text) })
    }

    /// Gives a run more time, again and again, until others have it.
    async fn renewed(&self, hold: &JobHold) {
        let mut ticks = interval(TTL / 3);
        loop {
            ticks.tick().await;
            match self.store.job_renew(hold, TTL).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    warn!(job = hold.job, %error, "could not renew a job");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// How a run ended, if it was ours.
fn outcome(ran: &anyhow::Result<Ran>) -> Option<&'static str> {
    match ran {
        Ok(Ran::Done(_)) => Some("done"),
        Ok(Ran::Failed(_)) | Err(_) => Some("failed"),
        Ok(Ran::Taken(_) | Ran::NotDue) => None,
    }
}

impl Ticking {
    /// Ends it. A job that runs is cut off; whoever runs it next does what it left.
    ///
    /// # Errors
    /// When the ticks did not end.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.0.shutdown().await?)
    }
}

impl Job {
    /// The first time at which it is due after another: times are the same on every server.
    fn next(self, last: Timestamp) -> Option<Timestamp> {
        let every = self.every().as_secs();
        let next = last.as_second().div_euclid(every).checked_add(1)?.checked_mul(every)?;
        Timestamp::from_second(next).ok()
    }

    /// How often it is due.
    pub fn every(self) -> SignedDuration {
        match self {
            Job::Bill | Job::Sample | Job::Probe | Job::Welcome => SignedDuration::from_mins(1),
            Job::Drift => SignedDuration::from_mins(10),
            Job::Forget => SignedDuration::from_hours(1),
            Job::Audit | Job::Ledger | Job::Quota => SignedDuration::from_hours(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_fall_due_at_the_same_times_wherever_they_are_counted() {
        let next = |job: Job, last: &str| job.next(last.parse().unwrap()).unwrap().to_string();
        assert_eq!(next(Job::Bill, "2026-11-29T20:00:00Z"), "2026-11-29T20:01:00Z");
        assert_eq!(next(Job::Bill, "2026-11-29T20:00:59.999Z"), "2026-11-29T20:01:00Z");
        assert_eq!(next(Job::Drift, "2026-11-29T20:01:00Z"), "2026-11-29T20:10:00Z");
        assert_eq!(next(Job::Audit, "2026-11-29T20:01:00Z"), "2026-11-30T00:00:00Z");
    }
}
