//! Others who want the same at the same moment: PostgreSQL breaks a tie by refusing one of them, who
//! then tries again and is not told. And those who go before they have an answer.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lessor_store::{Actor, OrderChange, Reason, Store, StoreError};
use sqlx::{AnyConnection, Connection as _, Executor as _};

use crate::fixture::{Backend, Database};
use crate::shop::{assert_ledger, open_shop, pay, running};

/// What is done with an order beside placing it.
const ACTS: [&str; 5] = ["power", "suspend", "resume", "resize", "terminate"];

/// How long one waits for the other before PostgreSQL looks whether that can end: a second.
const BEFORE_A_LOOK: Duration = Duration::from_millis(300);

async fn act(store: Store, order: String, what: &str) -> Result<(), StoreError> {
    let (by, order) = (Actor::command(), order.as_str());
    let done = match what {
        "power" => store.order_power(order, None, false, &by).await,
        "suspend" => store.order_suspend(order, Reason::Abuse, "a test", &by).await,
        "resume" => store.order_resume(order, Reason::Abuse, &by).await,
        "resize" => {
            let offer = Some("large".to_owned());
            let change = OrderChange { offer, ..OrderChange::default() };
            store.order_resize(order, None, &change, &by).await
        }
        _ => store.order_terminate(order, None, &by).await,
    };
    done.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_refused_since_others_went_first_tries_again() {
    let database = Database::new(Backend::Postgres).await;
    let store = &database.store;
    open_shop(store).await;
    pay(store, "acme", "100").await;
    let mut done = Vec::new();
    for what in ACTS {
        let order = running(store, "acme", what, "survival").await;
        if what == "resume" {
            act(store.clone(), order.id.clone(), "suspend").await.unwrap();
        }
        let version = store.order_show(&order.id).await.unwrap().unwrap().version;
        // Somebody is about to write the next event, and then wants the order, which the other has
        // by then, who wants to write the same event.
        let mut other = AnyConnection::connect(&database.url()).await.unwrap();
        other.execute("BEGIN").await.unwrap();
        let event = "INSERT INTO order_event (order_id, number, id, at, kind, phase, data)
                     VALUES ($1, $2, $3, 0, 'switched', 'active', '{}')";
        let number = i64::try_from(version).unwrap() + 1;
        let insert = sqlx::query(event).bind(&order.id).bind(number).bind(what);
        insert.execute(&mut other).await.unwrap();
        let acting = tokio::spawn(act(store.clone(), order.id.clone(), what));
        tokio::time::sleep(BEFORE_A_LOOK).await;
        let lock = sqlx::query("SELECT id FROM orders WHERE id = $1 FOR UPDATE").bind(&order.id);
        lock.execute(&mut other).await.unwrap();
        other.execute("ROLLBACK").await.unwrap();
        done.push((what, acting.await.unwrap()));
        let after = store.order_show(&order.id).await.unwrap().unwrap();
        assert!(after.version > version, "{what}: {after:?}");
    }
    assert_eq!(done, ACTS.map(|what| (what, Ok(()))));
    assert_eq!(refused(&database).await, ACTS.len(), "each was refused once");
    assert_ledger(store).await;
}

/// How often PostgreSQL refused somebody, once it has counted all.
async fn refused(database: &Database) -> usize {
    let statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let mut refused = 0;
    for _ in 0..100 {
        refused = database.server().sql(statement).parse().unwrap();
        if refused >= ACTS.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_goes_in_the_middle_leaves_no_transaction_open() {
    let database = Database::new(Backend::Postgres).await;
    let store = &database.store;
    open_shop(store).await;
    pay(store, "acme", "100").await;
    let order = running(store, "acme", "one", "survival").await;
    let mut gone = 0;
    for what in ["suspend", "resume"].repeat(4) {
        let mut waits = 0;
        while !ends_within(waits, act(store.clone(), order.id.clone(), what)).await {
            waits += 1;
        }
        gone += waits;
    }
    assert!(gone > 20, "{gone}");
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    // What was begun is taken back as soon as its connection is free.
    tokio::time::sleep(BEFORE_A_LOOK).await;
    assert_eq!(database.server().sql(open), "0");
}

/// Whether work comes to its end before it has been waited for so many times. Then whoever asked for it
/// goes, in the middle of it.
async fn ends_within<T>(mut waits: usize, work: impl Future<Output = T>) -> bool {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if waits == 0 => Poll::Ready(false),
        Poll::Pending => {
            waits -= 1;
            Poll::Pending
        }
    })
    .await
}
