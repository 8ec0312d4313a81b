//! The journal, and what it sums up to.

use std::collections::BTreeMap;

use lessor_engine::{Journal as _, JournalError, Phase};
use lessor_plans::Act;
use lessor_store::Outcome;
use sqlx::Connection as _;

use crate::fixture::{
    BACKENDS, Backend, Database, Plan, address, create_all, digest, entry, lease, patient, place,
};

#[tokio::test]
async fn what_was_journaled_is_read_back_as_it_was() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let apply = database.store.apply_begin(Plan::new("first", 0).begin()).await.unwrap();
        let leases = lease(&database.store, patient()).await;
        let failed = Phase::Failed { why: "the engine said „no“".into() };
        let lines = [
            entry(&apply, 1, "network.front", Phase::Started),
            entry(&apply, 1, "network.front", Phase::Finished),
            entry(&apply, 2, "container.web", failed),
        ];
        for line in &lines {
            leases.journal().record(line).await.unwrap();
        }

        let found = database.store.journal_list(Some(&apply), 10).await.unwrap();
        assert_eq!(found.iter().map(|line| line.entry.clone()).collect::<Vec<_>>(), lines);
        let newest = database.store.journal_list(None, 1).await.unwrap();
        assert_eq!(newest, found[2..]);
        assert!(found.is_sorted_by_key(|line| (line.number, line.at)));
    }
}

#[tokio::test]
async fn the_journal_of_one_thing_holds_nothing_else() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let apply = create_all(store, &["network.front", "container.web"]).await;
        let leases = lease(store, patient()).await;
        let failed = Phase::Failed { why: "no".into() };
        leases.journal().record(&entry(&apply, 3, "container.web", failed.clone())).await.unwrap();

        let found = store.journal_list_about(&address("container.web"), 2).await.unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|line| line.entry.address == address("container.web")));
        assert_eq!(found[1].entry.phase, failed);
        assert_eq!(store.journal_list_about(&address("volume.no"), 2).await.unwrap(), []);
    }
}

#[tokio::test]
async fn only_what_was_finished_counts_as_applied() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let apply = create_all(store, &["container.web", "container.old"]).await;
        let leases = lease(store, patient()).await;
        let removed = |phase| lessor_engine::Entry {
            act: Act::Delete,
            body: None,
            ..entry(&apply, 3, "container.old", phase)
        };
        leases.journal().record(&removed(Phase::Started)).await.unwrap();
        leases.journal().record(&entry(&apply, 4, "container.new", Phase::Started)).await.unwrap();
        assert_eq!(store.applied_list().await.unwrap().len(), 2);
        leases.journal().record(&removed(Phase::Finished)).await.unwrap();

        let web = address("container.web");
        let expected = BTreeMap::from([(web.clone(), digest("container.web"))]);
        assert_eq!(store.applied_list().await.unwrap(), expected);
        let shown = store.applied_show(&web).await.unwrap().unwrap();
        assert_eq!((shown.body, shown.apply), (digest("container.web"), apply));
        assert_eq!(store.applied_show(&address("container.old")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_step_without_an_end_is_unfinished_until_a_run_ends_in_full() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let apply = create_all(store, &["network.front"]).await;
        let started = entry(&apply, 2, "container.web", Phase::Started);
        lease(store, patient()).await.journal().record(&started).await.unwrap();

        let unfinished = store.journal_unfinished().await.unwrap();
        assert_eq!(unfinished.into_iter().map(|line| line.entry).collect::<Vec<_>>(), [started]);

        let next = store.apply_begin(Plan::new("second", 1).begin()).await.unwrap();
        store.apply_end(&next, Outcome::Failed).await.unwrap();
        assert_eq!(store.journal_unfinished().await.unwrap().len(), 1);
        let last = store.apply_begin(Plan::new("third", 2).begin()).await.unwrap();
        store.apply_end(&last, Outcome::Done).await.unwrap();
        assert_eq!(store.journal_unfinished().await.unwrap(), []);
    }
}

#[tokio::test]
async fn where_something_was_cut_off_or_given_up_is_unsettled_until_a_run_ends_in_full() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let apply = create_all(store, &["network.front"]).await;
        let leases = lease(store, patient()).await;
        assert!(leases.unsettled().await.unwrap().is_empty(), "what is finished is settled");
        let failed = Phase::Failed { why: "no answer".into() };
        leases.journal().record(&entry(&apply, 2, "container.web", failed)).await.unwrap();

        let unsettled = leases.unsettled().await.unwrap();
        assert_eq!(unsettled.into_keys().collect::<Vec<_>>(), [place()]);
        assert_eq!(store.journal_unfinished().await.unwrap(), []);

        let next = store.apply_begin(Plan::new("second", 1).begin()).await.unwrap();
        store.apply_end(&next, Outcome::Done).await.unwrap();
        assert!(leases.unsettled().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn nothing_is_journaled_for_a_connection_that_is_not_held() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let apply = database.store.apply_begin(Plan::new("first", 0).begin()).await.unwrap();
        let leases = lease(&database.store, patient()).await;
        let journal = leases.journal();
        let here = entry(&apply, 1, "container.web", Phase::Started);
        let elsewhere = lessor_engine::Entry { place: address("docker.ams"), ..here.clone() };

        let error = journal.record(&elsewhere).await.unwrap_err();
        assert_eq!(error, JournalError::Fenced { place: address("docker.ams") });
        leases.release().await.unwrap();
        let error = journal.record(&here).await.unwrap_err();
        assert_eq!(error, JournalError::Fenced { place: place() });
        assert_eq!(database.store.journal_list(None, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_journal() {
    let database = Database::new(Backend::Sqlite).await;
    create_all(&database.store, &["container.web"]).await;
    let url = format!("sqlite:{}", database.url());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();

    for (statement, answer) in [
        ("UPDATE entry SET phase = 'failed'", "the journal is never changed"),
        ("DELETE FROM entry", "the journal is never shortened"),
    ] {
        let error = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains(answer), "{error}");
    }
    assert_eq!(database.store.journal_list(None, 10).await.unwrap().len(), 2);
}
