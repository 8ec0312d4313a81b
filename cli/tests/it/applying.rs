//! Acting: `apply` and `destroy`, and what the gate holds.

use assert_cmd::Command;
use insta::assert_snapshot;

use crate::support::{NOTHING, Shop, WEB};

/// A host with so many containers.
fn containers(names: &[&str]) -> String {
    let entry = |name: &&str| format!("[container.{name}]\nimage = \"app:1\"\n");
    NOTHING.to_owned() + &names.iter().map(entry).collect::<String>()
}

/// Two instances of one tenant.
const TENANT: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image.app.container]
ref = "app:1"
[offer.small]
images = ["app"]
price = {}
container = { cpu = "1", memory = "1GiB" }
[tenant.acme]
[policy.gate]
removals = 100
"#;
const INSTANCES: &str =
    "[instance.\"acme/a\"]\noffer = \"small\"\n[instance.\"acme/b\"]\noffer = \"small\"\n";

#[test]
fn apply_makes_it_so_and_then_there_is_nothing_to_do() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("apply --yes"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| 4 of 4 steps done
    exit 0
    ");
    assert_snapshot!(shop.host().join(", "), @"network front, volume content, container web");
    let before = shop.read("host.json");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
    assert_eq!(shop.read("host.json"), before);
    assert_snapshot!(shop.files().join(" "), @".lessor host.json host.json.lock lessor.toml web.toml");
}

#[test]
fn with_nobody_to_ask_nothing_is_done() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("apply"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| error: nobody is there to ask; nothing was done
    err|   hint: to agree beforehand, run `lessor apply --yes`
    exit 1
    ");
    assert!(!shop.path("host.json").exists());
}

/// Runs the command on a terminal, where somebody types an answer.
fn answered(shop: &Shop, answer: &str) -> (i32, String) {
    let lessor = env!("CARGO_BIN_EXE_lessor");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("{lessor} apply"), "/dev/null"])
        .current_dir(shop.dir())
        .write_stdin(answer)
        .output()
        .unwrap();
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), screen)
}

#[test]
fn somebody_who_says_no_is_heard_and_a_script_stops() {
    let shop = Shop::new(WEB);
    let (code, screen) = answered(&shop, "n\n");
    assert_eq!(code, 1, "{screen}");
    assert!(
        screen.contains("Make it so? [y/N]") && screen.contains("nothing was done"),
        "{screen}"
    );
    assert!(!shop.path("host.json").exists());
    let (code, screen) = answered(&shop, "y\n");
    assert_eq!(code, 0, "{screen}");
    assert_eq!(shop.host().len(), 3);
}

#[test]
fn with_nothing_to_do_nobody_is_asked() {
    let shop = Shop::applied(WEB);
    assert_eq!(shop.lessor("apply").code, 0);
}

#[test]
fn many_removals_are_held_until_somebody_agrees_to_as_many() {
    let shop = Shop::applied(&containers(&["a", "b", "c"]));
    shop.write("web.toml", containers(&["a"]));
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - container.b  local     no longer declared
    - container.c  local     no longer declared
    2 to remove. No data is destroyed.
    err| held[E1101]: the plan removes 2 of 3 things, and more than 1 at once needs consent (rule `removals`)
    err|   hint: to agree, run `lessor apply --yes --allow-removals 2`
    exit 3
    ");
    assert_eq!(shop.host().len(), 3);
    // Fewer are not enough, and the hint says it anew rather than twice.
    assert_snapshot!(shop.lessor("apply --yes --allow-removals 1"), @"
    - container.b  local     no longer declared
    - container.c  local     no longer declared
    2 to remove. No data is destroyed.
    err| held[E1101]: the plan removes 2 of 3 things, and more than 1 at once needs consent (rule `removals`)
    err|   hint: to agree, run `lessor apply --yes --allow-removals 2`
    exit 3
    ");
    let ran = shop.lessor("apply --yes --allow-removals 2");
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(shop.host(), ["container a"]);
}

#[test]
fn one_removal_needs_no_consent() {
    let shop = Shop::applied(&containers(&["a", "b"]));
    shop.write("web.toml", containers(&["a"]));
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - container.b  local     no longer declared
    1 to remove. No data is destroyed.
    err| 1 of 1 steps done
    exit 0
    ");
}

#[test]
fn a_rule_is_answered_by_its_name() {
    let shop = Shop::applied(&containers(&["a", "b", "c"]));
    shop.write("web.toml", containers(&["a"]));
    assert_eq!(shop.lessor("apply --yes --allow removals").code, 0);
}

#[test]
fn a_policy_lets_more_pass() {
    let shop = Shop::applied(&containers(&["a", "b", "c"]));
    shop.write("web.toml", containers(&["a"]) + "[policy.gate]\nremovals = 2\n");
    assert_eq!(shop.lessor("apply --yes").code, 0);
}

#[test]
fn a_directory_that_is_suddenly_empty_is_held_and_the_hint_answers_every_rule() {
    let shop = Shop::applied(&containers(&["a", "b"]));
    shop.write("web.toml", "[docker.local]\nendpoint = \"memory:host.json\"\n");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - container.a  local     no longer declared
    - container.b  local     no longer declared
    2 to remove. No data is destroyed.
    err| held[E1101]: the plan removes 2 of 2 things, and more than 1 at once needs consent (rule `removals`)
    err| held[E1103]: no spec declares anything, and what is there would go: 2 things (rule `empty`)
    err|   hint: to agree, run `lessor apply --yes --allow-removals 2 --allow empty`
    exit 3
    ");
    // What was agreed to already is not forgotten.
    assert_snapshot!(shop.lessor("apply --yes --allow-removals 2"), @"
    - container.a  local     no longer declared
    - container.b  local     no longer declared
    2 to remove. No data is destroyed.
    err| held[E1103]: no spec declares anything, and what is there would go: 2 things (rule `empty`)
    err|   hint: to agree, run `lessor apply --yes --allow-removals 2 --allow empty`
    exit 3
    ");
    assert_eq!(shop.lessor("apply --yes --allow-removals 2 --allow empty").code, 0);
    assert_eq!(shop.host().len(), 0);
}

#[test]
fn a_tenant_that_would_lose_several_instances_is_held() {
    let shop = Shop::applied(&format!("{TENANT}{INSTANCES}"));
    shop.write("web.toml", TENANT);
    assert_snapshot!(shop.lessor("apply --yes"), @"
    - bridge.tenants/acme  local     no longer declared
    - instance.acme/a      local     no longer declared
    - instance.acme/b      local     no longer declared
    3 to remove. No data is destroyed.
    err| held[E1104]: `tenant.acme` loses 2 instances at once (rule `tenant`)
    err|   hint: to agree, run `lessor apply --yes --allow tenant`
    exit 3
    ");
    assert_eq!(shop.lessor("apply --yes --allow tenant").code, 0);
}

#[test]
fn destroy_leaves_data_and_asks_about_the_rest() {
    let shop = Shop::applied(WEB);
    assert_snapshot!(shop.lessor("destroy --yes"), @"
    - container.web   local     no longer declared
    - network.front   local     no longer declared
    ? volume.content  local     no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    err| held[E1101]: the plan removes 2 of 3 things, and more than 1 at once needs consent (rule `removals`)
    err|   hint: to agree, run `lessor destroy --yes --allow-removals 2`
    exit 3
    ");
    assert_snapshot!(shop.lessor("destroy --yes --allow-removals 2"), @"
    - container.web   local     no longer declared
    - network.front   local     no longer declared
    ? volume.content  local     no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    err| 2 of 2 steps done
    exit 0
    ");
    assert_eq!(shop.host(), ["volume content"]);
    assert_snapshot!(shop.lessor("destroy --yes"), @"
    ? volume.content            no longer declared; its data is kept until DATE
          hint: declare it again to take it back, or `lessor apply --destroy-data volume.content` to end it now
    In sync: nothing is there but what is kept; 1 note.
    exit 0
    ");
    assert_snapshot!(shop.lessor("destroy --yes --destroy-data volume.content"), @"
    - volume.content  local     its data is given up  its data is destroyed
    1 to remove. Data is destroyed.
    err| 1 of 1 steps done
    exit 0
    ");
    assert_eq!(shop.host().len(), 0);
    assert_snapshot!(shop.lessor("destroy --yes"), @"
    In sync: nothing is there, as declared.
    err| no step to do; what is declared and kept is remembered
    exit 0
    ");
}

#[test]
fn destroy_takes_data_along_that_is_given_up_by_name() {
    let shop = Shop::applied(WEB);
    let ran = shop.lessor("destroy --yes --allow-removals 3 --destroy-data volume.content");
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(shop.host().len(), 0);
}

#[test]
fn a_step_that_fails_leaves_the_rest_for_the_next_apply() {
    let shop = Shop::applied(WEB);
    // Somebody else's container sits in our network.
    shop.edit_host(|things| {
        let web = things.iter().find(|thing| !thing["body"]["container"].is_null()).unwrap();
        let mut other = web.clone();
        other["id"] = 99.into();
        other["mark"] = serde_json::json!({});
        other["body"]["container"]["name"] = "theirs".into();
        other["body"]["container"]["mounts"] = serde_json::json!({});
        things.push(other);
    });
    shop.write("web.toml", NOTHING);
    assert_snapshot!(shop.lessor("apply --yes --allow-removals 2"), @"
    - container.web   local     no longer declared
    - network.front   local     no longer declared
    ? volume.content  local     no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    err| error: step 2 (`network.front`, delete) failed
    err|   caused by: network `front` is in use by container `theirs`
    err| 1 of 2 steps done, 1 failed
    err|   hint: run `lessor apply --yes --allow-removals 2` again, it goes on from there
    exit 5
    ");
    shop.edit_host(|things| things.retain(|thing| thing["id"] != 99));
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.host(), ["volume content"]);
}
