//! What people read when a spec directory is wrong: each case with its full text.

#![expect(clippy::too_many_lines, reason = "a report is shown whole")]

use std::collections::BTreeMap;

use insta::assert_snapshot;
use lessor_specs::Tree;
use lessor_specs::load::parse;

/// The report of one file.
fn report(text: &str) -> String {
    report_of(&[("web.toml", text)])
}

fn report_of(files: &[(&str, &str)]) -> String {
    let files: BTreeMap<_, _> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    match parse(Tree::new(files)) {
        Ok(_) => "valid".into(),
        Err(report) => report.render("", false),
    }
}

/// A host to live on.
const HOST: &str = "[docker.local]\nendpoint = \"memory:\"\n";

#[test]
fn a_missing_field_says_what_to_add() {
    assert_snapshot!(report(&format!("{HOST}[container.web]\n")), @r#"
    error[E0303]: `container.web` has no `image`
     --> web.toml:3:12
      |
    3 | [container.web]
      |            ^^^
      |
      = hint: add a line such as `image = "nginx:1.27"`
    "#);
}

#[test]
fn an_unknown_field_suggests_the_close_one() {
    assert_snapshot!(report(&format!("{HOST}[container.web]\nimage = \"nginx\"\nmemry = \"1GiB\"\n")), @r#"
    error[E0302]: `container.web` has no field `memry`
     --> web.toml:5:1
      |
    5 | memry = "1GiB"
      | ^^^^^
      |
      = hint: did you mean `memory`?
    "#);
}

#[test]
fn an_unknown_kind_suggests_the_close_one() {
    assert_snapshot!(report("[contaner.web]\nimage = \"nginx\"\n"), @"
    error[E0301]: there is no kind `contaner`
     --> web.toml:1:2
      |
    1 | [contaner.web]
      |  ^^^^^^^^
      |
      = hint: did you mean `container`?
    ");
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    assert_snapshot!(report(&format!("{HOST}[container.web]\nimage = 3\nnetworks = \"front\"\npids = 0\n")), @r#"
    error[E0304]: `image` of `container.web` should be a string, found the number `3`
     --> web.toml:4:9
      |
    4 | image = 3
      |         ^

    error[E0304]: `networks` of `container.web` should be a list, found `front`
     --> web.toml:5:12
      |
    5 | networks = "front"
      |            ^^^^^^^

    error[E0305]: `pids` of `container.web` should be from 1 to 4294967295, found the number `0`
     --> web.toml:6:8
      |
    6 | pids = 0
      |        ^
    "#);
}

#[test]
fn a_factor_out_of_its_bounds_is_pointed_at() {
    assert_snapshot!(report("[docker.local]\novercommit = { cpu = 0, memory = 1000.5, disk = nan }\n"), @"
    error[E0305]: `overcommit.cpu` of `docker.local` should be from 0.001 to 1000, found the number `0`
     --> web.toml:2:22
      |
    2 | overcommit = { cpu = 0, memory = 1000.5, disk = nan }
      |                      ^

    error[E0305]: `overcommit.memory` of `docker.local` should be from 0.001 to 1000, found the number `1000.5`
     --> web.toml:2:34
      |
    2 | overcommit = { cpu = 0, memory = 1000.5, disk = nan }
      |                                  ^^^^^^

    error[E0305]: `overcommit.disk` of `docker.local` should be from 0.001 to 1000, found the number `nan`
     --> web.toml:2:49
      |
    2 | overcommit = { cpu = 0, memory = 1000.5, disk = nan }
      |                                                 ^^^
    ");
}

#[test]
fn every_malformed_quantity_of_an_entry_is_reported() {
    assert_snapshot!(report(&format!(r#"{HOST}
[container.web]
image = "nginx"
cpu = "two"
memory = "2GB"
restart = "allways"
ready = {{ tcp = 70000, timeout = "5 minutes" }}
[network.front]
subnet = "10.0.0.1/24"
[port_range.games]
docker = "local"
range = "26000-25000"
"#)), @r#"
    error[E0403]: `cpu` of `container.web` should be a number of cores such as `2` or `0.5`, found `two`
     --> web.toml:6:7
      |
    6 | cpu = "two"
      |       ^^^^^

    error[E0402]: `memory` of `container.web` should be an amount such as `512MiB` or `2GiB`, found `2GB`
     --> web.toml:7:10
      |
    7 | memory = "2GB"
      |          ^^^^^
      |
      = hint: units are B, KiB, MiB, GiB and TiB: write `2GiB`

    error[E0306]: `restart` of `container.web` should be `no`, `on-failure`, `always` or `unless-stopped`, found `allways`
     --> web.toml:8:11
      |
    8 | restart = "allways"
      |           ^^^^^^^^^
      |
      = hint: did you mean `always`?

    error[E0305]: `ready.tcp` of `container.web` should be from 1 to 65535, found the number `70000`
     --> web.toml:9:17
      |
    9 | ready = { tcp = 70000, timeout = "5 minutes" }
      |                 ^^^^^

    error[E0404]: `ready.timeout` of `container.web` should be a length of time such as `90s`, `15m`, `24h` or `7d`, found `5 minutes`
     --> web.toml:9:34
      |
    9 | ready = { tcp = 70000, timeout = "5 minutes" }
      |                                  ^^^^^^^^^^^
      |
      = hint: units are s, m, h and d, the largest first

    error[E0407]: `subnet` of `network.front` should be a range without bits behind its prefix, found `10.0.0.1/24`
      --> web.toml:11:10
       |
    11 | subnet = "10.0.0.1/24"
       |          ^^^^^^^^^^^^^
       |
       = hint: write `10.0.0.0/24`

    error[E0409]: `range` of `port_range.games` should be ports such as `25565-26564`, from 1 to 65535, found `26000-25000`
      --> web.toml:14:9
       |
    14 | range = "26000-25000"
       |         ^^^^^^^^^^^^^
       |
       = hint: write the smaller port first: `25000-26000`
    "#);
}

#[test]
fn a_dangling_reference_suggests_the_close_name() {
    assert_snapshot!(report(&format!("{HOST}[network.front]\n[container.web]\nimage = \"nginx\"\nnetworks = [\"fornt\"]\n")), @r#"
    error[E0502]: `container.web` joins network `fornt`, which no spec defines
     --> web.toml:6:13
      |
    6 | networks = ["fornt"]
      |             ^^^^^^^
      |
      = hint: did you mean `front`?
    "#);
}

#[test]
fn an_entry_declared_in_two_files_shows_both_places() {
    assert_snapshot!(report_of(&[("a.toml", "[location.par1]\n"), ("b/c.toml", "\n[location.par1]\ncity = \"Paris\"\n")]), @"
    error[E0501]: `location.par1` is declared twice
     --> b/c.toml:2:11
      |
    2 | [location.par1]
      |           ^^^^
      |
     ::: a.toml:1:11
      |
    1 | [location.par1]
      |           ---- declared here too
      |
      = hint: all files of a spec directory are one namespace; remove one
    ");
}

#[test]
fn an_entry_that_is_wrong_in_itself_does_not_dangle() {
    assert_snapshot!(report(&format!("{HOST}[network.front]\nsubnet = 3\n[container.web]\nimage = \"nginx\"\nnetworks = [\"front\"]\n")), @"
    error[E0407]: `subnet` of `network.front` should be a range of addresses such as `10.64.0.0/16`, found the number `3`
     --> web.toml:4:10
      |
    4 | subnet = 3
      |          ^
    ");
}

#[test]
fn overlapping_port_ranges_show_each_other() {
    assert_snapshot!(report(&format!("{HOST}[port_range.a]\ndocker = \"local\"\nrange = \"1000-2000\"\n[port_range.b]\ndocker = \"local\"\nrange = \"2000-3000\"\n")), @r#"
    error[E0610]: `port_range.b` and `port_range.a` hold the same ports of `docker.local`
     --> web.toml:8:9
      |
    8 | range = "2000-3000"
      |         ^^^^^^^^^^^
      |
     ::: web.toml:5:9
      |
    5 | range = "1000-2000"
      |         ----------- overlaps this
      |
      = hint: give each range ports of its own
    "#);
}

#[test]
fn a_supernet_that_is_too_small_says_how_large_it_must_be() {
    let tenants = ["a", "b", "c"]
        .map(|t| format!("[tenant.{t}]\n[instance.\"{t}/one\"]\noffer = \"small\"\n"))
        .concat();
    assert_snapshot!(report(&format!(r#"{HOST}
[bridge.tenants]
docker = "local"
supernet = "10.0.0.0/27"
per_tenant_prefix = 28
[image.busybox.container]
ref = "busybox"
[offer.small]
images = ["busybox"]
price = {{}}
container = {{ cpu = "1", memory = "64MiB" }}
{tenants}"#)), @r#"
    error[E0716]: `bridge.tenants` has room for 2 networks of /28 in `10.0.0.0/27`, and 3 tenants need one
     --> web.toml:6:12
      |
    6 | supernet = "10.0.0.0/27"
      |            ^^^^^^^^^^^^^
      |
      = hint: make the supernet larger (/26) or `per_tenant_prefix` longer
    "#);
}

#[test]
fn a_cycle_is_shown_at_its_shortest() {
    assert_snapshot!(report(&format!(r#"{HOST}
[container.a]
image = "i"
depends_on = ["container.b", "container.c"]
[container.b]
image = "i"
depends_on = ["container.c"]
[container.c]
image = "i"
depends_on = ["container.a"]
[container.leads-to-it]
image = "i"
depends_on = ["container.a"]
"#)), @r#"
    error[E0503]: `container.a` waits for itself: container.a → container.c → container.a
      --> web.toml:6:30
       |
     6 | depends_on = ["container.b", "container.c"]
       |                              ^^^^^^^^^^^^^
       |
      ::: web.toml:12:15
       |
    12 | depends_on = ["container.a"]
       |               -------------
       |
       = hint: remove one of these dependencies

    error[E0503]: `container.b` waits for itself: container.b → container.c → container.a → container.b
      --> web.toml:9:15
       |
     9 | depends_on = ["container.c"]
       |               ^^^^^^^^^^^^^
       |
      ::: web.toml:12:15
       |
    12 | depends_on = ["container.a"]
       |               -------------
       |
      ::: web.toml:6:15
       |
     6 | depends_on = ["container.b", "container.c"]
       |               -------------
       |
       = hint: remove one of these dependencies
    "#);
}

#[test]
fn a_literal_secret_is_refused_and_not_shown() {
    let text = report(&format!(
        r#"{HOST}
[container.db]
image = "postgres"
env = {{ POSTGRES_PASSWORD = "hunter2", URL = "postgres://app:hunter2@db/app" }}
[docker.far]
endpoint = "tcp://h:2376"
tls = {{ ca = "ca.pem", cert = "cert.pem", key = "hunter2" }}
"#
    ));
    assert!(!text.contains("hunter2"), "{text}");
    assert_snapshot!(text, @r#"
    error[E0602]: `container.db` does not say which connection it lives on
     --> web.toml:4:12
      |
    4 | [container.db]
      |            ^^
      |
      = hint: add `docker = "…"`; declared are `far`, `local`

    error[E0802]: `container.db` holds a literal secret in `POSTGRES_PASSWORD`
    --> web.toml:6:29
     = hint: keep it elsewhere and write `POSTGRES_PASSWORD = "secret://env/POSTGRES_PASSWORD"`, or `secret://file/…`

    error[E0802]: `container.db` holds a literal secret in `URL`
    --> web.toml:6:46
     = hint: keep it elsewhere and write `URL = "secret://env/URL"`, or `secret://file/…`

    error[E0801]: `tls.key` of `docker.far` should be a reference to a secret, `secret://env/NAME` or `secret://file/path`, found a literal
    --> web.toml:9:49
     = hint: a secret never stands in a spec file; keep it elsewhere and point to it
    "#);
}

#[test]
fn a_machine_behind_ssh_is_known_by_its_key() {
    let text = report(
        r#"
[docker.unpinned]
endpoint = "ssh://deploy@edge-1"
[docker.old]
endpoint = "ssh://deploy@edge-1:2222"
host_key = "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"
[docker.anybody]
endpoint = "ssh://edge-1"
[docker.near]
endpoint = "unix:///var/run/docker.sock"
host_key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA"
key = "secret://file/id"
"#,
    );
    assert_snapshot!(text, @r#"
    error[E0614]: `docker.unpinned` is reached over ssh and has no `host_key`
     --> web.toml:3:12
      |
    3 | endpoint = "ssh://deploy@edge-1"
      |            ^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: add `host_key = "SHA256:…"` with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows on `edge-1`

    error[E0412]: `host_key` of `docker.old` should be the fingerprint of an ssh key, `SHA256:` and 43 letters, found a string
     --> web.toml:6:12
      |
    6 | host_key = "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on that machine shows it

    error[E0411]: `endpoint` of `docker.anybody` should be `ssh://user@host[:port][/socket]`, found `ssh://edge-1`
     --> web.toml:8:12
      |
    8 | endpoint = "ssh://edge-1"
      |            ^^^^^^^^^^^^^^

    error[E0615]: `docker.near` has a `host_key`, but `unix:///var/run/docker.sock` is not reached over ssh
      --> web.toml:11:12
       |
    11 | host_key = "SHA256:uNiVztksCsDhcc0u9e8BrrQXVUDcEjQ6vNVzQ5e6PGA"
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = hint: remove the line, or make the endpoint `ssh://user@host`

    error[E0615]: `docker.near` has a `key`, but `unix:///var/run/docker.sock` is not reached over ssh
      --> web.toml:12:7
       |
    12 | key = "secret://file/id"
       |       ^^^^^^^^^^^^^^^^^^
       |
       = hint: remove the line, or make the endpoint `ssh://user@host`
    "#);
}

#[test]
fn syntax_errors_of_all_files_are_reported_without_echoes() {
    assert_snapshot!(report_of(&[
        ("a.toml", "[network.front\n"),
        ("b.toml", "[docker.local]\n[container.web]\nimage = \"nginx\"\nnetworks = [\"front\"]\nmemory = 3\n"),
        ("c.toml", "x = = 1\n"),
    ]), @"
    error[E0201]: unclosed table, expected `]`
     --> a.toml:1:15
      |
    1 | [network.front
      |               ^

    error[E0402]: `memory` of `container.web` should be an amount such as `512MiB` or `2GiB`, found the number `3`
     --> b.toml:5:10
      |
    5 | memory = 3
      |          ^

    error[E0301]: there is no kind `x`
     --> c.toml:1:1
      |
    1 | x = = 1
      | ^
      |
      = hint: the kinds are docker, proxmox, pfsense, location, image, network, volume, container, port_range, bridge, vlan, vlan_range, address_pool, alias, firewall_rule, firewall_template, port_forward, outbound_nat, vpn, pool, machine, offer, promo_code, quota, tenant, instance, policy

    error[E0201]: extra `=`, expected nothing
     --> c.toml:1:5
      |
    1 | x = = 1
      |     ^

    error[E0201]: unexpected key or value, expected newline, `#`
     --> c.toml:1:7
      |
    1 | x = = 1
      |       ^
    ");
}

#[test]
fn what_cannot_be_rented_is_refused() {
    assert_snapshot!(report(&format!(r#"{HOST}
[image.empty]
[image.busybox.container]
ref = "busybox"
[offer.both]
images = ["busybox"]
price = {{ hourly = "0.1" }}
container = {{ cpu = "1", memory = "64MiB" }}
machine = {{ pools = [] }}
[offer.nothing]
price = {{}}
[offer.small]
images = ["busybox"]
price = {{}}
container = {{ cpu = "1", memory = "64MiB" }}
[quota.one]
instances = 1
memory = "100MiB"
[tenant.acme]
owners = ["alice"]
quota = "one"
[instance."acme/a"]
offer = "small"
[instance."acme/b"]
offer = "small"
image = "busyboxx"
[instance.lobby]
offer = "small"
"#)), @r#"
    error[E0701]: `image.empty` is neither a container nor a virtual machine
     --> web.toml:4:8
      |
    4 | [image.empty]
      |        ^^^^^
      |
      = hint: add a table `[image.empty.container]` with a `ref`

    error[E0705]: `offer.both` has a price without a currency
     --> web.toml:9:20
      |
    9 | price = { hourly = "0.1" }
      |                    ^^^^^
      |
      = hint: add `currency = "EUR"` to its `price`

    error[E0703]: `offer.both` is both container and machine
      --> web.toml:11:11
       |
    11 | machine = { pools = [] }
       |           ^^^^^^^^^^^^^^
       |
       = hint: an offer is exactly one of container, vm and machine

    error[E0702]: `offer.nothing` does not say what is rented
      --> web.toml:12:8
       |
    12 | [offer.nothing]
       |        ^^^^^^^
       |
       = hint: add one of the tables `[offer.nothing.container]`, `.vm` and `.machine`

    error[E0708]: `tenant.acme` has an owner that is not a mail address
      --> web.toml:22:11
       |
    22 | owners = ["alice"]
       |           ^^^^^^^
       |
       = hint: write `name@example.net`

    error[E0715]: the specs give `tenant.acme` 128MiB of memory, and `quota.one` allows 100MiB of memory
      --> web.toml:23:9
       |
    23 | quota = "one"
       |         ^^^^^
       |
      ::: web.toml:20:10
       |
    20 | memory = "100MiB"
       |          -------- allowed here
       |
       = hint: raise the quota or remove instances

    error[E0715]: the specs give `tenant.acme` 2 instances, and `quota.one` allows 1 instances
      --> web.toml:23:9
       |
    23 | quota = "one"
       |         ^^^^^
       |
      ::: web.toml:19:13
       |
    19 | instances = 1
       |             - allowed here
       |
       = hint: raise the quota or remove instances

    error[E0714]: `instance.acme/a` may run on `docker.local`, which has no bridge for tenants
      --> web.toml:25:9
       |
    25 | offer = "small"
       |         ^^^^^^^
       |
       = hint: declare a `[bridge.…]` with `docker = "local"`

    error[E0714]: `instance.acme/b` may run on `docker.local`, which has no bridge for tenants
      --> web.toml:27:9
       |
    27 | offer = "small"
       |         ^^^^^^^
       |
       = hint: declare a `[bridge.…]` with `docker = "local"`

    error[E0710]: `instance.acme/b` runs image `busyboxx`, which `offer.small` does not have
      --> web.toml:28:9
       |
    28 | image = "busyboxx"
       |         ^^^^^^^^^^
       |
       = hint: did you mean `busybox`?

    error[E0502]: `instance.acme/b` runs image `busyboxx`, which no spec defines
      --> web.toml:28:9
       |
    28 | image = "busyboxx"
       |         ^^^^^^^^^^
       |
       = hint: did you mean `busybox`?

    error[E0308]: an instance is named `tenant/name`, found `lobby`
      --> web.toml:29:11
       |
    29 | [instance.lobby]
       |           ^^^^^
    "#);
}

#[test]
fn ports_volumes_and_hosts_that_do_not_fit_are_refused() {
    assert_snapshot!(report(r#"
[docker.a]
[docker.b]
[network.front]
docker = "b"
[volume.data]
docker = "a"
[container.one]
docker = "a"
image = "i"
networks = ["front"]
ports = [{ host = 80, container = 80 }]
volumes = [{ volume = "data", path = "/data" }, { volume = "data", path = "/data" }]
ready = { tcp = 81, healthy = true }
memory = "1MiB"
[container.two]
docker = "a"
image = "i"
ports = [{ host = 80, container = 8080, bind = "127.0.0.1" }]
[container.three]
image = "i"
"#), @r#"
    error[E0603]: `container.one` lives on `docker.a`, but `network.front` on `docker.b`
      --> web.toml:11:13
       |
    11 | networks = ["front"]
       |             ^^^^^^^
       |
      ::: web.toml:4:10
       |
     4 | [network.front]
       |          ----- declared here

    error[E0605]: `container.one` mounts two volumes at `/data`
      --> web.toml:13:75
       |
    13 | volumes = [{ volume = "data", path = "/data" }, { volume = "data", path = "/data" }]
       |                                                                           ^^^^^^^
       |
      ::: web.toml:13:38
       |
    13 | volumes = [{ volume = "data", path = "/data" }, { volume = "data", path = "/data" }]
       |                                      ------- mounted here too

    error[E0606]: `container.one` is ready when port 81 answers, but does not publish it
      --> web.toml:14:17
       |
    14 | ready = { tcp = 81, healthy = true }
       |                 ^^
       |
       = hint: add `{ host = 81, container = 81 }` to its `ports`

    error[E0607]: `container.one` is ready when healthy, but has no health check
      --> web.toml:14:31
       |
    14 | ready = { tcp = 81, healthy = true }
       |                               ^^^^
       |
       = hint: add a table `healthcheck` with a `command`

    error[E0608]: `container.one` gets 1MiB of memory, and Docker takes no less than 6MiB
      --> web.toml:15:10
       |
    15 | memory = "1MiB"
       |          ^^^^^^

    error[E0604]: `container.two` and `container.one` both publish port 80/tcp of `docker.a`
      --> web.toml:19:19
       |
    19 | ports = [{ host = 80, container = 8080, bind = "127.0.0.1" }]
       |                   ^^
       |
      ::: web.toml:12:19
       |
    12 | ports = [{ host = 80, container = 80 }]
       |                   -- published here too

    error[E0602]: `container.three` does not say which connection it lives on
      --> web.toml:20:12
       |
    20 | [container.three]
       |            ^^^^^
       |
       = hint: add `docker = "…"`; declared are `a`, `b`
    "#);
}

#[test]
fn a_rename_that_cannot_be_is_refused() {
    assert_snapshot!(report(&format!(r#"{HOST}
[container.a]
image = "i"
moved = ["container.old", "network.old", "container.b"]
[container.b]
image = "i"
moved = ["container.old"]
"#)), @r#"
    error[E0505]: `container.a` cannot have been `network.old`, which is another kind
     --> web.toml:6:27
      |
    6 | moved = ["container.old", "network.old", "container.b"]
      |                           ^^^^^^^^^^^^^

    error[E0506]: `container.a` says it was `container.b`, which is still declared
     --> web.toml:6:42
      |
    6 | moved = ["container.old", "network.old", "container.b"]
      |                                          ^^^^^^^^^^^^^
      |
     ::: web.toml:7:12
      |
    7 | [container.b]
      |            - declared here
      |
      = hint: remove one of the two

    error[E0507]: `container.b` and `container.a` both say they were `container.old`
     --> web.toml:9:10
      |
    9 | moved = ["container.old"]
      |          ^^^^^^^^^^^^^^^
      |
     ::: web.toml:6:10
      |
    6 | moved = ["container.old", "network.old", "container.b"]
      |          --------------- said here too
    "#);
}

#[test]
fn names_no_provider_could_carry_are_refused() {
    assert_snapshot!(report(&format!("{HOST}[network.my_net]\n[network.\"a/b\"]\n[network.-x]\n[instance.lobby]\noffer = \"x\"\n")), @r#"
    error[E0308]: a name holds letters, digits, `-` and `.`; found '_' in `my_net`
     --> web.toml:3:10
      |
    3 | [network.my_net]
      |          ^^^^^^

    error[E0308]: a name holds letters, digits, `-` and `.`; found '/' in `a/b`
     --> web.toml:4:10
      |
    4 | [network."a/b"]
      |          ^^^^^

    error[E0308]: a name begins and ends with a letter or digit, found `-x`
     --> web.toml:5:10
      |
    5 | [network.-x]
      |          ^^

    error[E0308]: an instance is named `tenant/name`, found `lobby`
     --> web.toml:6:11
      |
    6 | [instance.lobby]
      |           ^^^^^
    "#);
}

#[test]
fn a_policy_part_stands_once() {
    assert_snapshot!(report_of(&[
        ("a.toml", "[policy.gate]\nremovals = 3\n"),
        ("b.toml", "[policy.gate]\nremovals = 4\n[policy.retntion]\n"),
    ]), @"
    error[E0501]: `policy.gate` is declared twice
     --> b.toml:1:9
      |
    1 | [policy.gate]
      |         ^^^^
      |
     ::: a.toml:1:9
      |
    1 | [policy.gate]
      |         ---- declared here too

    error[E0302]: `policy` has no part `retntion`
     --> b.toml:3:9
      |
    3 | [policy.retntion]
      |         ^^^^^^^^
      |
      = hint: did you mean `retention`?
    ");
}

#[test]
fn a_thing_has_one_entry_that_adopts_it() {
    let specs = format!(
        "{HOST}[network.a]\nadopted = \"shop_front\"\n[network.b]\nadopted = \"shop_front\"\n\
         [volume.a]\nadopted = \"shop_front\"\n"
    );
    assert_snapshot!(report(&specs), @r#"
    error[E0508]: `network.b` and `network.a` both adopt the network `shop_front`
     --> web.toml:6:11
      |
    6 | adopted = "shop_front"
      |           ^^^^^^^^^^^^
      |
     ::: web.toml:4:11
      |
    4 | adopted = "shop_front"
      |           ------------ adopted here too
      |
      = hint: one thing has one entry; remove the other
    "#);
}

#[test]
fn what_is_adopted_is_named_as_docker_names_it() {
    assert_snapshot!(report(&format!("{HOST}[volume.data]\nadopted = \"/shop data\"\n")), @r#"
    error[E0413]: `adopted` of `volume.data` should be the name or the id of a thing as its host shows it, such as `shop_db_1`, found `/shop data`
     --> web.toml:4:11
      |
    4 | adopted = "/shop data"
      |           ^^^^^^^^^^^^
    "#);
}

#[test]
fn what_stands_twice_in_one_file_is_named() {
    assert_snapshot!(report("[network.x]\n[network.x]\ninternal = true\ninternal = true\n"), @"
    error[E0202]: `x` stands here for the second time
     --> web.toml:2:10
      |
    2 | [network.x]
      |          ^
      |
      = hint: remove one of the two

    error[E0202]: `internal` stands here for the second time
     --> web.toml:4:1
      |
    4 | internal = true
      | ^^^^^^^^
      |
      = hint: remove one of the two
    ");
}

#[test]
fn what_is_nested_too_deep_is_refused_at_its_place() {
    let lists = format!("[network.x]\nlabels = {}\n", "[".repeat(100_000));
    let tables = format!("[network.{}]\n", "a.".repeat(100_000) + "a");
    assert_snapshot!(report(&lists), @"
    error[E0201]: tables and lists are nested too deep
     --> web.toml:2:90
      |
    2 | labels = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
      |                                                                                          ^
      |
      = hint: no field of a spec file lies deeper than a few levels

    error[E0201]: unclosed array, expected `]`
     --> web.toml:2:100010
      |
     ::: 
    2 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                                                    ^
    ");
    assert_snapshot!(report(&tables), @"
    error[E0201]: tables and lists are nested too deep
    --> web.toml
     = hint: no field of a spec file lies deeper than a few levels
    ");
}

#[test]
fn what_cannot_be_seen_is_written_out() {
    let text = format!(
        "{HOST}[container.\"ad\u{202e}nim\"]\n[container.\"w\u{0435}b\"]\n[container.web]\nimage = \"i\"\n\"a\\u001b[2J\" = 1\nnetworks = [\"fr\u{200b}ont\"]\n[network.front]\n"
    );
    assert_snapshot!(report(&text), @r#"
    error[E0308]: a name holds letters, digits, `-` and `.`; found '\u{202e}' in `ad\u{202e}nim`
     --> web.toml:3:12
      |
    3 | [container."ad�nim"]
      |            ^^^^^^^^

    error[E0308]: a name holds letters, digits, `-` and `.`; found 'е' (U+0435) in `wеb`
     --> web.toml:4:12
      |
    4 | [container."wеb"]
      |            ^^^^^

    error[E0302]: `container.web` has no field `a\u{1b}[2J`
     --> web.toml:7:1
      |
    7 | "a\u001b[2J" = 1
      | ^^^^^^^^^^^^
      |
      = hint: the fields are adopted, command, cpu, depends_on, docker, entrypoint, env, healthcheck, image, labels, logging, memory, moved, networks, pids, ports, ready, restart, user, volumes
    "#);
}

#[test]
fn no_text_holds_a_nul_character() {
    assert_snapshot!(report(&format!("{HOST}[container.web]\nimage = \"i\\u0000\"\ncommand = [\"a\", \"\\u0000\"]\nlabels = {{ a = \"\\u0000\" }}\n")), @r#"
    error[E0309]: `image` of `container.web` should be text without a NUL character, found a string
     --> web.toml:4:9
      |
    4 | image = "i\u0000"
      |         ^^^^^^^^^

    error[E0309]: `command[1]` of `container.web` should be text without a NUL character, found a string
     --> web.toml:5:17
      |
    5 | command = ["a", "\u0000"]
      |                 ^^^^^^^^

    error[E0309]: `labels.a` of `container.web` should be text without a NUL character, found a string
     --> web.toml:6:16
      |
    6 | labels = { a = "\u0000" }
      |                ^^^^^^^^
    "#);
}

#[test]
fn what_is_too_long_to_read_is_shown_in_part() {
    let text = format!(
        "{HOST}[container.web]\nimage = \"i\"\n{} = 1\nlabels = {{ a = \"{}\", b = 3 }}\n",
        "k".repeat(100_000),
        "l".repeat(100_000)
    );
    assert_snapshot!(report(&text), @r#"
    error[E0302]: `container.web` has no field `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk … kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk`
     --> web.toml:5:1
      |
    5 | kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: the fields are adopted, command, cpu, depends_on, docker, entrypoint, env, healthcheck, image, labels, logging, memory, moved, networks, pids, ports, ready, restart, user, volumes

    error[E0304]: `labels.b` of `container.web` should be a string, found the number `3`
     --> web.toml:6:100024
      |
     ::: 
    6 | ...lllllllllllllllllllllllllllllllllllllllllllllllllllllllll", b = 3 }
      |                                                                    ^
    "#);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_mean_nothing() {
    let text = format!("\u{feff}{HOST}[container.web]\nimage = \"i\"\nmemry = \"1GiB\"\n");
    assert_snapshot!(report(&text.replace('\n', "\r\n")), @r#"
    error[E0302]: `container.web` has no field `memry`
     --> web.toml:5:1
      |
    5 | memry = "1GiB"
      | ^^^^^
      |
      = hint: did you mean `memory`?
    "#);
}

#[test]
fn a_list_of_tables_is_no_table_and_a_date_no_text() {
    assert_snapshot!(report("[[docker.local]]\n[[network]]\n[volume]\nx = 1979-05-27\n[location.par1]\ncity = 1979-05-27T07:32:00Z\n"), @"
    error[E0304]: `docker.local` should be a table, found a list
     --> web.toml:1:1
      |
    1 | [[docker.local]]
      | ^^^^^^^^^^^^^^^^
      |
      = hint: `[docker.NAME]` declares one

    error[E0304]: `network` should be a table, found a list
     --> web.toml:2:1
      |
    2 | [[network]]
      | ^^^^^^^^^^^
      |
      = hint: `[network.NAME]` declares one

    error[E0304]: `volume.x` should be a table, found the date `1979-05-27`
     --> web.toml:4:5
      |
    4 | x = 1979-05-27
      |     ^^^^^^^^^^
      |
      = hint: `[volume.NAME]` declares one

    error[E0304]: `city` of `location.par1` should be a string, found the date `1979-05-27T07:32:00Z`
     --> web.toml:6:8
      |
    6 | city = 1979-05-27T07:32:00Z
      |        ^^^^^^^^^^^^^^^^^^^^
    ");
}

/// Beside each other in one line, one to a line, and one to an entry.
#[test]
fn five_thousand_problems_are_all_told() {
    let many = |one: &dyn Fn(usize) -> String| (0..5_000).map(one).collect::<String>();
    let line = many(&|n| format!("k{n} = 1, "));
    let labels = format!("{HOST}[network.front]\nlabels = {{ {line} }}\n");
    let fields = format!("{HOST}[network.front]\n{}", many(&|n| format!("k{n} = 1\n")));
    let names = many(&|n| {
        format!("[network.n{n}]\n[container.c{n}]\nimage = \"i\"\nnetworks = [\"m{n}\"]\n")
    });
    let chain = many(&|n| {
        let next = n + 1;
        format!("[container.c{n}]\nimage = \"i\"\ndepends_on = [\"container.c{next}\"]\n")
    });
    let knot = "[container.c5000]\nimage = \"i\"\ndepends_on = [\"container.c5000\"]\n";
    for (text, expected) in [
        (labels, 5_000),
        (fields, 5_000),
        (HOST.to_owned() + &names, 5_000),
        (HOST.to_owned() + &chain + knot, 1),
    ] {
        let files = BTreeMap::from([("web.toml".to_owned(), text)]);
        let report = parse(Tree::new(files)).unwrap_err();
        assert_eq!(report.entries().len(), expected);
        let shown = report.render("", false);
        assert_eq!(shown.matches("error[").count(), expected);
    }
}
