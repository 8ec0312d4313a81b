//! Rules of tunnels: each peer has a key and an address of its own.

use std::collections::BTreeMap;

use super::{Checker, at};
use crate::kinds::Vpn;
use crate::{Address, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    for (name, vpn) in &checker.specs.vpn {
        let from = Address::new(Kind::Vpn, &**name);
        inside(checker, &from, vpn);
        once(checker, &from, vpn);
    }
}

/// A peer's address is one of the tunnel's that is free for peers.
fn inside(checker: &mut Checker<'_>, from: &Address, vpn: &Vpn) {
    let net = vpn.subnet.net();
    let gateway = net.hosts().next();
    for (name, peer) in &vpn.peers {
        let address = peer.address;
        let why = if !net.contains(&address) {
            format!("which is not in `{}`", vpn.subnet)
        } else if Some(address) == gateway {
            "which the firewall has".to_owned()
        } else if address == net.network() || address == net.broadcast() {
            "which nobody can have".to_owned()
        } else {
            continue;
        };
        let message = format!("peer `{name}` of `{from}` has {address}, {why}");
        let path = at!["peers", name, "address"];
        let finding = checker.find(Code::PeerAddress, from.clone(), path, message);
        finding.also(from.clone(), at!["subnet"], "");
        let last = net.hosts().next_back().filter(|last| Some(*last) != gateway);
        finding.hint = gateway.zip(last).map(|(first, last)| {
            let first = std::net::Ipv4Addr::from(u32::from(first) + 1);
            format!("use one from {first} to {last}")
        });
    }
}

/// No two peers have the same address, or the same key.
fn once(checker: &mut Checker<'_>, from: &Address, vpn: &Vpn) {
    let (mut addresses, mut keys) = (BTreeMap::new(), BTreeMap::new());
    for (name, peer) in &vpn.peers {
        if let Some(other) = addresses.insert(peer.address, name) {
            let message =
                format!("peers `{name}` and `{other}` of `{from}` both have {}", peer.address);
            let path = at!["peers", name, "address"];
            let finding = checker.find(Code::PeerAddress, from.clone(), path, message);
            finding.also(from.clone(), at!["peers", other, "address"], "used here too");
        }
        if let Some(other) = keys.insert(&peer.public_key, name) {
            let message = format!("peers `{name}` and `{other}` of `{from}` have the same key");
            let path = at!["peers", name, "public_key"];
            let finding = checker.find(Code::PeerKeyTwice, from.clone(), path, message);
            finding.also(from.clone(), at!["peers", other, "public_key"], "used here too");
            finding.hint =
                Some("the firewall tells peers apart by their keys; make one for each".into());
        }
    }
}
