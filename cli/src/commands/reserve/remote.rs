//! Reservations behind a server.

use std::collections::BTreeMap;

use lessor_providers::https::Method;
use lessor_specs::Duration;
use serde_json::{Value, json};

use super::Reservations;
use crate::keeper::LISTED;
use crate::lending::NewReservation;
use crate::remote::{Call, Client};

const ONE: &str = "/v1/reservations/{reservation}";

impl Reservations for Client {
    async fn place(&self, new: &NewReservation, key: String) -> anyhow::Result<Value> {
        let labels: BTreeMap<_, _> = new.labels.iter().cloned().collect();
        let body = json!({
            "tenant": new.tenant, "offer": new.offer, "count": new.count,
            "min_count": new.min_count,
            "duration": new.duration.map(|duration| duration.to_string()),
            "start": new.start.map(|start| start.to_string()),
            "queue": new.wait.is_some(), "wait": new.wait.map(|wait| wait.to_string()),
            "labels": labels, "key": key, "password": new.password,
        });
        let call = Call::new(Method::POST, "/v1/pools/{pool}/reservations").at(&new.pool);
        self.json(call.once().body(body)).await
    }

    async fn list(&self, tenant: Option<&str>) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/reservations").asking("tenant", tenant), LISTED).await
    }

    async fn by_id(&self, id: &str) -> anyhow::Result<Option<Value>> {
        self.find(Call::get(ONE).at(id)).await
    }

    async fn events(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/reservations/{reservation}/events").at(id), LISTED).await
    }

    async fn extend(&self, id: &str, by: Duration) -> anyhow::Result<Value> {
        let call = Call::new(Method::PATCH, ONE).at(id);
        self.json(call.body(json!({ "extend": by.to_string() }))).await
    }

    async fn release(&self, id: &str) -> anyhow::Result<Value> {
        self.json(Call::new(Method::DELETE, ONE).at(id)).await
    }
}
