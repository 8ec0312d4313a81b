//! What is done with a reservation: made longer, given back, and taken back with a whole pool.

use jiff::Timestamp;
use lessor_plans::Digest;
use serde_json::json;

use super::event::ReservationHappening;
use super::turn::Ending;
use super::{Reservation, ReservationPhase, Window, after};
use crate::order::unfit;
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Actor, Decline, Store, StoreError};

/// What taking back a whole pool comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRelease {
    /// The reservations that have machines of the pool, or are to have some.
    pub reservations: Vec<String>,
    /// What is shown to take back exactly these.
    pub token: String,
    /// Whether they were.
    pub done: bool,
}

impl Store {
    /// Makes a reservation longer by so many seconds, on all its machines or not at all. What that
    /// costs is charged now.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn reservation_extend(
        &self,
        id: &str,
        by_s: i64,
        by: &Actor,
    ) -> Result<Reservation, StoreError> {
        self.retried(|| self.reservation_extend_once(id, by_s, by)).await
    }

    async fn reservation_extend_once(
        &self,
        id: &str,
        by_s: i64,
        by: &Actor,
    ) -> Result<Reservation, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let mut reservation = self.reservation_lock(&mut work, id).await?;
        let now = self.time(&mut work).await?;
        let window = open_window(&reservation, "be made longer", now)?;
        let longer = longer(&reservation, window, by_s)?;
        let more = Window { start: window.end, end: longer.end };
        let (tenant, limits) = (reservation.tenant.clone(), reservation.terms.limits);
        self.hours_take(&mut work, &tenant, (more, reservation.count), &limits).await?;
        self.bookings_extend(&mut work, &reservation, longer, now).await?;
        let before = reservation.seconds;
        reservation.seconds += by_s;
        reservation.window = Some(longer);
        reservation.warned_at = None;
        self.reservation_charge_more(&mut work, &mut reservation, before, now).await?;
        let extended = (ReservationHappening::Extended, json!({ "end": longer.end }));
        self.reservation_happen(&mut work, &mut reservation, extended, by, now).await?;
        self.reservation_write(&mut work, &reservation).await?;
        self.commit(work).await?;
        Ok(reservation)
    }

    /// Moves the end of every machine of a reservation, if nobody else has one of them then. Who is let
    /// in already is to be let in for longer.
    async fn bookings_extend(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        longer: Window,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (end, free_at) = (longer.end, reservation.terms.free_at(longer.end));
        let extended = async {
            let open = sqlx::query(
                "SELECT count(*) AS count FROM booking WHERE reservation = $1
                     AND phase IN ('booked', 'granting', 'granted')",
            )
            .bind(&reservation.id)
            .fetch_one(&mut **work)
            .await?;
            let open: u64 = row::count(&open, "count")?;
            // A try under way is one for the end before: it does not count.
            let moved = sqlx::query(
                "UPDATE booking SET end_at = $1, free_at = $2,
                     next_at = CASE WHEN phase = 'granted' THEN $3 ELSE next_at END,
                     token = CASE WHEN phase = 'booked' THEN token ELSE token + 1 END,
                     phase = CASE WHEN phase = 'granted' THEN 'granting' ELSE phase END
                 WHERE reservation = $4 AND phase IN ('booked', 'granting', 'granted')
                     AND NOT EXISTS (
                         SELECT 1 FROM booking AS o
                         WHERE o.machine = booking.machine AND o.id <> booking.id
                             AND o.phase <> 'done' AND o.start_at < $2
                             AND o.free_at > booking.start_at
                     )",
            )
            .bind(end.as_microsecond())
            .bind(free_at.as_microsecond())
            .bind(now.as_microsecond())
            .bind(&reservation.id)
            .execute(&mut **work)
            .await?;
            Ok(moved.rows_affected() == open)
        };
        if extended.await.map_err(|error: sqlx::Error| self.error(&error))? {
            return Ok(());
        }
        Err(Decline::MachineTaken { reservation: reservation.id.clone() }.into())
    }

    /// Gives a reservation back. In the middle of its window, the minutes that have not begun are paid
    /// back; before that, all of it is.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn reservation_release(
        &self,
        id: &str,
        by: &Actor,
    ) -> Result<Reservation, StoreError> {
        self.retried(|| self.reservation_release_once(id, None, by)).await
    }

    async fn reservation_release_once(
        &self,
        id: &str,
        why: Option<&str>,
        by: &Actor,
    ) -> Result<Reservation, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let mut reservation = self.reservation_lock(&mut work, id).await?;
        let now = self.time(&mut work).await?;
        if reservation.phase.is_over() {
            return Ok(reservation);
        }
        let phase = match reservation.phase {
            ReservationPhase::Active => ReservationPhase::Released,
            _ => ReservationPhase::Canceled,
        };
        let at = reservation.window.map_or(now, |window| now.min(window.end));
        let ending = Ending { at, phase, why: why.map(str::to_owned), by: by.clone() };
        self.reservation_end(&mut work, &mut reservation, ending, now).await?;
        self.reservation_write(&mut work, &reservation).await?;
        self.commit(work).await?;
        Ok(reservation)
    }

    /// Gives back every reservation that has machines of a pool, or is to have some; with `token`,
    /// which says that somebody has seen which those are. Without, it only says which. Who waits for
    /// machines goes on waiting: keep the machines back first, or they are given out again.
    ///
    /// # Errors
    /// [`Decline::PoolMoved`] when they are not those any more that were seen.
    pub async fn pool_release(
        &self,
        pool: &str,
        token: Option<&str>,
        by: &Actor,
    ) -> Result<PoolRelease, StoreError> {
        let reservations = self.reservations_in(pool).await?;
        let found = Digest::of_json(&("lessor/pool-release/1", pool, &reservations)).to_string();
        let Some(token) = token else {
            return Ok(PoolRelease { reservations, token: found, done: false });
        };
        if token != found {
            return Err(Decline::PoolMoved { pool: pool.to_owned() }.into());
        }
        let why = Some("its pool was taken back");
        for id in &reservations {
            self.retried(|| self.reservation_release_once(id, why, by)).await?;
        }
        Ok(PoolRelease { reservations, token: found, done: true })
    }

    async fn reservations_in(&self, pool: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT r.id AS id FROM reservation AS r
             JOIN booking AS b ON b.reservation = r.id
             WHERE b.pool = $1 AND b.phase <> 'done' AND r.phase IN ('booked', 'active')
             ORDER BY r.id",
        )
        .bind(pool)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let ids = rows.iter().map(|row| row::text(row, "id")).collect::<Result<_, Misread>>();
        ids.map_err(|error| self.error(&error.into()))
    }
}

/// The window of a reservation that is not over.
fn open_window(
    reservation: &Reservation,
    what: &'static str,
    now: Timestamp,
) -> Result<Window, Decline> {
    let is_open = matches!(reservation.phase, ReservationPhase::Booked | ReservationPhase::Active);
    let window = reservation.window.filter(|window| is_open && now < window.end);
    // It is over by the clock, whether that is written down or not.
    let phase = if is_open { ReservationPhase::Ended } else { reservation.phase };
    window.ok_or_else(|| Decline::NotReserved {
        reservation: reservation.id.clone(),
        phase: phase.to_string(),
        what,
    })
}

fn longer(reservation: &Reservation, window: Window, by_s: i64) -> Result<Window, Decline> {
    let most = reservation.terms.max_total_s.unwrap_or(i64::MAX);
    let left = most.saturating_sub(reservation.seconds);
    let most = reservation.terms.max_s.unwrap_or(i64::MAX).min(left);
    if by_s < 1 || by_s > most {
        let why = format!("expected 1 to {} more seconds", most.max(0));
        return Err(unfit("duration", &why));
    }
    Ok(Window { start: window.start, end: after(window.end, by_s) })
}
