//! Carrying out an approved plan, step by step.
//!
//! Steps of one host run side by side up to a limit; a step waits for those it needs; a failure
//! stops only what depends on it. Before each step its own object is looked at again, then the
//! intent is journaled, then the call is made.

mod retry;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use lessor_plans::{Act, Change, Plan};
use lessor_specs::Address;
use tokio::sync::{mpsc, watch};

use crate::gate::ApprovedPlan;
use crate::ports::{ApplyError, ApplyId, Journal, JournalError, Registry};
use retry::Budget;
use step::{Ended, Work};

/// How a run is done.
pub struct Run<'r> {
    /// Names the run in the journal.
    pub apply: ApplyId,
    /// Who does it.
    pub registry: &'r Registry,
    /// Where it is remembered.
    pub journal: &'r dyn Journal,
    /// How many steps of one host run at the same time, unless its provider takes more at once; at
    /// least one.
    pub parallelism: usize,
    /// The longest one step may take, whatever its provider does.
    pub step_deadline: Duration,
    /// Tells when to stop.
    pub stop: watch::Receiver<Stop>,
    /// Where progress is told.
    pub events: mpsc::UnboundedSender<Event>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    No,
    /// Finish what was begun, begin nothing.
    Finish,
    /// Drop everything.
    Now,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step was begun.
    Started {
        /// Counted from 1.
        step: usize,
        /// What is done.
        act: Act,
        /// To what.
        address: Address,
    },
    /// A step will be tried again.
    Retrying {
        /// Counted from 1.
        step: usize,
        /// The thing.
        address: Address,
        /// What happened.
        why: String,
    },
    /// A step is done.
    Finished {
        /// Counted from 1.
        step: usize,
        /// What was done.
        act: Act,
        /// To what.
        address: Address,
    },
    /// A step was given up.
    Failed(Failure),
}

/// A step that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Counted from 1.
    pub step: usize,
    /// What was to be done.
    pub act: Act,
    /// To what.
    pub address: Address,
    /// In which way it failed.
    pub kind: FailureKind,
    /// Whether the provider said no, and would say it again.
    pub refused: bool,
    /// What happened.
    pub why: String,
    /// Something one can do now.
    pub hint: Option<String>,
}

/// In which way a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The thing is not as the plan saw it. Nothing was done to it.
    Stale,
    /// The provider refused or did not answer.
    Failed,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that are done, counted from 1.
    pub done: BTreeSet<usize>,
    /// Steps that were given up.
    pub failures: Vec<Failure>,
    /// Steps that were not begun, since they need one that was given up.
    pub blocked: BTreeSet<usize>,
    /// Steps that were not begun or not seen to end, since the run was stopped.
    pub stopped: BTreeSet<usize>,
    /// The journal could not be written; the run stopped there.
    pub journal: Option<JournalError>,
    /// Whether any call that changes something was made.
    pub wrote: bool,
}

impl Outcome {
    /// Whether everything is done.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
            && self.blocked.is_empty()
            && self.stopped.is_empty()
            && self.journal.is_none()
    }
}

/// Lets the systems at `places` settle what runs wrote there that were cut off or gave up, before
/// another begins. Where one could not, and why: the others do not wait for it.
pub async fn settle(
    registry: &Registry,
    places: impl IntoIterator<Item = &Address>,
) -> Vec<(Address, ApplyError)> {
    let mut stuck = Vec::new();
    for place in places {
        if let Some(provider) = registry.get(place)
            && let Err(error) = provider.settle().await
        {
            stuck.push((place.clone(), error));
        }
    }
    stuck
}

/// Carries out a plan that may run.
pub async fn execute(approved: &ApprovedPlan, run: &Run<'_>) -> Outcome {
    let budget = Budget::for_steps(approved.plan().steps.len());
    let mut stop = run.stop.clone();
    let mut schedule = Schedule::new(approved.plan(), run);
    let mut working = FuturesUnordered::new();
    loop {
        // Only an undisturbed run begins anything.
        let stopped = *stop.borrow_and_update();
        if stopped == Stop::Now {
            break;
        }
        if stopped == Stop::No && schedule.outcome.journal.is_none() {
            while let Some(index) = schedule.next() {
                let work = Work { plan: approved.plan(), index, run, budget: &budget };
                working.push(work.carry_out());
            }
        }
        if working.is_empty() {
            break;
        }
        let ended = match select(pin!(changed(&mut stop)), working.next()).await {
            Either::Left(_) => None,
            Either::Right((ended, _)) => ended,
        };
        if let Some((index, ended)) = ended {
            schedule.end(index, ended);
        }
    }
    schedule.finish()
}

/// Returns when somebody says to stop; never, when nobody can any more.
async fn changed(stop: &mut watch::Receiver<Stop>) {
    if stop.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Which steps can be begun, and how those that were begun ended.
struct Schedule<'p> {
    plan: &'p Plan,
    /// How many steps of each host run at the same time.
    limits: HashMap<&'p Address, usize>,
    waiting_for: Vec<usize>,
    waiters: Vec<Vec<usize>>,
    ready: HashMap<&'p Address, BTreeSet<usize>>,
    running: HashMap<&'p Address, usize>,
    outcome: Outcome,
}

impl<'p> Schedule<'p> {
    fn new(plan: &'p Plan, run: &Run<'_>) -> Self {
        let limit = |change: &'p Change| {
            let asked = run.parallelism.max(1);
            let provider = run.registry.get(&change.place);
            (&change.place, provider.map_or(asked, |provider| provider.at_once(asked).max(1)))
        };
        let mut waiters = vec![Vec::new(); plan.steps.len()];
        for (index, step) in plan.steps.iter().enumerate() {
            step.needs.iter().for_each(|need| waiters[*need].push(index));
        }
        let mut schedule = Schedule {
            plan,
            limits: plan.changes.iter().map(limit).collect(),
            waiting_for: plan.steps.iter().map(|step| step.needs.len()).collect(),
            waiters,
            ready: HashMap::new(),
            running: HashMap::new(),
            outcome: Outcome::default(),
        };
        for index in 0..plan.steps.len() {
            if schedule.waiting_for[index] == 0 {
                schedule.ready.entry(schedule.place(index)).or_default().insert(index);
            }
        }
        schedule
    }

    fn place(&self, index: usize) -> &'p Address {
        &self.plan.changes[self.plan.steps[index].change].place
    }

    /// The lowest step that can be begun now on any host that is not full.
    fn next(&mut self) -> Option<usize> {
        let count = |of: &HashMap<&Address, usize>, place: &Address| of.get(place).copied();
        let has_room = |place: &Address| {
            count(&self.running, place).unwrap_or(0) < count(&self.limits, place).unwrap_or(1)
        };
        let index = self
            .ready
            .iter()
            .filter(|(place, _)| has_room(place))
            .filter_map(|(_, ready)| ready.first().copied())
            .min()?;
        let place = self.place(index);
        self.ready.entry(place).or_default().remove(&index);
        *self.running.entry(place).or_default() += 1;
        Some(index)
    }

    fn end(&mut self, index: usize, ended: Ended) {
        *self.running.entry(self.place(index)).or_default() -= 1;
        self.outcome.wrote |= ended.wrote;
        match ended.result {
            Ok(()) => {
                self.outcome.done.insert(index + 1);
                for waiter in self.waiters[index].clone() {
                    self.waiting_for[waiter] -= 1;
                    if self.waiting_for[waiter] == 0 {
                        self.ready.entry(self.place(waiter)).or_default().insert(waiter);
                    }
                }
            }
            Err(step::Unfinished::Failed(failure)) => {
                self.outcome.failures.push(*failure);
                self.block(index);
            }
            Err(step::Unfinished::Journal(error)) => self.outcome.journal = Some(error),
        }
    }

    /// Nothing that needs this step is begun.
    fn block(&mut self, index: usize) {
        let mut open = self.waiters[index].clone();
        while let Some(waiter) = open.pop() {
            if self.outcome.blocked.insert(waiter + 1) {
                open.extend(&self.waiters[waiter]);
            }
        }
    }

    fn finish(mut self) -> Outcome {
        let failed: BTreeSet<_> = self.outcome.failures.iter().map(|f| f.step).collect();
        let open = (1..=self.plan.steps.len()).filter(|step| {
            !self.outcome.done.contains(step)
                && !self.outcome.blocked.contains(step)
                && !failed.contains(step)
        });
        self.outcome.stopped = open.collect();
        self.outcome.failures.sort_by_key(|failure| failure.step);
        self.outcome
    }
}

/// Shares a provider with a step.
type SharedProvider = Arc<dyn crate::ports::Provider>;
