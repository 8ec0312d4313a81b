//! Plans that are remembered.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use lessor_plans::Plan;
use lessor_plans::render::{self, Purpose, View};
use lessor_store::KeptPlan;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::decide::Agreement;
use super::find;
use crate::access::Permission;
use crate::extract::{Path, Query, only};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// A plan, and what became of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanShown {
    /// Its id: the digest of what it says.
    id: String,
    /// How far it came: `made`, `approved`, `applying`, then `applied`, `partial` where some of it is
    /// done and the rest will not be, `stale` where it no longer fits, or `failed`.
    phase: &'static str,
    /// Which files it was made of: `applied`, or `directory`.
    files: &'static str,
    /// Who had it made.
    made_by: String,
    /// When.
    #[schema(format = DateTime)]
    made_at: String,
    /// Until when it can be applied, where something falls due.
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    /// Who agreed to it.
    approved_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    approved_at: Option<String>,
    /// To what that is taken away.
    agreement: Option<Agreement>,
    /// Who had it applied.
    applied_by: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    applied_at: Option<String>,
    /// The run that carries it out, or did so last.
    run: Option<String>,
    /// When it came to its end.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// What there is to say of its end.
    why: Option<String>,
    /// What it says, as `lessor plan --format json` says it; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    plan: Option<Value>,
}

impl PlanShown {
    /// Without what it says.
    pub(super) fn of(kept: &KeptPlan) -> Self {
        let at = |deed: &lessor_store::Deed| deed.at.to_string();
        let agreement = kept.consent.as_deref().and_then(|text| serde_json::from_str(text).ok());
        PlanShown {
            id: kept.id.clone(),
            phase: kept.phase.as_str(),
            files: kept.source.as_str(),
            made_by: kept.made.by.clone(),
            made_at: at(&kept.made),
            valid_until: kept.valid_until.map(|until| until.to_string()),
            approved_by: kept.approved.as_ref().map(|deed| deed.by.clone()),
            approved_at: kept.approved.as_ref().map(at),
            agreement,
            applied_by: kept.begun.as_ref().map(|deed| deed.by.clone()),
            applied_at: kept.begun.as_ref().map(at),
            run: kept.apply.as_ref().map(|apply| apply.0.clone()),
            ended_at: kept.ended_at.map(|at| at.to_string()),
            why: kept.why.clone(),
            plan: None,
        }
    }

    /// With what it says.
    pub(super) fn whole(kept: &KeptPlan, plan: &Plan) -> Self {
        let text = render::json(&View::of(plan, Purpose::Plan));
        // What we wrote is JSON.
        let plan = serde_json::from_str(&text).ok();
        PlanShown { plan, ..PlanShown::of(kept) }
    }
}

/// Plans that are remembered, the newest first. They are for thirty days.
#[utoipa::path(get, path = "/v1/plans", tag = "operations", params(PageQuery), responses((status = 200, body = Page<PlanShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<PlanShown>>, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let (before, fetch) = (page.after_parsed::<Timestamp>()?, page.fetch()?);
    let plans = services.store.plan_list(before, fetch).await?;
    Ok(Answer(page.page(plans, |plan| plan.made.at.to_string(), PlanShown::of)?))
}

/// A plan, what it says, and how far it came. With `Accept: text/plain`, what it says alone, for
/// people.
#[utoipa::path(get, path = "/v1/plans/{plan}", tag = "operations", params(("plan" = String, Path, description = "Its id")), responses((status = 200, content((PlanShown = "application/json"), (String = "text/plain")))))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let kept = find(&services, &id).await?;
    let content = services.store.plan_content(&id).await?;
    let (plan, _) = content.ok_or_else(Problem::not_found)?;
    let wanted = only(&headers, &header::ACCEPT)?.unwrap_or_default();
    if wanted.trim_start().starts_with("text/plain") {
        let text = render::human(&View::of(&plan, Purpose::Plan), false);
        let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        return Ok((kind, text).into_response());
    }
    Ok(Answer(PlanShown::whole(&kept, &plan)).into_response())
}
