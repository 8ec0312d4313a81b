//! Which objects a request means, and in which order it wants them.

use std::cmp::Ordering;

use super::object::Object;
use super::refusal::{Granted, Refusal};
use super::session::Wish;
use super::value::{Map, Value};

/// How a value is held against what was asked for.
#[derive(Clone, Copy)]
enum Filter {
    Exact,
    Except,
    Contains,
    StartsWith,
    EndsWith,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Regex,
    Format,
}

/// The objects that match. What is asked of unknown fields is passed over.
///
/// # Errors
/// When a filter is unknown, and there is an object to hold against it.
pub(super) fn matching(objects: Vec<Object>, query: &Map) -> Granted<Vec<Object>> {
    let mut found = Vec::new();
    for object in objects {
        if matches(&object, query)? {
            found.push(object);
        }
    }
    Ok(found)
}

/// The objects in the order and the portion that is wished.
pub(super) fn arranged(mut objects: Vec<Object>, wish: &Wish) -> Vec<Object> {
    if !wish.sort_by.is_empty() {
        objects.sort_by(|one, other| {
            let by_field = wish.sort_by.iter().map(|name| {
                let (one, other) = (one.get(name), other.get(name));
                if wish.sorts_naturally {
                    compare_naturally(&one.shown(), &other.shown())
                } else {
                    compare(one, other)
                }
            });
            let ordering = by_field.fold(Ordering::Equal, Ordering::then);
            if wish.is_descending { ordering.reverse() } else { ordering }
        });
    }
    if wish.is_reversed {
        objects.reverse();
    }
    let limit = if wish.limit == 0 { usize::MAX } else { wish.limit };
    objects.into_iter().skip(wish.offset).take(limit).collect()
}

/// Orders values as PHP does by default.
pub(super) fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one.cmp(other),
        _ => one.shown().cmp(&other.shown()),
    }
}

/// Orders text with the numbers in it as numbers.
pub(super) fn compare_naturally(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (pieces(one).into_iter(), pieces(other).into_iter());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => {
                let ordering = match (one.parse::<u64>(), other.parse::<u64>()) {
                    (Ok(one), Ok(other)) => one.cmp(&other),
                    _ => one.cmp(other),
                };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
        }
    }
}

/// Text cut where numbers begin and end.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut was_digit = None;
    for (at, letter) in text.char_indices() {
        let is_digit = letter.is_ascii_digit();
        if was_digit.is_some_and(|was_digit| was_digit != is_digit) {
            pieces.push(&text[start..at]);
            start = at;
        }
        was_digit = Some(is_digit);
    }
    pieces.push(&text[start..]);
    pieces
}

fn matches(object: &Object, query: &Map) -> Granted<bool> {
    for (target, wanted) in query {
        let (field, filter) = match target.rsplit_once("__") {
            Some((field, filter)) => (field, Filter::of(filter)?),
            None => (target.as_str(), Filter::Exact),
        };
        let value = match field {
            "id" => &object.id,
            "parent_id" => &object.parent_id,
            _ if object.model.position(field).is_none() => continue,
            _ => object.get(field),
        };
        if !filter.accepts(value, wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Filter {
    fn of(name: &str) -> Granted<Filter> {
        Ok(match name {
            "exact" => Filter::Exact,
            "except" => Filter::Except,
            "contains" => Filter::Contains,
            "startswith" => Filter::StartsWith,
            "endswith" => Filter::EndsWith,
            "lt" => Filter::Less,
            "lte" => Filter::LessOrEqual,
            "gt" => Filter::Greater,
            "gte" => Filter::GreaterOrEqual,
            "in" => Filter::In,
            "regex" => Filter::Regex,
            "format" => Filter::Format,
            _ => {
                let message = format!("No QueryFilter class found with the name `{name}`.");
                return Err(Refusal::not_found("QUERY_FILTER_NOT_FOUND", message));
            }
        })
    }

    fn accepts(self, value: &Value, wanted: &Value) -> bool {
        let (text, wanted_text) = (value.shown(), wanted.shown());
        let is_text = !matches!(value, Value::List(_) | Value::Map(_) | Value::Null);
        match self {
            Filter::Exact => value.equals(wanted),
            Filter::Except => !value.equals(wanted),
            Filter::Contains => match value {
                Value::List(values) => values.iter().any(|value| value.equals(wanted)),
                _ => is_text && text.contains(&wanted_text),
            },
            Filter::StartsWith => is_text && text.starts_with(&wanted_text),
            Filter::EndsWith => is_text && text.ends_with(&wanted_text),
            Filter::Less => is_text && compare(value, wanted) == Ordering::Less,
            Filter::LessOrEqual => is_text && compare(value, wanted) != Ordering::Greater,
            Filter::Greater => is_text && compare(value, wanted) == Ordering::Greater,
            Filter::GreaterOrEqual => is_text && compare(value, wanted) != Ordering::Less,
            Filter::In => match wanted {
                Value::List(wanted) => wanted.iter().any(|wanted| value.equals(wanted)),
                _ => value.equals(wanted),
            },
            Filter::Regex => {
                is_text && regex::Regex::new(&wanted_text).is_ok_and(|regex| regex.is_match(&text))
            }
            Filter::Format => is_text && has_format(&text, &wanted_text),
        }
    }
}

fn has_format(text: &str, format: &str) -> bool {
    use super::net;
    match format {
        "ipv4" => net::is_v4(text),
        "ipv6" => net::is_v6(text),
        "ip" => net::is_ip(text),
        "subnet" => net::is_subnet(text),
        "mac" => net::is_mac(text),
        "fqdn" => net::is_fqdn(text),
        _ => false,
    }
}
