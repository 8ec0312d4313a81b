//! Placing an order.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lessor_specs::ByteSize;
use lessor_specs::kinds::Instance;
use lessor_store::{OrderRequest, Placed, Promo, RequestKey, Welcome};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

use super::sealed::Sealed;
use super::{Cost, OrderShown, check_offer, instance_of, plain, shown, tenant_of};
use crate::access::Permission;
use crate::extract::{Idempotent, Query, etag};
use crate::{Caller, Problem, Services};

/// An order to be. With a quote, what was quoted is ordered, and nothing of it is said again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// Who orders; may be left out by a key of a tenant.
    tenant: Option<String>,
    /// What it is called, within its tenant.
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    name: String,
    /// Your own name for it, which names one order for ever.
    #[schema(max_length = 128)]
    client_ref: Option<String>,
    /// What `POST /v1/quotes` answered.
    quote: Option<String>,
    /// The offer, without a quote.
    offer: Option<String>,
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
    /// The user that is made on a virtual machine; the image's own unless said.
    user: Option<String>,
    /// Public keys that may log in as that user, each as in `authorized_keys`.
    #[serde(default)]
    keys: Vec<String>,
    /// Environment variables, over those of the image. They are kept and shown: no secrets.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Whether it is made without being switched on.
    #[serde(default)]
    stopped: bool,
}

/// Whether an order is only tried.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TryQuery {
    /// With `1` or `true`, everything is checked as for any other order, and nothing is changed.
    #[param(value_type = Option<String>)]
    dry_run: Option<String>,
}

/// An order that was only tried: it would have been placed.
#[derive(Serialize, ToSchema)]
pub struct Trial {
    /// Whose it would be.
    tenant: String,
    /// What it would be called.
    name: String,
    /// The offer.
    offer: String,
    /// The offer in the version that is sold.
    offer_version: String,
    /// What it would cost; `null` when it is free.
    cost: Option<Cost>,
}

impl Trial {
    /// As the API shows it.
    pub fn of(placed: &Placed) -> Self {
        let order = &placed.order;
        Trial {
            tenant: order.tenant.clone(),
            name: order.name.clone(),
            offer: plain(&order.instance.offer).to_owned(),
            offer_version: order.instance.offer.clone(),
            cost: placed.quote.as_ref().map(Cost::of),
        }
    }
}

/// Places an order: all of what it needs in one go, or nothing. The same request with the same key
/// places one order, however often it comes.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", params(TryQuery, ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "What tells this request from others")), request_body = NewOrder, responses((status = 201, description = "It was placed", body = OrderShown), (status = 200, description = "It was only tried", body = Trial)))]
pub(crate) async fn create(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<TryQuery>,
    Idempotent { key, digest, body }: Idempotent<NewOrder>,
) -> Result<Response, Problem> {
    let tenant = tenant_of(&caller, body.tenant.clone())?;
    caller.in_tenant(&services, &tenant, Permission::OrdersWrite).await?;
    let dry_run = dry_run(&query)?;
    let scope = caller.name();
    let (instance, promo) = asked_for(&services, &tenant, &body).await?;
    let request = OrderRequest {
        tenant,
        name: body.name,
        client_ref: body.client_ref,
        instance,
        stopped: body.stopped,
        promo,
        key: Some(RequestKey { scope, key, digest }).filter(|_| !dry_run),
        by: caller.actor(),
        dry_run,
    };
    let placed = services.store.order_place(&request).await?;
    if dry_run {
        return Ok(Answer(Trial::of(&placed)).into_response());
    }
    answer(&services, &placed).await
}

/// Places the order that a new tenant gets, if it gets one. The tenant is there either way, and so
/// is what it is to get: what fails here is tried again.
pub(crate) async fn welcome(services: &Services, tenant: &str) {
    match services.store.welcome_place(tenant).await {
        Ok(Welcome::Placed(_)) => {}
        Ok(Welcome::Waits(why) | Welcome::GivenUp(why)) => {
            warn!(%why, "could not place the order of a new tenant");
        }
        Err(error) => warn!(%error, "could not place the order of a new tenant"),
    }
}

async fn answer(services: &Services, placed: &Placed) -> Result<Response, Problem> {
    let order = &placed.order;
    let location = [(header::LOCATION, format!("/v1/orders/{}", order.id))];
    let repeated = HeaderName::from_static("idempotency-replayed");
    let repeated = [(repeated, if placed.repeated { "true" } else { "false" })];
    let version = etag(i64::try_from(order.version).unwrap_or(i64::MAX));
    let body = match &placed.quote {
        Some(quote) => OrderShown::of(order, Some(quote)),
        // It is free, or was placed before.
        None => shown(services, order).await?,
    };
    Ok((StatusCode::CREATED, location, repeated, version, Answer(body)).into_response())
}

fn dry_run(query: &TryQuery) -> Result<bool, Problem> {
    match query.dry_run.as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(Problem::parameter("dry_run", "expected `1` or `0`")),
    }
}

/// What is ordered, and with which promo code: as it is said, or as it was quoted.
async fn asked_for(
    services: &Services,
    tenant: &str,
    body: &NewOrder,
) -> Result<(Instance, Option<Promo>), Problem> {
    let (mut instance, promo) = match (&body.quote, &body.offer) {
        (Some(quote), _) => quoted(services, tenant, body, quote).await?,
        (None, Some(offer)) => (said(body, offer)?, body.promo.as_deref().map(Into::into)),
        (None, None) => return Err(Problem::field("/offer", "expected an offer, or a `quote`")),
    };
    instance.user.clone_from(&body.user);
    instance.keys.clone_from(&body.keys);
    for (name, value) in &body.env {
        let pointer = format!("/env/{}", name.replace('~', "~0").replace('/', "~1"));
        let value = value.parse().map_err(|why| Problem::field(&pointer, format!("{why}")))?;
        instance.env.insert(name.clone(), value);
    }
    Ok((instance, promo))
}

fn said(body: &NewOrder, offer: &str) -> Result<Instance, Problem> {
    check_offer(offer)?;
    Ok(Instance {
        image: body.image.clone(),
        location: body.location.clone(),
        cpu: body.cpu,
        memory: body.memory,
        disk: body.disk,
        ..instance_of(offer.to_owned())
    })
}

async fn quoted(
    services: &Services,
    tenant: &str,
    body: &NewOrder,
    quote: &str,
) -> Result<(Instance, Option<Promo>), Problem> {
    let said = [
        ("/offer", body.offer.is_some()),
        ("/image", body.image.is_some()),
        ("/location", body.location.is_some()),
        ("/cpu", body.cpu.is_some()),
        ("/memory", body.memory.is_some()),
        ("/disk", body.disk.is_some()),
        ("/promo", body.promo.is_some()),
    ];
    if let Some((pointer, _)) = said.into_iter().find(|(_, is_said)| *is_said) {
        return Err(Problem::field(pointer, "the quote says it already"));
    }
    let sealed = Sealed::open(services, quote).await?;
    if sealed.tenant != tenant {
        return Err(Problem::field("/quote", "it was given to another tenant"));
    }
    let Sealed { offer, image, location, cpu, memory, disk, promo, .. } = sealed;
    let instance = Instance { image, location, cpu, memory, disk, ..instance_of(offer) };
    Ok((instance, promo.map(Promo::Quoted)))
}
