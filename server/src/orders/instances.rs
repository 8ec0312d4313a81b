//! What runs: instances of orders, under the ids of those.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lessor_specs::{Address, Kind, OrderPhase};
use lessor_store::{Order, OrderFilter};
use serde::Serialize;
use utoipa::ToSchema;

use super::show::seen_tenant;
use super::{find, plain};
use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::page::{Page, TenantPageQuery};
use crate::{Caller, Problem, Services};

/// An instance, as it stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstanceShown {
    /// Its id: that of its order.
    id: String,
    /// Whose it is.
    tenant: String,
    /// What it is called, within its tenant.
    name: String,
    /// The offer it is one of.
    offer: String,
    /// What it runs.
    image: Option<String>,
    /// Where.
    location: Option<String>,
    /// How far its order came.
    phase: String,
    /// Whether it is there and is to run: its customer wants it, and nothing speaks against it.
    running: bool,
}

/// What one needs to get at an instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessShown {
    /// Where it runs.
    location: Option<String>,
    /// Its public address; `null` where it has none of its own.
    address: Option<String>,
    /// Its address in the network of its tenant.
    private_address: Option<String>,
    /// Its ports that can be reached from outside.
    ports: Vec<PortShown>,
    /// The user to log in as, where it was chosen.
    user: Option<String>,
}

/// A port that can be reached from outside.
#[derive(Serialize, ToSchema)]
pub(crate) struct PortShown {
    /// What it leads to in the instance, such as `25565/tcp`.
    leads_to: String,
    /// Its number outside.
    port: Option<u16>,
}

/// Instances, the newest first.
#[utoipa::path(get, path = "/v1/instances", tag = "instances", params(TenantPageQuery), responses((status = 200, body = Page<InstanceShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<TenantPageQuery>,
) -> Result<Json<Page<InstanceShown>>, Problem> {
    let (tenant, page) = query.split();
    let tenant = seen_tenant(&services, &caller, tenant, Permission::InstancesRead).await?;
    let filter = OrderFilter { tenant, before: page.after()?, ..OrderFilter::default() };
    let orders = services.store.order_list(&filter, page.fetch()?).await?;
    let mut page = page.page(orders, |order| order.id.clone(), Clone::clone)?;
    page.items.retain(|order: &Order| !order.phase.is_end());
    let items = page.items.iter().map(shown).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// An instance.
#[utoipa::path(get, path = "/v1/instances/{instance}", tag = "instances", params(("instance" = String, Path, description = "Its id: that of its order")), responses((status = 200, body = InstanceShown)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<InstanceShown>, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesRead).await?;
    Ok(Json(shown(&order)))
}

/// What one needs to get at an instance.
#[utoipa::path(get, path = "/v1/instances/{instance}/access", tag = "instances", params(("instance" = String, Path, description = "Its id: that of its order")), responses((status = 200, body = AccessShown)))]
pub(crate) async fn access(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<AccessShown>, Problem> {
    let order = find(&services, &caller, &id, Permission::InstancesRead).await?;
    let address = Address::new(Kind::Instance, order.full_name());
    // What an order that is over had may be somebody else's by now.
    let claims = if order.phase.is_end() {
        BTreeMap::new()
    } else {
        services.store.claim_of(&address).await?
    };
    let part = format!("{address}:");
    let of = |is_meant: &dyn Fn(&str) -> bool| {
        claims.iter().find(|(key, _)| is_meant(&key.pool)).map(|(_, value)| value.clone())
    };
    let ports = claims.iter().filter(|(key, _)| key.pool.starts_with("port_range."));
    let ports = ports.filter_map(|(key, value)| {
        let leads_to = key.holder.strip_prefix(&part)?.to_owned();
        Some(PortShown { leads_to, port: value.parse().ok() })
    });
    Ok(Json(AccessShown {
        location: order.instance.location.clone(),
        address: of(&|pool| pool.starts_with("address_pool.")),
        private_address: of(&|pool| pool.ends_with("/address")),
        ports: ports.collect(),
        user: order.instance.user.clone(),
    }))
}

fn shown(order: &Order) -> InstanceShown {
    let is_there = matches!(order.phase, OrderPhase::Active | OrderPhase::Updating);
    InstanceShown {
        id: order.id.clone(),
        tenant: order.tenant.clone(),
        name: order.name.clone(),
        offer: plain(&order.instance.offer).to_owned(),
        image: order.instance.image.as_deref().map(|image| plain(image).to_owned()),
        location: order.instance.location.clone(),
        phase: order.phase.to_string(),
        running: is_there && order.running && order.reasons.is_empty(),
    }
}
