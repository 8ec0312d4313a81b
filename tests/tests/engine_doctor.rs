//! `lessor doctor` on a real Docker Engine, beside us and behind ssh.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use lessor_tests::engine::Site;
use lessor_tests::sshd::Sshd;
use serde_json::Value;

/// An engine, and an offer that promises disk on it.
const SPECS: &str = r#"
[docker.local]
location = "here"

[location.here]

[image.app.container]
ref = "{image}"

[offer.small]
images = ["app"]
locations = ["here"]
price = {}
container = { cpu = "1", memory = "64MiB", disk = "1GiB" }
"#;

/// What was found of the connection, as “verdict: found”.
fn of_connection(site: &Site, code: i32) -> Vec<String> {
    let ran = site.lessor(&["doctor", "--format", "json"]);
    ran.expect(code);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let of_connection = checks.filter(|check| check["about"] == "docker.local");
    let word = |check: &Value, field| check[field].as_str().unwrap_or_default().to_owned();
    of_connection.map(|c| format!("{}: {}", word(c, "verdict"), word(c, "found"))).collect()
}

#[track_caller]
fn has(found: &[String], begin: &str) {
    assert!(found.iter().any(|line| line.starts_with(begin)), "{begin} is not in {found:#?}");
}

#[test]
fn an_engine_is_seen_with_its_version_its_clock_and_what_it_cannot_limit() {
    let site = Site::new();
    site.specs(SPECS);

    let found = of_connection(&site, 0);

    has(&found, "ok: Docker Engine ");
    has(&found, "ok: its clock agrees with ours");
    has(&found, "warn: `disk` of offers is accounted and not enforced");
    site.expect_things(&[]);
}

#[test]
fn an_engine_behind_ssh_is_seen_as_well_and_another_machine_is_not() {
    let sshd = Sshd::start();
    let site = Site::new();
    std::fs::copy(sshd.path("client"), site.path().join("key")).unwrap();
    let specs = |host: &str| {
        let (endpoint, host_key) = (sshd.endpoint(""), sshd.fingerprint(host));
        format!(
            "[docker.local]\nendpoint = \"{endpoint}\"\nhost_key = \"{host_key}\"\n\
             key = \"secret://file/key\"\n"
        )
    };

    site.specs(&specs("host"));
    has(&of_connection(&site, 0), "ok: Docker Engine ");
    site.specs(&specs("stranger"));
    has(&of_connection(&site, 6), "unseen: `127.0.0.1:");
}
