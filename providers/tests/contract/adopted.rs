//! What every provider promises about things that were there before their entries.

use std::collections::BTreeMap;

use lessor_engine::{ApplyError, wanting};
use lessor_plans::{
    Act, Body, Change, Hold, Mark, Observation, Present, Sighting, Transition, Wanted,
};
use lessor_specs::ByteSize;

use crate::bodies::{address, change, container, network, volume};
use crate::worlds::World;
use crate::{act, create, holds, mark, with};

pub(crate) async fn what_was_there_before_is_adopted_by_name_and_by_id(world: &dyn World) {
    for body in [
        Body::Network(network(world, "front")),
        Body::Volume(volume(world, "data")),
        Body::Container(container(world, "web").into()),
    ] {
        world.put(&body, &BTreeMap::new()).await;
        let before = world.snapshot().await;
        // Volumes have no ids.
        let by_id = if body.sort() == "volume" { None } else { Some(world.id(&body).await) };
        for adopted in [Some(body.name().to_owned()), by_id].into_iter().flatten() {
            let seen = observe(world, &[wanted(&body, &adopted)]).await;

            let present = &seen.present[&address(&body)];
            assert_eq!(present.body.name(), body.name());
            let wish = as_found(present);
            assert_eq!(world.provider().compare(&wish, present), Transition::None);
            assert!(!holds_name(&seen, &body), "{:?}", seen.strangers);
            let change = changing(&wish, present);
            let sighting = world.provider().sight(&change).await;
            assert!(matches!(sighting, Sighting::Present(_)), "{sighting:?}");
        }
        assert_eq!(world.snapshot().await, before);
    }
}

pub(crate) async fn an_adopted_container_changes_in_place_and_keeps_its_id(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    world.put(&body, &BTreeMap::new()).await;
    let id = world.id(&body).await;
    let present = adopted(world, &body).await;
    let bigger = with(&as_found(&present), |body| {
        body.memory = Some(ByteSize::from_bytes(64 << 20));
    });
    let way = world.provider().compare(&bigger, &present);
    assert_eq!(way, Transition::InPlace(vec!["memory".into()]));

    for _ in 0..2 {
        act(world, Act::Update, &changing(&bigger, &present)).await;
    }

    let present = adopted(world, &body).await;
    assert_eq!(world.provider().compare(&bigger, &present), Transition::None);
    assert_eq!(world.id(&body).await, id);
}

pub(crate) async fn only_the_very_thing_that_is_adopted_is_touched(world: &dyn World) {
    for body in
        [Body::Network(network(world, "front")), Body::Container(container(world, "web").into())]
    {
        world.put(&body, &BTreeMap::new()).await;
        let present = adopted(world, &body).await;
        let change = changing(&as_found(&present), &present);
        // What is adopted is never what was to be made.
        let refused = world.provider().apply(Act::Create, &change).await;
        assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");

        world.remove(&body).await;
        world.put(&body, &BTreeMap::new()).await;
        let before = world.snapshot().await;
        let sighting = world.provider().sight(&change).await;
        assert!(matches!(sighting, Sighting::Unknown { .. }), "{sighting:?}");
        for act in [Act::Update, Act::Delete] {
            let stale = world.provider().apply(act, &change).await;
            assert!(matches!(stale, Err(ApplyError::Stale { .. })), "{stale:?}");
        }
        assert_eq!(world.snapshot().await, before);
    }
}

pub(crate) async fn an_id_means_no_other_thing_of_that_name(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    world.put(&body, &BTreeMap::new()).await;
    let id = world.id(&body).await;
    world.remove(&body).await;
    world.put(&body, &BTreeMap::new()).await;

    let seen = observe(world, &[wanted(&body, &id)]).await;

    assert!(seen.present.is_empty() && seen.unknown.is_empty() && seen.refused.is_empty());
    assert!(holds_name(&seen, &body), "{:?}", seen.strangers);
    let seen = observe(world, &[wanted(&body, body.name())]).await;
    assert!(seen.present.contains_key(&address(&body)));
}

pub(crate) async fn what_is_another_installations_or_another_entrys_is_not_adopted(
    world: &dyn World,
) {
    let theirs = Body::Container(container(world, "theirs").into());
    let owner = world.other_installation();
    let foreign = Mark { installation: owner.clone(), ..mark(world, &theirs) };
    world.put(&theirs, &foreign.to_labels()).await;
    let ours = Body::Volume(volume(world, "ours"));
    create(world, &ours).await;
    let before = world.snapshot().await;
    let other = Wanted {
        adopted: Some(ours.name().parse().unwrap()),
        ..Wanted::from(lessor_specs::Address::new(lessor_specs::Kind::Volume, "other"))
    };

    let seen = observe(world, &[wanted(&theirs, theirs.name()), other.clone()]).await;

    let why = &seen.refused[&address(&theirs)];
    assert_eq!(*why, format!("`{}` belongs to installation `{owner}`", theirs.name()));
    let why = &seen.refused[&other.address];
    let expected = format!("`{}` is `{}` already, by its mark", ours.name(), address(&ours));
    assert_eq!(*why, expected);
    // Not even a plan that says so can touch what has an owner.
    let mut change = change(&theirs);
    change.adopted = Some(world.id(&theirs).await);
    for act in [Act::Update, Act::Delete] {
        let stale = world.provider().apply(act, &change).await;
        assert!(matches!(stale, Err(ApplyError::Stale { .. })), "{stale:?}");
    }
    assert_eq!(world.snapshot().await, before);
}

pub(crate) async fn a_thing_two_entries_adopt_is_refused_to_both(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    world.put(&body, &BTreeMap::new()).await;
    let by_id = Wanted {
        adopted: Some(world.id(&body).await.parse().unwrap()),
        ..Wanted::from(lessor_specs::Address::new(lessor_specs::Kind::Container, "zz-other"))
    };

    let seen = observe(world, &[wanted(&body, body.name()), by_id.clone()]).await;

    assert!(seen.present.is_empty(), "{:?}", seen.present);
    let why = format!("`{}` is adopted by `{}`, too", body.name(), by_id.address);
    assert_eq!(seen.refused[&address(&body)], why);
    let why = format!("`{}` is adopted by `{}`, too", body.name(), address(&body));
    assert_eq!(seen.refused[&by_id.address], why);
}

pub(crate) async fn a_copied_mark_does_not_keep_a_thing_from_being_adopted(world: &dyn World) {
    let body = Body::Container(container(world, "web").into());
    let copied = Mark { name: world.name("original"), ..mark(world, &body) };
    world.put(&body, &copied.to_labels()).await;

    let seen = observe(world, &[wanted(&body, body.name())]).await;

    assert!(seen.present[&address(&body)].adopted.is_some());
    assert!(seen.oddities.is_empty(), "{:?}", seen.oddities);
}

pub(crate) async fn what_is_made_in_place_of_an_adopted_thing_is_ours_by_its_mark(
    world: &dyn World,
) {
    for body in [
        Body::Network(network(world, "front")),
        Body::Volume(volume(world, "data")),
        Body::Container(container(world, "web").into()),
    ] {
        world.put(&body, &BTreeMap::new()).await;
        let present = adopted(world, &body).await;
        let change = changing(&as_found(&present), &present);
        for _ in 0..2 {
            act(world, Act::Delete, &change).await;
        }
        let seen = observe(world, &[wanted(&body, body.name())]).await;
        assert!(matches!(seen.sighting(&address(&body)), Sighting::Absent));
        for _ in 0..2 {
            act(world, Act::Create, &change).await;
        }

        let made = adopted(world, &body).await;

        assert_eq!(made.adopted, None, "it carries a mark");
        assert_eq!(made.birth, address(&body));
        act(world, Act::Delete, &changing(&body, &made)).await;
    }
}

/// What an entry that adopts the thing of this name or id asks for.
fn wanted(body: &Body, adopted: &str) -> Wanted {
    Wanted { adopted: Some(adopted.parse().unwrap()), ..Wanted::from(address(body)) }
}

/// Looks at what an entry adopts by name.
async fn adopted(world: &dyn World, body: &Body) -> Present {
    let mut seen = observe(world, &[wanted(body, body.name())]).await;
    seen.present.remove(&address(body)).unwrap()
}

async fn observe(world: &dyn World, wanted: &[Wanted]) -> Observation {
    let seen = world.provider().observe(wanting(wanted)).await;
    assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    seen
}

/// The wish for a thing to be as it is; a container of ours never gains privileges.
fn as_found(present: &Present) -> Body {
    let mut body = present.beside(None);
    if let Some(container) = body.container_mut() {
        container.no_new_privileges = true;
    }
    body
}

/// A change of a thing as it was seen.
fn changing(after: &Body, present: &Present) -> Change {
    Change {
        adopted: present.adopted.as_ref().map(|adoption| adoption.id.clone()),
        before: Some(present.beside(Some(after))),
        ..change(after)
    }
}

fn holds_name(seen: &Observation, body: &Body) -> bool {
    let (sort, name) = (body.sort(), body.name().to_owned());
    holds(seen, &Hold::Name { sort, name: name.clone() }, &format!("{sort} `{name}`"))
}
