//! Rules of this repository.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn manifest(folder: &str) -> toml::Table {
    let path = root().join(folder).join("Cargo.toml");
    fs::read_to_string(&path).unwrap().parse().unwrap()
}

/// Who may import whom. The arrows of ARCHITECTURE.md.
const IMPORTS: [(&str, &[&str]); 10] = [
    ("specs", &[]),
    ("plans", &["specs"]),
    ("billing", &["specs"]),
    ("engine", &["specs", "plans", "billing"]),
    ("providers", &["specs", "plans", "engine"]),
    ("store", &["specs", "plans", "billing", "engine"]),
    ("server", &["specs", "plans", "billing", "engine", "providers", "store"]),
    ("sandbox", &[]),
    ("cli", &["specs", "plans", "billing", "engine", "providers", "store", "server", "sandbox"]),
    (
        "tests",
        &["specs", "plans", "billing", "engine", "providers", "store", "server", "sandbox", "cli"],
    ),
];

/// What tests of a crate may import besides: the pretend systems it is driven against.
const TESTS_IMPORT: [(&str, &str); 1] = [("providers", "sandbox")];

#[test]
fn imports_run_one_way() {
    let members = manifest(".")["workspace"]["members"].clone();
    let members: Vec<_> = members.as_array().unwrap().iter().filter_map(|m| m.as_str()).collect();
    let known: Vec<_> = IMPORTS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(members, known, "every crate has a place in the drawing");
    for (folder, allowed) in IMPORTS {
        let manifest = manifest(folder);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in dependencies.keys().filter(|name| name.starts_with("lessor")) {
                let imported = name.strip_prefix("lessor-").unwrap_or("cli");
                let for_tests =
                    table == "dev-dependencies" && TESTS_IMPORT.contains(&(folder, imported));
                assert!(
                    allowed.contains(&imported) || for_tests,
                    "`{folder}` imports `{imported}` in [{table}]"
                );
            }
        }
    }
}

#[test]
fn the_generated_example_is_what_its_generator_makes() {
    let many = root().join("examples/many");
    let made = std::process::Command::new(many.join("generate.sh")).arg("1000").output().unwrap();
    let kept = fs::read_to_string(many.join("many.toml")).unwrap();
    assert!(
        String::from_utf8(made.stdout).unwrap() == kept,
        "run examples/many/generate.sh 1000 > examples/many/many.toml"
    );
}

/// Crates that touch the world. The pure half has none of them.
const WORLDLY: [&str; 8] =
    ["bollard", "reqwest", "sqlx", "tempfile", "rand", "clap", "anyhow", "indicatif"];

#[test]
fn the_planning_half_cannot_reach_the_world() {
    for folder in ["specs", "plans", "engine"] {
        let manifest = manifest(folder);
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in WORLDLY {
            assert!(!dependencies.contains_key(name), "`{folder}` depends on `{name}`");
        }
        match (folder, dependencies.get("tokio")) {
            ("engine", Some(tokio)) => {
                assert_eq!(tokio["features"].to_string(), r#"["rt", "time", "sync"]"#);
            }
            (_, tokio) => assert!(tokio.is_none(), "`{folder}` depends on tokio"),
        }
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    for folder in ["specs", "plans", "billing", "engine", "providers", "server", "cli"] {
        assert!(
            !manifest(folder)["dependencies"].as_table().unwrap().contains_key("sqlx"),
            "{folder}"
        );
    }
}

#[test]
fn every_dependency_says_what_it_is_here_for() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lines = text.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    for line in lines.take_while(|line| !line.starts_with('[')) {
        let ours = line.starts_with("lessor") || line.starts_with('#') || line.is_empty();
        assert!(ours || line.contains("# ") || line.starts_with("tokio"), "{line}");
    }
}

#[test]
fn every_example_is_run_by_a_test_and_every_kind_has_an_example() {
    let mut seen: BTreeMap<&str, bool> =
        lessor_specs::Kind::ALL.iter().map(|kind| (kind.as_str(), false)).collect();
    for example in fs::read_dir(root().join("examples")).unwrap().filter_map(Result::ok) {
        if !example.path().is_dir() {
            continue;
        }
        let loaded = lessor_specs::load::load(&example.path()).unwrap_or_else(|r| panic!("{r}"));
        for text in loaded.tree.files().values() {
            let table: toml::Table = text.parse().unwrap();
            for kind in table.keys() {
                *seen.get_mut(kind.as_str()).unwrap() = true;
            }
        }
    }
    let missing: Vec<_> = seen.iter().filter(|(_, seen)| !**seen).map(|(kind, _)| kind).collect();
    assert!(missing.is_empty(), "no example shows {missing:?}");
}
