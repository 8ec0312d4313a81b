//! Promo codes: who may use them, and how often.

use jiff::Timestamp;
use lessor_billing::{Discount, Taking, Tariff, refusal};
use serde::{Deserialize, Serialize};

use super::change::plain;
use super::desk::Ground;
use super::{Order, OrderRequest};
use crate::row;
use crate::work::Work;
use crate::{Decline, Store, StoreError};

/// A promo code, as a customer brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promo {
    /// By its name: what it gives, and to whom, is what was applied last.
    Named(String),
    /// As it was when a price was quoted: what it gives, whatever became of it since. It still is
    /// used no more often than it could be then.
    Quoted(PromoTerms),
}

/// A code that an order may use, if others did not use it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoTerms {
    /// What it takes off.
    pub discount: Discount,
    max_uses: Option<u32>,
    max_per_tenant: Option<u32>,
    first_order: bool,
}

impl From<&str> for Promo {
    fn from(code: &str) -> Self {
        Promo::Named(code.to_owned())
    }
}

impl Store {
    /// What the code of a request takes off; `None` when there is no code.
    pub(super) async fn redeem(
        &self,
        work: &mut Work,
        ground: &Ground,
        request: &OrderRequest,
        tariff: Option<&Tariff>,
        now: Timestamp,
    ) -> Result<Option<PromoTerms>, StoreError> {
        let code = match &request.promo {
            None => return Ok(None),
            Some(Promo::Quoted(terms)) => return Ok(Some(terms.clone())),
            Some(Promo::Named(code)) => code,
        };
        let declined =
            |why: &str| Decline::PromoRefused { code: code.clone(), why: why.to_owned() };
        let Some(entry) = ground.specs.promo_code.get(code) else {
            return Err(declined("there is no such code").into());
        };
        let counted = self.promo_used(work, code, &request.tenant).await;
        let counted = counted.map_err(|error| self.error(&error))?;
        let (uses, uses_of_tenant, earlier_orders) = counted;
        let taking = Taking {
            offer: plain(&request.instance.offer),
            currency: tariff.map(Tariff::currency),
            uses,
            uses_of_tenant,
            earlier_orders,
            now,
        };
        if let Some(refusal) = refusal(entry, &taking) {
            return Err(declined(&refusal.to_string()).into());
        }
        let discount = Discount::of(code, entry).ok_or_else(|| declined("it gives nothing"))?;
        Ok(Some(PromoTerms {
            discount,
            max_uses: entry.max_uses,
            max_per_tenant: entry.max_per_tenant,
            first_order: entry.first_order,
        }))
    }

    /// How often a code was used, by all and by a tenant, and whether that ordered anything before.
    async fn promo_used(
        &self,
        work: &mut Work,
        code: &str,
        tenant: &str,
    ) -> Result<(u64, u64, u64), sqlx::Error> {
        let rows = sqlx::query(
            "SELECT tenant, uses FROM promo_use WHERE code = $1 AND tenant IN ('', $2)",
        )
        .bind(code)
        .bind(tenant)
        .fetch_all(&mut **work)
        .await?;
        let mut uses = (0, 0);
        for row in &rows {
            let count = row::count(row, "uses")?;
            if row::text(row, "tenant")?.is_empty() { uses.0 = count } else { uses.1 = count }
        }
        let earlier = sqlx::query("SELECT id FROM orders WHERE tenant = $1 LIMIT 1")
            .bind(tenant)
            .fetch_optional(&mut **work)
            .await?;
        Ok((uses.0, uses.1, u64::from(earlier.is_some())))
    }

    /// Uses a code for an order that was written, if it is not used up.
    ///
    /// # Errors
    /// [`Decline::PromoRefused`] when it is.
    pub(super) async fn promo_take(
        &self,
        work: &mut Work,
        redeemed: &PromoTerms,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let code = &redeemed.discount.code;
        let declined =
            |why: &str| Decline::PromoRefused { code: code.clone(), why: why.to_owned() };
        let taken = async {
            if use_add(work, code, "", redeemed.max_uses).await? == 0 {
                return Ok(Err(declined("it was used as often as it can be")));
            }
            if use_add(work, code, &order.tenant, redeemed.max_per_tenant).await? == 0 {
                return Ok(Err(declined("you used it as often as you can")));
            }
            // Of those that came in the same breath, the first is it.
            if redeemed.first_order && has_other(work, order).await? {
                return Ok(Err(declined("it is for a first order")));
            }
            sqlx::query(
                "INSERT INTO promo_redemption (order_id, code, tenant, at) VALUES ($1, $2, $3, $4)",
            )
            .bind(&order.id)
            .bind(code)
            .bind(&order.tenant)
            .bind(now.as_microsecond())
            .execute(&mut **work)
            .await?;
            Ok(Ok(()))
        };
        let taken: Result<Result<(), Decline>, sqlx::Error> = taken.await;
        Ok(taken.map_err(|error| self.error(&error))??)
    }

    /// Gives back the code of an order that never came to be.
    pub(super) async fn promo_give_back(
        &self,
        work: &mut Work,
        order: &Order,
    ) -> Result<(), StoreError> {
        let Some(discount) = &order.discount else { return Ok(()) };
        let given_back = async {
            let removed = sqlx::query("DELETE FROM promo_redemption WHERE order_id = $1")
                .bind(&order.id)
                .execute(&mut **work)
                .await?;
            if removed.rows_affected() == 0 {
                return Ok(());
            }
            sqlx::query(
                "UPDATE promo_use SET uses = uses - 1 WHERE code = $1 AND tenant IN ('', $2)",
            )
            .bind(&discount.code)
            .bind(&order.tenant)
            .execute(&mut **work)
            .await?;
            Ok(())
        };
        given_back.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// How often a code was used by all.
    pub async fn promo_uses(&self, code: &str) -> Result<u64, StoreError> {
        let found = async {
            let found = sqlx::query("SELECT uses FROM promo_use WHERE code = $1 AND tenant = ''")
                .bind(code)
                .fetch_optional(self.pool())
                .await?;
            Ok(found.map(|row| row::count(&row, "uses")).transpose()?.unwrap_or_default())
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

/// The statement that keeps a code within its limit: it changes one row, or none.
async fn use_add(
    work: &mut Work,
    code: &str,
    tenant: &str,
    most: Option<u32>,
) -> Result<u64, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO promo_use (code, tenant, uses) VALUES ($1, $2, 1)
         ON CONFLICT (code, tenant) DO UPDATE SET uses = promo_use.uses + 1
         WHERE promo_use.uses < $3",
    )
    .bind(code)
    .bind(tenant)
    .bind(most.map_or(i64::MAX, i64::from))
    .execute(&mut **work)
    .await?;
    Ok(added.rows_affected())
}

async fn has_other(work: &mut Work, order: &Order) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("SELECT id FROM orders WHERE tenant = $1 AND id <> $2 LIMIT 1")
        .bind(&order.tenant)
        .bind(&order.id)
        .fetch_optional(&mut **work)
        .await?;
    Ok(found.is_some())
}
