//! What planning costs: time, memory, and how both grow.
//!
//! ```text
//! cargo bench -p lessor-tests --bench plan                 every shape, up to 100 000 resources
//! cargo bench -p lessor-tests --bench plan -- star 10000   one shape, one size
//! cargo bench -p lessor-tests --bench plan -- --write DIR star 10000
//! ```
//!
//! The last writes a tree and the host that is in sync with it, to look at what planning it does.
//!
//! `lessor plan --format json` runs as a child on spec trees of five shapes of trivial resources,
//! and one of containers with a command, limits and an environment, on a pretend host in a file:
//! once empty, once in sync. Time is user and system time of the child from its first instruction,
//! start of the process and reading of files included; memory is its peak. Each child is measured
//! by a small runner of its own, so that no child's peak hides another's.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lessor_engine::{Provider, Registry, Wishes, desire, observe, plan};
use lessor_plans::{Body, Mark};
use lessor_providers::{Host, Memory};
use lessor_specs::load::load;
use lessor_specs::{Address, Kind};
use lessor_tests::binary::release_binary;
use lessor_tests::cost::{Cost, RUNNER, run_child, run_one};

const INSTALLATION: &str = "bench-plan";
const IMAGE: &str = "lessor.example/busybox:1";
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// The best of so many runs: what disturbs a run only ever makes it slower.
const ROUNDS: usize = 3;

/// Entries in one file, as a large installation would have them.
const ENTRIES_IN_FILE: usize = 1_000;

/// The argument that writes trees rather than planning them.
const WRITE: &str = "--write";

#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    /// The entries of a tree with so many resources, in the order they are written.
    entries: fn(usize) -> Vec<String>,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "volumes", entries: volumes },
    Shape { name: "chain", entries: chain },
    Shape { name: "layers", entries: layers },
    Shape { name: "star", entries: star },
    Shape { name: "many-to-many", entries: many_to_many },
    // Beyond the five shapes of trivial resources that the goals are about.
    Shape { name: "dressed", entries: dressed },
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == RUNNER) {
        return println!("{}", run_one(&args[1..]));
    }
    if let Some(at) = args.iter().position(|arg| arg == WRITE) {
        return write(Path::new(&args[at + 1]), &args);
    }
    let lessor = release_binary();
    let shape = |shape: &Shape| args.iter().any(|arg| arg == shape.name);
    let size = |size: usize| args.iter().any(|arg| *arg == size.to_string());
    let some_shape = SHAPES.iter().any(shape);
    let some_size = SIZES.into_iter().any(size);
    let table = Table::begin();
    for world in ["empty", "in sync"] {
        for one in SHAPES.iter().filter(|one| !some_shape || shape(one)) {
            let sizes = SIZES.into_iter().filter(|one| !some_size || size(*one));
            let costs: Vec<_> = sizes
                .map(|size| {
                    let cost = measured(&lessor, one, size, world);
                    table.row(world, one.name, size, cost);
                    (size, cost)
                })
                .collect();
            table.slope(world, one.name, &costs);
        }
    }
}

struct Table;

impl Table {
    fn begin() -> Self {
        println!(
            "goals: 10 000 in at most 100 ms and 64 MB; 100 000 in at most 1 s; slope at most 1.05"
        );
        println!();
        println!(
            "{:8} {:13} {:>9} {:>9} {:>8}  goal",
            "host", "shape", "resources", "cpu ms", "peak MB"
        );
        Table
    }

    #[expect(clippy::unused_self, reason = "rows come after the head")]
    fn row(&self, world: &str, shape: &str, size: usize, cost: Cost) {
        let Cost { cpu_ms, peak_mb } = cost;
        let goal = match size {
            10_000 if cpu_ms > 100.0 || peak_mb > 64.0 => "MISSED",
            100_000 if cpu_ms > 1_000.0 => "MISSED",
            10_000 | 100_000 => "met",
            _ => "",
        };
        println!("{world:8} {shape:13} {size:>9} {cpu_ms:>9.1} {peak_mb:>8.1}  {goal}");
    }

    #[expect(clippy::unused_self, reason = "rows come after the head")]
    fn slope(&self, world: &str, shape: &str, costs: &[(usize, Cost)]) {
        let of = |size| costs.iter().find(|(s, _)| *s == size).map(|(_, cost)| cost.cpu_ms);
        if let (Some(ten), Some(hundred)) = (of(10_000), of(100_000)) {
            let slope = (hundred / ten).log10();
            let goal = if slope > 1.05 { "MISSED" } else { "met" };
            println!("{world:8} {shape:13} {:>9} {slope:>9.3} {:>8}  {goal}", "slope", "");
        }
    }
}

fn write(directory: &Path, args: &[String]) {
    let shape = SHAPES.iter().find(|shape| args.iter().any(|arg| arg == shape.name)).unwrap();
    let size = SIZES.into_iter().find(|size| args.contains(&size.to_string())).unwrap();
    std::fs::create_dir_all(directory).unwrap();
    write_tree(directory, &(shape.entries)(size));
    write_host(directory);
}

fn measured(lessor: &Path, shape: &Shape, size: usize, world: &str) -> Cost {
    let directory = tempfile::tempdir().unwrap();
    write_tree(directory.path(), &(shape.entries)(size));
    if world == "in sync" {
        write_host(directory.path());
        let answer = Command::new(lessor)
            .args(["plan", "--detailed-exitcode"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(answer.success(), "the host is not in sync: {answer}");
    }
    let arguments = ["plan", "--format", "json", directory.path().to_str().unwrap()];
    let costs = (0..ROUNDS).map(|_| run_child(lessor, &arguments, |_| {}));
    costs.min_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms)).unwrap()
}

fn write_tree(directory: &Path, entries: &[String]) {
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    write("lessor.toml", &format!("installation = \"{INSTALLATION}\"\n"));
    write("host.toml", "[docker.local]\nendpoint = \"memory:host.json\"\n");
    for (number, entries) in entries.chunks(ENTRIES_IN_FILE).enumerate() {
        write(&format!("part-{number:04}.toml"), &entries.concat());
    }
}

/// Writes the file of a host that has all that the specs ask for.
fn write_host(directory: &Path) {
    let loaded = load(directory).unwrap();
    let installation: lessor_plans::InstallationId = INSTALLATION.parse().unwrap();
    let place = Address::new(Kind::Docker, "local");
    let memory = Memory::in_process(place, installation.clone(), Arc::default());
    let registry = Registry::new([Arc::new(memory) as Arc<dyn Provider>]);
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    let wishes = Wishes::new(installation.clone(), loaded.specs, loaded.tree.digest(), now);
    let desired = desire(&wishes.specs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(observe(&wishes.specs, &desired, &registry));
    let mut host = Host::default();
    for change in plan(&wishes, desired, &world).changes {
        match change.after.unwrap() {
            Body::Image(image) => drop(host.images.insert(image.name)),
            body => {
                let mark = Mark {
                    installation: installation.clone(),
                    address: change.address,
                    origin: change.origin,
                    name: body.name().into(),
                };
                host.put(body, mark.to_labels());
            }
        }
    }
    let json = serde_json::to_string_pretty(&host).unwrap();
    std::fs::write(directory.join("host.json"), json).unwrap();
}

/// Independent volumes.
fn volumes(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("[volume.data-{n:06}]\n")).collect()
}

/// Containers, each waiting for the one before it.
fn chain(count: usize) -> Vec<String> {
    let needs = |n: usize| n.checked_sub(1).into_iter().collect();
    (0..count).map(|n| Container { needs: needs(n), ..Container::default() }.entry(n)).collect()
}

/// A hundred layers of containers, each waiting for three of the layer before.
fn layers(count: usize) -> Vec<String> {
    let width = count / 100;
    let needs = |n: usize| match n.checked_sub(width) {
        Some(above) => {
            let first = above / width * width;
            (0..3).map(|k| first + (above + k * 7) % width).collect()
        }
        None => Vec::new(),
    };
    (0..count).map(|n| Container { needs: needs(n), ..Container::default() }.entry(n)).collect()
}

/// Containers on one network.
fn dressed(count: usize) -> Vec<String> {
    let container = Container { networks: vec![0], dressed: true, ..Container::default() };
    [network(0)].into_iter().chain((1..count).map(|n| container.entry(n))).collect()
}

fn star(count: usize) -> Vec<String> {
    let container = Container { networks: vec![0], ..Container::default() };
    [network(0)].into_iter().chain((1..count).map(|n| container.entry(n))).collect()
}

/// For ten resources: one network, four volumes, five containers in three networks and with two
/// volumes each.
fn many_to_many(count: usize) -> Vec<String> {
    let (networks, volumes) = (count / 10, count * 4 / 10);
    let container = |n: usize| Container {
        networks: (0..3).map(|k| (n + k * 31) % networks).collect(),
        volumes: (0..2).map(|k| (n + k * 97) % volumes).collect(),
        needs: Vec::new(),
        dressed: false,
    };
    let containers = count - networks - volumes;
    (0..networks)
        .map(network)
        .chain((0..volumes).map(|n| format!("[volume.data-{n:06}]\n\n")))
        .chain((0..containers).map(|n| container(n).entry(n)))
        .collect()
}

fn network(n: usize) -> String {
    format!("[network.net-{n:06}]\n\n")
}

#[derive(Default)]
struct Container {
    networks: Vec<usize>,
    volumes: Vec<usize>,
    needs: Vec<usize>,
    /// Whether it has a command, limits and an environment as well.
    dressed: bool,
}

impl Container {
    fn entry(&self, n: usize) -> String {
        let mut text = format!("[container.app-{n:06}]\nimage = \"{IMAGE}\"\n");
        if self.dressed {
            write!(
                text,
                "command = [\"busybox\", \"sleep\", \"1000000\"]\nmemory = \"64MiB\"\n\
                 cpu = \"0.5\"\nenv = {{ MODE = \"bench\", NUMBER = \"{n}\" }}\n"
            )
            .unwrap();
        }
        let list = |list: &[usize], one: &dyn Fn(usize) -> String| {
            list.iter().map(|n| one(*n)).collect::<Vec<_>>().join(", ")
        };
        let mut line = |key: &str, numbers: &[usize], one: &dyn Fn(usize) -> String| {
            if !numbers.is_empty() {
                writeln!(text, "{key} = [{}]", list(numbers, one)).unwrap();
            }
        };
        line("networks", &self.networks, &|n| format!("\"net-{n:06}\""));
        line("volumes", &self.volumes, &|n| {
            format!("{{ volume = \"data-{n:06}\", path = \"/data/{n}\" }}")
        });
        line("depends_on", &self.needs, &|n| format!("\"container.app-{n:06}\""));
        text.push('\n');
        text
    }
}
