//! Money that people give: credit and refunds, once for each request, and put down to who gave it.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_specs::{Currency, Money};
use serde_json::{Value, json};

use super::{Account, Booking, BookingKind};
use crate::row;
use crate::work::Work;
use crate::{Actor, AuditEvent, Decline, RequestKey, Store, StoreError};

/// Who gives money, and why.
#[derive(Clone, Debug)]
pub struct Giving {
    /// What it is for, as the customer can read it.
    pub memo: String,
    /// What tells this request from others, so that it is carried out once however often it comes.
    pub key: Option<RequestKey>,
    /// Who gives.
    pub by: Actor,
}

/// Money that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    /// The transaction that moved it.
    pub id: String,
    /// Whether an earlier request with the same key gave it.
    pub repeated: bool,
}

impl Store {
    /// Gives a tenant credit, and pays what it owes out of that.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is moved then.
    pub async fn credit_give(
        &self,
        tenant: &str,
        (currency, amount): (Currency, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        if let Some(id) = self.key_take(&mut work, giving, now).await? {
            return Ok(Gift { id, repeated: true });
        }
        let wallet = Account::Wallet(tenant.to_owned());
        let booking = Booking::new(BookingKind::Credit, tenant, &giving.memo);
        let booking = booking.moving(Account::Payments, wallet, currency, amount);
        let id = self.ledger_insert(&mut work, &booking, now).await?;
        let data = json!({ "currency": currency, "amount": amount });
        self.gift_end(&mut work, tenant, &id, ("ledger.credit", data), giving).await?;
        self.commit(work).await?;
        self.usage_settle(tenant).await?;
        Ok(Gift { id, repeated: false })
    }

    /// Gives a tenant back a part of what a transaction of it charged.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is moved then.
    pub async fn refund_give(
        &self,
        tenant: &str,
        (charge, amount): (&str, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        if let Some(id) = self.key_take(&mut work, giving, now).await? {
            return Ok(Gift { id, repeated: true });
        }
        if self.ledger_find(&mut work, charge).await?.tenant != tenant {
            return Err(Decline::NoTransaction { id: charge.to_owned() }.into());
        }
        let id = self.refund_by(&mut work, charge, amount, &giving.memo, now).await?;
        let data = json!({ "charge": charge, "amount": amount });
        self.gift_end(&mut work, tenant, &id, ("ledger.refund", data), giving).await?;
        self.commit(work).await?;
        self.usage_settle(tenant).await?;
        Ok(Gift { id, repeated: false })
    }

    /// Takes the key of a request; what an earlier one with it did, if there was one.
    async fn key_take(
        &self,
        work: &mut Work,
        giving: &Giving,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let Some(RequestKey { scope, key, digest }) = &giving.key else { return Ok(None) };
        let found = async {
            let taken = sqlx::query(
                "INSERT INTO idempotency (scope, key, digest, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (scope, key) DO NOTHING",
            )
            .bind(scope)
            .bind(key)
            .bind(digest)
            .bind(now.as_microsecond())
            .execute(&mut **work)
            .await?;
            if taken.rows_affected() == 1 {
                return Ok(None);
            }
            let found =
                sqlx::query("SELECT digest, answer FROM idempotency WHERE scope = $1 AND key = $2")
                    .bind(scope)
                    .bind(key)
                    .fetch_one(&mut **work)
                    .await?;
            Ok(Some((row::text(&found, "digest")?, row::text(&found, "answer")?)))
        };
        let found = found.await.map_err(|error: sqlx::Error| self.error(&error))?;
        match found {
            Some((earlier, _)) if earlier != *digest => {
                Err(Decline::KeyReused { key: key.clone() }.into())
            }
            found => Ok(found.map(|(_, id)| id)),
        }
    }

    async fn gift_end(
        &self,
        work: &mut Work,
        tenant: &str,
        id: &str,
        (action, data): (&'static str, Value),
        giving: &Giving,
    ) -> Result<(), StoreError> {
        if let Some(RequestKey { scope, key, .. }) = &giving.key {
            sqlx::query("UPDATE idempotency SET answer = $1 WHERE scope = $2 AND key = $3")
                .bind(id)
                .bind(scope)
                .bind(key)
                .execute(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        }
        let event = AuditEvent {
            actor: giving.by.clone(),
            action,
            tenant: Some(tenant.to_owned()),
            target: id.to_owned(),
            data,
        };
        self.audit_insert(work, event).await
    }
}
