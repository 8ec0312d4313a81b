//! Waiting for machines.

use lessor_store::{Actor, ReservationPhase, ReservationRequest};

use crate::fixture::{BACKENDS, Database};
use crate::reserving::{free, later, open_pool, phase, place, wish, work};
use crate::shop::{assert_ledger, declined, pay};

#[tokio::test]
async fn who_waits_is_served_in_order_and_nobody_small_passes_somebody_large() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        let waits = |tenant: &str, count| ReservationRequest {
            wait_s: Some(3_600),
            terms: free(),
            ..wish(tenant, count)
        };
        let held = [place(store, &waits("a", 2)).await, place(store, &waits("b", 1)).await];
        let large = place(store, &waits("large", 3)).await.reservation;
        let small = place(store, &waits("small", 1)).await.reservation;
        let brief = ReservationRequest { wait_s: Some(60), ..waits("brief", 1) };
        let brief = place(store, &brief).await.reservation;
        let mut served = Vec::new();
        let serve = async || store.queue_serve().await.unwrap();
        served.push(serve().await);
        store.reservation_release(&held[1].reservation.id, &Actor::command()).await.unwrap();
        work(store).await;
        // One is free, and the first in line wants three.
        served.push(serve().await);
        let pushy = ReservationRequest { terms: free(), ..wish("pushy", 1) };
        let refused = declined(store.reservation_place(&pushy).await).to_string();
        let soon = ReservationRequest { start: Some(later(store, 1)), ..pushy };
        declined(store.reservation_place(&soon).await);
        database.pass(2);
        served.push(serve().await);
        store.reservation_release(&held[0].reservation.id, &Actor::command()).await.unwrap();
        work(store).await;
        served.push(serve().await);
        store.reservation_release(&large.id, &Actor::command()).await.unwrap();
        work(store).await;
        served.push(serve().await);

        let none = Vec::<String>::new();
        assert_eq!(
            served,
            [none.clone(), none.clone(), none, vec![large.id.clone()], vec![small.id.clone()]]
        );
        assert_eq!(refused, "fewer than 1 such machines are to be had then");
        assert_eq!(
            (large.phase, phase(store, &brief.id).await),
            (ReservationPhase::Queued, ReservationPhase::Expired)
        );
        assert_eq!(phase(store, &small.id).await, ReservationPhase::Active);
        let (need, weeks) = store.reservation_use("brief").await.unwrap();
        assert_eq!((need.reservations, need.machines, weeks.len()), (0, 0, 0));
    }
}

#[tokio::test]
async fn who_cannot_pay_when_it_is_their_turn_makes_way_for_the_next() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        pay(store, "rich", "5").await;
        let held = place(store, &ReservationRequest { terms: free(), ..wish("a", 1) }).await;
        let waits = |tenant| ReservationRequest { wait_s: Some(3_600), ..wish(tenant, 1) };
        let poor = place(store, &waits("poor")).await.reservation;
        let rich = place(store, &waits("rich")).await.reservation;
        store.reservation_release(&held.reservation.id, &Actor::command()).await.unwrap();
        work(store).await;

        assert_eq!(store.queue_serve().await.unwrap(), [rich.id]);

        let poor = store.reservation_show(&poor.id).await.unwrap().unwrap();
        let why = "`poor` has EUR 0.000000 left, and EUR 0.600000 is needed";
        assert_eq!((poor.phase, poor.why.as_deref()), (ReservationPhase::Canceled, Some(why)));
        assert_ledger(store).await;
    }
}
