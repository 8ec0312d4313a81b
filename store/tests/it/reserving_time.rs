//! What falls due by the clock for reservations.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lessor_store::{Actor, Reservation, ReservationPhase, ReservationRequest, Window};

use crate::fixture::{BACKENDS, Database};
use crate::reserving::{events, free, later, open_pool, phase, place, terms, wish, work};
use crate::shop::{assert_ledger, pay, wallet};

#[tokio::test]
async fn a_window_that_went_by_while_nobody_was_there_is_not_paid_for_and_lets_nobody_in() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        pay(store, "acme", "2").await;
        let start = Some(later(store, 30));
        let behind = place(store, &ReservationRequest { start, ..wish("acme", 1) }).await;
        let now = place(store, &wish("acme", 1)).await;
        assert_eq!(wallet(store, "acme").await, "EUR 1.400000 held 0.600000 free 0.800000");

        database.pass(120);
        let worked = work(store).await;

        assert_eq!(worked, "", "nobody was ever let in");
        for reserved in [&behind, &now] {
            assert_eq!(phase(store, &reserved.reservation.id).await, ReservationPhase::Ended);
        }
        assert_eq!(wallet(store, "acme").await, "EUR 2.000000 held 0.000000 free 2.000000");
        assert_eq!(store.booking_due().await.unwrap(), None);
        let availability = store.pool_availability("lab").await.unwrap();
        assert_eq!((availability.free, availability.machines), (2, 2));
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn whose_window_is_over_soon_is_told_so_once_for_each_end() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let reserved = place(store, &ReservationRequest { terms: free(), ..wish("acme", 1) }).await;
        let id = &reserved.reservation.id;
        work(store).await;
        let due = store.booking_due().await.unwrap().unwrap();
        for minutes in [54, 2, 1] {
            database.pass(minutes);
            work(store).await;
        }
        store.reservation_extend(id, 900, &Actor::command()).await.unwrap();
        for minutes in [0, 14] {
            database.pass(minutes);
            work(store).await;
        }

        let window = reserved.reservation.window.unwrap();
        assert_eq!(due, window.end - SignedDuration::from_secs(300));
        assert_eq!(events(store, id).await, "booked started granted warned extended warned");
    }
}

#[test]
fn what_is_left_of_a_reservation_is_counted_by_the_clock_alone() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let window = Window { start: at("2026-12-01T10:00:00Z"), end: at("2026-12-01T11:00:00Z") };
    let reservation = Reservation {
        id: "rsv_1".into(),
        number: 1,
        tenant: "acme".into(),
        offer: "lab-hour@1".into(),
        pools: Vec::new(),
        labels: BTreeMap::new(),
        terms: terms(),
        ssh_key: None,
        password: false,
        count: 1,
        min_count: 1,
        seconds: 3_600,
        window: Some(window),
        wait_until: None,
        phase: ReservationPhase::Active,
        why: None,
        hold: None,
        placed_by: "command".into(),
        placed_at: window.start,
        ended_at: None,
        warned_at: None,
        version: 1,
    };
    let left = |text: &str| {
        let now = at(text);
        (reservation.remaining_s(now), reservation.is_within(now))
    };
    assert_eq!(left("2026-12-01T09:59:00Z"), (3_600, false));
    assert_eq!(left("2026-12-01T10:00:00Z"), (3_600, true));
    assert_eq!(left("2026-12-01T10:59:59.5Z"), (0, true));
    assert_eq!(left("2026-12-01T11:00:00Z"), (0, false));
}
