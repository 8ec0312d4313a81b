//! Reservations in a database.

use lessor_server::shown::{ReservationEventShown, ReservationShown};
use lessor_specs::Duration;
use lessor_store::{Actor, Reservation, ReservationFilter, ReservationRequest, Store};
use serde_json::Value;

use super::Reservations;
use crate::keeper::{LISTED, value};
use crate::lending::NewReservation;

impl Reservations for Store {
    async fn place(&self, new: &NewReservation, key: String) -> anyhow::Result<Value> {
        let offer = new.offer.as_deref();
        let (offer, terms) = self.machines_sold(&new.pool, offer, &new.tenant).await?;
        let request = ReservationRequest {
            tenant: new.tenant.clone(),
            offer,
            pools: vec![new.pool.clone()],
            terms,
            labels: new.labels.iter().cloned().collect(),
            count: new.count,
            min_count: new.min_count,
            seconds: new.duration.map(Duration::seconds),
            start: new.start,
            wait_s: new.wait.map(Duration::seconds),
            ssh_key: Some(key),
            password: new.password,
            key: None,
            by: Actor::command(),
        };
        let reserved = self.reservation_place(&request).await?;
        let specs = self.specs_applied().await?;
        let placed = ReservationShown::placed(self, &specs, &reserved.reservation).await?;
        Ok(value(&placed))
    }

    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let tenant = tenant.map(str::to_owned);
        let filter = ReservationFilter { tenant, ..ReservationFilter::default() };
        let found = self.reservation_list(&filter, LISTED).await?;
        let listed = ReservationShown::listed(self, &found).await?;
        Ok(listed.iter().map(value).collect())
    }

    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>> {
        match self.reservation_show(id).await? {
            Some(reservation) => shown(self, &reservation).await.map(Some),
            None => Ok(None),
        }
    }

    async fn events(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let events = self.reservation_events(id, 0, LISTED).await?;
        Ok(events.iter().map(|event| value(&ReservationEventShown::of(event))).collect())
    }

    async fn extend(&self, id: &str, by: Duration) -> anyhow::Result<Value> {
        let longer = self.reservation_extend(id, by.seconds(), &Actor::command()).await?;
        shown(self, &longer).await
    }

    async fn release(&self, id: &str) -> anyhow::Result<Value> {
        shown(self, &self.reservation_release(id, &Actor::command()).await?).await
    }
}

async fn shown(store: &Store, reservation: &Reservation) -> anyhow::Result<Value> {
    let specs = store.specs_applied().await?;
    Ok(value(&ReservationShown::whole(store, &specs, reservation).await?))
}
