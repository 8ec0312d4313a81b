//! What a request says, and where: in its body or behind `?`.

use percent_encoding::percent_decode_str;

use crate::http::Request;

use super::Version;
use super::kind::Endpoint;
use super::refusal::{Granted, Refusal};
use super::session::{Session, Wish};
use super::value::{Map, Value};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const BINARY: &str = "application/octet-stream";

/// What PHP has for comparing values.
const SORT_FLAGS: &[&str] = &[
    "SORT_REGULAR",
    "SORT_NUMERIC",
    "SORT_STRING",
    "SORT_LOCALE_STRING",
    "SORT_NATURAL",
    "SORT_FLAG_CASE",
];

/// Refuses what wants answers in anything but JSON.
///
/// # Errors
/// When the request accepts something else, be it besides JSON.
pub(super) fn check_accept(request: &Request) -> Granted<()> {
    let accept = request.header("Accept").unwrap_or_default().to_lowercase();
    let wanted = accept.split(';').next().unwrap_or_default();
    match wanted {
        "" | "*/*" | JSON => Ok(()),
        FORM => Err(Refusal::not_acceptable(
            "CONTENT_HANDLER_CANNOT_ENCODE_CONTENT",
            format!(
                "Content handler `{wanted}` cannot format a response as it does not support \
                 content encoding. Change the value of your `Accept` header to a valid option and \
                 try again."
            ),
        )),
        BINARY => Err(Refusal::not_acceptable(
            "BINARY_CONTENT_HANDLER_RESOURCE_NOT_SUPPORTED",
            "The requested resource cannot be represented as binary data.",
        )),
        _ => Err(Refusal::not_acceptable(
            "CONTENT_HANDLER_ENCODE_NOT_FOUND",
            format!(
                "No content handler exists for `{wanted}`. Change the value of your `Accept` \
                 header to a valid option and try again."
            ),
        )),
    }
}

/// Reads what the request says, from where its type of content says.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(request: &Request) -> Granted<Value> {
    let given = request.header("Content-Type").unwrap_or_default().to_lowercase();
    let by_method = if matches!(request.method.as_str(), "GET" | "DELETE") { FORM } else { JSON };
    let given = given.split(';').next().unwrap_or_default().trim();
    match if given.is_empty() { by_method } else { given } {
        JSON => read_json(&request.body),
        FORM => Ok(Value::Map(read_query(request.query.as_deref().unwrap_or_default()))),
        BINARY => Err(Refusal::media_type(
            "CONTENT_HANDLER_CANNOT_DECODE_CONTENT",
            format!(
                "Content handler `{BINARY}` does not support decoding content. Change the value \
                 of your `Content-Type` header to a valid option and try again."
            ),
        )),
        other => Err(Refusal::media_type(
            "CONTENT_HANDLER_DECODE_NOT_FOUND",
            format!(
                "No content handler exists for `{other}`. Change the value of your \
                 `Content-Type` header to a valid option and try again."
            ),
        )),
    }
}

fn read_json(body: &[u8]) -> Granted<Value> {
    if body.is_empty() {
        return Ok(Value::NONE);
    }
    serde_json::from_slice(body).map_err(|_| {
        Refusal::invalid(
            "JSON_CONTENT_HANDLER_COULD_NOT_DECODE_JSON",
            "Request body could not be decoded as JSON.",
        )
    })
}

fn read_query(query: &str) -> Map {
    let mut said = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match name.strip_suffix("[]") {
            None => {
                said.insert(name, typed(&value));
            }
            Some(name) => match said.entry(name.to_owned()).or_insert(Value::NONE) {
                Value::List(values) => values.push(typed(&value)),
                other => *other = Value::List(vec![typed(&value)]),
            },
        }
    }
    said
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The value that text behind `?` stands for.
fn typed(text: &str) -> Value {
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        _ if !is_number => text.into(),
        _ => match (text.parse(), text.parse()) {
            (Ok(number), _) => Value::Integer(number),
            (_, Ok(number)) => Value::Float(number),
            _ => text.into(),
        },
    }
}

/// Takes what steers a request out of what it says.
///
/// # Errors
/// When something of that is of the wrong type.
pub(super) fn steer(
    session: &mut Session<'_>,
    endpoint: &Endpoint,
    request: &Request,
    data: &mut Value,
) -> Granted<()> {
    if request.method == "PUT" && data.as_map().is_some_and(|map| !map.is_empty()) {
        return Err(Refusal::invalid(
            "ENDPOINT_REQUEST_DATA_MUST_BE_INDEXED_ARRAY",
            "PUT requests to `many` endpoints must contain an indexed array of objects to \
             replace.",
        ));
    }
    let mut none = Map::new();
    let said = match data {
        Value::Map(said) => said,
        _ => &mut none,
    };
    let mut wish = Wish {
        waits: !flag(said, "async", "ENDPOINT_ASYNC_FIELD_INVALID_TYPE")?.unwrap_or(true),
        is_reversed: flag(said, "reverse", "ENDPOINT_REVERSE_FIELD_INVALID_TYPE")?.unwrap_or(false),
        ..Wish::default()
    };
    sorting(session, endpoint, said, &mut wish)?;
    wish.appends = flag(said, "append", "ENDPOINT_APPEND_FIELD_INVALID_TYPE")?.unwrap_or(false);
    wish.removes = flag(said, "remove", "ENDPOINT_REMOVE_FIELD_INVALID_TYPE")?.unwrap_or(false);
    wish.limit = number(said, "limit", "ENDPOINT_LIMIT_FIELD_INVALID_TYPE")?;
    wish.offset = number(said, "offset", "ENDPOINT_OFFSET_FIELD_INVALID_TYPE")?;
    if session.version() == Version::V2_10_0 {
        wish.is_dry = is_dry(request, said)?;
    }
    wish.applies = said.get("apply") == Some(&Value::Bool(true));
    wish.placement = said.get("placement").and_then(Value::as_integer);
    session.wish = wish;
    Ok(())
}

fn is_dry(request: &Request, said: &mut Map) -> Granted<bool> {
    let said = flag(said, "dry_run", "ENDPOINT_DRY_RUN_FIELD_INVALID_TYPE")?;
    let preferences = request.header("Prefer").unwrap_or_default();
    let prefers = preferences.split(',').any(|part| part.trim().eq_ignore_ascii_case("dry-run"));
    let is_dry = prefers || said == Some(true);
    if is_dry && request.method == "GET" {
        return Err(Refusal::invalid(
            "ENDPOINT_DRY_RUN_NOT_SUPPORTED_ON_GET",
            "The `dry_run` parameter is not supported on GET requests.",
        ));
    }
    Ok(is_dry)
}

fn sorting(
    session: &Session<'_>,
    endpoint: &Endpoint,
    said: &mut Map,
    wish: &mut Wish,
) -> Granted<()> {
    match said.shift_remove("sort_by") {
        None | Some(Value::Null) => {}
        Some(Value::List(names)) => wish.sort_by = names.iter().map(Value::shown).collect(),
        Some(Value::Text(name)) => wish.sort_by = vec![name],
        Some(_) => {
            let id = "ENDPOINT_SORT_BY_FIELD_INVALID_TYPE";
            return Err(Refusal::invalid(id, "Field `sort_by` must be of type `string`."));
        }
    }
    let model = session.model(endpoint.kind);
    if wish.sort_by.iter().any(|name| model.position(name).is_none()) {
        let id = "ENDPOINT_SORT_BY_FIELD_NON_EXISTENT_FIELD";
        return Err(Refusal::invalid(id, "Field `sort_by` must be a valid field in the Model."));
    }
    let order = word(
        said,
        "sort_order",
        &["SORT_ASC", "SORT_DESC"],
        "ENDPOINT_SORT_ORDER_FIELD_INVALID_TYPE",
        "ENDPOINT_SORT_ORDER_FIELD_UNKNOWN_SORT_ORDER",
    )?;
    wish.is_descending = order.as_deref() == Some("SORT_DESC");
    let flags = word(
        said,
        "sort_flags",
        SORT_FLAGS,
        "ENDPOINT_SORT_FLAGS_FIELD_INVALID_TYPE",
        "ENDPOINT_SORT_FLAGS_FIELD_UNKNOWN_SORT_FLAGS",
    )?;
    wish.sorts_naturally = flags.as_deref() == Some("SORT_NATURAL");
    Ok(())
}

fn word(
    said: &mut Map,
    name: &str,
    choices: &[&str],
    no_text: &'static str,
    unknown: &'static str,
) -> Granted<Option<String>> {
    match said.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(word)) if choices.contains(&word.as_str()) => Ok(Some(word)),
        Some(Value::Text(_)) => {
            // The package writes out one of the lists by itself, and PHP the other.
            let comma = if name == "sort_order" { "`, `" } else { "`,`" };
            let choices = choices.join(comma);
            let message = format!("Field `{name}` must be one of: [`{choices}`]");
            let dot = if name == "sort_order" { "." } else { "" };
            Err(Refusal::invalid(unknown, message + dot))
        }
        Some(_) => {
            Err(Refusal::invalid(no_text, format!("Field `{name}` must be of type `string`.")))
        }
    }
}

fn flag(said: &mut Map, name: &str, id: &'static str) -> Granted<Option<bool>> {
    match said.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => {
            let flag = *flag;
            said.shift_remove(name);
            Ok(Some(flag))
        }
        Some(_) => Err(Refusal::invalid(id, format!("Field `{name}` must be of type `boolean`."))),
    }
}

fn number(said: &mut Map, name: &str, id: &'static str) -> Granted<usize> {
    match said.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Integer(number)) => {
            let number = usize::try_from(*number).unwrap_or_default();
            said.shift_remove(name);
            Ok(number)
        }
        Some(_) => Err(Refusal::invalid(id, format!("Field `{name}` must be of type `integer`."))),
    }
}
