//! What can be rented: the last applied revision, as customers see it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use lessor_specs::Specs;
use lessor_specs::kinds::{FlexSize, Lifecycle, Offer as OfferSpec, Price as PriceSpec};
use lessor_specs::load::parse;
use lessor_store::{Declared, Store};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::access::Permission;
use crate::extract::Path;
use crate::page::Page;
use crate::{Caller, Problem, ProblemKind, Services};

/// The specs of one applied revision.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Its number; 0 when nothing was applied yet.
    pub revision: u64,
    /// What it declares.
    pub specs: Arc<Specs>,
}

impl Catalogue {
    /// Whether anybody may sign up.
    pub(crate) fn signup_is_open(&self) -> bool {
        self.specs.policy.signup.as_ref().is_some_and(|signup| signup.open)
    }

    /// The offer that a new tenant gets an order of.
    pub(crate) fn welcome(&self) -> Option<&str> {
        self.specs.policy.signup.as_ref()?.order.as_deref()
    }

    /// The quota of tenants that nobody chose one for: the one named `default`, if there is one.
    pub(crate) fn usual_quota(&self) -> Option<String> {
        self.specs.quota.contains_key("default").then(|| "default".to_owned())
    }

    /// The tenants it declares.
    pub(crate) fn tenants(&self) -> Vec<Declared> {
        let declared = self.specs.tenant.iter().map(|(id, tenant)| Declared {
            id: id.clone(),
            quota: tenant.quota.clone(),
            timezone: tenant.timezone.clone().unwrap_or_else(|| "UTC".into()),
            owners: tenant.owners.clone(),
            credit: tenant.credit(),
        });
        declared.collect()
    }
}

/// The catalogue that was read last: reading it again is for a revision that is new.
#[derive(Default)]
pub(crate) struct CatalogueCache(Mutex<Catalogue>);

impl CatalogueCache {
    /// The catalogue that counts now.
    pub(crate) async fn read(&self, store: &Store) -> Result<Catalogue, Problem> {
        let latest = store.revision_latest().await?.map_or(0, |latest| latest.number);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.revision == latest {
            return Ok(known);
        }
        let tree = store.revision_tree(latest).await?.unwrap_or_default();
        // It was valid when it was applied; a lessor that reads it otherwise serves nothing of it.
        let loaded = parse(tree).map_err(|report| {
            let problems = report.diagnostics().len();
            error!(revision = latest, problems, "the applied specs cannot be read");
            Problem::new(ProblemKind::Unavailable)
        })?;
        let fresh = Catalogue { revision: latest, specs: loaded.specs };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(fresh)
    }
}

/// A place in the world.
#[derive(Serialize, ToSchema)]
pub(crate) struct Location {
    /// Its name.
    name: String,
    /// Country by its ISO 3166 code.
    country: Option<String>,
    /// City.
    city: Option<String>,
    /// Time zone by its IANA name.
    timezone: Option<String>,
}

/// What an instance can run.
#[derive(Serialize, ToSchema)]
pub(crate) struct Image {
    /// Its name.
    name: String,
    /// `container` or `vm`; one image may be both.
    kinds: Vec<&'static str>,
}

/// Something that can be rented.
#[derive(Serialize, ToSchema)]
pub(crate) struct Offer {
    /// Its name.
    name: String,
    /// `container`, `vm` or `machine`.
    kind: &'static str,
    /// The images to choose from.
    images: Vec<String>,
    /// The locations to choose from; empty when it does not matter.
    locations: Vec<String>,
    /// What it costs.
    price: Price,
    /// Cores.
    cpu: Option<Size>,
    /// Memory.
    memory: Option<Size>,
    /// Disk.
    disk: Option<Size>,
    /// How long it goes on when it is not paid for, such as `24h`.
    grace: Option<String>,
    /// How long its data is kept afterwards, such as `7d`.
    retention: Option<String>,
}

/// What an offer costs, apart from its parts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Price {
    /// The currency of every amount; `null` when it is free.
    currency: Option<String>,
    /// For each hour.
    hourly: Option<String>,
    /// At most this in a calendar month.
    monthly_cap: Option<String>,
    /// At most this many hours in a calendar month.
    cap_hours: Option<u16>,
}

/// How much one gets: `min` to `max` in steps of `step`, which are the same where it is fixed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Size {
    /// The least.
    min: String,
    /// The most.
    max: String,
    /// In steps of.
    step: Option<String>,
    /// For each core or GiB, and hour.
    hourly: Option<String>,
}

/// The places in the world.
#[utoipa::path(get, path = "/v1/locations", tag = "catalogue", responses((status = 200, body = Page<Location>)))]
pub(crate) async fn locations(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<Page<Location>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let items = catalogue.specs.location.iter().map(|(name, location)| Location {
        name: name.clone(),
        country: location.country.clone(),
        city: location.city.clone(),
        timezone: location.timezone.clone(),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// What instances can run.
#[utoipa::path(get, path = "/v1/images", tag = "catalogue", responses((status = 200, body = Page<Image>)))]
pub(crate) async fn images(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<Page<Image>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let items = catalogue.specs.image.iter().map(|(name, image)| {
        let kinds = [("container", image.container.is_some()), ("vm", image.vm.is_some())];
        let kinds = kinds.into_iter().filter(|(_, is_one)| *is_one).map(|(kind, _)| kind);
        Image { name: name.clone(), kinds: kinds.collect() }
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// What can be rented.
#[utoipa::path(get, path = "/v1/offers", tag = "catalogue", responses((status = 200, body = Page<Offer>)))]
pub(crate) async fn offers(
    State(services): State<Services>,
    caller: Caller,
) -> Result<Json<Page<Offer>>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let items = catalogue.specs.offer.iter().map(|(name, spec)| offer(name, spec));
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// Something that can be rented.
#[utoipa::path(get, path = "/v1/offers/{offer}", tag = "catalogue", params(("offer" = String, Path, description = "Its name")), responses((status = 200, body = Offer)))]
pub(crate) async fn show_offer(
    State(services): State<Services>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Offer>, Problem> {
    caller.in_scope(Permission::CatalogueRead)?;
    let catalogue = services.catalogue.read(&services.store).await?;
    let found = catalogue.specs.offer.get(&name).map(|spec| offer(&name, spec));
    found.map(Json).ok_or_else(Problem::not_found)
}

fn offer(name: &str, spec: &OfferSpec) -> Offer {
    let (kind, cpu, memory, disk) = sizes(spec);
    let lifecycle = spec.lifecycle.as_ref();
    Offer {
        name: name.to_owned(),
        kind,
        images: spec.images.clone(),
        locations: spec.locations.clone(),
        price: price(&spec.price),
        cpu,
        memory,
        disk,
        grace: lifecycle.and_then(|lifecycle: &Lifecycle| lifecycle.grace).map(|d| d.to_string()),
        retention: lifecycle.and_then(|lifecycle| lifecycle.retention).map(|d| d.to_string()),
    }
}

fn price(price: &PriceSpec) -> Price {
    Price {
        currency: price.currency.map(|currency| currency.to_string()),
        hourly: price.hourly.map(|hourly| hourly.to_string()),
        monthly_cap: price.monthly_cap.map(|cap| cap.to_string()),
        cap_hours: price.cap_hours,
    }
}

type Sizes = (&'static str, Option<Size>, Option<Size>, Option<Size>);

fn sizes(spec: &OfferSpec) -> Sizes {
    let fixed =
        |size: String| Some(Size { min: size.clone(), max: size, step: None, hourly: None });
    let flexible = |size: &FlexSize| {
        Some(Size {
            min: size.min.to_string(),
            max: size.max.to_string(),
            step: Some(size.step.to_string()),
            hourly: size.hourly.map(|hourly| hourly.to_string()),
        })
    };
    if let Some(container) = &spec.container {
        let disk = container.disk.and_then(|disk| fixed(disk.to_string()));
        return (
            "container",
            fixed(container.cpu.to_string()),
            fixed(container.memory.to_string()),
            disk,
        );
    }
    let Some(vm) = &spec.vm else {
        return ("machine", None, None, None);
    };
    let cpu = Size {
        min: vm.cpu.min.to_string(),
        max: vm.cpu.max.to_string(),
        step: Some(vm.cpu.step.to_string()),
        hourly: vm.cpu.hourly.map(|hourly| hourly.to_string()),
    };
    ("vm", Some(cpu), flexible(&vm.memory), flexible(&vm.disk))
}
