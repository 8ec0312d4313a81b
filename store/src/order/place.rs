//! Placing an order: all of it in one transaction, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use lessor_billing::{Discount, Progress, Quote};
use lessor_engine::{Clock as _, Placement};
use lessor_plans::{Claim, ClaimKey};
use lessor_specs::kinds::Instance;
use lessor_specs::orders::Version;
use lessor_specs::{Currency, Kind, Money, OrderPhase, name_problem};

use super::batch::{Earlier, Written};
use super::desk::{Gathered, Ground};
use super::quote::Priced;
use super::read::orders_insert;
use super::{Need, Order, Promise, Promo, PromoTerms};
use crate::ident::ident;
use crate::work::{Work, insert, keep, mark, take_back};
use crate::{Actor, Decline, Store, StoreError};

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

impl Draft<'_> {
    /// What is promised for it.
    pub(super) fn held(&self) -> Option<(Currency, Money)> {
        let held = self.quote.as_ref().map(|quote| (quote.currency, quote.held));
        held.filter(|(_, held)| held.micros() > 0)
    }

    /// Whose promo code was used for it: the order is written then.
    pub(super) fn is_redeemed(&self) -> bool {
        self.redeemed.is_some()
    }

    /// Whether all it takes that somebody else may have is counted in a quota and a wallet, and kept: it
    /// has no promo code, its tenant no declared credit, and it is not only tried.
    pub(super) fn is_plain(&self, ground: &Ground) -> bool {
        let declared = ground.specs.tenant.get(&self.order.tenant);
        let has_lines = declared.is_some_and(|declared| !declared.credit.is_empty());
        !has_lines && !self.is_redeemed() && !self.request.dry_run
    }

    /// It, placed.
    pub(super) fn placed(&self, placement: &Placement) -> Placed {
        Placed {
            order: self.order.clone(),
            quote: self.quote.clone(),
            claims: placement.claims.clone(),
            repeated: false,
        }
    }
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
        (ground, gathered, earlier): (&Ground, &Gathered, &mut Earlier),
        request: &'r OrderRequest,
        now: Timestamp,
    ) -> Result<Sight<'r>, StoreError> {
        check_words(request)?;
        if let Some(placed) = earlier.answer(request)? {
            return Ok(Sight::Repeated(Box::new(placed)));
        }
        check_names(ground, gathered, earlier, request)?;
        let Priced { instance, version, currency, redeemed, quote } =
            self.priced(work, ground, request, now).await?;
        let discount = redeemed.as_ref().map(|redeemed| redeemed.discount.clone());
        let zone = gathered.zone(ground, &request.tenant);
        let need = Need::of(&version.offer, &instance);
        let order = order_of(request, instance, need, (currency, discount, zone), now);
        Ok(Sight::Draft(Box::new(Draft { request, order, version, quote, redeemed })))
    }

    /// Takes everything an order needs that somebody else may have, or nothing; what there is to write
    /// down of it then is left for the end of the batch.
    pub(super) async fn place(
        &self,
        work: &mut Work,
        (ground, written): (&Ground, &mut Written),
        draft: &Draft<'_>,
        placement: &Placement,
        now: Timestamp,
    ) -> Result<Placed, StoreError> {
        if draft.redeemed.is_some() {
            // Whether it is a first order is looked up among those that are written.
            self.batch_write(work, written, now).await?;
        }
        let marked = mark(work).await;
        marked.map_err(|error| self.error(&error))?;
        let taken = self.take(work, ground, draft, now).await;
        let is_kept = taken.is_ok() && !draft.request.dry_run;
        let ended = if is_kept { keep(work).await } else { take_back(work).await };
        ended.map_err(|error| self.error(&error))?;
        taken?;
        if is_kept {
            written.add(draft, placement, now);
        }
        Ok(draft.placed(placement))
    }

    /// Takes what orders need that somebody else may have, with a statement for all of them, and
    /// answers with the tenants it was taken for: each with all its orders here, or with none. Nothing
    /// is taken for the others.
    pub(super) async fn take_together(
        &self,
        work: &mut Work,
        ground: &Ground,
        drafts: &[&Draft<'_>],
    ) -> Result<BTreeSet<String>, StoreError> {
        // For one alone it would be no less.
        if drafts.len() < 2 {
            return Ok(BTreeSet::new());
        }
        let tenants = drafts.iter().map(|draft| draft.order.tenant.as_str()).collect();
        let limits = self.quota_limits(work, ground, &tenants).await?;
        let mut needs: BTreeMap<_, _> =
            limits.into_iter().map(|(tenant, limit)| (tenant, (Need::default(), limit))).collect();
        let mut amounts: BTreeMap<(&str, Currency), Money> = BTreeMap::new();
        for draft in drafts {
            let tenant = draft.order.tenant.as_str();
            if let Some((need, _)) = needs.get_mut(tenant) {
                *need = need.plus(draft.order.need);
            }
            if let Some((currency, held)) = draft.held() {
                let amount = amounts.entry((tenant, currency)).or_insert(Money::from_micros(0));
                // More than that nobody has.
                *amount = Money::from_micros(amount.micros().saturating_add(held.micros()));
            }
        }
        while !needs.is_empty() {
            mark(work).await.map_err(|error| self.error(&error))?;
            let short = self.take_or_name(work, &needs, &amounts).await?;
            let ended = if short.is_empty() { keep(work).await } else { take_back(work).await };
            ended.map_err(|error| self.error(&error))?;
            if short.is_empty() {
                return Ok(needs.into_keys().map(ToOwned::to_owned).collect());
            }
            needs.retain(|tenant, _| !short.contains(*tenant));
            amounts.retain(|(tenant, _), _| !short.contains(*tenant));
        }
        Ok(BTreeSet::new())
    }

    /// Takes all of it, or answers with tenants that cannot have it.
    async fn take_or_name(
        &self,
        work: &mut Work,
        needs: &BTreeMap<&str, (Need, Need)>,
        amounts: &BTreeMap<(&str, Currency), Money>,
    ) -> Result<BTreeSet<String>, StoreError> {
        self.quota_open_all(work, needs.keys().copied()).await?;
        let within = self.quota_take_all(work, needs).await?;
        if within.len() < needs.len() {
            let beyond = needs.keys().filter(|tenant| !within.contains(**tenant));
            return Ok(beyond.map(|tenant| (*tenant).to_owned()).collect());
        }
        let paid = self.wallet_hold_all(work, amounts).await?;
        let is_short =
            |tenant: &str, currency: Currency| !paid.contains(&(tenant.to_owned(), currency));
        let short = amounts.keys().filter(|(tenant, currency)| is_short(tenant, *currency));
        Ok(short.map(|(tenant, _)| (*tenant).to_owned()).collect())
    }

    async fn take(
        &self,
        work: &mut Work,
        ground: &Ground,
        draft: &Draft<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let order = &draft.order;
        let limit = self.quota_limit(work, ground, &order.tenant).await?;
        self.quota_take(work, &order.tenant, order.need, limit).await?;
        let declared = ground.specs.tenant.get(&order.tenant);
        if let Some(declared) = declared.filter(|declared| !declared.credit.is_empty()) {
            self.wallet_lines(work, &order.tenant, &declared.credit()).await?;
        }
        if let Some(held) = draft.held() {
            self.wallet_hold(work, &order.tenant, held).await?;
        }
        let Some(redeemed) = &draft.redeemed else { return Ok(()) };
        let inserted = orders_insert(work, std::slice::from_ref(order)).await;
        inserted.map_err(|error| self.error(&error))?;
        self.promo_take(work, redeemed, order, now).await
    }

    /// Remembers what was made of a request, so that the same request gets the same answer.
    pub(crate) async fn key_insert(
        &self,
        work: &mut Work,
        key: &RequestKey,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.keys_insert(work, &[(key.clone(), answer.to_owned())], now).await
    }

    /// As [`Store::key_insert`], of many requests.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when one of the keys came to be used meanwhile.
    pub(super) async fn keys_insert(
        &self,
        work: &mut Work,
        keys: &[(RequestKey, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = "INSERT INTO idempotency (scope, key, digest, answer, at) VALUES";
        let inserted = insert(work, text, 5, keys, |query, (key, answer)| {
            let query = query.bind(&key.scope).bind(&key.key).bind(&key.digest);
            query.bind(answer).bind(now.as_microsecond())
        });
        inserted.await.map_err(|error| match error.as_database_error() {
            Some(database) if database.is_unique_violation() => {
                StoreError::Contended { location: self.location().clone() }
            }
            _ => self.error(&error),
        })
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

fn check_names(
    ground: &Ground,
    gathered: &Gathered,
    earlier: &Earlier,
    request: &OrderRequest,
) -> Result<(), Decline> {
    let OrderRequest { tenant, .. } = request;
    let name = format!("{tenant}/{}", request.name);
    if !ground.specs.tenant.contains_key(tenant) && gathered.tenant(tenant).is_none() {
        return Err(Decline::NoTenant { tenant: tenant.clone() });
    }
    if let Some((client_ref, order)) = earlier.by_ref(request) {
        return Err(Decline::AlreadyPlaced { client_ref, order });
    }
    if earlier.has_name(request) || ground.specs.instance.contains_key(&name) {
        return Err(Decline::NameTaken { name });
    }
    Ok(())
}

/// The words that customers choose freely are as long as words are, and can be shown; a name is one.
pub(super) fn check_words(request: &OrderRequest) -> Result<(), Decline> {
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
    let name = format!("{}/{}", request.tenant, request.name);
    if let Some(why) = name_problem(Kind::Instance, &name) {
        return Err(unfit("name", &why));
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
    (currency, discount, zone): (Option<Currency>, Option<Discount>, String),
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
        reasons: BTreeSet::new(),
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
