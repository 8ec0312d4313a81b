//! Planning scenarios of virtual machines: spec text in, rendered plan out.

use insta::assert_snapshot;
use lessor_plans::{Body, Node};
use lessor_tests::hardware::template;
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
[address_pool.v4]
pfsense = "edge"
cidr = "203.0.113.0/29"
interface = "wan"
reserved = ["203.0.113.0", "203.0.113.1"]
[firewall_template.web]
protocol = "tcp"
ports = ["80", "443"]
action = "pass"
[image.ubuntu.vm]
template = { ams = 9001 }
cloud_init = true
[offer.flex]
images = ["ubuntu"]
firewall = ["web"]
price = {}
[offer.flex.vm]
cpu = { min = 1, max = 16, step = 1 }
memory = { min = "1GiB", max = "64GiB", step = "1GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[tenant.acme]
[tenant.globex]
[instance."acme/web"]
offer = "flex"
cpu = 2
"#;

fn with(entry: &str) -> String {
    format!("{VPS}{entry}\n")
}

#[tokio::test]
async fn the_first_machine_of_a_tenant_brings_its_network_along() {
    let sim = Sim::new();
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    + address_pool.v4/acme/web                  edge      new  203.0.113.2 → 10.100.0.2
    + alias.acme/web                            edge      new  10.100.0.2/32
    + firewall_rule.acme/web/web                edge      new  pass any → acme_web 80, 443
    + firewall_rule.vlan_range/customers/acme/firewall  edge      new  reject igb1.2100 → (self)
    + firewall_rule.vlan_range/customers/acme/others  edge      new  reject igb1.2100 → 10.100.0.0/24
    + firewall_rule.vlan_range/customers/acme/world  edge      new  pass igb1.2100 → any
    + instance.acme/web                         ams       new  id 20000  on n1  10.100.0.2
    + proxmox.ams/acme                          ams       new
    + vlan_range.customers/acme                 edge      new  tag 2100  subnet 10.100.0.0/28
    9 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn steps_come_in_an_order_in_which_nobody_is_reachable_too_early() {
    let sim = Sim::new();
    let plan = sim.plan(VPS).await;
    let order: Vec<_> =
        plan.steps.iter().map(|step| plan.changes[step.change].address.to_string()).collect();
    assert_snapshot!(order.join("\n"), @"
    alias.acme/web
    proxmox.ams/acme
    vlan_range.customers/acme
    address_pool.v4/acme/web
    firewall_rule.acme/web/web
    firewall_rule.vlan_range/customers/acme/others
    firewall_rule.vlan_range/customers/acme/firewall
    firewall_rule.vlan_range/customers/acme/world
    instance.acme/web
    ");
}

#[tokio::test]
async fn what_was_applied_needs_nothing() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"In sync: 9 things are as declared.");
}

#[tokio::test]
async fn a_second_machine_and_a_second_tenant_get_the_next_of_everything() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let more = with(
        "[instance.\"acme/db\"]\noffer = \"flex\"\n[instance.\"globex/web\"]\noffer = \"flex\"",
    );
    assert_snapshot!(rendered(&sim.plan(&more).await), @"
    + address_pool.v4/acme/db                   edge      new  203.0.113.3 → 10.100.0.3
    + address_pool.v4/globex/web                edge      new  203.0.113.4 → 10.100.0.18
    + alias.acme/db                             edge      new  10.100.0.3/32
    + alias.globex/web                          edge      new  10.100.0.18/32
    + firewall_rule.acme/db/web                 edge      new  pass any → acme_db 80, 443
    + firewall_rule.globex/web/web              edge      new  pass any → globex_web 80, 443
    + firewall_rule.vlan_range/customers/globex/firewall  edge      new  reject igb1.2101 → (self)
    + firewall_rule.vlan_range/customers/globex/others  edge      new  reject igb1.2101 → 10.100.0.0/24
    + firewall_rule.vlan_range/customers/globex/world  edge      new  pass igb1.2101 → any
    + instance.acme/db                          ams       new  id 20001  on n2  10.100.0.3
    + instance.globex/web                       ams       new  id 20002  on n3  10.100.0.18
    + proxmox.ams/globex                        ams       new
    + vlan_range.customers/globex               edge      new  tag 2101  subnet 10.100.0.16/28
    13 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn more_cores_need_a_reboot_and_a_larger_disk_does_not() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let larger = VPS.replace("cpu = 2\n", "cpu = 4\ndisk = \"20GiB\"\n");
    assert_snapshot!(rendered(&sim.plan(&larger).await), @"
    ~ instance.acme/web  ams       cpu and disk changed  needs a reboot
          cpu: 2 → 4
          disk: 10GiB → 20GiB
    1 to change. No data is destroyed.
    ");
    sim.settle(&larger).await;
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ? instance.acme/web            cannot be done[E1011]: its disk is 20GiB, and 10GiB are asked for
          hint: ask for 20GiB or more
    Nothing differs beside what is wrong; 1 problem.
    ");
}

#[tokio::test]
async fn another_image_makes_another_machine_and_is_held_for_its_data() {
    let sim = Sim::new();
    let two = VPS.replace("images = [\"ubuntu\"]", "images = [\"ubuntu\", \"debian\"]")
        + "image = \"ubuntu\"\n[image.debian.vm]\ntemplate = { ams = 9001 }\n";
    sim.settle(&two).await;
    let other = two.replace("image = \"ubuntu\"", "image = \"debian\"");
    assert_snapshot!(rendered(&sim.plan(&other).await), @"
    ± instance.acme/web              ams       cloud_init.address, cloud_init.gateway, cloud_init.prefix and 1 more changed, replaced  its data is destroyed
          cloud_init.address: 10.100.0.2 → (none)
          cloud_init.gateway: 10.100.0.1 → (none)
          cloud_init.prefix: 28 → (none)
          made_from.image: ubuntu → debian
    ~ vlan_range.customers/acme      edge      interface.dhcp.first and interface.dhcp.last changed
          interface.dhcp.first: (none) → 10.100.0.14
          interface.dhcp.last: (none) → 10.100.0.14
    + vlan_range.customers/acme/web  edge      new  02:e5:1d:27:56:f8 → 10.100.0.2
    1 to add, 1 to change, 1 to replace. Data is destroyed.
    ");
    let held = sim.held(&other).await.unwrap_err();
    assert_snapshot!(held.rules[0].why, @"the plan destroys the data of `instance.acme/web`");
}

#[tokio::test]
async fn a_machine_nobody_declares_is_stopped_and_kept_with_its_network() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let gone = VPS.split("[instance.").next().unwrap();
    assert_snapshot!(rendered(&sim.plan(gone).await), @"
    - address_pool.v4/acme/web                  edge      no longer declared
    - alias.acme/web                            edge      no longer declared
    - firewall_rule.acme/web/web                edge      no longer declared
    - firewall_rule.vlan_range/customers/acme/firewall  edge      no longer declared
    - firewall_rule.vlan_range/customers/acme/others  edge      no longer declared
    - firewall_rule.vlan_range/customers/acme/world  edge      no longer declared
    ~ instance.acme/web                         ams       no longer declared
          on_boot: true → false
          running: true → false
    ? instance.acme/web                         ams       no longer declared; its data is kept for 7d
    ? proxmox.ams/acme                                    no longer declared; `instance.acme/web` is kept and still on it
    ? vlan_range.customers/acme                           no longer declared; `instance.acme/web` is kept and still on it
    1 to change, 6 to remove, 1 to keep, 2 notes. No data is destroyed.
    ");
    sim.apply(gone).await;
    assert_snapshot!(rendered(&sim.plan(gone).await), @"
    ? instance.acme/web                    no longer declared; its data is kept until 2026-11-28T12:00:00Z
          hint: declare it again to take it back, or `lessor apply --destroy-data instance.acme/web` to end it now
    ? proxmox.ams/acme                     no longer declared; `instance.acme/web` is kept and still on it
    ? vlan_range.customers/acme            no longer declared; `instance.acme/web` is kept and still on it
    In sync: 2 things are as declared; 3 notes.
    ");
    let back = rendered(&sim.plan(VPS).await);
    let own = back.lines().skip_while(|line| !line.starts_with("~ instance")).take(4);
    assert_snapshot!(own.collect::<Vec<_>>().join("\n"), @"
    ~ instance.acme/web                         ams       kept_until, on_boot and running changed
          kept_until: 2026-11-28T12:00:00Z → (none)
          on_boot: false → true
          running: false → true
    ");
    sim.settle(VPS).await;
}

#[tokio::test]
async fn a_machine_that_is_kept_says_until_when_and_is_never_gone_sooner() {
    let mut sim = Sim::new();
    sim.settle(VPS).await;
    let gone = VPS.split("[instance.").next().unwrap().to_owned();
    let kept_until =
        |sim: &Sim| match sim.hardware("proxmox.ams").inside().body("instance.acme/web") {
            Body::Guest(guest) => guest.kept_until.map(|until| until.to_string()),
            other => panic!("{other:?}"),
        };
    sim.apply(&gone).await;
    assert_eq!(kept_until(&sim).as_deref(), Some("2026-11-28T12:00:00Z"));

    // What was remembered is lost, and the policy is another by now.
    sim.now += jiff::SignedDuration::from_hours(24);
    let soon = gone.clone() + "[policy.retention]\nkeep = \"1h\"\n";
    sim.memory.edit(|rows| rows.kept.clear());
    assert_snapshot!(rendered(&sim.plan(&soon).await), @"
    ~ instance.acme/web          ams       no longer declared
    ? instance.acme/web          ams       no longer declared; its data is kept for 1h, and until 2026-11-28T12:00:00Z in any case
    ? proxmox.ams/acme                     no longer declared; `instance.acme/web` is kept and still on it
    ? vlan_range.customers/acme            no longer declared; `instance.acme/web` is kept and still on it
    1 to change, 1 to keep, 2 notes. No data is destroyed.
    ");
    assert!(sim.held(&soon).await.is_ok(), "it was agreed to once");
    sim.apply(&soon).await;
    assert_eq!(kept_until(&sim).as_deref(), Some("2026-11-28T12:00:00Z"));

    sim.memory.edit(|rows| rows.kept.clear());
    sim.settle(&gone).await;
    assert_eq!(kept_until(&sim).as_deref(), Some("2026-11-29T12:00:00Z"), "it starts again");
}

#[tokio::test]
async fn a_date_that_somebody_took_away_is_written_again() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let gone = VPS.split("[instance.").next().unwrap();
    sim.apply(gone).await;
    sim.hardware("proxmox.ams").edit(|inside| {
        inside.body("instance.acme/web").guest_mut().unwrap().kept_until = None;
    });
    let plan = rendered(&sim.plan(gone).await);
    assert_snapshot!(plan.lines().take(2).collect::<Vec<_>>().join("\n"), @"
    ~ instance.acme/web          ams       no longer declared
          kept_until: (none) → 2026-11-28T12:00:00Z
    ");
    sim.settle(gone).await;
}

#[tokio::test]
async fn when_its_time_is_over_a_machine_goes_and_then_its_network() {
    let mut sim = Sim::new();
    sim.settle(VPS).await;
    let gone = VPS.split("[instance.").next().unwrap().to_owned()
        + "[policy.retention]\ndestroy = \"auto\"\n";
    sim.apply(&gone).await;
    sim.now += jiff::SignedDuration::from_hours(24 * 8);
    assert_snapshot!(rendered(&sim.plan(&gone).await), @"
    - instance.acme/web          ams       its data was kept until 2026-11-28T12:00:00Z  its data is destroyed
    - proxmox.ams/acme           ams       no longer declared
    - vlan_range.customers/acme  edge      no longer declared
    3 to remove. Data is destroyed.
    ");
    let plan = sim.plan(&gone).await;
    let order: Vec<_> =
        plan.steps.iter().map(|step| plan.changes[step.change].address.to_string()).collect();
    assert_snapshot!(order.join("\n"), @"
    instance.acme/web
    proxmox.ams/acme
    vlan_range.customers/acme
    ");
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_set_back() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("proxmox.ams").edit(|inside| {
        inside.body("instance.acme/web").guest_mut().unwrap().network.tag = Some(1);
    });
    sim.hardware("pfsense.edge").edit(|inside| {
        let Body::Rule(rule) = inside.body("firewall_rule.acme/web/web") else { return };
        rule.enabled = false;
    });
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ! firewall_rule.acme/web/web  edge      enabled changed outside, will be set back
          enabled: false → true
    ! instance.acme/web           ams       network.tag changed outside, will be set back
          network.tag: 1 → 2100
    2 drifted. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_rule_moved_by_hand_goes_back_and_the_others_stay() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("pfsense.edge").edit(|inside| {
        let is_world =
            |(birth, _): &(lessor_specs::Address, Body)| birth.name().ends_with("/world");
        let world = inside.things.iter().position(is_world).unwrap();
        let world = inside.things.remove(world);
        inside.things.insert(0, world);
    });
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ! firewall_rule.vlan_range/customers/acme/world  edge      after changed outside, will be set back
          after:  → 200000001
    1 drifted. No data is destroyed.
    ");
    sim.settle(VPS).await;
}

#[tokio::test]
async fn a_silent_firewall_holds_back_what_needs_it_and_nothing_else() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("pfsense.edge").edit(|inside| inside.silent = Some("no answer".into()));
    let more =
        VPS.replace("cpu = 2\n", "cpu = 4\n") + "[instance.\"globex/web\"]\noffer = \"flex\"\n";
    assert_snapshot!(rendered(&sim.plan(&more).await), @"
    ~ instance.acme/web    ams       cpu changed  needs a reboot
          cpu: 2 → 4
    + proxmox.ams/globex   ams       new
    ? instance.globex/web            waits for `address_pool.v4/globex/web`, of which nobody can tell whether it is there
    ? pfsense.edge  could not see anything: no answer
    1 to add, 1 to change, 1 note. 1 place could not be seen. No data is destroyed.
    ");
    let gone = VPS.split("[instance.").next().unwrap();
    assert_snapshot!(rendered(&sim.plan(gone).await), @"
    ? removals            nothing is removed while something cannot be seen; 2 things wait
    ? pfsense.edge  could not see anything: no answer
    Nothing differs in what could be seen; 1 note. 1 place could not be seen.
    ");
}

#[tokio::test]
async fn a_silent_cluster_places_nothing_and_removes_nothing() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("proxmox.ams").edit(|inside| inside.silent = Some("no answer".into()));
    let more = with("[instance.\"globex/web\"]\noffer = \"flex\"");
    assert_snapshot!(rendered(&sim.plan(&more).await), @"
    ? proxmox.ams  could not see anything: no answer
    Nothing differs in what could be seen. 1 place could not be seen.
    ");
}

#[tokio::test]
async fn ids_tags_and_addresses_that_strangers_have_are_passed_over() {
    let sim = Sim::new();
    sim.hardware("proxmox.ams").edit(|inside| inside.strange("guest", "20000"));
    sim.hardware("pfsense.edge").edit(|inside| {
        inside.strange("vlan", "igb1.2100");
        inside.strange("address", "203.0.113.2");
        inside.strange("rule", "200000000");
    });
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    + address_pool.v4/acme/web                  edge      new  203.0.113.3 → 10.100.0.2
    + alias.acme/web                            edge      new  10.100.0.2/32
    + firewall_rule.acme/web/web                edge      new  pass any → acme_web 80, 443
    + firewall_rule.vlan_range/customers/acme/firewall  edge      new  reject igb1.2101 → (self)
    + firewall_rule.vlan_range/customers/acme/others  edge      new  reject igb1.2101 → 10.100.0.0/24
    + firewall_rule.vlan_range/customers/acme/world  edge      new  pass igb1.2101 → any
    + instance.acme/web                         ams       new  id 20001  on n1  10.100.0.2
    + proxmox.ams/acme                          ams       new
    + vlan_range.customers/acme                 edge      new  tag 2101  subnet 10.100.0.0/28
    9 to add. No data is destroyed.
    ");
}

#[tokio::test]
async fn machines_spread_over_nodes_or_fill_them_one_by_one() {
    let sim = Sim::new();
    let entry = |n| format!("[instance.\"globex/n{n}\"]\noffer = \"flex\"\nmemory = \"24GiB\"\n");
    let many = [1, 2, 3, 4].map(entry).concat();
    let nodes = |plan: &lessor_plans::Plan| {
        let guests = plan.changes.iter().filter_map(|change| match &change.after {
            Some(Body::Guest(guest)) => Some(format!("{} {}", change.address, guest.node)),
            _ => None,
        });
        guests.collect::<Vec<_>>().join("\n")
    };
    let spread = nodes(&sim.plan(&with(&many)).await);
    let packed = with(&many)
        .replace("[pfsense.edge]", "[proxmox.ams.placement]\nstrategy = \"pack\"\n[pfsense.edge]");
    let packed = nodes(&sim.plan(&packed).await);
    assert_snapshot!(format!("spread\n{spread}\npack\n{packed}"), @"
    spread
    instance.acme/web n1
    instance.globex/n1 n2
    instance.globex/n2 n3
    instance.globex/n3 n1
    instance.globex/n4 n2
    pack
    instance.acme/web n1
    instance.globex/n1 n1
    instance.globex/n2 n1
    instance.globex/n3 n2
    instance.globex/n4 n2
    ");
}

#[tokio::test]
async fn a_node_that_is_full_offline_or_kept_free_gets_nobody() {
    let sim = Sim::new();
    sim.hardware("proxmox.ams").edit(|inside| {
        inside.nodes[0].online = false;
        let Node { memory, strange_memory, .. } = &mut inside.nodes[1];
        *strange_memory = *memory;
    });
    let closed = VPS.replace("nodes = [", "cordoned = [\"n3\"]\nnodes = [");
    assert_snapshot!(rendered(&sim.plan(&closed).await), @"
    ? instance.acme/web            cannot be done[E1002]: no node of `proxmox.ams` has room for it
          hint: make room, or remove the entry
    Nothing differs beside what is wrong; 1 problem.
    ");
}

#[tokio::test]
async fn a_template_on_one_node_alone_is_copied_there_or_not_at_all() {
    let sim = Sim::new();
    let cluster = sim.hardware("proxmox.ams");
    cluster.edit(|inside| drop(inside.templates.insert(9001, template("n2", false, false))));
    let plan = sim.plan(VPS).await;
    let guest = plan.changes.iter().find_map(|change| match &change.after {
        Some(Body::Guest(guest)) => Some(guest.node.clone()),
        _ => None,
    });
    assert_eq!(guest.as_deref(), Some("n2"));
    cluster.edit(|inside| inside.nodes[1].online = false);
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ? instance.acme/web            cannot be done[E1002]: no node of `proxmox.ams` has room for it (its template is on node `n2` alone)
          hint: make room, or remove the entry
    Nothing differs beside what is wrong; 1 problem.
    ");
    cluster.edit(|inside| inside.templates.clear());
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ? instance.acme/web            cannot be done[E1012]: `proxmox.ams` has no template 9001
          hint: make room, or remove the entry
    Nothing differs beside what is wrong; 1 problem.
    ");
}

#[tokio::test]
async fn without_a_memory_everything_is_found_by_its_marks() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.memory.edit(|rows| *rows = lessor_tests::Memories::default());
    assert!(sim.plan(VPS).await.is_empty());
}

#[tokio::test]
async fn a_range_that_is_used_up_is_said_of_the_machine_that_gets_nothing() {
    let sim = Sim::new();
    let narrow = VPS.replace("20000-20009", "20000-20000");
    let two = format!("{narrow}[instance.\"acme/db\"]\noffer = \"flex\"\n");
    assert_snapshot!(problems(&sim.plan(&two).await), @"? instance.acme/web                                   cannot be done[E1010]: `proxmox.ams` has no id left to give");
    let narrow = VPS.replace("2100-2109", "2100-2100");
    sim.hardware("pfsense.edge").edit(|inside| inside.strange("vlan", "igb1.2100"));
    assert_snapshot!(problems(&sim.plan(&narrow).await), @"? instance.acme/web            cannot be done[E1010]: `vlan_range.customers` has no tag left");
}

/// What keeps a plan from being applied.
fn problems(plan: &lessor_plans::Plan) -> String {
    rendered(plan).lines().filter(|line| line.contains("cannot be done")).collect()
}

#[tokio::test]
async fn what_a_tenant_has_on_one_cluster_does_not_stay_for_a_machine_on_another() {
    let second = VPS
        .split_once("[address_pool.v4]")
        .unwrap()
        .0
        .replace("ams1", "fra1")
        .replace("proxmox.ams", "proxmox.fra")
        .replace("pfsense.edge", "pfsense.out")
        .replace("customers", "abroad")
        .replace("proxmox = \"ams\"", "proxmox = \"fra\"")
        .replace("pfsense = \"edge\"", "pfsense = \"out\"");
    let first = VPS.replace("template = { ams = 9001 }", "template = { ams = 9001, fra = 9001 }");
    let first = first.replace("cpu = 2\n", "cpu = 2\nlocation = \"ams1\"\n") + &second;
    let both = format!("{first}[instance.\"acme/old\"]\noffer = \"flex\"\nlocation = \"fra1\"\n");
    let sim = Sim::new();
    sim.settle(&both).await;
    let mut wishes = sim.wishes(&first);
    wishes.destroy_data = ["instance.acme/old".parse().unwrap()].into();
    let plan = rendered(&sim.plan_for(&wishes).await);
    let gone: Vec<_> = plan.lines().filter(|line| line.starts_with('-')).collect();
    assert_snapshot!(gone.join("\n"), @"
    - alias.acme/old                            out       no longer declared
    - firewall_rule.acme/old/web                out       no longer declared
    - firewall_rule.vlan_range/abroad/acme/firewall  out       no longer declared
    - firewall_rule.vlan_range/abroad/acme/others  out       no longer declared
    - firewall_rule.vlan_range/abroad/acme/world  out       no longer declared
    - instance.acme/old                         fra       its data is given up  its data is destroyed
    - proxmox.fra/acme                          fra       no longer declared
    - vlan_range.abroad/acme                    out       no longer declared
    ");
    assert!(!plan.contains("kept"), "{plan}");
}

#[tokio::test]
async fn another_card_and_what_waits_for_a_restart_are_found() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("proxmox.ams").edit(|inside| {
        let guest = inside.body("instance.acme/web").guest_mut().unwrap();
        guest.network.mac = "02:00:00:00:00:09".into();
        guest.waiting.insert("cores".into());
    });
    assert_snapshot!(rendered(&sim.plan(VPS).await), @"
    ! instance.acme/web  ams       network.mac and waiting changed outside, will be set back
          network.mac: 02:00:00:00:00:09 → 02:E5:1D:27:56:F8
          waiting: [cores] → (none)
    1 drifted. No data is destroyed.
    ");
    sim.settle(VPS).await;
}

#[tokio::test]
async fn a_machine_whose_mark_was_written_over_is_said_to_be_there() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    sim.hardware("proxmox.ams").edit(|inside| {
        inside.things.retain(|(birth, _)| birth.to_string() != "instance.acme/web");
        inside.strange("guest", "20000");
    });
    assert_snapshot!(rendered(&sim.plan(VPS).await), @r#"
    + instance.acme/web  ams       new  id 20001  on n1  10.100.0.2
    ? instance.acme/web            guest `20000`, which it was, carries no mark of ours any more
          hint: write `adopted = "20000"` in its entry to take that one back
    1 to add, 1 note. No data is destroyed.
    "#);
}

#[tokio::test]
async fn who_comes_while_a_machine_is_kept_gets_another_network() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    let other = VPS.replace("[instance.\"acme/web\"]", "[instance.\"globex/web\"]");
    let plan = rendered(&sim.plan(&other).await);
    let vlans: Vec<_> =
        plan.lines().filter(|line| line.contains(" vlan_range.customers")).collect();
    assert_snapshot!(vlans.join("\n"), @"
    + vlan_range.customers/globex               edge      new  tag 2101  subnet 10.100.0.16/28
    ? vlan_range.customers/acme                           no longer declared; `instance.acme/web` is kept and still on it
    ");
    sim.settle(&other).await;
}

/// The same tenant, with a machine that nothing sets up.
fn asking() -> String {
    with("[image.raw.vm]\ntemplate = { ams = 9001 }\n[instance.\"acme/raw\"]\noffer = \"flex\"\nimage = \"raw\"")
        .replace("images = [\"ubuntu\"]", "images = [\"ubuntu\", \"raw\"]")
        .replace("cpu = 2\n", "cpu = 2\nimage = \"ubuntu\"\n")
}

#[tokio::test]
async fn a_machine_that_nothing_sets_up_is_told_its_address_on_the_vlan_of_its_tenant() {
    let sim = Sim::new();
    sim.settle(VPS).await;
    assert_snapshot!(rendered(&sim.plan(&asking()).await), @"
    + address_pool.v4/acme/raw       edge      new  203.0.113.3 → 10.100.0.3
    + alias.acme/raw                 edge      new  10.100.0.3/32
    + firewall_rule.acme/raw/web     edge      new  pass any → acme_raw 80, 443
    + instance.acme/raw              ams       new  id 20001  on n2
    ~ vlan_range.customers/acme      edge      interface.dhcp.first and interface.dhcp.last changed
          interface.dhcp.first: (none) → 10.100.0.14
          interface.dhcp.last: (none) → 10.100.0.14
    + vlan_range.customers/acme/raw  edge      new  02:76:d4:1b:54:26 → 10.100.0.3
    5 to add, 1 to change. No data is destroyed.
    ");
    let plan = sim.plan(&asking()).await;
    let order: Vec<_> =
        plan.steps.iter().map(|step| plan.changes[step.change].address.to_string()).collect();
    let at = |address: &str| order.iter().position(|step| step == address).unwrap();
    assert!(at("vlan_range.customers/acme") < at("vlan_range.customers/acme/raw"));
    assert!(at("vlan_range.customers/acme/raw") < at("instance.acme/raw"));
    sim.settle(&asking()).await;
    // Nothing is remembered any more: what is there says who has which address.
    let mut other = sim.clone();
    other.memory = lessor_tests::Remembered::default();
    assert_snapshot!(rendered(&other.plan(&asking()).await), @"In sync: 14 things are as declared.");
}

#[tokio::test]
async fn nobody_gets_the_address_that_is_kept_for_those_who_are_not_known() {
    let sim = Sim::new();
    let many = (0..13)
        .map(|n| format!("[instance.\"acme/n{n:02}\"]\noffer = \"flex\"\nimage = \"raw\"\n"));
    let many = asking() + &many.collect::<String>();
    let many = many.replace("cidr = \"203.0.113.0/29\"", "cidr = \"203.0.113.0/26\"");
    let many = many.replace("20000-20009", "20000-20099");
    let plan = sim.plan(&many).await;
    let notes: Vec<_> = plan.notes.iter().map(|note| note.text.clone()).collect();
    assert_snapshot!(notes.join("\n"), @"
    10.100.0.0/28 of `tenant.acme` has no address left
    10.100.0.0/28 of `tenant.acme` has no address left
    10.100.0.0/28 of `tenant.acme` has no address left
    ");
    let told = plan.changes.iter().filter_map(|change| match &change.after {
        Some(Body::Mapping(mapping)) => Some(mapping.address.to_string()),
        _ => None,
    });
    assert!(told.into_iter().all(|address| address != "10.100.0.14"));
}

#[tokio::test]
async fn the_last_machine_that_asks_leaves_the_server_of_its_vlan_as_it_is() {
    let sim = Sim::new();
    sim.settle(&asking()).await;
    let gone = asking().split("[instance.\"acme/raw\"]").next().unwrap().to_owned();
    assert_snapshot!(rendered(&sim.plan(&gone).await), @"
    - address_pool.v4/acme/raw       edge      no longer declared
    - alias.acme/raw                 edge      no longer declared
    - firewall_rule.acme/raw/web     edge      no longer declared
    ~ instance.acme/raw              ams       no longer declared
          on_boot: true → false
          running: true → false
    - vlan_range.customers/acme/raw  edge      no longer declared
    ? instance.acme/raw              ams       no longer declared; its data is kept for 7d
    1 to change, 4 to remove, 1 to keep. No data is destroyed.
    ");
    sim.hardware("pfsense.edge").edit(|inside| {
        let Body::Vlan(vlan) = inside.body("vlan_range.customers/acme") else { panic!() };
        let dhcp = vlan.interface.as_mut().unwrap().dhcp.as_mut().unwrap();
        (dhcp.first, dhcp.open) = ("10.100.0.9".parse().unwrap(), true);
    });
    assert_snapshot!(rendered(&sim.plan(&asking()).await), @"
    ! vlan_range.customers/acme  edge      interface.dhcp.first and interface.dhcp.open changed outside, will be set back
          interface.dhcp.first: 10.100.0.9 → 10.100.0.14
          interface.dhcp.open: true → (none)
    1 drifted. No data is destroyed.
    ");
}

#[tokio::test]
async fn a_container_can_ask_for_its_address_as_well() {
    let sim = Sim::new();
    let lxc = VPS.replace("cloud_init = true", "lxc = true\ndhcp = true");
    let lxc = lxc.replace("{ ams = 9001 }", "{ ams = 9002 }");
    let plan = sim.plan(&lxc).await;
    let guest = plan.changes.iter().find_map(|change| match &change.after {
        Some(Body::Guest(guest)) => Some(guest.clone()),
        _ => None,
    });
    let guest = guest.unwrap();
    assert!(guest.network.dhcp && guest.cloud_init.is_none());
    sim.settle(&lxc).await;
}

#[tokio::test]
async fn what_leaves_gets_another_source_as_declared() {
    let sim = Sim::new();
    let outbound = r#"
[vlan.mgmt]
id = 20
pfsense = "edge"
parent = "igb1"
subnet = "10.20.0.0/24"
[alias.office]
addresses = ["192.0.2.0/28"]
[outbound_nat.mgmt]
source = "vlan.mgmt"
[outbound_nat.office]
source = "alias.office"
destination = "198.51.100.7/32"
target = "192.0.2.200"
[outbound_nat.tenants]
source = "10.100.0.0/24"
target = "192.0.2.224/30"
"#;
    sim.settle(VPS).await;
    assert_snapshot!(rendered(&sim.plan(&with(outbound)).await), @"
    + alias.office          edge      new  192.0.2.0/28
    + outbound_nat.mgmt     edge      new  10.20.0.0/24 as wan
    + outbound_nat.office   edge      new  office as 192.0.2.200/32
    + outbound_nat.tenants  edge      new  10.100.0.0/24 as 192.0.2.224/30
    + vlan.mgmt             edge      new  tag 20  subnet 10.20.0.0/24
    5 to add. No data is destroyed.
    ");
    sim.settle(&with(outbound)).await;
    let other = outbound.replace("192.0.2.200", "192.0.2.201");
    assert_snapshot!(rendered(&sim.plan(&with(&other)).await), @"
    ~ outbound_nat.office  edge      target changed
          target: 192.0.2.200/32 → 192.0.2.201/32
    1 to change. No data is destroyed.
    ");
}
