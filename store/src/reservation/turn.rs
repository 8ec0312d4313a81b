//! What falls due by the clock: windows that begin, and windows that are over.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::{Value, json};

use super::booking::{Booking, BookingPhase};
use super::event::ReservationHappening;
use super::{Reservation, ReservationPhase, Window, after};
use crate::row;
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// How many are begun or ended in one go.
const AT_ONCE: i64 = 500;

/// How long before its end a tenant is told that it is over soon, in seconds; and how long a window
/// is at least in which that is of any use.
const WARNED: i64 = 300;
const WORTH_IT: i64 = 2 * WARNED;

/// How a reservation comes to be over.
pub(super) struct Ending {
    /// The moment from which on its machines are not its tenant's any more.
    pub(super) at: Timestamp,
    /// The phase it is left in.
    pub(super) phase: ReservationPhase,
    /// Why, when nobody wished so.
    pub(super) why: Option<String>,
    /// Who did it.
    pub(super) by: Actor,
}

impl Store {
    /// Begins every window that is due, says so of every one that is over soon, and ends every one that
    /// is over: by the clock of the database, and as of the moment it was due, however late this is.
    /// Answers with how many those were; there may be more.
    pub async fn reservation_turn(&self) -> Result<usize, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM reservation
             WHERE (phase = 'booked' AND start_at <= $1)
                 OR (phase IN ('booked', 'active') AND end_at <= $1)
                 OR (phase = 'active' AND end_at <= $2 AND warned_at IS NULL AND seconds > $3)
             ORDER BY end_at, id LIMIT $4",
        )
        .bind(self.now().as_microsecond())
        .bind(after(self.now(), WARNED).as_microsecond())
        .bind(WORTH_IT)
        .bind(AT_ONCE)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let mut turned = 0;
        for row in &rows {
            let id = row::text(row, "id").map_err(|error| self.error(&error.into()))?;
            turned += usize::from(self.retried(|| self.reservation_turn_one(&id)).await?);
        }
        Ok(turned)
    }

    async fn reservation_turn_one(&self, id: &str) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let mut reservation = self.reservation_lock(&mut work, id).await?;
        let now = self.time(&mut work).await?;
        let Some(window) = reservation.window else { return Ok(false) };
        match reservation.phase {
            ReservationPhase::Booked | ReservationPhase::Active if window.end <= now => {
                let why = (reservation.phase == ReservationPhase::Booked)
                    .then(|| "its window went by while nobody could let it in".to_owned());
                let (at, phase) = (window.end, ReservationPhase::Ended);
                let ending = Ending { at, phase, why, by: Actor::lessor() };
                self.reservation_end(&mut work, &mut reservation, ending, now).await?;
            }
            ReservationPhase::Booked if window.start <= now => {
                self.reservation_begin(&mut work, &mut reservation, now).await?;
            }
            ReservationPhase::Active
                if window.end <= after(now, WARNED) && reservation.warned_at.is_none() =>
            {
                reservation.warned_at = Some(now);
                let warned = (ReservationHappening::Warned, json!({ "end": window.end }));
                let by = Actor::lessor();
                self.reservation_happen(&mut work, &mut reservation, warned, &by, now).await?;
            }
            _ => return Ok(false),
        }
        self.reservation_write(&mut work, &reservation).await?;
        self.commit(work).await?;
        Ok(true)
    }

    /// Begins the window of a reservation that is locked: what was promised is charged, and its tenant
    /// is to be let in.
    pub(super) async fn reservation_begin(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        reservation.phase = ReservationPhase::Active;
        self.reservation_charge(work, reservation, now).await?;
        sqlx::query(
            "UPDATE booking SET phase = 'granting', next_at = start_at
             WHERE reservation = $1 AND phase = 'booked'",
        )
        .bind(&reservation.id)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let started = (ReservationHappening::Started, json!({}));
        self.reservation_happen(work, reservation, started, &Actor::lessor(), now).await
    }

    /// Ends a reservation that is locked: nobody is to be let in any more, what was not had is given
    /// back, and it counts no longer.
    pub(super) async fn reservation_end(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        ending: Ending,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Ending { at, phase, why, by } = ending;
        let bookings = self.bookings_of(work, &reservation.id).await?;
        let (tenant, count) = (reservation.tenant.clone(), reservation.count);
        if let Some(window) = reservation.window {
            let end = at.clamp(window.start, window.end);
            let rest = Window { start: end, end: window.end };
            self.hours_give_back(work, &tenant, (rest, count)).await?;
            let granted = bookings.iter().filter(|booking| booking.granted_at.is_some()).count();
            let granted = u32::try_from(granted).unwrap_or(u32::MAX);
            let elapsed = end.duration_since(window.start).as_secs();
            self.reservation_refund(work, reservation, (granted, elapsed), now).await?;
        }
        self.reservation_unhold(work, reservation, now).await?;
        self.bookings_end(work, reservation, None, at).await?;
        self.reservation_give_back(work, &tenant, (1, count)).await?;
        reservation.phase = phase;
        reservation.ended_at = Some(at);
        reservation.why = why;
        let (what, data) = ended(reservation, &bookings);
        self.reservation_happen(work, reservation, (what, data), &by, now).await
    }

    /// Ends all bookings of a reservation, or one: what nobody ever came near to is done with; everything
    /// else is to be taken back.
    pub(super) async fn bookings_end(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        one: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        // An empty word stands for any: no booking is called so.
        let one = one.unwrap_or_default();
        let free_at = reservation.terms.free_at(at);
        let ended = async {
            sqlx::query(
                "UPDATE booking SET phase = 'done', leased_until = NULL, token = token + 1
                 WHERE reservation = $1 AND (id = $2 OR $2 = '')
                     AND (phase = 'booked' OR (phase = 'granting' AND token = 0))",
            )
            .bind(&reservation.id)
            .bind(one)
            .execute(&mut **work)
            .await?;
            // A window is never empty: what began this very moment ends a moment later.
            sqlx::query(
                "UPDATE booking SET phase = 'revoking', leased_until = NULL, token = token + 1,
                     tries = 0, why = NULL, next_at = $1,
                     end_at = CASE WHEN start_at < $1 THEN $1 ELSE start_at + 1 END,
                     free_at = CASE WHEN start_at < $2 THEN $2 ELSE start_at + 1 END
                 WHERE reservation = $3 AND phase IN ('granting', 'granted')
                     AND (id = $4 OR $4 = '')",
            )
            .bind(at.as_microsecond())
            .bind(free_at.as_microsecond())
            .bind(&reservation.id)
            .bind(one)
            .execute(&mut **work)
            .await?;
            sqlx::query(
                "UPDATE machine SET phase = 'cleaning' WHERE phase = 'ready' AND name IN (
                     SELECT machine FROM booking WHERE reservation = $1 AND phase = 'revoking'
                 )",
            )
            .bind(&reservation.id)
            .execute(&mut **work)
            .await
            .map(drop)
        };
        ended.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

fn ended(reservation: &Reservation, bookings: &[Booking]) -> (ReservationHappening, Value) {
    let what = match reservation.phase {
        ReservationPhase::Released => ReservationHappening::Released,
        ReservationPhase::Canceled => ReservationHappening::Canceled,
        ReservationPhase::Expired => ReservationHappening::Expired,
        ReservationPhase::Queued
        | ReservationPhase::Booked
        | ReservationPhase::Active
        | ReservationPhase::Ended => ReservationHappening::Ended,
    };
    let is_open =
        |booking: &&Booking| booking.phase != BookingPhase::Done && booking.replaced_by.is_none();
    let machines = bookings.iter().filter(is_open).map(|booking| booking.machine.as_str());
    let machines: Vec<_> = machines.collect();
    (what, json!({ "machines": machines, "why": reservation.why }))
}
