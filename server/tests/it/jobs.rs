//! What falls due by the clock, beside bills.

use std::time::Duration;

use insta::{allow_duplicates, assert_snapshot};
use lessor_server::{Background, Job, Ran, Reconciling, Schedule};
use lessor_specs::OrderPhase;
use lessor_store::{Actor, HealthRecord, HealthStep, Holder, LeaseTerms, Order, PlatformRole};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::fixture::{BACKENDS, Backend};
use crate::reconcile::{SHOP, Shop, estate};

impl Shop {
    fn schedule(&self) -> Schedule {
        Schedule::new(self.store().clone(), Some(estate(self.dir.path())))
    }

    /// Lets the time between two rounds go by, and looks.
    async fn probe(&self) -> String {
        for (order, record) in self.store().health_list().await.unwrap() {
            let order = self.order(&order).await;
            let record = HealthRecord { failed_at: None, ..record };
            self.store().health_write(&order, &record, HealthStep::Note).await.unwrap();
        }
        self.run(Job::Probe).await
    }

    async fn run(&self, job: Job) -> String {
        match self.schedule().run_now(job, "the tests").await.unwrap() {
            Ran::Done(said) => said,
            other => format!("{other:?}"),
        }
    }

    /// Makes the container of `acme/lobby` ill, or well.
    async fn ail(&self, ill: Option<&'static str>) {
        self.memory().edit(move |host| host.ail("acme_lobby", ill)).await.unwrap();
    }

    async fn restarts(&self) -> u64 {
        self.memory().host().await.unwrap().find("container", "acme_lobby").unwrap().restarts()
    }

    /// What happened to an order since it was there.
    async fn happened(&self, order: &Order) -> String {
        let events = self.store().order_events(&order.id, order.version, 50).await.unwrap();
        events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
async fn what_is_ill_is_started_anew_three_times_and_then_held_until_somebody_asks() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let (order, who) = (shop.running("lobby").await, shop.customer().await);
        let mut told = vec![shop.probe().await];
        shop.ail(Some("nothing answers on its port 25565")).await;
        for _ in 0..9 {
            told.push(shop.probe().await);
        }
        allow_duplicates!(assert_snapshot!(told.join("\n"), @"
        1 well, 0 ill, 0 restarted, 0 held, 0 not seen
        0 well, 1 ill, 0 restarted, 0 held, 0 not seen
        0 well, 1 ill, 1 restarted, 0 held, 0 not seen
        0 well, 1 ill, 0 restarted, 0 held, 0 not seen
        0 well, 1 ill, 1 restarted, 0 held, 0 not seen
        0 well, 1 ill, 0 restarted, 0 held, 0 not seen
        0 well, 1 ill, 1 restarted, 0 held, 0 not seen
        0 well, 1 ill, 0 restarted, 0 held, 0 not seen
        0 well, 1 ill, 0 restarted, 1 held, 0 not seen
        0 well, 1 ill, 0 restarted, 0 held, 0 not seen
        "));
        assert_eq!(shop.restarts().await, 3);
        assert_eq!(shop.happened(&order).await, "restarted restarted restarted held");
        let held = shop.order(&order.id).await;
        let why = Some("nothing answers on its port 25565".to_owned());
        assert_eq!((held.phase, held.why), (OrderPhase::Active, why));

        let path = format!("/v1/instances/{}/actions", order.id);
        let action = Some(json!({ "action": "restart" }));
        assert_eq!(shop.server.call(&who, "POST", &path, action).await.status, 200);
        shop.probe().await;
        shop.probe().await;
        assert_eq!(shop.restarts().await, 5, "it is tried again");
        assert_eq!(shop.order(&order.id).await.why, None);
    }
}

#[tokio::test]
async fn what_recovers_by_itself_is_said_to_and_what_is_off_or_out_of_sight_is_not_ill() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let order = shop.running("lobby").await;
        shop.ail(Some("a cold")).await;
        for _ in 0..8 {
            shop.probe().await;
        }
        shop.ail(None).await;
        shop.probe().await;
        let happened = shop.happened(&order).await;
        assert_eq!(happened, "restarted restarted restarted held recovered");
        assert_eq!(shop.order(&order.id).await.why, None);

        let host = std::fs::read(shop.dir.path().join("host.json")).unwrap();
        std::fs::write(shop.dir.path().join("host.json"), "no host").unwrap();
        let unseen = shop.probe().await;
        assert_eq!(unseen, "0 well, 0 ill, 0 restarted, 0 held, 1 not seen");
        std::fs::write(shop.dir.path().join("host.json"), host).unwrap();
        shop.ail(Some("a cold")).await;
        shop.probe().await;
        assert_eq!(shop.store().health_list().await.unwrap().len(), 1);
        shop.store().order_power(&order.id, None, false, &Actor::command()).await.unwrap();
        shop.turn().await;
        let off = shop.probe().await;
        assert_eq!(off, "0 well, 0 ill, 0 restarted, 0 held, 0 not seen");
        assert!(shop.store().health_list().await.unwrap().is_empty(), "it begins anew");
    }
}

#[tokio::test]
async fn what_cannot_be_started_anew_right_now_is_not_counted_and_is_started_by_the_next_round() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let (order, who) = (shop.running("lobby").await, shop.customer().await);
        shop.ail(Some("a cold")).await;
        shop.probe().await;
        let terms = LeaseTerms { ttl: Duration::from_mins(5), ..LeaseTerms::default() };
        let (places, holder) = (["docker.par1".parse().unwrap()], Holder::here("apply"));
        let lease = shop.store().lease_acquire(&places, &holder, terms, &mut |_| ()).await.unwrap();

        let busy = shop.probe().await;
        let path = format!("/v1/instances/{}/actions", order.id);
        let action = Some(json!({ "action": "restart" }));
        let refused = shop.server.call(&who, "POST", &path, action).await.status;

        assert_eq!(busy, "0 well, 0 ill, 0 restarted, 0 held, 0 not seen, 1 went wrong");
        assert_eq!((refused.as_u16(), shop.restarts().await), (503, 0));
        assert_eq!(shop.happened(&order).await, "", "it did not happen, and nobody says so");
        lease.release().await.unwrap();
        let free = shop.probe().await;
        assert_eq!(free, "0 well, 1 ill, 1 restarted, 0 held, 0 not seen");
        assert_eq!((shop.restarts().await, shop.happened(&order).await), (1, "restarted".into()));
    }
}

#[tokio::test]
async fn what_was_counted_otherwise_of_a_quota_is_put_right() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        shop.running("lobby").await;
        let gone = shop.place("gone", "brief").await;
        shop.store().order_terminate(&gone.id, None, &Actor::command()).await.unwrap();
        assert_eq!(shop.run(Job::Quota).await, "1 tenants, 0 put right");
    }
}

#[tokio::test]
async fn the_chain_is_held_against_its_head_of_the_last_time() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        shop.place("lobby", "survival").await;
        shop.store().audit_seal().await.unwrap();
        let first = shop.run(Job::Audit).await;
        shop.place("other", "survival").await;
        shop.store().audit_seal().await.unwrap();
        let second = shop.run(Job::Audit).await;
        assert!(first.starts_with("head ") && second.starts_with("head "), "{first} {second}");
        assert_ne!(first, second);
    }
}

impl Shop {
    /// Whether the database tells what other servers write, as Prometheus is told.
    async fn hears(&self) -> bool {
        let auditor = self.server.platform(PlatformRole::Auditor).await;
        let metrics = self.server.call(&auditor, "GET", "/metrics", None).await.text;
        metrics.contains("lessor_hears_others 1")
    }

    async fn until_heard(&self) {
        let begun = Instant::now();
        while !self.hears().await {
            assert!(begun.elapsed() < SOON, "it never listens");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Places an order past the API of the server, as another server does, and waits for it.
    async fn until_carried_out(&self, name: &str) {
        let begun = Instant::now();
        let order = self.place(name, "survival").await;
        while self.order(&order.id).await.phase != OrderPhase::Active {
            assert!(begun.elapsed() < SOON, "it is not carried out");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Less than the half minute after which a server that hears asks anyway, on a machine with much else
/// to do.
const SOON: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_server_wrote_is_heard_of_where_the_database_says_so_and_asked_for_elsewhere()
{
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let background = Background::start(&shop.server.services).await;
        let reconciling = Reconciling::start(&shop.server.services, shop.estate());
        if let Backend::Postgres = backend {
            shop.until_heard().await;
        }
        shop.until_carried_out("one").await;
        shop.until_carried_out("two").await;
        assert_eq!(shop.hears().await, matches!(backend, Backend::Postgres));
        if let Backend::Postgres = backend {
            // The connection is lost, and made again; nothing is missed meanwhile.
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            shop.server.psql(cut);
            shop.until_carried_out("three").await;
            shop.until_heard().await;
            shop.until_carried_out("four").await;
        }
        reconciling.finish().await;
        drop(background);
    }
}

#[tokio::test]
async fn runs_of_jobs_are_counted_for_prometheus() {
    let shop = Shop::open(Backend::Sqlite, SHOP).await;
    let auditor = shop.server.platform(PlatformRole::Auditor).await;
    let ticking = Schedule::start(&shop.server.services, Some(shop.estate())).await.unwrap();
    let counted = async || {
        let metrics = shop.server.call(&auditor, "GET", "/metrics", None).await.text;
        Job::ALL.into_iter().all(|job| {
            let line =
                format!("lessor_job_runs_total{{job=\"{}\",outcome=\"done\"}} 1", job.name());
            metrics.contains(&line)
        })
    };
    let begun = Instant::now();
    while !counted().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "not all are counted");
        sleep(Duration::from_millis(200)).await;
    }
    ticking.finish().await.unwrap();
}
