//! Machines are lent: whoever reserves one is let in, and put out when the time is over, whoever was
//! killed meanwhile; and whoever is next finds it as it was.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::fs;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use lessor_tests::engine::{Site, docker};
use lessor_tests::lending::{KEY, reserve};
use lessor_tests::machine::Machine;
use lessor_tests::postgres::Postgres;
use lessor_tests::serving::{Client, Shop, until};
use serde_json::{Value, json};

/// For how long something is waited for that takes a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);

const OVER_SSH: &str = r#"
[pool.metal]
access = "ssh"
[machine.metal-1]
pool = "metal"
host = "127.0.0.1"
port = {port}
key = "secret://file/root_key"
host_key = "{host_key}"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["metal"]
reservation = { min = "1m", max = "1h", password = true }
[tenant.acme]
"#;

const REGISTERED: &str = r#"
[pool.metal]
access = "ssh"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["metal"]
reservation = { min = "1m", max = "1h" }
[tenant.acme]
"#;

const MADE: &str = r#"
[docker.local]
[image.box.container]
ref = "lessor.example/machine:busybox"
command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"]
[pool.{p}]
image = "box"
replicas = 2
ports = "{port0}-{port1}"
bind = "127.0.0.1"
access = "docker-exec"
[offer.lab]
price = { currency = "EUR", hourly = "0.600000" }
[offer.lab.machine]
pools = ["{p}"]
reservation = { min = "1m" }
[tenant.acme]
"#;

const PRETEND: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[image.box.container]
ref = "box:1"
[pool.box]
image = "box"
replicas = 2
ports = "2200-2201"
access = "docker-exec"
[offer.lab]
price = {}
[offer.lab.machine]
pools = ["box"]
[tenant.acme]
"#;

fn free(client: &mut Client, pool: &str, wanted: u64) {
    let path = format!("/v1/pools/{pool}");
    until("machines are free", PATIENCE, || client.get(&path)["free"] == wanted);
}

/// The reservation, once all its machines are so far.
fn when(client: &mut Client, id: &str, phase: &str) -> Value {
    let path = format!("/v1/reservations/{id}");
    let mut found = Value::Null;
    until("its machines are so far", PATIENCE, || {
        found = client.get(&path);
        found["machines"].as_array().unwrap().iter().all(|machine| machine["phase"] == phase)
    });
    found
}

#[test]
fn who_reserves_logs_in_until_the_end_though_the_server_is_killed_over_it() {
    let databases = [None, Some(Postgres::new()), Some(Postgres::new())];
    // A window takes a minute at least, so they pass at the same time.
    thread::scope(|scope| {
        for (database, has_another) in databases.iter().zip([false, false, true]) {
            let url = database.as_ref().map(Postgres::url);
            scope.spawn(move || over_the_end(url, has_another));
        }
    });
}

/// The server comes back behind the end of the window; or it does not, and another one was there all
/// the time.
fn over_the_end(database: Option<String>, has_another: bool) {
    let machine = Machine::with_sshd(&[]);
    let specs = OVER_SSH.replace("{port}", &machine.port().to_string());
    let specs = specs.replace("{host_key}", &machine.host_key());
    let shop = Shop::open(&specs, database);
    fs::copy(machine.key("root"), shop.path().join("root_key")).unwrap();
    let serving = shop.serve();
    let another = has_another.then(|| shop.serve());
    let mut client = shop.client(&serving);
    free(&mut client, "metal", 1);
    let key = fs::read_to_string(machine.key("owner.pub")).unwrap();
    let body = json!({ "tenant": "acme", "duration": "1m", "key": key, "password": true });

    let placed = reserve(&mut client, "metal", &body);

    assert_eq!(placed.status, 201, "{placed:?}");
    let again = reserve(&mut client, "metal", &body);
    assert_eq!(again.status, 409, "{again:?}");
    let id = placed.body["id"].as_str().unwrap().to_owned();
    let granted = when(&mut client, &id, "granted");
    let user = granted["machines"][0]["user"].as_str().unwrap().to_owned();
    machine.ssh("owner", &user, &["id", "-un"]).expect(0).says(&user);
    let password = placed.body["password"].as_str().unwrap();
    machine.ssh_by_password(password, &user, &["id", "-un"]).expect(0).says(&user);
    machine.ssh_by_password("another", &user, &["true"]).expect(255);
    assert_eq!(granted["password"], Value::Null, "it is told once");
    let uid: u32 = machine.sh(&format!("id -u {user}")).trim().parse().unwrap();
    machine.leave(&user, "sleep 1000");

    serving.kill();
    let end: Timestamp = granted["end_at"].as_str().unwrap().parse().unwrap();
    let left = end.duration_since(Timestamp::now());
    thread::sleep(Duration::try_from(left).unwrap_or_default());
    let serving = another.unwrap_or_else(|| shop.serve());
    let mut client = shop.client(&serving);

    let over = when(&mut client, &id, "done");
    assert_eq!((&over["phase"], &over["remaining_s"]), (&json!("ended"), &json!(0)));
    machine.ssh("owner", &user, &["true"]).expect(255);
    machine.ssh_by_password(password, &user, &["true"]).expect(255);
    assert_eq!(machine.left_of(&user, uid), "");
    free(&mut client, "metal", 1);
}

#[test]
fn what_we_make_is_made_anew_behind_whoever_had_it() {
    let site = Site::new();
    let shop = Shop::of(&site.installation, &site.filled(MADE), None);
    let containers = || {
        let label = format!("label=lessor.installation={}", site.installation);
        let listed = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]);
        listed.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    client.pay("acme", "10");
    free(&mut client, &site.prefix, 2);
    let body = |count: u32| json!({ "tenant": "acme", "count": count, "key": KEY });
    let before = containers();
    let revision = client.get("/readyz")["revision"].clone();

    assert_eq!(reserve(&mut client, &site.prefix, &body(3)).status, 422, "there are two");
    let placed = reserve(&mut client, &site.prefix, &body(2));

    assert_eq!(placed.status, 201, "{placed:?}");
    let id = placed.body["id"].as_str().unwrap().to_owned();
    let granted = when(&mut client, &id, "granted");
    let user = granted["machines"][0]["user"].as_str().unwrap();
    for container in &before {
        docker(&["exec", container, "id", user]);
    }
    let longer = json!({ "extend": "30m" });
    let path = format!("/v1/reservations/{id}");
    let longer = client.call(("PATCH", &path), &[], Some(&longer)).unwrap();
    assert_eq!((longer.status, &longer.body["phase"]), (200, &json!("active")), "{longer:?}");
    let released = client.call(("DELETE", &path), &[], None).unwrap();
    assert_eq!((released.status, &released.body["phase"]), (200, &json!("released")));

    when(&mut client, &id, "done");
    free(&mut client, &site.prefix, 2);
    let asked = |command: &[&str]| {
        let url = format!("http://{}", serving.address());
        fs::write(shop.path().join("key"), shop.key()).unwrap();
        let server = ["--server", &url, "--key", "secret://file/key"];
        shop.lessor(&[command, &server].concat())
    };
    asked(&["pool", "cordon", &site.prefix, &format!("{}-01", site.prefix)]).expect(0);
    let pools = asked(&["pool", "list"]);
    pools.expect(0).says("2 machines").says("1 free").says("1 cordoned");
    asked(&["pool", "show", &site.prefix]).expect(0).says("free").says("cordoned");
    asked(&["reserve", "show", &id]).expect(0).says("released").says("revoked");
    let after = containers();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|container| !before.contains(container)), "{before:?} {after:?}");
    assert_eq!(client.get("/readyz")["revision"], revision, "nobody applied anything");
    shop.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    shop.lessor(&["ledger", "verify"]).expect(0);
}

#[test]
fn a_client_that_registers_machines_by_a_password_needs_to_know_nothing_new() {
    let machine = Machine::with_sshd(&[]);
    machine.sh("useradd --create-home lab && echo lab:hunter2 | chpasswd && \
        echo 'lab ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/lab");
    let shop = Shop::open(REGISTERED, None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    let body = json!({
        "name": "metal-1", "host": "127.0.0.1", "port": machine.port(), "user": "lab",
        "password": "hunter2",
    });

    let registered = client.call(("POST", "/machines"), &[], Some(&body)).unwrap();

    assert_eq!((registered.status, &registered.body["status"]), (201, &json!("quarantined")));
    assert_eq!(registered.body["host_key"], json!(machine.host_key()));
    free(&mut client, "metal", 1);
    assert_eq!(client.get("/available"), json!([{ "name": "metal-1", "pool": "metal" }]));
    let key = fs::read_to_string(machine.key("owner.pub")).unwrap();
    let placed = reserve(&mut client, "metal", &json!({ "tenant": "acme", "key": key }));
    let id = placed.body["id"].as_str().unwrap().to_owned();
    let granted = when(&mut client, &id, "granted");
    let user = granted["machines"][0]["user"].as_str().unwrap().to_owned();
    machine.ssh("owner", &user, &["id", "-un"]).expect(0).says(&user);
    assert_eq!(client.get("/available"), json!([]));
    let reservations = client.get("/reservations");
    assert_eq!(
        [&reservations[0]["name"], &reservations[0]["tenant"]],
        [&json!("metal-1"), &json!("acme")]
    );
    let deleted = client.call(("DELETE", "/machines/metal-1"), &[], None).unwrap();
    assert_eq!((deleted.status, &deleted.body["status"]), (200, &json!("deleted")));
    machine.ssh("owner", &user, &["true"]).expect(0);
    let path = format!("/v1/reservations/{id}");
    client.call(("DELETE", &path), &[], None).unwrap();
    when(&mut client, &id, "done");
    machine.ssh("owner", &user, &["true"]).expect(255);
    until("the machine is forgotten", PATIENCE, || client.get("/machines") == json!([]));
}

#[test]
fn a_pretend_machine_is_quarantined_while_it_is_ill_and_told_of() {
    let shop = Shop::open(PRETEND, None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    free(&mut client, "box", 2);
    let placed = reserve(&mut client, "box", &json!({ "tenant": "acme", "key": KEY }));
    let id = placed.body["id"].as_str().unwrap().to_owned();
    let granted = when(&mut client, &id, "granted");
    let name = granted["machines"][0]["machine"].as_str().unwrap().to_owned();
    let user = granted["machines"][0]["user"].as_str().unwrap().to_owned();
    let host = shop.path().join("host.json");
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut kept: Value = serde_json::from_str(&fs::read_to_string(&host).unwrap()).unwrap();
        let things = kept["things"].as_array_mut().unwrap();
        edit(things.iter_mut().find(|one| one["life"]["guests"][0]["name"] == *user).unwrap());
        fs::write(&host, kept.to_string()).unwrap();
    };

    edited(&|thing| thing["life"]["ill"] = json!("its disk is full"));
    client.call(("DELETE", &format!("/v1/reservations/{id}")), &[], None).unwrap();

    let machine = |client: &mut Client| {
        let machines = client.get("/v1/pools/box/machines");
        let machines = machines["items"].as_array().unwrap().clone();
        machines.into_iter().find(|one| one["name"] == *name).unwrap()
    };
    until("it is quarantined", PATIENCE, || machine(&mut client)["state"] == "quarantined");
    let why = machine(&mut client)["problem"].as_str().unwrap().to_owned();
    assert!(why.contains("its disk is full"), "{why}");
    let metrics = client.call(("GET", "/metrics"), &[], None).unwrap().body.to_string();
    let told = r#"lessor_pool_machines{pool=\"box\",state=\"quarantined\"} 1"#;
    assert!(metrics.contains(told), "{metrics}");
    let two = json!({ "tenant": "acme", "count": 2, "key": KEY });
    assert_eq!(reserve(&mut client, "box", &two).status, 409);

    edited(&|thing| thing["life"]["ill"] = Value::Null);
    when(&mut client, &id, "done");
    free(&mut client, "box", 2);
    shop.lessor(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_is_reserved_in_the_database_of_a_server_is_let_in_by_that_server() {
    let shop = Shop::open(PRETEND, None);
    let serving = shop.serve();
    let mut client = shop.client(&serving);
    free(&mut client, "box", 2);
    fs::write(shop.path().join("student.pub"), KEY).unwrap();
    let key = shop.path().join("student.pub");
    let key = ["--ssh-key", key.to_str().unwrap()];
    let place = |more: &[&str]| {
        let base = ["reserve", "place", "box", "--tenant", "acme", "--format", "json"];
        shop.lessor(&[&base, more].concat())
    };
    let bad = shop.path().join("specs.toml");
    let refused = [
        (place(&["--ssh-key", bad.to_str().unwrap()]), "is no public key"),
        (place(&[&key[..], &["--offer", "bed"]].concat()), "expected an offer of machines"),
        (place(&[&key[..], &["--count", "3"]].concat()), "3"),
        (shop.lessor(&["reserve", "show", "rsv_1"]), "there is no reservation `rsv_1`"),
        (shop.lessor(&["pool", "show", "bed"]), "there is no pool `bed`"),
        (shop.lessor(&["pool", "cordon", "box", "box-09"]), "has no machine `box-09`"),
    ];
    for (ran, says) in refused {
        assert!(ran.expect(1).stderr.contains(says), "{}", ran.stderr);
    }

    let placed = place(&key);

    let placed: Value = serde_json::from_str(&placed.expect(0).stdout).unwrap();
    let id = placed["id"].as_str().unwrap();
    when(&mut client, id, "granted");
    shop.lessor(&["reserve", "list", "--tenant", "acme"]).expect(0).says(id);
    shop.lessor(&["reserve", "show", id]).expect(0).says("active").says("granted").says("guest-");
    shop.lessor(&["pool", "list"]).expect(0).says("1 free").says("1 reserved");
    shop.lessor(&["pool", "cordon", "box", "box-02"]).expect(0);
    shop.lessor(&["pool", "show", "box"]).expect(0).says("reserved").says("cordoned");
    assert!(place(&key).expect(1).stderr.contains("to be had"));
    shop.lessor(&["pool", "uncordon", "box", "box-02"]).expect(0);
    let longer = shop.lessor(&["reserve", "extend", id, "30m", "--format", "json"]);
    let longer: Value = serde_json::from_str(&longer.expect(0).stdout).unwrap();
    assert_ne!(longer["end_at"], placed["end_at"]);
    let seen = shop.lessor(&["pool", "release", "box", "--format", "json"]);
    let seen: Value = serde_json::from_str(&seen.expect(0).stdout).unwrap();
    assert_eq!((&seen["reservations"], &seen["done"]), (&json!([id]), &json!(false)));
    let token = seen["token"].as_str().unwrap();
    shop.lessor(&["pool", "release", "box", "--token", token]).expect(0).says("taken back");
    when(&mut client, id, "done");
    free(&mut client, "box", 2);
}
