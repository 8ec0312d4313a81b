//! Jobs of a database, run by this command.

use lessor_server::shown::{RanShown, RunShown};
use lessor_server::{Estate, Job, Schedule};
use lessor_store::Store;
use serde_json::Value;

use super::Jobs;
use crate::exit::Failed;
use crate::keeper::value;

/// A database, and what is looked at from here.
pub(super) struct Here {
    pub(super) store: Store,
    pub(super) estate: Option<Estate>,
}

impl Jobs for Here {
    async fn runs(&self, job: Option<Job>, limit: u32) -> anyhow::Result<Vec<Value>> {
        let runs = self.store.job_list(job.map(Job::name), None, limit).await?;
        Ok(runs.iter().map(|run| value(&RunShown::of(run))).collect())
    }

    async fn run(&self, job: Job) -> anyhow::Result<Value> {
        let schedule = Schedule::new(self.store.clone(), self.estate.clone());
        let ran = schedule.run_now(job, "lessor jobs run").await?;
        let shown = RanShown::of(job, ran).map_err(|holder| {
            let message = format!("job `{}` is being run by {holder}", job.name());
            let hint = "wait until it is done: `lessor jobs list` says so";
            Failed::new(message).hint(hint)
        })?;
        Ok(value(&shown))
    }
}
