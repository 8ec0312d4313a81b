//! What customers order: prices, orders, and what becomes of them.

pub(crate) mod change;
pub(crate) mod instances;
pub(crate) mod place;
pub(crate) mod quote;
mod sealed;
pub(crate) mod show;

use std::collections::BTreeMap;

use lessor_billing::Quote;
use lessor_specs::ByteSize;
use lessor_specs::kinds::Instance;
use lessor_store::Order;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::{Caller, Problem, Services};

pub(crate) use sealed::QuoteKey;

/// What something costs. A part that is not there costs nothing.
#[derive(Serialize, ToSchema)]
pub struct Cost {
    /// The currency of every amount.
    currency: String,
    /// What is billed, in the order of a bill.
    lines: Vec<CostLine>,
    /// For an hour while it runs.
    hourly: String,
    /// For an hour while it does not.
    hourly_stopped: String,
    /// For a month of 730 hours in which it runs throughout, with its caps.
    monthly: String,
    /// As `monthly`, of the first month, with what the promo code takes off.
    first_month: String,
    /// Held when it is ordered, and paid once it runs: the first hour, with what the promo code takes
    /// off.
    held: String,
}

/// One part of what is billed.
#[derive(Serialize, ToSchema)]
pub struct CostLine {
    /// `base`, `kept`, `cpu`, `memory` or `disk`.
    part: &'static str,
    /// Cores, bytes, or 1 of the whole.
    quantity: u64,
    /// For each core, GiB or the whole, and hour.
    price: String,
    /// For all of it and an hour.
    hourly: String,
}

/// An order, as it stands.
#[derive(Serialize, ToSchema)]
pub struct OrderShown {
    /// Its id.
    id: String,
    /// Whose it is.
    tenant: String,
    /// What it is called, within its tenant.
    name: String,
    /// The customer's own name for it.
    client_ref: Option<String>,
    /// The offer.
    offer: String,
    /// The offer in the version that was bought, which stays as it is.
    offer_version: String,
    /// What it runs.
    image: Option<String>,
    /// Where.
    location: Option<String>,
    /// Cores, where they were chosen.
    cpu: Option<u32>,
    /// Memory, where it was chosen.
    memory: Option<String>,
    /// Disk, where it was chosen.
    disk: Option<String>,
    /// How far it came: `pending`, `provisioning`, `active`, `updating`, `suspended`, `terminating`,
    /// `terminated`, `canceled`, `failed`, or `reconciling` while it is not known what is there.
    phase: String,
    /// Whether its customer wants it to run.
    running: bool,
    /// Why it is suspended, or will be: `overdue`, `abuse`, `security`, `admin`.
    suspensions: Vec<&'static str>,
    /// What went wrong last.
    problem: Option<String>,
    /// What it costs; `null` when it is free.
    cost: Option<Cost>,
    /// The promo code it uses.
    promo: Option<String>,
    /// Whether something of it is unpaid.
    owes: bool,
    /// When it is suspended unless it is paid for.
    #[schema(format = DateTime)]
    suspend_at: Option<String>,
    /// When it goes with its data unless it is paid for.
    #[schema(format = DateTime)]
    delete_at: Option<String>,
    /// When it was ordered.
    #[schema(format = DateTime)]
    placed_at: String,
    /// When it was first there: its hours begin here.
    #[schema(format = DateTime)]
    activated_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// When its data goes, once it ended.
    #[schema(format = DateTime)]
    retain_until: Option<String>,
}

impl Cost {
    /// As the API shows it.
    pub fn of(quote: &Quote) -> Self {
        let lines = quote.lines.iter().map(|line| CostLine {
            part: line.part.as_str(),
            quantity: line.quantity,
            price: line.price.to_string(),
            hourly: line.hourly.to_string(),
        });
        Cost {
            currency: quote.currency.to_string(),
            lines: lines.collect(),
            hourly: quote.hourly.to_string(),
            hourly_stopped: quote.hourly_stopped.to_string(),
            monthly: quote.monthly.to_string(),
            first_month: quote.first_month.to_string(),
            held: quote.held.to_string(),
        }
    }
}

impl OrderShown {
    /// As the API shows it, with what it costs by what it bought.
    pub fn of(order: &Order, quote: Option<&Quote>) -> Self {
        let Instance { offer, image, location, cpu, memory, disk, .. } = &order.instance;
        let size = |size: &Option<ByteSize>| size.map(|size| size.to_string());
        let dates = order.dunning.as_ref();
        OrderShown {
            id: order.id.clone(),
            tenant: order.tenant.clone(),
            name: order.name.clone(),
            client_ref: order.client_ref.clone(),
            offer: plain(offer).to_owned(),
            offer_version: offer.clone(),
            image: image.as_deref().map(|image| plain(image).to_owned()),
            location: location.clone(),
            cpu: *cpu,
            memory: size(memory),
            disk: size(disk),
            phase: order.phase.to_string(),
            running: order.running,
            suspensions: order.reasons.iter().map(|reason| reason.as_str()).collect(),
            problem: order.why.clone(),
            cost: quote.map(Cost::of),
            promo: order.discount.as_ref().map(|discount| discount.code.clone()),
            owes: order.owes,
            suspend_at: dates.map(|dates| dates.suspend_at.to_string()),
            delete_at: dates.map(|dates| dates.delete_at.to_string()),
            placed_at: order.placed_at.to_string(),
            activated_at: order.anchored_at.map(|at| at.to_string()),
            ended_at: order.ended_at.map(|at| at.to_string()),
            retain_until: order.retain_until.map(|at| at.to_string()),
        }
    }
}

/// An order, with what it costs by what it bought.
pub(crate) async fn shown(services: &Services, order: &Order) -> Result<OrderShown, Problem> {
    let quote = services.store.order_price(order).await?;
    Ok(OrderShown::of(order, quote.as_ref()))
}

/// An order that the caller may do that with. One of others is answered like one that is not there.
pub(crate) async fn find(
    services: &Services,
    caller: &Caller,
    id: &str,
    permission: Permission,
) -> Result<Order, Problem> {
    let order = services.store.order_show(id).await?.ok_or_else(Problem::not_found)?;
    caller.in_tenant(services, &order.tenant, permission).await?;
    Ok(order)
}

/// The tenant that is meant: the one that is named, or the only one of the caller.
pub(crate) fn tenant_of(caller: &Caller, named: Option<String>) -> Result<String, Problem> {
    let named = named.or_else(|| caller.bound_to().map(str::to_owned));
    named.ok_or_else(|| Problem::field("/tenant", "expected the name of a tenant"))
}

/// The name without its version.
pub(crate) fn plain(name: &str) -> &str {
    name.split_once('@').map_or(name, |(plain, _)| plain)
}

/// An offer as customers name it. In which version it is sold, they do not choose: an old one may
/// be cheaper.
pub(crate) fn check_offer(offer: &str) -> Result<(), Problem> {
    if offer.contains('@') {
        return Err(Problem::field("/offer", "expected the name of an offer, without a version"));
    }
    Ok(())
}

/// Nothing is asked for yet.
pub(crate) fn instance_of(offer: String) -> Instance {
    Instance {
        offer,
        image: None,
        location: None,
        cpu: None,
        memory: None,
        disk: None,
        user: None,
        keys: Vec::new(),
        env: BTreeMap::new(),
        moved: Vec::new(),
        adopted: None,
    }
}
