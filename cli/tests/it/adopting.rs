//! Adopting: what is on a host already gets entries that change nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Ran, Shop, WEB};

const HOST: &str = "[docker.local]\nendpoint = \"memory:host.json\"\n";

/// What another hand would have made of these specs: the same things, without a mark.
fn by_hand(specs: &str) -> Shop {
    let shop = Shop::applied(specs);
    shop.edit_host(|things| {
        for thing in things {
            thing.as_object_mut().unwrap().remove("mark");
        }
    });
    fs::remove_dir_all(shop.path(".lessor")).unwrap();
    shop.write("web.toml", HOST);
    shop
}

/// Changes how the container `web` looks.
fn edit_container(shop: &Shop, edit: impl FnOnce(&mut Value)) {
    shop.edit_host(|things| {
        let mut containers =
            things.iter_mut().filter_map(|thing| thing["body"].get_mut("container"));
        edit(containers.find(|container| container["name"] == "web").unwrap());
    });
}

/// What was refused, with every file as it was.
fn refused(shop: &Shop, args: &str) -> Ran {
    let before = shop.files();
    let ran = shop.lessor(args);
    assert_eq!(shop.files(), before, "{ran}");
    ran
}

#[test]
fn everything_on_a_host_gets_an_entry_that_changes_nothing() {
    let shop = by_hand(WEB);
    assert_snapshot!(shop.lessor("adopt --all"), @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    exit 0
    ");
    assert_snapshot!(shop.read("adopted.toml"), @r#"
    # Written by `lessor adopt`. `adopted` names a thing that was there before its entry,
    # and stands for the mark that Docker gives to new things only. An entry that is taken
    # out of this file leaves its thing as it is.

    [container.web]
    adopted = "web"
    image = "nginx:1.27"
    networks = ["front"]
    volumes = [{ volume = "content", path = "/data" }]
    memory = "128MiB"

    [network.front]
    adopted = "front"
    subnet = "100.64.0.0/24"

    [volume.content]
    adopted = "content"
    "#);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
    assert_snapshot!(shop.lessor("show"), @"
    container.web   local     web      in sync   running  nginx:1.27  memory 128MiB  adopted
    network.front   local     front    in sync   subnet 100.64.0.0/24  adopted
    volume.content  local     content  in sync   adopted
    3 things
    exit 0
    ");
    assert_snapshot!(refused(&shop, "adopt --all --output more.toml"), @"
    err| error: nothing on `docker.local` is left to adopt
    err|   hint: nothing was written
    exit 1
    ");
}

#[test]
fn a_directory_that_is_none_yet_becomes_one() {
    let shop = by_hand(WEB);
    fs::remove_file(shop.path("lessor.toml")).unwrap();
    assert_snapshot!(shop.lessor("adopt . web"), @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    exit 0
    ");
    assert_snapshot!(shop.files().join(" "), @".gitignore adopted.toml host.json host.json.lock lessor.schema.json lessor.toml web.toml");
}

#[test]
fn a_container_brings_along_what_it_uses_and_nothing_else() {
    let shop = by_hand(&format!("{WEB}[network.back]\n[container.db]\nimage = \"redis:7\"\n"));
    assert_snapshot!(shop.lessor("adopt web"), @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    exit 0
    ");
    assert_snapshot!(shop.lessor("adopt db back --output more.toml"), @"
    adopted 1 container and 1 network of `docker.local` in `more.toml`: plans to zero changes
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 5 things are as declared.
    exit 0
    ");
}

#[test]
fn what_has_an_entry_is_named_by_it() {
    let shop = by_hand(WEB);
    assert_eq!(shop.lessor("adopt front content").code, 0);
    assert_snapshot!(shop.lessor("adopt web --output web2.toml"), @"
    adopted 1 container of `docker.local` in `web2.toml`: plans to zero changes
    exit 0
    ");
    let text = shop.read("web2.toml");
    assert!(text.contains("networks = [\"front\"]") && !text.contains("[network"), "{text}");
}

#[test]
fn a_secret_stands_in_a_file_of_its_own_and_nowhere_else() {
    let shop = by_hand(WEB);
    edit_container(&shop, |web| web["env"] = json!({ "DB_PASSWORD": "hunter2", "MODE": "live" }));
    let ran = shop.lessor("adopt web");
    assert_snapshot!(ran, @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    err| note: 1 value that looks secret is kept in `.lessor/secrets`, which you alone can read; keep it out of version control, and provide it wherever lessor runs
    exit 0
    ");
    let text = shop.read("adopted.toml");
    assert!(
        text.contains("DB_PASSWORD = \"secret://file/.lessor/secrets/web/DB_PASSWORD\""),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let path = ".lessor/secrets/web/DB_PASSWORD";
    assert_eq!(shop.read(path), "hunter2\n");
    assert_eq!(fs::metadata(shop.path(path)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_snapshot!(shop.lessor("plan --detailed-exitcode"), @"
    In sync: 3 things are as declared.
    exit 0
    ");
}

#[test]
fn a_secret_that_is_there_already_is_not_written_over() {
    let shop = by_hand(WEB);
    edit_container(&shop, |web| web["env"] = json!({ "DB_PASSWORD": "hunter2" }));
    fs::create_dir_all(shop.path(".lessor/secrets/web")).unwrap();
    shop.write(".lessor/secrets/web/DB_PASSWORD", "another\n");
    assert_snapshot!(refused(&shop, "adopt web"), @"
    err| error: `.lessor/secrets/web/DB_PASSWORD` is there already, with another value
    err|   hint: remove or rename it; nothing was written
    exit 1
    ");
    assert_eq!(shop.read(".lessor/secrets/web/DB_PASSWORD"), "another\n");
    shop.write(".lessor/secrets/web/DB_PASSWORD", "hunter2\n");
    assert_eq!(shop.lessor("adopt web").code, 0);
}

#[test]
fn what_would_change_something_is_not_written() {
    let shop = by_hand(WEB);
    edit_container(&shop, |web| {
        web["env"] = json!({ "DB_PASSWORD": "hunter2" });
        // To an engine, this and none at all are the same.
        web["command"] = json!([]);
    });
    assert_snapshot!(refused(&shop, "adopt web"), @"
    err| ± container.web  local     command changed, replaced
    err| ? container.web            was adopted; the new one carries our mark
    err| error: the entries of 1 thing would change something, so none was written
    err|   hint: adopt the others by name, and write these by hand
    exit 1
    ");
    assert!(!shop.path(".lessor").exists());
}

#[test]
fn what_does_not_fit_the_other_files_is_not_written() {
    let shop =
        by_hand(&WEB.replace("memory =", "ports = [{ host = 80, container = 80 }]\nmemory ="));
    shop.write(
        "other.toml",
        "[container.other]\nimage = \"a\"\nports = [{ host = 80, container = 1 }]\n",
    );
    assert_snapshot!(refused(&shop, "adopt --all"), @"
    err| error[E0604]: `container.web` and `container.other` both publish port 80/tcp of `docker.local`
    err|   --> adopted.toml:10:19
    err|    |
    err| 10 | ports = [{ host = 80, container = 80 }]
    err|    |                   ^^
    err|    |
    err|   ::: other.toml:3:19
    err|    |
    err|  3 | ports = [{ host = 80, container = 1 }]
    err|    |                   -- published here too
    err| error: `.` has 1 problem; nothing was done
    exit 1
    ");
}

#[test]
fn what_is_pending_elsewhere_does_not_matter() {
    let shop = by_hand(WEB);
    shop.write("other.toml", "[network.later]\n");
    assert_snapshot!(shop.lessor("adopt web"), @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    exit 0
    ");
    assert_snapshot!(shop.lessor("plan"), @"
    + network.later  local     new
    1 to add. No data is destroyed.
    exit 0
    ");
}

#[test]
fn what_cannot_be_adopted_is_left_alone_and_said() {
    let shop = by_hand(&format!("{WEB}[container.db]\nimage = \"redis:7\"\n"));
    edit_container(&shop, |web| web["running"] = false.into());
    assert_snapshot!(refused(&shop, "adopt web"), @"
    err| error: not everything can be adopted; container `web`: it does not run, and an entry means that it does; start it first
    err|   hint: nothing was written
    exit 1
    ");
    assert_snapshot!(shop.lessor("adopt --all"), @"
    adopted 1 container, 1 network and 1 volume of `docker.local` in `adopted.toml`: plans to zero changes
    err| left alone: container `web`: it does not run, and an entry means that it does; start it first
    exit 0
    ");
}

#[test]
fn names_an_entry_cannot_have_are_made_to_fit() {
    let shop = by_hand(WEB);
    let host = shop.read("host.json").replace("\"front\"", "\"shop_front\"");
    shop.write("host.json", host.replace("\"web\"", "\"shop_web_1\""));
    shop.write("web.toml", format!("{HOST}[container.shop-web-1]\nimage = \"nginx:1.27\"\n"));
    assert_eq!(shop.lessor("adopt shop_web_1").code, 0);
    let text = shop.read("adopted.toml");
    assert!(text.contains("[container.shop-web-1-2]\nadopted = \"shop_web_1\""), "{text}");
    assert!(text.contains("[network.shop-front]\nadopted = \"shop_front\""), "{text}");
}

#[test]
fn what_is_asked_for_wrongly_says_what_to_write() {
    let shop = by_hand(WEB);
    assert_snapshot!(refused(&shop, "adopt"), @"
    err| error: nothing is named that should be adopted
    err|   hint: name containers, networks or volumes as `docker` does, or say `--all`
    exit 64
    ");
    assert_snapshot!(refused(&shop, "adopt nothing"), @"
    err| error: not everything can be adopted; there is no container, network or volume `nothing`
    err|   hint: nothing was written; if `nothing` shall be a directory, make it first
    exit 1
    ");
    assert_snapshot!(refused(&shop, "adopt . web --all"), @"
    err| error: `web` is named beside `--all`, and is no directory
    err|   hint: leave out one of them, or make the directory first
    exit 64
    ");
    assert_snapshot!(refused(&shop, "adopt web --output ../adopted.toml"), @"
    err| error: `../adopted.toml` is no spec file of `.`
    err|   hint: it stands in the spec directory, ends in `.toml` and is not hidden
    exit 64
    ");
    assert_snapshot!(refused(&shop, "adopt web --output web.toml"), @"
    err| error: `web.toml` is there already
    err|   hint: it is never written over: name another with `--output FILE`
    exit 1
    ");
    assert_snapshot!(refused(&shop, "adopt web --docker par1"), @"
    err| error: there is no `docker.par1`
    err|   hint: name one with `--docker`: `local`
    exit 64
    ");
    shop.write("host.json", "{");
    assert_snapshot!(refused(&shop, "adopt web"), @"
    err| error: could not see anything on `docker.local`: `host.json` is not a pretend host: EOF while parsing an object at line 1 column 1
    err|   hint: restore the file, or remove it to begin with an empty host
    exit 6
    ");
}

#[test]
fn destroy_leaves_adopted_things_alone_and_says_so() {
    let shop = by_hand(WEB);
    shop.lessor("adopt --all");
    let host = shop.read("host.json");
    shop.write("web.toml", format!("{HOST}[network.own]\n"));
    shop.lessor("apply --yes");
    assert_snapshot!(shop.lessor("destroy --yes"), @"
    - network.own  local     no longer declared
    1 to remove. No data is destroyed.
    err| leaving 3 adopted things alone, and forgetting them: container `web`, network `front`, volume `content`
    err| 1 of 1 steps done
    exit 0
    ");
    let things = |text: &str| serde_json::from_str::<Value>(text).unwrap()["things"].clone();
    assert_eq!(things(&shop.read("host.json")), things(&host));
}
