//! Objects put together to the things they are parts of, with whose each is.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use lessor_plans::{InstallationId, Mark, MarkError, Oddity};
use lessor_specs::Address;

use super::adopt::{Adopting, forward_id};
use super::keys::Note;
use super::whose::{Own, Sort};
use super::wiring::Wiring;
use super::world::World;
use crate::pfsense::{
    Alias, CallError, DhcpServer, Interface, Object, OneToOne, OutboundMapping, Peer, PortForward,
    Rule, StaticMapping, Tunnel, VirtualIp, Vlan,
};
use crate::seen::why_not;

/// All that is there.
pub(super) struct Estate<'w> {
    pub(super) world: &'w World,
    pub(super) wiring: Wiring,
    pub(super) vlans: Sort<VlanParts<'w>>,
    pub(super) aliases: Sort<&'w Alias>,
    pub(super) rules: Sort<RuleParts<'w>>,
    pub(super) forwards: Sort<&'w PortForward>,
    pub(super) addresses: Sort<AddressParts<'w>>,
    pub(super) mappings: Sort<&'w StaticMapping>,
    pub(super) outbound: Sort<&'w OutboundMapping>,
    pub(super) tunnels: Sort<TunnelParts<'w>>,
    /// What carries our mark and is not ours.
    pub(super) oddities: Vec<Oddity>,
}

/// A VLAN, the interface on it, and the DHCP server of that.
#[derive(Clone, Copy)]
pub(super) struct VlanParts<'w> {
    pub(super) vlan: &'w Vlan,
    pub(super) interface: Option<&'w Interface>,
    pub(super) dhcp: Option<&'w DhcpServer>,
}

/// A rule, the alias of its ports, and the last rule of ours before it on its interface.
#[derive(Default)]
pub(super) struct RuleParts<'w> {
    pub(super) rule: Option<&'w Rule>,
    pub(super) ports: Option<&'w Alias>,
    pub(super) after: String,
}

/// A public address.
#[derive(Clone, Copy, Default)]
pub(super) struct AddressParts<'w> {
    pub(super) virtual_ip: Option<&'w VirtualIp>,
    pub(super) mapping: Option<&'w OneToOne>,
}

/// A tunnel, and its peers by what they are called.
#[derive(Default)]
pub(super) struct TunnelParts<'w> {
    pub(super) tunnel: Option<&'w Tunnel>,
    pub(super) peers: BTreeMap<String, (&'w Peer, Note)>,
}

/// The name of the alias that holds the ports of a rule.
pub(super) fn ports_alias(tracker: &str) -> String {
    format!("ports_{tracker}")
}

impl<'w> Estate<'w> {
    /// Puts together what was read.
    pub(super) fn of(world: &'w World, installation: &InstallationId, adopting: &Adopting) -> Self {
        let mut estate = Estate {
            wiring: Wiring::of(world, installation, adopting),
            vlans: Sort::new(lack([
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
                world.pending.as_ref().err(),
                world.dhcp_servers.as_ref().err(),
            ])),
            aliases: Sort::new(world.aliases.as_ref().err().cloned()),
            rules: Sort::new(lack([
                world.rules.as_ref().err(),
                world.aliases.as_ref().err(),
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
            ])),
            forwards: Sort::new(lack([
                world.port_forwards.as_ref().err(),
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
                None,
            ])),
            addresses: Sort::new(lack([
                world.virtual_ips.as_ref().err(),
                world.one_to_ones.as_ref().err(),
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
            ])),
            mappings: Sort::new(lack([
                world.static_mappings.as_ref().err(),
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
                None,
            ])),
            outbound: Sort::new(lack([
                world.outbound_mappings.as_ref().err(),
                world.outbound_mode.as_ref().err(),
                world.vlans.as_ref().err(),
                world.interfaces.as_ref().err(),
            ])),
            tunnels: Sort::new(lack([
                world.tunnels.as_ref().err(),
                world.peers.as_ref().err(),
                world.wireguard.as_ref().err(),
                None,
            ])),
            oddities: Vec::new(),
            world,
        };
        estate.add_vlans(installation, adopting);
        estate.add_aliases(installation, adopting);
        estate.add_rules(installation, adopting);
        estate.add_forwards(installation, adopting);
        estate.add_addresses(installation);
        estate.add_mappings(installation);
        estate.add_outbound(installation);
        estate.add_tunnels(installation);
        estate
    }

    /// The addresses in the marks of all that is ours.
    pub(super) fn addresses(&self) -> BTreeSet<&Address> {
        fn of<P>(sort: &Sort<P>) -> impl Iterator<Item = &Address> {
            sort.ours.values().map(|own| &own.mark.address)
        }
        let all = of(&self.vlans).chain(of(&self.aliases)).chain(of(&self.rules));
        all.chain(of(&self.forwards)).collect()
    }

    fn add_vlans(&mut self, installation: &InstallationId, adopting: &Adopting) {
        let interfaces = self.world.interfaces.as_deref().unwrap_or_default();
        let interfaces: BTreeMap<&str, &Interface> =
            interfaces.iter().rev().map(|interface| (&*interface.port, interface)).collect();
        let servers = self.world.dhcp_servers.as_deref().unwrap_or_default();
        let servers: BTreeMap<&str, &DhcpServer> =
            servers.iter().map(|server| (&*server.interface, server)).collect();
        for vlan in self.world.vlans.as_deref().unwrap_or_default() {
            let name = vlan.key().to_string();
            let interface = interfaces.get(&*vlan.device).copied();
            let dhcp = interface.and_then(|interface| servers.get(&*interface.id).copied());
            let parts = VlanParts { vlan, interface, dhcp };
            if let Some(mark) = adopting.mark("vlan", &name, &vlan.descr, installation) {
                adopt(&mut self.vlans, mark, name, parts);
                continue;
            }
            let mark = Mark::from_text(&vlan.descr, installation, &name);
            let odd = &mut self.oddities;
            if let Some(mark) = sorted(&mut self.vlans, odd, "VLAN", &name, mark) {
                put(&mut self.vlans, mark, parts);
            }
        }
    }

    fn add_aliases(&mut self, installation: &InstallationId, adopting: &Adopting) {
        for alias in self.world.aliases.as_deref().unwrap_or_default() {
            if let Some(mark) = mark_of_ports(alias, installation) {
                self.rules.own(mark, RuleParts::default).parts.ports = Some(alias);
                continue;
            }
            if let Some(mark) = adopting.mark("alias", &alias.name, &alias.descr, installation) {
                adopt(&mut self.aliases, mark, alias.name.clone(), alias);
                continue;
            }
            let mark = Mark::from_text(&alias.descr, installation, &alias.name);
            let odd = &mut self.oddities;
            if let Some(mark) = sorted(&mut self.aliases, odd, "alias", &alias.name, mark) {
                put(&mut self.aliases, mark, alias);
            }
        }
    }

    fn add_rules(&mut self, installation: &InstallationId, adopting: &Adopting) {
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        for rule in self.world.rules.as_deref().unwrap_or_default() {
            let name = rule.tracker.to_string();
            let adopted = adopting.mark("rule", &name, &rule.descr, installation);
            let id = adopted.is_some().then(|| name.clone());
            let mark = Mark::from_text(&rule.descr, installation, &name);
            let mark = adopted
                .or_else(|| sorted(&mut self.rules, &mut self.oddities, "rule", &name, mark));
            let Some(mark) = mark else { continue };
            let interface = super::read::interface_of(rule, &self.wiring);
            let after = last.insert(interface, name).unwrap_or_default();
            let own = self.rules.own(mark, RuleParts::default);
            own.is_double |= own.parts.rule.is_some();
            own.adopted = id;
            (own.parts.rule, own.parts.after) = (Some(rule), after);
        }
    }

    fn add_forwards(&mut self, installation: &InstallationId, adopting: &Adopting) {
        for forward in self.world.port_forwards.as_deref().unwrap_or_default() {
            let id = forward_id(&self.wiring, &forward.interface, port_of(forward));
            if let Some(mark) = adopting.mark("port forward", &id, &forward.descr, installation) {
                adopt(&mut self.forwards, mark, id, forward);
                continue;
            }
            let name = Mark::name_in(&forward.descr).unwrap_or_default();
            let mark = Mark::from_text(&forward.descr, installation, name);
            let shown = format!("{} port {}", forward.interface, port_of(forward));
            let odd = &mut self.oddities;
            if let Ok(mark) = noted(odd, "port forward", &shown, mark) {
                put(&mut self.forwards, mark, forward);
            }
        }
    }

    fn add_addresses(&mut self, installation: &InstallationId) {
        let (sort, odd) = (&mut self.addresses, &mut self.oddities);
        for ip in self.world.virtual_ips.as_deref().unwrap_or_default() {
            let mark = Mark::from_text(&ip.descr, installation, &ip.subnet);
            if let Some(mark) = sorted(sort, odd, "virtual IP", &ip.subnet, mark) {
                let own = sort.own(mark, AddressParts::default);
                own.is_double |= own.parts.virtual_ip.is_some();
                own.parts.virtual_ip = Some(ip);
            }
        }
        for mapping in self.world.one_to_ones.as_deref().unwrap_or_default() {
            let mark = Mark::from_text(&mapping.descr, installation, &mapping.external);
            let what = "1:1 NAT mapping";
            if let Some(mark) = sorted(sort, odd, what, &mapping.external, mark) {
                let own = sort.own(mark, AddressParts::default);
                own.is_double |= own.parts.mapping.is_some();
                own.parts.mapping = Some(mapping);
            }
        }
    }

    fn add_mappings(&mut self, installation: &InstallationId) {
        for mapping in self.world.static_mappings.as_deref().unwrap_or_default() {
            let name = format!("{}/{}", self.wiring.shown(&mapping.interface), mapping.mac);
            let mark = Mark::from_text(&mapping.descr, installation, &name);
            let odd = &mut self.oddities;
            if let Some(mark) = sorted(&mut self.mappings, odd, "static mapping", &name, mark) {
                put(&mut self.mappings, mark, mapping);
            }
        }
    }

    fn add_outbound(&mut self, installation: &InstallationId) {
        for mapping in self.world.outbound_mappings.as_deref().unwrap_or_default() {
            let name = Mark::name_in(&mapping.descr).unwrap_or_default();
            let mark = Mark::from_text(&mapping.descr, installation, name);
            let shown = format!("{} of {}", mapping.interface, mapping.source);
            let odd = &mut self.oddities;
            if let Ok(mark) = noted(odd, "outbound NAT mapping", &shown, mark) {
                put(&mut self.outbound, mark, mapping);
            }
        }
    }

    fn add_tunnels(&mut self, installation: &InstallationId) {
        let (sort, odd) = (&mut self.tunnels, &mut self.oddities);
        for tunnel in self.world.tunnels.as_deref().unwrap_or_default() {
            let name = Mark::name_in(&tunnel.descr).unwrap_or_default();
            let mark = Mark::from_text(&tunnel.descr, installation, name);
            if let Ok(mark) = noted(odd, "WireGuard tunnel", &tunnel.name, mark) {
                let own = sort.own(mark, TunnelParts::default);
                own.is_double |= own.parts.tunnel.is_some();
                own.parts.tunnel = Some(tunnel);
            }
        }
        for peer in self.world.peers.as_deref().unwrap_or_default() {
            let name = Mark::name_in(&peer.descr).unwrap_or_default();
            let mark = Mark::from_text(&peer.descr, installation, name);
            let Ok(mark) = noted(odd, "WireGuard peer", &peer.publickey, mark) else { continue };
            let note = Note::of(&peer.descr);
            let Some(called) = note.peer.clone() else {
                let thing = format!("WireGuard peer `{}`", peer.publickey);
                odd.push(Oddity { thing, why: "its mark does not say what it is called".into() });
                continue;
            };
            let own = sort.own(mark, TunnelParts::default);
            own.is_double |= own.parts.peers.insert(called, (peer, note)).is_some();
        }
    }
}

/// The port at which a port forward takes packets, in words.
pub(super) fn port_of(forward: &PortForward) -> &str {
    forward.destination_port.as_deref().unwrap_or("any")
}

/// The first reason.
fn lack(errors: [Option<&CallError>; 4]) -> Option<CallError> {
    errors.into_iter().flatten().next().cloned()
}

/// Adds a thing that is one object.
fn put<P>(sort: &mut Sort<P>, mark: Mark, parts: P) {
    match sort.ours.entry(mark.name.clone()) {
        Entry::Occupied(mut own) => own.get_mut().is_double = true,
        Entry::Vacant(free) => {
            free.insert(Own { mark, parts, is_double: false, adopted: None });
        }
    }
}

/// Adds a thing that is one object, has no mark yet, and is adopted.
fn adopt<P>(sort: &mut Sort<P>, mark: Mark, id: String, parts: P) {
    let name = mark.name.clone();
    put(sort, mark, parts);
    if let Some(own) = sort.ours.get_mut(&name) {
        own.adopted = Some(id);
    }
}

/// The mark of a thing, if it is ours; whoever else has the name is noted.
fn sorted<P>(
    sort: &mut Sort<P>,
    odd: &mut Vec<Oddity>,
    what: &str,
    name: &str,
    mark: Result<Mark, MarkError>,
) -> Option<Mark> {
    match noted(odd, what, name, mark) {
        Ok(mark) => Some(mark),
        Err(error) => {
            sort.others.insert(name.to_owned(), why_not(&error));
            None
        }
    }
}

/// The mark of a thing, if it is ours; one that ought to be and is not is noted as odd.
fn noted(
    odd: &mut Vec<Oddity>,
    what: &str,
    name: &str,
    mark: Result<Mark, MarkError>,
) -> Result<Mark, MarkError> {
    if let Err(error @ (MarkError::Copied { .. } | MarkError::Unreadable)) = &mark {
        odd.push(Oddity { thing: format!("{what} `{name}`"), why: why_not(error) });
    }
    mark
}

/// The mark on an alias that holds the ports of a rule.
fn mark_of_ports(alias: &Alias, installation: &InstallationId) -> Option<Mark> {
    let tracker = Mark::name_in(&alias.descr)?;
    if alias.name != ports_alias(tracker) {
        return None;
    }
    Mark::from_text(&alias.descr, installation, tracker).ok()
}
