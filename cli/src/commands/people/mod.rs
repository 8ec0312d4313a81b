//! `lessor user`, `lessor apikey` and `lessor tenant`: who may do what, against the store.

use std::fmt::Write as _;

use jiff::SignedDuration;
use lessor_engine::Clock as _;
use lessor_server::{KeySecret, LinkSecret, Permission, Scopes};
use lessor_specs::{Kind, name_problem};
use lessor_store::{
    Account, AccountId, Actor, ApiKey, Declared, KeyId, KeyOwner, NewAccount, NewKey, NewLink,
    PlatformRole, Purpose, Store, Tenant,
};
use serde_json::{Value, json};
use ulid::Ulid;

use crate::administration::{KeyCommand, TenantCommand, UserCommand, Where, Whose};
use crate::args::Common;
use crate::exit::{Exit, Failed};
use crate::output::{self, Format};
use crate::session::configured_database;

/// How long a link to choose a password with is good.
const LINK_HOURS: i64 = 24;

/// How many are listed; whoever has more asks the server, which has pages.
const LISTED: u32 = 1_000;

pub(crate) async fn user(common: &Common, command: &UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::CreateAdmin { email, url, place } => {
            let store = open(common, place).await?;
            create_admin(&store, email, url, place.format).await
        }
        UserCommand::Link { user, url, place } => {
            let store = open(common, place).await?;
            let account = account(&store, user).await?;
            let link = LinkSecret::new();
            let expires_at = link_expiry(&store);
            let purpose = Purpose::Password(&account.id);
            let new = NewLink { digest: &link.digest(), purpose, expires_at };
            store.link_create(new, &Actor::command()).await?;
            say_link(&account, &link, url, place.format)
        }
        UserCommand::List { place } => {
            let store = open(common, place).await?;
            let accounts = store.account_list(None, LISTED).await?;
            show(place.format, accounts.iter().map(account_row))
        }
        UserCommand::Status { user, status, reason, place } => {
            let store = open(common, place).await?;
            let account = account(&store, user).await?;
            let changed =
                store.account_set_status(&account.id, *status, reason, &Actor::command()).await?;
            show(place.format, [account_row(&changed)])
        }
        UserCommand::Role { user, role, place } => {
            let store = open(common, place).await?;
            let account = account(&store, user).await?;
            let changed =
                store.account_set_platform_role(&account.id, role.0, &Actor::command()).await?;
            show(place.format, [account_row(&changed)])
        }
    }
}

pub(crate) async fn key(common: &Common, command: &KeyCommand) -> anyhow::Result<Exit> {
    match command {
        KeyCommand::Create { whose, name, scopes, place } => {
            let store = open(common, place).await?;
            let owner = owner(&store, whose).await?;
            let (id, secret) = (KeyId::new(Ulid::generate()), KeySecret::new());
            let scopes = united(scopes).to_string();
            let new = NewKey {
                id: &id,
                digest: &secret.digest(),
                prefix: secret.prefix(),
                name,
                owner: &owner,
                scopes: &scopes,
                created_by: None,
                expires_at: None,
            };
            let key = store.key_create(new, &Actor::command()).await?;
            output::print(&match place.format {
                Format::Human => format!("{}\n", secret.reveal()),
                Format::Json => {
                    let (_, mut shown) = key_row(&key);
                    shown["secret"] = json!(secret.reveal());
                    format!("{shown}\n")
                }
            })?;
            Ok(Exit::Done)
        }
        KeyCommand::List { whose, place } => {
            let store = open(common, place).await?;
            let owner = owner(&store, whose).await?;
            let keys = store.key_list(&owner, None, LISTED).await?;
            show(place.format, keys.iter().map(key_row))
        }
        KeyCommand::Revoke { key, place } => {
            let store = open(common, place).await?;
            let found = store.key_show(key).await?;
            let found = found.ok_or_else(|| Failed::new(format!("there is no key `{key}`")))?;
            store.key_revoke(&found, &Actor::command()).await?;
            Ok(Exit::Done)
        }
    }
}

pub(crate) async fn tenant(common: &Common, command: &TenantCommand) -> anyhow::Result<Exit> {
    match command {
        TenantCommand::Create { tenant, owner, display_name, quota, timezone, place } => {
            if let Some(problem) = name_problem(Kind::Tenant, tenant) {
                return Err(Failed::new(problem).exit(Exit::Usage).into());
            }
            let store = open(common, place).await?;
            let owner = match owner {
                Some(owner) => Some(account(&store, owner).await?.id),
                None => None,
            };
            let declared = Declared {
                id: tenant.clone(),
                quota: quota.clone(),
                timezone: timezone.clone(),
                owners: Vec::new(),
            };
            let display_name = display_name.as_deref().unwrap_or(tenant);
            let actor = Actor::command();
            let made = store.tenant_create(&declared, display_name, owner.as_ref(), &actor).await?;
            show(place.format, [tenant_row(&made)])
        }
        TenantCommand::List { place } => {
            let store = open(common, place).await?;
            let tenants = store.tenant_list(None, None, LISTED).await?;
            show(place.format, tenants.iter().map(tenant_row))
        }
    }
}

/// The database, ready to be written; a schema that is not ours is refused.
pub(crate) async fn open(common: &Common, place: &Where) -> anyhow::Result<Store> {
    Ok(Store::open_serving(&configured_database(&place.dir, common)?).await?)
}

async fn create_admin(
    store: &Store,
    email: &str,
    url: &str,
    format: Format,
) -> anyhow::Result<Exit> {
    let (id, link) = (AccountId::new(Ulid::generate()), LinkSecret::new());
    let platform_role = Some(PlatformRole::Admin);
    let new = NewAccount { id: &id, email, password_hash: None, platform_role };
    let actor = Actor::command();
    let made = store.account_invite(&new, &link.digest(), link_expiry(store), &actor).await?;
    say_link(&made, &link, url, format)
}

fn say_link(
    account: &Account,
    link: &LinkSecret,
    url: &str,
    format: Format,
) -> anyhow::Result<Exit> {
    let address = format!("{}/welcome#{}", url.trim_end_matches('/'), link.reveal());
    output::print(&match format {
        Format::Human => {
            format!("{address}\nchooses the password of {}, once, within a day\n", account.email)
        }
        Format::Json => {
            let body =
                json!({ "user": account.id.as_str(), "url": address, "link": link.reveal() });
            format!("{body}\n")
        }
    })?;
    Ok(Exit::Done)
}

fn link_expiry(store: &Store) -> jiff::Timestamp {
    let expiry = store.now().checked_add(SignedDuration::from_hours(LINK_HOURS));
    expiry.unwrap_or(jiff::Timestamp::MAX)
}

async fn account(store: &Store, named: &str) -> anyhow::Result<Account> {
    let found = match named.parse::<AccountId>() {
        Ok(id) => store.account_show(&id).await?,
        Err(_) => store.account_find(named).await?,
    };
    let hint = "`lessor user list` shows all of them";
    Ok(found.ok_or_else(|| Failed::new(format!("there is no account `{named}`")).hint(hint))?)
}

async fn owner(store: &Store, whose: &Whose) -> anyhow::Result<KeyOwner> {
    if whose.platform_admin {
        return Ok(KeyOwner::Platform(PlatformRole::Admin));
    }
    if let Some(role) = whose.platform {
        return Ok(KeyOwner::Platform(role));
    }
    if let Some(user) = &whose.user {
        return Ok(KeyOwner::Account(account(store, user).await?.id));
    }
    let named = whose.tenant.clone().unwrap_or_default();
    let hint = "`lessor tenant list` shows all of them";
    let found = store.tenant_show(&named).await?;
    let found =
        found.ok_or_else(|| Failed::new(format!("there is no tenant `{named}`")).hint(hint))?;
    Ok(KeyOwner::Tenant(found.id))
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

/// A line for people, and the same for programs.
type Row = (Vec<String>, Value);

fn account_row(account: &Account) -> Row {
    let role = account.platform_role.map(PlatformRole::as_str);
    let cells = [account.id.as_str(), &account.email, account.status.as_str(), role.unwrap_or("")];
    let value = json!({
        "id": account.id.as_str(),
        "email": account.email,
        "email_confirmed": account.confirmed,
        "status": account.status.as_str(),
        "platform_role": role,
        "created_at": account.created_at.to_string(),
    });
    (cells.map(str::to_owned).to_vec(), value)
}

fn key_row(key: &ApiKey) -> Row {
    let used = key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let cells = [key.id.as_str(), &format!("{}…", key.prefix), &key.scopes, &used, &key.name];
    let value = json!({
        "id": key.id.as_str(),
        "prefix": key.prefix,
        "name": key.name,
        "scopes": key.scopes.split_whitespace().collect::<Vec<_>>(),
        "created_at": key.created_at.to_string(),
        "expires_at": key.expires_at.map(|at| at.to_string()),
        "last_used_at": key.last_used_at.map(|at| at.to_string()),
    });
    (cells.map(str::to_owned).to_vec(), value)
}

fn tenant_row(tenant: &Tenant) -> Row {
    let quota = tenant.quota.as_deref().unwrap_or("no quota");
    let origin = tenant.origin.to_string();
    let cells = [&tenant.id, quota, &tenant.timezone, &origin, &tenant.display_name];
    let value = json!({
        "id": tenant.id,
        "display_name": tenant.display_name,
        "quota": tenant.quota,
        "timezone": tenant.timezone,
        "origin": origin,
        "created_at": tenant.created_at.to_string(),
    });
    (cells.map(str::to_owned).to_vec(), value)
}

/// Prints rows: columns for people, one object a line for programs.
pub(crate) fn show(format: Format, rows: impl IntoIterator<Item = Row>) -> anyhow::Result<Exit> {
    let rows: Vec<_> = rows.into_iter().collect();
    let text = match format {
        Format::Json => lines(&rows),
        Format::Human => columns(&rows),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn lines(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, (_, value)| {
        let _ = writeln!(text, "{value}");
        text
    })
}

fn columns(rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for (cells, _) in rows {
        let cells = cells.iter().enumerate();
        let line: Vec<_> = cells.map(|(at, cell)| format!("{cell:0$}", width(at))).collect();
        let _ = writeln!(text, "{}", lessor_specs::visible(line.join("  ").trim_end()));
    }
    text
}
