//! Money behind a server.

use lessor_providers::https::Method;
use lessor_specs::{Currency, Money};
use serde_json::{Value, json};

use super::Ledger;
use crate::keeper::LISTED;
use crate::remote::{Call, Client};

impl Ledger for Client {
    async fn transactions(&self, tenant: &str) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/tenants/{tenant}/ledger").at(tenant), LISTED).await
    }

    async fn wallets(&self, tenant: &str) -> anyhow::Result<Vec<Value>> {
        // All of them are on one page.
        let page = self.json(Call::get("/v1/tenants/{tenant}/wallet").at(tenant)).await?;
        Ok(page["items"].as_array().cloned().unwrap_or_default())
    }

    async fn credit(
        &self,
        tenant: &str,
        (currency, amount): (Currency, Money),
        memo: &str,
    ) -> anyhow::Result<()> {
        let call = Call::new(Method::POST, "/v1/tenants/{tenant}/credits").at(tenant).once();
        let body = json!({ "currency": currency, "amount": amount, "memo": memo });
        self.json(call.body(body)).await.map(drop)
    }

    async fn refund(
        &self,
        tenant: &str,
        (transaction, amount): (&str, Money),
        memo: &str,
    ) -> anyhow::Result<()> {
        let call = Call::new(Method::POST, "/v1/tenants/{tenant}/refunds").at(tenant).once();
        let body = json!({ "transaction": transaction, "amount": amount, "memo": memo });
        self.json(call.body(body)).await.map(drop)
    }
}
