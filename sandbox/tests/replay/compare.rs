//! Holds an answer against the recorded one.

use regex::Regex;
use serde_json::Value;

use super::wire::Heard;

/// Whether an answer is the one that the recording waited for.
pub(crate) fn is_until(exchange: &Value, answer: &Heard) -> bool {
    let until = &exchange["until"];
    let Some(pointer) = until["pointer"].as_str() else { return true };
    let Some(found) = answer.json.as_ref().and_then(|body| body.pointer(pointer)) else {
        return false;
    };
    match until.get("has") {
        Some(has) => found.as_array().is_some_and(|rows| {
            let has = has.as_object().unwrap();
            rows.iter().any(|row| has.iter().all(|(key, value)| row.get(key) == Some(value)))
        }),
        None => *found == until["equals"],
    }
}

/// The first thing that differs, if anything does.
pub(crate) fn difference(exchange: &Value, answer: &Heard) -> Option<String> {
    if exchange["status"] != answer.status {
        let (status, reason, text) = (answer.status, &answer.reason, &answer.text);
        return Some(format!(
            "{status} {reason} instead of {} {} ({text})",
            exchange["status"], exchange["reason"]
        ));
    }
    if answer.status == 0 {
        return None;
    }
    let pattern = exchange["reason_match"].as_str().map(|pattern| Regex::new(pattern).unwrap());
    let text_fits = |wanted: &Value, found: &str| match &pattern {
        Some(pattern) => pattern.is_match(found),
        None => *wanted == found,
    };
    if !text_fits(&exchange["reason"], &answer.reason) {
        return Some(format!("reason {:?} instead of {}", answer.reason, exchange["reason"]));
    }
    for name in ["Content-Type", "Connection"] {
        let wanted: Vec<&str> = match &exchange["response_headers"][name] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
            _ => vec![],
        };
        if answer.header(name) != wanted {
            return Some(format!("{name} {:?} instead of {wanted:?}", answer.header(name)));
        }
    }
    if let Some(text) = exchange.get("response_text").filter(|text| text.is_string())
        && !text_fits(text, &answer.text)
    {
        return Some(format!("body {:?} instead of {text}", answer.text));
    }
    let found = answer.json.as_ref().unwrap_or(&Value::Null);
    Rules::of(exchange).differ(&exchange["response"], found, "")
}

/// What of an answer may change between runs.
struct Rules<'e> {
    volatile: Vec<&'e str>,
    unordered: Vec<&'e str>,
    patterns: Vec<(&'e str, Regex)>,
}

impl<'e> Rules<'e> {
    fn of(exchange: &'e Value) -> Self {
        let pointers = |key: &str| {
            let list = exchange[key].as_array();
            list.into_iter().flatten().map(|one| one.as_str().unwrap()).collect()
        };
        let patterns = exchange["match"].as_object().into_iter().flatten();
        Rules {
            volatile: pointers("volatile"),
            unordered: pointers("unordered"),
            patterns: patterns
                .map(|(pointer, text)| {
                    (pointer.as_str(), Regex::new(text.as_str().unwrap()).unwrap())
                })
                .collect(),
        }
    }

    fn differ(&self, wanted: &Value, found: &Value, at: &str) -> Option<String> {
        let said = || {
            let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            Some(format!("{at}: {} instead of {}", short(found), short(wanted)))
        };
        if let Some((_, pattern)) = self.patterns.iter().find(|(one, _)| is_at(one, at)) {
            return if found.as_str().is_some_and(|text| pattern.is_match(text)) {
                None
            } else {
                said()
            };
        }
        if self.volatile.iter().any(|one| is_at(one, at)) {
            return if is_alike(wanted, found) { None } else { said() };
        }
        let unordered = self.unordered.iter().any(|one| is_at(one, at));
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found)) => {
                if let Some(extra) = found.keys().find(|key| !wanted.contains_key(*key)) {
                    return Some(format!("{at}/{extra} is too much: {}", found[extra]));
                }
                wanted.iter().find_map(|(key, wanted)| match found.get(key) {
                    Some(found) => self.differ(wanted, found, &format!("{at}/{key}")),
                    None => Some(format!("{at}/{key} is missing: {wanted}")),
                })
            }
            (Value::Array(wanted), Value::Array(found)) if wanted.len() != found.len() => said(),
            (Value::Array(wanted), Value::Array(found)) if unordered => {
                let mut left: Vec<&Value> = found.iter().collect();
                for wanted in wanted {
                    let same =
                        |found: &&Value| self.differ(wanted, found, &format!("{at}/0")).is_none();
                    match left.iter().position(same) {
                        Some(n) => {
                            left.remove(n);
                        }
                        None => {
                            return Some(format!(
                                "{at}: no {wanted} in {}",
                                Value::from(
                                    left.iter().map(|one| (*one).clone()).collect::<Vec<_>>()
                                )
                            ));
                        }
                    }
                }
                None
            }
            (Value::Array(wanted), Value::Array(found)) => {
                wanted.iter().zip(found).enumerate().find_map(|(n, (wanted, found))| {
                    self.differ(wanted, found, &format!("{at}/{n}"))
                })
            }
            (Value::String(wanted), Value::String(found)) if unordered => {
                let sorted = |text: &str| {
                    let mut items: Vec<String> = text.split(',').map(Into::into).collect();
                    items.sort();
                    items
                };
                if sorted(wanted) == sorted(found) { None } else { said() }
            }
            (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => {
                None
            }
            (wanted, found) if wanted == found => None,
            _ => said(),
        }
    }
}

/// Whether a pointer, in which `*` is any index, is that place.
fn is_at(pointer: &str, place: &str) -> bool {
    let (mut pointer, mut place) = (pointer.split('/'), place.split('/'));
    loop {
        match (pointer.next(), place.next()) {
            (None, None) => return true,
            (Some(one), Some(other))
                if one == other || (one == "*" && other.parse::<usize>().is_ok()) => {}
            _ => return false,
        }
    }
}

/// Whether two values are of one type; null is of any.
fn is_alike(one: &Value, other: &Value) -> bool {
    use Value::{Array, Bool, Null, Number, Object, String};
    matches!(
        (one, other),
        (Null, _)
            | (_, Null)
            | (Bool(_), Bool(_))
            | (Number(_), Number(_))
            | (String(_), String(_))
            | (Array(_), Array(_))
            | (Object(_), Object(_))
    )
}
