//! Pools behind a server.

use lessor_providers::https::Method;
use serde_json::{Value, json};

use super::Pools;
use crate::keeper::LISTED;
use crate::remote::{Call, Client};

const ACTIONS: &str = "/v1/pools/{pool}/actions";

impl Pools for Client {
    async fn list(&self) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/pools"), LISTED).await
    }

    async fn machines(&self, pool: &str) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/pools/{pool}/machines").at(pool), LISTED).await
    }

    async fn cordon(&self, pool: &str, machine: &str, back: bool) -> anyhow::Result<()> {
        let action = if back { "cordon" } else { "uncordon" };
        let call = Call::new(Method::POST, ACTIONS).at(pool);
        self.json(call.body(json!({ "action": action, "machine": machine }))).await.map(drop)
    }

    async fn release(&self, pool: &str, token: Option<&str>) -> anyhow::Result<Value> {
        let call = Call::new(Method::POST, ACTIONS).at(pool);
        self.json(call.body(json!({ "action": "release-all", "token": token }))).await
    }
}
