//! What every provider promises.

use lessor_engine::{ApplyError, Provider as _};
use lessor_plans::{Act, Body, GuestBody, Hold, Mark, Observation, Sighting, Transition, VnetBody};
use lessor_providers::proxmox::client::{Form, Guest, GuestKind};
use lessor_specs::ByteSize;

use crate::wishes::{GIB, address, change, container, linked, mark, pool, vm, vnet, with};
use crate::world::{
    World, act, assert_as_wished, create, delete, is_gone, machine, observe, present, update,
};

/// One of everything, in an order in which it can be made.
fn everything() -> [Body; 5] {
    [pool(), vnet(), vm(20_001), linked(20_002), container(20_003)]
}

#[tokio::test]
async fn an_empty_cluster_has_nothing_and_looking_makes_nothing() {
    let world = World::new().await;
    let before = world.state().await;

    let seen = observe(&world).await;

    assert!(seen.gaps.is_empty(), "{seen:#?}");
    assert!(seen.present.is_empty() && seen.unknown.is_empty() && seen.oddities.is_empty());
    for body in everything() {
        assert!(matches!(seen.sighting(&address(&body)), Sighting::Absent));
        assert!(is_gone(&world, &body).await);
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn what_was_created_is_seen_as_wished_and_looking_changes_nothing() {
    let world = World::new().await;
    for body in everything() {
        create(&world, &body).await;
        assert_as_wished(&world, &body).await;
    }
    let before = world.state().await;
    for body in everything() {
        assert_as_wished(&world, &body).await;
    }
    assert_eq!(world.state().await, before);
    assert_eq!(world.orphans().await, Vec::<String>::new());
}

#[tokio::test]
async fn each_act_twice_equals_once() {
    let world = World::new().await;
    let nothing = world.state().await;
    for body in everything() {
        create(&world, &body).await;
        let once = world.state().await;
        create(&world, &body).await;
        update(&world, &body).await;
        assert_eq!(world.state().await, once);
    }
    for body in everything().into_iter().filter(|body| body.sort() == "guest") {
        let stopped = with(&body, |body| body.running = false);
        update(&world, &stopped).await;
        let once = world.state().await;
        update(&world, &stopped).await;
        assert_eq!(world.state().await, once);
    }
    for body in everything().into_iter().rev() {
        delete(&world, &body).await;
        delete(&world, &body).await;
        assert!(is_gone(&world, &body).await);
    }
    assert_eq!(world.state().await, nothing);
}

/// Changes one attribute of a wish.
type Edit = fn(&mut GuestBody);

const EDITS: [(&str, Edit); 17] = [
    ("cpu", |body| body.cpu = 4),
    ("memory", |body| body.memory = ByteSize::from_bytes(GIB)),
    ("disk", |body| body.disk = ByteSize::from_bytes(5 * GIB)),
    ("hostname", |body| body.hostname = "web-2.acme".into()),
    ("network.tag", |body| body.network.tag = None),
    ("network.mac", |body| body.network.mac = "02:1B:00:00:00:02".into()),
    ("network.bridge", |body| body.network.bridge = "vmbr1".into()),
    ("cloud_init.address", |body| {
        body.cloud_init.as_mut().unwrap().address = "10.100.0.3".parse().unwrap();
    }),
    ("tags", |body| body.tags = ["lessor".to_owned()].into()),
    ("firewall", |body| drop(body.firewall.as_mut().unwrap().remove(1))),
    ("firewall", |body| body.firewall.as_mut().unwrap().reverse()),
    ("on_boot", |body| body.on_boot = false),
    ("running", |body| body.running = false),
    ("kept_until", |body| body.kept_until = Some("2026-12-06T12:00:00Z".parse().unwrap())),
    ("kept_until", |body| body.kept_until = Some("2026-12-07T12:00:00Z".parse().unwrap())),
    ("kept_until", |body| body.kept_until = None),
    ("running", |body| body.running = true),
];

#[tokio::test]
async fn every_attribute_changes_in_place_and_the_disk_stays() {
    let world = World::new().await;
    create(&world, &pool()).await;
    for mut body in [vm(20_001), linked(20_002), container(20_003)] {
        create(&world, &body).await;
        let disk = disk(&world, &body).await;
        for (path, edit) in EDITS {
            body = with(&body, edit);
            let way = world.provider().compare(&body, &present(&world, &body).await);
            assert_eq!(way, Transition::InPlace(vec![path.into()]), "{}", body.name());

            update(&world, &body).await;

            assert_as_wished(&world, &body).await;
            assert_eq!(self::disk(&world, &body).await, disk, "{path}");
        }
    }
    assert_eq!(world.orphans().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_may_log_in_changes_and_so_does_the_pool() {
    let world = World::new().await;
    let other = Body::Pool(lessor_plans::PoolBody { name: "globex".into() });
    create(&world, &pool()).await;
    create(&world, &other).await;
    let body = vm(20_001);
    create(&world, &body).await;
    let edits: [(&str, Edit); 3] = [
        ("cloud_init.user", |body| body.cloud_init.as_mut().unwrap().user = None),
        ("cloud_init.keys", |body| body.cloud_init.as_mut().unwrap().keys.clear()),
        ("pool", |body| body.pool = "globex".into()),
    ];
    let mut body = body;
    for (path, edit) in edits {
        let before = present(&world, &body).await;
        body = with(&body, edit);
        let way = world.provider().compare(&body, &before);
        assert_eq!(way, Transition::InPlace(vec![path.into()]));
        update(&world, &body).await;
        assert_as_wished(&world, &body).await;
    }
}

#[tokio::test]
async fn until_when_a_guest_is_kept_stands_below_its_image_and_beside_what_people_wrote() {
    let world = World::new().await;
    create(&world, &pool()).await;
    for body in [vm(20_001), container(20_003)] {
        create(&world, &body).await;
        let image =
            if matches!(&body, Body::Guest(guest) if guest.lxc) { "debian-ct" } else { "debian" };
        let mark = mark(&body).to_line();
        let told =
            format!("ask Alice first\n{mark}\nimage {image}\nkept until spring\n\nlast line");
        describe(&world, &body, &told).await;
        let kept = with(&body, |body| {
            body.running = false;
            body.kept_until = Some("2026-12-06T12:00:00Z".parse().unwrap());
        });

        update(&world, &kept).await;

        assert_as_wished(&world, &kept).await;
        let below = format!("image {image}\n");
        let dated = told.replace(&below, &format!("{below}kept until 2026-12-06T12:00:00Z\n"));
        assert_eq!(description(&world, &body).await.trim_end(), dated);
        update(&world, &body).await;
        assert_eq!(description(&world, &body).await.trim_end(), told);
    }
}

#[tokio::test]
async fn what_others_changed_and_waits_for_a_restart_is_named_and_set_back() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = vm(20_001);
    create(&world, &body).await;
    let form = Form::new().with("cores", 1);
    let task = world.root().guest_update(&listed(&body), None, form).await.unwrap();
    world.root().task_wait(task.as_ref(), crate::world::PATIENCE).await.unwrap();

    let way = world.provider().compare(&body, &present(&world, &body).await);

    assert_eq!(way, Transition::InPlace(vec!["waiting".into()]));
    update(&world, &body).await;
    assert_as_wished(&world, &body).await;
}

#[tokio::test]
async fn a_tag_of_a_vnet_changes_in_place_and_its_zone_does_not() {
    let world = World::new().await;
    create(&world, &vnet()).await;
    let Body::Vnet(old) = vnet() else { unreachable!() };
    let retagged = Body::Vnet(VnetBody { tag: 2101, ..old.clone() });
    let before = present(&world, &retagged).await;
    let way = world.provider().compare(&retagged, &before);
    assert_eq!(way, Transition::InPlace(vec!["tag".into()]));

    update(&world, &retagged).await;

    assert_as_wished(&world, &retagged).await;
    let moved = Body::Vnet(VnetBody { zone: "other".into(), ..old });
    let before = world.state().await;
    for act in [Act::Create, Act::Update] {
        let refused = world.provider().apply(act, &change(&moved)).await.unwrap_err();
        let why = "vnet `v2100` is there with another zone".to_owned();
        assert_eq!(refused, ApplyError::Stale { why });
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn what_has_to_be_replaced_is_not_updated() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = vm(20_001);
    create(&world, &body).await;
    let before = world.state().await;
    let edits: [(&str, &str, Edit); 2] = [
        ("made_from.image", "image", |body| body.made_from.image = "ubuntu".into()),
        ("lxc", "lxc", |body| body.lxc = true),
    ];
    for (path, said, edit) in edits {
        let other = with(&body, edit);
        let way = world.provider().compare(&other, &present(&world, &body).await);
        assert_eq!(way, Transition::Replace(vec![path.into()]));
        for act in [Act::Create, Act::Update] {
            let error = world.provider().apply(act, &change(&other)).await.unwrap_err();
            let why = format!("guest `20001` is there with another {said}");
            assert_eq!(error, ApplyError::Stale { why });
        }
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn what_somebody_else_has_is_reported_and_never_touched() {
    let world = World::new().await;
    let client = world.root();
    world.make(GuestKind::Qemu, &machine(20_001, "local")).await;
    client.pool_create("acme", Some("of Alice")).await.unwrap();
    client.vnet_create("v2100", "zvlan", Some(2100), Some("of Bob")).await.unwrap();
    for body in [vm(20_001), pool(), vnet()] {
        assert_left_alone(&world, &body).await;
    }
}

#[tokio::test]
async fn another_installations_things_are_somebody_elses() {
    let world = World::new().await;
    let client = world.root();
    let text =
        |body: &Body| Mark { installation: "other-1".parse().unwrap(), ..mark(body) }.to_line();
    let form = machine(20_001, "local").with("description", text(&vm(20_001)));
    world.make(GuestKind::Qemu, &form).await;
    client.pool_create("acme", Some(&text(&pool()))).await.unwrap();
    client.vnet_create("v2100", "zvlan", Some(2100), Some(&text(&vnet()))).await.unwrap();

    for body in [vm(20_001), pool(), vnet()] {
        assert_left_alone(&world, &body).await;
    }
    assert!(observe(&world).await.oddities.is_empty());
}

#[tokio::test]
async fn a_cloned_mark_is_odd_and_its_guest_left_alone() {
    let world = World::new().await;
    create(&world, &pool()).await;
    create(&world, &vm(20_001)).await;
    let client = world.root();
    let copy = lessor_providers::proxmox::client::NewClone {
        vmid: 20_002,
        full: true,
        ..Default::default()
    };
    let task = client.guest_clone(&Guest::qemu("pve1", 20_001), &copy).await.unwrap();
    client.task_wait(Some(&task), crate::world::PATIENCE).await.unwrap();

    let seen = observe(&world).await;

    let [oddity] = &*seen.oddities else { panic!("{:?}", seen.oddities) };
    assert_eq!(oddity.thing, "guest `20002`");
    assert_eq!(oddity.why, "its mark was made for `20001`");
    assert_left_alone(&world, &vm(20_002)).await;
}

#[tokio::test]
async fn two_things_for_one_address_are_unknown() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = vm(20_001);
    create(&world, &body).await;
    let second = Mark { name: "20009".into(), ..mark(&body) };
    let text = format!("{}\nimage debian", second.to_line());
    world.make(GuestKind::Qemu, &machine(20_009, "local").with("description", text)).await;

    let seen = observe(&world).await;

    assert_eq!(seen.unknown[&address(&body)], "more than one thing carries its mark");
    assert!(!seen.present.contains_key(&address(&body)));
}

#[tokio::test]
async fn guests_outside_of_the_range_are_ours_by_tag_and_mark_and_others_are_not_looked_at() {
    let world = World::new().await;
    let body = vm(500);
    let text = format!("{}\nimage debian", mark(&body).to_line());
    let form = machine(500, "local").with("description", &text).with("tags", "lessor");
    world.make(GuestKind::Qemu, &form).await;
    world.make(GuestKind::Qemu, &machine(501, "local").with("description", &text)).await;

    let seen = observe(&world).await;

    assert!(seen.present.contains_key(&address(&body)) && seen.oddities.is_empty(), "{seen:#?}");
}

#[tokio::test]
async fn nodes_and_templates_are_told_with_what_others_were_promised() {
    let world = World::new().await;
    create(&world, &pool()).await;
    create(&world, &vm(20_001)).await;
    world.make(GuestKind::Qemu, &machine(100, "local").with("cores", 2)).await;

    let Observation { nodes, templates, .. } = observe(&world).await;

    let [first, second] = &*nodes else { panic!("{nodes:?}") };
    assert_eq!((&*first.name, first.online, first.cores), ("pve1", true, 2));
    assert_eq!((first.strange_cores, first.strange_memory.bytes()), (2, GIB / 2));
    assert_eq!((&*second.name, second.strange_cores), ("pve2", 0));
    let told = templates
        .iter()
        .map(|(id, one)| (*id, one.node.as_str(), one.shared, one.lxc, one.disk.bytes() / GIB));
    let told: Vec<_> = told.collect();
    let expected = [
        (9000, "pve1", false, false, 1),
        (9001, "pve1", true, false, 1),
        (9002, "pve1", false, true, 1),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_waits_for_a_restart_is_named_and_not_there_yet() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = vm(20_001);
    create(&world, &body).await;
    let form = Form::new().with("cores", 4);
    world.root().guest_update_now(&Guest::qemu("pve1", 20_001), None, form).await.unwrap();
    let wish = with(&body, |body| body.cpu = 4);

    let before = present(&world, &body).await;

    let way = world.provider().compare(&body, &before);
    assert_eq!(way, Transition::InPlace(vec!["waiting".into()]));
    let way = world.provider().compare(&wish, &before);
    assert_eq!(way, Transition::InPlace(vec!["cpu".into(), "waiting".into()]));
    update(&world, &wish).await;
    assert_as_wished(&world, &wish).await;
}

#[tokio::test]
async fn a_deaf_guest_is_stopped_in_the_end() {
    let world = World::new().await;
    create(&world, &pool()).await;
    let body = with(&vm(20_001), |body| body.hostname = "deaf.acme".into());
    create(&world, &body).await;
    // It takes 30 s to find out; they pass at once.
    let stopped = with(&body, |body| body.running = false);
    let provider = world.provider();
    let wanted = change(&stopped);
    let acting = provider.apply(Act::Update, &wanted);
    let time = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            lessor_sandbox::System::advance(&*world.cluster, std::time::Duration::from_secs(31))
                .await;
        }
    };
    tokio::select! { done = acting => done.unwrap(), () = time => {} }
    assert_as_wished(&world, &stopped).await;
}

/// A thing of others that has a wanted name: it is reported, acts are refused, and nothing is
/// changed or removed.
async fn assert_left_alone(world: &World, body: &Body) {
    let before = world.state().await;
    let seen = observe(world).await;
    let name = Hold::Name { sort: body.sort(), name: body.name().into() };
    assert!(seen.strangers.iter().any(|one| one.hold == name), "{:?}", seen.strangers);
    assert!(!seen.present.contains_key(&address(body)));
    assert!(matches!(world.provider().sight(&change(body)).await, Sighting::Unknown { .. }));
    let created = act(world, Act::Create, body).await.unwrap_err();
    assert!(matches!(created, ApplyError::Refused { hint: Some(_), .. }), "{created:?}");
    for one in [Act::Update, Act::Delete] {
        let refused = act(world, one, body).await.unwrap_err();
        assert!(matches!(refused, ApplyError::Stale { .. }), "{refused:?}");
    }
    assert_eq!(world.state().await, before);
}

/// The volume that a guest starts from.
/// Where a guest is, by its body.
fn listed(body: &Body) -> Guest {
    let Body::Guest(guest) = body else { panic!("{body:?}") };
    let vmid = guest.name.parse().unwrap();
    if guest.lxc { Guest::lxc(&guest.node, vmid) } else { Guest::qemu(&guest.node, vmid) }
}

/// Somebody writes another description.
async fn describe(world: &World, body: &Body, text: &str) {
    let form = Form::new().with("description", text);
    let client = world.root();
    let task = client.guest_update(&listed(body), None, form).await.unwrap();
    client.task_wait(task.as_ref(), crate::world::PATIENCE).await.unwrap();
}

async fn description(world: &World, body: &Body) -> String {
    let state = world.state().await;
    state["guests"][body.name()]["config"]["description"].as_str().unwrap().to_owned()
}

async fn disk(world: &World, body: &Body) -> String {
    let state = world.state().await;
    let config = &state["guests"][body.name()]["config"];
    let disk = config.get("scsi0").or_else(|| config.get("rootfs")).unwrap();
    disk.as_str().unwrap().split(',').next().unwrap().to_owned()
}
