//! What every connection needs beside its entry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lessor_engine::Registry;
use lessor_plans::InstallationId;
use lessor_specs::{Address, Specs};

use crate::{ConnectError, Connection, Entry, Secrets, Watch, connect, watch};

/// What every connection needs beside its entry.
pub struct Around<'a> {
    dir: &'a Path,
    installation: &'a InstallationId,
    secrets: &'a Arc<Secrets>,
    docker_host: Option<String>,
    ssh_agent: Option<PathBuf>,
}

impl<'a> Around<'a> {
    /// Of a spec directory, with what the environment says.
    pub fn new(dir: &'a Path, installation: &'a InstallationId, secrets: &'a Arc<Secrets>) -> Self {
        let docker_host = std::env::var("DOCKER_HOST").ok();
        let ssh_agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
        Around { dir, installation, secrets, docker_host, ssh_agent }
    }

    /// The spec directory.
    pub(crate) fn dir(&self) -> &Path {
        self.dir
    }

    /// Whose things are ours.
    pub(crate) fn installation(&self) -> &InstallationId {
        self.installation
    }

    /// Where the ssh agent listens, if there is one.
    pub(crate) fn ssh_agent(&self) -> Option<&Path> {
        self.ssh_agent.as_deref()
    }

    /// The connection at `place`, if `specs` declare one.
    pub fn connection<'c>(
        &'c self,
        specs: &'c Specs,
        place: &'c Address,
    ) -> Option<Connection<'c>> {
        Some(Connection {
            name: place.name(),
            entry: Entry::of(specs, place)?,
            installation: self.installation,
            spec_dir: self.dir,
            docker_host: self.docker_host.as_deref(),
            ssh_agent: self.ssh_agent.as_deref(),
            secrets: self.secrets,
        })
    }

    /// A provider for every connection that `specs` declare. Nothing is called or opened yet.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn registry(&self, specs: &Specs) -> Result<Registry, ConnectError> {
        let places: Vec<_> = specs.connections().collect();
        let connections = places.iter().filter_map(|place| self.connection(specs, place));
        Ok(Registry::new(connections.map(|c| connect(&c)).collect::<Result<Vec<_>, _>>()?))
    }

    /// Who looks after what runs behind each of them.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn watches(&self, specs: &Specs) -> Result<BTreeMap<Address, Watch>, ConnectError> {
        let mut watches = BTreeMap::new();
        for place in specs.connections() {
            let Some(connection) = self.connection(specs, &place) else { continue };
            watches.extend(watch(&connection)?.map(|watch| (place.clone(), watch)));
        }
        Ok(watches)
    }
}
