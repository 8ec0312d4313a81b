//! Renting machines by country, system and size.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use lessor_specs::ByteSize;
use lessor_specs::kinds::{FlexSize, Instance, Offer, VmOffer};
use lessor_store::{OrderRequest, RequestKey};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::{status, tenant_of};
use crate::access::Permission;
use crate::extract::{Json, MaybeIdempotent, Query};
use crate::orders::{check_offer, instance_of};
use crate::{Caller, Catalogue, Problem, Services};

/// Memory and disk are counted in these.
const GIB: u64 = 1 << 30;

/// Where machines can be.
#[derive(Serialize, ToSchema)]
pub(crate) struct Whereabouts {
    /// What `country` says elsewhere: the name of a location.
    id: String,
    /// Whereabouts by its ISO 3166 code.
    country: Option<String>,
    /// City.
    city: Option<String>,
}

/// What machines can run.
#[derive(Serialize, ToSchema)]
pub(crate) struct System {
    /// What `os` says elsewhere: the name of an image.
    id: String,
    /// What people call it.
    name: String,
}

/// What can be chosen of one offer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Parameters {
    /// The offer.
    offer: String,
    /// The currency of its prices; `null` when it is free.
    currency: Option<String>,
    /// Where it is to be had; empty when that does not matter.
    countries: Vec<String>,
    /// What it can run.
    osystems: Vec<String>,
    /// Cores.
    cpu: Range,
    /// Memory in GiB.
    ram: Range,
    /// Disk in GiB.
    ssd: Range,
}

/// From what to what, in which steps.
#[derive(Serialize, ToSchema)]
pub(crate) struct Range {
    /// The least.
    min: u64,
    /// The most.
    max: u64,
    /// In steps of.
    step: u64,
    /// For each, and hour.
    price_hour: Option<String>,
}

/// A machine to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Where; may be left out when there is one place.
    country: Option<String>,
    /// What it runs; may be left out when there is one system.
    os: Option<String>,
    /// Cores; the fewest unless said.
    cpu: Option<u32>,
    /// Memory in GiB; the least unless said.
    ram: Option<u32>,
    /// Disk in GiB; the least unless said.
    ssd: Option<u32>,
    /// The offer; the first that has such machines unless said.
    offer: Option<String>,
    /// Who rents; may be left out by who has one tenant.
    tenant: Option<String>,
    /// A promo code.
    promo: Option<String>,
    /// What it is called; `create_machine` finds a name unless it is said.
    #[schema(max_length = 40)]
    name: Option<String>,
    /// The user that is made on it; the system's own unless said.
    user: Option<String>,
    /// A public key that may log in, as in `authorized_keys`.
    ssh_key: Option<String>,
}

/// What a machine would cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reckoned {
    /// The offer.
    offer: String,
    /// The currency; `null` when it is free.
    currency: Option<String>,
    /// For an hour.
    price_hour: String,
    /// For a month of 730 hours.
    price_month: String,
}

/// A machine that was ordered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Machine {
    /// Its order.
    id: String,
    /// What it is called.
    name: String,
    /// `creating`; `GET /v1/orders/{id}` says what becomes of it.
    status: &'static str,
}

/// Whose balance.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BalanceQuery {
    /// Whose; may be left out by who has one tenant.
    tenant: Option<String>,
    /// In which currency; the first there is unless said.
    currency: Option<String>,
}

/// What a tenant has.
#[derive(Serialize, ToSchema)]
pub(crate) struct Balance {
    /// What can be spent.
    balance: String,
    /// The currency; `null` where there never was any money.
    currency: Option<String>,
}

/// Where machines can be.
#[utoipa::path(get, path = "/countries", tag = "old paths", responses((status = 200, body = Vec<Whereabouts>)))]
pub(crate) async fn countries(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Vec<Whereabouts>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let countries = catalogue.specs.location.iter().map(|(name, location)| Whereabouts {
        id: name.clone(),
        country: location.country.clone(),
        city: location.city.clone(),
    });
    Ok(Answer(countries.collect()))
}

/// What machines can run.
#[utoipa::path(get, path = "/osystems", tag = "old paths", responses((status = 200, body = Vec<System>)))]
pub(crate) async fn osystems(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Vec<System>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let images = catalogue.specs.image.iter().filter(|(_, image)| image.vm.is_some());
    let systems = images.map(|(name, _)| System { id: name.clone(), name: name.clone() });
    Ok(Answer(systems.collect()))
}

/// What can be chosen, and for how much.
#[utoipa::path(get, path = "/parametrs", tag = "old paths", responses((status = 200, body = Vec<Parameters>)))]
pub(crate) async fn parametrs(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Answer<Vec<Parameters>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let parameters = machines(&catalogue).map(|(name, offer, vm)| parameters(name, offer, vm));
    Ok(Answer(parameters.collect()))
}

/// What can be spent.
#[utoipa::path(get, path = "/get_balance", tag = "old paths", params(BalanceQuery), responses((status = 200, body = Balance)))]
pub(crate) async fn get_balance(
    State(services): State<Services>,
    caller: Caller,
    Query(query): Query<BalanceQuery>,
) -> Result<Answer<Balance>, Problem> {
    let tenant = tenant_of(&services, &caller, query.tenant.as_deref()).await?;
    let expected = || Problem::parameter("tenant", "expected the name of a tenant");
    let tenant = tenant.ok_or_else(expected)?;
    caller.in_tenant(&services, &tenant, Permission::MoneyRead).await?;
    let wallets = services.store.wallet_list(&tenant).await?;
    let is_meant = |currency: String| query.currency.as_ref().is_none_or(|own| *own == currency);
    let wallet = wallets.into_iter().find(|wallet| is_meant(wallet.currency.to_string()));
    Ok(Answer(Balance {
        balance: wallet
            .as_ref()
            .map_or_else(|| "0".into(), |wallet| wallet.available().to_string()),
        currency: wallet.map(|wallet| wallet.currency.to_string()).or(query.currency),
    }))
}

/// What a machine would cost.
#[utoipa::path(post, path = "/calc_price", tag = "old paths", request_body = Wanted, responses((status = 200, body = Reckoned)))]
pub(crate) async fn calc_price(
    State(services): State<Services>,
    caller: Caller,
    Json(wanted): Json<Wanted>,
) -> Result<Answer<Reckoned>, Problem> {
    let request = request(&services, &caller, &wanted, Permission::OrdersRead).await?;
    let offer = request.instance.offer.clone();
    let quote = services.store.order_quote(&request).await?.quote;
    let amount = |amount: Option<lessor_specs::Money>| {
        amount.map_or_else(|| "0".to_owned(), |amount| amount.to_string())
    };
    Ok(Answer(Reckoned {
        offer,
        currency: quote.as_ref().map(|quote| quote.currency.to_string()),
        price_hour: amount(quote.as_ref().map(|quote| quote.hourly)),
        price_month: amount(quote.as_ref().map(|quote| quote.monthly)),
    }))
}

/// Orders a machine.
#[utoipa::path(post, path = "/create_machine", tag = "old paths", params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "What tells this request from others; with it, one machine is ordered however often this comes")), request_body = Wanted, responses((status = 201, body = Machine)))]
pub(crate) async fn create_machine(
    State(services): State<Services>,
    caller: Caller,
    MaybeIdempotent { key, digest, body: wanted }: MaybeIdempotent<Wanted>,
) -> Result<(StatusCode, Answer<Machine>), Problem> {
    let mut request = request(&services, &caller, &wanted, Permission::OrdersWrite).await?;
    request.key = key.map(|key| RequestKey { scope: caller.name(), key, digest });
    let order = services.store.order_place(&request).await?.order;
    let status = status(&order);
    Ok((StatusCode::CREATED, Answer(Machine { id: order.id, name: order.name, status })))
}

/// The order that such a machine is one of.
async fn request(
    services: &Services,
    caller: &Caller,
    wanted: &Wanted,
    permission: Permission,
) -> Result<OrderRequest, Problem> {
    let tenant = tenant_of(services, caller, wanted.tenant.as_deref()).await?;
    let expected = || Problem::field("/tenant", "expected the name of a tenant");
    let tenant = tenant.ok_or_else(expected)?;
    caller.in_tenant(services, &tenant, permission).await?;
    let offer = match &wanted.offer {
        Some(offer) => offer.clone(),
        None => offer_with(&services.catalogue.read(&services.store).await?, wanted)?,
    };
    check_offer(&offer)?;
    let size = |gib: Option<u32>| gib.map(|gib| ByteSize::from_bytes(u64::from(gib) * GIB));
    let named = || format!("machine-{}", Ulid::generate().to_string().to_lowercase());
    Ok(OrderRequest {
        tenant,
        name: wanted.name.clone().unwrap_or_else(named),
        client_ref: None,
        instance: Instance {
            image: wanted.os.clone(),
            location: wanted.country.clone(),
            cpu: wanted.cpu,
            memory: size(wanted.ram),
            disk: size(wanted.ssd),
            user: wanted.user.clone(),
            keys: wanted.ssh_key.iter().cloned().collect(),
            ..instance_of(offer)
        },
        stopped: false,
        promo: wanted.promo.as_deref().map(Into::into),
        key: None,
        by: caller.actor(),
        dry_run: false,
    })
}

/// The first offer that has such machines.
fn offer_with(catalogue: &Catalogue, wanted: &Wanted) -> Result<String, Problem> {
    let fits = |size: Option<u32>, range: &Range| {
        size.is_none_or(|size| (range.min..=range.max).contains(&size.into()))
    };
    let mut offers = machines(catalogue).filter(|(name, offer, vm)| {
        let Parameters { countries, osystems, cpu, ram, ssd, .. } = parameters(name, offer, vm);
        let is_there = |country| countries.is_empty() || countries.contains(country);
        wanted.country.as_ref().is_none_or(is_there)
            && wanted.os.as_ref().is_none_or(|os| osystems.contains(os))
            && fits(wanted.cpu, &cpu)
            && fits(wanted.ram, &ram)
            && fits(wanted.ssd, &ssd)
    });
    let none = "no offer has such a machine; `GET /parametrs` says what can be chosen";
    let found = offers.next().map(|(name, ..)| name.to_owned());
    found.ok_or_else(|| Problem::field("", none))
}

fn machines(catalogue: &Catalogue) -> impl Iterator<Item = (&str, &Offer, &VmOffer)> {
    let offers = catalogue.specs.offer.iter();
    offers.filter_map(|(name, offer)| Some((name.as_str(), offer, offer.vm.as_ref()?)))
}

fn parameters(name: &str, offer: &Offer, vm: &VmOffer) -> Parameters {
    let in_gib = |size: &FlexSize| Range {
        min: size.min.bytes().div_ceil(GIB),
        max: size.max.bytes() / GIB,
        step: size.step.bytes().div_ceil(GIB),
        price_hour: size.hourly.map(|hourly| hourly.to_string()),
    };
    Parameters {
        offer: name.to_owned(),
        currency: offer.price.currency.map(|currency| currency.to_string()),
        countries: offer.locations.clone(),
        osystems: offer.images.clone(),
        cpu: Range {
            min: vm.cpu.min.into(),
            max: vm.cpu.max.into(),
            step: vm.cpu.step.into(),
            price_hour: vm.cpu.hourly.map(|hourly| hourly.to_string()),
        },
        ram: in_gib(&vm.memory),
        ssd: in_gib(&vm.disk),
    }
}
