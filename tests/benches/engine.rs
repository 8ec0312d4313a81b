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
//! Times are wall time, since the engine does the work. That of `lessor` runs from before its
//! process starts until it has ended: reading specs, planning and writing its journal included.
//! The raw side runs in this process, which is there already; a second figure therefore takes off
//! what `lessor validate` takes, which is the same start and the same reading without an engine.

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

/// As many as `lessor apply` makes at the same time unless told otherwise.
const APPLY_AT_ONCE: usize = 8;

/// As many as `lessor plan` looks at at the same time.
const LOOK_AT_ONCE: usize = 16;

const MEMORY: i64 = 32 << 20;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(ROUNDS);
    let containers = numbers.get(1).copied().unwrap_or(CONTAINERS);
    let bench = Bench::new(containers);
    let (mut apply, mut plan) = (Sides::default(), Sides::default());
    for round in 0..rounds {
        // Who begins changes, so that neither always comes to a rested engine.
        for lessors_turn in [round % 2 == 0, round % 2 != 0] {
            if lessors_turn {
                apply.lessor.push(bench.lessor(&["apply", "--yes"]));
                for _ in 0..3 {
                    plan.lessor.push(bench.lessor(&["plan", "--detailed-exitcode"]));
                    plan.raw.push(bench.raw_look());
                }
            } else {
                apply.raw.push(bench.raw_make());
            }
            bench.clear();
        }
    }
    let start: Vec<_> = (0..9).map(|_| bench.lessor(&["validate"])).collect();
    let start = median(&start);
    println!(
        "{containers} containers, {rounds} rounds, medians; start of the process: {start:.1?}"
    );
    println!(
        "{:6} {:>10} {:>10} {:>7} {:>14}  goal",
        "", "lessor", "raw", "ratio", "without start"
    );
    apply.print("apply", start, 1.1);
    plan.print("plan", start, 1.2);
}

/// How long each side took, each time.
#[derive(Default)]
struct Sides {
    lessor: Vec<Duration>,
    raw: Vec<Duration>,
}

impl Sides {
    fn print(&self, name: &str, start: Duration, goal: f64) {
        let (lessor, raw) = (median(&self.lessor), median(&self.raw));
        let ratio = lessor.as_secs_f64() / raw.as_secs_f64();
        let without = lessor.saturating_sub(start).as_secs_f64() / raw.as_secs_f64();
        let verdict = if ratio <= goal { "met" } else { "MISSED" };
        let (lessor, raw) = (format!("{lessor:.1?}"), format!("{raw:.1?}"));
        println!("{name:6} {lessor:>10} {raw:>10} {ratio:>7.3} {without:>14.3}  {goal} {verdict}");
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Bench { site, lessor: release_binary(), runtime, containers }
    }

    fn lessor(&self, args: &[&str]) -> Duration {
        let mut command = Command::new(&self.lessor);
        command.args(args).arg(self.site.path());
        quiet(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status().unwrap();
        let took = began.elapsed();
        assert!(status.success(), "lessor {}: {status}", args.join(" "));
        took
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

    /// Lists what is ours, and inspects each container and their image.
    fn raw_look(&self) -> Duration {
        let began = Instant::now();
        self.runtime.block_on(async {
            let docker = connect().await;
            let docker = &docker;
            let ours = format!("lessor.installation={}", self.site.installation);
            let filters: HashMap<String, Vec<String>> = [("label".to_owned(), vec![ours])].into();
            let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters);
            let networks = ListNetworksOptionsBuilder::new().filters(&filters);
            let volumes = ListVolumesOptionsBuilder::new().filters(&filters);
            let images = ListImagesOptionsBuilder::new().digests(true);
            let inspected = async {
                let listed = docker.list_containers(Some(containers.build())).await?;
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
            assert_eq!(inspected.0.len(), self.containers);
        });
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
        docker(&[&["rm", "-f", "-v"], &*ids].concat());
        let _ = std::fs::remove_dir_all(self.site.path().join(".lessor"));
    }
}

/// A connection as lessor makes it: the engine is asked whether it is there.
async fn connect() -> Docker {
    let address = format!("unix://{SOCKET}");
    let docker = Docker::connect_with_unix(&address, 120, bollard::API_DEFAULT_VERSION).unwrap();
    docker.ping().await.unwrap();
    docker
}
