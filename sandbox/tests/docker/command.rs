//! The unmodified `docker` command, which takes the pretend engine for a real one.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::client::Engine;

/// What a command printed, what it said, and how it ended.
async fn docker(engine: &Engine, line: &str, input: &str) -> (String, String, i32) {
    let words: Vec<String> = words(line);
    let mut child = Command::new("docker")
        .args(&words)
        .env("DOCKER_HOST", engine.host())
        .env_remove("DOCKER_TLS_VERIFY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the `docker` command is needed: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
}

/// Words of a line; one in single quotes is whole.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// One after the other, on one engine.
const LINES: [&str; 33] = [
    "version --format '{{.Server.APIVersion}}'",
    "info --format '{{.ServerVersion}} {{.Driver}}'",
    "images --format '{{.Repository}}:{{.Tag}}'",
    "pull -q games.example/mc:1.21",
    "network create --subnet 10.9.8.0/24 front",
    "volume create data",
    "run --rm lessor.example/busybox:1 sh -c 'echo out; echo err >&2; exit 3'",
    "run -i --rm lessor.example/busybox:1 cat",
    "run lessor.example/busybox:1 nosuch",
    "run -d --name web --network front -p 8080:80 -v data:/data games.example/mc:1.21",
    "ps --format '{{.Names}} {{.Image}} {{.State}} {{.Ports}}'",
    "inspect -f '{{.State.Status}} {{.NetworkSettings.Networks.front.IPAddress}}' web",
    "logs web",
    "exec web sh -c 'echo inside; exit 4'",
    "exec -i web cat",
    "top web",
    "stats --no-stream --format '{{.Name}} {{.PIDs}}' web",
    "network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' front",
    "network rm front",
    "volume ls --format '{{.Name}}'",
    "volume rm data",
    "rename web site",
    "update --memory 64m --memory-swap -1 site",
    "stop -t 1 site",
    "wait site",
    "start site",
    "rm site",
    "rm -f site",
    "volume rm data",
    "network rm front",
    "image rm games.example/mc:1.21 --force",
    // Until the beginning of this second: what was done just now is told or not.
    "events --since 1h --until 0s --filter type=volume --filter event=create --format '{{.Action}}'",
    "ps -aq --filter name=nobody",
];

#[tokio::test]
async fn the_docker_command_works_against_it() {
    let engine = Engine::running().await;
    let mut told = String::new();
    for line in LINES {
        let (out, error, code) = docker(&engine, line, "hello\n").await;
        told.push_str(&format!("$ docker {line}\n"));
        for text in [out, error] {
            for line in text.lines().filter(|line| !line.is_empty()) {
                told.push_str(&format!("  {line}\n"));
            }
        }
        if code != 0 {
            told.push_str(&format!("  exit {code}\n"));
        }
    }
    insta::with_settings!({ filters => [
        (r"[0-9a-f]{64}", "ID"),
        (r"\d\d:\d\d  ", "HH:MM  "),
    ] }, { insta::assert_snapshot!(told, @r#"
    $ docker version --format '{{.Server.APIVersion}}'
      1.41
    $ docker info --format '{{.ServerVersion}} {{.Driver}}'
      20.10.24 overlay2
    $ docker images --format '{{.Repository}}:{{.Tag}}'
      lessor.example/busybox:1
    $ docker pull -q games.example/mc:1.21
      games.example/mc:1.21
    $ docker network create --subnet 10.9.8.0/24 front
      ID
    $ docker volume create data
      data
    $ docker run --rm lessor.example/busybox:1 sh -c 'echo out; echo err >&2; exit 3'
      out
      err
      exit 3
    $ docker run -i --rm lessor.example/busybox:1 cat
      hello
    $ docker run lessor.example/busybox:1 nosuch
      docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown
      Run 'docker run --help' for more information
      exit 127
    $ docker run -d --name web --network front -p 8080:80 -v data:/data games.example/mc:1.21
      ID
    $ docker ps --format '{{.Names}} {{.Image}} {{.State}} {{.Ports}}'
      web games.example/mc:1.21 running 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp
    $ docker inspect -f '{{.State.Status}} {{.NetworkSettings.Networks.front.IPAddress}}' web
      running 10.9.8.2
    $ docker logs web
      ready
    $ docker exec web sh -c 'echo inside; exit 4'
      inside
      exit 4
    $ docker exec -i web cat
      hello
    $ docker top web
      UID                 PID                 PPID                C                   STIME               TTY                 TIME                CMD
      root                1062                1061                0                   HH:MM               ?                   00:HH:MM            serve
    $ docker stats --no-stream --format '{{.Name}} {{.PIDs}}' web
      web 1
    $ docker network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}' front
      web 10.9.8.2/24
    $ docker network rm front
      Error response from daemon: error while removing network: network front id ID has active endpoints
      exit status 1
      exit 1
    $ docker volume ls --format '{{.Name}}'
      data
    $ docker volume rm data
      Error response from daemon: remove data: volume is in use - [ID]
      exit 1
    $ docker rename web site
    $ docker update --memory 64m --memory-swap -1 site
      site
    $ docker stop -t 1 site
      site
    $ docker wait site
      0
    $ docker start site
      site
    $ docker rm site
      Error response from daemon: You cannot remove a running container ID. Stop the container before attempting removal or force remove
      exit 1
    $ docker rm -f site
      site
    $ docker volume rm data
      data
    $ docker network rm front
      front
    $ docker image rm games.example/mc:1.21 --force
      Untagged: games.example/mc:1.21
      Untagged: games.example/mc@sha256:ID
      Deleted: sha256:ID
      Deleted: sha256:ID
    $ docker events --since 1h --until 0s --filter type=volume --filter event=create --format '{{.Action}}'
      create
    $ docker ps -aq --filter name=nobody
    "#); });
}

#[tokio::test]
async fn the_docker_command_follows_a_log_to_its_end() {
    let engine = Engine::running().await;
    let script = "echo one; sleep 1; echo two";
    docker(&engine, &format!("run -d --name web lessor.example/busybox:1 sh -c '{script}'"), "")
        .await;
    let (out, _, code) = docker(&engine, "logs -f web", "").await;
    assert_eq!((out.as_str(), code), ("one\ntwo", 0));
}
