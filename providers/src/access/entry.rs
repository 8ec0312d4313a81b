//! From an entry to what leads to its machine.

use std::sync::Arc;

use lessor_engine::Watched;
use lessor_engine::access::Keeper;
use lessor_specs::kinds::{self, Access};
use lessor_specs::{Address, Kind, Specs};

use super::{Credential, Kept, Login, Machine, Patience, VirtualMachine, Way, keeper};
use crate::{Around, ConnectError};

impl Around<'_> {
    /// The keeper of the machine that an entry declares; `None` when there is no such entry. Nothing is
    /// called or opened yet.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn keeper(
        &self,
        specs: &Specs,
        name: &str,
    ) -> Result<Option<Arc<dyn Keeper>>, ConnectError> {
        let Some(entry) = specs.machine.get(name) else { return Ok(None) };
        let Some(pool) = specs.pool.get(&entry.pool) else { return Ok(None) };
        let cluster = entry.proxmox.as_deref().map(|name| Address::new(Kind::Proxmox, name));
        let proxmox = cluster.as_ref().and_then(|place| self.connection(specs, place));
        let guest = proxmox.zip(entry.vmid);
        let guest = guest.map(|(proxmox, vmid)| VirtualMachine { proxmox, vmid });
        let lacks = |what| ConnectError::Lacks { name: name.into(), what };
        let way = match pool.access {
            Access::Ssh => Way::Ssh(self.login(entry).ok_or_else(|| lacks("host_key"))?),
            Access::GuestAgent => Way::Agent(guest.clone().ok_or_else(|| lacks("proxmox"))?),
            // Only what we make is reached so.
            Access::DockerExec => return Ok(None),
        };
        let (installation, patience) = (self.installation(), Patience::default());
        keeper(Machine { installation, way, guest, patience }).map(Some)
    }

    /// The keeper of a machine that is a container of ours behind a `docker` entry; `None` when there is
    /// no such entry.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn keeper_of_container(
        &self,
        specs: &Specs,
        docker: &str,
        container: Watched,
    ) -> Result<Option<Arc<dyn Keeper>>, ConnectError> {
        let place = Address::new(Kind::Docker, docker);
        let Some(connection) = self.connection(specs, &place) else { return Ok(None) };
        let (installation, patience) = (self.installation(), Patience::default());
        let way = Way::Container(connection, container);
        keeper(Machine { installation, way, guest: None, patience }).map(Some)
    }

    fn login(&self, entry: &kinds::Machine) -> Option<Login> {
        let kept = |reference: &lessor_specs::SecretRef| {
            Kept::At(reference.clone(), self.dir().to_owned())
        };
        let credential = match (&entry.key, &entry.password) {
            (Some(key), _) => Credential::Key(kept(key)),
            (None, Some(password)) => Credential::Password(kept(password)),
            (None, None) => Credential::Agent(self.ssh_agent().map(ToOwned::to_owned)),
        };
        Some(Login {
            host: entry.host.clone(),
            port: entry.port,
            user: entry.user.clone(),
            sudo: entry.sudo,
            host_key: entry.host_key.clone()?,
            credential,
        })
    }
}
