//! How many machines of a pool there are to have, and when there are more.

use jiff::Timestamp;
use lessor_engine::Clock as _;

use super::read::json;
use crate::row::{self, Columns, Misread};
use crate::{Store, StoreError};

/// How many of the next times are told, out of how many: behind some of them, the machine is somebody
/// else's right away.
const NEXT: i64 = 10;
const AMONG: i64 = 100;

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
        // Whoever has a machine has it until it was taken back, however long that is.
        let row = sqlx::query(
            "SELECT count(*) AS machines,
                 count(CASE WHEN kind = 1 THEN 1 END) AS quarantined,
                 count(CASE WHEN kind = 2 THEN 1 END) AS reserved,
                 count(CASE WHEN kind = 3 THEN 1 END) AS cleaning,
                 count(CASE WHEN kind = 4 THEN 1 END) AS cordoned,
                 count(CASE WHEN kind = 5 THEN 1 END) AS free
             FROM (
                 SELECT CASE WHEN m.phase = 'quarantined' THEN 1
                     WHEN b.kind = 0 THEN 2
                     WHEN b.kind = 1 OR m.phase = 'cleaning' THEN 3
                     WHEN m.cordoned = 1 OR m.withheld = 1 OR m.leaving = 1 THEN 4
                     ELSE 5 END AS kind
                 FROM machine AS m LEFT JOIN (
                     SELECT machine, min(CASE WHEN phase IN ('booked', 'granting', 'granted')
                         THEN 0 ELSE 1 END) AS kind
                     FROM booking WHERE pool = $1 AND phase <> 'done' AND start_at <= $2
                     GROUP BY machine
                 ) AS b ON b.machine = m.name
                 WHERE m.pool = $1
             ) AS counted",
        )
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
