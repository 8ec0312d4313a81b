//! Reservations by a simulated clock: one that leaps, is set back, and runs beside ours.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{
    Actor, BookingAct, BookingEnd, ReservationPhase, ReservationRequest, ReservationTerms, Store,
};

use crate::fixture::{BACKENDS, Database};
use crate::races::Chance;
use crate::reserving::{claim, events, free, later, open_pool, phase, place, wish, work};
use crate::reserving_races::overlaps;
use crate::shop::{assert_ledger, declined, pay};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

/// Who is let in where, as the machines would tell.
#[derive(Default)]
struct Insiders(BTreeMap<String, BTreeSet<String>>);

impl Chance {
    fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let number = self.below(all.len().max(1) as u64);
        all.get(usize::try_from(number).unwrap()).cloned()
    }

    fn number(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap()
    }
}

impl Insiders {
    /// Does all that is to be done, as the server does each second.
    async fn look_after(&mut self, store: &Store) {
        loop {
            let claimed = claim(store).await;
            if claimed.is_empty() {
                return;
            }
            for one in claimed {
                let inside = self.0.entry(one.booking.machine.clone()).or_default();
                match one.act {
                    BookingAct::Grant => {
                        assert!(one.booking.window.end > store.now(), "{one:?}");
                        inside.insert(one.reservation.id.clone());
                    }
                    BookingAct::Revoke => {
                        inside.remove(&one.reservation.id);
                    }
                    BookingAct::Clean => assert!(inside.is_empty(), "{one:?}"),
                }
                assert!(inside.len() <= 1, "{inside:?}");
                assert!(store.booking_step(&one, &BookingEnd::Done).await.unwrap());
            }
        }
    }

    /// Nobody is in whose window is over, and everybody whose window is open.
    async fn check(&self, store: &Store, ids: &[String]) {
        for id in ids {
            let reservation = store.reservation_show(id).await.unwrap().unwrap();
            let machines = self.0.values().filter(|inside| inside.contains(id)).count();
            if machines > 0 {
                assert!(reservation.window.unwrap().end > store.now(), "{reservation:?}");
            }
            assert_eq!(machines > 0, reservation.phase == ReservationPhase::Active);
        }
    }
}

#[tokio::test]
async fn a_window_is_over_at_its_end_and_not_a_millisecond_before() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let request = ReservationRequest { terms: free(), ..wish("acme", 1) };
        let reservation = place(store, &request).await.reservation;
        work(store).await;
        let end = reservation.window.unwrap().end;

        database.set(end - MILLISECOND);
        let before = (work(store).await, reservation.is_within(store.now()));
        let insiders = store.machine_insiders("lab-01").await.unwrap();
        let extended = store.reservation_extend(&reservation.id, 1, &Actor::command()).await;
        let end = extended.unwrap().window.unwrap().end;
        work(store).await;
        database.set(end);
        let refused = store.reservation_extend(&reservation.id, 1, &Actor::command()).await;
        let refused = declined(refused).to_string().replace(&reservation.id, "rsv_1");

        assert_eq!((before, insiders.len()), ((String::new(), true), 1));
        assert_eq!(refused, "reservation `rsv_1` is ended: it cannot be made longer");
        assert_eq!(work(store).await, "revoke lab-01, clean lab-01");
        assert_eq!(store.machine_insiders("lab-01").await.unwrap().len(), 0);
        database.set(end + MILLISECOND);
        assert_eq!(work(store).await, "");
        assert_eq!(events(store, &reservation.id).await.split(' ').next_back(), Some("cleaned"));
    }
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_ends_what_it_leapt_over_and_lets_nobody_in_too_late() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        pay(store, "acme", "2").await;
        let now = place(store, &wish("acme", 1)).await.reservation.id;
        let start = Some(later(store, 90));
        let behind = ReservationRequest { start, ..wish("acme", 2) };
        let behind = place(store, &behind).await.reservation.id;
        work(store).await;

        database.pass(3 * 24 * 60);

        assert_eq!(work(store).await, "revoke lab-01, clean lab-01");
        assert_eq!(phase(store, &now).await, ReservationPhase::Ended);
        assert_eq!(phase(store, &behind).await, ReservationPhase::Ended);
        assert_eq!(events(store, &behind).await, "booked ended");
        let availability = store.pool_availability("lab").await.unwrap();
        assert_eq!(availability.free, 2);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_lets_nobody_in_again_and_keeps_nobody_in() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        let request = ReservationRequest { terms: free(), ..wish("acme", 1) };
        let cut_off = place(store, &request).await.reservation.id;
        let failed = place(store, &request).await.reservation.id;
        work(store).await;
        database.pass(60);
        // The one server dies at it, the other one's try fails.
        let claimed = claim(store).await;
        assert_eq!(claimed.len(), 2);
        let again_at = later(store, 600);
        let why = "no answer".to_owned();
        let end = BookingEnd::Failed { why, again_at, quarantine: false };
        let of_failed = claimed.iter().find(|one| one.reservation.id == failed).unwrap();
        assert!(store.booking_step(of_failed, &end).await.unwrap());
        assert_eq!(work(store).await, "", "somebody is at the one, and the other one waits");

        database.pass(-50);

        let done = work(store).await;
        let mut done: Vec<_> = done.split(", ").collect();
        done.sort_unstable();
        assert_eq!(done, ["clean lab-01", "clean lab-02", "revoke lab-01", "revoke lab-02"]);
        for id in [&cut_off, &failed] {
            assert_eq!(phase(store, id).await, ReservationPhase::Ended);
        }
        database.pass(5);
        assert_eq!(work(store).await, "");
        // Whose window has not begun any more stays in, and is out at its end.
        let open = place(store, &request).await.reservation;
        assert_eq!(work(store).await, "grant lab-01");
        database.pass(-30);
        assert_eq!(work(store).await, "");
        assert_eq!(store.machine_insiders("lab-01").await.unwrap().len(), 1);
        database.set(open.window.unwrap().end);
        assert_eq!(work(store).await, "revoke lab-01, clean lab-01");
    }
}

#[tokio::test]
async fn an_hour_is_an_hour_when_clocks_on_walls_are_changed() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        // Summer time ends in Paris, and begins: at 01:00 UTC.
        for day in [date(2027, 3, 28), date(2027, 10, 31)] {
            let before = day.at(2, 30, 0, 0).in_tz("Europe/Paris").unwrap();
            let before = before.timestamp().min("2027-10-31T00:30:00Z".parse().unwrap());
            database.set(before);
            let request = ReservationRequest { terms: free(), ..wish("acme", 1) };
            let reservation = place(store, &request).await.reservation;
            work(store).await;
            database.pass(59);
            assert_eq!(
                (work(store).await, reservation.remaining_s(store.now())),
                (String::new(), 60)
            );
            database.pass(1);
            assert_eq!(work(store).await, "revoke lab-01, clean lab-01");
        }
    }
}

#[tokio::test]
async fn a_database_hours_ahead_of_ours_or_behind_decides_by_its_own_clock() {
    for backend in BACKENDS {
        for hours in [-30, 30] {
            let database = Database::simulated(backend).await;
            let store = &database.store;
            database.set(Timestamp::now() + SignedDuration::from_hours(hours));
            open_pool(store, 1).await;
            let request = ReservationRequest { terms: free(), ..wish("acme", 1) };
            let reservation = place(store, &request).await.reservation;
            assert_eq!(work(store).await, "grant lab-01");
            assert_eq!(reservation.remaining_s(store.now()), 3_600);
            database.pass(60);
            assert_eq!(work(store).await, "revoke lab-01, clean lab-01");
        }
    }
}

#[tokio::test]
async fn one_that_is_renewed_in_time_never_ends() {
    let terms = ReservationTerms { max_total_s: None, ..free() };
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let request = ReservationRequest { terms: terms.clone(), ..wish("acme", 1) };
        let id = place(store, &request).await.reservation.id;
        let mut insiders = Insiders::default();
        for _ in 0..100 {
            insiders.look_after(store).await;
            database.pass(59);
            store.reservation_extend(&id, 3_540, &Actor::command()).await.unwrap();
            insiders.check(store, std::slice::from_ref(&id)).await;
        }
        assert_eq!(insiders.0["lab-01"].len(), 1);
        database.pass(61);
        insiders.look_after(store).await;
        assert_eq!(insiders.0["lab-01"].len(), 0);
    }
}

/// A month of chance: whatever is reserved, made longer and given back while the clock goes on, leaps
/// and is set back, whoever is in is in within the window, once the server has looked.
#[tokio::test]
async fn nobody_outlives_a_window_by_more_than_a_look() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 4).await;
        let (mut chance, mut insiders) = (Chance(0x9e37_79b9_7f4a_7c15), Insiders::default());
        let mut ids: Vec<String> = Vec::new();
        for _ in 0..400 {
            let minutes = match chance.below(20) {
                0 => chance.number(3_000),
                1 => -chance.number(200),
                _ => chance.number(15),
            };
            database.pass(minutes);
            let start = (chance.below(3) == 0).then(|| later(store, chance.number(120)));
            let request = ReservationRequest {
                terms: free(),
                seconds: Some(900 + chance.number(7_200)),
                start,
                ..wish("acme", 1 + u32::try_from(chance.below(2)).unwrap())
            };
            let one = chance.of(&ids);
            match (chance.below(4), one) {
                (0, Some(id)) => drop(store.reservation_extend(&id, 600, &Actor::command()).await),
                (1, Some(id)) => drop(store.reservation_release(&id, &Actor::command()).await),
                _ => ids
                    .extend(store.reservation_place(&request).await.map(|one| one.reservation.id)),
            }
            insiders.look_after(store).await;
            insiders.check(store, &ids).await;
        }
        assert!(ids.len() > 50, "{}", ids.len());
        assert_eq!(overlaps(&database).await, 0);
    }
}
