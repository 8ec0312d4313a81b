//! Machines that exist already: their keys are written down, and they are examined.

use std::fs;
use std::process::Command;

use lessor_tests::binary::binary;
use lessor_tests::machine::Machine;
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

#[test]
fn a_doctor_tells_the_machine_that_is_meant_from_another_and_from_none() {
    let machine = Machine::with_sshd(&[]);
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    write("lessor.toml", "installation = \"test-1\"\n".into());
    fs::copy(machine.key("root"), directory.path().join("key")).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap().port();
    drop(closed);
    let entry = |name: &str, host: &str, port: u16, key: &str| {
        format!(
            "[machine.{name}]\npool = \"metal\"\nhost = \"{host}\"\nport = {port}\n\
             key = \"secret://file/key\"\nhost_key = \"{key}\"\n"
        )
    };
    let (port, own) = (machine.port(), machine.host_key());
    let other = "SHA256:T07GjyyrTLENi9QnvPv2nHGkexSZkV7/rS42zXuvpiY";
    let entries = [
        entry("good", "127.0.0.1", port, &own),
        entry("other", "localhost", port, other),
        entry("gone", "127.0.0.1", nobody, &own),
    ];
    write("specs.toml", format!("[pool.metal]\naccess = \"ssh\"\n{}", entries.concat()));

    let ran = Command::new(binary()).arg("doctor").current_dir(directory.path()).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    let line = |machine: &str| told.lines().find(|line| line.contains(machine)).unwrap();
    let is = |machine: &str, verdict: &str, part: &str| {
        let line = line(machine);
        assert!(line.starts_with(verdict) && line.contains(part), "{told}");
    };
    is(
        "machine.good",
        "ok",
        "it is the one that is meant, and lets us in; nobody of ours is on it",
    );
    is("machine.other", "fail", &format!("is not the machine with the key `{other}`"));
    is("machine.gone", "unseen", &format!("no ssh with `127.0.0.1:{nobody}`"));
}
