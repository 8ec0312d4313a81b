//! Where somebody wants to be told.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use lessor_store::{NewWebhook, Webhook, WebhookChange, topics};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::find;
use super::place::Endpoint;
use super::sign::draw;
use crate::access::Permission;
use crate::around::NOTHING;
use crate::extract::{IfMatch, Json, Path, Query, etag};
use crate::page::{Page, TenantPageQuery};
use crate::{Caller, Problem, Services};

/// An endpoint to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookWish {
    /// The tenant whose events are told; without it, those of all, which only the platform may have.
    tenant: Option<String>,
    /// Where they are told, by `POST`.
    #[schema(max_length = 2000)]
    url: String,
    /// Which: `order.settled`, all that begin like `money.*`, or `*`.
    topics: Vec<String>,
}

/// What of an endpoint is to be otherwise. What is not said stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookPatch {
    /// Where events are told.
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// Which.
    topics: Option<Vec<String>>,
    /// Whether any are. Switching it on forgets what failed there.
    enabled: Option<bool>,
}

/// An endpoint, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookShown {
    /// Its id.
    id: String,
    /// The tenant whose events are told; `null` for those of all.
    tenant: Option<String>,
    /// Where.
    url: String,
    /// Which.
    topics: Vec<String>,
    /// Whether any are.
    enabled: bool,
    /// Why none are, where it was switched off.
    disabled_why: Option<String>,
    /// Since when none are.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// Since when none came through. After three days of that it is switched off.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// An endpoint that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookMade {
    /// What events are signed with; it is shown this once.
    secret: String,
    /// The endpoint.
    webhook: WebhookShown,
}

fn shown(webhook: &Webhook) -> WebhookShown {
    let disabled = webhook.disabled.as_ref();
    WebhookShown {
        id: webhook.id.clone(),
        tenant: webhook.tenant.clone(),
        url: webhook.url.clone(),
        topics: webhook.topics.clone(),
        enabled: disabled.is_none(),
        disabled_why: disabled.map(|(_, why)| why.clone()),
        disabled_at: disabled.map(|(at, _)| at.to_string()),
        failing_since: webhook.failing_since.map(|at| at.to_string()),
        created_at: webhook.created_at.to_string(),
    }
}

/// Begins to tell somebody what happens from now on.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookWish, responses((status = 201, body = WebhookMade)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Json(wish): Json<WebhookWish>,
) -> Result<impl IntoResponse, Problem> {
    let tenant = whose(&services, &caller, wish.tenant, Permission::WebhooksWrite).await?;
    check_url(&services, &wish.url)?;
    check_topics(&wish.topics)?;
    let secret = draw();
    let new = NewWebhook {
        tenant: tenant.as_deref(),
        url: &wish.url,
        topics: &wish.topics,
        secret: &secret,
    };
    let webhook = services.store.webhook_create(&new, &caller.actor()).await?;
    let version = etag(webhook.version);
    Ok((StatusCode::CREATED, version, Answer(WebhookMade { secret, webhook: shown(&webhook) })))
}

/// The endpoints of a tenant; without one, those of the platform.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", params(TenantPageQuery), responses((status = 200, body = Page<WebhookShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<TenantPageQuery>,
) -> Result<Answer<Page<WebhookShown>>, Problem> {
    let (tenant, page) = query.split();
    let tenant = whose(&services, &caller, tenant, Permission::WebhooksRead).await?;
    let (after, fetch) = (page.after()?, page.fetch()?);
    let found = services.store.webhook_list(tenant.as_deref(), after.as_deref(), fetch).await?;
    Ok(Answer(page.page(found, |webhook| webhook.id.clone(), shown)?))
}

/// An endpoint.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path, description = "Its id")), responses((status = 200, body = WebhookShown)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let webhook = find(&services, &caller, &id, Permission::WebhooksRead).await?;
    Ok((etag(webhook.version), Answer(shown(&webhook))))
}

/// Changes an endpoint, or switches it off or on.
#[utoipa::path(patch, path = "/v1/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path, description = "Its id"), ("If-Match" = String, Header, description = "The `ETag` of what is changed")), request_body = WebhookPatch, responses((status = 200, body = WebhookShown)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(patch): Json<WebhookPatch>,
) -> Result<impl IntoResponse, Problem> {
    let webhook = find(&services, &caller, &id, Permission::WebhooksWrite).await?;
    let WebhookPatch { url, topics, enabled } = patch;
    if let Some(url) = &url {
        check_url(&services, url)?;
    }
    if let Some(topics) = &topics {
        check_topics(topics)?;
    }
    let change = WebhookChange { url, topics, enabled };
    let store = &services.store;
    let webhook = store.webhook_update(&webhook.id, version, &change, &caller.actor()).await?;
    Ok((etag(webhook.version), Answer(shown(&webhook))))
}

/// Ends an endpoint, with all that waits to be told there.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook}", tag = "webhooks", params(("webhook" = String, Path, description = "Its id")), responses((status = 204, description = "It ended")))]
pub(crate) async fn end(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let webhook = find(&services, &caller, &id, Permission::WebhooksWrite).await?;
    services.store.webhook_delete(&webhook, &caller.actor()).await?;
    Ok(NOTHING)
}

/// Whose endpoints are meant, if the caller may do that with them.
async fn whose(
    services: &Services,
    caller: &Caller,
    tenant: Option<String>,
    permission: Permission,
) -> Result<Option<String>, Problem> {
    let tenant = tenant.or_else(|| caller.bound_to().map(str::to_owned));
    match &tenant {
        Some(tenant) => caller.in_tenant(services, tenant, permission).await?,
        None => caller.on_platform(permission)?,
    }
    Ok(tenant)
}

fn check_url(services: &Services, url: &str) -> Result<(), Problem> {
    let endpoint = Endpoint::parse(url).map_err(|expected| Problem::field("/url", expected))?;
    if endpoint.is_hopeless(&services.settings.webhooks.allowed) {
        return Err(Problem::field("/url", "expected `https` and a public address"));
    }
    Ok(())
}

fn check_topics(wanted: &[String]) -> Result<(), Problem> {
    let known = topics();
    if wanted.is_empty() || wanted.len() > known.len() {
        return Err(Problem::field("/topics", "expected at least one, each once"));
    }
    let is_known = |word: &String| match word.strip_suffix('*') {
        Some(start) => {
            let is_whole = start.is_empty() || start.ends_with('.');
            is_whole && known.iter().any(|topic| topic.starts_with(start))
        }
        None => known.contains(word),
    };
    match wanted.iter().position(|word| !is_known(word)) {
        Some(index) => {
            let detail = format!("expected `*`, or of these: {}", known.join(", "));
            Err(Problem::field(&format!("/topics/{index}"), detail))
        }
        None => Ok(()),
    }
}
