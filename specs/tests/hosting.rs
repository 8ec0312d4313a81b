//! What people read when entries of hypervisors and firewalls do not fit together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeSet;

use insta::assert_snapshot;
use lessor_specs::load::parse;
use lessor_specs::{Kind, Tree, json_schema};
use serde_json::Value;

const AROUND: &str = r#"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF_KEY"
[proxmox.ams]
endpoint = "https://pve.example.net:8006"
token = "secret://env/PVE_TOKEN"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[vlan_range.customers]
ids = "2100-2999"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[image.ubuntu.vm]
template = { ams = 9001 }
cloud_init = true
[image.raw.vm]
template = { ams = 9002 }
[image.lxc.vm]
template = { ams = 9003 }
lxc = true
[image.web.container]
ref = "web:1"
[offer.flex]
images = ["ubuntu", "raw", "lxc"]
price = {}
[offer.flex.vm]
cpu = { min = 2, max = 8, step = 2 }
memory = { min = "2GiB", max = "16GiB", step = "2GiB" }
disk = { min = "10GiB", max = "100GiB", step = "10GiB" }
[offer.container]
images = ["web"]
price = {}
container = { cpu = "1", memory = "1GiB" }
[docker.par1]
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[tenant.acme]
"#;

/// What is said of `text` beside [`AROUND`]: each problem in two lines.
fn told(text: &str) -> String {
    let files = [("around.toml", AROUND), ("web.toml", text)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let Err(report) = parse(Tree::new(files.into())) else { return "valid".into() };
    let problems = report.entries().into_iter().map(|problem| {
        let hint = problem.hint.map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{} {}: {}{hint}", problem.code, problem.line.unwrap_or(0), problem.message)
    });
    problems.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_rule_names_is_told_from_what_nobody_knows() {
    assert_snapshot!(told(r#"[alias.office]
addresses = ["198.51.100.0/24"]
[vlan.mgmt]
id = 20
parent = "igb1"
subnet = "10.20.0.0/24"
[firewall_rule.good]
interface = "vlan.mgmt"
protocol = "tcp"
source = "alias.office"
destination = "(self)"
ports = ["22"]
action = "pass"
[firewall_rule.close]
interface = "vlan.mgnt"
source = "alias.ofice"
action = "pass"
[firewall_rule.wrong]
interface = "any"
source = "office.example.net"
destination = "self"
action = "pass"
[firewall_template.web]
source = "alias.office"
action = "pass"
[port_forward.web]
interface = "WAN"
source = "vlan.mgmt"
port = 80
target = "10.20.0.5"
[address_pool.v4]
pfsense = "edge"
cidr = "203.0.113.0/28"
interface = "vlan.mgmt"
"#), @"
    E0502 15: `firewall_rule.close` is about VLAN `mgnt`, which no spec defines
      hint: did you mean `mgmt`?
    E0502 16: `firewall_rule.close` is about alias `ofice`, which no spec defines
      hint: did you mean `office`?
    E0908 19: `firewall_rule.wrong` has `any` for its interface, which cannot be one
      hint: write an interface such as `wan` or a VLAN such as `vlan.mgmt`
    E0908 20: `firewall_rule.wrong` has `office.example.net` for its source, which cannot be one
      hint: write `any`, `(self)`, an address or a range such as `198.51.100.0/24`, an interface such as `wan`, a VLAN such as `vlan.mgmt` or an alias such as `alias.office`
    E0908 21: `firewall_rule.wrong` has `self` for its destination, which cannot be one
      hint: write `any`, `(self)`, an address or a range such as `198.51.100.0/24`, an interface such as `wan`, a VLAN such as `vlan.mgmt` or an alias such as `alias.office`
    E0908 24: `firewall_template.web` has `alias.office` for its source, which cannot be one
      hint: write `any` or an address or a range such as `198.51.100.0/24`
    E0908 27: `port_forward.web` has `WAN` for its interface, which cannot be one
      hint: write an interface such as `wan`
    E0908 28: `port_forward.web` has `vlan.mgmt` for its source, which cannot be one
      hint: write `any`, an address or a range such as `198.51.100.0/24`, an interface such as `wan` or an alias such as `alias.office`
    E0908 34: `address_pool.v4` has `vlan.mgmt` for its interface, which cannot be one
      hint: write an interface such as `wan`
    ");
}

#[test]
fn a_port_leads_to_a_machine_behind_its_own_firewall() {
    assert_snapshot!(told(r#"[pfsense.east]
endpoint = "https://fw2.example.net"
api_key = "secret://env/PF2_KEY"
[instance."acme/web"]
offer = "flex"
image = "ubuntu"
[instance."acme/shop"]
offer = "container"
[port_forward.nowhere]
pfsense = "edge"
port = 80
target = "instance.acme/wab"
[port_forward.container]
pfsense = "edge"
port = 81
target = "instance.acme/shop"
[port_forward.other]
pfsense = "east"
port = 82
target = "instance.acme/web"
[port_forward.icmp]
port = 83
protocol = "icmp"
target = "10.0.0.5"
[port_forward.dns]
pfsense = "edge"
protocol = "tcp_udp"
port = 53
target = "10.0.0.5"
[port_forward.dns-too]
pfsense = "edge"
protocol = "udp"
port = 53
target = "10.0.0.6"
"#), @r#"
    E0502 12: `port_forward.nowhere` leads to instance `acme/wab`, which no spec defines
      hint: did you mean `acme/web`?
    E0913 16: `port_forward.container` leads to `instance.acme/shop`, which is no virtual machine
      hint: what runs on a Docker host is reached by the ports of its offer
    E0909 20: `port_forward.other` leads to `instance.acme/web`, which may come to `proxmox.ams` behind `pfsense.edge`
      hint: add a `location` to `[instance."acme/web"]`, or change `pfsense`
    E0602 21: `port_forward.icmp` does not say which firewall it lives on
      hint: add `pfsense = "…"`; declared are `east`, `edge`
    E0912 23: `port_forward.icmp` is about a port, and `icmp` has none
      hint: use `tcp`, `udp` or `tcp_udp`
    E0914 33: `port_forward.dns-too` and `port_forward.dns` both forward port 53 of `wan` on `pfsense.edge`
    "#);
}

#[test]
fn a_size_that_is_not_offered_comes_with_the_nearest_that_are() {
    assert_snapshot!(told(r#"[instance."acme/small"]
offer = "flex"
image = "ubuntu"
cpu = 1
memory = "17GiB"
disk = "25GiB"
[instance."acme/large"]
offer = "flex"
image = "ubuntu"
cpu = 10
memory = "1GiB"
[instance."acme/right"]
offer = "flex"
image = "ubuntu"
cpu = 8
memory = "16GiB"
disk = "100GiB"
"#), @"
    E0719 4: `instance.acme/small` has 1 for its cpu, which `offer.flex` does not offer
      hint: the least is 2
    E0719 5: `instance.acme/small` has 17GiB for its memory, which `offer.flex` does not offer
      hint: the most is 16GiB
    E0719 6: `instance.acme/small` has 25GiB for its disk, which `offer.flex` does not offer
      hint: the nearest are 20GiB and 30GiB
    E0719 10: `instance.acme/large` has 10 for its cpu, which `offer.flex` does not offer
      hint: the most is 8
    E0719 11: `instance.acme/large` has 1GiB for its memory, which `offer.flex` does not offer
      hint: the least is 2GiB
    ");
}

#[test]
fn a_choice_of_sizes_is_whole_and_has_a_currency() {
    assert_snapshot!(told(r#"[offer.odd]
images = ["ubuntu"]
price = {}
[offer.odd.vm]
cpu = { min = 4, max = 2, step = 1, hourly = "0.01" }
memory = { min = "512KiB", max = "1GiB", step = "512KiB" }
disk = { min = "10GiB", max = "20GiB", step = "0B", hourly = "-0.01" }
[offer.none]
price = {}
vm.cpu = { min = 1, max = 1, step = 3 }
vm.memory = { min = "1GiB", max = "1GiB", step = "4GiB" }
vm.disk = { min = "1GiB", max = "1GiB", step = "1GiB" }
[firewall_template.web]
action = "pass"
[offer.guarded]
images = ["web"]
firewall = ["web"]
price = {}
container = { cpu = "1", memory = "1GiB" }
"#), @r#"
    E0718 5: `offer.odd` has cpu from 4 to 2, which is less
      hint: write the least as `min` and the most as `max`
    E0705 5: `offer.odd` has a price without a currency
      hint: add `currency = "EUR"` to its `price`
    E0718 6: `offer.odd` has 512KiB for `min` of `memory`, which is counted in whole MiB
      hint: use 1MiB or a multiple of it
    E0718 7: `offer.odd` has 0B for `step` of `disk`, which is counted in whole GiB
      hint: use 1GiB or a multiple of it
    E0704 7: `offer.odd` has a price below zero
    E0705 7: `offer.odd` has a price without a currency
      hint: add `currency = "EUR"` to its `price`
    E0706 8: `offer.none` has no image to run
      hint: add `images = ["…"]`
    E0720 17: `offer.guarded` has no use for `firewall`: only virtual machines are behind a firewall
      hint: remove it
    "#);
}

#[test]
fn what_means_nothing_for_an_instance_is_refused() {
    assert_snapshot!(told(r#"[instance."acme/container"]
offer = "container"
cpu = 1
disk = "1GiB"
user = "alice"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd"]
[instance."acme/lxc"]
offer = "flex"
image = "lxc"
user = "alice"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd"]
[instance."acme/raw"]
offer = "flex"
image = "raw"
user = "alice"
[instance."acme/vm"]
offer = "flex"
image = "ubuntu"
env = { MODE = "live" }
"#), @"
    E0720 3: `instance.acme/container` has no use for `cpu`: its offer says how large its container is
      hint: remove it, or choose an offer of another size
    E0720 4: `instance.acme/container` has no use for `disk`: its offer says how large its container is
      hint: remove it, or choose an offer of another size
    E0720 5: `instance.acme/container` has no use for `user`: nobody logs in to a container
      hint: remove it
    E0720 6: `instance.acme/container` has no use for `keys`: nobody logs in to a container
      hint: remove it
    E0720 10: `instance.acme/lxc` has no use for `user`: `image.lxc` is for LXC, where keys are those of `root`
      hint: remove it
    E0720 15: `instance.acme/raw` has no use for `user`: `image.raw` is not set up by cloud-init
      hint: remove it, or add `cloud_init = true` to `[image.raw.vm]`
    E0720 19: `instance.acme/vm` has no use for `env`: a virtual machine has no variables
      hint: remove it, and say it in the image
    ");
}

#[test]
fn a_private_key_among_those_that_may_log_in_is_not_shown() {
    let text = "[instance.\"acme/web\"]\noffer = \"flex\"\nimage = \"ubuntu\"\nkeys = [\"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXk\"]\n";
    assert_snapshot!(told(text), @"
    E0802 4: `instance.acme/web` holds a private key among those that may log in
      hint: write the line of its `.pub` file, and replace the key
    ");
    let files = [("around.toml", AROUND), ("web.toml", text)];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let report = parse(Tree::new(files.into())).unwrap_err().render("", false);
    assert!(!report.contains("b3BlbnNzaC1rZXk"), "{report}");
}

#[test]
fn an_entry_of_a_firewall_says_which_where_there_are_several() {
    assert_snapshot!(told(r#"[pfsense.east]
endpoint = "https://fw2.example.net"
api_key = "secret://env/PF2_KEY"
[alias.office]
addresses = ["198.51.100.0/24"]
[vlan.mgmt]
id = 20
parent = "igb1"
[vlan.unrouted]
id = 21
[firewall_rule.all]
pfsense = "eat"
interface = "wan"
action = "block"
"#), @r#"
    E0602 4: `alias.office` does not say which firewall it lives on
      hint: add `pfsense = "…"`; declared are `east`, `edge`
    E0602 6: `vlan.mgmt` does not say which firewall it lives on
      hint: add `pfsense = "…"`; declared are `east`, `edge`
    E0502 12: `firewall_rule.all` lives on firewall `eat`, which no spec defines
      hint: did you mean `east`?
    "#);
}

#[test]
fn a_renamed_entry_of_a_firewall_is_held_to_the_rules_of_all() {
    assert_snapshot!(told(r#"[alias.office]
addresses = ["198.51.100.0/24"]
moved = ["vlan.office", "alias.home"]
[alias.home]
addresses = ["198.51.100.0/24"]
moved = ["alias.old"]
[alias.third]
addresses = ["198.51.100.0/24"]
moved = ["alias.old"]
"#), @"
    E0505 3: `alias.office` cannot have been `vlan.office`, which is another kind
    E0506 3: `alias.office` says it was `alias.home`, which is still declared
      hint: remove one of the two
    E0507 9: `alias.third` and `alias.home` both say they were `alias.old`
    ");
}

#[test]
fn networks_of_a_firewall_lie_apart_and_tenants_are_carved_around_vlans() {
    assert_snapshot!(told(r#"[vlan.inside]
id = 20
parent = "igb1"
subnet = "10.100.4.0/24"
[vlan.inner]
id = 21
parent = "igb1"
subnet = "10.100.4.128/25"
[vlan.around]
id = 22
parent = "igb1"
subnet = "10.0.0.0/8"
[vpn.staff]
port = 51820
subnet = "10.100.9.0/24"
private_key = "secret://file/wg.key"
"#), @"
    E0919 17: `vlan_range.customers` and `vlan.around` have the same addresses behind `pfsense.edge`
      hint: give each network addresses of its own
    E0919 4: `vlan.inside` and `vlan.around` have the same addresses behind `pfsense.edge`
      hint: give each network addresses of its own
    E0919 8: `vlan.inner` and `vlan.inside` have the same addresses behind `pfsense.edge`
      hint: give each network addresses of its own
    E0919 15: `vpn.staff` and `vlan_range.customers` have the same addresses behind `pfsense.edge`
      hint: give each network addresses of its own
    ");
}

#[test]
fn peers_have_addresses_and_keys_of_their_own() {
    assert_snapshot!(told(r#"[vpn.staff]
port = 51820
subnet = "10.9.0.0/29"
private_key = "secret://file/wg.key"
[vpn.staff.peers.alice]
public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
address = "10.9.0.7"
[vpn.staff.peers.bob]
public_key = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
address = "10.9.1.2"
[vpn.staff.peers.carol]
public_key = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="
address = "10.9.0.3"
[vpn.staff.peers.dave]
public_key = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
address = "10.9.0.3"
[vpn.partners]
port = 51820
subnet = "10.10.0.0/24"
private_key = "secret://file/wg2.key"
"#), @"
    E0914 2: `vpn.staff` and `vpn.partners` both listen on port 51820 of `pfsense.edge`
    E0915 7: peer `alice` of `vpn.staff` has 10.9.0.7, which nobody can have
      hint: use one from 10.9.0.2 to 10.9.0.6
    E0915 10: peer `bob` of `vpn.staff` has 10.9.1.2, which is not in `10.9.0.0/29`
      hint: use one from 10.9.0.2 to 10.9.0.6
    E0915 16: peers `dave` and `carol` of `vpn.staff` both have 10.9.0.3
    ");
}

#[test]
fn what_leaves_has_one_source_and_none_that_is_handed_out() {
    assert_snapshot!(told(r#"[pfsense.other]
endpoint = "https://fw2.example.net"
api_key = "secret://env/PF2_KEY"
[address_pool.v4]
pfsense = "edge"
cidr = "203.0.113.0/28"
interface = "wan"
reserved = ["203.0.113.8", "203.0.113.9"]
[vlan.bare]
id = 7
[alias.there]
pfsense = "other"
addresses = ["10.1.0.0/16"]
[outbound_nat.a]
pfsense = "edge"
source = "10.100.0.0/16"
target = "203.0.113.8/31"
[outbound_nat.b]
pfsense = "edge"
source = "10.100.7.7"
target = "203.0.113.0/24"
[outbound_nat.c]
source = "alias.there"
[outbound_nat.d]
pfsense = "edge"
interface = "vlan.bare"
source = "vlan.bare"
destination = "(self)"
target = "any"
[outbound_nat.e]
pfsense = "other"
source = "alias.there"
"#), @r#"
    E0922 20: `outbound_nat.b` and `outbound_nat.a` are about the same packets
      hint: give each sources or destinations of its own
    E0923 21: `outbound_nat.b` uses 203.0.113.0/24, which `address_pool.v4` gives to machines
      hint: add it to `reserved` of `[address_pool.v4]`
    E0602 22: `outbound_nat.c` does not say which firewall it lives on
      hint: add `pfsense = "…"`; declared are `edge`, `other`
    E0908 26: `outbound_nat.d` has `vlan.bare` for its interface, which cannot be one
      hint: write an interface such as `wan`
    E0910 27: `outbound_nat.d` is about `vlan.bare`, on which no firewall has an address
      hint: add `parent` and `subnet` to `[vlan.bare]`
    E0908 28: `outbound_nat.d` has `(self)` for its destination, which cannot be one
      hint: write `any`, an address or a range such as `198.51.100.0/24`, a VLAN such as `vlan.mgmt` or an alias such as `alias.office`
    E0908 29: `outbound_nat.d` has `any` for its target, which cannot be one
      hint: write an address or a range such as `198.51.100.0/24`
    "#);
}

#[test]
fn quotas_count_what_machines_ask_for_and_the_least_of_the_rest() {
    assert_snapshot!(told(r#"[quota.small]
instances = 1
cpu = "4"
memory = "4GiB"
disk = "19GiB"
[tenant.globex]
quota = "small"
[instance."globex/one"]
offer = "flex"
image = "ubuntu"
cpu = 4
[instance."globex/two"]
offer = "flex"
image = "ubuntu"
memory = "4GiB"
"#), @"
    E0715 7: the specs give `tenant.globex` 2 instances, and `quota.small` allows 1 instances
      hint: raise the quota or remove instances
    E0715 7: the specs give `tenant.globex` 20GiB of disk, and `quota.small` allows 19GiB of disk
      hint: raise the quota or remove instances
    E0715 7: the specs give `tenant.globex` 6 cores, and `quota.small` allows 4 cores
      hint: raise the quota or remove instances
    E0715 7: the specs give `tenant.globex` 6GiB of memory, and `quota.small` allows 4GiB of memory
      hint: raise the quota or remove instances
    ");
}

#[test]
fn what_cloud_init_tells_nobody_asks_for() {
    assert_snapshot!(told("[image.both.vm]
template = { ams = 9001 }
cloud_init = true
dhcp = true
"), @"
    E0720 4: `image.both` has no use for `dhcp`: cloud-init tells its guests
      hint: remove one of `dhcp` and `cloud_init`
    ");
}

#[test]
fn a_machine_without_a_cluster_says_what_is_missing() {
    assert_snapshot!(told(r#"[location.ams1]
[location.fra1]
[proxmox.fra]
endpoint = "https://pve2.example.net:8006"
token = "secret://env/PVE2_TOKEN"
location = "fra1"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[image.debian.vm]
template = { fra = 9001 }
[offer.abroad]
images = ["ubuntu", "debian"]
locations = ["ams1", "fra1"]
price = {}
vm.cpu = { min = 1, max = 1, step = 1 }
vm.memory = { min = "1GiB", max = "1GiB", step = "1GiB" }
vm.disk = { min = "1GiB", max = "1GiB", step = "1GiB" }
[instance."acme/nowhere"]
offer = "abroad"
image = "ubuntu"
location = "ams1"
[instance."acme/untemplated"]
offer = "abroad"
image = "ubuntu"
[instance."acme/unwired"]
offer = "abroad"
image = "debian"
"#), @r#"
    E0723 20: `instance.acme/nowhere` has no cluster to run on
      hint: a `proxmox` connection must stand in a location of the offer
    E0723 24: `instance.acme/untemplated` runs `image.ubuntu`, of which `proxmox.fra` has no template
      hint: add `fra = ID` to `template` of `[image.ubuntu.vm]`
    E0723 27: `instance.acme/unwired` may run on `proxmox.fra`, which has no VLANs for tenants
      hint: declare a `[vlan_range.…]` with `proxmox = "fra"`
    "#);
}

#[test]
fn every_secret_of_a_connection_or_a_tunnel_is_among_those_that_are_resolved() {
    let text = r#"
[proxmox.a]
endpoint = "https://pve.example.net:8006"
token = "secret://env/token"
nodes = ["n1"]
storage = "ceph"
vmid_range = "20000-29999"
[pfsense.a]
endpoint = "https://fw.example.net"
api_key = "secret://env/api_key"
[pfsense.b]
endpoint = "https://fw.example.net"
user = "us"
password = "secret://env/password"
[vpn.a]
pfsense = "a"
port = 51820
subnet = "10.9.0.0/24"
private_key = "secret://env/private_key"
[vpn.a.peers.alice]
public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
address = "10.9.0.2"
preshared_key = "secret://env/preshared_key"
[pool.a]
access = "ssh"
[machine.a]
pool = "a"
host = "10.9.0.21"
key = "secret://env/key"
host_key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA"
[machine.b]
pool = "a"
host = "10.9.0.22"
password = "secret://env/password"
host_key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA"
"#;
    let tree = Tree::new([("web.toml".to_owned(), text.to_owned())].into());
    let loaded = parse(tree).unwrap();
    let resolved = [loaded.specs.secrets(), loaded.specs.machine_secrets()];
    let resolved: BTreeSet<_> = resolved.iter().flatten().map(ToString::to_string).collect();
    let schema = json_schema();
    let kinds = [
        Kind::Proxmox,
        Kind::PfSense,
        Kind::Vlan,
        Kind::Alias,
        Kind::PortForward,
        Kind::Vpn,
        Kind::Machine,
    ];
    let known = kinds.iter().flat_map(|kind| {
        secret_fields(&schema["properties"][kind.as_str()]["additionalProperties"], &schema)
    });
    let known: BTreeSet<_> = known.map(|field| format!("secret://env/{field}")).collect();
    assert_eq!(resolved, known);
}

/// The names of the fields below a part of the schema that refer to a secret.
fn secret_fields(part: &Value, schema: &Value) -> Vec<String> {
    if let Some(reference) = part["$ref"].as_str() {
        return secret_fields(schema.pointer(&reference[1..]).unwrap(), schema);
    }
    let fields = part["properties"].as_object().into_iter().flatten();
    let own = fields.flat_map(|(name, field)| {
        let own = (field["format"] == "secret-ref").then(|| name.clone());
        let below = secret_fields(&field["additionalProperties"], schema);
        own.into_iter().chain(below).collect::<Vec<_>>()
    });
    own.collect()
}

#[test]
fn what_is_adopted_is_named_as_its_host_names_it() {
    let wrong = "[vlan.mgmt]\nid = 20\npfsense = \"edge\"\nparent = \"igb1\"\nadopted = \"igb1.21\"\n\
        [vlan.inside]\nid = 21\nadopted = \"igb1.21\"\n\
        [firewall_rule.in]\ninterface = \"wan\"\naction = \"pass\"\nadopted = \"web\"\n\
        [port_forward.ssh]\nport = 22\ntarget = \"10.0.0.9\"\nadopted = \"wan\"\n";
    assert_snapshot!(told(wrong), @"
    E0413 5: `adopted` of `vlan.mgmt` should be its own card and tag, `igb1.20`, found `igb1.21`
    E0508 5: `vlan.mgmt` and `vlan.inside` both adopt the vlan `igb1.21`
      hint: one thing has one entry; remove the other
    E0720 8: `vlan.inside` has no use for `adopted`: no firewall has it
      hint: remove it, or add `parent`
    E0413 12: `adopted` of `firewall_rule.in` should be the tracker of a rule, such as `1700000001`, found `web`
    E0413 16: `adopted` of `port_forward.ssh` should be an interface and the port it takes packets at, such as `wan.2201`, found `wan`
    ");
}

#[test]
fn a_thing_of_a_firewall_is_adopted_by_one_entry() {
    let twice = "[alias.a]\naddresses = [\"10.0.0.0/8\"]\nadopted = \"NETS\"\n\
        [alias.b]\naddresses = [\"10.0.0.0/8\"]\nadopted = \"NETS\"\n";
    assert_snapshot!(told(twice), @"
    E0508 6: `alias.b` and `alias.a` both adopt the alias `NETS`
      hint: one thing has one entry; remove the other
    ");
}
