//! One machine within a reservation, and taking the turn at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use lessor_engine::Clock as _;

use super::room::FreeMachine;
use super::{Reservation, Window, later};
use crate::row::{self, Columns, Misread};
use crate::work::{Work, rows_at_once, with_rows};
use crate::{Store, StoreError};

/// How many values a booking is written in.
const COLUMNS: usize = 11;

/// How often it is looked for more where others are faster.
const ROUNDS: usize = 16;

/// How long what failed is put off at most.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Where something is to be done at the time `$1`: at most `$2`, those first where somebody is to be let
/// in no longer. A pause behind `$3` and a turn behind `$4` are later than any can be.
pub(super) const DUE: &str = "SELECT b.id AS id, b.reservation AS reservation FROM booking AS b
     WHERE b.phase IN ('granting', 'revoking', 'cleaning', 'quarantined')
         AND (b.next_at <= $1 OR b.next_at > $3 OR (b.phase = 'revoking' AND b.tries = 0))
         AND (coalesce(b.leased_until, 0) <= $1 OR b.leased_until > $4)
         AND (b.phase <> 'granting' OR b.granted_at IS NOT NULL OR (
             EXISTS (
                 SELECT 1 FROM machine AS m WHERE m.name = b.machine AND m.phase = 'ready'
             ) AND NOT EXISTS (
                 SELECT 1 FROM booking AS o WHERE o.machine = b.machine AND o.id <> b.id
                     AND o.phase <> 'done' AND o.phase <> 'booked'
             )
         ))
     ORDER BY CASE WHEN b.phase = 'revoking' THEN 0 ELSE 1 END, b.next_at, b.id LIMIT $2";

/// A machine within a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Its id, `bkg_…`.
    pub id: String,
    /// The reservation.
    pub reservation: String,
    /// The machine.
    pub machine: String,
    /// Its pool.
    pub pool: String,
    /// From when to when.
    pub window: Window,
    /// Until when the machine is kept free behind that.
    pub free_at: Timestamp,
    /// How far it is.
    pub phase: BookingPhase,
    /// How often in a row the next thing was tried.
    pub tries: u32,
    /// When something is to be done with it.
    pub next_at: Timestamp,
    /// What went wrong last.
    pub why: Option<String>,
    /// When its tenant was let in.
    pub granted_at: Option<Timestamp>,
    /// Since when nobody is.
    pub revoked_at: Option<Timestamp>,
    /// The booking that took its place, its machine not being well at the start.
    pub replaced_by: Option<String>,
}

/// How far a booking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingPhase {
    /// It begins later.
    Booked,
    /// Its tenant is to be let in, or for longer than before.
    Granting,
    /// Its tenant is let in.
    Granted,
    /// Nobody is to be let in any more.
    Revoking,
    /// The machine is to be as it was before.
    Cleaning,
    /// The machine could not be cleaned yet.
    Quarantined,
    /// Nothing is left of it.
    Done,
}

/// What is to be done at a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingAct {
    /// Let its tenant in until the end of the window, whether it is let in already or not.
    Grant,
    /// Let nobody in.
    Revoke,
    /// Make it as it was before, and look whether it is well.
    Clean,
}

/// A booking that is ours to work on.
#[derive(Clone, Debug)]
pub struct ClaimedBooking {
    /// The booking, with this try counted.
    pub booking: Booking,
    /// What it is a part of.
    pub reservation: Reservation,
    /// What is to be done.
    pub act: BookingAct,
    /// Later holders of the same booking have greater ones.
    pub token: i64,
}

impl Booking {
    /// Of a machine that is given to a reservation.
    pub(super) fn new(
        id: String,
        reservation: &Reservation,
        machine: &FreeMachine,
        window: Window,
    ) -> Self {
        Booking {
            id,
            reservation: reservation.id.clone(),
            machine: machine.name.clone(),
            pool: machine.pool.clone(),
            window,
            free_at: reservation.terms.free_at(window.end),
            phase: BookingPhase::Booked,
            tries: 0,
            next_at: window.start,
            why: None,
            granted_at: None,
            revoked_at: None,
            replaced_by: None,
        }
    }

    /// Reads a row of `booking`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Booking {
            id: row::text(row, "id")?,
            reservation: row::text(row, "reservation")?,
            machine: row::text(row, "machine")?,
            pool: row::text(row, "pool")?,
            window: Window { start: row::time(row, "start_at")?, end: row::time(row, "end_at")? },
            free_at: row::time(row, "free_at")?,
            phase: row::parsed(row, "phase")?,
            tries: row::count(row, "tries")?,
            next_at: row::time(row, "next_at")?,
            why: row.text("why")?,
            granted_at: row::time_optional(row, "granted_at")?,
            revoked_at: row::time_optional(row, "revoked_at")?,
            replaced_by: row.text("replaced_by")?,
        })
    }
}

impl Store {
    /// The machines of a reservation, in order of name.
    pub async fn booking_list(&self, reservation: &str) -> Result<Vec<Booking>, StoreError> {
        let rows = sqlx::query("SELECT * FROM booking WHERE reservation = $1 ORDER BY machine, id")
            .bind(reservation)
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let bookings = rows.iter().map(Booking::read).collect::<Result<_, _>>();
        bookings.map_err(|error| self.error(&error.into()))
    }

    /// The machines of many reservations, by reservation and in order of name.
    pub async fn booking_list_of(
        &self,
        reservations: &[&str],
    ) -> Result<BTreeMap<String, Vec<Booking>>, StoreError> {
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for ids in reservations.chunks(rows_at_once(1)) {
            let list = with_rows("", 1, ids.len());
            let text =
                format!("SELECT * FROM booking WHERE reservation IN{list} ORDER BY machine, id");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for id in ids {
                query = query.bind(*id);
            }
            let rows = query.fetch_all(self.pool()).await.map_err(|error| self.error(&error))?;
            for row in &rows {
                let booking = Booking::read(row).map_err(|error| self.error(&error.into()))?;
                found.entry(booking.reservation.clone()).or_default().push(booking);
            }
        }
        Ok(found)
    }

    /// The reservations whose tenants are let in on a machine, or are to be.
    pub async fn machine_insiders(&self, machine: &str) -> Result<BTreeSet<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT reservation FROM booking
             WHERE machine = $1 AND phase IN ('granting', 'granted')",
        )
        .bind(machine)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let ids = rows.iter().map(|row| row::text(row, "reservation")).collect::<Result<_, _>>();
        ids.map_err(|error: Misread| self.error(&error.into()))
    }

    /// When something is next to be done with a reservation or a machine of one; `None` when nothing
    /// is. It may lie in the past.
    pub async fn booking_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let found = sqlx::query(
            "SELECT min(at) AS at FROM (
                 SELECT min(next_at) AS at FROM booking
                 WHERE phase IN ('granting', 'revoking', 'cleaning', 'quarantined')
                 UNION ALL SELECT min(start_at) FROM reservation WHERE phase = 'booked'
                 UNION ALL SELECT min(end_at) FROM reservation WHERE phase IN ('booked', 'active')
                 UNION ALL SELECT min(end_at) - 300000000 FROM reservation
                 WHERE phase = 'active' AND warned_at IS NULL
                 UNION ALL SELECT min(wait_until) FROM reservation WHERE phase = 'queued'
             ) AS due",
        )
        .fetch_one(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        row::time_optional(&found, "at").map_err(|error| self.error(&error.into()))
    }

    /// Begins and ends what is due, gives another machine to whoever cannot be let in on theirs, and takes the turn at up to `limit` machines where something is to
    /// be done, each for as long as `ttl`: those first where somebody is to be let in no longer.
    /// Whoever does not end a try by then may see it tried by others. Nobody is let in on a machine
    /// that is not given back by who had it before, and nobody once their window is over.
    pub async fn booking_claim(
        &self,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<ClaimedBooking>, StoreError> {
        self.reservation_turn().await?;
        self.bookings_swap().await?;
        let mut claimed = Vec::new();
        // What others are faster at is theirs, and there may be more behind it.
        for _ in 0..ROUNDS {
            let wanted = limit.saturating_sub(claimed.len());
            let due = if wanted > 0 { self.bookings_due(wanted, ttl).await? } else { Vec::new() };
            if due.is_empty() {
                break;
            }
            for (reservation, id) in due {
                claimed
                    .extend(self.retried(|| self.booking_claim_one(&reservation, &id, ttl)).await?);
            }
        }
        Ok(claimed)
    }

    /// Where something is to be done: each with what it is a part of.
    ///
    /// A turn or a pause that ends later than any can was written before the clock was set back.
    async fn bookings_due(
        &self,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let now = self.now();
        let rows = sqlx::query(DUE)
            .bind(now.as_microsecond())
            .bind(row::column(limit))
            .bind(later(now, LONGEST_PAUSE).as_microsecond())
            .bind(later(now, ttl).as_microsecond())
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let due =
            rows.iter().map(|row| Ok((row::text(row, "reservation")?, row::text(row, "id")?)));
        due.collect::<Result<_, Misread>>().map_err(|error| self.error(&error.into()))
    }

    /// Takes the turn at a machine for longer. Whether it is still ours.
    pub async fn booking_renew(
        &self,
        claimed: &ClaimedBooking,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let until = later(now, ttl);
        let renewed = sqlx::query(
            "UPDATE booking SET leased_until = $1
             WHERE id = $2 AND token = $3 AND phase = $4 AND leased_until IS NOT NULL",
        )
        .bind(until.as_microsecond())
        .bind(&claimed.booking.id)
        .bind(claimed.token)
        .bind(claimed.booking.phase.as_str())
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn booking_claim_one(
        &self,
        reservation: &str,
        id: &str,
        ttl: Duration,
    ) -> Result<Option<ClaimedBooking>, StoreError> {
        let mut work = self.begin().await?;
        // Who ends the reservation, or makes it longer, comes before or behind.
        let reservation = self.reservation_lock(&mut work, reservation).await?;
        let now = self.time(&mut work).await?;
        let until = later(now, ttl);
        let claimed = async {
            let row = sqlx::query(
                "UPDATE booking SET leased_until = $1, token = token + 1, tries = tries + 1
                 WHERE id = $2 AND phase IN ('granting', 'revoking', 'cleaning', 'quarantined')
                     AND (next_at <= $3 OR next_at > $4 OR (phase = 'revoking' AND tries = 0))
                     AND (coalesce(leased_until, 0) <= $3 OR leased_until > $1)
                     AND (phase <> 'granting' OR end_at > $3)
                 RETURNING *",
            )
            .bind(until.as_microsecond())
            .bind(id)
            .bind(now.as_microsecond())
            .bind(later(now, LONGEST_PAUSE).as_microsecond())
            .fetch_optional(&mut *work)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let (booking, token) = (Booking::read(&row)?, row::number(&row, "token")?);
            let act = match booking.phase {
                BookingPhase::Granting => BookingAct::Grant,
                BookingPhase::Revoking => BookingAct::Revoke,
                _ => BookingAct::Clean,
            };
            Ok(Some(ClaimedBooking { booking, reservation, act, token }))
        };
        let claimed = claimed.await.map_err(|error: sqlx::Error| self.error(&error))?;
        if claimed.is_some() {
            self.commit(work).await?;
        }
        Ok(claimed)
    }

    pub(super) async fn bookings_of(
        &self,
        work: &mut Work,
        reservation: &str,
    ) -> Result<Vec<Booking>, StoreError> {
        let rows = sqlx::query("SELECT * FROM booking WHERE reservation = $1 ORDER BY machine, id")
            .bind(reservation)
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let bookings = rows.iter().map(Booking::read).collect::<Result<_, _>>();
        bookings.map_err(|error| self.error(&error.into()))
    }

    pub(super) async fn bookings_insert(
        &self,
        work: &mut Work,
        bookings: &[Booking],
    ) -> Result<(), StoreError> {
        let inserted = bookings_insert(work, bookings).await;
        inserted.map_err(|error| self.error(&error))
    }

    /// Puts machines behind all that rest for longer.
    pub(super) async fn machines_turn(
        &self,
        work: &mut Work,
        names: &[&str],
        turn: i64,
    ) -> Result<(), StoreError> {
        for names in names.chunks(rows_at_once(2)) {
            let list = with_rows("", 1, names.len());
            let text = format!("UPDATE machine SET turn = {turn} WHERE name IN{list}");
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for name in names {
                query = query.bind(*name);
            }
            query.execute(&mut **work).await.map_err(|error| self.error(&error))?;
        }
        Ok(())
    }
}

async fn bookings_insert(work: &mut Work, bookings: &[Booking]) -> Result<(), sqlx::Error> {
    for rows in bookings.chunks(rows_at_once(COLUMNS)) {
        let text = "INSERT INTO booking (id, reservation, machine, pool, start_at, end_at, free_at,
             phase, tries, next_at, token) VALUES";
        let text = with_rows(text, rows.len(), COLUMNS);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for booking in rows {
            query = query
                .bind(&booking.id)
                .bind(&booking.reservation)
                .bind(&booking.machine)
                .bind(&booking.pool)
                .bind(booking.window.start.as_microsecond())
                .bind(booking.window.end.as_microsecond())
                .bind(booking.free_at.as_microsecond())
                .bind(booking.phase.as_str())
                .bind(i64::from(booking.tries))
                .bind(booking.next_at.as_microsecond())
                .bind(0_i64);
        }
        query.execute(&mut **work).await?;
    }
    Ok(())
}

impl BookingPhase {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            BookingPhase::Booked => "booked",
            BookingPhase::Granting => "granting",
            BookingPhase::Granted => "granted",
            BookingPhase::Revoking => "revoking",
            BookingPhase::Cleaning => "cleaning",
            BookingPhase::Quarantined => "quarantined",
            BookingPhase::Done => "done",
        }
    }
}

impl fmt::Display for BookingPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BookingPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [
            BookingPhase::Booked,
            BookingPhase::Granting,
            BookingPhase::Granted,
            BookingPhase::Revoking,
            BookingPhase::Cleaning,
            BookingPhase::Quarantined,
            BookingPhase::Done,
        ];
        let found = all.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of a booking"))
    }
}
