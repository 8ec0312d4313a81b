//! What is done to an instance that runs, beside what its order says.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use lessor_billing::Mode;
use lessor_specs::OrderPhase;
use lessor_store::{Holder, LeaseTerms, Order, Store, StoreError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Found, untold};
use crate::access::Permission;
use crate::extract::{Json, Path, etag};
use crate::orders::{OrderShown, find, shown};
use crate::{Caller, Problem, ProblemKind, Services};

/// How long to wait for somebody else who works on the same connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    /// `restart`: it is stopped and started again.
    action: String,
}

/// Does something to an instance that runs.
#[utoipa::path(post, path = "/v1/instances/{instance}/actions", tag = "instances", params(("instance" = String, Path, description = "Its id: that of its order")), request_body = Action, responses((status = 200, body = OrderShown)))]
pub(crate) async fn act(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Json(wish): Json<Action>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesWrite).await?;
    if wish.action != "restart" {
        return Err(Problem::field("/action", "expected `restart`"));
    }
    if order.phase != OrderPhase::Active || order.mode() != Mode::Running {
        let detail = "only what is active and switched on can be started anew";
        return Err(Problem::new(ProblemKind::NotNow).detail(detail));
    }
    let found = services.watching.find(&services.store, &order).await?;
    // Who leaves does not take back what was begun.
    let (store, actor) = (services.store.clone(), caller.actor());
    let restarted = tokio::spawn(async move {
        let order = store.order_restart(&order.id, &actor).await?;
        restart(&store, &found).await.map(|()| order)
    });
    let order = restarted.await.map_err(|_| Problem::new(ProblemKind::Internal))??;
    answer(&services, &order).await
}

/// Stops an instance and starts it again, while nobody else works on its connection.
pub(crate) async fn restart(store: &Store, found: &Found) -> Result<(), Problem> {
    let holder = Holder::here("lessor serve");
    let terms = LeaseTerms { timeout: PATIENCE, ..LeaseTerms::default() };
    let places = [found.place.clone()];
    let leases = store.lease_acquire(&places, &holder, terms, &mut |_| {}).await;
    let leases = leases.map_err(|error| match error {
        StoreError::Leased { .. } => {
            let detail = "somebody else works on its host";
            Problem::new(ProblemKind::Unavailable).detail(detail).retry_after(PATIENCE)
        }
        error => error.into(),
    })?;
    let restarted = found.watch.watcher.restart(&found.thing).await;
    leases.release().await?;
    restarted.map_err(untold)
}

async fn answer(services: &Services, order: &Order) -> Result<impl IntoResponse + use<>, Problem> {
    let version = etag(i64::try_from(order.version).unwrap_or(i64::MAX));
    Ok((version, Answer(shown(services, order).await?)))
}
