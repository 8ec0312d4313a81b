//! Orders in a database.

use std::collections::BTreeMap;

use lessor_server::shown::{OrderEventShown, OrderShown, Trial};
use lessor_specs::kinds::Instance;
use lessor_store::{
    Actor, Order, OrderChange, OrderFilter, OrderRequest, Reason, Store, StoreError,
};
use serde_json::Value;

use super::Orders;
use crate::keeper::{LISTED, value};
use crate::renting::NewOrder;

impl Orders for Store {
    async fn place(&self, new: &NewOrder, whose: (&str, &str)) -> anyhow::Result<Value> {
        let placed = self.order_place(&request(new, whose)).await?;
        if new.dry_run {
            return Ok(value(&Trial::of(&placed)));
        }
        Ok(value(&OrderShown::of(&placed.order, placed.quote.as_ref())))
    }

    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let tenant = tenant.map(str::to_owned);
        listed(self, &OrderFilter { tenant, ..OrderFilter::default() }).await
    }

    async fn by_name(&self, tenant: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let (tenant, name) = (Some(tenant.to_owned()), Some(name.to_owned()));
        listed(self, &OrderFilter { tenant, name, ..OrderFilter::default() }).await
    }

    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>> {
        match self.order_show(id).await? {
            Some(order) => shown(self, Ok(order)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn events(&self, id: &str, after: u64) -> anyhow::Result<Vec<Value>> {
        let events = self.order_events(id, after, LISTED).await?;
        Ok(events.iter().map(|event| value(&OrderEventShown::of(event))).collect())
    }

    async fn power(&self, id: &str, running: bool) -> anyhow::Result<Value> {
        shown(self, self.order_power(id, None, running, &Actor::command()).await).await
    }

    async fn resize(&self, id: &str, change: OrderChange) -> anyhow::Result<Value> {
        let seen = self.order_show(id).await?.map(|order| order.version);
        shown(self, self.order_resize(id, seen, &change, &Actor::command()).await).await
    }

    async fn suspend(&self, id: &str, reason: Reason, why: &str) -> anyhow::Result<Value> {
        shown(self, self.order_suspend(id, reason, why, &Actor::command()).await).await
    }

    async fn resume(&self, id: &str, reason: Reason) -> anyhow::Result<Value> {
        shown(self, self.order_resume(id, reason, &Actor::command()).await).await
    }

    async fn end(&self, id: &str) -> anyhow::Result<Value> {
        shown(self, self.order_terminate(id, None, &Actor::command()).await).await
    }
}

async fn listed(store: &Store, filter: &OrderFilter) -> anyhow::Result<Vec<Value>> {
    let mut orders = Vec::new();
    for order in store.order_list(filter, LISTED).await? {
        orders.push(shown(store, Ok(order)).await?);
    }
    Ok(orders)
}

async fn shown(store: &Store, order: Result<Order, StoreError>) -> anyhow::Result<Value> {
    let order = order?;
    let cost = store.order_price(&order).await?;
    Ok(value(&OrderShown::of(&order, cost.as_ref())))
}

fn request(new: &NewOrder, (tenant, name): (&str, &str)) -> OrderRequest {
    let NewOrder { offer, image, location, size, .. } = new;
    OrderRequest {
        tenant: tenant.into(),
        name: name.into(),
        client_ref: new.client_ref.clone(),
        instance: Instance {
            offer: offer.clone(),
            image: image.clone(),
            location: location.clone(),
            cpu: size.cpu,
            memory: size.memory,
            disk: size.disk,
            user: None,
            keys: Vec::new(),
            env: BTreeMap::new(),
            moved: Vec::new(),
            adopted: None,
        },
        stopped: new.stopped,
        promo: new.promo.as_deref().map(Into::into),
        key: None,
        by: Actor::command(),
        dry_run: new.dry_run,
    }
}
