//! The container image and the Debian package, installed and started.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lessor_tests::binary::binary;
use lessor_tests::engine::{Ran, SOCKET, Site, docker, docker_run, quiet, ran, repository};
use tempfile::TempDir;

/// On every container of these tests.
const LABEL: &str = "lessor.test=packages";

/// What `packaging/package.sh` makes of the program under test.
struct Packages {
    directory: TempDir,
    image: String,
}

impl Packages {
    fn built() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let image = format!("lessor.example/packages:{}-{number}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        let mut script = Command::new(repository().join("packaging/package.sh"));
        script.arg(binary()).arg(directory.path());
        quiet(&mut script);
        script.env("LESSOR_IMAGE", &image);
        ran(script).expect(0);
        Packages { directory, image }
    }

    fn file(&self, ending: &str) -> PathBuf {
        let files = fs::read_dir(self.directory.path()).unwrap().map(|file| file.unwrap().path());
        let mut files = files.filter(|file| file.to_string_lossy().ends_with(ending));
        files.next().unwrap()
    }

    /// Runs the image with its root read-only.
    fn run(&self, options: &[&str], args: &[&str]) -> Ran {
        let fixed = ["run", "--rm", "--read-only", "--label", LABEL];
        docker_ran(&[&fixed[..], options, &[&self.image], args].concat())
    }
}

impl Drop for Packages {
    fn drop(&mut self) {
        let _ = docker_run(&["image", "rm", "--force", &self.image]);
    }
}

fn docker_ran(args: &[&str]) -> Ran {
    let mut command = Command::new("docker");
    command.args(args);
    quiet(&mut command);
    ran(command)
}

fn version() -> String {
    let mut command = Command::new(binary());
    command.arg("--version");
    ran(command).expect(0).stdout.clone()
}

#[test]
fn the_same_program_gives_the_same_packages() {
    let (one, other) = (Packages::built(), Packages::built());
    for ending in ["root.tar", ".deb"] {
        let bytes = |packages: &Packages| fs::read(packages.file(ending)).unwrap();
        assert!(bytes(&one) == bytes(&other), "{ending} differs");
    }
}

#[test]
fn the_image_holds_one_program_and_runs_it_without_rights() {
    let packages = Packages::built();
    let listed = Command::new("tar").arg("-tf").arg(packages.file("root.tar")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let programs: Vec<_> =
        listed.lines().filter(|path| path.contains("bin/") && !path.ends_with('/')).collect();
    assert_eq!(programs, ["./usr/bin/lessor"]);

    // As it is saved, for a machine that has not built it.
    docker(&["image", "rm", &packages.image]);
    docker(&["load", "--input", packages.file(".image.tar").to_str().unwrap()]);
    assert_eq!(packages.run(&[], &["--version"]).expect(0).stdout, version());
    let label = "{{index .Config.Labels \"org.opencontainers.image.version\"}}";
    let label = docker(&["image", "inspect", "--format", label, &packages.image]);
    assert_eq!(format!("lessor {label}"), version().trim());

    let example = format!("{}:/specs:ro", repository().join("examples/hello").display());
    packages.run(&["-v", &example], &["validate"]).expect(0).says("valid: 2 entries");

    let names = ["-v", &example, "--add-host", "engine.test:127.0.0.1"];
    let far = packages.run(&names, &["drift", "--endpoint", "local=tcp://engine.test:1"]);
    far.expect(6).says("Connection refused");

    let specs = tempfile::tempdir().unwrap();
    fs::set_permissions(specs.path(), Permissions::from_mode(0o777)).unwrap();
    let mount = format!("{}:/specs", specs.path().display());
    packages.run(&["-v", &mount], &["init"]).expect(0);
    let made = fs::metadata(specs.path().join("lessor.toml")).unwrap();
    assert_eq!((made.uid(), made.gid()), (65532, 65532));
    packages.run(&["-v", &mount], &["apply", "--yes"]).expect(0);

    let mount = format!("{mount}:ro");
    let drift = || packages.run(&["--tmpfs", "/tmp", "-v", &mount], &["drift"]);
    drift().expect(0).says("In sync");
    replace(&specs.path().join("host.json"), "128MiB", "64MiB");
    drift().expect(2).says("memory changed outside");
}

#[test]
fn the_image_looks_at_a_real_engine() {
    let packages = Packages::built();
    let site = network();
    fs::set_permissions(site.path(), Permissions::from_mode(0o755)).unwrap();
    let specs = format!("{}:/specs:ro", site.path().display());
    let socket = format!("{SOCKET}:{SOCKET}");
    let group = socket_group();
    let options = ["--group-add", &group, "-v", &socket, "-v", &specs];
    // What is remembered is for its user only; the marks say enough.
    let args = ["drift", "--database", "sqlite:/tmp/none.db"];
    packages.run(&options, &args).expect(0).says("In sync");
    docker(&["network", "rm", &site.name("front")]);
    packages.run(&options, &args).expect(2).says(&site.name("front"));
}

/// A network on the real engine.
fn network() -> Site {
    let site = Site::new();
    site.specs("[docker.local]\n\n[network.{p}-front]\nsubnet = \"{s0}\"\n");
    site.settle();
    site
}

/// Who may talk to the engine.
fn socket_group() -> String {
    fs::metadata(SOCKET).unwrap().gid().to_string()
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in:\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A Debian system with systemd as its first process, which is gone after the test.
struct Machine {
    id: String,
}

impl Machine {
    /// Starts one that finds the packages in `/packages`.
    fn started(packages: &Packages) -> Self {
        let script = ran(Command::new(repository().join("tests/debian-image.sh")));
        let image = script.expect(0).stdout.trim();
        let packages = format!("{}:/packages:ro", packages.directory.path().display());
        let socket = format!("{SOCKET}:{SOCKET}");
        let run = ["run", "--detach", "--label", LABEL];
        // What systemd needs to make mounts and control groups of its own.
        let rights = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
        let groups = ["--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"];
        let mounts = ["--tmpfs", "/run", "--tmpfs", "/tmp", "-v", &packages, "-v", &socket];
        let start = [image, "/lib/systemd/systemd"];
        let id = docker(&[&run[..], &rights, &groups, &mounts, &start].concat());
        let machine = Machine { id };
        machine.wait_until("the system runs", || {
            let state = machine.run(&["systemctl", "is-system-running"]).stdout;
            ["running", "degraded"].contains(&state.trim())
        });
        machine
    }

    fn run(&self, command: &[&str]) -> Ran {
        docker_ran(&[&["exec", &self.id], command].concat())
    }

    fn write(&self, path: &str, text: &str) {
        let script = r#"mkdir -p "${1%/*}" && printf %s "$2" >"$1""#;
        self.run(&["sh", "-c", script, "sh", path, text]).expect(0);
    }

    /// Puts specs into `/etc/lessor`, with this further line in their `lessor.toml`, and beside
    /// them the secret that they may refer to, which only root can read.
    fn specs(&self, name: &str, installation: &str, line: &str, specs: &str) {
        let config = format!("installation = \"{installation}\"\n{line}\n");
        self.write(&format!("/etc/lessor/{name}/lessor.toml"), &config);
        self.write(&format!("/etc/lessor/{name}/specs.toml"), specs);
        let secrets = format!("/etc/lessor/{name}.env");
        self.write(&secrets, "TOKEN=hidden\n");
        self.run(&["chmod", "600", &secrets]).expect(0);
    }

    /// Applies specs as the documentation says.
    fn apply(&self, name: &str) {
        let user = [
            "env",
            "TOKEN=hidden",
            "runuser",
            "-u",
            "lessor",
            "-g",
            "lessor",
            "-G",
            "docker",
            "--",
        ];
        let apply = ["lessor", "apply", "--yes", &format!("/etc/lessor/{name}")];
        self.run(&[&user[..], &apply].concat()).expect(0);
    }

    /// Starts the service, which has to end so.
    fn expect_drift(&self, name: &str, result: &str, code: i32) {
        let service = format!("lessor-drift@{name}.service");
        let started = self.run(&["systemctl", "start", &service]);
        let properties = ["systemctl", "show", "-p", "Result,ExecMainStatus", &service];
        let ended = self.run(&properties).stdout;
        let said = self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", &service]);
        let expected = format!("Result={result}\nExecMainStatus={code}\n");
        assert_eq!(ended, expected, "{}\n{}", started.all(), said.all());
        started.expect(i32::from(code != 0));
    }

    /// Starts the server, which answers, with its database at hand and its orders carried out.
    fn serve(&self, name: &str) {
        let service = format!("lessor-serve@{name}.service");
        self.run(&["systemctl", "enable", "--now", &service]).expect(0);
        let ask = "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 \
                   && grep --quiet '200 OK' <&3";
        self.wait_until("the server is ready", || self.run(&["bash", "-c", ask]).code == Some(0));
        let log = self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", &service]);
        log.says("serving");
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let log = || docker_ran(&["logs", &self.id]).all();
            assert!(began.elapsed() < Duration::from_mins(1), "not seen that {what}\n{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = docker_run(&["rm", "--force", "--volumes", &self.id]);
    }
}

/// A Debian system with the package on it.
fn installed(packages: &Packages) -> Machine {
    let machine = Machine::started(packages);
    // As it is where an engine is installed.
    let group = format!("echo docker:x:{}: >>/etc/group", socket_group());
    machine.run(&["sh", "-c", &group]).expect(0);
    machine.run(&["sh", "-c", "dpkg --install /packages/*.deb"]).expect(0);
    machine
}

/// One container on a pretend host.
const WEB: &str = r#"
[docker.local]
endpoint = "memory:/var/lib/lessor/{name}.json"

[container.web]
image = "lessor.example/busybox:1"
memory = "64MiB"
env = { TOKEN = "secret://env/TOKEN" }
"#;

/// Makes the service fail in sight of the test, and the timer elapse when it is started.
const TELL: [(&str, &str); 3] = [
    (
        "/etc/systemd/system/lessor-drift@.service.d/tell.conf",
        "[Unit]\nOnFailure=tell@%n.service\n",
    ),
    ("/etc/systemd/system/tell@.service", "[Service]\nExecStart=/usr/bin/touch /root/%i\n"),
    (
        "/etc/systemd/system/lessor-drift@.timer.d/now.conf",
        "[Timer]\nOnActiveSec=0\nRandomizedDelaySec=0\n",
    ),
];

#[test]
fn the_debian_package_installs_looks_for_drift_by_a_timer_serves_and_goes_again() {
    let packages = Packages::built();
    let machine = installed(&packages);
    assert_eq!(machine.run(&["lessor", "--version"]).expect(0).stdout, version());
    machine.run(&["bash", "-n", "/usr/share/bash-completion/completions/lessor"]).expect(0);
    machine.run(&["sh", "-c", "zcat /usr/share/man/man1/lessor.1.gz"]).expect(0).says(".TH");
    machine.run(&["lessor", "validate", "/usr/share/doc/lessor/examples/minehost"]).expect(0);
    let units =
        ["lessor-drift@demo.service", "lessor-drift@demo.timer", "lessor-serve@demo.service"];
    let verify = machine.run(&[&["systemd-analyze", "verify", "--man=no"], &units[..]].concat());
    assert_eq!(verify.expect(0).all(), "");

    let database = "database = \"sqlite:/var/lib/lessor/demo/lessor.db\"";
    machine.specs("demo", "demo", database, &WEB.replace("{name}", "demo"));
    machine.expect_drift("demo", "exit-code", 2);
    machine.apply("demo");
    machine.expect_drift("demo", "success", 0);

    machine.run(&["sed", "-i", "s/64MiB/32MiB/", "/var/lib/lessor/demo.json"]).expect(0);
    machine.expect_drift("demo", "exit-code", 2);
    let failed = machine.run(&["systemctl", "list-units", "--failed"]);
    failed.expect(0).says(units[0]);
    let said = machine.run(&["journalctl", "--no-pager", "-o", "cat", "-u", units[0]]);
    said.says("container.web").says("memory changed outside");

    for (path, text) in TELL {
        machine.write(path, text);
    }
    machine.run(&["systemctl", "daemon-reload"]).expect(0);
    machine.run(&["systemctl", "enable", "--now", units[1]]).expect(0);
    machine.wait_until("a failure by the timer is told", || {
        machine.run(&["test", "-e", &format!("/root/{}", units[0])]).code == Some(0)
    });
    machine.run(&["systemctl", "list-timers"]).expect(0).says(units[1]);

    machine.serve("demo");

    machine.run(&["dpkg", "--remove", "lessor"]).expect(0);
    machine
        .run(&["systemctl", "is-active", "lessor-serve@demo.service"])
        .expect(3)
        .says("inactive");
    machine.run(&["systemctl", "is-active", units[1]]).expect(3).says("inactive");
    machine.run(&["dpkg", "--purge", "lessor"]).expect(0);
    machine.run(&["sh", "-c", "! ls /etc/systemd/system/timers.target.wants/lessor*"]).expect(0);
    machine.run(&["ls", "/etc/lessor/demo/specs.toml", "/var/lib/lessor/demo/lessor.db"]).expect(0);
}

#[test]
fn the_service_reads_a_database_beside_its_specs_and_reaches_a_real_engine() {
    let packages = Packages::built();
    let machine = installed(&packages);

    // `/etc` is read-only for the service.
    machine.specs("beside", "beside", "", &WEB.replace("{name}", "beside"));
    machine.run(&["chown", "lessor", "/etc/lessor/beside"]).expect(0);
    machine.apply("beside");
    machine.run(&["test", "-e", "/etc/lessor/beside/.lessor/lessor.db"]).expect(0);
    machine.expect_drift("beside", "success", 0);
    machine.run(&["sed", "-i", "s/64MiB/32MiB/", "/var/lib/lessor/beside.json"]).expect(0);
    machine.expect_drift("beside", "exit-code", 2);
    let said = machine.run(&["journalctl", "--no-pager", "-o", "cat"]);
    // Only who has read the database knows that it was not the specs that changed.
    said.says("memory changed outside");

    let site = network();
    let specs = fs::read_to_string(site.path().join("specs.toml")).unwrap();
    let database = "database = \"sqlite:/var/lib/lessor/engine/lessor.db\"";
    machine.specs("engine", &site.installation, database, &specs);
    machine.expect_drift("engine", "success", 0);
    docker(&["network", "rm", &site.name("front")]);
    machine.expect_drift("engine", "exit-code", 2);
}
