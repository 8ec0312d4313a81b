//! Who rents.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_specs::{Currency, Money};
use serde_json::json;
use sqlx::{Any, Transaction};

use super::Role;
use crate::audit::{Actor, AuditEvent};
use crate::row::{self, Columns, Misread};
use crate::{AccountId, Store, StoreError};

/// Somebody who rents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name, as in `acme/lobby`.
    pub id: String,
    /// What people call it.
    pub display_name: String,
    /// The quota that limits it; `None` when nothing does.
    pub quota: Option<String>,
    /// Where its months begin.
    pub timezone: String,
    /// Who says so.
    pub origin: Origin,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
}

/// Who says that there is a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator's files, and what stands there cannot be changed elsewhere.
    File,
    /// Somebody over the API.
    Api,
}

/// A tenant as the operator's files declare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub id: String,
    /// The quota that limits it.
    pub quota: Option<String>,
    /// Where its months begin.
    pub timezone: String,
    /// Mail addresses of people it belongs to.
    pub owners: Vec<String>,
    /// How far its balance may go below zero, by currency.
    pub credit: BTreeMap<Currency, Money>,
}

/// A tenant to be.
#[derive(Clone, Copy, Debug)]
pub struct NewTenant<'a> {
    /// What it is called, and what limits it.
    pub tenant: &'a Declared,
    /// What people call it.
    pub display_name: &'a str,
    /// The offer of the order that comes with it.
    pub welcome: Option<&'a str>,
}

impl Tenant {
    /// Reads a row of `tenant`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Tenant {
            id: row::text(row, "id")?,
            display_name: row::text(row, "display_name")?,
            quota: row.text("quota")?,
            timezone: row::text(row, "timezone")?,
            origin: row::parsed(row, "origin")?,
            created_at: row::time(row, "created_at")?,
            version: row::number(row, "version")?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::File => "file",
            Origin::Api => "api",
        })
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Origin::File),
            "api" => Ok(Origin::Api),
            other => Err(format!("`{other}` is no origin")),
        }
    }
}

impl Store {
    /// Makes a tenant, which belongs to `owner`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one of that name.
    pub async fn tenant_create(
        &self,
        tenant: &Declared,
        display_name: &str,
        owner: Option<&AccountId>,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let new = NewTenant { tenant, display_name, welcome: None };
        self.tenant_sign_up(new, owner, actor).await
    }

    /// Makes a tenant, with the order that comes with it.
    ///
    /// # Errors
    /// As of [`Store::tenant_create`].
    pub async fn tenant_sign_up(
        &self,
        new: NewTenant<'_>,
        owner: Option<&AccountId>,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let mut work = self.begin().await?;
        let created = self.tenant_make(&mut work, new, owner, actor).await?;
        self.commit(work).await?;
        Ok(created)
    }

    pub(super) async fn tenant_make(
        &self,
        work: &mut Transaction<'static, Any>,
        new: NewTenant<'_>,
        owner: Option<&AccountId>,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let NewTenant { tenant, display_name, welcome } = new;
        self.tenant_insert(work, tenant, display_name, Origin::Api)
            .await
            .map_err(|error| self.unless_exists(&error, "a tenant of this name"))?;
        if let Some(owner) = owner {
            self.member_insert(work, &tenant.id, owner, Role::Owner).await?;
        }
        if let Some(offer) = welcome {
            self.welcome_insert(work, &tenant.id, offer, actor).await?;
        }
        let data = json!({ "owner": owner.map(AccountId::as_str) });
        self.tenant_audit(work, "tenant.create", &tenant.id, data, actor).await?;
        self.tenant_within(work, &tenant.id).await
    }

    /// Takes over the tenants that files declare, and answers whether anything was new. One that
    /// was made over the API belongs to the files from then on and keeps its members; one that the
    /// files do not name any more stays, since its orders and its money do.
    ///
    /// Their owners become members as soon as there is an account with that mail address and
    /// somebody who reads mail there has shown it: to sign up with an address proves nothing.
    pub async fn tenant_declare(&self, declared: &[Declared]) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let mut is_new = false;
        for tenant in declared {
            is_new |= self.tenant_declare_one(&mut work, tenant).await?;
            is_new |= self.member_declare(&mut work, tenant).await?;
            is_new |= self.wallet_lines(&mut work, &tenant.id, &tenant.credit).await?;
        }
        self.commit(work).await?;
        Ok(is_new)
    }

    /// A tenant; `None` when there is none.
    pub async fn tenant_show(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        let found = sqlx::query("SELECT * FROM tenant WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(self.pool())
            .await;
        self.read_optional(found, Tenant::read)
    }

    /// Tenants in order of name, from behind `after`: all, or those an account is a member of.
    pub async fn tenant_list(
        &self,
        member: Option<&AccountId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Tenant>, StoreError> {
        let after = after.unwrap_or("").to_owned();
        let query = match member {
            Some(account) => sqlx::query(
                "SELECT tenant.* FROM tenant JOIN member ON member.tenant = tenant.id
                 WHERE member.account = $1 AND tenant.id > $2 ORDER BY tenant.id LIMIT $3",
            )
            .bind(account.as_str()),
            None => sqlx::query("SELECT * FROM tenant WHERE id > $1 ORDER BY id LIMIT $2"),
        };
        let rows = query.bind(after).bind(i64::from(limit)).fetch_all(self.pool()).await;
        self.read_all(rows, Tenant::read)
    }

    /// Changes what people call a tenant, and where its months begin.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] when it is not at `version` any more.
    pub async fn tenant_update(
        &self,
        id: &str,
        version: i64,
        display_name: &str,
        timezone: &str,
        actor: &Actor,
    ) -> Result<Tenant, StoreError> {
        let mut work = self.begin().await?;
        // Whoever places orders reads anew where its months begin.
        self.placement_advance(&mut work).await?;
        let changed = sqlx::query(
            "UPDATE tenant SET display_name = $1, timezone = $2, version = version + 1
             WHERE id = $3 AND version = $4",
        )
        .bind(display_name.to_owned())
        .bind(timezone.to_owned())
        .bind(id.to_owned())
        .bind(version)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::Outdated { what: id.to_owned() });
        }
        let data = json!({ "timezone": timezone });
        self.tenant_audit(&mut work, "tenant.update", id, data, actor).await?;
        let tenant = self.tenant_within(&mut work, id).await?;
        self.commit(work).await?;
        Ok(tenant)
    }

    async fn tenant_declare_one(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &Declared,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "UPDATE tenant SET quota = $1, timezone = $2, origin = 'file', version = version + 1
             WHERE id = $3 AND (origin <> 'file' OR timezone <> $2
                                OR COALESCE(quota, '') <> COALESCE($1, ''))",
        )
        .bind(tenant.quota.clone())
        .bind(tenant.timezone.clone())
        .bind(tenant.id.clone())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let inserted = self
            .tenant_insert(work, tenant, &tenant.id, Origin::File)
            .await
            .map_err(|error| self.error(&error))?;
        let is_new = changed.rows_affected() + inserted > 0;
        if is_new {
            self.placement_advance(work).await?;
            let data = json!({ "quota": tenant.quota, "timezone": tenant.timezone });
            let actor = Actor::lessor();
            self.tenant_audit(work, "tenant.declare", &tenant.id, data, &actor).await?;
        }
        Ok(is_new)
    }

    /// Adds a tenant; one that files declare may be there already.
    async fn tenant_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        tenant: &Declared,
        display_name: &str,
        origin: Origin,
    ) -> Result<u64, sqlx::Error> {
        let insert = match origin {
            Origin::File => {
                "INSERT INTO tenant (id, display_name, quota, timezone, origin, created_at, version)
                 VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (id) DO NOTHING"
            }
            Origin::Api => {
                "INSERT INTO tenant (id, display_name, quota, timezone, origin, created_at, version)
                 VALUES ($1, $2, $3, $4, $5, $6, 1)"
            }
        };
        let inserted = sqlx::query(insert)
            .bind(tenant.id.clone())
            .bind(display_name.to_owned())
            .bind(tenant.quota.clone())
            .bind(tenant.timezone.clone())
            .bind(origin.to_string())
            .bind(self.now().as_microsecond())
            .execute(&mut **work)
            .await?;
        Ok(inserted.rows_affected())
    }

    async fn tenant_within(
        &self,
        work: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Tenant, StoreError> {
        let found = sqlx::query("SELECT * FROM tenant WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(&mut **work)
            .await;
        let found = self.read_optional(found, Tenant::read)?;
        found.ok_or_else(|| StoreError::Absent { what: id.to_owned() })
    }

    pub(crate) async fn tenant_audit(
        &self,
        work: &mut Transaction<'static, Any>,
        action: &'static str,
        id: &str,
        data: serde_json::Value,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            actor: actor.clone(),
            action,
            tenant: Some(id.to_owned()),
            target: id.to_owned(),
            data,
        };
        self.audit_insert(work, event).await
    }
}
