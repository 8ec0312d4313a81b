//! Homes for orders, chosen without looking.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by stopping"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use insta::assert_snapshot;
use lessor_engine::{Given, Placer, Promised};
use lessor_plans::{Claim, ClaimKey, Hold, Node, Stranger, Taken, Template};
use lessor_specs::kinds::Protocol;
use lessor_specs::load::parse;
use lessor_specs::orders::{OrderEntry, Version};
use lessor_specs::{Address, ByteSize, OrderPhase, Orders, Specs, Tree};

const SPECS: &str = r#"
[docker.par1]
capacity = { memory = "6GiB" }
[port_range.games]
docker = "par1"
range = "25565-25568"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/27"
per_tenant_prefix = 28
[image.paper.container]
ref = "paper:1"
[offer.survival]
images = ["paper"]
price = {}
[offer.survival.container]
cpu = "1"
memory = "2GiB"
ports = [{ range = "games", container = 25565 }]
[tenant.acme]
[tenant.globex]
[tenant.initech]

[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE"
nodes = ["n1", "n2"]
storage = "ceph"
vmid_range = "20000-29999"
placement = { strategy = "spread", apart = true }
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
"#;

/// What is kept where orders are placed: a store in small.
#[derive(Clone, Default)]
struct Kept {
    claims: BTreeMap<ClaimKey, Claim>,
    taken: BTreeMap<Address, Taken>,
    promised: Promised,
}

fn specs(text: &str, orders: &[(&str, &str)]) -> Specs {
    let tree = Tree::new([("specs.toml".to_owned(), text.to_owned())].into());
    let specs = parse(tree).unwrap_or_else(|report| panic!("{report}")).specs;
    let mut wanted = Orders::default();
    for (name, offer) in orders {
        let version = Version::of(&specs, offer).unwrap();
        let instance = toml::from_str(&format!("offer = {:?}", version.name)).unwrap();
        wanted.add_version(version);
        let entry = OrderEntry {
            id: format!("ord_{}", name.replace(['/', '-'], "_")),
            phase: OrderPhase::Pending,
            stopped: false,
            ended_by: None,
            keep_until: None,
            instance,
        };
        wanted.orders.insert((*name).to_owned(), entry);
    }
    let now = "2026-11-29T12:00:00Z".parse().unwrap();
    specs.with_orders(&wanted, now).unwrap_or_else(|report| panic!("{report}"))
}

impl Kept {
    /// Places orders in one go, each by `tenant/name` and offer, and tells what came of them.
    fn place(&mut self, text: &str, orders: &[(&str, &str)]) -> String {
        let specs = specs(text, orders);
        let given = Given::new(self.claims.clone(), self.taken.clone(), self.promised.clone());
        let mut placer = Placer::new(&specs, &given);
        let mut out = String::new();
        for (name, _) in orders {
            match placer.place(name) {
                Ok(home) => {
                    let _ = writeln!(out, "{name} on {}", home.host);
                    for (key, claim) in &home.claims {
                        let _ = writeln!(out, "  {key} = {claim}");
                    }
                    self.promised.add(home.host, home.amount);
                    self.claims.extend(home.claims);
                }
                Err(error) => {
                    let _ = writeln!(out, "{name}: {error}");
                }
            }
        }
        out
    }
}

fn node(name: &str, memory: &str) -> Node {
    Node {
        name: name.into(),
        online: true,
        cores: 8,
        memory: memory.parse().unwrap(),
        strange_cores: 0,
        strange_memory: ByteSize::from_bytes(0),
    }
}

fn cluster() -> Taken {
    let disk = "10GiB".parse().unwrap();
    let template = Template { node: "n1".into(), shared: true, lxc: false, disk };
    Taken {
        strangers: Vec::new(),
        nodes: vec![node("n1", "16GiB"), node("n2", "12GiB")],
        templates: [(9001, template)].into(),
    }
}

#[test]
fn orders_get_the_lowest_that_is_free_until_a_host_is_full() {
    let mut kept = Kept::default();
    let first = kept.place(SPECS, &[("acme/a", "survival"), ("acme/b", "survival")]);
    let then = kept.place(SPECS, &[("globex/a", "survival"), ("globex/b", "survival")]);
    assert_snapshot!(format!("{first}\n{then}"), @"
    acme/a on docker.par1
      bridge.tenants tenant.acme = 10.64.0.0/28
      docker instance.acme/a = par1
      port_range.games instance.acme/a:25565/tcp = 25565
    acme/b on docker.par1
      bridge.tenants tenant.acme = 10.64.0.0/28
      docker instance.acme/b = par1
      port_range.games instance.acme/b:25565/tcp = 25566

    globex/a on docker.par1
      bridge.tenants tenant.globex = 10.64.0.16/28
      docker instance.globex/a = par1
      port_range.games instance.globex/a:25565/tcp = 25567
    globex/b: there is no room for it on `docker.par1`
    ");
}

#[test]
fn what_strangers_hold_is_not_given_out() {
    let bind = "0.0.0.0".parse().unwrap();
    let port = Hold::Port { bind, port: 25565, protocol: Protocol::Tcp };
    let subnet = Hold::Subnet("10.64.0.0/28".parse().unwrap());
    let name = Hold::Name { sort: "container", name: "db".into() };
    let stranger = |hold| Stranger { hold, holder: "container `db`".into() };
    let strangers = [port, subnet, name].map(stranger).into();
    let taken = Taken { strangers, ..Taken::default() };
    let kept = serde_json::to_string(&taken).unwrap();
    assert_eq!(serde_json::from_str::<Taken>(&kept).unwrap(), taken);

    let taken = [("docker.par1".parse().unwrap(), taken)].into();
    let mut kept = Kept { taken, ..Kept::default() };
    assert_snapshot!(kept.place(SPECS, &[("acme/a", "survival"), ("globex/a", "survival")]), @"
    acme/a on docker.par1
      bridge.tenants tenant.acme = 10.64.0.16/28
      docker instance.acme/a = par1
      port_range.games instance.acme/a:25565/tcp = 25566
    globex/a: `bridge.tenants` has no network left for `tenant.globex`
    ");
}

#[test]
fn what_files_declare_has_its_room_and_its_port() {
    let mut kept = Kept::default();
    let text = SPECS.replace("6GiB", "4GiB") + "[instance.\"acme/own\"]\noffer = \"survival\"\n";
    let holder = "instance.acme/own:25565/tcp".into();
    kept.claims.insert(ClaimKey { pool: "port_range.games".into(), holder }, "25565".into());
    assert_snapshot!(kept.place(&text, &[("acme/a", "survival"), ("acme/b", "survival")]), @"
    acme/a on docker.par1
      bridge.tenants tenant.acme = 10.64.0.0/28
      docker instance.acme/a = par1
      port_range.games instance.acme/a:25565/tcp = 25566
    acme/b: there is no room for it on `docker.par1`
    ");
}

#[test]
fn what_runs_out_is_said() {
    let text = SPECS.replace("capacity = { memory = \"6GiB\" }", "").replace("25568", "25567");
    let mut kept = Kept::default();
    let orders = ["acme/a", "globex/a", "initech/a", "acme/b", "acme/c"];
    assert_snapshot!(kept.place(&text, &orders.map(|name| (name, "survival"))), @"
    acme/a on docker.par1
      bridge.tenants tenant.acme = 10.64.0.0/28
      docker instance.acme/a = par1
      port_range.games instance.acme/a:25565/tcp = 25565
    globex/a on docker.par1
      bridge.tenants tenant.globex = 10.64.0.16/28
      docker instance.globex/a = par1
      port_range.games instance.globex/a:25565/tcp = 25566
    initech/a: `bridge.tenants` has no network left for `tenant.initech`
    acme/b on docker.par1
      bridge.tenants tenant.acme = 10.64.0.0/28
      docker instance.acme/b = par1
      port_range.games instance.acme/b:25565/tcp = 25567
    acme/c: `port_range.games` has no port left
    ");
}

#[test]
fn machines_are_spread_over_the_nodes_that_were_seen() {
    let mut kept = Kept::default();
    let unseen = kept.place(SPECS, &[("acme/a", "vps")]);
    kept.taken.insert("proxmox.ams".parse().unwrap(), cluster());
    let first = kept.place(SPECS, &[("acme/a", "vps"), ("acme/b", "vps")]);
    let then = kept.place(SPECS, &[("acme/c", "vps"), ("globex/a", "vps")]);
    assert_snapshot!(format!("{unseen}\n{first}\n{then}"), @"
    acme/a: nobody has seen yet what is free for `instance.acme/a`

    acme/a on proxmox.ams/n1
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/firewall = 200000001
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/others = 200000000
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/world = 200000002
      proxmox instance.acme/a = ams
      proxmox.ams/id instance.acme/a = 20000
      proxmox.ams/mac instance.acme/a = 02:E5:1D:27:56:F8
      proxmox.ams/node instance.acme/a = n1
      vlan_range.customers/address instance.acme/a = 10.100.0.2
      vlan_range.customers/subnet tenant.acme = 10.100.0.0/28
      vlan_range.customers/tag tenant.acme = 2100
    acme/b on proxmox.ams/n2
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/firewall = 200000001
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/others = 200000000
      pfsense.edge/tracker firewall_rule.vlan_range/customers/acme/world = 200000002
      proxmox instance.acme/b = ams
      proxmox.ams/id instance.acme/b = 20001
      proxmox.ams/mac instance.acme/b = 02:76:D4:1B:54:26
      proxmox.ams/node instance.acme/b = n2
      vlan_range.customers/address instance.acme/b = 10.100.0.3
      vlan_range.customers/subnet tenant.acme = 10.100.0.0/28
      vlan_range.customers/tag tenant.acme = 2100

    acme/c on proxmox.ams/n1
      proxmox instance.acme/c = ams
      proxmox.ams/id instance.acme/c = 20002
      proxmox.ams/mac instance.acme/c = 02:29:8A:AC:A8:CB
      proxmox.ams/node instance.acme/c = n1
      vlan_range.customers/address instance.acme/c = 10.100.0.4
    globex/a on proxmox.ams/n1
      pfsense.edge/tracker firewall_rule.vlan_range/customers/globex/firewall = 200000004
      pfsense.edge/tracker firewall_rule.vlan_range/customers/globex/others = 200000003
      pfsense.edge/tracker firewall_rule.vlan_range/customers/globex/world = 200000005
      proxmox instance.globex/a = ams
      proxmox.ams/id instance.globex/a = 20003
      proxmox.ams/mac instance.globex/a = 02:77:10:9A:A5:DC
      proxmox.ams/node instance.globex/a = n1
      vlan_range.customers/address instance.globex/a = 10.100.0.18
      vlan_range.customers/subnet tenant.globex = 10.100.0.16/28
      vlan_range.customers/tag tenant.globex = 2101
    ");
}

#[test]
fn one_after_the_other_or_in_one_go_is_the_same() {
    let orders = [
        ("acme/a", "survival"),
        ("acme/v", "vps"),
        ("globex/a", "survival"),
        ("globex/v", "vps"),
        ("acme/w", "vps"),
    ];
    let taken = [("proxmox.ams".parse().unwrap(), cluster())].into();
    let mut at_once = Kept { taken, ..Kept::default() };
    let mut singly = at_once.clone();
    at_once.place(SPECS, &orders);
    for order in orders {
        singly.place(SPECS, &[order]);
    }
    assert_eq!(at_once.claims, singly.claims);
    assert_eq!(at_once.promised, singly.promised);
}

#[test]
fn no_more_containers_are_placed_than_the_network_of_their_tenant_has_addresses_for() {
    let text = SPECS.replace("capacity = { memory = \"6GiB\" }", "");
    // A /29 has five for containers.
    let text = text.replace("25568", "25599").replace("prefix = 28", "prefix = 29");
    let text = text + "[instance.\"acme/own\"]\noffer = \"survival\"\n";
    let mut kept = Kept::default();
    let first = ["acme/a", "acme/b"].map(|name| (name, "survival"));
    kept.place(&text, &first);
    let then = ["acme/c", "acme/d", "acme/e", "globex/a"].map(|name| (name, "survival"));
    let told = kept.place(&text, &then);
    let told = told.lines().filter(|line| !line.starts_with(' ')).collect::<Vec<_>>();
    assert_snapshot!(told.join("\n"), @"
    acme/c on docker.par1
    acme/d on docker.par1
    acme/e: `bridge.tenants` has no address left for `tenant.acme` on `docker.par1`: 5 of 5 are taken
    globex/a on docker.par1
    ");
}

#[test]
fn where_one_network_is_full_the_next_host_takes_a_container() {
    let text = SPECS.replace("capacity = { memory = \"6GiB\" }", "").replace("ports = [", "#");
    let text = text.replace("prefix = 28", "prefix = 29");
    let par2 = "[docker.par2]\n[bridge.second]\ndocker = \"par2\"\nsupernet = \"10.65.0.0/16\"\n\
                per_tenant_prefix = 29\n";
    let mut kept = Kept::default();
    let names: Vec<_> = ('a'..='k').map(|name| format!("acme/{name}")).collect();
    let orders: Vec<_> = names.iter().map(|name| (name.as_str(), "survival")).collect();
    let told = kept.place(&format!("{text}{par2}"), &orders);
    let told = told.lines().filter(|line| !line.starts_with(' ')).skip(4).collect::<Vec<_>>();
    assert_snapshot!(told.join("\n"), @"
    acme/e on docker.par1
    acme/f on docker.par2
    acme/g on docker.par2
    acme/h on docker.par2
    acme/i on docker.par2
    acme/j on docker.par2
    acme/k: `bridge.tenants` has no address left for `tenant.acme` on `docker.par1`: 5 of 5 are taken
    ");
}

#[test]
fn what_is_ordered_leaves_guests_the_address_by_which_they_ask() {
    let text = SPECS.replace("prefix = 28", "prefix = 29");
    let taken = [("proxmox.ams".parse().unwrap(), cluster())].into();
    let mut kept = Kept { taken, ..Kept::default() };
    let orders = ["acme/a", "acme/b", "acme/c", "acme/d", "acme/e"].map(|name| (name, "vps"));
    let told = kept.place(&text, &orders);
    let is_told = |line: &&str| !line.starts_with(' ') || line.contains("/address");
    let told = told.lines().filter(is_told).collect::<Vec<_>>();
    assert_snapshot!(told.join("\n"), @"
    acme/a on proxmox.ams/n1
      vlan_range.customers/address instance.acme/a = 10.100.0.2
    acme/b on proxmox.ams/n2
      vlan_range.customers/address instance.acme/b = 10.100.0.3
    acme/c on proxmox.ams/n1
      vlan_range.customers/address instance.acme/c = 10.100.0.4
    acme/d on proxmox.ams/n2
      vlan_range.customers/address instance.acme/d = 10.100.0.5
    acme/e: 10.100.0.0/29 of `tenant.acme` has no address left
    ");
}
