//! What is ours and no longer asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_plans::{
    Action, Body, Change, GuestBody, Keep, NoteKind, Origin, Present, Reason, Transition,
};
use lessor_specs::{Address, Kind};

use super::Planner;
use super::orders::{Traces, order_of};
use crate::settle::Wish;

/// Up to so many things that go, each is held against what is made. A crowd is held for its number.
const RENAMES_LOOKED_FOR: usize = 100;

impl Planner<'_> {
    /// Removes what nobody asks for, unless a corner could not be seen: that may hold the very
    /// thing that still needs it.
    pub(super) fn unwanted(
        &mut self,
        orphans: &BTreeMap<(&Address, &Address), &Present>,
        settled: &[Wish<'_>],
    ) {
        if orphans.is_empty() {
            return;
        }
        let not_read = |present: &&&Present| present.origin != Origin::File;
        let not_read = orphans.values().filter(not_read).count();
        if !self.are_orders_read() {
            self.not_compared(not_read);
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
        let is_crowd =
            orphans.len() > RENAMES_LOOKED_FOR || self.changes.len() > RENAMES_LOOKED_FOR;
        let wanted = settled.iter().map(|wish| &wish.address).collect();
        let traces = Traces::new(self.wishes, self.world);
        for ((place, birth), present) in orphans {
            match &present.origin {
                origin if traces.is_held_back(birth, origin) => {}
                Origin::File if traces.may_be_ordered(birth) => {
                    let text = "no longer declared; what was ordered may still need it";
                    self.note(NoteKind::Info, birth, text);
                }
                Origin::File if self.goes_later(birth) => {}
                Origin::File => self.orphan(place, birth, present, is_crowd),
                Origin::Order(_) if !self.are_orders_read() => {}
                Origin::Order(id) => {
                    self.orphan_of_order(id, (place, birth, present), &wanted, &traces);
                }
            }
        }
    }

    pub(super) fn orphan(
        &mut self,
        place: &Address,
        birth: &Address,
        present: &Present,
        is_crowd: bool,
    ) {
        if self.is_under_kept_user(place, birth, present) {
            return;
        }
        if !present.body.has_data() {
            // What comes with an instance or a tenant has no entry that could be renamed.
            // A pool that is still there lost a machine, and not its name.
            let is_made =
                birth.kind() == Kind::Machine && self.wishes.specs.made_by(birth.name()).is_some();
            let is_entry = !birth.is_derived() && !is_made;
            let renamed = (is_entry && !is_crowd).then(|| self.renamed(place, birth, present));
            return self.remove(
                place,
                birth,
                present,
                renamed.flatten().unwrap_or(Reason::Unwanted),
            );
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
                self.put_away(place, birth, present, Some(*due));
                let text = format!("no longer declared; its data is kept until {due}");
                self.note(NoteKind::Waiting, birth, text).hint = Some(format!(
                    "declare it again to take it back, or `lessor apply --destroy-data {birth}` to end it now"
                ));
            }
            None => {
                self.put_away(place, birth, present, None);
                let (address, place) = (birth.clone(), place.clone());
                let until = said_to_be_kept(&present.body);
                self.keeps.push(Keep { address, place, seconds: self.keep_seconds(), until });
            }
        }
    }

    /// What is kept for its data does not run meanwhile, and says until when that is. A date that
    /// is not known yet is when the run begins that keeps it.
    fn put_away(
        &mut self,
        place: &Address,
        birth: &Address,
        present: &Present,
        until: Option<Timestamp>,
    ) {
        let before = present.beside(None);
        let mut after = before.clone();
        let Some(guest) = after.guest_mut() else { return };
        (guest.running, guest.on_boot) = (false, false);
        guest.waiting.clear();
        if until.is_some() {
            guest.kept_until = until;
            if after == before {
                return;
            }
        }
        self.changes.push(Change {
            address: birth.clone(),
            place: place.clone(),
            origin: present.origin.clone(),
            adopted: None,
            action: Action::Update,
            reason: Reason::Unwanted,
            before: Some(before),
            after: Some(after),
            ready: None,
        });
    }

    /// Whether a thing stays for a guest that is kept, which is then said.
    pub(super) fn is_under_kept_user(
        &mut self,
        place: &Address,
        birth: &Address,
        present: &Present,
    ) -> bool {
        let Some(user) = self.kept_user(place, present) else { return false };
        let text = format!("no longer declared; `{user}` is kept and still on it");
        self.note(NoteKind::Info, birth, text);
        true
    }

    /// A guest that stays for its data, and with it what it stands on: its VLAN, its pool. Other
    /// clusters have pools and tags of the same name, and those are theirs.
    fn kept_user(&self, place: &Address, present: &Present) -> Option<Address> {
        if !matches!(present.body, Body::Vlan(_) | Body::Pool(_) | Body::Vnet(_)) {
            return None;
        }
        let uses = |cluster: &Address, guest: &GuestBody| match &present.body {
            Body::Vlan(vlan) => {
                guest.network.tag == Some(vlan.tag) && self.may_be_behind(cluster, place)
            }
            Body::Pool(pool) => guest.pool == pool.name && cluster == place,
            Body::Vnet(vnet) => guest.network.bridge == vnet.name && cluster == place,
            _ => false,
        };
        let ordered = &self.wishes.specs.ordered;
        let is_going = |birth: &Address, guest: &Present| {
            let due = self.wishes.kept.get(birth).is_some_and(|due| *due <= self.wishes.now);
            let ended = order_of(&guest.origin).is_some_and(|id| ordered.ended(id).is_some());
            due || ended || self.wishes.destroy_data.contains(birth)
        };
        let all = self.world.observations().iter();
        let all = all.flat_map(|(cluster, seen)| seen.present.iter().map(move |p| (cluster, p)));
        let mut guests = all.filter_map(|(cluster, (birth, present))| match &present.body {
            Body::Guest(guest) if uses(cluster, guest) && !is_going(birth, present) => {
                Some(birth.clone())
            }
            _ => None,
        });
        guests.next()
    }

    /// Whether guests of a cluster may have their VLANs on a firewall: unless its range says that
    /// they are on another one.
    fn may_be_behind(&self, cluster: &Address, firewall: &Address) -> bool {
        let range = self.wishes.specs.vlan_range_on(cluster.name());
        range.is_none_or(|(_, range)| range.pfsense == firewall.name())
    }

    /// Whether something is made that is the same but for its name.
    fn renamed(&self, place: &Address, birth: &Address, present: &Present) -> Option<Reason> {
        let follows_from_name = |path: &String| {
            let of_instance = path == "ports" || path.starts_with("mounts.");
            let is_given = matches!(birth.kind(), Kind::Instance | Kind::Machine);
            path == "name" || is_given && of_instance
        };
        let is_same = |body: &Body| match self.world.compare(place, body, present) {
            Transition::Replace(paths) => paths.iter().all(follows_from_name),
            Transition::None | Transition::InPlace(_) => false,
        };
        let made = |change: &&Change| {
            change.action == Action::Create
                && change.place == *place
                && change.address.kind() == birth.kind()
        };
        let mut made = self.changes.iter().filter(made);
        made.find(|change| change.after.as_ref().is_some_and(is_same))
            .map(|change| Reason::Renamed(change.address.clone()))
    }

    pub(super) fn remove(
        &mut self,
        place: &Address,
        birth: &Address,
        present: &Present,
        reason: Reason,
    ) {
        self.changes.push(Change {
            address: birth.clone(),
            place: place.clone(),
            origin: present.origin.clone(),
            adopted: None,
            action: Action::Delete,
            reason,
            before: Some(present.beside(None)),
            after: None,
            ready: None,
        });
    }
}

/// Until when a thing is kept, as it says itself.
fn said_to_be_kept(body: &Body) -> Option<Timestamp> {
    match body {
        Body::Guest(guest) => guest.kept_until,
        _ => None,
    }
}
