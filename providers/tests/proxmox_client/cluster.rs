//! A pretend cluster, and clients of it.

use std::sync::Arc;
use std::time::Duration;

use lessor_providers::https::Trust;
use lessor_providers::proxmox::client::{Client, Done, Form, Guest, GuestKind, Login, Upid};
use lessor_sandbox::Weather;
use lessor_sandbox::http::{Identity, Server};
use lessor_sandbox::proxmox::{Installation, Pace, Proxmox, World};
use secrecy::SecretString;

/// How long any task may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster of two nodes that answers.
pub(crate) struct Cluster {
    pub(crate) proxmox: Arc<Proxmox>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) identity: Identity,
    server: Server,
    secret: String,
}

impl Cluster {
    pub(crate) async fn begin() -> Cluster {
        let identity = Identity::new(&["localhost"]).unwrap();
        let installation = Installation {
            nodes: vec!["pve1".into(), "pve2".into()],
            password: "testpass123".into(),
            fingerprint: identity.fingerprint().into(),
            seed: 7,
            pace: Pace { refusal_ms: 0, task_ms: 15, shutdown_ms: 50, statistics_ms: 60 },
            whole_host: true,
        };
        let proxmox = Arc::new(Proxmox::new(World::installed(&installation)));
        let secret = proxmox.add_token("root@pam", "t1");
        let weather = Arc::new(Weather::new(proxmox.clone(), 1));
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::listen(address, Some(&identity), weather.clone()).await.unwrap();
        Cluster { proxmox, weather, identity, server, secret }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.server.address())
    }

    pub(crate) fn with(&self, login: Login) -> Client {
        let pin = self.identity.fingerprint().parse().unwrap();
        Client::new(&self.endpoint(), &Trust::Pinned(pin), login).unwrap()
    }

    /// As a token that may do all that tokens may.
    pub(crate) fn root(&self) -> Client {
        self.with(token("root@pam!t1", &self.secret))
    }

    /// As the user who may do everything.
    pub(crate) fn password(&self) -> Client {
        self.with(Login::Password { user: "root@pam".into(), password: "testpass123".into() })
    }

    /// Lets a mishap happen; `lost,method=POST,times=1`.
    pub(crate) fn fault(&self, text: &str) {
        self.weather.add_fault(text.parse().unwrap());
    }

    /// What an error says, without the port, which changes.
    pub(crate) fn said(&self, error: impl std::fmt::Display) -> String {
        error.to_string().replace(&self.server.address().to_string(), "HOST")
    }
}

pub(crate) fn token(id: &str, secret: &str) -> Login {
    Login::token(&SecretString::from(format!("{id}={secret}"))).unwrap()
}

/// Waits for a task that has to succeed.
pub(crate) async fn done(client: &Client, task: impl Into<Option<Upid>>) -> Done {
    client.task_wait(task.into().as_ref(), PATIENCE).await.unwrap()
}

/// A machine with a disk, on the first node.
pub(crate) async fn machine(client: &Client, vmid: u32, name: &str) -> Guest {
    let form = Form::new()
        .with("vmid", vmid)
        .with("name", name)
        .with("memory", 512)
        .with("scsi0", "local:1,format=qcow2")
        .with("net0", "virtio,bridge=vmbr0");
    let task = client.guest_create("pve1", GuestKind::Qemu, &form).await.unwrap();
    done(client, task).await;
    Guest::qemu("pve1", vmid)
}
