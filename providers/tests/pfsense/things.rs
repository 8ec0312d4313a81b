//! Things to try the provider with.

use std::net::Ipv4Addr;

use lessor_plans::{
    AliasBody, Body, DhcpBody, ForwardBody, InterfaceBody, MappingBody, OutboundBody, PeerBody,
    PublicAddressBody, RuleBody, TunnelBody, VlanBody,
};
use lessor_specs::kinds::{Direction, RuleAction, RuleProtocol};
use lessor_specs::{Address, SecretRef};

use crate::world::key;

/// A wish, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) address: Address,
    pub(crate) body: Body,
}

fn thing(address: &str, body: Body) -> Thing {
    Thing { address: address.parse().unwrap(), body }
}

pub(crate) fn vlan() -> Thing {
    let interface = InterfaceBody {
        title: "mgmt".into(),
        address: Ipv4Addr::new(10, 20, 0, 1),
        prefix: 24,
        enabled: true,
        dhcp: None,
    };
    let (name, parent) = ("vtnet3.20".to_owned(), "vtnet3".to_owned());
    let body = VlanBody { name, parent, tag: 20, interface: Some(interface) };
    thing("vlan.mgmt", Body::Vlan(body))
}

pub(crate) fn bare_vlan() -> Thing {
    let (name, parent) = ("vtnet3.30".to_owned(), "vtnet3".to_owned());
    let body = VlanBody { name, parent, tag: 30, interface: None };
    thing("vlan.bare", Body::Vlan(body))
}

/// A VLAN on which guests ask for their addresses.
pub(crate) fn asked_vlan() -> Thing {
    let spare = Ipv4Addr::new(10, 100, 0, 14);
    let interface = InterfaceBody {
        title: "customers_acme".into(),
        address: Ipv4Addr::new(10, 100, 0, 1),
        prefix: 28,
        enabled: true,
        dhcp: Some(DhcpBody { first: spare, last: spare, open: false }),
    };
    let (name, parent) = ("vtnet3.40".to_owned(), "vtnet3".to_owned());
    let body = VlanBody { name, parent, tag: 40, interface: Some(interface) };
    thing("vlan_range.customers/acme", Body::Vlan(body))
}

/// What a guest on that VLAN is told.
pub(crate) fn mapping() -> Thing {
    let mac = "02:1b:9c:00:11:22";
    let body = MappingBody {
        name: format!("vtnet3.40/{mac}"),
        interface: "vtnet3.40".into(),
        mac: mac.into(),
        address: Ipv4Addr::new(10, 100, 0, 2),
        hostname: "web".into(),
    };
    thing("vlan_range.customers/acme/web", Body::Mapping(body))
}

/// Packets of an alias that is there leave as another address.
pub(crate) fn outbound() -> Thing {
    let body = OutboundBody {
        name: "tenants".into(),
        interface: "wan".into(),
        source: "office".into(),
        destination: "any".into(),
        target: Some("203.0.113.62/32".parse().unwrap()),
        enabled: true,
    };
    thing("outbound_nat.tenants", Body::Outbound(body))
}

pub(crate) fn alias() -> Thing {
    let addresses = ["10.1.0.0/16", "192.0.2.7/32"].map(|text| text.parse().unwrap()).into();
    thing("alias.office", Body::Alias(AliasBody { name: "office".into(), addresses }))
}

/// A rule on `wan`, of this tracker.
pub(crate) fn rule(tracker: u32) -> Thing {
    let body = RuleBody {
        name: tracker.to_string(),
        interface: "wan".into(),
        direction: Direction::In,
        protocol: RuleProtocol::Tcp,
        source: "any".into(),
        destination: "192.0.2.9".into(),
        ports: vec!["443".parse().unwrap()],
        action: RuleAction::Pass,
        log: false,
        enabled: true,
        after: None,
    };
    thing(&format!("firewall_rule.r{tracker}"), Body::Rule(body))
}

/// A rule that asks for everything, on a VLAN and of an alias that are there.
pub(crate) fn full_rule() -> Thing {
    let body = RuleBody {
        name: "4001".into(),
        interface: "vtnet3.20".into(),
        direction: Direction::In,
        protocol: RuleProtocol::TcpUdp,
        source: "office".into(),
        destination: "vtnet3.20".into(),
        ports: ["53", "8000-8010"].map(|text| text.parse().unwrap()).into(),
        action: RuleAction::Reject,
        log: true,
        enabled: false,
        after: None,
    };
    thing("firewall_rule.full", Body::Rule(body))
}

pub(crate) fn leaving_rule() -> Thing {
    let body = RuleBody {
        name: "4002".into(),
        interface: "wan".into(),
        direction: Direction::Out,
        protocol: RuleProtocol::Icmp,
        source: "(self)".into(),
        destination: "198.51.100.0/24".into(),
        ports: Vec::new(),
        action: RuleAction::Block,
        log: false,
        enabled: true,
        after: None,
    };
    thing("firewall_rule.leaving", Body::Rule(body))
}

pub(crate) fn forward() -> Thing {
    let body = ForwardBody {
        name: "web".into(),
        interface: "wan".into(),
        protocol: RuleProtocol::Tcp,
        source: "198.51.100.0/24".into(),
        port: 443,
        target: Ipv4Addr::new(192, 168, 1, 10),
        target_port: 8443,
        enabled: true,
    };
    thing("port_forward.web", Body::Forward(body))
}

pub(crate) fn public_address() -> Thing {
    let body = PublicAddressBody {
        name: "203.0.113.5".into(),
        interface: "wan".into(),
        target: Some(Ipv4Addr::new(10, 20, 0, 5)),
        enabled: true,
    };
    thing("address_pool.v4/acme/web", Body::PublicAddress(body))
}

pub(crate) fn secret(name: &str) -> SecretRef {
    SecretRef::File(format!("{name}.key"))
}

pub(crate) fn tunnel() -> Thing {
    let peer = |byte, preshared_key, version| PeerBody {
        public_key: key(byte),
        address: Ipv4Addr::new(10, 99, 0, byte),
        preshared_key,
        version,
    };
    let peers = [
        ("laptop".to_owned(), peer(11, Some(secret("shared")), 1)),
        ("phone".to_owned(), peer(12, None, 0)),
    ];
    let body = TunnelBody {
        name: "admins".into(),
        port: 51821,
        address: Ipv4Addr::new(10, 99, 0, 1),
        prefix: 24,
        private_key: Some(secret("one")),
        peers: peers.into(),
        enabled: true,
    };
    thing("vpn.admins", Body::Tunnel(body))
}

/// Everything, in an order in which it can be made.
pub(crate) fn everything() -> Vec<Thing> {
    vec![
        vlan(),
        bare_vlan(),
        alias(),
        rule(4000),
        full_rule(),
        leaving_rule(),
        forward(),
        public_address(),
        asked_vlan(),
        mapping(),
        outbound(),
        tunnel(),
    ]
}

/// Single changes that no thing has to be made again for, each with the path it is seen at.
pub(crate) fn edits() -> Vec<(&'static str, Thing)> {
    let mut edits = Vec::new();
    let mut edit = |path, mut thing: Thing, edit: &dyn Fn(&mut Body)| {
        edit(&mut thing.body);
        edits.push((path, thing));
    };
    macro_rules! each {
        ($thing:expr, $kind:ident: $($path:literal => $($field:ident).+ = $value:expr;)+) => {
            $(edit($path, $thing, &|body| match body {
                Body::$kind(body) => body.$($field).+ = $value,
                other => panic!("{other:?}"),
            });)+
        };
    }
    let with = |interface: &dyn Fn(&mut InterfaceBody)| {
        let Body::Vlan(VlanBody { interface: Some(mut found), .. }) = vlan().body else { panic!() };
        interface(&mut found);
        Some(found)
    };
    each!(vlan(), Vlan:
        "interface.title" => interface = with(&|it| it.title = "other".into());
        "interface.address" => interface = with(&|it| it.address = Ipv4Addr::new(10, 20, 0, 2));
        "interface.prefix" => interface = with(&|it| it.prefix = 25);
        "interface.enabled" => interface = with(&|it| it.enabled = false););
    let served = |dhcp: &dyn Fn(&mut DhcpBody)| {
        let Body::Vlan(VlanBody { interface: Some(mut found), .. }) = asked_vlan().body else {
            panic!()
        };
        found.dhcp.as_mut().map(dhcp);
        Some(found)
    };
    each!(asked_vlan(), Vlan:
        "interface.dhcp.first" =>
            interface = served(&|it| it.first = Ipv4Addr::new(10, 100, 0, 13));
        "interface.dhcp.open" => interface = served(&|it| it.open = true););
    each!(mapping(), Mapping:
        "address" => address = Ipv4Addr::new(10, 100, 0, 3);
        "hostname" => hostname = "shop".into(););
    each!(outbound(), Outbound:
        "interface" => interface = "opt1".into();
        "source" => source = "10.100.0.7".into();
        "destination" => destination = "198.51.100.0/24".into();
        "target" => target = None;
        "target" => target = Some("203.0.113.16/30".parse().unwrap());
        "enabled" => enabled = false;);
    each!(alias(), Alias: "addresses" => addresses = ["10.2.0.0/16".parse().unwrap()].into(););
    each!(full_rule(), Rule:
        "interface" => interface = "lan".into();
        "protocol" => protocol = RuleProtocol::Udp;
        "source" => source = "vtnet3.20".into();
        "destination" => destination = "any".into();
        "ports" => ports = vec!["53".parse().unwrap()];
        "ports" => ports = vec!["53".parse().unwrap(), "80".parse().unwrap()];
        "ports" => ports = Vec::new();
        "action" => action = RuleAction::Pass;
        "log" => log = false;
        "enabled" => enabled = true;);
    each!(rule(4000), Rule:
        "ports" => ports = vec!["53".parse().unwrap(), "80".parse().unwrap()];);
    each!(forward(), Forward:
        "interface" => interface = "opt1".into();
        "protocol" => protocol = RuleProtocol::TcpUdp;
        "source" => source = "office".into();
        "port" => port = 444;
        "target" => target = Ipv4Addr::new(192, 168, 1, 11);
        "target_port" => target_port = 80;
        "enabled" => enabled = false;);
    each!(public_address(), PublicAddress:
        "interface" => interface = "opt1".into();
        "target" => target = Some(Ipv4Addr::new(10, 20, 0, 6));
        "enabled" => enabled = false;);
    let peers = |change: &dyn Fn(&mut std::collections::BTreeMap<String, PeerBody>)| {
        let Body::Tunnel(TunnelBody { mut peers, .. }) = tunnel().body else { panic!() };
        change(&mut peers);
        peers
    };
    each!(tunnel(), Tunnel:
        "port" => port = 51900;
        "address" => address = Ipv4Addr::new(10, 99, 0, 2);
        "prefix" => prefix = 25;
        "private_key" => private_key = Some(secret("two"));
        "enabled" => enabled = false;
        "peers.laptop.version" => peers = peers(&|it| it.get_mut("laptop").unwrap().version = 2);
        "peers.laptop.preshared_key" =>
            peers = peers(&|it| it.get_mut("laptop").unwrap().preshared_key = None);
        "peers.phone.public_key" =>
            peers = peers(&|it| it.get_mut("phone").unwrap().public_key = key(13));
        "peers.phone.address" =>
            peers = peers(&|it| it.get_mut("phone").unwrap().address = Ipv4Addr::new(10, 99, 0, 9)););
    edits
}
