//! Pools of machines, and reserving them for a while.
//!
//! In reading order: what is shown (here), pools and how many machines there are to have ([`pool`]), the
//! machines in them ([`machines`]), reserving some ([`reserve`]), and what becomes of that
//! ([`reservations`]).

pub(crate) mod machines;
pub(crate) mod pool;
pub(crate) mod reservations;
pub(crate) mod reserve;

use std::collections::{BTreeMap, BTreeSet};

use lessor_engine::Clock as _;
use lessor_specs::kinds::Pool;
use lessor_specs::{Address, Kind, Specs};
use lessor_store::{MachineBooking as Booking, Reservation, Store, StoreError};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::machines::{account_name, password_of};

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
    labels: BTreeMap<String, String>,
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
    /// The password of its account on each machine, beside the key: told to whoever asked for one,
    /// and never again.
    password: Option<String>,
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
    /// Its host name or address, while its window is open and where one reservation is asked for;
    /// `null` where it is a container: then that of whoever runs it.
    host: Option<String>,
    /// The port of its ssh server; `null` where there is none.
    port: Option<u16>,
    /// Whom to log in as, once it is `granted`; as `host`.
    user: Option<String>,
    /// What went wrong last.
    problem: Option<String>,
}

impl ReservationShown {
    fn of(reservation: &Reservation, machines: Vec<ReservedShown>, now: jiff::Timestamp) -> Self {
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
            password: None,
            problem: reservation.why.clone(),
            placed_at: reservation.placed_at.to_string(),
            ended_at: reservation.ended_at.map(|at| at.to_string()),
        }
    }

    /// As the API shows one that is asked for alone: with how one gets into its machines.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn whole(
        store: &Store,
        specs: &Specs,
        reservation: &Reservation,
    ) -> Result<Self, StoreError> {
        let now = store.now();
        let mut bookings = store.booking_list(&reservation.id).await?;
        bookings.retain(|booking| booking.replaced_by.is_none());
        let mut machines: Vec<_> = bookings.iter().map(ReservedShown::of).collect();
        // Where a machine is, nobody has to know before, or any longer.
        if reservation.is_within(now) {
            let ports = ports(store, &bookings).await?;
            for machine in &mut machines {
                (machine.host, machine.port) = reached_at(store, specs, &ports, machine).await?;
                let pool = specs.pool.get(&machine.pool);
                let name = |pool: &Pool| account_name(pool.user_prefix(), &reservation.id).ok();
                machine.user = pool.and_then(name).map(|user| user.to_string());
            }
        }
        Ok(ReservationShown::of(reservation, machines, now))
    }

    /// As the API shows one to whoever has just reserved it: with its password, if it has one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn placed(
        store: &Store,
        specs: &Specs,
        reservation: &Reservation,
    ) -> Result<Self, StoreError> {
        let mut shown = ReservationShown::whole(store, specs, reservation).await?;
        if reservation.password {
            let password = password_of(store, &reservation.id).await?;
            shown.password = password.map(|password| password.expose_secret().to_owned());
        }
        Ok(shown)
    }

    /// As the API shows those of a list: without how one gets into their machines.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn listed(
        store: &Store,
        reservations: &[Reservation],
    ) -> Result<Vec<Self>, StoreError> {
        let now = store.now();
        let ids: Vec<_> = reservations.iter().map(|one| one.id.as_str()).collect();
        let bookings = store.booking_list_of(&ids).await?;
        let shown = reservations.iter().map(|reservation| {
            let own = bookings.get(&reservation.id).into_iter().flatten();
            let own = own.filter(|booking| booking.replaced_by.is_none());
            ReservationShown::of(reservation, own.map(ReservedShown::of).collect(), now)
        });
        Ok(shown.collect())
    }
}

/// What a tenant is told of something that failed: what a machine says of itself is its operator's to
/// know.
const FAILED: &str = "it did not work yet, and is tried again";

impl ReservedShown {
    /// Without how one gets there.
    fn of(booking: &Booking) -> Self {
        ReservedShown {
            machine: booking.machine.clone(),
            pool: booking.pool.clone(),
            phase: booking.phase.to_string(),
            host: None,
            port: None,
            user: None,
            problem: booking.why.as_ref().map(|_| FAILED.to_owned()),
        }
    }
}

/// The ports of machines that we make, by machine.
async fn ports(store: &Store, bookings: &[Booking]) -> Result<BTreeMap<String, u16>, StoreError> {
    let pools: BTreeSet<_> = bookings.iter().map(|booking| booking.pool.as_str()).collect();
    let mut ports = BTreeMap::new();
    for pool in pools {
        let pool = Address::new(Kind::Pool, pool).to_string();
        for (holder, port) in store.claim_list_in(&pool).await? {
            let holder = holder.split(':').next().and_then(|holder| holder.parse().ok());
            let machine = holder.map(|holder: Address| holder.name().to_owned());
            ports.extend(machine.zip(port.parse().ok()));
        }
    }
    Ok(ports)
}

/// Where the ssh server of a machine is.
async fn reached_at(
    store: &Store,
    specs: &Specs,
    ports: &BTreeMap<String, u16>,
    machine: &ReservedShown,
) -> Result<(Option<String>, Option<u16>), StoreError> {
    let name = &machine.machine;
    if let Some(entry) = specs.machine.get(name) {
        return Ok((Some(entry.host.clone()), Some(entry.port)));
    }
    if specs.made_by(name).is_some() {
        return Ok((None, ports.get(name).copied()));
    }
    let login = store.machine_login(name).await?;
    Ok(login.map_or((None, None), |login| (Some(login.host), Some(login.port))))
}
