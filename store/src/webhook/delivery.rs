//! What waits to be told somewhere, and what became of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use serde_json::json;

use super::outbox::{Told, outbox_insert};
use super::{DISABLED, Webhook};
use crate::ident::ident;
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, AuditEvent, Store, StoreError};

/// The columns of a delivery.
macro_rules! deliveries {
    () => {
        "SELECT id, webhook, message, topic, body, phase, tries, next_at, status, why, made_at,
             ended_at
         FROM webhook_delivery"
    };
}

/// Endpoints where something is due, those first that have been due the longest. One that rests is
/// due again at the end of that.
macro_rules! due {
    ($failing:literal) => {
        concat!(
            "SELECT id FROM (
                 SELECT id, coalesce(rests_until, 0) AS rests_until, (
                     SELECT min(next_at) FROM webhook_delivery
                     WHERE webhook = webhook.id AND phase = 'waiting'
                 ) AS next_at
                 FROM webhook
                 WHERE disabled_at IS NULL AND coalesce(leased_until, 0) <= $1
                     AND coalesce(rests_until, 0) <= $1 AND failing_since ",
            $failing,
            ") AS own
             WHERE next_at <= $1
             ORDER BY CASE WHEN rests_until > next_at THEN rests_until ELSE next_at END, id
             LIMIT $2"
        )
    };
}

/// The longest that an endpoint rests. Who mends theirs is told within that.
const LONGEST_REST: SignedDuration = SignedDuration::from_mins(10);

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, `dlv_…`. Later ones are greater.
    pub id: String,
    /// The endpoint.
    pub webhook: String,
    /// What its receiver knows the event by.
    pub message: String,
    /// What it is about.
    pub topic: String,
    /// As it is sent.
    pub body: String,
    /// What became of it.
    pub phase: DeliveryPhase,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, while it waits.
    pub next_at: Timestamp,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// What went wrong last.
    pub why: Option<String>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was delivered, or given up.
    pub ended_at: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryPhase {
    /// It is tried, now or later.
    Waiting,
    /// It came through.
    Delivered,
    /// It was given up.
    Failed,
}

/// How it went at an endpoint the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What was sent came through, or nothing was sent yet.
    Well,
    /// Nothing came through.
    Failing,
}

/// A delivery that is ours to try.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The endpoint.
    pub webhook: Webhook,
    /// The delivery, with this try counted.
    pub delivery: Delivery,
    /// Later holders of the same endpoint have greater ones.
    pub token: i64,
}

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It came through.
    Delivered {
        /// The status of the answer.
        status: u16,
    },
    /// It did not.
    Missed {
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// What went wrong.
        why: String,
        /// When to try again; `None` when it is given up.
        again_at: Option<Timestamp>,
        /// Why nothing is sent to this endpoint any more, if so.
        disabled: Option<String>,
    },
}

impl DeliveryPhase {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryPhase::Waiting => "waiting",
            DeliveryPhase::Delivered => "delivered",
            DeliveryPhase::Failed => "failed",
        }
    }
}

impl fmt::Display for DeliveryPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeliveryPhase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [DeliveryPhase::Waiting, DeliveryPhase::Delivered, DeliveryPhase::Failed];
        let found = all.into_iter().find(|phase| phase.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no phase of a delivery"))
    }
}

impl Delivery {
    /// Reads a row of `webhook_delivery`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let status = row.number_optional("status")?;
        Ok(Delivery {
            id: row::text(row, "id")?,
            webhook: row::text(row, "webhook")?,
            message: row::text(row, "message")?,
            topic: row::text(row, "topic")?,
            body: row::text(row, "body")?,
            phase: row::parsed(row, "phase")?,
            tries: row::count(row, "tries")?,
            next_at: row::time(row, "next_at")?,
            status: status.and_then(|status| status.try_into().ok()),
            why: row.text("why")?,
            made_at: row::time(row, "made_at")?,
            ended_at: row::time_optional(row, "ended_at")?,
        })
    }
}

impl Store {
    /// Takes the turn at up to `limit` endpoints where something is due, each with its next
    /// delivery, for as long as `ttl`: those first that have been due the longest. Whoever does not
    /// end a try by then may see it tried by others.
    pub async fn delivery_claim(
        &self,
        standing: Standing,
        limit: usize,
        ttl: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        let failed = |error: sqlx::Error| self.error(&error);
        let due = sqlx::query(match standing {
            Standing::Well => due!("IS NULL"),
            Standing::Failing => due!("IS NOT NULL"),
        })
        .bind(self.now().as_microsecond())
        .bind(row::column(limit))
        .fetch_all(self.pool())
        .await
        .map_err(failed)?;
        let mut claimed = Vec::new();
        for row in &due {
            let id = row::text(row, "id").map_err(|error| self.error(&error.into()))?;
            claimed.extend(self.delivery_claim_at(&id, ttl).await?);
        }
        Ok(claimed)
    }

    async fn delivery_claim_at(
        &self,
        webhook: &str,
        ttl: Duration,
    ) -> Result<Option<Claimed>, StoreError> {
        let mut work = self.begin().await?;
        let now = self.time(&mut work).await?;
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        let claimed = async {
            let turn = sqlx::query(
                "UPDATE webhook SET leased_until = $1, token = token + 1
                 WHERE id = $2 AND disabled_at IS NULL AND coalesce(leased_until, 0) <= $3
                     AND coalesce(rests_until, 0) <= $3
                 RETURNING id, tenant, url, topics, secret, created_by, created_at, failing_since,
                     disabled_at, disabled_why, version, token",
            )
            .bind(until.as_microsecond())
            .bind(webhook)
            .bind(now.as_microsecond())
            .fetch_optional(&mut *work)
            .await?;
            let Some(turn) = turn else { return Ok(None) };
            let next = sqlx::query(
                "UPDATE webhook_delivery SET tries = tries + 1 WHERE id = (
                     SELECT id FROM webhook_delivery
                     WHERE webhook = $1 AND phase = 'waiting' AND next_at <= $2
                     ORDER BY next_at, id LIMIT 1
                 )
                 RETURNING id, webhook, message, topic, body, phase, tries, next_at, status, why,
                     made_at, ended_at",
            )
            .bind(webhook)
            .bind(now.as_microsecond())
            .fetch_optional(&mut *work)
            .await?;
            let Some(next) = next else { return Ok(None) };
            let token = row::number(&turn, "token")?;
            let (webhook, delivery) = (Webhook::read(&turn)?, Delivery::read(&next)?);
            Ok(Some(Claimed { webhook, delivery, token }))
        };
        let claimed = claimed.await.map_err(|error: sqlx::Error| self.error(&error))?;
        if claimed.is_some() {
            self.commit(work).await?;
        }
        Ok(claimed)
    }

    /// Writes down what a try came to, and gives the turn back. Where it did not come through, the
    /// endpoint rests until the next try, but for no longer than ten minutes. Whether the turn was
    /// still ours: if not, somebody else tries it again. A delivery that was to be tried anew
    /// meanwhile stays so.
    pub async fn delivery_end(
        &self,
        claimed: &Claimed,
        end: &DeliveryEnd,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let (failing, rests) = match end {
            DeliveryEnd::Delivered { .. } => (None, None),
            DeliveryEnd::Missed { again_at, .. } => {
                let longest = now.checked_add(LONGEST_REST).unwrap_or(now);
                let rests = again_at.map_or(longest, |again_at| again_at.min(longest));
                (Some(claimed.webhook.failing_since.unwrap_or(now)), Some(rests))
            }
        };
        let mut work = self.begin().await?;
        let ended = async {
            if !turn_end(&mut work, claimed, failing, rests).await? {
                return Ok(false);
            }
            if !delivery_update(&mut work, &claimed.delivery, end, now).await? {
                rest_end(&mut work, &claimed.webhook.id).await?;
            }
            Ok(true)
        };
        if !ended.await.map_err(|error: sqlx::Error| self.error(&error))? {
            return Ok(false);
        }
        if let DeliveryEnd::Missed { disabled: Some(why), .. } = end {
            self.webhook_disable(&mut work, &claimed.webhook, why, now).await?;
        }
        self.commit(work).await?;
        Ok(true)
    }

    /// Switches an endpoint off, gives up what waits there, and says so to the others.
    async fn webhook_disable(
        &self,
        work: &mut Work,
        webhook: &Webhook,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = now.as_microsecond();
        let disabled = async {
            sqlx::query(
                "UPDATE webhook SET disabled_at = $1, disabled_why = $2, version = version + 1
                 WHERE id = $3",
            )
            .bind(at)
            .bind(why)
            .bind(&webhook.id)
            .execute(&mut **work)
            .await?;
            sqlx::query(
                "UPDATE webhook_delivery SET phase = 'failed', ended_at = $1, why = $2
                 WHERE webhook = $3 AND phase = 'waiting'",
            )
            .bind(at)
            .bind("its endpoint was switched off")
            .bind(&webhook.id)
            .execute(&mut **work)
            .await?;
            let data = json!({ "id": ident("evt", now), "webhook": webhook.id, "url": webhook.url, "why": why });
            let (topic, tenant) = (DISABLED.to_owned(), webhook.tenant.clone());
            outbox_insert(work, &[Told { at: now, topic, tenant, data }]).await
        };
        disabled.await.map_err(|error: sqlx::Error| self.error(&error))?;
        let event = AuditEvent {
            actor: Actor::lessor(),
            action: "webhook.disable",
            tenant: webhook.tenant.clone(),
            target: webhook.id.clone(),
            data: json!({ "why": why }),
        };
        self.audit_insert(work, event).await
    }

    /// Deliveries of an endpoint before one of them, the newest first.
    pub async fn delivery_list(
        &self,
        webhook: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query(concat!(
            deliveries!(),
            " WHERE webhook = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        ))
        .bind(webhook)
        .bind(before.unwrap_or(row::LAST))
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let found = rows.iter().map(Delivery::read).collect::<Result<_, _>>();
        found.map_err(|error| self.error(&error.into()))
    }

    /// Has a delivery tried again, from the beginning, whatever became of it, and its endpoint rest
    /// no longer. `None` when its endpoint has no such delivery.
    pub async fn delivery_replay(
        &self,
        webhook: &Webhook,
        delivery: &str,
        by: &Actor,
    ) -> Result<Option<Delivery>, StoreError> {
        let now = self.now();
        let mut work = self.begin().await?;
        // The endpoint first, as everywhere: others wait for each other otherwise.
        let rested = rest_end(&mut work, &webhook.id).await;
        rested.map_err(|error| self.error(&error))?;
        let found = sqlx::query(
            "UPDATE webhook_delivery
             SET phase = 'waiting', tries = 0, next_at = $1, ended_at = NULL, why = NULL
             WHERE id = $2 AND webhook = $3
             RETURNING id, webhook, message, topic, body, phase, tries, next_at, status, why,
                 made_at, ended_at",
        )
        .bind(now.as_microsecond())
        .bind(delivery)
        .bind(&webhook.id)
        .fetch_optional(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        let Some(found) = found else { return Ok(None) };
        let found = Delivery::read(&found).map_err(|error| self.error(&error.into()))?;
        let event = AuditEvent {
            actor: by.clone(),
            action: "webhook.replay",
            tenant: webhook.tenant.clone(),
            target: webhook.id.clone(),
            data: json!({ "delivery": found.id }),
        };
        self.audit_insert(&mut work, event).await?;
        self.commit(work).await?;
        Ok(Some(found))
    }
}

/// Gives a turn back; whether it was still ours.
async fn turn_end(
    work: &mut Work,
    claimed: &Claimed,
    failing: Option<Timestamp>,
    rests: Option<Timestamp>,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query(
        "UPDATE webhook SET leased_until = NULL, failing_since = $1, rests_until = $2
         WHERE id = $3 AND token = $4",
    )
    .bind(failing.map(Timestamp::as_microsecond))
    .bind(rests.map(Timestamp::as_microsecond))
    .bind(&claimed.webhook.id)
    .bind(claimed.token)
    .execute(&mut **work)
    .await?;
    Ok(ended.rows_affected() == 1)
}

async fn rest_end(work: &mut Work, webhook: &str) -> Result<(), sqlx::Error> {
    let ended = sqlx::query("UPDATE webhook SET rests_until = NULL WHERE id = $1").bind(webhook);
    ended.execute(&mut **work).await.map(drop)
}

/// Whether it was still as it was claimed: somebody may want it tried anew, or have switched its
/// endpoint off.
async fn delivery_update(
    work: &mut Work,
    delivery: &Delivery,
    end: &DeliveryEnd,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let (phase, status, why, next_at) = match end {
        DeliveryEnd::Delivered { status } => {
            (DeliveryPhase::Delivered, Some(*status), None, delivery.next_at)
        }
        DeliveryEnd::Missed { status, why, again_at: Some(again_at), .. } => {
            (DeliveryPhase::Waiting, *status, Some(why), *again_at)
        }
        DeliveryEnd::Missed { status, why, again_at: None, .. } => {
            (DeliveryPhase::Failed, *status, Some(why), delivery.next_at)
        }
    };
    let ended_at = (phase != DeliveryPhase::Waiting).then_some(now);
    let updated = sqlx::query(
        "UPDATE webhook_delivery
         SET phase = $1, status = $2, why = $3, next_at = $4, ended_at = $5
         WHERE id = $6 AND phase = 'waiting' AND tries = $7",
    )
    .bind(phase.as_str())
    .bind(status.map(i64::from))
    .bind(why.map(|why| row::storable(why)))
    .bind(next_at.as_microsecond())
    .bind(ended_at.map(Timestamp::as_microsecond))
    .bind(&delivery.id)
    .bind(i64::from(delivery.tries))
    .execute(&mut **work)
    .await?;
    Ok(updated.rows_affected() == 1)
}
