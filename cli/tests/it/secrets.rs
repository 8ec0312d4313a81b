//! Secrets: referred to, resolved at the edge, and shown to nobody.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::support::{Ran, Shop};

const TOKEN: &str = "t0ken-of-the-environment";
const PASSWORD: &str = "passw0rd-of-the-file";

const APP: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[container.app]
image = "app:1"
[container.app.env]
API_TOKEN = "secret://env/SHOP_TOKEN"
DB_PASSWORD = "secret://file/password.txt"
"#;

fn shop() -> Shop {
    let shop = Shop::new(APP);
    shop.write("password.txt", format!("{PASSWORD}\n"));
    shop
}

fn with_token(shop: &Shop, token: &str, args: &str) -> Ran {
    shop.ran(&shop.command(args).env("SHOP_TOKEN", token).output().unwrap())
}

#[test]
fn no_secret_is_shown_or_kept_anywhere() {
    let shop = shop();
    let mut told = String::new();
    for args in [
        "plan",
        "plan --format json --output json=plan.json -o a.plan",
        "plan --output markdown=a.md --output sarif=a.sarif --output junit=a.xml --format github",
        "show a.plan",
        "apply a.plan --yes --events a.ndjson",
        "plan",
        "show --format json",
        "explain container.app",
        "drift",
    ] {
        let ran = with_token(&shop, TOKEN, args);
        assert_eq!(ran.code, 0, "{args}: {ran}");
        told.push_str(&ran.stdout);
        told.push_str(&ran.stderr);
    }
    // Both change, and the change is applied with every word there is.
    shop.write("password.txt", format!("new-{PASSWORD}"));
    for args in [
        "plan",
        "drift --format json",
        "drift --output markdown=b.md --output sarif=b.sarif --output junit=b.xml --format github",
        "apply --yes --events b.ndjson",
    ] {
        let mut command = shop.command(args);
        let command = command.env("SHOP_TOKEN", format!("new-{TOKEN}")).env("LESSOR_LOG", "trace");
        let ran = shop.ran(&command.output().unwrap());
        told.push_str(&ran.stdout);
        told.push_str(&ran.stderr);
    }
    fs::remove_file(shop.path("password.txt")).unwrap();
    for secret in [TOKEN, PASSWORD] {
        assert!(!told.contains(secret), "{told}");
        for path in files(shop.dir()) {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn only_the_secret_that_changed_is_named() {
    let shop = shop();
    assert_eq!(with_token(&shop, TOKEN, "apply --yes").code, 0);
    assert_snapshot!(with_token(&shop, TOKEN, "plan"), @"
    In sync: 1 thing is as declared.
    exit 0
    ");
    assert_snapshot!(with_token(&shop, "another", "plan"), @"
    ! container.app  local     env.API_TOKEN changed outside, will be set back, replaced
          env.API_TOKEN: secret changed
    1 drifted. No data is destroyed.
    exit 0
    ");
}

#[test]
fn without_a_secret_the_plan_claims_nothing_and_apply_does_nothing() {
    let shop = shop();
    assert_snapshot!(shop.lessor("plan"), @"
    + container.app      local     new
    + image.local/app:1  local     new
    ? container.app                `env.API_TOKEN` is not compared: the environment variable `SHOP_TOKEN` is not set
    2 to add, 1 note. No data is destroyed.
    exit 6
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    err| error[E1206]: not every secret is to be had: `secret://env/SHOP_TOKEN`: the environment variable `SHOP_TOKEN` is not set
    err|   hint: nothing was done; provide it and run again
    exit 1
    ");
    assert!(!shop.path("host.json").exists() && !shop.path(".lessor").exists());
    with_token(&shop, TOKEN, "apply --yes");
    fs::remove_file(shop.path("password.txt")).unwrap();
    assert_snapshot!(with_token(&shop, TOKEN, "plan"), @"
    ? container.app            `env.DB_PASSWORD` is not compared: could not read `password.txt`: No such file or directory (os error 2)
    Nothing differs in what could be compared; 1 note.
    exit 6
    ");
    assert_snapshot!(with_token(&shop, TOKEN, "drift"), @"
    ? container.app            `env.DB_PASSWORD` is not compared: could not read `password.txt`: No such file or directory (os error 2)
    Nothing differs in what could be compared; 1 note.
    exit 6
    ");
}

#[test]
fn a_saved_plan_needs_its_secrets_too() {
    let shop = shop();
    with_token(&shop, TOKEN, "plan -o a.plan");
    assert_eq!(shop.lessor("apply a.plan --yes").code, 1);
    assert!(!shop.path("host.json").exists());
}

#[test]
fn a_secret_that_is_written_down_is_refused_and_not_repeated() {
    let shop = shop();
    shop.change("secret://env/SHOP_TOKEN", TOKEN);
    let ran = shop.lessor("validate");
    assert_snapshot!(ran, @r#"
    err| error[E0802]: `container.app` holds a literal secret in `API_TOKEN`
    err| --> web.toml:7:13
    err|  = hint: keep it elsewhere and write `API_TOKEN = "secret://env/API_TOKEN"`, or `secret://file/…`
    err| 1 problem
    exit 1
    "#);
    assert!(!shop.lessor("validate --format json").stdout.contains(TOKEN));
    shop.change(TOKEN, "secret://vault/token");
    assert_snapshot!(shop.lessor("validate"), @"
    err| error[E0801]: `env.API_TOKEN` of `container.app` should be a reference to a secret, `secret://env/NAME` or `secret://file/path`, found a literal
    err| --> web.toml:7:13
    err|  = hint: a secret never stands in a spec file; keep it elsewhere and point to it
    err| 1 problem
    exit 1
    ");
}
