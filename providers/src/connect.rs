//! From an entry that is a connection to what drives it.

use std::path::Path;
use std::sync::Arc;

use lessor_engine::{Examiner, LogReader, Provider, Watcher};
use lessor_plans::InstallationId;
use lessor_specs::kinds::{Endpoint, SshEndpoint, Tls};
use lessor_specs::{Address, Kind, SecretRef, Specs, kinds};

use crate::docker::{Door, TlsFiles};
use crate::pfsense::Declared;
use crate::ssh::{Credential, Kept, LOGIN_DEADLINE, Ssh, Target};
use crate::{Docker, Found, Memory, Networks, PfSense, Proxmox, Secrets, SurveyError};

/// A connection as specs declare it, with what they cannot know.
#[derive(Clone)]
pub struct Connection<'a> {
    /// The name of the entry: `par1` in `docker.par1`.
    pub name: &'a str,
    /// The entry.
    pub entry: Entry<'a>,
    /// Whose things are ours.
    pub installation: &'a InstallationId,
    /// Where relative paths start.
    pub spec_dir: &'a Path,
    /// The value of `DOCKER_HOST`, if it is set: where to go without an `endpoint`.
    pub docker_host: Option<&'a str>,
    /// The value of `SSH_AUTH_SOCK`, if it is set: where the ssh agent listens.
    pub ssh_agent: Option<&'a Path>,
    /// What the specs refer to.
    pub secrets: &'a Arc<Secrets>,
}

/// An entry that is a connection.
#[derive(Clone)]
pub enum Entry<'a> {
    /// One Docker Engine.
    Docker(&'a kinds::Docker),
    /// One Proxmox VE cluster, and what its guests are connected to.
    Proxmox(&'a kinds::Proxmox, Networks),
    /// One pfSense, and what entries say is there.
    PfSense(&'a kinds::PfSense, Declared),
}

impl<'a> Entry<'a> {
    /// The entry at `place`, if it is a connection that `specs` declare.
    pub fn of(specs: &'a Specs, place: &Address) -> Option<Self> {
        let name = place.name();
        match place.kind() {
            Kind::Docker => specs.docker.get(name).map(Entry::Docker),
            Kind::Proxmox => {
                let ranges = specs.vlan_range.values().filter(|range| range.proxmox == name);
                let networks = ranges.fold(Networks::default(), |mut networks, range| {
                    networks.bridges.extend(range.bridge.clone());
                    networks.zones.extend(range.sdn_zone.clone());
                    networks
                });
                specs.proxmox.get(name).map(|entry| Entry::Proxmox(entry, networks))
            }
            Kind::PfSense => {
                let entry = specs.pfsense.get(name);
                entry.map(|entry| Entry::PfSense(entry, declared_on(specs, name)))
            }
            _ => None,
        }
    }
}

/// The cards and interfaces that entries of a firewall name.
fn declared_on(specs: &Specs, firewall: &str) -> Declared {
    let is_here = |named: &Option<String>| specs.pfsense_of(named.as_deref()) == Some(firewall);
    let vlans = specs.vlan.values().filter(|vlan| is_here(&vlan.pfsense));
    let ranges = specs.vlan_range.values().filter(|range| range.pfsense == firewall);
    let cards = vlans.filter_map(|vlan| vlan.parent.clone());
    let pools = specs.address_pool.values().filter(|pool| pool.pfsense == firewall);
    let rules = specs.firewall_rule.values().filter(|rule| is_here(&rule.pfsense));
    let forwards = specs.port_forward.values().filter(|forward| is_here(&forward.pfsense));
    let outbound = specs.outbound_nat.values().filter(|entry| is_here(&entry.pfsense));
    let interfaces = pools
        .map(|pool| &pool.interface)
        .chain(rules.map(|rule| &rule.interface))
        .chain(forwards.map(|forward| &forward.interface))
        .chain(outbound.map(|entry| &entry.interface));
    Declared {
        cards: cards.chain(ranges.map(|range| range.parent.clone())).collect(),
        interfaces: interfaces.filter(|one| !one.starts_with("vlan.")).cloned().collect(),
        has_tunnels: specs.vpn.values().any(|vpn| is_here(&vpn.pfsense)),
    }
}

/// Why a connection cannot be used as it is declared.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `DOCKER_HOST` is not understood.
    #[error("`DOCKER_HOST` of `docker.{name}` is `{found}`: expected {expected}")]
    DockerHost {
        /// The connection that has no `endpoint`.
        name: String,
        /// What is set.
        found: String,
        /// What would be understood.
        expected: String,
    },
    /// The key of a TLS connection is not in a file.
    #[error(
        "the key of `docker.{name}` is `{found}`: expected a file such as `secret://file/key.pem`"
    )]
    KeyNotInFile {
        /// The connection.
        name: String,
        /// What the entry says.
        found: SecretRef,
    },
    /// Nothing behind it runs commands.
    #[error("no command can be run behind `{name}`: it is of another sort")]
    RunsNothing {
        /// The connection.
        name: String,
    },
    /// An entry does not say all that leads to its machine.
    #[error("`machine.{name}` has no `{what}`")]
    Lacks {
        /// The machine.
        name: String,
        /// What its entry lacks.
        what: &'static str,
    },
    /// Nobody says by which key the machine is known.
    #[error("`docker.{name}` goes to `{endpoint}`, and its entry has no `host_key`")]
    NoHostKey {
        /// The connection.
        name: String,
        /// Where it goes, by whoever says so.
        endpoint: SshEndpoint,
    },
}

/// Makes the provider that an entry asks for. Nothing is called or opened yet: an engine that does
/// not answer shows when it is looked at.
///
/// # Errors
/// See [`ConnectError`].
pub fn connect(connection: &Connection<'_>) -> Result<Arc<dyn Provider>, ConnectError> {
    Ok(match driver(connection)? {
        Driver::Docker(docker) => docker,
        Driver::Memory(memory) => memory,
        Driver::Proxmox(proxmox) => proxmox,
        Driver::PfSense(pfsense) => pfsense,
    })
}

/// As [`connect()`], for who wants to know about the system itself.
///
/// # Errors
/// See [`ConnectError`].
pub fn examiner(connection: &Connection<'_>) -> Result<Arc<dyn Examiner>, ConnectError> {
    Ok(match driver(connection)? {
        Driver::Docker(docker) => docker,
        Driver::Memory(memory) => memory,
        Driver::Proxmox(proxmox) => proxmox,
        Driver::PfSense(pfsense) => pfsense,
    })
}

/// Who looks after what runs behind an entry.
#[derive(Clone)]
pub struct Watch {
    /// Tells what things use and how they are.
    pub watcher: Arc<dyn Watcher>,
    /// Tells what they write; `None` where that stays within them.
    pub logs: Option<Arc<dyn LogReader>>,
}

/// As [`connect()`], for who wants to look after what runs there; `None` where nothing does.
///
/// # Errors
/// See [`ConnectError`].
pub fn watch(connection: &Connection<'_>) -> Result<Option<Watch>, ConnectError> {
    Ok(match driver(connection)? {
        Driver::Docker(docker) => Some(Watch { watcher: docker.clone(), logs: Some(docker) }),
        Driver::Memory(memory) => Some(Watch { watcher: memory.clone(), logs: Some(memory) }),
        Driver::Proxmox(proxmox) => Some(Watch { watcher: proxmox, logs: None }),
        Driver::PfSense(_) => None,
    })
}

/// As [`connect()`], for who gets into containers.
///
/// # Errors
/// See [`ConnectError`].
pub(crate) fn engine(connection: &Connection<'_>) -> Result<Engine, ConnectError> {
    match driver(connection)? {
        Driver::Docker(docker) => Ok(Engine::Docker(docker)),
        Driver::Memory(memory) => Ok(Engine::Memory(memory)),
        Driver::Proxmox(_) | Driver::PfSense(_) => {
            Err(ConnectError::RunsNothing { name: connection.name.into() })
        }
    }
}

/// What runs containers.
pub(crate) enum Engine {
    /// A Docker Engine.
    Docker(Arc<Docker>),
    /// A pretend one.
    Memory(Arc<Memory>),
}

/// As [`connect()`], for who wants to get into virtual machines.
///
/// # Errors
/// See [`ConnectError`].
pub(crate) fn proxmox(connection: &Connection<'_>) -> Result<Arc<Proxmox>, ConnectError> {
    match driver(connection)? {
        Driver::Proxmox(proxmox) => Ok(proxmox),
        Driver::Docker(_) | Driver::Memory(_) | Driver::PfSense(_) => {
            Err(ConnectError::RunsNothing { name: connection.name.into() })
        }
    }
}

/// What an entry asks for.
enum Driver {
    Docker(Arc<Docker>),
    Memory(Arc<Memory>),
    Proxmox(Arc<Proxmox>),
    PfSense(Arc<PfSense>),
}

fn driver(connection: &Connection<'_>) -> Result<Driver, ConnectError> {
    let Connection { name, installation, secrets, spec_dir, .. } = *connection;
    let installation = installation.clone();
    Ok(match connection.entry.clone() {
        Entry::Docker(docker) => driver_of_docker(connection, docker)?,
        Entry::Proxmox(entry, networks) => {
            let place = Address::new(Kind::Proxmox, name);
            let proxmox = Proxmox::new(place, installation, secrets, entry, spec_dir, networks);
            Driver::Proxmox(Arc::new(proxmox))
        }
        Entry::PfSense(entry, declared) => {
            let place = Address::new(Kind::PfSense, name);
            let pfsense = PfSense::new(place, installation, Arc::clone(secrets), entry, spec_dir);
            Driver::PfSense(Arc::new(pfsense.declaring(declared)))
        }
    })
}

fn driver_of_docker(
    connection: &Connection<'_>,
    docker: &kinds::Docker,
) -> Result<Driver, ConnectError> {
    let Connection { name, installation, secrets, spec_dir, .. } = *connection;
    let place = Address::new(Kind::Docker, name);
    let (installation, secrets) = (installation.clone(), Arc::clone(secrets));
    let door = match endpoint(connection, docker)? {
        Endpoint::Memory => {
            let memory = Memory::in_process(place, installation, secrets);
            return Ok(Driver::Memory(Arc::new(memory)));
        }
        Endpoint::MemoryFile(path) => {
            let memory = Memory::in_file(place, installation, secrets, spec_dir.join(path));
            return Ok(Driver::Memory(Arc::new(memory)));
        }
        Endpoint::Unix(path) => Door::Unix(path),
        Endpoint::Tcp(address) => {
            let tls = docker.tls.as_ref().map(|tls| files(name, tls, spec_dir)).transpose()?;
            Door::Tcp(address, tls)
        }
        Endpoint::Ssh(endpoint) => {
            Door::Ssh(Arc::new(Ssh::new(target(connection, docker, endpoint)?)))
        }
    };
    Ok(Driver::Docker(Arc::new(Docker::new(place, installation, secrets, door))))
}

/// Lists everything on the host behind an entry, whosever it is, in order of sort and name.
/// Changes nothing.
///
/// # Errors
/// When the entry cannot be used, or not all of the host could be seen.
pub async fn survey(connection: &Connection<'_>) -> Result<Vec<Found>, SurveyError> {
    let mut found = match driver(connection) {
        Ok(Driver::Docker(docker)) => docker.survey().await?,
        Ok(Driver::Memory(memory)) => memory.survey().await?,
        Ok(Driver::Proxmox(_) | Driver::PfSense(_)) => {
            let why = "only Docker hosts are listed in full".to_owned();
            return Err(SurveyError { why, hint: None });
        }
        Err(error) => return Err(SurveyError { why: error.to_string(), hint: None }),
    };
    found.sort_by(|a, b| (a.body.sort(), a.body.name()).cmp(&(b.body.sort(), b.body.name())));
    Ok(found)
}

fn endpoint(connection: &Connection<'_>, docker: &kinds::Docker) -> Result<Endpoint, ConnectError> {
    if let Some(endpoint) = &docker.endpoint {
        return Ok(endpoint.clone());
    }
    let Some(found) = connection.docker_host.filter(|host| !host.is_empty()) else {
        return Ok(Endpoint::Unix(SshEndpoint::SOCKET.into()));
    };
    found.parse().map_err(|malformed: lessor_specs::quantity::Malformed| ConnectError::DockerHost {
        name: connection.name.into(),
        found: found.into(),
        expected: malformed.expected,
    })
}

fn target(
    connection: &Connection<'_>,
    docker: &kinds::Docker,
    endpoint: SshEndpoint,
) -> Result<Target, ConnectError> {
    let Connection { name, spec_dir, ssh_agent, .. } = *connection;
    let Some(host_key) = docker.host_key.clone() else {
        return Err(ConnectError::NoHostKey { name: name.into(), endpoint });
    };
    let credential = match &docker.key {
        Some(reference) => Credential::Key(Kept::At(reference.clone(), spec_dir.to_owned())),
        None => Credential::Agent(ssh_agent.map(Path::to_owned)),
    };
    Ok(Target { endpoint, host_key, credential, login_deadline: LOGIN_DEADLINE })
}

fn files(name: &str, tls: &Tls, spec_dir: &Path) -> Result<TlsFiles, ConnectError> {
    let SecretRef::File(key) = &tls.key else {
        return Err(ConnectError::KeyNotInFile { name: name.into(), found: tls.key.clone() });
    };
    Ok(TlsFiles {
        ca: spec_dir.join(&tls.ca),
        certificate: spec_dir.join(&tls.cert),
        key: spec_dir.join(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint_of(declared: Option<&str>, docker_host: Option<&str>) -> String {
        let docker = kinds::Docker {
            endpoint: declared.map(|text| text.parse().unwrap()),
            tls: None,
            host_key: None,
            key: None,
            location: None,
            capacity: None,
            overcommit: None,
        };
        let connection = Connection {
            name: "par1",
            entry: Entry::Docker(&docker),
            installation: &"test-1".parse().unwrap(),
            spec_dir: Path::new("/specs"),
            docker_host,
            ssh_agent: None,
            secrets: &Arc::default(),
        };
        match endpoint(&connection, &docker) {
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_entry_goes_before_docker_host_and_that_before_the_local_socket() {
        let tcp = Some("tcp://h:2375");
        assert_eq!(endpoint_of(Some("memory:host.json"), tcp), "memory:host.json");
        assert_eq!(endpoint_of(None, tcp), "tcp://h:2375");
        assert_eq!(endpoint_of(None, Some("")), "unix:///var/run/docker.sock");
        assert_eq!(endpoint_of(None, None), "unix:///var/run/docker.sock");
        assert_eq!(
            endpoint_of(None, Some("ssh://h/")),
            "`DOCKER_HOST` of `docker.par1` is `ssh://h/`: expected `ssh://user@host[:port][/socket]`"
        );
    }

    #[test]
    fn what_entries_name_on_a_firewall_is_looked_for_there_and_nowhere_else() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/vps");
        let specs = lessor_specs::load::load(&examples).unwrap().specs;
        let declared = |name: &str| match Entry::of(&specs, &Address::new(Kind::PfSense, name)) {
            Some(Entry::PfSense(_, declared)) => declared,
            _ => panic!("`{name}` is no firewall"),
        };
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let both =
            Declared { cards: texts(&["vtnet3"]), interfaces: texts(&["wan"]), has_tunnels: true };
        assert_eq!(declared("edge-ams"), both);
        assert_eq!(declared("edge-fra"), Declared { has_tunnels: false, ..both });
    }
}
