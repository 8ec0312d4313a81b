//! Rules of what entries were called before.

use std::collections::BTreeMap;

use super::{Checker, at};
use crate::{Address, Code, Kind, Specs};

pub(super) fn check(checker: &mut Checker<'_>) {
    let mut claimed: BTreeMap<&Address, (Address, usize)> = BTreeMap::new();
    for (from, moved) in renamed(checker.specs) {
        for (index, old) in moved.iter().enumerate() {
            checker.old_address(&from, index, old);
            if let Some((other, first)) = claimed.insert(old, (from.clone(), index)) {
                let message = format!("`{from}` and `{other}` both say they were `{old}`");
                let path = at!["moved", index];
                let finding = checker.find(Code::MovedTwice, from.clone(), path, message);
                finding.also(other, at!["moved", first], "said here too");
            }
        }
    }
}

/// Every entry of a kind that can be renamed, with the addresses it had.
fn renamed(specs: &Specs) -> impl Iterator<Item = (Address, &Vec<Address>)> {
    let networks = specs.network.iter().map(|(n, e)| (Kind::Network, n, &e.moved));
    let volumes = specs.volume.iter().map(|(n, e)| (Kind::Volume, n, &e.moved));
    let containers = specs.container.iter().map(|(n, e)| (Kind::Container, n, &e.moved));
    let vlans = specs.vlan.iter().map(|(n, e)| (Kind::Vlan, n, &e.moved));
    let aliases = specs.alias.iter().map(|(n, e)| (Kind::Alias, n, &e.moved));
    let rules = specs.firewall_rule.iter().map(|(n, e)| (Kind::FirewallRule, n, &e.moved));
    let forwards = specs.port_forward.iter().map(|(n, e)| (Kind::PortForward, n, &e.moved));
    let outbound = specs.outbound_nat.iter().map(|(n, e)| (Kind::OutboundNat, n, &e.moved));
    let tunnels = specs.vpn.iter().map(|(n, e)| (Kind::Vpn, n, &e.moved));
    let pools = specs.pool.iter().map(|(n, e)| (Kind::Pool, n, &e.moved));
    let instances = specs.instance.iter().map(|(n, e)| (Kind::Instance, n, &e.moved));
    let on_hosts = networks.chain(volumes).chain(containers).chain(pools);
    let on_firewalls =
        vlans.chain(aliases).chain(rules).chain(forwards).chain(outbound).chain(tunnels);
    let all = on_hosts.chain(on_firewalls).chain(instances);
    let moved = all.filter(|(.., moved)| !moved.is_empty());
    moved.map(|(kind, name, moved)| (Address::new(kind, &**name), moved))
}

impl Checker<'_> {
    /// An old address is of the same kind and no longer declared.
    fn old_address(&mut self, from: &Address, index: usize, old: &Address) {
        let path = at!["moved", index];
        if old.kind() != from.kind() {
            let message = format!("`{from}` cannot have been `{old}`, which is another kind");
            self.find(Code::MovedKind, from.clone(), path, message);
        } else if self.knows(old.kind(), old.name()) {
            let message = format!("`{from}` says it was `{old}`, which is still declared");
            let finding = self.find(Code::MovedDeclared, from.clone(), path, message);
            finding.also(old.clone(), Vec::new(), "declared here");
            finding.hint = Some("remove one of the two".into());
        }
    }
}
