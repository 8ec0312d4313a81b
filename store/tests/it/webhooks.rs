//! Telling others what happens: who is next, and whose try counts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{
    Actor, Claimed, DeliveryEnd, DeliveryPhase, NewWebhook, Standing, Store, WEBHOOKS_MOST,
    Webhook, WebhookChange,
};

use crate::fixture::{BACKENDS, Database};
use crate::shop::{declined, eur, money};

const TURN: Duration = Duration::from_mins(1);

async fn endpoint(store: &Store, tenant: &str) -> Webhook {
    let topics = ["money.credit".to_owned()];
    let new = NewWebhook {
        tenant: Some(tenant),
        url: "https://example.net/",
        topics: &topics,
        secret: "whsec_",
    };
    store.webhook_create(&new, &Actor::command()).await.unwrap()
}

/// Lets something happen that is told.
async fn credit(store: &Store, tenant: &str) {
    store.credit(tenant, eur(), money("1"), "a payment").await.unwrap();
    while store.outbox_spread().await.unwrap() > 0 {}
}

async fn claim(store: &Store, standing: Standing) -> Vec<Claimed> {
    store.delivery_claim(standing, 9, TURN).await.unwrap()
}

fn missed(again_at: Timestamp) -> DeliveryEnd {
    let why = "it answered 500".to_owned();
    DeliveryEnd::Missed { status: Some(500), why, again_at: Some(again_at), disabled: None }
}

fn tenants(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.webhook.tenant.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn an_endpoint_where_nothing_comes_through_rests_and_holds_up_no_other() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        for tenant in ["dead-1", "dead-2", "live"] {
            endpoint(store, tenant).await;
            credit(store, tenant).await;
            credit(store, tenant).await;
        }
        let hour = store.now() + SignedDuration::from_hours(1);
        for claimed in store.delivery_claim(Standing::Well, 2, TURN).await.unwrap() {
            assert!(claimed.webhook.tenant.as_deref() != Some("live"), "those due for longest");
            store.delivery_end(&claimed, &missed(hour)).await.unwrap();
        }

        let mut told = Vec::new();
        for _ in 0..2 {
            let live = claim(store, Standing::Well).await;
            let failing = claim(store, Standing::Failing).await;
            told.push((tenants(&live).join(" "), failing.len()));
            let came = DeliveryEnd::Delivered { status: 200 };
            store.delivery_end(&live[0], &came).await.unwrap();
        }

        assert_eq!(told, [("live".to_owned(), 0), ("live".to_owned(), 0)]);
        // The rest ends by itself, well before the next try of what was missed.
        let statement = "UPDATE webhook SET rests_until = rests_until - 600000000";
        database.run(statement).await.unwrap();
        assert_eq!(tenants(&claim(store, Standing::Failing).await), ["dead-1", "dead-2"]);
    }
}

#[tokio::test]
async fn who_rested_the_longest_is_next_however_long_others_wait() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        for tenant in ["first", "second"] {
            endpoint(store, tenant).await;
            for _ in 0..4 {
                credit(store, tenant).await;
            }
        }
        let mut turns = Vec::new();
        for claimed in claim(store, Standing::Well).await {
            store.delivery_end(&claimed, &missed(store.now())).await.unwrap();
        }
        for _ in 0..4 {
            let next = store.delivery_claim(Standing::Failing, 1, TURN).await.unwrap();
            turns.extend(tenants(&next).iter().map(|tenant| (*tenant).to_owned()));
            store.delivery_end(&next[0], &missed(store.now())).await.unwrap();
        }
        assert_eq!(turns, ["first", "second", "first", "second"]);
    }
}

#[tokio::test]
async fn a_try_that_was_begun_before_an_endpoint_was_changed_says_nothing_of_it() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let webhook = endpoint(store, "acme").await;
        credit(store, "acme").await;
        let before = claim(store, Standing::Well).await.remove(0);
        let change =
            WebhookChange { url: Some("https://example.org/".into()), ..WebhookChange::default() };
        store.webhook_update(&webhook.id, 1, &change, &Actor::command()).await.unwrap();

        let after = claim(store, Standing::Well).await.remove(0);
        let gone = Some("it answered that it is gone".to_owned());
        let why = "it answered 410".to_owned();
        let end = DeliveryEnd::Missed { status: Some(410), why, again_at: None, disabled: gone };
        let counts = store.delivery_end(&before, &end).await.unwrap();

        let now = store.webhook_show(&webhook.id).await.unwrap().unwrap();
        assert_eq!((counts, now.disabled, now.failing_since), (false, None, None));
        assert_eq!(after.webhook.url, "https://example.org/");
        let came = DeliveryEnd::Delivered { status: 200 };
        assert!(store.delivery_end(&after, &came).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_to_be_tried_anew_during_a_try_is_due_at_once_whatever_that_comes_to() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let webhook = endpoint(store, "acme").await;
        credit(store, "acme").await;
        let claimed = claim(store, Standing::Well).await.remove(0);
        let id = &claimed.delivery.id;
        store.delivery_replay(&webhook, id, &Actor::command()).await.unwrap().unwrap();

        let hour = store.now() + SignedDuration::from_hours(1);
        assert!(store.delivery_end(&claimed, &missed(hour)).await.unwrap());

        let again = claim(store, Standing::Failing).await.remove(0);
        assert_eq!((&again.delivery.id, again.delivery.tries), (id, 1));
        store.delivery_end(&again, &missed(hour)).await.unwrap();
        assert!(claim(store, Standing::Failing).await.is_empty(), "it rests");
        store.delivery_replay(&webhook, id, &Actor::command()).await.unwrap().unwrap();
        assert_eq!(claim(store, Standing::Failing).await.len(), 1);
        let listed = store.delivery_list(&webhook.id, None, 9).await.unwrap();
        assert_eq!(listed[0].phase, DeliveryPhase::Waiting);
    }
}

#[tokio::test]
async fn many_at_once_make_no_more_endpoints_than_there_may_be() {
    for backend in BACKENDS {
        let database = Database::new(backend).await;
        let store = &database.store;
        let making = (0..40).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let topics = ["*".to_owned()];
                let (url, secret) = ("https://example.net/", "whsec_");
                let new = NewWebhook { tenant: Some("acme"), url, topics: &topics, secret };
                store.webhook_create(&new, &Actor::command()).await
            })
        });
        let making: Vec<_> = making.collect();
        let mut made = 0;
        for one in making {
            match one.await.unwrap() {
                Ok(_) => made += 1,
                refused => assert_eq!(declined(refused).to_string(), "there are 20 already"),
            }
        }
        let listed = store.webhook_list(Some("acme"), None, 99).await.unwrap();
        assert_eq!((made, listed.len()), (WEBHOOKS_MOST, WEBHOOKS_MOST as usize));
        endpoint(store, "globex").await;
    }
}
