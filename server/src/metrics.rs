//! What the server counts, in the words of Prometheus.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use lessor_store::{Availability, MachineState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::error;

use crate::access::Permission;
use crate::{Caller, Problem, ProblemKind, Services};

/// The bounds that durations are counted between, in seconds.
const BOUNDS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The bounds that the ends of reservations are counted between, in seconds. Thirty is the goal.
const LAGS: [f64; 8] = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0, 600.0];

/// What the server counts.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Called, Histogram>,
    streams: Gauge,
    webhooks: Family<Outcome, Counter>,
    jobs: Family<JobRun, Counter>,
    hears: Gauge,
    revocations: Histogram,
    machines: Family<Lent, Gauge>,
    waiting: Family<Pool, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lent {
    pool: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pool {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobRun {
    job: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    method: String,
    route: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<Answered, Counter>::default();
        let durations =
            Family::<Called, Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
        let mut registry = Registry::with_prefix("lessor");
        registry.register("http_requests", "Calls that were answered", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "How long answering a call took",
            durations.clone(),
        );
        let streams = Gauge::default();
        registry.register("http_streams", "Answers that go on", streams.clone());
        let webhooks = Family::<Outcome, Counter>::default();
        registry.register("webhook_tries", "Tries to tell others of an event", webhooks.clone());
        let jobs = Family::<JobRun, Counter>::default();
        registry.register("job_runs", "Runs of jobs by this server", jobs.clone());
        let hears = Gauge::default();
        let help = "Whether the database tells what other servers write";
        registry.register("hears_others", help, hears.clone());
        let revocations = Histogram::new(LAGS);
        let help = "How long after its end a reservation let nobody in any more";
        registry.register("reservation_revocation_lag_seconds", help, revocations.clone());
        let machines = Family::<Lent, Gauge>::default();
        registry.register("pool_machines", "Machines of pools, by state", machines.clone());
        let waiting = Family::<Pool, Gauge>::default();
        registry.register("pool_waiting", "Reservations that wait for machines", waiting.clone());
        Metrics {
            registry,
            requests,
            durations,
            streams,
            webhooks,
            jobs,
            hears,
            revocations,
            machines,
            waiting,
        }
    }
}

impl Metrics {
    /// Counts a try to tell somebody of an event.
    pub(crate) fn count_webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a run of a job.
    pub(crate) fn count_job(&self, job: &'static str, outcome: &'static str) {
        self.jobs.get_or_create(&JobRun { job, outcome }).inc();
    }

    /// Counts a reservation that lets nobody in any more, so many seconds after its end.
    pub(crate) fn count_revocation(&self, lag: f64) {
        self.revocations.observe(lag);
    }

    /// Takes over how many machines each pool has in which state.
    fn set_pools(&self, pools: &[(String, Availability)]) {
        self.machines.clear();
        self.waiting.clear();
        for (pool, found) in pools {
            let states = [
                (MachineState::Free, found.free),
                (MachineState::Reserved, found.reserved),
                (MachineState::Cleaning, found.cleaning),
                (MachineState::Quarantined, found.quarantined),
                (MachineState::Cordoned, found.cordoned),
            ];
            for (state, count) in states {
                let lent = Lent { pool: pool.clone(), state: state.as_str() };
                self.machines.get_or_create(&lent).set(count.into());
            }
            self.waiting.get_or_create(&Pool { pool: pool.clone() }).set(found.waiting.into());
        }
    }

    /// Counts a call. Routes are few and known, so nobody can make us count more things.
    pub(crate) fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let known = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::HEAD,
            Method::OPTIONS,
        ];
        let method = if known.contains(method) { method.as_str() } else { "other" };
        let (method, route) = (method.to_owned(), route.to_owned());
        let called = Called { method: method.clone(), route: route.clone() };
        self.durations.get_or_create(&called).observe(took.as_secs_f64());
        let answered = Answered { method, route, status: status.as_u16() };
        self.requests.get_or_create(&answered).inc();
    }
}

/// What the server counts, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "The counts", body = String, content_type = "application/openmetrics-text"))
)]
pub(crate) async fn show(
    State(services): State<Services>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::OperationsRead)?;
    let streams = services.streams.count();
    services.metrics.streams.set(i64::try_from(streams).unwrap_or(i64::MAX));
    services.metrics.hears.set(i64::from(services.hears.load(Ordering::Relaxed)));
    // What this server counted is told also while the database cannot be asked.
    if let Ok(pools) = pools(&services).await {
        services.metrics.set_pools(&pools);
    }
    let mut text = String::new();
    encode(&mut text, &services.metrics.registry).map_err(|error| {
        error!(%error, "could not write the metrics");
        Problem::new(ProblemKind::Internal)
    })?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text))
}

async fn pools(services: &Services) -> Result<Vec<(String, Availability)>, Problem> {
    let specs = services.catalogue.read(&services.store).await?.specs;
    let mut pools = Vec::with_capacity(specs.pool.len());
    for name in specs.pool.keys() {
        pools.push((name.clone(), services.store.pool_availability(name).await?));
    }
    Ok(pools)
}
