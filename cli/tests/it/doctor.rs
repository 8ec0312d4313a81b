//! `lessor doctor`: what it finds, and that it changes nothing to find it.

use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Shop, WEB};

/// An offer that promises disk, and who needs a secret.
const RENT: &str = r#"
[docker.local]
endpoint = "memory:host.json"
location = "here"
[location.here]
[image.app.container]
ref = "app:1"
env = { TOKEN = "secret://env/LESSOR_TEST_NOT_SET", KEY = "secret://file/key.txt" }
[offer.small]
images = ["app"]
locations = ["here"]
price = {}
container = { cpu = "1", memory = "1GiB", disk = "1GiB" }
"#;

#[test]
fn a_directory_that_was_never_applied_is_fine() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("doctor"), @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    ok      database      `sqlite:.lessor/lessor.db` is not there yet; `lessor apply` makes it
    ok      directory     `.` can be written
    ok      disk space    there is room for the database
    ok      secrets       none are referred to
    ok      docker.local  a pretend Docker host answers
    7 ok, 0 warnings.
    exit 0
    ");
    assert_eq!(shop.files(), ["lessor.toml", "web.toml"]);
}

#[test]
fn a_directory_that_was_applied_is_fine() {
    let shop = Shop::applied(WEB);
    assert_snapshot!(shop.lessor("doctor"), @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    ok      database      `sqlite:.lessor/lessor.db` is there, and its schema is current
    ok      directory     `.lessor` can be written
    ok      disk space    there is room for the database
    ok      secrets       none are referred to
    ok      docker.local  a pretend Docker host answers
    7 ok, 0 warnings.
    exit 0
    ");
}

#[test]
fn disk_that_is_promised_and_cannot_be_limited_is_a_warning() {
    let shop = Shop::new(&RENT.replace("secret://env/LESSOR_TEST_NOT_SET", "secret://env/PATH"));
    shop.write("key.txt", "s3cret");
    let ran = shop.lessor("doctor");
    assert!(!ran.stdout.contains("s3cret"));
    assert_snapshot!(ran, @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    ok      database      `sqlite:.lessor/lessor.db` is not there yet; `lessor apply` makes it
    ok      directory     `.` can be written
    ok      disk space    there is room for the database
    ok      secrets       the 2 that are referred to can be had
    ok      docker.local  a pretend Docker host answers
    warn    docker.local  `disk` of offers is accounted and not enforced: a pretend host cannot limit it
              hint: watch the disk of this host: a tenant can fill it
    7 ok, 1 warning.
    exit 0
    ");
}

#[test]
fn each_secret_that_cannot_be_had_is_named() {
    assert_snapshot!(Shop::new(RENT).lessor("doctor"), @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    ok      database      `sqlite:.lessor/lessor.db` is not there yet; `lessor apply` makes it
    ok      directory     `.` can be written
    ok      disk space    there is room for the database
    fail    secrets       `secret://env/LESSOR_TEST_NOT_SET` cannot be had: the environment variable `LESSOR_TEST_NOT_SET` is not set
              hint: provide it where lessor runs
    fail    secrets       `secret://file/key.txt` cannot be had: could not read `key.txt`: No such file or directory (os error 2)
              hint: provide it where lessor runs
    ok      docker.local  a pretend Docker host answers
    warn    docker.local  `disk` of offers is accounted and not enforced: a pretend host cannot limit it
              hint: watch the disk of this host: a tenant can fill it
    6 ok, 1 warning, 2 failed.
    exit 1
    ");
}

#[test]
fn what_cannot_be_seen_answers_6() {
    let shop = Shop::new("[docker.far]\nendpoint = \"unix:///nowhere/docker.sock\"\n");
    assert_snapshot!(shop.lessor("doctor"), @"
    ok      specs        1 entry is valid
    ok      lessor.toml  the installation is `test-1`
    ok      database     `sqlite:.lessor/lessor.db` is not there yet; `lessor apply` makes it
    ok      directory    `.` can be written
    ok      disk space   there is room for the database
    ok      secrets      none are referred to
    unseen  docker.far   no answer from the engine at `unix:///nowhere/docker.sock`: there is no such socket
              hint: start the engine there, or correct the entry's `endpoint`
    6 ok, 0 warnings, 1 unseen.
    exit 6
    ");
}

#[test]
fn a_broken_directory_is_looked_at_as_far_as_it_goes() {
    let shop = Shop::new("");
    std::fs::remove_file(shop.path("lessor.toml")).unwrap();
    shop.write("hosts.toml", "[docker.local]\nendpoint = \"memory:host.json\"\n[docker.lost]\nendpoint = \"memory:lost.json\"\n");
    shop.write("web.toml", "[container.web]\nimage = 3\n[network\n");
    shop.write("lost.json", "garbage");
    std::fs::create_dir(shop.path(".lessor")).unwrap();
    shop.write(".lessor/lessor.db", "garbage garbage garbage");
    let before = shop.files();

    assert_snapshot!(shop.lessor("doctor"), @"
    fail    specs         1 problem; what is sound of them is looked at here
              hint: `lessor validate .` shows each with its place
    fail    lessor.toml   `.` has no `lessor.toml`
              hint: `lessor init .` writes a new one; if there was one before, restore it, since its `installation` says whose things are ours
    fail    database      the database `DIR/.lessor/lessor.db` is damaged: file is not a database
              hint: move `DIR/.lessor/lessor.db` away, with its `-wal` and `-shm` if there are any, and run `lessor apply`: the marks on the objects bring everything back but history
    ok      directory     `.lessor` can be written
    ok      disk space    there is room for the database
    ok      secrets       none are referred to
    ok      docker.local  a pretend Docker host answers
    unseen  docker.lost   `lost.json` is not a pretend host: expected value at line 1 column 1
              hint: restore the file, or remove it to begin with an empty host
    4 ok, 0 warnings, 1 unseen, 3 failed.
    exit 1
    ");

    assert_eq!(shop.files(), before);
    assert_eq!(shop.read(".lessor/lessor.db"), "garbage garbage garbage");
}

#[test]
fn a_connection_that_nobody_declares_cannot_be_redirected() {
    let ran = Shop::new(WEB).lessor("doctor --endpoint par1=memory:");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("an endpoint is given for `par1`"), "{ran}");
}

#[test]
fn a_place_where_nothing_can_be_written_is_said() {
    let ran = Shop::new(WEB).lessor("doctor --database sqlite:web.toml/lessor.db");
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran, @"
    ok      specs         4 entries are valid
    ok      lessor.toml   the installation is `test-1`
    fail    database      cannot use the database `DIR/web.toml/lessor.db`: Not a directory (os error 20)
              hint: see that the disk has room and that this user may write in `DIR/web.toml`
    fail    directory     `web.toml` cannot be written: Permission denied
              hint: let this user write in `web.toml`, or keep the database elsewhere with `--database`
    ok      disk space    there is room for the database
    ok      secrets       none are referred to
    ok      docker.local  a pretend Docker host answers
    5 ok, 0 warnings, 2 failed.
    exit 1
    ");
}

/// Two clusters, one with networks of a zone.
const CLUSTERS: &str = r#"
[proxmox.ams]
endpoint = "https://pve.ams1.example.net:8006"
token = "secret://env/PVE_AMS_TOKEN"
nodes = ["n1"]
storage = "ceph-vm"
vmid_range = "20000-29999"
[proxmox.fra]
endpoint = "https://pve.fra1.example.net:8006"
token = "secret://file/keys/fra.token"
nodes = ["n1"]
storage = "local-lvm"
vmid_range = "30000-39999"
[pfsense.edge]
endpoint = "https://fw.example.net"
api_key = "secret://env/PF"
[vlan_range.ams]
ids = "2100-2199"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[vlan_range.fra]
ids = "2200-2299"
proxmox = "fra"
sdn_zone = "tenants"
pfsense = "edge"
parent = "igb1"
supernet = "10.101.0.0/16"
per_tenant_prefix = 28
"#;

#[test]
fn how_clusters_let_us_in_is_said_for_each_and_nobody_is_asked() {
    assert_snapshot!(Shop::new(CLUSTERS).lessor("doctor --bootstrap proxmox"), @r#"
    # proxmox.ams: as root on any node of the cluster at https://pve.ams1.example.net:8006
    pveum user add lessor@pve --comment "speaks for lessor"
    pveum role add lessor-nodes --privs "Sys.Audit" || pveum role modify lessor-nodes --privs "Sys.Audit"
    pveum role add lessor-pool --privs "Pool.Allocate,Pool.Audit" || pveum role modify lessor-pool --privs "Pool.Allocate,Pool.Audit"
    pveum role add lessor-sdn-zones-localnetwork-vmbr1 --privs "SDN.Use" || pveum role modify lessor-sdn-zones-localnetwork-vmbr1 --privs "SDN.Use"
    pveum role add lessor-storage-ceph-vm --privs "Datastore.AllocateSpace,Datastore.Audit" || pveum role modify lessor-storage-ceph-vm --privs "Datastore.AllocateSpace,Datastore.Audit"
    pveum role add lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt" || pveum role modify lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt"
    pveum acl modify /nodes --users lessor@pve --roles lessor-nodes
    pveum acl modify /pool --users lessor@pve --roles lessor-pool
    pveum acl modify /sdn/zones/localnetwork/vmbr1 --users lessor@pve --roles lessor-sdn-zones-localnetwork-vmbr1
    pveum acl modify /storage/ceph-vm --users lessor@pve --roles lessor-storage-ceph-vm
    pveum acl modify /vms --users lessor@pve --roles lessor-vms
    pveum user token add lessor@pve lessor --privsep 0
    # The last one shows a `value`, this once. Where lessor runs:
    #   export PVE_AMS_TOKEN='lessor@pve!lessor=VALUE'

    # proxmox.fra: as root on any node of the cluster at https://pve.fra1.example.net:8006
    pveum user add lessor@pve --comment "speaks for lessor"
    pveum role add lessor-nodes --privs "Sys.Audit" || pveum role modify lessor-nodes --privs "Sys.Audit"
    pveum role add lessor-pool --privs "Pool.Allocate,Pool.Audit" || pveum role modify lessor-pool --privs "Pool.Allocate,Pool.Audit"
    pveum role add lessor-sdn --privs "SDN.Allocate" || pveum role modify lessor-sdn --privs "SDN.Allocate"
    pveum role add lessor-sdn-zones-tenants --privs "SDN.Allocate,SDN.Audit,SDN.Use" || pveum role modify lessor-sdn-zones-tenants --privs "SDN.Allocate,SDN.Audit,SDN.Use"
    pveum role add lessor-storage-local-lvm --privs "Datastore.AllocateSpace,Datastore.Audit" || pveum role modify lessor-storage-local-lvm --privs "Datastore.AllocateSpace,Datastore.Audit"
    pveum role add lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt" || pveum role modify lessor-vms --privs "VM.Allocate,VM.Audit,VM.Clone,VM.Config.CDROM,VM.Config.CPU,VM.Config.Cloudinit,VM.Config.Disk,VM.Config.Memory,VM.Config.Network,VM.Config.Options,VM.PowerMgmt"
    pveum acl modify /nodes --users lessor@pve --roles lessor-nodes
    pveum acl modify /pool --users lessor@pve --roles lessor-pool
    pveum acl modify /sdn --users lessor@pve --roles lessor-sdn
    pveum acl modify /sdn/zones/tenants --users lessor@pve --roles lessor-sdn-zones-tenants
    pveum acl modify /storage/local-lvm --users lessor@pve --roles lessor-storage-local-lvm
    pveum acl modify /vms --users lessor@pve --roles lessor-vms
    pveum user token add lessor@pve lessor --privsep 0
    # The last one shows a `value`, this once. One line in `keys/fra.token`, from the spec directory:
    #   lessor@pve!lessor=VALUE
    exit 0
    "#);
}

#[test]
fn who_declares_no_cluster_cannot_be_told_how_it_lets_us_in() {
    assert_snapshot!(Shop::new(WEB).lessor("doctor --bootstrap proxmox"), @"
    err| error: `.` declares no cluster of Proxmox VE
    err|   hint: write an entry such as `[proxmox.ams]` first: its nodes, its storage and its networks say which rights are needed
    exit 1
    ");
    assert_snapshot!(Shop::new("[proxmox.ams]\n").lessor("doctor --bootstrap proxmox"), @r#"
    err| error[E0303]: `proxmox.ams` has no `endpoint`
    err|  --> web.toml:1:10
    err|   |
    err| 1 | [proxmox.ams]
    err|   |          ^^^
    err|   |
    err|   = hint: add a line such as `endpoint = "https://host"`
    err| 
    err| error[E0303]: `proxmox.ams` has no `nodes`
    err|  --> web.toml:1:10
    err|   |
    err| 1 | [proxmox.ams]
    err|   |          ^^^
    err|   |
    err|   = hint: add a line such as `nodes = […]`
    err| 
    err| error[E0303]: `proxmox.ams` has no `storage`
    err|  --> web.toml:1:10
    err|   |
    err| 1 | [proxmox.ams]
    err|   |          ^^^
    err|   |
    err|   = hint: add a line such as `storage = "local-lvm"`
    err| 
    err| error[E0303]: `proxmox.ams` has no `token`
    err|  --> web.toml:1:10
    err|   |
    err| 1 | [proxmox.ams]
    err|   |          ^^^
    err|   |
    err|   = hint: add a line such as `token = "secret://env/NAME"`
    err| 
    err| error[E0303]: `proxmox.ams` has no `vmid_range`
    err|  --> web.toml:1:10
    err|   |
    err| 1 | [proxmox.ams]
    err|   |          ^^^
    err|   |
    err|   = hint: add a line such as `vmid_range = "200-299"`
    err| error: `.` has 5 problems; nothing was done
    exit 1
    "#);
    let ran = Shop::new(CLUSTERS).lessor("doctor --bootstrap proxmox --format json");
    assert_eq!(ran.code, 64, "{ran}");
}

#[test]
fn a_database_that_git_would_keep_is_a_warning() {
    let shop = Shop::new(WEB);
    let git = Command::new("git").args(["init", "--quiet"]).arg(shop.dir()).status();
    assert!(git.is_ok_and(|status| status.success()), "git is needed");

    let ran = shop.lessor("doctor");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("hint: add a line `.lessor/` to `.gitignore`"), "{ran}");

    shop.write(".gitignore", ".lessor/\n");
    let ran = shop.lessor("doctor");
    assert!(ran.stdout.contains("`.lessor/` is ignored"), "{ran}");
}

#[test]
fn the_json_keeps_to_its_published_schema() {
    let schema: Value = {
        let ran = Shop::new(WEB).lessor("schema --of doctor");
        assert_eq!(ran.code, 0);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let schema = jsonschema::validator_for(&schema).unwrap();
    for specs in [WEB, RENT, "[docker", "[docker.far]\nendpoint = \"unix:///nowhere\"\n"] {
        let ran = Shop::new(specs).lessor("doctor --format json");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        schema.validate(&report).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        assert_eq!(report["format_version"], 1);
        let verdicts = report["checks"].as_array().unwrap().iter().map(|check| &check["verdict"]);
        let worst = if verdicts.clone().any(|verdict| verdict == "fail") {
            1
        } else if verdicts.clone().any(|verdict| verdict == "unseen") {
            6
        } else {
            0
        };
        assert_eq!(ran.code, worst, "{ran}");
    }
}
