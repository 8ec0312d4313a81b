//! Worlds to try providers in: what they are asked to do can be seen there from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use lessor_engine::Provider;
use lessor_plans::{Body, ContainerBody, InstallationId, NetworkBody};
use lessor_providers::{Connection, Entry, Memory, Secrets, Thing, Watch, connect, watch};
use lessor_sandbox::docker::{Docker, State};
use lessor_sandbox::http::Server;
use lessor_sandbox::{Clock, Weather};
use lessor_specs::kinds::SshEndpoint;
use lessor_specs::{Address, Cidr, EnvValue, Kind, SecretRef, kinds};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::machine::{Machine, Mood};

/// The name of the connection in every world.
pub(crate) const PLACE: &str = "par1";

/// The secret value that must never be seen.
pub(crate) const TOKEN: &str = "hunter2-hunter2";

/// The image of every real container: busybox, and a few things to inherit.
const IMAGE: &str = "lessor-test/busybox:1";

/// Whatever a world has that its provider does not show.
#[async_trait]
pub(crate) trait World: Send + Sync {
    fn provider(&self) -> &dyn Provider;
    fn installation(&self) -> InstallationId;
    fn other_installation(&self) -> InstallationId;
    /// A name nothing outside this world has.
    fn name(&self, name: &str) -> String;
    /// An image that is there.
    fn image(&self) -> &'static str {
        IMAGE
    }
    /// A free port, another one each time.
    fn port(&self) -> u16;
    /// Free addresses, the same each time.
    fn subnet(&self) -> Cidr;
    /// `token`, `other`, or one that cannot be had.
    fn secret(&self, name: &str) -> EnvValue {
        EnvValue::Secret(SecretRef::File(name.into()))
    }
    /// Makes a thing as somebody else would, with these labels beside its own.
    async fn put(&self, body: &Body, labels: &BTreeMap<String, String>);
    /// Removes a thing as somebody else would.
    async fn remove(&self, body: &Body);
    /// What tells a thing from another of the same name.
    async fn id(&self, body: &Body) -> String;
    /// All there is, line by line; nothing when there is nothing.
    async fn snapshot(&self) -> String;
}

/// A directory with two secrets in it, and what they resolve to.
fn secrets() -> (TempDir, Arc<Secrets>) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("token"), TOKEN).unwrap();
    std::fs::write(directory.path().join("other"), "other").unwrap();
    let references = ["token", "other", "missing"].map(|name| SecretRef::File(name.into()));
    let secrets = Secrets::resolve(&references, directory.path());
    (directory, secrets.into())
}

/// An installation nobody else is.
fn fresh_installation() -> InstallationId {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("t{}-{count}", std::process::id()).parse().unwrap()
}

/// A pretend host.
pub(crate) struct Pretend {
    memory: Memory,
    installation: InstallationId,
    directory: TempDir,
}

impl Pretend {
    pub(crate) async fn in_process() -> Self {
        let make = |place, installation, secrets, _: &Path| {
            Memory::in_process(place, installation, secrets)
        };
        Pretend::new(make).await
    }

    pub(crate) async fn in_a_file() -> Self {
        let make = |place, installation, secrets, directory: &Path| {
            Memory::in_file(place, installation, secrets, directory.join("host.json"))
        };
        Pretend::new(make).await
    }

    /// The provider itself, which looks after what runs there as well.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where the file is, if there is one.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("host.json")
    }

    async fn new(
        make: impl FnOnce(Address, InstallationId, Arc<Secrets>, &Path) -> Memory,
    ) -> Self {
        let installation = fresh_installation();
        let (directory, secrets) = secrets();
        let place = Address::new(Kind::Docker, PLACE);
        let memory = make(place, installation.clone(), secrets, directory.path());
        memory.edit(|host| host.images = [IMAGE.to_owned()].into()).await.unwrap();
        Pretend { memory, installation, directory }
    }
}

#[async_trait]
impl World for Pretend {
    fn provider(&self) -> &dyn Provider {
        &self.memory
    }

    fn installation(&self) -> InstallationId {
        self.installation.clone()
    }

    fn other_installation(&self) -> InstallationId {
        "somebody-else".parse().unwrap()
    }

    fn name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn port(&self) -> u16 {
        free_port()
    }

    fn subnet(&self) -> Cidr {
        "10.9.8.0/24".parse().unwrap()
    }

    async fn put(&self, body: &Body, labels: &BTreeMap<String, String>) {
        let (body, labels) = (body.clone(), labels.clone());
        self.memory.edit(|host| host.put(body, labels)).await.unwrap();
    }

    async fn remove(&self, body: &Body) {
        let (sort, name) = (body.sort(), body.name().to_owned());
        let others = move |thing: &Thing| thing.body.sort() != sort || thing.body.name() != name;
        self.memory.edit(|host| host.things.retain(others)).await.unwrap();
    }

    async fn id(&self, body: &Body) -> String {
        let host = self.memory.host().await.unwrap();
        format!("{:012x}", host.find(body.sort(), body.name()).unwrap().id)
    }

    async fn snapshot(&self) -> String {
        let line = |thing| serde_json::to_string(thing).unwrap() + "\n";
        self.memory.host().await.unwrap().things.iter().map(line).collect()
    }
}

/// A Docker Engine, the real one or a pretend one. What a test made there goes when it ends, however
/// it ends.
pub(crate) struct Engine {
    provider: Arc<dyn Provider>,
    pretend: Option<Sandbox>,
    installation: InstallationId,
    subnet: Cidr,
    directory: TempDir,
}

impl Engine {
    /// The same, through a machine that is reached over ssh.
    pub(crate) async fn over_ssh() -> Self {
        Engine::behind(Mood::Open).await
    }

    pub(crate) async fn behind(mood: Mood) -> Self {
        let beside = std::env::var("DOCKER_HOST").unwrap_or_default();
        let socket = beside.strip_prefix("unix://").unwrap_or(SshEndpoint::SOCKET);
        let machine = Machine::start(mood).await;
        Engine::connected(move |installation, directory, secrets| {
            machine.engine(socket, installation.as_str(), directory, secrets)
        })
    }

    pub(crate) fn new() -> Self {
        Engine::connected(|installation, directory, secrets| {
            let host = std::env::var("DOCKER_HOST").ok();
            local(host.as_deref(), installation, directory, secrets)
        })
    }

    /// A pretend one.
    pub(crate) fn pretended() -> Self {
        let sandbox = Sandbox::start();
        let host = sandbox.host.clone();
        let mut engine = Engine::made(|installation, directory, secrets| {
            local(Some(&host), installation, directory, secrets)
        });
        engine.pretend = Some(sandbox);
        engine
    }

    /// Who looks after what runs there; at another address, if that is said.
    pub(crate) fn watch(&self, host: Option<&str>) -> Watch {
        let beside = std::env::var("DOCKER_HOST").ok();
        let own = self.pretend.as_ref().map(|sandbox| sandbox.host.clone());
        let host = host.map(str::to_owned).or(own).or(beside);
        let (installation, directory) = (&self.installation, self.directory.path());
        let found =
            with_connection(host.as_deref(), installation, directory, &Arc::default(), |at| {
                watch(at).unwrap()
            });
        found.unwrap()
    }

    /// Where a pretend one answers.
    pub(crate) fn address(&self) -> &str {
        self.pretend.as_ref().unwrap().host.strip_prefix("tcp://").unwrap()
    }

    /// What goes wrong with a pretend one.
    pub(crate) fn weather(&self) -> &Weather {
        &self.pretend.as_ref().unwrap().weather
    }

    fn connected(
        connect: impl FnOnce(&InstallationId, &Path, &Arc<Secrets>) -> Arc<dyn Provider>,
    ) -> Self {
        static IMPORTED: OnceLock<()> = OnceLock::new();
        IMPORTED.get_or_init(import_image);
        Engine::made(connect)
    }

    fn made(
        connect: impl FnOnce(&InstallationId, &Path, &Arc<Secrets>) -> Arc<dyn Provider>,
    ) -> Self {
        let installation = fresh_installation();
        let (directory, secrets) = secrets();
        let provider = connect(&installation, directory.path(), &secrets);
        let subnet = free_subnet();
        Engine { provider, pretend: None, installation, subnet, directory }
    }

    /// Runs the `docker` command, which talks to this engine.
    fn docker(&self, arguments: &[&str]) -> String {
        match &self.pretend {
            Some(sandbox) => docker(&[&["--host", &sandbox.host], arguments].concat()),
            None => docker(arguments),
        }
    }

    fn all(&self) -> Vec<(&'static str, String)> {
        let label = format!("label=lessor-test.world={}", self.installation);
        let mark = format!("label=lessor.installation={}", self.installation);
        let mut all = Vec::new();
        for sort in ["container", "network", "volume"] {
            let list: &[&str] = match sort {
                "container" => &["container", "ls", "-aq", "--no-trunc"],
                "network" => &["network", "ls", "-q", "--no-trunc"],
                _ => &["volume", "ls", "-q"],
            };
            for filter in [&label, &mark] {
                let ids = self.docker(&[list, &["--filter", filter]].concat());
                all.extend(ids.lines().map(|id| (sort, id.to_owned())));
            }
        }
        all.sort();
        all.dedup();
        all
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.pretend.is_some() {
            return;
        }
        for (sort, id) in self.all() {
            let force: &[&str] = if sort == "container" { &["-f", "-v"] } else { &[] };
            let remove = [&[sort, "rm"], force, &[&id]].concat();
            drop(Command::new("docker").args(remove).output());
        }
    }
}

#[async_trait]
impl World for Engine {
    fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    fn installation(&self) -> InstallationId {
        self.installation.clone()
    }

    fn other_installation(&self) -> InstallationId {
        format!("{}-other", self.installation).parse().unwrap()
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.installation)
    }

    fn port(&self) -> u16 {
        free_port()
    }

    fn subnet(&self) -> Cidr {
        self.subnet
    }

    async fn put(&self, body: &Body, labels: &BTreeMap<String, String>) {
        let world = format!("lessor-test.world={}", self.installation);
        let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
        let labels = labels.chain([world]).flat_map(|label| ["--label".to_owned(), label]);
        let mut arguments: Vec<String> = match body {
            Body::Container(_) => {
                vec!["run".into(), "-d".into(), "--name".into(), body.name().into()]
            }
            body => vec![body.sort().into(), "create".into()],
        };
        arguments.extend(labels);
        match body {
            Body::Container(body) => arguments.extend(run(body)),
            Body::Network(body) => arguments.extend(create(body)),
            body => arguments.push(body.name().into()),
        }
        self.docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    async fn remove(&self, body: &Body) {
        let force: &[&str] = if body.sort() == "container" { &["-f"] } else { &[] };
        self.docker(&[&[body.sort(), "rm"], force, &[body.name()]].concat());
    }

    async fn id(&self, body: &Body) -> String {
        let inspect = [body.sort(), "inspect", "--format", "{{.Id}}", body.name()];
        self.docker(&inspect).trim().to_owned()
    }

    async fn snapshot(&self) -> String {
        let look = |(sort, id): (&'static str, String)| {
            let format = match sort {
                "container" => {
                    "{{.Id}} {{.Name}} {{json .Config}} {{json .HostConfig}} {{.State.StartedAt}} \
                     {{.State.Running}}"
                }
                "network" => "{{.Id}} {{.Name}} {{json .Labels}} {{json .IPAM}}",
                _ => "{{json .}}",
            };
            self.docker(&[sort, "inspect", "--format", format, &id])
        };
        self.all().into_iter().map(look).collect()
    }
}

/// The engine at this host, or the one beside us.
fn local(
    docker_host: Option<&str>,
    installation: &InstallationId,
    directory: &Path,
    secrets: &Arc<Secrets>,
) -> Arc<dyn Provider> {
    with_connection(docker_host, installation, directory, secrets, |connection| {
        connect(connection).unwrap()
    })
}

fn with_connection<T>(
    docker_host: Option<&str>,
    installation: &InstallationId,
    directory: &Path,
    secrets: &Arc<Secrets>,
    made: impl FnOnce(&Connection<'_>) -> T,
) -> T {
    let docker = kinds::Docker {
        endpoint: None,
        tls: None,
        host_key: None,
        key: None,
        location: None,
        capacity: None,
        overcommit: None,
    };
    made(&Connection {
        name: PLACE,
        entry: Entry::Docker(&docker),
        installation,
        spec_dir: directory,
        docker_host,
        ssh_agent: None,
        secrets,
    })
}

fn run(body: &ContainerBody) -> Vec<String> {
    let publish = |port: &lessor_plans::PortBody| {
        ["-p".to_owned(), format!("{}:{}:{}", port.bind, port.host, port.container)]
    };
    body.ports.iter().flat_map(publish).chain([body.image.clone()]).collect()
}

fn create(body: &NetworkBody) -> Vec<String> {
    let subnet = body.subnet.map(|subnet| ["--subnet".to_owned(), subnet.to_string()]);
    subnet.into_iter().flatten().chain([body.name.clone()]).collect()
}

/// A pretend engine, and what goes wrong in front of it. It answers on a thread of its own: the
/// `docker` command is waited for.
pub(crate) struct Sandbox {
    host: String,
    weather: Arc<Weather>,
    _server: Server,
    runtime: Option<Runtime>,
}

impl Sandbox {
    fn start() -> Sandbox {
        let begin = || {
            let runtime = Runtime::new().unwrap();
            let mut state = State::installed(Clock::default(), 7);
            let command = ["sh", "-c", "trap \"exit 0\" TERM; sleep 3600 & wait"];
            let programs = ["busybox", "sh", "sleep", "httpd", "true", "false", "echo", "kill"];
            state.add_image(IMAGE, &command, &programs);
            let weather = Arc::new(Weather::new(Arc::new(Docker::new(state)), 7));
            let address = "127.0.0.1:0".parse().unwrap();
            let listening = Server::listen(address, None, Arc::<Weather>::clone(&weather));
            let server = runtime.block_on(listening).unwrap();
            let host = format!("tcp://{}", server.address());
            Sandbox { host, weather, _server: server, runtime: Some(runtime) }
        };
        std::thread::spawn(begin).join().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs the `docker` command, which talks to the engine beside us.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("the `docker` command is needed: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// There is no registry to pull from: the image is busybox of this machine.
fn import_image() {
    if !docker(&["images", "-q", IMAGE]).is_empty() {
        return;
    }
    let script = r#"
        set -e
        root=$(mktemp -d)
        trap 'rm -r "$root"' EXIT
        mkdir "$root/bin"
        cp /bin/busybox "$root/bin/"
        for applet in sh sleep httpd true false echo kill; do
            ln -s busybox "$root/bin/$applet"
        done
        tar -C "$root" -c . | docker import -c 'ENV PATH=/bin' -c 'ENV FROM_IMAGE=yes' \
            -c 'LABEL from-image=yes' \
            -c 'CMD ["sh", "-c", "trap \"exit 0\" TERM; sleep 3600 & wait"]' - "$1"
    "#;
    let output = Command::new("sh").args(["-c", script, "sh", IMAGE]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Below the range from which the system gives out ports by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    first + NEXT.fetch_add(1, Ordering::Relaxed)
}

fn free_subnet() -> Cidr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let part = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("10.{}.{part}.0/24", 100 + std::process::id() % 100).parse().unwrap()
}
