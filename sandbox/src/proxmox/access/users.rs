//! Calls about users and their tokens.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::calls::REALMS;
use super::{Token, User, Who};
use crate::proxmox::call::{Call, Handler, Params};
use crate::proxmox::refusal::{Refusal, Result};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("PUT /access/password", password),
    ("GET /access/users", users),
    ("POST /access/users", create_user),
    ("GET /access/users/{userid}", user),
    ("PUT /access/users/{userid}", update_user),
    ("DELETE /access/users/{userid}", delete_user),
    ("GET /access/users/{userid}/token", tokens),
    ("GET /access/users/{userid}/token/{tokenid}", token),
    ("POST /access/users/{userid}/token/{tokenid}", create_token),
    ("PUT /access/users/{userid}/token/{tokenid}", update_token),
    ("DELETE /access/users/{userid}/token/{tokenid}", delete_token),
];

fn password(call: &mut Call<'_>) -> Result<Value> {
    let password = call.given.text("password").to_owned();
    let name = call.given.text("userid").to_owned();
    let user = user_mut(call, &name)?;
    user.password = Some(password);
    Ok(Value::Null)
}

fn user_mut<'c>(call: &'c mut Call<'_>, name: &str) -> Result<&'c mut User> {
    let user = call.world.access.users.get_mut(name);
    user.ok_or_else(|| Refusal::failed(format!("no such user ('{name}')")))
}

/// What is told of a user.
fn described(user: &User) -> Map<String, Value> {
    let texts = [
        ("comment", &user.comment),
        ("email", &user.email),
        ("firstname", &user.firstname),
        ("lastname", &user.lastname),
        ("keys", &user.keys),
    ];
    let told = texts.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
    let mut row: Map<String, Value> =
        told.map(|(key, text)| (key.to_owned(), Value::from(text))).collect();
    row.insert("enable".into(), u8::from(!user.disabled).into());
    row.insert("expire".into(), user.expire.into());
    row
}

/// What is told of a token; never its secret.
fn told(token: &Token) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("privsep".into(), u8::from(token.separate).into());
    row.insert("expire".into(), token.expire.into());
    if let Some(comment) = &token.comment {
        row.insert("comment".into(), comment.as_str().into());
    }
    row
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn users(call: &mut Call<'_>) -> Result<Value> {
    let all = call.may_any("/access/groups", &["User.Modify", "Sys.Audit"]);
    let wanted = call.given.get("enabled").map(|flag| flag == "1");
    let rows = call.world.access.users.iter().filter(|(name, user)| {
        (all || **name == call.caller.user) && wanted.is_none_or(|wanted| wanted != user.disabled)
    });
    let rows = rows.map(|(name, user)| {
        let mut row = described(user);
        let realm = name.rsplit_once('@').map_or("", |(_, realm)| realm);
        row.insert("userid".into(), name.as_str().into());
        row.insert("realm-type".into(), realm.into());
        if call.given.flag("full") {
            let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
            row.insert("groups".into(), groups.join(",").into());
            row.insert("tokens".into(), token_rows(user));
        }
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn token_rows(user: &User) -> Value {
    let rows = user.tokens.iter().map(|(id, token)| {
        let mut row = told(token);
        row.insert("tokenid".into(), id.as_str().into());
        Value::Object(row)
    });
    rows.collect()
}

/// Takes over what is given.
fn change(user: &mut User, given: &Params) {
    let texts = [
        ("comment", &mut user.comment),
        ("email", &mut user.email),
        ("firstname", &mut user.firstname),
        ("lastname", &mut user.lastname),
        ("keys", &mut user.keys),
    ];
    for (key, field) in texts {
        if let Some(text) = given.get(key) {
            *field = (!text.is_empty()).then(|| text.to_owned());
        }
    }
    if let Some(enable) = given.get("enable") {
        user.disabled = enable == "0";
    }
    user.expire = given.number("expire").unwrap_or(user.expire);
    if given.get("groups").is_some() {
        if !given.flag("append") {
            user.groups.clear();
        }
        user.groups.extend(given.list("groups"));
    }
}

fn create_user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("create user");
    if call.world.access.users.contains_key(&name) {
        return Err(failed(format!("user '{name}' already exists")));
    }
    let realm = name.rsplit_once('@').map_or("", |(_, realm)| realm);
    if !REALMS.iter().any(|(known, _)| *known == realm) {
        return Err(failed(format!("domain '{realm}' does not exist")));
    }
    let mut user =
        User { password: call.given.get("password").map(str::to_owned), ..User::default() };
    change(&mut user, &call.given);
    call.world.access.users.insert(name, user);
    Ok(Value::Null)
}

fn user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let user = user_mut(call, &name)?;
    let mut row = described(user);
    row.insert("groups".into(), user.groups.iter().map(String::as_str).collect());
    let tokens: BTreeMap<&String, _> =
        user.tokens.iter().map(|(id, token)| (id, told(token))).collect();
    row.insert("tokens".into(), json!(tokens));
    Ok(row.into())
}

fn update_user(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let user = user_mut(call, given.text("userid"));
    change(user.map_err(|refusal| refusal.while_doing("update user"))?, &given);
    Ok(Value::Null)
}

fn delete_user(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    let failed = |why: String| Refusal::failed(why).while_doing("delete user");
    if call.caller.user == name {
        return Err(failed("not allowed to delete current user".into()));
    }
    let access = &mut call.world.access;
    if access.users.remove(&name).is_none() {
        return Err(failed(format!("user '{name}' does not exist")));
    }
    let tokens = format!("{name}!");
    access.entries.retain(|entry| match &entry.who {
        Who::User(who) => *who != name,
        Who::Token(who) => !who.starts_with(&tokens),
        Who::Group(_) => true,
    });
    Ok(Value::Null)
}

fn tokens(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("userid").to_owned();
    Ok(token_rows(user_mut(call, &name)?))
}

fn token_mut<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Token> {
    let (name, id) = (call.given.text("userid").to_owned(), call.given.text("tokenid").to_owned());
    let token = user_mut(call, &name)?.tokens.get_mut(&id);
    token.ok_or_else(|| Refusal::failed(format!("no such token '{id}' for user '{name}'")))
}

fn token(call: &mut Call<'_>) -> Result<Value> {
    Ok(told(token_mut(call)?).into())
}

fn create_token(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let (name, id) = (given.text("userid"), given.text("tokenid"));
    let secret = call.world.chance.uuid();
    let user = user_mut(call, name)?;
    if user.tokens.contains_key(id) {
        return Err(Refusal::parameter("tokenid", "Token already exists."));
    }
    let token = Token {
        secret: secret.clone(),
        comment: given.get("comment").map(str::to_owned),
        expire: given.number("expire").unwrap_or_default(),
        separate: given.get("privsep") != Some("0"),
    };
    user.tokens.insert(id.to_owned(), token);
    // What was given comes back as it was given.
    let mut info = json!({ "privsep": 1 });
    for key in ["privsep", "expire", "comment"] {
        if let Some(text) = given.get(key) {
            info[key] = text.into();
        }
    }
    Ok(json!({ "full-tokenid": format!("{name}!{id}"), "value": secret, "info": info }))
}

fn update_token(call: &mut Call<'_>) -> Result<Value> {
    let given = call.given.clone();
    let token = token_mut(call)?;
    for key in given.list("delete") {
        match key.as_str() {
            "comment" => token.comment = None,
            "expire" => token.expire = 0,
            _ => {}
        }
    }
    if let Some(comment) = given.get("comment") {
        token.comment = Some(comment.to_owned());
    }
    token.expire = given.number("expire").unwrap_or(token.expire);
    if let Some(separate) = given.get("privsep") {
        token.separate = separate == "1";
    }
    let mut row = told(token);
    for key in ["privsep", "expire"] {
        if let Some(text) = given.get(key) {
            row.insert(key.into(), text.into());
        }
    }
    Ok(row.into())
}

fn delete_token(call: &mut Call<'_>) -> Result<Value> {
    token_mut(call)?;
    let (name, id) = (call.given.text("userid").to_owned(), call.given.text("tokenid").to_owned());
    user_mut(call, &name)?.tokens.remove(&id);
    let whole = format!("{name}!{id}");
    call.world.access.entries.retain(|entry| entry.who != Who::Token(whole.clone()));
    Ok(Value::Null)
}
