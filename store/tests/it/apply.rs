//! Beginning and ending runs: revisions, claims, kept data.

use lessor_engine::Clock as _;
use lessor_store::{Outcome, StoreError};

use crate::fixture::{BACKENDS, Database, Plan, address, digest, key};

#[tokio::test]
async fn a_run_moves_the_revision_on_and_stores_the_specs() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        assert_eq!(store.revision_latest().await.unwrap(), None);

        let plan = Plan::new("first", 0);
        let apply = store.apply_begin(plan.begin()).await.unwrap();

        let latest = store.revision_latest().await.unwrap().unwrap();
        assert_eq!((latest.number, latest.entries), (1, 1));
        assert_eq!((latest.digest, latest.plan), (plan.tree.digest(), digest("first")));
        assert_eq!(store.revision_tree(1).await.unwrap(), Some(plan.tree));
        assert_eq!(store.revision_tree(2).await.unwrap(), None);
        let runs = store.apply_list(10).await.unwrap();
        assert_eq!((&runs[0].id, runs[0].revision, runs[0].ended), (&apply, 1, None));
    }
}

#[tokio::test]
async fn of_many_runs_for_one_revision_only_one_begins() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let tries = (0..64).map(|number| {
            let store = database.store.clone();
            let plan = Plan::new(&format!("plan {number}"), 0);
            tokio::spawn(async move { store.apply_begin(plan.begin()).await })
        });
        let mut begun = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(_) => begun += 1,
                Err(error) => {
                    assert_eq!(error, StoreError::RevisionMoved { expected: 0, found: 1 });
                    assert!(error.is_stale());
                }
            }
        }
        assert_eq!(begun, 1);
    }
}

#[tokio::test]
async fn a_plan_that_was_cut_short_begins_again_with_the_revision_it_made() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let plan = Plan::new("first", 0);
        let first = database.store.apply_begin(plan.begin()).await.unwrap();

        let second = database.store.apply_begin(plan.begin()).await.unwrap();

        assert!(second > first);
        assert_eq!(database.store.revision_latest().await.unwrap().unwrap().number, 1);
    }
}

#[tokio::test]
async fn a_port_is_given_out_once_and_a_host_to_many() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let plan = Plan::new("first", 0)
            .claim("port_range.games", "instance.acme/a:25565/tcp", "25570")
            .claim("docker", "instance.acme/a", "par1");
        store.apply_begin(plan.begin()).await.unwrap();

        let shared = Plan::new("second", 1).claim("docker", "instance.acme/b", "par1");
        store.apply_begin(shared.begin()).await.unwrap();
        let taken = Plan::new("third", 2).keep("volume.orders", 60).claim(
            "port_range.games",
            "instance.acme/b:25565/tcp",
            "25570",
        );
        let error = store.apply_begin(taken.begin()).await.unwrap_err();

        assert!(error.is_stale());
        assert_eq!(
            error.to_string(),
            "`25570` of `port_range.games` was given to another than `instance.acme/b:25565/tcp` \
             by now"
        );
        assert_eq!(store.claim_list().await.unwrap().len(), 3);
        assert_eq!(store.revision_latest().await.unwrap().unwrap().number, 2);
        assert_eq!(store.keep_list().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_claim_counts_from_when_its_value_was_given_out() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let (pool, before) = ("port_range.games", store.now());
        let claimed = Plan::new("first", 0).claim(pool, "a", "1");
        store.apply_begin(claimed.begin()).await.unwrap();
        let since = store.claim_since(&key(pool, "a")).await.unwrap().unwrap();
        assert!((before..=store.now()).contains(&since));

        // A later run that gives out something else leaves it alone.
        let other = Plan::new("second", 1).claim(pool, "b", "2");
        store.apply_begin(other.begin()).await.unwrap();
        assert_eq!(store.claim_since(&key(pool, "a")).await.unwrap(), Some(since));
        assert_eq!(store.claim_since(&key(pool, "c")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn two_holders_swap_what_they_have_and_what_is_gone_is_taken_back() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let pool = "port_range.games";
        let before = Plan::new("first", 0).claim(pool, "a", "1").claim(pool, "b", "2");
        store.apply_begin(before.begin()).await.unwrap();

        let after = Plan::new("second", 1).claim(pool, "a", "2").claim(pool, "b", "1");
        let apply = store.apply_begin(after.begin()).await.unwrap();
        assert_eq!(store.claim_list().await.unwrap(), after.claims);

        // What is given back can be given to another in the same breath.
        let last = Plan::new("third", 2)
            .forget_claim(pool, "a")
            .forget_claim(pool, "b")
            .forget_claim(pool, "never there")
            .claim(pool, "c", "2");
        store.apply_begin(last.begin()).await.unwrap();
        assert_eq!(store.claim_list().await.unwrap(), last.claims);
        store.apply_end(&apply, Outcome::Done).await.unwrap();
        let run = &store.apply_list(2).await.unwrap()[1];
        assert_eq!(run.ended.unwrap().1, Outcome::Done);
    }
}

#[tokio::test]
async fn kept_data_falls_due_when_it_was_first_said_to() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let before = store.now();
        let plan = Plan::new("first", 0).keep("volume.orders", 3600).keep("volume.old", u64::MAX);
        store.apply_begin(plan.begin()).await.unwrap();
        let first = store.keep_list().await.unwrap();
        assert!(first[&address("volume.orders")].duration_since(before).as_secs() >= 3600);

        for (revision, seconds) in [(1, 1), (2, 7200)] {
            let again = Plan::new("again", revision).keep("volume.orders", seconds);
            let again = Plan { id: digest(&seconds.to_string()), ..again };
            store.apply_begin(again.begin()).await.unwrap();
            assert_eq!(store.keep_list().await.unwrap(), first);
        }

        let last = Plan::new("last", 3).forget_keep("volume.orders");
        store.apply_begin(last.begin()).await.unwrap();
        assert!(!store.keep_list().await.unwrap().contains_key(&address("volume.orders")));
    }
}
