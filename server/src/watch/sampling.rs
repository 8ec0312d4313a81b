//! Looking at everything that runs, one after another: what it uses.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::Clock as _;
use lessor_store::{Order, Sample, Store};
use tokio::time::timeout;
use tracing::debug;

use super::{Found, NotFound, Round, Watching, usage};

/// How many instances are looked at at the same time.
pub(super) const AT_ONCE: usize = 16;

/// How many orders are read at a time.
pub(super) const ORDERS: u32 = 500;

/// How long one look may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long samples are kept, and up to how old one may be that another is counted from.
const KEPT: SignedDuration = SignedDuration::from_hours(48);
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// Remembers what every instance uses that should run, and forgets what is old. Answers with what
/// there is to say.
pub(crate) async fn sample(store: &Store, watching: &Watching) -> anyhow::Result<String> {
    let before = |kept| store.now().checked_sub(kept).unwrap_or(Timestamp::MIN);
    let last = store.sample_last(before(FRESH)).await?;
    let round = round(store, watching).await;
    let (mut seen, mut missed) = (0, 0);
    let mut after = String::new();
    loop {
        let orders = store.order_list_running(&after, ORDERS).await?;
        let Some(end) = orders.last() else { break };
        after.clone_from(&end.id);
        let looks: Vec<_> = orders.iter().map(|order| look(store, round.as_ref(), order)).collect();
        let found: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
        let mut samples: Vec<Sample> = found.into_iter().flatten().collect();
        for sample in &mut samples {
            let last = last.get(&sample.order);
            let cpu = last.and_then(|last| usage::since(last, &sample.usage, sample.at));
            sample.usage.cpu = sample.usage.cpu.or(cpu);
        }
        store.sample_write(&samples).await?;
        seen += samples.len();
        missed += orders.len() - samples.len();
    }
    let forgotten = store.sample_forget(before(KEPT)).await?;
    Ok(format!("{seen} instances, {missed} not seen, {forgotten} old samples"))
}

async fn look(store: &Store, round: Option<&Round>, order: &Order) -> Option<Sample> {
    let found = found(round, order)?;
    let usage = timeout(PATIENCE, found.watch.watcher.usage(&found.thing)).await;
    match usage {
        Ok(Ok(usage)) => Some(Sample { order: order.id.clone(), at: store.now(), usage }),
        Ok(Err(why)) => {
            debug!(order = order.id, %why, "what an instance uses is not known");
            None
        }
        Err(_) => None,
    }
}

/// What is needed to reach instances, if they can be reached.
pub(super) async fn round(store: &Store, watching: &Watching) -> Option<Round> {
    let round = watching.round(store).await;
    round.inspect_err(|why| debug!(why = format!("{why:#}"), "no instance can be reached")).ok()
}

/// The instance of an order, if it can be looked after.
pub(super) fn found(round: Option<&Round>, order: &Order) -> Option<Found> {
    match round?.find(order) {
        Ok(found) => Some(found),
        Err(NotFound::Nothing) => None,
        Err(NotFound::NoWay(why)) => {
            debug!(order = order.id, why = format!("{why:#}"), "an instance is out of reach");
            None
        }
    }
}
