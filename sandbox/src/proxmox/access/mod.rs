//! Who may do what: users, tokens, groups, roles and the list that ties them to paths.

mod calls;
mod rights;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::call::{Caller, Handler};
use super::world::World;
use crate::http::Request;

pub(super) use rights::{authorize, is_privilege};

/// What answers each method.
pub(super) const HANDLERS: [&[(&str, Handler)]; 2] = [calls::HANDLERS, users::HANDLERS];

/// How long a ticket lives, in seconds.
const TICKET_S: u64 = 2 * 60 * 60;

/// Everybody, and what they may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Access {
    /// What tickets are signed with.
    key: String,
    pub(super) users: BTreeMap<String, User>,
    pub(super) groups: BTreeMap<String, Group>,
    /// Roles that somebody made, with their privileges.
    pub(super) roles: BTreeMap<String, BTreeSet<String>>,
    pub(super) entries: Vec<Entry>,
}

/// Somebody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct User {
    password: Option<String>,
    disabled: bool,
    expire: u64,
    comment: Option<String>,
    email: Option<String>,
    firstname: Option<String>,
    lastname: Option<String>,
    keys: Option<String>,
    groups: BTreeSet<String>,
    tokens: BTreeMap<String, Token>,
}

/// Stands for a user in the hands of a program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Token {
    secret: String,
    comment: Option<String>,
    expire: u64,
    /// Whether it may do only what it may do itself.
    separate: bool,
}

/// Users with the same rights.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Group {
    comment: Option<String>,
}

/// A role of somebody at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) who: Who,
    pub(super) role: String,
    /// Whether it holds below the path, too.
    pub(super) propagate: bool,
}

/// Whom an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Who {
    User(String),
    Group(String),
    Token(String),
}

impl Access {
    /// `root@pam` and nobody else.
    pub(super) fn installed(password: &str, key: u64) -> Self {
        let root = User {
            password: Some(password.into()),
            email: Some("admin@example.com".into()),
            ..User::default()
        };
        Access {
            key: format!("{key:016x}"),
            users: [("root@pam".to_owned(), root)].into(),
            groups: BTreeMap::new(),
            roles: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    fn signed(&self, what: &str) -> String {
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(format!("{}:{what}", self.key)) {
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    /// A ticket of a user, made at that second.
    fn ticket(&self, user: &str, now: u64) -> String {
        let about = format!("PVE:{user}:{now:08X}");
        let signature = self.signed(&about);
        format!("{about}::{signature}")
    }

    /// What has to come with the ticket wherever something is written.
    fn csrf(&self, user: &str, now: u64) -> String {
        format!("{now:08X}:{}", self.signed(&format!("CSRF:{user}:{now:08X}")))
    }

    /// Whose ticket it is, while it is good.
    fn ticket_of(&self, ticket: &str, now: u64) -> Option<String> {
        let (about, signature) = ticket.split_once("::")?;
        let (user, made) = about.strip_prefix("PVE:")?.rsplit_once(':')?;
        let made = u64::from_str_radix(made, 16).ok()?;
        let fresh = now >= made && now - made < TICKET_S;
        (fresh && self.signed(about) == signature && self.is_active(user, now))
            .then(|| user.to_owned())
    }

    fn is_csrf(&self, given: &str, user: &str) -> bool {
        let made = given.split_once(':').and_then(|(made, _)| u64::from_str_radix(made, 16).ok());
        made.is_some_and(|made| self.csrf(user, made) == given)
    }

    fn is_active(&self, user: &str, now: u64) -> bool {
        let active = |user: &User| !user.disabled && (user.expire == 0 || user.expire > now);
        self.users.get(user).is_some_and(active)
    }

    /// Whom a token stands for, while it is good: `USER@REALM!ID=SECRET`.
    fn token_of(&self, text: &str, now: u64) -> Option<Caller> {
        let (id, secret) = text.split_once('=')?;
        let (user, token) = id.split_once('!')?;
        let found = self.users.get(user)?.tokens.get(token)?;
        let fresh = found.expire == 0 || found.expire > now;
        (fresh && found.secret == secret && self.is_active(user, now))
            .then(|| Caller { user: user.to_owned(), token: Some(token.to_owned()) })
    }
}

impl World {
    /// Makes a token of a user that may do what the user may, and tells its secret.
    pub(super) fn add_token(&mut self, user: &str, id: &str) -> String {
        let secret = self.chance.uuid();
        let token = Token { secret: secret.clone(), ..Token::default() };
        if let Some(user) = self.access.users.get_mut(user) {
            user.tokens.insert(id.to_owned(), token);
        }
        secret
    }
}

/// Says who asks.
///
/// # Errors
/// The reason phrase of the answer to somebody who did not prove who he is.
pub(super) fn authenticate(world: &World, request: &Request) -> Result<Caller, &'static str> {
    const WRONG: &str = "Authentication failed!";
    let now = world.now();
    let token = request.header("Authorization").and_then(|text| text.strip_prefix("PVEAPIToken="));
    if let Some(token) = token {
        return world.access.token_of(token, now).ok_or(WRONG);
    }
    let cookies = request.header("Cookie").unwrap_or_default();
    let cookie = cookies.split(';').find_map(|one| one.trim().strip_prefix("PVEAuthCookie="));
    let Some(ticket) = cookie else { return Err("No ticket") };
    let ticket = percent_decode_str(ticket).decode_utf8_lossy();
    let user = world.access.ticket_of(&ticket, now).ok_or(WRONG)?;
    let writes = !matches!(request.method.as_str(), "GET" | "HEAD");
    let csrf = request.header("CSRFPreventionToken").unwrap_or_default();
    if writes && !world.access.is_csrf(csrf, &user) {
        return Err("Permission denied - invalid csrf token");
    }
    Ok(Caller { user, token: None })
}
