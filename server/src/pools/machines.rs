//! The machines of a pool: looking at them, and registering some.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use lessor_specs::{HostKey, Kind, name_problem};
use lessor_store::{Machine, MachineLogin, MachineState, NewMachine};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pool::known;
use crate::access::Permission;
use crate::extract::{Json, Path, Query};
use crate::page::{Page, PageQuery};
use crate::{Caller, Problem, ProblemKind, Services};

/// A machine, as it stands. What lets us in is never shown.
#[derive(Serialize, ToSchema)]
pub struct MachineShown {
    /// Its name.
    name: String,
    /// Its pool.
    pool: String,
    /// Who says that it is there: `file` or `call`.
    origin: &'static str,
    /// What can be done with it: it is `free`, `reserved`, in `cleaning`, `quarantined` while it was not
    /// found well, or `cordoned`.
    state: &'static str,
    /// Whether it is kept out of new reservations.
    cordoned: bool,
    /// Whether it goes once it is nobody's.
    leaving: bool,
    /// By what it is chosen.
    labels: BTreeMap<String, String>,
    /// What went wrong last.
    problem: Option<String>,
    /// How often in a row it did.
    tries: u32,
    /// When it was last found well.
    #[schema(format = DateTime)]
    probed_at: Option<String>,
    /// When it is looked at next.
    #[schema(format = DateTime)]
    next_at: String,
}

/// A machine that is to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMachineBody {
    /// Its name.
    #[schema(min_length = 1, max_length = 40)]
    pub(crate) name: String,
    /// Its host name or address.
    #[schema(min_length = 1, max_length = 253)]
    pub(crate) host: String,
    /// Where its ssh server listens; 22 unless said.
    #[serde(default = "ssh")]
    #[schema(minimum = 1, maximum = 65535)]
    pub(crate) port: u16,
    /// Who we are there: `root` unless said, or somebody who may do everything by `sudo -n`.
    #[serde(default = "root")]
    pub(crate) user: String,
    /// The fingerprint of its ssh key: `SHA256:…`.
    pub(crate) host_key: String,
    /// Our password there, or our private key. It is never shown again.
    #[schema(write_only, min_length = 1, max_length = 16384)]
    pub(crate) credential: String,
    /// By what those who reserve choose it.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

impl MachineShown {
    /// As the API shows it.
    pub fn of((machine, state): &(Machine, MachineState)) -> Self {
        MachineShown {
            name: machine.name.clone(),
            pool: machine.pool.clone(),
            origin: machine.origin.as_str(),
            state: state.as_str(),
            cordoned: machine.cordoned || machine.withheld,
            leaving: machine.leaving,
            labels: machine.labels.clone(),
            problem: machine.why.clone(),
            tries: machine.tries,
            probed_at: machine.probed_at.map(|at| at.to_string()),
            next_at: machine.next_at.to_string(),
        }
    }
}

/// The machines of a pool, in order of name.
#[utoipa::path(get, path = "/v1/pools/{pool}/machines", tag = "pools", params(("pool" = String, Path, description = "Its name"), PageQuery), responses((status = 200, body = Page<MachineShown>)))]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    Path(pool): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<MachineShown>>, Problem> {
    caller.on_platform(Permission::PoolsRead)?;
    known(&services, &pool).await?;
    let after = page.after()?;
    let store = &services.store;
    let machines = store.machine_list(Some(&pool), after.as_deref(), page.fetch()?).await?;
    Ok(Answer(page.page(machines, |(machine, _)| machine.name.clone(), MachineShown::of)?))
}

/// Registers a machine that is there, or says anew how it is reached. Nobody gets it before it was
/// reached.
#[utoipa::path(post, path = "/v1/pools/{pool}/machines", tag = "pools", params(("pool" = String, Path, description = "Its name")), request_body = NewMachineBody, responses((status = 201, body = MachineShown)))]
pub(crate) async fn register(
    State(services): State<Services>,
    caller: Caller,
    Path(pool): Path<String>,
    Json(new): Json<NewMachineBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.on_platform(Permission::PoolsWrite)?;
    known(&services, &pool).await?;
    let registered = put(&services, &caller, &pool, new).await?;
    Ok((StatusCode::CREATED, Answer(MachineShown::of(&registered))))
}

/// Registers a machine of a pool that is there, for a caller who may.
pub(crate) async fn put(
    services: &Services,
    caller: &Caller,
    pool: &str,
    new: NewMachineBody,
) -> Result<(Machine, MachineState), Problem> {
    check(&new)?;
    if let Err(why) = new.host_key.parse::<HostKey>() {
        return Err(Problem::field("/host_key", why.to_string()));
    }
    let NewMachineBody { name, host, port, user, host_key, credential, labels } = new;
    let machine = NewMachine { name, pool: pool.to_owned(), labels, withheld: false };
    let login = MachineLogin { host, port, user, host_key: Some(host_key), credential };
    let store = &services.store;
    store.machine_register(&machine, &login, &caller.actor()).await?;
    services.machines_moved.notify_one();
    store.machine_show(&machine.name).await?.ok_or_else(Problem::not_found)
}

/// Forgets a machine that was registered. Who has it keeps it until then; nobody gets it any more.
#[utoipa::path(delete, path = "/v1/pools/{pool}/machines/{machine}", tag = "pools", params(("pool" = String, Path, description = "Its name"), ("machine" = String, Path, description = "The machine")), responses((status = 204)))]
pub(crate) async fn unregister(
    State(services): State<Services>,
    caller: Caller,
    Path((pool, machine)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.on_platform(Permission::PoolsWrite)?;
    known(&services, &pool).await?;
    of_pool(&services, &pool, &machine).await?;
    forget(&services, &caller, &machine).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a machine that is there, for a caller who may.
pub(crate) async fn forget(
    services: &Services,
    caller: &Caller,
    machine: &str,
) -> Result<(), Problem> {
    if services.store.machine_unregister(machine, &caller.actor()).await? {
        services.machines_moved.notify_one();
        return Ok(());
    }
    let detail = "files declare it: remove its entry, and apply";
    Err(Problem::new(ProblemKind::NotNow).detail(detail))
}

/// A machine, if it is one of the pool.
pub(super) async fn of_pool(
    services: &Services,
    pool: &str,
    machine: &str,
) -> Result<Machine, Problem> {
    let found = services.store.machine_show(machine).await?.map(|(machine, _)| machine);
    found.filter(|found| found.pool == pool).ok_or_else(Problem::not_found)
}

/// Whether all of it makes sense but the key of the host.
pub(crate) fn check(new: &NewMachineBody) -> Result<(), Problem> {
    if let Some(why) = name_problem(Kind::Machine, &new.name) {
        return Err(Problem::field("/name", why));
    }
    let plain = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    if !plain(&new.host, 253) {
        return Err(Problem::field("/host", "expected a host name or an address"));
    }
    if new.port == 0 {
        return Err(Problem::field("/port", "expected 1 to 65535"));
    }
    if !plain(&new.user, 32) {
        return Err(Problem::field("/user", "expected the name of a user"));
    }
    if !(1..=16_384).contains(&new.credential.len()) {
        return Err(Problem::field("/credential", "expected a password, or a private key"));
    }
    Ok(())
}

fn ssh() -> u16 {
    22
}

fn root() -> String {
    "root".into()
}
