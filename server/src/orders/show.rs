//! Looking at orders.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use lessor_specs::OrderPhase;
use lessor_store::{OrderEvent, OrderFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{OrderShown, find, shown};
use crate::access::Permission;
use crate::extract::{Path, Query, etag};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// Which orders.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderQuery {
    /// Of this tenant. Only the platform may leave it out, and a key of a tenant.
    tenant: Option<String>,
    /// Called so.
    name: Option<String>,
    /// In this phase.
    #[param(
        pattern = "^(pending|provisioning|active|updating|suspended|terminating|terminated|canceled|failed|reconciling)$"
    )]
    phase: Option<String>,
    /// How many items at most; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
}

/// Something that happened to an order.
#[derive(Serialize, ToSchema)]
pub struct OrderEventShown {
    /// Its id.
    id: String,
    /// The version that the order had from then on.
    number: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What: `placed`, `begun`, `settled`, `resized`, …
    kind: &'static str,
    /// The phase that it left the order in.
    phase: String,
    /// More about it.
    #[schema(value_type = Object)]
    data: Value,
}

impl OrderEventShown {
    /// As the API shows it.
    pub fn of(event: &OrderEvent) -> Self {
        OrderEventShown {
            id: event.id.clone(),
            number: event.number,
            at: event.at.to_string(),
            kind: event.kind.as_str(),
            phase: event.phase.to_string(),
            data: event.data.clone(),
        }
    }
}

/// Orders, the newest first.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(OrderQuery), responses((status = 200, body = Page<OrderShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<OrderQuery>,
) -> Result<Json<Page<OrderShown>>, Problem> {
    let OrderQuery { tenant, name, phase, limit, cursor } = query;
    let page = PageQuery { limit, cursor };
    let tenant = seen_tenant(&services, &caller, tenant, Permission::OrdersRead).await?;
    let phase: Option<OrderPhase> = phase
        .map(|phase| phase.parse().map_err(|_| Problem::parameter("phase", "expected a phase")))
        .transpose()?;
    let filter = OrderFilter { tenant, name, phase, before: page.after()? };
    let orders = services.store.order_list(&filter, page.fetch()?).await?;
    let Page { items, next } = page.page(orders, |order| order.id.clone(), Clone::clone)?;
    let mut page = Page { items: Vec::with_capacity(items.len()), next };
    for order in &items {
        page.items.push(shown(&services, order).await?);
    }
    Ok(Json(page))
}

/// An order.
#[utoipa::path(get, path = "/v1/orders/{order}", tag = "orders", params(("order" = String, Path, description = "Its id")), responses((status = 200, body = OrderShown)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersRead).await?;
    let version = etag(i64::try_from(order.version).unwrap_or(i64::MAX));
    Ok((version, Json(shown(&services, &order).await?)))
}

/// What happened to an order, in order.
#[utoipa::path(get, path = "/v1/orders/{order}/events", tag = "orders", params(("order" = String, Path, description = "Its id"), PageQuery), responses((status = 200, body = Page<OrderEventShown>)))]
pub(crate) async fn events(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<OrderEventShown>>, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersRead).await?;
    let after = page.after_parsed()?.unwrap_or(0);
    let events = services.store.order_events(&order.id, after, page.fetch()?).await?;
    Ok(Json(page.page(events, |event| event.number.to_string(), OrderEventShown::of)?))
}

/// An order as the entry it stands for, with what it bought: what `lessor plan --orders` reads.
#[utoipa::path(get, path = "/v1/orders/{order}/spec", tag = "orders", params(("order" = String, Path, description = "Its id")), responses((status = 200, description = "A file in TOML", body = String, content_type = "application/toml")))]
pub(crate) async fn spec(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let order = find(&services, &caller, &id, Permission::OrdersRead).await?;
    let rendered = services.store.order_render(&order).await?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], rendered.to_toml()))
}

/// Everything customers ordered that is not gone yet, as entries beside spec files: what
/// `lessor render --orders` writes. Holds ids, sizes and public keys, and no secret.
#[utoipa::path(get, path = "/v1/orders/export", tag = "operations", responses((status = 200, description = "A file in TOML", body = String, content_type = "application/toml")))]
pub(crate) async fn export(
    State(services): State<Services>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OrdersRead)?;
    let orders = services.store.order_wishes().await?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], orders.to_toml()))
}

/// Whose things are listed, if the caller may see them: `None` is everybody's.
pub(crate) async fn seen_tenant(
    services: &Services,
    caller: &Caller,
    named: Option<String>,
    permission: Permission,
) -> Result<Option<String>, Problem> {
    let tenant = named.or_else(|| caller.bound_to().map(str::to_owned));
    if let Some(tenant) = &tenant {
        caller.in_tenant(services, tenant, permission).await?;
    } else {
        caller.in_scope(permission)?;
        if !caller.platform_may(permission) {
            return Err(Problem::parameter("tenant", "expected the name of a tenant"));
        }
    }
    Ok(tenant)
}
