//! A spec directory of its own for each test, and the command run in it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// One container with a network and a volume, on a pretend host.
pub(crate) const WEB: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[network.front]
[volume.content]
[container.web]
image = "nginx:1.27"
networks = ["front"]
volumes = [{ volume = "content", path = "/data" }]
memory = "128MiB"
"#;

/// An offer and an instance of it.
pub(crate) const RENT: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[port_range.games]
docker = "local"
range = "25565-25570"
[bridge.tenants]
docker = "local"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image.paper.container]
ref = "paper:1.21"
[offer.small]
images = ["paper"]
price = {}
container = { cpu = "1", memory = "1GiB", disk = "1GiB", ports = [{ range = "games", container = 25565 }] }
[tenant.acme]
[instance."acme/lobby"]
offer = "small"
"#;

/// A host, and something declared that is made nowhere, so that the directory is not empty.
pub(crate) const NOTHING: &str = r#"
[docker.local]
endpoint = "memory:host.json"
[location.par1]
"#;

/// A spec directory, gone with the test.
pub(crate) struct Shop {
    home: TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    home: PathBuf,
}

impl Shop {
    /// With this in `web.toml`.
    pub(crate) fn new(specs: &str) -> Shop {
        let shop = Shop { home: tempfile::tempdir().unwrap() };
        shop.write("lessor.toml", "installation = \"test-1\"\n");
        shop.write("web.toml", specs);
        shop
    }

    /// With this in `web.toml`, and applied.
    pub(crate) fn applied(specs: &str) -> Shop {
        let shop = Shop::new(specs);
        let ran = shop.lessor("apply --yes");
        assert_eq!(ran.code, 0, "{ran}");
        shop
    }

    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes `web.toml` anew with one text in place of another.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let specs = self.read("web.toml");
        assert!(specs.contains(from), "{from} is not in {specs}");
        self.write("web.toml", specs.replace(from, to));
    }

    /// The command in this directory, knowing nothing of the machine's own settings.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        for name in [
            "LESSOR_DATABASE_URL",
            "LESSOR_ENDPOINT",
            "LESSOR_API_KEY",
            "LESSOR_LOG",
            "DOCKER_HOST",
            "NO_COLOR",
            "SSH_AUTH_SOCK",
        ] {
            command.env_remove(name);
        }
        // One after the other, so that every run tells the same story.
        command.env("LESSOR_PARALLELISM", "1").env("COLUMNS", "100");
        command.current_dir(self.dir()).args(args.split_whitespace());
        command
    }

    pub(crate) fn lessor(&self, args: &str) -> Ran {
        self.ran(&self.command(args).output().unwrap())
    }

    pub(crate) fn ran(&self, output: &Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
            home: self.dir().canonicalize().unwrap(),
        }
    }

    /// Changes the pretend host by hand, as somebody else would.
    pub(crate) fn edit_host(&self, edit: impl FnOnce(&mut Vec<Value>)) {
        let mut host: Value = serde_json::from_str(&self.read("host.json")).unwrap();
        edit(host["things"].as_array_mut().unwrap());
        self.write("host.json", serde_json::to_string_pretty(&host).unwrap());
    }

    /// The names of what is on the host, by sort.
    pub(crate) fn host(&self) -> Vec<String> {
        let host: Value = serde_json::from_str(&self.read("host.json")).unwrap();
        let things = host["things"].as_array().cloned().unwrap_or_default();
        let named = things.iter().map(|thing| {
            let (sort, body) = thing["body"].as_object().unwrap().iter().next().unwrap();
            format!("{sort} {}", body["name"].as_str().unwrap())
        });
        named.collect()
    }

    /// Every file in the directory, in order of name.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// As somebody sees it, without what differs from run to run and without progress.
impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.masked(&self.stdout))?;
        let told = self.masked(&self.stderr);
        let told = told.lines().filter(|line| !is_progress(line));
        for line in told {
            writeln!(f, "err| {line}")?;
        }
        write!(f, "exit {}", self.code)
    }
}

impl Ran {
    fn masked(&self, text: &str) -> String {
        let text = text.replace(&*self.home.to_string_lossy(), "DIR");
        text.split_inclusive([' ', '\n']).map(masked_word).collect()
    }
}

fn is_progress(line: &str) -> bool {
    const WORDS: [&str; 12] = [
        "making",
        "made",
        "changing",
        "changed",
        "removing",
        "removed",
        "failed",
        "trying",
        "looking",
        "opening",
        "beginning",
        "waiting",
    ];
    let told = line.strip_prefix("  ").unwrap_or_default();
    told.starts_with('[') || WORDS.iter().any(|word| told.starts_with(word))
}

fn masked_word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_date = bare.len() > 18 && bare.as_bytes()[4] == b'-' && bare.ends_with('Z');
    let is_run = bare.len() == 23 && bare.as_bytes()[8] == b'T' && bare.ends_with('Z');
    let is_id = bare.len() >= 8 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_date, is_run, is_id) {
        (true, ..) => word.replace(bare, "DATE"),
        (_, true, _) => word.replace(bare, "RUN"),
        (.., true) => word.replace(bare, "ID"),
        _ => word.into(),
    }
}
