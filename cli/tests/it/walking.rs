//! The walks in the examples' own pages work: their commands are taken from the page and run.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whatever a page has in blocks of shell, before it turns to real engines, and from where somebody
/// orders.
fn commands(page: &str) -> String {
    let page = page.split("## On a real engine").next().unwrap();
    let page = page.split_once("## Order a machine").map_or(page, |(_, walk)| walk);
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Runs the walk of an example in a copy of it; what it says.
fn walk(example: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("examples").join(example);
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(&source).unwrap() {
        let file = file.unwrap();
        // What somebody's own run left there is no part of the example.
        if file.path().extension().is_some_and(|extension| extension == "toml") {
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    let page = fs::read_to_string(source.join("README.md")).unwrap();
    let script = format!("trap 'kill $(jobs -p) || :; wait' EXIT\n{}", commands(&page));
    let program = Path::new(env!("CARGO_BIN_EXE_lessor")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut bash = Command::new("timeout");
    bash.args(["300", "bash", "-euo", "pipefail", "-c", &script]).current_dir(home.path());
    bash.env("PATH", path).env("URL", format!("http://{address}")).env("LESSOR_LISTEN", address);
    bash.env_remove("LESSOR_DATABASE_URL").env_remove("LESSOR_ENDPOINT").stdin(Stdio::null());
    let output = bash.output().unwrap();
    let (said, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{log}");
    said.into_owned()
}

/// The lines of a text that hold all of these, in this order.
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for word in expected {
        assert!(rest.contains(word), "no `{word}` in what follows:\n{rest}");
        rest = rest.split_once(word).unwrap().1;
    }
}

#[test]
fn a_newcomer_can_rent_on_the_example_of_game_servers() {
    let said = walk("minehost");
    assert_in_order(
        &said,
        &[
            "creative-512m",
            "\"leads_to\": \"25565/tcp\"",
            "\"port\": 25568",
            "instance.mia/lobby",
            "In sync: 11 things are as declared.",
            "chosen     host docker.par1",
            // Off, on, and another size.
            "\"updating\"\n\"updating\"\n\"0.014900\"",
            "instance.mia/lobby",
            "ended; its data is kept until",
            "\"currency\": \"EUR\"",
            "\"base\"",
        ],
    );
}

#[test]
fn who_signs_up_on_the_example_of_a_container_for_each_user_gets_one() {
    let said = walk("saas");
    assert_in_order(
        &said,
        &[
            "mia@example.net",
            "\"leads_to\": \"8000/tcp\"",
            "\"port\": 42000",
            "instance.mia/first",
            "\"username\":\"noah\"",
            "\"port\":42001",
            "\"users\":2",
        ],
    );
}

#[test]
fn a_newcomer_can_rent_a_machine_on_pretend_hardware() {
    let said = walk("vps");
    assert_in_order(
        &said,
        &[
            "mia@example.net",
            "\"address\": \"203.0.113.4\"",
            "\"private_address\": \"10.100.0.34\"",
            "vlan_range.ams/mia",
            "subnet 10.100.0.32/28",
            "instance.mia/web",
            "in sync",
            "\"updating\"",
            "cpu  ",
            "memory  ",
            "\"terminating\"",
            "ended; its data is kept until",
        ],
    );
}

#[test]
fn a_newcomer_can_make_the_machines_of_the_lab_and_import_more() {
    let said = walk("lab");
    assert_in_order(
        &said,
        &[
            "+ machine.alpine-12                   lab",
            "+ machine.metal-1                     catalogue",
            "In sync: 12 things are as declared.",
            "machine.alpine-07",
            "- machine.alpine-11  lab",
            "~ pool.alpine",
            "+ machine.metal-4  10.9.0.24:22",
            "+ machine.metal-3  catalogue",
            "granted       active",
            "cleaned       released",
        ],
    );
}
