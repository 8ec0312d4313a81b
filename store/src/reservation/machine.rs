//! The machines of pools: how each is, looking at them, and keeping some back.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::later;
use super::read::json;
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, AuditEvent, Store, StoreError};

/// Takes the turn until `$1` at machines that are to be looked at by the time `$2`, at most `$3`: those
/// that nobody has, and those that whoever is to have cannot have yet.
pub(super) const CLAIM: &str =
    "UPDATE machine SET leased_until = $1, token = token + 1, tries = tries + 1
     WHERE name IN (
         SELECT m.name FROM machine AS m
         WHERE m.next_at <= $2 AND coalesce(m.leased_until, 0) <= $2 AND NOT EXISTS (
             SELECT 1 FROM booking AS b WHERE b.machine = m.name
                 AND b.phase <> 'done' AND b.phase <> 'booked'
                 AND (b.phase <> 'granting' OR b.granted_at IS NOT NULL OR m.phase <> 'quarantined')
         )
         ORDER BY m.next_at, m.name LIMIT $3
     ) AND coalesce(leased_until, 0) <= $2
     RETURNING *";

/// A machine of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What it is called: `metal-1`.
    pub name: String,
    /// The pool.
    pub pool: String,
    /// What can be asked for.
    pub labels: BTreeMap<String, String>,
    /// Who says that it is there.
    pub origin: MachineOrigin,
    /// How it is.
    pub phase: MachinePhase,
    /// Whether it is kept back, by a call.
    pub cordoned: bool,
    /// Whether it is kept back by whoever says that it is there.
    pub withheld: bool,
    /// Whether nobody says any more that it is there: it goes once it is nobody's.
    pub leaving: bool,
    /// What went wrong last.
    pub why: Option<String>,
    /// How often in a row it did.
    pub tries: u32,
    /// When it is looked at next.
    pub next_at: Timestamp,
    /// When it was last found well.
    pub probed_at: Option<Timestamp>,
}

/// Who says that a machine is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineOrigin {
    /// Files that were applied.
    File,
    /// A call.
    Call,
}

/// How a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachinePhase {
    /// It can be had.
    Ready,
    /// It is taken back from whoever had it.
    Cleaning,
    /// It was not found well, or not yet: nobody gets it until it is.
    Quarantined,
}

/// A machine that is ours to look at.
#[derive(Clone, Debug)]
pub struct ClaimedMachine {
    /// The machine, with this look counted.
    pub machine: Machine,
    /// Later holders of the same machine have greater ones.
    pub token: i64,
}

/// What a look at a machine came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEnd {
    /// It is well, and nobody is let in who should not be.
    Well {
        /// When to look again.
        next_at: Timestamp,
    },
    /// It is not.
    Ill {
        /// What is wrong.
        why: String,
        /// When to look again.
        next_at: Timestamp,
    },
}

impl Machine {
    /// Reads a row of `machine`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(Machine {
            name: row::text(row, "name")?,
            pool: row::text(row, "pool")?,
            labels: json(row, "labels")?,
            origin: row::parsed(row, "origin")?,
            phase: row::parsed(row, "phase")?,
            cordoned: row::number(row, "cordoned")? == 1,
            withheld: row::number(row, "withheld")? == 1,
            leaving: row::number(row, "leaving")? == 1,
            why: row.text("why")?,
            tries: row::count(row, "tries")?,
            next_at: row::time(row, "next_at")?,
            probed_at: row::time_optional(row, "probed_at")?,
        })
    }
}

impl Store {
    /// Keeps a machine back, or no longer. Who has it keeps it, and who is to have it gets it.
    /// `None` when there is no such machine.
    pub async fn machine_cordon(
        &self,
        name: &str,
        cordoned: bool,
        by: &Actor,
    ) -> Result<Option<Machine>, StoreError> {
        let mut work = self.begin().await?;
        let found = sqlx::query("UPDATE machine SET cordoned = $1 WHERE name = $2 RETURNING *")
            .bind(i64::from(cordoned))
            .bind(name)
            .fetch_optional(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        let Some(found) = found else { return Ok(None) };
        let machine = Machine::read(&found).map_err(|error| self.error(&error.into()))?;
        let data = json!({ "cordoned": cordoned });
        self.machine_audit(&mut work, name, ("machine.cordon", data), by).await?;
        self.commit(work).await?;
        Ok(Some(machine))
    }

    /// Takes the turn at up to `limit` machines that are to be looked at, for as long as `ttl`: those
    /// that are nobody's right now, and those on which nobody can be let in before they are well.
    pub async fn machine_claim(
        &self,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<ClaimedMachine>, StoreError> {
        self.retried(|| self.machine_claim_once(limit, ttl)).await
    }

    async fn machine_claim_once(
        &self,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<ClaimedMachine>, StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let until = later(now, ttl);
        let claimed = async {
            let rows = sqlx::query(CLAIM)
                .bind(until.as_microsecond())
                .bind(now.as_microsecond())
                .bind(row::column(limit))
                .fetch_all(&mut *work)
                .await?;
            let claimed = rows.iter().map(|row| {
                Ok(ClaimedMachine {
                    machine: Machine::read(row)?,
                    token: row::number(row, "token")?,
                })
            });
            claimed.collect::<Result<Vec<_>, Misread>>().map_err(sqlx::Error::from)
        };
        let claimed = claimed.await.map_err(|error| self.error(&error))?;
        self.commit(work).await?;
        Ok(claimed)
    }

    /// Writes down what a look came to, and gives the turn back. Whether it was still ours, and the
    /// machine still nobody's.
    pub async fn machine_step(
        &self,
        claimed: &ClaimedMachine,
        end: &MachineEnd,
    ) -> Result<bool, StoreError> {
        self.retried(|| self.machine_step_once(claimed, end)).await
    }

    async fn machine_step_once(
        &self,
        claimed: &ClaimedMachine,
        end: &MachineEnd,
    ) -> Result<bool, StoreError> {
        let (phase, why, next_at) = match end {
            MachineEnd::Well { next_at } => (MachinePhase::Ready, None, *next_at),
            MachineEnd::Ill { why, next_at } => (MachinePhase::Quarantined, Some(why), *next_at),
        };
        let is_well = phase == MachinePhase::Ready;
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let stepped = sqlx::query(
            "UPDATE machine SET phase = $1, why = $2, next_at = $3, leased_until = NULL,
                 tries = CASE WHEN $4 = 1 THEN 0 ELSE tries END,
                 probed_at = CASE WHEN $4 = 1 THEN $5 ELSE probed_at END
             WHERE name = $6 AND token = $7 AND NOT EXISTS (
                 SELECT 1 FROM booking AS b WHERE b.machine = $6
                     AND b.phase <> 'done' AND b.phase <> 'booked'
                     AND (b.phase <> 'granting' OR b.granted_at IS NOT NULL
                         OR machine.phase <> 'quarantined')
             )",
        )
        .bind(phase.as_str())
        .bind(why.map(|why| row::storable(why)))
        .bind(next_at.as_microsecond())
        .bind(i64::from(is_well))
        .bind(now.as_microsecond())
        .bind(&claimed.machine.name)
        .bind(claimed.token)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        if stepped.rows_affected() == 0 {
            return Ok(false);
        }
        if claimed.machine.phase != phase {
            let data = json!({ "phase": phase.as_str(), "why": why });
            let name = &claimed.machine.name;
            self.machine_audit(&mut work, name, ("machine.probe", data), &Actor::lessor()).await?;
        }
        self.commit(work).await?;
        Ok(true)
    }

    pub(super) async fn machine_audit(
        &self,
        work: &mut Work,
        name: &str,
        (action, data): (&'static str, serde_json::Value),
        by: &Actor,
    ) -> Result<(), StoreError> {
        let (actor, target) = (by.clone(), name.to_owned());
        self.audit_insert(work, AuditEvent { actor, action, tenant: None, target, data }).await
    }
}

impl MachineOrigin {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            MachineOrigin::File => "file",
            MachineOrigin::Call => "call",
        }
    }
}

impl FromStr for MachineOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [MachineOrigin::File, MachineOrigin::Call];
        let found = all.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no origin of a machine"))
    }
}

impl MachinePhase {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            MachinePhase::Ready => "ready",
            MachinePhase::Cleaning => "cleaning",
            MachinePhase::Quarantined => "quarantined",
        }
    }
}

impl fmt::Display for MachinePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MachinePhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [MachinePhase::Ready, MachinePhase::Cleaning, MachinePhase::Quarantined];
        let found = all.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of a machine"))
    }
}
