//! Another machine for whoever is to be let in on one that is not well.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::json;

use super::booking::{Booking, BookingPhase};
use super::event::ReservationHappening;
use super::machine::MachinePhase;
use super::room::{FreeMachine, Want, choose};
use super::{Reservation, ReservationPhase, Window};
use crate::ident::ident;
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// Whose turn it is at the time `$1` on a machine that is not well, while another one of its pool may be
/// free: at most so many at a time.
pub(super) const STUCK: &str = "SELECT b.id AS id, b.reservation AS reservation
     FROM booking AS b JOIN machine AS m ON m.name = b.machine
     WHERE b.phase IN ('granting', 'revoking', 'cleaning', 'quarantined')
         AND b.phase = 'granting' AND b.granted_at IS NULL AND b.end_at > $1
         AND coalesce(b.leased_until, 0) <= $1 AND m.phase = 'quarantined'
         AND EXISTS (
             SELECT 1 FROM machine AS f
             WHERE f.pool = b.pool AND f.phase = 'ready' AND f.cordoned = 0 AND f.withheld = 0
                 AND f.leaving = 0 AND NOT EXISTS (
                     SELECT 1 FROM booking AS o WHERE o.machine = f.name
                         AND o.phase <> 'done' AND o.start_at < b.free_at
                 )
         )
     ORDER BY b.next_at, b.id LIMIT 64";

impl Store {
    /// Gives another machine to everybody who was to be let in on one that turned out not to be well, and
    /// was not yet: where one is free for the rest of the window. What was begun on the first is taken
    /// back. Everybody else waits until their machine is well again.
    pub(super) async fn bookings_swap(&self) -> Result<(), StoreError> {
        let rows = sqlx::query(STUCK)
            .bind(self.now().as_microsecond())
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let stuck =
            rows.iter().map(|row| Ok((row::text(row, "reservation")?, row::text(row, "id")?)));
        let stuck = stuck.collect::<Result<Vec<_>, Misread>>();
        for (reservation, id) in stuck.map_err(|error| self.error(&error.into()))? {
            self.retried(|| self.booking_swap(&reservation, &id)).await?;
        }
        Ok(())
    }

    async fn booking_swap(&self, reservation: &str, id: &str) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        // Who is given a machine meanwhile, or lets somebody in on this one, comes before or behind.
        self.reservation_advance(&mut work).await?;
        let mut reservation = self.reservation_lock(&mut work, reservation).await?;
        let now = self.time(&mut work).await?;
        let bookings = self.bookings_of(&mut work, &reservation.id).await?;
        let Some(before) = bookings.iter().find(|booking| booking.id == id) else { return Ok(()) };
        if !self.is_stuck(&mut work, &reservation, before, now).await? {
            return Ok(());
        }
        let window = Window { start: before.window.start.max(now), end: before.window.end };
        let Some(machine) = self.machine_instead(&mut work, &reservation, window, now).await?
        else {
            return Ok(());
        };
        let mut booking = Booking::new(ident("bkg", now), &reservation, &machine, window);
        booking.phase = BookingPhase::Granting;
        self.booking_replace(&mut work, before, &booking).await?;
        self.bookings_end(&mut work, &reservation, Some(id), now).await?;
        self.machine_clear(&mut work).await?;
        self.bookings_insert(&mut work, &[booking]).await?;
        self.machines_turn(&mut work, &[&machine.name], reservation.number).await?;
        let data = json!({ "machine": before.machine, "instead": machine.name });
        let (swapped, by) = ((ReservationHappening::Swapped, data), Actor::lessor());
        self.reservation_happen(&mut work, &mut reservation, swapped, &by, now).await?;
        self.reservation_write(&mut work, &reservation).await?;
        self.commit(work).await
    }

    /// Whether it still is so, now that nobody changes it any more.
    async fn is_stuck(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        booking: &Booking,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_due = reservation.phase == ReservationPhase::Active
            && booking.phase == BookingPhase::Granting
            && booking.granted_at.is_none()
            && now < booking.window.end;
        if !is_due {
            return Ok(false);
        }
        let found = sqlx::query("SELECT 1 AS one FROM machine WHERE name = $1 AND phase = $2")
            .bind(&booking.machine)
            .bind(MachinePhase::Quarantined.as_str())
            .fetch_optional(&mut **work)
            .await;
        Ok(found.map_err(|error| self.error(&error))?.is_some())
    }

    /// A machine that does as well, for the rest of a window.
    async fn machine_instead(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        window: Window,
        now: Timestamp,
    ) -> Result<Option<FreeMachine>, StoreError> {
        let (pools, terms) = (&reservation.pools, &reservation.terms);
        let free = self.machines_free(work, pools, (window, terms), (now, i64::MAX)).await?;
        let want = Want { count: 1, min_count: 1, ..Want::of(reservation) };
        // Who waits has no machine yet, and this one was promised.
        let chosen = choose(&free, &[], want);
        Ok(chosen.and_then(|chosen| chosen.first().map(|machine| (*machine).clone())))
    }

    async fn booking_replace(
        &self,
        work: &mut Work,
        before: &Booking,
        instead: &Booking,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE booking SET replaced_by = $1 WHERE id = $2")
            .bind(&instead.id)
            .bind(&before.id)
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }
}
