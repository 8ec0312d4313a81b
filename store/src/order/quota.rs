//! What the orders of a tenant take of its quota.

use lessor_specs::kinds::{Instance, Offer, Quota};
use lessor_specs::{ByteSize, Cpu};
use serde::{Deserialize, Serialize};

use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Decline, Store, StoreError};

/// How much of everything that a quota limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// Instances.
    pub instances: i64,
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of disk.
    pub disk: i64,
}

impl Need {
    /// Of an instance of an offer.
    pub fn of(offer: &Offer, instance: &Instance) -> Need {
        let bytes = |size: ByteSize| row::column(size.bytes());
        let mut need = Need { instances: 1, ..Need::default() };
        if let Some(container) = &offer.container {
            need.cpu = i64::from(container.cpu.millis());
            need.memory = bytes(container.memory);
            need.disk = container.disk.map_or(0, bytes);
        }
        if let Some(vm) = &offer.vm {
            need.cpu = i64::from(instance.cpu.unwrap_or(vm.cpu.min)).saturating_mul(1_000);
            need.memory = bytes(instance.memory.unwrap_or(vm.memory.min));
            need.disk = bytes(instance.disk.unwrap_or(vm.disk.min));
        }
        need
    }

    /// What is added, or given back, to come from `before` to this.
    #[must_use]
    pub fn since(self, before: Need) -> Need {
        Need {
            instances: self.instances.saturating_sub(before.instances),
            cpu: self.cpu.saturating_sub(before.cpu),
            memory: self.memory.saturating_sub(before.memory),
            disk: self.disk.saturating_sub(before.disk),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Need) -> Need {
        Need {
            instances: self.instances.saturating_add(other.instances),
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            disk: self.disk.saturating_add(other.disk),
        }
    }

    /// What a quota allows.
    pub(super) fn limit(quota: Option<&Quota>) -> Need {
        let most = i64::MAX;
        let Some(quota) = quota else {
            return Need { instances: most, cpu: most, memory: most, disk: most };
        };
        let bytes = |size: Option<ByteSize>| size.map_or(most, |size| row::column(size.bytes()));
        Need {
            instances: quota.instances.map_or(most, i64::from),
            cpu: quota.cpu.map_or(most, |cpu| i64::from(cpu.millis())),
            memory: bytes(quota.memory),
            disk: bytes(quota.disk),
        }
    }

    pub(super) fn read(row: &impl Columns) -> Result<Need, Misread> {
        Ok(Need {
            instances: row::number(row, "instances")?,
            cpu: row::number(row, "cpu")?,
            memory: row::number(row, "memory")?,
            disk: row::number(row, "disk")?,
        })
    }

    /// What exceeds a limit: its name, the limit, and what it would be.
    fn excess(self, limit: Need) -> Option<(&'static str, String, String)> {
        let count = |count: i64| count.to_string();
        let cores = |millis: i64| {
            let cpu = u32::try_from(millis).ok().map(|millis| Cpu::from_millis(millis).to_string());
            cpu.unwrap_or_else(|| format!("{millis}m"))
        };
        let bytes =
            |bytes: i64| ByteSize::from_bytes(u64::try_from(bytes).unwrap_or_default()).to_string();
        let text: [(_, _, _, &dyn Fn(i64) -> String); 4] = [
            ("instances", self.instances, limit.instances, &count),
            ("cpu", self.cpu, limit.cpu, &cores),
            ("memory", self.memory, limit.memory, &bytes),
            ("disk", self.disk, limit.disk, &bytes),
        ];
        let exceeded = text.into_iter().find(|(_, found, limit, _)| found > limit);
        exceeded.map(|(what, found, limit, written)| (what, written(limit), written(found)))
    }
}

impl Store {
    /// What the orders of a tenant take of its quota.
    pub async fn quota_use(&self, tenant: &str) -> Result<Need, StoreError> {
        let found = sqlx::query("SELECT * FROM quota_use WHERE tenant = $1")
            .bind(tenant)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let need = found.as_ref().map(Need::read).transpose();
        need.map(Option::unwrap_or_default).map_err(|error| self.error(&error.into()))
    }

    /// What the orders of a tenant take of its quota, and what they may: the largest number where
    /// there is no limit.
    pub async fn quota_show(&self, tenant: &str) -> Result<(Need, Need), StoreError> {
        let mut work = self.begin_snapshot().await?;
        let limit = match self.ground(&mut work).await {
            Ok(ground) => self.quota_limit(&mut work, &ground, tenant).await?,
            // Nothing is limited where nothing is offered.
            Err(StoreError::Declined(_)) => Need::limit(None),
            Err(error) => return Err(error),
        };
        work.rollback().await.map_err(|error| self.error(&error))?;
        Ok((self.quota_use(tenant).await?, limit))
    }

    /// Counts what an order needs, if all of a tenant's orders together are within the limit then.
    ///
    /// # Errors
    /// [`Decline::QuotaExceeded`] when they are not.
    pub(super) async fn quota_take(
        &self,
        work: &mut Work,
        tenant: &str,
        need: Need,
        limit: Need,
    ) -> Result<(), StoreError> {
        let taken = async {
            // Twice only for the first order of a tenant.
            if quota_add(work, tenant, need, limit).await? == 1 {
                return Ok(None);
            }
            quota_open(work, tenant).await?;
            if quota_add(work, tenant, need, limit).await? == 1 {
                return Ok(None);
            }
            let found = sqlx::query("SELECT * FROM quota_use WHERE tenant = $1")
                .bind(tenant)
                .fetch_one(&mut **work)
                .await?;
            Ok(Some(Need::read(&found)?))
        };
        let taken = taken.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let Some(used) = taken else { return Ok(()) };
        let excess = used.plus(need).excess(limit);
        let (what, limit, wanted) =
            excess.unwrap_or_else(|| ("instances", String::new(), String::new()));
        Err(Decline::QuotaExceeded { tenant: tenant.to_owned(), what, limit, wanted }.into())
    }

    /// Gives back what an order that ends took.
    pub(super) async fn quota_give_back(
        &self,
        work: &mut Work,
        tenant: &str,
        need: Need,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE quota_use SET instances = instances - $1, cpu = cpu - $2,
                 memory = memory - $3, disk = disk - $4
             WHERE tenant = $5",
        )
        .bind(need.instances)
        .bind(need.cpu)
        .bind(need.memory)
        .bind(need.disk)
        .bind(tenant)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

/// The statement that keeps a tenant within its quota: it changes one row, or none.
async fn quota_add(
    work: &mut Work,
    tenant: &str,
    need: Need,
    limit: Need,
) -> Result<u64, sqlx::Error> {
    // What an order does not need more of may be above its limit: a quota that was lowered stops
    // nothing that runs.
    let room = |limit: i64, need: i64| if need > 0 { limit.saturating_sub(need) } else { i64::MAX };
    let added = sqlx::query(
        "UPDATE quota_use SET instances = instances + $1, cpu = cpu + $2,
             memory = memory + $3, disk = disk + $4
         WHERE tenant = $5 AND instances <= $6 AND cpu <= $7 AND memory <= $8 AND disk <= $9",
    )
    .bind(need.instances)
    .bind(need.cpu)
    .bind(need.memory)
    .bind(need.disk)
    .bind(tenant)
    .bind(room(limit.instances, need.instances))
    .bind(room(limit.cpu, need.cpu))
    .bind(room(limit.memory, need.memory))
    .bind(room(limit.disk, need.disk))
    .execute(&mut **work)
    .await?;
    Ok(added.rows_affected())
}

async fn quota_open(work: &mut Work, tenant: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO quota_use (tenant, instances, cpu, memory, disk) VALUES ($1, 0, 0, 0, 0)
         ON CONFLICT (tenant) DO NOTHING",
    )
    .bind(tenant)
    .execute(&mut **work)
    .await?;
    Ok(())
}
