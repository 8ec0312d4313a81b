//! Every code: the wrong example of its page gives it, the right one gives nothing.
//!
//! An example is a spec directory: as TOML, where `# file: b.toml` begins another file, or as a
//! script that makes the directory `specs`. `# file: ../orders.toml` is what customers ordered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use lessor_specs::load::load;
use lessor_specs::{Code, Loaded, Orders, Page, Report};
use tempfile::TempDir;

/// A directory in which an example was made.
struct Example {
    home: TempDir,
}

impl Example {
    /// The example below a heading of a page.
    fn of(page: &Page, heading: &str) -> Example {
        let below = page.text.split_once(&format!("\n## {heading}\n\n```")).unwrap().1;
        let (language, block) = below.split_once("\n```\n").unwrap().0.split_once('\n').unwrap();
        let example = Example { home: tempfile::tempdir().unwrap() };
        assert!(["toml", "sh"].contains(&language), "{}: an example in {language}", page.code);
        if language == "sh" {
            example.run(block);
        } else {
            example.write(block);
        }
        example
    }

    fn write(&self, block: &str) {
        let mut file = "web.toml";
        for line in block.lines() {
            file = line.strip_prefix("# file: ").unwrap_or(file);
            let path = self.home.path().join("specs").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = fs::read_to_string(&path).unwrap_or_default();
            fs::write(path, text + line + "\n").unwrap();
        }
    }

    fn run(&self, script: &str) {
        let ran = Command::new("sh").args(["-ec", script]).current_dir(&self.home).status();
        assert!(ran.unwrap().success(), "{script}");
    }

    fn load(&self) -> Result<Loaded, Report> {
        let loaded = load(&self.home.path().join("specs"))?;
        // Orders stand beside the spec directory.
        if let Ok(text) = fs::read_to_string(self.home.path().join("orders.toml")) {
            let orders = Orders::from_toml("orders.toml", &text)?;
            loaded.specs.with_orders(&orders, "2026-11-29T12:00:00Z".parse().unwrap())?;
        }
        Ok(loaded)
    }

    /// A report, without the place of this directory.
    fn shown(&self, report: &Report) -> String {
        report.to_string().replace(&format!("{}/", self.home.path().display()), "")
    }
}

#[test]
fn every_wrong_example_is_refused_with_the_code_of_its_page() {
    for code in Code::ALL {
        let page = code.page();
        let example = Example::of(page, "Wrong");
        let report = example.load().expect_err(page.code);
        let text = example.shown(&report);
        let codes: Vec<_> = report.diagnostics().iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [*code], "{}: the wrong example gives\n{text}", page.code);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(page.code, text);
        });
    }
}

#[test]
fn every_right_example_is_valid() {
    for code in Code::ALL {
        let page = code.page();
        let example = Example::of(page, "Right");
        let report = example.load().err().map(|report| example.shown(&report));
        assert_eq!(report, None, "{}: the right example", page.code);
    }
}

#[test]
fn every_code_has_a_snapshot_and_every_snapshot_a_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let kept: BTreeSet<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "snap"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let codes: BTreeSet<_> = Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(kept, codes);
}
