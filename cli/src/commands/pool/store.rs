//! Pools in a database.

use lessor_server::shown::{MachineShown, PoolShown, ReleaseShown};
use lessor_store::{Actor, Store};
use serde_json::Value;

use super::Pools;
use crate::exit::Failed;
use crate::keeper::{LISTED, value};

impl Pools for Store {
    async fn list(&self) -> anyhow::Result<Vec<Value>> {
        let specs = self.specs_applied().await?;
        let mut pools = Vec::new();
        for name in specs.pool.keys() {
            let found = self.pool_availability(name).await?;
            pools.push(value(&PoolShown::of(name, &specs, &found)));
        }
        Ok(pools)
    }

    async fn machines(&self, pool: &str) -> anyhow::Result<Vec<Value>> {
        check(self, pool).await?;
        let machines = self.machine_list(Some(pool), None, LISTED).await?;
        Ok(machines.iter().map(|machine| value(&MachineShown::of(machine))).collect())
    }

    async fn cordon(&self, pool: &str, machine: &str, back: bool) -> anyhow::Result<()> {
        check(self, pool).await?;
        let found = self.machine_show(machine).await?;
        if found.is_none_or(|(found, _)| found.pool != pool) {
            let hint = format!("`lessor pool show {pool}` shows those there are");
            let message = format!("the pool `{pool}` has no machine `{machine}`");
            return Err(Failed::new(message).hint(hint).into());
        }
        self.machine_cordon(machine, back, &Actor::command()).await?;
        Ok(())
    }

    async fn release(&self, pool: &str, token: Option<&str>) -> anyhow::Result<Value> {
        check(self, pool).await?;
        let release = self.pool_release(pool, token, &Actor::command()).await?;
        Ok(value(&ReleaseShown::of(release)))
    }
}

/// Nothing, if there is such a pool.
async fn check(store: &Store, pool: &str) -> anyhow::Result<()> {
    if store.specs_applied().await?.pool.contains_key(pool) {
        return Ok(());
    }
    let hint = "`lessor pool list` shows those there are";
    Err(Failed::new(format!("there is no pool `{pool}`")).hint(hint).into())
}
