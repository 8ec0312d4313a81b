//! Machines for a while: reserving them, and what becomes of a reservation and its machines.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{
    Actor, BookingEnd, ClaimedBooking, MachineBooking, MachineEnd, NewMachine, ReservationLimits,
    ReservationPhase, ReservationRequest, ReservationTerms, Reserved, Store,
};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{assert_ledger, declined, eur, money, pay, wallet};

pub(crate) const TURN: Duration = Duration::from_mins(1);

/// A pool of so many machines, `lab-01` and so on, each found well. Every third has a graphics card.
pub(crate) async fn open_pool(store: &Store, count: usize) {
    let machines: Vec<_> = (1..=count).map(machine).collect();
    store.machine_declare(&machines, 0, &Actor::command()).await.unwrap();
    look_at_all(store).await;
}

pub(crate) fn machine(number: usize) -> NewMachine {
    let labels = number.is_multiple_of(3).then(|| ("gpu".to_owned(), "yes".to_owned()));
    NewMachine {
        name: format!("lab-{number:02}"),
        pool: "lab".into(),
        labels: labels.into_iter().collect(),
        withheld: false,
    }
}

/// Finds all machines well that are to be looked at.
pub(crate) async fn look_at_all(store: &Store) {
    let next_at = store.now() + SignedDuration::from_hours(24);
    for claimed in store.machine_claim(20_000, TURN).await.unwrap() {
        let well = MachineEnd::Well { next_at };
        assert!(store.machine_step(&claimed, &well).await.unwrap());
    }
}

/// What machines of a lab are bought on: five minutes of cleaning, sixty cents an hour.
pub(crate) fn terms() -> ReservationTerms {
    ReservationTerms {
        default_s: 3_600,
        min_s: 900,
        max_s: Some(8 * 3_600),
        max_total_s: Some(24 * 3_600),
        cleaning_s: 300,
        queue: true,
        password: false,
        hourly: Some((eur(), money("0.6"))),
        limits: ReservationLimits::default(),
    }
}

/// So many machines for an hour from now on.
pub(crate) fn wish(tenant: &str, count: u32) -> ReservationRequest {
    ReservationRequest {
        tenant: tenant.to_owned(),
        offer: "lab-hour@1".into(),
        pools: vec!["lab".into()],
        terms: terms(),
        labels: BTreeMap::new(),
        count,
        min_count: None,
        seconds: None,
        start: None,
        wait_s: None,
        ssh_key: Some("ssh-ed25519 AAAA student".into()),
        password: false,
        key: None,
        by: Actor::command(),
    }
}

pub(crate) async fn place(store: &Store, request: &ReservationRequest) -> Reserved {
    store.reservation_place(request).await.unwrap()
}

pub(crate) fn machines(bookings: &[MachineBooking]) -> String {
    bookings.iter().map(|one| one.machine.as_str()).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn claim(store: &Store) -> Vec<ClaimedBooking> {
    store.booking_claim(100, TURN).await.unwrap()
}

/// Does all that is to be done, again and again. What was done, in order.
pub(crate) async fn work(store: &Store) -> String {
    let mut done = Vec::new();
    loop {
        let claimed = claim(store).await;
        if claimed.is_empty() {
            return done.join(", ");
        }
        for claimed in claimed {
            assert!(store.booking_step(&claimed, &BookingEnd::Done).await.unwrap());
            done.push(format!("{:?} {}", claimed.act, claimed.booking.machine).to_lowercase());
        }
    }
}

pub(crate) async fn phase(store: &Store, id: &str) -> ReservationPhase {
    store.reservation_show(id).await.unwrap().unwrap().phase
}

pub(crate) async fn events(store: &Store, id: &str) -> String {
    let events = store.reservation_events(id, 0, 99).await.unwrap();
    events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn later(store: &Store, minutes: i64) -> Timestamp {
    store.now() + SignedDuration::from_mins(minutes)
}

pub(crate) fn free() -> ReservationTerms {
    ReservationTerms { hourly: None, ..terms() }
}

#[tokio::test]
async fn two_machines_for_an_hour_are_charged_let_in_and_given_back_by_the_minute() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        pay(store, "acme", "10").await;

        let placed = place(store, &wish("acme", 2)).await;
        let id = &placed.reservation.id;
        let mut told = vec![machines(&placed.bookings), work(store).await];
        told.push(wallet(store, "acme").await);
        let left = placed.reservation.remaining_s(store.now());
        database.pass(10);
        let released = store.reservation_release(id, &Actor::command()).await.unwrap();
        told.push(wallet(store, "acme").await);
        told.push(work(store).await);
        told.push(events(store, id).await);
        let again = place(store, &wish("acme", 3)).await;
        told.push(machines(&again.bookings));

        same_snapshot!(told.join("\n"), @"
        lab-01 lab-02
        grant lab-01, grant lab-02
        EUR 8.800000 held 0.000000 free 8.800000
        EUR 9.780000 held 0.000000 free 9.780000
        revoke lab-01, revoke lab-02, clean lab-01, clean lab-02
        booked started granted granted released revoked revoked cleaned cleaned
        lab-01 lab-02 lab-03
        ");
        assert!((3_590..=3_600).contains(&left), "{left}");
        assert_eq!(
            (released.phase, released.remaining_s(store.now())),
            (ReservationPhase::Released, 0)
        );
        let (need, _) = store.reservation_use("acme").await.unwrap();
        assert_eq!((need.reservations, need.machines), (1, 3));
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn what_begins_later_is_promised_until_then_and_free_again_when_it_is_canceled() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        pay(store, "acme", "1").await;
        let start = Some(later(store, 120));
        let placed = place(store, &ReservationRequest { start, ..wish("acme", 1) }).await;
        let mut told = vec![work(store).await, wallet(store, "acme").await];
        // Until then it is anybody's, for as long as it can be cleaned before.
        let before = ReservationRequest { seconds: Some(114 * 60), ..wish("globex", 1) };
        let before = ReservationRequest { terms: free(), ..before };
        let long = ReservationRequest { seconds: Some(116 * 60), ..before.clone() };
        let refused = declined(store.reservation_place(&long).await).to_string();
        let brief = place(store, &before).await;
        store.reservation_release(&brief.reservation.id, &Actor::command()).await.unwrap();
        told.push(refused);
        store.reservation_release(&placed.reservation.id, &Actor::command()).await.unwrap();
        told.push(wallet(store, "acme").await);
        told.push(events(store, &placed.reservation.id).await);

        let second = place(store, &ReservationRequest { start, ..wish("acme", 1) }).await;
        database.pass(121);
        told.push(work(store).await);
        told.push(wallet(store, "acme").await);

        same_snapshot!(told.join("\n"), @"

        EUR 1.000000 held 0.600000 free 0.400000
        fewer than 1 such machines are to be had then
        EUR 1.000000 held 0.000000 free 1.000000
        booked canceled
        grant lab-01
        EUR 0.400000 held 0.000000 free 0.400000
        ");
        assert_eq!(phase(store, &placed.reservation.id).await, ReservationPhase::Canceled);
        assert_eq!(phase(store, &second.reservation.id).await, ReservationPhase::Active);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn what_cannot_be_reserved_is_declined_and_counts_nothing() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 3).await;
        pay(store, "acme", "1").await;
        let limits = |reservations, machines, hours| ReservationTerms {
            limits: ReservationLimits {
                reservations: Some(reservations),
                machines: Some(machines),
                machine_hours_per_week: Some(hours),
            },
            ..free()
        };
        let base = || wish("acme", 1);
        let gpu = BTreeMap::from([("gpu".to_owned(), "yes".to_owned())]);
        let declines = [
            ReservationRequest { count: 0, ..base() },
            ReservationRequest { min_count: Some(2), ..base() },
            ReservationRequest { seconds: Some(899), ..base() },
            ReservationRequest { seconds: Some(8 * 3_600 + 1), ..base() },
            ReservationRequest { start: Some(later(store, -10)), ..base() },
            ReservationRequest { start: Some(later(store, 10)), wait_s: Some(60), ..base() },
            wish("acme", 2),
            wish("acme", 4),
            ReservationRequest { labels: gpu, terms: free(), ..wish("acme", 2) },
            ReservationRequest { password: true, ..base() },
            ReservationRequest { terms: limits(0, 9, 9), ..base() },
            ReservationRequest { terms: limits(9, 0, 9), ..base() },
        ];
        let mut told = String::new();
        for request in declines {
            let decline = declined(store.reservation_place(&request).await);
            told += &format!("{decline}\n");
        }
        same_snapshot!(told, @"
        expected 1 to 1000
        expected 1 to 1
        expected 900 to 28800 seconds
        expected 900 to 28800 seconds
        it lies in the past
        who begins later does not wait
        `acme` has EUR 1.000000 left, and EUR 1.200000 is needed
        there are 3 such machines in all, and 4 are wanted
        there are 1 such machines in all, and 2 are wanted
        this offer lets in keys only
        `acme` may have 0 of reservations, and would have 1
        `acme` may have 0 of machines, and would have 1
        ");
        let hours = ReservationRequest { terms: limits(9, 9, 0), ..base() };
        let hours = declined(store.reservation_place(&hours).await).to_string();
        assert!(hours.starts_with("`acme` may have 0 h of machine hours in a week, "), "{hours}");
        let (need, weeks) = store.reservation_use("acme").await.unwrap();
        assert_eq!((need.reservations, need.machines, weeks.len()), (0, 0, 0));
        // With as many as there are.
        let few = ReservationRequest { min_count: Some(2), terms: free(), ..wish("acme", 9) };
        let few = place(store, &few).await;
        assert_eq!((few.reservation.count, few.bookings.len()), (3, 3));
        let (need, _) = store.reservation_use("acme").await.unwrap();
        assert_eq!((need.reservations, need.machines), (1, 3));
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn an_extension_is_charged_and_let_in_for_longer_unless_somebody_comes_behind() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 1).await;
        pay(store, "acme", "2").await;
        let by = Actor::command();
        let first = place(store, &wish("acme", 1)).await.reservation;
        let mut told = vec![work(store).await];
        let longer = store.reservation_extend(&first.id, 1_800, &by).await.unwrap();
        told.push(wallet(store, "acme").await);
        told.push(work(store).await);
        let start = Some(later(store, 96));
        let next = ReservationRequest { start, terms: free(), ..wish("globex", 1) };
        let next = place(store, &next).await.reservation;
        let extend = async |seconds| {
            let extended = store.reservation_extend(&first.id, seconds, &by).await;
            declined(extended).to_string().replace(&first.id, "rsv_1")
        };
        told.push(extend(120).await);
        told.push(extend(24 * 3_600).await);
        told.push(extend(0).await);
        database.pass(91);
        told.push(extend(30).await);
        told.push(work(store).await);
        told.push(wallet(store, "acme").await);
        told.push(events(store, &first.id).await);
        // Who had it last is out before the next is in.
        database.pass(6);
        told.push(work(store).await);

        same_snapshot!(told.join("\n"), @"
        grant lab-01
        EUR 1.100000 held 0.000000 free 1.100000
        grant lab-01
        somebody else has a machine of reservation `rsv_1` behind it
        expected 1 to 28800 more seconds
        expected 1 to 28800 more seconds
        reservation `rsv_1` is ended: it cannot be made longer
        revoke lab-01, clean lab-01
        EUR 1.100000 held 0.000000 free 1.100000
        booked started granted extended ended revoked cleaned
        grant lab-01
        ");
        assert_eq!(longer.seconds, 5_400);
        assert_eq!(phase(store, &first.id).await, ReservationPhase::Ended);
        assert_eq!(phase(store, &next.id).await, ReservationPhase::Active);
        assert_ledger(store).await;
    }
}
