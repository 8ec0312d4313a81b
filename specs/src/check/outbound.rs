//! Rules of outbound NAT: what leaves is given one source, and nobody else's.

use super::firewall::{End, INTERFACE};
use super::{Checker, at};
use crate::kinds::OutboundNat;
use crate::{Address, Cidr, Code, Kind};

const END: [End; 4] = [End::Any, End::Addresses, End::Vlan, End::Alias];
const TARGET: [End; 1] = [End::Addresses];

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, entry) in &checker.specs.outbound_nat {
        let from = Address::new(Kind::OutboundNat, &**name);
        ends(checker, &from, entry);
        handed_out(checker, &from, entry);
    }
    overlaps(checker);
}

fn ends(checker: &mut Checker<'_>, from: &Address, entry: &OutboundNat) {
    let own = checker.specs.pfsense_of(entry.pfsense.as_deref());
    checker.end(from, "interface", &entry.interface, &INTERFACE);
    for (field, text) in [("source", &entry.source), ("destination", &entry.destination)] {
        let Some(named) = checker.end(from, field, text, &END) else { continue };
        checker.same_firewall(from, field, own, &named);
        checker.has_interface(from, field, &named);
    }
    if let Some(target) = &entry.target {
        checker.end(from, "target", target, &TARGET);
    }
}

/// What packets get for a source is never given to a machine.
fn handed_out(checker: &mut Checker<'_>, from: &Address, entry: &OutboundNat) {
    let specs = checker.specs;
    let own = specs.pfsense_of(entry.pfsense.as_deref());
    let Some(text) = &entry.target else { return };
    let Some(target) = range(text) else { return };
    for (name, pool) in &specs.address_pool {
        if own != Some(&pool.pfsense) || !pool.cidr.overlaps(target) {
            continue;
        }
        let both = if pool.cidr.net().contains(&target.net()) { target } else { pool.cidr };
        let kept = pool.reserved.iter().filter(|address| both.net().contains(*address)).count();
        if kept as u64 >= 1 << (32 - both.net().prefix_len()) {
            continue;
        }
        let pool = Address::new(Kind::AddressPool, &**name);
        let message = format!("`{from}` uses {text}, which `{pool}` gives to machines");
        let path = at!["target"];
        let finding = checker.find(Code::TargetHandedOut, from.clone(), path, message);
        finding.also(pool.clone(), at!["cidr"], "given here");
        finding.hint = Some(format!("add it to `reserved` of `[{}]`", pool.header()));
    }
}

/// The firewall takes the first that fits, and nobody says which comes first.
fn overlaps(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    let entries: Vec<_> = specs
        .outbound_nat
        .iter()
        .map(|(name, entry)| {
            let place = (specs.pfsense_of(entry.pfsense.as_deref()), entry.interface.as_str());
            let ends = [&entry.source, &entry.destination].map(|end| checker.ranges(end));
            (Address::new(Kind::OutboundNat, &**name), place, ends)
        })
        .collect();
    for (index, (from, place, ends)) in entries.iter().enumerate() {
        let meets = |(_, other, others): &&(_, _, [Vec<Cidr>; 2])| {
            other == place && ends.iter().zip(others).all(|(own, other)| meet(own, other))
        };
        if let Some((other, ..)) = entries[..index].iter().find(meets) {
            let message = format!("`{from}` and `{other}` are about the same packets");
            let path = at!["source"];
            let finding = checker.find(Code::OutboundOverlap, from.clone(), path, message);
            finding.also(other.clone(), at!["source"], "overlaps this");
            finding.hint = Some("give each sources or destinations of its own".into());
        }
    }
}

fn meet(own: &[Cidr], others: &[Cidr]) -> bool {
    own.iter().any(|own| others.iter().any(|other| own.overlaps(*other)))
}

/// An address, or a range of them.
fn range(text: &str) -> Option<Cidr> {
    let address = text.parse().map(|address: std::net::Ipv4Addr| Cidr::new(address.into()));
    address.ok().or_else(|| text.parse().ok())
}

impl Checker<'_> {
    /// The addresses that an end stands for; none of one that is wrong anyway.
    fn ranges(&self, end: &str) -> Vec<Cidr> {
        let (kind, name) = end.split_once('.').unwrap_or((end, ""));
        match kind {
            "any" => vec![Cidr::new(ipnet::Ipv4Net::default())],
            "vlan" => self.specs.vlan.get(name).and_then(|vlan| vlan.subnet).into_iter().collect(),
            "alias" => {
                self.specs.alias.get(name).map_or_else(Vec::new, |alias| alias.addresses.clone())
            }
            _ => range(end).into_iter().collect(),
        }
    }
}
