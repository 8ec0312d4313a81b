//! Money that people give: credit and refunds, once for each request, and put down to who gave it.

use lessor_engine::Clock as _;
use lessor_specs::{Currency, Money};
use serde_json::{Value, json};

use super::{Account, Booking, BookingKind, LedgerEntry, refund_of};
use crate::row;
use crate::work::Work;
use crate::{Actor, AuditEvent, Decline, Store, StoreError};

/// Who gives money, and why.
#[derive(Clone, Debug)]
pub struct Giving {
    /// What it is for, as the customer can read it.
    pub memo: String,
    /// What tells this request from others, so that it is carried out once however often it comes.
    pub key: Option<GiftKey>,
    /// Who gives.
    pub by: Actor,
}

/// What a request to give money is known by, for ever: it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiftKey {
    /// Among whose requests.
    pub scope: String,
    /// What the caller calls it.
    pub key: String,
}

/// Money that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    /// The transaction that moved it.
    pub id: String,
    /// Whether an earlier request with the same key gave it.
    pub repeated: bool,
}

impl Giving {
    /// A booking that is known by the key of its request.
    fn known(&self, booking: Booking) -> Booking {
        match &self.key {
            Some(GiftKey { scope, key }) => booking.once(format!("request {scope} {key}")),
            None => booking,
        }
    }
}

impl Store {
    /// Gives a tenant credit, and pays what it owes out of that.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is moved then.
    pub async fn credit_give(
        &self,
        tenant: &str,
        amount: (Currency, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let gift = self.given_once(|| self.credit_insert(tenant, amount, giving)).await?;
        self.usage_settle(tenant).await?;
        Ok(gift)
    }

    /// Gives a tenant back a part of what a transaction of it charged.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is moved then.
    pub async fn refund_give(
        &self,
        tenant: &str,
        part: (&str, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let gift = self.given_once(|| self.refund_give_insert(tenant, part, giving)).await?;
        self.usage_settle(tenant).await?;
        Ok(gift)
    }

    /// Of two requests with one key that come at the same moment, the ledger takes the first; the
    /// other, done again, finds it.
    async fn given_once<W>(&self, give: impl Fn() -> W) -> Result<Gift, StoreError>
    where
        W: Future<Output = Result<Gift, StoreError>>,
    {
        match self.retried(&give).await {
            Err(StoreError::Exists { .. }) => self.retried(&give).await,
            given => given,
        }
    }

    async fn credit_insert(
        &self,
        tenant: &str,
        (currency, amount): (Currency, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let wallet = Account::Wallet(tenant.to_owned());
        let booking = Booking::new(BookingKind::Credit, tenant, &giving.memo);
        let booking = booking.moving(Account::Payments, wallet, currency, amount);
        let booking = giving.known(booking);
        if let Some(gift) = self.given(&mut work, &booking, giving).await? {
            return Ok(gift);
        }
        let id = self.ledger_insert(&mut work, &booking, now).await?;
        let data = json!({ "currency": currency, "amount": amount });
        self.gift_audit(&mut work, tenant, &id, ("ledger.credit", data), giving).await?;
        self.commit(work).await?;
        Ok(Gift { id, repeated: false })
    }

    async fn refund_give_insert(
        &self,
        tenant: &str,
        (charge, amount): (&str, Money),
        giving: &Giving,
    ) -> Result<Gift, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let charged = self.ledger_find(&mut work, charge).await?;
        if charged.tenant != tenant {
            return Err(Decline::NoTransaction { id: charge.to_owned() }.into());
        }
        let booking = giving.known(refund_of(&charged, amount, &giving.memo)?);
        if let Some(gift) = self.given(&mut work, &booking, giving).await? {
            return Ok(gift);
        }
        let id = self.refund_insert(&mut work, &charged, &booking, now).await?;
        let data = json!({ "charge": charge, "amount": amount });
        self.gift_audit(&mut work, tenant, &id, ("ledger.refund", data), giving).await?;
        self.commit(work).await?;
        Ok(Gift { id, repeated: false })
    }

    /// What an earlier request with the same key gave.
    ///
    /// # Errors
    /// [`Decline::KeyReused`] when that was about something else.
    async fn given(
        &self,
        work: &mut Work,
        booking: &Booking,
        giving: &Giving,
    ) -> Result<Option<Gift>, StoreError> {
        let (Some(once), Some(GiftKey { key, .. })) = (&booking.once, &giving.key) else {
            return Ok(None);
        };
        let found = sqlx::query("SELECT id FROM ledger_transaction WHERE once = $1")
            .bind(once)
            .fetch_optional(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let Some(found) = found else { return Ok(None) };
        let id = row::text(&found, "id").map_err(|error| self.error(&error.into()))?;
        let earlier = self.ledger_find(work, &id).await?;
        let same = LedgerEntry { id: id.clone(), ..booking.closed(earlier.at)? };
        if same != earlier {
            return Err(Decline::KeyReused { key: key.clone() }.into());
        }
        Ok(Some(Gift { id, repeated: true }))
    }

    async fn gift_audit(
        &self,
        work: &mut Work,
        tenant: &str,
        id: &str,
        (action, data): (&'static str, Value),
        giving: &Giving,
    ) -> Result<(), StoreError> {
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
