//! Clients of others, as they are, with `lessor sandbox` at the other end.
//!
//! `tests/run.sh` installs them below `target/clients`.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use lessor_tests::sandbox::Sandbox;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program that came with the clients.
fn program(name: &str) -> Command {
    let clients = root().join("target/clients");
    assert!(clients.join("ready").is_file(), "install the clients, as `tests/run.sh` does");
    let mut command = Command::new(clients.join("bin").join(name));
    command.current_dir(root().join("tests/clients")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What it said, once it came to its end.
#[track_caller]
fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

/// Lets a script speak with a sandbox that announced itself on its input.
#[track_caller]
fn script(name: &str, sandbox: &Sandbox) -> String {
    let mut command = program("python");
    command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sandbox.announcement.as_bytes()).unwrap();
    said(&child.wait_with_output().unwrap())
}

/// Who a playbook is.
enum As {
    Token,
    Password,
}

/// Plays a playbook; says what became of each task.
#[track_caller]
fn play(name: &str, sandbox: &Sandbox, who: &As) -> String {
    let mut command = program("ansible-playbook");
    let endpoint = sandbox.access("proxmox", "endpoint").trim_start_matches("https://");
    let (host, port) = endpoint.split_once(':').unwrap();
    let home = tempfile::tempdir().unwrap();
    command
        .args(["--inventory", "localhost,", "--connection", "local", name])
        .env("ANSIBLE_HOME", home.path())
        .env("ANSIBLE_COLLECTIONS_PATH", root().join("target/clients"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("ANSIBLE_PIPELINING", "1")
        .env("ANSIBLE_PYTHON_INTERPRETER", "{{ ansible_playbook_python }}")
        .env("LC_ALL", "C.UTF-8")
        .env("PROXMOX_HOST", host)
        .env("PROXMOX_PORT", port)
        .env("PROXMOX_USER", sandbox.access("proxmox", "user"));
    match who {
        As::Token => {
            let token = sandbox.access("proxmox", "token");
            let (id, secret) = token.split_once('!').unwrap().1.split_once('=').unwrap();
            command.env("PROXMOX_TOKEN_ID", id).env("PROXMOX_TOKEN_SECRET", secret);
        }
        As::Password => {
            command.env("PROXMOX_PASSWORD", sandbox.access("proxmox", "password"));
        }
    }
    became(&said(&command.output().unwrap()))
}

/// One line a task, from what is written for people.
fn became(said: &str) -> String {
    let mut lines = String::new();
    let mut task = "";
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("TASK [") {
            task = rest.split(']').next().unwrap();
        } else if let Some((outcome, _)) = line.split_once(": [localhost]") {
            let _ = writeln!(lines, "{outcome:8} {task}");
        }
    }
    lines
}

#[test]
fn proxmoxer_does_all_it_does_with_a_cluster() {
    let sandbox = Sandbox::start(&["--proxmox", ":0"]);
    sandbox.hurry();
    assert_snapshot!(script("with_proxmoxer.py", &sandbox), @"");

    let world = sandbox.state("proxmox");
    assert_eq!(keys(&world["guests"]), ["100", "201", "9000"]);
    assert_eq!(world["guests"]["100"]["config"]["cores"], "1");
    assert_eq!(world["guests"]["100"]["power"], "Stopped");
    assert_eq!(world["guests"]["9000"]["config"]["template"], "1");
    assert_eq!(world["guests"]["201"]["config"]["hostname"], "twin");
    assert_eq!(world["pools"]["shop"]["guests"], json!([100]));
    assert_eq!(keys(&world["firewalls"]), ["cluster", "guest/100"]);
    assert_eq!(world["storages"], json!({}));
}

#[test]
fn an_estate_of_ansible_comes_about_and_a_second_run_has_nothing_to_change() {
    let sandbox = Sandbox::start(&["--proxmox", ":0"]);
    sandbox.hurry();
    assert_snapshot!(play("estate.yml", &sandbox, &As::Token), @"");

    let before = durable(sandbox.state("proxmox"));
    let again = play("estate.yml", &sandbox, &As::Token);
    assert_eq!(again.lines().filter(|line| !line.starts_with("ok ")).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(durable(sandbox.state("proxmox")), before);
    assert_eq!(keys(&before["guests"]), ["100", "200", "201", "9000"]);
    assert_eq!(before["guests"]["201"]["config"]["memory"], "384");

    assert_snapshot!(play("operations.yml", &sandbox, &As::Password), @"");
    let world = sandbox.state("proxmox");
    assert_eq!(keys(&world["guests"]), ["200", "9000"]);
    assert_eq!(world["pools"], json!({}));
}

#[test]
fn pyfsense_client_writes_aliases_and_applies_them() {
    let sandbox = Sandbox::start(&["--pfsense", ":0"]);
    assert_snapshot!(script("with_pyfsense.py", &sandbox), @"");

    let state = sandbox.state("pfsense");
    let aliases = state["config"]["aliases"]["alias"].as_array().unwrap();
    assert_eq!(aliases.iter().map(|alias| &alias["name"]).collect::<Vec<_>>(), ["a"]);
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What is configured, without what goes on by itself.
fn durable(world: Value) -> Value {
    let kept = ["guests", "pools", "storages", "volumes", "firewalls", "access"];
    kept.into_iter().map(|name| (name.to_owned(), world[name].clone())).collect()
}
