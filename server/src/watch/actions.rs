//! What is done to an instance that runs, beside what its order says.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use lessor_billing::Mode;
use lessor_engine::WatchError;
use lessor_specs::OrderPhase;
use lessor_store::{Holder, LeaseTerms, Order, Store, StoreError};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Found, untold};
use crate::access::Permission;
use crate::extract::{Json, Path, etag};
use crate::orders::{OrderShown, find, shown};
use crate::{Caller, Problem, ProblemKind, Services};

/// How long to wait for somebody else who works on the same connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long starting one anew may take.
const RESTARTING: Duration = Duration::from_mins(5);

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
    let (store, actor) = (services.store.clone(), caller.actor());
    let first = async move { store.order_restart(&order.id, &actor).await.map(Some) };
    let order = restart(&services.store, found, first).await?.ok_or_else(Problem::not_found)?;
    answer(&services, &order).await
}

/// Why an instance was not started anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRestarted {
    /// Somebody else works on its connection.
    #[error("somebody else works on its host")]
    Leased,
    /// It may not be, or the database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its host did not do it.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// It broke off.
    #[error("it broke off")]
    Broken,
}

/// Stops an instance and starts it again, while nobody else works on its connection, and behind what
/// is done `first`, unless that says that it should not. Who leaves does not take back what was
/// begun: it goes on to its end.
pub(crate) async fn restart<T: Send + 'static>(
    store: &Store,
    found: Found,
    first: impl Future<Output = Result<Option<T>, StoreError>> + Send + 'static,
) -> Result<Option<T>, NotRestarted> {
    let store = store.clone();
    let restarting = tokio::spawn(async move {
        let holder = Holder::here("lessor serve");
        let terms = LeaseTerms { timeout: PATIENCE, ..LeaseTerms::default() };
        let places = [found.place.clone()];
        let leases = store.lease_acquire(&places, &holder, terms, &mut |_| {}).await;
        let leases = leases.map_err(|error| match error {
            StoreError::Leased { .. } => NotRestarted::Leased,
            error => error.into(),
        })?;
        let done = restart_alone(&found, first).await;
        let released = leases.release().await;
        let done = done?;
        released?;
        Ok(done)
    });
    restarting.await.unwrap_or(Err(NotRestarted::Broken))
}

async fn restart_alone<T>(
    found: &Found,
    first: impl Future<Output = Result<Option<T>, StoreError>>,
) -> Result<Option<T>, NotRestarted> {
    let Some(told) = first.await? else { return Ok(None) };
    let restarted = timeout(RESTARTING, found.watch.watcher.restart(&found.thing)).await;
    let late = || WatchError::Unanswered("starting it anew took too long".into());
    restarted.unwrap_or_else(|_| Err(late()))?;
    Ok(Some(told))
}

impl From<NotRestarted> for Problem {
    fn from(why: NotRestarted) -> Self {
        match why {
            NotRestarted::Leased => Problem::new(ProblemKind::Unavailable)
                .detail("somebody else works on its host")
                .retry_after(PATIENCE),
            NotRestarted::Store(error) => error.into(),
            NotRestarted::Watch(error) => untold(error),
            NotRestarted::Broken => Problem::new(ProblemKind::Internal),
        }
    }
}

async fn answer(services: &Services, order: &Order) -> Result<impl IntoResponse + use<>, Problem> {
    let version = etag(i64::try_from(order.version).unwrap_or(i64::MAX));
    Ok((version, Answer(shown(services, order).await?)))
}
