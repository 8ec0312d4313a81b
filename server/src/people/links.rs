//! What can be used once: choosing a password, and joining a tenant.

use axum::Json as Answer;
use axum::extract::{Extension, State};
use lessor_store::SecretDigest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::User;
use crate::access::Permission;
use crate::around::Address;
use crate::auth::Passwords;
use crate::extract::Json;
use crate::{Caller, Problem, Services};

/// Somebody who was given a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    /// What is in the link, behind `#`.
    link: String,
    /// A password of their own.
    #[schema(min_length = 12, max_length = 256, format = Password)]
    password: String,
}

/// Somebody who was invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceptance {
    /// What they were invited with.
    invitation: String,
}

/// Where somebody belongs now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Joined {
    /// The tenant.
    tenant: String,
    /// What they may do there.
    role: &'static str,
}

/// Chooses a password with a link that can be used once.
#[utoipa::path(post, path = "/v1/passwords", tag = "people", request_body = Choice, responses((status = 200, body = User)))]
pub(crate) async fn choose_password(
    State(services): State<Services>,
    Extension(Address(address)): Extension<Address>,
    Json(choice): Json<Choice>,
) -> Result<Answer<User>, Problem> {
    services.limits.check_costly(address)?;
    Passwords::check("/password", &choice.password, "@")?;
    let hash = services.passwords.hash(choice.password).await?;
    let link = SecretDigest::of(&choice.link);
    let account = services.store.link_use_password(&link, &hash).await?;
    let account = account.ok_or_else(|| Problem::field("/link", "it was used, or is too old"))?;
    // Files may have named its address as an owner's, which counts from now on.
    let catalogue = services.catalogue.read(&services.store).await?;
    services.store.tenant_declare(&catalogue.tenants()).await?;
    Ok(Answer(User::of(&account)))
}

/// Joins a tenant one was invited to.
#[utoipa::path(post, path = "/v1/me/invitations", tag = "people", request_body = Acceptance, responses((status = 200, body = Joined)))]
pub(crate) async fn join(
    State(services): State<Services>,
    caller: Caller,
    Json(acceptance): Json<Acceptance>,
) -> Result<Answer<Joined>, Problem> {
    caller.in_scope(Permission::AccountWrite)?;
    let account = caller.person()?;
    let link = SecretDigest::of(&acceptance.invitation);
    let joined = services.store.link_use_invitation(&link, &account.id).await?;
    let joined =
        joined.ok_or_else(|| Problem::field("/invitation", "it was used, or is too old"))?;
    Ok(Answer(Joined { tenant: joined.tenant, role: joined.role.as_str() }))
}
