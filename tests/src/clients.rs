//! Programs of others, as `tests/run.sh` installs them below `target/clients`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/clients")
}

/// One of them, beside the scripts that use it.
///
/// # Panics
/// When they are not installed.
pub fn program(name: &str) -> Command {
    let clients = home();
    assert!(clients.join("ready").is_file(), "install the clients, as `tests/run.sh` does");
    let mut command = Command::new(clients.join("bin").join(name));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    // Authorities and proxies of this machine have no say in it.
    for name in
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"]
    {
        command.env_remove(name);
    }
    command
}
