//! Reservations from rows, and back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::AssertSqlSafe;

use super::{Reservation, ReservationPhase, Window};
use crate::row::{self, Columns, Misread};
use crate::work::{Work, with_said};
use crate::{Decline, Store, StoreError};

/// Which reservations are listed.
#[derive(Clone, Debug, Default)]
pub struct ReservationFilter {
    /// Those of one tenant; of all unless said.
    pub tenant: Option<String>,
    /// Those in one phase.
    pub phase: Option<ReservationPhase>,
    /// Those that are not over.
    pub open: bool,
    /// Those asked for before this one: where the list before ended.
    pub before: Option<String>,
}

impl Reservation {
    /// Reads a row of `reservation`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let start = row::time_optional(row, "start_at")?;
        let end = row::time_optional(row, "end_at")?;
        Ok(Reservation {
            id: row::text(row, "id")?,
            number: row::number(row, "number")?,
            tenant: row::text(row, "tenant")?,
            offer: row::text(row, "offer")?,
            pools: json(row, "pools")?,
            labels: json(row, "labels")?,
            terms: json(row, "terms")?,
            ssh_key: row.text("ssh_key")?,
            password: row::number(row, "password")? == 1,
            count: row::count(row, "count")?,
            min_count: row::count(row, "min_count")?,
            seconds: row::number(row, "seconds")?,
            window: start.zip(end).map(|(start, end)| Window { start, end }),
            wait_until: row::time_optional(row, "wait_until")?,
            phase: row::parsed(row, "phase")?,
            why: row.text("why")?,
            hold: row.text("hold")?,
            placed_by: row::text(row, "placed_by")?,
            placed_at: row::time(row, "placed_at")?,
            ended_at: row::time_optional(row, "ended_at")?,
            warned_at: row::time_optional(row, "warned_at")?,
            version: row::count(row, "version")?,
        })
    }
}

impl Store {
    /// A reservation; `None` when there is no such reservation.
    pub async fn reservation_show(&self, id: &str) -> Result<Option<Reservation>, StoreError> {
        let found = sqlx::query("SELECT * FROM reservation WHERE id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let found = found.as_ref().map(Reservation::read).transpose();
        found.map_err(|error| self.error(&error.into()))
    }

    /// Reservations, the newest first.
    pub async fn reservation_list(
        &self,
        filter: &ReservationFilter,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        let said = [
            ("tenant", filter.tenant.as_deref()),
            ("phase", filter.phase.map(ReservationPhase::as_str)),
        ];
        let text = "SELECT * FROM reservation
             WHERE id < $1 AND ($2 = 0 OR phase IN ('queued', 'booked', 'active'))";
        let text = with_said(text, 4, &said);
        let query = sqlx::query(AssertSqlSafe(format!("{text} ORDER BY id DESC LIMIT $3")));
        let before = filter.before.as_deref().unwrap_or(row::LAST);
        let query = query.bind(before.to_owned()).bind(i64::from(filter.open));
        let values = said.into_iter().filter_map(|(_, value)| value);
        let query =
            values.fold(query.bind(i64::from(limit)), |query, value| query.bind(value.to_owned()));
        let rows = query.fetch_all(self.pool()).await.map_err(|error| self.error(&error))?;
        let found = rows.iter().map(Reservation::read).collect::<Result<_, _>>();
        found.map_err(|error| self.error(&error.into()))
    }

    /// Moves on the count of reservations: from here on, nobody else changes which machine is whose
    /// until the transaction ends.
    pub(super) async fn reservation_advance(&self, work: &mut Work) -> Result<i64, StoreError> {
        let moved = sqlx::query(
            "UPDATE reservation_count SET number = number + 1 WHERE id = 1 RETURNING number",
        )
        .fetch_one(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        row::number(&moved, "number").map_err(|error| self.error(&error.into()))
    }

    /// A reservation, which nobody else changes until the transaction ends.
    ///
    /// # Errors
    /// [`Decline::NoReservation`] when there is none.
    pub(super) async fn reservation_lock(
        &self,
        work: &mut Work,
        id: &str,
    ) -> Result<Reservation, StoreError> {
        let found =
            sqlx::query("UPDATE reservation SET version = version WHERE id = $1 RETURNING *")
                .bind(id)
                .fetch_optional(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        let found = found.ok_or_else(|| Decline::NoReservation { reservation: id.to_owned() })?;
        Reservation::read(&found).map_err(|error| self.error(&error.into()))
    }

    pub(super) async fn reservation_insert(
        &self,
        work: &mut Work,
        reservation: &Reservation,
    ) -> Result<(), StoreError> {
        let inserted = reservation_insert(work, reservation).await;
        inserted.map_err(|error| self.error(&error))
    }

    /// Writes down what may change of a reservation that is locked.
    pub(super) async fn reservation_write(
        &self,
        work: &mut Work,
        reservation: &Reservation,
    ) -> Result<(), StoreError> {
        let window = reservation.window;
        sqlx::query(
            "UPDATE reservation SET count = $1, seconds = $2, start_at = $3, end_at = $4,
                 phase = $5, why = $6, hold = $7, ended_at = $8, warned_at = $9, version = $10
             WHERE id = $11",
        )
        .bind(i64::from(reservation.count))
        .bind(reservation.seconds)
        .bind(window.map(|window| window.start.as_microsecond()))
        .bind(window.map(|window| window.end.as_microsecond()))
        .bind(reservation.phase.as_str())
        .bind(reservation.why.as_deref().map(row::storable))
        .bind(&reservation.hold)
        .bind(reservation.ended_at.map(Timestamp::as_microsecond))
        .bind(reservation.warned_at.map(Timestamp::as_microsecond))
        .bind(row::column(reservation.version))
        .bind(&reservation.id)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

async fn reservation_insert(work: &mut Work, reservation: &Reservation) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO reservation (id, number, tenant, offer, pools, labels, terms, ssh_key,
             password, count, min_count, seconds, wait_until, phase, placed_by, placed_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(&reservation.id)
    .bind(reservation.number)
    .bind(&reservation.tenant)
    .bind(&reservation.offer)
    .bind(text_of(&reservation.pools))
    .bind(text_of(&reservation.labels))
    .bind(text_of(&reservation.terms))
    .bind(&reservation.ssh_key)
    .bind(i64::from(reservation.password))
    .bind(i64::from(reservation.count))
    .bind(i64::from(reservation.min_count))
    .bind(reservation.seconds)
    .bind(reservation.wait_until.map(Timestamp::as_microsecond))
    .bind(reservation.phase.as_str())
    .bind(&reservation.placed_by)
    .bind(reservation.placed_at.as_microsecond())
    .bind(row::column(reservation.version))
    .execute(&mut **work)
    .await?;
    Ok(())
}

/// Plain data as text: this cannot fail.
pub(super) fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn json<T: DeserializeOwned>(row: &impl Columns, column: &str) -> Result<T, Misread> {
    serde_json::from_str(&row::text(row, column)?).map_err(|why| Misread::new(column, &why))
}

/// Whether something has all labels that are wanted.
pub(super) fn has_labels(
    own: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> bool {
    wanted.iter().all(|(key, value)| own.get(key) == Some(value))
}
