//! From wishes and a world to a plan. Pure: same inputs, same bytes.

mod adopted;
mod catalogue;
mod compare;
mod holdings;
mod machines;
mod orders;
mod orphans;
mod prices;
mod steps;

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet, HashSetExt};
use lessor_plans::{
    Action, CatalogueChange, Change, ClaimKey, Code, FORMAT_VERSION, Forget, Gap, GateRules, Keep,
    Note, NoteKind, Plan,
};
use lessor_specs::kinds::WhenDue;
use lessor_specs::{Address, Duration, Kind};

use crate::Scope;
use crate::allocate::{Allocation, allocate, left_behind, released};
use crate::desire::Desired;
use crate::observe::World;
use crate::settle::{Wish, orphans as unwanted, settle};
use crate::wishes::{OrdersRead, Wishes};

pub use catalogue::may_concern_customers;
pub(crate) use orders::takes_unasked;

/// How long data is kept that nobody asks for, unless a policy says otherwise.
const KEEP_SECONDS: u64 = 7 * 86_400;

/// Compares what is wanted with what was seen.
pub fn plan(wishes: &Wishes, desired: Desired<'_>, world: &World) -> Plan {
    let Wishes { specs, claims, reserved, .. } = wishes;
    let allocation = allocate(specs, &desired, claims, world, reserved);
    let pools = desired.pools.iter().map(|pool| (pool.address(), pool.replicas));
    let pools: Vec<_> = pools.collect();
    let settled = settle(&wishes.specs, desired, &allocation, world);
    let mut planner = Planner {
        wishes,
        world,
        changes: Vec::new(),
        catalogue: Vec::new(),
        keeps: Vec::new(),
        notes: Vec::new(),
        due: Vec::new(),
        left_out: 0,
    };
    planner.problems(&allocation);
    planner.reserved_ones(&pools, &allocation.machines);
    planner.wanted(&settled);
    let orphans = unwanted(&settled, world);
    planner.unwanted(&orphans, &settled);
    planner.set_apart(&settled);
    planner.orders_under_way();
    planner.orders_held_back();
    planner.confine(&settled);
    // Room that a change would make which is left out is not made.
    planner.clashes(&settled);
    planner.set_apart(&settled);
    planner.oddities();
    planner.catalogue();
    planner.secrets(&settled);
    planner.select(&settled);
    let forget = planner.forget(&settled, &allocation);
    planner.finish(&settled, allocation, forget)
}

/// Collects what there is to do and to say.
struct Planner<'w> {
    wishes: &'w Wishes,
    world: &'w World,
    changes: Vec<Change>,
    catalogue: Vec<CatalogueChange>,
    keeps: Vec<Keep>,
    notes: Vec<Note>,
    /// When something falls due that is not due yet.
    due: Vec<jiff::Timestamp>,
    /// How many changes were not selected.
    left_out: usize,
}

impl Planner<'_> {
    fn note(
        &mut self,
        kind: NoteKind,
        about: &impl ToString,
        text: impl Into<String>,
    ) -> &mut Note {
        let (about, text) = (about.to_string(), text.into());
        self.notes.push(Note { kind, about, text, code: None, hint: None });
        let last = self.notes.len() - 1;
        &mut self.notes[last]
    }

    fn fatal(&mut self, code: Code, about: &impl ToString, text: String, hint: &str) {
        let note = self.note(NoteKind::Fatal, about, text);
        (note.code, note.hint) = (Some(code), Some(hint.into()));
    }

    fn problems(&mut self, allocation: &Allocation<'_>) {
        for (address, code, why) in &allocation.problems {
            let hint = match self.wishes.specs.ordered.of(address) {
                Some(_) => "make room",
                None if address.kind() == Kind::Machine => {
                    "make the `ports` of its pool longer, or stop what has one of them"
                }
                None => "make room, or remove the entry",
            };
            self.fatal(*code, address, why.clone(), hint);
        }
    }

    /// What carries our mark without being ours is said, and left alone.
    fn oddities(&mut self) {
        for (place, seen) in self.world.observations() {
            for oddity in &seen.oddities {
                let about = format!("{} on {place}", oddity.thing);
                self.note(NoteKind::Unmanaged, &about, format!("{}, left alone", oddity.why));
            }
        }
    }

    /// What could not be compared, since a secret is not to be had here.
    fn secrets(&mut self, settled: &[Wish<'_>]) {
        let unresolved = &self.wishes.unresolved;
        if unresolved.is_empty() {
            return;
        }
        for wish in settled {
            let lessor_plans::Body::Container(container) = &wish.body else { continue };
            for (name, value) in &container.env {
                let lessor_specs::EnvValue::Secret(secret) = value else { continue };
                if let Some(why) = unresolved.get(secret) {
                    let text = format!("`env.{name}` is not compared: {why}");
                    self.note(NoteKind::Unseen, &wish.address, text);
                }
            }
        }
    }

    /// Leaves out what was not selected. What a target needs and does not have yet comes along.
    fn select(&mut self, settled: &[Wish<'_>]) {
        let selection = &self.wishes.selection;
        if selection.selects_everything() {
            return;
        }
        let needs: HashMap<&Address, &[Address]> =
            settled.iter().map(|wish| (&wish.address, wish.needs.as_slice())).collect();
        let mut chosen: HashSet<Address> = HashSet::new();
        let mut open: Vec<Address> = self
            .changes
            .iter()
            .filter(|change| selection.targets(&change.address, &change.place))
            .map(|change| change.address.clone())
            .collect();
        while let Some(address) = open.pop() {
            if chosen.insert(address.clone()) {
                open.extend(
                    needs.get(&address).into_iter().flat_map(|needs| needs.iter().cloned()),
                );
            }
        }
        let before = self.changes.len() + self.keeps.len();
        self.changes.retain(|change| {
            chosen.contains(&change.address) && !selection.excludes(&change.address, &change.place)
        });
        self.drop_what_lacks_a_need(settled);
        self.keeps.retain(|keep| {
            selection.targets(&keep.address, &keep.place)
                && !selection.excludes(&keep.address, &keep.place)
        });
        self.left_out += before - self.changes.len() - self.keeps.len();
        self.selects_nothing(settled);
    }

    /// A slip of the pen in a selector would select too little, or exclude too little.
    fn selects_nothing(&mut self, settled: &[Wish<'_>]) {
        let selection = &self.wishes.selection;
        let there = self.world.observations().iter();
        let there = there.flat_map(|(place, seen)| seen.present.keys().map(move |b| (b, place)));
        let hosts: Vec<_> = self.wishes.specs.connections().collect();
        let known: Vec<_> = settled
            .iter()
            .map(|wish| (&wish.address, &wish.place))
            .chain(there)
            .chain(hosts.iter().map(|host| (host, host)))
            .collect();
        let all = selection.targets.iter().chain(&selection.excludes);
        for selector in
            all.filter(|s| !known.iter().any(|(address, place)| s.matches(address, place)))
        {
            let is_entry =
                self.catalogue.iter().any(|entry| selector.matches(&entry.address, &entry.address));
            let (more, hint) = if is_entry {
                (": the catalogue changes as a whole", "apply without selecting it")
            } else {
                ("", "name what `lessor plan` or `lessor show` lists, or a connection")
            };
            let text = format!("`{selector}` selects nothing{more}");
            self.fatal(Code::SelectsNothing, &"selection", text, hint);
        }
    }

    /// Without what was left out and is not there, what needs it cannot be made either.
    fn drop_what_lacks_a_need(&mut self, settled: &[Wish<'_>]) {
        let coming: HashSet<&Address> = self.changes.iter().map(|c| &c.address).collect();
        let is_lacking =
            |wish: &&Wish<'_>| wish.present.is_none() && !coming.contains(&wish.address);
        let mut lacking: HashSet<&Address> =
            settled.iter().filter(is_lacking).map(|wish| &wish.address).collect();
        // Needs are followed to their end: what is dropped is lacking in turn.
        loop {
            let known = lacking.len();
            for wish in settled {
                if wish.needs.iter().any(|need| lacking.contains(need)) {
                    lacking.insert(&wish.address);
                }
            }
            if lacking.len() == known {
                break;
            }
        }
        self.changes.retain(|change| !lacking.contains(&change.address));
    }

    /// What need not be remembered any more.
    fn forget(&self, settled: &[Wish<'_>], allocation: &Allocation<'_>) -> Forget {
        if self.world.has_blind_spot() {
            return Forget::default();
        }
        if !self.wishes.selection.is_everything() {
            return self.forget_of_tenants();
        }
        let kept = &self.wishes.kept;
        let births = settled.iter().flat_map(|wish| &wish.births);
        let wanted: HashSet<&Address> = births.filter(|birth| kept.contains_key(*birth)).collect();
        let there = |birth: &Address| {
            self.world.observations().values().any(|seen| seen.present.contains_key(birth))
        };
        let gone = kept.keys().filter(|birth| wanted.contains(birth) || !there(birth));
        // What was given out since orders were read, or to whom, nobody here knows.
        let claims = match self.wishes.orders {
            OrdersRead::Read if !self.wishes.specs.ordered.holds_any_back() => {
                released(&self.wishes.claims, &allocation.claims, self.world)
            }
            OrdersRead::Read | OrdersRead::NotRead | OrdersRead::Earlier => Vec::new(),
        };
        Forget { claims, keeps: gone.cloned().collect() }
    }

    /// Where only orders are carried out: what came with tenants of which nothing is left. What an
    /// order was given itself is given back when it is over.
    fn forget_of_tenants(&self) -> Forget {
        let Wishes { specs, claims, orders, selection, .. } = self.wishes;
        if *orders != OrdersRead::Read || selection.scope != Scope::Orders {
            return Forget::default();
        }
        Forget { claims: left_behind(claims, specs, self.world), keeps: Vec::new() }
    }

    fn finish(mut self, settled: &[Wish<'_>], allocation: Allocation<'_>, forget: Forget) -> Plan {
        self.changes.sort_by(|a, b| (&a.address, &a.place).cmp(&(&b.address, &b.place)));
        self.keeps.sort_by(|a, b| (&a.address, &a.place).cmp(&(&b.address, &b.place)));
        self.notes.sort();
        self.notes.dedup();
        let prices = self.prices(settled);
        let steps = steps::steps(&self.changes, settled);
        let claims = self.new_claims(allocation);
        Plan {
            format_version: FORMAT_VERSION,
            installation: self.wishes.installation.clone(),
            specs: self.wishes.digest.clone(),
            revision: self.wishes.revision,
            rules: self.rules(),
            changes: self.changes,
            steps,
            notes: self.notes,
            gaps: self.world.observations().values().flat_map(gaps).collect(),
            claims,
            catalogue: self.catalogue,
            prices,
            keeps: self.keeps,
            forget,
            left_out: self.left_out,
            owned: self.world.owned(),
            entries: self.wishes.specs.count() - self.wishes.specs.connections().count(),
            orders: self.wishes.specs.ordered.count(),
            valid_until: self.due.iter().min().copied(),
        }
    }

    /// Claims that are not remembered yet.
    fn new_claims(&self, allocation: Allocation<'_>) -> BTreeMap<ClaimKey, String> {
        let known = &self.wishes.claims;
        let is_new = |(key, claim): &(ClaimKey, String)| known.get(key) != Some(claim);
        allocation.claims.into_iter().filter(is_new).collect()
    }

    fn rules(&self) -> GateRules {
        let policy = &self.wishes.specs.policy;
        let gate = policy.gate.clone().unwrap_or_default();
        let when_due = policy.retention.as_ref().and_then(|retention| retention.destroy);
        GateRules {
            removals: gate.removals.unwrap_or(1),
            removals_percent: gate.removals_percent.unwrap_or(2),
            destroy_when_due: when_due == Some(WhenDue::Auto),
        }
    }

    fn keep_seconds(&self) -> u64 {
        let retention = self.wishes.specs.policy.retention.as_ref();
        retention.and_then(|retention| retention.keep).map_or(KEEP_SECONDS, Duration::secs)
    }
}

fn gaps(seen: &lessor_plans::Observation) -> impl Iterator<Item = Gap> {
    seen.gaps.iter().cloned()
}

/// Whether a change takes something away, be it for a moment.
fn removes(change: &Change) -> bool {
    matches!(change.action, Action::Replace | Action::Delete)
}
