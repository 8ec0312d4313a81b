//! What becomes of a reservation.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use lessor_specs::Duration;
use lessor_store::{Reservation, ReservationEvent, ReservationFilter, ReservationPhase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ReservationShown;
use crate::access::Permission;
use crate::extract::{Json, Path, Query, etag};
use crate::orders::show::seen_tenant;
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, Services};

/// Which reservations.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReservationQuery {
    /// Of this tenant. Only the platform may leave it out, and a key of a tenant.
    tenant: Option<String>,
    /// In this phase.
    #[param(pattern = "^(queued|booked|active|ended|released|canceled|expired)$")]
    phase: Option<String>,
    /// How many items at most; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
}

/// By how much a reservation is made longer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extension {
    /// Such as `30m`.
    #[schema(value_type = String, pattern = "^[0-9]+(s|m|h|d)$")]
    extend: Duration,
}

/// Something that happened to a reservation.
#[derive(Serialize, ToSchema)]
pub struct ReservationEventShown {
    /// Its id.
    id: String,
    /// Its number among those of the reservation.
    number: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What.
    kind: &'static str,
    /// How far the reservation was from then on.
    phase: String,
    /// More about it.
    data: Value,
}

impl ReservationEventShown {
    /// As the API shows it.
    pub fn of(event: &ReservationEvent) -> Self {
        ReservationEventShown {
            id: event.id.clone(),
            number: event.number,
            at: event.at.to_string(),
            kind: event.kind.as_str(),
            phase: event.phase.to_string(),
            data: event.data.clone(),
        }
    }
}

/// Reservations, the newest first. How one gets into the machines of one is told where it is asked for
/// alone.
#[utoipa::path(get, path = "/v1/reservations", tag = "reservations", params(ReservationQuery), responses((status = 200, body = Page<ReservationShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<ReservationQuery>,
) -> Result<Answer<Page<ReservationShown>>, Problem> {
    let ReservationQuery { tenant, phase, limit, cursor } = query;
    let page = PageQuery { limit, cursor };
    let tenant = seen_tenant(&services, &caller, tenant, Permission::ReservationsRead).await?;
    let phase: Option<ReservationPhase> = phase
        .map(|phase| phase.parse().map_err(|_| Problem::parameter("phase", "expected a phase")))
        .transpose()?;
    let filter = ReservationFilter { tenant, phase, open: false, before: page.after()? };
    let found = services.store.reservation_list(&filter, page.fetch()?).await?;
    let Page { items, next } = page.page(found, |one| one.id.clone(), Clone::clone)?;
    Ok(Answer(Page { items: ReservationShown::listed(&services.store, &items).await?, next }))
}

/// A reservation, with its machines and how one gets there.
#[utoipa::path(get, path = "/v1/reservations/{reservation}", tag = "reservations", params(("reservation" = String, Path, description = "Its id")), responses((status = 200, body = ReservationShown)))]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let reservation = find(&services, &caller, &id, Permission::ReservationsRead).await?;
    answer(&services, &reservation).await
}

/// What happened to a reservation, in order.
#[utoipa::path(get, path = "/v1/reservations/{reservation}/events", tag = "reservations", params(("reservation" = String, Path, description = "Its id"), PageQuery), responses((status = 200, body = Page<ReservationEventShown>)))]
pub(crate) async fn events(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ReservationEventShown>>, Problem> {
    let reservation = find(&services, &caller, &id, Permission::ReservationsRead).await?;
    let (after, fetch) = (page.after_parsed()?.unwrap_or_default(), page.fetch()?);
    let events = services.store.reservation_events(&reservation.id, after, fetch).await?;
    let number = |event: &ReservationEvent| event.number.to_string();
    Ok(Answer(page.page(events, number, ReservationEventShown::of)?))
}

/// Makes a reservation longer, on all its machines or not at all. What that costs is paid now.
#[utoipa::path(patch, path = "/v1/reservations/{reservation}", tag = "reservations", params(("reservation" = String, Path, description = "Its id")), request_body = Extension, responses((status = 200, body = ReservationShown)))]
pub(crate) async fn extend(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Extension { extend }): Json<Extension>,
) -> Result<impl IntoResponse, Problem> {
    let found = find(&services, &caller, &id, Permission::ReservationsWrite).await?;
    let store = &services.store;
    let longer = store.reservation_extend(&found.id, extend.seconds(), &caller.actor()).await?;
    services.machines_moved.notify_one();
    answer(&services, &longer).await
}

/// Gives a reservation back. What was not begun of it is paid back.
#[utoipa::path(delete, path = "/v1/reservations/{reservation}", tag = "reservations", params(("reservation" = String, Path, description = "Its id")), responses((status = 200, body = ReservationShown)))]
pub(crate) async fn release(
    State(services): State<Services>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let found = find(&services, &caller, &id, Permission::ReservationsWrite).await?;
    let released = services.store.reservation_release(&found.id, &caller.actor()).await?;
    services.machines_moved.notify_one();
    answer(&services, &released).await
}

/// A reservation that the caller may do that with. One of others is answered like one that is not
/// there.
async fn find(
    services: &Services,
    caller: &Caller,
    id: &str,
    permission: Permission,
) -> Result<Reservation, Problem> {
    let found = services.store.reservation_show(id).await?.ok_or_else(Problem::not_found)?;
    caller.in_tenant(services, &found.tenant, permission).await?;
    Ok(found)
}

async fn answer(
    services: &Services,
    reservation: &Reservation,
) -> Result<impl IntoResponse + use<>, Problem> {
    let version = etag(i64::try_from(reservation.version).unwrap_or(i64::MAX));
    let specs = services.catalogue.read(&services.store).await?.specs;
    Ok((version, Answer(ReservationShown::whole(&services.store, &specs, reservation).await?)))
}
