//! Machines that people are let into: containers with a Debian system or with nothing but busybox, and
//! the keeper of one.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by stopping")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lessor_engine::Watched;
use lessor_engine::access::{Account, AccountMark, Keeper};
use lessor_plans::{InstallationId, Mark, Origin};
use lessor_providers::access::{Credential, Kept, Login, Machine as Place, Patience, Way, keeper};
use lessor_providers::{Connection, Entry, Secrets};
use lessor_specs::kinds;
use tempfile::TempDir;

use crate::engine::{Dice, Ran, docker, docker_run, quiet, ran, repository, seed};
use crate::sshd::keygen;

/// Debian with an ssh server, cron, at and sudo.
const DEBIAN: &str = "lessor.example/machine:debian";

/// Nothing but busybox.
const BUSYBOX: &str = "lessor.example/machine:busybox";

/// On every machine of tests.
const LABEL: &str = "lessor-test=machine";

/// Runs until it is told to stop, and buries the dead.
const IDLE: [&str; 3] = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"];

/// How long a machine may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A machine, gone with the test.
pub struct Machine {
    /// What the engine calls it.
    pub name: String,
    /// Whose accounts are on it.
    pub installation: InstallationId,
    keys: TempDir,
    port: Option<u16>,
}

impl Machine {
    /// With busybox and no ssh server, reached through its engine.
    pub fn busybox() -> Self {
        Machine::run(BUSYBOX, &[], &IDLE)
    }

    /// With Debian, reached through its engine; `options` are of `docker run`.
    pub fn debian(options: &[&str]) -> Self {
        Machine::run(DEBIAN, options, &IDLE)
    }

    /// With Debian and an ssh server.
    pub fn with_sshd(options: &[&str]) -> Self {
        let published = [&["--publish", "127.0.0.1::22"][..], options];
        let start = ["sh", "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e"];
        let machine = Machine::run(DEBIAN, &published.concat(), &start);
        machine.with_ssh()
    }

    /// With Debian, and systemd that starts an ssh server and cron.
    pub fn with_systemd() -> Self {
        // What systemd needs to make mounts and control groups of its own.
        let options = [
            "--publish=127.0.0.1::22",
            "--cap-add=SYS_ADMIN",
            "--security-opt=seccomp=unconfined",
            "--cgroupns=host",
            "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "--tmpfs=/run",
            "--tmpfs=/tmp:exec,mode=1777",
        ];
        let machine = Machine::run(DEBIAN, &options, &["/lib/systemd/systemd"]);
        machine.wait_until("the system runs", || {
            let state = machine.exec(&["systemctl", "is-system-running"]).stdout;
            ["running", "degraded"].contains(&state.trim())
        });
        machine.with_ssh()
    }

    fn run(image: &str, options: &[&str], command: &[&str]) -> Self {
        prepare();
        let chance = Dice::new(seed()).below(1 << 32);
        let name = format!("lessor-test-{chance:08x}");
        let installation: InstallationId = format!("test-{chance:08x}").parse().unwrap();
        let mark = Mark {
            installation: installation.clone(),
            address: "container.box".parse().unwrap(),
            origin: Origin::File,
            name: name.clone(),
        };
        let mark =
            mark.to_labels().into_iter().map(|(key, value)| format!("--label={key}={value}"));
        let mark: Vec<_> = mark.collect();
        let mark: Vec<_> = mark.iter().map(String::as_str).collect();
        let run = ["run", "--detach", "--label", LABEL, "--name", &name];
        docker(&[&run[..], &mark, options, &[image], command].concat());
        let keys = tempfile::Builder::new().prefix("lessor-keys-").tempdir().unwrap();
        for key in ["root", "owner"] {
            let file = keys.path().join(key).display().to_string();
            keygen(&["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &file]);
        }
        Machine { name, installation, keys, port: None }
    }

    fn with_ssh(mut self) -> Self {
        let key = std::fs::read_to_string(self.key("root.pub")).unwrap();
        let script = "mkdir -p /root/.ssh && echo \"$1\" >/root/.ssh/authorized_keys";
        self.exec(&["sh", "-c", script, "sh", key.trim()]).expect(0);
        let ports = docker(&["port", &self.name, "22"]);
        let port = ports.lines().next().unwrap().rsplit_once(':').unwrap().1;
        self.port = Some(port.parse().unwrap());
        self.wait_until("its ssh server answers", || {
            self.ssh("root", "root", &["true"]).code == Some(0)
        });
        self
    }

    /// Runs a command as root.
    pub fn exec(&self, command: &[&str]) -> Ran {
        let mut exec = Command::new("docker");
        exec.args(["exec", &self.name]).args(command);
        quiet(&mut exec);
        ran(exec)
    }

    /// Runs a script of the shell as root, which has to do what it is for.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.exec(&["sh", "-c", script]).expect(0).stdout.clone()
    }

    /// Runs a script as somebody else, in the background.
    pub fn leave(&self, user: &str, script: &str) {
        docker(&["exec", "--detach", &self.name, "su", user, "-c", script]);
    }

    /// What logs in over ssh with one of the keys.
    fn ssh_command(&self, key: &str, user: &str, command: &[&str]) -> Command {
        let mut ssh = self.ssh_to();
        ssh.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"]).arg(self.key(key));
        ssh.arg(format!("{user}@127.0.0.1")).args(command);
        ssh
    }

    /// What goes there over ssh, whoever it is.
    fn ssh_to(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "LogLevel=ERROR", "-F", "none", "-p", &self.port().to_string()]);
        quiet(&mut ssh);
        ssh
    }

    /// Logs in over ssh with one of the keys, `root` or `owner`, and runs a command.
    pub fn ssh(&self, key: &str, user: &str, command: &[&str]) -> Ran {
        ran(self.ssh_command(key, user, command))
    }

    /// Logs in over ssh with a password, and runs a command.
    pub fn ssh_by_password(&self, password: &str, user: &str, command: &[&str]) -> Ran {
        let asked = self.keys.path().join("password");
        std::fs::write(&asked, "#!/bin/sh\necho \"$SAID\"\n").unwrap();
        std::fs::set_permissions(&asked, Permissions::from_mode(0o700)).unwrap();
        let mut ssh = self.ssh_to();
        ssh.args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]);
        ssh.arg(format!("{user}@127.0.0.1")).args(command);
        ssh.env("SSH_ASKPASS", asked).env("SSH_ASKPASS_REQUIRE", "force").env("SAID", password);
        ran(ssh)
    }

    /// As [`Machine::ssh`], of what goes on.
    pub fn ssh_stays(&self, key: &str, user: &str, command: &[&str]) -> Child {
        let mut ssh = self.ssh_command(key, user, command);
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// One of the keys.
    pub fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    /// Where its ssh server listens on this machine.
    pub fn port(&self) -> u16 {
        self.port.expect("it has ssh")
    }

    /// The fingerprint of its key.
    pub fn host_key(&self) -> String {
        let shown = self.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
        shown.split(' ').nth(1).expect("size, fingerprint, comment and sort").to_owned()
    }

    /// How root logs in.
    pub fn login(&self) -> Login {
        Login {
            host: "127.0.0.1".into(),
            port: self.port(),
            user: "root".into(),
            sudo: false,
            host_key: self.host_key().parse().unwrap(),
            credential: self.credential("root"),
        }
    }

    /// One of the keys, to log in with.
    pub fn credential(&self, key: &str) -> Credential {
        let text = std::fs::read_to_string(self.key(key)).unwrap();
        Credential::Key(Kept::Here(text.into()))
    }

    /// Its keeper, over ssh.
    pub fn over_ssh(&self) -> Arc<dyn Keeper> {
        self.by(self.login(), Patience::default())
    }

    /// Its keeper, over ssh in some other way.
    pub fn by(&self, login: Login, patience: Patience) -> Arc<dyn Keeper> {
        let way = Way::Ssh(login);
        let installation = &self.installation;
        keeper(Place { installation, way, guest: None, patience }).unwrap()
    }

    /// Its keeper, through its engine.
    pub fn in_container(&self) -> Arc<dyn Keeper> {
        self.in_container_of("container.box", Patience::default())
    }

    /// Its keeper, through its engine, for what was made for some address.
    pub fn in_container_of(&self, address: &str, patience: Patience) -> Arc<dyn Keeper> {
        let thing = Watched { address: address.parse().unwrap(), name: self.name.clone() };
        let docker = kinds::Docker {
            endpoint: None,
            tls: None,
            host_key: None,
            key: None,
            location: None,
            capacity: None,
            overcommit: None,
        };
        let connection = Connection {
            name: "local",
            entry: Entry::Docker(&docker),
            installation: &self.installation,
            spec_dir: Path::new("/nowhere"),
            docker_host: None,
            ssh_agent: None,
            secrets: &Arc::new(Secrets::default()),
        };
        let way = Way::Container(connection, thing);
        let installation = &self.installation;
        keeper(Place { installation, way, guest: None, patience }).unwrap()
    }

    /// An account for its owner's key.
    pub fn account(&self, name: &str, reservation: &str, expires_at: &str) -> Account {
        let key = std::fs::read_to_string(self.key("owner.pub")).unwrap();
        Account {
            name: name.parse().unwrap(),
            mark: AccountMark::new(self.installation.clone(), reservation).unwrap(),
            ssh_key: key.parse().unwrap(),
            expires_at: expires_at.parse::<Timestamp>().unwrap(),
            password: None,
        }
    }

    /// What is left on it of an account: lines of its files, its processes and everything it owns. The
    /// dead count for nothing.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[track_caller]
    pub fn left_of(&self, name: &str, uid: u32) -> String {
        let script = r#"
            grep "^$1:" /etc/passwd /etc/shadow /etc/group
            find / -xdev -user "$2" ! -path '/proc/*' ! -path '/sys/*' 2>/dev/null
            find / -xdev -name "$1*" ! -path '/proc/*' ! -path '/sys/*' 2>/dev/null
            find /tmp /dev/shm /run -user "$2" 2>/dev/null
            for status in $(grep -lsE "^Uid:.*[[:space:]]$2([[:space:]]|\$)" /proc/[0-9]*/status); do
                grep -qs '^State:[[:space:]]*Z' "$status" || cat "${status%status}cmdline"
            done
            true"#;
        self.exec(&["sh", "-c", script, "sh", name, &uid.to_string()]).expect(0).stdout.clone()
    }

    /// Waits for something.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let logs = || docker_run(&["logs", "--tail", "20", &self.name]);
            assert!(began.elapsed() < PATIENCE, "not seen that {what}: {:?}", logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = docker_run(&["rm", "--force", "--volumes", &self.name]);
    }
}

/// Makes the images. Without an engine nothing here can be proved, so a test fails.
fn prepare() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        let mut script = Command::new(repository().join("tests/machine-images.sh"));
        quiet(&mut script);
        ran(script).expect(0);
    });
}
