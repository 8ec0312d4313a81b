//! `lessor jobs`: what falls due by the clock.

mod remote;
mod store;

use lessor_server::Job;
use serde_json::Value;

use crate::administration::{JobsCommand, Where};
use crate::args::Common;
use crate::commands::serve::estate;
use crate::exit::{Exit, Failed};
use crate::keeper::Keeper;
use crate::rows::{Row, row, show, text};

/// Who runs jobs. Everything is answered as the API shows it.
trait Jobs {
    async fn runs(&self, job: Option<Job>, limit: u32) -> anyhow::Result<Vec<Value>>;
    /// Runs a job, and answers how it ended.
    async fn run(&self, job: Job) -> anyhow::Result<Value>;
}

pub(crate) async fn run(common: &Common, command: &JobsCommand) -> anyhow::Result<Exit> {
    let place = place(command);
    match place.keeper(common).await? {
        Keeper::Store(store) => {
            let estate = estate(common, &place.dir)?;
            act(&store::Here { store, estate }, command).await
        }
        Keeper::Server(client) => act(&client, command).await,
    }
}

fn place(command: &JobsCommand) -> &Where {
    match command {
        JobsCommand::List { place, .. } | JobsCommand::Run { place, .. } => place,
    }
}

async fn act(keeper: &impl Jobs, command: &JobsCommand) -> anyhow::Result<Exit> {
    match command {
        JobsCommand::List { job, limit, place } => {
            let runs = keeper.runs(*job, *limit).await?;
            show(place.format, runs.into_iter().map(run_row))
        }
        JobsCommand::Run { job, place } => {
            let ran = keeper.run(*job).await?;
            let said = text(&ran, "said");
            if ran["outcome"] == "failed" {
                let message = format!("job `{}` failed: {said}", job.name());
                return Err(Failed::new(message).into());
            }
            show(place.format, [row([said], ran)])
        }
    }
}

fn run_row(run: Value) -> Row {
    row(["job", "due_at", "outcome", "said"].map(|field| text(&run, field)), run)
}
