//! What every answer comes in, and what it answers.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::error::CallError;
use crate::https::Method;

/// Where the API begins.
pub(super) const ROOT: &str = "/api/v2";

/// Which call it is.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Below the root: `/firewall/rule`.
    pub(super) path: &'a str,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Call { method, path }
    }

    /// What is said of an answer that is unlike one.
    pub(super) fn garbled(&self, why: String) -> CallError {
        CallError::Garbled { call: self.to_string(), why }
    }

    /// Whether it changes nothing.
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET
    }

    /// Whether it applies what is stored, or asks about that.
    pub(super) fn is_apply(&self) -> bool {
        self.path.ends_with("/apply")
    }

    /// The privilege it needs; each method of each path has its own.
    pub(super) fn privilege(&self) -> String {
        let path = self.path.replace(['/', '_'], "-");
        format!("api-v2{path}-{}", self.method.as_str().to_lowercase())
    }
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {ROOT}{}", self.method, self.path)
    }
}

/// What every answer of the API comes in. Its own `code` and `status` repeat the status of HTTP.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) response_id: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) data: Value,
}

impl Envelope {
    /// What the objects in a refusal are called, by the first field that tells.
    pub(super) fn names(&self) -> Vec<String> {
        let objects = self.data.as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |object: &Value| {
            let telling = ["name", "descr", "network", "subnet", "interface", "id"];
            let values = telling.iter().filter_map(|field| object.get(field));
            values.map(shown).find(|name| !name.is_empty())
        };
        objects.iter().filter_map(name).collect()
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
