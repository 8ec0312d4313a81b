//! Accounts: signing up, and what the platform sees and decides.

use axum::Json as Answer;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use lessor_store::{Account, AccountId, Actor, NewAccount, NewTenant, SecretDigest, Status};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::tenants::{check_id, declared};
use super::{check_email, check_name};
use crate::access::Permission;
use crate::around::Address;
use crate::auth::{Passwords, forbidden};
use crate::extract::{Json, Path, Query};
use crate::orders::place;
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, ProblemKind, Services};

/// Somebody who signs up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUp {
    /// The mail address.
    #[schema(max_length = 254, pattern = r"^[^@]+@[^@]*\.[^@]*$")]
    email: String,
    /// A password of their own.
    #[schema(min_length = 12, max_length = 256, format = Password)]
    password: String,
    /// What they were invited with; needed where not everybody may sign up.
    invitation: Option<String>,
    /// A tenant to make for them, where everybody may sign up, with the order that comes with it.
    #[schema(max_length = 40)]
    tenant: Option<String>,
}

/// An account.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct User {
    /// Its id.
    id: String,
    /// Its mail address.
    email: String,
    /// Whether somebody who reads mail at that address has shown it.
    email_confirmed: bool,
    /// `active`, `suspended` or `banned`.
    status: &'static str,
    /// What it may do in every tenant: `admin`, `billing`, `support`, `auditor` or nothing.
    platform_role: Option<&'static str>,
    /// Since when there is one.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Whether an account may be used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusChange {
    /// `active`, `suspended` or `banned`.
    #[schema(pattern = "^(active|suspended|banned)$")]
    status: String,
    /// Why, for the record.
    reason: String,
}

impl User {
    /// As the API shows it.
    pub fn of(account: &Account) -> Self {
        User {
            id: account.id.to_string(),
            email: account.email.clone(),
            email_confirmed: account.confirmed,
            status: account.status.as_str(),
            platform_role: account.platform_role.map(lessor_store::PlatformRole::as_str),
            created_at: account.created_at.to_string(),
        }
    }
}

/// Signs up: everybody may where the provider's policy says so, elsewhere who was invited.
#[utoipa::path(post, path = "/v1/users", tag = "people", request_body = SignUp, responses((status = 201, body = User)))]
pub(crate) async fn sign_up(
    State(services): State<Services>,
    Extension(Address(address)): Extension<Address>,
    Json(sign_up): Json<SignUp>,
) -> Result<(StatusCode, Answer<User>), Problem> {
    services.limits.check_costly(address)?;
    check_email(&sign_up.email)?;
    Passwords::check("/password", &sign_up.password, &sign_up.email)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    if sign_up.invitation.is_none() && !catalogue.signup_is_open() {
        return Err(forbidden("signing up needs an invitation here"));
    }
    if let Some(tenant) = &sign_up.tenant {
        check_id("/tenant", tenant)?;
        if sign_up.invitation.is_some() {
            let detail = "an invitation is to a tenant that is there";
            return Err(Problem::field("/tenant", detail));
        }
    }
    let hash = services.passwords.hash(sign_up.password).await?;
    let id = AccountId::new(Ulid::generate());
    let new = NewAccount {
        id: &id,
        email: &sign_up.email,
        password_hash: Some(&hash),
        platform_role: None,
    };
    let actor = Actor::account(&id);
    let account = match (&sign_up.invitation, &sign_up.tenant) {
        (None, None) => services.store.account_create(&new, &actor).await?,
        (None, Some(tenant)) => {
            let declared = declared(&catalogue, tenant, "UTC".into());
            let (display_name, welcome) = (tenant.as_str(), catalogue.welcome());
            let with = NewTenant { tenant: &declared, display_name, welcome };
            let account = services.store.account_create_with(&new, with, &actor).await?;
            place::welcome(&services, tenant).await;
            account
        }
        (Some(invitation), _) => {
            let link = SecretDigest::of(invitation);
            let created = services.store.account_create_invited(&new, &link, &actor).await?;
            created.ok_or_else(|| Problem::field("/invitation", "it was used, or is too old"))?
        }
    };
    Ok((StatusCode::CREATED, Answer(User::of(&account))))
}

/// All accounts.
#[utoipa::path(get, path = "/v1/users", tag = "people", params(PageQuery), responses((status = 200, body = Page<User>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<User>>, Problem> {
    caller.on_platform(Permission::UsersRead)?;
    let after = page.after_parsed()?;
    let accounts = services.store.account_list(after.as_ref(), page.fetch()?).await?;
    Ok(Answer(page.page(accounts, |account| account.id.to_string(), User::of)?))
}

/// One account.
#[utoipa::path(get, path = "/v1/users/{user}", tag = "people", params(("user" = String, Path, description = "Its id")), responses((status = 200, body = User)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Answer<User>, Problem> {
    caller.on_platform(Permission::UsersRead)?;
    let id: AccountId = user.parse().map_err(|_| Problem::not_found())?;
    let account = services.store.account_show(&id).await?.ok_or_else(Problem::not_found)?;
    Ok(Answer(User::of(&account)))
}

/// Suspends or bans an account, or gives it back. Its sessions and every key it made end at once,
/// and stay ended.
#[utoipa::path(put, path = "/v1/users/{user}/status", tag = "people", params(("user" = String, Path, description = "Its id")), request_body = StatusChange, responses((status = 200, body = User)))]
pub(crate) async fn set_status(
    State(services): State<Services>,
    caller: Caller,
    Path(user): Path<String>,
    Json(change): Json<StatusChange>,
) -> Result<Answer<User>, Problem> {
    caller.on_platform(Permission::UsersWrite)?;
    let id: AccountId = user.parse().map_err(|_| Problem::not_found())?;
    let status: Status = change.status.parse().map_err(|why| Problem::field("/status", why))?;
    check_name("/reason", &change.reason)?;
    if caller.account_id() == Some(&id) {
        let detail = "nobody decides that about themselves";
        return Err(Problem::new(ProblemKind::Conflict).detail(detail));
    }
    let account =
        services.store.account_set_status(&id, status, &change.reason, &caller.actor()).await?;
    Ok(Answer(User::of(&account)))
}
