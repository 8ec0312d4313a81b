//! What can be used once: to choose a password, or to join a tenant.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::{Account, NewAccount, Role};
use crate::audit::{Actor, AuditEvent};
use crate::row::{self, Columns, Misread};
use crate::{AccountId, SecretDigest, Store, StoreError};

/// What a link is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Choosing the password of an account.
    Password(&'a AccountId),
    /// Joining a tenant.
    Invitation(&'a str, Role),
}

/// A link to be.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// Of what is in the link.
    pub digest: &'a SecretDigest,
    /// What it is for.
    pub purpose: Purpose<'a>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// What somebody is invited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The tenant.
    pub tenant: String,
    /// As what.
    pub role: Role,
}

impl Invitation {
    /// Reads a row of `one_time_link` that is one.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Invitation { tenant: row::text(row, "tenant")?, role: row::parsed(row, "role")? })
    }
}

impl Store {
    /// Remembers a link.
    pub async fn link_create(&self, new: NewLink<'_>, actor: &Actor) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.link_insert(&mut work, new, actor).await?;
        self.commit(work).await
    }

    /// Makes an account that has no password yet, and the link to choose one.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the mail address has one.
    pub async fn account_invite(
        &self,
        new: &NewAccount<'_>,
        link: &SecretDigest,
        expires_at: Timestamp,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let mut work = self.begin().await?;
        let account = self.account_insert(&mut work, new, actor).await?;
        let link = NewLink { digest: link, purpose: Purpose::Password(new.id), expires_at };
        self.link_insert(&mut work, link, actor).await?;
        self.commit(work).await?;
        Ok(account)
    }

    /// Uses a link to choose a password; `None` when there is none such, or not any more. Every
    /// session of the account ends.
    pub async fn link_use_password(
        &self,
        link: &SecretDigest,
        password_hash: &str,
    ) -> Result<Option<Account>, StoreError> {
        let mut work = self.begin().await?;
        let found = self.link_take(&mut work, link, "password").await?;
        let account = self.read_optional(Ok(found), |row| row::parsed(row, "account"))?;
        let Some(account) = account else { return Ok(None) };
        self.account_write_password(&mut work, &account, password_hash, true).await?;
        self.session_revoke_of(&mut work, &account, None).await?;
        let event = AuditEvent {
            actor: Actor::account(&account),
            action: "account.password",
            tenant: None,
            target: account.to_string(),
            data: json!({ "link": true }),
        };
        self.audit_insert(&mut work, event).await?;
        let account = self.account_within(&mut work, &account).await?;
        self.commit(work).await?;
        Ok(Some(account))
    }

    /// Uses a link to join a tenant; `None` when there is none such, or not any more. Who is a
    /// member already keeps their role.
    pub async fn link_use_invitation(
        &self,
        link: &SecretDigest,
        account: &AccountId,
    ) -> Result<Option<Invitation>, StoreError> {
        let mut work = self.begin().await?;
        let joined = self.link_join(&mut work, link, account).await?;
        if joined.is_some() {
            self.commit(work).await?;
        }
        Ok(joined)
    }

    async fn link_join(
        &self,
        work: &mut Transaction<'static, Any>,
        link: &SecretDigest,
        account: &AccountId,
    ) -> Result<Option<Invitation>, StoreError> {
        let found = self.link_take(work, link, "invitation").await?;
        let Some(invitation) = self.read_optional(Ok(found), Invitation::read)? else {
            return Ok(None);
        };
        self.member_insert(work, &invitation.tenant, account, invitation.role).await?;
        let data = json!({ "account": account.as_str(), "role": invitation.role.as_str() });
        let actor = Actor::account(account);
        self.tenant_audit(work, "member.join", &invitation.tenant, data, &actor).await?;
        Ok(Some(invitation))
    }

    /// Makes an account for somebody who was invited, and makes it a member; `None` when there is no
    /// such invitation, or not any more.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the mail address has an account.
    pub async fn account_create_invited(
        &self,
        new: &NewAccount<'_>,
        link: &SecretDigest,
        actor: &Actor,
    ) -> Result<Option<Account>, StoreError> {
        let mut work = self.begin().await?;
        let account = self.account_insert(&mut work, new, actor).await?;
        let joined = self.link_join(&mut work, link, new.id).await?;
        if joined.is_none() {
            // Nothing is kept of it.
            return Ok(None);
        }
        self.commit(work).await?;
        Ok(Some(account))
    }

    /// Takes away the links of an account.
    pub(crate) async fn link_delete_of(
        &self,
        work: &mut Transaction<'static, Any>,
        account: &AccountId,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM one_time_link WHERE account = $1")
            .bind(account.as_str())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn link_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        new: NewLink<'_>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let (purpose, account, tenant, role) = match new.purpose {
            Purpose::Password(account) => ("password", Some(account.as_str()), None, None),
            Purpose::Invitation(tenant, role) => {
                ("invitation", None, Some(tenant), Some(role.as_str()))
            }
        };
        sqlx::query(
            "INSERT INTO one_time_link (hash, purpose, account, tenant, role, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(new.digest.as_str())
        .bind(purpose)
        .bind(account)
        .bind(tenant)
        .bind(role)
        .bind(self.now().as_microsecond())
        .bind(new.expires_at.as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let event = AuditEvent {
            actor: actor.clone(),
            action: "link.create",
            tenant: tenant.map(str::to_owned),
            target: account.or(tenant).unwrap_or("").to_owned(),
            data: json!({ "purpose": purpose, "role": role }),
        };
        self.audit_insert(work, event).await
    }

    /// Marks a link as used; of two that come at once, only one gets it.
    async fn link_take(
        &self,
        work: &mut Transaction<'static, Any>,
        link: &SecretDigest,
        purpose: &str,
    ) -> Result<Option<sqlx::any::AnyRow>, StoreError> {
        sqlx::query(
            "UPDATE one_time_link SET used_at = $1
             WHERE hash = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $1
             RETURNING account, tenant, role",
        )
        .bind(self.now().as_microsecond())
        .bind(link.as_str())
        .bind(purpose.to_owned())
        .fetch_optional(&mut **work)
        .await
        .map_err(|error| self.error(&error))
    }
}
