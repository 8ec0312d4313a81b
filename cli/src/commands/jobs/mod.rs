//! `lessor jobs`: what falls due by the clock.

use lessor_server::{Job, Ran, Schedule};
use lessor_store::{JobOutcome, JobRun};
use serde_json::{Value, json};

use crate::administration::JobsCommand;
use crate::args::Common;
use crate::commands::people::{open, show};
use crate::commands::serve::estate;
use crate::exit::{Exit, Failed};
use crate::output;

pub(crate) async fn run(common: &Common, command: &JobsCommand) -> anyhow::Result<Exit> {
    match command {
        JobsCommand::List { job, limit, place } => {
            let store = open(common, place).await?;
            let runs = store.job_list(job.map(Job::name), *limit).await?;
            show(place.format, runs.iter().map(row))
        }
        JobsCommand::Run { job, place } => {
            let store = open(common, place).await?;
            let schedule = Schedule::new(store, estate(common, &place.dir)?);
            let said = match schedule.run_now(*job).await? {
                Ran::Done(said) => said,
                Ran::Failed(why) => {
                    let message = format!("job `{}` failed: {why}", job.name());
                    return Err(Failed::new(message).into());
                }
                Ran::Taken(holder) => {
                    let message = format!("job `{}` is being run by {holder}", job.name());
                    let hint = "wait until it is done: `lessor jobs list` says so";
                    return Err(Failed::new(message).hint(hint).into());
                }
                Ran::NotDue => "it is not due".into(),
            };
            output::print(&format!("{said}\n"))?;
            Ok(Exit::Done)
        }
    }
}

fn row(run: &JobRun) -> (Vec<String>, Value) {
    let outcome = |outcome| match outcome {
        JobOutcome::Done => "done",
        JobOutcome::Failed => "failed",
    };
    let ended = run.ended.map_or("running", |(_, ended)| outcome(ended));
    let said = run.said.clone().unwrap_or_default();
    let line = vec![run.job.clone(), run.due_at.to_string(), ended.to_owned(), said];
    let value = json!({
        "job": run.job, "due_at": run.due_at, "skipped": run.skipped, "holder": run.holder,
        "tries": run.tries, "started_at": run.started_at,
        "ended_at": run.ended.map(|(at, _)| at), "outcome": ended, "said": run.said,
    });
    (line, value)
}
