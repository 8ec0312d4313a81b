//! What reservations take of what a tenant may have.

use std::collections::BTreeMap;

use super::{ReservationLimits, Window};
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Decline, Store, StoreError};

/// Seconds of an hour, and of a week.
const HOUR: i64 = 3_600;
const WEEK: i64 = 604_800;

/// How long before the epoch, a Thursday, its week began.
const MONDAY: i64 = 3 * 86_400;

/// How much the reservations of a tenant take that are not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReservationNeed {
    /// Reservations.
    pub reservations: i64,
    /// Machines in them.
    pub machines: i64,
}

impl ReservationNeed {
    /// Reads a row of `reservation_use`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(ReservationNeed {
            reservations: row::number(row, "reservations")?,
            machines: row::number(row, "machines")?,
        })
    }
}

/// How many seconds of a window lie in each week.
fn by_week(window: Window) -> BTreeMap<i64, i64> {
    let (mut at, end) = (window.start.as_second(), window.end.as_second());
    let mut weeks = BTreeMap::new();
    while at < end {
        let week = (at + MONDAY).div_euclid(WEEK);
        let next = (week + 1) * WEEK - MONDAY;
        weeks.insert(week, next.min(end) - at);
        at = next;
    }
    weeks
}

impl Store {
    /// What the reservations of a tenant take that are not over, and how many seconds its machines
    /// are had for in each week, by the number of the week since the epoch.
    pub async fn reservation_use(
        &self,
        tenant: &str,
    ) -> Result<(ReservationNeed, BTreeMap<i64, i64>), StoreError> {
        let found = async {
            let need = sqlx::query("SELECT * FROM reservation_use WHERE tenant = $1")
                .bind(tenant)
                .fetch_optional(self.pool())
                .await?;
            let weeks = sqlx::query(
                "SELECT week, seconds FROM reservation_week WHERE tenant = $1 AND seconds > 0",
            )
            .bind(tenant)
            .fetch_all(self.pool())
            .await?;
            let need = need.as_ref().map(ReservationNeed::read).transpose()?;
            let weeks = weeks
                .iter()
                .map(|row| Ok((row::number(row, "week")?, row::number(row, "seconds")?)));
            Ok((need.unwrap_or_default(), weeks.collect::<Result<_, Misread>>()?))
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }

    /// Counts a reservation of so many machines, if the tenant may have it beside its others.
    ///
    /// # Errors
    /// [`Decline::QuotaExceeded`] when it may not.
    pub(super) async fn reservation_take(
        &self,
        work: &mut Work,
        tenant: &str,
        machines: u32,
        limits: &ReservationLimits,
    ) -> Result<(), StoreError> {
        let most = |limit: Option<u32>| limit.map_or(i64::MAX, i64::from);
        let (reservations_most, machines_most) = (most(limits.reservations), most(limits.machines));
        let machines = i64::from(machines);
        let taken = async {
            sqlx::query(
                "INSERT INTO reservation_use (tenant, reservations, machines) VALUES ($1, 0, 0)
                 ON CONFLICT (tenant) DO NOTHING",
            )
            .bind(tenant)
            .execute(&mut **work)
            .await?;
            let taken = sqlx::query(
                "UPDATE reservation_use
                 SET reservations = reservations + 1, machines = machines + $1
                 WHERE tenant = $2 AND reservations <= $3 AND machines <= $4",
            )
            .bind(machines)
            .bind(tenant)
            .bind(reservations_most - 1)
            .bind(machines_most.saturating_sub(machines))
            .execute(&mut **work)
            .await?;
            if taken.rows_affected() == 1 {
                return Ok(None);
            }
            let found = sqlx::query("SELECT * FROM reservation_use WHERE tenant = $1")
                .bind(tenant)
                .fetch_one(&mut **work)
                .await?;
            Ok(Some(ReservationNeed::read(&found)?))
        };
        let taken = taken.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let Some(used) = taken else { return Ok(()) };
        let (what, limit, wanted) = if used.reservations >= reservations_most {
            ("reservations", reservations_most, used.reservations + 1)
        } else {
            ("machines", machines_most, used.machines + machines)
        };
        Err(exceeded(tenant, what, limit.to_string(), wanted.to_string()).into())
    }

    /// Counts so many fewer machines in a reservation.
    pub(super) async fn reservation_give_back(
        &self,
        work: &mut Work,
        tenant: &str,
        (reservations, machines): (u32, u32),
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE reservation_use
             SET reservations = reservations - $1, machines = machines - $2 WHERE tenant = $3",
        )
        .bind(i64::from(reservations))
        .bind(i64::from(machines))
        .bind(tenant)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Counts a window of so many machines in its weeks, if the tenant may have them for so long.
    ///
    /// # Errors
    /// [`Decline::QuotaExceeded`] when it may not.
    pub(super) async fn hours_take(
        &self,
        work: &mut Work,
        tenant: &str,
        (window, machines): (Window, u32),
        limits: &ReservationLimits,
    ) -> Result<(), StoreError> {
        let hours = limits.machine_hours_per_week;
        let most = hours.map_or(i64::MAX, |hours| i64::from(hours) * HOUR);
        for (week, seconds) in by_week(window) {
            let seconds = seconds.saturating_mul(i64::from(machines));
            let taken = week_take(work, tenant, (week, seconds), most).await;
            if let Some(used) = taken.map_err(|error| self.error(&error))? {
                let hours = |seconds: i64| format!("{} h", (seconds + HOUR - 1) / HOUR);
                let wanted = hours(used.saturating_add(seconds));
                return Err(exceeded(tenant, "machine hours in a week", hours(most), wanted).into());
            }
        }
        Ok(())
    }

    /// Counts a window of so many machines no longer.
    pub(super) async fn hours_give_back(
        &self,
        work: &mut Work,
        tenant: &str,
        (window, machines): (Window, u32),
    ) -> Result<(), StoreError> {
        for (week, seconds) in by_week(window) {
            sqlx::query(
                "UPDATE reservation_week SET seconds = seconds - $1
                 WHERE tenant = $2 AND week = $3",
            )
            .bind(seconds.saturating_mul(i64::from(machines)))
            .bind(tenant)
            .bind(week)
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        }
        Ok(())
    }
}

/// How much was taken before, where it would be too much.
async fn week_take(
    work: &mut Work,
    tenant: &str,
    (week, seconds): (i64, i64),
    most: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query(
        "INSERT INTO reservation_week (tenant, week, seconds) VALUES ($1, $2, 0)
         ON CONFLICT (tenant, week) DO NOTHING",
    )
    .bind(tenant)
    .bind(week)
    .execute(&mut **work)
    .await?;
    let taken = sqlx::query(
        "UPDATE reservation_week SET seconds = seconds + $1
         WHERE tenant = $2 AND week = $3 AND seconds <= $4",
    )
    .bind(seconds)
    .bind(tenant)
    .bind(week)
    .bind(most.saturating_sub(seconds))
    .execute(&mut **work)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let found = sqlx::query("SELECT seconds FROM reservation_week WHERE tenant = $1 AND week = $2")
        .bind(tenant)
        .bind(week)
        .fetch_one(&mut **work)
        .await?;
    Ok(Some(row::number(&found, "seconds")?))
}

fn exceeded(tenant: &str, what: &'static str, limit: String, wanted: String) -> Decline {
    Decline::QuotaExceeded { tenant: tenant.to_owned(), what, limit, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_over_midnight_of_a_sunday_lies_in_two_weeks() {
        let at = |text: &str| text.parse().unwrap();
        let window = |start, end| Window { start: at(start), end: at(end) };
        let over = by_week(window("2026-11-29T23:00:00Z", "2026-11-30T02:00:00Z"));
        let within = by_week(window("2026-11-30T00:00:00Z", "2026-12-06T23:59:59Z"));
        assert_eq!(over.values().copied().collect::<Vec<_>>(), [3_600, 7_200]);
        assert_eq!(within.into_iter().collect::<Vec<_>>(), [(2_970, 604_799)]);
        assert_eq!(*over.keys().last().unwrap(), 2_970);
    }
}
