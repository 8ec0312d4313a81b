//! From an order to a container, and back.

use std::path::Path;
use std::sync::Arc;

use insta::{allow_duplicates, assert_snapshot};
use lessor_engine::Stop;
use lessor_plans::Body;
use lessor_providers::{Around, Owner, Secrets, survey};
use lessor_server::{Done, Estate, Reconciler, Settings, Turn};
use lessor_specs::kinds::Instance;
use lessor_specs::load::parse;
use lessor_specs::{Specs, Tree};
use lessor_store::{Actor, Order, OrderChange, OrderRequest, Reason, Store};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::fixture::{BACKENDS, Backend, Server, cheap};

/// A game server for rent on a pretend host, and a file of the operator's own beside it.
pub(crate) const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
capacity = { cpu = "64", memory = "256GiB", disk = "1TiB" }
[location.par1]
country = "FR"
[container.edge]
image = "edge:1"
[image.paper.container]
ref = "paper:1"
data = "/data"
[port_range.games]
docker = "par1"
range = "25565-25596"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[offer.survival]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.014900" }
lifecycle = { grace = "24h", retention = "7d" }
[offer.survival.container]
cpu = "1"
memory = "2GiB"
disk = "10GiB"
ports = [{ range = "games", container = 25565 }]
[offer.large]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.029800" }
[offer.large.container]
cpu = "2"
memory = "4GiB"
disk = "10GiB"
ports = [{ range = "games", container = 25565 }]
[offer.brief]
images = ["paper"]
locations = ["par1"]
price = {}
lifecycle = { retention = "0s" }
container = { cpu = "1", memory = "1GiB", disk = "1GiB" }
[tenant.acme]
[tenant.globex]
[policy.orders]
apply = "auto"
"#;

/// A provider who rents, with a server on a database of its own.
pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

impl Shop {
    pub(crate) async fn open(backend: Backend, specs: &str) -> Shop {
        let settings = Settings { calls_per_second: None, ..cheap() };
        Shop::with(backend, specs, settings).await
    }

    pub(crate) async fn with(backend: Backend, specs: &str, settings: Settings) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::of_estate(backend, settings, Some(estate(dir.path()))).await;
        server.apply(specs).await;
        let euro = "EUR".parse().unwrap();
        server.store().credit("acme", euro, "10".parse().unwrap(), "a payment").await.unwrap();
        Shop { server, dir }
    }

    pub(crate) fn store(&self) -> &Store {
        self.server.store()
    }

    pub(crate) fn estate(&self) -> Estate {
        estate(self.dir.path())
    }

    fn reconciler(&self) -> Reconciler {
        Reconciler::new(self.store().clone(), self.estate())
    }

    /// One turn of a server that was just started.
    pub(crate) async fn turn(&self) -> Done {
        turn(&mut self.reconciler()).await
    }

    pub(crate) async fn place(&self, name: &str, offer: &str) -> Order {
        let request = request("acme", name, offer);
        self.store().order_place(&request).await.unwrap().order
    }

    pub(crate) async fn order(&self, id: &str) -> Order {
        self.store().order_show(id).await.unwrap().unwrap()
    }

    /// How an order is, and what is on the host.
    async fn seen(&self, order: &Order) -> String {
        let phase = self.order(&order.id).await.phase;
        format!("{phase}\n{}", self.host(SHOP).await)
    }

    /// What is ours on the host.
    pub(crate) async fn host(&self, specs: &str) -> String {
        let (installation, secrets) = (self.estate().installation, Arc::new(Secrets::default()));
        let around = Around::new(self.dir.path(), &installation, &secrets);
        let (specs, place) = (specs_of(specs), "docker.par1".parse().unwrap());
        let found = survey(&around.connection(&specs, &place).unwrap()).await.unwrap();
        let ours = found.into_iter().filter(|found| matches!(found.owner, Owner::Us(_)));
        let line = |body: Body| match &body {
            Body::Container(container) => {
                let memory = container.memory.map(|memory| memory.to_string()).unwrap_or_default();
                let stands = if container.running { "runs" } else { "stands still" };
                format!("{} {memory} {stands}", container.name)
            }
            other => other.name().to_owned(),
        };
        ours.map(|found| line(found.body)).collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn estate(dir: &Path) -> Estate {
    Estate {
        installation: "tests".parse().unwrap(),
        dir: dir.to_owned(),
        parallelism: 4,
        redirect: Arc::new(|_: &mut Specs| Ok(())),
    }
}

pub(crate) fn request(tenant: &str, name: &str, offer: &str) -> OrderRequest {
    let instance: Instance = serde_json::from_value(json!({ "offer": offer })).unwrap();
    OrderRequest {
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        client_ref: None,
        instance,
        stopped: false,
        promo: None,
        key: None,
        by: Actor::command(),
        dry_run: false,
    }
}

fn specs_of(text: &str) -> Arc<Specs> {
    parse(Tree::new([("specs.toml".to_owned(), text.to_owned())].into())).unwrap().specs
}

async fn turn(reconciler: &mut Reconciler) -> Done {
    match reconciler.turn(&watch::channel(Stop::No).1).await.unwrap() {
        Turn::Done(done) => done,
        other => panic!("nobody else is there: {other:?}"),
    }
}

#[tokio::test]
async fn one_turn_makes_what_was_ordered_and_nothing_else() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let order = shop.place("lobby", "survival").await;

        shop.turn().await;

        let seen = shop.seen(&order).await;
        allow_duplicates!(assert_snapshot!(seen, @"
        active
        acme_lobby 2GiB runs
        tenants_acme
        acme_lobby
        "));
        let wallet = &shop.store().wallet_list("acme").await.unwrap()[0];
        assert_eq!(
            (wallet.posted.to_string(), wallet.held.to_string()),
            ("9.985100".into(), "0.000000".into())
        );
        let revision = shop.store().revision_latest().await.unwrap().unwrap();
        assert_eq!(revision.number, 1, "operators applied once");
        let again = shop.turn().await;
        assert_eq!((again.steps, again.settled.len()), (0, 0));
    }
}

#[tokio::test]
async fn an_order_is_stopped_started_resized_suspended_and_resumed() {
    let by = Actor::command();
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let order = shop.place("lobby", "survival").await;
        let (store, id) = (shop.store(), order.id.as_str());
        let mut told = vec![];
        shop.turn().await;
        store.order_power(id, None, false, &by).await.unwrap();
        shop.turn().await;
        told.push(format!("stopped: {}", shop.seen(&order).await));
        store.order_power(id, None, true, &by).await.unwrap();
        shop.turn().await;
        told.push(format!("started: {}", shop.seen(&order).await));
        let larger = OrderChange { offer: Some("large".into()), ..OrderChange::default() };
        store.order_resize(id, None, &larger, &by).await.unwrap();
        shop.turn().await;
        told.push(format!("resized: {}", shop.seen(&order).await));
        store.order_suspend(id, Reason::Abuse, "it sends mail", &by).await.unwrap();
        shop.turn().await;
        told.push(format!("suspended: {}", shop.seen(&order).await));
        store.order_resume(id, Reason::Abuse, &by).await.unwrap();
        shop.turn().await;
        told.push(format!("resumed: {}", shop.seen(&order).await));
        store.order_terminate(id, None, &by).await.unwrap();
        shop.turn().await;
        told.push(format!("ended: {}", shop.seen(&order).await));
        allow_duplicates!(assert_snapshot!(told.join("\n\n"), @"
        stopped: active
        acme_lobby 2GiB stands still
        tenants_acme
        acme_lobby

        started: active
        acme_lobby 2GiB runs
        tenants_acme
        acme_lobby

        resized: active
        acme_lobby 4GiB runs
        tenants_acme
        acme_lobby

        suspended: suspended
        acme_lobby 4GiB stands still
        tenants_acme
        acme_lobby

        resumed: active
        acme_lobby 4GiB runs
        tenants_acme
        acme_lobby

        ended: terminating
        acme_lobby 4GiB stands still
        tenants_acme
        acme_lobby
        "));
    }
}

#[tokio::test]
async fn nothing_is_left_of_an_order_that_ended_without_data_to_keep() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let order = shop.place("lobby", "brief").await;
        shop.turn().await;
        assert_eq!(shop.host(SHOP).await.lines().count(), 3, "{}", shop.host(SHOP).await);

        shop.store().order_terminate(&order.id, None, &Actor::command()).await.unwrap();
        let done = shop.turn().await;

        assert_eq!(shop.seen(&order).await, "terminated\n", "{done:?}");
        // The tenant's network was its last thing, and can be given to another.
        assert_eq!(shop.store().claim_list().await.unwrap(), [].into());
        assert!(shop.store().order_versions_open().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_a_dead_server_began_the_next_one_finishes() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let order = shop.place("lobby", "survival").await;
        // It said so, and made everything, and did not come to say that.
        shop.store().order_begin(&order.id).await.unwrap();
        let other = shop.place("other", "survival").await;
        shop.turn().await;
        let host = shop.host(SHOP).await;

        assert_eq!(shop.order(&order.id).await.phase.as_str(), "active");
        assert_eq!(shop.order(&other.id).await.phase.as_str(), "active");
        assert_eq!(shop.turn().await.steps, 0);
        assert_eq!(shop.host(SHOP).await, host);
    }
}

#[tokio::test]
async fn while_orders_are_held_for_operators_nothing_is_made() {
    let held = SHOP.replace(r#"apply = "auto""#, r#"apply = "held""#);
    let shop = Shop::open(Backend::Sqlite, &held).await;
    let order = shop.place("lobby", "survival").await;

    let done = shop.turn().await;

    assert_eq!(shop.seen(&order).await, "pending\n");
    assert_eq!(done.steps, 0);
    assert!(done.waiting.contains_key(&order.id), "{done:?}");
}

#[tokio::test]
async fn before_anything_was_applied_there_is_nothing_to_carry_out() {
    let server = Server::new(Backend::Sqlite).await;
    let dir = tempfile::tempdir().unwrap();
    let mut reconciler = Reconciler::new(server.store().clone(), estate(dir.path()));
    let turn = reconciler.turn(&watch::channel(Stop::No).1).await.unwrap();
    assert_eq!(turn, Turn::NothingApplied);
}

#[tokio::test]
async fn the_network_of_a_tenant_stays_given_out_while_anything_of_it_is_left() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let brief = shop.place("brief", "brief").await;
        let lobby = shop.place("lobby", "survival").await;
        shop.turn().await;
        for order in [&brief, &lobby] {
            shop.store().order_terminate(&order.id, None, &Actor::command()).await.unwrap();
        }
        shop.turn().await;

        // The data of the one is kept for a week, and with it its network.
        let claims = shop.store().claim_list().await.unwrap();
        let of_tenant = claims.iter().find(|(key, _)| key.holder == "tenant.acme");
        assert_eq!(of_tenant.map(|(_, subnet)| subnet.as_str()), Some("10.64.0.0/28"));
        assert_eq!(shop.order(&brief.id).await.phase.as_str(), "terminated");
    }
}

#[tokio::test]
async fn an_order_that_does_not_fit_any_more_waits_and_holds_up_nobody() {
    for backend in BACKENDS {
        let shop = Shop::open(backend, SHOP).await;
        let runs = shop.place("runs", "survival").await;
        shop.turn().await;
        let waits = shop.place("waits", "survival").await;
        // Operators renamed the range.
        shop.server.apply(&SHOP.replace("games", "play")).await;
        let goes = shop.place("goes", "brief").await;

        let done = shop.turn().await;

        let why = format!("{:?}", done.waiting).replace(&waits.id, "ord_1");
        allow_duplicates!(
            assert_snapshot!(why, @r#"{"ord_1": "waits: `offer.survival@08ac5284ed27` takes ports from port range `games`, which no spec defines"}"#)
        );
        let phases = [&runs, &waits, &goes].map(|order| order.id.clone());
        let mut found = Vec::new();
        for id in &phases {
            found.push(shop.order(id).await.phase.as_str().to_owned());
        }
        assert_eq!(found, ["active", "pending", "active"]);
        let host = shop.host(SHOP).await;
        allow_duplicates!(assert_snapshot!(host, @"
        acme_goes 1GiB runs
        acme_runs 2GiB runs
        tenants_acme
        acme_goes
        acme_runs
        "));
        // Once it fits again, it goes on.
        shop.server.apply(SHOP).await;
        shop.turn().await;
        assert_eq!(shop.order(&waits.id).await.phase.as_str(), "active");
    }
}
