//! Whether an object may be as it is wished to be. The first problem ends it.

use std::rc::Rc;

use super::Version;
use super::field::{Default, Field, Form};
use super::kind::Kind;
use super::object::Object;
use super::refusal::{Granted, Refusal};
use super::rules;
use super::session::Session;
use super::value::{Map, Value};
use super::{checks, net};

/// Validates an object, and sets the defaults of what is not said. `others` are the objects it must
/// differ from.
///
/// # Errors
/// The first problem.
pub(super) fn object(
    session: &mut Session<'_>,
    object: &mut Object,
    others: &[Object],
) -> Granted<()> {
    for position in 0..object.model.fields.len() {
        let field = &object.model.fields[position];
        validate_field(session, object, field, position, others)?;
    }
    for (position, field) in object.model.fields.iter().enumerate() {
        let value = object.values[position].clone();
        object.values[position] = match value {
            Value::Null => continue,
            Value::List(values) if field.many.is_some() => {
                let mut checked = Vec::new();
                for value in values {
                    checked.push(rules::check(session, object, field.name, value)?);
                }
                Value::List(checked)
            }
            value => rules::check(session, object, field.name, value)?,
        };
    }
    check_unique_together(object, others)?;
    rules::check_whole(session, object)
}

fn validate_field(
    session: &mut Session<'_>,
    object: &mut Object,
    field: &Field,
    position: usize,
    others: &[Object],
) -> Granted<()> {
    if !object.meets(field) {
        object.values[position] = Value::Null;
        return Ok(());
    }
    let name = field.name;
    if field.is_required && object.values[position].is_null() {
        return Err(Refusal::invalid("FIELD_IS_REQUIRED", format!("Field `{name}` is required.")));
    }
    check_fixed(object, field, position)?;
    check_entries(field, &object.values[position])?;
    if object.values[position].is_null() {
        object.values[position] = match &field.default {
            Default::None => Value::Null,
            Default::Value(value) => value.clone(),
            Default::Made => rules::made(session, object, field),
        };
    }
    let value = object.values[position].clone();
    if let Form::Nested(kind) = field.form {
        object.values[position] = children(session, object, field, kind, &value)?;
        return Ok(());
    }
    let values = match (&value, field.many) {
        (Value::List(values), Some(_)) => values.clone(),
        (Value::Null, Some(_)) => Vec::new(),
        (_, Some(_)) => {
            let message = format!("Field `{name}` must be of type `array`.");
            return Err(Refusal::invalid("FIELD_INVALID_MANY_VALUE", message));
        }
        (_, None) => vec![value.clone()],
    };
    check_empty(field, &value)?;
    if field.allows_null && value.is_null() {
        return Ok(());
    }
    for value in &values {
        check_type(field, value)?;
        check_choice(session, object, field, value)?;
        check_unique(object, field, value, others)?;
        if check_empty(field, value)? {
            return Ok(());
        }
        check_value(session, object, field, value)?;
    }
    Ok(())
}

fn check_fixed(object: &Object, field: &Field, position: usize) -> Granted<()> {
    let Some(before) = object.before.as_ref().filter(|_| field.is_fixed) else { return Ok(()) };
    let (before, wanted) = (&before[position], &object.values[position]);
    if before == wanted {
        return Ok(());
    }
    let message = format!(
        "Field `{}` is not editable but the requested value `{}` differs from its current value \
         `{}`.",
        field.name,
        wanted.shown(),
        before.shown(),
    );
    Err(Refusal::invalid("FIELD_VALUE_CHANGED_WHEN_NOT_EDITABLE", message))
}

fn check_entries(field: &Field, value: &Value) -> Granted<()> {
    let (Some(many), Some(values)) = (field.many, value.as_list()) else { return Ok(()) };
    let name = field.name;
    if values.len() < many.least {
        let message = format!("Field `{name}` must contain a minimum of {} entries.", many.least);
        return Err(Refusal::invalid("LENGTH_VALIDATOR_MINIMUM_CONSTRAINT", message));
    }
    if many.most > 0 && values.len() > many.most {
        let message = format!("Field `{name}` exceeds the maximum array length of {}.", many.most);
        return Err(Refusal::invalid("LENGTH_VALIDATOR_MAXIMUM_CONSTRAINT", message));
    }
    Ok(())
}

/// Whether the value is empty, which may be or not.
fn check_empty(field: &Field, value: &Value) -> Granted<bool> {
    let is_empty = *value == Value::NONE || value.as_text() == Some("");
    if field.is_read_only {
        return Ok(true);
    }
    if is_empty && !field.allows_empty {
        let message = format!("Field `{}` cannot be empty.", field.name);
        return Err(Refusal::invalid("FIELD_EMPTY_NOT_ALLOWED", message));
    }
    Ok(is_empty)
}

fn check_type(field: &Field, value: &Value) -> Granted<()> {
    let (name, fits) = match field.form {
        Form::Number | Form::Time { .. } => ("integer", matches!(value, Value::Integer(_))),
        Form::Flag { .. } => ("boolean", matches!(value, Value::Bool(_))),
        Form::Nested(_) => ("array", matches!(value, Value::List(_) | Value::Map(_))),
        _ => ("string", matches!(value, Value::Text(_))),
    };
    if fits || field.is_read_only || (field.allows_null && value.is_null()) {
        return Ok(());
    }
    let message = format!("Field `{}` must be of type `{name}`", field.name);
    Err(Refusal::invalid("FIELD_INVALID_TYPE", message))
}

fn check_choice(
    session: &Session<'_>,
    object: &Object,
    field: &Field,
    value: &Value,
) -> Granted<()> {
    let choices = match rules::choices(session, object, field) {
        Some(choices) => choices,
        None => field.choices.clone(),
    };
    if choices.is_empty() || choices.contains(value) {
        return Ok(());
    }
    let choices: Vec<String> = choices.iter().map(Value::shown).collect();
    let message = format!("Field `{}` must be one of [{}]", field.name, choices.join(", "));
    Err(Refusal::invalid("FIELD_INVALID_CHOICE", message))
}

fn check_unique(object: &Object, field: &Field, value: &Value, others: &[Object]) -> Granted<()> {
    if !field.is_unique {
        return Ok(());
    }
    let has = |other: &Object| match other.get(field.name) {
        Value::List(values) if field.many.is_some() => {
            values.iter().any(|known| known.equals(value))
        }
        known => known.equals(value),
    };
    let mut others = others.iter().filter(|other| other.id != object.id);
    let Some(other) = others.find(|other| has(other)) else { return Ok(()) };
    let message = format!(
        "Field `{}` must be unique. Value is in use by object with ID `{}`.",
        field.name,
        other.id.shown()
    );
    Err(Refusal::invalid("FIELD_MUST_BE_UNIQUE", message))
}

fn check_unique_together(object: &Object, others: &[Object]) -> Granted<()> {
    let names = object.model.unique_together;
    let is_same = |other: &&Object| {
        other.id != object.id && names.iter().all(|name| other.get(name).equals(object.get(name)))
    };
    match others.iter().find(is_same).filter(|_| !names.is_empty()) {
        None => Ok(()),
        Some(other) => {
            let message = format!(
                "Fields [{}] together must be unique from all other objects of its kind. Values \
                 in use by object with ID `{}`.",
                names.join(", "),
                other.id.shown()
            );
            Err(Refusal::invalid("MODEL_FIELDS_NOT_UNIQUE_TOGETHER", message))
        }
    }
}

fn check_value(
    session: &Session<'_>,
    object: &Object,
    field: &Field,
    value: &Value,
) -> Granted<()> {
    for check in &field.checks {
        checks::check(session, object, field, check, &value.shown())?;
    }
    // Until 2.10.0 a field that is held against anything else has no length.
    if field.checks.is_empty() || session.version() == Version::V2_10_0 {
        check_length(field, value)?;
    }
    if let (Form::Number, Some(number)) = (&field.form, value.as_integer()) {
        check_range(field, number)?;
    }
    check_form(session, field, &value.shown())
}

fn check_length(field: &Field, value: &Value) -> Granted<()> {
    let has_length = matches!(
        field.form,
        Form::Text | Form::Place(_) | Form::Target(_) | Form::Interface | Form::Coded
    );
    let Some(text) = value.as_text().filter(|_| has_length) else { return Ok(()) };
    let (name, longest) = (field.name, field.longest);
    if text.len() > longest {
        let message = format!("Field `{name}` exceeds the maximum character length of {longest}.");
        return Err(Refusal::invalid("LENGTH_VALIDATOR_MAXIMUM_CONSTRAINT", message));
    }
    Ok(())
}

fn check_range(field: &Field, number: i64) -> Granted<()> {
    let (name, least, most) = (field.name, field.least, field.most);
    if number < least {
        let message = format!(
            "Field `{name}` must be greater than or equal to `{least}`. Received `{number}`"
        );
        return Err(Refusal::invalid("NUMERIC_RANGE_VALIDATOR_MINIMUM_CONSTRAINT", message));
    }
    if number > most {
        let message =
            format!("Field `{name}` must be less than or equal to `{most}`. Received `{number}`");
        return Err(Refusal::invalid("NUMERIC_RANGE_VALIDATOR_MAXIMUM_CONSTRAINT", message));
    }
    Ok(())
}

fn check_form(session: &Session<'_>, field: &Field, text: &str) -> Granted<()> {
    match field.form {
        Form::Port { allows_alias, allows_range } => {
            let fits = (allows_alias && session.is_alias(text, true))
                || (allows_range && net::is_port_range(text))
                || net::is_port(text);
            if fits {
                return Ok(());
            }
            let range = if allows_range { ", a TCP/UDP port range separated by `:`" } else { "" };
            let alias = if allows_alias { ", an existing port type firewall alias" } else { "" };
            let message = format!(
                "Field `{}` contains invalid port value `{text}`. Valid options are: a TCP/UDP \
                 port number{range}{alias}",
                field.name
            );
            Err(Refusal::invalid("PORT_FIELD_INVALID", message))
        }
        Form::Place(places) => checks::place(session, field, places, text),
        Form::Target(places) => checks::target(session, field, places, text),
        Form::Foreign { kinds, field: of, keywords, .. } if !keywords.contains(&text) => {
            let is_there = |kind: &&Kind| session.find(**kind, of, &text.into()).is_some();
            if kinds.iter().any(|kind| is_there(&kind)) {
                return Ok(());
            }
            let titles: Vec<&str> =
                kinds.iter().map(|kind| session.model(*kind).title).take(1).collect();
            let message = format!(
                "Field `{}` could not locate `{}` object with `{of}` set to `{text}`",
                field.name,
                titles.join(", ")
            );
            Err(Refusal::not_found("FOREIGN_MODEL_FIELD_VALUE_NOT_FOUND", message))
        }
        _ => Ok(()),
    }
}

/// Validates children that are written with their parent, and gives back how they look then.
fn children(
    session: &mut Session<'_>,
    parent: &Object,
    field: &Field,
    kind: Kind,
    values: &Value,
) -> Granted<Value> {
    check_empty(field, values)?;
    let Value::List(values) = values else {
        let message = format!("Field `{}` must be of type `array`.", field.name);
        return Err(Refusal::invalid("FIELD_INVALID_MANY_VALUE", message));
    };
    let of = Rc::new(parent.clone());
    let mut checked: Vec<Object> = Vec::new();
    for value in values {
        check_type(field, value)?;
        let mut child = session.blank(kind);
        child.take(value.as_map().unwrap_or(&Map::new()));
        child.id = Value::Integer(i64::try_from(checked.len()).unwrap_or_default());
        child.parent_id = parent.id.clone();
        child.parent = Some(Rc::clone(&of));
        object(session, &mut child, &checked).map_err(|refusal| {
            let message = format!(
                "Field `{}` encountered a nested validation error: {}",
                field.name, refusal.message
            );
            Refusal::invalid(refusal.id, message)
        })?;
        checked.push(child);
    }
    Ok(checked.iter().map(|child| session.represent(child)).collect())
}
