//! One step: look again, say it, do it, say that it is done.

use lessor_plans::{Act, Change, Digest, Plan, Present, Sighting, Transition};
use tokio::time;

use super::retry::Budget;
use super::{Event, Failure, FailureKind, Run, SharedProvider};
use crate::ports::{ApplyError, Entry, JournalError, Phase};

/// One step of a plan, and what it takes to carry it out.
pub(super) struct Work<'w> {
    pub(super) plan: &'w Plan,
    pub(super) index: usize,
    pub(super) run: &'w Run<'w>,
    pub(super) budget: &'w Budget,
}

/// How a step ended.
pub(super) struct Ended {
    /// Whether any call that changes something was made.
    pub(super) wrote: bool,
    pub(super) result: Result<(), Unfinished>,
}

/// Why a step did not come to its end.
pub(super) enum Unfinished {
    Failed(Box<Failure>),
    Journal(JournalError),
}

/// What a second look at the object says about the step.
enum Look {
    /// It can be done.
    Fits,
    /// There is nothing left to do.
    Done,
}

impl Work<'_> {
    /// Carries the step out. Answers with its index, since steps end in any order.
    pub(super) async fn carry_out(self) -> (usize, Ended) {
        let mut wrote = false;
        let result = self.steps(&mut wrote).await;
        if let Err(Unfinished::Failed(failure)) = &result {
            self.tell(Event::Failed((**failure).clone()));
        }
        (self.index, Ended { wrote, result })
    }

    async fn steps(&self, wrote: &mut bool) -> Result<(), Unfinished> {
        let Some(provider) = self.run.registry.get(&self.change().place).cloned() else {
            let why = format!("no connection is called `{}`", self.change().place);
            return Err(self.failed(FailureKind::Failed, why, None));
        };
        self.tell(Event::Started {
            step: self.number(),
            act: self.act(),
            address: self.change().address.clone(),
        });
        let look = self.look(&provider).await?;
        self.record(Phase::Started).await?;
        if let Look::Fits = look {
            let result = self.act_on(&provider).await;
            *wrote = !matches!(&result, Err(Unfinished::Failed(f)) if f.kind == FailureKind::Stale);
            if let Err(unfinished) = result {
                if let Unfinished::Failed(failure) = &unfinished {
                    self.record(Phase::Failed { why: failure.why.clone() }).await?;
                }
                return Err(unfinished);
            }
        }
        self.record(Phase::Finished).await?;
        self.tell(Event::Finished {
            step: self.number(),
            act: self.act(),
            address: self.change().address.clone(),
        });
        Ok(())
    }

    /// Looks at the object once more: the plan may be old.
    async fn look(&self, provider: &SharedProvider) -> Result<Look, Unfinished> {
        let change = self.change();
        let mut attempt = 1;
        loop {
            let sighting = time::timeout(self.run.step_deadline, provider.sight(change)).await;
            let why = match sighting {
                Ok(Sighting::Absent) => return self.absent(),
                Ok(Sighting::Present(present)) => return self.present(provider, &present),
                Ok(Sighting::Unknown { why }) => why,
                Err(_) => "it did not answer in time".into(),
            };
            self.pause(attempt, &why).await.ok_or_else(|| {
                self.failed(FailureKind::Failed, format!("it cannot be seen: {why}"), None)
            })?;
            attempt += 1;
        }
    }

    fn absent(&self) -> Result<Look, Unfinished> {
        match self.act() {
            // What is gone may have gone a moment ago, by a late call of a run that was cut off, and
            // whether that is all that is to be done only the provider can tell.
            Act::Create | Act::Delete => Ok(Look::Fits),
            Act::Update => {
                Err(self.stale("it is not there any more; the plan was made to change it".into()))
            }
        }
    }

    fn present(&self, provider: &SharedProvider, present: &Present) -> Result<Look, Unfinished> {
        let change = self.change();
        let transition = match &change.after {
            Some(after) => provider.compare(after, present),
            None => Transition::Replace(Vec::new()),
        };
        match (self.act(), transition) {
            // A call of a run that was cut off may land late and leave it half-made. Whether it can
            // be finished, and whether it is ready, only the provider can tell.
            (Act::Create, _) => Ok(Look::Fits),
            (Act::Update, Transition::None) if !present.lacks_mark() => Ok(Look::Done),
            // A run that was cut off has made the new one already.
            (Act::Delete, Transition::None) if self.is_another(present) => Ok(Look::Done),
            (Act::Update | Act::Delete, _) => self.not_strayed(present),
        }
    }

    /// Whether what is there is not what was to be removed, but ours all the same.
    fn is_another(&self, present: &Present) -> bool {
        let change = self.change();
        let now = present.beside(change.after.as_ref());
        !present.lacks_mark() && change.before.as_ref().is_some_and(|before| *before != now)
    }

    /// The object still looks as it did when the plan was made, or nearer to what it shall be.
    fn not_strayed(&self, present: &Present) -> Result<Look, Unfinished> {
        let change = self.change();
        let now = present.beside(change.after.as_ref());
        let Some(difference) = change.strayed(self.act(), &now) else { return Ok(Look::Fits) };
        let shown = |value: &Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => format!("`{text}`"),
            Some(value) => format!("`{value}`"),
            None => "nothing".into(),
        };
        Err(self.stale(format!(
            "its `{}` is {} now; the plan was made for {}",
            difference.path,
            shown(&difference.after),
            shown(&difference.before)
        )))
    }

    /// Makes the call, again and again while that may help.
    async fn act_on(&self, provider: &SharedProvider) -> Result<(), Unfinished> {
        let mut attempt = 1;
        loop {
            let call = provider.apply(self.act(), self.change());
            let error = match time::timeout(self.run.step_deadline, call).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => ApplyError::Transient { why: "it did not answer in time".into() },
            };
            match error {
                ApplyError::Stale { why } => return Err(self.stale(why)),
                ApplyError::Refused { why, hint } => {
                    return Err(self.refused(why, hint));
                }
                ApplyError::Transient { why } => {
                    let again = self.pause(attempt, &why).await;
                    again.ok_or_else(|| self.failed(FailureKind::Failed, why, None))?;
                }
            }
            attempt += 1;
        }
    }

    /// Waits before another try; `None` when there is none.
    async fn pause(&self, attempt: u32, why: &str) -> Option<()> {
        let pause = self.budget.pause_after(attempt, self.index)?;
        self.tell(Event::Retrying {
            step: self.number(),
            address: self.change().address.clone(),
            why: why.to_owned(),
        });
        time::sleep(pause).await;
        Some(())
    }

    async fn record(&self, phase: Phase) -> Result<(), Unfinished> {
        let change = self.change();
        let after = change.after.as_ref().filter(|_| self.act() != Act::Delete);
        let entry = Entry {
            apply: self.run.apply.clone(),
            step: self.number(),
            address: change.address.clone(),
            place: change.place.clone(),
            act: self.act(),
            phase,
            body: after.map(|after| Digest::of_json(&*after.asked_for())),
        };
        self.run.journal.record(&entry).await.map_err(Unfinished::Journal)
    }

    fn stale(&self, why: String) -> Unfinished {
        let hint = Some("run `lessor plan` again and compare".to_owned());
        self.failed(FailureKind::Stale, why, hint)
    }

    fn failed(&self, kind: FailureKind, why: String, hint: Option<String>) -> Unfinished {
        Unfinished::Failed(Box::new(Failure {
            step: self.number(),
            act: self.act(),
            address: self.change().address.clone(),
            kind,
            refused: false,
            why,
            hint,
        }))
    }

    fn refused(&self, why: String, hint: Option<String>) -> Unfinished {
        match self.failed(FailureKind::Failed, why, hint) {
            Unfinished::Failed(failure) => {
                Unfinished::Failed(Box::new(Failure { refused: true, ..*failure }))
            }
            Unfinished::Journal(error) => Unfinished::Journal(error),
        }
    }

    fn tell(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.run.events.send(event);
    }

    fn number(&self) -> usize {
        self.index + 1
    }

    fn act(&self) -> Act {
        self.plan.steps[self.index].act
    }

    fn change(&self) -> &Change {
        &self.plan.changes[self.plan.steps[self.index].change]
    }
}
