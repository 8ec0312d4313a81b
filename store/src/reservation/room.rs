//! Which machines are given to whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::any::AnyRow;

use super::read::{has_labels, json};
use super::{Reservation, ReservationPhase, ReservationTerms, Window};
use crate::row::{self, Misread};
use crate::work::{Work, with_rows};
use crate::{Store, StoreError};

/// A machine that nobody has, or is to have, in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FreeMachine {
    pub(super) name: String,
    pub(super) pool: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// What somebody wants machines for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want<'a> {
    pub(super) pools: &'a [String],
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) count: u32,
    pub(super) min_count: u32,
}

impl<'a> Want<'a> {
    pub(super) fn of(reservation: &'a Reservation) -> Self {
        let Reservation { pools, labels, count, min_count, .. } = reservation;
        Want { pools, labels, count: *count, min_count: *min_count }
    }

    fn takes(&self, machine: &FreeMachine) -> bool {
        self.pools.contains(&machine.pool) && has_labels(&machine.labels, self.labels)
    }
}

/// The machines that one gets out of those that are free, in their order, while others wait that
/// came before: those get every machine first that they could take. `None` when too few are left.
pub(super) fn choose<'m>(
    free: &'m [FreeMachine],
    waiting: &[Want<'_>],
    want: Want<'_>,
) -> Option<Vec<&'m FreeMachine>> {
    let own = free.iter().filter(|machine| want.takes(machine));
    let own = own.filter(|machine| !waiting.iter().any(|before| before.takes(machine)));
    let chosen: Vec<_> = own.take(want.count as usize).collect();
    (chosen.len() >= want.min_count as usize).then_some(chosen)
}

impl Store {
    /// The machines of pools that can be had in a window, whoever rested longest first. At most
    /// `limit`.
    pub(super) async fn machines_free(
        &self,
        work: &mut Work,
        pools: &[String],
        (window, terms): (Window, &ReservationTerms),
        (now, limit): (Timestamp, i64),
    ) -> Result<Vec<FreeMachine>, StoreError> {
        if pools.is_empty() {
            return Ok(Vec::new());
        }
        let is_later = window.start > now;
        let named = with_rows("", 1, pools.len());
        let (at, free_at) = (pools.len() + 1, pools.len() + 2);
        let (later, most) = (pools.len() + 3, pools.len() + 4);
        // Who begins now gets none that is not given back yet, however long it was to be by now; and
        // nobody gets one before the window of who has it, where the clock was set back since.
        let text = format!(
            "SELECT m.name AS name, m.pool AS pool, m.labels AS labels FROM machine AS m
             WHERE m.pool IN{named} AND m.cordoned = 0 AND m.withheld = 0 AND m.leaving = 0
                 AND (m.phase = 'ready' OR (m.phase = 'cleaning' AND ${later} = 1))
                 AND NOT EXISTS (
                     SELECT 1 FROM booking AS b
                     WHERE b.machine = m.name AND b.phase <> 'done'
                         AND (b.start_at < ${free_at} OR b.phase <> 'booked')
                         AND (b.free_at > ${at} OR (${later} = 0 AND b.start_at <= ${at}))
                 )
             ORDER BY m.turn, m.name LIMIT ${most}"
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for pool in pools {
            query = query.bind(pool);
        }
        let rows = query
            .bind(window.start.as_microsecond())
            .bind(terms.free_at(window.end).as_microsecond())
            .bind(i64::from(is_later))
            .bind(limit)
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let free = rows.iter().map(FreeMachine::read).collect::<Result<_, Misread>>();
        free.map_err(|error| self.error(&error.into()))
    }

    /// How many machines there are that one could have at some time.
    pub(super) async fn machines_in_all(
        &self,
        work: &mut Work,
        want: Want<'_>,
    ) -> Result<usize, StoreError> {
        let found = async {
            let named = with_rows("", 1, want.pools.len());
            let text = format!(
                "SELECT name, pool, labels FROM machine WHERE leaving = 0 AND pool IN{named}"
            );
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for pool in want.pools {
                query = query.bind(pool);
            }
            let rows = query.fetch_all(&mut **work).await?;
            let machines = rows.iter().map(FreeMachine::read).collect::<Result<Vec<_>, _>>()?;
            Ok(machines.iter().filter(|machine| want.takes(machine)).count())
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Those that wait, whoever asked first first.
    pub(super) async fn reservations_waiting(
        &self,
        work: &mut Work,
    ) -> Result<Vec<Reservation>, StoreError> {
        let rows = sqlx::query("SELECT * FROM reservation WHERE phase = $1 ORDER BY number")
            .bind(ReservationPhase::Queued.as_str())
            .fetch_all(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        let waiting = rows.iter().map(Reservation::read).collect::<Result<_, Misread>>();
        waiting.map_err(|error| self.error(&error.into()))
    }
}

impl FreeMachine {
    fn read(row: &AnyRow) -> Result<Self, Misread> {
        Ok(FreeMachine {
            name: row::text(row, "name")?,
            pool: row::text(row, "pool")?,
            labels: json(row, "labels")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, pool: &str, gpu: bool) -> FreeMachine {
        let labels = gpu.then(|| ("gpu".to_owned(), "yes".to_owned()));
        let labels = labels.into_iter().collect();
        FreeMachine { name: name.into(), pool: pool.into(), labels }
    }

    fn names(chosen: Option<Vec<&FreeMachine>>) -> String {
        let Some(chosen) = chosen else { return "none".into() };
        chosen.iter().map(|machine| machine.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_came_first_gets_what_they_could_take_and_who_needs_more_gets_nothing() {
        let free = [machine("a1", "a", false), machine("a2", "a", true), machine("b1", "b", false)];
        let (a, ab) = (["a".to_owned()], ["a".to_owned(), "b".to_owned()]);
        let (none, gpu) = (BTreeMap::new(), BTreeMap::from([("gpu".into(), "yes".into())]));
        let want = |pools, labels, count, min_count| Want { pools, labels, count, min_count };
        let any = want(&ab, &none, 1, 1);
        let cases = [
            (choose(&free, &[], any), "a1"),
            (choose(&free, &[], want(&ab, &none, 3, 3)), "a1 a2 b1"),
            (choose(&free, &[], want(&ab, &none, 4, 4)), "none"),
            (choose(&free, &[], want(&ab, &none, 4, 2)), "a1 a2 b1"),
            (choose(&free, &[], want(&ab, &gpu, 1, 1)), "a2"),
            (choose(&free, &[want(&a, &none, 9, 9)], any), "b1"),
            (choose(&free, &[want(&a, &gpu, 9, 9)], any), "a1"),
            (choose(&free, &[want(&ab, &none, 9, 9)], any), "none"),
        ];
        for (number, (chosen, expected)) in cases.into_iter().enumerate() {
            assert_eq!(names(chosen), expected, "{number}");
        }
    }
}
