//! Making a plan.

use std::collections::BTreeSet;
use std::str::FromStr;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use lessor_engine::{Scope, Selection};
use lessor_store::PlanSource;
use serde::Deserialize;
use tracing::error;
use utoipa::ToSchema;

use super::show::PlanShown;
use super::{estate, nothing_applied};
use crate::access::Permission;
use crate::extract::Json;
use crate::reconcile::{Asked, NotPlanned, make};
use crate::{Caller, Problem, ProblemKind, Services};

/// A plan to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlan {
    /// Which files it is made of: those that were `applied` last, or those that lie in the
    /// `directory` of the server by now. The first unless said.
    #[schema(pattern = "^(applied|directory)$")]
    files: Option<String>,
    /// Only these, and what they need: addresses such as `instance.acme/lobby`, connections, and
    /// either with a `*` at its end.
    #[serde(default)]
    targets: Vec<String>,
    /// Not these.
    #[serde(default)]
    excludes: Vec<String>,
    /// Kept things whose data is given up now rather than later.
    #[serde(default)]
    destroy_data: Vec<String>,
}

/// Looks at every host and makes a plan: what would be done to make everything as files declare and
/// as customers ordered. It changes nothing there. In the same world it is the same plan, which is
/// answered again as it stands.
#[utoipa::path(post, path = "/v1/plans", tag = "operations", request_body = NewPlan, responses((status = 201, description = "It was made", body = PlanShown), (status = 200, description = "It was made before", body = PlanShown)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Json(new): Json<NewPlan>,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OperationsWrite)?;
    let (source, asked) = asked(&new)?;
    let estate = estate(&services)?;
    let made = make(&services.store, estate, source, asked).await.map_err(|not| match not {
        NotPlanned::NothingApplied => nothing_applied(),
        NotPlanned::Refused(why) => Problem::new(ProblemKind::Conflict).detail(why),
        NotPlanned::Failed(why) => {
            error!(why = format!("{why:#}"), "could not make a plan");
            Problem::new(ProblemKind::Internal)
        }
    })?;
    let (plan, tree) = made;
    let (kept, is_new) = services.store.plan_make(&plan, &tree, source, &caller.actor()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/plans/{}", kept.id))];
    Ok((status, location, Answer(PlanShown::whole(&kept, &plan))))
}

fn asked(new: &NewPlan) -> Result<(PlanSource, Asked), Problem> {
    let source = new.files.as_deref().map_or(Ok(PlanSource::Applied), str::parse);
    let source =
        source.map_err(|_| Problem::field("/files", "expected `applied` or `directory`"))?;
    let selection = Selection {
        targets: each("targets", &new.targets)?,
        excludes: each("excludes", &new.excludes)?,
        scope: Scope::All,
    };
    let destroy_data: BTreeSet<_> = each("destroy_data", &new.destroy_data)?.into_iter().collect();
    Ok((source, Asked { selection, destroy_data, ..Asked::default() }))
}

/// Reads each word of a field.
pub(super) fn each<T>(field: &str, words: &[String]) -> Result<Vec<T>, Problem>
where
    T: FromStr<Err: ToString>,
{
    let word = |(index, word): (usize, &String)| {
        let wrong = |why: T::Err| Problem::field(&format!("/{field}/{index}"), why.to_string());
        word.parse().map_err(wrong)
    };
    words.iter().enumerate().map(word).collect()
}
