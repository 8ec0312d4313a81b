//! A Docker Engine on another machine, reached over ssh: the machine is the one that was meant, we
//! are let in, and a connection that is lost is not an empty host.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lessor_tests::engine::{APPLY, Ran, Site, docker, docker_run, ended, ran, seed};
use lessor_tests::proxy::{Fault, Proxy, When};
use lessor_tests::sshd::{Agent, Sshd};

const SPECS: &str = r#"
[docker.far]
endpoint = "{endpoint}"
host_key = "{host_key}"
key = "secret://file/key"

[network.{p}-net]
subnet = "{s0}"

[volume.{p}-data]

[container.{p}-web]
image = "{image}"
command = {command}
networks = ["{p}-net"]
volumes = [{ volume = "{p}-data", path = "/data" }]
"#;

const THINGS: [&str; 3] = ["container {p}-web", "network {p}-net", "volume {p}-data"];

/// One that serves once somebody says so, and one that waits for it.
const SLOW: &str = r#"
[container.{p}-first]
image = "{image}"
command = ["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exec busybox httpd -f -p 80 -h /tmp"]
ports = [{ host = {port0}, container = 80, bind = "127.0.0.1" }]
ready = { tcp = 80, timeout = "120s" }

[container.{p}-second]
image = "{image}"
command = {command}
depends_on = ["container.{p}-first"]
"#;

/// What a site believes and shows.
struct Entry {
    endpoint: String,
    host_key: String,
    key: PathBuf,
}

impl Entry {
    fn of(sshd: &Sshd) -> Self {
        Entry {
            endpoint: sshd.endpoint(""),
            host_key: sshd.fingerprint("host"),
            key: sshd.path("client"),
        }
    }

    fn site(&self) -> Site {
        let site = Site::new();
        std::fs::copy(&self.key, site.path().join("key")).unwrap();
        site.specs(&self.specs(""));
        site
    }

    fn specs(&self, more: &str) -> String {
        let specs = SPECS.replace("{endpoint}", &self.endpoint);
        format!("{}{more}", specs.replace("{host_key}", &self.host_key))
    }
}

/// Nothing is planned or made, and both commands say why.
#[track_caller]
fn refused(site: &Site, why: &[&str]) {
    let both: [Ran; 2] = [site.lessor(&["plan", "--detailed-exitcode"]), site.apply()];
    for run in both {
        run.expect(6);
        for why in why {
            run.says(why);
        }
    }
    site.expect_things(&[]);
}

/// Waits until the engine has a container of this name.
#[track_caller]
fn appears(name: &str) {
    let began = Instant::now();
    while docker_run(&["inspect", "--format", "{{.State.Running}}", name]).as_deref() != Ok("true")
    {
        assert!(began.elapsed() < Duration::from_mins(1), "`{name}` does not appear");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_engine_over_ssh_is_applied_to_and_then_nothing_is_left() {
    let sshd = Sshd::start();
    let site = Entry::of(&sshd).site();

    site.lessor(&["plan", "--detailed-exitcode"]).expect(2);
    site.settle();
    site.expect_things(&THINGS);
    site.lessor(&["drift"]).expect(0);

    docker(&["update", "--memory", "64m", "--memory-swap", "64m", &site.name("web")]);
    site.lessor(&["drift"]).expect(2).says("changed outside");
    site.settle();

    site.lessor(&["destroy", "--yes", "--allow", "removals"]).expect(0);
    site.expect_things(&["volume {p}-data"]);
}

#[test]
fn a_machine_with_an_older_sort_of_key_is_known_by_that() {
    let sshd = Sshd::start();
    let site = Entry { host_key: sshd.fingerprint("ecdsa"), ..Entry::of(&sshd) }.site();
    site.lessor(&["plan", "--detailed-exitcode"]).expect(2);
}

#[test]
fn another_machine_is_told_nothing_and_both_fingerprints_are_shown() {
    let sshd = Sshd::start();
    let site = Entry { host_key: sshd.fingerprint("stranger"), ..Entry::of(&sshd) }.site();
    refused(
        &site,
        &[
            &format!("is not the machine with the key `{}`", sshd.fingerprint("stranger")),
            &format!("it shows `{}` (ssh-ed25519)", sshd.fingerprint("host")),
            "ssh-keygen -lf",
        ],
    );
    assert!(sshd.log().contains("[preauth]"), "{}", sshd.log());
    assert!(!sshd.log().contains("publickey"), "somebody tried to log in:\n{}", sshd.log());
}

#[test]
fn a_key_that_is_not_let_in_is_named_and_nothing_is_made() {
    let sshd = Sshd::start();
    let site = Entry { key: sshd.path("stranger"), ..Entry::of(&sshd) }.site();
    let why = format!("in with the key `{}`", sshd.fingerprint("stranger"));
    refused(&site, &["`127.0.0.1` does not let `", &why, "authorized_keys"]);
    assert!(sshd.log().contains("Failed publickey"), "{}", sshd.log());
}

#[test]
fn a_key_that_cannot_be_used_says_so_before_anybody_is_called() {
    let sshd = Sshd::start();
    let site = Entry { key: sshd.path("client.pub"), ..Entry::of(&sshd) }.site();
    refused(&site, &["the key `secret://file/key` is not a private key", "ssh-add"]);
    std::fs::remove_file(site.path().join("key")).unwrap();
    refused(&site, &["the key `secret://file/key`: could not read"]);
}

#[test]
fn without_a_key_the_agents_are_tried() {
    let sshd = Sshd::start();
    let entry = Entry::of(&sshd);
    let site = entry.site();
    site.specs(&entry.specs("").replace("key = \"secret://file/key\"\n", ""));
    let plan = |agent: Option<&Agent>| {
        let mut command = site.command(&["plan", "--detailed-exitcode"]);
        command.envs(agent.map(|agent| ("SSH_AUTH_SOCK", agent.socket())));
        ran(command)
    };

    plan(None).expect(6).says("there is no ssh agent").says("`SSH_AUTH_SOCK`");
    plan(Some(&Agent::with(&[]))).expect(6).says("the ssh agent has no keys");
    let stranger = Agent::with(&[sshd.path("stranger")]);
    plan(Some(&stranger)).expect(6).says("with the one key of the ssh agent");
    let both = Agent::with(&[sshd.path("stranger"), sshd.path("client")]);
    plan(Some(&both)).expect(2);
}

#[test]
fn a_socket_that_is_not_there_or_not_served_is_told_apart() {
    let sshd = Sshd::start();
    let entry = Entry { endpoint: sshd.endpoint("/nowhere/docker.sock"), ..Entry::of(&sshd) };
    refused(&entry.site(), &["there is no socket `/nowhere/docker.sock` on `127.0.0.1`"]);

    let deaf = sshd.path("deaf.sock");
    drop(std::os::unix::net::UnixListener::bind(&deaf).unwrap());
    let path = deaf.display().to_string();
    let entry = Entry { endpoint: sshd.endpoint(&path), ..entry };
    let why = format!("the socket `{path}` on `127.0.0.1` could not be opened");
    refused(&entry.site(), &[&why, "systemctl status docker"]);
}

#[test]
fn a_server_that_lets_nobody_reach_sockets_is_recognised() {
    let sshd = Sshd::with("AllowStreamLocalForwarding no");
    refused(&Entry::of(&sshd).site(), &["could not be opened", "`AllowStreamLocalForwarding no`"]);
}

#[test]
fn nothing_is_removed_while_nobody_answers() {
    let mut sshd = Sshd::start();
    let entry = Entry::of(&sshd);
    let site = entry.site();
    site.settle();
    sshd.kill();

    // By what is left of the specs, all of it could go.
    let none = SPECS.split("[network").next().unwrap().replace("{endpoint}", &entry.endpoint);
    site.specs(&none.replace("{host_key}", &entry.host_key));
    let why = ["no ssh with `127.0.0.1:", "Connection refused", "ssh-keyscan"];
    let runs =
        [site.lessor(&["plan", "--detailed-exitcode"]), site.lessor(&["drift"]), site.apply()];
    for run in runs {
        run.expect(6);
        for why in why {
            run.says(why);
        }
    }
    site.expect_things(&THINGS);
}

#[test]
fn a_connection_that_is_dropped_is_made_again_within_the_run() {
    let sshd = Sshd::start();
    let entry = Entry::of(&sshd);
    let site = entry.site();
    site.specs(&entry.specs(SLOW));
    let began = Instant::now();
    let apply = site.start(&APPLY);
    appears(&site.name("first"));

    sshd.drop_connections();
    docker(&["exec", &site.name("first"), "sh", "-c", ": > /tmp/go"]);

    ended(apply, began).expect(0);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_what_the_next_apply_goes_on_from() {
    let mut sshd = Sshd::start();
    let entry = Entry::of(&sshd);
    let site = entry.site();
    site.specs(&entry.specs(SLOW));
    let began = Instant::now();
    let apply = site.start(&APPLY);
    appears(&site.name("first"));

    sshd.kill();
    ended(apply, began).expect(5).says("no ssh with `127.0.0.1:");
    let before = site.ids();
    assert!(!before.contains_key(&site.name("second")), "{before:?}");
    sshd.again();

    site.settle();
    let after = site.ids();
    assert!(after.contains_key(&site.name("second")));
    for (name, id) in before {
        assert_eq!(after.get(&name), Some(&id), "`{name}` was made anew");
    }
}

#[test]
fn bad_weather_behind_ssh_is_no_worse_than_before_it() {
    let sshd = Sshd::start();
    let entry = Entry::of(&sshd);
    let site = entry.site();
    site.settle();
    let before = site.ids();
    let more = "[container.{p}-more]\nimage = \"{image}\"\ncommand = {command}\n";
    for fault in [Fault::Refused, Fault::NoAnswer, Fault::ShortList] {
        let proxy = Proxy::new(fault, When::Sometimes(40), seed());
        let socket = proxy.socket().display().to_string();
        let foul = Entry { endpoint: sshd.endpoint(&socket), ..Entry::of(&sshd) };
        site.specs(&foul.specs(more));
        let run = site.apply();
        assert!([0, 1, 4, 5, 6].contains(&run.code.unwrap()), "{run:#?}");
        assert!(proxy.hits() > 0, "the weather was fair");
        for (name, id) in &before {
            assert_eq!(site.ids().get(name), Some(id), "{fault:?}: `{name}` is another");
        }
    }
    site.specs(&entry.specs(more));
    site.settle();
    site.expect_things(&[&["container {p}-more"], &THINGS[..]].concat());
}
