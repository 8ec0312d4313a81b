//! Whether everything that should run is well, and starting anew what is not: a few times, and then
//! no more.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{Clock as _, Health};
use lessor_store::{HealthRecord, HealthStep, Order, Store};
use tokio::time::timeout;
use tracing::{info, warn};

use super::Watching;
use super::actions::restart;
use super::sampling::{AT_ONCE, ORDERS, PATIENCE, found};

/// How often in a row an instance is found ill before it is started anew: once may be bad luck.
const FAILS: u32 = 2;

/// How often it is started anew within a window, before it is left as it is.
const RESTARTS: u32 = 3;
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How long starting one anew may take.
const RESTARTING: Duration = Duration::from_mins(5);

/// What was done, counted.
#[derive(Default)]
struct Counts {
    well: usize,
    ill: usize,
    restarted: usize,
    held: usize,
    unseen: usize,
}

/// Looks whether every instance that should run is well, and does what follows. Answers with what
/// there is to say.
pub(crate) async fn probe(store: &Store, watching: &Watching) -> anyhow::Result<String> {
    let mut counts = Counts::default();
    let mut after = String::new();
    loop {
        let orders = store.order_list_running(&after, ORDERS).await?;
        let Some(end) = orders.last() else { break };
        after.clone_from(&end.id);
        let looks: Vec<_> = orders.iter().map(|order| look(store, watching, order)).collect();
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some(seen) = looks.next().await {
            counts.add(seen?);
        }
    }
    let Counts { well, ill, restarted, held, unseen } = counts;
    Ok(format!("{well} well, {ill} ill, {restarted} restarted, {held} held, {unseen} not seen"))
}

/// How an instance was found, and what was done; `None` when it was not seen.
type Seen = Option<(Health, HealthStep)>;

impl Counts {
    fn add(&mut self, seen: Seen) {
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

async fn look(store: &Store, watching: &Watching, order: &Order) -> anyhow::Result<Seen> {
    let Some(found) = found(store, watching, order).await else { return Ok(None) };
    let ready = store.order_ready(order).await?;
    let probing = found.watch.watcher.probe(&found.thing, ready.as_ref());
    let Ok(Ok(health)) = timeout(PATIENCE, probing).await else { return Ok(None) };
    let before = store.health_show(&order.id).await?;
    let (record, step) = next(&before, &health, store.now());
    if record == before && step == HealthStep::Note {
        return Ok(Some((health, step)));
    }
    // It is written first: who is killed in between has counted it.
    if !store.health_write(order, &record, step).await? {
        return Ok(None);
    }
    match step {
        HealthStep::Restart => {
            info!(order = order.id, "an instance is ill and started anew");
            let restarted = timeout(RESTARTING, restart(store, &found)).await;
            let restarted = restarted.context("starting it anew took too long");
            if !matches!(restarted, Ok(Ok(()))) {
                warn!(order = order.id, "an instance that is ill could not be started anew");
            }
        }
        HealthStep::Hold => warn!(order = order.id, "an instance stays ill and is left as it is"),
        HealthStep::Note | HealthStep::Recover => {}
    }
    Ok(Some((health, step)))
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
    let ill = HealthRecord {
        ill_since: Some(before.ill_since.unwrap_or(now)),
        fails: before.fails + 1,
        why: Some(why),
        restarts,
        window_at,
        held_at: None,
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
    fn who_is_well_for_a_moment_only_is_still_counted_and_who_recovers_is_said_to() {
        assert_eq!(told("II.II.II.II."), "-R--R--R--Hr");
        let (ill, hour) = ("II.II.II.", ".".repeat(60));
        assert_eq!(told(&format!("{ill}{hour}II")), format!("-R--R--R-{}-R", "-".repeat(60)));
    }
}
