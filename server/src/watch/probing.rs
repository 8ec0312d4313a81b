//! Whether everything that should run is well, and starting anew what is not: a few times, and then
//! no more.

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Clock as _, Health};
use lessor_specs::kinds::Ready;
use lessor_store::{HealthRecord, HealthStep, Order, Store};
use tokio::time::timeout;
use tracing::{info, warn};

use super::actions::restart;
use super::sampling::{AT_ONCE, ORDERS, PATIENCE, found, round};
use super::{Found, Round, Watching};

/// How often in a row an instance is found ill before it is started anew: once may be bad luck.
const FAILS: u32 = 2;

/// How often it is started anew within a window, before it is left as it is.
const RESTARTS: u32 = 3;
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How soon after another a look finds the same: half of the time between two rounds.
const SAME: SignedDuration = SignedDuration::from_secs(30);

/// What was done, counted.
#[derive(Default)]
struct Counts {
    well: usize,
    ill: usize,
    restarted: usize,
    held: usize,
    unseen: usize,
    broken: usize,
}

/// Looks whether every instance that should run is well, and does what follows. Answers with what
/// there is to say. What goes wrong with one keeps none of the others from being looked at.
pub(crate) async fn probe(store: &Store, watching: &Watching) -> anyhow::Result<String> {
    let mut counts = Counts::default();
    let round = round(store, watching).await;
    let records = store.health_list().await?;
    let mut after = String::new();
    loop {
        let orders = store.order_list_running(&after, ORDERS).await?;
        let Some(end) = orders.last() else { break };
        after.clone_from(&end.id);
        let readies = store.order_list_ready(&orders).await?;
        let looks = orders.iter().zip(&readies).map(|(order, ready)| {
            let record = records.get(&order.id).cloned().unwrap_or_default();
            look(store, round.as_ref(), (order, ready.as_ref()), record)
        });
        let looks: Vec<_> = looks.collect();
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some(seen) = looks.next().await {
            counts.add(seen);
        }
    }
    let Counts { well, ill, restarted, held, unseen, broken } = counts;
    let said =
        format!("{well} well, {ill} ill, {restarted} restarted, {held} held, {unseen} not seen");
    Ok(if broken > 0 { format!("{said}, {broken} went wrong") } else { said })
}

/// How an instance was found, and what was done; `None` when it was not seen.
type Seen = Option<(Health, HealthStep)>;

impl Counts {
    fn add(&mut self, seen: anyhow::Result<Seen>) {
        let Ok(seen) = seen else {
            self.broken += 1;
            return;
        };
        match &seen {
            None => self.unseen += 1,
            Some((Health::Well | Health::Starting, _)) => self.well += 1,
            Some((Health::Ill(_), _)) => self.ill += 1,
        }
        match seen.map(|(_, step)| step) {
            Some(HealthStep::Restart) => self.restarted += 1,
            Some(HealthStep::Hold) => self.held += 1,
            Some(HealthStep::Note | HealthStep::Recover) | None => {}
        }
    }
}

async fn look(
    store: &Store,
    round: Option<&Round>,
    (order, ready): (&Order, Option<&Ready>),
    before: HealthRecord,
) -> anyhow::Result<Seen> {
    let Some(found) = found(round, order) else { return Ok(None) };
    let probing = found.watch.watcher.probe(&found.thing, ready);
    let Ok(Ok(health)) = timeout(PATIENCE, probing).await else { return Ok(None) };
    let (record, step) = next(&before, &health, store.now());
    if record == before && step == HealthStep::Note {
        return Ok(Some((health, step)));
    }
    let done = follow(store, found, order, (record, step)).await;
    let done = done.inspect_err(|error| {
        let why = format!("{error:#}");
        warn!(order = order.id, %why, "what follows from how an instance is could not be done");
    });
    Ok(done?.then_some((health, step)))
}

/// Remembers what was found and does what follows; whether the order is still as it was then. It is
/// written first: who is killed in between has counted it.
async fn follow(
    store: &Store,
    found: Found,
    order: &Order,
    (record, step): (HealthRecord, HealthStep),
) -> anyhow::Result<bool> {
    if step == HealthStep::Restart {
        info!(order = order.id, "an instance is ill and started anew");
        let (writer, order) = (store.clone(), order.clone());
        let first = async move {
            let is_written = writer.health_write(&order, &record, step).await?;
            Ok(is_written.then_some(()))
        };
        return Ok(restart(store, found, first).await?.is_some());
    }
    if step == HealthStep::Hold {
        warn!(order = order.id, "an instance stays ill and is left as it is");
    }
    Ok(store.health_write(order, &record, step).await?)
}

/// What is remembered from now on of an instance that was found so, and what follows.
fn next(before: &HealthRecord, health: &Health, now: Timestamp) -> (HealthRecord, HealthStep) {
    let is_over = before.window_at.is_none_or(|begun| now.duration_since(begun) >= WINDOW);
    let (restarts, window_at) =
        if is_over { (0, None) } else { (before.restarts, before.window_at) };
    let why = match health {
        Health::Starting => return (before.clone(), HealthStep::Note),
        Health::Well => {
            // How often it was started anew still counts: it may be well for a moment only.
            let record = HealthRecord { restarts, window_at, ..HealthRecord::default() };
            let is_back = before.held_at.is_some();
            return (record, if is_back { HealthStep::Recover } else { HealthStep::Note });
        }
        Health::Ill(why) => why.clone(),
    };
    if before.held_at.is_some() {
        return (HealthRecord { why: Some(why), ..before.clone() }, HealthStep::Note);
    }
    let is_same = |at| now.duration_since(at).abs() < SAME;
    if before.failed_at.is_some_and(is_same) {
        return (before.clone(), HealthStep::Note);
    }
    let ill = HealthRecord {
        ill_since: Some(before.ill_since.unwrap_or(now)),
        fails: before.fails + 1,
        why: Some(why),
        restarts,
        window_at,
        held_at: None,
        failed_at: Some(now),
    };
    if ill.fails < FAILS {
        return (ill, HealthStep::Note);
    }
    if restarts < RESTARTS {
        let window_at = Some(window_at.unwrap_or(now));
        let record = HealthRecord { fails: 0, restarts: restarts + 1, window_at, ..ill };
        return (record, HealthStep::Restart);
    }
    (HealthRecord { held_at: Some(now), ..ill }, HealthStep::Hold)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// What follows minute by minute, where `I` is ill, `.` well and `s` starting.
    fn told(found: &str) -> String {
        let begun: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let mut record = HealthRecord::default();
        found.chars().enumerate().fold(String::new(), |mut told, (minute, found)| {
            let health = match found {
                'I' => Health::Ill("nothing answers".into()),
                's' => Health::Starting,
                _ => Health::Well,
            };
            let now = begun + SignedDuration::from_mins(i64::try_from(minute).unwrap());
            let (after, step) = next(&record, &health, now);
            record = after;
            let sign = match step {
                HealthStep::Note => '-',
                HealthStep::Restart => 'R',
                HealthStep::Hold => 'H',
                HealthStep::Recover => 'r',
            };
            let _ = write!(told, "{sign}");
            told
        })
    }

    #[test]
    fn what_is_ill_is_started_anew_a_few_times_and_then_left_as_it_is() {
        assert_eq!(told("IIIIIIIIIIII"), "-R-R-R-H----");
        // Once is bad luck, and who is starting is neither well nor ill.
        assert_eq!(told("I.I.I.I.I.I."), "------------");
        assert_eq!(told("IIssIIssII"), "-R---R---R");
    }

    #[test]
    fn two_looks_right_after_each_other_find_the_same() {
        let begun: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let ill = Health::Ill("nothing answers".into());
        let after = |seconds| begun + SignedDuration::from_secs(seconds);
        let (once, _) = next(&HealthRecord::default(), &ill, begun);
        let (twice, step) = next(&once, &ill, after(29));
        assert_eq!((&twice, step), (&once, HealthStep::Note));
        assert_eq!(next(&twice, &ill, after(31)).1, HealthStep::Restart);
    }

    #[test]
    fn who_is_well_for_a_moment_only_is_still_counted_and_who_recovers_is_said_to() {
        assert_eq!(told("II.II.II.II."), "-R--R--R--Hr");
        let (ill, hour) = ("II.II.II.", ".".repeat(60));
        assert_eq!(told(&format!("{ill}{hour}II")), format!("-R--R--R-{}-R", "-".repeat(60)));
    }
}
