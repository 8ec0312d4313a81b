//! What a tenant has.

use std::collections::BTreeMap;

use lessor_specs::{Currency, Money};

use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Decline, Store, StoreError};

/// The floor of a wallet that comes to have so much: one that was lower than its line rises with it,
/// up to the line.
macro_rules! raised {
    ($left:literal) => {
        concat!(
            "CASE WHEN floor >= line THEN floor WHEN ",
            $left,
            " >= line THEN line ELSE ",
            $left,
            " END"
        )
    };
}

pub(super) use raised;

/// The money of a tenant in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Whose.
    pub tenant: String,
    /// The currency.
    pub currency: Currency,
    /// What is there.
    pub posted: Money,
    /// What of it is promised already.
    pub held: Money,
    /// How low what is there, without what is promised, may fall: below zero it is a credit line.
    pub floor: Money,
}

impl Wallet {
    /// Reads a row of `wallet`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let money = |column| Ok::<_, Misread>(Money::from_micros(row::number(row, column)?));
        Ok(Wallet {
            tenant: row::text(row, "tenant")?,
            currency: row::parsed(row, "currency")?,
            posted: money("posted")?,
            held: money("held")?,
            floor: money("floor")?,
        })
    }

    /// What can still be spent or promised.
    pub fn available(&self) -> Money {
        let left = self.posted.micros().saturating_sub(self.held.micros());
        Money::from_micros(left.saturating_sub(self.floor.micros()))
    }
}

impl Store {
    /// What a tenant has, in each currency it ever had any.
    pub async fn wallet_list(&self, tenant: &str) -> Result<Vec<Wallet>, StoreError> {
        let rows = sqlx::query("SELECT * FROM wallet WHERE tenant = $1 ORDER BY currency")
            .bind(tenant)
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let wallets = rows.iter().map(Wallet::read).collect::<Result<_, _>>();
        wallets.map_err(|error| self.error(&error.into()))
    }

    /// Says how low a wallet may fall.
    ///
    /// # Errors
    /// [`Decline::WalletShort`] when it is lower already.
    pub async fn wallet_floor(
        &self,
        tenant: &str,
        currency: Currency,
        floor: Money,
    ) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        let changed = async {
            wallet_open(&mut work, tenant, currency).await?;
            sqlx::query(
                "UPDATE wallet SET floor = $1, line = $1
                 WHERE tenant = $2 AND currency = $3 AND posted - held >= $1",
            )
            .bind(floor.micros())
            .bind(tenant)
            .bind(currency.to_string())
            .execute(&mut *work)
            .await
        };
        let changed = changed.await.map_err(|error| self.error(&error))?;
        if changed.rows_affected() == 0 {
            return Err(self.wallet_short(&mut work, tenant, currency, floor).await);
        }
        self.commit(work).await
    }

    /// Lets the wallets of a tenant fall as far as files say, and no further than to zero in any
    /// other currency. Where one lies lower already, nothing more can be taken from it.
    pub(crate) async fn wallet_lines(
        &self,
        work: &mut Work,
        tenant: &str,
        credit: &BTreeMap<Currency, Money>,
    ) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT currency FROM wallet WHERE tenant = $1 AND line <> 0")
            .bind(tenant)
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let before = found.iter().map(|row| row::parsed(row, "currency"));
        let before = before.collect::<Result<Vec<Currency>, Misread>>();
        let mut lines: BTreeMap<Currency, i64> = BTreeMap::new();
        lines
            .extend(before.map_err(|error| self.error(&error.into()))?.into_iter().map(|c| (c, 0)));
        let credit = credit.iter().filter(|(_, credit)| credit.micros() > 0);
        lines.extend(credit.map(|(currency, credit)| (*currency, -credit.micros())));
        let mut is_new = false;
        for (currency, line) in lines {
            let changed = async {
                wallet_open(work, tenant, currency).await?;
                sqlx::query(
                    "UPDATE wallet SET line = $1,
                         floor = CASE WHEN posted - held >= $1 THEN $1 ELSE posted - held END
                     WHERE tenant = $2 AND currency = $3 AND line <> $1",
                )
                .bind(line)
                .bind(tenant)
                .bind(currency.to_string())
                .execute(&mut **work)
                .await
            };
            let changed = changed.await.map_err(|error| self.error(&error))?;
            is_new |= changed.rows_affected() > 0;
        }
        Ok(is_new)
    }

    /// Gives to a wallet, or takes what is there.
    pub(crate) async fn wallet_move(
        &self,
        work: &mut Work,
        tenant: &str,
        currency: Currency,
        amount: Money,
    ) -> Result<(), StoreError> {
        let moved = async {
            if amount.micros() > 0 {
                wallet_open(work, tenant, currency).await?;
            }
            sqlx::query(concat!(
                "UPDATE wallet SET posted = posted + $1, floor = ",
                raised!("posted - held + $1"),
                " WHERE tenant = $2 AND currency = $3 AND posted - held + $1 >= floor",
            ))
            .bind(amount.micros())
            .bind(tenant)
            .bind(currency.to_string())
            .execute(&mut **work)
            .await
        };
        let moved = moved.await.map_err(|error| self.error(&error))?;
        if moved.rows_affected() == 0 {
            let needed = Money::from_micros(amount.micros().saturating_neg());
            return Err(self.wallet_short(work, tenant, currency, needed).await);
        }
        Ok(())
    }

    /// Says that a wallet has less than is needed.
    pub(crate) async fn wallet_short(
        &self,
        work: &mut Work,
        tenant: &str,
        currency: Currency,
        needed: Money,
    ) -> StoreError {
        let found = wallet_find(work, tenant, currency).await;
        let found = found.map_err(|error| self.error(&error));
        let available = match found {
            Ok(found) => found.map_or(Money::from_micros(0), |wallet| wallet.available()),
            Err(error) => return error,
        };
        Decline::WalletShort { tenant: tenant.to_owned(), currency, needed, available }.into()
    }
}

pub(super) async fn wallet_find(
    work: &mut Work,
    tenant: &str,
    currency: Currency,
) -> Result<Option<Wallet>, sqlx::Error> {
    let found = sqlx::query("SELECT * FROM wallet WHERE tenant = $1 AND currency = $2")
        .bind(tenant)
        .bind(currency.to_string())
        .fetch_optional(&mut **work)
        .await?;
    Ok(found.as_ref().map(Wallet::read).transpose()?)
}

/// An empty wallet, where there is none yet.
async fn wallet_open(work: &mut Work, tenant: &str, currency: Currency) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO wallet (tenant, currency, posted, held, floor) VALUES ($1, $2, 0, 0, 0)
         ON CONFLICT (tenant, currency) DO NOTHING",
    )
    .bind(tenant)
    .bind(currency.to_string())
    .execute(&mut **work)
    .await?;
    Ok(())
}
