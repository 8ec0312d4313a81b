//! What the orders of a tenant take of its quota.

use std::collections::{BTreeMap, BTreeSet};

use lessor_specs::kinds::{Instance, Offer, Quota};
use lessor_specs::{ByteSize, Cpu};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::desk::Ground;
use crate::row::{self, Columns, Misread};
use crate::work::{Bound, Work, with_rows};
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

    /// How much may be taken already where this still fits in: what an order does not need more of may
    /// be above its limit, since a quota that was lowered stops nothing that runs.
    fn room(self, limit: Need) -> Need {
        let room =
            |limit: i64, need: i64| if need > 0 { limit.saturating_sub(need) } else { i64::MAX };
        Need {
            instances: room(limit.instances, self.instances),
            cpu: room(limit.cpu, self.cpu),
            memory: room(limit.memory, self.memory),
            disk: room(limit.disk, self.disk),
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

    /// What a tenant may have of everything, without what operators declared for it.
    pub(super) async fn quota_limit(
        &self,
        work: &mut Work,
        ground: &Ground,
        tenant: &str,
    ) -> Result<Need, StoreError> {
        let limits = self.quota_limits(work, ground, &[tenant].into()).await?;
        Ok(limits.get(tenant).copied().unwrap_or_else(|| Need::limit(None)))
    }

    /// As [`Store::quota_limit`], of several tenants.
    pub(super) async fn quota_limits<'t>(
        &self,
        work: &mut Work,
        ground: &Ground,
        tenants: &BTreeSet<&'t str>,
    ) -> Result<BTreeMap<&'t str, Need>, StoreError> {
        let declared = &ground.specs.tenant;
        let others = tenants.iter().copied().filter(|tenant| !declared.contains_key(*tenant));
        let others = self.quota_names(work, &others.collect::<Vec<_>>()).await?;
        let limit = |tenant: &'t str| {
            let of_entry = || declared.get(tenant)?.quota.as_ref();
            let quota = others.get(tenant).or_else(of_entry);
            (tenant, limit(ground, tenant, quota))
        };
        Ok(tenants.iter().copied().map(limit).collect())
    }

    /// The quotas of tenants that no file declares.
    async fn quota_names(
        &self,
        work: &mut Work,
        tenants: &[&str],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        if tenants.is_empty() {
            return Ok(BTreeMap::new());
        }
        let text = with_rows("WITH asked (id) AS (VALUES", tenants.len(), 1);
        let query = sqlx::query(AssertSqlSafe(format!(
            "{text}) SELECT tenant.id AS id, tenant.quota AS quota
             FROM asked JOIN tenant ON tenant.id = asked.id WHERE tenant.quota IS NOT NULL"
        )));
        let query = tenants.iter().fold(query, |query, tenant| query.bind((*tenant).to_owned()));
        let rows = query.fetch_all(&mut **work).await.map_err(|error| self.error(&error))?;
        let read = |row: &AnyRow| Ok((row::text(row, "id")?, row::text(row, "quota")?));
        let names = rows.iter().map(read).collect::<Result<_, Misread>>();
        names.map_err(|error| self.error(&error.into()))
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
        let add = async |work: &mut Work| {
            let added = quota_add(work, tenant, need, limit).await;
            Ok::<_, StoreError>(added.map_err(|error| self.error(&error))? == 1)
        };
        if add(work).await? {
            return Ok(());
        }
        // The first order of a tenant.
        self.quota_open_all(work, [tenant].into_iter()).await?;
        if add(work).await? {
            return Ok(());
        }
        let used = async {
            let found = sqlx::query("SELECT * FROM quota_use WHERE tenant = $1")
                .bind(tenant)
                .fetch_one(&mut **work)
                .await?;
            Ok(Need::read(&found)?)
        };
        let used = used.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let excess = used.plus(need).excess(limit);
        let (what, limit, wanted) =
            excess.unwrap_or_else(|| ("instances", String::new(), String::new()));
        Err(Decline::QuotaExceeded { tenant: tenant.to_owned(), what, limit, wanted }.into())
    }

    /// As [`Store::quota_take`], of several tenants, each with what all its orders need and its limit.
    /// Answers with those that are within it: for them it is counted, for the others nothing is.
    pub(super) async fn quota_take_all(
        &self,
        work: &mut Work,
        needs: &BTreeMap<&str, (Need, Need)>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let asked = with_rows(
            "WITH asked (tenant, instances, cpu, memory, disk, \
             most_instances, most_cpu, most_memory, most_disk) AS (VALUES",
            needs.len(),
            9,
        );
        let query = sqlx::query(AssertSqlSafe(format!(
            "{asked}) UPDATE quota_use
             SET instances = quota_use.instances + asked.instances,
                 cpu = quota_use.cpu + asked.cpu,
                 memory = quota_use.memory + asked.memory,
                 disk = quota_use.disk + asked.disk
             FROM asked
             WHERE quota_use.tenant = asked.tenant
                 AND quota_use.instances <= asked.most_instances
                 AND quota_use.cpu <= asked.most_cpu
                 AND quota_use.memory <= asked.most_memory
                 AND quota_use.disk <= asked.most_disk
             RETURNING quota_use.tenant AS tenant"
        )));
        let query = needs.iter().fold(query, |query, (tenant, (need, limit))| {
            bind(bind(query.bind((*tenant).to_owned()), *need), need.room(*limit))
        });
        let taken = query.fetch_all(&mut **work).await.map_err(|error| self.error(&error))?;
        let tenants = taken.iter().map(|row| row::text(row, "tenant")).collect::<Result<_, _>>();
        tenants.map_err(|error: Misread| self.error(&error.into()))
    }

    /// Begins to count for tenants nothing was counted for yet.
    pub(super) async fn quota_open_all(
        &self,
        work: &mut Work,
        tenants: impl ExactSizeIterator<Item = &str>,
    ) -> Result<(), StoreError> {
        let asked = with_rows("WITH asked (tenant) AS (VALUES", tenants.len(), 1);
        // Without a condition, SQLite would take the rest for that of a join.
        let query = sqlx::query(AssertSqlSafe(format!(
            "{asked}) INSERT INTO quota_use (tenant, instances, cpu, memory, disk)
             SELECT tenant, 0, 0, 0, 0 FROM asked WHERE true ON CONFLICT (tenant) DO NOTHING"
        )));
        let query = tenants.fold(query, |query, tenant| query.bind(tenant.to_owned()));
        query.execute(&mut **work).await.map(drop).map_err(|error| self.error(&error))
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
    let added = sqlx::query(
        "UPDATE quota_use SET instances = instances + $1, cpu = cpu + $2,
             memory = memory + $3, disk = disk + $4
         WHERE instances <= $5 AND cpu <= $6 AND memory <= $7 AND disk <= $8 AND tenant = $9",
    );
    let added = bind(bind(added, need), need.room(limit)).bind(tenant.to_owned());
    let added = added.execute(&mut **work).await?;
    Ok(added.rows_affected())
}

/// The four parts of a need, as values of a statement.
fn bind(query: Bound<'_>, need: Need) -> Bound<'_> {
    query.bind(need.instances).bind(need.cpu).bind(need.memory).bind(need.disk)
}

/// What a tenant may have of everything, without what operators declared for it.
fn limit(ground: &Ground, tenant: &str, quota: Option<&String>) -> Need {
    let quota = quota.and_then(|quota| ground.specs.quota.get(quota));
    if quota.is_none() {
        return Need::limit(None);
    }
    let prefix = format!("{tenant}/");
    let declared = ground.specs.instance.range(prefix.clone()..);
    let declared = declared.take_while(|(name, _)| name.starts_with(&prefix));
    let needs = declared.filter_map(|(_, instance)| {
        Some(Need::of(ground.specs.offer.get(&instance.offer)?, instance))
    });
    let declared = needs.fold(Need::default(), Need::plus);
    Need::limit(quota).since(declared)
}
