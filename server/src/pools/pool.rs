//! Pools: how many machines there are to have, and what an operator does with all of them.

use axum::Json as Answer;
use axum::extract::State;
use lessor_specs::Specs;
use lessor_store::{Availability, PoolRelease};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::{Json, Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// A pool, and how many machines there are to have.
#[derive(Serialize, ToSchema)]
pub struct PoolShown {
    /// Its name.
    name: String,
    /// The offers that its machines are reserved by.
    offers: Vec<String>,
    /// All of its machines.
    machines: u32,
    /// Those that can be had right now.
    free: u32,
    /// Those that somebody has.
    reserved: u32,
    /// Those that are taken back from whoever had them.
    cleaning: u32,
    /// Those that were not found well: nobody gets them until they are.
    quarantined: u32,
    /// Those that are kept back.
    cordoned: u32,
    /// How many reservations wait for some.
    waiting: u32,
    /// When the next machines are free again and nobody else's, the soonest first.
    #[schema(value_type = Vec<String>)]
    next_free: Vec<String>,
    /// When this was so.
    #[schema(format = DateTime)]
    at: String,
}

/// Something to do with a pool.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolAction {
    /// `release-all`, `cordon` or `uncordon`.
    #[schema(pattern = "^(release-all|cordon|uncordon)$")]
    action: String,
    /// The machine that is kept back, or no longer.
    machine: Option<String>,
    /// What the same without it answered: it says that exactly these reservations are meant.
    token: Option<String>,
}

/// What taking back a whole pool comes to.
#[derive(Serialize, ToSchema)]
pub struct ReleaseShown {
    /// The reservations that are taken back, or would be.
    reservations: Vec<String>,
    /// What is to be sent to take back exactly these.
    token: String,
    /// Whether they were.
    done: bool,
}

impl PoolShown {
    /// As the API shows it.
    pub fn of(name: &str, specs: &Specs, found: &Availability) -> Self {
        let offers = specs.offer.iter().filter(|(_, offer)| offer.lends(name));
        let offers = offers.map(|(offer, _)| offer.clone()).collect();
        PoolShown {
            name: name.to_owned(),
            offers,
            machines: found.machines,
            free: found.free,
            reserved: found.reserved,
            cleaning: found.cleaning,
            quarantined: found.quarantined,
            cordoned: found.cordoned,
            waiting: found.waiting,
            next_free: found.next_free.iter().map(ToString::to_string).collect(),
            at: found.at.to_string(),
        }
    }
}

impl ReleaseShown {
    /// As the API shows it.
    pub fn of(release: PoolRelease) -> Self {
        let PoolRelease { reservations, token, done } = release;
        ReleaseShown { reservations, token, done }
    }
}

/// Pools, each with how many machines there are to have.
#[utoipa::path(get, path = "/v1/pools", tag = "pools", params(PageQuery), responses((status = 200, body = Page<PoolShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<PoolShown>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let (after, fetch) = (page.after()?.unwrap_or_default(), page.fetch()? as usize);
    let specs = services.catalogue.read(&services.store).await?.specs;
    let names = specs.pool.keys().filter(|name| **name > after).take(fetch).cloned().collect();
    let Page { items: names, next } = page.page(names, String::clone, String::clone)?;
    let mut items = Vec::with_capacity(names.len());
    for name in &names {
        items.push(found(&services, name).await?);
    }
    Ok(Answer(Page { items, next }))
}

/// A pool, and how many machines there are to have.
#[utoipa::path(get, path = "/v1/pools/{pool}", tag = "pools", params(("pool" = String, Path, description = "Its name")), responses((status = 200, body = PoolShown)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<PoolShown>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    known(&services, &name).await?;
    Ok(Answer(found(&services, &name).await?))
}

/// Takes back every reservation of a pool, or keeps a machine back. Whoever takes back a pool first
/// asks what that comes to, and then says that this is meant.
#[utoipa::path(post, path = "/v1/pools/{pool}/actions", tag = "pools", params(("pool" = String, Path, description = "Its name")), request_body = PoolAction, responses((status = 200, body = ReleaseShown)))]
pub(crate) async fn act(
    State(services): State<Services>,
    caller: Caller,
    Path(name): Path<String>,
    Json(action): Json<PoolAction>,
) -> Result<Answer<ReleaseShown>, Problem> {
    caller.on_platform(Permission::PoolsWrite)?;
    known(&services, &name).await?;
    let store = &services.store;
    let released = match (action.action.as_str(), action.machine) {
        ("release-all", None) => {
            store.pool_release(&name, action.token.as_deref(), &caller.actor()).await?
        }
        ("release-all", Some(_)) => {
            return Err(Problem::field("/machine", "all of the pool is taken back"));
        }
        (word @ ("cordon" | "uncordon"), Some(machine)) => {
            super::machines::of_pool(&services, &name, &machine).await?;
            store.machine_cordon(&machine, word == "cordon", &caller.actor()).await?;
            PoolRelease { reservations: Vec::new(), token: String::new(), done: true }
        }
        ("cordon" | "uncordon", None) => {
            return Err(Problem::field("/machine", "expected the name of a machine"));
        }
        _ => {
            let expected = "expected `release-all`, `cordon` or `uncordon`";
            return Err(Problem::field("/action", expected));
        }
    };
    services.machines_moved.notify_one();
    Ok(Answer(ReleaseShown::of(released)))
}

/// Nothing, if there is such a pool.
pub(super) async fn known(services: &Services, pool: &str) -> Result<(), Problem> {
    let catalogue = services.catalogue.read(&services.store).await?;
    if catalogue.specs.pool.contains_key(pool) { Ok(()) } else { Err(Problem::not_found()) }
}

async fn found(services: &Services, name: &str) -> Result<PoolShown, Problem> {
    let specs = services.catalogue.read(&services.store).await?.specs;
    let found = services.store.pool_availability(name).await?;
    Ok(PoolShown::of(name, &specs, &found))
}
