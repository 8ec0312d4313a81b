//! Looking: `plan`, `show` and the published schemas.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{NOTHING, RENT, Shop, WEB};

#[test]
fn a_first_plan_shows_everything_and_touches_nothing() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("plan"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.files().join(" "), @"lessor.toml web.toml");
}

#[test]
fn an_exit_code_tells_a_script_whether_anything_differs() {
    let shop = Shop::new(WEB);
    assert_eq!(shop.lessor("plan").code, 0);
    assert_eq!(shop.lessor("plan --detailed-exitcode").code, 2);
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
}

#[test]
fn where_nothing_is_wanted_and_nothing_is_there_all_is_well() {
    let shop = Shop::new(NOTHING);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: nothing is there, as declared.
    exit 0
    ");
    assert_snapshot!(shop.lessor("show"), @"
    0 things
    exit 0
    ");
}

#[test]
fn changes_are_shown_with_their_reason() {
    let shop = Shop::applied(WEB);
    shop.change("128MiB", "256MiB");
    assert_snapshot!(shop.lessor("plan"), @"
    ~ container.web  local     memory changed
          memory: 128MiB → 256MiB
    1 to change. No data is destroyed.
    exit 0
    ");
    shop.change("nginx:1.27", "nginx:1.28");
    assert_snapshot!(shop.lessor("plan"), @"
    ± container.web           local     image and memory changed, replaced
          image: nginx:1.27 → nginx:1.28
          memory: 128MiB → 256MiB
    + image.local/nginx:1.28  local     new
    1 to add, 1 to replace. No data is destroyed.
    exit 0
    ");
}

#[test]
fn a_selection_takes_what_it_needs_along_and_says_what_it_leaves_out() {
    let shop = Shop::new(&format!("{WEB}[container.other]\nimage = \"other:1\"\n"));
    assert_snapshot!(shop.lessor("plan --target container.web"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add, 2 left out by the selection. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan --exclude container.web --exclude volume.*"), @"
    + container.other         local     new
    + image.local/nginx:1.27  local     new
    + image.local/other:1     local     new
    + network.front           local     new
    4 to add, 2 left out by the selection. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply --yes --target container.other"), @"
    + container.other      local     new
    + image.local/other:1  local     new
    2 to add, 4 left out by the selection. No data is destroyed.
    err| 2 of 2 steps done
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan --target container.other --detailed-exitcode"), @"
    Nothing differs in what was selected; 4 left out by the selection.
    exit 0
    ");
    assert_eq!(shop.lessor("plan --target docker.local --detailed-exitcode").code, 2);
}

#[test]
fn a_selector_that_selects_nothing_is_a_slip_of_the_pen() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("plan --target container.wbe"), @"
    ? selection            cannot be done[E1001]: `container.wbe` selects nothing
          hint: name what `lessor plan` or `lessor show` lists, or a connection
    Nothing differs beside what is wrong; 4 left out by the selection, 1 problem.
    exit 1
    ");
    assert_snapshot!(shop.lessor("apply --yes --exclude volume.contents"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    ? selection                         cannot be done[E1001]: `volume.contents` selects nothing
          hint: name what `lessor plan` or `lessor show` lists, or a connection
    4 to add, 1 problem. No data is destroyed.
    err| error: the plan cannot be carried out; nothing was done
    exit 1
    ");
    assert!(!shop.path("host.json").exists());
    // A host with nothing on it is something all the same.
    assert_eq!(Shop::new(NOTHING).lessor("plan --target docker.local").code, 0);
}

#[test]
fn json_follows_its_published_schema() {
    let shop = Shop::new(&format!(
        "{WEB}{}",
        RENT.replace("[docker.local]\nendpoint = \"memory:host.json\"", "")
    ));
    let schema: Value = serde_json::from_str(&shop.lessor("schema --of plan").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let hold = |args: &str| {
        let ran = shop.lessor(args);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{args}: {errors:?}");
        document
    };
    assert_eq!(hold("plan --format json")["kind"], "plan");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(hold("plan --format json")["lines"], Value::Array(Vec::new()));
    shop.change("nginx:1.27", "nginx:1.28");
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    shop.edit_host(|things| things[0]["mark"]["lessor.name"] = "other".into());
    let drift = hold("drift --format json");
    assert_eq!(drift["kind"], "drift");
    assert!(drift["lines"].as_array().unwrap().len() > 3, "{drift}");
    shop.write("host.json", "garbage");
    assert_eq!(hold("plan --format json")["summary"]["unseen"], 1);
    shop.lessor("plan -o a.plan");
    assert_eq!(hold("show a.plan --format json")["kind"], "plan");
}

#[test]
fn one_look_is_written_in_several_forms() {
    let shop = Shop::new(WEB);
    let ran = shop.lessor("plan --output json=plan.json --output human=plan.txt");
    assert_eq!(ran.code, 0);
    assert_eq!(shop.read("plan.txt"), ran.stdout);
    let document: Value = serde_json::from_str(&shop.read("plan.json")).unwrap();
    assert_eq!(document["summary"]["add"], 4);
    assert_snapshot!(shop.lessor("plan --output json=no/such/dir/plan.json"), @"
    err| error: could not write `no/such/dir/plan.json`
    err|   caused by: No such file or directory (os error 2)
    exit 1
    ");
}

#[test]
fn the_schema_of_specs_accepts_an_example_and_refuses_a_wrong_field() {
    let shop = Shop::new(WEB);
    let schema: Value = serde_json::from_str(&shop.lessor("schema").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document = |text: &str| -> Value { toml::from_str(text).unwrap() };
    assert!(validator.is_valid(&document(RENT)));
    assert!(!validator.is_valid(&document(&WEB.replace("memory =", "memroy ="))));
    assert!(!validator.is_valid(&document(&WEB.replace("128MiB", "128MB"))));
}

#[test]
fn show_lists_what_is_there_and_in_which_condition() {
    let shop = Shop::applied(RENT);
    assert_snapshot!(shop.lessor("show"), @"
    bridge.tenants/acme  local     tenants_acme  in sync   subnet 10.64.0.0/28
    instance.acme/lobby  local     acme_lobby    in sync   running  paper:1.21  cpu 1  memory 1GiB  port 25565/tcp
    volume.acme/lobby    local     acme_lobby    in sync
    3 things
    exit 0
    ");
    shop.change("1GiB\", disk", "2GiB\", disk");
    assert_snapshot!(shop.lessor("show"), @"
    bridge.tenants/acme  local     tenants_acme  in sync   subnet 10.64.0.0/28
    instance.acme/lobby  local     acme_lobby    differs   running  paper:1.21  cpu 1  memory 1GiB  port 25565/tcp
    volume.acme/lobby    local     acme_lobby    in sync
    3 things
    exit 0
    ");
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    assert_snapshot!(shop.lessor("show"), @"
    bridge.tenants/acme  local     tenants_acme  unwanted  subnet 10.64.0.0/28
    instance.acme/lobby  local     acme_lobby    unwanted  running  paper:1.21  cpu 1  memory 1GiB  port 25565/tcp
    volume.acme/lobby    local     acme_lobby    in sync
    3 things
    exit 0
    ");
    let document: Value = serde_json::from_str(&shop.lessor("show --format json").stdout).unwrap();
    assert_eq!(document["things"][0]["address"], "bridge.tenants/acme");
}

#[test]
fn what_cannot_be_done_is_said_by_the_plan_and_refused_by_apply() {
    let shop = Shop::applied(
        "[docker.local]\nendpoint = \"memory:host.json\"\n[network.web]\nsubnet = \"10.1.0.0/24\"\n",
    );
    shop.write("lessor.toml", "installation = \"somebody-else\"\n");
    std::fs::remove_dir_all(shop.path(".lessor")).unwrap();
    let before = shop.read("host.json");
    assert_snapshot!(shop.lessor("plan"), @"
    + network.web  local     new  subnet 10.1.0.0/24
    ? network.web            cannot be done[E1005]: name `web` on `docker.local` belongs to network `web`, which is not ours
          hint: rename the entry, or remove that one by hand
    ? network.web            cannot be done[E1007]: subnet 10.1.0.0/24 on `docker.local` overlaps network `web`, which is not ours
          hint: choose another subnet, or remove what has it
    1 to add, 2 problems. No data is destroyed.
    exit 1
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    + network.web  local     new  subnet 10.1.0.0/24
    ? network.web            cannot be done[E1005]: name `web` on `docker.local` belongs to network `web`, which is not ours
          hint: rename the entry, or remove that one by hand
    ? network.web            cannot be done[E1007]: subnet 10.1.0.0/24 on `docker.local` overlaps network `web`, which is not ours
          hint: choose another subnet, or remove what has it
    1 to add, 2 problems. No data is destroyed.
    err| error: the plan cannot be carried out; nothing was done
    exit 1
    ");
    assert_eq!(shop.read("host.json"), before);
}
