//! Networks of a node: what is written down, and what runs since the last reload.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::call::{Call, Handler, Params, lines};
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
        let bridge = [("type", "bridge"), ("autostart", "1"), ("cidr", cidr.as_str())];
        let card = interface("eno1", false, &[("type", "eth")]);
        Network { running: vec![card, interface("vmbr0", true, &bridge)], staged: None }
    }

    fn written(&self) -> &[Interface] {
        self.staged.as_deref().unwrap_or(&self.running)
    }

    fn staged_mut(&mut self) -> &mut Vec<Interface> {
        self.staged.get_or_insert_with(|| self.running.clone())
    }

    /// What is written down, in the order of the file: cards, bonds, bridges, and what lies on them.
    fn ordered(&self) -> Vec<&Interface> {
        let mut ordered: Vec<&Interface> = self.written().iter().collect();
        ordered.sort_by_key(|interface| match interface.kind() {
            "eth" => 0,
            "bond" | "OVSBond" => 1,
            "bridge" | "OVSBridge" => 2,
            _ => 3,
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
                _ => Value::from(text.as_str()),
            };
            row.insert(key.clone(), value);
        }
        let mut families = vec!["inet"];
        for (cidr, address, netmask, method) in
            [("cidr", "address", "netmask", "method"), ("cidr6", "address6", "netmask6", "method6")]
        {
            let found = text(cidr).and_then(|text| text.split_once('/'));
            if let Some((host, length)) = found {
                row.insert(address.into(), host.into());
                row.insert(netmask.into(), length.into());
                if method == "method6" {
                    families.push("inet6");
                }
            }
            let kind = if found.is_some() { "static" } else { "manual" };
            row.insert(method.into(), kind.into());
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
            "vlan" => {
                row.insert("exists".into(), Value::Null);
                if let Some((device, id)) = self.name.rsplit_once('.') {
                    row.insert("vlan-raw-device".into(), device.into());
                    row.insert("vlan-id".into(), id.into());
                }
            }
            _ => {}
        }
        if self.active {
            row.insert("active".into(), 1.into());
        }
        row
    }

    /// Goes on only with an interface that the file can hold.
    fn check(&self) -> Result<()> {
        let has_device = self.name.contains('.') || self.options.contains_key("vlan-raw-device");
        if self.kind() == "vlan" && !has_device {
            let at = "at /usr/share/perl5/PVE/Network/Interfaces.pm line 954.";
            return Err(Refusal::failed(format!("missing vlan-raw-device option {at}")));
        }
        Ok(())
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
fn options(call: &Call<'_>) -> Options {
    let mut options = call.given.without(&["node", "iface", "delete"]);
    for (address, netmask, cidr) in
        [("address", "netmask", "cidr"), ("address6", "netmask6", "cidr6")]
    {
        if let (Some(host), Some(mask)) = (options.remove(address), options.remove(netmask)) {
            let length = mask.parse::<std::net::Ipv4Addr>().map(|mask| mask.to_bits().count_ones());
            let length = length.map_or(mask, |length| length.to_string());
            options.insert(cidr.into(), format!("{host}/{length}"));
        }
    }
    options
}

fn create(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    if network(call)?.written().iter().any(|interface| interface.name == name) {
        return Err(Refusal::parameter("iface", "interface already exists"));
    }
    let interface = Interface { name, options: options(call), active: false };
    interface.check()?;
    network_mut(call)?.staged_mut().push(interface);
    Ok(Value::Null)
}

fn update(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    let (given, gone) = (options(call), call.given.list("delete"));
    let found = network(call)?.written().iter().find(|interface| interface.name == name);
    let mut changed = found.cloned().ok_or_else(absent)?;
    changed.options.retain(|key, _| !gone.contains(key));
    changed.options.extend(given);
    changed.check()?;
    let staged = network_mut(call)?.staged_mut();
    if let Some(interface) = staged.iter_mut().find(|interface| interface.name == name) {
        *interface = changed;
    }
    Ok(Value::Null)
}

fn delete(call: &mut Call<'_>) -> Result<Value> {
    let name = call.given.text("iface").to_owned();
    if !network(call)?.written().iter().any(|interface| interface.name == name) {
        return Err(absent());
    }
    network_mut(call)?.staged_mut().retain(|interface| interface.name != name);
    Ok(Value::Null)
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
