//! What an order would cost.

use axum::Json as Answer;
use axum::extract::State;
use lessor_specs::ByteSize;
use lessor_specs::kinds::Instance;
use lessor_store::OrderRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sealed::Sealed;
use super::{Cost, check_offer, instance_of, plain, tenant_of};
use crate::access::Permission;
use crate::extract::Json;
use crate::{Caller, Problem, Services};

/// What is asked about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuote {
    /// Who would order; may be left out by a key of a tenant.
    tenant: Option<String>,
    /// The offer.
    offer: String,
    /// What to run; may be left out when the offer has just one.
    image: Option<String>,
    /// Where; may be left out when the offer has just one.
    location: Option<String>,
    /// Cores, of an offer that leaves them open; the fewest unless said.
    cpu: Option<u32>,
    /// Memory, of an offer that leaves it open; the least unless said.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$")]
    memory: Option<ByteSize>,
    /// Disk, of an offer that leaves it open; the least unless said.
    #[schema(value_type = Option<String>, pattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$")]
    disk: Option<ByteSize>,
    /// A promo code.
    promo: Option<String>,
}

/// What an order would cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuoteShown {
    /// The quote itself: an order that names it costs just this, whatever becomes of the prices.
    quote: String,
    /// Until when it is honoured.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Whom it is for.
    tenant: String,
    /// The offer.
    offer: String,
    /// The offer in the version that is sold.
    offer_version: String,
    /// What it costs; `null` when it is free.
    cost: Option<Cost>,
}

/// Says what an order would cost. Nothing is promised but the price: neither room nor quota nor
/// money is looked at, which `POST /v1/orders?dry_run=true` does.
#[utoipa::path(post, path = "/v1/quotes", tag = "orders", request_body = NewQuote, responses((status = 200, body = QuoteShown)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Json(new): Json<NewQuote>,
) -> Result<Answer<QuoteShown>, Problem> {
    let tenant = tenant_of(&caller, new.tenant)?;
    caller.in_tenant(&services, &tenant, Permission::OrdersRead).await?;
    check_offer(&new.offer)?;
    let NewQuote { image, location, cpu, memory, disk, .. } = new;
    let request = OrderRequest {
        tenant: tenant.clone(),
        name: "quote".into(),
        client_ref: None,
        instance: Instance { image, location, cpu, memory, disk, ..instance_of(new.offer) },
        stopped: false,
        promo: new.promo.as_deref().map(Into::into),
        key: None,
        by: caller.actor(),
        dry_run: true,
    };
    let quoted = services.store.order_quote(&request).await?;
    let sealed = Sealed::of(tenant, &quoted);
    Ok(Answer(QuoteShown {
        quote: sealed.seal(&services).await?,
        expires_at: sealed.until.to_string(),
        offer: plain(&sealed.offer).to_owned(),
        offer_version: sealed.offer,
        tenant: sealed.tenant,
        cost: quoted.quote.as_ref().map(Cost::of),
    }))
}
