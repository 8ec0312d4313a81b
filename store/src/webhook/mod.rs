//! Telling others what happens: where they want to be told, what waits to be told there, and what
//! became of it.
//!
//! What happened is written to the outbox in the very transaction in which it did
//! ([`outbox_insert`]). Later, each row becomes a delivery for everybody who wants it
//! ([`Store::outbox_spread`]), and whoever has the turn at an endpoint takes its deliveries one after
//! another ([`Store::delivery_claim`]). A turn that is lost is taken by others, so that an event may
//! come twice, under the same id, and is never left out.

use jiff::Timestamp;
use lessor_engine::Clock as _;
use serde_json::{Value, json};

use crate::ident::ident;
use crate::ledger::BookingKind;
use crate::order::Happening;
use crate::reservation::ReservationHappening;
use crate::row::{self, Columns, Misread};
use crate::work::Work;
use crate::{Actor, AuditEvent, Decline, Store, StoreError};

/// The columns of an endpoint.
macro_rules! webhooks {
    () => {
        "SELECT id, tenant, url, topics, secret, created_by, created_at, failing_since, disabled_at,
             disabled_why, version
         FROM webhook"
    };
}

mod delivery;
mod outbox;

pub use delivery::{Claimed, Delivery, DeliveryEnd, DeliveryPhase, Standing};
pub(crate) use outbox::{Told, outbox_insert};

/// How many endpoints a tenant has at most, and the platform.
pub const WEBHOOKS_MOST: u32 = 20;

/// What is told of an endpoint that was switched off.
const DISABLED: &str = "webhook.disabled";

/// Where somebody wants to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, `whk_…`.
    pub id: String,
    /// Whose events; `None` for those of everybody.
    pub tenant: Option<String>,
    /// Where.
    pub url: String,
    /// Of what: words such as `order.settled`, `money.*` or `*`.
    pub topics: Vec<String>,
    /// What is signed with.
    pub secret: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Since when nothing came through.
    pub failing_since: Option<Timestamp>,
    /// Since when nothing is sent there, and why.
    pub disabled: Option<(Timestamp, String)>,
    /// Grows with every change.
    pub version: i64,
}

/// An endpoint to be.
#[derive(Clone, Debug)]
pub struct NewWebhook<'a> {
    /// Whose events; `None` for those of everybody.
    pub tenant: Option<&'a str>,
    /// Where.
    pub url: &'a str,
    /// Of what.
    pub topics: &'a [String],
    /// What is signed with.
    pub secret: &'a str,
}

/// What of an endpoint is to be otherwise. What is not said stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where.
    pub url: Option<String>,
    /// Of what.
    pub topics: Option<Vec<String>>,
    /// Whether anything is sent there.
    pub enabled: Option<bool>,
}

impl std::fmt::Debug for Webhook {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Reads a row of `webhook`.
    ///
    /// # Errors
    /// When a column holds what is never written.
    pub fn read(row: &impl Columns) -> Result<Self, Misread> {
        let disabled = row::time_optional(row, "disabled_at")?;
        let why = row.text("disabled_why")?;
        Ok(Webhook {
            id: row::text(row, "id")?,
            tenant: row.text("tenant")?,
            url: row::text(row, "url")?,
            topics: words(&row::text(row, "topics")?),
            secret: row::text(row, "secret")?,
            created_by: row::text(row, "created_by")?,
            created_at: row::time(row, "created_at")?,
            failing_since: row::time_optional(row, "failing_since")?,
            disabled: disabled.map(|at| (at, why.unwrap_or_default())),
            version: row::number(row, "version")?,
        })
    }

    /// Whether it is about events of this topic.
    pub fn wants(&self, topic: &str) -> bool {
        let covers = |word: &String| match word.strip_suffix('*') {
            Some(start) => topic.starts_with(start),
            None => word == topic,
        };
        self.topics.iter().any(covers)
    }
}

/// Everything that anybody can be told of, in order.
pub fn topics() -> Vec<String> {
    let orders = Happening::ALL.into_iter().map(Happening::topic);
    let money = BookingKind::ALL.into_iter().map(money_topic);
    let reserved = ReservationHappening::ALL.into_iter().map(ReservationHappening::topic);
    let topics = orders.chain(money).chain(reserved);
    let mut topics: Vec<_> = topics.chain([DISABLED.to_owned()]).collect();
    topics.sort();
    topics
}

/// What is told of money that moved.
pub(crate) fn money_topic(kind: BookingKind) -> String {
    format!("money.{kind}")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Store {
    /// Begins to tell somebody.
    ///
    /// # Errors
    /// [`Decline::EnoughWebhooks`] when there are [`WEBHOOKS_MOST`] already.
    pub async fn webhook_create(
        &self,
        new: &NewWebhook<'_>,
        by: &Actor,
    ) -> Result<Webhook, StoreError> {
        let now = self.now();
        let id = ident("whk", now);
        let mut work = self.begin_alone(&format!("webhooks of {:?}", new.tenant)).await?;
        if self.webhook_count(&mut work, new.tenant).await? >= WEBHOOKS_MOST {
            return Err(Decline::EnoughWebhooks.into());
        }
        sqlx::query(
            "INSERT INTO webhook
                 (id, tenant, url, topics, secret, created_by, created_at, token, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 1)",
        )
        .bind(&id)
        .bind(new.tenant)
        .bind(new.url)
        .bind(new.topics.join(" "))
        .bind(new.secret)
        .bind(by.as_str())
        .bind(now.as_microsecond())
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        let data = json!({ "topics": new.topics });
        self.webhook_audit(&mut work, ("webhook.create", &id), new.tenant, data, by).await?;
        self.commit(work).await?;
        self.webhook_expect(&id).await
    }

    /// Those of a tenant, or of the platform, behind `after`, in order of id.
    pub async fn webhook_list(
        &self,
        tenant: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Webhook>, StoreError> {
        // No tenant is called by an empty word.
        let rows = sqlx::query(concat!(
            webhooks!(),
            " WHERE coalesce(tenant, '') = $1 AND id > $2 ORDER BY id LIMIT $3"
        ))
        .bind(tenant.unwrap_or_default())
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await
        .map_err(|error| self.error(&error))?;
        let found = rows.iter().map(Webhook::read).collect::<Result<_, _>>();
        found.map_err(|error| self.error(&error.into()))
    }

    /// One; `None` when there is none.
    pub async fn webhook_show(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        let found = sqlx::query(concat!(webhooks!(), " WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        let found = found.as_ref().map(Webhook::read).transpose();
        found.map_err(|error| self.error(&error.into()))
    }

    /// Changes one that is as it was at `version`. Switching it on, or another address, forgets what
    /// failed there, and takes the turn from a try that was begun before: it says nothing of what is
    /// there now.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] when somebody else was faster.
    pub async fn webhook_update(
        &self,
        id: &str,
        version: i64,
        change: &WebhookChange,
        by: &Actor,
    ) -> Result<Webhook, StoreError> {
        let before = self.webhook_expect(id).await?;
        let now = self.now();
        let url = change.url.as_ref().unwrap_or(&before.url);
        let topics = change.topics.as_ref().unwrap_or(&before.topics);
        let disabled = match change.enabled {
            Some(true) => None,
            Some(false) => before.disabled.clone().or_else(|| Some((now, "switched off".into()))),
            None => before.disabled.clone(),
        };
        let is_reset = change.enabled == Some(true) || change.url.is_some();
        let failing = before.failing_since.filter(|_| !is_reset);
        let mut work = self.begin().await?;
        let updated = sqlx::query(
            "UPDATE webhook SET url = $1, topics = $2, disabled_at = $3, disabled_why = $4,
                 failing_since = $5, version = version + 1, token = token + $8,
                 leased_until = CASE WHEN $8 = 1 THEN NULL ELSE leased_until END,
                 rests_until = CASE WHEN $8 = 1 THEN NULL ELSE rests_until END
             WHERE id = $6 AND version = $7",
        )
        .bind(url)
        .bind(topics.join(" "))
        .bind(disabled.as_ref().map(|(at, _)| at.as_microsecond()))
        .bind(disabled.as_ref().map(|(_, why)| why.clone()))
        .bind(failing.map(Timestamp::as_microsecond))
        .bind(id)
        .bind(version)
        .bind(i64::from(is_reset))
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::Outdated { what: format!("webhook {id}") });
        }
        let data = json!({ "topics": topics, "enabled": disabled.is_none() });
        let tenant = before.tenant.as_deref();
        self.webhook_audit(&mut work, ("webhook.update", id), tenant, data, by).await?;
        self.commit(work).await?;
        self.webhook_expect(id).await
    }

    /// Ends one, with all that waits to be told there.
    pub async fn webhook_delete(&self, webhook: &Webhook, by: &Actor) -> Result<(), StoreError> {
        let mut work = self.begin().await?;
        sqlx::query("DELETE FROM webhook WHERE id = $1")
            .bind(&webhook.id)
            .execute(&mut *work)
            .await
            .map_err(|error| self.error(&error))?;
        let (id, tenant) = (&*webhook.id, webhook.tenant.as_deref());
        self.webhook_audit(&mut work, ("webhook.delete", id), tenant, json!({}), by).await?;
        self.commit(work).await
    }

    async fn webhook_count(
        &self,
        work: &mut Work,
        tenant: Option<&str>,
    ) -> Result<u32, StoreError> {
        let counted =
            sqlx::query("SELECT count(*) AS count FROM webhook WHERE coalesce(tenant, '') = $1")
                .bind(tenant.unwrap_or_default())
                .fetch_one(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
        row::count(&counted, "count").map_err(|error| self.error(&error.into()))
    }

    async fn webhook_expect(&self, id: &str) -> Result<Webhook, StoreError> {
        let found = self.webhook_show(id).await?;
        found.ok_or_else(|| StoreError::Absent { what: format!("webhook {id}") })
    }

    async fn webhook_audit(
        &self,
        work: &mut Work,
        (action, id): (&'static str, &str),
        tenant: Option<&str>,
        data: Value,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            actor: by.clone(),
            action,
            tenant: tenant.map(str::to_owned),
            target: id.to_owned(),
            data,
        };
        self.audit_insert(work, event).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_can_be_told_of_is_this() {
        insta::assert_snapshot!(topics().join(" "), @"instance.held instance.recovered instance.restarted money.charge money.credit money.gift money.refund money.reversal order.begun order.cleared order.failed order.lost order.paid order.placed order.resized order.resumed order.settled order.suspended order.switched order.terminated order.warned reservation.booked reservation.canceled reservation.cleaned reservation.ended reservation.expired reservation.extended reservation.granted reservation.quarantined reservation.queued reservation.released reservation.revoked reservation.started reservation.swapped reservation.warned webhook.disabled");
    }

    #[test]
    fn a_topic_is_wanted_by_its_name_and_by_the_beginning_of_it() {
        let webhook = |topics: &str| Webhook {
            id: "whk_1".into(),
            tenant: None,
            url: "https://example.net".into(),
            topics: words(topics),
            secret: String::new(),
            created_by: "command".into(),
            created_at: Timestamp::UNIX_EPOCH,
            failing_since: None,
            disabled: None,
            version: 1,
        };
        let wanted = |of: &str| {
            let all = topics();
            let wanted: Vec<_> = all.iter().filter(|topic| webhook(of).wants(topic)).collect();
            wanted.len()
        };
        assert_eq!((wanted("*"), wanted("")), (topics().len(), 0));
        assert_eq!((wanted("order.settled"), wanted("money.*")), (1, 5));
        assert_eq!((wanted("order"), wanted("instance.* order.settled")), (0, 4));
    }
}
