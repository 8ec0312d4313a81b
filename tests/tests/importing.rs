//! A list of machines is imported beside machines that answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::fs;
use std::process::Command;

use lessor_tests::binary::binary;
use lessor_tests::sshd::Sshd;

#[test]
fn the_keys_that_machines_show_are_written_down() {
    let server = Sshd::start();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("lessor.toml"), "installation = \"test-1\"\n").unwrap();
    let (_, port) =
        server.endpoint("").rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let port = port.split('/').next().unwrap().to_owned();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap().port();
    drop(closed);
    let import = |list: String| {
        fs::write(at("machines.txt"), list).unwrap();
        Command::new(binary())
            .args(["pool", "import", "machines.txt", "--scan-host-keys"])
            .current_dir(directory.path())
            .output()
            .unwrap()
    };

    let ran = import(format!("a 127.0.0.1 {port} root pw\nb 127.0.0.1 {nobody} root pw\n"));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains(&format!("machines.txt:2: no ssh with `127.0.0.1:{nobody}`")), "{told}");
    assert!(!at("machines.toml").exists() && !at(".lessor").exists());

    let ran = import(format!("a 127.0.0.1 {port} root pw\n"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let entries = fs::read_to_string(at("machines.toml")).unwrap();
    let fingerprint = server.fingerprint("host");
    assert!(entries.contains(&format!("host_key = \"{fingerprint}\"")), "{entries}");
    // Nobody logged in to find that out.
    assert!(!server.log().contains("Accepted"), "{}", server.log());
}
