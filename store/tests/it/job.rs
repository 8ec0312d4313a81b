//! Who does what falls due, and what becomes of what was missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{CatchUp, Holder, JobClaim, JobHold, JobOutcome, JobTerms, Store, StoreError};

use crate::fixture::{BACKENDS, Database};

fn terms<'a>(job: &'a str, since: Timestamp, holder: &'a Holder) -> JobTerms<'a> {
    let ttl = Duration::from_hours(1);
    JobTerms { job, since, catch_up: CatchUp::Each, holder, ttl }
}

fn ours(claim: JobClaim) -> JobHold {
    match claim {
        JobClaim::Ours(hold) => hold,
        other => panic!("{other:?}"),
    }
}

/// Due again and again.
fn always(after: Timestamp) -> Option<Timestamp> {
    after.checked_add(SignedDuration::from_micros(1)).ok()
}

fn every_ten_minutes(after: Timestamp) -> Option<Timestamp> {
    after.checked_add(SignedDuration::from_mins(10)).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_servers_one_at_a_time_does_a_job_and_none_does_a_run_that_was_done() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let stores = [database.store.clone(), database.another().await];
        let at_it = Arc::new(AtomicUsize::new(0));
        let runs = Arc::new(Mutex::new(Vec::new()));
        let since = database.store.now() - SignedDuration::from_hours(1);
        let race = (0..64).map(|number| {
            let (store, at_it, runs) = (stores[number % 2].clone(), at_it.clone(), runs.clone());
            tokio::spawn(async move {
                let hold = wait_for(&store, since).await;
                assert_eq!(at_it.fetch_add(1, Ordering::SeqCst), 0, "two did it at once");
                runs.lock().unwrap().push((hold.due_at, hold.token));
                assert!(store.job_renew(&hold, Duration::from_hours(1)).await.unwrap());
                at_it.fetch_sub(1, Ordering::SeqCst);
                store.job_finish(&hold, JobOutcome::Done, None).await.unwrap();
            })
        });
        for racer in race.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        let runs = runs.lock().unwrap().clone();
        assert_eq!(runs.len(), 64);
        let later = |a: &(Timestamp, i64), b: &(Timestamp, i64)| a.0 < b.0 && a.1 < b.1;
        assert!(runs.is_sorted_by(later), "{runs:?}");
        assert_eq!(database.store.job_list(Some("bill"), None, 100).await.unwrap().len(), 64);
    }
}

/// Asks until the job is ours.
async fn wait_for(store: &Store, since: Timestamp) -> JobHold {
    let holder = Holder::here("test");
    loop {
        match store.job_claim(terms("bill", since, &holder), always).await.unwrap() {
            JobClaim::Ours(hold) => return hold,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_run_by_run_or_by_one_that_stands_for_all() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let holder = Holder::here("test");
        let since = store.now() - SignedDuration::from_mins(65);

        let mut made_up = Vec::new();
        let later = loop {
            let claim = store.job_claim(terms("bill", since, &holder), every_ten_minutes).await;
            match claim.unwrap() {
                JobClaim::Ours(hold) => {
                    store.job_finish(&hold, JobOutcome::Done, Some("billed")).await.unwrap();
                    made_up.push(hold.due_at);
                }
                other => break other,
            }
        };
        let expected: Vec<_> =
            (1..=6).map(|ten| since + SignedDuration::from_mins(10 * ten)).collect();
        assert_eq!(made_up, expected);
        assert_eq!(later, JobClaim::NotDue(Some(since + SignedDuration::from_mins(70))));

        let last = JobTerms { catch_up: CatchUp::Last, ..terms("probe", since, &holder) };
        let hold = ours(store.job_claim(last, every_ten_minutes).await.unwrap());
        assert_eq!((hold.due_at, hold.skipped), (expected[5], 5));
        store.job_finish(&hold, JobOutcome::Failed, Some("no\0answer")).await.unwrap();
        let again = store.job_claim(last, every_ten_minutes).await.unwrap();
        assert_eq!(again, JobClaim::NotDue(Some(since + SignedDuration::from_mins(70))));
        let run = &store.job_list(Some("probe"), None, 1).await.unwrap()[0];
        assert_eq!(run.ended.unwrap().1, JobOutcome::Failed);
        assert_eq!(run.said.as_deref(), Some("no\u{fffd}answer"));
    }
}

#[tokio::test]
async fn a_job_that_is_not_due_yet_is_counted_from_when_it_was_first_asked_for() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let holder = Holder::here("test");
        let (first, later) = (store.now(), store.now() + SignedDuration::from_mins(5));

        let claims = [first, later].map(|since| terms("bill", since, &holder));
        for claim in claims {
            let claim = store.job_claim(claim, every_ten_minutes).await.unwrap();
            assert_eq!(claim, JobClaim::NotDue(Some(first + SignedDuration::from_mins(10))));
        }
    }
}

#[tokio::test]
async fn one_who_dies_or_freezes_loses_the_run_and_writes_nothing_afterwards() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let (frozen, other) = (Holder::here("the frozen one"), Holder::here("the other"));
        let since = store.now() - SignedDuration::from_hours(1);
        let at_once = JobTerms { ttl: Duration::ZERO, ..terms("bill", since, &frozen) };
        let lost = ours(store.job_claim(at_once, always).await.unwrap());

        let taken = ours(store.job_claim(terms("bill", since, &other), always).await.unwrap());

        assert_eq!((taken.due_at, taken.tries), (lost.due_at, 2));
        assert!(taken.token > lost.token);
        assert!(!store.job_renew(&lost, Duration::from_hours(1)).await.unwrap());
        let late = store.job_finish(&lost, JobOutcome::Done, None).await.unwrap_err();
        assert_eq!(late, StoreError::JobLost { job: "bill".into() });
        let third = store.job_claim(terms("bill", since, &frozen), always).await.unwrap();
        let JobClaim::Taken { holder, .. } = third else { panic!("{third:?}") };
        assert_eq!(holder, other.to_string());
        store.job_finish(&taken, JobOutcome::Done, None).await.unwrap();
        let twice = store.job_finish(&taken, JobOutcome::Failed, None).await.unwrap_err();
        assert_eq!(twice, StoreError::JobLost { job: "bill".into() });
        let runs = store.job_list(None, None, 10).await.unwrap();
        assert_eq!((runs.len(), runs[0].tries), (1, 2));
    }
}

#[tokio::test]
async fn the_database_itself_holds_one_run_of_a_job_at_a_time_and_one_for_each_time() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let holder = Holder::here("test");
        let now = terms("bill", database.store.now(), &holder);
        let hold = ours(database.store.job_claim_now(now).await.unwrap());
        let open = "INSERT INTO job_run
                        (job, due_at, skipped, holder, token, tries, started_at, expires_at)
                    VALUES ('bill', 1, 0, 'other', 99, 1, 1, 9)";
        let same = "INSERT INTO job_run
                        (job, due_at, skipped, holder, token, tries, started_at, expires_at,
                         ended_at, outcome)
                    SELECT job, due_at, skipped, holder, token, tries, started_at, expires_at,
                           expires_at, 'done'
                    FROM job_run";
        for statement in [open, same] {
            let error = database.run(statement).await.unwrap_err();
            let error = error.as_database_error().unwrap();
            assert!(error.is_unique_violation(), "{backend:?}: {error}");
        }
        // Nothing else is in the way of the first.
        database.store.job_finish(&hold, JobOutcome::Done, None).await.unwrap();
        database.run(open).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_asked_for_by_hand_runs_at_once_and_old_runs_are_forgotten_but_for_the_last() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let holder = Holder::here("test");
        for job in ["bill", "bill", "probe"] {
            let now = terms(job, store.now(), &holder);
            let hold = ours(store.job_claim_now(now).await.unwrap());
            store.job_finish(&hold, JobOutcome::Done, None).await.unwrap();
        }

        let forgotten = store.job_forget(store.now() + SignedDuration::from_hours(1)).await;

        assert_eq!(forgotten.unwrap(), 1);
        let left = store.job_list(None, None, 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|run| run.job.as_str()).collect();
        assert_eq!(left, ["probe", "bill"]);
    }
}
