//! The recipes of `docs/ci.md` work: their commands are taken from the page and run on
//! `examples/minehost`, each job in a checkout of its own, as a runner has it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::remote::key;
use crate::running::Serving;
use crate::support::Shop;

/// A runner: a repository, a host and a database that outlive every job, and what jobs leave.
struct Runner {
    home: TempDir,
    /// Where a server is, and a key to it, where the runner does not reach the database.
    server: Option<(String, String)>,
}

/// What a job left behind.
struct Job {
    code: i32,
    checkout: PathBuf,
    said: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The block of YAML on the page whose first line names a file.
fn recipe(file: &str) -> Yaml {
    let page = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let begin = format!("```yaml\n# {file}\n");
    let (_, behind) = page.split_once(&begin).unwrap();
    let (text, _) = behind.split_once("\n```").unwrap();
    YamlLoader::load_from_str(text).unwrap().remove(0)
}

/// The commands of a job, with the step they stand in: those of each step, or the whole script.
fn commands(job: &Yaml) -> Vec<(String, &Yaml)> {
    let steps = job["steps"].as_vec().into_iter().flatten();
    let steps = steps.filter_map(|step| Some((step["run"].as_str()?.to_owned(), step)));
    let script = job["script"].as_vec().into_iter().flatten().filter_map(Yaml::as_str);
    let script = script.collect::<Vec<_>>().join("\n");
    let script = (!script.is_empty()).then_some((script, &Yaml::BadValue));
    steps.chain(script).collect()
}

/// Programs of forges: they answer what the recipes ask and keep what they are given.
const FORGES: [(&str, &str); 3] = [
    (
        "gh",
        r#"case "$1 $2" in
        "pr comment") for last; do :; done; [ "$3" = 7 ] && cp "$last" "$LEFT/comment.md" ;;
        "api repos/acme/shop/commits/c0ffee/pulls") echo abcdef ;;
        "run list") case "$*" in *"--commit abcdef"*) echo 42 ;; *) exit 1 ;; esac ;;
        "run download") [ "$3" = 42 ] && cp "$LEFT/infra.plan" . ;;
        *) exit 1 ;; esac"#,
    ),
    (
        "curl",
        r#"case "$*" in
        *"PRIVATE-TOKEN: sesame"*"body@plan.md"*"/projects/5/merge_requests/7/notes") cp plan.md "$LEFT/comment.md" ;;
        *"PRIVATE-TOKEN: sesame"*"/projects/5/repository/commits/c0ffee/merge_requests") echo '[{"iid":7}]' ;;
        *"--output infra.plan"*"merge-requests%2F7%2Fhead/raw/infra.plan?job=plan") cp "$LEFT/infra.plan" . ;;
        *) exit 1 ;; esac"#,
    ),
    ("jq", "cat > answer.json; echo 7"),
];

impl Runner {
    fn new() -> Runner {
        let runner = Runner { home: tempfile::tempdir().unwrap(), server: None };
        for dir in ["bin", "infra", "left"] {
            fs::create_dir(runner.path(dir)).unwrap();
        }
        for file in fs::read_dir(root().join("examples/minehost")).unwrap() {
            let file = file.unwrap();
            // What somebody's own run left there is no part of the example.
            if file.path().extension().is_some_and(|extension| extension == "toml") {
                fs::copy(file.path(), runner.path("infra").join(file.file_name())).unwrap();
            }
        }
        for (name, script) in FORGES {
            let program = runner.path("bin").join(name);
            fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lessor"), runner.path("bin/lessor"))
            .unwrap();
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs a job of a recipe until one of its commands fails, and keeps the plan it leaves.
    fn run(&self, recipe: &Yaml, job: &str) -> Job {
        let whole = if recipe["jobs"].is_badvalue() { &recipe[job] } else { &recipe["jobs"][job] };
        let checkout = tempfile::tempdir_in(self.home.path()).unwrap().keep();
        fs::create_dir_all(checkout.join(".git")).unwrap();
        let infra = checkout.join("infra");
        fs::create_dir(&infra).unwrap();
        for file in fs::read_dir(self.path("infra")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), infra.join(file.file_name())).unwrap();
        }
        let mut ran = Job { code: 0, checkout, said: String::new() };
        let commands = commands(whole);
        assert!(!commands.is_empty(), "{job} runs nothing");
        for (script, step) in commands {
            // What a forge puts into a script comes from strangers; into the environment, it may.
            assert!(!script.contains("${{"), "{script}");
            if ran.code == 0 {
                self.shell(&script, [whole, step], &mut ran);
            }
        }
        if ran.checkout.join("infra.plan").exists() {
            fs::copy(ran.checkout.join("infra.plan"), self.path("left/infra.plan")).unwrap();
        }
        ran
    }

    fn shell(&self, script: &str, steps: [&Yaml; 2], ran: &mut Job) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-e", "-o", "pipefail", "-c", script]).current_dir(&ran.checkout);
        for (name, value) in steps.iter().filter_map(|of| of["env"].as_hash()).flatten() {
            // An expression is the forge's to fill in; the only number there is the request's.
            let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap());
            let value = match &self.server {
                Some((url, _)) if name == "LESSOR_SERVER" => url,
                Some((_, key)) if value.contains("secrets.LESSOR_API_KEY") => key,
                _ if value.contains("${{") => "7",
                _ => value,
            };
            bash.env(name, value);
        }
        let database = format!("sqlite:{}", self.path("lessor.db").display());
        let endpoint = format!("par1=memory:{}", self.path("host.json").display());
        bash.env("PATH", path)
            .env("LEFT", self.path("left"))
            .env("LESSOR_DATABASE_URL", database)
            .env("LESSOR_ENDPOINT", endpoint)
            .env("GITHUB_STEP_SUMMARY", self.path("left/summary.md"))
            .env("GITHUB_REPOSITORY", "acme/shop")
            .env("GITHUB_SHA", "c0ffee")
            .env("CI_API_V4_URL", "https://gitlab.example/api/v4")
            .env("CI_PROJECT_ID", "5")
            .env("CI_MERGE_REQUEST_IID", "7")
            .env("CI_COMMIT_SHA", "c0ffee")
            .env("LESSOR_BOT_TOKEN", "sesame")
            .env_remove("LESSOR_LOG");
        if self.server.is_some() {
            bash.env_remove("LESSOR_DATABASE_URL");
        }
        let output = bash.output().unwrap();
        ran.code = output.status.code().unwrap_or(-1);
        ran.said.push_str(&String::from_utf8_lossy(&output.stdout));
        ran.said.push_str(&String::from_utf8_lossy(&output.stderr));
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    /// What somebody sees on the request.
    fn comment(&self) -> String {
        fs::read_to_string(self.path("left/comment.md")).unwrap()
    }
}

impl Job {
    fn left(&self, file: &str) -> String {
        fs::read_to_string(self.checkout.join(file)).unwrap()
    }
}

/// From a first change over drift to a slip of the pen. Each recipe names its jobs alike.
fn live_with(plan: &Yaml, apply: &Yaml, drift: &Yaml, drift_report: &str) {
    let runner = Runner::new();
    let planned = runner.run(plan, "plan");
    assert_eq!(planned.code, 0, "{}", planned.said);
    assert!(runner.comment().contains("| `+` | `instance.acme/lobby` |"), "{}", runner.comment());
    assert!(!runner.path("host.json").exists());

    let applied = runner.run(apply, "apply");
    assert_eq!(applied.code, 0, "{}", applied.said);
    let last = applied.left("events.ndjson").lines().last().unwrap().to_owned();
    assert!(last.contains("\"outcome\":\"done\""), "{last}");
    let host = fs::read_to_string(runner.path("host.json")).unwrap();
    assert!(host.contains("acme_lobby"), "{host}");

    let looked = runner.run(drift, "drift");
    assert_eq!(looked.code, 0, "{}", looked.said);
    runner.edit("host.json", "2GiB", "4GiB");
    let looked = runner.run(drift, "drift");
    assert_eq!(looked.code, 2, "{}", looked.said);
    assert!(looked.left(drift_report).contains("changed-outside"), "{}", looked.left(drift_report));

    // What was reviewed is what is applied: what customers can have by now, and no host that moved.
    runner.edit("infra/offers.toml", "2GiB", "3GiB");
    assert_eq!(runner.run(plan, "plan").code, 0);
    runner.edit("host.json", "4GiB", "5GiB");
    let moved = runner.run(apply, "apply");
    assert_eq!(moved.code, 5, "{}", moved.said);
}

#[test]
fn the_recipes_for_github_work() {
    let recipe = |name: &str| recipe(&format!(".github/workflows/{name}.yml"));
    let plan = recipe("plan");
    live_with(&plan, &recipe("apply"), &recipe("drift"), "drift.sarif");
    let runner = Runner::new();
    runner.edit("infra/offers.toml", "images =", "imagse =");
    let refused = runner.run(&plan, "plan");
    assert_eq!(refused.code, 1, "{}", refused.said);
    assert!(refused.said.starts_with("::error file=infra/offers.toml,line="), "{}", refused.said);
}

#[test]
fn the_recipe_for_gitlab_works() {
    let recipe = recipe(".gitlab-ci.yml");
    live_with(&recipe, &recipe, &recipe, "drift.xml");
    let runner = Runner::new();
    assert_eq!(runner.run(&recipe, "validate").code, 0);
    runner.edit("infra/offers.toml", "images =", "imagse =");
    let refused = runner.run(&recipe, "validate");
    assert_eq!(refused.code, 1, "{}", refused.said);
    assert!(refused.left("validate.xml").contains("infra/offers.toml:"), "{}", refused.said);
}

#[test]
fn a_runner_that_does_not_reach_the_database_asks_the_server() {
    let mut runner = Runner::new();
    let policy = "[policy.orders]\napply = \"auto\"\n";
    fs::write(runner.path("infra/policy.toml"), policy).unwrap();
    let github = |name: &str| recipe(&format!(".github/workflows/{name}.yml"));
    assert_eq!(runner.run(&github("plan"), "plan").code, 0);
    let applied = runner.run(&github("apply"), "apply");
    assert_eq!(applied.code, 0, "{}", applied.said);
    let database = format!("--database sqlite:{}", runner.path("lessor.db").display());
    let endpoint = format!("--endpoint par1=memory:{}", runner.path("host.json").display());
    let shop = Shop::new("");
    let key = key(&shop, &format!("--platform auditor --scope orders:read {database}"));
    let infra = runner.path("infra");
    let serving = Serving::with(&shop, &format!("{} {database} {endpoint}", infra.display()));
    for args in [
        "ledger credit acme 5 EUR --memo gift",
        "order place acme/second --offer survival-2g --wait",
    ] {
        let ran = shop.lessor(&format!("{args} {database}"));
        assert_eq!(ran.code, 0, "{ran}");
    }

    runner.server = Some((serving.url.clone(), key));
    let drift = github("drift-orders");
    let looked = runner.run(&drift, "drift");
    assert_eq!(looked.code, 0, "{}", looked.said);
    // Somebody removes what was ordered, by hand.
    let host = fs::read_to_string(runner.path("host.json")).unwrap();
    let mut host: serde_json::Value = serde_json::from_str(&host).unwrap();
    let things = host["things"].as_array_mut().unwrap();
    let before = things.len();
    things.retain(|thing| thing["body"]["container"]["name"] != "acme_second");
    assert_eq!(things.len(), before - 1);
    fs::write(runner.path("host.json"), host.to_string()).unwrap();
    let looked = runner.run(&drift, "drift");
    assert_eq!(looked.code, 2, "{}", looked.said);
    assert!(looked.left("drift.sarif").contains("instance.acme/second"), "{}", looked.said);
    drop(serving);
    let unreachable = runner.run(&drift, "drift");
    assert!(
        unreachable.code == 1 && unreachable.said.contains("connection refused"),
        "{}",
        unreachable.said
    );
}
