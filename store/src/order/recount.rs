//! Counting anew what orders take of quotas.

use std::collections::BTreeMap;

use super::Need;
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Store, StoreError};

/// A tenant whose orders were counted otherwise than they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miscount {
    /// The tenant.
    pub tenant: String,
    /// What stood there.
    pub found: Need,
    /// What its orders take.
    pub counted: Need,
}

impl Store {
    /// Counts anew what the orders of each tenant take of its quota, while nobody places any, and
    /// puts right what was counted otherwise. Answers with how many tenants there are, and with what
    /// was wrong.
    pub async fn quota_recount(&self) -> Result<(usize, Vec<Miscount>), StoreError> {
        let mut work = self.begin().await?;
        self.placement_advance(&mut work).await?;
        let recounted = recount(&mut work).await;
        let (tenants, wrong) = recounted.map_err(|error| self.error(&error))?;
        for miscount in &wrong {
            let written = write(&mut work, miscount).await;
            written.map_err(|error| self.error(&error))?;
        }
        self.commit(work).await?;
        Ok((tenants, wrong))
    }
}

async fn recount(work: &mut Work) -> Result<(usize, Vec<Miscount>), sqlx::Error> {
    let mut counted: BTreeMap<String, Need> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT tenant, need FROM orders
         WHERE phase NOT IN ('terminating', 'terminated', 'canceled', 'failed')",
    )
    .fetch_all(&mut **work)
    .await?;
    for row in &rows {
        let need = row::text(row, "need")?;
        let need: Need = serde_json::from_str(&need).map_err(|why| Misread::new("need", &why))?;
        let sum = counted.entry(row::text(row, "tenant")?).or_default();
        *sum = sum.plus(need);
    }
    let rows = sqlx::query("SELECT tenant, instances, cpu, memory, disk FROM quota_use")
        .fetch_all(&mut **work)
        .await?;
    let mut found: BTreeMap<String, Need> = BTreeMap::new();
    for row in &rows {
        found.insert(row::text(row, "tenant")?, Need::read(row)?);
    }
    let tenants: Vec<&String> = {
        let mut all: Vec<_> = counted.keys().chain(found.keys()).collect();
        all.sort();
        all.dedup();
        all
    };
    let of = |needs: &BTreeMap<String, Need>, tenant: &String| {
        needs.get(tenant).copied().unwrap_or_default()
    };
    let miscounts = tenants.iter().map(|tenant| Miscount {
        tenant: (*tenant).clone(),
        found: of(&found, tenant),
        counted: of(&counted, tenant),
    });
    Ok((tenants.len(), miscounts.filter(|one| one.found != one.counted).collect()))
}

async fn write(work: &mut Work, miscount: &Miscount) -> Result<(), sqlx::Error> {
    let Need { instances, cpu, memory, disk } = miscount.counted;
    sqlx::query(
        "INSERT INTO quota_use (tenant, instances, cpu, memory, disk) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant) DO UPDATE SET instances = excluded.instances, cpu = excluded.cpu,
             memory = excluded.memory, disk = excluded.disk",
    )
    .bind(&miscount.tenant)
    .bind(instances)
    .bind(cpu)
    .bind(memory)
    .bind(disk)
    .execute(&mut **work)
    .await
    .map(drop)
}
