//! Orders behind a server.

use lessor_providers::https::Method;
use lessor_store::{OrderChange, Reason};
use serde_json::{Value, json};

use super::Orders;
use crate::keeper::LISTED;
use crate::remote::{Call, Client};
use crate::renting::NewOrder;

const ONE: &str = "/v1/orders/{order}";

impl Orders for Client {
    async fn place(&self, new: &NewOrder, (tenant, name): (&str, &str)) -> anyhow::Result<Value> {
        let NewOrder { offer, image, location, size, promo, client_ref, stopped, .. } = new;
        let call = Call::new(Method::POST, "/v1/orders").once();
        let call = call.asking("dry_run", new.dry_run.then_some("true"));
        let body = json!({
            "tenant": tenant, "name": name, "client_ref": client_ref, "offer": offer, "image": image,
            "location": location, "cpu": size.cpu, "memory": size.memory, "disk": size.disk,
            "promo": promo, "stopped": stopped,
        });
        self.json(call.body(body)).await
    }

    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/orders").asking("tenant", tenant), LISTED).await
    }

    async fn by_name(&self, tenant: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let call =
            || Call::get("/v1/orders").asking("tenant", Some(tenant)).asking("name", Some(name));
        self.list(call, LISTED).await
    }

    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>> {
        self.find(Call::get(ONE).at(id)).await
    }

    async fn events(&self, id: &str, after: u64) -> anyhow::Result<Vec<Value>> {
        let mut events =
            self.list(|| Call::get("/v1/orders/{order}/events").at(id), LISTED).await?;
        events.retain(|event| event["number"].as_u64().is_some_and(|number| number > after));
        Ok(events)
    }

    async fn power(&self, id: &str, running: bool) -> anyhow::Result<Value> {
        let call = Call::new(Method::PUT, "/v1/instances/{instance}/power").at(id);
        self.json(call.body(json!({ "running": running }))).await
    }

    async fn resize(&self, id: &str, change: OrderChange) -> anyhow::Result<Value> {
        let (seen, _) = self.versioned(Call::get(ONE).at(id)).await?;
        let OrderChange { offer, cpu, memory, disk } = change;
        let body = json!({ "offer": offer, "cpu": cpu, "memory": memory, "disk": disk });
        let call = Call::new(Method::PATCH, ONE).at(id).header("if-match", seen);
        self.json(call.body(body)).await
    }

    async fn suspend(&self, id: &str, reason: Reason, why: &str) -> anyhow::Result<Value> {
        let call = Call::new(Method::POST, "/v1/orders/{order}/suspensions").at(id);
        self.json(call.body(json!({ "reason": reason.as_str(), "why": why }))).await
    }

    async fn resume(&self, id: &str, reason: Reason) -> anyhow::Result<Value> {
        let route = "/v1/orders/{order}/suspensions/{reason}";
        self.json(Call::new(Method::DELETE, route).at(id).at(reason.as_str())).await
    }

    async fn end(&self, id: &str) -> anyhow::Result<Value> {
        self.json(Call::new(Method::DELETE, ONE).at(id)).await
    }
}
