//! What can be done with objects.

use std::cmp::Ordering;

use super::kind::{Endpoint, Kind};
use super::object::Object;
use super::refusal::{Granted, Refusal};
use super::session::Session;
use super::value::{Map, Value};
use super::{apply, auth, query, rules, validate};

/// Does what a method does at an endpoint, and gives what the answer shows.
///
/// # Errors
/// When it is refused.
pub(super) fn run(
    session: &mut Session<'_>,
    endpoint: &Endpoint,
    method: &str,
    data: &Value,
) -> Granted<Value> {
    let said = match data {
        Value::Map(map) => map.clone(),
        _ => Map::new(),
    };
    match (method, endpoint.is_many) {
        ("GET", true) => get_many(session, endpoint.kind, &said),
        ("GET", false) => get(session, endpoint.kind, &said),
        ("POST", _) => post(session, endpoint.kind, said),
        ("PATCH", _) => patch(session, endpoint.kind, &said),
        ("PUT", _) => put(session, endpoint.kind, data),
        ("DELETE", true) => delete_many(session, endpoint.kind, &said),
        ("DELETE", false) => {
            let object = session.meant(endpoint.kind, &said)?;
            let object = delete_object(session, object)?;
            Ok(session.represent(&object))
        }
        _ => Err(Refusal::broken("ENDPOINT_REQUEST_METHOD_UNKNOWN", "Unknown method.")),
    }
}

fn get(session: &Session<'_>, kind: Kind, said: &Map) -> Granted<Value> {
    let mut object = session.meant(kind, said)?;
    needs_id(&object)?;
    // What was said besides the id is of no account.
    if let Some(before) = object.before.take() {
        object.values = before;
    }
    Ok(session.represent(&object))
}

fn get_many(session: &Session<'_>, kind: Kind, said: &Map) -> Granted<Value> {
    let found = query::matching(session.all(kind), said)?;
    let shown = query::arranged(found, &session.wish);
    Ok(shown.iter().map(|object| session.represent(object)).collect())
}

fn post(session: &mut Session<'_>, kind: Kind, mut said: Map) -> Granted<Value> {
    said.shift_remove("id");
    if let Some(shown) = apply::post(session, kind)? {
        return Ok(shown);
    }
    if kind == Kind::Token {
        let mut token = session.blank(kind);
        token.set("token", auth::sign(session).into());
        return Ok(session.represent(&token));
    }
    let object = session.meant(kind, &said)?;
    let object = create_object(session, object)?;
    Ok(session.represent(&object))
}

fn patch(session: &mut Session<'_>, kind: Kind, said: &Map) -> Granted<Value> {
    let object = session.meant(kind, said)?;
    let object = update_object(session, object)?;
    Ok(session.represent(&object))
}

/// Creates an object.
///
/// # Errors
/// When it is refused, or cannot be stored.
pub(super) fn create_object(session: &mut Session<'_>, mut object: Object) -> Granted<Object> {
    needs_parent(&object)?;
    object.id = next_id(session, &object);
    needs_package(session, object.model)?;
    let others = session.beside(&object);
    validate::object(session, &mut object, &others)?;
    if session.wish.is_dry {
        return Ok(object);
    }
    match object.kind {
        Kind::ApiKey => rules::make_key(session, &mut object),
        Kind::User => hash_password(&mut object),
        _ => rules::before_create(session, &mut object),
    }
    renew(session, &mut object);
    let stored = session.stored(&object);
    session.config.set(&object.place(), stored);
    if object.kind == Kind::Gateway {
        session.write_as_system("Gateway settings changed")?;
    } else {
        place(session, &mut object)?;
        sort(session, &mut object);
        session.write(&format!("Added {} via API", object.model.title))?;
    }
    session.soil(object.model);
    if object.kind == Kind::Interface {
        mark_pending(session, &object);
    }
    rules::after_create(session, &object)?;
    session.apply_written(object.model)?;
    Ok(object)
}

/// Updates an object that is there.
///
/// # Errors
/// When it is refused, or cannot be stored.
pub(super) fn update_object(session: &mut Session<'_>, mut object: Object) -> Granted<Object> {
    combine_lists(session, &mut object);
    needs_id(&object)?;
    needs_parent(&object)?;
    needs_package(session, object.model)?;
    if object.kind == Kind::ApiKey {
        return Err(Refusal::broken("API_KEY_CANNOT_BE_UPDATED", "API keys cannot be updated."));
    }
    let others = session.beside(&object);
    validate::object(session, &mut object, &others)?;
    if session.wish.is_dry {
        return Ok(object);
    }
    if object.kind == Kind::User && object.before.as_ref() != Some(&object.values) {
        hash_new_password(&mut object);
    }
    renew(session, &mut object);
    let at = object.place();
    session.merge(&object, &at);
    if object.kind == Kind::Gateway {
        session.write_as_system("Gateway settings changed")?;
    } else {
        place(session, &mut object)?;
        sort(session, &mut object);
        session.write(&format!("Modified {} via API", object.model.title))?;
    }
    session.soil(object.model);
    if object.kind == Kind::Interface {
        mark_pending(session, &object);
    }
    rules::after_update(session, &object)?;
    session.apply_written(object.model)?;
    Ok(object)
}

/// Deletes an object that is there.
///
/// # Errors
/// When something else refers to it, too few would remain, or it cannot be stored.
pub(super) fn delete_object(session: &mut Session<'_>, object: Object) -> Granted<Object> {
    needs_id(&object)?;
    needs_parent(&object)?;
    needs_package(session, object.model)?;
    if object.kind == Kind::UserGroup && object.text("scope") == "system" {
        let message = format!(
            "Model object with ID `{}` cannot be deleted because it is protected.",
            object.id.shown()
        );
        return Err(Refusal::forbidden("MODEL_CANNOT_DELETE_PROTECTED_OBJECT", message));
    }
    if object.kind == Kind::User && object.text("scope") == "system" {
        return Err(Refusal::invalid(
            "USER_WITH_SYSTEM_SCOPE_CANNOT_BE_DELETED",
            "Users with `scope` set to `system` cannot be deleted.",
        ));
    }
    refuse_referenced(session, &object)?;
    let least = object.model.at_least;
    if least > 0 && session.beside(&object).len() <= least {
        let message = format!(
            "Object deletion denied. Deleting this object would result in the number of existing \
             objects falling below the minimum number allowed for this Model, {least}."
        );
        return Err(Refusal::forbidden("MODEL_MANY_MINIMUM_REACHED", message));
    }
    if session.wish.is_dry {
        return Ok(object);
    }
    match object.kind {
        Kind::Interface => rules::forget(session, &object)?,
        Kind::Revision => {
            let time = object.number("time");
            session.state.history.retain(|revision| Some(revision.time) != time);
            return Ok(object);
        }
        // A reservation is none that runs out.
        Kind::Lease => return Ok(object),
        _ => {
            let at = object.place();
            session.config.remove(&at);
        }
    }
    session.write(&format!("Deleted {} via API", object.model.title))?;
    session.soil(object.model);
    rules::after_delete(session, &object)?;
    session.apply_written(object.model)?;
    Ok(object)
}

fn delete_many(session: &mut Session<'_>, kind: Kind, said: &Map) -> Granted<Value> {
    let all = said.get("all") == Some(&Value::Bool(true));
    if said.is_empty() {
        return Err(Refusal::invalid(
            "MODEL_DELETE_MANY_REQUIRES_QUERY_PARAMS",
            "At least one query parameter is required to perform mass deletion.",
        ));
    }
    let found = if all { session.all(kind) } else { query::matching(session.all(kind), said)? };
    let found = query::arranged(found, &session.wish);
    // It never applies, and knows no trial.
    (session.wish.applies, session.wish.is_dry) = (false, false);
    for object in found.iter().rev() {
        delete_object(session, object.clone())?;
    }
    Ok(found.iter().map(|object| session.represent(object)).collect())
}

/// Puts these objects in the place of all there are.
fn put(session: &mut Session<'_>, kind: Kind, data: &Value) -> Granted<Value> {
    let model = session.model(kind);
    let wanted = data.as_list().unwrap_or_default();
    if wanted.len() < model.at_least {
        let message = format!(
            "A minimum of {} new objects is required to replace all existing objects.",
            model.at_least
        );
        return Err(Refusal::invalid("MODEL_REPLACE_ALL_MINIMUM_NOT_MET", message));
    }
    if session.wish.is_dry {
        return Err(Refusal::broken(
            "MODEL_CACHE_MODELSET_MISSING_SIGNATURE",
            "ModelSet must have a signature to be cached.",
        ));
    }
    needs_package(session, model)?;
    session.author = session.user.clone();
    let kept: Vec<Object> = session.all(kind).into_iter().filter(is_protected).collect();
    let stored = kept.iter().map(|object| session.stored(object)).collect();
    session.config.set(model.path, if model.is_named { Value::Map(Map::new()) } else { stored });
    let mut objects = kept;
    for said in wanted {
        let mut object = session.blank(kind);
        object.take(said.as_map().unwrap_or(&Map::new()));
        object.id = next_id(session, &object);
        validate::object(session, &mut object, &objects)?;
        let (at, stored) = (object.place(), session.stored(&object));
        session.config.set(&at, stored);
        objects.push(object);
    }
    if let Some(mut last) = objects.last().cloned() {
        sort(session, &mut last);
    }
    session.write(&format!("Replaced all {}s via API", model.title))?;
    session.soil(model);
    session.wish.applies = false;
    session.apply_written(model)?;
    Ok(objects.iter().map(|object| session.represent(object)).collect())
}

fn is_protected(object: &Object) -> bool {
    object.kind == Kind::UserGroup && object.text("scope") == "system"
}

fn needs_id(object: &Object) -> Granted<()> {
    if object.model.is_many && object.id.is_null() {
        return Err(Refusal::invalid("MODEL_REQUIRES_ID", "Field `id` is required."));
    }
    Ok(())
}

fn needs_parent(object: &Object) -> Granted<()> {
    if object.model.parent.is_some() && object.parent_id.is_null() {
        return Err(Refusal::invalid("MODEL_PARENT_ID_REQUIRED", "Field `parent_id` is required."));
    }
    Ok(())
}

fn needs_package(session: &Session<'_>, model: &super::model::Model) -> Granted<()> {
    let Some(package) = model.package.filter(|name| !session.state.packages.contains(*name)) else {
        return Ok(());
    };
    let message =
        format!("The requested action requires the `{package}` package but it is not installed.");
    Err(Refusal::not_found("MODEL_MISSING_REQUIRED_PACKAGE", message))
}

fn next_id(session: &Session<'_>, object: &Object) -> Value {
    match object.kind {
        Kind::Interface => {
            let is_free = |id: &String| session.config.at(&format!("interfaces/{id}")).is_none();
            let names = std::iter::once("lan".to_owned()).chain((1..).map(|n| format!("opt{n}")));
            names.into_iter().find(is_free).map_or(Value::Null, Value::from)
        }
        Kind::DhcpServer => match object.text("interface") {
            "" => "unknown".into(),
            interface => session.interface_id(interface).into(),
        },
        _ if object.model.is_many => session.next_position(object),
        _ => Value::Null,
    }
}

/// Sets to now what tells when an object changed last.
fn renew(session: &Session<'_>, object: &mut Object) {
    for (field, value) in object.model.fields.iter().zip(&mut object.values) {
        if matches!(field.form, super::field::Form::Time { is_renewed: true }) {
            *value = Value::Integer(session.now);
        }
    }
}

fn hash_password(user: &mut Object) {
    let hash = rules::hashed(user.text("password"));
    user.set("password", hash);
}

fn hash_new_password(user: &mut Object) {
    let before = user.before.as_ref().zip(user.model.position("password"));
    let is_new = before.is_none_or(|(before, position)| before[position] != user.values[position]);
    if is_new {
        hash_password(user);
    }
}

fn mark_pending(session: &mut Session<'_>, interface: &Object) {
    let id = interface.id.shown();
    session.state.pending_interfaces.retain(|pending| *pending != id);
    session.state.pending_interfaces.push(id);
}

/// Adds to lists, or takes from them, what the request says of them.
fn combine_lists(session: &Session<'_>, object: &mut Object) {
    let Some(before) = &object.before else { return };
    let (appends, removes) = (session.wish.appends, session.wish.removes);
    let many = object.model.fields.iter().map(|field| field.many.is_some());
    for ((value, before), is_many) in object.values.iter_mut().zip(before).zip(many) {
        let (Value::List(said), Value::List(before)) = (&mut *value, before) else { continue };
        if !is_many || said == before {
            continue;
        }
        if appends {
            said.splice(0..0, before.iter().cloned());
        }
        if removes {
            *said = before.iter().filter(|value| !said.contains(value)).cloned().collect();
        }
    }
}

/// Moves an object to where the request wants it in its list.
///
/// # Errors
/// When there is no such place.
fn place(session: &mut Session<'_>, object: &mut Object) -> Granted<()> {
    let Some(wanted) = session.wish.placement.filter(|_| object.model.is_many) else {
        return Ok(());
    };
    let path = object.path();
    let mut list = session.config.at(&path).and_then(Value::as_list).unwrap_or_default().to_vec();
    let from = object.id.as_integer().and_then(|id| usize::try_from(id).ok());
    let to = usize::try_from(wanted).ok().filter(|to| *to < list.len());
    let (Some(from), Some(to)) = (from.filter(|from| *from < list.len()), to) else {
        return Err(Refusal::broken(
            "MODEL_FAILED_TO_SET_PLACEMENT",
            "Failed to set placement for Model object.",
        ));
    };
    let moved = list.remove(from);
    list.insert(to, moved);
    session.config.set(&path, Value::List(list));
    object.id = Value::Integer(wanted);
    Ok(())
}

/// Sorts the list of an object if it is a sorted one, and tells the object where it is then.
fn sort(session: &mut Session<'_>, object: &mut Object) {
    let by = session.wish.sort_by.first().map(String::as_str).or(object.model.sorted_by);
    let Some(by) = by.filter(|_| object.model.is_many && !object.model.is_named) else { return };
    let path = object.path();
    let stored = session.config.at(&path).and_then(Value::as_list).unwrap_or_default().to_vec();
    let mut sorted: Vec<(Object, Value)> = session.beside(object).into_iter().zip(stored).collect();
    let compare = |one: &Object, other: &Object| -> Ordering {
        let (one, other) = (one.get(by), other.get(by));
        if object.model.sorts_naturally {
            query::compare_naturally(&one.shown(), &other.shown())
        } else {
            query::compare(one, other)
        }
    };
    sorted.sort_by(|(one, _), (other, _)| {
        let ordering = compare(one, other);
        if session.wish.is_descending { ordering.reverse() } else { ordering }
    });
    let found = sorted.iter().position(|(sorted, _)| sorted.id == object.id);
    if let Some(id) = found.and_then(|n| i64::try_from(n).ok()) {
        object.id = Value::Integer(id);
    }
    let list = sorted.into_iter().map(|(_, stored)| stored).collect();
    session.config.set(&path, list);
}

/// Gateways stay while something goes over them.
fn refuse_referenced(session: &Session<'_>, object: &Object) -> Granted<()> {
    let referrers: &[Kind] = match object.kind {
        Kind::Gateway | Kind::GatewayGroup => &[Kind::StaticRoute, Kind::Rule],
        _ => return Ok(()),
    };
    let mut found: Vec<Object> = Vec::new();
    for kind in referrers {
        let referring = session.all(*kind).into_iter();
        let referring: Vec<Object> =
            referring.filter(|other| other.get("gateway") == object.get("name")).collect();
        // Each kind fills only places that those before left free.
        found.extend(referring.into_iter().skip(found.len()));
    }
    if found.is_empty() {
        return Ok(());
    }
    let message = "Object cannot be deleted because it is referenced by another existing object.";
    let data = found.iter().map(|object| session.represent(object)).collect();
    Err(Refusal::conflict("MODEL_CANNOT_BE_DELETED_WHILE_REFERENCED", message).with_data(data))
}
