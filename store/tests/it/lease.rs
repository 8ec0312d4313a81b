//! Who may act, and what becomes of those who may no longer.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use lessor_engine::{ApplyId, Journal as _, JournalError, Phase};
use lessor_store::{Holder, LeaseTerms, Location, Outcome, Store, StoreError};

use crate::fixture::{BACKENDS, Backend, Database, Plan, address, entry, lease, patient, place};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_race_for_a_lease_one_holds_it_at_a_time() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let stores = [database.store.clone(), database.another().await];
        let holders = Arc::new(AtomicUsize::new(0));
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let race = (0..64).map(|number| {
            let (store, holders, tokens) =
                (stores[number % 2].clone(), holders.clone(), tokens.clone());
            tokio::spawn(async move {
                let leases = lease(&store, patient()).await;
                assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two held it at once");
                tokens.lock().unwrap().push(leases.token(&place()).unwrap());
                // Queues for the database behind others, who try to get the lease meanwhile.
                for _ in 0..3 {
                    store.apply_end(&ApplyId("none".into()), Outcome::Done).await.unwrap();
                }
                holders.fetch_sub(1, Ordering::SeqCst);
                leases.release().await.unwrap();
            })
        });
        for racer in race.collect::<Vec<_>>() {
            racer.await.unwrap();
        }
        let tokens = tokens.lock().unwrap();
        assert_eq!(tokens.len(), 64);
        assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "{tokens:?}");
    }
}

#[tokio::test]
async fn one_who_waits_too_long_is_told_for_whom_and_keeps_nothing() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let other = database.another().await;
        let _held = lease(&database.store, patient()).await;
        let impatient = LeaseTerms { timeout: Duration::from_millis(1), ..patient() };
        let both = [place(), address("docker.ams")];
        let mut waits = 0;

        let holder = Holder::here("apply");
        let refused =
            other.lease_acquire(&both, &holder, impatient, &mut |_| waits += 1).await.unwrap_err();

        assert!(matches!(&refused, StoreError::Leased { place: at, .. } if *at == place()));
        let text = format!("`docker.par1` is in use by {holder}");
        assert_eq!(refused.to_string(), text);
        let free = [address("docker.ams")];
        other.lease_acquire(&free, &holder, impatient, &mut |_| ()).await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_lease_is_free_for_others_on_this_machine_where_a_file_is_the_database() {
    let database = Database::new(Backend::Sqlite).await;
    let other = database.another().await;
    drop(lease(&database.store, patient()).await);
    assert_eq!(lease(&other, patient()).await.token(&place()), Some(2));
}

/// The holder of the test below, in a process of its own.
///
/// The test binary starts itself again with a database in this variable. Without it there is
/// nothing to hold, and nothing to claim.
const HOLD: &str = "LESSOR_TEST_HOLD";

#[tokio::test]
async fn a_process_holds_a_lease_until_it_is_killed() {
    let Ok(url) = std::env::var(HOLD) else { return };
    let store = Store::open(&url).await.unwrap();
    // What lies in a file is free as soon as its holder is dead. A server waits for the time.
    let ttl = match store.location() {
        Location::File(_) => patient().ttl,
        Location::Server { .. } => Duration::from_secs(2),
    };
    let _leases = lease(&store, LeaseTerms { ttl, ..patient() }).await;
    println!("\nheld");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_holder_frees_its_lease() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lease::a_process_holds_a_lease_until_it_is_killed", "--nocapture"])
            .env(HOLD, database.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "held"));
        // SIGKILL: the holder can do nothing about it.
        holder.kill().unwrap();
        holder.wait().unwrap();

        // In a file, the holder asked for an hour, and we wait for minutes.
        assert_eq!(lease(&database.store, patient()).await.token(&place()), Some(2));
    }
}

#[tokio::test]
async fn a_frozen_holder_loses_its_lease_and_writes_nothing_when_it_thaws() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let url = database.url();
        let apply = database.store.apply_begin(Plan::new("first", 0).begin()).await.unwrap();
        let started = entry(&apply, 1, "container.web", Phase::Started);
        let (is_frozen, frozen) = mpsc::channel();
        let (thaw, thawed) = mpsc::channel::<()>();
        // A runtime on one thread, which stands still as a whole while that thread waits.
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let store = Store::open(&url).await.unwrap();
                let terms = LeaseTerms { ttl: Duration::from_millis(300), ..patient() };
                let leases = lease(&store, terms).await;
                is_frozen.send(()).unwrap();
                thawed.recv().unwrap();
                let late = leases.journal().record(&started).await;
                let mut lost = leases.lost();
                let lost = lost.wait_for(Option::is_some).await.unwrap().clone();
                (late, lost)
            })
        });
        frozen.recv().unwrap();

        let taken_over = lease(&database.store, patient()).await;
        thaw.send(()).unwrap();

        let (late, lost) = holder.join().unwrap();
        assert_eq!(late, Err(JournalError::Fenced { place: place() }));
        assert_eq!(lost, Some(place()));
        assert_eq!(taken_over.token(&place()), Some(2));
        assert_eq!(database.store.journal_list(None, 10).await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_files_of_leases_stay_beside_the_database() {
    let database = Database::new(Backend::Sqlite).await;
    lease(&database.store, patient()).await.release().await.unwrap();
    database.store.close().await;
    let files = database.files();
    assert_eq!(files, ["lease-docker.par1.lock", "lessor.db", "lessor.db.lock"]);
}
