//! What entries adopt gets our mark and is ours from then on; what has an owner does not.

use lessor_engine::Provider as _;
use lessor_engine::wanting;
use lessor_plans::{Act, Change, Observation, Sighting, Wanted};
use serde_json::{Value, json};

use crate::things::{Thing, alias, forward, rule, vlan};
use crate::world::{INSTALLATION, VERSIONS, World, change, mark};

/// What can be adopted, with what `adopted` says of it.
fn things() -> Vec<(Thing, &'static str)> {
    vec![(vlan(), "vtnet3.20"), (alias(), "office"), (rule(4000), "4000"), (forward(), "wan.443")]
}

/// Somebody makes by hand what an entry asks for, or nearly, and describes it so.
async fn put(world: &World, thing: &Thing, descr: &str) {
    match thing.body.sort() {
        "vlan" => {
            let vlan = json!({"if": "vtnet3", "tag": 20, "descr": descr});
            world.other("POST", "/interface/vlan", vlan).await;
        }
        "alias" => {
            let networks = json!(["10.1.0.0/16", "203.0.113.0/24"]);
            let alias = json!({"name": "office", "type": "network", "address": networks,
                "descr": descr});
            world.other("POST", "/firewall/alias", alias).await;
        }
        "rule" => {
            let rule = json!({"type": "pass", "interface": ["wan"], "ipprotocol": "inet",
                "protocol": "tcp", "source": "any", "destination": "192.0.2.9",
                "destination_port": "8443", "descr": descr, "tracker": 4000});
            world.other("POST", "/firewall/rule", rule).await;
        }
        _ => {
            let forward = json!({"interface": "wan", "ipprotocol": "inet", "protocol": "tcp",
                "source": "any", "destination": "wan:ip", "destination_port": "443",
                "target": "192.168.1.10", "local_port": "8443", "descr": descr});
            world.other("POST", "/firewall/nat/port_forward", forward).await;
        }
    }
}

fn path(thing: &Thing) -> &'static str {
    match thing.body.sort() {
        "vlan" => "/interface/vlans",
        "alias" => "/firewall/aliases",
        "rule" => "/firewall/rules",
        _ => "/firewall/nat/port_forwards",
    }
}

async fn look(world: &World, thing: &Thing, adopted: &str) -> Observation {
    let wanted = Wanted::from(thing.address.clone());
    let wanted = Wanted { adopted: Some(adopted.parse().unwrap()), ..wanted };
    world.fresh().observe(wanting([wanted])).await
}

fn adopting(thing: &Thing, adopted: &str) -> Change {
    Change { adopted: Some(adopted.into()), ..change(thing) }
}

#[tokio::test]
async fn what_others_made_gets_our_mark_before_what_they_wrote_and_becomes_as_wished() {
    for version in VERSIONS {
        for (thing, adopted) in things() {
            let world = World::new(version).await;
            put(&world, &thing, "Made by Alice").await;

            let seen = look(&world, &thing, adopted).await;

            let present = &seen.present[&thing.address];
            assert!(present.lacks_mark() && seen.refused.is_empty(), "{seen:?}");
            assert!(!seen.strangers.iter().any(|one| one.holder.contains(thing.body.name())));
            let change = adopting(&thing, adopted);
            let Sighting::Present(sighted) = world.fresh().sight(&change).await else { panic!() };
            assert_eq!((&sighted.adopted, &sighted.body), (&present.adopted, &present.body));

            world.provider().apply(Act::Update, &change).await.unwrap();

            world.assert_as_wished(&thing).await;
            let name = thing.body.name();
            let marked = format!("{} Made by Alice", mark(INSTALLATION, &thing.address, name));
            assert!(world.listed(path(&thing), "descr").await.contains(&marked));
            let before = world.stored().await;
            world.fresh().apply(Act::Update, &change).await.unwrap();
            assert_eq!(world.stored().await, before, "twice is once");
            let again = look(&world, &thing, adopted).await;
            assert_eq!(again.present[&thing.address].adopted, None);
            world.delete(&thing).await;
            world.assert_absent(&thing).await;
        }
    }
}

#[tokio::test]
async fn what_has_an_owner_is_refused_and_left_alone() {
    for (thing, adopted) in things() {
        let name = thing.body.name();
        let others = [
            (mark("inst-2", &thing.address, name), "belongs to installation `inst-2`"),
            (mark(INSTALLATION, &"alias.else".parse().unwrap(), name), "is `alias.else` already"),
        ];
        for (descr, why) in others {
            let world = World::new(VERSIONS[0]).await;
            put(&world, &thing, &descr).await;
            let before = world.stored().await;

            let seen = look(&world, &thing, adopted).await;

            assert!(seen.refused[&thing.address].contains(why), "{:?}", seen.refused);
            assert!(!seen.present.contains_key(&thing.address));
            let change = adopting(&thing, adopted);
            let done = world.provider().apply(Act::Update, &change).await;
            assert!(done.is_err() || descr.contains("alias.else"), "{done:?}");
            if descr.contains("inst-2") {
                assert_eq!(world.stored().await, before);
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_present_and_what_is_there_twice_is_refused() {
    let world = World::new(VERSIONS[1]).await;
    for (thing, adopted) in things() {
        let seen = look(&world, &thing, adopted).await;
        assert!(seen.present.is_empty() && seen.refused.is_empty(), "{seen:?}");
    }
    for (protocol, descr) in [("tcp", "one"), ("udp", "other")] {
        let forward = json!({"interface": "wan", "ipprotocol": "inet", "protocol": protocol,
            "source": "any", "destination": "wan:ip", "destination_port": "443",
            "target": "192.168.1.10", "local_port": "8443", "descr": descr});
        world.other("POST", "/firewall/nat/port_forward", forward).await;
    }

    let seen = look(&world, &forward(), "wan.443").await;

    assert_eq!(seen.refused[&forward().address], "there are 2 things called `wan.443`");
}

#[tokio::test]
async fn a_copied_mark_is_no_owner() {
    let world = World::new(VERSIONS[0]).await;
    let copied = mark(INSTALLATION, &rule(4000).address, "3999");
    put(&world, &rule(4000), &copied).await;

    world.provider().apply(Act::Update, &adopting(&rule(4000), "4000")).await.unwrap();

    world.assert_as_wished(&rule(4000)).await;
}

#[tokio::test]
async fn rules_on_the_interface_of_an_adopted_vlan_are_shown_by_its_name() {
    let world = World::new(VERSIONS[0]).await;
    put(&world, &vlan(), "by hand").await;
    let interface = json!({"if": "vtnet3.20", "descr": "MGMT", "enable": true,
        "typev4": "static", "ipaddr": "10.20.0.1", "subnet": 24});
    let made: Value = world.other("POST", "/interface", interface).await;
    let on = made["id"].as_str().unwrap();
    let descr = mark(INSTALLATION, &rule(4000).address, "4000");
    let strange = crate::world::strange_rule(on, &descr, 4000);
    world.other("POST", "/firewall/rule", strange).await;

    let seen = look(&world, &vlan(), "vtnet3.20").await;

    let lessor_plans::Body::Rule(rule) = &seen.present[&rule(4000).address].body else { panic!() };
    assert_eq!(rule.interface, "vtnet3.20");
}
