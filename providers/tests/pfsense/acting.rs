//! What is made is seen as wished, changes in place, and goes, whole.

use lessor_engine::{ApplyError, Provider as _};
use lessor_plans::{Act, Body, Sighting, Transition};

use crate::things::{alias, edits, everything, full_rule, rule, secret, tunnel, vlan};
use crate::world::{VERSIONS, World, change, key};

async fn with_everything(version: lessor_sandbox::pfsense::Version) -> World {
    let world = World::new(version).await;
    for thing in everything() {
        world.create(&thing).await;
    }
    world
}

#[tokio::test]
async fn an_empty_firewall_has_nothing_and_looking_makes_nothing() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let before = world.stored().await;

        let seen = world.observe().await;

        assert!(seen.present.is_empty() && seen.unknown.is_empty(), "{seen:?}");
        assert!(seen.gaps.is_empty() && seen.oddities.is_empty(), "{seen:?}");
        for thing in everything() {
            world.assert_absent(&thing).await;
        }
        assert_eq!(world.stored().await, before);
        assert!(world.written().is_empty());
    }
}

#[tokio::test]
async fn what_was_created_is_seen_as_wished_with_every_attribute_and_works() {
    for version in VERSIONS {
        let world = with_everything(version).await;
        for thing in everything() {
            world.assert_as_wished(&thing).await;
        }
        assert!(world.is_applied().await);
    }
}

#[tokio::test]
async fn looking_asks_as_often_for_much_as_for_nothing_and_changes_nothing() {
    let world = World::new(VERSIONS[1]).await;
    world.observe().await;
    world.forget_calls();
    world.observe().await;
    let calls = world.count("GET /firewall/rules");
    for thing in everything() {
        world.create(&thing).await;
    }
    let before = world.stored().await;
    world.forget_calls();

    world.observe().await;

    assert_eq!((world.count("GET /firewall/rules"), calls), (1, 1));
    assert!(world.written().is_empty());
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn each_act_twice_equals_once_and_deleting_leaves_nothing() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let empty = world.stored().await;
        for thing in everything() {
            world.create(&thing).await;
            let once = world.stored().await;
            world.create(&thing).await;
            world.update(&thing).await;
            assert_eq!(world.stored().await, once, "{}", thing.address);
        }
        for thing in everything().iter().rev() {
            world.delete(thing).await;
            world.assert_absent(thing).await;
            let once = world.stored().await;
            world.delete(thing).await;
            assert_eq!(world.stored().await, once, "{}", thing.address);
        }
        assert_eq!(world.stored().await, empty);
        assert!(world.is_applied().await);
    }
}

#[tokio::test]
async fn every_attribute_changes_where_it_stands() {
    for version in VERSIONS {
        let world = with_everything(version).await;
        for (path, thing) in edits() {
            let before = world.present(&thing).await;
            let way = world.provider().compare(&thing.body, &before);
            assert_eq!(way, Transition::InPlace(vec![path.into()]), "{}", thing.address);

            world.update(&thing).await;

            world.assert_as_wished(&thing).await;
            let back = everything().into_iter().find(|old| old.address == thing.address).unwrap();
            world.update(&back).await;
            world.assert_as_wished(&back).await;
        }
    }
}

#[tokio::test]
async fn an_interface_comes_and_goes_on_a_vlan_that_stays() {
    let world = World::new(VERSIONS[0]).await;
    let mut bare = vlan();
    let Body::Vlan(body) = &mut bare.body else { panic!() };
    body.interface = None;
    world.create(&bare).await;
    world.assert_as_wished(&bare).await;

    world.update(&vlan()).await;
    world.assert_as_wished(&vlan()).await;
    world.update(&bare).await;

    world.assert_as_wished(&bare).await;
    assert_eq!(world.listed("/interfaces", "id").await, ["wan", "lan", "opt1"]);
}

#[tokio::test]
async fn a_rule_gives_up_the_alias_of_its_ports_with_them() {
    let world = World::new(VERSIONS[0]).await;
    let one = rule(4000);
    let mut several = one.clone();
    crate::world::rule_of(&mut several).ports.push("80".parse().unwrap());
    world.create(&several).await;
    assert_eq!(world.listed("/firewall/aliases", "name").await, ["ports_4000"]);

    world.update(&one).await;

    world.assert_as_wished(&one).await;
    assert!(world.listed("/firewall/aliases", "name").await.is_empty());
}

#[tokio::test]
async fn what_has_to_be_replaced_is_not_updated() {
    let world = with_everything(VERSIONS[0]).await;
    let before = world.stored().await;
    let mut leaving = rule(4000);
    crate::world::rule_of(&mut leaving).direction = lessor_specs::kinds::Direction::Out;
    for act in [Act::Create, Act::Update] {
        let error = world.refusal(act, &leaving).await;
        let why = "rule `4000` is there with another direction".to_owned();
        assert_eq!(error, ApplyError::Stale { why });
    }
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn nothing_is_made_of_what_is_missing() {
    let world = World::new(VERSIONS[0]).await;
    let before = world.stored().await;
    let mut alone = full_rule();
    crate::world::rule_of(&mut alone).ports.clear();

    let error = world.refusal(Act::Create, &alone).await;

    let why = "there is no VLAN `vtnet3.20`".to_owned();
    assert_eq!(error, ApplyError::Stale { why });
    assert!(matches!(world.refusal(Act::Update, &alias()).await, ApplyError::Stale { .. }));
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn ports_of_what_has_none_are_refused_rather_than_dropped() {
    let world = World::new(VERSIONS[0]).await;
    let mut rule = rule(4000);
    crate::world::rule_of(&mut rule).protocol = lessor_specs::kinds::RuleProtocol::Any;

    let error = world.refusal(Act::Create, &rule).await;

    assert_eq!(error.to_string(), "rule `4000` has ports, which only TCP and UDP have");
    assert!(world.written().is_empty());
}

#[tokio::test]
async fn a_key_is_compared_by_its_public_half_and_shown_nowhere() {
    let world = World::new(VERSIONS[1]).await;
    world.create(&tunnel()).await;
    // Somebody else puts another key in.
    let other = serde_json::json!({"id": 0, "privatekey": key(9)});
    world.other("PATCH", "/vpn/wireguard/tunnel", other).await;

    let present = world.present(&tunnel()).await;

    let way = world.provider().compare(&tunnel().body, &present);
    assert_eq!(way, Transition::InPlace(vec!["private_key".into()]));
    let shown = format!("{:?} {present:?}", world.observe().await);
    assert!(![1, 3, 9].map(key).iter().any(|key| shown.contains(key)), "{shown}");
    world.update(&tunnel()).await;
    world.assert_as_wished(&tunnel()).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_stops_the_creation_and_is_not_compared() {
    let world = World::new(VERSIONS[0]).await;
    let before = world.stored().await;
    let mut thing = tunnel();
    let Body::Tunnel(body) = &mut thing.body else { panic!() };
    body.private_key = Some(secret("missing"));

    let error = world.refusal(Act::Create, &thing).await.to_string();

    let expected = "`private_key` needs the secret `secret://file/missing.key`: could";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn two_hundred_at_once_are_few_applies() {
    let world = World::new(VERSIONS[0]).await;
    let rules: Vec<_> = (5000..5200).map(rule).collect();

    let changes: Vec<_> = rules.iter().map(change).collect();
    let applies = changes.iter().map(|change| world.provider().apply(Act::Create, change));
    let results = futures_util::future::join_all(applies).await;

    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let count = world.count("POST /firewall/apply");
    assert!(count <= 2, "{count} applies");
    let sights = changes.iter().map(|change| world.provider().sight(change));
    world.forget_calls();
    for sighting in futures_util::future::join_all(sights).await {
        assert!(matches!(sighting, Sighting::Present(_)), "{sighting:?}");
    }
    let looks = world.count("GET /firewall/rules");
    assert!(looks <= 2, "{looks} looks");
    assert!(world.provider().at_once(4) >= 200);
}
