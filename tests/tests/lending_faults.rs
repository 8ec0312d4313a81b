//! Machines that cannot be taken back: nobody gets them, those who run the lab are told, and they come
//! back once what is wrong with them is over.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use lessor_tests::engine::{SOCKET, Site, docker};
use lessor_tests::lending::{KEY, reserve};
use lessor_tests::machine::Machine;
use lessor_tests::serving::{Client, Serving, Shop, until};
use serde_json::{Value, json};

/// For how long something is waited for: pauses between tries double up to five minutes.
const PATIENCE: Duration = Duration::from_mins(4);

const METAL: &str = r#"
[pool.metal]
access = "ssh"
sanitise = "script"
script = "clean.sh"
verify = "test ! -e /srv/used"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["metal"]
[tenant.acme]
"#;

const MADE: &str = r#"
[docker.local]
endpoint = "unix://{socket}"
[image.box.container]
ref = "lessor.example/machine:busybox"
command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"]
[pool.{p}]
image = "box"
replicas = 1
ports = "{port0}-{port0}"
bind = "127.0.0.1"
access = "docker-exec"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["{p}"]
[tenant.acme]
"#;

/// Cleans, unless somebody wants it to fail, or wants all that came over ssh to be cut off meanwhile.
const CLEAN: &str = "test ! -e /srv/broken || { echo 'the disk is broken' >&2; exit 1; }
test ! -e /srv/cut || kill -KILL $(grep -la '^sshd: root' /proc/[0-9]*/cmdline | cut -d / -f 3)
";

/// What is wrong with a machine, done and undone from outside.
struct Fault {
    does: fn(&Machine),
    undoes: fn(&Machine),
    /// What is said of it.
    says: &'static str,
}

const FAULTS: [Fault; 6] = [
    Fault {
        does: |machine| drop(docker(&["pause", &machine.name])),
        undoes: |machine| drop(docker(&["unpause", &machine.name])),
        says: "took too long",
    },
    Fault {
        does: |machine| {
            machine.sh("echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf && kill -HUP 1");
        },
        undoes: |machine| drop(machine.sh("rm /etc/ssh/sshd_config.d/port.conf && kill -HUP 1")),
        says: "127.0.0.1",
    },
    Fault {
        does: |machine| {
            machine
                .sh("cd /etc/ssh && mv ssh_host_ed25519_key kept && mv ssh_host_ed25519_key.pub \
                kept.pub && ssh-keygen -qt ed25519 -N '' -f ssh_host_ed25519_key && kill -HUP 1");
        },
        undoes: |machine| {
            machine.sh("cd /etc/ssh && mv kept ssh_host_ed25519_key && mv kept.pub \
                ssh_host_ed25519_key.pub && kill -HUP 1");
        },
        says: "SHA256:",
    },
    Fault {
        does: |machine| drop(machine.sh("touch /srv/broken")),
        undoes: |machine| drop(machine.sh("rm /srv/broken")),
        says: "the disk is broken",
    },
    Fault {
        does: |machine| drop(machine.sh("touch /srv/cut")),
        undoes: |machine| drop(machine.sh("rm /srv/cut")),
        says: "lost at step `script`",
    },
    Fault {
        // What goes with an account makes room, so that it has to be filled again.
        does: |machine| {
            machine
                .sh("while test ! -e /srv/roomy; do cat /dev/zero >>/home/full; sleep 0.1; done \
                >/dev/null 2>&1 &");
        },
        undoes: |machine| drop(machine.sh("touch /srv/roomy && sleep 1 && rm /home/full")),
        says: "nothing can be written in `/home`",
    },
];

/// Homes on a disk of their own, which is soon full.
const SMALL: [&str; 2] = ["--tmpfs", "/home:size=64k,mode=755"];

fn wish(count: usize) -> Value {
    json!({ "tenant": "acme", "count": count, "key": KEY })
}

fn machines(client: &mut Client, pool: &str) -> Vec<Value> {
    client.get(&format!("/v1/pools/{pool}/machines"))["items"].as_array().unwrap().clone()
}

fn all_are(client: &mut Client, pool: &str, state: &str) {
    until(state, PATIENCE, || {
        let machines = machines(client, pool);
        !machines.is_empty() && machines.iter().all(|one| one["state"] == state)
    });
}

/// Reserves all of a pool and has it.
fn have(client: &mut Client, pool: &str, count: usize) -> String {
    all_are(client, pool, "free");
    let placed = reserve(client, pool, &wish(count));
    assert_eq!(placed.status, 201, "{placed:?}");
    let path = format!("/v1/reservations/{}", placed.body["id"].as_str().unwrap());
    until("all are let in", PATIENCE, || {
        let found = client.get(&path);
        found["machines"].as_array().unwrap().iter().all(|one| one["phase"] == "granted")
    });
    path
}

/// What those are told who run the lab.
fn told(shop: &Shop, serving: &Serving, client: &mut Client, pool: &str, ill: usize) -> String {
    let metrics = client.call(("GET", "/metrics"), &[], None).unwrap().body;
    let counted = format!("lessor_pool_machines{{pool=\"{pool}\",state=\"quarantined\"}} {ill}\n");
    assert!(metrics.as_str().unwrap().contains(&counted), "{metrics}");
    fs::write(shop.path().join("key"), shop.key()).unwrap();
    let url = format!("http://{}", serving.address());
    let server = ["--server", &url, "--key", "secret://file/key"];
    let shown = shop.lessor(&[&["pool", "show", pool], &server[..]].concat());
    shown.expect(0).stdout.clone()
}

/// A lab of machines that are reached over ssh, and its server.
fn opened(lab: &[&Machine]) -> (Shop, Serving) {
    let entries = lab.iter().enumerate().map(|(number, machine)| {
        format!(
            "[machine.metal-{number}]\npool = \"metal\"\nhost = \"127.0.0.1\"\nport = {}\n\
             key = \"secret://file/key-{number}\"\nhost_key = \"{}\"\n",
            machine.port(),
            machine.host_key()
        )
    });
    let specs = format!("{METAL}{}", entries.collect::<String>());
    let shop = Shop::with("test-faults", &specs, &[("clean.sh", CLEAN)], None);
    for (number, machine) in lab.iter().enumerate() {
        fs::copy(machine.key("root"), shop.path().join(format!("key-{number}"))).unwrap();
    }
    let serving = shop.serve();
    (shop, serving)
}

#[test]
fn a_machine_that_hangs_drops_shows_another_key_is_full_or_stays_dirty_is_nobodys_until_it_is_well()
{
    let lab: Vec<_> = FAULTS.iter().map(|fault| (Machine::with_sshd(&SMALL), fault)).collect();
    let (shop, serving) = opened(&lab.iter().map(|(machine, _)| machine).collect::<Vec<_>>());
    let mut client = shop.client(&serving);
    let path = have(&mut client, "metal", lab.len());

    for (machine, fault) in &lab {
        (fault.does)(machine);
    }
    client.call(("DELETE", &path), &[], None).unwrap();

    all_are(&mut client, "metal", "quarantined");
    let shown = told(&shop, &serving, &mut client, "metal", lab.len());
    for (number, (_, fault)) in lab.iter().enumerate() {
        let name = format!("metal-{number} ");
        let line = shown.lines().find(|line| line.starts_with(&name)).unwrap();
        assert!(line.contains("quarantined") && line.contains(fault.says), "{shown}");
    }
    assert_eq!(reserve(&mut client, "metal", &wish(1)).status, 409);
    for (machine, fault) in &lab {
        (fault.undoes)(machine);
    }
    all_are(&mut client, "metal", "free");
    for (machine, _) in &lab {
        assert_eq!(machine.sh("getent passwd | grep -c lessor/1 || true").trim(), "0");
    }
}

#[test]
fn who_cannot_be_let_in_because_a_disk_is_full_gets_another_machine_within_seconds() {
    let (full, other) = (Machine::with_sshd(&SMALL), Machine::with_sshd(&SMALL));
    let (shop, serving) = opened(&[&full, &other]);
    let mut client = shop.client(&serving);
    all_are(&mut client, "metal", "free");
    full.sh("! cat /dev/zero >/home/full 2>/dev/null");

    let path = have(&mut client, "metal", 1);

    let found = client.get(&path);
    assert_eq!(found["machines"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["machines"][0]["machine"], "metal-1");
    let quarantined = |client: &mut Client| machines(client, "metal")[0]["state"] == "quarantined";
    until("it is quarantined", PATIENCE, || quarantined(&mut client));
    let shown = told(&shop, &serving, &mut client, "metal", 1);
    assert!(shown.contains("/home"), "{shown}");
    let events = client.get(&format!("{path}/events"))["items"].to_string();
    assert!(events.contains("swapped"), "{events}");
    full.sh("rm /home/full");
    client.call(("DELETE", &path), &[], None).unwrap();
    all_are(&mut client, "metal", "free");
    for machine in [&full, &other] {
        assert_eq!(machine.sh("getent passwd | grep -c lessor/1 || true").trim(), "0");
    }
}

#[test]
fn a_container_whose_engine_is_down_at_the_end_is_taken_back_once_it_is_up_again() {
    let site = Site::new();
    let way = tempfile::tempdir().unwrap();
    let socket = way.path().join("docker.sock");
    symlink(SOCKET, &socket).unwrap();
    let specs = site.filled(MADE).replace("{socket}", socket.to_str().unwrap());
    let shop = Shop::of(&site.installation, &specs, None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    let pool = &site.prefix;
    let path = have(&mut client, pool, 1);
    let user = client.get(&path)["machines"][0]["user"].as_str().unwrap().to_owned();

    fs::remove_file(&socket).unwrap();
    client.call(("DELETE", &path), &[], None).unwrap();

    all_are(&mut client, pool, "quarantined");
    let shown = told(&shop, &serving, &mut client, pool, 1);
    assert!(shown.contains("docker.sock"), "{shown}");
    assert_eq!(reserve(&mut client, pool, &wish(1)).status, 409);
    symlink(SOCKET, &socket).unwrap();
    all_are(&mut client, pool, "free");
    let label = format!("label=lessor.installation={}", site.installation);
    let container = docker(&["ps", "--quiet", "--filter", &label]);
    let accounts = docker(&["exec", container.trim(), "cat", "/etc/passwd"]);
    assert!(!accounts.contains(&user), "{accounts}");
}
