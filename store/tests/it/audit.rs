//! The chain of what was done.

use insta::{allow_duplicates, assert_debug_snapshot};
use lessor_store::{Actor, AuditEvent, Store};
use serde_json::json;
use sqlx::{AnyConnection, Executor as _};

use crate::fixture::{BACKENDS, Database};

async fn record(store: &Store, count: usize) {
    for of in 0..count {
        let event = AuditEvent {
            actor: Actor::command(),
            action: "order.place",
            tenant: (of % 2 == 0).then(|| "acme".to_owned()),
            target: format!("ord_{of}"),
            data: json!({ "of": of }),
        };
        store.audit_record(event).await.unwrap();
    }
}

/// Takes away what would stop them.
async fn unlocked(database: &Database) -> AnyConnection {
    let mut connection = database.connect().await;
    for trigger in ["audit_event_is_only_sealed", "audit_event_is_never_removed"] {
        let on = if database.url().starts_with("postgres") { " ON audit_event" } else { "" };
        let drop = format!("DROP TRIGGER {trigger}{on}");
        connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
    }
    connection
}

#[tokio::test]
async fn what_was_done_is_listed_from_the_newest_and_for_one_tenant() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        record(&database.store, 5).await;

        let targets = |events: Vec<lessor_store::Audited>| -> Vec<String> {
            events.into_iter().map(|event| event.target).collect()
        };
        let first = database.store.audit_list(None, None, 2).await.unwrap();
        let before = first.last().map(|event| event.seq);
        assert_eq!(targets(first), ["ord_4", "ord_3"]);
        assert_eq!(
            targets(database.store.audit_list(None, before, 2).await.unwrap()),
            ["ord_2", "ord_1"]
        );
        let acme = database.store.audit_list(Some("acme"), None, 10).await.unwrap();
        assert_eq!(targets(acme), ["ord_4", "ord_2", "ord_0"]);
    }
}

#[tokio::test]
async fn what_is_not_sealed_yet_is_said() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        record(&database.store, 3).await;
        assert_eq!(database.store.audit_seal().await.unwrap(), 3);
        record(&database.store, 2).await;

        let verdict = database.store.audit_verify().await.unwrap();
        assert_eq!((verdict.sealed, verdict.unsealed, verdict.broken), (3, 2, None));
        assert_eq!(verdict.head.len(), 64);
    }
}

#[tokio::test]
async fn more_events_than_are_sealed_at_a_time_make_one_chain() {
    let database = Database::new(BACKENDS[0]).await;
    let mut connection = database.connect().await;
    connection
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
             INSERT INTO audit_event (at, actor, action, target, data)
             SELECT i, 'command', 'order.place', 'ord', '{}' FROM n",
        )
        .await
        .unwrap();
    assert_eq!(database.store.audit_seal().await.unwrap(), 2500);
    let verdict = database.store.audit_verify().await.unwrap();
    assert_eq!((verdict.sealed, verdict.unsealed, verdict.broken), (2500, 0, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_seal_at_once_make_one_chain() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let sealers = (0..8).map(|_| {
            let store = database.store.clone();
            tokio::spawn(async move {
                record(&store, 5).await;
                store.audit_seal().await.unwrap()
            })
        });
        let mut sealed = 0;
        for sealer in sealers.collect::<Vec<_>>() {
            sealed += sealer.await.unwrap();
        }
        let verdict = database.store.audit_verify().await.unwrap();
        assert_eq!((sealed, verdict.sealed, verdict.broken), (40, 40, None));
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_what_was_done() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        record(&database.store, 2).await;
        let mut connection = database.connect().await;
        for (statement, answer) in [
            ("UPDATE audit_event SET actor = 'nobody' WHERE seq = 1", "is never changed"),
            ("DELETE FROM audit_event WHERE seq = 1", "is never removed"),
        ] {
            let error = connection.execute(statement).await.unwrap_err().to_string();
            assert!(error.contains(answer), "{error}");
        }
        database.store.audit_seal().await.unwrap();
        let reseal = "UPDATE audit_event SET hash = 'x' WHERE seq = 1";
        let error = connection.execute(reseal).await.unwrap_err().to_string();
        assert!(error.contains("is never changed"), "{error}");
    }
}

#[tokio::test]
async fn a_single_changed_byte_is_found_whatever_column_it_is_in() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        record(&database.store, 4).await;
        database.store.audit_seal().await.unwrap();
        let mut connection = unlocked(&database).await;

        let mut found = Vec::new();
        for (change, back) in [
            ("at = at + 1", "at = at - 1"),
            ("actor = 'commanD'", "actor = 'command'"),
            ("action = 'order.placf'", "action = 'order.place'"),
            ("tenant = 'acmf'", "tenant = 'acme'"),
            ("tenant = NULL", "tenant = 'acme'"),
            ("target = 'ord_3'", "target = 'ord_2'"),
            ("data = '{\"of\":3}'", "data = '{\"of\":2}'"),
            ("sealed_at = sealed_at + 1", "sealed_at = sealed_at - 1"),
            ("hash = upper(hash)", "hash = lower(hash)"),
        ] {
            for (set, is_broken) in [(change, true), (back, false)] {
                let update = format!("UPDATE audit_event SET {set} WHERE seq = 3");
                connection.execute(sqlx::AssertSqlSafe(update)).await.unwrap();
                let broken = database.store.audit_verify().await.unwrap().broken;
                assert_eq!(broken.is_some(), is_broken, "{set}");
                found.extend(broken.map(|broken| (broken.link, broken.why)));
            }
        }
        found.dedup();
        allow_duplicates! {
            assert_debug_snapshot!(found, @r#"
        [
            (
                3,
                "row 3 or its seal was changed",
            ),
        ]
        "#);
        }
    }
}

#[tokio::test]
async fn a_row_that_was_removed_is_missed_in_the_middle_and_at_the_end() {
    for backend in BACKENDS {
        let mut broken = Vec::new();
        for removed in [2, 4] {
            let database = Database::new(backend).await;
            record(&database.store, 4).await;
            database.store.audit_seal().await.unwrap();
            let mut connection = unlocked(&database).await;
            let delete = format!("DELETE FROM audit_event WHERE seq = {removed}");
            connection.execute(sqlx::AssertSqlSafe(delete)).await.unwrap();
            let found = database.store.audit_verify().await.unwrap().broken.unwrap();
            broken.push((found.link, found.why));
        }
        allow_duplicates! {
            assert_debug_snapshot!(broken, @r#"
        [
            (
                2,
                "the row was removed",
            ),
            (
                4,
                "the row was removed",
            ),
        ]
        "#);
        }
    }
}
