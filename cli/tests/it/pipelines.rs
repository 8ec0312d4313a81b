//! Reports for pipelines: every form, in files and on stdout, with the exit code of the look.

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{NOTHING, Shop, WEB};

/// Every form in a file of its own.
const ALL: &str = "--output human=r.txt --output json=r.json --output markdown=r.md \
                   --output sarif=r.sarif --output junit=r.xml --output github=r.log";

/// A spec directory below the root of a repository.
fn repository(specs: &str) -> Shop {
    let shop = Shop::new(specs);
    fs::create_dir_all(shop.path("infra/far off")).unwrap();
    fs::create_dir(shop.path(".git")).unwrap();
    fs::rename(shop.path("lessor.toml"), shop.path("infra/lessor.toml")).unwrap();
    fs::rename(shop.path("web.toml"), shop.path("infra/far off/web.toml")).unwrap();
    shop
}

fn json(shop: &Shop, file: &str) -> Value {
    serde_json::from_str(&shop.read(file)).unwrap()
}

/// Each result as `level rule uri:line:column message`.
fn results(sarif: &Value) -> String {
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let lines = results.iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        let (region, uri) = (&place["region"], &place["artifactLocation"]["uri"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{} {} {}:{}:{} {}",
            text(&result["level"]),
            text(&result["ruleId"]),
            text(uri),
            region["startLine"],
            region["startColumn"],
            text(&result["message"]["text"]),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn schema(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schemas").join(file)
}

/// Holds the documents in files against their schemas.
fn hold(shop: &Shop, sarif: &str, junit: &str) {
    let text = fs::read_to_string(schema("sarif-2.1.0.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let document = json(shop, sarif);
    let errors: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema("junit-10.xsd"));
    let output = xmllint.arg(shop.path(junit)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn one_look_has_every_form_and_each_follows_its_schema() {
    let shop = Shop::applied(WEB);
    shop.change("128MiB", "256MiB");
    shop.change("[volume.content]\n", "");
    shop.change("volumes = [{ volume = \"content\", path = \"/data\" }]\n", "");
    let ran = shop.lessor(&format!("plan --detailed-exitcode --format sarif {ALL}"));
    assert_eq!((ran.code, &*ran.stderr), (2, ""));
    assert_eq!(ran.stdout, shop.read("r.sarif"));
    hold(&shop, "r.sarif", "r.xml");
    assert_snapshot!(results(&json(&shop, "r.sarif")), @"
    warning replaced web.toml:5:12 container.web: memory and mounts./data.volume changed, replaced
    memory: 128MiB → 256MiB
    mounts./data.volume: content → (none)
    note data-kept web.toml:2:9 volume.content: no longer declared; its data is kept for 7d
    ");
    assert_snapshot!(shop.read("r.md"), @"
    ### lessor plan

    **1 to replace, 1 to keep. No data is destroyed.**

    | host | what |
    | --- | --- |
    | `docker.local` | 1 to replace, 1 to keep for a while |

    #### `docker.local`

    | | | |
    | --- | --- | --- |
    | `±` | `container.web` | memory and `mounts./data.volume` changed, replaced<br>`memory`: `128MiB` → `256MiB`<br>`mounts./data.volume`: `content` → `(none)` |
    | `?` | `volume.content` | no longer declared; its data is kept for 7d |

    Plan `678a76d4`
    ");
    assert_snapshot!(shop.read("r.log"), @"
    ::warning file=web.toml,line=5,col=12,title=A thing is replaced::container.web: memory and mounts./data.volume changed, replaced%0Amemory: 128MiB → 256MiB%0Amounts./data.volume: content → (none)
    ::notice file=web.toml,line=2,col=9,title=Data nobody declares any more is kept for a while::volume.content: no longer declared; its data is kept for 7d
    1 to replace, 1 to keep. No data is destroyed.
    ");
    assert_snapshot!(shop.read("r.xml"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor plan" tests="4" failures="2" errors="0">
      <testsuite name="docker.local" tests="4" failures="2" errors="0" skipped="0">
        <testcase name="container.web" classname="docker.local">
          <failure type="replaced" message="container.web: memory and mounts./data.volume changed, replaced">container.web: memory and mounts./data.volume changed, replaced
    memory: 128MiB → 256MiB
    mounts./data.volume: content → (none)
    web.toml:5:12</failure>
        </testcase>
        <testcase name="docker.local" classname="docker.local"/>
        <testcase name="network.front" classname="docker.local"/>
        <testcase name="volume.content" classname="docker.local">
          <failure type="data-kept" message="volume.content: no longer declared; its data is kept for 7d">volume.content: no longer declared; its data is kept for 7d
    web.toml:2:9</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn files_are_named_from_the_root_of_the_repository_wherever_one_stands() {
    let shop = repository(WEB);
    let places = |ran: crate::support::Ran| {
        let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix("::notice file="));
        lines.map(|line| line.split(",title").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        "infra/far off/web.toml,line=6,col=12",
        "infra/far off/web.toml,line=6,col=12",
        "infra/far off/web.toml,line=4,col=10",
        "infra/far off/web.toml,line=5,col=9",
    ];
    assert_eq!(places(shop.lessor("plan infra --format github")), expected);
    let mut command = shop.command("plan --format github");
    let within = command.current_dir(shop.path("infra")).output().unwrap();
    assert_eq!(places(shop.ran(&within)), expected);
    let absolute = format!("plan {} --format github", shop.path("infra").display());
    let mut command = shop.command(&absolute);
    let elsewhere = command.current_dir("/").output().unwrap();
    assert_eq!(places(shop.ran(&elsewhere)), expected);
    // As a URI, a file's name is escaped.
    shop.lessor("plan infra --output sarif=r.sarif");
    assert!(results(&json(&shop, "r.sarif")).contains(" infra/far%20off/web.toml:6:12 "));
    // A saved plan has its places with it.
    shop.lessor("plan infra -o a.plan");
    assert_eq!(places(shop.lessor("show a.plan --format github")), expected);
}

#[test]
fn what_is_declared_nowhere_is_shown_at_its_host() {
    let shop = Shop::applied(WEB);
    shop.write("web.toml", NOTHING);
    shop.lessor("drift --output sarif=r.sarif");
    assert_snapshot!(results(&json(&shop, "r.sarif")), @"
    warning removed web.toml:2:9 container.web: no longer declared
    warning removed web.toml:2:9 network.front: no longer declared
    note data-kept web.toml:2:9 volume.content: no longer declared; its data is kept for 7d
    ");
    // And a slip in the command itself at the directory's own file: there has to be a place.
    shop.lessor("plan --target network.nope --output sarif=r.sarif");
    assert_snapshot!(results(&json(&shop, "r.sarif")), @"
    error E1001 lessor.toml:1:1 selection: cannot be done[E1001]: `network.nope` selects nothing
    hint: name what `lessor plan` or `lessor show` lists, or a connection
    ");
}

#[test]
fn drift_is_an_error_of_its_check_and_a_warning_of_a_plan() {
    let shop = Shop::applied(WEB);
    shop.edit_host(|things| {
        let web = things.iter_mut().find(|thing| !thing["body"]["container"].is_null()).unwrap();
        web["body"]["container"]["memory"] = "1GiB".into();
    });
    assert_snapshot!(shop.lessor("drift --format github"), @"
    ::error file=web.toml,line=6,col=12,title=Somebody else changed a thing::container.web: memory changed outside, will be set back%0Amemory: 1GiB → 128MiB
    1 drifted.
    exit 2
    ");
    assert_snapshot!(shop.lessor("plan --format github"), @"
    ::warning file=web.toml,line=6,col=12,title=Somebody else changed a thing::container.web: memory changed outside, will be set back%0Amemory: 1GiB → 128MiB
    1 drifted. No data is destroyed.
    exit 0
    ");
    let ids = |command: &str| {
        shop.lessor(&format!("{command} --output sarif=r.sarif"));
        json(&shop, "r.sarif")["runs"][0]["automationDetails"]["id"].clone()
    };
    assert_eq!((ids("plan"), ids("drift")), ("lessor/plan/".into(), "lessor/drift/".into()));
}

#[test]
fn a_host_that_cannot_be_seen_is_reported_and_nothing_on_it_passes() {
    let shop = Shop::applied(WEB);
    shop.write("host.json", "garbage");
    let ran = shop.lessor(&format!("drift {ALL}"));
    assert_eq!(ran.code, 6, "{ran}");
    hold(&shop, "r.sarif", "r.xml");
    assert_eq!(json(&shop, "r.sarif")["runs"][0]["invocations"][0]["executionSuccessful"], false);
    assert_snapshot!(shop.read("r.xml"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor drift" tests="1" failures="0" errors="1">
      <testsuite name="docker.local" tests="1" failures="0" errors="1" skipped="0">
        <testcase name="docker.local" classname="docker.local">
          <error type="not-seen" message="docker.local: could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1">docker.local: could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1
    hint: restore the file, or remove it to begin with an empty host
    web.toml:2:9</error>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    assert_snapshot!(shop.read("r.md"), @"
    ### lessor drift

    **Nothing differs in what could be seen. 1 place could not be seen.**

    | host | what |
    | --- | --- |
    | `docker.local` | 1 not seen |

    #### `docker.local`

    | | | |
    | --- | --- | --- |
    | `?` | `docker.local` | could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1<br>hint: restore the file, or remove it to begin with an empty host |
    ");
}

#[test]
fn what_is_as_declared_passes_and_what_was_not_selected_is_not_counted() {
    let shop = Shop::applied(WEB);
    assert_snapshot!(shop.lessor("drift --format junit"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor drift" tests="4" failures="0" errors="0">
      <testsuite name="docker.local" tests="4" failures="0" errors="0" skipped="0">
        <testcase name="container.web" classname="docker.local"/>
        <testcase name="docker.local" classname="docker.local"/>
        <testcase name="network.front" classname="docker.local"/>
        <testcase name="volume.content" classname="docker.local"/>
      </testsuite>
    </testsuites>
    exit 0
    "#);
    assert_snapshot!(shop.lessor("drift --format junit --target network.front"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor drift" tests="2" failures="0" errors="0">
      <testsuite name="docker.local" tests="2" failures="0" errors="0" skipped="0">
        <testcase name="docker.local" classname="docker.local"/>
        <testcase name="network.front" classname="docker.local"/>
      </testsuite>
    </testsuites>
    exit 0
    "#);
    assert_snapshot!(shop.lessor("drift --format markdown"), @"
    ### lessor drift

    **In sync: 3 things are as declared.**
    exit 0
    ");
    assert_eq!(shop.lessor("drift --format github").stdout, "In sync: 3 things are as declared.\n");
}

#[test]
fn problems_of_spec_files_have_every_form_too() {
    let shop = repository(&WEB.replace("memory =", "memroy =").replace("front\"]", "fornt\"]"));
    let ran = shop.lessor(&format!("validate infra --format github {ALL}"));
    assert_snapshot!(ran, @"
    ::error file=infra/far off/web.toml,line=10,col=1,title=An entry has no such field (E0302)::`container.web` has no field `memroy`%0Ahint: did you mean `memory`?
    exit 1
    ");
    hold(&shop, "r.sarif", "r.xml");
    assert_snapshot!(results(&json(&shop, "r.sarif")), @"
    error E0302 infra/far%20off/web.toml:10:1 `container.web` has no field `memroy`
    hint: did you mean `memory`?
    ");
    assert_snapshot!(shop.read("r.xml"), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lessor validate" tests="1" failures="1" errors="0">
      <testsuite name="lessor" tests="1" failures="1" errors="0" skipped="0">
        <testcase name="far off/web.toml" classname="lessor">
          <failure type="E0302" message="`container.web` has no field `memroy`">`container.web` has no field `memroy`
    hint: did you mean `memory`?
    infra/far off/web.toml:10:1</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    assert_snapshot!(shop.read("r.md"), @"
    ### lessor validate

    **1 problem.**

    | where | | what |
    | --- | --- | --- |
    | `infra/far off/web.toml:10:1` | `E0302` | `container.web` has no field `memroy`<br>hint: did you mean `memory`? |
    ");
    assert_eq!(shop.read("r.txt"), shop.lessor("validate infra").stderr);
    // And none of them says anything once all is well.
    let shop = Shop::new(WEB);
    assert_eq!(shop.lessor(&format!("validate --format github {ALL}")).stdout, "");
    hold(&shop, "r.sarif", "r.xml");
    assert!(shop.read("r.xml").contains("<testcase name=\"web.toml\" classname=\"lessor\"/>"));
    assert_eq!(shop.read("r.md"), "### lessor validate\n\n**Valid.**\n");
}

#[test]
fn two_results_never_share_a_file() {
    let shop = Shop::new(WEB);
    std::os::unix::fs::symlink("a.json", shop.path("link.json")).unwrap();
    shop.write("a.json", "before");
    for command in [
        "plan --output json=x --output sarif=x",
        "plan --output json=x -o ./x",
        "plan --output json=a.json --output sarif=link.json",
        "drift --output json=a.json --output markdown=./a.json",
        "validate --output json=x --output json=x",
    ] {
        assert_eq!(shop.lessor(command).code, 64, "{command}");
    }
    assert_snapshot!(shop.lessor("plan --output json=x --output sarif=./x"), @"
    err| error: two results are to be written to `./x`
    err|   hint: name a file of its own for each
    exit 64
    ");
    assert_eq!(shop.files().join(" "), "a.json lessor.toml link.json web.toml");
    assert_eq!(shop.read("a.json"), "before");
}

#[test]
fn when_one_file_cannot_be_written_none_is() {
    let shop = Shop::new(WEB);
    shop.write("r.json", "before");
    let ran = shop.lessor("plan --output json=r.json -o a.plan --output junit=no/such/r.xml");
    assert_snapshot!(ran, @"
    err| error: could not write `no/such/r.xml`
    err|   caused by: No such file or directory (os error 2)
    exit 1
    ");
    assert_eq!(shop.read("r.json"), "before");
    assert_eq!(shop.files().join(" "), "lessor.toml r.json web.toml");
    fs::create_dir(shop.path("dir")).unwrap();
    assert_snapshot!(shop.lessor("drift --output markdown=dir"), @"
    err| error: could not write `dir`
    err|   caused by: is a directory
    exit 1
    ");
    assert_eq!(shop.files().join(" "), "dir lessor.toml r.json web.toml");
}

#[test]
fn a_file_is_replaced_where_a_link_leads_and_a_device_stays_one() {
    let shop = Shop::new(WEB);
    shop.write("real.md", "before");
    std::os::unix::fs::symlink("real.md", shop.path("link.md")).unwrap();
    let ran = shop.lessor("plan --output markdown=link.md --output sarif=/dev/null");
    assert_eq!(ran.code, 0, "{ran}");
    assert!(fs::symlink_metadata(shop.path("link.md")).unwrap().is_symlink());
    assert!(shop.read("real.md").starts_with("### lessor plan"));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let ran = shop.lessor("plan --format human --output markdown=/dev/stdout");
    assert!(ran.stdout.starts_with("### lessor plan") && ran.stdout.contains("4 to add."), "{ran}");
}

#[test]
fn an_inventory_has_no_form_for_pipelines() {
    assert_snapshot!(Shop::new(WEB).lessor("show --format sarif"), @"
    err| error: what is there is listed for people and as JSON
    err|   hint: `lessor plan` and `lessor drift` have the other forms
    exit 64
    ");
}

#[test]
fn the_page_names_every_rule() {
    let document: Value =
        serde_json::from_str(&Shop::new(WEB).lessor("plan --format sarif").stdout).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ci.md");
    let page = fs::read_to_string(page).unwrap();
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().clone();
    let ids = rules.iter().map(|rule| rule["id"].as_str().unwrap());
    let missing: Vec<_> = ids.filter(|id| !page.contains(&format!("`{id}`"))).collect();
    assert!(rules.len() > 10 && missing.is_empty(), "docs/ci.md says nothing of {missing:?}");
}
