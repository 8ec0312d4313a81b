//! The events of a run, one JSON object a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{NOTHING, Ran, Shop, WEB};

/// Every line, held against the published schema.
fn events(shop: &Shop, text: &str) -> Vec<Value> {
    let schema: Value = serde_json::from_str(&shop.lessor("schema --of events").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!validator.is_valid(&serde_json::json!({ "format_version": 1, "event": "danced" })));
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        let errors: Vec<_> = validator.iter_errors(event).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{event}: {errors:?}");
        assert_eq!(event["format_version"], 1);
    }
    events
}

/// Without what differs from run to run.
fn told(events: &[Value]) -> String {
    let lines = events.iter().map(|event| {
        let mut event = event.as_object().unwrap().clone();
        event.remove("format_version");
        assert!(event.remove("at").unwrap().as_str().unwrap().ends_with('Z'));
        for name in ["plan", "apply"] {
            if let Some(id) = event.get_mut(name) {
                *id = "ID".into();
            }
        }
        event.remove("summary");
        Value::Object(event).to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn names(events: &[Value]) -> String {
    let names = events.iter().map(|event| event["event"].as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_is_told_step_by_step() {
    let shop = Shop::new(WEB);
    assert_eq!(shop.lessor("apply --yes --events run.ndjson").code, 0);
    let events = events(&shop, &shop.read("run.ndjson"));
    assert_eq!(events[0]["summary"]["add"], 4);
    assert_snapshot!(told(&events), @r#"
    {"event":"planned","plan":"ID","steps":4}
    {"apply":"ID","catalogue":0,"event":"begun","steps":4}
    {"act":"create","address":"image.local/nginx:1.27","event":"started","place":"local","step":1}
    {"act":"create","address":"image.local/nginx:1.27","event":"finished","place":"local","step":1}
    {"act":"create","address":"network.front","event":"started","place":"local","step":2}
    {"act":"create","address":"network.front","event":"finished","place":"local","step":2}
    {"act":"create","address":"volume.content","event":"started","place":"local","step":3}
    {"act":"create","address":"volume.content","event":"finished","place":"local","step":3}
    {"act":"create","address":"container.web","event":"started","place":"local","step":4}
    {"act":"create","address":"container.web","event":"finished","place":"local","step":4}
    {"event":"ended","exit":0,"outcome":"done","steps":{"blocked":0,"done":4,"failed":0,"stopped":0}}
    "#);
    // With nothing to do, that is told.
    assert_eq!(shop.lessor("apply --yes --events run.ndjson").code, 0);
    assert_snapshot!(told(&self::events(&shop, &shop.read("run.ndjson"))), @r#"
    {"event":"planned","plan":"ID","steps":0}
    {"event":"ended","exit":0,"outcome":"done","steps":{"blocked":0,"done":0,"failed":0,"stopped":0}}
    "#);
}

#[test]
fn on_stdout_there_are_events_alone_and_the_plan_is_on_stderr() {
    let shop = Shop::new(WEB);
    let ran = shop.lessor("apply --yes --events -");
    assert!(names(&events(&shop, &ran.stdout)).ends_with("finished ended"), "{ran}");
    assert!(ran.stderr.contains("+ container.web") && ran.stderr.contains("4 to add."), "{ran}");
}

/// A host on which the network cannot be removed: somebody else's container sits in it.
fn sat_on() -> Shop {
    let shop = Shop::applied(&WEB.replace("[network.front]", "[network.front]\ninternal = false"));
    shop.edit_host(|things| {
        let web = things.iter().find(|thing| !thing["body"]["container"].is_null()).unwrap();
        let mut other = web.clone();
        other["id"] = 99.into();
        other["mark"] = serde_json::json!({});
        other["body"]["container"]["name"] = "theirs".into();
        other["body"]["container"]["mounts"] = serde_json::json!({});
        things.push(other);
    });
    shop
}

#[test]
fn what_failed_and_what_it_held_up_is_told_with_the_exit_code() {
    let shop = sat_on();
    // The container goes; the network would be made again, and the container behind it.
    shop.change("internal = false", "internal = true");
    let ran = shop.lessor("apply --yes --events run.ndjson --allow removals");
    assert_eq!(ran.code, 5, "{ran}");
    assert_snapshot!(told(&events(&shop, &shop.read("run.ndjson"))), @r#"
    {"event":"planned","plan":"ID","steps":4}
    {"apply":"ID","catalogue":0,"event":"begun","steps":4}
    {"act":"delete","address":"container.web","event":"started","place":"local","step":1}
    {"act":"delete","address":"container.web","event":"finished","place":"local","step":1}
    {"act":"delete","address":"network.front","event":"started","place":"local","step":2}
    {"act":"delete","address":"network.front","event":"failed","kind":"failed","place":"local","step":2,"why":"network `front` is in use by container `theirs`"}
    {"act":"create","address":"network.front","event":"blocked","place":"local","step":3}
    {"act":"create","address":"container.web","event":"blocked","place":"local","step":4}
    {"event":"ended","exit":5,"outcome":"partial","steps":{"blocked":2,"done":1,"failed":1,"stopped":0}}
    "#);
}

#[test]
fn held_and_wrong_input_are_told_too() {
    let shop = Shop::applied(WEB);
    shop.write("web.toml", NOTHING);
    let ran = shop.lessor("apply --yes --events run.ndjson");
    assert_eq!(ran.code, 3, "{ran}");
    assert_snapshot!(told(&events(&shop, &shop.read("run.ndjson"))), @r#"
    {"event":"planned","plan":"ID","steps":2}
    {"event":"held","rules":[{"code":"E1101","consent":"--allow-removals 2","rule":"removals","why":"the plan removes 2 of 3 things, and more than 1 at once needs consent"}]}
    {"event":"ended","exit":3,"outcome":"held","steps":{"blocked":0,"done":0,"failed":0,"stopped":0}}
    "#);
    shop.write("web.toml", "[contaner.web]\n");
    assert_eq!(shop.lessor("apply --yes --events run.ndjson").code, 1);
    assert_snapshot!(told(&events(&shop, &shop.read("run.ndjson"))), @r#"{"error":"`.` has 1 problem; nothing was done","event":"ended","exit":1,"outcome":"error","steps":{"blocked":0,"done":0,"failed":0,"stopped":0}}"#);
    let shop = Shop::applied(WEB);
    assert_eq!(shop.lessor("destroy --yes --events run.ndjson --allow-removals 2").code, 0);
    let names = names(&events(&shop, &shop.read("run.ndjson")));
    assert!(names.starts_with("planned begun started"), "{names}");
}

#[test]
fn nothing_is_done_that_nobody_could_watch() {
    let shop = Shop::new(WEB);
    let full = |ran: Ran| {
        assert!(!shop.path("host.json").exists());
        ran
    };
    assert_snapshot!(full(shop.lessor("apply --yes --events no/such/run.ndjson")), @"
    err| error: could not write events to `no/such/run.ndjson`
    err|   caused by: No such file or directory (os error 2)
    exit 1
    ");
    assert_snapshot!(full(shop.lessor("apply --yes --events /dev/full")), @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    err| error: could not write events to `/dev/full`
    err|   caused by: No space left on device (os error 28)
    exit 1
    ");
    shop.lessor("plan -o a.plan");
    let before = shop.read("a.plan");
    assert_eq!(full(shop.lessor("apply a.plan --yes --events ./a.plan")).code, 64);
    assert_eq!(shop.read("a.plan"), before);
}

#[test]
fn a_watcher_that_has_seen_enough_stops_nothing() {
    let shop = Shop::new(WEB);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lessor"));
    command.args(["apply", "--yes", "--events", "-"]).current_dir(shop.dir());
    let child = command.stdout(Stdio::piped()).stderr(File::create(shop.path("log")).unwrap());
    let mut child = child.spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success(), "{}", shop.read("log"));
    assert_eq!(shop.host().len(), 3);
}

#[test]
fn a_watcher_hears_of_every_step_while_it_goes_on() {
    let shop = Shop::applied(WEB);
    shop.change("128MiB", "256MiB");
    assert_eq!(shop.lessor("plan -o a.plan").code, 0);
    let host = shop.read("host.json");
    shop.write("host.json", "garbage");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lessor"));
    command.args(["apply", "a.plan", "--yes", "--events", "-"]).current_dir(shop.dir());
    let child = command.stdout(Stdio::piped()).stderr(File::create(shop.path("log")).unwrap());
    let mut child = child.spawn().unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap() + "\n";
        // The step is tried again for as long as the host is not repaired.
        if line.contains("\"retrying\"") {
            shop.write("host.json", &host);
        }
        text.push_str(&line);
    }
    assert!(child.wait().unwrap().success(), "{}", shop.read("log"));
    let events = events(&shop, &text);
    assert!(names(&events).starts_with("planned begun started retrying"), "{text}");
    assert!(names(&events).ends_with("finished ended"), "{text}");
    let why = events[3]["why"].as_str().unwrap();
    assert!(why.contains("`host.json` is not a pretend host"), "{text}");
}

#[test]
fn the_page_names_every_event() {
    let schema: Value =
        serde_json::from_str(&Shop::new(WEB).lessor("schema --of events").stdout).unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ci.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| event | says |").unwrap();
    let sorts = schema["oneOf"].as_array().unwrap();
    let names = sorts.iter().map(|sort| sort["properties"]["event"]["const"].as_str().unwrap());
    let missing: Vec<_> = names.filter(|name| !table.contains(&format!("`{name}`"))).collect();
    assert!(sorts.len() > 8 && missing.is_empty(), "docs/ci.md says nothing of {missing:?}");
}
