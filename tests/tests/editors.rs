//! Spec files in an editor: Taplo, which VS Code and others ask about TOML, with our schema.
//!
//! `tests/run.sh` installs it below `tests/editors`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by stopping"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use lessor_specs::load::parse;
use lessor_specs::{Kind, Tree, json_schema};
use lessor_tests::binary::binary;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn taplo(arguments: &[&str], files: &[PathBuf]) -> Output {
    let program = root().join("tests/editors/node_modules/@taplo/cli/dist/cli.js");
    assert!(program.is_file(), "run `npm ci --prefix tests/editors`, as `tests/run.sh` does");
    Command::new("node")
        .arg(program)
        .args(arguments)
        .args(files)
        // Where it looks for a configuration, and finds none.
        .current_dir(files[0].parent().unwrap())
        .output()
        .unwrap()
}

fn examples() -> Vec<PathBuf> {
    let directories = fs::read_dir(root().join("examples")).unwrap();
    let directories = directories.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

#[test]
fn every_example_names_the_schema_and_an_editor_finds_nothing_wrong_with_it() {
    let files = examples();
    for file in files.iter().filter(|file| !file.ends_with("lessor.toml")) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("#:schema ../lessor.schema.json\n"), "{}", file.display());
    }
    for arguments in [["lint"].as_slice(), &["fmt", "--check"]] {
        let output = taplo(arguments, &files);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "taplo {arguments:?}: {told}");
        assert!(told.contains(&format!("total={}", files.len())), "{told}");
    }
}

/// Something wrong of every kind. A line that is wrong says so.
const WRONG: &[(Kind, &str)] = &[
    (
        Kind::Docker,
        r#"[docker.a]
endpoint = "http://engine" # wrong
location = 3 # wrong
capacity = { cpu = "1,5", memory = "1GiB" } # wrong
overcommit = { cpu = 0.0 } # wrong
tls = { ca = "ca.pem", cert = "cert.pem", key = "literal" } # wrong
socket = "/run/docker.sock" # wrong
"#,
    ),
    (Kind::Location, "[location.a]\ncountry = [\"FR\"] # wrong\ntown = \"Paris\" # wrong\n"),
    (
        Kind::Image,
        r#"[image.a.container]
ref = "" # wrong
env = { A = 1 } # wrong
data = "data" # wrong
ready = { tcp = 70000 } # wrong
tag = "1" # wrong
[image.b.container] # wrong
[image.c.vm]
template = { a = "9001" } # wrong
linked = "yes" # wrong
id = 9001 # wrong
"#,
    ),
    (
        Kind::Network,
        "[network.a]\nsubnet = \"10.0.0.0\" # wrong\ninternal = \"yes\" # wrong\nlabel = {} # wrong\n",
    ),
    (
        Kind::Volume,
        "[volume.a]\noptions = { size = 1 } # wrong\nmoved = [\"old\"] # wrong\nsize = \"1GiB\" # wrong\n",
    ),
    (
        Kind::Container,
        r#"[container.a]
image = "nginx"
memory = "2GB" # wrong
cpu = 2 # wrong
pids = 0 # wrong
restart = "allways" # wrong
ports = [
  { host = 8080, container = 80 },
  { host = 8080, container = "80" }, # wrong
]
volumes = [{ volume = "v", path = "data" }] # wrong
healthcheck = { command = [] } # wrong
ready = { timeout = "5 minutes" } # wrong
memry = "1GiB" # wrong
[container.b] # wrong
"#,
    ),
    (
        Kind::PortRange,
        "[port_range.a]\ndocker = \"a\"\nrange = 25565 # wrong\nbind = \"all\" # wrong\nprotocol = \"tcp\" # wrong\n",
    ),
    (
        Kind::Bridge,
        "[bridge.a]\ndocker = \"a\"\nsupernet = \"10.64/16\" # wrong\nper_tenant_prefix = 30 # wrong\nprefix = 28 # wrong\n",
    ),
    (
        Kind::Proxmox,
        r#"[proxmox.a]
endpoint = "http://pve1.example.net" # wrong
token = "literal" # wrong
nodes = [] # wrong
storage = "" # wrong
vmid_range = "20" # wrong
placement = { strategy = "random" } # wrong
guest_firewall = "yes" # wrong
node = "n1" # wrong
"#,
    ),
    (
        Kind::PfSense,
        r#"[pfsense.a]
endpoint = "fw.example.net" # wrong
fingerprint = "sha256:6d1f" # wrong
api_key = "literal" # wrong
password = 3 # wrong
key = "secret://env/KEY" # wrong
"#,
    ),
    (
        Kind::Vlan,
        "[vlan.a]\nid = 4095 # wrong\nsubnet = \"10.20.0.0\" # wrong\nmoved = [\"b\"] # wrong\ntag = 20 # wrong\n",
    ),
    (
        Kind::VlanRange,
        r#"[vlan_range.a]
ids = 2100 # wrong
proxmox = "a"
sdn_zone = "" # wrong
pfsense = ["a"] # wrong
parent = "igb1"
supernet = "10.100/16" # wrong
per_tenant_prefix = 30 # wrong
prefix = 28 # wrong
"#,
    ),
    (
        Kind::AddressPool,
        r#"[address_pool.a]
pfsense = "a"
cidr = "203.0.113.0" # wrong
interface = 1 # wrong
reserved = [
  "203.0.113.1",
  "203.0.113", # wrong
]
range = "203.0.113.0/28" # wrong
"#,
    ),
    (Kind::Alias, "[alias.a]\naddresses = [] # wrong\naddress = \"10.0.0.1\" # wrong\n"),
    (
        Kind::FirewallRule,
        r#"[firewall_rule.a]
interface = "wan"
direction = "inward" # wrong
protocol = "http" # wrong
ports = ["22", "ssh"] # wrong
action = "allow" # wrong
log = "yes" # wrong
order = -1 # wrong
dest = "any" # wrong
"#,
    ),
    (
        Kind::FirewallTemplate,
        "[firewall_template.a]\nports = [80] # wrong\naction = \"drop\" # wrong\ninterface = \"wan\" # wrong\n",
    ),
    (
        Kind::PortForward,
        "[port_forward.a]\nport = 0 # wrong\ntarget = 3 # wrong\ntarget_port = 70000 # wrong\nprotocol = \"sctp\" # wrong\nto = 80 # wrong\n",
    ),
    (
        Kind::OutboundNat,
        "[outbound_nat.a]\ninterface = 1 # wrong\nsource = [\"any\"] # wrong\ntarget = 203 # wrong\nport = 25 # wrong\n",
    ),
    (
        Kind::Vpn,
        r#"[vpn.a]
port = 0 # wrong
subnet = "10.9.0.1" # wrong
private_key = "literal" # wrong
peer = 1 # wrong
[vpn.a.peers.alice]
public_key = "ssh-ed25519" # wrong
address = "10.9.0" # wrong
preshared_key = "literal" # wrong
key = 1 # wrong
"#,
    ),
    (
        Kind::Pool,
        r#"[pool.a]
image = 1 # wrong
replicas = -1 # wrong
ports = "2221:2232" # wrong
bind = "everywhere" # wrong
cpu = "half" # wrong
memory = "64MB" # wrong
pids = 0 # wrong
access = "exec" # wrong
sanitise = "format" # wrong
script = "" # wrong
password = "no" # wrong
labels = { gpu = true } # wrong
moved = "pool.b" # wrong
machines = 3 # wrong
"#,
    ),
    (
        Kind::Machine,
        r#"[machine.a]
pool = 1 # wrong
host = "" # wrong
port = 70000 # wrong
user = 0 # wrong
key = "lab_ed25519" # wrong
password = "literal" # wrong
host_key = "SHA256:abc" # wrong
sudo = "yes" # wrong
vmid = 99 # wrong
labels = "gpu" # wrong
cordoned = 1 # wrong
address = "10.9.0.21" # wrong
"#,
    ),
    (
        Kind::Offer,
        r#"[offer.a]
images = "a" # wrong
price = { currency = "euro", hourly = "0.0000001", per_hour = "1" } # wrong
lifecycle = { grace = "1 day" } # wrong
stock = 3 # wrong
[offer.a.container]
cpu = "1"
memory = "2G" # wrong
ports = [{ range = "a", container = 0 }] # wrong
[offer.b]
price = {}
[offer.b.vm]
cpu = { min = 0, max = 8, step = 1 } # wrong
memory = { min = "1GiB", max = "16GB", step = "1GiB" } # wrong
disk = { min = "10GiB", max = "100GiB", step = "10GiB", price = "1" } # wrong
public = 1 # wrong
[offer.c]
price = {}
[offer.c.machine]
pools = "a" # wrong
reservation = { default = "an hour", queue = "yes", longest = "8h" } # wrong
"#,
    ),
    (
        Kind::PromoCode,
        r#"[promo_code.A]
percent = 25 # wrong
amount = "five" # wrong
free_hours = 0 # wrong
offers = "a" # wrong
first_order = "yes" # wrong
max_uses = 0 # wrong
valid_from = "tomorrow" # wrong
valid_until = 2026-12-31T23:59:59Z
code = "A" # wrong
"#,
    ),
    (
        Kind::Quota,
        "[quota.a]\ninstances = -1 # wrong\nmemory = 8 # wrong\nmachine_hours_per_week = \"40h\" # wrong\ndisks = 3 # wrong\n",
    ),
    (
        Kind::Tenant,
        "[tenant.a]\nowners = \"a@b\" # wrong\nquota = 3 # wrong\ntimezone = 1 # wrong\ncredit = { EUR = 50 } # wrong\nname = \"A\" # wrong\n",
    ),
    (
        Kind::Instance,
        "[instance.\"a/b\"]\noffer = \"a\"\nenv = { MODE = true } # wrong\nmoved = \"a/c\" # wrong\ncpu = \"1\" # wrong\nmemory = \"2G\" # wrong\ndisk = 10 # wrong\nkeys = \"ssh-ed25519\" # wrong\ncores = 1 # wrong\n",
    ),
    (
        Kind::Policy,
        "[policy.retention]\nkeep = \"a week\" # wrong\ndestroy = \"later\" # wrong\n[policy.gate]\nremovals_percent = 101 # wrong\nremoval = 1 # wrong\n",
    ),
];

#[test]
fn an_editor_marks_the_lines_that_the_loader_marks() {
    let kinds: BTreeSet<_> = WRONG.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lessor.schema.json"), json_schema().to_string()).unwrap();
    let file = |kind: &Kind| directory.path().join(format!("{kind}.toml"));
    for (kind, text) in WRONG {
        fs::write(file(kind), format!("#:schema ./lessor.schema.json\n{text}")).unwrap();
    }
    let files: Vec<_> = WRONG.iter().map(|(kind, _)| file(kind)).collect();
    let output = taplo(&["lint"], &files);
    let told = String::from_utf8(output.stderr).unwrap();

    for (kind, text) in WRONG {
        let lines = text.lines().zip(2..);
        let wrong: BTreeSet<usize> =
            lines.filter(|(line, _)| line.contains("# wrong")).map(|(_, number)| number).collect();
        assert_eq!(marked(&told, &file(kind)), wrong, "Taplo on `{kind}`: {told}");
        assert_eq!(refused(text), wrong, "the loader on `{kind}`");
    }
}

/// The lines of a file that Taplo points at.
fn marked(told: &str, file: &Path) -> BTreeSet<usize> {
    let place = format!("┌─ {}:", file.display());
    let places = told.lines().filter_map(|line| line.trim().strip_prefix(&place));
    places.map(|place| place.split(':').next().unwrap().parse().unwrap()).collect()
}

/// The lines that the loader points at, of the file beneath the line that names the schema.
fn refused(text: &str) -> BTreeSet<usize> {
    let tree = Tree::new([("a.toml".to_owned(), format!("\n{text}"))].into());
    let report = parse(tree).unwrap_err();
    // What others declare is not the editor's business.
    let problems = report.entries().into_iter().filter(|problem| is_of_form(&problem.message));
    problems.filter_map(|problem| problem.line).collect()
}

fn is_of_form(message: &str) -> bool {
    message.contains(" should be ")
        || message.contains(" has no field ")
        || message.ends_with(" has no `image`")
        || message.ends_with(" has no `ref`")
}

#[test]
fn what_init_writes_is_completed_and_explained() {
    let directory = tempfile::tempdir().unwrap();
    let made = Command::new(binary()).arg("init").arg(directory.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = directory.path().join("web.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(taplo(&["lint"], std::slice::from_ref(&file)).status.success());
    let text = text + "restart = \n\n";
    let answers = ask(
        &file,
        &text,
        &[
            ("hover", at(&text, "image = ", 2)),
            ("hover", at(&text, "[container.web]", 3)),
            ("completion", (text.lines().count() - 1, 0)),
            ("completion", at(&text, "restart = ", 10)),
        ],
    );

    assert_snapshot!(answers[0]["contents"]["value"].as_str().unwrap().trim(), @"The image reference, such as `nginx:1.27`.");
    assert_snapshot!(answers[1]["contents"]["value"].as_str().unwrap().trim(), @"Docker containers.");
    assert_snapshot!(offered(&answers[2], "re"), @"
    ready — When it counts as ready; what depends on it waits for that.
    ready.healthy — The engine calls it healthy; needs a health check.
    ready.tcp — Something in the container listens on this TCP port, which it publishes.
    ready.timeout — How long that may take; 60 s unless said.
    restart — What the engine does when it stops.
    ");
    assert_snapshot!(offered(&answers[3], ""), @r#"
    "no" — Nothing.
    "on-failure" — Start it again when it failed.
    "always" — Start it again.
    "unless-stopped" — Start it again unless somebody stopped it.
    { } — object
    "#);
}

/// Where a text stands, some characters on: line and character, counted from 0.
fn at(text: &str, mark: &str, further: usize) -> (usize, usize) {
    let line = text.lines().position(|line| format!("{line}\n").contains(mark)).unwrap();
    (line, text.lines().nth(line).unwrap().find(mark.trim_end()).unwrap() + further)
}

/// What is offered under names that begin so, with what is said of each.
fn offered(answer: &Value, name: &str) -> String {
    let items = answer.as_array().unwrap().iter();
    let items = items.filter(|item| item["label"].as_str().unwrap().starts_with(name));
    let said = items.map(|item| {
        let about = item["documentation"]["value"].as_str().unwrap_or_default();
        format!("{} — {about}", item["label"].as_str().unwrap())
    });
    said.collect::<Vec<_>>().join("\n")
}

/// Asks the language server about a file that looks so.
fn ask(file: &Path, text: &str, questions: &[(&str, (usize, usize))]) -> Vec<Value> {
    let questions = questions.iter().map(
        |(method, (line, character))| json!({ "method": method, "line": line, "character": character }),
    );
    let question = json!({ "file": file, "text": text, "ask": questions.collect::<Vec<_>>() });
    let mut node = Command::new("node")
        .arg(root().join("tests/editors/ask.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}
