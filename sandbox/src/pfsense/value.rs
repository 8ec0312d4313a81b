//! Values as PHP has them: what requests and answers say, and what the configuration holds.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A map that keeps the order in which its entries came.
pub type Map = IndexMap<String, Value>;

/// A value of a request, of an answer, or of the configuration.
///
/// The configuration is XML, so all that it holds is text, lists and maps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Map),
}

impl Value {
    /// An empty list.
    pub const NONE: Value = Value::List(Vec::new());

    /// The text, of text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of a whole number.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The values, of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    /// The entries, of a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value of that name in a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_map()?.get(name)
    }

    /// The text of that name in a map, empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_text).unwrap_or_default()
    }

    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// What PHP puts in its place within text.
    pub fn shown(&self) -> String {
        match self {
            Value::Null | Value::Bool(false) => String::new(),
            Value::Bool(true) => "1".into(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(_) | Value::Map(_) => "Array".into(),
        }
    }

    /// What PHP takes for true.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::Integer(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty() && text != "0",
            Value::List(values) => !values.is_empty(),
            Value::Map(map) => !map.is_empty(),
        }
    }

    /// Whether PHP takes it for the same as another, though they may differ in type.
    pub fn equals(&self, other: &Value) -> bool {
        let number = |value: &Value| value.shown().trim().parse::<f64>().ok();
        match (self, other) {
            (Value::Null, Value::Text(text)) | (Value::Text(text), Value::Null) => text.is_empty(),
            (Value::Null | Value::Bool(_), _) | (_, Value::Null | Value::Bool(_)) => {
                self.is_truthy() == other.is_truthy()
            }
            (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
                self == other
            }
            _ => match (number(self), number(other)) {
                (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
                _ => self.shown() == other.shown(),
            },
        }
    }

    /// JSON as PHP writes it: slashes escaped, and everything beyond ASCII.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write_json(self, &mut json);
        json
    }

    /// What stands at a path such as `filter/rule/3`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        steps(path).try_fold(self, |value, step| match value {
            Value::Map(map) => map.get(step),
            Value::List(values) => values.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Puts a value at a path, and maps on the way where there are none.
    pub fn set(&mut self, path: &str, value: Value) {
        *steps(path).fold(self, Value::entry) = value;
    }

    /// Takes away what stands at a path. What follows in a list moves up.
    pub fn remove(&mut self, path: &str) {
        let path: Vec<&str> = steps(path).collect();
        let Some((last, way)) = path.split_last() else { return };
        match way.iter().try_fold(self, |value, step| value.entry_if_there(step)) {
            Some(Value::Map(map)) => {
                map.shift_remove(*last);
            }
            Some(Value::List(values)) => {
                if let Some(index) = last.parse().ok().filter(|index| *index < values.len()) {
                    values.remove(index);
                }
            }
            _ => {}
        }
    }

    /// Takes away empty lists, which XML has no way to write.
    pub fn prune(&mut self) {
        match self {
            Value::Map(map) => {
                map.values_mut().for_each(Value::prune);
                map.retain(|_, value| *value != Value::NONE && !value.is_null());
            }
            Value::List(values) => values.iter_mut().for_each(Value::prune),
            _ => {}
        }
    }

    fn entry(&mut self, step: &str) -> &mut Value {
        if let (Value::List(values), Ok(index)) = (&mut *self, step.parse::<usize>()) {
            let length = values.len().max(index + 1);
            values.resize(length, Value::Null);
        } else if !matches!(self, Value::Map(_)) {
            let is_index = step.parse::<usize>().is_ok();
            *self = if is_index { Value::NONE } else { Value::Map(Map::new()) };
            return self.entry(step);
        }
        match self {
            Value::List(values) => &mut values[step.parse::<usize>().unwrap_or_default()],
            Value::Map(map) => map.entry(step.to_owned()).or_default(),
            other => other,
        }
    }

    fn entry_if_there(&mut self, step: &str) -> Option<&mut Value> {
        match self {
            Value::Map(map) => map.get_mut(step),
            Value::List(values) => values.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

/// A map of these entries, in their order.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|step| !step.is_empty())
}

fn write_json(value: &Value, json: &mut String) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Bool(flag) => json.push_str(if *flag { "true" } else { "false" }),
        Value::Integer(number) => json.push_str(&number.to_string()),
        Value::Float(number) => json.push_str(&format!("{number:?}")),
        Value::Text(text) => write_text(text, json),
        Value::List(values) => {
            json.push('[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    json.push(',');
                }
                write_json(value, json);
            }
            json.push(']');
        }
        Value::Map(map) => {
            json.push('{');
            for (n, (name, value)) in map.iter().enumerate() {
                if n > 0 {
                    json.push(',');
                }
                write_text(name, json);
                json.push(':');
                write_json(value, json);
            }
            json.push('}');
        }
    }
}

fn write_text(text: &str, json: &mut String) {
    json.push('"');
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '/' => json.push_str("\\/"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            ' '..='~' => json.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    json.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    json.push('"');
}
