//! Waiting for machines: whoever asked first is served first.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::room::{FreeMachine, Want, choose};
use super::turn::Ending;
use super::{Reservation, ReservationPhase, ReservationTerms, Window, after};
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// What is done with one that waits.
enum Turn {
    /// It waited for too long.
    Expire(Reservation),
    /// It gets machines.
    Serve(Reservation, Vec<FreeMachine>),
}

impl Store {
    /// Gives machines to those that wait for some, in the order in which they asked, until there are no
    /// more; and sends away who waited for too long, or cannot pay any more. Nobody gets a machine that
    /// somebody before them could take. Answers with the reservations that got some.
    pub async fn queue_serve(&self) -> Result<Vec<String>, StoreError> {
        let mut served = Vec::new();
        while self.is_waiting().await? {
            match self.retried(|| self.queue_serve_one()).await? {
                None => break,
                Some((_, false)) => {}
                Some((id, true)) => served.push(id),
            }
        }
        Ok(served)
    }

    async fn is_waiting(&self) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT id FROM reservation WHERE phase = 'queued' LIMIT 1")
            .fetch_optional(self.pool())
            .await;
        Ok(found.map_err(|error| self.error(&error))?.is_some())
    }

    /// Does one thing with one that waits. Answers with which, and whether it got machines; `None` when
    /// there is nothing to do.
    async fn queue_serve_one(&self) -> Result<Option<(String, bool)>, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let now = self.time(&mut work).await?;
        let Some(turn) = self.queue_turn(&mut work, now).await? else { return Ok(None) };
        let (mut reservation, served) = match turn {
            Turn::Expire(reservation) => {
                let why = "it waited for as long as it was to";
                (
                    self.queue_leave(&mut work, reservation, (ReservationPhase::Expired, why), now)
                        .await?,
                    false,
                )
            }
            Turn::Serve(reservation, machines) => {
                let id = reservation.id.clone();
                match self.queue_book(&mut work, reservation, &machines, now).await {
                    Ok(reservation) => (reservation, true),
                    Err(StoreError::Declined(decline)) => {
                        drop(work);
                        let why = decline.to_string();
                        return self.queue_decline(&id, &why).await.map(Some);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        self.reservation_write(&mut work, &reservation).await?;
        self.commit(work).await?;
        Ok(Some((std::mem::take(&mut reservation.id), served)))
    }

    /// What is to be done next.
    async fn queue_turn(
        &self,
        work: &mut Work,
        now: Timestamp,
    ) -> Result<Option<Turn>, StoreError> {
        let waiting = self.reservations_waiting(work).await?;
        let is_late = |one: &&Reservation| one.wait_until.is_some_and(|until| until <= now);
        if let Some(late) = waiting.iter().find(is_late) {
            return Ok(Some(Turn::Expire(late.clone())));
        }
        let mut seen: BTreeMap<(Vec<String>, i64, i64), Vec<FreeMachine>> = BTreeMap::new();
        for (index, one) in waiting.iter().enumerate() {
            let key = (one.pools.clone(), one.seconds, one.terms.cleaning_s);
            if !seen.contains_key(&key) {
                let window = Window { start: now, end: after(now, one.seconds) };
                let asked: (Window, &ReservationTerms) = (window, &one.terms);
                let free = self.machines_free(work, &one.pools, asked, (now, i64::MAX)).await?;
                seen.insert(key.clone(), free);
            }
            let before: Vec<_> = waiting.iter().take(index).map(Want::of).collect();
            let free = seen.get(&key).map_or(&[][..], Vec::as_slice);
            if let Some(chosen) = choose(free, &before, Want::of(one)) {
                let chosen = chosen.into_iter().cloned().collect();
                return Ok(Some(Turn::Serve(one.clone(), chosen)));
            }
        }
        Ok(None)
    }

    async fn queue_book(
        &self,
        work: &mut Work,
        reservation: Reservation,
        machines: &[FreeMachine],
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let mut reservation = self.reservation_lock(work, &reservation.id).await?;
        let wanted = reservation.count;
        self.reservation_book(work, &mut reservation, machines, (now, now)).await?;
        // With fewer than it wanted, it counts for fewer.
        let fewer = wanted - reservation.count;
        let tenant = reservation.tenant.clone();
        self.reservation_give_back(work, &tenant, (0, fewer)).await?;
        Ok(reservation)
    }

    /// Sends one away that could have machines, and may not or cannot pay.
    async fn queue_decline(&self, id: &str, why: &str) -> Result<(String, bool), StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let now = self.time(&mut work).await?;
        let reservation = self.reservation_lock(&mut work, id).await?;
        if reservation.phase == ReservationPhase::Queued {
            let reservation = self
                .queue_leave(&mut work, reservation, (ReservationPhase::Canceled, why), now)
                .await?;
            self.reservation_write(&mut work, &reservation).await?;
            self.commit(work).await?;
        }
        Ok((id.to_owned(), false))
    }

    async fn queue_leave(
        &self,
        work: &mut Work,
        mut reservation: Reservation,
        (phase, why): (ReservationPhase, &str),
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let (why, by) = (Some(why.to_owned()), Actor::lessor());
        let ending = Ending { at: now, phase, why, by };
        self.reservation_end(work, &mut reservation, ending, now).await?;
        Ok(reservation)
    }
}
