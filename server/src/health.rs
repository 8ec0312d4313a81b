//! Whether the server lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Problem, Services};

/// It is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the server lives. Asks nobody else.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// It can serve.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ok`.
    status: &'static str,
    /// The revision that operators applied last, against which orders are carried out; `null` before
    /// the first `lessor apply`, when there is nothing to order.
    revision: Option<u64>,
}

/// Whether the server can serve: the database answers. Says what was applied last.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Readiness)))]
pub(crate) async fn ready(State(services): State<Services>) -> Result<Json<Readiness>, Problem> {
    let revision = services.store.revision_latest().await?.map(|revision| revision.number);
    Ok(Json(Readiness { status: "ok", revision }))
}
