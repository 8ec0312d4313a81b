//! What there is, written and read.

use lessor_providers::pfsense::{
    Alias, CallError, DhcpServer, Done, Edit, EditError, Interface, LinkedRule, MappingKey,
    OneToOne, OutboundMapping, OutboundMode, Peer, PortForward, Rule, StaticMapping, Subnet,
    Subsystem, Tunnel, VirtualIp, Vlan, VlanKey, WireGuard, WriteOnly,
};
use secrecy::SecretString;

use crate::firewall::{Firewall, Trick, VERSIONS};

pub(crate) fn alias(name: &str) -> Alias {
    let address = vec!["10.20.0.5".into(), "10.20.0.6".into()];
    Alias { name: name.into(), sort: "host".into(), address, ..Alias::default() }
}

pub(crate) fn rule(tracker: u64) -> Rule {
    Rule {
        tracker,
        action: "pass".into(),
        interface: vec!["lan".into()],
        ipprotocol: "inet".into(),
        protocol: Some("tcp".into()),
        source: "any".into(),
        destination: "lan:ip".into(),
        destination_port: Some("8000:8010".into()),
        descr: format!("lessor/1 {tracker}"),
        ..Rule::default()
    }
}

fn vlan() -> Vlan {
    let descr = "lessor/1 tenants".into();
    Vlan { port: "vtnet3".into(), tag: 100, descr, device: String::new() }
}

fn interface() -> Interface {
    Interface {
        port: "vtnet3.100".into(),
        enable: true,
        descr: "TENANTS".into(),
        typev4: "static".into(),
        ipaddr: Some("10.20.0.1".into()),
        subnet: Some(24),
        ..Interface::default()
    }
}

fn forward() -> PortForward {
    PortForward {
        interface: "wan".into(),
        ipprotocol: "inet".into(),
        protocol: "tcp".into(),
        source: "any".into(),
        destination: "wan:ip".into(),
        destination_port: Some("25565".into()),
        target: "10.20.0.5".into(),
        local_port: Some("25565".into()),
        descr: "lessor/1 game".into(),
        associated_rule_id: LinkedRule::New,
        ..PortForward::default()
    }
}

fn dhcp_server() -> DhcpServer {
    DhcpServer {
        interface: "opt2".into(),
        enable: true,
        range_from: "10.20.0.100".into(),
        range_to: "10.20.0.200".into(),
        defaultleasetime: 7200,
        maxleasetime: 86400,
        ..DhcpServer::default()
    }
}

fn mapping() -> StaticMapping {
    StaticMapping {
        interface: "opt2".into(),
        mac: "52:54:00:AA:00:05".into(),
        ipaddr: Some("10.20.0.5".into()),
        descr: "lessor/1 vm".into(),
        ..StaticMapping::default()
    }
}

/// What a tenant gets, in the order in which one thing needs another.
fn tenant() -> Vec<Edit> {
    let key = || SecretString::from("UIgVvB9Ewzsmn1dX3VVmd2XGaC++5bb69K0dBCldh3E=".to_owned());
    let subnet =
        |address: &str, mask| Subnet { address: address.into(), mask, ..Subnet::default() };
    vec![
        Edit::create(vlan()),
        Edit::create(interface()),
        Edit::create(alias("game")),
        Edit::create(Rule {
            interface: vec!["opt2".into()],
            destination: "game".into(),
            ..rule(1001)
        }),
        Edit::create_at(Rule { disabled: true, ..rule(1002) }, 0),
        Edit::create(forward()),
        Edit::create(OneToOne {
            interface: "wan".into(),
            ipprotocol: "inet".into(),
            external: "203.0.113.7".into(),
            source: "10.20.0.7".into(),
            destination: "any".into(),
            descr: "lessor/1 one".into(),
            ..OneToOne::default()
        }),
        Edit::OutboundMode(OutboundMode::Hybrid),
        Edit::create(OutboundMapping {
            interface: "wan".into(),
            source: "10.20.0.0/24".into(),
            destination: "any".into(),
            target: Some("203.0.113.10".into()),
            target_subnet: Some(32),
            descr: "lessor/1 out".into(),
            ..OutboundMapping::default()
        }),
        Edit::create(VirtualIp {
            mode: "ipalias".into(),
            interface: "wan".into(),
            subnet: "203.0.113.20".into(),
            subnet_bits: 32,
            descr: "lessor/1 vip".into(),
            uniqid: None,
        }),
        Edit::create(dhcp_server()),
        Edit::create(mapping()),
        Edit::WireGuard(WireGuard { enable: true }),
        Edit::create(Tunnel {
            enabled: true,
            descr: "lessor/1 tunnel".into(),
            listenport: 51820,
            privatekey: WriteOnly::of(key()),
            mtu: 1420,
            addresses: vec![subnet("10.99.0.1", 24)],
            ..Tunnel::default()
        }),
        Edit::create(Peer {
            enabled: true,
            tun: "tun_wg0".into(),
            publickey: "W/Q/ZvMyuV1Oq+TjGiWItnufD0uXxpdKA9CQWAgcuGs=".into(),
            presharedkey: WriteOnly::of(key()),
            allowedips: vec![subnet("10.99.0.2", 32)],
            descr: "lessor/1 peer".into(),
            ..Peer::default()
        }),
    ]
}

/// The same, taken down.
fn no_tenant() -> Vec<Edit> {
    vec![
        Edit::delete::<Peer>("W/Q/ZvMyuV1Oq+TjGiWItnufD0uXxpdKA9CQWAgcuGs=".into()),
        Edit::delete::<Tunnel>("tun_wg0".into()),
        Edit::WireGuard(WireGuard { enable: false }),
        Edit::delete::<StaticMapping>(MappingKey {
            interface: "opt2".into(),
            mac: "52:54:00:aa:00:05".into(),
        }),
        Edit::delete::<VirtualIp>("203.0.113.20".into()),
        Edit::delete::<OutboundMapping>("lessor/1 out".into()),
        Edit::delete::<OneToOne>("lessor/1 one".into()),
        Edit::delete::<PortForward>("lessor/1 game".into()),
        Edit::delete::<Rule>(1002),
        Edit::delete::<Rule>(1001),
        Edit::delete::<Alias>("game".into()),
        Edit::delete::<Interface>("opt2".into()),
        Edit::delete::<Vlan>(VlanKey { port: "vtnet3".into(), tag: 100 }),
    ]
}

fn shown(outcomes: &[Result<Done, EditError>]) -> String {
    let shown = |outcome: &Result<Done, EditError>| match outcome {
        Ok(Done::Written { key }) => key.clone(),
        Ok(Done::Gone) => "gone".into(),
        Err(error) => format!("error: {error}"),
    };
    outcomes.iter().map(shown).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn all_that_a_tenant_gets_is_built_and_taken_down_again() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let writer = firewall.writer();

        let built = writer.batch(tenant()).await;

        insta::assert_snapshot!("a_tenant_built", shown(&built.outcomes));
        let rules = built.seen.rules.as_deref().unwrap();
        let rules: Vec<&str> = rules.iter().map(|rule| rule.descr.as_str()).collect();
        assert_eq!((rules.len(), rules[0], rules[3]), (5, "lessor/1 1002", "lessor/1 1001"));
        let forward = &built.seen.port_forwards.as_deref().unwrap()[0];
        assert!(
            matches!(&forward.associated_rule_id, LinkedRule::Rule(id) if id.starts_with("nat_"))
        );
        let interfaces = built.seen.interfaces.as_deref().unwrap();
        assert_eq!(interfaces[3], Interface { id: "opt2".into(), ..interface() });
        for subsystem in [
            "/interface/apply",
            "/firewall/virtual_ip/apply",
            "/services/dhcp_server/apply",
            "/vpn/wireguard/apply",
            "/firewall/apply",
        ] {
            assert_eq!(firewall.count(&format!("POST {subsystem}")), 1, "{subsystem}");
        }
        let last = firewall.written().pop().unwrap();
        assert_eq!(last, "POST /firewall/apply", "rules stand on everything else");

        let before = Firewall::new(version).await;
        let gone = writer.batch(no_tenant()).await;

        insta::assert_snapshot!("a_tenant_taken_down", shown(&gone.outcomes));
        let (one, other) = (before.client(), writer.client());
        assert_eq!(one.rule_list().await.unwrap(), other.rule_list().await.unwrap());
        assert_eq!(one.interface_list().await.unwrap(), other.interface_list().await.unwrap());
        assert_eq!(one.dhcp_server_list().await.unwrap(), other.dhcp_server_list().await.unwrap());
        assert_eq!(other.port_list().await.unwrap().len(), 4);
        assert!(other.vlan_list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_object_read_is_the_object_that_was_written() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client();
        let alias = alias("web");

        client.alias_create(&alias).await.unwrap();
        client.rule_create(&rule(7), Some(1)).await.unwrap();
        let at = client.rule_find(7).await.unwrap().unwrap();
        assert_eq!(at.object, rule(7));
        let changed = Rule { log: true, destination_port: None, ..rule(7) };
        client.rule_update(at, &changed, Some(0)).await.unwrap();

        assert_eq!(client.alias_list().await.unwrap(), [alias]);
        assert_eq!(client.rule_list().await.unwrap()[0], changed);
        assert!(!client.is_applied(Subsystem::Firewall).await.unwrap());
        let at = client.alias_find(&"web".into()).await.unwrap().unwrap();
        client.alias_delete(at).await.unwrap();
        assert!(client.alias_find(&"web".into()).await.unwrap().is_none());
    }
}

fn only<T: Clone>(all: Option<&Vec<T>>) -> T {
    let [one] = all.unwrap().as_slice() else { panic!("there is not one") };
    one.clone()
}

#[tokio::test]
async fn each_object_is_changed_where_it_is() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let writer = firewall.writer();
        let seen = writer.batch(tenant()).await.seen;
        let vlan = Vlan { descr: "new".into(), ..only(seen.vlans.as_ref()) };
        let interface = Interface { mtu: Some(1400), id: "opt2".into(), ..interface() };
        let alias = Alias { address: vec!["10.20.0.9".into()], ..only(seen.aliases.as_ref()) };
        let forward = PortForward {
            local_port: Some("9000".into()),
            disabled: true,
            ..only(seen.port_forwards.as_ref())
        };
        let one = OneToOne { source: "10.20.0.8".into(), ..only(seen.one_to_ones.as_ref()) };
        let out = OutboundMapping {
            protocol: Some("udp".into()),
            static_nat_port: true,
            ..only(seen.outbound_mappings.as_ref())
        };
        let vip = VirtualIp { subnet_bits: 30, ..only(seen.virtual_ips.as_ref()) };
        let server = DhcpServer { dnsserver: vec!["9.9.9.9".into()], ..dhcp_server() };
        let mapping = StaticMapping { hostname: Some("vm".into()), ..mapping() };
        let tunnel = Tunnel { listenport: 51821, ..only(seen.tunnels.as_ref()) };
        let mut peer = only(seen.peers.as_ref());
        peer.allowedips.push(Subnet { address: "10.99.1.0".into(), mask: 24, ..Subnet::default() });
        let mapped = MappingKey { interface: "opt2".into(), mac: "52:54:00:aa:00:05".into() };

        let committed = writer
            .batch(vec![
                Edit::update(VlanKey { port: "vtnet3".into(), tag: 100 }, vlan.clone()),
                Edit::update("opt2".into(), interface.clone()),
                Edit::update("game".into(), alias.clone()),
                Edit::update("lessor/1 game".into(), forward.clone()),
                Edit::update("lessor/1 one".into(), one.clone()),
                Edit::move_to("lessor/1 out".into(), out.clone(), 0),
                Edit::update("203.0.113.20".into(), vip.clone()),
                Edit::update("opt2".into(), server.clone()),
                Edit::update(mapped, mapping),
                Edit::update("tun_wg0".into(), tunnel.clone()),
                Edit::update(peer.publickey.clone(), peer.clone()),
            ])
            .await;

        for outcome in &committed.outcomes {
            assert!(matches!(outcome, Ok(Done::Written { .. })), "{version:?}: {outcome:?}");
        }
        let seen = committed.seen;
        assert_eq!(only(seen.vlans.as_ref()), vlan);
        assert_eq!(seen.interfaces.as_ref().unwrap()[3], interface);
        assert_eq!(only(seen.aliases.as_ref()), alias);
        assert_eq!(only(seen.port_forwards.as_ref()), forward);
        assert_eq!(only(seen.one_to_ones.as_ref()), one);
        assert_eq!(only(seen.outbound_mappings.as_ref()), out);
        assert_eq!(only(seen.virtual_ips.as_ref()), vip);
        assert_eq!(seen.dhcp_servers.as_ref().unwrap()[1], server);
        assert_eq!(only(seen.static_mappings.as_ref()).hostname.as_deref(), Some("vm"));
        assert_eq!(only(seen.tunnels.as_ref()), tunnel);
        assert_eq!(only(seen.peers.as_ref()), peer);
        let rules = seen.rules.as_ref().unwrap();
        let follower = rules.iter().find(|rule| rule.associated_rule_id.is_some()).unwrap();
        assert_eq!((follower.destination_port.as_deref(), follower.disabled), (Some("9000"), true));
    }
}

#[tokio::test]
async fn what_never_changes_is_refused_and_nobody_is_blamed() {
    let firewall = Firewall::new(VERSIONS[1]).await;
    let writer = firewall.writer();
    writer.batch(vec![Edit::create(rule(1))]).await;

    let floating = Rule { floating: true, ..rule(1) };
    let committed = writer.batch(vec![Edit::update(1, floating)]).await;

    let Err(EditError::Call(CallError::Invalid { field, .. })) = &committed.outcomes[0] else {
        panic!("{committed:?}")
    };
    assert_eq!(field.as_deref(), Some("floating"));
}

#[tokio::test]
async fn interfaces_are_called_by_id_however_the_firewall_calls_them() {
    for manner in ["id", "descr", "if"] {
        let firewall = Firewall::with(VERSIONS[1], |state| {
            let path = "installedpackages/package/0/conf/represent_interfaces_as";
            state.config.set(path, manner.into());
        })
        .await;
        let writer = firewall.writer();
        let bound = Rule {
            interface: vec!["opt2".into()],
            source: "!opt2".into(),
            destination: "lan:ip".into(),
            ..rule(5)
        };

        let committed = writer
            .batch(vec![
                Edit::create(vlan()),
                Edit::create(interface()),
                Edit::create(bound.clone()),
                Edit::create(forward()),
                Edit::create(dhcp_server()),
                Edit::create(mapping()),
            ])
            .await;

        insta::assert_snapshot!("called_by_id", shown(&committed.outcomes));
        assert_eq!(committed.seen.rules.as_deref().unwrap()[2], bound, "{manner}");
        let forward = &committed.seen.port_forwards.as_deref().unwrap()[0];
        assert_eq!((&*forward.interface, &*forward.destination), ("wan", "wan:ip"), "{manner}");
        let config = firewall.system.state().await.config;
        let stored = config.at("filter/rule/2/interface").unwrap();
        assert_eq!(stored.as_text(), Some("opt2"), "{manner}");
    }
}

#[tokio::test]
async fn a_firewall_tells_its_versions_its_time_and_who_wrote_last() {
    for version in VERSIONS {
        let firewall = Firewall::new(version).await;
        let client = firewall.client();
        firewall
            .trick("GET /system/version", Trick::Headed("Date", "Thu, 01 Jan 2026 00:00:00 GMT"));

        let versions = client.versions().await.unwrap();

        assert_eq!(versions.system, "2.8.1-RELEASE");
        assert_eq!(versions.package, version.name());
        assert_eq!(versions.now, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(client.versions().await.unwrap().now, None);
        assert_eq!(client.revision_latest().await.unwrap(), None);
        client.alias_create(&alias("web")).await.unwrap();
        let revision = client.revision_latest().await.unwrap().unwrap();
        assert_eq!(revision.description, "(system): Loaded factory defaults");
        assert!(!client.settings().await.unwrap().read_only);
    }
}
