//! A pretend cluster with a virtual machine, whose agent runs what it is given in a container.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lessor_engine::access::Keeper;
use lessor_providers::access::{Machine as Place, Patience, VirtualMachine, Way, keeper};
use lessor_providers::https::Trust;
use lessor_providers::proxmox::client::{Client, Form, Guest, GuestKind, Login, Stop};
use lessor_providers::{Connection, Entry, Networks, Secrets};
use lessor_sandbox::http::{Identity, Server};
use lessor_sandbox::proxmox::{
    AgentCommand, AgentEnd, Installation, Pace, Proxmox as Cluster, World,
};
use lessor_specs::kinds;
use tempfile::TempDir;

use crate::engine::quiet;
use crate::machine::Machine;

/// The one virtual machine.
pub const VMID: u32 = 100;

const PATIENCE: Duration = Duration::from_mins(1);

/// Quick enough to wait for.
const PACE: Pace = Pace { refusal_ms: 0, task_ms: 0, shutdown_ms: 0, statistics_ms: 40 };

/// A cluster with one virtual machine that runs.
pub struct Hypervisor {
    cluster: Arc<Cluster>,
    client: Client,
    entry: kinds::Proxmox,
    directory: TempDir,
    over: Arc<AtomicBool>,
    _server: Server,
}

impl Hypervisor {
    /// With a machine that has a snapshot `clean` and is said to have an agent.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn new() -> Self {
        let identity = Identity::new(&["localhost"]).unwrap();
        let installation = Installation {
            nodes: vec!["pve1".into(), "pve2".into()],
            password: "testpass123".into(),
            fingerprint: identity.fingerprint().into(),
            seed: 7,
            pace: PACE,
            whole_host: true,
        };
        let cluster = Arc::new(Cluster::new(World::installed(&installation)));
        let token = format!("root@pam!t1={}", cluster.add_token("root@pam", "t1"));
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(listen, Some(&identity), cluster.clone()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), &token).unwrap();
        let endpoint = format!("https://{}", server.address());
        let fingerprint = identity.fingerprint();
        let entry = kinds::Proxmox {
            endpoint: endpoint.parse().unwrap(),
            fingerprint: Some(fingerprint.parse().unwrap()),
            ca: None,
            token: "secret://file/token".parse().unwrap(),
            location: None,
            nodes: vec!["pve1".into()],
            cordoned: Vec::new(),
            storage: "local".into(),
            vmid_range: "20000-20999".parse().unwrap(),
            placement: kinds::Placement::default(),
            guest_firewall: true,
            overcommit: None,
        };
        let trust = Trust::Pinned(fingerprint.parse().unwrap());
        let client = Client::new(&endpoint, &trust, Login::token(&token.into()).unwrap()).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let hypervisor = Hypervisor { cluster, client, entry, directory, over, _server: server };
        hypervisor.set_up().await;
        hypervisor
    }

    async fn set_up(&self) {
        let form = Form::new().with("vmid", VMID).with("agent", 1).with("memory", 512);
        let form = form.with("scsi0", "local:1,format=qcow2");
        let client = &self.client;
        let made = client.guest_create("pve1", GuestKind::Qemu, &form).await.unwrap();
        client.task_wait(Some(&made), PATIENCE).await.unwrap();
        let kept = client.snapshot_create(&guest(), "clean", None).await.unwrap();
        client.task_wait(Some(&kept), PATIENCE).await.unwrap();
        self.start().await;
        // Listings lag behind.
        while client.cluster_resources(Some("vm")).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The machine starts.
    ///
    /// # Panics
    /// When it does not.
    pub async fn start(&self) {
        let task = self.client.guest_start(&guest()).await.unwrap();
        self.client.task_wait(Some(&task), PATIENCE).await.unwrap();
    }

    /// The machine stops.
    ///
    /// # Panics
    /// When it does not.
    pub async fn stop(&self) {
        let task = self.client.guest_stop(&guest(), Stop::Now).await.unwrap();
        self.client.task_wait(Some(&task), PATIENCE).await.unwrap();
    }

    /// Whether the machine runs.
    ///
    /// # Panics
    /// When nobody says so.
    pub async fn is_running(&self) -> bool {
        self.client.guest_status(&guest()).await.unwrap().unwrap().is_running()
    }

    /// An agent starts in the machine and runs everything in a container.
    pub fn agent_in(&self, machine: &Machine) {
        self.cluster.agent_start(VMID);
        let (cluster, over, name) =
            (Arc::clone(&self.cluster), Arc::clone(&self.over), machine.name.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match cluster.agent_take(VMID) {
                    Some(command) => {
                        let end = run(&name, &command);
                        cluster.agent_end(VMID, command.pid, end);
                    }
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
    }

    /// The keeper of the machine, by its agent.
    ///
    /// # Panics
    /// When there is none.
    pub fn keeper(&self, machine: &Machine) -> Arc<dyn Keeper> {
        let secrets = Arc::new(Secrets::resolve([&self.entry.token], self.directory.path()));
        let proxmox = Connection {
            name: "ams",
            entry: Entry::Proxmox(&self.entry, Networks::default()),
            installation: &machine.installation,
            spec_dir: self.directory.path(),
            docker_host: None,
            ssh_agent: None,
            secrets: &secrets,
        };
        let guest = VirtualMachine { proxmox, vmid: VMID };
        let place = Place {
            installation: &machine.installation,
            way: Way::Agent(guest.clone()),
            guest: Some(guest),
            patience: Patience::default(),
        };
        keeper(place).unwrap()
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn guest() -> Guest {
    Guest::qemu("pve1", VMID)
}

/// Runs a command as the agent would.
fn run(container: &str, command: &AgentCommand) -> AgentEnd {
    let mut exec = Command::new("docker");
    exec.args(["exec", "--interactive", container]).args(&command.argv);
    quiet(&mut exec);
    exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = exec.spawn().unwrap();
    // One that has ended does not read.
    let _ = child.stdin.take().unwrap().write_all(command.input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    AgentEnd {
        exit_code: output.status.code().unwrap_or(255).into(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}
