//! What is answered when the wish is not granted.

use super::value::Value;

/// An answer that says no, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) id: &'static str,
    pub(super) message: String,
    pub(super) data: Value,
    /// Headers besides those of every answer.
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What is granted, or why it is not.
pub(super) type Granted<T> = Result<T, Box<Refusal>>;

impl Refusal {
    fn new(code: u16, id: &'static str, message: impl Into<String>) -> Box<Self> {
        // The real one does so to all its messages.
        let message = message.into().replace(['\'', '"'], "`");
        Box::new(Refusal { code, id, message, data: Value::NONE, headers: Vec::new() })
    }

    /// The wish makes no sense.
    pub(super) fn invalid(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(400, id, message)
    }

    /// Nobody knows who asks.
    pub(super) fn unknown_caller() -> Box<Self> {
        Refusal::new(401, "AUTH_AUTHENTICATION_FAILED", "Authentication failed.")
    }

    /// It may not be.
    pub(super) fn forbidden(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(403, id, message)
    }

    /// It is not there.
    pub(super) fn not_found(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(404, id, message)
    }

    /// The path does not know the method.
    pub(super) fn method(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(405, id, message)
    }

    /// No answer can be written as asked.
    pub(super) fn not_acceptable(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(406, id, message)
    }

    /// Something else is in the way.
    pub(super) fn conflict(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(409, id, message)
    }

    /// The request cannot be read.
    pub(super) fn media_type(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(415, id, message)
    }

    /// What it needs is not installed.
    pub(super) fn dependency(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(424, id, message)
    }

    /// The firewall itself is at fault.
    pub(super) fn broken(id: &'static str, message: impl Into<String>) -> Box<Self> {
        Refusal::new(500, id, message)
    }

    /// Not now.
    pub(super) fn unavailable(
        id: &'static str,
        message: impl Into<String>,
        retry_s: u32,
    ) -> Box<Self> {
        Refusal::new(503, id, message).header("Retry-After", retry_s.to_string())
    }

    /// The same with objects to look at.
    pub(super) fn with_data(mut self: Box<Self>, data: Value) -> Box<Self> {
        self.data = data;
        self
    }

    /// The same with a header.
    pub(super) fn header(
        mut self: Box<Self>,
        name: &'static str,
        value: impl Into<String>,
    ) -> Box<Self> {
        self.headers.push((name, value.into()));
        self
    }
}
