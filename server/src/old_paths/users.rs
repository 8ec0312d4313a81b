//! A container for each user.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use lessor_specs::{Address, Kind};
use lessor_store::{AccountId, Actor, NewAccount, NewTenant, Order, OrderFilter};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::status;
use crate::access::Permission;
use crate::extract::{Json, Path};
use crate::orders::place;
use crate::people::check_email;
use crate::people::tenants::{check_id, declared};
use crate::{Caller, Problem, ProblemKind, Services};

/// A user to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provision {
    /// What the user is called, and so is the tenant.
    #[schema(max_length = 40)]
    username: String,
    /// The mail address of the account.
    #[schema(max_length = 254)]
    email: String,
}

/// A user, and the container.
#[derive(Serialize, ToSchema)]
pub(crate) struct Provisioned {
    /// What the user is called.
    username: String,
    /// The order of the container; `null` while it cannot be had.
    container: Option<String>,
    /// `creating`, `running`, `stopped`, `suspended`, `deleted`, `failed`, or `waiting` while it
    /// cannot be had.
    status: &'static str,
    /// The port outside that leads to it.
    port: Option<u16>,
}

/// Where a user's container is.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPort {
    /// What the user is called.
    username: String,
    /// The port outside that leads to it; `null` when there is none.
    port: Option<u16>,
}

/// How much there is of everything.
#[derive(Serialize, ToSchema)]
pub(crate) struct Census {
    /// Accounts.
    users: u64,
    /// Tenants.
    tenants: u64,
    /// Orders that are not over.
    containers: u64,
    /// Those of them that are there, as they were asked for.
    active: u64,
    /// All orders there ever were, by how far they came.
    orders: BTreeMap<String, u64>,
}

/// Makes a user, with the container that comes with each new tenant. The same user is made once.
#[utoipa::path(post, path = "/api/provision", tag = "old paths", request_body = Provision, responses((status = 201, body = Provisioned), (status = 200, description = "The user was there", body = Provisioned)))]
pub(crate) async fn provision(
    State(services): State<Services>,
    caller: Caller,
    Json(user): Json<Provision>,
) -> Result<(StatusCode, Answer<Provisioned>), Problem> {
    caller.on_platform(Permission::UsersWrite)?;
    caller.on_platform(Permission::TenantsWrite)?;
    check_id("/username", &user.username)?;
    check_email(&user.email)?;
    let account = services.store.account_find(&user.email).await?.map(|account| account.id);
    let is_there = services.store.tenant_show(&user.username).await?.is_some();
    let status = if is_there {
        let role = match &account {
            Some(account) => services.store.member_role(&user.username, account).await?,
            None => None,
        };
        let taken = || Problem::new(ProblemKind::NameTaken).and_field("/username", "it is taken");
        role.ok_or_else(taken)?;
        StatusCode::OK
    } else {
        make(&services, &user, account.as_ref(), &caller.actor()).await?;
        StatusCode::CREATED
    };
    place::welcome(&services, &user.username).await;
    Ok((status, Answer(provisioned(&services, user.username).await?)))
}

/// The port that leads to the container of a user.
#[utoipa::path(get, path = "/api/user/{username}/port", tag = "old paths", params(("username" = String, Path, description = "What the user is called")), responses((status = 200, body = UserPort)))]
pub(crate) async fn port(
    State(services): State<Services>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Answer<UserPort>, Problem> {
    caller.in_tenant(&services, &username, Permission::InstancesRead).await?;
    let Provisioned { username, port, .. } = provisioned(&services, username).await?;
    Ok(Answer(UserPort { username, port }))
}

/// How much there is of everything.
#[utoipa::path(get, path = "/api/admin/stats", tag = "old paths", responses((status = 200, body = Census)))]
pub(crate) async fn stats(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Census>, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let counts = services.store.counts().await?;
    let not_over = counts.orders.iter().filter(|(phase, _)| !phase.is_end());
    let active = counts.orders.get(&lessor_specs::OrderPhase::Active);
    Ok(Answer(Census {
        users: counts.accounts,
        tenants: counts.tenants,
        containers: not_over.map(|(_, orders)| orders).sum(),
        active: active.copied().unwrap_or_default(),
        orders: counts.orders.iter().map(|(phase, n)| (phase.to_string(), *n)).collect(),
    }))
}

async fn make(
    services: &Services,
    user: &Provision,
    account: Option<&AccountId>,
    actor: &Actor,
) -> Result<(), Problem> {
    let catalogue = services.catalogue.read(&services.store).await?;
    let nothing = "the applied specs do not say which: `[policy.signup] order`";
    let welcome = catalogue.welcome();
    welcome.ok_or_else(|| Problem::new(ProblemKind::Unavailable).detail(nothing))?;
    let tenant = declared(&catalogue, &user.username, "UTC".into());
    let new = NewTenant { tenant: &tenant, display_name: &user.username, welcome };
    if let Some(account) = account {
        services.store.tenant_sign_up(new, Some(account), actor).await?;
        return Ok(());
    }
    let id = AccountId::new(Ulid::generate());
    let account =
        NewAccount { id: &id, email: &user.email, password_hash: None, platform_role: None };
    services.store.account_create_with(&account, new, actor).await?;
    Ok(())
}

async fn provisioned(services: &Services, username: String) -> Result<Provisioned, Problem> {
    let order = newest(services, &username).await?;
    let port = match &order {
        Some(order) => port_of(services, order).await?,
        None => None,
    };
    let status = order.as_ref().map_or("waiting", status);
    Ok(Provisioned { username, container: order.map(|order| order.id), status, port })
}

/// The last order of a tenant that is not over.
async fn newest(services: &Services, tenant: &str) -> Result<Option<Order>, Problem> {
    let filter = OrderFilter { tenant: Some(tenant.to_owned()), ..OrderFilter::default() };
    let orders = services.store.order_list(&filter, 100).await?;
    Ok(orders.into_iter().find(|order| !order.phase.is_end()))
}

async fn port_of(services: &Services, order: &Order) -> Result<Option<u16>, Problem> {
    let address = Address::new(Kind::Instance, order.full_name());
    let claims = services.store.claim_of(&address).await?;
    let mut ports = claims.iter().filter(|(key, _)| key.pool.starts_with("port_range."));
    Ok(ports.next().and_then(|(_, port)| port.parse().ok()))
}
