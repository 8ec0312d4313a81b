//! What lessor costs on top of the Docker Engine it drives.
//!
//! ```text
//! cargo bench -p lessor-tests --bench engine            seven rounds with fifty containers
//! cargo bench -p lessor-tests --bench engine -- 3 200   three with two hundred
//! ```
//!
//! Each round does the same thing twice, in turns: once with `lessor`, once with nothing but the
//! calls that are needed, made by the same client library at the same concurrency.
//!
//! - `apply`: new containers. Raw: create and start each.
//! - `plan`: as many in sync. Raw: list what is ours, inspect each container.
//!
//! Times are wall time, since the engine does the work. Each side is a process, and its time runs from
//! before the process starts until it has ended: of `lessor` reading specs, planning and writing its
//! journal included. Of `plan`, where the start of a process counts, a second figure says what the raw
//! calls take inside a process that runs already.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lessor_tests::binary::release_binary;
use lessor_tests::engine::{IMAGE, SOCKET, Site, docker, quiet};
use tokio::runtime::Runtime;

const CONTAINERS: usize = 50;
const ROUNDS: usize = 7;

/// Has this program make the raw calls of a look, and nothing else.
const RAW: &str = "raw-look";

/// As many as `lessor apply` makes at the same time unless told otherwise.
const APPLY_AT_ONCE: usize = 8;

/// As many as `lessor plan` looks at at the same time.
const LOOK_AT_ONCE: usize = 16;

/// As many as the engine is asked to remove at the same time.
const AT_ONCE_REMOVED: usize = 50;

const MEMORY: i64 = 32 << 20;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, raw, installation, containers] = args.as_slice()
        && raw == RAW
    {
        let runtime = runtime();
        return runtime.block_on(look(installation, containers.parse().unwrap()));
    }
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(ROUNDS);
    let containers = numbers.get(1).copied().unwrap_or(CONTAINERS);
    let bench = Bench::new(containers);
    let (mut apply, mut plan, mut running) = (Sides::default(), Sides::default(), Vec::new());
    for round in 0..rounds {
        // Who begins changes, so that neither always comes to a rested engine.
        for lessors_turn in [round % 2 == 0, round % 2 != 0] {
            if lessors_turn {
                apply.lessor.push(bench.lessor(&["apply", "--yes"]));
                for _ in 0..3 {
                    plan.lessor.push(bench.lessor(&["plan", "--detailed-exitcode"]));
                    plan.raw.push(bench.raw_look());
                    running.push(bench.look_from_here());
                }
            } else {
                apply.raw.push(bench.raw_make());
            }
            bench.clear();
        }
    }
    println!("{containers} containers, {rounds} rounds, medians");
    println!("{:6} {:>10} {:>10} {:>7}  goal", "", "lessor", "raw", "ratio");
    apply.print("apply", 1.1);
    plan.print("plan", 1.2);
    let running = median(&running);
    let ratio = median(&plan.lessor).as_secs_f64() / running.as_secs_f64();
    println!(
        "{:6} {:>10} {:>10} {ratio:>7.3}  inside a running process",
        "",
        "",
        format!("{running:.1?}")
    );
}

/// How long each side took, each time.
#[derive(Default)]
struct Sides {
    lessor: Vec<Duration>,
    raw: Vec<Duration>,
}

impl Sides {
    fn print(&self, name: &str, goal: f64) {
        let (lessor, raw) = (median(&self.lessor), median(&self.raw));
        let ratio = lessor.as_secs_f64() / raw.as_secs_f64();
        let verdict = if ratio <= goal { "met" } else { "MISSED" };
        let (lessor, raw) = (format!("{lessor:.1?}"), format!("{raw:.1?}"));
        println!("{name:6} {lessor:>10} {raw:>10} {ratio:>7.3}  {goal} {verdict}");
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

struct Bench {
    site: Site,
    lessor: std::path::PathBuf,
    runtime: Runtime,
    containers: usize,
}

impl Bench {
    fn new(containers: usize) -> Self {
        let site = Site::new();
        let mut specs = String::from("[docker.local]\n\n");
        for n in 0..containers {
            writeln!(
                specs,
                "[container.{{p}}-{n:02}]\nimage = \"{IMAGE}\"\ncommand = [\"sleep\", \"1000000\"]\n\
                 memory = \"32MiB\"\nenv = {{ NUMBER = \"{n}\" }}\n"
            )
            .unwrap();
        }
        site.specs(&specs);
        Bench { site, lessor: release_binary(), runtime: runtime(), containers }
    }

    fn lessor(&self, args: &[&str]) -> Duration {
        let mut command = Command::new(&self.lessor);
        command.args(args).arg(self.site.path());
        quiet(&mut command);
        timed(command)
    }

    /// Makes and starts the same containers.
    fn raw_make(&self) -> Duration {
        let began = Instant::now();
        self.runtime.block_on(async {
            let docker = connect().await;
            let docker = &docker;
            let made = stream::iter(0..self.containers).map(|n| async move {
                let name = format!("{}-{n:02}", self.site.prefix);
                let options = CreateContainerOptionsBuilder::new().name(&name).build();
                let made = docker.create_container(Some(options), self.body(n, &name)).await?;
                docker.start_container(&made.id, None).await
            });
            made.buffer_unordered(APPLY_AT_ONCE).try_collect::<Vec<()>>().await.unwrap();
        });
        began.elapsed()
    }

    /// The raw calls of a look, by a process of their own.
    fn raw_look(&self) -> Duration {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([RAW, &self.site.installation, &self.containers.to_string()]);
        timed(command)
    }

    /// The raw calls of a look, by this process.
    fn look_from_here(&self) -> Duration {
        let began = Instant::now();
        self.runtime.block_on(look(&self.site.installation, self.containers));
        began.elapsed()
    }

    fn body(&self, n: usize, name: &str) -> ContainerCreateBody {
        let labels = [
            ("lessor.mark", "lessor/1"),
            ("lessor.installation", &self.site.installation),
            ("lessor.address", &format!("container.{name}")),
            ("lessor.origin", "file"),
            ("lessor.name", name),
        ];
        ContainerCreateBody {
            image: Some(IMAGE.into()),
            cmd: Some(vec!["sleep".into(), "1000000".into()]),
            env: Some(vec![format!("NUMBER={n}")]),
            labels: Some(labels.map(|(key, value)| (key.into(), value.into())).into()),
            host_config: Some(HostConfig {
                memory: Some(MEMORY),
                memory_swap: Some(MEMORY),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                    maximum_retry_count: None,
                }),
                security_opt: Some(vec!["no-new-privileges:true".into()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    /// Leaves nothing, neither on the engine nor remembered.
    fn clear(&self) {
        let ids = self.site.ids();
        let ids: Vec<&str> = ids.values().map(String::as_str).collect();
        // An engine that is to remove a thousand at once does not get to its end.
        for some in ids.chunks(AT_ONCE_REMOVED) {
            docker(&[&["rm", "-f", "-v"], some].concat());
        }
        let _ = std::fs::remove_dir_all(self.site.path().join(".lessor"));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// How long a process runs that ends well.
fn timed(mut command: Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap();
    let took = began.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// Lists what is ours, and inspects each container and their image.
async fn look(installation: &str, containers: usize) {
    let docker = connect().await;
    let docker = &docker;
    let ours = format!("lessor.installation={installation}");
    let filters: HashMap<String, Vec<String>> = [("label".to_owned(), vec![ours])].into();
    let listing = ListContainersOptionsBuilder::new().all(true).filters(&filters);
    let networks = ListNetworksOptionsBuilder::new().filters(&filters);
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters);
    let images = ListImagesOptionsBuilder::new().digests(true);
    let inspected = async {
        let listed = docker.list_containers(Some(listing.build())).await?;
        let image = docker.inspect_image(IMAGE);
        let each = stream::iter(listed).map(|one| async move {
            docker.inspect_container(&one.id.unwrap_or_default(), None).await
        });
        let each = each.buffer_unordered(LOOK_AT_ONCE).try_collect::<Vec<_>>();
        futures_util::try_join!(each, image)
    };
    let (inspected, ..) = futures_util::try_join!(
        inspected,
        docker.list_networks(Some(networks.build())),
        docker.list_volumes(Some(volumes.build())),
        docker.list_images(Some(images.build())),
    )
    .unwrap();
    assert_eq!(inspected.0.len(), containers);
}

/// A connection as lessor makes it: the engine is asked whether it is there.
async fn connect() -> Docker {
    let address = format!("unix://{SOCKET}");
    let docker = Docker::connect_with_unix(&address, 120, bollard::API_DEFAULT_VERSION).unwrap();
    docker.ping().await.unwrap();
    docker
}
