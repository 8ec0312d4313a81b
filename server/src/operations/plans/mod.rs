//! What would be done, what differs, and having it done.
//!
//! A plan is made ([`make`]), agreed to and applied ([`decide`]), and shown ([`show`]) for as long as it
//! is remembered. What differs ([`drift`]) is only looked at.

pub(crate) mod decide;
pub(crate) mod drift;
pub(crate) mod make;
pub(crate) mod show;

use lessor_store::KeptPlan;

use crate::{Estate, Problem, ProblemKind, Services};

pub(crate) use decide::consent_of;
pub(crate) use drift::Looks;

/// What is looked at.
fn estate(services: &Services) -> Result<&Estate, Problem> {
    services.estate.as_ref().ok_or_else(|| {
        let detail = "this server has no configuration, so there is nothing to look at";
        Problem::new(ProblemKind::NotNow).detail(detail)
    })
}

/// There is nothing to make a plan of, or to compare with.
fn nothing_applied() -> Problem {
    let detail = "nothing was applied yet: run `lessor apply` first";
    Problem::new(ProblemKind::NotNow).detail(detail)
}

/// A plan that is remembered.
async fn find(services: &Services, id: &str) -> Result<KeptPlan, Problem> {
    services.store.plan_show(id).await?.ok_or_else(Problem::not_found)
}
