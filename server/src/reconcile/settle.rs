//! How far each order is, after a look.

use std::collections::{BTreeMap, BTreeSet};

use lessor_engine::{FailureKind, Outcome};
use lessor_plans::{NoteKind, Origin, Plan};
use lessor_specs::{Address, Kind, OrderPhase};
use lessor_store::{Order, StoreError};
use tracing::{info, warn};

use super::look::Look;
use super::{Done, Reconciler};

/// How often a provider may say no before an order that was never carried out is given up.
const REFUSALS: u32 = 3;

/// How an order stands after a look.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Everything is there as it asks.
    AsAsked,
    /// It is over, and nothing of it is left.
    Gone,
    /// It is over, and its data is kept for a while.
    Kept,
    /// Something is to be done, or cannot be seen.
    Waits(String),
}

/// What a look says of orders, by their ids: gathered once, since there may be as many of one as of the
/// other.
#[derive(Default)]
struct Signs<'l> {
    /// The first thing that is not as the order asks.
    changes: BTreeMap<&'l str, &'l Address>,
    /// Something of it that is still there.
    left: BTreeMap<&'l str, &'l Address>,
    /// What keeps it from being planned.
    waits: BTreeMap<&'l str, &'l str>,
}

impl Reconciler {
    /// Writes down what a look says of the orders that are not at rest.
    pub(super) async fn settle(&mut self, look: &Look, done: &mut Done) -> anyhow::Result<()> {
        let signs = Signs::of(look);
        for order in &look.open {
            let id = &order.id;
            let told = match standing(order, look, &signs) {
                Standing::AsAsked => self.activate(order).await,
                Standing::Gone => self.store.order_clear(id).await.map(Some),
                Standing::Kept => continue,
                Standing::Waits(why) => {
                    done.waiting.insert(id.clone(), why);
                    continue;
                }
            };
            if let Some(Some(order)) = unless_moved(told)? {
                info!(order = id, phase = %order.phase, "an order settled");
                done.seen.insert(id.clone(), order.version);
                done.settled.insert(id.clone(), order.phase);
                self.refusals.remove(id);
            }
        }
        Ok(())
    }

    async fn activate(&self, order: &Order) -> Result<Option<Order>, StoreError> {
        let mut seen = order.version;
        if order.phase == OrderPhase::Pending {
            // What it asks for was made, and whoever made it did not come to say so.
            let begun = self.store.order_begin(&order.id).await?;
            if begun.version != seen + 1 {
                return Ok(None);
            }
            seen = begun.version;
        }
        self.store.order_activate(&order.id, Some(seen)).await.map(Some)
    }

    /// Writes down which orders were not carried out, and gives those up that cannot be.
    pub(super) async fn settle_failures(
        &mut self,
        look: &Look,
        outcome: &Outcome,
        done: &mut Done,
    ) -> anyhow::Result<()> {
        for (id, Trouble { why, refused }) in troubled(&look.plan, outcome) {
            warn!(order = id, %why, refused, "an order could not be carried out");
            done.waiting.insert(id.clone(), why.clone());
            let Some(order) = look.open.iter().find(|order| order.id == id) else { continue };
            let is_new = order.anchored_at.is_none() && !order.phase.is_end();
            let told = if refused && is_new && self.is_refused_for_good(&id) {
                self.store.order_fail(&id, &why).await
            } else {
                self.store.order_lose(&id, &why).await
            };
            let Some(order) = unless_moved(told)? else { continue };
            if order.phase == OrderPhase::Failed {
                // It shows as another than was seen: what is there of it is removed next.
                done.settled.insert(id, order.phase);
            } else {
                done.seen.insert(id, order.version);
            }
        }
        Ok(())
    }

    fn is_refused_for_good(&mut self, order: &str) -> bool {
        let refusals = self.refusals.entry(order.to_owned()).or_default();
        *refusals += 1;
        *refusals >= REFUSALS
    }
}

/// What the store says; nothing where the order went on meanwhile, so that the next look counts.
pub(super) fn unless_moved<T>(told: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match told {
        Ok(order) => Ok(Some(order)),
        Err(StoreError::Declined(decline)) => {
            info!(%decline, "an order went on meanwhile");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What kept an order from being carried out.
struct Trouble {
    why: String,
    refused: bool,
}

/// Orders for which a step failed, or was not begun since another failed.
fn troubled(plan: &Plan, outcome: &Outcome) -> BTreeMap<String, Trouble> {
    let mut found = BTreeMap::new();
    for failure in outcome.failures.iter().filter(|failure| failure.kind == FailureKind::Failed) {
        for step in following(plan, failure.step) {
            let change = &plan.changes[plan.steps[step - 1].change];
            let Origin::Order(order) = &change.origin else { continue };
            let why = format!("`{}`: {}", failure.address, failure.why);
            let trouble = Trouble { why, refused: failure.refused };
            found.entry(order.clone()).or_insert(trouble);
        }
    }
    found
}

/// A step, and all that need it, counted from 1.
fn following(plan: &Plan, step: usize) -> BTreeSet<usize> {
    let mut all = BTreeSet::from([step]);
    // A step needs earlier ones only.
    for (index, later) in plan.steps.iter().enumerate() {
        if later.needs.iter().any(|need| all.contains(&(need + 1))) {
            all.insert(index + 1);
        }
    }
    all
}

impl<'l> Signs<'l> {
    fn of(look: &'l Look) -> Self {
        let mut signs = Signs::default();
        for change in &look.plan.changes {
            if let Origin::Order(order) = &change.origin {
                signs.changes.entry(order).or_insert(&change.address);
            }
        }
        for seen in look.world.observations().values() {
            for (birth, thing) in seen.present.iter().filter(|(birth, _)| is_of_an_instance(birth))
            {
                if let Origin::Order(order) = &thing.origin {
                    signs.left.entry(order).or_insert(birth);
                }
            }
        }
        for note in look.plan.notes.iter().filter(|note| note.kind == NoteKind::Waiting) {
            // Either it is about the order and says that it waits, or it says which order does.
            let about =
                note.about.strip_prefix("order ").filter(|_| note.text.starts_with("waits"));
            let named = || note.text.strip_prefix("order ")?.split_once(" waits");
            let order = about.or_else(|| named().map(|(order, _)| order));
            if let Some(order) = order {
                signs.waits.entry(order).or_insert(&note.text);
            }
        }
        signs
    }
}

fn is_of_an_instance(birth: &Address) -> bool {
    let bringer = birth.bringer();
    let mut either = std::iter::once(birth).chain(bringer.as_ref());
    either.any(|address| address.kind() == Kind::Instance)
}

fn standing(order: &Order, look: &Look, signs: &Signs<'_>) -> Standing {
    let is_terminating = order.phase == OrderPhase::Terminating;
    let is_over = order.phase.is_end()
        || is_terminating && order.retain_until.is_none_or(|until| until <= look.now);
    if let Some(why) = blind(order, look) {
        return Standing::Waits(why);
    }
    let id = order.id.as_str();
    if is_over {
        return match signs.left.get(id) {
            Some(birth) => Standing::Waits(format!("`{birth}` is still there")),
            None => Standing::Gone,
        };
    }
    if let Some(why) = signs.waits.get(id) {
        return Standing::Waits((*why).to_owned());
    }
    match signs.changes.get(id) {
        Some(address) => Standing::Waits(format!("`{address}` is not as it asks")),
        None if is_terminating => Standing::Kept,
        None => Standing::AsAsked,
    }
}

/// Why nobody can tell what is there of an order, if that is so.
fn blind(order: &Order, look: &Look) -> Option<String> {
    let host = order.host.as_deref().unwrap_or_default();
    let connection = host.split_once('/').map_or(host, |(connection, _)| connection);
    let concerns = |place: &Address| {
        // What a guest needs on a firewall may stand on any.
        let is_firewall = place.kind() == Kind::PfSense && !connection.starts_with("docker.");
        connection.is_empty() || is_firewall || place.to_string() == connection
    };
    let seen = || look.world.observations().iter().filter(|(place, _)| concerns(place));
    if seen().next().is_none() {
        return Some(format!("`{connection}`, where it lives, is not declared any more"));
    }
    let name = order.full_name();
    let is_its = |birth: &Address| {
        let bringer = birth.bringer();
        let instance = bringer.as_ref().unwrap_or(birth);
        instance.kind() == Kind::Instance && instance.name() == name
    };
    let mut gaps = seen().flat_map(|(_, seen)| &seen.gaps);
    let mut unknown = seen().flat_map(|(_, seen)| &seen.unknown).filter(|(birth, _)| is_its(birth));
    let gap = gaps.next().map(|gap| format!("`{}` could not be seen: {}", gap.place, gap.why));
    gap.or_else(|| unknown.next().map(|(birth, why)| format!("`{birth}` cannot be seen: {why}")))
}
