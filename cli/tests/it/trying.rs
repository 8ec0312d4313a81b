//! `lessor try`, from beginning to end: clusters and firewalls over real HTTPS, empty at first.

use std::path::Path;
use std::process::Command;

#[test]
fn an_example_of_two_clusters_and_two_firewalls_is_made_and_nothing_is_left_to_do() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/vps");
    let mut lessor = Command::new(env!("CARGO_BIN_EXE_lessor"));
    let output = lessor.arg("try").arg(example).arg("--once").output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stderr.contains("64 of 64 steps done"), "{stderr}");
    assert!(stdout.ends_with("In sync: 64 things are as declared.\n"), "{stdout}");
}
