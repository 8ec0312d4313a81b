//! What happened to orders.

use jiff::Timestamp;
use lessor_specs::OrderPhase;
use serde_json::{Value, json};

use super::{Happening, Order, next};
use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::webhook::{Told, outbox_insert};
use crate::work::{Work, insert};
use crate::{Decline, Store, StoreError};

/// How many values an event is written in.
const COLUMNS: usize = 7;

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// Its id, `evt_…`.
    pub id: String,
    /// The order.
    pub order: String,
    /// The version that the order had from then on.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Happening,
    /// The phase that it left the order in.
    pub phase: OrderPhase,
    /// More about it.
    pub data: Value,
}

impl OrderEvent {
    /// Reads a row of `order_event`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let data = row::text(row, "data")?;
        Ok(OrderEvent {
            id: row::text(row, "id")?,
            order: row::text(row, "order_id")?,
            number: row::count(row, "number")?,
            at: row::time(row, "at")?,
            kind: row::parsed(row, "kind")?,
            phase: row::parsed(row, "phase")?,
            data: serde_json::from_str(&data).map_err(|why| Misread::new("data", &why))?,
        })
    }
}

impl Store {
    /// What happened to an order behind event number `after`, in order.
    pub async fn order_events(
        &self,
        order: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<OrderEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM order_event WHERE order_id = $1 AND number > $2
             ORDER BY number LIMIT $3",
        )
        .bind(order)
        .bind(row::column(after))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let events = rows.iter().map(OrderEvent::read).collect::<Result<_, _>>();
        events.map_err(|error| self.error(&error.into()))
    }
}

/// Something that happened to an order, for those who follow all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNews {
    /// Whose order it is.
    pub tenant: String,
    /// What the order is called, within its tenant.
    pub name: String,
    /// What happened.
    pub event: OrderEvent,
}

impl OrderNews {
    /// Reads a row of `order_event` beside the one of its order.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        Ok(OrderNews {
            tenant: row::text(row, "tenant")?,
            name: row::text(row, "name")?,
            event: OrderEvent::read(row)?,
        })
    }
}

impl Store {
    /// What happened to orders, by the time it happened and then by id: behind `after`, to those of
    /// one tenant or of all.
    ///
    /// An event gets its time before others can see it, so one with an earlier time than the last may
    /// still turn up: whoever follows looks again at the last few seconds.
    pub async fn order_news(
        &self,
        tenant: Option<&str>,
        after: (Timestamp, &str),
        limit: u32,
    ) -> Result<Vec<OrderNews>, StoreError> {
        // An empty word stands for any: no tenant is called so.
        let rows = sqlx::query(
            "SELECT e.order_id, e.number, e.id, e.at, e.kind, e.phase, e.data, o.tenant, o.name
             FROM order_event AS e JOIN orders AS o ON o.id = e.order_id
             WHERE (e.at > $1 OR (e.at = $1 AND e.id > $2)) AND (o.tenant = $3 OR $3 = '')
             ORDER BY e.at, e.id LIMIT $4",
        )
        .bind(after.0.as_microsecond())
        .bind(after.1.to_owned())
        .bind(tenant.unwrap_or_default().to_owned())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let news = rows.iter().map(OrderNews::read).collect::<Result<_, _>>();
        news.map_err(|error| self.error(&error.into()))
    }

    /// When an event happened; `None` when there was none of that id.
    pub async fn order_event_at(&self, id: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT at FROM order_event WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let at = row.map(|row| row::time(&row, "at")).transpose();
        at.map_err(|error| self.error(&error.into()))
    }
}

/// Lets something happen to an order: in the value alone. [`events_insert`] writes the event.
///
/// # Errors
/// [`Decline::NotNow`] when it cannot happen to an order in its phase.
pub(super) fn happen(
    order: &mut Order,
    what: Happening,
    data: Value,
    now: Timestamp,
) -> Result<OrderEvent, Decline> {
    let phase = next(order.phase, what, &order.reasons).ok_or_else(|| Decline::NotNow {
        order: order.id.clone(),
        phase: order.phase.to_string(),
        what: what.wish(),
    })?;
    order.phase = phase;
    order.version += 1;
    Ok(OrderEvent {
        id: ident("evt", now),
        order: order.id.clone(),
        number: order.version,
        at: now,
        kind: what,
        phase,
        data,
    })
}

/// The first event of an order.
pub(super) fn placed(order: &Order, data: Value, now: Timestamp) -> OrderEvent {
    OrderEvent {
        id: ident("evt", now),
        order: order.id.clone(),
        number: order.version,
        at: now,
        kind: Happening::Placed,
        phase: order.phase,
        data,
    }
}

/// Remembers events, each of an order of a tenant, and that others are to be told of them.
pub(super) async fn events_insert(
    work: &mut Work,
    events: &[(&str, &OrderEvent)],
) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO order_event (order_id, number, id, at, kind, phase, data) VALUES";
    insert(work, text, COLUMNS, events, |query, (_, event)| {
        let query = query.bind(&event.order).bind(row::column(event.number)).bind(&event.id);
        let query = query.bind(event.at.as_microsecond()).bind(event.kind.as_str());
        query.bind(event.phase.as_str()).bind(event.data.to_string())
    })
    .await?;
    let told = events.iter().map(|(tenant, event)| {
        let data = json!({
            "id": event.id, "order": event.order, "number": event.number,
            "phase": event.phase.as_str(), "data": event.data,
        });
        let (at, topic) = (event.at, event.kind.topic());
        Told { at, topic, tenant: Some((*tenant).to_owned()), data }
    });
    outbox_insert(work, &told.collect::<Vec<_>>()).await
}
