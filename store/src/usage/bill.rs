//! From an order to what is due for it.

use jiff::Timestamp;
use lessor_billing::{History, Line, Tariff, Turn, zone};
use lessor_specs::{Currency, Money};

use crate::order::{Order, Turned};
use crate::row::Misread;
use crate::work::Work;
use crate::{Store, StoreError};

/// The lines of an order that fall due at one moment. They are paid together.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) order: String,
    pub(crate) tenant: String,
    pub(crate) currency: Currency,
    pub(crate) start: Timestamp,
    pub(crate) lines: Vec<Line>,
}

impl Bill {
    /// What all lines come to.
    pub(crate) fn amount(&self) -> Money {
        let micros = self.lines.iter().map(|line| line.amount.micros());
        Money::from_micros(micros.fold(0, i64::saturating_add))
    }
}

impl Store {
    /// What became due for an order up to `now`. The order remembers that it was told.
    pub(crate) async fn bills(
        &self,
        work: &mut Work,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<Vec<Bill>, StoreError> {
        let (Some(anchored_at), Some(currency)) = (order.anchored_at, order.currency) else {
            return Ok(Vec::new());
        };
        let mut turns = Vec::with_capacity(order.turns.len());
        for turned in &order.turns {
            turns.push(self.turn(work, turned).await?);
        }
        let history = History {
            anchored_at,
            zone: zone(Some(&order.zone)),
            discount: order.discount.clone(),
            turns,
        };
        let lines = order.progress.advance(&history, now);
        let misread = |why: &dyn std::fmt::Display| {
            let column = format!("turns of {}", order.id);
            self.error(&Misread::new(&column, &why.to_string()).into())
        };
        let lines = lines.map_err(|why| misread(&why))?;
        let mut bills: Vec<Bill> = Vec::new();
        for line in lines {
            match bills.last_mut() {
                Some(bill) if bill.start == line.start => bill.lines.push(line),
                _ => bills.push(Bill {
                    order: order.id.clone(),
                    tenant: order.tenant.clone(),
                    currency,
                    start: line.start,
                    lines: vec![line],
                }),
            }
        }
        Ok(bills)
    }

    async fn turn(&self, work: &mut Work, turned: &Turned) -> Result<Turn, StoreError> {
        let version = self.offer_version(work, &turned.offer).await?;
        let tariff = Tariff::of(&version.offer, &turned.choices);
        // It was priced when it was ordered.
        let tariff = tariff
            .map_err(|why| self.error(&Misread::new(&turned.offer, &why.to_string()).into()))?;
        Ok(Turn { at: turned.at, mode: turned.mode, tariff })
    }
}
