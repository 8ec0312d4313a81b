//! Keys that servers sign with.

use lessor_engine::Clock as _;

use crate::row;
use crate::{Store, StoreError};

impl Store {
    /// The key with which servers sign what they hand out and want to know again: one for each
    /// purpose, for all servers of this database. Whoever is first proposes it.
    pub async fn signing_key(&self, purpose: &str, proposed: &str) -> Result<String, StoreError> {
        let found = async {
            sqlx::query(
                "INSERT INTO signing_key (purpose, secret, at) VALUES ($1, $2, $3)
                 ON CONFLICT (purpose) DO NOTHING",
            )
            .bind(purpose)
            .bind(proposed)
            .bind(self.now().as_microsecond())
            .execute(self.pool())
            .await?;
            let found = sqlx::query("SELECT secret FROM signing_key WHERE purpose = $1")
                .bind(purpose)
                .fetch_one(self.pool())
                .await?;
            Ok(row::text(&found, "secret")?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}
