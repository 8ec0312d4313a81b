//! Logins of browsers.

use axum::Json as Answer;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lessor_store::{NewSession, SessionId};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::{authenticated, later};
use crate::access::Permission;
use crate::around::{Address, NOTHING};
use crate::auth::{COOKIE, TokenSecret, csrf_token};
use crate::extract::{Json, Path};
use crate::page::Page;
use crate::{Caller, Problem, Services};

/// How long a browser stays logged in.
const HOURS: i64 = 12;

/// Somebody who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// Their mail address.
    email: String,
    /// Their password.
    #[schema(format = Password)]
    password: String,
}

/// A login that begins.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoggedIn {
    /// Its id.
    id: String,
    /// The account.
    user: String,
    /// To be sent as `x-csrf-token` with every call that changes something.
    csrf_token: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A login.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its id.
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// `browser` or `program`.
    kind: &'static str,
    /// When it began.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Logs a browser in: the answer sets the cookie of a session.
#[utoipa::path(post, path = "/v1/sessions", tag = "people", request_body = LogIn, responses((status = 201, body = LoggedIn)))]
pub(crate) async fn create(
    State(services): State<Services>,
    Extension(address): Extension<Address>,
    Json(log_in): Json<LogIn>,
) -> Result<impl IntoResponse, Problem> {
    let account = authenticated(&services, address, &log_in.email, log_in.password).await?;
    let (id, cookie) = (SessionId::new(Ulid::generate()), TokenSecret::new());
    let expires_at = later(&services, HOURS);
    let digest = cookie.digest();
    let new = NewSession { id: &id, account: &account.id, cookie: Some(&digest), expires_at };
    services.store.session_create(new).await?;
    let body = LoggedIn {
        id: id.to_string(),
        user: account.id.to_string(),
        csrf_token: csrf_token(cookie.reveal()),
        expires_at: expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, set_cookie(cookie.reveal(), HOURS * 3600), Answer(body)))
}

/// One's logins that run.
#[utoipa::path(get, path = "/v1/sessions", tag = "people", responses((status = 200, body = Page<Session>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Page<Session>>, Problem> {
    caller.in_scope(Permission::AccountRead)?;
    let account = caller.person()?;
    let current = caller.logged_in().ok().map(|(_, session)| session.clone());
    let sessions = services.store.session_list(&account.id).await?;
    let items = sessions.iter().map(|session| Session {
        id: session.id.to_string(),
        current: current.as_ref() == Some(&session.id),
        kind: if session.is_browser { "browser" } else { "program" },
        created_at: session.created_at.to_string(),
        last_seen_at: session.last_seen_at.to_string(),
        expires_at: session.expires_at.to_string(),
    });
    Ok(Answer(Page { items: items.collect(), next: None }))
}

/// Ends one of one's logins; `current` is the one that asks.
#[utoipa::path(delete, path = "/v1/sessions/{session}", tag = "people", params(("session" = String, Path, description = "Its id, or `current`")), responses((status = 204, description = "It ended")))]
pub(crate) async fn end(
    State(services): State<Services>,
    caller: Caller,
    Path(session): Path<String>,
) -> Result<Response, Problem> {
    caller.in_scope(Permission::AccountWrite)?;
    let account = caller.person()?;
    let id = match session.as_str() {
        "current" => caller.logged_in()?.1.clone(),
        other => other.parse().map_err(|_| Problem::not_found())?,
    };
    services.store.session_revoke(&id, &account.id, &caller.actor()).await?;
    let is_own = caller.logged_in().is_ok_and(|(_, own)| *own == id);
    // A browser forgets the cookie of a session that is over.
    if is_own {
        return Ok((NOTHING, set_cookie("", 0)).into_response());
    }
    Ok(NOTHING.into_response())
}

fn set_cookie(value: &str, seconds: i64) -> [(HeaderName, String); 1] {
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    [(header::SET_COOKIE, cookie)]
}
