//! Who belongs to a tenant, and as what.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;
use sqlx::{Any, Transaction};

use super::{Declared, Role};
use crate::audit::Actor;
use crate::row::{self, Columns, Misread};
use crate::{AccountId, Store, StoreError};

/// A person in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The tenant.
    pub tenant: String,
    /// The person.
    pub account: AccountId,
    /// Their mail address.
    pub email: String,
    /// What they may do there.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

impl Member {
    /// Reads a row of `member`, joined with the address of its account.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Member {
            tenant: row::text(row, "tenant")?,
            account: row::parsed(row, "account")?,
            email: row::text(row, "email")?,
            role: row::parsed(row, "role")?,
            created_at: row::time(row, "created_at")?,
        })
    }
}

impl Store {
    /// What somebody is in a tenant; `None` when they are not in it, or when there is none.
    pub async fn member_role(
        &self,
        tenant: &str,
        account: &AccountId,
    ) -> Result<Option<Role>, StoreError> {
        let found = sqlx::query("SELECT role FROM member WHERE tenant = $1 AND account = $2")
            .bind(tenant.to_owned())
            .bind(account.as_str())
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, |row| row::parsed(row, "role"))
    }

    /// The members of a tenant, from behind `after`.
    pub async fn member_list(
        &self,
        tenant: &str,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let rows = sqlx::query(
            "SELECT member.tenant, member.account, member.role, member.created_at, account.email
             FROM member JOIN account ON account.id = member.account
             WHERE member.tenant = $1 AND member.account > $2 ORDER BY member.account LIMIT $3",
        )
        .bind(tenant.to_owned())
        .bind(after.map_or("", AccountId::as_str))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await;
        self.read_all(rows, Member::read)
    }

    /// Gives somebody another role.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when they are no member, [`StoreError::LastOwner`] when nobody would
    /// be left to decide.
    pub async fn member_set(
        &self,
        tenant: &str,
        account: &AccountId,
        role: Role,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.tenant_lock(&mut work, tenant).await?;
        let changed = sqlx::query("UPDATE member SET role = $1 WHERE tenant = $2 AND account = $3")
            .bind(role.as_str())
            .bind(tenant.to_owned())
            .bind(account.as_str())
            .execute(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Absent { what: account.to_string() });
        }
        self.member_check_owner(&mut work, tenant).await?;
        let data = json!({ "account": account.as_str(), "role": role.as_str() });
        self.tenant_audit(&mut work, "member.role", tenant, data, actor).await?;
        self.commit(work).await
    }

    /// Takes somebody out of a tenant.
    ///
    /// # Errors
    /// As [`Store::member_set`].
    pub async fn member_remove(
        &self,
        tenant: &str,
        account: &AccountId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        self.tenant_lock(&mut work, tenant).await?;
        let removed = sqlx::query("DELETE FROM member WHERE tenant = $1 AND account = $2")
            .bind(tenant.to_owned())
            .bind(account.as_str())
            .execute(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::Absent { what: account.to_string() });
        }
        self.member_check_owner(&mut work, tenant).await?;
        // They know the keys they made for it.
        self.key_revoke_made(&mut work, tenant, account).await?;
        let data = json!({ "account": account.as_str() });
        self.tenant_audit(&mut work, "member.remove", tenant, data, actor).await?;
        self.commit(work).await
    }

    /// Makes somebody a member, and answers whether they were not one with as much to say before.
    pub(crate) async fn member_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &str,
        account: &AccountId,
        role: Role,
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO member (tenant, account, role, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, account) DO NOTHING",
        )
        .bind(tenant.to_owned())
        .bind(account.as_str())
        .bind(role.as_str())
        .bind(self.now().as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(inserted.rows_affected() > 0)
    }

    /// Makes the owners that files name members, where they have shown that they are who they say.
    pub(crate) async fn member_declare(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &Declared,
    ) -> Result<bool, StoreError> {
        let mut is_new = false;
        for owner in &tenant.owners {
            let found = sqlx::query("SELECT id FROM account WHERE email = $1 AND confirmed = 1")
                .bind(owner.to_ascii_lowercase())
                .fetch_optional(&mut **work)
                .await;
            let Some(account) = self.read_optional(found, |row| row::parsed(row, "id"))? else {
                continue;
            };
            if self.member_insert(work, &tenant.id, &account, Role::Owner).await? {
                let data = json!({ "account": account.as_str(), "role": "owner" });
                let actor = Actor::lessor();
                self.tenant_audit(work, "member.declare", &tenant.id, data, &actor).await?;
                is_new = true;
            }
        }
        Ok(is_new)
    }

    /// Nobody else changes the members of a tenant until the end of the transaction.
    async fn tenant_lock(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &str,
    ) -> Result<(), StoreError> {
        let locked = sqlx::query("UPDATE tenant SET version = version + 1 WHERE id = $1")
            .bind(tenant.to_owned())
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        if locked.rows_affected() == 0 {
            return Err(StoreError::Absent { what: tenant.to_owned() });
        }
        Ok(())
    }

    async fn member_check_owner(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &str,
    ) -> Result<(), StoreError> {
        let found = sqlx::query(
            "SELECT count(*) AS found FROM member WHERE tenant = $1 AND role = 'owner'",
        )
        .bind(tenant.to_owned())
        .fetch_optional(&mut **work)
        .await;
        match self.read_optional(found, |row| row::number(row, "found"))? {
            Some(1..) => Ok(()),
            _ => Err(StoreError::LastOwner { tenant: tenant.to_owned() }),
        }
    }
}
