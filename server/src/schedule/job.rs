//! The jobs there are, and what each does.

use std::str::FromStr;

use anyhow::{anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_plans::Action;
use lessor_store::{JobOutcome, JobRun, Welcome};
use tracing::warn;
use utoipa::ToSchema;

use super::Schedule;
use crate::{Reconciler, watch};

/// How long it is remembered what a request with a certain key was answered.
const KEYS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How long runs of jobs, plans, and sessions that ended, are remembered: long enough to tell that a
/// refresh token was used before.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);

/// How many orders of new tenants are tried in one run: the rest is for the next.
const WELCOMED_AT_ONCE: u32 = 1000;

/// How many runs are looked through for the last one that was good.
const RUNS: u32 = 50;

/// Work that falls due by the clock. Every one can be run late, twice, or by two at once, and does
/// the same: what was missed is made up for by the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Job {
    /// Writes and pays every line of a bill that is due, and warns, suspends and ends who does not
    /// pay.
    Bill,
    /// Remembers what every instance uses.
    Sample,
    /// Looks whether every instance that should run is well, and starts anew what is not, a few
    /// times.
    Probe,
    /// Looks for what differs from what was applied and ordered. Changes nothing.
    Drift,
    /// Recomputes every sum of the ledger.
    Ledger,
    /// Counts anew what orders take of quotas, and puts right what was counted otherwise.
    Quota,
    /// Holds every audit event against its seal, and the chain against its head as it was the last
    /// time, so that none is missing at the end.
    Audit,
    /// Places the orders that came with new tenants and were not placed at once.
    Welcome,
    /// Forgets what nobody needs any more: sessions that ended, keys of old requests, runs of jobs,
    /// plans.
    Forget,
}

impl Job {
    /// Every job.
    pub const ALL: [Job; 9] = [
        Job::Bill,
        Job::Sample,
        Job::Probe,
        Job::Drift,
        Job::Ledger,
        Job::Quota,
        Job::Audit,
        Job::Welcome,
        Job::Forget,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Job::Bill => "bill",
            Job::Sample => "sample",
            Job::Probe => "probe",
            Job::Drift => "drift",
            Job::Ledger => "ledger",
            Job::Quota => "quota",
            Job::Audit => "audit",
            Job::Welcome => "welcome",
            Job::Forget => "forget",
        }
    }
}

impl FromStr for Job {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Job::ALL.into_iter().find(|job| job.name() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Job::ALL.into_iter().map(Job::name).collect();
            format!("the jobs are {}", names.join(", "))
        })
    }
}

impl Schedule {
    /// Does what a job is about, and answers with what there is to say.
    pub(super) async fn run(&self, job: Job) -> anyhow::Result<String> {
        match job {
            Job::Bill => self.bill().await,
            Job::Sample => watch::sample(&self.store, &self.watching).await,
            Job::Probe => watch::probe(&self.store, &self.watching).await,
            Job::Drift => self.drift().await,
            Job::Ledger => self.ledger().await,
            Job::Quota => self.quota().await,
            Job::Audit => self.audit().await,
            Job::Welcome => self.welcome().await,
            Job::Forget => self.forget().await,
        }
    }

    async fn bill(&self) -> anyhow::Result<String> {
        if self.store.revision_latest().await?.is_none() {
            return Ok("nothing was applied yet".into());
        }
        let now = self.store.now();
        let metered = self.store.usage_meter(now).await?;
        let changed = self.store.usage_dun(now).await?;
        if let Some(orders_moved) = self.orders_moved.as_ref().filter(|_| changed > 0) {
            orders_moved.notify_one();
        }
        let (orders, lines, owing) = (metered.orders, metered.lines, metered.owing);
        Ok(format!("{orders} orders, {lines} lines, {owing} owing, {changed} dunned"))
    }

    async fn drift(&self) -> anyhow::Result<String> {
        let Some(estate) = &self.estate else {
            return Ok("there is no configuration, so there is nothing to look at".into());
        };
        let mut reconciler = Reconciler::new(self.store.clone(), estate.clone());
        let Some(plan) = reconciler.drift().await? else {
            return Ok("nothing was applied yet".into());
        };
        let count = |action| plan.changes.iter().filter(|c| c.action == action).count();
        let (missing, changed) = (count(Action::Create), count(Action::Update));
        let (replaced, left) = (count(Action::Replace), count(Action::Delete));
        let gaps = plan.gaps.len();
        Ok(format!(
            "{missing} missing, {} changed, {left} left over, {gaps} unreachable",
            changed + replaced
        ))
    }

    async fn ledger(&self) -> anyhow::Result<String> {
        let report = self.store.ledger_verify().await?;
        if let Some(fault) = report.faults.first() {
            bail!("{} faults, the first: {fault}", report.faults.len());
        }
        Ok(format!("{} transactions, {} wallets", report.transactions, report.wallets))
    }

    async fn quota(&self) -> anyhow::Result<String> {
        let (tenants, wrong) = self.store.quota_recount().await?;
        for miscount in &wrong {
            warn!(?miscount, "what a tenant takes of its quota was counted otherwise");
        }
        Ok(format!("{tenants} tenants, {} put right", wrong.len()))
    }

    async fn audit(&self) -> anyhow::Result<String> {
        let verdict = self.store.audit_verify().await?;
        if let Some(broken) = verdict.broken {
            return Err(anyhow!("broken at link {}: {}", broken.link, broken.why));
        }
        if let Some((link, hash)) = self.last_head().await?
            && self.store.audit_link(link).await?.as_ref() != Some(&hash)
        {
            bail!("link {link}, the head of the chain before, is gone or another");
        }
        Ok(format!("head {}:{}", verdict.sealed, verdict.head))
    }

    async fn welcome(&self) -> anyhow::Result<String> {
        let (mut placed, mut waiting, mut given_up) = (0, 0, 0);
        for tenant in self.store.welcome_list(WELCOMED_AT_ONCE).await? {
            match self.store.welcome_place(&tenant).await? {
                Welcome::Placed(_) => placed += 1,
                Welcome::Waits(_) => waiting += 1,
                Welcome::GivenUp(why) => {
                    warn!(%why, "gave up the order of a new tenant");
                    given_up += 1;
                }
            }
        }
        if let Some(orders_moved) = self.orders_moved.as_ref().filter(|_| placed > 0) {
            orders_moved.notify_one();
        }
        Ok(format!("{placed} placed, {waiting} waiting, {given_up} given up"))
    }

    /// The head of the chain when it was last found good.
    async fn last_head(&self) -> anyhow::Result<Option<(i64, String)>> {
        let runs = self.store.job_list(Some(Job::Audit.name()), None, RUNS).await?;
        let done = |run: &&JobRun| matches!(run.ended, Some((_, JobOutcome::Done)));
        let said = runs.iter().find(done).and_then(|run| run.said.as_deref());
        let head = said.and_then(|said| said.strip_prefix("head ")?.split_once(':'));
        let head = head.and_then(|(link, hash)| Some((link.parse().ok()?, hash.to_owned())));
        // Before the first event there is no link.
        Ok(head.filter(|(link, _)| *link > 0))
    }

    async fn forget(&self) -> anyhow::Result<String> {
        let now = self.store.now();
        let before = |kept| now.checked_sub(kept).unwrap_or(Timestamp::MIN);
        let keys = self.store.idempotency_forget(before(KEYS_KEPT)).await?;
        let runs = self.store.job_forget(before(KEPT)).await?;
        let sessions = self.store.session_sweep(before(KEPT)).await?;
        let told = self.store.outbox_forget(before(KEPT)).await?;
        let plans = self.store.plan_forget(before(KEPT)).await?;
        Ok(format!(
            "{keys} keys of requests, {runs} runs, {sessions} sessions, {told} events told, {plans} \
             plans"
        ))
    }
}
