//! Clients of others, as they are, with `lessor sandbox` at the other end.
//!
//! `tests/run.sh` installs them below `target/clients`.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Output, Stdio};

use insta::assert_snapshot;
use lessor_tests::clients::{home, program};
use lessor_tests::sandbox::Sandbox;
use serde_json::{Value, json};

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
    let own = tempfile::tempdir().unwrap();
    command
        .args(["--inventory", "localhost,", "--connection", "local", name])
        .env("ANSIBLE_HOME", own.path())
        .env("ANSIBLE_COLLECTIONS_PATH", home())
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
    assert_snapshot!(script("with_proxmoxer.py", &sandbox), @r#"
    version: 9.2.11
    ticket: ['PVE', 'root@pam'] True ['pve1', 'pve2', 'pve3']
    wrong password: Couldn't authenticate user: root@pam to https://HOST/api2/json/access/ticket code: 401
    wrong token: 401 Authentication failed! {'errors': b''}
    create: qmcreate 9000 OK
    template: qmtemplate 9000 OK
    next id: 100
    clone: qmclone 9000 OK
    config: None
    resize: resize 100 OK
    read: {'name': 'web', 'memory': '1024', 'cores': 2, 'tags': 'prod;web', 'scsi0': 'local:100/vm-100-disk-0.qcow2,discard=on,iothread=1,size=3G', 'ciuser': 'admin', 'ipconfig0': 'ip=192.0.2.10/24,gw=192.0.2.1', 'onboot': 1}
    stale: 500 checksum mismatch (file change by other user?)
    config in a task: qmconfig 100 OK
    start: qmstart 100 OK
    status: running
    start again: qmstart 100 VM 100 already running
    delete while it runs: 500 VM 100 is running - destroy failed
    snapshot: qmsnapshot 100 OK
    snapshots: ['before', 'current']
    rollback: qmrollback 100 OK
    name: web
    start after it: qmstart 100 OK
    delete snapshot: qmdelsnapshot 100 OK
    stop: qmstop 100 OK
    pending: []
    linked clone: qmclone 9000 OK
    log: TASK OK
    base in use: qmdestroy 9000 base volume 'local:9000/base-9000-disk-0.qcow2' is still in use by linked cloned
    machines: [(100, 'web', 'stopped'), (102, 'linked', 'stopped'), (9000, 'debian', 'stopped')]
    delete: qmdestroy 102 OK
    create container: vzcreate 200 OK
    clone container: vzclone 200 OK
    config container: None
    resize container: resize 201 OK
    start container: vzstart 201 OK
    status container: running
    stop container: vzstop 201 OK
    read container: {'hostname': 'twin', 'memory': 512, 'rootfs': 'local:201/vm-201-disk-0.raw,size=3G', 'arch': 'amd64'}
    delete container: vzdestroy 200 OK
    absent container: 500 Configuration file 'nodes/pve1/lxc/200.conf' does not exist
    same alias: 400 Parameter verification failed. {'name': "alias 'office' already exists"}
    set: ['198.51.100.0/24', '203.0.113.7']
    full set: 500 IPSet 'admins' is not empty
    rule: 400 Parameter verification failed. {'proto': "missing property - 'dport' requires this property"}
    rules: [(0, 'web'), (1, 'ssh')]
    rules: [(0, 'web')]
    walls: {'digest': '952cf52c19682c6208df4635a1ec85a9469e1e56', 'enable': 1, 'policy_in': 'DROP'}
    full pool: 500 delete pool failed: pool 'shop' is not empty (contains VM 100)
    members: ['100', '201', 'local']
    content: ['local:100/vm-100-cloudinit.qcow2', 'local:100/vm-100-disk-0.qcow2']
    volume: local:100/vm-100-disk-9.qcow2 1073741824
    delete volume: imgdel 100@local OK
    storages: ['local', 'more']
    space: dir True
    absent: 500 Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist
    unknown path: 501 Method 'GET /nodes/pve1/nothing' not implemented
    unknown node: 500 hostname lookup 'pve9' failed - failed to get address info for: pve9: Name or service not known
    bad parameters: 400 Parameter verification failed. {'bogus': 'property is not defined in schema and the schema does not allow additional properties', 'net0': "invalid format - format error\nnet0.model: value 'nic' does not have a value in the enumeration 'e1000, e1000-82540em, e1000-82544gc, e1000-82545em, e1000e, i82551, i82557b, i82559er, ne2k_isa, ne2k_pci, pcnet, rtl8139, virtio, vmxnet3'\n", 'vmid': "type check ('integer') failed - got 'x'"}
    root alone: 500 only root can set 'args' config
    forbidden: 403 Permission check failed (/vms/100, VM.PowerMgmt)
    filtered: []
    granted: [100]
    by ticket: by ticket
    guests: [100, 201, 9000]
    "#);

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
    assert_snapshot!(play("estate.yml", &sandbox, &As::Token), @"
    ok       Nodes
    ok       Three of them are online
    ok       Storages
    ok       One of them takes images of disks
    changed  A pool
    changed  A storage more
    changed  A machine to copy
    changed  Its copy
    changed  A second network card
    changed  A larger disk
    changed  Discards on the other one
    changed  It runs
    changed  A snapshot of it
    changed  It is of the pool
    changed  So is a storage
    changed  A container
    changed  Its copy
    changed  The copy is as it shall be
    changed  And runs
    changed  Names of the cluster
    changed  A set of addresses
    changed  A group of rules
    changed  Its rules
    changed  Rules of the machine
    changed  A user
    changed  May do something
    ");

    let before = durable(&sandbox.state("proxmox"));
    let again = play("estate.yml", &sandbox, &As::Token);
    assert_eq!(again.lines().filter(|line| !line.starts_with("ok ")).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(durable(&sandbox.state("proxmox")), before);
    assert_eq!(keys(&before["guests"]), ["100", "200", "201", "9000"]);
    assert_eq!(before["guests"]["201"]["config"]["memory"], "384");

    assert_snapshot!(play("operations.yml", &sandbox, &As::Password), @"
    changed  The machine grows
    ok       How it is
    ok       It runs
    changed  It stops
    changed  It goes back
    changed  The snapshot goes
    changed  The machine moves
    ok       What there is
    ok       It has what it had
    changed  The container stops
    changed  And goes
    changed  The machine to copy becomes a template
    ok       What storage holds
    ok       A base to copy from
    changed  An image of an installer goes
    changed  A third disk
    changed  It is detached
    changed  And goes
    changed  The machine leaves its pool
    changed  The storage leaves it
    changed  The pool goes
    changed  A rule goes
    changed  Names go
    changed  The set goes
    ok       What the firewall knows
    ok       One rule is left
    changed  The rest is backed up
    ok       What backups there are
    ok       One of the machine
    changed  The machine goes
    ok       What was done
    ok       Nothing failed
    ");
    let world = sandbox.state("proxmox");
    assert_eq!(keys(&world["guests"]), ["200", "9000"]);
    assert_eq!(world["pools"], json!({}));
}

#[test]
fn pyfsense_client_writes_aliases_and_applies_them() {
    let sandbox = Sandbox::start(&["--pfsense", ":0"]);
    assert_snapshot!(script("with_pyfsense.py", &sandbox), @"
    empty: []
    made: id=0 name='web' type=<AliasType.HOST: 'host'> descr='WEB' address=['192.0.2.10'] detail=['first']
    all: [(0, 'web', ['192.0.2.10']), (1, 'nets', ['198.51.100.0/24']), (2, 'ports', ['443', '8000:8010'])]
    pending: {'applied': False, 'pending_subsystems': ['aliases']}
    apply: 200
    applied: {'applied': True, 'pending_subsystems': []}
    one: nets
    updated: id=0 name='web' type=<AliasType.HOST: 'host'> descr='Web' address=['192.0.2.10', '192.0.2.11'] detail=[]
    renamed: ValidationError 400 FIELD_VALUE_CHANGED_WHEN_NOT_EDITABLE
    no such: APIError 404 MODEL_OBJECT_NOT_FOUND
    taken: ValidationError 400 FIELD_MUST_BE_UNIQUE
    bad address: ValidationError 400 INVALID_NETWORK_ALIAS_ADDRESS
    deleted: web
    all: [(0, 'nets', ['198.51.100.0/24']), (1, 'ports', ['443', '8000:8010'])]
    replaced: ['a', 'b']
    deleted: 200
    all: [(0, 'a', ['192.0.2.1'])]
    leases: []
    wrong key: AuthenticationError 401 AUTH_AUTHENTICATION_FAILED
    ");

    let state = sandbox.state("pfsense");
    let aliases = state["config"]["aliases"]["alias"].as_array().unwrap();
    assert_eq!(aliases.iter().map(|alias| &alias["name"]).collect::<Vec<_>>(), ["a"]);
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What is configured, without what goes on by itself.
fn durable(world: &Value) -> Value {
    let kept = ["guests", "pools", "storages", "volumes", "firewalls", "access"];
    kept.into_iter().map(|name| (name.to_owned(), world[name].clone())).collect()
}
