//! A request, taken apart as the engine does it.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refusal::{Done, Refusal};
use crate::http::{Answer, Request};

/// The API spoken here.
pub(super) const API: (u32, u32) = (1, 41);

/// The oldest it speaks.
pub(super) const OLDEST_API: (u32, u32) = (1, 12);

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// The path without the version, decoded.
    pub(super) path: String,
    parameters: BTreeMap<String, String>,
    content_type: String,
    pub(super) upgrades: bool,
    body: Vec<u8>,
}

impl Call {
    pub(super) fn new(request: &Request) -> Done<Call> {
        let path = versionless(&request.path)?;
        let query = request.query.as_deref().unwrap_or_default();
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.entry(decoded(name)).or_insert_with(|| decoded(value));
        }
        Ok(Call {
            method: request.method.clone(),
            path: percent_decode_str(path).decode_utf8_lossy().into_owned(),
            parameters,
            content_type: request.header("Content-Type").unwrap_or_default().to_owned(),
            upgrades: request.header("Upgrade").is_some(),
            body: request.body.clone(),
        })
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// A parameter that is yes or no.
    pub(super) fn flag(&self, name: &str) -> bool {
        !matches!(
            self.parameter(name).trim().to_lowercase().as_str(),
            "" | "0" | "no" | "false" | "none"
        )
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Done<Option<i64>> {
        let text = self.parameter(name);
        if text.is_empty() {
            return Ok(None);
        }
        let invalid =
            |_| Refusal::failed(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
        text.parse().map(Some).map_err(invalid)
    }

    /// Filters by name, in either of their two forms.
    pub(super) fn filters(&self, known: &[&str]) -> Done<Filters> {
        let text = self.parameter("filters");
        if text.is_empty() {
            return Ok(Filters::default());
        }
        let fields: Value = serde_json::from_str(text).map_err(|_| malformed(text))?;
        let Value::Object(fields) = fields else {
            let sort = sort_of(&fields);
            return Err(Refusal::failed(format!(
                "json: cannot unmarshal {sort} into Go value of type map[string]map[string]bool"
            )));
        };
        let mut filters = BTreeMap::new();
        for (name, values) in fields {
            let values = match values {
                Value::Object(values) => values.into_iter().map(|(value, _)| value).collect(),
                Value::Array(values) => {
                    values.iter().filter_map(Value::as_str).map(Into::into).collect()
                }
                other => {
                    let sort = sort_of(&other);
                    return Err(Refusal::failed(format!(
                        "json: cannot unmarshal {sort} into Go value of type map[string]bool"
                    )));
                }
            };
            filters.insert(name, values);
        }
        if let Some(name) = filters.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Refusal::invalid(format!("Invalid filter '{name}'")));
        }
        Ok(Filters(filters))
    }

    /// The body, of a call that needs one; `of` names the type in the engine.
    pub(super) fn body<T: DeserializeOwned>(&self, of: &str) -> Done<T> {
        self.check_json()?;
        self.read(of)
    }

    /// The body, of a call that can do without.
    pub(super) fn body_or_default<T: DeserializeOwned + Default>(&self, of: &str) -> Done<T> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        self.body(of)
    }

    pub(super) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    fn check_json(&self) -> Done<()> {
        let given = self.content_type.split(';').next().unwrap_or_default().trim();
        let without = given.is_empty() && self.body.is_empty();
        if given == "application/json" || without {
            return Ok(());
        }
        let given = &self.content_type;
        let message = format!("Content-Type specified ({given}) must be 'application/json'");
        // The engine finds this out in two places, with two outcomes; this is the usual one.
        Err(Refusal::invalid(message))
    }

    fn read<T: DeserializeOwned>(&self, of: &str) -> Done<T> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::failed("EOF"));
        }
        let body: Value = serde_json::from_slice(&self.body).map_err(|error| {
            if error.is_eof() {
                return Refusal::failed("unexpected EOF");
            }
            malformed(String::from_utf8_lossy(&self.body).trim_start())
        })?;
        let body = without_nulls(body);
        if !body.is_object() {
            let sort = sort_of(&body);
            return Err(Refusal::failed(format!(
                "json: cannot unmarshal {sort} into Go value of type {of}"
            )));
        }
        serde_json::from_value(body.clone()).map_err(|error| {
            let name = of.rsplit('.').next().unwrap_or(of);
            let found = misfit::<T>(&body, &mut Vec::new());
            let (path, sort) = found.unwrap_or_else(|| (String::new(), "value".into()));
            let wanted = wanted(&error.to_string());
            Refusal::failed(format!(
                "json: cannot unmarshal {sort} into Go struct field {name}.{path} of type {wanted}"
            ))
        })
    }
}

/// What a list is narrowed down by.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Whether nothing is asked of it, or one of the values suits.
    pub(super) fn any(&self, name: &str, suits: impl Fn(&str) -> bool) -> bool {
        !self.has(name) || self.values(name).iter().any(|value| suits(value))
    }

    /// Whether all labels asked for are there.
    pub(super) fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|is| is == value),
            None => labels.contains_key(wanted),
        })
    }

    /// A filter that is yes or no.
    pub(super) fn flag(&self, name: &str) -> Done<Option<bool>> {
        match self.values(name) {
            [] => Ok(None),
            [value] if ["1", "true", "True"].contains(&value.as_str()) => Ok(Some(true)),
            [value] if ["0", "false", "False"].contains(&value.as_str()) => Ok(Some(false)),
            [value, ..] => Err(Refusal::invalid(format!("Invalid filter '{name}={value}'"))),
        }
    }
}

/// An answer in JSON.
pub(super) fn json(status: u16, body: &impl Serialize) -> Answer {
    // Plain data with text keys: this cannot fail.
    let body = serde_json::to_string(body).unwrap_or_default() + "\n";
    Answer::new(status, reason(status), body).header("Content-Type", "application/json")
}

/// An answer that says nothing.
pub(super) fn empty(status: u16) -> Answer {
    Answer::new(status, reason(status), "")
}

pub(super) fn reason(status: u16) -> &'static str {
    match status {
        101 => "UPGRADED",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The path behind `/v1.41`, if there is a version we speak, or none.
fn versionless(path: &str) -> Done<&str> {
    let Some((version, rest)) = path.strip_prefix("/v").and_then(|path| path.split_once('/'))
    else {
        return Ok(path);
    };
    let digits = |text: &str| text.parse::<u32>().ok();
    let Some((major, minor)) = version.split_once('.') else { return Ok(path) };
    let (Some(major), Some(minor)) = (digits(major), digits(minor)) else { return Ok(path) };
    let text = |(major, minor): (u32, u32)| format!("{major}.{minor}");
    if (major, minor) > API {
        return Err(Refusal::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {}",
            text(API)
        )));
    }
    if (major, minor) < OLDEST_API {
        return Err(Refusal::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {}, please \
             upgrade your client to a newer version",
            text(OLDEST_API)
        )));
    }
    Ok(&path[path.len() - rest.len() - 1..])
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn malformed(text: &str) -> Refusal {
    let first = text.chars().next().unwrap_or(' ');
    Refusal::failed(format!("invalid character '{first}' looking for beginning of value"))
}

/// What nothing was said about is as if it were not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}

fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The smallest part that makes a body unreadable: where it is, and what.
fn misfit<T: DeserializeOwned>(body: &Value, path: &mut Vec<String>) -> Option<(String, String)> {
    let Value::Object(fields) = body else { return None };
    for (name, value) in fields {
        path.push(name.clone());
        if serde_json::from_value::<T>(nested(path, value)).is_err() {
            let deeper = misfit::<T>(value, path);
            return deeper.or_else(|| Some((path.join("."), sort_of(value).into())));
        }
        path.pop();
    }
    None
}

fn nested(path: &[String], value: &Value) -> Value {
    path.iter()
        .rev()
        .fold(value.clone(), |value, name| Value::Object(Map::from_iter([(name.clone(), value)])))
}

/// The type in the engine that a message of ours is about.
fn wanted(message: &str) -> &'static str {
    let expected = message.split("expected ").nth(1).unwrap_or_default();
    match expected.split_whitespace().last().unwrap_or_default() {
        "boolean" => "bool",
        "i64" | "i32" | "u32" => "int64",
        "sequence" => "[]string",
        "map" => "map[string]string",
        _ => "string",
    }
}
