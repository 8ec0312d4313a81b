//! Bills: every line once, however late, often or simultaneously; and what becomes of those who do
//! not pay.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lessor_specs::{Money, OrderPhase};
use lessor_store::{Actor, LedgerFault, Order, Store};

use crate::fixture::{BACKENDS, Backend, Database};
use crate::shop::{assert_ledger, open_shop, pay, running, wallet};

fn later(order: &Order, hours: i64) -> Timestamp {
    order.anchored_at.unwrap() + SignedDuration::from_hours(hours)
}

/// The lines of an order: from which hour on, what, how much, and whether it is paid.
async fn lines(store: &Store, order: &Order) -> Vec<String> {
    let lines = store.usage_of_order(&order.id).await.unwrap();
    let line = |line: &lessor_store::UsageLine| {
        let hour = line.start.duration_since(order.anchored_at.unwrap()).as_hours();
        let paid = if line.paid_at.is_some() { "paid" } else { "unpaid" };
        format!("{hour} {} {} {paid}", line.part, line.amount)
    };
    lines.iter().map(line).collect()
}

async fn rich(backend: Backend) -> (Database, Vec<Order>) {
    let database = Database::new(backend).await;
    let store = &database.store;
    open_shop(store).await;
    let mut orders = Vec::new();
    for (tenant, name) in [("acme", "one"), ("acme", "two"), ("globex", "three")] {
        pay(store, tenant, "10").await;
        orders.push(running(store, tenant, name, "survival").await);
    }
    (database, orders)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn late_repeated_and_parallel_runs_give_the_same_ledger() {
    for backend in BACKENDS {
        let mut found = Vec::new();
        for way in ["late", "each hour", "repeated", "parallel"] {
            let (database, orders) = rich(backend).await;
            let store = &database.store;
            let end = later(&orders[2], 30);
            match way {
                "late" => drop(store.usage_meter(end).await.unwrap()),
                "each hour" => {
                    for hour in 0..=30 {
                        store.usage_meter(later(&orders[2], hour)).await.unwrap();
                    }
                }
                "repeated" => {
                    for _ in 0..3 {
                        store.usage_meter(end).await.unwrap();
                    }
                }
                _ => {
                    let stores = [store.clone(), database.another().await];
                    let runs = (0..16).map(|run| {
                        let store = stores[run % 2].clone();
                        tokio::spawn(async move { store.usage_meter(end).await })
                    });
                    for run in runs.collect::<Vec<_>>() {
                        run.await.unwrap().unwrap();
                    }
                }
            }
            let mut all = Vec::new();
            for order in &orders {
                all.push(lines(store, order).await);
            }
            all.push(vec![wallet(store, "acme").await, wallet(store, "globex").await]);
            assert_ledger(store).await;
            found.push(all);
        }
        assert_eq!(found[0][2].len(), 31);
        assert_eq!(found[0][3][1], "EUR 9.538100 held 0.000000 free 9.538100");
        assert!(found.iter().all(|way| *way == found[0]), "{found:#?}");
    }
}

#[tokio::test]
async fn a_line_that_was_written_is_never_written_again() {
    for backend in BACKENDS {
        let (database, orders) = rich(backend).await;
        let store = &database.store;
        store.usage_meter(later(&orders[2], 3)).await.unwrap();
        let before = lines(store, &orders[0]).await;
        let charged = wallet(store, "acme").await;
        // As if it had been forgotten what was metered already.
        let mut connection = database.connect().await;
        let progress = r#"{"until":null,"turns":0,"periods":0,"month_end":null,"used":"0","charged":0,"layers":{},"total":0}"#;
        sqlx::query("UPDATE orders SET meter_at = anchored_at, progress = $1")
            .bind(progress)
            .execute(&mut connection)
            .await
            .unwrap();

        let again = store.usage_meter(later(&orders[2], 3)).await;

        assert!(again.is_err(), "{again:?}");
        assert_eq!(lines(store, &orders[0]).await, before);
        assert_eq!(wallet(store, "acme").await, charged);
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn a_line_that_is_not_what_paid_it_is_found() {
    for backend in BACKENDS {
        let (database, orders) = rich(backend).await;
        let store = &database.store;
        store.usage_meter(later(&orders[2], 3)).await.unwrap();
        assert_ledger(store).await;
        database.run("UPDATE usage_line SET amount = amount + 1").await.unwrap();

        let faults = store.ledger_verify().await.unwrap().faults;
        let mut paid = BTreeMap::new();
        for order in &orders {
            let lines = store.usage_of_order(&order.id).await.unwrap();
            paid.extend(lines.into_iter().map(|line| (line.txn.unwrap(), line.amount)));
        }
        assert!(paid.len() > orders.len(), "each has a line an hour");
        let wrong = paid.into_iter().map(|(id, lines)| {
            let moved = Money::from_micros(lines.micros() - 1);
            LedgerFault::Usage { id, lines, moved }
        });
        assert_eq!(faults, wrong.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_does_not_pay_is_warned_then_suspended_and_runs_again_when_it_is_paid() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "0.03").await;
        let order = running(store, "acme", "lobby", "survival").await;

        store.usage_meter(later(&order, 3)).await.unwrap();
        same_snapshot!(lines(store, &order).await.join("\n"), @r"
        0 base 0.014900 paid
        1 base 0.014900 paid
        2 base 0.014900 unpaid
        3 base 0.014900 unpaid
        ");
        assert_eq!(store.usage_dun(later(&order, 3)).await.unwrap(), 1, "it is warned");
        assert_eq!(store.usage_dun(later(&order, 26)).await.unwrap(), 0, "it has time");
        assert_eq!(store.usage_dun(later(&order, 27)).await.unwrap(), 1, "it is suspended");
        let suspended = store.order_show(&order.id).await.unwrap().unwrap();
        assert!(suspended.reasons.contains(&lessor_store::Reason::Overdue));
        assert!(store.order_wishes().await.unwrap().orders["acme/lobby"].stopped);
        store.order_activate(&order.id, None).await.unwrap();
        // Another reason beside it stays when it is paid.
        let abuse = lessor_store::Reason::Abuse;
        store.order_suspend(&order.id, abuse, "spam", &Actor::command()).await.unwrap();

        pay(store, "acme", "10").await;
        store.usage_settle("acme").await.unwrap();

        let paid = store.order_show(&order.id).await.unwrap().unwrap();
        assert_eq!((paid.owes, paid.dunning), (false, None));
        assert_eq!(paid.reasons.iter().copied().collect::<Vec<_>>(), [abuse]);
        let resumed = store.order_resume(&order.id, abuse, &Actor::command()).await.unwrap();
        assert_eq!(resumed.phase, OrderPhase::Updating);
        assert!(lines(store, &order).await.iter().all(|line| line.ends_with(" paid")));
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn who_never_pays_is_ended_and_its_data_goes_when_its_time_is_over() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        open_shop(store).await;
        pay(store, "acme", "0.03").await;
        let order = running(store, "acme", "lobby", "survival").await;
        store.usage_meter(later(&order, 3)).await.unwrap();

        let mut phases = Vec::new();
        for hours in [3, 27, 27 + 7 * 24 - 1, 27 + 7 * 24] {
            store.usage_dun(later(&order, hours)).await.unwrap();
            phases.push(store.order_show(&order.id).await.unwrap().unwrap().phase.to_string());
        }

        assert_eq!(phases, ["active", "updating", "updating", "terminating"]);
        let ended = store.order_show(&order.id).await.unwrap().unwrap();
        assert_eq!(ended.retain_until, Some(later(&order, 27 + 7 * 24)));
        assert!(wallet(store, "acme").await.starts_with("EUR 0.000200"));
        assert_ledger(store).await;
    }
}
