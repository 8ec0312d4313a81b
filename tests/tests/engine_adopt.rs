//! Bringing what is on a real Docker Engine under management, and letting go of it again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what helps a test may do what a test may"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use lessor_tests::engine::{COMMAND, Dice, Hands, IMAGE, Ran, Site, docker, quiet, ran, seed};

/// How many containers are made by chance: enough to meet every sort of thing in two or three runs.
const CONTAINERS: usize = 12;

/// A value that must not come to stand in any spec file.
const SECRET: &str = "hunter2-hunter2";

/// Runs until it is stopped.
fn sleeper() -> [String; 3] {
    let script = COMMAND.split('"').nth(5).unwrap();
    ["sh", "-c", script].map(str::to_owned)
}

fn adopt(site: &Site, names: &[String]) -> Ran {
    let mut command = Command::new(lessor_tests::binary::binary());
    command.arg("adopt").arg(site.path()).args(names);
    quiet(&mut command);
    ran(command)
}

/// The flags of one `docker run`, as chance has them: most of what an entry can say, and some of what
/// none can.
struct Flags<'d> {
    dice: &'d mut Dice,
    flags: Vec<String>,
}

impl Flags<'_> {
    fn add(&mut self, parts: &[&str]) {
        self.flags.extend(parts.iter().map(|part| (*part).to_owned()));
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::try_from(self.dice.below(texts.len() as u64)).unwrap()]
    }

    fn sometimes(&mut self, percent: u64, parts: &[&str]) {
        if self.dice.comes(percent) {
            self.add(parts);
        }
    }

    fn texts(&mut self) {
        let values = [
            "plain",
            "",
            "two words",
            "a = 'b' \"c\" # d",
            "line\nline\n",
            "ümläut ☃",
            "\\back\\slash",
            "secret://env/NOT_A_REFERENCE",
            "postgres://app:hunter2-hunter2@db/app",
            "tab\there",
        ];
        for name in ["MODE", "odd.name-1", "TZ", "DATABASE_URL", "FROM_HAND"] {
            let value = self.one_of(&values);
            self.sometimes(40, &["--env", &format!("{name}={value}")]);
        }
        self.sometimes(30, &["--env", &format!("DB_PASSWORD={SECRET}")]);
        for name in ["tier", "com.example.odd/label", "empty"] {
            let value = self.one_of(&["front", "a=b,c=d", "", "\"quoted\" ☃"]);
            self.sometimes(30, &["--label", &format!("{name}={value}")]);
        }
        let user = self.one_of(&["0:0", "65534", "1000:1000"]);
        self.sometimes(30, &["--user", user]);
    }

    fn limits(&mut self) {
        let memory = format!("{}m", 16 + self.dice.below(99));
        self.sometimes(40, &["--memory", &memory]);
        let cpus = self.one_of(&["0.25", "0.333", "1", "1.5"]);
        self.sometimes(40, &["--cpus", cpus]);
        let pids = (10 + self.dice.below(90)).to_string();
        self.sometimes(30, &["--pids-limit", &pids]);
        let restart =
            self.one_of(&["no", "on-failure", "on-failure:3", "always", "unless-stopped"]);
        self.add(&["--restart", restart]);
    }

    fn watching(&mut self) {
        if self.dice.comes(30) {
            self.add(&["--health-cmd", "test -e /bin || exit 1", "--health-interval", "45s"]);
            self.sometimes(50, &["--health-retries", "5", "--health-timeout", "1500ms"]);
            self.sometimes(50, &["--health-start-period", "90s"]);
        } else {
            self.sometimes(20, &["--no-healthcheck"]);
        }
        match self.dice.below(6) {
            0 => self.add(&["--log-driver", "json-file", "--log-opt", "max-size=1m"]),
            1 => self.add(&["--log-driver", "local"]),
            2 => self.add(&["--log-driver", "none"]),
            _ => {}
        }
    }

    fn volumes(&mut self, hands: &Hands) {
        for n in 0..3 {
            let volume = hands.name(&format!("volume-{n}"));
            let mount = format!("type=volume,source={volume},target=/mnt/{n},readonly");
            match self.dice.below(6) {
                0 => self.add(&["--volume", &format!("{volume}:/mnt/{n}")]),
                1 => self.add(&["--volume", &format!("{volume}:/mnt/{n}/:ro")]),
                2 => self.add(&["--mount", &mount]),
                _ => {}
            }
        }
    }

    /// What shares a network has no port to publish; the host's has its name, too.
    fn network(&mut self, hands: &Hands, ports: &mut Vec<u64>) {
        match self.dice.below(5) {
            0 => return self.add(&["--network", "host"]),
            1 => return self.add(&["--network", "none"]),
            2 => {}
            _ => {
                let network = hands.name(&format!("network_{}", self.dice.below(2)));
                self.add(&["--network", &network, "--network-alias", "by-hand"]);
            }
        }
        self.sometimes(15, &["--hostname", "by-hand"]);
        for _ in 0..2 {
            if self.dice.comes(40)
                && let Some(port) = ports.pop()
            {
                let protocol = self.one_of(&["", "", "/udp"]);
                let inside = 80 + self.dice.below(9);
                self.add(&["--publish", &format!("127.0.0.1:{port}:{inside}{protocol}")]);
            }
        }
    }

    fn beyond(&mut self) {
        let beyond: [&[&str]; 9] = [
            &["--volume", "/tmp:/host:ro"],
            &["--volume", "/anonymous"],
            &["--cap-add", "NET_ADMIN"],
            &["--tmpfs", "/run"],
            &["--workdir", "/bin"],
            &["--ulimit", "nofile=512"],
            &["--shm-size", "32m"],
            &["--security-opt", "no-new-privileges"],
            &["--read-only", "--stop-timeout", "1"],
        ];
        for some in beyond {
            self.sometimes(15, some);
        }
    }

    fn command(&mut self) {
        let [sh, c, script] = sleeper();
        if self.dice.comes(30) {
            self.add(&["--entrypoint", &sh, IMAGE, &c, &script]);
        } else {
            self.add(&[IMAGE, &sh, &c, &script]);
        }
    }
}

/// A crowd of containers that somebody made, with what they use. Answers with their names.
fn crowd(dice: &mut Dice, site: &Site, hands: &Hands) -> Vec<String> {
    for n in 0..2 {
        let subnet = format!("--subnet={}", site.subnet(n));
        let internal: &[&str] = if dice.comes(50) { &["--internal"] } else { &[] };
        let name = hands.name(&format!("network_{n}"));
        hands.create("network", &[&[subnet.as_str()], internal, &[&name]].concat());
    }
    for n in 0..3 {
        hands.create("volume", &["--label", "tier=a = b", &hands.name(&format!("volume-{n}"))]);
    }
    let mut ports: Vec<u64> = (0..4).map(|n| site.port(n)).collect();
    let mut names = Vec::new();
    for n in 0..CONTAINERS {
        // Names that an entry cannot have, and names that differ in nothing else.
        let name =
            hands.name(&["shop_web", "shop.web"][n % 2].replace("web", &(n / 2).to_string()));
        let mut run = Flags { dice, flags: vec!["--name".into(), name.clone()] };
        run.texts();
        run.limits();
        run.watching();
        run.volumes(hands);
        run.network(hands, &mut ports);
        run.beyond();
        run.command();
        hands.run(&run.flags.iter().map(String::as_str).collect::<Vec<_>>());
        names.push(name);
    }
    names
}

fn ids(names: &[String]) -> Vec<String> {
    names.iter().map(|name| docker(&["inspect", "--format", "{{.Id}}", name])).collect()
}

fn adopt_a_crowd(seed: u64) {
    println!("LESSOR_SEED={seed}");
    let (site, mut dice) = (Site::new(), Dice::new(seed));
    let hands = Hands::new(&site);
    let names = crowd(&mut dice, &site, &hands);
    let before = ids(&names);

    adopt(&site, &names).expect(0).says("plans to zero changes");

    let text = std::fs::read_to_string(site.path().join("adopted.toml")).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    site.lessor(&["drift"]).expect(0);

    let mut specs: toml::Table = text.parse().unwrap();
    for (_, container) in specs["container"].as_table_mut().unwrap().iter_mut() {
        container.as_table_mut().unwrap().insert("pids".into(), 777.into());
    }
    site.write("adopted.toml", &toml::to_string(&specs).unwrap());
    site.lessor(&["plan", "--detailed-exitcode"]).expect(2).says("12 to change. No data");
    site.settle();
    assert_eq!(ids(&names), before, "changed in place");
    for name in &names {
        assert_eq!(docker(&["inspect", "--format", "{{.HostConfig.PidsLimit}}", name]), "777");
    }

    site.write("adopted.toml", "[docker.local]\n");
    site.settle();
    assert_eq!(ids(&names), before, "forgotten, and left as they are");
    assert_eq!(site.things(), BTreeMap::new());
}

#[test]
fn whatever_somebody_made_is_adopted_without_a_change_and_forgotten_without_one() {
    let rounds = std::env::var("LESSOR_ADOPT_ROUNDS").ok().and_then(|n| n.parse().ok());
    let seed = seed();
    for round in 0..rounds.unwrap_or(1) {
        adopt_a_crowd(seed.wrapping_add(round));
    }
}

#[test]
fn three_containers_somebody_made_come_under_version_control_and_are_changed_by_their_files() {
    let site = Site::new();
    let hands = Hands::new(&site);
    let (web, db) = (hands.name("web"), hands.name("shop_db_1"));
    let [sh, c, script] = sleeper();
    let long: [&str; 4] = [IMAGE, &sh, &c, &script];
    let subnet = format!("--subnet={}", site.subnet(0));
    hands.create("network", &[&subnet, &hands.name("front")]);
    hands.create("volume", &[&hands.name("data")]);
    let data = format!("{}:/var/lib/db", hands.name("data"));
    let password = format!("DB_PASSWORD={SECRET}");
    let network = ["--network", &hands.name("front")].map(str::to_owned);
    let network: Vec<&str> = network.iter().map(String::as_str).collect();
    for (name, more) in [
        (&web, vec!["--restart=always", "--memory=64m", "--memory-swap=64m"]),
        (&db, vec!["--volume", &data, "--env", &password]),
        (&hands.name("job"), vec!["--cpus=0.5", "--volume=/tmp:/host:ro"]),
    ] {
        hands.run(&[&["--name", name][..], &network, &more, &long].concat());
    }
    // A directory that is no spec directory yet.
    std::fs::remove_file(site.path().join("lessor.toml")).unwrap();

    let adopted = adopt(&site, &[web.clone(), db.clone(), hands.name("job")]);

    adopted.expect(0).says("adopted 3 containers, 1 network and 1 volume of `docker.local`");
    adopted.says("would lose bind mount `/tmp:/host:ro`").says("1 value that looks secret is kept");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=op", "-c", "user.email=op@example.net"];
        let output =
            Command::new("git").current_dir(site.path()).args(who).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "what was there"]);
    let files = git(&["ls-files"]);
    assert_eq!(files, ".gitignore\nadopted.toml\nlessor.schema.json\nlessor.toml\n");
    assert_eq!(git(&["grep", "hunter2"]), "");
    site.lessor(&["drift"]).expect(0).says("In sync: 5 things are as declared");

    // Somebody slips, and sees it before it is done.
    let text = std::fs::read_to_string(site.path().join("adopted.toml")).unwrap();
    let web_id = ids(std::slice::from_ref(&web));
    site.write("adopted.toml", &text.replace("restart = \"always\"", "user = \"1000\""));
    let plan = site.lessor(&["plan", "--detailed-exitcode"]);
    plan.expect(2).says(&format!("± container.{web}")).says("user: (none) → 1000");
    plan.says(
        "was adopted; the new one carries our mark, and loses what no entry can say: the right",
    );
    git(&["checkout", "-q", "."]);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);

    site.write("adopted.toml", &text.replace("\"64MiB\"", "\"96MiB\""));
    site.lessor(&["plan"]).expect(0).says("memory: 64MiB → 96MiB").says("1 to change");
    site.settle();
    assert_eq!(docker(&["inspect", "--format", "{{.HostConfig.Memory}}", &web]), "100663296");
    assert_eq!(ids(std::slice::from_ref(&web)), web_id);
    git(&["commit", "-q", "-a", "-m", "more memory"]);
    assert_eq!(git(&["status", "--porcelain"]), "");

    let destroyed = site.lessor(&["destroy", "--yes"]);
    destroyed.expect(0).says("leaving 5 adopted things alone, and forgetting them");
    assert_eq!(ids(&[web]), web_id);
}

#[test]
fn what_replaces_an_adopted_container_carries_our_mark_and_spares_what_nobody_gave_up() {
    let site = Site::new();
    let hands = Hands::new(&site);
    let name = hands.name("web_1");
    let [sh, c, script] = sleeper();
    let run = ["--name", &name, "--volume", "/anonymous", "--memory=64m", IMAGE, &sh, &c, &script];
    hands.run(&run);
    docker(&["exec", &name, "sh", "-c", "echo precious > /anonymous/file"]);
    let mounted = "{{range .Mounts}}{{.Name}}{{end}}";
    let anonymous = docker(&["inspect", "--format", mounted, &name]);
    let adopted = adopt(&site, std::slice::from_ref(&name));
    adopted.expect(0).says("what is in the anonymous volume at `/anonymous`");
    let text = std::fs::read_to_string(site.path().join("adopted.toml")).unwrap();
    assert!(text.contains("# A new one in its place would lose "), "{text}");
    let old = ids(std::slice::from_ref(&name));

    site.write("adopted.toml", &text.replace("memory = \"64MiB\"", "user = \"0:0\""));
    site.settle();

    assert_ne!(ids(std::slice::from_ref(&name)), old);
    assert_eq!(site.things(), BTreeMap::from([(format!("container {name}"), 1)]));
    let kept = docker(&["run", "--rm", "-v", &format!("{anonymous}:/a"), IMAGE, "cat", "/a/file"]);
    assert_eq!(kept, "precious");
    docker(&["volume", "rm", &anonymous]);
    // By now it is ours, and what is ours goes with its entry.
    let plan = site.lessor(&["plan", "--detailed-exitcode"]);
    plan.expect(0).says("carries our mark by now").says("remove the line `adopted = ");
    site.write("adopted.toml", "[docker.local]\n");
    site.lessor(&["apply", "--yes", "--allow", "empty"]).expect(0).says("1 to remove");
    assert_eq!(site.things(), BTreeMap::new());
}

#[test]
fn what_somebody_renamed_or_made_anew_meanwhile_is_not_touched() {
    let site = Site::new();
    let hands = Hands::new(&site);
    let name = hands.name("web");
    let [sh, c, script] = sleeper();
    let make = || hands.run(&["--name", &name, "--pids-limit=50", IMAGE, &sh, &c, &script]);
    make();
    adopt(&site, std::slice::from_ref(&name)).expect(0);
    let text = std::fs::read_to_string(site.path().join("adopted.toml")).unwrap();
    site.write("adopted.toml", &text.replace("pids = 50", "pids = 60"));
    let file = site.path().join("saved.plan");
    let file = file.to_str().unwrap();
    site.lessor(&["plan", "-o", file]).expect(0).says("pids: 50 → 60");
    let apply = || {
        let mut command = Command::new(lessor_tests::binary::binary());
        command.args(["apply", "--yes", file]);
        quiet(&mut command);
        ran(command)
    };

    docker(&["rename", &name, &format!("{name}-old")]);
    apply().expect(4).says("it is not there any more");
    make();
    let stranger = ids(std::slice::from_ref(&name));
    apply().expect(1).says("it is not ours");

    for thing in [name.clone(), format!("{name}-old")] {
        assert_eq!(docker(&["inspect", "--format", "{{.HostConfig.PidsLimit}}", &thing]), "50");
    }
    // By name it means whatever has the name; by its id it means what was adopted.
    site.lessor(&["plan"]).expect(0).says("pids: 50 → 60");
    let old = ids(&[format!("{name}-old")]);
    let by_id =
        text.replace(&format!("adopted = \"{name}\""), &format!("adopted = \"{}\"", old[0]));
    site.write("adopted.toml", &by_id.replace("pids = 50", "pids = 60"));
    site.settle();
    let pids = |thing: &str| docker(&["inspect", "--format", "{{.HostConfig.PidsLimit}}", thing]);
    assert_eq!((pids(&old[0]), pids(&stranger[0])), ("60".into(), "50".into()));
}

#[test]
fn what_cannot_be_adopted_is_said_and_nothing_is_written() {
    let (site, owner) = (Site::new(), Site::new());
    let hands = Hands::new(&site);
    let [sh, c, script] = sleeper();
    let (stopped, telling) = (hands.name("stopped"), hands.name("telling"));
    hands.run(&["--name", &stopped, IMAGE, "sh", "-c", "exit 0"]);
    docker(&["wait", &stopped]);
    hands.run(&["--name", &telling, IMAGE, &sh, &c, &format!("DB_PASSWORD={SECRET} {script}")]);
    owner.specs("[docker.local]\n[volume.{p}-theirs]\n");
    owner.settle();
    let files = || std::fs::read_dir(site.path()).unwrap().count();
    let before = files();

    for (name, why) in [
        (&stopped, "it does not run, and an entry means that it does; start it first"),
        (&telling, "its command looks like it holds a secret"),
        (&owner.name("theirs"), "belongs to installation `test-"),
        (&hands.name("nothing"), "there is no container, network or volume"),
    ] {
        let refused = adopt(&site, std::slice::from_ref(name));
        refused.expect(1).says(why).says("nothing was written");
        assert!(!refused.all().contains(SECRET), "{}", refused.all());
        assert_eq!(files(), before, "after {name}");
    }
}

#[test]
fn a_secret_is_kept_in_a_file_of_its_owner() {
    let site = Site::new();
    let hands = Hands::new(&site);
    let name = hands.name("db");
    let [sh, c, script] = sleeper();
    let values = ["hunter2\n", "hunter2\r", "hunter2\r\n", "", "hünter ☃ 2", " hunter2 "];
    let variables: Vec<String> =
        values.iter().enumerate().map(|(n, v)| format!("--env=APP{n}_TOKEN={v}")).collect();
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    hands.run(&[&variables[..], &["--name", &name, IMAGE, &sh, &c, &script]].concat());

    adopt(&site, std::slice::from_ref(&name)).expect(0).says("5 values that look secret are kept");

    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    let folder = site.path().join(".lessor/secrets").join(&name);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    // It is compared, not only kept.
    std::fs::write(folder.join("APP0_TOKEN"), "other").unwrap();
    let plan = site.lessor(&["plan", "--detailed-exitcode"]);
    plan.expect(2).says("env.APP0_TOKEN: secret changed");
}
