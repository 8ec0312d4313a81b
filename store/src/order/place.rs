//! Placing an order: all of it in one transaction, or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lessor_billing::{Discount, Progress, Quote};
use lessor_engine::{Clock as _, Placement};
use lessor_plans::{Claim, ClaimKey};
use lessor_specs::kinds::Instance;
use lessor_specs::orders::Version;
use lessor_specs::{Kind, OrderPhase, name_problem};
use serde_json::json;

use super::desk::{Gathered, Ground};
use super::event::{event_insert, placed};
use super::quote::Priced;
use super::read::order_insert;
use super::{Need, Order, Promise, Promo, PromoTerms};
use crate::ident::ident;
use crate::row;
use crate::work::{Work, keep, mark, take_back};
use crate::{Actor, AuditEvent, Decline, Store, StoreError};

/// What a customer orders.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    /// Whose it will be.
    pub tenant: String,
    /// What it is called, within its tenant.
    pub name: String,
    /// The customer's own name for it, which names one order for ever.
    pub client_ref: Option<String>,
    /// What is ordered. Its offer is one that is sold, or a version that was (`name@version`), such
    /// as a quote names it.
    pub instance: Instance,
    /// Whether it is to be made without being switched on.
    pub stopped: bool,
    /// A promo code.
    pub promo: Option<Promo>,
    /// What tells this request from others, so that it is carried out once however often it comes.
    pub key: Option<RequestKey>,
    /// Who orders.
    pub by: Actor,
    /// Whether it is only tried: everything is done as for any other, and then taken back.
    pub dry_run: bool,
}

/// What tells a request from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Within what keys differ: whoever asks.
    pub scope: String,
    /// The key.
    pub key: String,
    /// Of everything that was asked for. The same key with another digest is a mistake.
    pub digest: String,
}

/// An order that was placed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The order.
    pub order: Order,
    /// What it costs; `None` when it is free, and when it was placed by an earlier request.
    pub quote: Option<Quote>,
    /// What it was given: ports, addresses, a host.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Whether an earlier request with the same key placed it.
    pub repeated: bool,
}

/// An order that could be placed, as far as it can be said without taking anything.
#[derive(Debug)]
pub(super) struct Draft<'r> {
    pub(super) request: &'r OrderRequest,
    pub(super) order: Order,
    pub(super) version: Arc<Version>,
    quote: Option<Quote>,
    redeemed: Option<PromoTerms>,
}

/// What became of a request at first sight.
pub(super) enum Sight<'r> {
    /// It can be placed.
    Draft(Box<Draft<'r>>),
    /// It was placed before.
    Repeated(Box<Placed>),
}

impl Store {
    /// Places an order, in one transaction: what it counts in the quota, the money for its first
    /// period, its promo code, its ports and addresses, and the order itself. Several that come at
    /// once share a commit.
    ///
    /// # Errors
    /// A [`Decline`]; nothing is changed then.
    pub async fn order_place(&self, request: &OrderRequest) -> Result<Placed, StoreError> {
        self.queue(request).await
    }

    /// Looks at a request before anything is taken for it.
    pub(super) async fn draft<'r>(
        &self,
        work: &mut Work,
        ground: &Ground,
        gathered: &Gathered,
        request: &'r OrderRequest,
        now: Timestamp,
    ) -> Result<Sight<'r>, StoreError> {
        check_words(request)?;
        if let Some(placed) = self.repeated(work, request).await? {
            return Ok(Sight::Repeated(Box::new(placed)));
        }
        self.check_names(work, ground, gathered, request).await?;
        let Priced { instance, version, currency, redeemed, quote } =
            self.priced(work, ground, request, now).await?;
        let discount = redeemed.as_ref().map(|redeemed| redeemed.discount.clone());
        let zone = gathered.zone(ground, &request.tenant);
        let need = Need::of(&version.offer, &instance);
        let order = order_of(request, instance, need, (currency, discount, zone), now);
        Ok(Sight::Draft(Box::new(Draft { request, order, version, quote, redeemed })))
    }

    /// The order that an earlier request with the same key placed.
    async fn repeated(
        &self,
        work: &mut Work,
        request: &OrderRequest,
    ) -> Result<Option<Placed>, StoreError> {
        let Some(RequestKey { scope, key, digest }) = &request.key else { return Ok(None) };
        let found = async {
            let found = sqlx::query(
                "SELECT idempotency.digest AS digest, orders.* FROM idempotency
                 JOIN orders ON orders.id = idempotency.answer
                 WHERE idempotency.scope = $1 AND idempotency.key = $2",
            )
            .bind(scope)
            .bind(key)
            .fetch_optional(&mut **work)
            .await?;
            let Some(found) = found else { return Ok(None) };
            Ok(Some((row::text(&found, "digest")?, Order::read(&found)?)))
        };
        let found = found.await.map_err(|error: sqlx::Error| self.error(&error))?;
        match found {
            None => Ok(None),
            Some((found, _)) if found != *digest => {
                Err(Decline::KeyReused { key: key.clone() }.into())
            }
            Some((_, order)) => {
                let claims = BTreeMap::new();
                Ok(Some(Placed { order, quote: None, claims, repeated: true }))
            }
        }
    }

    async fn check_names(
        &self,
        work: &mut Work,
        ground: &Ground,
        gathered: &Gathered,
        request: &OrderRequest,
    ) -> Result<(), StoreError> {
        let OrderRequest { tenant, .. } = request;
        let name = format!("{tenant}/{}", request.name);
        if !ground.specs.tenant.contains_key(tenant) && gathered.tenant(tenant).is_none() {
            return Err(Decline::NoTenant { tenant: tenant.clone() }.into());
        }
        if let Some(why) = name_problem(Kind::Instance, &name) {
            return Err(unfit("name", &why).into());
        }
        if let Some(client_ref) = &request.client_ref {
            let found = sqlx::query("SELECT id FROM orders WHERE tenant = $1 AND client_ref = $2")
                .bind(tenant)
                .bind(client_ref)
                .fetch_optional(&mut **work)
                .await
                .map_err(|error| self.error(&error))?;
            if let Some(found) = found {
                let order = row::text(&found, "id").map_err(|error| self.error(&error.into()))?;
                let client_ref = client_ref.clone();
                return Err(Decline::AlreadyPlaced { client_ref, order }.into());
            }
        }
        let found = sqlx::query(
            "SELECT id FROM orders WHERE tenant = $1 AND name = $2
             AND phase NOT IN ('terminated', 'canceled', 'failed')",
        )
        .bind(tenant)
        .bind(&request.name)
        .fetch_optional(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        if found.is_some() || ground.specs.instance.contains_key(&name) {
            return Err(Decline::NameTaken { name }.into());
        }
        Ok(())
    }

    /// Takes everything an order needs, and writes it down; or nothing.
    pub(super) async fn place(
        &self,
        work: &mut Work,
        ground: &Ground,
        draft: &Draft<'_>,
        placement: &Placement,
        now: Timestamp,
    ) -> Result<Placed, StoreError> {
        let marked = mark(work).await;
        marked.map_err(|error| self.error(&error))?;
        let written = self.place_write(work, ground, draft, placement, now).await;
        let is_kept = written.is_ok() && !draft.request.dry_run;
        let ended = if is_kept { keep(work).await } else { take_back(work).await };
        ended.map_err(|error| self.error(&error))?;
        written?;
        Ok(Placed {
            order: draft.order.clone(),
            quote: draft.quote.clone(),
            claims: placement.claims.clone(),
            repeated: false,
        })
    }

    async fn place_write(
        &self,
        work: &mut Work,
        ground: &Ground,
        draft: &Draft<'_>,
        placement: &Placement,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Draft { request, order, .. } = draft;
        let limit = self.quota_limit(work, ground, &order.tenant).await?;
        self.quota_take(work, &order.tenant, order.need, limit).await?;
        let declared = ground.specs.tenant.get(&order.tenant);
        if let Some(declared) = declared.filter(|declared| !declared.credit.is_empty()) {
            self.wallet_lines(work, &order.tenant, &declared.credit()).await?;
        }
        let held = draft.quote.as_ref().map(|quote| (quote.currency, quote.held));
        if let Some(held) = held.filter(|(_, held)| held.micros() > 0) {
            self.hold_insert(work, &order.tenant, held, Some(&order.id), now).await?;
        }
        let inserted = order_insert(work, order).await;
        inserted.map_err(|error| self.error(&error))?;
        if let Some(redeemed) = &draft.redeemed {
            self.promo_take(work, redeemed, order, now).await?;
        }
        self.claim_add(work, &placement.claims, now).await?;
        let (host, promise) = (placement.host.to_string(), Promise::of(placement.amount));
        self.promise_add(work, &host, promise, placement.limit).await?;
        let data = json!({ "offer": order.instance.offer, "name": order.full_name() });
        let event = placed(order, data.clone(), now);
        let inserted = event_insert(work, &order.tenant, &event).await;
        inserted.map_err(|error| self.error(&error))?;
        let event = AuditEvent {
            actor: request.by.clone(),
            action: "order.place",
            tenant: Some(order.tenant.clone()),
            target: order.id.clone(),
            data,
        };
        self.audit_insert(work, event).await?;
        match &request.key {
            Some(key) => self.key_insert(work, key, &order.id, now).await,
            None => Ok(()),
        }
    }

    /// Remembers what was made of a request, so that the same request gets the same answer.
    pub(crate) async fn key_insert(
        &self,
        work: &mut Work,
        RequestKey { scope, key, digest }: &RequestKey,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO idempotency (scope, key, digest, answer, at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(scope)
        .bind(key)
        .bind(digest)
        .bind(answer)
        .bind(now.as_microsecond())
        .execute(&mut **work)
        .await
        .map_err(|error| match error.as_database_error() {
            // By a request for something else: one for the same is found before.
            Some(database) if database.is_unique_violation() => {
                Decline::KeyReused { key: key.clone() }.into()
            }
            _ => self.error(&error),
        })?;
        Ok(())
    }

    /// Forgets request keys from before `until`: who repeats a request does it soon.
    pub async fn idempotency_forget(&self, until: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query("DELETE FROM idempotency WHERE at < $1")
            .bind(until.as_microsecond())
            .execute(self.pool())
            .await
            .map_err(|error| self.error(&error))?;
        Ok(forgotten.rows_affected())
    }

    /// The offer in the version it is sold in now, or in a version that was sold.
    pub(super) async fn version_sold(
        &self,
        work: &mut Work,
        ground: &Ground,
        offer: &str,
    ) -> Result<Arc<Version>, StoreError> {
        let none = || Decline::NoOffer { offer: offer.to_owned() };
        if offer.contains('@') {
            let version = self.offer_version_find(work, offer).await?;
            return Ok(version.ok_or_else(none)?);
        }
        let version = ground.version(offer).ok_or_else(none)?;
        self.version_insert(work, &version).await?;
        Ok(version)
    }

    /// When this was called, as exact as it is remembered.
    pub(super) fn moment(&self) -> Timestamp {
        self.now()
    }
}

/// The words that customers choose freely are as long as words are, and can be shown.
fn check_words(request: &OrderRequest) -> Result<(), Decline> {
    let is_word = |word: &str, most: usize| {
        (1..=most).contains(&word.chars().count()) && !word.chars().any(char::is_control)
    };
    if request.client_ref.as_deref().is_some_and(|own| !is_word(own, 128)) {
        let why = "a `client_ref` has 1 to 128 characters that can be printed";
        return Err(unfit("client_ref", why));
    }
    if request.key.as_ref().is_some_and(|key| !is_word(&key.key, 255)) {
        let why = "an idempotency key has 1 to 255 characters that can be printed";
        return Err(unfit("key", why));
    }
    Ok(())
}

/// What was chosen does not fit.
pub(crate) fn unfit(field: &'static str, why: &str) -> Decline {
    Decline::Unfit { field, why: why.to_owned() }
}

pub(super) fn order_of(
    request: &OrderRequest,
    instance: Instance,
    need: Need,
    (currency, discount, zone): (Option<lessor_specs::Currency>, Option<Discount>, String),
    now: Timestamp,
) -> Order {
    Order {
        id: ident("ord", now),
        tenant: request.tenant.clone(),
        name: request.name.clone(),
        client_ref: request.client_ref.clone(),
        instance,
        need,
        discount,
        zone,
        currency,
        running: !request.stopped,
        phase: OrderPhase::Pending,
        reasons: std::collections::BTreeSet::new(),
        why: None,
        host: None,
        promised: Promise::default(),
        placed_by: request.by.as_str().to_owned(),
        placed_at: now,
        anchored_at: None,
        owes: false,
        dunning: None,
        ended_by: None,
        retain_until: None,
        ended_at: None,
        cleared_at: None,
        version: 1,
        turns: Vec::new(),
        progress: Progress::default(),
    }
}
