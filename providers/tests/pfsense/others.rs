//! What is not ours is reported, refused, and left alone.

use lessor_engine::{ApplyError, Provider as _};
use lessor_plans::{Act, Body, Hold, Sighting};
use serde_json::{Value, json};

use crate::things::{
    Thing, alias, asked_vlan, everything, forward, full_rule, mapping, public_address, rule,
    tunnel, vlan,
};
use crate::world::{INSTALLATION, VERSIONS, World, change, mark, strange_rule};

/// Makes things of these names with another description.
async fn put(world: &World, thing: &Thing, descr: &str) {
    let name = thing.body.name();
    match thing.body.sort() {
        "vlan" => {
            let vlan = json!({"if": "vtnet3", "tag": 20, "descr": descr});
            world.other("POST", "/interface/vlan", vlan).await;
        }
        "alias" => {
            let alias = json!({"name": name, "type": "host", "descr": descr});
            world.other("POST", "/firewall/alias", alias).await;
        }
        "rule" => {
            let rule = strange_rule("wan", descr, name.parse().unwrap());
            world.other("POST", "/firewall/rule", rule).await;
        }
        "address" => {
            let ip = json!({"mode": "ipalias", "interface": "wan", "subnet": name,
                "subnet_bits": 32, "descr": descr});
            world.other("POST", "/firewall/virtual_ip", ip).await;
        }
        other => panic!("{other}"),
    }
}

fn named() -> Vec<Thing> {
    vec![vlan(), alias(), rule(4000), public_address()]
}

/// It is reported, not seen as ours, not made, changed nor removed.
async fn assert_left_alone(world: &World, thing: &Thing) {
    let before = world.stored().await;
    let (sort, name) = (thing.body.sort(), thing.body.name().to_owned());

    let seen = world.observe().await;

    let hold = Hold::Name { sort, name };
    assert!(seen.strangers.iter().any(|stranger| stranger.hold == hold), "{:?}", seen.strangers);
    assert!(seen.present.is_empty(), "{:?}", seen.present);
    let sighting = world.provider().sight(&change(thing)).await;
    assert!(matches!(sighting, Sighting::Unknown { .. }), "{sighting:?}");
    let refused = world.refusal(Act::Create, thing).await;
    assert!(matches!(refused, ApplyError::Refused { .. }), "{refused:?}");
    let stale = world.refusal(Act::Delete, thing).await;
    assert!(matches!(stale, ApplyError::Stale { .. }), "{stale:?}");
    world.refusal(Act::Update, thing).await;
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn what_others_have_is_reported_and_never_touched() {
    for version in VERSIONS {
        for thing in named() {
            let world = World::new(version).await;
            put(&world, &thing, "by hand").await;
            assert_left_alone(&world, &thing).await;
        }
    }
}

#[tokio::test]
async fn another_installations_things_are_strangers() {
    for thing in named() {
        let world = World::new(VERSIONS[0]).await;
        put(&world, &thing, &mark("inst-2", &thing.address, thing.body.name())).await;
        assert_left_alone(&world, &thing).await;
    }
}

#[tokio::test]
async fn a_copied_mark_is_odd_and_left_alone() {
    for thing in named() {
        let world = World::new(VERSIONS[0]).await;
        put(&world, &thing, &mark(INSTALLATION, &thing.address, "original")).await;

        let seen = world.observe().await;

        let [oddity] = &*seen.oddities else { panic!("{:?}", seen.oddities) };
        assert_eq!(oddity.why, "its mark was made for `original`");
        assert_left_alone(&world, &thing).await;
    }
}

#[tokio::test]
async fn a_rule_copied_in_the_web_interface_is_odd_and_its_original_still_ours() {
    let world = World::new(VERSIONS[1]).await;
    world.create(&rule(4000)).await;
    let descr = mark(INSTALLATION, &rule(4000).address, "4000");
    world.other("POST", "/firewall/rule", strange_rule("wan", &descr, 4999)).await;

    let seen = world.observe().await;

    let [oddity] = &*seen.oddities else { panic!("{:?}", seen.oddities) };
    assert_eq!(oddity.thing, "rule `4999`");
    assert!(seen.present.contains_key(&rule(4000).address));
    world.delete(&rule(4000)).await;
    assert!(world.listed("/firewall/rules", "tracker").await.contains(&"4999".to_owned()));
}

#[tokio::test]
async fn two_things_for_one_mark_are_unknown_and_neither_is_touched() {
    for (thing, path) in
        [(forward(), "/firewall/nat/port_forward"), (tunnel(), "/vpn/wireguard/tunnel")]
    {
        let world = World::new(VERSIONS[0]).await;
        world.create(&thing).await;
        let mut copy = world.other("GET", &format!("{path}s"), Value::Null).await[0].take();
        copy.as_object_mut().unwrap().remove("name");
        copy["listenport"] = "51999".into();
        copy["privatekey"] = crate::world::key(5).into();
        copy["addresses"] = json!([]);
        world.other("POST", path, copy).await;
        let before = world.stored().await;

        let seen = world.observe().await;

        let why = &seen.unknown[&thing.address];
        assert_eq!(why, "more than one thing carries its mark");
        assert!(!seen.present.contains_key(&thing.address));
        for act in [Act::Create, Act::Update, Act::Delete] {
            let refused = world.refusal(act, &thing).await;
            assert!(matches!(refused, ApplyError::Refused { .. }), "{refused:?}");
        }
        assert_eq!(world.stored().await, before);
    }
}

#[tokio::test]
async fn subnets_of_others_are_reported() {
    let world = World::new(VERSIONS[0]).await;
    world.create(&vlan()).await;

    let seen = world.observe().await;

    let nets: Vec<String> = seen
        .strangers
        .iter()
        .filter(|stranger| matches!(stranger.hold, Hold::Subnet(_)))
        .map(|stranger| format!("{} by {}", stranger.hold, stranger.holder))
        .collect();
    assert_eq!(nets, ["subnet 192.168.1.0/24 by interface `LAN`"]);
}

#[tokio::test]
async fn an_interface_stays_while_rules_of_others_live_on_it() {
    let world = World::new(VERSIONS[0]).await;
    world.create(&vlan()).await;
    world.other("POST", "/firewall/rule", strange_rule("opt2", "by hand", 77)).await;
    let before = world.stored().await;

    let error = world.refusal(Act::Delete, &vlan()).await;

    assert_eq!(error.to_string(), "interface `mgmt` is still used by rule `by hand`");
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn an_alias_stays_while_a_rule_of_others_uses_it() {
    let world = World::new(VERSIONS[1]).await;
    world.create(&alias()).await;
    let mut strange = strange_rule("lan", "by hand", 77);
    strange["source"] = "!office".into();
    world.other("POST", "/firewall/rule", strange).await;
    let before = world.stored().await;

    let error = world.refusal(Act::Delete, &alias()).await;

    assert_eq!(error.to_string(), "alias `office` is still used by rule `by hand`");
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn what_somebody_changes_by_hand_is_seen_and_set_back() {
    let world = World::new(VERSIONS[0]).await;
    for thing in everything() {
        world.create(&thing).await;
    }
    let rules = world.listed("/firewall/rules", "tracker").await;
    let id = rules.iter().position(|tracker| tracker == "4000").unwrap();
    let odd = json!({"id": id, "protocol": "tcp", "source_port": "53", "ipprotocol": "inet46",
        "source": "any", "destination": "any"});
    world.other("PATCH", "/firewall/rule", odd).await;
    let odd = json!({"id": 0, "address": ["10.1.0.0/16", "192.0.2.7/32", "example.org"]});
    world.other("PATCH", "/firewall/alias", odd).await;

    let drifted = world.present(&rule(4000)).await;

    let differing = world.provider().compare(&rule(4000).body, &drifted);
    insta::assert_debug_snapshot!(differing);
    insta::assert_debug_snapshot!(drifted.body);
    for thing in [rule(4000), alias(), full_rule()] {
        world.update(&thing).await;
        world.assert_as_wished(&thing).await;
    }
}

#[tokio::test]
async fn an_interface_stays_while_somebody_else_is_told_an_address_on_it() {
    let world = World::new(VERSIONS[0]).await;
    world.create(&asked_vlan()).await;
    world.create(&mapping()).await;
    let strange = json!({"parent_id": "opt2", "mac": "02:00:00:00:00:09", "ipaddr": "10.100.0.9"});
    world.other("POST", "/services/dhcp_server/static_mapping", strange).await;
    world.delete(&mapping()).await;
    let before = world.stored().await;

    let error = world.refusal(Act::Delete, &asked_vlan()).await;

    assert_eq!(
        error.to_string(),
        "interface `customers_acme` is still used by static mapping of `02:00:00:00:00:09`"
    );
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn what_a_guest_is_told_by_somebody_else_is_theirs_and_reported() {
    let world = World::new(VERSIONS[1]).await;
    world.create(&asked_vlan()).await;
    let Body::Mapping(body) = mapping().body else { panic!() };
    let strange = json!({"parent_id": "opt2", "mac": body.mac, "ipaddr": "10.100.0.9"});
    world.other("POST", "/services/dhcp_server/static_mapping", strange).await;
    let before = world.stored().await;

    let seen = world.observe().await;

    let is_it = |stranger: &lessor_plans::Stranger| {
        stranger.hold == Hold::Name { sort: "static mapping", name: body.name.clone() }
    };
    assert!(seen.strangers.iter().any(is_it), "{:?}", seen.strangers);
    let refused = world.refusal(Act::Create, &mapping()).await;
    assert!(matches!(refused, ApplyError::Refused { .. }), "{refused:?}");
    assert_eq!(world.stored().await, before);
}

/// A DHCP server is ours if its interface is, but only where guests of ours ask.
#[tokio::test]
async fn a_dhcp_server_is_left_alone_until_a_guest_of_ours_asks() {
    let world = World::new(VERSIONS[0]).await;
    let mut unasked = asked_vlan();
    let Body::Vlan(body) = &mut unasked.body else { panic!() };
    body.interface.as_mut().unwrap().dhcp = None;
    world.create(&unasked).await;
    let server = json!({"interface": "opt2", "enable": true, "range_from": "10.100.0.5",
        "range_to": "10.100.0.9", "domain": "by.hand"});
    world.other("POST", "/services/dhcp_server", server).await;
    world.assert_as_wished(&unasked).await;

    world.update(&asked_vlan()).await;

    world.assert_as_wished(&asked_vlan()).await;
    let servers = world.listed("/services/dhcp_servers", "domain").await;
    assert!(servers.contains(&"by.hand".to_owned()), "{servers:?}");
}
