//! What reservations cost: promised when they are booked, charged when they begin, and given back by
//! whole minutes.
//!
//! Whatever happens, what was charged in all for a machine is what the minutes cost that it was had
//! for: an extension is charged the difference, and an early end gives it back.

use jiff::Timestamp;
use lessor_billing::{minutes_begun, minutes_in, of_minutes};
use lessor_specs::{Currency, Money};

use super::{Reservation, ReservationTerms};
use crate::ledger::{Account, Booking as Movement, BookingKind, HoldPhase};
use crate::row::{self, Misread};
use crate::work::Work;
use crate::{Store, StoreError};

/// What so many machines cost for so many minutes; `None` when that is nothing.
fn cost(terms: &ReservationTerms, machines: u32, minutes: u64) -> Option<(Currency, Money)> {
    let (currency, hourly) = terms.hourly?;
    let each = of_minutes(hourly, minutes).micros();
    let all = each.saturating_mul(i64::from(machines));
    (all > 0).then_some((currency, Money::from_micros(all)))
}

fn whole(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}

/// A charge that was not given back, or not all of it.
struct Charge {
    txn: String,
    left: i64,
}

impl Store {
    /// Promises what a reservation costs.
    ///
    /// # Errors
    /// [`WalletShort`](crate::Decline::WalletShort) when there is not enough.
    pub(super) async fn reservation_hold(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let minutes = minutes_in(whole(reservation.seconds));
        let amount = cost(&reservation.terms, reservation.count, minutes);
        let Some(amount) = amount else { return Ok(()) };
        let (tenant, id) = (&reservation.tenant, Some(reservation.id.as_str()));
        let hold = self.hold_insert(work, tenant, amount, id, now).await?;
        reservation.hold = Some(hold);
        Ok(())
    }

    /// Promises nothing any more.
    pub(super) async fn reservation_unhold(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(hold) = reservation.hold.take() else { return Ok(()) };
        let hold = self.hold_end(work, &hold, HoldPhase::Released, now).await?;
        self.hold_free(work, &hold).await
    }

    /// Charges what was promised.
    pub(super) async fn reservation_charge(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(hold) = reservation.hold.take() else { return Ok(()) };
        let hold = self.hold_end(work, &hold, HoldPhase::Captured, now).await?;
        let charge = movement(reservation, (hold.currency, hold.amount));
        self.hold_take(work, &hold, &charge).await?;
        let entry = charge.closed(now)?;
        let txn = entry.id.clone();
        self.ledger_write_all(work, &[entry]).await?;
        self.charge_insert(work, reservation, &txn, hold.amount).await
    }

    /// Promises, or charges, what a reservation costs that was `before` seconds long until now.
    ///
    /// # Errors
    /// [`WalletShort`](crate::Decline::WalletShort) when there is not enough.
    pub(super) async fn reservation_charge_more(
        &self,
        work: &mut Work,
        reservation: &mut Reservation,
        before: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if reservation.hold.is_some() {
            self.reservation_unhold(work, reservation, now).await?;
            return self.reservation_hold(work, reservation, now).await;
        }
        let of = |seconds| cost(&reservation.terms, reservation.count, minutes_in(whole(seconds)));
        let Some((currency, all)) = of(reservation.seconds) else { return Ok(()) };
        let paid = of(before).map_or(0, |(_, paid)| paid.micros());
        let more = Money::from_micros(all.micros() - paid);
        if more.micros() <= 0 {
            return Ok(());
        }
        let charge = movement(reservation, (currency, more));
        let txn = self.ledger_insert(work, &charge, now).await?;
        self.charge_insert(work, reservation, &txn, more).await
    }

    /// Gives back what was charged beyond what `granted` of its machines cost for the minutes that
    /// had begun when `elapsed` seconds were over.
    pub(super) async fn reservation_refund(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        (granted, elapsed): (u32, i64),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let charges = self.charges(work, &reservation.id).await?;
        let paid = charges.iter().fold(0, |sum: i64, charge| sum.saturating_add(charge.left));
        let minutes = minutes_begun(whole(elapsed), whole(reservation.seconds));
        let owed = cost(&reservation.terms, granted, minutes).map_or(0, |(_, owed)| owed.micros());
        let mut back = paid.saturating_sub(owed);
        for Charge { txn, left } in charges {
            let part = back.min(left);
            if part <= 0 {
                break;
            }
            back -= part;
            let part = Money::from_micros(part);
            self.refund_part(work, &txn, part, &memo(reservation), now).await?;
            self.charge_less(work, &txn, part).await?;
        }
        Ok(())
    }

    async fn charge_insert(
        &self,
        work: &mut Work,
        reservation: &Reservation,
        txn: &str,
        amount: Money,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO reservation_charge (txn, reservation, amount, given_back)
             VALUES ($1, $2, $3, 0)",
        )
        .bind(txn)
        .bind(&reservation.id)
        .bind(amount.micros())
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    async fn charge_less(&self, work: &mut Work, txn: &str, part: Money) -> Result<(), StoreError> {
        sqlx::query("UPDATE reservation_charge SET given_back = given_back + $1 WHERE txn = $2")
            .bind(part.micros())
            .bind(txn)
            .execute(&mut **work)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// What was charged, the latest first.
    async fn charges(&self, work: &mut Work, reservation: &str) -> Result<Vec<Charge>, StoreError> {
        let rows = sqlx::query(
            "SELECT txn, amount - given_back AS rest FROM reservation_charge
             WHERE reservation = $1 ORDER BY txn DESC",
        )
        .bind(reservation)
        .fetch_all(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        let charges = rows
            .iter()
            .map(|row| Ok(Charge { txn: row::text(row, "txn")?, left: row::number(row, "rest")? }));
        let charges = charges.collect::<Result<_, Misread>>();
        charges.map_err(|error| self.error(&error.into()))
    }
}

fn movement(reservation: &Reservation, (currency, amount): (Currency, Money)) -> Movement {
    let wallet = Account::Wallet(reservation.tenant.clone());
    Movement::new(BookingKind::Charge, &reservation.tenant, memo(reservation))
        .about(&reservation.id)
        .moving(wallet, Account::Income, currency, amount)
}

fn memo(reservation: &Reservation) -> String {
    let offer = reservation.offer.split_once('@').map_or(&*reservation.offer, |(name, _)| name);
    format!("{offer}: {} machines", reservation.count)
}
