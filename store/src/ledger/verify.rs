//! Checking the ledger against itself.

use std::collections::BTreeMap;

use lessor_specs::{Currency, Money};
use sqlx::any::AnyRow;

use super::{Account, LedgerEntry, Posting};
use crate::row;
use crate::work::Work;
use crate::{Store, StoreError, Wallet};

/// How many transactions are read at a time.
const AT_ONCE: i64 = 1_000;

/// What checking the ledger brought to light.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// How many transactions were checked.
    pub transactions: u64,
    /// How many wallets.
    pub wallets: u64,
    /// What is wrong.
    pub faults: Vec<LedgerFault>,
}

/// Something in the ledger that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// The postings of a transaction do not sum up to zero.
    #[error("transaction `{id}` sums up to {currency} {sum}, not to nothing")]
    Unbalanced {
        /// The transaction.
        id: String,
        /// The currency.
        currency: Currency,
        /// The sum.
        sum: Money,
    },
    /// A transaction, or a posting of it, is not as it was written.
    #[error("transaction `{id}` was changed after it was written")]
    Changed {
        /// The transaction.
        id: String,
    },
    /// A wallet says another sum than its postings.
    #[error("the wallet of `{tenant}` says {currency} {found}, and its postings {expected}")]
    Posted {
        /// Whose wallet.
        tenant: String,
        /// The currency.
        currency: Currency,
        /// What the wallet says.
        found: Money,
        /// What the postings sum up to.
        expected: Money,
    },
    /// A wallet says another sum than its holds.
    #[error("the wallet of `{tenant}` holds {currency} {found}, and its holds are {expected}")]
    Held {
        /// Whose wallet.
        tenant: String,
        /// The currency.
        currency: Currency,
        /// What the wallet says.
        found: Money,
        /// What the holds sum up to.
        expected: Money,
    },
    /// A wallet has less than its floor.
    #[error("the wallet of `{tenant}` is {currency} {below} below its floor")]
    BelowFloor {
        /// Whose wallet.
        tenant: String,
        /// The currency.
        currency: Currency,
        /// By how much.
        below: Money,
    },
    /// A usage line says it was paid by a transaction that is not there, or moved another sum.
    #[error("the usage lines of transaction `{id}` sum up to {lines}, and it moved {moved}")]
    Usage {
        /// The transaction.
        id: String,
        /// What the lines sum up to.
        lines: Money,
        /// What the transaction took.
        moved: Money,
    },
}

/// Sums by tenant and currency.
type Sums = BTreeMap<(String, String), i64>;

impl Store {
    /// Recomputes every sum there is from the rows it sums up, at one moment.
    pub async fn ledger_verify(&self) -> Result<LedgerReport, StoreError> {
        let mut work = self.begin_snapshot().await?;
        let mut report = LedgerReport::default();
        let verified = verify(&mut work, &mut report).await;
        verified.map_err(|error| self.error(&error))?;
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok(report)
    }
}

async fn verify(work: &mut Work, report: &mut LedgerReport) -> Result<(), sqlx::Error> {
    let mut posted = Sums::new();
    let mut last = String::new();
    loop {
        let entries = entries_after(work, &last).await?;
        let Some((entry, _)) = entries.last() else { break };
        last.clone_from(&entry.id);
        for (entry, digest) in &entries {
            report.transactions += 1;
            check_entry(entry, digest, report);
            for posting in &entry.postings {
                if let Account::Wallet(tenant) = &posting.account {
                    let key = (tenant.clone(), posting.currency.to_string());
                    let sum = posted.entry(key).or_default();
                    *sum = sum.saturating_add(posting.amount.micros());
                }
            }
        }
    }
    let held = held(work).await?;
    check_wallets(work, &posted, &held, report).await?;
    check_usage(work, report).await
}

async fn entries_after(
    work: &mut Work,
    last: &str,
) -> Result<Vec<(LedgerEntry, String)>, sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM ledger_transaction WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(last)
        .bind(AT_ONCE)
        .fetch_all(&mut **work)
        .await?;
    let read = |row: &AnyRow| Ok((LedgerEntry::read(row)?, row::text(row, "digest")?));
    let mut entries = rows.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let Some((end, _)) = entries.last() else { return Ok(entries) };
    let rows =
        sqlx::query("SELECT * FROM posting WHERE txn > $1 AND txn <= $2 ORDER BY txn, number")
            .bind(last)
            .bind(end.id.clone())
            .fetch_all(&mut **work)
            .await?;
    let mut by_id: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
    for row in &rows {
        by_id.entry(row::text(row, "txn")?).or_default().push(Posting::read(row)?);
    }
    for (entry, _) in &mut entries {
        entry.postings = by_id.remove(&entry.id).unwrap_or_default();
    }
    Ok(entries)
}

fn check_entry(entry: &LedgerEntry, digest: &str, report: &mut LedgerReport) {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for posting in &entry.postings {
        let sum = sums.entry(posting.currency).or_default();
        *sum = sum.saturating_add(posting.amount.micros());
    }
    for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
        let (id, sum) = (entry.id.clone(), Money::from_micros(sum));
        report.faults.push(LedgerFault::Unbalanced { id, currency, sum });
    }
    if entry.digest().to_string() != digest {
        report.faults.push(LedgerFault::Changed { id: entry.id.clone() });
    }
}

async fn held(work: &mut Work) -> Result<Sums, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT tenant, currency, CAST(sum(amount) AS BIGINT) AS amount FROM hold
         WHERE phase = 'placed' GROUP BY tenant, currency",
    )
    .fetch_all(&mut **work)
    .await?;
    let sum = |row: &AnyRow| {
        let key = (row::text(row, "tenant")?, row::text(row, "currency")?);
        Ok((key, row::number(row, "amount")?))
    };
    rows.iter().map(sum).collect()
}

async fn check_wallets(
    work: &mut Work,
    posted: &Sums,
    held: &Sums,
    report: &mut LedgerReport,
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM wallet ORDER BY tenant, currency")
        .fetch_all(&mut **work)
        .await?;
    let mut posted = posted.clone();
    for row in &rows {
        let wallet = Wallet::read(row)?;
        let key = (wallet.tenant.clone(), wallet.currency.to_string());
        report.wallets += 1;
        let expected = Money::from_micros(posted.remove(&key).unwrap_or_default());
        let promised = Money::from_micros(held.get(&key).copied().unwrap_or_default());
        let (tenant, currency) = (wallet.tenant.clone(), wallet.currency);
        if wallet.posted != expected {
            let (tenant, found) = (tenant.clone(), wallet.posted);
            report.faults.push(LedgerFault::Posted { tenant, currency, found, expected });
        }
        if wallet.held != promised {
            let (tenant, found) = (tenant.clone(), wallet.held);
            let expected = promised;
            report.faults.push(LedgerFault::Held { tenant, currency, found, expected });
        }
        let below = Money::from_micros(wallet.available().micros().saturating_neg());
        if below.micros() > 0 {
            report.faults.push(LedgerFault::BelowFloor { tenant, currency, below });
        }
    }
    // What is left has postings and no wallet.
    for ((tenant, currency), sum) in posted {
        let currency = currency.parse::<Currency>();
        let currency = currency.map_err(|why| row::Misread::new("currency", &why))?;
        let (found, expected) = (Money::from_micros(0), Money::from_micros(sum));
        report.faults.push(LedgerFault::Posted { tenant, currency, found, expected });
    }
    Ok(())
}

/// Lines that say they are paid and that nothing paid, or another sum. The postings of a transaction are
/// found by it: a database that looks for income first reads all of it for each line.
const MISPAID: &str = "
    SELECT lines.txn AS txn, lines.amount AS amount,
           CAST(sum(CASE WHEN posting.account = 'income' THEN posting.amount ELSE 0 END) AS BIGINT)
               AS moved
    FROM (SELECT txn, CAST(sum(amount) AS BIGINT) AS amount FROM usage_line
          WHERE txn IS NOT NULL GROUP BY txn) AS lines
    LEFT JOIN posting ON posting.txn = lines.txn
    GROUP BY lines.txn, lines.amount
    HAVING lines.amount
        <> sum(CASE WHEN posting.account = 'income' THEN posting.amount ELSE 0 END)
    ORDER BY lines.txn";

/// Lines that are paid point at what paid them, to the millionth.
async fn check_usage(work: &mut Work, report: &mut LedgerReport) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(MISPAID).fetch_all(&mut **work).await?;
    for row in &rows {
        report.faults.push(LedgerFault::Usage {
            id: row::text(row, "txn")?,
            lines: Money::from_micros(row::number(row, "amount")?),
            moved: Money::from_micros(row::number(row, "moved")?),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_paid_a_line_is_found_by_its_transaction() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lessor.db");
        let store = Store::open(path.to_str().unwrap()).await.unwrap();

        let text = format!("EXPLAIN QUERY PLAN {MISPAID}");
        let steps = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(store.pool()).await.unwrap();
        let steps = steps.iter().map(|step| row::text(step, "detail").unwrap());
        let postings: Vec<_> = steps.filter(|step| step.contains("posting")).collect();

        let by_transaction =
            "SEARCH posting USING INDEX sqlite_autoindex_posting_1 (txn=?) LEFT-JOIN";
        assert_eq!(postings, [by_transaction]);
    }
}
