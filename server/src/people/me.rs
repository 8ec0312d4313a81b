//! One's own account.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_email;
use super::users::User;
use crate::access::{Permission, Scopes};
use crate::auth::Passwords;
use crate::extract::{IfMatch, Json, etag};
use crate::{Caller, Problem, Services};

/// Who calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The account; `null` for a key of a tenant or of the platform.
    user: Option<User>,
    /// The only tenant the key is for; `null` when it is for no one tenant.
    tenant: Option<String>,
    /// What the key may be used for; `*` is all its owner may.
    scopes: String,
}

/// What to change of one's account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MyChange {
    /// The password one has.
    #[schema(format = Password)]
    current_password: String,
    /// Another mail address.
    #[schema(max_length = 254, pattern = r"^[^@]+@[^@]*\.[^@]*$")]
    email: Option<String>,
    /// Another password. Every other session ends.
    #[schema(min_length = 12, max_length = 256, format = Password)]
    password: Option<String>,
}

/// Who is calling, and what they may do.
#[utoipa::path(get, path = "/v1/me", tag = "people", responses((status = 200, body = Me)))]
pub(crate) async fn show(caller: Caller) -> Result<impl IntoResponse, Problem> {
    let version = caller.account().map_or(0, |account| account.version);
    Ok((etag(version), Answer(me(&caller))))
}

/// Changes one's mail address or password, and says the password for it.
#[utoipa::path(patch, path = "/v1/me", tag = "people", params(("If-Match" = String, Header, pattern = "^\"[0-9]+\"$", description = "The `ETag` of what is changed")), request_body = MyChange, responses((status = 200, body = User)))]
pub(crate) async fn update(
    State(services): State<Services>,
    caller: Caller,
    IfMatch(version): IfMatch,
    Json(change): Json<MyChange>,
) -> Result<impl IntoResponse, Problem> {
    caller.in_scope(Permission::AccountWrite)?;
    let (account, session) = caller.logged_in()?;
    if account.version != version {
        return Err(Problem::new(crate::ProblemKind::Outdated));
    }
    let email = change.email.as_deref().unwrap_or(&account.email);
    check_email(email)?;
    if let Some(password) = &change.password {
        Passwords::check("/password", password, email)?;
    }
    services.limits.check_caller(&format!("password {}", account.id))?;
    let stored = services.store.account_password(&account.id).await?;
    if !services.passwords.verify(change.current_password, stored).await? {
        return Err(Problem::field("/current_password", "it is another"));
    }
    let actor = caller.actor();
    if change.email.is_some() {
        services.store.account_set_email(&account.id, email, version, &actor).await?;
    }
    if let Some(password) = change.password {
        let hash = services.passwords.hash(password).await?;
        services.store.account_set_password(&account.id, &hash, Some(session), &actor).await?;
    }
    let account = services.store.account_show(&account.id).await?;
    let account = account.ok_or_else(Problem::not_found)?;
    Ok((etag(account.version), Answer(User::of(&account))))
}

fn me(caller: &Caller) -> Me {
    let scopes: &Scopes = caller.scopes();
    Me {
        user: caller.account().map(User::of),
        tenant: caller.bound_to().map(str::to_owned),
        scopes: scopes.to_string(),
    }
}
