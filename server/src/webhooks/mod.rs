//! Telling others what happens, where they asked to be told.
//!
//! In reading order: endpoints over HTTP ([`endpoints`]) and what was told there ([`deliveries`]);
//! where an endpoint may be ([`place`]), how a message is signed ([`sign`]), one message on its way
//! ([`send`]), and all that are due ([`deliver`]).

mod deliver;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
mod place;
mod send;
mod sign;

use lessor_store::Webhook;

use crate::access::Permission;
use crate::{Caller, Problem, Services};

pub use deliver::Webhooks;
pub(crate) use deliver::go_on;

/// An endpoint that the caller may do that with. One of others is answered like one that is not
/// there.
async fn find(
    services: &Services,
    caller: &Caller,
    id: &str,
    permission: Permission,
) -> Result<Webhook, Problem> {
    let found = services.store.webhook_show(id).await?.ok_or_else(Problem::not_found)?;
    match &found.tenant {
        Some(tenant) => caller.in_tenant(services, tenant, permission).await?,
        None if caller.platform_may(permission) => {}
        None => return Err(Problem::not_found()),
    }
    Ok(found)
}
