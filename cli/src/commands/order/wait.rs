//! Waiting until an order is there.

use std::time::{Duration, Instant};

use lessor_specs::OrderPhase;
use serde_json::Value;

use super::{Orders, phase};
use crate::exit::{Exit, Failed};
use crate::output::say;
use crate::rows::text;

/// How often it is asked how far an order is.
const ASKED_EVERY: Duration = Duration::from_millis(300);

/// Follows an order until it is there, is not going to be, or nobody wants to wait any longer, and
/// says what happens to it. Answers with how it stands, and why it is not there if it is not.
pub(super) async fn until_there(
    keeper: &impl Orders,
    placed: Value,
    patience: Duration,
) -> anyhow::Result<(Value, Option<Failed>)> {
    let (begun, id) = (Instant::now(), text(&placed, "id"));
    let (mut order, mut told) = (placed, 0);
    loop {
        if let Some(now) = keeper.by_id(&id).await? {
            order = now;
        }
        // What brought it there is among them, since it happened before.
        for event in keeper.events(&id, told).await? {
            told = event["number"].as_u64().unwrap_or(told).max(told);
            say(&format!("{id}  {}  {}", text(&event, "kind"), text(&event, "phase")));
        }
        match standing(&order) {
            Standing::There => return Ok((order, None)),
            Standing::Never => {
                let failed = Failed::new(unavailable(&order, &id));
                let failed = failed.hint(format!("`lessor order show {id}` says what happened"));
                return Ok((order, Some(failed)));
            }
            Standing::OnItsWay if begun.elapsed() >= patience => {
                let failed = Failed::new(late(&order, &id, patience)).exit(Exit::Partial);
                let hint = format!("it goes on; `lessor order show {id}` says how far it is");
                return Ok((order, Some(failed.hint(hint))));
            }
            Standing::OnItsWay => tokio::time::sleep(ASKED_EVERY).await,
        }
    }
}

enum Standing {
    There,
    OnItsWay,
    Never,
}

fn standing(order: &Value) -> Standing {
    match phase(order) {
        Some(OrderPhase::Active) => Standing::There,
        Some(
            OrderPhase::Pending
            | OrderPhase::Provisioning
            | OrderPhase::Updating
            | OrderPhase::Reconciling,
        ) => Standing::OnItsWay,
        _ => Standing::Never,
    }
}

fn unavailable(order: &Value, id: &str) -> String {
    let because = because(order);
    format!("order `{id}` is {}, and not going to be there{because}", text(order, "phase"))
}

fn late(order: &Value, id: &str, patience: Duration) -> String {
    let (phase, waited) = (text(order, "phase"), patience.as_secs());
    format!("order `{id}` is still {phase} after {waited} s{}", because(order))
}

fn because(order: &Value) -> String {
    match text(order, "problem") {
        none if none.is_empty() => none,
        why => format!(": {why}"),
    }
}
