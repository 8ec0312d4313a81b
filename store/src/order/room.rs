//! What an order is given: a host, ports, a network, addresses.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lessor_engine::{AllocateError, Amount, Given, Limit, Placement, Placer, Promised};
use lessor_plans::{Claim, ClaimKey, Taken};
use lessor_specs::orders::Version;
use lessor_specs::{Address, Kind, Orders};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::desk::{Gathered, Ground};
use super::{Need, Order, wishes};
use crate::row::{self, Columns};
use crate::work::{Work, insert};
use crate::{Decline, Store, StoreError};

/// What an order is given, or why there is nothing.
pub(super) type Room = Result<Placement, Decline>;

/// What an order is promised on its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promise {
    cpu: i64,
    memory: i64,
    disk: i64,
}

impl Promise {
    pub(super) fn of(amount: Amount) -> Self {
        Promise {
            cpu: row::column(amount.cpu),
            memory: row::column(amount.memory),
            disk: row::column(amount.disk),
        }
    }

    pub(super) fn plus(self, other: Promise) -> Promise {
        Promise {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            disk: self.disk.saturating_add(other.disk),
        }
    }

    fn since(self, before: Promise) -> Promise {
        Promise {
            cpu: self.cpu.saturating_sub(before.cpu),
            memory: self.memory.saturating_sub(before.memory),
            disk: self.disk.saturating_sub(before.disk),
        }
    }

    fn amount(self) -> Amount {
        let part = |part: i64| u64::try_from(part).unwrap_or_default();
        Amount { cpu: part(self.cpu), memory: part(self.memory), disk: part(self.disk) }
    }

    pub(super) fn read(row: &impl Columns) -> Result<Self, row::Misread> {
        Ok(Promise {
            cpu: row::number(row, "cpu")?,
            memory: row::number(row, "memory")?,
            disk: row::number(row, "disk")?,
        })
    }
}

/// What each of these orders is given, one after the other. What one is given is taken for the next.
pub(super) fn rooms(
    ground: &Ground,
    gathered: &Gathered,
    orders: &[(&Order, &Version)],
    now: Timestamp,
) -> Vec<Room> {
    let (specs, fits) = match merged(ground, gathered, orders, now) {
        Ok(specs) => (specs, vec![Ok(()); orders.len()]),
        // One that does not fit is no reason to turn the others away.
        Err(decline) if orders.len() == 1 => return vec![Err(decline)],
        Err(_) => {
            let alone = |order| merged(ground, gathered, &[order], now).map(drop);
            let fits: Vec<_> = orders.iter().map(|order| alone(*order)).collect();
            let good = orders.iter().zip(&fits).filter(|(_, fits)| fits.is_ok());
            let good: Vec<_> = good.map(|(order, _)| *order).collect();
            match merged(ground, gathered, &good, now) {
                Ok(specs) => (specs, fits),
                Err(decline) => return orders.iter().map(|_| Err(decline.clone())).collect(),
            }
        }
    };
    let given = gathered.given(&Promise::default(), None);
    let mut placer = Placer::new(&specs, &given);
    let place = |((order, _), fits): (&(&Order, &Version), Result<(), Decline>)| {
        fits?;
        placer.place(&order.full_name()).map_err(|error| exhausted(&error))
    };
    orders.iter().zip(fits).map(place).collect()
}

/// What was applied with these orders beside it.
pub(super) fn merged(
    ground: &Ground,
    gathered: &Gathered,
    orders: &[(&Order, &Version)],
    now: Timestamp,
) -> Result<lessor_specs::Specs, Decline> {
    let mut beside = Orders::default();
    for (order, version) in orders {
        if !beside.offers.contains_key(&version.name) {
            beside.add_version((*version).clone());
        }
        beside.orders.insert(order.full_name(), wishes::entry_of(order));
        let tenant = gathered.tenant(&order.tenant);
        beside.tenants.extend(tenant.map(|tenant| (order.tenant.clone(), tenant)));
    }
    ground.specs.with_orders(&beside, now).map_err(|report| {
        // Whoever orders does not know the id yet.
        let ids = orders.iter().map(|(order, _)| format!(" (order `{}`)", order.id));
        let without = |text: String, id: String| text.replace(&id, "");
        let problems = report.diagnostics().iter().map(|problem| problem.message.as_str());
        let why = ids.fold(problems.collect::<Vec<_>>().join("; "), without);
        Decline::Unfit { field: "instance", why }
    })
}

fn exhausted(error: &AllocateError) -> Decline {
    let why = error.to_string();
    match error {
        AllocateError::NoAddressLeft { .. } => Decline::NetworkFull { why },
        _ => Decline::Exhausted { why },
    }
}

impl Gathered {
    /// What is given out, without what an order was promised itself.
    fn given(&self, own: &Promise, host: Option<&str>) -> Given {
        let mut promised = Promised::default();
        for (place, sum) in &self.promised {
            let own = if Some(place.as_str()) == host { *own } else { Promise::default() };
            if let Ok(address) = place.parse() {
                promised.add(address, sum.since(own).amount());
            }
        }
        Given::new(self.claims.clone(), self.taken.clone(), promised)
    }
}

impl Store {
    /// Remembers what others held at a connection when it was last seen in full.
    pub async fn taken_write(&self, place: &Address, taken: &Taken) -> Result<(), StoreError> {
        let at = self.moment().as_microsecond();
        let mut work = self.begin().await?;
        self.placement_advance(&mut work).await?;
        sqlx::query(
            "INSERT INTO taken (place, holds, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (place) DO UPDATE SET holds = excluded.holds, seen_at = excluded.seen_at",
        )
        .bind(place.to_string())
        .bind(super::read::text_of(taken))
        .bind(at)
        .execute(&mut *work)
        .await
        .map_err(|error| self.error(&error))?;
        self.commit(work).await
    }

    /// What others held at each connection when it was last seen in full.
    pub(super) async fn taken_list(
        &self,
        work: &mut Work,
    ) -> Result<BTreeMap<Address, Taken>, StoreError> {
        let rows = sqlx::query("SELECT place, holds FROM taken").fetch_all(&mut **work).await;
        let rows = rows.map_err(|error| self.error(&error))?;
        let taken = |row: &AnyRow| {
            let taken = serde_json::from_str(&row::text(row, "holds")?);
            let taken = taken.map_err(|why| row::Misread::new("holds", &why))?;
            Ok((row::parsed(row, "place")?, taken))
        };
        let taken = rows.iter().map(taken).collect::<Result<_, row::Misread>>();
        taken.map_err(|error| self.error(&error.into()))
    }

    /// What was promised on each host.
    pub(super) async fn promises(
        &self,
        work: &mut Work,
    ) -> Result<BTreeMap<String, Promise>, StoreError> {
        let rows = sqlx::query("SELECT * FROM promise").fetch_all(&mut **work).await;
        let rows = rows.map_err(|error| self.error(&error))?;
        let promise = |row: &AnyRow| Ok((row::text(row, "host")?, Promise::read(row)?));
        let promises = rows.iter().map(promise).collect::<Result<_, row::Misread>>();
        promises.map_err(|error| self.error(&error.into()))
    }

    /// Promises more on a host, while that stays within what may be promised there.
    pub(super) async fn promise_add(
        &self,
        work: &mut Work,
        host: &str,
        more: Promise,
        limit: Limit,
    ) -> Result<(), StoreError> {
        let most = |limit: Option<u64>| limit.map_or(i64::MAX, row::column);
        let room = |limit: i64, more: i64| if more > 0 { limit - more } else { i64::MAX };
        let opened = sqlx::query(
            "INSERT INTO promise (host, cpu, memory, disk) VALUES ($1, 0, 0, 0)
             ON CONFLICT (host) DO NOTHING",
        );
        let opened = opened.bind(host).execute(&mut **work).await;
        opened.map_err(|error| self.error(&error))?;
        let promised = sqlx::query(
            "UPDATE promise SET cpu = cpu + $1, memory = memory + $2, disk = disk + $3
             WHERE host = $4 AND cpu <= $5 AND memory <= $6 AND disk <= $7",
        )
        .bind(more.cpu)
        .bind(more.memory)
        .bind(more.disk)
        .bind(host)
        .bind(room(most(limit.cpu), more.cpu))
        .bind(room(most(limit.memory), more.memory))
        .bind(room(most(limit.disk), more.disk))
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        if promised.rows_affected() == 0 {
            let why = format!("there is no room for it on `{host}`");
            return Err(Decline::Exhausted { why }.into());
        }
        Ok(())
    }

    /// Takes back what an order was given, of which nothing is left.
    pub(super) async fn room_give_back(
        &self,
        work: &mut Work,
        order: &mut Order,
    ) -> Result<(), StoreError> {
        self.claims_give_back(work, order).await?;
        let Some(host) = order.host.take() else { return Ok(()) };
        let promised = std::mem::take(&mut order.promised);
        sqlx::query(
            "UPDATE promise SET cpu = cpu - $1, memory = memory - $2, disk = disk - $3
             WHERE host = $4",
        )
        .bind(promised.cpu)
        .bind(promised.memory)
        .bind(promised.disk)
        .bind(host)
        .execute(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Gives out what an order got.
    pub(super) async fn claim_add(
        &self,
        work: &mut Work,
        claims: &BTreeMap<ClaimKey, Claim>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let claims: Vec<_> = claims.iter().collect();
        let text = "INSERT INTO claim (pool, holder, value, sole, at) VALUES";
        let inserted = insert(work, text, 5, &claims, |query, (key, value)| {
            let query = query.bind(&key.pool).bind(&key.holder).bind(value.as_str());
            let sole = (!key.is_shared()).then_some(value.as_str());
            query.bind(sole).bind(now.as_microsecond())
        });
        inserted.await.map_err(|error| self.error(&error))
    }

    /// Of claims that a plan would give back, those that no order rests on which was placed since.
    pub(crate) async fn claims_over(
        &self,
        work: &mut Work,
        claims: &[ClaimKey],
    ) -> Result<Vec<ClaimKey>, StoreError> {
        let mut over = Vec::new();
        for key in claims {
            let is_needed = match renter_of(&key.holder) {
                Some((tenant, name)) => self.is_rented(work, &tenant, name.as_deref()).await?,
                None => false,
            };
            if !is_needed {
                over.push(key.clone());
            }
        }
        Ok(over)
    }

    async fn is_rented(
        &self,
        work: &mut Work,
        tenant: &str,
        name: Option<&str>,
    ) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "SELECT id FROM orders WHERE tenant = $1 AND ($2 = '' OR name = $2)
             AND phase NOT IN ('terminated', 'canceled', 'failed') LIMIT 1",
        )
        .bind(tenant)
        .bind(name.unwrap_or_default())
        .fetch_optional(&mut **work)
        .await
        .map_err(|error| self.error(&error))?;
        Ok(found.is_some())
    }

    /// Takes back what an order was given that nobody else has a part in. What came with its
    /// tenant stays until a plan finds that nobody needs it.
    async fn claims_give_back(&self, work: &mut Work, order: &Order) -> Result<(), StoreError> {
        let name = order.full_name();
        let holders = async {
            // A name holds nothing that a pattern would take for something else.
            let like = format!("%{name}%");
            let rows =
                sqlx::query("SELECT pool, holder FROM claim WHERE holder LIKE $1").bind(like);
            let rows = rows.fetch_all(&mut **work).await?;
            let key = |row: &AnyRow| {
                let (pool, holder) = (row::text(row, "pool")?, row::text(row, "holder")?);
                Ok(ClaimKey { pool, holder })
            };
            rows.iter().map(key).collect::<Result<Vec<_>, sqlx::Error>>()
        };
        let keys = holders.await.map_err(|error| self.error(&error))?;
        let own: Vec<_> = keys
            .into_iter()
            .filter(|key| instance_of(&key.holder).as_ref() == Some(&name))
            .collect();
        self.claim_delete(work, &own).await
    }

    /// Takes what an order needs more in its new size: of its quota, and of its host.
    pub(super) async fn resize_take(
        &self,
        work: &mut Work,
        (ground, gathered): (&Ground, &mut Gathered),
        order: &mut Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let version = self.offer_version(work, &order.instance.offer).await?;
        let need = Need::of(&version.offer, &order.instance);
        let more = need.since(order.need);
        let limit = self.quota_limit(work, ground, &order.tenant).await?;
        self.quota_take(work, &order.tenant, more, limit).await?;
        order.need = need;
        let specs = merged(ground, gathered, &[(order, &*version)], now)?;
        let given = gathered.given(&order.promised, order.host.as_deref());
        let placed = Placer::new(&specs, &given).place(&order.full_name());
        let placement = placed.map_err(|error| exhausted(&error))?;
        let host = placement.host.to_string();
        if order.host.as_ref().is_some_and(|here| *here != host) {
            let why = "it would have to move to another host".to_owned();
            return Err(Decline::Exhausted { why }.into());
        }
        let promised = Promise::of(placement.amount);
        self.promise_add(work, &host, promised.since(order.promised), placement.limit).await?;
        self.claim_add(work, &placement.claims, now).await?;
        (order.host, order.promised) = (Some(host), promised);
        Ok(())
    }
}

/// The tenant that a claim is for or comes with, and the name of the instance, where it is for one.
fn renter_of(holder: &str) -> Option<(String, Option<String>)> {
    if let Some(instance) = instance_of(holder) {
        let (tenant, name) = instance.split_once('/')?;
        return Some((tenant.to_owned(), Some(name.to_owned())));
    }
    let address: Address = holder.parse().ok()?;
    let mut parts = address.name().split('/');
    let tenant = match address.kind() {
        Kind::Tenant => parts.next(),
        // A rule that comes with a tenant: `firewall_rule.vlan_range/customers/acme/world`.
        Kind::FirewallRule if parts.next() == Some("vlan_range") => parts.nth(1),
        _ => None,
    };
    Some((tenant?.to_owned(), None))
}

/// The instance, `tenant/name`, that a claim is for or comes with; `None` where it is a tenant's.
fn instance_of(holder: &str) -> Option<String> {
    let address: Address = holder.split(':').next()?.parse().ok()?;
    let instance = if address.kind() == Kind::Instance { Some(address) } else { address.bringer() };
    let instance = instance.filter(|address| address.kind() == Kind::Instance)?;
    Some(instance.name().to_owned())
}
