//! Data that is kept for a while although nobody asks for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_plans::Keep;
use lessor_specs::Address;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};

use crate::row::{self, Misread};
use crate::{Store, StoreError};

/// In microseconds.
const SECOND: i64 = 1_000_000;

impl Store {
    /// What is kept, and when it falls due.
    pub async fn keep_list(&self) -> Result<BTreeMap<Address, Timestamp>, StoreError> {
        let rows = sqlx::query("SELECT address, due_at FROM keep")
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let keep = |row: &AnyRow| Ok((row::parsed(row, "address")?, row::time(row, "due_at")?));
        let keeps = rows.iter().map(keep).collect::<Result<_, Misread>>();
        keeps.map_err(|error| self.error(&error.into()))
    }

    /// Forgets that something is kept: it is asked for again, or gone.
    pub(crate) async fn keep_delete(
        &self,
        work: &mut Transaction<'static, Any>,
        addresses: &[Address],
    ) -> Result<(), StoreError> {
        for address in addresses {
            sqlx::query("DELETE FROM keep WHERE address = $1")
                .bind(address.to_string())
                .execute(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }

    /// Keeps things from `now` on. What is kept already falls due when it always would have.
    pub(crate) async fn keep_insert(
        &self,
        work: &mut Transaction<'static, Any>,
        keeps: &[Keep],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for keep in keeps {
            sqlx::query(
                "INSERT INTO keep (address, place, due_at) VALUES ($1, $2, $3)
                 ON CONFLICT (address) DO NOTHING",
            )
            .bind(keep.address.to_string())
            .bind(keep.place.to_string())
            .bind(due_micros(keep, now))
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }
}

/// When it falls due that is kept from `now` on: at a whole second, since people read it, unless that
/// is at once.
fn due_micros(keep: &Keep, now: Timestamp) -> i64 {
    let micros = row::column(keep.seconds).saturating_mul(SECOND);
    let due = now.as_microsecond().saturating_add(micros);
    let due = due.max(keep.until.map_or(due, Timestamp::as_microsecond));
    let beyond = if keep.seconds == 0 { 0 } else { due.rem_euclid(SECOND) };
    let whole = if beyond == 0 { due } else { due.saturating_add(SECOND - beyond) };
    whole.min(latest_micros())
}

/// The last second there is: a date beyond it could not be read again.
fn latest_micros() -> i64 {
    Timestamp::MAX.as_second().saturating_mul(SECOND)
}
