//! Old paths: what clients call that were written for what came before lessor.
//!
//! Each asks as its client asks, does what a call of `/v1` does, and answers as its client expects.
//! `compat = false` in `lessor.toml` takes them away.

pub(crate) mod lab;
pub(crate) mod machines;
pub(crate) mod users;

use lessor_store::Order;

use crate::{Caller, Problem, Services};

/// The tenant that is meant: the one that is named, or the only one of the caller.
async fn tenant_of(
    services: &Services,
    caller: &Caller,
    named: Option<&str>,
) -> Result<Option<String>, Problem> {
    if let Some(named) = named.or(caller.bound_to()) {
        return Ok(Some(named.to_owned()));
    }
    let Some(account) = caller.account_id() else { return Ok(None) };
    let own = services.store.tenant_list(Some(account), None, 2).await?;
    Ok(<[_; 1]>::try_from(own).ok().map(|[only]| only.id))
}

/// How far an order came, in the words of old clients.
fn status(order: &Order) -> &'static str {
    use lessor_specs::OrderPhase as Phase;
    match order.phase {
        Phase::Pending | Phase::Provisioning | Phase::Updating | Phase::Reconciling => "creating",
        Phase::Active if order.running => "running",
        Phase::Active => "stopped",
        Phase::Suspended => "suspended",
        Phase::Terminating | Phase::Terminated | Phase::Canceled => "deleted",
        Phase::Failed => "failed",
    }
}
