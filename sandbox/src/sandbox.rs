//! All systems together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::control::Control;
use crate::docker::{self, Docker};
use crate::fault::Fault;
use crate::http::{Identity, IdentityError, Server, ServerError};
use crate::pfsense::{PfSense, State, Version};
use crate::proxmox::{Installation, Pace, Proxmox, World};
use crate::system::System;
use crate::weather::Weather;

/// What is started, and where. Port 0 is any free one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where a Docker Engine listens, if there is one.
    pub docker: Option<SocketAddr>,
    /// Where a Proxmox VE cluster listens, if there is one.
    pub proxmox: Option<SocketAddr>,
    /// Where a pfSense listens, if there is one.
    pub pfsense: Option<SocketAddr>,
    /// Where fate is played from outside.
    pub control: SocketAddr,
    /// Where chance begins, that of credentials too.
    pub seed: u64,
    /// What the systems know already, by name, as [`System::dump`] says it.
    pub states: BTreeMap<String, Value>,
    /// What goes wrong from the beginning, with the system it happens to.
    pub faults: Vec<(String, Fault)>,
}

/// Systems that answer, for as long as this is kept.
#[derive(Debug)]
pub struct Sandbox {
    announcement: Announcement,
    _servers: Vec<Server>,
}

/// Where everything is.
#[derive(Clone, Debug, Serialize)]
pub struct Announcement {
    /// Raised when a reader of an older version would misread something.
    pub format_version: u32,
    /// The systems, by name.
    pub systems: BTreeMap<String, Access>,
    /// Where fate is played from outside.
    pub control: String,
}

/// How one gets into a system.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// Where it listens.
    pub endpoint: String,
    /// SHA-256 of its certificate, with colons. This and what follows are empty where nobody asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Who may do everything there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The password of `user`, unless a state brought its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What programs show in place of a password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Whoever can reach it can do anything with it.
    #[error("`{0}` is not on loopback, and a sandbox is for this machine alone")]
    NotLoopback(SocketAddr),
    /// No certificate could be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// An address is taken.
    #[error(transparent)]
    Listen(#[from] ServerError),
    /// A state is none.
    #[error("the state of `{system}` cannot be read: {why}")]
    State {
        /// Whose it shall be.
        system: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something is about a system that is not started.
    #[error("there is no system `{0}` here")]
    NoSystem(String),
}

/// A system that is about to listen.
struct Begun {
    system: Arc<dyn System>,
    /// None where no TLS is spoken.
    identity: Option<Identity>,
    address: SocketAddr,
    access: Access,
}

impl Sandbox {
    /// Starts what is asked for.
    ///
    /// # Errors
    /// See [`SandboxError`]; then nothing listens.
    pub async fn start(options: Options) -> Result<Sandbox, SandboxError> {
        let mut chance = Chance::new(options.seed);
        let mut begun = BTreeMap::new();
        if let Some(address) = options.proxmox {
            let state = options.states.get("proxmox");
            begun.insert("proxmox".to_owned(), proxmox(address, state, &mut chance)?);
        }
        if let Some(address) = options.pfsense {
            let state = options.states.get("pfsense");
            begun.insert("pfsense".to_owned(), pfsense(address, state, &mut chance)?);
        }
        if let Some(address) = options.docker {
            let state = options.states.get("docker");
            begun.insert("docker".to_owned(), docker(address, state, &mut chance)?);
        }
        for name in options.states.keys().chain(options.faults.iter().map(|(name, _)| name)) {
            if !begun.contains_key(name) {
                return Err(SandboxError::NoSystem(name.clone()));
            }
        }
        let (mut servers, mut systems, mut weathers) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (name, Begun { system, identity, address, mut access }) in begun {
            let weather = Arc::new(Weather::new(system, chance.number()));
            let faults = options.faults.iter().filter(|(about, _)| *about == name);
            weather.set_faults(faults.map(|(_, fault)| fault.clone()).collect());
            let listening = Server::listen(local(address)?, identity.as_ref(), weather.clone());
            let server = listening.await?;
            let scheme = if identity.is_some() { "https" } else { "tcp" };
            access.endpoint = format!("{scheme}://{}", server.address());
            servers.push(server);
            systems.insert(name.clone(), access);
            weathers.push((name, weather));
        }
        let control = Arc::new(Control::new(weathers));
        let control = Server::listen(local(options.control)?, None, control).await?;
        let announcement = Announcement {
            format_version: 1,
            systems,
            control: format!("http://{}", control.address()),
        };
        servers.push(control);
        Ok(Sandbox { announcement, _servers: servers })
    }

    /// Where everything is.
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }
}

fn local(address: SocketAddr) -> Result<SocketAddr, SandboxError> {
    address.ip().is_loopback().then_some(address).ok_or(SandboxError::NotLoopback(address))
}

/// A fresh cluster of three nodes, or one that goes on, with a token of its own for us.
fn proxmox(
    address: SocketAddr,
    state: Option<&Value>,
    chance: &mut Chance,
) -> Result<Begun, SandboxError> {
    let identity = identity()?;
    let fresh = format!("{:016x}", chance.number());
    let installation = Installation {
        nodes: ["pve1", "pve2", "pve3"].map(str::to_owned).into(),
        password: fresh.clone(),
        fingerprint: identity.fingerprint().to_owned(),
        seed: chance.number(),
        pace: Pace::default(),
        whole_host: true,
    };
    let world = match state {
        Some(state) => known("proxmox", state)?,
        None => World::installed(&installation),
    };
    let cluster = Proxmox::new(world);
    let user = "root@pam";
    let secret = cluster.add_token(user, "sandbox");
    let access = Access {
        endpoint: String::new(),
        fingerprint: identity.fingerprint().to_owned(),
        user: user.to_owned(),
        password: state.is_none().then_some(fresh),
        token: format!("{user}!sandbox={secret}"),
    };
    Ok(Begun { system: Arc::new(cluster), identity: Some(identity), address, access })
}

/// A fresh firewall, or one that goes on, with a key of its own for us.
fn pfsense(
    address: SocketAddr,
    state: Option<&Value>,
    chance: &mut Chance,
) -> Result<Begun, SandboxError> {
    let identity = identity()?;
    let (user, key) = ("admin", format!("{:016x}{:016x}", chance.number(), chance.number()));
    let mut firewall: State = match state {
        Some(state) => known("pfsense", state)?,
        None => State::new(Version::V2_10_0, chance.number()),
    };
    firewall.add_key(user, &key);
    let access = Access {
        endpoint: String::new(),
        fingerprint: identity.fingerprint().to_owned(),
        user: user.to_owned(),
        password: state.is_none().then(|| "pfsense".to_owned()),
        token: key,
    };
    Ok(Begun {
        system: Arc::new(PfSense::new(firewall)),
        identity: Some(identity),
        address,
        access,
    })
}

/// A fresh engine, or one that goes on. Whoever reaches it may do everything, as with a real one
/// that listens in clear.
fn docker(
    address: SocketAddr,
    state: Option<&Value>,
    chance: &mut Chance,
) -> Result<Begun, SandboxError> {
    let engine: docker::State = match state {
        Some(state) => known("docker", state)?,
        None => docker::State::installed(Clock::default(), chance.number()),
    };
    let access = Access {
        endpoint: String::new(),
        fingerprint: String::new(),
        user: String::new(),
        password: None,
        token: String::new(),
    };
    Ok(Begun { system: Arc::new(Docker::new(engine)), identity: None, address, access })
}

fn known<T: DeserializeOwned>(system: &str, state: &Value) -> Result<T, SandboxError> {
    let why = |error: serde_json::Error| error.to_string();
    serde_json::from_value(state.clone())
        .map_err(|error| SandboxError::State { system: system.into(), why: why(error) })
}

fn identity() -> Result<Identity, IdentityError> {
    Identity::new(&["localhost", "127.0.0.1"])
}
