//! What is read for a batch of orders before it is placed, and what is written of it in the end: each
//! with one statement, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lessor_engine::{Limit, Placement};
use lessor_plans::{Claim, ClaimKey};
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::event::{OrderEvent, events_insert, placed};
use super::place::{Draft, OrderRequest, Placed, RequestKey, check_words};
use super::read::orders_insert;
use super::{Order, Promise};
use crate::ledger::Hold;
use crate::row::{self, Columns as _};
use crate::work::{Work, with_rows};
use crate::{AuditEvent, Decline, Store, StoreError};

/// What was placed before that a request may be about: by its key, its own name for it, or its name.
#[derive(Default)]
pub(super) struct Earlier {
    /// By scope and key: the digest, and the order; none where it was about something else.
    answers: BTreeMap<(String, String), (String, Option<Order>)>,
    /// By tenant and its own name for it: the order.
    refs: BTreeMap<(String, String), String>,
    /// By tenant and name: those that are not over.
    names: BTreeSet<(String, String)>,
}

/// What is to be written of orders that were placed.
#[derive(Default)]
pub(super) struct Written {
    orders: Vec<Order>,
    holds: Vec<Hold>,
    claims: BTreeMap<ClaimKey, Claim>,
    /// By host.
    promises: BTreeMap<String, (Promise, Limit)>,
    /// Each with its tenant.
    events: Vec<(String, OrderEvent)>,
    audited: Vec<AuditEvent>,
    /// Each with its order.
    keys: Vec<(RequestKey, String)>,
}

impl Earlier {
    /// The order that an earlier request with the same key placed.
    ///
    /// # Errors
    /// [`Decline::KeyReused`] when that was about something else.
    pub(super) fn answer(&mut self, request: &OrderRequest) -> Result<Option<Placed>, Decline> {
        let Some(RequestKey { scope, key, digest }) = &request.key else { return Ok(None) };
        let Some((found, order)) = self.answers.remove(&(scope.clone(), key.clone())) else {
            return Ok(None);
        };
        let order = order.filter(|_| found == *digest);
        let order = order.ok_or_else(|| Decline::KeyReused { key: key.clone() })?;
        Ok(Some(Placed { order, quote: None, claims: BTreeMap::new(), repeated: true }))
    }

    /// The order that was called so by its tenant, and how.
    pub(super) fn by_ref(&self, request: &OrderRequest) -> Option<(String, String)> {
        let client_ref = request.client_ref.clone()?;
        let order = self.refs.get(&(request.tenant.clone(), client_ref.clone()))?;
        Some((client_ref, order.clone()))
    }

    /// Whether an order that is not over has the name.
    pub(super) fn has_name(&self, request: &OrderRequest) -> bool {
        self.names.contains(&(request.tenant.clone(), request.name.clone()))
    }
}

impl Written {
    /// Adds an order that was placed.
    pub(super) fn add(&mut self, draft: &Draft<'_>, placement: &Placement, now: Timestamp) {
        let Draft { request, order, .. } = draft;
        let tenant = order.tenant.clone();
        let hold = |held| Hold::new(&tenant, held, Some(&order.id), now);
        self.holds.extend(draft.held().map(hold));
        self.claims.extend(placement.claims.clone());
        let promised = self.promises.entry(placement.host.to_string()).or_default();
        *promised = (promised.0.plus(Promise::of(placement.amount)), placement.limit);
        let data = json!({ "offer": order.instance.offer, "name": order.full_name() });
        self.events.push((tenant.clone(), placed(order, data.clone(), now)));
        self.audited.push(AuditEvent {
            actor: request.by.clone(),
            action: "order.place",
            tenant: Some(tenant),
            target: order.id.clone(),
            data,
        });
        self.keys.extend(request.key.clone().map(|key| (key, order.id.clone())));
        if !draft.is_redeemed() {
            self.orders.push(order.clone());
        }
    }
}

impl Store {
    /// What was placed before that requests may be about.
    pub(super) async fn earlier(
        &self,
        work: &mut Work,
        requests: &[&OrderRequest],
    ) -> Result<Earlier, StoreError> {
        let mut earlier = Earlier::default();
        // Words that could not be kept were never kept: a database may take no such word at all.
        let requests = requests.iter().filter(|request| check_words(request).is_ok());
        let requests: Vec<_> = requests.copied().collect();
        let keys = requests.iter().filter_map(|request| request.key.as_ref());
        let keys: Vec<_> = keys.map(|key| (key.scope.as_str(), key.key.as_str())).collect();
        let answers = "SELECT i.scope AS scope, i.key AS key, i.digest AS digest, o.*
             FROM asked JOIN idempotency AS i ON i.scope = asked.one AND i.key = asked.other
             LEFT JOIN orders AS o ON o.id = i.answer";
        for row in self.asked(work, &keys, answers).await? {
            let read = || {
                let order = row.text("id")?.map(|_| Order::read(&row)).transpose()?;
                let key = (row::text(&row, "scope")?, row::text(&row, "key")?);
                Ok((key, (row::text(&row, "digest")?, order)))
            };
            let (key, answer) = read().map_err(|error: row::Misread| self.error(&error.into()))?;
            earlier.answers.insert(key, answer);
        }
        let refs = requests
            .iter()
            .filter_map(|request| Some((request.tenant.as_str(), request.client_ref.as_deref()?)));
        let found = "SELECT o.tenant AS one, o.client_ref AS other, o.id AS id FROM asked
             JOIN orders AS o ON o.tenant = asked.one AND o.client_ref = asked.other";
        for (pair, id) in self.asked_ids(work, &refs.collect::<Vec<_>>(), found).await? {
            earlier.refs.insert(pair, id);
        }
        let names = requests.iter().map(|request| (request.tenant.as_str(), request.name.as_str()));
        let found = "SELECT o.tenant AS one, o.name AS other, o.id AS id FROM asked
             JOIN orders AS o ON o.tenant = asked.one AND o.name = asked.other
             WHERE o.phase NOT IN ('terminated', 'canceled', 'failed')";
        let found = self.asked_ids(work, &names.collect::<Vec<_>>(), found).await?;
        earlier.names.extend(found.into_iter().map(|(pair, _)| pair));
        Ok(earlier)
    }

    /// Rows about pairs of words, which the statement calls `asked`.
    async fn asked(
        &self,
        work: &mut Work,
        pairs: &[(&str, &str)],
        statement: &str,
    ) -> Result<Vec<AnyRow>, StoreError> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let text = with_rows("WITH asked (one, other) AS (VALUES", pairs.len(), 2);
        let query = sqlx::query(AssertSqlSafe(format!("{text}) {statement}")));
        let query = pairs.iter().fold(query, |query, (one, other)| {
            query.bind((*one).to_owned()).bind((*other).to_owned())
        });
        query.fetch_all(&mut **work).await.map_err(|error| self.error(&error))
    }

    async fn asked_ids(
        &self,
        work: &mut Work,
        pairs: &[(&str, &str)],
        statement: &str,
    ) -> Result<Vec<((String, String), String)>, StoreError> {
        let rows = self.asked(work, pairs, statement).await?;
        let read = |row: &AnyRow| {
            Ok(((row::text(row, "one")?, row::text(row, "other")?), row::text(row, "id")?))
        };
        let found = rows.iter().map(read).collect::<Result<_, row::Misread>>();
        found.map_err(|error| self.error(&error.into()))
    }

    /// Writes down what was placed since it was last written down.
    ///
    /// # Errors
    /// One that [is contended](StoreError::is_contended) when somebody else was faster: then all of
    /// the batch is to be done again.
    pub(super) async fn batch_write(
        &self,
        work: &mut Work,
        written: &mut Written,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Written { orders, holds, claims, promises, events, audited, keys } =
            std::mem::take(written);
        let inserted = orders_insert(work, &orders).await;
        inserted.map_err(|error| self.error(&error))?;
        self.holds_insert(work, &holds, now).await?;
        self.claim_add(work, &claims, now).await?;
        for (host, (promise, limit)) in promises {
            let added = self.promise_add(work, &host, promise, limit).await;
            // There was room by all that was read: somebody promised it since.
            added.map_err(|error| match error {
                StoreError::Declined(_) => {
                    StoreError::Contended { location: self.location().clone() }
                }
                other => other,
            })?;
        }
        let events: Vec<_> = events.iter().map(|(whose, event)| (whose.as_str(), event)).collect();
        let inserted = events_insert(work, &events).await;
        inserted.map_err(|error| self.error(&error))?;
        self.audit_insert_all(work, audited).await?;
        self.keys_insert(work, &keys, now).await
    }
}
