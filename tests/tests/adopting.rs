//! Planning scenarios of what clusters and firewalls held before: spec text in, rendered plan out.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::collections::BTreeSet;

use insta::assert_snapshot;
use lessor_plans::{
    AliasBody, Body, CloudInit, ForwardBody, GuestBody, GuestNetwork, InterfaceBody, MadeFrom,
    RuleBody, VlanBody,
};
use lessor_specs::ByteSize;
use lessor_specs::kinds::{Direction, RuleAction, RuleProtocol};
use lessor_tests::{Sim, rendered};

const FIREWALL: &str = r#"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
[vlan.mgmt]
id = 20
parent = "igb1"
subnet = "10.20.0.0/24"
adopted = "igb1.20"
[alias.office]
addresses = ["192.0.2.0/28"]
adopted = "OFFICE"
[firewall_rule.office-in]
interface = "wan"
protocol = "tcp"
source = "alias.office"
destination = "vlan.mgmt"
ports = ["22"]
action = "pass"
adopted = "1700000001"
[port_forward.bastion]
port = 2201
target = "10.20.0.9"
target_port = 22
source = "alias.office"
adopted = "wan.2201"
"#;

/// What somebody made, and what the entries mean by `adopted`.
fn by_hand() -> Vec<Body> {
    let interface = InterfaceBody {
        title: "mgmt".into(),
        address: "10.20.0.1".parse().unwrap(),
        prefix: 24,
        enabled: true,
        dhcp: None,
    };
    let vlan = VlanBody {
        name: "igb1.20".into(),
        parent: "igb1".into(),
        tag: 20,
        interface: Some(interface),
    };
    let addresses = ["192.0.2.0/28", "198.51.100.0/24"].map(|text| text.parse().unwrap());
    let rule = RuleBody {
        name: "1700000001".into(),
        interface: "wan".into(),
        direction: Direction::In,
        protocol: RuleProtocol::Tcp,
        source: "OFFICE".into(),
        destination: "igb1.20".into(),
        ports: vec!["22".parse().unwrap()],
        action: RuleAction::Pass,
        log: true,
        enabled: true,
        after: None,
    };
    let forward = ForwardBody {
        name: String::new(),
        interface: "wan".into(),
        protocol: RuleProtocol::Tcp,
        source: "OFFICE".into(),
        port: 2201,
        target: "10.20.0.9".parse().unwrap(),
        target_port: 22,
        enabled: true,
    };
    let alias = AliasBody { name: "OFFICE".into(), addresses: addresses.into() };
    vec![Body::Vlan(vlan), Body::Alias(alias), Body::Rule(rule), Body::Forward(forward)]
}

fn without_the_lines(specs: &str) -> String {
    let lines = specs.lines().filter(|line| !line.starts_with("adopted"));
    lines.collect::<Vec<_>>().join("\n")
}

fn firewall() -> Sim {
    let sim = Sim::new();
    sim.hardware("pfsense.edge").edit(|inside| inside.by_hand = by_hand());
    sim
}

#[tokio::test]
async fn what_a_firewall_held_before_gets_our_mark_and_becomes_what_its_entry_says() {
    let sim = firewall();
    let plan = sim.plan(FIREWALL).await;
    assert_snapshot!(rendered(&plan), @"
    ~ alias.office             edge      adopted, gets our mark; addresses changed
          addresses: [192.0.2.0/28, 198.51.100.0/24] → [192.0.2.0/28]
    ~ firewall_rule.office-in  edge      adopted, gets our mark; log changed
          log: true → (none)
    ~ port_forward.bastion     edge      adopted, gets our mark
    ~ vlan.mgmt                edge      adopted, gets our mark
    4 to change. No data is destroyed.
    ");

    assert!(sim.apply(FIREWALL).await.is_complete());

    assert!(sim.hardware("pfsense.edge").inside().by_hand.is_empty());
    assert_snapshot!(rendered(&sim.plan(FIREWALL).await), @r#"
    ? alias.office                       carries our mark by now, so that `adopted` says nothing any more
          hint: remove the line `adopted = "OFFICE"` from its entry
    ? firewall_rule.office-in            carries our mark by now, so that `adopted` says nothing any more
          hint: remove the line `adopted = "1700000001"` from its entry
    ? port_forward.bastion               carries our mark by now, so that `adopted` says nothing any more
          hint: remove the line `adopted = "wan.2201"` from its entry
    ? vlan.mgmt                          carries our mark by now, so that `adopted` says nothing any more
          hint: remove the line `adopted = "igb1.20"` from its entry
    In sync: 4 things are as declared; 4 notes.
    "#);
}

#[tokio::test]
async fn without_the_line_it_keeps_its_name_and_without_its_entry_it_is_removed() {
    let sim = firewall();
    assert!(sim.apply(FIREWALL).await.is_complete());
    let plain = without_the_lines(FIREWALL);
    assert_snapshot!(rendered(&sim.plan(&plain).await), @"In sync: 4 things are as declared.");

    let gone = plain.split("[alias.office]").next().unwrap();
    assert_snapshot!(rendered(&sim.plan(gone).await), @"
    - alias.office             edge      no longer declared
    - firewall_rule.office-in  edge      no longer declared
    - port_forward.bastion     edge      no longer declared
    3 to remove. No data is destroyed.
    ");
    assert!(sim.held(gone).await.is_err(), "three removals");
}

#[tokio::test]
async fn what_is_not_there_is_made_as_its_entry_says() {
    let sim = Sim::new();
    assert_snapshot!(rendered(&sim.plan(FIREWALL).await), @"
    + alias.office             edge      new  192.0.2.0/28
    + firewall_rule.office-in  edge      new  pass OFFICE → igb1.20 22
    + port_forward.bastion     edge      new  wan port 2201 → 10.20.0.9:22
    + vlan.mgmt                edge      new  tag 20  subnet 10.20.0.0/24
    ? alias.office                       adopts alias `OFFICE`, which is not there; the new one carries our mark
    ? firewall_rule.office-in            adopts rule `1700000001`, which is not there; the new one carries our mark
    ? port_forward.bastion               adopts port forward `wan.2201`, which is not there; the new one carries our mark
    ? vlan.mgmt                          adopts vlan `igb1.20`, which is not there; the new one carries our mark
    4 to add, 4 notes. No data is destroyed.
    ");
    sim.settle(FIREWALL).await;
}

#[tokio::test]
async fn a_renamed_alias_keeps_its_name_and_so_do_ports_and_tunnels() {
    const BEFORE: &str = r#"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
[alias.office]
addresses = ["192.0.2.0/28"]
[firewall_rule.in]
interface = "wan"
source = "alias.office"
action = "pass"
[port_forward.bastion]
port = 2201
target = "10.20.0.9"
source = "alias.office"
[vpn.staff]
port = 51820
subnet = "10.9.0.0/24"
private_key = "secret://env/KEY"
"#;
    let sim = Sim::new();
    sim.settle(BEFORE).await;
    let moved =
        |old: &str, new: &str| (format!("[{old}]\n"), format!("[{new}]\nmoved = [\"{old}\"]\n"));
    let renamed = [
        ("source = \"alias.office\"".to_owned(), "source = \"alias.bureau\"".to_owned()),
        moved("alias.office", "alias.bureau"),
        moved("port_forward.bastion", "port_forward.jump"),
        moved("vpn.staff", "vpn.team"),
    ];
    let renamed = renamed.iter().fold(BEFORE.to_owned(), |text, (old, new)| text.replace(old, new));
    assert_snapshot!(rendered(&sim.plan(&renamed).await), @"In sync: 4 things are as declared.");
}

const MACHINE: &str = r#"
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE"
nodes = ["n1", "n2"]
storage = "ceph"
vmid_range = "20000-20009"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
[vlan_range.customers]
ids = "2100-2109"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/24"
per_tenant_prefix = 28
[image.debian.vm]
template = { ams = 9001 }
cloud_init = true
[offer.flex]
images = ["debian"]
price = {}
[offer.flex.vm]
cpu = { min = 1, max = 16, step = 1 }
memory = { min = "1GiB", max = "64GiB", step = "1GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[tenant.acme]
[instance."acme/shop"]
offer = "flex"
cpu = 4
disk = "40GiB"
adopted = "120"
"#;

fn cluster() -> Sim {
    let sim = Sim::new();
    let guest = GuestBody {
        name: "120".into(),
        node: "n2".into(),
        lxc: false,
        hostname: "old-shop".into(),
        made_from: MadeFrom { image: String::new(), template: None, storage: None },
        pool: String::new(),
        tags: BTreeSet::new(),
        cpu: 4,
        memory: ByteSize::from_bytes(1 << 30),
        disk: ByteSize::from_bytes(40 << 30),
        network: GuestNetwork {
            mac: "BC:24:11:00:00:01".into(),
            bridge: "vmbr0".into(),
            tag: None,
            dhcp: false,
        },
        cloud_init: Some(CloudInit {
            address: "192.168.1.20".parse().unwrap(),
            prefix: 24,
            gateway: "192.168.1.1".parse().unwrap(),
            user: None,
            keys: BTreeSet::new(),
        }),
        firewall: None,
        on_boot: true,
        running: true,
        waiting: BTreeSet::new(),
        kept_until: None,
    };
    sim.hardware("proxmox.ams").edit(|inside| inside.by_hand.push(Body::Guest(guest.into())));
    sim
}

#[tokio::test]
async fn a_machine_that_was_there_keeps_its_id_its_node_and_its_card() {
    let sim = cluster();
    let plan = sim.plan(MACHINE).await;
    let own = rendered(&plan);
    let own = own.lines().skip_while(|line| !line.starts_with("~ instance"));
    let own = own.take_while(|line| !line.starts_with('+')).collect::<Vec<_>>().join("\n");
    assert_snapshot!(own, @"
    ~ instance.acme/shop                        ams       adopted, gets our mark; cloud_init.address, cloud_init.gateway, cloud_init.prefix and 5 more changed  needs a reboot
          cloud_init.address: 192.168.1.20 → 10.100.0.2
          cloud_init.gateway: 192.168.1.1 → 10.100.0.1
          cloud_init.prefix: 24 → 28
          hostname: old-shop → shop.acme
          network.bridge: vmbr0 → vmbr1
          network.tag: (none) → 2100
          pool:  → acme
          tags: (none) → [lessor]
    ");

    assert!(sim.apply(MACHINE).await.is_complete());

    let bare = without_the_lines(MACHINE);
    assert_snapshot!(rendered(&sim.plan(&bare).await), @"In sync: 6 things are as declared.");
    let gone = bare.split("[instance.").next().unwrap();
    let gone = rendered(&sim.plan(gone).await);
    let kept = gone.lines().filter(|line| line.contains("instance.acme/shop  "));
    assert_snapshot!(kept.collect::<Vec<_>>().join("\n"), @"
    ~ instance.acme/shop                        ams       no longer declared
    ? instance.acme/shop                        ams       no longer declared; its data is kept for 7d
    ");
}

#[tokio::test]
async fn a_disk_that_is_larger_than_what_is_asked_for_is_no_reason_to_lose_it() {
    let plan = cluster().plan(&MACHINE.replace("disk = \"40GiB\"", "disk = \"20GiB\"")).await;
    let problems: Vec<_> = plan.fatal().map(|note| note.text.clone()).collect();
    assert_eq!(problems, ["its disk is 40GiB, and 20GiB are asked for"]);
}
