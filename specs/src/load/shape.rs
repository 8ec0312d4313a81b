//! Holds a TOML value against the JSON Schema of its type and names every way in which it differs.
//!
//! serde stops at the first error; people want all of them. The schema is made from the same types
//! that serde reads into, so there is one definition, and an editor says what the loader says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::diagnostic::did_you_mean;
use crate::quantity::{Malformed, Moment, TextQuantity};
use crate::schema::{check_format, entry_schema};
use crate::{Code, EnvValue, Kind, SecretRef};

/// What a value must look like.
#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// A table with known fields.
    Table { fields: BTreeMap<String, Shape>, required: Vec<String> },
    /// A table with any names.
    Map(Box<Shape>),
    /// A list.
    List { item: Box<Shape>, min: usize },
    /// Text.
    Text { format: Option<String>, choices: Vec<String>, min: usize, example: Option<String> },
    /// A number, whole or not.
    Number { whole: bool, min: f64, max: f64 },
    /// True or false.
    Bool,
}

/// One way in which a value differs from its shape.
pub(super) struct Misfit {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) span: Range<usize>,
    pub(super) hint: Option<String>,
    /// Whether the value may be a secret, which must not be shown.
    pub(super) secret: bool,
}

/// The shape of the entries of each kind. To make all of them takes longer than to read a hundred
/// entries, and few directories have every kind.
static ENTRIES: [OnceLock<Shape>; Kind::ALL.len()] = [const { OnceLock::new() }; Kind::ALL.len()];

impl Shape {
    /// What an entry of this kind must look like, or `policy` as a whole.
    pub(super) fn of(kind: Kind) -> &'static Shape {
        ENTRIES[kind as usize].get_or_init(|| Shape::compile(&entry_schema(kind)))
    }

    /// Reads the part of JSON Schema that schemars makes of our types.
    fn compile(schema: &Value) -> Shape {
        compile(schema, schema)
    }

    /// The shape of a field of a table.
    pub(super) fn field(&self, name: &str) -> Option<&Shape> {
        match self {
            Shape::Table { fields, .. } => fields.get(name),
            _ => None,
        }
    }

    /// The names of a table's fields.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &str> {
        let fields = match self {
            Shape::Table { fields, .. } => Some(fields),
            _ => None,
        };
        fields.into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Everything that is wrong with `value`, which messages call `name` and whose key is at `key`.
    pub(super) fn hold(
        &self,
        value: &Spanned<DeValue<'_>>,
        name: &Name<'_>,
        key: &Range<usize>,
    ) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        hold(self, value, name, key, &mut misfits);
        misfits
    }

    fn may_hold_a_secret(&self) -> bool {
        matches!(self, Shape::Text { format: Some(format), .. }
            if format == SecretRef::FORMAT || format == EnvValue::FORMAT)
    }

    /// What is wrong with a value of another type. Whoever writes a quantity as a number wants to
    /// know how it is written, not that a string is not a number.
    fn other_type(&self) -> Malformed {
        let wrong_type = |expected: &str| Malformed::new(Code::WrongType, expected);
        match self {
            Shape::Table { .. } | Shape::Map(_) => wrong_type("a table"),
            Shape::List { .. } => wrong_type("a list"),
            Shape::Text { format: Some(format), .. } => match check_format(format, "") {
                Some(Err(malformed)) => Malformed::new(malformed.code, malformed.expected),
                _ => wrong_type("a string"),
            },
            Shape::Text { choices, .. } if !choices.is_empty() => {
                Malformed::new(Code::UnknownChoice, one_of(choices))
            }
            Shape::Text { .. } => wrong_type("a string"),
            Shape::Number { whole: true, .. } => wrong_type("a whole number"),
            Shape::Number { .. } => wrong_type("a number"),
            Shape::Bool => wrong_type("true or false"),
        }
    }

    /// A value to show in “add a line such as …”.
    fn example(&self) -> String {
        match self {
            Shape::Table { .. } | Shape::Map(_) => "{ … }".into(),
            Shape::List { .. } => "[…]".into(),
            Shape::Text { example: Some(example), .. } => format!("{example:?}"),
            Shape::Text { choices, .. } if !choices.is_empty() => format!("{:?}", choices[0]),
            Shape::Text { format: Some(format), .. } => match check_format(format, "") {
                Some(Err(malformed)) => match malformed.expected.split('`').nth(1) {
                    Some(example) => format!("{example:?}"),
                    None => "\"…\"".into(),
                },
                _ => "\"…\"".into(),
            },
            Shape::Text { .. } => "\"…\"".into(),
            Shape::Number { min, .. } => format!("{}", min.max(1.0)),
            Shape::Bool => "true".into(),
        }
    }
}

fn compile(schema: &Value, root: &Value) -> Shape {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return compile(target, root);
    }
    // A described reference, or an optional one: the part that is not `null` counts.
    let parts = schema["allOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(part) = parts.and_then(|parts| parts.iter().find(|part| part["type"] != "null")) {
        return compile(part, root);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    let size = |name: &str| usize::try_from(schema[name].as_u64().unwrap_or(0)).unwrap_or(0);
    match kind {
        Some("object") => compile_object(schema, root),
        Some("array") => {
            Shape::List { item: Box::new(compile(&schema["items"], root)), min: size("minItems") }
        }
        Some("boolean") => Shape::Bool,
        Some(kind @ ("integer" | "number")) => Shape::Number {
            whole: kind == "integer",
            min: schema["minimum"].as_f64().unwrap_or(f64::MIN),
            max: schema["maximum"].as_f64().unwrap_or_else(|| largest(&schema["format"])),
        },
        _ => Shape::Text {
            format: schema["format"].as_str().map(str::to_owned),
            choices: choices(schema),
            min: size("minLength"),
            example: schema["examples"][0].as_str().map(str::to_owned),
        },
    }
}

fn compile_object(schema: &Value, root: &Value) -> Shape {
    let Some(properties) = schema["properties"].as_object() else {
        return Shape::Map(Box::new(compile(&schema["additionalProperties"], root)));
    };
    let required = schema["required"].as_array().into_iter().flatten();
    Shape::Table {
        fields: properties.iter().map(|(n, field)| (n.clone(), compile(field, root))).collect(),
        required: required.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
    }
}

/// The largest value of an integer type, where the schema says only its format.
fn largest(format: &Value) -> f64 {
    match format.as_str() {
        Some("uint8") => f64::from(u8::MAX),
        Some("uint16") => f64::from(u16::MAX),
        Some("uint32") => f64::from(u32::MAX),
        _ => f64::MAX,
    }
}

/// The values of an enum: a list of words, or one constant each beside what it means.
fn choices(schema: &Value) -> Vec<String> {
    let words = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
    words.chain(described).filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// What messages call a value: the entry it belongs to, and the way to it. It costs nothing until
/// there is something to say.
pub(super) enum Name<'n> {
    /// An entry as a whole.
    Entry(Kind, &'n str),
    /// A field of something.
    Field(&'n Name<'n>, &'n str),
    /// An item of a list.
    Item(&'n Name<'n>, usize),
}

impl Name<'_> {
    /// “`offer.x`” or “`price.hourly` of `offer.x`”.
    fn whole(&self) -> String {
        let mut path = String::new();
        let entry = self.split(&mut path);
        if path.is_empty() { format!("`{entry}`") } else { format!("`{path}` of `{entry}`") }
    }

    /// Writes the way from the entry, and answers with the entry's address.
    fn split(&self, path: &mut String) -> String {
        match self {
            Name::Entry(kind, name) => format!("{kind}.{name}"),
            Name::Field(of, name) => {
                let entry = of.split(path);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                entry
            }
            Name::Item(of, index) => {
                let entry = of.split(path);
                path.push_str(&format!("[{index}]"));
                entry
            }
        }
    }
}

fn hold(
    shape: &Shape,
    value: &Spanned<DeValue<'_>>,
    name: &Name<'_>,
    key: &Range<usize>,
    misfits: &mut Vec<Misfit>,
) {
    let problem = match (shape, value.get_ref()) {
        (Shape::Table { fields, required }, DeValue::Table(table)) => {
            hold_table(fields, required, table, name, key, misfits);
            None
        }
        (Shape::Map(item), DeValue::Table(table)) => {
            for (key, value) in table {
                hold(item, value, &Name::Field(name, key.get_ref()), &key.span(), misfits);
            }
            None
        }
        (Shape::List { item, min }, DeValue::Array(list)) => {
            for (index, value) in list.iter().enumerate() {
                hold(item, value, &Name::Item(name, index), &value.span(), misfits);
            }
            (list.len() < *min).then(|| Malformed::new(Code::TooShort, "a list that is not empty"))
        }
        (Shape::Text { format, choices, min, .. }, DeValue::String(text)) => {
            text_problem(format.as_deref(), choices, *min, text)
        }
        (Shape::Text { format: Some(format), .. }, DeValue::Datetime(date))
            if format == Moment::FORMAT =>
        {
            text_problem(Some(format), &[], 0, &date.to_string())
        }
        (Shape::Number { min, max, .. }, DeValue::Integer(number)) => {
            number_problem(whole_number(number), *min, *max)
        }
        (Shape::Number { whole: false, min, max }, DeValue::Float(number)) => {
            number_problem(number.as_str().parse().ok(), *min, *max)
        }
        (Shape::Bool, DeValue::Boolean(_)) => None,
        (shape, _) => Some(shape.other_type()),
    };
    if let Some(Malformed { code, expected, hint }) = problem {
        let secret = shape.may_hold_a_secret() && value.get_ref().is_str();
        let found = if secret { "a literal".into() } else { describe(value.get_ref()) };
        let message = format!("{} should be {expected}, found {found}", name.whole());
        misfits.push(Misfit { code, message, span: value.span(), hint, secret });
    }
}

fn hold_table(
    fields: &BTreeMap<String, Shape>,
    required: &[String],
    table: &DeTable<'_>,
    name: &Name<'_>,
    key: &Range<usize>,
    misfits: &mut Vec<Misfit>,
) {
    for (key, value) in table {
        let field = key.get_ref();
        if let Some(shape) = fields.get(&**field) {
            hold(shape, value, &Name::Field(name, field), &key.span(), misfits);
            continue;
        }
        let absent = || fields.keys().filter(|name| !table.contains_key(name.as_str()));
        let hint = did_you_mean(field, absent().map(String::as_str)).unwrap_or_else(|| {
            let names: Vec<_> = fields.keys().map(String::as_str).collect();
            format!("the fields are {}", names.join(", "))
        });
        let message = format!("{} has no field `{field}`", name.whole());
        misfits.push(Misfit {
            code: Code::UnknownField,
            message,
            span: key.span(),
            hint: Some(hint),
            secret: false,
        });
    }
    for field in required.iter().filter(|field| !table.contains_key(field.as_str())) {
        let message = format!("{} has no `{field}`", name.whole());
        let example = fields.get(field).map_or_else(String::new, Shape::example);
        let hint = Some(format!("add a line such as `{field} = {example}`"));
        misfits.push(Misfit {
            code: Code::MissingField,
            message,
            span: key.clone(),
            hint,
            secret: false,
        });
    }
}

fn text_problem(
    format: Option<&str>,
    choices: &[String],
    min: usize,
    text: &str,
) -> Option<Malformed> {
    if !choices.is_empty() && !choices.iter().any(|choice| choice == text) {
        let hint = did_you_mean(text, choices.iter().map(String::as_str));
        return Some(Malformed { hint, ..Malformed::new(Code::UnknownChoice, one_of(choices)) });
    }
    if text.chars().count() < min {
        return Some(Malformed::new(Code::TooShort, "a string that is not empty"));
    }
    if text.contains('\0') {
        return Some(Malformed::new(Code::NulCharacter, "text without a NUL character"));
    }
    match format? {
        "ip" => {
            let malformed =
                |_| Malformed::new(Code::MalformedIp, "an IP address such as `127.0.0.1`");
            text.parse::<std::net::IpAddr>().err().map(malformed)
        }
        "ipv4" => {
            let malformed =
                |_| Malformed::new(Code::MalformedIp, "an IPv4 address such as `203.0.113.5`");
            text.parse::<std::net::Ipv4Addr>().err().map(malformed)
        }
        format => check_format(format, text)?.err(),
    }
}

fn number_problem(number: Option<f64>, min: f64, max: f64) -> Option<Malformed> {
    if number.is_some_and(|number| (min..=max).contains(&number)) {
        return None;
    }
    let expected = match (min > f64::MIN, max < f64::MAX) {
        (true, true) => format!("from {min} to {max}"),
        (true, false) => format!("at least {min}"),
        (false, true) => format!("at most {max}"),
        (false, false) => "a whole number of 64 bits".into(),
    };
    Some(Malformed::new(Code::NumberOutOfRange, expected))
}

#[expect(clippy::cast_precision_loss, reason = "bounds are small whole numbers")]
fn whole_number(number: &DeInteger<'_>) -> Option<f64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
}

fn one_of(choices: &[String]) -> String {
    let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
        [] => "nothing".into(),
    }
}

/// A value as a message shows it: short scalars as they stand, anything else by its type.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if is_showable(text) => format!("`{text}`"),
        DeValue::String(_) => "a string".into(),
        DeValue::Integer(number) => format!("the number `{}`", number.as_str()),
        DeValue::Float(number) => format!("the number `{}`", number.as_str()),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(date) => format!("the date `{date}`"),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn is_showable(text: &str) -> bool {
    !text.is_empty() && text.len() <= 40 && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_held_against_what_the_schema_of_the_whole_file_says_of_it() {
        let file = Shape::compile(&crate::json_schema());
        for kind in Kind::ALL {
            let said = match file.field(kind.as_str()) {
                Some(Shape::Map(entry)) => entry,
                other => other.unwrap(),
            };
            assert_eq!(Shape::of(kind), said, "{kind}");
        }
    }
}
