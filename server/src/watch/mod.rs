//! Looking after what runs: what it writes, what it uses, and starting it anew.
//!
//! In reading order: how the instance of an order is reached (here), what it writes ([`logs`]) and
//! uses ([`usage`]), what is done to it ([`actions`]), and answers that go on for long ([`stream`]); then
//! what is done by the clock for all of them ([`sampling`], [`probing`]).

pub(crate) mod actions;
pub(crate) mod logs;
mod probing;
mod sampling;
mod stream;
pub(crate) mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lessor_engine::{WatchError, Watched};
use lessor_plans::{InstallationId, Naming, name_for};
use lessor_providers::Watch;
use lessor_specs::{Address, Kind};
use lessor_store::{Order, Store};
use tokio::sync::Mutex;
use tracing::{error, warn};

use crate::reconcile::{Estate, Ground};
use crate::{Problem, ProblemKind};

pub(crate) use probing::probe;
pub(crate) use sampling::sample;
pub(crate) use stream::Streams;

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
        let is_there = order.anchored_at.is_some() && order.cleared_at.is_none();
        let host = order.host.as_deref().filter(|_| is_there).ok_or(NotFound::Nothing)?;
        let place = host.split_once('/').map_or(host, |(place, _)| place);
        let place: Address =
            place.parse().map_err(|why| NotFound::NoWay(anyhow::anyhow!("{why}")))?;
        let thing = thing(store, order, &place).await.map_err(NotFound::NoWay)?;
        let thing = thing.ok_or(NotFound::Nothing)?;
        let known = self.known(store).await.map_err(NotFound::NoWay)?;
        let watch = known.watches.get(&place).cloned().ok_or_else(|| {
            NotFound::NoWay(anyhow::anyhow!("`{place}`, where it lives, is not declared any more"))
        })?;
        Ok(Found { watch, thing, place })
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

/// What the instance of an order is known by at its connection.
async fn thing(store: &Store, order: &Order, place: &Address) -> anyhow::Result<Option<Watched>> {
    let address = Address::new(Kind::Instance, order.full_name());
    if place.kind() == Kind::Docker {
        let name = name_for(Naming::Docker, &address);
        return Ok(Some(Watched { address, name }));
    }
    let pool = format!("{place}/id");
    let claims = store.claim_of(&address).await?;
    let id = claims.into_iter().find(|(key, _)| key.pool == pool);
    Ok(id.map(|(_, name)| Watched { address, name }))
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
