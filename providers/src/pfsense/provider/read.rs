//! Objects as bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use lessor_plans::{
    AliasBody, Body, DhcpBody, ForwardBody, InterfaceBody, MappingBody, OutboundBody, PeerBody,
    PublicAddressBody, RuleBody, TunnelBody, VlanBody,
};
use lessor_specs::kinds::{Direction, RuleAction, RuleProtocol};
use lessor_specs::{Cidr, PortRange};

use super::estate::{AddressParts, Estate, RuleParts, TunnelParts, VlanParts};
use super::keys::{Note, public_half};
use super::wiring::Wiring;
use crate::Secrets;
use crate::pfsense::{
    Alias, DhcpServer, OneToOne, OutboundMapping, OutboundMode, Peer, PortForward, Rule,
    StaticMapping, Subnet, VirtualIp, Vlan,
};

/// How deep aliases may stand in aliases. pfSense itself has no limit, and people none either.
const DEPTH_MAX: usize = 8;

/// A VLAN, and the interface on it if it has a fixed address. One whose changes are not applied
/// does not work yet.
pub(super) fn vlan(estate: &Estate<'_>, name: &str, parts: &VlanParts<'_>) -> Body {
    let VlanParts { vlan: Vlan { port, tag, .. }, interface, dhcp } = parts;
    let pending = estate.world.pending.as_ref();
    let interface = interface.and_then(|interface| {
        let is_pending = pending.is_ok_and(|pending| pending.contains(&interface.id));
        Some(InterfaceBody {
            title: interface.descr.clone(),
            address: interface.ipaddr.as_ref()?.parse().ok()?,
            prefix: interface.subnet?,
            enabled: interface.enable && !is_pending,
            dhcp: dhcp.and_then(self::dhcp),
        })
    });
    Body::Vlan(VlanBody { name: name.into(), parent: port.clone(), tag: *tag, interface })
}

/// A DHCP server that works.
fn dhcp(server: &DhcpServer) -> Option<DhcpBody> {
    let end = |text: &str| text.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
    server.enable.then(|| DhcpBody {
        first: end(&server.range_from),
        last: end(&server.range_to),
        open: server.denyunknown.is_none(),
    })
}

/// What a guest is told when it asks.
pub(super) fn mapping(
    estate: &Estate<'_>,
    name: &str,
    mapping: &StaticMapping,
) -> Result<Body, String> {
    let address = mapping.ipaddr.as_deref().unwrap_or("none");
    let address = address.parse().map_err(|_| format!("its address is `{address}`"));
    Ok(Body::Mapping(MappingBody {
        name: name.into(),
        interface: estate.wiring.shown(&mapping.interface),
        mac: mapping.mac.clone(),
        address: address?,
        hostname: mapping.hostname.clone().unwrap_or_default(),
    }))
}

/// Another source for packets that leave. Where ours do not count, it is off.
pub(super) fn outbound(
    estate: &Estate<'_>,
    name: &str,
    mapping: &OutboundMapping,
) -> Result<Body, String> {
    let wiring = &estate.wiring;
    let mode = estate.world.outbound_mode.as_ref().copied().unwrap_or_default();
    let from = mapping.source_port.as_ref().map(|ports| format!("port {ports}"));
    let to = mapping.destination_port.as_ref().map(|ports| format!("port {ports}"));
    let kept = mapping.nonat.then(|| "keeps its source".to_owned());
    let source = besides(shown_range(&wiring.shown(&mapping.source)), [from, kept, None]);
    let destination = shown_range(&wiring.shown(&mapping.destination));
    let protocol = mapping.protocol.clone();
    Ok(Body::Outbound(OutboundBody {
        name: name.into(),
        interface: wiring.shown(&mapping.interface),
        source,
        destination: besides(destination, [to, protocol, None]),
        target: target_of(mapping)?,
        enabled: !mapping.disabled && matches!(mode, OutboundMode::Hybrid | OutboundMode::Advanced),
    }))
}

/// One address is a range of one, however it is written.
fn shown_range(text: &str) -> String {
    text.strip_suffix("/32").unwrap_or(text).to_owned()
}

/// `None` is the address of the interface at which packets leave.
fn target_of(mapping: &OutboundMapping) -> Result<Option<Cidr>, String> {
    let own = format!("{}:ip", mapping.interface);
    let Some(target) = mapping.target.as_deref().filter(|target| *target != own) else {
        return Ok(None);
    };
    let odd = || format!("its target is `{target}`");
    let address: Ipv4Addr = target.parse().map_err(|_| odd())?;
    let prefix = mapping.target_subnet.map_or(32, |prefix| prefix.min(32));
    let net = ipnet::Ipv4Net::new(address, prefix).map_err(|_| odd())?;
    Ok(Some(Cidr::new(net.trunc())))
}

/// An alias; an empty one where anything in it is no range of addresses.
pub(super) fn alias(alias: &Alias) -> Body {
    let entries = alias.address.iter().map(|entry| match entry.parse::<Ipv4Addr>() {
        Ok(address) => Some(Cidr::new(address.into())),
        Err(_) => entry.parse().ok(),
    });
    let addresses: Option<BTreeSet<Cidr>> = entries.collect();
    Body::Alias(AliasBody { name: alias.name.clone(), addresses: addresses.unwrap_or_default() })
}

/// A rule, and what is known of one that is half there.
pub(super) fn rule(estate: &Estate<'_>, name: &str, parts: &RuleParts<'_>) -> Result<Body, String> {
    let Some(rule) = parts.rule else { return Ok(half_a_rule(name, parts.ports)) };
    let action = match rule.action.as_str() {
        "pass" => RuleAction::Pass,
        "block" => RuleAction::Block,
        "reject" => RuleAction::Reject,
        other => return Err(format!("its action is `{other}`")),
    };
    let (protocol, odd_protocol) = protocol(rule.protocol.as_deref());
    let told = ports(estate, rule.destination_port.as_deref());
    let family = (rule.ipprotocol != "inet").then(|| rule.ipprotocol.clone());
    let from = rule.source_port.as_ref().map(|ports| format!("port {ports}"));
    let source = estate.wiring.shown(&rule.source);
    Ok(Body::Rule(RuleBody {
        name: name.into(),
        interface: interface_of(rule, &estate.wiring),
        direction: if rule.floating { Direction::Out } else { Direction::In },
        protocol,
        source: besides(source, [from, family, odd_protocol]),
        destination: estate.wiring.shown(&rule.destination),
        // One whose ports cannot be told fits no packet.
        enabled: !rule.disabled && told.is_some(),
        ports: told.unwrap_or_default(),
        action,
        log: rule.log,
        after: Some(parts.after.clone()),
    }))
}

/// The alias of its ports alone.
fn half_a_rule(name: &str, alias: Option<&Alias>) -> Body {
    let entries = alias.map(|alias| alias.address.as_slice()).unwrap_or_default();
    Body::Rule(RuleBody {
        name: name.into(),
        interface: String::new(),
        direction: Direction::In,
        protocol: RuleProtocol::Any,
        source: String::new(),
        destination: String::new(),
        ports: entries.iter().filter_map(|entry| range(entry)).collect(),
        action: RuleAction::Block,
        log: false,
        enabled: false,
        after: None,
    })
}

/// Where a rule looks, and how, where that is not as ours do.
pub(super) fn interface_of(rule: &Rule, wiring: &Wiring) -> String {
    let shown: Vec<String> = rule.interface.iter().map(|id| wiring.shown(id)).collect();
    let direction = rule.direction.as_deref().unwrap_or("any");
    let way = (rule.floating && direction != "out").then(|| format!("direction {direction}"));
    let late = (rule.floating && !rule.quick).then(|| "not at once".to_owned());
    besides(shown.join(","), [way, late, None])
}

fn besides(text: String, said: [Option<String>; 3]) -> String {
    said.into_iter().flatten().fold(text, |text, said| format!("{text} ({said})"))
}

/// What it is about, and in words what no body can say.
fn protocol(wired: Option<&str>) -> (RuleProtocol, Option<String>) {
    match wired {
        None | Some("any") => (RuleProtocol::Any, None),
        Some("tcp") => (RuleProtocol::Tcp, None),
        Some("udp") => (RuleProtocol::Udp, None),
        Some("tcp/udp") => (RuleProtocol::TcpUdp, None),
        Some("icmp") => (RuleProtocol::Icmp, None),
        Some(other) => (RuleProtocol::Any, Some(other.to_owned())),
    }
}

/// The ports behind `443`, `8000:8010` or the name of an alias; `None` when nobody can tell.
fn ports(estate: &Estate<'_>, wired: Option<&str>) -> Option<Vec<PortRange>> {
    let Some(wired) = wired else { return Some(Vec::new()) };
    let aliases = estate.world.aliases.as_deref().unwrap_or_default();
    let mut ports = Vec::new();
    spread(aliases, wired, DEPTH_MAX, &mut ports).then_some(ports)
}

fn spread(aliases: &[Alias], wired: &str, depth: usize, ports: &mut Vec<PortRange>) -> bool {
    if let Some(range) = range(wired) {
        ports.push(range);
        return true;
    }
    let found = aliases.iter().find(|alias| alias.name == wired && depth > 0);
    let inside = found.map(|alias| alias.address.as_slice()).unwrap_or_default();
    !inside.is_empty() && inside.iter().all(|entry| spread(aliases, entry, depth - 1, ports))
}

fn range(wired: &str) -> Option<PortRange> {
    let (first, last) = wired.split_once(':').unwrap_or((wired, wired));
    PortRange::new(first.parse().ok()?, last.parse().ok()?)
}

/// A port forward.
pub(super) fn forward(
    estate: &Estate<'_>,
    name: &str,
    forward: &PortForward,
) -> Result<Body, String> {
    let (protocol, odd_protocol) = protocol(Some(&forward.protocol));
    let number = |wired: &Option<String>| wired.as_deref().and_then(|port| port.parse().ok());
    let target = forward.target.parse();
    let target = target.map_err(|_| format!("its target is `{}`", forward.target))?;
    let port = number(&forward.destination_port);
    let ports = forward.destination_port.as_deref().unwrap_or("any");
    let odd_port = port.is_none().then(|| format!("ports {ports}"));
    let to = (forward.destination != format!("{}:ip", forward.interface))
        .then(|| format!("to {}", estate.wiring.shown(&forward.destination)));
    let family = (forward.ipprotocol != "inet").then(|| forward.ipprotocol.clone());
    let from = forward.source_port.as_ref().map(|ports| format!("port {ports}"));
    let source = estate.wiring.shown(&forward.source);
    Ok(Body::Forward(ForwardBody {
        name: name.into(),
        interface: besides(estate.wiring.shown(&forward.interface), [to, odd_port, None]),
        protocol,
        source: besides(source, [from, family, odd_protocol]),
        port: port.unwrap_or_default(),
        target,
        target_port: number(&forward.local_port).unwrap_or_default(),
        enabled: !forward.disabled,
    }))
}

/// A public address. Without its virtual IP it is at no interface, without the mapping it leads
/// nowhere.
pub(super) fn address(estate: &Estate<'_>, name: &str, parts: AddressParts<'_>) -> Body {
    let wiring = &estate.wiring;
    let interface = parts.virtual_ip.map(|ip| {
        let odd = (!is_plain(ip)).then(|| format!("{} /{}", ip.mode, ip.subnet_bits));
        let mapping = parts.mapping.filter(|mapping| mapping.interface != ip.interface);
        let apart = mapping.map(|mapping| format!("NAT at {}", wiring.shown(&mapping.interface)));
        let to = parts.mapping.filter(|mapping| mapping.destination != "any");
        let to = to.map(|mapping| format!("for {}", wiring.shown(&mapping.destination)));
        besides(wiring.shown(&ip.interface), [odd, apart, to])
    });
    let counts = |mapping: &OneToOne| !mapping.disabled && !mapping.nobinat;
    Body::PublicAddress(PublicAddressBody {
        name: name.into(),
        interface: interface.unwrap_or_default(),
        target: parts.mapping.and_then(|mapping| mapping.source.parse().ok()),
        enabled: parts.mapping.is_some_and(counts),
    })
}

/// Whether it is one address, and a firewall answers for it.
pub(super) fn is_plain(ip: &VirtualIp) -> bool {
    ip.mode == "ipalias" && ip.subnet_bits == 32
}

/// A tunnel, and who may use it.
pub(super) fn tunnel(
    estate: &Estate<'_>,
    secrets: &Secrets,
    name: &str,
    parts: &TunnelParts<'_>,
) -> Body {
    let own = parts.tunnel.map(|tunnel| tunnel.name.as_str()).unwrap_or_default();
    let called = parts.peers.iter();
    let peers: BTreeMap<String, PeerBody> = called
        .filter(|(_, (peer, _))| peer.enabled && peer.tun == own)
        .map(|(called, (peer, note))| (called.clone(), self::peer(peer, note)))
        .collect();
    let Some(tunnel) = parts.tunnel else {
        return Body::Tunnel(TunnelBody {
            name: name.into(),
            port: 0,
            address: Ipv4Addr::UNSPECIFIED,
            prefix: 0,
            private_key: None,
            peers,
            enabled: false,
        });
    };
    let only = match tunnel.addresses.as_slice() {
        [one] => one.address.parse().ok().map(|address| (address, one.mask)),
        _ => None,
    };
    let (address, prefix) = only.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
    // What cannot be had cannot be compared, and is taken for what was written.
    let written = Note::of(&tunnel.descr).key.filter(|key| {
        let value = secrets.get(key).ok();
        value.is_none_or(|value| public_half(value).as_ref() == Some(&tunnel.publickey))
    });
    Body::Tunnel(TunnelBody {
        name: name.into(),
        port: tunnel.listenport,
        address,
        prefix,
        private_key: written,
        peers,
        enabled: tunnel.enabled && estate.world.wireguard.as_ref().is_ok_and(|works| *works),
    })
}

fn peer(peer: &Peer, note: &Note) -> PeerBody {
    let only = match peer.allowedips.as_slice() {
        [Subnet { address, mask: 32, .. }] => address.parse().ok(),
        _ => None,
    };
    PeerBody {
        public_key: peer.publickey.clone(),
        address: only.unwrap_or(Ipv4Addr::UNSPECIFIED),
        preshared_key: note.key.clone(),
        version: note.version,
    }
}
