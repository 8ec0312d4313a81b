//! `lessor pool import`: entries and secrets out of a list of machines.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use crate::support::{Ran, Shop};

/// As ssh writes it: by name, by a digest of the name, at another port, and by a key nobody uses.
const KNOWN_HOSTS: &str = "\
# Machines of the lab.
10.9.0.21,lab-1.example.net ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAJ3DW4wOQ9yAJK8fsc2JMS+ksC28iRYUvo0FFa69QfW lab-1
[10.9.0.22]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1enxRAgXhyoE0Z7KzYk3kuEwJ5bzVCsgt/PrXvzGBd
|1|WxbzfNiGm/wesg+r6U7LWBgKnUI=|un98+2VFLzpeQtdDk+tvsaItB6c= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAJ3DW4wOQ9yAJK8fsc2JMS+ksC28iRYUvo0FFa69QfW
10.9.0.24 ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCT/fV9LLbwyhYC7vU8T9xFV0o/P6g/GbWBjHta9eMeZQifkULaulliF9W5udJ6jqllWjw4gQWdlFw5z9YG1+X7fij7MC3gIj5D4X540Bm8r/2tcAFUqMnqS3epfspVuiC8Y/MQFlDWKZF06grKm86BO5xaFLq0J2wFk9tHSyoxEN2p2s/rDK29Ebx+cFYWSYm1MDNOdH35rF9NRKkFDWOrJZgM23P4hNqbxUHTgyEmL/tn0wfeSCvLhbjO18hCfLO+M7HwwsHsDWtW9sXYJcKDIO7BzU09jtpH0XznwN1T9EHowxSwQbKsrdpxfQmJEYX2t8ztjzTzMa0ez/13Twhr
";

const LIST: &str = "\
# name host port user password
metal-1 10.9.0.21 22 root hunter2

metal-2  10.9.0.22  2222  lab  correct-horse
rack.3 10.9.0.23 22 root #notacomment
";

fn shop() -> Shop {
    let shop = Shop::new("[docker.local]\nendpoint = \"memory:host.json\"\n");
    shop.write("known_hosts", KNOWN_HOSTS);
    shop.write("machines.txt", LIST);
    shop
}

fn import(shop: &Shop, more: &str) -> Ran {
    shop.lessor(&format!("pool import machines.txt --pool metal --known-hosts known_hosts {more}"))
}

/// The files below the secrets, each with its mode and what is in it.
fn secrets(shop: &Shop) -> String {
    let directory = shop.path(".lessor/secrets/machines");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let told = files.iter().map(|file| {
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        format!("{name} {mode:o} {:?}", fs::read_to_string(file).unwrap())
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_list_becomes_entries_and_secrets_once() {
    let shop = shop();
    assert_snapshot!(import(&shop, "--format machines-txt"), @"
    + machine.metal-1  10.9.0.21:22    SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY  new
    + machine.metal-2  10.9.0.22:2222  SHA256:SKMeMZGATRbckFOzvZAOsXtQm8pM93ptEhokuXYAqow  new
    + machine.rack.3   10.9.0.23:22    SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY  new
    3 machines of `pool.metal` in `machines.toml`.
    exit 0
    ");
    assert_snapshot!(shop.read("machines.toml"), @r#"
    #:schema ./lessor.schema.json

    # Machines that already exist, out of a list. `lessor pool import` writes what the list says and leaves
    # what is added here: labels, `cordoned`, or a `key` instead of a password.

    [pool.metal]
    access = "ssh"

    [machine.metal-1]
    pool = "metal"
    host = "10.9.0.21"
    password = "secret://file/.lessor/secrets/machines/metal-1"
    host_key = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY"

    [machine.metal-2]
    pool = "metal"
    host = "10.9.0.22"
    port = 2222
    user = "lab"
    sudo = true
    password = "secret://file/.lessor/secrets/machines/metal-2"
    host_key = "SHA256:SKMeMZGATRbckFOzvZAOsXtQm8pM93ptEhokuXYAqow"

    [machine."rack.3"]
    pool = "metal"
    host = "10.9.0.23"
    password = "secret://file/.lessor/secrets/machines/rack.3"
    host_key = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY"
    "#);
    assert_snapshot!(secrets(&shop), @r##"
    metal-1 600 "hunter2\n"
    metal-2 600 "correct-horse\n"
    rack.3 600 "#notacomment\n"
    "##);
    assert_eq!(shop.read(".lessor/secrets/.gitignore"), "*\n");
    assert_snapshot!(shop.lessor("plan"), @"
    + machine.metal-1  catalogue  new
    + machine.metal-2  catalogue  new
    + machine.rack.3   catalogue  new
    + pool.metal       catalogue  new
    4 to add. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    + machine.metal-1  catalogue  new
    + machine.metal-2  catalogue  new
    + machine.rack.3   catalogue  new
    + pool.metal       catalogue  new
    4 to add. No data is destroyed.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");

    let before = (shop.read("machines.toml"), secrets(&shop));
    assert_snapshot!(import(&shop, ""), @"
      machine.metal-1  10.9.0.21:22    SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY  as it was
      machine.metal-2  10.9.0.22:2222  SHA256:SKMeMZGATRbckFOzvZAOsXtQm8pM93ptEhokuXYAqow  as it was
      machine.rack.3   10.9.0.23:22    SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY  as it was
    3 machines of `pool.metal` in `machines.toml`.
    exit 0
    ");
    assert_eq!((shop.read("machines.toml"), secrets(&shop)), before);
    assert_snapshot!(shop.lessor("plan"), @"
    In sync: nothing is there, as declared.
    exit 0
    ");
}

#[test]
fn every_line_that_is_wrong_is_named_and_nothing_is_changed() {
    let shop = shop();
    shop.write(
        "pools.toml",
        r#"
[image.a.container]
ref = "a:1"
[pool.alpine]
image = "a"
replicas = 1
ports = "2221"
access = "docker-exec"
[pool.other]
access = "ssh"
[machine.metal-9]
pool = "other"
host = "10.9.0.29"
password = "secret://env/PASSWORD"
host_key = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY"
"#,
    );
    shop.write(
        "machines.txt",
        "\
good 10.9.0.21 22 root hunter2
short 10.9.0.22 22 root
long 10.9.0.22 22 root my secret
# comment
_bad_ 10.9.0.22;rm 0 Root hunter2
good 10.9.0.23 22 root hunter2
again 10.9.0.21 22 root hunter2
alpine-02 10.9.0.25 22 root hunter2
metal-9 10.9.0.26 22 root hunter2
same 10.9.0.29 22 root hunter2
",
    );
    let files = shop.files();
    assert_snapshot!(import(&shop, ""), @"
    err| error: 11 things are wrong with `machines.txt`
    err|   machines.txt:2: expected 5 words, `name host port user password`, found 4
    err|   machines.txt:3: expected 5 words, `name host port user password`, found 6
    err|   machines.txt:5: a name holds letters, digits, `-` and `.`; found '_' in `_bad_`
    err|   machines.txt:5: its second word is neither the name nor the address of a host
    err|   machines.txt:5: its third word is no port from 1 to 65535
    err|   machines.txt:5: its fourth word is no name of a user
    err|   machines.txt:6: `good` stands in line 1 already
    err|   machines.txt:7: `10.9.0.21:22` stands in line 1 already
    err|   machines.txt:8: `alpine-02` is called as a machine that `pool.alpine` makes
    err|   machines.txt:9: `machine.metal-9` is declared in another file already
    err|   machines.txt:10: `10.9.0.29:22` is `machine.metal-9` already
    err|   hint: nothing was changed; correct it and run again
    exit 1
    ");
    assert_eq!(shop.files(), files);
}

#[test]
fn a_machine_that_is_known_by_no_key_is_named() {
    let shop = shop();
    shop.write(
        "machines.txt",
        "good 10.9.0.21 22 root hunter2\nrsa 10.9.0.24 22 root hunter2\nnew 10.9.0.21 2222 root hunter2\n",
    );
    let files = shop.files();
    assert_snapshot!(import(&shop, ""), @"
    err| error: 2 things are wrong with `machines.txt`
    err|   machines.txt:2: `known_hosts` knows `10.9.0.24:22` by neither an ed25519 nor an ecdsa key
    err|   machines.txt:3: `known_hosts` has no key for `10.9.0.21:2222`
    err|   hint: nothing was changed; correct it and run again
    exit 1
    ");
    assert_snapshot!(shop.lessor("pool import machines.txt --known-hosts nowhere"), @"
    err| error: could not read `nowhere`
    err|   caused by: No such file or directory (os error 2)
    exit 1
    ");
    assert_snapshot!(shop.lessor("pool import machines.txt").code, @"64");
    assert_eq!(shop.files(), files);
}

#[test]
fn what_was_added_by_hand_stays_and_what_left_the_list_is_named() {
    let shop = shop();
    import(&shop, "");
    let text = shop.read("machines.toml");
    let edited = text
        .replace("pool = \"metal\"\nhost = \"10.9.0.21\"", "# The one with the card.\npool = 'metal'\nhost = \"10.9.0.21\"\nlabels = { gpu = \"yes\" }")
        .replace("password = \"secret://file/.lessor/secrets/machines/metal-2\"", "key = \"secret://file/lab_ed25519\"\ncordoned = true");
    shop.write("machines.toml", &edited);
    shop.write(
        "machines.txt",
        "metal-1 10.9.0.21 22 root another\nmetal-2 10.9.0.22 2222 root correct-horse\n",
    );
    assert_snapshot!(import(&shop, ""), @"
    ~ machine.metal-1  10.9.0.21:22    SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY  another password
      machine.metal-2  10.9.0.22:2222  SHA256:SKMeMZGATRbckFOzvZAOsXtQm8pM93ptEhokuXYAqow  keeps its `key`, and its password is not used
    ? machine.rack.3  not in `machines.txt` any more, and stays
    2 machines of `pool.metal` in `machines.toml`.
    hint: to end one that stays, remove its entry and `lessor apply`
    exit 0
    ");
    assert_snapshot!(shop.read("machines.toml"), @r#"
    #:schema ./lessor.schema.json

    # Machines that already exist, out of a list. `lessor pool import` writes what the list says and leaves
    # what is added here: labels, `cordoned`, or a `key` instead of a password.

    [pool.metal]
    access = "ssh"

    [machine.metal-1]
    # The one with the card.
    pool = 'metal'
    host = "10.9.0.21"
    labels = { gpu = "yes" }
    password = "secret://file/.lessor/secrets/machines/metal-1"
    host_key = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY"

    [machine.metal-2]
    pool = "metal"
    host = "10.9.0.22"
    port = 2222
    key = "secret://file/lab_ed25519"
    cordoned = true
    host_key = "SHA256:SKMeMZGATRbckFOzvZAOsXtQm8pM93ptEhokuXYAqow"

    [machine."rack.3"]
    pool = "metal"
    host = "10.9.0.23"
    password = "secret://file/.lessor/secrets/machines/rack.3"
    host_key = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY"
    "#);
    assert_snapshot!(secrets(&shop), @r##"
    metal-1 600 "another\n"
    metal-2 600 "correct-horse\n"
    rack.3 600 "#notacomment\n"
    "##);
}

#[test]
fn a_pool_of_another_sort_takes_none_of_them() {
    let shop = shop();
    shop.write("pools.toml", "[pool.metal]\naccess = \"guest-agent\"\n");
    assert_snapshot!(import(&shop, ""), @"
    err| error: the machines of `pool.metal` are not entered over ssh
    err|   hint: name a pool of machines that are: `--pool NAME`
    exit 1
    ");
    shop.write(
        "pools.toml",
        "[pool.metal]\naccess = \"ssh\"\n[offer.lab]\nprice = {}\nmachine = { pools = [] }\n",
    );
    assert_snapshot!(import(&shop, ""), @r#"
    err| error[E0734]: `offer.lab` has no pool to take machines from
    err|  --> pools.toml:5:21
    err|   |
    err| 5 | machine = { pools = [] }
    err|   |                     ^^
    err|   |
    err|   = hint: name a pool: `pools = ["…"]`
    err| error: the spec directory would not be valid with these machines
    err|   hint: nothing was changed; see above
    exit 1
    "#);
    assert!(!shop.path("machines.toml").exists());
}
