//! A Docker Engine that fails, hangs and lies, by way of a proxy: what is not known is never taken
//! for absent, and the next run in fair weather converges.

#![expect(clippy::print_stdout, reason = "what helps a test may do what a test may")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use lessor_tests::binary::binary;
use lessor_tests::engine::{APPLY, Ran, SOCKET, Site, docker, quiet, ran, seed};
use lessor_tests::proxy::{Fault, Proxy, When};

/// However bad the weather: retries and waits included, no run takes longer.
const BOUND: Duration = Duration::from_secs(150);

const BEFORE: &str = r#"
[docker.local]

[network.{p}-net]
subnet = "{s0}"

[volume.{p}-data]

[container.{p}-stays]
image = "{image}"
command = {command}
networks = ["{p}-net"]
volumes = [{ volume = "{p}-data", path = "/data" }]

[container.{p}-grows]
image = "{image}"
command = {command}
memory = "32MiB"
"#;

/// What comes on top of it, with `grows` grown.
const MORE: &str = r#"
[network.{p}-second]
subnet = "{s1}"

[volume.{p}-more]

[container.{p}-comes]
image = "{image}"
command = {command}
networks = ["{p}-net", "{p}-second"]
volumes = [{ volume = "{p}-more", path = "/data" }]

[container.{p}-comes-too]
image = "{image}"
command = {command}
"#;

const THINGS_BEFORE: [&str; 4] =
    ["container {p}-grows", "container {p}-stays", "network {p}-net", "volume {p}-data"];
const THINGS_AFTER: [&str; 8] = [
    "container {p}-comes",
    "container {p}-comes-too",
    "container {p}-grows",
    "container {p}-stays",
    "network {p}-net",
    "network {p}-second",
    "volume {p}-data",
    "volume {p}-more",
];

/// What is there before the weather turns.
fn begun() -> (Site, BTreeMap<String, String>) {
    let site = Site::new();
    site.specs(BEFORE);
    site.settle();
    site.expect_things(&THINGS_BEFORE);
    let ids = site.ids();
    site.specs(&format!("{}{MORE}", BEFORE.replace("32MiB", "64MiB")));
    (site, ids)
}

/// Plans and applies in bad weather, and once more when it is over.
#[track_caller]
fn weathers(fault: Fault, percent: u64) {
    let seed = seed();
    println!("LESSOR_SEED={seed} {fault:?} in {percent} of 100");
    let (site, ids) = begun();
    let proxy = Proxy::new(fault, When::Sometimes(percent), seed);
    let option = proxy.option("local");

    let plan = site.lessor(&["plan", "--detailed-exitcode", &option]);
    bounded(&plan, &[2, 6]);
    let apply = site.lessor(&[&APPLY[..], &[&option]].concat());
    bounded(&apply, &[0, 1, 4, 5, 6]);
    if apply.code != Some(0) {
        assert!(!apply.all().trim().is_empty(), "it says nothing");
    }
    println!(
        "plan {:?}, apply {:?}, {} faults in {:?}",
        plan.code,
        apply.code,
        proxy.hits(),
        apply.took
    );
    assert!(proxy.hits() > 0, "the weather was fair");
    nothing_lost_or_twice(&site, &ids);

    site.apply().expect(0);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    site.expect_things(&THINGS_AFTER);
    nothing_lost_or_twice(&site, &ids);
}

#[track_caller]
fn bounded(run: &Ran, codes: &[i32]) {
    assert!(run.code.is_some_and(|code| codes.contains(&code)), "{run:#?}");
    assert!(run.took < BOUND, "it took {:?}", run.took);
}

#[track_caller]
fn nothing_lost_or_twice(site: &Site, ids: &BTreeMap<String, String>) {
    let now = site.ids();
    for (name, id) in ids {
        assert_eq!(now.get(name), Some(id), "container `{name}` is not the one it was");
    }
    let things = site.things();
    for thing in THINGS_BEFORE {
        assert!(things.contains_key(&site.filled(thing)), "{thing} was lost: {things:#?}");
    }
    let twice: Vec<_> = things.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn connections_that_are_refused_now_and_then_lose_nothing() {
    weathers(Fault::Refused, 20);
}

#[test]
fn late_answers_only_take_longer() {
    weathers(Fault::Late(Duration::from_millis(700)), 30);
}

#[test]
fn an_engine_that_hangs_for_a_while_only_takes_longer() {
    weathers(Fault::Late(Duration::from_secs(8)), 5);
}

#[test]
fn answers_that_break_off_lose_nothing() {
    weathers(Fault::CutAfter(150), 20);
}

#[test]
fn answers_that_break_off_in_their_head_lose_nothing() {
    weathers(Fault::CutAfter(9), 20);
}

#[test]
fn calls_that_were_done_and_never_answered_are_not_done_twice() {
    weathers(Fault::NoAnswer, 20);
}

#[test]
fn an_engine_that_fails_now_and_then_loses_nothing() {
    weathers(Fault::Error500, 20);
}

#[test]
fn half_an_answer_is_not_an_answer() {
    weathers(Fault::HalfJson, 20);
}

#[test]
fn an_answer_to_another_question_is_not_an_answer() {
    weathers(Fault::OtherJson, 20);
}

#[test]
fn a_list_that_is_shorter_than_it_says_is_not_an_answer() {
    weathers(Fault::ShortList, 20);
}

/// Looks through a proxy that always lies when one thing is listed.
#[track_caller]
fn lied_to(fault: Fault, asking: &'static str) {
    let (site, ids) = begun();
    // Something to remove, were one to believe it. It differs, for a mere new name is held.
    let other = "[container.{p}-grows-not]\nuser = \"1000\"";
    site.specs(&BEFORE.replace("[container.{p}-grows]", other));
    let before = site.things();
    let proxy = Proxy::new(fault, When::Asking(asking), 0);
    let option = proxy.option("local");

    for args in [
        &["plan", "--detailed-exitcode", &option][..],
        &["drift", &option],
        &["plan", &option],
        &["show", &option],
    ] {
        let run = site.lessor(args);
        run.expect(6).says("could not");
        assert!(proxy.hits() > 0, "nothing was asked");
    }
    let apply = site.lessor(&[&APPLY[..], &[&option]].concat());
    bounded(&apply, &[0, 1, 5, 6]);
    assert_ne!(apply.code, Some(0), "{apply:#?}");
    nothing_lost_or_twice(&site, &ids);
    let now = site.things();
    assert!(before.keys().all(|thing| now.contains_key(thing)), "{now:#?}");

    site.settle();
    site.expect_things(&[
        "container {p}-grows-not",
        "container {p}-stays",
        "network {p}-net",
        "volume {p}-data",
    ]);
}

#[test]
fn containers_that_are_listed_wrongly_are_unknown_and_not_absent() {
    for fault in [Fault::ShortList, Fault::HalfJson, Fault::OtherJson, Fault::Error500] {
        lied_to(fault, "/containers/json");
    }
}

#[test]
fn networks_that_are_listed_wrongly_are_unknown_and_not_absent() {
    for fault in [Fault::ShortList, Fault::HalfJson, Fault::OtherJson] {
        lied_to(fault, "/networks?");
    }
}

#[test]
fn volumes_that_are_listed_wrongly_are_unknown_and_not_absent() {
    for fault in [Fault::ShortList, Fault::HalfJson, Fault::OtherJson] {
        lied_to(fault, "/volumes?");
    }
}

#[test]
fn inspections_that_answer_another_question_leave_a_thing_unknown() {
    for asking in ["/images/sha256", "/json HTTP"] {
        lied_to(Fault::OtherJson, asking);
    }
}

#[test]
fn an_engine_that_nobody_reaches_leaves_the_other_hosts_verdict() {
    let site = Site::new();
    site.specs(
        r#"
        [docker.dead]
        endpoint = "unix:///nowhere/docker.sock"

        [docker.pretend]
        endpoint = "memory:host.json"

        [volume.{p}-far]
        docker = "dead"

        [volume.{p}-near]
        docker = "pretend"
        "#,
    );

    let plan = site.lessor(&["plan", "--detailed-exitcode"]);
    plan.expect(6).says(&format!("+ volume.{}-near", site.prefix));
    plan.says("/nowhere/docker.sock").says("docker.dead");
    assert!(!plan.all().contains("+ volume.{p}-far"), "{}", plan.stdout);
    site.lessor(&APPLY).expect(6).says("1 of 1 steps done");
    // What could be done is done; what could not is not claimed to be.
    site.lessor(&["plan", "--detailed-exitcode"]).expect(6);
    site.lessor(&["drift"]).expect(6);
    site.lessor(&["drift", "--fail-on", "changed,missing,pending"]).expect(0);
}

#[test]
fn whoever_may_not_use_the_socket_is_told_which_and_what_to_do() {
    let site = Site::new();
    site.specs(BEFORE);
    let tools = tempfile::tempdir().unwrap();
    let copy = tools.path().join("lessor");
    std::fs::copy(binary(), &copy).unwrap();
    for path in [site.path(), tools.path(), &copy] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    command.arg(&copy).args(["plan", "--detailed-exitcode"]).arg(site.path());
    quiet(&mut command);
    let plan = ran(command);

    plan.expect(6).says(SOCKET).says("no permission").says("`docker` group");
}

#[test]
fn an_engine_that_goes_away_in_the_middle_is_waited_for_only_so_long() {
    let (site, ids) = begun();
    let proxy = Proxy::new(Fault::Refused, When::Asking("POST"), 0);
    let apply = site.lessor(&[&APPLY[..], &[&proxy.option("local")]].concat());
    bounded(&apply, &[1, 5]);
    apply.says("no answer from the engine").says("again");
    nothing_lost_or_twice(&site, &ids);
    docker(&["inspect", &site.name("stays")]);
    site.settle();
    site.expect_things(&THINGS_AFTER);
}
