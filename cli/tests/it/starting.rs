//! Beginning: `init`, `validate`, and what a directory says about itself.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Shop, WEB};

/// A directory with nothing in it.
fn empty() -> Shop {
    let shop = Shop::new("");
    fs::remove_file(shop.path("web.toml")).unwrap();
    fs::remove_file(shop.path("lessor.toml")).unwrap();
    shop
}

#[test]
fn init_writes_a_directory_that_plans_cleanly() {
    let shop = empty();
    assert_snapshot!(shop.lessor("init shop"), @"
    `shop` is ready: `lessor plan shop` shows what would be made, `lessor apply shop` makes it
    exit 0
    ");
    let mut names: Vec<_> = fs::read_dir(shop.path("shop"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_snapshot!(names.join(" "), @".gitignore lessor.schema.json lessor.toml web.toml");
    assert_snapshot!(shop.read("shop/.gitignore"), @"
    .lessor/
    host.json
    *.plan
    ");
    assert_snapshot!(shop.lessor("plan shop"), @"
    + container.web           local     new  port 127.0.0.1:8080/tcp
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    exit 0
    ");
    assert_snapshot!(shop.lessor("validate shop"), @"
    valid: 4 entries in 1 file
    exit 0
    ");
}

#[test]
fn two_directories_are_two_installations() {
    let shop = empty();
    shop.lessor("init a");
    shop.lessor("init b");
    assert_ne!(shop.read("a/lessor.toml"), shop.read("b/lessor.toml"));
}

#[test]
fn init_never_writes_an_installation_twice() {
    let shop = empty();
    shop.lessor("init");
    let before = shop.read("lessor.toml");
    assert_snapshot!(shop.lessor("init"), @"
    err| error: `lessor.toml` is there already
    err|   hint: its `installation` says whose things are ours, so it is never written twice
    exit 1
    ");
    assert_eq!(shop.read("lessor.toml"), before);
}

#[test]
fn init_beside_spec_files_adds_no_example() {
    let shop = Shop::new(WEB);
    fs::remove_file(shop.path("lessor.toml")).unwrap();
    shop.write(".gitignore", "mine\n");
    assert_snapshot!(shop.lessor("init"), @"
    `.` is ready: `lessor plan` shows what would be made, `lessor apply` makes it
    exit 0
    ");
    assert_snapshot!(shop.files().join(" "), @".gitignore lessor.schema.json lessor.toml web.toml");
    assert_eq!(shop.read("web.toml"), WEB);
    assert_eq!(shop.read(".gitignore"), "mine\n");
    assert_eq!(shop.lessor("plan").code, 0);
}

#[test]
fn init_beside_files_that_are_no_specs_writes_the_example() {
    let shop = empty();
    shop.write("README.md", "mine");
    shop.lessor("init");
    assert_snapshot!(shop.files().join(" "), @".gitignore README.md lessor.schema.json lessor.toml web.toml");
}

#[test]
fn a_valid_directory_says_how_much_is_in_it() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("validate"), @"
    valid: 4 entries in 1 file
    exit 0
    ");
    assert_snapshot!(shop.lessor("validate --format json"), @r#"
    {
      "format_version": 1,
      "valid": true,
      "entries": 4,
      "problems": []
    }
    exit 0
    "#);
}

#[test]
fn the_json_of_validate_and_show_keeps_to_its_published_schema() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| things[0]["mark"]["lessor.name"] = "other".into());
    let keeps_to_schema = |command: &str| {
        let schema = shop.lessor(&format!("schema --of {command}")).stdout;
        let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        let ran = shop.lessor(&format!("{command} --format json"));
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        schema.validate(&document).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        document
    };
    assert_eq!(keeps_to_schema("validate")["valid"], true);
    assert!(!keeps_to_schema("show")["things"].as_array().unwrap().is_empty());
    shop.write("host.json", "garbage");
    assert!(!keeps_to_schema("show")["gaps"].as_array().unwrap().is_empty());
    shop.change("memory = ", "memroy = ");
    assert_eq!(keeps_to_schema("validate")["problems"][0]["code"], "E0302");
}

#[test]
fn every_problem_of_every_file_is_told_at_once() {
    let shop = Shop::new(WEB);
    shop.write("b.toml", "[container.b]\nimage = \"b\"\nnetworks = [\"fornt\"]\n");
    shop.change("memory = ", "memroy = ");
    assert_snapshot!(shop.lessor("validate"), @r#"
    err| error[E0502]: `container.b` joins network `fornt`, which no spec defines
    err|  --> b.toml:3:13
    err|   |
    err| 3 | networks = ["fornt"]
    err|   |             ^^^^^^^
    err|   |
    err|   = hint: did you mean `front`?
    err| 
    err| error[E0302]: `container.web` has no field `memroy`
    err|   --> web.toml:10:1
    err|    |
    err| 10 | memroy = "128MiB"
    err|    | ^^^^^^
    err|    |
    err|    = hint: did you mean `memory`?
    err| 2 problems
    exit 1
    "#);
    assert_snapshot!(shop.lessor("validate --format json"), @r#"
    {
      "format_version": 1,
      "valid": false,
      "entries": 0,
      "problems": [
        {
          "code": "E0502",
          "message": "`container.b` joins network `fornt`, which no spec defines",
          "file": "b.toml",
          "line": 3,
          "column": 13,
          "hint": "did you mean `front`?"
        },
        {
          "code": "E0302",
          "message": "`container.web` has no field `memroy`",
          "file": "web.toml",
          "line": 10,
          "column": 1,
          "hint": "did you mean `memory`?"
        }
      ]
    }
    exit 1
    "#);
    assert_snapshot!(shop.lessor("plan"), @r#"
    err| error[E0502]: `container.b` joins network `fornt`, which no spec defines
    err|  --> b.toml:3:13
    err|   |
    err| 3 | networks = ["fornt"]
    err|   |             ^^^^^^^
    err|   |
    err|   = hint: did you mean `front`?
    err| 
    err| error[E0302]: `container.web` has no field `memroy`
    err|   --> web.toml:10:1
    err|    |
    err| 10 | memroy = "128MiB"
    err|    | ^^^^^^
    err|    |
    err|    = hint: did you mean `memory`?
    err| error: `.` has 2 problems; nothing was done
    exit 1
    "#);
    assert_snapshot!(shop.lessor("apply --yes"), @r#"
    err| error[E0502]: `container.b` joins network `fornt`, which no spec defines
    err|  --> b.toml:3:13
    err|   |
    err| 3 | networks = ["fornt"]
    err|   |             ^^^^^^^
    err|   |
    err|   = hint: did you mean `front`?
    err| 
    err| error[E0302]: `container.web` has no field `memroy`
    err|   --> web.toml:10:1
    err|    |
    err| 10 | memroy = "128MiB"
    err|    | ^^^^^^
    err|    |
    err|    = hint: did you mean `memory`?
    err| error: `.` has 2 problems; nothing was done
    exit 1
    "#);
    assert_snapshot!(shop.files().join(" "), @"b.toml lessor.toml web.toml");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let shop = empty();
    assert_snapshot!(shop.lessor("validate nowhere"), @"
    err| error[E0101]: spec directory `nowhere` does not exist
    err|  |
    err|  = hint: `lessor init DIR` writes one to start from
    err| 1 problem
    exit 1
    ");
    assert_snapshot!(shop.lessor("plan nowhere"), @"
    err| error[E0101]: spec directory `nowhere` does not exist
    err|  |
    err|  = hint: `lessor init DIR` writes one to start from
    err| error: `nowhere` has 1 problem; nothing was done
    exit 1
    ");
}

#[test]
fn without_its_configuration_a_directory_has_no_installation() {
    let shop = Shop::new(WEB);
    fs::remove_file(shop.path("lessor.toml")).unwrap();
    assert_snapshot!(shop.lessor("plan"), @"
    err| error: `.` has no `lessor.toml`
    err|   hint: `lessor init .` writes a new one; if there was one before, restore it, since its `installation` says whose things are ours
    exit 1
    ");
    assert_eq!(shop.lessor("apply --yes").code, 1);
    assert_eq!(shop.lessor("validate").code, 0);
    assert_snapshot!(shop.files().join(" "), @"web.toml");
}

#[test]
fn a_broken_configuration_says_where_and_what_it_may_say() {
    let shop = Shop::new(WEB);
    shop.write("lessor.toml", "installation = 3\n");
    assert_snapshot!(shop.lessor("plan"), @"
    err| error: `lessor.toml` is not as it should be
    err|   caused by: TOML parse error at line 1, column 16
    err|       |
    err|     1 | installation = 3
    err|       |                ^
    err|     invalid type: integer `3`, expected a string
    err|   hint: it says `installation`, and may say `database`, `parallelism`, `compat` and `endpoint`
    exit 1
    ");
    shop.write("lessor.toml", "installation = \"test-1\"\nparalelism = 3\n");
    assert_snapshot!(shop.lessor("validate"), @"
    err| error: `lessor.toml` is not as it should be
    err|   caused by: TOML parse error at line 2, column 1
    err|       |
    err|     2 | paralelism = 3
    err|       | ^^^^^^^^^^
    err|     unknown field `paralelism`, expected one of `installation`, `database`, `parallelism`, `compat`, `endpoint`
    err|   hint: it says `installation`, and may say `database`, `parallelism`, `compat` and `endpoint`
    exit 1
    ");
    shop.write("lessor.toml", "installation = \"with space\"\n");
    assert_snapshot!(shop.lessor("plan"), @r#"
    err| error: `lessor.toml` is not as it should be
    err|   caused by: TOML parse error at line 1, column 16
    err|       |
    err|     1 | installation = "with space"
    err|       |                ^^^^^^^^^^^^
    err|     expected 4 to 40 lower-case letters, digits or hyphens, found `with space`
    err|   hint: it says `installation`, and may say `database`, `parallelism`, `compat` and `endpoint`
    exit 1
    "#);
    shop.write("lessor.toml", "database = \"x.db\"\n");
    assert_snapshot!(shop.lessor("plan"), @r#"
    err| error: `lessor.toml` is not as it should be
    err|   caused by: TOML parse error at line 1, column 1
    err|       |
    err|     1 | database = "x.db"
    err|       | ^
    err|     missing field `installation`
    err|   hint: it says `installation`, and may say `database`, `parallelism`, `compat` and `endpoint`
    exit 1
    "#);
}

#[test]
fn the_configuration_names_another_database_endpoint_and_parallelism() {
    let shop = Shop::new(WEB);
    shop.write(
        "lessor.toml",
        "installation = \"test-1\"\ndatabase = \"sqlite:other.db\"\nparallelism = 2\n\n\
         [endpoint]\nlocal = \"memory:elsewhere.json\"\n",
    );
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert!(shop.path("other.db").exists() && shop.path("elsewhere.json").exists());
    assert!(!shop.path(".lessor").exists() && !shop.path("host.json").exists());
}
