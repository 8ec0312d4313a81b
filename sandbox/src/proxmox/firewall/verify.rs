//! What makes a rule a rule.

use std::net::IpAddr;

use super::{CLUSTER, Firewall, file};
use crate::proxmox::call::Call;
use crate::proxmox::formats::{is_alias, is_cidr};
use crate::proxmox::world::Options;

/// The name and the description of each macro.
const MACROS: &str = include_str!("../tables/macros.txt");

/// Protocols by their names, as `/etc/protocols` has them; those with ports first.
const PROTOCOLS: [&str; 55] = [
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "dccp",
    "ip",
    "icmp",
    "igmp",
    "ggp",
    "ipencap",
    "st",
    "egp",
    "igp",
    "pup",
    "hmp",
    "xns-idp",
    "rdp",
    "iso-tp4",
    "xtp",
    "ddp",
    "idpr-cmtp",
    "ipv6",
    "ipv6-route",
    "ipv6-frag",
    "idrp",
    "rsvp",
    "gre",
    "esp",
    "ah",
    "skip",
    "ipv6-icmp",
    "icmpv6",
    "ipv6-nonxt",
    "ipv6-opts",
    "rspf",
    "vmtp",
    "eigrp",
    "ospf",
    "ax.25",
    "ipip",
    "etherip",
    "encap",
    "pim",
    "ipcomp",
    "vrrp",
    "l2tp",
    "isis",
    "fc",
    "mobility-header",
    "mpls-in-ip",
    "manet",
    "hip",
    "shim6",
    "wesp",
    "rohc",
];
const WITH_PORTS: usize = 5;

/// Macros and what they are for.
pub(super) fn macros() -> impl Iterator<Item = (&'static str, &'static str)> {
    MACROS.lines().filter_map(|line| line.split_once(' '))
}

/// A macro as it is written; any spelling finds it.
pub(super) fn macro_named(name: &str) -> Option<&'static str> {
    macros().map(|(found, _)| found).find(|found| found.eq_ignore_ascii_case(name))
}

/// Where a rule stands, and what it can name.
pub(super) struct Scope {
    own: Firewall,
    cluster: Firewall,
    is_guest: bool,
    is_group: bool,
}

impl Scope {
    /// Where the rules of a call stand.
    pub(super) fn of(call: &Call<'_>) -> Scope {
        Scope {
            own: file(call),
            cluster: call.world.firewalls.get(CLUSTER).cloned().unwrap_or_default(),
            is_guest: call.path.contains("/{vmid}/"),
            is_group: call.path.contains("/groups/"),
        }
    }

    fn has_set(&self, name: &str) -> bool {
        self.own.sets.contains_key(name) || self.cluster.sets.contains_key(name)
    }

    /// What an alias stands for.
    fn alias(&self, name: &str) -> Option<&str> {
        let name = own_name(name).to_ascii_lowercase();
        let found = self.own.aliases.get(&name).or_else(|| self.cluster.aliases.get(&name));
        found.map(|alias| alias.cidr.as_str())
    }
}

/// The name without the word that says where it is looked up.
fn own_name(name: &str) -> &str {
    name.strip_prefix("dc/").or_else(|| name.strip_prefix("guest/")).unwrap_or(name)
}

/// What is to say of a rule.
#[derive(Default)]
pub(super) struct Verdict {
    /// In the order in which they are found.
    pub(super) errors: Vec<(&'static str, String)>,
    /// The version of the addresses in it.
    pub(super) ip_version: Option<u8>,
}

impl Verdict {
    fn add(&mut self, name: &'static str, why: impl Into<String>) {
        self.errors.push((name, why.into()));
    }

    fn is_of_version(&mut self, name: &'static str, version: u8) {
        match self.ip_version {
            Some(other) if other != version => {
                self.add(name, "detected mixed ipv4/ipv6 addresses in rule");
            }
            _ => self.ip_version = Some(version),
        }
    }
}

/// Looks at a rule.
pub(super) fn verdict(rule: &Options, scope: &Scope) -> Verdict {
    let mut verdict = Verdict::default();
    let text = |key: &str| rule.get(key).map(String::as_str).filter(|text| !text.is_empty());
    let action = text("action").unwrap_or_default();
    if text("type") == Some("group") {
        if scope.is_group {
            verdict.add("type", "security groups not allowed");
        }
        if !is_alias(action) {
            verdict.add("action", "invalid characters in security group name");
        }
    } else if !matches!(action, "ACCEPT" | "DROP" | "REJECT") {
        verdict.add("action", format!("unknown action '{action}'"));
    }
    if let Some(card) = text("iface") {
        if scope.is_group {
            verdict.add("type", "parameter -i not allowed for this rule type");
        }
        let number = card.strip_prefix("net").unwrap_or_default();
        if scope.is_guest && number.parse::<u32>().is_err() {
            verdict.add("iface", "value does not match the regex pattern 'net\\d+'");
        }
    }
    if let Some(name) = text("macro").filter(|name| macro_named(name).is_none()) {
        verdict.add("macro", format!("unknown macro '{name}'"));
    }
    ports(rule, &mut verdict);
    for key in ["source", "dest"] {
        if let Some(addresses) = text(key) {
            look_up(key, addresses, scope, &mut verdict);
        }
    }
    verdict
}

/// Protocols and their ports.
fn ports(rule: &Options, verdict: &mut Verdict) {
    let protocol = rule.get("proto").map(String::as_str);
    let version = match protocol {
        Some("icmp") => Some(4),
        Some("icmpv6" | "ipv6-icmp") => Some(6),
        _ => None,
    };
    if let Some(version) = version {
        verdict.is_of_version("proto", version);
    }
    for key in ["dport", "sport"] {
        if !rule.contains_key(key) {
            continue;
        }
        let Some(protocol) = protocol else {
            let why = format!("missing property - '{key}' requires this property");
            verdict.add("proto", why);
            continue;
        };
        let names_type = key == "dport" && version.is_some();
        let number = matches!(protocol, "6" | "17" | "33" | "132" | "136");
        if !names_type && !number && !PROTOCOLS[..WITH_PORTS].contains(&protocol) {
            verdict.add(key, format!("protocol '{protocol}' does not support ports"));
        }
    }
    if rule.contains_key("icmp-type") {
        if version.is_none() {
            verdict.add("proto", "missing property - 'icmp-type' requires this property");
        }
        if rule.contains_key("dport") {
            verdict.add("icmp-type", "'icmp-type' cannot be specified together with 'dport'");
        }
    }
}

/// Addresses, or the name of some.
fn look_up(key: &'static str, addresses: &str, scope: &Scope, verdict: &mut Verdict) {
    if let Some(set) = addresses.strip_prefix('+') {
        let set = own_name(set);
        if !is_alias(set) {
            verdict.add(key, format!("invalid ipset name '{addresses}'"));
        } else if !scope.has_set(&set.to_ascii_lowercase()) {
            verdict.add(key, format!("no such ipset '{set}'"));
        }
    } else if is_alias(own_name(addresses)) {
        match scope.alias(addresses) {
            Some(cidr) => verdict.is_of_version(key, version_of(cidr)),
            None => verdict.add(key, no_alias(addresses)),
        }
    } else {
        verdict.is_of_version(key, version_of(addresses));
    }
}

/// What is said of an alias that nobody knows.
fn no_alias(name: &str) -> String {
    format!("no such alias '{name}'")
}

/// What is wrong with an alias where an address could stand, if anything.
pub(super) fn unknown_alias(call: &Call<'_>, name: &str) -> Option<String> {
    (is_alias(own_name(name)) && Scope::of(call).alias(name).is_none()).then(|| no_alias(name))
}

/// The version of an address, of a network, or of several.
fn version_of(addresses: &str) -> u8 {
    if addresses.contains(':') { 6 } else { 4 }
}

/// What is wrong with the addresses of a rule, if anything.
pub(in crate::proxmox) fn address_complaint(text: &str) -> Option<String> {
    if text.starts_with('+') || is_alias(own_name(text)) {
        return None;
    }
    let items: Vec<&str> = text.split(',').collect();
    if items.iter().any(|item| item.is_empty()) {
        return Some("extraneous commas in list".into());
    }
    for item in &items {
        let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
        let is_range =
            item.split_once('-').is_some_and(|(first, last)| is_address(first) && is_address(last));
        if !is_address(item) && !is_cidr(item) && !is_range {
            return Some(format!("invalid IP address: {item}"));
        }
        if version_of(item) != version_of(items[0]) {
            return Some("detected mixed ipv4/ipv6 addresses in address list".into());
        }
    }
    let has_range = items.len() > 1 && text.contains('-');
    has_range.then(|| "you can't use a range in a list".into())
}

/// What is wrong with the name or the number of a protocol, if anything.
pub(in crate::proxmox) fn protocol_complaint(text: &str) -> Option<String> {
    let known = PROTOCOLS.contains(&text) || text.parse::<u8>().is_ok();
    (!known).then(|| format!("unknown protocol '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::super::Alias;
    use super::*;

    fn scope() -> Scope {
        let six = Alias { name: "Six".into(), cidr: "2001:db8::/32".into(), comment: None };
        let mut own = Firewall::default();
        own.aliases.insert("six".into(), six);
        Scope { own, cluster: Firewall::default(), is_guest: true, is_group: false }
    }

    fn told(scope: &Scope, text: &str) -> (String, Option<u8>) {
        let rule = text.split(' ').filter_map(|word| word.split_once('='));
        let rule = rule.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let verdict = verdict(&rule, scope);
        let first = verdict.errors.first();
        let first = first.map(|(name, why)| format!("{name}: {why}")).unwrap_or_default();
        (first, verdict.ip_version)
    }

    #[test]
    fn the_first_thing_that_is_wrong_with_a_rule_is_told() {
        let scope = scope();
        let first = |text: &str| told(&scope, text).0;
        assert_eq!(
            [
                first("type=in action=DROP proto=gre dport=5"),
                first("type=in action=DROP macro=ssh dport=22"),
                first("type=in action=DROP proto=icmp dest=guest/six"),
                first("type=in action=DROP iface=eth0"),
                first("type=in action=DROP icmp-type=any"),
                first("type=in action=DROP source=+dc/none"),
            ],
            [
                "dport: protocol 'gre' does not support ports",
                "proto: missing property - 'dport' requires this property",
                "dest: detected mixed ipv4/ipv6 addresses in rule",
                "iface: value does not match the regex pattern 'net\\d+'",
                "proto: missing property - 'icmp-type' requires this property",
                "source: no such ipset 'none'",
            ]
        );
    }

    #[test]
    fn an_alias_and_a_protocol_say_the_version_of_addresses() {
        let scope = scope();
        let version = |text: &str| told(&scope, text).1;
        let rules = ["source=SIX", "proto=icmp", "dest=10.0.0.1-10.0.0.9", "proto=tcp"];
        assert_eq!(rules.map(version), [Some(6), Some(4), Some(4), None]);
    }
}
