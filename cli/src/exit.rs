//! How a command ended, as a number that scripts can rely on.

use std::process::ExitCode;

use lessor_engine::{FailureKind, Outcome};
use lessor_plans::{Code, NoteKind, Plan};

/// The exit codes. Where several fit, the first in this order counts: 64, 1, 3, 4, 5, 6, 2, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; in sync.
    Done = 0,
    /// An error: bad input, or it failed.
    Error = 1,
    /// There are differences.
    Differences = 2,
    /// Held at the gate.
    Held = 3,
    /// The world moved before anything was done.
    Stale = 4,
    /// Done in part.
    Partial = 5,
    /// Something could not be seen.
    Unseen = 6,
    /// Wrong usage.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) code: Option<Code>,
    pub(crate) hint: Option<String>,
}

impl Failed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failed { exit: Exit::Error, message: message.into(), code: None, hint: None }
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The exit code of an error.
pub(crate) fn of_error(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failed>().map_or(Exit::Error, |failed| failed.exit)
}

/// The exit code of having looked.
pub(crate) fn of_look(plan: &Plan, differs: bool) -> Exit {
    if plan.fatal().next().is_some() {
        Exit::Error
    } else if is_unseen(plan) {
        Exit::Unseen
    } else if differs {
        Exit::Differences
    } else {
        Exit::Done
    }
}

/// The exit code of having acted.
pub(crate) fn of_outcome(plan: &Plan, outcome: &Outcome) -> Exit {
    if outcome.is_complete() {
        return if is_unseen(plan) { Exit::Unseen } else { Exit::Done };
    }
    let all_stale = outcome.failures.iter().all(|failure| failure.kind == FailureKind::Stale);
    match (outcome.done.is_empty(), all_stale && !outcome.failures.is_empty()) {
        (false, _) => Exit::Partial,
        (true, true) if !outcome.wrote && plan.catalogue.is_empty() => Exit::Stale,
        // The catalogue was written before the first step.
        (true, true) if !outcome.wrote => Exit::Partial,
        (true, _) => Exit::Error,
    }
}

fn is_unseen(plan: &Plan) -> bool {
    !plan.gaps.is_empty() || plan.notes.iter().any(|note| note.kind == NoteKind::Unseen)
}
