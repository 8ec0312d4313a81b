//! What happened and is to be told: written with it, and spread among those who want it.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use super::Webhook;
use crate::ident::Idents;
use crate::row::{self, Columns as _, Misread};
use crate::work::{Work, insert, rows_at_once, with_rows};
use crate::{Store, StoreError};

/// How many events are spread in one transaction.
const AT_ONCE: i64 = 200;

/// How many values an event, and a delivery, are written in.
const EVENT_COLUMNS: usize = 4;
const DELIVERY_COLUMNS: usize = 9;

/// Something that happened. Its data begin with an `id`, by which it is known wherever it is told.
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    pub(crate) topic: String,
    pub(crate) tenant: Option<String>,
    pub(crate) data: Value,
}

/// Remembers that others are to be told.
pub(crate) async fn outbox_insert(work: &mut Work, told: &[Told]) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO outbox (at, topic, tenant, data) VALUES";
    insert(work, text, EVENT_COLUMNS, told, |query, told| {
        let query = query.bind(told.at.as_microsecond()).bind(&told.topic);
        query.bind(&told.tenant).bind(told.data.to_string())
    })
    .await
}

/// An event that nobody was told of yet.
struct Event {
    number: i64,
    at: Timestamp,
    topic: String,
    tenant: Option<String>,
    data: Value,
}

impl Event {
    fn read(row: &AnyRow) -> Result<Self, Misread> {
        let data = row::text(row, "data")?;
        Ok(Event {
            number: row::number(row, "number")?,
            at: row::time(row, "at")?,
            topic: row::text(row, "topic")?,
            tenant: row.text("tenant")?,
            data: serde_json::from_str(&data).map_err(|why| Misread::new("data", &why))?,
        })
    }

    /// What its receivers know it by.
    fn message(&self) -> String {
        let own = self.data.get("id").and_then(Value::as_str);
        own.map_or_else(|| format!("evt_{}", self.number), str::to_owned)
    }

    /// As it is sent.
    fn body(&self) -> String {
        let (topic, at, tenant) = (&self.topic, self.at, &self.tenant);
        json!({ "type": topic, "timestamp": at, "tenant": tenant, "data": self.data }).to_string()
    }

    /// Whether an endpoint is to be told: of its own tenant, of what it asked for, and of what
    /// happened since it was there.
    fn concerns(&self, webhook: &Webhook) -> bool {
        let is_of_it = webhook.tenant.is_none() || webhook.tenant == self.tenant;
        is_of_it && webhook.created_at <= self.at && webhook.wants(&self.topic)
    }
}

impl Store {
    /// Makes a delivery of each event for everybody who wants it. Answers with how many events that
    /// were; there may be more.
    pub async fn outbox_spread(&self) -> Result<usize, StoreError> {
        let failed = |error: sqlx::Error| self.error(&error);
        let waits = sqlx::query("SELECT number FROM outbox WHERE sent_at IS NULL LIMIT 1");
        if waits.fetch_optional(self.pool()).await.map_err(failed)?.is_none() {
            return Ok(0);
        }
        let now = self.now();
        let mut work = self.begin_alone("outbox").await?;
        let rows = sqlx::query(
            "SELECT number, at, topic, tenant, data FROM outbox WHERE sent_at IS NULL
             ORDER BY number LIMIT $1",
        )
        .bind(AT_ONCE)
        .fetch_all(&mut *work)
        .await
        .map_err(failed)?;
        let events = rows.iter().map(Event::read).collect::<Result<Vec<_>, _>>();
        let events = events.map_err(|error| self.error(&error.into()))?;
        let webhooks = self.webhook_list_enabled(&mut work).await?;
        let wanted = events.iter().flat_map(|event| {
            let concerned = webhooks.iter().filter(|webhook| event.concerns(webhook));
            concerned.map(move |webhook| (event, webhook))
        });
        let wanted: Vec<_> = wanted.collect();
        deliveries_insert(&mut work, &wanted, now).await.map_err(failed)?;
        outbox_update(&mut work, &events, now).await.map_err(failed)?;
        self.commit(work).await?;
        Ok(events.len())
    }

    /// Forgets events that were spread, and deliveries that ended, before `before`. Answers how many
    /// of both.
    pub async fn outbox_forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for statement in [
            "DELETE FROM outbox WHERE sent_at < $1",
            "DELETE FROM webhook_delivery WHERE ended_at < $1",
        ] {
            let gone = sqlx::query(statement).bind(before.as_microsecond()).execute(self.pool());
            forgotten += gone.await.map_err(|error| self.error(&error))?.rows_affected();
        }
        Ok(forgotten)
    }

    async fn webhook_list_enabled(&self, work: &mut Work) -> Result<Vec<Webhook>, StoreError> {
        let found = async {
            let rows = sqlx::query(concat!(webhooks!(), " WHERE disabled_at IS NULL ORDER BY id"))
                .fetch_all(&mut **work)
                .await?;
            Ok(rows.iter().map(Webhook::read).collect::<Result<_, _>>()?)
        };
        found.await.map_err(|error: sqlx::Error| self.error(&error))
    }
}

/// Remembers that these were spread.
async fn outbox_update(
    work: &mut Work,
    events: &[Event],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let numbers = with_rows("", 1, events.len());
    let text =
        format!("UPDATE outbox SET sent_at = {} WHERE number IN{numbers}", now.as_microsecond());
    let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
    for event in events {
        query = query.bind(event.number);
    }
    query.execute(&mut **work).await.map(drop)
}

async fn deliveries_insert(
    work: &mut Work,
    wanted: &[(&Event, &Webhook)],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut left = row::column(wanted.len());
    let mut ids = Idents::new("dlv", now);
    for rows in wanted.chunks(rows_at_once(DELIVERY_COLUMNS)) {
        let text = "INSERT INTO webhook_delivery
             (id, webhook, message, topic, body, phase, tries, next_at, made_at) VALUES";
        let text = with_rows(text, rows.len(), DELIVERY_COLUMNS);
        // An event that moved with a restored database is not told twice under one id.
        let text = text + " ON CONFLICT (webhook, message) DO NOTHING";
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for (event, webhook) in rows {
            // All are due, in the order in which they happened.
            left -= 1;
            query = query
                .bind(ids.next())
                .bind(&webhook.id)
                .bind(event.message())
                .bind(&event.topic)
                .bind(event.body())
                .bind("waiting")
                .bind(0_i64)
                .bind(now.as_microsecond() - left)
                .bind(now.as_microsecond());
        }
        query.execute(&mut **work).await?;
    }
    Ok(())
}
