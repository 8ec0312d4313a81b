//! What was told somewhere, and what became of it.

use axum::Json as Answer;
use axum::extract::State;
use lessor_store::{Delivery, DeliveryPhase};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::find;
use crate::access::Permission;
use crate::extract::{Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, ProblemKind, Services};

/// One event for one endpoint.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryShown {
    /// Its id.
    id: String,
    /// What its receiver knows the event by: `webhook-id`.
    message: String,
    /// What it is about.
    topic: String,
    /// `waiting`, `delivered` or `failed`.
    phase: String,
    /// How often it was tried.
    tries: u32,
    /// When it is tried next, while it waits.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    /// The status of the last answer.
    status: Option<u16>,
    /// What went wrong last.
    problem: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was delivered, or given up.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// What is sent.
    #[schema(value_type = Object)]
    body: Value,
}

fn shown(delivery: &Delivery) -> DeliveryShown {
    let waits = delivery.phase == DeliveryPhase::Waiting;
    DeliveryShown {
        id: delivery.id.clone(),
        message: delivery.message.clone(),
        topic: delivery.topic.clone(),
        phase: delivery.phase.to_string(),
        tries: delivery.tries,
        next_at: waits.then(|| delivery.next_at.to_string()),
        status: delivery.status,
        problem: delivery.why.clone(),
        created_at: delivery.made_at.to_string(),
        ended_at: delivery.ended_at.map(|at| at.to_string()),
        body: serde_json::from_str(&delivery.body).unwrap_or_default(),
    }
}

/// What was told at an endpoint, the newest first, for thirty days.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/deliveries", tag = "webhooks", params(("webhook" = String, Path, description = "The endpoint"), PageQuery), responses((status = 200, body = Page<DeliveryShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<DeliveryShown>>, Problem> {
    let webhook = find(&services, &caller, &id, Permission::WebhooksRead).await?;
    let (before, fetch) = (page.after()?, page.fetch()?);
    let found = services.store.delivery_list(&webhook.id, before.as_deref(), fetch).await?;
    Ok(Answer(page.page(found, |delivery| delivery.id.clone(), shown)?))
}

/// Tells an event again, under the id that it had.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/deliveries/{delivery}/replay", tag = "webhooks", params(("webhook" = String, Path, description = "The endpoint"), ("delivery" = String, Path, description = "Its id")), responses((status = 200, body = DeliveryShown)))]
pub(crate) async fn replay(
    State(services): State<Services>,
    caller: Caller,
    Path((id, delivery)): Path<(String, String)>,
) -> Result<Answer<DeliveryShown>, Problem> {
    let webhook = find(&services, &caller, &id, Permission::WebhooksWrite).await?;
    if webhook.disabled.is_some() {
        let detail = "its endpoint is switched off; switch it on first";
        return Err(Problem::new(ProblemKind::NotNow).detail(detail));
    }
    let store = &services.store;
    let delivery = store.delivery_replay(&webhook, &delivery, &caller.actor()).await?;
    let delivery = delivery.ok_or_else(Problem::not_found)?;
    services.outbox_moved.notify_one();
    Ok(Answer(shown(&delivery)))
}
