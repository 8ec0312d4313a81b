//! Networks of a node: what is written down, and what runs since the last reload.

mod check;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::call::{Call, Handler, Params, lines};
use super::formats::items;
use super::refusal::{Refusal, Result};
use super::tasks::{Act, Job, Log};
use super::world::{Options, World};

pub(super) const HANDLERS: &[(&str, Handler)] = &[
    ("GET /nodes/{node}/network", list),
    ("POST /nodes/{node}/network", create),
    ("PUT /nodes/{node}/network", reload),
    ("DELETE /nodes/{node}/network", revert),
    ("GET /nodes/{node}/network/{iface}", read),
    ("PUT /nodes/{node}/network/{iface}", update),
    ("DELETE /nodes/{node}/network/{iface}", delete),
];

/// Interfaces of a node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Network {
    running: Vec<Interface>,
    /// What a reload would make of them, when that is something else.
    staged: Option<Vec<Interface>>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Interface {
    name: String,
    options: Options,
    active: bool,
}

/// What an interface can speak, and what it is called: the network, its address and its mask, how it
/// comes by them, and the family.
const FAMILIES: [(&str, &str, &str, &str, &str); 2] = [
    ("cidr", "address", "netmask", "method", "inet"),
    ("cidr6", "address6", "netmask6", "method6", "inet6"),
];

/// The first number of an order that begins with the loopback.
const FIRST_PRIORITY: usize = 3;

impl Network {
    /// A card, and a bridge with that address.
    pub(super) fn installed(address: &str) -> Self {
        let interface = |name: &str, active, options: &[(&str, &str)]| Interface {
            name: name.into(),
            options: options.iter().map(|&(key, text)| (key.into(), text.into())).collect(),
            active,
        };
        let cidr = format!("{address}/24");
        let bridge =
            [("type", "bridge"), ("autostart", "1"), ("method", "static"), ("cidr", cidr.as_str())];
        let card = interface("eno1", false, &[("type", "eth")]);
        Network { running: vec![card, interface("vmbr0", true, &bridge)], staged: None }
    }

    fn written(&self) -> &[Interface] {
        self.staged.as_deref().unwrap_or(&self.running)
    }

    /// What is written down, in the order of the file: cards, bonds, bridges, and what lies on them.
    fn ordered(&self) -> Vec<&Interface> {
        let written = self.written();
        let mut ordered: Vec<&Interface> = written.iter().collect();
        // `vmbr0.5` stands behind the last one of the kind of `vmbr0`.
        let root = |interface: &Interface| {
            let root = interface.name.split(['.', ':']).next().unwrap_or_default();
            written.iter().find(|one| one.name == root).map_or("vlan", Interface::kind)
        };
        ordered.sort_by_key(|interface| match root(interface) {
            "eth" | "OVSPort" => 0,
            "OVSIntPort" => 1,
            "bond" | "OVSBond" => 2,
            "bridge" | "OVSBridge" => 3,
            _ => 4,
        });
        ordered
    }

    /// What a reload would change.
    fn changes(&self) -> Option<String> {
        let staged = self.staged.as_ref()?;
        let file = |interfaces: &[Interface]| -> Vec<String> {
            let whole =
                interfaces.iter().map(|one| format!("iface {}\n{}", one.name, lines(&one.options)));
            whole.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        let (old, new) = (file(&self.running), file(staged));
        let mut text = "--- /etc/network/interfaces\n+++ /etc/network/interfaces.new\n".to_owned();
        for (sign, lines, others) in [('-', &old, &new), ('+', &new, &old)] {
            for line in lines.iter().filter(|line| !others.contains(line)) {
                text.push_str(&format!("{sign}{line}\n"));
            }
        }
        Some(text)
    }
}

impl Interface {
    fn kind(&self) -> &str {
        self.options.get("type").map_or("unknown", String::as_str)
    }

    fn row(&self, priority: usize) -> Map<String, Value> {
        let text = |key: &str| self.options.get(key).map(String::as_str);
        let mut row = Map::new();
        for (key, text) in &self.options {
            let value = match key.as_str() {
                "autostart" | "bridge_vlan_aware" if text == "0" => continue,
                "autostart" | "bridge_vlan_aware" => 1.into(),
                "comments" | "comments6" => format!("{}\n", text.trim_end_matches('\n')).into(),
                "bridge_ports" | "slaves" => {
                    let mut names: Vec<&str> = items(text).collect();
                    names.sort_unstable();
                    names.join(" ").into()
                }
                _ => Value::from(text.as_str()),
            };
            row.insert(key.clone(), value);
        }
        let mut families = Vec::new();
        for (cidr, address, netmask, method, family) in FAMILIES {
            if let Some((host, length)) = text(cidr).and_then(|text| text.split_once('/')) {
                row.insert(address.into(), host.into());
                row.insert(netmask.into(), length.into());
            }
            let how = text(method).unwrap_or("manual");
            row.insert(method.into(), how.into());
            if how == "static" {
                families.push(family);
            }
        }
        if families.is_empty() {
            families.push("inet");
        }
        row.insert("families".into(), families.into());
        row.insert("priority".into(), priority.into());
        match self.kind() {
            "bridge" => {
                for (key, default) in
                    [("bridge_fd", "0"), ("bridge_ports", ""), ("bridge_stp", "off")]
                {
                    row.entry(key).or_insert_with(|| default.into());
                }
                if text("bridge_vlan_aware") == Some("1") {
                    row.entry("bridge_vids").or_insert_with(|| "2-4094".into());
                }
            }
            "bond" => {
                let mode = text("bond_mode").unwrap_or("balance-rr");
                row.insert("bond_mode".into(), mode.into());
                row.entry("bond_miimon").or_insert_with(|| "100".into());
                // What the mode does not use is not written down.
                if !matches!(mode, "balance-xor" | "802.3ad") {
                    row.remove("bond_xmit_hash_policy");
                }
                if mode != "active-backup" {
                    row.remove("bond-primary");
                }
            }
            "vlan" => {
                row.insert("exists".into(), Value::Null);
                if let Some((device, tag)) = self.carrier() {
                    row.insert("vlan-raw-device".into(), device.into());
                    row.insert("vlan-id".into(), tag.into());
                }
            }
            _ => {}
        }
        if self.active {
            row.insert("active".into(), 1.into());
        }
        row
    }

    /// What a VLAN lies on, and its tag: its name says both, or one, or its options do.
    fn carrier(&self) -> Option<(&str, Option<&str>)> {
        let number = |text: &str| text.parse::<u32>().is_ok();
        if let Some((device, tag)) = self.name.rsplit_once('.').filter(|(_, tag)| number(tag)) {
            return Some((device, Some(tag)));
        }
        let device = self.options.get("vlan-raw-device")?;
        let tag = self.name.strip_prefix("vlan").filter(|tag| number(tag));
        let tag = tag.or_else(|| self.options.get("vlan-id").map(String::as_str));
        Some((device, tag))
    }

    /// Whether it has an address of its own.
    fn is_static(&self) -> bool {
        FAMILIES.iter().any(|family| self.options.get(family.3).is_some_and(|how| how == "static"))
    }

    /// Takes over what is given. Only families that are given an address are written down, and the
    /// first one when none is.
    fn fill(&mut self, given: Options) {
        self.options.extend(given);
        let is_static = |options: &Options, method: &str| {
            options.get(method).is_some_and(|how| how == "static")
        };
        let [first, second] = FAMILIES.map(|family| is_static(&self.options, family.3));
        for (family, gateway, kept) in
            [(FAMILIES[0], "gateway", first || !second), (FAMILIES[1], "gateway6", second)]
        {
            if !kept {
                self.options.remove(family.0);
                self.options.remove(gateway);
            }
        }
    }
}

fn network<'c>(call: &'c Call<'_>) -> Result<&'c Network> {
    let node = call.world.nodes.get(&call.node);
    node.map(|node| &node.network).ok_or_else(|| Refusal::failed("no such cluster node"))
}

fn network_mut<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Network> {
    let node = call.world.nodes.get_mut(&call.node);
    node.map(|node| &mut node.network).ok_or_else(|| Refusal::failed("no such cluster node"))
}

fn absent() -> Refusal {
    Refusal::parameter("iface", "interface does not exist")
}

fn list(call: &mut Call<'_>) -> Result<Value> {
    let wanted = call.given.get("type");
    let fits = |interface: &Interface| match wanted {
        None | Some("include_sdn") => true,
        Some("any_bridge" | "any_local_bridge") => {
            matches!(interface.kind(), "bridge" | "OVSBridge")
        }
        Some(kind) => kind == interface.kind(),
    };
    let may = |interface: &Interface| {
        let path = format!("/sdn/zones/localnetwork/{}", interface.name);
        interface.kind() != "bridge" || call.may_any(&path, &["SDN.Audit", "SDN.Use"])
    };
    let network = network(call)?;
    let mut rows = Vec::new();
    for (n, interface) in network.ordered().into_iter().enumerate() {
        if fits(interface) && may(interface) {
            let mut row = interface.row(FIRST_PRIORITY + n);
            row.insert("iface".into(), interface.name.as_str().into());
            rows.push(Value::Object(row));
        }
    }
    let changes = network.changes();
    if let Some(changes) = changes {
        call.siblings.insert("changes".into(), changes.into());
    }
    Ok(rows.into())
}

fn read(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface");
    let ordered = network(call)?.ordered();
    let found = ordered.into_iter().enumerate().find(|(_, interface)| interface.name == name);
    let (n, interface) = found.ok_or_else(absent)?;
    Ok(interface.row(FIRST_PRIORITY + n).into())
}

/// Options of an interface; an address with a mask is a network in one word.
fn options(call: &Call<'_>) -> Result<Options> {
    let mut options = call.given.without(&["node", "iface", "delete"]);
    for (cidr, address, netmask, method, _) in FAMILIES {
        for part in [address, netmask] {
            if options.contains_key(cidr) && options.contains_key(part) {
                return Err(Refusal::parameter(part, format!("{part} conflicts with {cidr}")));
            }
        }
        if let (Some(host), Some(mask)) = (options.remove(address), options.remove(netmask)) {
            let length = mask.parse::<std::net::Ipv4Addr>().map(|mask| mask.to_bits().count_ones());
            let length = length.map_or(mask, |length| length.to_string());
            options.insert(cidr.into(), format!("{host}/{length}"));
        }
        let how = if options.contains_key(cidr) { "static" } else { "manual" };
        options.insert(method.into(), how.into());
    }
    if let Some(tags) = options.get_mut("bridge_vids") {
        *tags = items(tags).collect::<Vec<_>>().join(" ");
        if tags.is_empty() {
            return Err(Refusal::parameter("bridge_vids", "VLAN list items are empty"));
        }
    }
    Ok(options)
}

/// Stages interfaces that fit together.
fn stage(call: &mut Call<'_>, mut interfaces: Vec<Interface>) -> Result<Value> {
    check::whole(&interfaces)?;
    // What is part of a bond comes up with it.
    let slaves: Vec<String> = interfaces
        .iter()
        .filter(|interface| interface.kind() == "bond")
        .filter_map(|bond| bond.options.get("slaves"))
        .flat_map(|slaves| items(slaves).map(str::to_owned))
        .collect();
    for slave in interfaces.iter_mut().filter(|interface| slaves.contains(&interface.name)) {
        slave.options.insert("autostart".into(), "1".into());
    }
    network_mut(call)?.staged = Some(interfaces);
    Ok(Value::Null)
}

fn create(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    let mut interfaces = network(call)?.written().to_vec();
    if interfaces.iter().any(|interface| interface.name == name) {
        return Err(Refusal::parameter("iface", "interface already exists"));
    }
    check::unique(&interfaces, &name, &call.given.0)?;
    let given = options(call)?;
    let mut interface = Interface { name, options: Options::new(), active: false };
    interface.fill(given);
    interfaces.push(interface);
    stage(call, interfaces)
}

fn update(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    let mut interfaces = network(call)?.written().to_vec();
    let place = interfaces.iter().position(|interface| interface.name == name);
    let place = place.ok_or_else(absent)?;
    let mut gone = call.given.list("delete");
    for (cidr, address, ..) in FAMILIES {
        if gone.iter().any(|key| key == address) {
            gone.push(cidr.into());
        }
    }
    interfaces[place].options.retain(|key, _| !gone.contains(key));
    let given = options(call)?;
    check::unique(&interfaces, &name, &given)?;
    interfaces[place].fill(given);
    stage(call, interfaces)
}

fn delete(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    let mut interfaces = network(call)?.written().to_vec();
    if !interfaces.iter().any(|interface| interface.name == name) {
        return Err(absent());
    }
    interfaces.retain(|interface| interface.name != name);
    stage(call, interfaces)
}

fn revert(call: &mut Call<'_>) -> Result<Value> {
    network_mut(call)?.staged = None;
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like the others")]
fn reload(call: &mut Call<'_>) -> Result<Value> {
    let (caller, node) = (call.caller.clone(), call.node.clone());
    let job = Job { act: Act::ReloadNetwork, vmid: None, given: Params::default(), caller, node };
    let takes_ms = call.world.pace.task_ms;
    Ok(call.world.begin("srvreload", "networking", takes_ms, job))
}

/// Brings up what is written down.
pub(super) fn run_reload(world: &mut World, job: &Job, log: &mut Log) -> Result<()> {
    let whole_host = world.whole_host;
    if !whole_host {
        log.warn("missing 'source /etc/network/interfaces.d/sdn' directive for SDN support!");
    }
    let node = world.nodes.get_mut(&job.node);
    let network = &mut node.ok_or_else(|| Refusal::failed("no such cluster node"))?.network;
    if let Some(staged) = network.staged.take() {
        network.running = staged;
    }
    for interface in network.running.iter_mut().filter(|_| whole_host) {
        interface.active = true;
    }
    Ok(())
}
