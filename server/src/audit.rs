//! What was done.

use axum::Json;
use axum::extract::State;
use lessor_store::Audited;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::Query;
use crate::page::{Page, TenantPageQuery};
use crate::{Caller, Problem, Services};

/// Something that was done.
#[derive(Serialize, ToSchema)]
pub struct Event {
    /// Its number.
    seq: i64,
    /// When it was done.
    #[schema(format = DateTime)]
    at: String,
    /// Who did it: the id of a person or of a key, `command` or `lessor`.
    actor: String,
    /// What was done.
    action: String,
    /// The tenant it was done in.
    tenant: Option<String>,
    /// What it was done to.
    target: String,
    /// More about it.
    #[schema(value_type = Object)]
    data: Value,
    /// Its place in the chain; `null` until it is sealed.
    link: Option<i64>,
    /// Its seal, over the link before it and itself.
    hash: Option<String>,
}

impl Event {
    /// As the API shows it.
    pub fn of(event: &Audited) -> Self {
        let seal = event.seal.as_ref();
        Event {
            seq: event.seq,
            at: event.at.to_string(),
            actor: event.actor.clone(),
            action: event.action.clone(),
            tenant: event.tenant.clone(),
            target: event.target.clone(),
            data: serde_json::from_str(&event.data).unwrap_or(Value::Null),
            link: seal.map(|seal| seal.link),
            hash: seal.map(|seal| seal.hash.clone()),
        }
    }
}

/// What was done, the newest first: in a tenant, or everywhere, which auditors of the platform may
/// see.
#[utoipa::path(get, path = "/v1/audit", tag = "operations", params(TenantPageQuery), responses((status = 200, body = Page<Event>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<TenantPageQuery>,
) -> Result<Json<Page<Event>>, Problem> {
    let (tenant, page) = query.split();
    match &tenant {
        Some(tenant) => caller.in_tenant(&services, tenant, Permission::AuditRead).await?,
        None => caller.on_platform(Permission::AuditRead)?,
    }
    let before = page.after_parsed()?;
    let events = services.store.audit_list(tenant.as_deref(), before, page.fetch()?).await?;
    Ok(Json(page.page(events, |event| event.seq.to_string(), Event::of)?))
}
