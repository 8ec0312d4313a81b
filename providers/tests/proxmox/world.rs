//! A pretend cluster with templates, and the provider that drives it.

use std::path::Path;
use std::sync::Arc;

use lessor_engine::{ApplyError, Provider, wanting};
use lessor_plans::{Act, Body, Observation, Present, Sighting, Transition};
use lessor_providers::https::Trust;
use lessor_providers::proxmox::client::{Client, Form, Guest, GuestKind, Login};
use lessor_providers::{Networks, Proxmox, Secrets};
use lessor_sandbox::http::{Identity, Server};
use lessor_sandbox::proxmox::{Installation, Pace, Proxmox as Cluster, World as State};
use lessor_sandbox::{System as _, Weather};
use lessor_specs::{Address, Kind, kinds};
use serde_json::Value;

use crate::gate::Gate;
use crate::wishes::{address, change};

pub(crate) const PLACE: &str = "ams";
pub(crate) const INSTALLATION: &str = "test-1";

/// The templates: a machine, a machine on a storage of all nodes, a container.
pub(crate) const VM: u32 = 9000;
pub(crate) const SHARED: u32 = 9001;
pub(crate) const CT: u32 = 9002;
pub(crate) const TEMPLATES: usize = 3;

/// Quick enough to wait for.
const PACE: Pace = Pace { refusal_ms: 0, task_ms: 0, shutdown_ms: 0, statistics_ms: 40 };

/// A cluster of two nodes.
pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) identity: Identity,
    server: Server,
    secret: String,
    directory: tempfile::TempDir,
    /// As it was after it was set up.
    fresh: State,
}

impl World {
    pub(crate) async fn new() -> World {
        let identity = Identity::new(&["localhost"]).unwrap();
        let installation = Installation {
            nodes: vec!["pve1".into(), "pve2".into()],
            password: "testpass123".into(),
            fingerprint: identity.fingerprint().into(),
            seed: 7,
            pace: PACE,
            whole_host: true,
        };
        let cluster = Arc::new(Cluster::new(State::installed(&installation)));
        let secret = cluster.add_token("root@pam", "t1");
        let weather = Arc::new(Weather::new(cluster.clone(), 1));
        let gate = Arc::new(Gate::new(weather.clone()));
        let listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(listen, Some(&identity), gate.clone()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let fresh = cluster.world();
        let mut world =
            World { cluster, weather, gate, identity, server, secret, directory, fresh };
        world.set_up().await;
        world.fresh = world.cluster.world();
        world
    }

    /// Templates, a storage of all nodes and a zone.
    async fn set_up(&self) {
        let client = self.root();
        let storage = Form::new().with("storage", "shared").with("type", "dir");
        let storage = storage.with("path", "/mnt/shared").with("shared", 1);
        let _: Value = client.post(&["storage"], &storage).await.unwrap();
        for (vmid, storage) in [(VM, "local"), (SHARED, "shared")] {
            let form = machine(vmid, storage).with("ide2", format!("{storage}:cloudinit"));
            self.make(GuestKind::Qemu, &form).await;
            let template = client.guest_make_template(&Guest::qemu("pve1", vmid)).await.unwrap();
            client.task_wait(template.as_ref(), PATIENCE).await.unwrap();
        }
        let form = Form::new()
            .with("vmid", CT)
            .with("hostname", "ct")
            .with("ostemplate", "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.gz")
            .with("rootfs", "local:1")
            .with("net0", "name=eth0,bridge=vmbr0,ip=dhcp");
        self.make(GuestKind::Lxc, &form).await;
        let template = client.guest_make_template(&Guest::lxc("pve1", CT)).await.unwrap();
        client.task_wait(template.as_ref(), PATIENCE).await.unwrap();
        client.zone_create("zvlan", "vlan", Form::new().with("bridge", "vmbr0")).await.unwrap();
        let applied = client.sdn_apply().await.unwrap();
        client.task_wait(Some(&applied), PATIENCE).await.unwrap();
        self.listed(&client).await;
    }

    /// Waits for the round of statistics that sees the templates: listings lag behind.
    async fn listed(&self, client: &Client) {
        for _ in 0..1_000 {
            let guests = client.cluster_resources(Some("vm")).await.unwrap();
            if guests.iter().filter(|guest| guest.template).count() == TEMPLATES {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the templates are never listed");
    }

    /// Makes a guest of somebody's on the first node.
    pub(crate) async fn make(&self, kind: GuestKind, form: &Form) {
        let client = self.root();
        let task = client.guest_create("pve1", kind, form).await.unwrap();
        client.task_wait(Some(&task), PATIENCE).await.unwrap();
    }

    /// As it was before anybody did anything.
    pub(crate) fn reset(&self) {
        self.cluster.replace(self.fresh.clone());
        self.weather.set_faults(Vec::new());
        self.gate.shut_after(None);
    }

    fn pace(&self, pace: Pace) {
        let mut state = self.cluster.world();
        state.pace = pace;
        self.cluster.replace(state);
    }

    /// From now on tasks take so long that one can look at what is half done.
    pub(crate) fn slowly(&self) {
        self.pace(Pace { task_ms: 40, shutdown_ms: 40, ..PACE });
    }

    /// From now on tasks are done at once.
    pub(crate) fn quickly(&self) {
        self.pace(PACE);
    }

    /// Whoever may do everything.
    pub(crate) fn root(&self) -> Client {
        let token = format!("root@pam!t1={}", self.secret).into();
        let trust = Trust::Pinned(self.identity.fingerprint().parse().unwrap());
        Client::new(&self.endpoint(), &trust, Login::token(&token).unwrap()).unwrap()
    }

    /// `root@pam` itself, who may do what no token may.
    pub(crate) fn password(&self) -> Client {
        let login = Login::Password { user: "root@pam".into(), password: "testpass123".into() };
        let trust = Trust::Pinned(self.identity.fingerprint().parse().unwrap());
        Client::new(&self.endpoint(), &trust, login).unwrap()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.server.address())
    }

    /// The entry of the connection.
    pub(crate) fn entry(&self) -> kinds::Proxmox {
        kinds::Proxmox {
            endpoint: self.endpoint().parse().unwrap(),
            fingerprint: Some(self.identity.fingerprint().parse().unwrap()),
            ca: None,
            token: "secret://file/token".parse().unwrap(),
            location: None,
            nodes: vec!["pve1".into(), "pve2".into()],
            cordoned: Vec::new(),
            storage: "local".into(),
            vmid_range: "20000-20999".parse().unwrap(),
            placement: kinds::Placement::default(),
            guest_firewall: true,
            overcommit: None,
        }
    }

    pub(crate) fn provider(&self) -> Proxmox {
        let token = format!("root@pam!t1={}", self.secret);
        self.provider_of(&self.entry(), &token)
    }

    /// The provider of an entry, with that token.
    pub(crate) fn provider_of(&self, entry: &kinds::Proxmox, token: &str) -> Proxmox {
        std::fs::write(self.directory.path().join("token"), token).unwrap();
        let secrets = Secrets::resolve([&entry.token], self.directory.path());
        let networks =
            Networks { bridges: ["vmbr0".to_owned()].into(), zones: ["zvlan".to_owned()].into() };
        Proxmox::new(
            Address::new(Kind::Proxmox, PLACE),
            INSTALLATION.parse().unwrap(),
            &secrets,
            entry,
            self.directory.path(),
            networks,
        )
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Lets a mishap happen; `lost,method=POST,times=1`.
    pub(crate) fn fault(&self, text: &str) {
        self.weather.add_fault(text.parse().unwrap());
    }

    /// All that lasts: guests, disks, pools, networks and rules.
    pub(crate) async fn state(&self) -> Value {
        let mut state = self.cluster.dump().await;
        let kept = ["guests", "volumes", "pools", "sdn", "firewalls"];
        state.as_object_mut().unwrap().retain(|key, _| kept.contains(&key.as_str()));
        state
    }

    /// Changes what the cluster knows, as only fate can.
    pub(crate) async fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut state = self.cluster.dump().await;
        edit(&mut state);
        self.cluster.load(state).await.unwrap();
    }

    /// Disks that no guest has.
    pub(crate) async fn orphans(&self) -> Vec<String> {
        let state = self.state().await;
        let of = |volume: &Value| {
            let id = format!(
                "{}:{}",
                volume["storage"].as_str().unwrap(),
                volume["name"].as_str().unwrap()
            );
            let vmid = volume["vmid"].as_u64()?;
            let config =
                state["guests"].get(vmid.to_string()).map(|guest| guest["config"].to_string());
            (!config.is_some_and(|config| config.contains(id.split(':').nth(1).unwrap())))
                .then_some(id)
        };
        state["volumes"].as_array().unwrap().iter().filter_map(of).collect()
    }

    /// An error without the port, which changes.
    pub(crate) fn said(&self, text: impl std::fmt::Display) -> String {
        text.to_string().replace(&self.server.address().to_string(), "HOST")
    }
}

pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// A machine with a disk.
pub(crate) fn machine(vmid: u32, storage: &str) -> Form {
    Form::new()
        .with("vmid", vmid)
        .with("name", format!("m{vmid}"))
        .with("memory", 512)
        .with("scsi0", format!("{storage}:1,format=qcow2"))
        .with("net0", "virtio,bridge=vmbr0,rate=12.5")
}

pub(crate) async fn observe(world: &World) -> Observation {
    world.provider().observe(wanting([])).await
}

/// The thing, as looking at everything shows it.
pub(crate) async fn present(world: &World, body: &Body) -> Present {
    let seen = observe(world).await;
    let found = seen.present.get(&address(body)).cloned();
    found.unwrap_or_else(|| panic!("{} is not there: {seen:#?}", address(body)))
}

/// Does an act; what may pass is tried again, as the engine does.
pub(crate) async fn act(world: &World, act: Act, body: &Body) -> Result<(), ApplyError> {
    act_with(&world.provider(), act, body).await
}

pub(crate) async fn act_with(provider: &Proxmox, act: Act, body: &Body) -> Result<(), ApplyError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match provider.apply(act, &change(body)).await {
            Err(ApplyError::Transient { .. }) if tries < 8 => {}
            done => return done,
        }
    }
}

/// Does acts that have to succeed, in order.
pub(crate) async fn create(world: &World, body: &Body) {
    act(world, Act::Create, body).await.unwrap();
}

pub(crate) async fn update(world: &World, body: &Body) {
    act(world, Act::Update, body).await.unwrap();
}

pub(crate) async fn delete(world: &World, body: &Body) {
    act(world, Act::Delete, body).await.unwrap();
}

/// Both ways of looking show what was wished, and nothing else.
pub(crate) async fn assert_as_wished(world: &World, body: &Body) {
    let provider = world.provider();
    let seen = provider.observe(wanting([])).await;
    assert!(seen.gaps.is_empty() && seen.unknown.is_empty(), "{seen:#?}");
    let present = seen.present.get(&address(body)).unwrap_or_else(|| panic!("{seen:#?}"));
    assert_eq!(provider.compare(body, present), Transition::None, "{present:#?}");
    match provider.sight(&change(body)).await {
        Sighting::Present(present) => {
            assert_eq!(provider.compare(body, &present), Transition::None, "{present:#?}");
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn is_gone(world: &World, body: &Body) -> bool {
    matches!(world.provider().sight(&change(body)).await, Sighting::Absent)
}
