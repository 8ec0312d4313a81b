//! The life of an operator, on a real Docker Engine.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

use std::time::{Duration, Instant};

use lessor_tests::engine::{APPLY, SOCKET, Site, docker, docker_run, ended, repository};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const WEB: &str = r#"
[docker.local]

[network.{p}-front]
subnet = "{s0}"

[volume.{p}-data]

[container.{p}-web]
image = "{image}"
command = {command}
networks = ["{p}-front"]
volumes = [{ volume = "{p}-data", path = "/data" }]
memory = "64MiB"

[container.{p}-api]
image = "{image}"
command = {command}
networks = ["{p}-front"]
"#;

fn settled() -> Site {
    let site = Site::new();
    site.specs(WEB);
    site.settle();
    site
}

#[test]
fn an_edit_is_planned_and_applied_and_then_nothing_is_left() {
    let site = settled();
    let web = site.name("web");

    site.specs(&WEB.replace("64MiB", "128MiB"));
    let plan = site.lessor(&["plan", "--detailed-exitcode"]);
    plan.expect(2).says(&format!("~ container.{web}")).says("memory: 64MiB → 128MiB");
    site.settle();
    let memory = docker(&["inspect", "--format", "{{.HostConfig.Memory}}", &web]);
    assert_eq!(memory, "134217728");
}

#[test]
fn what_is_broken_by_hand_is_named_and_mended() {
    let site = settled();
    let (web, api, front) = (site.name("web"), site.name("api"), site.name("front"));
    docker(&["exec", &web, "sh", "-c", "echo precious > /data/file"]);
    let other = format!("{web}-by-hand");
    let breaks: [(&[&str], &str, &str); 6] = [
        (&["rm", "-f", &web], &web, "removed outside"),
        (&["stop", &web], &web, "running"),
        (&["update", "--memory", "96m", "--memory-swap", "96m", &web], &web, "memory"),
        (&["network", "disconnect", &front, &api], &api, "networks"),
        (&["pause", &web], &web, "running"),
        (&["rename", &web, &other], &web, "removed outside"),
    ];
    for (by_hand, thing, attribute) in breaks {
        docker(by_hand);
        let drift = site.lessor(&["drift"]);
        drift.expect(2).says(&format!("container.{thing}")).says(attribute);
        site.settle();
        site.lessor(&["drift"]).expect(0);
        assert_eq!(docker(&["exec", &web, "cat", "/data/file"]), "precious", "after {by_hand:?}");
    }
    // What was renamed is not ours any more by its mark, and left alone.
    docker(&["inspect", &other]);
}

#[test]
fn a_saved_plan_refuses_when_its_object_moved_and_does_not_care_about_others() {
    let site = settled();
    let (web, api) = (site.name("web"), site.name("api"));
    let file = site.path().join("saved.plan");
    let file = file.to_str().unwrap();
    site.specs(&WEB.replace("64MiB", "128MiB"));

    site.lessor(&["plan", "-o", file]).expect(0);
    docker(&["update", "--memory", "96m", "--memory-swap", "96m", &web]);
    let stale = apply_saved(file);
    stale.expect(4).says(&format!("container.{web}")).says("memory");
    let memory = || docker(&["inspect", "--format", "{{.HostConfig.Memory}}", &web]);
    assert_eq!(memory(), (96 << 20).to_string());

    site.lessor(&["plan", "-o", file]).expect(0);
    docker(&["stop", &api]);
    apply_saved(file).expect(0);
    assert_eq!(memory(), (128 << 20).to_string());
    site.settle();
}

fn apply_saved(file: &str) -> lessor_tests::engine::Ran {
    let mut command = std::process::Command::new(lessor_tests::binary::binary());
    command.args(["apply", "--yes", file]);
    lessor_tests::engine::quiet(&mut command);
    lessor_tests::engine::ran(command)
}

/// A copy of an example with a fresh installation, on the real engine.
fn example(name: &str, connection: &str, renames: &[(&str, &str)]) {
    let site = Site::new();
    let option = format!("--endpoint={connection}=unix://{SOCKET}");
    for file in std::fs::read_dir(repository().join("examples").join(name)).unwrap() {
        let path = file.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|end| end == "toml") && file != "lessor.toml" {
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (from, to) in renames {
                text = text.replace(from, &site.filled(to));
            }
            site.write(file, &text);
        }
    }

    site.lessor(&["plan", "--detailed-exitcode", &option]).expect(2);
    site.lessor(&["apply", "--yes", &option]).expect(0);
    site.lessor(&["plan", "--detailed-exitcode", &option]).expect(0);
    let made = site.things();
    assert!(made.values().all(|count| *count == 1), "{made:#?}");
    let destroy = ["destroy", "--yes", "--allow", "removals", &option];
    site.lessor(&destroy).expect(0);
    let left = site.things();
    assert!(left.keys().all(|thing| thing.starts_with("volume ")), "{left:#?}");
    let volumes = made.keys().filter(|thing| thing.starts_with("volume ")).count();
    assert_eq!(left.len(), volumes, "data outlives its entry");
}

#[test]
fn the_example_hello_runs_on_a_real_engine_and_goes_again() {
    example("hello", "local", &[("container.hello", "container.{p}-hello"), ("18080", "{port0}")]);
}

#[test]
fn the_example_minehost_runs_on_a_real_engine_and_goes_again_but_for_its_data() {
    example(
        "minehost",
        "par1",
        &[
            ("acme", "{p}-acme"),
            ("globex", "{p}-globex"),
            ("25565-26564", "{port0}-{port3}"),
            ("10.64.0.0/16", "{s0}"),
            ("per_tenant_prefix = 28", "per_tenant_prefix = 29"),
        ],
    );
}

#[test]
fn the_example_lab_makes_its_machines_on_a_real_engine_and_takes_them_away() {
    example(
        "lab",
        "lab",
        &[
            ("[pool.alpine]", "[pool.{p}-alpine]"),
            ("pools = [\"alpine\"", "pools = [\"{p}-alpine\""),
            ("replicas = 12", "replicas = 4"),
            ("2221-2232", "{port0}-{port3}"),
        ],
    );
}

#[test]
fn two_applies_at_the_same_moment_come_to_the_right_end() {
    let site = Site::new();
    site.specs(WEB);
    let began = Instant::now();
    let (first, second) = (site.start(&APPLY), site.start(&APPLY));
    ended(first, began).expect(0);
    ended(second, began).expect(0);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    site.expect_things(&[
        "container {p}-api",
        "container {p}-web",
        "network {p}-front",
        "volume {p}-data",
    ]);
}

#[test]
fn without_its_memory_it_still_knows_what_is_its_own() {
    let site = settled();
    std::fs::remove_dir_all(site.path().join(".lessor")).unwrap();
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
    site.apply().expect(0);
    site.lessor(&["plan", "--detailed-exitcode"]).expect(0);
}

/// Containers one after the other, each a while not ready.
fn slow(site: &Site) {
    let entry = |n: usize| {
        let needs = n.checked_sub(1).map(|n| format!("\"container.{{p}}-slow-{n}\""));
        format!(
            "[container.{{p}}-slow-{n}]\nimage = \"{{image}}\"\n\
             command = [\"sh\", \"-c\", \"sleep 1; exec busybox httpd -f -p 80 -h /bin\"]\n\
             ports = [{{ host = {{port{n}}}, container = 80, bind = \"127.0.0.1\" }}]\n\
             ready = {{ tcp = 80, timeout = \"30s\" }}\ndepends_on = [{}]\n\n",
            needs.unwrap_or_default()
        )
    };
    let entries: String = (0..4).map(entry).collect();
    site.specs(&format!("[docker.local]\n\n{entries}"));
}

/// Waits until the first container is there.
fn first_is_made(site: &Site) {
    let began = Instant::now();
    while docker_run(&["inspect", &site.name("slow-0")]).is_err() {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing is made");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_ctrl_c_finishes_what_is_under_way_and_the_next_apply_the_rest() {
    let site = Site::new();
    slow(&site);
    let began = Instant::now();
    let child = site.start(&APPLY);
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    first_is_made(&site);
    kill(pid, Signal::SIGINT).unwrap();
    let run = ended(child, began);
    run.expect(5).says("what was begun is finished").says("1 of 4 steps done").says("again");
    site.expect_things(&["container {p}-slow-0"]);
    site.settle();
    assert_eq!(site.things().len(), 4);
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let site = Site::new();
    slow(&site);
    let child = site.start(&APPLY);
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    first_is_made(&site);
    kill(pid, Signal::SIGINT).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    kill(pid, Signal::SIGINT).unwrap();
    let run = ended(child, began);
    assert!(run.took < Duration::from_millis(700), "it took {:?}", run.took);
    assert!(matches!(run.code, Some(1 | 5)), "{run:#?}");
    run.says("stopped");
    site.settle();
    assert_eq!(site.things().len(), 4);
}
