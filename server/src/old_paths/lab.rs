//! Machines of a lab: which can be had, who has which, and registering some.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lessor_engine::Clock as _;
use lessor_providers::shown_host_key;
use lessor_specs::kinds;
use lessor_store::{Machine, MachineState, ReservationFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::{Json, Path, Query};
use crate::orders::show::seen_tenant;
use crate::pools::machines::{NewMachineBody, check, forget, put};
use crate::{Caller, Problem, ProblemKind, Services};

/// How many are listed at most: these answers have no pages.
const MOST: u32 = 10_000;

/// A machine that can be had.
#[derive(Serialize, ToSchema)]
pub(crate) struct Available {
    /// What it is called.
    name: String,
    /// Its pool.
    pool: String,
}

/// A machine that somebody has.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// The reservation.
    id: String,
    /// The machine.
    name: String,
    /// Whose it is.
    tenant: String,
    /// From when on.
    #[schema(format = DateTime)]
    reserved_at: Option<String>,
    /// Until when.
    #[schema(format = DateTime)]
    reserved_until: Option<String>,
    /// How many seconds are left.
    #[schema(minimum = 0)]
    remaining_s: i64,
}

/// A machine, and how it is reached. What lets us in is never shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct Known {
    /// What it is called.
    name: String,
    /// Its host name or address; `null` where it is a container.
    host: Option<String>,
    /// The port of its ssh server; `null` where it is a container.
    port: Option<u16>,
    /// Who we are there; `null` where it is a container.
    user: Option<String>,
    /// Its pool.
    pool: String,
    /// `free`, `reserved`, `cleaning`, `quarantined` or `cordoned`.
    status: &'static str,
}

/// A machine that is to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMachine {
    /// What it is called.
    #[schema(min_length = 1, max_length = 40)]
    name: String,
    /// Its host name or address.
    #[schema(min_length = 1, max_length = 253)]
    host: String,
    /// Where its ssh server listens; 22 unless said.
    #[schema(minimum = 1, maximum = 65535)]
    port: Option<u16>,
    /// Who we are there; `root` unless said.
    user: Option<String>,
    /// Our password there. It is never shown again.
    #[schema(write_only, min_length = 1, max_length = 16384)]
    password: String,
    /// The fingerprint of its ssh key; that which it shows now unless said.
    host_key: Option<String>,
    /// Its pool; may be left out where there is just one of such machines.
    pool: Option<String>,
}

/// A machine that was registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    /// What it is called.
    name: String,
    /// Its pool.
    pool: String,
    /// The fingerprint of the key that it has to show from now on: compare it.
    host_key: String,
    /// `quarantined` until it was found well.
    status: &'static str,
}

/// A machine that is registered no more.
#[derive(Serialize, ToSchema)]
pub(crate) struct Forgotten {
    /// What it was called.
    name: String,
    /// `deleted`: whoever has it keeps it until then.
    status: &'static str,
}

/// Whose machines.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReservedQuery {
    /// Whose; only the platform may leave it out, and a key of a tenant.
    tenant: Option<String>,
}

/// The machines that can be had right now.
#[utoipa::path(get, path = "/available", tag = "old paths", responses((status = 200, body = Vec<Available>)))]
pub(crate) async fn available(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Vec<Available>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let machines = services.store.machine_list(None, None, MOST).await?;
    let free = machines.into_iter().filter(|(_, state)| *state == MachineState::Free);
    let free = free.map(|(Machine { name, pool, .. }, _)| Available { name, pool });
    Ok(Answer(free.collect()))
}

/// The machines that are reserved, be it from later on.
#[utoipa::path(get, path = "/reservations", tag = "old paths", params(ReservedQuery), responses((status = 200, body = Vec<Taken>)))]
pub(crate) async fn reservations(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<ReservedQuery>,
) -> Result<Answer<Vec<Taken>>, Problem> {
    let permission = Permission::ReservationsRead;
    let tenant = seen_tenant(&services, &caller, query.tenant, permission).await?;
    let filter = ReservationFilter { tenant, phase: None, open: true, before: None };
    let found = services.store.reservation_list(&filter, MOST).await?;
    let ids: Vec<_> = found.iter().map(|one| one.id.as_str()).collect();
    let bookings = services.store.booking_list_of(&ids).await?;
    let now = services.store.now();
    let reserved = found.iter().flat_map(|reservation| {
        let own = bookings.get(&reservation.id).into_iter().flatten();
        own.map(|booking| Taken {
            id: reservation.id.clone(),
            name: booking.machine.clone(),
            tenant: reservation.tenant.clone(),
            reserved_at: reservation.window.map(|window| window.start.to_string()),
            reserved_until: reservation.window.map(|window| window.end.to_string()),
            remaining_s: reservation.remaining_s(now),
        })
    });
    Ok(Answer(reserved.collect()))
}

/// All machines.
#[utoipa::path(get, path = "/machines", tag = "old paths", responses((status = 200, body = Vec<Known>)))]
pub(crate) async fn machines(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Vec<Known>>, Problem> {
    caller.on_platform(Permission::PoolsRead)?;
    let machines = services.store.machine_list(None, None, MOST).await?;
    let mut places = services.store.machine_places().await?;
    let specs = services.catalogue.read(&services.store).await?.specs;
    let known = machines.into_iter().map(|(machine, state)| {
        let Machine { name, pool, .. } = machine;
        let declared = specs.machine.get(&name);
        let declared = declared.map(|one| (one.host.clone(), one.port, one.user.clone()));
        let registered = places.remove(&name).map(|place| (place.host, place.port, place.user));
        let (host, port, user) = match declared.or(registered) {
            Some((host, port, user)) => (Some(host), Some(port), Some(user)),
            None => (None, None, None),
        };
        Known { name, host, port, user, pool, status: state.as_str() }
    });
    Ok(Answer(known.collect()))
}

/// Registers a machine. Unless it is said which key it has, the one that it shows is believed.
#[utoipa::path(post, path = "/machines", tag = "old paths", request_body = NewMachine, responses((status = 201, body = Registered)))]
pub(crate) async fn register(
    State(services): State<Services>,
    caller: Caller,
    Json(new): Json<NewMachine>,
) -> Result<(StatusCode, Answer<Registered>), Problem> {
    caller.on_platform(Permission::PoolsWrite)?;
    let specs = services.catalogue.read(&services.store).await?.specs;
    let mut pools = specs.pool.iter().filter(|(_, pool)| is_entered_by_ssh(pool));
    let pool = match &new.pool {
        Some(named) => pools.find(|(name, _)| *name == named),
        None => pools.next().filter(|_| pools.next().is_none()),
    };
    let expected = "expected the name of a pool whose machines are entered by ssh";
    let (pool, _) = pool.ok_or_else(|| Problem::field("/pool", expected))?;
    let mut body = NewMachineBody {
        name: new.name,
        host: new.host,
        port: new.port.unwrap_or(22),
        user: new.user.unwrap_or_else(|| "root".into()),
        host_key: String::new(),
        credential: new.password,
        labels: BTreeMap::new(),
    };
    check(&body)?;
    body.host_key = match new.host_key {
        Some(said) => said,
        None => key_of(&services, &body).await?,
    };
    let host_key = body.host_key.clone();
    let (machine, state) = put(&services, &caller, pool, body).await?;
    let Machine { name, pool, .. } = machine;
    let registered = Registered { name, pool, host_key, status: state.as_str() };
    Ok((StatusCode::CREATED, Answer(registered)))
}

/// The key by which a machine is known, or else the one that it shows. One that is known stays: that
/// somebody registers it again does not say that another key is right.
async fn key_of(services: &Services, new: &NewMachineBody) -> Result<String, Problem> {
    let known = services.store.machine_login(&new.name).await?;
    let known = known.filter(|known| (&known.host, known.port) == (&new.host, new.port));
    if let Some(host_key) = known.and_then(|known| known.host_key) {
        return Ok(host_key);
    }
    let shown = shown_host_key(&new.host, new.port).await;
    let shown = shown.map(|shown| shown.to_string());
    shown.map_err(|why| Problem::field("/host", format!("it shows no key: {why}")))
}

/// Forgets a machine that was registered.
#[utoipa::path(delete, path = "/machines/{name}", tag = "old paths", params(("name" = String, Path, description = "What it is called")), responses((status = 200, body = Forgotten)))]
pub(crate) async fn unregister(
    State(services): State<Services>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<Forgotten>, Problem> {
    caller.on_platform(Permission::PoolsWrite)?;
    services.store.machine_show(&name).await?.ok_or_else(Problem::not_found)?;
    forget(&services, &caller, &name).await?;
    Ok(Answer(Forgotten { name, status: "deleted" }))
}

/// Reserved a machine, once. Nothing is changed by a GET any more.
#[utoipa::path(get, path = "/reserve", tag = "old paths", responses((status = 405, description = "`Link` says where", body = crate::problem::ProblemBody, content_type = "application/problem+json")))]
pub(crate) async fn reserve(
    State(services): State<Services>,
    _caller: Caller,
) -> Result<Response, Problem> {
    moved(&services, "reservations").await
}

/// Took back all machines, once. Nothing is changed by a GET any more.
#[utoipa::path(get, path = "/release_all", tag = "old paths", responses((status = 405, description = "`Link` says where", body = crate::problem::ProblemBody, content_type = "application/problem+json")))]
pub(crate) async fn release_all(
    State(services): State<Services>,
    _caller: Caller,
) -> Result<Response, Problem> {
    moved(&services, "actions").await
}

/// Which call does now what a GET did: of the only pool, or of any.
async fn moved(services: &Services, call: &str) -> Result<Response, Problem> {
    let specs = services.catalogue.read(&services.store).await?.specs;
    let mut pools = specs.pool.keys();
    let only = pools.next().filter(|_| pools.next().is_none());
    let path = only.map_or_else(|| "/v1/pools".into(), |pool| format!("/v1/pools/{pool}/{call}"));
    let detail = format!("a GET changes nothing; call `POST /v1/pools/{{pool}}/{call}`");
    let problem = Problem::new(ProblemKind::MethodNotAllowed).detail(detail);
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    // Nothing at all can be done at this path.
    headers.insert(header::ALLOW, HeaderValue::from_static(""));
    let link = format!("<{path}>; rel=\"successor-version\"");
    headers.extend(HeaderValue::from_str(&link).ok().map(|link| (header::LINK, link)));
    Ok(response)
}

fn is_entered_by_ssh(pool: &kinds::Pool) -> bool {
    !pool.is_made() && pool.access == kinds::Access::Ssh
}
