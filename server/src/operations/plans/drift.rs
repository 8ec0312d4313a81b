//! What differs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use lessor_plans::render::{self, Purpose, View};
use tokio::sync::Mutex;
use tracing::error;

use super::{estate, nothing_applied};
use crate::access::Permission;
use crate::{Caller, Problem, ProblemKind, Reconciler, Services};

/// For how long a look counts. A look asks every host, so that whoever asks for the same meanwhile
/// gets the same, and two who ask at once wait for one look.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// The last look.
#[derive(Default)]
pub(crate) struct Looks(Mutex<Option<Looked>>);

#[derive(Clone)]
struct Looked {
    at: Instant,
    text: Arc<str>,
}

/// What differs from what was applied last and ordered: as `lessor drift --format json` says it.
/// Orders that are being carried out do not count. Changes nothing. It is a few seconds old at most,
/// which `Age` says.
#[utoipa::path(get, path = "/v1/drift", tag = "operations", responses((status = 200, description = "What differs; `lessor schema --of plan` describes it", body = serde_json::Value)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let mut last = services.looks.0.lock().await;
    let looked = match last.take().filter(|looked| looked.at.elapsed() < COUNTS_FOR) {
        Some(looked) => looked,
        None => look(&services).await?,
    };
    *last = Some(looked.clone());
    let age = looked.at.elapsed().as_secs().to_string();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::AGE, age)];
    Ok((headers, Body::from(looked.text.to_string())))
}

async fn look(services: &Services) -> Result<Looked, Problem> {
    let estate = estate(services)?;
    let at = Instant::now();
    let mut reconciler = Reconciler::new(services.store.clone(), estate.clone());
    let plan = reconciler.drift().await.map_err(|why| {
        error!(why = format!("{why:#}"), "could not look at what there is");
        Problem::new(ProblemKind::Internal)
    })?;
    let plan = plan.ok_or_else(nothing_applied)?;
    Ok(Looked { at, text: render::json(&View::of(&plan, Purpose::Drift)).into() })
}
