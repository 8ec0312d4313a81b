//! What is written is read back as it was meant, whatever it looks like.

use std::collections::BTreeSet;

use lessor_engine::Provider as _;
use lessor_plans::{Body, Transition};
use lessor_providers::proxmox::client::{Form, Guest};
use lessor_specs::ByteSize;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::wishes::{pool, vm, with};
use crate::world::{World, assert_as_wished, create, present, update};

#[derive(Clone, Debug)]
struct Words {
    hostname: String,
    tags: BTreeSet<String>,
    keys: BTreeSet<String>,
    user: Option<String>,
    cpu: u32,
    memory_mib: u64,
    disk_mib: u64,
    tag: Option<u16>,
    notes: String,
}

fn words() -> impl Strategy<Value = Words> {
    let label = "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?";
    let tags = prop::collection::btree_set("[a-z0-9_][a-z0-9_.+-]{0,12}", 0..4);
    let keys = prop::collection::btree_set(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5[A-Za-z0-9+/]{20,40}( [^\\pC\\pZ\u{2028}]{1,12}( [ä&;=%']{1,4})?)?",
        0..3,
    );
    // What people write: several lines, quotes, what means something elsewhere.
    let notes = "([^\\pC]{0,30}\n){0,3}[\"'%&;=+ #ä€😀-]{0,12}";
    let user = prop::option::of("[a-z_][a-z0-9_-]{0,12}|[0-9]{1,4}");
    let sizes = (1..=8_u32, 16..=8192_u64, 1024..=6000_u64, prop::option::of(2..=4094_u16));
    ((label, tags, keys, user), notes, sizes).prop_map(
        |((hostname, tags, keys, user), notes, (cpu, memory_mib, disk_mib, tag))| Words {
            hostname,
            tags,
            keys: keys.into_iter().map(|key| key.trim().to_owned()).collect(),
            user,
            cpu,
            memory_mib,
            disk_mib,
            tag,
            notes,
        },
    )
}

fn wish(words: &Words) -> Body {
    with(&vm(20_001), |body| {
        body.hostname.clone_from(&words.hostname);
        body.tags.clone_from(&words.tags);
        body.cpu = words.cpu;
        body.memory = ByteSize::from_bytes(words.memory_mib << 20);
        body.disk = ByteSize::from_bytes(words.disk_mib << 20);
        body.network.tag = words.tag;
        let cloud_init = body.cloud_init.as_mut().unwrap();
        cloud_init.keys.clone_from(&words.keys);
        cloud_init.user.clone_from(&words.user);
    })
}

async fn reads_back(world: &World, first: &Words, second: &Words) {
    world.reset();
    create(world, &pool()).await;
    let body = wish(first);
    create(world, &body).await;
    assert_as_wished(world, &body).await;

    // People write beside the mark.
    let client = world.root();
    let guest = Guest::qemu("pve1", 20_001);
    let config = client.guest_config(&guest).await.unwrap().unwrap();
    let mark = config.get("description").unwrap().to_owned();
    let noted = format!("{}\n{mark}\n{}", first.notes, second.notes);
    let form = Form::new().with("description", &noted);
    client.guest_update_now(&guest, None, form).await.unwrap();
    assert_as_wished(world, &body).await;

    // A disk never shrinks.
    let grown = with(&wish(second), |body| {
        body.disk = ByteSize::from_bytes(first.disk_mib.max(second.disk_mib) << 20);
    });
    update(world, &grown).await;
    assert_as_wished(world, &grown).await;
    let seen = present(world, &grown).await;
    assert_eq!(world.provider().compare(&grown, &seen), Transition::None);
    let config = client.guest_config(&guest).await.unwrap().unwrap();
    assert_eq!(config.get("description"), Some(noted.trim_end_matches('\n')));
    let card = config.get("net0").unwrap();
    assert!(card.starts_with("virtio=02:1B:00:00:00:01,") && card.contains("rate=12.5"), "{card}");
}

#[test]
fn what_is_written_reads_back_as_it_was_meant_and_notes_of_people_stay() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let mut runner = TestRunner::new(Config { cases: 12, ..Config::default() });
    let run = runner.run(&(words(), words()), |(first, second)| {
        runtime.block_on(reads_back(&world, &first, &second));
        Ok(())
    });
    run.unwrap();
}
