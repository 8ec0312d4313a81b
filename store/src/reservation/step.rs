//! What working on a machine came to.

use jiff::Timestamp;
use serde_json::json;

use super::booking::{BookingAct, BookingPhase, ClaimedBooking, LONGEST_PAUSE};
use super::event::ReservationHappening;
use super::later;
use super::machine::MachinePhase;
use crate::row;
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// What a try at a machine came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookingEnd {
    /// It is done.
    Done,
    /// It is not.
    Failed {
        /// What went wrong.
        why: String,
        /// When to try again; within five minutes in any case.
        again_at: Timestamp,
        /// Whether nobody gets the machine until it was cleaned. So it is in any case where nobody is
        /// to be let in any more.
        quarantine: bool,
    },
}

/// What is written of a booking.
struct Stepped {
    phase: BookingPhase,
    next_at: Timestamp,
    why: Option<String>,
    tries: u32,
}

impl Store {
    /// Writes down what a try came to, and gives the turn back. Whether it was still ours, and still
    /// what is to be done.
    pub async fn booking_step(
        &self,
        claimed: &ClaimedBooking,
        end: &BookingEnd,
    ) -> Result<bool, StoreError> {
        self.retried(|| self.booking_step_once(claimed, end)).await
    }

    async fn booking_step_once(
        &self,
        claimed: &ClaimedBooking,
        end: &BookingEnd,
    ) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        let id = &claimed.reservation.id;
        let mut reservation = self.reservation_lock(&mut work, id).await?;
        let now = self.time(&mut work).await?;
        let stepped = stepped(claimed, end, now);
        let written = booking_write(&mut work, claimed, &stepped, now).await;
        if !written.map_err(|error| self.error(&error))? {
            return Ok(false);
        }
        self.machine_follow(&mut work, claimed, end, now).await?;
        if let Some(what) = happened(claimed, end) {
            // What a machine says of itself is its operator's to know: it stands with the machine.
            let data = json!({
                "booking": claimed.booking.id, "machine": claimed.booking.machine,
            });
            let (by, event) = (Actor::lessor(), (what, data));
            self.reservation_happen(&mut work, &mut reservation, event, &by, now).await?;
            self.reservation_write(&mut work, &reservation).await?;
        }
        if stepped.phase == BookingPhase::Done {
            self.machine_clear(&mut work).await?;
        }
        self.commit(work).await?;
        Ok(true)
    }

    /// How the machine is behind a try.
    async fn machine_follow(
        &self,
        work: &mut Work,
        claimed: &ClaimedBooking,
        end: &BookingEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (phase, why) = match (claimed.act, end) {
            (
                BookingAct::Grant,
                BookingEnd::Done | BookingEnd::Failed { quarantine: false, .. },
            )
            | (BookingAct::Revoke, BookingEnd::Done) => return Ok(()),
            (BookingAct::Clean, BookingEnd::Done) => (MachinePhase::Ready, None),
            (_, BookingEnd::Failed { why, .. }) => (MachinePhase::Quarantined, Some(why)),
        };
        sqlx::query(
            "UPDATE machine SET phase = $1, why = $2,
                 tries = CASE WHEN $3 = 1 THEN 0 ELSE tries + 1 END,
                 probed_at = CASE WHEN $3 = 1 THEN $4 ELSE probed_at END
             WHERE name = $5",
        )
        .bind(phase.as_str())
        .bind(why.map(|why| row::storable(why)))
        .bind(i64::from(phase == MachinePhase::Ready))
        .bind(now.as_microsecond())
        .bind(&claimed.booking.machine)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

fn stepped(claimed: &ClaimedBooking, end: &BookingEnd, now: Timestamp) -> Stepped {
    let phase = match (claimed.act, end) {
        (BookingAct::Grant, BookingEnd::Done) => BookingPhase::Granted,
        (BookingAct::Revoke, BookingEnd::Done) => BookingPhase::Cleaning,
        (BookingAct::Clean, BookingEnd::Done) => BookingPhase::Done,
        (BookingAct::Clean, BookingEnd::Failed { .. }) => BookingPhase::Quarantined,
        (BookingAct::Grant | BookingAct::Revoke, BookingEnd::Failed { .. }) => {
            claimed.booking.phase
        }
    };
    match end {
        BookingEnd::Done => Stepped { phase, next_at: now, why: None, tries: 0 },
        BookingEnd::Failed { why, again_at, .. } => Stepped {
            phase,
            next_at: (*again_at).min(later(now, LONGEST_PAUSE)),
            why: Some(row::storable(why)),
            tries: claimed.booking.tries,
        },
    }
}

/// What there is to say of a try. Of those that fail, the first is enough.
fn happened(claimed: &ClaimedBooking, end: &BookingEnd) -> Option<ReservationHappening> {
    match (claimed.act, end) {
        // Letting in for longer is said by making it longer.
        (BookingAct::Grant, BookingEnd::Done) => {
            claimed.booking.granted_at.is_none().then_some(ReservationHappening::Granted)
        }
        (BookingAct::Revoke, BookingEnd::Done) => Some(ReservationHappening::Revoked),
        (BookingAct::Clean, BookingEnd::Done) => Some(ReservationHappening::Cleaned),
        (BookingAct::Grant, BookingEnd::Failed { quarantine: false, .. }) => None,
        (_, BookingEnd::Failed { .. }) => {
            // A machine is tried twice before it counts as not letting anybody in.
            let first = if claimed.act == BookingAct::Grant { 2 } else { 1 };
            (claimed.booking.tries <= first).then_some(ReservationHappening::Quarantined)
        }
    }
}

/// Whether it was still ours, and still so far.
async fn booking_write(
    work: &mut Work,
    claimed: &ClaimedBooking,
    stepped: &Stepped,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let is_granted = stepped.phase == BookingPhase::Granted;
    let is_revoked = stepped.phase == BookingPhase::Cleaning;
    let written = sqlx::query(
        "UPDATE booking SET phase = $1, next_at = $2, why = $3, tries = $4, leased_until = NULL,
             granted_at = CASE WHEN $5 = 1 THEN coalesce(granted_at, $6) ELSE granted_at END,
             revoked_at = CASE WHEN $7 = 1 THEN $6 ELSE revoked_at END
         WHERE id = $8 AND token = $9 AND phase = $10",
    )
    .bind(stepped.phase.as_str())
    .bind(stepped.next_at.as_microsecond())
    .bind(&stepped.why)
    .bind(i64::from(stepped.tries))
    .bind(i64::from(is_granted))
    .bind(now.as_microsecond())
    .bind(i64::from(is_revoked))
    .bind(&claimed.booking.id)
    .bind(claimed.token)
    .bind(claimed.booking.phase.as_str())
    .execute(&mut **work)
    .await?;
    Ok(written.rows_affected() == 1)
}
