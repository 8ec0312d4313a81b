//! Machines that are lent for a while.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::any_address;
use crate::{Address, ByteSize, Cpu, HostKey, PortRange, SecretRef};

/// The port of ssh, where machines are entered unless something else is said.
const SSH: u16 = 22;

/// What the names of accounts begin with, unless a pool says otherwise.
const USER_PREFIX: &str = "guest";

/// The snapshot that stands for a clean machine, unless a pool says otherwise.
const SNAPSHOT: &str = "clean";

/// Machines that are lent for a while: containers made by us (`replicas`), or `machine` entries of
/// what already exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The `docker` connection its containers live on; may be left out when there is just one.
    pub docker: Option<String>,
    /// The `image` entry its containers run.
    pub image: Option<String>,
    /// How many containers are made: `machine.NAME-01` and on. Without it, its machines are
    /// `machine` entries.
    #[schemars(range(max = 9999))]
    pub replicas: Option<u32>,
    /// The host ports that lead to its containers, one each: to the port that the image's
    /// `ready.tcp` names, else to 22.
    pub ports: Option<PortRange>,
    /// The host address to bind; all of them unless said.
    #[serde(default = "any_address")]
    pub bind: IpAddr,
    /// Cores of each container.
    pub cpu: Option<Cpu>,
    /// Memory of each container. Docker takes no less than 6MiB.
    pub memory: Option<ByteSize>,
    /// How many processes each container may have.
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
    /// How machines are entered to make and end accounts.
    pub access: Access,
    /// How a machine is cleaned behind each reservation: `recreate` unless said for containers made
    /// by us; others only lose what was given.
    pub sanitise: Option<Sanitise>,
    /// What `sanitise = "script"` runs as root on the machine: a path from the spec directory. Exit
    /// code 0 means that it is clean.
    #[schemars(length(min = 1))]
    pub script: Option<String>,
    /// What `sanitise = "rollback"` goes back to; `clean` unless said.
    #[schemars(length(min = 1))]
    pub snapshot: Option<String>,
    /// A command that is run as root on a machine that was cleaned. Exit code 0 proves it.
    #[schemars(length(min = 1))]
    pub verify: Option<String>,
    /// What the names of accounts begin with; `guest` unless said.
    pub user_prefix: Option<String>,
    /// Whether an account may be given a generated password beside its key.
    #[serde(default)]
    pub password: bool,
    /// By what those who reserve choose among its machines.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Addresses this entry had before; kept for as long as its containers live.
    #[serde(default)]
    pub moved: Vec<Address>,
}

impl Pool {
    /// Whether its machines are made by us.
    pub fn is_made(&self) -> bool {
        self.replicas.is_some()
    }

    /// How its machines are cleaned; `None` when they only lose what was given.
    pub fn cleaned_by(&self) -> Option<Sanitise> {
        self.sanitise.or(self.is_made().then_some(Sanitise::Recreate))
    }

    /// What the names of accounts begin with.
    pub fn user_prefix(&self) -> &str {
        self.user_prefix.as_deref().unwrap_or(USER_PREFIX)
    }

    /// The snapshot that a rollback goes back to.
    pub fn snapshot(&self) -> &str {
        self.snapshot.as_deref().unwrap_or(SNAPSHOT)
    }
}

/// How machines of a pool are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Access {
    /// Over ssh, by a key or a password of ours.
    Ssh,
    /// By the Docker Engine, for containers made by us.
    DockerExec,
    /// By the guest agent of a virtual machine, through Proxmox VE.
    GuestAgent,
}

/// How a machine is cleaned behind a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Sanitise {
    /// Its container is removed and made again.
    Recreate,
    /// Its virtual machine goes back to a snapshot.
    Rollback,
    /// A script is run on it.
    Script,
}

/// A machine that already exists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The `pool` it belongs to.
    pub pool: String,
    /// Its name or address, for those who reserve it and for us.
    #[schemars(length(min = 1), example = "10.9.0.21")]
    pub host: String,
    /// Where its ssh server listens; 22 unless said.
    #[serde(default = "ssh")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Who we are there; `root` unless said.
    #[serde(default = "root")]
    pub user: String,
    /// Our private key for it: `secret://file/…`.
    pub key: Option<SecretRef>,
    /// Our password for it, instead of a key.
    pub password: Option<SecretRef>,
    /// The fingerprint of its ssh key, as `ssh-keygen -l` shows it: `SHA256:…`. A machine with
    /// another one is never lent.
    pub host_key: Option<HostKey>,
    /// Whether we are somebody who may do everything by `sudo -n`.
    #[serde(default)]
    pub sudo: bool,
    /// The `proxmox` connection of its virtual machine, for `access = "guest-agent"`.
    pub proxmox: Option<String>,
    /// The id of its virtual machine there.
    #[schemars(range(min = 100, max = 999_999_999))]
    pub vmid: Option<u32>,
    /// By what those who reserve choose it, over the labels of its pool.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether it is kept out of new reservations.
    #[serde(default)]
    pub cordoned: bool,
}

fn ssh() -> u16 {
    SSH
}

fn root() -> String {
    "root".into()
}
