//! Firewalls that cannot, may not or will not: each with what is said about it, and nothing half
//! done.

use std::path::Path;
use std::sync::Arc;

use lessor_engine::{Examiner as _, Provider as _, wanting};
use lessor_plans::{Act, Observation, Transition};
use lessor_providers::pfsense::Declared;
use lessor_providers::{PfSense, Secrets};
use lessor_specs::kinds;
use serde_json::json;

use crate::things::{alias, everything, full_rule, outbound, rule, tunnel, vlan};
use crate::world::{INSTALLATION, KEY, PLACE, VERSIONS, World, change};

const SETTINGS: &str = "installedpackages/package/0/conf";

/// What could not be seen, and why, without ports that are others every time.
fn gaps(world: &World, seen: &Observation) -> Vec<String> {
    let gap = |gap: &lessor_plans::Gap| {
        let hint = gap.hint.as_deref().unwrap_or("nothing to do");
        format!("{}: {} ({hint})", gap.what, gap.why)
    };
    let place = world.endpoint().replace("https://", "");
    seen.gaps.iter().map(gap).map(|text| text.replace(&place, "fw:443")).collect()
}

fn entry(endpoint: &str, fingerprint: &str, key: &Path) -> kinds::PfSense {
    kinds::PfSense {
        endpoint: endpoint.parse().unwrap(),
        fingerprint: Some(fingerprint.parse().unwrap()),
        ca: None,
        api_key: Some(format!("secret://file/{}", key.display()).parse().unwrap()),
        user: None,
        password: None,
        location: None,
    }
}

fn declared(entry: &kinds::PfSense) -> PfSense {
    let (place, installation) = (PLACE.parse().unwrap(), INSTALLATION.parse().unwrap());
    PfSense::new(place, installation, Arc::new(Secrets::default()), entry, Path::new("/"))
}

#[tokio::test]
async fn a_firewall_with_another_certificate_is_not_spoken_to() {
    let world = World::new(VERSIONS[0]).await;
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let right = declared(&entry(&world.endpoint(), world.fingerprint(), &key));
    assert!(right.observe(wanting([])).await.gaps.is_empty());
    world.forget_calls();

    let wrong = declared(&entry(&world.endpoint(), &"00".repeat(32), &key));
    let gaps = gaps(&world, &wrong.observe(wanting([])).await);

    assert!(world.written().is_empty() && world.count("GET /interfaces") == 0);
    let shown: Vec<String> =
        gaps.iter().map(|gap| gap.replace(world.fingerprint(), "(theirs)")).collect();
    insta::assert_debug_snapshot!(shown);
}

#[tokio::test]
async fn a_key_that_cannot_be_had_is_said_once_and_nobody_is_called() {
    let world = World::new(VERSIONS[0]).await;
    let missing = Path::new("no/such/key");
    let provider = declared(&entry(&world.endpoint(), world.fingerprint(), missing));

    let gaps = gaps(&world, &provider.observe(wanting([])).await);
    let refused = provider.apply(Act::Create, &change(&alias())).await.unwrap_err();

    insta::assert_debug_snapshot!((gaps, refused));
    assert!(world.count("GET /firewall/aliases") == 0);
}

#[tokio::test]
async fn a_wrong_key_is_tried_once() {
    let world = World::new(VERSIONS[0]).await;
    let provider = world.with_key("wrong");

    let gaps = gaps(&world, &provider.observe(wanting([])).await);
    provider.observe(wanting([])).await;
    let refused = provider.apply(Act::Create, &change(&alias())).await.unwrap_err();

    insta::assert_debug_snapshot!((gaps, refused));
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_privilege_that_is_missing_is_named_and_hides_what_needs_it_alone() {
    let world = World::new(VERSIONS[1]).await;
    for thing in everything() {
        world.create(&thing).await;
    }
    let nobody = world.client_of(&[]).await;
    let mut privileges = nobody.privileges_missing().await.unwrap();
    let lacking = ["api-v2-firewall-aliases-get", "api-v2-interface-vlan-delete"];
    privileges.retain(|privilege| !lacking.contains(&privilege.as_str()));
    let privileges: Vec<&str> = privileges.iter().map(String::as_str).collect();
    world.change(|state| state.add_user("other", "hunter2", &privileges)).await;
    let provider = world.as_user("other");
    let before = world.stored().await;

    let seen = provider.observe(wanting([])).await;
    let refused = provider.apply(Act::Create, &change(&full_rule())).await.unwrap_err();

    let present: Vec<String> = seen.present.keys().map(ToString::to_string).collect();
    let unknown: Vec<String> = seen.unknown.keys().map(ToString::to_string).collect();
    let lacks = provider.examine().await.unwrap().lacks;
    insta::assert_debug_snapshot!((gaps(&world, &seen), present, unknown, refused, lacks));
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn in_read_only_mode_everything_is_seen_and_nothing_is_written() {
    let world = World::new(VERSIONS[1]).await;
    world.create(&alias()).await;
    let read_only = format!("{SETTINGS}/read_only");
    world.change(|state| state.config.set(&read_only, "enabled".into())).await;
    let before = world.stored().await;

    let refused = world.refusal(Act::Create, &rule(4000)).await;

    world.assert_as_wished(&alias()).await;
    let lacks = world.provider().examine().await.unwrap().lacks;
    insta::assert_debug_snapshot!((refused, lacks));
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn a_lock_of_another_writer_may_pass_once_and_then_wants_somebody_to_look() {
    let world = World::new(VERSIONS[0]).await;
    let before = world.stored().await;
    world.refuse("POST /firewall/alias", 503, "MODEL_WRITE_CONFIG_LOCKED");

    let first = world.refusal(Act::Create, &alias()).await;
    let second = world.refusal(Act::Create, &alias()).await;

    insta::assert_debug_snapshot!((first, second));
    assert_eq!(world.stored().await, before);
}

#[tokio::test]
async fn what_is_not_applied_is_not_done_and_is_seen_as_not_working() {
    let world = World::with(VERSIONS[0], |state| state.apply_ms = 3_600_000).await;

    let error = world.impatient().apply(Act::Create, &change(&vlan())).await.unwrap_err();

    insta::assert_debug_snapshot!(error);
    let way = world.provider().compare(&vlan().body, &world.present(&vlan()).await);
    insta::assert_debug_snapshot!(way);
    world.change(|state| (state.apply_ms, state.work) = (0, Vec::new())).await;
    world.update(&vlan()).await;
    world.assert_as_wished(&vlan()).await;
}

#[tokio::test]
async fn a_write_that_another_writer_undoes_is_tried_again() {
    let world = World::new(VERSIONS[0]).await;
    world.before("POST /firewall/apply", "DELETE", "/firewall/alias?id=0", &json!(null));

    let error = world.refusal(Act::Create, &alias()).await;

    insta::assert_debug_snapshot!(error);
    world.assert_absent(&alias()).await;
    world.create(&alias()).await;
    world.assert_as_wished(&alias()).await;
}

#[tokio::test]
async fn what_somebody_takes_over_while_we_look_is_not_touched() {
    let world = World::new(VERSIONS[0]).await;
    world.create(&rule(4000)).await;
    let ids = world.listed("/firewall/rules", "tracker").await;
    let id = ids.iter().position(|tracker| tracker == "4000").unwrap();
    let mine = json!({"id": id, "descr": "mine now"});
    // The look before the write has the rule as it was; the one right before the write has not.
    world.before("GET /firewall/nat/port_forwards", "PATCH", "/firewall/rule", &mine);

    let error = world.refusal(Act::Delete, &rule(4000)).await;

    insta::assert_debug_snapshot!(error);
    assert!(world.listed("/firewall/rules", "tracker").await.contains(&"4000".to_owned()));
}

#[tokio::test]
async fn interfaces_are_found_whatever_the_firewall_calls_them() {
    for manner in ["descr", "if"] {
        let world = World::with(VERSIONS[1], |state| {
            state.config.set(&format!("{SETTINGS}/represent_interfaces_as"), manner.into());
        })
        .await;
        for thing in everything() {
            world.create(&thing).await;
        }
        for thing in everything() {
            world.assert_as_wished(&thing).await;
        }
        for thing in everything().iter().rev() {
            world.delete(thing).await;
            world.assert_absent(thing).await;
        }
    }
}

#[tokio::test]
async fn without_its_package_wireguard_has_nothing_and_makes_nothing() {
    let world = World::with(VERSIONS[1], |state| state.packages.clear()).await;

    let seen = world.observe().await;
    let refused = world.refusal(Act::Create, &tunnel()).await;

    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    world.assert_absent(&tunnel()).await;
    world.delete(&tunnel()).await;
    let declared = Declared { has_tunnels: true, ..Declared::default() };
    let lacks = world.fresh().declaring(declared).examine().await.unwrap().lacks;
    insta::assert_debug_snapshot!((refused, lacks));
}

#[tokio::test]
async fn a_tunnel_does_not_work_where_wireguard_is_switched_off() {
    let off = |enable: &'static str| {
        move |state: &mut lessor_sandbox::pfsense::State| {
            state.config.set("installedpackages/wireguard/config/0/enable", enable.into());
        }
    };
    let world = World::with(VERSIONS[1], off("off")).await;

    let refused = world.refusal(Act::Create, &tunnel()).await;

    let way = world.provider().compare(&tunnel().body, &world.present(&tunnel()).await);
    let declared = Declared { has_tunnels: true, ..Declared::default() };
    let lacks = world.fresh().declaring(declared).examine().await.unwrap().lacks;
    insta::assert_debug_snapshot!((refused, way, lacks));
    world.change(off("on")).await;
    world.create(&tunnel()).await;
    world.assert_as_wished(&tunnel()).await;
}

#[tokio::test]
async fn what_leaves_keeps_its_source_where_somebody_switched_outbound_nat_off() {
    let mode = |mode: &'static str| {
        move |state: &mut lessor_sandbox::pfsense::State| {
            state.config.set("nat/outbound/mode", mode.into());
        }
    };
    let world = World::with(VERSIONS[1], mode("disabled")).await;
    world.create(&alias()).await;
    let before = world.stored().await;

    let refused = world.refusal(Act::Create, &outbound()).await;

    insta::assert_snapshot!(
        refused.to_string(),
        @"`tenants` cannot count: outbound NAT is switched off"
    );
    assert_eq!(world.stored().await, before);
    world.change(mode("advanced")).await;
    world.create(&outbound()).await;
    world.assert_as_wished(&outbound()).await;
    world.change(mode("automatic")).await;
    let way = world.provider().compare(&outbound().body, &world.present(&outbound()).await);
    assert_eq!(way, Transition::InPlace(vec!["enabled".into()]));
    world.update(&outbound()).await;
    world.assert_as_wished(&outbound()).await;
    world.delete(&outbound()).await;
    let mode = world.other("GET", "/firewall/nat/outbound/mode", json!(null)).await;
    assert_eq!(mode["mode"], "hybrid", "others may rely on it by now");
}

#[tokio::test]
async fn a_healthy_firewall_lacks_nothing_but_what_entries_name_and_it_has_not() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let examination = world.provider().examine().await.unwrap();
        assert_eq!(examination.lacks, []);
        let ending = format!("REST API {}", version.name());
        assert!(examination.system.ends_with(&ending), "{}", examination.system);
        assert_eq!(examination.disk, None);
        let cards = ["igb1", "vtnet3"].map(str::to_owned).into();
        let interfaces = ["wan", "opt9"].map(str::to_owned).into();
        let declared = Declared { cards, interfaces, has_tunnels: true };
        let examination = world.fresh().declaring(declared).examine().await.unwrap();
        insta::assert_debug_snapshot!((examination.facts, examination.lacks));
    }
}
