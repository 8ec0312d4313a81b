//! What an engine says no with.

use serde_json::json;

use crate::http::Answer;

/// What becomes of something an engine is asked to do.
pub(super) type Done<T> = Result<T, Refusal>;

/// A status and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(403, message)
    }

    pub(super) fn missing(message: impl Into<String>) -> Refusal {
        Refusal::new(404, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Refusal {
        Refusal::new(409, message)
    }

    /// What the engine has no status for.
    pub(super) fn failed(message: impl Into<String>) -> Refusal {
        Refusal::new(500, message)
    }

    pub(super) fn no_container(name: &str) -> Refusal {
        Refusal::missing(format!("No such container: {name}"))
    }

    /// The same with something said before it.
    pub(super) fn during(self, what: &str) -> Refusal {
        Refusal { message: format!("{what}{}", self.message), ..self }
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({ "message": self.message }).to_string() + "\n";
        Answer::new(self.status, super::call::reason(self.status), body)
            .header("Content-Type", "application/json")
    }
}
