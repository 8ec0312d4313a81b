//! Kills `lessor` at any instant of an apply on a cluster and a firewall; the next one finishes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lessor_tests::engine::{Dice, ended, seed};
use lessor_tests::trial::Trial;
use serde_json::{Value, json};

/// What goes with the machines of a tenant was agreed to.
const APPLY: [&str; 8] =
    ["apply", "--yes", "--allow", "removals", "--allow", "tenant", "--allow", "rename"];

/// So many kills, unless `LESSOR_KILLS` says otherwise.
const KILLS: u64 = 10;

/// How often it is looked again while the cluster still makes what a killed run asked for.
const LOOKS: usize = 20;

const COMMON: &str = r#"
[location.ams1]
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE_TOKEN"
location = "ams1"
nodes = ["pve1", "pve2"]
storage = "vm-disks"
vmid_range = "20000-20999"
overcommit = { cpu = 16.0 }
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF_KEY"
location = "ams1"
[vlan_range.customers]
ids = "2100-2199"
proxmox = "ams"
bridge = "vmbr0"
pfsense = "edge"
parent = "vtnet3"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[address_pool.v4]
pfsense = "edge"
cidr = "203.0.113.0/28"
interface = "wan"
reserved = ["203.0.113.0", "203.0.113.1"]
[image.debian.vm]
template = { ams = 9001 }
cloud_init = true
[image.alpine.vm]
template = { ams = 9002 }
lxc = true
[firewall_template.web]
protocol = "tcp"
ports = ["80", "443"]
action = "pass"
[offer.flex]
images = ["debian", "alpine"]
firewall = ["web"]
price = {}
[offer.flex.vm]
cpu = { min = 1, max = 8, step = 1 }
memory = { min = "512MiB", max = "4GiB", step = "512MiB" }
disk = { min = "4GiB", max = "20GiB", step = "4GiB" }
[tenant.acme]
[tenant.globex]
[tenant.initech]
[instance."acme/same"]
offer = "flex"
image = "alpine"
"#;

const A: &str = r#"
[alias.office]
addresses = ["192.0.2.0/28"]
[firewall_rule.first]
interface = "wan"
source = "alias.office"
destination = "10.100.0.0/16"
action = "pass"
[firewall_rule.second]
interface = "wan"
action = "block"
order = 10
[port_forward.ssh]
port = 2201
target = "instance.acme/web"
target_port = 22
[vlan.lab]
id = 20
parent = "vtnet3"
subnet = "10.20.0.0/24"
[instance."acme/web"]
offer = "flex"
image = "debian"
cpu = 2
[instance."globex/shop"]
offer = "flex"
image = "debian"
"#;

const B: &str = r#"
[alias.office]
addresses = ["192.0.2.0/28", "198.51.100.7/32"]
[alias.partners]
addresses = ["198.51.100.0/25"]
[firewall_rule.first]
interface = "wan"
source = "alias.office"
destination = "10.100.0.0/16"
action = "pass"
order = 20
[firewall_rule.second]
interface = "wan"
action = "block"
order = 10
[firewall_rule.third]
interface = "wan"
protocol = "tcp"
source = "alias.partners"
ports = ["22", "8000-8010"]
action = "pass"
[port_forward.ssh]
port = 2202
target = "instance.acme/web"
target_port = 22
source = "alias.partners"
[vlan.mgmt]
id = 30
parent = "vtnet3"
subnet = "10.30.0.0/24"
[instance."acme/web"]
offer = "flex"
image = "debian"
cpu = 4
memory = "1GiB"
[instance."initech/new"]
offer = "flex"
image = "debian"
[instance."initech/box"]
offer = "flex"
image = "alpine"
"#;

#[test]
fn whenever_it_is_killed_the_next_apply_finishes_on_hardware_too() {
    let seed = seed();
    let kills = std::env::var("LESSOR_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    println!("LESSOR_SEED={seed} LESSOR_KILLS={kills}");
    let mut dice = Dice::new(seed);
    let trial = Trial::start(&format!("{COMMON}{A}"));
    trial.hurry();
    let (to_b, in_b) = (usual(&trial, B), holdings(&trial));
    let (to_a, in_a) = (usual(&trial, A), holdings(&trial));

    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        let (version, usual, wanted) =
            if round % 2 == 0 { (B, to_b, &in_b) } else { (A, to_a, &in_a) };
        round += 1;
        trial.declare(&format!("{COMMON}{version}"));
        killed += u64::from(kill(&trial, &mut dice, usual));
        // The one that mends is killed as well, now and then.
        while dice.comes(30) {
            killed += u64::from(kill(&trial, &mut dice, usual));
        }
        recover(&trial);
        trial.lessor(&["plan", "--detailed-exitcode"]).expect(0);
        assert_eq!(&holdings(&trial), wanted, "round {round}");
        println!("round {round}: {killed} killed");
    }
}

const FIREWALL: &str = r#"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF_KEY"
[alias.stays]
addresses = ["192.0.2.0/28"]
"#;

/// What is removed, and goes on working until it is applied, is seen by no look.
#[test]
fn what_was_removed_and_could_not_be_applied_is_applied_by_the_next_run() {
    let trial =
        Trial::start(&format!("{FIREWALL}[alias.office]\naddresses = [\"192.0.2.1/32\"]\n"));
    let nothing_is_applied = json!([
        { "mishap": { "status": 403 }, "method": "POST", "path": "/firewall/apply" }
    ]);
    let (broken, whole) = (&nothing_is_applied, &json!([]));
    trial.faults("pfsense.edge", broken);
    trial.declare(FIREWALL);

    trial.lessor(&APPLY).expect(1);

    let waits = || trial.state("pfsense.edge")["dirty"].to_string();
    assert_eq!(waits(), r#"["aliases"]"#);
    trial.faults("pfsense.edge", whole);
    trial.lessor(&["plan", "--detailed-exitcode", "-o", "nothing.plan"]).expect(0);
    trial.faults("pfsense.edge", broken);
    let stuck = trial.lessor(&["apply", "nothing.plan"]);
    stuck.expect(1).says("what an earlier run wrote to `pfsense.edge` could not be made to work");
    trial.faults("pfsense.edge", whole);
    trial.lessor(&["apply", "nothing.plan"]).expect(0);
    assert_eq!(waits(), "[]");
}

/// How long it takes to come to this version undisturbed.
fn usual(trial: &Trial, version: &str) -> Duration {
    trial.declare(&format!("{COMMON}{version}"));
    let ran = trial.lessor(&APPLY);
    ran.expect(0);
    ran.took
}

/// Starts an apply and kills it; whether that came in time.
fn kill(trial: &Trial, dice: &mut Dice, usual: Duration) -> bool {
    let after = Duration::from_micros(dice.below(u64::try_from(usual.as_micros()).unwrap()));
    let began = Instant::now();
    let mut child = trial.begin(&APPLY);
    std::thread::sleep(after);
    child.kill().unwrap();
    let is_killed = ended(child, began).code.is_none();
    println!("  killed after {after:?}: {}", if is_killed { "yes" } else { "too late" });
    is_killed
}

/// The next apply finishes. While the cluster still makes a copy that was asked for, nobody can tell
/// whose it is, which is said; then it is the one behind that.
fn recover(trial: &Trial) {
    for _ in 0..LOOKS {
        let ran = trial.lessor(&APPLY);
        if ran.code != Some(6) {
            ran.expect(0);
            return;
        }
        assert!(ran.stdout.contains("for as long as it is being made"), "{}", ran.stdout);
        std::thread::sleep(Duration::from_millis(200));
    }
    trial.lessor(&APPLY).expect(0);
}

/// What there is on both systems, as far as it does not depend on when it was made: each thing of
/// ours by its address and how often, each guest with what it has, and how many objects of each
/// sort, whosever they are.
fn holdings(trial: &Trial) -> BTreeMap<String, String> {
    let cluster = trial.state("proxmox.ams");
    let mut holdings = BTreeMap::new();
    for guest in cluster["guests"].as_object().unwrap().values() {
        let config = &guest["config"];
        let address = address(config["description"].as_str().unwrap_or_default());
        let had = ["cores", "memory", "onboot", "tags", "lock"].map(|key| config[key].to_string());
        let runs = guest["power"].get("Running").is_some();
        let told = format!("{} runs={runs}", had.join(" "));
        let address = address.unwrap_or_else(|| format!("template {}", config["name"]));
        assert_eq!(holdings.insert(format!("guest {address}"), told), None, "twice: {address}");
    }
    let of_guests = |volume: &&Value| !volume["vmid"].is_null();
    let volumes = cluster["volumes"].as_array().unwrap().iter().filter(of_guests).count();
    holdings.insert("volumes".into(), volumes.to_string());
    for (name, pool) in cluster["pools"].as_object().unwrap() {
        let guests = pool["guests"].as_array().unwrap().len();
        holdings.insert(format!("pool {name}"), guests.to_string());
    }
    let firewall = trial.state("pfsense.edge");
    count(&firewall["config"], "config", &mut holdings);
    let waits = [&firewall["dirty"], &firewall["pending_interfaces"]];
    holdings.insert("not applied".into(), format!("{} {}", waits[0], waits[1]));
    holdings
}

/// How many objects each list of a configuration has, and how often each address stands in a mark.
fn count(value: &Value, path: &str, counts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            if let Some(address) = fields.get("descr").and_then(Value::as_str).and_then(address) {
                let counted = counts.entry(format!("{path} of {address}")).or_default();
                counted.push('I');
            }
            for (name, value) in fields {
                // Interfaces are numbered in the order in which they came.
                let name = if name.starts_with("opt") { "opt" } else { name };
                count(value, &format!("{path}.{name}"), counts);
            }
        }
        Value::Array(items) => {
            counts.insert(path.to_owned(), items.len().to_string());
            for item in items {
                count(item, path, counts);
            }
        }
        _ => {}
    }
}

/// The address in a mark.
fn address(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("lessor/"))?;
    line.split_whitespace().nth(2).map(str::to_owned)
}
