//! Giving money: credit and refunds.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use lessor_specs::{Currency, Money};
use lessor_store::{Gift, GiftKey, Giving};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::{Idempotent, Path};
use crate::{Caller, Problem, Services};

/// Credit to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCredit {
    /// The currency.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$")]
    currency: Currency,
    /// How much.
    #[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]+)?$")]
    amount: Money,
    /// What it is for, as the customer can read it.
    #[schema(min_length = 1, max_length = 200)]
    memo: String,
}

/// A refund to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// The charge that is given back, or a part of it.
    transaction: String,
    /// How much.
    #[schema(value_type = String, pattern = r"^[0-9]+(\.[0-9]+)?$")]
    amount: Money,
    /// What it is for, as the customer can read it.
    #[schema(min_length = 1, max_length = 200)]
    memo: String,
}

/// Money that was given.
#[derive(Serialize, ToSchema)]
pub(crate) struct GiftShown {
    /// The transaction that moved it.
    transaction: String,
}

/// Gives a tenant credit. What it owes is paid out of that, and runs again.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/credits", tag = "money", params(("tenant" = String, Path, description = "Its name"), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "What tells this request from others")), request_body = NewCredit, responses((status = 201, body = GiftShown)))]
pub(crate) async fn credit(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Idempotent { key, body, .. }: Idempotent<NewCredit>,
) -> Result<(StatusCode, Answer<GiftShown>), Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyWrite).await?;
    let giving = giving(&caller, key, body.memo)?;
    let amount = (body.currency, body.amount);
    Ok(given(&services.store.credit_give(&tenant, amount, &giving).await?))
}

/// Gives back what was charged, or a part of it.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/refunds", tag = "money", params(("tenant" = String, Path, description = "Its name"), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "What tells this request from others")), request_body = NewRefund, responses((status = 201, body = GiftShown)))]
pub(crate) async fn refund(
    State(services): State<Services>,
    caller: Caller,
    Path(tenant): Path<String>,
    Idempotent { key, body, .. }: Idempotent<NewRefund>,
) -> Result<(StatusCode, Answer<GiftShown>), Problem> {
    caller.in_tenant(&services, &tenant, Permission::MoneyWrite).await?;
    let giving = giving(&caller, key, body.memo)?;
    let part = (body.transaction.as_str(), body.amount);
    Ok(given(&services.store.refund_give(&tenant, part, &giving).await?))
}

fn giving(caller: &Caller, key: String, memo: String) -> Result<Giving, Problem> {
    let is_good = (1..=200).contains(&memo.chars().count()) && !memo.chars().any(char::is_control);
    if !is_good {
        return Err(Problem::field("/memo", "expected 1 to 200 characters on one line"));
    }
    let scope = caller.name();
    Ok(Giving { memo, key: Some(GiftKey { scope, key }), by: caller.actor() })
}

fn given(gift: &Gift) -> (StatusCode, Answer<GiftShown>) {
    (StatusCode::CREATED, Answer(GiftShown { transaction: gift.id.clone() }))
}
