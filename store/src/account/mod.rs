//! Who may do what: people, tenants, and what they show to be let in.

mod attempt;
mod key;
mod link;
mod member;
mod role;
mod session;
mod tenant;
mod token;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::error::ErrorKind;
use sqlx::{Any, Transaction};

use crate::audit::{Actor, AuditEvent};
use crate::row::{self, Columns, Misread};
use crate::{AccountId, Store, StoreError};

pub use attempt::{Attempts, Refusal};
pub use key::{ApiKey, KeyOwner, NewKey};
pub use link::{Invitation, NewLink, Purpose};
pub use member::Member;
pub use role::{PlatformRole, Role, Status};
pub use session::{NewSession, Session, Visitor};
pub use tenant::{Declared, NewTenant, Origin, Tenant};
pub use token::{NewTokens, Refreshed};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its mail address, in lower case.
    pub email: String,
    /// Whether somebody who reads mail at that address has shown it.
    pub confirmed: bool,
    /// Whether it may be used.
    pub status: Status,
    /// What it may do beyond its own tenants.
    pub platform_role: Option<PlatformRole>,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// A person to be.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its id.
    pub id: &'a AccountId,
    /// Its mail address; the case of letters does not count.
    pub email: &'a str,
    /// As argon2 writes it; `None` until somebody chooses one by a link.
    pub password_hash: Option<&'a str>,
    /// What it may do beyond its own tenants.
    pub platform_role: Option<PlatformRole>,
}

impl Account {
    /// Reads a row of `account`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Account {
            id: row::parsed(row, "id")?,
            email: row::text(row, "email")?,
            confirmed: row::number(row, "confirmed")? == 1,
            status: row::parsed(row, "status")?,
            platform_role: row::parsed_optional(row, "platform_role")?,
            created_at: row::time(row, "created_at")?,
            version: row::number(row, "version")?,
        })
    }
}

impl Store {
    /// Makes an account, which may be used at once.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the mail address has one.
    pub async fn account_create(
        &self,
        new: &NewAccount<'_>,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let mut work = self.begin().await?;
        let account = self.account_insert(&mut work, new, actor).await?;
        self.commit(work).await?;
        Ok(account)
    }

    /// Makes an account and a tenant that belongs to it, or neither.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the mail address has an account, or the tenant's name is taken.
    pub async fn account_create_with(
        &self,
        new: &NewAccount<'_>,
        tenant: NewTenant<'_>,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let mut work = self.begin().await?;
        let account = self.account_insert(&mut work, new, actor).await?;
        self.tenant_make(&mut work, tenant, Some(new.id), actor).await?;
        self.commit(work).await?;
        Ok(account)
    }

    /// An account; `None` when there is none.
    pub async fn account_show(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let found = sqlx::query("SELECT * FROM account WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, Account::read)
    }

    /// The account of a mail address; `None` when there is none.
    pub async fn account_find(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let found = sqlx::query("SELECT * FROM account WHERE email = $1")
            .bind(email.to_ascii_lowercase())
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, Account::read)
    }

    /// Accounts in the order they were made, from behind `after`.
    pub async fn account_list(
        &self,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query("SELECT * FROM account WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after.map_or("", AccountId::as_str))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await;
        self.read_all(rows, Account::read)
    }

    /// What a password of the account is held against; `None` when it has none.
    pub async fn account_password(&self, id: &AccountId) -> Result<Option<String>, StoreError> {
        let found = sqlx::query("SELECT password_hash FROM account WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.pool())
            .await;
        Ok(self.read_optional(found, |row: &AnyRow| row.text("password_hash"))?.flatten())
    }

    /// Stores a password. Every session but `keep` ends, since whoever had the old one may have
    /// been somebody else.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such account.
    pub async fn account_set_password(
        &self,
        id: &AccountId,
        password_hash: &str,
        keep: Option<&crate::SessionId>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.account_write_password(&mut work, id, password_hash, false).await?;
        self.session_revoke_of(&mut work, id, keep).await?;
        self.account_audit(&mut work, "account.password", id, json!({}), actor).await?;
        self.commit(work).await
    }

    /// Stores another mail address, which nobody has confirmed yet.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when another account has it, [`StoreError::Outdated`] when the
    /// account is not at `version` any more.
    pub async fn account_set_email(
        &self,
        id: &AccountId,
        email: &str,
        version: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE account SET email = $1, confirmed = 0, version = version + 1
             WHERE id = $2 AND version = $3",
        )
        .bind(email.to_ascii_lowercase())
        .bind(id.as_str())
        .bind(version)
        .execute(&mut *work)
        .await
        .map_err(|error| self.unless_exists(&error, "an account with this mail address"))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Outdated { what: id.to_string() });
        }
        // A link that was sent to the old address leads nowhere.
        self.link_delete_of(&mut work, id).await?;
        self.account_audit(&mut work, "account.email", id, json!({}), actor).await?;
        self.commit(work).await
    }

    /// Says whether an account may be used. One that may not loses its sessions and every key it
    /// made, at once and for good.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such account.
    pub async fn account_set_status(
        &self,
        id: &AccountId,
        status: Status,
        reason: &str,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let mut work = self.begin().await?;
        let changed =
            sqlx::query("UPDATE account SET status = $1, version = version + 1 WHERE id = $2")
                .bind(status.as_str())
                .bind(id.as_str())
                .execute(&mut *work)
                .await
                .map_err(|error| self.error(&error))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Absent { what: id.to_string() });
        }
        if status != Status::Active {
            self.session_revoke_of(&mut work, id, None).await?;
            self.key_revoke_of(&mut work, id).await?;
            self.link_delete_of(&mut work, id).await?;
        }
        let data = json!({ "status": status.as_str(), "reason": reason });
        self.account_audit(&mut work, "account.status", id, data, actor).await?;
        let account = self.account_within(&mut work, id).await?;
        self.commit(work).await?;
        Ok(account)
    }

    /// Says what an account may do beyond its own tenants.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no such account.
    pub async fn account_set_platform_role(
        &self,
        id: &AccountId,
        role: Option<PlatformRole>,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let mut work = self.begin().await?;
        let role = role.map(PlatformRole::as_str);
        sqlx::query("UPDATE account SET platform_role = $1, version = version + 1 WHERE id = $2")
            .bind(role)
            .bind(id.as_str())
            .execute(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        let account = self.account_within(&mut work, id).await?;
        let data = json!({ "platform_role": role });
        self.account_audit(&mut work, "account.platform-role", id, data, actor).await?;
        self.commit(work).await?;
        Ok(account)
    }

    /// As [`Store::account_create`], within something larger.
    pub(crate) async fn account_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        new: &NewAccount<'_>,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        sqlx::query(
            "INSERT INTO account (id, email, confirmed, password_hash, status, platform_role,
                                  created_at, version)
             VALUES ($1, $2, 0, $3, 'active', $4, $5, 1)",
        )
        .bind(new.id.as_str())
        .bind(new.email.to_ascii_lowercase())
        .bind(new.password_hash)
        .bind(new.platform_role.map(PlatformRole::as_str))
        .bind(self.now().as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| self.unless_exists(&error, "an account with this mail address"))?;
        let data = json!({ "platform_role": new.platform_role.map(PlatformRole::as_str) });
        self.account_audit(work, "account.create", new.id, data, actor).await?;
        self.account_within(work, new.id).await
    }

    /// An account, as a transaction sees it.
    pub(crate) async fn account_within(
        &self,
        work: &mut Transaction<'static, Any>,
        id: &AccountId,
    ) -> Result<Account, StoreError> {
        let found = sqlx::query("SELECT * FROM account WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut **work)
            .await;
        let found = self.read_optional(found, Account::read)?;
        found.ok_or_else(|| StoreError::Absent { what: id.to_string() })
    }

    /// Keeps an account as it is until the end of the transaction.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is none that may be used.
    pub(crate) async fn account_lock_active(
        &self,
        work: &mut Transaction<'static, Any>,
        id: &AccountId,
    ) -> Result<(), StoreError> {
        let lock = "UPDATE account SET version = version WHERE id = $1 AND status = 'active'";
        let locked = sqlx::query(lock).bind(id.as_str()).execute(&mut **work).await;
        let locked = locked.map_err(|error| self.error(&error))?;
        if locked.rows_affected() == 0 {
            return Err(StoreError::Absent { what: id.to_string() });
        }
        Ok(())
    }

    /// Stores a password; `confirmed` when a link that was sent to the address led here.
    pub(crate) async fn account_write_password(
        &self,
        work: &mut Transaction<'static, Any>,
        id: &AccountId,
        password_hash: &str,
        confirmed: bool,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query(
            "UPDATE account SET password_hash = $1, version = version + 1,
                    confirmed = CASE WHEN $2 = 1 THEN 1 ELSE confirmed END
             WHERE id = $3",
        )
        .bind(password_hash)
        .bind(i64::from(confirmed))
        .bind(id.as_str())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Absent { what: id.to_string() });
        }
        Ok(())
    }

    async fn account_audit(
        &self,
        work: &mut Transaction<'static, Any>,
        action: &'static str,
        id: &AccountId,
        data: serde_json::Value,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let target = id.to_string();
        let event = AuditEvent { actor: actor.clone(), action, tenant: None, target, data };
        self.audit_insert(work, event).await
    }

    /// What an error of an insertion means, where only one may have a name.
    pub(crate) fn unless_exists(&self, error: &sqlx::Error, what: &str) -> StoreError {
        let found = error.as_database_error().map(sqlx::error::DatabaseError::kind);
        match found {
            Some(ErrorKind::UniqueViolation) => StoreError::Exists { what: what.to_owned() },
            _ => self.error(error),
        }
    }

    /// Reads a row that may be missing.
    pub(crate) fn read_optional<T>(
        &self,
        found: Result<Option<AnyRow>, sqlx::Error>,
        read: impl Fn(&AnyRow) -> Result<T, Misread>,
    ) -> Result<Option<T>, StoreError> {
        let found = found.map_err(|error| self.error(&error))?;
        let read = found.as_ref().map(read).transpose();
        read.map_err(|error| self.error(&error.into()))
    }

    /// Reads every row.
    pub(crate) fn read_all<T>(
        &self,
        found: Result<Vec<AnyRow>, sqlx::Error>,
        read: impl Fn(&AnyRow) -> Result<T, Misread>,
    ) -> Result<Vec<T>, StoreError> {
        let found = found.map_err(|error| self.error(&error))?;
        let read = found.iter().map(read).collect::<Result<_, _>>();
        read.map_err(|error| self.error(&error.into()))
    }
}
