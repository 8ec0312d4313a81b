//! What plans say of money: on each instance, and of everything that is rented.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use insta::assert_snapshot;
use lessor_engine::Before;
use lessor_plans::Plan;
use lessor_plans::render::{Purpose, View, json, json_schema, markdown};
use lessor_tests::{Sim, rendered};

const VPS: &str = r#"
[location.ams1]
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE"
location = "ams1"
nodes = ["n1", "n2", "n3"]
storage = "ceph"
vmid_range = "20000-20009"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
location = "ams1"
[vlan_range.customers]
ids = "2100-2109"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/24"
per_tenant_prefix = 28
[image.ubuntu.vm]
template = { ams = 9001 }
cloud_init = true
[offer.flex]
images = ["ubuntu"]
price = { currency = "EUR", cap_hours = 672 }
[offer.flex.vm]
cpu = { min = 1, max = 16, step = 1, hourly = "0.004500" }
memory = { min = "1GiB", max = "64GiB", step = "1GiB", hourly = "0.002100" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB", hourly = "0.000120" }
[offer.dollars]
images = ["ubuntu"]
price = { currency = "USD", hourly = "0.014900", monthly_cap = "9.99" }
[offer.dollars.vm]
cpu = { min = 1, max = 1, step = 1 }
memory = { min = "1GiB", max = "1GiB", step = "1GiB" }
disk = { min = "10GiB", max = "10GiB", step = "10GiB" }
[offer.free]
images = ["ubuntu"]
price = {}
[offer.free.vm]
cpu = { min = 1, max = 1, step = 1 }
memory = { min = "1GiB", max = "1GiB", step = "1GiB" }
disk = { min = "10GiB", max = "10GiB", step = "10GiB" }
[tenant.acme]
[instance."acme/web"]
offer = "flex"
cpu = 2
"#;

fn with(entries: &str) -> String {
    format!("{VPS}{entries}\n")
}

/// The lines of instances, and the last one.
fn told(plan: &Plan) -> String {
    let text = rendered(plan);
    let lines: Vec<_> = text.lines().collect();
    let (last, lines) = lines.split_last().unwrap();
    let told = lines.iter().filter(|line| line.contains(" instance."));
    told.chain([last]).copied().collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_is_new_costs_what_its_offer_says_in_each_currency() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let more = with(
        "[instance.\"acme/db\"]\noffer = \"flex\"\nmemory = \"4GiB\"\n\
         [instance.\"acme/far\"]\noffer = \"dollars\"\n[instance.\"acme/toy\"]\noffer = \"free\"",
    );
    assert_snapshot!(told(&sim.plan(&more).await), @"
    + instance.acme/db   ams       new  id 20001  on n2  10.100.0.3  EUR +0.014100/h
    + instance.acme/far  ams       new  id 20002  on n3  10.100.0.4  USD +0.014900/h
    + instance.acme/toy  ams       new  id 20003  on n3  10.100.0.5
    3 to add. Run-rate EUR 8.27 → 17.74, USD 0.00 → 9.99 a month. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_bigger_machine_costs_what_came_and_a_smaller_one_less() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let larger = VPS.replace("cpu = 2\n", "cpu = 4\n");
    assert_snapshot!(told(&sim.plan(&larger).await), @"
    ~ instance.acme/web  ams       cpu changed  needs a reboot  EUR +0.009000/h
    1 to change. Run-rate EUR 8.27 → 14.31 a month. No data is destroyed.
    ");
    assert_snapshot!(told(&sim.plan(&VPS.replace("cpu = 2\n", "cpu = 1\n")).await), @"
    ~ instance.acme/web  ams       cpu changed  needs a reboot  EUR -0.004500/h
    1 to change. Run-rate EUR 8.27 → 5.24 a month. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_somebody_else_did_changes_no_bill() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let ams = sim.hardware("proxmox.ams");
    ams.edit(|inside| inside.body("instance.acme/web").guest_mut().unwrap().cpu = 8);
    assert_snapshot!(told(&sim.plan(VPS).await), @"
    ! instance.acme/web  ams       cpu changed outside, will be set back  needs a reboot
    1 drifted. No data is destroyed.
    ");
    ams.edit(|inside| inside.things.retain(|(birth, _)| birth.name() != "acme/web"));
    assert_snapshot!(told(&sim.plan(VPS).await), @"
    ! instance.acme/web  ams       removed outside, will be made again  id 20000  on n1  10.100.0.2
    1 drifted. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_goes_is_named_where_nobody_knows_what_it_cost() {
    let sim = Sim::new();
    let both = with("[instance.\"acme/db\"]\noffer = \"flex\"");
    sim.settle(&both).await;
    let other = VPS.replace("acme/web", "acme/shop");
    assert_snapshot!(told(&sim.plan(&other).await), @"
    ~ instance.acme/db    ams       no longer declared
    + instance.acme/shop  ams       new  id 20002  on n3  10.100.0.4  EUR +0.012300/h
    ~ instance.acme/web   ams       no longer declared
    ? instance.acme/db    ams       no longer declared; its data is kept for 7d
    ? instance.acme/web   ams       no longer declared; its data is kept for 7d
    1 to add, 2 to change, 2 to keep. Run-rate EUR 0.00 → 8.27 a month, without the 2 instances that go. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_goes_or_becomes_something_else_costs_what_was_asked_for_before() {
    let sim = Sim::new();
    let both = with("[instance.\"acme/db\"]\noffer = \"flex\"");
    sim.settle(&both).await;
    let other = VPS.replace("offer = \"flex\"\ncpu = 2", "offer = \"dollars\"");
    let mut wishes = sim.wishes(&other);
    wishes.before = Before::Other(sim.wishes(&both).specs);
    assert_snapshot!(told(&sim.plan_for(&wishes).await), @"
    ~ instance.acme/db   ams       no longer declared  EUR -0.007800/h
    ~ instance.acme/web  ams       cpu changed  needs a reboot  USD +0.014900/h
    ? instance.acme/db   ams       no longer declared; its data is kept for 7d
    2 to change, 1 to keep. Run-rate EUR 13.51 → 0.00, USD 0.00 → 9.99 a month. No data is destroyed.
    ");
}

#[tokio::test]
async fn what_is_free_is_not_spoken_of() {
    let sim = Sim::new();
    let free = VPS.replace("offer = \"flex\"\ncpu = 2", "offer = \"free\"");
    assert_snapshot!(told(&sim.plan(&free).await), @"
    + instance.acme/web                         ams       new  id 20000  on n1  10.100.0.2
    6 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn programs_and_pull_requests_read_the_same() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let plan = sim.plan(&VPS.replace("cpu = 2\n", "cpu = 4\n")).await;
    let view = View::of(&plan, Purpose::Plan);
    let document: serde_json::Value = serde_json::from_str(&json(&view)).unwrap();
    assert_snapshot!(document["lines"][0]["price"], @r#"{"currency":"EUR","hourly":"0.009000"}"#);
    assert_snapshot!(document["summary"]["run_rate"], @r#"[{"after":"14.313600","before":"8.265600","currency":"EUR"}]"#);
    let schema = jsonschema::validator_for(&json_schema()).unwrap();
    assert!(schema.is_valid(&document), "{document}");
    let report = markdown(&view);
    let money: Vec<_> = report.lines().filter(|line| line.contains("EUR")).collect();
    assert_snapshot!(money.join("\n"), @"
    **1 to change. Run-rate EUR 8.27 → 14.31 a month. No data is destroyed.**
    | `~` | `instance.acme/web` | cpu changed, needs a reboot, EUR `+0.009000/h`<br>`cpu`: `2` → `4` |
    ");
}
