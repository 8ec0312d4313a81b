//! Why a call, or the task it began, brought nothing.

use std::collections::BTreeMap;
use std::fmt;

use lessor_engine::ApplyError;

use super::Call;
use super::task::Upid;
use crate::https::HttpsError;

/// What may be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing was done, and the same call may work a little later.
    Transient,
    /// The thing is locked by something else; nothing was done, and waiting helps.
    Busy,
    /// The thing is not as we saw it: its digest differs, or it runs and should not.
    Stale,
    /// It is not there, or what it refers to is not.
    Missing,
    /// Something is there already.
    Exists,
    /// We may not do that.
    Denied,
    /// What was sent is wrong.
    Invalid,
    /// It is written, and takes effect when the guest is stopped and started.
    Pending,
    /// The cluster says no, and will say it again.
    Refused,
    /// A task is not done yet. It goes on.
    Running,
    /// Nobody knows whether it was done: look before anything is repeated.
    Unknown,
    /// An answer that makes no sense.
    Garbled,
}

/// Which privilege is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Where; empty where Proxmox VE does not say it.
    pub path: String,
    /// What.
    pub privilege: String,
}

/// Why a call brought nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct CallError(Box<Told>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    kind: Kind,
    /// `POST /nodes/n1/qemu`.
    call: String,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Unanswered(HttpsError),
    Answered(Refusal),
    Task { upid: Upid, verdict: String, log: Vec<String> },
    Other(String),
}

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Whose answer it is.
    pub(super) place: String,
    /// The status code.
    pub(super) status: u16,
    /// The message, of one or more lines.
    pub(super) text: String,
    /// What is wrong with parameters, by name.
    pub(super) errors: BTreeMap<String, String>,
    /// The privilege we lack.
    pub(super) denial: Option<Denial>,
}

impl CallError {
    fn new(kind: Kind, call: String, cause: Cause) -> Self {
        CallError(Box::new(Told { kind, call, cause }))
    }

    pub(super) fn unanswered(call: String, error: HttpsError) -> Self {
        let kind = match &error {
            error if error.was_heard() => Kind::Unknown,
            error if error.may_pass() => Kind::Transient,
            _ => Kind::Refused,
        };
        Self::new(kind, call, Cause::Unanswered(error))
    }

    pub(super) fn answered(kind: Kind, call: String, refusal: Refusal) -> Self {
        Self::new(kind, call, Cause::Answered(refusal))
    }

    pub(super) fn task(kind: Kind, upid: &Upid, verdict: &str, log: Vec<String>) -> Self {
        let cause = Cause::Task { upid: upid.clone(), verdict: verdict.to_owned(), log };
        Self::new(kind, format!("task {upid}"), cause)
    }

    pub(super) fn garbled(call: String, why: impl fmt::Display) -> Self {
        Self::new(Kind::Garbled, call, Cause::Other(why.to_string()))
    }

    pub(super) fn refused(call: String, why: impl Into<String>) -> Self {
        Self::new(Kind::Refused, call, Cause::Other(why.into()))
    }

    pub(super) fn unfit(call: &Call<'_>, part: &str) -> Self {
        let why = format!("`{part}` cannot be part of a path");
        Self::new(Kind::Invalid, call.to_string(), Cause::Other(why))
    }

    /// What may be done about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What Proxmox VE said, if it said anything: the message of an answer or a task's verdict.
    pub fn said(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Answered(refusal) => Some(&refusal.text),
            Cause::Task { verdict, .. } => Some(verdict),
            Cause::Unanswered(_) | Cause::Other(_) => None,
        }
    }

    /// What is wrong with a parameter.
    pub fn about(&self, parameter: &str) -> Option<&str> {
        match &self.0.cause {
            Cause::Answered(refusal) => refusal.errors.get(parameter).map(String::as_str),
            _ => None,
        }
    }

    /// The privilege we lack.
    pub fn denial(&self) -> Option<&Denial> {
        match &self.0.cause {
            Cause::Answered(refusal) => refusal.denial.as_ref(),
            _ => None,
        }
    }

    /// The status code, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match &self.0.cause {
            Cause::Answered(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// The last lines of the log of a task that failed.
    pub fn log(&self) -> &[String] {
        match &self.0.cause {
            Cause::Task { log, .. } => log,
            _ => &[],
        }
    }

    /// Whether the configuration of a guest is what is missing. Other things that are missing say
    /// nothing of the guest: its node or a storage may be gone.
    pub fn is_no_guest(&self) -> bool {
        let no_file = |text: &str| {
            (text.starts_with("Configuration file '") && text.ends_with("does not exist"))
                || text.starts_with("unable to find configuration file for ")
        };
        self.kind() == Kind::Missing && self.said().is_some_and(no_file)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.0.cause, Cause::Unanswered(HttpsError::Broken { .. }))
    }

    pub(super) fn is_late(&self) -> bool {
        matches!(
            self.0.cause,
            Cause::Unanswered(HttpsError::Silent { .. } | HttpsError::NotConnected { .. })
        )
    }

    /// Something one can do now.
    pub fn hint(&self) -> Option<String> {
        match &self.0.cause {
            Cause::Unanswered(error) => error.hint(),
            Cause::Answered(refusal) => refusal.hint(self.kind()),
            Cause::Task { verdict, .. } => verdict.contains("powerdown failed").then(|| {
                "the guest ignored it: give it longer, install its agent, or stop it".into()
            }),
            Cause::Other(_) => None,
        }
    }
}

impl Refusal {
    fn hint(&self, kind: Kind) -> Option<String> {
        match (kind, &self.denial) {
            (Kind::Denied, Some(Denial { path, privilege })) if path.is_empty() => {
                Some(format!("give our user or token a role with `{privilege}`"))
            }
            (Kind::Denied, Some(Denial { path, privilege })) => Some(format!(
                "give our user or token a role with `{privilege}` on `{path}` (Datacenter, \
                 Permissions, or `pveum acl modify {path}`)"
            )),
            (Kind::Denied, None) if self.status == 401 => Some(
                "check the token and when it expires: `pveum user token list USER` on a node"
                    .into(),
            ),
            (Kind::Denied, None) if self.text.to_lowercase().contains("root") => {
                Some("this takes `root@pam` with a password; no token may do it".into())
            }
            (Kind::Garbled, _) => Some("check that `endpoint` leads to Proxmox VE".into()),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { kind, call, cause } = &*self.0;
        match cause {
            Cause::Unanswered(error) if *kind == Kind::Unknown => {
                write!(f, "{error}, and nobody knows what became of `{call}`")
            }
            Cause::Unanswered(error) => write!(f, "{error}"),
            Cause::Answered(refusal) => refusal.show(f, *kind, call),
            Cause::Task { upid, verdict, log } => {
                write!(f, "task `{upid}` {}", ended(*kind, verdict))?;
                match log.as_slice() {
                    [] => Ok(()),
                    lines => write!(f, "; its log ends: {}", lines.join(" / ")),
                }
            }
            Cause::Other(why) if *kind == Kind::Garbled => {
                write!(f, "the answer to `{call}` was not understood: {why}")
            }
            Cause::Other(why) => write!(f, "`{call}` cannot be done: {why}"),
        }
    }
}

fn ended(kind: Kind, verdict: &str) -> String {
    match kind {
        Kind::Running => format!("is still running {verdict}"),
        Kind::Unknown => format!("ended, and nobody knows how: {verdict}"),
        _ => format!("failed: {verdict}"),
    }
}

impl Refusal {
    fn show(&self, f: &mut fmt::Formatter<'_>, kind: Kind, call: &str) -> fmt::Result {
        let Refusal { place, status, text, errors, .. } = self;
        match kind {
            Kind::Unknown => write!(
                f,
                "`{place}` answered {status} to `{call}`, and nobody knows what became of it"
            )?,
            Kind::Garbled => write!(f, "`{place}` answered {status} to `{call}`")?,
            _ => write!(f, "`{place}` refused `{call}`")?,
        }
        // Details stand in further lines.
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            write!(f, ": it says no more than {status}")?;
        } else {
            write!(f, ": {}", lines.join(" / "))?;
        }
        for (name, why) in errors {
            let why: Vec<_> = why.split_whitespace().collect();
            write!(f, "; `{name}`: {}", why.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())
    }
}

impl std::error::Error for CallError {}

/// What is unknown is transient to the engine, which then applies the step again: whoever carries
/// out a step has to look before it makes a call.
impl From<CallError> for ApplyError {
    fn from(error: CallError) -> Self {
        let (why, hint) = (error.to_string(), error.hint());
        match error.kind() {
            Kind::Transient | Kind::Busy | Kind::Running | Kind::Unknown => {
                ApplyError::Transient { why }
            }
            Kind::Stale | Kind::Missing | Kind::Exists => ApplyError::Stale { why },
            Kind::Denied | Kind::Invalid | Kind::Pending | Kind::Refused | Kind::Garbled => {
                ApplyError::Refused { why, hint }
            }
        }
    }
}
