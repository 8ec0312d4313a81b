//! Rules of hypervisors, firewalls, and what is handed out on them.

use std::collections::BTreeMap;

use super::{Checker, at};
use crate::kinds::{PfSense, Proxmox, VlanRange};
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, proxmox) in &checker.specs.proxmox {
        nodes(checker, &Address::new(Kind::Proxmox, &**name), proxmox);
    }
    for (name, pfsense) in &checker.specs.pfsense {
        credentials(checker, &Address::new(Kind::PfSense, &**name), pfsense);
    }
    for (name, range) in &checker.specs.vlan_range {
        let from = Address::new(Kind::VlanRange, &**name);
        carrier(checker, &from, range);
        carved(checker, &from, range);
        one_location(checker, &from, range);
    }
    one_range_each(checker);
    tags(checker);
    pools(checker);
}

/// Nodes are named once, and those that get no guests are among them.
fn nodes(checker: &mut Checker<'_>, from: &Address, proxmox: &Proxmox) {
    for (index, node) in proxmox.nodes.iter().enumerate() {
        if let Some(first) = proxmox.nodes[..index].iter().position(|other| other == node) {
            let message = format!("`{from}` names node `{node}` twice");
            let path = at!["nodes", index];
            let finding = checker.find(Code::NodeTwice, from.clone(), path, message);
            finding.also(from.clone(), at!["nodes", first], "named here too");
        }
    }
    for (index, node) in proxmox.cordoned.iter().enumerate() {
        if !proxmox.nodes.contains(node) {
            let message =
                format!("`{from}` keeps guests off node `{node}`, which it does not name");
            let names = proxmox.nodes.iter().map(String::as_str);
            let hint = crate::diagnostic::did_you_mean(node, names);
            let hint =
                hint.unwrap_or_else(|| format!("its nodes are {}", proxmox.nodes.join(", ")));
            let path = at!["cordoned", index];
            checker.find(Code::UnknownNode, from.clone(), path, message).hint = Some(hint);
        }
    }
}

/// Somebody speaks for us: a key, or a user with a password.
fn credentials(checker: &mut Checker<'_>, from: &Address, pfsense: &PfSense) {
    let PfSense { api_key, user, password, .. } = pfsense;
    let message = match (api_key, user, password) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => return,
        (Some(_), _, _) => format!("`{from}` has a key, and a user as well"),
        (None, Some(_), None) => format!("`{from}` has a user without a password"),
        (None, None, Some(_)) => format!("`{from}` has a password without a user"),
        (None, None, None) => format!("`{from}` has nobody to speak for us"),
    };
    checker.find(Code::FirewallCredentials, from.clone(), Vec::new(), message).hint =
        Some("write `api_key = \"secret://…\"`, or `user` and `password`".into());
}

/// A VLAN reaches guests as a tag on a bridge or as a network of a zone.
fn carrier(checker: &mut Checker<'_>, from: &Address, range: &VlanRange) {
    let (message, path) = match (&range.bridge, &range.sdn_zone) {
        (Some(_), None) | (None, Some(_)) => return,
        (None, None) => (format!("`{from}` does not say what carries its VLANs"), Vec::new()),
        (Some(_), Some(_)) => (format!("`{from}` has a bridge and a zone"), at!["sdn_zone"].into()),
    };
    checker.find(Code::VlanCarrier, from.clone(), path, message).hint =
        Some("write `bridge = \"vmbr1\"`, or `sdn_zone = \"…\"`".into());
}

/// A tenant's part is a part.
fn carved(checker: &mut Checker<'_>, from: &Address, range: &VlanRange) {
    let prefix = range.supernet.net().prefix_len();
    if range.per_tenant_prefix < prefix {
        let message = format!(
            "`{from}` cannot carve networks of /{} out of `{}`",
            range.per_tenant_prefix, range.supernet
        );
        checker.find(Code::BridgeTooNarrow, from.clone(), at!["per_tenant_prefix"], message).hint =
            Some(format!("use a prefix from {prefix} to 29"));
    }
}

/// Guests and the firewall they are behind stand in one place.
fn one_location(checker: &mut Checker<'_>, from: &Address, range: &VlanRange) {
    let specs = checker.specs;
    let cluster = specs.proxmox.get(&range.proxmox).and_then(|p| p.location.as_ref());
    let firewall = specs.pfsense.get(&range.pfsense).and_then(|p| p.location.as_ref());
    let (Some(cluster), Some(firewall)) = (cluster, firewall) else { return };
    if cluster != firewall {
        let message = format!(
            "`{from}` joins `proxmox.{}` in `{cluster}` and `pfsense.{}` in `{firewall}`",
            range.proxmox, range.pfsense
        );
        let finding = checker.find(Code::OtherLocation, from.clone(), at!["pfsense"], message);
        let end = Address::new(Kind::Proxmox, &*range.proxmox);
        finding.also(end, at!["location"], "the one is here");
        let end = Address::new(Kind::PfSense, &*range.pfsense);
        finding.also(end, at!["location"], "the other is there");
        finding.hint = Some("name a firewall in the location of the cluster".into());
    }
}

/// A cluster has one range.
fn one_range_each(checker: &mut Checker<'_>) {
    let mut first_on: BTreeMap<&str, Address> = BTreeMap::new();
    for (name, range) in &checker.specs.vlan_range {
        let from = Address::new(Kind::VlanRange, &**name);
        if let Some(other) = first_on.get(range.proxmox.as_str()).cloned() {
            let message =
                format!("`{from}` and `{other}` both give VLANs on `proxmox.{}`", range.proxmox);
            let finding = checker.find(Code::VlanRangeTwice, from, at!["proxmox"], message);
            finding.also(other, at!["proxmox"], "used here too");
            finding.hint = Some("a cluster has one range; make its `ids` longer".into());
        } else {
            first_on.insert(&range.proxmox, from);
        }
    }
}

/// No tag is given twice on one card of a firewall, or among the guests of one cluster.
fn tags(checker: &mut Checker<'_>) {
    let ranges: Vec<_> = checker.specs.vlan_range.iter().collect();
    for (index, (name, range)) in ranges.iter().enumerate() {
        let from = Address::new(Kind::VlanRange, &***name);
        let same_wire = |other: &VlanRange| {
            other.proxmox == range.proxmox
                || (&other.pfsense, &other.parent) == (&range.pfsense, &range.parent)
        };
        for (other, _) in ranges[..index]
            .iter()
            .filter(|(_, other)| same_wire(other) && other.ids.overlaps(range.ids))
        {
            let other = Address::new(Kind::VlanRange, &***other);
            let message = format!("`{from}` and `{other}` give the same tags");
            let finding = checker.find(Code::VlanTagsOverlap, from.clone(), at!["ids"], message);
            finding.also(other, at!["ids"], "overlaps this");
            finding.hint = Some("give each range ids of its own".into());
        }
    }
    let mut by_hand = BTreeMap::new();
    for (name, vlan) in &checker.specs.vlan {
        let from = Address::new(Kind::Vlan, &**name);
        let Some(pfsense) = checker.specs.pfsense_of(vlan.pfsense.as_deref()) else { continue };
        let wire = (pfsense, vlan.parent.as_deref());
        for (range, _) in ranges.iter().filter(|(_, range)| {
            (range.pfsense.as_str(), Some(range.parent.as_str())) == wire
                && range.ids.contains(vlan.id.into())
        }) {
            let other = Address::new(Kind::VlanRange, &***range);
            let message = format!("`{from}` has tag {}, which `{other}` gives to tenants", vlan.id);
            let finding = checker.find(Code::VlanTagsOverlap, from.clone(), at!["id"], message);
            finding.also(other, at!["ids"], "given here");
        }
        if let Some(other) = by_hand.insert((wire, vlan.id), from.clone()) {
            let message = format!("`{from}` and `{other}` have the same tag");
            let finding = checker.find(Code::VlanTagsOverlap, from, at!["id"], message);
            finding.also(other, at!["id"], "used here too");
        }
    }
}

/// No address is given twice by one firewall.
fn pools(checker: &mut Checker<'_>) {
    let pools: Vec<_> = checker.specs.address_pool.iter().collect();
    for (index, (name, pool)) in pools.iter().enumerate() {
        let from = Address::new(Kind::AddressPool, &***name);
        for (other, _) in pools[..index]
            .iter()
            .filter(|(_, other)| other.pfsense == pool.pfsense && other.cidr.overlaps(pool.cidr))
        {
            let other = Address::new(Kind::AddressPool, &***other);
            let message = format!("`{from}` and `{other}` give the same addresses");
            let finding =
                checker.find(Code::AddressPoolsOverlap, from.clone(), at!["cidr"], message);
            finding.also(other, at!["cidr"], "overlaps this");
            finding.hint = Some("give each pool addresses of its own".into());
        }
        for (index, address) in pool.reserved.iter().enumerate() {
            if !pool.cidr.net().contains(address) {
                let message =
                    format!("`{from}` reserves {address}, which is not among its addresses");
                let path = at!["reserved", index];
                checker.find(Code::ReservedElsewhere, from.clone(), path, message);
            }
        }
    }
}
