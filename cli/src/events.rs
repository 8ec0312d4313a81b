//! What happens in a run of `apply`, as it happens: one JSON object a line, for programs that watch.
//!
//! The schema is published; a reader checks `format_version`, and skips events it does not know.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use lessor_engine::{ApplyId, Event, FailureKind, Held, Outcome};
use lessor_plans::render::{Summary, View};
use lessor_plans::{Act, Plan};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::exit::{self, Exit};

/// Raised when a field changes its meaning or goes away; a new field or event does not raise it.
const FORMAT_VERSION: u32 = 1;

/// Means stdout.
const STDOUT: &str = "-";

/// Where events are written, if anybody asked for them.
pub(crate) struct Events {
    sink: Option<Sink>,
}

struct Sink {
    path: PathBuf,
    out: Mutex<Out>,
}

struct Out {
    writer: Box<dyn Write + Send>,
    /// The first that went wrong; nothing is written behind it.
    failed: Option<io::Error>,
    /// How many steps ended in which way.
    steps: Steps,
}

#[derive(Serialize, JsonSchema)]
#[schemars(title = "An event of lessor apply")]
struct Line<'e> {
    /// The version of this form.
    format_version: u32,
    /// When it was written, in RFC 3339.
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: Timestamp,
    #[serde(flatten)]
    what: What<'e>,
}

/// What happened.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What<'e> {
    /// There is a plan. Nothing has been done yet.
    Planned {
        /// The plan's id.
        plan: String,
        /// How many steps it has.
        steps: usize,
        /// What it comes to.
        summary: &'e Summary,
    },
    /// The gate holds the plan, so nothing is done.
    Held {
        /// Every rule that stands against it.
        rules: Vec<HeldRule<'e>>,
    },
    /// The steps begin.
    Begun {
        /// Names the run in the journal.
        apply: &'e str,
        /// How many steps there are.
        steps: usize,
        /// How many entries of the catalogue are written by now: they take no step.
        catalogue: usize,
    },
    /// A step was begun.
    Started(OneStep<'e>),
    /// A step will be tried again.
    Retrying {
        #[serde(flatten)]
        step: OneStep<'e>,
        /// What happened.
        why: &'e str,
    },
    /// A step is done.
    Finished(OneStep<'e>),
    /// A step was given up.
    Failed {
        #[serde(flatten)]
        step: OneStep<'e>,
        /// In which way.
        kind: Kind,
        /// What happened.
        why: &'e str,
        /// Something one can do now.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'e str>,
    },
    /// A step was not begun, since it needs one that was given up.
    Blocked(OneStep<'e>),
    /// A step was not begun or not seen to end, since the run was stopped.
    Stopped(OneStep<'e>),
    /// The command ends. Always the last event.
    Ended {
        /// How, in a word.
        outcome: Ending,
        /// The exit code.
        exit: u8,
        /// How many steps ended in which way.
        steps: Steps,
        /// What went wrong, when it was not a step.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// A step of the plan.
#[derive(Serialize, JsonSchema)]
struct OneStep<'e> {
    /// Counted from 1.
    step: usize,
    /// What is done.
    act: Act,
    /// To what.
    address: String,
    /// The connection it lives on.
    place: &'e str,
}

/// A rule of the gate that stands against a plan.
#[derive(Serialize, JsonSchema)]
struct HeldRule<'e> {
    /// The rule.
    rule: String,
    /// Its code, which `lessor explain` explains.
    code: &'static str,
    /// What the plan would do.
    why: &'e str,
    /// What to add to the command to agree.
    consent: &'e str,
}

/// In which way a step failed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// The thing is not as the plan saw it. Nothing was done to it.
    Stale,
    /// The provider refused or did not answer.
    Failed,
}

/// How the command ended.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Ending {
    /// Everything is done, or there was nothing to do.
    Done,
    /// It failed, or was not begun.
    Error,
    /// The gate holds the plan.
    Held,
    /// The world moved before anything was done.
    Stale,
    /// Some steps are done and some are not.
    Partial,
    /// Everything that could be seen is done.
    Unseen,
}

/// How many steps ended in which way.
#[derive(Clone, Copy, Default, Serialize, JsonSchema)]
struct Steps {
    /// Done.
    done: usize,
    /// Given up.
    failed: usize,
    /// Not begun, since they need one that was given up.
    blocked: usize,
    /// Not begun or not seen to end, since the run was stopped.
    stopped: usize,
}

impl Events {
    /// Begins to write to a file, anew; to stdout when it is called `-`.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Events> {
        let Some(path) = path else { return Ok(Events { sink: None }) };
        let writer: Box<dyn Write + Send> = if path == Path::new(STDOUT) {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(path).with_context(|| unwritten(path))?)
        };
        let out = Mutex::new(Out { writer, failed: None, steps: Steps::default() });
        Ok(Events { sink: Some(Sink { path: path.to_owned(), out }) })
    }

    /// Whether stdout is theirs.
    pub(crate) fn are_on_stdout(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.path == Path::new(STDOUT))
    }

    /// Tells of a plan.
    ///
    /// # Errors
    /// When that cannot be written: nothing has been done yet, and nobody could watch.
    pub(crate) fn planned(&self, plan: &Plan, view: &View) -> anyhow::Result<()> {
        self.tell(|| What::Planned {
            plan: view.id.clone(),
            steps: plan.steps.len(),
            summary: &view.summary,
        });
        self.check()
    }

    /// Tells that the gate holds the plan.
    pub(crate) fn held(&self, held: &Held) {
        self.tell(|| {
            let rules = held.rules.iter().map(|held| HeldRule {
                rule: held.rule.to_string(),
                code: held.rule.code().page().code,
                why: &held.why,
                consent: &held.consent,
            });
            What::Held { rules: rules.collect() }
        });
    }

    /// Tells that the steps begin.
    pub(crate) fn begun(&self, apply: &ApplyId, plan: &Plan) {
        self.tell(|| What::Begun {
            apply: &apply.0,
            steps: plan.steps.len(),
            catalogue: plan.catalogue.len(),
        });
    }

    /// Tells what happened to a step of the plan.
    pub(crate) fn event(&self, plan: &Plan, event: &Event) {
        self.tell(|| match event {
            Event::Started { step, .. } => What::Started(OneStep::of(plan, *step)),
            Event::Retrying { step, why, .. } => {
                What::Retrying { step: OneStep::of(plan, *step), why }
            }
            Event::Finished { step, .. } => What::Finished(OneStep::of(plan, *step)),
            Event::Failed(failure) => What::Failed {
                step: OneStep::of(plan, failure.step),
                kind: match failure.kind {
                    FailureKind::Stale => Kind::Stale,
                    FailureKind::Failed => Kind::Failed,
                },
                why: &failure.why,
                hint: failure.hint.as_deref(),
            },
        });
    }

    /// Tells of the steps nothing was told of so far.
    pub(crate) fn outcome(&self, plan: &Plan, outcome: &Outcome) {
        for step in &outcome.blocked {
            self.tell(|| What::Blocked(OneStep::of(plan, *step)));
        }
        for step in &outcome.stopped {
            self.tell(|| What::Stopped(OneStep::of(plan, *step)));
        }
        if let Some(sink) = &self.sink {
            sink.out().steps = Steps {
                done: outcome.done.len(),
                failed: outcome.failures.len(),
                blocked: outcome.blocked.len(),
                stopped: outcome.stopped.len(),
            };
        }
    }

    /// Tells how the command ends.
    ///
    /// # Errors
    /// When any event could not be written.
    pub(crate) fn ended(&self, result: &anyhow::Result<Exit>) -> anyhow::Result<()> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let (exit, error) = match result {
            Ok(exit) => (*exit, None),
            Err(error) => (exit::of_error(error), Some(format!("{error:#}"))),
        };
        let steps = sink.out().steps;
        self.tell(|| What::Ended { outcome: Ending::of(exit), exit: exit as u8, steps, error });
        self.check()
    }

    fn tell<'e>(&self, what: impl FnOnce() -> What<'e>) {
        if let Some(sink) = &self.sink {
            sink.out().write(what());
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        let Some(sink) = &self.sink else { return Ok(()) };
        match &sink.out().failed {
            // Whoever closed stdout has seen enough.
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Some(error) => Err(anyhow::anyhow!("{error}").context(unwritten(&sink.path))),
            None => Ok(()),
        }
    }
}

fn unwritten(path: &Path) -> String {
    format!("could not write events to `{}`", path.display())
}

impl Sink {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    /// One line, seen by readers at once.
    fn write(&mut self, what: What<'_>) {
        if self.failed.is_some() {
            return;
        }
        let line = Line { format_version: FORMAT_VERSION, at: Timestamp::now(), what };
        // Plain data with text keys: this cannot fail.
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        let written = self.writer.write_all(&bytes).and_then(|()| self.writer.flush());
        self.failed = written.err();
    }
}

impl<'e> OneStep<'e> {
    fn of(plan: &'e Plan, number: usize) -> Self {
        let step = &plan.steps[number - 1];
        let change = &plan.changes[step.change];
        let address = change.address.to_string();
        OneStep { step: number, act: step.act, address, place: change.place.name() }
    }
}

impl Ending {
    fn of(exit: Exit) -> Self {
        match exit {
            Exit::Done | Exit::Differences => Ending::Done,
            Exit::Error | Exit::Usage => Ending::Error,
            Exit::Held => Ending::Held,
            Exit::Stale => Ending::Stale,
            Exit::Partial => Ending::Partial,
            Exit::Unseen => Ending::Unseen,
        }
    }
}

/// The published JSON Schema of one line.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Line<'static>).to_value()
}
