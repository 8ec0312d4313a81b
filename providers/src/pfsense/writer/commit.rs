//! One batch: edits, applies, and a look at what became of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use super::super::apply::{Subsystem, Unapplied};
use super::super::client::Client;
use super::super::error::CallError;
use super::super::interfaces::Interface;
use super::super::object::{Located, Object, what};
use super::super::{OutboundMode, PortForward, Rule, WireGuard};
use super::Committed;
use super::edit::{Change, Done, Edit, EditError, Place};
use super::seen::{Kept, Reader, Seen, read_all, read_mode, read_wireguard};

/// An edit that was tried.
struct Attempt {
    /// What it is about, as messages call it.
    what: String,
    /// How the firewall answered.
    answer: Result<(), CallError>,
    /// What has to be applied if it was made.
    touched: Vec<Subsystem>,
    /// What has to be read to see it.
    readers: Vec<(&'static str, Reader)>,
    /// Looks for it in what was read.
    look: Look,
}

/// Whether an edit is to be seen, and what its object is called.
type Look = Box<dyn FnOnce(&Seen) -> Option<Done> + Send + Sync>;

/// Makes edits, applies each subsystem once, and looks.
pub(super) async fn commit(client: &Client, patience: Duration, edits: Vec<Edit>) -> Committed {
    let attempts = attempt_all(client, edits).await;
    let made = || attempts.iter().filter(|attempt| attempt.may_be_made());
    let touched: BTreeSet<Subsystem> =
        made().flat_map(|attempt| attempt.touched.iter().copied()).collect();
    let mut unapplied = BTreeMap::new();
    for subsystem in touched {
        if let Err(error) = client.apply(subsystem, patience).await {
            unapplied.insert(subsystem, error);
        }
    }
    let readers: BTreeMap<&str, Reader> =
        made().flat_map(|attempt| attempt.readers.iter().copied()).collect();
    let (mut seen, mut unseen) = (Seen::default(), BTreeMap::new());
    for (name, reader) in readers {
        if let Err(error) = reader(client, &mut seen).await {
            unseen.insert(name, error);
        }
    }
    let outcomes = judged(attempts, &seen, &unseen, &unapplied);
    Committed { outcomes, seen: Arc::new(seen) }
}

/// Tries edits in their order; of deletions of one kind in a row, those at the end of their list
/// come first, so that they move nothing that is still meant.
async fn attempt_all(client: &Client, edits: Vec<Edit>) -> Vec<Attempt> {
    let order = order(client, &edits).await;
    let mut attempts: Vec<Option<Attempt>> = edits.iter().map(|_| None).collect();
    let mut edits: Vec<Option<Edit>> = edits.into_iter().map(Some).collect();
    let mut stop = None;
    for index in order {
        let Some(edit) = edits[index].take() else { continue };
        let attempt = attempt(client, edit, stop.as_ref()).await;
        if let Err(error) = &attempt.answer
            && error.is_about_the_firewall()
        {
            stop = Some(error.clone());
        }
        attempts[index] = Some(attempt);
    }
    attempts.into_iter().flatten().collect()
}

async fn order(client: &Client, edits: &[Edit]) -> Vec<usize> {
    let mut order = Vec::new();
    let is_alike = |one: &Edit, other: &Edit| {
        is_deletion(one) && is_deletion(other) && discriminant(one) == discriminant(other)
    };
    for row in edits.chunk_by(is_alike) {
        let begin = order.len();
        if row.len() == 1 {
            order.push(begin);
            continue;
        }
        let places = places(client, row).await;
        let mut row: Vec<usize> = (0..row.len()).collect();
        row.sort_by_key(|index| Reverse(places.get(*index).copied().flatten()));
        order.extend(row.into_iter().map(|index| begin + index));
    }
    order
}

/// Does something with an edit: with a change of whatever object, with a mode, with `WireGuard`.
macro_rules! with_edit {
    ($edit:expr, $change:ident => $with:expr, $mode:pat => $moded:expr, $whole:pat => $set:expr) => {
        match $edit {
            Edit::Vlan($change) => $with,
            Edit::Interface($change) => $with,
            Edit::Alias($change) => $with,
            Edit::Rule($change) => $with,
            Edit::PortForward($change) => $with,
            Edit::OutboundMapping($change) => $with,
            Edit::OneToOne($change) => $with,
            Edit::VirtualIp($change) => $with,
            Edit::DhcpServer($change) => $with,
            Edit::StaticMapping($change) => $with,
            Edit::Tunnel($change) => $with,
            Edit::Peer($change) => $with,
            Edit::OutboundMode($mode) => $moded,
            Edit::WireGuard($whole) => $set,
        }
    };
}

fn is_deletion(edit: &Edit) -> bool {
    with_edit!(edit, change => matches!(change, Change::Delete { .. }), _ => false, _ => false)
}

/// Where the objects of deletions of one kind are; nothing when nobody says.
async fn places(client: &Client, row: &[Edit]) -> Vec<Option<u64>> {
    let Some(first) = row.first() else { return Vec::new() };
    with_edit!(
        first,
        change => places_of(client, change, row).await,
        _ => Vec::new(),
        _ => Vec::new()
    )
}

async fn places_of<T: Kept>(client: &Client, _: &Change<T>, row: &[Edit]) -> Vec<Option<u64>> {
    let listed = client.list::<T>().await.unwrap_or_default();
    let place = |edit: &Edit| {
        let Change::Delete { key, .. } = T::change(edit)? else { return None };
        let found = listed.iter().find(|located| located.object.key() == *key)?;
        Some(found.place())
    };
    row.iter().map(place).collect()
}

/// Tries an edit, unless there is a reason why none can be made.
async fn attempt(client: &Client, edit: Edit, stop: Option<&CallError>) -> Attempt {
    with_edit!(
        edit,
        change => attempt_change(client, change, stop).await,
        mode => attempt_mode(client, mode, stop).await,
        wireguard => attempt_wireguard(client, wireguard, stop).await
    )
}

async fn attempt_mode(client: &Client, mode: OutboundMode, stop: Option<&CallError>) -> Attempt {
    let answer = match stop {
        Some(stop) => Err(stop.clone()),
        None => client.outbound_mode_set(mode).await.map(drop),
    };
    Attempt {
        what: "the outbound NAT mode".into(),
        answer,
        touched: vec![Subsystem::Firewall],
        readers: vec![("outbound NAT mode", read_mode)],
        look: Box::new(move |seen| (seen.outbound_mode == Some(mode)).then(|| written("mode"))),
    }
}

async fn attempt_wireguard(client: &Client, wish: WireGuard, stop: Option<&CallError>) -> Attempt {
    let answer = match stop {
        Some(stop) => Err(stop.clone()),
        None => client.wireguard_set(wish).await.map(drop),
    };
    Attempt {
        what: "the settings of WireGuard".into(),
        answer,
        touched: vec![Subsystem::WireGuard],
        readers: vec![("WireGuard", read_wireguard)],
        look: Box::new(move |seen| (seen.wireguard == Some(wish)).then(|| written("settings"))),
    }
}

async fn attempt_change<T: Kept>(
    client: &Client,
    change: Change<T>,
    stop: Option<&CallError>,
) -> Attempt {
    let is_deletion = matches!(change, Change::Delete { .. });
    let stored = match (stop, &change) {
        (Some(stop), _) => Err(stop.clone()),
        (None, Change::Create { object, place }) => {
            create(client, object, place.as_ref()).await.map(Some)
        }
        (None, Change::Update { key, object, place, only }) => {
            update(client, key, object, place.as_ref(), only.as_deref()).await.map(Some)
        }
        (None, Change::Delete { key, only }) => {
            delete::<T>(client, key, only.as_deref()).await.map(|()| None)
        }
    };
    let key = match (&stored, &change) {
        (Ok(Some(stored)), _) => stored.key(),
        (_, Change::Create { object, .. } | Change::Update { object, .. }) => object.key(),
        (_, Change::Delete { key, .. }) => key.clone(),
    };
    Attempt {
        what: what::<T>(&key),
        answer: stored.as_ref().map(drop).map_err(Clone::clone),
        touched: touched::<T>(is_deletion),
        readers: readers::<T>(),
        look: Box::new(move |seen| look(T::all(seen)?, change, stored.ok().flatten())),
    }
}

async fn create<T: Object>(
    client: &Client,
    object: &T,
    place: Option<&Place<T::Key>>,
) -> Result<T, CallError> {
    let place = match place {
        Some(place) => Some(number::<T>(client, place, None).await?),
        None => None,
    };
    client.create(object, place).await
}

async fn update<T: Object>(
    client: &Client,
    key: &T::Key,
    object: &T,
    place: Option<&Place<T::Key>>,
    only: Option<&T>,
) -> Result<T, CallError> {
    let place = match place {
        Some(place) => Some(number::<T>(client, place, Some(key)).await?),
        None => None,
    };
    match client.find::<T>(key).await? {
        Some(located) => {
            is_still(&located, only, "an update")?;
            client.update(located, object, place).await
        }
        None => Err(missing::<T>(key)),
    }
}

/// One that is gone may have gone without being applied, so this is as good as a deletion.
async fn delete<T: Object>(
    client: &Client,
    key: &T::Key,
    only: Option<&T>,
) -> Result<(), CallError> {
    match client.find::<T>(key).await? {
        Some(located) => {
            is_still(&located, only, "a deletion")?;
            client.delete(located).await
        }
        None => Ok(()),
    }
}

/// Refuses what is otherwise than it was when somebody decided what to do with it.
fn is_still<T: Object>(found: &Located<T>, only: Option<&T>, what: &str) -> Result<(), CallError> {
    match only {
        Some(only) if *only != found.object => Err(CallError::Moved {
            call: what.to_owned(),
            what: self::what::<T>(&only.key()),
            met: "another version of it, which was left as it is".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The number of a place for an object that is in the list under `key`, or that comes to its end.
async fn number<T: Object>(
    client: &Client,
    place: &Place<T::Key>,
    key: Option<&T::Key>,
) -> Result<u32, CallError> {
    let (anchor, behind) = match place {
        Place::At(number) => return Ok(*number),
        Place::Before(anchor) => (anchor, 0),
        Place::Behind(anchor) => (anchor, 1),
    };
    let listed = client.list::<T>().await?;
    let find = |key: &T::Key| listed.iter().position(|located| located.object.key() == *key);
    let at = find(anchor).ok_or_else(|| match place {
        // Whatever else comes first now will do, once somebody looks again.
        Place::Before(_) => CallError::Moved {
            call: format!("a place before {}", what::<T>(anchor)),
            what: key.map_or_else(|| format!("a new {}", T::NAME), what::<T>),
            met: "nothing".into(),
        },
        _ => missing::<T>(anchor),
    })?;
    // It leaves its own place first.
    let is_before = key.and_then(find).is_some_and(|own| own < at);
    u32::try_from(at + behind - usize::from(is_before)).map_err(|_| missing::<T>(anchor))
}

fn missing<T: Object>(key: &T::Key) -> CallError {
    CallError::Missing {
        call: format!("an update of {}", what::<T>(key)),
        why: "nobody has it".into(),
    }
}

/// With an interface goes all that is bound to it.
fn touched<T: Object>(is_deletion: bool) -> Vec<Subsystem> {
    let mut touched: Vec<Subsystem> = T::SUBSYSTEM.into_iter().collect();
    if is_deletion && T::NAME == Interface::NAME {
        touched.extend([Subsystem::Dhcp, Subsystem::Firewall]);
    }
    touched
}

/// A port forward may have a rule that follows it.
fn readers<T: Kept>() -> Vec<(&'static str, Reader)> {
    let mut readers: Vec<(&'static str, Reader)> = vec![(T::NAME, read_all::<T>)];
    if T::NAME == PortForward::NAME {
        readers.push((Rule::NAME, read_all::<Rule>));
    }
    readers
}

/// Looks for what was written, or, when nobody knows whether it was, for what was wished.
fn look<T: Object>(all: &[T], change: Change<T>, stored: Option<T>) -> Option<Done> {
    let found = match (change, stored) {
        (Change::Delete { key, .. }, _) => {
            return all.iter().all(|found| found.key() != key).then_some(Done::Gone);
        }
        (_, Some(stored)) => all.iter().find(|found| **found == stored),
        (Change::Create { object, .. } | Change::Update { object, .. }, None) => {
            all.iter().find(|found| object.became(found) && object.agrees(found))
        }
    };
    found.map(|found| written(&found.key().to_string()))
}

fn written(key: &str) -> Done {
    Done::Written { key: key.to_owned() }
}

impl Attempt {
    /// Whether it was made, as far as anybody knows.
    fn may_be_made(&self) -> bool {
        match &self.answer {
            Ok(()) | Err(CallError::Moved { .. }) => true,
            Err(error) => error.is_unknown(),
        }
    }
}

/// How each attempt ended.
fn judged(
    attempts: Vec<Attempt>,
    seen: &Seen,
    unseen: &BTreeMap<&str, CallError>,
    unapplied: &BTreeMap<Subsystem, Unapplied>,
) -> Vec<Result<Done, EditError>> {
    // What is written twice is as the second made it.
    let mut later = HashSet::new();
    let mut outcomes: Vec<_> = attempts
        .into_iter()
        .rev()
        .map(|attempt| {
            let is_last = !attempt.may_be_made() || later.insert(attempt.what.clone());
            judge(attempt, is_last, seen, unseen, unapplied)
        })
        .collect();
    outcomes.reverse();
    outcomes
}

fn judge(
    attempt: Attempt,
    is_last: bool,
    seen: &Seen,
    unseen: &BTreeMap<&str, CallError>,
    unapplied: &BTreeMap<Subsystem, Unapplied>,
) -> Result<Done, EditError> {
    let Attempt { what, answer, touched, readers, look } = attempt;
    if let Err(error) = &answer
        && !error.is_unknown()
    {
        return Err(EditError::Call(error.clone()));
    }
    if let Some(why) = readers.iter().find_map(|(name, _)| unseen.get(name)) {
        return Err(match answer {
            Ok(()) => EditError::Unseen { what, why: why.clone() },
            Err(unknown) => EditError::Call(unknown),
        });
    }
    let done = match (look(seen), answer) {
        (Some(done), _) => done,
        (None, Ok(())) if !is_last => written(""),
        (None, Ok(())) => return Err(EditError::Lost { what }),
        (None, Err(unknown)) => return Err(EditError::Call(unknown)),
    };
    match touched.iter().find_map(|subsystem| unapplied.get(subsystem)) {
        Some(error) => Err(EditError::Unapplied(error.clone())),
        None => Ok(done),
    }
}
