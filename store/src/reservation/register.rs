//! Saying that machines are there: by files, all at once, and by calls, one by one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::machine::{Machine, MachineOrigin};
use super::read::text_of;
use crate::row::{self, Columns as _, Misread};
use crate::work::Work;
use crate::{Actor, Store, StoreError};

/// A machine that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMachine {
    /// What it is called.
    pub name: String,
    /// The pool.
    pub pool: String,
    /// What can be asked for.
    pub labels: BTreeMap<String, String>,
    /// Whether it is kept back.
    pub withheld: bool,
}

/// How a machine is reached that was registered by a call.
#[derive(Clone, PartialEq, Eq)]
pub struct MachineLogin {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The digest of the key that it has to show.
    pub host_key: Option<String>,
    /// What lets us in. It is shown to nobody.
    pub credential: String,
}

/// Where a machine is that was registered by a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachinePlace {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
}

impl std::fmt::Debug for MachineLogin {
    /// Without what lets us in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineLogin")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Takes over the machines of files. One that is new is nobody's until it was looked at; one that
    /// is not there any more goes as soon as it is nobody's. Whether anything changed.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a call has registered another of that name, and
    /// [`StoreError::RevisionMoved`] when they are those of a `revision` that is not the last one any
    /// more: a run may have taken machines out of their pools since.
    pub async fn machine_declare(
        &self,
        machines: &[NewMachine],
        revision: u64,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        self.retried(|| self.machine_declare_once(machines, revision, by)).await
    }

    async fn machine_declare_once(
        &self,
        machines: &[NewMachine],
        revision: u64,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        self.revision_expect(&mut work, revision).await?;
        let now = self.time(&mut work).await?;
        let before = self.machines_of(&mut work, MachineOrigin::File).await?;
        let mut changed = Vec::new();
        for machine in machines {
            if before.get(&machine.name).is_none_or(|before| !is_same(before, machine)) {
                self.machine_put(&mut work, machine, MachineOrigin::File, now).await?;
                changed.push(machine.name.clone());
            }
        }
        let named: BTreeSet<_> = machines.iter().map(|machine| &machine.name).collect();
        let gone = before.values().filter(|machine| !named.contains(&machine.name));
        let gone: Vec<_> = gone.filter(|machine| !machine.leaving).collect();
        for machine in &gone {
            self.machine_leave(&mut work, &machine.name).await?;
            changed.push(machine.name.clone());
        }
        self.machine_clear(&mut work).await?;
        if changed.is_empty() {
            return Ok(false);
        }
        let data = json!({ "machines": machines.len(), "changed": changed });
        self.machine_audit(&mut work, "machines", ("machine.declare", data), by).await?;
        self.commit(work).await?;
        Ok(true)
    }

    /// Registers a machine, or says anew how it is reached. It is nobody's until it was looked at.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when files, or another pool, have one of that name.
    pub async fn machine_register(
        &self,
        machine: &NewMachine,
        login: &MachineLogin,
        by: &Actor,
    ) -> Result<Machine, StoreError> {
        self.retried(|| self.machine_register_once(machine, login, by)).await
    }

    async fn machine_register_once(
        &self,
        machine: &NewMachine,
        login: &MachineLogin,
        by: &Actor,
    ) -> Result<Machine, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let now = self.time(&mut work).await?;
        let machine = self.machine_put(&mut work, machine, MachineOrigin::Call, now).await?;
        let written = login_write(&mut work, &machine.name, login, by, now).await;
        written.map_err(|error| self.error(&error))?;
        let data = json!({ "pool": machine.pool, "host": login.host, "port": login.port });
        self.machine_audit(&mut work, &machine.name, ("machine.register", data), by).await?;
        self.commit(work).await?;
        Ok(machine)
    }

    /// Says that a machine that was registered is not there any more. It goes as soon as it is
    /// nobody's. Whether there was one.
    pub async fn machine_unregister(&self, name: &str, by: &Actor) -> Result<bool, StoreError> {
        let mut work = self.begin().await?;
        self.reservation_advance(&mut work).await?;
        let own = self.machines_of(&mut work, MachineOrigin::Call).await?;
        if !own.contains_key(name) {
            return Ok(false);
        }
        self.machine_leave(&mut work, name).await?;
        self.machine_clear(&mut work).await?;
        self.machine_audit(&mut work, name, ("machine.unregister", json!({})), by).await?;
        self.commit(work).await?;
        Ok(true)
    }

    /// How a machine is reached that was registered by a call, for whoever goes there.
    pub async fn machine_login(&self, name: &str) -> Result<Option<MachineLogin>, StoreError> {
        let found = sqlx::query(
            "SELECT host, port, login, host_key, credential FROM registered_machine
             WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let login = found.map(|row| {
            Ok(MachineLogin {
                host: row::text(&row, "host")?,
                port: row::count(&row, "port")?,
                user: row::text(&row, "login")?,
                host_key: row.text("host_key")?,
                credential: row::text(&row, "credential")?,
            })
        });
        login.transpose().map_err(|error: Misread| self.error(&error.into()))
    }

    /// Where the machines are that were registered by calls, by name.
    pub async fn machine_places(&self) -> Result<BTreeMap<String, MachinePlace>, StoreError> {
        let rows = sqlx::query("SELECT name, host, port, login FROM registered_machine")
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let places = rows.iter().map(|row| {
            let (host, port) = (row::text(row, "host")?, row::count(row, "port")?);
            let user = row::text(row, "login")?;
            Ok((row::text(row, "name")?, MachinePlace { host, port, user }))
        });
        let places = places.collect::<Result<_, Misread>>();
        places.map_err(|error| self.error(&error.into()))
    }

    /// The names of machines that somebody has, or is to have: what files say less of takes none of
    /// these.
    pub async fn machine_list_booked(&self) -> Result<BTreeSet<String>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT machine FROM booking WHERE phase <> 'done'")
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let names = rows.iter().map(|row| row::text(row, "machine")).collect::<Result<_, _>>();
        names.map_err(|error| self.error(&error.into()))
    }

    /// Lets machines go that are to, and are nobody's.
    pub(super) async fn machine_clear(&self, work: &mut Work) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM machine WHERE leaving = 1 AND NOT EXISTS (
                 SELECT 1 FROM booking WHERE machine = machine.name AND phase <> 'done'
             )",
        )
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn machines_of(
        &self,
        work: &mut Work,
        origin: MachineOrigin,
    ) -> Result<BTreeMap<String, Machine>, StoreError> {
        let rows = sqlx::query("SELECT * FROM machine WHERE origin = $1")
            .bind(origin.as_str())
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let named = rows.iter().map(|row| Machine::read(row).map(|own| (own.name.clone(), own)));
        let machines = named.collect::<Result<_, Misread>>();
        machines.map_err(|error| self.error(&error.into()))
    }

    /// A machine of that origin as it is said to be. What is known of how it is stays.
    async fn machine_put(
        &self,
        work: &mut Work,
        machine: &NewMachine,
        origin: MachineOrigin,
        now: Timestamp,
    ) -> Result<Machine, StoreError> {
        let found = sqlx::query(
            "INSERT INTO machine (name, pool, labels, origin, phase, cordoned, withheld, leaving, why,
                 tries, next_at, turn, token)
             VALUES ($1, $2, $3, $4, 'quarantined', 0, $5, 0, 'it was not looked at yet', 0, $6,
                 0, 0)
             ON CONFLICT (name) DO UPDATE SET labels = excluded.labels,
                 withheld = excluded.withheld, leaving = 0, pool = excluded.pool
             WHERE machine.origin = excluded.origin
                 AND (machine.pool = excluded.pool OR machine.origin = 'file')
             RETURNING *",
        )
        .bind(&machine.name)
        .bind(&machine.pool)
        .bind(text_of(&machine.labels))
        .bind(origin.as_str())
        .bind(i64::from(machine.withheld))
        .bind(now.as_microsecond())
        .fetch_optional(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let taken = || StoreError::Exists { what: format!("another machine `{}`", machine.name) };
        let found = found.ok_or_else(taken)?;
        Machine::read(&found).map_err(|error| self.error(&error.into()))
    }

    async fn machine_leave(&self, work: &mut Work, name: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE machine SET leaving = 1 WHERE name = $1")
            .bind(name)
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }
}

fn is_same(before: &Machine, machine: &NewMachine) -> bool {
    let NewMachine { name: _, pool, labels, withheld } = machine;
    !before.leaving && (&before.pool, &before.labels, before.withheld) == (pool, labels, *withheld)
}

async fn login_write(
    work: &mut Work,
    name: &str,
    login: &MachineLogin,
    by: &Actor,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO registered_machine
             (name, host, port, login, host_key, credential, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (name) DO UPDATE SET host = excluded.host, port = excluded.port,
             login = excluded.login, host_key = excluded.host_key,
             credential = excluded.credential",
    )
    .bind(name)
    .bind(&login.host)
    .bind(i64::from(login.port))
    .bind(&login.user)
    .bind(&login.host_key)
    .bind(&login.credential)
    .bind(by.as_str())
    .bind(now.as_microsecond())
    .execute(&mut **work)
    .await
    .map(drop)
}
