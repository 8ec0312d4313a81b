//! What can go wrong with a call, and what one can do about it.

use std::fmt;
use std::time::Duration;

use lessor_engine::ApplyError;

use super::envelope::{Call, Envelope};
use super::writer::EditError;
use crate::https::HttpsError;

/// The package whose API this is.
const API_PACKAGE: &str = "pfSense-pkg-RESTAPI";

/// The package that brings `WireGuard`.
const WIREGUARD_PACKAGE: &str = "pfSense-pkg-WireGuard";

/// Why a call brought nothing. Each variant is something that a caller would do differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// We may not do it. Asking again would only make the firewall lock us out.
    #[error("the firewall refused `{call}`: {denial}")]
    Denied {
        /// What was asked.
        call: String,
        /// What we lack.
        denial: Denial,
    },
    /// Nobody may write, and only its web interface can change that.
    #[error("the firewall refused `{call}`: its REST API is in read-only mode")]
    ReadOnly {
        /// What was asked.
        call: String,
    },
    /// The object is not there.
    #[error("`{call}` is about something that is not there: {why}")]
    Missing {
        /// What was asked.
        call: String,
        /// What the firewall says.
        why: String,
    },
    /// The object would refer to another that is not there.
    #[error("the firewall refused `{call}`, because it refers to nothing: {why}")]
    Dangling {
        /// What was asked.
        call: String,
        /// The field that refers to it.
        field: Option<String>,
        /// What the firewall says.
        why: String,
    },
    /// Others refer to the object, so it has to stay.
    #[error("the firewall refused `{call}`: {why}{}", named(.by))]
    Referenced {
        /// What was asked.
        call: String,
        /// What the others are called, as far as the firewall says.
        by: Vec<String>,
        /// What the firewall says.
        why: String,
    },
    /// What was asked makes no sense to the firewall, and never will. Nothing is changed.
    #[error("the firewall refused `{call}`: {why}")]
    Invalid {
        /// What was asked.
        call: String,
        /// The field that is wrong, if it is one.
        field: Option<String>,
        /// What the firewall calls this.
        id: String,
        /// What the firewall says.
        why: String,
    },
    /// The firewall keeps the object whatever we say, as the last rule.
    #[error("the firewall refused `{call}`: {why}")]
    Protected {
        /// What was asked.
        call: String,
        /// What the firewall says.
        why: String,
    },
    /// Several objects could be meant, so none of them is touched.
    #[error("{count} of {what} could be meant")]
    Ambiguous {
        /// What was looked for.
        what: String,
        /// How many were found.
        count: usize,
    },
    /// There is one already, and creating another would overwrite it and all it holds.
    #[error("{what} is there already")]
    Taken {
        /// What is there.
        what: String,
    },
    /// Somebody else wrote between our look and our write, so that the write met another object.
    #[error("somebody else wrote at the same time, and `{call}` for {what} met {met}")]
    Moved {
        /// What was asked.
        call: String,
        /// What was meant.
        what: String,
        /// What it met.
        met: String,
    },
    /// Somebody else is writing, or died while he was. Nothing is changed.
    #[error("the configuration of the firewall is locked by another writer, so `{call}` failed")]
    Locked {
        /// What was asked.
        call: String,
        /// Whether it was locked when we tried before, too.
        again: bool,
    },
    /// Too much is waiting to be applied there.
    #[error("too much is waiting at the firewall for `{call}`")]
    Throttled {
        /// What was asked.
        call: String,
        /// After how long the firewall wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The REST API is switched off, or not there for now.
    #[error("the REST API of the firewall is not available: {why}")]
    Off {
        /// What the firewall says.
        why: String,
    },
    /// A package is not installed, or too old to know the call.
    #[error("`{call}` needs the package `{package}`, which the firewall does not have")]
    NoPackage {
        /// What was asked.
        call: String,
        /// Which package.
        package: &'static str,
    },
    /// Nobody knows whether it was done: only looking can tell, and it may yet be done later.
    #[error("nobody knows what became of `{call}`: {why}")]
    Unknown {
        /// What was asked.
        call: String,
        /// What happened instead of an answer.
        why: String,
    },
    /// A question that changes nothing brought no answer.
    #[error("`{call}` was not answered: {why}")]
    Unanswered {
        /// What was asked.
        call: String,
        /// What happened instead.
        why: String,
    },
    /// An answer that makes no sense to us.
    #[error("the answer to `{call}` was not understood: {why}")]
    Garbled {
        /// What was asked.
        call: String,
        /// What is wrong with it.
        why: String,
    },
    /// The firewall has heard nothing.
    #[error(transparent)]
    Unreachable(HttpsError),
}

/// What we lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The firewall does not know us.
    Login,
    /// The user lacks this privilege.
    Privilege(String),
    /// Its access list does not hold our address.
    Address,
    /// It takes no calls at the interface where ours arrive.
    Interface,
    /// Anything else, in its words.
    Other(String),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Login => f.write_str("the key, or the user and the password, are not accepted"),
            Denial::Privilege(name) => write!(f, "the user lacks the privilege `{name}`"),
            Denial::Address => f.write_str("its access list does not allow our address"),
            Denial::Interface => {
                f.write_str("its REST API takes no calls at the interface where this one arrived")
            }
            Denial::Other(why) => f.write_str(why),
        }
    }
}

impl CallError {
    /// Whether a write may have been done, or may yet be.
    pub fn is_unknown(&self) -> bool {
        matches!(self, CallError::Unknown { .. })
    }

    /// Whether the same call may succeed a little later, without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            CallError::Locked { again, .. } => !again,
            CallError::Throttled { .. }
            | CallError::Moved { .. }
            | CallError::Unknown { .. }
            | CallError::Unanswered { .. }
            | CallError::Garbled { .. } => true,
            CallError::Unreachable(error) => error.may_pass(),
            CallError::Denied { .. }
            | CallError::ReadOnly { .. }
            | CallError::Missing { .. }
            | CallError::Dangling { .. }
            | CallError::Referenced { .. }
            | CallError::Invalid { .. }
            | CallError::Protected { .. }
            | CallError::Ambiguous { .. }
            | CallError::Taken { .. }
            | CallError::Off { .. }
            | CallError::NoPackage { .. } => false,
        }
    }

    /// Whether every other write would fail in the same way, so that trying is of no use, or does
    /// harm.
    pub(super) fn is_about_the_firewall(&self) -> bool {
        match self {
            CallError::Denied { denial, .. } => !matches!(denial, Denial::Privilege(_)),
            CallError::ReadOnly { .. }
            | CallError::Locked { .. }
            | CallError::Off { .. }
            | CallError::Unreachable(_) => true,
            _ => false,
        }
    }

    /// Something one can do now.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            CallError::Denied { denial, .. } => match denial {
                Denial::Login => "check the credentials, and that their kind is switched on at \
                     the firewall under System > REST API; it locks out who tries too often"
                    .into(),
                Denial::Privilege(name) => {
                    format!("give the user `{name}` at the firewall under System > User Manager")
                }
                Denial::Address => {
                    "add our address at the firewall under System > REST API > Access Lists".into()
                }
                Denial::Interface => {
                    "allow the interface at the firewall under System > REST API".into()
                }
                Denial::Other(_) => return None,
            },
            CallError::ReadOnly { .. } => "switch read-only mode off at the firewall under \
                 System > REST API; the API itself cannot"
                .into(),
            CallError::Ambiguous { .. } => {
                "look at the firewall which of them is the right one, and rename the others".into()
            }
            CallError::Locked { again: true, .. } => "the lock was there before; a writer that \
                 crashed leaves it behind, so look at the firewall whether anybody still writes, \
                 and remove the lock or restart it if nobody does"
                .into(),
            CallError::Off { .. } => "switch it on at the firewall under System > REST API".into(),
            CallError::NoPackage { package, .. } => format!(
                "install `{package}` at the firewall, or update it, under System > Package Manager"
            ),
            CallError::Moved { .. } => {
                "look at the firewall what was met, and put it right if it was changed".into()
            }
            CallError::Unreachable(error) => return error.hint(),
            _ => return None,
        })
    }

    /// What happened instead of an answer to `call`.
    pub(super) fn unheard(call: &Call<'_>, error: HttpsError) -> Self {
        if !error.was_heard() {
            return CallError::Unreachable(error);
        }
        CallError::lost(call, error.to_string())
    }

    /// No answer, so that a write may have been done.
    fn lost(call: &Call<'_>, why: String) -> Self {
        let is_read = call.is_read();
        let call = call.to_string();
        if is_read { CallError::Unanswered { call, why } } else { CallError::Unknown { call, why } }
    }

    /// What an answer means that is none of the API's: of the web server, or of a PHP that died.
    pub(super) fn wordless(call: &Call<'_>, status: u16, body: &str) -> Self {
        let why = match first_line(body).as_str() {
            "" => format!("HTTP {status}"),
            said => format!("HTTP {status}, `{said}`"),
        };
        match status {
            // The web server knows no path of a package that is not installed.
            404 => CallError::NoPackage { call: call.to_string(), package: API_PACKAGE },
            401 | 403 => CallError::Denied { call: call.to_string(), denial: Denial::Other(why) },
            200..=299 | 500..=599 => match CallError::lost(call, why) {
                // It was answered, only not in words.
                CallError::Unanswered { call, why } if status < 300 => {
                    CallError::Garbled { call, why }
                }
                lost => lost,
            },
            _ => CallError::Garbled { call: call.to_string(), why },
        }
    }

    /// What a refusal means. The texts are for people; the code and the id are the contract.
    pub(super) fn refused(
        call: &Call<'_>,
        status: u16,
        envelope: &Envelope,
        retry_after: Option<Duration>,
    ) -> Self {
        let why = first_line(&envelope.message);
        let (id, field) = (envelope.response_id.clone(), field(&envelope.message));
        let denied = |denial| CallError::Denied { call: call.to_string(), denial };
        let said = call.to_string();
        match (status, id.as_str()) {
            (401, _) => denied(Denial::Login),
            (403, "AUTH_AUTHORIZATION_FAILED") => denied(Denial::Privilege(call.privilege())),
            (403, "ENDPOINT_CLIENT_NOT_ALLOWED_BY_ACL") => denied(Denial::Address),
            (403, "ENDPOINT_INTERFACE_NOT_ALLOWED") => denied(Denial::Interface),
            (
                403,
                "MODEL_MANY_MINIMUM_REACHED"
                | "MODEL_MANY_MAXIMUM_REACHED"
                | "MODEL_CANNOT_DELETE_PROTECTED_OBJECT",
            ) => CallError::Protected { call: said, why },
            (403, _) => denied(Denial::Other(why)),
            (405, "ENDPOINT_METHOD_NOT_ALLOWED_IN_READ_ONLY_MODE") => {
                CallError::ReadOnly { call: said }
            }
            (404, "MODEL_OBJECT_NOT_FOUND" | "MODEL_PARENT_OBJECT_NOT_FOUND") => {
                CallError::Missing { call: said, why }
            }
            (404, "MODEL_MISSING_REQUIRED_PACKAGE")
            | (424, "DISPATCHER_MISSING_REQUIRED_PACKAGE") => {
                CallError::NoPackage { call: said, package: WIREGUARD_PACKAGE }
            }
            (404, "QUERY_FILTER_NOT_FOUND") => CallError::Invalid { call: said, field, id, why },
            // Every other is about a field whose object is not there.
            (404, _) => CallError::Dangling { call: said, field, why },
            (409, id) if id.contains("REFERENCED") || id.contains("IN_USE") => {
                CallError::Referenced { call: said, by: envelope.names(), why }
            }
            (503, "MODEL_WRITE_CONFIG_LOCKED") => CallError::Locked { call: said, again: false },
            // A write that asks for it is saved before.
            (503, "DISPATCHER_TOO_MANY_QUEUED_PROCESSES") if call.is_apply() => {
                CallError::Throttled { call: said, retry_after }
            }
            (503, "ENDPOINT_REST_API_IS_NOT_ENABLED" | "ENDPOINT_UNAVAILABLE") => {
                CallError::Off { why }
            }
            // The place is looked at before anything is saved.
            (500, "MODEL_FAILED_TO_SET_PLACEMENT") => {
                let field = Some("placement".into());
                CallError::Invalid { call: said, field, id, why }
            }
            // What is saved is saved before it is put to work, which is what fails then.
            (424 | 500..=599, _) => CallError::lost(call, format!("{id}: {why}")),
            (400..=499, _) => CallError::Invalid { call: said, field, id, why },
            _ => CallError::Garbled { call: said, why: format!("HTTP {status}, `{id}`") },
        }
    }
}

impl From<EditError> for ApplyError {
    fn from(error: EditError) -> Self {
        let (why, hint) = (error.to_string(), error.hint());
        match error {
            EditError::Call(error) => error.into(),
            error if error.may_pass() => ApplyError::Transient { why },
            _ => ApplyError::Refused { why, hint },
        }
    }
}

impl From<CallError> for ApplyError {
    fn from(error: CallError) -> Self {
        let (why, hint) = (error.to_string(), error.hint());
        match error {
            // What a step builds on was seen or made before it.
            CallError::Missing { .. } | CallError::Taken { .. } => ApplyError::Stale { why },
            error if error.may_pass() => ApplyError::Transient { why },
            _ => ApplyError::Refused { why, hint },
        }
    }
}

/// The field that a message begins with: ``Field `name` is required.``
fn field(message: &str) -> Option<String> {
    let (name, _) = message.strip_prefix("Field `")?.split_once('`')?;
    Some(name.to_owned())
}

/// Without the stack trace that may follow, and no longer than can be read.
fn first_line(text: &str) -> String {
    const READABLE: usize = 300;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut shown: String = line.chars().take(READABLE).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

fn named(by: &[String]) -> String {
    let by: Vec<String> = by.iter().map(|name| format!("`{name}`")).collect();
    if by.is_empty() { String::new() } else { format!(" (by {})", by.join(", ")) }
}

#[cfg(test)]
mod tests;
