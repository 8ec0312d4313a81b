//! Somebody else's hands: `drift`, for people and for CI.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{NOTHING, Shop, WEB};

fn web(things: &mut [Value]) -> &mut Value {
    things.iter_mut().find(|thing| !thing["body"]["container"].is_null()).unwrap()
}

#[test]
fn as_declared_is_in_sync() {
    let shop = Shop::applied(WEB);
    assert_snapshot!(shop.lessor("drift"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
}

#[test]
fn what_somebody_changed_is_shown_and_set_back() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| web(things)["body"]["container"]["memory"] = "1GiB".into());
    assert_snapshot!(shop.lessor("drift"), @"
    ! container.web  local     memory changed outside, will be set back
          memory: 1GiB → 128MiB
    1 drifted.
    exit 2
    ");
    assert_snapshot!(shop.lessor("plan"), @"
    ! container.web  local     memory changed outside, will be set back
          memory: 1GiB → 128MiB
    1 drifted. No data is destroyed.
    exit 0
    ");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.lessor("drift").code, 0);
}

#[test]
fn what_somebody_removed_is_missing() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| things.retain(|thing| thing["body"]["container"].is_null()));
    assert_snapshot!(shop.lessor("drift"), @"
    ! container.web  local     removed outside, will be made again
    1 drifted.
    exit 2
    ");
}

#[test]
fn what_was_declared_and_not_applied_is_pending() {
    let shop = Shop::applied(WEB);
    shop.change("128MiB", "256MiB");
    assert_snapshot!(shop.lessor("drift"), @"
    ~ container.web  local     memory changed
          memory: 128MiB → 256MiB
    1 to change.
    exit 2
    ");
    assert_eq!(shop.lessor("drift --fail-on changed,missing").code, 0);
}

#[test]
fn a_copy_of_ours_is_noted_and_left_alone() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| {
        let mut copy = web(things).clone();
        copy["id"] = 99.into();
        copy["body"]["container"]["name"] = "web-copy".into();
        things.push(copy);
    });
    assert_snapshot!(shop.lessor("drift"), @"
    ? container `web-copy` on docker.local            its mark was made for `web`, left alone
    In sync: 3 things are as declared; 1 note.
    exit 0
    ");
    assert_eq!(shop.lessor("drift --fail-on unmanaged").code, 2);
    shop.lessor("apply --yes");
    assert!(shop.host().contains(&"container web-copy".to_owned()));
}

#[test]
fn what_fails_a_pipeline_is_its_own_choice() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| web(things)["body"]["container"]["memory"] = "1GiB".into());
    assert_eq!(shop.lessor("drift --fail-on changed").code, 2);
    assert_eq!(shop.lessor("drift --fail-on missing,pending").code, 0);
    assert_eq!(shop.lessor("drift --exclude container.web").code, 0);
    assert_eq!(shop.lessor("drift --target network.front").code, 0);
}

#[test]
fn data_that_would_be_kept_is_pending() {
    let shop = Shop::applied(WEB);
    shop.write("web.toml", NOTHING);
    assert_snapshot!(shop.lessor("drift"), @"
    - container.web   local     no longer declared
    - network.front   local     no longer declared
    ? volume.content  local     no longer declared; its data is kept for 7d
    2 to remove, 1 to keep.
    exit 2
    ");
}

#[test]
fn drift_changes_nothing_and_reports_in_files() {
    let shop = Shop::applied(WEB);
    shop.edit_host(Vec::clear);
    let before = shop.read("host.json");
    let ran = shop.lessor("drift --format json --output human=drift.txt");
    assert_eq!(ran.code, 2);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["summary"]["drifted"], 4 - 1);
    assert!(shop.read("drift.txt").contains("! container.web"));
    assert_eq!(shop.read("host.json"), before);
}

#[test]
fn of_several_answers_the_first_in_the_list_counts() {
    // Not seen goes before differences; a plan that cannot be carried out before both.
    let shop = Shop::applied(&format!(
        "{}[docker.other]\nendpoint = \"memory:other.json\"\n[network.far]\ndocker = \"other\"\n",
        WEB.replace("[network.front]", "[network.front]\ndocker = \"local\"")
            .replace("[volume.content]", "[volume.content]\ndocker = \"local\"")
            .replace("[container.web]", "[container.web]\ndocker = \"local\"")
    ));
    shop.write("other.json", "garbage");
    shop.change("128MiB", "256MiB");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    ~ container.web  local     memory changed
          memory: 128MiB → 256MiB
    ? docker.other  could not see anything: `other.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    1 to change. 1 place could not be seen. No data is destroyed.
    exit 6
    ");
    assert_eq!(shop.lessor("drift").code, 6);
    assert_eq!(shop.lessor("drift --fail-on pending").code, 2);
    assert_eq!(shop.lessor("plan --target container.nope").code, 1);
    // What can be seen is done all the same.
    assert_snapshot!(shop.lessor("apply --yes"), @"
    ~ container.web  local     memory changed
          memory: 128MiB → 256MiB
    ? docker.other  could not see anything: `other.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    1 to change. 1 place could not be seen. No data is destroyed.
    err| 1 of 1 steps done
    exit 6
    ");
    assert!(shop.read("host.json").contains("256MiB"));
    assert_eq!(shop.read("other.json"), "garbage");
}
