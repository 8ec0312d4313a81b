//! Reserving machines: all of it in one transaction, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::booking::Booking;
use super::event::ReservationHappening;
use super::room::{FreeMachine, Want, choose};
use super::{Reservation, ReservationPhase, ReservationTerms, Window, after};
use crate::ident::{Idents, ident};
use crate::order::unfit;
use crate::row;
use crate::work::Work;
use crate::{Actor, Decline, RequestKey, Store, StoreError};

/// How far a start may lie in the past and still means now.
const NOW: SignedDuration = SignedDuration::from_secs(60);

/// How long one waits at most, in seconds: thirty days.
const LONGEST_WAIT: i64 = 30 * 86_400;

/// How long one is at most where an offer does not say, in seconds: ten years.
const LONGEST: i64 = 3_660 * 86_400;

/// How many machines there may be in one.
const MOST: u32 = 1_000;

/// What a customer reserves.
#[derive(Clone, Debug)]
pub struct ReservationRequest {
    /// Whose it will be.
    pub tenant: String,
    /// The offer, in the version in which it is sold.
    pub offer: String,
    /// The pools of the offer.
    pub pools: Vec<String>,
    /// What it is bought on.
    pub terms: ReservationTerms,
    /// What its machines have to have.
    pub labels: BTreeMap<String, String>,
    /// How many machines.
    pub count: u32,
    /// With how many one is content; `None` when it has to be all.
    pub min_count: Option<u32>,
    /// How long, in seconds; as long as usual unless said.
    pub seconds: Option<i64>,
    /// From when on; from now on unless said.
    pub start: Option<Timestamp>,
    /// For how many seconds one waits when there are no machines; not at all unless said.
    pub wait_s: Option<i64>,
    /// Whose key is let in.
    pub ssh_key: Option<String>,
    /// Whether a password is let in as well.
    pub password: bool,
    /// What tells this request from others, so that it is carried out once however often it comes.
    pub key: Option<RequestKey>,
    /// Who reserves.
    pub by: Actor,
}

/// What was reserved.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// The reservation.
    pub reservation: Reservation,
    /// Its machines; none while it waits.
    pub bookings: Vec<Booking>,
    /// Whether an earlier request with the same key reserved it.
    pub repeated: bool,
}

impl Store {
    /// Reserves machines, in one transaction: what they count in the quota, the money for them, and
    /// the machines themselves, as many as are wanted or as one is content with. Where there are too
    /// few, it waits, if it is to; whoever waits longer is served first.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn reservation_place(
        &self,
        request: &ReservationRequest,
    ) -> Result<Reserved, StoreError> {
        self.retried(|| self.reservation_place_once(request)).await
    }

    async fn reservation_place_once(
        &self,
        request: &ReservationRequest,
    ) -> Result<Reserved, StoreError> {
        let mut work = self.begin().await?;
        let number = self.reservation_advance(&mut work).await?;
        let now = self.time(&mut work).await?;
        if let Some(reserved) = self.reservation_repeated(&mut work, request).await? {
            return Ok(reserved);
        }
        let (mut reservation, start) = reservation_of(request, number, now)?;
        let chosen = self.machines_choose(&mut work, &reservation, start, now).await?;
        let chosen = self.check_chosen(&mut work, &reservation, chosen).await?;
        let (tenant, limits) = (&request.tenant, request.terms.limits);
        let machines = chosen.as_ref().map_or(reservation.count, |chosen| in_number(chosen));
        self.reservation_take(&mut work, tenant, machines, &limits).await?;
        self.reservation_insert(&mut work, &reservation).await?;
        let bookings = match &chosen {
            Some(chosen) => {
                self.reservation_book(&mut work, &mut reservation, chosen, (start, now)).await?
            }
            None => Vec::new(),
        };
        if chosen.is_none() {
            let queued = (ReservationHappening::Queued, described(&reservation, &bookings));
            self.reservation_happen(&mut work, &mut reservation, queued, &request.by, now).await?;
        }
        self.reservation_write(&mut work, &reservation).await?;
        if let Some(key) = &request.key {
            self.key_insert(&mut work, key, &reservation.id, now).await?;
        }
        self.commit(work).await?;
        let bookings = self.booking_list(&reservation.id).await?;
        Ok(Reserved { reservation, bookings, repeated: false })
    }

    /// The reservation that an earlier request with the same key made.
    ///
    /// # Errors
    /// [`Decline::KeyReused`] when that was about something else.
    async fn reservation_repeated(
        &self,
        work: &mut Work,
        request: &ReservationRequest,
    ) -> Result<Option<Reserved>, StoreError> {
        let Some(RequestKey { scope, key, digest }) = &request.key else { return Ok(None) };
        let found = async {
            let found =
                sqlx::query("SELECT digest, answer FROM idempotency WHERE scope = $1 AND key = $2")
                    .bind(scope)
                    .bind(key)
                    .fetch_optional(&mut **work)
                    .await?;
            let Some(found) = found else { return Ok(None) };
            Ok(Some((row::text(&found, "digest")?, row::text(&found, "answer")?)))
        };
        let found = found.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let Some((earlier, id)) = found else { return Ok(None) };
        let reused = || Decline::KeyReused { key: key.clone() };
        if earlier != *digest || !id.starts_with("rsv_") {
            return Err(reused().into());
        }
        let reservation = self.reservation_lock(work, &id).await.map_err(|_| reused())?;
        let bookings = self.bookings_of(work, &id).await?;
        Ok(Some(Reserved { reservation, bookings, repeated: true }))
    }

    /// The machines that one gets, if there are enough.
    pub(super) async fn machines_choose(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        start: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Vec<FreeMachine>>, StoreError> {
        let window = Window { start, end: after(start, reservation.seconds) };
        let waiting = self.reservations_waiting(work).await?;
        // Who waits until before that is served or gone by then.
        let waiting = waiting.iter().filter(|other| {
            other.number < reservation.number && other.wait_until.is_none_or(|end| end > start)
        });
        let waiting: Vec<_> = waiting.map(Want::of).collect();
        let is_plain = waiting.is_empty() && reservation.labels.is_empty();
        let limit = if is_plain { i64::from(reservation.count) } else { i64::MAX };
        let (pools, terms) = (&reservation.pools, &reservation.terms);
        let free = self.machines_free(work, pools, (window, terms), (now, limit)).await?;
        let chosen = choose(&free, &waiting, Want::of(reservation));
        Ok(chosen.map(|chosen| chosen.into_iter().cloned().collect()))
    }

    /// Whether a new reservation may go on with what was chosen: with machines, or waiting.
    async fn check_chosen(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        chosen: Option<Vec<FreeMachine>>,
    ) -> Result<Option<Vec<FreeMachine>>, StoreError> {
        if chosen.is_some() {
            return Ok(chosen);
        }
        let all = self.machines_in_all(work, Want::of(reservation)).await?;
        let wanted = reservation.min_count;
        if all < wanted as usize {
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            return Err(Decline::TooManyMachines { all, wanted }.into());
        }
        match reservation.wait_until {
            Some(_) => Ok(None),
            None => Err(Decline::NoMachines { wanted }.into()),
        }
    }

    /// Gives machines to a reservation that is locked, from a moment on. What they cost is promised;
    /// where that moment is now, its window begins.
    pub(super) async fn reservation_book(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        machines: &[FreeMachine],
        (start, now): (Timestamp, Timestamp),
    ) -> Result<Vec<Booking>, StoreError> {
        let window = Window { start, end: after(start, reservation.seconds) };
        reservation.window = Some(window);
        reservation.count = in_number(machines);
        reservation.phase = ReservationPhase::Booked;
        let (tenant, limits) = (reservation.tenant.clone(), reservation.terms.limits);
        self.hours_take(work, &tenant, (window, reservation.count), &limits).await?;
        self.reservation_hold(work, reservation, now).await?;
        let mut ids = Idents::new("bkg", now);
        let booking = |machine| Booking::new(ids.next(), reservation, machine, window);
        let bookings: Vec<_> = machines.iter().map(booking).collect();
        self.bookings_insert(work, &bookings).await?;
        let names = machines.iter().map(|machine| machine.name.as_str());
        self.machines_turn(work, &names.collect::<Vec<_>>(), reservation.number).await?;
        let by = Actor::remembered(reservation.placed_by.clone());
        let booked = (ReservationHappening::Booked, described(reservation, &bookings));
        self.reservation_happen(work, reservation, booked, &by, now).await?;
        if start <= now {
            self.reservation_begin(work, reservation, now).await?;
        }
        Ok(bookings)
    }
}

/// What is asked for, and from when on, if that can be.
fn reservation_of(
    request: &ReservationRequest,
    number: i64,
    now: Timestamp,
) -> Result<(Reservation, Timestamp), Decline> {
    let terms = &request.terms;
    let seconds = request.seconds.unwrap_or(terms.default_s);
    check_seconds(terms, seconds)?;
    let pools: BTreeSet<_> = request.pools.iter().cloned().collect();
    let min_count = request.min_count.unwrap_or(request.count);
    if !(1..=MOST).contains(&request.count) {
        return Err(unfit("count", &format!("expected 1 to {MOST}")));
    }
    if !(1..=request.count).contains(&min_count) {
        return Err(unfit("min_count", &format!("expected 1 to {}", request.count)));
    }
    let start = request.start.unwrap_or(now);
    if now.duration_since(start) > NOW {
        return Err(unfit("start", "it lies in the past"));
    }
    let start = start.max(now);
    let waits = request.wait_s;
    if waits.is_some() && !terms.queue {
        return Err(unfit("queue", "nobody waits for machines of this offer"));
    }
    if waits.is_some() && start > now {
        return Err(unfit("queue", "who begins later does not wait"));
    }
    if waits.is_some_and(|waits| !(1..=LONGEST_WAIT).contains(&waits)) {
        return Err(unfit("queue", "expected to wait for a second to thirty days"));
    }
    if request.password && !terms.password {
        return Err(unfit("password", "this offer lets in keys only"));
    }
    let reservation = Reservation {
        id: ident("rsv", now),
        number,
        tenant: request.tenant.clone(),
        offer: request.offer.clone(),
        pools: pools.into_iter().collect(),
        labels: request.labels.clone(),
        terms: terms.clone(),
        ssh_key: request.ssh_key.clone(),
        password: request.password,
        count: request.count,
        min_count,
        seconds,
        window: None,
        wait_until: waits.map(|waits| after(now, waits)),
        phase: ReservationPhase::Queued,
        why: None,
        hold: None,
        placed_by: request.by.as_str().to_owned(),
        placed_at: now,
        ended_at: None,
        warned_at: None,
        version: 0,
    };
    Ok((reservation, start))
}

fn check_seconds(terms: &ReservationTerms, seconds: i64) -> Result<(), Decline> {
    let most = terms.max_s.into_iter().chain(terms.max_total_s).min().unwrap_or(LONGEST);
    if (terms.min_s.max(1)..=most).contains(&seconds) {
        return Ok(());
    }
    Err(unfit("duration", &format!("expected {} to {most} seconds", terms.min_s)))
}

pub(super) fn described(reservation: &Reservation, bookings: &[Booking]) -> serde_json::Value {
    let machines: Vec<_> = bookings.iter().map(|booking| booking.machine.as_str()).collect();
    let window = reservation.window;
    json!({
        "count": reservation.count, "machines": machines,
        "start": window.map(|window| window.start), "end": window.map(|window| window.end),
    })
}

fn in_number<T>(machines: &[T]) -> u32 {
    u32::try_from(machines.len()).unwrap_or(u32::MAX)
}
