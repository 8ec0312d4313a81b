//! How much there is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::{Caller, Problem, Services};

/// How much there is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stats {
    /// The version of this server.
    version: &'static str,
    /// The revision that operators applied last; `null` before the first.
    revision: Option<u64>,
    /// Tenants.
    tenants: u64,
    /// Accounts.
    users: u64,
    /// Orders in each phase in which there are any.
    orders: BTreeMap<String, u64>,
    /// Orders of which something is unpaid.
    owing: u64,
}

/// How much there is.
#[utoipa::path(get, path = "/v1/stats", tag = "operations", responses((status = 200, body = Stats)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<Stats>, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let counts = services.store.counts().await?;
    let latest = services.store.revision_latest().await?;
    Ok(Json(Stats {
        version: env!("CARGO_PKG_VERSION"),
        revision: latest.map(|latest| latest.number),
        tenants: counts.tenants,
        users: counts.accounts,
        orders: counts.orders.iter().map(|(phase, count)| (phase.to_string(), *count)).collect(),
        owing: counts.owing,
    }))
}
