//! What is ours and no longer asked for.

use std::collections::BTreeMap;

use lessor_plans::{Action, Change, Keep, NoteKind, Origin, Present, Reason};
use lessor_specs::Address;

use super::Planner;

impl Planner<'_> {
    /// Removes what nobody asks for, unless a corner could not be seen: that may hold the very
    /// thing that still needs it.
    pub(super) fn unwanted(&mut self, orphans: &BTreeMap<(&Address, &Address), &Present>) {
        if orphans.is_empty() {
            return;
        }
        if self.world.has_blind_spot() {
            let waiting = match orphans.len() {
                1 => "1 thing waits".into(),
                things => format!("{things} things wait"),
            };
            let text = format!("nothing is removed while something cannot be seen; {waiting}");
            self.note(NoteKind::Waiting, &"removals", text);
            return;
        }
        for ((place, birth), present) in orphans {
            match &present.origin {
                Origin::File => self.orphan(place, birth, present),
                Origin::Order(id) => {
                    let text = format!("born of order {id}, and no orders were read; not compared");
                    self.note(NoteKind::Info, birth, text);
                }
            }
        }
    }

    fn orphan(&mut self, place: &Address, birth: &Address, present: &Present) {
        if !present.body.has_data() {
            return self.remove(place, birth, present, Reason::Unwanted);
        }
        if self.wishes.destroy_data.contains(birth) {
            return self.remove(place, birth, present, Reason::DataGivenUp);
        }
        match self.wishes.kept.get(birth) {
            Some(due) if *due <= self.wishes.now => {
                self.remove(place, birth, present, Reason::Due(*due));
            }
            Some(due) => {
                self.due.push(*due);
                let text = format!("no longer declared; its data is kept until {due}");
                self.note(NoteKind::Waiting, birth, text).hint = Some(format!(
                    "declare it again to take it back, or `lessor apply --destroy-data {birth}` to end it now"
                ));
            }
            None => {
                let (address, place) = (birth.clone(), place.clone());
                self.keeps.push(Keep { address, place, seconds: self.keep_seconds() });
            }
        }
    }

    fn remove(&mut self, place: &Address, birth: &Address, present: &Present, reason: Reason) {
        self.changes.push(Change {
            address: birth.clone(),
            place: place.clone(),
            origin: present.origin.clone(),
            action: Action::Delete,
            reason,
            before: Some(present.beside(None)),
            after: None,
            ready: None,
        });
    }
}
