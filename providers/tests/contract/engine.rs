//! What only a real engine can show, and what a broken one is taken for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lessor_engine::{ApplyError, DiskLimits, Examination, Lack, Provider, wanting};
use lessor_plans::{Act, Body, Gap, MountBody, Observation, Present, Sighting, Transition};
use lessor_providers::{Connection, Entry, Secrets, connect, examiner};
use lessor_specs::EnvValue;
use lessor_specs::kinds::{self, Endpoint, Ready};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::bodies::{address, change, container, network, port, volume};
use crate::machine::{Machine, Mood};
use crate::worlds::{Engine, PLACE, World, docker};
use crate::{assert_as_wished, create, delete, mark, observe, present, update, with};

#[tokio::test]
async fn a_container_that_was_made_and_no_more_is_finished() {
    let world = Engine::new();
    let networks = ["back", "front"].map(|name| Body::Network(network(&world, name)));
    for network in &networks {
        create(&world, network).await;
    }
    let body = with(&Body::Container(container(&world, "web").into()), |body| {
        body.networks = networks.iter().map(|network| network.name().to_owned()).collect();
    });
    let labels = mark(&world, &body).to_labels();
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
    let mut made = vec!["create", "--name", body.name(), "--network", networks[0].name()];
    made.extend(["--restart=unless-stopped", "--security-opt=no-new-privileges"]);
    made.extend(labels.iter().map(String::as_str));
    made.push(world.image());
    docker(&made);
    let id = world.id(&body).await;

    create(&world, &body).await;

    assert_as_wished(&world, &body).await;
    assert_eq!(world.id(&body).await, id);
}

#[tokio::test]
async fn what_the_image_brings_along_is_inherited() {
    let world = Engine::new();
    let body = Body::Container(container(&world, "web").into());
    create(&world, &body).await;

    let present = present(&world, &body).await;

    let Body::Container(seen) = &present.body else { panic!("{present:?}") };
    assert_eq!(seen.env["FROM_IMAGE"], EnvValue::Plain("yes".into()));
    assert_eq!(seen.labels["from-image"], "yes");
    for path in ["env.FROM_IMAGE", "env.PATH", "labels.from-image", "command", "logging"] {
        assert!(present.inherited.contains(path), "{path}: {:?}", present.inherited);
    }
    assert_eq!(present.beside(Some(&body)), body);
}

#[tokio::test]
async fn what_looks_secret_is_hidden_whoever_set_it() {
    let world = Engine::new();
    let body = Body::Container(container(&world, "web").into());
    let labels = mark(&world, &body).to_labels();
    let mut run: Vec<String> =
        ["run", "-d", "--name", body.name(), "-e", "DB_PASSWORD=hunter2"].map(Into::into).into();
    run.extend(labels.iter().map(|(name, value)| format!("--label={name}={value}")));
    run.push(world.image().into());
    docker(&run.iter().map(String::as_str).collect::<Vec<_>>());

    let present = present(&world, &body).await;

    let Body::Container(seen) = &present.body else { panic!("{present:?}") };
    assert_eq!(seen.env["DB_PASSWORD"], Present::hidden());
    assert!(present.secrets["DB_PASSWORD"] == Secrets::fingerprint("hunter2"));
}

#[tokio::test]
async fn a_paused_container_does_not_run_and_goes_on_when_it_shall() {
    let world = Engine::new();
    let body = Body::Container(container(&world, "web").into());
    create(&world, &body).await;
    docker(&["pause", body.name()]);

    let way = world.provider().compare(&body, &present(&world, &body).await);
    assert_eq!(way, Transition::InPlace(vec!["running".into()]));
    update(&world, &body).await;

    assert_as_wished(&world, &body).await;
    docker(&["pause", body.name()]);
    delete(&world, &body).await;
}

#[tokio::test]
async fn a_network_is_removed_although_a_container_of_ours_is_still_in_it() {
    let world = Engine::new();
    let front = Body::Network(network(&world, "front"));
    let web = with(&Body::Container(container(&world, "web").into()), |body| {
        body.networks.insert(front.name().into());
    });
    create(&world, &front).await;
    create(&world, &web).await;

    delete(&world, &front).await;

    assert!(matches!(world.provider().sight(&change(&front)).await, Sighting::Absent));
}

#[tokio::test]
async fn a_network_with_a_container_of_others_stays() {
    let world = Engine::new();
    let front = Body::Network(network(&world, "front"));
    let stranger = Body::Container(container(&world, "stranger").into());
    create(&world, &front).await;
    world.put(&stranger, &BTreeMap::new()).await;
    docker(&["network", "connect", front.name(), stranger.name()]);

    let refused = world.provider().apply(Act::Delete, &change(&front)).await;

    assert!(matches!(refused, Err(ApplyError::Refused { .. })), "{refused:?}");
    assert_as_wished(&world, &front).await;
}

#[tokio::test]
async fn a_container_is_ready_when_something_listens_on_its_port() {
    let world = Engine::new();
    let serve = "trap 'exit 0' TERM; sleep 1; httpd -f -p 80 & wait";
    let body = shell(&world, serve);
    let mut change = change(&body);
    change.ready = Some(ready(Some(80), false, 20));

    let begin = Instant::now();
    world.provider().apply(Act::Create, &change).await.unwrap();

    assert!(begin.elapsed() > Duration::from_secs(1), "the engine's proxy was taken for it");
    let Body::Container(body) = &body else { panic!("{body:?}") };
    let address = ("127.0.0.1", body.ports.first().unwrap().host);
    tokio::net::TcpStream::connect(address).await.unwrap();
}

#[tokio::test]
async fn a_container_nobody_answers_for_is_not_ready_in_time() {
    let world = Engine::new();
    let body = shell(&world, "trap 'exit 0' TERM; sleep 60 & wait");
    let mut change = change(&body);
    change.ready = Some(ready(Some(80), false, 2));

    let error = world.provider().apply(Act::Create, &change).await.unwrap_err();

    let ApplyError::Refused { why, .. } = error else { panic!("{error:?}") };
    let name = body.name();
    let expected =
        format!("container `{name}` was not ready within 2s: nothing answers on its port 80");
    assert_eq!(why, expected);
}

#[tokio::test]
async fn a_container_that_stops_says_its_last_words_unless_it_knows_secrets() {
    let world = Engine::new();
    let last_words = |body: Body| {
        let world = &world;
        async move {
            let mut change = change(&body);
            change.ready = Some(ready(Some(80), false, 20));
            let error = world.provider().apply(Act::Create, &change).await.unwrap_err();
            delete(world, &body).await;
            let ApplyError::Refused { why, .. } = error else { panic!("{error:?}") };
            why
        }
    };
    let body = with(&shell(&world, "echo no configuration; exit 3"), |body| {
        body.restart = kinds::Restart::No;
    });
    let knowing = with(&body, |body| drop(body.env.insert("TOKEN".into(), world.secret("token"))));

    let stopped =
        format!("container `{}` stopped with exit code 3 before it was ready", body.name());
    assert_eq!(last_words(knowing).await, stopped);
    assert_eq!(last_words(body).await, format!("{stopped}\n  no configuration"));
}

#[tokio::test]
async fn a_container_is_ready_when_its_health_check_says_so() {
    let world = Engine::new();
    let body = with(&shell(&world, "trap 'exit 0' TERM; sleep 60 & wait"), |body| {
        body.healthcheck = Some(lessor_plans::HealthcheckBody {
            command: vec!["true".into()],
            interval_s: 1,
            timeout_s: 1,
            retries: 1,
            start_period_s: 0,
        });
    });
    let mut change = change(&body);
    change.ready = Some(ready(None, true, 20));

    world.provider().apply(Act::Create, &change).await.unwrap();

    let health = docker(&["inspect", "-f", "{{.State.Health.Status}}", body.name()]);
    assert_eq!(health.trim(), "healthy");
}

#[tokio::test]
async fn a_volume_can_be_had_for_writing_by_one_and_for_reading_by_another() {
    let world = Engine::new();
    let data = Body::Volume(volume(&world, "data"));
    create(&world, &data).await;
    for (name, read_only) in [("writer", false), ("reader", true)] {
        let body = with(&Body::Container(container(&world, name).into()), |body| {
            let mount = MountBody { volume: data.name().into(), read_only };
            body.mounts.insert("/data".into(), mount);
        });
        create(&world, &body).await;
        assert_as_wished(&world, &body).await;
    }
}

#[tokio::test]
async fn others_are_not_looked_at_while_nothing_is_missing() {
    let world = Engine::new();
    let body = Body::Container(container(&world, "web").into());
    create(&world, &body).await;
    let seen = observe(&world, &[&body]).await;
    assert!(seen.strangers.is_empty(), "others are looked at only when something is missing");
    assert!(seen.present.contains_key(&address(&body)));
}

#[tokio::test]
async fn a_pull_that_cannot_reach_its_registry_may_work_later() {
    let world = Engine::new();
    let image = Body::Image(lessor_plans::ImageBody { name: "127.0.0.1:9/nothing:1".into() });

    let error = world.provider().apply(Act::Create, &change(&image)).await.unwrap_err();

    assert!(matches!(error, ApplyError::Transient { .. }), "{error:?}");
}

#[tokio::test]
async fn a_pull_that_is_refused_halfway_is_refused_and_one_that_breaks_off_is_not_done() {
    let refused =
        pull(&[("/v1.41/images/create", r#"{"errorDetail": {"message": "manifest unknown"}}"#)]);
    let broken_off = pull(&[("/v1.41/images/create", r#"{"status": "Downloading", "id": "ab"}"#)]);

    let ApplyError::Refused { why, .. } = refused.await.unwrap_err() else { panic!("not refused") };
    assert_eq!(why, "image `nginx:1.27` cannot be pulled: the engine refused: manifest unknown");
    let why = "the pull of image `nginx:1.27` ended before it was there".into();
    assert_eq!(broken_off.await, Err(ApplyError::Transient { why }));
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_one_gap() {
    let seen = at(Path::new("/nowhere/docker.sock")).observe(wanting([])).await;

    let [gap] = &*seen.gaps else { panic!("{:?}", seen.gaps) };
    assert_eq!(gap.what, "anything");
    assert_eq!(
        gap.why,
        "no answer from the engine at `unix:///nowhere/docker.sock`: there is no such socket"
    );
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_one_gap_with_a_hint() {
    let seen = answer(&[(API, "1.40")]).await;

    let [gap] = &*seen.gaps else { panic!("{:?}", seen.gaps) };
    assert!(gap.why.ends_with("speaks API 1.40, and 1.41 is the oldest lessor knows"));
    assert_eq!(gap.hint.as_deref(), Some("lessor needs Docker 20.10 or newer"));
}

#[tokio::test]
async fn what_does_not_say_how_it_is_spoken_to_is_no_engine() {
    for version in ["", "newest", "1"] {
        let seen = answer(&[(API, version)]).await;

        let [gap] = &*seen.gaps else { panic!("{:?}", seen.gaps) };
        assert!(gap.why.ends_with("it does not say which version of the API it speaks"));
    }
}

#[tokio::test]
async fn a_listing_that_makes_no_sense_is_a_gap_and_hides_no_other() {
    for broken in [r#"[{"Id": "ab"#, r#"{"Id": 1}"#, r#"[{"Id": "ab"}]"#, "<html>", ""] {
        let seen = answer(&[
            ("/v1.41/containers/json", broken),
            ("/v1.41/networks", "[]"),
            ("/v1.41/volumes", VOLUMES),
        ])
        .await;

        let gaps: Vec<_> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
        assert_eq!(gaps, ["containers"], "{broken}");
        assert!(seen.present.contains_key(&"volume.data".parse().unwrap()));
        let absent = matches!(seen.sighting(&"container.web".parse().unwrap()), Sighting::Absent);
        assert!(!absent, "{broken}");
    }
}

#[tokio::test]
async fn a_container_that_cannot_be_inspected_is_unknown() {
    for (inspect, why) in [
        (r#"{"Id": "abc", "Na"#, "the answer of"),
        (r#"{"Id": 7}"#, "the engine's answer was not understood"),
        ("{}", "the engine's answer was not understood"),
        (
            r#"{"Id": "abc", "Name": "/other", "Config": {}}"#,
            "it was renamed while it was looked at",
        ),
    ] {
        let mut answers = one_container().to_vec();
        answers.push(("/v1.41/containers/abc/json", inspect));
        let seen = answer(&answers).await;

        let unknown = &seen.unknown[&"container.web".parse().unwrap()];
        assert!(unknown.starts_with(why), "{unknown}");
        assert!(seen.gaps.is_empty(), "{:?}", seen.gaps);
    }
}

#[tokio::test]
async fn a_container_that_is_gone_since_it_was_listed_is_absent() {
    let seen = answer(&one_container()).await;

    let sighting = seen.sighting(&"container.web".parse().unwrap());
    assert!(matches!(sighting, Sighting::Absent), "{sighting:?}");
    assert!(seen.unknown.is_empty() && seen.gaps.is_empty(), "{seen:?}");
}

/// Answers of an engine that lists one container and does not know it any more.
fn one_container() -> [(&'static str, &'static str); 4] {
    [
        ("/v1.41/containers/json", CONTAINERS),
        ("/v1.41/images/sha256:ab/json", "{}"),
        ("/v1.41/networks", "[]"),
        ("/v1.41/volumes", VOLUMES),
    ]
}

#[tokio::test]
async fn a_machine_that_opens_no_socket_says_why() {
    let why = async |status| {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::start(Mood::Closed(status)).await;
        let engine = machine.engine("/run/x.sock", "test-1", directory.path(), &Arc::default());
        let [gap] = engine.observe(wanting([])).await.gaps.try_into().unwrap();
        format!("{}\n{}", gap.why, gap.hint.unwrap())
    };
    assert_eq!(
        why(3).await,
        "there is no socket `/run/x.sock` on `127.0.0.1`\n\
         start Docker there, or name the socket it has: `ssh://tester@127.0.0.1/path`"
    );
    assert_eq!(
        why(4).await,
        "`tester` has no permission to use the socket `/run/x.sock` on `127.0.0.1`\n\
         add it to the `docker` group there: `usermod -aG docker tester` on `127.0.0.1`"
    );
    assert!(
        why(0).await.starts_with("the socket `/run/x.sock` on `127.0.0.1` could not be opened")
    );
}

#[tokio::test]
async fn a_container_behind_ssh_is_ready_when_its_machine_reaches_it() {
    for (mood, reached) in [(Mood::Open, true), (Mood::NoPorts, false)] {
        let world = Engine::behind(mood).await;
        let mut change = change(&shell(&world, "httpd -f -p 80"));
        change.ready = Some(ready(Some(80), false, 30));
        let created = world.provider().apply(Act::Create, &change).await;
        match created {
            Ok(()) => assert!(reached),
            Err(ApplyError::Refused { why, hint }) => {
                assert!(!reached);
                assert_eq!(why, "`127.0.0.1` does not let us reach ports over ssh");
                assert!(hint.unwrap().contains("`AllowTcpForwarding no`"));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_engine_says_what_it_lacks_and_what_time_it_is() {
    let (socket, _directory) = broken(&[(
        "/v1.41/info",
        r#"{"ServerVersion": "20.10.24", "Driver": "overlay2", "CgroupVersion": "2",
                "DriverStatus": [["Backing Filesystem", "xfs"]],
                "SystemTime": "2001-02-03T04:05:06.789Z",
                "Warnings": ["WARNING: No swap limit support"], "LiveRestoreEnabled": true}"#,
    )]);

    let seen = examine(&socket).await.unwrap();

    assert_eq!(seen.system, "Docker Engine 20.10.24, API 1.41, cgroup v2");
    assert!(seen.clock_ahead.unwrap().as_secs() < -20 * 365 * 24 * 3600);
    assert!(matches!(seen.disk, Some(DiskLimits::Unclear { .. })), "{:?}", seen.disk);
    let [Lack { what, hint }] = seen.lacks.try_into().unwrap();
    assert_eq!(what, "No swap limit support");
    assert!(hint.unwrap().contains("swapaccount=1"));
}

#[tokio::test]
async fn an_engine_that_says_nothing_of_itself_is_not_seen() {
    let (socket, _directory) = broken(&[("/v1.41/info", "{}")]);
    let gap = examine(&socket).await.unwrap_err();
    assert_eq!(
        gap.why,
        "the engine's answer was not understood: it does not name the engine's version"
    );
}

/// Stands among the answers for the version of the API that is in all of them, 1.41 otherwise.
const API: &str = "Api-Version";

const VOLUMES: &str = r#"{"Volumes": [{"Name": "data", "Driver": "local", "Mountpoint": "/x", "Scope": "local",
    "Options": null, "Labels": {"lessor.mark": "lessor/1", "lessor.installation": "test-1",
    "lessor.address": "volume.data", "lessor.origin": "file", "lessor.name": "data"}}]}"#;

const CONTAINERS: &str = r#"[{"Id": "abc", "Names": ["/web"], "ImageID": "sha256:ab",
    "Labels": {"lessor.mark": "lessor/1", "lessor.installation": "test-1",
    "lessor.address": "container.web", "lessor.origin": "file", "lessor.name": "web"}}]"#;

/// A container that runs a script and publishes port 80.
fn shell(world: &Engine, script: &str) -> Body {
    with(&Body::Container(container(world, "web").into()), |body| {
        body.command = Some(["sh", "-c", script].map(Into::into).into());
        body.ports.insert(port(world, 80));
    })
}

fn ready(tcp: Option<u16>, healthy: bool, seconds: u64) -> Ready {
    Ready { tcp, healthy, timeout: lessor_specs::Duration::from_secs(seconds) }
}

/// What is seen of an engine that has these answers, and 404 for everything else.
async fn answer(answers: &[(&'static str, &'static str)]) -> Observation {
    let (socket, _directory) = broken(answers);
    at(&socket).observe(wanting([])).await
}

/// What becomes of a pull from such an engine.
async fn pull(answers: &[(&'static str, &'static str)]) -> Result<(), ApplyError> {
    let (socket, _directory) = broken(answers);
    let image = Body::Image(lessor_plans::ImageBody { name: "nginx:1.27".into() });
    at(&socket).apply(Act::Create, &change(&image)).await
}

fn broken(answers: &[(&'static str, &'static str)]) -> (PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // It ends with the runtime of its test.
    tokio::spawn(serve(listener, answers.iter().copied().collect()));
    (socket, directory)
}

fn at(socket: &Path) -> Arc<dyn Provider> {
    with_connection(socket, |connection| connect(&connection).unwrap())
}

/// What such an engine says of itself.
async fn examine(socket: &Path) -> Result<Examination, Gap> {
    with_connection(socket, |connection| examiner(&connection).unwrap()).examine().await
}

fn with_connection<T>(socket: &Path, make: impl FnOnce(Connection<'_>) -> T) -> T {
    let docker = kinds::Docker {
        endpoint: Some(Endpoint::Unix(socket.display().to_string())),
        tls: None,
        host_key: None,
        key: None,
        location: None,
        capacity: None,
        overcommit: None,
    };
    make(Connection {
        name: PLACE,
        entry: Entry::Docker(&docker),
        installation: &"test-1".parse().unwrap(),
        spec_dir: Path::new("."),
        docker_host: None,
        ssh_agent: None,
        secrets: &Arc::default(),
    })
}

async fn serve(listener: UnixListener, answers: BTreeMap<&'static str, &'static str>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 8192];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let target = request.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let (status, body) = match answers.get(path) {
            Some(body) => ("200 OK", *body),
            None if path == "/_ping" => ("200 OK", "OK"),
            None => ("404 Not Found", r#"{"message": "no such thing"}"#),
        };
        let (length, api) = (body.len(), answers.get(API).unwrap_or(&"1.41"));
        let head = format!("HTTP/1.1 {status}\r\n{API}: {api}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).await.unwrap();
    }
}
