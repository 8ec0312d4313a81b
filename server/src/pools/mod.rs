//! Pools of machines, and reserving them for a while.
//!
//! In reading order: what is shown (here), pools and how many machines there are to have ([`pool`]), the
//! machines in them ([`machines`]), reserving some ([`reserve`]), and what becomes of that
//! ([`reservations`]).

pub(crate) mod machines;
pub(crate) mod pool;
pub(crate) mod reservations;
pub(crate) mod reserve;

use lessor_engine::Clock as _;
use lessor_specs::kinds::Pool;
use lessor_specs::{Address, Kind, Specs};
use lessor_store::{MachineBooking as Booking, Reservation};
use serde::Serialize;
use utoipa::ToSchema;

use crate::machines::account_name;
use crate::{Problem, Services};

/// A reservation, as it stands.
#[derive(Serialize, ToSchema)]
pub struct ReservationShown {
    /// Its id.
    id: String,
    /// Whose it is.
    tenant: String,
    /// The offer.
    offer: String,
    /// Which pools its machines come from.
    pools: Vec<String>,
    /// What its machines have to have.
    labels: std::collections::BTreeMap<String, String>,
    /// How many machines: wanted while it waits, had from then on.
    count: u32,
    /// With how many it is content.
    min_count: u32,
    /// How far it is: `queued`, `booked`, `active`, `ended`, `released`, `canceled` or `expired`.
    phase: String,
    /// Its first moment; `null` while it waits.
    #[schema(format = DateTime)]
    start_at: Option<String>,
    /// The first moment behind it; `null` while it waits.
    #[schema(format = DateTime)]
    end_at: Option<String>,
    /// How many seconds are left of it: all of them before it begins, none once it is over.
    #[schema(minimum = 0)]
    remaining_s: i64,
    /// Until when it waits for machines.
    #[schema(format = DateTime)]
    wait_until: Option<String>,
    /// Its machines.
    machines: Vec<ReservedShown>,
    /// What each machine costs for an hour; `null` when it is free.
    hourly: Option<String>,
    /// The currency of that.
    currency: Option<String>,
    /// Why it is over, when nobody wished so.
    problem: Option<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    placed_at: String,
    /// When it was over.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// A machine of a reservation, and how one gets there.
#[derive(Serialize, ToSchema)]
pub struct ReservedShown {
    /// The machine.
    machine: String,
    /// Its pool.
    pool: String,
    /// How far it is: `booked`, `granting`, `granted`, `revoking`, `cleaning`, `quarantined` or `done`.
    phase: String,
    /// Its host name or address; `null` where it is a container: then that of whoever runs it.
    host: Option<String>,
    /// The port of its ssh server; `null` where there is none.
    port: Option<u16>,
    /// Whom to log in as, once it is `granted`.
    user: Option<String>,
    /// What went wrong last.
    problem: Option<String>,
}

impl ReservationShown {
    /// As the API shows it.
    pub(crate) fn of(
        reservation: &Reservation,
        machines: Vec<ReservedShown>,
        now: jiff::Timestamp,
    ) -> Self {
        let window = reservation.window;
        let hourly = reservation.terms.hourly;
        ReservationShown {
            id: reservation.id.clone(),
            tenant: reservation.tenant.clone(),
            offer: crate::orders::plain(&reservation.offer).to_owned(),
            pools: reservation.pools.clone(),
            labels: reservation.labels.clone(),
            count: reservation.count,
            min_count: reservation.min_count,
            phase: reservation.phase.to_string(),
            start_at: window.map(|window| window.start.to_string()),
            end_at: window.map(|window| window.end.to_string()),
            remaining_s: reservation.remaining_s(now),
            wait_until: reservation.wait_until.map(|at| at.to_string()),
            machines,
            hourly: hourly.map(|(_, hourly)| hourly.to_string()),
            currency: hourly.map(|(currency, _)| currency.to_string()),
            problem: reservation.why.clone(),
            placed_at: reservation.placed_at.to_string(),
            ended_at: reservation.ended_at.map(|at| at.to_string()),
        }
    }
}

/// A reservation with its machines, and how one gets there.
pub(crate) async fn shown(
    services: &Services,
    reservation: &Reservation,
) -> Result<ReservationShown, Problem> {
    let bookings = services.store.booking_list(&reservation.id).await?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let mut machines = Vec::with_capacity(bookings.len());
    for booking in &bookings {
        machines.push(reserved(services, &catalogue.specs, reservation, booking).await?);
    }
    Ok(ReservationShown::of(reservation, machines, services.store.now()))
}

async fn reserved(
    services: &Services,
    specs: &Specs,
    reservation: &Reservation,
    booking: &Booking,
) -> Result<ReservedShown, Problem> {
    // Where a machine is, nobody has to know before, or any longer.
    let is_within = reservation.is_within(services.store.now());
    let (host, port) =
        if is_within { reached_at(services, specs, &booking.machine).await? } else { (None, None) };
    let pool = specs.pool.get(&booking.pool).filter(|_| is_within);
    let user = pool.and_then(|pool: &Pool| account_name(pool.user_prefix(), &reservation.id).ok());
    Ok(ReservedShown {
        machine: booking.machine.clone(),
        pool: booking.pool.clone(),
        phase: booking.phase.to_string(),
        host,
        port,
        user: user.map(|user| user.to_string()),
        problem: booking.why.clone(),
    })
}

/// Where the ssh server of a machine is.
async fn reached_at(
    services: &Services,
    specs: &Specs,
    machine: &str,
) -> Result<(Option<String>, Option<u16>), Problem> {
    if let Some(entry) = specs.machine.get(machine) {
        return Ok((Some(entry.host.clone()), Some(entry.port)));
    }
    if let Some(login) = services.store.machine_login(machine).await? {
        return Ok((Some(login.host), Some(login.port)));
    }
    let claims = services.store.claim_of(&Address::new(Kind::Machine, machine)).await?;
    let port = claims.iter().find_map(|(_, port)| port.parse().ok());
    Ok((None, port))
}
