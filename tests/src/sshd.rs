//! An ssh server on this machine, for whoever runs the tests, with keys and rules of its own.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by stopping")]

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// An ssh server that lets in whoever has the key `client`, as long as it is kept.
pub struct Sshd {
    directory: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Sshd {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no `sshd`, or it does not start.
    pub fn start() -> Self {
        Sshd::with("")
    }

    /// Starts one, with more lines of `sshd_config`.
    ///
    /// # Panics
    /// As [`Sshd::start`].
    pub fn with(more: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("lessor-sshd-").tempdir().unwrap();
        let port = free_port();
        let mut sshd = Sshd { directory, port, server: None };
        for (name, sort) in [
            ("host", "ed25519"),
            ("ecdsa", "ecdsa"),
            ("client", "ed25519"),
            ("stranger", "ed25519"),
        ] {
            let file = sshd.path(name);
            keygen(&["-q", "-t", sort, "-N", "", "-f", &file.display().to_string()]);
        }
        std::fs::copy(sshd.path("client.pub"), sshd.path("authorized_keys")).unwrap();
        let path = |name| sshd.path(name).display().to_string();
        let config = format!(
            "{more}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nHostKey {}\n\
             AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nLogLevel VERBOSE\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            path("host"),
            path("ecdsa"),
            path("authorized_keys"),
        );
        std::fs::write(sshd.path("sshd_config"), config).unwrap();
        sshd.again();
        sshd
    }

    /// Starts it again where it was, with the keys it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn again(&mut self) {
        if geteuid().is_root() {
            // Where a server that can be anybody locks up the part that talks to strangers.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let log = std::fs::File::create(self.path("log")).unwrap();
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("there is an sshd: apt-get install openssh-server");
        self.server = Some(server);
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "sshd does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, with every connection.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // Those who serve connections outlive the one who took them.
        let all = descendants(server.id());
        server.kill().unwrap();
        server.wait().unwrap();
        end(&all);
    }

    /// Drops every connection, and takes new ones.
    ///
    /// # Panics
    /// When there is none.
    pub fn drop_connections(&self) {
        let server = self.server.as_ref().expect("it runs");
        let all = descendants(server.id());
        assert!(!all.is_empty(), "nobody is connected");
        end(&all);
    }

    /// Where the engine is, seen through it; `more` follows the port.
    pub fn endpoint(&self, more: &str) -> String {
        let user = nix::unistd::User::from_uid(geteuid()).unwrap().expect("we have a name");
        format!("ssh://{}@127.0.0.1:{}{more}", user.name, self.port)
    }

    /// What it said since it was started last.
    ///
    /// # Panics
    /// When it said something that is no text.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// A file of it: `client`, `stranger`, `host` and `ecdsa` are private keys.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The fingerprint of one of the keys.
    ///
    /// # Panics
    /// When there is no such key.
    pub fn fingerprint(&self, name: &str) -> String {
        let shown = keygen(&["-l", "-f", &self.path(&format!("{name}.pub")).display().to_string()]);
        shown.split(' ').nth(1).expect("size, fingerprint, comment and sort").to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An ssh agent, as long as it is kept.
pub struct Agent {
    directory: TempDir,
    agent: Child,
}

impl Agent {
    /// Starts one with these keys.
    ///
    /// # Panics
    /// When it does not start, or does not take a key.
    pub fn with(keys: &[PathBuf]) -> Self {
        let directory = tempfile::Builder::new().prefix("lessor-agent-").tempdir().unwrap();
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(directory.path().join("socket"));
        let agent = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let agent = Agent { directory, agent: agent.expect("openssh-client has it") };
        let began = Instant::now();
        while !agent.socket().exists() {
            assert!(began.elapsed() < PATIENCE, "ssh-agent does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        for key in keys {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(key).env("SSH_AUTH_SOCK", agent.socket()).stdin(Stdio::null());
            assert!(add.status().unwrap().success(), "ssh-add {}", key.display());
        }
        agent
    }

    /// What `SSH_AUTH_SOCK` has to be.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // One that ended already is as good.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

pub(crate) fn keygen(args: &[&str]) -> String {
    let output = Command::new("ssh-keygen").args(args).stdin(Stdio::null()).output();
    let output = output.expect("openssh-client has it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ssh-keygen {}: {said}", args.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Kills them, and waits until they are gone.
fn end(all: &[u32]) {
    for id in all {
        // One that ended already is as good.
        let _ = kill(Pid::from_raw((*id).try_into().unwrap()), Signal::SIGKILL);
    }
    let began = Instant::now();
    while all.iter().any(|id| is_running(*id)) {
        assert!(began.elapsed() < PATIENCE, "sshd does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_running(id: u32) -> bool {
    // A dead one that nobody has buried holds no connection.
    stat(Path::new(&format!("/proc/{id}"))).is_some_and(|(condition, _)| condition != "Z")
}

/// Those whom it started, and whom they started.
fn descendants(id: u32) -> Vec<u32> {
    let running = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pairs: Vec<(u32, u32)> = running
        .filter_map(|entry| {
            let own = entry.file_name().to_str()?.parse().ok()?;
            Some((own, stat(&entry.path())?.1))
        })
        .collect();
    let mut found = vec![id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(pairs.iter().filter(|(_, by)| *by == parent).map(|(own, _)| *own));
        next += 1;
    }
    found.split_off(1)
}

/// Its condition and who started it.
fn stat(directory: &Path) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(directory.join("stat")).ok()?;
    // Its name stands in brackets and may hold anything.
    let mut rest = text.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.to_owned(), rest.next()?.parse().ok()?))
}
