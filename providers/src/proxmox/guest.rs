//! Making guests, changing and removing them: one step after another, each on what was seen right
//! before it. So an act can be cut off anywhere and goes on from there.

use std::collections::BTreeMap;
use std::time::Duration;

use lessor_engine::ApplyError;
use lessor_plans::{Change, GuestBody, Sighting};
use lessor_specs::Address;
use tokio::time::{Instant, sleep};

use super::client::{CallError, Client, Guest, GuestKind, Kind, NewClone, Resource};
use super::error::{explained, refused};
use super::read::described;
use super::step::{self, COPYING, finish};
use super::whose::{Seen, Whose, check_online, number};
use super::{Proxmox, read};
use crate::seen::{check_address, not_as_planned, taken};

/// How often one act goes on after an answer that was lost, or after somebody else was quicker.
const SETBACKS: usize = 1;

/// The pauses between two looks at a guest that is being made.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(2);

/// What is said of an id that somebody else has.
const PLAN_AGAIN: &str = "run `lessor plan` again: it chooses another id";

/// The guest of this id.
pub(super) async fn sight(
    proxmox: &Proxmox,
    change: &Change,
    id: &str,
) -> Result<Sighting, ApplyError> {
    let unknown = |why: String| Sighting::Unknown { why };
    Ok(match proxmox.whose(proxmox.client()?, id, adopting(change, id)).await? {
        Whose::Ours(seen) => match seen.present() {
            Ok(present) => Sighting::Present(present.into()),
            Err(why) => unknown(why),
        },
        Whose::Others(why) => unknown(format!("it is not ours: {why}")),
        Whose::Unmade(why) => unknown(why),
        Whose::Nobodys(_) => Sighting::Absent,
    })
}

/// Makes a guest, or goes on with one of ours that is there already.
pub(super) async fn create(
    proxmox: &Proxmox,
    change: &Change,
    wish: &GuestBody,
) -> Result<(), ApplyError> {
    let mut way = Way::new(proxmox, None)?;
    loop {
        let seen = match way.whose(&wish.name).await? {
            Whose::Ours(seen) => seen,
            Whose::Nobodys(resources) => {
                way.is_allowed("its copy", 2)?;
                let made = clone(proxmox, way.client, change, wish, &resources).await;
                way.after(made)?;
                continue;
            }
            Whose::Others(why) => return Err(id_taken(&wish.name, &why)),
            Whose::Unmade(why) => return Err(ApplyError::Transient { why }),
        };
        check_address(&seen.mark, change)?;
        if !way.forward(wish, &seen).await? {
            return Ok(());
        }
    }
}

/// Makes a guest that is there like its wish.
pub(super) async fn update(
    proxmox: &Proxmox,
    change: &Change,
    wish: &GuestBody,
) -> Result<(), ApplyError> {
    let mut way = Way::new(proxmox, adopting(change, &wish.name))?;
    while let Some(seen) = way.ours(&wish.name).await? {
        if !way.forward(wish, &seen).await? {
            return Ok(());
        }
    }
    Err(ApplyError::Stale { why: format!("guest `{}` is gone", wish.name) })
}

/// Removes a guest with its disks.
pub(super) async fn delete(proxmox: &Proxmox, change: &Change, id: &str) -> Result<(), ApplyError> {
    let mut way = Way::new(proxmox, adopting(change, id))?;
    while let Some(seen) = way.ours(id).await? {
        let done = if seen.running {
            way.is_allowed("its end", 3)?;
            step::stop(way.client, &seen).await
        } else {
            way.is_allowed("its removal", 3)?;
            remove(way.client, &seen.guest).await
        };
        way.after(done.map_err(Trouble::Call))?;
    }
    Ok(())
}

/// As what a guest of this id is adopted, if the change says so.
fn adopting<'c>(change: &'c Change, id: &str) -> Option<&'c Address> {
    (change.adopted.as_deref() == Some(id)).then_some(&change.address)
}

async fn remove(client: &Client, guest: &Guest) -> Result<(), CallError> {
    let task = client.guest_delete(guest).await?;
    finish(client, Some(&task), COPYING).await
}

/// Copies the template.
async fn clone(
    proxmox: &Proxmox,
    client: &Client,
    change: &Change,
    wish: &GuestBody,
    resources: &[Resource],
) -> Result<(), Trouble> {
    let id = number(&wish.name)?;
    let source = template(proxmox, wish, resources)?;
    check_online(resources, &wish.node, &proxmox.place)?;
    let storage = wish.made_from.storage.clone();
    let mark = proxmox.mark(change, &wish.name).to_line();
    let copy = NewClone {
        vmid: id,
        name: Some(wish.hostname.clone()),
        description: Some(described(&mark, &wish.made_from.image)),
        pool: Some(wish.pool.clone()),
        full: storage.is_some(),
        storage,
        target: (source.node != wish.node).then(|| wish.node.clone()),
    };
    let turn = proxmox.turn(source.vmid);
    let _turn = turn.lock().await;
    let task = client.guest_clone(&source, &copy).await.map_err(|error| {
        let is_gone = error.is_no_guest();
        if is_gone { no_template(proxmox, wish, source.vmid).into() } else { Trouble::from(error) }
    })?;
    Ok(finish(client, Some(&task), COPYING).await?)
}

/// Where the template is.
fn template(
    proxmox: &Proxmox,
    wish: &GuestBody,
    resources: &[Resource],
) -> Result<Guest, ApplyError> {
    let id = wish.made_from.template.ok_or_else(|| {
        refused(
            format!("the plan does not say what guest `{}` is made from", wish.name),
            "run `lessor plan` again",
        )
    })?;
    let found = resources.iter().find(|one| one.vmid == Some(id.into()));
    let place = found.and_then(|found| Some((found.guest()?, found.node.clone()?)));
    let (kind, node) = place.ok_or_else(|| no_template(proxmox, wish, id))?;
    if (kind == GuestKind::Lxc) != wish.lxc {
        let why = format!("template {id} of image `{}` is of another sort", wish.made_from.image);
        return Err(refused(why, "correct `lxc` or `template` of the image's entry"));
    }
    check_online(resources, &node, &proxmox.place)?;
    Ok(Guest { kind, node, vmid: id })
}

fn no_template(proxmox: &Proxmox, wish: &GuestBody, id: u32) -> ApplyError {
    let (image, place) = (&wish.made_from.image, &proxmox.place);
    refused(
        format!("`{place}` has no template {id}, which image `{image}` is made of"),
        format!("make the template, or correct `template` of `image.{image}`"),
    )
}

fn id_taken(id: &str, why: &str) -> ApplyError {
    match taken("guest", id, why) {
        ApplyError::Refused { why, .. } => refused(why, PLAN_AGAIN),
        other => other,
    }
}

/// Why a step was not taken.
enum Trouble {
    /// The cluster did not take it.
    Call(CallError),
    /// It cannot be taken.
    Plain(ApplyError),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Trouble::Call(error)
    }
}

impl From<ApplyError> for Trouble {
    fn from(error: ApplyError) -> Self {
        Trouble::Plain(error)
    }
}

/// The way of one act, with what it has met so far.
struct Way<'p> {
    proxmox: &'p Proxmox,
    client: &'p Client,
    /// As what the guest is adopted, if it is.
    adopted: Option<&'p Address>,
    setbacks: usize,
    taken: BTreeMap<&'static str, usize>,
}

impl<'p> Way<'p> {
    fn new(proxmox: &'p Proxmox, adopted: Option<&'p Address>) -> Result<Self, ApplyError> {
        let client = proxmox.client()?;
        Ok(Way { proxmox, client, adopted, setbacks: 0, taken: BTreeMap::new() })
    }

    /// What has the id, once it is made.
    async fn whose(&self, id: &str) -> Result<Whose, ApplyError> {
        let (begun, mut pause) = (Instant::now(), PAUSE_FIRST);
        loop {
            match self.proxmox.whose(self.client, id, self.adopted).await? {
                Whose::Unmade(_) if begun.elapsed() < step::PATIENCE => sleep(pause).await,
                whose => return Ok(whose),
            }
            pause = (pause * 2).min(PAUSE_LAST);
        }
    }

    /// The guest, if it is there and ours.
    async fn ours(&self, id: &str) -> Result<Option<Box<Seen>>, ApplyError> {
        match self.whose(id).await? {
            Whose::Ours(seen) => Ok(Some(seen)),
            Whose::Nobodys(_) => Ok(None),
            Whose::Others(why) => {
                Err(ApplyError::Stale { why: format!("guest `{id}` is not ours: {why}") })
            }
            Whose::Unmade(why) => Err(ApplyError::Transient { why }),
        }
    }

    /// Takes the next step; false when there is none left.
    async fn forward(&mut self, wish: &GuestBody, seen: &Seen) -> Result<bool, ApplyError> {
        check_same(wish, seen)?;
        let Some(step) = step::next(wish, seen)? else { return Ok(false) };
        let (sort, most) = step.sort();
        self.is_allowed(sort, most)?;
        let done = step::take(&step, self.client, seen, wish).await;
        self.after(done.map_err(Trouble::Call))?;
        Ok(true)
    }

    /// Whether such a step may be taken once more.
    fn is_allowed(&mut self, sort: &'static str, most: usize) -> Result<(), ApplyError> {
        let taken = self.taken.entry(sort).or_default();
        *taken += 1;
        if *taken <= most {
            return Ok(());
        }
        let why = format!("{sort} was seen to {most} times, and is not as wished yet");
        Err(ApplyError::Transient { why })
    }

    /// What a step that was not taken means. After an answer that was lost, and when somebody else
    /// was quicker, another look tells more.
    fn after(&mut self, done: Result<(), Trouble>) -> Result<(), ApplyError> {
        let error = match done {
            Ok(()) => return Ok(()),
            Err(Trouble::Plain(error)) => return Err(error),
            Err(Trouble::Call(error)) => error,
        };
        let moved = error.is_no_guest()
            || matches!(error.kind(), Kind::Stale | Kind::Exists | Kind::Unknown);
        if !moved {
            return Err(explained(error));
        }
        self.setbacks += 1;
        if self.setbacks > SETBACKS {
            return Err(ApplyError::Transient { why: error.to_string() });
        }
        Ok(())
    }
}

/// What has to be replaced is never changed into something else.
fn check_same(wish: &GuestBody, seen: &Seen) -> Result<(), ApplyError> {
    let there = read::body(seen).map_err(|why| ApplyError::Stale {
        why: format!("nobody can tell how guest `{}` looks: {why}", wish.name),
    })?;
    let mut differing = Vec::new();
    if there.lxc != wish.lxc {
        differing.push("lxc".to_owned());
    }
    // One that others made does not say what from.
    if !seen.adopted && there.made_from.image != wish.made_from.image {
        differing.push("image".to_owned());
    }
    match differing.as_slice() {
        [] => Ok(()),
        differing => Err(not_as_planned("guest", &wish.name, differing)),
    }
}
