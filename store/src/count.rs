//! How much there is.

use std::collections::BTreeMap;

use lessor_specs::OrderPhase;

use crate::row;
use crate::{Store, StoreError};

/// How much there is of what a provider has many of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tenants.
    pub tenants: u64,
    /// Accounts.
    pub accounts: u64,
    /// Orders in each phase in which there are any.
    pub orders: BTreeMap<OrderPhase, u64>,
    /// Orders of which something is unpaid.
    pub owing: u64,
}

impl Store {
    /// How much there is, each counted at a moment of its own.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let counted = async {
            let (mut orders, mut owing) = (BTreeMap::new(), 0_u64);
            let rows = sqlx::query(
                "SELECT phase, count(*) AS found, CAST(sum(owes) AS BIGINT) AS owing
                 FROM orders GROUP BY phase",
            );
            for row in &rows.fetch_all(self.pool()).await? {
                orders.insert(row::parsed(row, "phase")?, row::count(row, "found")?);
                owing += row::count::<u64>(row, "owing")?;
            }
            let tenants = sqlx::query("SELECT count(*) AS found FROM tenant");
            let accounts = sqlx::query("SELECT count(*) AS found FROM account");
            Ok(Counts {
                tenants: row::count(&tenants.fetch_one(self.pool()).await?, "found")?,
                accounts: row::count(&accounts.fetch_one(self.pool()).await?, "found")?,
                orders,
                owing,
            })
        };
        counted.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}
