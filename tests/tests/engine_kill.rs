//! Kills `lessor` at any instant of an apply on a real Docker Engine; the next one finishes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::time::{Duration, Instant};

use lessor_tests::engine::{APPLY, Dice, Ran, Site, docker, ended, seed};

/// So many kills, unless `LESSOR_KILLS` says otherwise.
const KILLS: u64 = 10;

const COMMON: &str = r#"
[docker.local]

[network.{p}-front]
subnet = "{s0}"

[volume.{p}-data]
[volume.{p}-cache]

[container.{p}-same]
image = "{image}"
command = {command}
networks = ["{p}-front"]
"#;

const A: &str = r#"
[network.{p}-old]
subnet = "{s1}"

[container.{p}-going-1]
image = "{image}"
command = {command}
networks = ["{p}-old"]

[container.{p}-going-2]
image = "{image}"
command = {command}
networks = ["{p}-old", "{p}-front"]

[container.{p}-going-3]
image = "{image}"
command = {command}
volumes = [{ volume = "{p}-cache", path = "/cache" }]

[container.{p}-grown]
image = "{image}"
command = {command}
memory = "32MiB"

[container.{p}-grown-too]
image = "{image}"
command = {command}
memory = "48MiB"
networks = ["{p}-front"]

[container.{p}-keeper]
image = "{image}"
command = {command}
env = { VERSION = "a" }
networks = ["{p}-front"]
volumes = [{ volume = "{p}-data", path = "/data" }]

[container.{p}-mover]
image = "{image}"
command = {command}
networks = ["{p}-front"]
ports = [{ host = {port0}, container = 80, bind = "127.0.0.1" }]

[container.{p}-follower]
image = "{image}"
command = {command}
depends_on = ["container.{p}-keeper"]
env = { VERSION = "a" }

[container.{p}-port]
image = "{image}"
command = {command}
"#;

const B: &str = r#"
[network.{p}-new]
subnet = "{s1}"

[volume.{p}-more]

[container.{p}-coming-1]
image = "{image}"
command = {command}
networks = ["{p}-new"]
volumes = [{ volume = "{p}-more", path = "/more" }]

[container.{p}-coming-2]
image = "{image}"
command = {command}
networks = ["{p}-new", "{p}-front"]

[container.{p}-grown]
image = "{image}"
command = {command}
memory = "64MiB"

[container.{p}-grown-too]
image = "{image}"
command = {command}
memory = "32MiB"
networks = ["{p}-front"]

[container.{p}-keeper]
image = "{image}"
command = {command}
env = { VERSION = "b" }
networks = ["{p}-front", "{p}-new"]
volumes = [{ volume = "{p}-data", path = "/data" }]

[container.{p}-mover]
image = "{image}"
command = {command}
networks = ["{p}-new"]

[container.{p}-follower]
image = "{image}"
command = {command}
depends_on = ["container.{p}-keeper"]
env = { VERSION = "b" }

[container.{p}-port]
image = "{image}"
command = {command}
ports = [{ host = {port0}, container = 80, bind = "127.0.0.1" }]
"#;

const THINGS: [&str; 11] = [
    "container {p}-follower",
    "container {p}-grown",
    "container {p}-grown-too",
    "container {p}-keeper",
    "container {p}-mover",
    "container {p}-port",
    "container {p}-same",
    "network {p}-front",
    "volume {p}-cache",
    "volume {p}-data",
    // It is not declared in A, and kept.
    "volume {p}-more",
];
const ONLY_A: [&str; 4] =
    ["container {p}-going-1", "container {p}-going-2", "container {p}-going-3", "network {p}-old"];
const ONLY_B: [&str; 3] = ["container {p}-coming-1", "container {p}-coming-2", "network {p}-new"];

#[test]
fn whenever_it_is_killed_the_next_apply_finishes_and_nothing_is_left_over_or_twice() {
    let seed = seed();
    let kills = std::env::var("LESSOR_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    println!("LESSOR_SEED={seed} LESSOR_KILLS={kills}");
    let mut dice = Dice::new(seed);
    let site = Site::new();
    let mut usual = [usual(&site, B), usual(&site, A)];
    let keeper = site.name("keeper");
    docker(&["exec", &keeper, "sh", "-c", "echo precious > /data/file"]);
    let same = site.ids()[&site.name("same")].clone();

    let mut killed = 0;
    let mut round = 0;
    while killed < kills {
        let to_b = round % 2 == 0;
        round += 1;
        declare(&site, if to_b { B } else { A });
        let usual = &mut usual[usize::from(!to_b)];
        match kill(&site, &mut dice, *usual) {
            Kill::InTime => killed += 1,
            Kill::TooLate(after) => *usual = after,
        }
        // The one that mends is killed as well, now and then.
        while dice.comes(30) {
            killed += u64::from(matches!(kill(&site, &mut dice, *usual), Kill::InTime));
        }
        let recovered = site.apply();
        recovered.expect(0);
        site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
        let only: &[&str] = if to_b { &ONLY_B } else { &ONLY_A };
        site.expect_things(&[&THINGS, only].concat());
        assert_eq!(docker(&["exec", &keeper, "cat", "/data/file"]), "precious");
        assert_eq!(site.ids()[&site.name("same")], same, "nothing asked for another `same`");
        println!("round {round}: {killed} killed, recovered in {:?}", recovered.took);
    }
}

fn declare(site: &Site, version: &str) {
    site.specs(&format!("{COMMON}{version}"));
}

/// How long it takes to come to this version undisturbed.
fn usual(site: &Site, version: &str) -> Duration {
    declare(site, version);
    let run: Ran = site.apply();
    run.expect(0);
    run.took
}

/// Whether a kill came in time.
enum Kill {
    InTime,
    TooLate(Duration),
}

/// Starts an apply and kills it.
fn kill(site: &Site, dice: &mut Dice, usual: Duration) -> Kill {
    let after = Duration::from_micros(dice.below(u64::try_from(usual.as_micros()).unwrap()));
    let began = Instant::now();
    let mut child = site.start(&APPLY);
    std::thread::sleep(after);
    child.kill().unwrap();
    let run = ended(child, began);
    println!("  killed after {after:?}: {}", if run.code.is_none() { "yes" } else { "too late" });
    if run.code.is_none() { Kill::InTime } else { Kill::TooLate(after) }
}
