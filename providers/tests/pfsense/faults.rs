//! Bad weather: whatever goes wrong on the way, what is wished comes to be once it ends, nothing
//! twice, and nothing is left over.

use std::time::Duration;

use lessor_engine::{ApplyError, Provider as _};
use lessor_plans::Act;

use crate::things::everything;
use crate::world::{VERSIONS, World, change};

/// What happens to three of ten writes, and to a few looks. A list that lacks its end is no weather
/// of a firewall, which reads its whole configuration at once.
const WEATHERS: [&str; 6] = ["refused", "lost", "slow:20", "late:30", "cut:40", "status:502"];

/// Begins a weather.
fn storm(world: &World, mishap: &str) {
    world.fault(&format!("{mishap},method=GET,chance=2"));
    for method in ["POST", "PATCH", "DELETE"] {
        world.fault(&format!("{mishap},method={method},chance=30"));
    }
}

/// Tries for as long as it may help.
async fn try_all(world: &World, act: Act) {
    let mut things = everything();
    if act == Act::Delete {
        things.reverse();
    }
    for thing in things {
        for attempt in 0.. {
            let outcome = world.provider().apply(act, &change(&thing)).await;
            match outcome {
                Ok(()) => break,
                Err(ApplyError::Transient { .. }) if attempt < 30 => {}
                Err(error) => panic!("{act} `{}`: {error:?}", thing.address),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_and_goes_in_bad_weather_once() {
    let fair = World::new(VERSIONS[0]).await;
    let empty = fair.stored().await;
    for thing in everything() {
        fair.create(&thing).await;
    }
    for weather in WEATHERS {
        let world = World::new(VERSIONS[0]).await;
        storm(&world, weather);
        try_all(&world, Act::Create).await;
        world.fair_weather();
        tokio::time::sleep(Duration::from_millis(60)).await;
        try_all(&world, Act::Create).await;
        for thing in everything() {
            world.assert_as_wished(&thing).await;
        }
        assert_eq!(counts(&world).await, counts(&fair).await, "{weather}");

        storm(&world, weather);
        try_all(&world, Act::Delete).await;
        world.fair_weather();
        tokio::time::sleep(Duration::from_millis(60)).await;
        try_all(&world, Act::Delete).await;
        assert_eq!(world.stored().await, empty, "{weather}");
    }
}

/// How many objects there are of each sort.
async fn counts(world: &World) -> Vec<usize> {
    let paths = [
        "/interface/vlans",
        "/interfaces",
        "/firewall/aliases",
        "/firewall/rules",
        "/firewall/nat/port_forwards",
        "/firewall/nat/one_to_one/mappings",
        "/firewall/virtual_ips",
        "/vpn/wireguard/tunnels",
        "/vpn/wireguard/peers",
    ];
    let mut counts = Vec::new();
    for path in paths {
        counts.push(world.listed(path, "id").await.len());
    }
    counts
}

#[tokio::test]
async fn each_list_that_fails_is_a_gap_and_nothing_of_it_is_absent() {
    let world = World::new(VERSIONS[1]).await;
    for thing in everything() {
        world.create(&thing).await;
    }
    for (path, what) in [
        ("/interface/vlans", "VLANs"),
        ("/interfaces", "interfaces"),
        ("/firewall/aliases", "aliases"),
        ("/firewall/rules", "rules"),
        ("/port_forwards", "port forwards"),
        ("/one_to_one", "1:1 NAT mappings"),
        ("/virtual_ips", "virtual IPs"),
        ("/tunnels", "WireGuard tunnels"),
        ("/peers", "WireGuard peers"),
        ("/wireguard/settings", "settings of WireGuard"),
        ("/interface/apply", "changes of interfaces"),
    ] {
        world.fault(&format!("status:502,path={path}"));

        let seen = world.observe().await;

        let gaps: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
        assert_eq!(gaps, [what]);
        for thing in everything() {
            let sighting = seen.sighting(&thing.address);
            assert!(!matches!(sighting, lessor_plans::Sighting::Absent), "{what}: {thing:?}");
            if let Some(present) = seen.present.get(&thing.address) {
                assert_eq!(present.beside(Some(&thing.body)), thing.body, "{what}");
            }
        }
        world.fair_weather();
    }
    world.fault("refused");
    let seen = world.observe().await;
    let gaps: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(gaps, ["anything"]);
}
