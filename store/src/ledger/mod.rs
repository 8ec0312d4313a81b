//! Money: every movement of it, in double entry.
//!
//! A transaction consists of postings that sum up to zero in each currency; the database refuses
//! any other, and lets none be changed. What was wrong is reversed by another transaction. A wallet
//! never falls below its floor: every statement that takes from it says so, and the table as well.

mod give;
mod hold;
mod verify;
mod wallet;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use lessor_engine::Clock as _;
use lessor_plans::Digest;
use lessor_specs::{Currency, Money};
use serde::Serialize;
use serde_json::json;

use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::webhook::{Told, money_topic, outbox_insert};
use crate::work::{Work, rows_at_once, with_rows};
use crate::{Decline, Store, StoreError};

pub use give::{Gift, GiftKey, Giving};
pub use hold::{Hold, HoldPhase};
pub use verify::{LedgerFault, LedgerReport};
pub use wallet::Wallet;

/// Money that is to be moved, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Why.
    pub kind: BookingKind,
    /// Whose business it is.
    pub tenant: String,
    /// What it is for: an order, or the transaction it gives back.
    pub reference: Option<String>,
    /// The transaction it undoes.
    pub reverses: Option<String>,
    /// In words, for people.
    pub memo: String,
    /// What goes where. Each takes as much as it gives, so that the sum is zero.
    pub movements: Vec<Movement>,
    /// What it is known by, where it must not happen twice.
    pub once: Option<String>,
}

/// Why money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingKind {
    /// A customer paid.
    Credit,
    /// A customer used something.
    Charge,
    /// A customer gets back what was charged.
    Refund,
    /// A customer is given money.
    Gift,
    /// An earlier transaction was wrong.
    Reversal,
}

/// An amount that goes from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Where it is taken.
    pub from: Account,
    /// Where it is given.
    pub to: Account,
    /// The currency.
    pub currency: Currency,
    /// How much; more than nothing.
    pub amount: Money,
}

/// Where money can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// With a tenant.
    Wallet(String),
    /// What was earned.
    Income,
    /// What came from customers; as much below zero as they paid.
    Payments,
    /// What was given away; as much below zero.
    Gifts,
}

/// A transaction, as it stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its id, `txn_…`. Later ones are greater.
    pub id: String,
    /// Why money moved.
    pub kind: BookingKind,
    /// Whose business it is.
    pub tenant: String,
    /// What it is for.
    pub reference: Option<String>,
    /// The transaction it undoes.
    pub reverses: Option<String>,
    /// What it is known by, where it must not happen twice.
    pub once: Option<String>,
    /// In words, for people.
    pub memo: String,
    /// When.
    pub at: Timestamp,
    /// What each account got or gave.
    pub postings: Vec<Posting>,
}

/// What one account got (more than zero) or gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posting {
    /// The account.
    #[serde(serialize_with = "as_text")]
    pub account: Account,
    /// The currency.
    #[serde(serialize_with = "as_text")]
    pub currency: Currency,
    /// How much.
    #[serde(serialize_with = "as_text")]
    pub amount: Money,
}

impl Booking {
    /// Of a kind, for a tenant, and nothing said yet.
    pub fn new(kind: BookingKind, tenant: &str, memo: impl Into<String>) -> Self {
        Booking {
            kind,
            tenant: tenant.to_owned(),
            reference: None,
            reverses: None,
            memo: memo.into(),
            movements: Vec::new(),
            once: None,
        }
    }

    /// With an amount that goes from one account to another.
    #[must_use]
    pub fn moving(mut self, from: Account, to: Account, currency: Currency, amount: Money) -> Self {
        self.movements.push(Movement { from, to, currency, amount });
        self
    }

    /// For an order, or about another transaction.
    #[must_use]
    pub fn about(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    /// That happens once, however often it is asked for.
    #[must_use]
    pub fn once(mut self, known_by: impl Into<String>) -> Self {
        self.once = Some(known_by.into());
        self
    }

    /// The postings, one for each account and currency that gains or loses.
    ///
    /// # Errors
    /// When an amount is not more than nothing, or when they add up to more than can be counted.
    fn postings(&self) -> Result<Vec<Posting>, Decline> {
        let mut sums: BTreeMap<(&Account, Currency), i64> = BTreeMap::new();
        for Movement { from, to, currency, amount } in &self.movements {
            let bad = || Decline::BadAmount { currency: *currency, amount: *amount };
            let micros = Some(amount.micros()).filter(|micros| *micros > 0).ok_or_else(bad)?;
            for (account, micros) in [(from, -micros), (to, micros)] {
                let sum = sums.entry((account, *currency)).or_default();
                *sum = sum.checked_add(micros).ok_or_else(bad)?;
            }
        }
        let posting = |((account, currency), sum): ((&Account, _), _)| Posting {
            account: account.clone(),
            currency,
            amount: Money::from_micros(sum),
        };
        Ok(sums.into_iter().filter(|(_, sum)| *sum != 0).map(posting).collect())
    }

    /// What is written of it, by whoever sees to the wallets.
    ///
    /// # Errors
    /// See [`Booking::postings`].
    pub(crate) fn closed(&self, now: Timestamp) -> Result<LedgerEntry, Decline> {
        Ok(self.entry(self.postings()?, now))
    }

    fn entry(&self, postings: Vec<Posting>, now: Timestamp) -> LedgerEntry {
        LedgerEntry {
            id: ident("txn", now),
            kind: self.kind,
            tenant: self.tenant.clone(),
            reference: self.reference.clone(),
            reverses: self.reverses.clone(),
            once: self.once.clone(),
            memo: self.memo.clone(),
            at: now,
            postings,
        }
    }
}

impl LedgerEntry {
    fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(LedgerEntry {
            id: row::text(row, "id")?,
            kind: row::parsed(row, "kind")?,
            tenant: row::text(row, "tenant")?,
            reference: row.text("reference")?,
            reverses: row.text("reverses")?,
            once: row.text("once")?,
            memo: row::text(row, "memo")?,
            at: row::time(row, "at")?,
            postings: Vec::new(),
        })
    }

    /// Of everything it says. Whoever changes a row has to know of this one as well.
    fn digest(&self) -> Digest {
        let kind = self.kind.to_string();
        let at = self.at.as_microsecond();
        let about = (&self.tenant, &self.reference, &self.reverses, &self.once, &self.memo);
        Digest::of_json(&("lessor/ledger/1", &self.id, kind, about, at, &self.postings))
    }
}

impl Posting {
    fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Posting {
            account: row::parsed(row, "account")?,
            currency: row::parsed(row, "currency")?,
            amount: Money::from_micros(row::number(row, "amount")?),
        })
    }
}

impl Store {
    /// Moves money, and answers with the id of the transaction.
    ///
    /// # Errors
    /// [`Decline::WalletShort`] when a wallet would fall below its floor; nothing is moved then.
    pub async fn ledger_post(&self, booking: &Booking) -> Result<String, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let id = self.ledger_insert(&mut work, booking, now).await?;
        self.commit(work).await?;
        Ok(id)
    }

    /// Gives a customer what came from outside: a payment, or a gift.
    pub async fn credit(
        &self,
        tenant: &str,
        currency: Currency,
        amount: Money,
        memo: &str,
    ) -> Result<String, StoreError> {
        let wallet = Account::Wallet(tenant.to_owned());
        let booking = Booking::new(BookingKind::Credit, tenant, memo);
        self.ledger_post(&booking.moving(Account::Payments, wallet, currency, amount)).await
    }

    /// Gives back a part of what a transaction charged. All parts together are at most the whole.
    pub async fn refund(&self, id: &str, amount: Money, memo: &str) -> Result<String, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let refund = self.refund_part(&mut work, id, amount, memo, now).await?;
        self.commit(work).await?;
        Ok(refund)
    }

    /// Gives back a part of what a transaction charged, within a transaction of the database.
    pub(crate) async fn refund_part(
        &self,
        work: &mut Work,
        charge: &str,
        amount: Money,
        memo: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let charged = self.ledger_find(work, charge).await?;
        let booking = refund_of(&charged, amount, memo)?;
        self.refund_insert(work, &charged, &booking, now).await
    }

    async fn refund_insert(
        &self,
        work: &mut Work,
        charged: &LedgerEntry,
        refund: &Booking,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        // The wallet's row is ours from here on, so that two refunds do not pass each other.
        let id = self.ledger_insert(work, refund, now).await?;
        let taken = taken(charged).map_or(0, |taken| -taken.amount.micros());
        if self.given_back(work, &charged.id).await? > taken {
            return Err(not_refundable(charged, "more would be given back than was taken").into());
        }
        Ok(id)
    }

    /// Undoes a transaction that was wrong by the opposite one. Once.
    pub async fn ledger_reverse(&self, id: &str, memo: &str) -> Result<String, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        let wrong = self.ledger_find(&mut work, id).await?;
        let mut booking = Booking::new(BookingKind::Reversal, &wrong.tenant, memo).about(id);
        booking.reverses = Some(id.to_owned());
        booking.movements = opposite(&wrong.postings);
        let posted = self.ledger_insert(&mut work, &booking, now).await;
        let reversal = posted.map_err(|error| match error {
            StoreError::Exists { .. } => {
                let why = "that was done already";
                Decline::NotRefundable { id: id.to_owned(), why }.into()
            }
            other => other,
        })?;
        if self.given_back(&mut work, id).await? != 0 {
            let why = "a part of it was given back already";
            return Err(Decline::NotRefundable { id: id.to_owned(), why }.into());
        }
        self.commit(work).await?;
        Ok(reversal)
    }

    /// The transactions of a tenant before one of them, the newest first.
    pub async fn ledger_list(
        &self,
        tenant: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let found = async {
            let rows = sqlx::query(
                "SELECT * FROM ledger_transaction WHERE tenant = $1 AND id < $2
                 ORDER BY id DESC LIMIT $3",
            )
            .bind(tenant)
            .bind(before.unwrap_or(row::LAST))
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
            let mut entries: Vec<_> =
                rows.iter().map(LedgerEntry::read).collect::<Result<_, _>>()?;
            for entry in &mut entries {
                let rows = sqlx::query("SELECT * FROM posting WHERE txn = $1 ORDER BY number")
                    .bind(&entry.id)
                    .fetch_all(self.pool())
                    .await?;
                entry.postings = rows.iter().map(Posting::read).collect::<Result<_, _>>()?;
            }
            Ok(entries)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Moves money within a transaction of the database.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it must happen once and did already.
    pub(crate) async fn ledger_insert(
        &self,
        work: &mut Work,
        booking: &Booking,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let postings = booking.postings()?;
        // Wallets come first and in order: their rows are locked then, and never crosswise.
        for posting in &postings {
            if let Account::Wallet(tenant) = &posting.account {
                self.wallet_move(work, tenant, posting.currency, posting.amount).await?;
            }
        }
        let entry = booking.entry(postings, now);
        let id = entry.id.clone();
        self.ledger_write_all(work, &[entry]).await?;
        Ok(id)
    }

    /// Writes transactions whose wallets were seen to.
    pub(crate) async fn ledger_write_all(
        &self,
        work: &mut Work,
        entries: &[LedgerEntry],
    ) -> Result<(), StoreError> {
        let written = entries_insert(work, entries).await;
        written.map_err(|error| match error.as_database_error() {
            Some(database) if database.is_unique_violation() => {
                StoreError::Exists { what: "such a transaction".into() }
            }
            _ => self.error(&error),
        })
    }

    async fn ledger_find(&self, work: &mut Work, id: &str) -> Result<LedgerEntry, StoreError> {
        let found = async {
            let found = sqlx::query("SELECT * FROM ledger_transaction WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut **work)
                .await?;
            let Some(found) = found else { return Ok(None) };
            let mut entry = LedgerEntry::read(&found)?;
            let rows = sqlx::query("SELECT * FROM posting WHERE txn = $1 ORDER BY number")
                .bind(id)
                .fetch_all(&mut **work)
                .await?;
            entry.postings = rows.iter().map(Posting::read).collect::<Result<_, _>>()?;
            Ok(Some(entry))
        };
        let found = found.await.map_err(|error: sqlx::Error| self.error(&error))?;
        found.ok_or_else(|| Decline::NoTransaction { id: id.to_owned() }.into())
    }

    /// How much of a charge was given back by refunds.
    async fn given_back(&self, work: &mut Work, id: &str) -> Result<i64, StoreError> {
        let found = async {
            let found = sqlx::query(
                "SELECT CAST(coalesce(sum(posting.amount), 0) AS BIGINT) AS amount
                 FROM ledger_transaction AS refund
                 JOIN posting ON posting.txn = refund.id AND posting.amount > 0
                 WHERE refund.reference = $1 AND refund.kind = 'refund'",
            )
            .bind(id)
            .fetch_one(&mut **work)
            .await?;
            Ok(row::number(&found, "amount")?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

/// What a charge took out of its wallet.
fn taken(charged: &LedgerEntry) -> Option<&Posting> {
    let wallet = Account::Wallet(charged.tenant.clone());
    let taken = charged.postings.iter().find(|posting| posting.account == wallet);
    taken.filter(|_| charged.kind == BookingKind::Charge)
}

/// What gives back a part of a charge.
fn refund_of(charged: &LedgerEntry, amount: Money, memo: &str) -> Result<Booking, Decline> {
    let taken = taken(charged).ok_or_else(|| not_refundable(charged, "it is no charge"))?;
    let booking = Booking::new(BookingKind::Refund, &charged.tenant, memo).about(&charged.id);
    Ok(booking.moving(Account::Income, taken.account.clone(), taken.currency, amount))
}

fn not_refundable(charged: &LedgerEntry, why: &'static str) -> Decline {
    Decline::NotRefundable { id: charged.id.clone(), why }
}

/// The postings come first: the transaction behind them closes them.
async fn entries_insert(work: &mut Work, entries: &[LedgerEntry]) -> Result<(), sqlx::Error> {
    let lines = entries.iter().flat_map(|entry| {
        let numbered = entry.postings.iter().enumerate();
        numbered.map(move |(number, posting)| (&entry.id, number, posting))
    });
    let lines: Vec<_> = lines.collect();
    for lines in lines.chunks(rows_at_once(5)) {
        let text = "INSERT INTO posting (txn, number, account, currency, amount) VALUES";
        let text = with_rows(text, lines.len(), 5);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for (id, number, posting) in lines {
            query = query
                .bind(*id)
                .bind(row::column(*number))
                .bind(posting.account.to_string())
                .bind(posting.currency.to_string())
                .bind(posting.amount.micros());
        }
        query.execute(&mut **work).await?;
    }
    for entries in entries.chunks(rows_at_once(9)) {
        let text = "INSERT INTO ledger_transaction
             (id, kind, tenant, reference, reverses, once, memo, at, digest) VALUES";
        let text = with_rows(text, entries.len(), 9);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for entry in entries {
            query = query
                .bind(&entry.id)
                .bind(entry.kind.to_string())
                .bind(&entry.tenant)
                .bind(&entry.reference)
                .bind(&entry.reverses)
                .bind(&entry.once)
                .bind(&entry.memo)
                .bind(entry.at.as_microsecond())
                .bind(entry.digest().to_string());
        }
        query.execute(&mut **work).await?;
    }
    outbox_insert(work, &entries.iter().map(told).collect::<Vec<_>>()).await
}

/// What others are told of money that moved: what its tenant got, or gave.
fn told(entry: &LedgerEntry) -> Told {
    let wallet = Account::Wallet(entry.tenant.clone());
    let own = entry.postings.iter().filter(|posting| posting.account == wallet);
    let own: Vec<_> = own
        .map(|posting| json!({ "currency": posting.currency, "amount": posting.amount }))
        .collect();
    let data = json!({
        "id": entry.id, "amounts": own, "memo": entry.memo, "reference": entry.reference,
    });
    Told { at: entry.at, topic: money_topic(entry.kind), tenant: Some(entry.tenant.clone()), data }
}

/// What undoes these postings: everything goes back by way of the first account of its currency.
fn opposite(postings: &[Posting]) -> Vec<Movement> {
    let first = |currency| postings.iter().find(|posting| posting.currency == currency);
    let back = |posting: &Posting| {
        let (currency, micros) = (posting.currency, posting.amount.micros());
        let first = first(currency).filter(|first| first.account != posting.account)?;
        let amount = Money::from_micros(micros.saturating_abs());
        let (other, first) = (posting.account.clone(), first.account.clone());
        let (from, to) = if micros > 0 { (other, first) } else { (first, other) };
        Some(Movement { from, to, currency, amount })
    };
    postings.iter().filter_map(back).collect()
}

fn as_text<T: fmt::Display, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Wallet(tenant) => write!(f, "wallet/{tenant}"),
            Account::Income => f.write_str("income"),
            Account::Payments => f.write_str("payments"),
            Account::Gifts => f.write_str("gifts"),
        }
    }
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "income" => Ok(Account::Income),
            "payments" => Ok(Account::Payments),
            "gifts" => Ok(Account::Gifts),
            other => match other.strip_prefix("wallet/") {
                Some(tenant) if !tenant.is_empty() => Ok(Account::Wallet(tenant.to_owned())),
                _ => Err(format!("`{text}` is no account")),
            },
        }
    }
}

impl BookingKind {
    pub(crate) const ALL: [BookingKind; 5] = [
        BookingKind::Credit,
        BookingKind::Charge,
        BookingKind::Refund,
        BookingKind::Gift,
        BookingKind::Reversal,
    ];
}

impl fmt::Display for BookingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BookingKind::Credit => "credit",
            BookingKind::Charge => "charge",
            BookingKind::Refund => "refund",
            BookingKind::Gift => "gift",
            BookingKind::Reversal => "reversal",
        })
    }
}

impl FromStr for BookingKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = BookingKind::ALL.into_iter();
        all.find(|kind| kind.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no kind of booking"))
    }
}
