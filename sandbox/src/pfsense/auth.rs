//! Who asks, and whether he may.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::Request;

use super::kind::Endpoint;
use super::refusal::{Granted, Refusal};
use super::rules;
use super::session::Session;
use super::value::{Value, map};

/// What a name or password is asked for with, when one was wrong.
const CHALLENGE: &str = "Basic realm=\"Login for pfSense REST API\"";

/// Holds everything.
const EVERYTHING: &str = "page-all";

/// Writes of who holds this are answered and not kept.
const READ_ONLY: &str = "user-config-readonly";

/// What there are privileges for.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A way to say who one is.
enum Credentials<'a> {
    Key(&'a str),
    Basic(&'a str),
    Token(&'a str),
}

/// Finds out who asks, and refuses who may not.
///
/// # Errors
/// When nobody knows him, or he lacks the privilege.
pub(super) fn admit(
    session: &mut Session<'_>,
    endpoint: &Endpoint,
    request: &Request,
) -> Granted<()> {
    let allowed = session.setting("auth_methods").to_owned();
    let allowed = if endpoint.is_basic_only { "BasicAuth" } else { &allowed };
    let credentials = allowed.split(',').find_map(|method| offered(method, request));
    let credentials = credentials.ok_or_else(Refusal::unknown_caller)?;
    let user = match credentials {
        Credentials::Key(key) => key_user(session, key),
        Credentials::Token(token) => token_user(session, token),
        Credentials::Basic(basic) => Some(
            basic_user(session, basic)
                .filter(|name| user(session, name).is_some_and(is_enabled))
                .ok_or_else(|| Refusal::unknown_caller().header("WWW-Authenticate", CHALLENGE))?,
        ),
    };
    let name = user
        .filter(|name| self::user(session, name).is_some_and(is_enabled))
        .ok_or_else(Refusal::unknown_caller)?;
    let privileges = privileges(session, &name);
    let wanted = endpoint.privilege(&request.method);
    // What is no method of the package needs no privilege to be refused as such.
    let is_guarded = METHODS.contains(&request.method.as_str());
    if is_guarded && !privileges.iter().any(|held| *held == EVERYTHING || *held == wanted) {
        return Err(Refusal::forbidden(
            "AUTH_AUTHORIZATION_FAILED",
            "Authorization failed. You do not have sufficient privileges to access this resource.",
        ));
    }
    session.may_write = !privileges.iter().any(|held| held == READ_ONLY);
    session.user = name;
    Ok(())
}

/// A token for the caller: HS256, good for as long as the settings say.
pub(super) fn sign(session: &Session<'_>) -> String {
    let lifetime = session.setting("jwt_exp").parse().unwrap_or(3600);
    let head = map([("typ", "JWT".into()), ("alg", "HS256".into())]);
    let body = map([
        ("iss", "pfSense REST API".into()),
        ("exp", Value::Integer(session.now + lifetime)),
        ("nbf", Value::Integer(session.now)),
        ("iat", Value::Integer(session.now)),
        ("data", session.user.as_str().into()),
    ]);
    let signed = format!("{}.{}", encoded(&head), encoded(&body));
    let seal = URL_SAFE_NO_PAD.encode(seal(session, &signed));
    format!("{signed}.{seal}")
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_json())
}

fn seal(session: &Session<'_>, signed: &str) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(session.state.token_secret.as_bytes()) else {
        return Vec::new();
    };
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn offered<'a>(method: &str, request: &'a Request) -> Option<Credentials<'a>> {
    let authorization = || request.header("Authorization").and_then(|value| value.split_once(' '));
    let scheme = |wanted: &str| {
        authorization()
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    match method {
        "KeyAuth" => request.header("X-API-Key").map(Credentials::Key),
        "BasicAuth" => scheme("Basic").map(Credentials::Basic),
        "JWTAuth" => scheme("Bearer").map(Credentials::Token),
        _ => None,
    }
}

fn key_user(session: &Session<'_>, key: &str) -> Option<String> {
    let keys = session.config.at("installedpackages/package/0/conf/keys/key")?.as_list()?;
    let is_it = |known: &&Value| known.text("hash") == rules::hash_of(known.text("hash_algo"), key);
    keys.iter().find(is_it).map(|known| known.text("username").to_owned())
}

fn basic_user(session: &Session<'_>, basic: &str) -> Option<String> {
    let plain = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (name, password) = plain.split_once(':')?;
    let known = user(session, name)?;
    (known.get("bcrypt-hash") == Some(&rules::hashed(password))).then(|| name.to_owned())
}

fn token_user(session: &Session<'_>, token: &str) -> Option<String> {
    let (signed, given) = token.rsplit_once('.')?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    let body = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let is_good = given == seal(session, signed)
        && body.get("exp").and_then(Value::as_integer).is_some_and(|exp| session.now < exp);
    is_good.then(|| body.text("data").to_owned())
}

fn user<'a>(session: &'a Session<'_>, name: &str) -> Option<&'a Value> {
    let users = session.config.at("system/user")?.as_list()?;
    users.iter().find(|user| user.text("name") == name)
}

fn is_enabled(user: &Value) -> bool {
    user.get("disabled").is_none()
}

/// What a user holds himself, and as a member of groups.
fn privileges(session: &Session<'_>, name: &str) -> Vec<String> {
    let Some(user) = user(session, name) else { return Vec::new() };
    let groups = session.config.at("system/group").and_then(Value::as_list).unwrap_or_default();
    let is_member = |group: &&Value| {
        let members = group.get("member").and_then(Value::as_list).unwrap_or_default();
        members.iter().any(|member| member.shown() == user.text("uid"))
    };
    let held = |holder: &Value| -> Vec<String> {
        let privileges = holder.get("priv").and_then(Value::as_list).unwrap_or_default();
        privileges.iter().map(Value::shown).collect()
    };
    groups.iter().filter(is_member).flat_map(held).chain(held(user)).collect()
}
