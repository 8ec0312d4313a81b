//! What only the pretend host promises.

use std::collections::BTreeMap;

use lessor_engine::{Provider, wanting};
use lessor_plans::{Act, Body, Transition};
use lessor_providers::{Memory, Secrets};
use lessor_specs::kinds::Restart;
use lessor_specs::{Address, Kind};

use crate::bodies::{address, change, container, volume};
use crate::worlds::{PLACE, Pretend, TOKEN, World as _};
use crate::{create, observe, with};

#[tokio::test]
async fn looking_at_a_host_without_a_file_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let place = Address::new(Kind::Docker, PLACE);
    let path = directory.path().join("host.json");
    let memory = Memory::in_file(place, "test-1".parse().unwrap(), Secrets::default().into(), path);

    let wanted: Address = "container.web".parse().unwrap();
    let seen = memory.observe(wanting([wanted.into()])).await;

    assert!(seen.present.is_empty() && seen.gaps.is_empty());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_is_cut_short_is_a_gap_and_stays_as_it_is() {
    let world = Pretend::in_a_file().await;
    let body = Body::Volume(volume(&world, "data"));
    create(&world, &body).await;
    let text = std::fs::read_to_string(world.file()).unwrap();
    let cut = &text[..text.len() / 2];
    std::fs::write(world.file(), cut).unwrap();

    let seen = world.provider().observe(wanting([address(&body).into()])).await;

    assert!(seen.present.is_empty());
    let [gap] = &*seen.gaps else { panic!("{:?}", seen.gaps) };
    let start = format!("`{}` is not a pretend host: EOF while parsing", world.file().display());
    assert!(gap.why.starts_with(&start) && gap.why.contains(" at line "), "{}", gap.why);
    assert!(world.provider().apply(Act::Delete, &change(&body)).await.is_err());
    assert_eq!(std::fs::read_to_string(world.file()).unwrap(), cut);
}

#[tokio::test]
async fn two_things_of_one_name_are_a_gap() {
    let world = Pretend::in_process().await;
    let body = Body::Volume(volume(&world, "data"));
    for _ in 0..2 {
        world.put(&body, &BTreeMap::new()).await;
    }

    let seen = world.provider().observe(wanting([])).await;

    assert_eq!(seen.gaps[0].why, "its file has volume `data` more than once");
}

#[tokio::test]
async fn what_is_edited_in_the_file_is_seen() {
    let world = Pretend::in_a_file().await;
    let body = Body::Container(container(&world, "web").into());
    create(&world, &body).await;
    let text = std::fs::read_to_string(world.file()).unwrap();
    let edited = text.replace("\"restart\": \"unless-stopped\"", "\"restart\": \"no\"");
    std::fs::write(world.file(), edited).unwrap();

    let seen = observe(&world, &[&body]).await;

    let present = &seen.present[&address(&body)];
    let drifted = Transition::InPlace(vec!["restart".into()]);
    assert_eq!(world.provider().compare(&body, present), drifted);
    let edited = with(&body, |body| body.restart = Restart::No);
    assert_eq!(world.provider().compare(&edited, present), Transition::None);
}

#[tokio::test]
async fn a_secret_value_is_not_kept_in_the_file() {
    let world = Pretend::in_a_file().await;
    let body = with(&Body::Container(container(&world, "web").into()), |body| {
        body.env.insert("TOKEN".into(), world.secret("token"));
    });

    create(&world, &body).await;

    let text = std::fs::read_to_string(world.file()).unwrap();
    assert!(text.contains("secret://file/token") && !text.contains(TOKEN), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_at_the_same_time_lose_nothing() {
    let world = Pretend::in_a_file().await;
    let bodies: Vec<Body> =
        (0..32).map(|n| Body::Volume(volume(&world, &format!("data-{n}")))).collect();

    let acts = bodies.iter().map(|body| create(&world, body));
    futures_util::future::join_all(acts).await;

    let wanted: Vec<&Body> = bodies.iter().collect();
    assert_eq!(observe(&world, &wanted).await.present.len(), bodies.len());
}
