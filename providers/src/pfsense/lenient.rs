//! Reading what means the same: null, empty text, an empty list, and nothing at all.
//!
//! An object answers a write with `"dnsserver":[]` and a look with null.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;

/// Text; empty when there is none.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(some_text(from)?.unwrap_or_default())
}

/// Text, if there is any.
pub(super) fn some_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Array(empty) if empty.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(D::Error::custom(format!("expected text, found {}", sort(&other)))),
    }
}

/// A list; one that is none is empty.
pub(super) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    match Value::deserialize(from)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        list => serde_json::from_value(list).map_err(D::Error::custom),
    }
}

/// A number, if there is one; some are written as text.
pub(super) fn some_number<'de, D, N>(from: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr,
    N::Err: Display,
{
    let text = some_text(from)?;
    text.map(|text| text.parse().map_err(|error| D::Error::custom(format!("`{text}`: {error}"))))
        .transpose()
}

/// A number; 0 when there is none.
pub(super) fn number<'de, D, N>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr + Default,
    N::Err: Display,
{
    Ok(some_number(from)?.unwrap_or_default())
}

/// Yes or no; null is no.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A family of addresses; IPv4 unless it says otherwise.
pub(super) fn family<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(some_text(from)?.unwrap_or_else(inet))
}

/// IPv4, as the firewall has it.
pub(super) fn inet() -> String {
    "inet".into()
}

/// Ports are text on the wire.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) fn port<S: Serializer>(port: &u16, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(port)
}

/// Ports are text on the wire.
#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes references"
)]
pub(super) fn some_port<S: Serializer>(port: &Option<u16>, to: S) -> Result<S::Ok, S::Error> {
    match port {
        Some(port) => to.collect_str(port),
        None => to.serialize_none(),
    }
}

/// A choice; the first one when it is null or empty.
pub(super) fn choice<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    match Value::deserialize(from)? {
        Value::Null => Ok(T::default()),
        Value::String(text) if text.is_empty() => Ok(T::default()),
        other => serde_json::from_value(other).map_err(D::Error::custom),
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
