//! A spec directory on a real Docker Engine, with an installation of its own.
//!
//! Tests share one engine, with each other and with whatever else runs on it: every name, subnet
//! and port is the test's own, and what it leaves behind is removed by its own mark.

#![expect(clippy::expect_used, reason = "a test that cannot go on says so by stopping")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binary::binary;

/// Where the engine listens.
pub const SOCKET: &str = "/var/run/docker.sock";

/// The image that every test runs.
pub const IMAGE: &str = "lessor.example/busybox:1";

/// A command that runs until it is told to stop, and then stops at once.
pub const COMMAND: &str =
    r#"["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"]"#;

/// How many tests can have subnets and ports of their own.
const SLOTS: u64 = 2_048;

/// A number that differs from run to run, and can be given again as `LESSOR_SEED`.
pub fn seed() -> u64 {
    match std::env::var("LESSOR_SEED") {
        Ok(seed) => seed.parse().expect("LESSOR_SEED is a number"),
        Err(_) => chance(),
    }
}

fn chance() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Numbers that follow from a seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Whether a chance of so many in a hundred came true.
    pub fn comes(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A spec directory, and everything on the engine that carries its mark.
pub struct Site {
    directory: TempDir,
    /// Whose things these are.
    pub installation: String,
    /// What the names of its things begin with.
    pub prefix: String,
    slot: u64,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Site {
    /// An empty spec directory with a new installation.
    ///
    /// # Panics
    /// When there is no engine.
    pub fn new() -> Self {
        static NEXT: OnceLock<AtomicU64> = OnceLock::new();
        prepare();
        let next = NEXT.get_or_init(|| AtomicU64::new(chance() % SLOTS));
        let prefix = format!("t{:08x}", chance() & 0xffff_ffff);
        let site = Site {
            directory: tempfile::Builder::new().prefix("lessor-test-").tempdir().unwrap(),
            installation: format!("test-{prefix}"),
            prefix,
            slot: next.fetch_add(1, Ordering::Relaxed) % SLOTS,
        };
        site.write("lessor.toml", &format!("installation = \"{}\"\n", site.installation));
        site
    }

    /// The spec directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of it.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Replaces the specs: `{p}` is the prefix, `{s0}` to `{s9}` are subnets, `{port0}` to
    /// `{port3}` are ports, `{command}` runs until it is stopped, `{image}` has it.
    pub fn specs(&self, text: &str) {
        self.write("specs.toml", &self.filled(text));
    }

    /// A text with the placeholders of [`Site::specs`] filled in.
    pub fn filled(&self, text: &str) -> String {
        let mut text = text
            .replace("{p}", &self.prefix)
            .replace("{command}", COMMAND)
            .replace("{image}", IMAGE);
        for n in 0..10 {
            text = text.replace(&format!("{{s{n}}}"), &self.subnet(n));
        }
        for n in 0..4 {
            text = text.replace(&format!("{{port{n}}}"), &self.port(n).to_string());
        }
        text
    }

    /// One of its own subnets; there are sixteen.
    pub fn subnet(&self, n: u64) -> String {
        format!("10.{}.{}.{}/28", 192 + self.slot / 256, self.slot % 256, n * 16)
    }

    /// One of its own ports; there are four.
    pub fn port(&self, n: u64) -> u64 {
        20_000 + self.slot * 4 + n
    }

    /// `lessor` with these arguments and the spec directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).arg(self.path());
        quiet(&mut command);
        command
    }

    /// Runs `lessor`.
    pub fn lessor(&self, args: &[&str]) -> Ran {
        ran(self.command(args))
    }

    /// Runs `lessor apply`, agreeing to removals.
    pub fn apply(&self) -> Ran {
        self.lessor(&APPLY)
    }

    /// Starts `lessor`.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Applies, and shows that nothing is left to do.
    ///
    /// # Panics
    /// When it failed, or something is left.
    pub fn settle(&self) {
        self.apply().expect(0);
        self.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    }

    /// Everything on the engine with the mark of this installation: how often there is a thing of
    /// this sort and name.
    pub fn things(&self) -> BTreeMap<String, usize> {
        let mut things = BTreeMap::new();
        for (sort, list) in LISTS {
            let names = docker(&[list, &["--filter", &self.filter()]].concat());
            for name in names.lines() {
                *things.entry(format!("{sort} {name}")).or_default() += 1;
            }
        }
        things
    }

    /// That exactly these things are there, each once; `{p}` is filled in.
    ///
    /// # Panics
    /// When something else is.
    pub fn expect_things(&self, expected: &[&str]) {
        let expected: BTreeMap<_, _> = expected.iter().map(|one| (self.filled(one), 1)).collect();
        assert_eq!(self.things(), expected, "what carries our mark on the engine");
    }

    /// Ids by name of all containers.
    pub fn ids(&self) -> BTreeMap<String, String> {
        let format = "{{.Names}} {{.ID}}";
        let list =
            docker(&["ps", "-a", "--no-trunc", "--format", format, "--filter", &self.filter()]);
        let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        list.lines().filter_map(pair).collect()
    }

    /// The name of a thing on the engine.
    pub fn name(&self, own: &str) -> String {
        format!("{}-{own}", self.prefix)
    }

    fn filter(&self) -> String {
        format!("label=lessor.installation={}", self.installation)
    }
}

impl Default for Site {
    fn default() -> Self {
        Site::new()
    }
}

/// Things that somebody makes by hand, gone with the test.
pub struct Hands {
    prefix: String,
    label: String,
}

impl Hands {
    /// Beside what a site makes, with names that begin like its.
    pub fn new(site: &Site) -> Self {
        let prefix = site.prefix.clone();
        Hands { label: format!("lessor-test.hands={prefix}"), prefix }
    }

    /// The name of a thing on the engine.
    pub fn name(&self, own: &str) -> String {
        format!("{}-{own}", self.prefix)
    }

    /// Runs a container.
    ///
    /// # Panics
    /// When it cannot be.
    #[track_caller]
    pub fn run(&self, args: &[&str]) {
        docker(&[&["run", "--detach", "--label", &self.label], args].concat());
    }

    /// Makes a network or a volume.
    ///
    /// # Panics
    /// When it cannot be.
    #[track_caller]
    pub fn create(&self, sort: &str, args: &[&str]) {
        docker(&[&[sort, "create", "--label", &self.label], args].concat());
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        remove(&format!("label={}", self.label));
    }
}

/// Arguments of an apply that agrees to removals, also of what looks renamed.
pub const APPLY: [&str; 6] = ["apply", "--yes", "--allow", "removals", "--allow", "rename"];

const LISTS: [(&str, &[&str]); 3] = [
    ("container", &["ps", "-a", "--format", "{{.Names}}"]),
    ("network", &["network", "ls", "--format", "{{.Name}}"]),
    ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
];

impl Drop for Site {
    fn drop(&mut self) {
        remove(&self.filter());
    }
}

/// Removes everything that has a label.
fn remove(filter: &str) {
    // Containers first: they use the others.
    for (list, remove) in [
        (["ps", "-aq"], &["rm", "-f", "-v"][..]),
        (["network", "ls"], &["network", "rm"][..]),
        (["volume", "ls"], &["volume", "rm"][..]),
    ] {
        let mut listing = list.to_vec();
        if list[1] == "ls" {
            listing.push("-q");
        }
        listing.extend(["--filter", filter]);
        let Ok(found) = docker_run(&listing) else { continue };
        let ids: Vec<&str> = found.split_whitespace().collect();
        if !ids.is_empty() {
            // What cannot be removed is not worth a panic in a panic.
            let _ = docker_run(&[remove, &ids].concat());
        }
    }
}

impl Ran {
    /// Everything that was printed and said.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// That it ended so.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// That this text is somewhere in what was printed or said.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.all().contains(text), "`{text}` is not in:\n{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub fn ran(mut command: Command) -> Ran {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the program can be started");
    of_output(&output, began.elapsed())
}

/// Waits for a command that was started.
///
/// # Panics
/// When it cannot be waited for.
pub fn ended(child: Child, began: Instant) -> Ran {
    let output = child.wait_with_output().unwrap();
    of_output(&output, began.elapsed())
}

fn of_output(output: &Output, took: Duration) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        took,
    }
}

/// What the surroundings say does not reach the program.
pub fn quiet(command: &mut Command) {
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("LESSOR_")) {
        command.env_remove(name);
    }
    command.env_remove("SSH_AUTH_SOCK");
    command.env("DOCKER_HOST", format!("unix://{SOCKET}")).env("NO_COLOR", "1");
}

/// What the `docker` command answers.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    docker_run(args).unwrap_or_else(|why| panic!("docker {}: {why}", args.join(" ")))
}

/// As [`docker`], for what may fail.
///
/// # Errors
/// What it said.
pub fn docker_run(args: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(args)
        .env("DOCKER_HOST", format!("unix://{SOCKET}"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Makes the image. Without an engine nothing here can be proved, so a test fails.
fn prepare() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        if let Err(why) = docker_run(&["version", "--format", "{{.Server.Version}}"]) {
            panic!(
                "this test needs a Docker Engine at `{SOCKET}` (tests/run.sh starts one): {why}"
            );
        }
        let script = repository().join("examples/busybox-image.sh");
        let made = Command::new(script).stdout(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "the image could not be made");
    });
}
