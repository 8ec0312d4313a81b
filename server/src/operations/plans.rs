//! What would be done, and what differs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use lessor_engine::Scope;
use lessor_plans::render::{self, Purpose, View};
use tokio::sync::Mutex;
use tracing::error;

use crate::access::Permission;
use crate::{Caller, Problem, ProblemKind, Reconciler, Services};

/// For how long a look counts. A look asks every host, so that whoever asks for the same meanwhile
/// gets the same, and two who ask at once wait for one look.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// The last looks.
#[derive(Default)]
pub(crate) struct Looks {
    plan: Mutex<Option<Looked>>,
    drift: Mutex<Option<Looked>>,
}

#[derive(Clone)]
struct Looked {
    at: Instant,
    text: Arc<str>,
}

/// What would be done to make everything as it was applied last and as customers ordered: as
/// `lessor plan --format json` says it. Changes nothing. It is a few seconds old at most, which
/// `Age` says.
#[utoipa::path(get, path = "/v1/plans", tag = "operations", responses((status = 200, description = "The plan; `lessor schema --of plan` describes it", body = serde_json::Value)))]
pub(crate) async fn plan(
    State(services): State<Services>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    shown(&services, &services.looks.plan, (Scope::All, Purpose::Plan)).await
}

/// What differs from what was applied last and ordered: as `lessor drift --format json` says it.
/// Orders that are being carried out do not count. Changes nothing.
#[utoipa::path(get, path = "/v1/drift", tag = "operations", responses((status = 200, description = "What differs; `lessor schema --of plan` describes it", body = serde_json::Value)))]
pub(crate) async fn drift(
    State(services): State<Services>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    shown(&services, &services.looks.drift, (Scope::Settled, Purpose::Drift)).await
}

async fn shown(
    services: &Services,
    last: &Mutex<Option<Looked>>,
    what: (Scope, Purpose),
) -> Result<impl IntoResponse + use<>, Problem> {
    let mut last = last.lock().await;
    let looked = match last.take().filter(|looked| looked.at.elapsed() < COUNTS_FOR) {
        Some(looked) => looked,
        None => look(services, what).await?,
    };
    *last = Some(looked.clone());
    let age = looked.at.elapsed().as_secs().to_string();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::AGE, age)];
    Ok((headers, Body::from(looked.text.to_string())))
}

async fn look(services: &Services, (scope, purpose): (Scope, Purpose)) -> Result<Looked, Problem> {
    let Some(estate) = &services.estate else {
        let detail = "this server has no configuration, so there is nothing to look at";
        return Err(Problem::new(ProblemKind::NotNow).detail(detail));
    };
    let at = Instant::now();
    let mut reconciler = Reconciler::new(services.store.clone(), estate.clone());
    let plan = reconciler.plan(scope).await.map_err(|why| {
        error!(why = format!("{why:#}"), "could not look at what there is");
        Problem::new(ProblemKind::Internal)
    })?;
    let plan = plan.ok_or_else(|| {
        let detail = "nothing was applied yet: run `lessor apply` first";
        Problem::new(ProblemKind::NotNow).detail(detail)
    })?;
    Ok(Looked { at, text: render::json(&View::of(&plan, purpose)).into() })
}
