//! Why a call fails.

use std::collections::BTreeMap;

/// An answer of a call, or why there is none.
pub(super) type Result<T, E = Refusal> = std::result::Result<T, E>;

/// Why a call fails: a status, a text whose first line becomes the reason phrase, and what is wrong
/// with which parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) errors: BTreeMap<String, String>,
}

impl Refusal {
    /// What the real system says when anything goes wrong: 500 and a text.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        let mut message = text.into();
        message.push('\n');
        Refusal { status: 500, message, errors: BTreeMap::new() }
    }

    /// Parameters that do not fit.
    pub(super) fn parameters(errors: BTreeMap<String, String>) -> Self {
        let message = "Parameter verification failed.\n".into();
        Refusal { status: 400, message, errors }
    }

    /// One parameter that does not fit.
    pub(super) fn parameter(name: &str, why: impl Into<String>) -> Self {
        Refusal::parameters([(name.to_owned(), why.into())].into())
    }

    /// A right is missing; `what` stands in parentheses unless it is empty.
    pub(super) fn forbidden(what: &str) -> Self {
        let message = match what {
            "" => "Permission check failed\n".into(),
            what => format!("Permission check failed ({what})\n"),
        };
        Refusal { status: 403, message, errors: BTreeMap::new() }
    }

    /// There is no such method.
    pub(super) fn unknown(verb: &str, path: &str) -> Self {
        let message = format!("Method '{verb} {path}' not implemented");
        Refusal { status: 501, message, errors: BTreeMap::new() }
    }

    /// The same as a failure of a wider action: `create pool failed: …`.
    #[must_use]
    pub(super) fn while_doing(mut self, action: &str) -> Self {
        if self.errors.is_empty() {
            self.message = format!("{action} failed: {}", self.message);
        } else {
            self.message = format!("{action} failed: {} {}", self.status, self.message);
            for (name, why) in std::mem::take(&mut self.errors) {
                self.message.push_str(&format!("{name}: {why}\n"));
            }
        }
        self.status = 500;
        self
    }

    /// The text without its last line break, as tasks end with it.
    pub(super) fn text(&self) -> &str {
        self.message.trim_end_matches('\n')
    }
}
