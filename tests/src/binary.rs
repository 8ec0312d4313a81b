//! The `lessor` program that whole-system tests and benches run.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by stopping")]

use std::path::PathBuf;
use std::process::Command;

/// Says where another one is.
const OTHER: &str = "LESSOR_BIN";

/// The program beside the tests: `target/<profile>/lessor`.
///
/// # Panics
/// When there is none.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os(OTHER) {
        return path.into();
    }
    let own = std::env::current_exe().expect("a test knows where it is");
    let path =
        own.parent().and_then(|deps| deps.parent()).expect("a test is in deps").join("lessor");
    assert!(
        path.is_file(),
        "there is no `{}`; `cargo build --package lessor` makes it, and `cargo test --workspace` too",
        path.display()
    );
    path
}

/// The program as it is released, built now unless another one is named.
///
/// # Panics
/// When it cannot be built.
pub fn release_binary() -> PathBuf {
    if std::env::var_os(OTHER).is_none() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--package", "lessor"]);
        // What cargo says about this package would have it build others anew.
        let said = std::env::vars_os().map(|(name, _)| name);
        for name in said.filter(|name| is_about_the_package(&name.to_string_lossy())) {
            build.env_remove(name);
        }
        let status = build.status();
        assert!(status.is_ok_and(|status| status.success()), "lessor could not be built");
    }
    binary()
}

fn is_about_the_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name == "LD_LIBRARY_PATH"
}
