//! The contract in bad weather: whatever becomes of answers, nothing is there twice, and once the
//! weather clears everything is as wished.

use lessor_engine::Provider as _;
use lessor_plans::{Act, Body};
use lessor_providers::proxmox::client::GuestKind;

use crate::wishes::{address, change, container, linked, pool, vm, vnet, with};
use crate::world::{World, act, assert_as_wished, create, is_gone, machine, observe};

const WEATHER: [&str; 12] = [
    "refused,chance=25",
    "lost,chance=25",
    "lost,method=POST,chance=60",
    "slow:30,chance=40",
    "late:60,method=POST,chance=30",
    "late:60,method=PUT,chance=30",
    "cut:20,chance=25",
    "status:595,chance=20",
    "status:596,chance=20",
    "status:599,method=POST,chance=40",
    "status:503,chance=20",
    "status:500,method=GET,chance=10",
];

async fn lives_through(world: &World, weather: &str, body: &Body) {
    let context = format!("{weather} on {} {}", body.sort(), body.name());
    for one in [Act::Create, Act::Update, Act::Delete] {
        world.fault(weather);
        for _ in 0..3 {
            // It may fail; what it did until then may be anything.
            let _ = world.provider().apply(one, &change(body)).await;
        }
        world.weather.set_faults(Vec::new());
        // What comes late has come by then.
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        act(world, one, body).await.unwrap_or_else(|error| panic!("{context}: {one}: {error}"));
        if one == Act::Delete {
            assert!(is_gone(world, body).await, "{context}");
        } else {
            assert_as_wished(world, body).await;
        }
        assert_eq!(world.orphans().await, Vec::<String>::new(), "{context}");
    }
}

#[tokio::test]
async fn machines_containers_and_vnets_come_and_go_in_any_weather() {
    let world = World::new().await;
    for weather in WEATHER {
        world.reset();
        create(&world, &pool()).await;
        let before = world.state().await;
        for body in [vm(20_001), linked(20_002), container(20_003), vnet()] {
            lives_through(&world, weather, &body).await;
        }
        assert_eq!(world.state().await, before, "{weather}");
    }
}

#[tokio::test]
async fn what_is_not_seen_is_never_absent() {
    let world = World::new().await;
    create(&world, &pool()).await;
    create(&world, &vm(20_001)).await;
    for weather in [
        "refused,method=GET",
        "lost,method=GET",
        "cut:5,method=GET",
        "status:596,method=GET",
        "status:500,path=/nodes/pve1/qemu",
        "status:595,path=/20001/pending",
        "status:500,path=/20001/firewall",
        "partial,path=/nodes/pve1/qemu",
        "partial,path=/cluster/resources",
    ] {
        world.fault(weather);
        let seen = observe(&world).await;
        let sighting = seen.sighting(&address(&vm(20_001)));
        world.weather.set_faults(Vec::new());
        assert!(!matches!(sighting, lessor_plans::Sighting::Absent), "{weather}: {seen:#?}");
    }
}

#[tokio::test]
async fn a_list_that_lacks_a_guest_does_not_make_it_gone() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = vm(20_001);
    create(&world, &body).await;
    // So many others that ours is in the second half.
    for vmid in 100..115 {
        world.make(GuestKind::Qemu, &machine(vmid, "local")).await;
    }
    let before = world.state().await;
    world.fault("partial,path=/cluster/resources");
    let seen = observe(&world).await;
    assert!(seen.unknown.contains_key(&address(&body)), "{seen:#?}");

    let sighting = world.provider().sight(&change(&body)).await;
    let deleted = world.provider().apply(Act::Delete, &change(&body)).await;

    assert!(matches!(sighting, lessor_plans::Sighting::Unknown { .. }), "{sighting:?}");
    assert!(deleted.is_err());
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn copies_of_one_template_are_made_one_after_the_other() {
    let world = World::new().await;
    create(&world, &pool()).await;
    world.slowly();
    let provider = world.provider();
    let bodies: Vec<Body> = (20_001..20_005)
        .map(|id| {
            with(&container(id), |body| {
                body.network.mac = format!("02:1B:00:00:00:{:02X}", id % 100);
            })
        })
        .collect();
    let changes: Vec<_> = bodies.iter().map(change).collect();

    let made = changes.iter().map(|change| provider.apply(Act::Create, change));
    let made = futures_util::future::join_all(made).await;

    assert!(made.iter().all(Result::is_ok), "{made:?}");
    for body in &bodies {
        assert_as_wished(&world, body).await;
    }
}
