//! Objects, and how they come from the configuration and go back.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::field::{Condition, Default, Field, Form};
use super::kind::Kind;
use super::model::Model;
use super::session::Session;
use super::value::{Map, Value};

/// An object of a model.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) model: &'static Model,
    /// Nothing until it is known.
    pub(super) id: Value,
    pub(super) parent_id: Value,
    pub(super) parent: Option<Rc<Object>>,
    /// One for each field of the model.
    pub(super) values: Vec<Value>,
    /// How it was before the request, of an object that is there.
    pub(super) before: Option<Vec<Value>>,
}

impl Object {
    /// The value of a field; nothing when there is no such field.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.model.position(name).map_or(&Value::Null, |position| &self.values[position])
    }

    /// The text of a field, empty when it has none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).as_text().unwrap_or_default()
    }

    /// The number of a field.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).as_integer()
    }

    /// The path of the list, or of the one object, that it belongs to.
    pub(super) fn path(&self) -> String {
        match &self.parent {
            Some(parent) => {
                format!("{}/{}/{}", parent.path(), parent.id.shown(), self.model.path)
            }
            None => self.model.path.to_owned(),
        }
    }

    /// Its own path.
    pub(super) fn place(&self) -> String {
        if self.model.is_many {
            format!("{}/{}", self.path(), self.id.shown())
        } else {
            self.path()
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        if let Some(position) = self.model.position(name) {
            self.values[position] = value;
        }
    }

    /// Takes the values of those fields that are said something of.
    pub(super) fn take(&mut self, data: &Map) {
        for (field, value) in self.model.fields.iter().zip(&mut self.values) {
            if let Some(said) = data.get(field.name) {
                *value = said.clone();
            }
        }
    }

    /// Whether the conditions of a field hold.
    pub(super) fn meets(&self, field: &Field) -> bool {
        field.conditions.iter().all(|condition| self.holds(condition))
    }

    fn holds(&self, condition: &Condition) -> bool {
        let of = if condition.is_of_parent { self.parent.as_deref() } else { Some(self) };
        let value = of.map_or(&Value::Null, |object| object.get(condition.field));
        condition.values.contains(value) != condition.is_inverted
    }
}

impl Session<'_> {
    /// An object about which nothing is known yet.
    pub(super) fn blank(&self, kind: Kind) -> Object {
        let model = self.model(kind);
        let value = |field: &Field| match field.form {
            Form::Time { .. } => Value::Integer(self.now),
            _ => Value::Null,
        };
        let values = model.fields.iter().map(value).collect();
        let nothing = Value::Null;
        Object {
            kind,
            model,
            id: nothing.clone(),
            parent_id: nothing,
            parent: None,
            values,
            before: None,
        }
    }

    /// Fills an object with what is stored of it.
    pub(super) fn load(&self, object: &mut Object, stored: &Value) {
        for position in 0..object.model.fields.len() {
            let field = &object.model.fields[position];
            let internal = match field.within {
                None => stored.get(field.stored),
                Some(entry) => match stored.get(entry) {
                    None => continue,
                    Some(within) => match within.get(field.stored) {
                        None => continue,
                        internal => internal,
                    },
                },
            };
            object.values[position] = self.shown(object, field, internal);
        }
        self.derive(object);
    }

    fn shown(&self, object: &Object, field: &Field, internal: Option<&Value>) -> Value {
        if let Form::Nested(kind) = field.form {
            return self.shown_children(object, kind, internal);
        }
        let is_flag = matches!(field.form, Form::Flag { .. });
        if matches!(field.form, Form::Time { .. }) && internal.is_none() {
            return Value::Integer(self.now);
        }
        if field.is_shown_only || (internal.is_none() && !is_flag) {
            return match &field.default {
                Default::Value(value) if value.is_truthy() && object.meets(field) => value.clone(),
                _ => Value::Null,
            };
        }
        let internal = internal.cloned().unwrap_or_default();
        let Some(many) = field.many else {
            if is_flag && !object.meets(field) {
                return Value::Null;
            }
            return self.shown_one(field, &internal);
        };
        match (internal, many.delimiter) {
            (Value::List(values), _) => {
                values.iter().map(|value| self.shown_one(field, value)).collect()
            }
            (Value::Text(text), Some(delimiter)) if !text.is_empty() => {
                text.split(delimiter).map(|part| self.shown_one(field, &part.into())).collect()
            }
            (Value::Text(text), None) if !text.is_empty() => {
                [self.shown_one(field, &text.into())].into_iter().collect()
            }
            _ => Value::NONE,
        }
    }

    fn shown_one(&self, field: &Field, internal: &Value) -> Value {
        let text = internal.as_text().unwrap_or_default();
        match field.form {
            Form::Flag { yes, .. } => Value::Bool(internal.as_text() == Some(yes)),
            Form::Number | Form::Time { .. } => match internal {
                Value::Text(text) => text.parse().map_or(Value::Null, Value::Integer),
                other => other.clone(),
            },
            Form::Port { .. } => text.replace('-', ":").into(),
            Form::Place(_) => self.shown_place(internal).into(),
            Form::Target(_) => match text.strip_suffix("ip") {
                Some(interface) => format!("{}:ip", self.interface_shown(interface)).into(),
                None => self.interface_shown(text).into(),
            },
            Form::Interface => self.interface_shown(text).into(),
            Form::Coded => {
                let bytes = STANDARD.decode(text).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned().into()
            }
            Form::Foreign { kinds, field: of, kept_as: Some(kept), .. } => {
                self.translated(kinds, kept, of, text).into()
            }
            // Nothing refers to whatever has nothing there.
            Form::Foreign { kinds, field: of, .. } if text.is_empty() => {
                if kinds.iter().any(|kind| self.is_left_out(*kind, of)) {
                    Value::Null
                } else {
                    internal.clone()
                }
            }
            Form::Text | Form::Foreign { .. } | Form::UniqueId | Form::Nested(_) => {
                internal.clone()
            }
        }
    }

    fn shown_place(&self, internal: &Value) -> String {
        if internal.get("any").is_some() {
            return "any".into();
        }
        let not = if internal.get("not").is_some() { "!" } else { "" };
        let network = internal.text("network");
        if let Some(interface) = network.strip_suffix("ip") {
            return format!("{not}{}:ip", self.interface_shown(interface));
        }
        if internal.get("network").is_some() {
            return format!("{not}{}", self.interface_shown(network));
        }
        match internal.get("address") {
            Some(address) => format!("{not}{}", address.shown()),
            None => "unknown".into(),
        }
    }

    fn shown_children(&self, parent: &Object, kind: Kind, stored: Option<&Value>) -> Value {
        let stored = stored.and_then(Value::as_list).unwrap_or_default();
        let of = Rc::new(parent.clone());
        let child = |(n, stored): (usize, &Value)| {
            let mut child = self.blank(kind);
            child.id = Value::Integer(i64::try_from(n).unwrap_or_default());
            child.parent_id = parent.id.clone();
            child.parent = Some(Rc::clone(&of));
            self.load(&mut child, stored);
            self.represent(&child)
        };
        stored.iter().enumerate().map(child).collect()
    }

    /// The object as answers show it.
    pub(super) fn represent(&self, object: &Object) -> Value {
        let mut shown = Map::new();
        if !object.parent_id.is_null() {
            shown.insert("parent_id".into(), object.parent_id.clone());
        }
        if !object.id.is_null() {
            shown.insert("id".into(), object.id.clone());
        }
        for (field, value) in object.model.fields.iter().zip(&object.values) {
            if !self.is_hidden(object.model, field) {
                shown.insert(field.name.into(), value.clone());
            }
        }
        Value::Map(shown)
    }

    fn is_hidden(&self, model: &Model, field: &Field) -> bool {
        if field.is_write_only || !field.is_sensitive {
            return field.is_write_only;
        }
        let exposed = self.setting("override_sensitive_fields");
        let name = format!("{}:{}", model.name, field.name);
        self.setting("expose_sensitive_fields") != "enabled"
            && !exposed.split(',').any(|exposed| exposed == name)
    }

    /// The object as the configuration stores it when it is new: nothing of what has no value.
    pub(super) fn stored(&self, object: &Object) -> Value {
        let mut stored = Value::Map(Map::new());
        for (field, value) in object.model.fields.iter().zip(&object.values) {
            if let Some(internal) = self.internal(field, value).filter(|_| !value.is_null()) {
                stored.set(&stored_path(field), internal);
            }
        }
        stored
    }

    /// Writes the object over what is stored of it. What the model does not know stays.
    pub(super) fn merge(&mut self, object: &Object, path: &str) {
        for (field, value) in object.model.fields.iter().zip(&object.values) {
            if field.is_shown_only {
                continue;
            }
            let at = format!("{path}/{}", stored_path(field));
            match self.internal(field, value) {
                Some(internal) => self.config.set(&at, internal),
                None => self.config.remove(&at),
            }
        }
    }

    /// How a value of a field is stored; a list is stored even when there is none.
    fn internal(&self, field: &Field, value: &Value) -> Option<Value> {
        if field.is_shown_only {
            return None;
        }
        let values = value.as_list().unwrap_or_default();
        if let Form::Nested(kind) = field.form {
            return Some(self.internal_children(kind, values));
        }
        match field.many {
            None => self.internal_one(field, value),
            Some(many) => {
                let parts: Vec<Value> =
                    values.iter().filter_map(|value| self.internal_one(field, value)).collect();
                Some(match many.delimiter {
                    None => Value::List(parts),
                    Some(delimiter) => {
                        let parts: Vec<String> = parts.iter().map(Value::shown).collect();
                        parts.join(delimiter).into()
                    }
                })
            }
        }
    }

    fn internal_children(&self, kind: Kind, children: &[Value]) -> Value {
        let child = |shown: &Value| {
            let mut child = self.blank(kind);
            child.take(shown.as_map().unwrap_or(&Map::new()));
            self.stored(&child)
        };
        children.iter().map(child).collect()
    }

    fn internal_one(&self, field: &Field, value: &Value) -> Option<Value> {
        if let Form::Flag { yes, no } = field.form {
            return if *value == Value::Bool(true) {
                Some(yes.into())
            } else {
                no.map(Value::from)
            };
        }
        if value.is_null() {
            return None;
        }
        let text = value.shown();
        Some(match field.form {
            Form::Port { .. } if field.stored != "natport" => text.replace(':', "-").into(),
            Form::Interface => self.interface_id(&text).into(),
            Form::Place(_) => self.internal_place(&text),
            Form::Target(_) => match text.strip_suffix(":ip") {
                Some(interface) => format!("{}ip", self.interface_id(interface)).into(),
                None => self.interface_id(&text).into(),
            },
            Form::Coded => STANDARD.encode(text).into(),
            Form::Foreign { kinds, field: of, kept_as: Some(kept), .. } => {
                self.translated(kinds, of, kept, &text).into()
            }
            _ => text.into(),
        })
    }

    /// Whether there is an object of that kind that has nothing in that field.
    fn is_left_out(&self, kind: Kind, name: &str) -> bool {
        let model = self.model(kind);
        let stored = model.position(name).map_or(name, |position| model.fields[position].stored);
        let objects = self.config.at(model.path).and_then(Value::as_list).unwrap_or_default();
        objects.iter().any(|object| object.get(stored).is_none())
    }

    /// One field of the object that has this text in another; the text when there is none.
    fn translated(&self, kinds: &[Kind], from: &str, to: &str, text: &str) -> String {
        let mut objects = kinds.iter().flat_map(|kind| self.all(*kind));
        let found = objects.find(|object| object.get(from).shown() == text);
        found.map_or(text.to_owned(), |object| object.get(to).shown())
    }

    fn internal_place(&self, text: &str) -> Value {
        let mut place = Value::Map(Map::new());
        if text == "any" {
            place.set("any", "".into());
            return place;
        }
        let bare = text.strip_prefix('!').unwrap_or(text);
        if bare != text {
            place.set("not", "".into());
        }
        let is_address =
            super::net::is_ip(bare) || super::net::is_subnet(bare) || self.is_alias(bare, false);
        match bare.strip_suffix(":ip") {
            Some(interface) => {
                place.set("network", format!("{}ip", self.interface_id(interface)).into());
            }
            None if is_address => place.set("address", bare.into()),
            None => place.set("network", self.interface_id(bare).into()),
        }
        place
    }
}

fn stored_path(field: &Field) -> String {
    match field.within {
        Some(entry) => format!("{entry}/{}", field.stored),
        None => field.stored.to_owned(),
    }
}
