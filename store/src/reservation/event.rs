//! What happens to reservations.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Reservation, ReservationPhase};
use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::webhook::{Told, outbox_insert};
use crate::work::Work;
use crate::{Actor, AuditEvent, Store, StoreError};

/// Something that happened to a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationEvent {
    /// Its id, `evt_…`.
    pub id: String,
    /// The reservation.
    pub reservation: String,
    /// The version that it had from then on.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: ReservationHappening,
    /// The phase that it left the reservation in.
    pub phase: ReservationPhase,
    /// More about it.
    pub data: Value,
}

/// What can happen to a reservation, and to a machine in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationHappening {
    /// It waits for machines.
    Queued,
    /// It got machines.
    Booked,
    /// Its window began.
    Started,
    /// It was made longer.
    Extended,
    /// Its tenant was let in on a machine.
    Granted,
    /// A machine was not well when its tenant was to be let in: another one took its place.
    Swapped,
    /// Its window is over soon.
    Warned,
    /// Its window is over.
    Ended,
    /// It was given back in the middle of its window.
    Released,
    /// It was given back, or taken back, before that.
    Canceled,
    /// It waited for too long.
    Expired,
    /// Nobody is let in on a machine any more.
    Revoked,
    /// A machine is as it was before.
    Cleaned,
    /// A machine could not be taken back, or cleaned: nobody gets it until it is.
    Quarantined,
}

impl ReservationHappening {
    /// Everything that can happen.
    pub const ALL: [ReservationHappening; 14] = [
        ReservationHappening::Queued,
        ReservationHappening::Booked,
        ReservationHappening::Started,
        ReservationHappening::Extended,
        ReservationHappening::Granted,
        ReservationHappening::Swapped,
        ReservationHappening::Warned,
        ReservationHappening::Ended,
        ReservationHappening::Released,
        ReservationHappening::Canceled,
        ReservationHappening::Expired,
        ReservationHappening::Revoked,
        ReservationHappening::Cleaned,
        ReservationHappening::Quarantined,
    ];

    /// As it stands in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReservationHappening::Queued => "queued",
            ReservationHappening::Booked => "booked",
            ReservationHappening::Started => "started",
            ReservationHappening::Extended => "extended",
            ReservationHappening::Granted => "granted",
            ReservationHappening::Swapped => "swapped",
            ReservationHappening::Warned => "warned",
            ReservationHappening::Ended => "ended",
            ReservationHappening::Released => "released",
            ReservationHappening::Canceled => "canceled",
            ReservationHappening::Expired => "expired",
            ReservationHappening::Revoked => "revoked",
            ReservationHappening::Cleaned => "cleaned",
            ReservationHappening::Quarantined => "quarantined",
        }
    }

    /// What others are told it is.
    pub fn topic(self) -> String {
        format!("reservation.{self}")
    }

    /// What is written down that somebody did.
    const fn action(self) -> &'static str {
        match self {
            ReservationHappening::Queued => "reservation.queue",
            ReservationHappening::Booked => "reservation.book",
            ReservationHappening::Started => "reservation.start",
            ReservationHappening::Extended => "reservation.extend",
            ReservationHappening::Granted => "reservation.grant",
            ReservationHappening::Swapped => "reservation.swap",
            ReservationHappening::Warned => "reservation.warn",
            ReservationHappening::Ended => "reservation.end",
            ReservationHappening::Released => "reservation.release",
            ReservationHappening::Canceled => "reservation.cancel",
            ReservationHappening::Expired => "reservation.expire",
            ReservationHappening::Revoked => "reservation.revoke",
            ReservationHappening::Cleaned => "reservation.clean",
            ReservationHappening::Quarantined => "reservation.quarantine",
        }
    }
}

impl fmt::Display for ReservationHappening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReservationHappening {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|what| what.as_str() == text);
        found.ok_or_else(|| format!("`{text}` does not happen to reservations"))
    }
}

impl ReservationEvent {
    /// Reads a row of `reservation_event`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(ReservationEvent {
            id: row::text(row, "id")?,
            reservation: row::text(row, "reservation")?,
            number: row::count(row, "number")?,
            at: row::time(row, "at")?,
            kind: row::parsed(row, "kind")?,
            phase: row::parsed(row, "phase")?,
            data: super::read::json(row, "data")?,
        })
    }
}

impl Store {
    /// What happened to a reservation behind event number `after`, in order.
    pub async fn reservation_events(
        &self,
        reservation: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ReservationEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM reservation_event WHERE reservation = $1 AND number > $2
             ORDER BY number LIMIT $3",
        )
        .bind(reservation)
        .bind(row::column(after))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let events = rows.iter().map(ReservationEvent::read).collect::<Result<_, _>>();
        events.map_err(|error| self.error(&error.into()))
    }

    /// Writes down that something happened to a reservation that is locked, who did it, and that
    /// others are to be told. Its version grows.
    pub(super) async fn reservation_happen(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        (what, data): (ReservationHappening, Value),
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        reservation.version += 1;
        let event = ReservationEvent {
            id: ident("evt", now),
            reservation: reservation.id.clone(),
            number: reservation.version,
            at: now,
            kind: what,
            phase: reservation.phase,
            data,
        };
        let inserted = event_insert(work, &reservation.tenant, &event).await;
        inserted.map_err(|error| self.error(&error))?;
        let audited = AuditEvent {
            actor: by.clone(),
            action: what.action(),
            tenant: Some(reservation.tenant.clone()),
            target: reservation.id.clone(),
            data: event.data,
        };
        self.audit_insert(work, audited).await
    }
}

async fn event_insert(
    work: &mut Work,
    tenant: &str,
    event: &ReservationEvent,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO reservation_event (reservation, number, id, at, kind, phase, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&event.reservation)
    .bind(row::column(event.number))
    .bind(&event.id)
    .bind(event.at.as_microsecond())
    .bind(event.kind.as_str())
    .bind(event.phase.as_str())
    .bind(event.data.to_string())
    .execute(&mut **work)
    .await?;
    let data = json!({
        "id": event.id, "reservation": event.reservation, "number": event.number,
        "phase": event.phase.as_str(), "data": event.data,
    });
    let (at, topic) = (event.at, event.kind.topic());
    outbox_insert(work, &[Told { at, topic, tenant: Some(tenant.to_owned()), data }]).await
}
