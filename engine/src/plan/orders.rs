//! What customers ordered, beside everything else: what is said of it, and what only it may do.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashSet};
use lessor_plans::{Action, Body, Note, NoteKind, Origin, Present, Reason};
use lessor_specs::orders::EndedOrder;
use lessor_specs::{Address, Kind};

use super::Planner;
use crate::observe::World;
use crate::settle::Wish;
use crate::tenant::sharing;
use crate::{OrdersRead, Scope, Wishes};

/// Orders, by what a thing tells that came with one.
pub(super) struct Traces<'o> {
    /// Names of the standing ones, by id.
    standing: HashMap<&'o str, &'o str>,
    /// The first that is over of each tenant.
    ended: HashMap<&'o str, (&'o str, &'o EndedOrder)>,
    held_back: HashSet<&'o str>,
    tenants_held_back: HashSet<&'o str>,
    /// Tenants of whom something ordered is there, where no orders were read.
    tenants_seen: HashSet<&'o str>,
}

impl<'o> Traces<'o> {
    pub(super) fn new(wishes: &'o Wishes, world: &'o World) -> Self {
        let ordered = &wishes.specs.ordered;
        let mut ended = HashMap::default();
        for (order, end) in ordered.all_ended() {
            ended.entry(tenant_of(&end.name)).or_insert((order, end));
        }
        let ours = world.observations().values().flat_map(|seen| &seen.present);
        let is_ordered = |(birth, present): &(&Address, &Present)| {
            birth.kind() == Kind::Instance && present.origin != Origin::File
        };
        let is_guessed = wishes.orders == OrdersRead::NotRead;
        let seen = ours.filter(|_| is_guessed).filter(is_ordered);
        Traces {
            standing: ordered.standing().map(|(name, order)| (order.id.as_str(), name)).collect(),
            ended,
            held_back: ordered.held_back().map(|(_, order)| order.id.as_str()).collect(),
            tenants_held_back: ordered.held_back().map(|(name, _)| tenant_of(name)).collect(),
            tenants_seen: seen.map(|(birth, _)| tenant_of(birth.name())).collect(),
        }
    }

    /// Whether something ordered may still use a thing that a file asked for, where no orders were
    /// read: what a tenant has once.
    pub(super) fn may_be_ordered(&self, birth: &Address) -> bool {
        sharing(birth).is_some_and(|tenant| self.tenants_seen.contains(tenant))
    }

    /// Whether an order that does not fit what files declare made a thing, or still uses it with its
    /// whole tenant. It is left as it is until the order fits, or ends.
    pub(super) fn is_held_back(&self, birth: &Address, origin: &Origin) -> bool {
        order_of(origin).is_some_and(|order| self.held_back.contains(order))
            || sharing(birth).is_some_and(|tenant| self.tenants_held_back.contains(tenant))
    }
}

impl Planner<'_> {
    /// Something of ours that an order asked for, and that is not wanted.
    pub(super) fn orphan_of_order(
        &mut self,
        order: &str,
        (place, birth, present): (&Address, &Address, &Present),
        wanted: &HashSet<&Address>,
        traces: &Traces<'_>,
    ) {
        let ended = self.wishes.specs.ordered.ended(order).map(|ended| (order, ended));
        // What a tenant has once goes with its last order, whichever it came with.
        let of_tenant = || traces.ended.get(sharing(birth)?).copied();
        if let Some((order, ended)) = ended.or_else(of_tenant) {
            if self.is_under_kept_user(place, birth, present) {
                return;
            }
            let reason = Reason::Ended { order: order.into(), event: ended.event.clone() };
            return self.remove(place, birth, present, reason);
        }
        match traces.standing.get(order) {
            // Without a home for the instance, nobody can tell what it needs.
            Some(name) if !wanted.contains(&Address::new(Kind::Instance, *name)) => {}
            Some(_) if !present.body.has_data() => {
                let reason = Reason::Released { order: order.into() };
                self.remove(place, birth, present, reason);
            }
            _ => self.orphan(place, birth, present, true),
        }
    }

    /// Says which orders do not fit what files declare, and why.
    pub(super) fn orders_held_back(&mut self) {
        let specs = &self.wishes.specs;
        for (_, order) in specs.ordered.held_back() {
            let text = format!("waits: {}", order.why);
            let note = self.note(NoteKind::Waiting, &format!("order {}", order.id), text);
            note.hint.clone_from(&order.hint);
        }
    }

    pub(super) fn are_orders_read(&self) -> bool {
        self.wishes.orders != OrdersRead::NotRead
    }

    /// Says how many things nobody can tell anything about, since no orders were read.
    pub(super) fn not_compared(&mut self, things: usize) {
        let text = match things {
            0 => return,
            1 => "1 thing was ordered, and no orders were read; not compared".to_owned(),
            _ => format!("{things} things were ordered, and no orders were read; not compared"),
        };
        self.note(NoteKind::Info, &"orders", text).hint =
            Some("name a file that `lessor render --orders` wrote: `--orders FILE`".into());
    }

    /// Says which orders are being carried out or come to their end, and until when data is kept.
    pub(super) fn orders_under_way(&mut self) {
        let specs = &self.wishes.specs;
        let changing: BTreeSet<&str> =
            self.changes.iter().filter_map(|c| order_of(&c.origin)).collect();
        let mut notes = Vec::new();
        for (name, order) in specs.ordered.standing() {
            let address = Address::new(Kind::Instance, name);
            if let Some(until) = order.keep_until {
                let text = format!("order {} ended; its data is kept until {until}", order.id);
                notes.push((address.to_string(), text));
                self.due.push(until);
            } else if order.phase.is_under_way() && changing.contains(order.id.as_str()) {
                let text = format!("{}, `{address}`", order.phase);
                notes.push((format!("order {}", order.id), text));
            }
        }
        for (about, text) in notes {
            self.note(NoteKind::Waiting, &about, text);
        }
    }

    /// An order that cannot be carried out as it is holds up itself, and nobody else.
    pub(super) fn set_apart(&mut self, settled: &[Wish<'_>]) {
        if self.wishes.specs.ordered.is_empty() {
            return;
        }
        let origins: HashMap<String, Origin> =
            self.changes.iter().map(|c| (c.address.to_string(), c.origin.clone())).collect();
        let ordered = &self.wishes.specs.ordered;
        let order_of_note = |note: &Note| {
            let origin = origins.get(&note.about).and_then(order_of).map(str::to_owned);
            let standing = || ordered.of(&note.about.parse().ok()?).map(|order| order.id.clone());
            origin.or_else(standing)
        };
        let mut stuck = BTreeSet::new();
        for note in self.notes.iter_mut().filter(|note| note.kind == NoteKind::Fatal) {
            if let Some(order) = order_of_note(note) {
                note.kind = NoteKind::Waiting;
                note.text = format!("order {order} waits: {}", note.text);
                stuck.insert(order);
            }
        }
        if stuck.is_empty() {
            return;
        }
        self.changes.retain(|c| !order_of(&c.origin).is_some_and(|order| stuck.contains(order)));
        self.drop_what_lacks_a_need(settled);
    }

    /// Leaves the changes that belong to the scope.
    pub(super) fn confine(&mut self, settled: &[Wish<'_>]) {
        match self.wishes.selection.scope {
            Scope::All => {}
            Scope::Settled => {
                self.orders_ended();
                let ordered = &self.wishes.specs.ordered;
                let under_way: BTreeSet<&str> = ordered
                    .standing()
                    .filter(|(_, order)| order.phase.is_under_way())
                    .map(|(_, order)| order.id.as_str())
                    .collect();
                let is_settled =
                    |origin: &Origin| !order_of(origin).is_some_and(|o| under_way.contains(o));
                self.changes.retain(|c| is_settled(&c.origin) && !c.reason.is_agreed_by_order());
            }
            Scope::Orders => self.confine_to_orders(settled),
        }
    }

    /// Says which orders are over and left something behind.
    fn orders_ended(&mut self) {
        let ended = self.changes.iter().filter_map(|change| match &change.reason {
            Reason::Ended { order, event } => Some((order.clone(), event.clone())),
            _ => None,
        });
        let ended: BTreeSet<_> = ended.collect();
        for (order, event) in ended {
            let text = format!("ended ({event}); what it made goes");
            self.note(NoteKind::Waiting, &format!("order {order}"), text);
        }
    }

    fn confine_to_orders(&mut self, settled: &[Wish<'_>]) {
        let before = self.changes.len() + self.keeps.len();
        let ordered = |wish: &&Wish<'_>| wish.origin != Origin::File;
        let needed: HashSet<&Address> =
            settled.iter().filter(ordered).flat_map(|wish| &wish.needs).collect();
        // An image is nobody's: it is there for whatever runs it.
        let fetches = |address: &Address, body: Option<&Body>| {
            matches!(body, Some(Body::Image(_))) && needed.contains(address)
        };
        self.changes.retain(|change| {
            change.origin != Origin::File || fetches(&change.address, change.after.as_ref())
        });
        let by_order: BTreeMap<Address, String> = self
            .changes
            .iter()
            .filter_map(|c| Some((c.address.clone(), order_of(&c.origin)?.to_owned())))
            .collect();
        self.drop_what_lacks_a_need(settled);
        let going: HashSet<&Address> = self.changes.iter().map(|change| &change.address).collect();
        let waiting: BTreeSet<&String> =
            by_order.iter().filter(|(a, _)| !going.contains(a)).map(|(_, order)| order).collect();
        let notes: Vec<_> = waiting.into_iter().map(|order| format!("order {order}")).collect();
        for about in notes {
            let text = "waits for something that an operator declared and nobody applied yet";
            self.note(NoteKind::Waiting, &about, text).hint = Some("run `lessor apply`".into());
        }
        self.keeps.clear();
        // What stands in an operator's way is theirs to hear.
        self.notes.retain(|note| note.kind != NoteKind::Fatal);
        self.left_out = before - self.changes.len();
    }
}

/// Whose an instance is, by `tenant/name`.
fn tenant_of(instance: &str) -> &str {
    instance.split_once('/').map_or(instance, |(tenant, _)| tenant)
}

/// The order that asks for something, if one does.
pub(super) fn order_of(origin: &Origin) -> Option<&str> {
    match origin {
        Origin::Order(id) => Some(id),
        Origin::File => None,
    }
}

/// Whether a change takes away what was ordered and no order agreed to that.
pub(crate) fn takes_unasked(change: &lessor_plans::Change) -> bool {
    let goes = match change.action {
        Action::Delete => true,
        Action::Update => change.reason == Reason::Unwanted,
        Action::Create | Action::Replace => false,
    };
    goes && change.origin != Origin::File
        && !change.reason.is_agreed_by_order()
        && change.reason != Reason::DataGivenUp
        && sharing(&change.address).is_none()
}
