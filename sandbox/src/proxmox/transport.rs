//! What the web server of the real system does with requests before they are calls, and with
//! answers behind them.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::check::Given;
use super::refusal::Refusal;
use crate::Chance;
use crate::http::{Answer, Request};

/// The longest body it takes, in bytes.
const BODY_MAX: usize = 512 << 10;

/// The longest body that is never compressed, in bytes.
const PLAIN_MAX: usize = 1024;

/// In what an answer is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// For the web interface: always 200, and the truth inside.
    ExtJs,
}

/// A request with its parts told apart.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) format: Format,
    pub(super) verb: String,
    /// Without the format; decoded; `/` and what follows.
    pub(super) path: String,
}

/// Where a request is meant to go.
///
/// # Errors
/// The answer to what is not meant for the API.
pub(super) fn asked(request: &Request) -> Result<Asked, Answer> {
    if request.is_chunked() {
        return Err(with_text(501, "chunked transfer encoding not supported"));
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD" | "PUT" | "POST" | "DELETE") {
        return Err(bare(501, &format!("method '{}' not available", request.method)));
    }
    let path = decoded(&request.path);
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    if parts.next() != Some("api2") {
        let reason = format!("no such file '{path}'");
        let mut answer = with_text(500, &reason);
        answer.body.push(b'\n');
        return Err(answer);
    }
    let format = parts.next().unwrap_or_default();
    let rest = format!("/{}", parts.collect::<Vec<_>>().join("/"));
    let format = match format {
        "json" => Format::Json,
        "extjs" => Format::ExtJs,
        other => return Err(with_text(501, &format!("no formatter for uri {rest}, {other}"))),
    };
    Ok(Asked { format, verb: request.method.clone(), path: rest })
}

/// The parameters of a request.
///
/// # Errors
/// The answer to bodies that it does not take.
pub(super) fn parameters(request: &Request) -> Result<BTreeMap<String, Given>, Answer> {
    let mut given = BTreeMap::new();
    if let Some(query) = &request.query {
        form(query, &mut given);
    }
    if request.body.is_empty() {
        return Ok(given);
    }
    let verb = &request.method;
    if !matches!(verb.as_str(), "PUT" | "POST") {
        return Err(with_text(501, &format!("Unexpected content for method '{verb}'")));
    }
    if request.body.len() > BODY_MAX {
        return Err(with_text(501, "for data too large"));
    }
    let kind = request.header("Content-Type").unwrap_or("application/x-www-form-urlencoded");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let body = String::from_utf8_lossy(&request.body);
    match kind {
        "application/x-www-form-urlencoded" => form(&body, &mut given),
        "application/json" => members(&body, &mut given)?,
        other => {
            let reason = format!("upload 'Content-Type '{other}' not implemented");
            return Err(with_text(506, &reason));
        }
    }
    Ok(given)
}

/// A form: `;` divides its fields as `&` does, `+` is a blank.
fn form(text: &str, given: &mut BTreeMap<String, Given>) {
    for field in text.split(['&', ';']).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let value = decoded(&value.replace('+', " "));
        match given.entry(decoded(&name.replace('+', " "))) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Given::One(value));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Given::Many(values) => values.push(value),
                Given::One(first) => {
                    let first = std::mem::take(first);
                    entry.insert(Given::Many(vec![first, value]));
                }
            },
        }
    }
}

/// The members of a JSON object.
fn members(text: &str, given: &mut BTreeMap<String, Given>) -> Result<(), Answer> {
    let failed = |said: &str, line: u32| {
        let reason = format!("{said} at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line {line}.");
        let mut answer = with_text(500, &reason);
        answer.body.push(b'\n');
        answer
    };
    let value: Value = serde_json::from_str(text).map_err(|_| failed(&broken(text), 934))?;
    let Value::Object(members) = value else { return Err(failed("Not a HASH reference", 978)) };
    for (name, value) in members {
        let one = match value {
            Value::Null => continue,
            Value::Array(items) => {
                let items = items.iter().map(plain).collect();
                given.insert(name, Given::Many(items));
                continue;
            }
            value => plain(&value),
        };
        given.insert(name, Given::One(one));
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.into(),
        Value::Object(_) => "HASH(0x5581e0c0a1b8)".into(),
        Value::Array(_) => "ARRAY(0x5581e0c0a1b8)".into(),
        other => other.to_string(),
    }
}

/// What the real parser says of broken JSON.
fn broken(text: &str) -> String {
    let said = match text.trim_end().chars().last() {
        Some(',' | '{') => "'\"' expected",
        Some('"' | '}' | ']' | '0'..='9') => ", or } expected while parsing object/hash",
        _ => "malformed JSON string, neither tag, array, object, number, string or atom",
    };
    let offset = text.chars().count();
    format!("{said}, at character offset {offset} (before \"(end of string)\")")
}

/// What percent signs stand for.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What every answer carries.
fn headed(status: u16, reason: &str) -> Answer {
    Answer::new(status, reason, "")
        .header("Cache-Control", "max-age=0")
        .header("Pragma", "no-cache")
        .header("Server", "pve-api-daemon/3.0")
}

/// An answer that is nothing but its reason phrase.
pub(super) fn bare(status: u16, reason: &str) -> Answer {
    headed(status, reason).header("Connection", "close").closing()
}

/// An answer whose body is its reason phrase.
fn with_text(status: u16, reason: &str) -> Answer {
    let mut answer = bare(status, reason);
    answer.body = reason.as_bytes().to_vec();
    answer
}

/// The answer to a call. Those that the root daemon answers contradict themselves about the
/// connection, and leave it open.
pub(super) fn answer(
    format: Format,
    relayed: bool,
    outcome: Result<(Value, Map<String, Value>), Refusal>,
    chance: &mut Chance,
) -> Answer {
    let (status, reason, mut body) = match outcome {
        Ok((data, siblings)) => {
            let mut body = siblings;
            body.insert("data".into(), data);
            if format == Format::ExtJs {
                body.insert("success".into(), 1.into());
            }
            (200, "OK".to_owned(), Value::Object(body))
        }
        Err(refusal) => {
            let reason = refusal.message.lines().next().unwrap_or_default().to_owned();
            let mut body = json!({ "data": null, "message": refusal.message });
            if !refusal.errors.is_empty() {
                body["errors"] = json!(refusal.errors);
            }
            (refusal.status, reason, body)
        }
    };
    let failed = status != 200;
    if failed && format == Format::ExtJs {
        body["success"] = 0.into();
        body["status"] = status.into();
        return finished(headed(200, "OK").header("Connection", "Keep-Alive"), &body, chance);
    }
    let answer = headed(status, &reason);
    let answer = match (failed, relayed) {
        (true, _) => answer.header("Connection", "close").closing(),
        (false, true) => answer.header("Connection", "close").header("Connection", "Keep-Alive"),
        (false, false) => answer.header("Connection", "Keep-Alive"),
    };
    finished(answer, &body, chance)
}

fn finished(answer: Answer, body: &Value, chance: &mut Chance) -> Answer {
    let mut answer = answer.header("Content-Type", "application/json;charset=UTF-8");
    let mut text = String::new();
    write(body, chance, &mut text);
    answer.body = text.into_bytes();
    answer
}

/// The answer as it is sent: gzipped when it is long and the request takes that.
pub(super) fn packed(mut answer: Answer, request: &Request) -> Answer {
    let accepted = request.header("Accept-Encoding").unwrap_or_default().split(',');
    let mut names = accepted.map(|item| item.split(';').next().unwrap_or_default().trim());
    if answer.body.len() <= PLAIN_MAX || !names.any(|name| name.eq_ignore_ascii_case("gzip")) {
        return answer;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(&answer.body).and_then(|()| encoder.finish()) {
        Ok(body) => {
            answer.body = body;
            answer.header("Content-Encoding", "gzip")
        }
        // Memory takes all that is written.
        Err(_) => answer,
    }
}

/// Writes JSON as the real system does: members of objects in any order.
fn write(value: &Value, chance: &mut Chance, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            chance.shuffle(&mut members);
            text.push('{');
            for (n, (key, value)) in members.into_iter().enumerate() {
                text.push_str(if n > 0 { "," } else { "" });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(value, chance, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (n, value) in items.iter().enumerate() {
                text.push_str(if n > 0 { "," } else { "" });
                write(value, chance, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
