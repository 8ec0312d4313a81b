//! Money: that nothing is lost, nothing is made, and nothing is changed afterwards.

use lessor_store::{Booking, BookingKind, LedgerAccount, LedgerFault, Store};
use sqlx::Connection as _;

use crate::fixture::{BACKENDS, Backend, Database};
use crate::shop::{assert_ledger, declined, eur, money, pay, wallet};

/// The ledger of a tenant, the oldest first: who gave what to whom.
async fn listed(store: &Store, tenant: &str) -> String {
    let entries = store.ledger_list(tenant, None, 100).await.unwrap();
    let lines = entries.iter().rev().map(|entry| {
        let postings = entry.postings.iter().map(|p| format!("{} {}", p.account, p.amount));
        format!("{} ({}): {}\n", entry.kind, entry.memo, postings.collect::<Vec<_>>().join(", "))
    });
    lines.collect()
}

#[tokio::test]
async fn money_comes_is_held_charged_refunded_and_put_right() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        pay(store, "acme", "10").await;
        let hold = store.hold_place("acme", eur(), money("4")).await.unwrap();
        assert_eq!(wallet(store, "acme").await, "EUR 10.000000 held 4.000000 free 6.000000");

        let charge = store.hold_capture(&hold, money("3"), "an hour").await.unwrap();
        store.refund(&charge, money("1"), "half an hour").await.unwrap();
        let wrong = store.credit("acme", eur(), money("5"), "for another").await.unwrap();
        store.ledger_reverse(&wrong, "it was for another").await.unwrap();

        same_snapshot!(listed(store, "acme").await, @r"
        credit (a payment): wallet/acme 10.000000, payments -10.000000
        charge (an hour): wallet/acme -3.000000, income 3.000000
        refund (half an hour): wallet/acme 1.000000, income -1.000000
        credit (for another): wallet/acme 5.000000, payments -5.000000
        reversal (it was for another): wallet/acme -5.000000, payments 5.000000
        ");
        assert_eq!(wallet(store, "acme").await, "EUR 8.000000 held 0.000000 free 8.000000");
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn what_cannot_be_is_declined_and_moves_nothing() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        pay(store, "acme", "10").await;
        let hold = store.hold_place("acme", eur(), money("4")).await.unwrap();
        let charge = store.hold_capture(&hold, money("4"), "an hour").await.unwrap();
        let gift = Booking::new(BookingKind::Gift, "acme", "welcome").once("welcome acme").moving(
            LedgerAccount::Gifts,
            LedgerAccount::Wallet("acme".into()),
            eur(),
            money("1"),
        );
        store.ledger_post(&gift).await.unwrap();

        let answers = [
            declined(store.hold_place("acme", eur(), money("7.000001")).await),
            declined(store.hold_place("nobody", eur(), money("0.01")).await),
            declined(store.hold_place("acme", eur(), money("0")).await),
            declined(store.hold_capture(&hold, money("1"), "again").await),
            declined(store.hold_release(&hold).await),
            declined(store.refund(&charge, money("4.01"), "too much").await),
            declined(store.refund("txn_none", money("1"), "of nothing").await),
            declined(store.credit("acme", eur(), money("-1"), "a theft").await),
            declined(store.wallet_floor("acme", eur(), money("7.5")).await),
        ];
        let again = store.ledger_post(&gift).await.unwrap_err();

        let answers = answers.map(|answer| answer.to_string()).join("\n");
        let answers = answers.replace(&hold, "hld_1").replace(&charge, "txn_1");
        same_snapshot!(format!("{answers}\n{again}"), @r"
        `acme` has EUR 7.000000 left, and EUR 7.000001 is needed
        `nobody` has EUR 0.000000 left, and EUR 0.010000 is needed
        EUR 0.000000 is no amount for that
        the hold `hld_1` is captured
        the hold `hld_1` is captured
        transaction `txn_1` cannot be given back: more would be given back than was taken
        there is no transaction `txn_none`
        EUR -1.000000 is no amount for that
        `acme` has EUR 7.000000 left, and EUR 7.500000 is needed
        there is such a transaction already
        ");
        assert_eq!(wallet(store, "acme").await, "EUR 7.000000 held 0.000000 free 7.000000");
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn a_charge_is_given_back_once_whatever_way() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        pay(store, "acme", "10").await;
        let charge = |amount| async move {
            let hold = store.hold_place("acme", eur(), money(amount)).await.unwrap();
            store.hold_capture(&hold, money(amount), "an hour").await.unwrap()
        };
        let (first, second) = (charge("4").await, charge("2").await);
        store.refund(&first, money("3"), "most of it").await.unwrap();
        store.ledger_reverse(&second, "wrong").await.unwrap();

        declined(store.refund(&first, money("1.000001"), "the rest and more").await);
        declined(store.ledger_reverse(&first, "all of it").await);
        declined(store.ledger_reverse(&second, "again").await);

        assert_eq!(wallet(store, "acme").await, "EUR 9.000000 held 0.000000 free 9.000000");
        assert_ledger(store).await;
    }
}

#[tokio::test]
async fn the_database_itself_keeps_the_ledger_balanced_and_as_it_was() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        pay(&database.store, "acme", "10").await;
        let mut connection = database.connect().await;
        let entry = "INSERT INTO ledger_transaction (id, kind, tenant, memo, at, digest)
                     VALUES ('txn_x', 'credit', 'acme', '', 0, '')";
        let posting = |number: u8, amount: i64| {
            format!(
                "INSERT INTO posting (txn, number, account, currency, amount)
                 VALUES ('txn_x', {number}, 'income', 'EUR', {amount})"
            )
        };
        let late = "INSERT INTO posting (txn, number, account, currency, amount)
                    SELECT id, 9, 'income', 'EUR', 1 FROM ledger_transaction";
        let tries: [(&[&str], &str); 8] = [
            (&["UPDATE posting SET amount = 1"], "the ledger is never changed"),
            (&["DELETE FROM posting"], "the ledger is never shortened"),
            (&["UPDATE ledger_transaction SET memo = 'x'"], "the ledger is never changed"),
            (&["DELETE FROM ledger_transaction"], "the ledger is never shortened"),
            (&[entry], "sum up to zero"),
            (&[&posting(0, 5), &posting(1, -4), entry], "sum up to zero"),
            (&[late], "takes no posting"),
            (&["UPDATE wallet SET held = 11000000"], "CHECK"),
        ];
        for (statements, answer) in tries {
            let mut work = connection.begin().await.unwrap();
            let mut said = String::new();
            for statement in statements {
                let statement = sqlx::AssertSqlSafe((*statement).to_owned());
                if let Err(error) = sqlx::query(statement).execute(&mut *work).await {
                    said = error.to_string();
                }
            }
            assert!(said.to_lowercase().contains(&answer.to_lowercase()), "{statements:?}: {said}");
            work.rollback().await.unwrap();
        }
        assert_ledger(&database.store).await;
    }
}

#[tokio::test]
async fn whatever_is_changed_behind_its_back_is_found() {
    for backend in BACKENDS {
        let mut found = Vec::new();
        for change in [
            "UPDATE posting SET amount = amount + 1 WHERE account = 'payments'",
            "UPDATE posting SET amount = amount * 2",
            "UPDATE posting SET account = 'gifts' WHERE account = 'payments'",
            "UPDATE ledger_transaction SET memo = 'b payment'",
            "UPDATE ledger_transaction SET at = at + 1",
            "UPDATE wallet SET posted = posted + 1",
            "UPDATE wallet SET held = held + 1",
            "UPDATE hold SET amount = amount + 1",
            "UPDATE wallet SET tenant = 'globex'",
        ] {
            let database = Database::new(backend).await;
            pay(&database.store, "acme", "10").await;
            database.store.hold_place("acme", eur(), money("4")).await.unwrap();
            let mut connection = database.connect().await;
            for trigger in ["ledger_transaction", "posting"] {
                let drop = match backend {
                    Backend::Sqlite if trigger == "posting" => {
                        "DROP TRIGGER posting_is_never_changed".to_owned()
                    }
                    Backend::Sqlite => "DROP TRIGGER ledger_is_never_changed".to_owned(),
                    Backend::Postgres => format!("ALTER TABLE {trigger} DISABLE TRIGGER ALL"),
                };
                sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
            }
            sqlx::query(change).execute(&mut connection).await.unwrap();

            let report = database.store.ledger_verify().await.unwrap();

            let sort = |fault: &LedgerFault| format!("{fault:?}");
            let faults = report.faults.iter().map(sort);
            let faults = faults.map(|fault| fault.split_whitespace().next().unwrap().to_owned());
            found.push(format!("{change}: {}", faults.collect::<Vec<_>>().join(" ")));
        }
        same_snapshot!(found.join("\n"), @r"
        UPDATE posting SET amount = amount + 1 WHERE account = 'payments': Unbalanced Changed
        UPDATE posting SET amount = amount * 2: Changed Posted
        UPDATE posting SET account = 'gifts' WHERE account = 'payments': Changed
        UPDATE ledger_transaction SET memo = 'b payment': Changed
        UPDATE ledger_transaction SET at = at + 1: Changed
        UPDATE wallet SET posted = posted + 1: Posted
        UPDATE wallet SET held = held + 1: Held
        UPDATE hold SET amount = amount + 1: Held
        UPDATE wallet SET tenant = 'globex': Posted Held Posted
        ");
    }
}
