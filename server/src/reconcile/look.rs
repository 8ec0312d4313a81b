//! One look: what there is, what is ordered, and what would have to be done.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use lessor_engine::{
    Clock as _, OrdersRead, Scope, Selection, Wishes, World, desire, observe, plan,
};
use lessor_plans::Plan;
use lessor_specs::{Address, Kind};
use lessor_store::{Order, OrderSight, Store};
use tracing::warn;

use super::Estate;
use super::ground::Ground;

/// What one look came to.
pub(crate) struct Look {
    /// What is to be done, as far as it was asked for.
    pub(crate) plan: Plan,
    pub(super) world: World,
    /// Orders that are not at rest, as they were.
    pub(super) open: Vec<Order>,
    /// Whether operators let orders be carried out without them.
    pub(super) is_auto: bool,
    pub(super) now: Timestamp,
    /// Why nothing can be begun.
    pub(super) missing: Option<String>,
}

/// What a plan is made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    /// Machines that are made anew.
    pub(crate) again: BTreeSet<Address>,
    /// Kept things whose data is given up.
    pub(crate) destroy_data: BTreeSet<Address>,
}

/// Looks at every host and compares, without changing anything.
pub(crate) async fn look(
    store: &Store,
    estate: &Estate,
    ground: &Ground,
    asked: Asked,
) -> anyhow::Result<Look> {
    let OrderSight { orders, open, claims } = store.order_sight().await?;
    let now = store.now();
    let specs = ground.specs.with_fitting_orders(&orders, now);
    for (_, order) in specs.ordered.held_back() {
        warn!(order = order.id, why = order.why, "an order does not fit what was applied");
    }
    let mut wishes =
        Wishes::new(estate.installation.clone(), Arc::new(specs), ground.tree.digest(), now);
    wishes.orders = OrdersRead::Read;
    wishes.revision = ground.revision;
    wishes.before = ground.before.clone();
    wishes.claims = claims;
    wishes.applied = store.applied_list().await?;
    wishes.kept = store.keep_list().await?;
    let unresolved = ground.secrets.unresolved();
    wishes.unresolved = unresolved.map(|(secret, why)| (secret.clone(), why.into())).collect();
    let missing = wishes.unresolved.iter().next();
    let missing = missing.map(|(secret, why)| format!("`{secret}` is not to be had: {why}"));
    wishes.selection = asked.selection;
    wishes.destroy_data = asked.destroy_data;
    wishes.reserved = reserved(store).await?;
    wishes.again = asked.again;
    let is_auto = wishes.clone().unattended().is_some();
    let desired = desire(&wishes.specs);
    let world = observe(&wishes.specs, &desired, &ground.registry).await;
    let plan = plan(&wishes, desired, &world);
    Ok(Look { plan, world, open, is_auto, now, missing })
}

/// Machines that somebody has, or will have.
async fn reserved(store: &Store) -> anyhow::Result<BTreeSet<Address>> {
    let machines = store.machine_list_booked().await?;
    Ok(machines.into_iter().map(|name| Address::new(Kind::Machine, name)).collect())
}

impl From<Scope> for Asked {
    fn from(scope: Scope) -> Self {
        let selection = Selection { scope, ..Selection::default() };
        Asked { selection, ..Asked::default() }
    }
}

impl Look {
    pub(super) fn is_something_to_do(&self) -> bool {
        let Plan { changes, claims, forget, .. } = &self.plan;
        self.is_auto && !(changes.is_empty() && claims.is_empty() && forget.is_empty())
    }
}
