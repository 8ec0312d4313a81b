//! Keys of programs.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_store::{ApiKey, KeyId, KeyOwner, NewKey};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::check_name;
use crate::access::{Permission, Scopes};
use crate::around::NOTHING;
use crate::auth::{KeySecret, forbidden};
use crate::extract::{Json, Path, Query};
use crate::page::{Page, TenantPageQuery};
use crate::{Caller, Problem, Services};

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// What people call it.
    #[schema(max_length = 100)]
    name: String,
    /// The tenant it belongs to; without it, it is one's own.
    tenant: Option<String>,
    /// What it may be used for, such as `orders:read`; `*` is all its owner may.
    scopes: Vec<String>,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A key, without what it is.
#[derive(Serialize, ToSchema)]
pub struct KeyShown {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// How the key itself begins.
    prefix: String,
    /// The tenant it belongs to; `null` for one's own.
    tenant: Option<String>,
    /// What it may be used for.
    scopes: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyMade {
    /// The key itself; it is shown this once.
    secret: String,
    /// What is shown of it later.
    key: KeyShown,
}

impl KeyShown {
    /// As the API shows it.
    pub fn of(key: &ApiKey) -> Self {
        KeyShown {
            id: key.id.to_string(),
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            tenant: match &key.owner {
                KeyOwner::Tenant(tenant) => Some(tenant.clone()),
                KeyOwner::Account(_) | KeyOwner::Platform(_) => None,
            },
            scopes: key.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// Makes a key. A key makes no key that may more than itself.
#[utoipa::path(post, path = "/v1/api-keys", tag = "people", request_body = NewApiKey, responses((status = 201, body = KeyMade)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Json(new): Json<NewApiKey>,
) -> Result<(StatusCode, Answer<KeyMade>), Problem> {
    let owner = owner(&services, &caller, new.tenant.as_deref(), Permission::KeysWrite).await?;
    check_name("/name", &new.name)?;
    let scopes = scopes(&new.scopes)?;
    if !caller.scopes().contain(&scopes) {
        return Err(forbidden("a key makes no key that may more than itself"));
    }
    let expires_at = expiry(&services, new.expires_at.as_deref())?;
    let (id, secret) = (KeyId::new(Ulid::generate()), KeySecret::new());
    let key = NewKey {
        id: &id,
        digest: &secret.digest(),
        prefix: secret.prefix(),
        name: &new.name,
        owner: &owner,
        scopes: &scopes.to_string(),
        created_by: caller.account_id(),
        expires_at,
    };
    let key = services.store.key_create(key, &caller.actor()).await?;
    let secret = secret.reveal().to_owned();
    Ok((StatusCode::CREATED, Answer(KeyMade { secret, key: KeyShown::of(&key) })))
}

/// One's keys, or those of a tenant.
#[utoipa::path(get, path = "/v1/api-keys", tag = "people", params(TenantPageQuery), responses((status = 200, body = Page<KeyShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<TenantPageQuery>,
) -> Result<Answer<Page<KeyShown>>, Problem> {
    let (tenant, page) = query.split();
    let owner = owner(&services, &caller, tenant.as_deref(), Permission::KeysRead).await?;
    let after = page.after_parsed()?;
    let keys = services.store.key_list(&owner, after.as_ref(), page.fetch()?).await?;
    Ok(Answer(page.page(keys, |key| key.id.to_string(), KeyShown::of)?))
}

/// Ends a key, at once.
#[utoipa::path(delete, path = "/v1/api-keys/{key}", tag = "people", params(("key" = String, Path, description = "Its id")), responses((status = 204, description = "It ended")))]
pub(crate) async fn end(
    State(services): State<Services>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: KeyId = key.parse().map_err(|_| Problem::not_found())?;
    let key = services.store.key_show(&id).await?.ok_or_else(Problem::not_found)?;
    match &key.owner {
        KeyOwner::Account(account) if caller.account_id() == Some(account) => {
            caller.in_scope(Permission::KeysWrite)?;
        }
        KeyOwner::Tenant(tenant) => {
            caller.in_tenant(&services, tenant, Permission::KeysWrite).await?;
        }
        KeyOwner::Account(_) | KeyOwner::Platform(_) => {
            if !caller.platform_may(Permission::KeysWrite) {
                return Err(Problem::not_found());
            }
        }
    }
    services.store.key_revoke(&key, &caller.actor()).await?;
    Ok(NOTHING)
}

/// Whose keys are meant, if the caller may do that with them.
async fn owner(
    services: &Services,
    caller: &Caller,
    tenant: Option<&str>,
    permission: Permission,
) -> Result<KeyOwner, Problem> {
    if let Some(tenant) = tenant.or(caller.bound_to()) {
        caller.in_tenant(services, tenant, permission).await?;
        return Ok(KeyOwner::Tenant(tenant.to_owned()));
    }
    caller.in_scope(permission)?;
    Ok(KeyOwner::Account(caller.person()?.id.clone()))
}

fn scopes(words: &[String]) -> Result<Scopes, Problem> {
    if words.is_empty() {
        return Err(Problem::field("/scopes", "expected at least one"));
    }
    if words == ["*"] {
        return Ok(Scopes::All);
    }
    let mut problem: Option<Problem> = None;
    let mut named = std::collections::BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        match word.parse() {
            Ok(permission) => {
                named.insert(permission);
            }
            Err(why) => {
                let pointer = format!("/scopes/{index}");
                problem = Some(match problem {
                    Some(problem) => problem.and_field(&pointer, why),
                    None => Problem::field(&pointer, why),
                });
            }
        }
    }
    problem.map_or(Ok(Scopes::Only(named)), Err)
}

fn expiry(services: &Services, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let expected = "expected a time to come, such as `2030-01-31T12:00:00Z`";
    let at: Timestamp = text.parse().map_err(|_| Problem::field("/expires_at", expected))?;
    if at <= services.store.now() {
        return Err(Problem::field("/expires_at", expected));
    }
    Ok(Some(at))
}
