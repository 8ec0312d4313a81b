//! Who belongs to a tenant.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use lessor_store::{AccountId, NewLink, Purpose, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::later;
use crate::access::Permission;
use crate::around::NOTHING;
use crate::auth::{LinkSecret, forbidden};
use crate::extract::{Json, Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// How long an invitation is good.
const INVITATION_HOURS: i64 = 7 * 24;

/// A person in a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct Member {
    /// The account.
    user: String,
    /// Their mail address.
    email: String,
    /// `owner`, `admin`, `operator` or `viewer`.
    role: &'static str,
    /// Since when.
    #[schema(format = DateTime)]
    created_at: String,
}

/// What somebody is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleChange {
    /// `owner`, `admin`, `operator` or `viewer`.
    #[schema(pattern = "^(owner|admin|operator|viewer)$")]
    role: String,
}

/// What somebody can join with, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invited {
    /// To be handed to them; it is shown this once.
    invitation: String,
    /// What they will be.
    role: &'static str,
    /// When it ends by itself.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// The members of a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/members", tag = "people", params(("tenant" = String, Path, description = "Its name"), PageQuery), responses((status = 200, body = Page<Member>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<Member>>, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MembersRead).await?;
    let after = page.after_parsed()?;
    let members = services.store.member_list(&tenant, after.as_ref(), page.fetch()?).await?;
    let member = |member: &lessor_store::Member| Member {
        user: member.account.to_string(),
        email: member.email.clone(),
        role: member.role.as_str(),
        created_at: member.created_at.to_string(),
    };
    Ok(Answer(page.page(members, |member| member.account.to_string(), member)?))
}

/// Invites somebody, whoever will have the invitation: no answer tells who has an account here.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/members", tag = "people", params(("tenant" = String, Path, description = "Its name")), request_body = RoleChange, responses((status = 201, body = Invited)))]
pub(crate) async fn invite(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Json(change): Json<RoleChange>,
) -> Result<(StatusCode, Answer<Invited>), Problem> {
    caller.in_tenant(&services, &tenant, Permission::MembersWrite).await?;
    let role = role(&change)?;
    check_rank(&services, &caller, &tenant, &[role]).await?;
    let (link, expires_at) = (LinkSecret::new(), later(&services, INVITATION_HOURS));
    let purpose = Purpose::Invitation(&tenant, role);
    let new = NewLink { digest: &link.digest(), purpose, expires_at };
    services.store.link_create(new, &caller.actor()).await?;
    let invitation = link.reveal().to_owned();
    let expires_at = expires_at.to_string();
    Ok((StatusCode::CREATED, Answer(Invited { invitation, role: role.as_str(), expires_at })))
}

/// Gives a member another role.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/members/{user}", tag = "people", params(("tenant" = String, Path, description = "Its name"), ("user" = String, Path, description = "The account")), request_body = RoleChange, responses((status = 204, description = "It is so")))]
pub(crate) async fn set_role(
    State(services): State<Services>,
    caller: Caller,
    Path((tenant, user)): Path<(String, String)>,
    Json(change): Json<RoleChange>,
) -> Result<StatusCode, Problem> {
    caller.in_tenant(&services, &tenant, Permission::MembersWrite).await?;
    let (account, found) = member(&services, &tenant, &user).await?;
    let role = role(&change)?;
    check_rank(&services, &caller, &tenant, &[found, role]).await?;
    services.store.member_set(&tenant, &account, role, &caller.actor()).await?;
    Ok(NOTHING)
}

/// Takes a member out of a tenant; anybody may leave.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/members/{user}", tag = "people", params(("tenant" = String, Path, description = "Its name"), ("user" = String, Path, description = "The account")), responses((status = 204, description = "It is so")))]
pub(crate) async fn remove(
    State(services): State<Services>,
    caller: Caller,
    Path((tenant, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let leaves = caller.account_id().is_some_and(|own| own.as_str() == user);
    let needed = if leaves { Permission::MembersRead } else { Permission::MembersWrite };
    caller.in_tenant(&services, &tenant, needed).await?;
    let (account, found) = member(&services, &tenant, &user).await?;
    if leaves {
        caller.in_scope(Permission::MembersWrite)?;
    } else {
        check_rank(&services, &caller, &tenant, &[found]).await?;
    }
    services.store.member_remove(&tenant, &account, &caller.actor()).await?;
    Ok(NOTHING)
}

async fn member(
    services: &Services,
    tenant: &str,
    user: &str,
) -> Result<(AccountId, Role), Problem> {
    let account: AccountId = user.parse().map_err(|_| Problem::not_found())?;
    let role = services.store.member_role(tenant, &account).await?;
    Ok((account, role.ok_or_else(Problem::not_found)?))
}

fn role(change: &RoleChange) -> Result<Role, Problem> {
    change.role.parse().map_err(|why| Problem::field("/role", why))
}

/// Owners are made and unmade by owners, or by the platform.
async fn check_rank(
    services: &Services,
    caller: &Caller,
    tenant: &str,
    touched: &[Role],
) -> Result<(), Problem> {
    let is_owner = caller.role_in(services, tenant).await? == Some(Role::Owner);
    let may = is_owner || caller.platform_may(Permission::MembersWrite);
    if may || !touched.contains(&Role::Owner) {
        return Ok(());
    }
    Err(forbidden("only owners decide who is one"))
}
