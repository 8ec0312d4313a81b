//! The machines of pools: who has them, how they are, and how many there are to have.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use lessor_engine::Clock as _;
use lessor_plans::{Action, Change, Origin, Reason};
use lessor_store::{
    Actor, Begin, BookingAct, BookingEnd, Decline, MachineLogin, MachinePhase, MachineState,
    NewMachine, ReservationPhase, ReservationRequest,
};

use crate::fixture::{BACKENDS, Database, Plan};
use crate::reserving::{
    claim, events, free, later, look_at_all, machine, machines, open_pool, phase, place, wish, work,
};
use crate::reserving_races::overlaps;
use crate::shop::declined;

#[tokio::test]
async fn who_lost_the_turn_writes_nothing_and_whoever_is_late_lets_nobody_in() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let reserved = place(store, &ReservationRequest { terms: free(), ..wish("acme", 1) }).await;
        let frozen = store.booking_claim(9, Duration::ZERO).await.unwrap().remove(0);
        let other = claim(store).await.remove(0);
        assert!(claim(store).await.is_empty());
        assert!(!store.booking_step(&frozen, &BookingEnd::Done).await.unwrap());
        let mut renewed = Vec::new();
        for one in [&frozen, &other] {
            renewed.push(store.booking_renew(one, Duration::from_secs(9)).await.unwrap());
        }
        let id = reserved.reservation.id.clone();
        assert_eq!(store.machine_insiders("lab-01").await.unwrap(), [id].into());

        // The window ends in the middle of the try.
        database.pass(61);
        let revoke = claim(store).await.remove(0);

        assert_eq!((other.act, revoke.act), (BookingAct::Grant, BookingAct::Revoke));
        renewed.push(store.booking_renew(&other, Duration::from_secs(9)).await.unwrap());
        assert_eq!(renewed, [false, true, false]);
        assert!(store.machine_insiders("lab-01").await.unwrap().is_empty());
        assert!(!store.booking_step(&other, &BookingEnd::Done).await.unwrap());
        assert!(store.booking_step(&revoke, &BookingEnd::Done).await.unwrap());
        assert_eq!(work(store).await, "clean lab-01");
        let bookings = store.booking_list(&reserved.reservation.id).await.unwrap();
        assert_eq!((bookings[0].granted_at, bookings[0].revoked_at.is_some()), (None, true));
    }
}

#[tokio::test]
async fn a_machine_that_cannot_be_cleaned_is_tried_again_and_is_nobodys_meanwhile() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let base = || ReservationRequest { terms: free(), ..wish("acme", 1) };
        let first = place(store, &base()).await.reservation;
        work(store).await;
        store.reservation_release(&first.id, &Actor::command()).await.unwrap();
        let revoke = claim(store).await.remove(0);
        store.booking_step(&revoke, &BookingEnd::Done).await.unwrap();
        let failed = |minutes| BookingEnd::Failed {
            why: "the script ended with 1".into(),
            again_at: store.now() + SignedDuration::from_mins(minutes),
            quarantine: true,
        };
        for minutes in [0, 10] {
            let clean = claim(store).await.remove(0);
            assert_eq!(clean.act, BookingAct::Clean);
            assert!(store.booking_step(&clean, &failed(minutes)).await.unwrap());
        }
        assert!(claim(store).await.is_empty(), "not before its time");

        let (shown, _) = store.machine_show("lab-01").await.unwrap().unwrap();
        let refused = declined(store.reservation_place(&base()).await).to_string();
        // Its cleaning time is over, and it is not clean.
        database.pass(15);
        let late = declined(store.reservation_place(&base()).await).to_string();
        let availability = store.pool_availability("lab").await.unwrap();

        assert_eq!(shown.phase, MachinePhase::Quarantined);
        assert_eq!(shown.why.as_deref(), Some("the script ended with 1"));
        assert_eq!(
            (&refused, refused.as_str()),
            (&late, "fewer than 1 such machines are to be had then")
        );
        assert_eq!((availability.quarantined, availability.free), (1, 0));
        assert_eq!(work(store).await, "clean lab-01");
        let happened = events(store, &first.id).await;
        assert_eq!(happened, "booked started granted released revoked quarantined cleaned");
        place(store, &base()).await;
    }
}

#[tokio::test]
async fn a_whole_pool_is_taken_back_once_somebody_has_seen_what_that_is() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        let base = |tenant| ReservationRequest { terms: free(), ..wish(tenant, 1) };
        let first = place(store, &base("acme")).await.reservation;
        let by = Actor::command();
        let seen = store.pool_release("lab", None, &by).await.unwrap();
        let start = Some(later(store, 60));
        let second = ReservationRequest { start, ..base("globex") };
        let second = place(store, &second).await.reservation;

        let moved = declined(store.pool_release("lab", Some(&seen.token), &by).await).to_string();
        let seen = store.pool_release("lab", None, &by).await.unwrap();
        assert_eq!(
            (phase(store, &first.id).await, phase(store, &second.id).await),
            (ReservationPhase::Active, ReservationPhase::Booked)
        );
        let done = store.pool_release("lab", Some(&seen.token), &by).await.unwrap();

        assert_eq!(moved, "what is reserved in `lab` is not what was seen");
        let both = BTreeSet::from([first.id.clone(), second.id.clone()]);
        assert_eq!((done.done, done.reservations.into_iter().collect()), (true, both));
        assert_eq!(
            (phase(store, &first.id).await, phase(store, &second.id).await),
            (ReservationPhase::Released, ReservationPhase::Canceled)
        );
    }
}

#[tokio::test]
async fn machines_that_files_no_longer_name_go_once_nobody_has_them() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 2).await;
        let by = Actor::command();
        let names = async || {
            let machines = store.machine_list(Some("lab"), None, 99).await.unwrap();
            machines.iter().map(|(one, _)| one.name.clone()).collect::<Vec<_>>().join(" ")
        };
        let base = || ReservationRequest { terms: free(), ..wish("acme", 1) };
        let held = place(store, &base()).await.reservation;
        assert!(!store.machine_declare(&[machine(1), machine(2)], 0, &by).await.unwrap());
        assert!(store.machine_declare(&[machine(3)], 0, &by).await.unwrap());
        let while_held = names().await;
        let booked = store.machine_list_booked().await.unwrap();
        // One that is new is nobody's until it was looked at.
        let refused = declined(store.reservation_place(&base()).await).to_string();
        work(store).await;
        store.reservation_release(&held.id, &by).await.unwrap();
        work(store).await;
        look_at_all(store).await;
        store.machine_cordon("lab-03", true, &by).await.unwrap().unwrap();
        let cordoned = declined(store.reservation_place(&base()).await).to_string();
        store.machine_cordon("lab-03", false, &by).await.unwrap().unwrap();
        let placed = place(store, &base()).await;

        assert_eq!((while_held.as_str(), names().await.as_str()), ("lab-01 lab-03", "lab-03"));
        assert_eq!(booked.into_iter().collect::<Vec<_>>(), ["lab-01"]);
        assert_eq!(
            (&refused, refused.as_str()),
            (&cordoned, "fewer than 1 such machines are to be had then")
        );
        assert_eq!(machines(&placed.bookings), "lab-03");
    }
}

#[tokio::test]
async fn how_many_machines_there_are_to_have_is_told_of_ten_thousand() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        let machines: Vec<_> = (1..=10_000).map(machine).collect();
        store.machine_declare(&machines, 0, &Actor::command()).await.unwrap();
        database.run("UPDATE machine SET phase = 'ready'").await.unwrap();
        let base = || ReservationRequest { terms: free(), ..wish("acme", 1_000) };
        for _ in 0..4 {
            place(store, &base()).await;
        }
        let start = Some(later(store, 90));
        place(store, &ReservationRequest { start, ..base() }).await;
        store.machine_cordon("lab-9999", true, &Actor::command()).await.unwrap().unwrap();

        let found = store.pool_availability("lab").await.unwrap();

        assert_eq!((found.machines, found.free, found.reserved), (10_000, 5_999, 4_000));
        assert_eq!((found.cordoned, found.next_free.len()), (1, 10));
        let machines = store.machine_list(Some("lab"), None, 20_000).await.unwrap();
        let free = machines.iter().filter(|(_, state)| *state == MachineState::Free).count();
        assert_eq!((machines.len(), free), (10_000, 5_999));
        let (machine, state) = &machines[0];
        assert_eq!(store.machine_show(&machine.name).await.unwrap().unwrap().1, *state);
    }
}

#[tokio::test]
async fn a_machine_that_a_call_registered_is_reached_by_what_nobody_is_shown() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        let by = Actor::command();
        let login = MachineLogin {
            host: "10.9.0.21".into(),
            port: 22,
            user: "root".into(),
            host_key: Some("SHA256:Yk3".into()),
            credential: "a secret".into(),
        };
        let own = NewMachine { name: "own-1".into(), ..machine(1) };
        let made = store.machine_register(&own, &login, &by).await.unwrap();
        let taken = store.machine_register(&machine(1), &login, &by).await.unwrap_err();
        assert_eq!(made.phase, MachinePhase::Quarantined);
        assert_eq!(taken.to_string(), "there is another machine `lab-01` already");
        assert_eq!(store.machine_login("own-1").await.unwrap(), Some(login.clone()));
        let shown =
            format!("{made:?} {login:?} {:?}", store.audit_list(None, None, 99).await.unwrap());
        assert!(!shown.contains("a secret"), "{shown}");
        // Files that do not name it leave it alone, and one of theirs is not unregistered.
        store.machine_declare(&[machine(2)], 0, &by).await.unwrap();
        assert!(store.machine_show("own-1").await.unwrap().is_some());
        assert!(!store.machine_unregister("lab-02", &by).await.unwrap());
        assert!(store.machine_unregister("own-1", &by).await.unwrap());
        assert_eq!(store.machine_show("own-1").await.unwrap(), None);
        assert_eq!(store.machine_login("own-1").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_database_has_the_last_word_on_what_is_free() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        open_pool(&database.store, 1).await;
        place(&database.store, &ReservationRequest { terms: free(), ..wish("acme", 1) }).await;
        let twice =
            "INSERT INTO booking (id, reservation, machine, pool, start_at, end_at, free_at,
                         phase, tries, next_at, token)
                     SELECT 'bkg_x', reservation, machine, pool, end_at + 1, end_at + 2, end_at + 3,
                         'booked', 0, 0, 0 FROM booking";
        let behind = "INSERT INTO booking (id, reservation, machine, pool, start_at, end_at,
                          free_at, phase, tries, next_at, token)
                      SELECT 'bkg_y', reservation, machine, pool, free_at, free_at + 2, free_at + 3,
                          'booked', 0, 0, 0 FROM booking";
        let longer = "UPDATE booking SET free_at = free_at + 1 WHERE id <> 'bkg_y'";

        let refused = database.run(twice).await.unwrap_err().to_string();
        database.run(behind).await.unwrap();
        let also = database.run(longer).await.unwrap_err().to_string();

        for refused in [refused, also] {
            let is_said = refused.contains("is booked then") || refused.contains("booking_alone");
            assert!(is_said, "{refused}");
        }
        assert_eq!(overlaps(&database).await, 0);
    }
}

/// A plan that does that to a machine.
fn change(machine: &str, action: Action) -> Change {
    Change {
        address: format!("machine.{machine}").parse().unwrap(),
        place: "docker.lab".parse().unwrap(),
        origin: Origin::File,
        adopted: None,
        action,
        reason: Reason::Unwanted,
        before: None,
        after: None,
        ready: None,
    }
}

#[tokio::test]
async fn a_run_takes_no_machine_that_was_reserved_since_it_was_planned() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        let one = ReservationRequest { terms: free(), ..wish("acme", 1) };
        place(store, &one).await;
        let run = Plan::new("first", 0);
        let begin = |changes| {
            let begin = Begin { changes, ..run.begin() };
            async move { store.apply_begin(begin).await }
        };
        let removes = [change("lab-01", Action::Delete)];
        let replaces = [change("lab-02", Action::Replace), change("lab-01", Action::Replace)];

        let refused = [begin(&removes[..]).await, begin(&replaces[..]).await];

        for refused in refused {
            let error = refused.unwrap_err();
            assert!(error.is_stale(), "{error:?}");
            let said = "`machine.lab-01` was reserved since the plan was made";
            assert_eq!(error.to_string(), said);
        }
        let free_now = async || store.pool_availability("lab").await.unwrap().free;
        assert_eq!(free_now().await, 2, "nothing is changed");

        let fits = [change("lab-02", Action::Delete), change("lab-03", Action::Replace)];
        begin(&fits[..]).await.unwrap();

        assert_eq!(free_now().await, 0);
        // A server that read the specs before takes over nothing of them.
        let late = store.machine_declare(&[machine(1), machine(2)], 0, &Actor::command()).await;
        assert!(late.unwrap_err().is_stale());
        assert_eq!(free_now().await, 0);
        assert!(matches!(
            declined(store.reservation_place(&one).await),
            Decline::NoMachines { .. }
        ));
        // Made anew, and found well.
        database.pass(1);
        look_at_all(store).await;
        assert_eq!(machines(&place(store, &one).await.bookings), "lab-03");
    }
}
