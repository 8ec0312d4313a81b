//! Logins of programs.

use axum::Json as Answer;
use axum::extract::{Extension, State};
use lessor_store::{Account, NewSession, NewTokens, Refreshed, SecretDigest, SessionId};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::{authenticated, later};
use crate::around::Address;
use crate::auth::TokenSecret;
use crate::extract::Json;
use crate::{Problem, ProblemKind, Services};

/// How long an access token is good, in seconds.
const ACCESS_SECONDS: i64 = 30 * 60;

/// How long a refresh token is good.
const REFRESH_HOURS: i64 = 7 * 24;

/// What somebody shows for tokens: a password, or the refresh token of before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "OAuth calls it so")]
pub(crate) struct Grant {
    /// `password` or `refresh_token`.
    #[schema(pattern = "^(password|refresh_token)$")]
    grant_type: String,
    /// For `password`.
    email: Option<String>,
    /// For `password`.
    #[schema(format = Password)]
    password: Option<String>,
    /// For `refresh_token`. It is used up by that; shown twice, it ends the login.
    refresh_token: Option<String>,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// To call with: `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds.
    expires_in: i64,
    /// To get the next ones with, once.
    refresh_token: String,
    /// For how many seconds.
    refresh_expires_in: i64,
    /// The account.
    user: String,
}

/// Logs a program in, or renews its tokens.
#[utoipa::path(post, path = "/v1/auth/token", tag = "people", request_body = Grant, responses((status = 200, body = Tokens)))]
pub(crate) async fn issue(
    State(services): State<Services>,
    Extension(address): Extension<Address>,
    Json(grant): Json<Grant>,
) -> Result<Answer<Tokens>, Problem> {
    match grant.grant_type.as_str() {
        "password" => {
            let email = needed("/email", grant.email)?;
            let password = needed("/password", grant.password)?;
            by_password(&services, address, &email, password).await
        }
        "refresh_token" => {
            let shown = needed("/refresh_token", grant.refresh_token)?;
            by_refresh(&services, address, &shown).await
        }
        _ => Err(Problem::field("/grant_type", "expected `password` or `refresh_token`")),
    }
}

async fn by_password(
    services: &Services,
    address: Address,
    email: &str,
    password: String,
) -> Result<Answer<Tokens>, Problem> {
    let account = authenticated(services, address, email, password).await?;
    let id = SessionId::new(Ulid::generate());
    let (access, refresh) = (TokenSecret::new(), TokenSecret::new());
    let expires_at = later(services, REFRESH_HOURS);
    let new = NewSession { id: &id, account: &account.id, cookie: None, expires_at };
    let digests = (access.digest(), refresh.digest());
    services.store.token_issue(new, terms(services, &digests)).await?;
    Ok(tokens(&access, &refresh, &account))
}

async fn by_refresh(
    services: &Services,
    Address(address): Address,
    shown: &str,
) -> Result<Answer<Tokens>, Problem> {
    services.limits.check_costly(address)?;
    let (access, refresh) = (TokenSecret::new(), TokenSecret::new());
    let digests = (access.digest(), refresh.digest());
    let shown = SecretDigest::of(shown);
    match services.store.token_refresh(&shown, terms(services, &digests)).await? {
        Refreshed::Renewed(account) => Ok(tokens(&access, &refresh, &account)),
        // The thief is told no more than somebody who guesses.
        Refreshed::Reused | Refreshed::Unknown => {
            Err(Problem::new(ProblemKind::Unauthenticated).detail("the refresh token is not good"))
        }
    }
}

fn terms<'a>(
    services: &Services,
    (access, refresh): &'a (SecretDigest, SecretDigest),
) -> NewTokens<'a> {
    use jiff::{SignedDuration, Timestamp};
    use lessor_engine::Clock as _;
    let now = services.store.now();
    let soon = now.checked_add(SignedDuration::from_secs(ACCESS_SECONDS));
    NewTokens {
        access,
        access_expires_at: soon.unwrap_or(Timestamp::MAX),
        refresh,
        refresh_expires_at: later(services, REFRESH_HOURS),
    }
}

fn tokens(access: &TokenSecret, refresh: &TokenSecret, account: &Account) -> Answer<Tokens> {
    Answer(Tokens {
        access_token: access.reveal().to_owned(),
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        refresh_token: refresh.reveal().to_owned(),
        refresh_expires_in: REFRESH_HOURS * 3600,
        user: account.id.to_string(),
    })
}

fn needed(pointer: &str, value: Option<String>) -> Result<String, Problem> {
    value.ok_or_else(|| Problem::field(pointer, "this grant needs it"))
}
