//! The provider is killed before and behind every write it makes; another one repeats the act, and
//! the firewall is as if nothing had happened.
//!
//! Between two writes it only looks, so that being killed there is the same as behind the first.

use lessor_engine::Provider as _;
use lessor_engine::wanting;
use lessor_plans::{Act, Change, Sighting};
use lessor_sandbox::pfsense::State;

use crate::things::{
    Thing, alias, asked_vlan, bare_vlan, edits, everything, full_rule, mapping, outbound, vlan,
};
use crate::world::{Freeze, VERSIONS, World, change};

/// What a thing stands on.
fn ground(thing: &Thing) -> Vec<Thing> {
    let is_on_it =
        thing.address == full_rule().address || thing.address.to_string() == "port_forward.web";
    let is_asked = thing.address == mapping().address;
    let is_about_alias = thing.address == outbound().address;
    match (is_on_it, is_asked, is_about_alias) {
        (true, ..) => vec![vlan(), alias()],
        (_, true, _) => vec![asked_vlan()],
        (.., true) => vec![alias()],
        _ => Vec::new(),
    }
}

/// Does an act in a program of its own, which is killed where a request is held. Whether it came
/// to its end instead.
async fn killed(world: &World, act: Act, thing: &Thing, freeze: Freeze) -> bool {
    world.freeze(Some(freeze));
    let program =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (provider, change) = (world.fresh(), change(thing));
    let act = program.spawn(async move { provider.apply(act, &change).await });
    let ended = tokio::select! {
        ended = act => {
            ended.unwrap().unwrap();
            true
        }
        () = world.frozen() => false,
    };
    program.shutdown_background();
    world.freeze(None);
    ended
}

/// Kills it everywhere, and says at how many writes.
async fn killed_everywhere(before: &State, act: Act, thing: &Thing) -> usize {
    let world = World::with(VERSIONS[0], |state| *state = before.clone()).await;
    let planned = planned(&world, act, thing).await;
    world.fresh().apply(act, &change(thing)).await.unwrap();
    let expected = world.stored().await;
    for number in 1.. {
        for freeze in [Freeze::Before(number), Freeze::Behind(number)] {
            world.change(|state| *state = before.clone()).await;
            let ended = killed(&world, act, thing, freeze).await;
            if !ended {
                assert_on_its_way(&world, act, &planned, freeze).await;
                world.fresh().apply(act, &change(thing)).await.unwrap_or_else(|error| {
                    panic!("{act} `{}`, {freeze:?}: {error:?}", thing.address)
                });
            }
            assert_eq!(world.stored().await, expected, "{act} `{}`, {freeze:?}", thing.address);
            assert!(world.is_applied().await, "{act} `{}`, {freeze:?}", thing.address);
            if act == Act::Delete {
                world.assert_absent(thing).await;
            } else {
                world.assert_as_wished(thing).await;
            }
            if ended {
                return number - 1;
            }
        }
    }
    unreachable!("somewhere it ends")
}

/// The change as a plan has it: from what is there.
async fn planned(world: &World, act: Act, thing: &Thing) -> Change {
    let after = (act != Act::Delete).then(|| thing.body.clone());
    let before = match world.fresh().sight(&change(thing)).await {
        Sighting::Present(present) => Some(present.beside(after.as_ref())),
        Sighting::Absent => None,
        Sighting::Unknown { why } => panic!("{why}"),
    };
    Change { before, after, ..change(thing) }
}

/// A plan made before the kill still fits: its call may come as late as that.
async fn assert_on_its_way(world: &World, act: Act, planned: &Change, freeze: Freeze) {
    if let Sighting::Present(present) = world.fresh().sight(planned).await {
        let now = present.beside(planned.after.as_ref());
        assert_eq!(planned.strayed(act, &now), None, "{act} `{}`, {freeze:?}", planned.address);
    }
}

async fn state_with(things: &[Thing]) -> State {
    let world = World::new(VERSIONS[0]).await;
    for thing in things {
        world.create(thing).await;
    }
    world.system.state().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_creates_it_creates_once() {
    let mut writes = Vec::new();
    for thing in everything() {
        let before = state_with(&ground(&thing)).await;
        let count = killed_everywhere(&before, Act::Create, &thing).await;
        writes.push(format!("{}: {count}", thing.address));
    }
    insta::assert_debug_snapshot!(writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_deletes_nothing_is_left() {
    let mut writes = Vec::new();
    for thing in everything().into_iter().filter(|thing| thing.address != bare_vlan().address) {
        let ground = ground(&thing).into_iter().chain([thing.clone()]).collect::<Vec<_>>();
        let before = state_with(&ground).await;
        let count = killed_everywhere(&before, Act::Delete, &thing).await;
        writes.push(format!("{}: {count}", thing.address));
    }
    insta::assert_debug_snapshot!(writes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_updates_it_is_as_wished() {
    let mut writes = Vec::new();
    let telling = ["interface.address", "addresses", "ports", "target", "peers.laptop.version"];
    for (path, thing) in edits().into_iter().filter(|(path, _)| telling.contains(path)) {
        let old = everything().into_iter().find(|old| old.address == thing.address).unwrap();
        let ground = ground(&thing).into_iter().chain([old]).collect::<Vec<_>>();
        let before = state_with(&ground).await;
        let count = killed_everywhere(&before, Act::Update, &thing).await;
        writes.push(format!("{} {path}: {count}", thing.address));
    }
    insta::assert_debug_snapshot!(writes);
}

/// Where only the firewall's own outbound mappings count, ours are made to count as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_switches_the_mode_of_outbound_nat_it_switches_it_once() {
    let mut before = state_with(&ground(&outbound())).await;
    before.config.set("nat/outbound/mode", "automatic".into());

    let writes = killed_everywhere(&before, Act::Create, &outbound()).await;

    assert_eq!(writes, 3, "the mode, the mapping, and one apply for both");
}

/// What is half made and no longer wanted is seen, and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_half_made_is_seen_and_can_be_removed() {
    for thing in everything() {
        let before = state_with(&ground(&thing)).await;
        for number in 1.. {
            let world = World::with(VERSIONS[0], |state| *state = before.clone()).await;
            let empty = world.stored().await;
            if killed(&world, Act::Create, &thing, Freeze::Behind(number)).await {
                break;
            }
            let seen = world.fresh().observe(wanting([])).await;
            assert!(seen.present.contains_key(&thing.address), "{}: {number}", thing.address);

            world.fresh().apply(Act::Delete, &change(&thing)).await.unwrap();

            assert_eq!(world.stored().await, empty, "{}", thing.address);
        }
    }
}

/// What is gone is seen by nobody, so that nothing later would make that work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_stored_is_made_to_work() {
    let mut waiting = Vec::new();
    for thing in everything() {
        let ground = ground(&thing).into_iter().chain([thing.clone()]).collect::<Vec<_>>();
        let before = state_with(&ground).await;
        let world = World::with(VERSIONS[0], |state| *state = before).await;
        killed(&world, Act::Delete, &thing, Freeze::Behind(1)).await;
        if !world.is_applied().await {
            waiting.push(thing.address.to_string());
        }

        world.fresh().settle().await.unwrap();

        let state = world.system.state().await;
        let waits = (&state.dirty, &state.pending_interfaces);
        assert!(world.is_applied().await, "`{}`: {waits:?}", thing.address);
    }
    // A firewall tells of no rule whether it waits.
    insta::assert_debug_snapshot!(waiting);
}
