//! Machines that a run removes or makes anew.

use jiff::{SignedDuration, Timestamp};
use lessor_plans::{Action, Change};
use lessor_specs::Kind;

use crate::row;
use crate::work::{Work, rows_at_once, with_rows};
use crate::{Store, StoreError};

/// How long after its beginning a run has made a machine anew, by all odds. It is looked at then, and
/// again and again until it is well.
const MADE_BY: SignedDuration = SignedDuration::from_secs(30);

impl Store {
    /// Takes machines out of their pools that a run is about to remove or to make anew: a plan names
    /// only such as are nobody's, and from here on nobody gets them.
    ///
    /// # Errors
    /// [`StoreError::MachineReserved`] when somebody has one by now, or is to have it.
    pub(crate) async fn machines_withdraw(
        &self,
        work: &mut Work,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let names = |action| {
            let named = changes.iter().filter(move |change| {
                change.address.kind() == Kind::Machine && change.action == action
            });
            named.map(|change| change.address.name()).collect::<Vec<_>>()
        };
        let (removed, replaced) = (names(Action::Delete), names(Action::Replace));
        if removed.is_empty() && replaced.is_empty() {
            return Ok(());
        }
        self.reservation_advance(work).await?;
        let soon = now.checked_add(MADE_BY).unwrap_or(Timestamp::MAX).as_microsecond();
        let anew = format!(
            "UPDATE machine SET phase = 'quarantined', why = 'it is being made anew',
                 next_at = {soon} WHERE name IN"
        );
        let gone = "UPDATE machine SET leaving = 1 WHERE name IN";
        for (names, statement) in [(removed, gone), (replaced, &anew)] {
            for names in names.chunks(rows_at_once(1)) {
                self.machines_are_nobodys(work, names).await?;
                let withdrawn = bound(&with_rows(statement, 1, names.len()), names, work).await;
                withdrawn.map_err(|error| self.error(&error))?;
            }
        }
        Ok(())
    }

    async fn machines_are_nobodys(
        &self,
        work: &mut Work,
        names: &[&str],
    ) -> Result<(), StoreError> {
        let text = "SELECT machine FROM booking WHERE phase <> 'done' AND machine IN";
        let found = async {
            let rows = bound(&with_rows(text, 1, names.len()), names, work).await?;
            rows.first().map(|row| row::text(row, "machine")).transpose().map_err(Into::into)
        };
        match found.await.map_err(|error: sqlx::Error| self.error(&error))? {
            Some(machine) => Err(StoreError::MachineReserved { machine }),
            None => Ok(()),
        }
    }
}

async fn bound(
    text: &str,
    names: &[&str],
    work: &mut Work,
) -> Result<Vec<sqlx::any::AnyRow>, sqlx::Error> {
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text.to_owned()));
    for name in names {
        query = query.bind(*name);
    }
    query.fetch_all(&mut **work).await
}
