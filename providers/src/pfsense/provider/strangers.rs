//! What others have, and what of it stands in somebody's way.

use ipnet::Ipv4Net;
use lessor_plans::{Hold, Stranger};
use lessor_specs::Cidr;

use super::estate::Estate;
use super::whose::{Sort, Whose};
use crate::pfsense::{Interface, Object as _, Rule};

/// Every name, tracker, address and subnet that is not ours.
pub(super) fn strangers(estate: &Estate<'_>) -> Vec<Stranger> {
    let mut found = Vec::new();
    named(&mut found, "vlan", "VLAN", &estate.vlans);
    named(&mut found, "alias", "alias", &estate.aliases);
    named(&mut found, "rule", "rule", &estate.rules);
    named(&mut found, "address", "address", &estate.addresses);
    named(&mut found, "static mapping", "static mapping", &estate.mappings);
    for interface in estate.world.interfaces.as_deref().unwrap_or_default() {
        if estate.owns(interface) {
            continue;
        }
        let holder = format!("interface `{}`", title(interface));
        let hold = |hold: Hold| Stranger { hold, holder: holder.clone() };
        let Some(net) = net(interface) else { continue };
        found.push(hold(Hold::Subnet(Cidr::new(net))));
        let name = net.addr().to_string();
        found.push(hold(Hold::Name { sort: "address", name }));
    }
    found
}

fn named<P>(found: &mut Vec<Stranger>, sort: &'static str, word: &str, all: &Sort<P>) {
    for name in all.others.keys() {
        let hold = Hold::Name { sort, name: name.clone() };
        found.push(Stranger { hold, holder: format!("{word} `{name}`") });
    }
}

/// What people call an interface.
pub(super) fn title(interface: &Interface) -> &str {
    if interface.descr.is_empty() { &interface.id } else { &interface.descr }
}

fn net(interface: &Interface) -> Option<Ipv4Net> {
    let address = interface.ipaddr.as_ref()?.parse().ok()?;
    Ipv4Net::new(address, interface.subnet?).ok()
}

/// What people call a rule.
fn rule_title(rule: &Rule) -> String {
    if rule.descr.is_empty() { rule.tracker.to_string() } else { rule.descr.clone() }
}

impl Estate<'_> {
    /// Whether an interface is on a VLAN of ours.
    fn owns(&self, interface: &Interface) -> bool {
        let mut vlans = self.world.vlans.as_deref().unwrap_or_default().iter();
        let vlan = vlans.find(|vlan| vlan.device == interface.port);
        vlan.is_some_and(|vlan| matches!(self.vlans.whose(&vlan.key().to_string()), Whose::Ours(_)))
    }

    /// What others have on an interface, in words, and what would go with it or lose it.
    pub(super) fn guests_of(&self, id: &str) -> Vec<String> {
        let is_ours = |rule: &&Rule| self.rules.ours.contains_key(&rule.tracker.to_string());
        let mut rules = self.world.rules.as_deref().unwrap_or_default().to_vec();
        rules.retain(|rule| !is_ours(&rule) && rule.interface.iter().any(|on| on == id));
        let mut found: Vec<String> =
            rules.iter().map(|rule| format!("rule `{}`", rule_title(rule))).collect();
        for forward in self.world.port_forwards.as_deref().unwrap_or_default() {
            let is_ours = self.forwards.ours.values().any(|own| own.parts.descr == forward.descr);
            if !is_ours && forward.interface == id {
                found.push(format!("port forward `{}`", forward.descr));
            }
        }
        for ip in self.world.virtual_ips.as_deref().unwrap_or_default() {
            if !self.addresses.ours.contains_key(&ip.subnet) && ip.interface == id {
                found.push(format!("virtual IP `{}`", ip.subnet));
            }
        }
        for mapping in self.world.one_to_ones.as_deref().unwrap_or_default() {
            let is_ours = self.addresses.ours.contains_key(&mapping.external);
            if !is_ours && mapping.interface == id {
                found.push(format!("1:1 NAT mapping of `{}`", mapping.external));
            }
        }
        for mapping in self.world.outbound_mappings.as_deref().unwrap_or_default() {
            let is_ours = self.outbound.ours.values().any(|own| own.parts.descr == mapping.descr);
            if !is_ours && mapping.interface == id {
                found.push(format!("outbound NAT mapping `{}`", mapping.descr));
            }
        }
        for mapping in self.world.static_mappings.as_deref().unwrap_or_default() {
            let is_ours = self.mappings.ours.values().any(|own| own.parts == mapping);
            if !is_ours && mapping.interface == id {
                found.push(format!("static mapping of `{}`", mapping.mac));
            }
        }
        found
    }

    /// What mentions an alias, in words: it would go on doing so without it, and break.
    pub(super) fn users_of(&self, alias: &str) -> Vec<String> {
        let is_it = |text: &str| text.strip_prefix('!').unwrap_or(text) == alias;
        let port = |text: &Option<String>| text.as_deref().is_some_and(is_it);
        let mut found = Vec::new();
        for rule in self.world.rules.as_deref().unwrap_or_default() {
            let ends = [&rule.source, &rule.destination].into_iter().any(|end| is_it(end));
            if ends || port(&rule.source_port) || port(&rule.destination_port) {
                found.push(format!("rule `{}`", rule_title(rule)));
            }
        }
        for forward in self.world.port_forwards.as_deref().unwrap_or_default() {
            let ends = [&forward.source, &forward.destination, &forward.target];
            let ports = [&forward.source_port, &forward.destination_port, &forward.local_port];
            if ends.into_iter().any(|end| is_it(end)) || ports.into_iter().any(port) {
                found.push(format!("port forward `{}`", forward.descr));
            }
        }
        for mapping in self.world.one_to_ones.as_deref().unwrap_or_default() {
            if is_it(&mapping.destination) {
                found.push(format!("1:1 NAT mapping of `{}`", mapping.external));
            }
        }
        for mapping in self.world.outbound_mappings.as_deref().unwrap_or_default() {
            let ends = [Some(&mapping.source), Some(&mapping.destination), mapping.target.as_ref()];
            if ends.into_iter().flatten().any(|end| is_it(end)) {
                found.push(format!("outbound NAT mapping `{}`", mapping.descr));
            }
        }
        for other in self.world.aliases.as_deref().unwrap_or_default() {
            if other.name != alias && other.address.iter().any(|entry| is_it(entry)) {
                found.push(format!("alias `{}`", other.name));
            }
        }
        found
    }
}
