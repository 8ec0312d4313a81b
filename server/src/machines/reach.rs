//! How a machine is reached, and how it is made clean.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use lessor_engine::Watched;
use lessor_engine::access::{Keeper, Sanitise};
use lessor_plans::{Naming, name_for};
use lessor_providers::Around;
use lessor_providers::access::{Credential, Kept, Login, Machine, Patience, Way, keeper};
use lessor_specs::kinds::{self, Pool};
use lessor_specs::{Address, Kind};
use lessor_store::MachineLogin;
use secrecy::SecretString;

use super::Machines;
use crate::reconcile::Ground;

/// A machine, and what its pool says about it.
pub(super) struct Reached {
    pub(super) keeper: Arc<dyn Keeper>,
    pub(super) cleaning: Cleaning,
    /// A command of the shell that proves a machine clean which was not cleaned by a script.
    pub(super) verify: Option<String>,
    /// What the names of accounts begin with.
    pub(super) user_prefix: String,
}

/// How a machine is made clean behind a reservation.
pub(super) enum Cleaning {
    /// It loses the account, and nothing else.
    Nothing,
    /// It is cleaned where it is.
    There(Sanitise),
    /// It is made anew.
    Anew,
}

impl Machines {
    /// A machine of a pool.
    ///
    /// # Errors
    /// When nobody declares any more how it is reached, or that makes no sense.
    pub(super) async fn reach(&self, machine: &str, pool: &str) -> anyhow::Result<Reached> {
        let ground = self.ground().await?;
        let declared = ground.specs.pool.get(pool);
        let declared = declared.ok_or_else(|| anyhow!("`pool.{pool}` is not declared any more"))?;
        let keeper = match self.store.machine_login(machine).await? {
            Some(login) => self.registered(login)?,
            None => self.declared(&ground, machine, declared)?,
        };
        let cleaning = self.cleaning(declared).await?;
        let (verify, user_prefix) = (declared.verify.clone(), declared.user_prefix().to_owned());
        Ok(Reached { keeper, cleaning, verify, user_prefix })
    }

    /// Of a machine that files declare, or that we make.
    fn declared(
        &self,
        ground: &Ground,
        machine: &str,
        pool: &Pool,
    ) -> anyhow::Result<Arc<dyn Keeper>> {
        let specs = &ground.specs;
        let around = Around::new(&self.estate.dir, &self.estate.installation, &ground.secrets);
        if let Some(keeper) = around.keeper(specs, machine)? {
            return Ok(keeper);
        }
        let docker = specs.docker_of(pool.docker.as_deref()).filter(|_| pool.is_made());
        let docker = docker.with_context(|| format!("`machine.{machine}` is not declared"))?;
        let address = Address::new(Kind::Machine, machine);
        let name = name_for(Naming::Docker, &address);
        let keeper = around.keeper_of_container(specs, docker, Watched { address, name })?;
        keeper.with_context(|| format!("`docker.{docker}` is not declared"))
    }

    /// Of a machine that a call registered.
    fn registered(&self, login: MachineLogin) -> anyhow::Result<Arc<dyn Keeper>> {
        let host_key = login.host_key.context("it was registered without the key of its host")?;
        let host_key = host_key.parse().map_err(|why| anyhow!("the key of its host: {why}"))?;
        // A private key says that it is one.
        let is_key = login.credential.starts_with("-----BEGIN ");
        let secret = Kept::Here(SecretString::from(login.credential));
        let credential =
            if is_key { Credential::Key(secret) } else { Credential::Password(secret) };
        let sudo = login.user != "root";
        let MachineLogin { host, port, user, .. } = login;
        let way = Way::Ssh(Login { host, port, user, sudo, host_key, credential });
        let (installation, patience) = (&self.estate.installation, Patience::default());
        Ok(keeper(Machine { installation, way, guest: None, patience })?)
    }

    async fn cleaning(&self, pool: &Pool) -> anyhow::Result<Cleaning> {
        Ok(match pool.cleaned_by() {
            None => Cleaning::Nothing,
            Some(kinds::Sanitise::Recreate) => Cleaning::Anew,
            Some(kinds::Sanitise::Rollback) => {
                Cleaning::There(Sanitise::Rollback { snapshot: pool.snapshot().to_owned() })
            }
            Some(kinds::Sanitise::Script) => {
                let path = pool.script.as_deref().context("its pool names no `script`")?;
                let program = tokio::fs::read_to_string(self.estate.dir.join(path)).await;
                let program = program.with_context(|| format!("`{path}` cannot be read"))?;
                Cleaning::There(Sanitise::Script { program, verify: pool.verify.clone() })
            }
        })
    }
}
