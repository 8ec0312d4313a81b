//! Machines that are not well when somebody is to be let in.

use jiff::SignedDuration;
use lessor_engine::Clock as _;
use lessor_store::{
    Actor, BookingAct, BookingEnd, BookingPhase, MachineEnd, MachinePhase, ReservationRequest,
    Store,
};

use crate::fixture::{BACKENDS, Database};
use crate::reserving::{TURN, claim, events, free, later, machines, open_pool, place, wish, work};
use crate::reserving_races::overlaps;

/// Nobody could be let in, and nobody gets the machine until it is well.
fn failed(store: &Store) -> BookingEnd {
    let (why, again_at) = ("its disk is full".to_owned(), store.now());
    BookingEnd::Failed { why, again_at, quarantine: true }
}

/// Looks at all machines that are due: those that are named are ill, for an hour.
async fn look_at(store: &Store, ill: &[&str]) -> String {
    let mut looked_at = Vec::new();
    for claimed in store.machine_claim(99, TURN).await.unwrap() {
        let name = claimed.machine.name.clone();
        let next_at = store.now() + SignedDuration::from_hours(1);
        let end = if ill.contains(&name.as_str()) {
            MachineEnd::Ill { why: "it does not answer".into(), next_at }
        } else {
            MachineEnd::Well { next_at }
        };
        assert!(store.machine_step(&claimed, &end).await.unwrap());
        looked_at.push(name);
    }
    looked_at.sort();
    looked_at.join(" ")
}

async fn machine_phase(store: &Store, name: &str) -> MachinePhase {
    store.machine_show(name).await.unwrap().unwrap().0.phase
}

#[tokio::test]
async fn who_cannot_be_let_in_gets_another_machine_and_the_first_one_is_taken_back() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        let one = ReservationRequest { terms: free(), ..wish("acme", 1) };
        let id = place(store, &one).await.reservation.id;
        let grant = claim(store).await.remove(0);
        database.pass(1);
        store.booking_step(&grant, &failed(store)).await.unwrap();
        assert_eq!(machine_phase(store, "lab-01").await, MachinePhase::Quarantined);

        let done = work(store).await;

        assert_eq!(done, "revoke lab-01, grant lab-02, clean lab-01");
        assert_eq!(machine_phase(store, "lab-01").await, MachinePhase::Ready);
        let bookings = store.booking_list(&id).await.unwrap();
        assert_eq!(bookings[0].replaced_by.as_ref(), Some(&bookings[1].id));
        assert_eq!(bookings[1].phase, BookingPhase::Granted);
        assert_eq!(bookings[1].window.end, grant.booking.window.end);
        let happened = events(store, &id).await;
        assert_eq!(happened, "booked started quarantined swapped revoked granted cleaned");
        store.reservation_extend(&id, 900, &Actor::command()).await.unwrap();
        store.reservation_release(&id, &Actor::command()).await.unwrap();
        assert_eq!(work(store).await, "revoke lab-02, clean lab-02");
        let availability = store.pool_availability("lab").await.unwrap();
        assert_eq!((availability.free, availability.reserved), (2, 0));
    }
}

#[tokio::test]
async fn a_machine_that_is_ill_at_the_start_is_not_waited_for_while_another_one_does_as_well() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        let start = Some(later(store, 25 * 60));
        let base = || ReservationRequest { start, terms: free(), ..wish("acme", 1) };
        let gpu = [("gpu".to_owned(), "yes".to_owned())].into();
        let any = place(store, &base()).await;
        let special = place(store, &ReservationRequest { labels: gpu, ..base() }).await;
        assert_eq!(machines(&any.bookings) + " " + &machines(&special.bookings), "lab-01 lab-03");
        database.pass(24 * 60 + 30);
        look_at(store, &["lab-01", "lab-03"]).await;
        database.pass(31);

        let done = work(store).await;

        // Nobody ever came near the first one, so there is nothing to take back.
        assert_eq!(done, "grant lab-02");
        // Of the other sort there is one: it is looked at until it is well.
        database.pass(31);
        assert_eq!(look_at(store, &[]).await, "lab-01 lab-03");
        assert_eq!(work(store).await, "grant lab-03");
        let happened = events(store, &any.reservation.id).await;
        assert_eq!(happened, "booked started swapped granted");
        assert_eq!(events(store, &special.reservation.id).await, "booked started granted");
    }
}

#[tokio::test]
async fn who_has_a_machine_keeps_it_and_who_waits_is_not_served_before_whom_it_was_promised() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        let base = |tenant| ReservationRequest { terms: free(), ..wish(tenant, 1) };
        let first = place(store, &base("acme")).await.reservation.id;
        work(store).await;
        let second = place(store, &base("globex")).await.reservation.id;
        let waits = ReservationRequest { wait_s: Some(3_600), ..base("initech") };
        let waits = place(store, &waits).await.reservation.id;
        let grant = claim(store).await.remove(0);
        store.booking_step(&grant, &failed(store)).await.unwrap();
        assert_eq!(claim(store).await.len(), 0, "nothing is free");
        store.reservation_release(&first, &Actor::command()).await.unwrap();

        let done = work(store).await;

        assert_eq!(done, "revoke lab-01, clean lab-01, revoke lab-02, grant lab-01, clean lab-02");
        assert!(events(store, &second).await.ends_with("swapped revoked granted cleaned"));
        assert_eq!(events(store, &waits).await, "queued");
        assert_eq!(grant.act, BookingAct::Grant);
    }
}

#[tokio::test]
async fn servers_that_find_the_same_machines_ill_give_each_customer_one_other() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_pool(store, 16).await;
        for number in 0..8 {
            let one = ReservationRequest { terms: free(), ..wish(&format!("t{number}"), 1) };
            place(store, &one).await;
        }
        for grant in claim(store).await {
            assert!(store.booking_step(&grant, &failed(store)).await.unwrap());
        }

        let servers = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.booking_claim(99, TURN).await.unwrap() })
        });
        let mut granted = Vec::new();
        for server in servers.collect::<Vec<_>>() {
            let claimed = server.await.unwrap().into_iter();
            granted.extend(claimed.filter(|one| one.act == BookingAct::Grant));
        }

        let mut names: Vec<_> = granted.iter().map(|one| one.booking.machine.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!((granted.len(), names.len()), (8, 8));
        assert_eq!(overlaps(&database).await, 0);
    }
}
