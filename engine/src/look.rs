//! Looking and planning in one, where nothing is to be changed.

use futures_util::FutureExt as _;
use futures_util::future::try_join;
use lessor_plans::Plan;
use lessor_specs::Specs;
use tokio::sync::oneshot;

use crate::observe::look_at_all;
use crate::{Desired, Registry, Wishes, World, desire, observe, plan};

/// Looks at every connection while it is still being found out what is asked for, and plans. What does
/// not depend on the wishes is looked at meanwhile: to read a database takes its time, and so do hosts.
///
/// Somebody may apply in between. Then more is remembered than was seen, and what they did would pass
/// for something that others undid. So before anything is called drift, everything is looked at again, now
/// that the wishes are there.
///
/// # Errors
/// That of `wishes`; nobody looks any further then.
pub async fn look<'w, E>(
    registry: &Registry,
    wishes: impl Future<Output = Result<&'w Wishes, E>>,
) -> Result<(&'w Wishes, Plan, World), E> {
    let (wishes, desired, world) = observe_meanwhile(registry, wishes).await?;
    let planned = plan(wishes, desired, &world);
    if !planned.changes.iter().any(|change| change.reason.is_drift()) {
        return Ok((wishes, planned, world));
    }
    let desired = desire(&wishes.specs);
    let world = observe(&wishes.specs, &desired, registry).await;
    Ok((wishes, plan(wishes, desired, &world), world))
}

async fn observe_meanwhile<'w, E>(
    registry: &Registry,
    wishes: impl Future<Output = Result<&'w Wishes, E>>,
) -> Result<(&'w Wishes, Desired<'w>, World), E> {
    let (told, wanted): (Vec<_>, Vec<_>) = registry.places().map(|_| oneshot::channel()).unzip();
    let wanted = wanted.into_iter().map(|wanted| wanted.map(Result::unwrap_or_default).boxed());
    let looking = look_at_all(registry, wanted.collect());
    let telling = async {
        let wishes = wishes.await?;
        let specs: &Specs = &wishes.specs;
        let desired = desire(specs);
        for (place, tell) in registry.places().zip(told) {
            // A host that did not answer wants to know nothing any more.
            let _ = tell.send(desired.wanted_at(specs, place));
        }
        Ok((wishes, desired))
    };
    // Hosts are asked first: what is asked for is read while they answer.
    let (world, (wishes, desired)) = try_join(looking.map(Ok), telling).await?;
    Ok((wishes, desired, world))
}
