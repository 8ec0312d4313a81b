//! Accounts, keys and tenants in a database.

use std::collections::BTreeMap;

use lessor_server::KeySecret;
use lessor_server::shown::{KeyShown, Tenant, User};
use lessor_store::{
    Account, AccountId, Actor, Declared, KeyId, KeyOwner, NewKey as Key, PlatformRole, Status,
    Store,
};
use serde_json::Value;
use ulid::Ulid;

use super::{NewKey, NewTenant, People};
use crate::administration::Whose;
use crate::exit::Failed;
use crate::keeper::{LISTED, value};

impl People for Store {
    async fn accounts(&self) -> anyhow::Result<Vec<Value>> {
        let accounts = self.account_list(None, LISTED).await?;
        Ok(accounts.iter().map(|account| value(&User::of(account))).collect())
    }

    async fn set_status(&self, user: &str, status: Status, reason: &str) -> anyhow::Result<Value> {
        let account = account(self, user).await?;
        let actor = Actor::command();
        let changed = self.account_set_status(&account.id, status, reason, &actor).await?;
        Ok(value(&User::of(&changed)))
    }

    async fn set_role(&self, user: &str, role: Option<PlatformRole>) -> anyhow::Result<Value> {
        let account = account(self, user).await?;
        let changed = self.account_set_platform_role(&account.id, role, &Actor::command()).await?;
        Ok(value(&User::of(&changed)))
    }

    async fn make_key(&self, whose: &Whose, new: &NewKey<'_>) -> anyhow::Result<(String, Value)> {
        let owner = owner(self, whose).await?;
        let (id, secret) = (KeyId::new(Ulid::generate()), KeySecret::new());
        let key = Key {
            id: &id,
            digest: &secret.digest(),
            prefix: secret.prefix(),
            name: new.name,
            owner: &owner,
            scopes: &new.scopes.to_string(),
            created_by: None,
            expires_at: None,
        };
        let key = self.key_create(key, &Actor::command()).await?;
        Ok((secret.reveal().to_owned(), value(&KeyShown::of(&key))))
    }

    async fn keys(&self, whose: &Whose) -> anyhow::Result<Vec<Value>> {
        let owner = owner(self, whose).await?;
        let keys = self.key_list(&owner, None, LISTED).await?;
        Ok(keys.iter().map(|key| value(&KeyShown::of(key))).collect())
    }

    async fn end_key(&self, key: &KeyId) -> anyhow::Result<()> {
        let found = self.key_show(key).await?;
        let found = found.ok_or_else(|| Failed::new(format!("there is no key `{key}`")))?;
        self.key_revoke(&found, &Actor::command()).await?;
        Ok(())
    }

    async fn make_tenant(&self, new: &NewTenant<'_>) -> anyhow::Result<Value> {
        let owner = match new.owner {
            Some(owner) => Some(account(self, owner).await?.id),
            None => None,
        };
        let declared = Declared {
            id: new.id.to_owned(),
            quota: new.quota.map(str::to_owned),
            timezone: new.timezone.to_owned(),
            owners: Vec::new(),
            credit: BTreeMap::new(),
        };
        let (display_name, actor) = (new.display_name.unwrap_or(new.id), Actor::command());
        let made = self.tenant_create(&declared, display_name, owner.as_ref(), &actor).await?;
        Ok(value(&Tenant::of(&made)))
    }

    async fn tenants(&self) -> anyhow::Result<Vec<Value>> {
        let tenants = self.tenant_list(None, None, LISTED).await?;
        Ok(tenants.iter().map(|tenant| value(&Tenant::of(tenant))).collect())
    }
}

/// An account, by its id or its mail address.
pub(super) async fn account(store: &Store, named: &str) -> anyhow::Result<Account> {
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
