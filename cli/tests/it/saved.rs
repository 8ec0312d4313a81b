//! Saved plans: applied exactly as they stand, or not at all.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Shop, WEB};

#[test]
fn a_saved_plan_is_shown_without_the_world_and_applied_as_it_stands() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("plan -o a.plan"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| saved plan ID to `a.plan`
    exit 0
    ");
    // The specs move on; the plan does not.
    shop.change("nginx:1.27", "nginx:1.99");
    let shown = shop.lessor("show a.plan");
    assert_snapshot!(shown, @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("apply a.plan"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| error: nobody is there to ask; nothing was done
    err|   hint: to agree beforehand, run `lessor apply a.plan --yes`
    exit 1
    ");
    let ran = shop.lessor("apply a.plan --yes");
    assert_eq!((ran.code, ran.stdout), (0, shown.stdout));
    assert!(shop.read("host.json").contains("nginx:1.27"));
}

#[test]
fn a_plan_is_found_its_directory_wherever_it_is_called_from() {
    let shop = Shop::new("");
    std::fs::create_dir(shop.path("specs")).unwrap();
    std::fs::create_dir(shop.path("plans")).unwrap();
    shop.write("specs/lessor.toml", "installation = \"test-1\"\n");
    shop.write("specs/web.toml", WEB);
    assert_eq!(shop.lessor("plan specs -o plans/a.plan").code, 0);
    let ran = shop.command("apply a.plan --yes").current_dir(shop.path("plans")).output().unwrap();
    assert!(ran.status.success(), "{}", shop.ran(&ran));
    assert!(shop.path("specs/host.json").exists());
}

#[test]
fn a_plan_is_for_its_own_installation() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    shop.write("lessor.toml", "installation = \"test-2\"\n");
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error[E1205]: the plan was made for installation `test-1`, and `.` is `test-2`
    err|   hint: name the directory it was made for: `--dir DIR`
    exit 1
    ");
}

#[test]
fn a_changed_plan_is_not_trusted() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    let plan = shop.read("a.plan");
    for (from, to) in [
        ("\"memory\": \"128MiB\"", "\"memory\": \"129MiB\""),
        ("memory = \\\"128MiB\\\"", "memory = \\\"129MiB\\\""),
        ("\"revision\": 0", "\"revision\": 1"),
    ] {
        assert!(plan.contains(from), "{from}");
        shop.write("a.plan", plan.replacen(from, to, 1));
        let ran = shop.lessor("apply a.plan --yes");
        assert_eq!(ran.code, 1, "{from}: {ran}");
        assert!(ran.stderr.contains("it was changed after it was made"), "{ran}");
        assert_eq!(shop.lessor("show a.plan").code, 1);
    }
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error[E1204]: `a.plan` is not a plan that can be trusted
    err|   caused by: it was changed after it was made: its id is `ID`, its content has `ID`
    err|   hint: a plan is never edited; make a new one with `lessor plan -o PLANFILE`
    exit 1
    ");
    assert!(!shop.path("host.json").exists());
}

#[test]
fn what_is_no_plan_says_so() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    let plan = shop.read("a.plan");
    shop.write("a.plan", &plan[..plan.len() / 2]);
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error[E1204]: `a.plan` is not a plan that can be trusted
    err|   caused by: it is not a saved plan
    err|   caused by: EOF while parsing an object at line 46 column 3
    err|   hint: `lessor plan -o PLANFILE` saves one
    exit 1
    ");
    shop.write("a.plan", plan.replacen("\"format_version\": 1", "\"format_version\": 2", 1));
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error[E1204]: `a.plan` is not a plan that can be trusted
    err|   caused by: it has format 2, and this lessor reads format 1
    err|   hint: a plan is never edited; make a new one with `lessor plan -o PLANFILE`
    exit 1
    ");
    shop.write("a.plan", "");
    assert_eq!(shop.lessor("apply a.plan --yes").code, 1);
    shop.write("a.plan", b"\xff\xfe");
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    err| error: could not read `a.plan`
    err|   caused by: stream did not contain valid UTF-8
    exit 1
    ");
    // A spec file is easily taken for a plan.
    assert_snapshot!(shop.lessor("apply web.toml --yes"), @"
    err| error[E1204]: `web.toml` is not a plan that can be trusted
    err|   caused by: it is not a saved plan
    err|   caused by: expected value at line 2 column 2
    err|   hint: `lessor plan -o PLANFILE` saves one
    exit 1
    ");
    assert!(!shop.path("host.json").exists());
}

#[test]
fn a_plan_for_a_world_that_moved_names_the_object_and_the_attribute() {
    let shop = Shop::applied(WEB);
    shop.change("128MiB", "256MiB");
    shop.lessor("plan -o a.plan");
    set_web(&shop, "memory", json!("64MiB"));
    let before = shop.read("host.json");
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    ~ container.web  local     memory changed
          memory: 128MiB → 256MiB
    1 to change. No data is destroyed.
    err| error[E1203]: step 1 (`container.web`, update) no longer fits the world
    err|   caused by: its `memory` is `64MiB` now; the plan was made for `128MiB`
    err|   hint: run `lessor plan` again and compare
    err| 0 of 1 steps done, 1 failed
    exit 4
    ");
    assert_eq!(shop.read("host.json"), before);
}

/// A call of a run that was cut off may come late, and do a part of what is planned anew.
#[test]
fn a_plan_holds_for_what_came_nearer_to_what_it_shall_be() {
    let half = "memory = \"128MiB\"\ncpu = \"0.5\"";
    let whole = "memory = \"256MiB\"\ncpu = \"1\"";
    for (case, image, attribute, value, exit) in [
        ("half of an update is done", "nginx:1.27", "memory", json!("256MiB"), 0),
        ("what is replaced was stopped", "nginx:1.99", "running", json!(false), 0),
        ("what is replaced was changed", "nginx:1.99", "memory", json!("64MiB"), 5),
    ] {
        let shop = Shop::applied(&WEB.replace("memory = \"128MiB\"", half));
        shop.change(half, whole);
        shop.change("nginx:1.27", image);
        shop.lessor("plan -o a.plan");
        set_web(&shop, attribute, value);
        let ran = shop.lessor("apply a.plan --yes");
        assert_eq!(ran.code, exit, "{case}: {ran}");
        if exit == 0 {
            assert_eq!(shop.lessor("drift").code, 0, "{case}");
        }
    }
}

#[test]
fn what_was_started_again_is_not_removed_by_an_older_plan() {
    let shop = Shop::applied(WEB);
    set_web(&shop, "running", json!(false));
    shop.write("web.toml", WEB.split_once("[container.web]").unwrap().0);
    shop.lessor("plan -o a.plan");
    set_web(&shop, "running", json!(true));
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    - container.web  local     no longer declared
    1 to remove. No data is destroyed.
    err| error[E1203]: step 1 (`container.web`, delete) no longer fits the world
    err|   caused by: its `running` is `true` now; the plan was made for `false`
    err|   hint: run `lessor plan` again and compare
    err| 0 of 1 steps done, 1 failed
    exit 4
    ");
}

/// Changes the container on its host, as somebody else would.
fn set_web(shop: &Shop, attribute: &str, value: serde_json::Value) {
    shop.edit_host(|things| {
        let web = things.iter_mut().find(|thing| !thing["body"]["container"].is_null());
        web.unwrap()["body"]["container"][attribute] = value;
    });
}

#[test]
fn a_plan_is_stale_once_another_was_applied() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    shop.change("128MiB", "256MiB");
    shop.lessor("apply --yes");
    let before = shop.read("host.json");
    assert_snapshot!(shop.lessor("apply a.plan --yes"), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| error[E1201]: the plan came too late; nothing was done
    err|   caused by: the plan was made for revision 0, and revision 1 is applied by now
    err|   hint: run `lessor plan` again and compare
    exit 4
    ");
    assert_eq!(shop.read("host.json"), before);
}

#[test]
fn a_plan_applied_twice_does_its_work_once() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    assert_eq!(shop.lessor("apply a.plan --yes").code, 0);
    let before = shop.read("host.json");
    let again = shop.lessor("apply a.plan --yes");
    assert_eq!(again.code, 0, "{again}");
    assert_eq!(shop.read("host.json"), before);
}

#[test]
fn a_saved_plan_is_applied_whole() {
    let shop = Shop::new(WEB);
    shop.lessor("plan -o a.plan");
    assert_snapshot!(shop.lessor("apply a.plan --yes --target container.web"), @"
    err| error: a saved plan is applied whole
    err|   hint: select when the plan is made: `lessor plan --target …`
    exit 64
    ");
}

#[test]
fn the_gate_holds_a_saved_plan_too_and_its_hint_works() {
    let shop = Shop::applied(WEB);
    shop.write("web.toml", "[docker.local]\nendpoint = \"memory:host.json\"\n[location.x]\n");
    shop.lessor("plan -o a.plan");
    let held = shop.lessor("apply a.plan --yes");
    assert_snapshot!(held, @"
    - container.web   local     no longer declared
    - network.front   local     no longer declared
    ? volume.content  local     no longer declared; its data is kept for 7d
    2 to remove, 1 to keep. No data is destroyed.
    err| held[E1101]: the plan removes 2 of 3 things, and more than 1 at once needs consent (rule `removals`)
    err|   hint: to agree, run `lessor apply a.plan --yes --allow-removals 2`
    exit 3
    ");
    let hint =
        held.stderr.split("run `lessor ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    assert_eq!(shop.lessor(&hint).code, 0);
}
