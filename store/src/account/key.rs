//! Keys of programs.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::{Account, PlatformRole};
use crate::audit::{Actor, AuditEvent};
use crate::row::{self, Columns, Misread};
use crate::{AccountId, KeyId, SecretDigest, Store, StoreError};

/// Whose a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A person's: it may do what they may.
    Account(AccountId),
    /// A tenant's: it may do what its members may, there.
    Tenant(String),
    /// The platform's.
    Platform(PlatformRole),
}

/// A key to be.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: &'a KeyId,
    /// Of the key itself.
    pub digest: &'a SecretDigest,
    /// What may be shown of it.
    pub prefix: &'a str,
    /// What people call it.
    pub name: &'a str,
    /// Whose it is.
    pub owner: &'a KeyOwner,
    /// What it may be used for: words, or `*` for all its owner may.
    pub scopes: &'a str,
    /// Who made it; `None` for a command.
    pub created_by: Option<&'a AccountId>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key, without what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What may be shown of it.
    pub prefix: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub owner: KeyOwner,
    /// What it may be used for.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, by the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Reads a row of `api_key`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(ApiKey {
            id: row::parsed(row, "id")?,
            prefix: row::text(row, "prefix")?,
            name: row::text(row, "name")?,
            owner: owner(row)?,
            scopes: row::text(row, "scopes")?,
            created_at: row::time(row, "created_at")?,
            expires_at: row::time_optional(row, "expires_at")?,
            last_used_at: row::time_optional(row, "last_used_at")?,
        })
    }
}

fn owner(row: &impl Columns) -> Result<KeyOwner, Misread> {
    if let Some(account) = row::parsed_optional(row, "account")? {
        return Ok(KeyOwner::Account(account));
    }
    match row.text("tenant")? {
        Some(tenant) => Ok(KeyOwner::Tenant(tenant)),
        None => Ok(KeyOwner::Platform(row::parsed(row, "platform_role")?)),
    }
}

impl KeyOwner {
    fn columns(&self) -> (Option<&str>, Option<&str>, Option<&'static str>) {
        match self {
            KeyOwner::Account(account) => (Some(account.as_str()), None, None),
            KeyOwner::Tenant(tenant) => (None, Some(tenant), None),
            KeyOwner::Platform(role) => (None, None, Some(role.as_str())),
        }
    }

    fn tenant(&self) -> Option<&str> {
        self.columns().1
    }
}

impl Store {
    /// Remembers a key.
    pub async fn key_create(&self, new: NewKey<'_>, actor: &Actor) -> Result<ApiKey, StoreError> {
        let mut work = self.begin().await?;
        if let Some(creator) = new.created_by {
            // A suspension that comes at the same moment finds the key, or the key finds it.
            self.account_lock_active(&mut work, creator).await?;
        }
        let (account, tenant, platform_role) = new.owner.columns();
        sqlx::query(
            "INSERT INTO api_key (id, hash, prefix, name, account, tenant, platform_role, scopes,
                                  created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(new.id.as_str())
        .bind(new.digest.as_str())
        .bind(new.prefix)
        .bind(new.name)
        .bind(account)
        .bind(tenant)
        .bind(platform_role)
        .bind(new.scopes)
        .bind(new.created_by.map(AccountId::as_str))
        .bind(self.now().as_microsecond())
        .bind(new.expires_at.map(Timestamp::as_microsecond))
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        let data =
            json!({ "account": account, "platform_role": platform_role, "scopes": new.scopes });
        self.key_audit(&mut work, "key.create", new.id, tenant, data, actor).await?;
        let found = sqlx::query("SELECT * FROM api_key WHERE id = $1")
            .bind(new.id.as_str())
            .fetch_optional(&mut *work)
            .await;
        let key = self.read_optional(found, ApiKey::read)?;
        self.commit(work).await?;
        key.ok_or_else(|| StoreError::Absent { what: new.id.to_string() })
    }

    /// The key that is shown, with its person if it is one's; `None` unless it is good and whoever
    /// made it may still be here.
    pub async fn key_find(
        &self,
        shown: &SecretDigest,
    ) -> Result<Option<(ApiKey, Option<Account>)>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM api_key
             WHERE hash = $1 AND revoked_at IS NULL AND COALESCE(expires_at, $2 + 1) > $2",
        )
        .bind(shown.as_str())
        .bind(self.now().as_microsecond())
        .fetch_optional(self.pool())
        .await;
        let Some(key) = self.read_optional(found, ApiKey::read)? else { return Ok(None) };
        let KeyOwner::Account(id) = &key.owner else { return Ok(Some((key, None))) };
        let account = self.account_show(id).await?;
        let account = account.filter(|account| account.status == super::Status::Active);
        Ok(account.map(|account| (key, Some(account))))
    }

    /// The keys of somebody that are good, from behind `after`.
    pub async fn key_list(
        &self,
        owner: &KeyOwner,
        after: Option<&KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let (account, tenant, _) = owner.columns();
        let select = match owner {
            KeyOwner::Account(_) => {
                "SELECT * FROM api_key WHERE account = $1 AND revoked_at IS NULL AND id > $2
                 ORDER BY id LIMIT $3"
            }
            KeyOwner::Tenant(_) => {
                "SELECT * FROM api_key WHERE tenant = $1 AND revoked_at IS NULL AND id > $2
                 ORDER BY id LIMIT $3"
            }
            KeyOwner::Platform(_) => {
                "SELECT * FROM api_key WHERE platform_role = $1 AND revoked_at IS NULL AND id > $2
                 ORDER BY id LIMIT $3"
            }
        };
        let rows = sqlx::query(select)
            .bind(account.or(tenant).or(owner.columns().2).unwrap_or("").to_owned())
            .bind(after.map_or("", KeyId::as_str))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await;
        self.read_all(rows, ApiKey::read)
    }

    /// A key, whosever it is; `None` when there is none, or not any more.
    pub async fn key_show(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let found = sqlx::query("SELECT * FROM api_key WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.as_str())
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, ApiKey::read)
    }

    /// Ends a key.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when it ended before.
    pub async fn key_revoke(&self, key: &ApiKey, actor: &Actor) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let revoked =
            sqlx::query("UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
                .bind(self.now().as_microsecond())
                .bind(key.id.as_str())
                .execute(&mut *work)
                .await
                .map_err(|error| self.error(&error))?;
        if revoked.rows_affected() == 0 {
            return Err(StoreError::Absent { what: key.id.to_string() });
        }
        let tenant = key.owner.tenant();
        self.key_audit(&mut work, "key.revoke", &key.id, tenant, json!({}), actor).await?;
        self.commit(work).await
    }

    /// Remembers when keys were last used.
    pub async fn key_seen(&self, seen: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        let mut work = self.begin().await?;
        for (id, at) in seen {
            sqlx::query(
                "UPDATE api_key SET last_used_at = $1
                 WHERE id = $2 AND COALESCE(last_used_at, 0) < $1",
            )
            .bind(at.as_microsecond())
            .bind(id.as_str())
            .execute(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        }
        self.commit(work).await
    }

    /// Ends every key that a person has or made.
    pub(crate) async fn key_revoke_of(
        &self,
        work: &mut Transaction<'static, Any>,
        account: &AccountId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE api_key SET revoked_at = $1
             WHERE (account = $2 OR created_by = $2) AND revoked_at IS NULL",
        )
        .bind(self.now().as_microsecond())
        .bind(account.as_str())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Ends every key that a person made for a tenant.
    pub(crate) async fn key_revoke_made(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &str,
        account: &AccountId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE api_key SET revoked_at = $1
             WHERE tenant = $2 AND created_by = $3 AND revoked_at IS NULL",
        )
        .bind(self.now().as_microsecond())
        .bind(tenant.to_owned())
        .bind(account.as_str())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn key_audit(
        &self,
        work: &mut Transaction<'static, Any>,
        action: &'static str,
        id: &KeyId,
        tenant: Option<&str>,
        data: serde_json::Value,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            actor: actor.clone(),
            action,
            tenant: tenant.map(str::to_owned),
            target: id.to_string(),
            data,
        };
        self.audit_insert(work, event).await
    }
}
