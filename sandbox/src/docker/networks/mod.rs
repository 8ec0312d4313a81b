//! Networks.

mod addresses;
mod endpoints;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, empty, json};
use super::refusal::{Done, Refusal};
use super::router::unknown;
use super::state::{State, moment};
use super::wire::{Endpoint, Ipam, Pool};
use crate::http::Answer;

pub(super) use addresses::PORTS;
pub(super) use ports::{Published, check_bindings, wanted};

/// What containers reach each other by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) name: String,
    created_ns: i64,
    pub(super) driver: String,
    internal: bool,
    attachable: bool,
    enable_ipv6: bool,
    ipam: Ipam,
    /// Where its addresses are, and whether somebody chose them.
    pub(super) subnet: Option<Ipv4Net>,
    pub(super) is_chosen: bool,
    pub(super) gateway: Option<Ipv4Addr>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

/// The networks every engine has.
const PREDEFINED: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    name: String,
    check_duplicate: bool,
    driver: String,
    internal: bool,
    attachable: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Joining {
    container: String,
    force: bool,
    endpoint_config: Option<Endpoint>,
}

pub(super) fn route(state: &mut State, call: &Call, path: &[&str]) -> Done<Answer> {
    match (call.method.as_str(), path) {
        ("GET", [_]) => list(state, call),
        ("POST", [_, "create"]) => create(state, call),
        ("GET", [_, name]) => {
            let ambiguous = |count| {
                Refusal::invalid(format!(
                    "{count} matches found based on name: network {name} is ambiguous"
                ))
            };
            let network = state.network(name, ambiguous)?;
            Ok(json(200, &network.json(state)))
        }
        ("DELETE", [_, name]) => remove(state, name),
        ("POST", [_, name, "connect"]) => {
            let wish: Joining = call.body("types.NetworkConnect")?;
            endpoints::connect(state, name, &wish.container, wish.endpoint_config)?;
            Ok(empty(200))
        }
        ("POST", [_, name, "disconnect"]) => {
            let wish: Joining = call.body("types.NetworkDisconnect")?;
            endpoints::disconnect(state, name, &wish.container, wish.force)?;
            Ok(empty(200))
        }
        _ => Err(unknown()),
    }
}

impl Network {
    fn json(&self, state: &State) -> Value {
        let mut containers = BTreeMap::new();
        for container in state.containers.values() {
            let joined = |endpoint: &&Endpoint| {
                endpoint.network_id == self.id && !endpoint.endpoint_id.is_empty()
            };
            if let Some(endpoint) = container.networks.values().find(joined) {
                let address = match &*endpoint.ip_address {
                    "" => String::new(),
                    ip => format!("{ip}/{}", endpoint.ip_prefix_len),
                };
                let row = json!({
                    "Name": container.name,
                    "EndpointID": endpoint.endpoint_id,
                    "MacAddress": endpoint.mac_address,
                    "IPv4Address": address,
                    "IPv6Address": "",
                });
                containers.insert(container.id.clone(), row);
            }
        }
        json!({
            "Name": self.name,
            "Id": self.id,
            "Created": moment(self.created_ns),
            "Scope": "local",
            "Driver": self.driver,
            "EnableIPv6": self.enable_ipv6,
            "IPAM": self.ipam,
            "Internal": self.internal,
            "Attachable": self.attachable,
            "Ingress": false,
            "ConfigFrom": { "Network": "" },
            "ConfigOnly": false,
            "Containers": containers,
            "Options": self.options,
            "Labels": self.labels,
        })
    }

    fn is_predefined(&self) -> bool {
        is_predefined(&self.name)
    }

    /// The attributes of events about it.
    fn attributes(&self) -> BTreeMap<String, String> {
        [("name", &self.name), ("type", &self.driver)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into()
    }
}

fn is_predefined(name: &str) -> bool {
    PREDEFINED.iter().any(|(known, _)| *known == name)
}

fn not_found(name: &str) -> Refusal {
    Refusal::missing(format!("network {name} not found"))
}

impl State {
    /// The network of that id, that name, or with an id that begins so.
    pub(super) fn network(
        &self,
        name: &str,
        ambiguous: impl Fn(usize) -> Refusal,
    ) -> Done<&Network> {
        if let Some(network) = self.networks.get(name) {
            return Ok(network);
        }
        let by_name: Vec<_> =
            self.networks.values().filter(|network| network.name == name).collect();
        let begin = |network: &&Network| !name.is_empty() && network.id.starts_with(name);
        let by_id: Vec<_> = self.networks.values().filter(begin).collect();
        match (&*by_name, &*by_id) {
            ([network], _) | ([], [network]) => Ok(network),
            ([], []) => Err(not_found(name)),
            ([], more) => Err(Refusal::invalid(format!(
                "{} matches found based on ID prefix: network {name} is ambiguous",
                more.len()
            ))),
            (more, _) => Err(ambiguous(more.len())),
        }
    }

    pub(super) fn network_named(&self, name: &str) -> Done<&Network> {
        self.network(name, |count| {
            Refusal::invalid(format!(
                "network {name} is ambiguous ({count} matches found based on name)"
            ))
        })
    }

    pub(super) fn add_predefined_networks(&mut self) {
        let subnet = Ipv4Net::new_assert(Ipv4Addr::new(172, 17, 0, 0), 16);
        for (name, driver) in PREDEFINED {
            let is_bridge = name == "bridge";
            let pool = Pool {
                subnet: subnet.to_string(),
                gateway: "172.17.0.1".into(),
                ..Pool::default()
            };
            let network = Network {
                id: self.fresh_id(),
                name: name.into(),
                created_ns: self.now_ns(),
                driver: driver.into(),
                internal: false,
                attachable: false,
                enable_ipv6: false,
                ipam: Ipam {
                    driver: "default".into(),
                    options: None,
                    config: is_bridge.then_some(pool).into_iter().collect(),
                },
                subnet: is_bridge.then_some(subnet),
                is_chosen: false,
                gateway: is_bridge.then_some(Ipv4Addr::new(172, 17, 0, 1)),
                options: if is_bridge { bridge_options() } else { BTreeMap::new() },
                labels: BTreeMap::new(),
            };
            self.networks.insert(network.id.clone(), network);
        }
    }
}

fn bridge_options() -> BTreeMap<String, String> {
    let option = |(name, value): (&str, &str)| (format!("com.docker.network.{name}"), value.into());
    [
        ("bridge.default_bridge", "true"),
        ("bridge.enable_icc", "true"),
        ("bridge.enable_ip_masquerade", "true"),
        ("bridge.host_binding_ipv4", "0.0.0.0"),
        ("bridge.name", "docker0"),
        ("driver.mtu", "1500"),
    ]
    .map(option)
    .into()
}

fn list(state: &State, call: &Call) -> Done<Answer> {
    let known = ["dangling", "driver", "id", "label", "name", "scope", "type"];
    let filters = call.filters(&known)?;
    let dangling = filters.flag("dangling")?;
    if let Some(sort) =
        filters.values("type").iter().find(|sort| !["builtin", "custom"].contains(&sort.as_str()))
    {
        return Err(Refusal::failed(format!("invalid filter: 'type'='{sort}'")));
    }
    let used: BTreeSet<&str> = state
        .containers
        .values()
        .flat_map(|container| container.networks.values())
        .filter(|endpoint| !endpoint.endpoint_id.is_empty())
        .map(|endpoint| endpoint.network_id.as_str())
        .collect();
    let suits = |network: &&Network| {
        let is_dangling = !network.is_predefined() && !used.contains(network.id.as_str());
        filters.any("name", |part| network.name.contains(part))
            && filters.any("id", |part| network.id.contains(part))
            && filters.any("driver", |driver| network.driver == driver)
            && filters.any("scope", |scope| scope == "local")
            && filters.any("type", |sort| (sort == "builtin") == network.is_predefined())
            && filters.labels(&network.labels)
            && dangling.is_none_or(|dangling| dangling == is_dangling)
    };
    let mut networks: Vec<_> = state.networks.values().filter(suits).collect();
    networks.sort_by_key(|network| network.created_ns);
    // Nobody is listed inside: the list of the engine leaves that to an inspection.
    let rows = networks.into_iter().map(|network| {
        let mut row = network.json(state);
        row["Containers"] = json!({});
        row
    });
    Ok(json(200, &rows.collect::<Vec<_>>()))
}

fn create(state: &mut State, call: &Call) -> Done<Answer> {
    if !call.has_body() {
        return Err(Refusal::invalid("got EOF while reading request body"));
    }
    let wish: Wish = call.body("types.NetworkCreateRequest")?;
    check(state, &wish)?;
    let ipam = wish.ipam.unwrap_or_default();
    let is_chosen = !ipam.config.is_empty();
    let chosen = if let Some(pool) = ipam.config.first() {
        addresses::chosen(state, pool)?
    } else {
        let subnet = addresses::free_subnet(state).ok_or_else(|| {
            Refusal::missing(
                "could not find an available, non-overlapping IPv4 address pool among the \
                 defaults to assign to the network",
            )
        })?;
        (subnet, addresses::first(subnet))
    };
    let (subnet, gateway) = chosen;
    let config = if is_chosen {
        ipam.config
    } else {
        let (subnet, gateway) = (subnet.to_string(), gateway.to_string());
        vec![Pool { subnet, gateway, ..Pool::default() }]
    };
    let same = state.networks.values().find(|network| network.name == wish.name);
    let warning = same
        .map(|same| format!("Network with name {} (id : {}) already exists", wish.name, same.id));
    let network = Network {
        id: state.fresh_id(),
        created_ns: state.now_ns(),
        name: wish.name,
        driver: if wish.driver.is_empty() { "bridge".into() } else { wish.driver },
        internal: wish.internal,
        attachable: wish.attachable,
        enable_ipv6: wish.enable_ipv6,
        ipam: Ipam { driver: "default".into(), options: ipam.options, config },
        subnet: Some(subnet),
        is_chosen,
        gateway: Some(gateway),
        options: wish.options,
        labels: wish.labels,
    };
    let (id, attributes) = (network.id.clone(), network.attributes());
    state.networks.insert(id.clone(), network);
    state.tell("network", "create", &id, attributes);
    Ok(json(201, &json!({ "Id": id, "Warning": warning.unwrap_or_default() })))
}

fn check(state: &State, wish: &Wish) -> Done<()> {
    let name = &wish.name;
    if is_predefined(name) {
        return Err(Refusal::forbidden(format!(
            "operation is not permitted on predefined {name} network "
        )));
    }
    if wish.check_duplicate && state.networks.values().any(|network| network.name == *name) {
        return Err(Refusal::conflict(format!("network with name {name} already exists")));
    }
    match &*wish.driver {
        "" | "bridge" => {}
        driver @ ("host" | "null") => {
            let message = format!("only one instance of \"{driver}\" network is allowed");
            return Err(Refusal::forbidden(message));
        }
        driver => return Err(Refusal::missing(format!("plugin \"{driver}\" not found"))),
    }
    let driver = wish.ipam.as_ref().map_or("", |ipam| &ipam.driver);
    if !["", "default"].contains(&driver) {
        let message =
            format!("could not resolve driver {driver} in registry: plugin \"{driver}\" not found");
        return Err(Refusal::missing(message));
    }
    if name.trim().is_empty() {
        return Err(Refusal::failed(format!("invalid name: {name}")));
    }
    let has_ipv6 = wish
        .ipam
        .as_ref()
        .is_some_and(|ipam| ipam.config.iter().any(|pool| pool.subnet.contains(':')));
    if wish.enable_ipv6 && !has_ipv6 {
        return Err(Refusal::missing(
            "could not find an available, non-overlapping IPv6 address pool among the defaults to \
             assign to the network",
        ));
    }
    Ok(())
}

fn remove(state: &mut State, name: &str) -> Done<Answer> {
    let network = state.network_named(name)?.clone();
    if network.is_predefined() {
        let message = format!("{} is a pre-defined network and cannot be removed", network.name);
        return Err(Refusal::forbidden(message));
    }
    if endpoints::of(state, &network.id).next().is_some() {
        return Err(Refusal::forbidden(format!(
            "error while removing network: network {} id {} has active endpoints",
            network.name, network.id
        )));
    }
    state.networks.remove(&network.id);
    state.tell("network", "destroy", &network.id, network.attributes());
    Ok(empty(204))
}
