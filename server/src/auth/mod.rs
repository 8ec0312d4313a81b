//! Who is calling.
//!
//! One of three: a browser with the cookie of a session, which on every call that changes something
//! also shows that the page meant it; a program with an access token; a program with a key. What is
//! shown is looked up by its digest on every call, so that cutting somebody off works at once.

mod password;
mod secret;
mod seen;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use lessor_store::{
    Account, AccountId, Actor, ApiKey, KeyId, KeyOwner, PlatformRole, Role, SecretDigest,
    SessionId, Visitor,
};

pub(crate) use password::Passwords;
pub(crate) use secret::csrf_token;
pub use secret::{KeySecret, LinkSecret, TokenSecret};
pub(crate) use seen::Seen;

use crate::access::{self, Permission, Scopes};
use crate::extract::only;
use crate::{Problem, ProblemKind, Services};

/// The cookie of a session. Its prefix makes browsers take it from us alone, over TLS alone.
pub(crate) const COOKIE: &str = "__Host-lessor";

/// What shows that a page meant what its browser sends.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Somebody who may call.
#[derive(Clone, Debug)]
pub struct Caller {
    who: Who,
    scopes: Scopes,
    /// By which session, if by one.
    session: Option<SessionId>,
    /// By which key, if by one.
    key: Option<KeyId>,
}

#[derive(Clone, Debug)]
enum Who {
    Person(Box<Account>),
    Tenant(String),
    Platform(PlatformRole),
}

impl Caller {
    /// The person, if it is one.
    pub fn account(&self) -> Option<&Account> {
        match &self.who {
            Who::Person(account) => Some(account),
            Who::Tenant(_) | Who::Platform(_) => None,
        }
    }

    /// The person.
    pub(crate) fn person(&self) -> Result<&Account, Problem> {
        self.account().ok_or_else(|| forbidden("this needs a person, and a key is none"))
    }

    /// The person, and the session they are logged in by.
    pub(crate) fn logged_in(&self) -> Result<(&Account, &SessionId), Problem> {
        let session = self.session.as_ref();
        session
            .zip(self.account())
            .map(|(session, account)| (account, session))
            .ok_or_else(|| forbidden("this needs a person who is logged in, and a key is none"))
    }

    /// The account that a change is put down to, beside the actor.
    pub fn account_id(&self) -> Option<&AccountId> {
        self.account().map(|account| &account.id)
    }

    /// By what the journal of deeds knows the caller.
    pub fn actor(&self) -> Actor {
        match (&self.key, self.account()) {
            (Some(key), _) => Actor::key(key),
            (None, Some(account)) => Actor::account(&account.id),
            (None, None) => Actor::lessor(),
        }
    }

    /// What it may be used for, whoever it is.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// What counts calls of one caller together.
    pub(crate) fn name(&self) -> String {
        self.actor().to_string()
    }

    /// Whether it may do that as far as its scopes go.
    pub(crate) fn in_scope(&self, permission: Permission) -> Result<(), Problem> {
        if self.scopes.allow(permission) {
            return Ok(());
        }
        Err(forbidden(&format!("this key is not for `{permission}`")))
    }

    /// Whether it may do that everywhere.
    pub fn on_platform(&self, permission: Permission) -> Result<(), Problem> {
        self.in_scope(permission)?;
        if self.platform_may(permission) {
            return Ok(());
        }
        Err(forbidden(&format!("this needs `{permission}` on the platform")))
    }

    /// Whether it may do that in a tenant. A tenant that the caller may not know of is answered
    /// like one that is not there, whatever else is wrong.
    pub async fn in_tenant(
        &self,
        services: &Services,
        tenant: &str,
        permission: Permission,
    ) -> Result<(), Problem> {
        let role = self.role_in(services, tenant).await?;
        let sees_all = self.platform_role().is_some();
        if role.is_none() && !(sees_all && services.store.tenant_show(tenant).await?.is_some()) {
            return Err(Problem::not_found());
        }
        self.in_scope(permission)?;
        let may = role.is_some_and(|role| access::member_may(role, permission));
        if may || self.platform_may(permission) {
            return Ok(());
        }
        Err(forbidden(&format!("this needs `{permission}` in the tenant")))
    }

    /// What it is in a tenant; `None` when it is not in it, or when there is none.
    pub(crate) async fn role_in(
        &self,
        services: &Services,
        tenant: &str,
    ) -> Result<Option<Role>, Problem> {
        Ok(match &self.who {
            Who::Person(account) => services.store.member_role(tenant, &account.id).await?,
            // Less than an owner: a key does not decide who else there is.
            Who::Tenant(own) => (own == tenant).then_some(Role::Admin),
            Who::Platform(_) => None,
        })
    }

    /// The only tenant it can ever act in, if it is so bound.
    pub(crate) fn bound_to(&self) -> Option<&str> {
        match &self.who {
            Who::Tenant(tenant) => Some(tenant),
            Who::Person(_) | Who::Platform(_) => None,
        }
    }

    pub(crate) fn platform_may(&self, permission: Permission) -> bool {
        self.scopes.allow(permission)
            && self.platform_role().is_some_and(|role| access::platform_may(role, permission))
    }

    fn platform_role(&self) -> Option<PlatformRole> {
        match &self.who {
            Who::Person(account) => account.platform_role,
            Who::Platform(role) => Some(*role),
            Who::Tenant(_) => None,
        }
    }

    fn of_visitor(visitor: Visitor) -> Self {
        Caller {
            who: Who::Person(Box::new(visitor.account)),
            scopes: Scopes::All,
            session: Some(visitor.session),
            key: None,
        }
    }

    fn of_key(key: ApiKey, account: Option<Account>) -> Option<Self> {
        let who = match (key.owner, account) {
            (KeyOwner::Account(_), account) => Who::Person(Box::new(account?)),
            (KeyOwner::Tenant(tenant), _) => Who::Tenant(tenant),
            (KeyOwner::Platform(role), _) => Who::Platform(role),
        };
        // A scope that a later lessor wrote is none that we could check.
        let scopes = key.scopes.parse().ok()?;
        Some(Caller { who, scopes, session: None, key: Some(key.id) })
    }
}

impl FromRequestParts<Services> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Services) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::new(ProblemKind::Unauthenticated))
    }
}

/// Lets nobody through who has not said who they are.
pub(crate) async fn require(
    State(services): State<Services>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&services, request.method(), request.headers()).await {
        Ok(caller) => {
            if let Err(problem) = services.limits.check_caller(&caller.name()) {
                return problem.into_response();
            }
            services.seen.note(caller.session.as_ref(), caller.key.as_ref());
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who calls, by what they show.
pub(crate) async fn identify(
    services: &Services,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let found = match only(headers, &header::AUTHORIZATION)? {
        Some(authorization) => by_bearer(services, authorization).await?,
        None => by_cookie(services, method, headers).await?,
    };
    found.ok_or_else(|| Problem::new(ProblemKind::Unauthenticated))
}

async fn by_bearer(services: &Services, authorization: &str) -> Result<Option<Caller>, Problem> {
    let Some((scheme, shown)) = authorization.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let digest = SecretDigest::of(shown);
    if KeySecret::looks_like(shown) {
        let found = services.store.key_find(&digest).await?;
        return Ok(found.and_then(|(key, account)| Caller::of_key(key, account)));
    }
    Ok(services.store.token_find(&digest).await?.map(Caller::of_visitor))
}

async fn by_cookie(
    services: &Services,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Problem> {
    let Some(cookie) = cookie(headers) else { return Ok(None) };
    let found = services.store.session_find(&SecretDigest::of(&cookie)).await?;
    if found.is_some() && !method.is_safe() {
        check_csrf(headers, &cookie)?;
    }
    Ok(found.map(Caller::of_visitor))
}

/// The first cookie of that name. Browsers send every cookie in one header, split by semicolons.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = values.flat_map(|value| value.split(';')).map(str::trim);
    let ours = cookies.find_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='));
    ours.map(str::to_owned)
}

/// Another site can make a browser send our cookie; it cannot read the token that goes with it.
fn check_csrf(headers: &HeaderMap, cookie: &str) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let is_foreign = site.is_some_and(|site| site != "same-origin" && site != "none");
    let shown = only(headers, &CSRF)?.unwrap_or("");
    // Digests, so that how long it takes tells nothing.
    if is_foreign || SecretDigest::of(shown) != SecretDigest::of(&csrf_token(cookie)) {
        return Err(Problem::new(ProblemKind::Csrf));
    }
    Ok(())
}

pub(crate) fn forbidden(detail: &str) -> Problem {
    Problem::new(ProblemKind::Forbidden).detail(detail)
}
