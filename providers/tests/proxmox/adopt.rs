//! Guests that entries adopt get our mark and become as wished; those with an owner do not.

use lessor_engine::{ApplyError, Provider as _, wanting};
use lessor_plans::{Act, Body, Change, GuestBody, Mark, Observation, Sighting, Wanted};
use lessor_providers::proxmox::client::{Guest, GuestKind};

use crate::wishes::{address, change, mark, pool, vm, with};
use crate::world::{World, assert_as_wished, create, delete, is_gone, machine};

/// Outside of the range of ids that are ours to give.
const ID: u32 = 150;

/// What the entry of the guest asks for: other than it is, and on the storage where it is.
fn wish() -> Body {
    let mut wish = vm(ID);
    if let Some(guest) = wish.guest_mut() {
        guest.made_from.template = None;
    }
    wish
}

/// Somebody makes a machine and describes it so.
async fn put(world: &World, description: &str) {
    let form = machine(ID, "local").with("description", description).with("tags", "shop");
    world.make(GuestKind::Qemu, &form).await;
}

async fn look(world: &World) -> Observation {
    let wanted = Wanted::from(address(&wish()));
    let adopted = Some(ID.to_string().parse().unwrap());
    world.provider().observe(wanting([Wanted { adopted, ..wanted }])).await
}

fn adopting() -> Change {
    Change { adopted: Some(ID.to_string()), ..change(&wish()) }
}

async fn state_of(world: &World) -> serde_json::Value {
    world.state().await["guests"][ID.to_string()]["config"].clone()
}

#[tokio::test]
async fn a_machine_of_others_gets_our_mark_and_a_tag_and_becomes_as_wished() {
    let world = World::new().await;
    create(&world, &pool()).await;
    put(&world, "The shop.\nAsk Alice").await;

    let seen = look(&world).await;

    let present = &seen.present[&address(&wish())];
    assert!(present.lacks_mark() && seen.refused.is_empty(), "{seen:#?}");
    let Sighting::Present(sighted) = world.provider().sight(&adopting()).await else { panic!() };
    assert_eq!((&sighted.adopted, &sighted.body), (&present.adopted, &present.body));
    let before = &state_of(&world).await["scsi0"];
    let disk = before.as_str().unwrap().split(',').next().unwrap().to_owned();

    world.provider().apply(Act::Update, &adopting()).await.unwrap();

    assert_as_wished(&world, &wish()).await;
    let config = state_of(&world).await;
    let told = format!("{}\nimage debian\nThe shop.\nAsk Alice", mark(&wish()).to_line());
    assert_eq!(config["description"].as_str().unwrap().trim_end(), told);
    assert!(config["scsi0"].as_str().unwrap().starts_with(&disk), "its disk is the same");
    let again = look(&world).await;
    assert_eq!(again.present[&address(&wish())].adopted, None);
    delete(&world, &wish()).await;
    assert!(is_gone(&world, &wish()).await);
}

#[tokio::test]
async fn who_is_cut_off_behind_the_mark_finds_a_guest_of_ours_by_its_tag() {
    let world = World::new().await;
    create(&world, &pool()).await;
    put(&world, "by hand").await;
    let seen = look(&world).await;
    let as_it_is = seen.present[&address(&wish())].body.clone();
    let only_marked = Change {
        before: Some(as_it_is.clone()),
        after: Some(with(&as_it_is, |body: &mut GuestBody| body.made_from.image = "debian".into())),
        ..adopting()
    };

    // It has no pool, no address and no rules of ours yet: the mark is what is written first.
    let _ = world.provider().apply(Act::Update, &only_marked).await;

    let seen = world.provider().observe(wanting([])).await;
    let present = &seen.present[&address(&wish())];
    assert_eq!(present.adopted, None);
    world.provider().apply(Act::Update, &change(&wish())).await.unwrap();
    assert_as_wished(&world, &wish()).await;
}

#[tokio::test]
async fn a_machine_with_an_owner_is_refused_and_left_alone() {
    let another = Mark { installation: "other-1".parse().unwrap(), ..mark(&wish()) };
    let elsewhere = Mark { address: "instance.acme/else".parse().unwrap(), ..mark(&wish()) };
    for (mark, why) in [
        (another, "`150` belongs to installation `other-1`"),
        (elsewhere, "`150` is `instance.acme/else` already, by its mark"),
    ] {
        let world = World::new().await;
        create(&world, &pool()).await;
        let is_ours = mark.installation.as_str() == crate::world::INSTALLATION;
        put(&world, &format!("{}\nimage debian", mark.to_line())).await;
        let before = state_of(&world).await;

        let seen = look(&world).await;

        assert_eq!(seen.refused[&address(&wish())], why);
        assert!(!seen.present.contains_key(&address(&wish())));
        if !is_ours {
            let error = world.provider().apply(Act::Update, &adopting()).await.unwrap_err();
            assert!(matches!(error, ApplyError::Stale { .. }), "{error:?}");
        }
        assert_eq!(state_of(&world).await, before);
    }
}

#[tokio::test]
async fn a_template_is_not_adopted_and_what_is_not_there_is_not_present() {
    let world = World::new().await;
    let seen = look(&world).await;
    assert!(seen.present.is_empty() && seen.refused.is_empty(), "{seen:#?}");
    put(&world, "by hand").await;
    let client = world.root();
    let guest = Guest::qemu("pve1", ID);
    let task = client.guest_make_template(&guest).await.unwrap();
    client.task_wait(task.as_ref(), crate::world::PATIENCE).await.unwrap();

    let seen = look(&world).await;

    assert_eq!(seen.refused[&address(&wish())], "it was made a template");
}
