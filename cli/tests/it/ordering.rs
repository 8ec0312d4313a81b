//! `lessor serve` carries orders out, whoever is killed or runs beside it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lessor_specs::kinds::Instance;
use lessor_store::{Actor, OrderFilter, OrderRequest, Store};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::postgres::Postgres;
use crate::support::Shop;

/// A free game server for anybody of `acme`, on a pretend host.
const RENTING: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[port_range.games]
docker = "local"
range = "25565-25664"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/16"
per_tenant_prefix = 24
[image.paper.container]
ref = "paper:1.21"
data = "/data"
[offer.small]
images = ["paper"]
price = {}
[offer.small.container]
cpu = "0.1"
memory = "64MiB"
disk = "1GiB"
ports = [{ range = "games", container = 25565 }]
[tenant.acme]
[policy.orders]
apply = "auto"
"#;

/// So many kills, unless `LESSOR_KILLS` says otherwise.
const KILLS: u64 = 5;

/// A directory that rents, and its database.
struct Renting {
    shop: Shop,
    database: String,
    runtime: Runtime,
}

/// A server that runs, until this is dropped.
struct Serving(Child);

impl Renting {
    fn in_file() -> Renting {
        let shop = Shop::new(RENTING);
        let database = format!("sqlite:{}", shop.path(".lessor/lessor.db").display());
        Renting::at(shop, database)
    }

    fn at(shop: Shop, database: String) -> Renting {
        let renting = Renting { shop, database, runtime: Runtime::new().unwrap() };
        let ran = renting.command("apply --yes").output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        renting
    }

    fn command(&self, args: &str) -> assert_cmd::Command {
        let mut command = self.shop.command(args);
        command.env("LESSOR_DATABASE_URL", &self.database);
        command
    }

    fn serve(&self) -> Serving {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(self.shop.dir());
        command.env("LESSOR_DATABASE_URL", &self.database).env("LESSOR_PARALLELISM", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Serving(child)
    }

    fn with_store<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> T {
        self.runtime.block_on(async {
            let store = Store::open(self.database.trim_start_matches("sqlite:")).await.unwrap();
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    fn place(&self, names: &[String]) {
        self.with_store(async |store| {
            for name in names {
                store.order_place(&request(name)).await.unwrap();
            }
        });
    }

    /// How many orders are in each phase.
    fn phases(&self) -> BTreeMap<String, usize> {
        let orders = self.with_store(async |store| {
            store.order_list(&OrderFilter::default(), 1000).await.unwrap()
        });
        let mut phases = BTreeMap::new();
        for order in orders {
            *phases.entry(order.phase.to_string()).or_default() += 1;
        }
        phases
    }

    /// Waits until so many orders are all there are and active.
    fn all_active(&self, count: usize) {
        let (all, patience) = (BTreeMap::from([("active".to_owned(), count)]), Instant::now());
        while self.phases() != all {
            assert!(patience.elapsed() < Duration::from_mins(2), "{:?}", self.phases());
            sleep(Duration::from_millis(100));
        }
    }

    /// One container for each order, and nothing that a plan would change.
    fn is_as_ordered(&self, count: usize) {
        let host = self.shop.host();
        let containers = host.iter().filter(|thing| thing.starts_with("container"));
        assert_eq!(containers.count(), count, "{host:?}");
        let ran = self.command("plan --detailed-exitcode").output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stdout));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The way a machine dies that loses its power.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn request(name: &str) -> OrderRequest {
    let instance: Instance = serde_json::from_value(json!({ "offer": "small" })).unwrap();
    OrderRequest {
        tenant: "acme".into(),
        name: name.into(),
        client_ref: None,
        instance,
        stopped: false,
        promo: None,
        key: None,
        by: Actor::command(),
        dry_run: false,
    }
}

fn names(prefix: &str, count: u64) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

#[test]
fn however_often_a_server_is_killed_each_order_is_made_once() {
    let kills = std::env::var("LESSOR_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    let renting = Renting::in_file();
    let mut moment = 7_u64;
    for round in 0..kills {
        renting.place(&names(&format!("game-{round}"), 3));
        let serving = renting.serve();
        // Any moment will do: before, in the middle of, and after making something.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        sleep(Duration::from_millis((moment >> 33) % 400));
        drop(serving);
    }

    let serving = renting.serve();
    renting.all_active(usize::try_from(kills).unwrap() * 3);
    drop(serving);

    renting.is_as_ordered(usize::try_from(kills).unwrap() * 3);
}

#[test]
fn two_servers_on_one_database_make_each_order_once() {
    let server = Postgres::new();
    let renting = Renting::at(Shop::new(RENTING), server.url());
    let serving = [renting.serve(), renting.serve()];

    renting.place(&names("game", 8));
    renting.all_active(8);

    drop(serving);
    renting.is_as_ordered(8);
}

#[test]
fn a_plan_shows_what_was_ordered_and_a_drift_waits_for_it() {
    let renting = Renting::in_file();
    renting.place(&names("game", 1));
    let ran = renting.command("plan").output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("+ instance.acme/game-0"), "{text}");
    assert!(text.contains("order ord_"), "{text}");
    let ran = renting.command("drift").output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stdout));
}
