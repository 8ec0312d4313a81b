//! Accounts, keys and tenants behind a server.

use lessor_providers::https::Method;
use lessor_server::Scopes;
use lessor_store::{AccountId, KeyId, PlatformRole, Status};
use serde_json::{Value, json};

use super::{NewKey, NewTenant, People};
use crate::administration::Whose;
use crate::exit::Failed;
use crate::keeper::{AT_HOME, LISTED, no_call};
use crate::remote::{Call, Client};
use crate::rows::text;

impl People for Client {
    async fn accounts(&self) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/users"), u32::MAX).await
    }

    async fn set_status(&self, user: &str, status: Status, reason: &str) -> anyhow::Result<Value> {
        let user = account_id(self, user).await?;
        let call = Call::new(Method::PUT, "/v1/users/{user}/status").at(&user);
        self.json(call.body(json!({ "status": status.as_str(), "reason": reason }))).await
    }

    async fn set_role(&self, _: &str, _: Option<PlatformRole>) -> anyhow::Result<Value> {
        Err(no_call("a role on the platform", AT_HOME))
    }

    async fn make_key(&self, whose: &Whose, new: &NewKey<'_>) -> anyhow::Result<(String, Value)> {
        let scopes = match &new.scopes {
            Scopes::All => vec!["*"],
            Scopes::Only(named) => named.iter().map(|scope| scope.as_str()).collect(),
        };
        let body = json!({ "name": new.name, "tenant": tenant(whose)?, "scopes": scopes });
        let mut made = self.json(Call::new(Method::POST, "/v1/api-keys").body(body)).await?;
        Ok((text(&made, "secret"), made["key"].take()))
    }

    async fn keys(&self, whose: &Whose) -> anyhow::Result<Vec<Value>> {
        let tenant = tenant(whose)?;
        self.list(|| Call::get("/v1/api-keys").asking("tenant", Some(tenant)), LISTED).await
    }

    async fn end_key(&self, key: &KeyId) -> anyhow::Result<()> {
        let call = Call::new(Method::DELETE, "/v1/api-keys/{key}").at(key.as_str());
        self.json(call).await.map(drop)
    }

    async fn make_tenant(&self, new: &NewTenant<'_>) -> anyhow::Result<Value> {
        if new.owner.is_some() || new.quota.is_some() {
            return Err(no_call("whose a tenant is, and what it may have,", AT_HOME));
        }
        let NewTenant { id, display_name, timezone, .. } = new;
        let body = json!({ "id": id, "display_name": display_name, "timezone": timezone });
        self.json(Call::new(Method::POST, "/v1/tenants").body(body)).await
    }

    async fn tenants(&self) -> anyhow::Result<Vec<Value>> {
        self.list(|| Call::get("/v1/tenants"), LISTED).await
    }
}

/// A server makes keys of tenants for others. Those of people are made by themselves, and those of
/// the platform where the database is.
fn tenant(whose: &Whose) -> anyhow::Result<&str> {
    let tenant = whose.tenant.as_deref();
    tenant.ok_or_else(|| no_call("a key that is no tenant's", AT_HOME))
}

/// The id of an account, by that or by its mail address.
async fn account_id(client: &Client, named: &str) -> anyhow::Result<String> {
    if named.parse::<AccountId>().is_ok() {
        return Ok(named.to_owned());
    }
    let accounts = client.accounts().await?;
    let found = accounts.iter().find(|account| text(account, "email").eq_ignore_ascii_case(named));
    let hint = "`lessor user list` shows all of them";
    let absent = || Failed::new(format!("there is no account `{named}`")).hint(hint);
    Ok(found.map(|account| text(account, "id")).ok_or_else(absent)?)
}
