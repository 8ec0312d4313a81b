//! What people read when pools, machines and the times of reservations do not fit together.

use insta::assert_snapshot;
use lessor_specs::Tree;
use lessor_specs::load::parse;

const AROUND: &str = r#"
[docker.lab]
[image.alpine.container]
ref = "alpine-sshd:1"
[image.ubuntu.vm]
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE_TOKEN"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[pool.metal]
access = "ssh"
[pool.guests]
access = "guest-agent"
[pool.made]
image = "alpine"
replicas = 2
ports = "3001-3002"
access = "docker-exec"
"#;

/// What is said of `text` beside [`AROUND`]: each problem in two lines.
fn told(text: &str) -> String {
    let files = [("around.toml", AROUND), ("web.toml", text)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let Err(report) = parse(Tree::new(files.into())) else { return "valid".into() };
    let problems = report.entries().into_iter().map(|problem| {
        let hint = problem.hint.map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{} {}: {}{hint}", problem.code, problem.line.unwrap_or(0), problem.message)
    });
    problems.collect::<Vec<_>>().join("\n")
}

#[test]
fn machines_that_we_make_have_an_image_and_a_port_each() {
    assert_snapshot!(told(r#"[pool.a]
replicas = 3
access = "ssh"
[pool.b]
image = "ubuntu"
replicas = 3
ports = "2221-2222"
memory = "1MiB"
access = "docker-exec"
[pool.c]
image = "alpin"
docker = "labb"
replicas = 1
ports = "2222-2223"
access = "docker-exec"
[pool.d]
image = "alpine"
replicas = 0
access = "docker-exec"
moved = ["pool.metal", "container.e"]
[port_range.games]
docker = "lab"
range = "2200-2221"
"#), @r#"
    E0727 1: `pool.a` has 0 ports for 3 machines
      hint: each machine is reached by a port of its host; make `ports` as long
    E0726 1: `pool.a` makes machines and has no image for them
      hint: add `image = "…"`, or remove `replicas` and declare machines
    E0728 3: `pool.a` makes containers, which only their engine lets us enter
      hint: write `access = "docker-exec"`
    E0726 5: `pool.b` makes containers, and `image.ubuntu` is not for them
      hint: add a table `[image.ubuntu.container]`
    E0610 7: `pool.b` and `port_range.games` hold the same ports of `docker.lab`
      hint: give each range ports of its own
    E0727 7: `pool.b` has 2 ports for 3 machines
      hint: each machine is reached by a port of its host; make `ports` as long
    E0608 8: `pool.b` gets 1MiB of memory, and Docker takes no less than 6MiB
    E0502 11: `pool.c` runs image `alpin`, which no spec defines
      hint: did you mean `alpine`?
    E0502 12: `pool.c` lives on connection `labb`, which no spec defines
      hint: did you mean `lab`?
    E0506 20: `pool.d` says it was `pool.metal`, which is still declared
      hint: remove one of the two
    E0505 20: `pool.d` cannot have been `container.e`, which is another kind
    "#);
}

#[test]
fn what_exists_already_is_not_made_and_is_entered_from_outside() {
    assert_snapshot!(told(r#"[pool.a]
docker = "lab"
image = "alpine"
ports = "2221-2222"
cpu = "1"
access = "docker-exec"
sanitise = "recreate"
"#), @r#"
    E0720 2: `pool.a` has no use for `docker`: its machines exist already
      hint: remove it, or say with `replicas` how many machines to make
    E0720 3: `pool.a` has no use for `image`: its machines exist already
      hint: remove it, or say with `replicas` how many machines to make
    E0720 4: `pool.a` has no use for `ports`: its machines exist already
      hint: remove it, or say with `replicas` how many machines to make
    E0720 5: `pool.a` has no use for `cpu`: its machines exist already
      hint: remove it, or say with `replicas` how many machines to make
    E0728 6: `pool.a` makes no containers, and its machines have no engine
      hint: write `access = "ssh"`, or say with `replicas` how many to make
    E0729 7: `pool.a` cannot clean its machines so: its machines exist already, and nobody can make them again
      hint: write `sanitise = "script"` with a `script`, or remove the line
    "#);
}

#[test]
fn machines_are_cleaned_by_what_they_have() {
    assert_snapshot!(told(r#"[pool.a]
access = "ssh"
sanitise = "rollback"
script = "clean.sh"
[pool.b]
access = "ssh"
sanitise = "script"
snapshot = "clean"
verify = "true"
[pool.c]
access = "ssh"
verify = "true"
[pool.d]
access = "guest-agent"
sanitise = "rollback"
snapshot = "fresh"
user_prefix = "Students-"
"#), @r#"
    E0729 3: `pool.a` cannot clean its machines so: only virtual machines have snapshots to go back to
      hint: write `sanitise = "script"` with a `script`
    E0720 4: `pool.a` has no use for `script`: its machines are cleaned otherwise
      hint: write `sanitise = "script"`, or remove it
    E0729 7: `pool.b` cannot clean its machines so: there is no script
      hint: add `script = "clean.sh"`, a path from the spec directory
    E0720 8: `pool.b` has no use for `snapshot`: its machines are cleaned otherwise
      hint: write `sanitise = "rollback"`, or remove it
    E0720 12: `pool.c` has no use for `verify`: its machines are not cleaned
      hint: say how with `sanitise`, or remove it
    E0722 17: `pool.d` has `Students-` for the beginning of names of users
      hint: use up to 16 of `a` to `z`, digits, `-` and `_`, with a letter at the beginning
    "#);
}

#[test]
fn a_machine_has_one_entry_a_name_of_its_own_and_one_way_in() {
    assert_snapshot!(told(r#"[machine.a]
pool = "metal"
host = "10.9.0.21"
[machine.b]
pool = "metal"
host = "10.9.0.21"
user = "lab"
key = "secret://file/key"
password = "secret://file/password"
host_key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA"
vmid = 100
[machine.c]
pool = "guests"
host = "10.9.0.23"
proxmox = "ams"
sudo = true
[machine.d]
pool = "guests"
host = "10.9.0.23"
proxmox = "fra"
vmid = 101
[machine.made-03]
pool = "made"
host = "10.9.0.24"
[container.made-11]
image = "alpine:3"
[machine.made-1]
pool = "metl"
host = "10.9.0.25"
"#), @r#"
    E0732 1: `machine.a` has neither `key` nor `password`
      hint: add `key = "secret://file/…"`, a private key that may log in
    E0614 1: `machine.a` is reached over ssh and has no `host_key`
      hint: add `host_key = "SHA256:…"` with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows on `10.9.0.21`
    E0733 6: `machine.b` and `machine.a` are the same machine
      hint: one machine has one entry, or it is lent twice; remove the other
    E0732 7: `machine.b` is entered as `lab`, who cannot make accounts
      hint: add `sudo = true` if `sudo -n` lets that user do everything, or use `root`
    E0732 9: `machine.b` has a `key` and a `password`, and one of them opens it
      hint: keep the key
    E0720 11: `machine.b` has no use for `vmid`: what belongs to `pool.metal` is entered over ssh
      hint: remove it
    E0732 12: `machine.c` is entered by its guest agent and has no `vmid`
      hint: add `vmid = …`, its id on the cluster
    E0720 16: `machine.c` has no use for `sudo`: what belongs to `pool.guests` is entered by the guest agent
      hint: remove it
    E0502 20: `machine.d` is a guest of cluster `fra`, which no spec defines
      hint: declared are `ams`
    E0730 22: `machine.made-03` is called as a machine that `pool.made` makes
      hint: name it otherwise: those of `pool.made` end in `-` and a number
    E0731 23: `machine.made-03` belongs to `pool.made`, which makes its machines itself
      hint: declare a pool of its own for what exists already
    E0730 25: `container.made-11` is called as a machine that `pool.made` makes
      hint: name it otherwise: those of `pool.made` end in `-` and a number
    E0502 28: `machine.made-1` belongs to pool `metl`, which no spec defines
      hint: did you mean `metal`?
    "#);
}

#[test]
fn an_offer_of_machines_has_pools_and_times_that_fit_together() {
    assert_snapshot!(told(r#"[offer.good]
price = { currency = "EUR", hourly = "0.10" }
[offer.good.machine]
pools = ["metal", "made"]
reservation = { min = "15m", max = "8h", max_total = "24h", cleaning = "5m", queue = true }
[offer.none]
price = {}
machine = { pools = [] }
[offer.other]
images = ["alpine"]
price = { currency = "EUR", hourly = "0.10", monthly_cap = "5", cap_hours = 20 }
lifecycle = { grace = "1h" }
[offer.other.machine]
pools = ["metl"]
[offer.short]
price = {}
[offer.short.machine]
pools = ["metal"]
reservation = { min = "30s", max = "30m" }
[offer.long]
price = {}
[offer.long.machine]
pools = ["metal"]
reservation = { min = "2h", max = "8h", max_total = "4h" }
"#), @r#"
    E0734 8: `offer.none` has no pool to take machines from
      hint: name a pool: `pools = ["…"]`
    E0720 10: `offer.other` has no use for `images`: its machines are those of pools
      hint: remove it
    E0720 11: `offer.other` has no use for `monthly_cap`: a reservation costs its hours
      hint: remove it
    E0720 11: `offer.other` has no use for `cap_hours`: a reservation costs its hours
      hint: remove it
    E0720 12: `offer.other` has no use for `lifecycle`: a reservation ends at its time
      hint: remove it
    E0502 14: `offer.other` takes machines from pool `metl`, which no spec defines
      hint: did you mean `metal`?
    E0735 19: `offer.short` has reservations of 30s, which is less than a minute
      hint: nobody can use a machine for so short
    E0735 19: `offer.short` has a `max` of 30m, which is less than a `default` of 1h
      hint: the order is `min`, `default` (an hour unless said), `max`, `max_total`
    E0735 24: `offer.long` has a `default` of 1h, which is less than a `min` of 2h
      hint: the order is `min`, `default` (an hour unless said), `max`, `max_total`
    E0735 24: `offer.long` has a `max_total` of 4h, which is less than a `max` of 8h
      hint: the order is `min`, `default` (an hour unless said), `max`, `max_total`
    "#);
}
