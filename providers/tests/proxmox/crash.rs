//! Acts that are cut off at each of their requests, and done again by somebody else.

use lessor_engine::Provider as _;
use lessor_plans::{Act, Body};
use lessor_specs::ByteSize;

use crate::wishes::{GIB, change, container, linked, pool, vm, vnet, with};
use crate::world::{TEMPLATES, World, act_with, assert_as_wished, create, is_gone};

/// Begins an act with one provider, ends that provider after every request, and lets a fresh one do
/// the act. Nothing is there twice and nothing is left over, wherever it was.
///
/// To the cluster, who ends after one request is the same as who ends before the next.
async fn at_every_request(world: &World, before: &[Body], act: Act, body: &Body) {
    for at in 0.. {
        assert!(at < 200, "an act of so many requests never ends");
        world.reset();
        for body in before {
            create(world, body).await;
        }
        let was_cut_off = cut_off(world, act, body, at).await;
        let context = format!("{act} {} cut off after request {at}", body.sort());
        act_with(&world.provider(), act, body)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        if act == Act::Delete {
            assert!(is_gone(world, body).await, "{context}");
        } else {
            assert_as_wished(world, body).await;
        }
        assert_eq!(world.orphans().await, Vec::<String>::new(), "{context}");
        let guests = world.state().await["guests"].as_object().unwrap().len();
        let ours = usize::from(body.sort() == "guest" && act != Act::Delete);
        assert_eq!(guests, TEMPLATES + ours, "{context}");
        if !was_cut_off {
            return;
        }
    }
}

/// Ends the provider of an act after one request; false when the act was done before that.
async fn cut_off(world: &World, act: Act, body: &Body, at: usize) -> bool {
    world.slowly();
    world.gate.shut_after(Some(at));
    let (provider, wanted) = (world.provider(), change(body));
    let was_cut_off = tokio::select! {
        biased;
        () = world.gate.reached.notified() => true,
        done = provider.apply(act, &wanted) => {
            done.unwrap();
            false
        }
    };
    world.gate.shut_after(None);
    // What was begun goes on as slowly as it was begun; the rest need not.
    world.quickly();
    was_cut_off
}

#[tokio::test]
async fn a_machine_is_made_once_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[pool()], Act::Create, &vm(20_001)).await;
}

#[tokio::test]
async fn a_linked_machine_is_made_once_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[pool()], Act::Create, &linked(20_001)).await;
}

#[tokio::test]
async fn a_container_is_made_once_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[pool()], Act::Create, &container(20_001)).await;
}

#[tokio::test]
async fn a_vnet_is_made_once_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[], Act::Create, &vnet()).await;
}

#[tokio::test]
async fn a_guest_changes_wherever_that_was_cut_off() {
    let world = World::new().await;
    let edited = with(&vm(20_001), |body| {
        body.cpu = 4;
        body.disk = ByteSize::from_bytes(4 * GIB);
        body.firewall.as_mut().unwrap().remove(1);
    });
    at_every_request(&world, &[pool(), vm(20_001)], Act::Update, &edited).await;
}

#[tokio::test]
async fn a_guest_starts_with_its_new_address_wherever_that_was_cut_off() {
    let world = World::new().await;
    let moved = with(&vm(20_001), |body| {
        body.cloud_init.as_mut().unwrap().address = "10.100.0.9".parse().unwrap();
    });
    at_every_request(&world, &[pool(), vm(20_001)], Act::Update, &moved).await;
}

#[tokio::test]
async fn a_guest_is_removed_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[pool(), vm(20_001)], Act::Delete, &vm(20_001)).await;
    at_every_request(&world, &[pool(), container(20_001)], Act::Delete, &container(20_001)).await;
}

#[tokio::test]
async fn a_vnet_is_removed_wherever_that_was_cut_off() {
    let world = World::new().await;
    at_every_request(&world, &[vnet()], Act::Delete, &vnet()).await;
}
