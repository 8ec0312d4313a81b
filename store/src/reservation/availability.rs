//! How many machines of a pool there are to have, which, and when there are more.

use std::str::FromStr;

use jiff::Timestamp;
use lessor_engine::Clock as _;

use super::machine::Machine;
use super::read::json;
use crate::row::{self, Columns, Misread};
use crate::{Store, StoreError};

/// How many of the next times are told, out of how many: behind some of them, the machine is somebody
/// else's right away.
const NEXT: i64 = 10;
const AMONG: i64 = 100;

/// In which state a machine `m` is, where `kind` is 0 for one that somebody has, 1 for one that is
/// taken back, and null for one that is nobody's. Whoever has a machine has it until it was taken
/// back, however long that is.
macro_rules! state {
    () => {
        "CASE WHEN m.phase = 'quarantined' THEN 'quarantined'
             WHEN kind = 0 THEN 'reserved'
             WHEN kind = 1 OR m.phase = 'cleaning' THEN 'cleaning'
             WHEN m.cordoned = 1 OR m.withheld = 1 OR m.leaving = 1 THEN 'cordoned'
             ELSE 'free' END AS state"
    };
}

/// What `kind` is of one booking.
macro_rules! kind {
    () => {
        "CASE WHEN phase IN ('booked', 'granting', 'granted') THEN 0 ELSE 1 END"
    };
}

/// Machines with their states at the time `$1`, as far as a condition holds.
macro_rules! machines {
    ($condition:literal) => {
        concat!(
            "SELECT m.*, ",
            state!(),
            " FROM (
                 SELECT machine.*, (
                     SELECT min(",
            kind!(),
            ") FROM booking
                     WHERE machine = machine.name AND phase <> 'done' AND start_at <= $1
                 ) AS kind FROM machine WHERE ",
            $condition,
            ") AS m ORDER BY m.name",
        )
    };
}

/// What can be done with a machine right now. Each is in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It can be had.
    Free,
    /// Somebody has it.
    Reserved,
    /// It is taken back from whoever had it.
    Cleaning,
    /// It was not found well, or not yet: nobody gets it until it is.
    Quarantined,
    /// It is kept back.
    Cordoned,
}

/// How many machines of a pool there are to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// All of them.
    pub machines: u32,
    /// Those that can be had right now.
    pub free: u32,
    /// Those that somebody has.
    pub reserved: u32,
    /// Those that are taken back from whoever had them.
    pub cleaning: u32,
    /// Those that were not found well.
    pub quarantined: u32,
    /// Those that are kept back.
    pub cordoned: u32,
    /// How many reservations wait for some.
    pub waiting: u32,
    /// When the next machines that somebody has are free again and nobody else's, the soonest first.
    pub next_free: Vec<Timestamp>,
    /// When this was so.
    pub at: Timestamp,
}

impl Store {
    /// How many machines of a pool there are to have, each counted once.
    pub async fn pool_availability(&self, pool: &str) -> Result<Availability, StoreError> {
        let now = self.now();
        let failed = |error: sqlx::Error| self.error(&error);
        let row = sqlx::query(concat!(
            "SELECT count(*) AS machines,
                 count(CASE WHEN state = 'free' THEN 1 END) AS free,
                 count(CASE WHEN state = 'reserved' THEN 1 END) AS reserved,
                 count(CASE WHEN state = 'cleaning' THEN 1 END) AS cleaning,
                 count(CASE WHEN state = 'quarantined' THEN 1 END) AS quarantined,
                 count(CASE WHEN state = 'cordoned' THEN 1 END) AS cordoned
             FROM (
                 SELECT ",
            state!(),
            " FROM machine AS m LEFT JOIN (
                     SELECT machine, min(",
            kind!(),
            ") AS kind FROM booking
                     WHERE pool = $1 AND phase <> 'done' AND start_at <= $2 GROUP BY machine
                 ) AS b ON b.machine = m.name
                 WHERE m.pool = $1
             ) AS counted",
        ))
        .bind(pool)
        .bind(now.as_microsecond())
        .fetch_one(self.pool())
        .await
        .map_err(failed)?;
        let found = Availability::read(&row, now);
        let mut found = found.map_err(|error| self.error(&error.into()))?;
        found.waiting = self.queue_length(pool).await?;
        found.next_free = self.next_free(pool, now).await?;
        Ok(found)
    }

    /// The machines of a pool, or of all, behind `after`, in order of name.
    pub async fn machine_list(
        &self,
        pool: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Machine, MachineState)>, StoreError> {
        // No pool is called by an empty word.
        let rows =
            sqlx::query(machines!("(pool = $2 OR $2 = '') AND name > $3 ORDER BY name LIMIT $4"))
                .bind(self.now().as_microsecond())
                .bind(pool.unwrap_or_default())
                .bind(after.unwrap_or_default())
                .bind(i64::from(limit))
                .fetch_all(self.pool())
                .await
                .map_err(|error| self.error(&error))?;
        let machines = rows.iter().map(with_state).collect::<Result<_, _>>();
        machines.map_err(|error| self.error(&error.into()))
    }

    /// A machine; `None` when there is no such machine.
    pub async fn machine_show(
        &self,
        name: &str,
    ) -> Result<Option<(Machine, MachineState)>, StoreError> {
        let found = sqlx::query(machines!("name = $2"))
            .bind(self.now().as_microsecond())
            .bind(name)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let machine = found.as_ref().map(with_state).transpose();
        machine.map_err(|error| self.error(&error.into()))
    }

    async fn queue_length(&self, pool: &str) -> Result<u32, StoreError> {
        let rows = sqlx::query("SELECT pools FROM reservation WHERE phase = 'queued'")
            .fetch_all(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let mut waiting = 0;
        for row in &rows {
            let pools: Vec<String> =
                json(row, "pools").map_err(|error| self.error(&error.into()))?;
            waiting += u32::from(pools.iter().any(|own| own == pool));
        }
        Ok(waiting)
    }

    async fn next_free(&self, pool: &str, now: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        let rows = sqlx::query(
            "SELECT b.free_at AS free_at FROM (
                 SELECT id, machine, free_at FROM booking
                 WHERE pool = $1 AND phase <> 'done' AND free_at > $2 ORDER BY free_at LIMIT $3
             ) AS b
             WHERE NOT EXISTS (
                 SELECT 1 FROM booking AS o
                 WHERE o.machine = b.machine AND o.id <> b.id AND o.phase <> 'done'
                     AND o.start_at <= b.free_at AND o.free_at > b.free_at
             )
             ORDER BY b.free_at LIMIT $4",
        )
        .bind(pool)
        .bind(now.as_microsecond())
        .bind(AMONG)
        .bind(NEXT)
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let times = rows.iter().map(|row| row::time(row, "free_at")).collect::<Result<_, _>>();
        times.map_err(|error| self.error(&error.into()))
    }
}

fn with_state(row: &impl Columns) -> Result<(Machine, MachineState), Misread> {
    Ok((Machine::read(row)?, row::parsed(row, "state")?))
}

impl Availability {
    fn read(row: &impl Columns, at: Timestamp) -> Result<Self, Misread> {
        Ok(Availability {
            machines: row::count(row, "machines")?,
            free: row::count(row, "free")?,
            reserved: row::count(row, "reserved")?,
            cleaning: row::count(row, "cleaning")?,
            quarantined: row::count(row, "quarantined")?,
            cordoned: row::count(row, "cordoned")?,
            waiting: 0,
            next_free: Vec::new(),
            at,
        })
    }
}

impl MachineState {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            MachineState::Free => "free",
            MachineState::Reserved => "reserved",
            MachineState::Cleaning => "cleaning",
            MachineState::Quarantined => "quarantined",
            MachineState::Cordoned => "cordoned",
        }
    }
}

impl FromStr for MachineState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use MachineState::{Cleaning, Cordoned, Free, Quarantined, Reserved};
        let all = [Free, Reserved, Cleaning, Quarantined, Cordoned];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no state of a machine"))
    }
}
