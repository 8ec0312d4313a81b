//! What was given out of a pool: ports, subnets, hosts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_plans::{Claim, ClaimKey};
use lessor_specs::Address;
use sqlx::any::AnyRow;
use sqlx::error::ErrorKind;
use sqlx::{Any, Executor, Transaction};

use crate::row::{self, Misread};
use crate::{Store, StoreError};

impl Store {
    /// Everything that is given out.
    pub async fn claim_list(&self) -> Result<BTreeMap<ClaimKey, Claim>, StoreError> {
        self.claim_list_by(self.pool()).await
    }

    pub(crate) async fn claim_list_by<'c>(
        &self,
        by: impl Executor<'c, Database = Any>,
    ) -> Result<BTreeMap<ClaimKey, Claim>, StoreError> {
        let rows = sqlx::query("SELECT pool, holder, value FROM claim")
            .fetch_all(by)
            .await
            .map_err(|error| self.error(&error))?;
        let claims = rows.iter().map(read).collect::<Result<_, Misread>>();
        claims.map_err(|error| self.error(&error.into()))
    }

    /// What is given out to one address, or to parts of it: `instance.acme/lobby:25565/tcp`.
    pub async fn claim_of(
        &self,
        address: &Address,
    ) -> Result<BTreeMap<ClaimKey, Claim>, StoreError> {
        let (whole, part) = (address.to_string(), format!("{address}:"));
        let rows = sqlx::query(
            "SELECT pool, holder, value FROM claim
             WHERE holder = $1 OR substr(holder, 1, length($2)) = $2",
        )
        .bind(whole)
        .bind(part)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let claims = rows.iter().map(read).collect::<Result<_, Misread>>();
        claims.map_err(|error| self.error(&error.into()))
    }

    /// Everything that is given out of one pool, by who has it.
    pub async fn claim_list_in(&self, pool: &str) -> Result<BTreeMap<String, Claim>, StoreError> {
        let rows = sqlx::query("SELECT holder, value FROM claim WHERE pool = $1")
            .bind(pool)
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let claim = |row: &AnyRow| Ok((row::text(row, "holder")?, row::text(row, "value")?));
        let claims = rows.iter().map(claim).collect::<Result<_, Misread>>();
        claims.map_err(|error| self.error(&error.into()))
    }

    /// What is given out to one; `None` when nothing is.
    pub async fn claim_show(&self, key: &ClaimKey) -> Result<Option<Claim>, StoreError> {
        let found = sqlx::query("SELECT value FROM claim WHERE pool = $1 AND holder = $2")
            .bind(&key.pool)
            .bind(&key.holder)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let claim = found.map(|row| row::text(&row, "value")).transpose();
        claim.map_err(|error| self.error(&error.into()))
    }

    /// Since when something is given out; `None` when it is not.
    pub async fn claim_since(&self, key: &ClaimKey) -> Result<Option<Timestamp>, StoreError> {
        let found = sqlx::query("SELECT at FROM claim WHERE pool = $1 AND holder = $2")
            .bind(&key.pool)
            .bind(&key.holder)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let since = found.map(|row| row::time(&row, "at")).transpose();
        since.map_err(|error| self.error(&error.into()))
    }

    /// Gives out `claims`, where a holder may get something else than it had.
    pub(crate) async fn claim_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        claims: &BTreeMap<ClaimKey, Claim>,
    ) -> Result<(), StoreError> {
        // All go before any comes, so that two holders may swap.
        self.claim_delete(work, claims.keys()).await?;
        let at = self.now().as_microsecond();
        for (key, value) in claims {
            let sole = (!key.is_shared()).then_some(value.as_str());
            sqlx::query(
                "INSERT INTO claim (pool, holder, value, sole, at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&key.pool)
            .bind(&key.holder)
            .bind(value)
            .bind(sole)
            .bind(at)
            .execute(&mut **work)
            .await
            .map_err(|error| self.claim_error(&error, key, value))?;
        }
        Ok(())
    }

    pub(crate) async fn claim_delete(
        &self,
        work: &mut Transaction<'static, Any>,
        keys: impl IntoIterator<Item = &ClaimKey>,
    ) -> Result<(), StoreError> {
        for key in keys {
            sqlx::query("DELETE FROM claim WHERE pool = $1 AND holder = $2")
                .bind(&key.pool)
                .bind(&key.holder)
                .execute(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    fn claim_error(&self, error: &sqlx::Error, key: &ClaimKey, value: &Claim) -> StoreError {
        let taken = error
            .as_database_error()
            .is_some_and(|error| error.kind() == ErrorKind::UniqueViolation);
        if taken {
            return StoreError::ClaimTaken { key: key.clone(), value: value.clone() };
        }
        self.error(error)
    }
}

fn read(row: &AnyRow) -> Result<(ClaimKey, Claim), Misread> {
    let key = ClaimKey { pool: row::text(row, "pool")?, holder: row::text(row, "holder")? };
    Ok((key, row::text(row, "value")?))
}
