//! Rules of firewalls: what a rule may name, what a port may lead to, and which networks there are.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Checker, at};
use crate::kinds::{FirewallRule, PortForward, RuleProtocol};
use crate::{Address, Cidr, Code, Kind, PortRange};

pub(super) fn check(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, pool) in &specs.address_pool {
        let from = Address::new(Kind::AddressPool, &**name);
        checker.end(&from, "interface", &pool.interface, &INTERFACE);
    }
    for (name, rule) in &specs.firewall_rule {
        let from = Address::new(Kind::FirewallRule, &**name);
        self::rule(checker, &from, rule);
        checker.ports(&from, rule.protocol, &rule.ports);
    }
    for (name, template) in &specs.firewall_template {
        let from = Address::new(Kind::FirewallTemplate, &**name);
        checker.end(&from, "source", &template.source, &TEMPLATE_SOURCE);
        checker.ports(&from, template.protocol, &template.ports);
    }
    for (name, forward) in &specs.port_forward {
        self::forward(checker, &Address::new(Kind::PortForward, &**name), forward);
    }
    cards(checker);
    ports_taken(checker);
    networks(checker);
}

/// What one end of a rule can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Any,
    Firewall,
    Addresses,
    Interface,
    Vlan,
    Alias,
}

pub(super) const INTERFACE: [End; 1] = [End::Interface];
const RULE_INTERFACE: [End; 2] = [End::Interface, End::Vlan];
const RULE_END: [End; 6] =
    [End::Any, End::Firewall, End::Addresses, End::Interface, End::Vlan, End::Alias];
const FORWARD_SOURCE: [End; 4] = [End::Any, End::Addresses, End::Interface, End::Alias];
/// The hypervisor may keep it as well, and knows nothing of the firewall.
const TEMPLATE_SOURCE: [End; 2] = [End::Any, End::Addresses];

/// The longest name of an interface; those of groups are as long.
const INTERFACE_MAX: usize = 15;

impl End {
    /// What `text` stands for; `None` when that is nothing.
    fn of(text: &str) -> Option<End> {
        let is_interface = || {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            text.len() <= INTERFACE_MAX
                && text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(inner)
        };
        match text {
            "any" => Some(End::Any),
            "(self)" => Some(End::Firewall),
            "self" | "all" => None,
            _ if text.starts_with("vlan.") => Some(End::Vlan),
            _ if text.starts_with("alias.") => Some(End::Alias),
            _ if text.parse::<Ipv4Addr>().is_ok() || text.parse::<Cidr>().is_ok() => {
                Some(End::Addresses)
            }
            _ => is_interface().then_some(End::Interface),
        }
    }

    /// How it is written.
    fn example(self) -> &'static str {
        match self {
            End::Any => "`any`",
            End::Firewall => "`(self)`",
            End::Addresses => "an address or a range such as `198.51.100.0/24`",
            End::Interface => "an interface such as `wan`",
            End::Vlan => "a VLAN such as `vlan.mgmt`",
            End::Alias => "an alias such as `alias.office`",
        }
    }
}

/// What a rule names is there, behind the same firewall, and has an interface.
fn rule(checker: &mut Checker<'_>, from: &Address, rule: &FirewallRule) {
    let own = checker.specs.pfsense_of(rule.pfsense.as_deref());
    let ends = [
        ("interface", &rule.interface, &RULE_INTERFACE[..]),
        ("source", &rule.source, &RULE_END),
        ("destination", &rule.destination, &RULE_END),
    ];
    for (field, text, allowed) in ends {
        let Some(entry) = checker.end(from, field, text, allowed) else { continue };
        checker.same_firewall(from, field, own, &entry);
        checker.has_interface(from, field, &entry);
    }
}

fn forward(checker: &mut Checker<'_>, from: &Address, forward: &PortForward) {
    checker.end(from, "interface", &forward.interface, &INTERFACE);
    let own = checker.specs.pfsense_of(forward.pfsense.as_deref());
    if let Some(alias) = checker.end(from, "source", &forward.source, &FORWARD_SOURCE) {
        checker.same_firewall(from, "source", own, &alias);
    }
    if transports(forward.protocol).is_empty() {
        let name = forward.protocol.as_str();
        let message = format!("`{from}` is about a port, and `{name}` has none");
        let path = at!["protocol"];
        checker.find(Code::PortsWithoutProtocol, from.clone(), path, message).hint =
            Some("use `tcp`, `udp` or `tcp_udp`".into());
    }
    target(checker, from, forward, own);
}

/// A port leads to an address, or to a virtual machine behind the same firewall.
fn target(checker: &mut Checker<'_>, from: &Address, forward: &PortForward, own: Option<&str>) {
    let specs = checker.specs;
    let text = &forward.target;
    if text.parse::<Ipv4Addr>().is_ok() {
        return;
    }
    let instance = text.parse::<Address>().ok().filter(|to| to.kind() == Kind::Instance);
    let Some(to) = instance else {
        let message = format!("`{from}` leads to `{text}`, which is no address and no instance");
        checker.find(Code::MalformedTarget, from.clone(), at!["target"], message).hint =
            Some("write an address such as `10.0.0.5`, or `instance.TENANT/NAME`".into());
        return;
    };
    checker.refer(from, at!["target"], "leads to", Kind::Instance, to.name());
    let Some(instance) = specs.instance.get(to.name()) else { return };
    let Some(offer) = specs.offer.get(&instance.offer) else { return };
    if offer.vm.is_none() {
        let message = format!("`{from}` leads to `{to}`, which is no virtual machine");
        let finding = checker.find(Code::MalformedTarget, from.clone(), at!["target"], message);
        finding.also(to, at!["offer"], "one of these");
        finding.hint =
            Some("what runs on a Docker host is reached by the ports of its offer".into());
        return;
    }
    let image = specs.image_of(instance, offer).and_then(|name| specs.image.get(name));
    let Some(image) = image.and_then(|image| image.vm.as_ref()) else { return };
    for cluster in specs.proxmoxes_for(offer, image, instance.location.as_deref()) {
        let Some((_, range)) = specs.vlan_range_on(cluster) else { continue };
        if own.is_some_and(|own| own != range.pfsense) {
            let message = format!(
                "`{from}` leads to `{to}`, which may come to `proxmox.{cluster}` behind `pfsense.{}`",
                range.pfsense
            );
            let finding = checker.find(Code::OtherFirewall, from.clone(), at!["target"], message);
            finding.hint =
                Some(format!("add a `location` to `[{}]`, or change `pfsense`", to.header()));
            return;
        }
    }
}

/// A VLAN behind a firewall comes in by one of its cards.
fn cards(checker: &mut Checker<'_>) {
    for (name, vlan) in &checker.specs.vlan {
        if vlan.pfsense.is_some() && vlan.parent.is_none() {
            let from = Address::new(Kind::Vlan, &**name);
            let message = format!("`{from}` is behind a firewall, and no card carries it");
            checker.find(Code::VlanWithoutCard, from, at!["pfsense"], message).hint =
                Some("add the card, such as `parent = \"igb1\"`, or remove `pfsense`".into());
        }
    }
}

/// No two forwards take one port of an interface, and no two tunnels listen on one.
fn ports_taken(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let mut forwards = BTreeMap::new();
    for (name, forward) in &specs.port_forward {
        let Some(firewall) = specs.pfsense_of(forward.pfsense.as_deref()) else { continue };
        let mut clashes = Vec::new();
        for transport in transports(forward.protocol) {
            let from = Address::new(Kind::PortForward, &**name);
            let port = (firewall, forward.interface.as_str(), *transport, forward.port);
            if let Some(other) = forwards.insert(port, from)
                && !clashes.contains(&other)
            {
                clashes.push(other);
            }
        }
        for other in clashes {
            let from = Address::new(Kind::PortForward, &**name);
            let message = format!(
                "`{from}` and `{other}` both forward port {} of `{}` on `pfsense.{firewall}`",
                forward.port, forward.interface
            );
            let finding = checker.find(Code::FirewallPortTaken, from, at!["port"], message);
            finding.also(other, at!["port"], "forwarded here too");
        }
    }
    let mut tunnels = BTreeMap::new();
    for (name, vpn) in &specs.vpn {
        let Some(firewall) = specs.pfsense_of(vpn.pfsense.as_deref()) else { continue };
        let from = Address::new(Kind::Vpn, &**name);
        if let Some(other) = tunnels.insert((firewall, vpn.port), from.clone()) {
            let message = format!(
                "`{from}` and `{other}` both listen on port {} of `pfsense.{firewall}`",
                vpn.port
            );
            let finding = checker.find(Code::FirewallPortTaken, from, at!["port"], message);
            finding.also(other, at!["port"], "used here too");
        }
    }
}

/// The protocols with ports that `protocol` stands for.
fn transports(protocol: RuleProtocol) -> &'static [&'static str] {
    match protocol {
        RuleProtocol::Tcp => &["tcp"],
        RuleProtocol::Udp => &["udp"],
        RuleProtocol::TcpUdp => &["tcp", "udp"],
        RuleProtocol::Any | RuleProtocol::Icmp => &[],
    }
}

/// A network of a firewall, and the field that says so.
struct Net<'s> {
    firewall: &'s str,
    subnet: Cidr,
    of: Address,
    field: &'static str,
}

impl Net<'_> {
    /// A VLAN by hand may lie in what is carved for tenants, which is then carved around it.
    fn may_hold(&self, inner: &Net<'_>) -> bool {
        self.of.kind() == Kind::VlanRange && inner.of.kind() == Kind::Vlan
    }
}

/// The firewall has one way to each address, and an address of its own in each network.
fn networks(checker: &mut Checker<'_>) {
    let mut nets = nets(checker);
    for net in &nets {
        let prefix = net.subnet.net().prefix_len();
        if prefix > PREFIX_MAX {
            let (from, subnet) = (net.of.clone(), net.subnet);
            let message = format!("`{from}` has `{subnet}`, too few addresses for two");
            checker.find(Code::NetworkTooSmall, from, at![net.field], message).hint =
                Some(format!("use a prefix of at most /{PREFIX_MAX}"));
        }
    }
    // What holds another one comes before it, and a range before a VLAN of its size.
    nets.sort_by_key(|net| {
        let own = net.subnet.net();
        (net.firewall, own.network(), own.prefix_len(), net.of.kind() == Kind::Vlan)
    });
    let mut around: Vec<Net<'_>> = Vec::new();
    for net in nets {
        around.retain(|a| a.firewall == net.firewall && a.subnet.overlaps(net.subnet));
        if let Some(other) = around.iter().rfind(|other| !other.may_hold(&net)) {
            let message = format!(
                "`{}` and `{}` have the same addresses behind `pfsense.{}`",
                net.of, other.of, net.firewall
            );
            let (from, path) = (net.of.clone(), at![net.field]);
            let finding = checker.find(Code::NetworksOverlap, from, path, message);
            finding.also(other.of.clone(), at![other.field], "overlaps this");
            finding.hint = Some("give each network addresses of its own".into());
        }
        around.push(net);
    }
}

/// The network, the firewall, somebody else, and all of them.
const PREFIX_MAX: u8 = 30;

fn nets<'s>(checker: &Checker<'s>) -> Vec<Net<'s>> {
    let specs = checker.specs;
    let vlans = specs.vlan.iter().filter(|(_, vlan)| vlan.parent.is_some());
    let vlans = vlans.filter_map(|(name, vlan)| {
        let firewall = specs.pfsense_of(vlan.pfsense.as_deref())?;
        let of = Address::new(Kind::Vlan, &**name);
        Some(Net { firewall, subnet: vlan.subnet?, of, field: "subnet" })
    });
    let tunnels = specs.vpn.iter().filter_map(|(name, vpn)| {
        let firewall = specs.pfsense_of(vpn.pfsense.as_deref())?;
        let of = Address::new(Kind::Vpn, &**name);
        Some(Net { firewall, subnet: vpn.subnet, of, field: "subnet" })
    });
    let ranges = specs.vlan_range.iter().map(|(name, range)| {
        let of = Address::new(Kind::VlanRange, &**name);
        Net { firewall: &range.pfsense, subnet: range.supernet, of, field: "supernet" }
    });
    vlans.chain(tunnels).chain(ranges).collect()
}

impl Checker<'_> {
    /// One end of a rule is of a sort that may stand there. Answers with the entry it names.
    pub(super) fn end(
        &mut self,
        from: &Address,
        field: &'static str,
        text: &str,
        allowed: &[End],
    ) -> Option<Address> {
        let end = End::of(text);
        let kind = match end.filter(|end| allowed.contains(end)) {
            Some(End::Vlan) => Kind::Vlan,
            Some(End::Alias) => Kind::Alias,
            Some(End::Any | End::Firewall | End::Addresses | End::Interface) => return None,
            None => {
                let message = format!("`{from}` has `{text}` for its {field}, which cannot be one");
                let hint = end_hint(text, allowed);
                self.find(Code::MalformedEnd, from.clone(), at![field], message).hint = Some(hint);
                return None;
            }
        };
        let name = text.split_once('.')?.1;
        self.refer(from, at![field], "is about", kind, name);
        Some(Address::new(kind, name))
    }

    /// What an entry of `own` firewall names belongs to that firewall, too.
    pub(super) fn same_firewall(
        &mut self,
        from: &Address,
        field: &'static str,
        own: Option<&str>,
        entry: &Address,
    ) {
        let named = match entry.kind() {
            Kind::Vlan => self.specs.vlan.get(entry.name()).map(|vlan| &vlan.pfsense),
            _ => self.specs.alias.get(entry.name()).map(|alias| &alias.pfsense),
        };
        let other = named.and_then(|named| self.specs.pfsense_of(named.as_deref()));
        let (Some(own), Some(other)) = (own, other) else { return };
        if own != other {
            let message =
                format!("`{from}` lives on `pfsense.{own}`, but `{entry}` on `pfsense.{other}`");
            let finding = self.find(Code::OtherFirewall, from.clone(), at![field], message);
            finding.also(entry.clone(), Vec::new(), "declared here");
        }
    }

    /// If what an entry is about is a VLAN, a firewall has an address on it.
    pub(super) fn has_interface(&mut self, from: &Address, field: &'static str, entry: &Address) {
        let named = (entry.kind() == Kind::Vlan).then(|| self.specs.vlan.get(entry.name()));
        let vlan = named.flatten();
        if vlan.is_some_and(|vlan| vlan.parent.is_none() || vlan.subnet.is_none()) {
            let message =
                format!("`{from}` is about `{entry}`, on which no firewall has an address");
            let path = at![field];
            let finding = self.find(Code::VlanWithoutInterface, from.clone(), path, message);
            finding.hint = Some(format!("add `parent` and `subnet` to `[{}]`", entry.header()));
            finding.also(entry.clone(), Vec::new(), "declared here");
        }
    }

    fn ports(&mut self, from: &Address, protocol: RuleProtocol, ports: &[PortRange]) {
        if !ports.is_empty() && transports(protocol).is_empty() {
            let name = protocol.as_str();
            let message = format!("`{from}` names ports, and protocol `{name}` has none");
            self.find(Code::PortsWithoutProtocol, from.clone(), at!["ports"], message).hint =
                Some("add `protocol = \"tcp\"`, or remove `ports`".into());
        }
    }
}

fn end_hint(text: &str, allowed: &[End]) -> String {
    let cidr = text.parse::<Cidr>().err().and_then(|malformed| malformed.hint);
    if let Some(hint) = cidr.filter(|_| allowed.contains(&End::Addresses)) {
        return hint;
    }
    let examples: Vec<_> = allowed.iter().map(|end| end.example()).collect();
    match examples.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("write {} or {last}", first.join(", "))
        }
        only => format!("write {}", only.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::End;

    #[test]
    fn every_end_is_told_by_its_form() {
        for (text, end) in [
            ("any", Some(End::Any)),
            ("(self)", Some(End::Firewall)),
            ("198.51.100.7", Some(End::Addresses)),
            ("198.51.100.0/24", Some(End::Addresses)),
            ("wan", Some(End::Interface)),
            ("opt12", Some(End::Interface)),
            ("vlan.mgmt", Some(End::Vlan)),
            ("alias.office", Some(End::Alias)),
        ] {
            assert_eq!(End::of(text), end, "{text}");
        }
        let wrong = [
            "",
            "self",
            "all",
            "Any",
            "2001:db8::1",
            "10.0.0.1/24",
            "10.0.0",
            "container.web",
            "a b",
            "1wan",
            "an_interface_name",
        ];
        for text in wrong {
            assert_eq!(End::of(text), None, "{text}");
        }
    }
}
