//! Races for machines: 64 clients, through two servers. Beside each stands what happens where nothing
//! guards.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use lessor_engine::Clock as _;
use lessor_store::{
    Actor, BookingPhase, ReservationFilter, ReservationLimits, ReservationPhase,
    ReservationRequest, ReservationTerms, Reserved, Store, StoreError,
};
use sqlx::Row as _;

use crate::fixture::{BACKENDS, Backend, Database};
use crate::races::{CLIENTS, Chance, all_at_once};
use crate::reserving::{free, open_pool, place, wish, work};
use crate::shop::{assert_ledger, declined, key, pay};

/// How many pairs of bookings have one machine at one time.
pub(crate) async fn overlaps(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let found = sqlx::query(
        "SELECT count(*) AS count FROM booking AS a JOIN booking AS b
             ON b.machine = a.machine AND a.id < b.id
                 AND a.start_at < b.free_at AND b.start_at < a.free_at
         WHERE a.phase <> 'done' AND b.phase <> 'done'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    found.get("count")
}

/// The database has no last word any more.
async fn silence(database: &Database, backend: Backend) {
    let statements: &[&'static str] = match backend {
        Backend::Sqlite => {
            &["DROP TRIGGER booking_comes_alone", "DROP TRIGGER booking_stays_alone"]
        }
        Backend::Postgres => &["ALTER TABLE booking DROP CONSTRAINT booking_alone"],
    };
    for statement in statements {
        database.run(statement).await.unwrap();
    }
}

/// As one would book who looks first and acts later: for each wish, a machine that was free before
/// any of them was booked.
async fn book_unguarded(database: &Database, wishes: usize) {
    let mut connection = database.connect().await;
    for number in 0..wishes {
        let text = format!(
            "INSERT INTO booking (id, reservation, machine, pool, start_at, end_at, free_at, phase,
                 tries, next_at, token)
             SELECT 'bkg_{number}', min(id), 'lab-01', 'lab', 0, 10, 15, 'booked', 0, 0, 0
             FROM reservation"
        );
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    }
}

async fn race(
    database: &Database,
    request: impl Fn(usize) -> ReservationRequest,
) -> Vec<Result<Reserved, StoreError>> {
    let stores = [database.store.clone(), database.another().await];
    all_at_once(|number| {
        let (store, request) = (stores[number % 2].clone(), request(number));
        async move { store.reservation_place(&request).await }
    })
    .await
}

/// Those that went through. None may fail for another reason than being declined.
fn made(results: Vec<Result<Reserved, StoreError>>) -> Vec<Reserved> {
    let mut made = Vec::new();
    for result in results {
        match result {
            Ok(reserved) => made.push(reserved),
            Err(StoreError::Declined(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_machine_is_had_by_two_at_once() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        open_pool(&database.store, 10).await;
        pay(&database.store, "acme", "100").await;

        let made = made(race(&database, |_| wish("acme", 1)).await);

        let names: BTreeSet<_> = made.iter().map(|one| one.bookings[0].machine.clone()).collect();
        assert_eq!((made.len(), names.len(), overlaps(&database).await), (10, 10, 0));
        let (need, _) = database.store.reservation_use("acme").await.unwrap();
        assert_eq!((need.reservations, need.machines), (10, 10));
        assert_ledger(&database.store).await;
        // The database itself refuses what nobody looked at; silenced, it is all there twice.
        silence(&database, backend).await;
        book_unguarded(&database, 3).await;
        assert_eq!(overlaps(&database).await, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_what_a_tenant_may_have_no_more_is_reserved() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        open_pool(&database.store, 70).await;
        let limited = |reservations, machines, hours| ReservationTerms {
            limits: ReservationLimits { reservations, machines, machine_hours_per_week: hours },
            ..free()
        };
        let small = limited(Some(3), None, None);
        let pairs = limited(None, Some(5), None);
        let ask = |tenant: &'static str, count: u32, terms: &ReservationTerms| {
            let terms = terms.clone();
            move |_| ReservationRequest { terms: terms.clone(), ..wish(tenant, count) }
        };
        let few = made(race(&database, ask("small", 1, &small)).await);
        let two = made(race(&database, ask("pairs", 2, &pairs)).await);
        let all = made(race(&database, ask("acme", 1, &free())).await);

        assert_eq!((few.len(), two.len(), all.len()), (3, 2, 63));
        for (tenant, reservations, machines) in [("small", 3, 3), ("pairs", 2, 4), ("acme", 63, 63)]
        {
            let (need, weeks) = database.store.reservation_use(tenant).await.unwrap();
            assert_eq!((need.reservations, need.machines), (reservations, machines));
            assert_eq!(weeks.values().sum::<i64>(), machines * 3_600);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hours_of_a_week_are_had_once() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        open_pool(&database.store, 64).await;
        // From a Monday on, so that all of it lies in one week.
        let week = 7 * 24 * 3_600;
        let monday = (database.store.now().as_second() + 3 * 86_400).div_euclid(week) * week + week;
        let start = jiff::Timestamp::from_second(monday - 3 * 86_400).unwrap();
        let limits =
            ReservationLimits { machine_hours_per_week: Some(10), ..ReservationLimits::default() };
        let request = |_| ReservationRequest {
            start: Some(start),
            terms: ReservationTerms { limits, ..free() },
            ..wish("acme", 1)
        };
        let hours = made(race(&database, request).await);
        let (_, weeks) = database.store.reservation_use("acme").await.unwrap();
        assert_eq!((hours.len(), weeks.into_values().collect::<Vec<_>>()), (10, vec![36_000]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_is_one_reservation() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        open_pool(&database.store, 64).await;
        let request = |with_key: bool| {
            move |_| ReservationRequest {
                key: with_key.then(|| key("once", "a")),
                terms: free(),
                ..wish("acme", 1)
            }
        };
        let keyed = made(race(&database, request(true)).await);
        let unkeyed = made(race(&database, request(false)).await);
        let first = &keyed[0].reservation.id;
        assert!(keyed.iter().all(|one| one.reservation.id == *first && one.bookings.len() == 1));
        let fresh = |all: &[Reserved]| all.iter().filter(|one| !one.repeated).count();
        assert_eq!((keyed.len(), fresh(&keyed), fresh(&unkeyed)), (CLIENTS, 1, 63));
        let other = ReservationRequest { key: Some(key("once", "b")), ..wish("acme", 1) };
        let reused = declined(database.store.reservation_place(&other).await).to_string();
        assert_eq!(reused, "the idempotency key `once` was used for another request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asked_first_is_served_first_whoever_serves() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let store = &database.store;
        open_pool(store, 4).await;
        let all = ReservationRequest { terms: free(), ..wish("first", 4) };
        let mut held = vec![place(store, &all).await.reservation.id];
        let request = |number: usize| ReservationRequest {
            wait_s: Some(24 * 3_600),
            terms: free(),
            ..wish("acme", u32::try_from(number % 3 + 1).unwrap())
        };
        let waiting = made(race(&database, request).await);
        assert_eq!(waiting.len(), CLIENTS);
        let mut expected: Vec<_> = waiting
            .iter()
            .map(|one| (one.reservation.number, one.reservation.id.clone()))
            .collect();
        expected.sort();
        let stores = [store.clone(), database.another().await];
        let mut served = Vec::new();
        while served.len() < CLIENTS {
            for id in held.drain(..) {
                store.reservation_release(&id, &Actor::command()).await.unwrap();
            }
            work(store).await;
            let (one, two) = tokio::join!(stores[0].queue_serve(), stores[1].queue_serve());
            let mut now: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
            assert!(!now.is_empty() && overlaps(&database).await == 0);
            // Those that two served at the same moment are told in any order.
            now.sort_by_key(|id| expected.iter().position(|(_, own)| own == id));
            served.extend(now.iter().cloned());
            held = now;
        }
        let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
        assert_eq!(served, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_wants_a_machine_longer_and_whoever_has_it_next_are_never_both_right() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let stores = [database.store.clone(), database.another().await];
        let store = &database.store;
        open_pool(store, 1).await;
        let mut longer_won = 0;
        let by = Actor::command();
        for round in 0..24 {
            let base = ReservationRequest { terms: free(), ..wish("acme", 1) };
            let first = place(store, &base).await;
            let id = &first.reservation.id;
            let start = Some(first.bookings[0].free_at);
            let next = ReservationRequest { start, terms: free(), ..wish("globex", 1) };
            let extend = async {
                // Now the one is a little earlier, and now the other.
                tokio::time::sleep(std::time::Duration::from_micros(round * 50)).await;
                stores[0].reservation_extend(id, 900, &by).await
            };
            let (longer, next) = tokio::join!(extend, stores[1].reservation_place(&next));
            assert!(longer.is_ok() != next.is_ok(), "{longer:?} {next:?}");
            assert_eq!(overlaps(&database).await, 0);
            longer_won += usize::from(longer.is_ok());
            for id in next.iter().map(|next| &next.reservation.id).chain([id]) {
                store.reservation_release(id, &by).await.unwrap();
            }
            work(store).await;
        }
        assert!(longer_won < 24, "{longer_won}");
        let base = ReservationRequest { terms: free(), ..wish("acme", 1) };
        let first = place(store, &base).await;
        let start = Some(first.bookings[0].free_at);
        place(store, &ReservationRequest { start, ..base }).await;
        // The control: who looks, and writes what was seen to be possible, takes the machine twice.
        silence(&database, backend).await;
        database.run("UPDATE booking SET free_at = free_at + 86400000000").await.unwrap();
        assert!(overlaps(&database).await > 0);
    }
}

/// Something somebody may do with reservations.
async fn act(store: &Store, chance: &mut Chance, own: &mut Vec<String>) {
    let below = |chance: &mut Chance, most| i64::try_from(chance.below(most)).unwrap();
    let tenant = ["acme", "globex"][usize::from(chance.below(2) == 1)];
    let done = match (chance.below(4), own.last().cloned()) {
        (0, Some(last)) => {
            let by_s = below(chance, 7_200) + 1;
            store.reservation_extend(&last, by_s, &Actor::command()).await.map(drop)
        }
        (1, Some(last)) => {
            own.pop();
            store.reservation_release(&last, &Actor::command()).await.map(drop)
        }
        _ => {
            let start = store.now() + SignedDuration::from_secs(below(chance, 6 * 3_600));
            let request = ReservationRequest {
                seconds: Some(900 + below(chance, 7_200)),
                start: (chance.below(3) > 0).then_some(start),
                min_count: Some(1),
                ..wish(tenant, 1 + u32::try_from(chance.below(3)).unwrap())
            };
            let placed = store.reservation_place(&request).await;
            placed.map(|placed| own.push(placed.reservation.id))
        }
    };
    if let Err(error) = done {
        assert!(matches!(error, StoreError::Declined(_)), "{error:?}");
    }
}

/// What the tenant has by its reservations, counted anew: those that are not over, their machines,
/// and how many seconds of all of them.
async fn counted(store: &Store, tenant: &str) -> (i64, i64, i64) {
    let filter = ReservationFilter { tenant: Some(tenant.into()), ..ReservationFilter::default() };
    let all = store.reservation_list(&filter, 10_000).await.unwrap();
    let (mut reservations, mut machines, mut seconds) = (0, 0, 0);
    for one in all {
        let window = one.window.unwrap();
        let end = one.ended_at.map_or(window.end, |at| at.clamp(window.start, window.end));
        seconds += (end.as_second() - window.start.as_second()) * i64::from(one.count);
        if !one.phase.is_over() {
            reservations += 1;
            machines += i64::from(one.count);
        }
    }
    (reservations, machines, seconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_reserved_at_once_nothing_overlaps_and_every_sum_is_right() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let stores = Arc::new([database.store.clone(), database.another().await]);
        open_pool(&database.store, 10).await;
        for tenant in ["acme", "globex"] {
            pay(&database.store, tenant, "30").await;
        }
        // 512 wishes.
        all_at_once(|number| {
            let stores = stores.clone();
            async move {
                let (mut chance, mut own) = (Chance(0x9E37_79B9 + number as u64), Vec::new());
                for _ in 0..8 {
                    act(&stores[number % 2], &mut chance, &mut own).await;
                }
            }
        })
        .await;

        assert_eq!(overlaps(&database).await, 0);
        for tenant in ["acme", "globex"] {
            let (need, weeks) = database.store.reservation_use(tenant).await.unwrap();
            let found = (need.reservations, need.machines, weeks.values().sum::<i64>());
            assert_eq!(found, counted(&database.store, tenant).await, "{tenant}");
        }
        assert_ledger(&database.store).await;
        // And so it is when all of it is over.
        work(&database.store).await;
        for _ in 0..10 {
            database.pass(150);
            work(&database.store).await;
        }
        let open = ReservationFilter { open: true, ..ReservationFilter::default() };
        assert!(database.store.reservation_list(&open, 10).await.unwrap().is_empty());
        let availability = database.store.pool_availability("lab").await.unwrap();
        assert_eq!(availability.free, 10, "{availability:?}");
        assert_ledger(&database.store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_at_a_time_works_on_a_machine() {
    for backend in BACKENDS {
        let database = Database::simulated(backend).await;
        let stores = [database.store.clone(), database.another().await];
        open_pool(&database.store, 10).await;
        let ten = ReservationRequest { terms: free(), ..wish("acme", 10) };
        let reserved = place(&database.store, &ten).await;
        let turn = std::time::Duration::from_mins(5);

        let claimed = all_at_once(|number| {
            let store = stores[number % 2].clone();
            async move { store.booking_claim(3, turn).await.unwrap() }
        });
        let claimed: Vec<_> = claimed.await.into_iter().flatten().collect();

        let machines: BTreeSet<_> = claimed.iter().map(|one| one.booking.machine.clone()).collect();
        assert_eq!((claimed.len(), machines.len()), (10, 10));
        let id = &reserved.reservation.id;
        let begun = database.store.reservation_show(id).await.unwrap().unwrap();
        assert_eq!(begun.phase, ReservationPhase::Active);
        let bookings = database.store.booking_list(id).await.unwrap();
        assert!(bookings.iter().all(|one| one.phase == BookingPhase::Granting && one.tries == 1));
    }
}
