//! Who may be on a machine: the [`Keeper`] of one, whatever leads to it.
//!
//! In reading order: what leads to a machine ([`Machine`], [`Way`]) by its entry ([`entry`]), one way of running a script there
//! ([`mod@line`]) over each of them ([`over_ssh`], [`in_container`], [`by_agent`]), what is done there
//! ([`keep`], in the words of the shell in `scripts/`), and what its answers mean ([`answer`]).
//!
//! The scripts are for any POSIX shell; they know Debian's `useradd` and the `adduser` of busybox. Nothing
//! from outside stands in a text that a shell reads: it comes as an argument or as input.

mod answer;
mod by_agent;
mod entry;
mod in_container;
mod keep;
mod line;
mod over_ssh;

use std::sync::Arc;
use std::time::Duration;

use lessor_engine::Watched;
use lessor_engine::access::Keeper;
use lessor_plans::InstallationId;
use lessor_specs::HostKey;

use crate::connect::{self, Engine};
use crate::memory::PretendMachine;
pub use crate::ssh::{Credential, Kept};
use crate::{ConnectError, Connection};
use keep::Guest;
use line::Line;

/// A machine.
#[derive(Clone)]
pub struct Machine<'a> {
    /// Whose accounts are ours.
    pub installation: &'a InstallationId,
    /// What leads to it.
    pub way: Way<'a>,
    /// Where it is a virtual machine, if it is to be rolled back to a snapshot.
    pub guest: Option<VirtualMachine<'a>>,
    /// How long things may take there.
    pub patience: Patience,
}

/// What leads to a machine.
#[derive(Clone)]
pub enum Way<'a> {
    /// Its ssh server.
    Ssh(Login),
    /// The engine that runs it: it is a container of ours, behind this connection.
    Container(Connection<'a>, Watched),
    /// The agent within it.
    Agent(VirtualMachine<'a>),
}

/// How to log in to a machine.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its name or address.
    pub host: String,
    /// Where its ssh server listens.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// Whether `sudo` makes us root there, without a password.
    pub sudo: bool,
    /// The one key it may show.
    pub host_key: HostKey,
    /// What we show.
    pub credential: Credential,
}

/// A virtual machine of a cluster. An entry names it, whoever made it.
#[derive(Clone)]
pub struct VirtualMachine<'a> {
    /// The cluster.
    pub proxmox: Connection<'a>,
    /// Its number there.
    pub vmid: u32,
}

/// How long things may take on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To reach it and log in.
    pub login: Duration,
    /// To make an account, take one away, or look.
    pub step: Duration,
    /// To clean it, and as long again to see whether it is clean.
    pub cleaning: Duration,
}

impl Default for Patience {
    /// Access has to be gone half a minute after it ended, and a machine that is in no state to do
    /// that in this time is worth a second try.
    fn default() -> Self {
        Patience {
            login: Duration::from_secs(10),
            step: Duration::from_secs(25),
            cleaning: Duration::from_mins(10),
        }
    }
}

/// The keeper of a machine. Nothing is called or opened yet.
///
/// # Errors
/// When a connection cannot be used as it is declared, or runs nothing.
pub fn keeper(machine: Machine<'_>) -> Result<Arc<dyn Keeper>, ConnectError> {
    let line: Box<dyn Line> = match machine.way {
        Way::Ssh(login) => Box::new(over_ssh::OverSsh::new(login, machine.patience)),
        Way::Container(connection, thing) => match connect::engine(&connection)? {
            Engine::Docker(docker) => Box::new(in_container::InContainer::new(docker, thing)),
            Engine::Memory(memory) => return Ok(Arc::new(PretendMachine::new(memory, thing))),
        },
        Way::Agent(guest) => Box::new(by_agent::ByAgent::new(guest_of(&guest)?)),
    };
    let guest = machine.guest.as_ref().map(guest_of).transpose()?;
    let installation = machine.installation.clone();
    Ok(Arc::new(keep::MachineKeeper { installation, line, guest, patience: machine.patience }))
}

fn guest_of(machine: &VirtualMachine<'_>) -> Result<Guest, ConnectError> {
    Ok(Guest { proxmox: connect::proxmox(&machine.proxmox)?, vmid: machine.vmid })
}
