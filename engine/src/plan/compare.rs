//! What is wanted, beside what is there.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet, HashSetExt};
use lessor_plans::{
    Action, Body, Change, ClaimKey, Code, Digest, Hold, Note, NoteKind, Present, Reason, Transition,
};
use lessor_specs::{Address, Kind};

use super::holdings::Holdings;
use super::{Planner, removes};
use crate::settle::Wish;

impl Planner<'_> {
    /// A change for each wish that is not as it should be.
    pub(super) fn wanted(&mut self, settled: &[Wish<'_>]) {
        let mut replaced: HashSet<&Address> = HashSet::new();
        // What others use is decided first: some of those follow when it is replaced.
        let follows = |wish: &&Wish<'_>| matches!(wish.body, Body::Container(_) | Body::Rule(_));
        let (followers, others): (Vec<_>, Vec<_>) = settled.iter().partition(follows);
        for wish in others.into_iter().chain(followers) {
            if self.is_refused(wish) || self.shrinks(wish) {
                continue;
            }
            let change = self.compare(wish, &replaced);
            self.adoption(wish, change.as_ref());
            let Some(change) = change else { continue };
            if change.action == Action::Replace && !follows(&wish) {
                replaced.insert(&wish.address);
            }
            self.changes.push(change);
        }
        self.hold_back(settled);
    }

    /// A disk never shrinks: what stands at its end would be lost.
    fn shrinks(&mut self, wish: &Wish<'_>) -> bool {
        let (Body::Guest(wanted), Some(Body::Guest(there))) =
            (&wish.body, wish.present.map(|present| &present.body))
        else {
            return false;
        };
        let image = &there.made_from.image;
        let is_same = image.is_empty() || wanted.made_from.image == *image;
        if wanted.disk >= there.disk || !is_same {
            return false;
        }
        let text = format!("its disk is {}, and {} are asked for", there.disk, wanted.disk);
        let hint = format!("ask for {} or more", there.disk);
        self.fatal(Code::DiskShrinks, &wish.address, text, &hint);
        true
    }

    /// Nothing is made on one system while what it needs on another cannot be seen, and may not be
    /// there.
    fn hold_back(&mut self, settled: &[Wish<'_>]) {
        let absent = settled.iter().filter(|wish| wish.present.is_none()).count();
        if absent == self.changes.iter().filter(|c| c.action == Action::Create).count() {
            return;
        }
        let coming: HashSet<&Address> = self.changes.iter().map(|c| &c.address).collect();
        let mut lacking: HashSet<&Address> = settled
            .iter()
            .filter(|wish| wish.present.is_none() && !coming.contains(&wish.address))
            .map(|wish| &wish.address)
            .collect();
        let mut held = Vec::new();
        // Needs are followed to their end: what is held back is lacking in turn.
        loop {
            let known = held.len();
            for wish in settled.iter().filter(|wish| wish.present.is_none()) {
                let lacks = |need: &&Address| lacking.contains(*need);
                if coming.contains(&wish.address)
                    && !lacking.contains(&wish.address)
                    && let Some(need) = wish.needs.iter().find(lacks)
                {
                    held.push((wish.address.clone(), need.clone()));
                    lacking.insert(&wish.address);
                }
            }
            if held.len() == known {
                break;
            }
        }
        let held: BTreeMap<Address, Address> = held.into_iter().collect();
        self.changes.retain(|change| !held.contains_key(&change.address));
        for (address, need) in held {
            let text = format!("waits for `{need}`, of which nobody can tell whether it is there");
            self.note(NoteKind::Unseen, &address, text);
        }
    }

    fn compare(&mut self, wish: &Wish<'_>, replaced: &HashSet<&Address>) -> Option<Change> {
        let Some(present) = wish.present else { return self.absent(wish) };
        let uses = |need: &&Address| match wish.body {
            // Rules and mappings go with the interface they are on; what they mention is only a name.
            Body::Rule(_) | Body::Mapping(_) => {
                matches!(need.kind(), Kind::Vlan | Kind::VlanRange)
            }
            Body::Container(_) => true,
            _ => false,
        };
        let follows = wish.needs.iter().filter(uses).find(|need| replaced.contains(need));
        let is_again = self.wishes.again.contains(&wish.address);
        let (action, reason) = match (self.world.compare(&wish.place, &wish.body, present), follows)
        {
            _ if is_again => (Action::Replace, Reason::Cleaned),
            (Transition::Replace(paths), _) => (Action::Replace, self.differs(wish, paths)),
            (_, Some(need)) => (Action::Replace, Reason::Follows(need.clone())),
            (Transition::InPlace(paths), None) if present.lacks_mark() => {
                (Action::Update, Reason::Adopted(paths))
            }
            (Transition::None, None) if present.lacks_mark() => {
                (Action::Update, Reason::Adopted(Vec::new()))
            }
            (Transition::InPlace(paths), None) => (Action::Update, self.differs(wish, paths)),
            (Transition::None, None) => return None,
        };
        if action == Action::Replace && !is_again && self.is_replaced_later(wish, &reason) {
            return None;
        }
        Some(change(wish, action, reason, Some(present)))
    }

    /// A wish without a thing: it is made, if it is certain that it is not there.
    fn absent(&mut self, wish: &Wish<'_>) -> Option<Change> {
        let seen = self.world.at(&wish.place)?;
        if let Some(why) = wish.births.iter().find_map(|birth| seen.unknown.get(birth)) {
            self.note(NoteKind::Unseen, &wish.address, format!("could not be seen: {why}"));
            return None;
        }
        // It may stand in the very corner that could not be searched.
        if !seen.gaps.is_empty() {
            return None;
        }
        self.lost_mark(wish);
        let reason = if self.was_applied(wish) { Reason::Missing } else { Reason::Wanted };
        Some(change(wish, Action::Create, reason, None))
    }

    /// Whoever writes over the description of a guest makes it a stranger: then another one is made,
    /// and it has to be said how the old one comes back.
    fn lost_mark(&mut self, wish: &Wish<'_>) {
        let place = &wish.place;
        let (Body::Guest(_), Some(seen)) = (&wish.body, self.world.at(place)) else { return };
        let pool = format!("{place}/id");
        let claim = |birth: &Address| ClaimKey { pool: pool.clone(), holder: birth.to_string() };
        let known = |birth: &&Address| self.wishes.applied.contains_key(*birth);
        let made = wish.births.iter().filter(known);
        let Some(id) = { made }.find_map(|birth| self.wishes.claims.get(&claim(birth))) else {
            return;
        };
        let held = Hold::Name { sort: "guest", name: id.clone() };
        if wish.adopted.is_none() && seen.strangers.iter().any(|one| one.hold == held) {
            let text = format!("guest `{id}`, which it was, carries no mark of ours any more");
            let hint = format!("write `adopted = \"{id}\"` in its entry to take that one back");
            self.note(NoteKind::Info, &wish.address, text).hint = Some(hint);
        }
    }

    /// Somebody else's doing, when the journal says that exactly this was applied.
    fn differs(&self, wish: &Wish<'_>, paths: Vec<String>) -> Reason {
        if self.was_applied(wish) { Reason::Drifted(paths) } else { Reason::Changed(paths) }
    }

    /// Whether the journal says that exactly this was applied last.
    fn was_applied(&self, wish: &Wish<'_>) -> bool {
        let last = wish.births.iter().find_map(|address| self.wishes.applied.get(address));
        last.is_some_and(|last| *last == Digest::of_json(&*wish.body.asked_for()))
    }

    /// What will be made collides with what stays: said before anything runs.
    pub(super) fn clashes(&mut self, settled: &[Wish<'_>]) {
        let is_making =
            |change: &&Change| matches!(change.action, Action::Create | Action::Replace);
        if !self.changes.iter().any(|change| is_making(&change)) {
            return;
        }
        let staying = self.staying(settled);
        let making = self.changes.iter().filter(is_making);
        let mut notes = Vec::new();
        for change in making {
            let Some(after) = &change.after else { continue };
            for (hold, holder) in staying.clashes(&change.place, after) {
                notes.push(in_the_way(change, &hold, holder));
            }
        }
        self.notes.extend(notes);
    }

    /// What is held on every host and is not given up by this plan.
    fn staying<'s>(&'s self, settled: &'s [Wish<'s>]) -> Holdings<'s, Holder<'s>> {
        let going: HashSet<(&Address, &Address)> = self
            .changes
            .iter()
            .filter(|change| removes(change))
            .map(|change| (&change.place, &change.address))
            .collect();
        let address_of: HashMap<(&Address, &Address), &Address> = settled
            .iter()
            .filter_map(|wish| Some(((&wish.place, &wish.present?.birth), &wish.address)))
            .collect();
        let mut staying = Holdings::new();
        for (place, seen) in self.world.observations() {
            for stranger in &seen.strangers {
                staying.insert_hold(place, &stranger.hold, Holder::Stranger(&stranger.holder));
            }
            for (birth, present) in &seen.present {
                let address = address_of.get(&(place, birth)).copied().unwrap_or(birth);
                if !going.contains(&(place, address)) {
                    staying.insert(place, &present.body, Holder::Ours(address));
                }
            }
        }
        staying
    }
}

/// Who holds something.
#[derive(Clone, Copy)]
enum Holder<'h> {
    Ours(&'h Address),
    /// In words.
    Stranger(&'h str),
}

fn in_the_way(change: &Change, hold: &Hold, holder: Holder<'_>) -> Note {
    let place = &change.place;
    let (code, text, hint) = match (holder, hold) {
        (Holder::Ours(address), _) => {
            (Code::StillOurs, format!("{hold} on `{place}` is still held by `{address}`"), None)
        }
        (Holder::Stranger(holder), Hold::Name { .. }) => (
            Code::NameHeld,
            format!("{hold} on `{place}` belongs to {holder}, which is not ours"),
            Some("rename the entry, or remove that one by hand"),
        ),
        (Holder::Stranger(holder), Hold::Port { .. }) => (
            Code::PortHeld,
            format!("{hold} on `{place}` belongs to {holder}, which is not ours"),
            Some("choose another port, or stop what has it"),
        ),
        (Holder::Stranger(holder), Hold::Subnet(_)) => (
            Code::SubnetHeld,
            format!("{hold} on `{place}` overlaps {holder}, which is not ours"),
            Some("choose another subnet, or remove what has it"),
        ),
    };
    Note {
        kind: NoteKind::Fatal,
        about: change.address.to_string(),
        text,
        code: Some(code),
        hint: hint.map(str::to_owned),
    }
}

fn change(wish: &Wish<'_>, action: Action, reason: Reason, present: Option<&Present>) -> Change {
    Change {
        address: wish.address.clone(),
        place: wish.place.clone(),
        origin: wish.origin.clone(),
        adopted: present.and_then(|present| Some(present.adopted.as_ref()?.id.clone())),
        action,
        reason,
        before: present.map(|present| present.beside(Some(&wish.body))),
        after: Some(wish.body.clone()),
        ready: wish.ready.clone(),
    }
}
