//! What every provider promises, held against the pretend host, a real Docker Engine and the one of
//! the sandbox.
//!
//! The real engine is the one at `DOCKER_HOST` or the local socket. Without one, its tests fail:
//! a promise nobody checked is not kept. Each test works in a world of its own, with its own names,
//! and leaves nothing behind.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where its world does")]

mod adopted;
mod bodies;
mod engine;
mod machine;
mod pretend;
mod watching;
mod weather;
mod worlds;

use std::collections::BTreeMap;

use lessor_engine::{ApplyError, wanting};
use lessor_plans::{
    Act, Body, Change, ContainerBody, Hold, Mark, MountBody, Observation, Origin, Present,
    Sighting, Transition,
};
use lessor_specs::kinds::Restart;
use lessor_specs::{ByteSize, Cpu, EnvValue};

use adopted::{
    a_copied_mark_does_not_keep_a_thing_from_being_adopted,
    a_thing_two_entries_adopt_is_refused_to_both,
    an_adopted_container_changes_in_place_and_keeps_its_id,
    an_id_means_no_other_thing_of_that_name, only_the_very_thing_that_is_adopted_is_touched,
    what_is_another_installations_or_another_entrys_is_not_adopted,
    what_is_made_in_place_of_an_adopted_thing_is_ours_by_its_mark,
    what_was_there_before_is_adopted_by_name_and_by_id,
};
use bodies::{address, change, container, everything_at_once, image, network, port, volume};
use worlds::World;

/// Runs each claim on each provider.
macro_rules! contract {
    ($($claim:ident)*) => {
        mod in_process { $(#[tokio::test] async fn $claim() { super::$claim(&super::worlds::Pretend::in_process().await).await })* }
        mod in_a_file { $(#[tokio::test] async fn $claim() { super::$claim(&super::worlds::Pretend::in_a_file().await).await })* }
        mod on_docker { $(#[tokio::test] async fn $claim() { super::$claim(&super::worlds::Engine::new()).await })* }
        mod in_the_sandbox { $(#[tokio::test] async fn $claim() { super::$claim(&super::worlds::Engine::pretended()).await })* }
        mod over_ssh { $(#[tokio::test] async fn $claim() { super::$claim(&super::worlds::Engine::over_ssh().await).await })* }
    };
}

contract! {
    an_empty_host_has_nothing_and_looking_makes_nothing
    looking_changes_nothing
    what_was_created_is_seen_as_wished
    every_attribute_at_once_is_seen_as_wished
    each_act_twice_equals_once
    limits_restart_and_running_change_without_a_new_container
    whatever_else_changes_replaces
    what_has_to_be_replaced_is_not_updated
    a_name_that_somebody_else_has_is_reported_and_never_touched
    another_installations_things_are_somebody_elses
    a_copied_mark_is_odd_and_its_thing_left_alone
    ports_of_others_are_reported_and_refused
    subnets_of_others_are_reported_and_refused
    a_volume_outlives_its_container_and_is_not_removed_under_it
    nothing_is_made_of_what_is_missing
    a_secret_is_compared_by_value_and_shown_nowhere
    a_secret_that_cannot_be_had_stops_the_creation
    two_things_for_one_address_are_unknown
    what_was_there_before_is_adopted_by_name_and_by_id
    an_adopted_container_changes_in_place_and_keeps_its_id
    only_the_very_thing_that_is_adopted_is_touched
    an_id_means_no_other_thing_of_that_name
    what_is_another_installations_or_another_entrys_is_not_adopted
    a_thing_two_entries_adopt_is_refused_to_both
    a_copied_mark_does_not_keep_a_thing_from_being_adopted
    what_is_made_in_place_of_an_adopted_thing_is_ours_by_its_mark
}

async fn an_empty_host_has_nothing_and_looking_makes_nothing(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());

    let seen = observe(world, &[&body]).await;

    assert!(seen.present.is_empty() && seen.unknown.is_empty() && seen.oddities.is_empty());
    assert!(matches!(seen.sighting(&address(&body)), Sighting::Absent));
    assert!(matches!(world.provider().sight(&change(&body)).await, Sighting::Absent));
    assert_eq!(world.snapshot().await, "");
}

async fn looking_changes_nothing(world: &dyn World) {
    let body = everything_at_once(world).await;
    create(world, &body).await;
    let before = world.snapshot().await;

    observe(world, &[&body]).await;
    world.provider().sight(&change(&body)).await;

    assert_eq!(world.snapshot().await, before);
}

async fn what_was_created_is_seen_as_wished(world: &dyn World) {
    for body in [
        image(world),
        Body::Network(network(world, "chosen")),
        Body::Volume(volume(world, "data")),
        Body::Container(container(world, "web").into()),
    ] {
        create(world, &body).await;
        assert_as_wished(world, &body).await;
    }
}

async fn every_attribute_at_once_is_seen_as_wished(world: &dyn World) {
    let body = everything_at_once(world).await;

    create(world, &body).await;

    assert_as_wished(world, &body).await;
    for used in used(world, &body).await {
        assert_as_wished(world, &used).await;
    }
}

async fn each_act_twice_equals_once(world: &dyn World) {
    let body = everything_at_once(world).await;
    create(world, &body).await;
    let once = world.snapshot().await;
    create(world, &body).await;
    assert_eq!(world.snapshot().await, once);

    let stopped = with(&body, |body| body.running = false);
    update(world, &stopped).await;
    let once = world.snapshot().await;
    update(world, &stopped).await;
    assert_eq!(world.snapshot().await, once);

    let used = used(world, &body).await;
    for body in [stopped].iter().chain(&used).filter(|body| body.sort() != "image") {
        delete(world, body).await;
        delete(world, body).await;
        assert!(matches!(world.provider().sight(&change(body)).await, Sighting::Absent));
    }
    assert_eq!(world.snapshot().await, "");
}

async fn limits_restart_and_running_change_without_a_new_container(world: &dyn World) {
    let mut body = Body::Container(container(world, "web").into());
    create(world, &body).await;
    let id = world.id(&body).await;
    let edits: [(&str, Edit); 9] = [
        ("cpu", |body| body.cpu = Some(Cpu::from_millis(500))),
        ("memory", |body| body.memory = Some(ByteSize::from_bytes(64 << 20))),
        ("memory", |body| body.memory = Some(ByteSize::from_bytes(32 << 20))),
        ("pids", |body| body.pids = Some(40)),
        ("pids", |body| body.pids = None),
        ("restart", |body| body.restart = Restart::Always),
        ("running", |body| body.running = false),
        ("cpu", |body| body.cpu = Some(Cpu::from_millis(250))),
        ("running", |body| body.running = true),
    ];
    for (path, edit) in edits {
        body = with(&body, edit);
        let way = world.provider().compare(&body, &present(world, &body).await);
        assert_eq!(way, Transition::InPlace(vec![path.into()]));

        update(world, &body).await;

        assert_as_wished(world, &body).await;
        assert_eq!(world.id(&body).await, id, "{path}");
    }
}

/// Changes one attribute of a wish.
type Edit = fn(&mut ContainerBody);

async fn whatever_else_changes_replaces(world: &dyn World) {
    let body = everything_at_once(world).await;
    create(world, &body).await;
    let present = present(world, &body).await;
    let edits: [(&str, Edit); 14] = [
        ("image", |body| body.image = "other:1".into()),
        ("entrypoint", |body| body.entrypoint = None),
        ("command", |body| body.command = Some(vec!["true".into()])),
        ("user", |body| body.user = None),
        ("env.GREETING", |body| set(body, "GREETING", "bye")),
        ("env.MORE", |body| set(body, "MORE", "")),
        ("labels.tier", |body| drop(body.labels.remove("tier"))),
        ("networks", |body| body.networks.clear()),
        ("ports", |body| body.ports.clear()),
        ("cpu", |body| body.cpu = None),
        ("memory", |body| body.memory = None),
        ("no_new_privileges", |body| body.no_new_privileges = false),
        ("healthcheck.retries", |body| body.healthcheck.as_mut().unwrap().retries = 9),
        ("logging.options.max-size", |body| {
            body.logging.as_mut().unwrap().options.insert("max-size".into(), "2m".into());
        }),
    ];
    for (path, edit) in edits {
        let way = world.provider().compare(&with(&body, edit), &present);
        assert_eq!(way, Transition::Replace(vec![path.into()]));
    }
}

async fn what_has_to_be_replaced_is_not_updated(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    create(world, &body).await;
    let before = world.snapshot().await;
    let other = with(&body, |body| body.user = Some("1000".into()));

    for act in [Act::Create, Act::Update] {
        let error = world.provider().apply(act, &change(&other)).await.unwrap_err();
        let why = format!("container `{}` is there with another user", body.name());
        assert_eq!(error, ApplyError::Stale { why });
    }
    assert_eq!(world.snapshot().await, before);
}

async fn a_name_that_somebody_else_has_is_reported_and_never_touched(world: &dyn World) {
    for body in [
        Body::Network(network(world, "front")),
        Body::Volume(volume(world, "data")),
        Body::Container(container(world, "web").into()),
    ] {
        world.put(&body, &BTreeMap::new()).await;
        assert_left_alone(world, &body).await;
    }
}

async fn another_installations_things_are_somebody_elses(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    let mark = Mark { installation: world.other_installation(), ..mark(world, &body) };
    world.put(&body, &mark.to_labels()).await;

    assert_left_alone(world, &body).await;
}

async fn a_copied_mark_is_odd_and_its_thing_left_alone(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    let mark = Mark { name: world.name("original"), ..mark(world, &body) };
    world.put(&body, &mark.to_labels()).await;

    let seen = observe(world, &[]).await;

    let [oddity] = &*seen.oddities else { panic!("{:?}", seen.oddities) };
    assert_eq!(oddity.thing, format!("container `{}`", body.name()));
    assert_eq!(oddity.why, format!("its mark was made for `{}`", world.name("original")));
    assert_left_alone(world, &body).await;
}

async fn ports_of_others_are_reported_and_refused(world: &dyn World) {
    let published = port(world, 80);
    let stranger = with(&Body::Container(container(world, "stranger").into()), |body| {
        body.ports.insert(published);
    });
    world.put(&stranger, &BTreeMap::new()).await;
    let ours = with(&Body::Container(container(world, "web").into()), |body| {
        body.ports.insert(published);
    });

    let seen = observe(world, &[&ours]).await;

    let holder = format!("container `{}`", stranger.name());
    assert!(holds(&seen, &published.hold(), &holder), "{:?}", seen.strangers);
    let refused = world.provider().apply(Act::Create, &change(&ours)).await;
    assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
}

async fn subnets_of_others_are_reported_and_refused(world: &dyn World) {
    let mut stranger = network(world, "stranger");
    stranger.subnet = Some(world.subnet());
    world.put(&Body::Network(stranger.clone()), &BTreeMap::new()).await;
    let mut ours = network(world, "front");
    ours.subnet = Some(world.subnet());
    let ours = Body::Network(ours);

    let seen = observe(world, &[&ours]).await;

    let holder = format!("network `{}`", stranger.name);
    assert!(holds(&seen, &Hold::Subnet(world.subnet()), &holder), "{:?}", seen.strangers);
    let refused = world.provider().apply(Act::Create, &change(&ours)).await;
    assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
}

async fn a_volume_outlives_its_container_and_is_not_removed_under_it(world: &dyn World) {
    let data = Body::Volume(volume(world, "data"));
    let web = with(&Body::Container(container(world, "web").into()), |body| {
        let mount = MountBody { volume: data.name().into(), read_only: false };
        body.mounts.insert("/data".into(), mount);
    });
    create(world, &data).await;
    create(world, &web).await;

    let refused = world.provider().apply(Act::Delete, &change(&data)).await;
    assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
    delete(world, &web).await;

    assert_as_wished(world, &data).await;
}

async fn nothing_is_made_of_what_is_missing(world: &dyn World) {
    let web = Body::Container(container(world, "web").into());
    let missing = [
        with(&web, |body| body.networks = [world.name("gone")].into()),
        with(&web, |body| {
            let mount = MountBody { volume: world.name("gone"), read_only: false };
            body.mounts.insert("/data".into(), mount);
        }),
        with(&web, |body| body.image = "lessor-test/gone:1".into()),
    ];
    for body in missing {
        let error = world.provider().apply(Act::Create, &change(&body)).await.unwrap_err();
        assert!(matches!(error, ApplyError::Stale { .. }), "{error:?}");
        assert_eq!(world.snapshot().await, "");
    }
}

async fn a_secret_is_compared_by_value_and_shown_nowhere(world: &dyn World) {
    let body = with(&Body::Container(container(world, "web").into()), |body| {
        body.env.insert("TOKEN".into(), world.secret("token"));
    });
    create(world, &body).await;

    let seen = observe(world, &[&body]).await;

    let present = &seen.present[&address(&body)];
    assert_eq!(world.provider().compare(&body, present), Transition::None);
    let other = with(&body, |body| drop(body.env.insert("TOKEN".into(), world.secret("other"))));
    let way = world.provider().compare(&other, present);
    assert_eq!(way, Transition::Replace(vec!["env.TOKEN".into()]));
    let mut change = change(&other);
    change.before = Some(present.beside(Some(&other)));
    let shown = format!("{seen:?} {change:?} {}", serde_json::to_string(&change).unwrap());
    assert!(!shown.contains(worlds::TOKEN), "{shown}");
}

async fn a_secret_that_cannot_be_had_stops_the_creation(world: &dyn World) {
    let body = with(&Body::Container(container(world, "web").into()), |body| {
        body.env.insert("TOKEN".into(), world.secret("missing"));
    });

    let error = world.provider().apply(Act::Create, &change(&body)).await.unwrap_err();

    let ApplyError::Refused { why, .. } = error else { panic!("{error:?}") };
    assert!(why.starts_with("`TOKEN` needs the secret `secret://file/missing`: could"), "{why}");
    assert_eq!(world.snapshot().await, "");
}

async fn two_things_for_one_address_are_unknown(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    let second = with(&body, |body| body.name = world.name("second"));
    create(world, &body).await;
    let mark = Mark { name: second.name().into(), ..mark(world, &body) };
    world.put(&second, &mark.to_labels()).await;

    let seen = observe(world, &[&body]).await;

    let why = &seen.unknown[&address(&body)];
    assert_eq!(why, "more than one thing carries its mark");
    assert!(seen.present.is_empty());
}

/// A thing of others that has a wanted name: it is reported, creating is refused, and nothing is
/// changed or removed.
async fn assert_left_alone(world: &dyn World, body: &Body) {
    let before = world.snapshot().await;
    let seen = observe(world, &[body]).await;
    let (sort, name) = (body.sort(), body.name().to_owned());

    assert!(holds(&seen, &Hold::Name { sort, name: name.clone() }, &format!("{sort} `{name}`")));
    assert!(!seen.present.contains_key(&address(body)));
    let sighting = world.provider().sight(&change(body)).await;
    assert!(matches!(sighting, Sighting::Unknown { .. }), "{sighting:?}");
    for (act, stale) in [(Act::Create, false), (Act::Update, true), (Act::Delete, true)] {
        let error = world.provider().apply(act, &change(body)).await.unwrap_err();
        // Who creates has seen the name free, and who changes or removes has seen it ours.
        assert_eq!(matches!(error, ApplyError::Stale { .. }), stale, "{act}: {error:?}");
    }
    assert_eq!(world.snapshot().await, before);
}

fn holds(seen: &Observation, hold: &Hold, holder: &str) -> bool {
    seen.strangers.iter().any(|stranger| stranger.hold == *hold && stranger.holder == holder)
}

fn mark(world: &dyn World, body: &Body) -> Mark {
    Mark {
        installation: world.installation(),
        address: address(body),
        origin: Origin::File,
        name: body.name().into(),
    }
}

/// Looks, and holds that nothing stayed unseen.
async fn observe(world: &dyn World, desired: &[&Body]) -> Observation {
    let wanted: Vec<_> = desired.iter().map(|body| address(body).into()).collect();
    let seen = world.provider().observe(wanting(wanted)).await;
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    seen
}

async fn present(world: &dyn World, body: &Body) -> Present {
    observe(world, &[body]).await.present.remove(&address(body)).unwrap()
}

/// Looks at all and at the one, and holds that neither sees a difference.
async fn assert_as_wished(world: &dyn World, body: &Body) {
    let seen = present(world, body).await;
    assert_eq!(world.provider().compare(body, &seen), Transition::None, "{seen:#?}");
    let Sighting::Present(seen) = world.provider().sight(&change(body)).await else {
        panic!("not seen")
    };
    assert_eq!(world.provider().compare(body, &seen), Transition::None, "{seen:#?}");
    assert_eq!(seen.birth, address(body));
}

async fn create(world: &dyn World, body: &Body) {
    act(world, Act::Create, &change(body)).await;
}

async fn update(world: &dyn World, body: &Body) {
    act(world, Act::Update, &change(body)).await;
}

async fn delete(world: &dyn World, body: &Body) {
    act(world, Act::Delete, &change(body)).await;
}

async fn act(world: &dyn World, act: Act, change: &Change) {
    world.provider().apply(act, change).await.unwrap();
}

/// The things a body uses, as they are.
async fn used(world: &dyn World, body: &Body) -> Vec<Body> {
    let mut used = Vec::new();
    for present in observe(world, &[]).await.present.into_values() {
        let (sort, name) = (present.body.sort(), present.body.name());
        if body.uses().contains(&(sort, name)) {
            used.push(present.body);
        }
    }
    used
}

fn with(body: &Body, edit: impl FnOnce(&mut ContainerBody)) -> Body {
    let mut body = body.clone();
    edit(body.container_mut().unwrap());
    body
}

fn set(body: &mut ContainerBody, variable: &str, value: &str) {
    body.env.insert(variable.into(), EnvValue::Plain(value.into()));
}
