//! Reserving machines.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use lessor_specs::{Duration, is_login_key};
use lessor_store::{RequestKey, ReservationRequest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ReservationShown;
use crate::access::Permission;
use crate::extract::{Idempotent, Path, etag};
use crate::orders::tenant_of;
use crate::{Caller, Problem, Services};

/// What is to be reserved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReservation {
    /// Who reserves; may be left out by a key of a tenant.
    tenant: Option<String>,
    /// The offer; may be left out where just one has machines of this pool.
    offer: Option<String>,
    /// How many machines; one unless said.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    count: u32,
    /// With how many one is content; all of them unless said.
    #[schema(minimum = 1, maximum = 1000)]
    min_count: Option<u32>,
    /// How long, such as `90m`; as the offer says it, or an hour, unless said.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(s|m|h|d)$")]
    duration: Option<Duration>,
    /// From when on; from now on unless said.
    #[schema(value_type = Option<String>, format = DateTime)]
    start: Option<String>,
    /// Whether one waits where there are too few.
    #[serde(default)]
    queue: bool,
    /// For how long one waits at most; an hour unless said.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(s|m|h|d)$")]
    wait: Option<Duration>,
    /// What the machines have to have.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Whether a password is made that may log in as well, where the offer allows it.
    #[serde(default)]
    password: bool,
    /// The public key that may log in, as in `authorized_keys`.
    #[schema(max_length = 8192)]
    key: String,
}

/// For how long one waits unless said, in seconds.
const WAIT: i64 = 3_600;

/// Reserves machines of a pool: all that are wanted or as many as one is content with, or none.
#[utoipa::path(post, path = "/v1/pools/{pool}/reservations", tag = "reservations", params(("pool" = String, Path, description = "Its name"), ("Idempotency-Key" = String, Header, pattern = "^[!-~]{1,255}$", description = "Your own name for this request: with the same one, it counts once")), request_body = NewReservation, responses((status = 201, body = ReservationShown)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Path(pool): Path<String>,
    Idempotent { key, digest, body }: Idempotent<NewReservation>,
) -> Result<impl IntoResponse, Problem> {
    let tenant = tenant_of(&caller, body.tenant.clone())?;
    caller.in_tenant(&services, &tenant, Permission::ReservationsWrite).await?;
    let specs = services.catalogue.read(&services.store).await?.specs;
    if !specs.pool.contains_key(&pool) {
        return Err(Problem::not_found());
    }
    let store = &services.store;
    let (offer, terms) = store.machines_sold(&pool, body.offer.as_deref(), &tenant).await?;
    if !is_login_key(&body.key) {
        let expected = "expected a line of `authorized_keys`, such as `ssh-ed25519 AAAA…`";
        return Err(Problem::field("/key", expected));
    }
    let scope = caller.name();
    let request = ReservationRequest {
        tenant,
        offer,
        pools: vec![pool],
        terms,
        labels: body.labels,
        count: body.count,
        min_count: body.min_count,
        seconds: body.duration.map(Duration::seconds),
        start: body.start.as_deref().map(start).transpose()?,
        wait_s: body.queue.then(|| body.wait.map_or(WAIT, Duration::seconds)),
        ssh_key: Some(body.key),
        password: body.password,
        key: Some(RequestKey { scope, key, digest }),
        by: caller.actor(),
    };
    let reserved = store.reservation_place(&request).await?;
    services.machines_moved.notify_one();
    let reservation = &reserved.reservation;
    let location = [(header::LOCATION, format!("/v1/reservations/{}", reservation.id))];
    let repeated = HeaderName::from_static("idempotency-replayed");
    let repeated = [(repeated, if reserved.repeated { "true" } else { "false" })];
    let version = etag(i64::try_from(reservation.version).unwrap_or(i64::MAX));
    let body = ReservationShown::placed(store, &specs, reservation).await?;
    Ok((StatusCode::CREATED, location, repeated, version, Answer(body)))
}

fn start(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| Problem::field("/start", "expected a time, as RFC 3339 writes it"))
}

fn one() -> u32 {
    1
}
