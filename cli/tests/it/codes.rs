//! Codes of errors: shown with each, explained on demand, listed on a page.

use insta::assert_snapshot;
use lessor_plans::saved::Saved;
use serde_json::Value;

use crate::support::{Shop, WEB};

#[test]
fn a_code_is_explained_without_looking_at_any_directory() {
    let shop = Shop::new("nonsense");
    let ran = shop.lessor("explain E0402");
    assert_snapshot!(ran, @r#"
    # E0402: an amount of memory or disk cannot be read

    An amount of memory or disk is a whole number with one of the units `B`, `KiB`, `MiB`, `GiB` and
    `TiB`, each 1024 of the one before, in quotes. `GB` and `G` are refused, since some read them as
    1000³ and others as 1024³ bytes.

    ## Wrong

    ```toml
    [docker.local]

    [container.web]
    image = "nginx:1.27"
    memory = "2GB"
    ```

    ## Right

    ```toml
    [docker.local]

    [container.web]
    image = "nginx:1.27"
    memory = "2GiB"
    ```

    ## What to do

    Write the unit out. For a part of one, take the smaller unit: `"1536MiB"`, not `"1.5GiB"`.
    exit 0
    "#);
    for typed in ["e0402", "E402"] {
        assert_eq!(shop.lessor(&format!("explain {typed}")).stdout, ran.stdout, "{typed}");
    }
}

#[test]
fn a_code_there_is_not_names_the_nearest() {
    let shop = Shop::new("");
    assert_snapshot!(shop.lessor("explain E0310"), @"
    err| error: there is no code `E0310`
    err|   hint: the nearest is `E0309`: a text holds a NUL character
    exit 1
    ");
    assert_snapshot!(shop.lessor("explain 0310"), @"
    err| error: invalid value '0310' for '<SUBJECT>': expected an address such as `container.web`, or a code such as `E0303`
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
}

/// Two hosts, so that an instance may come to either, with room for one network on each.
const TIGHT: &str = r#"
[docker.a]
endpoint = "memory:a.json"
[docker.b]
endpoint = "memory:b.json"
[bridge.a]
docker = "a"
supernet = "10.0.0.0/28"
per_tenant_prefix = 28
[bridge.b]
docker = "b"
supernet = "10.0.1.0/28"
per_tenant_prefix = 28
[port_range.game]
docker = "a"
range = "25565"
[image.game.container]
ref = "game:1"
[offer.small]
images = ["game"]
price = {}
container = { cpu = "1", memory = "64MiB" }
[offer.open]
images = ["game"]
price = {}
container = { cpu = "1", memory = "64MiB", ports = [{ range = "game", container = 25565 }] }
[tenant.acme]
[tenant.globex]
"#;

#[test]
fn a_bridge_or_a_range_that_is_used_up_is_said_before_anything_runs() {
    let instances = |first: &str, second: &str, offer: &str| {
        [first, second].map(|name| format!("[instance.{name:?}]\noffer = {offer:?}\n")).concat()
    };
    let shop = Shop::new(&(TIGHT.to_owned() + &instances("acme/one", "globex/one", "small")));
    assert_snapshot!(shop.lessor("plan"), @"
    + bridge.a/acme        a         new  subnet 10.0.0.0/28
    + image.a/game:1       a         new
    + instance.acme/one    a         new
    + offer.open           catalogue  new
    + offer.small          catalogue  new
    + tenant.acme          catalogue  new
    + tenant.globex        catalogue  new
    ? instance.globex/one            cannot be done[E1003]: `bridge.a` has no network left for `tenant.globex`
          hint: make room, or remove the entry
    7 to add, 1 problem. No data is destroyed.
    exit 1
    ");
    let shop = Shop::new(&(TIGHT.to_owned() + &instances("acme/one", "acme/two", "open")));
    assert_snapshot!(shop.lessor("plan"), @"
    + bridge.a/acme      a         new  subnet 10.0.0.0/28
    + image.a/game:1     a         new
    + instance.acme/one  a         new  port 25565/tcp
    + offer.open         catalogue  new
    + offer.small        catalogue  new
    + tenant.acme        catalogue  new
    + tenant.globex      catalogue  new
    ? instance.acme/two            cannot be done[E1004]: `port_range.game` has no port left
          hint: make room, or remove the entry
    7 to add, 1 problem. No data is destroyed.
    exit 1
    ");
}

#[test]
fn what_cannot_go_yet_keeps_its_port() {
    let shop = Shop::applied(
        r#"
[docker.far]
endpoint = "memory:far.json"
[docker.local]
endpoint = "memory:host.json"
[container.web]
docker = "local"
image = "nginx:1.27"
ports = [{ host = 8080, container = 80 }]
"#,
    );
    shop.change("[container.web]", "[container.site]");
    shop.write("far.json", "nonsense");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    + container.site  local     new  port 8080/tcp
    ? container.site            cannot be done[E1008]: port 8080/tcp on `docker.local` is still held by `container.web`
    ? removals                  nothing is removed while something cannot be seen; 1 thing waits
    ? docker.far  could not see anything: `far.json` is not a pretend host: expected ident at line 1 column 2
          hint: restore the file, or remove it to begin with an empty host
    1 to add, 1 problem, 1 note. 1 place could not be seen. No data is destroyed.
    err| error: the plan cannot be carried out; nothing was done
    exit 1
    ");
}

#[test]
fn programs_and_saved_plans_carry_the_code() {
    let shop = Shop::new(WEB);
    let ran = shop.lessor("plan --target container.wbe --format json -o a.plan");
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["lines"][0]["code"], "E1001", "{ran}");
    assert!(shop.lessor("show a.plan").stdout.contains("cannot be done[E1001]: "));
}

#[test]
fn a_plan_that_has_outlived_its_date_is_not_applied() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    let mut saved = Saved::from_json(&shop.read("a.plan")).unwrap();
    saved.plan.valid_until = Some("2020-02-02T02:02:02Z".parse().unwrap());
    shop.write("a.plan", saved.to_json());
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error[E1202]: the plan was valid until DATE, when something fell due
    err|   hint: run `lessor plan` again
    exit 4
    ");
    assert!(!shop.path("host.json").exists());
}
