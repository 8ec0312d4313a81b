//! `lessor user`, `lessor apikey` and `lessor tenant`: who may do what.

mod links;
mod remote;
mod store;

use lessor_server::{Permission, Scopes};
use lessor_specs::{Kind, name_problem};
use lessor_store::{KeyId, PlatformRole, Status};
use serde_json::Value;

use crate::administration::{KeyCommand, TenantCommand, UserCommand, Where, Whose};
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::keeper::{AT_HOME, Keeper};
use crate::output::{self, Format};
use crate::rows::{Row, row, show, text};

/// Who keeps accounts, keys and tenants. Everything is answered as the API shows it.
trait People {
    async fn accounts(&self) -> anyhow::Result<Vec<Value>>;
    /// Changes whether an account may be used; it is named by its id or its mail address.
    async fn set_status(&self, user: &str, status: Status, reason: &str) -> anyhow::Result<Value>;
    async fn set_role(&self, user: &str, role: Option<PlatformRole>) -> anyhow::Result<Value>;
    /// The key itself, and what is shown of it later.
    async fn make_key(&self, whose: &Whose, new: &NewKey<'_>) -> anyhow::Result<(String, Value)>;
    async fn keys(&self, whose: &Whose) -> anyhow::Result<Vec<Value>>;
    async fn end_key(&self, key: &KeyId) -> anyhow::Result<()>;
    async fn make_tenant(&self, new: &NewTenant<'_>) -> anyhow::Result<Value>;
    async fn tenants(&self) -> anyhow::Result<Vec<Value>>;
}

/// A key to be.
struct NewKey<'a> {
    name: &'a str,
    scopes: Scopes,
}

/// A tenant to be.
struct NewTenant<'a> {
    id: &'a str,
    owner: Option<&'a str>,
    display_name: Option<&'a str>,
    quota: Option<&'a str>,
    timezone: &'a str,
}

pub(crate) async fn user(common: &Common, command: &UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::CreateAdmin { email, url, place } => {
            let what = "`lessor user create-admin`";
            let store = place.database(common, what, AT_HOME).await?;
            links::create_admin(&store, email, url, place.format).await
        }
        UserCommand::Link { user, url, place } => {
            let store = place.database(common, "`lessor user link`", AT_HOME).await?;
            links::create(&store, user, url, place.format).await
        }
        UserCommand::List { place }
        | UserCommand::Status { place, .. }
        | UserCommand::Role { place, .. } => match place.keeper(common).await? {
            Keeper::Store(store) => user_with(&store, command, place).await,
            Keeper::Server(client) => user_with(&client, command, place).await,
        },
    }
}

async fn user_with(
    keeper: &impl People,
    command: &UserCommand,
    place: &Where,
) -> anyhow::Result<Exit> {
    let accounts = match command {
        UserCommand::Status { user, status, reason, .. } => {
            vec![keeper.set_status(user, *status, reason).await?]
        }
        UserCommand::Role { user, role, .. } => vec![keeper.set_role(user, role.0).await?],
        _ => keeper.accounts().await?,
    };
    show(place.format, accounts.into_iter().map(account_row))
}

pub(crate) async fn key(common: &Common, command: &KeyCommand) -> anyhow::Result<Exit> {
    let (KeyCommand::Create { place, .. }
    | KeyCommand::List { place, .. }
    | KeyCommand::Revoke { place, .. }) = command;
    match place.keeper(common).await? {
        Keeper::Store(store) => key_with(&store, command).await,
        Keeper::Server(client) => key_with(&client, command).await,
    }
}

async fn key_with(keeper: &impl People, command: &KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::Create { whose, name, scopes, place } => {
            let new = NewKey { name, scopes: united(scopes) };
            let (secret, mut key) = keeper.make_key(whose, &new).await?;
            output::print(&match place.format {
                Format::Human => format!("{secret}\n"),
                Format::Json => {
                    key["secret"] = secret.into();
                    format!("{key}\n")
                }
            })?;
            Ok(Exit::Done)
        }
        KeyCommand::List { whose, place } => {
            show(place.format, keeper.keys(whose).await?.into_iter().map(key_row))
        }
        KeyCommand::Revoke { key, .. } => {
            keeper.end_key(key).await?;
            Ok(Exit::Done)
        }
    }
}

pub(crate) async fn tenant(common: &Common, command: &TenantCommand) -> anyhow::Result<Exit> {
    if let TenantCommand::Create { tenant, .. } = command
        && let Some(problem) = name_problem(Kind::Tenant, tenant)
    {
        return Err(Failed::new(problem).exit(Exit::Usage).into());
    }
    let (TenantCommand::Create { place, .. } | TenantCommand::List { place }) = command;
    match place.keeper(common).await? {
        Keeper::Store(store) => tenant_with(&store, command, place).await,
        Keeper::Server(client) => tenant_with(&client, command, place).await,
    }
}

async fn tenant_with(
    keeper: &impl People,
    command: &TenantCommand,
    place: &Where,
) -> anyhow::Result<Exit> {
    let tenants = match command {
        TenantCommand::Create { tenant, owner, display_name, quota, timezone, .. } => {
            let new = NewTenant {
                id: tenant,
                owner: owner.as_deref(),
                display_name: display_name.as_deref(),
                quota: quota.as_deref(),
                timezone,
            };
            vec![keeper.make_tenant(&new).await?]
        }
        TenantCommand::List { .. } => keeper.tenants().await?,
    };
    show(place.format, tenants.into_iter().map(tenant_row))
}

/// All that any of them names; with none, everything.
fn united(scopes: &[Scopes]) -> Scopes {
    if scopes.is_empty() {
        return Scopes::All;
    }
    let named = Permission::ALL.iter().copied();
    let named = named.filter(|one| scopes.iter().any(|scopes| scopes.allow(*one)));
    Scopes::Only(named.collect())
}

fn account_row(account: Value) -> Row {
    let fields = ["id", "email", "status", "platform_role"];
    row(fields.map(|field| text(&account, field)), account)
}

fn key_row(key: Value) -> Row {
    let [id, prefix, scopes, used, name] =
        ["id", "prefix", "scopes", "last_used_at", "name"].map(|field| text(&key, field));
    let used = if used.is_empty() { "never".into() } else { used };
    row([id, format!("{prefix}…"), scopes, used, name], key)
}

fn tenant_row(tenant: Value) -> Row {
    let [id, quota, timezone, origin, name] =
        ["id", "quota", "timezone", "origin", "display_name"].map(|field| text(&tenant, field));
    let quota = if quota.is_empty() { "no quota".into() } else { quota };
    row([id, quota, timezone, origin, name], tenant)
}
