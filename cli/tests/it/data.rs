//! Data and names outlive the entries that declared them.

use insta::assert_snapshot;

use crate::support::{NOTHING, Shop, WEB};

/// A volume on a host.
const VOLUME: &str =
    "[docker.local]\nendpoint = \"memory:host.json\"\n[location.par1]\n[volume.orders]\n";

#[test]
fn data_that_nobody_declares_any_more_is_kept_until_it_is_named_again() {
    let shop = Shop::applied(VOLUME);
    shop.write("web.toml", NOTHING);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    ? volume.orders  local     no longer declared; its data is kept for 7d
    1 to keep. No data is destroyed.
    exit 2
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    ? volume.orders  local     no longer declared; its data is kept for 7d
    1 to keep. No data is destroyed.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    ? volume.orders            no longer declared; its data is kept until DATE
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.orders` to end it now
    In sync: nothing is there but what is kept; 1 note.
    exit 0
    ");
    assert_eq!(shop.host(), ["volume orders"]);
    shop.write("web.toml", VOLUME);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 1 thing is as declared.
    exit 0
    ");
}

#[test]
fn what_was_taken_back_is_kept_anew_the_next_time() {
    let shop = Shop::applied(VOLUME);
    shop.write("web.toml", format!("{NOTHING}[policy.retention]\nkeep = \"0s\"\n"));
    shop.lessor("apply --yes");
    shop.write("web.toml", VOLUME);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    // The date of the first time is past, and must not count.
    shop.write("web.toml", NOTHING);
    assert_snapshot!(shop.lessor("plan"), @"
    ? volume.orders  local     no longer declared; its data is kept for 7d
    1 to keep. No data is destroyed.
    exit 0
    ");
}

#[test]
fn data_that_was_kept_for_long_enough_goes_once_somebody_agrees() {
    let shop = Shop::applied(VOLUME);
    shop.write("web.toml", format!("{NOTHING}[policy.retention]\nkeep = \"0s\"\n"));
    assert_snapshot!(shop.lessor("apply --yes"), @"
    ? volume.orders  local     no longer declared; its data is kept for 0s
    1 to keep. No data is destroyed.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan"), @"
    - volume.orders  local     its data was kept until DATE  its data is destroyed
    1 to remove. Data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - volume.orders  local     its data was kept until DATE  its data is destroyed
    1 to remove. Data is destroyed.
    err| held[E1102]: the plan destroys the data of `volume.orders` (rule `data`)
    err|   hint: to agree, run `lessor apply --yes --destroy-data volume.orders`
    exit 3
    ");
    assert_eq!(shop.host(), ["volume orders"]);
    assert_eq!(shop.lessor("apply --yes --destroy-data volume.orders").code, 0);
    assert_eq!(shop.host().len(), 0);
}

#[test]
fn a_policy_lets_data_go_by_itself() {
    let shop = Shop::applied(VOLUME);
    shop.write(
        "web.toml",
        format!("{NOTHING}[policy.retention]\nkeep = \"0s\"\ndestroy = \"auto\"\n"),
    );
    shop.lessor("apply --yes");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.host().len(), 0);
}

#[test]
fn data_is_given_up_at_once_when_somebody_says_so() {
    let shop = Shop::applied(VOLUME);
    shop.write("web.toml", NOTHING);
    assert_snapshot!(shop.lessor("plan --destroy-data volume.orders"), @"
    - volume.orders  local     its data is given up  its data is destroyed
    1 to remove. Data is destroyed.
    exit 0
    ");
    assert_eq!(shop.lessor("apply --yes --destroy-data volume.orders").code, 0);
    assert_eq!(shop.host().len(), 0);
}

#[test]
fn renamed_entries_cost_nothing() {
    let shop = Shop::applied(WEB);
    let before = shop.read("host.json");
    shop.change("[container.web]", "[container.site]\nmoved = [\"container.web\"]");
    shop.change("[volume.content]", "[volume.html]\nmoved = [\"volume.content\"]");
    shop.change("volume = \"content\"", "volume = \"html\"");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    In sync: 3 things are as declared.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
    assert_eq!(shop.read("host.json"), before);
    assert_snapshot!(shop.lessor("show"), @"
    container.site  local     web      in sync   running  nginx:1.27  memory 128MiB
    network.front   local     front    in sync   subnet 100.64.0.0/24
    volume.html     local     content  in sync
    3 things
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain container.site"), @"
    container.site
      declared   web.toml:7:12
      made of    docker.local  web.toml:2:9  the only connection
      present    docker.local, as container `web`, made as container.web
      has        image                nginx:1.27      container.site, web.toml:9:9
                 memory               128MiB          container.site, web.toml:12:10
                 mounts./data.volume  content         container.site, web.toml:11:11
                 name                 web             from the address it was made as
                 networks             [front]         container.site, web.toml:10:12
                 no_new_privileges    true            always
                 restart              unless-stopped  default, container.site has no `restart`
                 running              true            always
      needs      image.local/nginx:1.27, network.front, volume.html
      applied    DATE by run RUN
      history    DATE create done, step 4 of run RUN
      plan       nothing to do
    exit 0
    ");
}

#[test]
fn a_rename_without_a_word_is_guessed_in_a_hint() {
    let shop = Shop::applied(VOLUME);
    shop.change("[volume.orders]", "[volume.sales]");
    assert_snapshot!(shop.lessor("plan"), @r#"
    + volume.sales   local     new
    ? volume.orders  local     no longer declared; its data is kept for 7d
          hint: if it is called `volume.sales` now, write `moved = ["volume.orders"]` there, and it stays
    1 to add, 1 to keep. No data is destroyed.
    exit 0
    "#);
    shop.write("web.toml", WEB);
    shop.lessor("apply --yes");
    shop.change("[container.web]", "[container.site]");
    assert_snapshot!(shop.lessor("plan --target container.*"), @r#"
    + container.site  local     new
    - container.web   local     no longer declared, and `container.site` is the same
          hint: if it is called `container.site` now, write `moved = ["container.web"]` there, and it stays
    ? volume.orders             no longer declared; its data is kept until DATE
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.orders` to end it now
    1 to add, 1 to remove, 1 note. No data is destroyed.
    exit 0
    "#);
}

#[test]
fn what_was_only_renamed_is_held_before_it_is_made_anew() {
    let shop = Shop::applied(WEB);
    shop.change("[container.web]", "[container.site]\nmoved = [\"container.web\"]");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    let before = shop.read("host.json");
    shop.change("\nmoved = [\"container.web\"]", "");
    assert_snapshot!(shop.lessor("apply --yes"), @r#"
    + container.site  local     new
    - container.web   local     no longer declared, and `container.site` is the same
          hint: if it is called `container.site` now, write `moved = ["container.web"]` there, and it stays
    1 to add, 1 to remove. No data is destroyed.
    err| held[E1105]: `container.web` would be removed, and `container.site`, which is the same, be made (rule `rename`)
    err|   hint: to agree, run `lessor apply --yes --allow rename`
    exit 3
    "#);
    assert_eq!(shop.read("host.json"), before);
    assert_eq!(shop.lessor("apply --yes --allow rename").code, 0);
    // What differs in more than its name is another thing.
    shop.change("[container.site]", "[container.page]\nuser = \"app\"");
    assert_eq!(shop.lessor("apply --yes").code, 0);
}

/// An instance with a port.
const RENT: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[port_range.games]
docker = "local"
range = "25565-25570"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image.paper.container]
ref = "paper:1.21"
[offer.small]
images = ["paper"]
price = {}
container = { cpu = "1", memory = "1GiB", disk = "1GiB", ports = [{ range = "games", container = 25565 }] }
[tenant.acme]
[instance."acme/lobby"]
offer = "small"
"#;

#[test]
fn a_renamed_instance_keeps_its_port_and_its_data() {
    let shop = Shop::applied(RENT);
    let before = shop.read("host.json");
    shop.change(
        "[instance.\"acme/lobby\"]",
        "[instance.\"acme/hall\"]\nmoved = [\"instance.acme/lobby\"]",
    );
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    In sync: 3 things are as declared.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
    assert_eq!(shop.read("host.json"), before);
    assert_snapshot!(shop.lessor("show"), @"
    bridge.tenants/acme  local     tenants_acme  in sync   subnet 10.64.0.0/28
    instance.acme/hall   local     acme_lobby    in sync   running  paper:1.21  cpu 1  memory 1GiB  port 25565/tcp
    volume.acme/hall     local     acme_lobby    in sync
    3 things
    exit 0
    ");
    // A second one gets the next port.
    let specs = shop.read("web.toml");
    shop.write("web.toml", format!("{specs}[instance.\"acme/arena\"]\noffer = \"small\"\n"));
    assert_snapshot!(shop.lessor("plan"), @"
    + instance.acme/arena  local     new  port 25566/tcp
    + volume.acme/arena    local     new
    2 to add. No data is destroyed.
    exit 0
    ");
}

#[test]
fn a_port_that_was_given_back_is_given_out_again() {
    let shop = Shop::applied(RENT);
    shop.change("[instance.\"acme/lobby\"]", "[instance.\"acme/hall\"]");
    assert_eq!(shop.lessor("apply --yes --allow-removals 2 --allow rename").code, 0);
    shop.change("[instance.\"acme/hall\"]\noffer = \"small\"", "");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    let specs = shop.read("web.toml");
    shop.write("web.toml", format!("{specs}[instance.\"acme/arena\"]\noffer = \"small\"\n"));
    assert_snapshot!(shop.lessor("plan"), @"
    + bridge.tenants/acme  local     new  subnet 10.64.0.0/28
    + instance.acme/arena  local     new  port 25565/tcp
    + volume.acme/arena    local     new
    ? volume.acme/hall               no longer declared; its data is kept until DATE
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.acme/hall` to end it now
    ? volume.acme/lobby              no longer declared; its data is kept until DATE
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.acme/lobby` to end it now
    3 to add, 2 notes. No data is destroyed.
    exit 0
    ");
}

#[test]
fn losing_the_database_loses_history_and_what_customers_could_have() {
    let shop = Shop::applied(RENT);
    std::fs::remove_dir_all(shop.path(".lessor")).unwrap();
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    + offer.small  catalogue  new
    + tenant.acme  catalogue  new
    2 to add. No data is destroyed.
    exit 2
    ");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    shop.edit_host(|things| things.retain(|thing| thing["body"]["container"].is_null()));
    assert_snapshot!(shop.lessor("plan"), @"
    + instance.acme/lobby  local     new  port 25565/tcp
    1 to add. No data is destroyed.
    exit 0
    ");
}
