//! What is done with an order that was placed.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use lessor_specs::ByteSize;
use lessor_store::{Order, OrderChange, Reason};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{OrderShown, check_offer, find, shown};
use crate::access::Permission;
use crate::extract::{IfMatch, Json, Path, etag};
use crate::{Caller, Problem, Services};

/// Another size, or another offer. What is not said stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resize {
    /// Another offer, as it is sold now.
    offer: Option<String>,
    /// Cores.
    cpu: Option<u32>,
    /// Memory.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$")]
    memory: Option<ByteSize>,
    /// Disk.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$")]
    disk: Option<ByteSize>,
}

/// A reason against an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspension {
    /// `abuse`, `security` or `admin`.
    #[schema(pattern = "^(abuse|security|admin)$")]
    reason: String,
    /// What happened, which its customer can read.
    #[schema(min_length = 1, max_length = 1000)]
    why: String,
}

/// Whether an instance is to run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Power {
    /// Whether it is to run.
    running: bool,
}

/// Gives an order another size: within the quota, where there is room, and if there is money for
/// the rest of its hour.
#[utoipa::path(patch, path = "/v1/orders/{order}", tag = "orders", params(("order" = String, Path, description = "Its id"), ("If-Match" = String, Header, pattern = "^\"[0-9]+\"$", description = "The `ETag` of what is changed")), request_body = Resize, responses((status = 200, body = OrderShown)))]
pub(crate) async fn resize(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(change): Json<Resize>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersWrite).await?;
    if let Some(offer) = &change.offer {
        check_offer(offer)?;
    }
    let Resize { offer, cpu, memory, disk } = change;
    let change = OrderChange { offer, cpu, memory, disk };
    let seen = u64::try_from(version).unwrap_or_default();
    let store = &services.store;
    let order = store.order_resize(&order.id, Some(seen), &change, &caller.actor()).await?;
    answer(&services, &order).await
}

/// Ends an order: it is stopped, its data is kept until `retain_until`, and then all of it goes.
#[utoipa::path(delete, path = "/v1/orders/{order}", tag = "orders", params(("order" = String, Path, description = "Its id")), responses((status = 200, body = OrderShown)))]
pub(crate) async fn end(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersWrite).await?;
    let order = services.store.order_terminate(&order.id, None, &caller.actor()).await?;
    answer(&services, &order).await
}

/// Suspends an order for a reason, beside those there are. The platform does that.
#[utoipa::path(post, path = "/v1/orders/{order}/suspensions", tag = "orders", params(("order" = String, Path, description = "Its id")), request_body = Suspension, responses((status = 200, body = OrderShown)))]
pub(crate) async fn suspend(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Json(suspension): Json<Suspension>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersRead).await?;
    caller.on_platform(Permission::OrdersWrite)?;
    let reason = given_reason(&suspension.reason)
        .ok_or_else(|| Problem::field("/reason", "expected `abuse`, `security` or `admin`"))?;
    let why = &suspension.why;
    if !(1..=1_000).contains(&why.chars().count()) {
        return Err(Problem::field("/why", "expected 1 to 1000 characters"));
    }
    let store = &services.store;
    let order = store.order_suspend(&order.id, reason, why, &caller.actor()).await?;
    answer(&services, &order).await
}

/// Takes away a reason against an order. It runs again when that was the last one.
#[utoipa::path(delete, path = "/v1/orders/{order}/suspensions/{reason}", tag = "orders", params(("order" = String, Path, description = "Its id"), ("reason" = String, Path, description = "`abuse`, `security` or `admin`")), responses((status = 200, body = OrderShown)))]
pub(crate) async fn resume(
    State(services): State<Services>,
    caller: Caller,
    Path((id, reason)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersRead).await?;
    caller.on_platform(Permission::OrdersWrite)?;
    let reason = given_reason(&reason).ok_or_else(Problem::not_found)?;
    let order = services.store.order_resume(&order.id, reason, &caller.actor()).await?;
    answer(&services, &order).await
}

/// Switches an instance on or off, for as long as its customer wishes.
#[utoipa::path(put, path = "/v1/instances/{instance}/power", tag = "instances", params(("instance" = String, Path, description = "Its id: that of its order")), request_body = Power, responses((status = 200, body = OrderShown)))]
pub(crate) async fn power(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Json(power): Json<Power>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesWrite).await?;
    let store = &services.store;
    let order = store.order_power(&order.id, None, power.running, &caller.actor()).await?;
    answer(&services, &order).await
}

/// A reason that people give. Being overdue is found by the calendar, and ends by paying.
fn given_reason(text: &str) -> Option<Reason> {
    text.parse().ok().filter(|reason| *reason != Reason::Overdue)
}

async fn answer(services: &Services, order: &Order) -> Result<impl IntoResponse + use<>, Problem> {
    let version = etag(i64::try_from(order.version).unwrap_or(i64::MAX));
    Ok((version, Answer(shown(services, order).await?)))
}
