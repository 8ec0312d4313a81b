//! Who rents.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use lessor_specs::{Kind, name_problem};
use lessor_store::{self as store, Declared, Origin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_name;
use crate::Catalogue;
use crate::access::Permission;
use crate::auth::forbidden;
use crate::extract::{IfMatch, Json, Path, Query, etag};
use crate::orders::place;
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, ProblemKind, Services};

/// A tenant to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// Its name, as in `acme/lobby`: letters, digits and hyphens. It never changes.
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    id: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    display_name: Option<String>,
    /// Where its months begin; `UTC` unless said.
    timezone: Option<String>,
}

/// What to change of a tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    display_name: Option<String>,
    /// Where its months begin.
    timezone: Option<String>,
}

/// Somebody who rents.
#[derive(Serialize, ToSchema)]
pub struct Tenant {
    /// Its name.
    id: String,
    /// What people call it.
    display_name: String,
    /// The quota that limits it.
    quota: Option<String>,
    /// Where its months begin.
    timezone: String,
    /// `file` when the provider's files declare it, `api` otherwise.
    origin: String,
    /// Since when there is one.
    #[schema(format = DateTime)]
    created_at: String,
}

impl Tenant {
    /// As the API shows it.
    pub fn of(tenant: &lessor_store::Tenant) -> Self {
        Tenant {
            id: tenant.id.clone(),
            display_name: tenant.display_name.clone(),
            quota: tenant.quota.clone(),
            timezone: tenant.timezone.clone(),
            origin: tenant.origin.to_string(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

/// Makes a tenant, which belongs to who made it.
#[utoipa::path(post, path = "/v1/tenants", tag = "people", request_body = NewTenant, responses((status = 201, body = Tenant)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Json(new): Json<NewTenant>,
) -> Result<impl IntoResponse, Problem> {
    caller.in_scope(Permission::TenantsWrite)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let may = caller.account().is_some() && catalogue.signup_is_open();
    if !may && !caller.platform_may(Permission::TenantsWrite) {
        return Err(forbidden("tenants are made by the provider here"));
    }
    check_id("/id", &new.id)?;
    let display_name = new.display_name.as_deref().unwrap_or(&new.id);
    check_name("/display_name", display_name)?;
    let zone = timezone(new.timezone.as_deref())?;
    let declared = declared(&catalogue, &new.id, zone);
    let welcome = catalogue.welcome().filter(|_| may);
    let new = store::NewTenant { tenant: &declared, display_name, welcome };
    let (owner, actor) = (caller.account_id(), caller.actor());
    let made = services.store.tenant_sign_up(new, owner, &actor).await?;
    place::welcome(&services, &made.id).await;
    Ok((StatusCode::CREATED, etag(made.version), Answer(Tenant::of(&made))))
}

/// The tenants one belongs to; for the platform, all.
#[utoipa::path(get, path = "/v1/tenants", tag = "people", params(PageQuery), responses((status = 200, body = Page<Tenant>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<Tenant>>, Problem> {
    caller.in_scope(Permission::TenantsRead)?;
    let (after, fetch) = (page.after()?, page.fetch()?);
    if let Some(own) = caller.bound_to() {
        let own = services.store.tenant_show(own).await?;
        return Ok(Answer(Page { items: own.iter().map(Tenant::of).collect(), next: None }));
    }
    let sees_all = caller.platform_may(Permission::TenantsRead);
    let member = if sees_all { None } else { Some(&caller.person()?.id) };
    let tenants = services.store.tenant_list(member, after.as_deref(), fetch).await?;
    Ok(Answer(page.page(tenants, |tenant| tenant.id.clone(), Tenant::of)?))
}

/// A tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "people", params(("tenant" = String, Path, description = "Its name")), responses((status = 200, body = Tenant)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    caller.in_tenant(&services, &id, Permission::TenantsRead).await?;
    let found = services.store.tenant_show(&id).await?.ok_or_else(Problem::not_found)?;
    Ok((etag(found.version), Answer(Tenant::of(&found))))
}

/// Changes what people call a tenant, or where its months begin.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", tag = "people", params(("tenant" = String, Path, description = "Its name"), ("If-Match" = String, Header, pattern = "^\"[0-9]+\"$", description = "The `ETag` of what is changed")), request_body = TenantChange, responses((status = 200, body = Tenant)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(change): Json<TenantChange>,
) -> Result<impl IntoResponse, Problem> {
    caller.in_tenant(&services, &id, Permission::TenantsWrite).await?;
    let found = services.store.tenant_show(&id).await?.ok_or_else(Problem::not_found)?;
    let display_name = change.display_name.as_deref().unwrap_or(&found.display_name);
    check_name("/display_name", display_name)?;
    let zone = timezone(change.timezone.as_deref().or(Some(&found.timezone)))?;
    if found.origin == Origin::File && zone != found.timezone {
        let detail = "the provider's files say where its months begin";
        return Err(Problem::new(ProblemKind::Conflict).detail(detail));
    }
    let updated =
        services.store.tenant_update(&id, version, display_name, &zone, &caller.actor()).await?;
    Ok((etag(updated.version), Answer(Tenant::of(&updated))))
}

/// What limits a tenant that is made over the API.
pub(crate) fn declared(catalogue: &Catalogue, id: &str, timezone: String) -> Declared {
    Declared {
        id: id.to_owned(),
        quota: catalogue.usual_quota(),
        timezone,
        owners: Vec::new(),
        credit: BTreeMap::new(),
    }
}

/// The name of a tenant that is made over the API: plainer than what files may write, since it
/// stands in host names.
pub(crate) fn check_id(pointer: &str, id: &str) -> Result<(), Problem> {
    let is_plain = id.len() <= 40
        && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && name_problem(Kind::Tenant, id).is_none();
    if is_plain {
        return Ok(());
    }
    let expected = "expected 1 to 40 of a-z, 0-9 and `-`, with a letter or digit at both ends";
    Err(Problem::field(pointer, expected))
}

fn timezone(name: Option<&str>) -> Result<String, Problem> {
    let name = name.unwrap_or("UTC");
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(Problem::field("/timezone", "expected a name such as `Europe/Paris`")),
    }
}
