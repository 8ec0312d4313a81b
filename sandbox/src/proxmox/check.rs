//! Holds parameters against the tables and says everything that is wrong with them, in the words of
//! the real system.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::formats;
use super::refusal::{Refusal, Result};
use super::tables::{Fields, Kind, Schema, tables};

const UNKNOWN: &str =
    "property is not defined in schema and the schema does not allow additional properties";
const MISSING: &str = "property is missing and it is not optional";

/// What is wrong, by the name of the parameter.
pub(super) type Errors = BTreeMap<String, String>;

/// A parameter as it came: once, or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    One(String),
    Many(Vec<String>),
}

/// Checks what a method is given; what fits comes back as text.
pub(super) fn parameters(
    schema: &Fields,
    given: &BTreeMap<String, Given>,
) -> Result<BTreeMap<String, String>> {
    let mut errors = Errors::new();
    let mut single = BTreeMap::new();
    for (name, given) in given {
        match (given, schema.get(name)) {
            (Given::One(text), _) => {
                single.insert(name.clone(), text.clone());
            }
            (Given::Many(texts), Some(schema)) if takes_list(schema) => {
                // Words of a command may hold anything but this.
                let between = if schema.kind == Kind::List { "\0" } else { "," };
                single.insert(name.clone(), texts.join(between));
            }
            (Given::Many(_), Some(schema)) => {
                let kind = schema.kind.name();
                errors.insert(name.clone(), format!("type check ('{kind}') failed - got ARRAY"));
            }
            (Given::Many(_), None) => {
                errors.insert(name.clone(), UNKNOWN.into());
            }
        }
    }
    let excused: Vec<String> = errors.keys().cloned().collect();
    fields(schema, &single, "", &mut errors);
    for name in excused {
        if errors.get(&name).is_some_and(|why| why == MISSING) {
            errors.remove(&name);
        }
    }
    if errors.is_empty() { Ok(single) } else { Err(Refusal::parameters(errors)) }
}

fn takes_list(schema: &Schema) -> bool {
    schema.kind == Kind::List
        || schema.format.as_ref().is_some_and(|format| format.ends_with("-list"))
}

/// Checks names and values; `before` stands before each name in what is said.
pub(super) fn fields(
    schema: &Fields,
    given: &BTreeMap<String, String>,
    before: &str,
    errors: &mut Errors,
) {
    for (name, schema) in schema.iter().filter(|(_, schema)| schema.alias.is_none()) {
        let Some(text) = given.get(name) else {
            if !schema.optional && !errors.contains_key(name) {
                errors.insert(format!("{before}{name}"), MISSING.into());
            }
            continue;
        };
        if let Some(other) = schema.needs.as_ref().filter(|other| !given.contains_key(*other)) {
            let why = format!("missing property - '{name}' requires this property");
            errors.insert(format!("{before}{other}"), why);
        }
        if let Some(why) = complaint(name, schema, text) {
            errors.insert(format!("{before}{name}"), why);
        }
    }
    for name in given.keys().filter(|name| !schema.contains_key(*name)) {
        errors.insert(format!("{before}{name}"), UNKNOWN.into());
    }
}

static INTEGER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[+-]?\d+$").ok());
static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$").ok());

/// What is wrong with a value; the first of what could be.
fn complaint(name: &str, schema: &Schema, text: &str) -> Option<String> {
    let is = |pattern: &LazyLock<Option<Regex>>| {
        pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    };
    let fits = match schema.kind {
        Kind::Text | Kind::List => true,
        Kind::Integer => is(&INTEGER),
        Kind::Number => is(&NUMBER),
        Kind::Flag => matches!(text, "0" | "1"),
    };
    if !fits {
        let kind = schema.kind.name();
        return Some(format!("type check ('{kind}') failed - got '{text}'"));
    }
    if let Some(format) = &schema.format
        && let Err(why) = formats::check(format, text)
    {
        // Errors within a property string name the whole path.
        let is_whole = tables().property_strings.contains_key(format.as_str());
        let why = if is_whole { within(name, &why) } else { why };
        return Some(format!("invalid format - {why}"));
    }
    if schema.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
        return Some("value does not match the regex pattern".into());
    }
    let length = text.chars().count();
    if let Some(longest) = schema.longest.filter(|&longest| length > longest) {
        return Some(format!("value may only be {longest} characters long"));
    }
    if let Some(shortest) = schema.shortest.filter(|&shortest| length < shortest) {
        return Some(format!("value must be at least {shortest} characters long"));
    }
    if matches!(schema.kind, Kind::Integer | Kind::Number) {
        let value: f64 = text.parse().unwrap_or_default();
        if let Some(minimum) = schema.minimum.filter(|&minimum| value < minimum) {
            return Some(format!("value must have a minimum value of {minimum}"));
        }
        if let Some(maximum) = schema.maximum.filter(|&maximum| value > maximum) {
            return Some(format!("value must have a maximum value of {maximum}"));
        }
    }
    if !schema.choices.is_empty() && !schema.choices.iter().any(|choice| choice == text) {
        let choices = schema.choices.join(", ");
        return Some(format!(
            "value '{text}' does not have a value in the enumeration '{choices}'"
        ));
    }
    None
}

/// What the errors of a property string look like in one text.
pub(super) fn format_error(errors: &Errors) -> String {
    let mut text = String::from("format error\n");
    for (key, why) in errors {
        text.push_str(&format!("{key}: {why}\n"));
    }
    text
}

/// The same with the name of the parameter before each key.
fn within(name: &str, why: &str) -> String {
    let Some(rest) = why.strip_prefix("format error\n") else { return why.to_owned() };
    let mut text = String::from("format error\n");
    for line in rest.split_inclusive('\n') {
        if line != "\n" {
            text.push_str(&format!("{name}."));
        }
        text.push_str(line);
    }
    text
}
