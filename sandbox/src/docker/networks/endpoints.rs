//! Containers in networks.

use std::net::Ipv4Addr;

use super::{Network, addresses, not_found};
use crate::docker::containers::Container;
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::Endpoint;

/// Those that run in a network.
pub(super) fn of<'a>(state: &'a State, id: &'a str) -> impl Iterator<Item = &'a Endpoint> {
    let endpoints = state.containers.values().flat_map(|container| container.networks.values());
    endpoints.filter(move |endpoint| endpoint.network_id == id && !endpoint.endpoint_id.is_empty())
}

impl State {
    /// Plugs a container that starts into all its networks, or none.
    pub(in crate::docker) fn plug(&mut self, id: &str) -> Done<()> {
        let names: Vec<String> = self
            .containers
            .get(id)
            .map(|c| c.networks.keys().cloned().collect())
            .unwrap_or_default();
        for name in names {
            if let Err(refusal) = self.plug_one(id, &name) {
                self.unplug(id);
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn plug_one(&mut self, id: &str, name: &str) -> Done<()> {
        let Some(wish) = self.containers.get(id).and_then(|c| c.networks.get(name)).cloned() else {
            return Ok(());
        };
        let network = if wish.network_id.is_empty() {
            self.network_named(name)?.clone()
        } else {
            self.networks.get(&wish.network_id).ok_or_else(|| not_found(&wish.network_id))?.clone()
        };
        let endpoint = joined(self, id, &network, &wish)?;
        let plugged = self.containers.get_mut(id).and_then(|c| c.networks.get_mut(name));
        if let Some(plugged) = plugged {
            *plugged = endpoint;
        }
        self.tell_endpoint(&network, "connect", id);
        Ok(())
    }

    /// Takes a container that stopped out of its networks, which it comes back to.
    pub(in crate::docker) fn unplug(&mut self, id: &str) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let mut left = Vec::new();
        for endpoint in container.networks.values_mut() {
            if !endpoint.endpoint_id.is_empty() {
                left.push(endpoint.network_id.clone());
            }
            *endpoint = endpoint.unplugged();
        }
        container.published.clear();
        for network in left {
            if let Some(network) = self.networks.get(&network).cloned() {
                self.tell_endpoint(&network, "disconnect", id);
            }
        }
    }

    fn tell_endpoint(&mut self, network: &Network, action: &str, container: &str) {
        let mut attributes = network.attributes();
        attributes.insert("container".into(), container.to_owned());
        self.tell("network", action, &network.id, attributes);
    }
}

/// A place in a network, as it was asked for.
fn joined(state: &mut State, id: &str, network: &Network, wish: &Endpoint) -> Done<Endpoint> {
    let wanted = wish.ipam_config.as_ref().map_or("", |ipam| ipam.ipv4_address.as_str());
    if !wanted.is_empty() && network.is_predefined() {
        let message = "user specified IP address is supported on user defined networks only";
        return Err(Refusal::invalid(message));
    }
    if !wanted.is_empty() && !network.is_chosen {
        return Err(Refusal::invalid(
            "user specified IP address is supported only when connecting to networks with user \
             configured subnets",
        ));
    }
    let address = addresses::address(state, network, wanted)?;
    let mut endpoint = wish.unplugged();
    endpoint.network_id.clone_from(&network.id);
    endpoint.endpoint_id = state.fresh_id();
    if let Some(subnet) = network.subnet {
        endpoint.ip_address = address.to_string();
        endpoint.ip_prefix_len = subnet.prefix_len();
        endpoint.mac_address = mac(address);
        let gateway = network.gateway.filter(|_| !network.internal);
        endpoint.gateway = gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
    }
    if !network.is_predefined() {
        let short = id[..12].to_owned();
        let aliases = endpoint.aliases.get_or_insert_default();
        if !aliases.contains(&short) {
            aliases.push(short);
        }
    }
    Ok(endpoint)
}

/// The engine makes hardware addresses out of the others.
fn mac(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

pub(super) fn connect(
    state: &mut State,
    name: &str,
    container: &str,
    wish: Option<Endpoint>,
) -> Done<()> {
    let network = state.network_named(name)?.clone();
    let container = state.container(container)?;
    if network.driver == "host" || container.host.network_mode == "host" {
        return Err(Refusal::invalid(
            "container cannot be disconnected from host network or connected to host network",
        ));
    }
    if container.networks.contains_key(&network.name) {
        let (container, network) = (&container.name, &network.name);
        return Err(Refusal::forbidden(format!(
            "endpoint with name {container} already exists in network {network}"
        )));
    }
    let (id, runs) = (container.id.clone(), container.life.status.is_alive());
    let wish = wish.unwrap_or_default().unplugged();
    let endpoint = if runs { joined(state, &id, &network, &wish)? } else { wish };
    if let Some(container) = state.containers.get_mut(&id) {
        container.networks.insert(network.name.clone(), endpoint);
    }
    if runs {
        state.tell_endpoint(&network, "connect", &id);
    }
    Ok(())
}

pub(super) fn disconnect(state: &mut State, name: &str, container: &str, force: bool) -> Done<()> {
    let network = state.network_named(name)?.clone();
    let found: Done<&Container> = state.container(container);
    let container = match found {
        Err(_) if force => {
            return Err(Refusal::missing(format!("endpoint {container} not found")));
        }
        found => found?,
    };
    if network.driver == "host" {
        return Err(Refusal::invalid(
            "container cannot be disconnected from host network or connected to host network",
        ));
    }
    let id = container.id.clone();
    let left = state.containers.get_mut(&id).and_then(|c| c.networks.remove(&network.name));
    let Some(endpoint) = left else {
        return Err(Refusal::failed(format!(
            "container {id} is not connected to network {}",
            network.name
        )));
    };
    if !endpoint.endpoint_id.is_empty() {
        state.tell_endpoint(&network, "disconnect", &id);
    }
    Ok(())
}
