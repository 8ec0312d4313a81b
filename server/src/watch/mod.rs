//! Looking after what runs: what it writes, what it uses, and starting it anew.
//!
//! In reading order: how the instance of an order is reached (here), what it writes ([`logs`]) and
//! uses ([`usage`]), what is done to it ([`actions`]), and answers that go on for long ([`stream`]); then
//! what is done by the clock for all of them ([`sampling`], [`probing`]).

pub(crate) mod actions;
pub(crate) mod logs;
mod probing;
mod sampling;
pub(crate) mod stream;
pub(crate) mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lessor_engine::{WatchError, Watched};
use lessor_plans::{ClaimKey, InstallationId, Naming, name_for};
use lessor_providers::Watch;
use lessor_specs::{Address, Kind};
use lessor_store::{Order, Store};
use tokio::sync::Mutex;
use tracing::{error, warn};

use crate::access::Permission;
use crate::reconcile::{Estate, Ground};
use crate::{Problem, ProblemKind};

pub(crate) use probing::probe;
pub(crate) use sampling::sample;
pub(crate) use stream::Streams;
use stream::Subject;

/// When to ask again where a host did not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// Reaches what runs behind the connections that operators applied last.
pub(crate) struct Watching {
    /// Nothing where there is no configuration.
    estate: Option<Estate>,
    /// What was applied last, as it was read before.
    known: Mutex<Option<Arc<Known>>>,
}

struct Known {
    ground: Ground,
    watches: BTreeMap<Address, Watch>,
}

/// What is needed to reach many instances, read once.
pub(crate) struct Round {
    known: Arc<Known>,
    /// What things are known by at the connections that number them.
    ids: BTreeMap<Address, BTreeMap<String, String>>,
}

/// The instance of an order, and who looks after it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) watch: Watch,
    pub(crate) thing: Watched,
    /// The connection it lives on.
    pub(crate) place: Address,
}

/// Why the instance of an order cannot be looked after.
#[derive(Debug)]
pub(crate) enum NotFound {
    /// There is nothing of it.
    Nothing,
    /// This server was given no configuration, or what was applied cannot be used.
    NoWay(anyhow::Error),
}

impl Watching {
    pub(crate) fn new(estate: Option<Estate>) -> Self {
        Watching { estate, known: Mutex::default() }
    }

    /// The instance of an order.
    pub(crate) async fn find(&self, store: &Store, order: &Order) -> Result<Found, NotFound> {
        let place = place(order)?;
        let known = self.known(store).await.map_err(NotFound::NoWay)?;
        let id = match ids(&place) {
            None => None,
            Some(pool) => {
                let key = ClaimKey { pool, holder: address(order).to_string() };
                store.claim_show(&key).await.map_err(|error| NotFound::NoWay(error.into()))?
            }
        };
        known.found(order, place, id)
    }

    /// What is needed to reach many instances, as it is now.
    pub(crate) async fn round(&self, store: &Store) -> anyhow::Result<Round> {
        let known = self.known(store).await?;
        let mut numbered = BTreeMap::new();
        for place in known.watches.keys() {
            if let Some(pool) = ids(place) {
                numbered.insert(place.clone(), store.claim_list_in(&pool).await?);
            }
        }
        Ok(Round { known, ids: numbered })
    }

    /// What was applied last, read anew when it is another than before.
    async fn known(&self, store: &Store) -> anyhow::Result<Arc<Known>> {
        let no_way = || anyhow::anyhow!("this server has no configuration");
        let estate = self.estate.as_ref().ok_or_else(no_way)?;
        let latest = store.revision_latest().await?;
        let latest = latest.ok_or_else(|| anyhow::anyhow!("nothing was applied yet"))?;
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.ground.still_fits(&latest)) {
            return Ok(known.clone());
        }
        let ground = Ground::read(store, estate, &latest).await?;
        let watches = ground.watches(estate)?;
        let new = Arc::new(Known { ground, watches });
        *known = Some(new.clone());
        Ok(new)
    }
}

impl Round {
    /// The instance of an order.
    pub(crate) fn find(&self, order: &Order) -> Result<Found, NotFound> {
        let place = place(order)?;
        let ids = self.ids.get(&place);
        let id = ids.and_then(|ids| ids.get(&address(order).to_string())).cloned();
        self.known.found(order, place, id)
    }
}

impl Known {
    /// The instance of an order, by the number that it has where things are numbered.
    fn found(&self, order: &Order, place: Address, id: Option<String>) -> Result<Found, NotFound> {
        let address = address(order);
        let name = match ids(&place) {
            None => name_for(Naming::Docker, &address),
            Some(_) => id.ok_or(NotFound::Nothing)?,
        };
        let watch = self.watches.get(&place).cloned().ok_or_else(|| {
            NotFound::NoWay(anyhow::anyhow!("`{place}`, where it lives, is not declared any more"))
        })?;
        Ok(Found { watch, thing: Watched { address, name }, place })
    }
}

/// The connection that an order was placed on, where something of it may be.
fn place(order: &Order) -> Result<Address, NotFound> {
    let is_there = order.anchored_at.is_some() && order.cleared_at.is_none();
    let host = order.host.as_deref().filter(|_| is_there).ok_or(NotFound::Nothing)?;
    let place = host.split_once('/').map_or(host, |(place, _)| place);
    place.parse().map_err(|why| NotFound::NoWay(anyhow::anyhow!("{why}")))
}

fn address(order: &Order) -> Address {
    Address::new(Kind::Instance, order.full_name())
}

/// Out of what the numbers are given that things have at a connection; `None` where they have names.
fn ids(place: &Address) -> Option<String> {
    (place.kind() != Kind::Docker).then(|| format!("{place}/id"))
}

/// What is told of the instance of an order.
fn subject(order: &Order) -> Subject {
    Subject { tenant: Some(order.tenant.clone()), permission: Permission::InstancesRead }
}

impl Ground {
    /// Who looks after what runs behind each connection.
    fn watches(&self, estate: &Estate) -> anyhow::Result<BTreeMap<Address, Watch>> {
        let installation: &InstallationId = &estate.installation;
        let around = lessor_providers::Around::new(&estate.dir, installation, &self.secrets);
        Ok(around.watches(&self.specs)?)
    }
}

impl From<NotFound> for Problem {
    fn from(found: NotFound) -> Self {
        match found {
            NotFound::Nothing => {
                Problem::new(ProblemKind::NotNow).detail("there is nothing of it yet, or any more")
            }
            NotFound::NoWay(why) => {
                error!(why = format!("{why:#}"), "an instance cannot be looked after");
                Problem::new(ProblemKind::Unavailable)
                    .detail("its host cannot be reached from here")
            }
        }
    }
}

/// What a caller is told of an instance of theirs; what its host says of others stays here.
pub(crate) fn untold(error: WatchError) -> Problem {
    match error {
        WatchError::Absent => Problem::new(ProblemKind::NotNow).detail("it is not there right now"),
        WatchError::Refused(why) => Problem::new(ProblemKind::NotOffered).detail(why),
        WatchError::NotOurs(why) | WatchError::Unanswered(why) => {
            warn!(%why, "an instance cannot be looked after");
            let detail = "its host does not answer for it";
            Problem::new(ProblemKind::Unavailable).detail(detail).retry_after(AGAIN)
        }
    }
}
