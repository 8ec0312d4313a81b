//! A provider that rents, as operators declare it, and customers who order.

use std::collections::BTreeMap;

use lessor_plans::{Node, Taken, Template};
use lessor_specs::kinds::Instance;
use lessor_specs::{ByteSize, Currency, Money, Tree};
use lessor_store::{Actor, Decline, Order, OrderRequest, Placed, RequestKey, Store, StoreError};

use crate::fixture::Plan;

/// What is rented in tests: a game server with a port, a free thing without, and one that nobody
/// has room for.
pub(crate) const SHOP: &str = r#"
[docker.par1]
endpoint = "memory:"
location = "par1"
capacity = { cpu = "64", memory = "256GiB", disk = "1TiB" }
[location.par1]
country = "FR"
city = "Paris"
[image.paper.container]
ref = "registry.example.net/paper:1.21"
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
price = { currency = "EUR", hourly = "0.014900", monthly_cap = "9.99" }
lifecycle = { grace = "24h", retention = "7d" }
[offer.survival.container]
cpu = "0.1"
memory = "1GiB"
disk = "1GiB"
ports = [{ range = "games", container = 25565 }]
[offer.free]
images = ["paper"]
locations = ["par1"]
price = {}
container = { cpu = "0.1", memory = "64MiB" }
[offer.large]
images = ["paper"]
locations = ["par1"]
price = { currency = "EUR", hourly = "0.500000" }
container = { cpu = "0.1", memory = "64MiB" }
[offer.huge]
images = ["paper"]
locations = ["par1"]
price = {}
container = { cpu = "65", memory = "64MiB" }
[quota.small]
instances = 3
memory = "8GiB"
[tenant.acme]
[tenant.globex]
[tenant.small]
quota = "small"
"#;

/// Virtual machines on a cluster, each tenant in a VLAN with a network of its own.
const CLUSTER: &str = r#"
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
[vlan_range.customers]
ids = "2100-2999"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[image.ubuntu.vm]
template = { ams = 9001 }
cloud_init = true
[offer.vps]
images = ["ubuntu"]
price = {}
[offer.vps.vm]
cpu = { min = 1, max = 8, step = 1 }
memory = { min = "1GiB", max = "32GiB", step = "1GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[tenant.acme]
[tenant.globex]
"#;

/// With machines for rent, in networks of such a prefix, on a cluster that was seen.
pub(crate) async fn open_cluster(store: &Store, prefix: &str) {
    apply(store, &CLUSTER.replace("prefix = 28", &format!("prefix = {prefix}"))).await;
    let node = Node {
        name: "n1".into(),
        online: true,
        cores: 256,
        memory: "512GiB".parse().unwrap(),
        strange_cores: 0,
        strange_memory: ByteSize::from_bytes(0),
    };
    let disk = "10GiB".parse().unwrap();
    let template = Template { node: "n1".into(), shared: true, lxc: false, disk };
    let taken =
        Taken { strangers: Vec::new(), nodes: vec![node], templates: [(9001, template)].into() };
    store.taken_write(&"proxmox.ams".parse().unwrap(), &taken).await.unwrap();
}

/// With [`SHOP`] applied.
pub(crate) async fn open_shop(store: &Store) {
    apply(store, SHOP).await;
}

pub(crate) async fn apply(store: &Store, text: &str) {
    let revision = store.revision_latest().await.unwrap().map_or(0, |latest| latest.number);
    let mut plan = Plan::new(&format!("shop {revision}"), revision);
    plan.tree = Tree::new(BTreeMap::from([("shop.toml".to_owned(), text.to_owned())]));
    store.apply_begin(plan.begin()).await.unwrap();
}

pub(crate) fn eur() -> Currency {
    "EUR".parse().unwrap()
}

pub(crate) fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub(crate) async fn pay(store: &Store, tenant: &str, amount: &str) {
    store.credit(tenant, eur(), money(amount), "a payment").await.unwrap();
}

/// An order of `offer` by `tenant`, called `name`.
pub(crate) fn order(tenant: &str, name: &str, offer: &str) -> OrderRequest {
    OrderRequest {
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        client_ref: None,
        instance: instance(offer),
        stopped: false,
        promo: None,
        key: None,
        by: Actor::command(),
        dry_run: false,
    }
}

pub(crate) fn instance(offer: &str) -> Instance {
    Instance {
        offer: offer.to_owned(),
        image: None,
        location: None,
        cpu: None,
        memory: None,
        disk: None,
        user: None,
        keys: Vec::new(),
        env: BTreeMap::new(),
        adopted: None,
        moved: Vec::new(),
    }
}

pub(crate) fn key(text: &str, digest: &str) -> RequestKey {
    RequestKey { scope: "acme".into(), key: text.into(), digest: digest.into() }
}

/// Placed, made and there.
pub(crate) async fn running(store: &Store, tenant: &str, name: &str, offer: &str) -> Order {
    let placed = store.order_place(&order(tenant, name, offer)).await.unwrap();
    store.order_begin(&placed.order.id).await.unwrap();
    store.order_activate(&placed.order.id, None).await.unwrap()
}

/// What was said when something was declined.
pub(crate) fn declined<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Decline {
    match result {
        Err(StoreError::Declined(decline)) => *decline,
        other => panic!("it was to be declined: {other:?}"),
    }
}

/// How many of many went through. None may fail for another reason than being declined.
pub(crate) fn successes(results: &[Result<Placed, StoreError>]) -> usize {
    let failed = results.iter().filter_map(|result| result.as_ref().err());
    for error in failed {
        assert!(matches!(error, StoreError::Declined(_)), "{error:?}");
    }
    results.iter().filter(|result| result.is_ok()).count()
}

/// Whether every sum in the ledger is right.
pub(crate) async fn assert_ledger(store: &Store) {
    let report = store.ledger_verify().await.unwrap();
    assert_eq!(report.faults, [], "{report:?}");
}

/// What a tenant has: what is there, what is held, what can be spent.
pub(crate) async fn wallet(store: &Store, tenant: &str) -> String {
    let wallets = store.wallet_list(tenant).await.unwrap();
    let line = |wallet: &lessor_store::Wallet| {
        format!(
            "{} {} held {} free {}",
            wallet.currency,
            wallet.posted,
            wallet.held,
            wallet.available()
        )
    };
    wallets.iter().map(line).collect::<Vec<_>>().join(", ")
}
