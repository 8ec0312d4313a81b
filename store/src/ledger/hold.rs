//! Money that is promised: placed first, and then captured or released.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_specs::{Currency, Money};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::wallet::raised;
use super::{Account, Booking, BookingKind};
use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::work::{Work, insert, with_rows};
use crate::{Decline, Store, StoreError};

/// How many values a promise is written in.
const COLUMNS: usize = 7;

/// A promise of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its id, `hld_…`.
    pub id: String,
    /// Who promised.
    pub tenant: String,
    /// The currency.
    pub currency: Currency,
    /// How much.
    pub amount: Money,
    /// The order it is for.
    pub order: Option<String>,
    /// What became of it.
    pub phase: HoldPhase,
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldPhase {
    /// It stands.
    Placed,
    /// The money was moved.
    Captured,
    /// It is not needed any more.
    Released,
}

impl Hold {
    /// One that stands.
    pub(crate) fn new(
        tenant: &str,
        (currency, amount): (Currency, Money),
        order: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let (tenant, order) = (tenant.to_owned(), order.map(ToOwned::to_owned));
        Hold { id: ident("hld", now), tenant, currency, amount, order, phase: HoldPhase::Placed }
    }

    fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Hold {
            id: row::text(row, "id")?,
            tenant: row::text(row, "tenant")?,
            currency: row::parsed(row, "currency")?,
            amount: Money::from_micros(row::number(row, "amount")?),
            order: row.text("order_id")?,
            phase: row::parsed(row, "phase")?,
        })
    }
}

impl Store {
    /// Promises money of a tenant, and answers with the id of the promise.
    ///
    /// # Errors
    /// [`Decline::WalletShort`] when there is not enough.
    pub async fn hold_place(
        &self,
        tenant: &str,
        currency: Currency,
        amount: Money,
    ) -> Result<String, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let id = self.hold_insert(&mut work, tenant, (currency, amount), None, now).await?;
        self.commit(work).await?;
        Ok(id)
    }

    /// Moves what was promised, or less; the rest is free again.
    ///
    /// # Errors
    /// [`Decline::HoldEnded`] when the promise does not stand any more.
    pub async fn hold_capture(
        &self,
        id: &str,
        amount: Money,
        memo: &str,
    ) -> Result<String, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let hold = self.hold_end(&mut work, id, HoldPhase::Captured, now).await?;
        let booking = Booking::new(BookingKind::Charge, &hold.tenant, memo);
        let booking = match &hold.order {
            Some(order) => booking.about(order),
            None => booking,
        };
        let wallet = Account::Wallet(hold.tenant.clone());
        let booking = booking.moving(wallet, Account::Income, hold.currency, amount);
        self.hold_take(&mut work, &hold, &booking).await?;
        let entry = booking.closed(now)?;
        let id = entry.id.clone();
        self.ledger_write_all(&mut work, &[entry]).await?;
        self.commit(work).await?;
        Ok(id)
    }

    /// Gives back what was promised.
    ///
    /// # Errors
    /// [`Decline::HoldEnded`] when the promise does not stand any more.
    pub async fn hold_release(&self, id: &str) -> Result<(), StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let hold = self.hold_end(&mut work, id, HoldPhase::Released, now).await?;
        self.hold_free(&mut work, &hold).await?;
        self.commit(work).await
    }

    pub(crate) async fn hold_insert(
        &self,
        work: &mut Work,
        tenant: &str,
        (currency, amount): (Currency, Money),
        order: Option<&str>,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        self.wallet_hold(work, tenant, (currency, amount)).await?;
        let hold = Hold::new(tenant, (currency, amount), order, now);
        self.holds_insert(work, std::slice::from_ref(&hold), now).await?;
        Ok(hold.id)
    }

    /// Takes what is promised out of what can be promised or spent.
    ///
    /// # Errors
    /// [`Decline::WalletShort`] when there is not enough.
    pub(crate) async fn wallet_hold(
        &self,
        work: &mut Work,
        tenant: &str,
        (currency, amount): (Currency, Money),
    ) -> Result<(), StoreError> {
        if amount.micros() <= 0 {
            return Err(Decline::BadAmount { currency, amount }.into());
        }
        let held = sqlx::query(
            "UPDATE wallet SET held = held + $1
             WHERE tenant = $2 AND currency = $3 AND posted - held - $1 >= floor",
        )
        .bind(amount.micros())
        .bind(tenant)
        .bind(currency.to_string())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        if held.rows_affected() == 0 {
            return Err(self.wallet_short(work, tenant, currency, amount).await);
        }
        Ok(())
    }

    /// As [`Store::wallet_hold`], of several wallets. Answers with those that have enough: there it is
    /// taken, from the others nothing is.
    pub(crate) async fn wallet_hold_all(
        &self,
        work: &mut Work,
        amounts: &BTreeMap<(&str, Currency), Money>,
    ) -> Result<BTreeSet<(String, Currency)>, StoreError> {
        if amounts.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked = with_rows("WITH asked (tenant, currency, amount) AS (VALUES", amounts.len(), 3);
        let bound = |text: String| {
            let query = sqlx::query(AssertSqlSafe(text));
            amounts.iter().fold(query, |query, ((tenant, currency), amount)| {
                query.bind((*tenant).to_owned()).bind(currency.to_string()).bind(amount.micros())
            })
        };
        if self.location().path().is_none() {
            // In the order in which those who pay for many take them, so that neither waits for the
            // other: a statement that changes rows takes them in an order of its own.
            let lock = bound(format!(
                "{asked}) SELECT asked.amount AS amount FROM wallet JOIN asked
                 ON wallet.tenant = asked.tenant AND wallet.currency = asked.currency
                 ORDER BY wallet.tenant COLLATE \"C\", wallet.currency COLLATE \"C\"
                 FOR UPDATE OF wallet"
            ));
            lock.execute(&mut **work).await.map_err(|error| self.error(&error))?;
        }
        let held = bound(format!(
            "{asked}) UPDATE wallet SET held = wallet.held + asked.amount FROM asked
             WHERE wallet.tenant = asked.tenant AND wallet.currency = asked.currency
                 AND wallet.posted - wallet.held - asked.amount >= wallet.floor
             RETURNING wallet.tenant AS tenant, wallet.currency AS currency"
        ));
        let held = held.fetch_all(&mut **work).await.map_err(|error| self.error(&error))?;
        let wallet = |row: &AnyRow| Ok((row::text(row, "tenant")?, row::parsed(row, "currency")?));
        let wallets = held.iter().map(wallet).collect::<Result<_, Misread>>();
        wallets.map_err(|error| self.error(&error.into()))
    }

    /// Writes down promises whose money was taken.
    pub(crate) async fn holds_insert(
        &self,
        work: &mut Work,
        holds: &[Hold],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text =
            "INSERT INTO hold (id, tenant, currency, amount, order_id, phase, placed_at) VALUES";
        let inserted = insert(work, text, COLUMNS, holds, |query, hold| {
            let query = query.bind(&hold.id).bind(&hold.tenant).bind(hold.currency.to_string());
            let query = query.bind(hold.amount.micros()).bind(&hold.order);
            query.bind(hold.phase.to_string()).bind(now.as_microsecond())
        });
        inserted.await.map_err(|error| self.error(&error))
    }

    /// Ends a promise that stands, once. The wallet is seen to next.
    pub(crate) async fn hold_end(
        &self,
        work: &mut Work,
        id: &str,
        phase: HoldPhase,
        now: Timestamp,
    ) -> Result<Hold, StoreError> {
        let ended = async {
            let ended = sqlx::query(
                "UPDATE hold SET phase = $1, ended_at = $2 WHERE id = $3 AND phase = 'placed'",
            )
            .bind(phase.to_string())
            .bind(now.as_microsecond())
            .bind(id)
            .execute(&mut **work)
            .await?;
            let found = sqlx::query("SELECT * FROM hold WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut **work)
                .await?;
            let found = found.as_ref().map(Hold::read).transpose()?;
            Ok((ended.rows_affected() == 1, found))
        };
        let ended = ended.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let id = id.to_owned();
        match ended {
            (true, Some(hold)) => Ok(hold),
            (_, Some(hold)) => Err(Decline::HoldEnded { id, phase: hold.phase.to_string() }.into()),
            (_, None) => Err(Decline::HoldEnded { id, phase: "not there".into() }.into()),
        }
    }

    /// The promise of an order that stands, if there is one.
    pub(crate) async fn hold_of(
        &self,
        work: &mut Work,
        order: &str,
    ) -> Result<Option<Hold>, StoreError> {
        let found = async {
            let found =
                sqlx::query("SELECT * FROM hold WHERE order_id = $1 AND phase = 'placed' LIMIT 1")
                    .bind(order)
                    .fetch_optional(&mut **work)
                    .await?;
            Ok(found.as_ref().map(Hold::read).transpose()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Takes out of the wallet what was promised, in one step: it is not held any more. The
    /// transaction is written next.
    pub(crate) async fn hold_take(
        &self,
        work: &mut Work,
        hold: &Hold,
        booking: &Booking,
    ) -> Result<(), StoreError> {
        let postings = booking.postings()?;
        let wallet = Account::Wallet(hold.tenant.clone());
        let is_it = |p: &&super::Posting| p.account == wallet && p.currency == hold.currency;
        let taken = postings.iter().find(is_it).map_or(0, |posting| -posting.amount.micros());
        if taken > hold.amount.micros() || taken < 0 {
            let amount = Money::from_micros(taken);
            return Err(Decline::BadAmount { currency: hold.currency, amount }.into());
        }
        let moved = sqlx::query(concat!(
            "UPDATE wallet SET held = held - $1, posted = posted - $2, floor = ",
            raised!("posted - held + $1 - $2"),
            " WHERE tenant = $3 AND currency = $4 AND held >= $1",
        ))
        .bind(hold.amount.micros())
        .bind(taken)
        .bind(&hold.tenant)
        .bind(hold.currency.to_string())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        if moved.rows_affected() == 0 {
            return Err(self.wallet_short(work, &hold.tenant, hold.currency, hold.amount).await);
        }
        Ok(())
    }

    /// Frees what was promised. A wallet that had fallen below its line rises towards it: what is free
    /// again can be spent as far as the line lets it.
    pub(crate) async fn hold_free(&self, work: &mut Work, hold: &Hold) -> Result<(), StoreError> {
        sqlx::query(concat!(
            "UPDATE wallet SET held = held - $1, floor = ",
            raised!("posted - held + $1"),
            " WHERE tenant = $2 AND currency = $3",
        ))
        .bind(hold.amount.micros())
        .bind(&hold.tenant)
        .bind(hold.currency.to_string())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

impl fmt::Display for HoldPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HoldPhase::Placed => "placed",
            HoldPhase::Captured => "captured",
            HoldPhase::Released => "released",
        })
    }
}

impl FromStr for HoldPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [HoldPhase::Placed, HoldPhase::Captured, HoldPhase::Released]
            .into_iter()
            .find(|phase| phase.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no phase of a hold"))
    }
}
