//! What ran by the clock, and running it now.

use axum::Json;
use axum::extract::State;
use lessor_store::{JobOutcome, JobRun};
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Job, Problem, ProblemKind, Ran, Schedule, Services};

/// Which runs.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// Of this job only.
    job: Option<String>,
    /// How many items at most; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
}

/// A run of a job.
#[derive(Serialize, ToSchema)]
pub struct RunShown {
    /// The job.
    job: String,
    /// The time at which it was due.
    #[schema(format = DateTime)]
    due_at: String,
    /// How many times before it were missed, for which it stands too.
    skipped: u64,
    /// Who did it, or is at it.
    holder: String,
    /// How often it was begun.
    tries: u64,
    /// When it was last begun.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it ended; `null` while somebody is at it, or was killed.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// `done`, `failed`, or `running`.
    outcome: &'static str,
    /// What it said at its end.
    said: Option<String>,
}

/// A job that was run.
#[derive(Serialize, ToSchema)]
pub struct RanShown {
    /// The job.
    job: &'static str,
    /// `done`, or `failed`.
    outcome: &'static str,
    /// What it said at its end.
    said: String,
}

impl RunShown {
    /// As the API shows it.
    pub fn of(run: &JobRun) -> Self {
        let outcome = run.ended.map(|(_, outcome)| match outcome {
            JobOutcome::Done => "done",
            JobOutcome::Failed => "failed",
        });
        RunShown {
            job: run.job.clone(),
            due_at: run.due_at.to_string(),
            skipped: run.skipped,
            holder: run.holder.clone(),
            tries: run.tries,
            started_at: run.started_at.to_string(),
            ended_at: run.ended.map(|(at, _)| at.to_string()),
            outcome: outcome.unwrap_or("running"),
            said: run.said.clone(),
        }
    }
}

impl RanShown {
    /// As the API shows it, where it ran.
    ///
    /// # Errors
    /// Who is at it.
    pub fn of(job: Job, ran: Ran) -> Result<Self, String> {
        let (outcome, said) = match ran {
            Ran::Done(said) => ("done", said),
            Ran::Failed(why) => ("failed", why),
            Ran::NotDue => ("done", "it is not due".into()),
            Ran::Taken(holder) => return Err(holder),
        };
        Ok(RanShown { job: job.name(), outcome, said })
    }
}

/// What ran by the clock, the newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "operations", params(RunQuery), responses((status = 200, body = Page<RunShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<RunQuery>,
) -> Result<Json<Page<RunShown>>, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let RunQuery { job, limit, cursor } = query;
    let page = PageQuery { limit, cursor };
    let job: Option<Job> = job
        .map(|job| job.parse().map_err(|why: String| Problem::parameter("job", why)))
        .transpose()?;
    let (before, fetch) = (page.after_parsed()?, page.fetch()?);
    let runs = services.store.job_list(job.map(Job::name), before, fetch).await?;
    Ok(Json(page.page(runs, |run| run.id.to_string(), RunShown::of)?))
}

/// Runs a job now, whether it is due or not, and answers when it is done. Whoever runs it twice has it
/// done once: a job does what is due by now, and nothing else.
#[utoipa::path(post, path = "/v1/jobs/{job}/runs", tag = "operations", params(("job" = inline(Job), Path, description = "Which")), responses((status = 200, body = RanShown)))]
pub(crate) async fn run(
    State(services): State<Services>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Json<RanShown>, Problem> {
    caller.on_platform(Permission::OperationsWrite)?;
    let job: Job = job.parse().map_err(|_| Problem::not_found())?;
    let schedule = Schedule::of(&services, services.estate.clone());
    // It goes on when whoever asked for it hangs up.
    let ran = tokio::spawn(async move { schedule.run_now(job, &caller.name()).await });
    let failed = |why: String| {
        error!(job = job.name(), %why, "could not run a job");
        Problem::new(ProblemKind::Internal)
    };
    let ran = ran.await.map_err(|why| failed(why.to_string()))?;
    let ran = ran.map_err(|why| failed(format!("{why:#}")))?;
    let shown = RanShown::of(job, ran);
    Ok(Json(shown.map_err(|holder| {
        Problem::new(ProblemKind::NotNow).detail(format!("{holder} is at it"))
    })?))
}
