//! Agreeing to a plan, and having it applied.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lessor_engine::{Clock as _, Consent, Held, HeldRule, Rule, gate};
use lessor_plans::{Digest, Plan};
use lessor_store::{KeptPlan, PlanPhase};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::make::each;
use super::show::PlanShown;
use super::{estate, find};
use crate::access::Permission;
use crate::extract::{Idempotent, Json, Path};
use crate::{Caller, Problem, ProblemKind, Services};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What is agreed to beside the plan itself: nothing that the gate asks for, unless said.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agreement {
    /// Up to so many removals.
    allow_removals: Option<u32>,
    /// The data of these may be destroyed, by address.
    #[serde(default)]
    destroy_data: Vec<String>,
    /// These rules of the gate need not hold: `removals`, `data`, `empty`, `tenant`, `rename`,
    /// `orders`.
    #[serde(default)]
    rules: Vec<String>,
}

/// Nothing: the plan says all that is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyWish {}

impl Agreement {
    fn consent(&self, plan: Digest) -> Result<Consent, Problem> {
        Ok(Consent {
            plan,
            removals: self.allow_removals.and_then(|count| count.try_into().ok()),
            destroy_data: each("destroy_data", &self.destroy_data)?.into_iter().collect(),
            rules: each("rules", &self.rules)?.into_iter().collect(),
        })
    }
}

/// What was agreed to, as it is remembered.
pub(crate) fn consent_of(plan: Digest, agreed: Option<&str>) -> Result<Consent, String> {
    let Some(agreed) = agreed else { return Ok(Consent::none(plan)) };
    let agreement: Agreement = serde_json::from_str(agreed)
        .map_err(|error| format!("what was agreed to cannot be read: {error}"))?;
    agreement.consent(plan).map_err(|_| "what was agreed to cannot be read".to_owned())
}

/// Agrees to a plan as it stands, and to what it takes away. Where the gate asks for more than is
/// agreed to, it is `held`, and the answer says how to agree.
#[utoipa::path(post, path = "/v1/plans/{plan}/approve", tag = "operations", params(("plan" = String, Path, description = "Its id")), request_body = Agreement, responses((status = 200, body = PlanShown)))]
pub(crate) async fn approve(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Json(agreement): Json<Agreement>,
) -> Result<Answer<PlanShown>, Problem> {
    caller.on_platform(Permission::ApprovalsWrite)?;
    let (kept, plan) = found(&services, &id).await?;
    let consent = agreement.consent(plan.id())?;
    if !matches!(kept.phase, PlanPhase::Made | PlanPhase::Approved) {
        return Err(too_late(&kept));
    }
    still_fits(&services, &plan).await?;
    can_be_done(&plan)?;
    gate(plan.clone(), &consent).map_err(|held| held_back(&held))?;
    // Plain data: this cannot fail.
    let text = serde_json::to_string(&agreement).unwrap_or_default();
    let approved = services.store.plan_approve(&id, &text, &caller.actor()).await?;
    match approved {
        Some(kept) => Ok(Answer(PlanShown::whole(&kept, &plan))),
        None => Err(too_late(&find(&services, &id).await?)),
    }
}

/// Has a plan applied that somebody agreed to: exactly as it stands, each step after another look at
/// its own thing. It goes on in the background, and `GET /v1/plans/{plan}` says how far it is.
#[utoipa::path(post, path = "/v1/plans/{plan}/apply", tag = "operations", params(("plan" = String, Path, description = "Its id"), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "What tells this request from others")), request_body = ApplyWish, responses((status = 202, description = "It is being applied, or was", body = PlanShown)))]
pub(crate) async fn apply(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Idempotent { key, body: ApplyWish {}, .. }: Idempotent<ApplyWish>,
) -> Result<Response, Problem> {
    caller.on_platform(Permission::OperationsWrite)?;
    let (kept, plan) = found(&services, &id).await?;
    if kept.request_key.as_ref() == Some(&key) {
        return Ok(accepted(&kept, true));
    }
    match kept.phase {
        PlanPhase::Approved => {}
        PlanPhase::Made => return Err(not_agreed(&plan)),
        _ => return Err(too_late(&kept)),
    }
    estate(&services)?;
    still_fits(&services, &plan).await?;
    let consent = consent_of(plan.id(), kept.consent.as_deref());
    let consent = consent.map_err(|why| Problem::new(ProblemKind::Conflict).detail(why))?;
    gate(plan, &consent).map_err(|held| held_back(&held))?;
    if let Some(kept) = services.store.plan_apply(&id, &key, &caller.actor()).await? {
        services.plans_moved.notify_one();
        return Ok(accepted(&kept, false));
    }
    let kept = find(&services, &id).await?;
    if kept.request_key.as_ref() == Some(&key) {
        return Ok(accepted(&kept, true));
    }
    Err(too_late(&kept))
}

fn accepted(kept: &KeptPlan, is_replayed: bool) -> Response {
    let location = [(header::LOCATION, format!("/v1/plans/{}", kept.id))];
    let replayed = is_replayed.then_some([(REPLAYED, "true")]);
    let shown = Answer(PlanShown::of(kept));
    match replayed {
        Some(replayed) => (StatusCode::ACCEPTED, location, replayed, shown).into_response(),
        None => (StatusCode::ACCEPTED, location, shown).into_response(),
    }
}

async fn found(services: &Services, id: &str) -> Result<(KeptPlan, Plan), Problem> {
    let kept = find(services, id).await?;
    let content = services.store.plan_content(id).await?;
    let (plan, _) = content.ok_or_else(Problem::not_found)?;
    Ok((kept, plan))
}

/// Whether the plan could still be begun. One that could not is stale from then on.
async fn still_fits(services: &Services, plan: &Plan) -> Result<(), Problem> {
    let latest = services.store.revision_latest().await?.map_or(0, |latest| latest.number);
    let now = services.store.now();
    let why = match plan.valid_until.filter(|until| *until <= now) {
        Some(until) => format!("it was valid until {until}, when something fell due"),
        None if latest != plan.revision => {
            format!("it was made for revision {}, and {latest} was applied since", plan.revision)
        }
        None => return Ok(()),
    };
    let id = plan.id().to_string();
    // Who was faster may have begun it, so that what was applied since is this very plan.
    match services.store.plan_outdate(&id, &why).await? {
        Some(kept) => Err(too_late(&kept)),
        None => Err(too_late(&find(services, &id).await?)),
    }
}

fn can_be_done(plan: &Plan) -> Result<(), Problem> {
    let problems: Vec<_> =
        plan.fatal().map(|note| format!("`{}`: {}", note.about, note.text)).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let detail = format!("it cannot be carried out: {}", problems.join("; "));
    Err(Problem::new(ProblemKind::NotNow).detail(detail))
}

/// What the gate would ask for is said at once.
fn not_agreed(plan: &Plan) -> Problem {
    match gate(plan.clone(), &Consent::none(plan.id())) {
        Ok(_) => {
            let detail = "nobody agreed to it yet: `POST /v1/plans/{plan}/approve`";
            Problem::new(ProblemKind::NotNow).detail(detail)
        }
        Err(held) => held_back(&held),
    }
}

fn too_late(kept: &KeptPlan) -> Problem {
    let kind = match kept.phase {
        PlanPhase::Stale => ProblemKind::PlanStale,
        _ => ProblemKind::NotNow,
    };
    let why = kept.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Problem::new(kind).detail(format!("the plan is {}{why}", kept.phase))
}

/// Every rule that stands against the plan, and what to send to agree.
fn held_back(held: &Held) -> Problem {
    let problem = Problem::new(ProblemKind::Held).detail(
        "somebody has to agree to it: send what `errors` say to `/v1/plans/{plan}/approve`",
    );
    held.rules.iter().fold(problem, |problem, held| {
        let HeldRule { rule, why, consent } = held;
        let value = consent.split_once(' ').map_or("", |(_, value)| value);
        let (pointer, value) = match rule {
            Rule::Removals => ("/allow_removals", value.to_owned()),
            Rule::Data => ("/destroy_data", format!("[\"{value}\"]")),
            Rule::Empty | Rule::Tenant | Rule::Rename | Rule::Orders => {
                ("/rules", format!("[\"{rule}\"]"))
            }
        };
        problem.and_field(pointer, format!("{why} (rule `{rule}`); to agree, send `{value}`"))
    })
}
