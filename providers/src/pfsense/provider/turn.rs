//! Looking and writing, one after the other, for all who come at once.
//!
//! Who asks for a look while one goes on shares the next one. Acts that come while others are done
//! are done together behind them: one look, one batch of edits, one apply of each subsystem, and
//! what was written is read again. What takes several batches, such as an interface on a VLAN that
//! is made first, takes them together with what others need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lessor_engine::ApplyError;
use lessor_plans::{Act, Change};
use tokio::sync::oneshot;

use super::adopt::Adopting;
use super::estate::Estate;
use super::wish::{Step, subsystems};
use super::world::World;
use super::{Inner, Unusable};
use crate::pfsense::{CallError, Done, Edit, EditError, Subsystem, Unapplied, Writer};

/// How many batches one act may take. The longest is a tunnel: itself, its peers, and a look.
const ROUNDS_MAX: usize = 6;

/// How long applying may take that no edit asked for.
const PATIENCE: Duration = Duration::from_mins(3);

/// Those who look and write.
#[derive(Clone)]
pub(super) struct Turn(Arc<Shared>);

struct Shared {
    inner: Arc<Inner>,
    /// How many looks have begun.
    begun: AtomicU64,
    /// The last look, by its number.
    last: tokio::sync::Mutex<Option<(u64, Arc<World>)>>,
    queue: Mutex<Vec<Pending>>,
    turn: tokio::sync::Mutex<()>,
}

/// An act that waits for its turn.
struct Pending {
    act: Act,
    change: Change,
    answer: oneshot::Sender<Result<(), ApplyError>>,
    /// What was applied behind what it wrote.
    applied: BTreeSet<Subsystem>,
}

impl Pending {
    /// What has to be applied and was not yet. An earlier try may have written what was never
    /// applied, and nothing tells.
    fn unapplied(&self) -> BTreeSet<Subsystem> {
        let needed = self.change.body().map(subsystems).unwrap_or_default();
        needed.iter().filter(|subsystem| !self.applied.contains(subsystem)).copied().collect()
    }
}

impl Turn {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Turn(Arc::new(Shared {
            inner,
            begun: AtomicU64::new(0),
            last: tokio::sync::Mutex::default(),
            queue: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// All that is there, read after this was asked.
    pub(super) async fn look(&self) -> Result<Arc<World>, Unusable> {
        let shared = &*self.0;
        let client = shared.inner.writer.as_ref().map_err(Clone::clone)?.client();
        let asked = shared.begun.load(Ordering::SeqCst);
        let mut last = shared.last.lock().await;
        if let Some((number, world)) = &*last
            && *number > asked
        {
            return Ok(Arc::clone(world));
        }
        let number = shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let world = Arc::new(World::read(client).await);
        *last = Some((number, Arc::clone(&world)));
        Ok(world)
    }

    /// Applies what is stored and does not work yet. Of rules, and of interfaces that are gone,
    /// nothing tells, so they are applied.
    pub(super) async fn settle(&self) -> Result<(), ApplyError> {
        let _turn = self.0.turn.lock().await;
        let writer = self.0.inner.writer.as_ref().map_err(|Unusable { why, hint }| {
            ApplyError::Refused { why: why.clone(), hint: hint.clone() }
        })?;
        let client = writer.client();
        for subsystem in Subsystem::ALL {
            let works = match subsystem {
                Subsystem::Interfaces | Subsystem::Firewall => false,
                _ => match client.is_applied(subsystem).await {
                    // What is not installed keeps nothing waiting.
                    Err(CallError::NoPackage { .. }) => true,
                    told => told?,
                },
            };
            if !works {
                let applied = client.apply(subsystem, PATIENCE).await;
                applied.map_err(|error| failed(&EditError::Unapplied(error)))?;
            }
        }
        Ok(())
    }

    /// Does one act, together with all that others ask for at the same time. It is done even if
    /// nobody waits for the answer any more.
    pub(super) async fn take(&self, act: Act, change: Change) -> Result<(), ApplyError> {
        let (answer, taken) = oneshot::channel();
        self.0
            .waiting(|queue| queue.push(Pending { act, change, answer, applied: BTreeSet::new() }));
        tokio::spawn(Arc::clone(&self.0).serve());
        let ending = || ApplyError::Transient { why: "the program is ending".into() };
        taken.await.unwrap_or_else(|_| Err(ending()))
    }
}

impl Shared {
    /// Does what all who wait ask for, if nobody did yet.
    async fn serve(self: Arc<Self>) {
        let _turn = self.turn.lock().await;
        let pending = self.waiting(std::mem::take);
        if pending.is_empty() {
            return;
        }
        match &self.inner.writer {
            Ok(writer) => Round::new(&self.inner, writer, pending).run().await,
            Err(Unusable { why, hint }) => {
                for Pending { answer, .. } in pending {
                    let (why, hint) = (why.clone(), hint.clone());
                    let _ = answer.send(Err(ApplyError::Refused { why, hint }));
                }
            }
        }
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut Vec<Pending>) -> T) -> T {
        with(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Acts that are done together.
struct Round<'t> {
    inner: &'t Inner,
    writer: &'t Writer,
    open: Vec<Pending>,
    /// Who has nothing left to write, and does not know whether all that is stored works.
    idle: Vec<Pending>,
}

impl<'t> Round<'t> {
    fn new(inner: &'t Inner, writer: &'t Writer, open: Vec<Pending>) -> Self {
        Round { inner, writer, open, idle: Vec::new() }
    }

    async fn run(mut self) {
        let client = self.writer.client();
        let mut world = World::read(client).await;
        for _ in 0..ROUNDS_MAX {
            let (edits, counts) = self.plan(&world);
            if edits.is_empty() {
                break;
            }
            let is_about_interfaces = edits.iter().any(|edit| matches!(edit, Edit::Interface(_)));
            let committed = self.writer.batch(edits).await;
            let is_lost = |outcome: &Result<Done, EditError>| matches!(outcome, Err(EditError::Call(error)) if error.is_unknown());
            if committed.outcomes.iter().any(is_lost) {
                tokio::time::sleep(self.inner.grace).await;
            }
            world.absorb(&committed.seen);
            if is_about_interfaces {
                world.refresh_pending(client).await;
            }
            self.settle(committed.outcomes, &counts);
        }
        for Pending { change, answer, .. } in self.open {
            let why = format!(
                "`{}` was written {ROUNDS_MAX} times, and its firewall shows it otherwise each time",
                change.address
            );
            let _ = answer.send(Err(ApplyError::Transient { why }));
        }
        confirm(self.writer, self.idle).await;
    }

    /// What all who are open have to write next, and how many edits each. Who has none is done.
    fn plan(&mut self, world: &World) -> (Vec<Edit>, Vec<usize>) {
        let adopting = Adopting::of_changes(self.open.iter().map(|one| (one.act, &one.change)));
        let estate = Estate::of(world, &self.inner.installation, &adopting);
        let (mut edits, mut counts) = (Vec::new(), Vec::new());
        for mut one in std::mem::take(&mut self.open) {
            let step = Step {
                act: one.act,
                change: &one.change,
                installation: &self.inner.installation,
                secrets: &self.inner.secrets,
                place: &self.inner.place,
            };
            match step.next(&estate) {
                Ok(next) if !next.is_empty() => {
                    counts.push(next.len());
                    one.applied.extend(next.iter().filter_map(applied_behind));
                    edits.extend(next);
                    self.open.push(one);
                }
                Ok(_) if !one.unapplied().is_empty() => self.idle.push(one),
                done => {
                    let _ = one.answer.send(done.map(drop));
                }
            }
        }
        (edits, counts)
    }

    /// Who had an edit that did not end well is not done; all others go on.
    fn settle(&mut self, outcomes: Vec<Result<Done, EditError>>, counts: &[usize]) {
        let mut outcomes = outcomes.into_iter();
        let open = std::mem::take(&mut self.open);
        for (one, count) in open.into_iter().zip(counts) {
            let outcomes: Vec<_> = outcomes.by_ref().take(*count).collect();
            match outcomes.into_iter().find_map(Result::err) {
                Some(error) => drop(one.answer.send(Err(failed(&error)))),
                None => self.open.push(one),
            }
        }
    }
}

/// What is applied behind an edit that ends well.
fn applied_behind(edit: &Edit) -> Option<Subsystem> {
    match edit {
        Edit::Vlan(_) => None,
        Edit::Interface(_) => Some(Subsystem::Interfaces),
        Edit::Alias(_)
        | Edit::Rule(_)
        | Edit::PortForward(_)
        | Edit::OutboundMapping(_)
        | Edit::OneToOne(_)
        | Edit::OutboundMode(_) => Some(Subsystem::Firewall),
        Edit::VirtualIp(_) => Some(Subsystem::VirtualIps),
        Edit::DhcpServer(_) | Edit::StaticMapping(_) => Some(Subsystem::Dhcp),
        Edit::Tunnel(_) | Edit::Peer(_) | Edit::WireGuard(_) => Some(Subsystem::WireGuard),
    }
}

/// What is stored works once it is applied. Nothing tells whether it was, so it is applied again.
async fn confirm(writer: &Writer, idle: Vec<Pending>) {
    let touched: BTreeSet<Subsystem> = idle.iter().flat_map(Pending::unapplied).collect();
    let mut unapplied: BTreeMap<Subsystem, Unapplied> = BTreeMap::new();
    for subsystem in touched {
        if let Err(error) = writer.client().apply(subsystem, PATIENCE).await {
            unapplied.insert(subsystem, error);
        }
    }
    for one in idle {
        let error = one.unapplied().into_iter().find_map(|subsystem| unapplied.get(&subsystem));
        let gone = one.act == Act::Delete;
        let _ = one.answer.send(match error {
            // Where nothing can be applied, nothing of it works any more.
            Some(Unapplied::Refused { why: CallError::NoPackage { .. }, .. }) if gone => Ok(()),
            Some(error) => Err(failed(&EditError::Unapplied(error.clone()))),
            None => Ok(()),
        });
    }
}

/// Why an act was not done.
fn failed(error: &EditError) -> ApplyError {
    let why = chained(error);
    if error.may_pass() {
        return ApplyError::Transient { why };
    }
    match error {
        EditError::Call(call) => call.clone().into(),
        _ => ApplyError::Refused { why, hint: error.hint() },
    }
}

/// An error with what caused it.
fn chained(error: &EditError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
