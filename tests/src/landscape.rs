//! A large provider of virtual machines on pretend hardware: its specs, and a sandbox that holds all
//! they ask for.
//!
//! `lessor try` makes a small estate of one machine on a sandbox of its own. What it made there is
//! the pattern for the rest: as many machines as one likes are written into the states of the pretend
//! systems, each with its own name, id and addresses, and nobody has to wait for five thousand clones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Machines of one tenant.
const PER_TENANT: usize = 10;

/// Of these, the first so many are behind a rule of their own: with the three of each tenant, there
/// are as many rules as machines.
const OPEN_PER_TENANT: usize = 7;

/// Nodes of the cluster.
const NODES: usize = 20;

const FIRST_ID: usize = 20_000;
const FIRST_TAG: usize = 2_100;
const FIRST_TRACKER: usize = 200_000_000;

const CLUSTER: &str = "proxmox.ams";
const FIREWALL: &str = "pfsense.edge";

/// A landscape that answers, for as long as this is kept.
#[derive(Debug)]
pub struct Landscape {
    sandbox: Child,
    home: TempDir,
    controls: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl Landscape {
    /// Starts the sandbox of a small one, made by `lessor`.
    ///
    /// # Panics
    /// When that does not come to its end.
    pub fn start(lessor: &Path) -> Landscape {
        let home = tempfile::tempdir().unwrap();
        let small = home.path().join("small");
        write(&small, 1, 3, 1);
        let dir = home.path().join("specs");
        let mut command = Command::new(lessor);
        command.arg("try").arg(&small).arg("--dir").arg(&dir);
        let mut sandbox = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut controls, mut place, mut said) = (BTreeMap::new(), String::new(), String::new());
        for line in BufReader::new(sandbox.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if let Some((_, control)) = line.split_once("said at http://") {
                controls.insert(place.clone(), control.to_owned());
                if controls.len() == 2 {
                    break;
                }
            }
            place = if line.starts_with("  ") { place } else { line };
        }
        assert_eq!(controls.len(), 2, "{said}");
        let exports = std::fs::read_to_string(dir.join("sandbox.env")).unwrap();
        let exports = exports.lines().filter_map(|line| line.strip_prefix("export "));
        let environment = exports
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        Landscape { sandbox, home, controls, environment }
    }

    /// Where its specs are.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("specs")
    }

    /// What `lessor` has to know to speak with it.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Asks for so many machines, of which nothing is there, or all.
    ///
    /// # Panics
    /// When the sandbox does not take it.
    pub fn grow(&self, pattern: &Pattern, machines: usize, is_there: bool) {
        let tenants = machines / PER_TENANT;
        write(&self.dir(), tenants, NODES, PER_TENANT);
        let remembered = self.dir().join(".lessor");
        if remembered.exists() {
            std::fs::remove_dir_all(&remembered).unwrap();
        }
        let there = if is_there { tenants } else { 0 };
        self.tell(CLUSTER, &pattern.cluster_of(there));
        self.tell(FIREWALL, &pattern.firewall_of(there));
    }

    /// What was made, to make more of it.
    pub fn pattern(&self) -> Pattern {
        Pattern { cluster: self.know(CLUSTER), firewall: self.know(FIREWALL) }
    }

    /// How often each call was made since the last time.
    ///
    /// # Panics
    /// When the sandbox does not say so.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (place, system) in [(CLUSTER, "proxmox"), (FIREWALL, "pfsense")] {
            let calls = self.ask(place, "GET", &format!("/{system}/calls"), "");
            all.extend(serde_json::from_value::<BTreeMap<String, u64>>(calls).unwrap());
            self.ask(place, "DELETE", &format!("/{system}/calls"), "");
        }
        all
    }

    fn know(&self, place: &str) -> Value {
        let system = place.split('.').next().unwrap();
        self.ask(place, "GET", &format!("/{system}/state"), "")
    }

    fn tell(&self, place: &str, state: &Value) {
        let system = place.split('.').next().unwrap();
        self.ask(place, "PUT", &format!("/{system}/state"), &state.to_string());
    }

    fn ask(&self, place: &str, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.controls[place]).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{method} {path}: {head}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Landscape {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to end.
        let _ = self.sandbox.kill();
        let _ = self.sandbox.wait();
    }
}

/// Writes the specs: `tenants` with so many machines each, on so many nodes.
fn write(dir: &Path, tenants: usize, nodes: usize, each: usize) {
    std::fs::create_dir_all(dir).unwrap();
    let nodes: Vec<String> = (1..=nodes).map(|n| format!("\"pve{n}\"")).collect();
    let head = HEAD.replace("NODES", &nodes.join(", "));
    std::fs::write(dir.join("landscape.toml"), head).unwrap();
    let mut text = String::new();
    for tenant in 0..tenants {
        let _ = writeln!(text, "[tenant.t{tenant:03}]");
        for machine in 0..each {
            let offer = if machine < OPEN_PER_TENANT { "open" } else { "inside" };
            let _ = write!(
                text,
                "[instance.\"t{tenant:03}/m{machine}\"]\noffer = \"{offer}\"\nuser = \"admin\"\n"
            );
        }
    }
    std::fs::write(dir.join("tenants.toml"), text).unwrap();
}

const HEAD: &str = r#"[location.ams1]
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE_TOKEN"
location = "ams1"
nodes = [NODES]
storage = "vm-disks"
vmid_range = "20000-29999"
overcommit = { cpu = 500.0, memory = 500.0 }
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF_KEY"
location = "ams1"
[vlan_range.customers]
ids = "2100-2999"
proxmox = "ams"
bridge = "vmbr0"
pfsense = "edge"
parent = "vtnet3"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[firewall_template.ssh]
protocol = "tcp"
ports = ["22"]
action = "pass"
[image.debian.vm]
template = { ams = 9001 }
cloud_init = true
[offer.open]
images = ["debian"]
firewall = ["ssh"]
price = {}
[offer.open.vm]
cpu = { min = 1, max = 8, step = 1 }
memory = { min = "1GiB", max = "16GiB", step = "1GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[offer.inside]
images = ["debian"]
price = {}
[offer.inside.vm]
cpu = { min = 1, max = 8, step = 1 }
memory = { min = "1GiB", max = "16GiB", step = "1GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[policy.gate]
removals = 100000
"#;

/// What `lessor` made of a small estate, system by system.
#[derive(Clone, Debug)]
pub struct Pattern {
    cluster: Value,
    firewall: Value,
}

/// Text of the pattern, with what stands for it elsewhere.
type Names = Vec<(String, String)>;

impl Pattern {
    /// The cluster with the machines of so many tenants.
    ///
    /// # Panics
    /// When the pattern is unlike one.
    pub fn cluster_of(&self, tenants: usize) -> Value {
        let mut state = self.cluster.clone();
        let node = state["nodes"]["pve3"].clone();
        for n in 4..=NODES {
            let mut node = node.clone();
            node["id"] = (n - 1).into();
            node["address"] = format!("10.99.0.{n}").into();
            state["nodes"][format!("pve{n}")] = node;
        }
        let (first, pool) = (FIRST_ID.to_string(), state["pools"]["t000"].take());
        let guest = state["guests"][&first].take();
        let volumes = state["volumes"].as_array_mut().unwrap();
        let is_ours = |volume: &Value| volume.to_string().contains(&format!("vm-{FIRST_ID}-"));
        let disks: Vec<Value> = volumes.iter().filter(|volume| is_ours(volume)).cloned().collect();
        volumes.retain(|volume| !volume.to_string().contains("vm-200"));
        let guests = state["guests"].as_object_mut().unwrap();
        guests.retain(|id, _| id.parse::<usize>().unwrap() < FIRST_ID);
        state["pools"].as_object_mut().unwrap().remove("t000");
        for tenant in 0..tenants {
            let members: Vec<usize> =
                (0..PER_TENANT).map(|n| FIRST_ID + tenant * PER_TENANT + n).collect();
            let mut pool = stamp(&pool, &[("t000".into(), format!("t{tenant:03}"))].into());
            pool["guests"] = members.clone().into();
            state["pools"][format!("t{tenant:03}")] = pool;
            for (n, id) in members.into_iter().enumerate() {
                let mut names = machine(tenant, n);
                names.push((first.clone(), id.to_string()));
                let mac = format!("02:00:00:00:{:02X}:{:02X}", id / 256 % 256, id % 256);
                names.push((mac_of(&guest), mac));
                let mut guest = stamp(&guest, &names);
                guest["node"] = format!("pve{}", 1 + id % NODES).into();
                state["guests"][id.to_string()] = guest;
                let disks = disks.iter().map(|disk| stamp(disk, &names));
                state["volumes"].as_array_mut().unwrap().extend(disks);
            }
        }
        state
    }

    /// The firewall with what comes with them.
    ///
    /// # Panics
    /// When the pattern is unlike one.
    pub fn firewall_of(&self, tenants: usize) -> Value {
        let mut state = self.firewall.clone();
        let config = &mut state["config"];
        let vlan = only(take(&mut config["vlans"]["vlan"], "t000"));
        let device = format!("vtnet3.{FIRST_TAG}");
        let interfaces = config["interfaces"].as_object_mut().unwrap();
        let port = interfaces.iter().find(|(_, one)| one["if"] == device.as_str());
        let port = port.map(|(id, _)| id.clone()).unwrap();
        let interface = interfaces.remove(&port).unwrap();
        let rules = take(&mut config["filter"]["rule"], "t000");
        let alias = take(&mut config["aliases"]["alias"], "t000/m0").swap_remove(0);
        take(&mut config["aliases"]["alias"], "t000");
        let (own, of_tenant): (Vec<Value>, Vec<Value>) =
            rules.into_iter().partition(|rule| !rule.to_string().contains("vlan_range/"));
        let own = own.into_iter().find(|rule| rule.to_string().contains("t000/m0/ssh")).unwrap();
        let first: usize = port.trim_start_matches("opt").parse().unwrap();
        let mut tracker = FIRST_TRACKER;
        let mut all = (Vec::new(), Vec::new(), Vec::new());
        for tenant in 0..tenants {
            let own_port = format!("opt{}", first + tenant);
            let mut names = of(tenant);
            names.push((format!("\"{port}\""), format!("\"{own_port}\"")));
            all.0.push(stamp(&vlan, &names));
            interfaces_of(config)[&own_port] = stamp(&interface, &names);
            for rule in &of_tenant {
                all.1.push(tracked(&stamp(rule, &names), rule, tracker));
                tracker += 1;
            }
            for n in 0..OPEN_PER_TENANT {
                let names = machine(tenant, n);
                all.2.push(stamp(&alias, &names));
                all.1.push(tracked(&stamp(&own, &names), &own, tracker));
                tracker += 1;
            }
        }
        extend(&mut config["vlans"]["vlan"], all.0);
        extend(&mut config["filter"]["rule"], all.1);
        extend(&mut config["aliases"]["alias"], all.2);
        state
    }
}

/// What differs from tenant to tenant.
fn of(tenant: usize) -> Names {
    let gateway = address(tenant, 1);
    vec![
        ("\"10.100.0.1\"".into(), format!("\"{gateway}\"")),
        ("gw=10.100.0.1".into(), format!("gw={gateway}")),
        (format!(".{FIRST_TAG}"), format!(".{}", FIRST_TAG + tenant)),
        (format!("\"{FIRST_TAG}\""), format!("\"{}\"", FIRST_TAG + tenant)),
        (format!("tag={FIRST_TAG}"), format!("tag={}", FIRST_TAG + tenant)),
        ("t000".into(), format!("t{tenant:03}")),
    ]
}

/// What differs from machine to machine.
fn machine(tenant: usize, n: usize) -> Names {
    let mut names = vec![
        ("10.100.0.2".into(), address(tenant, n + 2).to_string()),
        ("t000/m0".into(), format!("t{tenant:03}/m{n}")),
        ("t000_m0".into(), format!("t{tenant:03}_m{n}")),
        ("m0.t000".into(), format!("m{n}.t{tenant:03}")),
    ];
    names.extend(of(tenant));
    names
}

fn address(tenant: usize, n: usize) -> Ipv4Addr {
    let number = tenant * 16 + n;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 100, 0, 0)) + u32::try_from(number).unwrap())
}

/// The hardware address of a machine.
fn mac_of(guest: &Value) -> String {
    let card = guest["config"]["net0"].as_str().unwrap();
    card.split(',').find_map(|part| part.strip_prefix("virtio=")).unwrap().to_owned()
}

/// The same, under other names. What was put in is not looked at again.
fn stamp(pattern: &Value, names: &Names) -> Value {
    let marked = names.iter().enumerate().fold(pattern.to_string(), |text, (n, (from, _))| {
        text.replace(
            from.as_str(),
            &format!("\u{1}{}\u{2}", char::from(b'a' + u8::try_from(n).unwrap())),
        )
    });
    let stamped = names.iter().enumerate().fold(marked, |text, (n, (_, to))| {
        text.replace(&format!("\u{1}{}\u{2}", char::from(b'a' + u8::try_from(n).unwrap())), to)
    });
    serde_json::from_str(&stamped).unwrap()
}

/// A rule with a tracker of its own, in its mark as well.
fn tracked(rule: &Value, pattern: &Value, tracker: usize) -> Value {
    let old = pattern["tracker"].as_str().unwrap().to_owned();
    stamp(rule, &vec![(old, tracker.to_string())])
}

/// Takes what is about `whom` out of a list.
fn take(list: &mut Value, whom: &str) -> Vec<Value> {
    let list = list.as_array_mut().unwrap();
    let is_it = |one: &Value| one.to_string().contains(whom);
    let (taken, left) = list.drain(..).partition(is_it);
    *list = left;
    taken
}

fn only(mut list: Vec<Value>) -> Value {
    assert_eq!(list.len(), 1, "{list:?}");
    list.swap_remove(0)
}

fn extend(list: &mut Value, more: Vec<Value>) {
    list.as_array_mut().unwrap().extend(more);
}

fn interfaces_of(config: &mut Value) -> &mut Value {
    &mut config["interfaces"]
}
