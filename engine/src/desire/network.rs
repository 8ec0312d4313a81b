//! What operators declare for firewalls.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use lessor_plans::{
    AliasBody, Body, ForwardBody, InterfaceBody, Naming, OutboundBody, PeerBody, RuleBody,
    TunnelBody, VlanBody, name_for,
};
use lessor_specs::kinds::{Alias, FirewallRule, OutboundNat, PortForward, Vlan, Vpn};
use lessor_specs::{Address, Cidr, Kind, Specs};

use super::guest::gateway;
use super::{Draft, bare};

/// Everything operators declare for firewalls, but for rules and for ports that lead to instances:
/// those wait for what is chosen.
pub(super) fn drafts(specs: &Specs) -> Vec<Draft> {
    let vlans = specs.vlan.iter().filter_map(|(name, vlan)| vlan_draft(specs, name, vlan));
    let aliases = specs.alias.iter().filter_map(|(name, alias)| alias_draft(specs, name, alias));
    let tunnels = specs.vpn.iter().filter_map(|(name, vpn)| tunnel_draft(specs, name, vpn));
    let outbound = specs.outbound_nat.iter();
    let outbound = outbound.filter_map(|(name, entry)| outbound_draft(specs, name, entry));
    vlans.chain(aliases).chain(tunnels).chain(outbound).collect()
}

fn firewall(specs: &Specs, named: Option<&str>) -> Option<Address> {
    Some(Address::new(Kind::PfSense, specs.pfsense_of(named)?))
}

/// A VLAN that no card carries is known to the hypervisor alone.
fn vlan_draft(specs: &Specs, name: &str, vlan: &Vlan) -> Option<Draft> {
    let place = firewall(specs, vlan.pfsense.as_deref())?;
    let parent = vlan.parent.clone()?;
    let address = Address::new(Kind::Vlan, name);
    let port = format!("{parent}.{}", vlan.id);
    let interface = vlan.subnet.map(|subnet| InterfaceBody {
        title: name_for(Naming::Identifier, &address),
        address: gateway(subnet),
        prefix: subnet.net().prefix_len(),
        enabled: true,
        dhcp: None,
    });
    let body = VlanBody { name: port.clone(), parent, tag: vlan.id, interface };
    let draft = bare(address, place, &vlan.moved, Body::Vlan(body));
    Some(Draft { named: Some(port), adopted: vlan.adopted.clone(), ..draft })
}

fn alias_draft(specs: &Specs, name: &str, alias: &Alias) -> Option<Draft> {
    let place = firewall(specs, alias.pfsense.as_deref())?;
    let address = Address::new(Kind::Alias, name);
    let addresses = alias.addresses.iter().copied().collect();
    let body = Body::Alias(AliasBody { name: String::new(), addresses });
    let draft = bare(address, place, &alias.moved, body);
    Some(Draft { naming: Naming::Identifier, adopted: alias.adopted.clone(), ..draft })
}

fn tunnel_draft(specs: &Specs, name: &str, vpn: &Vpn) -> Option<Draft> {
    let place = firewall(specs, vpn.pfsense.as_deref())?;
    let address = Address::new(Kind::Vpn, name);
    let peers: BTreeMap<_, _> = vpn
        .peers
        .iter()
        .map(|(name, peer)| {
            let body = PeerBody {
                public_key: peer.public_key.to_string(),
                address: peer.address,
                preshared_key: peer.preshared_key.clone(),
                version: peer.version,
            };
            (name.clone(), body)
        })
        .collect();
    let body = Body::Tunnel(TunnelBody {
        name: String::new(),
        port: vpn.port,
        address: gateway(vpn.subnet),
        prefix: vpn.subnet.net().prefix_len(),
        private_key: Some(vpn.private_key.clone()),
        peers,
        enabled: true,
    });
    let draft = bare(address, place, &vpn.moved, body);
    Some(Draft { naming: Naming::Identifier, ..draft })
}

/// A VLAN stands for the addresses on it.
fn outbound_draft(specs: &Specs, name: &str, entry: &OutboundNat) -> Option<Draft> {
    let place = firewall(specs, entry.pfsense.as_deref())?;
    let mut needs = Vec::new();
    let mut end = |text: &str| {
        let (kind, name) = text.split_once('.').unwrap_or(("", text));
        match kind {
            "vlan" => {
                let subnet = specs.vlan.get(name).and_then(|vlan| vlan.subnet);
                subnet.map_or_else(|| text.to_owned(), |subnet| subnet.to_string())
            }
            "alias" => {
                let address = Address::new(Kind::Alias, name);
                needs.push(address.clone());
                name_for(Naming::Identifier, &address)
            }
            // One address is written as such.
            _ => text.strip_suffix("/32").unwrap_or(text).to_owned(),
        }
    };
    let body = Body::Outbound(OutboundBody {
        name: String::new(),
        interface: entry.interface.clone(),
        source: end(&entry.source),
        destination: end(&entry.destination),
        target: entry.target.as_deref().and_then(range),
        enabled: true,
    });
    let address = Address::new(Kind::OutboundNat, name);
    let named = Some(name_for(Naming::Identifier, &address));
    Some(Draft { needs, named, ..bare(address, place, &entry.moved, body) })
}

/// An address, or a range of them.
fn range(text: &str) -> Option<Cidr> {
    let address = text.parse().map(|address: Ipv4Addr| Cidr::new(address.into()));
    address.ok().or_else(|| text.parse().ok())
}

/// A rule of the operator's own, with the tracker it was given.
pub(crate) fn rule_draft(
    specs: &Specs,
    name: &str,
    rule: &FirewallRule,
    tracker: u32,
) -> Option<Draft> {
    let place = firewall(specs, rule.pfsense.as_deref())?;
    let mut needs = Vec::new();
    let mut end = |text: &str| {
        let (kind, name) = text.split_once('.').unwrap_or(("", text));
        match kind {
            "vlan" => {
                needs.push(Address::new(Kind::Vlan, name));
                specs.vlan.get(name).and_then(port_of).unwrap_or_else(|| text.to_owned())
            }
            // What it is called is known when all names are.
            "alias" => {
                needs.push(Address::new(Kind::Alias, name));
                text.to_owned()
            }
            _ => text.to_owned(),
        }
    };
    let body = Body::Rule(RuleBody {
        name: String::new(),
        interface: end(&rule.interface),
        direction: rule.direction,
        protocol: rule.protocol,
        source: end(&rule.source),
        destination: end(&rule.destination),
        ports: rule.ports.clone(),
        action: rule.action,
        log: rule.log,
        enabled: true,
        after: None,
    });
    let address = Address::new(Kind::FirewallRule, name);
    let draft = bare(address, place, &rule.moved, body);
    let (named, adopted) = (Some(tracker.to_string()), rule.adopted.clone());
    Some(Draft { named, adopted, needs, order: rule.order, ..draft })
}

fn port_of(vlan: &Vlan) -> Option<String> {
    Some(format!("{}.{}", vlan.parent.as_ref()?, vlan.id))
}

/// A port that leads inside; `instance_at` tells the address of an instance.
pub(crate) fn forward_draft(
    specs: &Specs,
    name: &str,
    forward: &PortForward,
    instance_at: impl Fn(&Address) -> Option<Ipv4Addr>,
) -> Option<Draft> {
    let place = firewall(specs, forward.pfsense.as_deref())?;
    let instance: Option<Address> = forward.target.parse().ok();
    let target = match &instance {
        Some(instance) => instance_at(instance)?,
        None => forward.target.parse().ok()?,
    };
    let address = Address::new(Kind::PortForward, name);
    let alias: Option<Address> = forward.source.parse().ok();
    let body = Body::Forward(ForwardBody {
        name: String::new(),
        interface: forward.interface.clone(),
        protocol: forward.protocol,
        source: forward.source.clone(),
        port: forward.port,
        target,
        target_port: forward.target_port.unwrap_or(forward.port),
        enabled: true,
    });
    let draft = bare(address, place, &forward.moved, body);
    let (needs, adopted) = (alias.into_iter().collect(), forward.adopted.clone());
    Some(Draft { naming: Naming::Identifier, needs, adopted, ..draft })
}
